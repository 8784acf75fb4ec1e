/* SPDX-License-Identifier: BSD-3-Clause */
/* Why the leaves of SGX2 refuse: as cpu_why.c has it for SGX1. */
#include "cpu_fixture.h"

static void check_why(enum why_rule rule, uint64_t found, uint64_t wanted)
{
	CHECK_EQ(fx.why.rule, rule);
	CHECK_EQ(fx.why.found, found);
	CHECK_EQ(fx.why.wanted, wanted);
}

/* Right operands, one change, and the rule with its values. */
#define WHY_CASE(id, prepare, change, run, rule, found, wanted) \
	TEST(why_##id)                                          \
	{                                                       \
		fx_enclave_sgx2();                              \
		prepare;                                        \
		change;                                         \
		CHECK(!cpu_ok(run));                            \
		check_why(rule, found, wanted);                 \
	}

#define R    SGX_SECINFO_R_BIT
#define ADDR (FX_ENCL_BASE + 0x4000)
#define TRIM (SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT)

#define EMODPR(id, change, rule, found, wanted) \
	WHY_CASE(emodpr_##id, fx_emod(FX_REG, R), change, fx_encls(SGX_EMODPR), rule, found, wanted)
#define EAUG(id, change, rule, found, wanted) \
	WHY_CASE(eaug_##id, fx_eaug(FX_SLOT, ADDR), change, fx_encls(SGX_EAUG), rule, found, wanted)

EMODPR(operand, fx.regs.rbx += 8, WHY_OPERAND_ADDR, FX_SECINFO + 8, 64)
EMODPR(reserved, fx.secinfo->flags |= 0x40, WHY_SECINFO_RESERVED, 0x41, SGX_SECINFO_RSVD_BITS)
EMODPR(reserved_byte, fx.secinfo->rsvd[7] = 1, WHY_SECINFO_RESERVED, 1, SGX_SECINFO_RSVD_BITS)
EMODPR(busy, fx.epcm[FX_REG].lock = -1, WHY_EPCM_BUSY, fx_epc(FX_REG), 0)
WHY_CASE(emodt_reserved, fx_emod(FX_REG, TRIM | 1ull << 63), (void)0, fx_encls(SGX_EMODT),
	 WHY_SECINFO_RESERVED, TRIM | 1ull << 63, SGX_SECINFO_RSVD_BITS)
#define REG	(SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define PENDING SGX_SECINFO_PENDING_BIT
#define RW	(R | SGX_SECINFO_W_BIT)
#define VALID	WHY_EPCM_VALID_BIT

/* A page that EAUG has added at ADDR. */
static void added(uint64_t secinfo_flags)
{
	fx_eaug(FX_SLOT, ADDR);
	CHECK_DONE(fx_encls(SGX_EAUG));
	fx_accept(ADDR, secinfo_flags);
}

#define EACCEPT(id, change, rule, found, wanted)                                               \
	WHY_CASE(eaccept_##id, added(REG | PENDING | RW), change, fx_enclu(SGX_EACCEPT), rule, \
		 found, wanted)
#define EACCEPTCOPY(id, change, rule, found, wanted)                                               \
	WHY_CASE(eacceptcopy_##id, added(REG | R), change, fx_enclu(SGX_EACCEPTCOPY), rule, found, \
		 wanted)
#define EMODPE(id, change, rule, found, wanted)                                              \
	WHY_CASE(emodpe_##id, fx_accept(FX_REG_ADDR, R), change, fx_enclu(SGX_EMODPE), rule, \
		 found, wanted)
#define SECINFO ((struct sgx_secinfo_arch *)(void *)(fx.epc[FX_RO].bytes + 0x80))

static void check_at(uint64_t at)
{
	CHECK_EQ(fx.why.at, at);
}

EACCEPT(operand, fx.regs.rbx += 8, WHY_ENCLU_OPERAND_ADDR, FX_ENCL_SECINFO + 8, 64)
EACCEPT(page, fx.regs.rcx += 8, WHY_ENCLU_OPERAND_ADDR, ADDR + 8, 4096)
EACCEPT(absent, fx.regs.rcx += 4096, WHY_ENCLU_OPERAND_ABSENT, ADDR + 4096, 0)
EACCEPT(reserved, SECINFO->rsvd[0] = 1, WHY_SECINFO_RESERVED, REG | PENDING | RW,
	SGX_SECINFO_RSVD_BITS)
EACCEPT(request, SECINFO->flags = REG | RW, WHY_EACCEPT_REQUEST, REG | RW, 0)
EACCEPT(epcm, fx.epcm[FX_SLOT].blocked = 1, WHY_ENCLU_PAGE_EPCM, ADDR,
	REG | PENDING | RW | VALID | WHY_EPCM_BLOCKED_BIT)
EACCEPT(busy, fx.epcm[FX_SLOT].lock = -1, WHY_ENCLU_PAGE_BUSY, ADDR, 0)
EACCEPT(mismatch, SECINFO->flags = REG | PENDING | R, WHY_EACCEPT_MISMATCH,
	REG | PENDING | R | VALID, REG | PENDING | RW | VALID)
TEST(why_eaccept_at)
{
	fx_enclave_sgx2();
	added(REG | PENDING | R);
	CHECK(!cpu_ok(fx_enclu(SGX_EACCEPT)));
	check_at(ADDR);
	fx_accept(ADDR + 8, REG | PENDING | R);
	CHECK(!cpu_ok(fx_enclu(SGX_EACCEPT)));
	check_at(WHY_AT_EPCPAGE);
	fx_accept(ADDR, REG | R);
	fx.regs.rdx = 0;
	CHECK(!cpu_ok(fx_enclu(SGX_EACCEPTCOPY)));
	check_at(WHY_AT_SOURCE);
	fx.regs.rcx = 0;
	CHECK(!cpu_ok(fx_enclu(SGX_EACCEPTCOPY)));
	check_at(WHY_AT_DESTINATION);
	fx.regs.rbx = 0;
	CHECK(!cpu_ok(fx_enclu(SGX_EACCEPTCOPY)));
	check_at(WHY_AT_SECINFO);
}

TEST(why_eaccept_of_what_emodt_changed)
{
	fx_enclave_sgx2();
	fx_emod(FX_REG, SGX_PT_TCS << SGX_SECINFO_PT_SHIFT);
	CHECK_DONE(fx_encls(SGX_EMODT));
	fx_accept(FX_REG_ADDR, SGX_PT_TCS << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_MODIFIED_BIT);
	CHECK(!cpu_ok(fx_enclu(SGX_EACCEPT)));
	check_why(WHY_EACCEPT_TRACKING, FX_REG_ADDR, 0);
	fx_track();
	fx_accept(FX_REG_ADDR, SGX_PT_TCS << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_MODIFIED_BIT);
	memset(fx.epc[FX_REG].bytes, 0, 4096);
	CHECK(!cpu_ok(fx_enclu(SGX_EACCEPT)));
	check_why(WHY_EACCEPT_TCS, FX_REG_ADDR, 0);
}

EACCEPTCOPY(source, fx.regs.rdx = ADDR, WHY_ENCLU_OPERAND_EPCM, ADDR, REG | PENDING | RW | VALID)
EACCEPTCOPY(request, SECINFO->flags = R, WHY_EACCEPTCOPY_REQUEST, R, 0)
EACCEPTCOPY(page, fx.regs.rcx = FX_REG_ADDR, WHY_EACCEPTCOPY_PAGE, FX_REG_ADDR, REG | RW | VALID)
EACCEPTCOPY(busy, fx.epcm[FX_SLOT].modify_lock = -1, WHY_ENCLU_PAGE_BUSY, ADDR, 0)
EMODPE(epcm, fx.regs.rcx = FX_TCS_ADDR, WHY_ENCLU_PAGE_EPCM, FX_TCS_ADDR,
       SGX_PT_TCS << SGX_SECINFO_PT_SHIFT | VALID)
EMODPE(busy, fx.epcm[FX_REG].modify_lock = -1, WHY_ENCLU_PAGE_BUSY, FX_REG_ADDR, 0)
EMODPE(write_only, fx.epcm[FX_REG].rwx = 0;
       SECINFO->flags = SGX_SECINFO_W_BIT, WHY_EMODPE_REQUEST, SGX_SECINFO_W_BIT, REG | VALID)

EAUG(busy, fx.epcm[FX_SLOT].lock = 1, WHY_EPCM_BUSY, fx_epc(FX_SLOT), 0)
EAUG(valid, fx.regs.rcx = fx_epc(FX_REG), WHY_EPCM_VALID, fx_epc(FX_REG), 0)
EAUG(secs_busy, fx.epcm[FX_SECS].lock = -1, WHY_EPCM_BUSY, fx_epc(FX_SECS), 0)
EAUG(secs, fx.pageinfo->secs = fx_epc(FX_REG), WHY_SECS_GONE, fx_epc(FX_REG), 0)
