/* SPDX-License-Identifier: BSD-3-Clause */
#include "epcm.h"

#include "secs.h"

/**
 * epcm_lock_exclusive() - the SDM's Exclusive access
 *
 * Return: false where anybody else holds the lock; it is never waited for.
 */
bool epcm_lock_exclusive(int32_t *lock)
{
	int32_t free = 0;

	return __atomic_compare_exchange_n(lock, &free, -1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

void epcm_unlock_exclusive(int32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/**
 * epcm_lock_shared() - the SDM's Shared access
 *
 * Return: false where somebody holds it exclusively.
 */
bool epcm_lock_shared(int32_t *lock)
{
	int32_t count = __atomic_load_n(lock, __ATOMIC_RELAXED);

	do {
		if (count < 0)
			return false;
	} while (!__atomic_compare_exchange_n(lock, &count, count + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

void epcm_unlock_shared(int32_t *lock)
{
	__atomic_sub_fetch(lock, 1, __ATOMIC_RELEASE);
}

/**
 * epcm_set() - make an entry valid, with BLOCKED, PENDING, MODIFIED, PR clear
 *
 * Context: the entry is locked exclusively.  VALID is written last, for readers
 * that take no lock (statistics).
 */
void epcm_set(struct epcm_entry *entry, enum sgx_pt pt, epc_slot_t secs, uint64_t address,
	      unsigned int rwx)
{
	entry->address = address;
	entry->secs = secs;
	entry->pt = pt & 31;
	entry->rwx = rwx & SGX_SECINFO_RWX_BITS;
	entry->blocked = 0;
	entry->pending = 0;
	entry->modified = 0;
	entry->pr = 0;
	__atomic_store_n(&entry->valid, 1, __ATOMIC_RELEASE);
}

/**
 * epcm_load() - make an entry valid, as ELD finds it in PCMD
 * @secinfo_flags: PT, RWX, PENDING, MODIFIED, PR; of a MAC that was right
 *
 * Context: the entry is locked exclusively, blocked_epoch set.
 */
void epcm_load(struct epcm_entry *entry, uint64_t secinfo_flags, epc_slot_t secs, uint64_t address,
	       bool blocked)
{
	entry->address = address;
	entry->secs = secs;
	entry->pt = SGX_SECINFO_PT(secinfo_flags) & 31;
	entry->rwx = secinfo_flags & SGX_SECINFO_RWX_BITS;
	entry->blocked = blocked;
	entry->pending = !!(secinfo_flags & SGX_SECINFO_PENDING_BIT);
	entry->modified = !!(secinfo_flags & SGX_SECINFO_MODIFIED_BIT);
	entry->pr = !!(secinfo_flags & SGX_SECINFO_PR_BIT);
	__atomic_store_n(&entry->valid, 1, __ATOMIC_RELEASE);
}

/**
 * epcm_remove() - a valid page becomes free
 *
 * The child count goes down after the entry is invalid: until then the SECS
 * counts this child, so that no EREMOVE of the SECS can pass this one.
 * Context: the entry is locked exclusively.
 */
void epcm_remove(struct cpu_package *pkg, struct epcm_entry *entry, epc_slot_t slot)
{
	__atomic_store_n(&entry->valid, 0, __ATOMIC_RELEASE);
	pkg->mem->drop(pkg->mem_ctx, slot);
	if (entry->secs != EPC_SLOT_NONE)
		__atomic_sub_fetch(&secs_get(pkg, entry->secs)->hidden.children, 1,
				   __ATOMIC_RELEASE);
}
