/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EADD]: RBX = PAGEINFO, RCX = destination, a free EPC page.
 *
 *	PAGEINFO.SRCPGE		4096 bytes that become the page
 *	PAGEINFO.SECINFO	PT_REG or PT_TCS, and permissions
 *	PAGEINFO.LINADDR	where in the ELRANGE
 *	PAGEINFO.SECS		the enclave, not initialised
 *
 * Faults only: EADD reports nothing in RAX.
 */
#include "encls.h"

#include <base/bits.h>
#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"
#include "../tcs.h"

/* What the processor owns in a TCS starts as 0, and debugging is EDBGWR's to allow. */
static void tcs_reset(struct sgx_tcs *tcs)
{
	tcs->flags &= ~SGX_TCS_DBGOPTIN_BIT;
	tcs->cssa = 0;
	tcs->aep = 0;
	tcs->state = 0;
}

/* A page that is checked goes through a copy: the source may change meanwhile. */
union eadd_page {
	struct sgx_tcs tcs;
	uint8_t bytes[SGX_PAGE_SIZE];
};

/*
 * The second half of the checks and the commit; destination and SECS are held.
 * @source is read once, by fill(): a PT_REG page's bytes decide nothing.
 */
static struct cpu_result add_page(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs_slot,
				  union secs_page *secs, const struct sgx_pageinfo *pageinfo,
				  uint64_t secinfo_flags, const void *source, struct why *why)
{
	uint64_t attributes = secs_flags(secs);
	enum sgx_pt pt = SGX_SECINFO_PT(secinfo_flags);
	struct cpu_result r = cpu_gp();
	union eadd_page copy;

	if (pt == SGX_PT_TCS) {
		memcpy(&copy, source, sizeof(copy));
		if (!tcs_legal(&copy.tcs, attributes, why))
			return r;
		tcs_reset(&copy.tcs);
		source = &copy;
		secinfo_flags &= ~SGX_SECINFO_RWX_BITS;
	} else if ((secinfo_flags & SGX_SECINFO_W_BIT) && !(secinfo_flags & SGX_SECINFO_R_BIT)) {
		/* No page is written that cannot be read. */
		return cpu_gp_why(why, WHY_EADD_WRITE_ONLY, secinfo_flags, 0);
	}
	/* LINADDR is in the ELRANGE. */
	if (!secs_in_elrange(secs, pageinfo->linaddr))
		return cpu_gp_why(why, WHY_EADD_LINADDR, pageinfo->linaddr, secs->arch.base);
	/* Nobody else extends MRENCLAVE, and the enclave is not initialised. */
	if (!epcm_lock_exclusive(&secs->hidden.measure_lock))
		return cpu_gp_why(why, WHY_MEASURE_BUSY, 0, 0);
	if (secs_initialised(secs)) {
		why_note(why, WHY_SECS_INITIALISED, 0, 0);
		goto unlock;
	}

	/* Commit: page, measurement, EPCM. */
	r = cpu_host_nomem();
	if (pkg->mem->fill(pkg->mem_ctx, slot, secs_slot, pageinfo->linaddr, source))
		goto unlock;
	cpu_measure_eadd(&secs->hidden.measure, pageinfo->linaddr - secs->arch.base, secinfo_flags);
	__atomic_add_fetch(&secs->hidden.children, 1, __ATOMIC_RELAXED);
	epcm_set(epcm_get(pkg, slot), secinfo_flags, secs_slot, pageinfo->linaddr, false);
	r = cpu_done();
unlock:
	epcm_unlock_exclusive(&secs->hidden.measure_lock);
	return r;
}

struct cpu_result encls_eadd(struct cpu_package *pkg, const struct cpu_as *as,
			     struct cpu_regs *regs)
{
	struct epcm_entry *entry, *secs_entry;
	struct sgx_secinfo_arch secinfo;
	struct sgx_pageinfo pageinfo;
	epc_slot_t slot, secs_slot;
	const void *source;
	struct cpu_result r;
	unsigned int pt;

	/* PAGEINFO is 32-byte aligned, the destination is an EPC page. */
	r = operand_check(as, regs->rbx, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* Source, SECS and LINADDR page-aligned, SECINFO 64-byte aligned. */
	r = operand_read(as, regs->rbx, &pageinfo, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, pageinfo.srcpge, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, pageinfo.secs, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, pageinfo.secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, pageinfo.linaddr, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_epc(pkg, as, pageinfo.secs, &secs_slot);
	if (!cpu_ok(r))
		return r;

	/*
	 * SECINFO: no reserved bit, PT_REG or PT_TCS.  PENDING, MODIFIED and PR
	 * are reserved here: they are states of pages that SGX2 leaves make.
	 */
	r = operand_read(as, pageinfo.secinfo, &secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	pt = SGX_SECINFO_PT(secinfo.flags);
	if ((secinfo.flags & (SGX_SECINFO_RSVD_BITS | SGX_SECINFO_PENDING_BIT |
			      SGX_SECINFO_MODIFIED_BIT | SGX_SECINFO_PR_BIT)) ||
	    (pt != SGX_PT_REG && pt != SGX_PT_TCS))
		return cpu_gp_why(as->why, WHY_EADD_SECINFO, secinfo.flags, 0);
	if (!mem_is_zero(secinfo.rsvd, sizeof(secinfo.rsvd)))
		return cpu_gp_why(as->why, WHY_EADD_SECINFO_RSVD,
				  offsetof(struct sgx_secinfo_arch, rsvd) +
					  mem_first_set(secinfo.rsvd, sizeof(secinfo.rsvd)),
				  0);

	/* No other leaf uses the destination, and it is free. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp_why(as->why, WHY_EPCM_BUSY, regs->rcx, 0);
	if (entry->valid) {
		r = epcm_pf_why(as->why, WHY_EPCM_VALID, regs->rcx);
		goto unlock_entry;
	}

	/* No other leaf takes the SECS away, and it is one. */
	secs_entry = epcm_get(pkg, secs_slot);
	if (!epcm_lock_shared(&secs_entry->lock)) {
		r = cpu_gp_why(as->why, WHY_EPCM_BUSY, pageinfo.secs, 0);
		goto unlock_entry;
	}
	if (!secs_entry->valid || secs_entry->pt != SGX_PT_SECS) {
		r = epcm_pf_why(as->why, WHY_SECS_GONE, pageinfo.secs);
		goto unlock_secs;
	}

	r = operand_map(as, pageinfo.srcpge, SGX_PAGE_SIZE, &source);
	if (!cpu_ok(r))
		goto unlock_secs;
	r = add_page(pkg, slot, secs_slot, secs_get(pkg, secs_slot), &pageinfo, secinfo.flags,
		     source, as->why);
unlock_secs:
	epcm_unlock_shared(&secs_entry->lock);
unlock_entry:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
