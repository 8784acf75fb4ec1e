/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EMODT]: RBX = SECINFO, RCX = a page of an initialised enclave.  A PT_REG page
 * becomes PT_TCS, and it or a PT_TCS page PT_TRIM: MODIFIED and without permissions,
 * until the enclave accepts that, which it can when ETRACK has seen all threads out
 * that may have a translation of before.
 *
 * RAX: 0, SGX_PAGE_NOT_MODIFIABLE, SGX_EPC_PAGE_CONFLICT.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

/* The last checks and the commit; nobody else uses the page, which is valid. */
static struct cpu_result retype_page(struct cpu_package *pkg, struct epcm_entry *entry,
				     uint64_t addr, unsigned int pt)
{
	struct epcm_entry now = epcm_read(entry);

	/* There is a way from PT_REG to both, and from PT_TCS to PT_TRIM. */
	if (now.pt != SGX_PT_REG && !(now.pt == SGX_PT_TCS && pt == SGX_PT_TRIM))
		return epcm_pf(addr);
	/* What the enclave has not accepted yet stays as it is. */
	if (now.pending || now.modified)
		return cpu_code(SGX_ERR_PAGE_NOT_MODIFIABLE);
	/* Before EINIT types are what was measured. */
	if (!secs_initialised(secs_get(pkg, entry->secs)))
		return cpu_gp();

	now.pt = pt & 31;
	now.rwx = 0;
	now.pr = 0;
	now.modified = 1;
	epcm_restrict(pkg, entry, now);
	return cpu_done();
}

struct cpu_result encls_emodt(struct cpu_package *pkg, const struct cpu_as *as,
			      struct cpu_regs *regs)
{
	struct cpu_result conflict = cpu_code(SGX_ERR_EPC_PAGE_CONFLICT), r;
	struct sgx_secinfo_arch secinfo;
	struct epcm_entry *entry;
	epc_slot_t slot;
	unsigned int pt;

	/* SECINFO is 64-byte aligned, RCX an EPC page. */
	r = operand_check(as, regs->rbx, sizeof(secinfo));
	if (cpu_ok(r))
		r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (cpu_ok(r))
		r = operand_read(as, regs->rbx, &secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	/* SECINFO has nothing reserved, and one of the two types. */
	pt = SGX_SECINFO_PT(secinfo.flags);
	if (!operand_secinfo_legal(&secinfo, as->why) || (pt != SGX_PT_TCS && pt != SGX_PT_TRIM))
		return cpu_gp();

	/* No other leaf changes the page, and none uses it; it is there. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->modify_lock))
		return conflict;
	r = conflict;
	if (!epcm_lock_exclusive(&entry->lock))
		goto unlock_modify;
	r = entry->valid ? retype_page(pkg, entry, regs->rcx, pt) : epcm_pf(regs->rcx);
	epcm_unlock_exclusive(&entry->lock);
unlock_modify:
	epcm_unlock_exclusive(&entry->modify_lock);
	return r;
}
