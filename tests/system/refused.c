/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swsgx run where one system call is refused: each in turn, with the errnos that
 * filters use.  It works, or ends with 125 and one line on its standard error; it never
 * hangs, crashes, or leaves its program without an agent.  Environment: SWSGX.
 */
#include "child.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LAST_CALL 512 /* above all that Linux has */
#define SECONDS	  30 /* until it counts as hung */

/* Refuse a call from now on, but the exec of this very path */
static void refuse(int nr, int error, const char *path)
{
	const uint32_t low = (uint32_t)(uintptr_t)path;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(97);
}

static char said[4096];

/* Return: wait status */
static int run(int nr, int error, const char *const *command)
{
	int err[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	CHECK_SYS(pipe2(err, O_CLOEXEC));
	pid = start();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 0);
		dup2(null, 1);
		dup2(err[1], 2);
		alarm(SECONDS); /* survives the execs */
		refuse(nr, error, command[0]);
		execv(command[0], (char *const *)(uintptr_t)command);
		_exit(96);
	}
	close(err[1]);
	while ((n = read(err[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = 0;
	close(err[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static bool one_line(void)
{
	const char *end = strchr(said, '\n');

	return end && !end[1] && !strncmp(said, "swsgx run: ", 11);
}

/* Return: false where it is as it should not be */
static bool good(int nr, int error)
{
	const char *const bare[] = {"/bin/true", NULL};
	const char *const swsgx[] = {getenv("SWSGX"), "--version", NULL};
	const char *const under[] = {getenv("SWSGX"), "run", "--", "/bin/true", NULL};
	int status;

	/* what ld.so, libc and true need themselves is no matter of ours */
	if (run(nr, error, bare) || run(nr, error, swsgx))
		return true;
	status = run(nr, error, under);
	if (!status && (!said[0] || one_line()))
		return true; /* also with a warning */
	/* the program's own exec */
	if (nr == SYS_execve && WIFEXITED(status) && WEXITSTATUS(status) == 126 && one_line())
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 125 && one_line())
		return true;
	fprintf(stderr, "# system call %d, errno %d: wait status 0x%x, says: %s\n", nr, error,
		(unsigned int)status, said);
	return false;
}

static void each_call(int error)
{
	int bad = 0;

	if (!getenv("SWSGX"))
		FAIL("SWSGX is not set");
	for (int nr = 0; nr < LAST_CALL; nr++)
		bad += !good(nr, error);
	CHECK_EQ(bad, 0);
}

TEST_TIMEOUT(by_eperm, 600)
{
	each_call(EPERM);
}

TEST_TIMEOUT(by_enosys, 600)
{
	each_call(ENOSYS);
}

/* A line that names the call, and not what came of it */
TEST(the_call_is_named)
{
	static const struct {
		int nr;
		const char *name;
	} table[] = {
		{SYS_pidfd_open, "pidfd_open"},
		{SYS_getrandom, "getrandom"},
		{SYS_clone3, "clone3"},
		{SYS_ptrace, "ptrace"},
		{SYS_seccomp, "seccomp"},
		{SYS_rt_sigreturn, "rt_sigreturn"},
		{SYS_memfd_create, "memfd_create"},
		{SYS_socketpair, "socketpair"},
	};
	const char *const under[] = {getenv("SWSGX"), "run", "--", "/bin/true", NULL};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char want[64];

		CHECK_EQ(run(table[i].nr, EPERM, under), 125 << 8);
		snprintf(want, sizeof(want), "the system call %s is refused", table[i].name);
		if (!strstr(said, want))
			FAIL("it does not say '%s' but: %s", want, said);
	}
}
