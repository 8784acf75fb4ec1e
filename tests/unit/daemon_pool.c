/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of the daemon's own: daemon/pool.c. */
#include "machine.h"

#include <harness/harness.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGES 2000u /* more than four chunks have */
#define CHUNK (2ul << 20)

static void *page[PAGES];
static struct pool pool;

static int by_address(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

static void get_all(void)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		page[i] = pool_get(&pool);
		CHECK(page[i]);
		CHECK_EQ((uintptr_t)page[i] % SGX_PAGE_SIZE, 0);
		CHECK_EQ(pool.used, i + 1);
	}
}

/* Kilobytes of this process that are there */
static long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long size, pages;

	CHECK(f);
	CHECK_EQ(fscanf(f, "%ld %ld", &size, &pages), 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

TEST(pages_are_distinct)
{
	static void *sorted[PAGES];

	pool_init(&pool);
	get_all();
	memcpy(sorted, page, sizeof(sorted));
	qsort(sorted, PAGES, sizeof(sorted[0]), by_address);
	for (unsigned int i = 1; i < PAGES; i++)
		CHECK((uintptr_t)sorted[i] - (uintptr_t)sorted[i - 1] >= SGX_PAGE_SIZE);
	/* all of it is ours: nothing of the pool's own, and no PCMD, lies there */
	for (unsigned int i = 0; i < PAGES; i++)
		memset(page[i], (int)(i & 0xff), SGX_PAGE_SIZE);
	for (unsigned int i = 0; i < PAGES; i++)
		memset(pool_pcmd(page[i]), (int)(i >> 4 & 0xff), sizeof(struct sgx_pcmd));
	for (unsigned int i = 0; i < PAGES; i++) {
		const uint8_t *bytes = page[i], *pcmd = (const uint8_t *)pool_pcmd(page[i]);

		CHECK_EQ(bytes[0], i & 0xff);
		CHECK_MEM(bytes, bytes + 1, SGX_PAGE_SIZE - 1);
		CHECK_EQ(pcmd[0], i >> 4 & 0xff);
		CHECK_MEM(pcmd, pcmd + 1, sizeof(struct sgx_pcmd) - 1);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		pool_put(&pool, page[i]);
	CHECK_EQ(pool.used, 0);
	pool_exit(&pool);
}

TEST(pcmds_are_aligned_distinct_and_stay)
{
	static void *sorted[PAGES];

	pool_init(&pool);
	get_all();
	for (unsigned int i = 0; i < PAGES; i++) {
		sorted[i] = pool_pcmd(page[i]);
		CHECK_EQ((uintptr_t)sorted[i] % sizeof(struct sgx_pcmd), 0);
		CHECK_EQ((uintptr_t)sorted[i] / CHUNK, (uintptr_t)page[i] / CHUNK);
		memset(sorted[i], 0x5e, sizeof(struct sgx_pcmd));
	}
	/* what others do does not move them, nor what is in them */
	for (unsigned int i = 0; i < PAGES; i += 2)
		pool_put(&pool, page[i]);
	for (unsigned int i = 0; i < PAGES; i += 2)
		page[i] = pool_get(&pool);
	for (unsigned int i = 1; i < PAGES; i += 2) {
		const uint8_t *pcmd = (const uint8_t *)pool_pcmd(page[i]);

		CHECK_EQ((uintptr_t)pcmd, (uintptr_t)sorted[i]);
		CHECK_EQ(pcmd[0], 0x5e);
		CHECK_MEM(pcmd, pcmd + 1, sizeof(struct sgx_pcmd) - 1);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		sorted[i] = pool_pcmd(page[i]);
	qsort(sorted, PAGES, sizeof(sorted[0]), by_address);
	for (unsigned int i = 1; i < PAGES; i++)
		CHECK((uintptr_t)sorted[i] - (uintptr_t)sorted[i - 1] >= sizeof(struct sgx_pcmd));
	for (unsigned int i = 0; i < PAGES; i++)
		pool_put(&pool, page[i]);
	pool_exit(&pool);
}

/* All but one chunk go back to the system, whatever the order. */
TEST(memory_is_given_back)
{
	unsigned int seed = 5;
	long before;

	pool_init(&pool);
	before = resident();
	for (int round = 0; round < 6; round++) {
		get_all();
		CHECK(pool.chunks >= 4);
		for (unsigned int i = 0; i < PAGES; i++)
			memset(page[i], 1, SGX_PAGE_SIZE);
		for (unsigned int i = PAGES - 1; i; i--) {
			unsigned int k = (unsigned int)rand_r(&seed) % (i + 1);
			void *other = page[k];

			page[k] = page[i];
			page[i] = other;
		}
		for (unsigned int i = 0; i < PAGES; i++)
			pool_put(&pool, page[i]);
		CHECK_EQ(pool.used, 0);
		CHECK_EQ(pool.chunks, 1);
		CHECK_EQ(pool.spare, 1);
		CHECK(resident() < before + 2 * (long)(CHUNK >> 10));
	}
	pool_exit(&pool);
	CHECK(!pool.partly);
}

/* One page is taken and put at the border of a chunk: no chunk comes and goes. */
TEST(one_chunk_is_kept)
{
	void *one, *first;

	pool_init(&pool);
	first = pool_get(&pool);
	pool_put(&pool, first);
	for (int i = 0; i < 1000; i++) {
		one = pool_get(&pool);
		CHECK_EQ((uintptr_t)one, (uintptr_t)first);
		pool_put(&pool, one);
		CHECK_EQ(pool.chunks, 1);
	}
	pool_exit(&pool);
}

/* Against a model: what is held keeps its content through any order of calls. */
TEST(random_order)
{
	static bool held[PAGES];
	unsigned int seed = 77, count = 0;

	pool_init(&pool);
	for (int step = 0; step < 60000; step++) {
		unsigned int i = (unsigned int)rand_r(&seed) % PAGES;

		/* waves: many, and then few */
		if (held[i] == (step / 10000 % 2 == 0) && rand_r(&seed) % 8)
			continue;
		if (held[i]) {
			CHECK_EQ(*(unsigned int *)page[i], i);
			CHECK_EQ(*(unsigned int *)pool_pcmd(page[i]), ~i);
			pool_put(&pool, page[i]);
			count--;
		} else {
			page[i] = pool_get(&pool);
			CHECK(page[i]);
			*(unsigned int *)page[i] = i;
			*(unsigned int *)pool_pcmd(page[i]) = ~i;
			count++;
		}
		held[i] = !held[i];
		CHECK_EQ(pool.used, count);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		if (held[i])
			pool_put(&pool, page[i]);
	CHECK_EQ(pool.chunks, 1);
	pool_exit(&pool);
}

#define THREADS 4u
#define EACH	300u

static void *get_and_put(void *arg)
{
	unsigned int mark = (unsigned int)(uintptr_t)arg;
	void *mine[EACH];

	for (int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < EACH; i++) {
			mine[i] = pool_get(&pool);
			CHECK(mine[i]);
			*(unsigned int *)mine[i] = mark << 16 | i;
		}
		for (unsigned int i = 0; i < EACH; i++) {
			CHECK_EQ(*(unsigned int *)mine[i], mark << 16 | i);
			pool_put(&pool, mine[i]);
		}
	}
	return NULL;
}

TEST(threads)
{
	pthread_t thread[THREADS];

	pool_init(&pool);
	for (uintptr_t k = 0; k < THREADS; k++)
		CHECK_EQ(pthread_create(&thread[k], NULL, get_and_put, (void *)k), 0);
	for (unsigned int k = 0; k < THREADS; k++)
		CHECK_EQ(pthread_join(thread[k], NULL), 0);
	CHECK_EQ(pool.used, 0);
	CHECK_EQ(pool.chunks, 1);
	pool_exit(&pool);
}
