/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XSAVE images (SDM volume 1, "Managing State Using the XSAVE Feature Set"): the
 * extended state that AEX saves and ERESUME loads, moved between a signal frame
 * and an SSA frame by hand.  Freestanding, as lp.c is.
 *
 *	   0  x87: FCW, FSW, FTW, FOP, FIP, FDP
 *	  24  SSE: MXCSR, MXCSR_MASK
 *	  32  x87: ST0-ST7
 *	 160  SSE: XMM0-XMM15
 *	 416  no component's; Linux keeps its own words at 464
 *	 512  header: XSTATE_BV, XCOMP_BV, reserved
 *	 576  components 2..62, where CPUID 0DH says
 *
 * A component whose bit is clear in XSTATE_BV is in its initial configuration
 * whatever its bytes hold.  MXCSR is the exception: XRSTOR of the standard format
 * loads it whenever SSE or AVX is asked for.
 */
#include <cpu/lp.h>
#include <cpu/mem.h>

#define XCOMP_X87	 (1ull << 0)
#define XCOMP_SSE	 (1ull << 1)
#define XCOMP_AVX	 (1ull << 2)

#define X87_CONTROL	 0u
#define X87_CONTROL_SIZE 24u
#define X87_STACK	 32u
#define X87_STACK_SIZE	 128u
#define X87_FCW		 0u
#define X87_FSW		 2u
#define SSE_MXCSR	 24u
#define SSE_MXCSR_MASK	 28u
#define SSE_REGS	 160u
#define SSE_REGS_SIZE	 256u
#define XSTATE_BV	 512u
#define HEADER_ZERO	 520u
#define HEADER_ZERO_SIZE 16u

#define FCW_INIT	 0x37fu
#define MXCSR_INIT	 0x1f80u
#define MXCSR_RSVD_BITS	 0xffff0000u
/* #MF: invalid operation unmasked, pending, with B and ES */
#define FCW_AFTER_MF 0x37eu
#define FSW_AFTER_MF 0x8081u
/* #XM: invalid operation unmasked and flagged, the rest masked */
#define MXCSR_AFTER_XM 0x1f01u

/* XSAVE and XRSTOR touch MXCSR for AVX as well as for SSE. */
static bool has_mxcsr(uint64_t xfrm)
{
	return xfrm & (XCOMP_SSE | XCOMP_AVX);
}

/* Copy component i, or give it its initial value where src is NULL. */
static void move_component(uint8_t *dst, const uint8_t *src, unsigned int i,
			   const struct lp_xsave_layout *layout)
{
	switch (i) {
	case 0:
		if (src) {
			cpu_copy(dst + X87_CONTROL, src + X87_CONTROL, X87_CONTROL_SIZE);
			cpu_copy(dst + X87_STACK, src + X87_STACK, X87_STACK_SIZE);
		} else {
			cpu_zero(dst + X87_CONTROL, X87_CONTROL_SIZE);
			cpu_put16(dst + X87_FCW, FCW_INIT);
			cpu_zero(dst + X87_STACK, X87_STACK_SIZE);
		}
		return;
	case 1:
		if (src)
			cpu_copy(dst + SSE_REGS, src + SSE_REGS, SSE_REGS_SIZE);
		else
			cpu_zero(dst + SSE_REGS, SSE_REGS_SIZE);
		return;
	default:
		if (src)
			cpu_copy(dst + layout->offset[i], src + layout->offset[i], layout->size[i]);
		else
			cpu_zero(dst + layout->offset[i], layout->size[i]);
	}
}

/* For each component of xfrm: from src if its bit is in_use, else initial. */
static void move_components(uint8_t *dst, const uint8_t *src, uint64_t xfrm, uint64_t in_use,
			    const struct lp_xsave_layout *layout)
{
	unsigned int i;

	for (i = 0; i < 63; i++) {
		if (!(xfrm >> i & 1))
			continue;
		move_component(dst, in_use >> i & 1 ? src : NULL, i, layout);
	}
}

void lp_xsave_to_ssa(uint8_t *ssa, const uint8_t *live, uint64_t xfrm,
		     const struct lp_xsave_layout *layout)
{
	uint64_t in_use = cpu_get64(live + XSTATE_BV) & xfrm;

	move_components(ssa, live, xfrm, in_use, layout);
	if (has_mxcsr(xfrm))
		cpu_put64(ssa + SSE_MXCSR, cpu_get64(live + SSE_MXCSR));
	cpu_put64(ssa + XSTATE_BV, in_use);
	cpu_zero(ssa + HEADER_ZERO, HEADER_ZERO_SIZE);
}

void lp_xsave_init(uint8_t *live, uint64_t xfrm, const struct lp_xsave_layout *layout)
{
	move_components(live, NULL, xfrm, 0, layout);
	/* MXCSR_MASK says what the processor has, and is no state. */
	if (has_mxcsr(xfrm))
		cpu_put32(live + SSE_MXCSR, MXCSR_INIT);
	cpu_put64(live + XSTATE_BV, cpu_get64(live + XSTATE_BV) & ~xfrm);
}

void lp_xsave_init_event(uint8_t *live, uint64_t xfrm, const struct lp_xsave_layout *layout,
			 const struct lp_event *event)
{
	lp_xsave_init(live, xfrm, layout);
	if (!event->exception)
		return;
	if (event->vector == SGX_VEC_MF && (xfrm & XCOMP_X87)) {
		cpu_put16(live + X87_FCW, FCW_AFTER_MF);
		cpu_put16(live + X87_FSW, FSW_AFTER_MF);
		/* Not the initial configuration: it must be loaded. */
		cpu_put64(live + XSTATE_BV, cpu_get64(live + XSTATE_BV) | XCOMP_X87);
	}
	if (event->vector == SGX_VEC_XM && has_mxcsr(xfrm))
		cpu_put32(live + SSE_MXCSR, MXCSR_AFTER_XM);
}

bool lp_xsave_check(const uint8_t *ssa, uint64_t xfrm, struct why *why)
{
	uint64_t bv = cpu_get64(ssa + XSTATE_BV);
	uint64_t zero = cpu_get64(ssa + HEADER_ZERO), zero2 = cpu_get64(ssa + HEADER_ZERO + 8);
	uint32_t mxcsr = cpu_get32(ssa + SSE_MXCSR);

	if (bv & ~xfrm)
		return why_not(why, WHY_RESUME_XSTATE, bv, xfrm);
	if (zero || zero2)
		return why_not(why, WHY_RESUME_XHEADER, zero, zero2);
	if (has_mxcsr(xfrm) && (mxcsr & MXCSR_RSVD_BITS))
		return why_not(why, WHY_RESUME_MXCSR, mxcsr, (uint32_t)~MXCSR_RSVD_BITS);
	return true;
}

void lp_xsave_from_ssa(uint8_t *live, const uint8_t *ssa, uint64_t xfrm,
		       const struct lp_xsave_layout *layout)
{
	uint64_t in_use = cpu_get64(ssa + XSTATE_BV) & xfrm;

	move_components(live, ssa, xfrm, in_use, layout);
	if (has_mxcsr(xfrm))
		cpu_put32(live + SSE_MXCSR, cpu_get32(ssa + SSE_MXCSR) & ~MXCSR_RSVD_BITS);
	cpu_put64(live + XSTATE_BV, (cpu_get64(live + XSTATE_BV) & ~xfrm) | in_use);
}
