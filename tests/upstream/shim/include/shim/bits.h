/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bits and bitmaps, counters, references.
 *
 * Kept: the numbers; a kref that is dead may not be taken or dropped.
 * Not kept: atomicity and memory order, as one thread runs at a time and is switched in
 * locks and at cond_resched() alone (task.c).
 */
#ifndef SHIM_BITS_H
#define SHIM_BITS_H

#include <shim/types.h>

#define BIT(n)			   (1ul << (n))
#define BIT_ULL(n)		   (1ull << (n))
#define GENMASK(h, l)		   ((~0ul << (l)) & (~0ul >> (63 - (h))))
#define GENMASK_ULL(h, l)	   ((~0ull << (l)) & (~0ull >> (63 - (h))))
#define BITS_TO_LONGS(n)	   (((n) + 63) / 64)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

static inline bool is_power_of_2(unsigned long n)
{
	return __builtin_popcountl(n) == 1;
}

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return map[nr / 64] >> nr % 64 & 1;
}

static inline void set_bit(unsigned long nr, unsigned long *map)
{
	map[nr / 64] |= 1ul << nr % 64;
}

static inline void clear_bit(unsigned long nr, unsigned long *map)
{
	map[nr / 64] &= ~(1ul << nr % 64);
}

static inline bool test_and_set_bit(unsigned long nr, unsigned long *map)
{
	bool was = test_bit(nr, map);

	set_bit(nr, map);
	return was;
}

static inline unsigned long find_first_zero_bit(const unsigned long *map, unsigned long size)
{
	for (unsigned long w = 0; w * 64 < size; w++)
		if (~map[w]) {
			unsigned long bit = w * 64 + (unsigned long)__builtin_ctzl(~map[w]);

			return bit < size ? bit : size;
		}
	return size;
}

#define smp_rmb() __asm__ volatile("" ::: "memory")
#define smp_wmb() __asm__ volatile("" ::: "memory")

typedef struct {
	long counter;
} atomic_long_t;
#define ATOMIC_LONG_INIT(n) \
	{                   \
		n           \
	}
#define atomic_long_read(a) ((a)->counter)
#define atomic_long_inc(a)  ((void)(a)->counter++)
#define atomic_long_dec(a)  ((void)(a)->counter--)

struct kref {
	int count;
};
#define kref_init(k) ((k)->count = 1)

static inline void kref_get(struct kref *k)
{
	if (k->count <= 0)
		shim_bug("kref_get() of a dead object");
	k->count++;
}

static inline int kref_get_unless_zero(struct kref *k)
{
	return k->count ? k->count++, 1 : 0;
}

static inline int kref_put(struct kref *k, void (*release)(struct kref *k))
{
	if (k->count <= 0)
		shim_bug("kref_put() of a dead object");
	if (--k->count)
		return 0;
	release(k);
	return 1;
}

#endif
