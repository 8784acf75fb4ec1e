/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PTRACE_TRACEME of a fork child: which stops its parent sees.  Stops for the
 * agent's own signals, SIGSYS and the hlt after a clone, are passed on and not said.
 */
#include "case.h"

#include <sys/mman.h>
#include <sys/ptrace.h>

static void trace_me(void)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(90);
}

/* fn in a traced child: each stop's signal and si_code once for each fault, and its end */
static void traced(const char *what, void (*fn)(void))
{
	int status, last = 0;
	siginfo_t info;
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		fn();
		_exit(9);
	}
	for (;;) {
		int sig;

		must(waitpid(pid, &status, 0) == pid);
		if (!WIFSTOPPED(status))
			break;
		sig = WSTOPSIG(status);
		must(ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == 0);
		/* a death of the program's is one more signal, of the agent's */
		if (sig != SIGSYS && sig != last && !(sig == SIGSEGV && info.si_code == SI_KERNEL))
			say("%s: stop %d, code %d", what, sig, info.si_code);
		last = sig;
		must(ptrace(PTRACE_CONT, pid, 0, sig == SIGSTOP || sig == SIGTRAP ? 0 : sig) == 0);
	}
	say("%s: %s %d", what, WIFEXITED(status) ? "exit" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void stops_itself(void)
{
	trace_me();
	raise(SIGSTOP);
}

static void breakpoint(void)
{
	trace_me();
	__asm__ volatile("int3");
}

static void undefined(void)
{
	trace_me();
	__asm__ volatile("ud2");
}

static void faults(void)
{
	volatile int *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(nowhere != MAP_FAILED);
	trace_me();
	*nowhere = 1;
}

static void on_usr1(int sig)
{
}

static void signals_itself(void)
{
	catch_plain(SIGUSR1, on_usr1, 0);
	trace_me();
	raise(SIGUSR1);
}

static void ends(void)
{
	trace_me();
	_exit(7);
}

static void asks_twice(void)
{
	trace_me();
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) != -1 || errno != EPERM)
		_exit(91);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) != -1 || errno != EPERM)
		_exit(92);
	raise(SIGSTOP);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) != -1 || errno != EPERM)
		_exit(93);
}

static void has_a_child(void)
{
	block(SIGCHLD);
	trace_me();
	if (!fork())
		_exit(0);
	wait(NULL);
}

/* What is not there is said as ever, and the child is still to be traced. */
static void exec_of_nothing(void)
{
	trace_me();
	for (int i = 0; i < 3; i++)
		if (execl("/no/such/file", "file", NULL) != -1 || errno != ENOENT)
			_exit(94);
	raise(SIGSTOP);
}

static void seen_in_proc(void)
{
	char text[2048];
	FILE *f;
	size_t n;
	char *at;

	trace_me();
	f = fopen("/proc/self/status", "r");
	if (!f)
		_exit(95);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	at = strstr(text, "\nTracerPid:");
	if (!at || atoi(at + strlen("\nTracerPid:")) != getppid())
		_exit(96);
	fclose(f);
}

CASE(traceme_signals)
{
	traced("raise", stops_itself);
	traced("handled", signals_itself);
}

CASE(traceme_faults)
{
	traced("int3", breakpoint);
	traced("ud2", undefined);
	traced("segv", faults);
}

CASE(traceme_calls)
{
	traced("exit", ends);
	traced("twice", asks_twice);
	traced("fork", has_a_child);
	traced("no exec", exec_of_nothing);
	traced("proc", seen_in_proc);
}
