/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EREMOVE]: RCX = an EPC page, which becomes free.
 *
 * RAX: 0, SGX_CHILD_PRESENT, SGX_ENCLAVE_ACT.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

/* Why a page may not be removed; SGX_OK if it may. The entry is held. */
static enum sgx_code refusal(struct cpu_package *pkg, const struct epcm_entry *entry,
			     epc_slot_t slot)
{
	const struct epc_mem_ops *mem = pkg->mem;

	switch (entry->pt) {
	case SGX_PT_SECS:
		/* A SECS stays while an EPC page names it. */
		if (__atomic_load_n(&secs_get(pkg, slot)->hidden.children, __ATOMIC_ACQUIRE))
			return SGX_ERR_CHILD_PRESENT;
		return SGX_OK;
	case SGX_PT_VA:
		return SGX_OK;
	case SGX_PT_TRIM:
		/* Trimmed and accepted: no thread can use it any more. */
		if (!entry->modified)
			return SGX_OK;
		break;
	default:
		break;
	}
	/* A child stays while a logical processor is inside its enclave. */
	if (mem->tcs_busy && mem->tcs_busy(pkg->mem_ctx, slot))
		return SGX_ERR_ENCLAVE_ACT;
	return SGX_OK;
}

struct cpu_result encls_eremove(struct cpu_package *pkg, const struct cpu_as *as,
				struct cpu_regs *regs)
{
	struct epcm_entry *entry;
	enum sgx_code code;
	struct cpu_result r;
	epc_slot_t slot;

	/* RCX is an EPC page. */
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* No other leaf uses it. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp();
	/* A free page is success, and nothing to do. */
	if (!entry->valid)
		goto unlock;
	code = refusal(pkg, entry, slot);
	if (code != SGX_OK) {
		r = cpu_code(code);
		goto unlock;
	}
	epcm_remove(pkg, entry, slot);
unlock:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
