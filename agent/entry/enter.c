/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Into the enclave: the plain-call entry's C half, its roll-back, and what both
 * ways (plain call, trap) share.
 */
#include "../agent.h"
#include "../offsets.h"

#include <asm/prctl.h>
#include <asm/unistd.h>

/*
 * has_fsgsbase is the kernel's word (AT_HWCAP2).  A processor may execute WRFSBASE
 * without it, but then the kernel does not know of the new base and loses it.
 */
void agent_get_bases(uint64_t *fsbase, uint64_t *gsbase)
{
	if (PROC->has_fsgsbase) {
		__asm__ volatile("rdfsbase %0" : "=r"(*fsbase));
		__asm__ volatile("rdgsbase %0" : "=r"(*gsbase));
	} else {
		sys2(__NR_arch_prctl, ARCH_GET_FS, fsbase);
		sys2(__NR_arch_prctl, ARCH_GET_GS, gsbase);
	}
}

void agent_set_bases(uint64_t fsbase, uint64_t gsbase)
{
	if (PROC->has_fsgsbase) {
		__asm__ volatile("wrfsbase %0" ::"r"(fsbase));
		__asm__ volatile("wrgsbase %0" ::"r"(gsbase));
	} else {
		/* the kernel refuses what is not a user's address; not the other side's then */
		if (sys2(__NR_arch_prctl, ARCH_SET_FS, fsbase) < 0)
			sys2(__NR_arch_prctl, ARCH_SET_FS, 0);
		if (sys2(__NR_arch_prctl, ARCH_SET_GS, gsbase) < 0)
			sys2(__NR_arch_prctl, ARCH_SET_GS, 0);
	}
}

uint32_t enter_owner(const struct agent_thread *t)
{
	return lp_owner(PROC->client, agent_thread_index(t));
}

/*
 * As long as the block is in use the enclave's entry is, and its table of TCSs is there
 * (encl_in_use()).
 */
void enter_gone(struct agent_thread *t)
{
	struct sgx_tcs_slot *tcs = t->lp.tcs ? t->lp.tcs : t->entering;

	if (tcs)
		lp_eenter_undo(tcs, enter_owner(t));
	t->lp.tcs = NULL;
	t->entering = NULL;
}

/* The thread that is inside by a TCS: its number, 0 where it is another process' */
static uint64_t owner_tid(uint32_t state)
{
	uint32_t block = lp_owner_block(state);

	if (lp_owner_client(state) != PROC->client ||
	    block >= __atomic_load_n(&PROC->block_high, __ATOMIC_ACQUIRE))
		return 0;
	return __atomic_load_n(&agent_thread_by_index(block)->tid, __ATOMIC_RELAXED);
}

/*
 * The SSA frame must be there and writable before anything is committed: the SDM
 * has EENTER fault on it, so that AEX cannot.  Return: 0, or the address.
 */
static uint64_t probe_ssa(const struct lp_secs *secs, const struct sgx_tcs_slot *tcs,
			  uint32_t frame)
{
	uint64_t ssa = lp_ssa_frame(secs, tcs, frame);
	uint32_t i;

	for (i = 0; i < secs->ssaframesize; i++)
		if (agent_probe_write((void *)(ssa + (uint64_t)i * SGX_PAGE_SIZE)))
			return ssa + (uint64_t)i * SGX_PAGE_SIZE;
	return 0;
}

struct cpu_result enter_prepare(struct agent_thread *t, struct lp_gprs *regs, uint64_t next_rip,
				uint8_t *xsave, struct why *why)
{
	/* Only the daemon gives back the slot of a thread that dies inside */
	struct agent_encl *e = rpc_lost() || PROC->connected != 1 ? NULL : encl_by_addr(regs->rbx);
	const struct lp_secs *secs = NULL;
	struct sgx_tcs_slot *tcs = NULL;
	struct sgx_gprsgx *gpr;
	struct cpu_result r;
	bool resume = regs->rax == SGX_ERESUME;
	uint64_t bad, ssa;
	uint32_t frame;

	if (e && e->created && e->tcs) {
		secs = &e->secs;
		tcs = &e->tcs[(regs->rbx - secs->base) >> SGX_PAGE_SHIFT];
		guard_enclave(t, secs);
	}
	/* Known before the slot is taken: enter_rollback() gives it back. */
	t->entering = tcs;
	barrier();
	r = lp_eenter_check(secs, tcs, regs, PROC->xcr0, enter_owner(t), why);
	if (!cpu_ok(r)) {
		if (why && why->rule == WHY_ENTRY_TCS_BUSY)
			why->found = owner_tid((uint32_t)why->found);
		goto out;
	}

	frame = resume ? tcs->cssa - 1 : tcs->cssa;
	bad = probe_ssa(secs, tcs, frame);
	if (bad) {
		r = cpu_pf_why(why, WHY_ENTRY_SSA_PAGE, bad, 0, bad,
			       SGX_PF_P | SGX_PF_W | SGX_PF_U | SGX_PF_SGX);
		goto undo;
	}
	t->outside_rsp = regs->rsp;
	t->outside_rbp = regs->rbp;
	t->outside_rip = next_rip;
	gpr = (struct sgx_gprsgx *)lp_ssa_gprsgx(secs, tcs, frame);
	/* left behind outside it costs a signal, no more */
	t->guard_selector = GUARD_BLOCK;
	if (!resume) {
		lp_eenter(&t->lp, secs, tcs, gpr, next_rip, regs);
		return r;
	}
	ssa = lp_ssa_frame(secs, tcs, frame);
	if (!xsave || !lp_xsave_check((uint8_t *)ssa, secs->xfrm, why)) {
		r = cpu_gp();
		goto undo;
	}
	r = lp_eresume(&t->lp, secs, tcs, gpr, regs, why);
	if (!cpu_ok(r))
		goto undo;
	lp_xsave_from_ssa(xsave, (uint8_t *)ssa, secs->xfrm, &PROC->xsave);
	return r;
undo:
	t->guard_selector = GUARD_ALLOW;
	lp_eenter_undo(tcs, enter_owner(t));
out:
	t->entering = NULL;
	return r;
}

const struct lp_gprs *agent_enter_c(struct agent_thread *t, struct agent_enter_frame *f);

/*
 * Called from enter.S on the program's stack, asynchronous signals not blocked.
 * Anything out of the ordinary takes the long way: back to the ENCLU, which traps.
 * Return: the registers to load.
 */
const struct lp_gprs *agent_enter_c(struct agent_thread *t, struct agent_enter_frame *f)
{
	f->out = f->in;
	agent_get_bases(&f->out.fsbase, &f->out.gsbase);
	f->in.fsbase = f->out.fsbase;
	f->in.gsbase = f->out.gsbase;
	if (!cpu_ok(enter_prepare(t, &f->out, f->in.rip + SGX_ENCLU_LEN, NULL, NULL)))
		return &f->in;
	agent_set_bases(f->out.fsbase, f->out.gsbase);
	return &f->out;
}

/*
 * An entry was under way at RIP, which is in the agent's text on the program's
 * stack.  Afterwards uc is at the vDSO's ENCLU with the registers it had, and
 * nothing has happened.
 */
bool enter_rollback(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint64_t rip = regs->ip;
	bool pushed =
		rip == (uint64_t)agent_enter_pushed || rip == (uint64_t)agent_enter_back_pushed;
	const struct agent_enter_frame *f = t->enter_frame;
	struct lp_gprs in;

	if (rip == PROTO_AGENT_BASE + PROTO_AGENT_ENTER_OFF ||
	    (rip >= (uint64_t)agent_enter && rip <= (uint64_t)agent_enter_intact)) {
		regs->ip = regs->cx;
		return true;
	}
	if ((rip > (uint64_t)agent_enter_intact && rip <= (uint64_t)agent_enter_saved) ||
	    (rip >= (uint64_t)agent_enter_back && rip < (uint64_t)agent_enter_back_end) ||
	    (!f && agent_in_text(rip)))
		f = (const struct agent_enter_frame *)(regs->sp + (pushed ? 8 : 0) - ENTER_BELOW);
	/* the frame is on the program's stack, which the entry has just used */
	if (!copy_in(&in, (uint64_t)&f->in, sizeof(in)))
		return false;
	t->guard_selector = GUARD_ALLOW;
	if (t->lp.tcs) {
		/* committed but for the jump */
		agent_set_bases(t->lp.save_fsbase, t->lp.save_gsbase);
		__atomic_fetch_sub(&t->lp.tcs->entries, 1, __ATOMIC_RELAXED);
		t->lp.tcs = NULL;
	}
	if (t->entering) {
		lp_eenter_undo(t->entering, enter_owner(t));
		t->entering = NULL;
	}
	if (rip > (uint64_t)agent_enter_intact && rip <= (uint64_t)agent_enter_flags)
		in.rflags = regs->flags;
	/* TF is whoever's single-steps now; the kernel has taken a tracer's out */
	in.rflags = (in.rflags & ~(uint64_t)LP_RFLAGS_TF) | (regs->flags & LP_RFLAGS_TF);
	lp_to_uc(uc, &in);
	return true;
}
