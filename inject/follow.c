/* SPDX-License-Identifier: BSD-3-Clause */
/* Stages 1 to 3 and 7 of an injection (inject.c): the tracer's part. */
#include "follow.h"

#include "word.h"

#include <errno.h>
#include <fcntl.h>
#include <inject/inject.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define CS_64BIT 0x33

int inject_seize(const struct inject_target *t)
{
	if (ptrace(PTRACE_SEIZE, t->tid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD) < 0)
		return -errno;
	return 0;
}

/* At the exec event: stages 3 to 7, but for the end of tracing. */
static int inject_stopped(struct remote *r, const struct proto_exec *exec, const char **what)
{
	char path[64];
	int status, ret;

	/* on to the end of execve, which still writes RAX */
	if (ptrace(PTRACE_SYSCALL, r->pid, 0, 0) < 0 || remote_wait(r->pid, &status) < 0 ||
	    ptrace(PTRACE_GETREGS, r->pid, 0, &r->regs) < 0) {
		*what = "it died in exec";
		return -ESRCH;
	}
	r->regs.orig_rax = ~0ull;
	if (r->regs.cs != CS_64BIT)
		/* not for this agent: the filter lets all calls pass but execve */
		return 2;
	snprintf(path, sizeof(path), "/proc/%d/mem", r->proc);
	r->mem = open(path, O_RDWR | O_CLOEXEC);
	ret = r->mem < 0 ? -errno : inject_now(r, exec, what);
	if (r->mem >= 0)
		close(r->mem);
	return ret;
}

static int at_exec(pid_t pid, const struct inject_target *t, const struct proto_exec *exec,
		   const char **what)
{
	struct remote r = {.pid = pid, .proc = t->proc, .same_ns = t->same_ns, .mem = -1};
	int ret = inject_stopped(&r, exec, what);

	if (ret == -ESRCH && !r.regs.cs)
		return ret;
	if (ret == 2) {
		word_foreign(pid, t->proc, exec->flags & PROTO_EXEC_FILTERED);
		ptrace(PTRACE_DETACH, pid, 0, 0);
		return 2;
	}
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

int inject_traced(pid_t pid, const struct proto_exec *exec)
{
	struct remote r = {.pid = pid, .proc = pid, .mem = -1};
	const char *what = NULL;
	int ret = inject_stopped(&r, exec, &what);

	if (ret == 2)
		word_foreign(pid, pid, exec->flags & PROTO_EXEC_FILTERED);
	if (!ret)
		word_privileges(pid, pid);
	if (ret >= 0 || (ret == -ESRCH && !r.regs.cs))
		return ret;
	word_say(pid, pid, "cannot put the agent into process %d: %s (%s)", pid,
		 what ? what : "its memory cannot be opened", strerror(-ret));
	kill(pid, SIGKILL);
	return ret;
}

/* By itself or another thread, as kill() cannot */
static bool is_knock(pid_t tid)
{
	siginfo_t info;

	return ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0 && info.si_code == SI_TKILL;
}

int inject_follow(const struct inject_target *t, const struct proto_exec *exec,
		  const atomic_bool *failed, const char **what)
{
	int status;

	*what = NULL;
	for (;;) {
		pid_t got = waitpid(-1, &status, __WALL | __WNOTHREAD);
		int sig = WSTOPSIG(status);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || WIFEXITED(status) || WIFSIGNALED(status)) {
			*what = "it died before the exec";
			return -ESRCH;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			return at_exec(got, t, exec, what);
		if (!(status >> 16) && sig == PROTO_EXEC_KNOCK && atomic_load(failed) &&
		    is_knock(got)) {
			ptrace(PTRACE_DETACH, got, 0, 0);
			return 0;
		}
		if (status >> 16 == PTRACE_EVENT_STOP && sig != SIGTRAP)
			/* SIGSTOP and friends: it stays stopped until it is continued */
			ptrace(PTRACE_LISTEN, got, 0, 0);
		else
			ptrace(PTRACE_CONT, got, 0, status >> 16 ? 0 : sig);
	}
}
