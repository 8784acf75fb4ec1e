/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves that are larger than the EPC: tests are run on a machine of 1 MiB, 256
 * pages of it.
 *
 * Whether a page has left the program's sight is seen in the enclave's file, where
 * it is a hole then: parked or evicted.  Of HEAP_PAGES that have been touched since
 * it was, at most the EPC's are in.
 */
#ifndef TESTS_SYSTEM_PAGING_H
#define TESTS_SYSTEM_PAGING_H

#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define EPC_PAGES   256u
#define HEAP_PAGES  640u
#define PAGING_OPTS .heap = HEAP_PAGES * ENCL_PAGE

static inline uint64_t heap_page(const struct encl *e, uint64_t i)
{
	return e->heap + i * ENCL_PAGE;
}

/* A load from outside: the page comes in.  The thread is not inside, no TCS is used. */
static inline uint64_t touch(uint64_t addr)
{
	return *(volatile const uint64_t *)addr;
}

/* All else goes, TCSs too: the FIFO is gone through twice. */
static inline void squeeze(const struct encl *e)
{
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		(void)touch(heap_page(e, i));
}

static inline bool is_out(const struct encl *e, uint64_t addr)
{
	off_t offset = (off_t)(addr - e->base);

	return lseek(e->fd, offset, SEEK_DATA) != offset;
}

/* The page at addr (not of the heap, not a TCS) leaves; parked at least. */
static inline void push_out(const struct encl *e, uint64_t addr)
{
	for (uint64_t i = 0; i < 20 * HEAP_PAGES; i++) {
		(void)touch(heap_page(e, i % HEAP_PAGES));
		if (i % 32 == 31 && is_out(e, addr))
			return;
	}
	FAIL("the page at offset 0x%llx stays", (unsigned long long)(addr - e->base));
}

/* Pages of the heap that are in the file */
static inline unsigned int pages_in(const struct encl *e)
{
	unsigned int n = 0;

	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		n += !is_out(e, heap_page(e, i));
	return n;
}

/* A thread that keeps the EPC busy: touches pages of the heap in no order */
struct pager {
	const struct encl *e;
	pthread_t thread;
	bool stop;
	uint64_t touched;
};

static inline void *pager_run(void *arg)
{
	struct pager *p = arg;
	unsigned int seed = 99;

	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		(void)touch(heap_page(p->e, (unsigned int)rand_r(&seed) % HEAP_PAGES));
		__atomic_store_n(&p->touched, p->touched + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static inline void pager_start(struct pager *p, const struct encl *e)
{
	*p = (struct pager){.e = e};
	CHECK_EQ(pthread_create(&p->thread, NULL, pager_run, p), 0);
}

/* Until it has touched so many more pages */
static inline void pager_wait(struct pager *p, uint64_t pages)
{
	uint64_t until = __atomic_load_n(&p->touched, __ATOMIC_RELAXED) + pages;

	while (__atomic_load_n(&p->touched, __ATOMIC_RELAXED) < until)
		usleep(100);
}

static inline void pager_stop(struct pager *p)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(p->thread, NULL), 0);
}

/* Every byte of a page is told by the page's number and a version. */
static inline void pattern(uint8_t page[4096], uint64_t i, uint64_t version)
{
	uint64_t x = (i + 1) * 0x9e3779b97f4a7c15ull + version * 0xbf58476d1ce4e5b9ull;

	for (unsigned int k = 0; k < 4096; k += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(page + k, &x, 8);
	}
}

static inline void write_pattern(struct encl *e, unsigned int tcs, uint64_t i, uint64_t version)
{
	uint8_t page[4096];

	pattern(page, i, version);
	encl_write(e, tcs, heap_page(e, i), page, sizeof(page));
}

static inline void check_inside(struct encl *e, unsigned int tcs, uint64_t i, uint64_t version)
{
	uint8_t page[4096], got[4096];

	pattern(page, i, version);
	encl_read(e, tcs, got, heap_page(e, i), sizeof(got));
	CHECK_MEM(got, page, sizeof(page));
}

static inline void check_outside(const struct encl *e, uint64_t i, uint64_t version)
{
	uint8_t page[4096];

	pattern(page, i, version);
	CHECK_MEM((const void *)heap_page(e, i), page, sizeof(page));
}

#endif
