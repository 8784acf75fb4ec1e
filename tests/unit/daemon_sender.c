/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages whose sender has ended, and whose sender's number is another process' when
 * they are read: nobody is killed, traced or connected for what it did not say.
 */
#include "daemon_agent.h"

#include "machine.h"

#include <harness/harness.h>

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EPC_SIZE (1u << 20)

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_SYS(fd);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/*
 * To say which number a process gets takes CAP_SYS_ADMIN over its PID namespace: an
 * ordinary user has it in one of its own.
 */
static void where_numbers_can_be_chosen(void (*test)(void))
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];
	int status;
	pid_t pid;

	if (!uid) {
		test();
		return;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID))
		SKIP("no PID namespace of our own: %s", strerror(errno));
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	put("/proc/self/gid_map", map);
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		test();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_EXIT_SKIP)
		SKIP("see above");
	CHECK_EQ(status, 0);
}

static void send_as_child(int command, uint32_t type, int private, pid_t *ret_pid)
{
	struct proto_msg msg = {.magic = PROTO_MAGIC, .version = PROTO_VERSION, .type = type};
	int status;
	pid_t pid = fork();

	CHECK_SYS(pid);
	if (!pid) {
		/* its number in its own namespace, which is the machine's */
		msg.exec.tid = (uint32_t)getpid();
		msg.exec.command_fd = command;
		_exit(sock_send(command, &msg, NULL, 0, &private, 1) ? 1 : 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	*ret_pid = pid;
}

/* A process of that number.  It ends when the pipe closes. */
static pid_t with_number(pid_t pid, int p[2])
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	pid_t got;
	char byte;

	CHECK_SYS(pipe2(p, O_CLOEXEC));
	got = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (got < 0 && (errno == EPERM || errno == ENOSYS))
		SKIP("the number of a process cannot be chosen: %s", strerror(errno));
	CHECK_SYS(got);
	if (!got) {
		close(p[1]);
		_exit(read(p[0], &byte, 1) == 0 ? 42 : 1);
	}
	close(p[0]);
	CHECK_EQ(got, pid);
	return got;
}

/* It is as it was: neither killed nor traced. */
static void is_untouched(pid_t pid, int p[2])
{
	char path[64];
	int status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!geteuid() && getpid() != 1) /* else /proc may be another namespace's */
		CHECK_EQ(proc_number(path, "TracerPid:"), 0);
	close(p[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 42);
}

static void stopped(pid_t machine)
{
	int status;

	CHECK_SYS(kill(machine, SIGSTOP));
	CHECK_EQ(waitpid(machine, &status, WUNTRACED), machine);
	CHECK(WIFSTOPPED(status));
}

/* What the machine sends on a private socket after it goes on, and then nothing */
static void nothing_is_granted(uint32_t type)
{
	struct proto_msg msg;
	int sp[2], p[2], command;
	pid_t machine, pid, other;
	ssize_t n;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	command = agent_command();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	stopped(machine);
	send_as_child(command, type, sp[1], &pid);
	close(sp[1]);
	other = with_number(pid, p);
	CHECK_SYS(kill(machine, SIGCONT));
	while ((n = recv(sp[0], &msg, sizeof(msg), 0)) > 0)
		CHECK(msg.status < 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(test_stat("totals", "processes"), 0);
	is_untouched(other, p);
	close(sp[0]);
	close(command);
	test_machine_stop(machine);
}

static void connect_of_another(void)
{
	nothing_is_granted(PROTO_MSG_CONNECT);
}

static void exec_of_another(void)
{
	nothing_is_granted(PROTO_MSG_EXEC);
}

TEST(a_number_that_is_anothers_is_not_connected)
{
	where_numbers_can_be_chosen(connect_of_another);
}

TEST(a_number_that_is_anothers_is_not_traced)
{
	where_numbers_can_be_chosen(exec_of_another);
}

/* And where there is nobody of that number, it is not waited for */
TEST(a_sender_that_has_ended_is_not_connected)
{
	struct proto_msg msg;
	pid_t machine, pid;
	int sp[2], command;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	command = agent_command();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	stopped(machine);
	send_as_child(command, PROTO_MSG_CONNECT, sp[1], &pid);
	close(sp[1]);
	CHECK_SYS(kill(machine, SIGCONT));
	CHECK_EQ(recv(sp[0], &msg, sizeof(msg), 0), 0);
	CHECK_EQ(test_stat("totals", "processes"), 0);
	close(sp[0]);
	close(command);
	test_machine_stop(machine);
}

/* --- sender.c by itself, both ways ------------------------------------------------- */

static void receive(int sock, struct sender *s)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int)) + SENDER_SPACE];
	} control;
	struct proto_msg msg;
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};

	sender_begin(s);
	CHECK_EQ(recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC), sizeof(msg));
	CHECK_EQ(hdr.msg_flags & MSG_CTRUNC, 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		if (c->cmsg_type == SCM_RIGHTS) {
			int fd;

			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
			close(fd);
		} else {
			sender_collect(s, c);
		}
	}
	sender_end(s);
}

static uint64_t tick(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return ((uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec) /
	       (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void both_ways(bool pidfds)
{
	int sp[2], p[2], fd[2];
	struct sender s;
	uint64_t then;
	pid_t pid, other;

	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	CHECK_SYS(pipe2(fd, O_CLOEXEC));
	CHECK_EQ(sender_watch(sp[1], pidfds), 0);
	/* one that is there */
	CHECK_EQ(sock_send(sp[0], &(struct proto_msg){0}, NULL, 0, fd, 1), 0);
	receive(sp[1], &s);
	CHECK_EQ(s.pid, getpid());
	CHECK(s.pidfd >= 0);
	CHECK(sender_is_there(s.pidfd));
	close(s.pidfd);
	/* one that has gone */
	send_as_child(sp[0], 0, fd[0], &pid);
	receive(sp[1], &s);
	CHECK_EQ(s.pid, pid);
	CHECK_EQ(s.pidfd, -ESRCH);
	/* and one whose number is in use again */
	send_as_child(sp[0], 0, fd[0], &pid);
	for (then = tick(); tick() == then;)
		;
	other = with_number(pid, p);
	receive(sp[1], &s);
	CHECK_EQ(s.pid, pid);
	CHECK_EQ(s.pidfd, -ESRCH);
	is_untouched(other, p);
	close(fd[0]);
	close(fd[1]);
	close(sp[0]);
	close(sp[1]);
}

static void by_pidfd(void)
{
	both_ways(true);
}

static void by_time(void)
{
	both_ways(false);
}

TEST(a_sender_is_known_by_its_pidfd)
{
	where_numbers_can_be_chosen(by_pidfd);
}

TEST(a_sender_is_known_by_its_time)
{
	where_numbers_can_be_chosen(by_time);
}
