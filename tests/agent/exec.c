/* SPDX-License-Identifier: BSD-3-Clause */
/* execve in its forms; `show` (show.c) tells what the new program found. */
#include "case.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

extern char **environ;

static void counting(int sig)
{
}

static void exec_show(const char *which)
{
	char *argv[] = {(char *)"show", (char *)"a b", (char *)"", (char *)"c", NULL};
	char *env[] = {(char *)"SHOW=value", (char *)"PATH=/bin", NULL};

	execve(beside(which), argv, env);
	say("execve: %s", strerror(errno));
}

CASE(exec_dynamic)
{
	exec_show("show");
}

CASE(exec_static)
{
	exec_show("show-static");
}

CASE(exec_static_pie)
{
	exec_show("show-static-pie");
}

CASE(exec_nopie)
{
	exec_show("show-nopie");
}

/* No libc, its own restorer, raw system calls */
CASE(exec_raw)
{
	exec_show("raw");
}

CASE(exec_signals)
{
	block(SIGUSR1);
	block(SIGSEGV);
	block(SIGSYS);
	must(signal(SIGUSR2, SIG_IGN) == SIG_DFL && signal(SIGBUS, SIG_IGN) == SIG_DFL);
	catch_plain(SIGTERM, counting, 0);
	catch_plain(SIGILL, counting, 0);
	exec_show("show");
}

CASE(exec_all_blocked)
{
	sigset_t set;

	sigfillset(&set);
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	exec_show("show-static");
}

static void script(const char *text, mode_t mode, char *name)
{
	int fd = mkstemp(name);

	must(fd >= 0);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(fchmod(fd, mode) == 0 && close(fd) == 0);
}

CASE(exec_script)
{
	char name[] = "/tmp/agent-script-XXXXXX";
	pid_t pid;

	script("#!/bin/sh\necho script \"$@\"\nexit 8\n", 0755, name);
	pid = fork();
	if (pid == 0) {
		execl(name, name, "x y", "z", (char *)NULL);
		_exit(127);
	}
	say_status("script", pid);
	unlink(name);
}

/* Failures, and the program goes on as it was */
CASE(exec_errors)
{
	char plain[] = "/tmp/agent-plain-XXXXXX", junk[] = "/tmp/agent-junk-XXXXXX";
	char interp[] = "/tmp/agent-interp-XXXXXX";

	script("text", 0644, plain);
	script("text", 0755, junk);
	script("#!/proc/nonexistent/sh\n", 0755, interp);
	block(SIGSEGV);
	for (int i = 0; i < 3; i++) {
		say_errno("missing", execl("/proc/nonexistent", "x", (char *)NULL));
		say_errno("folder", execl("/tmp", "x", (char *)NULL));
		say_errno("not executable", execl(plain, "x", (char *)NULL));
		say_errno("no format", execl(junk, "x", (char *)NULL));
		say_errno("no interpreter", execl(interp, "x", (char *)NULL));
	}
	say_errno("bad argv", syscall(SYS_execve, "/bin/true", 16, NULL));
	say("segv blocked %d", blocked(SIGSEGV));
	unlink(plain);
	unlink(junk);
	unlink(interp);
	exec_show("show");
}

CASE(exec_too_big)
{
	size_t size = 4 << 20;
	char *big = malloc(size);

	must(big != NULL);
	memset(big, 'x', size - 1);
	big[size - 1] = '\0';
	say_errno("exec", execl("/bin/true", "true", big, (char *)NULL));
}

CASE(exec_fd)
{
	char *argv[] = {(char *)"show", NULL}, *env[] = {NULL};
	int fd = open(beside("show"), O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	fexecve(fd, argv, env);
	say("fexecve: %s", strerror(errno));
}

CASE(exec_at)
{
	char *argv[] = {(char *)"show", NULL}, *env[] = {NULL};
	char *slash, dir[4096];
	int fd;

	snprintf(dir, sizeof(dir), "%s", beside("show"));
	slash = strrchr(dir, '/');
	must(slash != NULL);
	*slash = '\0';
	fd = open(dir, O_PATH | O_DIRECTORY);
	must(fd >= 0);
	say_errno("bad flags", syscall(SYS_execveat, fd, "show", argv, env, 8));
	syscall(SYS_execveat, fd, "show", argv, env, 0);
	say("execveat: %s", strerror(errno));
}

static void *thread_exec(void *arg)
{
	block(SIGUSR1);
	exec_show("show");
	return NULL;
}

static void *sleeping(void *arg)
{
	pause();
	return NULL;
}

CASE(exec_from_thread)
{
	pthread_t t;

	for (int i = 0; i < 5; i++)
		must(pthread_create(&t, NULL, sleeping, NULL) == 0);
	must(pthread_create(&t, NULL, thread_exec, NULL) == 0);
	pthread_join(t, NULL);
}

static void *thread_fail(void *arg)
{
	say_errno("exec", execl("/proc/nonexistent", "x", (char *)NULL));
	return NULL;
}

CASE(exec_from_thread_fails)
{
	pthread_t t;

	for (int i = 0; i < 10; i++)
		must(pthread_create(&t, NULL, thread_fail, NULL) == 0 &&
		     pthread_join(t, NULL) == 0);
}

CASE(exec_chain)
{
	char n[16];
	const char *s = getenv("CHAIN");
	int left = s ? atoi(s) : 15;

	say("left %d, pid %s", left,
	    !getenv("FIRST") || atoi(getenv("FIRST")) == getpid() ? "kept" : "changed");
	if (left == 0)
		return;
	if (!s) {
		snprintf(n, sizeof(n), "%d", getpid());
		setenv("FIRST", n, 1);
	}
	snprintf(n, sizeof(n), "%d", left - 1);
	setenv("CHAIN", n, 1);
	execl(beside("exec"), "exec", "exec_chain", (char *)NULL);
	say("exec: %s", strerror(errno));
}

CASE(exec_few_descriptors)
{
	struct rlimit lim = {10, 10};

	must(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	exec_show("show");
}

CASE(exec_path_search)
{
	say_status("env", ({
			   pid_t pid = fork();
			   if (pid == 0) {
				   setenv("PATH", "/proc/nonexistent:/usr/bin:/bin", 1);
				   execlp("env", "env", "-i", "A=1", "sh", "-c", "echo $A; exit 4",
					  (char *)NULL);
				   _exit(127);
			   }
			   pid;
		   }));
}

/* Descriptors that are open stay so, close-on-exec ones go; none are added. */
CASE(exec_descriptors)
{
	int fd = open("/dev/null", O_RDONLY), gone = open("/dev/null", O_RDONLY | O_CLOEXEC);

	must(dup2(fd, 20) == 20 && fcntl(gone, F_DUPFD_CLOEXEC, 21) == 21);
	execl("/bin/sh", "sh", "-c",
	      "for i in 3 4 20 21 22; do [ ! -e /proc/self/fd/$i ] || echo $i; done", (char *)NULL);
}
