/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int remote_wait(pid_t pid, int *status)
{
	while (waitpid(pid, status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSTOPPED(*status) ? 0 : -ESRCH;
}

int remote_run(struct remote *r, const struct user_regs_struct *regs)
{
	enum __ptrace_request go = PTRACE_CONT;
	int status, ret, stop = 0;
	siginfo_t info;

	if (ptrace(PTRACE_SETREGS, r->pid, 0, regs) < 0)
		return -errno;
	for (;;) {
		if (ptrace(go, r->pid, 0, stop) < 0)
			return -errno;
		ret = remote_wait(r->pid, &status);
		if (ret < 0)
			return ret;
		go = PTRACE_CONT;
		stop = 0;
		if (status >> 16) {
			/* a group stop lasts until someone continues the process */
			if (WSTOPSIG(status) != SIGTRAP)
				go = PTRACE_LISTEN;
			continue;
		}
		/* cannot be blocked: the stop happens now, and we wait with it */
		if (WSTOPSIG(status) == SIGSTOP) {
			stop = SIGSTOP;
			continue;
		}
		/* a fault of what we run there: all else is blocked */
		if (WSTOPSIG(status) != SIGTRAP || ptrace(PTRACE_GETSIGINFO, r->pid, 0, &info) < 0)
			return -EFAULT;
		if (info.si_code == SI_KERNEL) /* INT3 */
			return 0;
		if (!r->trap_sent)
			r->trap_info = info;
		r->trap_sent = 1;
	}
}

long remote_syscall(struct remote *r, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		    uint64_t e, uint64_t f)
{
	struct user_regs_struct regs = r->regs;
	int ret;

	regs.rip = r->syscall_addr;
	regs.rax = (uint64_t)nr;
	regs.orig_rax = ~0ull;
	regs.rdi = a;
	regs.rsi = b;
	regs.rdx = c;
	regs.r10 = d;
	regs.r8 = e;
	regs.r9 = f;
	ret = remote_run(r, &regs); /* SYSCALL; INT3 */
	if (ret < 0)
		return ret;
	if (ptrace(PTRACE_GETREGS, r->pid, 0, &regs) < 0)
		return -errno;
	if (regs.rip != r->syscall_addr + 3)
		return -EFAULT;
	return (long)regs.rax;
}

int remote_read(const struct remote *r, uint64_t addr, void *buf, size_t size)
{
	ssize_t n = pread(r->mem, buf, size, (off_t)addr);

	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EFAULT;
}

int remote_write(const struct remote *r, uint64_t addr, const void *buf, size_t size)
{
	ssize_t n = pwrite(r->mem, buf, size, (off_t)addr);

	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EFAULT;
}
