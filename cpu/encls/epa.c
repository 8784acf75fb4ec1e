/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EPA]: RBX = PT_VA, RCX = a free EPC page, which becomes a version array
 * with every slot free.
 *
 * Faults only: EPA reports nothing in RAX.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"

struct cpu_result encls_epa(struct cpu_package *pkg, const struct cpu_as *as, struct cpu_regs *regs)
{
	struct epcm_entry *entry;
	struct cpu_result r;
	epc_slot_t slot;

	/* RBX says PT_VA, and RCX is an EPC page. */
	if (regs->rbx != SGX_PT_VA)
		return cpu_gp();
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* No other leaf uses it, and it is free. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp();
	r = epcm_pf(regs->rcx);
	if (entry->valid)
		goto unlock;

	r = cpu_host_nomem();
	if (pkg->mem->fill(pkg->mem_ctx, slot, EPC_SLOT_NONE, 0, NULL))
		goto unlock;
	epcm_set(entry, SGX_PT_VA << SGX_SECINFO_PT_SHIFT, EPC_SLOT_NONE, 0, false);
	r = cpu_done();
unlock:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
