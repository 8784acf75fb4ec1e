/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine's process: from fork to exit. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
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
 * Nothing of the caller's may stay open: `out=$(swsgx run app)` waits for the
 * end of the pipe.
 */
static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a, null;

	if (low > 3)
		close_between(3, (unsigned)low - 1);
	if (high > 3)
		close_between(low > 2 ? (unsigned)low + 1 : 3, (unsigned)high - 1);
	close_between(high > 2 ? (unsigned)high + 1 : 3, ~0u);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (null >= 0)
			dup2(null, fd); /* not close-on-exec; we never exec */
	if (null > 2)
		close(null);
}

static void settle(const struct daemon_options *options)
{
	struct rlimit rl;

	close_others(options->command_fd, options->ready_fd);
	log_init();
	fault_init();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL); /* an error for those that are not ours */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN); /* a lease that somebody breaks */
	umask(077);
	if (chdir("/"))
		log_line("chdir: %s", strerror(errno));
	/* Each enclave takes two descriptors, each process three */
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	prctl(PR_SET_NAME, "swsgx-machine");
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
	sigset_t none;
	int ret;

	/* Where the caller had closed its stdio, ours may be there: out of the way */
	if (mine.command_fd >= 0 && mine.command_fd < 3)
		mine.command_fd = fcntl(mine.command_fd, F_DUPFD_CLOEXEC, 3);
	if (mine.ready_fd >= 0 && mine.ready_fd < 3)
		mine.ready_fd = fcntl(mine.ready_fd, F_DUPFD_CLOEXEC, 3);
	settle(&mine);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	ret = machine_init(&machine, &mine, &ready);
	if (!ret && mine.command_fd >= 0 && !conn_add(&machine, mine.command_fd, true, true))
		ret = -errno;
	if (ret && !ready.message[0])
		snprintf(ready.message, sizeof(ready.message), "cannot start a machine: %s",
			 strerror(-ret));
	tell(mine.ready_fd, &ready, ret);
	if (!ret) {
		log_line("machine with %llu KiB of EPC",
			 (unsigned long long)machine.epc_size >> 10);
		ret = loop_run(&machine);
	}
	machine_exit(&machine);
	return ret ? 1 : 0;
}

int daemon_spawn(const struct daemon_options *options, struct daemon_ready *ready)
{
	struct daemon_options child = *options;
	int p[2], ret;
	ssize_t n;
	pid_t pid;

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
		setsid();
		pid = fork();
		if (pid)
			_exit(pid < 0);
		child.ready_fd = p[1];
		_exit(daemon_main(&child));
	}
	close(p[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	do
		n = read(p[0], ready, sizeof(*ready));
	while (n < 0 && errno == EINTR);
	close(p[0]);
	if (n != (ssize_t)sizeof(*ready)) {
		snprintf(ready->message, sizeof(ready->message),
			 "the machine's process died while it started");
		ready->status = -EIO;
		return -EIO;
	}
	ready->message[sizeof(ready->message) - 1] = 0;
	return ready->status;

fail:
	snprintf(ready->message, sizeof(ready->message), "cannot start a machine: %s",
		 strerror(-ret));
	ready->status = ret;
	return ret;
}
