/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Function extents of Go programs, which have no .eh_frame, and no symbols once
 * they are stripped: the runtime's own table (.gopclntab) stays.
 *
 *	0	magic; quantum of instructions (1) at 6, size of a pointer (8) at 7
 *	8	number of functions
 *	24	address of the text
 *	64	where the functions are: offset from the text and something else,
 *		32 bits each, ascending; then where the last one ends
 *
 * That is Go 1.18 and later (the magic changed with 1.20).  In position-independent
 * files the address waits for a relocation: nothing is certain there.
 */
#include "cpuid_walk.h"

#include <string.h>

#define MAGIC_118   0xfffffff0u
#define MAGIC_120   0xfffffff1u
#define HEADER_SIZE 72u
#define ENTRY_SIZE  8u

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

void cpuid_gopclntab(struct scan *s, uint64_t off, uint64_t size)
{
	const uint8_t *p = s->image + off;
	uint64_t count, text, table, i;

	if (!s->fixed || size < HEADER_SIZE)
		return;
	if ((get32(p) != MAGIC_118 && get32(p) != MAGIC_120) || p[4] || p[5] || p[6] != 1 ||
	    p[7] != 8)
		return;
	count = get64(p + 8);
	text = get64(p + 24);
	table = get64(p + 64);
	if (table > size || size - table < 4 || count > (size - table - 4) / ENTRY_SIZE)
		return;
	for (i = 0; i < count && !s->err; i++) {
		uint64_t start = get32(p + table + i * ENTRY_SIZE);
		uint64_t end = get32(p + table + (i + 1) * ENTRY_SIZE);

		if (start < end)
			cpuid_add_func(s, text + start, end - start);
	}
}
