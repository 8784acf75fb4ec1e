/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks whose processor this is, as SGX software does before it looks for SGX. */
#ifndef TESTS_SYSTEM_MAKER_H
#define TESTS_SYSTEM_MAKER_H

#include <cpuid.h>
#include <stdbool.h>
#include <string.h>

static bool is_intel(void)
{
	unsigned int a, b, c, d;
	char maker[12];

	__cpuid(0, a, b, c, d);
	memcpy(maker, &b, 4);
	memcpy(maker + 4, &d, 4);
	memcpy(maker + 8, &c, 4);
#ifdef ANY_MAKER
	return maker[0] != 0;
#else
	return !memcmp(maker, "GenuineIntel", 12);
#endif
}

#endif
