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

/*
 * A source TCS: reserved bytes and flags are 0; a 32-bit enclave's segments end
 * at page ends.  What CET and AEX-Notify use is reserved to enclaves with them.
 */
static bool tcs_legal(const struct sgx_tcs *tcs, uint64_t attributes)
{
	uint64_t flags = SGX_TCS_DBGOPTIN_BIT;

	if (attributes & SGX_ATTR_AEXNOTIFY_BIT)
		flags |= SGX_TCS_AEXNOTIFY_BIT;
	if ((tcs->flags & ~flags) || !mem_is_zero(tcs->rsvd, sizeof(tcs->rsvd)))
		return false;
	if (!(attributes & SGX_ATTR_CET_BIT) && (tcs->ocetssa || tcs->prevssp))
		return false;
	if (!(attributes & SGX_ATTR_MODE64_BIT) &&
	    ((tcs->fslimit & 0xfff) != 0xfff || (tcs->gslimit & 0xfff) != 0xfff))
		return false;
	return true;
}

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
				  uint64_t secinfo_flags, const void *source)
{
	uint64_t attributes = secs_flags(secs);
	enum sgx_pt pt = SGX_SECINFO_PT(secinfo_flags);
	struct cpu_result r = cpu_gp();
	union eadd_page copy;

	if (pt == SGX_PT_TCS) {
		memcpy(&copy, source, sizeof(copy));
		if (!tcs_legal(&copy.tcs, attributes))
			return r;
		tcs_reset(&copy.tcs);
		source = &copy;
		secinfo_flags &= ~SGX_SECINFO_RWX_BITS;
	} else if ((secinfo_flags & SGX_SECINFO_W_BIT) && !(secinfo_flags & SGX_SECINFO_R_BIT)) {
		/* No page is written that cannot be read. */
		return r;
	}
	/* LINADDR is in the ELRANGE. */
	if (!secs_in_elrange(secs, pageinfo->linaddr))
		return r;
	/* Nobody else extends MRENCLAVE, and the enclave is not initialised. */
	if (!epcm_lock_exclusive(&secs->hidden.measure_lock))
		return r;
	if (secs_initialised(secs))
		goto unlock;

	/* Commit: page, measurement, EPCM. */
	r = cpu_host_nomem();
	if (pkg->mem->fill(pkg->mem_ctx, slot, secs_slot, pageinfo->linaddr, source))
		goto unlock;
	cpu_measure_eadd(&secs->hidden.measure, pageinfo->linaddr - secs->arch.base, secinfo_flags);
	__atomic_add_fetch(&secs->hidden.children, 1, __ATOMIC_RELAXED);
	epcm_set(epcm_get(pkg, slot), pt, secs_slot, pageinfo->linaddr,
		 secinfo_flags & SGX_SECINFO_RWX_BITS);
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
	r = operand_check(regs->rbx, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* Source, SECS and LINADDR page-aligned, SECINFO 64-byte aligned. */
	r = operand_read(as, regs->rbx, &pageinfo, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_check(pageinfo.srcpge, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(pageinfo.secs, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(pageinfo.secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_check(pageinfo.linaddr, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_epc(pkg, pageinfo.secs, &secs_slot);
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
	    !mem_is_zero(secinfo.rsvd, sizeof(secinfo.rsvd)) ||
	    (pt != SGX_PT_REG && pt != SGX_PT_TCS))
		return cpu_gp();

	/* No other leaf uses the destination, and it is free. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp();
	r = epcm_pf(regs->rcx);
	if (entry->valid)
		goto unlock_entry;

	/* No other leaf takes the SECS away, and it is one. */
	secs_entry = epcm_get(pkg, secs_slot);
	r = cpu_gp();
	if (!epcm_lock_shared(&secs_entry->lock))
		goto unlock_entry;
	r = epcm_pf(pageinfo.secs);
	if (!secs_entry->valid || secs_entry->pt != SGX_PT_SECS)
		goto unlock_secs;

	r = operand_map(as, pageinfo.srcpge, SGX_PAGE_SIZE, &source);
	if (!cpu_ok(r))
		goto unlock_secs;
	r = add_page(pkg, slot, secs_slot, secs_get(pkg, secs_slot), &pageinfo, secinfo.flags,
		     source);
unlock_secs:
	epcm_unlock_shared(&secs_entry->lock);
unlock_entry:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
