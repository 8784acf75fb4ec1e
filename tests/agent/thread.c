/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that come, go and are signalled. */
#include "case.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>

static __thread volatile int mine;
static volatile int total, stop;
static sem_t ready;

static void counting(int sig)
{
	mine++;
	__atomic_fetch_add(&total, 1, __ATOMIC_SEQ_CST);
}

static void *until_signalled(void *arg)
{
	sem_post(&ready);
	while (!mine)
		usleep(1000);
	return (void *)(uintptr_t)(mine == 1);
}

CASE(threads_signalled)
{
	pthread_t t[200];
	void *ret;
	int good = 0;

	sem_init(&ready, 0, 0);
	catch_plain(SIGUSR1, counting, 0);
	for (int i = 0; i < 200; i++)
		must(pthread_create(&t[i], NULL, until_signalled, NULL) == 0);
	for (int i = 0; i < 200; i++)
		while (sem_wait(&ready) < 0)
			;
	for (int i = 0; i < 200; i++)
		must(pthread_kill(t[i], SIGUSR1) == 0);
	for (int i = 0; i < 200; i++) {
		must(pthread_join(t[i], &ret) == 0);
		good += ret != NULL;
	}
	say("good %d total %d", good, total);
}

static void *nothing(void *arg)
{
	return arg;
}

CASE(short_threads)
{
	pthread_t t;
	void *ret;

	for (uintptr_t i = 0; i < 1000; i++) {
		must(pthread_create(&t, NULL, nothing, (void *)i) == 0);
		must(pthread_join(t, &ret) == 0 && ret == (void *)i);
	}
	say("done");
}

/* More than the agent has blocks for, one after the other */
CASE(very_many_threads)
{
	pthread_t t;

	for (int i = 0; i < 9000; i++) {
		must(pthread_create(&t, NULL, nothing, NULL) == 0);
		must(pthread_join(t, NULL) == 0);
	}
	say("done");
}

static void *faulting(void *arg)
{
	for (int i = 0; i < 200; i++) {
		raise(SIGSEGV);
		raise(SIGUSR1);
	}
	return (void *)(uintptr_t)(mine == 400);
}

CASE(threads_all_busy)
{
	pthread_t t[16];
	void *ret;
	int good = 0;

	catch_plain(SIGSEGV, counting, 0);
	catch_plain(SIGUSR1, counting, 0);
	for (int i = 0; i < 16; i++)
		must(pthread_create(&t[i], NULL, faulting, NULL) == 0);
	for (int i = 0; i < 16; i++) {
		must(pthread_join(t[i], &ret) == 0);
		good += ret != NULL;
	}
	say("good %d total %d", good, total);
}

static void *masks(void *arg)
{
	bool segv = blocked(SIGSEGV), usr1 = blocked(SIGUSR1);

	unblock(SIGUSR1);
	block(SIGILL);
	return (void *)(uintptr_t)(segv << 1 | usr1);
}

/* A thread starts with its creator's mask, and has its own from then on. */
CASE(thread_mask)
{
	pthread_t t;
	void *ret = NULL;

	block(SIGUSR1);
	block(SIGSEGV);
	must(pthread_create(&t, NULL, masks, NULL) == 0 && pthread_join(t, &ret) == 0);
	say("thread %d, here %d %d %d", (int)(uintptr_t)ret, blocked(SIGUSR1), blocked(SIGSEGV),
	    blocked(SIGILL));
}

static void *hanging(void *arg)
{
	char c;

	sem_post(&ready);
	(void)!read(((int *)arg)[0], &c, 1);
	return NULL;
}

/* glibc cancels by a signal of its own. */
CASE(cancel)
{
	int fds[2];
	pthread_t t;
	void *ret;

	sem_init(&ready, 0, 0);
	must(pipe(fds) == 0);
	for (int i = 0; i < 50; i++) {
		must(pthread_create(&t, NULL, hanging, fds) == 0);
		while (sem_wait(&ready) < 0)
			;
		must(pthread_cancel(t) == 0 && pthread_join(t, &ret) == 0);
		must(ret == PTHREAD_CANCELED);
	}
	say("done");
}

/* glibc changes the ids of all threads by another. */
CASE(setxid)
{
	int fds[2];
	pthread_t t[8];

	sem_init(&ready, 0, 0);
	must(pipe(fds) == 0);
	for (int i = 0; i < 8; i++) {
		must(pthread_create(&t[i], NULL, hanging, fds) == 0);
		while (sem_wait(&ready) < 0)
			;
	}
	say("setuid %d", setresuid(getuid(), getuid(), getuid()));
	for (int i = 0; i < 8; i++)
		must(write(fds[1], "x", 1) == 1);
	for (int i = 0; i < 8; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("done");
}

static void *spinning(void *arg)
{
	while (!stop)
		sched_yield();
	return NULL;
}

static void *storming(void *arg)
{
	pthread_t *t = arg;

	for (int i = 0; i < 500; i++) {
		pthread_kill(t[0], SIGUSR1);
		pthread_kill(t[1], SIGSEGV);
	}
	return NULL;
}

CASE(signal_storm)
{
	pthread_t spin[2], storm[2];

	catch_plain(SIGUSR1, counting, 0);
	catch_plain(SIGSEGV, counting, 0);
	for (int i = 0; i < 2; i++)
		must(pthread_create(&spin[i], NULL, spinning, NULL) == 0);
	for (int i = 0; i < 2; i++)
		must(pthread_create(&storm[i], NULL, storming, spin) == 0);
	for (int i = 0; i < 2; i++)
		must(pthread_join(storm[i], NULL) == 0);
	stop = 1;
	for (int i = 0; i < 2; i++)
		must(pthread_join(spin[i], NULL) == 0);
	say("some %d", total > 0);
}

static void *last(void *arg)
{
	must(pthread_join(*(pthread_t *)arg, NULL) == 0);
	say("main is gone");
	exit(6);
}

/* The first thread ends before the others. */
CASE(main_thread_exits)
{
	static pthread_t self;
	pthread_t t;

	self = pthread_self();
	must(pthread_create(&t, NULL, last, &self) == 0);
	pthread_exit(NULL);
}

static int raw_child(void *arg)
{
	*(volatile int *)arg = blocked(SIGUSR1) ? 11 : 12;
	syscall(SYS_exit, 7);
	return 0;
}

/* A process in the same memory that is neither thread nor vfork child */
CASE(clone_vm)
{
	static volatile int word;
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	must(stack != MAP_FAILED);
	block(SIGUSR1);
	for (int i = 0; i < 20; i++) {
		word = 0;
		pid = clone(raw_child, stack + 65536, CLONE_VM | SIGCHLD, (void *)&word);
		must(pid > 0);
		say_status("child", pid);
		say("word %d", word);
	}
}

static void *ending(void *arg)
{
	if ((uintptr_t)arg & 1)
		pthread_exit(NULL);
	return NULL;
}

CASE(detached_threads)
{
	pthread_attr_t attr;
	pthread_t t;

	catch_plain(SIGUSR1, counting, SA_RESTART);
	must(pthread_attr_init(&attr) == 0);
	must(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
	for (uintptr_t i = 0; i < 500; i++) {
		while (pthread_create(&t, &attr, ending, (void *)i) == EAGAIN)
			sched_yield();
		kill(getpid(), SIGUSR1);
	}
	say("done");
}
