/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ZIPF_THETA 0.99
#define NO_PAGE	   UINT32_MAX

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static int zipf_begin(struct trace *t)
{
	double sum = 0;

	t->sum = malloc(t->pages * sizeof(*t->sum));
	t->page = malloc(t->pages * sizeof(*t->page));
	if (!t->sum || !t->page) {
		trace_end(t);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < t->pages; i++) {
		t->sum[i] = sum += pow(i + 1, -ZIPF_THETA);
		t->page[i] = i;
	}
	for (uint32_t i = t->pages - 1; i > 0; i--) {
		uint32_t other = (uint32_t)(next_random(&t->state) % (i + 1));
		uint32_t page = t->page[i];

		t->page[i] = t->page[other];
		t->page[other] = page;
	}
	return 0;
}

/**
 * trace_begin() - a sequence, the same for the same arguments
 * @t:	   filled in
 * @kind:  of which kind
 * @pages: of how many pages
 * @seed:  Zipf: any number; else the first page
 *
 * Return: 0 or -ENOMEM
 */
int trace_begin(struct trace *t, enum trace_kind kind, uint32_t pages, uint64_t seed)
{
	*t = (struct trace){.kind = kind, .pages = pages, .state = seed};
	return kind == TRACE_ZIPF ? zipf_begin(t) : 0;
}

/**
 * trace_next() - the next page
 * @t: sequence
 *
 * Return: its number
 */
uint32_t trace_next(struct trace *t)
{
	uint32_t low = 0, high = t->pages - 1;
	double at;

	if (t->kind == TRACE_SWEEP)
		return (uint32_t)(t->state++ % t->pages);
	at = (double)(next_random(&t->state) >> 11) * 0x1p-53 * t->sum[high];
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (t->sum[mid] > at)
			high = mid;
		else
			low = mid + 1;
	}
	return t->page[low];
}

/**
 * trace_end() - give its memory back
 * @t: sequence
 */
void trace_end(struct trace *t)
{
	free(t->sum);
	free(t->page);
	t->sum = NULL;
	t->page = NULL;
}

/* --- LRU ------------------------------------------------------------------------------ */

/* A list of all pages, the last used first; those behind @last are out */
struct lru {
	uint32_t *older, *newer;
	uint8_t *in;
	uint32_t first, last, room;
};

static void lru_unlink(struct lru *l, uint32_t page)
{
	uint32_t older = l->older[page], newer = l->newer[page];

	if (newer == NO_PAGE)
		l->first = older;
	else
		l->older[newer] = older;
	if (older == NO_PAGE)
		l->last = newer;
	else
		l->newer[older] = newer;
}

/* Return: it was not there */
static int lru_touch(struct lru *l, uint32_t page)
{
	int miss = !l->in[page];

	if (!miss) {
		lru_unlink(l, page);
	} else if (l->room) {
		l->room--;
	} else {
		l->in[l->last] = 0;
		lru_unlink(l, l->last);
	}
	l->in[page] = 1;
	l->newer[page] = NO_PAGE;
	l->older[page] = l->first;
	if (l->first == NO_PAGE)
		l->last = page;
	else
		l->newer[l->first] = page;
	l->first = page;
	return miss;
}

/**
 * trace_lru() - pages that an exact LRU would have to bring
 * @t:	      sequence, at its beginning
 * @capacity: pages that have room, one or more
 * @warm:     touches that are not counted
 * @count:    touches that are
 *
 * It starts as an enclave does: its pages came one after another.
 * Return: of each touch; less than 0 without memory.
 */
double trace_lru(struct trace *t, uint32_t capacity, uint64_t warm, uint64_t count)
{
	struct lru l = {.first = NO_PAGE, .last = NO_PAGE, .room = capacity};
	uint64_t misses = 0;
	double ret = -1;

	l.older = malloc(t->pages * sizeof(*l.older));
	l.newer = malloc(t->pages * sizeof(*l.newer));
	l.in = calloc(t->pages, 1);
	if (!l.older || !l.newer || !l.in)
		goto out;
	for (uint32_t page = 0; page < t->pages; page++)
		lru_touch(&l, page);
	while (warm--)
		lru_touch(&l, trace_next(t));
	for (uint64_t i = 0; i < count; i++)
		misses += (uint64_t)lru_touch(&l, trace_next(t));
	ret = (double)misses / (double)count;
out:
	free(l.older);
	free(l.newer);
	free(l.in);
	return ret;
}
