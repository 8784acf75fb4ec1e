/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking EPC pages away: the two FIFOs, passes, and ksgxd.
 *
 * A pass ages pages from the head of MAPPED until enough are parked, and evicts from
 * the head of PARKED.  Whose they are is a consumer, which knows how: the enclaves of
 * the driver (encl_reclaim.c) are such.  One pass runs at a time, under
 * sgx_reclaimer.lock; who holds it may use the consumers of pages on the lists, for
 * one that goes takes it first (sgx_release()).
 */
#ifndef KERNEL_RECLAIM_H
#define KERNEL_RECLAIM_H

#include <cpu/package.h>
#include <kernel/host.h>
#include <pthread.h>

struct sgx_subsystem;
struct sgx_consumer;

struct sgx_backing {
	void *page; /* 4096 bytes, sealed */
	struct sgx_pcmd *pcmd;
};

/* A page that a pass is about to evict */
struct sgx_victim {
	struct sgx_consumer *consumer;
	epc_slot_t slot;
	/* The consumer's, from block() to write_back(): */
	uint64_t addr;
	struct sgx_backing backing;
};

/*
 * How a consumer's pages go.  Context: sgx_reclaimer.lock held; each takes the
 * consumer's own lock, under which pages are granted and sgx_page_used() is called.
 */
struct sgx_consumer_ops {
	/*
	 * Park those that were not used (struct sgx_park; the address is the
	 * consumer's to fill in), and say so by sgx_pages_aged() under its lock.
	 */
	void (*age)(struct sgx_consumer *consumer, struct sgx_park *pages, unsigned int count);
	/*
	 * EBLOCK a parked page: nobody uses it from now on.  Return: 0; -EAGAIN where
	 * it is in use; -ENOMEM where there is nowhere to put it.  In both cases it
	 * is marked reclaimable again.
	 */
	int (*block)(struct sgx_consumer *consumer, struct sgx_victim *victim);
	/* EWB; the EPC page is free afterwards, whatever it said. */
	void (*write_back)(struct sgx_consumer *consumer, struct sgx_victim *victim);
};

/* Who an EPC page belongs to; embedded in what it is. */
struct sgx_consumer {
	const struct sgx_consumer_ops *ops;
	/* Under sgx_epc.lock: */
	uint64_t parked_cnt; /* pages on the PARKED list */
	uint64_t soft_faults; /* on parked pages */
};

struct sgx_reclaimer {
	pthread_mutex_t lock; /* before a consumer's: a pass */
	bool swap; /* under it: backing may grow, as one page of it is about to be free */

	/* ksgxd; under sgx_epc.lock */
	pthread_cond_t wake;
	pthread_t thread;
	bool running, stop, wanted;
};

int sgx_reclaimer_init(struct sgx_subsystem *sgx);
void sgx_reclaimer_exit(struct sgx_subsystem *sgx);

void sgx_mark_page_reclaimable(struct sgx_subsystem *sgx, epc_slot_t slot);
void sgx_unmark_page_reclaimable(struct sgx_subsystem *sgx, epc_slot_t slot);
void sgx_page_used(struct sgx_subsystem *sgx, epc_slot_t slot);
bool sgx_page_skips(struct sgx_subsystem *sgx, epc_slot_t slot);
void sgx_pages_aged(struct sgx_subsystem *sgx, const struct sgx_park *pages, unsigned int count);
void sgx_count_eldu(struct sgx_subsystem *sgx);
void sgx_count_ewb(struct sgx_subsystem *sgx);

bool sgx_reclaim_direct(struct sgx_subsystem *sgx, bool swap);
void sgx_reclaim_wake(struct sgx_subsystem *sgx);
void sgx_reclaim_wait(struct sgx_subsystem *sgx);
bool sgx_reclaim_check(struct sgx_subsystem *sgx, const char **why);

#endif
