/* SPDX-License-Identifier: BSD-3-Clause */
/* Handlers: what sigaction() keeps and what they are told. */
#include "case.h"

#include <pthread.h>

static volatile sig_atomic_t count, depth, deepest;
static siginfo_t seen;

static void counting(int sig)
{
	count++;
}

static void recording(int sig, siginfo_t *info, void *uc)
{
	count++;
	seen = *info;
}

static void say_action(int sig)
{
	struct sigaction act;

	must(sigaction(sig, NULL, &act) == 0);
	say("signal %d: %s, flags %#x, usr2 in mask %d", sig,
	    act.sa_handler == SIG_DFL	    ? "default"
	    : act.sa_handler == SIG_IGN	    ? "ignored"
	    : act.sa_handler == counting    ? "counting"
	    : act.sa_sigaction == recording ? "recording"
					    : "something else",
	    (unsigned int)act.sa_flags, sigismember(&act.sa_mask, SIGUSR2));
}

CASE(get_set_old)
{
	static const int sigs[] = {SIGUSR1, SIGSEGV, SIGILL, SIGSYS, SIGTRAP, SIGCHLD, SIGPIPE, 40};
	struct sigaction act = {.sa_handler = counting, .sa_flags = SA_RESTART | SA_NODEFER};
	struct sigaction old;

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		say_action(sigs[i]);
		sigemptyset(&act.sa_mask);
		sigaddset(&act.sa_mask, SIGUSR2);
		must(sigaction(sigs[i], &act, &old) == 0);
		say("old %d", old.sa_handler == SIG_DFL);
		say_action(sigs[i]);
		catch_info(sigs[i], recording, SA_ONSTACK);
		say_action(sigs[i]);
		must(signal(sigs[i], SIG_IGN) != SIG_ERR);
		say_action(sigs[i]);
		must(signal(sigs[i], SIG_DFL) == SIG_IGN);
		say_action(sigs[i]);
	}
}

CASE(sigaction_errors)
{
	struct sigaction act = {.sa_handler = counting};

	say_errno("kill", sigaction(SIGKILL, &act, NULL));
	say_errno("stop", sigaction(SIGSTOP, &act, NULL));
	say("stop, read %d", sigaction(SIGSTOP, NULL, &act));
	say_errno("size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
	say_errno("0", syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
	say_errno("65", syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
	say_errno("bad new", syscall(SYS_rt_sigaction, SIGUSR1, 16, NULL, 8));
	say_errno("bad old", syscall(SYS_rt_sigaction, SIGUSR1, NULL, 16, 8));
}

/* A mask with KILL and STOP reads back without them. */
CASE(sigaction_kill_in_mask)
{
	struct sigaction act = {.sa_handler = counting};

	sigfillset(&act.sa_mask);
	must(sigaction(SIGSEGV, &act, NULL) == 0 && sigaction(SIGSEGV, NULL, &act) == 0);
	say("kill %d stop %d segv %d", sigismember(&act.sa_mask, SIGKILL),
	    sigismember(&act.sa_mask, SIGSTOP), sigismember(&act.sa_mask, SIGSEGV));
}

CASE(siginfo_contents)
{
	union sigval value = {.sival_int = 4711};
	pid_t pid;

	catch_info(SIGUSR1, recording, 0);
	kill(getpid(), SIGUSR1);
	say("kill: signo %d code %d pid %d uid %d", seen.si_signo, seen.si_code,
	    seen.si_pid == getpid(), seen.si_uid == getuid());
	pthread_kill(pthread_self(), SIGUSR1);
	say("tgkill: code %d pid %d", seen.si_code, seen.si_pid == getpid());
	sigqueue(getpid(), SIGUSR1, value);
	say("sigqueue: code %d value %d", seen.si_code, seen.si_value.sival_int);
	catch_info(SIGCHLD, recording, 0);
	block(SIGCHLD);
	pid = fork();
	if (pid == 0)
		_exit(9);
	must(waitpid(pid, NULL, 0) == pid);
	unblock(SIGCHLD);
	say("child: code %d status %d pid %d", seen.si_code, seen.si_status, seen.si_pid == pid);
}

static void nesting(int sig)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (++count < 5)
		raise(sig);
	depth--;
}

CASE(defer)
{
	catch_plain(SIGUSR1, nesting, 0);
	raise(SIGUSR1);
	say("count %d deepest %d blocked %d", count, deepest, blocked(SIGUSR1));
}

CASE(nodefer)
{
	catch_plain(SIGUSR1, nesting, SA_NODEFER);
	raise(SIGUSR1);
	say("count %d deepest %d", count, deepest);
}

CASE(nodefer_segv)
{
	catch_plain(SIGSEGV, nesting, SA_NODEFER);
	raise(SIGSEGV);
	say("count %d deepest %d", count, deepest);
}

static void die_reset(void)
{
	catch_plain(SIGUSR1, counting, SA_RESETHAND);
	raise(SIGUSR1);
	say("count %d", count);
	say_action(SIGUSR1);
	raise(SIGUSR1);
}

static void die_reset_segv(void)
{
	catch_plain(SIGSEGV, counting, SA_RESETHAND);
	raise(SIGSEGV);
	say("count %d", count);
	say_action(SIGSEGV);
	raise(SIGSEGV);
}

CASE(resethand)
{
	in_child("usr1", die_reset);
	in_child("segv", die_reset_segv);
}

static int inside[3];

static void looking(int sig)
{
	inside[0] = blocked(SIGUSR1);
	inside[1] = blocked(SIGUSR2);
	inside[2] = blocked(SIGSEGV);
}

CASE(sa_mask)
{
	struct sigaction act = {.sa_handler = looking};

	sigaddset(&act.sa_mask, SIGUSR2);
	sigaddset(&act.sa_mask, SIGSEGV);
	must(sigaction(SIGUSR1, &act, NULL) == 0);
	raise(SIGUSR1);
	say("inside %d %d %d", inside[0], inside[1], inside[2]);
	say("after %d %d %d", blocked(SIGUSR1), blocked(SIGUSR2), blocked(SIGSEGV));
}

/* A child signals, and writes when the handler has run: so a restart is seen. */
static int to_child[2], to_parent[2];

static void telling(int sig)
{
	count++;
	must(write(to_child[1], "x", 1) == 1);
}

static void read_interrupted(int flags)
{
	char c = 0;
	pid_t pid, parent = getpid();
	ssize_t n;

	must(pipe(to_child) == 0 && pipe(to_parent) == 0);
	catch_plain(SIGUSR1, telling, flags);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		usleep(20000);
		kill(parent, SIGUSR1);
		must(read(to_child[0], &c, 1) == 1);
		usleep(20000);
		must(write(to_parent[1], "y", 1) == 1);
		_exit(0);
	}
	n = read(to_parent[0], &c, 1);
	say("read %d errno %d, handlers %d", (int)n, n < 0 ? errno : 0, count);
	say_status("child", pid);
}

CASE(read_restart)
{
	read_interrupted(SA_RESTART);
}

CASE(read_eintr)
{
	read_interrupted(0);
}

CASE(ignored_stays)
{
	must(signal(SIGUSR1, SIG_IGN) == SIG_DFL && signal(SIGFPE, SIG_IGN) == SIG_DFL);
	raise(SIGUSR1);
	raise(SIGFPE);
	say("still here");
}

/* Setting a signal to be ignored throws away what is pending of it. */
CASE(ignoring_discards)
{
	static const int sigs[] = {SIGUSR1, SIGTRAP};

	for (int i = 0; i < 2; i++) {
		catch_plain(sigs[i], counting, 0);
		block(sigs[i]);
		raise(sigs[i]);
		must(signal(sigs[i], SIG_IGN) == counting);
		catch_plain(sigs[i], counting, 0);
		unblock(sigs[i]);
		say("signal %d: count %d", sigs[i], count);
	}
}

CASE(nocldwait)
{
	pid_t pid;

	catch_plain(SIGCHLD, counting, SA_NOCLDWAIT | SA_RESTART);
	pid = fork();
	if (pid == 0)
		_exit(1);
	say_errno("wait", waitpid(pid, NULL, 0));
}
