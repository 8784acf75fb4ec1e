/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLU[EMODPE]: RBX = SECINFO, RCX = a PT_REG page of the enclave, which gets the
 * permissions of SECINFO beside its own.  Nobody has to be tracked or to accept that:
 * translations that allow less do no harm.
 *
 * Faults only: EMODPE reports nothing in RAX.
 */
#include "enclu.h"

#include <cpu/access.h>
#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

static struct cpu_result refused(const struct cpu_enclave_as *encl, uint64_t addr,
				 const struct epcm_entry *entry)
{
	return cpu_pf_why(encl->why, WHY_ENCLU_PAGE_EPCM, addr, operand_entry_word(entry), addr,
			  operand_pf(OPERAND_EPCPAGE));
}

/* The checks of the page, and the commit; @hold says whether it could be held. */
static struct cpu_result extend_page(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				     epc_slot_t slot, enum epcm_hold hold, uint64_t addr,
				     uint64_t flags)
{
	const struct epcm_access need = {.secs = encl->secs, .address = addr, .pt = SGX_PT_REG};
	struct epcm_entry *entry = epcm_get(pkg, slot), now;
	enum epcm_refusal refusal = cpu_epcm_access(entry, &need);

	/*
	 * A PT_REG page of this enclave that waits for no EACCEPT.  One that another leaf
	 * is taking away is none.
	 */
	if ((refusal != EPCM_PERMITS && refusal < EPCM_OTHER_ADDRESS) || hold == EPCM_GOING)
		return refused(encl, addr, entry);
	/* No other leaf changes it. */
	if (hold != EPCM_HELD)
		return cpu_gp_why(encl->why, WHY_ENCLU_PAGE_BUSY, addr, 0);
	if (refusal != EPCM_PERMITS)
		return refused(encl, addr, entry);
	/* No page is written that cannot be read. */
	now = epcm_read(entry);
	if (operand_write_only(flags) && !(now.rwx & SGX_SECINFO_R_BIT))
		return cpu_gp_why(encl->why, WHY_EMODPE_REQUEST, flags, operand_entry_word(entry));

	now.rwx |= flags & SGX_SECINFO_RWX_BITS;
	epcm_change(entry, &now);
	return cpu_done();
}

struct cpu_result enclu_emodpe(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
			       struct cpu_regs *regs)
{
	struct enclave_operand operand;
	struct sgx_secinfo_arch secinfo;
	epc_slot_t secinfo_slot, slot;
	enum epcm_hold hold;
	struct cpu_result r;

	/* SECINFO is 64-byte aligned, RCX a page; both in the ELRANGE, and there. */
	r = operand_linear(pkg, encl, OPERAND_SECINFO, regs->rbx);
	if (cpu_ok(r))
		r = operand_linear(pkg, encl, OPERAND_EPCPAGE, regs->rcx);
	if (cpu_ok(r))
		r = operand_slot(encl, OPERAND_SECINFO, regs->rbx, &secinfo_slot);
	if (cpu_ok(r))
		r = operand_slot(encl, OPERAND_EPCPAGE, regs->rcx, &slot);
	/* SECINFO can be read, and has nothing reserved. */
	if (cpu_ok(r))
		r = operand_hold(pkg, encl, OPERAND_SECINFO, regs->rbx, secinfo_slot, &operand);
	if (!cpu_ok(r))
		return r;
	memcpy(&secinfo, operand.bytes, sizeof(secinfo));
	operand_put(&operand);
	if (!operand_secinfo_legal(&secinfo, encl->why))
		return cpu_gp();

	if (encl->why)
		encl->why->at = OPERAND_EPCPAGE;
	hold = epcm_lock_modify(epcm_get(pkg, slot));
	r = extend_page(pkg, encl, slot, hold, regs->rcx, secinfo.flags);
	if (hold == EPCM_HELD)
		epcm_unlock_modify(epcm_get(pkg, slot));
	return r;
}
