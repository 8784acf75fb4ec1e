/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of a client's mappings, against one byte for each page. */
#include "machine.h"

#include <harness/harness.h>

#include <stdlib.h>

#define PAGES 64u
#define PAGE  4096u

static struct sgx_mm mm = {.lock = PTHREAD_MUTEX_INITIALIZER, .uffd = -1};
static uint8_t model[PAGES]; /* encl << 4 | prot, 0: nothing */

static void check_same(void)
{
	uint32_t runs = 0;

	for (uint32_t i = 0; i < PAGES; i++) {
		struct mapping map = {0};
		bool found = mm_find(&mm, i * PAGE + 17, &map);

		CHECK_EQ(found, model[i] != 0);
		if (found) {
			CHECK_EQ(map.encl, model[i] >> 4);
			CHECK_EQ(map.prot, model[i] & 15);
		}
		if (model[i] && (i == 0 || model[i - 1] != model[i]))
			runs++;
	}
	/* As few entries as can be, sorted and disjoint */
	CHECK_EQ(mm.count, runs);
	for (uint32_t i = 0; i < mm.count; i++) {
		CHECK(mm.mapping[i].start < mm.mapping[i].end);
		CHECK(i == 0 || mm.mapping[i - 1].end <= mm.mapping[i].start);
	}
}

TEST(mappings_are_what_was_mapped_last)
{
	unsigned seed = 4711;

	for (int round = 0; round < 20000; round++) {
		uint32_t start = (uint32_t)rand_r(&seed) % PAGES;
		uint32_t count = 1 + (uint32_t)rand_r(&seed) % (PAGES - start);
		uint32_t encl = 1 + (uint32_t)rand_r(&seed) % 2, prot = (uint32_t)rand_r(&seed) % 4;

		if (count > 8 && rand_r(&seed) % 4)
			count = 1 + count % 8;
		if (rand_r(&seed) % 3) {
			struct mapping map = {
				.start = start * PAGE,
				.end = (start + count) * PAGE,
				.encl = encl,
				.prot = prot,
			};

			CHECK_EQ(mm_insert(&mm, &map), 0);
			memset(model + start, (int)(encl << 4 | prot), count);
		} else {
			CHECK_EQ(mm_remove(&mm, start * PAGE, (start + count) * PAGE), 0);
			memset(model + start, 0, count);
		}
		check_same();
	}
	free(mm.mapping);
}
