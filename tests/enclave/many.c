/* SPDX-License-Identifier: BSD-3-Clause */
/* Several enclaves in a process, several threads in an enclave. */
#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(two_enclaves)
{
	struct encl a, b;

	encl_build(&a, &(struct encl_opts){0});
	encl_build(&b, &(struct encl_opts){.xfrm = encl_xfrm()});
	for (uint64_t i = 0; i < 200; i++) {
		encl_write8(&a, 0, a.base + ENCL_DATA, i);
		encl_write8(&b, 0, b.base + ENCL_DATA, ~i);
		CHECK_EQ(encl_read8(&a, 0, a.base + ENCL_DATA), i);
		CHECK_EQ(encl_read8(&b, 0, b.base + ENCL_DATA), ~i);
	}
	/* the memory of the first goes, the second stays */
	encl_free(&a);
	CHECK_EQ(encl_read8(&b, 0, b.base + ENCL_DATA), ~199ull);
	encl_free(&b);
}

/* One enclave handles the other's exception. */
static int other_enclave(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
			 struct sgx_enclave_run *run)
{
	struct encl *other = (struct encl *)run->user_data;

	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9;
	return (int)encl_read8(other, 0, other->base + ENCL_DATA) == 17 ? -17 : -1;
}

TEST(enter_another_in_a_handler)
{
	struct sgx_enclave_run run;
	struct encl_regs regs = {.rdi = OP_UD2};
	struct encl a, b;

	encl_build(&a, &(struct encl_opts){0});
	encl_build(&b, &(struct encl_opts){0});
	encl_write8(&b, 0, b.base + ENCL_DATA, 17);
	memset(&run, 0, sizeof(run));
	run.tcs = encl_tcs(&a, 0);
	run.user_handler = (uint64_t)other_enclave;
	run.user_data = (uint64_t)&b;
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, a.enter), -17);
	encl_free(&a);
	encl_free(&b);
}

/* Memory of an enclave is not another's: a #PF by the page tables or the EPCM. */
TEST(one_cannot_use_the_others_tcs_memory)
{
	struct encl_op o;
	struct encl a, b;

	encl_build(&a, &(struct encl_opts){0});
	encl_build(&b, &(struct encl_opts){0});
	o = encl_enter(&a, 0, SGX_EENTER, OP_READ8, encl_tcs(&b, 0), 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	encl_free(&a);
	encl_free(&b);
}

TEST_TIMEOUT(sixty_four_enclaves, 120)
{
	static struct encl e[64];

	for (int i = 0; i < 64; i++) {
		encl_build(&e[i], &(struct encl_opts){0});
		encl_write8(&e[i], 0, e[i].base + ENCL_DATA, (uint64_t)i * 1000);
	}
	for (int round = 0; round < 10; round++)
		for (int i = 63; i >= 0; i--)
			CHECK_EQ(encl_read8(&e[i], 0, e[i].base + ENCL_DATA), (uint64_t)i * 1000);
	for (int i = 0; i < 64; i += 2)
		encl_free(&e[i]);
	for (int i = 1; i < 64; i += 2) {
		CHECK_EQ(encl_read8(&e[i], 0, e[i].base + ENCL_DATA), (uint64_t)i * 1000);
		encl_free(&e[i]);
	}
}

/* One after the other, more than a process may know at once */
TEST_TIMEOUT(three_hundred_in_turn, 120)
{
	struct encl e;

	for (int i = 0; i < 300; i++) {
		encl_build(&e, &(struct encl_opts){0});
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		encl_free(&e);
	}
}

#define THREADS 4
#define ROUNDS	200
#define ADDS	1000

static struct encl shared;
static uint64_t counter_outside;

static void *adder(void *arg)
{
	unsigned int tcs = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t at = shared.base + ENCL_DATA;

		encl_op(&shared, tcs, OP_ADD, at, 0, ADDS, 0);
		encl_op(&shared, tcs, OP_ADD, (uint64_t)&counter_outside, 0, ADDS, 0);
		CHECK_EQ(encl_enter_fixed(&shared, tcs, SGX_EENTER, OP_UD2, 0, 0, 0, 0)
				 .run.exception_vector,
			 SGX_VEC_UD);
		/* the frame becomes an entry that exits: RDI and RIP are the enclave's */
		CHECK_EQ(encl_enter_fixed(&shared, tcs, SGX_ERESUME, 0, 0, 0, 0, 0)
				 .run.exception_vector,
			 SGX_VEC_UD);
		encl_write8(&shared, tcs,
			    encl_gprsgx(&shared, tcs, 0) + offsetof(struct sgx_gprsgx, rip),
			    encl_label(&shared, blob_ud2) + 2);
		CHECK_EQ(encl_enter_fixed(&shared, tcs, SGX_ERESUME, 0, 0, 0, 0, 0).run.function,
			 SGX_EEXIT);
	}
	return NULL;
}

TEST_TIMEOUT(threads_in_their_own_tcs, 120)
{
	pthread_t thread[THREADS];

	encl_build(&shared, &(struct encl_opts){.tcs_count = THREADS, .xfrm = encl_xfrm()});
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, adder, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(encl_read8(&shared, 0, shared.base + ENCL_DATA), 1ull * THREADS * ROUNDS * ADDS);
	CHECK_EQ(counter_outside, 1ull * THREADS * ROUNDS * ADDS);
	encl_free(&shared);
}

/* More threads than TCSs: a busy one is #GP, and then one tries again. */
static void *contender(void *arg)
{
	for (unsigned int i = 0, done = 0; done < ROUNDS; i++) {
		struct encl_op o = encl_enter(&shared, i % 2, SGX_EENTER, OP_ADD,
					      shared.base + ENCL_DATA, 0, 100, 0);

		if (o.run.function == SGX_EEXIT) {
			done++;
			continue;
		}
		CHECK_EQ(o.run.function, SGX_EENTER);
		CHECK_EQ(o.run.exception_vector, SGX_VEC_GP);
	}
	return arg;
}

TEST_TIMEOUT(threads_share_tcs, 120)
{
	pthread_t thread[THREADS];

	encl_build(&shared, &(struct encl_opts){.tcs_count = 2});
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, contender, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(encl_read8(&shared, 0, shared.base + ENCL_DATA), 1ull * THREADS * ROUNDS * 100);
	encl_free(&shared);
}

/* Threads come and go. */
static void *once(void *arg)
{
	encl_op(&shared, (unsigned int)(uintptr_t)arg, OP_ADD, shared.base + ENCL_DATA, 0, 1, 0);
	return NULL;
}

TEST_TIMEOUT(short_threads, 120)
{
	pthread_t thread[THREADS];

	encl_build(&shared, &(struct encl_opts){.tcs_count = THREADS});
	for (int round = 0; round < 100; round++) {
		for (uintptr_t i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_create(&thread[i], NULL, once, (void *)i), 0);
		for (int i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_join(thread[i], NULL), 0);
	}
	CHECK_EQ(encl_read8(&shared, 0, shared.base + ENCL_DATA), 100 * THREADS);
	encl_free(&shared);
}

/* A large enclave: 16 MiB of heap, each page touched from inside */
TEST_TIMEOUT(large_heap, 120)
{
	uint64_t size = 16 << 20;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.heap = size});
	for (uint64_t at = 0; at < size; at += 16 * ENCL_PAGE)
		encl_write8(&e, 0, e.heap + at, at);
	for (uint64_t at = 0; at < size; at += 16 * ENCL_PAGE)
		CHECK_EQ(encl_read8(&e, 0, e.heap + at), at);
	encl_free(&e);
}
