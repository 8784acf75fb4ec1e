/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams of one-page ADD_PAGES, from clients that keep to the protocol and others. */
#include "daemon_agent.h"

#include <asm/sgx.h>
#include <harness/harness.h>
#include <sgx/arch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPC_SIZE (8u << 20)

static uint8_t source[SGX_PAGE_SIZE];
static uint64_t secinfo_flags = SECINFO_REG_RW;

/* ADD_PAGES of one page by a slot, which asks for stream 0.  Return: the ioctl's */
static int64_t add_slot(struct agent *a, struct test_enclave *e, uint64_t page, bool *open)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_IOCTL, e->id);
	struct sgx_secinfo_arch secinfo = {.flags = secinfo_flags};
	struct sgx_enclave_add_pages arg = {
		.src = 0x100000,
		.offset = page * SGX_PAGE_SIZE,
		.length = SGX_PAGE_SIZE,
		.secinfo = 0x800,
	};
	int64_t ret;

	s->a0 = SGX_IOC_ENCLAVE_ADD_PAGES;
	s->a1 = 0x500;
	s->a2 = PROTO_IOCTL_BULK | PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST;
	s->a3 = 1;
	s->src_uaddr = arg.src;
	s->src_pages = 1;
	agent_segment(s, 0x500, &arg, sizeof(arg));
	agent_segment(s, 0x800, &secinfo, sizeof(secinfo));
	memcpy((uint8_t *)a->ch + PROTO_BULK_OFFSET, source, SGX_PAGE_SIZE);
	ret = agent_call(a, s);
	*open = s->r1;
	agent_free(s);
	return ret;
}

/* Post a page, as an agent does.  Return: whether it counts */
static bool post(struct agent *a)
{
	struct proto_stream *st = &a->ch->stream[0];
	uint64_t tail = __atomic_load_n(&st->tail, __ATOMIC_ACQUIRE);

	if ((tail & PROTO_STREAM_CLOSED) || tail >= __atomic_load_n(&st->limit, __ATOMIC_ACQUIRE))
		return false;
	memcpy((uint8_t *)a->ch + PROTO_STREAM_OFFSET + tail % PROTO_STREAM_PAGES * SGX_PAGE_SIZE,
	       source, SGX_PAGE_SIZE);
	return __atomic_compare_exchange_n(&st->tail, &tail, tail + 1, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

static void open_stream(struct agent *a, struct test_enclave *e, uint64_t pages)
{
	bool open;

	CHECK_EQ(agent_connect(a, agent_command(), false), 0);
	CHECK_EQ(enclave_try_open(a, e), 0);
	enclave_create(a, e, pages);
	CHECK_EQ(add_slot(a, e, 0, &open), 0);
	CHECK(open);
}

/* An ioctl that the driver refuses, after it has looked: the end of the stream */
static void end_stream(struct agent *a, struct test_enclave *e)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_IOCTL, e->id);

	s->a0 = 0;
	s->a2 = PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST;
	CHECK_EQ(agent_call(a, s), -ENOTTY);
	agent_free(s);
}

TEST(posted_pages_count_though_nobody_was_woken)
{
	struct test_enclave e;
	struct agent a;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	open_stream(&a, &e, 256);
	for (unsigned i = 0; i < PROTO_STREAM_WAKE / 2; i++)
		CHECK(post(&a));
	/* a report is somebody who looks */
	CHECK_EQ(test_stat("totals", "pages_added"), 1 + PROTO_STREAM_WAKE / 2);
	CHECK(post(&a));
	end_stream(&a, &e);
	CHECK(a.ch->stream[0].tail & PROTO_STREAM_CLOSED);
	CHECK(!post(&a));
	CHECK_EQ(test_stat("totals", "pages_added"), 2 + PROTO_STREAM_WAKE / 2);
	enclave_drop(&e);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

TEST(the_limit_is_the_elrange_and_the_page_in_the_way)
{
	struct test_enclave e;
	struct agent a;
	pid_t machine;
	bool open;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	open_stream(&a, &e, 64);
	CHECK_EQ(a.ch->stream[0].limit - a.ch->stream[0].tail, 63);
	CHECK_EQ(add_slot(&a, &e, 40, &open), 0);
	CHECK(open);
	CHECK_EQ(a.ch->stream[0].limit - a.ch->stream[0].tail, 23);
	CHECK_EQ(add_slot(&a, &e, 1, &open), 0);
	CHECK_EQ(a.ch->stream[0].limit - a.ch->stream[0].tail, 38);
	CHECK_EQ(add_slot(&a, &e, 39, &open), 0);
	CHECK(!open);
	CHECK_EQ(add_slot(&a, &e, 63, &open), 0);
	CHECK(!open);
	enclave_drop(&e);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

/* Where few EPC pages are free none are set aside, and all calls go by slots. */
TEST(a_full_epc_opens_nothing)
{
	struct test_enclave e, other;
	struct agent a;
	uint64_t added;
	pid_t machine;
	bool open;
	static uint8_t many[1010 * SGX_PAGE_SIZE];

	test_folders();
	machine = test_machine_start(4u << 20);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(enclave_try_open(&a, &other), 0);
	enclave_create(&a, &other, 1024);
	CHECK_EQ(enclave_add(&a, &other, 0, many, 1010, SECINFO_REG_RW, &added), 0);
	/* no more than the low watermark, a 64th, is left */
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create(&a, &e, 256);
	CHECK_EQ(add_slot(&a, &e, 0, &open), 0);
	CHECK(!open);
	enclave_drop(&e);
	enclave_drop(&other);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

/* Another kind of page ends the stream, and there is no EPC page for a new one. */
TEST(another_kind_in_a_full_epc)
{
	struct test_enclave e, other;
	struct agent a;
	uint64_t added;
	pid_t machine;
	bool open;
	static uint8_t many[1010 * SGX_PAGE_SIZE];

	test_folders();
	machine = test_machine_start(4u << 20);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create(&a, &e, 256);
	CHECK_EQ(enclave_try_open(&a, &other), 0);
	enclave_create(&a, &other, 1024);
	/* four pages more than the low watermark, a 64th, are free at first */
	CHECK_EQ(enclave_add(&a, &other, 0, many, 1024 - 2 - 3 - 16 - 4, SECINFO_REG_RW, &added),
		 0);
	CHECK_EQ(add_slot(&a, &e, 0, &open), 0);
	CHECK(open);
	CHECK_EQ(enclave_add(&a, &other, 1000, many, 10, SECINFO_REG_RW, &added), 0);
	secinfo_flags = SECINFO_REG_R;
	CHECK_EQ(add_slot(&a, &e, 1, &open), 0);
	CHECK(!open);
	enclave_drop(&e);
	enclave_drop(&other);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

/* --- clients that lie ------------------------------------------------------------- */

static void beyond_the_limit(struct agent *a)
{
	a->ch->stream[0].tail = a->ch->stream[0].limit + 1;
}

static void beyond_the_limit_that_it_says(struct agent *a)
{
	a->ch->stream[0].limit += 100000;
	a->ch->stream[0].tail += 5000;
}

static void backwards(struct agent *a)
{
	a->ch->stream[0].tail -= 2; /* of which one is posted */
}

TEST(a_count_that_cannot_be_ends_that_client_alone)
{
	static void (*const bad[])(struct agent * a) = {
		beyond_the_limit,
		beyond_the_limit_that_it_says,
		backwards,
	};
	struct test_enclave mine;
	struct agent good;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	open_stream(&good, &mine, 256);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pid_t pid = fork();
		int status;

		CHECK_SYS(pid);
		if (!pid) {
			struct test_enclave e;
			struct agent a;

			open_stream(&a, &e, 256);
			CHECK(post(&a));
			bad[i](&a);
			end_stream(&a, &e);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), SIGKILL);
	}
	CHECK(post(&good));
	end_stream(&good, &mine);
	enclave_drop(&mine);
	agent_close(&good);
	test_all_free();
	test_machine_stop(machine);
}

/* The words of a stream that is closed say nothing. */
TEST(a_closed_stream_is_not_read)
{
	struct test_enclave e;
	struct agent a;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	open_stream(&a, &e, 256);
	end_stream(&a, &e);
	for (unsigned i = 0; i < PROTO_STREAMS; i++) {
		a.ch->stream[i].tail = 77777 * i;
		a.ch->stream[i].limit = ~0ull;
		a.ch->stream[i].head = ~0ull;
	}
	end_stream(&a, &e);
	CHECK_EQ(test_stat("totals", "pages_added"), 1);
	enclave_drop(&e);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

/* A client that dies with its stream open has added what it has posted, and no more. */
TEST(a_client_that_dies_leaves_what_it_posted)
{
	struct test_enclave e;
	struct agent a;
	pid_t machine, pid;
	int status;
	bool open;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create(&a, &e, 256);
	pid = fork();
	if (!pid) {
		struct agent child;

		CHECK_EQ(agent_connect(&child, agent_command(), false), 0);
		CHECK(enclave_show(&child, &e) > 0);
		CHECK_EQ(add_slot(&child, &e, 0, &open), 0);
		CHECK(open);
		for (int i = 0; i < 7; i++)
			CHECK(post(&child));
		kill(getpid(), SIGKILL);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	/* whether the machine knows by now that the other is dead or not */
	CHECK_EQ(add_slot(&a, &e, 7, &open), -EBUSY);
	CHECK_EQ(add_slot(&a, &e, 8, &open), 0);
	enclave_drop(&e);
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}

/* The enclave is closed, and its process lives: nothing keeps it but the descriptor. */
TEST(closed_with_its_stream_open)
{
	struct test_enclave e;
	struct agent a;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	open_stream(&a, &e, 256);
	CHECK(post(&a));
	enclave_drop(&e);
	test_stat_wait("epc", "free", EPC_SIZE / SGX_PAGE_SIZE);
	CHECK_EQ(test_stat("totals", "pages_added"), 2);
	/* the stream is free for another */
	CHECK_EQ(enclave_try_open(&a, &e), 0);
	enclave_create(&a, &e, 256);
	agent_close(&a);
	enclave_drop(&e);
	test_all_free();
	test_machine_stop(machine);
}
