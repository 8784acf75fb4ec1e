/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leaves on several threads at once: nobody waits, whoever comes second gets the
 * SDM's answer, and nothing is lost.
 */
#include <cpu/leaf.h>
#include <harness/harness.h>

#include <pthread.h>
#include <secs.h>

#define THREADS	  4u
#define EPC_PAGES 16u
#define ROUNDS	  20000u
#define EPC_BASE  0x180000000ull
#define ENCL_BASE 0x500000000000ull

static struct cpu_package pkg;
static struct epcm_entry epcm[EPC_PAGES];
static uint8_t epc[EPC_PAGES][4096] __attribute__((aligned(4096)));
static uint8_t source[4096] __attribute__((aligned(4096)));

/* Each thread's own operands, and what it saw succeed */
static struct worker {
	struct sgx_pageinfo pageinfo;
	struct sgx_secinfo_arch secinfo;
	uint64_t random;
	unsigned int added, measured;
	pthread_t thread;
} workers[THREADS];

static uint8_t *mem_bytes(void *ctx, epc_slot_t slot)
{
	return epc[slot];
}

static int mem_fill(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr, const void *src)
{
	memcpy(epc[slot], src, 4096);
	return 0;
}

static void mem_drop(void *ctx, epc_slot_t slot)
{
	memset(epc[slot], 0, 4096);
}

static const struct epc_mem_ops mem_ops = {.bytes = mem_bytes, .fill = mem_fill, .drop = mem_drop};

/* Linear is what it says: operands are ordinary variables of this process. */
static void *as_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	return (void *)addr;
}

static const struct cpu_as as = {.map = as_map};

static void setup(void)
{
	static const struct cpu_config config = {
		.attributes = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT,
		.xfrm = 3,
		.max_size_64 = 36,
	};
	static const uint8_t fuses[CPU_FUSE_SIZE], boot[32];
	static struct sgx_secinfo_arch secinfo;
	static struct sgx_pageinfo pageinfo;
	struct sgx_secs *secs = (void *)source;
	struct cpu_regs regs = {.rbx = (uint64_t)&pageinfo, .rcx = EPC_BASE};

	pkg.epcm = epcm;
	pkg.epc_pages = EPC_PAGES;
	pkg.section_count = 1;
	pkg.section[0] = (struct epc_section){EPC_BASE, 0, EPC_PAGES};
	pkg.mem = &mem_ops;
	cpu_package_init(&pkg, &config, fuses, boot);
	secs->base = ENCL_BASE;
	secs->size = 0x10000;
	secs->ssaframesize = 1;
	secs->attributes.flags = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT;
	secs->attributes.xfrm = 3;
	pageinfo.srcpge = (uint64_t)source;
	pageinfo.secinfo = (uint64_t)&secinfo;
	regs.rax = SGX_ECREATE;
	CHECK_EQ(cpu_encls(&pkg, &as, &regs).kind, CPU_DONE);
	memset(source, 0, sizeof(source));
}

static unsigned int random_below(struct worker *w, unsigned int n)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(w->random >> 33) % n;
}

/* One leaf on a random page; faults are conflicts, and occupied or free pages. */
static void one_leaf(struct worker *w)
{
	uint64_t page = EPC_BASE + 4096 * (1 + random_below(w, EPC_PAGES - 1));
	struct cpu_regs regs = {.rcx = page};
	struct cpu_result r;

	switch (random_below(w, 5)) {
	case 0:
	case 1:
		w->pageinfo.linaddr = ENCL_BASE + 4096 * random_below(w, 16);
		regs.rax = SGX_EADD;
		regs.rbx = (uint64_t)&w->pageinfo;
		r = cpu_encls(&pkg, &as, &regs);
		w->added += cpu_ok(r);
		break;
	case 2:
		regs.rax = SGX_EREMOVE;
		r = cpu_encls(&pkg, &as, &regs);
		break;
	case 3:
		regs.rax = SGX_EEXTEND;
		regs.rbx = EPC_BASE;
		r = cpu_encls(&pkg, &as, &regs);
		w->measured += cpu_ok(r);
		break;
	default:
		regs.rax = SGX_EDBGRD;
		r = cpu_encls(&pkg, &as, &regs);
		break;
	}
	CHECK(r.kind == CPU_DONE || r.kind == CPU_FAULT);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int i = 0; i < ROUNDS; i++)
		one_leaf(w);
	return NULL;
}

TEST(threads_lose_nothing)
{
	unsigned int valid = 0, added = 0, measured = 0;
	struct cpu_secs_info info;
	const char *why;

	setup();
	for (unsigned int i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		w->random = i + 1;
		w->pageinfo.srcpge = (uint64_t)source;
		w->pageinfo.secinfo = (uint64_t)&w->secinfo;
		w->pageinfo.secs = EPC_BASE;
		w->secinfo.flags = SGX_PT_REG << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT;
		CHECK_EQ(pthread_create(&w->thread, NULL, work, w), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
		added += workers[i].added;
		measured += workers[i].measured;
	}
	if (!cpu_check_invariants(&pkg, &why))
		FAIL("invariant: %s", why);
	for (epc_slot_t slot = 1; slot < EPC_PAGES; slot++)
		valid += epcm[slot].valid;
	cpu_secs_info(&pkg, 0, &info);
	CHECK_EQ(info.children, valid);
	CHECK(added > 0 && measured > 0);
}

/* The SECS goes only when the last child has gone, whoever asks when. */
static void *remove_secs(void *arg)
{
	unsigned int *tries = arg;
	struct cpu_result r;

	do {
		struct cpu_regs regs = {.rax = SGX_EREMOVE, .rcx = EPC_BASE};

		r = cpu_encls(&pkg, &as, &regs);
		CHECK(r.kind == CPU_DONE || r.kind == CPU_FAULT || r.code == SGX_ERR_CHILD_PRESENT);
		(*tries)++;
	} while (!cpu_ok(r));
	return NULL;
}

static void *remove_children(void *arg)
{
	for (epc_slot_t slot = 1; slot < EPC_PAGES; slot++) {
		struct cpu_regs regs = {.rax = SGX_EREMOVE, .rcx = EPC_BASE + 4096 * slot};

		CHECK(cpu_ok(cpu_encls(&pkg, &as, &regs)));
	}
	return NULL;
}

TEST(threads_secs_goes_last)
{
	struct worker *w = &workers[0];
	pthread_t secs, children;
	unsigned int tries = 0;
	const char *why;

	for (unsigned int round = 0; round < 500; round++) {
		setup();
		w->pageinfo.srcpge = (uint64_t)source;
		w->pageinfo.secinfo = (uint64_t)&w->secinfo;
		w->pageinfo.secs = EPC_BASE;
		w->secinfo.flags = SGX_PT_REG << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT;
		for (epc_slot_t slot = 1; slot < EPC_PAGES; slot++) {
			struct cpu_regs regs = {.rax = SGX_EADD,
						.rbx = (uint64_t)&w->pageinfo,
						.rcx = EPC_BASE + 4096 * slot};

			w->pageinfo.linaddr = ENCL_BASE + 4096 * slot;
			CHECK(cpu_ok(cpu_encls(&pkg, &as, &regs)));
		}
		CHECK_EQ(pthread_create(&secs, NULL, remove_secs, &tries), 0);
		CHECK_EQ(pthread_create(&children, NULL, remove_children, NULL), 0);
		CHECK_EQ(pthread_join(children, NULL), 0);
		CHECK_EQ(pthread_join(secs, NULL), 0);
		for (epc_slot_t slot = 0; slot < EPC_PAGES; slot++)
			CHECK_EQ(epcm[slot].valid, 0);
		if (!cpu_check_invariants(&pkg, &why))
			FAIL("invariant: %s", why);
	}
	CHECK(tries >= 500);
}
