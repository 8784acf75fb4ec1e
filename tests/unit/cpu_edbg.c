/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EDBGRD] and ENCLS[EDBGWR]: one case for each fault and code. */
#include "cpu_fixture.h"

#include <secs.h>

#define FLAGS_OFFSET 8u

/* Both leaves answer the same to these. */
#define EDBG_CASE(id, change, expect)                                                              \
	static void edbg_##id(unsigned int leaf)                                                   \
	{                                                                                          \
		fx_enclave();                                                                      \
		fx.regs =                                                                          \
			(struct cpu_regs){.rbx = 0x1122334455667788, .rcx = fx_epc(FX_RO) + 0x40}; \
		change;                                                                            \
		expect;                                                                            \
	}                                                                                          \
	TEST(edbgrd_##id)                                                                          \
	{                                                                                          \
		edbg_##id(SGX_EDBGRD);                                                             \
	}                                                                                          \
	TEST(edbgwr_##id)                                                                          \
	{                                                                                          \
		edbg_##id(SGX_EDBGWR);                                                             \
	}

static void no_debug(void)
{
	secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags &= ~SGX_ATTR_DEBUG_BIT;
}

RULE(EDBGRD, ADDR)
RULE(EDBGWR, ADDR)
EDBG_CASE(unaligned, fx.regs.rcx += 4, CHECK_GP(fx_encls(leaf)))
EDBG_CASE(not_canonical, fx.regs.rcx |= 1ull << 50, CHECK_GP(fx_encls(leaf)))
RULE(EDBGRD, EPC)
RULE(EDBGWR, EPC)
EDBG_CASE(not_epc, fx.regs.rcx = FX_SOURCE, CHECK_EPCM_PF(fx_encls(leaf), FX_SOURCE))
RULE(EDBGRD, BUSY)
RULE(EDBGWR, BUSY)
EDBG_CASE(in_use, fx.epcm[FX_RO].lock = -1, CHECK_GP(fx_encls(leaf)))
EDBG_CASE(shared, fx.epcm[FX_RO].lock = 2, CHECK_DONE(fx_encls(leaf)))
RULE(EDBGRD, PAGE)
RULE(EDBGWR, PAGE)
EDBG_CASE(invalid, fx.regs.rcx = fx_epc(FX_SLOT), CHECK_EPCM_PF(fx_encls(leaf), fx_epc(FX_SLOT)))
EDBG_CASE(secs, fx.regs.rcx = fx_epc(FX_SECS), CHECK_EPCM_PF(fx_encls(leaf), fx_epc(FX_SECS)))
EDBG_CASE(trim, fx_by_hand();
	  fx.epcm[FX_RO].pt = SGX_PT_TRIM, CHECK_EPCM_PF(fx_encls(leaf), fx_epc(FX_RO) + 0x40))
RULE(EDBGRD, STATE)
RULE(EDBGWR, STATE)
EDBG_CASE(pending, fx_by_hand();
	  fx.epcm[FX_RO].pending = 1, CHECK_CODE(fx_encls(leaf), SGX_ERR_PAGE_NOT_DEBUGGABLE))
EDBG_CASE(modified, fx_by_hand();
	  fx.epcm[FX_RO].modified = 1, CHECK_CODE(fx_encls(leaf), SGX_ERR_PAGE_NOT_DEBUGGABLE))
RULE(EDBGRD, DEBUG)
RULE(EDBGWR, DEBUG)
EDBG_CASE(not_debug, no_debug(), CHECK_GP(fx_encls(leaf)))
EDBG_CASE(not_debug_tcs, no_debug();
	  fx.regs.rcx = fx_epc(FX_TCS) + FLAGS_OFFSET, CHECK_GP(fx_encls(leaf)))
RULE(EDBGRD, TCS)
RULE(EDBGWR, TCS)
EDBG_CASE(beyond_tcs, fx.regs.rcx = fx_epc(FX_TCS) + 72, CHECK_GP(fx_encls(leaf)))

RULE(EDBGRD, DONE)
TEST(edbgrd_done)
{
	uint64_t value;

	fx_enclave();
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_RO) + 4088};
	CHECK_DONE(fx_encls(SGX_EDBGRD));
	memcpy(&value, fx.epc[FX_RO].bytes + 4088, 8);
	CHECK_EQ(fx.regs.rbx, value);
	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_EQ(fx.epcm[FX_RO].lock, 0);
}

TEST(edbgrd_tcs_done)
{
	fx_enclave();
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_TCS) + 16};
	CHECK_DONE(fx_encls(SGX_EDBGRD));
	CHECK_EQ(fx.regs.rbx, 0x3000); /* OSSA */
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_TCS) + 64};
	CHECK_DONE(fx_encls(SGX_EDBGRD));
	CHECK_EQ(fx.regs.rbx, 0xfff00000fff);
}

/* Of a VA slot one sees only whether it is taken. */
RULE(EDBGRD, VA)
TEST(edbgrd_va)
{
	uint64_t slots[3] = {0, 7, 8};

	fx_enclave();
	fx.epcm[0] = (struct epcm_entry){.valid = 1, .pt = SGX_PT_VA, .secs = EPC_SLOT_NONE};
	memcpy(fx.epc[0].bytes, slots, sizeof(slots));
	for (unsigned int i = 0; i < 3; i++) {
		fx.regs = (struct cpu_regs){.rbx = 5, .rcx = fx_epc(0) + 8 * i};
		CHECK_DONE(fx_encls(SGX_EDBGRD));
		CHECK_EQ(fx.regs.rbx, i == 2 ? ~0ull : 0);
	}
}

RULE(EDBGWR, PAGE)
TEST(edbgwr_va)
{
	fx_enclave();
	fx.epcm[0] = (struct epcm_entry){.valid = 1, .pt = SGX_PT_VA, .secs = EPC_SLOT_NONE};
	fx.regs = (struct cpu_regs){.rcx = fx_epc(0)};
	CHECK_EPCM_PF(fx_encls(SGX_EDBGWR), fx_epc(0));
}

/* Also to a page that the enclave itself may not write to. */
RULE(EDBGWR, DONE)
TEST(edbgwr_done)
{
	uint64_t value;

	fx_enclave();
	fx.regs = (struct cpu_regs){.rbx = 0x1122334455667788, .rcx = fx_epc(FX_RO) + 0x40};
	CHECK_DONE(fx_encls(SGX_EDBGWR));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	memcpy(&value, fx.epc[FX_RO].bytes + 0x40, 8);
	CHECK_EQ(value, 0x1122334455667788);
	CHECK_EQ(fx.epcm[FX_RO].lock, 0);
}

TEST(edbgwr_tcs_flags_done)
{
	fx_enclave();
	fx.regs = (struct cpu_regs){.rbx = SGX_TCS_DBGOPTIN_BIT,
				    .rcx = fx_epc(FX_TCS) + FLAGS_OFFSET};
	CHECK_DONE(fx_encls(SGX_EDBGWR));
	CHECK_EQ(fx.epc[FX_TCS].tcs.flags, SGX_TCS_DBGOPTIN_BIT);
}

RULE(EDBGWR, TCS)
TEST(edbgwr_tcs_other_fields)
{
	fx_enclave();
	for (unsigned int offset = 0; offset < 4096; offset += 8) {
		if (offset == FLAGS_OFFSET)
			continue;
		fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_TCS) + offset};
		CHECK_GP(fx_encls(SGX_EDBGWR));
	}
}
