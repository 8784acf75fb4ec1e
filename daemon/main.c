/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine's process: from fork to exit. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_between(unsigned first, unsigned last)
{
	struct rlimit rl;

	if (first > last || !close_range(first, last, 0))
		return;
	/* Before Linux 5.9 */
	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur > 65536)
		rl.rlim_cur = 65536;
	for (unsigned fd = first; fd <= last && fd < rl.rlim_cur; fd++)
		close((int)fd);
}

/*
 * Nothing of the caller's may stay open but what is in keep[], below 0: nothing.
 * `out=$(swsgx run app)` waits for the end of the pipe.
 */
static void close_others(const int *keep, size_t count)
{
	int last = 2, next, null;

	do {
		next = INT_MAX;
		for (size_t i = 0; i < count; i++)
			if (keep[i] > last && keep[i] < next)
				next = keep[i];
		close_between((unsigned)last + 1, next == INT_MAX ? ~0u : (unsigned)next - 1);
		last = next;
	} while (next != INT_MAX);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (null >= 0)
			dup2(null, fd); /* not close-on-exec; we never exec */
	if (null > 2)
		close(null);
}

static void settle(const struct daemon_options *options)
{
	const int keep[] = {options->command_fd, options->ready_fd, log_open()};

	close_others(keep, sizeof(keep) / sizeof(keep[0]));
	log_init(keep[2]);
	fault_init();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL); /* an error for those that are not ours */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN); /* a lease that somebody breaks */
	limits_lift();
	umask(077);
	if (chdir("/"))
		log_line("chdir: %s", strerror(errno));
}

static void tell(int fd, struct daemon_ready *ready, int status)
{
	ready->status = status;
	ready->pid = getpid();
	if (fd < 0)
		return;
	/* Who does not listen any more learns nothing */
	if (write(fd, ready, sizeof(*ready)) != (ssize_t)sizeof(*ready))
		log_line("nobody waits for this machine");
	close(fd);
}

int daemon_main(const struct daemon_options *options)
{
	/* Static: exec threads may outlive the loop by an instant */
	static struct machine machine;
	struct daemon_options mine = *options;
	struct daemon_ready ready = {0};
	char cause[64];
	sigset_t none;
	int ret;

	/* Where the caller had closed its stdio, ours may be there: out of the way */
	if (mine.command_fd >= 0 && mine.command_fd < 3)
		mine.command_fd = fcntl(mine.command_fd, F_DUPFD_CLOEXEC, 3);
	if (mine.ready_fd >= 0 && mine.ready_fd < 3)
		mine.ready_fd = fcntl(mine.ready_fd, F_DUPFD_CLOEXEC, 3);
	if (mine.name)
		mine.name = strdup(mine.name); /* it is in the arguments */
	settle(&mine);
	if (mine.name)
		title_set("swsgx: machine %s", mine.name);
	else
		title_set("swsgx: private machine of pid %d", (int)mine.starter);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	ret = machine_init(&machine, &mine, &ready);
	if (!ret && mine.command_fd >= 0 && !conn_add(&machine, mine.command_fd, true, true))
		ret = -errno;
	if (ret && !ready.message[0])
		snprintf(ready.message, sizeof(ready.message), "cannot start a machine: %s%s",
			 strerror(-ret), limits_cause(-ret, cause, sizeof(cause)));
	if (!ret)
		log_note(&ready);
	tell(mine.ready_fd, &ready, ret);
	if (!ret) {
		log_line("machine with %llu KiB of EPC",
			 (unsigned long long)machine.epc_size >> 10);
		ret = loop_run(&machine);
	}
	machine_exit(&machine);
	return ret ? 1 : 0;
}

static void nothing(int sig)
{
}

/* The end of the process, where rt_sigreturn is refused */
static void return_from_a_handler(void)
{
	signal(SIGUSR1, nothing);
	raise(SIGUSR1);
}

int daemon_spawn(const struct daemon_options *options, struct daemon_ready *ready)
{
	struct daemon_options child = *options;
	char cause[64];
	int p[2], ret, status = 0;
	ssize_t n;
	pid_t pid, starter = getpid();

	memset(ready, 0, sizeof(*ready));
	if (pipe2(p, O_CLOEXEC)) {
		ret = -errno;
		goto fail;
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		ret = -errno;
		close(p[0]);
		close(p[1]);
		goto fail;
	}
	if (!pid) {
		/* Two forks: the program must not find a child that it never had */
		return_from_a_handler();
		setsid();
		pid = fork();
		if (pid)
			_exit(pid < 0);
		child.ready_fd = p[1];
		child.starter = starter;
		_exit(daemon_main(&child));
	}
	close(p[1]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	do
		n = read(p[0], ready, sizeof(*ready));
	while (n < 0 && errno == EINTR);
	close(p[0]);
	if (n != (ssize_t)sizeof(*ready)) {
		snprintf(ready->message, sizeof(ready->message), "%s",
			 WIFSIGNALED(status)
				 ? "the system call rt_sigreturn is refused here: no signal "
				   "handler can return"
				 : "the machine's process died while it started");
		ready->status = -EIO;
		return -EIO;
	}
	ready->message[sizeof(ready->message) - 1] = 0;
	return ready->status;

fail:
	snprintf(ready->message, sizeof(ready->message), "cannot start a machine: %s%s",
		 strerror(-ret), limits_cause(-ret, cause, sizeof(cause)));
	ready->status = ret;
	return ret;
}
