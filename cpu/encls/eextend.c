/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EEXTEND]: RBX = SECS, RCX = 256 bytes of one of its pages, to be measured.
 *
 * Faults only: EEXTEND reports nothing in RAX.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

/* The checks on the page's owner, and the commit; the page is held. */
static struct cpu_result extend(struct cpu_package *pkg, const struct epcm_entry *entry,
				epc_slot_t slot, epc_slot_t secs_slot, uint64_t addr,
				struct why *why)
{
	struct cpu_result r = cpu_gp();
	union secs_page *secs;
	uint64_t offset;

	/* RBX is the SECS of the page, not just any. */
	if (entry->secs != secs_slot)
		return cpu_gp_why(why, WHY_EEXTEND_SECS, entry->secs, secs_slot);
	/*
	 * Nobody else extends MRENCLAVE, and the enclave is not initialised.
	 * The SECS stays, unlocked: it has this child.
	 */
	secs = secs_get(pkg, secs_slot);
	if (!epcm_lock_exclusive(&secs->hidden.measure_lock))
		return cpu_gp_why(why, WHY_MEASURE_BUSY, 0, 0);
	if (secs_initialised(secs)) {
		why_note(why, WHY_SECS_INITIALISED, 0, 0);
		goto unlock;
	}

	/* Commit: "EEXTEND", the chunk's offset in the ELRANGE, the chunk. */
	offset = addr & ~SGX_PAGE_MASK;
	cpu_measure_eextend(&secs->hidden.measure, entry->address - secs->arch.base + offset,
			    pkg->mem->bytes(pkg->mem_ctx, slot) + offset);
	r = cpu_done();
unlock:
	epcm_unlock_exclusive(&secs->hidden.measure_lock);
	return r;
}

struct cpu_result encls_eextend(struct cpu_package *pkg, const struct cpu_as *as,
				struct cpu_regs *regs)
{
	epc_slot_t slot, secs_slot;
	struct epcm_entry *entry, now;
	struct cpu_result r;

	/* RBX is an EPC page, RCX a 256-byte chunk of one. */
	r = operand_epc_aligned(pkg, as, regs->rbx, SGX_PAGE_SIZE, &secs_slot);
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_EEXTEND_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* No other leaf takes the page away; it is valid, PT_REG or PT_TCS. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_gp_why(as->why, WHY_EPCM_BUSY, regs->rcx, 0);
	now = epcm_read(entry);
	if (now.valid && (now.pt == SGX_PT_REG || now.pt == SGX_PT_TCS))
		r = extend(pkg, entry, slot, secs_slot, regs->rcx, as->why);
	else
		r = epcm_pf_why(as->why, WHY_EEXTEND_PAGE, regs->rcx);
	epcm_unlock_shared(&entry->lock);
	return r;
}
