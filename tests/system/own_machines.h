/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machines of this test alone: sockets and fuses in a folder of its own, which is in
 * the environment of what is started.  The test's environment has SWSGX and VICTIM.
 */
#ifndef TESTS_SYSTEM_OWN_MACHINES_H
#define TESTS_SYSTEM_OWN_MACHINES_H

#include <harness/harness.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

/* The sockets' folder; where the fuses are is below it */
static char folder[64], state[80];

static inline void setup(void)
{
	if (!getenv("SWSGX") || !getenv("VICTIM"))
		FAIL("SWSGX and VICTIM are not set");
	snprintf(folder, sizeof(folder), "/tmp/swsgx-test-XXXXXX");
	CHECK(mkdtemp(folder));
	CHECK_SYS(setenv("XDG_RUNTIME_DIR", folder, 1));
	snprintf(state, sizeof(state), "%s/state", folder);
	CHECK_SYS(setenv("XDG_STATE_HOME", state, 1));
}

/* A shell's command.  Return: its exit status */
static inline int sh(const char *command)
{
	int status = system(command);

	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline void cleanup(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(sh(command), 0);
}

#endif
