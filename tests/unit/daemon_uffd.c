/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The states of a userfaultfd that a client hands in: which are refused, and what the
 * others may do to whoever parks pages.
 */
#include "daemon_agent.h"
#include "machine.h"

#include <harness/harness.h>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL	PROTO_UFFD_FEATURES
#define UFFD_WP (1ull << 57) /* Linux: of an entry of /proc/self/pagemap */
#define REGISTER \
	(UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP)

/* --- what it is ---------------------------------------------------------------------- */

static const uint64_t refused_features[] = {
	0, /* UFFDIO_API has not been done */
	ALL | UFFD_FEATURE_EVENT_REMAP,
	ALL | UFFD_FEATURE_EVENT_REMOVE,
	ALL | UFFD_FEATURE_EVENT_UNMAP,
	ALL | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP,
	ALL | UFFD_FEATURE_THREAD_ID,
	ALL & ~(uint64_t)UFFD_FEATURE_SIGBUS,
	ALL & ~(uint64_t)UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	UFFD_FEATURE_SIGBUS,
};
#define FEATURES (sizeof(refused_features) / sizeof(refused_features[0]))

static int no_uffd(unsigned i)
{
	int sp[2];

	switch (i) {
	case 0:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 1:
		return memfd_create("anon_inode:[userfaultfd]", MFD_CLOEXEC);
	case 2:
		return eventfd(0, EFD_CLOEXEC);
	case 3:
		return epoll_create1(EPOLL_CLOEXEC);
	case 4:
		CHECK_SYS(pipe2(sp, O_CLOEXEC));
		close(sp[1]);
		return sp[0];
	case 5:
		return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	default:
		CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
		close(sp[1]);
		return sp[0];
	}
}
#define NO_UFFDS 7u

TEST(what_is_taken)
{
	int fd = agent_uffd(ALL);

	CHECK_EQ(uffd_check(fd), 0);
	close(fd);
	CHECK_EQ(uffd_check(fd), -EINVAL);
	for (size_t i = 0; i < FEATURES; i++) {
		fd = agent_uffd(refused_features[i]);
		CHECK_EQ(uffd_check(fd), -EINVAL);
		close(fd);
	}
	for (unsigned i = 0; i < NO_UFFDS; i++) {
		fd = no_uffd(i);
		CHECK_SYS(fd);
		CHECK_EQ(uffd_check(fd), -EINVAL);
		close(fd);
	}
}

/* The kernel gives it to who may trace others alone. */
TEST(forks_are_events_too)
{
	int fd;

	TAKES_ROOT();
	fd = agent_uffd(ALL | UFFD_FEATURE_EVENT_FORK);
	CHECK_EQ(uffd_check(fd), -EINVAL);
	close(fd);
}

/* Who hands in another one is told, and the machine goes on. */
TEST(what_a_machine_takes)
{
	pid_t machine;
	struct agent a;
	int command;

	close(agent_uffd(ALL));
	test_folders();
	machine = test_machine_start(1u << 20);
	command = agent_command();
	for (unsigned i = 0; i < FEATURES + NO_UFFDS; i++) {
		int fd = i < FEATURES ? agent_uffd(refused_features[i]) : no_uffd(i - FEATURES);

		CHECK_EQ(agent_connect_with(&a, command, fd), -EINVAL);
		close(fd);
	}
	CHECK_EQ(agent_connect(&a, command, true), 0);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

/* Nor is anything but a socket a private socket, in any message. */
TEST(what_is_no_private_socket)
{
	static const enum proto_msg_type types[] = {PROTO_MSG_CONNECT, PROTO_MSG_EXEC,
						    PROTO_MSG_EXEC_FAILED, PROTO_MSG_DEBUG,
						    PROTO_MSG_WHO};
	int command, fd[16], inet;
	pid_t machine;
	struct agent a;

	test_folders();
	machine = test_machine_start(1u << 20);
	command = agent_command();
	for (unsigned i = 0; i < 16; i++)
		CHECK_SYS(fd[i] = no_uffd(i % (NO_UFFDS - 1)));
	for (size_t type = 0; type < sizeof(types) / sizeof(types[0]); type++) {
		for (unsigned i = 0; i + 1 < NO_UFFDS; i++)
			CHECK_EQ(agent_send(command, types[type], &fd[i], 1), 0);
		/* more than any message has */
		CHECK_EQ(agent_send(command, types[type], fd, 16), 0);
		inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (inet < 0)
			continue;
		CHECK_EQ(agent_send(command, types[type], &inet, 1), 0);
		close(inet);
	}
	for (unsigned i = 0; i < 16; i++)
		close(fd[i]);
	CHECK_EQ(agent_connect(&a, command, false), 0);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

/* --- what it does ---------------------------------------------------------------------- */

static struct client client;
static int status;

/* A client, which is a child that waits; it may be killed. */
static void begin_client(int uffd)
{
	pid_t pid = fork();

	CHECK_SYS(pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	log_init(log_open());
	memset(&client, 0, sizeof(client));
	client.pid = pid;
	client.mm.uffd = uffd;
	client.pidfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK_SYS(client.pidfd.fd);
	atomic_init(&client.state, CLIENT_SERVED);
}

static void end_client(bool broken)
{
	CHECK_EQ(atomic_load(&client.state), broken ? CLIENT_BROKEN : CLIENT_SERVED);
	if (!broken)
		CHECK_SYS(kill(client.pid, SIGTERM));
	CHECK_EQ(waitpid(client.pid, &status, 0), client.pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), broken ? SIGKILL : SIGTERM);
	close(client.pidfd.fd);
	close(client.mm.uffd);
}

static uint8_t *map_shared(unsigned pages)
{
	int fd = memfd_create("pages", MFD_CLOEXEC);
	uint8_t *map;

	CHECK_SYS(fd);
	CHECK_SYS(ftruncate(fd, (off_t)(pages * SGX_PAGE_SIZE)));
	map = mmap(NULL, pages * SGX_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	close(fd);
	memset(map, 1, pages * SGX_PAGE_SIZE);
	return map;
}

static void reg(int uffd, uint8_t *map, unsigned pages)
{
	struct uffdio_register r = {
		.range = {.start = (uint64_t)(uintptr_t)map, .len = pages * SGX_PAGE_SIZE},
		.mode = REGISTER,
	};

	CHECK_SYS(ioctl(uffd, UFFDIO_REGISTER, &r));
}

static bool is_protected(const uint8_t *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	CHECK_SYS(fd);
	CHECK_EQ(pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)page / SGX_PAGE_SIZE * 8)), 8);
	close(fd);
	return entry & UFFD_WP;
}

static int hide(const uint8_t *page, unsigned count)
{
	return uffd_protect_client(&client.mm, (uint64_t)(uintptr_t)page, count);
}

/* What is not registered, or unmapped, is in no way of what is. */
TEST(a_range_in_part)
{
	int uffd = agent_uffd(ALL), other = agent_uffd(ALL);
	uint8_t *map = map_shared(8);

	begin_client(uffd);
	reg(uffd, map, 8);
	CHECK_EQ(ioctl(uffd, UFFDIO_UNREGISTER,
		       &(struct uffdio_range){.start = (uint64_t)(uintptr_t)map + 2 * SGX_PAGE_SIZE,
					      .len = SGX_PAGE_SIZE}),
		 0);
	CHECK_SYS(munmap(map + 4 * SGX_PAGE_SIZE, SGX_PAGE_SIZE));
	/* by another one of its own: that is its write-protection, too */
	CHECK_EQ(ioctl(uffd, UFFDIO_UNREGISTER,
		       &(struct uffdio_range){.start = (uint64_t)(uintptr_t)map + 6 * SGX_PAGE_SIZE,
					      .len = SGX_PAGE_SIZE}),
		 0);
	reg(other, map + 6 * SGX_PAGE_SIZE, 1);
	CHECK_EQ(hide(map, 8), 0);
	for (unsigned i = 0; i < 8; i++)
		if (i != 4)
			CHECK_EQ(is_protected(map + i * SGX_PAGE_SIZE), i != 2);
	end_client(false);
	munmap(map, 8 * SGX_PAGE_SIZE);
	close(other);
}

/* Beyond all that a process can map, wholly or in part */
TEST(out_of_reach)
{
	begin_client(agent_uffd(ALL));
	CHECK_EQ(uffd_protect_client(&client.mm, 0x7ffffffff000 - 2 * SGX_PAGE_SIZE, 4), 0);
	CHECK_EQ(uffd_protect_client(&client.mm, 0xffff800000000000, 128), 0);
	CHECK_EQ(uffd_protect_client(&client.mm, 0xfffffffffffff000, 1), 0);
	CHECK_EQ(uffd_protect_client(&client.mm, 0, 1), 0);
	end_client(false);
}

/* It is the mappings of another process that it speaks of, which has ended. */
TEST(of_a_process_that_has_ended)
{
	pid_t pid;
	int p[2], uffd, pidfd;

	close(agent_uffd(ALL));
	CHECK_SYS(pipe2(p, O_CLOEXEC));
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		uffd = agent_uffd(ALL);
		CHECK_EQ(write(p[1], &uffd, sizeof(uffd)), sizeof(uffd));
		pause();
		_exit(0);
	}
	CHECK_EQ(read(p[0], &uffd, sizeof(uffd)), sizeof(uffd));
	close(p[0]);
	close(p[1]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK_SYS(pidfd);
	uffd = (int)syscall(SYS_pidfd_getfd, pidfd, uffd, 0);
	close(pidfd);
	if (uffd < 0)
		SKIP("no descriptor of a child's to be had here");
	CHECK_EQ(uffd_check(uffd), 0);
	begin_client(uffd);
	CHECK_EQ(uffd_protect_client(&client.mm, 0x10000, 4), 0);
	CHECK_SYS(kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(uffd_protect(uffd, 0x10000, 4), -ESRCH);
	CHECK_EQ(uffd_protect_client(&client.mm, 0x10000, 4), 0);
	end_client(false);
}

static uint8_t *removed;

static void *remove_it(void *arg)
{
	(void)madvise(removed, SGX_PAGE_SIZE, MADV_DONTNEED);
	return NULL;
}

/*
 * EAGAIN for as long as an event is unread: uffd_check() takes none that has any, and if
 * it did, it would be its client's end and not ours.
 */
TEST(events_that_nobody_reads)
{
	int uffd = agent_uffd(ALL | UFFD_FEATURE_EVENT_REMOVE);
	uint8_t *map = map_shared(4);
	pthread_t thread;
	char event[64];

	begin_client(uffd);
	reg(uffd, map, 4);
	removed = map;
	CHECK_EQ(pthread_create(&thread, NULL, remove_it, NULL), 0);
	while (uffd_protect(uffd, 0x10000, 1) != -EAGAIN)
		usleep(1000);
	CHECK_EQ(hide(map, 4), 0);
	CHECK_EQ(atomic_load(&client.state), CLIENT_BROKEN);
	/* it is not asked again */
	CHECK_EQ(hide(map, 4), 0);
	CHECK_EQ(read(uffd, event, sizeof(event)) > 0, 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(!is_protected(map));
	CHECK_EQ(hide(map, 4), 0);
	CHECK(!is_protected(map));
	end_client(true);
	munmap(map, 4 * SGX_PAGE_SIZE);
}

/* One without UFFDIO_API would be one that has nothing: that is why it is refused. */
TEST(without_api_nothing_is_protected)
{
	int uffd = agent_uffd(0);

	CHECK_EQ(uffd_protect(uffd, 0x10000, 1), -EINVAL);
	close(uffd);
}
