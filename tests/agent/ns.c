/* SPDX-License-Identifier: BSD-3-Clause */
/* exec where numbers, users and paths are others': namespaces, chroot; dumpable. */
#include "case.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/*
 * A user namespace first, where that is allowed: then anybody may make the others.
 * In a chroot nobody but root may.
 */
static bool enter(int flags)
{
	if (unshare(CLONE_NEWUSER | flags) == 0 || unshare(flags) == 0)
		return true;
	skip("no namespaces for this user: %s", strerror(errno));
}

/* The same in a child, for who does not want them himself */
static void need(int flags)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(enter(flags) ? 0 : 1);
	must(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		_exit(77);
}

static void exec_show(const char *which)
{
	char *argv[] = {(char *)"show", NULL}, *env[] = {NULL};

	execve(beside(which), argv, env);
	say("execve: %s", strerror(errno));
	_exit(9);
}

static void *thread_exec(void *arg)
{
	exec_show("show");
	return NULL;
}

static void by_thread(void)
{
	pthread_t t;

	say("first %d", getpid());
	must(pthread_create(&t, NULL, thread_exec, NULL) == 0);
	pthread_join(t, NULL);
}

static void fails_then_execs(void)
{
	say("first %d", getpid());
	say_errno("missing", execl("/proc/nonexistent", "x", (char *)NULL));
	exec_show("show-static");
}

CASE(ns_pid)
{
	say("new %d", enter(CLONE_NEWPID));
	in_child("child", fails_then_execs);
}

CASE(ns_pid_thread)
{
	say("new %d", enter(CLONE_NEWPID));
	in_child("child", by_thread);
}

static void deeper(void)
{
	must(unshare(CLONE_NEWPID) == 0);
	in_child("deeper child", by_thread);
}

CASE(ns_pid_nested)
{
	say("new %d", enter(CLONE_NEWPID));
	in_child("child", deeper);
}

/* Children of the shell have numbers of their own, too */
CASE(ns_pid_shell)
{
	say("new %d", enter(CLONE_NEWPID));
	say("sh %d", system("(exit 3); sh -c 'sh -c \"exit 4\"'; echo $? $$; exit 5") >> 8);
}

/* A process outside that joins: its children are inside, with threads that it has not. */
CASE(ns_join)
{
	int ready[2], over[2], fd;
	char c, path[64];
	pid_t init;

	must(pipe(ready) == 0 && pipe(over) == 0);
	say("new %d", enter(CLONE_NEWPID));
	init = fork();
	if (init == 0) {
		close(over[1]);
		must(write(ready[1], "r", 1) == 1);
		_exit(read(over[0], &c, 1) == 0 ? 0 : 1);
	}
	must(read(ready[0], &c, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", init);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && setns(fd, CLONE_NEWPID) == 0);
	in_child("joined", by_thread);
	close(over[0]);
	close(over[1]);
	say_status("init", init);
}

static void in_mounts(void)
{
	say("mounted %d", mount("proc", "/proc", "proc", 0, NULL) == 0);
	exec_show("show");
}

/* Another /proc, as in containers */
CASE(ns_mount)
{
	say("new %d", enter(CLONE_NEWPID | CLONE_NEWNS));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		say("private: %s", strerror(errno));
	in_child("child", in_mounts);
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	char buf[65536];
	ssize_t n;

	must(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		must(write(out, buf, (size_t)n) == n);
	must(n == 0 && close(out) == 0 && close(in) == 0);
}

/* No /proc, no /dev, no shell, no libraries */
CASE(ns_chroot)
{
	char dir[] = "/tmp/agent-root-XXXXXX", path[64];
	pid_t pid;

	need(CLONE_NEWNS);
	must(mkdtemp(dir) != NULL && chmod(dir, 0755) == 0);
	snprintf(path, sizeof(path), "%s/show", dir);
	copy_file(beside("show-static"), path);
	pid = fork();
	if (pid == 0) {
		char *argv[] = {(char *)"show", NULL}, *env[] = {NULL};

		say("new %d", enter(CLONE_NEWNS));
		must(chroot(dir) == 0 && chdir("/") == 0);
		say_errno("missing", execve("/nothing", argv, env));
		execve("/show", argv, env);
		_exit(9);
	}
	say_status("chroot", pid);
	must(unlink(path) == 0 && rmdir(dir) == 0);
}

static pid_t spawn(const char *path)
{
	char *argv[] = {(char *)path, NULL}, *env[] = {NULL};
	pid_t pid;

	return posix_spawn(&pid, path, NULL, NULL, argv, env) == 0 ? pid : -1;
}

static void *spawning(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = i & 1 ? spawn("/proc/nonexistent") : spawn("/bin/true");

		if (pid > 0)
			must(waitpid(pid, NULL, 0) == pid);
	}
	return NULL;
}

/* An exec that fails, and one of a vfork child, leave it as it was. */
CASE(dumpable_stays)
{
	pthread_t t[3];
	int changed = 0;

	for (int value = 1; value >= 0; value--) {
		must(prctl(PR_SET_DUMPABLE, value) == 0);
		execl("/proc/nonexistent", "x", (char *)NULL);
		say("failed: %d", prctl(PR_GET_DUMPABLE));
		say_status("spawned", spawn("/bin/true"));
		say("spawned: %d", prctl(PR_GET_DUMPABLE));
		say("not spawned %d: %d", spawn("/proc/nonexistent"), prctl(PR_GET_DUMPABLE));
		for (int i = 0; i < 3; i++)
			must(pthread_create(&t[i], NULL, spawning, NULL) == 0);
		for (int i = 0; i < 3; i++)
			pthread_join(t[i], NULL);
		changed += prctl(PR_GET_DUMPABLE) != value;
	}
	say("changed %d", changed);
}

static const char *not_a_program;
static atomic_bool over;

static void exec_fails(void)
{
	char *argv[] = {(char *)not_a_program, NULL}, *env[] = {NULL};

	must(execve(not_a_program, argv, env) < 0 && errno == ENOEXEC);
}

static void *failing(void *arg)
{
	while (!atomic_load(&over))
		exec_fails();
	return NULL;
}

/* Children that are forked while another thread is about to exec: at once, and later. */
CASE(dumpable_stays_in_children)
{
	char path[] = "/tmp/swsgx-ns-XXXXXX";
	int fd = mkstemp(path), changed = 0, status;
	pthread_t t;

	must(fd >= 0 && write(fd, "text", 4) == 4 && fchmod(fd, 0755) == 0 && close(fd) == 0);
	not_a_program = path;
	must(prctl(PR_SET_DUMPABLE, 0) == 0);
	must(pthread_create(&t, NULL, failing, NULL) == 0);
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			int now = prctl(PR_GET_DUMPABLE);

			exec_fails();
			_exit(now | prctl(PR_GET_DUMPABLE) << 1);
		}
		must(pid > 0 && waitpid(pid, &status, 0) == pid);
		changed += !WIFEXITED(status) || WEXITSTATUS(status);
	}
	atomic_store(&over, true);
	pthread_join(t, NULL);
	say("changed %d, after it %d", changed, prctl(PR_GET_DUMPABLE));
	must(unlink(path) == 0);
}
