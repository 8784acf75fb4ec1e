/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EAUG]: RBX = PAGEINFO, RCX = destination, a free EPC page, which becomes a
 * page of zeros of an initialised enclave: PENDING, until the enclave accepts it.
 *
 *	PAGEINFO.SRCPGE		0
 *	PAGEINFO.SECINFO	0: PT_REG with R and W (types of CET alone need one)
 *	PAGEINFO.LINADDR	where in the ELRANGE
 *	PAGEINFO.SECS		the enclave
 *
 * Faults only: EAUG reports nothing in RAX.
 */
#include "encls.h"

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

#define EAUG_SECINFO_FLAGS                                                            \
	(SGX_PT_REG << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT | \
	 SGX_SECINFO_PENDING_BIT)

/* The last checks and the commit; destination and SECS are held. */
static struct cpu_result augment(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs_slot,
				 uint64_t linaddr)
{
	union secs_page *secs = secs_get(pkg, secs_slot);

	/* Pages of an enclave that is being built are EADD's. */
	if (!secs_initialised(secs))
		return cpu_gp();
	/* LINADDR is in the ELRANGE. */
	if (!secs_in_elrange(secs, linaddr))
		return cpu_gp();

	if (pkg->mem->fill(pkg->mem_ctx, slot, secs_slot, linaddr, NULL))
		return cpu_host_nomem();
	__atomic_add_fetch(&secs->hidden.children, 1, __ATOMIC_RELAXED);
	epcm_set(epcm_get(pkg, slot), EAUG_SECINFO_FLAGS, secs_slot, linaddr, false);
	return cpu_done();
}

/* PAGEINFO by itself: aligned operands, no source page, the SECS in the EPC. */
static struct cpu_result check_pageinfo(const struct cpu_package *pkg, const struct cpu_as *as,
					const struct sgx_pageinfo *pageinfo, epc_slot_t *secs_slot)
{
	struct cpu_result r = cpu_done();

	if (pageinfo->secinfo)
		r = operand_check(as, pageinfo->secinfo, sizeof(struct sgx_secinfo_arch));
	if (cpu_ok(r))
		r = operand_check(as, pageinfo->secs, SGX_PAGE_SIZE);
	if (cpu_ok(r))
		r = operand_check(as, pageinfo->linaddr, SGX_PAGE_SIZE);
	if (cpu_ok(r) && pageinfo->srcpge)
		r = cpu_gp();
	return cpu_ok(r) ? operand_epc(pkg, as, pageinfo->secs, secs_slot) : r;
}

/*
 * A SECINFO asks for a shadow stack, PT_SS_FIRST or PT_SS_REST, and is #GP(0) on a
 * processor that does not offer ATTRIBUTES.CET, as this one.
 */
static struct cpu_result check_secinfo(const struct cpu_as *as, uint64_t addr)
{
	struct sgx_secinfo_arch secinfo;
	struct cpu_result r;

	if (!addr)
		return cpu_done();
	r = operand_read(as, addr, &secinfo, sizeof(secinfo));
	return cpu_ok(r) ? cpu_gp() : r;
}

struct cpu_result encls_eaug(struct cpu_package *pkg, const struct cpu_as *as,
			     struct cpu_regs *regs)
{
	struct epcm_entry *entry, *secs_entry;
	struct sgx_pageinfo pageinfo;
	epc_slot_t slot, secs_slot;
	struct cpu_result r;

	/* PAGEINFO is 32-byte aligned, the destination is an EPC page. */
	r = operand_check(as, regs->rbx, sizeof(pageinfo));
	if (cpu_ok(r))
		r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (cpu_ok(r))
		r = operand_read(as, regs->rbx, &pageinfo, sizeof(pageinfo));
	if (cpu_ok(r))
		r = check_pageinfo(pkg, as, &pageinfo, &secs_slot);
	if (!cpu_ok(r))
		return r;

	/* No other leaf uses the destination, and it is free. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp_why(as->why, WHY_EPCM_BUSY, regs->rcx, 0);
	if (entry->valid) {
		r = epcm_pf_why(as->why, WHY_EPCM_VALID, regs->rcx);
		goto unlock_entry;
	}
	r = check_secinfo(as, pageinfo.secinfo);
	if (!cpu_ok(r))
		goto unlock_entry;

	/* No other leaf takes the SECS away, and it is one. */
	secs_entry = epcm_get(pkg, secs_slot);
	if (!epcm_lock_shared(&secs_entry->lock)) {
		r = cpu_gp_why(as->why, WHY_EPCM_BUSY, pageinfo.secs, 0);
		goto unlock_entry;
	}
	if (secs_entry->valid && secs_entry->pt == SGX_PT_SECS)
		r = augment(pkg, slot, secs_slot, pageinfo.linaddr);
	else
		r = epcm_pf_why(as->why, WHY_SECS_GONE, pageinfo.secs);
	epcm_unlock_shared(&secs_entry->lock);
unlock_entry:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
