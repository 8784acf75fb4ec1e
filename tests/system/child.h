/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of a test: started, and their end waited for. */
#ifndef TESTS_SYSTEM_CHILD_H
#define TESTS_SYSTEM_CHILD_H

#include <harness/harness.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void expect_exit(pid_t pid, int want)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
		FAIL("child: wait status 0x%x, not exit status %d", (unsigned int)status, want);
}

static inline pid_t start(void)
{
	pid_t pid = fork();

	CHECK_SYS(pid);
	return pid;
}

#endif
