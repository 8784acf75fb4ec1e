/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Version arrays of an enclave: one page for each 512 pages that it has, the SECS
 * included, so that each of them can be evicted at any time.
 *
 * Context: sgx_encl.page_cnt changes in ioctls alone, one of which runs at a time;
 * all else is encl->lock's.
 */
#include <errno.h>
#include <stdlib.h>

#include "encl.h"
#include "encls.h"

/**
 * sgx_encl_grow() - make sure of a version slot for one more page
 * @va: a new VA page, or EPC_SLOT_NONE where none is needed; for
 *	sgx_encl_grown() or sgx_encl_shrink()
 * @why: the rule that refuses; NULL: nobody asks
 *
 * Context: an ioctl; encl->lock not held, as others may have to be evicted.
 * Return: 0, or -ENOMEM.
 */
int sgx_encl_grow(struct sgx_encl *encl, epc_slot_t *va, struct why *why)
{
	struct sgx_subsystem *sgx = encl->sgx;
	struct sgx_va_page *pages;
	epc_slot_t slot;
	int ret;

	*va = EPC_SLOT_NONE;
	if (encl->page_cnt % SGX_VA_SLOTS)
		return 0;
	/* The table grows by doubling, at counts that are powers of two. */
	if (!(encl->va_count & (encl->va_count - 1))) {
		size_t room = encl->va_count ? 2 * (size_t)encl->va_count : 1;

		pthread_mutex_lock(&encl->lock);
		pages = realloc(encl->va_pages, room * sizeof(*pages));
		if (pages)
			encl->va_pages = pages;
		pthread_mutex_unlock(&encl->lock);
		if (!pages)
			return why_ret(why, -ENOMEM, WHY_HOST_MEMORY, 0, 0);
	}
	slot = sgx_alloc_epc_page(sgx, encl, SGX_PT_VA, SGX_ALLOC_NEW);
	if (slot == EPC_SLOT_NONE)
		return sgx_epc_full(encl, why);
	ret = encls_errno(__epa(sgx->pkg, slot), -EFAULT);
	if (ret) {
		why_note(why, WHY_HOST_MEMORY, 0, 0);
		sgx_encl_free_epc_page(sgx, slot);
		return ret;
	}
	*va = slot;
	return 0;
}

/**
 * sgx_encl_grown() - the page is there
 * @va: from sgx_encl_grow()
 *
 * Context: encl->lock held.
 */
void sgx_encl_grown(struct sgx_encl *encl, epc_slot_t va)
{
	encl->page_cnt++;
	if (va != EPC_SLOT_NONE)
		encl->va_pages[encl->va_count++] = (struct sgx_va_page){.epc = va};
}

/**
 * sgx_encl_shrink() - the page did not come after all
 * @va: from sgx_encl_grow()
 */
void sgx_encl_shrink(struct sgx_encl *encl, epc_slot_t va)
{
	if (va != EPC_SLOT_NONE)
		sgx_encl_free_epc_page(encl->sgx, va);
}

/**
 * sgx_encl_free_va_pages() - all of them, at the end
 *
 * Context: encl->lock held; no page is left.
 */
void sgx_encl_free_va_pages(struct sgx_encl *encl)
{
	for (uint32_t i = 0; i < encl->va_count; i++)
		sgx_encl_free_epc_page(encl->sgx, encl->va_pages[i].epc);
	free(encl->va_pages);
	encl->va_pages = NULL;
	encl->va_count = 0;
	encl->va_hint = 0;
}

/**
 * sgx_alloc_va_slot() - room for a version
 *
 * There is always one for a page that is resident: see sgx_encl_grow().
 * Context: encl->lock held.
 * Return: number of the VA page in the enclave * SGX_VA_SLOTS + slot.
 */
uint32_t sgx_alloc_va_slot(struct sgx_encl *encl)
{
	/* No page before the hint has room. */
	for (; encl->va_hint < encl->va_count; encl->va_hint++) {
		struct sgx_va_page *va = &encl->va_pages[encl->va_hint];

		if (va->used == SGX_VA_SLOTS)
			continue;
		for (uint32_t w = 0;; w++) {
			uint32_t bit;

			if (!~va->slots[w])
				continue;
			bit = (uint32_t)__builtin_ctzll(~va->slots[w]);
			va->slots[w] |= 1ull << bit;
			va->used++;
			return encl->va_hint * SGX_VA_SLOTS + w * 64 + bit;
		}
	}
	return SGX_VA_NONE;
}

/**
 * sgx_free_va_slot() - the version in it is not needed any more
 *
 * Context: encl->lock held.
 */
void sgx_free_va_slot(struct sgx_encl *encl, uint32_t slot)
{
	struct sgx_va_page *va = &encl->va_pages[slot / SGX_VA_SLOTS];
	uint32_t bit = slot % SGX_VA_SLOTS;

	va->slots[bit / 64] &= ~(1ull << bit % 64);
	va->used--;
	if (slot / SGX_VA_SLOTS < encl->va_hint)
		encl->va_hint = slot / SGX_VA_SLOTS;
}

/**
 * sgx_va_used() - is it one that sgx_alloc_va_slot() gave out?
 */
bool sgx_va_used(const struct sgx_encl *encl, uint32_t slot)
{
	uint32_t bit = slot % SGX_VA_SLOTS;

	return slot / SGX_VA_SLOTS < encl->va_count &&
	       encl->va_pages[slot / SGX_VA_SLOTS].slots[bit / 64] >> bit % 64 & 1;
}

/**
 * sgx_va_check() - as many slots are taken as pages are out, and enough are there
 *
 * Context: nothing else runs.
 */
bool sgx_va_check(const struct sgx_encl *encl, const char **why)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < encl->va_count; i++) {
		const struct sgx_va_page *va = &encl->va_pages[i];
		const struct sgx_epc_page *epc = sgx_epc_page(&encl->sgx->epc, va->epc);
		uint32_t bits = 0;

		*why = "VA page of an enclave is no EPC page of its own";
		if (!epc || epc->state != SGX_EPC_USED || epc->type != SGX_PT_VA ||
		    epc->owner != &encl->consumer || epc->list != SGX_EPC_UNLISTED)
			return false;
		for (uint32_t w = 0; w < SGX_VA_SLOTS / 64; w++)
			bits += (uint32_t)__builtin_popcountll(va->slots[w]);
		*why = "VA page has another number of versions than it says";
		if (bits != va->used || (i < encl->va_hint && bits != SGX_VA_SLOTS))
			return false;
		used += bits;
	}
	*why = "versions of an enclave are not one for each evicted page";
	if (used != encl->evicted_cnt + (encl->secs_va != SGX_VA_NONE))
		return false;
	*why = "VA pages of an enclave do not follow its pages";
	return encl->va_count == (encl->page_cnt + SGX_VA_SLOTS - 1) / SGX_VA_SLOTS;
}
