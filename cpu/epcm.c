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
 * epcm_lock_modify() - what the leaves hold that change a page of a running enclave
 *
 * The SDM's table has two columns for their target: Shared (or Concurrent, which
 * comes to the same here) against all leaves, Exclusive against each other.
 * Return: EPCM_HELD; EPCM_IN_USE where one of the others is at it; EPCM_GOING where
 * another leaf makes the page or takes it away.
 */
enum epcm_hold epcm_lock_modify(struct epcm_entry *entry)
{
	/* This one first, as EMODT does, which is told from EREMOVE by it. */
	if (!epcm_lock_exclusive(&entry->modify_lock))
		return EPCM_IN_USE;
	if (epcm_lock_shared(&entry->lock))
		return EPCM_HELD;
	epcm_unlock_exclusive(&entry->modify_lock);
	return EPCM_GOING;
}

void epcm_unlock_modify(struct epcm_entry *entry)
{
	epcm_unlock_shared(&entry->lock);
	epcm_unlock_exclusive(&entry->modify_lock);
}

/**
 * epcm_set() - make an entry valid
 * @secinfo_flags: PT, RWX, PENDING, MODIFIED, PR
 * @blocked: as ELDB leaves it; blocked_epoch is set
 *
 * Nobody has a translation to the page yet, so that no tracking is needed for it:
 * EWB has seen to that before a page could come back.
 *
 * Context: the entry is locked exclusively.  VALID is written last and with all
 * that is beside it, for readers that take no lock.
 */
void epcm_set(struct epcm_entry *entry, uint64_t secinfo_flags, epc_slot_t secs, uint64_t address,
	      bool blocked)
{
	struct epcm_entry now = {
		.valid = 1,
		.blocked = blocked,
		.pt = SGX_SECINFO_PT(secinfo_flags) & 31,
		.rwx = secinfo_flags & SGX_SECINFO_RWX_BITS,
		.pending = !!(secinfo_flags & SGX_SECINFO_PENDING_BIT),
		.modified = !!(secinfo_flags & SGX_SECINFO_MODIFIED_BIT),
		.pr = !!(secinfo_flags & SGX_SECINFO_PR_BIT),
	};

	__atomic_store_n(&entry->address, address, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->secs, secs, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->state, now.state, __ATOMIC_RELEASE);
}

/**
 * epcm_read() - VALID, BLOCKED and the attributes of an entry, of one moment
 */
struct epcm_entry epcm_read(const struct epcm_entry *entry)
{
	return (struct epcm_entry){.state = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE)};
}

/**
 * epcm_change() - type, permissions and states of a valid page, in one moment
 * @now: has them
 *
 * Context: the entry is locked by epcm_lock_modify(), or by EMODT.
 */
void epcm_change(struct epcm_entry *entry, const struct epcm_entry *now)
{
	__atomic_store_n(&entry->attributes, now->attributes, __ATOMIC_RELEASE);
}

/**
 * epcm_restrict() - epcm_change() that takes something away
 *
 * The epoch is read behind the change: a thread that enters in a later one has seen
 * the change.
 */
void epcm_restrict(struct cpu_package *pkg, struct epcm_entry *entry, struct epcm_entry now)
{
	const struct secs_hidden *secs = &secs_get(pkg, entry->secs)->hidden;

	now.untracked = 1;
	epcm_change(entry, &now);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	entry->modified_epoch = (uint32_t)__atomic_load_n(&secs->epoch, __ATOMIC_RELAXED);
}

/**
 * epcm_secinfo() - an entry as SECINFO.FLAGS has it: PT, RWX, PENDING, MODIFIED, PR
 */
uint64_t epcm_secinfo(const struct epcm_entry *entry)
{
	struct epcm_entry now = epcm_read(entry);

	return (uint64_t)now.pt << SGX_SECINFO_PT_SHIFT | now.rwx |
	       (now.pending ? SGX_SECINFO_PENDING_BIT : 0) |
	       (now.modified ? SGX_SECINFO_MODIFIED_BIT : 0) | (now.pr ? SGX_SECINFO_PR_BIT : 0);
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
