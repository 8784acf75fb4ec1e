/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls that the filter traps.
 *
 * The handler emulates, answers, or makes the call itself from the head page.
 * Calls that may sleep are made in the window, where asynchronous signals are
 * let in; a signal there takes the trapped context over (signal/window.c).
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/fcntl.h>
#include <linux/seccomp.h>

/* As it is, asynchronous signals blocked: for calls that do not sleep */
long agent_pass(agent_ucontext *uc)
{
	return agent_syscall_for((long)UC_REGS(uc)->ax, (long)uc_arg(uc, 0), (long)uc_arg(uc, 1),
				 (long)uc_arg(uc, 2), (long)uc_arg(uc, 3), (long)uc_arg(uc, 4),
				 (long)uc_arg(uc, 5));
}

/* The agent's descriptors look closed, and cannot be closed. */
static bool own_fd(uint64_t fd)
{
	return (int)fd <= PROC->fd_base && (int)fd > PROC->fd_base - PROTO_FD_COUNT;
}

static bool names_own_fd(const agent_ucontext *uc)
{
	switch (UC_REGS(uc)->ax) {
	case __NR_close:
	case __NR_dup:
	case __NR_fcntl:
	case __NR_fstat:
		return own_fd(uc_arg(uc, 0));
	case __NR_dup2:
	case __NR_dup3:
		return own_fd(uc_arg(uc, 1));
	case __NR_newfstatat:
		/* how glibc asks for fstat */
		return (uc_arg(uc, 3) & AT_EMPTY_PATH) && own_fd(uc_arg(uc, 0));
	default:
		return false;
	}
}

static long do_close_range(agent_ucontext *uc)
{
	uint32_t first = (uint32_t)uc_arg(uc, 0), last = (uint32_t)uc_arg(uc, 1);
	uint32_t lo = (uint32_t)(PROC->fd_base - PROTO_FD_COUNT + 1);
	uint32_t hi = (uint32_t)PROC->fd_base;
	uint64_t flags = uc_arg(uc, 2);
	long ret;

	if (first > last || last < lo || first > hi)
		return agent_pass(uc);
	if (first < lo) {
		ret = sys3(__NR_close_range, first, lo - 1, flags);
		if (ret < 0)
			return ret;
	}
	return last > hi ? sys3(__NR_close_range, hi + 1, last, flags) : 0;
}

static bool simple_call(struct agent_thread *t, agent_ucontext *uc, long *ret)
{
	uint64_t nr = UC_REGS(uc)->ax, path;
	bool done;

	switch (nr) {
	case __NR_rt_sigaction:
		*ret = sig_do_sigaction(t, uc);
		return true;
	case __NR_rt_sigprocmask:
		*ret = sig_do_sigprocmask(t, uc);
		return true;
	case __NR_sigaltstack:
		*ret = sig_do_sigaltstack(t, uc);
		return true;
	case __NR_rt_sigsuspend:
		*ret = sig_do_sigsuspend(t, uc);
		return true;
	case __NR_rt_sigtimedwait:
		*ret = sig_do_sigtimedwait(t, uc);
		return true;
	case __NR_rt_sigpending:
		*ret = sig_do_sigpending(t, uc);
		return true;
	case __NR_ppoll:
	case __NR_pselect6:
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
	case __NR_io_pgetevents:
		*ret = sig_do_masked(t, uc);
		return true;
	case __NR_mmap:
		*ret = mem_do_mmap(t, uc);
		return true;
	case __NR_munmap:
		*ret = mem_do_munmap(uc);
		return true;
	case __NR_mprotect:
	case __NR_pkey_mprotect:
		*ret = mem_do_mprotect(uc);
		return true;
	case __NR_mremap:
		*ret = mem_do_mremap(uc);
		return true;
	case __NR_madvise:
		*ret = mem_do_madvise(uc);
		return true;
	case __NR_mlock:
	case __NR_mlock2:
		*ret = mem_do_mlock(t, uc);
		return true;
	case __NR_ftruncate:
	case __NR_fallocate:
	case __NR_fsync:
	case __NR_fdatasync:
	case __NR_fcntl:
		if (!dev_do_file(uc, ret))
			*ret = agent_reissue(t, uc);
		return true;
	case __NR_execve:
	case __NR_execveat:
		*ret = proc_do_execve(t, uc);
		return true;
	case __NR_prctl:
		*ret = proc_do_prctl(t, uc);
		return true;
	case __NR_ptrace:
		*ret = proc_do_traceme(t, uc);
		return true;
	case __NR_seccomp:
		*ret = proc_do_seccomp(t, uc);
		return true;
	case __NR_setrlimit:
	case __NR_prlimit64:
	case __NR_mlockall:
		proc_before_limit(uc);
		*ret = agent_pass(uc);
		return true;
	case __NR_close:
	case __NR_dup:
	case __NR_dup2:
	case __NR_dup3:
		*ret = agent_pass(uc);
		return true;
	case __NR_close_range:
		*ret = do_close_range(uc);
		return true;
	case __NR_open:
	case __NR_openat:
	case __NR_openat2:
	case __NR_creat:
		path = uc_arg(uc, nr == __NR_openat || nr == __NR_openat2 ? 1 : 0);
		*ret = path_do_open(t, uc);
		if (*ret == -ENOENT)
			explain_path(path);
		return true;
	case __NR_getdents64:
	case __NR_getdents:
		*ret = path_do_getdents(t, uc);
		return true;
	case __NR_ioctl:
		*ret = dev_do_ioctl(t, uc, &done);
		if (!done)
			*ret = agent_reissue(t, uc);
		return true;
	case __NR_stat:
	case __NR_lstat:
	case __NR_fstat:
	case __NR_newfstatat:
	case __NR_statx:
	case __NR_access:
	case __NR_faccessat:
	case __NR_faccessat2:
	case __NR_readlink:
	case __NR_readlinkat:
	case __NR_getxattr:
	case __NR_lgetxattr:
	case __NR_listxattr:
	case __NR_llistxattr:
		*ret = path_do_other(t, uc);
		return true;
	default:
		return false;
	}
}

void agent_do_syscall(struct agent_thread *t, agent_ucontext *uc, const agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	long ret;

	/* a filter of the program's own can trap calls that ours does not */
	if (info->_sifields._sigsys._syscall != (int)regs->ax) {
		sig_force(t, uc, SIGSYS, info);
		return;
	}
	switch (regs->ax) {
	case __NR_rt_sigreturn:
		sig_do_sigreturn(t, uc);
		return;
	case __NR_fork:
	case __NR_vfork:
	case __NR_clone:
	case __NR_clone3:
		if (t->seccomp == SECCOMP_MODE_STRICT)
			break;
		proc_do_clone(t, uc);
		return;
	case __NR_exit:
		sig_thread_exit(t);
		/* in use, and of no thread, until it is free (thread.c) */
		if (!t->vforked)
			t->tid = 0;
		/* the block of a vfork child is its parent's to give back (sys/clone.c) */
		agent_thread_exit(t->vforked ? &t->vforked : &t->in_use, (long)uc_arg(uc, 0));
	default:
		break;
	}
	if (t->seccomp == SECCOMP_MODE_STRICT)
		proc_strict_kill(t);
	if (names_own_fd(uc)) {
		ret = -EBADF;
	} else if (!simple_call(t, uc, &ret)) {
		/* of code where an enclave was (entry/guard.c), or by the program's filter */
		if (info->si_errno != GUARD_FILTER_DATA ||
		    info->_sifields._sigsys._arch != AUDIT_ARCH_X86_64) {
			sig_force(t, uc, SIGSYS, info);
			return;
		}
		ret = agent_reissue(t, uc);
	}
	if (t->refused.si_signo) {
		/* by the program's own filter: the registers are as they came */
		agent_siginfo refused = t->refused;

		t->refused.si_signo = 0;
		refused._sifields._sigsys._call_addr = (void *)regs->ip;
		sig_force(t, uc, SIGSYS, &refused);
		return;
	}
	regs->ax = (uint64_t)ret;
	/* SYSCALL leaves the return address and the flags there */
	regs->cx = regs->ip;
	regs->r11 = regs->flags;
}
