/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[ETRACK]: RCX = a SECS.  ENCLS[ETRACKC]: RCX = any page of the enclave, and
 * conflicts are codes.  Begins a tracking cycle: pages that are blocked by now can
 * be evicted as soon as every thread inside has entered after this.
 *
 * RAX: 0, SGX_PREV_TRK_INCMPL; ETRACKC: SGX_EPC_PAGE_CONFLICT, SGX_PG_INVLD,
 * SGX_TRACK_NOT_REQUIRED as well.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"
#include "../paging.h"

/* The SECS is held shared; @busy is the answer to another leaf that tracks. */
static struct cpu_result track(struct cpu_package *pkg, epc_slot_t slot, struct cpu_result busy)
{
	struct secs_hidden *secs = &secs_get(pkg, slot)->hidden;
	const struct epc_mem_ops *mem = pkg->mem;
	struct cpu_result r = cpu_done();
	uint64_t epoch;

	/* Nobody else uses this SECS' tracking. */
	if (!epcm_lock_exclusive(&secs->track_lock))
		return busy;
	epoch = __atomic_load_n(&secs->epoch, __ATOMIC_RELAXED);
	/* All threads of the cycle before are out. */
	if (mem->oldest_epoch && mem->oldest_epoch(pkg->mem_ctx, slot) < epoch) {
		r = cpu_code(SGX_ERR_PREV_TRK_INCMPL);
		goto unlock;
	}
	/* Entries first: a thread that carries the old epoch is only waited for. */
	if (mem->set_epoch)
		mem->set_epoch(pkg->mem_ctx, slot, epoch + 1);
	__atomic_store_n(&secs->epoch, epoch + 1, __ATOMIC_RELEASE);
unlock:
	epcm_unlock_exclusive(&secs->track_lock);
	return r;
}

struct cpu_result encls_etrack(struct cpu_package *pkg, const struct cpu_as *as,
			       struct cpu_regs *regs)
{
	struct epcm_entry *entry;
	struct cpu_result r;
	epc_slot_t slot;

	/* RCX is an EPC page. */
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* No leaf takes it away, and it is a SECS. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_gp();
	r = epcm_pf(regs->rcx);
	if (entry->valid && entry->pt == SGX_PT_SECS)
		r = track(pkg, slot, cpu_gp());
	epcm_unlock_shared(&entry->lock);
	return r;
}

struct cpu_result encls_etrackc(struct cpu_package *pkg, const struct cpu_as *as,
				struct cpu_regs *regs)
{
	struct cpu_result busy = cpu_code(SGX_ERR_EPC_PAGE_CONFLICT), r;
	struct epcm_entry *entry, now;
	epc_slot_t slot;

	/* RCX is an EPC page. */
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return busy;
	/* Its SECS stays while the page names it. */
	now = epcm_read(entry);
	if (!now.valid)
		r = cpu_code(SGX_ERR_PG_INVLD);
	else if (now.pt == SGX_PT_SECS)
		r = track(pkg, slot, busy);
	else if (paging_child(now.pt))
		r = track(pkg, entry->secs, busy);
	else
		r = cpu_code(SGX_ERR_TRACK_NOT_REQUIRED);
	epcm_unlock_shared(&entry->lock);
	return r;
}
