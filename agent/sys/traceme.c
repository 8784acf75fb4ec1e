/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PTRACE_TRACEME.
 *
 * The agent's calls are made by way of SIGSYS, which a tracer sees first and may
 * keep: ltrace does, and then an execve just returns, with the call's number for a
 * result.  Nothing could be said or refused any more.  But most who ask to be traced
 * exec next, and an exec under a tracer is refused in any case (exec.c).  So the call
 * is answered, and made when the thread makes another call than execve:
 *
 *	TRACEME --> owed --execve--> refused with a line, still owed
 *		      '--another call, a fault, a signal, an entry--> made, then that
 *
 * Syscall User Dispatch stops the next call, as it does inside an enclave
 * (entry/guard.c).  A kernel without it, before 5.11, has the call made at once.
 * What can be told: a signal that is sent from outside before that next call, and
 * that no handler of the agent's takes, acts as on a child that is not traced.
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/ptrace.h>

/* Return: bytes read of a file in /proc, ended by a zero; 0 where there are none */
static uint64_t read_proc(const char *path, char *text, uint64_t size)
{
	long fd = sys4(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0), n;

	if (is_error(fd))
		return 0;
	n = sys3(__NR_read, fd, text, size - 1);
	sys1(__NR_close, fd);
	if (is_error(n))
		n = 0;
	text[n] = 0;
	return (uint64_t)n;
}

/* Linux: EPERM for a thread that is traced already.  Where there is no /proc nobody knows. */
static bool is_untraced(void)
{
	static const char field[] = "\nTracerPid:\t";
	char text[1024] = "";
	const char *at = text;

	read_proc("/proc/thread-self/status", text, sizeof(text));
	while (*at && !agent_starts(at, field))
		at++;
	return *at && at[sizeof(field) - 1] == '0';
}

/*
 * A vfork child that asks to be traced would stop at its next trapped call, for a
 * parent that sleeps until it has exec'ed: both for ever.  gdb starts programs so.
 */
long proc_do_traceme(struct agent_thread *t, agent_ucontext *uc)
{
	if ((uint32_t)sys0(__NR_getpid) != PROC->pid) {
		agent_say("a debugger cannot start programs under swsgx run: use 'swsgx gdb -- "
			  "PROGRAM', or attach to one that runs");
		return -EPERM;
	}
	if (t->traceme_owed) {
		t->guard_selector = GUARD_BLOCK;
		return -EPERM;
	}
	if (!is_untraced() || !guard_every_call(t))
		return agent_pass(uc);
	t->traceme_owed = 1;
	return 0;
}

void proc_traceme_settle(struct agent_thread *t)
{
	t->traceme_owed = 0;
	guard_off(t);
	sys1(__NR_ptrace, PTRACE_TRACEME);
}

void proc_traceme_call(struct agent_thread *t, const agent_ucontext *uc)
{
	uint64_t nr = UC_REGS(uc)->ax;

	/* TRACEME again is answered by proc_do_traceme() */
	if (nr != __NR_execve && nr != __NR_execveat &&
	    !(nr == __NR_ptrace && uc_arg(uc, 0) == PTRACE_TRACEME))
		proc_traceme_settle(t);
}

bool proc_traceme_exec(struct agent_thread *t, struct proto_refusal *why)
{
	char path[32] = "/proc/";
	uint64_t n;

	if (!t->traceme_owed)
		return false;
	t->guard_selector = GUARD_BLOCK;
	agent_memset(why, 0, sizeof(*why));
	why->tracer = (uint32_t)sys0(__NR_getppid);
	agent_append_decimal(path, sizeof(path), why->tracer);
	agent_append(path, sizeof(path), "/comm");
	n = read_proc(path, why->name, sizeof(why->name));
	if (n && why->name[n - 1] == '\n')
		why->name[n - 1] = 0;
	return true;
}
