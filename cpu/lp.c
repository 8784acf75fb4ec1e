/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EENTER, ERESUME, EEXIT and AEX (SDM volume 3D, "Enclave Exiting Events" and
 * the leaves' own pages).
 *
 * Built twice: into libcpu, and freestanding into the agent, where it runs in
 * signal handlers with the enclave's FS and GS.  Nothing here may call out, use
 * a global or touch a vector register.
 *
 * The slot's life while a thread passes through:
 *
 *	 lp_eenter_check()  state FREE -> owner       (acquire)
 *	 lp_eenter()        URSP, URBP; lp->tcs set   } or lp_eenter_undo()
 *	 lp_eresume()       CSSA - 1;   lp->tcs set   }
 *	 lp_eexit()         lp->tcs NULL; state FREE  (release)
 *	 lp_aex()           frame, CSSA + 1; lp->tcs NULL; state FREE (release)
 *
 * lp->tcs is written last on the way in and before the slot is freed on the way
 * out.  So a handler on the same thread knows by two loads where it is: lp->tcs
 * set means inside; else a slot whose state is our own owner value was taken for
 * an entry that has not happened, or is about to be freed: freeing it is right.
 *
 * 64-bit mode only: FSLIMIT and GSLIMIT, segment limits and bases other than FS
 * and GS play no part.  No CET: CPUID does not offer it, so the SECS cannot ask for it.
 */
#include <cpu/lp.h>
#include <cpu/mem.h>

_Static_assert(offsetof(struct lp_gprs, rip) == offsetof(struct sgx_gprsgx, rip) &&
		       offsetof(struct lp_gprs, rflags) == offsetof(struct sgx_gprsgx, rflags) &&
		       offsetof(struct lp_gprs, rax) == 0 && offsetof(struct sgx_gprsgx, rax) == 0,
	       "lp_gprs and GPRSGX begin alike");

/* The part of lp_gprs and GPRSGX that is the same: RAX .. RIP */
#define GPRS_SHARED_SIZE (offsetof(struct sgx_gprsgx, rip) + sizeof(uint64_t))

/* What ERESUME takes from the SSA; IF joins at IOPL 3 */
#define RFLAGS_FROM_SSA                                                                            \
	(LP_RFLAGS_CF | LP_RFLAGS_PF | LP_RFLAGS_AF | LP_RFLAGS_ZF | LP_RFLAGS_SF | LP_RFLAGS_DF | \
	 LP_RFLAGS_OF | LP_RFLAGS_NT | LP_RFLAGS_AC | LP_RFLAGS_ID | LP_RFLAGS_RF)

/* What AEX clears */
#define RFLAGS_SYNTHETIC                                                                           \
	(LP_RFLAGS_CF | LP_RFLAGS_PF | LP_RFLAGS_AF | LP_RFLAGS_ZF | LP_RFLAGS_SF | LP_RFLAGS_OF | \
	 LP_RFLAGS_RF)

/* 48-bit linear addresses: bits 63:47 all equal */
static bool canonical(uint64_t addr)
{
	return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

static bool page_aligned(uint64_t addr)
{
	return (addr & (SGX_PAGE_SIZE - 1)) == 0;
}

/* True of canonical addresses only: ECREATE saw to it that ELRANGE is. */
static bool in_elrange(const struct lp_secs *secs, uint64_t addr)
{
	return addr - secs->base < secs->size;
}

uint64_t lp_ssa_frame(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs, uint32_t frame)
{
	uint64_t frame_size = (uint64_t)secs->ssaframesize * SGX_PAGE_SIZE;

	return secs->base + tcs->ossa + frame_size * frame;
}

uint64_t lp_ssa_gprsgx(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs, uint32_t frame)
{
	return lp_ssa_frame(secs, tcs, frame) + (uint64_t)secs->ssaframesize * SGX_PAGE_SIZE -
	       sizeof(struct sgx_gprsgx);
}

uint64_t lp_ssa_exinfo(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs, uint32_t frame)
{
	return lp_ssa_gprsgx(secs, tcs, frame) - sizeof(struct sgx_exinfo);
}

/*
 * Every page of an SSA frame must be a PT_REG page of this enclave at its own
 * address; outside ELRANGE there is none.  Pages inside are probed by the caller.
 */
static struct cpu_result check_ssa(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
				   uint32_t frame, struct why *why)
{
	uint64_t ssa = lp_ssa_frame(secs, tcs, frame);
	uint64_t size = (uint64_t)secs->ssaframesize * SGX_PAGE_SIZE;
	uint64_t room;

	if (!canonical(ssa))
		return cpu_gp_why(why, WHY_ENTRY_SSA_CANONICAL, ssa, 0);
	if (!in_elrange(secs, ssa))
		return cpu_pf_why(why, WHY_ENTRY_SSA_RANGE, ssa, secs->base, ssa, LP_PF_EPCM);
	room = secs->size - (ssa - secs->base);
	if (size > room)
		return cpu_pf_why(why, WHY_ENTRY_SSA_RANGE, ssa + room, secs->base, ssa + room,
				  LP_PF_EPCM);
	return cpu_done();
}

/* Where EENTER goes, and with which FS and GS. */
static struct cpu_result check_target(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
				      struct why *why)
{
	/*
	 * The target must be canonical.  One outside ELRANGE would be #GP(0) at the
	 * first fetch, in enclave mode; here it is #GP(0) before, as this processor
	 * cannot stop that fetch.
	 */
	if (!in_elrange(secs, secs->base + tcs->oentry))
		return cpu_gp_why(why, WHY_ENTRY_OENTRY, tcs->oentry, secs->size);
	if (!canonical(secs->base + tcs->ofsbase) || !canonical(secs->base + tcs->ogsbase))
		return cpu_gp_why(why, WHY_ENTRY_BASE_CANONICAL, tcs->ofsbase, tcs->ogsbase);
	return cpu_done();
}

/* FLAGS that are not reserved on this processor */
static uint64_t legal_flags(const struct lp_secs *secs)
{
	return SGX_TCS_DBGOPTIN_BIT | (secs->features & LP_AEXNOTIFY ? SGX_TCS_AEXNOTIFY_BIT : 0);
}

/* The checks of the TCS' own fields, in the SDM's order; the slot is a TCS. */
static struct cpu_result check_tcs(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
				   uint64_t leaf, uint64_t xcr0, struct why *why)
{
	uint32_t cssa = __atomic_load_n(&tcs->cssa, __ATOMIC_RELAXED);
	uint64_t flags = __atomic_load_n(&tcs->flags, __ATOMIC_RELAXED), legal = legal_flags(secs);
	struct cpu_result r;

	/* OSSA, OFSBASE and OGSBASE are offsets of pages. */
	if (!page_aligned(tcs->ossa))
		return cpu_gp_why(why, WHY_ENTRY_OSSA, tcs->ossa, SGX_PAGE_SIZE);
	if (!page_aligned(tcs->ofsbase) || !page_aligned(tcs->ogsbase))
		return cpu_gp_why(why, WHY_ENTRY_BASES, tcs->ofsbase, tcs->ogsbase);

	/* Reserved FLAGS */
	if (flags & ~legal)
		return cpu_gp_why(why, WHY_ENTRY_FLAGS, flags, legal);

	/* The enclave went through EINIT and is of this processor's mode. */
	if (!(secs->attributes & SGX_ATTR_INIT_BIT))
		return cpu_gp_why(why, WHY_ENTRY_NOT_INIT, secs->attributes, 0);
	if (!(secs->attributes & SGX_ATTR_MODE64_BIT))
		return cpu_gp_why(why, WHY_ENTRY_MODE, secs->attributes, 0);

	/* XCR0 is about to become XFRM: it can only lose bits. */
	if (secs->xfrm & ~xcr0)
		return cpu_gp_why(why, WHY_ENTRY_XFRM, secs->xfrm, xcr0);

	/*
	 * A thread is told of its AEXs where its enclave was built for it, and no other:
	 * else the system, which makes threads, could choose.  A debugger may.
	 */
	if (!(flags & SGX_TCS_DBGOPTIN_BIT) &&
	    !(flags & SGX_TCS_AEXNOTIFY_BIT) != !(secs->attributes & SGX_ATTR_AEXNOTIFY_BIT))
		return cpu_gp_why(why, WHY_ENTRY_AEXNOTIFY, flags, secs->attributes);

	/* EENTER needs a free frame for the next AEX, ERESUME a used one. */
	if (leaf == SGX_EENTER && cssa >= tcs->nssa)
		return cpu_gp_why(why, WHY_ENTRY_CSSA_FULL, cssa, tcs->nssa);
	if (leaf == SGX_ERESUME && cssa == 0)
		return cpu_gp_why(why, WHY_ENTRY_CSSA_EMPTY, cssa, tcs->nssa);

	r = check_ssa(secs, tcs, leaf == SGX_EENTER ? cssa : cssa - 1, why);
	if (!cpu_ok(r))
		return r;

	return leaf == SGX_EENTER ? check_target(secs, tcs, why) : cpu_done();
}

struct cpu_result lp_eenter_check(const struct lp_secs *secs, struct sgx_tcs_slot *tcs,
				  const struct lp_gprs *regs, uint64_t xcr0, uint32_t owner,
				  struct why *why)
{
	uint32_t state;
	struct cpu_result r;

	if (regs->rax != SGX_EENTER && regs->rax != SGX_ERESUME)
		return cpu_gp();

	/* RBX: page-aligned, canonical as any memory operand, in an EPC page. */
	if (!page_aligned(regs->rbx) || !canonical(regs->rbx))
		return cpu_gp_why(why, WHY_ENTRY_TCS_ADDR, regs->rbx, 0);
	if (!secs || !tcs)
		return cpu_pf_why(why, WHY_ENTRY_NO_ENCLAVE, regs->rbx, 0, regs->rbx, LP_PF_EPCM);
	/* RCX: the AEP is jumped to at every AEX, when it is too late to fault. */
	if (!canonical(regs->rcx))
		return cpu_gp_why(why, WHY_ENTRY_AEP, regs->rcx, 0);

	/* The EPC page is valid, at its address, not blocked, and PT_TCS. */
	state = __atomic_load_n(&tcs->state, __ATOMIC_ACQUIRE);
	if (state == SGX_TCS_GONE)
		return cpu_pf_why(why, WHY_ENTRY_NO_TCS, regs->rbx, 0, regs->rbx, LP_PF_EPCM);

	r = check_tcs(secs, tcs, regs->rax, xcr0, why);
	if (!cpu_ok(r))
		return r;

	/* The thread is inactive, and becomes ours.  Pairs with leave_slot(). */
	state = SGX_TCS_FREE;
	if (!__atomic_compare_exchange_n(&tcs->state, &state, owner, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED)) {
		if (state == SGX_TCS_GONE)
			return cpu_pf_why(why, WHY_ENTRY_NO_TCS, regs->rbx, 0, regs->rbx,
					  LP_PF_EPCM);
		return cpu_gp_why(why, WHY_ENTRY_TCS_BUSY, state, 0);
	}

	/*
	 * Between our look at CSSA and the exchange another thread may have been
	 * in and out with an AEX (CSSA moved), or the page evicted and brought
	 * back.  Both are over now that we hold the slot: look again.
	 *
	 * The epoch that tracking knows us by: whoever moves it on after our look
	 * sees that we hold the slot, and whatever the slot has until then is older.
	 */
	if (secs->epoch)
		__atomic_store_n(&tcs->epoch, __atomic_load_n(secs->epoch, __ATOMIC_SEQ_CST),
				 __ATOMIC_SEQ_CST);
	r = check_tcs(secs, tcs, regs->rax, xcr0, why);
	if (!cpu_ok(r))
		lp_eenter_undo(tcs, owner);
	return r;
}

void lp_eenter_undo(struct sgx_tcs_slot *tcs, uint32_t owner)
{
	/* Not a plain store: a handler may have given the slot back before us. */
	__atomic_compare_exchange_n(&tcs->state, &owner, SGX_TCS_FREE, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

/* CR_SAVE_* and the AEP, from the registers of outside */
static void save_outside(struct lp_state *lp, const struct lp_secs *secs, struct sgx_tcs_slot *tcs,
			 const struct lp_gprs *outside)
{
	lp->secs = secs;
	lp->tcs_addr = outside->rbx;
	lp->aep = outside->rcx;
	lp->save_fsbase = outside->fsbase;
	lp->save_gsbase = outside->gsbase;
	lp->save_tf = outside->rflags & LP_RFLAGS_TF;
	/* a debugger may change it while the thread is inside: the entry's counts */
	lp->dbgoptin = __atomic_load_n(&tcs->flags, __ATOMIC_RELAXED) & SGX_TCS_DBGOPTIN_BIT;
	tcs->aep = outside->rcx;
}

/* From here on we are inside, for a handler on this thread too. */
static void enter_mode(struct lp_state *lp, struct sgx_tcs_slot *tcs)
{
	__atomic_fetch_add(&tcs->entries, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&lp->tcs, tcs, __ATOMIC_RELEASE);
}

/*
 * FS, GS and, after an opt-out entry, TF are outside's again.  After an opt-in
 * entry TF is a debugger's, and stays.
 */
static void restore_outside(const struct lp_state *lp, struct lp_gprs *regs)
{
	regs->fsbase = lp->save_fsbase;
	regs->gsbase = lp->save_gsbase;
	if (!lp->dbgoptin)
		regs->rflags = (regs->rflags & ~LP_RFLAGS_TF) | lp->save_tf;
}

/*
 * Outside again; the slot is the next thread's from the exchange on.  The TCS may have
 * been lost while we were inside, and GONE is for good.
 */
static void leave_slot(struct lp_state *lp)
{
	struct sgx_tcs_slot *tcs = lp->tcs;
	uint32_t state = __atomic_load_n(&tcs->state, __ATOMIC_RELAXED);

	__atomic_store_n(&lp->tcs, NULL, __ATOMIC_RELEASE);
	if (state != SGX_TCS_GONE)
		__atomic_compare_exchange_n(&tcs->state, &state, SGX_TCS_FREE, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

void lp_eenter(struct lp_state *lp, const struct lp_secs *secs, struct sgx_tcs_slot *tcs,
	       struct sgx_gprsgx *gpr, uint64_t next_rip, struct lp_gprs *regs)
{
	/* For AEX to find.  The only step that can fault, hence the first. */
	gpr->ursp = regs->rsp;
	gpr->urbp = regs->rbp;

	save_outside(lp, secs, tcs, regs);

	regs->rax = __atomic_load_n(&tcs->cssa, __ATOMIC_RELAXED);
	regs->rcx = next_rip;
	regs->rip = secs->base + tcs->oentry;
	regs->fsbase = secs->base + tcs->ofsbase;
	regs->gsbase = secs->base + tcs->ogsbase;
	/* An opt-out entry makes the enclave one instruction to a debugger. */
	if (!lp->dbgoptin)
		regs->rflags &= ~LP_RFLAGS_TF;

	enter_mode(lp, tcs);
}

struct cpu_result lp_eresume(struct lp_state *lp, const struct lp_secs *secs,
			     struct sgx_tcs_slot *tcs, struct sgx_gprsgx *gpr, struct lp_gprs *regs,
			     struct why *why)
{
	uint64_t take = RFLAGS_FROM_SSA;
	uint64_t rflags = regs->rflags;
	struct sgx_gprsgx frame;

	/*
	 * One copy, then checks of the copy: another thread in the enclave may
	 * write to the frame, and RIP must be the one that was checked.
	 */
	cpu_copy(&frame, gpr, sizeof(frame));

	/* RIP canonical, and in ELRANGE as OENTRY in check_tcs(). */
	if (!in_elrange(secs, frame.rip))
		return cpu_gp_why(why, WHY_RESUME_RIP, frame.rip, secs->base);
	if (!canonical(frame.fsbase) || !canonical(frame.gsbase))
		return cpu_gp_why(why, WHY_RESUME_BASES, frame.fsbase, frame.gsbase);

	save_outside(lp, secs, tcs, regs);

	if ((rflags & LP_RFLAGS_IOPL) == LP_RFLAGS_IOPL)
		take |= LP_RFLAGS_IF;
	rflags = (rflags & ~(take | LP_RFLAGS_VM)) | (frame.rflags & take);
	if (!lp->dbgoptin)
		rflags &= ~LP_RFLAGS_TF;

	cpu_copy(regs, &frame, GPRS_SHARED_SIZE);
	regs->rflags = rflags;
	regs->fsbase = frame.fsbase;
	regs->gsbase = frame.gsbase;

	/* Pop the SSA stack. */
	__atomic_store_n(&tcs->cssa, tcs->cssa - 1, __ATOMIC_RELAXED);
	enter_mode(lp, tcs);
	return cpu_done();
}

bool lp_aexnotify(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
		  const struct sgx_gprsgx *gpr)
{
	/* A debugger may write FLAGS meanwhile: both bits count as they are now. */
	uint64_t flags = __atomic_load_n(&tcs->flags, __ATOMIC_RELAXED) & legal_flags(secs);

	return (flags & SGX_TCS_AEXNOTIFY_BIT) &&
	       (__atomic_load_n(&gpr->aexnotify, __ATOMIC_RELAXED) & SGX_GPRSGX_AEXNOTIFY_BIT);
}

struct cpu_result lp_aexnotify_check(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
				     struct why *why)
{
	uint32_t cssa = __atomic_load_n(&tcs->cssa, __ATOMIC_RELAXED);
	struct cpu_result r;

	/* The handler needs a frame of its own, for an AEX out of it. */
	if (cssa >= tcs->nssa)
		return cpu_gp_why(why, WHY_ENTRY_CSSA_FULL, cssa, tcs->nssa);
	r = check_ssa(secs, tcs, cssa, why);
	return cpu_ok(r) ? check_target(secs, tcs, why) : r;
}

struct cpu_result lp_edeccssa_check(const struct lp_state *lp, struct why *why)
{
	const struct sgx_tcs_slot *tcs = lp->tcs;
	uint32_t cssa;

	if (!tcs || !(lp->secs->features & LP_EDECCSSA))
		return cpu_gp();
	cssa = __atomic_load_n(&tcs->cssa, __ATOMIC_RELAXED);
	if (!cssa)
		return cpu_gp_why(why, WHY_EDECCSSA_EMPTY, cssa, tcs->nssa);
	return check_ssa(lp->secs, tcs, cssa - 1, why);
}

void lp_edeccssa(struct lp_state *lp)
{
	struct sgx_tcs_slot *tcs = lp->tcs;

	__atomic_store_n(&tcs->cssa, tcs->cssa - 1, __ATOMIC_RELAXED);
}

struct cpu_result lp_eexit(struct lp_state *lp, struct lp_gprs *regs)
{
	if (!lp->tcs)
		return cpu_gp();
	/* A target inside ELRANGE is taken: its fetch, outside, is what fails. */
	if (!canonical(regs->rbx))
		return cpu_gp();

	regs->rip = regs->rbx;
	regs->rcx = lp->aep;
	restore_outside(lp, regs);
	__atomic_fetch_add(&lp->tcs->exits, 1, __ATOMIC_RELAXED);
	leave_slot(lp);
	return cpu_done();
}

/*
 * EXITINFO, and EXINFO with #PF and #GP.  Eight exceptions are always reported;
 * #PF and #GP only where MISCSELECT has EXINFO to say more, and a #PF only if it
 * was a user-mode access (U/S=0 means that the processor's own access faulted).
 * For all else VALID, VECTOR and TYPE are zero.
 */
static uint32_t exit_info(const struct lp_secs *secs, const struct lp_event *event,
			  struct sgx_exinfo *exinfo)
{
	uint32_t type = SGX_EXITINFO_TYPE_HW;

	if (!event->exception)
		return 0;

	switch (event->vector) {
	case SGX_VEC_BP:
		type = SGX_EXITINFO_TYPE_SW;
		break;
	case SGX_VEC_DE:
	case SGX_VEC_DB:
	case SGX_VEC_BR:
	case SGX_VEC_UD:
	case SGX_VEC_MF:
	case SGX_VEC_AC:
	case SGX_VEC_XM:
		break;
	case SGX_VEC_PF:
		if (!(event->error_code & SGX_PF_U))
			return 0;
		/* fall through */
	case SGX_VEC_GP:
		if (!(secs->miscselect & SGX_MISC_EXINFO_BIT) || !exinfo)
			return 0;
		/* CR2 as it was: only outside is it cut to the page. */
		exinfo->maddr = event->vector == SGX_VEC_PF ? event->address : 0;
		exinfo->errcd = event->error_code;
		exinfo->rsvd = 0;
		break;
	default:
		return 0;
	}
	return SGX_EXITINFO_VALID_BIT | type | event->vector;
}

void lp_aex_save(struct lp_state *lp, struct sgx_gprsgx *gpr, struct sgx_exinfo *exinfo,
		 const struct lp_event *event, struct lp_gprs *regs)
{
	uint64_t rflags = regs->rflags;

	/*
	 * Into the frame.  RF is saved as an interrupt frame would have it, TF as
	 * zero.  URSP and URBP are EENTER's, the byte of AEX-Notify is the enclave's:
	 * it stays set from one AEX to the next.
	 */
	regs->rflags = rflags & ~LP_RFLAGS_TF;
	cpu_copy(gpr, regs, GPRS_SHARED_SIZE);
	gpr->fsbase = regs->fsbase;
	gpr->gsbase = regs->gsbase;
	gpr->exitinfo = exit_info(lp->secs, event, exinfo);

	/* What the outside may see. */
	cpu_zero(regs, GPRS_SHARED_SIZE);
	regs->rax = SGX_ERESUME;
	regs->rbx = lp->tcs_addr;
	regs->rcx = lp->aep;
	regs->rip = lp->aep;
	regs->rsp = gpr->ursp;
	regs->rbp = gpr->urbp;
	regs->rflags = rflags & ~RFLAGS_SYNTHETIC;
	restore_outside(lp, regs);
}

void lp_aex_commit(struct lp_state *lp)
{
	struct sgx_tcs_slot *tcs = lp->tcs;

	/* Push the SSA stack. */
	__atomic_store_n(&tcs->cssa, tcs->cssa + 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&tcs->aexs, 1, __ATOMIC_RELAXED);
	leave_slot(lp);
}

void lp_aex(struct lp_state *lp, struct sgx_gprsgx *gpr, struct sgx_exinfo *exinfo,
	    const struct lp_event *event, struct lp_gprs *regs)
{
	lp_aex_save(lp, gpr, exinfo, event, regs);
	lp_aex_commit(lp);
}
