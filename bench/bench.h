/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of swsgx-bench. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "children.h"
#include "table.h"

#define ROUNDS_MAX 101

int bench_lines(struct table *t, const struct programs *p, unsigned rounds, const char *only);
void bench_run_true(struct table *t, const struct programs *p, unsigned rounds);
void bench_build(struct table *t, const struct programs *p, unsigned rounds, const char *folder);
void bench_redis(struct table *t, const struct programs *p, unsigned rounds, const char *folder);
void bench_metadata(struct table *t, const struct programs *p);
int machine_start(const struct programs *p, const char *name, const char *epc, uint64_t *ret_ns);
void machine_stop(const struct programs *p, const char *name);
int machine_pid(const struct programs *p, const char *name);
void bench_faults(struct table *t, const struct programs *p, unsigned rounds, const char *only);
void bench_sweeps(struct table *t, const struct programs *p, unsigned rounds, const char *only,
		  bool huge);
void bench_large(struct table *t, const struct programs *p, unsigned rounds);

#endif
