/* SPDX-License-Identifier: BSD-3-Clause */
/* Entering and leaving, and the kernel's own round trips to hold against it. */
#include "encl.h"
#include "probe.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define BATCHES	    40u
#define TRAPS	    20u /* in a batch */
#define TURNS	    50u
#define SPIN_ROUNDS 2000u /* as the agent's, before it sleeps */

static void skip_ud2(int sig, siginfo_t *si, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

/**
 * probe_sigill() - #UD, handler, sigreturn
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_sigill(struct sample *s)
{
	struct sigaction sa = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO}, old;
	uint64_t start;

	if (sigaction(SIGILL, &sa, &old))
		return -errno;
	for (unsigned b = 0; b < BATCHES; b++) {
		start = now_ns();
		for (unsigned i = 0; i < TRAPS; i++)
			__asm__ volatile("ud2");
		batch_end(s, start, TRAPS);
	}
	sigaction(SIGILL, &old, NULL);
	return 0;
}

static void answer_call(int sig, siginfo_t *si, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 0;
}

/* In a child: a filter is for ever */
static int time_sigsys(struct sample *s)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};
	struct sigaction sa = {.sa_sigaction = answer_call, .sa_flags = SA_SIGINFO};
	uint64_t start;

	if (sigaction(SIGSYS, &sa, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return -errno;
	for (unsigned b = 0; b < BATCHES; b++) {
		start = now_ns();
		for (unsigned i = 0; i < TRAPS; i++)
			if (syscall(SYS_getpriority, 0, 0))
				return -EIO;
		batch_end(s, start, TRAPS);
	}
	return 0;
}

/**
 * probe_sigsys() - seccomp's TRAP, handler, sigreturn
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_sigsys(struct sample *s)
{
	struct sample *shared =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ret, status = 0;
	pid_t pid;

	if (shared == MAP_FAILED)
		return -errno;
	pid = fork();
	if (!pid)
		_exit(time_sigsys(shared) ? 1 : 0);
	ret = pid < 0 || waitpid(pid, &status, 0) != pid ? -errno : 0;
	if (!ret && status)
		ret = -ENOSYS;
	*s = *shared;
	munmap(shared, PAGE);
	return ret;
}

/**
 * word_await() - until the other end has said something
 * @w:	   word in shared memory
 * @value: what is awaited
 */
void word_await(struct word *w, uint32_t value)
{
	uint32_t now;

	for (unsigned i = 0; i < SPIN_ROUNDS; i++) {
		if (__atomic_load_n(&w->value, __ATOMIC_ACQUIRE) == value)
			return;
		__builtin_ia32_pause();
	}
	__atomic_store_n(&w->sleeps, 1, __ATOMIC_SEQ_CST);
	while ((now = __atomic_load_n(&w->value, __ATOMIC_SEQ_CST)) != value)
		syscall(SYS_futex, &w->value, FUTEX_WAIT, now, NULL, NULL, 0);
	__atomic_store_n(&w->sleeps, 0, __ATOMIC_SEQ_CST);
}

/**
 * word_post() - say something to the other end
 * @w:	   word in shared memory
 * @value: what
 */
void word_post(struct word *w, uint32_t value)
{
	__atomic_store_n(&w->value, value, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&w->sleeps, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &w->value, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void __attribute__((noreturn)) answer_turns(struct turns *t)
{
	for (uint32_t i = 1; i <= BATCHES * TURNS; i++) {
		word_await(&t->question, i);
		word_post(&t->answer, i);
	}
	_exit(0);
}

/**
 * pin() - run on one CPU
 *
 * Beside each other, or the scheduler decides what is measured; with one CPU it does.
 * @allowed: of this process
 * @skip:    so many of these
 */
void pin(const cpu_set_t *allowed, unsigned skip)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed) || skip--)
			continue;
		CPU_SET(cpu, &one);
		(void)sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/**
 * probe_shm() - a word there and a word back between two processes
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_shm(struct sample *s)
{
	struct turns *t =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cpu_set_t allowed;
	uint64_t start = 0;
	pid_t pid;

	if (t == MAP_FAILED)
		return -errno;
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		CPU_ZERO(&allowed);
	pid = fork();
	if (!pid) {
		pin(&allowed, 1);
		answer_turns(t);
	}
	if (pid < 0)
		return -errno;
	pin(&allowed, 0);
	for (uint32_t i = 1; i <= BATCHES * TURNS; i++) {
		if (i % TURNS == 1)
			start = now_ns();
		word_post(&t->question, i);
		word_await(&t->answer, i);
		if (i % TURNS == 0)
			batch_end(s, start, TURNS);
	}
	waitpid(pid, NULL, 0);
	(void)sched_setaffinity(0, sizeof(allowed), &allowed);
	munmap(t, PAGE);
	return 0;
}

/**
 * probe_enter() - EENTER and EEXIT through the vDSO function
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_enter(struct sample *s)
{
	struct encl *e;
	uint64_t start;
	int ret = encl_shared(&e);

	if (ret)
		return ret;
	for (unsigned b = 0; b < BATCHES; b++) {
		start = now_ns();
		for (unsigned i = 0; i < TRAPS; i++)
			if (encl_enter(e, NULL, NULL, 0, NULL))
				return -EIO;
		batch_end(s, start, TRAPS);
	}
	return 0;
}
