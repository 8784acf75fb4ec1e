/* SPDX-License-Identifier: BSD-3-Clause */
/* Enclaves that are larger than the EPC: what goes, what comes back, and what stays. */
#include "../../kernel/reclaim.h"
#include "kernel_fixture.h"

#include <stdlib.h>

#define RW (KFX_REG | KFX_R | KFX_W)

static uint64_t rng_state = 1;

static unsigned int below(unsigned int n)
{
	rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)((rng_state >> 33) % n);
}

/* Whoever had the reclaimer before has left something: that is no direct reclaim. */
TEST(a_direct_reclaim_is_one_that_had_to_be)
{
	struct kfx *k = kfx_oversub(32, false);
	struct sgx_epc_info info;

	CHECK(sgx_reclaim_direct(k->sgx, false));
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.direct_reclaims, 0);
	kfx_free(k);
}

/* Open and create at @base, with @pages RW pages from index 1 on, each with its number. */
static void build(struct kfx *k, struct kfx_encl *e, struct sgx_call *call, uint64_t base,
		  uint64_t pages, bool init)
{
	struct sgx_sigstruct_arch sig;
	struct sgx_secs secs;
	struct sgx_tcs tcs;
	uint64_t size = 8192;

	while (size < (pages + 1) * 4096)
		size *= 2;
	kfx_open(k, e);
	e->call = call;
	kfx_secs(&secs, base, size);
	CHECK_EQ(kfx_create(e, &secs), 0);
	kfx_tcs(&tcs);
	kfx_put(call, KFX_SOURCE, &tcs, sizeof(tcs));
	CHECK_EQ(kfx_add(e, 0, 4096, KFX_TCS, 0, NULL), 0);
	for (uint64_t i = 1; i <= pages; i++) {
		kfx_put(call, KFX_SOURCE, &i, sizeof(i));
		CHECK_EQ(kfx_add(e, i * 4096, 4096, RW, 0, NULL), 0);
	}
	if (!init)
		return;
	kfx_sigstruct(e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(e, &sig), 0);
}

static void touch(struct kfx_encl *e, uint64_t page, uint64_t expect, uint64_t set)
{
	CHECK_EQ(kfx_touch(e, page * 4096, &expect, &set), SGX_FAULT_RETRY);
}

static struct sgx_epc_info info_of(struct kfx *k)
{
	struct sgx_epc_info info;

	sgx_epc_info(k->sgx, &info);
	return info;
}

static void end(struct kfx *k, struct kfx_encl *e)
{
	kfx_release(e);
	kfx_check_all_free(k);
	CHECK_EQ(k->backings, 0);
	CHECK_EQ(k->logs, 0);
	kfx_free(k);
}

TEST(an_enclave_of_twice_the_epc)
{
	struct kfx *k = kfx_oversub(32, false);
	struct kfx_encl e;

	build(k, &e, &k->call, KFX_BASE, 64, true);
	kfx_check(k);
	for (unsigned int round = 0; round < 5; round++) {
		for (uint64_t i = 1; i <= 64; i++) {
			touch(&e, i, i + 1000 * round, i + 1000 * (round + 1));
			kfx_check(k);
		}
	}
	CHECK(info_of(k).ewb >= 5 * 34);
	CHECK(info_of(k).eldu >= 5 * 34);
	CHECK_EQ(info_of(k).reg + info_of(k).tcs + info_of(k).evicted, 65);
	end(k, &e);
}

TEST(what_is_in_use_stays)
{
	struct kfx *k = kfx_oversub(64, false);
	struct kfx_encl e;
	uint64_t before;

	/* 8 pages are used all the time, the others in turn. */
	build(k, &e, &k->call, KFX_BASE, 120, true);
	for (uint64_t i = 1; i <= 120; i++)
		touch(&e, i, i, i);
	before = info_of(k).eldu;
	for (uint64_t i = 9; i <= 120; i++) {
		touch(&e, i, i, i);
		for (uint64_t hot = 1; hot <= 8; hot++)
			touch(&e, hot, hot, hot);
	}
	kfx_check(k);
	/* 112 cold ones, the hot ones once, and none of them again. */
	CHECK(info_of(k).eldu - before <= 112 + 8);
	CHECK(info_of(k).soft_faults > 0);
	end(k, &e);
}

TEST(what_fits_is_left_alone)
{
	struct kfx *k = kfx_oversub(128, false);
	struct kfx_encl e;

	build(k, &e, &k->call, KFX_BASE, 115, true);
	for (unsigned int round = 0; round < 3; round++)
		for (uint64_t i = 1; i <= 115; i++)
			touch(&e, i, i, i);
	CHECK_EQ(info_of(k).ewb, 0);
	CHECK_EQ(info_of(k).soft_faults, 0);
	CHECK_EQ(k->parks, 0);
	end(k, &e);
}

TEST(the_secs_goes_last_and_comes_first)
{
	struct kfx *k = kfx_oversub(48, false);
	struct kfx_encl e, hog;

	build(k, &e, &k->call, KFX_BASE, 20, true);
	build(k, &hog, &k->call, KFX_BASE + 0x10000000, 120, true);
	for (unsigned int round = 0; round < 3; round++)
		for (uint64_t i = 1; i <= 120; i++)
			touch(&hog, i, i, i);
	kfx_check(k);
	CHECK_EQ(info_of(k).secs, 1);
	CHECK_EQ(e.backing[e.backing_count - 1].state, 1);
	for (uint64_t i = 1; i <= 20; i++)
		touch(&e, i, i, i);
	kfx_check(k);
	CHECK_EQ(info_of(k).secs, 2);
	kfx_release(&hog);
	end(k, &e);
}

TEST(not_initialised_the_secs_stays)
{
	struct kfx *k = kfx_oversub(24, false);
	struct sgx_sigstruct_arch sig;
	struct kfx_encl e, hog;

	build(k, &e, &k->call, KFX_BASE, 4, false);
	build(k, &hog, &k->call, KFX_BASE + 0x10000000, 60, true);
	for (uint64_t i = 1; i <= 60; i++)
		touch(&hog, i, i, i);
	kfx_check(k);
	CHECK_EQ(info_of(k).secs, 2);
	/* it goes on as if nothing had been */
	CHECK_EQ(kfx_add(&e, 0x7000, 0x1000, RW, SGX_PAGE_MEASURE, NULL), 0);
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	for (uint64_t i = 1; i <= 4; i++)
		touch(&e, i, i, i);
	kfx_check(k);
	kfx_release(&hog);
	end(k, &e);
}

TEST(a_busy_tcs_stays)
{
	struct kfx *k = kfx_oversub(24, false);
	struct kfx_encl e;

	build(k, &e, &k->call, KFX_BASE, 15, true);
	k->tcs_inside = true;
	for (uint64_t i = 1; i <= 15; i++)
		touch(&e, i, i, i);
	CHECK_EQ(kfx_add(&e, 0, 4096, RW, 0, NULL), -EINVAL);
	for (unsigned int i = 0; i < 3; i++) {
		struct kfx_encl other;

		build(k, &other, &k->call, KFX_BASE + 0x10000000, 40, true);
		kfx_check(k);
		/* both of them: nobody leaves */
		CHECK_EQ(info_of(k).tcs, 2);
		kfx_release(&other);
	}
	k->tcs_inside = false;
	end(k, &e);
}

TEST(a_tcs_comes_back_as_it_went)
{
	struct kfx *k = kfx_oversub(16, false);
	struct kfx_encl e;
	uint64_t flags;

	build(k, &e, &k->call, KFX_BASE, 40, true);
	CHECK_EQ(info_of(k).tcs, 0);
	CHECK_EQ(k->tcs_live, 0);
	/* by a fault, as after EENTER; the page is not for loads and stores */
	CHECK_EQ(kfx_touch(&e, 0, NULL, NULL), SGX_FAULT_PF);
	CHECK_EQ(info_of(k).tcs, 1);
	CHECK_EQ(k->tcs_live, 1);
	CHECK_EQ(sgx_access(e.encl, KFX_BASE + 8, 1, &flags, false), 0);
	kfx_check(k);
	end(k, &e);
}

TEST(threads_inside_are_kicked)
{
	struct kfx *k = kfx_oversub(32, false);
	struct kfx_encl e;

	build(k, &e, &k->call, KFX_BASE, 64, true);
	k->inside = true;
	k->thread_epoch = 0;
	for (uint64_t i = 1; i <= 64; i++)
		touch(&e, i, i, i);
	CHECK(k->kicks > 0);
	k->inside = false;
	k->kicks = 0;
	for (uint64_t i = 1; i <= 64; i++)
		touch(&e, i, i, i);
	CHECK_EQ(k->kicks, 0);
	kfx_check(k);
	end(k, &e);
}

TEST(backing_that_cannot_grow_loses_nothing)
{
	struct kfx *k = kfx_oversub(30, false);
	struct kfx_encl e;
	uint64_t count;

	build(k, &e, &k->call, KFX_BASE, 25, false);
	k->backing_after = 0;
	CHECK_EQ(kfx_add(&e, 28 * 4096, 4 * 4096, RW, 0, &count), -ENOMEM);
	CHECK_EQ(info_of(k).free, 0);
	kfx_check(k);
	k->backing_after = -1;
	CHECK_EQ(info_of(k).evicted, 0);
	for (uint64_t i = 1; i <= 25; i++)
		touch(&e, i, i, i);
	end(k, &e);
}

TEST(pages_change_places_where_backing_cannot_grow)
{
	struct kfx *k = kfx_oversub(24, false);
	struct kfx_encl e;
	unsigned int kept;

	build(k, &e, &k->call, KFX_BASE, 40, true);
	k->backing_after = 0;
	kept = k->backings;
	for (unsigned int round = 1; round < 4; round++) {
		for (uint64_t i = 1; i <= 40; i++)
			touch(&e, i, round == 1 ? i : i + round - 1, i + round);
		kfx_check(k);
	}
	CHECK(k->swaps);
	/* one more while they change places, and the SECS' */
	CHECK(k->backings <= kept + 2);
	end(k, &e);
}

TEST(a_page_that_was_tampered_with_is_sigbus)
{
	struct kfx *k = kfx_oversub(24, false);
	uint64_t bad = 0, i;
	struct kfx_encl e;

	build(k, &e, &k->call, KFX_BASE, 40, true);
	for (i = 1; i <= 40 && !bad; i++)
		if (e.backing[i].state == 1)
			bad = i;
	CHECK(bad);
	e.backing[bad].sealed[77] ^= 1;
	CHECK_EQ(kfx_touch(&e, bad * 4096, NULL, NULL), SGX_FAULT_SIGBUS);
	kfx_check(k);
	for (i = 1; i <= 40; i++)
		if (i != bad)
			touch(&e, i, i, i);
	CHECK_EQ(kfx_touch(&e, bad * 4096, NULL, NULL), SGX_FAULT_SIGBUS);
	e.backing[bad].sealed[77] ^= 1;
	touch(&e, bad, bad, bad);
	kfx_check(k);
	end(k, &e);
}

TEST(released_while_pages_are_out)
{
	for (uint64_t pages = 1; pages < 60; pages += 7) {
		struct kfx *k = kfx_oversub(24, false);
		struct kfx_encl e;

		build(k, &e, &k->call, KFX_BASE, pages, pages % 2);
		kfx_check(k);
		end(k, &e);
	}
}

TEST(enclu_and_ptrace_bring_pages_back)
{
	struct cpu_regs regs = {.rax = SGX_EREPORT, .rbx = KFX_BASE + 4096};
	struct kfx *k = kfx_oversub(24, false);
	struct kfx_encl e, hog;
	struct cpu_result r;
	uint64_t data = 0;

	build(k, &e, &k->call, KFX_BASE, 10, true);
	build(k, &hog, &k->call, KFX_BASE + 0x10000000, 60, true);
	for (uint64_t i = 1; i <= 60; i++)
		touch(&hog, i, i, i);
	CHECK_EQ(info_of(k).secs, 1);
	/* the SECS comes back; the operand's fault is for sgx_fault() */
	regs.rcx = regs.rdx = regs.rbx;
	r = sgx_enclu(e.encl, &regs, NULL);
	CHECK_EQ(r.kind, CPU_FAULT);
	CHECK_EQ(r.vector, SGX_VEC_PF);
	CHECK_EQ(r.code & SGX_PF_SGX, 0);
	CHECK_EQ(info_of(k).secs, 2);
	CHECK_EQ(sgx_access(e.encl, KFX_BASE + 3 * 4096, 1, &data, false), 0);
	CHECK_EQ(data, 3);
	kfx_check(k);
	kfx_release(&hog);
	end(k, &e);
}

/* The EPC is full of what cannot go: a fault is SIGBUS, and a debugger is told ENOMEM. */
TEST(ptrace_of_a_page_that_finds_no_room_is_enomem)
{
	struct kfx *k = kfx_oversub(32, false);
	struct kfx_encl e, hog[32];
	unsigned int hogs = 0;
	uint64_t data = 0;
	long ret;

	build(k, &e, &k->call, KFX_BASE, 40, true);
	/* Not initialised, their SECSes and VA pages stay. */
	do {
		struct sgx_secs secs;

		kfx_open(k, &hog[hogs]);
		kfx_secs(&secs, KFX_BASE + 0x10000000ull * (hogs + 1), 0x10000);
		ret = kfx_create(&hog[hogs], &secs);
	} while (!ret && ++hogs < 31);
	CHECK_EQ(ret, -ENOMEM);
	CHECK_EQ(sgx_access(e.encl, KFX_BASE + 4096, 3, &data, false), -ENOMEM);
	CHECK_EQ(sgx_access(e.encl, KFX_BASE + 4096, 3, &data, true), -ENOMEM);
	kfx_check(k);
	for (unsigned int i = 0; i <= hogs && i < 32; i++)
		kfx_release(&hog[i]);
	CHECK_EQ(sgx_access(e.encl, KFX_BASE + 4096, 3, &data, false), 0);
	CHECK_EQ(data, 1);
	end(k, &e);
}

TEST(va_pages_for_many_pages)
{
	struct kfx *k = kfx_oversub(64, false);
	struct kfx_encl e;

	build(k, &e, &k->call, KFX_BASE, 1100, true);
	CHECK_EQ(info_of(k).va, 3);
	for (unsigned int i = 0; i < 3000; i++) {
		uint64_t page = 1 + below(1100);

		touch(&e, page, page, page);
	}
	kfx_check(k);
	end(k, &e);
}

/* --- power and memory errors ------------------------------------------------------------ */

static uint32_t pf_code(struct kfx_encl *e, uint64_t page)
{
	struct sgx_mm mm = {.sees = e};
	struct sgx_fault f = {
		.addr = e->secs.base + page * 4096, .error_code = SGX_PF_U, .vm_prot = 3};

	CHECK_EQ(sgx_fault(&mm, e->encl, &f), SGX_FAULT_PF);
	return f.error_code;
}

TEST(after_a_suspend_everything_is_lost_and_new_ones_work)
{
	static const uint8_t boot[32] = {9};
	struct kfx *k = kfx_oversub(32, false);
	struct sgx_call *call = &k->call;
	struct kfx_encl old, half, new;
	unsigned int sigbus = 0, pf = 0;
	uint64_t count;

	build(k, &old, call, KFX_BASE, 40, true);
	build(k, &half, call, KFX_BASE + 0x10000000, 6, false);
	/* the host takes PTEs away when pages are dropped */
	memset(k->granted, 0, 32);
	k->losses = true;
	CHECK_EQ(sgx_suspend(k->sgx, boot), 0);
	kfx_check(k);
	for (uint64_t i = 1; i <= 40; i++) {
		struct sgx_mm mm = {.sees = &old};
		struct sgx_fault f = {
			.addr = KFX_BASE + i * 4096, .error_code = SGX_PF_U, .vm_prot = 3};

		switch (sgx_fault(&mm, old.encl, &f)) {
		case SGX_FAULT_PF:
			CHECK(f.error_code & SGX_PF_SGX);
			pf++;
			break;
		default: /* was evicted: its version is gone */
			sigbus++;
		}
	}
	CHECK(pf > 0);
	CHECK(sigbus > 0);
	CHECK_EQ(kfx_add(&half, 0x7000, 0x1000, RW, 0, &count), -EIO);
	/* The dead are in nobody's way. */
	build(k, &new, call, KFX_BASE + 0x20000000, 60, true);
	for (uint64_t i = 1; i <= 60; i++)
		touch(&new, i, i, i);
	kfx_check(k);
	kfx_release(&old);
	kfx_check(k);
	kfx_release(&half);
	memset(k->granted, 0, 32);
	k->losses = true;
	CHECK_EQ(sgx_suspend(k->sgx, boot), 0);
	end(k, &new);
}

/*
 * After a sleep state the reclaimer meets pages whose EWB fails, and then their owner
 * touches them.  Linux' driver takes such a page for one that is evicted, and follows a
 * NULL pointer to its version (docs/UPSTREAM.md).
 */
TEST(a_fault_after_a_suspend_and_a_pass_is_refused)
{
	static const uint8_t boot[32] = {9};

	for (uint64_t pages = 4; pages < 60; pages += 11) {
		struct kfx *k = kfx_oversub(48, false);
		struct kfx_encl old, new;
		uint64_t data;

		build(k, &old, &k->call, KFX_BASE, pages, true);
		memset(k->granted, 0, 48);
		k->losses = true;
		CHECK_EQ(sgx_suspend(k->sgx, boot), 0);
		build(k, &new, &k->call, KFX_BASE + 0x20000000, 90, true);
		for (uint64_t i = 0; i <= pages; i++) {
			struct sgx_mm mm = {.sees = &old};
			struct sgx_fault f = {
				.addr = KFX_BASE + i * 4096, .error_code = SGX_PF_U, .vm_prot = 3};
			enum sgx_fault_verdict verdict = sgx_fault(&mm, old.encl, &f);

			CHECK(verdict == SGX_FAULT_SIGBUS || verdict == SGX_FAULT_PF);
			CHECK(sgx_access(old.encl, f.addr, 3, &data, false) < 0);
			kfx_check(k);
		}
		for (uint64_t i = 1; i <= 90; i++)
			touch(&new, i, i, i);
		kfx_check(k);
		kfx_release(&old);
		end(k, &new);
	}
}

static epc_slot_t slot_of_page(struct kfx *k, struct kfx_encl *e, uint64_t page)
{
	for (epc_slot_t slot = 0; slot < k->pkg.epc_pages; slot++)
		if (k->where[slot].encl == e->encl && k->where[slot].addr == KFX_BASE + page * 4096)
			return slot;
	FAIL("page %llu is not resident", (unsigned long long)page);
}

TEST(a_poisoned_page_is_never_given_out_again)
{
	struct kfx *k = kfx_oversub(32, false);
	struct sgx_epc_info info;
	struct kfx_encl e;
	epc_slot_t slot;

	k->losses = true;
	CHECK_EQ(sgx_epc_poison(k->sgx, 32), -ENXIO);
	CHECK_EQ(sgx_epc_poison(k->sgx, 30), 0); /* fresh */
	CHECK_EQ(sgx_epc_poison(k->sgx, 30), -EALREADY);
	kfx_check(k);
	build(k, &e, &k->call, KFX_BASE, 10, true);
	slot = slot_of_page(k, &e, 4);
	touch(&e, 4, 4, 44);
	k->granted[slot] = 0;
	CHECK_EQ(sgx_epc_poison(k->sgx, slot), 0);
	kfx_check(k);
	CHECK_EQ(kfx_touch(&e, 4 * 4096, NULL, NULL), SGX_FAULT_MCE);
	touch(&e, 5, 5, 5);
	kfx_release(&e);
	kfx_check(k);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.poisoned, 2);
	CHECK_EQ(info.free, 30);
	CHECK_EQ(sgx_epc_poison(k->sgx, slot), -EALREADY);
	build(k, &e, &k->call, KFX_BASE, 60, true);
	for (uint64_t i = 1; i <= 60; i++)
		touch(&e, i, i, i);
	CHECK_EQ(k->where[slot].encl, NULL);
	CHECK_EQ(k->where[30].encl, NULL);
	kfx_release(&e);
	kfx_check(k);
	kfx_free(k);
}

TEST(a_poisoned_secs_is_a_lost_enclave)
{
	struct kfx *k = kfx_oversub(32, false);
	struct kfx_encl e;

	build(k, &e, &k->call, KFX_BASE, 4, true);
	k->losses = true;
	for (epc_slot_t slot = 0; slot < 32; slot++)
		if (k->epcm[slot].valid && k->epcm[slot].pt == SGX_PT_SECS)
			CHECK_EQ(sgx_epc_poison(k->sgx, slot), 0);
	CHECK(pf_code(&e, 1) & SGX_PF_SGX);
	kfx_check(k);
	kfx_release(&e);
	kfx_check(k);
	kfx_free(k);
}

/* --- with threads and ksgxd ---------------------------------------------------------- */

struct worker {
	struct kfx *k;
	struct sgx_call call;
	unsigned int number;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t state = w->number + 1, value[41];
	struct kfx_encl e;

	for (unsigned int round = 0; round < 6; round++) {
		build(w->k, &e, &w->call, KFX_BASE + 0x10000000ull * w->number, 40, false);
		for (uint64_t i = 1; i <= 40; i++)
			value[i] = i;
		for (unsigned int i = 0; i < 600; i++) {
			uint64_t page, set;

			state = state * 6364136223846793005ull + 1442695040888963407ull;
			page = 1 + (state >> 33) % 40;
			set = state >> 20;
			touch(&e, page, value[page], set);
			value[page] = set;
		}
		kfx_release(&e);
	}
	return NULL;
}

TEST_TIMEOUT(many_processes_share_the_epc, 120)
{
	struct worker w[4];
	pthread_t thread[4];
	struct kfx *k = kfx_oversub(36, true);

	for (unsigned int i = 0; i < 4; i++) {
		w[i] = (struct worker){.k = k, .number = i};
		kfx_call_init(k, &w[i].call);
		CHECK_EQ(pthread_create(&thread[i], NULL, work, &w[i]), 0);
	}
	for (unsigned int i = 0; i < 4; i++) {
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
		kfx_call_exit(&w[i].call);
	}
	kfx_check_all_free(k);
	CHECK(info_of(k).ewb > 0);
	CHECK_EQ(k->backings, 0);
	kfx_free(k);
}
