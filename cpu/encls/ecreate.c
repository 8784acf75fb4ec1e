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

/* Reserved fields, and those that are reserved without CET or key separation, are 0. */
static bool reserved_legal(const struct sgx_secs *secs, struct why *why)
{
	/* clang-format off */
	static const struct { uint32_t offset, size; } reserved[] = {
		{ offsetof(struct sgx_secs, rsvd1), sizeof(secs->rsvd1) },
		{ offsetof(struct sgx_secs, rsvd2), sizeof(secs->rsvd2) },
		{ offsetof(struct sgx_secs, rsvd3), sizeof(secs->rsvd3) },
		{ offsetof(struct sgx_secs, rsvd4), sizeof(secs->rsvd4) },
	};
	/* clang-format on */
	uint64_t flags = secs->attributes.flags;

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		const uint8_t *bytes = (const uint8_t *)secs + reserved[i].offset;
		size_t set = mem_first_set(bytes, reserved[i].size);

		if (set < reserved[i].size)
			return why_not(why, WHY_SECS_RESERVED, reserved[i].offset + set, 0);
	}
	if (!(flags & SGX_ATTR_CET_BIT) && (secs->cet_attributes || secs->cet_leg_bitmap_offset))
		return why_not(why, WHY_SECS_CET, secs->cet_attributes,
			       secs->cet_leg_bitmap_offset);
	/* CONFIGID and CONFIGSVN are key separation's: 0 without ATTRIBUTES.KSS. */
	if (!(flags & SGX_ATTR_KSS_BIT) &&
	    (secs->configsvn || !mem_is_zero(secs->configid, sizeof(secs->configid))))
		return why_not(why, WHY_SECS_CONFIG, secs->configsvn, mem_prefix(secs->configid));
	return true;
}

/* What the SDM asks of the source SECS, in its order; each is a #GP(0). */
static bool secs_legal(const struct cpu_config *config, const struct sgx_secs *secs,
		       struct why *why)
{
	uint64_t flags = secs->attributes.flags, xfrm = secs->attributes.xfrm;
	bool mode64 = flags & SGX_ATTR_MODE64_BIT;
	unsigned int max_size = mode64 ? config->max_size_64 : config->max_size_32;
	uint64_t ssa_size;

	/* XFRM has x87 and SSE, and is a legal XCR0 of this processor. */
	if ((xfrm & SGX_XFRM_LEGACY) != SGX_XFRM_LEGACY)
		return why_not(why, WHY_SECS_XFRM_LEGACY, xfrm, SGX_XFRM_LEGACY);
	if (xfrm & ~config->xfrm)
		return why_not(why, WHY_SECS_XFRM, xfrm, config->xfrm);
	if (!xfrm_legal(xfrm))
		return why_not(why, WHY_SECS_XFRM_TOGETHER, xfrm, config->xfrm);
	/* MISCSELECT asks for what CPUID offers only. */
	if (secs->miscselect & ~config->miscselect)
		return why_not(why, WHY_SECS_MISCSELECT, secs->miscselect, config->miscselect);
	/* The declared SSA frame holds XSAVE image, MISC region and GPRSGX. */
	ssa_size = cpu_ssa_size(config, xfrm, secs->miscselect);
	if ((uint64_t)secs->ssaframesize * SGX_PAGE_SIZE < ssa_size)
		return why_not(why, WHY_SECS_SSAFRAMESIZE, secs->ssaframesize,
			       (ssa_size + SGX_PAGE_SIZE - 1) / SGX_PAGE_SIZE);
	/* BASE is canonical in 64-bit mode, below 4 GiB otherwise. */
	if (mode64 && !is_canonical(secs->base))
		return why_not(why, WHY_SECS_BASE_CANONICAL, secs->base, 0);
	if (!mode64 && (secs->base >> 32) != 0)
		return why_not(why, WHY_SECS_BASE_32, secs->base, 0);
	/*
	 * SIZE is at most what CPUID names as the mode's limit, 2^n...  The SDM's
	 * pseudo-code of ECREATE would refuse 2^n itself; its text of CPUID 12H calls
	 * that the largest size, and processors take it.
	 */
	if (secs->size > 1ull << max_size)
		return why_not(why, WHY_SECS_SIZE_MAX, secs->size, 1ull << max_size);
	/* ... at least two pages, and a power of two. */
	if (secs->size < 2 * SGX_PAGE_SIZE)
		return why_not(why, WHY_SECS_SIZE_MIN, secs->size, 2 * SGX_PAGE_SIZE);
	if (!is_pow2(secs->size))
		return why_not(why, WHY_SECS_SIZE_POW2, secs->size, 0);
	/* BASE is aligned to SIZE. */
	if (!is_aligned(secs->base, secs->size))
		return why_not(why, WHY_SECS_BASE_ALIGN, secs->base, secs->size);
	/* ATTRIBUTES has no bit that CPUID does not offer; INIT is never offered. */
	if (flags & ~config->attributes)
		return why_not(why, WHY_SECS_ATTRIBUTES, flags, config->attributes);
	return reserved_legal(secs, why);
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
	r = operand_check(as, regs->rbx, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;

	/* Source page-aligned, SECINFO 64-byte aligned; LINADDR and SECS are 0. */
	r = operand_read(as, regs->rbx, &pageinfo, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, pageinfo.srcpge, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, pageinfo.secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	if (pageinfo.linaddr || pageinfo.secs)
		return cpu_gp_why(as->why, WHY_PAGEINFO_ZERO, pageinfo.linaddr, pageinfo.secs);

	/* SECINFO has no reserved bit set and says PT_SECS. */
	r = operand_read(as, pageinfo.secinfo, &secinfo, sizeof(secinfo));
	if (!cpu_ok(r))
		return r;
	if ((secinfo.flags & SGX_SECINFO_RSVD_BITS) ||
	    !mem_is_zero(secinfo.rsvd, sizeof(secinfo.rsvd)) ||
	    SGX_SECINFO_PT(secinfo.flags) != SGX_PT_SECS)
		return cpu_gp_why(as->why, WHY_SECINFO_SECS, secinfo.flags, 0);

	/* No other leaf uses the destination, and it is free. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp_why(as->why, WHY_EPCM_BUSY, regs->rcx, 0);
	if (entry->valid) {
		r = epcm_pf_why(as->why, WHY_EPCM_VALID, regs->rcx);
		goto unlock;
	}

	/* The source SECS, which may change meanwhile: the copy is checked. */
	r = operand_read(as, pageinfo.srcpge, &secs, sizeof(secs));
	if (!cpu_ok(r))
		goto unlock;
	r = cpu_gp();
	if (!secs_legal(&pkg->config, &secs.arch, as->why))
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
	epcm_set(entry, SGX_PT_SECS << SGX_SECINFO_PT_SHIFT, EPC_SLOT_NONE, 0, false);
	r = cpu_done();
unlock:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
