/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reclaimer.  Upstream ages pages by the accessed bits of page tables; there
 * is none to be had here, so that a page is parked first, and its use is a fault.
 * Faults cost: pages are parked only when free ones run out, and one that proved to
 * be in use is left alone for the next passes.
 */
#include "reclaim.h"

#include <errno.h>

#include "encl.h"

#define SGX_NR_TO_SCAN 16 /* pages of a batch, as upstream */
#define SGX_PARK_MAX   128 /* parked at most in one pass, and asked of the host at a time */
#define SGX_SKIP       2 /* passes that a page in use is left alone */
#define SGX_PASSES     16 /* at most in a row, where pages prove to be in use */

/* --- the FIFOs; all under sgx_epc.lock -------------------------------------------- */

static void fifo_add(struct sgx_epc *epc, enum sgx_epc_list list, epc_slot_t slot)
{
	struct sgx_epc_page *page = sgx_epc_page(epc, slot);
	struct sgx_epc_fifo *fifo = &epc->fifo[list];

	page->list = (uint8_t)list;
	if (list == SGX_EPC_BATCH)
		return;
	page->owner->parked_cnt += list == SGX_EPC_PARKED;
	page->next = 0;
	page->prev = fifo->tail;
	if (fifo->tail)
		sgx_epc_page(epc, fifo->tail - 1)->next = slot + 1;
	else
		fifo->head = slot + 1;
	fifo->tail = slot + 1;
	fifo->count++;
}

static void fifo_remove(struct sgx_epc *epc, epc_slot_t slot)
{
	struct sgx_epc_page *page = sgx_epc_page(epc, slot);
	struct sgx_epc_fifo *fifo = &epc->fifo[page->list];

	if (page->list == SGX_EPC_MAPPED || page->list == SGX_EPC_PARKED) {
		if (page->prev)
			sgx_epc_page(epc, page->prev - 1)->next = page->next;
		else
			fifo->head = page->next;
		if (page->next)
			sgx_epc_page(epc, page->next - 1)->prev = page->prev;
		else
			fifo->tail = page->prev;
		fifo->count--;
		page->owner->parked_cnt -= page->list == SGX_EPC_PARKED;
	}
	page->list = SGX_EPC_UNLISTED;
	page->next = 0;
	page->prev = 0;
}

/**
 * sgx_mark_page_reclaimable() - a page is complete: it may be evicted
 *
 * Context: the consumer's lock held.
 */
void sgx_mark_page_reclaimable(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	pthread_mutex_lock(&sgx->epc.lock);
	fifo_remove(&sgx->epc, slot);
	fifo_add(&sgx->epc, SGX_EPC_MAPPED, slot);
	pthread_mutex_unlock(&sgx->epc.lock);
}

/**
 * sgx_unmark_page_reclaimable() - a page is about to be freed
 *
 * Context: the reclaimer's lock held, so that the page is in no batch.
 */
void sgx_unmark_page_reclaimable(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	pthread_mutex_lock(&sgx->epc.lock);
	fifo_remove(&sgx->epc, slot);
	pthread_mutex_unlock(&sgx->epc.lock);
}

/**
 * sgx_page_used() - a page is granted to somebody
 *
 * Context: the consumer's lock held.
 */
void sgx_page_used(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	struct sgx_epc *epc = &sgx->epc;
	struct sgx_epc_page *page = sgx_epc_page(epc, slot);

	pthread_mutex_lock(&epc->lock);
	if (page->list == SGX_EPC_PARKED) {
		fifo_remove(epc, slot);
		fifo_add(epc, SGX_EPC_MAPPED, slot);
		page->skip = SGX_SKIP;
		page->owner->soft_faults++;
		epc->soft_faults++;
	} else if (page->list == SGX_EPC_BATCH) {
		/* the pass sees it when it has the consumer's lock */
		page->skip = SGX_SKIP;
		page->owner->soft_faults++;
		epc->soft_faults++;
	}
	pthread_mutex_unlock(&epc->lock);
}

/**
 * sgx_page_skips() - a page has proved to be in use: one pass less that leaves it alone
 *
 * Context: the consumer's lock held.
 */
bool sgx_page_skips(struct sgx_subsystem *sgx, epc_slot_t slot)
{
	struct sgx_epc_page *page = sgx_epc_page(&sgx->epc, slot);
	bool skip;

	pthread_mutex_lock(&sgx->epc.lock);
	skip = page->skip;
	if (skip)
		page->skip--;
	pthread_mutex_unlock(&sgx->epc.lock);
	return skip;
}

/**
 * sgx_pages_aged() - what became of pages that a consumer was asked to age
 *
 * Context: the consumer's lock held, since before they were parked.
 */
void sgx_pages_aged(struct sgx_subsystem *sgx, const struct sgx_park *pages, unsigned int count)
{
	struct sgx_epc *epc = &sgx->epc;

	pthread_mutex_lock(&epc->lock);
	for (unsigned int i = 0; i < count; i++) {
		fifo_remove(epc, pages[i].slot);
		fifo_add(epc, pages[i].parked ? SGX_EPC_PARKED : SGX_EPC_MAPPED, pages[i].slot);
	}
	pthread_mutex_unlock(&epc->lock);
}

/**
 * sgx_count_eldu() - one more page came back
 */
void sgx_count_eldu(struct sgx_subsystem *sgx)
{
	pthread_mutex_lock(&sgx->epc.lock);
	sgx->epc.eldu++;
	pthread_mutex_unlock(&sgx->epc.lock);
}

/**
 * sgx_count_ewb() - one more page is gone
 */
void sgx_count_ewb(struct sgx_subsystem *sgx)
{
	pthread_mutex_lock(&sgx->epc.lock);
	sgx->epc.ewb++;
	pthread_mutex_unlock(&sgx->epc.lock);
}

/* --- a pass; all under sgx_reclaimer.lock ----------------------------------------- */

/* The oldest page of a list, which is then in the batch; NONE: empty. */
static epc_slot_t take_oldest(struct sgx_epc *epc, enum sgx_epc_list list)
{
	epc_slot_t slot = EPC_SLOT_NONE;

	pthread_mutex_lock(&epc->lock);
	if (epc->fifo[list].head) {
		slot = epc->fifo[list].head - 1;
		fifo_remove(epc, slot);
		fifo_add(epc, SGX_EPC_BATCH, slot);
	}
	pthread_mutex_unlock(&epc->lock);
	return slot;
}

/* A fifth of the EPC is parked, a third of a small one: 32 MiB is 8192 pages. */
static uint64_t park_target(const struct sgx_epc *epc)
{
	return epc->total < 8192 ? (epc->total + 2) / 3 : epc->total / 5;
}

/*
 * The oldest mapped pages of one consumer, which are then in the batch.  Those that
 * have proved to be in use go to the end of the list.
 * @scan: pages that may be looked at; what is left of them
 */
static unsigned int take_run(struct sgx_epc *epc, struct sgx_park run[SGX_PARK_MAX], uint64_t *scan,
			     unsigned int max)
{
	struct sgx_epc_fifo *fifo = &epc->fifo[SGX_EPC_MAPPED];
	const struct sgx_consumer *owner = NULL;
	uint64_t target = park_target(epc), parked;
	unsigned int count = 0;

	pthread_mutex_lock(&epc->lock);
	parked = epc->fifo[SGX_EPC_PARKED].count;
	while (*scan && fifo->head && count < max && parked + count < target) {
		epc_slot_t slot = fifo->head - 1;
		struct sgx_epc_page *page = sgx_epc_page(epc, slot);

		if (owner && page->owner != owner)
			break;
		(*scan)--;
		fifo_remove(epc, slot);
		if (page->skip) {
			page->skip--;
			fifo_add(epc, SGX_EPC_MAPPED, slot);
			continue;
		}
		fifo_add(epc, SGX_EPC_BATCH, slot);
		owner = page->owner;
		run[count++] = (struct sgx_park){.slot = slot};
	}
	pthread_mutex_unlock(&epc->lock);
	return count;
}

/* Return: how many are parked now. */
static unsigned int age(struct sgx_subsystem *sgx, struct sgx_park *run, unsigned int count)
{
	struct sgx_consumer *consumer = sgx_epc_page(&sgx->epc, run[0].slot)->owner;
	unsigned int parked = 0;

	consumer->ops->age(consumer, run, count);
	for (unsigned int i = 0; i < count; i++)
		parked += run[i].parked;
	return parked;
}

/*
 * Park more, once enough have gone from the list that it is worth it: taking pages out
 * of sight costs by the call, and the flush of TLBs, more than by the page.
 * Return: whether any is parked now that was not.
 */
static bool refill(struct sgx_subsystem *sgx)
{
	struct sgx_park run[SGX_PARK_MAX];
	uint64_t scan, target = park_target(&sgx->epc), room;
	unsigned int parked = 0, count;

	pthread_mutex_lock(&sgx->epc.lock);
	scan = sgx->epc.fifo[SGX_EPC_MAPPED].count;
	room = sgx->epc.fifo[SGX_EPC_PARKED].count;
	room = room < target ? target - room : 0;
	pthread_mutex_unlock(&sgx->epc.lock);
	if (room < SGX_PARK_MAX && room < target / 4 + 1)
		return false;
	while (parked < SGX_PARK_MAX) {
		count = take_run(&sgx->epc, run, &scan, SGX_PARK_MAX - parked);
		if (!count)
			break;
		parked += age(sgx, run, count);
	}
	return parked;
}

/*
 * No more than leads to the high watermark: what has just been parked gets its time
 * to prove that it is in use.
 */
static unsigned int batch_size(struct sgx_epc *epc)
{
	uint64_t wanted, available;

	pthread_mutex_lock(&epc->lock);
	available = sgx_epc_available(epc);
	wanted = epc->high > available ? epc->high - available : 1;
	pthread_mutex_unlock(&epc->lock);
	return wanted < SGX_NR_TO_SCAN ? (unsigned int)wanted : SGX_NR_TO_SCAN;
}

/*
 * Take up to a batch of parked pages and block them.  Return: how many; @progress: some
 * were taken, though they may be in use.
 */
static unsigned int block_batch(struct sgx_subsystem *sgx, struct sgx_victim batch[SGX_NR_TO_SCAN],
				bool *progress, bool *nomem)
{
	unsigned int count = 0, size = sgx->reclaimer.swap ? 1 : batch_size(&sgx->epc);

	for (unsigned int i = 0; i < size && !*nomem; i++) {
		struct sgx_victim *v = &batch[count];
		int ret;

		v->slot = take_oldest(&sgx->epc, SGX_EPC_PARKED);
		if (v->slot == EPC_SLOT_NONE)
			break;
		*progress = true;
		v->consumer = sgx_epc_page(&sgx->epc, v->slot)->owner;
		ret = v->consumer->ops->block(v->consumer, v);
		count += !ret;
		*nomem = ret == -ENOMEM;
	}
	return count;
}

/* Return: pages that are free now; @nomem: there was nowhere to put one. */
static unsigned int reclaim_pages(struct sgx_subsystem *sgx, bool *nomem)
{
	struct sgx_victim batch[SGX_NR_TO_SCAN];
	unsigned int count, freed = 0, idle = 0;

	*nomem = false;

	/* All may be ones that were used of late: they are skipped so many times. */
	for (unsigned int i = 0; i < SGX_PASSES && idle <= SGX_SKIP && !freed && !*nomem; i++) {
		bool progress = refill(sgx);

		count = block_batch(sgx, batch, &progress, nomem);
		for (unsigned int v = 0; v < count; v++)
			batch[v].consumer->ops->write_back(batch[v].consumer, &batch[v]);
		freed += count;
		idle += !progress;
	}
	return freed;
}

/**
 * sgx_reclaim_direct() - an allocation found nothing free
 * @swap: it is for a page that comes from its backing: one may go in its stead where
 *	the backing cannot grow.  A page that is out is not lost then, and an AEX
 *	gets its SSA frame.
 *
 * Context: no lock held.
 * Return: whether trying again makes sense.
 */
bool sgx_reclaim_direct(struct sgx_subsystem *sgx, bool swap)
{
	struct sgx_epc *epc = &sgx->epc;
	bool again, nomem;

	if (!sgx->ops->page_park)
		return false;
	pthread_mutex_lock(&sgx->reclaimer.lock);
	pthread_mutex_lock(&epc->lock);
	again = sgx_epc_available(epc); /* whoever had the lock before us */
	epc->direct_reclaims += !again;
	pthread_mutex_unlock(&epc->lock);
	if (!again)
		again = reclaim_pages(sgx, &nomem) != 0;
	if (!again && nomem && swap) {
		sgx->reclaimer.swap = true;
		again = reclaim_pages(sgx, &nomem) != 0;
		sgx->reclaimer.swap = false;
	}
	pthread_mutex_unlock(&sgx->reclaimer.lock);
	return again;
}

/**
 * sgx_reclaim_wait() - until the pass that runs is over
 *
 * Context: no lock held.
 */
void sgx_reclaim_wait(struct sgx_subsystem *sgx)
{
	pthread_mutex_lock(&sgx->reclaimer.lock);
	pthread_mutex_unlock(&sgx->reclaimer.lock);
}

/* --- ksgxd ------------------------------------------------------------------------- */

/**
 * sgx_reclaim_wake() - ksgxd has work if few pages are free
 */
void sgx_reclaim_wake(struct sgx_subsystem *sgx)
{
	struct sgx_reclaimer *r = &sgx->reclaimer;

	if (!r->running)
		return;
	pthread_mutex_lock(&sgx->epc.lock);
	if (sgx_epc_available(&sgx->epc) < sgx->epc.low && !r->wanted) {
		r->wanted = true;
		pthread_cond_signal(&r->wake);
	}
	pthread_mutex_unlock(&sgx->epc.lock);
}

static bool wants_more(struct sgx_subsystem *sgx)
{
	bool more;

	pthread_mutex_lock(&sgx->epc.lock);
	more = !sgx->reclaimer.stop && sgx_epc_available(&sgx->epc) < sgx->epc.high;
	pthread_mutex_unlock(&sgx->epc.lock);
	return more;
}

static void *ksgxd(void *arg)
{
	struct sgx_subsystem *sgx = arg;
	struct sgx_reclaimer *r = &sgx->reclaimer;
	unsigned int freed;
	bool nomem;

	for (;;) {
		pthread_mutex_lock(&sgx->epc.lock);
		while (!r->wanted && !r->stop)
			pthread_cond_wait(&r->wake, &sgx->epc.lock);
		r->wanted = false;
		pthread_mutex_unlock(&sgx->epc.lock);
		if (r->stop)
			return NULL;
		/* One batch at a time: allocations that wait get their turn. */
		for (freed = 1; freed && wants_more(sgx);) {
			pthread_mutex_lock(&r->lock);
			freed = reclaim_pages(sgx, &nomem);
			pthread_mutex_unlock(&r->lock);
		}
	}
}

/**
 * sgx_reclaimer_init() - start ksgxd, where the host can give pages back
 *
 * Return: 0, or -ENOMEM.
 */
int sgx_reclaimer_init(struct sgx_subsystem *sgx)
{
	struct sgx_reclaimer *r = &sgx->reclaimer;

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	if (!sgx->ops->page_park || sgx->ops->direct_reclaim_only)
		return 0;
	if (pthread_create(&r->thread, NULL, ksgxd, sgx)) {
		pthread_cond_destroy(&r->wake);
		pthread_mutex_destroy(&r->lock);
		return -ENOMEM;
	}
	r->running = true;
	return 0;
}

/**
 * sgx_reclaimer_exit() - stop ksgxd
 */
void sgx_reclaimer_exit(struct sgx_subsystem *sgx)
{
	struct sgx_reclaimer *r = &sgx->reclaimer;

	if (r->running) {
		pthread_mutex_lock(&sgx->epc.lock);
		r->stop = true;
		pthread_cond_signal(&r->wake);
		pthread_mutex_unlock(&sgx->epc.lock);
		pthread_join(r->thread, NULL);
	}
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
}

static bool fifo_ok(struct sgx_epc *epc, enum sgx_epc_list list, const char **why)
{
	const struct sgx_epc_fifo *fifo = &epc->fifo[list];
	uint32_t prev = 0, seen = 0;

	*why = "a FIFO of the reclaimer is not in order";
	for (uint32_t link = fifo->head; link; link = sgx_epc_page(epc, link - 1)->next) {
		const struct sgx_epc_page *page = sgx_epc_page(epc, link - 1);

		if (!page || page->state != SGX_EPC_USED || page->list != list ||
		    page->prev != prev || ++seen > fifo->count ||
		    (page->type != SGX_PT_REG && page->type != SGX_PT_TCS))
			return false;
		prev = link;
	}
	return seen == fifo->count && fifo->tail == prev;
}

/**
 * sgx_reclaim_check() - the FIFOs are in order, and no page is in a batch
 *
 * Context: nothing else runs.
 */
bool sgx_reclaim_check(struct sgx_subsystem *sgx, const char **why)
{
	return fifo_ok(&sgx->epc, SGX_EPC_MAPPED, why) && fifo_ok(&sgx->epc, SGX_EPC_PARKED, why);
}
