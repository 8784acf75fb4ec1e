/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The EPC as the subsystem manages it: sections, free lists, accounting.
 *
 *	          sgx_alloc_epc_page            the leaf
 *	 fresh -----------------------> used ------------> (EPCM valid)
 *	   |       ^                     |
 *	   |       |   EREMOVE, and then | sgx_free_epc_page
 *	   |       '------- free <-------'
 *	   |                             |  EREMOVE refused
 *	   '--> dirty ----> used         '----------------> leaked, for good
 *
 * A fresh page was never given out since sgx_init().  It is sanitised
 * (EREMOVEd) the first time it is, so that a machine of 64 GiB starts without
 * touching what no enclave uses; all that is kept of fresh pages is how many of
 * a section are not.  A page that EREMOVE refuses then (a SECS of earlier days
 * with children that are still fresh) waits on the dirty list until no fresh
 * page is left.
 *
 * A page with a memory error is poisoned: at once where it is free, else when it is
 * freed; until then whoever touches it gets a machine check.
 *
 * A used page that can be evicted (a child of an enclave) is on one of two FIFOs:
 *
 *	 EADD, ELDU         sgx_reclaim_pages             sgx_reclaim_pages
 *	 ----------> MAPPED -----------------> PARKED ------------------> BATCH --> EWB
 *	               ^      page_park()        |                          |
 *	               '-------------------------'--------------------------'
 *	                 a fault: the page was used, skip the next passes
 *
 * MAPPED pages are where clients find them.  A PARKED one is still in the EPC, but
 * in nobody's page table: its next use is a fault, which is this machine's
 * accessed bit.  Nothing is done to a page in the EPCM before it is in a BATCH.
 *
 * Context: sgx_epc.lock, a leaf.
 */
#ifndef KERNEL_EPC_H
#define KERNEL_EPC_H

#include <cpu/package.h>
#include <pthread.h>

struct sgx_consumer;
struct sgx_encl;
struct sgx_subsystem;
struct sgx_epc_info;

enum sgx_epc_state {
	SGX_EPC_FREE = 0, /* fresh, on the free list or on the dirty list */
	SGX_EPC_USED,
	SGX_EPC_LEAKED,
	SGX_EPC_POISONED, /* memory errors: never given out again */
};

enum sgx_epc_list {
	SGX_EPC_UNLISTED = 0, /* not a child, or not complete yet */
	SGX_EPC_MAPPED,
	SGX_EPC_PARKED,
	SGX_EPC_BATCH, /* with the reclaimer */
	SGX_EPC_LISTS,
};

struct sgx_epc_page {
	struct sgx_consumer *owner; /* while used */
	/*
	 * While free: next is an index in the section + 1, 0 ends the list.  While
	 * used: neighbours on its list, slots + 1.
	 */
	uint32_t next, prev;
	uint8_t state; /* enum sgx_epc_state */
	uint8_t type; /* enum sgx_pt, while used */
	uint8_t list; /* enum sgx_epc_list, while used */
	uint8_t skip : 7; /* passes of the reclaimer that leave it alone */
	uint8_t poison : 1; /* while used: had a memory error, is poisoned when freed */
};
/* 24 (EPCM) + 24 + 8.4 (page array) leave the host 7 of the 64 bytes a page. */
_Static_assert(sizeof(struct sgx_epc_page) == 24, "metadata budget");

struct sgx_epc_fifo {
	uint32_t head, tail; /* slots + 1; 0: empty.  New ones come in at the tail */
	uint32_t count;
};

struct sgx_epc_section {
	struct sgx_epc_page *pages;
	epc_slot_t first;
	uint32_t count;
	uint32_t fresh; /* pages[fresh ..] were never given out */
	uint32_t free_list; /* as sgx_epc_page.next */
	uint32_t dirty_list;
};

#define SGX_EPC_TYPES (SGX_PT_VA + 1)

struct sgx_epc {
	pthread_mutex_t lock;
	uint32_t section_count;
	struct sgx_epc_section section[CPU_EPC_SECTIONS_MAX];
	uint64_t total, free, leaked, poisoned;
	uint64_t reserved; /* of the free ones: set aside, see reserve.c */
	uint64_t used[SGX_EPC_TYPES]; /* by enum sgx_pt */

	struct sgx_epc_fifo fifo[SGX_EPC_LISTS]; /* of MAPPED and PARKED */
	uint64_t low, high; /* watermarks of free pages */
	uint64_t ewb, eldu, soft_faults, direct_reclaims; /* so many since the start */
};

/* What an EPC page is wanted for: which free ones it may be, and what may go for it */
enum sgx_alloc {
	SGX_ALLOC_NEW, /* a new page of an enclave: one set aside for it, if there is */
	SGX_ALLOC_SWAP, /* comes from its backing, which one that has to go may have */
};

int sgx_epc_init(struct sgx_subsystem *sgx);
void sgx_epc_exit(struct sgx_subsystem *sgx);
epc_slot_t sgx_alloc_epc_page(struct sgx_subsystem *sgx, struct sgx_encl *owner, enum sgx_pt type,
			      enum sgx_alloc how);
void sgx_free_epc_page(struct sgx_subsystem *sgx, epc_slot_t slot);
void sgx_encl_free_epc_page(struct sgx_subsystem *sgx, epc_slot_t slot);
struct sgx_epc_page *sgx_epc_page(struct sgx_epc *epc, epc_slot_t slot);
/* Free pages that are set aside for nobody.  Context: sgx_epc.lock held. */
static inline uint64_t sgx_epc_available(const struct sgx_epc *epc)
{
	return epc->free > epc->reserved ? epc->free - epc->reserved : 0;
}
bool sgx_epc_poisoned(struct sgx_epc *epc, epc_slot_t slot);
bool sgx_epc_check(struct sgx_subsystem *sgx, const char **why);

#endif
