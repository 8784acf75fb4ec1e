/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's own signals, pending: for a thread, for the process, over an exec. */
#include "case.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

static const int own[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
#define OWN (sizeof(own) / sizeof(own[0]))

static atomic_int count;
static volatile pthread_t who;
static siginfo_t seen;

static void recording(int sig, siginfo_t *info, void *uc)
{
	who = pthread_self();
	seen = *info;
	atomic_fetch_add(&count, 1);
}

static void wait_count(int n)
{
	struct timespec ts = {0, 200000};

	for (int i = 0; i < 50000 && atomic_load(&count) != n; i++)
		nanosleep(&ts, NULL);
}

static bool is_pending(int sig)
{
	sigset_t set;

	must(sigpending(&set) == 0);
	return sigismember(&set, sig) == 1;
}

static atomic_int gate;

static void wait_gate(int value)
{
	struct timespec ts = {0, 100000};

	while (atomic_load(&gate) < value)
		nanosleep(&ts, NULL);
}

/* Has all of them unblocked, and makes no call that the agent sees */
static void *open_thread(void *arg)
{
	for (size_t i = 0; i < OWN; i++)
		unblock(own[i]);
	atomic_store(&gate, 1);
	while (atomic_load(&gate) < 2)
		;
	return NULL;
}

/* To the process: a thread that has it unblocked takes it, whoever was asked. */
CASE(process_finds_thread)
{
	pthread_t thread;

	for (size_t i = 0; i < OWN; i++) {
		catch_info(own[i], recording, 0);
		block(own[i]);
	}
	must(pthread_create(&thread, NULL, open_thread, NULL) == 0);
	wait_gate(1);
	for (size_t i = 0; i < OWN; i++) {
		must(kill(getpid(), own[i]) == 0);
		wait_count((int)i + 1);
		say("%d: count %d, by the thread %d, code %d signo %d pid %d", own[i],
		    atomic_load(&count), pthread_equal(who, thread) != 0, seen.si_code,
		    seen.si_signo, seen.si_pid == getpid());
	}
	atomic_store(&gate, 2);
	pthread_join(thread, NULL);
}

static void *late_thread(void *arg)
{
	wait_gate(1);
	for (size_t i = 0; i < OWN; i++)
		unblock(own[i]);
	return NULL;
}

/* To the process, blocked in all threads: who unblocks it first has it. */
CASE(process_waits_for_unblock)
{
	union sigval value = {.sival_int = 31};
	pthread_t thread;

	for (size_t i = 0; i < OWN; i++) {
		catch_info(own[i], recording, 0);
		block(own[i]);
	}
	must(pthread_create(&thread, NULL, late_thread, NULL) == 0);
	for (size_t i = 0; i < OWN; i++)
		must(sigqueue(getpid(), own[i], value) == 0);
	say("pending %d, count %d", is_pending(SIGSEGV), atomic_load(&count));
	atomic_store(&gate, 1);
	pthread_join(thread, NULL);
	say("count %d, by the thread %d, value %d", atomic_load(&count),
	    pthread_equal(who, thread) != 0, seen.si_value.sival_int);
	say("pending %d", is_pending(SIGSEGV));
	for (size_t i = 0; i < OWN; i++)
		unblock(own[i]);
	say("count %d", atomic_load(&count));
}

/* To one thread: nobody else takes it. */
CASE(thread_keeps_its_own)
{
	pthread_t thread;

	catch_info(SIGBUS, recording, 0);
	block(SIGBUS);
	must(pthread_create(&thread, NULL, open_thread, NULL) == 0);
	wait_gate(1);
	pthread_kill(pthread_self(), SIGBUS);
	say("pending %d count %d", is_pending(SIGBUS), atomic_load(&count));
	atomic_store(&gate, 2);
	pthread_join(thread, NULL);
	unblock(SIGBUS);
	say("count %d, here %d code %d", atomic_load(&count),
	    pthread_equal(who, pthread_self()) != 0, seen.si_code);
}

/* Both kinds of one number: two signals, the thread's first */
CASE(thread_and_process)
{
	catch_info(SIGTRAP, recording, 0);
	block(SIGTRAP);
	kill(getpid(), SIGTRAP);
	pthread_kill(pthread_self(), SIGTRAP);
	kill(getpid(), SIGTRAP);
	pthread_kill(pthread_self(), SIGTRAP);
	unblock(SIGTRAP);
	say("count %d, last code %d", atomic_load(&count), seen.si_code);
}

static void *blocked_thread(void *arg)
{
	if (arg)
		raise(SIGFPE);
	atomic_store(&gate, 1);
	wait_gate(2);
	say("thread: pending %d", is_pending(SIGFPE));
	unblock(SIGFPE);
	return NULL;
}

/* Ignoring discards it, wherever it is pending. */
CASE(ignoring_discards_all)
{
	pthread_t thread;

	for (int to_thread = 0; to_thread < 2; to_thread++) {
		atomic_store(&gate, 0);
		catch_info(SIGFPE, recording, 0);
		block(SIGFPE);
		must(pthread_create(&thread, NULL, blocked_thread, to_thread ? &gate : NULL) == 0);
		wait_gate(1);
		if (!to_thread)
			kill(getpid(), SIGFPE);
		say("pending %d", is_pending(SIGFPE));
		must(signal(SIGFPE, SIG_IGN) != SIG_ERR);
		catch_info(SIGFPE, recording, 0);
		atomic_store(&gate, 2);
		pthread_join(thread, NULL);
		unblock(SIGFPE);
		say("count %d", atomic_load(&count));
	}
}

static void *exiting_thread(void *arg)
{
	kill(getpid(), SIGSEGV);
	pthread_kill(pthread_self(), SIGILL);
	say("thread: pending %d %d", is_pending(SIGSEGV), is_pending(SIGILL));
	return NULL;
}

/* A thread that ends leaves the process' behind, and takes its own along. */
CASE(thread_exit_leaves_it)
{
	pthread_t thread;

	catch_info(SIGSEGV, recording, 0);
	catch_info(SIGILL, recording, 0);
	block(SIGSEGV);
	block(SIGILL);
	must(pthread_create(&thread, NULL, exiting_thread, NULL) == 0);
	pthread_join(thread, NULL);
	say("pending %d %d", is_pending(SIGSEGV), is_pending(SIGILL));
	unblock(SIGSEGV);
	unblock(SIGILL);
	say("count %d", atomic_load(&count));
}

static void nothing_pending(void)
{
	sigset_t set;

	must(sigpending(&set) == 0);
	say("child: nothing pending %d", sigisemptyset(&set));
}

CASE(fork_child_has_none)
{
	for (size_t i = 0; i < OWN; i++) {
		catch_info(own[i], recording, 0);
		block(own[i]);
		kill(getpid(), own[i]);
		raise(own[i]);
	}
	in_child("child", nothing_pending);
	for (size_t i = 0; i < OWN; i++)
		unblock(own[i]);
	say("count %d", atomic_load(&count));
}

/* --- over an exec ------------------------------------------------------------------------ */

CASE(exec_new_image)
{
	struct timespec none = {0, 0};
	sigset_t set, all;
	siginfo_t info;

	must(sigpending(&set) == 0);
	for (int sig = 1; sig <= 64; sig++)
		if (sigismember(&set, sig))
			say("pending %d, blocked %d", sig, blocked(sig));
	sigfillset(&all);
	while (sigtimedwait(&all, &info, &none) > 0)
		say("signo %d code %d value %d", info.si_signo, info.si_code,
		    info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
}

static void exec_again(void)
{
	execl("/proc/self/exe", "pending", "exec_new_image", NULL);
	say("exec: errno %d", errno);
}

CASE(exec_keeps_pending)
{
	union sigval value = {.sival_int = 5};

	for (size_t i = 0; i < OWN; i++) {
		catch_info(own[i], recording, 0);
		block(own[i]);
		if (i & 1)
			must(sigqueue(getpid(), own[i], value) == 0);
		else
			kill(getpid(), own[i]);
	}
	block(SIGUSR1);
	kill(getpid(), SIGUSR1);
	exec_again();
}

CASE(exec_keeps_one)
{
	block(SIGTRAP);
	kill(getpid(), SIGTRAP);
	in_child("a child's", exec_again);
	exec_again();
}

/* An exec that fails keeps them, too. */
CASE(exec_failed_keeps_pending)
{
	for (size_t i = 0; i < OWN; i++) {
		catch_info(own[i], recording, 0);
		block(own[i]);
		if (i & 1)
			raise(own[i]);
		else
			kill(getpid(), own[i]);
	}
	execl("/nowhere", "nowhere", NULL);
	say("errno %d", errno);
	for (size_t i = 0; i < OWN; i++)
		say("%d: pending %d", own[i], is_pending(own[i]));
	for (size_t i = 0; i < OWN; i++)
		unblock(own[i]);
	say("count %d", atomic_load(&count));
}

/* --- none gets lost ------------------------------------------------------------------------- */

struct storm {
	atomic_int round;
	atomic_int done;
	atomic_int lost;
};

static struct storm *storm;

static void counting(int sig)
{
	atomic_fetch_add(&storm->done, 1);
}

static uint64_t nanoseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* One signal a round, somewhere in the calls that the agent emulates */
static void storm_sender(pid_t to, int rounds)
{
	uint32_t random = 12345;

	for (int i = 1; i <= rounds; i++) {
		while (atomic_load(&storm->round) < i)
			sched_yield();
		random = random * 1664525 + 1013904223;
		for (volatile uint32_t spin = random >> 21; spin; spin--)
			;
		kill(to, own[(random >> 10) % OWN]);
	}
	_exit(0);
}

/*
 * After the calls there is none that the agent would notice: what it has put
 * aside by then must come by itself.
 */
CASE(none_is_lost)
{
	const int rounds = 800;
	sigset_t set;
	pid_t pid, parent = getpid();

	storm = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(storm != MAP_FAILED);
	sigemptyset(&set);
	for (size_t i = 0; i < OWN; i++)
		catch_plain(own[i], counting, SA_RESTART);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		storm_sender(parent, rounds);
	for (int i = 1; i <= rounds; i++) {
		uint64_t end;

		atomic_store(&storm->round, i);
		for (int k = 0; k < 3; k++)
			sigprocmask(SIG_BLOCK, &set, NULL);
		end = nanoseconds() + 10000000000ull;
		while (atomic_load(&storm->done) < i) {
			if (nanoseconds() > end) {
				say("lost in round %d", i);
				kill(pid, SIGKILL);
				return;
			}
			sched_yield();
		}
	}
	say_status("sender", pid);
	say("rounds %d", atomic_load(&storm->done));
}

/*
 * What the agent passes on to a thread has a mark, which others could imitate: nobody
 * is made to believe in a fault that way (agent/signal/pending.c: forward_to()).
 */
CASE(imitated_fault)
{
	union {
		siginfo_t info;
		int32_t word[32];
	} u;

	catch_info(SIGFPE, recording, 0);
	catch_info(SIGSEGV, recording, 0);
	for (int code = 1; code < 3; code++) {
		memset(&u, 0, sizeof(u));
		u.info.si_signo = SIGFPE;
		u.info.si_code = -0x5357;
		u.word[9] = SIGSEGV;
		u.word[10] = code;
		u.word[11] = 0x73776678;
		must(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGFPE, &u.info) == 0);
		say("signo %d code %d", seen.si_signo, seen.si_code);
	}
}
