/* SPDX-License-Identifier: BSD-3-Clause */
/* Small arithmetic without libc, usable in freestanding code. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool is_pow2(uint64_t x)
{
	return x && !(x & (x - 1));
}

/* align: a power of two */
static inline bool is_aligned(uint64_t x, uint64_t align)
{
	return !(x & (align - 1));
}

/* 48-bit linear addresses: bits 63:47 are all the same. */
static inline bool is_canonical(uint64_t addr)
{
	return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

static inline bool mem_is_zero(const void *mem, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)mem;
	uint8_t any = 0;

	for (size_t i = 0; i < size; i++)
		any |= bytes[i];
	return !any;
}

/* Offset of the first byte that is not 0; size where all are. */
static inline size_t mem_first_set(const void *mem, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)mem;
	size_t i = 0;

	while (i < size && !bytes[i])
		i++;
	return i;
}

/* The first 8 bytes of a hash, as they are read in hexadecimal. */
static inline uint64_t mem_prefix(const void *mem)
{
	const uint8_t *bytes = (const uint8_t *)mem;
	uint64_t value = 0;

	for (size_t i = 0; i < sizeof(value); i++)
		value = value << 8 | bytes[i];
	return value;
}

#endif
