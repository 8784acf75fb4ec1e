/* SPDX-License-Identifier: BSD-3-Clause */
/* .note.sgxmeta: the bytes are the file.  What is laid out must lie in its ELRANGE. */
#include "fuzz.h"
#include "sgxmeta.h"

#include <stdlib.h>
#include <string.h>

/* A heap of 64 TiB is a right answer, and hashing it would take days. */
#define PAGES_MEASURED 256u

static void check(const struct sgxmeta *m)
{
	uint64_t pages = 0;
	uint8_t hash[SGX_HASH_SIZE], page[SGX_PAGE_SIZE];

	for (size_t i = 0; i < m->layout.count; i++) {
		const struct layout_extent *x = &m->layout.extents[i];

		if (!x->pages || !x->what || x->offset >= m->layout.elrange ||
		    x->pages * SGX_PAGE_SIZE > m->layout.elrange - x->offset)
			abort();
		pages += x->pages;
		layout_page(x, 0, page);
		layout_page(x, x->pages - 1, page);
	}
	if (pages != m->layout.pages || pages > m->layout.elrange / SGX_PAGE_SIZE ||
	    m->layout.tcs_count > pages || m->layout.measured_pages > pages)
		abort();
	if (pages <= PAGES_MEASURED)
		layout_measure(&m->layout, hash);
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
	char error[LAYOUT_MESSAGE_SIZE];
	struct sgxmeta m;
	int ret;

	for (unsigned i = 0; i < 4; i++) {
		error[0] = 0;
		ret = sgxmeta_read(&m, data, size, i, error);
		/* A message for every fault, and it ends within its array */
		if (ret < 0 && (!error[0] || !memchr(error, 0, sizeof(error))))
			abort();
		if (ret <= 0)
			break;
		check(&m);
		sgxmeta_free(&m);
	}
	return 0;
}
