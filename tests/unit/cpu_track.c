/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EPA], EBLOCK, ETRACK, ETRACKC: one case for each fault and code. */
#include "cpu_fixture.h"

#include <secs.h>

static struct cpu_result on_page(unsigned int leaf, epc_slot_t slot)
{
	fx.regs = (struct cpu_regs){.rcx = fx_epc(slot)};
	return fx_encls(leaf);
}

static struct secs_hidden *hidden(void)
{
	return &secs_get(&fx.pkg, FX_SECS)->hidden;
}

TEST(epa_done)
{
	static const uint8_t zeros[4096];

	fx_init();
	fx_epa();
	CHECK_EQ(fx.epcm[FX_VA].valid, 1);
	CHECK_EQ(fx.epcm[FX_VA].pt, SGX_PT_VA);
	CHECK_EQ(fx.epcm[FX_VA].secs, EPC_SLOT_NONE);
	CHECK_EQ(fx.epcm[FX_VA].rwx, 0);
	CHECK_EQ(fx.epcm[FX_VA].address, 0);
	CHECK_MEM(fx.epc[FX_VA].bytes, zeros, 4096);
}

TEST(epa_operands)
{
	fx_enclave();
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_REG, .rcx = fx_epc(FX_VA)};
	CHECK_GP(fx_encls(SGX_EPA));
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = fx_epc(FX_VA) + 8};
	CHECK_GP(fx_encls(SGX_EPA));
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = FX_SOURCE};
	CHECK_EPCM_PF(fx_encls(SGX_EPA), FX_SOURCE);
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = fx_epc(FX_REG)};
	CHECK_EPCM_PF(fx_encls(SGX_EPA), fx_epc(FX_REG));
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = fx_epc(FX_VA)};
	fx.epcm[FX_VA].lock = 1;
	CHECK_GP(fx_encls(SGX_EPA));
	fx.epcm[FX_VA].lock = 0;
	fx.fill_fails = true;
	CHECK_EQ(fx_encls(SGX_EPA).kind, CPU_HOST);
}

TEST(eblock_done)
{
	fx_enclave();
	fx_track();
	fx_track();
	CHECK_DONE(on_page(SGX_EBLOCK, FX_REG));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_EQ(fx.epcm[FX_REG].blocked, 1);
	CHECK_EQ(fx.epcm[FX_REG].blocked_epoch, 2);
	CHECK_EQ(fx.epcm[FX_REG].lock, 0);
	CHECK_DONE(on_page(SGX_EBLOCK, FX_TCS));
	fx.pkg.config.sgx2 = 1;
	fx.epcm[FX_RO].pt = SGX_PT_TRIM;
	CHECK_DONE(on_page(SGX_EBLOCK, FX_RO));
}

TEST(eblock_codes)
{
	fx_enclave();
	fx_epa();
	CHECK_CODE(on_page(SGX_EBLOCK, FX_SLOT), SGX_ERR_PG_INVLD);
	CHECK_CODE(on_page(SGX_EBLOCK, FX_SECS), SGX_ERR_PG_IS_SECS);
	CHECK_CODE(on_page(SGX_EBLOCK, FX_VA), SGX_ERR_NOTBLOCKABLE);
	CHECK_DONE(on_page(SGX_EBLOCK, FX_REG));
	fx_track();
	/* the epoch of the first one stays */
	CHECK_CODE(on_page(SGX_EBLOCK, FX_REG), SGX_ERR_BLKSTATE);
	fx.pkg.config.debug_checks = 0;
	hidden()->track_lock = -1;
	CHECK_CODE(on_page(SGX_EBLOCK, FX_RO), SGX_ERR_ENTRYEPOCH_LOCKED);
	hidden()->track_lock = 0;
	fx.epcm[FX_RO].lock = -1;
	CHECK_CODE(on_page(SGX_EBLOCK, FX_RO), SGX_ERR_EPC_PAGE_CONFLICT);
}

TEST(eblock_operands)
{
	fx_enclave();
	fx.regs.rcx = fx_epc(FX_REG) + 64;
	CHECK_GP(fx_encls(SGX_EBLOCK));
	fx.regs.rcx = FX_SOURCE;
	CHECK_EPCM_PF(fx_encls(SGX_EBLOCK), FX_SOURCE);
}

TEST(etrack_done)
{
	fx_enclave();
	CHECK_EQ(hidden()->epoch, 0);
	CHECK_DONE(on_page(SGX_ETRACK, FX_SECS));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_EQ(hidden()->epoch, 1);
	CHECK_EQ(fx.epoch, 1);
	CHECK_EQ(hidden()->track_lock, 0);
}

TEST(etrack_previous_incomplete)
{
	fx_enclave();
	fx.oldest = 0; /* a thread that entered before any ETRACK */
	CHECK_DONE(on_page(SGX_ETRACK, FX_SECS));
	CHECK_CODE(on_page(SGX_ETRACK, FX_SECS), SGX_ERR_PREV_TRK_INCMPL);
	fx.oldest = 1; /* it left and came back */
	CHECK_DONE(on_page(SGX_ETRACK, FX_SECS));
	CHECK_CODE(on_page(SGX_ETRACK, FX_SECS), SGX_ERR_PREV_TRK_INCMPL);
	fx.oldest = UINT64_MAX;
	CHECK_DONE(on_page(SGX_ETRACK, FX_SECS));
	CHECK_EQ(fx.epoch, 3);
}

TEST(etrack_operands)
{
	fx_enclave();
	fx.regs.rcx = fx_epc(FX_SECS) + 8;
	CHECK_GP(fx_encls(SGX_ETRACK));
	fx.regs.rcx = FX_SOURCE;
	CHECK_EPCM_PF(fx_encls(SGX_ETRACK), FX_SOURCE);
	CHECK_EPCM_PF(on_page(SGX_ETRACK, FX_SLOT), fx_epc(FX_SLOT));
	CHECK_EPCM_PF(on_page(SGX_ETRACK, FX_REG), fx_epc(FX_REG));
	fx.pkg.config.debug_checks = 0;
	hidden()->track_lock = 1;
	CHECK_GP(on_page(SGX_ETRACK, FX_SECS));
	hidden()->track_lock = 0;
	fx.epcm[FX_SECS].lock = -1;
	CHECK_GP(on_page(SGX_ETRACK, FX_SECS));
}

TEST(etrackc_needs_oversub)
{
	struct cpu_cpuid r = {0};

	fx_enclave();
	CHECK_GP(on_page(SGX_ETRACKC, FX_SECS));
	CHECK_GP(on_page(SGX_ELDBC, FX_SLOT));
	CHECK_GP(on_page(SGX_ELDUC, FX_SLOT));
	cpu_cpuid_sgx(&fx.pkg, SGX_CPUID_LEAF, 0, &r);
	CHECK_EQ(r.eax & SGX_CPUID_12_EAX_OVERSUB, 0);
	fx.pkg.config.oversub = 1;
	cpu_cpuid_sgx(&fx.pkg, SGX_CPUID_LEAF, 0, &r);
	CHECK_EQ(r.eax & SGX_CPUID_12_EAX_OVERSUB, SGX_CPUID_12_EAX_OVERSUB);
}

TEST(etrackc_codes)
{
	fx_enclave();
	fx_epa();
	fx.pkg.config.oversub = 1;
	CHECK_DONE(on_page(SGX_ETRACKC, FX_SECS));
	CHECK_DONE(on_page(SGX_ETRACKC, FX_REG));
	CHECK_EQ(hidden()->epoch, 2);
	CHECK_CODE(on_page(SGX_ETRACKC, FX_SLOT), SGX_ERR_PG_INVLD);
	CHECK_CODE(on_page(SGX_ETRACKC, FX_VA), SGX_ERR_TRACK_NOT_REQUIRED);
	fx.oldest = 1;
	CHECK_CODE(on_page(SGX_ETRACKC, FX_TCS), SGX_ERR_PREV_TRK_INCMPL);
	fx.regs.rcx = fx_epc(FX_SECS) + 8;
	CHECK_GP(fx_encls(SGX_ETRACKC));
	fx.regs.rcx = FX_SOURCE;
	CHECK_EPCM_PF(fx_encls(SGX_ETRACKC), FX_SOURCE);
	fx.pkg.config.debug_checks = 0;
	hidden()->track_lock = 1;
	CHECK_CODE(on_page(SGX_ETRACKC, FX_REG), SGX_ERR_EPC_PAGE_CONFLICT);
	fx.epcm[FX_REG].lock = -1;
	CHECK_CODE(on_page(SGX_ETRACKC, FX_REG), SGX_ERR_EPC_PAGE_CONFLICT);
}
