/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs and daemons that are killed, watched from outside; a system without
 * userfaultfd.  Environment: SWSGX, the command; VICTIM, the program.
 */
#include "own_machines.h"

#include "deny.h"

#include <harness/harness.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a command prints, as a number */
static long number(const char *command)
{
	FILE *f = popen(command, "r");
	long value = -1;

	CHECK(f);
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	pclose(f);
	return value;
}

static void drop(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Start the victim; returns when it has said "ready". */
static pid_t victim(const char *machine, const char *what, int *ret_in)
{
	int out[2], in[2];
	char line[6];
	pid_t pid;

	CHECK_SYS(pipe2(out, O_CLOEXEC));
	CHECK_SYS(pipe2(in, O_CLOEXEC));
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		const char *swsgx = getenv("SWSGX"), *program = getenv("VICTIM");

		dup2(in[0], 0);
		dup2(out[1], 1);
		if (machine)
			execl(swsgx, "swsgx", "run", "--machine", machine, "--", program, what,
			      (char *)NULL);
		else
			execl(swsgx, "swsgx", "run", "--", program, what, (char *)NULL);
		_exit(98);
	}
	close(out[1]);
	close(in[0]);
	for (size_t got = 0; got < sizeof(line);) {
		ssize_t n = read(out[0], line + got, sizeof(line) - got);

		if (n <= 0)
			FAIL("the victim ended before it was ready");
		got += (size_t)n;
	}
	CHECK_MEM(line, "ready\n", 6);
	close(out[0]);
	if (ret_in)
		*ret_in = in[1];
	else
		drop(in[1]);
	return pid;
}

static bool all_free(void)
{
	return sh("\"$SWSGX\" stat --json --machine k | python3 -c '\n"
		  "import json, sys\n"
		  "d = json.load(sys.stdin)\n"
		  "e = d[\"epc\"]\n"
		  "sys.exit(0 if e[\"free\"] == e[\"total\"] and not d[\"enclaves\"] else 1)'") ==
	       0;
}

/* The machine learns of a death a moment later. */
static void wait_all_free(void)
{
	for (int i = 0; i < 200; i++) {
		if (all_free())
			return;
		usleep(50000);
	}
	sh("\"$SWSGX\" stat --json --machine k >&2");
	FAIL("EPC pages are lost");
}

static void kill_rounds(const char *what, int rounds)
{
	unsigned int seed = 12345;

	setup();
	CHECK_EQ(sh("\"$SWSGX\" machine start k --epc 32M"), 0);
	for (int i = 0; i < rounds; i++) {
		pid_t pid = victim("k", what, NULL);

		usleep((useconds_t)(rand_r(&seed) % 20000));
		kill(pid, SIGKILL);
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		if (i % 10 == 9)
			wait_all_free();
	}
	wait_all_free();
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
	cleanup();
}

TEST_TIMEOUT(killed_while_building, 120)
{
	kill_rounds("build", 40);
}

TEST_TIMEOUT(killed_while_inside, 120)
{
	kill_rounds("loop", 40);
}

TEST_TIMEOUT(killed_while_forking, 120)
{
	kill_rounds("fork", 20);
}

TEST_TIMEOUT(killed_with_children_in_its_enclave, 120)
{
	kill_rounds("inherit", 40);
}

/* Where a machine's process is */
static pid_t daemon_of(const char *name)
{
	char command[128];
	long pid;

	snprintf(command, sizeof(command),
		 "\"$SWSGX\" machine list | sed -n 's/^%s *\\([0-9]*\\) .*/\\1/p'", name);
	pid = number(command);
	CHECK(pid > 1);
	return (pid_t)pid;
}

TEST_TIMEOUT(daemon_killed_under_the_program, 120)
{
	setup();
	for (int i = 0; i < 5; i++) {
		int in, status;
		pid_t pid;

		CHECK_EQ(sh("\"$SWSGX\" machine start k"), 0);
		pid = victim("k", "lost", &in);
		CHECK_SYS(kill(daemon_of("k"), SIGKILL));
		while (!sh("\"$SWSGX\" stat --machine k >/dev/null 2>&1"))
			usleep(10000);
		CHECK_EQ(write(in, "x", 1), 1);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		close(in);
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			FAIL("the program: wait status 0x%x", (unsigned int)status);
	}
	/* what the dead one left behind is no obstacle */
	CHECK_EQ(sh("\"$SWSGX\" machine start k"), 0);
	CHECK_EQ(sh("\"$SWSGX\" run --machine k -- \"$VICTIM\" once"), 0);
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
	cleanup();
}

TEST_TIMEOUT(daemon_killed_under_threads_inside, 120)
{
	setup();
	for (int i = 0; i < 5; i++) {
		int status;
		pid_t pid;

		CHECK_EQ(sh("\"$SWSGX\" machine start k"), 0);
		pid = victim("k", "loop", NULL);
		CHECK_SYS(kill(daemon_of("k"), SIGKILL));
		/* its own CHECKs fail, or it runs on; it never hangs against SIGTERM */
		usleep(200000);
		kill(pid, SIGTERM);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	}
	cleanup();
}

TEST(stop_with_programs)
{
	int status;
	pid_t pid;

	setup();
	CHECK_EQ(sh("\"$SWSGX\" machine start k"), 0);
	pid = victim("k", "hold", NULL);
	CHECK_EQ(sh("\"$SWSGX\" machine stop k 2>/dev/null"), 1);
	CHECK_EQ(sh("\"$SWSGX\" machine stop k --force"), 0);
	CHECK_EQ(sh("\"$SWSGX\" machine stop k 2>/dev/null"), 1);
	kill(pid, SIGTERM);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	cleanup();
}

TEST(two_programs_on_a_machine)
{
	pid_t a, b;

	setup();
	CHECK_EQ(sh("\"$SWSGX\" machine start k"), 0);
	a = victim("k", "hold", NULL);
	b = victim("k", "hold", NULL);
	CHECK_EQ(number("\"$SWSGX\" stat --json --machine k | python3 -c 'import json, sys; "
			"print(len(json.load(sys.stdin)[\"enclaves\"]))'"),
		 2);
	kill(a, SIGTERM);
	CHECK_EQ(waitpid(a, NULL, 0), a);
	CHECK_EQ(sh("\"$SWSGX\" run --machine k -- \"$VICTIM\" once"), 0);
	kill(b, SIGINT);
	CHECK_EQ(waitpid(b, NULL, 0), b);
	wait_all_free();
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
	cleanup();
}

/* The private machine of a command goes with it. */
TEST(private_machine_ends)
{
	char path[64];
	pid_t pid;

	setup();
	pid = victim(NULL, "hold", NULL);
	CHECK_EQ(sh("\"$SWSGX\" machine list | grep -q ^pid:"), 0);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	while (!sh("\"$SWSGX\" machine list | grep -q ^pid:"))
		usleep(10000);
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	CHECK(access(path, F_OK));
	cleanup();
}

static void check_title(pid_t pid, const char *want)
{
	char path[64], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "re");
	CHECK(f);
	CHECK(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	CHECK_STR(text, want);
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	CHECK(f && fgets(text, sizeof(text), f));
	fclose(f);
	CHECK_STR(text, "swsgx-machine\n");
}

/* `pkill -f victim` ends the victim, and not its machine. */
TEST(machines_have_names_of_their_own)
{
	char command[128], want[64];
	pid_t pid;

	setup();
	CHECK_EQ(sh("\"$SWSGX\" machine start k"), 0);
	check_title(daemon_of("k"), "swsgx: machine k");
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
	pid = victim(NULL, "hold", NULL);
	snprintf(want, sizeof(want), "swsgx: private machine of pid %d", (int)pid);
	snprintf(command, sizeof(command), "grep -lszx '%s' /proc/[0-9]*/cmdline | cut -d/ -f3",
		 want);
	check_title((pid_t)number(command), want);
	/* with no environment behind the arguments, and few of these */
	CHECK_EQ(sh("env -i \"$SWSGX\" run true"), 0);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	cleanup();
}

/* Docker's default profile, and no device: programs still run. */
TEST(without_userfaultfd)
{
	setup();
	CHECK_SYS(deny_userfaultfd(true));
	CHECK_ERRNO(syscall(__NR_userfaultfd, 0), EPERM);
	CHECK_EQ(sh("\"$SWSGX\" run -- \"$VICTIM\" once"), 0);
	CHECK_EQ(sh("\"$SWSGX\" run -- true"), 0);
	CHECK_EQ(sh("\"$SWSGX\" machine start k --epc 1M"), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(sh("\"$SWSGX\" run --machine k -- \"$VICTIM\" once"), 0);
	wait_all_free();
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
	cleanup();
}

/* The machine has userfaultfd, the program has not */
TEST(program_without_userfaultfd)
{
	setup();
	CHECK_EQ(sh("\"$SWSGX\" machine start k --epc 1M"), 0);
	CHECK_SYS(deny_userfaultfd(true));
	CHECK_ERRNO(syscall(__NR_userfaultfd, 0), EPERM);
	CHECK_EQ(sh("\"$SWSGX\" run --machine k -- \"$VICTIM\" once"), 0);
	wait_all_free();
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
	cleanup();
}

/*
 * A machine without CAP_KILL, as in many a container, and a program of another user
 * that cannot get an agent: it must end before its first instruction nevertheless.
 */
static void cannot_be_injected(const char *command)
{
	char line[512];
	int status;

	/* 137: killed, and so says the shell */
	snprintf(line, sizeof(line),
		 "\"$SWSGX\" run -- setpriv --reuid 65534 --regid 65534 --clear-groups %s "
		 "2>said >ran; echo $? >status",
		 command);
	CHECK_EQ(chdir(folder), 0);
	CHECK_EQ(sh(line), 0);
	status = (int)number("cat status");
	if (status != 137)
		FAIL("exit status %d of the program that has no agent", status);
	CHECK_EQ(sh("test ! -s ran"), 0);
	CHECK_EQ(sh("grep -q '^swsgx: cannot put the agent into process' said"), 0);
}

TEST(a_daemon_that_may_not_kill)
{
	TAKES_ROOT();
	setup();
	CHECK_SYS(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0));
	/* in the middle of its injection */
	cannot_be_injected("prlimit --as=40000000 /bin/echo it runs");
	/* and before it: without these /proc/PID/mem cannot be opened */
	CHECK_SYS(prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0));
	CHECK_SYS(prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0));
	cannot_be_injected("/bin/echo it runs");
	CHECK_EQ(chdir("/"), 0);
	cleanup();
}
