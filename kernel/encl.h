/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The enclave object and the subsystem around it.
 *
 *	       sgx_open              CREATE                INIT
 *	 none ----------> (no flag) --------> CREATED ------------> CREATED,
 *	   ^                  |               ADD_PAGES             INITIALIZED
 *	   |                  |                   |                     |
 *	   '------------------'-- sgx_release ----'---------------------'
 *
 *	(no flag)	no EPC page, base and size 0 (but for the moment in CREATE
 *			in which the host makes the memory)
 *	CREATED		a SECS; each entry of the page array has an EPC page, or a
 *			version and a page of backing
 *	INITIALIZED	no more ADD_PAGES
 *	IOCTL		an ioctl runs: whoever set it, and nobody else, changes the
 *			state; a lock that answers EBUSY instead of waiting
 */
#ifndef KERNEL_ENCL_H
#define KERNEL_ENCL_H

#include <cpu/leaf.h>
#include <errno.h>
#include <kernel/sgx.h>
#include <pthread.h>

#include "epc.h"
#include "page_array.h"
#include "reclaim.h"

/* The kernel's own, never seen by a program: the call is made again. */
#define ERESTARTSYS	     512

#define SGX_ENCL_IOCTL	     (1u << 0)
#define SGX_ENCL_DEBUG	     (1u << 1)
#define SGX_ENCL_CREATED     (1u << 2)
#define SGX_ENCL_INITIALIZED (1u << 3)

/* A version array page of an enclave. */
struct sgx_va_page {
	epc_slot_t epc;
	uint32_t used; /* slots */
	uint64_t slots[SGX_VA_SLOTS / 64]; /* bit n: slot n has a version */
};

#define SGX_VA_NONE (~0u)

struct sgx_encl {
	struct sgx_subsystem *sgx;
	void *host;
	struct sgx_consumer consumer; /* whose EPC pages are */
	struct sgx_encl *next, **pprev; /* sgx_subsystem.encl_list */
	uint32_t flags; /* atomic: SGX_ENCL_* */
	pthread_mutex_t lock;

	/* Under lock: */
	uint32_t interfaces; /* SGX_INTERFACE_*: those it may still turn out to be of */
	uint64_t base, size;
	uint64_t attributes; /* SECS.ATTRIBUTES.FLAGS as created */
	uint64_t attributes_mask; /* those that INIT lets through */
	epc_slot_t secs; /* NONE before CREATE, and while it is evicted */
	uint32_t secs_va; /* where the version of an evicted SECS is, else SGX_VA_NONE */
	struct cpu_secs_info secs_info; /* what sgx_encl_info() tells; EINIT's included */
	uint64_t page_cnt; /* SECS and children, as VA pages are counted */
	uint64_t secs_child_cnt; /* children that are resident */
	bool lost; /* a power event took its EPC pages */
	uint64_t evicted_cnt; /* children that are not; atomic to read without lock */
	uint64_t ewb, eldu; /* children that went and came, since CREATE */
	struct page_array page_array;
	struct sgx_va_page *va_pages; /* va_count of them */
	uint32_t va_count, va_hint; /* none before va_hint has a free slot */

	uint64_t reserved; /* under sgx_epc.lock: EPC pages set aside for ADD_PAGES */
};

/* The only consumer that there is. */
static inline struct sgx_encl *sgx_encl_of(struct sgx_consumer *consumer)
{
	return (struct sgx_encl *)(void *)((char *)consumer - offsetof(struct sgx_encl, consumer));
}

struct sgx_subsystem {
	struct cpu_package *pkg;
	const struct sgx_host_ops *ops;
	void *host_ctx;
	struct sgx_epc epc;
	struct sgx_reclaimer reclaimer;

	pthread_mutex_t encl_lock; /* a leaf: the list of enclaves */
	struct sgx_encl *encl_list;
	uint64_t encl_count;

	/* A leaf: EINIT sees the MSRs that were written for it. */
	pthread_mutex_t launch_lock;
	uint64_t reset_lepubkeyhash[4]; /* IA32_SGXLEPUBKEYHASH as it was at the start */

	/* Bits that a SIGSTRUCT may not ask for, from CPUID 12H */
	uint64_t attributes_reserved_mask;
	uint64_t xfrm_reserved_mask;
	uint32_t misc_reserved_mask;
};

static inline uint32_t sgx_encl_flags(const struct sgx_encl *encl)
{
	return __atomic_load_n(&encl->flags, __ATOMIC_ACQUIRE);
}

static inline void sgx_encl_set_flags(struct sgx_encl *encl, uint32_t flags)
{
	__atomic_fetch_or(&encl->flags, flags, __ATOMIC_RELEASE);
}

/* Where an ioctl notes why it is refused; NULL: nobody asks. */
static inline struct why *sgx_call_why(const struct sgx_encl *encl, struct sgx_call *call)
{
	return encl->sgx->ops->why ? encl->sgx->ops->why(call) : NULL;
}

/* No page of the EPC is to be had.  Return: -ENOMEM */
static inline int sgx_epc_full(const struct sgx_encl *encl, struct why *why)
{
	return why_ret(why, -ENOMEM, WHY_EPC_FULL, encl->sgx->epc.total, 0);
}

/* va.c */
int sgx_encl_grow(struct sgx_encl *encl, epc_slot_t *va, struct why *why);
void sgx_encl_grown(struct sgx_encl *encl, epc_slot_t va);
void sgx_encl_shrink(struct sgx_encl *encl, epc_slot_t va);
void sgx_encl_free_va_pages(struct sgx_encl *encl);
uint32_t sgx_alloc_va_slot(struct sgx_encl *encl);
void sgx_free_va_slot(struct sgx_encl *encl, uint32_t slot);
bool sgx_va_used(const struct sgx_encl *encl, uint32_t slot);
bool sgx_va_check(const struct sgx_encl *encl, const char **why);

/* encl_reclaim.c */
extern const struct sgx_consumer_ops sgx_encl_consumer_ops;

/* backing.c */
void sgx_encl_ewb(struct sgx_encl *encl, struct sgx_encl_page *page, const struct sgx_backing *b);
void sgx_encl_ewb_secs(struct sgx_encl *encl);
int sgx_encl_load_page(struct sgx_encl *encl, uint64_t addr, struct sgx_encl_page **page);
int sgx_encl_load_secs(struct sgx_encl *encl);

void sgx_encl_lose(struct sgx_encl *encl);
void sgx_encl_lose_page(struct sgx_encl *encl, const struct sgx_encl_page *page, uint64_t offset);
struct sgx_encl_page *sgx_encl_find_page(struct sgx_encl *encl, uint64_t addr);
void sgx_launch_init(struct sgx_subsystem *sgx);
int sgx_einit(struct sgx_encl *encl, const struct sgx_sigstruct_arch *sigstruct,
	      const struct sgx_einittoken *token, struct why *why);
int sgx_set_attribute(struct sgx_call *call, const struct sgx_host_ops *ops,
		      uint64_t *allowed_attributes, int attribute_fd, struct why *why);

#endif
