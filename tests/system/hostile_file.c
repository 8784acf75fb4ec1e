/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of a program's that hang: on a file system that never answers, which the program
 * makes itself (FUSE, in namespaces of its own).  Its machine goes on for all others, also
 * when it is killed.  Environment: SWSGX; VICTIM, a program with an enclave.
 */
#include "child.h"
#include "hung.h"
#include "own_machines.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>

/* Exit status; what takes longer than 30 s hangs: 124 */
static int timed(const char *command)
{
	char line[512];
	int status;

	snprintf(line, sizeof(line), "exec timeout 30 %s", command);
	status = system(line);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* --- the tests ------------------------------------------------------------------------ */

static void all_others_go_on(void)
{
	CHECK_EQ(timed("\"$SWSGX\" stat --machine k >/dev/null"), 0);
	CHECK_EQ(timed("\"$SWSGX\" run --machine k -- true"), 0);
	CHECK_EQ(timed("\"$SWSGX\" run --machine k -- \"$VICTIM\" once"), 0);
}

static void hangs(const char *how)
{
	char path[128], command[256], byte;
	pid_t server, pid;
	int asked, status;

	setup();
	if (!strcmp(how, "exec"))
		make_program();
	CHECK_EQ(timed("\"$SWSGX\" machine start k --epc 1M --ephemeral"), 0);
	snprintf(path, sizeof(path), "%s/mnt", folder);
	asked = hung_mount(path, &server);
	if (asked < 0) {
		CHECK_EQ(timed("\"$SWSGX\" machine stop k"), 0);
		cleanup();
		TAKES_ROOT();
		SKIP("no FUSE here");
	}
	snprintf(path, sizeof(path), "%s/mnt/file", folder);
	pid = start();
	if (!pid) {
		const char *swsgx = getenv("SWSGX"), *self = "/proc/self/exe";
		char program[256];
		ssize_t n = readlink(self, program, sizeof(program) - 1);

		program[n < 0 ? 0 : n] = 0;
		setenv("HANGS", path, 1);
		if (!strcmp(how, "map"))
			execl(swsgx, "swsgx", "run", "--machine", "k", "--", program,
			      "maps_a_file_that_hangs", (char *)NULL);
		else
			execl(swsgx, "swsgx", "run", "--machine", "k", "--", path, (char *)NULL);
		_exit(98);
	}
	/* it waits for its file now, and so does nobody else */
	CHECK_EQ(read(asked, &byte, 1), 1);
	all_others_go_on();
	CHECK_SYS(kill(pid, SIGKILL));
	all_others_go_on();
	snprintf(command, sizeof(command), "\"$SWSGX\" machine stop k --force");
	CHECK_EQ(timed(command), 0);
	CHECK_SYS(kill(server, SIGKILL));
	CHECK_EQ(waitpid(server, &status, 0), server);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	close(asked);
	snprintf(path, sizeof(path), "%s/mnt", folder);
	CHECK_SYS(umount2(path, MNT_DETACH));
	cleanup();
}

TEST(a_file_that_hangs_hangs_its_program_alone)
{
	hangs("map");
}

/* The kernel reads its first page, which is there; whoever wants more of it waits. */
TEST(an_executable_that_hangs_hangs_itself_alone)
{
	hangs("exec");
}

/* The program of the first */
TEST(maps_a_file_that_hangs)
{
	const char *path = getenv("HANGS");
	int fd;

	if (!path)
		SKIP("is started by another test");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_SYS(fd);
	CHECK(mmap(NULL, HUNG_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	/* where CPUID can be faulted nobody looks into it: the page does then */
	CHECK(*(volatile char *)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == 0);
}
