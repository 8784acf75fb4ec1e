/* SPDX-License-Identifier: BSD-3-Clause */
/* The program that measures: its parts. */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <sched.h>
#include <stdint.h>
#include <time.h>

#define ADD_PAGES_COUNT 1024u /* pages of an enclave that is built to be timed */
#define ADD_PAGES_BATCH 128u /* pages that are timed together */

/**
 * struct sample - what was measured
 * @ns:	 for each operation, of the fastest batch: one that nobody disturbed
 * @sum: what was computed; must be the same wherever it is
 */
struct sample {
	double ns;
	uint64_t sum;
};

/* In shared memory: what one end says to the other, and whether that sleeps on it */
struct word {
	uint32_t value;
	uint32_t sleeps;
} __attribute__((aligned(64)));

struct turns {
	struct word question, answer;
};

void word_await(struct word *w, uint32_t value);
void word_post(struct word *w, uint32_t value);
void pin(const cpu_set_t *allowed, unsigned skip);

/* Of the command line */
extern const char *probe_key;

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* A batch of so many operations ends */
static inline void batch_end(struct sample *s, uint64_t start, unsigned operations)
{
	double ns = (double)(now_ns() - start) / operations;

	if (!s->ns || ns < s->ns)
		s->ns = ns;
}

/* All: Return 0, or -errno */
int probe_sigill(struct sample *s);
int probe_sigsys(struct sample *s);
int probe_shm(struct sample *s);
int probe_enter(struct sample *s);

int probe_int(struct sample *s);
int probe_mem(struct sample *s);
int probe_avx2(struct sample *s);
int probe_mem_shared(struct sample *s);
int probe_int_inside(struct sample *s);
int probe_mem_inside(struct sample *s);
int probe_avx2_inside(struct sample *s);

int probe_sha256(struct sample *s);
int probe_memcpy(struct sample *s);
int probe_add_measured(struct sample *s);
int probe_add(struct sample *s);
int probe_add_one(struct sample *s);
int probe_add_one_measured(struct sample *s);
int probe_add_one_busy(struct sample *s);
int probe_add_one_measured_busy(struct sample *s);

int probe_getppid(struct sample *s);
int probe_cpuid(struct sample *s);
int probe_cpuid_own(struct sample *s);
int probe_sigmask(struct sample *s);
int probe_open(struct sample *s);
int probe_fork(struct sample *s);
int probe_thread(struct sample *s);
int probe_handler(struct sample *s);
int probe_echo(struct sample *s);

int probe_sigbus(struct sample *s);
int probe_copy(struct sample *s);
int probe_gcm(struct sample *s);
int probe_evict(struct sample *s);
int probe_fault(struct sample *s);

/* With numbers in the question, see probe.c */
int probe_grow(uint64_t pages);
int probe_heap(uint64_t pages);
int probe_touch(struct sample *s, uint64_t first, uint64_t count);
int probe_trace(uint64_t kind, uint64_t seed);
int probe_walk(struct sample *s, uint64_t count);
int probe_race(struct sample *s, uint64_t ms);

#endif
