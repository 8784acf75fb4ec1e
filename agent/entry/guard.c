/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYSCALL and INT 80H inside an enclave must not reach the kernel: they are #UD.
 * Three ways, the first that the kernel has:
 *
 *	range		Syscall User Dispatch, inclusive form, over the ELRANGE (Linux
 *			6.18).  Nothing to switch: one prctl when a thread comes to
 *			another enclave than the last one.
 *	selector	Syscall User Dispatch (Linux 5.11): all of the thread's calls
 *			but those of the head page, while a byte of its block says so.
 *	filter		one more seccomp filter for each ELRANGE.
 *
 * All are the thread's own: fork and clone give the child none of the first two,
 * exec ends them.  Each makes a SIGSYS with RIP behind the instruction and RAX as it
 * was; RCX and R11 are lost.  In enclave mode that is an exception (entry/trap.c).
 * Outside it is one too many, of code that has taken the place of an enclave, or of a
 * byte that was not switched back in time: then the call is made after all.  So
 * nothing has to be undone at EEXIT, at an AEX or when an enclave is unmapped.
 *
 * The arming comes before the entry takes its slot; thread->guard says what is in
 * force and is emptied first, so that a signal in between leaves nothing believed.
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define SYSCALL_LEN 2

/* The kernel's PR_SET_SYSCALL_USER_DISPATCH; not in the headers of all its versions */
#define SET_DISPATCH   59
#define DISPATCH_OFF   0
#define DISPATCH_BUT   1 /* all but a range, while the selector says BLOCK */
#define DISPATCH_RANGE 2 /* a range */

#define ARCH_X86_64    0xc000003eu

/*
 * The kernel compares the address behind the instruction: of one in the ELRANGE it is
 * BASE + 2 to BASE + SIZE.
 */
static bool arm_range(const struct lp_secs *secs)
{
	return sys6(__NR_prctl, SET_DISPATCH, DISPATCH_RANGE, secs->base + SYSCALL_LEN,
		    secs->size - SYSCALL_LEN + 1, 0, 0) == 0;
}

static bool arm_selector(struct agent_thread *t)
{
	return sys6(__NR_prctl, SET_DISPATCH, DISPATCH_BUT, PROTO_AGENT_BASE, PROTO_AGENT_HEAD_SIZE,
		    &t->guard_selector, 0) == 0;
}

/* Is the ELRANGE in the filters of every thread of this process? */
static bool filtered(const struct lp_secs *secs)
{
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(PROC->guard_filters); i++)
		if (PROC->guard_filters[i].base == secs->base &&
		    PROC->guard_filters[i].size == secs->size)
			return true;
	return false;
}

/*
 * SIZE is a power of two and BASE a multiple of it, so that two masks compare the
 * range; the last SYSCALL in it has its RIP at the end.  A program of another
 * architecture that inherits the filter has its code below 4 GiB.
 */
static bool arm_filter(const struct lp_secs *secs)
{
	const uint64_t mask = ~(secs->size - 1), base = secs->base, end = base + secs->size;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH_X86_64, 2, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 10, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(end >> 32), 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)end, 7, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)(mask >> 32)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(base >> 32), 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)base, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | GUARD_FILTER_DATA),
	};
	struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};
	uint32_t i;

	if (filtered(secs))
		return true;
	/* a thread with filters of its own cannot be made to have ours */
	if (sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) != 0)
		return sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0;
	/* a vfork child's filters are not its parent's, though they share the table */
	if (sys0(__NR_getpid) != PROC->pid)
		return true;
	/* races cost a second filter, no more */
	i = __atomic_fetch_add(&PROC->guard_next, 1, __ATOMIC_RELAXED);
	PROC->guard_filters[i % ARRAY_SIZE(PROC->guard_filters)].base = secs->base;
	PROC->guard_filters[i % ARRAY_SIZE(PROC->guard_filters)].size = secs->size;
	return true;
}

static bool arm(struct agent_thread *t, const struct lp_secs *secs, uint32_t way)
{
	switch (way) {
	case PROTO_GUARD_RANGE:
		return arm_range(secs);
	case PROTO_GUARD_SELECTOR:
		return arm_selector(t);
	case PROTO_GUARD_FILTER:
		return arm_filter(secs);
	default:
		return true;
	}
}

void guard_off(struct agent_thread *t)
{
	t->guard_selector = GUARD_ALLOW;
	t->guard_size = 0;
	barrier();
	sys6(__NR_prctl, SET_DISPATCH, DISPATCH_OFF, 0, 0, 0, 0);
}

bool guard_every_call(struct agent_thread *t)
{
	t->guard_size = 0;
	if (!arm_selector(t))
		return false;
	t->guard_selector = GUARD_BLOCK;
	return true;
}

void guard_arm(struct agent_thread *t, const struct lp_secs *secs)
{
	uint32_t way = __atomic_load_n(&PROC->guard_way, __ATOMIC_RELAXED);

	if (t->traceme_owed)
		proc_traceme_settle(t);

	t->guard_size = 0;
	barrier();
	if (way == PROTO_GUARD_ANY) {
		for (way = PROTO_GUARD_RANGE; way < PROTO_GUARD_NONE; way++)
			if (arm(t, secs, way))
				break;
		if (way == PROTO_GUARD_NONE)
			agent_say("system calls inside an enclave are not stopped: this kernel "
				  "has no way to");
		__atomic_store_n(&PROC->guard_way, way, __ATOMIC_RELAXED);
	} else if (!arm(t, secs, way)) {
		/* out of memory: the entry goes on unguarded, and the next one tries again */
		return;
	}
	barrier();
	t->guard_base = secs->base;
	barrier();
	t->guard_size = secs->size;
}

void guard_release(struct agent_thread *t, agent_ucontext *uc)
{
	t->guard_selector = GUARD_ALLOW;
	/* not while every call is to be stopped: the next one is, too */
	if (PROC->guard_way == PROTO_GUARD_RANGE && !t->traceme_owed)
		guard_off(t);
	UC_REGS(uc)->ip -= SYSCALL_LEN;
}
