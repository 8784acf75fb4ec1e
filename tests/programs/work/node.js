// SPDX-License-Identifier: BSD-3-Clause
// Node and V8: WebAssembly whose bounds are checked by SIGSEGV, worker threads,
// children, signals as events. One line for each thing, the same every time.
'use strict';
const assert = require('assert');
const { execFileSync, spawn, fork } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

// (module (memory 1) (func (export "load") (param i32) (result i32)
//    local.get 0 i32.load) (func (export "trap") unreachable)
//  (func (export "div") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s))
const code = Buffer.from('0061736d01000000010f0360017f017f60000060027f7f017f030403000102' +
	'0503010001071503046c6f61640000047472617000010364697600020a1503' +
	'07002000280200' + '0b' + '0300000b' + '070020002001' + '6d' + '0b', 'hex');

async function wasm() {
	const { instance } = await WebAssembly.instantiate(code);
	const e = instance.exports;
	let traps = 0;
	for (let i = 0; i < 1000; i++) {
		try {
			e.load(65536 + i * 4096);
		} catch (err) {
			traps += err instanceof WebAssembly.RuntimeError;
		}
	}
	console.log('wasm: out of bounds', traps, 'inside', e.load(0));
	for (const f of [() => e.trap(), () => e.div(1, 0), () => e.load(-4)]) {
		try {
			f();
		} catch (err) {
			console.log('wasm:', err.message);
		}
	}
}

async function workers() {
	const shared = new SharedArrayBuffer(8), view = new Int32Array(shared);
	const all = [];
	for (let i = 0; i < 4; i++)
		all.push(new Promise((resolve, reject) => {
			const w = new Worker(__filename, { workerData: shared });
			w.on('message', resolve);
			w.on('error', reject);
		}));
	while (view[0] < 40000)
		await new Promise((r) => setTimeout(r, 1));
	Atomics.store(view, 1, 1);
	Atomics.notify(view, 1);
	console.log('workers:', (await Promise.all(all)).every((x) => x), view[0]);
}

async function signals() {
	// a handler alone keeps nothing running
	const alive = setInterval(() => {}, 1000);
	for (const name of ['SIGUSR2', 'SIGHUP', 'SIGWINCH', 'SIGTERM']) {
		const got = new Promise((r) => process.once(name, r));
		process.kill(process.pid, name);
		console.log('signals:', await got);
	}
	const child = spawn('sleep', ['1000']);
	const ended = new Promise((r) => child.on('exit', (c, s) => r([c, s])));
	child.kill('SIGINT');
	console.log('signals: child', await ended);
	clearInterval(alive);
}

async function children() {
	console.log('children:', execFileSync('cat', { input: 'through cat' }).toString());
	try {
		execFileSync('sh', ['-c', 'echo to stderr >&2; exit 7'], { stdio: 'pipe' });
	} catch (err) {
		console.log('children:', err.status, err.stderr.toString().trim());
	}
	const c = fork(__filename, ['child']);
	const answers = [];
	c.on('message', (m) => answers.push(m));
	for (const n of [1, 2, 21])
		c.send(n);
	console.log('children:', await new Promise((r) => c.on('exit', r)), answers);
	const many = [];
	for (let i = 0; i < 20; i++)
		many.push(new Promise((r) => spawn('true').on('exit', r)));
	console.log('children:', (await Promise.all(many)).join(''));
	try {
		await new Promise((res, rej) => spawn('/nowhere/at/all').on('error', rej));
	} catch (err) {
		console.log('children:', err.code);
	}
}

async function files() {
	const dir = fs.mkdtempSync(path.join(process.env.TMPDIR || '/tmp', 'node-'));
	const jobs = [];
	for (let i = 0; i < 100; i++)
		jobs.push(fs.promises.writeFile(path.join(dir, 'f' + i), 'x'.repeat(i * 100)));
	await Promise.all(jobs);
	let size = 0;
	for (const f of await fs.promises.readdir(dir))
		size += (await fs.promises.stat(path.join(dir, f))).size;
	console.log('files:', size);
	const seen = new Promise((r) => {
		const w = fs.watch(dir, () => { w.close(); r('watched'); });
	});
	fs.writeFileSync(path.join(dir, 'g'), '');
	console.log('files:', await seen);
	fs.rmSync(dir, { recursive: true });
	const data = crypto.randomBytes(1 << 20);
	console.log('files: gzip', data.equals(zlib.gunzipSync(zlib.gzipSync(data))));
	const key = await new Promise((res, rej) =>
		crypto.pbkdf2('a', 'b', 1000, 16, 'sha256', (e, k) => e ? rej(e) : res(k)));
	console.log('files:', key.toString('hex'));
}

async function sockets() {
	const server = net.createServer((s) => s.pipe(s));
	await new Promise((r) => server.listen(0, '127.0.0.1', r));
	const all = [];
	for (let i = 0; i < 10; i++)
		all.push(new Promise((resolve, reject) => {
			let n = 0;
			const s = net.connect(server.address().port, '127.0.0.1');
			s.on('data', (d) => { n += d.length; });
			s.on('end', () => resolve(n)).on('error', reject);
			s.end(Buffer.alloc(100000));
		}));
	console.log('sockets:', (await Promise.all(all)).reduce((a, b) => a + b));
	server.close();
}

async function main() {
	await wasm();
	await workers();
	await signals();
	await children();
	await files();
	await sockets();
	let n = 0;
	const t = setInterval(() => { if (++n === 50) clearInterval(t); }, 1);
	await new Promise((r) => setTimeout(r, 20));
	assert(os.cpus().length > 0);
	process.on('exit', (c) => console.log('exit:', c, n <= 50));
}

if (!isMainThread) {
	const shared = new Int32Array(workerData);
	for (let i = 0; i < 10000; i++)
		Atomics.add(shared, 0, 1);
	Atomics.wait(shared, 1, 0);
	parentPort.postMessage(shared[0] >= 10000);
} else if (process.argv[2] === 'child') {
	process.on('message', (m) => {
		process.send(m * 2);
		if (m === 21)
			process.disconnect();
	});
} else {
	main().catch((err) => {
		console.log('failed:', err);
		process.exitCode = 1;
	});
}
