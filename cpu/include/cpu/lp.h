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
 *	   FREE  ------------------------------------>  owner
 *	    ^  <------------------------------------     |
 *	    |       EEXIT, AEX, or the daemon when       |
 *	    |       the process has died
 *	    v  ELDU            EWB, EREMOVE        v lost: a power event, a memory error
 *	  GONE (not a TCS: 0, as the file is born) GONE
 *
 * Fixed fields are written by the daemon before it stores FREE (release), and
 * never while a thread is inside.  cssa and aep belong to whoever holds state.
 */
enum sgx_tcs_state {
	SGX_TCS_GONE = 0, /* no TCS at this page, or evicted */
	SGX_TCS_FREE = 1,
	/* any other value is an owner: lp_owner() of the thread inside */
};

/*
 * An owner is a thread block of a client, and not a thread's number: that is one of a
 * PID namespace, and means another thread, or none, in the daemon's.
 *
 *	31            15 14         2 1 0
 *	| client number | block      |1 0|
 */
#define LP_OWNER_BLOCK_BITS 13
#define LP_OWNER_BLOCKS	    (1u << LP_OWNER_BLOCK_BITS)
#define LP_OWNER_CLIENTS    (1u << (30 - LP_OWNER_BLOCK_BITS))

/**
 * lp_owner() - state of a slot that a thread is inside by
 * @client:	number that the daemon has given to the process, which no other living
 *		one has; 1 to LP_OWNER_CLIENTS - 1
 * @block:	number of the thread's block in the process, below LP_OWNER_BLOCKS
 */
static inline uint32_t lp_owner(uint32_t client, uint32_t block)
{
	return client << (LP_OWNER_BLOCK_BITS + 2) | block << 2 | 2;
}

static inline bool lp_is_owner(uint32_t state)
{
	return (state & 3) == 2;
}

static inline uint32_t lp_owner_client(uint32_t state)
{
	return state >> (LP_OWNER_BLOCK_BITS + 2);
}

static inline uint32_t lp_owner_block(uint32_t state)
{
	return state >> 2 & (LP_OWNER_BLOCKS - 1);
}

struct sgx_tcs_slot {
	uint32_t state; /* atomic */
	uint32_t cssa; /* atomic to read without holding state */
	uint64_t epoch; /* atomic: SECS epoch at entry, or at a kick; for ETRACK */
	uint64_t aep;
	uint64_t flags; /* TCS.FLAGS */
	uint64_t ossa;
	uint64_t oentry;
	uint64_t ofsbase;
	uint64_t ogsbase;
	uint32_t nssa;
	uint32_t fslimit;
	uint32_t gslimit;
	uint32_t rsvd0;
	uint64_t entries; /* EENTER and ERESUME that completed; statistics */
	uint64_t exits; /* EEXIT */
	uint64_t aexs;
	uint64_t rsvd[3];
};
_Static_assert(sizeof(struct sgx_tcs_slot) == 128, "TCS slot size");

/* What CPUID 12H says of the processor, as far as entries and exits depend on it. */
#define LP_AEXNOTIFY (1u << 0) /* 12H.1 EAX[10] */
#define LP_EDECCSSA  (1u << 1) /* 12H.0 EAX[11] */

/* What a logical processor must know of the SECS; constant after EINIT. */
struct lp_secs {
	uint64_t base, size;
	uint64_t attributes; /* ATTRIBUTES flags; INIT once EINIT is done */
	uint64_t xfrm;
	uint32_t ssaframesize; /* pages */
	uint32_t miscselect;
	uint32_t features; /* LP_*: of the processor */
	uint32_t rsvd;
	const uint64_t *epoch; /* changes: that of entries from now on; NULL: nobody tracks them */
};

/* RFLAGS bits that entry and exit treat one by one */
#define LP_RFLAGS_CF   (1ull << 0)
#define LP_RFLAGS_PF   (1ull << 2)
#define LP_RFLAGS_AF   (1ull << 4)
#define LP_RFLAGS_ZF   (1ull << 6)
#define LP_RFLAGS_SF   (1ull << 7)
#define LP_RFLAGS_TF   (1ull << 8)
#define LP_RFLAGS_IF   (1ull << 9)
#define LP_RFLAGS_DF   (1ull << 10)
#define LP_RFLAGS_OF   (1ull << 11)
#define LP_RFLAGS_IOPL (3ull << 12)
#define LP_RFLAGS_NT   (1ull << 14)
#define LP_RFLAGS_RF   (1ull << 16)
#define LP_RFLAGS_VM   (1ull << 17)
#define LP_RFLAGS_AC   (1ull << 18)
#define LP_RFLAGS_ID   (1ull << 21)

/* #PF where the EPCM refuses the TCS or an SSA page: entry writes to both */
#define LP_PF_EPCM (SGX_PF_P | SGX_PF_W | SGX_PF_U | SGX_PF_SGX)

/* General registers, RAX to RIP in GPRSGX's order so that a block copy will do. */
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
	uint64_t tcs_addr; /* linear */
	uint64_t aep;
	uint64_t save_fsbase, save_gsbase;
	uint64_t save_tf; /* RFLAGS.TF outside */
	uint64_t dbgoptin; /* CR_DBGOPTIN: TCS.FLAGS.DBGOPTIN at the entry */
};

/* Why an AEX happens, before it is put into EXITINFO and EXINFO. */
struct lp_event {
	uint8_t vector; /* exception vector; meaningful if exception */
	uint8_t exception; /* 0: an interrupt (an asynchronous signal) */
	uint8_t software; /* INT3; #BP is reported as software in any case */
	uint8_t rsvd;
	uint32_t error_code; /* #PF and #GP */
	uint64_t address; /* CR2 of #PF, all 64 bits */
};

/*
 * CR2 as software outside sees it after an AEX: the enclave's own EXINFO has the
 * whole address, the outside the page alone.
 */
static inline uint64_t lp_outside_cr2(uint64_t address)
{
	return address & SGX_PAGE_MASK;
}

/**
 * lp_eenter_check() - the checks of EENTER (leaf 2) and ERESUME (leaf 3)
 * @secs:	the enclave around @tcs_addr, NULL if there is none
 * @tcs:	the TCS slot at @tcs_addr; NULL with @secs
 * @regs:	outside registers: RAX leaf, RBX TCS, RCX AEP
 * @xcr0:	XCR0, which must hold XFRM
 * @owner:	lp_owner() of this thread
 * @why:	the rule that refuses, see base/why.h; NULL: nobody asks
 *
 * Takes the slot (state FREE -> @owner) last; on any fault the slot is as before.
 * The SSA frame's pages are for the caller to probe after this; that the frame
 * lies in ELRANGE is checked here.
 *
 * Context: not in enclave mode (the leaf is #GP(0) there).  A signal handler that
 * interrupts this or what follows finds state == @owner with lp_state.tcs NULL
 * as long as the entry has not happened, and then calls lp_eenter_undo().
 *
 * Return: CPU_DONE with the slot taken; #GP(0); or #PF at RBX (not the TCS of an
 * enclave) or at the first SSA page outside ELRANGE, error code LP_PF_EPCM.
 */
struct cpu_result lp_eenter_check(const struct lp_secs *secs, struct sgx_tcs_slot *tcs,
				  const struct lp_gprs *regs, uint64_t xcr0, uint32_t owner,
				  struct why *why) CPU_MUST_CHECK;

/**
 * lp_eenter_undo() - give back a slot that lp_eenter_check() took
 * @owner: as given there; a slot that is not @owner's stays as it is
 *
 * For an entry that did not happen after all: the SSA frame is not there, or
 * lp_eresume() faulted.
 */
void lp_eenter_undo(struct sgx_tcs_slot *tcs, uint32_t owner);

/*
 * Linear address of the frame, and of its GPRSGX and EXINFO, for SSA frame
 * number @frame.  Sums wrap as linear addresses do; lp_eenter_check() answers
 * for frames CSSA (EENTER) and CSSA-1 (ERESUME) lying in ELRANGE.
 */
uint64_t lp_ssa_frame(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs, uint32_t frame);
uint64_t lp_ssa_gprsgx(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs, uint32_t frame);
uint64_t lp_ssa_exinfo(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs, uint32_t frame);

/**
 * lp_eenter() - enter after the check has taken the slot
 * @gpr:	GPRSGX of SSA[CSSA]: gets URSP and URBP
 * @next_rip:	address of the instruction after ENCLU
 * @regs:	in: outside; out: inside (RIP=OENTRY, RAX=CSSA, RCX=next_rip,
 *		FS and GS bases from the TCS, TF as DBGOPTIN says)
 *
 * Writes @gpr first, @lp->tcs last: if the write to the frame faults, nothing
 * has happened but the slot being taken.
 */
void lp_eenter(struct lp_state *lp, const struct lp_secs *secs, struct sgx_tcs_slot *tcs,
	       struct sgx_gprsgx *gpr, uint64_t next_rip, struct lp_gprs *regs);

/**
 * lp_eresume() - resume SSA[CSSA-1] after the check has taken the slot
 * @gpr:	GPRSGX of SSA[CSSA-1]; read once, not written: URSP and URBP stay
 *		those of EENTER
 * @regs:	in: outside; out: inside, from @gpr.  RFLAGS keeps IOPL, IF (but at
 *		IOPL 3) and the like from outside
 * @why:	as in lp_eenter_check()
 *
 * The XSAVE image is the caller's to check before and to load after.
 *
 * Return: CPU_DONE, or #GP(0) where RIP, FSBASE or GSBASE of the frame is not
 * canonical or RIP is outside ELRANGE.  Nothing is changed then, and the caller
 * gives the slot back with lp_eenter_undo().
 */
struct cpu_result lp_eresume(struct lp_state *lp, const struct lp_secs *secs,
			     struct sgx_tcs_slot *tcs, struct sgx_gprsgx *gpr, struct lp_gprs *regs,
			     struct why *why) CPU_MUST_CHECK;

/**
 * lp_aexnotify() - is ERESUME to tell the enclave of the AEX, and not to resume it
 * @gpr: GPRSGX of SSA[CSSA-1]; one byte of it is read, once
 *
 * Context: after lp_eenter_check() of ERESUME has taken the slot.
 * Return: where TCS.FLAGS and GPRSGX both have AEXNOTIFY.  The caller goes on with
 * lp_aexnotify_check(), probes SSA[CSSA] as it does for EENTER, and enters by
 * lp_eenter() with that frame: at OENTRY, RAX the CSSA, which stays, and what was
 * interrupted in the frame below.
 */
bool lp_aexnotify(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
		  const struct sgx_gprsgx *gpr) CPU_MUST_CHECK;

/**
 * lp_aexnotify_check() - the checks of ERESUME that are EENTER's where it notifies
 * @why: as in lp_eenter_check()
 *
 * Context: as lp_aexnotify().  On a fault the caller gives the slot back.
 * Return: CPU_DONE; #GP(0) where SSA[CSSA] is beyond the stack, or OENTRY or a base of
 * FS and GS is wrong; #PF where the frame has a page outside ELRANGE.
 */
struct cpu_result lp_aexnotify_check(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
				     struct why *why) CPU_MUST_CHECK;

/**
 * lp_edeccssa_check() - the checks of ENCLU[EDECCSSA] from inside
 * @why: as in lp_eenter_check()
 *
 * The pages of SSA[CSSA-1], which are the next AEX's, are for the caller to probe
 * after this, as ERESUME's are.
 *
 * Return: CPU_DONE; #GP(0) where @lp is not in enclave mode, the processor does not
 * have the leaf, or CSSA is 0; #PF where the frame has a page outside ELRANGE.
 */
struct cpu_result lp_edeccssa_check(const struct lp_state *lp, struct why *why) CPU_MUST_CHECK;

/**
 * lp_edeccssa() - pop the SSA stack; no register changes
 *
 * Context: after lp_edeccssa_check().  A signal in between is an AEX into the frame
 * of before, and the leaf is executed again; one behind it is one into the other.
 */
void lp_edeccssa(struct lp_state *lp);

/**
 * lp_eexit() - ENCLU[EEXIT] from inside
 * @regs: in: RBX is the target; out: RIP = target, RCX = AEP, FS and GS of outside
 *
 * Frees the slot (release).  Other registers, RSP and RBP too, are left as they
 * are: that is the enclave's business.
 *
 * Return: CPU_DONE, or #GP(0) with nothing changed where RBX is not canonical or
 * @lp is not in enclave mode.
 */
struct cpu_result lp_eexit(struct lp_state *lp, struct lp_gprs *regs) CPU_MUST_CHECK;

/**
 * lp_aex() - asynchronous exit
 * @gpr:	GPRSGX of SSA[CSSA]
 * @exinfo:	EXINFO of the same frame, NULL unless MISCSELECT has it
 * @regs:	in: interrupted inside; out: the synthetic state (RAX=3, RBX=TCS,
 *		RCX=RIP=AEP, RSP, RBP from URSP, URBP; RDX, RSI, RDI, R8-R15 zero;
 *		CF, PF, AF, ZF, SF, OF, RF clear; FS and GS of outside)
 *
 * CSSA goes up by one and the slot is freed.  The XSAVE image is the caller's, to
 * save before this (the slot is another thread's afterwards), as is CR2: see
 * lp_outside_cr2().
 */
void lp_aex(struct lp_state *lp, struct sgx_gprsgx *gpr, struct sgx_exinfo *exinfo,
	    const struct lp_event *event, struct lp_gprs *regs);

/**
 * lp_aex_save() - its first half: @gpr, @exinfo and @regs
 *
 * Still inside, and nothing that cannot be done again: what is at @gpr may be a
 * copy, which goes to the SSA before lp_aex_commit().
 */
void lp_aex_save(struct lp_state *lp, struct sgx_gprsgx *gpr, struct sgx_exinfo *exinfo,
		 const struct lp_event *event, struct lp_gprs *regs);

/**
 * lp_aex_commit() - its second: CSSA goes up by one and the slot is freed
 */
void lp_aex_commit(struct lp_state *lp);

/*
 * XSAVE images: standard (non-compacted) format, as in signal frames and SSA.
 *
 * comp_offset/comp_size: 64 entries as in CPUID 0DH (0 = none; components 0 and
 * 1 are the legacy area and need no entry).
 *
 * Bytes that belong to no component of xfrm are never written, so that what the
 * kernel keeps in bytes 464-511 of a signal frame's image survives.
 */
struct lp_xsave_layout {
	uint32_t offset[64];
	uint32_t size[64];
};

/**
 * lp_xsave_to_ssa() - what AEX saves
 *
 * Copies the components that @xfrm names, sets XSTATE_BV to those of them that
 * were in use (the others get their initial value) and clears the 16 bytes of
 * the header after it.
 */
void lp_xsave_to_ssa(uint8_t *ssa, const uint8_t *live, uint64_t xfrm,
		     const struct lp_xsave_layout *layout);

/**
 * lp_xsave_init() - the synthetic state of AEX
 *
 * Components in @xfrm get their initial value, FCW=37FH and MXCSR=1F80H among
 * them, and their XSTATE_BV bit cleared; the others are left.
 */
void lp_xsave_init(uint8_t *live, uint64_t xfrm, const struct lp_xsave_layout *layout);

/**
 * lp_xsave_init_event() - lp_xsave_init(), and what #MF and #XM add to it
 *
 * The processor leaves an unmasked, pending invalid-operation exception behind
 * these two, so that a handler outside sees a cause: FCW=37EH and FSW=8081H, or
 * MXCSR=1F01H.
 */
void lp_xsave_init_event(uint8_t *live, uint64_t xfrm, const struct lp_xsave_layout *layout,
			 const struct lp_event *event);

/**
 * lp_xsave_check() - would XRSTOR in ERESUME take this image
 *
 * Return: false (the leaf answers #GP(0)) where XSTATE_BV has a bit outside
 * @xfrm, one of the bytes 520-535 is set (XCOMP_BV with them: there is no
 * compacted format in an SSA), or MXCSR has a reserved bit.
 */
bool lp_xsave_check(const uint8_t *ssa, uint64_t xfrm, struct why *why) CPU_MUST_CHECK;

/**
 * lp_xsave_from_ssa() - what ERESUME loads
 *
 * Components in @xfrm come from @ssa, or get their initial value where its
 * XSTATE_BV says so; MXCSR always comes from @ssa, as with XRSTOR.  @ssa may
 * change under us: XSTATE_BV is read once, and reserved bits of MXCSR that turn
 * up after lp_xsave_check() are dropped.
 */
void lp_xsave_from_ssa(uint8_t *live, const uint8_t *ssa, uint64_t xfrm,
		       const struct lp_xsave_layout *layout);

#endif
