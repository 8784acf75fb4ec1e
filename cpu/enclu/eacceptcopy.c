/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLU[EACCEPTCOPY]: RBX = SECINFO, RCX = a page that EAUG has added, RDX = a page of
 * the enclave.  The one becomes a copy of the other, with the permissions of SECINFO,
 * before any thread can see it.
 *
 * RAX: 0, SGX_PAGE_ATTRIBUTES_MISMATCH.
 */
#include "enclu.h"

#include <cpu/access.h>
#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

#define RW (SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT)

/* Where the three operands are, in the SDM's order of addresses and then of pages. */
static struct cpu_result find_operands(const struct cpu_package *pkg,
				       const struct cpu_enclave_as *encl,
				       const struct cpu_regs *regs, epc_slot_t slot[3])
{
	const struct {
		enum enclu_operand which;
		uint64_t addr;
	} operand[] = {
		{OPERAND_SECINFO, regs->rbx},
		{OPERAND_DESTINATION, regs->rcx},
		{OPERAND_SOURCE, regs->rdx},
	};
	struct cpu_result r = cpu_done();

	for (unsigned int i = 0; i < 3 && cpu_ok(r); i++)
		r = operand_linear(pkg, encl, operand[i].which, operand[i].addr);
	for (unsigned int i = 0; i < 3 && cpu_ok(r); i++)
		r = operand_slot(encl, operand[i].which, operand[i].addr, &slot[i]);
	return r;
}

static struct cpu_result mismatch(struct why *why, uint64_t addr, const struct epcm_entry *entry)
{
	why_note(why, WHY_EACCEPTCOPY_PAGE, addr, operand_entry_word(entry));
	return cpu_code(SGX_ERR_PAGE_ATTRIBUTES_MISMATCH);
}

/* The checks of the destination, and the commit; @hold says whether it could be held. */
static struct cpu_result copy_page(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				   epc_slot_t slot, enum epcm_hold hold, uint64_t addr,
				   const void *source, uint64_t flags)
{
	const struct epcm_access need = {
		.secs = encl->secs,
		.address = addr,
		.pt = SGX_PT_REG,
		.rwx = RW,
		.pending = true,
	};
	struct epcm_entry *entry = epcm_get(pkg, slot), now;
	enum epcm_refusal refusal = cpu_epcm_access(entry, &need);

	/*
	 * A page of this enclave that waits to be accepted.  One that another leaf is
	 * taking away is none.
	 */
	if ((refusal != EPCM_PERMITS && refusal < EPCM_OTHER_ADDRESS) || hold == EPCM_GOING)
		return mismatch(encl->why, addr, entry);
	/* No other leaf changes it. */
	if (hold != EPCM_HELD)
		return cpu_gp_why(encl->why, WHY_ENCLU_PAGE_BUSY, addr, 0);
	/* As EAUG made it: here, and with R and W alone. */
	now = epcm_read(entry);
	if (refusal != EPCM_PERMITS || now.rwx != RW)
		return mismatch(encl->why, addr, entry);

	memcpy(pkg->mem->bytes(pkg->mem_ctx, slot), source, SGX_PAGE_SIZE);
	now.rwx = flags & SGX_SECINFO_RWX_BITS;
	now.pending = 0;
	epcm_change(entry, &now);
	return cpu_done();
}

struct cpu_result enclu_eacceptcopy(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				    struct cpu_regs *regs)
{
	struct enclave_operand operand;
	struct sgx_secinfo_arch secinfo;
	epc_slot_t slot[3]; /* SECINFO, destination, source */
	enum epcm_hold hold;
	struct cpu_result r;

	r = find_operands(pkg, encl, regs, slot);
	if (cpu_ok(r))
		r = operand_hold(pkg, encl, OPERAND_SECINFO, regs->rbx, slot[0], &operand);
	if (!cpu_ok(r))
		return r;
	memcpy(&secinfo, operand.bytes, sizeof(secinfo));
	operand_put(&operand);
	/* SECINFO has nothing reserved, no W without R, and PT_REG. */
	if (!operand_secinfo_legal(&secinfo, encl->why))
		return cpu_gp();
	if (operand_write_only(secinfo.flags) || SGX_SECINFO_PT(secinfo.flags) != SGX_PT_REG)
		return cpu_gp_why(encl->why, WHY_EACCEPTCOPY_REQUEST, secinfo.flags, 0);

	r = operand_hold(pkg, encl, OPERAND_SOURCE, regs->rdx, slot[2], &operand);
	if (!cpu_ok(r))
		return r;
	hold = epcm_lock_modify(epcm_get(pkg, slot[1]));
	r = copy_page(pkg, encl, slot[1], hold, regs->rcx, operand.bytes, secinfo.flags);
	if (hold == EPCM_HELD)
		epcm_unlock_modify(epcm_get(pkg, slot[1]));
	operand_put(&operand);
	return r;
}
