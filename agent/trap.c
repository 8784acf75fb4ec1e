/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every signal that the agent catches arrives here.  Stages, in order:
 *
 *  1. A thread without a block gets one, and the trap is made to happen again,
 *     now on the signal stack.  Nothing else is done on the program's stack.
 *  2. A fault of the agent's own (copy.S) is fixed up.
 *  3. What was under way is settled: the window, a plain-call entry.  After this
 *     the frame holds the program's or the enclave's context, never the agent's.
 *  4. In enclave mode: EEXIT and other ENCLU leaves, else AEX (entry/).
 *  5. Outside: trapped system calls, ENCLU, CPUID, faults on enclave memory.
 *  6. What is left is the program's (signal/).
 *
 * No stage may leave anything live on the signal stack.
 */
#include "agent.h"

#include <asm/unistd.h>

#define SI_SECCOMP 1 /* SYS_SECCOMP */
/* head.S: from the stack pointer after agent_signal() to the frame's ucontext */
#define TAIL_FRAME 16

/* Called from head.S with the kernel's frame, and before it is left. */
struct agent_thread *agent_signal(int sig, agent_siginfo *info, agent_ucontext *uc);
void agent_signal_tail(struct agent_thread *t, agent_ucontext *uc);

/* Make the trap happen again, on the signal stack that sigreturn is about to set. */
static void replay(struct agent_thread *t, agent_ucontext *uc, int sig, agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);

	if (sig == SIGSYS && info->si_code == SI_SECCOMP) {
		regs->ip -= 2;
		return;
	}
	/* faults happen again by themselves; #BP has passed its instruction */
	if (sig_own_index(sig) >= 0 && info->si_code > 0 && sig != SIGTRAP)
		return;
	if (sig == SIGTRAP && info->si_code == SI_KERNEL) {
		regs->ip -= 1;
		return;
	}
	if (sig_own_index(sig) >= 0) {
		uint64_t block = SIGBIT(sig);

		sys4(__NR_rt_sigprocmask, SIG_BLOCK, &block, 0, 8);
	}
	sys4(__NR_rt_tgsigqueueinfo, sys0(__NR_getpid), t->tid, sig, info);
}

bool agent_in_text(uint64_t rip)
{
	return rip - PROTO_AGENT_BASE < (uint64_t)agent_text_end - PROTO_AGENT_BASE;
}

/*
 * A page fault?  Where the kernel itself refuses a frame, the trap number is that of
 * some earlier fault.
 */
static bool is_page_fault(int sig, const agent_siginfo *info, const struct sigcontext_64 *regs)
{
	return (sig == SIGSEGV || sig == SIGBUS) && regs->trapno == SGX_VEC_PF &&
	       info->si_code != SI_KERNEL;
}

/*
 * A fault of the agent's own: on enclave memory that the daemon can bring (an
 * SSA frame, a buffer of the program's), or in copy.S, which has fix-ups.
 */
static bool own_fault(struct agent_thread *t, agent_ucontext *uc, int sig,
		      const agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint64_t rip = regs->ip;
	uint32_t error_code = (uint32_t)regs->err;

	if (sig != SIGSEGV && sig != SIGBUS)
		return false;
	if (is_page_fault(sig, info, regs) &&
	    encl_fault(t, uc, sig, regs->cr2, &error_code, t->lp.tcs != NULL) == FAULT_RETRY)
		return true;
	if (rip >= (uint64_t)agent_copy_begin && rip < (uint64_t)agent_copy_end)
		regs->ip = (uint64_t)agent_copy_fixup;
	else if (rip >= (uint64_t)agent_probe_begin && rip < (uint64_t)agent_probe_end)
		regs->ip = (uint64_t)agent_probe_fixup;
	else
		return false;
	return true;
}

/*
 * The most frequent trap of an enclave that is larger than the EPC: an access to a page
 * that is out.  The daemon brings it, and the access is run again; nothing has
 * happened, so that none of the stages has anything to do.
 */
static bool soft_fault(struct agent_thread *t, agent_ucontext *uc, int sig,
		       const agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint32_t error_code = (uint32_t)regs->err;

	if (sig != SIGBUS || info->si_code <= 0 || agent_in_text(regs->ip) ||
	    !is_page_fault(sig, info, regs) ||
	    encl_fault(t, uc, sig, regs->cr2, &error_code, t->lp.tcs != NULL) != FAULT_RETRY)
		return false;
	t->enter_frame = NULL;
	return true;
}

/*
 * Not made by the processor: sent by someone, or one of the kernel's asynchronous
 * signals, whose si_code may be above 0 (SIGALRM of a timer, SIGCHLD, SIGIO).
 */
static bool is_sent(int sig, const agent_siginfo *info)
{
	return info->si_code <= 0 || sig_own_index(sig) < 0;
}

/* Linux: a memory error that an access ran into, in a page */
void machine_check_info(agent_siginfo *info, uint64_t addr)
{
	agent_memset(info, 0, sizeof(*info));
	info->si_signo = SIGBUS;
	info->si_code = BUS_MCEERR_AR;
	info->_sifields._sigfault._addr = (void *)(addr & SGX_PAGE_MASK);
	info->_sifields._sigfault._addr_lsb = SGX_PAGE_SHIFT;
}

static void outside(struct agent_thread *t, agent_ucontext *uc, int sig, agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint32_t error_code = (uint32_t)regs->err;

	if (sig == SIGSYS && info->si_code == SI_SECCOMP) {
		agent_do_syscall(t, uc, info);
		return;
	}
	if (sig == SIGSYS && info->si_code == SI_DISPATCH) {
		if (t->traceme_owed)
			proc_traceme_call(t, uc);
		guard_release(t, uc);
		return;
	}
	/* a processor that has SGX knows ENCLU, and finds no TCS there: #GP */
	if (sig == SIGILL || (sig == SIGSEGV && regs->trapno == SGX_VEC_GP)) {
		if (enclu_outside(t, uc))
			return;
		if (cpuid_trap(uc)) {
			if (regs->flags & LP_RFLAGS_TF)
				agent_single_step(t, uc);
			return;
		}
	}
	if (sig == SIGSEGV && is_page_fault(sig, info, regs) &&
	    regs->cr2 >> SGX_PAGE_SHIFT == regs->bx >> SGX_PAGE_SHIFT && enclu_outside(t, uc))
		return;
	if (is_page_fault(sig, info, regs)) {
		enum fault_result result = encl_fault(t, uc, sig, regs->cr2, &error_code, false);

		if (result != FAULT_RETRY)
			explain(&t->why, "access");
		switch (result) {
		case FAULT_RETRY:
			return;
		case FAULT_PF:
			/* Linux: an EPCM fault is SIGSEGV, SEGV_ACCERR */
			if (sig == SIGBUS || (error_code & SGX_PF_SGX))
				info->si_code = SEGV_ACCERR;
			sig = SIGSEGV;
			info->si_signo = SIGSEGV;
			regs->err = error_code;
			break;
		case FAULT_SIGBUS:
			sig = SIGBUS;
			info->si_signo = SIGBUS;
			info->si_code = BUS_ADRERR;
			break;
		case FAULT_MCE:
			machine_check_info(info, regs->cr2);
			sig = SIGBUS;
			break;
		case FAULT_NOT_OURS:
			break;
		}
	}
	sig_force(t, uc, sig, info);
}

/* uc is a context of the agent's own stack: this handler has interrupted another. */
static bool is_nested(const agent_ucontext *uc)
{
	return agent_thread_of((void *)UC_REGS(uc)->sp) != NULL && agent_in_text(UC_REGS(uc)->ip);
}

/* In a tail that looks (head.S), after its look; RBP: none that does not */
static bool in_tail(const struct sigcontext_64 *regs)
{
	return regs->ip >= (uint64_t)agent_tail_begin && regs->ip < (uint64_t)agent_tail_end &&
	       regs->bp != 0;
}

static void dispatch(struct agent_thread *t, agent_ucontext *uc, int sig, agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint64_t restore_mask;
	bool nested = is_nested(uc);
	bool sent = is_sent(sig, info);

	if (t->window.exec == EXEC_KNOCKS && sig == PROTO_EXEC_KNOCK && sent &&
	    info->si_code == SI_TKILL)
		return; /* sys/exec.c: nobody traces us any more */
	if (!sent && sig == SIGSYS && agent_in_text(regs->ip) && proc_refused(t, uc, info))
		return;
	if (nested) {
		if (!sent && own_fault(t, uc, sig, info))
			return;
		if (!sent)
			agent_panic(AGENT_PANIC_NESTED, regs->ip);
		if (in_tail(regs)) {
			/* its last look was too early */
			sig_arrived(t, sig, info);
			regs->sp = regs->bx - TAIL_FRAME;
			regs->ip = (uint64_t)agent_tail_again;
			return;
		}
		if (sig_window_leave(t, uc, sig, info, &restore_mask))
			sig_deliver(t, uc, sig, info, restore_mask);
		return;
	}
	/* A clone call: settled first; what else is sent there waits for its hlt. */
	if (proc_in_clone(regs->ip)) {
		if (!sent && sig == SIGSEGV && proc_clone_done(t, uc))
			return;
		if (sig_own_index(sig) < 0)
			agent_panic(AGENT_PANIC_CLONE, regs->ip);
		sig_arrived(t, sig, info);
		return;
	}
	if (agent_in_text(regs->ip)) {
		/* on the program's stack: the plain-call entry */
		if (!sent && own_fault(t, uc, sig, info))
			return;
		if (!enter_rollback(t, uc))
			agent_panic(AGENT_PANIC_NESTED, regs->ip);
		/* a step into the agent is the step to the ENCLU */
		if (!sent && sig == SIGTRAP) {
			info->_sifields._sigfault._addr = (void *)regs->ip;
		} else if (!sent) {
			/*
			 * There is no room on the program's stack, or AC is set.  The
			 * instruction needs neither, nor does the long way.
			 */
			t->enter_frame = NULL;
			enclu_outside(t, uc);
			return;
		}
	}
	t->enter_frame = NULL;

	if (t->lp.tcs) {
		if (enclave_trap(t, uc, sig, info))
			return;
		if (!sent && sig_own_index(sig) >= 0) {
			sig_force(t, uc, sig, info);
			return;
		}
	} else if (!sent && sig_own_index(sig) >= 0) {
		outside(t, uc, sig, info);
		return;
	}
	/* asynchronous, or sent */
	if (sig_own_index(sig) >= 0 && (t->sigmask_own & SIGBIT(sig))) {
		sig_arrived(t, sig, info);
		return;
	}
	sig_deliver(t, uc, sig, info, sig_mask_of(t, uc));
}

/**
 * agent_signal() - a signal that the agent catches
 * @sig:	its number
 * @info:	of the kernel's frame
 * @uc:		of the kernel's frame; sigreturn goes where it says in the end
 *
 * Return: the thread, where agent_signal_tail() is to be called before this frame
 * is left; NULL where another handler of the agent's, a clone call or death follows.
 */
struct agent_thread *agent_signal(int sig, agent_siginfo *info, agent_ucontext *uc)
{
	struct agent_thread *t = agent_thread_of(uc);

	if (!t) {
		t = agent_thread_setup(uc);
		replay(t, uc, sig, info);
		return NULL;
	}
	if (!is_nested(uc))
		t->dying = 0; /* it did not: the first process of a namespace */
	/* before the mask is changed, which takes a system call */
	if (soft_fault(t, uc, sig, info))
		return t;
	/*
	 * The kernel blocks the two while their handler runs, so that senders can
	 * nest it once and no deeper.  The outermost may itself fault (copy.S).
	 */
	if ((sig == SIGSEGV || sig == SIGBUS || t->seccomp) &&
	    !agent_thread_of((void *)UC_REGS(uc)->sp))
		sig_unblock_faults(t);
	if (t->traceme_owed && sig != SIGSYS && !agent_in_text(UC_REGS(uc)->ip)) {
		/* the tracer sees it first */
		proc_traceme_settle(t);
		replay(t, uc, sig, info);
		return t;
	}
	if (info->si_code < 0)
		sig = sig_forward_decode(sig, info);
	dispatch(t, uc, sig, info);
	return is_nested(uc) || proc_in_clone(UC_REGS(uc)->ip) || t->dying ? NULL : t;
}

/**
 * agent_signal_tail() - deliver what else has arrived
 * @t:		this thread
 * @uc:		the program's, or the enclave's, context
 *
 * Called again and again until nothing arrives between it and the return (head.S).
 */
void agent_signal_tail(struct agent_thread *t, agent_ucontext *uc)
{
	t->sig_check = 0;
	barrier();
	sig_settle(t);
	if (!sig_ready(t) || t->dying)
		return;
	/* not yet, if this is a soft fault's: what follows may itself fault (copy.S) */
	sig_unblock_faults(t);
	/* a thread that was entering, or has just entered, leaves again */
	if (agent_in_text(UC_REGS(uc)->ip) && !enter_rollback(t, uc))
		agent_panic(AGENT_PANIC_NESTED, UC_REGS(uc)->ip);
	t->enter_frame = NULL;
	enclave_interrupt(t, uc);
	sig_flush(t, uc);
}
