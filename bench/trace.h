/* SPDX-License-Identifier: BSD-3-Clause */
/* Which pages are touched, and what an exact LRU would make of it. */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stdint.h>

enum trace_kind {
	TRACE_SWEEP, /* one after another, round and round */
	TRACE_ZIPF, /* by Zipf's law of 0.99, popular ones anywhere */
};

/**
 * struct trace - where a sequence is
 * @kind:   see there
 * @pages:  that there are
 * @state:  of the generator, or the next page
 * @sum:    Zipf: of the weights of all ranks up to this one
 * @page:   Zipf: of a rank
 */
struct trace {
	enum trace_kind kind;
	uint32_t pages;
	uint64_t state;
	double *sum;
	uint32_t *page;
};

int trace_begin(struct trace *t, enum trace_kind kind, uint32_t pages, uint64_t seed);
uint32_t trace_next(struct trace *t);
void trace_end(struct trace *t);
double trace_lru(struct trace *t, uint32_t capacity, uint64_t warm, uint64_t count);

#endif
