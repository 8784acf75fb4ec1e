/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The six, sent by someone: where they wait.
 *
 * The kernel never has them blocked while the program runs, so a sent one always
 * arrives, at a thread of the kernel's choice, and what Linux would keep is kept
 * here:
 *
 *	kernel --> handler --unblocked----------------------------> delivered
 *	              |
 *	              '--> arrived[] --sig_settle()--> thread->pending  (tgkill)
 *	                                          '--> table->shared    (kill, sigqueue)
 *	                                                 |        ^
 *	                               sig_flush(): taken        | nobody has it
 *	                               by a thread's tail        | unblocked
 *	                                                 v        |
 *	                               forwarded to a thread that takes it
 *
 * arrived[] is written by handlers that may have interrupted the agent anywhere
 * (SIGSEGV and SIGBUS; they do not nest among themselves), so without a lock; the
 * rest by the outermost handler.  As in Linux the first of a number stays, and
 * the thread's come before the process'.
 *
 * A thread says in thread->takes which it would take at once.  Who puts one into
 * shared.set looks at takes afterwards; who changes takes looks at shared.set
 * afterwards: one of the two sees the other.
 *
 * sig_push() goes the other way: for calls that wait, pending ones go back to the
 * kernel, blocked, so that it is the kernel that decides what they do to the call.
 */
#include "../agent.h"

#include <asm/unistd.h>

/*
 * A forwarded signal's si_code, which is below 0, for others may not be sent to
 * another thread; the true one lies behind what any sent siginfo uses, in the 48
 * bytes that the kernel carries.
 */
#define SI_FORWARDED	(-0x5357)
#define FORWARD_MAGIC	0x73776678
#define FORWARD_SIG_AT	9
#define FORWARD_CODE_AT 10
#define FORWARD_MARK_AT 11

static int lowest(uint64_t set)
{
	return __builtin_ctzll(set) + 1;
}

/* SI_TKILL is all that tells: a thread's own sigqueue looks like the process'. */
static bool to_thread(const agent_siginfo *info)
{
	return info->si_code == SI_TKILL;
}

/* The first of a number stays. */
static void pending_add(struct agent_pending *p, int sig, const agent_siginfo *info)
{
	if (p->set & SIGBIT(sig))
		return;
	p->info[sig_own_index(sig)] = *info;
	__atomic_fetch_or(&p->set, SIGBIT(sig), __ATOMIC_SEQ_CST);
}

static void pending_take(struct agent_pending *p, int sig, agent_siginfo *info)
{
	*info = p->info[sig_own_index(sig)];
	__atomic_fetch_and(&p->set, ~SIGBIT(sig), __ATOMIC_SEQ_CST);
}

static void queue_to(uint32_t tid, int sig, const agent_siginfo *info)
{
	sys4(__NR_rt_tgsigqueueinfo, sys0(__NR_getpid), tid, sig, info);
}

static bool forward_to(uint32_t tid, int sig, const agent_siginfo *info)
{
	agent_siginfo copy = *info;
	int32_t *words = (int32_t *)&copy;

	words[FORWARD_SIG_AT] = sig;
	words[FORWARD_CODE_AT] = info->si_code;
	words[FORWARD_MARK_AT] = FORWARD_MAGIC;
	copy.si_code = SI_FORWARDED;
	/*
	 * The kernel keeps one SIGSYS for a thread: one of ours would take the place
	 * of that of a trapped call.  A fault's SIGFPE comes again by itself.
	 */
	if (sig == SIGSYS)
		sig = SIGFPE;
	return sys4(__NR_rt_tgsigqueueinfo, sys0(__NR_getpid), tid, sig, &copy) == 0;
}

/**
 * sig_forward_decode() - undo what forward_to() did
 * @sig:	number of the signal as it came
 * @info:	what came with it
 *
 * Others could send such a one too: it never becomes one that looks like the
 * kernel's, nor one that is not of the six.
 *
 * Return: its true number.
 */
int sig_forward_decode(int sig, agent_siginfo *info)
{
	int32_t *words = (int32_t *)info;

	if (info->si_code != SI_FORWARDED || words[FORWARD_MARK_AT] != FORWARD_MAGIC ||
	    words[FORWARD_CODE_AT] > 0 || sig_own_index(words[FORWARD_SIG_AT]) < 0)
		return sig;
	info->si_signo = words[FORWARD_SIG_AT];
	info->si_code = words[FORWARD_CODE_AT];
	words[FORWARD_SIG_AT] = 0;
	words[FORWARD_CODE_AT] = 0;
	words[FORWARD_MARK_AT] = 0;
	return info->si_signo;
}

void sig_arrived(struct agent_thread *t, int sig, const agent_siginfo *info)
{
	pending_add(&t->arrived[to_thread(info) ? 0 : 1], sig, info);
	t->sig_check = 1;
}

/* Under the table's lock: is there another thread that takes it? */
static bool forward(struct agent_thread *t, struct agent_sigtable *table, int sig)
{
	agent_siginfo *info = &table->shared.info[sig_own_index(sig)];
	uint32_t i;

	for (i = 0; i < PROC->block_high; i++) {
		struct agent_thread *other = agent_thread_by_index(i);

		if (other == t || !other->in_use || other->sigtable != table ||
		    !(__atomic_load_n(&other->takes, __ATOMIC_SEQ_CST) & SIGBIT(sig)))
			continue;
		if (forward_to(other->tid, sig, info)) {
			__atomic_fetch_and(&table->shared.set, ~SIGBIT(sig), __ATOMIC_SEQ_CST);
			return true;
		}
	}
	return false;
}

static void to_process(struct agent_thread *t, int sig, const agent_siginfo *info)
{
	struct agent_sigtable *table = t->sigtable;

	agent_lock(&table->lock);
	if (!(table->shared.set & SIGBIT(sig))) {
		pending_add(&table->shared, sig, info);
		if (!(t->takes & SIGBIT(sig)))
			forward(t, table, sig);
	}
	agent_unlock(&table->lock);
}

/* Context: outermost handler, or the window; no lock held. */
void sig_settle(struct agent_thread *t)
{
	agent_siginfo info;

	while (t->arrived[0].set) {
		int sig = lowest(t->arrived[0].set);

		pending_take(&t->arrived[0], sig, &info);
		pending_add(&t->pending, sig, &info);
	}
	while (t->arrived[1].set) {
		int sig = lowest(t->arrived[1].set);

		pending_take(&t->arrived[1], sig, &info);
		to_process(t, sig, &info);
	}
}

/* Linux: the thread's before the process', the lowest number first. */
static int take_ready(struct agent_thread *t, agent_siginfo *info)
{
	struct agent_sigtable *table = t->sigtable;
	uint64_t ready = t->pending.set & ~t->sigmask_own;
	int sig = 0;

	if (ready) {
		sig = lowest(ready);
		pending_take(&t->pending, sig, info);
		return sig;
	}
	if (!(table->shared.set & ~t->sigmask_own))
		return 0;
	agent_lock(&table->lock);
	ready = table->shared.set & ~t->sigmask_own;
	if (ready) {
		sig = lowest(ready);
		pending_take(&table->shared, sig, info);
	}
	agent_unlock(&table->lock);
	return sig;
}

void sig_flush(struct agent_thread *t, agent_ucontext *uc)
{
	agent_siginfo info;
	int sig;

	while (!t->dying && (sig = take_ready(t, &info)) != 0)
		sig_deliver(t, uc, sig, &info, sig_mask_of(t, uc));
}

void sig_takes(struct agent_thread *t, uint64_t takes)
{
	if (t->takes != takes)
		__atomic_store_n(&t->takes, takes, __ATOMIC_SEQ_CST);
}

/**
 * sig_push() - hand pending ones back to the kernel
 * @t:		this thread
 * @takes:	which: those that the call about to be made lets in or waits for
 *
 * What the call does not consume arrives again, and is kept again.
 *
 * Context: the six are blocked in the kernel.  Takes the table's lock.
 */
void sig_push(struct agent_thread *t, uint64_t takes)
{
	struct agent_sigtable *table = t->sigtable;
	agent_siginfo info;
	uint64_t bits;

	sig_takes(t, takes);
	if (!(t->pending.set & takes) &&
	    !(__atomic_load_n(&table->shared.set, __ATOMIC_SEQ_CST) & takes))
		return;
	agent_lock(&table->lock);
	/* the kernel keeps one of a number for the thread: ours first */
	bits = table->shared.set & takes & ~t->pending.set;
	for (; bits; bits &= bits - 1) {
		pending_take(&table->shared, lowest(bits), &info);
		queue_to(t->tid, lowest(bits), &info);
	}
	agent_unlock(&table->lock);
	bits = t->pending.set & takes;
	for (; bits; bits &= bits - 1) {
		pending_take(&t->pending, lowest(bits), &info);
		queue_to(t->tid, lowest(bits), &info);
	}
}

/* Linux: ignoring a signal discards it wherever it is pending.  Lock held. */
void sig_discard(struct agent_sigtable *table, int sig)
{
	uint32_t i;

	__atomic_fetch_and(&table->shared.set, ~SIGBIT(sig), __ATOMIC_SEQ_CST);
	for (i = 0; i < PROC->block_high; i++) {
		struct agent_thread *t = agent_thread_by_index(i);

		if (t->in_use && t->sigtable == table && (t->pending.set & SIGBIT(sig)))
			__atomic_fetch_and(&t->pending.set, ~SIGBIT(sig), __ATOMIC_SEQ_CST);
	}
}

uint64_t sig_pending_set(const struct agent_thread *t)
{
	return t->pending.set | t->arrived[0].set | t->arrived[1].set | t->sigtable->shared.set;
}

/*
 * Its own go with a thread; what was forwarded to it is the process'.  After takes
 * is 0 under the lock nobody forwards any more.
 */
void sig_thread_exit(struct agent_thread *t)
{
	const struct {
		int64_t sec, nsec;
	} none = {0, 0};
	uint64_t six = AGENT_SIGNALS;
	agent_siginfo info;
	long sig;

	agent_lock(&t->sigtable->lock);
	sig_takes(t, 0);
	agent_unlock(&t->sigtable->lock);
	sys4(__NR_rt_sigprocmask, SIG_BLOCK, &six, 0, 8);
	while ((sig = sys4(__NR_rt_sigtimedwait, &six, &info, &none, 8)) > 0) {
		sig = sig_forward_decode((int)sig, &info);
		sig_arrived(t, (int)sig, &info);
	}
	sig_settle(t);
}

static void none_pending(struct agent_thread *t)
{
	t->pending.set = 0;
	t->arrived[0].set = 0;
	t->arrived[1].set = 0;
}

void sig_forked(struct agent_thread *t)
{
	t->sigtable->lock = 0;
	t->sigtable->shared.set = 0;
	none_pending(t);
}
