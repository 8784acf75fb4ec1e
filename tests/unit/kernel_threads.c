/* SPDX-License-Identifier: BSD-3-Clause */
/* Several threads, processes and enclaves at once; what TSan is run on. */
#include "kernel_fixture.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 4u
#define ROUNDS	12u

/* --- each thread its own enclave ------------------------------------------------------ */

static void build_and_release(struct kfx *k, struct sgx_call *call)
{
	struct sgx_sigstruct_arch sig;
	struct sgx_mm mm = {0};
	struct kfx_encl e;
	struct sgx_secs secs;
	struct sgx_tcs tcs;
	long ret;

	kfx_open(k, &e);
	e.call = call;
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	ret = kfx_create(&e, &secs);
	CHECK(!ret || ret == -ENOMEM);
	kfx_tcs(&tcs);
	kfx_put(call, KFX_SOURCE, &tcs, sizeof(tcs));
	if (!ret)
		ret = kfx_add(&e, 0, 0x1000, KFX_TCS, SGX_PAGE_MEASURE, NULL);
	CHECK(!ret || ret == -ENOMEM);
	if (!ret)
		ret = kfx_add(&e, 0x1000, 0xa000, KFX_REG | KFX_R, SGX_PAGE_MEASURE, NULL);
	CHECK(!ret || ret == -ENOMEM);
	if (!ret) {
		struct sgx_fault f = {
			.addr = KFX_BASE + 0x3000,
			.error_code = SGX_PF_U,
			.vm_prot = 1,
		};

		kfx_sigstruct(&e, &sig);
		kfx_sign(&sig);
		CHECK_EQ(kfx_init(&e, &sig), 0);
		CHECK_EQ(sgx_fault(&mm, e.encl, &f), SGX_FAULT_RETRY);
	}
	sgx_release(e.encl);
}

static void *builder(void *arg)
{
	struct kfx *k = arg;
	struct sgx_call call;

	kfx_call_init(k, &call);
	for (unsigned int i = 0; i < ROUNDS; i++)
		build_and_release(k, &call);
	kfx_call_exit(&call);
	return NULL;
}

/* With room for all, and with an EPC that is always short */
TEST(enclaves_in_parallel)
{
	static const unsigned int epc_pages[] = {64, 20};

	for (unsigned int i = 0; i < 2; i++) {
		struct kfx *k = kfx_new(epc_pages[i], 2, false);
		pthread_t thread[THREADS];

		for (unsigned int t = 0; t < THREADS; t++)
			CHECK_EQ(pthread_create(&thread[t], NULL, builder, k), 0);
		for (unsigned int t = 0; t < THREADS; t++)
			pthread_join(thread[t], NULL);
		CHECK_EQ(k->encl_frees, THREADS * ROUNDS);
		kfx_check_all_free(k);
		kfx_free(k);
	}
}

/* --- signers ------------------------------------------------------------------------------ */

struct signer {
	struct kfx *k;
	struct sgx_sigstruct_arch sig;
};

/* Enclaves without a page measure the same each time: one signature will do. */
static void *initializer(void *arg)
{
	struct signer *s = arg;
	struct sgx_call call;
	struct sgx_secs secs;
	struct kfx_encl e;

	kfx_call_init(s->k, &call);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	for (unsigned int i = 0; i < 300; i++) {
		kfx_open(s->k, &e);
		e.call = &call;
		CHECK_EQ(kfx_create(&e, &secs), 0);
		CHECK_EQ(kfx_init(&e, &s->sig), 0);
		sgx_release(e.encl);
	}
	kfx_call_exit(&call);
	return NULL;
}

/* Another signer's hash must not come between this one's and its EINIT. */
TEST(two_signers_at_once)
{
	struct kfx *k = kfx_new(16, 1, false);
	struct signer signer[2] = {{.k = k}, {.k = k}};
	struct kfx_encl e = {0};
	pthread_t thread[THREADS];

	kfx_secs(&e.secs, KFX_BASE, KFX_SIZE);
	cpu_measure_ecreate(&e.measure, e.secs.ssaframesize, e.secs.size);
	kfx_sigstruct(&e, &signer[0].sig);
	signer[1].sig = signer[0].sig;
	kfx_sign(&signer[0].sig);
	kfx_sign_other(&signer[1].sig);
	for (unsigned int t = 0; t < THREADS; t++)
		CHECK_EQ(pthread_create(&thread[t], NULL, initializer, &signer[t % 2]), 0);
	for (unsigned int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	kfx_check_all_free(k);
	kfx_free(k);
}

/* --- all threads one enclave ---------------------------------------------------------- */

struct shared {
	struct kfx *k;
	struct kfx_encl e;
	uint64_t added; /* pages, atomic */
	uint64_t busy; /* EBUSY of the claim, atomic */
	bool end; /* atomic */
};

/* ADD_PAGES of the same range by all: each page is added once. */
static void *adder(void *arg)
{
	struct shared *s = arg;
	struct kfx_encl mine = s->e;
	struct sgx_call call;

	kfx_call_init(s->k, &call);
	mine.call = &call;
	for (unsigned int page = 0; page < 32;) {
		uint64_t count;
		long ret = kfx_add(&mine, page * 4096, 4096, KFX_REG | KFX_R, 0, &count);

		if (ret == -EBUSY && count == 0xdead) {
			/* Another ioctl was running; nothing was looked at. */
			__atomic_add_fetch(&s->busy, 1, __ATOMIC_RELAXED);
			sched_yield();
			continue;
		}
		CHECK(!ret || ret == -EBUSY);
		CHECK_EQ(count, ret ? 0 : 4096);
		__atomic_add_fetch(&s->added, !ret, __ATOMIC_RELAXED);
		page++;
	}
	kfx_call_exit(&call);
	return NULL;
}

/* Faults, mappings, statistics, a debugger: all beside ADD_PAGES */
static void *looker(void *arg)
{
	struct shared *s = arg;
	struct sgx_mm mm = {0};
	uint64_t seen = 0;

	while (!__atomic_load_n(&s->end, __ATOMIC_RELAXED)) {
		for (unsigned int page = 0; page < 33; page++) {
			struct sgx_fault f = {
				.addr = KFX_BASE + page * 4096,
				.error_code = SGX_PF_U,
				.vm_prot = 1,
			};
			struct sgx_encl_info info;
			struct sgx_epc_info epc;
			uint64_t data;

			/* A page that was there stays there. */
			if (sgx_fault(&mm, s->e.encl, &f) == SGX_FAULT_RETRY) {
				CHECK_EQ(sgx_access(s->e.encl, f.addr, 1, &data, false), 0);
				CHECK_EQ(sgx_may_map(s->e.encl, f.addr, f.addr + 4096, 2, false,
						     NULL),
					 -EACCES);
			}
			sgx_encl_info(s->e.encl, &info);
			CHECK(info.epc_pages >= seen);
			seen = info.epc_pages;
			sgx_epc_info(s->k->sgx, &epc);
			CHECK_EQ(epc.free + epc.reg + epc.secs + epc.va, epc.total);
		}
	}
	return NULL;
}

TEST(one_enclave_many_threads)
{
	pthread_t thread[THREADS], look;
	struct shared s = {.k = kfx_new(64, 1, false)};
	struct sgx_secs secs;

	kfx_open(s.k, &s.e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&s.e, &secs), 0);
	CHECK_EQ(pthread_create(&look, NULL, looker, &s), 0);
	for (unsigned int t = 0; t < THREADS; t++)
		CHECK_EQ(pthread_create(&thread[t], NULL, adder, &s), 0);
	for (unsigned int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	__atomic_store_n(&s.end, true, __ATOMIC_RELAXED);
	pthread_join(look, NULL);
	CHECK_EQ(s.added, 32);
	kfx_check(s.k);
	kfx_release(&s.e);
	kfx_check_all_free(s.k);
	kfx_free(s.k);
}

/* Only one of two that run at the same time; the other one does not wait. */
static void *claimer(void *arg)
{
	struct shared *s = arg;

	for (unsigned int i = 0; i < 20000; i++) {
		if (sgx_ioctl_begin(s->e.encl, NULL)) {
			__atomic_add_fetch(&s->busy, 1, __ATOMIC_RELAXED);
			continue;
		}
		s->added++; /* not atomic: the claim is what protects it */
		sgx_ioctl_end(s->e.encl);
	}
	return NULL;
}

TEST(the_claim_excludes)
{
	struct shared s = {.k = kfx_new(4, 1, false)};
	pthread_t thread[THREADS];

	kfx_open(s.k, &s.e);
	for (unsigned int t = 0; t < THREADS; t++)
		CHECK_EQ(pthread_create(&thread[t], NULL, claimer, &s), 0);
	for (unsigned int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	CHECK_EQ(s.added + s.busy, THREADS * 20000);
	kfx_release(&s.e);
	kfx_free(s.k);
}
