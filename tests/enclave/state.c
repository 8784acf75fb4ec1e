/* SPDX-License-Identifier: BSD-3-Clause */
/* What AEX keeps in the SSA and ERESUME brings back, register by register. */
#include "encl.h"

#include <harness/harness.h>
#include <stdlib.h>

#define XSAVE_AVX 576u /* where the upper halves of YMM lie, standard format */

struct probe {
	struct encl *e;
	struct encl_vstate want;
	uint8_t *frame; /* SSA[0] as the enclave reads it */
	int calls;
};

static void choose(struct encl_vstate *v, unsigned int seed)
{
	memset(v, 0, sizeof(*v));
	for (int i = 0; i < 16; i++) {
		for (int k = 0; k < 32; k++)
			v->ymm[i][k] = (uint8_t)(seed + 37 * i + 11 * k + 1);
		v->gpr[i] = 0x9e3779b97f4a7c15ull * (seed + 1 + (unsigned int)i);
	}
	v->gpr[GPR_RSP] = encl_nowhere() + 0x1234;
	v->gpr[GPR_RBP] = 0x7777777777777777;
	v->mxcsr = 0x9fc0; /* flush to zero, DAZ, all masked */
	v->fcw = 0x0e7f; /* toward zero, double precision, all masked */
}

static int look(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
		struct sgx_enclave_run *run)
{
	struct probe *p = (struct probe *)run->user_data;
	struct sgx_gprsgx gpr;
	struct encl *e = p->e;
	uint64_t at = encl_gprsgx(e, 0, 0), rip;

	if (p->calls++)
		return 0;
	CHECK_EQ(run->function, SGX_ERESUME);
	CHECK_EQ(run->exception_vector, SGX_VEC_UD);
	encl_read(e, 0, p->frame, encl_ssa(e, 0, 0), e->opts.ssaframesize * ENCL_PAGE);
	encl_read(e, 0, &gpr, at, sizeof(gpr));
	/* past UD2; and the stack of this very call, which EEXIT comes back to */
	rip = gpr.rip + 2;
	encl_write8(e, 0, at + offsetof(struct sgx_gprsgx, rip), rip);
	encl_write8(e, 0, e->base + ENCL_DATA + DATA_SCRATCH + 16, gpr.ursp);
	encl_write8(e, 0, e->base + ENCL_DATA + DATA_SCRATCH + 24, gpr.urbp);
	return SGX_ERESUME;
}

static void check_frame(struct encl *e, const struct probe *p, uint64_t xfrm)
{
	const struct sgx_gprsgx *gpr =
		(const void *)(p->frame + e->opts.ssaframesize * ENCL_PAGE - sizeof(*gpr));
	const uint64_t *gprs = (const uint64_t *)gpr;
	uint64_t bv;
	uint32_t mxcsr;
	uint16_t fcw;

	for (int i = 0; i < 16; i++)
		if (gprs[i] != p->want.gpr[i])
			FAIL("SSA: general register %d is 0x%llx, not 0x%llx", i,
			     (unsigned long long)gprs[i], (unsigned long long)p->want.gpr[i]);
	CHECK_EQ(gpr->rip, encl_label(e, blob_state_ud2));
	CHECK_EQ(gpr->rflags & 0x401, 0x401); /* CF and DF */
	CHECK_EQ(gpr->exitinfo, SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_UD);
	CHECK_EQ(gpr->fsbase, encl_fs(e, 0));
	CHECK_EQ(gpr->gsbase, encl_gs(e, 0));

	memcpy(&fcw, p->frame, sizeof(fcw));
	memcpy(&mxcsr, p->frame + 24, sizeof(mxcsr));
	memcpy(&bv, p->frame + 512, sizeof(bv));
	CHECK_EQ(fcw, p->want.fcw);
	CHECK_EQ(mxcsr, p->want.mxcsr);
	CHECK_EQ(bv & ~xfrm, 0);
	CHECK_EQ(bv & xfrm, xfrm);
	for (int i = 0; i < 16; i++) {
		CHECK_MEM(p->frame + 160 + 16 * i, p->want.ymm[i], 16);
		if (xfrm & 4)
			CHECK_MEM(p->frame + XSAVE_AVX + 16 * i, p->want.ymm[i] + 16, 16);
	}
}

static void check_resumed(struct encl *e, const struct probe *p, uint64_t xfrm)
{
	struct encl_vstate out;

	encl_read(e, 0, &out, e->base + ENCL_DATA + DATA_OUT, sizeof(out));
	for (int i = 0; i < 16; i++) {
		if (out.gpr[i] != p->want.gpr[i])
			FAIL("resumed: general register %d is 0x%llx, not 0x%llx", i,
			     (unsigned long long)out.gpr[i], (unsigned long long)p->want.gpr[i]);
		CHECK_MEM(out.ymm[i], p->want.ymm[i], xfrm & 4 ? 32 : 16);
	}
	CHECK_EQ(out.mxcsr, p->want.mxcsr);
	CHECK_EQ(out.fcw, p->want.fcw);
	CHECK_EQ(out.rflags & 0x401, 0x401);
}

static void run_state(uint64_t xfrm, uint32_t miscselect, uint32_t ssaframesize)
{
	struct encl_opts opts = {
		.xfrm = xfrm,
		.miscselect = miscselect,
		.ssaframesize = ssaframesize,
	};
	struct sgx_enclave_run run;
	struct encl_regs regs;
	struct probe p = {0};
	struct encl e;

	encl_build(&e, &opts);
	p.e = &e;
	p.frame = aligned_alloc(64, ssaframesize * ENCL_PAGE);
	for (unsigned int seed = 0; seed < 20; seed++) {
		choose(&p.want, seed);
		p.calls = 0;
		memset(&run, 0, sizeof(run));
		memset(&regs, 0, sizeof(regs));
		run.tcs = encl_tcs(&e, 0);
		run.user_handler = (uint64_t)look;
		run.user_data = (uint64_t)&p;
		regs.rdi = OP_STATE;
		regs.rsi = (uint64_t)&p.want;
		regs.r8 = xfrm;
		CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
		CHECK_EQ(p.calls, 2);
		CHECK_EQ(run.function, SGX_EEXIT);
		check_frame(&e, &p, xfrm);
		check_resumed(&e, &p, xfrm);
	}
	free(p.frame);
	encl_free(&e);
}

TEST(legacy_state)
{
	run_state(SGX_XFRM_LEGACY, 0, 1);
}

TEST(avx_state)
{
	if (!(encl_xfrm() & 4))
		SKIP("this processor has no AVX");
	run_state(7, 0, 1);
}

TEST(state_with_exinfo)
{
	run_state(encl_xfrm(), SGX_MISC_EXINFO_BIT, 1);
}

TEST(state_in_large_frames)
{
	run_state(encl_xfrm(), SGX_MISC_EXINFO_BIT, 3);
}

/* SDM, AEX: outside sees the initial state of what XFRM covers. */
TEST(nothing_leaks_out)
{
	struct encl_vstate v;
	struct encl_op o;
	struct encl e;
	uint8_t zeros[16] = {0};

	choose(&v, 3);
	encl_build(&e, &(struct encl_opts){.xfrm = encl_xfrm()});
	o = encl_enter(&e, 0, SGX_EENTER, OP_STATE, (uint64_t)&v, 0, e.opts.xfrm, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	for (int i = 0; i < 16; i++)
		CHECK_MEM(o.regs.xmm[i], zeros, 16);
	CHECK_EQ(o.regs.r8, 0);
	CHECK_EQ(o.regs.r9, 0);
	CHECK_EQ(o.regs.r10, 0);
	CHECK_EQ(o.regs.r11, 0);
	CHECK_EQ(o.regs.r12, 0);
	CHECK_EQ(o.regs.r13, 0);
	CHECK_EQ(o.regs.r14, 0);
	CHECK_EQ(o.regs.r15, 0);
	CHECK_EQ(o.regs.rbx, 0x5eed);
	encl_free(&e);
}

static uint32_t exitinfo(struct encl *e)
{
	uint64_t at = encl_gprsgx(e, 0, 0) + offsetof(struct sgx_gprsgx, exitinfo);

	return (uint32_t)encl_read8(e, 0, at);
}

static void fault(struct encl *e, uint64_t op, uint64_t rsi, unsigned int vector)
{
	struct encl_op o = encl_enter_fixed(e, 0, SGX_EENTER, op, rsi, 0, 0, 0);

	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, vector);
}

/* Drop frame 0: an op that exits runs in its place. */
static void finish(struct encl *e)
{
	encl_write8(e, 0, encl_gprsgx(e, 0, 0) + offsetof(struct sgx_gprsgx, rip), e->base);
	encl_write8(e, 0, encl_gprsgx(e, 0, 0) + offsetof(struct sgx_gprsgx, rdi), OP_NOP);
}

TEST(exinfo_of_page_faults)
{
	struct sgx_exinfo info;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.miscselect = SGX_MISC_EXINFO_BIT});
	fault(&e, OP_WRITE8, e.base + ENCL_HOLE + 0x123, SGX_VEC_PF);
	encl_read(&e, 0, &info, encl_exinfo(&e, 0, 0), sizeof(info));
	/* inside knows the whole address, outside only the page */
	CHECK_EQ(info.maddr, e.base + ENCL_HOLE + 0x123);
	CHECK_EQ(info.errcd & (SGX_PF_W | SGX_PF_U), SGX_PF_W | SGX_PF_U);
	CHECK_EQ(info.rsvd, 0);
	CHECK_EQ(exitinfo(&e), SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_PF);
	encl_free(&e);
}

TEST(exinfo_of_general_protection)
{
	struct sgx_exinfo info;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.miscselect = SGX_MISC_EXINFO_BIT});
	fault(&e, OP_NONCANONICAL, 0, SGX_VEC_GP);
	encl_read(&e, 0, &info, encl_exinfo(&e, 0, 0), sizeof(info));
	CHECK_EQ(info.maddr, 0);
	CHECK_EQ(info.errcd, 0);
	CHECK_EQ(exitinfo(&e), SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_GP);
	encl_free(&e);
}

TEST(exitinfo_without_exinfo)
{
	static const struct {
		uint64_t op;
		unsigned int vector;
		uint32_t info;
	} cases[] = {
		{OP_UD2, SGX_VEC_UD, SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_UD},
		{OP_DIVIDE, SGX_VEC_DE, SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_DE},
		{OP_MASKED, SGX_VEC_XM, SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_XM},
		/* SDM: reported only where MISCSELECT has EXINFO */
		{OP_NONCANONICAL, SGX_VEC_GP, 0},
		{OP_READ8, SGX_VEC_PF, 0},
	};
	struct encl e;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		encl_build(&e, &(struct encl_opts){0});
		fault(&e, cases[i].op, e.base + ENCL_HOLE, cases[i].vector);
		CHECK_EQ(exitinfo(&e), cases[i].info);
		encl_free(&e);
	}
}

/* An SSA frame that the enclave has changed is what ERESUME takes */
TEST(resume_elsewhere)
{
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	fault(&e, OP_UD2, 0, SGX_VEC_UD);
	/* RCX inside must be where EEXIT goes: this call's own */
	o = encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_write8(&e, 0, encl_gprsgx(&e, 0, 0) + offsetof(struct sgx_gprsgx, rcx), o.regs.rdx);
	encl_write8(&e, 0, encl_gprsgx(&e, 0, 0) + offsetof(struct sgx_gprsgx, rax), 0x77);
	finish(&e);
	o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_EEXIT);
	CHECK_EQ(o.regs.rsi, 0x77);
	encl_free(&e);
}

TEST(resume_outside_elrange)
{
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	fault(&e, OP_UD2, 0, SGX_VEC_UD);
	encl_write8(&e, 0, encl_gprsgx(&e, 0, 0) + offsetof(struct sgx_gprsgx, rip),
		    0x8000000000000000);
	o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_GP);
	/* and the frame is still there: CSSA stayed 1 */
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 1);
	encl_free(&e);
}

/* SDM, ERESUME: XSTATE_BV within XFRM, the header's reserved bytes zero */
TEST(resume_bad_xsave)
{
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	fault(&e, OP_UD2, 0, SGX_VEC_UD);
	encl_write8(&e, 0, encl_ssa(&e, 0, 0) + 512, 1ull << 9);
	o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_GP);
	encl_write8(&e, 0, encl_ssa(&e, 0, 0) + 512, 3);
	encl_write8(&e, 0, encl_ssa(&e, 0, 0) + 512 + 16, 1);
	o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_GP);
	encl_write8(&e, 0, encl_ssa(&e, 0, 0) + 512 + 16, 0);
	o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	encl_free(&e);
}
