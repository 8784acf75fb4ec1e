/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork, vfork, clone, clone3.
 *
 * The child may share the parent's memory and run on a stack of its own, so the
 * call cannot be made from a handler: nothing live may stay on a signal stack.
 * Instead the trapped context is moved to a clone slot in the head page:
 *
 *	syscall		the program's own registers and arguments; allowed there
 *	hlt		both parent and child arrive here and trap
 *
 * and at the hlt each is sent to where the program's call would have returned.
 * Which slot it is says what is known of the call.  Asynchronous signals are
 * blocked from the trap to the hlt.
 *
 *	child		shares memory?	its block
 *	fork		no		the copy of the parent's
 *	thread		yes		new; the process' signal table
 *	vfork, spawn	yes		the parent's, lent: the kernel leaves the child the
 *					parent's signal stack, and sigreturn may not
 *					replace a stack that it stands on; a signal
 *					table of its own, for the kernel's is its own too
 *
 * A vfork parent sleeps until its child has exec'ed or died.  What the block had
 * of the parent's waits in a second block, which also has the child's table.
 */
#include "../agent.h"

#include <linux/mman.h>
#include <asm/unistd.h>
#include <linux/sched.h>

#define SLOTS_START ((uint64_t)PROTO_AGENT_BASE + PROTO_AGENT_CLONE_OFF)
#define SYSCALL_LEN 2

static struct agent_clone_slot *slot_alloc(uint32_t *index)
{
	uint32_t i;

	for (;;) {
		for (i = 0; i < PROTO_AGENT_CLONE_COUNT; i++) {
			uint32_t zero = 0;

			if (__atomic_compare_exchange_n(&PROC->clone[i].busy, &zero, 1, false,
							__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
				*index = i;
				return &PROC->clone[i];
			}
		}
		sys0(__NR_sched_yield);
	}
}

static uint64_t clone_flags(const agent_ucontext *uc)
{
	uint64_t flags = 0;

	switch (UC_REGS(uc)->ax) {
	case __NR_fork:
		return 0;
	case __NR_vfork:
		return CLONE_VM | CLONE_VFORK;
	case __NR_clone:
		return uc_arg(uc, 0);
	default:
		/* clone3: the first field; unreadable = the kernel answers EFAULT */
		copy_in(&flags, uc_arg(uc, 0), sizeof(flags));
		return flags;
	}
}

/*
 * CLONE_CLEAR_SIGHAND would take the agent's handlers from the child, which could
 * not even arrive: the kernel gets a copy without it, and the child does it.
 */
static bool hide_clear(struct agent_clone_slot *slot, const agent_ucontext *uc)
{
	uint64_t size = uc_arg(uc, 1);

	if (UC_REGS(uc)->ax != __NR_clone3 || !(slot->flags & CLONE_CLEAR_SIGHAND) ||
	    (slot->flags & CLONE_SIGHAND))
		return false;
	if (size < CLONE_ARGS_SIZE_VER0 || size > sizeof(slot->args) ||
	    !copy_in(slot->args, uc_arg(uc, 0), size))
		return false; /* the kernel says what is wrong with it */
	slot->flags = slot->args[0];
	slot->args[0] &= ~CLONE_CLEAR_SIGHAND;
	return true;
}

void proc_do_clone(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	struct agent_clone_slot *slot;
	uint32_t index;

	slot = slot_alloc(&index);
	slot->flags = clone_flags(uc);
	/* a vfork child cannot: its descriptors are its own */
	if (PROC->inherited && (slot->flags & (CLONE_VM | CLONE_THREAD)) == CLONE_VM)
		rpc_connect();
	/* parent and child each drop one; without shared memory each has its own copy */
	slot->refs = (slot->flags & CLONE_VM) ? 2 : 1;
	slot->rip = regs->ip;
	slot->sigmask = sig_mask_of(t, uc);
	slot->parent = t;
	slot->child = NULL;
	slot->di = regs->di;
	if (hide_clear(slot, uc))
		regs->di = (uint64_t)slot->args;
	regs->ip = SLOTS_START + (uint64_t)index * PROTO_AGENT_CLONE_SIZE;
	uc->uc_sigmask |= ASYNC_SIGNALS;
}

static void slot_put(struct agent_clone_slot *slot)
{
	if (__atomic_sub_fetch(&slot->refs, 1, __ATOMIC_ACQ_REL) == 0)
		__atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
}

/* A process of its own: nothing of the parent's connection or locks. */
static void child_process(struct agent_thread *t, uint64_t flags)
{
	uint32_t i;

	/* the agent's numbers are each process' own */
	if (flags & CLONE_FILES)
		sys1(__NR_unshare, CLONE_FILES);
	PROC->pid = (uint32_t)sys0(__NR_getpid);
	PROC->exec_users = 0;
	PROC->ptracer = 0; /* Yama: a relation of the parent's */
	t->guard_size = 0;
	sig_forked(t);
	rpc_forked();
	mem_forked();
	for (i = 0; i < PROTO_AGENT_CLONE_COUNT; i++)
		PROC->clone[i].busy = 0;
	agent_threads_forked(t);
}

/* A child that shares memory: what it inherits of its parent. */
static void child_shared(struct agent_clone_slot *slot, struct agent_thread *t)
{
	const struct agent_thread *parent = slot->parent;
	struct agent_thread *tables = t;

	t->no_new_privs = parent->no_new_privs;
	t->seccomp = parent->seccomp;
	if (slot->flags & CLONE_VFORK) {
		struct agent_thread *kept = agent_thread_alloc();

		kept->tid = t->tid; /* the parent's: not reaped while it lives */
		kept->sigtable = t->sigtable;
		kept->altstack_sp = t->altstack_sp;
		kept->altstack_size = t->altstack_size;
		kept->altstack_flags = t->altstack_flags;
		kept->no_new_privs = t->no_new_privs;
		kept->seccomp = t->seccomp;
		sig_lend(kept, t);
		t->tid = (uint32_t)sys0(__NR_gettid);
		/* the kernel's part of the guard is not inherited (entry/guard.c) */
		kept->guard_base = t->guard_base;
		kept->guard_size = t->guard_size;
		t->guard_size = 0;
		slot->child = kept;
		tables = kept;
	}
	if (!(slot->flags & CLONE_SIGHAND)) {
		tables->own_table = *parent->sigtable;
		tables->own_table.lock = 0;
		tables->own_table.shared.set = 0;
		t->sigtable = &tables->own_table;
	} else {
		t->sigtable = parent->sigtable;
	}
}

/* The vfork child is gone: the block is the parent's again. */
static void parent_back(struct agent_clone_slot *slot, struct agent_thread *t)
{
	struct agent_thread *kept = slot->child;

	if (!kept)
		return;
	t->tid = kept->tid;
	t->sigtable = kept->sigtable;
	t->altstack_sp = kept->altstack_sp;
	t->altstack_size = kept->altstack_size;
	t->altstack_flags = kept->altstack_flags;
	t->no_new_privs = kept->no_new_privs;
	t->seccomp = kept->seccomp;
	t->guard_base = kept->guard_base;
	t->guard_size = kept->guard_size;
	sig_lent_back(t, kept);
	/* its exec ended in the window */
	t->window.uc = NULL;
	proc_exec_vforked(t);
	agent_thread_free(kept);
}

void proc_clone_refused(agent_ucontext *uc, struct agent_thread *t)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	struct agent_clone_slot *slot =
		&PROC->clone[(regs->ip - SLOTS_START) / PROTO_AGENT_CLONE_SIZE];

	regs->ip = slot->rip;
	regs->cx = slot->rip;
	regs->di = slot->di;
	sig_mask_set(t, uc, slot->sigmask);
	__atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
}

bool proc_in_clone_slot(uint64_t rip)
{
	return rip - SLOTS_START < PROTO_AGENT_CLONE_COUNT * PROTO_AGENT_CLONE_SIZE;
}

bool proc_clone_done(struct agent_thread **thread, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint64_t off = regs->ip - SLOTS_START;
	struct agent_clone_slot *slot;
	struct agent_thread *t = *thread;
	bool child = regs->ax == 0;

	if (!proc_in_clone_slot(regs->ip) || off % PROTO_AGENT_CLONE_SIZE != SYSCALL_LEN)
		return false;
	slot = &PROC->clone[off / PROTO_AGENT_CLONE_SIZE];
	if (!slot->busy)
		agent_panic(AGENT_PANIC_CLONE, off);
	if (child && (slot->flags & CLONE_VM))
		child_shared(slot, t);
	if (!child && (slot->flags & CLONE_VM))
		parent_back(slot, t);
	regs->ip = slot->rip;
	regs->di = slot->di;
	/* SYSCALL leaves them so; here they were the slot's */
	regs->cx = slot->rip;
	sig_mask_set(t, uc, slot->sigmask);
	if (child && (slot->flags & CLONE_CLEAR_SIGHAND))
		sig_clear(t->sigtable);
	if (child && !(slot->flags & CLONE_VM)) {
		child_process(t, slot->flags);
	} else {
		if ((is_error((long)regs->ax) || (!child && slot->flags & CLONE_VFORK)) &&
		    slot->refs == 2)
			slot_put(slot); /* there is no child (any more) to drop its own */
		slot_put(slot);
	}
	*thread = t;
	return true;
}
