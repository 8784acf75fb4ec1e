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

RULE(EPA, DONE)
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

#define EPA_CASE(id, change, check)                                                  \
	TEST(epa_##id)                                                               \
	{                                                                            \
		fx_enclave();                                                        \
		fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = fx_epc(FX_VA)}; \
		change;                                                              \
		check;                                                               \
	}
#define EPA_GP(id, change) EPA_CASE(id, change, CHECK_GP(fx_encls(SGX_EPA)))

RULE(EPA, TYPE)
EPA_GP(not_va, fx.regs.rbx = SGX_PT_REG)
EPA_GP(type_high_bits, fx.regs.rbx |= 1ull << 32)
RULE(EPA, ADDR)
EPA_GP(unaligned, fx.regs.rcx += 8)
EPA_GP(not_canonical, fx.regs.rcx |= 1ull << 62)
RULE(EPA, EPC)
EPA_CASE(not_epc, fx.regs.rcx = FX_SOURCE, CHECK_EPCM_PF(fx_encls(SGX_EPA), FX_SOURCE))
RULE(EPA, BUSY)
EPA_GP(in_use, fx.epcm[FX_VA].lock = 1)
RULE(EPA, FREE)
EPA_CASE(valid, fx.regs.rcx = fx_epc(FX_REG), CHECK_EPCM_PF(fx_encls(SGX_EPA), fx_epc(FX_REG)))
NO_RULE
EPA_CASE(host_has_no_memory, fx.fill_fails = true, CHECK_EQ(fx_encls(SGX_EPA).kind, CPU_HOST))

RULE(EBLOCK, DONE)
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
	fx_by_hand();
	fx.epcm[FX_RO].pt = SGX_PT_TRIM;
	CHECK_DONE(on_page(SGX_EBLOCK, FX_RO));
}

#define EBLOCK_CODE(id, change, slot, c)                            \
	TEST(eblock_##id)                                           \
	{                                                           \
		fx_enclave();                                       \
		fx_epa();                                           \
		change;                                             \
		CHECK_CODE(on_page(SGX_EBLOCK, slot), SGX_ERR_##c); \
	}

RULE(EBLOCK, CONFLICT)
EBLOCK_CODE(in_use, fx.epcm[FX_RO].lock = -1, FX_RO, EPC_PAGE_CONFLICT)
RULE(EBLOCK, VALID)
EBLOCK_CODE(invalid, (void)0, FX_SLOT, PG_INVLD)
RULE(EBLOCK, SECS)
EBLOCK_CODE(secs, (void)0, FX_SECS, PG_IS_SECS)
RULE(EBLOCK, CHILD)
EBLOCK_CODE(va, (void)0, FX_VA, NOTBLOCKABLE)
RULE(EBLOCK, EPOCH)
EBLOCK_CODE(while_etrack_runs, fx.pkg.config.debug_checks = 0;
	    hidden()->track_lock = -1, FX_RO, ENTRYEPOCH_LOCKED)
RULE(EBLOCK, BLOCKED)
EBLOCK_CODE(twice, fx_block(FX_REG), FX_REG, BLKSTATE)
EBLOCK_CODE(twice_in_another_epoch, fx_block(FX_REG); fx_track(), FX_REG, BLKSTATE)

#define OPERAND_CASES(name, LEAF)                                                 \
	RULE(LEAF, ADDR)                                                          \
	TEST(name##_unaligned)                                                    \
	{                                                                         \
		fx_enclave();                                                     \
		fx.pkg.config.oversub = 1;                                        \
		fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_SECS) + 64};         \
		CHECK_GP(fx_encls(SGX_##LEAF));                                   \
	}                                                                         \
	TEST(name##_not_canonical)                                                \
	{                                                                         \
		fx_enclave();                                                     \
		fx.pkg.config.oversub = 1;                                        \
		fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_SECS) | 1ull << 62}; \
		CHECK_GP(fx_encls(SGX_##LEAF));                                   \
	}                                                                         \
	RULE(LEAF, EPC)                                                           \
	TEST(name##_not_epc)                                                      \
	{                                                                         \
		fx_enclave();                                                     \
		fx.pkg.config.oversub = 1;                                        \
		fx.regs = (struct cpu_regs){.rcx = FX_SOURCE};                    \
		CHECK_EPCM_PF(fx_encls(SGX_##LEAF), FX_SOURCE);                   \
	}

OPERAND_CASES(eblock, EBLOCK)
OPERAND_CASES(etrack, ETRACK)
OPERAND_CASES(etrackc, ETRACKC)

RULE(ETRACK, DONE)
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

RULE(ETRACK, PREVIOUS)
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

RULE(ETRACK, BUSY)
TEST(etrack_in_use)
{
	fx_enclave();
	fx.epcm[FX_SECS].lock = -1;
	CHECK_GP(on_page(SGX_ETRACK, FX_SECS));
}

RULE(ETRACK, SECS)
TEST(etrack_not_a_secs)
{
	fx_enclave();
	CHECK_EPCM_PF(on_page(SGX_ETRACK, FX_SLOT), fx_epc(FX_SLOT));
	CHECK_EPCM_PF(on_page(SGX_ETRACK, FX_REG), fx_epc(FX_REG));
}

RULE(ETRACK, TRACKED)
TEST(etrack_while_another_runs)
{
	fx_enclave();
	fx.pkg.config.debug_checks = 0;
	hidden()->track_lock = 1;
	CHECK_GP(on_page(SGX_ETRACK, FX_SECS));
}

RULE(ETRACKC, OVERSUB)
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

static void oversub(void)
{
	fx_enclave();
	fx_epa();
	fx.pkg.config.oversub = 1;
}

/* A SECS, or a child of it */
RULE(ETRACKC, DONE)
TEST(etrackc_done)
{
	oversub();
	CHECK_DONE(on_page(SGX_ETRACKC, FX_SECS));
	CHECK_DONE(on_page(SGX_ETRACKC, FX_REG));
	CHECK_EQ(hidden()->epoch, 2);
}

RULE(ETRACKC, CONFLICT)
TEST(etrackc_conflicts)
{
	oversub();
	fx.pkg.config.debug_checks = 0;
	hidden()->track_lock = 1;
	CHECK_CODE(on_page(SGX_ETRACKC, FX_REG), SGX_ERR_EPC_PAGE_CONFLICT);
	fx.epcm[FX_REG].lock = -1;
	CHECK_CODE(on_page(SGX_ETRACKC, FX_REG), SGX_ERR_EPC_PAGE_CONFLICT);
}

RULE(ETRACKC, VALID)
TEST(etrackc_invalid)
{
	oversub();
	CHECK_CODE(on_page(SGX_ETRACKC, FX_SLOT), SGX_ERR_PG_INVLD);
}

RULE(ETRACKC, OWNED)
TEST(etrackc_va)
{
	oversub();
	CHECK_CODE(on_page(SGX_ETRACKC, FX_VA), SGX_ERR_TRACK_NOT_REQUIRED);
}

RULE(ETRACKC, PREVIOUS)
TEST(etrackc_previous_incomplete)
{
	oversub();
	fx.oldest = 0;
	CHECK_DONE(on_page(SGX_ETRACKC, FX_TCS));
	CHECK_CODE(on_page(SGX_ETRACKC, FX_TCS), SGX_ERR_PREV_TRK_INCMPL);
}
