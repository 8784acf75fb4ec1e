/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ADD_PAGES of one page after another, as loaders build whole enclaves: swsgx says "done"
 * before the page is in the enclave.  Nobody may be able to tell: every refusal comes at
 * its call, every page that was accepted is there for whoever looks, in its place in
 * MRENCLAVE, whatever comes between.
 */
#include "child.h"
#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define REG(rwx) (((uint64_t)SGX_PT_REG << 8) | (rwx))
#define RW	 REG(3)
#define PAGES	 256u /* of a series: the ring of a stream has room for more and for less */

static uint8_t pages[PAGES * ENCL_PAGE] __attribute__((aligned(4096)));

static const uint8_t *source(unsigned int i)
{
	return pages + i % PAGES * ENCL_PAGE;
}

/* An enclave with code and a TCS, and room for a series at heap. */
static void begin(struct encl *e)
{
	for (unsigned int i = 0; i < PAGES; i++)
		for (unsigned int j = 0; j < ENCL_PAGE; j++)
			pages[i * ENCL_PAGE + j] = (uint8_t)(i * 7 + j);
	encl_open(e, &(struct encl_opts){.heap = 4 * PAGES * ENCL_PAGE});
	e->opts.heap = 0;
	CHECK_EQ(encl_create(e), 0);
	encl_add_all(e);
}

static uint64_t heap(const struct encl *e, unsigned int i)
{
	return e->heap - e->base + i * ENCL_PAGE;
}

/* Page i of the series, as it comes in it. */
static int add(struct encl *e, unsigned int i, bool measure)
{
	uint64_t count = 0x77;
	int ret = encl_add(e, heap(e, i), source(i), ENCL_PAGE, RW, measure ? SGX_PAGE_MEASURE : 0,
			   &count);

	CHECK_EQ(count, ret ? 0 : ENCL_PAGE);
	return ret;
}

static void series(struct encl *e, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		CHECK_EQ(add(e, i, true), 0);
}

/* What was predicted is what was built; and its pages are there. */
static void finish(struct encl *e, unsigned int count)
{
	uint8_t got[ENCL_PAGE];

	encl_sign(e);
	CHECK_EQ(encl_init(e), 0);
	e->opts.heap = count * ENCL_PAGE;
	encl_map_all(e);
	for (unsigned int i = 0; i < count; i += 1 + count / 16) {
		encl_read(e, 0, got, e->heap + i * ENCL_PAGE, sizeof(got));
		CHECK_MEM(got, source(i), sizeof(got));
	}
	encl_free(e);
}

TEST(measured)
{
	struct encl e;

	begin(&e);
	series(&e, 0, 3 * PAGES);
	finish(&e, 3 * PAGES);
}

/* Measured and not, now and then: another series begins. */
TEST(the_kind_changes)
{
	struct encl e;

	begin(&e);
	for (unsigned int i = 0; i < PAGES; i++)
		CHECK_EQ(add(&e, i, i / 10 % 2), 0);
	finish(&e, PAGES);
}

/* --- refusals: at their call, with the right errno, and nothing is changed ---------- */

static int add_raw(struct encl *e, uint64_t src, uint64_t offset, uint64_t length, uint64_t flags)
{
	struct sgx_secinfo_arch info = {.flags = flags};
	struct sgx_enclave_add_pages a = {
		.src = src,
		.offset = offset,
		.length = length,
		.secinfo = (uint64_t)&info,
		.flags = SGX_PAGE_MEASURE,
		.count = 0x77,
	};

	return ioctl(e->fd, SGX_IOC_ENCLAVE_ADD_PAGES, &a) ? -errno : 0;
}

TEST(refusals_in_between)
{
	uint8_t *hole = mmap(NULL, ENCL_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t good = (uint64_t)source(0);
	struct encl e;

	CHECK(hole != MAP_FAILED);
	begin(&e);
	for (unsigned int i = 0; i < 200; i += 20) {
		const uint64_t next = heap(&e, i + 20);

		series(&e, i, i + 20);
		/* each of them at the very page that is expected next, but for one thing */
		switch (i / 20) {
		case 0:
			CHECK_EQ(add_raw(&e, good + 8, next, ENCL_PAGE, RW), -EINVAL);
			break;
		case 1:
			CHECK_EQ(add_raw(&e, (uint64_t)hole, next, ENCL_PAGE, RW), -EFAULT);
			break;
		case 2:
			CHECK_EQ(add_raw(&e, 1ull << 47, next, ENCL_PAGE, RW), -EFAULT);
			break;
		case 3:
			CHECK_EQ(add_raw(&e, good, next, ENCL_PAGE, REG(2)), -EINVAL);
			break;
		case 4:
			CHECK_EQ(add_raw(&e, good, next, ENCL_PAGE, RW | 1ull << 63), -EINVAL);
			break;
		case 5:
			CHECK_EQ(add_raw(&e, good, next, 0, RW), -EINVAL);
			break;
		case 6:
			CHECK_EQ(add_raw(&e, good, next + 1, ENCL_PAGE, RW), -EINVAL);
			break;
		case 7: /* is there */
			CHECK_EQ(add_raw(&e, good, heap(&e, i), ENCL_PAGE, RW), -EBUSY);
			CHECK_EQ(add_raw(&e, good, heap(&e, i + 19), ENCL_PAGE, RW), -EBUSY);
			break;
		case 8:
			CHECK_EQ(add_raw(&e, good, e.size, ENCL_PAGE, RW), -EINVAL);
			break;
		default: /* CREATE, and what is no ioctl */
			CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, NULL), EINVAL);
			CHECK_ERRNO(ioctl(e.fd, 0x5401, NULL), ENOTTY);
			break;
		}
	}
	finish(&e, 200);
}

/* The series meets a page that is there: EBUSY at that page, not before and not after. */
TEST(a_page_is_in_the_way)
{
	struct encl e;

	begin(&e);
	CHECK_EQ(add(&e, 100, false), 0);
	CHECK_EQ(add(&e, 37, true), 0);
	series(&e, 0, 37);
	CHECK_EQ(add(&e, 37, true), -EBUSY);
	series(&e, 38, 100);
	CHECK_EQ(add(&e, 100, true), -EBUSY);
	CHECK_EQ(add(&e, 100, true), -EBUSY);
	finish(&e, 101);
}

TEST(to_the_end_of_the_elrange)
{
	struct encl e;
	unsigned int last;

	begin(&e);
	last = (unsigned int)((e.size - heap(&e, 0)) / ENCL_PAGE);
	series(&e, last - 50, last);
	CHECK_EQ(add(&e, last, true), -EINVAL);
	CHECK_EQ(add(&e, last, true), -EINVAL);
	series(&e, 0, 8);
	finish(&e, 8);
}

/* The argument cannot be written: EFAULT, and the page is there, as copy_to_user() fails. */
TEST(count_cannot_be_stored)
{
	struct sgx_enclave_add_pages *a =
		mmap(NULL, ENCL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sgx_secinfo_arch info = {.flags = RW};
	struct encl e;

	CHECK((void *)a != MAP_FAILED);
	begin(&e);
	series(&e, 0, 40);
	*a = (struct sgx_enclave_add_pages){
		.src = (uint64_t)source(40),
		.offset = heap(&e, 40),
		.length = ENCL_PAGE,
		.secinfo = (uint64_t)&info,
		.flags = 0,
	};
	CHECK_SYS(mprotect(a, ENCL_PAGE, PROT_READ));
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, a), EFAULT);
	CHECK_EQ(add(&e, 40, true), -EBUSY);
	cpu_measure_eadd(&e.measure, heap(&e, 40), RW);
	series(&e, 41, 60);
	finish(&e, 60);
}

TEST(after_init)
{
	struct encl e;

	begin(&e);
	series(&e, 0, 50);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	CHECK_EQ(add(&e, 50, true), -EINVAL);
	CHECK_EQ(add(&e, 51, true), -EINVAL);
	encl_free(&e);
}

/* --- who looks sees all that was accepted --------------------------------------------- */

/* A page's permissions cap a mapping from the moment that its call has returned. */
TEST(mmap_sees_the_last_page)
{
	uint64_t count;
	struct encl e;

	begin(&e);
	for (unsigned int i = 0; i < 40; i++)
		CHECK_EQ(encl_add(&e, heap(&e, i), source(i), ENCL_PAGE, REG(1), 0, &count), 0);
	CHECK_EQ(encl_map(&e, heap(&e, 39), ENCL_PAGE, PROT_READ | PROT_WRITE), -EACCES);
	CHECK_EQ(encl_map(&e, heap(&e, 39), ENCL_PAGE, PROT_READ), 0);
	/* the next one is absent, and caps nothing */
	CHECK_EQ(encl_map(&e, heap(&e, 40), ENCL_PAGE, PROT_READ | PROT_WRITE), 0);
	encl_free(&e);
}

TEST(a_touch_sees_the_last_page)
{
	struct encl e;

	begin(&e);
	CHECK_EQ(encl_map(&e, heap(&e, 0), PAGES * ENCL_PAGE, PROT_READ | PROT_WRITE), 0);
	for (unsigned int i = 0; i < 100; i++) {
		CHECK_EQ(add(&e, i, true), 0);
		if (i % 7 == 3)
			CHECK_MEM((void *)(e.heap + i * ENCL_PAGE), source(i), ENCL_PAGE);
	}
	finish(&e, 100);
}

/* Another process goes on with the series, page by page in turns. */
TEST(two_processes_in_turns)
{
	int down[2], up[2];
	struct encl e;
	pid_t pid;
	char c;

	begin(&e);
	CHECK_SYS(pipe(down));
	CHECK_SYS(pipe(up));
	series(&e, 0, 20);
	pid = start();
	if (!pid) {
		for (unsigned int i = 20; i < 120; i += 10) {
			CHECK_EQ(read(down[0], &c, 1), 1);
			/* what the other has added by now is there, what it has not is not */
			CHECK_EQ(add(&e, i + 4, true), -EBUSY);
			series(&e, i + 5, i + 10);
			CHECK_EQ(write(up[1], "x", 1), 1);
		}
		_exit(0);
	}
	for (unsigned int i = 20; i < 120; i += 10) {
		series(&e, i, i + 5);
		CHECK_EQ(write(down[1], "x", 1), 1);
		CHECK_EQ(read(up[0], &c, 1), 1);
		CHECK_EQ(add(&e, i + 5, true), -EBUSY);
		CHECK_EQ(add(&e, i + 9, true), -EBUSY);
		/* for the prediction */
		for (unsigned int j = i + 5; j < i + 10; j++) {
			cpu_measure_eadd(&e.measure, heap(&e, j), RW);
			for (unsigned int k = 0; k < ENCL_PAGE; k += SGX_EEXTEND_SIZE)
				cpu_measure_eextend(&e.measure, heap(&e, j) + k, source(j) + k);
		}
	}
	expect_exit(pid, 0);
	for (int i = 0; i < 2; i++) {
		close(down[i]);
		close(up[i]);
	}
	finish(&e, 120);
}

/* A process that dies at once after its last call has added what it has added. */
TEST(killed_after_the_last_call)
{
	for (unsigned int n = 3; n < 60; n += 7) {
		struct encl e;
		pid_t pid;
		int status;

		begin(&e);
		pid = start();
		if (!pid) {
			series(&e, 0, n);
			kill(getpid(), SIGKILL);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		CHECK_EQ(add(&e, n - 1, true), -EBUSY);
		CHECK_EQ(add(&e, n, true), 0);
		encl_free(&e);
	}
}

/* Others' ioctls: an INIT of another process ends the series, with all of it inside. */
TEST(another_process_initializes)
{
	struct encl e;
	pid_t pid;

	begin(&e);
	series(&e, 0, 77);
	pid = start();
	if (!pid) {
		encl_sign(&e);
		CHECK_EQ(encl_init(&e), 0);
		_exit(0);
	}
	expect_exit(pid, 0);
	CHECK_EQ(add(&e, 77, true), -EINVAL);
	encl_free(&e);
}

/* --- threads --------------------------------------------------------------------------- */

static void *build_one(void *arg)
{
	struct encl *e = arg;

	for (unsigned int i = 0; i < 2 * PAGES; i++)
		if (add(e, i, true))
			return e;
	return NULL;
}

/* More enclaves at a time than a process has streams */
TEST(enclaves_side_by_side)
{
	struct encl e[4];
	pthread_t thread[4];
	void *failed;

	for (int i = 0; i < 4; i++)
		begin(&e[i]);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, build_one, &e[i]), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(pthread_join(thread[i], &failed), 0);
		CHECK(!failed);
	}
	for (int i = 0; i < 4; i++)
		finish(&e[i], 2 * PAGES);
}

static atomic_uint next_page, added;
static atomic_bool over;

/* Who gets EBUSY for the place tries again; for the page another has been faster. */
static void *add_any(void *arg)
{
	struct encl *e = arg;
	unsigned int i;

	while ((i = atomic_fetch_add(&next_page, 1)) < PAGES) {
		int ret;

		while ((ret = add_raw(e, (uint64_t)source(i), heap(e, i), ENCL_PAGE, RW)) == -EBUSY)
			sched_yield();
		if (ret)
			return e;
		atomic_fetch_add(&added, 1);
	}
	return NULL;
}

TEST(threads_on_one_descriptor)
{
	pthread_t thread[4];
	struct encl e;
	void *failed;

	begin(&e);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, add_any, &e), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(pthread_join(thread[i], &failed), 0);
		CHECK(!failed);
	}
	CHECK_EQ(atomic_load(&added), PAGES);
	for (unsigned int i = 0; i < PAGES; i++)
		CHECK_EQ(add(&e, i, true), -EBUSY);
	encl_free(&e);
}

static void *build_large(void *arg)
{
	struct encl *e = arg;
	uint64_t done = 0, count;
	int ret = 0;

	/* the heap again and again: there is no other end than the ELRANGE's */
	while (!ret && done < 3 * PAGES) {
		ret = encl_add(e, heap(e, (unsigned int)done), pages, PAGES * ENCL_PAGE, RW,
			       SGX_PAGE_MEASURE, &count);
		done += count / ENCL_PAGE;
		/* the other thread's was first */
		if (ret == -EBUSY)
			ret = 0;
	}
	atomic_store(&over, true);
	return ret ? e : NULL;
}

/* One ioctl at a time on an enclave, and the second is told at once. */
TEST(a_second_ioctl_is_ebusy)
{
	unsigned int busy = 0, others = 0;
	pthread_t thread;
	struct encl e;
	void *failed;

	for (int round = 0; round < 50 && !busy; round++) {
		begin(&e);
		atomic_store(&over, false);
		CHECK_EQ(pthread_create(&thread, NULL, build_large, &e), 0);
		while (!atomic_load(&over)) {
			int ret = ioctl(e.fd, _IO(SGX_MAGIC, 0x7f), NULL) ? -errno : 0;

			if (ret == -EBUSY)
				busy++;
			else if (ret != -ENOTTY)
				others++;
		}
		CHECK_EQ(pthread_join(thread, &failed), 0);
		CHECK(!failed);
		encl_free(&e);
	}
	CHECK(busy);
	CHECK_EQ(others, 0);
}

/* A small enclave is built while a large one is, page by page or in one call. */
TEST(a_small_one_beside_a_large_one)
{
	struct encl large, small;
	unsigned int built = 0;
	pthread_t thread;
	void *failed;

	for (int round = 0; round < 50 && !built; round++) {
		begin(&large);
		atomic_store(&over, false);
		CHECK_EQ(pthread_create(&thread, NULL, build_large, &large), 0);
		for (;;) {
			encl_build(&small, &(struct encl_opts){0});
			encl_free(&small);
			if (atomic_load(&over))
				break;
			built++;
		}
		CHECK_EQ(pthread_join(thread, &failed), 0);
		CHECK(!failed);
		encl_free(&large);
	}
	CHECK(built);
}
