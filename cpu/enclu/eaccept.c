/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLU[EACCEPT]: RBX = SECINFO, RCX = a page of the enclave.  The enclave agrees to
 * what the system has done to the page (EAUG, EMODPR, EMODT), if that is what it
 * expects: type, permissions and state are as SECINFO says.
 *
 * RAX: 0, SGX_PAGE_ATTRIBUTES_MISMATCH, SGX_NOT_TRACKED.
 */
#include "enclu.h"

#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../paging.h"
#include "../tcs.h"

#define STATE_BITS (SGX_SECINFO_PENDING_BIT | SGX_SECINFO_MODIFIED_BIT | SGX_SECINFO_PR_BIT)

/*
 * Something that can be accepted: PT_REG that is PENDING or PR, or both, but not
 * MODIFIED; PT_TCS and PT_TRIM that are MODIFIED and nothing else.
 */
static bool request_legal(uint64_t flags)
{
	uint64_t state = flags & STATE_BITS;

	switch (SGX_SECINFO_PT(flags)) {
	case SGX_PT_REG:
		return state && !(state & SGX_SECINFO_MODIFIED_BIT);
	case SGX_PT_TCS:
	case SGX_PT_TRIM:
		return state == SGX_SECINFO_MODIFIED_BIT;
	default:
		return false;
	}
}

/*
 * What is in the page is a TCS that no thread has used, and no debugger: as EADD would
 * have left it.
 */
static bool tcs_acceptable(const struct sgx_tcs *tcs, uint64_t attributes)
{
	return tcs_legal(tcs, attributes, NULL) && !(tcs->flags & SGX_TCS_DBGOPTIN_BIT) &&
	       tcs->cssa < tcs->nssa && !tcs->aep && !tcs->state;
}

static struct cpu_result check_tcs(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				   epc_slot_t slot, uint64_t addr)
{
	struct sgx_tcs tcs; /* a copy, as of all that is checked */

	memcpy(&tcs, pkg->mem->bytes(pkg->mem_ctx, slot), sizeof(tcs));
	if (!tcs_acceptable(&tcs, secs_flags(secs_get(pkg, encl->secs))))
		return cpu_gp_why(encl->why, WHY_EACCEPT_TCS, addr, tcs.nssa);
	return cpu_done();
}

/* The checks of the page, and the commit; @hold says whether it could be held. */
static struct cpu_result accept_page(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				     epc_slot_t slot, enum epcm_hold hold, uint64_t addr,
				     uint64_t flags)
{
	const uint64_t compared = SGX_SECINFO_PT_BITS | SGX_SECINFO_RWX_BITS |
				  SGX_SECINFO_PENDING_BIT | SGX_SECINFO_MODIFIED_BIT;
	struct epcm_entry *entry = epcm_get(pkg, slot), now = epcm_read(entry);
	struct why *why = encl->why;
	struct cpu_result r;

	/* A page of this enclave, of a type that can be accepted, that is not being evicted. */
	if (!now.valid || now.blocked || !paging_child(now.pt) ||
	    __atomic_load_n(&entry->secs, __ATOMIC_RELAXED) != encl->secs)
		return cpu_pf_why(why, WHY_ENCLU_PAGE_EPCM, addr, operand_entry_word(entry), addr,
				  operand_pf(OPERAND_EPCPAGE));
	/* No other leaf takes the page away or changes it. */
	if (hold != EPCM_HELD)
		return cpu_gp_why(why, WHY_ENCLU_PAGE_BUSY, addr, 0);
	/* The page is as the enclave expects.  (PR, the SDM has it, is not compared.) */
	if (entry->address != addr || ((epcm_secinfo(&now) ^ flags) & compared)) {
		if (why)
			why->at = addr;
		why_note(why, WHY_EACCEPT_MISMATCH, operand_secinfo_word(flags),
			 operand_entry_word(entry));
		return cpu_code(SGX_ERR_PAGE_ATTRIBUTES_MISMATCH);
	}
	/* No thread has a translation of before. */
	if (now.untracked && !paging_tracked(pkg, encl->secs, entry->modified_epoch)) {
		why_note(why, WHY_EACCEPT_TRACKING, addr, 0);
		return cpu_code(SGX_ERR_NOT_TRACKED);
	}
	if (now.pt == SGX_PT_TCS) {
		r = check_tcs(pkg, encl, slot, addr);
		if (!cpu_ok(r))
			return r;
	}

	now.pending = 0;
	now.modified = 0;
	now.pr = 0;
	now.untracked = 0;
	epcm_change(entry, &now);
	return cpu_done();
}

struct cpu_result enclu_eaccept(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				struct cpu_regs *regs)
{
	struct enclave_operand operand;
	struct sgx_secinfo_arch secinfo;
	enum epcm_hold hold;
	struct cpu_result r;
	epc_slot_t slot;

	/* SECINFO is 64-byte aligned in enclave memory that can be read. */
	r = operand_enclave(pkg, encl, OPERAND_SECINFO, regs->rbx, &operand);
	if (!cpu_ok(r))
		return r;
	memcpy(&secinfo, operand.bytes, sizeof(secinfo));
	operand_put(&operand);
	if (!operand_secinfo_legal(&secinfo, encl->why))
		return cpu_gp();

	/* RCX is a page in the ELRANGE, and one is there. */
	r = operand_linear(pkg, encl, OPERAND_EPCPAGE, regs->rcx);
	if (cpu_ok(r))
		r = operand_slot(encl, OPERAND_EPCPAGE, regs->rcx, &slot);
	if (!cpu_ok(r))
		return r;
	if (!request_legal(secinfo.flags))
		return cpu_gp_why(encl->why, WHY_EACCEPT_REQUEST, secinfo.flags, 0);

	hold = epcm_lock_modify(epcm_get(pkg, slot));
	r = accept_page(pkg, encl, slot, hold, regs->rcx, secinfo.flags);
	if (hold == EPCM_HELD)
		epcm_unlock_modify(epcm_get(pkg, slot));
	return r;
}
