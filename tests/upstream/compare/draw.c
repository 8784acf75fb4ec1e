/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers: of a step, from the seed and its number. */
#include "compare.h"

static uint64_t state;

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void draw_begin(uint64_t seed, uint64_t step)
{
	state = mix(mix(seed * 0x9e3779b97f4a7c15ull + 1) + step * 0xd1342543de82ef95ull);
}

uint64_t draw(void)
{
	return mix(state += 0x9e3779b97f4a7c15ull);
}

unsigned int draw_below(unsigned int limit)
{
	return (unsigned int)(draw() % limit);
}

bool draw_one_in(unsigned int n)
{
	return !draw_below(n);
}
