/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One logical processor: enclave mode, EENTER, EEXIT, ERESUME and AEX.
 *
 * These run in the application's thread, in signal handlers, with the enclave's
 * FS and GS: built freestanding, no libc, no TLS, general registers only.  They
 * read and write SSA frames through plain pointers given by the caller, who has
 * made sure that the pages are there (or catches the fault).
 */
#ifndef CPU_LP_H
#define CPU_LP_H

#include <cpu/result.h>

/*
 * TCS slot: the part of a TCS that changes, and the thread inside.  Shared
 * memory between the daemon and every process that maps the enclave, one for
 * each page of the ELRANGE (a sparse file; only those of TCS pages are ever
 * touched).
 *
 *	           EENTER, ERESUME: compare-and-swap
 *	   FREE  ------------------------------------>  tid
 *	    ^  <------------------------------------     |
 *	    |       EEXIT, AEX, or the daemon when       |
 *	    |       the process has died
 *	    v  ELDU            EWB, EREMOVE
 *	  GONE (not a TCS: 0, as the file is born)
 *
 * Fixed fields are written by the daemon before it stores FREE (release), and
 * never while a thread is inside.  cssa and aep belong to whoever holds state.
 */
enum sgx_tcs_state {
	SGX_TCS_GONE = 0,	/* no TCS at this page, or evicted */
	SGX_TCS_FREE = 1,
	/* any other value: (pid-namespace-global thread id of the daemon's view) << 2 | 2 */
};

struct sgx_tcs_slot {
	uint32_t state;		/* atomic */
	uint32_t cssa;
	uint64_t epoch;		/* SECS epoch at entry; for ETRACK */
	uint64_t aep;
	uint64_t flags;		/* TCS.FLAGS */
	uint64_t ossa;
	uint64_t oentry;
	uint64_t ofsbase;
	uint64_t ogsbase;
	uint32_t nssa;
	uint32_t fslimit;
	uint32_t gslimit;
	uint32_t rsvd0;
	uint64_t entries;	/* EENTER and ERESUME that completed; statistics */
	uint64_t exits;		/* EEXIT */
	uint64_t aexs;
	uint64_t rsvd[3];
};
_Static_assert(sizeof(struct sgx_tcs_slot) == 128, "TCS slot size");

/* What a logical processor must know of the SECS; constant after EINIT. */
struct lp_secs {
	uint64_t base, size;
	uint64_t attributes;	/* ATTRIBUTES flags; INIT once EINIT is done */
	uint64_t xfrm;
	uint32_t ssaframesize;	/* pages */
	uint32_t miscselect;
};

/* General registers, in GPRSGX's order so that a block copy will do. */
struct lp_gprs {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags, rip;
	uint64_t fsbase, gsbase;
};

/*
 * The state of one logical processor in (tcs != NULL) or out of enclave mode.
 * CR_SAVE_*: what EENTER saved of the outside and EEXIT and AEX restore.
 */
struct lp_state {
	struct sgx_tcs_slot *tcs;
	const struct lp_secs *secs;
	uint64_t tcs_addr;	/* linear */
	uint64_t aep;
	uint64_t save_fsbase, save_gsbase;
	uint64_t save_tf;	/* RFLAGS.TF outside */
};

/* Why an AEX happens, before it is put into EXITINFO and EXINFO. */
struct lp_event {
	uint8_t vector;		/* exception vector; meaningful if exception */
	uint8_t exception;	/* 0: an interrupt (an asynchronous signal) */
	uint8_t software;	/* INT3 (#BP) */
	uint8_t rsvd;
	uint32_t error_code;	/* #PF and #GP */
	uint64_t address;	/* CR2 of #PF */
};

/**
 * lp_eenter_check() - the checks of EENTER (leaf 2) and ERESUME (leaf 3)
 * @secs:	the enclave around @tcs_addr, NULL if there is none
 * @tcs:	the TCS slot at @tcs_addr; NULL with @secs
 * @regs:	outside registers: RAX leaf, RBX TCS, RCX AEP
 * @xcr0:	XCR0, which must hold XFRM
 *
 * Takes the slot (state FREE -> @owner) last; on any fault the slot is as before.
 * The SSA frame's pages are for the caller to probe after this.
 *
 * Return: CPU_DONE with the slot taken, or #GP(0), #PF(addr) as the SDM says.
 */
struct cpu_result lp_eenter_check(const struct lp_secs *secs, struct sgx_tcs_slot *tcs,
				  const struct lp_gprs *regs, uint64_t xcr0,
				  uint32_t owner) CPU_MUST_CHECK;

/* Give a slot that lp_eenter_check() took back, the entry not having happened. */
void lp_eenter_undo(struct sgx_tcs_slot *tcs, uint32_t owner);

/*
 * Linear address of the GPRSGX, of the frame, and its size, for SSA frame
 * number @frame.
 */
uint64_t lp_ssa_frame(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
		      uint32_t frame);
uint64_t lp_ssa_gprsgx(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
		       uint32_t frame);

/**
 * lp_eenter() - enter after the check has taken the slot
 * @gpr:	GPRSGX of SSA[CSSA]: gets URSP and URBP
 * @next_rip:	address of the instruction after ENCLU
 * @regs:	in: outside; out: inside (RIP=OENTRY, RAX=CSSA, RCX=next_rip,
 *		FS and GS bases from the TCS, TF as DBGOPTIN says)
 */
void lp_eenter(struct lp_state *lp, const struct lp_secs *secs, struct sgx_tcs_slot *tcs,
	       struct sgx_gprsgx *gpr, uint64_t next_rip, struct lp_gprs *regs);

/**
 * lp_eresume() - resume SSA[CSSA-1] after the check has taken the slot
 * @gpr: GPRSGX of SSA[CSSA-1]
 *
 * The XSAVE image is the caller's to load.  Return: CPU_DONE, or #GP(0) where
 * the saved frame has a non-canonical RIP outside ELRANGE, ...; the slot is then
 * given back by the caller.
 */
struct cpu_result lp_eresume(struct lp_state *lp, const struct lp_secs *secs,
			     struct sgx_tcs_slot *tcs, struct sgx_gprsgx *gpr,
			     struct lp_gprs *regs) CPU_MUST_CHECK;

/**
 * lp_eexit() - ENCLU[EEXIT] from inside
 * @regs: in: RBX is the target; out: RIP = target, RCX = AEP, FS and GS of outside
 *
 * Frees the slot (release).  Return: CPU_DONE, or #GP(0) with nothing changed
 * where RBX is not canonical.
 */
struct cpu_result lp_eexit(struct lp_state *lp, struct lp_gprs *regs) CPU_MUST_CHECK;

/**
 * lp_aex() - asynchronous exit
 * @gpr:	GPRSGX of SSA[CSSA]
 * @exinfo:	EXINFO of the same frame, NULL unless MISCSELECT has it
 * @regs:	in: interrupted inside; out: the synthetic state (RAX=3, RBX=TCS,
 *		RCX=RIP=AEP, RSP, RBP from URSP, URBP; others as the SDM says)
 *
 * CSSA goes up by one and the slot is freed.  The XSAVE image is the caller's.
 */
void lp_aex(struct lp_state *lp, struct sgx_gprsgx *gpr, struct sgx_exinfo *exinfo,
	    const struct lp_event *event, struct lp_gprs *regs);

/*
 * XSAVE images: standard (non-compacted) format, as in signal frames and SSA.
 *
 * lp_xsave_to_ssa() copies the components that xfrm names and sets XSTATE_BV to
 * what was in use of them; lp_xsave_init() gives the synthetic state of AEX to
 * the components in xfrm and leaves the others; lp_xsave_check() says whether
 * ERESUME would fault on an image (#GP: XSTATE_BV outside xfrm, reserved header
 * bytes, MXCSR reserved bits); lp_xsave_from_ssa() is the way back.
 *
 * comp_offset/comp_size: 64 entries as in CPUID 0DH (0 = none; components 0 and
 * 1 are the legacy area and need no entry).
 */
struct lp_xsave_layout {
	uint32_t offset[64];
	uint32_t size[64];
};
void lp_xsave_to_ssa(uint8_t *ssa, const uint8_t *live, uint64_t xfrm,
		     const struct lp_xsave_layout *layout);
void lp_xsave_init(uint8_t *live, uint64_t xfrm, const struct lp_xsave_layout *layout);
bool lp_xsave_check(const uint8_t *ssa, uint64_t xfrm) CPU_MUST_CHECK;
void lp_xsave_from_ssa(uint8_t *live, const uint8_t *ssa, uint64_t xfrm,
		       const struct lp_xsave_layout *layout);

#endif
