/* SPDX-License-Identifier: BSD-3-Clause */
#include "encl.h"

#include <errno.h>
#include <stdlib.h>

#include "encls.h"

/**
 * sgx_open() - a new enclave object
 * @host_encl: the host's, see sgx_encl_host()
 * @interfaces: SGX_INTERFACE_*: the generations that its descriptor speaks
 *
 * Return: NULL without memory.
 */
struct sgx_encl *sgx_open(struct sgx_subsystem *sgx, void *host_encl, uint32_t interfaces)
{
	struct sgx_encl *encl = calloc(1, sizeof(*encl));

	if (!encl)
		return NULL;
	encl->sgx = sgx;
	encl->host = host_encl;
	encl->interfaces = interfaces;
	encl->consumer.ops = &sgx_encl_consumer_ops;
	encl->secs = EPC_SLOT_NONE;
	encl->secs_va = SGX_VA_NONE;
	pthread_mutex_init(&encl->lock, NULL);

	pthread_mutex_lock(&sgx->encl_lock);
	encl->next = sgx->encl_list;
	encl->pprev = &sgx->encl_list;
	if (encl->next)
		encl->next->pprev = &encl->next;
	sgx->encl_list = encl;
	sgx->encl_count++;
	pthread_mutex_unlock(&sgx->encl_lock);
	return encl;
}

/* Children first: EREMOVE refuses a SECS that has any. */
static void free_epc_pages(struct sgx_encl *encl)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	uint64_t index = 0, last = (encl->size >> SGX_PAGE_SHIFT) - 1;
	struct sgx_encl_page *page;

	for (; (page = page_array_find(&encl->page_array, &index, last)); index++) {
		if (page->flags & SGX_ENCL_PAGE_EVICTED)
			continue; /* the backing goes with the host's side */
		if (page->type == SGX_PT_TCS)
			ops->tcs_publish(encl, index << SGX_PAGE_SHIFT, NULL);
		sgx_unmark_page_reclaimable(encl->sgx, page->epc);
		sgx_encl_free_epc_page(encl->sgx, page->epc);
	}
	page_array_destroy(&encl->page_array);
	if (encl->secs != EPC_SLOT_NONE)
		sgx_encl_free_epc_page(encl->sgx, encl->secs);
	sgx_encl_free_va_pages(encl);
	encl->secs = EPC_SLOT_NONE;
}

/**
 * sgx_release() - the last reference is gone: give everything back
 *
 * Ends with the host's encl_free().
 * Context: nobody else knows the enclave any more.
 */
void sgx_release(struct sgx_encl *encl)
{
	struct sgx_subsystem *sgx = encl->sgx;

	pthread_mutex_lock(&sgx->encl_lock);
	*encl->pprev = encl->next;
	if (encl->next)
		encl->next->pprev = encl->pprev;
	sgx->encl_count--;
	pthread_mutex_unlock(&sgx->encl_lock);

	/*
	 * The reclaimer may have pages of it in a batch; after that nobody knows it
	 * by them.  Its own lock is for the host, which finds the same context in
	 * tcs_publish() and drop() as at all other times.
	 */
	pthread_mutex_lock(&sgx->reclaimer.lock);
	pthread_mutex_lock(&encl->lock);
	if (sgx_encl_flags(encl) & SGX_ENCL_CREATED)
		free_epc_pages(encl);
	pthread_mutex_unlock(&encl->lock);
	pthread_mutex_unlock(&sgx->reclaimer.lock);
	free(encl->va_pages);
	sgx_encl_unreserve(encl);
	sgx->ops->encl_free(encl);
	pthread_mutex_destroy(&encl->lock);
	free(encl);
}

void *sgx_encl_host(const struct sgx_encl *encl)
{
	return encl->host;
}

/**
 * sgx_encl_lose_page() - the content of a child that is resident is gone
 * @offset: of the page in the ELRANGE
 *
 * Context: sgx_reclaimer.lock and encl->lock held.
 */
void sgx_encl_lose_page(struct sgx_encl *encl, const struct sgx_encl_page *page, uint64_t offset)
{
	/* Nobody enters by it any more, also not when who is inside has left. */
	if (page->type == SGX_PT_TCS)
		encl->sgx->ops->tcs_publish(encl, offset, NULL);
	cpu_epc_lose(encl->sgx->pkg, page->epc);
}

/**
 * sgx_encl_lose() - the EPC pages of an enclave are invalid from now on
 *
 * Every access is then refused by the EPCM; accounts stay as they are until the
 * enclave is released.
 * Context: sgx_reclaimer.lock and encl->lock held.
 */
void sgx_encl_lose(struct sgx_encl *encl)
{
	struct cpu_package *pkg = encl->sgx->pkg;
	uint64_t index = 0, last = (encl->size >> SGX_PAGE_SHIFT) - 1;
	struct sgx_encl_page *page;

	if (!encl->size)
		return;
	encl->lost = true;
	for (; (page = page_array_find(&encl->page_array, &index, last)); index++)
		if (!(page->flags & SGX_ENCL_PAGE_EVICTED))
			sgx_encl_lose_page(encl, page, index << SGX_PAGE_SHIFT);
	for (uint32_t i = 0; i < encl->va_count; i++)
		cpu_epc_lose(pkg, encl->va_pages[i].epc);
	if (encl->secs != EPC_SLOT_NONE)
		cpu_epc_lose(pkg, encl->secs);
}

/**
 * sgx_suspend() - the machine slept: the EPC is gone, and with it every enclave
 * @random: 32 bytes, for the new keys
 *
 * Programs see it at their next access, and build their enclaves anew.
 * Return: 0, or -ENOMEM and nothing happened.
 */
int sgx_suspend(struct sgx_subsystem *sgx, const uint8_t *random)
{
	struct sgx_encl **encls;
	uint64_t count = 0;

	/* Under it no enclave goes: sgx_release() may take one off the list only. */
	pthread_mutex_lock(&sgx->reclaimer.lock);
	pthread_mutex_lock(&sgx->encl_lock);
	encls = malloc((sgx->encl_count + 1) * sizeof(*encls));
	for (struct sgx_encl *encl = sgx->encl_list; encls && encl; encl = encl->next)
		encls[count++] = encl;
	pthread_mutex_unlock(&sgx->encl_lock);
	if (encls)
		cpu_power_loss(sgx->pkg, random);
	for (uint64_t i = 0; i < count; i++) {
		pthread_mutex_lock(&encls[i]->lock);
		sgx_encl_lose(encls[i]);
		pthread_mutex_unlock(&encls[i]->lock);
	}
	pthread_mutex_unlock(&sgx->reclaimer.lock);
	free(encls);
	return encls ? 0 : -ENOMEM;
}

/**
 * sgx_encl_find_page() - the entry of a linear address
 * @addr: page-aligned
 *
 * Context: encl->lock held.
 * Return: NULL outside ELRANGE and for absent pages.
 */
struct sgx_encl_page *sgx_encl_find_page(struct sgx_encl *encl, uint64_t addr)
{
	/* Also where base + size is the end of the address space, 0. */
	if (addr - encl->base >= encl->size)
		return NULL;
	return page_array_load(&encl->page_array, (addr - encl->base) >> SGX_PAGE_SHIFT);
}

/*
 * The patch series: a page that is not there has no permissions, so that before it is
 * added its place can be reserved with PROT_NONE alone.  Context: encl->lock held.
 */
static int v22_may_map(struct sgx_encl *encl, uint64_t start, uint64_t end, unsigned int prot,
		       struct why *why)
{
	const struct sgx_encl_page *page;

	for (uint64_t addr = start; prot && addr != end; addr += SGX_PAGE_SIZE) {
		page = sgx_encl_find_page(encl, addr);
		if (page && !(prot & ~page->max_prot))
			continue;
		if (why)
			why->at = addr;
		if (!page)
			return why_ret(why, -EACCES, WHY_MAP_ABSENT, prot, 0);
		return why_ret(why, -EACCES, WHY_MAP_PROT, prot, page->max_prot);
	}
	return 0;
}

/**
 * sgx_may_map() - mmap and mprotect on an enclave's range
 * @start, @end: page-aligned, not empty
 *
 * Each page that exists caps what a mapping over it may allow.  Absent pages do
 * not, and only an initialised enclave insists on its ELRANGE.
 * Of two rules that refuse, @why has READ_IMPLIES_EXEC.
 * Return: 0, or -EACCES.
 */
int sgx_may_map(struct sgx_encl *encl, uint64_t start, uint64_t end, unsigned int prot,
		bool read_implies_exec, struct why *why)
{
	struct sgx_encl_page *page;
	uint64_t index, last;
	int ret = 0;

	prot &= SGX_SECINFO_RWX_BITS; /* PROT_READ, _WRITE and _EXEC are these bits */
	pthread_mutex_lock(&encl->lock);
	if (encl->interfaces == SGX_INTERFACE_V22) {
		/* Linux has made it executable by then */
		if (read_implies_exec && (prot & SGX_SECINFO_R_BIT))
			prot |= SGX_SECINFO_X_BIT;
		ret = v22_may_map(encl, start, end, prot, why);
		goto out;
	}
	if ((sgx_encl_flags(encl) & SGX_ENCL_INITIALIZED) &&
	    (start < encl->base || end - 1 > encl->base + (encl->size - 1)))
		ret = why_ret(why, -EACCES, WHY_MAP_RANGE, start < encl->base ? start : end - 1,
			      encl->base);
	/* Such a process gets PROT_EXEC added behind its back. */
	if (read_implies_exec)
		ret = why_ret(why, -EACCES, WHY_MAP_RIE, 0, 0);
	if (ret || !encl->size)
		goto out;

	/* The part of the range that is in ELRANGE, if any. */
	if (start < encl->base)
		start = encl->base;
	if (end - 1 > encl->base + (encl->size - 1))
		end = encl->base + encl->size;
	if (start - encl->base >= encl->size || end - 1 < start)
		goto out;
	index = (start - encl->base) >> SGX_PAGE_SHIFT;
	last = (end - 1 - encl->base) >> SGX_PAGE_SHIFT;
	for (; (page = page_array_find(&encl->page_array, &index, last)); index++) {
		if (prot & ~page->max_prot) {
			if (why)
				why->at = encl->base + (index << SGX_PAGE_SHIFT);
			ret = why_ret(why, -EACCES, WHY_MAP_PROT, prot, page->max_prot);
			break;
		}
	}
out:
	pthread_mutex_unlock(&encl->lock);
	return ret;
}

/* SECS, VA pages and children that are in the EPC.  Context: encl->lock held. */
static uint64_t sgx_encl_epc_pages(const struct sgx_encl *encl)
{
	return encl->secs_child_cnt + encl->va_count + (encl->secs != EPC_SLOT_NONE);
}

/**
 * sgx_encl_info() - what swsgx stat shows of an enclave
 */
void sgx_encl_info(struct sgx_encl *encl, struct sgx_encl_info *info)
{
	const struct cpu_secs_info *secs = &encl->secs_info;
	uint32_t flags;

	*info = (struct sgx_encl_info){0};
	pthread_mutex_lock(&encl->lock);
	flags = sgx_encl_flags(encl);
	info->base = encl->base;
	info->size = encl->size;
	info->created = flags & SGX_ENCL_CREATED;
	info->initialized = flags & SGX_ENCL_INITIALIZED;
	if (encl->size) {
		info->eid = secs->eid;
		info->attributes = secs->secs.attributes.flags;
		info->xfrm = secs->secs.attributes.xfrm;
		info->ssaframesize = secs->secs.ssaframesize;
		info->miscselect = secs->secs.miscselect;
		info->va_pages = encl->va_count;
		info->evicted = encl->evicted_cnt;
		info->ewb = encl->ewb;
		info->eldu = encl->eldu;
		pthread_mutex_lock(&encl->sgx->epc.lock);
		info->parked = encl->consumer.parked_cnt;
		info->soft_faults = encl->consumer.soft_faults;
		pthread_mutex_unlock(&encl->sgx->epc.lock);
		info->epc_pages = sgx_encl_epc_pages(encl);
		info->mapped = encl->secs_child_cnt - info->parked;
		info->lost = encl->lost;
		if (info->initialized) {
			__builtin_memcpy(info->mrenclave, secs->secs.mrenclave, SGX_HASH_SIZE);
			__builtin_memcpy(info->mrsigner, secs->secs.mrsigner, SGX_HASH_SIZE);
		}
	}
	pthread_mutex_unlock(&encl->lock);
}

/* One entry of an enclave against the EPC, the EPCM and the page's owner. */
static bool check_page(struct sgx_encl *encl, uint64_t index, const struct sgx_encl_page *page,
		       const char **why)
{
	const struct sgx_epc_page *epc;
	const struct epcm_entry *entry;

	if (page->flags & SGX_ENCL_PAGE_EVICTED) {
		*why = "evicted page has no version";
		return page->flags == SGX_ENCL_PAGE_EVICTED && sgx_va_used(encl, page->va);
	}
	*why = "page of an enclave is left to the reclaimer";
	if (page->flags)
		return false;
	epc = sgx_epc_page(&encl->sgx->epc, page->epc);
	*why = "entry of an enclave names no EPC page of its own";
	if (!epc || epc->state != SGX_EPC_USED || epc->owner != &encl->consumer ||
	    epc->type != page->type || epc->list == SGX_EPC_BATCH)
		return false;
	if (encl->lost || epc->poison)
		return true;
	entry = &encl->sgx->pkg->epcm[page->epc];
	*why = "EPCM and page array disagree on a page";
	if (!entry->valid || entry->pt != page->type || entry->secs != encl->secs ||
	    entry->address != encl->base + (index << SGX_PAGE_SHIFT))
		return false;
	*why = "EPCM allows what the maximum protection of a page does not";
	return !(entry->rwx & ~page->max_prot);
}

/* The SECS of a created enclave, where it is resident. */
static bool check_secs(struct sgx_encl *encl, const char **why)
{
	const struct sgx_epc_page *epc = sgx_epc_page(&encl->sgx->epc, encl->secs);
	struct cpu_secs_info secs;

	*why = "created enclave has no SECS of its own";
	if (!epc || epc->state != SGX_EPC_USED || epc->type != SGX_PT_SECS ||
	    epc->owner != &encl->consumer || encl->secs_va != SGX_VA_NONE)
		return false;
	if (encl->lost)
		return true;
	cpu_secs_info(encl->sgx->pkg, encl->secs, &secs);
	*why = "SECS counts more children than its enclave has";
	if (encl->secs_child_cnt < secs.children)
		return false;
	*why = "enclave and SECS disagree on ELRANGE or state";
	return encl->base == secs.secs.base && encl->size == secs.secs.size &&
	       secs.eid == encl->secs_info.eid &&
	       !(encl->flags & SGX_ENCL_INITIALIZED) ==
		       !(secs.secs.attributes.flags & SGX_ATTR_INIT_BIT);
}

static bool check_encl(struct sgx_encl *encl, const char **why)
{
	uint64_t index = 0, resident = 0, evicted = 0, last;
	struct sgx_encl_page *page;

	if (!(encl->flags & SGX_ENCL_CREATED)) {
		*why = "enclave without CREATED has pages or an ELRANGE";
		return !(encl->flags & SGX_ENCL_INITIALIZED) && encl->secs == EPC_SLOT_NONE &&
		       !encl->page_cnt && !encl->secs_child_cnt && !encl->page_array.root &&
		       !encl->base && !encl->size && !encl->va_count;
	}
	*why = "SECS is out before its children, or before INIT";
	if (encl->secs == EPC_SLOT_NONE) {
		if (encl->secs_child_cnt || !(encl->flags & SGX_ENCL_INITIALIZED) ||
		    !sgx_va_used(encl, encl->secs_va))
			return false;
	} else if (!check_secs(encl, why)) {
		return false;
	}
	*why = "page array is not in order";
	if (!page_array_check(&encl->page_array))
		return false;
	last = (encl->size >> SGX_PAGE_SHIFT) - 1;
	for (; (page = page_array_find(&encl->page_array, &index, last)); index++) {
		if (!check_page(encl, index, page, why))
			return false;
		if (page->flags & SGX_ENCL_PAGE_EVICTED)
			evicted++;
		else
			resident++;
	}
	*why = "page counts of an enclave and its page array differ";
	if (resident != encl->secs_child_cnt || evicted != encl->evicted_cnt ||
	    encl->page_cnt != resident + evicted + 1)
		return false;
	return sgx_va_check(encl, why);
}

/**
 * sgx_check_invariants() - DRIVER.md's invariants over all enclaves
 * @why: a static string where one is broken
 *
 * Context: nothing else runs.
 */
bool sgx_check_invariants(struct sgx_subsystem *sgx, const char **why)
{
	uint64_t encls = 0, pages = 0, reserved = 0;

	if (!sgx_epc_check(sgx, why))
		return false;
	for (struct sgx_encl *encl = sgx->encl_list; encl; encl = encl->next) {
		encls++;
		reserved += encl->reserved;
		pages += sgx_encl_epc_pages(encl);
		if (!check_encl(encl, why))
			return false;
	}
	*why = "sums over enclaves do not agree with the EPC's accounts";
	if (encls != sgx->encl_count ||
	    pages != sgx->epc.total - sgx->epc.free - sgx->epc.leaked - sgx->epc.poisoned)
		return false;
	*why = "EPC pages are set aside for nobody";
	if (reserved != sgx->epc.reserved)
		return false;
	*why = NULL;
	return true;
}
