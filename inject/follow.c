/* SPDX-License-Identifier: BSD-3-Clause */
/* Stages 1 to 3 and 7 of an injection (inject.c): the tracer's part. */
#include "follow.h"

#include "word.h"

#include <errno.h>
#include <fcntl.h>
#include <inject/inject.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CS_64BIT 0x33

int inject_seize(const struct inject_target *t)
{
	if (ptrace(PTRACE_SEIZE, t->tid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD) < 0)
		return -errno;
	return 0;
}

/* At the exec event. */
static int at_exec(pid_t pid, const struct inject_target *t, const struct proto_exec *exec,
		   const char **what)
{
	struct remote r = {.pid = pid, .proc = t->proc, .same_ns = t->same_ns, .mem = -1};
	char path[64];
	int status, ret;

	/* on to the end of execve, which still writes RAX */
	if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || remote_wait(pid, &status) < 0 ||
	    ptrace(PTRACE_GETREGS, pid, 0, &r.regs) < 0) {
		*what = "it died in exec";
		return -ESRCH;
	}
	r.regs.orig_rax = ~0ull;
	if (r.regs.cs != CS_64BIT) {
		/* not for this agent: the filter lets other architectures pass */
		ptrace(PTRACE_DETACH, pid, 0, 0);
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", r.proc);
	r.mem = open(path, O_RDWR | O_CLOEXEC);
	ret = r.mem < 0 ? -errno : inject_now(&r, exec, what);
	if (r.mem >= 0)
		close(r.mem);
	if (ret < 0) {
		if (!*what)
			*what = "its memory cannot be opened";
		word_say(pid, t->proc, "cannot put the agent into process %d: %s (%s)", t->proc,
			 *what, strerror(-ret));
		kill(pid, SIGKILL);
		ptrace(PTRACE_DETACH, pid, 0, 0);
		return ret;
	}
	word_privileges(pid, t->proc);
	/* with what came with it, not with what our own INT3 has */
	if (r.trap_sent)
		ptrace(PTRACE_SETSIGINFO, pid, 0, &r.trap_info);
	if (exec->flags & PROTO_EXEC_STOP)
		ptrace(PTRACE_DETACH, pid, 0, SIGSTOP);
	else
		ptrace(PTRACE_DETACH, pid, 0, r.trap_sent ? SIGTRAP : 0);
	return 1;
}

/*
 * Word that the exec failed?  A closed socket is none: exec closes it, shortly
 * before the event.
 */
static bool said_failed(int fd)
{
	struct proto_msg msg;

	return recv(fd, &msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT) == sizeof(msg) &&
	       msg.type == PROTO_MSG_EXEC_FAILED;
}

/* Stop it to let go of it. */
static void detach(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		return;
	while (remote_wait(tid, &status) == 0) {
		int sig = WSTOPSIG(status);

		if (status >> 16 == PTRACE_EVENT_STOP) {
			ptrace(PTRACE_DETACH, tid, 0, 0);
			return;
		}
		/* a signal that came first goes with it */
		ptrace(PTRACE_DETACH, tid, 0, status >> 16 ? 0 : sig);
		return;
	}
}

/*
 * The tracee's next event, or word of a failed exec: whichever comes first.
 * Return: the thread; 0 failed; -errno.
 */
static pid_t next_event(int failed_fd, int *status)
{
	for (;;) {
		pid_t got = waitpid(-1, status, __WALL | __WNOTHREAD | WNOHANG);
		struct pollfd p = {.fd = failed_fd, .events = POLLIN};

		if (got > 0)
			return got;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (said_failed(failed_fd))
			return 0;
		/* a closed socket is always ready: then the event is due any moment */
		if (poll(&p, 1, 1) > 0 && !said_failed(failed_fd))
			sched_yield();
	}
}

int inject_follow(const struct inject_target *t, const struct proto_exec *exec, int failed_fd,
		  const char **what)
{
	int status;

	*what = NULL;
	for (;;) {
		pid_t got = next_event(failed_fd, &status);

		if (got == 0) {
			detach(t->tid);
			return 0;
		}
		if (got < 0 || WIFEXITED(status) || WIFSIGNALED(status)) {
			*what = "it died before the exec";
			return -ESRCH;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			return at_exec(got, t, exec, what);
		if (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP)
			/* SIGSTOP and friends: it stays stopped until it is continued */
			ptrace(PTRACE_LISTEN, got, 0, 0);
		else
			ptrace(PTRACE_CONT, got, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
}
