/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program of the machine hands in as its userfaultfd, or as any descriptor: where it
 * is not what an agent's is, the machine goes on for all others, and pages come and go.
 *
 * The attacker is of the same user, of another one, or in a user namespace of its own.
 */
#include "daemon_agent.h"
#include "hung.h"

#include <asm/sgx.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define EPC_PAGES 256u
#define PAGES	  200u /* of the victim, resident */
#define PRESSURE  480u /* pages that push all others out of the EPC */
#define ALL	  PROTO_UFFD_FEATURES

static uint8_t source[PRESSURE * SGX_PAGE_SIZE];
static struct agent agent; /* this process' */
static struct test_enclave encl; /* the victim's */
static pid_t machine;

/* The attacker's, for this process to clean up */
static struct {
	pid_t server;
	char dir[32];
} * hung;

enum who {
	SAME_USER,
	ANOTHER_USER,
	USER_NAMESPACE,
};

/* --- the victim: this process ---------------------------------------------------------- */

static void on_sigbus(int sig, siginfo_t *si, void *uc)
{
	uint64_t page =
		((uint64_t)(uintptr_t)si->si_addr - (uint64_t)(uintptr_t)encl.base) / SGX_PAGE_SIZE;

	if (enclave_fault(&agent, &encl, page, SGX_PF_U, PROT_READ | PROT_WRITE) !=
	    PROTO_VERDICT_RETRY)
		_exit(HARNESS_EXIT_FAIL);
}

static void set_up(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
	uint64_t added;

	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)(i / SGX_PAGE_SIZE * 5 + 0x3c);
	test_folders();
	machine = test_machine_start(EPC_PAGES * SGX_PAGE_SIZE);
	CHECK_EQ(agent_connect(&agent, agent_command(), true), 0);
	sigaction(SIGBUS, &sa, NULL);
	CHECK_EQ(enclave_try_open(&agent, &encl), 0);
	enclave_create(&agent, &encl, 1024);
	CHECK_EQ(enclave_add(&agent, &encl, 0, source, PAGES, SECINFO_REG_RW, &added), 0);
	CHECK_EQ(added, PAGES);
	enclave_map(&agent, &encl, PROT_READ | PROT_WRITE);
	CHECK_MEM(encl.base, source, PAGES * SGX_PAGE_SIZE);
	/* what hangs is to end */
	alarm(200);
}

/* All of the EPC for this process: whatever the attacker has there makes room. */
static void goes_on(void)
{
	static uint64_t next;
	struct test_enclave more;
	uint64_t added;

	CHECK_EQ(test_stat("epc", "total"), EPC_PAGES);
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(enclave_try_open(&agent, &more), 0);
		enclave_create(&agent, &more, 1024);
		CHECK_EQ(enclave_add(&agent, &more, 0, source, PRESSURE, SECINFO_REG_RW, &added),
			 0);
		CHECK_EQ(added, PRESSURE);
		/* its own have been pushed out and come back, and what it writes stays */
		CHECK_MEM(encl.base, source, PAGES * SGX_PAGE_SIZE);
		next = (next + 7) % PAGES;
		encl.base[next * SGX_PAGE_SIZE]++;
		source[next * SGX_PAGE_SIZE]++;
		enclave_drop(&more);
	}
	/* and others may come in */
	{
		struct agent another;
		pid_t pid = start();

		if (!pid) {
			CHECK_EQ(agent_connect(&another, agent_command(), true), 0);
			_exit(0);
		}
		expect_exit(pid, 0);
	}
}

static void tear_down(void)
{
	enclave_drop(&encl);
	agent_close(&agent);
	test_all_free();
	CHECK_EQ(test_stat("epc", "leaked"), 0);
	test_machine_stop(machine);
	alarm(0);
}

/* --- the attacker: a child ----------------------------------------------------------------- */

static bool become(enum who who)
{
	switch (who) {
	case SAME_USER:
		return true;
	case ANOTHER_USER:
		CHECK_SYS(setresgid(65534, 65534, 65534));
		CHECK_SYS(setresuid(65534, 65534, 65534));
		return true;
	default:
		return !unshare(CLONE_NEWUSER);
	}
}

/* Pages of its own in all of the EPC; the rest is up to it. */
static void fill(struct agent *a, struct test_enclave *e)
{
	uint64_t added;

	CHECK_EQ(enclave_add(a, e, 1024 - PRESSURE, source, PRESSURE, SECINFO_REG_RW, &added), 0);
	CHECK_EQ(added, PRESSURE);
}

static void says_that_it_maps(struct agent *a, const struct test_enclave *e)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_MAP, e->id);

	s->a0 = (uint64_t)(uintptr_t)e->base;
	s->a1 = e->size;
	s->a2 = PROT_READ | PROT_WRITE;
	CHECK_EQ(agent_call(a, s), 0);
	agent_free(s);
}

/* Those of the machine that are userfaultfds */
static unsigned count_uffds(void)
{
	char path[64], what[64];
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", machine, fd);
		n = readlink(path, what, sizeof(what) - 1);
		what[n < 0 ? 0 : n] = 0;
		count += !strcmp(what, "anon_inode:[userfaultfd]");
	}
	return count;
}

/* Who serves no file any more is what ends those that wait for it. */
static void clean_up(void)
{
	char path[48];

	if (hung->server)
		CHECK_SYS(kill(hung->server, SIGKILL));
	if (!hung->dir[0])
		return;
	snprintf(path, sizeof(path), "%s/mnt", hung->dir);
	(void)rmdir(path);
	CHECK_SYS(rmdir(hung->dir));
}

/* It does its worst, says that it has, and stays: the machine goes on then, and without it. */
static void attack(enum who who, void (*how)(int command))
{
	int p[2], status;
	char byte = 0;
	pid_t pid;

	set_up();
	hung = mmap(NULL, sizeof(*hung), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(hung != MAP_FAILED);
	CHECK_SYS(pipe2(p, O_CLOEXEC));
	pid = start();
	if (!pid) {
		int command = agent_command();

		signal(SIGBUS, SIG_DFL);
		enclave_drop(&encl);
		agent_close(&agent);
		if (!become(who))
			_exit(HARNESS_EXIT_SKIP);
		how(command);
		CHECK_EQ(write(p[1], "x", 1), 1);
		pause();
		_exit(0);
	}
	close(p[1]);
	if (read(p[0], &byte, 1) == 1)
		goes_on();
	close(p[0]);
	kill(pid, SIGKILL);
	goes_on();
	/* other clients' are closed: the machine's and this one are left, and one of the attacker's */
	for (int i = 0; count_uffds() > 3; i++) {
		CHECK(i < 2000);
		usleep(5000);
	}
	clean_up();
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	goes_on();
	tear_down();
	if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_EXIT_SKIP) {
		if (who == SAME_USER)
			TAKES_ROOT(); /* /dev/fuse */
		SKIP("no user namespaces, or no FUSE here");
	}
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ(byte, 'x');
}

#define BY_EACH(name, how)                   \
	TEST(name)                           \
	{                                    \
		attack(SAME_USER, how);      \
	}                                    \
	TEST(name##_another_user)            \
	{                                    \
		TAKES_ROOT();                \
		attack(ANOTHER_USER, how);   \
	}                                    \
	TEST(name##_user_namespace)          \
	{                                    \
		attack(USER_NAMESPACE, how); \
	}

/* Pages by it, if it is taken: that it is not is no reason to stop. */
static void use(int command, int uffd)
{
	struct test_enclave e;
	struct agent a;
	int ret = agent_connect_with(&a, command, uffd);

	if (ret) {
		CHECK_EQ(ret, -EINVAL);
		return;
	}
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create(&a, &e, 1024);
	says_that_it_maps(&a, &e);
	fill(&a, &e);
}

static void *remove_page(void *page)
{
	(void)madvise(page, SGX_PAGE_SIZE, MADV_DONTNEED);
	return NULL;
}

/* An event that nobody reads: every ioctl is EAGAIN. */
static void unread_event(int command)
{
	int uffd = agent_uffd(ALL | UFFD_FEATURE_EVENT_REMOVE);
	struct uffdio_register reg = {.range.len = SGX_PAGE_SIZE,
				      .mode = UFFDIO_REGISTER_MODE_MISSING};
	struct uffdio_writeprotect wp = {.range.len = SGX_PAGE_SIZE};
	pthread_t thread;
	uint8_t *page = mmap(NULL, SGX_PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	*page = 1;
	wp.range.start = reg.range.start = (uint64_t)(uintptr_t)page;
	CHECK_SYS(ioctl(uffd, UFFDIO_REGISTER, &reg));
	CHECK_EQ(pthread_create(&thread, NULL, remove_page, page), 0);
	while (!ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) || errno != EAGAIN)
		usleep(1000);
	use(command, uffd);
}
BY_EACH(an_event_that_nobody_reads, unread_event)

/* Every ioctl is EINVAL. */
static void no_api(int command)
{
	use(command, agent_uffd(0));
}
BY_EACH(without_api, no_api)

/* It is taken; where its enclave is, nobody can map anything, and every ioctl is EINVAL. */
static void out_of_reach(int command)
{
	struct test_enclave e = {0};
	struct agent a;

	CHECK_EQ(agent_connect(&a, command, true), 0);
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create_at(&a, &e, 1024, 0xffff800000000000);
	says_that_it_maps(&a, &e);
	fill(&a, &e);
}
BY_EACH(an_enclave_out_of_reach, out_of_reach)

/* Mapped without it, closed, and pages touched: nothing of it can be write-protected. */
static void unregistered(int command)
{
	struct uffdio_range range;
	struct test_enclave e;
	struct agent a;

	CHECK_EQ(agent_connect(&a, command, true), 0);
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create(&a, &e, 1024);
	enclave_map(&a, &e, PROT_READ | PROT_WRITE);
	range = (struct uffdio_range){.start = (uint64_t)(uintptr_t)e.base, .len = e.size};
	CHECK_SYS(ioctl(a.uffd, UFFDIO_UNREGISTER, &range));
	CHECK_SYS(close(a.uffd));
	for (uint64_t i = 1024 - PRESSURE; i < 1024; i += 2)
		e.base[i * SGX_PAGE_SIZE] = 1;
	fill(&a, &e);
	for (uint64_t i = 1024 - PRESSURE; i < 1024; i++)
		e.base[i * SGX_PAGE_SIZE + 1]++;
}
BY_EACH(a_range_that_is_not_registered, unregistered)

/* Of a process that has ended, or of one that has nothing to do with it */
static void of_another(int command, bool ends)
{
	int p[2], sp[2], uffd;
	struct proto_msg msg;
	pid_t pid;

	/* it goes the way that descriptors go: in a message of its own */
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	CHECK_SYS(pipe2(p, O_CLOEXEC));
	pid = start();
	if (!pid) {
		uffd = agent_uffd(ALL);
		CHECK_EQ(agent_send(sp[1], PROTO_MSG_CONNECT, &uffd, 1), 0);
		if (!ends)
			pause();
		_exit(0);
	}
	{
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
		struct msghdr hdr = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.space,
				     .msg_controllen = sizeof(control.space)};

		CHECK_EQ(recvmsg(sp[0], &hdr, MSG_CMSG_CLOEXEC), sizeof(msg));
		memcpy(&uffd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(uffd));
	}
	if (ends)
		expect_exit(pid, 0);
	use(command, uffd);
}

static void of_one_that_ended(int command)
{
	of_another(command, true);
}
BY_EACH(of_a_process_that_has_ended, of_one_that_ended)

static void of_one_that_lives(int command)
{
	of_another(command, false);
}
BY_EACH(of_another_process, of_one_that_lives)

/* --- files whose close() is not answered ----------------------------------------------------- */

/* As the userfaultfd, as the private socket, more than there should be, in a socket */
static void hung_files(int command)
{
	static const enum proto_msg_type types[] = {PROTO_MSG_CONNECT,	   PROTO_MSG_EXEC,
						    PROTO_MSG_EXEC_FAILED, PROTO_MSG_DEBUG,
						    PROTO_MSG_WHO,	   99};
	char path[64], byte;
	int asked, file, fd[16], sp[2];
	struct proto_msg msg;
	pid_t server = 0;

	strcpy(hung->dir, "/tmp/swsgx-hung-XXXXXX");
	CHECK(mkdtemp(hung->dir));
	snprintf(path, sizeof(path), "%s/mnt", hung->dir);
	hung_flush = true;
	/* in a variable of its own: the server writes to it, too */
	asked = hung_mount(path, &server);
	hung->server = server;
	if (asked < 0)
		_exit(HARNESS_EXIT_SKIP);
	snprintf(path, sizeof(path), "%s/mnt/file", hung->dir);
	file = open(path, O_RDWR | O_CLOEXEC);
	CHECK_SYS(file);
	for (int i = 0; i < 16; i++)
		fd[i] = file;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		CHECK_EQ(agent_send(command, types[i], fd, i == 3 ? 16 : 1), 0);
	/* the private socket is one, and the other is not what it should be */
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	fd[0] = sp[1];
	CHECK_EQ(agent_send(command, PROTO_MSG_CONNECT, fd, 2), 0);
	CHECK_EQ(recv(sp[0], &msg, sizeof(msg), 0), sizeof(msg));
	CHECK_EQ(msg.status, -EINVAL);
	/* what is wanted at each, also where all that close files hang */
	for (int i = 0; i < 64; i++)
		CHECK_EQ(agent_send(command, PROTO_MSG_CONNECT, fd + 1, 2), 0);
	/* a close() is waiting: this is no program whose files are well */
	CHECK_EQ(read(asked, &byte, 1), 1);
	CHECK_EQ(byte, 'f');
}

/* Whoever may mount: root, and everybody in namespaces of their own */
TEST(a_file_whose_close_hangs)
{
	attack(SAME_USER, hung_files);
}
