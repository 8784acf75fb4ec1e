/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine that is watched while probes work on it. */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include "bench.h"

#include <stdbool.h>
#include <stdint.h>

/* Of `swsgx stat --json`, pages and events */
struct epc_counts {
	uint64_t total, free, secs, va, tcs, parked, evicted;
	uint64_t ewb, eldu, soft_faults, direct_reclaims;
};

/**
 * struct bed - a machine and up to two bench-probes on it
 * @p:	      programs
 * @name:     of the machine
 * @pid:      of its daemon
 * @child:    the probes
 * @children: how many
 * @row:      whose note says what went wrong
 */
struct bed {
	const struct programs *p;
	char name[24];
	int pid;
	struct child child[2];
	unsigned children;
	struct row *row;
};

bool bed_start(struct bed *b, const struct programs *p, const char *epc, unsigned children,
	       struct row *r);
void bed_end(struct bed *b);
bool bed_ask(struct bed *b, unsigned child, double *ns, uint64_t *sum, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
bool bed_count(struct bed *b, struct epc_counts *c);
bool bed_settle(struct bed *b, uint64_t free, struct epc_counts *c);
uint64_t bed_cpu_ns(const struct bed *b);
bool bed_wrong(struct bed *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
