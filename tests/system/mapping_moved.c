/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mremap() of enclave memory: to the same size, a smaller one, another place.
 *
 * The driver finds a page by the address of the access.  What has moved out of the
 * ELRANGE has no pages, what has moved inside has those of its new address.
 */
#include "encl.h"

#include <harness/harness.h>
#include <linux/mman.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	ENCL_PAGE
#define PROT_RW (PROT_READ | PROT_WRITE)
#define HEAP	(1ull << 21) /* twice the EPC that this machine has */

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static struct encl e;

static void build(uint64_t heap)
{
	encl_build(&e, &(struct encl_opts){.heap = heap});
	for (uint64_t at = 0; at < heap; at += PAGE)
		encl_write8(&e, 0, e.heap + at, at + 1);
}

/* 0, or -errno; where it succeeds it is at the place that it must be */
static int move(uint64_t from, uint64_t old_size, uint64_t size, int flags, uint64_t to)
{
	uint64_t want = flags & MREMAP_FIXED ? to : from;
	long ret = syscall(SYS_mremap, from, old_size, size, flags, to);

	if (ret == -1)
		return -errno;
	CHECK_EQ(ret, want);
	return 0;
}

#define FIXED (MREMAP_MAYMOVE | MREMAP_FIXED)

/* Memory that is there, for a move over it */
static uint64_t room(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return (uint64_t)p;
}

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

/* By code outside.  Return: the signal, or 0 */
static int touch(uint64_t addr)
{
	struct sigaction action = {.sa_handler = on_fault};
	int sig;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sig = sigsetjmp(back, 1);
	if (!sig)
		(void)*(const volatile uint8_t *)addr;
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return sig;
}

/* A read inside is a #PF of the page tables' own. */
static void faults_inside(uint64_t addr)
{
	struct encl_op o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_READ8, addr, 0, 0, 0);

	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_error_code & SGX_PF_SGX, 0);
}

static void check_heap(uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at += PAGE)
		CHECK_EQ(encl_read8(&e, 0, e.heap + at), at + 1);
}

TEST(same_size)
{
	build(16 * PAGE);
	CHECK_EQ(move(e.heap, 16 * PAGE, 16 * PAGE, 0, 0), 0);
	CHECK_EQ(move(e.heap, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE, 0), 0);
	CHECK_EQ(move(e.heap + PAGE, 100, 200, 0, 0), 0);
	/* a size is no size of a VMA, unless it moves or grows */
	CHECK_EQ(move(e.base, e.size + 16 * PAGE, e.size + 16 * PAGE, 0, 0), 0);
	check_heap(0, 16 * PAGE);
	encl_free(&e);
}

TEST(smaller)
{
	build(16 * PAGE);
	CHECK_EQ(move(e.heap + 8 * PAGE, 8 * PAGE, 4 * PAGE, 0, 0), 0);
	check_heap(0, 12 * PAGE);
	CHECK_EQ(touch(e.heap + 12 * PAGE), SIGSEGV);
	faults_inside(e.heap + 12 * PAGE);
	CHECK_EQ(encl_map(&e, e.heap - e.base + 12 * PAGE, 4 * PAGE, PROT_RW), 0);
	CHECK_EQ(encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0).run.function, SGX_EEXIT);
	check_heap(0, 16 * PAGE);
	/* beyond the VMA: what there is of it goes */
	CHECK_EQ(move(e.heap + 8 * PAGE, e.base + e.size - e.heap - 8 * PAGE, 4 * PAGE,
		      MREMAP_MAYMOVE, 0),
		 0);
	CHECK_EQ(touch(e.heap + 15 * PAGE), SIGSEGV);
	check_heap(0, 12 * PAGE);
	encl_free(&e);
}

TEST(ordinary_memory_shrinks_over_an_enclave)
{
	uint64_t below;

	build(16 * PAGE);
	below = e.base - PAGE;
	CHECK(mmap((void *)below, PAGE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	      MAP_FAILED);
	CHECK_EQ(move(below, PAGE + e.size, PAGE, 0, 0), 0);
	CHECK_EQ(touch(e.heap), SIGSEGV);
	encl_map_all(&e);
	check_heap(0, 16 * PAGE);
	CHECK_SYS(munmap((void *)below, PAGE));
	encl_free(&e);
}

TEST(larger_is_refused)
{
	uint64_t to, last, rest;

	build(16 * PAGE);
	to = room(64 * PAGE) + 16 * PAGE;
	rest = e.base + e.size - e.heap;
	for (uint64_t at = e.heap; at <= e.heap + 8 * PAGE; at += 8 * PAGE) {
		CHECK_EQ(move(at, PAGE, 2 * PAGE, 0, 0), -EFAULT);
		CHECK_EQ(move(at, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
		CHECK_EQ(move(at, 8 * PAGE, 9 * PAGE, FIXED, to), -EFAULT);
		CHECK_EQ(move(at, 0, PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
		CHECK_EQ(move(at, 0, PAGE, FIXED, to), -EFAULT);
		CHECK_EQ(move(at, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0),
			 -EINVAL);
		CHECK_EQ(move(at, 8 * PAGE, 8 * PAGE, FIXED | MREMAP_DONTUNMAP, to), -EINVAL);
	}
	/* over the edge of a VMA, and of the ELRANGE */
	CHECK_EQ(move(e.heap, rest, rest, FIXED, to), -EFAULT);
	CHECK_EQ(move(e.heap, rest, PAGE, FIXED, to), -EFAULT);
	last = e.base + e.size - PAGE;
	CHECK_EQ(encl_map(&e, e.size - PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(move(last, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
	CHECK_EQ(move(last, 2 * PAGE, 2 * PAGE, FIXED, to), -EFAULT);
	/* a new place that is none, or that overlaps the old one */
	CHECK_EQ(move(e.heap, PAGE, PAGE, FIXED, to + 1), -EINVAL);
	CHECK_EQ(move(e.heap, PAGE, PAGE, FIXED, 1ull << 47), -EINVAL);
	CHECK_EQ(move(e.heap, 4 * PAGE, 4 * PAGE, FIXED, e.heap + 3 * PAGE), -EINVAL);
	/* nothing of all that did anything */
	check_heap(0, 16 * PAGE);
	memset((void *)to, 1, 16 * PAGE);
	CHECK_SYS(munmap((void *)(to - 16 * PAGE), 64 * PAGE));
	encl_free(&e);
}

TEST(moved_out_and_back)
{
	uint64_t to;

	build(HEAP);
	to = room(HEAP);
	memset((void *)to, 9, PAGE);
	CHECK_EQ(move(e.heap, HEAP, HEAP, FIXED, to), 0);
	CHECK_EQ(touch(e.heap), SIGSEGV);
	faults_inside(e.heap + 5 * PAGE);
	/* pages that were there and pages that were not */
	for (uint64_t at = 0; at < HEAP; at += 37 * PAGE)
		CHECK_EQ(touch(to + at), SIGBUS);
	CHECK_EQ(touch(to + HEAP - PAGE), SIGBUS);
	/* it is an enclave's VMA still */
	CHECK_ERRNO(madvise((void *)to, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(mprotect((void *)to, PAGE, PROT_READ), EACCES);
	CHECK_EQ(move(to, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
	CHECK_EQ(move(to, HEAP, HEAP, FIXED, e.heap), 0);
	CHECK_EQ(touch(to), SIGSEGV);
	CHECK_EQ(encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0).run.function, SGX_EEXIT);
	check_heap(0, HEAP);
	encl_free(&e);
}

TEST(moved_inside)
{
	build(16 * PAGE);
	/* smaller as well: the rest of the old one goes */
	CHECK_EQ(move(e.heap, 6 * PAGE, 4 * PAGE, FIXED, e.heap + 8 * PAGE), 0);
	for (uint64_t at = 0; at < 6 * PAGE; at += PAGE)
		CHECK_EQ(touch(e.heap + at), SIGSEGV);
	check_heap(6 * PAGE, 16 * PAGE);
	encl_write8(&e, 0, e.heap + 9 * PAGE, 77);
	CHECK_EQ(encl_map(&e, e.heap - e.base, 6 * PAGE, PROT_RW), 0);
	check_heap(0, 9 * PAGE);
	CHECK_EQ(encl_read8(&e, 0, e.heap + 9 * PAGE), 77);
	encl_free(&e);
}

/* What the VMA allows comes along, and the driver is not asked: a fault is. */
TEST(moved_over_pages_that_allow_less)
{
	build(16 * PAGE);
	CHECK_EQ(move(e.heap, PAGE, PAGE, FIXED, e.base + ENCL_RO), 0);
	CHECK_EQ(touch(e.base + ENCL_RO), SIGBUS);
	CHECK_SYS(mprotect((void *)(e.base + ENCL_RO), PAGE, PROT_READ));
	encl_read8(&e, 0, e.base + ENCL_RO);
	/* where no page was added */
	CHECK_EQ(move(e.heap + PAGE, PAGE, PAGE, FIXED, e.base + ENCL_HOLE), 0);
	CHECK_EQ(touch(e.base + ENCL_HOLE), SIGBUS);
	CHECK_EQ(lseek(e.fd, ENCL_HOLE, SEEK_DATA) == (off_t)ENCL_HOLE, 0);
	encl_free(&e);
}

TEST(moved_over_the_edge)
{
	uint64_t to;

	build(16 * PAGE);
	to = e.base - 2 * PAGE;
	CHECK(mmap((void *)to, 2 * PAGE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	      MAP_FAILED);
	CHECK_SYS(mprotect((void *)e.heap, 8 * PAGE, PROT_READ));
	CHECK_EQ(move(e.heap, 4 * PAGE, 4 * PAGE, FIXED, to), 0);
	CHECK_EQ(touch(to), SIGBUS);
	CHECK_EQ(touch(to + PAGE), SIGBUS);
	CHECK_EQ(touch(e.base), 0); /* R of its R and X */
	CHECK_SYS(munmap((void *)to, 2 * PAGE));
	encl_map_all(&e);
	check_heap(0, 16 * PAGE);
	encl_free(&e);
}

/* r-x, as all others; what moves is the code that runs */
TEST(code_moves_and_comes_back)
{
	uint64_t to;

	build(0);
	to = room(ENCL_CODE_SIZE);
	CHECK_EQ(move(e.base + ENCL_CODE, ENCL_CODE_SIZE, ENCL_CODE_SIZE, FIXED, to), 0);
	CHECK_EQ(touch(to), SIGBUS);
	CHECK_EQ(move(to, ENCL_CODE_SIZE, ENCL_CODE_SIZE, FIXED, e.base + ENCL_CODE), 0);
	encl_write8(&e, 0, e.base + ENCL_DATA, 3);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 3);
	encl_free(&e);
}

TEST(ordinary_memory_moves_over_it)
{
	uint64_t from;

	build(16 * PAGE);
	from = room(4 * PAGE);
	memset((void *)from, 5, 4 * PAGE);
	CHECK_EQ(move(from, 4 * PAGE, 4 * PAGE, FIXED, e.heap), 0);
	CHECK_EQ(*(uint8_t *)e.heap, 5);
	check_heap(4 * PAGE, 16 * PAGE);
	/* it may do what ordinary memory may, whatever page of the enclave is there */
	CHECK_SYS(madvise((void *)e.heap, PAGE, MADV_DONTNEED));
	CHECK_EQ(*(uint8_t *)e.heap, 0);
	CHECK_EQ(encl_map(&e, e.heap - e.base, 4 * PAGE, PROT_RW), 0);
	check_heap(0, 16 * PAGE);
	/* one that the kernel refuses leaves it mapped */
	CHECK_EQ(move(e.base - PAGE, PAGE, PAGE, FIXED, e.heap), -EFAULT);
	check_heap(0, 16 * PAGE);
	encl_free(&e);
}

TEST(one_enclave_over_another)
{
	struct encl other;

	build(16 * PAGE);
	encl_build(&other, &(struct encl_opts){.heap = 16 * PAGE});
	encl_write8(&other, 0, other.heap, 21);
	CHECK_EQ(move(other.heap, PAGE, PAGE, FIXED, e.heap), 0);
	CHECK_EQ(touch(e.heap), SIGBUS);
	check_heap(PAGE, 16 * PAGE);
	CHECK_EQ(encl_map(&e, e.heap - e.base, PAGE, PROT_RW), 0);
	check_heap(0, 16 * PAGE);
	CHECK_EQ(encl_map(&other, other.heap - other.base, PAGE, PROT_RW), 0);
	CHECK_EQ(encl_read8(&other, 0, other.heap), 21);
	encl_free(&other);
	check_heap(0, 16 * PAGE);
	encl_free(&e);
}

TEST(fork_children_have_it_where_it_is)
{
	uint64_t to;
	int status;
	pid_t pid;

	build(16 * PAGE);
	to = room(4 * PAGE);
	CHECK_EQ(move(e.heap, 4 * PAGE, 4 * PAGE, FIXED, to), 0);
	CHECK_EQ(move(e.heap + 4 * PAGE, PAGE, PAGE, FIXED, e.heap + 6 * PAGE), 0);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(touch(to), SIGBUS);
		CHECK_EQ(touch(to + PAGE), SIGBUS);
		CHECK_EQ(touch(e.heap), SIGSEGV);
		check_heap(5 * PAGE, 16 * PAGE);
		CHECK_EQ(move(to, 4 * PAGE, 4 * PAGE, FIXED, e.heap), 0);
		check_heap(0, 4 * PAGE);
		_exit(0);
	}
	CHECK_SYS(pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(touch(to), SIGBUS);
	check_heap(5 * PAGE, 16 * PAGE);
	encl_free(&e);
}

TEST(sealed_does_not_move)
{
	uint64_t to;

	build(16 * PAGE);
	to = room(PAGE);
	if (syscall(462 /* mseal */, e.heap, PAGE, 0) && errno == ENOSYS)
		SKIP("no mseal");
	CHECK_EQ(move(e.heap, PAGE, PAGE, FIXED, to), -EPERM);
	CHECK_EQ(move(e.heap, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0), -EPERM);
	check_heap(0, 16 * PAGE);
	*(volatile uint8_t *)to = 1;
	close(e.fd);
}

/* All of it has left, and goes where it is: the ELRANGE's addresses are anybody's. */
TEST(unmapped_where_it_has_moved)
{
	uint8_t *p;
	uint64_t to;

	build(0);
	to = room(e.size);
	CHECK(mmap((void *)e.base, e.size, PROT_NONE, MAP_SHARED | MAP_FIXED, e.fd, 0) ==
	      (void *)e.base);
	CHECK_EQ(move(e.base, e.size, e.size, FIXED, to), 0);
	CHECK_SYS(munmap((void *)to, e.size));
	close(e.fd);
	p = mmap((void *)e.base, e.size, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		 -1, 0);
	CHECK_EQ((uint64_t)p, e.base);
	p[5] = 1;
	CHECK_SYS(madvise(p, e.size, MADV_DONTNEED));
	CHECK_EQ(p[5], 0);
	CHECK_SYS(munmap(p, e.size));
}
