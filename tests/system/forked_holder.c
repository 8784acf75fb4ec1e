/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fork children hold the enclaves that their parent held at the fork, and the daemon
 * believes them: without a descriptor, without the parent, whoever they are by then.
 */
#include "child.h"
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What a child has been given at its fork it has, whatever it becomes before it uses it:
 * the parent is gone, no descriptor is left.  False: it cannot become that here.
 */
static void becomes(bool (*what)(void))
{
	int gone[2], result[2];
	char c = 0;
	pid_t pid;

	CHECK_SYS(pipe2(gone, O_CLOEXEC));
	CHECK_SYS(pipe2(result, O_CLOEXEC));
	pid = start();
	if (!pid) {
		struct encl e;

		encl_build(&e, &(struct encl_opts){0});
		encl_write8(&e, 0, e.base + ENCL_DATA, 77);
		close(e.fd);
		pid = start();
		if (pid)
			_exit(0);
		close(gone[1]);
		CHECK_EQ(read(gone[0], &c, 1), 0);
		if (!what()) {
			CHECK_EQ(write(result[1], "s", 1), 1);
			_exit(0);
		}
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 77);
		encl_write8(&e, 0, e.base + ENCL_DATA, 78);
		pid = start();
		if (!pid) {
			CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 78);
			_exit(0);
		}
		expect_exit(pid, 0);
		CHECK_EQ(write(result[1], "y", 1), 1);
		_exit(0);
	}
	expect_exit(pid, 0);
	close(gone[1]);
	close(result[1]);
	CHECK_EQ(read(result[0], &c, 1), 1);
	close(gone[0]);
	close(result[0]);
	if (c == 's')
		SKIP("not here: %s", strerror(errno));
	CHECK_EQ(c, 'y');
}

static bool another_user(void)
{
	CHECK_SYS(setresgid(65534, 65534, 65534));
	CHECK_SYS(setresuid(65534, 65534, 65534));
	return true;
}

static bool user_namespace(void)
{
	return !unshare(CLONE_NEWUSER);
}

static bool pid_namespace(void)
{
	return !unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWPID : CLONE_NEWPID);
}

TEST(child_becomes_another_user)
{
	TAKES_ROOT();
	becomes(another_user);
}

TEST(child_goes_into_a_user_namespace)
{
	becomes(user_namespace);
}

TEST(child_goes_into_a_pid_namespace)
{
	becomes(pid_namespace);
}

/* Mapped before there is an enclave; which the child makes, or the parent after the fork. */
TEST(create_after_fork)
{
	struct encl e;
	int down[2];
	pid_t pid;
	char c;

	for (int by_child = 0; by_child < 2; by_child++) {
		encl_open(&e, &(struct encl_opts){0});
		CHECK_EQ(encl_map(&e, 0, e.size, PROT_NONE), 0);
		CHECK_SYS(pipe2(down, O_CLOEXEC));
		pid = start();
		if (!pid) {
			close(down[1]);
			if (!by_child)
				CHECK_EQ(read(down[0], &c, 1), 1);
			else
				CHECK_EQ(encl_create(&e), 0);
			encl_map_all(&e);
			if (by_child) {
				encl_add_all(&e);
				encl_sign(&e);
				CHECK_EQ(encl_init(&e), 0);
			}
			encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
			_exit(0);
		}
		if (!by_child) {
			CHECK_EQ(encl_create(&e), 0);
			encl_add_all(&e);
			encl_sign(&e);
			CHECK_EQ(encl_init(&e), 0);
			CHECK_EQ(write(down[1], "x", 1), 1);
		}
		expect_exit(pid, 0);
		encl_map_all(&e);
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		close(down[0]);
		close(down[1]);
		encl_free(&e);
	}
}

/* A descriptor that was only opened is shown, whatever its flags are by then. */
TEST(descriptor_with_other_flags)
{
	struct encl e;
	pid_t pid;

	for (int flags = 0; flags < 2; flags++) {
		encl_open(&e, &(struct encl_opts){0});
		if (flags)
			CHECK_SYS(fcntl(e.fd, F_SETFL, O_NONBLOCK));
		pid = start();
		if (!pid) {
			CHECK_EQ(encl_create(&e), 0);
			encl_add_all(&e);
			encl_sign(&e);
			CHECK_EQ(encl_init(&e), 0);
			encl_map_all(&e);
			encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
			_exit(0);
		}
		expect_exit(pid, 0);
		encl_map_all(&e);
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		encl_free(&e);
	}
}

/* Whole files of the program's own are locked by others, and it meets no lock but theirs. */
TEST(other_memfds_are_not_locked)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct encl e;
	struct stat st;
	uint64_t *asked =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd, again;
	char path[64];
	pid_t pid;

	CHECK(asked != MAP_FAILED);
	/* a program that knows SGX: its fstat() are looked at */
	encl_open(&e, &(struct encl_opts){0});
	fd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK_SYS(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	CHECK_SYS(again);
	pid = start();
	if (!pid) {
		/* asked about all the time, by another open file than the one that locks */
		for (;; __atomic_fetch_add(asked, 1, __ATOMIC_RELAXED))
			CHECK_SYS(fstat(again, &st));
	}
	while (__atomic_load_n(asked, __ATOMIC_RELAXED) < 3000) {
		all.l_type = F_WRLCK;
		CHECK_SYS(fcntl(fd, F_OFD_SETLK, &all));
		all.l_type = F_UNLCK;
		CHECK_SYS(fcntl(fd, F_OFD_SETLK, &all));
	}
	CHECK_SYS(kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_SYS(munmap(asked, 4096));
	close(fd);
	close(again);
	encl_free(&e);
}
