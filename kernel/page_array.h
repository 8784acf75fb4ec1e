/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An enclave's pages by page index: a radix tree of fan-out 64, as tall as the
 * ELRANGE needs, whose leaves hold the entries themselves.  A dense enclave pays
 * 8.4 bytes a page; walks meet existing entries only, so that a range may be as
 * large as the address space.
 *
 * Context: encl->lock is held for everything here.
 */
#ifndef KERNEL_PAGE_ARRAY_H
#define KERNEL_PAGE_ARRAY_H

#include <cpu/package.h>

/* sgx_encl_page.flags */
#define SGX_ENCL_PAGE_EVICTED	(1u << 0) /* sealed in the host's backing */
#define SGX_ENCL_PAGE_RECLAIMED (1u << 1) /* being evicted: wait for the reclaimer */

/* Linux' struct sgx_encl_page.  Its address follows from where it is. */
struct sgx_encl_page {
	union {
		epc_slot_t epc; /* the EPC page that holds it */
		uint32_t va; /* EVICTED: where its version is, see sgx_alloc_va_slot() */
	};
	uint8_t type; /* enum sgx_pt; never PT_SECS, so 0 = no entry */
	uint8_t max_prot; /* PROT_* (= SECINFO.R, W, X) that a mapping may have */
	uint16_t flags;
};
_Static_assert(sizeof(struct sgx_encl_page) == 8, "entry size");

struct page_node;

struct page_array {
	struct page_node *root;
	unsigned int height; /* nodes on the way to an entry */
};

void page_array_init(struct page_array *array, uint64_t pages);
int page_array_insert(struct page_array *array, uint64_t index, struct sgx_encl_page **page);
void page_array_erase(struct page_array *array, uint64_t index);
struct sgx_encl_page *page_array_load(const struct page_array *array, uint64_t index);
struct sgx_encl_page *page_array_find(const struct page_array *array, uint64_t *index,
				      uint64_t last);
void page_array_destroy(struct page_array *array);
bool page_array_check(const struct page_array *array);

#endif
