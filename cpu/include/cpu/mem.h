/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copy and clear for code that is also built freestanding.
 *
 * No libc may be reached from there, and a loop in C may be turned into a call
 * of memcpy() or memset() by the compiler; a string instruction may not.  The
 * direction flag is clear at function entry by the ABI, and Linux clears it for
 * signal handlers.
 */
#ifndef CPU_MEM_H
#define CPU_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Integers at any address and of any memory, as the images here are bytes. */
typedef uint16_t __attribute__((may_alias, aligned(1))) cpu_u16_any;
typedef uint32_t __attribute__((may_alias, aligned(1))) cpu_u32_any;
typedef uint64_t __attribute__((may_alias, aligned(1))) cpu_u64_any;

static inline void cpu_copy(void *dst, const void *src, size_t size)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(size) : : "memory");
}

static inline void cpu_zero(void *dst, size_t size)
{
	__asm__ volatile("rep stosb" : "+D"(dst), "+c"(size) : "a"(0) : "memory");
}

static inline uint64_t cpu_get64(const void *p)
{
	return *(const cpu_u64_any *)p;
}

static inline void cpu_put64(void *p, uint64_t value)
{
	*(cpu_u64_any *)p = value;
}

static inline uint32_t cpu_get32(const void *p)
{
	return *(const cpu_u32_any *)p;
}

static inline void cpu_put32(void *p, uint32_t value)
{
	*(cpu_u32_any *)p = value;
}

static inline void cpu_put16(void *p, uint16_t value)
{
	*(cpu_u16_any *)p = value;
}

#endif
