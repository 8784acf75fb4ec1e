/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What everyday programs do with the kernel, built as a static-pie of glibc's and
 * as a static program of musl's: neither has an ld.so that the agent could lean on.
 * Prints one line for each thing, the same every time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS	2000

extern char **environ;

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

#define MUST(x)                  \
	do {                     \
		if (!(x))        \
			die(#x); \
	} while (0)

/* --- threads ---------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static unsigned long total, turn;
static __thread unsigned long own;

static void *adder(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		own++;
		pthread_mutex_lock(&mutex);
		total++;
		pthread_mutex_unlock(&mutex);
	}
	return (void *)own;
}

static void *in_turn(void *arg)
{
	unsigned long me = (unsigned long)arg;

	for (unsigned i = 0; i < 50; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % THREADS != me)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void threads(void)
{
	pthread_t thread[THREADS];
	unsigned long sum = 0;
	void *ret;

	for (unsigned long i = 0; i < THREADS; i++)
		MUST(!pthread_create(&thread[i], NULL, adder, NULL));
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &ret);
		sum += (unsigned long)ret;
	}
	for (unsigned long i = 0; i < THREADS; i++)
		MUST(!pthread_create(&thread[i], NULL, in_turn, (void *)i));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	MUST(!pthread_create(&thread[0], NULL, sleeper, NULL));
	pthread_cancel(thread[0]);
	pthread_join(thread[0], &ret);
	printf("threads: %lu %lu %lu, cancelled %d\n", total, sum, turn, ret == PTHREAD_CANCELED);
}

/* --- signals ------------------------------------------------------------------------ */

static sigjmp_buf back;
static volatile sig_atomic_t seen[65];
static char *volatile fault_at;

static void note(int sig, siginfo_t *info, void *uc)
{
	seen[sig]++;
}

static void jump(int sig, siginfo_t *info, void *uc)
{
	seen[sig]++;
	fault_at = info->si_addr;
	siglongjmp(back, sig);
}

static void faults(void)
{
	stack_t ss = {.ss_sp = malloc(64 << 10), .ss_size = 64 << 10}, old;
	struct sigaction sa = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int zero = 0, got[4];
	char path[] = "short.XXXXXX";
	char *file;
	int fd;

	MUST(!sigaltstack(&ss, NULL));
	MUST(!sigaction(SIGSEGV, &sa, NULL) && !sigaction(SIGBUS, &sa, NULL) &&
	     !sigaction(SIGFPE, &sa, NULL) && !sigaction(SIGILL, &sa, NULL));
	got[0] = sigsetjmp(back, 1);
	if (!got[0])
		*(volatile char *)page = 1;
	printf("faults: SIGSEGV %d, at the page %d\n", got[0] == SIGSEGV, fault_at == page);
	MUST((fd = mkstemp(path)) >= 0);
	file = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	MUST(file != MAP_FAILED);
	got[1] = sigsetjmp(back, 1);
	if (!got[1])
		zero += *(volatile char *)file;
	got[2] = sigsetjmp(back, 1);
	if (!got[2])
		zero = 100 / zero;
	got[3] = sigsetjmp(back, 1);
	if (!got[3])
		__builtin_trap();
	printf("faults: SIGBUS %d SIGFPE %d SIGILL %d\n", got[1] == SIGBUS, got[2] == SIGFPE,
	       got[3] == SIGILL);
	MUST(!sigaltstack(NULL, &old));
	printf("faults: altstack %d\n", old.ss_sp == ss.ss_sp && old.ss_flags == 0);
	unlink(path);
	close(fd);
	for (int i = 0; i < 4; i++)
		signal((int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL}[i], SIG_DFL);
}

static void signals(void)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	struct timespec soon = {0, 1000000}, later = {5, 0};
	struct itimerval timer = {{0, 500}, {0, 500}};
	struct signalfd_siginfo info;
	union sigval value = {.sival_int = 77};
	sigset_t set, old;
	siginfo_t si;
	int fd, sig;

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	for (unsigned i = 0; i < 1000; i++)
		raise(SIGUSR1);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (seen[SIGALRM] < 20)
		nanosleep(&soon, NULL);
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	printf("signals: raised %d, timer %d\n", (int)seen[SIGUSR1], seen[SIGALRM] >= 20);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	MUST(!sigprocmask(SIG_BLOCK, &set, &old));
	kill(getpid(), SIGUSR2);
	MUST(!sigwait(&set, &sig));
	sigqueue(getpid(), SIGRTMIN, value);
	MUST(sigtimedwait(&set, &si, &later) == SIGRTMIN);
	printf("signals: sigwait %d, sigtimedwait %d\n", sig == SIGUSR2, si.si_value.sival_int);
	MUST((fd = signalfd(-1, &set, SFD_CLOEXEC)) >= 0);
	kill(getpid(), SIGUSR2);
	MUST(read(fd, &info, sizeof(info)) == sizeof(info));
	printf("signals: signalfd %d\n", info.ssi_signo == SIGUSR2);
	close(fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* --- processes ---------------------------------------------------------------------- */

static void processes(void)
{
	char *argv[] = {"sh", "-c", "read x; echo \"spawned: $x\"; exit 5", NULL};
	posix_spawn_file_actions_t actions;
	int status, pipes[2];
	char line[64];
	FILE *child;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(9);
	MUST(waitpid(pid, &status, 0) == pid);
	printf("processes: fork %d\n", WEXITSTATUS(status));
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)8 = 1;
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	printf("processes: killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	MUST(!pipe2(pipes, O_CLOEXEC));
	MUST(write(pipes[1], "hello\n", 6) == 6);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[0], 0);
	fflush(stdout);
	MUST(!posix_spawnp(&pid, "sh", &actions, NULL, argv, environ));
	MUST(waitpid(pid, &status, 0) == pid);
	printf("processes: spawn %d\n", WEXITSTATUS(status));
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[0]);
	close(pipes[1]);
	MUST((child = popen("echo one; echo two", "r")));
	while (fgets(line, sizeof(line), child))
		printf("processes: popen %s", line);
	printf("processes: pclose %d, system %d\n", pclose(child),
	       WEXITSTATUS(system("kill -TERM $$; exit 1")));
	MUST(posix_spawnp(&pid, "./there-is-no-such-program", NULL, NULL, argv, environ) == ENOENT);
	for (unsigned i = 0; i < 50; i++) {
		pid = vfork();
		if (!pid) {
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		MUST(waitpid(pid, &status, 0) == pid && !status);
	}
	printf("processes: vfork\n");
}

/* --- descriptors, memory, numbers ------------------------------------------------------ */

static void descriptors(void)
{
	struct itimerspec once = {{0, 0}, {0, 1000000}};
	struct epoll_event ev = {.events = EPOLLIN}, out[4];
	struct sockaddr_storage name;
	struct stat st, st2;
	int ep, ev_fd, tm, pair[2], ready = 0, fd;
	uint64_t value = 3;
	char link[256] = "";

	MUST((ep = epoll_create1(EPOLL_CLOEXEC)) >= 0 && (ev_fd = eventfd(0, 0)) >= 0);
	MUST((tm = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	for (int i = 0; i < 3; i++) {
		ev.data.fd = (int[]){ev_fd, tm, pair[0]}[i];
		MUST(!epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev));
	}
	MUST(write(ev_fd, &value, 8) == 8 && write(pair[1], "x", 1) == 1);
	MUST(!timerfd_settime(tm, 0, &once, NULL));
	while (ready < 3)
		ready = epoll_pwait(ep, out, 4, 5000, NULL);
	printf("descriptors: %d ready\n", ready);
	MUST((fd = open("a-file", O_RDWR | O_CREAT | O_TRUNC, 0640)) >= 0);
	MUST(!fstat(fd, &st) && !stat("a-file", &st2));
	MUST(readlink("/proc/self/fd/0", link, sizeof(link) - 1) > 0);
	printf("descriptors: the same file %d, mode %o, stdin %s\n", st.st_ino == st2.st_ino,
	       st.st_mode & 0777, link);
	MUST(!unlink("a-file") && stat("a-file", &st2) < 0 && errno == ENOENT);
	MUST(open("/nowhere/at/all", O_RDONLY) < 0 && errno == ENOENT);
	MUST(access("/", R_OK) == 0 && access("/nowhere", F_OK) < 0);
	MUST(getsockname(pair[0], (struct sockaddr *)&name, &(socklen_t){sizeof(name)}) == 0);
	MUST(dup2(fd, 40) == 40 && fcntl(40, F_GETFD) == 0 && close(40) == 0);
	MUST(fcntl(40, F_GETFD) < 0 && errno == EBADF);
	close(fd);
	close(ep);
	close(ev_fd);
	close(tm);
	close(pair[0]);
	close(pair[1]);
}

static void memory(void)
{
	size_t size = 8 << 20;
	char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long sum = 0;
	int fd;

	MUST(m != MAP_FAILED);
	for (size_t i = 0; i < size; i += 4096)
		m[i] = (char)(i >> 12);
	MUST(!madvise(m, size / 2, MADV_DONTNEED));
	m = mremap(m, size, 2 * size, MREMAP_MAYMOVE);
	MUST(m != MAP_FAILED && !mprotect(m, size, PROT_READ));
	for (size_t i = 0; i < 2 * size; i += 4096)
		sum += (unsigned char)m[i];
	MUST(!munmap(m, 2 * size));
	printf("memory: %lu\n", sum);
	MUST((fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600)) >= 0 && !ftruncate(fd, 8192));
	m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(m != MAP_FAILED);
	fflush(stdout);
	if (!fork()) {
		strcpy(m + 4096, "written by the child");
		_exit(0);
	}
	wait(NULL);
	printf("memory: %s\n", m + 4096);
	for (unsigned i = 1; i < 2000; i++) {
		char *p = malloc(i * 37), *q = malloc(200000);

		MUST(p && q);
		memset(p, 1, i * 37);
		q[0] = p[0];
		free(q);
		free(p);
	}
	unlink("shared");
	close(fd);
}

static void numbers(void)
{
	double x = 0, y = 1;
	struct rlimit lim;

	for (int i = 1; i < 1000; i++) {
		x += sqrt(i) * y;
		y = -y / 1.0001;
	}
	printf("numbers: %.15g %Lg %a\n", x, 1 / 3.0L, x);
	MUST(!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur > 0);
	printf("numbers: clock %d\n", clock() != (clock_t)-1 && time(NULL) > 1000000000);
}

int main(void)
{
	threads();
	faults();
	signals();
	processes();
	descriptors();
	memory();
	numbers();
	return 0;
}
