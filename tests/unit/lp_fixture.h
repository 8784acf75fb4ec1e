/* SPDX-License-Identifier: BSD-3-Clause */
/* One small enclave with one TCS, for the tests of cpu/lp.c. */
#ifndef TESTS_UNIT_LP_FIXTURE_H
#define TESTS_UNIT_LP_FIXTURE_H

#include <cpu/lp.h>
#include <harness/harness.h>

#include "conformance.h"

#define FX_BASE		0x7f0000000000ull
#define FX_SIZE		0x100000ull
#define FX_TCS		(FX_BASE + 0x3000)
#define FX_AEP		0x401234ull
#define FX_NEXT		0x401237ull
#define FX_OSSA		0x10000ull
#define FX_OENTRY	0x5040ull
#define FX_OFSBASE	0x20000ull
#define FX_OGSBASE	0x21000ull
#define FX_XFRM		0x7ull
#define FX_XCR0		0xe7ull
#define FX_NSSA		3u
#define FX_FRAMESIZE	2u
#define FX_OWNER	0x184d2u /* lp_owner(3, 0x134) */
#define FX_NONCANONICAL 0x0000800000000000ull

struct fixture {
	struct lp_secs secs;
	struct sgx_tcs_slot tcs;
	struct lp_gprs regs;
	struct lp_state lp;
	struct sgx_gprsgx gpr[FX_NSSA];
	struct sgx_exinfo exinfo[FX_NSSA];
};

static inline uint64_t fx_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Outside registers that execute the leaf; every other one recognisable. */
static inline void fx_regs(struct lp_gprs *regs, uint64_t leaf)
{
	*regs = (struct lp_gprs){
		.rax = leaf,
		.rcx = FX_AEP,
		.rdx = 0xd0d0,
		.rbx = FX_TCS,
		.rsp = 0x7ffe0000,
		.rbp = 0x7ffe0100,
		.rsi = 0x5151,
		.rdi = 0xd1d1,
		.r8 = 8,
		.r9 = 9,
		.r10 = 10,
		.r11 = 11,
		.r12 = 12,
		.r13 = 13,
		.r14 = 14,
		.r15 = 15,
		.rflags = 0x246,
		.rip = 0x401234,
		.fsbase = 0xf5,
		.gsbase = 0x65,
	};
}

static inline void fx_init(struct fixture *fx)
{
	memset(fx, 0, sizeof(*fx));
	fx->secs = (struct lp_secs){
		.base = FX_BASE,
		.size = FX_SIZE,
		.attributes = SGX_ATTR_INIT_BIT | SGX_ATTR_MODE64_BIT,
		.xfrm = FX_XFRM,
		.ssaframesize = FX_FRAMESIZE,
		.miscselect = SGX_MISC_EXINFO_BIT,
	};
	fx->tcs = (struct sgx_tcs_slot){
		.state = SGX_TCS_FREE,
		.epoch = 7,
		.ossa = FX_OSSA,
		.oentry = FX_OENTRY,
		.ofsbase = FX_OFSBASE,
		.ogsbase = FX_OGSBASE,
		.nssa = FX_NSSA,
		.fslimit = 0xfff,
		.gslimit = 0xfff,
	};
	memset(fx->gpr, 0xa5, sizeof(fx->gpr));
	memset(fx->exinfo, 0xa5, sizeof(fx->exinfo));
	fx_regs(&fx->regs, SGX_EENTER);
}

static inline void fx_check_ok(struct cpu_result r)
{
	CHECK_EQ(r.kind, CPU_DONE);
}

static inline void fx_check_gp(struct cpu_result r)
{
	CHECK_EQ(r.kind, CPU_FAULT);
	CHECK_EQ(r.vector, SGX_VEC_GP);
	CHECK_EQ(r.code, 0);
	CHECK_EQ(r.addr, 0);
}

static inline void fx_enter(struct fixture *fx)
{
	fx_regs(&fx->regs, SGX_EENTER);
	fx_check_ok(lp_eenter_check(&fx->secs, &fx->tcs, &fx->regs, FX_XCR0, FX_OWNER, NULL));
	lp_eenter(&fx->lp, &fx->secs, &fx->tcs, &fx->gpr[fx->tcs.cssa], FX_NEXT, &fx->regs);
}

/* An asynchronous exit by something that is no exception. */
static inline void fx_interrupt(struct fixture *fx)
{
	struct lp_event event = {0};
	uint32_t frame = fx->tcs.cssa;

	lp_aex(&fx->lp, &fx->gpr[frame], &fx->exinfo[frame], &event, &fx->regs);
}

static inline struct cpu_result fx_try_resume(struct fixture *fx)
{
	fx_check_ok(lp_eenter_check(&fx->secs, &fx->tcs, &fx->regs, FX_XCR0, FX_OWNER, NULL));
	return lp_eresume(&fx->lp, &fx->secs, &fx->tcs, &fx->gpr[fx->tcs.cssa - 1], &fx->regs,
			  NULL);
}

#endif
