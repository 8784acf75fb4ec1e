/* SPDX-License-Identifier: BSD-3-Clause */
/* EENTER, AEX, ERESUME, EEXIT: what each does to registers, frame and slot. */
#include "lp_fixture.h"

RULE(EENTER, DONE)
TEST(lp_eenter_registers)
{
	struct fixture fx;
	struct lp_gprs outside, want;
	struct sgx_gprsgx gpr;

	fx_init(&fx);
	fx_regs(&outside, SGX_EENTER);
	gpr = fx.gpr[0];
	fx_enter(&fx);

	want = outside;
	want.rax = 0;
	want.rcx = FX_NEXT;
	want.rip = FX_BASE + FX_OENTRY;
	want.fsbase = FX_BASE + FX_OFSBASE;
	want.gsbase = FX_BASE + FX_OGSBASE;
	CHECK_MEM(&fx.regs, &want, sizeof(want));

	/* the frame: URSP and URBP alone */
	gpr.ursp = outside.rsp;
	gpr.urbp = outside.rbp;
	CHECK_MEM(&fx.gpr[0], &gpr, sizeof(gpr));

	CHECK(fx.lp.tcs == &fx.tcs);
	CHECK(fx.lp.secs == &fx.secs);
	CHECK_EQ(fx.lp.tcs_addr, FX_TCS);
	CHECK_EQ(fx.tcs.aep, FX_AEP);
	CHECK_EQ(fx.tcs.state, FX_OWNER);
	CHECK_EQ(fx.tcs.cssa, 0);
	CHECK_EQ(fx.tcs.entries, 1);
}

RULE(EEXIT, DONE)
TEST(lp_eexit_registers)
{
	struct fixture fx;
	struct lp_gprs want;

	fx_init(&fx);
	fx_enter(&fx);
	fx.regs.rax = SGX_EEXIT;
	fx.regs.rbx = 0x409999;
	fx.regs.rsp = 0x1111;
	want = fx.regs;
	want.rip = 0x409999;
	want.rcx = FX_AEP;
	want.fsbase = 0xf5;
	want.gsbase = 0x65;
	fx_check_ok(lp_eexit(&fx.lp, &fx.regs));
	CHECK_MEM(&fx.regs, &want, sizeof(want));
	CHECK(!fx.lp.tcs);
	CHECK_EQ(fx.tcs.state, SGX_TCS_FREE);
	CHECK_EQ(fx.tcs.cssa, 0);
	CHECK_EQ(fx.tcs.exits, 1);
}

RULE(EEXIT, RBX)
TEST(lp_eexit_noncanonical)
{
	struct fixture fx, before;

	fx_init(&fx);
	fx_enter(&fx);
	fx.regs.rbx = FX_NONCANONICAL;
	before = fx;
	fx_check_gp(lp_eexit(&fx.lp, &fx.regs));
	CHECK_MEM(&fx, &before, sizeof(fx));
}

RULE(EEXIT, INSIDE)
TEST(lp_eexit_outside_enclave)
{
	struct fixture fx, before;

	fx_init(&fx);
	before = fx;
	fx_check_gp(lp_eexit(&fx.lp, &fx.regs));
	CHECK_MEM(&fx, &before, sizeof(fx));
}

/* A target inside ELRANGE is legal: it is the fetch that fails. */
RULE(EEXIT, RBX)
TEST(lp_eexit_into_elrange)
{
	struct fixture fx;

	fx_init(&fx);
	fx_enter(&fx);
	fx.regs.rbx = FX_BASE + 0x5000;
	fx_check_ok(lp_eexit(&fx.lp, &fx.regs));
	CHECK_EQ(fx.regs.rip, FX_BASE + 0x5000);
}

static void random_inside(struct lp_gprs *regs, uint64_t *seed)
{
	uint64_t *r = (uint64_t *)regs;
	size_t i;

	for (i = 0; i < sizeof(*regs) / 8; i++)
		r[i] = fx_random(seed);
	regs->rip = FX_BASE + (fx_random(seed) & (FX_SIZE - 1));
	regs->fsbase &= 0x7fffffffffffull;
	regs->gsbase |= 0xffff800000000000ull;
}

RULE(AEX, SAVE)
TEST(lp_aex_saves_and_synthesizes)
{
	uint64_t seed = 0x123456789;
	int i;

	for (i = 0; i < 1000; i++) {
		struct lp_event event = {0};
		struct lp_gprs inside, want;
		struct sgx_gprsgx frame;
		struct fixture fx;

		fx_init(&fx);
		fx_enter(&fx);
		random_inside(&inside, &seed);
		fx.regs = inside;
		frame = fx.gpr[0];
		lp_aex(&fx.lp, &fx.gpr[0], &fx.exinfo[0], &event, &fx.regs);

		/* every register as it was, TF clear; URSP to AEXNOTIFY untouched */
		memcpy(&frame, &inside, 144);
		frame.rflags &= ~0x100ull;
		frame.fsbase = inside.fsbase;
		frame.gsbase = inside.gsbase;
		frame.exitinfo = 0;
		CHECK_MEM(&fx.gpr[0], &frame, sizeof(frame));

		/* CF PF AF ZF SF OF RF clear; TF as outside, where it was 0 */
		want = (struct lp_gprs){
			.rax = 3,
			.rbx = FX_TCS,
			.rcx = FX_AEP,
			.rip = FX_AEP,
			.rsp = 0x7ffe0000,
			.rbp = 0x7ffe0100,
			.fsbase = 0xf5,
			.gsbase = 0x65,
		};
		want.rflags = inside.rflags &
			      ~(0x1ull | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x800 | 0x10000);
		CHECK_MEM(&fx.regs, &want, sizeof(want));
		CHECK(!fx.lp.tcs);
		CHECK_EQ(fx.tcs.state, SGX_TCS_FREE);
		CHECK_EQ(fx.tcs.cssa, 1);
		CHECK_EQ(fx.tcs.aexs, 1);
		CHECK_EQ(fx.tcs.exits, 0);
	}
}

/* Every vector, with and without EXINFO. */
RULE(AEX, EXITINFO)
TEST(lp_aex_exitinfo)
{
	static const struct {
		uint8_t vector;
		uint32_t exitinfo;
	} always[] = {
		/* VALID | TYPE << 8 | VECTOR */
		{0, 0x80000300}, {1, 0x80000301},  {3, 0x80000603},  {5, 0x80000305},
		{6, 0x80000306}, {16, 0x80000310}, {17, 0x80000311}, {19, 0x80000313},
	};
	unsigned int vector, misc, exception, i;

	for (vector = 0; vector < 256; vector++)
		for (misc = 0; misc < 2; misc++)
			for (exception = 0; exception < 2; exception++) {
				struct lp_event event = {
					.vector = (uint8_t)vector,
					.exception = (uint8_t)exception,
					.error_code = 0x8007,
					.address = FX_BASE + 0x12345,
				};
				struct sgx_exinfo exinfo;
				uint32_t want = 0;
				struct fixture fx;

				fx_init(&fx);
				exinfo = fx.exinfo[0];
				fx.secs.miscselect = misc;
				fx_enter(&fx);
				for (i = 0; exception && i < sizeof(always) / sizeof(*always); i++)
					if (always[i].vector == vector)
						want = always[i].exitinfo;
				if (exception && misc && (vector == 13 || vector == 14)) {
					want = 0x80000300 | vector;
					exinfo.maddr = vector == 14 ? FX_BASE + 0x12345 : 0;
					exinfo.errcd = 0x8007;
					exinfo.rsvd = 0;
				}
				lp_aex(&fx.lp, &fx.gpr[0], misc ? &fx.exinfo[0] : NULL, &event,
				       &fx.regs);
				CHECK_EQ(fx.gpr[0].exitinfo, want);
				CHECK_MEM(&fx.exinfo[0], &exinfo, sizeof(exinfo));
			}
}

RULE(AEX, EXINFO)
TEST(lp_aex_no_exinfo_without_miscselect)
{
	struct lp_event event = {.vector = 14, .exception = 1, .error_code = 7, .address = 1};
	struct sgx_exinfo exinfo;
	struct fixture fx;

	fx_init(&fx);
	exinfo = fx.exinfo[0];
	fx.secs.miscselect = 0;
	fx_enter(&fx);
	lp_aex(&fx.lp, &fx.gpr[0], &fx.exinfo[0], &event, &fx.regs);
	CHECK_EQ(fx.gpr[0].exitinfo, 0);
	CHECK_MEM(&fx.exinfo[0], &exinfo, sizeof(exinfo));
}

/* U/S = 0: the processor's own access; never told to the enclave. */
TEST(lp_aex_supervisor_pf_not_reported)
{
	struct lp_event event = {.vector = 14, .exception = 1, .error_code = 0x8003};
	struct sgx_exinfo exinfo;
	struct fixture fx;

	fx_init(&fx);
	exinfo = fx.exinfo[0];
	fx_enter(&fx);
	lp_aex(&fx.lp, &fx.gpr[0], &fx.exinfo[0], &event, &fx.regs);
	CHECK_EQ(fx.gpr[0].exitinfo, 0);
	CHECK_MEM(&fx.exinfo[0], &exinfo, sizeof(exinfo));
}

RULE(AEX, CR2)
TEST(lp_outside_sees_the_page_only)
{
	CHECK_EQ(lp_outside_cr2(FX_BASE + 0x12fff), FX_BASE + 0x12000);
}

static const uint64_t tf = 0x100;

/* TF outside and DBGOPTIN: what is in force inside, after AEX, after EEXIT. */
RULE(EENTER, TF)
TEST(lp_tf)
{
	unsigned int outside, optin, inside;

	for (outside = 0; outside < 2; outside++)
		for (optin = 0; optin < 2; optin++)
			for (inside = 0; inside < 2; inside++) {
				uint64_t tf_out = outside ? tf : 0, tf_in = inside ? tf : 0;
				uint64_t after = optin ? tf_in : tf_out;
				struct fixture fx;

				fx_init(&fx);
				fx.tcs.flags = optin;
				fx_regs(&fx.regs, SGX_EENTER);
				fx.regs.rflags |= tf_out;
				fx_check_ok(lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0,
							    FX_OWNER, NULL));
				lp_eenter(&fx.lp, &fx.secs, &fx.tcs, &fx.gpr[0], FX_NEXT, &fx.regs);
				CHECK_EQ(fx.regs.rflags & tf, optin ? tf_out : 0);

				fx.regs.rflags = (fx.regs.rflags & ~tf) | tf_in;
				/* what a debugger writes now is for the next entry */
				fx.tcs.flags = !optin;
				fx_interrupt(&fx);
				fx.tcs.flags = optin;
				CHECK_EQ(fx.regs.rflags & tf, after);
				CHECK_EQ(fx.gpr[0].rflags & tf, 0);

				/* ERESUME ignores the frame's TF */
				fx.gpr[0].rflags ^= tf_in;
				fx.gpr[0].rip = FX_BASE;
				fx.gpr[0].fsbase = fx.gpr[0].gsbase = 0;
				fx.regs.rflags = (fx.regs.rflags & ~tf) | tf_out;
				fx_check_ok(fx_try_resume(&fx));
				CHECK_EQ(fx.regs.rflags & tf, optin ? tf_out : 0);

				fx.regs.rflags = (fx.regs.rflags & ~tf) | tf_in;
				fx.regs.rbx = 0x401000;
				fx_check_ok(lp_eexit(&fx.lp, &fx.regs));
				CHECK_EQ(fx.regs.rflags & tf, after);
			}
}

RULE(ERESUME, DONE)
TEST(lp_round_trip)
{
	uint64_t seed = 0xabcdef;
	int i;

	for (i = 0; i < 1000; i++) {
		struct lp_gprs inside;
		struct fixture fx;
		struct sgx_gprsgx frame;

		fx_init(&fx);
		fx_enter(&fx);
		random_inside(&inside, &seed);
		/* what user code can have: no TF, IOPL 0, IF set */
		inside.rflags = (inside.rflags & 0x254cd5) | 0x202;
		fx.regs = inside;
		fx_interrupt(&fx);

		/* another stack, AEP, FS and GS to come back from */
		fx.regs.rsp = 0x6666;
		fx.regs.rbp = 0x7777;
		fx.regs.rcx = 0x402222;
		fx.regs.fsbase = 0xf6;
		fx.regs.gsbase = 0x66;
		frame = fx.gpr[0];
		fx_check_ok(fx_try_resume(&fx));
		CHECK_MEM(&fx.regs, &inside, sizeof(inside));
		/* URSP and URBP stay EENTER's; nothing of the frame is written */
		CHECK_MEM(&fx.gpr[0], &frame, sizeof(frame));
		CHECK_EQ(fx.tcs.cssa, 0);
		CHECK_EQ(fx.tcs.aep, 0x402222);
		CHECK_EQ(fx.tcs.state, FX_OWNER);
		CHECK_EQ(fx.tcs.entries, 2);

		fx_interrupt(&fx);
		CHECK_EQ(fx.regs.rsp, 0x7ffe0000);
		CHECK_EQ(fx.regs.rbp, 0x7ffe0100);
		CHECK_EQ(fx.regs.rip, 0x402222);
		CHECK_EQ(fx.regs.fsbase, 0xf6);
		CHECK_EQ(fx.regs.gsbase, 0x66);
		fx_check_ok(fx_try_resume(&fx));

		fx.regs.rbx = 0x401000;
		fx_check_ok(lp_eexit(&fx.lp, &fx.regs));
		CHECK_EQ(fx.regs.rcx, 0x402222);
		CHECK_EQ(fx.regs.fsbase, 0xf6);
		CHECK_EQ(fx.tcs.state, SGX_TCS_FREE);
		CHECK_EQ(fx.tcs.cssa, 0);
	}
}

/* Down to NSSA by exceptions in handlers, and up again. */
TEST(lp_nested_aex)
{
	struct fixture fx;
	uint32_t i;

	fx_init(&fx);
	for (i = 0; i < FX_NSSA; i++) {
		fx_enter(&fx);
		CHECK_EQ(fx.regs.rax, i);
		fx.regs.r12 = 0x1200 + i;
		fx_interrupt(&fx);
		CHECK_EQ(fx.tcs.cssa, i + 1);
	}
	fx_regs(&fx.regs, SGX_EENTER);
	fx_check_gp(lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0, FX_OWNER, NULL));
	CHECK_EQ(fx.tcs.cssa, FX_NSSA);

	while (i-- > 0) {
		fx_regs(&fx.regs, SGX_ERESUME);
		fx_check_ok(fx_try_resume(&fx));
		CHECK_EQ(fx.regs.r12, 0x1200 + i);
		CHECK_EQ(fx.tcs.cssa, i);
		fx.regs.rbx = 0x401000;
		fx_check_ok(lp_eexit(&fx.lp, &fx.regs));
	}
	fx_regs(&fx.regs, SGX_ERESUME);
	fx_check_gp(lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0, FX_OWNER, NULL));
	CHECK_EQ(fx.tcs.entries, 2 * FX_NSSA);
	CHECK_EQ(fx.tcs.aexs, FX_NSSA);
	CHECK_EQ(fx.tcs.exits, FX_NSSA);
}

static void resume_bad_frame(size_t field, uint64_t value)
{
	struct fixture fx, before;

	fx_init(&fx);
	fx_enter(&fx);
	fx_interrupt(&fx);
	memcpy((uint8_t *)&fx.gpr[0] + field, &value, sizeof(value));
	fx_check_ok(lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, FX_XCR0, FX_OWNER, NULL));
	before = fx;
	fx_check_gp(lp_eresume(&fx.lp, &fx.secs, &fx.tcs, &fx.gpr[0], &fx.regs, NULL));
	CHECK_MEM(&fx, &before, sizeof(fx));
	lp_eenter_undo(&fx.tcs, FX_OWNER);
	CHECK_EQ(fx.tcs.state, SGX_TCS_FREE);
	CHECK_EQ(fx.tcs.cssa, 1);
}

RULE(ERESUME, RIP)
TEST(lp_eresume_bad_rip)
{
	resume_bad_frame(offsetof(struct sgx_gprsgx, rip), FX_NONCANONICAL);
	resume_bad_frame(offsetof(struct sgx_gprsgx, rip), FX_BASE - 1);
	resume_bad_frame(offsetof(struct sgx_gprsgx, rip), FX_BASE + FX_SIZE);
}

RULE(ERESUME, FS_GS)
TEST(lp_eresume_bad_fs_gs)
{
	resume_bad_frame(offsetof(struct sgx_gprsgx, fsbase), FX_NONCANONICAL);
	resume_bad_frame(offsetof(struct sgx_gprsgx, gsbase), 0xffff000000000000ull);
}

/* Each bit of RFLAGS from the frame, and each of outside, at IOPL 0 and 3. */
RULE(ERESUME, RFLAGS)
TEST(lp_eresume_rflags)
{
	/* CF PF AF ZF SF DF OF NT RF AC ID */
	const uint64_t from_ssa = 0x254cd5;
	unsigned int bit, iopl;

	for (bit = 0; bit < 64; bit++)
		for (iopl = 0; iopl < 4; iopl++) {
			uint64_t take = from_ssa | (iopl == 3 ? 0x200 : 0);
			uint64_t one = 1ull << bit, level = (uint64_t)iopl << 12;
			struct fixture fx;

			fx_init(&fx);
			fx_enter(&fx);
			fx_interrupt(&fx);
			fx.gpr[0].rflags = one;
			fx.regs.rflags = level;
			fx_check_ok(fx_try_resume(&fx));
			CHECK_EQ(fx.regs.rflags, (one & take) | level);

			fx_interrupt(&fx);
			fx.gpr[0].rflags = 0;
			fx.regs.rflags = level | one;
			if ((fx.regs.rflags & 0x3000) == 0x3000)
				take |= 0x200;
			fx_check_ok(fx_try_resume(&fx));
			/* VM and TF are cleared, too */
			CHECK_EQ(fx.regs.rflags, (level | one) & ~take & ~0x20100ull);
		}
}
