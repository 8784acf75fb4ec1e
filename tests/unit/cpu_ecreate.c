/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[ECREATE]: one case for each fault, in the SDM's order. */
#include "cpu_fixture.h"

#include <secs.h>

/* Right operands, one change, and what must come of it. */
#define ECREATE_CASE(id, change, check)  \
	TEST(ecreate_##id)               \
	{                                \
		struct sgx_secs *secs;   \
                                         \
		fx_init();               \
		fx_ecreate();            \
		secs = &fx.source->secs; \
		change;                  \
		(void)secs;              \
		check;                   \
	}
#define ECREATE_GP(id, change) ECREATE_CASE(id, change, CHECK_GP(fx_encls(SGX_ECREATE)))
#define ECREATE_OK(id, change) ECREATE_CASE(id, change, CHECK_DONE(fx_encls(SGX_ECREATE)))

RULE(ECREATE, DONE)
TEST(ecreate_done)
{
	const union secs_page *page;
	uint8_t before[SGX_HASH_SIZE], after[SGX_HASH_SIZE];
	struct cpu_measure measure;

	fx_init();
	fx_ecreate();
	/* EINIT's fields are not the source's to say. */
	fx.source->secs.isvsvn = 7;
	fx.source->secs.isvprodid = 7;
	memset(fx.source->secs.mrenclave, 7, 32);
	memset(fx.source->secs.mrsigner, 7, 32);
	CHECK_DONE(fx_encls(SGX_ECREATE));
	CHECK_EQ(fx.epcm[FX_SECS].valid, 1);
	CHECK_EQ(fx.epcm[FX_SECS].pt, SGX_PT_SECS);
	CHECK_EQ(fx.epcm[FX_SECS].secs, EPC_SLOT_NONE);
	CHECK_EQ(fx.epcm[FX_SECS].address, 0);
	CHECK_EQ(fx.epcm[FX_SECS].rwx, 0);
	CHECK_EQ(fx.fills, 1);
	page = secs_get(&fx.pkg, FX_SECS);
	CHECK_EQ(page->arch.base, FX_ENCL_BASE);
	CHECK_EQ(page->arch.size, FX_ENCL_SIZE);
	CHECK_EQ(page->arch.isvsvn, 0);
	CHECK_EQ(page->arch.isvprodid, 0);
	CHECK_EQ(page->arch.mrenclave[0], 0);
	CHECK_EQ(page->arch.mrsigner[0], 0);
	CHECK_EQ(page->hidden.eid, 1);
	CHECK_EQ(page->hidden.children, 0);
	cpu_measure_ecreate(&measure, 1, FX_ENCL_SIZE);
	cpu_measure_final(&measure, before);
	cpu_measure_final(&page->hidden.measure, after);
	CHECK_MEM(before, after, sizeof(after));
}

RULE(ECREATE, EID)
TEST(ecreate_eid_is_never_reused)
{
	fx_init();
	for (uint64_t eid = 1; eid < 4; eid++) {
		fx_ecreate();
		CHECK_DONE(fx_encls(SGX_ECREATE));
		CHECK_EQ(secs_get(&fx.pkg, FX_SECS)->hidden.eid, eid);
		CHECK_DONE(fx_encls(SGX_EREMOVE));
	}
}

/* Operands */
RULE(ECREATE, PAGEINFO_ADDR)
ECREATE_GP(pageinfo_unaligned, fx.regs.rbx += 16)
ECREATE_GP(pageinfo_not_canonical, fx.regs.rbx = 1ull << 47)
RULE(ECREATE, TARGET_ADDR)
ECREATE_GP(destination_unaligned, fx.regs.rcx += 64)
ECREATE_GP(destination_not_canonical, fx.regs.rcx = 1ull << 63)
RULE(ECREATE, TARGET_EPC)
ECREATE_CASE(destination_not_epc, fx.regs.rcx = FX_SOURCE,
	     CHECK_EPCM_PF(fx_encls(SGX_ECREATE), FX_SOURCE))
RULE(ECREATE, PAGEINFO_MAP)
ECREATE_CASE(pageinfo_unmapped, fx.mem_unmapped[0] = true,
	     CHECK_MEM_PF(fx_encls(SGX_ECREATE), FX_PAGEINFO))
RULE(ECREATE, SOURCE_ADDR)
ECREATE_GP(source_unaligned, fx.pageinfo->srcpge += 64)
RULE(ECREATE, SECINFO_ADDR)
ECREATE_GP(secinfo_unaligned, fx.pageinfo->secinfo += 32)
RULE(ECREATE, PAGEINFO_ZERO)
ECREATE_GP(linaddr_set, fx.pageinfo->linaddr = 4096)
ECREATE_GP(secs_set, fx.pageinfo->secs = fx_epc(1))
RULE(ECREATE, SECINFO_MAP)
ECREATE_CASE(secinfo_unmapped, fx.pageinfo->secinfo = FX_MEM_BASE - 64,
	     CHECK_MEM_PF(fx_encls(SGX_ECREATE), FX_MEM_BASE - 64))
RULE(ECREATE, SECINFO)
ECREATE_GP(secinfo_reserved_flag, fx.secinfo->flags |= 1ull << 6)
ECREATE_GP(secinfo_reserved_high_flag, fx.secinfo->flags |= 1ull << 63)
ECREATE_GP(secinfo_reserved_byte, fx.secinfo->rsvd[55] = 1)
ECREATE_GP(secinfo_not_secs, fx.secinfo->flags = SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
RULE(ECREATE, TARGET_BUSY)
ECREATE_GP(destination_locked, fx.epcm[FX_SECS].lock = -1)
ECREATE_GP(destination_locked_shared, fx.epcm[FX_SECS].lock = 1)
RULE(ECREATE, SOURCE_MAP)
ECREATE_CASE(source_unmapped, fx.mem_unmapped[1] = true,
	     CHECK_MEM_PF(fx_encls(SGX_ECREATE), FX_SOURCE))

RULE(ECREATE, TARGET_FREE)
TEST(ecreate_destination_valid)
{
	fx_init();
	fx_ecreate();
	CHECK_DONE(fx_encls(SGX_ECREATE));
	CHECK_EPCM_PF(fx_encls(SGX_ECREATE), fx_epc(FX_SECS));
}

/* The source SECS */
RULE(ECREATE, XFRM_LEGACY)
ECREATE_GP(xfrm_without_sse, secs->attributes.xfrm = 1)
ECREATE_GP(xfrm_without_x87, secs->attributes.xfrm = 2)
RULE(ECREATE, XFRM)
ECREATE_GP(xfrm_unsupported, secs->attributes.xfrm |= 1u << 8)
ECREATE_OK(xfrm_pkru, secs->attributes.xfrm |= 1u << 9)
RULE(ECREATE, XFRM_TOGETHER)
ECREATE_GP(xfrm_half_avx512, secs->attributes.xfrm |= 1u << 5)
ECREATE_GP(xfrm_avx512_without_avx, secs->attributes.xfrm = 0xe3)
ECREATE_OK(xfrm_avx512, secs->attributes.xfrm = 0xe7)
ECREATE_GP(xfrm_half_mpx, secs->attributes.xfrm |= 1u << 3)
ECREATE_OK(xfrm_mpx, secs->attributes.xfrm |= 3u << 3)
ECREATE_GP(xfrm_half_tile, secs->attributes.xfrm |= 1u << 17)
RULE(ECREATE, MISCSELECT)
ECREATE_GP(miscselect_unsupported, secs->miscselect = 2)
ECREATE_OK(miscselect_exinfo, secs->miscselect = SGX_MISC_EXINFO_BIT)
RULE(ECREATE, SSAFRAMESIZE)
ECREATE_GP(ssaframesize_zero, secs->ssaframesize = 0)
/* TILEDATA ends at 11008: three pages hold it with GPRSGX, two do not. */
ECREATE_GP(ssaframesize_small, secs->attributes.xfrm |= 3u << 17; secs->ssaframesize = 2)
ECREATE_OK(ssaframesize_fits, secs->attributes.xfrm |= 3u << 17; secs->ssaframesize = 3)
RULE(ECREATE, BASE_CANONICAL)
ECREATE_GP(base_not_canonical, secs->base = 1ull << 47)
ECREATE_OK(base_top, secs->base = 0xffffffffffff0000ull)
RULE(ECREATE, BASE_32)
ECREATE_GP(base_32_bit_high, secs->attributes.flags = SGX_ATTR_DEBUG_BIT)
ECREATE_OK(base_32_bit, secs->attributes.flags = SGX_ATTR_DEBUG_BIT; secs->base = 0x10000)
RULE(ECREATE, SIZE_MAX)
ECREATE_OK(size_at_32_bit_limit, secs->attributes.flags = 0; secs->base = 0;
	   secs->size = 1ull << 31)
ECREATE_GP(size_above_32_bit_limit, secs->attributes.flags = 0; secs->base = 0;
	   secs->size = 1ull << 32)
ECREATE_OK(size_at_64_bit_limit, secs->base = 0; secs->size = 1ull << 36)
ECREATE_GP(size_above_64_bit_limit, secs->base = 0; secs->size = 1ull << 37)
ECREATE_GP(size_largest, secs->base = 0; secs->size = 1ull << 63)
RULE(ECREATE, SIZE_MIN)
ECREATE_GP(size_zero, secs->size = 0)
ECREATE_GP(size_one_page, secs->size = 4096)
ECREATE_OK(size_two_pages, secs->size = 8192)
RULE(ECREATE, SIZE_POW2)
ECREATE_GP(size_not_power_of_two, secs->base = 0; secs->size = 0x3000)
RULE(ECREATE, BASE_ALIGN)
ECREATE_GP(base_not_aligned_to_size, secs->base += 0x1000)
RULE(ECREATE, ATTRIBUTES)
ECREATE_GP(attributes_init, secs->attributes.flags |= SGX_ATTR_INIT_BIT)
ECREATE_GP(attributes_unsupported, secs->attributes.flags |= SGX_ATTR_CET_BIT)
ECREATE_GP(attributes_reserved, secs->attributes.flags |= 1ull << 3)
ECREATE_OK(attributes_provision, secs->attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT)
RULE(ECREATE, RESERVED)
ECREATE_GP(reserved1, secs->rsvd1[0] = 1)
ECREATE_GP(reserved2, secs->rsvd2[31] = 1)
ECREATE_GP(reserved3, secs->rsvd3[0] = 1)
ECREATE_GP(reserved4_first, secs->rsvd4[0] = 1)
ECREATE_GP(reserved4_hidden, secs->rsvd4[512 - 262] = 1)
ECREATE_GP(reserved4_last, secs->rsvd4[3833] = 1)
RULE(ECREATE, CET)
ECREATE_GP(cet_attributes_without_cet, secs->cet_attributes = 1)
ECREATE_GP(cet_bitmap_without_cet, secs->cet_leg_bitmap_offset = 0x1000)
RULE(ECREATE, CONFIG)
ECREATE_GP(configid_without_kss, secs->configid[63] = 1)
ECREATE_GP(configsvn_without_kss, secs->configsvn = 1)
ECREATE_OK(config_with_kss, secs->attributes.flags |= SGX_ATTR_KSS_BIT; secs->configsvn = 1;
	   secs->configid[0] = 1)

NO_RULE
ECREATE_CASE(host_has_no_memory, fx.fill_fails = true,
	     CHECK_EQ(fx_encls(SGX_ECREATE).kind, CPU_HOST))
