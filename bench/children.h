/* SPDX-License-Identifier: BSD-3-Clause */
/* The programs that the bench runs. */
#ifndef BENCH_CHILDREN_H
#define BENCH_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Paths of what is run, from the command line */
struct programs {
	const char *swsgx, *probe, *stamp, *key;
	const char *project; /* a script; NULL: no build is measured */
};

/**
 * struct child - a bench-probe, bare or under `swsgx run`
 * @pid: of it
 * @ask: its standard input
 * @say: its standard output
 */
struct child {
	pid_t pid;
	FILE *ask, *say;
};

uint64_t now_ns(void);
int child_start(struct child *c, const char *const *argv);
void child_say(struct child *c, const char *question);
bool child_hear(struct child *c, const char *question, double *ns, uint64_t *sum, char *why,
		size_t why_size);
bool child_ask(struct child *c, const char *question, double *ns, uint64_t *sum, char *why,
	       size_t why_size);
void child_end(struct child *c);
int start_quiet(pid_t *pid, const char *const *argv);
int run_quiet(const char *const *argv, uint64_t *ret_ns, uint64_t *main_ns, uint64_t *start_ns);
double median(double *values, unsigned count);

#endif
