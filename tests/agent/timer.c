/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that come at any instruction. */
#include "case.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/time.h>

static volatile sig_atomic_t count;
static volatile uint64_t bad;

static void counting(int sig)
{
	count++;
}

static void every_ms(void)
{
	struct itimerval it = {{0, 1000}, {0, 1000}};

	must(setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static void stop_timer(void)
{
	struct itimerval it = {{0, 0}, {0, 0}};

	must(setitimer(ITIMER_REAL, &it, NULL) == 0);
}

/* A computation whose result says whether any register was lost */
static uint64_t mix(uint64_t rounds)
{
	uint64_t a = 1, b = 2, c = 3, d = 4;
	double x = 1.0;

	for (uint64_t i = 0; i < rounds; i++) {
		a = a * 6364136223846793005ull + 1442695040888963407ull;
		b ^= a >> 7;
		c += b * 3;
		d = (d << 5 | d >> 59) ^ c;
		x = x * 1.0000001 + 1e-9;
	}
	return a ^ b ^ c ^ d ^ (uint64_t)(x * 1e9);
}

CASE(itimer_compute)
{
	uint64_t quiet = mix(1000000), r;

	catch_plain(SIGALRM, counting, 0);
	every_ms();
	do {
		r = mix(1000000);
		if (r != quiet)
			bad++;
	} while (count < 60);
	stop_timer();
	say("bad %d", (int)bad);
}

CASE(itimer_trapped_calls)
{
	struct stat st;
	sigset_t set;
	int fd;

	catch_plain(SIGALRM, counting, SA_RESTART);
	every_ms();
	do {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		must(fd >= 0);
		must(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
		must(access("/", F_OK) == 0);
		must(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
		must(!sigismember(&set, SIGALRM));
		must(close(fd) == 0);
		must(open("/proc/nonexistent", O_RDONLY) == -1 && errno == ENOENT);
	} while (count < 100);
	stop_timer();
	say("done");
}

CASE(itimer_fork)
{
	int status;
	pid_t pid;

	catch_plain(SIGALRM, counting, SA_RESTART);
	every_ms();
	for (int i = 0; i < 60; i++) {
		pid = fork();
		must(pid >= 0);
		if (pid == 0)
			_exit(i);
		while (waitpid(pid, &status, 0) < 0)
			must(errno == EINTR);
		must(WIFEXITED(status) && WEXITSTATUS(status) == i);
	}
	stop_timer();
	say("done");
}

static volatile int done;
static void *sender(void *arg)
{
	union sigval value = {.sival_int = 1};
	int sent = 0;

	while (sent < 2000) {
		if (sigqueue(getpid(), SIGRTMIN, value) == 0)
			sent++;
		else
			must(errno == EAGAIN);
	}
	done = 1;
	return NULL;
}

static volatile sig_atomic_t queued;
static void queue_count(int sig, siginfo_t *info, void *uc)
{
	queued += info->si_value.sival_int;
}

/* Queued signals: as many come as were sent, whatever the program does. */
CASE(queued_conserved)
{
	sigset_t set;
	pthread_t t;
	int fd;

	catch_info(SIGRTMIN, queue_count, SA_RESTART);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	must(pthread_create(&t, NULL, sender, NULL) == 0);
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
	while (!done) {
		fd = open("/dev/null", O_RDONLY);
		must(fd >= 0);
		close(fd);
		must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
		mix(100);
		must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
		getppid();
	}
	must(pthread_join(t, NULL) == 0);
	say("queued %d", queued);
}

CASE(itimer_handler_calls)
{
	/* stdio, malloc and trapped calls in handlers of several signals at once */
	struct itimerval it = {{0, 700}, {0, 700}};

	catch_plain(SIGALRM, counting, SA_RESTART);
	catch_plain(SIGVTALRM, counting, SA_RESTART);
	catch_plain(SIGPROF, counting, SA_RESTART);
	must(setitimer(ITIMER_REAL, &it, NULL) == 0 && setitimer(ITIMER_VIRTUAL, &it, NULL) == 0 &&
	     setitimer(ITIMER_PROF, &it, NULL) == 0);
	do {
		int fd = open("/dev/zero", O_RDONLY);
		char buf[512];

		must(fd >= 0 && read(fd, buf, sizeof(buf)) == sizeof(buf) && close(fd) == 0);
	} while (count < 200);
	it = (struct itimerval){{0, 0}, {0, 0}};
	must(setitimer(ITIMER_REAL, &it, NULL) == 0 && setitimer(ITIMER_VIRTUAL, &it, NULL) == 0 &&
	     setitimer(ITIMER_PROF, &it, NULL) == 0);
	say("done");
}
