/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EADD]: one case for each fault, in the SDM's order. */
#include "cpu_fixture.h"

#include <secs.h>

#define REG_R (SGX_PT_REG << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT)
#define TCS   (SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define ADDR  (FX_ENCL_BASE + 0x4000)

/* An enclave, right operands for one more page, one change, the outcome. */
#define EADD_CASE(id, flags, change, check)    \
	TEST(eadd_##id)                        \
	{                                      \
		fx_enclave();                  \
		fx_eadd(FX_SLOT, ADDR, flags); \
		change;                        \
		check;                         \
	}
#define EADD_GP(id, flags, change) EADD_CASE(id, flags, change, CHECK_GP(fx_encls(SGX_EADD)))
#define EADD_OK(id, flags, change) EADD_CASE(id, flags, change, CHECK_DONE(fx_encls(SGX_EADD)))

static void check_measured(const struct cpu_measure *expected)
{
	uint8_t a[SGX_HASH_SIZE], b[SGX_HASH_SIZE];

	cpu_measure_final(expected, a);
	cpu_measure_final(&secs_get(&fx.pkg, FX_SECS)->hidden.measure, b);
	CHECK_MEM(a, b, sizeof(a));
}

RULE(EADD, REG_DONE)
TEST(eadd_reg_done)
{
	struct cpu_measure measure;

	fx_enclave();
	measure = secs_get(&fx.pkg, FX_SECS)->hidden.measure;
	fx_eadd(FX_SLOT, ADDR, REG_R | SGX_SECINFO_X_BIT);
	CHECK_DONE(fx_encls(SGX_EADD));
	CHECK_EQ(fx.epcm[FX_SLOT].valid, 1);
	CHECK_EQ(fx.epcm[FX_SLOT].pt, SGX_PT_REG);
	CHECK_EQ(fx.epcm[FX_SLOT].rwx, SGX_SECINFO_R_BIT | SGX_SECINFO_X_BIT);
	CHECK_EQ(fx.epcm[FX_SLOT].secs, FX_SECS);
	CHECK_EQ(fx.epcm[FX_SLOT].address, ADDR);
	CHECK_EQ(fx.epcm[FX_SLOT].lock, 0);
	CHECK_EQ(fx.epcm[FX_SECS].lock, 0);
	CHECK_MEM(fx.epc[FX_SLOT].bytes, fx.source->bytes, 4096);
	CHECK_EQ(secs_get(&fx.pkg, FX_SECS)->hidden.children, 4);
	cpu_measure_eadd(&measure, 0x4000, REG_R | SGX_SECINFO_X_BIT);
	check_measured(&measure);
}

RULE(EADD, TCS_DONE)
TEST(eadd_tcs_done)
{
	struct cpu_measure measure;
	struct sgx_tcs *tcs = &fx.epc[FX_SLOT].tcs;

	fx_enclave();
	measure = secs_get(&fx.pkg, FX_SECS)->hidden.measure;
	/* What the source says of the processor's fields is dropped, RWX too. */
	fx_eadd(FX_SLOT, ADDR, TCS | SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT);
	fx.source->tcs.flags = SGX_TCS_DBGOPTIN_BIT;
	fx.source->tcs.cssa = 1;
	fx.source->tcs.aep = 1;
	fx.source->tcs.state = 1;
	fx.source->tcs.oentry = 0x123;
	CHECK_DONE(fx_encls(SGX_EADD));
	CHECK_EQ(fx.epcm[FX_SLOT].pt, SGX_PT_TCS);
	CHECK_EQ(fx.epcm[FX_SLOT].rwx, 0);
	CHECK_EQ(tcs->flags, 0);
	CHECK_EQ(tcs->cssa, 0);
	CHECK_EQ(tcs->aep, 0);
	CHECK_EQ(tcs->state, 0);
	CHECK_EQ(tcs->oentry, 0x123);
	CHECK_EQ(tcs->nssa, 2);
	cpu_measure_eadd(&measure, 0x4000, TCS);
	check_measured(&measure);
}

RULE(EADD, REG_DONE)
TEST(eadd_same_address_twice)
{
	/* The processor does not mind; software keeps the table. */
	fx_enclave();
	fx_eadd(FX_SLOT, FX_REG_ADDR, REG_R);
	CHECK_DONE(fx_encls(SGX_EADD));
}

/* Operands */
RULE(EADD, PAGEINFO_ADDR)
EADD_GP(pageinfo_unaligned, REG_R, fx.regs.rbx += 8)
RULE(EADD, TARGET_ADDR)
EADD_GP(destination_unaligned, REG_R, fx.regs.rcx += 8)
RULE(EADD, TARGET_EPC)
EADD_CASE(destination_not_epc, REG_R, fx.regs.rcx = FX_SOURCE,
	  CHECK_EPCM_PF(fx_encls(SGX_EADD), FX_SOURCE))
RULE(EADD, PAGEINFO_MAP)
EADD_CASE(pageinfo_unmapped, REG_R, fx.mem_unmapped[0] = true,
	  CHECK_MEM_PF(fx_encls(SGX_EADD), FX_PAGEINFO))
RULE(EADD, ADDRS)
EADD_GP(source_unaligned, REG_R, fx.pageinfo->srcpge += 8)
EADD_GP(source_not_canonical, REG_R, fx.pageinfo->srcpge = 1ull << 60)
EADD_GP(secs_unaligned, REG_R, fx.pageinfo->secs += 8)
EADD_GP(secinfo_unaligned, REG_R, fx.pageinfo->secinfo += 8)
EADD_GP(linaddr_unaligned, REG_R, fx.pageinfo->linaddr += 8)
RULE(EADD, SECS_EPC)
EADD_CASE(secs_not_epc, REG_R, fx.pageinfo->secs = FX_SOURCE,
	  CHECK_EPCM_PF(fx_encls(SGX_EADD), FX_SOURCE))
RULE(EADD, SECINFO_MAP)
EADD_CASE(secinfo_unmapped, REG_R, fx.pageinfo->secinfo = FX_MEM_BASE - 64,
	  CHECK_MEM_PF(fx_encls(SGX_EADD), FX_MEM_BASE - 64))
RULE(EADD, SECINFO)
EADD_GP(secinfo_reserved_flag, REG_R, fx.secinfo->flags |= 1u << 7)
RULE(EADD, SECINFO_RSVD)
EADD_GP(secinfo_reserved_byte, REG_R, fx.secinfo->rsvd[0] = 1)
RULE(EADD, SECINFO)
EADD_GP(secinfo_pending, REG_R, fx.secinfo->flags |= SGX_SECINFO_PENDING_BIT)
EADD_GP(secinfo_modified, REG_R, fx.secinfo->flags |= SGX_SECINFO_MODIFIED_BIT)
EADD_GP(secinfo_pr, REG_R, fx.secinfo->flags |= SGX_SECINFO_PR_BIT)
EADD_GP(secinfo_secs, REG_R, fx.secinfo->flags = SGX_PT_SECS << SGX_SECINFO_PT_SHIFT)
EADD_GP(secinfo_va, REG_R, fx.secinfo->flags = SGX_PT_VA << SGX_SECINFO_PT_SHIFT)
EADD_GP(secinfo_trim, REG_R, fx.secinfo->flags = SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT)
RULE(EADD, TARGET_BUSY)
EADD_GP(destination_locked, REG_R, fx.epcm[FX_SLOT].lock = 1)
RULE(EADD, TARGET_FREE)
EADD_CASE(destination_valid, REG_R, fx.regs.rcx = fx_epc(FX_REG),
	  CHECK_EPCM_PF(fx_encls(SGX_EADD), fx_epc(FX_REG)))
RULE(EADD, SECS_BUSY)
EADD_GP(secs_locked, REG_R, fx.epcm[FX_SECS].lock = -1)
EADD_OK(secs_shared, REG_R, fx.epcm[FX_SECS].lock = 3)
RULE(EADD, SECS)
EADD_CASE(secs_invalid, REG_R, fx.pageinfo->secs = fx_epc(FX_SLOT + 1),
	  CHECK_EPCM_PF(fx_encls(SGX_EADD), fx_epc(FX_SLOT + 1)))
EADD_CASE(secs_not_a_secs, REG_R, fx.pageinfo->secs = fx_epc(FX_REG),
	  CHECK_EPCM_PF(fx_encls(SGX_EADD), fx_epc(FX_REG)))
RULE(EADD, SECS_BUSY)
EADD_GP(secs_is_destination, REG_R, fx.pageinfo->secs = fx_epc(FX_SLOT))
RULE(EADD, SOURCE_MAP)
EADD_CASE(source_unmapped, REG_R, fx.mem_unmapped[1] = true,
	  CHECK_MEM_PF(fx_encls(SGX_EADD), FX_SOURCE))

/* The page */
RULE(EADD, WRITE_ONLY)
EADD_GP(reg_write_without_read, SGX_PT_REG << 8 | SGX_SECINFO_W_BIT, )
EADD_OK(reg_execute_without_read, SGX_PT_REG << 8 | SGX_SECINFO_X_BIT, )
RULE(EADD, TCS_RESERVED)
EADD_GP(tcs_reserved_first, TCS, fx.source->tcs.rsvd[0] = 1)
EADD_GP(tcs_reserved_last, TCS, fx.source->tcs.rsvd[4007] = 1)
RULE(EADD, TCS_FLAGS)
EADD_GP(tcs_reserved_flags, TCS, fx.source->tcs.flags = 1ull << 2)
EADD_GP(tcs_aexnotify_without_attribute, TCS, fx.source->tcs.flags = SGX_TCS_AEXNOTIFY_BIT)
EADD_OK(tcs_aexnotify, TCS, fx.source->tcs.flags = SGX_TCS_AEXNOTIFY_BIT;
	secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags |= SGX_ATTR_AEXNOTIFY_BIT)
RULE(EADD, TCS_CET)
EADD_GP(tcs_cet_without_attribute, TCS, fx.source->tcs.ocetssa = 0x1000)
EADD_GP(tcs_ssp_without_attribute, TCS, fx.source->tcs.prevssp = 0x1000)
RULE(EADD, TCS_LIMIT)
EADD_OK(tcs_segments_any_in_64_bit, TCS, fx.source->tcs.fslimit = 0x123)

/* A 32-bit enclave's segment limits end in FFFh. */
static void make_32_bit(void)
{
	union secs_page *secs = secs_get(&fx.pkg, FX_SECS);

	secs->arch.attributes.flags &= ~SGX_ATTR_MODE64_BIT;
}
EADD_GP(tcs_fslimit_32_bit, TCS, make_32_bit(); fx.source->tcs.fslimit = 0x1ffe)
EADD_GP(tcs_gslimit_32_bit, TCS, make_32_bit(); fx.source->tcs.gslimit = 0x1000)
EADD_OK(tcs_limits_32_bit, TCS, make_32_bit(); fx.source->tcs.gslimit = 0x1fff)

RULE(EADD, LINADDR)
EADD_GP(linaddr_below, REG_R, fx.pageinfo->linaddr = FX_ENCL_BASE - 4096)
EADD_GP(linaddr_above, REG_R, fx.pageinfo->linaddr = FX_ENCL_BASE + FX_ENCL_SIZE)
EADD_OK(linaddr_last, REG_R, fx.pageinfo->linaddr = FX_ENCL_BASE + FX_ENCL_SIZE - 4096)

RULE(EADD, MEASURE_BUSY)
EADD_GP(measurement_in_use, REG_R, secs_get(&fx.pkg, FX_SECS)->hidden.measure_lock = -1;
	fx.epcm[0].lock = 1)
RULE(EADD, INITIALISED)
TEST(eadd_initialised)
{
	fx_enclave_init();
	fx_eadd(FX_SLOT, ADDR, REG_R);
	CHECK_GP(fx_encls(SGX_EADD));
}

NO_RULE
EADD_CASE(host_has_no_memory, REG_R, fx.fill_fails = true,
	  CHECK_EQ(fx_encls(SGX_EADD).kind, CPU_HOST))
