/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seccomp filter, first stage.
 *
 *	other architectures			allow (their programs run without agent), but
 *						not execve: the new program would have none
 *	number not in the table			allow: one constant answer for each
 *						number, which the kernel caches
 *	in the table, from the head page	allow: the agent's own call
 *	in the table, arguments matter		some allow
 *	else					trap
 *
 * The number is tested first and the instruction pointer last, so that untrapped
 * calls never read it.
 */
#include "filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <proto/agent.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define X32_BIT	      0x40000000u
#define I386_EXECVE   11
#define I386_EXECVEAT 358
#define SGX_IOC_TYPE  0xa4u
/* The agent's own (agent/entry/guard.c); not in the headers of every version */
#define SET_SYSCALL_USER_DISPATCH 59u

enum rule {
	TRAP, /* always */
	TRAP_FILE_MAP, /* mmap of a descriptor */
	TRAP_SGX_IOCTL,
	TRAP_OWN_FD0, /* first argument is one of the agent's descriptors */
	TRAP_OWN_FD1,
	TRAP_TRACEME,
	TRAP_PRCTL, /* what is virtual of it */
	TRAP_LIMIT_AS0, /* that argument is RLIMIT_AS */
	TRAP_LIMIT_AS1,
	TRAP_ARG3, /* that argument, a mask, is not NULL */
	TRAP_ARG4,
	TRAP_ARG5,
	DENY, /* -ENOSYS: would go around the filter */
};

/* clang-format off */
static const struct {
	int nr;
	enum rule rule;
} table[] = {
	/* masks, handlers, frames: the virtual signal layer */
	{ SYS_rt_sigaction, TRAP }, { SYS_rt_sigprocmask, TRAP }, { SYS_rt_sigreturn, TRAP },
	{ SYS_sigaltstack, TRAP }, { SYS_rt_sigsuspend, TRAP },
	{ SYS_rt_sigtimedwait, TRAP }, { SYS_rt_sigpending, TRAP },
	{ SYS_ppoll, TRAP_ARG3 }, { SYS_epoll_pwait, TRAP_ARG4 }, { SYS_epoll_pwait2, TRAP_ARG4 },
	{ SYS_pselect6, TRAP_ARG5 }, { SYS_io_pgetevents, TRAP_ARG5 },
	/* paths that the machine answers; readlink is the second stage's (agent/stage2.c) */
	{ SYS_openat, TRAP }, { SYS_open, TRAP }, { SYS_openat2, TRAP }, { SYS_creat, TRAP },
	{ SYS_newfstatat, TRAP }, { SYS_stat, TRAP }, { SYS_lstat, TRAP }, { SYS_fstat, TRAP },
	{ SYS_statx, TRAP }, { SYS_access, TRAP }, { SYS_faccessat, TRAP },
	{ SYS_faccessat2, TRAP },
	{ SYS_getxattr, TRAP }, { SYS_lgetxattr, TRAP }, { SYS_listxattr, TRAP },
	{ SYS_llistxattr, TRAP },
	/* processes */
	{ SYS_clone, TRAP }, { SYS_clone3, TRAP }, { SYS_fork, TRAP }, { SYS_vfork, TRAP },
	{ SYS_execve, TRAP }, { SYS_execveat, TRAP }, { SYS_exit, TRAP },
	/* the devices, and the agent's descriptors */
	{ SYS_ioctl, TRAP_SGX_IOCTL }, { SYS_mmap, TRAP_FILE_MAP },
	{ SYS_close, TRAP_OWN_FD0 }, { SYS_dup2, TRAP_OWN_FD1 }, { SYS_dup3, TRAP_OWN_FD1 },
	{ SYS_dup, TRAP_OWN_FD0 }, { SYS_fcntl, TRAP_OWN_FD0 }, { SYS_close_range, TRAP },
	{ SYS_ptrace, TRAP_TRACEME }, { SYS_prctl, TRAP_PRCTL }, { SYS_seccomp, TRAP },
	/* the address space that the agent reserves */
	{ SYS_setrlimit, TRAP_LIMIT_AS0 }, { SYS_prlimit64, TRAP_LIMIT_AS1 },
	{ SYS_mlockall, TRAP },
	{ SYS_io_uring_setup, DENY },
};
/* clang-format on */

#define RULES (sizeof(table) / sizeof(table[0]))

struct out {
	struct sock_filter *code;
	size_t n, max;
};

static void emit(struct out *o, struct sock_filter insn)
{
	if (o->n < o->max)
		o->code[o->n] = insn;
	o->n++;
}

static void stmt(struct out *o, uint16_t code, uint32_t k)
{
	emit(o, (struct sock_filter)BPF_STMT(code, k));
}

static void jump(struct out *o, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	emit(o, (struct sock_filter)BPF_JUMP(code, k, jt, jf));
}

static void load(struct out *o, size_t offset)
{
	stmt(o, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

#define ARG_LO(i) (offsetof(struct seccomp_data, args) + 8 * (i))
#define IP_LO	  offsetof(struct seccomp_data, instruction_pointer)
#define JEQ	  (BPF_JMP | BPF_JEQ | BPF_K)
#define JGE	  (BPF_JMP | BPF_JGE | BPF_K)
#define JSET	  (BPF_JMP | BPF_JSET | BPF_K)

static void ret(struct out *o, uint32_t action)
{
	stmt(o, BPF_RET | BPF_K, action);
}

/* Seven instructions that end: from the head page allowed, else trapped. */
static void trap_unless_agent(struct out *o)
{
	load(o, IP_LO + 4);
	jump(o, JEQ, (uint32_t)((uint64_t)PROTO_AGENT_BASE >> 32), 0, 4);
	load(o, IP_LO);
	stmt(o, BPF_ALU | BPF_SUB | BPF_K, (uint32_t)PROTO_AGENT_BASE);
	jump(o, JGE, PROTO_AGENT_HEAD_SIZE, 1, 0);
	ret(o, SECCOMP_RET_ALLOW);
	ret(o, SECCOMP_RET_TRAP);
}

/* Two or more instructions before it: fall through only if arguments matter. */
static void argument_test(struct out *o, enum rule rule, int command_fd)
{
	uint32_t first = (uint32_t)(command_fd - PROTO_FD_COUNT + 1);

	switch (rule) {
	case TRAP_FILE_MAP:
		load(o, ARG_LO(3));
		jump(o, JSET, MAP_ANONYMOUS, 0, 1);
		ret(o, SECCOMP_RET_ALLOW);
		break;
	case TRAP_SGX_IOCTL:
		load(o, ARG_LO(1));
		stmt(o, BPF_ALU | BPF_RSH | BPF_K, 8);
		stmt(o, BPF_ALU | BPF_AND | BPF_K, 0xff);
		jump(o, JEQ, SGX_IOC_TYPE, 1, 0);
		ret(o, SECCOMP_RET_ALLOW);
		break;
	case TRAP_OWN_FD0:
	case TRAP_OWN_FD1:
		load(o, ARG_LO(rule == TRAP_OWN_FD1 ? 1 : 0));
		stmt(o, BPF_ALU | BPF_SUB | BPF_K, first);
		jump(o, JGE, PROTO_FD_COUNT, 0, 1);
		ret(o, SECCOMP_RET_ALLOW);
		break;
	case TRAP_TRACEME:
		load(o, ARG_LO(0));
		jump(o, JEQ, 0 /* PTRACE_TRACEME */, 1, 0);
		ret(o, SECCOMP_RET_ALLOW);
		break;
	case TRAP_PRCTL:
		load(o, ARG_LO(0));
		jump(o, JEQ, SET_SYSCALL_USER_DISPATCH, 6, 0);
		jump(o, JEQ, PR_SET_PTRACER, 5, 0);
		jump(o, JEQ, PR_SET_SECCOMP, 4, 0);
		jump(o, JEQ, PR_GET_SECCOMP, 3, 0);
		jump(o, JEQ, PR_SET_NO_NEW_PRIVS, 2, 0);
		jump(o, JEQ, PR_GET_NO_NEW_PRIVS, 1, 0);
		ret(o, SECCOMP_RET_ALLOW);
		break;
	case TRAP_LIMIT_AS0:
	case TRAP_LIMIT_AS1:
		load(o, ARG_LO(rule == TRAP_LIMIT_AS1 ? 1 : 0));
		jump(o, JEQ, RLIMIT_AS, 1, 0);
		ret(o, SECCOMP_RET_ALLOW);
		break;
	case TRAP_ARG3:
	case TRAP_ARG4:
	case TRAP_ARG5:
		/* NULL is both halves */
		load(o, ARG_LO(3 + rule - TRAP_ARG3));
		jump(o, JEQ, 0, 0, 3);
		load(o, ARG_LO(3 + rule - TRAP_ARG3) + 4);
		jump(o, JEQ, 0, 0, 1);
		ret(o, SECCOMP_RET_ALLOW);
		break;
	case TRAP:
	case DENY:
		break;
	}
}

size_t inject_filter_build(struct sock_filter *code, size_t max, int command_fd)
{
	struct out o = {code, 0, max};
	size_t i;

	load(&o, offsetof(struct seccomp_data, arch));
	jump(&o, JEQ, AUDIT_ARCH_X86_64, 5, 0);
	load(&o, offsetof(struct seccomp_data, nr));
	jump(&o, JEQ, I386_EXECVE, 1, 0);
	jump(&o, JEQ, I386_EXECVEAT, 0, 1);
	ret(&o, SECCOMP_RET_ERRNO | EPERM);
	ret(&o, SECCOMP_RET_ALLOW);
	load(&o, offsetof(struct seccomp_data, nr));
	/* x32 calls have other numbers for what we virtualise: not for this agent */
	jump(&o, JGE, X32_BIT, 0, 1);
	ret(&o, SECCOMP_RET_ERRNO | ENOSYS);
	for (i = 0; i < RULES; i++) {
		struct out body = {NULL, 0, 0};

		if (table[i].rule == DENY) {
			jump(&o, JEQ, (uint32_t)table[i].nr, 0, 1);
			ret(&o, SECCOMP_RET_ERRNO | ENOSYS);
			continue;
		}
		/* how long the body is, for the jump around it */
		argument_test(&body, table[i].rule, command_fd);
		trap_unless_agent(&body);
		jump(&o, JEQ, (uint32_t)table[i].nr, 0, (uint8_t)body.n);
		argument_test(&o, table[i].rule, command_fd);
		trap_unless_agent(&o);
	}
	ret(&o, SECCOMP_RET_ALLOW);
	return o.n <= max ? o.n : 0;
}
