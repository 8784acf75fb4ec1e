/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of the daemon's own: EPC pages that no client sees, and what is outside the
 * EPC (backing).  EWB frees one as it takes another, ELDU the other way round, so
 * that a machine whose EPC is full makes no system call for them.
 *
 * A chunk is 2 MiB, aligned to itself:
 *
 *	header | PCMDs, one for each page | pages
 *
 * Chunks with a free page are on a list; one that is free altogether is given back
 * to the system, but for the last.
 */
#include "machine.h"

#include <string.h>
#include <sys/mman.h>

/* Linux 5.14; not in all headers */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define CHUNK_SIZE	 (2ul << 20)
#define CHUNK_PCMDS	 1u /* page of the first PCMD */
#define CHUNK_PCMD_PAGES 16u
#define CHUNK_FIRST	 (CHUNK_PCMDS + CHUNK_PCMD_PAGES)
#define CHUNK_PAGES	 ((unsigned)(CHUNK_SIZE / SGX_PAGE_SIZE) - CHUNK_FIRST)
_Static_assert((CHUNK_PAGES + CHUNK_FIRST) * sizeof(struct sgx_pcmd) <=
		       CHUNK_PCMD_PAGES * SGX_PAGE_SIZE,
	       "a PCMD for each page");

#define POPULATE 16u /* pages that are had of the system at a time */

struct pool_chunk {
	struct pool_chunk *next, **pprev; /* with free pages; pprev NULL: none is */
	uint32_t fresh; /* pages of the chunk from here on were never had */
	uint32_t used; /* that are the callers' */
	uint32_t free_count;
	uint16_t free[CHUNK_PAGES]; /* pages of the chunk; the first free_count */
};
_Static_assert(sizeof(struct pool_chunk) <= SGX_PAGE_SIZE, "header size");

/**
 * pool_init() - no page yet
 * @pool: pool
 */
void pool_init(struct pool *pool)
{
	*pool = (struct pool){0};
	pthread_mutex_init(&pool->lock, NULL);
}

static void link_chunk(struct pool *pool, struct pool_chunk *chunk)
{
	chunk->next = pool->partly;
	chunk->pprev = &pool->partly;
	if (chunk->next)
		chunk->next->pprev = &chunk->next;
	pool->partly = chunk;
}

static void unlink_chunk(struct pool_chunk *chunk)
{
	*chunk->pprev = chunk->next;
	if (chunk->next)
		chunk->next->pprev = chunk->pprev;
	chunk->pprev = NULL;
}

/* Context: pool->lock held.  Return: a chunk, listed, or NULL. */
static struct pool_chunk *new_chunk(struct pool *pool)
{
	struct pool_chunk *chunk;
	uintptr_t start, at;
	void *map;

	map = mmap(NULL, 2 * CHUNK_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	start = (uintptr_t)map;
	at = (start + CHUNK_SIZE - 1) & ~(CHUNK_SIZE - 1);
	if (at > start)
		munmap(map, at - start);
	if (start + CHUNK_SIZE > at)
		munmap((void *)(at + CHUNK_SIZE), start + CHUNK_SIZE - at);
	chunk = (void *)at;
	/* One is all that most machines need, a few pages of it.  Who needs more fills it. */
	(void)madvise(chunk, CHUNK_SIZE, pool->chunks ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	(void)madvise(chunk, CHUNK_SIZE, MADV_DONTDUMP);
	chunk->fresh = CHUNK_FIRST;
	link_chunk(pool, chunk);
	pool->chunks++;
	pool->spare++;
	return chunk;
}

static struct pool_chunk *chunk_of(const void *page)
{
	return (void *)((uintptr_t)page & ~(CHUNK_SIZE - 1));
}

/* The last one that was given back, which is in the caches, or one that is fresh */
static size_t take_page(struct pool_chunk *chunk)
{
	size_t page;

	if (chunk->free_count)
		return chunk->free[--chunk->free_count];
	page = chunk->fresh++;
	/* some at once: a fault each would cost more than what is done with a page */
	if ((page - CHUNK_FIRST) % POPULATE == 0) {
		size_t count = CHUNK_FIRST + CHUNK_PAGES - page;

		(void)madvise((uint8_t *)chunk + page * SGX_PAGE_SIZE,
			      (count < POPULATE ? count : POPULATE) * SGX_PAGE_SIZE,
			      MADV_POPULATE_WRITE);
	}
	return page;
}

/**
 * pool_get() - a page
 * @pool: pool
 *
 * Return: 4096 bytes of whatever was there, or NULL without memory.
 */
void *pool_get(struct pool *pool)
{
	struct pool_chunk *chunk;
	void *page = NULL;

	pthread_mutex_lock(&pool->lock);
	chunk = pool->partly ? pool->partly : new_chunk(pool);
	if (chunk) {
		pool->spare -= !chunk->used;
		page = (uint8_t *)chunk + take_page(chunk) * SGX_PAGE_SIZE;
		if (++chunk->used == CHUNK_PAGES)
			unlink_chunk(chunk);
		pool->used++;
	}
	pthread_mutex_unlock(&pool->lock);
	return page;
}

/**
 * pool_put() - give a page back
 * @pool: pool
 * @page: from pool_get()
 */
void pool_put(struct pool *pool, void *page)
{
	struct pool_chunk *chunk = chunk_of(page);

	pthread_mutex_lock(&pool->lock);
	if (chunk->used-- == CHUNK_PAGES)
		link_chunk(pool, chunk);
	chunk->free[chunk->free_count++] =
		(uint16_t)(((uintptr_t)page & (CHUNK_SIZE - 1)) / SGX_PAGE_SIZE);
	pool->used--;
	if (!chunk->used && pool->spare++) {
		unlink_chunk(chunk);
		pool->chunks--;
		pool->spare--;
		munmap(chunk, CHUNK_SIZE);
	}
	pthread_mutex_unlock(&pool->lock);
}

/**
 * pool_pcmd() - room for a PCMD that goes with a page
 * @page: from pool_get()
 *
 * Return: 128 bytes, aligned; its content stays as long as the page is the caller's.
 */
struct sgx_pcmd *pool_pcmd(void *page)
{
	uint8_t *pcmds = (uint8_t *)chunk_of(page) + CHUNK_PCMDS * SGX_PAGE_SIZE;
	size_t index = ((uintptr_t)page & (CHUNK_SIZE - 1)) / SGX_PAGE_SIZE;

	return (struct sgx_pcmd *)(void *)pcmds + index;
}

/**
 * pool_exit() - give back what is free
 * @pool: no page of it is used
 */
void pool_exit(struct pool *pool)
{
	struct pool_chunk *chunk;

	while ((chunk = pool->partly)) {
		unlink_chunk(chunk);
		munmap(chunk, CHUNK_SIZE);
	}
	pthread_mutex_destroy(&pool->lock);
}
