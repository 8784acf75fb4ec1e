/* SPDX-License-Identifier: BSD-3-Clause */
/* Children by every way there is. */
#include "case.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/resource.h>

extern char **environ;
static volatile sig_atomic_t count;

static void counting(int sig)
{
	count++;
}

static void child_signals(void)
{
	say("inherited: usr1 %d segv %d", blocked(SIGUSR1), blocked(SIGSEGV));
	raise(SIGUSR2);
	raise(SIGILL);
	say("count %d", count);
	must(signal(SIGUSR2, SIG_IGN) == counting);
	unblock(SIGUSR1);
}

CASE(fork_inherits)
{
	catch_plain(SIGUSR2, counting, 0);
	catch_plain(SIGILL, counting, 0);
	block(SIGUSR1);
	block(SIGSEGV);
	in_child("child", child_signals);
	say("here: usr1 %d count %d", blocked(SIGUSR1), count);
	raise(SIGUSR2);
	say("count %d", count);
}

static void *forking(void *arg)
{
	in_child("child of a thread", child_signals);
	return NULL;
}

CASE(fork_from_thread)
{
	pthread_t t;

	catch_plain(SIGUSR2, counting, 0);
	catch_plain(SIGILL, counting, 0);
	for (int i = 0; i < 5; i++)
		must(pthread_create(&t, NULL, forking, NULL) == 0 && pthread_join(t, NULL) == 0);
}

static void generations(int n)
{
	pid_t pid;

	if (n == 0)
		_exit(3);
	pid = fork();
	if (pid == 0)
		generations(n - 1);
	say_status("generation", pid);
	_exit(n);
}

CASE(fork_generations)
{
	pid_t pid = fork();

	if (pid == 0)
		generations(6);
	say_status("first", pid);
}

static void fork_handler(int sig)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(blocked(SIGUSR1) ? 21 : 22);
	say_status("forked in a handler", pid);
}

CASE(fork_in_handler)
{
	catch_plain(SIGUSR1, fork_handler, 0);
	raise(SIGUSR1);
	say("blocked %d", blocked(SIGUSR1));
}

static void return_handler(int sig)
{
	count++;
	if (fork() == 0)
		count = 100;
}

/* Both return from the handler. */
CASE(fork_returns_twice)
{
	catch_plain(SIGUSR1, return_handler, 0);
	raise(SIGUSR1);
	if (count == 100)
		_exit(0);
	must(wait(NULL) > 0);
	say("count %d", count);
}

CASE(many_forks)
{
	pid_t pid;
	int status, good = 0;

	for (int i = 0; i < 200; i++) {
		pid = fork();
		must(pid >= 0);
		if (pid == 0)
			_exit(open("/dev/null", O_RDONLY) >= 0 ? i & 63 : 64);
		must(waitpid(pid, &status, 0) == pid);
		good += WIFEXITED(status) && WEXITSTATUS(status) == (i & 63);
	}
	say("good %d", good);
}

CASE(fork_fails)
{
	struct rlimit none = {0, 0};
	pid_t pid;

	/* root is not bound by it */
	if (getuid() == 0)
		must(setresuid(65534, 65534, 65534) == 0);
	must(setrlimit(RLIMIT_NPROC, &none) == 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	say("fork %d errno %d", pid, errno);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	say("vfork %d errno %d", pid, errno);
	catch_plain(SIGUSR1, counting, 0);
	raise(SIGUSR1);
	say("count %d", count);
}

CASE(vfork_exec)
{
	for (int i = 0; i < 10; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
			_exit(127);
		}
		say_status("sh", pid);
	}
}

/* A vfork child has signal actions and masks of its own. */
CASE(vfork_signals)
{
	struct sigaction act;
	pid_t pid;

	catch_plain(SIGUSR1, counting, 0);
	catch_plain(SIGSEGV, counting, 0);
	pid = vfork();
	if (pid == 0) {
		signal(SIGUSR1, SIG_IGN);
		signal(SIGSEGV, SIG_DFL);
		block(SIGTERM);
		block(SIGSEGV);
		_exit(2);
	}
	say_status("child", pid);
	must(sigaction(SIGSEGV, NULL, &act) == 0);
	say("segv kept %d, blocked %d %d", act.sa_handler == counting, blocked(SIGTERM),
	    blocked(SIGSEGV));
	raise(SIGUSR1);
	raise(SIGSEGV);
	say("count %d", count);
}

CASE(vfork_exec_fails)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/proc/nonexistent", "x", (char *)NULL);
		execl("/etc/passwd", "x", (char *)NULL);
		_exit(errno == EACCES ? 50 : 51);
	}
	say_status("child", pid);
	catch_plain(SIGUSR1, counting, 0);
	raise(SIGUSR1);
	say("count %d", count);
}

CASE(clone3_fork)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(getpid() == syscall(SYS_getpid) ? 15 : 16);
	say_status("clone3", (pid_t)pid);
	say_errno("bad", syscall(SYS_clone3, 16, sizeof(args)));
	say_errno("small", syscall(SYS_clone3, &args, 8));
	args.flags = 1ull << 60;
	say_errno("flags", syscall(SYS_clone3, &args, sizeof(args)));
}

/* Mask, default actions, file actions: the program that is started tells them. */
CASE(spawn_attributes)
{
	char name[] = "show", one[] = "one", *argv[] = {name, one, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t set;
	pid_t pid;
	int fds[2];
	char buf[2048];
	ssize_t n, all = 0;

	must(pipe(fds) == 0);
	must(signal(SIGUSR1, SIG_IGN) == SIG_DFL && signal(SIGFPE, SIG_IGN) == SIG_DFL &&
	     signal(SIGUSR2, SIG_IGN) == SIG_DFL);
	catch_plain(SIGSEGV, counting, 0);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGILL);
	posix_spawnattr_setsigmask(&attr, &set);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fds[1], 1);
	posix_spawn_file_actions_addclose(&files, fds[0]);
	posix_spawn_file_actions_addclose(&files, fds[1]);
	must(posix_spawn(&pid, beside("show"), &files, &attr, argv, environ) == 0);
	close(fds[1]);
	while ((n = read(fds[0], buf + all, sizeof(buf) - 1 - (size_t)all)) > 0)
		all += n;
	buf[all] = '\0';
	say("%s", buf);
	say_status("spawned", pid);
	say("here %d %d", blocked(SIGTERM), blocked(SIGILL));
}

CASE(spawn_fails)
{
	char name[] = "x", *argv[] = {name, NULL};
	pid_t pid;

	for (int i = 0; i < 20; i++)
		say("spawn %d", posix_spawn(&pid, "/proc/nonexistent", NULL, NULL, argv, environ));
	catch_plain(SIGSEGV, counting, 0);
	raise(SIGSEGV);
	say("count %d", count);
}

static void *spawning(void *arg)
{
	char name[] = "true", *argv[] = {name, NULL};
	uintptr_t good = 0;

	for (int i = 0; i < 5; i++) {
		pid_t pid;
		int status;

		good += posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0 &&
			waitpid(pid, &status, 0) == pid && status == 0;
	}
	return (void *)good;
}

CASE(spawn_from_threads)
{
	pthread_t t[4];
	void *ret;

	for (int i = 0; i < 4; i++)
		must(pthread_create(&t[i], NULL, spawning, NULL) == 0);
	for (int i = 0; i < 4; i++) {
		must(pthread_join(t[i], &ret) == 0);
		say("good %d", (int)(uintptr_t)ret);
	}
}

CASE(system_calls)
{
	say("%d", system("exit 3") >> 8);
	say("%d", system("kill -TERM $$") & 127);
	say("%d", system("echo from sh | cat; true && exit 1") >> 8);
}

CASE(popen_reads)
{
	char line[64];
	FILE *f = popen("for i in 1 2 3; do echo line $i; done", "r");

	must(f != NULL);
	while (fgets(line, sizeof(line), f))
		printf("%s", line);
	say("status %d", pclose(f));
}
