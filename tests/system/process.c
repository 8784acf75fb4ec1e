/* SPDX-License-Identifier: BSD-3-Clause */
/* Enclaves and processes: fork, exec, descriptors that travel. */
#include "child.h"
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's end does not free what the parent has. */
TEST(child_exits)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 41);
	for (int i = 0; i < 20; i++) {
		pid = start();
		if (!pid)
			_exit(0);
		expect_exit(pid, 0);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 41);
	}
	encl_free(&e);
}

TEST(child_closes_all)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 42);
	pid = start();
	if (!pid) {
		encl_free(&e);
		_exit(0);
	}
	expect_exit(pid, 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 42);
	encl_free(&e);
}

/* A child makes enclaves of its own. */
TEST(child_builds)
{
	struct encl e, own;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	pid = start();
	if (!pid) {
		encl_build(&own, &(struct encl_opts){0});
		encl_write8(&own, 0, own.base + ENCL_DATA, 7);
		CHECK_EQ(encl_read8(&own, 0, own.base + ENCL_DATA), 7);
		_exit(0);
	}
	expect_exit(pid, 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* The parent goes first: the child's descriptor keeps the enclave. */
TEST(child_maps_again)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 43);
	pid = start();
	if (!pid) {
		encl_map_all(&e);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 43);
		encl_write8(&e, 0, e.base + ENCL_DATA, 44);
		_exit(0);
	}
	expect_exit(pid, 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 44);
	encl_free(&e);
}

static void send_fd(int sock, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(sock, &h, 0), 1);
}

static int receive_fd(int sock)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	int fd;

	CHECK_EQ(recvmsg(sock, &h, MSG_CMSG_CLOEXEC), 1);
	CHECK(CMSG_FIRSTHDR(&h));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(fd));
	return fd;
}

/* Built in one process, sent to another of the machine, run there. */
TEST(descriptor_sent_to_another_process)
{
	struct encl e;
	int pair[2];
	pid_t pid;

	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	/* before the enclave is there: nothing is inherited but the socket */
	pid = start();
	if (!pid) {
		close(pair[0]);
		CHECK_EQ(read(pair[1], &e, sizeof(e)), (ssize_t)sizeof(e));
		e.fd = receive_fd(pair[1]);
		CHECK_SYS(e.fd);
		encl_map_all(&e);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 99);
		encl_write8(&e, 0, e.base + ENCL_DATA, 100);
		_exit(0);
	}
	close(pair[1]);
	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 99);
	CHECK_EQ(write(pair[0], &e, sizeof(e)), (ssize_t)sizeof(e));
	send_fd(pair[0], e.fd);
	expect_exit(pid, 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 100);
	close(pair[0]);
	encl_free(&e);
}

/* Threads fork while others are inside. */
static struct encl shared;
static int done;

static void *work(void *arg)
{
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		encl_op(&shared, (unsigned int)(uintptr_t)arg, OP_ADD, shared.base + ENCL_DATA, 0,
			50, 0);
	return NULL;
}

TEST(fork_while_threads_are_inside)
{
	pthread_t thread[2];

	encl_build(&shared, &(struct encl_opts){.tcs_count = 3});
	for (uintptr_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, work, (void *)i), 0);
	for (int i = 0; i < 50; i++) {
		pid_t pid = start();

		if (!pid)
			_exit(0);
		expect_exit(pid, 0);
		encl_op(&shared, 2, OP_NOP, 0, 0, 0, 0);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	encl_free(&shared);
}

/* exec of an ordinary program with a live enclave: close-on-exec takes the descriptor */
TEST(exec_with_an_enclave)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	pid = start();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", "test -c /dev/sgx_enclave && exit 7", (char *)NULL);
		_exit(1);
	}
	expect_exit(pid, 7);
	CHECK_EQ(system("exit 3"), 3 << 8);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}
