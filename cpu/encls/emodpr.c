/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EMODPR]: RBX = SECINFO, RCX = a PT_REG page of an initialised enclave.  The
 * page keeps of its permissions those that SECINFO has too, and is PR until the
 * enclave accepts that, which it can when ETRACK has seen all threads out that may
 * have a translation with more.
 *
 * RAX: 0, SGX_PAGE_NOT_MODIFIABLE, SGX_EPC_PAGE_CONFLICT.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

/* The last checks and the commit; the page is held, against the leaves of SGX2 too. */
static struct cpu_result restrict_page(struct cpu_package *pkg, struct epcm_entry *entry,
				       uint64_t addr, unsigned int rwx)
{
	struct epcm_entry now = epcm_read(entry);

	/* What the enclave has not accepted yet stays as it is. */
	if (now.pending || now.modified)
		return cpu_code(SGX_ERR_PAGE_NOT_MODIFIABLE);
	/* Other types have no permissions; PT_TRIM is for EREMOVE alone. */
	if (now.pt != SGX_PT_REG)
		return epcm_pf(addr);
	/* Before EINIT permissions are what was measured. */
	if (!secs_initialised(secs_get(pkg, entry->secs)))
		return cpu_gp();

	now.pr = 1;
	now.rwx &= rwx & SGX_SECINFO_RWX_BITS;
	epcm_restrict(pkg, entry, now);
	return cpu_done();
}

struct cpu_result encls_emodpr(struct cpu_package *pkg, const struct cpu_as *as,
			       struct cpu_regs *regs)
{
	struct sgx_secinfo_arch secinfo;
	struct epcm_entry *entry;
	struct cpu_result r;
	epc_slot_t slot;

	/* SECINFO is 64-byte aligned, RCX an EPC page. */
	r = operand_check(as, regs->rbx, sizeof(secinfo));
	if (cpu_ok(r))
		r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (cpu_ok(r))
		r = operand_read(as, regs->rbx, &secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	/* SECINFO has nothing reserved, and no W without R.  Its type does not count. */
	if (!operand_secinfo_legal(&secinfo, as->why) || operand_write_only(secinfo.flags))
		return cpu_gp();

	/* No leaf makes the page or takes it away, and it is there. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_gp_why(as->why, WHY_EPCM_BUSY, regs->rcx, 0);
	r = epcm_pf(regs->rcx);
	if (!epcm_read(entry).valid)
		goto unlock;
	/* No other leaf changes it. */
	r = cpu_code(SGX_ERR_EPC_PAGE_CONFLICT);
	if (!epcm_lock_exclusive(&entry->modify_lock))
		goto unlock;
	r = restrict_page(pkg, entry, regs->rcx, (unsigned int)secinfo.flags);
	epcm_unlock_exclusive(&entry->modify_lock);
unlock:
	epcm_unlock_shared(&entry->lock);
	return r;
}
