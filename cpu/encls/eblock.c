/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EBLOCK]: RCX = a page of an enclave.  No new translation to it can be made
 * from now on; those in TLBs are ETRACK's business.
 *
 * RAX: 0, SGX_BLKSTATE, SGX_ENTRYEPOCH_LOCKED, SGX_NOTBLOCKABLE, SGX_PG_IS_SECS,
 * SGX_PG_INVLD, SGX_EPC_PAGE_CONFLICT.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"
#include "../paging.h"

static struct cpu_result block_page(struct cpu_package *pkg, struct epcm_entry *entry)
{
	const struct epcm_entry now = epcm_read(entry);
	struct secs_hidden *secs;
	uint8_t free = 0;

	if (!now.valid)
		return cpu_code(SGX_ERR_PG_INVLD);
	/* Children alone; a SECS has a code of its own. */
	if (!paging_child(now.pt))
		return cpu_code(now.pt == SGX_PT_SECS ? SGX_ERR_PG_IS_SECS : SGX_ERR_NOTBLOCKABLE);
	/* The epoch may not change between its reading and the blocking. */
	secs = &secs_get(pkg, entry->secs)->hidden;
	if (!epcm_lock_shared(&secs->track_lock))
		return cpu_code(SGX_ERR_ENTRYEPOCH_LOCKED);
	/*
	 * EBLOCK has the page shared, so that two may race: one blocks it.  The
	 * epoch is written first, by whoever: both would write the same.
	 */
	if (!__atomic_load_n(&entry->blocked, __ATOMIC_ACQUIRE))
		__atomic_store_n(&entry->blocked_epoch,
				 (uint32_t)__atomic_load_n(&secs->epoch, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	if (!__atomic_compare_exchange_n(&entry->blocked, &free, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED)) {
		epcm_unlock_shared(&secs->track_lock);
		return cpu_code(SGX_ERR_BLKSTATE);
	}
	epcm_unlock_shared(&secs->track_lock);
	return cpu_done();
}

struct cpu_result encls_eblock(struct cpu_package *pkg, const struct cpu_as *as,
			       struct cpu_regs *regs)
{
	struct epcm_entry *entry;
	struct cpu_result r;
	epc_slot_t slot;

	/* RCX is an EPC page. */
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* No leaf writes the page or takes it away. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_code(SGX_ERR_EPC_PAGE_CONFLICT);
	r = block_page(pkg, entry);
	epcm_unlock_shared(&entry->lock);
	return r;
}
