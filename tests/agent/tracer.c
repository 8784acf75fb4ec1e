/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: tracer fork|keep|vfork|seize PROGRAM [ARGUMENT...]
 *
 * What strace and gdb do to start a program; keep: what ltrace does, which passes no
 * SIGSYS on.  Exits with the program's status, 100 if it was killed.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int follow(pid_t pid, int kept)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, __WALL) < 0)
			return 101;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 100;
		if (status >> 16 || WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP ||
		    WSTOPSIG(status) == kept)
			ptrace(PTRACE_CONT, pid, 0, 0);
		else
			ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
	}
}

static void child(const char *how, char **argv)
{
	if (!strcmp(how, "seize"))
		raise(SIGSTOP);
	else if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(110);
	execv(argv[0], argv);
	_exit(111);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 3)
		return 2;
	pid = strcmp(argv[1], "vfork") ? fork() : vfork();
	if (!pid)
		child(argv[1], argv + 2);
	if (!strcmp(argv[1], "seize")) {
		if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
			return 102;
		if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXEC) < 0)
			return 103;
		kill(pid, SIGCONT);
	}
	return follow(pid, strcmp(argv[1], "keep") ? 0 : SIGSYS);
}
