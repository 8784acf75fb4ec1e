/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that the agent lets by, and some that it takes; and CPUID. */
#include "probe.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCHES 20u
#define CHEAP	500u /* in a batch */
#define CALLS	40u
#define TASKS	4u

/**
 * probe_getppid() - a system call that is nobody's business
 * @s: answer
 *
 * Return: 0
 */
int probe_getppid(struct sample *s)
{
	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CHEAP; i++)
			syscall(SYS_getppid);
		batch_end(s, start, CHEAP);
	}
	return 0;
}

static int probe_leaf(struct sample *s, uint32_t leaf)
{
	uint32_t a, b, c, d;

	for (unsigned n = 0; n < BATCHES; n++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CALLS; i++)
			__cpuid(leaf, a, b, c, d);
		batch_end(s, start, CALLS);
	}
	return 0;
}

/**
 * probe_cpuid() - CPUID of a leaf that is the same on all processors
 * @s: answer
 *
 * Return: 0
 */
int probe_cpuid(struct sample *s)
{
	return probe_leaf(s, 0);
}

/**
 * probe_cpuid_own() - CPUID of a leaf that says which processor this is
 * @s: answer
 *
 * Return: 0
 */
int probe_cpuid_own(struct sample *s)
{
	return probe_leaf(s, 1);
}

/**
 * probe_sigmask() - rt_sigprocmask
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_sigmask(struct sample *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CALLS; i++)
			if (sigprocmask(i % 2 ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL))
				return -errno;
		batch_end(s, start, CALLS);
	}
	return 0;
}

/**
 * probe_open() - openat and close
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_open(struct sample *s)
{
	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CALLS; i++) {
			int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

			if (fd < 0)
				return -errno;
			close(fd);
		}
		batch_end(s, start, CALLS);
	}
	return 0;
}

/**
 * probe_fork() - fork, _exit, wait
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_fork(struct sample *s)
{
	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < TASKS; i++) {
			pid_t pid = fork();

			if (!pid)
				_exit(0);
			if (pid < 0 || waitpid(pid, NULL, 0) != pid)
				return -errno;
		}
		batch_end(s, start, TASKS);
	}
	return 0;
}

static void *nothing(void *arg)
{
	return arg;
}

/**
 * probe_thread() - create a thread, and join it
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_thread(struct sample *s)
{
	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < TASKS; i++) {
			pthread_t thread;
			int ret = pthread_create(&thread, NULL, nothing, NULL);

			if (ret)
				return -ret;
			pthread_join(thread, NULL);
		}
		batch_end(s, start, TASKS);
	}
	return 0;
}

static volatile sig_atomic_t handled;

static void count(int sig)
{
	handled++;
}

/**
 * probe_handler() - a signal to oneself: kill, handler, sigreturn
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_handler(struct sample *s)
{
	struct sigaction sa = {.sa_handler = count}, old;
	pid_t pid = getpid();
	int ret = 0;

	if (sigaction(SIGUSR1, &sa, &old))
		return -errno;
	handled = 0;
	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CALLS && !ret; i++)
			ret = kill(pid, SIGUSR1) ? -errno : 0;
		batch_end(s, start, CALLS);
	}
	sigaction(SIGUSR1, &old, NULL);
	return ret || handled != (sig_atomic_t)(BATCHES * CALLS) ? -EIO : 0;
}
