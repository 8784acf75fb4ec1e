/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench-probe KEY: measures what it is told to, some batches for each line of its
 * standard input, and answers with a line:
 *
 *	NAME		-> NANOSECONDS-EACH CHECKSUM, or "- REASON"
 *	grow PAGES	   an enclave of so many pages stays until the next one
 *	heap PAGES	   one with such a heap stays until the next one, for:
 *	touch FIRST COUNT  its pages, one after another
 *	trace KIND SEED	   from here a sequence of pages (trace.h) is touched by:
 *	walk COUNT	   the next of it
 *	race MS		   its pages, one after another, for some time
 *
 * The same program runs bare and under `swsgx run`; whoever asks takes turns.
 */
#include "probe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *probe_key;

static const struct {
	const char *name;
	int (*run)(struct sample *s);
} probes[] = {
	{"sigill", probe_sigill},
	{"sigsys", probe_sigsys},
	{"shm", probe_shm},
	{"enter", probe_enter},
	{"int", probe_int},
	{"mem", probe_mem},
	{"avx2", probe_avx2},
	{"mem-shared", probe_mem_shared},
	{"int-inside", probe_int_inside},
	{"mem-inside", probe_mem_inside},
	{"avx2-inside", probe_avx2_inside},
	{"sha256", probe_sha256},
	{"memcpy", probe_memcpy},
	{"add-measured", probe_add_measured},
	{"add", probe_add},
	{"add-one", probe_add_one},
	{"add-one-measured", probe_add_one_measured},
	{"add-one-busy", probe_add_one_busy},
	{"add-one-measured-busy", probe_add_one_measured_busy},
	{"getppid", probe_getppid},
	{"cpuid", probe_cpuid},
	{"cpuid-own", probe_cpuid_own},
	{"sigmask", probe_sigmask},
	{"open", probe_open},
	{"fork", probe_fork},
	{"thread", probe_thread},
	{"handler", probe_handler},
	{"echo", probe_echo},
	{"sigbus", probe_sigbus},
	{"copy", probe_copy},
	{"gcm", probe_gcm},
	{"evict", probe_evict},
	{"fault", probe_fault},
};

static int answer_numbers(const char *line, struct sample *s)
{
	uint64_t a, b;

	if (sscanf(line, "grow %" SCNu64, &a) == 1)
		return probe_grow(a);
	if (sscanf(line, "heap %" SCNu64, &a) == 1)
		return probe_heap(a);
	if (sscanf(line, "touch %" SCNu64 " %" SCNu64, &a, &b) == 2)
		return probe_touch(s, a, b);
	if (sscanf(line, "trace %" SCNu64 " %" SCNu64, &a, &b) == 2)
		return probe_trace(a, b);
	if (sscanf(line, "walk %" SCNu64, &a) == 1)
		return probe_walk(s, a);
	if (sscanf(line, "race %" SCNu64, &a) == 1)
		return probe_race(s, a);
	return -EINVAL;
}

static int answer(const char *line, struct sample *s)
{
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		if (!strcmp(line, probes[i].name))
			return probes[i].run(s);
	return answer_numbers(line, s);
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc != 2) {
		fputs("Usage: bench-probe KEY.pem (started by swsgx-bench)\n", stderr);
		return 2;
	}
	probe_key = argv[1];
	while (fgets(line, sizeof(line), stdin)) {
		struct sample s = {0};
		int ret;

		line[strcspn(line, "\n")] = '\0';
		ret = answer(line, &s);
		if (ret)
			printf("- %s\n", strerror(-ret));
		else
			printf("%.3f %" PRIu64 "\n", s.ns, s.sum);
		if (fflush(stdout))
			return 1;
	}
	return 0;
}
