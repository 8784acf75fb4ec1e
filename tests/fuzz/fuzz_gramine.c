/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gramine: two bytes with the length of the manifest, the manifest, and libpal.so.  What is
 * laid out must lie in the enclave.
 */
#include "fuzz.h"
#include "gramine.h"

#include <stdlib.h>
#include <string.h>

/* More pages are right answers, and hashing them would take hours. */
#define PAGES_MEASURED 1024u

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: length, manifest, libpal.so
 * @size: bytes
 *
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[LAYOUT_MESSAGE_SIZE] = "";
	uint8_t hash[SGX_HASH_SIZE], page[SGX_PAGE_SIZE];
	struct gramine g;
	uint64_t pages = 0;
	size_t length;

	if (size < 2)
		return 0;
	length = (size_t)data[0] | (size_t)data[1] << 8;
	if (length > size - 2)
		return 0;
	if (gramine_read(&g, data + 2, length, data + 2 + length, size - 2 - length, error)) {
		/* A message for every fault, and it ends within its array */
		if (!error[0] || !memchr(error, 0, sizeof(error)))
			abort();
		return 0;
	}
	for (size_t i = 0; i < g.layout.count; i++) {
		const struct layout_extent *x = &g.layout.extents[i];

		pages += x->pages;
		layout_page(x, 0, page);
		layout_page(x, x->pages - 1, page);
	}
	if (pages != g.layout.pages || pages * SGX_PAGE_SIZE > g.settings.enclave_size ||
	    g.layout.tcs_count != g.settings.max_threads)
		abort();
	if (pages <= PAGES_MEASURED)
		layout_measure(&g.layout, hash);
	gramine_free(&g);
	return 0;
}
