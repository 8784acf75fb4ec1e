/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of the program's that may sleep: made in the window (head.S), where the
 * kernel has the thread's true mask, the six included.
 *
 * A signal that arrives there and is the program's takes the trapped context over
 * and is delivered from it: the trapped frame is never returned to.  One that the
 * program must not notice (blocked, ignored) lets the window go on: begun again
 * where the call has not been made, and the call made again where it gave EINTR.
 *
 *	before the call		the program's SYSCALL is executed once more
 *	after it		its result stands; EINTR under a mask of the call's
 *				own: the handler runs under that mask
 */
#include "../agent.h"
#include "../offsets.h"

#include <asm/unistd.h>

/* The program's SYSCALL once more, after what is pending was delivered. */
static long redo(agent_ucontext *uc)
{
	UC_REGS(uc)->ip -= 2;
	return (long)UC_REGS(uc)->ax;
}

static long window_call(struct agent_thread *t, agent_ucontext *uc, const uint64_t args[6],
			const uint64_t *wanted)
{
	uint64_t mask = sig_mask_of(t, uc);
	uint64_t blocked = ~(FAULT_SIGNALS | (t->seccomp ? SIGBIT(SIGSYS) : 0));
	long ret;

	t->window.nr = UC_REGS(uc)->ax;
	t->window.suspend = wanted != NULL;
	t->window.mask = wanted ? *wanted : 0;
	t->window.spurious = 0;
	barrier();
	t->window.uc = uc;
	barrier();
	ret = agent_window_call((long)t->window.nr, args, &mask, &blocked, t);
	barrier();
	t->window.uc = NULL;
	return ret;
}

static void block_six(void)
{
	uint64_t six = AGENT_SIGNALS;

	sys4(__NR_rt_sigprocmask, SIG_BLOCK, &six, 0, 8);
}

/*
 * What the agent itself may cause.  SIGSYS: where a filter of the program's may
 * refuse a call that is made for it (sys/seccomp.c); one that another thread is
 * just installing here (TSYNC) is too new for the call that is under way.
 */
void sig_unblock_faults(const struct agent_thread *t)
{
	uint64_t faults = FAULT_SIGNALS | (t->seccomp ? SIGBIT(SIGSYS) : 0);

	sys4(__NR_rt_sigprocmask, SIG_UNBLOCK, &faults, 0, 8);
}

/**
 * sig_window_masked() - a call that waits for signals, or under a mask of its own
 * @t:		this thread
 * @uc:		the trapped call's context
 * @args:	its arguments; in memory of the agent's what depends on the six
 * @wanted:	the mask that the call sets, or NULL
 * @takes:	which of the six end the wait
 *
 * Pending ones go back to the kernel first, which then decides as it does for all
 * others.  Nothing of the program's may be touched between the two.
 *
 * Return: what the call returned; AGENT_WINDOW_AGAIN where the caller is to make it
 * again, with what is left of its time; the call's number after redo().
 */
long sig_window_masked(struct agent_thread *t, agent_ucontext *uc, const uint64_t args[6],
		       const uint64_t *wanted, uint64_t takes)
{
	long ret;

	block_six();
	t->sig_check = 0;
	sig_settle(t);
	if (sig_ready(t)) {
		sig_unblock_faults(t);
		return redo(uc);
	}
	sig_push(t, takes & AGENT_SIGNALS);
	ret = window_call(t, uc, args, wanted);
	sig_takes(t, AGENT_SIGNALS & ~t->sigmask_own);
	return ret == -EINTR && t->window.spurious ? AGENT_WINDOW_AGAIN : ret;
}

/* The trapped call as it is, in the window */
long agent_reissue(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t args[6];
	long ret;
	int i;

	for (i = 0; i < 6; i++)
		args[i] = uc_arg(uc, i);
	/* Linux: what is pending survives an exec */
	do {
		if (t->window.exec == EXEC_ATTACHED) {
			ret = sig_window_masked(t, uc, args, NULL, AGENT_SIGNALS);
			continue;
		}
		t->sig_check = 0;
		barrier();
		sig_settle(t);
		if (sig_ready(t))
			return redo(uc);
		ret = window_call(t, uc, args, NULL);
	} while (ret == AGENT_WINDOW_AGAIN || (ret == -EINTR && t->window.spurious));
	return ret;
}

static bool ignored(const struct agent_thread *t, int sig)
{
	return t->sigtable->action[sig].handler == (uint64_t)SIG_IGN;
}

/* Where in the window: no call was made yet; or one was, and RAX is its result */
static bool before_call(const struct sigcontext_64 *regs)
{
	return regs->ip == (uint64_t)agent_window_sys ||
	       (regs->ip >= (uint64_t)agent_window_begin && regs->ip < (uint64_t)agent_window_back);
}

static bool just_called(const struct sigcontext_64 *regs)
{
	return regs->ip == (uint64_t)agent_window_after ||
	       (regs->ip >= (uint64_t)agent_window_back && regs->ip < (uint64_t)agent_window_done);
}

static bool in_window(const struct agent_thread *t, const struct sigcontext_64 *regs)
{
	return t->window.uc &&
	       (before_call(regs) || just_called(regs) ||
		(regs->ip >= (uint64_t)agent_window_done && regs->ip < (uint64_t)agent_window_end));
}

/*
 * The mask that the program believes in force.  A call with a mask of its own
 * keeps it for the handler where it ends with EINTR, and (io_pgetevents) also
 * where it has a result and the signal can only have come by that mask.
 */
static uint64_t window_mask(const struct agent_thread *t, const struct sigcontext_64 *regs, int sig)
{
	uint64_t old = sig_mask_of(t, t->window.uc);

	if (t->window.suspend && just_called(regs) &&
	    ((long)regs->ax == -EINTR || (old & SIGBIT(sig))))
		return t->window.mask;
	return old;
}

/**
 * sig_window_take() - the window is over: uc becomes the program's context
 * @t:		this thread
 * @uc:		the agent's context that a signal interrupted
 * @sig:	its number
 * @restore_mask: receives the mask that its handler's return brings back
 *
 * Return: false where uc is not in the window.
 */
bool sig_window_take(struct agent_thread *t, agent_ucontext *uc, int sig, uint64_t *restore_mask)
{
	struct sigcontext_64 *regs = UC_REGS(uc), *outer;
	struct agent_window w = t->window;
	uint64_t size = 0, outer_size = 0, mask;
	uint8_t *fp, *outer_fp;
	long result;

	if (!in_window(t, regs))
		return false;
	mask = window_mask(t, regs, sig);
	result = (long)(just_called(regs) ? regs->ax : regs->bx);
	*restore_mask = sig_mask_of(t, w.uc);
	if (w.exec != EXEC_IDLE)
		proc_exec_abandon(t);
	t->window.uc = NULL;
	outer = UC_REGS(w.uc);
	if (before_call(regs) || result == AGENT_WINDOW_AGAIN) {
		outer->ip -= 2; /* the program's own SYSCALL, once more */
		outer->ax = w.nr;
	} else {
		outer->ax = (uint64_t)result;
	}
	agent_memcpy(&regs->r8, &outer->r8,
		     offsetof(struct sigcontext_64, flags) + 8 -
			     offsetof(struct sigcontext_64, r8));
	regs->cs = outer->cs;
	regs->ss = outer->ss;
	/* the kernel gave our handler the initial state; the program's is in its frame */
	fp = uc_xsave(uc, &size);
	outer_fp = uc_xsave(w.uc, &outer_size);
	if (fp && outer_fp && size == outer_size)
		agent_memcpy(fp, outer_fp, size);
	sig_mask_set(t, uc, mask);
	/* the kernel's mask was the program's, and this handler touches its memory */
	sig_unblock_faults(t);
	return true;
}

/**
 * sig_window_leave() - a signal was sent while the agent's stack was in use
 * @t:		this thread
 * @uc:		the agent's context that it interrupted
 * @sig:	its number
 * @info:	what came with it
 * @restore_mask: as in sig_window_take()
 *
 * Return: true where uc has become the program's context, from which the signal
 * is to be delivered; false where it was kept (or is ignored), and the agent goes
 * on.
 */
bool sig_window_leave(struct agent_thread *t, agent_ucontext *uc, int sig,
		      const agent_siginfo *info, uint64_t *restore_mask)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	bool is_blocked;

	if (!in_window(t, regs)) {
		if (sig_own_index(sig) < 0)
			agent_panic(AGENT_PANIC_NESTED, regs->ip);
		sig_arrived(t, sig, info);
		return false;
	}
	is_blocked = window_mask(t, regs, sig) & SIGBIT(sig);
	if (sig_own_index(sig) < 0 || (!is_blocked && !ignored(t, sig)))
		return sig_window_take(t, uc, sig, restore_mask);
	if (is_blocked)
		sig_arrived(t, sig, info);
	if (before_call(regs))
		regs->ip = (uint64_t)agent_window_begin;
	else if (just_called(regs) && (long)regs->ax == -EINTR)
		t->window.spurious = 1;
	return false;
}
