/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Debuggers: enclave memory of a process, as ptrace has it on Linux (the vma's
 * access operation: EDBGRD and EDBGWR, eight bytes at a time).
 *
 * Who has the command socket may ask: a process of the command, or a debugger that
 * was allowed to copy it out of one, which takes the same right as ptrace.  What
 * it gets by this is what the EPCM gives: debug enclaves alone.
 *
 * An exec of a process that a debugger traces cannot be followed by the daemon: the
 * debugger's library injects the agent, with what it is told here.
 *
 * On the main thread: a debugger's process is stopped, its questions are few.
 */
#include "machine.h"

#include <proto/debug.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_SIZE offsetof(struct proto_debug, data)

/**
 * debug_start() - a debugger has come
 * @m:		machine
 * @pid:	of it, for the log
 * @fd:		its private socket; taken
 *
 * Context: main thread.
 */
void debug_start(struct machine *m, pid_t pid, int fd)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_OK,
	};
	struct conn *c = conn_add(m, fd, false, false);

	if (!c)
		return;
	c->debug = true;
	c->debugger = pid;
	log_line("process %d is a debugger", pid);
	(void)sock_send(c->source.fd, &msg, NULL, 0, NULL, 0);
}

/* An exec that is due, or has failed without a word */
struct debug_exec {
	struct debug_exec *next;
	pid_t pid;
	struct proto_exec exec;
};

/* Thread's tracer, as /proc numbers it; 0: none */
static pid_t tracer_of(const struct inject_target *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", t->proc, t->tid);
	return (pid_t)proc_number(path, "TracerPid:");
}

static struct debug_exec *take_exec(struct machine *m, pid_t pid)
{
	for (struct debug_exec **p = &m->debug_execs; *p; p = &(*p)->next) {
		struct debug_exec *x = *p;

		if (x->pid == pid) {
			*p = x->next;
			return x;
		}
	}
	return NULL;
}

/**
 * debug_takes_exec() - is a process that is about to exec traced by a debugger of ours?
 * @m:		machine
 * @pid:	process
 * @exec:	its request, remembered until the debugger asks
 *
 * Context: main thread.
 * Return: true if the debugger will inject.
 */
bool debug_takes_exec(struct machine *m, pid_t pid, const struct proto_exec *exec)
{
	struct inject_target target;
	struct debug_exec *x;
	struct conn *c;
	pid_t tracer;

	for (c = m->conns; c && !c->debug; c = c->next)
		;
	/* no debugger at all: the usual case */
	if (!c || pids_thread(pid, exec->tid, &target))
		return false;
	tracer = tracer_of(&target);
	for (; c; c = c->next)
		if (c->debug && c->debugger == tracer)
			break;
	if (!c)
		return false;
	x = take_exec(m, pid);
	if (!x)
		x = calloc(1, sizeof(*x));
	if (!x)
		return false;
	x->pid = pid;
	x->exec = *exec;
	x->next = m->debug_execs;
	m->debug_execs = x;
	return true;
}

/**
 * debug_ended() - a debugger has gone
 * @m: machine, without its connection
 *
 * The last one takes along what was meant for any.  Context: main thread.
 */
void debug_ended(struct machine *m)
{
	struct debug_exec *x;

	for (struct conn *c = m->conns; c; c = c->next)
		if (c->debug)
			return;
	while ((x = m->debug_execs)) {
		m->debug_execs = x->next;
		free(x);
	}
}

static int tell_exec(struct machine *m, struct proto_debug *msg, size_t *size)
{
	struct debug_exec *x = take_exec(m, (pid_t)msg->pid);
	struct proto_debug_exec *out = (void *)msg->data;

	if (!x)
		return 0;
	memset(out, 0, sizeof(*out));
	out->exec = x->exec;
	memcpy(out->cpuid_view, &m->cpuid, sizeof(m->cpuid));
	*size = sizeof(*out);
	free(x);
	return 1;
}

/* Context: main thread, which alone ends clients. */
static struct client *find_client(struct machine *m, pid_t pid)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->pid == pid && atomic_load(&c->state) == CLIENT_SERVED)
			return c;
	return NULL;
}

/* What an enclave's mappings say, until the next hole.  Return: false: no more. */
static bool next_range(struct client *c, uint64_t addr, struct proto_debug_range *r)
{
	struct sgx_encl_info info;
	struct mapping map;
	struct enclave *e;

	for (; mm_next(&c->mm, addr, &map); addr = map.end) {
		e = enclave_get(c->machine, map.encl);
		if (!e)
			continue;
		sgx_encl_info(e->sgx, &info);
		enclave_put(e);
		*r = (struct proto_debug_range){
			.start = map.start,
			.end = map.end,
			.base = info.base,
			.size = info.size,
			.attributes = info.attributes,
			.encl = map.encl,
		};
		/* mappings that differ in their protection alone */
		while (mm_find(&c->mm, r->end, &map) && map.encl == r->encl)
			r->end = map.end;
		return true;
	}
	return false;
}

static int ranges(struct client *c, struct proto_debug *msg, size_t *size)
{
	struct proto_debug_range r = {.end = msg->addr};
	size_t room = sizeof(msg->data) / sizeof(r);
	int count = 0;

	while ((size_t)count < room && next_range(c, r.end, &r)) {
		memcpy(msg->data + (size_t)count * sizeof(r), &r, sizeof(r));
		count++;
	}
	*size = (size_t)count * sizeof(r);
	return count;
}

/* The enclave that is mapped at an address, with a reference; NULL */
static struct enclave *enclave_at(struct client *c, uint64_t addr, struct mapping *map)
{
	return mm_find(&c->mm, addr, map) ? enclave_get(c->machine, map->encl) : NULL;
}

/*
 * As Linux' access operation does: whole words, of which those that are written in
 * part are read first.  Return: bytes; -errno where the first word fails.
 */
static int access_words(struct sgx_encl *encl, uint64_t addr, uint8_t *data, uint32_t size,
			bool write)
{
	uint32_t done = 0;
	int ret = 0;

	while (done < size) {
		uint32_t offset = (addr + done) & 7, n = 8 - offset;
		uint64_t word;

		if (n > size - done)
			n = size - done;
		ret = write && n == 8 ? 0 : sgx_access(encl, addr + done - offset, &word, false);
		if (ret)
			break;
		if (write) {
			memcpy((uint8_t *)&word + offset, data + done, n);
			ret = sgx_access(encl, addr + done - offset, &word, true);
			if (ret)
				break;
		} else {
			memcpy(data + done, (uint8_t *)&word + offset, n);
		}
		done += n;
	}
	return done ? (int)done : ret;
}

static int access_memory(struct client *c, struct proto_debug *msg)
{
	struct mapping map;
	struct enclave *e;
	int ret;

	e = enclave_at(c, msg->addr, &map);
	if (!e)
		return -EFAULT;
	if (msg->size > map.end - msg->addr)
		msg->size = (uint32_t)(map.end - msg->addr);
	ret = access_words(e->sgx, msg->addr, msg->data, msg->size, msg->op == PROTO_DEBUG_WRITE);
	enclave_put(e);
	return ret;
}

/* As the agent's PROTO_OP_FAULT, for a thread that its tracer has stopped before. */
static int fault(struct client *c, const struct proto_debug *msg)
{
	struct sgx_fault f = {
		.addr = msg->addr,
		.error_code = SGX_PF_U | (msg->size & (SGX_PF_W | SGX_PF_I)),
	};
	enum sgx_fault_verdict verdict;
	struct mapping map;
	struct enclave *e;

	e = enclave_at(c, msg->addr, &map);
	if (!e)
		return 0;
	f.vm_prot = map.prot;
	verdict = sgx_fault(&c->mm, e->sgx, &f);
	enclave_put(e);
	return verdict == SGX_FAULT_RETRY;
}

/**
 * debug_serve() - a question of a debugger
 * @m:	machine
 * @c:	its connection
 *
 * Context: main thread.
 * Return: false where it has gone, or talks nonsense.
 */
bool debug_serve(struct machine *m, struct conn *c)
{
	static struct proto_debug msg;
	struct client *client;
	size_t size = 0;
	ssize_t n;

	n = recv(c->source.fd, &msg, sizeof(msg), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n < (ssize_t)HEADER_SIZE || msg.magic != PROTO_MAGIC || msg.version != PROTO_VERSION ||
	    msg.size > sizeof(msg.data) || msg.addr + msg.size < msg.addr ||
	    (msg.op == PROTO_DEBUG_WRITE && n != (ssize_t)(HEADER_SIZE + msg.size)))
		return false;
	client = find_client(m, (pid_t)msg.pid);
	switch (msg.op) {
	case PROTO_DEBUG_READ:
		msg.status = client ? access_memory(client, &msg) : -ESRCH;
		size = msg.status > 0 ? (size_t)msg.status : 0;
		break;
	case PROTO_DEBUG_WRITE:
		msg.status = client ? access_memory(client, &msg) : -ESRCH;
		break;
	case PROTO_DEBUG_RANGES:
		msg.status = client ? ranges(client, &msg, &size) : 0;
		break;
	case PROTO_DEBUG_FAULT:
		msg.status = client ? fault(client, &msg) : 0;
		break;
	case PROTO_DEBUG_EXEC:
		msg.status = tell_exec(m, &msg, &size);
		break;
	default:
		return false;
	}
	return send(c->source.fd, &msg, HEADER_SIZE + size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}
