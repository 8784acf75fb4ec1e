/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every state of a page, also those that no leaf makes, x every leaf that looks at it x
 * every type, permission and state that is asked for x what another processor does with
 * it: the answer, and what became of the EPCM entry.
 */
#include <cpu/access.h>
#include <cpu/leaf.h>
#include <secs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sgx2_rules.h"

#define EPC_BASE  0x180000000ull
#define MEM_BASE  0x7f0000000000ull
#define ENCL_BASE 0x500000000000ull

/* EPC pages: three SECS by owner, a page with SECINFO, a source, a VA page, the page itself */
enum { SLOT_SECINFO = OWNERS, SLOT_SOURCE, SLOT_VA, SLOT_PAGE, PAGES };

#define ADDR_SECINFO (ENCL_BASE + 0x1000)
#define ADDR_SOURCE  (ENCL_BASE + 0x2000)
#define ADDR_PAGE    (ENCL_BASE + 0x3000)

static struct cpu_package pkg;
static struct epcm_entry epcm[PAGES];
static uint8_t epc[PAGES][4096] __attribute__((aligned(4096)));
static uint8_t mem[4][4096] __attribute__((aligned(4096)));
static const struct rule_call *now; /* for the host's side */
static unsigned long long runs[RULE_LEAVES], completed[RULE_LEAVES];

static const char *const names[RULE_LEAVES] = {
	"EMODPR", "EMODT",   "EACCEPT", "EMODPE", "EACCEPTCOPY", "EBLOCK", "EREMOVE", "EDBGRD",
	"EDBGWR", "EEXTEND", "EWB",	"read",	  "write",	 "fetch",  "TCS",
};

/* Each leaf: ENCLU or not, its number; -1: the EPCM is asked for an access. */
static const struct {
	bool enclu;
	int leaf;
} leaves[RULE_LEAVES] = {
	{false, SGX_EMODPR},	 {false, SGX_EMODT},   {true, SGX_EACCEPT},  {true, SGX_EMODPE},
	{true, SGX_EACCEPTCOPY}, {false, SGX_EBLOCK},  {false, SGX_EREMOVE}, {false, SGX_EDBGRD},
	{false, SGX_EDBGWR},	 {false, SGX_EEXTEND}, {false, SGX_EWB},     {true, SGX_EREPORT},
	{true, SGX_EREPORT},	 {false, -1},	       {false, -1},
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "model_sgx2: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
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
}

static bool tcs_busy(void *ctx, epc_slot_t slot)
{
	return now->busy;
}

/* EBLOCK, EMODPR and EMODT were in epoch 4 of 5: who is inside since then is not tracked. */
static uint64_t oldest_epoch(void *ctx, epc_slot_t secs)
{
	return now->tracked ? 5 : 4;
}

static const struct epc_mem_ops mem_ops = {
	.bytes = mem_bytes,
	.fill = mem_fill,
	.drop = mem_drop,
	.tcs_busy = tcs_busy,
	.oldest_epoch = oldest_epoch,
};

static void *as_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	return addr - MEM_BASE < sizeof(mem) ? mem[(addr - MEM_BASE) / 4096] + addr % 4096 : NULL;
}

static epc_slot_t encl_slot(void *ctx, uint64_t addr)
{
	switch (addr) {
	case ADDR_SECINFO:
		return SLOT_SECINFO;
	case ADDR_SOURCE:
		return SLOT_SOURCE;
	case ADDR_PAGE:
		return SLOT_PAGE;
	default:
		return EPC_SLOT_NONE;
	}
}

static const struct cpu_as as = {.map = as_map};
static const struct cpu_enclave_as encl = {.secs = OWNER_SELF, .slot = encl_slot};

/* The three SECS, and pages that leaves need beside the one that they are about */
static void setup(void)
{
	static const struct cpu_config config = {
		.attributes = SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT,
		.xfrm = 3,
		.max_size_64 = 36,
		.sgx2 = 1,
	};
	static const uint8_t fuses[CPU_FUSE_SIZE], boot[32];

	pkg.epcm = epcm;
	pkg.epc_pages = PAGES;
	pkg.section_count = 1;
	pkg.section[0] = (struct epc_section){EPC_BASE, 0, PAGES};
	pkg.mem = &mem_ops;
	cpu_package_init(&pkg, &config, fuses, boot);
	for (unsigned int owner = 0; owner < OWNERS; owner++) {
		union secs_page *secs = (void *)epc[owner];

		secs->arch.base = ENCL_BASE;
		secs->arch.size = 0x10000;
		secs->arch.ssaframesize = 1;
		secs->arch.attributes.xfrm = 3;
		secs->arch.attributes.flags = SGX_ATTR_MODE64_BIT |
					      (owner == OWNER_OTHER ? 0 : SGX_ATTR_DEBUG_BIT) |
					      (owner == OWNER_BUILDING ? 0 : SGX_ATTR_INIT_BIT);
		secs->hidden.eid = owner + 1;
		secs->hidden.epoch = 5;
		epcm[owner] =
			(struct epcm_entry){.valid = 1, .pt = SGX_PT_SECS, .secs = EPC_SLOT_NONE};
	}
	epcm[SLOT_SECINFO] = (struct epcm_entry){.valid = 1,
						 .pt = SGX_PT_REG,
						 .rwx = 7,
						 .secs = OWNER_SELF,
						 .address = ADDR_SECINFO};
	epcm[SLOT_SOURCE] = (struct epcm_entry){
		.valid = 1, .pt = SGX_PT_REG, .rwx = 3, .secs = OWNER_SELF, .address = ADDR_SOURCE};
	epcm[SLOT_VA] = (struct epcm_entry){.valid = 1, .pt = SGX_PT_VA, .secs = EPC_SLOT_NONE};
	memset(epc[SLOT_SOURCE], 0x5a, 4096);
}

static struct epcm_entry entry_of(const struct rule_page *p)
{
	return (struct epcm_entry){
		.address = p->elsewhere ? ADDR_PAGE + 0x1000 : ADDR_PAGE,
		.secs = p->pt == SGX_PT_SECS || p->pt == SGX_PT_VA ? EPC_SLOT_NONE : p->owner,
		.blocked_epoch = 4,
		.modified_epoch = 4,
		.valid = p->valid,
		.blocked = p->blocked,
		.pt = p->pt & 31,
		.rwx = p->rwx & 7,
		.pending = p->pending,
		.modified = p->modified,
		.pr = p->pr,
		.untracked = p->stale,
	};
}

static void put(const struct rule_page *p, const struct rule_call *c)
{
	union secs_page *secs = (void *)epc[SLOT_PAGE];
	struct epcm_entry *entry = &epcm[SLOT_PAGE];

	*entry = entry_of(p);
	entry->lock = c->lock == LOCK_FREE				 ? 0
		      : c->lock == LOCK_SHARED || c->lock == LOCK_MODIFY ? 1
									 : -1;
	entry->modify_lock = c->lock == LOCK_MODIFY || c->lock == LOCK_EMODT ? -1 : 0;
	for (unsigned int owner = 0; owner < OWNERS; owner++)
		((union secs_page *)(void *)epc[owner])->hidden.children = 1000;
	if (p->pt == SGX_PT_SECS)
		secs->hidden.children = c->children;
	else
		((struct sgx_tcs *)(void *)secs)->nssa = 1; /* a TCS, as all else is 0 */
}

static int answer(struct cpu_result r)
{
	return r.kind == CPU_DONE ? 0 : r.kind == CPU_CODE ? (int)r.code : -(int)r.vector;
}

static struct cpu_result run(enum rule_leaf leaf, const struct rule_page *p,
			     const struct rule_call *c)
{
	struct sgx_secinfo_arch secinfo = {
		.flags = (uint64_t)c->pt << SGX_SECINFO_PT_SHIFT | c->rwx |
			 (c->pending ? SGX_SECINFO_PENDING_BIT : 0) |
			 (c->modified ? SGX_SECINFO_MODIFIED_BIT : 0) |
			 (c->pr ? SGX_SECINFO_PR_BIT : 0),
	};
	struct cpu_regs regs = {.rax = (uint64_t)leaves[leaf].leaf};

	if (leaves[leaf].enclu) {
		memcpy(epc[SLOT_SECINFO], &secinfo, sizeof(secinfo));
		regs.rbx = ADDR_SECINFO;
		regs.rcx = leaf == RULE_READ || leaf == RULE_WRITE ? ADDR_SOURCE : ADDR_PAGE;
		regs.rdx = leaf == RULE_WRITE ? ADDR_PAGE : ADDR_SOURCE;
		if (leaf == RULE_READ)
			regs.rbx = ADDR_PAGE;
		return cpu_enclu(&pkg, &encl, &regs);
	}
	memset(mem[0], 0, 64);
	memcpy(mem[0] + 64, &secinfo, sizeof(secinfo));
	((struct sgx_pageinfo *)(void *)mem[0])->srcpge = MEM_BASE + 0x1000;
	((struct sgx_pageinfo *)(void *)mem[0])->secinfo = MEM_BASE + 0x2000;
	regs.rbx = MEM_BASE + (leaf == RULE_EWB ? 0 : 64);
	regs.rcx = EPC_BASE + 4096 * SLOT_PAGE;
	regs.rdx = EPC_BASE + 4096 * SLOT_VA;
	if (leaf == RULE_EEXTEND)
		regs.rbx = EPC_BASE + 4096ull * p->owner;
	if (leaf == RULE_EDBGRD || leaf == RULE_EDBGWR) {
		regs.rcx += 8; /* TCS.FLAGS */
		regs.rbx = 0;
	}
	return cpu_encls(&pkg, &as, &regs);
}

/* A fetch, and EENTER's TCS, which the host asks about before the entry. */
static struct cpu_result ask(enum rule_leaf leaf)
{
	struct epcm_access access = {
		.secs = OWNER_SELF,
		.address = ADDR_PAGE,
		.pt = leaf == RULE_TCS ? SGX_PT_TCS : SGX_PT_REG,
		.rwx = leaf == RULE_TCS ? 0 : SGX_SECINFO_X_BIT,
	};

	return cpu_epcm_access(&epcm[SLOT_PAGE], &access) == EPCM_PERMITS ? cpu_done()
									  : cpu_pf(0, 0);
}

/* What EWB wrote comes back as it was, but for BLOCKED and what has been tracked. */
static void bring_back(const struct rule_page *p)
{
	struct sgx_pageinfo *pageinfo = (void *)mem[0];
	struct cpu_regs regs = {
		.rax = SGX_ELDU,
		.rbx = MEM_BASE,
		.rcx = EPC_BASE + 4096 * SLOT_PAGE,
		.rdx = EPC_BASE + 4096 * SLOT_VA,
	};
	struct rule_page want = *p;
	struct epcm_entry entry;

	pageinfo->secs = EPC_BASE + 4096ull * p->owner;
	if (answer(cpu_encls(&pkg, &as, &regs)))
		die("ELDU of type %u", p->pt);
	want.blocked = want.stale = false;
	entry = entry_of(&want);
	if (epcm[SLOT_PAGE].state != entry.state || epcm[SLOT_PAGE].address != entry.address ||
	    epcm[SLOT_PAGE].secs != entry.secs)
		die("ELDU made state 0x%x of 0x%x", epcm[SLOT_PAGE].state, entry.state);
}

static void check(enum rule_leaf leaf, const struct rule_page *p, const struct rule_call *c)
{
	int want = rule_answer(leaf, p, c), is;
	struct rule_page after = *p;
	struct epcm_entry entry;

	now = c;
	put(p, c);
	entry = epcm[SLOT_PAGE];
	is = answer(leaves[leaf].leaf < 0 ? ask(leaf) : run(leaf, p, c));
	runs[leaf]++;
	completed[leaf] += is == 0;
	if (is == 0 && want == 0 && p->valid) {
		struct epcm_entry made;

		rule_apply(leaf, &after, c);
		made = entry_of(&after);
		/* epochs are the SECS', where a leaf writes one */
		entry.blocked_epoch = leaf == RULE_EBLOCK ? 5 : entry.blocked_epoch;
		entry.modified_epoch =
			leaf == RULE_EMODPR || leaf == RULE_EMODT ? 5 : entry.modified_epoch;
		entry.state = made.state;
		if (!after.valid)
			entry.state = (entry.state & ~0xffu);
	}
	if (is == want && !memcmp(&entry, &epcm[SLOT_PAGE], sizeof(entry))) {
		if (leaf == RULE_EWB && !is)
			bring_back(p);
		return;
	}
	die("%s answered %d, expected %d, state 0x%x, expected 0x%x: page valid %u blocked %u "
	    "pending %u modified %u pr %u stale %u type %u rwx %u owner %u elsewhere %u; asked "
	    "type "
	    "%u rwx %u pending %u modified %u pr %u, lock %u tracked %u busy %u",
	    names[leaf], is, want, epcm[SLOT_PAGE].state, entry.state, p->valid, p->blocked,
	    p->pending, p->modified, p->pr, p->stale, p->pt, p->rwx, p->owner, p->elsewhere, c->pt,
	    c->rwx, c->pending, c->modified, c->pr, c->lock, c->tracked, c->busy);
}

/* All that SECINFO can ask for; with a lock held, of permissions two. */
static void each_request(enum rule_leaf leaf, const struct rule_page *p, struct rule_call *c)
{
	for (unsigned int n = 0; n < 8 * 6 * 8; n++) {
		unsigned int state = n & 7;

		c->rwx = n / 8 / 6;
		if (c->lock != LOCK_FREE && (c->rwx & ~2u) != 1)
			continue;
		c->pt = n / 8 % 6;
		c->pending = state & 1;
		c->modified = state & 2;
		c->pr = state & 4;
		check(leaf, p, c);
	}
}

static void each_call(enum rule_leaf leaf, const struct rule_page *p)
{
	for (unsigned int n = 0; n < LOCKS * 4; n++) {
		struct rule_call c = {
			.lock = n / 4,
			.tracked = n & 1,
			.busy = n & 2,
			.children = n & 2,
		};

		if (leaf == RULE_EACCEPT || leaf == RULE_EWB || !c.tracked) {
			if (leaf > RULE_EACCEPTCOPY)
				check(leaf, p, &c);
			else if (!c.busy) /* of no consequence to these */
				each_request(leaf, p, &c);
		}
	}
}

static void each_page(enum rule_leaf leaf)
{
	for (unsigned int n = 0; n < 1u << 6; n++) {
		for (unsigned int m = 0; m < 5 * 8 * OWNERS * 2; m++) {
			struct rule_page p = {
				.valid = n & 1,
				.blocked = n & 2,
				.pending = n & 4,
				.modified = n & 8,
				.pr = n & 16,
				.stale = n & 32,
				.elsewhere = m & 1,
				.rwx = m >> 1 & 7,
				.owner = (m >> 4) % OWNERS,
				.pt = (m >> 4) / OWNERS,
			};
			/* SECS and VA pages are nobody's, and EWB wants the TCS where it was */
			bool owned = p.pt != SGX_PT_SECS && p.pt != SGX_PT_VA;

			if (!owned && (p.owner || leaf == RULE_EEXTEND))
				continue;
			if (leaf == RULE_EWB && (!owned || p.elsewhere) && p.blocked)
				continue;
			each_call(leaf, &p);
		}
	}
}

int main(void)
{
	setup();
	for (unsigned int leaf = 0; leaf < RULE_LEAVES; leaf++) {
		each_page((enum rule_leaf)leaf);
		printf("%-12s %10llu states, %9llu done\n", names[leaf], runs[leaf],
		       completed[leaf]);
		fflush(stdout);
		if (!completed[leaf] || completed[leaf] == runs[leaf])
			die("%s was never done, or always", names[leaf]);
	}
	return 0;
}
