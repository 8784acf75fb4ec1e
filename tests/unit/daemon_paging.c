/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paging, with clients that do what no agent does: whatever becomes of their own
 * pages, others' stay, and nothing of the EPC is lost.
 */
#include "daemon_agent.h"
#include "machine.h"

#include <harness/harness.h>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPC_PAGES 64u
#define PAGES	  160u

static uint8_t source[PAGES * SGX_PAGE_SIZE];
static struct agent agent;
static struct test_enclave encl, other;
static pid_t machine;

/* Each agent's enclaves, for the handler */
static struct agent *fault_agent;

static void on_sigbus(int sig, siginfo_t *si, void *uc)
{
	uint64_t addr = (uint64_t)(uintptr_t)si->si_addr;
	struct test_enclave *e = &encl;

	if (addr - (uint64_t)(uintptr_t)other.base < other.size)
		e = &other;
	if (enclave_fault(fault_agent, e, (addr - (uint64_t)(uintptr_t)e->base) / SGX_PAGE_SIZE,
			  SGX_PF_U, PROT_READ | PROT_WRITE) != PROTO_VERDICT_RETRY)
		_exit(HARNESS_EXIT_FAIL);
}

static void build(struct test_enclave *e)
{
	uint64_t added;

	CHECK_EQ(enclave_try_open(&agent, e), 0);
	enclave_create(&agent, e, 256);
	CHECK_EQ(enclave_add(&agent, e, 0, source, PAGES, SECINFO_REG_RW, &added), 0);
	CHECK_EQ(added, PAGES);
}

static void set_up(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)(i * 31 + i / SGX_PAGE_SIZE * 7 + 1);
	sigaction(SIGBUS, &sa, NULL);
	test_folders();
	machine = test_machine_start(EPC_PAGES * SGX_PAGE_SIZE);
	CHECK_EQ(agent_connect(&agent, agent_command(), true), 0);
	fault_agent = &agent;
	build(&encl);
	enclave_map(&agent, &encl, PROT_READ | PROT_WRITE);
}

static void tear_down(void)
{
	enclave_drop(&encl);
	agent_close(&agent);
	test_all_free();
	CHECK_EQ(test_stat("epc", "leaked"), 0);
	CHECK_EQ(test_stat("epc", "backing"), 0);
	CHECK_EQ(test_stat("epc", "parked"), 0);
	test_machine_stop(machine);
}

static uint8_t *page(struct test_enclave *e, uint64_t i)
{
	return e->base + i * SGX_PAGE_SIZE;
}

static void check_all(struct test_enclave *e)
{
	CHECK_MEM(e->base, source, sizeof(source));
}

static void touch_all(struct test_enclave *e)
{
	for (uint64_t i = 0; i < PAGES; i++)
		(void)*(volatile uint8_t *)page(e, i);
}

/* What was written back and is not loaded again is in backing, and no EPC page is lost. */
static bool epc_adds_up(void)
{
	uint64_t evicted = test_stat("epc", "evicted");

	return test_stat("epc", "ewb") - test_stat("epc", "eldu") == evicted &&
	       test_stat("epc", "backing") == evicted &&
	       test_stat("epc", "free") + test_stat("epc", "secs") + test_stat("epc", "va") +
			       test_stat("epc", "reg") ==
		       EPC_PAGES;
}

TEST(pages_come_and_go)
{
	set_up();
	for (int round = 0; round < 3; round++) {
		check_all(&encl);
		for (uint64_t i = 0; i < PAGES; i++) {
			page(&encl, i)[i] ^= 0xff;
			source[i * SGX_PAGE_SIZE + i] ^= 0xff;
		}
	}
	check_all(&encl);
	CHECK(test_stat("epc", "ewb") > 3 * (PAGES - EPC_PAGES));
	/* ksgxd may still be at it: each number is of another moment */
	for (int i = 0; !epc_adds_up(); i++) {
		CHECK(i < 6000);
		usleep(5000);
	}
	tear_down();
}

/* What is punched is zeros, or what it was, page by page; another's is untouched. */
TEST(holes_are_punched)
{
	static const uint8_t zeros[SGX_PAGE_SIZE];

	set_up();
	build(&other);
	enclave_map(&agent, &other, PROT_READ | PROT_WRITE);
	for (int round = 0; round < 6; round++) {
		touch_all(&encl);
		CHECK_SYS(fallocate(encl.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				    (off_t)encl.size));
		check_all(&other);
		for (uint64_t i = 0; i < PAGES; i++)
			if (memcmp(page(&encl, i), zeros, sizeof(zeros)))
				CHECK_MEM(page(&encl, i), source + i * SGX_PAGE_SIZE,
					  SGX_PAGE_SIZE);
	}
	enclave_drop(&other);
	tear_down();
}

static bool stop;

static void *fill_holes(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (off_t i = 0; i < PAGES; i += 8) {
			(void)fallocate(encl.fd, 0, i * SGX_PAGE_SIZE, 8 * SGX_PAGE_SIZE);
			sched_yield();
		}
	}
	return NULL;
}

/* A page where none should be: of its own enclave alone, and nothing is stuck. */
TEST(holes_are_filled)
{
	pthread_t thread;

	set_up();
	build(&other);
	enclave_map(&agent, &other, PROT_READ | PROT_WRITE);
	CHECK_EQ(pthread_create(&thread, NULL, fill_holes, NULL), 0);
	for (int round = 0; round < 5; round++) {
		touch_all(&encl);
		check_all(&other);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	check_all(&other);
	enclave_drop(&other);
	tear_down();
}

/* As enclave_map(), but for the modes in which it registers */
static void map_with(struct agent *a, struct test_enclave *e, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = {.start = (uint64_t)(uintptr_t)e->base, .len = e->size},
		.mode = mode,
	};
	struct proto_slot *s = agent_slot(a, PROTO_OP_MAP, e->id);

	s->a0 = (uint64_t)(uintptr_t)e->base;
	s->a1 = e->size;
	s->a2 = PROT_READ | PROT_WRITE;
	CHECK_EQ(agent_call(a, s), 0);
	agent_free(s);
	CHECK(mmap(e->base, e->size, PROT_NONE, MAP_SHARED | MAP_FIXED, e->fd, 0) == e->base);
	if (mode)
		CHECK_SYS(ioctl(a->uffd, UFFDIO_REGISTER, &reg));
	CHECK_SYS(mprotect(e->base, e->size, PROT_READ | PROT_WRITE));
}

/* No write-protection is to be had, or no fault at all: the other enclave is well. */
static void maps_badly(uint64_t mode)
{
	set_up();
	build(&other);
	map_with(&agent, &encl, mode);
	enclave_map(&agent, &other, PROT_READ | PROT_WRITE);
	for (int round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < PAGES; i++)
			*(volatile uint8_t *)page(&encl, i) ^= 1;
		check_all(&other);
	}
	enclave_drop(&other);
	tear_down();
}

TEST(mapped_without_write_protection)
{
	maps_badly(UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR);
}

TEST(mapped_without_userfaultfd)
{
	maps_badly(0);
}

/*
 * Another process maps it too, writes, and is killed: what it wrote is there, and
 * it is in nobody's way.
 */
TEST(a_client_is_gone)
{
	set_up();
	for (int round = 0; round < 4; round++) {
		pid_t pid = fork();
		int status;

		CHECK_SYS(pid);
		if (!pid) {
			struct agent mine;

			CHECK_EQ(agent_connect(&mine, agent_command(), true), 0);
			fault_agent = &mine;
			CHECK(enclave_show(&mine, &encl) > 0);
			enclave_map(&mine, &encl, PROT_READ | PROT_WRITE);
			for (uint64_t i = 0; i < PAGES; i++)
				page(&encl, i)[8] ^= 0x81;
			raise(SIGKILL);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		for (uint64_t i = 0; i < PAGES; i++)
			source[i * SGX_PAGE_SIZE + 8] ^= 0x81;
		check_all(&encl);
	}
	tear_down();
}

/* Two address spaces in turns: a write of one is in the other's next read. */
TEST(two_clients_share)
{
	int sp[2], status;
	pid_t pid;
	char c;

	set_up();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp));
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		struct agent mine;

		CHECK_EQ(agent_connect(&mine, agent_command(), true), 0);
		fault_agent = &mine;
		CHECK(enclave_show(&mine, &encl) > 0);
		enclave_map(&mine, &encl, PROT_READ | PROT_WRITE);
		for (int round = 0; round < 4; round++) {
			CHECK_EQ(read(sp[1], &c, 1), 1);
			for (uint64_t i = 0; i < PAGES; i++)
				page(&encl, i)[9]++;
			CHECK_EQ(write(sp[1], "x", 1), 1);
		}
		_exit(0);
	}
	for (int round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < PAGES; i++)
			page(&encl, i)[9]++;
		CHECK_EQ(write(sp[0], "x", 1), 1);
		CHECK_EQ(read(sp[0], &c, 1), 1);
		for (uint64_t i = 0; i < PAGES; i++)
			source[i * SGX_PAGE_SIZE + 9] += 2;
		check_all(&encl);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(sp[0]);
	close(sp[1]);
	tear_down();
}

/*
 * Another file is at the address when the daemon answers, as where a thread maps
 * another enclave there while this one faults, or where the client has said what is
 * not so.  The page stays with its enclave, and that file gets none of its bytes.
 */
TEST(another_file_is_there)
{
	struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING |
					      UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP};
	int fd;

	set_up();
	fd = memfd_create("another", MFD_CLOEXEC);
	CHECK_SYS(fd);
	CHECK_SYS(ftruncate(fd, (off_t)encl.size));
	CHECK(mmap(encl.base, encl.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	      encl.base);
	reg.range.start = (uint64_t)(uintptr_t)encl.base;
	reg.range.len = encl.size;
	CHECK_SYS(ioctl(agent.uffd, UFFDIO_REGISTER, &reg));
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < PAGES; i++)
			CHECK_EQ(enclave_fault(&agent, &encl, i, SGX_PF_U, PROT_READ | PROT_WRITE),
				 PROTO_VERDICT_RETRY);
	}
	CHECK_ERRNO(lseek(fd, 0, SEEK_DATA), ENXIO);
	CHECK(mmap(encl.base, encl.size, PROT_NONE, MAP_SHARED | MAP_FIXED, encl.fd, 0) ==
	      encl.base);
	CHECK_SYS(ioctl(agent.uffd, UFFDIO_REGISTER, &reg));
	CHECK_SYS(mprotect(encl.base, encl.size, PROT_READ | PROT_WRITE));
	check_all(&encl);
	close(fd);
	tear_down();
}

/* --- inside -------------------------------------------------------------------------- */

/* The limit is on pages of all enclaves together; what is put may be had again. */
TEST(backing_has_a_limit)
{
	static struct machine m;
	struct daemon_options options = {
		.epc_size = EPC_PAGES * SGX_PAGE_SIZE,
		.command_fd = -1,
		.ready_fd = -1,
	};
	struct daemon_ready ready = {0};
	struct sgx_pcmd *pcmd, *again;
	struct enclave *e;
	void *bytes, *same;
	int fd;

	test_folders();
	log_init(log_open());
	CHECK_EQ(machine_init(&m, &options, &ready), 0);
	CHECK_EQ(enclave_open(&m, O_RDWR, &e, &fd), 0);
	e->size = 32 * SGX_PAGE_SIZE;
	e->slot_of = calloc(32, sizeof(*e->slot_of));
	e->backing = calloc(BACKING_BITS, sizeof(*e->backing));
	e->backing_used = calloc(1, sizeof(*e->backing_used));
	CHECK(e->slot_of && e->backing && e->backing_used);
	m.memory.backing_max = 10;
	for (uint64_t i = 23; i < 33; i++) {
		CHECK_EQ(paging_backing_get(e->sgx, i, false, &bytes, &pcmd), 0);
		memset(bytes, (int)i, SGX_PAGE_SIZE);
		memset(pcmd, (int)i, sizeof(*pcmd));
		paging_backing_put(e->sgx, i, true);
	}
	CHECK_EQ(m.memory.backing, 10);
	for (uint64_t i = 0; i < 23; i++)
		CHECK_EQ(paging_backing_get(e->sgx, i, false, &bytes, &pcmd), -ENOMEM);
	CHECK_EQ(m.memory.backing, 10);
	/* those that are there can be had, and are as they were */
	CHECK_EQ(paging_backing_get(e->sgx, 32, false, &bytes, &pcmd), 0);
	CHECK_EQ(*(uint8_t *)bytes, 32);
	CHECK_EQ(*(uint8_t *)pcmd, 32);
	paging_backing_put(e->sgx, 32, true);
	CHECK_EQ(paging_backing_get(e->sgx, 32, false, &same, &again), 0);
	CHECK_EQ((uintptr_t)same, (uintptr_t)bytes);
	CHECK_EQ((uintptr_t)again, (uintptr_t)pcmd);
	paging_backing_put(e->sgx, 32, false);
	CHECK_EQ(m.memory.backing, 9);
	CHECK_EQ(paging_backing_get(e->sgx, 1, false, &bytes, &pcmd), 0);
	paging_backing_put(e->sgx, 1, true);
	CHECK_EQ(paging_backing_get(e->sgx, 2, false, &bytes, &pcmd), -ENOMEM);
	paging_backing_free(e);
	CHECK_EQ(m.memory.backing, 0);
	CHECK_EQ(m.memory.pool.used, 0);
	free(e->slot_of);
	free(e->backing);
	free(e->backing_used);
	e->slot_of = NULL;
	e->backing = NULL;
	e->backing_used = NULL;
	close(fd);
	enclave_put(e);
	machine_exit(&m);
	close(m.wakeup.fd); /* the process would end next */
	test_folders_remove();
}
