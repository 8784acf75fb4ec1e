/* SPDX-License-Identifier: BSD-3-Clause */
#include "epc.h"

#include <errno.h>
#include <kernel/sgx.h>
#include <stdlib.h>
#include <string.h>

#include "encl.h"
#include "encls.h"
#include "reclaim.h"

static struct sgx_epc_section *section_of(struct sgx_epc *epc, epc_slot_t slot)
{
	for (uint32_t i = 0; i < epc->section_count; i++)
		if (slot - epc->section[i].first < epc->section[i].count)
			return &epc->section[i];
	return NULL;
}

/**
 * sgx_epc_page() - what is kept of an EPC page
 *
 * Return: NULL where @slot is in no section.
 */
struct sgx_epc_page *sgx_epc_page(struct sgx_epc *epc, epc_slot_t slot)
{
	struct sgx_epc_section *section = section_of(epc, slot);

	return section ? &section->pages[slot - section->first] : NULL;
}

/**
 * sgx_epc_init() - set up the sections that the package has
 *
 * Return: 0, or -ENOMEM.
 */
int sgx_epc_init(struct sgx_subsystem *sgx)
{
	struct sgx_epc *epc = &sgx->epc;

	pthread_mutex_init(&epc->lock, NULL);
	for (uint32_t i = 0; i < sgx->pkg->section_count; i++) {
		struct sgx_epc_section *section = &epc->section[i];

		section->first = sgx->pkg->section[i].first;
		section->count = sgx->pkg->section[i].pages;
		/* Zero pages of the system until they are used, however many. */
		section->pages = calloc(section->count, sizeof(*section->pages));
		if (!section->pages && section->count) {
			sgx_epc_exit(sgx);
			return -ENOMEM;
		}
		epc->section_count++;
		epc->total += section->count;
	}
	epc->free = epc->total;
	/* Upstream's numbers; less where they would be a large part of it. */
	epc->low = epc->total < 2048 ? epc->total / 64 : 32;
	epc->high = epc->total < 2048 ? epc->total / 32 + 1 : 64;
	return 0;
}

/**
 * sgx_epc_exit() - free what sgx_epc_init() made
 */
void sgx_epc_exit(struct sgx_subsystem *sgx)
{
	struct sgx_epc *epc = &sgx->epc;

	for (uint32_t i = 0; i < epc->section_count; i++)
		free(epc->section[i].pages);
	pthread_mutex_destroy(&epc->lock);
}

static char *put_text(char *to, const char *text)
{
	size_t size = strlen(text);

	memcpy(to, text, size + 1);
	return to + size;
}

static char *put_hex(char *to, uint32_t value)
{
	int shift = 28;

	to = put_text(to, "0x");
	while (shift && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[value >> shift & 15];
	*to = 0;
	return to;
}

/* Upstream warns as well, and never uses the page again. */
static void leak(struct sgx_subsystem *sgx, struct sgx_epc_page *page, epc_slot_t slot, int ret)
{
	char line[96], *to = line;

	page->state = SGX_EPC_LEAKED;
	page->owner = NULL;
	sgx->epc.leaked++;
	to = put_text(to, "sgx: EREMOVE of EPC page ");
	to = put_hex(to, slot);
	to = put_text(to, " answered ");
	to = put_hex(to, (uint32_t)ret);
	put_text(to, ", page leaked");
	sgx->ops->log(sgx->host_ctx, line);
}

static epc_slot_t pop(struct sgx_epc_section *section, uint32_t *list)
{
	uint32_t index = *list - 1;

	*list = section->pages[index].next;
	section->pages[index].next = 0;
	return section->first + index;
}

static void push(struct sgx_epc_section *section, uint32_t *list, epc_slot_t slot)
{
	uint32_t index = slot - section->first;

	section->pages[index].next = *list;
	*list = index + 1;
}

/* A page that is known to be free: recently used ones first, their memory is there. */
static epc_slot_t take_free(struct sgx_subsystem *sgx, struct sgx_epc_section *section)
{
	if (section->free_list)
		return pop(section, &section->free_list);
	while (section->fresh < section->count) {
		epc_slot_t slot = section->first + section->fresh++;

		if (!__eremove(sgx->pkg, slot))
			return slot;
		push(section, &section->dirty_list, slot);
	}
	return EPC_SLOT_NONE;
}

static epc_slot_t take_dirty(struct sgx_subsystem *sgx, struct sgx_epc_section *section)
{
	while (section->dirty_list) {
		epc_slot_t slot = pop(section, &section->dirty_list);
		int ret = __eremove(sgx->pkg, slot);

		if (!ret)
			return slot;
		sgx->epc.free--;
		leak(sgx, &section->pages[slot - section->first], slot, ret);
	}
	return EPC_SLOT_NONE;
}

/* Context: sgx_epc.lock not held. */
static epc_slot_t alloc_free(struct sgx_subsystem *sgx, struct sgx_encl *owner, enum sgx_pt type,
			     enum sgx_alloc how)
{
	struct sgx_epc *epc = &sgx->epc;
	epc_slot_t slot = EPC_SLOT_NONE;
	bool reserved;

	pthread_mutex_lock(&epc->lock);
	reserved = how == SGX_ALLOC_NEW && owner->reserved;
	if (reserved) {
		owner->reserved--;
		epc->reserved--;
	} else if (!sgx_epc_available(epc)) {
		pthread_mutex_unlock(&epc->lock);
		return EPC_SLOT_NONE;
	}
	for (uint32_t i = 0; i < epc->section_count && slot == EPC_SLOT_NONE; i++)
		slot = take_free(sgx, &epc->section[i]);
	for (uint32_t i = 0; i < epc->section_count && slot == EPC_SLOT_NONE; i++)
		slot = take_dirty(sgx, &epc->section[i]);
	if (slot != EPC_SLOT_NONE) {
		struct sgx_epc_page *page = sgx_epc_page(epc, slot);

		*page = (struct sgx_epc_page){
			.owner = &owner->consumer, .state = SGX_EPC_USED, .type = (uint8_t)type};
		epc->used[type]++;
		epc->free--;
	}
	pthread_mutex_unlock(&epc->lock);
	return slot;
}

/**
 * sgx_alloc_epc_page() - take a free EPC page
 * @owner:	the enclave it is for
 * @type:	what it will be; accounting alone
 * @how:	which free pages it may take
 *
 * Evicts others where none is free.
 * Context: no encl->lock held.
 * Return: its slot, invalid in the EPCM; EPC_SLOT_NONE where the EPC is full of pages
 * that cannot go.
 */
epc_slot_t sgx_alloc_epc_page(struct sgx_subsystem *sgx, struct sgx_encl *owner, enum sgx_pt type,
			      enum sgx_alloc how)
{
	epc_slot_t slot = alloc_free(sgx, owner, type, how);

	while (slot == EPC_SLOT_NONE && sgx_reclaim_direct(sgx, how == SGX_ALLOC_SWAP))
		slot = alloc_free(sgx, owner, type, how);
	sgx_reclaim_wake(sgx);
	return slot;
}

/**
 * sgx_free_epc_page() - give a page back
 * @slot: used, and invalid in the EPCM already
 */
void sgx_free_epc_page(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	struct sgx_epc *epc = &sgx->epc;
	struct sgx_epc_section *section = section_of(epc, slot);
	struct sgx_epc_page *page = &section->pages[slot - section->first];

	pthread_mutex_lock(&epc->lock);
	epc->used[page->type]--;
	page->owner = NULL;
	if (page->poison) {
		page->state = SGX_EPC_POISONED;
		epc->poisoned++;
	} else {
		page->state = SGX_EPC_FREE;
		epc->free++;
		push(section, &section->free_list, slot);
	}
	pthread_mutex_unlock(&epc->lock);
}

/**
 * sgx_encl_free_epc_page() - EREMOVE a page of an enclave and give it back
 *
 * A page that EREMOVE refuses is still in use as the processor sees it; it is
 * leaked on purpose, with a warning.
 */
void sgx_encl_free_epc_page(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	struct sgx_epc *epc = &sgx->epc;
	int ret = __eremove(sgx->pkg, slot);

	if (!ret) {
		sgx_free_epc_page(sgx, slot);
		return;
	}
	pthread_mutex_lock(&epc->lock);
	epc->used[sgx_epc_page(epc, slot)->type]--;
	leak(sgx, sgx_epc_page(epc, slot), slot, ret);
	pthread_mutex_unlock(&epc->lock);
}

/* Take a page off a list that it is on. */
static bool unlink_free(struct sgx_epc_section *section, uint32_t *list, uint32_t index)
{
	for (uint32_t *link = list; *link; link = &section->pages[*link - 1].next) {
		if (*link != index + 1)
			continue;
		*link = section->pages[index].next;
		section->pages[index].next = 0;
		return true;
	}
	return false;
}

/* A free page; sgx_epc.lock is held. */
static void poison_free(struct sgx_epc *epc, struct sgx_epc_section *section, uint32_t index)
{
	/* Fresh pages have no entries of their own: all up to it become listed ones. */
	while (section->fresh <= index) {
		section->fresh++;
		push(section, &section->dirty_list, section->first + section->fresh - 1);
	}
	if (!unlink_free(section, &section->free_list, index))
		unlink_free(section, &section->dirty_list, index);
	section->pages[index].state = SGX_EPC_POISONED;
	epc->free--;
	epc->poisoned++;
}

/* Context: sgx_reclaimer.lock held: enclaves stay, and pages are in no batch. */
static int poison(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	struct sgx_epc *epc = &sgx->epc;
	struct sgx_epc_section *section = section_of(epc, slot);
	struct sgx_epc_page *page;
	struct sgx_encl *encl = NULL;
	int ret = 0;

	if (!section)
		return -ENXIO;
	page = &section->pages[slot - section->first];
	pthread_mutex_lock(&epc->lock);
	if (page->state == SGX_EPC_POISONED || page->poison) {
		ret = -EALREADY;
	} else if (page->state == SGX_EPC_USED) {
		page->poison = 1;
		encl = sgx_encl_of(page->owner);
	} else if (page->state == SGX_EPC_FREE) {
		poison_free(epc, section, slot - section->first);
	}
	pthread_mutex_unlock(&epc->lock);
	if (encl) {
		uint64_t addr = epcm_address(sgx->pkg, slot);
		const struct sgx_encl_page *child;

		pthread_mutex_lock(&encl->lock);
		/* Without its SECS or a VA page the whole enclave is lost. */
		if (page->type == SGX_PT_SECS || page->type == SGX_PT_VA)
			sgx_encl_lose(encl);
		else if ((child = sgx_encl_find_page(encl, addr)) && child->epc == slot &&
			 !child->flags)
			sgx_encl_lose_page(encl, child, addr - encl->base);
		else /* about to become one */
			cpu_epc_lose(sgx->pkg, slot);
		pthread_mutex_unlock(&encl->lock);
	}
	return ret;
}

/**
 * sgx_epc_poison() - a memory error was found in an EPC page
 *
 * Upstream's arch_memory_failure().  What was in the page is gone; whoever touches
 * it gets SGX_FAULT_MCE.
 * Return: 0; -ENXIO where @slot is no EPC page; -EALREADY.
 */
int sgx_epc_poison(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	int ret;

	pthread_mutex_lock(&sgx->reclaimer.lock);
	ret = poison(sgx, slot);
	pthread_mutex_unlock(&sgx->reclaimer.lock);
	return ret;
}

/**
 * sgx_encl_poison() - sgx_epc_poison() for the page that a child is in now
 * @encl:	stays while this runs
 * @offset:	in the ELRANGE, any byte of the page
 * @slot:	receives the EPC page
 *
 * Return: 0; -ENOENT where the enclave has no such page; -ENODATA where it is
 * evicted, and so in no EPC page; -EALREADY.
 */
int sgx_encl_poison(struct sgx_encl *encl, uint64_t offset, epc_slot_t *slot)
{
	const struct sgx_encl_page *page = NULL;
	struct sgx_subsystem *sgx = encl->sgx;
	int ret = -ENOENT;

	pthread_mutex_lock(&sgx->reclaimer.lock);
	pthread_mutex_lock(&encl->lock);
	if (offset < encl->size)
		page = sgx_encl_find_page(encl, encl->base + (offset & SGX_PAGE_MASK));
	if (page)
		ret = page->flags & SGX_ENCL_PAGE_EVICTED ? -ENODATA : 0;
	if (!ret)
		*slot = page->epc;
	pthread_mutex_unlock(&encl->lock);
	if (!ret)
		ret = poison(sgx, *slot);
	pthread_mutex_unlock(&sgx->reclaimer.lock);
	return ret;
}

/**
 * sgx_epc_poisoned() - does a used page have a memory error?
 */
bool sgx_epc_poisoned(struct sgx_epc *epc, epc_slot_t slot)
{
	bool poison;

	pthread_mutex_lock(&epc->lock);
	poison = sgx_epc_page(epc, slot)->poison;
	pthread_mutex_unlock(&epc->lock);
	return poison;
}

/**
 * sgx_epc_owner() - whose a page is
 *
 * What the host may want in epc_mem_ops.fill(): the enclave that the page was
 * taken for.  Context: within a call of kernel/ into epc_mem_ops for @slot, or
 * where the page cannot go away.
 * Return: NULL for a page that is free or leaked.
 */
struct sgx_encl *sgx_epc_owner(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	struct sgx_epc_page *page = sgx_epc_page(&sgx->epc, slot);

	return page && page->state == SGX_EPC_USED ? sgx_encl_of(page->owner) : NULL;
}

/**
 * sgx_epc_info() - the EPC's accounts
 */
void sgx_epc_info(struct sgx_subsystem *sgx, struct sgx_epc_info *info)
{
	struct sgx_epc *epc = &sgx->epc;

	pthread_mutex_lock(&epc->lock);
	*info = (struct sgx_epc_info){
		.total = epc->total,
		.free = epc->free,
		.reserved = epc->reserved,
		.secs = epc->used[SGX_PT_SECS],
		.va = epc->used[SGX_PT_VA],
		.reg = epc->used[SGX_PT_REG],
		.tcs = epc->used[SGX_PT_TCS],
		.leaked = epc->leaked,
		.poisoned = epc->poisoned,
		.mapped = epc->fifo[SGX_EPC_MAPPED].count,
		.parked = epc->fifo[SGX_EPC_PARKED].count,
		.low = epc->low,
		.high = epc->high,
		.ewb = epc->ewb,
		.eldu = epc->eldu,
		.soft_faults = epc->soft_faults,
		.direct_reclaims = epc->direct_reclaims,
	};
	pthread_mutex_unlock(&epc->lock);
	pthread_mutex_lock(&sgx->encl_lock);
	info->enclaves = sgx->encl_count;
	for (struct sgx_encl *encl = sgx->encl_list; encl; encl = encl->next)
		info->evicted += __atomic_load_n(&encl->evicted_cnt, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&sgx->encl_lock);
}

/* Pages on a list: all free, none of them fresh, no loop. */
static bool list_ok(const struct sgx_epc_section *section, uint32_t list, uint64_t *count)
{
	uint32_t seen = 0;

	for (uint32_t link = list; link; link = section->pages[link - 1].next) {
		if (link > section->fresh || ++seen > section->count ||
		    section->pages[link - 1].state != SGX_EPC_FREE)
			return false;
	}
	*count = seen;
	return true;
}

/**
 * sgx_epc_check() - lists, states and sums of the EPC agree
 *
 * Context: nothing else runs.
 */
bool sgx_epc_check(struct sgx_subsystem *sgx, const char **why)
{
	struct sgx_epc *epc = &sgx->epc;
	uint64_t count[SGX_EPC_POISONED + 1] = {0}, used[SGX_EPC_TYPES] = {0};
	uint64_t free_pages = 0;

	for (uint32_t i = 0; i < epc->section_count; i++) {
		struct sgx_epc_section *section = &epc->section[i];
		uint64_t on_free, on_dirty, free_before = count[SGX_EPC_FREE];

		*why = "EPC list holds a page that is not free";
		if (!list_ok(section, section->free_list, &on_free) ||
		    !list_ok(section, section->dirty_list, &on_dirty))
			return false;
		for (uint32_t p = 0; p < section->fresh; p++) {
			const struct sgx_epc_page *page = &section->pages[p];

			count[page->state]++;
			if (page->state != SGX_EPC_USED)
				continue;
			used[page->type]++;
			*why = "EPC page in use is not valid in the EPCM";
			if (!sgx_encl_of(page->owner)->lost && !page->poison &&
			    (!sgx->pkg->epcm[section->first + p].valid ||
			     sgx->pkg->epcm[section->first + p].pt != page->type))
				return false;
		}
		*why = "EPC page is free and on no list";
		if (count[SGX_EPC_FREE] - free_before != on_free + on_dirty)
			return false;
		free_pages += on_free + on_dirty + (section->count - section->fresh);
		*why = "EPC page on the free list is valid in the EPCM";
		for (uint32_t l = section->free_list; l; l = section->pages[l - 1].next)
			if (sgx->pkg->epcm[section->first + l - 1].valid)
				return false;
	}
	if (!sgx_reclaim_check(sgx, why))
		return false;
	*why = "EPC accounts do not agree with the pages";
	if (epc->free != free_pages || epc->leaked != count[SGX_EPC_LEAKED] ||
	    epc->poisoned != count[SGX_EPC_POISONED] ||
	    epc->total != free_pages + count[SGX_EPC_USED] + count[SGX_EPC_LEAKED] +
				  count[SGX_EPC_POISONED])
		return false;
	for (int t = 0; t < SGX_EPC_TYPES; t++)
		if (used[t] != epc->used[t])
			return false;
	return true;
}
