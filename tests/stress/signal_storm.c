/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: signal_storm [--seconds N] [--threads N] [--rate HZ] [--enclaves N]
 *
 * A storm of signals over threads that work meanwhile; nothing may get lost, come
 * twice, out of order or with another payload, and no register may change.  The
 * verdict is the same bare and under `swsgx run`.
 *
 *	to each thread	queued real-time signals, numbered (pthread_sigqueue); a timer
 *			(SIGEV_THREAD_ID); SIGUSR1 and signals of the agent's own, of
 *			which the last must arrive
 *	to the process	queued ones of another process, each exactly once
 *
 * The threads compute with patterns in all registers, make system calls, change
 * their masks, allocate, and fork now and then.  With --enclaves that many of them
 * count inside an enclave instead (under swsgx only).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef STORM_ENCLAVES
#include "encl.h"

#include <harness/harness.h>
#endif

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define THREADS_MAX 64
/* Not more than this many at a time are under way to one receiver */
#define IN_FLIGHT 48
/* How long the last ones may take: not a measure, only an end */
#define PATIENCE_S   60

#define SIG_NUMBERED (SIGRTMIN + 2)
#define SIG_TIMER    (SIGRTMIN + 3)
#define SIG_PROCESS  (SIGRTMIN + 4)

/* Not those that the agent itself may cause: CAVEATS.md says how they can merge */
static const int plain[] = {SIGUSR1, SIGTRAP, SIGUSR2, SIGFPE, SIGBUS};
#define PLAIN (sizeof(plain) / sizeof(plain[0]))

struct worker {
	pthread_t thread;
	unsigned int index;
	bool enclave;
	atomic_uint sent, received; /* SIG_NUMBERED; payload counts from 0 */
	atomic_uint came[PLAIN];
	atomic_uint ticks; /* of its timer, with what overran */
	atomic_bool ready, done;
	uint64_t rounds;
	uint64_t leave; /* the enclave looks at it */
};

/* Shared with the sender outside */
struct process_queue {
	atomic_uint sent, received;
	atomic_ullong sum_sent, sum_received;
	atomic_bool stop;
};

static struct worker workers[THREADS_MAX];
static unsigned int worker_count = 8;
static struct process_queue *queue;
static atomic_bool stop;
static __thread struct worker *self;

static void fail(const char *what, uint64_t a, uint64_t b)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "signal_storm: %s: %#llx, not %#llx\n", what,
			 (unsigned long long)a, (unsigned long long)b);

	if (n > 0 && write(2, line, (size_t)n) < 0)
		_exit(3);
	_exit(1);
}

static void check(const char *what, uint64_t a, uint64_t b)
{
	if (a != b)
		fail(what, a, b);
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(2);
}

/* --- receivers ------------------------------------------------------------------------------- */

/* A handler that uses the vector registers */
static void disturb(void)
{
	static const uint64_t ones[2] = {~0ull, ~0ull};

	__asm__ volatile("movdqu (%0), %%xmm0; movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm7;"
			 "movdqa %%xmm0, %%xmm8; movdqa %%xmm0, %%xmm15; fld1; fstp %%st(0)"
			 :
			 : "r"(ones)
			 : "xmm0", "xmm1", "xmm7", "xmm8", "xmm15", "memory");
}

static void on_numbered(int sig, siginfo_t *info, void *uc)
{
	struct worker *w = self;
	unsigned int expected = atomic_load(&w->received);

	disturb();
	check("si_signo", (uint64_t)info->si_signo, (uint64_t)SIG_NUMBERED);
	check("si_code", (uint64_t)info->si_code, (uint64_t)SI_QUEUE);
	check("si_pid", (uint64_t)info->si_pid, (uint64_t)getpid());
	check("payload", (uint64_t)info->si_value.sival_ptr, (uint64_t)w->index << 32 | expected);
	atomic_store(&w->received, expected + 1);
	if (expected % 16 == 0)
		w->leave = 1;
}

static void on_timer(int sig, siginfo_t *info, void *uc)
{
	disturb();
	check("timer's payload", (uint64_t)info->si_value.sival_int, self->index);
	atomic_fetch_add(&self->ticks, 1 + (unsigned int)info->si_overrun);
}

static void on_process(int sig, siginfo_t *info, void *uc)
{
	disturb();
	atomic_fetch_add(&queue->sum_received, (unsigned long long)info->si_value.sival_int);
	atomic_fetch_add(&queue->received, 1);
}

static void on_plain(int sig, siginfo_t *info, void *uc)
{
	disturb();
	check("sent by tgkill", (uint64_t)info->si_code, (uint64_t)SI_TKILL);
	for (size_t i = 0; i < PLAIN; i++)
		if (plain[i] == sig)
			atomic_fetch_add(&self->came[i], 1);
}

static void catch (int sig, void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction act = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | SA_RESTART};

	must(sigaction(sig, &act, NULL) == 0, "sigaction");
}

/* --- work --------------------------------------------------------------------------------------- */

/* Patterns in the registers over a while, long enough for some signals */
static void registers(uint64_t seed)
{
	uint64_t in[32], out[32], gpr[8] = {0}, k;

	for (k = 0; k < 32; k++)
		in[k] = seed * 0x9e3779b97f4a7c15ull + k;
	__asm__ volatile(
		".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
		"movdqu 16 * \\n(%[in]), %%xmm\\n\n"
		".endr\n"
		"mov %[seed], %%r8; mov %[seed], %%r9; mov %[seed], %%r10; mov %[seed], %%r11\n"
		"mov %[seed], %%r12; mov %[seed], %%r13; mov %[seed], %%r14; mov %[seed], %%r15\n"
		"mov $4000, %%ecx\n"
		"1: add $1, %%r8; add $1, %%r9; add $1, %%r10; add $1, %%r11\n"
		"add $1, %%r12; add $1, %%r13; add $1, %%r14; add $1, %%r15\n"
		"dec %%ecx; jnz 1b\n"
		"mov %%r8, 0(%[gpr]); mov %%r9, 8(%[gpr]); mov %%r10, 16(%[gpr])\n"
		"mov %%r11, 24(%[gpr]); mov %%r12, 32(%[gpr]); mov %%r13, 40(%[gpr])\n"
		"mov %%r14, 48(%[gpr]); mov %%r15, 56(%[gpr])\n"
		".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
		"movdqu %%xmm\\n, 16 * \\n(%[out])\n"
		".endr\n"
		:
		: [in] "D"(in), [out] "S"(out), [gpr] "b"(gpr), [seed] "d"(seed)
		: "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc",
		  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
		  "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	for (k = 0; k < 32; k++)
		check("vector register", out[k], in[k]);
	for (k = 0; k < 8; k++)
		check("register", gpr[k], seed + 4000);
}

static void system_calls(struct worker *w)
{
	char buf[16];
	ssize_t n;
	int fd;

	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "open");
	memset(buf, 1, sizeof(buf));
	n = read(fd, buf, sizeof(buf));
	check("read", (uint64_t)n, sizeof(buf));
	check("what was read", (uint64_t)buf[7], 0);
	check("close", (uint64_t)close(fd), 0);
	check("getpid", (uint64_t)getpid(), (uint64_t)syscall(SYS_getpid));
}

static void masks(struct worker *w)
{
	unsigned int before;
	sigset_t set, old;

	sigfillset(&set);
	check("block", (uint64_t)pthread_sigmask(SIG_SETMASK, &set, &old), 0);
	before = atomic_load(&w->received);
	registers(w->rounds);
	check("received while blocked", atomic_load(&w->received), before);
	check("unblock", (uint64_t)pthread_sigmask(SIG_SETMASK, &old, &set), 0);
	check("SIGSEGV was blocked", (uint64_t)sigismember(&set, SIGSEGV), 1);
	check("SIG_NUMBERED was blocked", (uint64_t)sigismember(&set, SIG_NUMBERED), 1);
}

static void memory(uint64_t seed)
{
	size_t size = 64 + seed % 5000;
	unsigned char *p = malloc(size), *q;

	must(p != NULL, "malloc");
	memset(p, (int)(seed & 255), size);
	q = realloc(p, 2 * size);
	must(q != NULL, "realloc");
	for (size_t i = 0; i < size; i += 61)
		check("memory", q[i], seed & 255);
	free(q);
}

static void fork_once(void)
{
	pid_t pid = fork(), got;
	int status;

	must(pid >= 0, "fork");
	if (pid == 0)
		_exit(41);
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	check("waitpid", (uint64_t)got, (uint64_t)pid);
	check("child's status", (uint64_t)status, 41 << 8);
}

static void naps(void)
{
	struct timespec ts = {0, 100000};

	while (nanosleep(&ts, &ts) < 0)
		check("nanosleep", (uint64_t)errno, EINTR);
}

#ifdef STORM_ENCLAVES
static pthread_mutex_t build_lock = PTHREAD_MUTEX_INITIALIZER;

static void work_inside(struct worker *w)
{
	struct encl e;

	pthread_mutex_lock(&build_lock);
	encl_build(&e, &(struct encl_opts){.nssa = 2, .xfrm = encl_xfrm()});
	pthread_mutex_unlock(&build_lock);
	atomic_store(&w->ready, true);
	while (!atomic_load(&w->done)) {
		struct encl_op o;

		w->leave = 0;
		if (w->rounds++ % 4 == 0) {
			o = encl_op(&e, 0, OP_NOP, 1, 2, 3, 4);
			check("CSSA", o.regs.rsi, 0);
			continue;
		}
		if (atomic_load(&stop))
			w->leave = 1;
		o = encl_op(&e, 0, OP_COUNT, (uint64_t)&w->leave, encl_nowhere(), e.opts.xfrm, 0);
		check("register inside", o.regs.r8, 0);
	}
	encl_free(&e);
}
#endif

static void work(struct worker *w)
{
	atomic_store(&w->ready, true);
	while (!atomic_load(&w->done)) {
		uint64_t n = w->rounds++;

		registers(n * w->index + 1);
		switch (n % 5) {
		case 0:
			system_calls(w);
			break;
		case 1:
			masks(w);
			break;
		case 2:
			memory(n);
			break;
		case 3:
			naps();
			break;
		default:
			if (n % 200 == 4)
				fork_once();
			break;
		}
	}
}

static void *worker_main(void *arg)
{
	struct itimerspec period = {{0, 4000000}, {0, 4000000}}, off = {0};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIG_TIMER};
	struct worker *w = arg;
	timer_t timer;

	self = w;
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	event.sigev_value.sival_int = (int)w->index;
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	must(timer_settime(timer, 0, &period, NULL) == 0, "timer_settime");
#ifdef STORM_ENCLAVES
	if (w->enclave)
		work_inside(w);
	else
#endif
		work(w);
	must(timer_settime(timer, 0, &off, NULL) == 0, "timer_settime");
	must(timer_delete(timer) == 0, "timer_delete");
	return NULL;
}

/* --- senders ------------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void send_numbered(struct worker *w)
{
	unsigned int n = atomic_load(&w->sent);
	union sigval value = {.sival_ptr = (void *)((uint64_t)w->index << 32 | n)};

	if (n - atomic_load(&w->received) >= IN_FLIGHT)
		return;
	if (pthread_sigqueue(w->thread, SIG_NUMBERED, value) == 0)
		atomic_store(&w->sent, n + 1);
}

/* Another process: its signals are to ours as a whole. */
static void outside_sender(pid_t to, unsigned int per_tick)
{
	struct timespec ts = {0, 1000000};
	union sigval value;

	while (!atomic_load(&queue->stop) && getppid() == to) {
		for (unsigned int i = 0; i < per_tick; i++) {
			unsigned int n = atomic_load(&queue->sent);

			if (n - atomic_load(&queue->received) >= IN_FLIGHT)
				break;
			value.sival_int = (int)(n % 100003);
			if (sigqueue(to, SIG_PROCESS, value) < 0)
				break;
			atomic_fetch_add(&queue->sum_sent, n % 100003);
			atomic_store(&queue->sent, n + 1);
		}
		nanosleep(&ts, NULL);
	}
	_exit(0);
}

/* Each tick: what the rate asks for, over all threads in turn */
static void storm(uint64_t seconds, unsigned int rate)
{
	uint64_t end = now_ns() + seconds * 1000000000ull, begin = now_ns(), last = begin;
	uint64_t owed = 0, turn = 0, tick = 0;
	struct timespec ts = {0, 500000};

	while (now_ns() < end) {
		uint64_t now = now_ns();

		owed += (now - last) * rate;
		last = now;
		if (owed > 1000000000ull * rate / 50)
			owed = 1000000000ull * rate / 50; /* after a long pause */
		for (; owed >= 1000000000ull; owed -= 1000000000ull)
			send_numbered(&workers[turn++ % worker_count]);
		if (++tick % 2 == 0)
			pthread_kill(workers[tick / 2 % worker_count].thread,
				     plain[tick / 16 % PLAIN]);
		nanosleep(&ts, NULL);
	}
}

static bool wait_for(atomic_uint *value, unsigned int wanted)
{
	uint64_t end = now_ns() + PATIENCE_S * 1000000000ull;
	struct timespec ts = {0, 1000000};

	while ((int)(atomic_load(value) - wanted) < 0) {
		if (now_ns() > end)
			return false;
		nanosleep(&ts, NULL);
	}
	return true;
}

/* All that was sent has come; and one more of each that is not queued comes, too. */
static bool settle(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < worker_count; i++) {
		struct worker *w = &workers[i];

		if (!wait_for(&w->received, atomic_load(&w->sent))) {
			printf("thread %u: %u sent, %u received\n", i, atomic_load(&w->sent),
			       atomic_load(&w->received));
			ok = false;
		}
		for (size_t k = 0; k < PLAIN; k++) {
			unsigned int before = atomic_load(&w->came[k]);

			must(pthread_kill(w->thread, plain[k]) == 0, "pthread_kill");
			if (!wait_for(&w->came[k], before + 1)) {
				printf("thread %u: the last signal %d is lost\n", i, plain[k]);
				ok = false;
			}
		}
	}
	if (!wait_for(&queue->received, atomic_load(&queue->sent))) {
		printf("process: %u sent, %u received\n", atomic_load(&queue->sent),
		       atomic_load(&queue->received));
		ok = false;
	}
	if (atomic_load(&queue->sum_sent) != atomic_load(&queue->sum_received)) {
		printf("process: payloads are not what was sent\n");
		ok = false;
	}
	return ok;
}

static unsigned long option(int argc, char **argv, const char *name, unsigned long dflt)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return strtoul(argv[i + 1], NULL, 10);
	return dflt;
}

/* The main thread gets none of the storm but does the sending. */
static void start(unsigned int enclaves)
{
	sigset_t all, old;

	sigfillset(&all);
	for (unsigned int i = 0; i < worker_count; i++) {
		struct worker *w = &workers[i];

		w->index = i;
		w->enclave = i < enclaves;
		must(pthread_create(&w->thread, NULL, worker_main, w) == 0, "pthread_create");
	}
	must(pthread_sigmask(SIG_SETMASK, &all, &old) == 0, "pthread_sigmask");
	for (unsigned int i = 0; i < worker_count; i++)
		while (!atomic_load(&workers[i].ready))
			sched_yield();
}

int main(int argc, char **argv)
{
	unsigned long seconds = option(argc, argv, "--seconds", 2);
	unsigned int rate = (unsigned int)option(argc, argv, "--rate", 10000);
	unsigned int enclaves = (unsigned int)option(argc, argv, "--enclaves", 0);
	unsigned long long numbered = 0, ticks = 0, others = 0, rounds = 0;
	pid_t sender, parent = getpid();
	uint64_t begin;
	bool ok;

#ifdef STORM_ENCLAVES
	if (argc > 1 && !strcmp(argv[1], "--bare"))
		return harness_bare_main(argv + 2);
#endif
	worker_count = (unsigned int)option(argc, argv, "--threads", worker_count);
	must(worker_count >= 1 && worker_count <= THREADS_MAX && enclaves <= worker_count, "usage");
#ifndef STORM_ENCLAVES
	must(enclaves == 0, "enclaves: not built in");
#endif
	queue = mmap(NULL, sizeof(*queue), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	must(queue != MAP_FAILED, "mmap");
	catch (SIG_NUMBERED, on_numbered);
	catch (SIG_TIMER, on_timer);
	catch (SIG_PROCESS, on_process);
	for (size_t i = 0; i < PLAIN; i++)
		catch (plain[i], on_plain);
	start(enclaves);
	sender = fork();
	must(sender >= 0, "fork");
	if (sender == 0)
		outside_sender(parent, rate / 10000 + 1);
	begin = now_ns();
	storm(seconds, rate > 1500 ? rate - 1500 : rate);
	atomic_store(&queue->stop, true);
	must(waitpid(sender, NULL, 0) == sender, "waitpid");
	atomic_store(&stop, true);
	begin = now_ns() - begin;
	ok = settle();
	for (unsigned int i = 0; i < worker_count; i++) {
		atomic_store(&workers[i].done, true);
		__atomic_store_n(&workers[i].leave, 1, __ATOMIC_RELEASE);
	}
	for (unsigned int i = 0; ok && i < worker_count; i++) {
		struct worker *w = &workers[i];

		/* an enclave may just have cleared it */
		while (pthread_tryjoin_np(w->thread, NULL) != 0) {
			__atomic_store_n(&w->leave, 1, __ATOMIC_RELEASE);
			sched_yield();
		}
		numbered += atomic_load(&w->received);
		ticks += atomic_load(&w->ticks);
		rounds += w->rounds;
		for (size_t k = 0; k < PLAIN; k++)
			others += atomic_load(&w->came[k]);
	}
	printf("%llu numbered, %u to the process, %llu ticks, %llu others: %llu a second, %llu "
	       "rounds of work: %s\n",
	       numbered, atomic_load(&queue->received), ticks, others,
	       (numbered + atomic_load(&queue->received) + ticks + others) * 1000000000ull / begin,
	       rounds, ok ? "nothing lost" : "LOST");
	return ok ? 0 : 1;
}
