/* SPDX-License-Identifier: BSD-3-Clause */
/* One machine and its clients: enclaves, their memory, and their end. */
#include "daemon_agent.h"

#include <cpu/lp.h>
#include <harness/harness.h>

#include <asm/sgx.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPC_SIZE (4u << 20)

static uint8_t source[160 * SGX_PAGE_SIZE];
static struct agent agent;
static pid_t machine;

static void fill_source(void)
{
	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)(i * 31 + i / SGX_PAGE_SIZE);
}

static void set_up(void)
{
	fill_source();
	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&agent, agent_command(), true), 0);
}

static void tear_down(void)
{
	agent_close(&agent);
	test_all_free();
	test_machine_stop(machine);
}

static void fill_tcs(uint8_t *page)
{
	struct sgx_tcs tcs = {
		.ossa = 0x2000, .nssa = 2, .oentry = 0x3000, .fslimit = 0xfff, .gslimit = 0xfff};

	memcpy(page, &tcs, sizeof(tcs));
}

TEST(nop_answers)
{
	set_up();
	for (int i = 0; i < 1000; i++) {
		struct proto_slot *s = agent_slot(&agent, PROTO_OP_NOP, 0);

		CHECK_EQ(agent_call(&agent, s), 0);
		agent_free(s);
	}
	tear_down();
}

TEST(open_and_close_leave_nothing)
{
	struct test_enclave e;

	set_up();
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(enclave_try_open(&agent, &e), 0);
		close(e.fd);
	}
	CHECK_EQ(test_stat("totals", "enclaves"), 20);
	tear_down();
}

TEST(lookup_tells_what_a_descriptor_is)
{
	struct test_enclave e;
	struct proto_slot *s;
	struct stat st;
	int fd;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	CHECK_SYS(fstat(e.fd, &st));
	s = agent_slot(&agent, PROTO_OP_LOOKUP, 0);
	s->a0 = st.st_dev;
	s->a1 = st.st_ino;
	CHECK_EQ(agent_call(&agent, s), (int64_t)e.id);
	CHECK_EQ(s->r0, PROTO_DEV_ENCLAVE);
	s->a0 = st.st_dev + 1;
	CHECK_EQ(agent_call(&agent, s), -ENOTTY);
	s->a0 = st.st_dev;
	s->a1 = st.st_ino + 1000000;
	CHECK_EQ(agent_call(&agent, s), -ENOTTY);
	agent_free(s);

	s = agent_slot(&agent, PROTO_OP_OPEN, 0);
	s->a0 = PROTO_DEV_PROVISION;
	s->a1 = O_RDONLY;
	CHECK_EQ(agent_call(&agent, s), 0);
	fd = agent_receive_fd(&agent, s);
	agent_free(s);
	CHECK_SYS(fstat(fd, &st));
	s = agent_slot(&agent, PROTO_OP_LOOKUP, 0);
	s->a0 = st.st_dev;
	s->a1 = st.st_ino;
	CHECK(agent_call(&agent, s) >= 0);
	CHECK_EQ(s->r0, PROTO_DEV_PROVISION);
	agent_free(s);
	s = agent_slot(&agent, PROTO_OP_OPEN, 0);
	s->a0 = 77;
	CHECK_EQ(agent_call(&agent, s), -ENXIO);
	agent_free(s);
	close(fd);
	close(e.fd);
	tear_down();
}

static struct agent *fault_agent;
static struct test_enclave *fault_enclave;

static void on_sigbus(int sig, siginfo_t *si, void *uc)
{
	uint64_t page =
		((uint64_t)(uintptr_t)si->si_addr - (uint64_t)(uintptr_t)fault_enclave->base) /
		SGX_PAGE_SIZE;

	if (enclave_fault(fault_agent, fault_enclave, page, SGX_PF_U, PROT_READ | PROT_WRITE) !=
	    PROTO_VERDICT_RETRY)
		_exit(HARNESS_EXIT_FAIL);
}

static void take_sigbus(struct agent *a, struct test_enclave *e)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	fault_agent = a;
	fault_enclave = e;
	sigaction(SIGBUS, &sa, NULL);
}

/* Data extents of the file are exactly the pages from first to last-1. */
static void check_extents(const struct test_enclave *e, uint64_t first, uint64_t last)
{
	if (first == last) {
		CHECK_ERRNO(lseek(e->fd, 0, SEEK_DATA), ENXIO);
		return;
	}
	CHECK_EQ(lseek(e->fd, 0, SEEK_DATA), first * SGX_PAGE_SIZE);
	CHECK_EQ(lseek(e->fd, (off_t)(first * SGX_PAGE_SIZE), SEEK_HOLE), last * SGX_PAGE_SIZE);
	CHECK_ERRNO(lseek(e->fd, (off_t)(last * SGX_PAGE_SIZE), SEEK_DATA), ENXIO);
}

TEST(pages_are_where_they_were_added)
{
	struct test_enclave e;
	uint64_t added;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	enclave_create(&agent, &e, 256);
	check_extents(&e, 0, 0);
	/* More than two bulk areas: three pieces */
	CHECK_EQ(enclave_add(&agent, &e, 8, source, 150, SECINFO_REG_RW, &added), 0);
	CHECK_EQ(added, 150);
	check_extents(&e, 8, 158);
	CHECK_EQ(test_stat("epc", "reg"), 150);
	CHECK_EQ(test_stat("totals", "pages_added"), 150);
	/* A page twice is upstream's EBUSY */
	CHECK_EQ(enclave_add(&agent, &e, 20, source, 1, SECINFO_REG_RW, &added), -EBUSY);
	CHECK_EQ(added, 0);

	take_sigbus(&agent, &e);
	enclave_map(&agent, &e, PROT_READ | PROT_WRITE);
	CHECK_MEM(e.base + 8 * SGX_PAGE_SIZE, source, 150 * SGX_PAGE_SIZE);
	e.base[8 * SGX_PAGE_SIZE] ^= 0xff;
	CHECK_EQ(e.base[8 * SGX_PAGE_SIZE], source[0] ^ 0xff);
	/* Absent pages: SGX1 has nothing to put there */
	CHECK_EQ(enclave_fault(&agent, &e, 5, SGX_PF_U, PROT_READ), PROTO_VERDICT_SIGBUS);
	check_extents(&e, 8, 158);
	enclave_drop(&e);
	tear_down();
}

/* Calls that follow each other have pages made ahead: none outlives the series. */
static void add_in_a_row(uint64_t calls, uint64_t pages)
{
	struct test_enclave e;
	uint64_t added;

	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	enclave_create(&agent, &e, 512);
	for (uint64_t i = 0; i < calls; i++) {
		CHECK_EQ(enclave_add(&agent, &e, i * pages, source + i * SGX_PAGE_SIZE, pages,
				     SECINFO_REG_RW, &added),
			 0);
		CHECK_EQ(added, pages);
	}
	CHECK_EQ(enclave_add(&agent, &e, 1, source, 1, SECINFO_REG_RW, &added), -EBUSY);
	check_extents(&e, 0, calls * pages);
	/* In the middle of what was about to be added, and before it */
	CHECK_EQ(enclave_add(&agent, &e, calls * pages + 1, source, 1, SECINFO_REG_RW, &added), 0);
	CHECK_EQ(enclave_add(&agent, &e, calls * pages, source, 1, SECINFO_REG_RW, &added), 0);
	check_extents(&e, 0, calls * pages + 2);

	take_sigbus(&agent, &e);
	enclave_map(&agent, &e, PROT_READ | PROT_WRITE);
	for (uint64_t i = 0; i < calls; i++)
		CHECK_MEM(e.base + i * pages * SGX_PAGE_SIZE, source + i * SGX_PAGE_SIZE,
			  pages * SGX_PAGE_SIZE);
	enclave_drop(&e);
}

TEST(a_series_leaves_nothing_behind)
{
	set_up();
	add_in_a_row(9, 1);
	add_in_a_row(6, 40);
	add_in_a_row(4, 100);
	tear_down();
}

TEST(a_tcs_is_a_hole_and_a_slot)
{
	const struct sgx_tcs_slot *table;
	struct proto_encl_view view;
	struct test_enclave e;
	struct proto_slot *s;
	uint64_t added;
	struct stat st;
	int fd;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	/* Before CREATE there is nothing to attach to, but the answer says so */
	s = agent_slot(&agent, PROTO_OP_ATTACH, e.id);
	CHECK_EQ(agent_call(&agent, s), 0);
	CHECK_EQ(s->fds, 0);
	memcpy(&view, s->data, sizeof(view));
	CHECK_EQ(view.size, 0);
	agent_free(s);

	enclave_create(&agent, &e, 16);
	fill_tcs(source);
	CHECK_EQ(enclave_add(&agent, &e, 3, source, 1, SECINFO_TCS, &added), 0);
	CHECK_EQ(test_stat("epc", "tcs"), 1);
	check_extents(&e, 0, 0);
	s = agent_slot(&agent, PROTO_OP_ATTACH, e.id);
	CHECK_EQ(agent_call(&agent, s), 0);
	memcpy(&view, s->data, sizeof(view));
	CHECK_EQ(view.base, (uintptr_t)e.base);
	CHECK_EQ(view.size, e.size);
	CHECK_EQ(view.xfrm, SGX_XFRM_LEGACY);
	CHECK_EQ(view.initialized, 0);
	fd = agent_receive_fd(&agent, s);
	agent_free(s);
	CHECK_SYS(fstat(fd, &st));
	CHECK_EQ(st.st_size, 17 * sizeof(*table));
	table = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(table != MAP_FAILED);
	close(fd);
	CHECK_EQ(table[3].state, SGX_TCS_FREE);
	CHECK_EQ(table[3].nssa, 2);
	CHECK_EQ(table[3].oentry, 0x3000);
	CHECK_EQ(table[2].state, SGX_TCS_GONE);
	/* It is never mapped: #PF by the EPCM, with the SGX bit */
	enclave_map(&agent, &e, PROT_READ | PROT_WRITE);
	s = agent_slot(&agent, PROTO_OP_FAULT, e.id);
	s->a0 = (uint64_t)(uintptr_t)e.base + 3 * SGX_PAGE_SIZE;
	s->a1 = SGX_PF_U;
	s->a3 = PROT_READ | PROT_WRITE;
	CHECK_EQ(agent_call(&agent, s), PROTO_VERDICT_PF);
	CHECK(s->r0 & SGX_PF_SGX);
	agent_free(s);
	munmap((void *)(uintptr_t)table, (size_t)st.st_size);
	enclave_drop(&e);
	tear_down();
}

TEST(an_ioctl_in_pieces_is_one_ioctl)
{
	struct test_enclave e;
	uint64_t added;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	enclave_create(&agent, &e, 256);
	/* Six pages in all, two of them now: a short count, and the place is kept */
	CHECK_EQ(enclave_add_piece(&agent, &e, 0, 6 * SGX_PAGE_SIZE, source, 2, PROTO_IOCTL_FIRST,
				   SECINFO_REG_RW, &added),
		 0);
	CHECK_EQ(added, 2 * SGX_PAGE_SIZE);
	CHECK_EQ(enclave_add_piece(&agent, &e, 32 * SGX_PAGE_SIZE, SGX_PAGE_SIZE, source, 1,
				   PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST, SECINFO_REG_RW, &added),
		 -EBUSY);
	CHECK_EQ(enclave_add_piece(&agent, &e, 2 * SGX_PAGE_SIZE, 4 * SGX_PAGE_SIZE,
				   source + 2 * SGX_PAGE_SIZE, 4, PROTO_IOCTL_LAST, SECINFO_REG_RW,
				   &added),
		 0);
	CHECK_EQ(added, 4 * SGX_PAGE_SIZE);
	/* A signal: nothing yet is ERESTARTSYS, and the place is free */
	CHECK_EQ(enclave_add_piece(&agent, &e, 8 * SGX_PAGE_SIZE, SGX_PAGE_SIZE, source, 1,
				   PROTO_IOCTL_FIRST | PROTO_IOCTL_SIGNAL, SECINFO_REG_RW, &added),
		 -512);
	/* An error on the first piece frees it too, and a second piece is refused */
	CHECK_EQ(enclave_add_piece(&agent, &e, 0, 2 * SGX_PAGE_SIZE, source, 1, PROTO_IOCTL_FIRST,
				   SECINFO_REG_RW, &added),
		 -EBUSY);
	CHECK_EQ(enclave_add_piece(&agent, &e, 8 * SGX_PAGE_SIZE, SGX_PAGE_SIZE, source, 1,
				   PROTO_IOCTL_LAST, SECINFO_REG_RW, &added),
		 -EBUSY);
	/* A source that ends: its pages are added, then the error */
	{
		struct proto_slot *s = agent_slot(&agent, PROTO_OP_IOCTL, e.id);
		struct sgx_secinfo_arch secinfo = {.flags = SECINFO_REG_RW};
		struct sgx_enclave_add_pages arg = {
			.src = 0x200000,
			.offset = 8 * SGX_PAGE_SIZE,
			.length = 4 * SGX_PAGE_SIZE,
			.secinfo = 0x800,
		};

		s->a0 = SGX_IOC_ENCLAVE_ADD_PAGES;
		s->a1 = 0x500;
		s->a2 = PROTO_IOCTL_BULK | PROTO_IOCTL_FIRST;
		s->src_uaddr = arg.src;
		s->src_pages = 3;
		s->src_status = -EFAULT;
		agent_segment(s, 0x500, &arg, sizeof(arg));
		agent_segment(s, 0x800, &secinfo, sizeof(secinfo));
		CHECK_EQ(agent_call(&agent, s), -EFAULT);
		CHECK_EQ(s->r0, 3 * SGX_PAGE_SIZE);
		CHECK_EQ(s->writeback, sizeof(arg));
		agent_free(s);
	}
	CHECK_EQ(test_stat("epc", "reg"), 9);
	enclave_drop(&e);
	tear_down();
}

TEST(the_last_mapping_ends_an_enclave)
{
	struct test_enclave e;
	char path[64];
	uint64_t added;
	int again;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	enclave_create(&agent, &e, 16);
	CHECK_EQ(enclave_add(&agent, &e, 0, source, 4, SECINFO_REG_RW, &added), 0);
	enclave_map(&agent, &e, PROT_READ | PROT_WRITE);
	/* Another open file of the same inode comes and goes */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e.fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	CHECK_SYS(again);
	close(again);
	CHECK_EQ(dup2(e.fd, again), again);
	close(e.fd);
	CHECK_EQ(test_stat("epc", "reg"), 4);
	close(again);
	/* STAT is answered after whatever inotify had to say before it */
	CHECK_EQ(test_stat("epc", "reg"), 4);
	munmap(e.base, e.size - SGX_PAGE_SIZE);
	CHECK_EQ(test_stat("epc", "reg"), 4);
	munmap(e.base + e.size - SGX_PAGE_SIZE, SGX_PAGE_SIZE);
	test_stat_wait("epc", "reg", 0);
	munmap(e.reservation, 2 * e.size);
	tear_down();
}

TEST(a_hole_punched_by_the_client_hurts_nobody_else)
{
	struct test_enclave e;
	uint64_t added;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	enclave_create(&agent, &e, 16);
	CHECK_EQ(enclave_add(&agent, &e, 0, source, 4, SECINFO_REG_RW, &added), 0);
	CHECK_SYS(
		fallocate(e.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * SGX_PAGE_SIZE));
	enclave_map(&agent, &e, PROT_READ | PROT_WRITE);
	CHECK_EQ(enclave_fault(&agent, &e, 0, SGX_PF_U, PROT_READ | PROT_WRITE),
		 PROTO_VERDICT_RETRY);
	/* A write is one at the end, which is sealed */
	CHECK_ERRNO(pwrite(e.fd, source, SGX_PAGE_SIZE, 8 * SGX_PAGE_SIZE), EPERM);
	/* And a page made where none is does not stop the next ADD_PAGES */
	CHECK_SYS(fallocate(e.fd, 0, 8 * SGX_PAGE_SIZE, SGX_PAGE_SIZE));
	CHECK_EQ(enclave_add(&agent, &e, 8, source + SGX_PAGE_SIZE, 1, SECINFO_REG_RW, &added), 0);
	take_sigbus(&agent, &e);
	CHECK_MEM(e.base + 8 * SGX_PAGE_SIZE, source + SGX_PAGE_SIZE, SGX_PAGE_SIZE);
	/* Its size is sealed */
	CHECK_ERRNO(ftruncate(e.fd, 0), EPERM);
	enclave_drop(&e);
	tear_down();
}

/* Each page of an enclave that evicts and loads nothing else is where it should be. */
static bool pages_add_up(uint64_t pages)
{
	uint64_t evicted = test_stat("epc", "evicted");

	return test_stat("epc", "reg") + evicted == pages && test_stat("epc", "ewb") == evicted &&
	       test_stat("epc", "backing") == evicted;
}

TEST(a_full_epc_pages)
{
	uint64_t added, total = 0;
	struct test_enclave e;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	enclave_create(&agent, &e, 2048);
	for (uint64_t n = 0; n < 2048; n += 128) {
		CHECK_EQ(enclave_add(&agent, &e, n, source, 128, SECINFO_REG_RW, &added), 0);
		total += added;
	}
	CHECK_EQ(total, 2048);
	/* ksgxd may still be at it: each number is of another moment */
	for (int i = 0; !pages_add_up(2048); i++) {
		CHECK(i < 6000);
		usleep(5000);
	}
	/* beside them the SECS, and a version array for each 512 pages, SECS included */
	CHECK_EQ(test_stat("epc", "va"), 5);
	CHECK(test_stat("epc", "reg") + 6 <= EPC_SIZE / SGX_PAGE_SIZE);
	enclave_drop(&e);
	test_stat_wait("epc", "backing", 0);
	tear_down();
}

TEST(a_dead_threads_tcs_is_free_again)
{
	struct sgx_tcs_slot *table;
	struct test_enclave e;
	struct proto_slot *s;
	uint64_t added;
	int fd, status;
	pid_t pid;

	set_up();
	CHECK_EQ(enclave_try_open(&agent, &e), 0);
	enclave_create(&agent, &e, 16);
	fill_tcs(source);
	memcpy(source + SGX_PAGE_SIZE, source, SGX_PAGE_SIZE);
	CHECK_EQ(enclave_add(&agent, &e, 3, source, 2, SECINFO_TCS, &added), 0);
	s = agent_slot(&agent, PROTO_OP_ATTACH, e.id);
	CHECK_EQ(agent_call(&agent, s), 0);
	fd = agent_receive_fd(&agent, s);
	agent_free(s);
	table = mmap(NULL, 17 * sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(table != MAP_FAILED);
	close(fd);
	/* This process is inside by one TCS, a child by the other */
	table[3].state = lp_owner(agent.ch->client, 0);
	pid = fork();
	if (!pid) {
		struct agent child;

		CHECK_EQ(agent_connect(&child, agent_command(), false), 0);
		CHECK(child.ch->client != agent.ch->client);
		__atomic_store_n(&table[4].state, lp_owner(child.ch->client, 0), __ATOMIC_SEQ_CST);
		raise(SIGKILL);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WTERMSIG(status), SIGKILL);
	while (__atomic_load_n(&table[4].state, __ATOMIC_SEQ_CST) != SGX_TCS_FREE)
		usleep(1000);
	CHECK_EQ(table[3].state, lp_owner(agent.ch->client, 0));
	table[3].entries = 5;
	table[4].exits = 7;
	CHECK_EQ(test_stat("totals", "entries"), 5);
	munmap(table, 17 * sizeof(*table));
	enclave_drop(&e);
	test_stat_wait("epc", "free", EPC_SIZE / SGX_PAGE_SIZE);
	/* They outlive the enclave */
	CHECK_EQ(test_stat("totals", "entries"), 5);
	CHECK_EQ(test_stat("totals", "exits"), 7);
	CHECK_EQ(test_stat("ended", "pages_added"), 2);
	tear_down();
}
