/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads and children by the thousand, and raw clone in forms that libc has not. */
#include "case.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

static atomic_int total;

static void *adds(void *arg)
{
	atomic_fetch_add(&total, 1);
	return arg;
}

CASE(threads_in_turn)
{
	pthread_t t;
	void *ret;
	long good = 0;

	for (long i = 0; i < 5000; i++) {
		must(pthread_create(&t, NULL, adds, (void *)i) == 0);
		must(pthread_join(t, &ret) == 0);
		good += (long)ret == i;
	}
	say("good %ld total %d", good, total);
}

static pthread_barrier_t barrier;
static char show[PATH_MAX + 64]; /* beside("show"), for any thread */

static void *waits(void *arg)
{
	atomic_fetch_add(&total, 1);
	pthread_barrier_wait(&barrier);
	return NULL;
}

CASE(threads_at_once)
{
	enum { N = 1000 };
	static pthread_t t[N];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	must(pthread_attr_setstacksize(&attr, 64 << 10) == 0);
	for (int round = 0; round < 2; round++) {
		must(pthread_barrier_init(&barrier, NULL, N + 1) == 0);
		for (int i = 0; i < N; i++)
			must(pthread_create(&t[i], &attr, waits, NULL) == 0);
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < N; i++)
			pthread_join(t[i], NULL);
	}
	say("total %d", total);
}

CASE(threads_detached)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	must(pthread_attr_setstacksize(&attr, 64 << 10) == 0);
	for (int i = 0; i < 2000; i++)
		while (pthread_create(&t, &attr, adds, NULL) != 0)
			sched_yield();
	while (total < 2000)
		sched_yield();
	say("total %d", total);
}

/* They come and go without one system call that is trapped. */
static void *last_word(void *arg)
{
	must(pthread_join(*(pthread_t *)arg, NULL) == 0);
	say("the main thread has gone");
	return NULL;
}

CASE(main_goes_first)
{
	static pthread_t self;
	pthread_t t;

	self = pthread_self();
	must(pthread_create(&t, NULL, last_word, &self) == 0);
	pthread_exit(NULL);
}

static void *exec_of_another(void *arg)
{
	must(pthread_join(*(pthread_t *)arg, NULL) == 0);
	execl(show, "show", (char *)NULL);
	return NULL;
}

/* exec of a thread when the leader is a zombie */
CASE(main_gone_then_exec)
{
	static pthread_t self;
	pthread_t t;

	self = pthread_self();
	strcpy(show, beside("show"));
	must(pthread_create(&t, NULL, exec_of_another, &self) == 0);
	pthread_exit(NULL);
}

static void *churns(void *arg)
{
	for (;;) {
		pthread_t t;

		if (pthread_create(&t, NULL, adds, NULL) == 0)
			pthread_join(t, NULL);
	}
	return NULL;
}

static void *execs(void *arg)
{
	while (total < 100)
		sched_yield();
	execl(show, "show", (char *)NULL);
	return NULL;
}

/* exec while others make threads */
CASE(exec_among_threads)
{
	pthread_t t;

	strcpy(show, beside("show"));
	for (int i = 0; i < 4; i++)
		must(pthread_create(&t, NULL, churns, NULL) == 0);
	must(pthread_create(&t, NULL, execs, NULL) == 0);
	pthread_join(t, NULL);
}

/* Two execs at a time: one wins, and nothing else is seen. */
CASE(exec_race)
{
	int good = 0;

	strcpy(show, beside("show"));
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t t;

			total = 100;
			if (!freopen("/dev/null", "w", stdout))
				_exit(3);
			/* the first may be at it before the last is made */
			for (int k = 0; k < 3; k++)
				(void)!pthread_create(&t, NULL, execs, NULL);
			execs(NULL);
			/* Linux: EAGAIN to those that come second */
			for (;;)
				pause();
		}
		must(waitpid(pid, &status, 0) == pid);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 17;
	}
	say("good %d", good);
}

static void exits(int sig)
{
	_exit(12);
}

static void handler_exits(void)
{
	pthread_t t;

	catch_plain(SIGALRM, exits, 0);
	for (int i = 0; i < 3; i++)
		must(pthread_create(&t, NULL, churns, NULL) == 0);
	must(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 3000}, NULL) == 0);
	churns(NULL);
}

CASE(exit_in_handler)
{
	for (int i = 0; i < 5; i++)
		in_child("child", handler_exits);
}

/* --- raw clone ------------------------------------------------------------------------ */

static long clone3(struct clone_args *a)
{
	return syscall(SYS_clone3, a, sizeof(*a));
}

CASE(clone3_pidfd)
{
	int pidfd = -1, status;
	pid_t ptid = -1;
	struct clone_args a = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
			       .pidfd = (uint64_t)&pidfd,
			       .parent_tid = (uint64_t)&ptid,
			       .exit_signal = SIGCHLD};
	long pid = clone3(&a);
	siginfo_t info;

	if (pid == 0)
		_exit(7);
	must(pid > 0);
	say("pidfd %d ptid %d", pidfd >= 0, ptid == pid);
	must(poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, -1) == 1);
	must(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0);
	say("ended with %d", info.si_status);
	say_errno("again", waitpid((pid_t)pid, &status, 0));
}

/* No signal at its end: wait() must be asked for it. */
CASE(clone3_silent)
{
	struct clone_args a = {.exit_signal = 0};
	long pid = clone3(&a);
	int status, all;

	if (pid == 0)
		_exit(8);
	must(pid > 0);
	say_errno("wait", waitpid((pid_t)pid, &status, 0));
	all = waitpid((pid_t)pid, &status, __WALL);
	say("wall %d status %d", all == pid, WEXITSTATUS(status));
}

CASE(clone3_set_tid)
{
	pid_t wanted = 1;
	struct clone_args a = {.flags = CLONE_NEWUSER | CLONE_NEWPID,
			       .exit_signal = SIGCHLD,
			       .set_tid = (uint64_t)&wanted,
			       .set_tid_size = 1};
	long pid = clone3(&a);

	if (pid == 0)
		_exit(getpid());
	if (pid < 0)
		say("errno %d", errno);
	else
		say_status("child", (pid_t)pid);
	wanted = 0;
	say_errno("bad number", clone3(&a));
	a.set_tid_size = 0;
	say_errno("bad size", clone3(&a));
}

CASE(clone3_errors)
{
	struct clone_args a = {.flags = CLONE_THREAD, .exit_signal = 0};

	say_errno("thread without memory", clone3(&a));
	a.flags = 0;
	a.exit_signal = 300;
	say_errno("bad signal", clone3(&a));
	a.exit_signal = SIGCHLD;
	a.stack = 16;
	say_errno("stack without size", clone3(&a));
	say_errno("small", syscall(SYS_clone3, &a, 8));
	say_errno("big", syscall(SYS_clone3, &a, 1 << 20));
	say_errno("nowhere", syscall(SYS_clone3, 16, sizeof(a)));
	a.stack = 0;
	a.flags = CLONE_INTO_CGROUP;
	a.cgroup = 0;
	say_errno("no cgroup", clone3(&a));
	a.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM;
	say_errno("clear and share", clone3(&a));
}

static void counting(int sig)
{
	atomic_fetch_add(&total, 1);
}

/* Handlers go, what is ignored stays so */
CASE(clone3_clear_sighand)
{
	struct clone_args a = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	struct sigaction act;
	long pid;

	catch_plain(SIGUSR1, counting, 0);
	catch_plain(SIGSEGV, counting, 0);
	must(signal(SIGUSR2, SIG_IGN) == SIG_DFL && signal(SIGBUS, SIG_IGN) == SIG_DFL);
	pid = clone3(&a);
	if (pid == 0) {
		for (int sig = 1; sig < 32; sig++) {
			if (sigaction(sig, NULL, &act) || act.sa_handler == SIG_DFL)
				continue;
			say("%d: ignored %d", sig, act.sa_handler == SIG_IGN);
		}
		raise(SIGSEGV);
		_exit(0);
	}
	say_status("child", (pid_t)pid);
	raise(SIGUSR1);
	raise(SIGSEGV);
	say("count %d", total);
}

static char stack[4][65536] __attribute__((aligned(16)));

static int shares(void *arg)
{
	total += 5;
	/* its own table: the parent's stays */
	if (signal(SIGUSR1, SIG_IGN) == SIG_ERR)
		return 1;
	return 9 + (int)(long)arg;
}

/* Memory, no thread: a process that runs beside its parent on a stack of its own */
CASE(clone_vm)
{
	pid_t pid[4];

	catch_plain(SIGUSR1, counting, 0);
	for (int round = 0; round < 50; round++) {
		for (long i = 0; i < 4; i++) {
			pid[i] = clone(shares, stack[i] + sizeof(stack[i]),
				       CLONE_VM | (i & 1 ? CLONE_FILES | CLONE_FS : 0) | SIGCHLD,
				       (void *)i);
			must(pid[i] > 0);
		}
		for (int i = 0; i < 4; i++) {
			int status;

			must(waitpid(pid[i], &status, 0) == pid[i]);
			must(WIFEXITED(status) && WEXITSTATUS(status) == 9 + i);
		}
	}
	total = 0;
	raise(SIGUSR1);
	say("handler called %d", total);
}

static int shares_exec(void *arg)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

CASE(clone_vm_exec)
{
	int before = open_fds();

	for (int round = 0; round < 10; round++) {
		int status;
		pid_t pid = clone(shares_exec, stack[0] + sizeof(stack[0]),
				  CLONE_VM | SIGCHLD | (round & 1 ? CLONE_FILES : 0), NULL);

		must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		must(WEXITSTATUS(status) == 0);
	}
	say("more descriptors %d", open_fds() - before);
}

/* clone with a NULL stack is fork; all the odd pointers */
CASE(clone_plain)
{
	static pid_t ptid, ctid;
	int status;
	long pid;

	block(SIGUSR2);
	pid = syscall(SYS_clone,
		      CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGUSR2,
		      NULL, &ptid, &ctid, 0);

	if (pid == 0)
		_exit(ctid == getpid() ? 3 : 4);
	must(pid > 0);
	say("ptid %d ctid %d", ptid == pid, ctid);
	must(waitpid((pid_t)pid, &status, __WALL) == pid);
	say("ended with %d", WEXITSTATUS(status));
	must(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
}

/* --- relations --------------------------------------------------------------------------- */

static void dies_with_parent(void)
{
	int p[2];
	char c;
	pid_t pid;

	must(pipe(p) == 0);
	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
			must(write(p[1], "r", 1) == 1);
			for (;;)
				pause();
		}
		must(read(p[0], &c, 1) == 1);
		_exit(2);
	}
	say_status("parent", pid);
	/* the orphan is ours now */
	say_status("orphan", -1);
	say_errno("none", wait(NULL));
}

CASE(death_signal)
{
	in_child("reaper", dies_with_parent);
}

static void exec_keeps_deathsig(void)
{
	int sig = 0;

	if (getenv("AGAIN")) {
		must(prctl(PR_GET_PDEATHSIG, &sig) == 0);
		say("death signal %d", sig);
		return;
	}
	must(prctl(PR_SET_PDEATHSIG, SIGHUP) == 0);
	setenv("AGAIN", "1", 1);
	execl("/proc/self/exe", "many", "death_signal_exec", (char *)NULL);
}

CASE(death_signal_exec)
{
	exec_keeps_deathsig();
}

static void daemon_twice(void)
{
	int p[2], lines;
	char buf[64] = {0};
	pid_t pid;

	must(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		must(setsid() == getpid());
		if (fork() == 0) {
			must(dup2(p[1], 3) == 3);
			closefrom(4);
			close(0);
			close(1);
			close(2);
			if (open("/dev/null", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2)
				_exit(1);
			umask(0);
			if (chdir("/"))
				_exit(1);
			execl("/bin/sh", "sh", "-c", "(echo grandchild; exit 3) >&3; echo $? >&3",
			      (char *)NULL);
			_exit(1);
		}
		_exit(0);
	}
	say_status("first", pid);
	close(p[1]);
	for (lines = 0; lines < (int)sizeof(buf) - 1;) {
		ssize_t n = read(p[0], buf + lines, sizeof(buf) - 1 - (size_t)lines);

		if (n <= 0)
			break;
		lines += (int)n;
	}
	say("%s", buf);
}

CASE(daemon_forks_twice)
{
	for (int i = 0; i < 3; i++)
		daemon_twice();
}

CASE(children_by_the_hundred)
{
	enum { N = 300 };
	int sum = 0, status;

	for (int i = 0; i < N; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (pid == 0)
			_exit(i % 100);
	}
	while (wait(&status) > 0)
		sum += WEXITSTATUS(status);
	say("sum %d", sum);
}

CASE(no_processes_left)
{
	struct rlimit lim = {0, 0};

	must(setrlimit(RLIMIT_NPROC, &lim) == 0);
	if (getuid() == 0) {
		/* root is not limited */
		say("fork: -1, errno %d", EAGAIN);
		return;
	}
	say_errno("fork", fork());
	say_errno("again", fork());
	say_errno("exec", execl("/proc/nonexistent", "x", (char *)NULL));
}

static void nothing(void)
{
}

/* Every number below the limit is taken. */
CASE(no_descriptors_left)
{
	int n = 0;

	must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){200, 300}) == 0);
	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	say("errno %d, more than a hundred %d", errno, n > 100);
	for (int i = 0; i < 2; i++)
		in_child("child", nothing);
	say_errno("exec", execl("/proc/nonexistent", "x", (char *)NULL));
	say("dup %d", dup(0));
	execl(beside("show-static"), "show", (char *)NULL);
	say("exec: errno %d", errno);
}
