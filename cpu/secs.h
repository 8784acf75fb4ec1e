/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A SECS page as the processor keeps it: what software gave to ECREATE, and in
 * the reserved area after it what only the processor sees.  All of it is in the
 * EPC page, so that it needs no other storage and goes where the page goes.
 *
 *	   0	struct sgx_secs up to CONFIGSVN
 *	 512	struct secs_hidden
 *
 * States (ATTRIBUTES.INIT is the state):
 *
 *	          ECREATE                     EINIT
 *	 no SECS ---------> uninitialised ------------> initialised
 *	    ^               EADD, EEXTEND               entered by EENTER
 *	    |                    |                           |
 *	    '--- EREMOVE, with no child left ----------------'
 */
#ifndef CPU_SECS_H
#define CPU_SECS_H

#include <cpu/measure.h>
#include <cpu/package.h>

struct secs_hidden {
	uint64_t eid; /* SECS.EID: never reused */
	uint32_t children; /* atomic: EPC pages that name this SECS */
	int32_t measure_lock; /* exclusive in EADD, EEXTEND, EINIT */
	uint8_t isvfamilyid[16]; /* from SIGSTRUCT */
	uint8_t isvextprodid[16];
	struct cpu_measure measure; /* MRENCLAVE until EINIT closes it */
	uint64_t epoch; /* atomic: one up at each ETRACK, from 0 */
	int32_t track_lock; /* exclusive in ETRACK, shared in EBLOCK and EWB */
	uint32_t rsvd;
};

#define SECS_HIDDEN_OFFSET 512u

union secs_page {
	struct sgx_secs arch;
	struct {
		uint8_t visible[SECS_HIDDEN_OFFSET];
		struct secs_hidden hidden;
	};
};
_Static_assert(sizeof(union secs_page) == SGX_PAGE_SIZE, "SECS page size");
_Static_assert(SECS_HIDDEN_OFFSET >= offsetof(struct sgx_secs, rsvd4), "hidden in the reserved");

/* The page of a slot that is a valid SECS. */
static inline union secs_page *secs_get(const struct cpu_package *pkg, epc_slot_t slot)
{
	return (union secs_page *)(void *)pkg->mem->bytes(pkg->mem_ctx, slot);
}

/*
 * ATTRIBUTES' flags.  EINIT sets INIT while others may read the rest, which is
 * constant: both are atomic.
 */
static inline uint64_t secs_flags(const union secs_page *secs)
{
	return __atomic_load_n(&secs->arch.attributes.flags, __ATOMIC_ACQUIRE);
}

static inline bool secs_initialised(const union secs_page *secs)
{
	return secs_flags(secs) & SGX_ATTR_INIT_BIT;
}

/* ELRANGE; right at the top of the address space too, where BASE + SIZE is 0. */
static inline bool secs_in_elrange(const union secs_page *secs, uint64_t addr)
{
	return addr - secs->arch.base < secs->arch.size;
}

#endif
