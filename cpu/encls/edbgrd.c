/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EDBGRD]: RCX = 8 bytes of a debug enclave's page or of a VA page; RBX
 * receives them.  The page's R, W and X do not matter.
 *
 * RAX: 0, SGX_PAGE_NOT_DEBUGGABLE.
 */
#include "encls.h"

#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

/* SGX_TCS_LIMIT: what follows in a TCS page is not part of the architecture. */
#define TCS_LIMIT 72u

static struct cpu_result debug_read(struct cpu_package *pkg, const struct epcm_entry *entry,
				    epc_slot_t slot, struct cpu_regs *regs)
{
	const struct epcm_entry now = epcm_read(entry);
	uint64_t offset = regs->rcx & ~SGX_PAGE_MASK;
	uint64_t value;

	/* A valid page of type PT_REG, PT_TCS or PT_VA. */
	if (!now.valid || (now.pt != SGX_PT_REG && now.pt != SGX_PT_TCS && now.pt != SGX_PT_VA))
		return epcm_pf(regs->rcx);
	/* Pages that the enclave has not accepted yet have no content to show. */
	if (now.pending || now.modified)
		return cpu_code(SGX_ERR_PAGE_NOT_DEBUGGABLE);
	/* Not beyond the end of a TCS. */
	if (now.pt == SGX_PT_TCS && offset >= TCS_LIMIT)
		return cpu_gp();
	/* The enclave allows debugging. */
	if (now.pt != SGX_PT_VA && !(secs_flags(secs_get(pkg, entry->secs)) & SGX_ATTR_DEBUG_BIT))
		return cpu_gp();

	memcpy(&value, pkg->mem->bytes(pkg->mem_ctx, slot) + offset, sizeof(value));
	/* Of a VA slot, only whether it is in use. */
	if (now.pt == SGX_PT_VA)
		value = (value & ~7ull) ? ~0ull : 0;
	regs->rbx = value;
	return cpu_done();
}

struct cpu_result encls_edbgrd(struct cpu_package *pkg, const struct cpu_as *as,
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
	r = debug_read(pkg, entry, slot, regs);
	epcm_unlock_shared(&entry->lock);
	return r;
}
