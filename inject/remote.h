/* SPDX-License-Identifier: BSD-3-Clause */
/* A stopped tracee: its registers, memory and system calls. */
#ifndef INJECT_REMOTE_H
#define INJECT_REMOTE_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct remote {
	pid_t pid; /* as we number it */
	pid_t proc; /* as /proc does */
	int same_ns; /* so does the tracee itself */
	int mem; /* /proc/PID/mem */
	struct user_regs_struct regs; /* of the program, at the exec stop */
	uint64_t syscall_addr; /* a SYSCALL instruction in the tracee */
	int trap_sent; /* a SIGTRAP from elsewhere came, and waits */
	siginfo_t trap_info; /* what came with it */
};

/* Wait for the tracee's next stop.  Return: wait status, or -errno (it died). */
int remote_wait(pid_t pid, int *status);
/* Run until a SIGTRAP of its own; other stops are passed by.  0 or -errno. */
int remote_run(struct remote *r, const struct user_regs_struct *regs);
/* One system call in the tracee.  Return: its result, or -errno (also ours). */
long remote_syscall(struct remote *r, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		    uint64_t e, uint64_t f);
int remote_read(const struct remote *r, uint64_t addr, void *buf, size_t size);
/* Writes through protections (a tracer may). */
int remote_write(const struct remote *r, uint64_t addr, const void *buf, size_t size);

#endif
