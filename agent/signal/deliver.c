/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delivering a signal to the program: the kernel's frame, built on the program's
 * stack, and a sigreturn into its handler.
 *
 *	high	[ red zone 128 ]  [ fpstate, 64-aligned ]  [ rt_sigframe ]	low
 *	                                                    ^ RSP = 16n - 8
 *
 * Nothing of the agent stays behind: the handler may return, siglongjmp away or
 * never end.
 */
#include "../agent.h"

#include <asm/unistd.h>

struct rt_sigframe {
	uint64_t pretcode;
	agent_ucontext uc;
	agent_siginfo info;
};

#define EFLAGS_TF 0x100u
#define EFLAGS_DF 0x400u
#define EFLAGS_RF 0x10000u
/* What sigreturn takes from the frame: the kernel's FIX_EFLAGS */
#define EFLAGS_USER 0x50dd5u

/* The XSAVE image of a frame and its size; NULL for none */
uint8_t *uc_xsave(const agent_ucontext *uc, uint64_t *size)
{
	uint8_t *fp = (uint8_t *)UC_REGS(uc)->fpstate;
	const struct _fpx_sw_bytes *sw;

	if (!fp)
		return NULL;
	sw = (const void *)(fp + offsetof(struct _fpstate_64, sw_reserved));
	/* the kernel's own frame: believed */
	*size = sw->magic1 == FP_XSTATE_MAGIC1 ? sw->extended_size : 512;
	return fp;
}

#define XFEATURE_PKRU (1ull << 9)

/*
 * Linux: a handler starts with the initial FPU state.  The frame has the
 * components that it says, which need not be all of XCR0 (AMX is by permission);
 * PKRU's initial value is the kernel's own matter and stays.
 */
static void fpstate_init(agent_ucontext *uc)
{
	const struct _fpx_sw_bytes *sw;
	uint64_t size;
	uint8_t *fp = uc_xsave(uc, &size);

	if (!fp || size <= 576)
		return;
	sw = (const void *)(fp + offsetof(struct _fpstate_64, sw_reserved));
	lp_xsave_init(fp, sw->xfeatures & ~XFEATURE_PKRU, &PROC->xsave);
}

/* Kill by the default action: native disposition, then the signal to ourselves. */
static void die_of(struct agent_thread *t, agent_ucontext *uc, int sig, const agent_siginfo *info)
{
	struct agent_sigaction dfl = {0};
	agent_siginfo copy = *info;
	uint64_t block = SIGBIT(sig);

	if (core_wanted(sig))
		core_prepare();
	/* pending until our sigreturn: the core shows the program's registers */
	sys4(__NR_rt_sigprocmask, SIG_BLOCK, &block, 0, 8);
	sys4(__NR_rt_sigaction, sig, &dfl, 0, 8);
	uc->uc_sigmask &= ~SIGBIT(sig);
	t->sigmask_own &= ~SIGBIT(sig);
	t->dying = 1;
	sys4(__NR_rt_tgsigqueueinfo, sys0(__NR_getpid), t->tid, sig, &copy);
}

/* SIGCONT, SIGCHLD, SIGWINCH and SIGURG: of the agent's own none */
static void default_action(struct agent_thread *t, agent_ucontext *uc, int sig,
			   const agent_siginfo *info)
{
	if (sig_own_index(sig) >= 0 || core_wanted(sig))
		die_of(t, uc, sig, info);
	/*
	 * Others are native when they have the default action: this one was
	 * reset between the kernel's choice and now (or a fork copied the table in
	 * that moment).  Send it again.
	 */
	else {
		struct agent_sigaction dfl = {0};

		sys4(__NR_rt_sigaction, sig, &dfl, 0, 8);
		sys4(__NR_rt_tgsigqueueinfo, sys0(__NR_getpid), t->tid, sig, info);
	}
}

static uint64_t frame_top(const struct agent_thread *t, const agent_ucontext *uc, uint64_t flags)
{
	uint64_t sp = UC_REGS(uc)->sp;
	stack_t ss;

	sig_altstack_get(t, sp, &ss);
	if ((flags & SA_ONSTACK) && !(ss.ss_flags & (SS_DISABLE | SS_ONSTACK)))
		return t->altstack_sp + t->altstack_size;
	return sp - 128;
}

/* Build the frame.  Return: its address, or 0 where the stack cannot hold it. */
static uint64_t build_frame(struct agent_thread *t, const agent_ucontext *uc,
			    const agent_siginfo *info, const struct agent_sigaction *act,
			    uint64_t restore_mask)
{
	uint64_t sp = frame_top(t, uc, act->flags), fpsize = 0, fpaddr = 0;
	uint8_t *fp = uc_xsave(uc, &fpsize);
	struct rt_sigframe frame;

	if (fp) {
		sp = (sp - fpsize) & ~63ull;
		fpaddr = sp;
		if (!copy_out(fpaddr, fp, fpsize))
			return 0;
	}
	sp = ((sp - sizeof(frame)) & ~15ull) - 8;
	agent_memset(&frame, 0, sizeof(frame));
	frame.pretcode = act->restorer;
	frame.uc = *uc;
	frame.uc.uc_link = NULL;
	agent_memset(&frame.uc.uc_stack, 0, sizeof(frame.uc.uc_stack));
	frame.uc.uc_stack.ss_sp = (void *)t->altstack_sp;
	frame.uc.uc_stack.ss_size = t->altstack_size;
	frame.uc.uc_stack.ss_flags = (int)t->altstack_flags;
	UC_REGS(&frame.uc)->fpstate = fpaddr;
	frame.uc.uc_sigmask = restore_mask;
	frame.info = *info;
	return copy_out(sp, &frame, sizeof(frame)) ? sp : 0;
}

void sig_deliver(struct agent_thread *t, agent_ucontext *uc, int sig, const agent_siginfo *info,
		 uint64_t restore_mask)
{
	struct agent_sigtable *table = t->sigtable;
	struct agent_sigaction act;
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint64_t frame, mask;

	agent_lock(&table->lock);
	act = table->action[sig];
	if (act.handler > 1 && (act.flags & SA_RESETHAND)) {
		table->action[sig].handler = (uint64_t)SIG_DFL;
		if (sig_own_index(sig) < 0) {
			struct agent_sigaction dfl = {0};

			sys4(__NR_rt_sigaction, sig, &dfl, 0, 8);
		}
	}
	agent_unlock(&table->lock);
	if (act.handler == (uint64_t)SIG_IGN)
		return;
	if (act.handler == (uint64_t)SIG_DFL) {
		default_action(t, uc, sig, info);
		return;
	}

	mask = sig_mask_of(t, uc) | act.mask;
	if (!(act.flags & SA_NODEFER))
		mask |= SIGBIT(sig);
	frame = build_frame(t, uc, info, &act, restore_mask);
	if (!frame) {
		agent_siginfo segv;

		/* Linux: a frame that does not fit is SIGSEGV, from the kernel */
		agent_memset(&segv, 0, sizeof(segv));
		segv.si_signo = SIGSEGV;
		segv.si_code = SI_KERNEL;
		if (sig == SIGSEGV)
			die_of(t, uc, SIGSEGV, &segv);
		else
			sig_force(t, uc, SIGSEGV, &segv);
		return;
	}
	/* Linux: on every delivery, whether it went there or not */
	if (t->altstack_flags & SS_AUTODISARM) {
		t->altstack_sp = 0;
		t->altstack_size = 0;
		t->altstack_flags = SS_DISABLE;
	}
	regs->di = (uint64_t)sig;
	regs->si = frame + offsetof(struct rt_sigframe, info);
	regs->dx = frame + offsetof(struct rt_sigframe, uc);
	regs->ax = 0;
	regs->sp = frame;
	regs->ip = act.handler;
	regs->flags &= ~(uint64_t)(EFLAGS_TF | EFLAGS_DF | EFLAGS_RF);
	sig_mask_set(t, uc, mask);
	fpstate_init(uc);
}

void sig_force(struct agent_thread *t, agent_ucontext *uc, int sig, const agent_siginfo *info)
{
	struct agent_sigaction *act = &t->sigtable->action[sig];

	/* Linux: blocked or ignored, a fault kills as by default */
	if ((sig_mask_of(t, uc) & SIGBIT(sig)) || act->handler == (uint64_t)SIG_IGN ||
	    act->handler == (uint64_t)SIG_DFL) {
		die_of(t, uc, sig, info);
		return;
	}
	sig_deliver(t, uc, sig, info, sig_mask_of(t, uc));
}

/*
 * Theirs, at addr, is misaligned, which is a fault of the kernel's (F)XRSTOR; but some
 * hypervisors emulate that and take it.  Ours becomes as misaligned.  It moves down over
 * the end of the siginfo (128 bytes, directly below), which has nothing in it.
 */
static void misalign(agent_ucontext *uc, uint8_t *fp, uint64_t size, uint64_t addr)
{
	uint8_t *to = fp - 64 + (addr & 63);

	agent_memcpy(to, fp, size); /* front to back: they overlap */
	UC_REGS(uc)->fpstate = (uint64_t)to;
}

static bool restore_fpstate(agent_ucontext *uc, uint64_t addr)
{
	uint64_t size, theirs;
	uint8_t *fp = uc_xsave(uc, &size);
	struct _fpx_sw_bytes sw;
	bool whole;

	if (!fp)
		return true;
	if (!addr) {
		/* Linux: no fpstate means the initial state */
		fpstate_init(uc);
		return true;
	}
	if (!copy_in(&sw, addr + offsetof(struct _fpstate_64, sw_reserved), sizeof(sw)))
		return false;
	theirs = sw.magic1 == FP_XSTATE_MAGIC1 ? sw.extended_size : 512;
	whole = theirs == size;
	/* not whole: a frame that the program made, x87 and SSE only */
	if (!copy_in(fp, addr,
		     whole ? size - FP_XSTATE_MAGIC2_SIZE
			   : offsetof(struct _fpstate_64, sw_reserved)))
		return false;
	if (!whole && size > 576)
		agent_memset(fp + 512, 3, 1); /* XSTATE_BV: x87 and SSE */
	/* what is wrong with it the kernel finds, when it restores ours */
	if (addr & (whole && size > 512 ? 63 : 15)) {
		if (!whole) /* FXRSTOR, as theirs would be */
			agent_memset(fp + offsetof(struct _fpstate_64, sw_reserved), 0, sizeof(sw));
		misalign(uc, fp, size, addr);
	}
	return true;
}

void sig_do_sigreturn(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc), *from;
	/* the handler's ret has taken pretcode off */
	uint64_t frame = regs->sp - 8;
	agent_ucontext copy;
	agent_siginfo info;
	stack_t ss;

	if (!copy_in(&copy, frame + offsetof(struct rt_sigframe, uc), sizeof(copy)) ||
	    !restore_fpstate(uc, UC_REGS(&copy)->fpstate)) {
		agent_memset(&info, 0, sizeof(info));
		info.si_signo = SIGSEGV;
		info.si_code = SI_KERNEL;
		sig_force(t, uc, SIGSEGV, &info);
		return;
	}
	from = UC_REGS(&copy);
	agent_memcpy(&regs->r8, &from->r8,
		     offsetof(struct sigcontext_64, ip) + 8 - offsetof(struct sigcontext_64, r8));
	regs->flags = (regs->flags & ~(uint64_t)EFLAGS_USER) | (from->flags & EFLAGS_USER);
	regs->cs = from->cs | 3;
	regs->ss = from->ss | 3;
	sig_mask_set(t, uc, copy.uc_sigmask);
	ss = copy.uc_stack;
	sig_altstack_set(t, regs->sp, &ss);
}
