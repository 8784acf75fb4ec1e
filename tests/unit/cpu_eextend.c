/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EEXTEND]: one case for each fault, in the SDM's order. */
#include "cpu_fixture.h"

#include <secs.h>

#define EEXTEND_CASE(id, change, check)    \
	TEST(eextend_##id)                 \
	{                                  \
		fx_enclave();              \
		fx_eextend(FX_REG, 0x100); \
		change;                    \
		check;                     \
	}
#define EEXTEND_GP(id, change) EEXTEND_CASE(id, change, CHECK_GP(fx_encls(SGX_EEXTEND)))

static void done(epc_slot_t slot, uint64_t offset_in_enclave)
{
	uint8_t a[SGX_HASH_SIZE], b[SGX_HASH_SIZE];
	struct cpu_measure measure;

	fx_enclave();
	measure = secs_get(&fx.pkg, FX_SECS)->hidden.measure;
	fx_eextend(slot, 0xf00);
	CHECK_DONE(fx_encls(SGX_EEXTEND));
	CHECK_EQ(fx.epcm[slot].lock, 0);
	cpu_measure_eextend(&measure, offset_in_enclave, fx.epc[slot].bytes + 0xf00);
	cpu_measure_final(&measure, a);
	cpu_measure_final(&secs_get(&fx.pkg, FX_SECS)->hidden.measure, b);
	CHECK_MEM(a, b, sizeof(a));
}

RULE(EEXTEND, DONE)
TEST(eextend_reg_done)
{
	done(FX_REG, 0x1f00);
}

TEST(eextend_tcs_done)
{
	done(FX_TCS, 0xf00);
}

RULE(EEXTEND, SECS_ADDR)
EEXTEND_GP(secs_unaligned, fx.regs.rbx += 0x100)
RULE(EEXTEND, SECS_EPC)
EEXTEND_CASE(secs_not_epc, fx.regs.rbx = FX_SOURCE, CHECK_EPCM_PF(fx_encls(SGX_EEXTEND), FX_SOURCE))
RULE(EEXTEND, CHUNK_ADDR)
EEXTEND_GP(chunk_unaligned, fx.regs.rcx += 0x80)
EEXTEND_GP(chunk_not_canonical, fx.regs.rcx |= 1ull << 62)
RULE(EEXTEND, CHUNK_EPC)
EEXTEND_CASE(chunk_not_epc, fx.regs.rcx = FX_SOURCE,
	     CHECK_EPCM_PF(fx_encls(SGX_EEXTEND), FX_SOURCE))
RULE(EEXTEND, PAGE_BUSY)
EEXTEND_GP(page_locked, fx.epcm[FX_REG].lock = -1)
EEXTEND_CASE(page_shared, fx.epcm[FX_REG].lock = 1, CHECK_DONE(fx_encls(SGX_EEXTEND)))
RULE(EEXTEND, PAGE)
EEXTEND_CASE(page_invalid, fx.regs.rcx = fx_epc(FX_SLOT),
	     CHECK_EPCM_PF(fx_encls(SGX_EEXTEND), fx_epc(FX_SLOT)))
EEXTEND_CASE(page_is_secs, fx.regs.rcx = fx_epc(FX_SECS),
	     CHECK_EPCM_PF(fx_encls(SGX_EEXTEND), fx_epc(FX_SECS)))
EEXTEND_CASE(page_is_va, fx.epcm[0].valid = 1; fx.epcm[0].pt = SGX_PT_VA;
	     fx.epcm[0].secs = EPC_SLOT_NONE;
	     fx.regs.rcx = fx_epc(0), CHECK_EPCM_PF(fx_encls(SGX_EEXTEND), fx_epc(0)))
RULE(EEXTEND, SECS)
EEXTEND_GP(not_the_pages_secs, fx.regs.rbx = fx_epc(FX_RO))
RULE(EEXTEND, MEASURE_BUSY)
EEXTEND_GP(measurement_in_use, secs_get(&fx.pkg, FX_SECS)->hidden.measure_lock = -1;
	   fx.epcm[0].lock = 1)

RULE(EEXTEND, INITIALISED)
TEST(eextend_initialised)
{
	fx_enclave_init();
	fx_eextend(FX_REG, 0);
	CHECK_GP(fx_encls(SGX_EEXTEND));
}

/* A SECS, but of another enclave: neither's measurement changes. */
RULE(EEXTEND, SECS)
TEST(eextend_another_enclaves_secs)
{
	fx_enclave();
	fx_ecreate();
	fx.regs.rcx = fx_epc(0);
	CHECK_DONE(fx_encls(SGX_ECREATE));
	fx_eextend(FX_REG, 0);
	fx.regs.rbx = fx_epc(0);
	CHECK_GP(fx_encls(SGX_EEXTEND));
}
