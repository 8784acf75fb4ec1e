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

int inject_seize(struct inject_target *t)
{
	const long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;

	if (ptrace(PTRACE_SEIZE, t->tid, 0, options) < 0)
		return -errno;
	/* after the exec a program that may not be read keeps its descriptors to itself */
	t->err = word_open_pidfd(t->pidfd);
	return 0;
}

void inject_release(struct inject_target *t)
{
	int status;

	if (t->err >= 0)
		close(t->err);
	t->err = -1;
	/* only who is stopped can be let go; who has died needs not be */
	if (ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) < 0 || remote_wait(t->tid, &status) < 0)
		return;
	ptrace(PTRACE_DETACH, t->tid, 0, status >> 16 ? 0 : WSTOPSIG(status));
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

/*
 * A stopped tracee answers.  One that does not has been killed, which can happen
 * between any two requests, and makes each of them fail in its own way.
 */
static bool is_killed(pid_t pid)
{
	struct user_regs_struct regs;

	return ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0 && errno == ESRCH;
}

/*
 * Context: the tracee is stopped.  It is not let go after this.
 * @err: its standard error, from before the exec
 */
static void kill_program(pid_t pid, pid_t proc, int err, const char *what, int error)
{
	bool hidden = !what && (error == -EACCES || error == -EPERM);

	if (hidden)
		what = "its file may be executed but not read";
	word_say_to(err, "cannot put the agent into process %d: %s (%s)", proc,
		    what ? what : "its memory cannot be opened", strerror(-error));
	/*
	 * kill() of another user's process takes CAP_KILL.  What the tracer asks for takes
	 * no right but the one to trace: it comes true at the next stop at the latest.
	 */
	if (kill(pid, SIGKILL) < 0)
		ptrace(PTRACE_KILL, pid, 0, 0);
}

static int at_exec(pid_t pid, const struct inject_target *t, const struct proto_exec *exec,
		   const char **what)
{
	struct remote r = {.pid = pid, .proc = t->proc, .same_ns = t->same_ns, .mem = -1};
	int ret = inject_stopped(&r, exec, what);

	if (ret < 0 && is_killed(pid)) {
		*what = "it died in exec";
		return -ESRCH;
	}
	if (ret == 2) {
		word_foreign(pid, t->proc, exec->flags & PROTO_EXEC_FILTERED);
		ptrace(PTRACE_DETACH, pid, 0, 0);
		return 2;
	}
	if (ret < 0) {
		/*
		 * A detach would let it run if it has not been killed.  As the tracee of a
		 * thread that ends it is killed (PTRACE_O_EXITKILL).
		 */
		kill_program(pid, t->proc, t->err, *what, ret);
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
	int ret = inject_stopped(&r, exec, &what), err;

	if (ret == 2)
		word_foreign(pid, pid, exec->flags & PROTO_EXEC_FILTERED);
	if (!ret)
		word_privileges(pid, pid);
	if (ret >= 0)
		return ret;
	if (is_killed(pid))
		return -ESRCH;
	err = word_open(pid);
	kill_program(pid, pid, err, what, ret);
	if (err >= 0)
		close(err);
	return ret;
}

/* By itself or another thread, as kill() cannot */
static bool is_knock(pid_t tid)
{
	siginfo_t info;

	return ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0 && info.si_code == SI_TKILL;
}

static int follow(const struct inject_target *t, const struct proto_exec *exec,
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

int inject_follow(const struct inject_target *t, const struct proto_exec *exec,
		  const atomic_bool *failed, const char **what)
{
	int ret = follow(t, exec, failed, what);

	if (t->err >= 0)
		close(t->err);
	return ret;
}
