/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's side of TCS slots (cpu/lp.h): they come and go with their TCS pages,
 * carry the epoch at which a thread entered, and are freed after a thread that was
 * killed inside.
 *
 * Behind the slots of an enclave there is one more; its epoch is the enclave's.  The
 * table is the clients' to write: what they say there is believed of their own
 * enclave alone.
 */
#include "machine.h"

#include <stdlib.h>

/* Context for all of them: e->lock held. */
static struct tcs_watch *tcs_find(struct enclave *e, uint64_t page)
{
	for (uint32_t i = 0; i < e->tcs_count; i++)
		if (e->tcs_watch[i].page == page)
			return &e->tcs_watch[i];
	return NULL;
}

static bool tcs_remember(struct enclave *e, uint32_t page)
{
	if (tcs_find(e, page))
		return true;
	if (e->tcs_count == e->tcs_room) {
		uint32_t room = e->tcs_room ? 2 * e->tcs_room : 8;
		struct tcs_watch *more = realloc(e->tcs_watch, room * sizeof(*more));

		if (!more)
			return false;
		e->tcs_watch = more;
		e->tcs_room = room;
	}
	e->tcs_watch[e->tcs_count++] = (struct tcs_watch){.page = page};
	return true;
}

static void tcs_forget(struct enclave *e, uint32_t page)
{
	struct tcs_watch *watch = tcs_find(e, page);

	if (watch)
		*watch = e->tcs_watch[--e->tcs_count];
}

/* Statistics are the client's word, as everything in the shared table. */
static void slot_counters(const struct sgx_tcs_slot *t, struct counters *c)
{
	c->entries += __atomic_load_n(&t->entries, __ATOMIC_RELAXED);
	c->exits += __atomic_load_n(&t->exits, __ATOMIC_RELAXED);
	c->aexs += __atomic_load_n(&t->aexs, __ATOMIC_RELAXED);
}

/**
 * enclave_host_tcs_publish() - sgx_host_ops.tcs_publish
 * @sgx:	enclave, created
 * @offset:	of the page in the ELRANGE
 * @tcs:	bytes of the new TCS; NULL: the page is none any more
 */
void enclave_host_tcs_publish(struct sgx_encl *sgx, uint64_t offset, const struct sgx_tcs *tcs)
{
	struct enclave *e = sgx_encl_host(sgx);
	uint64_t page = offset >> SGX_PAGE_SHIFT;
	struct sgx_tcs_slot *t;

	if (!e->tcs || offset >= e->size)
		return;
	t = &e->tcs[page];
	if (!tcs) {
		__atomic_store_n(&t->state, SGX_TCS_GONE, __ATOMIC_RELEASE);
		pthread_mutex_lock(&e->lock);
		/* one that was lost comes here a second time */
		if (tcs_find(e, page))
			slot_counters(t, &e->past);
		tcs_forget(e, (uint32_t)page);
		pthread_mutex_unlock(&e->lock);
		return;
	}
	t->flags = tcs->flags;
	t->ossa = tcs->ossa;
	t->cssa = tcs->cssa;
	t->nssa = tcs->nssa;
	t->oentry = tcs->oentry;
	t->ofsbase = tcs->ofsbase;
	t->ogsbase = tcs->ogsbase;
	t->fslimit = tcs->fslimit;
	t->gslimit = tcs->gslimit;
	t->aep = tcs->aep;
	t->epoch = 0;
	pthread_mutex_lock(&e->lock);
	t->entries = 0;
	t->exits = 0;
	t->aexs = 0;
	if (!tcs_remember(e, (uint32_t)page))
		log_line("no memory to watch the TCS at offset %#llx", (unsigned long long)offset);
	pthread_mutex_unlock(&e->lock);
	memory_hide(e->machine, e->slot_of[page] - 1);
	fault_point(e, FAULT_TCS_PUBLISH);
	/* Pairs with the acquire of EENTER's compare-and-swap */
	__atomic_store_n(&t->state, SGX_TCS_FREE, __ATOMIC_RELEASE);
	fault_point(e, FAULT_TCS_PUBLISHED);
}

/**
 * enclave_host_tcs_retire() - sgx_host_ops.tcs_retire
 * @sgx:	enclave, created
 * @offset:	of a TCS page in the ELRANGE
 * @tcs:	its bytes: receive what entries and exits have changed
 *
 * Return: false where a thread is inside.
 */
bool enclave_host_tcs_retire(struct sgx_encl *sgx, uint64_t offset, struct sgx_tcs *tcs)
{
	struct enclave *e = sgx_encl_host(sgx);
	uint64_t page = offset >> SGX_PAGE_SHIFT;
	uint32_t free = SGX_TCS_FREE;
	struct sgx_tcs_slot *t;

	if (!e->tcs || offset >= e->size)
		return true;
	t = &e->tcs[page];
	fault_point(e, FAULT_TCS_RETIRE);
	/* From here on EENTER finds no TCS; who had it before has left its fields. */
	if (!__atomic_compare_exchange_n(&t->state, &free, SGX_TCS_GONE, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return free == SGX_TCS_GONE;
	tcs->state = 0;
	tcs->cssa = t->cssa;
	tcs->aep = t->aep;
	pthread_mutex_lock(&e->lock);
	slot_counters(t, &e->past);
	t->entries = 0;
	t->exits = 0;
	t->aexs = 0;
	tcs_forget(e, (uint32_t)page);
	pthread_mutex_unlock(&e->lock);
	fault_point(e, FAULT_TCS_RETIRED);
	return true;
}

/**
 * enclave_tcs_idle() - nobody has been in a TCS since this was last asked
 * @e:		enclave
 * @page:	of the ELRANGE, a TCS
 */
bool enclave_tcs_idle(struct enclave *e, uint64_t page)
{
	const struct sgx_tcs_slot *t = &e->tcs[page];
	uint64_t entries = __atomic_load_n(&t->entries, __ATOMIC_RELAXED);
	struct tcs_watch *watch;
	bool idle = false;

	pthread_mutex_lock(&e->lock);
	watch = tcs_find(e, page);
	if (watch) {
		idle = watch->entries == entries &&
		       __atomic_load_n(&t->state, __ATOMIC_RELAXED) <= SGX_TCS_FREE;
		watch->entries = entries;
	}
	pthread_mutex_unlock(&e->lock);
	return idle;
}

static bool inside(const struct sgx_tcs_slot *t)
{
	return __atomic_load_n(&t->state, __ATOMIC_SEQ_CST) > SGX_TCS_FREE;
}

/* The enclave whose SECS is at @secs */
static struct enclave *of_secs(struct machine *m, epc_slot_t secs)
{
	struct sgx_encl *sgx = sgx_epc_owner(m->sgx, secs);
	struct enclave *e = sgx ? sgx_encl_host(sgx) : NULL;

	return e && e->tcs ? e : NULL;
}

/**
 * enclave_set_epoch() - epc_mem_ops.set_epoch
 * @ctx:	machine
 * @secs:	slot of a SECS
 * @epoch:	of entries from now on
 */
void enclave_set_epoch(void *ctx, epc_slot_t secs, uint64_t epoch)
{
	struct enclave *e = of_secs(ctx, secs);

	if (!e)
		return;
	fault_point(e, FAULT_EWB_NOT_TRACKED);
	/* Pairs with lp_eenter_check(), which takes its TCS and then looks */
	__atomic_store_n(enclave_epoch(e), epoch, __ATOMIC_SEQ_CST);
	fault_point(e, FAULT_EWB_TRACKED);
}

/**
 * enclave_oldest_epoch() - epc_mem_ops.oldest_epoch
 * @ctx:	machine
 * @secs:	slot of a SECS
 *
 * A thread that has its TCS and not written its epoch yet counts with an older
 * one: that is to be asked again.
 */
uint64_t enclave_oldest_epoch(void *ctx, epc_slot_t secs)
{
	struct enclave *e = of_secs(ctx, secs);
	uint64_t oldest = UINT64_MAX;

	if (!e)
		return oldest;
	fault_point(e, FAULT_EWB_ASKS);
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->tcs_count; i++) {
		const struct sgx_tcs_slot *t = &e->tcs[e->tcs_watch[i].page];
		uint64_t epoch;

		if (!inside(t))
			continue;
		epoch = __atomic_load_n(&t->epoch, __ATOMIC_SEQ_CST);
		if (epoch < oldest)
			oldest = epoch;
	}
	pthread_mutex_unlock(&e->lock);
	return oldest;
}

/**
 * enclave_host_kick() - sgx_host_ops.encl_kick
 * @sgx: enclave, created
 *
 * Whoever is inside has no translation left to a page that was parked: the kernel
 * has seen to that.  So it need not leave; that it could have is all that counts.  A
 * signal would not do: it ends the program's poll() and nanosleep(), an IPI does not.
 */
void enclave_host_kick(struct sgx_encl *sgx)
{
	struct enclave *e = sgx_encl_host(sgx);
	uint64_t epoch = __atomic_load_n(enclave_epoch(e), __ATOMIC_SEQ_CST);

	fault_point(e, FAULT_EWB_KICK);
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->tcs_count; i++) {
		struct sgx_tcs_slot *t = &e->tcs[e->tcs_watch[i].page];
		uint64_t old = __atomic_load_n(&t->epoch, __ATOMIC_SEQ_CST);

		/* It may be another thread's meanwhile, with the epoch of its entry */
		if (inside(t) && old < epoch)
			(void)__atomic_compare_exchange_n(&t->epoch, &old, epoch, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&e->lock);
	fault_point(e, FAULT_EWB_KICKED);
}

/**
 * enclave_host_tcs_debug() - sgx_host_ops.tcs_debug
 * @sgx:	enclave, created
 * @offset:	of a TCS page in the ELRANGE
 * @tcs:	its bytes
 * @write:	FLAGS have changed; else the changing fields are wanted
 */
void enclave_host_tcs_debug(struct sgx_encl *sgx, uint64_t offset, struct sgx_tcs *tcs, bool write)
{
	struct enclave *e = sgx_encl_host(sgx);
	struct sgx_tcs_slot *t;

	if (!e->tcs || offset >= e->size)
		return;
	t = &e->tcs[offset >> SGX_PAGE_SHIFT];
	if (write) {
		/* a thread inside has the flags of its entry */
		__atomic_store_n(&t->flags, tcs->flags, __ATOMIC_RELAXED);
		return;
	}
	tcs->state = __atomic_load_n(&t->state, __ATOMIC_RELAXED) > SGX_TCS_FREE;
	tcs->cssa = __atomic_load_n(&t->cssa, __ATOMIC_RELAXED);
	tcs->aep = __atomic_load_n(&t->aep, __ATOMIC_RELAXED);
}

/**
 * enclave_counters() - entries, exits and AEXs of an enclave so far
 * @e:	enclave
 * @c:	added to
 */
void enclave_counters(struct enclave *e, struct counters *c)
{
	pthread_mutex_lock(&e->lock);
	c->entries += e->past.entries;
	c->exits += e->past.exits;
	c->aexs += e->past.aexs;
	for (uint32_t i = 0; i < e->tcs_count; i++)
		slot_counters(&e->tcs[e->tcs_watch[i].page], c);
	pthread_mutex_unlock(&e->lock);
}

/**
 * enclave_wipe_dead() - free TCS slots that threads of a client have not given back
 * @e:		enclave
 * @number:	of the client, whose process has ended or has exec'ed
 *
 * A thread that died inside never gave its TCS back.  A slot of another client's thread
 * is left alone: its own end comes.
 * Context: takes e->lock.
 */
void enclave_wipe_dead(struct enclave *e, uint32_t number)
{
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->tcs_count; i++) {
		struct sgx_tcs_slot *t = &e->tcs[e->tcs_watch[i].page];
		uint32_t state = __atomic_load_n(&t->state, __ATOMIC_ACQUIRE);

		if (!lp_is_owner(state) || lp_owner_client(state) != number)
			continue;
		/* Lost only to a client that plays tricks with its own table */
		(void)__atomic_compare_exchange_n(&t->state, &state, SGX_TCS_FREE, false,
						  __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&e->lock);
}
