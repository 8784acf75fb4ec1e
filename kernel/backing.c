/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages between the EPC and their backing: EWB with the tracking that it wants,
 * and ELDU on demand.  A child is never loaded before its SECS, and a SECS leaves
 * when its last child has.
 */
#include <errno.h>

#include "encl.h"
#include "encls.h"

/* As upstream, which is index = size / 4096 as well. */
static uint64_t secs_index(const struct sgx_encl *encl)
{
	return encl->size >> SGX_PAGE_SHIFT;
}

static epc_slot_t va_page(const struct sgx_encl *encl, uint32_t va)
{
	return encl->va_pages[va / SGX_VA_SLOTS].epc;
}

static int ewb(struct sgx_encl *encl, epc_slot_t slot, uint32_t va, const struct sgx_backing *b)
{
	return __ewb(encl->sgx->pkg, slot, va_page(encl, va), va % SGX_VA_SLOTS, b->page, b->pcmd);
}

/*
 * EWB; where threads may have translations, ETRACK and EWB; where they have not
 * left since, a kick and EWB.  One that is just entering may show its old epoch
 * once more: then again.
 */
static int ewb_tracked(struct sgx_encl *encl, epc_slot_t slot, uint32_t va,
		       const struct sgx_backing *b)
{
	const struct sgx_subsystem *sgx = encl->sgx;
	int ret = ewb(encl, slot, va, b);

	if (ret != SGX_ERR_NOT_TRACKED)
		return ret;
	if (__etrack(sgx->pkg, encl->secs) == SGX_ERR_PREV_TRK_INCMPL) {
		/* threads that were there at the ETRACK before */
		sgx->ops->encl_kick(encl);
		ret = __etrack(sgx->pkg, encl->secs);
		if (ret)
			return ret;
	}
	ret = ewb(encl, slot, va, b);
	for (int i = 0; ret == SGX_ERR_NOT_TRACKED && i < 1000; i++) {
		sgx->ops->encl_kick(encl);
		ret = ewb(encl, slot, va, b);
	}
	return ret;
}

/**
 * sgx_encl_ewb() - write a blocked page out
 * @page: a resident child
 * @b: its backing, which stays the caller's to put
 *
 * The EPC page is free afterwards, also where EWB failed, as upstream: there is no
 * way back to the page, and its enclave finds out by SIGBUS.
 * Context: encl->lock held.
 */
void sgx_encl_ewb(struct sgx_encl *encl, struct sgx_encl_page *page, const struct sgx_backing *b)
{
	uint32_t va = sgx_alloc_va_slot(encl);
	epc_slot_t slot = page->epc;
	int ret = ewb_tracked(encl, slot, va, b);

	page->flags = SGX_ENCL_PAGE_EVICTED;
	page->va = va;
	encl->secs_child_cnt--;
	__atomic_store_n(&encl->evicted_cnt, encl->evicted_cnt + 1, __ATOMIC_RELAXED);
	if (!ret) {
		sgx_free_epc_page(encl->sgx, slot);
		return;
	}
	if (!encl->lost)
		encl->sgx->ops->log(encl->sgx->host_ctx,
				    "sgx: EWB failed, a page is lost to its enclave");
	/* No version of this boot is in the slot: what is loaded has a wrong MAC. */
	*b->pcmd = (struct sgx_pcmd){0};
	sgx_encl_free_epc_page(encl->sgx, slot);
}

/**
 * sgx_encl_ewb_secs() - write the SECS out, where no child is left in the EPC
 *
 * Before INIT it stays: ADD_PAGES wants it at once.
 * Context: encl->lock held.
 */
void sgx_encl_ewb_secs(struct sgx_encl *encl)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	struct sgx_backing b;
	uint32_t va;

	if (encl->secs_child_cnt || !(sgx_encl_flags(encl) & SGX_ENCL_INITIALIZED))
		return;
	if (ops->backing_get(encl, secs_index(encl), false, &b.page, &b.pcmd))
		return;
	va = sgx_alloc_va_slot(encl);
	if (ewb(encl, encl->secs, va, &b)) {
		sgx_free_va_slot(encl, va);
		ops->backing_put(encl, secs_index(encl), false);
		return;
	}
	ops->backing_put(encl, secs_index(encl), true);
	sgx_free_epc_page(encl->sgx, encl->secs);
	encl->secs = EPC_SLOT_NONE;
	encl->secs_va = va;
}

static int eldu(struct sgx_encl *encl, epc_slot_t slot, epc_slot_t secs, uint64_t index,
		uint64_t linaddr, uint32_t va)
{
	const struct sgx_subsystem *sgx = encl->sgx;
	struct sgx_backing b;
	int ret = sgx->ops->backing_get(encl, index, false, &b.page, &b.pcmd);

	if (ret)
		return ret;
	ret = encls_errno(__eldu(sgx->pkg, slot, secs, linaddr, va_page(encl, va),
				 va % SGX_VA_SLOTS, b.page, b.pcmd),
			  -EIO);
	/* What could not be loaded is kept: nothing is lost by looking again. */
	sgx->ops->backing_put(encl, index, ret != 0);
	if (!ret)
		sgx_free_va_slot(encl, va);
	return ret;
}

static int load_secs(struct sgx_encl *encl, epc_slot_t slot)
{
	int ret = eldu(encl, slot, EPC_SLOT_NONE, secs_index(encl), 0, encl->secs_va);

	if (ret)
		return ret;
	encl->secs = slot;
	encl->secs_va = SGX_VA_NONE;
	return 0;
}

static int load_child(struct sgx_encl *encl, struct sgx_encl_page *page, uint64_t addr,
		      epc_slot_t slot)
{
	struct sgx_subsystem *sgx = encl->sgx;
	uint64_t offset = addr - encl->base;
	int ret = eldu(encl, slot, encl->secs, offset >> SGX_PAGE_SHIFT, addr, page->va);

	if (ret)
		return ret;
	page->flags = 0;
	page->epc = slot;
	encl->secs_child_cnt++;
	__atomic_store_n(&encl->evicted_cnt, encl->evicted_cnt - 1, __ATOMIC_RELAXED);
	if (page->type == SGX_PT_TCS)
		sgx->ops->tcs_publish(encl, offset,
				      (const void *)sgx->pkg->mem->bytes(sgx->pkg->mem_ctx, slot));
	encl->eldu++;
	sgx_count_eldu(sgx);
	sgx_mark_page_reclaimable(sgx, slot);
	return 0;
}

/* Pages for the SECS, if it is out, and for a child of @type; 0 (PT_SECS): no child. */
static int alloc_pages(struct sgx_encl *encl, bool secs_out, enum sgx_pt type, epc_slot_t *secs,
		       epc_slot_t *child)
{
	struct sgx_subsystem *sgx = encl->sgx;

	*secs = EPC_SLOT_NONE;
	*child = EPC_SLOT_NONE;
	if (secs_out) {
		*secs = sgx_alloc_epc_page(sgx, encl, SGX_PT_SECS, SGX_ALLOC_SWAP);
		if (*secs == EPC_SLOT_NONE)
			return -ENOMEM;
	}
	if (type == SGX_PT_SECS)
		return 0;
	*child = sgx_alloc_epc_page(sgx, encl, type, SGX_ALLOC_SWAP);
	return *child == EPC_SLOT_NONE ? -ENOMEM : 0;
}

static void free_if_any(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	if (slot != EPC_SLOT_NONE)
		sgx_free_epc_page(sgx, slot);
}

/*
 * Load what is out: the SECS, then the child at @addr if @want_child.  encl->lock
 * is let go while others are evicted, and the world looked at anew.
 */
static int load(struct sgx_encl *encl, bool want_child, uint64_t addr, struct sgx_encl_page **out)
{
	struct sgx_subsystem *sgx = encl->sgx;
	epc_slot_t secs = EPC_SLOT_NONE, child = EPC_SLOT_NONE;
	struct sgx_encl_page *page = NULL;
	int ret;

	for (;;) {
		bool secs_out = encl->secs == EPC_SLOT_NONE, child_out = false;

		if (want_child) {
			page = sgx_encl_find_page(encl, addr);
			ret = -ENOENT;
			if (!page)
				break;
			child_out = page->flags & SGX_ENCL_PAGE_EVICTED;
			if (page->flags & SGX_ENCL_PAGE_RECLAIMED) {
				pthread_mutex_unlock(&encl->lock);
				sgx_reclaim_wait(sgx);
				pthread_mutex_lock(&encl->lock);
				continue;
			}
		}
		ret = 0;
		if (!child_out && !(secs_out && !want_child))
			break;
		if ((!secs_out || secs != EPC_SLOT_NONE) &&
		    (!child_out || child != EPC_SLOT_NONE)) {
			if (secs_out)
				ret = load_secs(encl, secs);
			if (secs_out && !ret)
				secs = EPC_SLOT_NONE;
			if (!ret && child_out)
				ret = load_child(encl, page, addr, child);
			if (!ret)
				child = EPC_SLOT_NONE;
			break;
		}
		pthread_mutex_unlock(&encl->lock);
		free_if_any(sgx, secs);
		free_if_any(sgx, child);
		ret = alloc_pages(encl, secs_out, child_out ? page->type : SGX_PT_SECS, &secs,
				  &child);
		pthread_mutex_lock(&encl->lock);
		if (ret)
			break;
	}
	free_if_any(sgx, secs);
	free_if_any(sgx, child);
	if (out)
		*out = page;
	return ret;
}

/**
 * sgx_encl_load_page() - make a page resident
 * @addr: page-aligned
 * @page: its entry
 *
 * Context: encl->lock held; it may have been let go meanwhile.
 * Return: 0; -ENOENT where there is no such page; -ENOMEM where the EPC is full of
 * pages that cannot go; -EIO where the page is not what was evicted.
 */
int sgx_encl_load_page(struct sgx_encl *encl, uint64_t addr, struct sgx_encl_page **page)
{
	return load(encl, true, addr, page);
}

/**
 * sgx_encl_load_secs() - make the SECS of a created enclave resident
 *
 * Context, return: as sgx_encl_load_page(), but no -ENOENT.
 */
int sgx_encl_load_secs(struct sgx_encl *encl)
{
	return load(encl, false, 0, NULL);
}
