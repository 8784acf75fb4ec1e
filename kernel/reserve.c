/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EPC pages that are set aside for the next pages of an enclave.
 *
 * A host may want to tell a program that an ADD_PAGES has succeeded before it has
 * run it (proto/channel.h, streams).  Whether it will is known from the page array
 * and the arguments, but for the EPC page: another enclave may take the last one
 * meanwhile.  A reservation is a number, not a set of pages: that many of the free
 * ones are for this enclave's ADD_PAGES alone, VA pages included.
 *
 *	sgx_encl_reserve()           ADD_PAGES: sgx_alloc_epc_page(NEW)
 *	------------------> reserved ---------------------------------------> used
 *	                       '-- sgx_encl_unreserve(), sgx_release() --> free
 *
 * A memory error in a free page can make the free ones fewer than those that are
 * set aside; then whoever comes last takes the way of an ordinary allocation.
 */
#include "encl.h"

/* What one enclave may have set aside: this part of the EPC */
#define RESERVE_PART 32

/*
 * Another page can be set aside: not one that others are about to need.
 * Context: sgx_epc.lock held.
 */
static bool can_reserve(const struct sgx_epc *epc, const struct sgx_encl *encl)
{
	return sgx_epc_available(epc) > epc->low && encl->reserved < epc->total / RESERVE_PART;
}

/**
 * sgx_encl_reserve() - set EPC pages aside for the next pages of an enclave
 * @encl:	created, not initialized
 * @pages:	how many are to be added next, VA pages not counted; those that are
 *		set aside for @encl already count
 *
 * Only what is free above the low watermark: nothing is evicted for it but by ksgxd.
 * Return: how many of @pages there is room for, 0 to @pages.
 */
uint32_t sgx_encl_reserve(struct sgx_encl *encl, uint32_t pages)
{
	struct sgx_epc *epc = &encl->sgx->epc;
	/* A VA page comes with one page in SGX_VA_SLOTS: at most this many. */
	uint32_t va = pages / SGX_VA_SLOTS + 1;
	uint64_t got;

	pthread_mutex_lock(&epc->lock);
	while (encl->reserved < pages + va && can_reserve(epc, encl)) {
		epc->reserved++;
		encl->reserved++;
	}
	got = encl->reserved > va ? encl->reserved - va : 0;
	pthread_mutex_unlock(&epc->lock);
	sgx_reclaim_wake(encl->sgx);
	return got < pages ? (uint32_t)got : pages;
}

/**
 * sgx_encl_unreserve() - what is set aside for an enclave is everybody's again
 */
void sgx_encl_unreserve(struct sgx_encl *encl)
{
	struct sgx_epc *epc = &encl->sgx->epc;

	pthread_mutex_lock(&epc->lock);
	epc->reserved -= encl->reserved;
	encl->reserved = 0;
	pthread_mutex_unlock(&epc->lock);
}
