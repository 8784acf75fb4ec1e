/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's signal state, as it believes it to be.
 *
 * Goal: a program cannot tell that the kernel's table holds the agent's handler.
 * The agent owns six signals (AGENT_SIGNALS): always caught, never blocked in
 * the kernel's mask.  Other signals are caught by the agent only while the
 * program has a handler for them; ignored and default ones stay native, but those
 * that dump core where enclaves are wanted in it (core.c).
 *
 * The virtual mask of a thread is the kernel's mask in the signal frame that is
 * being served, with the six replaced by thread->sigmask_own.  Masks are changed
 * in the frame, never by a system call, for sigreturn would undo that.
 */
#include "../agent.h"

#include <asm/unistd.h>

int sig_own_index(int sig)
{
	switch (sig) {
	case SIGILL:
		return 0;
	case SIGTRAP:
		return 1;
	case SIGBUS:
		return 2;
	case SIGFPE:
		return 3;
	case SIGSEGV:
		return 4;
	case SIGSYS:
		return 5;
	default:
		return -1;
	}
}

uint64_t sig_mask_of(const struct agent_thread *t, const agent_ucontext *uc)
{
	return (uc->uc_sigmask & ASYNC_SIGNALS) | t->sigmask_own;
}

void sig_mask_set(struct agent_thread *t, agent_ucontext *uc, uint64_t mask)
{
	mask &= ~(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP));
	uc->uc_sigmask = mask & ASYNC_SIGNALS;
	t->sigmask_own = mask & AGENT_SIGNALS;
	sig_takes(t, ~mask & AGENT_SIGNALS);
}

#define KERNEL_MIRRORED (SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT)

/* Put the agent's handler, or the program's native disposition, into the kernel. */
static long kernel_action(int sig, const struct agent_sigaction *virtual)
{
	struct agent_sigaction k = *virtual;

	if (sig_own_index(sig) >= 0 ||
	    (virtual->handler == (uint64_t)SIG_DFL && core_wanted(sig)) ||
	    (virtual->handler != (uint64_t)SIG_DFL && virtual->handler != (uint64_t)SIG_IGN)) {
		k.handler = (uint64_t)agent_signal_entry;
		k.restorer = (uint64_t)agent_restorer;
		k.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER;
		k.flags |= virtual->flags & KERNEL_MIRRORED;
		/*
		 * Sent SIGSEGV and SIGBUS must not nest without end, and no stack is
		 * deep enough for that: see agent_signal().  Others stay with the
		 * kernel until the handler returns.
		 */
		k.mask = HANDLER_SIGNALS;
		if (sig == SIGSEGV || sig == SIGBUS) {
			k.flags &= ~(uint64_t)SA_NODEFER;
			k.mask = ~0ull;
		}
		/* one that is ignored shall not end a read() */
		if (virtual->handler == (uint64_t)SIG_IGN || virtual->handler == (uint64_t)SIG_DFL)
			k.flags |= SA_RESTART;
	}
	return sys4(__NR_rt_sigaction, sig, &k, 0, 8);
}

void sig_init(uint64_t ignored_own)
{
	struct agent_sigaction act;
	int sig;

	for (sig = 1; sig <= 64; sig++) {
		struct agent_sigaction *v = &PROC->sigtable.action[sig];

		agent_memset(v, 0, sizeof(*v));
		if (sig_own_index(sig) >= 0) {
			if (ignored_own & SIGBIT(sig))
				v->handler = (uint64_t)SIG_IGN;
			kernel_action(sig, v);
		} else if (sys4(__NR_rt_sigaction, sig, 0, &act, 8) == 0) {
			/* exec leaves only default and ignored ones */
			v->handler = act.handler;
			if (core_wanted(sig))
				kernel_action(sig, v);
		}
	}
}

/* Linux: what is ignored stays so; the kernel's table still has our handlers */
void sig_clear(struct agent_sigtable *table)
{
	struct agent_sigaction act;
	int sig;

	for (sig = 1; sig <= 64; sig++) {
		agent_memset(&act, 0, sizeof(act));
		if (table->action[sig].handler == (uint64_t)SIG_IGN)
			act.handler = (uint64_t)SIG_IGN;
		else if (table->action[sig].handler != (uint64_t)SIG_DFL)
			kernel_action(sig, &act);
		table->action[sig] = act;
	}
}

long sig_do_sigaction(struct agent_thread *t, agent_ucontext *uc)
{
	int sig = (int)uc_arg(uc, 0);
	uint64_t new_addr = uc_arg(uc, 1), old_addr = uc_arg(uc, 2);
	struct agent_sigtable *table = t->sigtable;
	struct agent_sigaction new, old;
	long ret = 0;

	if (uc_arg(uc, 3) != sizeof(uint64_t))
		return -EINVAL;
	if (new_addr && !copy_in(&new, new_addr, sizeof(new)))
		return -EFAULT;
	if (sig < 1 || sig > 64 || (new_addr && (sig == SIGKILL || sig == SIGSTOP)))
		return -EINVAL;

	agent_lock(&table->lock);
	old = table->action[sig];
	if (new_addr) {
		/* as the kernel: KILL and STOP cannot be in a mask */
		new.mask &= ~(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP));
		/* SA_UNSUPPORTED and bits the kernel does not know read back clear */
		new.flags &= SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART |
			     SA_NODEFER | SA_RESETHAND | SA_RESTORER | 0x800 /* EXPOSE_TAGBITS */;
		ret = kernel_action(sig, &new);
		if (!ret)
			table->action[sig] = new;
		if (!ret && new.handler == (uint64_t)SIG_IGN && sig_own_index(sig) >= 0)
			sig_discard(table, sig);
	}
	agent_unlock(&table->lock);
	if (ret)
		return ret;
	if (old_addr && !copy_out(old_addr, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sig_do_sigprocmask(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t how = uc_arg(uc, 0), new_addr = uc_arg(uc, 1), old_addr = uc_arg(uc, 2);
	uint64_t mask = sig_mask_of(t, uc), old = mask, set;

	if (uc_arg(uc, 3) != sizeof(uint64_t))
		return -EINVAL;
	if (new_addr) {
		if (!copy_in(&set, new_addr, sizeof(set)))
			return -EFAULT;
		switch ((int)how) {
		case SIG_BLOCK:
			mask |= set;
			break;
		case SIG_UNBLOCK:
			mask &= ~set;
			break;
		case SIG_SETMASK:
			mask = set;
			break;
		default:
			return -EINVAL;
		}
		sig_mask_set(t, uc, mask);
	}
	if (old_addr && !copy_out(old_addr, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

static bool on_altstack(const struct agent_thread *t, uint64_t sp)
{
	if (t->altstack_flags & SS_AUTODISARM)
		return false; /* disarmed on delivery: never "on" it */
	return sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

void sig_altstack_get(const struct agent_thread *t, uint64_t sp, stack_t *ss)
{
	agent_memset(ss, 0, sizeof(*ss));
	ss->ss_sp = (void *)t->altstack_sp;
	ss->ss_size = t->altstack_size;
	ss->ss_flags = (int)t->altstack_flags;
	if (!t->altstack_size)
		ss->ss_flags |= SS_DISABLE;
	else if (on_altstack(t, sp))
		ss->ss_flags |= SS_ONSTACK;
}

/*
 * Linux: EPERM on the stack itself, EINVAL for unknown flags, ENOMEM below the
 * minimum; setting what is set already always works.
 */
long sig_altstack_set(struct agent_thread *t, uint64_t sp, const stack_t *ss)
{
	uint32_t mode = (uint32_t)ss->ss_flags & ~SS_AUTODISARM;

	if (on_altstack(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack_sp = 0;
		t->altstack_size = 0;
	} else {
		if (ss->ss_size < MINSIGSTKSZ)
			return -ENOMEM;
		t->altstack_sp = (uint64_t)ss->ss_sp;
		t->altstack_size = ss->ss_size;
	}
	t->altstack_flags = (uint32_t)ss->ss_flags & ~SS_ONSTACK;
	return 0;
}

long sig_do_sigaltstack(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t new_addr = uc_arg(uc, 0), old_addr = uc_arg(uc, 1);
	stack_t new, old;
	long ret;

	if (new_addr && !copy_in(&new, new_addr, sizeof(new)))
		return -EFAULT;
	sig_altstack_get(t, UC_REGS(uc)->sp, &old);
	if (new_addr) {
		ret = sig_altstack_set(t, UC_REGS(uc)->sp, &new);
		if (ret)
			return ret;
	}
	if (old_addr && !copy_out(old_addr, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}
