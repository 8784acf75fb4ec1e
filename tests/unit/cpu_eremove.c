/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EREMOVE]: one case for each fault and code, in the SDM's order. */
#include "cpu_fixture.h"

#include <secs.h>

static struct cpu_result eremove(epc_slot_t slot)
{
	fx.regs = (struct cpu_regs){.rcx = fx_epc(slot)};
	return fx_encls(SGX_EREMOVE);
}

RULE(EREMOVE, DONE)
TEST(eremove_done)
{
	fx_enclave();
	CHECK_DONE(eremove(FX_REG));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_EQ(fx.epcm[FX_REG].valid, 0);
	CHECK_EQ(fx.epcm[FX_REG].lock, 0);
	CHECK_EQ(fx.drops, 1);
	CHECK_EQ(secs_get(&fx.pkg, FX_SECS)->hidden.children, 2);
	CHECK_DONE(eremove(FX_TCS));
	CHECK_DONE(eremove(FX_RO));
	CHECK_DONE(eremove(FX_SECS));
	CHECK_EQ(fx.epcm[FX_SECS].valid, 0);
	CHECK_EQ(fx.drops, 4);
}

RULE(EREMOVE, FREE)
TEST(eremove_free_page_is_nothing_to_do)
{
	fx_enclave();
	CHECK_DONE(eremove(FX_SLOT));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_EQ(fx.drops, 0);
}

RULE(EREMOVE, DONE)
TEST(eremove_va_done)
{
	fx_enclave();
	fx.epcm[0] = (struct epcm_entry){.valid = 1, .pt = SGX_PT_VA, .secs = EPC_SLOT_NONE};
	fx.busy = true; /* VA pages belong to no enclave */
	CHECK_DONE(eremove(0));
	CHECK_EQ(fx.epcm[0].valid, 0);
}

RULE(EREMOVE, ADDR)
TEST(eremove_unaligned)
{
	fx_enclave();
	fx.regs.rcx = fx_epc(FX_REG) + 8;
	CHECK_GP(fx_encls(SGX_EREMOVE));
}

RULE(EREMOVE, EPC)
TEST(eremove_not_epc)
{
	fx_enclave();
	fx.regs.rcx = FX_SOURCE;
	CHECK_EPCM_PF(fx_encls(SGX_EREMOVE), FX_SOURCE);
}

RULE(EREMOVE, BUSY)
TEST(eremove_in_use)
{
	fx_enclave();
	fx.epcm[FX_REG].lock = 1;
	CHECK_GP(eremove(FX_REG));
	fx.epcm[FX_REG].lock = -1;
	CHECK_GP(eremove(FX_REG));
}

RULE(EREMOVE, CHILD)
TEST(eremove_child_present)
{
	fx_enclave();
	CHECK_CODE(eremove(FX_SECS), SGX_ERR_CHILD_PRESENT);
	fx.busy = true; /* said of SECS pages first */
	CHECK_CODE(eremove(FX_SECS), SGX_ERR_CHILD_PRESENT);
}

RULE(EREMOVE, ACT)
TEST(eremove_enclave_act)
{
	fx_enclave();
	fx.busy = true;
	CHECK_CODE(eremove(FX_REG), SGX_ERR_ENCLAVE_ACT);
	CHECK_CODE(eremove(FX_TCS), SGX_ERR_ENCLAVE_ACT);
	fx.busy = false;
	CHECK_DONE(eremove(FX_REG));
}

TEST(eremove_accepted_trim_while_active)
{
	fx_enclave();
	fx_by_hand();
	fx.busy = true;
	fx.epcm[FX_REG].pt = SGX_PT_TRIM;
	fx.epcm[FX_REG].modified = 1;
	CHECK_CODE(eremove(FX_REG), SGX_ERR_ENCLAVE_ACT);
	fx.epcm[FX_REG].modified = 0;
	CHECK_DONE(eremove(FX_REG));
}

TEST(eremove_without_tcs_busy)
{
	struct epc_mem_ops ops;

	fx_enclave();
	ops = *fx.pkg.mem;
	ops.tcs_busy = NULL;
	fx.pkg.mem = &ops;
	fx.busy = true;
	CHECK_DONE(eremove(FX_REG));
}
