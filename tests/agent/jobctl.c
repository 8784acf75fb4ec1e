/* SPDX-License-Identifier: BSD-3-Clause */
/* Stop and continue, as a shell sees them. */
#include "case.h"

#include <time.h>

static volatile sig_atomic_t count;

static void counting(int sig)
{
	count++;
}

static void say_wait(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, WUNTRACED | WCONTINUED) == pid);
	if (WIFSTOPPED(status))
		say("stopped by %d", WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		say("continued");
	else if (WIFEXITED(status))
		say("exit %d", WEXITSTATUS(status));
	else
		say("signal %d", WTERMSIG(status));
}

CASE(stop_cont_kill)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	say_wait(pid);
	kill(pid, SIGCONT);
	say_wait(pid);
	kill(pid, SIGTSTP);
	say_wait(pid);
	kill(pid, SIGCONT);
	say_wait(pid);
	kill(pid, SIGTERM);
	say_wait(pid);
}

/* The child ends only after "continued" was seen: its end would hide that. */
static int gate[2];

static void wait_gate(void)
{
	char c;

	must(read(gate[0], &c, 1) == 1);
}

static void open_gate(void)
{
	must(write(gate[1], "x", 1) == 1);
}

CASE(cont_handler)
{
	must(pipe(gate) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		catch_plain(SIGCONT, counting, 0);
		raise(SIGSTOP);
		wait_gate();
		_exit(count);
	}
	say_wait(pid);
	kill(pid, SIGCONT);
	say_wait(pid);
	open_gate();
	say_wait(pid);
}

CASE(tstp_handler)
{
	must(pipe(gate) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		catch_plain(SIGTSTP, counting, 0);
		raise(SIGTSTP);
		must(signal(SIGTSTP, SIG_DFL) == counting);
		raise(SIGTSTP);
		wait_gate();
		_exit(count);
	}
	say_wait(pid);
	kill(pid, SIGCONT);
	say_wait(pid);
	open_gate();
	say_wait(pid);
}

/* Stopped in a call that the agent makes for the program: sigsuspend() */
CASE(stop_in_sigsuspend)
{
	int ready[2];
	char c;
	pid_t pid;

	must(pipe(ready) == 0);
	block(SIGUSR1);
	pid = fork();
	if (pid == 0) {
		sigset_t set;

		sigemptyset(&set);
		catch_plain(SIGUSR1, counting, 0);
		must(write(ready[1], "x", 1) == 1);
		sigsuspend(&set);
		_exit(count);
	}
	must(read(ready[0], &c, 1) == 1);
	usleep(10000);
	kill(pid, SIGSTOP);
	say_wait(pid);
	kill(pid, SIGCONT);
	say_wait(pid);
	kill(pid, SIGUSR1);
	say_wait(pid);
}

/* Stopped anywhere in an exec, also while the agent is put there, and continued */
CASE(stop_in_exec)
{
	int stops = 0, good = 0;

	for (int delay = 0; delay < 30; delay++) {
		struct timespec t = {0, delay * 40000};
		bool ended = false;
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		must(pid > 0);
		nanosleep(&t, NULL);
		kill(pid, SIGSTOP);
		while (!ended) {
			must(waitpid(pid, &status, WUNTRACED) == pid);
			ended = !WIFSTOPPED(status);
			if (!ended)
				stops++;
			kill(pid, SIGCONT);
		}
		good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	say("%d ended well; some were stopped: %d", good, stops > 0);
}
