/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Children in shared memory, many at a time: a vfork parent sleeps until its child has
 * exec'ed or died, and nobody else may wait for that.
 */
#include "case.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/prctl.h>

extern char **environ;
static volatile int depth, deepest;

#define DEPTH 600

static void dive(void)
{
	pid_t pid;

	if (depth == DEPTH)
		return;
	pid = vfork();
	must(pid >= 0);
	if (!pid) {
		deepest = ++depth;
		dive();
		_exit(0);
	}
	must(waitpid(pid, NULL, 0) == pid);
}

CASE(vfork_in_vfork)
{
	dive();
	say("%d deep", deepest);
	/* and all of it is given back */
	for (int i = 0; i < 20; i++) {
		depth = deepest = 0;
		dive();
		must(deepest == DEPTH);
	}
}

/* --- a crowd of parents ------------------------------------------------------------------ */

enum { CROWD = 400, TURNS = 3 };
static atomic_int asleep, awake, in_threads;
static int gate[TURNS][2];

static void *parent_of_a_sleeper(void *arg)
{
	volatile int turn;
	int status;
	pid_t pid;

	for (turn = 0; turn < TURNS; turn++) {
		pid = vfork();
		if (!pid) {
			char c;

			atomic_fetch_add(&asleep, 1);
			if (read(gate[turn][0], &c, 1) != 1)
				_exit(1);
			_exit(7);
		}
		must(pid > 0 && waitpid(pid, &status, 0) == pid);
		must(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		atomic_fetch_add(&awake, 1);
	}
	return arg;
}

static void *short_thread(void *arg)
{
	atomic_fetch_add(&in_threads, 1);
	return arg;
}

/* Threads, forks and vforks go on while hundreds sleep */
static void meanwhile(void)
{
	pthread_t t;
	pid_t pid;

	for (volatile int i = 0; i < 50; i++) {
		must(pthread_create(&t, NULL, short_thread, NULL) == 0);
		must(pthread_join(t, NULL) == 0);
		pid = i & 1 ? fork() : vfork();
		if (!pid)
			_exit(0);
		must(pid > 0 && waitpid(pid, NULL, 0) == pid);
	}
}

CASE(sleepers_by_the_hundred)
{
	static pthread_t t[CROWD];
	pthread_attr_t attr;

	for (int turn = 0; turn < TURNS; turn++)
		must(pipe(gate[turn]) == 0);
	pthread_attr_init(&attr);
	must(pthread_attr_setstacksize(&attr, 64 << 10) == 0);
	for (int i = 0; i < CROWD; i++)
		must(pthread_create(&t[i], &attr, parent_of_a_sleeper, NULL) == 0);
	for (int turn = 1; turn <= TURNS; turn++) {
		char go[CROWD] = {0};

		while (asleep < CROWD * turn)
			sched_yield();
		meanwhile();
		must(write(gate[turn - 1][1], go, CROWD) == CROWD);
		while (awake < CROWD * turn)
			sched_yield();
	}
	for (int i = 0; i < CROWD; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("asleep %d awake %d threads %d", asleep, awake, in_threads);
}

static atomic_int spawned;
static char raw[4096];

static void *spawns(void *arg)
{
	char *argv[] = {raw, NULL};

	for (int i = 0; i < 6; i++) {
		int status;
		pid_t pid;

		must(posix_spawn(&pid, raw, NULL, NULL, argv, environ) == 0);
		must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		atomic_fetch_add(&spawned, 1);
	}
	return arg;
}

CASE(spawn_from_many_threads)
{
	pthread_t t[40];

	strcpy(raw, "/bin/true");
	for (int i = 0; i < 40; i++)
		must(pthread_create(&t[i], NULL, spawns, NULL) == 0);
	for (int i = 0; i < 40; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("spawned %d", spawned);
}

/* --- what is whose -------------------------------------------------------------------------- */

static volatile sig_atomic_t count;

static void counting(int sig)
{
	(void)sig;
	count++;
}

static void *raises(void *arg)
{
	raise(SIGUSR2);
	raise(SIGSEGV);
	return arg;
}

/* A fork child of a vfork child: a process with the handlers of the vfork child */
static void grandchild(void)
{
	pthread_t t;

	say("usr1 %s", signal(SIGUSR1, SIG_DFL) == SIG_IGN ? "ignored" : "not ignored");
	for (int i = 0; i < 5; i++)
		must(pthread_create(&t, NULL, raises, NULL) == 0 && pthread_join(t, NULL) == 0);
	say("count %d", count);
	_exit(5);
}

CASE(fork_in_vfork)
{
	pid_t pid;

	catch_plain(SIGUSR2, counting, 0);
	catch_plain(SIGSEGV, counting, 0);
	pid = vfork();
	if (!pid) {
		signal(SIGUSR1, SIG_IGN);
		pid = fork();
		if (!pid)
			grandchild();
		say_status("grandchild", pid);
		_exit(6);
	}
	say_status("child", pid);
	raise(SIGSEGV);
	say("here: count %d, usr1 %s", count,
	    signal(SIGUSR1, SIG_DFL) == SIG_IGN ? "ignored" : "not ignored");
}

static char stack[3][65536] __attribute__((aligned(16)));
static atomic_int parent_runs, orphan_counts;
static pid_t middle;

/* Both make trapped calls and take signals; one memory, two processes */
static void work(atomic_int *counts)
{
	for (int i = 0; i < 500; i++) {
		sigset_t set;
		long pid = syscall(SYS_getpid);

		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
		syscall(SYS_kill, pid, SIGUSR1);
		syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, 8);
		atomic_fetch_add(counts, 1);
	}
}

static int orphan(void *arg)
{
	(void)arg;
	syscall(SYS_kill, middle, SIGKILL);
	while (!parent_runs)
		syscall(SYS_sched_yield);
	work(&orphan_counts);
	return 9;
}

static int killed_by_its_child(void *arg)
{
	(void)arg;
	middle = (pid_t)syscall(SYS_getpid);
	syscall(SYS_exit,
		clone(orphan, stack[1] + sizeof(stack[1]), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
	return 1;
}

/* The one between dies: the first goes on, beside the last one. */
CASE(vfork_parent_killed)
{
	static atomic_int counts;
	pid_t pid;

	catch_plain(SIGUSR1, counting, 0);
	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid = clone(killed_by_its_child, stack[0] + sizeof(stack[0]),
		    CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	must(pid > 0);
	parent_runs = 1;
	work(&counts);
	say_status("middle", pid);
	say_status("last", -1);
	say("counts %d %d", counts, orphan_counts);
}

static int thread_exits(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	return 0; /* by exit(2): of the thread */
}

/* A thread whose parent sleeps until it is gone */
CASE(thread_by_vfork)
{
	static atomic_int ran;
	pthread_t t;

	catch_plain(SIGUSR2, counting, 0);
	catch_plain(SIGSEGV, counting, 0);
	for (int i = 0; i < 50; i++) {
		must(clone(thread_exits, stack[2] + sizeof(stack[2]),
			   CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				   CLONE_SYSVSEM | CLONE_VFORK,
			   &ran) > 0);
		must(pthread_create(&t, NULL, raises, NULL) == 0);
		raises(NULL);
		must(pthread_join(t, NULL) == 0);
	}
	say("ran %d count %d", ran, count);
}

/* What the call may not change: flags, and every register but RAX, RCX and R11 */
CASE(registers_after)
{
	static const int nrs[] = {SYS_fork, SYS_vfork};

	for (int i = 0; i < 2; i++) {
		uint64_t rbx, rdi, rsi, flags;
		long pid;

		__asm__ volatile(
			"pushfq; andl $~0xcd5, (%%rsp); orl $0x4c1, (%%rsp); popfq\n\t" /* DF ZF SF CF */
			"syscall\n\t"
			"pushfq; pop %%rcx; cld\n\t"
			: "=a"(pid), "=b"(rbx), "=D"(rdi), "=S"(rsi), "=c"(flags)
			: "0"((long)nrs[i]), "1"(0xb0b0ul), "2"(0xd1d1ul), "3"(0x5151ul)
			: "r11", "memory");
		if (pid == 0) {
			bool good = rbx == 0xb0b0 && rdi == 0xd1d1 && rsi == 0x5151 &&
				    (flags & 0xcd5) == 0x4c1;

			syscall(SYS_exit_group, good ? 3 : 4);
		}
		say("%d: %llx %llx %llx flags %llx", i, (unsigned long long)rbx,
		    (unsigned long long)rdi, (unsigned long long)rsi,
		    (unsigned long long)(flags & 0xcd5));
		say_status("child", (pid_t)pid);
	}
}
