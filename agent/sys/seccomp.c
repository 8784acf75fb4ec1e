/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filters of the program's own, and what else it can ask about them.
 *
 * Linux asks every filter of a thread and takes the gravest answer.  A filter of
 * the program's knows nothing of the agent's calls: it must let them pass, and
 * must decide on those that the agent makes for the program as if the program
 * made them.  So a program's filter gets a few instructions before its own:
 *
 *	from the head page, below PROTO_AGENT_OWN_SIZE	the agent's own: allow
 *	else						the program's filter
 *
 *	program's call	ours	program's filter	what happens
 *	not trapped	allow	any			that
 *	trapped		trap	kill			that: it is graver
 *	  made for it	allow	any			that, at the agent's instruction; a
 *							SIGSYS is made the program's
 *	  emulated	trap	errno, trap, notify	nothing
 *
 * Strict mode cannot be had beside a filter: it is a filter too, which traps
 * what strict mode kills.
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

/* PR_SET_SYSCALL_USER_DISPATCH; not in the headers of all kernels */
#define SET_DISPATCH 59

#define BASE_LO	     ((uint32_t)PROTO_AGENT_BASE)
#define BASE_HI	     ((uint32_t)(PROTO_AGENT_BASE >> 32))
#define IP_LO	     offsetof(struct seccomp_data, instruction_pointer)

/* What the program's filter stands behind; A is 0 then, as at its start */
#define OWN_PASS                                                                 \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_LO + 4),                           \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BASE_HI, 0, 4),              \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_LO),                       \
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, BASE_LO),                    \
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PROTO_AGENT_OWN_SIZE, 1, 0), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_LD | BPF_IMM, 0)

/* As it is: the kernel says what is wrong with it, or it is too long for ours */
static long install(agent_ucontext *uc, uint64_t flags, uint64_t fprog)
{
	static const struct sock_filter pass[] = {OWN_PASS};
	struct sock_fprog prog;
	struct sock_filter *code;
	uint64_t size;
	long ret;

	if (!copy_in(&prog, fprog, sizeof(prog)) || !prog.len ||
	    prog.len + ARRAY_SIZE(pass) > BPF_MAXINSNS)
		return agent_pass(uc);
	size = (prog.len + ARRAY_SIZE(pass)) * sizeof(*code);
	ret = sys6(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (is_error(ret))
		return -ENOMEM;
	code = (struct sock_filter *)ret;
	agent_memcpy(code, pass, sizeof(pass));
	if (copy_in(code + ARRAY_SIZE(pass), (uint64_t)prog.filter, size - sizeof(pass))) {
		prog.filter = code;
		prog.len += ARRAY_SIZE(pass);
		/* one of the filters that are there may decide on this call */
		ret = agent_syscall_for(__NR_seccomp, SECCOMP_SET_MODE_FILTER, (long)flags,
					(long)&prog, 0, 0, 0);
	} else {
		ret = -EFAULT;
	}
	sys2(__NR_munmap, code, size);
	return ret;
}

static void installed(struct agent_thread *t, uint64_t flags)
{
	uint32_t i;

	t->seccomp = SECCOMP_MODE_FILTER;
	for (i = 0; flags & SECCOMP_FILTER_FLAG_TSYNC && i < PROC->block_high; i++) {
		struct agent_thread *other = agent_thread_by_index(i);

		other->seccomp = SECCOMP_MODE_FILTER;
		if (t->no_new_privs)
			other->no_new_privs = 1;
	}
}

static long set_filter(struct agent_thread *t, agent_ucontext *uc, uint64_t flags, uint64_t fprog)
{
	long ret = install(uc, flags, fprog);

	/* TSYNC's answer may be the thread that could not be had */
	if (!t->refused.si_signo && ret >= 0 &&
	    (ret == 0 || (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)))
		installed(t, flags);
	return ret;
}

static long set_strict(struct agent_thread *t)
{
	struct sock_filter code[] = {
		OWN_PASS,
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xc000003e, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_read, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};
	long ret;

	if (t->seccomp)
		return -EINVAL; /* Linux: from no mode only */
	ret = sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
	if (ret == 0)
		t->seccomp = SECCOMP_MODE_STRICT;
	return ret;
}

void proc_strict_kill(struct agent_thread *t)
{
	for (;;)
		sys3(__NR_tgkill, sys0(__NR_getpid), t->tid, SIGKILL);
}

long proc_do_seccomp(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t flags = uc_arg(uc, 1), arg = uc_arg(uc, 2);

	switch ((uint32_t)uc_arg(uc, 0)) {
	case SECCOMP_SET_MODE_STRICT:
		return (uint32_t)flags || arg ? -EINVAL : set_strict(t);
	case SECCOMP_SET_MODE_FILTER:
		return set_filter(t, uc, (uint32_t)flags, arg);
	default:
		return agent_pass(uc);
	}
}

/* The filter traps these options alone. */
long proc_do_prctl(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t arg = uc_arg(uc, 1);
	long ret;

	switch ((uint32_t)uc_arg(uc, 0)) {
	case SET_DISPATCH: /* the agent's own; as on a kernel without it */
		return -EINVAL;
	case PR_SET_PTRACER: /* an exec borrows what it sets */
		ret = agent_pass(uc);
		if (ret == 0)
			PROC->ptracer = arg;
		return ret;
	case PR_SET_SECCOMP:
		if (arg == SECCOMP_MODE_STRICT)
			return set_strict(t);
		if (arg == SECCOMP_MODE_FILTER)
			return set_filter(t, uc, 0, uc_arg(uc, 2));
		return -EINVAL;
	case PR_GET_SECCOMP:
		return t->seccomp;
	case PR_SET_NO_NEW_PRIVS:
		ret = agent_pass(uc);
		if (ret == 0)
			t->no_new_privs = 1;
		return ret;
	case PR_GET_NO_NEW_PRIVS:
		ret = agent_pass(uc);
		return ret == 1 ? t->no_new_privs : ret;
	default:
		return agent_pass(uc);
	}
}

bool proc_refused(struct agent_thread *t, agent_ucontext *uc, const agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	agent_siginfo own = *info;
	uint64_t mask;

	if (regs->ip == (uint64_t)agent_syscall_for_done) {
		/* asynchronous signals are blocked: its caller will see */
		t->refused = own;
		regs->ax = (uint64_t)-ENOSYS;
		return true;
	}
	if (proc_in_clone(regs->ip)) {
		proc_clone_refused(uc, t);
	} else if (regs->ip == (uint64_t)agent_window_after) {
		/* RAX is the call's number again, which is its "result" */
		if (!sig_window_take(t, uc, SIGSYS, &mask))
			return false;
		sig_mask_set(t, uc, mask);
	} else {
		return false;
	}
	own._sifields._sigsys._call_addr = (void *)regs->ip;
	sig_force(t, uc, SIGSYS, &own);
	return true;
}
