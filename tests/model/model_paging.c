/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random paging: EPA, EBLOCK, ETRACK, EWB, ELDB, ELDU between ECREATE, EADD and
 * EREMOVE, with threads that enter and leave, version arrays that are evicted
 * themselves, and an adversary who owns all that is outside the EPC: flips bits,
 * replays, swaps.  A second opinion says what each leaf must answer; what is
 * loaded must be what was evicted last.
 *
 *	model_paging [--seed N] [--steps N]
 */
#include <cpu/leaf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PAGES	  40
#define ENCLAVES  4
#define THREADS	  3
#define BLOBS	  96
#define EPC_BASE  0x180000000ull
#define MEM_BASE  0x7f0000000000ull
#define ENCL(e)	  (0x500000000000ull + 0x100000ull * (e))
#define ENCL_SIZE 0x20000ull
#define NONE	  (-1)

/* What the model knows of an EPC page. */
struct page {
	bool valid, blocked;
	unsigned int pt, rwx;
	int encl;
	uint64_t addr, blocked_epoch;
};

struct thread {
	bool inside;
	uint64_t epoch;
};

struct enclave {
	bool alive; /* its SECS is somewhere */
	int secs; /* slot, NONE while evicted */
	unsigned int resident;
	uint64_t eid, epoch;
	struct thread thread[THREADS];
};

/* An evicted page, as it lies outside. */
struct blob {
	bool used;
	struct page page;
	uint64_t version, generation; /* generation: of the enclave, as slots are reused */
	uint8_t plain[4096], sealed[4096];
	struct sgx_pcmd pcmd;
};

static struct cpu_package pkg;
static struct epcm_entry epcm[PAGES];
static uint8_t epc[PAGES][4096] __attribute__((aligned(4096)));
static uint8_t mem[4][4096] __attribute__((aligned(4096)));
static struct page page[PAGES];
static struct enclave enclave[ENCLAVES];
static struct blob blob[BLOBS];
static uint64_t seed, rng_state, step_number, step_count = 300000, next_version = 1, next_eid = 1;
static unsigned long long count[16], refused[16];

static const uint64_t pageinfo_addr = MEM_BASE, pcmd_addr = MEM_BASE + 0x1000,
		      sealed_addr = MEM_BASE + 0x2000, secinfo_addr = MEM_BASE + 0x3000;

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

	fprintf(stderr, "model_paging: step %llu: ", (unsigned long long)step_number);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nreplay: model_paging --seed %llu --steps %llu\n",
		(unsigned long long)seed, (unsigned long long)step_number + 1);
	exit(1);
}

static uint64_t epc_addr(int slot)
{
	return EPC_BASE + 4096ull * (unsigned int)slot;
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

static int encl_of_secs(epc_slot_t secs)
{
	for (int e = 0; e < ENCLAVES; e++)
		if (enclave[e].alive && enclave[e].secs == (int)secs)
			return e;
	die("a host call for slot %u, which is no SECS", secs);
}

static uint64_t published[ENCLAVES];

static void set_epoch(void *ctx, epc_slot_t secs, uint64_t epoch)
{
	published[encl_of_secs(secs)] = epoch;
}

static uint64_t oldest(int e)
{
	uint64_t min = UINT64_MAX;

	for (int t = 0; t < THREADS; t++)
		if (enclave[e].thread[t].inside && enclave[e].thread[t].epoch < min)
			min = enclave[e].thread[t].epoch;
	return min;
}

static uint64_t oldest_epoch(void *ctx, epc_slot_t secs)
{
	return oldest(encl_of_secs(secs));
}

static const struct epc_mem_ops mem_ops = {
	.bytes = mem_bytes,
	.fill = mem_fill,
	.drop = mem_drop,
	.set_epoch = set_epoch,
	.oldest_epoch = oldest_epoch,
};

static void *as_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	return addr - MEM_BASE < sizeof(mem) ? mem[(addr - MEM_BASE) / 4096] + addr % 4096 : NULL;
}

static const struct cpu_as as = {.map = as_map};

/* Leaves */

static struct sgx_pageinfo *pageinfo(void)
{
	return (void *)mem[0];
}

static struct cpu_result run(unsigned int leaf, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	struct cpu_regs regs = {.rax = leaf, .rbx = rbx, .rcx = rcx, .rdx = rdx};
	struct cpu_result r = cpu_encls(&pkg, &as, &regs);

	if (r.kind == CPU_DONE)
		count[leaf & 15]++;
	else
		refused[leaf & 15]++;
	return r;
}

/* want: 0 done, > 0 a code, -13 #GP, -14 #PF at addr */
static void expect(const char *leaf, struct cpu_result r, int want, uint64_t addr)
{
	int is = r.kind == CPU_DONE ? 0 : r.kind == CPU_CODE ? (int)r.code : -(int)r.vector;

	if (is != want || (want == -14 && r.addr != addr))
		die("%s answered %d at 0x%llx, expected %d at 0x%llx", leaf, is,
		    (unsigned long long)r.addr, want, (unsigned long long)addr);
}

static int pick(bool valid, int pt)
{
	int slot = (int)below(PAGES);

	for (int i = 0; i < 30; i++, slot = (int)below(PAGES))
		if (page[slot].valid == valid && (pt < 0 || page[slot].pt == (unsigned int)pt))
			break;
	return slot;
}

static bool is_child(unsigned int pt)
{
	return pt == SGX_PT_REG || pt == SGX_PT_TCS;
}

/*
 * Whether the page that was evicted with a version can still be loaded: its version
 * is in a VA page of the EPC, or in an evicted one that can be loaded itself.  Such
 * a VA page was evicted later, so that this comes to an end.
 */
static bool version_lives(uint64_t version)
{
	for (int i = 0; i < PAGES; i++)
		for (int k = 0; page[i].valid && page[i].pt == SGX_PT_VA && k < 512; k++)
			if (((uint64_t *)(void *)epc[i])[k] == version)
				return true;
	for (int i = 0; i < BLOBS; i++)
		for (int k = 0; blob[i].used && blob[i].page.pt == SGX_PT_VA && k < 512; k++)
			if (((uint64_t *)(void *)blob[i].plain)[k] == version &&
			    blob[i].version > version && version_lives(blob[i].version))
				return true;
	return false;
}

/*
 * An enclave whose SECS was evicted, and lost with its blob or its version, is gone
 * for good.  Without this a run may come to where all enclaves are lost, and tests
 * nothing from there on.
 */
static bool is_lost(const struct enclave *e)
{
	if (!e->alive || e->secs != NONE)
		return !e->alive;
	for (int i = 0; i < BLOBS; i++)
		if (blob[i].used && blob[i].page.pt == SGX_PT_SECS &&
		    blob[i].generation == e->eid && version_lives(blob[i].version))
			return false;
	return true;
}

static void do_ecreate(void)
{
	struct sgx_secinfo_arch *secinfo = (void *)mem[3];
	struct sgx_secs *secs = (void *)mem[2];
	int slot = pick(false, -1), e = (int)below(ENCLAVES);

	if (page[slot].valid || !is_lost(&enclave[e]))
		return;
	memset(mem, 0, sizeof(mem));
	secinfo->flags = SGX_PT_SECS << 8;
	secs->base = ENCL(e);
	secs->size = ENCL_SIZE;
	secs->ssaframesize = 1;
	secs->attributes = (struct sgx_attributes){SGX_ATTR_MODE64_BIT, 3};
	*pageinfo() = (struct sgx_pageinfo){.srcpge = sealed_addr, .secinfo = secinfo_addr};
	expect("ECREATE", run(SGX_ECREATE, pageinfo_addr, epc_addr(slot), 0), 0, 0);
	memset(&enclave[e], 0, sizeof(enclave[e]));
	enclave[e].alive = true;
	enclave[e].secs = slot;
	enclave[e].eid = next_eid++;
	published[e] = 0;
	page[slot] = (struct page){.valid = true, .pt = SGX_PT_SECS, .encl = e};
}

static void do_eadd(void)
{
	struct sgx_secinfo_arch *secinfo = (void *)mem[3];
	int slot = pick(false, -1), e = (int)below(ENCLAVES);
	unsigned int pt = one_in(4) ? SGX_PT_TCS : SGX_PT_REG;
	unsigned int rwx = pt == SGX_PT_TCS ? 0 : 1 | below(4) << 1;
	uint64_t addr = ENCL(e) + 4096ull * below(ENCL_SIZE / 4096);

	if (!enclave[e].alive || enclave[e].secs == NONE || page[slot].valid)
		return;
	memset(mem, 0, sizeof(mem));
	secinfo->flags = pt << 8 | rwx;
	for (int i = 0; pt == SGX_PT_REG && i < 4096; i += 8)
		((uint64_t *)(void *)mem[2])[i / 8] = rng();
	*pageinfo() = (struct sgx_pageinfo){.srcpge = sealed_addr,
					    .secinfo = secinfo_addr,
					    .linaddr = addr,
					    .secs = epc_addr(enclave[e].secs)};
	expect("EADD", run(SGX_EADD, pageinfo_addr, epc_addr(slot), 0), 0, 0);
	page[slot] = (struct page){.valid = true, .pt = pt, .rwx = rwx, .encl = e, .addr = addr};
	enclave[e].resident++;
}

static void do_epa(void)
{
	int slot = pick(one_in(10), -1);

	expect("EPA", run(SGX_EPA, SGX_PT_VA, epc_addr(slot), 0), page[slot].valid ? -14 : 0,
	       epc_addr(slot));
	if (!page[slot].valid)
		page[slot] = (struct page){.valid = true, .pt = SGX_PT_VA, .encl = NONE};
}

static void do_eremove(void)
{
	int slot = pick(true, -1);
	struct page *p = &page[slot];
	bool children = p->valid && p->pt == SGX_PT_SECS && enclave[p->encl].resident;

	expect("EREMOVE", run(SGX_EREMOVE, 0, epc_addr(slot), 0),
	       children ? SGX_ERR_CHILD_PRESENT : 0, 0);
	if (!p->valid || children)
		return;
	if (p->pt == SGX_PT_SECS)
		enclave[p->encl].alive = false; /* its evicted pages are lost */
	else if (is_child(p->pt))
		enclave[p->encl].resident--;
	p->valid = false;
}

static void do_eblock(void)
{
	int slot = pick(!one_in(10), one_in(3) ? -1 : SGX_PT_REG);
	struct page *p = &page[slot];
	int want = 0;

	if (!p->valid)
		want = SGX_ERR_PG_INVLD;
	else if (!is_child(p->pt))
		want = p->pt == SGX_PT_SECS ? SGX_ERR_PG_IS_SECS : SGX_ERR_NOTBLOCKABLE;
	else if (p->blocked)
		want = SGX_ERR_BLKSTATE;
	expect("EBLOCK", run(SGX_EBLOCK, 0, epc_addr(slot), 0), want, 0);
	if (want)
		return;
	p->blocked = true;
	p->blocked_epoch = enclave[p->encl].epoch;
}

static void do_etrack(void)
{
	int slot = pick(true, one_in(10) ? -1 : SGX_PT_SECS);
	struct page *p = &page[slot];
	struct enclave *e = &enclave[p->encl == NONE ? 0 : p->encl];
	int want = 0;

	if (!p->valid || p->pt != SGX_PT_SECS)
		want = -14;
	else if (oldest(p->encl) < e->epoch)
		want = SGX_ERR_PREV_TRK_INCMPL;
	expect("ETRACK", run(SGX_ETRACK, 0, epc_addr(slot), 0), want, epc_addr(slot));
	if (want)
		return;
	e->epoch++;
	if (published[p->encl] != e->epoch)
		die("ETRACK published epoch %llu", (unsigned long long)published[p->encl]);
}

static uint64_t *version_at(int va, unsigned int index)
{
	return (uint64_t *)(void *)epc[va] + index;
}

static int expect_ewb(const struct page *p, int slot, int va)
{
	const struct enclave *e = &enclave[p->valid && p->encl != NONE ? p->encl : 0];

	if (slot == va)
		return -13;
	if (!p->valid || !page[va].valid || page[va].pt != SGX_PT_VA)
		return -14;
	if (p->pt == SGX_PT_SECS && e->resident)
		return SGX_ERR_CHILD_PRESENT;
	if (!is_child(p->pt))
		return 0;
	if (!p->blocked)
		return SGX_ERR_PAGE_NOT_BLOCKED;
	if (e->epoch <= p->blocked_epoch || oldest(p->encl) <= p->blocked_epoch)
		return SGX_ERR_NOT_TRACKED;
	return 0;
}

static void do_ewb(void)
{
	int slot = pick(!one_in(20), -1), va = pick(true, SGX_PT_VA);
	unsigned int index = below(8) * below(64);
	struct page *p = &page[slot];
	struct blob *b = &blob[below(BLOBS)];
	uint8_t plain[4096];
	uint64_t was;
	int want;

	/* A free slot mostly; what has its version in one that is taken is lost. */
	for (int i = 0; i < 8 && page[va].valid && *version_at(va, index) && !one_in(10); i++)
		index = below(512);
	was = *version_at(va, index);
	*pageinfo() = (struct sgx_pageinfo){.srcpge = sealed_addr, .secinfo = pcmd_addr};
	want = expect_ewb(p, slot, va);
	memcpy(plain, epc[slot], 4096);
	if (want == 0 && was)
		want = SGX_ERR_VA_SLOT_OCCUPIED;
	expect("EWB", run(SGX_EWB, pageinfo_addr, epc_addr(slot), epc_addr(va) + 8 * index), want,
	       !p->valid ? epc_addr(slot) : epc_addr(va) + 8 * index);
	if (want && want != SGX_ERR_VA_SLOT_OCCUPIED)
		return;
	b->used = true;
	b->page = *p;
	b->version = next_version++;
	b->generation = p->encl == NONE ? 0 : enclave[p->encl].eid;
	memcpy(b->plain, plain, 4096);
	memcpy(b->sealed, mem[2], 4096);
	memcpy(&b->pcmd, mem[1], sizeof(b->pcmd));
	if (*version_at(va, index) != b->version || pageinfo()->linaddr != p->addr)
		die("EWB's version or LINADDR");
	if (p->pt == SGX_PT_SECS)
		enclave[p->encl].secs = NONE;
	else if (is_child(p->pt))
		enclave[p->encl].resident--;
	p->valid = false;
}

/* Where in the EPC the version of an evicted page is; false where it is nowhere. */
static bool find_version(uint64_t version, int *va, unsigned int *index)
{
	for (*va = 0; *va < PAGES; ++*va)
		for (*index = 0; page[*va].valid && page[*va].pt == SGX_PT_VA && *index < 512;
		     ++*index)
			if (*version_at(*va, *index) == version)
				return true;
	*va = pick(true, SGX_PT_VA);
	*index = below(512);
	return false;
}

/* Change something outside, if only sometimes.  Return: whether a MAC can notice. */
static bool tamper(struct blob *b)
{
	unsigned int bit;

	if (!one_in(6))
		return false;
	switch (below(4)) {
	case 0:
		bit = below(4096 * 8);
		mem[2][bit / 8] ^= (uint8_t)(1u << bit % 8);
		return true;
	case 1:
		/* not the type: it decides about the SECS before there is a MAC */
		bit = below(8);
		mem[1][0] ^= (uint8_t)(1u << bit);
		return true;
	case 2:
		bit = below(16 * 8);
		mem[1][112 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		return true;
	default:
		pageinfo()->linaddr ^= 4096ull << below(36);
		return true;
	}
}

static void do_eld(void)
{
	bool blocked = one_in(4), tampered, have;
	struct blob *b = &blob[below(BLOBS)];
	int slot = pick(one_in(20), -1), va, want = 0, secs = NONE;
	unsigned int index;
	uint64_t fault = 0;

	for (int i = 0; i < 12 && !(b->used && find_version(b->version, &va, &index)); i++)
		b = &blob[below(BLOBS)]; /* one that can come back, mostly */
	if (!b->used)
		return;
	have = find_version(b->version, &va, &index);
	*pageinfo() = (struct sgx_pageinfo){
		.srcpge = sealed_addr, .secinfo = pcmd_addr, .linaddr = b->page.addr};
	memcpy(mem[2], b->sealed, 4096);
	memcpy(mem[1], &b->pcmd, sizeof(b->pcmd));
	if (is_child(b->page.pt)) {
		secs = one_in(20) ? pick(true, -1) : enclave[b->page.encl].secs;
		if (secs == NONE)
			secs = pick(true, -1);
		pageinfo()->secs = epc_addr(secs);
	}
	tampered = tamper(b);

	if (slot == va || (secs != NONE && (secs == slot)))
		want = -13; /* the page is held exclusively already ... */
	if (page[slot].valid && slot != va) {
		want = -14;
		fault = epc_addr(slot);
	} else if (slot != va && (!page[va].valid || page[va].pt != SGX_PT_VA)) {
		want = -14;
		fault = epc_addr(va) + 8 * index;
	} else if (!want && secs != NONE && (!page[secs].valid || page[secs].pt != SGX_PT_SECS)) {
		want = -14;
		fault = epc_addr(secs);
	} else if (!want && (tampered || !have ||
			     (secs != NONE && enclave[page[secs].encl].eid != b->generation))) {
		want = SGX_ERR_MAC_COMPARE_FAIL;
	}
	expect("ELD",
	       run(blocked ? SGX_ELDB : SGX_ELDU, pageinfo_addr, epc_addr(slot),
		   epc_addr(va) + 8 * index),
	       want, fault);
	if (want)
		return;
	if (*version_at(va, index))
		die("ELD left the version");
	if (memcmp(epc[slot], b->plain, 4096))
		die("other bytes than were evicted");
	page[slot] = b->page;
	page[slot].blocked = false;
	if (is_child(b->page.pt)) {
		enclave[b->page.encl].resident++;
		page[slot].blocked = blocked;
		page[slot].blocked_epoch = enclave[b->page.encl].epoch;
	} else if (b->page.pt == SGX_PT_SECS) {
		enclave[b->page.encl].secs = slot;
	}
	/* the blob stays: whoever loads it again replays */
}

static void threads(void)
{
	int e = (int)below(ENCLAVES);
	struct thread *t = &enclave[e].thread[below(THREADS)];

	if (!enclave[e].alive || enclave[e].secs == NONE)
		return;
	t->inside = !t->inside && !one_in(3);
	t->epoch = published[e];
}

/* An enclave whose SECS is out can have nobody inside: its children are out too. */
static void nobody_inside(void)
{
	for (int e = 0; e < ENCLAVES; e++)
		if (!enclave[e].alive || enclave[e].secs == NONE)
			memset(enclave[e].thread, 0, sizeof(enclave[e].thread));
}

static void compare(void)
{
	const char *why;

	for (int slot = 0; slot < PAGES; slot++) {
		const struct epcm_entry *entry = &epcm[slot];
		const struct page *p = &page[slot];

		if (entry->valid != p->valid)
			die("slot %d: VALID is %u", slot, entry->valid);
		if (p->valid && (entry->pt != p->pt || entry->address != p->addr ||
				 entry->rwx != p->rwx || entry->blocked != p->blocked ||
				 (is_child(p->pt) && (int)entry->secs != enclave[p->encl].secs)))
			die("slot %d: PT %u address 0x%llx RWX %u BLOCKED %u SECS %u", slot,
			    entry->pt, (unsigned long long)entry->address, entry->rwx,
			    entry->blocked, entry->secs);
	}
	if (!cpu_check_invariants(&pkg, &why))
		die("invariant: %s", why);
}

static void run_step(void)
{
	unsigned int kind = below(100);

	if (kind < 3)
		do_ecreate();
	else if (kind < 18)
		do_eadd();
	else if (kind < 20)
		do_epa();
	else if (kind < 22)
		do_eremove();
	else if (kind < 44)
		do_eblock();
	else if (kind < 52)
		do_etrack();
	else if (kind < 72)
		do_ewb();
	else if (kind < 92)
		do_eld();
	else
		threads();
	nobody_inside();
	compare();
}

/* A run that never got anywhere has tested nothing. */
static void report(void)
{
	static const struct {
		unsigned int leaf;
		const char *name;
	} leaves[] = {{SGX_ECREATE, "ECREATE"}, {SGX_EADD, "EADD"},	{SGX_EREMOVE, "EREMOVE"},
		      {SGX_EPA, "EPA"},		{SGX_EBLOCK, "EBLOCK"}, {SGX_ETRACK, "ETRACK"},
		      {SGX_EWB, "EWB"},		{SGX_ELDB, "ELDB"},	{SGX_ELDU, "ELDU"}};

	for (unsigned int i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		printf("%-8s %10llu done %10llu refused\n", leaves[i].name, count[leaves[i].leaf],
		       refused[leaves[i].leaf]);
		if (step_count >= 100000 &&
		    (!count[leaves[i].leaf] || (i > 1 && !refused[leaves[i].leaf])))
			die("%s never completed, or was never refused", leaves[i].name);
	}
}

int main(int argc, char **argv)
{
	static const struct cpu_config config = {
		.attributes = SGX_ATTR_MODE64_BIT, .xfrm = 3, .max_size_32 = 31, .max_size_64 = 36};
	static const uint8_t fuses[CPU_FUSE_SIZE], boot[32];

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
	pkg.epcm = epcm;
	pkg.epc_pages = PAGES;
	pkg.section_count = 1;
	pkg.section[0] = (struct epc_section){EPC_BASE, 0, PAGES};
	pkg.mem = &mem_ops;
	cpu_package_init(&pkg, &config, fuses, boot);
	for (step_number = 0; step_number < step_count; step_number++)
		run_step();
	report();
	return 0;
}
