/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random leaves on a package of 64 pages, mostly with operands that mean
 * something, against model.c; invariants and the whole EPCM after each.
 *
 *	model_cpu [--seed N] [--steps N]
 *
 * Without --seed a new one is drawn; a failure prints what replays it.
 */
#include "model.h"

#include <cpu/sigstruct.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../unit/cpu_test_key.h"

static struct cpu_package pkg;
static struct epcm_entry epcm[PAGES];
static uint8_t epc[PAGES][4096] __attribute__((aligned(4096)));
static uint8_t mem[MEM_PAGES][4096] __attribute__((aligned(4096)));
static struct model model;
static struct step step;
static struct sgx_sigstruct_arch good_sig; /* the last one signed */

static uint64_t seed, rng_state, step_number, step_count = 1000000;
static unsigned long long outcomes[2][16][4];

/* Operands in ordinary memory: a page each, so that each can be missing */
#define PAGEINFO  (MEM_BASE + 0x0000)
#define SECINFO	  (MEM_BASE + 0x1000)
#define SOURCE	  (MEM_BASE + 0x2000)
#define SIGSTRUCT (MEM_BASE + 0x3000)
#define TOKEN	  (MEM_BASE + 0x4000)

static uint64_t rng(void)
{
	uint64_t x = rng_state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static unsigned int below(unsigned int n)
{
	return (unsigned int)((rng() >> 32) * n >> 32);
}

static bool one_in(unsigned int n)
{
	return below(n) == 0;
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "model_cpu: step %llu, %s leaf %u: ", (unsigned long long)step_number,
		step.enclu ? "ENCLU" : "ENCLS", step.leaf);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nreplay: model_cpu --seed %llu --steps %llu\n", (unsigned long long)seed,
		(unsigned long long)step_number + 1);
	exit(1);
}

/* The host's side of the package */

static uint8_t *mem_bytes(void *ctx, epc_slot_t slot)
{
	return epc[slot];
}

static int mem_fill(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr, const void *src)
{
	if (step.fill_fails)
		return -1;
	memcpy(epc[slot], src, 4096);
	return 0;
}

static void mem_drop(void *ctx, epc_slot_t slot)
{
	memset(epc[slot], 0xdb, 64);
}

static bool tcs_busy(void *ctx, epc_slot_t slot)
{
	return model.enclave[model.page[slot].secs].busy;
}

static const struct epc_mem_ops mem_ops = {
	.bytes = mem_bytes,
	.fill = mem_fill,
	.drop = mem_drop,
	.tcs_busy = tcs_busy,
};

static void *as_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	uint64_t page = (addr - MEM_BASE) / 4096;

	if (addr < MEM_BASE || page >= MEM_PAGES ||
	    (step.unmapped && addr / 4096 == step.unmapped / 4096))
		return NULL;
	return mem[page] + addr % 4096;
}

static epc_slot_t encl_slot(void *ctx, uint64_t addr)
{
	return step.stale != EPC_SLOT_NONE ? step.stale : model_lookup(&model, step.encl, addr);
}

static const struct cpu_as as = {.map = as_map};

/* Picking operands */

/* A slot that holds what the leaf wants, where a few tries find one. */
static epc_slot_t pick_slot(bool valid, int pt)
{
	epc_slot_t slot = below(PAGES);

	for (unsigned int i = 0; i < 24; i++, slot = below(PAGES))
		if (model.page[slot].valid == valid && (pt < 0 || model.page[slot].pt == pt))
			break;
	return slot;
}

static epc_slot_t pick_child(void)
{
	epc_slot_t slot = pick_slot(true, -1);

	return model.page[slot].pt == SGX_PT_SECS ? pick_slot(true, SGX_PT_REG) : slot;
}

static uint64_t spoil(uint64_t addr)
{
	switch (below(6)) {
	case 0:
		return addr + 8;
	case 1:
		return addr ^ 1ull << (47 + below(17));
	case 2:
		return SOURCE;
	case 3:
		return 0;
	case 4:
		return addr + 64;
	default:
		return rng();
	}
}

static uint64_t maybe_spoil(uint64_t addr)
{
	return one_in(40) ? spoil(addr) : addr;
}

static void spoil_secs(struct sgx_secs *secs)
{
	step.bad_secs = true;
	/* clang-format off */
	switch (below(12)) {
	case 0: secs->attributes.xfrm &= ~1ull; break;
	case 1: secs->attributes.xfrm |= 1ull << 40; break;
	case 2: secs->miscselect |= 1u << (1 + below(31)); break;
	case 3: secs->ssaframesize = 0; break;
	case 4: secs->base += 4096; break;
	case 5: secs->size += 4096; break;
	case 6: secs->size = below(8192); break;
	case 7: secs->attributes.flags |= 1; break;
	case 8: secs->attributes.flags |= 1ull << (11 + below(53)); break;
	case 9: secs->rsvd4[below(sizeof(secs->rsvd4))] = 1; break;
	case 10: secs->rsvd2[below(32)] = 0x80; break;
	default: secs->size = 1ull << (37 + below(27)); break;
	}
	/* clang-format on */
}

static void make_ecreate(void)
{
	struct sgx_secs *secs = &step.secs;

	secs->size = 0x2000ull << (2 * below(3));
	secs->base = 0x500000000000ull + 0x100000ull * below(4);
	secs->ssaframesize = 1 + below(3);
	secs->miscselect = below(2);
	secs->attributes.flags = SGX_ATTR_MODE64_BIT;
	secs->attributes.flags |= one_in(3) ? 0 : SGX_ATTR_DEBUG_BIT;
	secs->attributes.flags |= one_in(4) ? SGX_ATTR_EINITTOKEN_KEY_BIT : 0;
	secs->attributes.xfrm = one_in(2) ? 3 : 7;
	if (one_in(3)) {
		secs->attributes.flags |= SGX_ATTR_KSS_BIT;
		secs->configsvn = (uint16_t)below(3);
	}
	if (one_in(10))
		spoil_secs(secs);
	step.secinfo_flags = (one_in(50) ? SGX_PT_REG : SGX_PT_SECS) << 8;
	step.pageinfo.linaddr = one_in(60) ? 4096 : 0;
	step.pageinfo.secs = one_in(60) ? model_epc_addr(1) : 0;
	memcpy(mem[2], secs, sizeof(*secs));
	step.regs.rcx = maybe_spoil(model_epc_addr(pick_slot(one_in(8), -1)));
}

static void make_tcs(void)
{
	struct sgx_tcs *tcs = (void *)mem[2];

	memset(tcs, 0, sizeof(*tcs));
	tcs->flags = below(2);
	tcs->cssa = below(3);
	tcs->state = below(2);
	tcs->aep = rng();
	tcs->oentry = rng();
	tcs->nssa = 1 + below(3);
	if (one_in(10)) {
		step.bad_tcs = true;
		if (one_in(2))
			tcs->flags |= 1ull << (2 + below(62));
		else
			tcs->rsvd[below(sizeof(tcs->rsvd))] = 1;
	}
}

static void make_eadd(void)
{
	epc_slot_t secs = pick_slot(true, SGX_PT_SECS);
	uint64_t *words = (void *)mem[2];

	step.secinfo_flags = (one_in(4) ? SGX_PT_TCS : SGX_PT_REG) << 8 | below(8);
	if (one_in(40))
		step.secinfo_flags = below(8) << 8 | below(8);
	if (step.secinfo_flags >> 8 == SGX_PT_TCS)
		make_tcs();
	else
		words[below(512)] = rng();
	step.source = mem[2];
	step.pageinfo.secs = maybe_spoil(model_epc_addr(secs));
	step.pageinfo.linaddr = model.enclave[secs].base + 4096ull * below(16);
	if (one_in(20))
		step.pageinfo.linaddr =
			maybe_spoil(step.pageinfo.linaddr + model.enclave[secs].size);
	step.regs.rcx = maybe_spoil(model_epc_addr(pick_slot(one_in(10), -1)));
}

static void make_pageinfo(void)
{
	struct sgx_secinfo_arch *secinfo = (void *)mem[1];

	step.pageinfo.srcpge = one_in(60) ? spoil(SOURCE) & ~0xfffull : SOURCE;
	if (step.pageinfo.srcpge != SOURCE)
		step.pageinfo.srcpge = one_in(2) ? 0x1000 : SOURCE + 8;
	step.pageinfo.secinfo = maybe_spoil(SECINFO);
	if (step.pageinfo.secinfo != SECINFO && !(step.pageinfo.secinfo % 64) &&
	    step.pageinfo.secinfo - MEM_BASE < MEM_PAGES * 4096)
		step.pageinfo.secinfo = SECINFO + 32; /* never another operand's bytes */
	memset(secinfo, 0, sizeof(*secinfo));
	secinfo->flags = step.secinfo_flags;
	if (one_in(50)) {
		step.bad_secinfo = true;
		if (one_in(2))
			secinfo->flags |= 1ull << (16 + below(48));
		else
			secinfo->rsvd[below(sizeof(secinfo->rsvd))] = 1;
	}
	memcpy(mem[0], &step.pageinfo, sizeof(step.pageinfo));
	step.regs.rbx = maybe_spoil(PAGEINFO);
	if (step.regs.rbx != PAGEINFO && step.regs.rbx % 32 == 0 &&
	    step.regs.rbx - MEM_BASE < MEM_PAGES * 4096)
		step.regs.rbx = PAGEINFO + 16;
}

static void sign_for(const struct model_enclave *e)
{
	const char *why;

	memset(&good_sig, 0, sizeof(good_sig));
	cpu_sigstruct_init(&good_sig);
	good_sig.attributes.flags = e->flags ^ (one_in(8) ? SGX_ATTR_DEBUG_BIT : 0);
	good_sig.attributes.xfrm = e->xfrm;
	good_sig.attributemask.flags = one_in(2) ? ~0ull : rng();
	good_sig.attributemask.xfrm = one_in(2) ? ~0ull : rng();
	good_sig.miscselect = e->misc ^ one_in(10);
	good_sig.miscmask = below(2);
	good_sig.isvprodid = (uint16_t)below(5);
	good_sig.isvfamilyid[below(16)] = one_in(6);
	if (e->hash)
		model_mrenclave(e, good_sig.enclavehash);
	good_sig.enclavehash[below(32)] ^= one_in(10);
	if (cpu_sigstruct_sign(&good_sig, cpu_test_key, sizeof(cpu_test_key) - 1, &why))
		die("sign: %s", why);
}

static void make_einit(void)
{
	epc_slot_t secs = pick_slot(true, SGX_PT_SECS);
	struct sgx_sigstruct_arch *sig = (void *)mem[3];
	struct sgx_einittoken *token = (void *)mem[4];

	for (unsigned int i = 0; i < 20 && model.enclave[secs].init && !one_in(6); i++)
		secs = pick_slot(true, SGX_PT_SECS);
	if (!good_sig.exponent || one_in(2))
		sign_for(&model.enclave[secs]);
	*sig = good_sig;
	if (one_in(8)) {
		step.sig_kind = SIG_BAD_STRUCT;
		sig->header[below(16)] ^= 0x20;
	} else if (one_in(8)) {
		step.sig_kind = SIG_BAD_SIGNATURE;
		(one_in(2) ? sig->q1 : sig->signature)[below(384)] ^= 0x10;
	}
	step.sig = sig;
	memset(token, 0, sizeof(*token));
	step.token_valid = one_in(6);
	token->valid = step.token_valid;
	step.token_beyond = one_in(3);
	token->cpusvnle[below(16)] = step.token_beyond ? 9 : 0;
	step.regs.rbx = maybe_spoil(SIGSTRUCT);
	if (step.regs.rbx == SOURCE)
		step.regs.rbx = SIGSTRUCT + 8;
	step.regs.rdx = one_in(40) ? TOKEN + 64 : TOKEN;
	step.regs.rcx = maybe_spoil(model_epc_addr(secs));
}

/* A page that an initialised enclave may use so, if there is one; mostly. */
static uint64_t pick_enclu_page(unsigned int rwx)
{
	epc_slot_t start = below(PAGES);

	for (unsigned int i = 0; i < PAGES; i++) {
		const struct model_page *page = &model.page[(start + i) % PAGES];

		if (page->valid && page->pt == SGX_PT_REG && page->secs == step.encl &&
		    (page->rwx & rwx))
			return page->addr;
	}
	return model.enclave[step.encl].base;
}

static epc_slot_t pick_running(void)
{
	epc_slot_t start = below(PAGES);

	for (unsigned int i = 0; i < PAGES; i++) {
		epc_slot_t slot = (start + i) % PAGES;

		if (model.page[slot].valid && model.page[slot].pt == SGX_PT_SECS &&
		    model.enclave[slot].init)
			return slot;
	}
	return pick_slot(true, SGX_PT_SECS);
}

static void make_enclu(void)
{
	const struct model_enclave *e;
	struct sgx_keyrequest *request;
	uint64_t page[3];

	step.enclu = true;
	step.leaf = one_in(2) ? SGX_EREPORT : SGX_EGETKEY;
	step.encl = one_in(30) ? below(PAGES) : pick_running();
	step.stale = one_in(30) ? below(PAGES) : EPC_SLOT_NONE;
	e = &model.enclave[step.encl];
	for (unsigned int i = 0; i < 3; i++) {
		bool write = i == 2 || (i == 1 && step.leaf == SGX_EGETKEY);

		page[i] = one_in(15)
				  ? e->base + 4096ull * below(20)
				  : pick_enclu_page(write ? SGX_SECINFO_W_BIT : SGX_SECINFO_R_BIT);
	}
	step.regs.rbx = maybe_spoil(page[0] + 512 * below(8));
	step.regs.rcx = maybe_spoil(page[1] + 128 * below(32));
	step.regs.rdx = maybe_spoil(page[2] + 512 * below(8));
	/* EGETKEY's request, in the page itself where there is one */
	if (step.leaf == SGX_EGETKEY) {
		epc_slot_t slot =
			step.stale != EPC_SLOT_NONE
				? step.stale
				: model_lookup(&model, step.encl, step.regs.rbx & ~0xfffull);

		step.keyname = one_in(4) ? (uint16_t)below(7) : SGX_KEYNAME_REPORT;
		step.bad_request = one_in(10);
		if (slot == EPC_SLOT_NONE || model.page[slot].pt != SGX_PT_REG)
			return;
		request = (void *)(epc[slot] + step.regs.rbx % 4096 / 512 * 512);
		memset(request, 0, sizeof(*request));
		request->keyname = step.keyname;
		request->keyid[0] = (uint8_t)below(4);
		request->rsvd2[below(sizeof(request->rsvd2))] = step.bad_request;
		memcpy(model.page[slot].bytes, epc[slot], 4096);
	}
}

/* Now and then the world changes by something that is no leaf. */
static void change_world(void)
{
	uint8_t hash[32];
	epc_slot_t secs;

	if (one_in(50)) {
		secs = pick_slot(true, SGX_PT_SECS);
		if (model.page[secs].valid && model.page[secs].pt == SGX_PT_SECS)
			model.enclave[secs].busy = model.enclave[secs].init && one_in(3);
	}
	if (one_in(400) && good_sig.exponent) {
		cpu_sigstruct_mrsigner(&good_sig, hash);
		model.authorised = !one_in(3);
		hash[0] ^= !model.authorised;
		memcpy(pkg.sgxlepubkeyhash, hash, 32);
	}
}

static void make_step(void)
{
	unsigned int kind = below(1000);

	memset(&step, 0, sizeof(step));
	step.stale = EPC_SLOT_NONE;
	step.fill_fails = one_in(100);
	if (one_in(60))
		step.unmapped = MEM_BASE + 4096ull * below(MEM_PAGES);
	step.regs.rbx = rng();
	if (kind < 30) {
		step.leaf = SGX_ECREATE;
		make_ecreate();
		make_pageinfo();
	} else if (kind < 340) {
		step.leaf = SGX_EADD;
		make_eadd();
		make_pageinfo();
	} else if (kind < 540) {
		epc_slot_t slot = pick_child();

		step.leaf = SGX_EEXTEND;
		step.regs.rcx = maybe_spoil(model_epc_addr(slot) + 256 * below(16));
		step.regs.rbx = model_epc_addr(one_in(20) || model.page[slot].secs >= PAGES
						       ? below(PAGES)
						       : model.page[slot].secs);
		step.regs.rbx = maybe_spoil(step.regs.rbx);
	} else if (kind < 555) {
		step.leaf = SGX_EINIT;
		make_einit();
	} else if (kind < 680) {
		step.leaf = SGX_EREMOVE;
		step.regs.rcx = maybe_spoil(model_epc_addr(below(PAGES)));
	} else if (kind < 840) {
		step.leaf = one_in(2) ? SGX_EDBGRD : SGX_EDBGWR;
		step.regs.rcx =
			maybe_spoil(model_epc_addr(pick_child()) + 8 * below(one_in(3) ? 12 : 512));
	} else if (kind < 995) {
		make_enclu();
	} else {
		step.leaf = SGX_ETRACK + 1 + below(20);
	}
	step.regs.rax = step.leaf;
}

/* Another processor holds an entry during the step. */
static epc_slot_t hold_lock(void)
{
	epc_slot_t slot;

	if (!one_in(16))
		return EPC_SLOT_NONE;
	slot = one_in(2) || step.enclu ? below(PAGES) : model_epc_slot(step.regs.rcx);
	if (slot == EPC_SLOT_NONE)
		return slot;
	model.page[slot].lock = one_in(2) ? -1 : 1;
	epcm[slot].lock = model.page[slot].lock;
	return slot;
}

static void compare_epcm(void)
{
	const char *why;

	for (epc_slot_t slot = 0; slot < PAGES; slot++) {
		const struct model_page *page = &model.page[slot];
		const struct epcm_entry *entry = &epcm[slot];

		if (entry->valid != page->valid)
			die("slot %u: VALID is %u", slot, entry->valid);
		if (page->valid && (entry->pt != page->pt || entry->secs != page->secs ||
				    entry->address != page->addr || entry->rwx != page->rwx))
			die("slot %u: PT %u SECS %u address 0x%llx RWX %u", slot, entry->pt,
			    entry->secs, (unsigned long long)entry->address, entry->rwx);
	}
	if (!cpu_check_invariants(&pkg, &why))
		die("invariant: %s", why);
}

/* What the leaf that completed did to bytes. */
static void compare_bytes(void)
{
	epc_slot_t slot = model_epc_slot(step.regs.rcx);
	struct cpu_secs_info info;
	uint64_t value;

	if (step.enclu) {
		/* The output is the processor's; the report names the enclave. */
		uint64_t to = step.leaf == SGX_EREPORT ? step.regs.rdx : step.regs.rcx;

		slot = step.stale != EPC_SLOT_NONE
			       ? step.stale
			       : model_lookup(&model, step.encl, to & ~0xfffull);
		if (step.leaf == SGX_EREPORT &&
		    memcmp(((struct sgx_report *)(void *)(epc[slot] + to % 4096))->mrenclave,
			   model.enclave[step.encl].mrenclave, 32))
			die("MRENCLAVE in the report");
		memcpy(model.page[slot].bytes, epc[slot], 4096);
		return;
	}
	if (step.leaf == SGX_EDBGRD) {
		memcpy(&value, model.page[slot].bytes + step.regs.rcx % 4096, 8);
		if (step.regs.rbx != value)
			die("EDBGRD read 0x%llx", (unsigned long long)step.regs.rbx);
	}
	if (model.page[slot].valid && model.page[slot].pt != SGX_PT_SECS &&
	    memcmp(epc[slot], model.page[slot].bytes, 4096))
		die("slot %u has other bytes", slot);
	if (step.leaf == SGX_EINIT) {
		cpu_secs_info(&pkg, slot, &info);
		if (memcmp(info.secs.mrenclave, model.enclave[slot].mrenclave, 32))
			die("MRENCLAVE");
	}
}

static void run_step(void)
{
	struct cpu_enclave_as encl = {.slot = encl_slot};
	struct cpu_result want, is;
	struct cpu_regs before;
	epc_slot_t held;

	change_world();
	make_step();
	held = hold_lock();
	before = step.regs;
	encl.secs = step.encl;
	want = model_expect(&model, &step);
	is = step.enclu ? cpu_enclu(&pkg, &encl, &step.regs) : cpu_encls(&pkg, &as, &step.regs);
	if (held != EPC_SLOT_NONE)
		model.page[held].lock = epcm[held].lock = 0;
	if (is.kind != want.kind || is.vector != want.vector || is.code != want.code ||
	    is.addr != want.addr)
		die("kind %u vector %u code 0x%x addr 0x%llx, "
		    "expected kind %u vector %u code 0x%x addr 0x%llx",
		    is.kind, is.vector, is.code, (unsigned long long)is.addr, want.kind,
		    want.vector, want.code, (unsigned long long)want.addr);
	outcomes[step.enclu][step.leaf & 15][is.kind]++;
	if (is.kind == CPU_DONE) {
		model_apply(&model, &step);
		compare_bytes();
	} else if (step.regs.rbx != before.rbx) {
		die("RBX changed without success");
	}
	compare_epcm();
}

static void setup(void)
{
	static const struct cpu_config config = {
		.attributes = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT |
			      SGX_ATTR_EINITTOKEN_KEY_BIT | SGX_ATTR_KSS_BIT,
		.xfrm = 7,
		.miscselect = SGX_MISC_EXINFO_BIT,
		.max_size_32 = 31,
		.max_size_64 = 36,
		.flc = 1,
		.xsave_size = {[2] = 256},
		.xsave_offset = {[2] = 576},
	};
	static const uint8_t fuses[CPU_FUSE_SIZE], boot[32];

	pkg.epcm = epcm;
	pkg.epc_pages = PAGES;
	pkg.section_count = 2;
	pkg.section[0] = (struct epc_section){EPC_BASE_A, 0, EPC_PAGES_A};
	pkg.section[1] = (struct epc_section){EPC_BASE_B, EPC_PAGES_A, PAGES - EPC_PAGES_A};
	pkg.mem = &mem_ops;
	cpu_package_init(&pkg, &config, fuses, boot);
}

/* A run that never got anywhere has tested nothing: every leaf must have worked. */
static void report(void)
{
	static const char *const names[2][7] = {
		{"ECREATE", "EADD", "EINIT", "EREMOVE", "EDBGRD", "EDBGWR", "EEXTEND"},
		{"EREPORT", "EGETKEY"},
	};
	bool missing = false;

	printf("%-8s %10s %10s %10s %10s\n", "leaf", "done", "code", "fault", "host");
	for (unsigned int u = 0; u < 2; u++) {
		for (unsigned int leaf = 0; leaf < 7 && names[u][leaf]; leaf++) {
			const unsigned long long *o = outcomes[u][leaf];

			printf("%-8s %10llu %10llu %10llu %10llu\n", names[u][leaf], o[CPU_DONE],
			       o[CPU_CODE], o[CPU_FAULT], o[CPU_HOST]);
			missing |= !o[CPU_DONE] || !o[CPU_FAULT];
		}
	}
	if (missing && step_count >= 100000)
		die("a leaf never completed or never faulted");
}

int main(int argc, char **argv)
{
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	seed >>= 1;
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && !strcmp(argv[i], "--seed")) {
			seed = strtoull(argv[i + 1], NULL, 0);
		} else if (i + 1 < argc && !strcmp(argv[i], "--steps")) {
			step_count = strtoull(argv[i + 1], NULL, 0);
		} else {
			fprintf(stderr, "usage: %s [--seed N] [--steps N]\n", argv[0]);
			return 2;
		}
	}
	printf("seed %llu, %llu steps\n", (unsigned long long)seed, (unsigned long long)step_count);
	fflush(stdout);
	rng_state = seed;
	setup();
	for (step_number = 0; step_number < step_count; step_number++)
		run_step();
	report();
	for (epc_slot_t slot = 0; slot < PAGES; slot++)
		EVP_MD_CTX_free(model.enclave[slot].hash);
	return 0;
}
