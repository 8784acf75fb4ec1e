/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frequency of the time stamp counter, as the kernel has found it out.
 *
 * The kernel takes it from the processor or the hypervisor, or has measured it against
 * another clock for a second: what could be measured in a start of milliseconds would be
 * worse.  It is asked in this order:
 *
 *	perf's page	the scale by which it makes nanoseconds of the counter, which it shows
 *			where its own clock is the counter; right to the kHz
 *	hypervisor	leaf 40000010H, which some have, in kHz
 *	/proc/cpuinfo	"bogomips": loops of one instruction that take two clocks each, in
 *			millions a second, with two decimals, so to 5 kHz.  The first guess of
 *			the kernel at its start, some 100 millionths off at worst
 */
#include "tsc.h"

#include <cpuid.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEAF_HYPERVISOR	    0x40000000u
#define LEAF_HYPERVISOR_TSC 0x40000010u
#define HYPERVISOR_BIT	    (1u << 31) /* leaf 1, ECX */

/* What is no frequency of a processor is not believed. */
static uint32_t plausible(double khz)
{
	return khz >= 100e3 && khz <= 10e6 ? (uint32_t)(khz + 0.5) : 0;
}

static uint32_t from_perf(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	const volatile struct perf_event_mmap_page *page;
	double khz = 0;
	uint32_t seq;
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return 0;
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return 0;
	/* ns = cycles * mult >> shift, where the two belong together */
	do {
		seq = page->lock;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (page->cap_user_time && page->time_mult)
			khz = 1e6 * (double)(1ull << (page->time_shift & 63)) / page->time_mult;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (page->lock != seq);
	munmap((void *)(uintptr_t)page, size);
	return plausible(khz);
}

static uint32_t from_hypervisor(void)
{
	uint32_t a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & HYPERVISOR_BIT))
		return 0;
	__cpuid(LEAF_HYPERVISOR, a, b, c, d);
	if (a < LEAF_HYPERVISOR_TSC || a > LEAF_HYPERVISOR + 0xffff)
		return 0;
	__cpuid(LEAF_HYPERVISOR_TSC, a, b, c, d);
	return plausible(a);
}

/* Linux' own word for it: the rate does not change with the processor's */
static uint32_t from_cpuinfo(bool *constant)
{
	double bogomips = 0;
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen("/proc/cpuinfo", "re");

	*constant = false;
	while (f && getline(&line, &size, f) > 1) { /* the first processor's lines */
		if (!strncmp(line, "flags", 5))
			*constant = strstr(line, " constant_tsc");
		else if (!strncmp(line, "bogomips", 8))
			sscanf(line, "bogomips : %lf", &bogomips);
	}
	free(line);
	if (f)
		fclose(f);
	return *constant ? plausible(bogomips * 500) : 0;
}

uint32_t tsc_khz(void)
{
	bool constant;
	uint32_t guess = from_cpuinfo(&constant), khz;

	if (!constant)
		return 0;
	khz = from_perf();
	if (!khz)
		khz = from_hypervisor();
	return khz ? khz : guess;
}
