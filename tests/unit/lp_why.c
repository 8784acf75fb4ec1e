/* SPDX-License-Identifier: BSD-3-Clause */
/* Why an entry is refused: each rule of WHY_RULES_ENTRY, with the values that it notes. */
#include "lp_fixture.h"

static struct fixture fx;

/* Right operands, one change, and the rule with its values. */
#define WHY_CASE(id, leaf, change, is, f, w)                                                     \
	TEST(why_##id)                                                                           \
	{                                                                                        \
		struct why why = {0};                                                            \
                                                                                                 \
		fx_init(&fx);                                                                    \
		fx_regs(&fx.regs, leaf);                                                         \
		fx.tcs.cssa = (leaf) == SGX_ERESUME;                                             \
		change;                                                                          \
		CHECK(!cpu_ok(                                                                   \
			lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0, FX_OWNER, &why))); \
		CHECK_EQ(why.rule, is);                                                          \
		CHECK_EQ(why.found, (f));                                                        \
		CHECK_EQ(why.wanted, (w));                                                       \
	}
#define EENTER(id, change, is, f, w)  WHY_CASE(eenter_##id, SGX_EENTER, change, is, f, w)
#define ERESUME(id, change, is, f, w) WHY_CASE(eresume_##id, SGX_ERESUME, change, is, f, w)

EENTER(tcs_align, fx.regs.rbx += 8, WHY_ENTRY_TCS_ADDR, FX_TCS + 8, 0)
EENTER(tcs_canonical, fx.regs.rbx = FX_NONCANONICAL, WHY_ENTRY_TCS_ADDR, FX_NONCANONICAL, 0)
ERESUME(aep, fx.regs.rcx = FX_NONCANONICAL, WHY_ENTRY_AEP, FX_NONCANONICAL, 0)
EENTER(no_tcs, fx.tcs.state = SGX_TCS_GONE, WHY_ENTRY_NO_TCS, FX_TCS, 0)
EENTER(ossa, fx.tcs.ossa = 0x10010, WHY_ENTRY_OSSA, 0x10010, 4096)
EENTER(bases, fx.tcs.ogsbase++, WHY_ENTRY_BASES, FX_OFSBASE, FX_OGSBASE + 1)
EENTER(aexnotify, fx.secs.features = LP_AEXNOTIFY;
       fx.tcs.flags = 2, WHY_ENTRY_AEXNOTIFY, 2, SGX_ATTR_INIT_BIT | SGX_ATTR_MODE64_BIT)
EENTER(flags, fx.tcs.flags = 3, WHY_ENTRY_FLAGS, 3, 1)
EENTER(not_init, fx.secs.attributes = 6, WHY_ENTRY_NOT_INIT, 6, 0)
ERESUME(mode, fx.secs.attributes = 1, WHY_ENTRY_MODE, 1, 0)
EENTER(xfrm, fx.secs.xfrm = 0x207, WHY_ENTRY_XFRM, 0x207, FX_XCR0)
EENTER(cssa, fx.tcs.cssa = FX_NSSA, WHY_ENTRY_CSSA_FULL, FX_NSSA, FX_NSSA)
ERESUME(cssa, fx.tcs.cssa = 0, WHY_ENTRY_CSSA_EMPTY, 0, FX_NSSA)
EENTER(ssa_canonical, fx.tcs.ossa = FX_NONCANONICAL - FX_BASE, WHY_ENTRY_SSA_CANONICAL,
       FX_NONCANONICAL, 0)
EENTER(ssa_outside, fx.tcs.ossa = FX_SIZE, WHY_ENTRY_SSA_RANGE, FX_BASE + FX_SIZE, FX_BASE)
EENTER(ssa_half_outside, fx.tcs.ossa = FX_SIZE - 4096, WHY_ENTRY_SSA_RANGE, FX_BASE + FX_SIZE,
       FX_BASE)
EENTER(oentry, fx.tcs.oentry = FX_SIZE, WHY_ENTRY_OENTRY, FX_SIZE, FX_SIZE)
EENTER(base_canonical, fx.tcs.ofsbase = FX_NONCANONICAL - FX_BASE, WHY_ENTRY_BASE_CANONICAL,
       FX_NONCANONICAL - FX_BASE, FX_OGSBASE)
EENTER(busy, fx.tcs.state = lp_owner(5, 0x777), WHY_ENTRY_TCS_BUSY, lp_owner(5, 0x777), 0)

TEST(why_no_enclave)
{
	struct why why = {0};

	fx_init(&fx);
	CHECK(!cpu_ok(lp_eenter_check(NULL, NULL, &fx.regs, FX_XCR0, FX_OWNER, &why)));
	CHECK_EQ(why.rule, WHY_ENTRY_NO_ENCLAVE);
	CHECK_EQ(why.found, FX_TCS);
}

TEST(why_nothing_where_it_is_entered)
{
	struct why why = {0};

	fx_init(&fx);
	CHECK(cpu_ok(lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0, FX_OWNER, &why)));
	CHECK_EQ(why.rule, WHY_NOTHING);
}

static struct why resume(void)
{
	struct why why = {0};

	CHECK(!cpu_ok(lp_eresume(&fx.lp, &fx.secs, &fx.tcs, &fx.gpr[0], &fx.regs, &why)));
	return why;
}

TEST(why_resume)
{
	struct why why;

	fx_init(&fx);
	fx_enter(&fx);
	fx_interrupt(&fx);
	fx_regs(&fx.regs, SGX_ERESUME);
	CHECK(cpu_ok(lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0, FX_OWNER, NULL)));
	fx.gpr[0].rip = FX_BASE - 1;
	why = resume();
	CHECK_EQ(why.rule, WHY_RESUME_RIP);
	CHECK_EQ(why.found, FX_BASE - 1);
	CHECK_EQ(why.wanted, FX_BASE);
	fx.gpr[0].rip = FX_BASE;
	fx.gpr[0].fsbase = 0x5000;
	fx.gpr[0].gsbase = FX_NONCANONICAL;
	why = resume();
	CHECK_EQ(why.rule, WHY_RESUME_BASES);
	CHECK_EQ(why.found, 0x5000);
	CHECK_EQ(why.wanted, FX_NONCANONICAL);
}

TEST(why_resume_xsave)
{
	uint8_t image[576] __attribute__((aligned(64))) = {0};
	struct why why = {0};
	uint32_t mxcsr = 0x1f80;
	uint64_t value;

	memcpy(image + 24, &mxcsr, sizeof(mxcsr));
	CHECK(lp_xsave_check(image, 3, &why));
	CHECK_EQ(why.rule, WHY_NOTHING);
	mxcsr |= 1u << 17;
	memcpy(image + 24, &mxcsr, sizeof(mxcsr));
	CHECK(!lp_xsave_check(image, 3, &why));
	CHECK_EQ(why.rule, WHY_RESUME_MXCSR);
	CHECK_EQ(why.found, mxcsr);
	CHECK_EQ(why.found & ~why.wanted, 1u << 17);
	value = 5;
	memcpy(image + 528, &value, sizeof(value));
	CHECK(!lp_xsave_check(image, 3, &why));
	CHECK_EQ(why.rule, WHY_RESUME_XHEADER);
	CHECK_EQ(why.found, 0);
	CHECK_EQ(why.wanted, 5);
	value = 7;
	memcpy(image + 512, &value, sizeof(value));
	CHECK(!lp_xsave_check(image, 3, &why));
	CHECK_EQ(why.rule, WHY_RESUME_XSTATE);
	CHECK_EQ(why.found, 7);
	CHECK_EQ(why.wanted, 3);
}

TEST(why_edeccssa)
{
	struct why why = {0};

	fx_init(&fx);
	fx.secs.features = LP_EDECCSSA;
	fx_enter(&fx);
	CHECK(!cpu_ok(lp_edeccssa_check(&fx.lp, &why)));
	CHECK_EQ(why.rule, WHY_EDECCSSA_EMPTY);
	CHECK_EQ(why.wanted, FX_NSSA);
}
