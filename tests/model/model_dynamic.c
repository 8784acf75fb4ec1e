/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random sequences on an enclave that changes while it runs: EAUG, EMODPR, EMODT,
 * EACCEPT, EMODPE, EACCEPTCOPY and EREMOVE, with threads that enter and leave, and with
 * EBLOCK, ETRACK, EWB, ELDB and ELDU in between.  sgx2_rules.c says what each must
 * answer; a page that comes back is what it was, bytes and all.
 *
 *	model_dynamic [--seed N] [--steps N]
 */
#include <cpu/leaf.h>
#include <secs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sgx2_rules.h"

#define THREADS	  3
#define LINEAR	  12 /* pages of the ELRANGE that are used */
#define SLOTS	  16 /* EPC pages: SECS, VA, SECINFO's, and 13 for those 12 */
#define EPC_BASE  0x180000000ull
#define MEM_BASE  0x7f0000000000ull
#define ENCL_BASE 0x500000000000ull
#define ENCL_SIZE 0x10000ull
#define NONE	  (-1)

enum { SLOT_SECS, SLOT_VA, SLOT_SECINFO, FIRST_SLOT };
#define ADDR_SECINFO (ENCL_BASE + 4096 * LINEAR)

/* A linear page: in the EPC, outside, or not there. */
struct linear {
	struct rule_page page;
	int slot; /* NONE: not in the EPC */
	bool evicted;
	uint64_t changed, blocked; /* epochs of EMODPR or EMODT, and of EBLOCK */
	uint64_t version;
	uint8_t bytes[4096], sealed[4096];
	struct sgx_pcmd pcmd;
};

static struct cpu_package pkg;
static struct epcm_entry epcm[SLOTS];
static uint8_t epc[SLOTS][4096] __attribute__((aligned(4096)));
static uint8_t mem[4][4096] __attribute__((aligned(4096)));
static struct linear linear[LINEAR];
static int used[SLOTS]; /* the linear page in each, NONE */
static uint64_t inside[THREADS]; /* the epoch of its entry; 0: outside */
static uint64_t epoch = 1, published = 1;
static uint64_t seed, rng_state, step_number, step_count = 300000;
static unsigned long long count[2][32][2];

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

	fprintf(stderr, "model_dynamic: step %llu: ", (unsigned long long)step_number);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nreplay: model_dynamic --seed %llu --steps %llu\n",
		(unsigned long long)seed, (unsigned long long)step_number + 1);
	exit(1);
}

/* The host's side of the package */

static uint8_t *mem_bytes(void *ctx, epc_slot_t slot)
{
	return epc[slot];
}

static int mem_fill(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr, const void *src)
{
	if (src)
		memcpy(epc[slot], src, 4096);
	else
		memset(epc[slot], 0, 4096);
	return 0;
}

static void mem_drop(void *ctx, epc_slot_t slot)
{
	memset(epc[slot], 0xdb, 4096);
}

static uint64_t oldest(void)
{
	uint64_t min = UINT64_MAX;

	for (int t = 0; t < THREADS; t++)
		if (inside[t] && inside[t] < min)
			min = inside[t];
	return min;
}

static bool tcs_busy(void *ctx, epc_slot_t slot)
{
	return oldest() != UINT64_MAX;
}

static void set_epoch(void *ctx, epc_slot_t secs, uint64_t value)
{
	published = value;
}

static uint64_t oldest_epoch(void *ctx, epc_slot_t secs)
{
	return oldest();
}

static const struct epc_mem_ops mem_ops = {
	.bytes = mem_bytes,
	.fill = mem_fill,
	.drop = mem_drop,
	.tcs_busy = tcs_busy,
	.set_epoch = set_epoch,
	.oldest_epoch = oldest_epoch,
};

static void *as_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	return addr - MEM_BASE < sizeof(mem) ? mem[(addr - MEM_BASE) / 4096] + addr % 4096 : NULL;
}

static epc_slot_t encl_slot(void *ctx, uint64_t addr)
{
	unsigned int page = (unsigned int)((addr - ENCL_BASE) / 4096);

	if (addr == ADDR_SECINFO)
		return SLOT_SECINFO;
	return page < LINEAR && linear[page].slot != NONE ? (epc_slot_t)linear[page].slot
							  : EPC_SLOT_NONE;
}

static const struct cpu_as as = {.map = as_map};
static const struct cpu_enclave_as encl = {.secs = SLOT_SECS, .slot = encl_slot};

/* An initialised SECS, a VA page, and a page of the enclave that SECINFO is in */
static void setup(void)
{
	static const struct cpu_config config = {
		.attributes = SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT,
		.xfrm = 3,
		.max_size_64 = 36,
		.sgx2 = 1,
	};
	static const uint8_t fuses[CPU_FUSE_SIZE], boot[32];
	union secs_page *secs = (void *)epc[SLOT_SECS];

	pkg.epcm = epcm;
	pkg.epc_pages = SLOTS;
	pkg.section_count = 1;
	pkg.section[0] = (struct epc_section){EPC_BASE, 0, SLOTS};
	pkg.mem = &mem_ops;
	cpu_package_init(&pkg, &config, fuses, boot);
	secs->arch.base = ENCL_BASE;
	secs->arch.size = ENCL_SIZE;
	secs->arch.ssaframesize = 1;
	secs->arch.attributes.xfrm = 3;
	secs->arch.attributes.flags = SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT | SGX_ATTR_INIT_BIT;
	secs->hidden.eid = pkg.next_eid++;
	secs->hidden.epoch = epoch;
	secs->hidden.children = 1;
	epcm[SLOT_SECS] = (struct epcm_entry){.valid = 1, .pt = SGX_PT_SECS, .secs = EPC_SLOT_NONE};
	epcm[SLOT_VA] = (struct epcm_entry){.valid = 1, .pt = SGX_PT_VA, .secs = EPC_SLOT_NONE};
	epcm[SLOT_SECINFO] = (struct epcm_entry){
		.valid = 1, .pt = SGX_PT_REG, .rwx = 1, .secs = SLOT_SECS, .address = ADDR_SECINFO};
	for (int i = 0; i < SLOTS; i++)
		used[i] = NONE;
	for (int i = 0; i < LINEAR; i++)
		linear[i].slot = NONE;
}

static struct sgx_pageinfo *pageinfo(void)
{
	return (void *)mem[0];
}

static uint64_t epc_addr(int slot)
{
	return EPC_BASE + 4096ull * (unsigned int)slot;
}

static uint64_t addr_of(int page)
{
	return ENCL_BASE + 4096ull * (unsigned int)page;
}

static void expect(bool enclu, unsigned int leaf, struct cpu_result r, int want)
{
	int is = r.kind == CPU_DONE ? 0 : r.kind == CPU_CODE ? (int)r.code : -(int)r.vector;

	if (is != want)
		die("%s leaf %u answered %d, expected %d", enclu ? "ENCLU" : "ENCLS", leaf, is,
		    want);
	count[enclu][leaf][is == 0]++;
}

static void encls(unsigned int leaf, uint64_t rbx, uint64_t rcx, uint64_t rdx, int want)
{
	struct cpu_regs regs = {.rax = leaf, .rbx = rbx, .rcx = rcx, .rdx = rdx};

	expect(false, leaf, cpu_encls(&pkg, &as, &regs), want);
}

/* Steps */

static int free_slot(void)
{
	int slot = FIRST_SLOT + (int)below(SLOTS - FIRST_SLOT);

	for (int i = 0; i < SLOTS && used[slot] != NONE; i++)
		slot = slot + 1 < SLOTS ? slot + 1 : FIRST_SLOT;
	return slot;
}

/* A linear page that is in the EPC; NONE where there is none. */
static int pick(void)
{
	int page = (int)below(LINEAR);

	for (int i = 0; i < LINEAR; i++, page = (page + 1) % LINEAR)
		if (linear[page].slot != NONE)
			return page;
	return NONE;
}

/* A page that is as wanted, mostly: PENDING for EACCEPTCOPY, and one to copy from. */
static int pick_pending(bool pending)
{
	const struct rule_call c = {0};
	int page = pick();

	for (int i = 0; i < 12 && page != NONE; i++, page = pick())
		if (pending ? linear[page].page.pending
			    : !rule_answer(RULE_READ, &linear[page].page, &c))
			break;
	return page;
}

static void do_eaug(void)
{
	int page = (int)below(LINEAR), slot = free_slot();
	struct linear *l = &linear[page];

	if (l->slot != NONE || l->evicted || used[slot] != NONE)
		return;
	*pageinfo() = (struct sgx_pageinfo){.linaddr = addr_of(page), .secs = epc_addr(SLOT_SECS)};
	encls(SGX_EAUG, MEM_BASE, epc_addr(slot), 0, 0);
	memset(l, 0, sizeof(*l));
	l->page = (struct rule_page){.valid = true, .pending = true, .pt = SGX_PT_REG, .rwx = 3};
	l->slot = slot;
	used[slot] = page;
}

/* What SECINFO asks for: mostly what would do for the page. */
static struct rule_call some_call(enum rule_leaf leaf, const struct linear *l)
{
	struct rule_call c = {.busy = oldest() != UINT64_MAX};

	c.pt = leaf == RULE_EMODT ? (one_in(3) ? SGX_PT_TCS : SGX_PT_TRIM) : l->page.pt;
	c.rwx = l->page.rwx;
	c.pending = l->page.pending;
	c.modified = l->page.modified;
	c.pr = l->page.pr;
	if (leaf == RULE_EMODPR || leaf == RULE_EMODPE || leaf == RULE_EACCEPTCOPY)
		c.rwx = below(8);
	if (one_in(10))
		c.pt = below(6);
	if (one_in(20))
		c.rwx = below(8);
	if (one_in(20)) {
		c.pending = one_in(2);
		c.modified = one_in(2);
		c.pr = one_in(2);
	}
	/* EACCEPT and EWB: after the change, an ETRACK, and nobody inside since before */
	c.tracked = leaf == RULE_EWB ? epoch > l->blocked && oldest() > l->blocked
				     : epoch > l->changed && oldest() > l->changed;
	return c;
}

static uint64_t secinfo_flags(const struct rule_call *c)
{
	return (uint64_t)c->pt << SGX_SECINFO_PT_SHIFT | c->rwx |
	       (c->pending ? SGX_SECINFO_PENDING_BIT : 0) |
	       (c->modified ? SGX_SECINFO_MODIFIED_BIT : 0) | (c->pr ? SGX_SECINFO_PR_BIT : 0);
}

/* Would EACCEPT take what is in the page as a TCS?  Pages hold zeros, with NSSA or without. */
static bool is_tcs(const struct linear *l)
{
	const struct sgx_tcs *tcs = (const void *)l->bytes;

	return tcs->nssa != 0;
}

static void do_change(enum rule_leaf leaf)
{
	static const unsigned int numbers[] = {SGX_EMODPR, SGX_EMODT, SGX_EACCEPT, SGX_EMODPE,
					       SGX_EACCEPTCOPY};
	bool enclu = leaf >= RULE_EACCEPT;
	int page = leaf == RULE_EACCEPTCOPY ? pick_pending(true) : pick();
	int source = pick_pending(false), want;
	struct sgx_secinfo_arch *secinfo = (void *)(enclu ? epc[SLOT_SECINFO] : mem[3]);
	struct cpu_regs regs = {.rax = numbers[leaf]};
	struct linear *l;
	struct rule_call c, read;

	if (page == NONE)
		return;
	l = &linear[page];
	c = some_call(leaf, l);
	memset(secinfo, 0, sizeof(*secinfo));
	secinfo->flags = secinfo_flags(&c);
	want = rule_answer(leaf, &l->page, &c);
	if (leaf == RULE_EACCEPT && !want && c.pt == SGX_PT_TCS && !is_tcs(l))
		want = RULE_GP;
	if (leaf == RULE_EACCEPTCOPY && want != RULE_GP) {
		read = c;
		if (rule_answer(RULE_READ, &linear[source].page, &read))
			want = RULE_PF;
	}
	if (enclu) {
		regs.rbx = ADDR_SECINFO;
		regs.rcx = addr_of(page);
		regs.rdx = addr_of(source);
		expect(true, numbers[leaf], cpu_enclu(&pkg, &encl, &regs), want);
	} else {
		encls(numbers[leaf], MEM_BASE + 0x3000, epc_addr(l->slot), 0, want);
	}
	if (want)
		return;
	rule_apply(leaf, &l->page, &c);
	if (!enclu)
		l->changed = epoch;
	if (leaf == RULE_EACCEPTCOPY)
		memcpy(l->bytes, linear[source].bytes, 4096);
}

/* The enclave writes to a page of its own. */
static void do_store(void)
{
	const struct rule_call c = {0};
	int page = pick();
	struct linear *l;

	if (page == NONE || rule_answer(RULE_WRITE, &linear[page].page, &c))
		return;
	l = &linear[page];
	if (one_in(2)) /* something that can become a TCS, or nothing */
		memset(l->bytes, 0, 4096);
	((struct sgx_tcs *)(void *)l->bytes)->nssa = below(2);
	((struct sgx_tcs *)(void *)l->bytes)->ossa = rng();
	memcpy(epc[l->slot], l->bytes, 4096);
}

static void do_eremove(void)
{
	struct rule_call c = {.busy = oldest() != UINT64_MAX};
	int page = pick(), want;

	if (page == NONE)
		return;
	want = rule_answer(RULE_EREMOVE, &linear[page].page, &c);
	encls(SGX_EREMOVE, 0, epc_addr(linear[page].slot), 0, want);
	if (want)
		return;
	used[linear[page].slot] = NONE;
	linear[page].slot = NONE;
}

static void do_edbgrd(void)
{
	const struct rule_call c = {0};
	struct cpu_regs regs = {.rax = SGX_EDBGRD};
	unsigned int offset = 8 * below(9);
	int page = pick(), want;
	uint64_t value;

	if (page == NONE)
		return;
	want = rule_answer(RULE_EDBGRD, &linear[page].page, &c);
	regs.rcx = epc_addr(linear[page].slot) + offset;
	expect(false, SGX_EDBGRD, cpu_encls(&pkg, &as, &regs), want);
	memcpy(&value, linear[page].bytes + offset, sizeof(value));
	if (!want && regs.rbx != value)
		die("EDBGRD read 0x%llx", (unsigned long long)regs.rbx);
}

static void do_eblock(void)
{
	const struct rule_call c = {0};
	int page = pick(), want;

	if (page == NONE)
		return;
	want = rule_answer(RULE_EBLOCK, &linear[page].page, &c);
	encls(SGX_EBLOCK, 0, epc_addr(linear[page].slot), 0, want);
	if (want)
		return;
	rule_apply(RULE_EBLOCK, &linear[page].page, &c);
	linear[page].blocked = epoch;
}

static void do_etrack(void)
{
	bool waits = oldest() < epoch;

	encls(SGX_ETRACK, 0, epc_addr(SLOT_SECS), 0, waits ? SGX_ERR_PREV_TRK_INCMPL : 0);
	if (waits)
		return;
	epoch++;
	if (published != epoch)
		die("ETRACK published epoch %llu", (unsigned long long)published);
}

static void do_ewb(void)
{
	struct rule_call c;
	int page = pick(), want;
	struct linear *l;

	if (page == NONE)
		return;
	l = &linear[page];
	c = some_call(RULE_EWB, l);
	want = rule_answer(RULE_EWB, &l->page, &c);
	*pageinfo() =
		(struct sgx_pageinfo){.srcpge = MEM_BASE + 0x1000, .secinfo = MEM_BASE + 0x2000};
	encls(SGX_EWB, MEM_BASE, epc_addr(l->slot), epc_addr(SLOT_VA) + 8ull * (unsigned int)page,
	      want);
	if (want)
		return;
	memcpy(l->sealed, mem[1], 4096);
	memcpy(&l->pcmd, mem[2], sizeof(l->pcmd));
	used[l->slot] = NONE;
	l->slot = NONE;
	l->evicted = true;
	l->page.blocked = false;
	/* EWB has waited for whoever had a translation of before */
	l->page.stale = false;
}

static void do_eld(void)
{
	bool blocked = one_in(8), forged;
	int page = (int)below(LINEAR), slot = free_slot();
	struct linear *l = &linear[page];

	if (!l->evicted || used[slot] != NONE)
		return;
	*pageinfo() = (struct sgx_pageinfo){.linaddr = addr_of(page),
					    .srcpge = MEM_BASE + 0x1000,
					    .secinfo = MEM_BASE + 0x2000,
					    .secs = epc_addr(SLOT_SECS)};
	memcpy(mem[1], l->sealed, 4096);
	memcpy(mem[2], &l->pcmd, sizeof(l->pcmd));
	/* the system would like the page in another state than the enclave knows it in */
	forged = one_in(5);
	if (forged)
		((struct sgx_pcmd *)(void *)mem[2])->secinfo.flags ^= 1u << below(6);
	encls(blocked ? SGX_ELDB : SGX_ELDU, MEM_BASE, epc_addr(slot),
	      epc_addr(SLOT_VA) + 8ull * (unsigned int)page, forged ? SGX_ERR_MAC_COMPARE_FAIL : 0);
	if (forged)
		return;
	l->evicted = false;
	l->slot = slot;
	l->page.blocked = blocked;
	l->blocked = epoch;
	used[slot] = page;
}

/* A thread enters with the epoch that ETRACK has published, or leaves. */
static void do_thread(void)
{
	uint64_t *t = &inside[below(THREADS)];

	*t = *t || one_in(3) ? 0 : published;
}

static void compare(void)
{
	const char *why;

	for (int slot = FIRST_SLOT; slot < SLOTS; slot++) {
		const struct epcm_entry *entry = &epcm[slot];
		const struct linear *l = used[slot] == NONE ? NULL : &linear[used[slot]];

		if (entry->valid != (l != NULL))
			die("slot %d: VALID is %u", slot, entry->valid);
		if (!l)
			continue;
		if (entry->pt != l->page.pt || entry->rwx != l->page.rwx ||
		    entry->blocked != l->page.blocked || entry->pending != l->page.pending ||
		    entry->modified != l->page.modified || entry->pr != l->page.pr ||
		    entry->untracked != l->page.stale || entry->secs != SLOT_SECS ||
		    entry->address != addr_of(used[slot]))
			die("slot %d is of type %u, RWX %u, BLOCKED %u, PENDING %u, MODIFIED %u, "
			    "PR %u",
			    slot, entry->pt, entry->rwx, entry->blocked, entry->pending,
			    entry->modified, entry->pr);
		if (memcmp(epc[slot], l->bytes, 4096))
			die("slot %d has other bytes", slot);
	}
	if (!cpu_check_invariants(&pkg, &why))
		die("invariant: %s", why);
}

static void run_step(void)
{
	unsigned int kind = below(100);

	if (kind < 12)
		do_eaug();
	else if (kind < 20)
		do_change(RULE_EMODPR);
	else if (kind < 25)
		do_change(RULE_EMODT);
	else if (kind < 45)
		do_change(RULE_EACCEPT);
	else if (kind < 50)
		do_change(RULE_EMODPE);
	else if (kind < 55)
		do_change(RULE_EACCEPTCOPY);
	else if (kind < 60)
		do_store();
	else if (kind < 63)
		do_eremove();
	else if (kind < 66)
		do_edbgrd();
	else if (kind < 72)
		do_eblock();
	else if (kind < 78)
		do_etrack();
	else if (kind < 84)
		do_ewb();
	else if (kind < 92)
		do_eld();
	else
		do_thread();
	compare();
}

/* A run that never got anywhere has tested nothing. */
static void report(void)
{
	static const struct {
		bool enclu;
		unsigned int leaf;
		const char *name;
	} leaves[] = {
		{false, SGX_EAUG, "EAUG"},	 {false, SGX_EMODPR, "EMODPR"},
		{false, SGX_EMODT, "EMODT"},	 {true, SGX_EACCEPT, "EACCEPT"},
		{true, SGX_EMODPE, "EMODPE"},	 {true, SGX_EACCEPTCOPY, "EACCEPTCOPY"},
		{false, SGX_EREMOVE, "EREMOVE"}, {false, SGX_EDBGRD, "EDBGRD"},
		{false, SGX_EBLOCK, "EBLOCK"},	 {false, SGX_ETRACK, "ETRACK"},
		{false, SGX_EWB, "EWB"},	 {false, SGX_ELDU, "ELDU"},
		{false, SGX_ELDB, "ELDB"},
	};

	for (unsigned int i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		const unsigned long long *n = count[leaves[i].enclu][leaves[i].leaf];

		printf("%-12s %10llu done %10llu refused\n", leaves[i].name, n[1], n[0]);
		if (step_count >= 100000 && (!n[1] || (i && !n[0])))
			die("%s never completed, or was never refused", leaves[i].name);
	}
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
	return 0;
}
