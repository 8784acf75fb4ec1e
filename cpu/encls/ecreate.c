/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[ECREATE]: RBX = PAGEINFO, RCX = destination, a free EPC page.
 *
 *	PAGEINFO.SRCPGE		source SECS
 *	PAGEINFO.SECINFO	PT_SECS
 *	PAGEINFO.LINADDR, SECS	0
 *
 * Faults only: ECREATE reports nothing in RAX.
 */
#include "encls.h"

#include <base/bits.h>
#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../secs.h"

/* Bits of XFRM, which has x87 and SSE, that XSETBV would only take together. */
static bool xfrm_legal(uint64_t xfrm)
{
	const uint64_t avx = 1u << 2, mpx = 3u << 3, avx512 = 7u << 5;
	const uint64_t cet = 3u << 11, tile = 3u << 17;

	if ((xfrm & avx512) && ((xfrm & avx512) != avx512 || !(xfrm & avx)))
		return false;
	return (!(xfrm & mpx) || (xfrm & mpx) == mpx) && (!(xfrm & cet) || (xfrm & cet) == cet) &&
	       (!(xfrm & tile) || (xfrm & tile) == tile);
}

/* What the SDM asks of the source SECS, in its order; each is a #GP(0). */
static bool secs_legal(const struct cpu_config *config, const struct sgx_secs *secs)
{
	uint64_t flags = secs->attributes.flags, xfrm = secs->attributes.xfrm;
	bool mode64 = flags & SGX_ATTR_MODE64_BIT;
	unsigned int max_size = mode64 ? config->max_size_64 : config->max_size_32;

	/* XFRM has x87 and SSE, and is a legal XCR0 of this processor. */
	if ((xfrm & SGX_XFRM_LEGACY) != SGX_XFRM_LEGACY)
		return false;
	if ((xfrm & ~config->xfrm) || !xfrm_legal(xfrm))
		return false;
	/* MISCSELECT asks for what CPUID offers only. */
	if (secs->miscselect & ~config->miscselect)
		return false;
	/* The declared SSA frame holds XSAVE image, MISC region and GPRSGX. */
	if ((uint64_t)secs->ssaframesize * SGX_PAGE_SIZE <
	    secs_ssa_size(config, xfrm, secs->miscselect))
		return false;
	/* BASE is canonical in 64-bit mode, below 4 GiB otherwise. */
	if (mode64 ? !is_canonical(secs->base) : (secs->base >> 32) != 0)
		return false;
	/* SIZE is below what CPUID names as the mode's limit... */
	if (secs->size >> max_size)
		return false;
	/* ... at least two pages, and a power of two. */
	if (secs->size < 2 * SGX_PAGE_SIZE || !is_pow2(secs->size))
		return false;
	/* BASE is aligned to SIZE. */
	if (!is_aligned(secs->base, secs->size))
		return false;
	/* ATTRIBUTES has no bit that CPUID does not offer; INIT is never offered. */
	if (flags & ~config->attributes)
		return false;
	/* Reserved fields are 0; without CET its fields are reserved. */
	if (!mem_is_zero(secs->rsvd1, sizeof(secs->rsvd1)) ||
	    !mem_is_zero(secs->rsvd2, sizeof(secs->rsvd2)) ||
	    !mem_is_zero(secs->rsvd3, sizeof(secs->rsvd3)) ||
	    !mem_is_zero(secs->rsvd4, sizeof(secs->rsvd4)))
		return false;
	if (!(flags & SGX_ATTR_CET_BIT) && (secs->cet_attributes || secs->cet_leg_bitmap_offset))
		return false;
	/* CONFIGID and CONFIGSVN are key separation's: 0 without ATTRIBUTES.KSS. */
	if (!(flags & SGX_ATTR_KSS_BIT) &&
	    (secs->configsvn || !mem_is_zero(secs->configid, sizeof(secs->configid))))
		return false;
	return true;
}

struct cpu_result encls_ecreate(struct cpu_package *pkg, const struct cpu_as *as,
				struct cpu_regs *regs)
{
	struct sgx_secinfo_arch secinfo;
	struct sgx_pageinfo pageinfo;
	struct epcm_entry *entry;
	union secs_page secs;
	struct cpu_result r;
	epc_slot_t slot;

	/* PAGEINFO is 32-byte aligned, the destination is an EPC page. */
	r = operand_check(regs->rbx, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* Source page-aligned, SECINFO 64-byte aligned; LINADDR and SECS are 0. */
	r = operand_read(as, regs->rbx, &pageinfo, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_check(pageinfo.srcpge, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(pageinfo.secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	if (pageinfo.linaddr || pageinfo.secs)
		return cpu_gp();

	/* SECINFO has no reserved bit set and says PT_SECS. */
	r = operand_read(as, pageinfo.secinfo, &secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	if ((secinfo.flags & SGX_SECINFO_RSVD_BITS) ||
	    !mem_is_zero(secinfo.rsvd, sizeof(secinfo.rsvd)) ||
	    SGX_SECINFO_PT(secinfo.flags) != SGX_PT_SECS)
		return cpu_gp();

	/* No other leaf uses the destination, and it is free. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp();
	r = epcm_pf(regs->rcx);
	if (entry->valid)
		goto unlock;

	/* The source SECS, which may change meanwhile: the copy is checked. */
	r = operand_read(as, pageinfo.srcpge, &secs, sizeof(secs));
	if (!cpu_ok(r))
		goto unlock;
	r = cpu_gp();
	if (!secs_legal(&pkg->config, &secs.arch))
		goto unlock;

	/*
	 * Commit.  What EINIT sets starts as 0, and MRENCLAVE starts with
	 * "ECREATE", SSAFRAMESIZE and SIZE.
	 */
	memset(secs.arch.mrenclave, 0, sizeof(secs.arch.mrenclave));
	memset(secs.arch.mrsigner, 0, sizeof(secs.arch.mrsigner));
	secs.arch.isvprodid = 0;
	secs.arch.isvsvn = 0;
	memset(&secs.hidden, 0, sizeof(secs.hidden));
	cpu_measure_ecreate(&secs.hidden.measure, secs.arch.ssaframesize, secs.arch.size);
	r = cpu_host_nomem();
	if (pkg->mem->fill(pkg->mem_ctx, slot, EPC_SLOT_NONE, 0, &secs))
		goto unlock;
	secs_get(pkg, slot)->hidden.eid = __atomic_fetch_add(&pkg->next_eid, 1, __ATOMIC_RELAXED);
	epcm_set(entry, SGX_PT_SECS, EPC_SLOT_NONE, 0, 0);
	r = cpu_done();
unlock:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
