/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that die, lie, or lose their machine. */
#include "daemon_agent.h"

#include <harness/harness.h>
#include <sgx/arch.h>

#include <asm/sgx.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EPC_SIZE (8u << 20)

static uint8_t source[160 * SGX_PAGE_SIZE];

/* Build enclaves and drop them, for ever. */
static void busy_client(unsigned seed)
{
	struct agent a;

	CHECK_EQ(agent_connect(&a, agent_command(), true), 0);
	for (;;) {
		struct test_enclave e[3];
		uint64_t added;

		for (int i = 0; i < 3; i++) {
			uint64_t count = 1 + (uint64_t)rand_r(&seed) % 100;

			CHECK_EQ(enclave_try_open(&a, &e[i]), 0);
			enclave_create(&a, &e[i], 256);
			enclave_add(&a, &e[i], 0, source, count, SECINFO_REG_RW, &added);
			enclave_add(&a, &e[i], 200, source, 1, SECINFO_TCS, &added);
			enclave_map(&a, &e[i], PROT_READ);
			enclave_fault(&a, &e[i], (uint64_t)rand_r(&seed) % 128, SGX_PF_U,
				      PROT_READ);
		}
		for (int i = 0; i < 3; i++)
			enclave_drop(&e[i]);
	}
}

TEST(sigkill_at_any_time_loses_no_page)
{
	unsigned seed = 42;
	pid_t machine, pid[2];

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	for (int round = 0; round < 60; round++) {
		struct timespec ts = {.tv_nsec = 1000 * (1000 + rand_r(&seed) % 40000)};

		for (int i = 0; i < 2; i++) {
			pid[i] = fork();
			CHECK_SYS(pid[i]);
			if (!pid[i])
				busy_client((unsigned)(2 * round + i));
		}
		nanosleep(&ts, NULL);
		for (int i = 0; i < 2; i++) {
			int status;

			kill(pid[i], SIGKILL);
			CHECK_EQ(waitpid(pid[i], &status, 0), pid[i]);
			CHECK(WIFSIGNALED(status));
		}
	}
	test_all_free();
	CHECK_EQ(test_stat("epc", "leaked"), 0);
	CHECK(test_stat("totals", "pages_added") > 0);
	test_machine_stop(machine);
}

TEST(the_ioctl_place_of_a_dead_process_is_free)
{
	struct test_enclave e;
	struct agent a;
	uint64_t added;
	pid_t machine, pid;
	int status;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create(&a, &e, 256);
	pid = fork();
	if (!pid) {
		struct agent child;

		/* The descriptor is inherited; the agent of a child connects anew */
		CHECK_EQ(agent_connect(&child, agent_command(), false), 0);
		CHECK(enclave_show(&child, &e) > 0);
		CHECK_EQ(enclave_add_piece(&child, &e, 0, 8 * SGX_PAGE_SIZE, source, 2,
					   PROTO_IOCTL_FIRST, SECINFO_REG_RW, &added),
			 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	while (enclave_add_piece(&a, &e, 64 * SGX_PAGE_SIZE, SGX_PAGE_SIZE, source, 1,
				 PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST, SECINFO_REG_RW,
				 &added) == -EBUSY)
		usleep(1000);
	CHECK_EQ(added, SGX_PAGE_SIZE);
	enclave_drop(&e);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

static void bad_op(struct agent *a, struct proto_slot *s)
{
	s->op = 4711;
}

static void bad_segment_count(struct agent *a, struct proto_slot *s)
{
	s->segment_count = 5;
}

static void bad_segment(struct agent *a, struct proto_slot *s)
{
	s->segment_count = 1;
	s->segment[0].offset = 16;
	s->segment[0].size = (uint32_t)-8;
}

static void bad_bulk(struct agent *a, struct proto_slot *s)
{
	s->op = PROTO_OP_IOCTL;
	s->a2 = PROTO_IOCTL_BULK;
	s->bulk = PROTO_BULKS;
}

static void bad_src_pages(struct agent *a, struct proto_slot *s)
{
	s->op = PROTO_OP_IOCTL;
	s->a2 = PROTO_IOCTL_BULK;
	s->src_pages = PROTO_BULK_PAGES + 1;
}

static void bad_private(struct agent *a, struct proto_slot *s)
{
	CHECK_EQ(send(a->private, "?", 1, 0), 1);
}

TEST(a_malformed_request_ends_that_client_alone)
{
	static void (*const bad[])(struct agent * a, struct proto_slot * s) = {
		bad_op, bad_segment_count, bad_segment, bad_bulk, bad_src_pages, bad_private,
	};
	struct agent good;
	struct proto_slot *s;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&good, agent_command(), false), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pid_t pid = fork();
		int status;

		CHECK_SYS(pid);
		if (!pid) {
			struct agent a;

			CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
			s = agent_slot(&a, PROTO_OP_NOP, 0);
			bad[i](&a, s);
			if (bad[i] != bad_private)
				agent_call(&a, s);
			else
				pause();
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), SIGKILL);
	}
	s = agent_slot(&good, PROTO_OP_NOP, 0);
	CHECK_EQ(agent_call(&good, s), 0);
	agent_free(s);
	test_stat_wait("totals", "processes", 7);
	agent_close(&good);
	test_all_free();
	test_machine_stop(machine);
}

TEST(what_a_program_can_do_is_an_errno)
{
	static const struct {
		enum proto_op op;
		uint64_t a0, a1;
		int64_t ret;
	} calls[] = {
		{PROTO_OP_IOCTL, 0, 0, -ENOTTY},      {PROTO_OP_ATTACH, 0, 0, -ENOTTY},
		{PROTO_OP_MAP, 4096, 4096, -ENOTTY},  {PROTO_OP_UNMAP, 1, 4096, -EINVAL},
		{PROTO_OP_UNMAP, 4096, 0, -EINVAL},   {PROTO_OP_UNMAP, -4096ull, 8192, -EINVAL},
		{PROTO_OP_UNMAP, 4096, 4096, 0},      {PROTO_OP_FAULT, 0, 0, -ENOTTY},
		{PROTO_OP_ENCLU, 0, 0, -ENOTTY},      {PROTO_OP_INHERIT, 0, 0, -ENOTTY},
		{PROTO_OP_LOOKUP, 1, 12345, -ENOTTY},
	};
	struct agent a;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct proto_slot *s = agent_slot(&a, calls[i].op, 12345);

		s->a0 = calls[i].a0;
		s->a1 = calls[i].a1;
		CHECK_EQ(agent_call(&a, s), calls[i].ret);
		agent_free(s);
	}
	agent_close(&a);
	test_machine_stop(machine);
}

TEST(a_descriptor_that_is_no_userfaultfd_is_refused)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_CONNECT,
	};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
	int sp[2], fds[2], command;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	command = agent_command();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	fds[0] = sp[1];
	fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
	CHECK_EQ(sendmsg(command, &hdr, 0), sizeof(msg));
	close(fds[0]);
	close(fds[1]);
	/* it is told, and then nobody is there */
	CHECK_EQ(recv(sp[0], &msg, sizeof(msg), 0), sizeof(msg));
	CHECK_EQ(msg.type, PROTO_MSG_CONNECTED);
	CHECK_EQ(msg.status, -EINVAL);
	CHECK_EQ(recv(sp[0], &msg, sizeof(msg), 0), 0);
	close(sp[0]);
	/* Rubbish on the command socket is dropped, the command lives on */
	CHECK_EQ(send(command, "rubbish", 7, 0), 7);
	msg.type = 99;
	CHECK_EQ(send(command, &msg, sizeof(msg), 0), sizeof(msg));
	{
		struct agent a;

		CHECK_EQ(agent_connect(&a, command, false), 0);
		agent_close(&a);
	}
	test_machine_stop(machine);
}

static int64_t provision(struct agent *a, const struct test_enclave *e, int fd)
{
	struct sgx_enclave_provision arg = {.fd = (uint64_t)fd};
	struct proto_slot *s = agent_slot(a, PROTO_OP_IOCTL, e->id);
	int64_t ret;

	s->a0 = SGX_IOC_ENCLAVE_PROVISION;
	s->a1 = 0x500;
	s->a2 = PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST | PROTO_IOCTL_PROVISION_FD;
	agent_segment(s, 0x500, &arg, sizeof(arg));
	ret = agent_call(a, s);
	agent_free(s);
	return ret;
}

/* An agent that says of any descriptor that it is /dev/sgx_provision: it is looked at. */
TEST(a_lie_about_the_provision_device)
{
	struct test_enclave e;
	struct proto_slot *s;
	struct agent a;
	pid_t machine;
	int fd, p[2];

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(provision(&a, &e, fd), -EINVAL);
	close(fd);
	/* of a memfd too, of the same name even, and of what no file system has */
	fd = memfd_create("/dev/sgx_provision", MFD_CLOEXEC);
	CHECK_EQ(provision(&a, &e, fd), -EINVAL);
	close(fd);
	CHECK_SYS(pipe2(p, O_CLOEXEC));
	CHECK_EQ(provision(&a, &e, p[0]), -EINVAL);
	close(p[0]);
	close(p[1]);
	CHECK_EQ(provision(&a, &e, p[0]), -EINVAL);
	CHECK_EQ(provision(&a, &e, -1), -EINVAL);
	s = agent_slot(&a, PROTO_OP_OPEN, 0);
	s->a0 = PROTO_DEV_PROVISION;
	s->a1 = O_RDONLY;
	CHECK(agent_call(&a, s) >= 0);
	fd = agent_receive_fd(&a, s);
	agent_free(s);
	CHECK_EQ(provision(&a, &e, fd), 0);
	close(fd);
	enclave_drop(&e);
	agent_close(&a);
	test_machine_stop(machine);
}

TEST(a_second_connect_replaces_the_first)
{
	struct agent a, b;
	struct test_enclave e;
	pid_t machine;

	/* As after an exec: same pid, the old agent's memory is gone */
	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	CHECK_EQ(agent_connect(&b, agent_command(), false), 0);
	CHECK_EQ(enclave_look(&b, &e), -ENOTTY);
	CHECK(enclave_show(&b, &e) > 0);
	enclave_create(&b, &e, 16);
	CHECK_EQ(test_stat("totals", "processes"), 2);
	enclave_drop(&e);
	agent_close(&a);
	agent_close(&b);
	test_all_free();
	test_machine_stop(machine);
}

TEST(a_dead_machine_is_seen)
{
	struct agent a;
	pid_t machine;
	int status;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(a.page->alive & 0x3fffffff, machine);
	CHECK_EQ(a.page->alive & PROTO_ALIVE_DIED, 0);
	CHECK_EQ(a.daemon, machine);
	kill(machine, SIGKILL);
	CHECK_EQ(waitpid(machine, &status, 0), machine);
	CHECK(a.page->alive & PROTO_ALIVE_DIED);
	agent_close(&a);
	/* Its socket is there still; the next machine of that name takes it over */
	CHECK_EQ(machine_connect(TEST_MACHINE, NULL), -ENOENT);
	machine = test_machine_start(EPC_SIZE);
	test_machine_stop(machine);
}

TEST(stop_minds_who_is_there)
{
	pid_t machine;
	int command, fd;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	command = agent_command();
	fd = machine_connect(TEST_MACHINE, NULL);
	CHECK_EQ(machine_ask(fd, PROTO_MSG_STOP, 0, NULL), -EBUSY);
	close(fd);
	close(command);
	fd = machine_connect(TEST_MACHINE, NULL);
	CHECK_EQ(machine_ask(fd, 1234, 0, NULL), -EINVAL);
	close(fd);
	test_machine_stop(machine);
}

TEST(a_private_machine_ends_with_its_command)
{
	struct daemon_options options = {.epc_size = EPC_SIZE, .ready_fd = -1};
	struct daemon_ready ready;
	int sp[2];
	char byte;

	test_folders();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	options.command_fd = sp[1];
	CHECK_EQ(daemon_spawn(&options, &ready), 0);
	close(sp[1]);
	CHECK(ready.pid > 0);
	{
		struct agent a;
		struct test_enclave e;
		pid_t pid = fork();
		int status;

		if (!pid) {
			CHECK_EQ(agent_connect(&a, sp[0], true), 0);
			CHECK_EQ(enclave_try_open(&a, &e), 0);
			enclave_create(&a, &e, 16);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	/* Half of it: the daemon closes its end when it ends */
	CHECK_SYS(shutdown(sp[0], SHUT_WR));
	CHECK_EQ(recv(sp[0], &byte, 1, 0), 0);
	close(sp[0]);
	test_folders_remove();
}

TEST(options_that_make_no_sense)
{
	struct daemon_options options = {.epc_size = 4095, .command_fd = -1, .ready_fd = -1};
	struct daemon_ready ready;

	test_folders();
	CHECK_EQ(daemon_spawn(&options, &ready), -EINVAL);
	CHECK(strstr(ready.message, "4095"));
	CHECK(!machine_name_valid(""));
	CHECK(!machine_name_valid("."));
	CHECK(!machine_name_valid("../x"));
	CHECK(!machine_name_valid("-x"));
	CHECK(!machine_name_valid("a b"));
	CHECK(machine_name_valid("a.b_c-9"));
	CHECK_EQ(machine_connect("../x", NULL), -EINVAL);
	CHECK_EQ(machine_connect("nobody", NULL), -ENOENT);
	test_folders_remove();
}

TEST(a_folder_that_others_may_enter_is_not_used)
{
	char path[4096];
	struct daemon_options options = {
		.name = "x", .epc_size = EPC_SIZE, .command_fd = -1, .ready_fd = -1};
	struct daemon_ready ready;

	test_folders();
	CHECK_EQ(machine_runtime_dir(path), 0);
	CHECK_SYS(chmod(path, 0755));
	CHECK_EQ(machine_runtime_dir(path), -EPERM);
	CHECK_EQ(daemon_spawn(&options, &ready), -EPERM);
	CHECK(ready.message[0]);
	CHECK_SYS(rmdir(path));
	/* And no link is followed out of it */
	CHECK_SYS(symlink("/", path));
	CHECK(machine_runtime_dir(path) != 0);
	CHECK_SYS(unlink(path));
	test_folders_remove();
}

/* Who may look at a private machine may not change it. */
TEST(a_private_machine_answers_stat_and_info)
{
	struct daemon_options options = {.epc_size = EPC_SIZE, .program = getpid(), .ready_fd = -1};
	struct daemon_ready ready;
	struct machine_id id;
	pid_t daemon;
	int sp[2], fd;

	test_folders();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	options.command_fd = sp[1];
	CHECK_EQ(daemon_spawn(&options, &ready), 0);
	close(sp[1]);
	for (uint32_t type = 0; type < 40; type++) {
		bool answered = type == PROTO_MSG_STAT || type == PROTO_MSG_INFO;

		fd = machine_connect_private(getpid(), &daemon);
		CHECK_SYS(fd);
		CHECK_EQ(daemon, ready.pid);
		CHECK_EQ(machine_ask(fd, type, 1, NULL), answered ? 0 : -EPERM);
		close(fd);
	}
	CHECK_EQ(machine_of_pid(getpid(), &id), 0);
	CHECK_EQ(id.program, getpid());
	CHECK_STR(id.name, "");
	CHECK_EQ(machine_of_pid(ready.pid, &id), 0);
	CHECK_EQ(id.program, getpid());
	CHECK_EQ(machine_of_pid(1, &id), -ENOENT);
	/* the command is over */
	close(sp[0]);
	while (!kill(ready.pid, 0))
		usleep(1000);
	CHECK_EQ(machine_connect_private(getpid(), NULL), -ENOENT);
	test_folders_remove();
}

static void visited(void *ctx, const struct machine_id *id, int fd, pid_t pid)
{
	++*(int *)ctx;
}

/* Sockets of dead daemons go; one that is bound but does not listen yet stays a while. */
TEST(dead_sockets_are_swept)
{
	struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	char path[4200], name[4300];
	int fd, count = 0;

	test_folders();
	CHECK_EQ(machine_list(visited, &count), 0); /* makes the folder */
	CHECK_EQ(machine_runtime_dir(path), 0);
	strcat(path, "/.run");
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"77", "new-78", "new-79"};
		struct sockaddr_un sa = {.sun_family = AF_UNIX};

		snprintf(sa.sun_path, sizeof(sa.sun_path), "%.80s/%s", path, names[i]);
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		CHECK_SYS(fd);
		CHECK_SYS(bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
		close(fd);
	}
	snprintf(name, sizeof(name), "%s/new-79", path);
	CHECK_SYS(utimensat(AT_FDCWD, name, old, AT_SYMLINK_NOFOLLOW));
	CHECK_EQ(machine_list(visited, &count), 0);
	CHECK_EQ(count, 0);
	CHECK_ERRNO(access(name, F_OK), ENOENT);
	snprintf(name, sizeof(name), "%s/77", path);
	CHECK_ERRNO(access(name, F_OK), ENOENT);
	snprintf(name, sizeof(name), "%s/new-78", path);
	CHECK_SYS(access(name, F_OK));
	test_folders_remove();
}

/* Where a login's folder is, or none; never where XDG_RUNTIME_DIR is of no use. */
TEST(machines_are_found_without_xdg)
{
	char path[4096], without[4096], note[8300];

	CHECK_SYS(unsetenv("XDG_RUNTIME_DIR"));
	CHECK_EQ(machine_runtime_dir(without), 0);
	CHECK(!machine_runtime_note(note, sizeof(note)));
	CHECK(!strncmp(without, "/run/user/", 10) || !strncmp(without, "/tmp/swsgx-", 11));
	CHECK_SYS(setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1));
	CHECK_EQ(machine_runtime_dir(path), 0);
	CHECK_STR(path, without);
	CHECK(machine_runtime_note(note, sizeof(note)));
	CHECK(strstr(note, "XDG_RUNTIME_DIR is /nowhere/at/all, which does not exist"));
	CHECK_SYS(setenv("XDG_RUNTIME_DIR", "tmp", 1));
	CHECK(machine_runtime_note(note, sizeof(note)));
	CHECK(strstr(note, "is not an absolute path"));
	CHECK_SYS(setenv("XDG_RUNTIME_DIR", "/proc/self/status", 1));
	CHECK(machine_runtime_note(note, sizeof(note)));
	CHECK(strstr(note, "is not a folder"));
}

TEST(fuses_stay_the_same)
{
	char path[4200];
	uint8_t first[64], second[64];
	struct stat st;
	pid_t machine;
	int fd;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	snprintf(path, sizeof(path), "%s/swsgx/%s/fuses", getenv("XDG_STATE_HOME"), TEST_MACHINE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_SYS(fd);
	CHECK_EQ(read(fd, first, sizeof(first)), 32);
	CHECK_SYS(fstat(fd, &st));
	CHECK_EQ(st.st_mode & 0777, 0600);
	close(fd);
	kill(machine, SIGTERM);
	CHECK_EQ(waitpid(machine, NULL, 0), machine);
	machine = test_machine_start(EPC_SIZE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(read(fd, second, sizeof(second)), 32);
	CHECK_MEM(first, second, 32);
	close(fd);
	test_machine_stop(machine);
}
