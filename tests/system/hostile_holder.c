/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose an enclave is: a program of the machine that speaks the protocol by hand names the
 * enclave of another one by its number.  Without a descriptor of it, there is none.
 *
 * The attacker is of the same user, of another one, or in a user namespace of its own.
 */
#include "child.h"
#include "daemon_agent.h"

#include <cpu/leaf.h>

#include <asm/sgx.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define EPC_SIZE (1u << 20)
#define PAGES	 40u
#define TCS_PAGE 48u
#define ENCLAVE	 64u /* pages */
#define PRESSURE 480u /* pages that push all others out of the EPC */

static uint8_t source[PRESSURE * SGX_PAGE_SIZE];
static struct agent agent; /* this process' */
static struct test_enclave encl; /* the victim's */
static pid_t machine;

enum who {
	SAME_USER,
	ANOTHER_USER,
	USER_NAMESPACE,
};

/* --- the victim: this process ------------------------------------------------------- */

static void set_up(void)
{
	uint64_t added;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&agent, agent_command(), true), 0);
	CHECK_EQ(enclave_try_open(&agent, &encl), 0);
	enclave_create(&agent, &encl, ENCLAVE);
	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)(i / SGX_PAGE_SIZE * 3 + 0xa5);
	CHECK_EQ(enclave_add(&agent, &encl, 0, source, PAGES, SECINFO_REG_RW, &added), 0);
	CHECK_EQ(added, PAGES);
}

static void tear_down(void)
{
	uint64_t added;

	/* nothing is held up, and nothing has come */
	CHECK_EQ(enclave_add(&agent, &encl, PAGES, source, 2, SECINFO_REG_RW, &added), 0);
	CHECK_EQ(added, 2);
	enclave_drop(&encl);
	agent_close(&agent);
	test_all_free();
	test_machine_stop(machine);
}

/* --- the attacker: a child ------------------------------------------------------------ */

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

/* With the command socket, as every program of the machine, and without a descriptor */
static void attack(enum who who, void (*how)(struct agent *a, const struct test_enclave *e))
{
	struct agent a;
	pid_t pid;
	int status;

	set_up();
	pid = start();
	if (!pid) {
		int command = agent_command();
		struct test_enclave named = encl;

		close(encl.fd);
		named.fd = -1;
		munmap(encl.reservation, 2 * encl.size);
		agent_close(&agent);
		if (!become(who))
			_exit(HARNESS_EXIT_SKIP);
		CHECK_EQ(agent_connect(&a, command, true), 0);
		how(&a, &named);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	tear_down();
	if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_EXIT_SKIP)
		SKIP("no user namespaces here");
	CHECK_EQ(status, 0);
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

/* --- by number ------------------------------------------------------------------------- */

static struct proto_slot *request(struct agent *a, enum proto_op op, const struct test_enclave *e,
				  uint64_t number)
{
	struct proto_slot *s = agent_slot(a, op, number);
	uint64_t base = (uint64_t)(uintptr_t)e->base;

	memset(s->data, 0, sizeof(s->data));
	switch (op) {
	case PROTO_OP_LOOKUP:
		s->a0 = e->dev;
		s->a1 = number;
		break;
	case PROTO_OP_MAP:
		s->a0 = base;
		s->a1 = e->size;
		s->a2 = PROT_READ | PROT_WRITE;
		break;
	case PROTO_OP_FAULT:
		s->a0 = base;
		s->a1 = SGX_PF_U;
		s->a3 = PROT_READ | PROT_WRITE;
		break;
	case PROTO_OP_ENCLU:
		s->a0 = SGX_EREPORT;
		s->a1 = s->a2 = s->a3 = base;
		break;
	case PROTO_OP_UNMAP:
		s->a0 = base;
		s->a1 = e->size;
		break;
	case PROTO_OP_INHERIT:
		s->a0 = 0x1234567890abcdef;
		s->a1 = 0xfedcba0987654321;
		break;
	default:
		break;
	}
	return s;
}

static void check_the_same(const struct proto_slot *a, const struct proto_slot *b)
{
	CHECK_EQ(a->ret, b->ret);
	CHECK_EQ(a->r0, b->r0);
	CHECK_EQ(a->r1, b->r1);
	CHECK_EQ(a->r2, b->r2);
	CHECK_EQ(a->fds, b->fds);
	CHECK_EQ(a->writeback, b->writeback);
	CHECK_EQ(a->why.rule, b->why.rule);
	CHECK_MEM(a->data, b->data, sizeof(a->data));
}

/* Each call answers as for a number that no file has. */
static void calls(struct agent *a, const struct test_enclave *e)
{
	static const enum proto_op ops[] = {
		PROTO_OP_LOOKUP, PROTO_OP_ATTACH, PROTO_OP_MAP,	    PROTO_OP_FAULT,
		PROTO_OP_ENCLU,	 PROTO_OP_UNMAP,  PROTO_OP_INHERIT,
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct proto_slot *s = request(a, ops[i], e, e->id);
		struct proto_slot *none = request(a, ops[i], e, e->id + (1ull << 40));

		CHECK_EQ(agent_call(a, s), ops[i] == PROTO_OP_UNMAP ? 0 : -ENOTTY);
		CHECK_EQ(s->fds, 0);
		agent_call(a, none);
		check_the_same(s, none);
		agent_free(none);
		agent_free(s);
	}
}
BY_EACH(a_number_is_no_right, calls)

/* Also where it says so in the middle: a piece that is not the first, a stream. */
static void ioctls(struct agent *a, const struct test_enclave *e)
{
	static const uint64_t cmds[] = {SGX_IOC_ENCLAVE_CREATE, SGX_IOC_ENCLAVE_ADD_PAGES,
					SGX_IOC_ENCLAVE_INIT, SGX_IOC_ENCLAVE_PROVISION};
	struct test_enclave named = *e;
	uint64_t added;

	for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		struct proto_slot *s = agent_slot(a, PROTO_OP_IOCTL, e->id);

		s->a0 = cmds[i];
		s->a1 = 0x500;
		s->a2 = PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST;
		CHECK_EQ(agent_call(a, s), -ENOTTY);
		CHECK_EQ(s->why.rule, WHY_NOTHING);
		agent_free(s);
	}
	for (uint32_t flags = 0; flags < 4; flags++) {
		CHECK_EQ(enclave_add_piece(a, &named, PAGES * SGX_PAGE_SIZE, 4 * SGX_PAGE_SIZE,
					   source, 1, flags, SECINFO_REG_RW, &added),
			 -ENOTTY);
		CHECK_EQ(added, 0);
	}
	/* and this process goes on meanwhile: the place would be kept */
	CHECK_EQ(enclave_add_piece(a, &named, PAGES * SGX_PAGE_SIZE, 4 * SGX_PAGE_SIZE, source, 1,
				   PROTO_IOCTL_FIRST, SECINFO_REG_RW, &added),
		 -ENOTTY);
}
BY_EACH(nothing_is_added_and_no_place_kept, ioctls)

/*
 * Memory of its own where the enclave is, and all its pages pushed out of the EPC: what
 * comes back does not come here.
 */
static void steal(struct agent *a, const struct test_enclave *e)
{
	struct uffdio_register reg = {
		.range = {.start = (uint64_t)(uintptr_t)e->base, .len = e->size},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};
	struct test_enclave named = *e, own;
	struct proto_slot *s;
	uint64_t added;
	int fd;

	fd = memfd_create("mine", MFD_CLOEXEC);
	CHECK_SYS(fd);
	CHECK_SYS(ftruncate(fd, (off_t)e->size));
	CHECK(mmap(e->base, e->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
		   0) == e->base);
	CHECK_SYS(ioctl(a->uffd, UFFDIO_REGISTER, &reg));
	s = request(a, PROTO_OP_MAP, e, e->id);
	(void)agent_call(a, s);
	agent_free(s);
	CHECK_EQ(enclave_try_open(a, &own), 0);
	enclave_create(a, &own, 1024);
	CHECK_EQ(enclave_add(a, &own, 0, source, PRESSURE, SECINFO_REG_RW, &added), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		CHECK_EQ(enclave_fault(a, &named, i, SGX_PF_U, PROT_READ | PROT_WRITE), -ENOTTY);
	CHECK_ERRNO(lseek(fd, 0, SEEK_DATA), ENXIO);
	/* nor by the name of one that it holds */
	for (uint64_t i = 0; i < PAGES; i++) {
		s = request(a, PROTO_OP_FAULT, e, own.id);
		s->a0 += i * SGX_PAGE_SIZE;
		(void)agent_call(a, s);
		agent_free(s);
	}
	CHECK_ERRNO(lseek(fd, 0, SEEK_DATA), ENXIO);
}
BY_EACH(pages_are_not_read, steal)

/* --- by a show of what it does not have ------------------------------------------------ */

static void keys(struct agent *a, const struct test_enclave *e)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_INHERIT, e->id);
	struct proto_encl_view view;
	struct test_enclave own;

	CHECK_EQ(enclave_try_open(a, &own), 0);
	agent_free(s);
	s = agent_slot(a, PROTO_OP_ATTACH, own.id);
	CHECK_EQ(agent_call(a, s), 0);
	memcpy(&view, s->data, sizeof(view));
	agent_free(s);
	/* a key, but of another one; none */
	for (int i = 0; i < 3; i++) {
		s = agent_slot(a, PROTO_OP_INHERIT, e->id);
		s->a0 = i == 2 ? 0 : view.key[i];
		s->a1 = i == 2 ? 0 : view.key[1 - i];
		CHECK_EQ(agent_call(a, s), -ENOTTY);
		agent_free(s);
	}
	CHECK_EQ(enclave_look(a, e), -ENOTTY);
}
BY_EACH(another_key, keys)

/* It locks a file of its own, and says that it has locked another's. */
static void another_file(struct agent *a, const struct test_enclave *e)
{
	struct test_enclave named = *e, own;

	named.fd = memfd_create("/dev/sgx_enclave", MFD_CLOEXEC);
	CHECK_SYS(named.fd);
	CHECK_EQ(enclave_show(a, &named), -ENOTTY);
	CHECK_EQ(enclave_try_open(a, &own), 0);
	named.fd = own.fd;
	CHECK_EQ(enclave_show(a, &named), -ENOTTY);
}
BY_EACH(a_lock_on_another_file, another_file)

/*
 * While the victim shows it, on a byte that everybody can read in /proc/locks: the byte
 * is the victim's, whatever the attacker writes into its own channel.
 */
static void shown_by_another(struct agent *a, const struct test_enclave *e)
{
	uint64_t victims = agent.ch->shown_at, mine = a->ch->shown_at;

	CHECK(victims != mine);
	CHECK_EQ(enclave_look(a, e), -ENOTTY);
	a->ch->shown_at = victims;
	CHECK_EQ(enclave_look(a, e), -ENOTTY);
	a->ch->shown_at = mine;
	CHECK_EQ(enclave_look(a, e), -ENOTTY);
}

static void attack_while(enum who who, bool whole)
{
	pid_t pid;

	set_up();
	CHECK_SYS(lock_bytes(encl.fd, F_WRLCK, whole ? 0 : agent.ch->shown_at, whole ? 0 : 1));
	pid = start();
	if (!pid) {
		int command = agent_command();
		struct test_enclave named = encl;
		struct agent a;

		/* the lock is of the open file, which this process shares no more */
		close(encl.fd);
		named.fd = -1;
		close(agent.command);
		close(agent.private);
		become(who);
		CHECK_EQ(agent_connect(&a, command, false), 0);
		shown_by_another(&a, &named);
		_exit(0);
	}
	expect_exit(pid, 0);
	CHECK_SYS(lock_bytes(encl.fd, F_UNLCK, 0, 0));
	tear_down();
}

TEST(shown_by_its_owner)
{
	attack_while(SAME_USER, false);
}

/* A program may lock its file for reasons of its own: that shows it to nobody. */
TEST(locked_whole_by_its_owner)
{
	attack_while(SAME_USER, true);
}

TEST(shown_by_its_owner_another_user)
{
	TAKES_ROOT();
	attack_while(ANOTHER_USER, false);
}

TEST(locked_whole_by_its_owner_another_user)
{
	TAKES_ROOT();
	attack_while(ANOTHER_USER, true);
}

/* --- who has it, has it ------------------------------------------------------------------ */

static int receive(int sock)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};
	int fd;

	CHECK_EQ(recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(fd));
	return fd;
}

static void send_it(int sock, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 'x';
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(sock, &hdr, 0), 1);
}

/* Another user's program that was sent the descriptor, as on Linux; it closes it then. */
static void gets_it(enum who who)
{
	int sp[2];
	pid_t pid;

	set_up();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	pid = start();
	if (!pid) {
		int command = agent_command();
		struct test_enclave e = encl;
		struct agent a;
		uint64_t added;

		close(encl.fd);
		if (!become(who))
			_exit(HARNESS_EXIT_SKIP);
		CHECK_EQ(agent_connect(&a, command, false), 0);
		CHECK_EQ(enclave_look(&a, &e), -ENOTTY);
		e.fd = receive(sp[1]);
		CHECK_EQ(enclave_look(&a, &e), -ENOTTY);
		CHECK_EQ(enclave_show(&a, &e), (int64_t)e.id);
		CHECK_SYS(close(e.fd));
		CHECK_EQ(enclave_look(&a, &e), (int64_t)e.id);
		CHECK_EQ(enclave_add(&a, &e, TCS_PAGE, source, 1, SECINFO_REG_RW, &added), 0);
		_exit(0);
	}
	send_it(sp[0], encl.fd);
	expect_exit(pid, 0);
	close(sp[0]);
	close(sp[1]);
	tear_down();
}

TEST(a_descriptor_is_a_right)
{
	gets_it(SAME_USER);
}

TEST(a_descriptor_is_a_right_another_user)
{
	TAKES_ROOT();
	gets_it(ANOTHER_USER);
}

/* A key that was told to who holds it is one for its fork child, and ends with the enclave. */
TEST(a_key_is_a_right_while_the_enclave_is)
{
	struct proto_encl_view view;
	struct proto_slot *s;
	pid_t pid;

	set_up();
	s = agent_slot(&agent, PROTO_OP_ATTACH, encl.id);
	CHECK_EQ(agent_call(&agent, s), 0);
	memcpy(&view, s->data, sizeof(view));
	close(agent_receive_fd(&agent, s));
	agent_free(s);
	for (int again = 0; again < 2; again++) {
		pid = start();
		if (!pid) {
			struct agent a;

			CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
			s = agent_slot(&a, PROTO_OP_INHERIT, encl.id);
			s->a0 = view.key[0];
			s->a1 = view.key[1];
			CHECK_EQ(agent_call(&a, s), again ? -ENOTTY : 0);
			agent_free(s);
			CHECK_EQ(enclave_look(&a, &encl), again ? -ENOTTY : (int64_t)encl.id);
			_exit(0);
		}
		expect_exit(pid, 0);
		if (!again) {
			enclave_drop(&encl);
			test_stat_wait("epc", "free", EPC_SIZE / SGX_PAGE_SIZE);
			CHECK_EQ(enclave_look(&agent, &encl), -ENOTTY);
		}
	}
	agent_close(&agent);
	test_all_free();
	test_machine_stop(machine);
}
