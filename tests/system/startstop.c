/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine's name can be started again as soon as the machine has ended, however it
 * ended: by stop, by stop --force under running programs, by the death of its daemon.
 * Environment: SWSGX, the command; VICTIM, the program.
 */
#include "child.h"
#include "own_machines.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

/* swsgx machine VERB k [OPTION], in a process of its own */
static pid_t machine(const char *verb, const char *option)
{
	pid_t pid = start();

	if (!pid) {
		execl(getenv("SWSGX"), "swsgx", "machine", verb, "k", option, (char *)NULL);
		_exit(98);
	}
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void start_it(void)
{
	expect_exit(machine("start", NULL), 0);
}

static void stop_it(const char *option)
{
	expect_exit(machine("stop", option), 0);
}

static pid_t daemon_pid(void)
{
	FILE *f = popen("\"$SWSGX\" stat --machine k | sed -n '1s/^.*pid //p'", "r");
	int pid = 0;

	CHECK(f);
	CHECK_EQ(fscanf(f, "%d", &pid), 1);
	CHECK_EQ(pclose(f), 0);
	CHECK(pid > 1);
	return pid;
}

/* The victim on machine k, when it has said "ready" */
static pid_t victim(const char *what)
{
	int out[2], null;
	char line[6];
	pid_t pid;

	CHECK_SYS(pipe2(out, O_CLOEXEC));
	pid = start();
	if (!pid) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(out[1], 1);
		dup2(null, 2); /* that the daemon dies is not for the test's reader */
		execl(getenv("SWSGX"), "swsgx", "run", "--machine", "k", "--", getenv("VICTIM"),
		      what, (char *)NULL);
		_exit(98);
	}
	close(out[1]);
	for (size_t got = 0; got < sizeof(line);) {
		ssize_t n = read(out[0], line + got, sizeof(line) - got);

		if (n <= 0)
			FAIL("the victim ended before it was ready");
		got += (size_t)n;
	}
	CHECK_MEM(line, "ready\n", 6);
	close(out[0]);
	return pid;
}

static void kill_victim(pid_t pid)
{
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

/* Nothing of a stopped machine is left to trip over. */
static void check_gone(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/swsgx/k", folder);
	CHECK_ERRNO(access(path, F_OK), ENOENT);
}

TEST_TIMEOUT(stop_then_start, 240)
{
	setup();
	for (int i = 0; i < 200; i++) {
		start_it();
		stop_it(NULL);
		check_gone();
	}
	cleanup();
}

/* A machine that has to give back much before it ends */
TEST_TIMEOUT(stop_of_a_used_machine, 240)
{
	setup();
	for (int i = 0; i < 20; i++) {
		start_it();
		CHECK_EQ(sh("\"$SWSGX\" run --machine k -- \"$VICTIM\" once"), 0);
		stop_it("--force"); /* the daemon may not know yet that the program has ended */
		check_gone();
	}
	cleanup();
}

TEST_TIMEOUT(force_under_programs, 240)
{
	static const char *const what[] = {"build", "loop", "fork", "hold"};

	setup();
	for (unsigned int i = 0; i < 16; i++) {
		pid_t pid;

		start_it();
		pid = victim(what[i % 4]);
		if (i % 8 >= 4)
			kill(pid, SIGKILL); /* it dies while the machine stops */
		stop_it("--force");
		check_gone();
		start_it();
		stop_it(NULL);
		kill_victim(pid);
	}
	cleanup();
}

/* kill(2) returns before the daemon has gone; start waits for that. */
TEST_TIMEOUT(killed_daemon_then_start, 240)
{
	setup();
	start_it();
	for (int i = 0; i < 20; i++) {
		pid_t pid = i % 4 == 3 ? victim("build") : 0;

		CHECK_SYS(kill(daemon_pid(), SIGKILL));
		start_it();
		if (pid)
			kill_victim(pid);
	}
	stop_it(NULL);
	cleanup();
}

/* Whoever ends it and however many ask for it: after the last answer the name is free. */
TEST_TIMEOUT(killed_while_it_stops, 240)
{
	setup();
	for (int i = 0; i < 20; i++) {
		pid_t pid, stop[2];

		start_it();
		pid = daemon_pid();
		for (int k = 0; k < 2; k++)
			stop[k] = machine("stop", NULL);
		if (i % 2)
			kill(pid, SIGKILL);
		for (int k = 0; k < 2; k++)
			CHECK(status_of(stop[k]) <= 1); /* 1: there was none any more */
	}
	start_it();
	stop_it(NULL);
	cleanup();
}

TEST_TIMEOUT(one_of_many_starts, 240)
{
	setup();
	for (int i = 0; i < 10; i++) {
		pid_t pid[4];
		int started = 0;

		for (int k = 0; k < 4; k++)
			pid[k] = machine("start", NULL);
		for (int k = 0; k < 4; k++)
			started += !status_of(pid[k]);
		CHECK_EQ(started, 1);
		stop_it(NULL);
	}
	cleanup();
}

/* A lock whose machine does not listen any more: start waits until it is given up. */
TEST_TIMEOUT(start_waits_for_an_ending_machine, 120)
{
	char path[128];
	pid_t pid;
	int fd;

	setup();
	snprintf(path, sizeof(path), "%s/swsgx", folder);
	CHECK_SYS(mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/swsgx/k", folder);
	CHECK_SYS(mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/swsgx/k/lock", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_SYS(fd);
	CHECK_SYS(flock(fd, LOCK_EX));
	pid = machine("start", NULL);
	usleep(300000); /* for it to find the lock held; if it is later, nothing is tested */
	close(fd);
	CHECK_EQ(status_of(pid), 0);
	stop_it(NULL);
	check_gone();
	cleanup();
}
