/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EDBGWR]: RBX goes to 8 bytes at RCX, in a debug enclave's page.  The
 * page's R, W and X do not matter; of a TCS only FLAGS may be written.
 *
 * RAX: 0, SGX_PAGE_NOT_DEBUGGABLE.
 */
#include "encls.h"

#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

static struct cpu_result debug_write(struct cpu_package *pkg, const struct epcm_entry *entry,
				     epc_slot_t slot, const struct cpu_regs *regs)
{
	const struct epcm_entry now = epcm_read(entry);
	uint64_t offset = regs->rcx & ~SGX_PAGE_MASK;

	/* A valid page of type PT_REG or PT_TCS. */
	if (!now.valid || (now.pt != SGX_PT_REG && now.pt != SGX_PT_TCS))
		return epcm_pf(regs->rcx);
	/* Not accepted by the enclave yet. */
	if (now.pending || now.modified)
		return cpu_code(SGX_ERR_PAGE_NOT_DEBUGGABLE);
	/* Nothing but FLAGS in a TCS. */
	if (now.pt == SGX_PT_TCS && offset != offsetof(struct sgx_tcs, flags))
		return cpu_gp();
	/* The enclave allows debugging. */
	if (!(secs_flags(secs_get(pkg, entry->secs)) & SGX_ATTR_DEBUG_BIT))
		return cpu_gp();

	memcpy(pkg->mem->bytes(pkg->mem_ctx, slot) + offset, &regs->rbx, sizeof(regs->rbx));
	return cpu_done();
}

struct cpu_result encls_edbgwr(struct cpu_package *pkg, const struct cpu_as *as,
			       struct cpu_regs *regs)
{
	struct epcm_entry *entry;
	struct cpu_result r;
	epc_slot_t slot;

	/* RCX is 8-byte aligned, in the EPC. */
	r = operand_epc_aligned(pkg, as, regs->rcx, sizeof(uint64_t), &slot);
	if (!cpu_ok(r))
		return r;

	/* No other leaf changes the EPCM entry. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_gp();
	r = debug_write(pkg, entry, slot, regs);
	epcm_unlock_shared(&entry->lock);
	return r;
}
