/* SPDX-License-Identifier: BSD-3-Clause */
/* AEX-Notify and EDECCSSA: TCS.FLAGS and ATTRIBUTES, ERESUME that notifies, and the way back. */
#include "lp_fixture.h"

#define AEXNOTIFY SGX_TCS_AEXNOTIFY_BIT
#define DBGOPTIN  SGX_TCS_DBGOPTIN_BIT

/* An enclave that was built for AEX-Notify, on a processor that has it. */
static void init(struct fixture *fx)
{
	fx_init(fx);
	fx->secs.features = LP_AEXNOTIFY | LP_EDECCSSA;
	fx->secs.attributes |= SGX_ATTR_AEXNOTIFY_BIT;
	fx->tcs.flags = AEXNOTIFY;
	memset(fx->gpr, 0, sizeof(fx->gpr));
}

static struct cpu_result check(struct fixture *fx, uint64_t leaf)
{
	struct cpu_result r;

	fx_regs(&fx->regs, leaf);
	r = lp_eenter_check(&fx->secs, &fx->tcs, &fx->regs, FX_XCR0, FX_OWNER, NULL);
	if (cpu_ok(r))
		lp_eenter_undo(&fx->tcs, FX_OWNER);
	return r;
}

/* Processor, ATTRIBUTES, and both flags of the TCS: which of them can be entered. */
RULE(EENTER, AEXNOTIFY)
RULE(ERESUME, AEXNOTIFY)
RULE(EENTER, FLAGS)
RULE(ERESUME, FLAGS)
TEST(lp_notify_flags)
{
	for (unsigned int n = 0; n < 16; n++) {
		bool has = n & 1, attribute = n & 2, flag = n & 4, debug = n & 8;
		bool legal = has ? debug || flag == attribute : !flag;
		struct fixture fx;

		if (attribute && !has) /* ECREATE would not have taken it */
			continue;
		init(&fx);
		fx.secs.features = has ? LP_AEXNOTIFY : 0;
		if (!attribute)
			fx.secs.attributes &= ~SGX_ATTR_AEXNOTIFY_BIT;
		fx.tcs.flags = (flag ? AEXNOTIFY : 0) | (debug ? DBGOPTIN : 0);
		fx.tcs.cssa = 1;
		for (uint64_t leaf = SGX_EENTER; leaf <= SGX_ERESUME; leaf++) {
			if (legal)
				fx_check_ok(check(&fx, leaf));
			else
				fx_check_gp(check(&fx, leaf));
		}
		fx.tcs.flags |= 4;
		fx_check_gp(check(&fx, SGX_EENTER));
		fx_check_gp(check(&fx, SGX_ERESUME));
	}
}

/* The order in check_tcs(): XFRM, this, CSSA. */
RULE(EENTER, AEXNOTIFY)
RULE(ERESUME, AEXNOTIFY)
TEST(lp_notify_order)
{
	struct why why = {0};
	struct fixture fx;

	for (uint64_t leaf = SGX_EENTER; leaf <= SGX_ERESUME; leaf++) {
		static const enum why_rule rules[] = {WHY_ENTRY_XFRM, WHY_ENTRY_AEXNOTIFY};

		init(&fx);
		fx.tcs.cssa = leaf == SGX_EENTER ? FX_NSSA : 0;
		fx.tcs.flags = 0;
		fx.secs.xfrm = 1ull << 60;
		for (unsigned int i = 0; i < 3; i++) {
			fx_regs(&fx.regs, leaf);
			fx_check_gp(lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0, FX_OWNER,
						    &why));
			CHECK_EQ(why.rule, i < 2		? rules[i]
					   : leaf == SGX_EENTER ? WHY_ENTRY_CSSA_FULL
								: WHY_ENTRY_CSSA_EMPTY);
			if (i == 0)
				fx.secs.xfrm = FX_XFRM;
			else
				fx.tcs.flags = AEXNOTIFY;
		}
	}
}

/* Of the eight bits of GPRSGX.AEXNOTIFY the first counts, and TCS.FLAGS; not ATTRIBUTES. */
RULE(ERESUME, NOTIFY)
TEST(lp_notify_when)
{
	struct fixture fx;

	init(&fx);
	for (unsigned int byte = 0; byte < 256; byte++) {
		fx.gpr[0].aexnotify = (uint8_t)byte;
		CHECK_EQ(lp_aexnotify(&fx.secs, &fx.tcs, &fx.gpr[0]), byte & 1);
	}
	fx.tcs.flags = DBGOPTIN;
	CHECK(!lp_aexnotify(&fx.secs, &fx.tcs, &fx.gpr[0]));
	fx.tcs.flags = DBGOPTIN | AEXNOTIFY;
	fx.secs.attributes &= ~SGX_ATTR_AEXNOTIFY_BIT;
	CHECK(lp_aexnotify(&fx.secs, &fx.tcs, &fx.gpr[0]));
	fx.secs.features = LP_EDECCSSA; /* a debugger's write on a processor without it */
	CHECK(!lp_aexnotify(&fx.secs, &fx.tcs, &fx.gpr[0]));
}

/* ERESUME that notifies: what the agent will do. */
static struct cpu_result notify(struct fixture *fx)
{
	struct cpu_result r;

	fx_check_ok(lp_eenter_check(&fx->secs, &fx->tcs, &fx->regs, FX_XCR0, FX_OWNER, NULL));
	CHECK(lp_aexnotify(&fx->secs, &fx->tcs, &fx->gpr[fx->tcs.cssa - 1]));
	r = lp_aexnotify_check(&fx->secs, &fx->tcs, NULL);
	if (cpu_ok(r))
		lp_eenter(&fx->lp, &fx->secs, &fx->tcs, &fx->gpr[fx->tcs.cssa], FX_NEXT, &fx->regs);
	else
		lp_eenter_undo(&fx->tcs, FX_OWNER);
	return r;
}

/*
 * AEX, notification at OENTRY, EDECCSSA: the handler goes on with what was interrupted,
 * and the next AEX is as the first one was.
 */
RULE(ERESUME, NOTIFY)
RULE(EDECCSSA, DONE)
RULE(AEX, AEXNOTIFY)
TEST(lp_notify_round_trip)
{
	struct lp_gprs inside, outside;
	struct fixture fx;

	init(&fx);
	fx_enter(&fx);
	inside = fx.regs;
	inside.rax = 0x1234;
	inside.rsp = 0x5678;
	fx.gpr[0].aexnotify = 1; /* the enclave's own store */
	for (unsigned int round = 0; round < 3; round++) {
		inside.rip = FX_BASE + 0x6000 + round;
		fx.regs = inside;
		fx_interrupt(&fx);
		CHECK_EQ(fx.tcs.cssa, 1);
		CHECK_EQ(fx.gpr[0].aexnotify, 1);
		CHECK_EQ(fx.regs.rax, SGX_ERESUME);
		fx.regs.rsp = 0x7ffd0000 + round;
		fx.regs.rbp = 0x7ffd0100 + round;
		outside = fx.regs;

		fx_check_ok(notify(&fx));
		CHECK_EQ(fx.tcs.cssa, 1); /* the frame is not popped */
		CHECK(fx.lp.tcs == &fx.tcs);
		CHECK_EQ(fx.regs.rip, FX_BASE + FX_OENTRY);
		CHECK_EQ(fx.regs.rax, 1);
		CHECK_EQ(fx.regs.rcx, FX_NEXT);
		CHECK_EQ(fx.regs.fsbase, FX_BASE + FX_OFSBASE);
		CHECK_EQ(fx.regs.gsbase, FX_BASE + FX_OGSBASE);
		/* all else is outside's, as after EENTER */
		CHECK_EQ(fx.regs.rbx, FX_TCS);
		CHECK_EQ(fx.regs.rsp, outside.rsp);
		CHECK_EQ(fx.regs.rdi, outside.rdi);
		CHECK_EQ(fx.gpr[1].ursp, outside.rsp);
		CHECK_EQ(fx.gpr[1].urbp, outside.rbp);
		/* what was interrupted is there for the handler */
		CHECK_EQ(fx.gpr[0].rip, inside.rip);
		CHECK_EQ(fx.gpr[0].rax, inside.rax);
		CHECK_EQ(fx.gpr[0].rsp, inside.rsp);

		/* an AEX of the handler is resumed as ever: its frame does not ask */
		fx_interrupt(&fx);
		CHECK_EQ(fx.tcs.cssa, 2);
		CHECK_EQ(fx.regs.rsp, outside.rsp);
		CHECK(!lp_aexnotify(&fx.secs, &fx.tcs, &fx.gpr[1]));
		fx_check_ok(fx_try_resume(&fx));
		CHECK_EQ(fx.regs.rip, FX_BASE + FX_OENTRY);
		CHECK_EQ(fx.tcs.cssa, 1);

		outside = fx.regs;
		fx_check_ok(lp_edeccssa_check(&fx.lp, NULL));
		lp_edeccssa(&fx.lp);
		CHECK_EQ(fx.tcs.cssa, 0);
		CHECK_MEM(&fx.regs, &outside, sizeof(outside));
		CHECK(fx.lp.tcs == &fx.tcs);
	}
	/* the enclave has heard enough */
	fx.gpr[0].aexnotify = 0;
	fx.regs = inside;
	fx_interrupt(&fx);
	CHECK(!lp_aexnotify(&fx.secs, &fx.tcs, &fx.gpr[0]));
	fx_check_ok(fx_try_resume(&fx));
	CHECK_EQ(fx.regs.rip, inside.rip);
	CHECK_EQ(fx.regs.rax, inside.rax);
}

/* Interrupted and asked for, with a change; the slot is free again after a fault. */
static void notify_fault(void (*change)(struct fixture *), struct cpu_result want)
{
	struct cpu_result r;
	struct fixture fx;

	init(&fx);
	fx_enter(&fx);
	fx.gpr[0].aexnotify = 1;
	fx_interrupt(&fx);
	change(&fx);
	r = notify(&fx);
	CHECK_EQ(r.kind, want.kind);
	CHECK_EQ(r.vector, want.vector);
	CHECK_EQ(r.code, want.code);
	CHECK_EQ(r.addr, want.addr);
	CHECK_EQ(fx.tcs.state, SGX_TCS_FREE);
	CHECK_EQ(fx.tcs.cssa, 1);
	CHECK(!fx.lp.tcs);
}

#define CHANGE(name, what)                   \
	static void name(struct fixture *fx) \
	{                                    \
		what;                        \
	}

CHANGE(one_frame, fx->tcs.nssa = 1)
RULE(ERESUME, NOTIFY_CSSA)
TEST(lp_notify_no_frame)
{
	notify_fault(one_frame, cpu_gp());
}

CHANGE(last_frame, fx->tcs.ossa = FX_SIZE - 4096 * FX_FRAMESIZE)
CHANGE(half_a_frame, fx->tcs.ossa = FX_SIZE - 4096 * (2 * FX_FRAMESIZE - 1))
RULE(ERESUME, NOTIFY_SSA)
TEST(lp_notify_frame_outside)
{
	notify_fault(last_frame, cpu_pf(FX_BASE + FX_SIZE, 0x8007));
	notify_fault(half_a_frame, cpu_pf(FX_BASE + FX_SIZE, 0x8007));
}

CHANGE(oentry, fx->tcs.oentry = FX_SIZE)
RULE(ERESUME, NOTIFY_OENTRY)
TEST(lp_notify_oentry)
{
	notify_fault(oentry, cpu_gp());
}

CHANGE(fsbase, fx->tcs.ofsbase = FX_NONCANONICAL)
CHANGE(gsbase, fx->tcs.ogsbase = FX_NONCANONICAL)
RULE(ERESUME, NOTIFY_BASES)
TEST(lp_notify_bases)
{
	notify_fault(fsbase, cpu_gp());
	notify_fault(gsbase, cpu_gp());
}

/* What ERESUME would check of the frame that it does not load */
CHANGE(junk, memset(&fx->gpr[0], 0xff, offsetof(struct sgx_gprsgx, aexnotify)))
RULE(ERESUME, NOTIFY)
TEST(lp_notify_does_not_look_at_the_frame_below)
{
	struct fixture fx;

	init(&fx);
	fx_enter(&fx);
	fx.gpr[0].aexnotify = 1;
	fx_interrupt(&fx);
	junk(&fx);
	fx_check_ok(notify(&fx));
}

RULE(EDECCSSA, ABSENT)
TEST(lp_edeccssa_absent)
{
	struct fixture fx;

	init(&fx);
	fx.secs.features = LP_AEXNOTIFY;
	fx.tcs.cssa = 1;
	fx_enter(&fx);
	fx_check_gp(lp_edeccssa_check(&fx.lp, NULL));
	CHECK_EQ(fx.tcs.cssa, 1);
}

RULE(EDECCSSA, INSIDE)
TEST(lp_edeccssa_outside_enclave)
{
	struct fixture fx;

	init(&fx);
	fx.tcs.cssa = 1;
	fx_check_gp(lp_edeccssa_check(&fx.lp, NULL));
}

RULE(EDECCSSA, CSSA)
TEST(lp_edeccssa_at_the_bottom)
{
	struct why why = {0};
	struct fixture fx;

	init(&fx);
	fx_enter(&fx);
	fx_check_gp(lp_edeccssa_check(&fx.lp, &why));
	CHECK_EQ(why.rule, WHY_EDECCSSA_EMPTY);
}

RULE(EDECCSSA, SSA_CANONICAL)
RULE(EDECCSSA, SSA_RANGE)
TEST(lp_edeccssa_frame_outside)
{
	struct cpu_result r;
	struct fixture fx;

	init(&fx);
	fx.tcs.cssa = 1;
	fx_enter(&fx);
	fx.tcs.ossa = FX_SIZE - 4096; /* a debugger's write, or ours */
	r = lp_edeccssa_check(&fx.lp, NULL);
	CHECK_EQ(r.vector, SGX_VEC_PF);
	CHECK_EQ(r.addr, FX_BASE + FX_SIZE);
	CHECK_EQ(r.code, 0x8007);
	fx.tcs.ossa = FX_NONCANONICAL - FX_BASE;
	fx_check_gp(lp_edeccssa_check(&fx.lp, NULL));
	CHECK_EQ(fx.tcs.cssa, 1);
}

/* Without AEX-Notify too: an exception handler that gives its frame back by itself. */
RULE(EDECCSSA, DONE)
TEST(lp_edeccssa_of_nested_frames)
{
	struct fixture fx;

	init(&fx);
	fx.secs.features = LP_EDECCSSA;
	fx.secs.attributes &= ~SGX_ATTR_AEXNOTIFY_BIT;
	fx.tcs.flags = 0;
	fx.tcs.cssa = 2;
	fx_enter(&fx);
	for (uint32_t cssa = 2; cssa > 0; cssa--) {
		fx_check_ok(lp_edeccssa_check(&fx.lp, NULL));
		lp_edeccssa(&fx.lp);
		CHECK_EQ(fx.tcs.cssa, cssa - 1);
	}
	fx_check_gp(lp_edeccssa_check(&fx.lp, NULL));
}
