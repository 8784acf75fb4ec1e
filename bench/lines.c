/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines that a bench-probe measures: one bare, one under `swsgx run`, in turns,
 * so that what else the computer does meets both.  A figure is the median over
 * the rounds of a round's fastest batch.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct line {
	const char *name;
	const char *probe;	/* under swsgx */
	const char *bare[2];	/* the baseline: their sum */
	const char *against;
	enum sense sense;
	double limit;
} lines[] = {
	{ "EENTER + EEXIT through the vDSO", "enter", { "sigill" },
	  "SIGILL, handler, sigreturn", AT_MOST, 1.25 },
	{ "compute inside: integer", "int-inside", { "int" },
	  "the same code outside", AT_LEAST, 0.98 },
	{ "compute inside: random reads in 16 MiB", "mem-inside", { "mem" },
	  "the same code outside, in pages of 4 KiB", AT_LEAST, 0.98 },
	{ "compute inside: AVX2", "avx2-inside", { "avx2" },
	  "the same code outside", AT_LEAST, 0.98 },
	{ "ADD_PAGES, measured, a page", "add-measured", { "sha256" },
	  "SHA-256 of 5,184 bytes", AT_LEAST, 0.7 },
	{ "ADD_PAGES, not measured, a page", "add", { "memcpy" },
	  "memcpy of a page into a fresh memfd", AT_LEAST, 0.5 },
	{ "ADD_PAGES, one page a call", "add-one", { "sigsys", "memcpy" },
	  "SIGSYS round trip and memcpy of a page into a fresh memfd", AT_MOST, 1.3 },
	{ "ADD_PAGES, one page a call, measured", "add-one-measured", { "sigsys", "sha256" },
	  "SIGSYS round trip and SHA-256", AT_MOST, 1.3 },
	{ "ADD_PAGES, one page a call, beside two busy loops", "add-one-busy",
	  { "sigsys", "memcpy" }, "the same, without them", AT_MOST, 3 },
	{ "ADD_PAGES, one page a call, measured, beside two busy loops", "add-one-measured-busy",
	  { "sigsys", "sha256" }, "the same, without them", AT_MOST, 3 },
	{ "system call, not intercepted (getppid)", "getppid", { "getppid" },
	  "bare", AT_MOST, 1.3 },
	{ "random reads in 16 MiB, shared memory outside", "mem-shared", { "mem" },
	  "the same in private memory", NO_LIMIT, 0 },
	{ "CPUID, leaf 0", "cpuid", { "cpuid" }, "bare", NO_LIMIT, 0 },
	{ "CPUID, leaf 1, of this processor alone", "cpuid-own", { "cpuid-own" },
	  "bare", NO_LIMIT, 0 },
	{ "rt_sigprocmask", "sigmask", { "sigmask" }, "bare", NO_LIMIT, 0 },
	{ "openat + close", "open", { "open" }, "bare", NO_LIMIT, 0 },
	{ "fork + wait", "fork", { "fork" }, "bare", NO_LIMIT, 0 },
	{ "thread create + join", "thread", { "thread" }, "bare", NO_LIMIT, 0 },
	{ "epoll server over TCP, a request", "echo", { "echo" }, "bare", AT_LEAST, 0.97 },
	{ "signal to oneself, handler, sigreturn", "handler", { "handler" }, "bare", NO_LIMIT, 0 },
};
/* clang-format on */

#define LINES (sizeof(lines) / sizeof(lines[0]))

struct samples {
	double figure[ROUNDS_MAX], bare[2][ROUNDS_MAX];
};

static bool one_round(const struct line *l, struct child *bare, struct child *sgx,
		      struct samples *s, unsigned round, struct row *r)
{
	uint64_t sum, expected = 0;

	for (unsigned i = 0; i < 2 && l->bare[i]; i++)
		if (!child_ask(bare, l->bare[i], &s->bare[i][round], &expected, r->note,
			       sizeof(r->note)))
			return false;
	if (!child_ask(sgx, l->probe, &s->figure[round], &sum, r->note, sizeof(r->note)))
		return false;
	/* Only the kernels of blob.S compute something on both sides */
	if (l->sense == AT_LEAST && sum && sum != expected) {
		snprintf(r->note, sizeof(r->note), "%s: a wrong result", l->probe);
		return false;
	}
	return true;
}

static void measure(struct table *t, const struct line *l, struct child *bare, struct child *sgx,
		    unsigned rounds)
{
	struct row *r = table_add(t, l->name, "ns");
	static struct samples s;

	r->against = l->against;
	r->sense = l->sense;
	r->limit = l->limit;
	for (unsigned round = 0; round < rounds; round++)
		if (!one_round(l, bare, sgx, &s, round, r))
			return;
	r->baseline = median(s.bare[0], rounds);
	if (l->bare[1]) {
		double second = median(s.bare[1], rounds);

		snprintf(r->note, sizeof(r->note), "%.2f us + %.2f us", r->baseline / 1e3,
			 second / 1e3);
		r->baseline += second;
	}
	r->figure = median(s.figure, rounds);
}

/**
 * bench_lines() - measure them
 * @t:	    where rows go
 * @p:	    programs
 * @rounds: of each
 * @only:   NULL, or a part of the name of those wanted
 *
 * Return: 0, or -errno: a program could not be started.
 */
int bench_lines(struct table *t, const struct programs *p, unsigned rounds, const char *only)
{
	const char *const bare_argv[] = {p->probe, p->key, NULL};
	const char *const sgx_argv[] = {p->swsgx, "run",    "--epc", "1G",
					"--",	  p->probe, p->key,  NULL};
	struct child bare, sgx;
	int ret = child_start(&bare, bare_argv);

	if (ret)
		return ret;
	ret = child_start(&sgx, sgx_argv);
	if (!ret) {
		for (size_t i = 0; i < LINES; i++)
			if (!only || strstr(lines[i].name, only))
				measure(t, &lines[i], &bare, &sgx, rounds);
		child_end(&sgx);
	}
	child_end(&bare);
	return ret;
}
