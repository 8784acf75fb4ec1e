/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking EPC pages away: the two FIFOs, passes, and ksgxd.
 *
 * A pass parks pages from the head of MAPPED until enough are parked, and evicts
 * from the head of PARKED.  One pass runs at a time, under sgx_reclaimer.lock; who
 * holds it may use the owners of pages on the lists, for sgx_release() takes it
 * before an enclave goes.
 */
#ifndef KERNEL_RECLAIM_H
#define KERNEL_RECLAIM_H

#include <cpu/package.h>
#include <pthread.h>

struct sgx_subsystem;

struct sgx_reclaimer {
	pthread_mutex_t lock; /* before encl->lock: a pass */

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
void sgx_count_eldu(struct sgx_subsystem *sgx);

bool sgx_reclaim_direct(struct sgx_subsystem *sgx);
void sgx_reclaim_wake(struct sgx_subsystem *sgx);
void sgx_reclaim_wait(struct sgx_subsystem *sgx);
bool sgx_reclaim_check(struct sgx_subsystem *sgx, const char **why);

#endif
