/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several threads and processes in enclaves that are larger than the EPC: no write
 * of any of them is lost, whoever's access brings a page back.
 */
#include "child.h"
#include "paging.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WORDS 512u /* pages that are counted in; a power of two */
_Static_assert(WORDS <= HEAP_PAGES && WORDS > EPC_PAGES, "they do not fit in");

/* From RDX on: R8 times lock inc of a word of a random page; R9 is the seed. */
extern const uint8_t walk[], walk_end[];
__asm__(".pushsection .rodata\n"
	"walk:\n"
	"	imul	$1103515245, %r9, %r9\n"
	"	add	$12345, %r9\n"
	"	mov	%r9, %rax\n"
	"	shr	$16, %rax\n"
	"	and	$511, %eax\n"
	"	shl	$12, %rax\n"
	"	lock incq (%rdx,%rax)\n"
	"	dec	%r8\n"
	"	jnz	walk\n"
	"walk_end:\n"
	".popsection\n");

static void build(struct encl *e, unsigned int tcs_count)
{
	encl_build(e, &(struct encl_opts){PAGING_OPTS, .tcs_count = tcs_count});
	encl_snippet(e, walk, (size_t)(walk_end - walk));
}

static void count(struct encl *e, unsigned int tcs, uint64_t times, uint64_t seed)
{
	encl_op(e, tcs, OP_JUMP, e->base + ENCL_RWX, e->heap, times, seed);
}

/* By loads from outside, and by the enclave itself */
static void expect_sum(struct encl *e, unsigned int tcs, uint64_t want)
{
	uint64_t outside = 0, inside = 0;

	for (uint64_t i = 0; i < WORDS; i++)
		outside += touch(heap_page(e, i));
	CHECK_EQ(outside, want);
	for (uint64_t i = 0; i < WORDS; i++)
		inside += encl_read8(e, tcs, heap_page(e, i));
	CHECK_EQ(inside, want);
}

static struct encl shared;

#define THREADS 4u
#define TIMES	1500u

static void *counter(void *arg)
{
	unsigned int k = (unsigned int)(uintptr_t)arg;

	/* in one entry, and in many */
	count(&shared, k, TIMES, 1000 + k);
	for (unsigned int i = 0; i < 50; i++)
		count(&shared, k, 10, 7919 * k + i);
	return NULL;
}

TEST_TIMEOUT(threads_count, 120)
{
	pthread_t thread[THREADS];

	build(&shared, THREADS);
	for (uintptr_t k = 0; k < THREADS; k++)
		CHECK_EQ(pthread_create(&thread[k], NULL, counter, (void *)k), 0);
	for (unsigned int k = 0; k < THREADS; k++)
		CHECK_EQ(pthread_join(thread[k], NULL), 0);
	expect_sum(&shared, 0, THREADS * (TIMES + 500));
	encl_free(&shared);
}

/*
 * One page that is written without a pause, while others push it out: whatever is
 * written between its write-protection and its way out would be lost.
 */
#define HOT_TOUCHES 3000u
#define HOT_ADDS    20000u

static struct pager pager;
static uint64_t *added; /* by all; shared */

static void *heat(void *arg)
{
	while (__atomic_load_n(&pager.touched, __ATOMIC_RELAXED) < HOT_TOUCHES) {
		encl_op(&shared, (unsigned int)(uintptr_t)arg, OP_ADD, heap_page(&shared, 5), 0,
			HOT_ADDS, 0);
		__atomic_fetch_add(added, HOT_ADDS, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void hot_build(void)
{
	added = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(added != MAP_FAILED);
	encl_build(&shared, &(struct encl_opts){PAGING_OPTS, .tcs_count = 3});
}

static void hot_check(void)
{
	pager_stop(&pager);
	CHECK_EQ(touch(heap_page(&shared, 5)), *added);
	CHECK_EQ(encl_read8(&shared, 0, heap_page(&shared, 5)), *added);
	encl_free(&shared);
	munmap(added, 4096);
}

TEST_TIMEOUT(hot_page_of_threads, 120)
{
	pthread_t thread[2];

	hot_build();
	pager_start(&pager, &shared);
	for (uintptr_t k = 0; k < 2; k++)
		CHECK_EQ(pthread_create(&thread[k], NULL, heat, (void *)k), 0);
	for (unsigned int k = 0; k < 2; k++)
		CHECK_EQ(pthread_join(thread[k], NULL), 0);
	hot_check();
}

TEST_TIMEOUT(hot_page_of_processes, 120)
{
	pid_t pid[2];

	hot_build();
	for (uintptr_t k = 0; k < 2; k++) {
		pid[k] = start();
		if (!pid[k]) {
			/* each with a pager of its own */
			pager_start(&pager, &shared);
			heat((void *)(k + 1));
			pager_stop(&pager);
			_exit(0);
		}
	}
	pager_start(&pager, &shared);
	heat((void *)0);
	for (unsigned int k = 0; k < 2; k++)
		expect_exit(pid[k], 0);
	hot_check();
}

/* The stores of threads that are outside count as well: page tables are one process'. */
TEST_TIMEOUT(inside_and_outside_count, 120)
{
	pthread_t thread;
	unsigned int seed = 3;

	build(&shared, 1);
	CHECK_EQ(pthread_create(&thread, NULL, counter, NULL), 0);
	for (unsigned int i = 0; i < TIMES; i++)
		__atomic_fetch_add((uint64_t *)heap_page(&shared,
							 (unsigned int)rand_r(&seed) % WORDS),
				   1, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	expect_sum(&shared, 0, TIMES + TIMES + 500);
	encl_free(&shared);
}

/* No copy on write: parent, child and grandchild have the same pages. */
TEST_TIMEOUT(processes_count, 120)
{
	struct encl e;
	pid_t pid;

	build(&e, 3);
	count(&e, 0, 700, 1);
	pid = start();
	if (!pid) {
		pid_t other = start();

		count(&e, other ? 1 : 2, TIMES, (uint64_t)getpid());
		if (other)
			expect_exit(other, 0);
		_exit(0);
	}
	count(&e, 0, TIMES, 3);
	expect_exit(pid, 0);
	expect_sum(&e, 0, 3 * TIMES + 700);
	encl_free(&e);
}

/* Turn by turn: what one writes the other reads, in and out of the EPC meanwhile */
TEST_TIMEOUT(parent_and_child_in_turns, 120)
{
	struct encl e;
	int sp[2];
	pid_t pid;
	char c;

	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp));
	build(&e, 2);
	pid = start();
	for (uint64_t version = 1; version < 5; version++) {
		bool mine = (pid == 0) == (version % 2 == 1);

		if (mine) {
			for (uint64_t i = 0; i < HEAP_PAGES; i += 2)
				write_pattern(&e, pid ? 0 : 1, i, version);
			CHECK_EQ(write(sp[!pid], "x", 1), 1);
		} else {
			CHECK_EQ(read(sp[!pid], &c, 1), 1);
			for (uint64_t i = 0; i < HEAP_PAGES; i += 2)
				check_outside(&e, i, version);
		}
	}
	if (!pid)
		_exit(0);
	expect_exit(pid, 0);
	for (uint64_t i = 0; i < HEAP_PAGES; i += 2)
		check_inside(&e, 0, i, 4);
	encl_free(&e);
	close(sp[0]);
	close(sp[1]);
}

/* A child that is killed in the middle of it takes nothing along. */
TEST_TIMEOUT(child_is_killed, 120)
{
	unsigned int seed = 17;
	uint64_t sum = 0;
	struct encl e;

	build(&e, 2);
	for (uint64_t i = WORDS; i < HEAP_PAGES; i++)
		write_pattern(&e, 0, i, 5);
	for (int round = 0; round < 8; round++) {
		uint64_t before = sum, after;
		pid_t pid = start();

		if (!pid)
			for (;;)
				count(&e, 1, 1000000, 12);
		count(&e, 0, 200 + (unsigned int)rand_r(&seed) % 300, (uint64_t)round);
		CHECK_SYS(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		after = 0;
		for (uint64_t i = 0; i < WORDS; i++)
			after += touch(heap_page(&e, i));
		CHECK(after >= before + 200);
		sum = after;
	}
	expect_sum(&e, 0, sum);
	for (uint64_t i = WORDS; i < HEAP_PAGES; i++)
		check_inside(&e, 0, i, 5);
	encl_free(&e);
}

static void send_fd(int sock, int fd, const struct encl *e)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)e, .iov_len = sizeof(*e)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(sock, &hdr, 0), sizeof(*e));
}

static void receive_fd(int sock, struct encl *e)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = e, .iov_len = sizeof(*e)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};

	CHECK_EQ(recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC), sizeof(*e));
	CHECK(CMSG_FIRSTHDR(&hdr));
	memcpy(&e->fd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(e->fd));
}

/* One that was there before the enclave gets the descriptor, and maps it. */
TEST_TIMEOUT(descriptor_is_sent, 120)
{
	struct encl e;
	int sp[2];
	pid_t pid;
	char c;

	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp));
	pid = start();
	if (!pid) {
		receive_fd(sp[1], &e);
		e.enter = encl_vdso();
		encl_map_all(&e);
		for (uint64_t i = WORDS; i < HEAP_PAGES; i++)
			check_outside(&e, i, 9);
		CHECK_EQ(write(sp[1], "x", 1), 1);
		count(&e, 1, TIMES, 8);
		encl_free(&e);
		_exit(0);
	}
	build(&e, 2);
	for (uint64_t i = WORDS; i < HEAP_PAGES; i++)
		write_pattern(&e, 0, i, 9);
	send_fd(sp[0], e.fd, &e);
	CHECK_EQ(read(sp[0], &c, 1), 1);
	count(&e, 0, TIMES, 9);
	expect_exit(pid, 0);
	expect_sum(&e, 0, 2 * TIMES);
	encl_free(&e);
	close(sp[0]);
	close(sp[1]);
}

#define PROCESSES 8u
#define HALF	  (EPC_PAGES / 2)

/* Each has an enclave of half the EPC. */
TEST_TIMEOUT(many_processes, 240)
{
	pid_t pid[PROCESSES];

	for (unsigned int k = 0; k < PROCESSES; k++) {
		pid[k] = start();
		if (pid[k])
			continue;
		struct encl e;

		encl_build(&e, &(struct encl_opts){.heap = HALF * ENCL_PAGE});
		for (uint64_t version = 1; version < 4; version++) {
			for (uint64_t i = 0; i < HALF; i++)
				write_pattern(&e, 0, i, version * 10 + k);
			for (uint64_t i = HALF; i--;)
				check_inside(&e, 0, i, version * 10 + k);
		}
		encl_free(&e);
		_exit(0);
	}
	for (unsigned int k = 0; k < PROCESSES; k++)
		expect_exit(pid[k], 0);
}
