/* SPDX-License-Identifier: BSD-3-Clause */
/* An enclave with a heap as large as wanted, whose pages are touched inside. */
#include "encl.h"
#include "probe.h"
#include "trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SRC_PAGES   1024u
#define TOUCH_BATCH 128u /* touches of an entry: entering does not count */
#define WALK_BATCH  8192u

static struct encl encl = {.fd = -1};
static uint64_t heap_pages;
static struct trace trace;

/**
 * probe_heap() - an enclave that stays until the next call
 * @pages: of its heap; 0: none
 *
 * Return: 0 or -errno
 */
int probe_heap(uint64_t pages)
{
	static uint8_t *src;
	int ret;

	if (encl.fd >= 0)
		encl_end(&encl);
	if (!pages)
		return 0;
	if (!src) {
		src = mmap(NULL, SRC_PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (src == MAP_FAILED) {
			src = NULL;
			return -ENOMEM;
		}
		(void)madvise(src, SRC_PAGES * PAGE, MADV_NOHUGEPAGE);
		for (size_t i = 0; i < SRC_PAGES * PAGE; i++)
			src[i] = (uint8_t)(i * 31 + (i >> 12));
	}
	ret = encl_build(&encl, probe_key, src, SRC_PAGES, pages);
	heap_pages = ret ? 0 : pages;
	return ret;
}

/* One entry.  @ns: how long it took, beside making the list */
static int touch_some(struct trace *t, unsigned count, uint64_t *ns)
{
	static uint32_t pages[WALK_BATCH];
	struct encl_touch list = {.heap = encl.base + ENCL_HEAP_OFFSET, .page = pages};
	uint64_t start, sum;

	for (unsigned i = 0; i < count; i++)
		pages[i] = trace_next(t);
	start = now_ns();
	if (encl_enter(&encl, blob_touch, &list, count, &sum))
		return -EIO;
	*ns = now_ns() - start;
	return 0;
}

static int touch(struct sample *s, struct trace *t, uint64_t count, unsigned batch)
{
	s->sum = 0;
	for (uint64_t ns, done = 0; done < count; done += batch) {
		unsigned n = count - done < batch ? (unsigned)(count - done) : batch;
		int ret = touch_some(t, n, &ns);

		if (ret)
			return ret;
		s->sum += ns;
		if (!s->ns || (double)ns / n < s->ns)
			s->ns = (double)ns / n;
	}
	return 0;
}

/**
 * probe_touch() - pages of the heap, one after another
 * @s:	   answer: of the fastest batch, and as @sum the nanoseconds of all
 * @first: the first of them; beyond the last comes the first of the heap
 * @count: of them
 *
 * Return: 0 or -errno
 */
int probe_touch(struct sample *s, uint64_t first, uint64_t count)
{
	struct trace t;

	if (!heap_pages)
		return -EINVAL;
	trace_begin(&t, TRACE_SWEEP, (uint32_t)heap_pages, first);
	return touch(s, &t, count, TOUCH_BATCH);
}

/**
 * probe_trace() - where the next probe_walk() begins
 * @kind: enum trace_kind
 * @seed: see trace_begin()
 *
 * Return: 0 or -errno
 */
int probe_trace(uint64_t kind, uint64_t seed)
{
	trace_end(&trace);
	if (!heap_pages || kind > TRACE_ZIPF)
		return -EINVAL;
	return trace_begin(&trace, (enum trace_kind)kind, (uint32_t)heap_pages, seed);
}

/**
 * probe_walk() - the trace goes on
 * @s:	   answer: as of probe_touch()
 * @count: touches
 *
 * Return: 0 or -errno
 */
int probe_walk(struct sample *s, uint64_t count)
{
	return heap_pages ? touch(s, &trace, count, WALK_BATCH) : -EINVAL;
}

/**
 * probe_race() - sweep for some time
 * @s:	answer: of a page, on average; as @sum the pages
 * @ms: how long
 *
 * Return: 0 or -errno
 */
int probe_race(struct sample *s, uint64_t ms)
{
	uint64_t start = now_ns(), ns;
	struct trace t;
	int ret = 0;

	if (!heap_pages)
		return -EINVAL;
	trace_begin(&t, TRACE_SWEEP, (uint32_t)heap_pages, 0);
	while (!ret && (ns = now_ns() - start) < ms * 1000000) {
		ret = touch_some(&t, TOUCH_BATCH, &ns);
		s->sum += TOUCH_BATCH;
	}
	s->ns = (double)(now_ns() - start) / (double)(s->sum ? s->sum : 1);
	return ret;
}
