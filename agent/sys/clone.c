/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork, vfork, clone, clone3.
 *
 * The child may share the parent's memory and run on a stack of its own, so the
 * call cannot be made from a handler: nothing live may stay on a signal stack.
 * Instead the trapped context is moved to the clone place in the head page:
 *
 *	syscall		with the program's registers and arguments; allowed there
 *	hlt		both parent and child arrive here and trap
 *
 * and at the hlt each is sent to where the program's call would have returned.
 * Asynchronous signals are blocked from the trap to the hlt.
 *
 * There is one place for all, and nothing that threads share: any number of them may
 * be in a call, and a vfork parent stays in it for as long as its child likes.  What
 * each has to know at the hlt is in the block that its signal stack leads to, for a
 * thread makes one call at a time:
 *
 *	child		its block
 *	fork		the copy of the parent's, in memory of its own
 *	thread		claimed and filled by the parent, whose thread->clone it is a copy of;
 *			RBX leads to it, for the kernel leaves such a child no signal stack.
 *			The process' signal table
 *	vfork, spawn	the same; the kernel leaves it the parent's signal stack, which it
 *			changes for that of its block before the hlt (head.S).  A signal table
 *			of its own, as the kernel's is its own.  The parent, who sleeps until
 *			it has exec'ed or died, gives the block back
 *
 * So each thread has one block, and each vfork child that has not exec'ed another one.
 * Where there is none left, the call is EAGAIN, as where Linux has no thread left.
 *
 * Of a child in shared memory that is killed before it arrives nobody hears; its
 * parent notes its number in the block, from which the block is found again to be free
 * (thread.c).  The child may be through with the block by then, and another call have
 * claimed it: so each call has a number of its own, thread->birth.
 */
#include "../agent.h"

#include <linux/mman.h>
#include <asm/unistd.h>
#include <linux/sched.h>

/* CLONE_VM and CLONE_VFORK: the child has the parent's memory and signal stack */
static bool is_vfork(uint64_t flags)
{
	return (flags & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK);
}

/*
 * The kernel reads the arguments of clone3 from a copy, so that it sees the flags that
 * are looked at here.  CLONE_CLEAR_SIGHAND it does not see: it would take the agent's
 * handlers from the child, which could not even arrive.
 */
static uint64_t clone3_flags(struct agent_clone *c, agent_ucontext *uc)
{
	uint64_t size = uc_arg(uc, 1), flags = 0;

	if (size < CLONE_ARGS_SIZE_VER0 || size > sizeof(c->args) ||
	    !copy_in(c->args, uc_arg(uc, 0), size)) {
		/* the kernel says what is wrong with it, or knows more than we do */
		copy_in(&flags, uc_arg(uc, 0), sizeof(flags));
		return flags;
	}
	UC_REGS(uc)->di = (uint64_t)c->args;
	flags = c->args[0];
	if (!(flags & CLONE_SIGHAND))
		c->args[0] &= ~CLONE_CLEAR_SIGHAND;
	return flags;
}

static uint64_t clone_flags(struct agent_clone *c, agent_ucontext *uc)
{
	switch (UC_REGS(uc)->ax) {
	case __NR_fork:
		return 0;
	case __NR_vfork:
		return CLONE_VM | CLONE_VFORK;
	case __NR_clone:
		return uc_arg(uc, 0);
	default:
		return clone3_flags(c, uc);
	}
}

/* What a child in shared memory finds in its block: all that the kernel copies for it. */
static void child_prepare(struct agent_thread *child, struct agent_thread *t)
{
	uint64_t flags = t->clone.flags, size;

	child->clone = t->clone;
	child->no_new_privs = t->no_new_privs;
	child->seccomp = t->seccomp;
	if (flags & CLONE_SIGHAND) {
		child->sigtable = t->sigtable;
	} else {
		agent_lock(&t->sigtable->lock);
		child->own_table = *t->sigtable;
		agent_unlock(&t->sigtable->lock);
		child->own_table.lock = 0;
		child->own_table.shared.set = 0;
		child->sigtable = &child->own_table;
	}
	if (is_vfork(flags)) {
		child->vforked = 1;
		child->altstack_sp = t->altstack_sp;
		child->altstack_size = t->altstack_size;
		child->altstack_flags = t->altstack_flags;
		agent_thread_stack(child, &child->clone.stack[0], &size);
		child->clone.stack[1] = 0;
		child->clone.stack[2] = size;
	}
}

void proc_do_clone(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	struct agent_clone *c = &t->clone;

	c->rip = regs->ip;
	c->rflags = regs->flags;
	c->rdi = regs->di;
	c->rsi = regs->si;
	c->rbx = regs->bx;
	c->sigmask = sig_mask_of(t, uc);
	c->birth = 0;
	c->child = NULL;
	c->flags = clone_flags(c, uc);
	if (c->flags & CLONE_VM) {
		c->child = agent_thread_claim();
		if (!c->child) {
			regs->ax = (uint64_t)-EAGAIN;
			regs->di = c->rdi;
			regs->cx = regs->ip;
			regs->r11 = regs->flags;
			return;
		}
		c->birth = (uint64_t)__atomic_add_fetch(&PROC->births, 1, __ATOMIC_RELAXED) << 32;
		c->child->birth = c->birth;
		child_prepare(c->child, t);
	}
	/* a vfork child cannot: its descriptors are its own */
	if (PROC->inherited && (c->flags & (CLONE_VM | CLONE_THREAD)) == CLONE_VM)
		rpc_connect();
	regs->bx = (uint64_t)c->child;
	regs->ip = (uint64_t)(is_vfork(c->flags) ? agent_vfork_call : agent_clone_call);
	uc->uc_sigmask |= ASYNC_SIGNALS;
	c->lifts = exec_lifts();
}

/*
 * A process of its own: nothing of the parent's connection or locks.  If it comes from a
 * vfork child, the block and the signal table that were that one's are its own now.
 */
static void child_process(struct agent_thread *t, uint64_t flags)
{
	/* the agent's numbers are each process' own */
	if (flags & CLONE_FILES)
		sys1(__NR_unshare, CLONE_FILES);
	PROC->pid = (uint32_t)sys0(__NR_getpid);
	exec_forked(t->clone.lifts);
	PROC->ptracer = 0; /* Yama: a relation of the parent's */
	t->guard_size = 0;
	t->vforked = 0;
	if (t->sigtable != &PROC->sigtable) {
		PROC->sigtable = *t->sigtable;
		t->sigtable = &PROC->sigtable;
	}
	sig_forked(t);
	rpc_forked();
	mem_forked();
	agent_threads_forked(t);
}

static void child_back(struct agent_thread *t, uint64_t flags)
{
	if (flags & CLONE_CLEAR_SIGHAND)
		sig_clear(t->sigtable);
	if (!(flags & CLONE_VM))
		child_process(t, flags);
	else if (is_vfork(flags))
		agent_thread_begin(t);
}

/* ret: the call's */
static void parent_back(struct agent_clone *c, long ret)
{
	struct agent_thread *child = c->child;

	if (!child)
		return;
	if (is_vfork(c->flags)) {
		proc_exec_vforked(child); /* its exec ended in the window */
		enter_gone(child); /* it was killed inside */
	}
	if (is_vfork(c->flags) || is_error(ret))
		agent_thread_free(child);
	else
		agent_thread_born(child, c->birth, (uint32_t)ret);
}

/* Where the call returns: both sides' registers, but RAX, as SYSCALL leaves them */
static void go_on(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	const struct agent_clone *c = &t->clone;

	regs->ip = c->rip;
	regs->cx = c->rip;
	regs->flags = c->rflags;
	regs->r11 = c->rflags;
	regs->di = c->rdi;
	regs->si = c->rsi;
	regs->bx = c->rbx;
	sig_mask_set(t, uc, c->sigmask);
}

void proc_clone_refused(agent_ucontext *uc, struct agent_thread *t)
{
	parent_back(&t->clone, -ENOSYS);
	go_on(t, uc);
}

bool proc_in_clone(uint64_t rip)
{
	return rip - ((uint64_t)PROTO_AGENT_BASE + PROTO_AGENT_CLONE_OFF) < PROTO_AGENT_CLONE_SIZE;
}

struct agent_thread *proc_clone_child(const agent_ucontext *uc)
{
	const struct sigcontext_64 *regs = (const struct sigcontext_64 *)&uc->uc_mcontext;

	return regs->ip == (uint64_t)agent_clone_hlt && regs->ax == 0
		       ? (struct agent_thread *)regs->bx
		       : NULL;
}

bool proc_clone_done(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	bool child = regs->ax == 0;

	if (regs->ip != (uint64_t)agent_clone_hlt && regs->ip != (uint64_t)agent_vfork_hlt &&
	    regs->ip != (uint64_t)agent_vfork_child_hlt)
		return false;
	if (!t->clone.rip ||
	    (regs->ip == (uint64_t)agent_vfork_child_hlt && (uint64_t)t != regs->bx))
		agent_panic(AGENT_PANIC_CLONE, regs->ip);
	if (!child)
		parent_back(&t->clone, (long)regs->ax);
	go_on(t, uc);
	if (child)
		child_back(t, t->clone.flags);
	t->clone.rip = 0;
	return true;
}
