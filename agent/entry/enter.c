/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Into the enclave: the plain-call entry's C half, its roll-back, and what both
 * ways (plain call, trap) share.
 */
#include "../agent.h"
#include "../offsets.h"

#include <asm/prctl.h>
#include <asm/unistd.h>

/* CF PF AF ZF SF OF: what arithmetic changes */
#define STATUS_FLAGS 0x8d5u

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
				uint8_t *xsave)
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
	r = lp_eenter_check(secs, tcs, regs, PROC->xcr0, lp_owner(t->tid));
	if (!cpu_ok(r))
		goto out;

	frame = resume ? tcs->cssa - 1 : tcs->cssa;
	bad = probe_ssa(secs, tcs, frame);
	if (bad) {
		r = cpu_pf(bad, SGX_PF_P | SGX_PF_W | SGX_PF_U | SGX_PF_SGX);
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
	if (!xsave || !lp_xsave_check((uint8_t *)ssa, secs->xfrm)) {
		r = cpu_gp();
		goto undo;
	}
	r = lp_eresume(&t->lp, secs, tcs, gpr, regs);
	if (!cpu_ok(r))
		goto undo;
	lp_xsave_from_ssa(xsave, (uint8_t *)ssa, secs->xfrm, &PROC->xsave);
	return r;
undo:
	t->guard_selector = GUARD_ALLOW;
	lp_eenter_undo(tcs, lp_owner(t->tid));
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
	uint64_t flags;

	/*
	 * lahf and seto left SF ZF AF PF CF and OF; the rest nobody has changed since.
	 * TF of the program's own is rolled back at the first boundary: this is a tracer's.
	 */
	__asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
	flags &= ~(uint64_t)(STATUS_FLAGS | LP_RFLAGS_TF);
	f->in.rflags = (f->in.rflags & STATUS_FLAGS) | flags;
	f->out = f->in;
	agent_get_bases(&f->out.fsbase, &f->out.gsbase);
	f->in.fsbase = f->out.fsbase;
	f->in.gsbase = f->out.gsbase;
	if (!cpu_ok(enter_prepare(t, &f->out, f->in.rip + SGX_ENCLU_LEN, NULL)))
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
		f = (const struct agent_enter_frame *)(regs->sp - ENTER_BELOW);
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
		lp_eenter_undo(t->entering, lp_owner(t->tid));
		t->entering = NULL;
	}
	if (rip > (uint64_t)agent_enter_intact && rip <= (uint64_t)agent_enter_flags)
		in.rflags = regs->flags;
	in.rflags = (regs->flags & ~(uint64_t)STATUS_FLAGS) | (in.rflags & STATUS_FLAGS);
	lp_to_uc(uc, &in);
	return true;
}
