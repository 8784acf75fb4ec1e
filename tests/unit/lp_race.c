/* SPDX-License-Identifier: BSD-3-Clause */
/* One TCS, several threads: one at a time is inside, and CSSA never lies. */
#include "lp_fixture.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS 4
#define ROUNDS	100000

static struct fixture shared;
static unsigned int inside; /* guarded by the slot */

struct worker {
	pthread_t thread;
	uint32_t block;
	uint64_t seed;
	uint64_t eenters, eresumes, aexs, eexits;
};

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool try_enter(struct worker *w, struct lp_state *lp, struct lp_gprs *regs, uint64_t leaf)
{
	struct sgx_tcs_slot *tcs = &shared.tcs;
	struct cpu_result r;

	fx_regs(regs, leaf);
	r = lp_eenter_check(&shared.secs, tcs, regs, FX_XCR0, lp_owner(1, w->block), NULL);
	if (cpu_faulted(r)) {
		require(r.vector == SGX_VEC_GP);
		return false;
	}
	require(cpu_ok(r));
	require(inside++ == 0);
	if (leaf == SGX_EENTER) {
		require(tcs->cssa < FX_NSSA);
		lp_eenter(lp, &shared.secs, tcs, &shared.gpr[tcs->cssa], FX_NEXT, regs);
		require(regs->rax == tcs->cssa);
		w->eenters++;
	} else {
		require(tcs->cssa > 0);
		r = lp_eresume(lp, &shared.secs, tcs, &shared.gpr[tcs->cssa - 1], regs, NULL);
		require(cpu_ok(r));
		w->eresumes++;
	}
	return true;
}

static void leave(struct worker *w, struct lp_state *lp, struct lp_gprs *regs, bool aex)
{
	struct lp_event event = {0};
	uint32_t cssa = shared.tcs.cssa;
	struct cpu_result r;

	require(--inside == 0);
	if (aex) {
		lp_aex(lp, &shared.gpr[cssa], &shared.exinfo[cssa], &event, regs);
		w->aexs++;
	} else {
		regs->rbx = 0x401000;
		r = lp_eexit(lp, regs);
		require(cpu_ok(r));
		w->eexits++;
	}
	require(!lp->tcs);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct lp_state lp = {0};
	struct lp_gprs regs;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t dice = fx_random(&w->seed);

		if (try_enter(w, &lp, &regs, dice & 1 ? SGX_EENTER : SGX_ERESUME))
			leave(w, &lp, &regs, dice & 2);
	}
	return NULL;
}

TEST(lp_race_one_thread_inside)
{
	struct worker w[THREADS];
	uint64_t eenters = 0, eresumes = 0, aexs = 0, eexits = 0;
	uint32_t i;

	fx_init(&shared);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.block = 100 + i, .seed = 0x9e3779b9 + i};
		CHECK_EQ(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_join(w[i].thread, NULL), 0);
		eenters += w[i].eenters;
		eresumes += w[i].eresumes;
		aexs += w[i].aexs;
		eexits += w[i].eexits;
	}
	CHECK(eenters > 0);
	CHECK(eresumes > 0);
	CHECK_EQ(shared.tcs.state, SGX_TCS_FREE);
	CHECK_EQ(shared.tcs.cssa, aexs - eresumes);
	CHECK_EQ(shared.tcs.entries, eenters + eresumes);
	CHECK_EQ(shared.tcs.aexs, aexs);
	CHECK_EQ(shared.tcs.exits, eexits);
	CHECK_EQ(eenters + eresumes, aexs + eexits);
}

static int evict_stop;

/* The daemon's side: evicts the page when no thread is inside, and loads it. */
static void *evict(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&evict_stop, __ATOMIC_RELAXED)) {
		uint32_t state = SGX_TCS_FREE;

		if (!__atomic_compare_exchange_n(&shared.tcs.state, &state, SGX_TCS_GONE, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		__atomic_store_n(&shared.tcs.state, SGX_TCS_FREE, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* A page that comes and goes is #PF or entered, never entered while gone. */
TEST(lp_race_with_eviction)
{
	struct lp_state lp = {0};
	struct lp_gprs regs;
	uint64_t entered = 0;
	pthread_t thread;
	int i;

	fx_init(&shared);
	CHECK_EQ(pthread_create(&thread, NULL, evict, NULL), 0);
	for (i = 0; i < ROUNDS || entered == 0; i++) {
		struct cpu_result r;

		fx_regs(&regs, SGX_EENTER);
		r = lp_eenter_check(&shared.secs, &shared.tcs, &regs, FX_XCR0, FX_OWNER, NULL);
		if (cpu_faulted(r)) {
			CHECK_EQ(r.vector, SGX_VEC_PF);
			CHECK_EQ(r.addr, FX_TCS);
			continue;
		}
		CHECK_EQ(__atomic_load_n(&shared.tcs.state, __ATOMIC_RELAXED), FX_OWNER);
		lp_eenter(&lp, &shared.secs, &shared.tcs, &shared.gpr[0], FX_NEXT, &regs);
		entered++;
		regs.rbx = 0x401000;
		fx_check_ok(lp_eexit(&lp, &regs));
	}
	__atomic_store_n(&evict_stop, 1, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(shared.tcs.state, SGX_TCS_FREE);
	CHECK_EQ(shared.tcs.entries, entered);
}
