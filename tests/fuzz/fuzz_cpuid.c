/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The search for CPUID in ELF files. The input is the file; the corpus is made
 * by seed_cpuid.py.
 */
#include "fuzz.h"

#include <inject/cpuid.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static void check(bool good)
{
	if (!good)
		abort();
}

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: the file
 * @size: bytes
 *
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t offs[16], one;
	long i, n;

	n = inject_cpuid_scan(data, size, offs, 16);
	check(n >= 0 || n == -ENOEXEC);
	check(n < 0 || (size_t)n <= size / 2);
	for (i = 0; i < n && i < 16; i++) {
		check(i == 0 || offs[i - 1] + 2 <= offs[i]);
		check(offs[i] + 2 <= size);
		check(data[offs[i]] == 0x0f && data[offs[i] + 1] == 0xa2);
	}
	/* The answer does not depend on the room for it. */
	check(inject_cpuid_scan(data, size, &one, 1) == n);
	check(n < 1 || one == offs[0]);
	return 0;
}
