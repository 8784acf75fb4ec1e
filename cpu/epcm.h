/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The EPCM: entries, their locks, and what "the EPCM refuses" means.
 *
 * The SDM's concurrency tables name three kinds of access to an entry.
 * Exclusive and Shared are taken here, without waiting: the leaf that comes
 * second faults or answers SGX_EPC_PAGE_CONFLICT, as on hardware.  Concurrent
 * takes nothing.  The leaves that change a page of a running enclave exclude each
 * other by a second lock, and may run beside EBLOCK or EREPORT.  The measurement of a SECS has a lock of its own
 * (secs_hidden.measure_lock), as EADD, EEXTEND and EINIT exclude each other but
 * not the debugger's leaves.
 *
 * Lock order: none is needed, as nobody waits.
 */
#ifndef CPU_EPCM_H
#define CPU_EPCM_H

#include <cpu/package.h>

static inline struct epcm_entry *epcm_get(struct cpu_package *pkg, epc_slot_t slot)
{
	return &pkg->epcm[slot];
}

bool epcm_lock_exclusive(int32_t *lock) CPU_MUST_CHECK;
void epcm_unlock_exclusive(int32_t *lock);
bool epcm_lock_shared(int32_t *lock) CPU_MUST_CHECK;
void epcm_unlock_shared(int32_t *lock);

enum epcm_hold { EPCM_HELD, EPCM_IN_USE, EPCM_GOING };

enum epcm_hold epcm_lock_modify(struct epcm_entry *entry) CPU_MUST_CHECK;
void epcm_unlock_modify(struct epcm_entry *entry);

void epcm_set(struct epcm_entry *entry, uint64_t secinfo_flags, epc_slot_t secs, uint64_t address,
	      bool blocked);
struct epcm_entry epcm_read(const struct epcm_entry *entry);
void epcm_change(struct epcm_entry *entry, const struct epcm_entry *now);
void epcm_restrict(struct cpu_package *pkg, struct epcm_entry *entry, struct epcm_entry now);
void epcm_remove(struct cpu_package *pkg, struct epcm_entry *entry, epc_slot_t slot);
uint64_t epcm_secinfo(const struct epcm_entry *entry);

/* What an ENCLS operand meets that the EPCM does not allow. */
static inline struct cpu_result epcm_pf(uint64_t addr)
{
	return cpu_pf(addr, SGX_PF_P | SGX_PF_SGX);
}

static inline struct cpu_result epcm_pf_why(struct why *why, enum why_rule rule, uint64_t addr)
{
	return cpu_pf_why(why, rule, addr, 0, addr, SGX_PF_P | SGX_PF_SGX);
}

#endif
