/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The enclaves' side of the reclaimer: how children of an enclave go.
 *
 * Context for all of it: sgx_reclaimer.lock held, so that the enclave stays.
 */
#include <errno.h>

#include "encl.h"
#include "encls.h"

static void swap(struct sgx_park *a, struct sgx_park *b)
{
	struct sgx_park page = *a;

	*a = *b;
	*b = page;
}

/* Those that have been used since they were taken stay; one that was lost is in nobody's sight. */
static void age(struct sgx_consumer *consumer, struct sgx_park *pages, unsigned int count)
{
	struct sgx_encl *encl = sgx_encl_of(consumer);
	struct sgx_subsystem *sgx = encl->sgx;
	unsigned int asked = 0;

	pthread_mutex_lock(&encl->lock);
	for (unsigned int i = 0; i < count; i++) {
		if (sgx_page_skips(sgx, pages[i].slot))
			continue;
		pages[i].addr = epcm_address(sgx->pkg, pages[i].slot);
		pages[i].parked = !epcm_valid(sgx->pkg, pages[i].slot);
		if (!pages[i].parked)
			swap(&pages[asked++], &pages[i]);
	}
	if (asked)
		sgx->ops->page_park(encl, pages, asked);
	sgx_pages_aged(sgx, pages, count);
	pthread_mutex_unlock(&encl->lock);
}

static bool retire_tcs(struct sgx_encl *encl, uint64_t offset, epc_slot_t slot)
{
	const struct cpu_package *pkg = encl->sgx->pkg;
	struct sgx_tcs lost;

	/* What is in a lost one is nobody's concern. */
	return encl->sgx->ops->tcs_retire(
		encl, offset,
		epcm_valid(pkg, slot) ? (void *)pkg->mem->bytes(pkg->mem_ctx, slot) : &lost);
}

/* Backing first, for EBLOCK cannot be taken back.  Context: encl->lock held. */
static int block_locked(struct sgx_encl *encl, struct sgx_victim *v)
{
	struct sgx_encl_page *page = sgx_encl_find_page(encl, v->addr);
	uint64_t offset = v->addr - encl->base;
	struct sgx_subsystem *sgx = encl->sgx;
	const struct sgx_host_ops *ops = sgx->ops;

	if (sgx_page_skips(sgx, v->slot) || sgx_epc_poisoned(&sgx->epc, v->slot))
		return -EAGAIN;
	if (ops->backing_get(encl, offset >> SGX_PAGE_SHIFT, sgx->reclaimer.swap, &v->backing.page,
			     &v->backing.pcmd))
		return -ENOMEM;
	if (page->type == SGX_PT_TCS && !retire_tcs(encl, offset, v->slot)) {
		ops->backing_put(encl, offset >> SGX_PAGE_SHIFT, false);
		return -EAGAIN;
	}
	/* Lost, or blocked already: EWB says what is to be said. */
	(void)!__eblock(sgx->pkg, v->slot);
	page->flags |= SGX_ENCL_PAGE_RECLAIMED;
	return 0;
}

static int block(struct sgx_consumer *consumer, struct sgx_victim *v)
{
	struct sgx_encl *encl = sgx_encl_of(consumer);
	int ret;

	v->addr = epcm_address(encl->sgx->pkg, v->slot);
	pthread_mutex_lock(&encl->lock);
	ret = block_locked(encl, v);
	if (ret)
		sgx_mark_page_reclaimable(encl->sgx, v->slot);
	pthread_mutex_unlock(&encl->lock);
	return ret;
}

static void write_back(struct sgx_consumer *consumer, struct sgx_victim *v)
{
	struct sgx_encl *encl = sgx_encl_of(consumer);
	struct sgx_subsystem *sgx = encl->sgx;

	pthread_mutex_lock(&encl->lock);
	sgx_unmark_page_reclaimable(sgx, v->slot);
	sgx_encl_ewb(encl, sgx_encl_find_page(encl, v->addr), &v->backing);
	sgx->ops->backing_put(encl, (v->addr - encl->base) >> SGX_PAGE_SHIFT, true);
	encl->ewb++;
	sgx_count_ewb(sgx);
	sgx_encl_ewb_secs(encl);
	pthread_mutex_unlock(&encl->lock);
}

const struct sgx_consumer_ops sgx_encl_consumer_ops = {
	.age = age,
	.block = block,
	.write_back = write_back,
};
