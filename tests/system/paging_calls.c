/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls on the mappings of an enclave whose pages come and go: none of them
 * makes a page, and none makes one zeros.  And a debugger's eyes on it.
 */
#include "paging.h"
#include "debugger.h"

#include <fcntl.h>
#include <linux/mman.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PROT_RW (PROT_READ | PROT_WRITE)

static void build(struct encl *e)
{
	encl_build(e, &(struct encl_opts){PAGING_OPTS});
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		write_pattern(e, 0, i, 1);
}

static void check_all(struct encl *e)
{
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		check_outside(e, i, 1);
	for (uint64_t i = 0; i < HEAP_PAGES; i += 11)
		check_inside(e, 0, i, 1);
}

/* Page of the heap */
static void *at(struct encl *e, uint64_t i)
{
	return (void *)heap_page(e, i);
}

TEST_TIMEOUT(every_advice, 120)
{
	struct pager pager;
	struct encl e;

	build(&e);
	pager_start(&pager, &e);
	for (int advice = 0; advice <= 40; advice++) {
		/* refused or taken, it does nothing to the content */
		(void)madvise(at(&e, 0), HEAP_PAGES * ENCL_PAGE, advice);
		(void)madvise(at(&e, (uint64_t)advice * 3), 5 * ENCL_PAGE, advice);
		(void)madvise((void *)e.base, e.size, advice);
		pager_wait(&pager, 50);
	}
	for (int advice = 100; advice <= 103; advice++)
		(void)madvise(at(&e, 10), 20 * ENCL_PAGE, advice);
	pager_stop(&pager);
	check_all(&e);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* The same on ranges that lie over the enclave's borders */
TEST_TIMEOUT(advice_across_the_border, 120)
{
	uint64_t before;
	struct encl e;

	build(&e);
	before = e.base - ENCL_PAGE;
	if (mmap((void *)before, ENCL_PAGE, PROT_RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)before)
		SKIP("something lies below the ELRANGE");
	for (int advice = 0; advice <= 40; advice++)
		(void)madvise((void *)before, ENCL_PAGE + e.size / 2, advice);
	check_all(&e);
	encl_free(&e);
	munmap((void *)before, ENCL_PAGE);
}

/* Larger is refused; away and back is as if nothing had been. */
TEST_TIMEOUT(moving, 120)
{
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct pager pager;
	struct encl e;
	void *to;

	build(&e);
	to = mmap(NULL, 64 * ENCL_PAGE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(to != MAP_FAILED);
	pager_start(&pager, &e);
	for (uint64_t i = 0; i + 64 < HEAP_PAGES; i += 64) {
		CHECK_ERRNO((long)mremap(at(&e, i), 32 * ENCL_PAGE, 64 * ENCL_PAGE, MREMAP_MAYMOVE),
			    EFAULT);
		CHECK_ERRNO((long)mremap(at(&e, i), 0, 16 * ENCL_PAGE, MREMAP_MAYMOVE), EFAULT);
		pager_wait(&pager, 20);
	}
	pager_stop(&pager);
	/* pages that are in, parked and out */
	for (uint64_t i = 0; i + 16 <= HEAP_PAGES; i += 16) {
		CHECK(mremap(at(&e, i), 16 * ENCL_PAGE, 16 * ENCL_PAGE, fixed, to) == to);
		CHECK(mremap(to, 16 * ENCL_PAGE, 16 * ENCL_PAGE, fixed, at(&e, i)) == at(&e, i));
	}
	check_all(&e);
	CHECK_SYS(munmap((uint8_t *)to + 16 * ENCL_PAGE, 48 * ENCL_PAGE));
	encl_free(&e);
}

/* The calls themselves: ASan's mlock() does nothing. */
static int lock_pages(const void *addr, size_t size)
{
	return (int)syscall(SYS_mlock, addr, size);
}

TEST_TIMEOUT(locking, 120)
{
	struct pager pager;
	struct encl e;

	build(&e);
	pager_start(&pager, &e);
	for (uint64_t i = 0; i + 40 < HEAP_PAGES; i += 40) {
		CHECK_SYS(lock_pages(at(&e, i), 40 * ENCL_PAGE));
		pager_wait(&pager, 20);
		CHECK_SYS(syscall(SYS_munlock, at(&e, i), 20 * ENCL_PAGE));
	}
	CHECK_SYS(lock_pages(at(&e, 0), HEAP_PAGES * ENCL_PAGE));
	/* which has gaps */
	CHECK_ERRNO(lock_pages((void *)e.base, e.size), ENOMEM);
	pager_wait(&pager, 500);
	pager_stop(&pager);
	/* that many are not in: nobody locks pages into the EPC */
	CHECK(pages_in(&e) < EPC_PAGES);
	check_all(&e);
	encl_free(&e);
}

/*
 * Under ASan it does nothing, which is as well: the shadow would be locked.  Return: false
 * where this user may not.
 */
static bool lock_all(int flags)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	if (!mlockall(flags))
		return true;
	if (errno != EPERM && errno != ENOMEM)
		FAIL("mlockall(%d): %s", flags, strerror(errno));
	return false;
}

static void all_locked(int flags)
{
	struct encl e, later;
	bool locked;

	build(&e);
	locked = lock_all(flags);
	check_all(&e);
	/* one that is built and mapped under it */
	build(&later);
	check_all(&later);
	CHECK(pages_in(&e) + pages_in(&later) < EPC_PAGES);
	if (locked)
		CHECK_SYS(mlockall(MCL_CURRENT | MCL_ONFAULT));
	check_all(&e);
	check_all(&later);
	CHECK_SYS(munlockall());
	encl_free(&e);
	encl_free(&later);
	if (!locked)
		printf("# NOTE mlockall(%d) is not for this user: all else was as it should be\n",
		       flags);
}

TEST_TIMEOUT(everything_locked, 120)
{
	all_locked(MCL_CURRENT | MCL_FUTURE);
}

TEST_TIMEOUT(everything_locked_on_fault, 120)
{
	all_locked(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

/* Parts go and come back, while others of the process bring pages in. */
TEST_TIMEOUT(unmapped_while_out, 120)
{
	struct encl e;

	build(&e);
	for (uint64_t i = 0; i + 16 <= HEAP_PAGES; i += 16) {
		uint64_t offset = heap_page(&e, i) - e.base;

		CHECK_SYS(munmap(at(&e, i), 16 * ENCL_PAGE));
		/* as it comes: populated, by page, with another thing in between */
		switch (i / 16 % 3) {
		case 0:
			CHECK(mmap(at(&e, i), 16 * ENCL_PAGE, PROT_RW,
				   MAP_SHARED | MAP_FIXED | MAP_POPULATE, e.fd, 0) == at(&e, i));
			break;
		case 1:
			for (uint64_t k = 0; k < 16; k++)
				CHECK_EQ(encl_map(&e, offset + k * ENCL_PAGE, ENCL_PAGE, PROT_RW),
					 0);
			break;
		default:
			CHECK(mmap(at(&e, i), 16 * ENCL_PAGE, PROT_RW,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1,
				   0) == at(&e, i));
			CHECK_EQ(encl_map(&e, offset, 16 * ENCL_PAGE, PROT_RW), 0);
			break;
		}
	}
	check_all(&e);
	/* all at once, and the same from a second mapping call that populates */
	CHECK_SYS(munmap(at(&e, 0), HEAP_PAGES * ENCL_PAGE));
	CHECK(mmap(at(&e, 0), HEAP_PAGES * ENCL_PAGE, PROT_RW,
		   MAP_SHARED | MAP_FIXED | MAP_POPULATE, e.fd, 0) == at(&e, 0));
	CHECK(pages_in(&e) < EPC_PAGES);
	check_all(&e);
	encl_free(&e);
}

TEST_TIMEOUT(protections_change_while_out, 120)
{
	struct pager pager;
	struct encl e;

	build(&e);
	pager_start(&pager, &e);
	for (uint64_t i = 0; i + 8 <= HEAP_PAGES; i += 8) {
		CHECK_SYS(mprotect(at(&e, i), 8 * ENCL_PAGE, PROT_READ));
		check_outside(&e, i + 3, 1);
		pager_wait(&pager, 5);
		CHECK_SYS(mprotect(at(&e, i), 8 * ENCL_PAGE, PROT_RW));
		write_pattern(&e, 0, i + 3, 1);
	}
	pager_stop(&pager);
	check_all(&e);
	/* out of reach altogether, while everything else goes through the EPC */
	for (uint64_t i = 0; i + 320 <= HEAP_PAGES; i += 320) {
		CHECK_SYS(mprotect(at(&e, i), 320 * ENCL_PAGE, PROT_NONE));
		for (uint64_t k = 0; k < HEAP_PAGES; k++)
			if (k < i || k >= i + 320)
				(void)touch(heap_page(&e, k));
		CHECK_SYS(mprotect(at(&e, i), 320 * ENCL_PAGE, PROT_READ));
		for (uint64_t k = i; k < i + 320; k++)
			check_outside(&e, k, 1);
		CHECK_SYS(mprotect(at(&e, i), 320 * ENCL_PAGE, PROT_RW));
	}
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		write_pattern(&e, 0, i, 2);
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		check_outside(&e, i, 2);
	encl_free(&e);
}

#define SHMEM_HUGE "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static char shmem_was[16];

static bool set_shmem(const char *value)
{
	int fd = open(SHMEM_HUGE, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static void restore_shmem(void)
{
	(void)set_shmem(shmem_was);
}

static bool huge_shmem(void)
{
	FILE *f = fopen(SHMEM_HUGE, "re");
	char word[16];
	bool found = false;

	while (f && !found && fscanf(f, "%15s", word) == 1)
		if (word[0] == '[') {
			word[strcspn(word, "]")] = 0;
			snprintf(shmem_was, sizeof(shmem_was), "%s", word + 1);
			found = true;
		}
	if (f)
		fclose(f);
	return found && set_shmem("always");
}

/* A huge page in the file would have 511 pages of zeros that nobody asked for. */
TEST_TIMEOUT(huge_pages, 120)
{
	struct encl e;

	if (huge_shmem())
		CHECK_EQ(atexit(restore_shmem), 0);
	else
		fprintf(stderr,
			"# NOTE %s cannot be set to \"always\": huge pages of shmem are "
			"not what this tests now\n",
			SHMEM_HUGE);
	build(&e);
	CHECK(pages_in(&e) < EPC_PAGES);
	check_all(&e);
	(void)madvise(at(&e, 0), HEAP_PAGES * ENCL_PAGE, MADV_HUGEPAGE);
	(void)madvise(at(&e, 0), HEAP_PAGES * ENCL_PAGE, MADV_COLLAPSE);
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		write_pattern(&e, 0, i, 1);
	check_all(&e);
	CHECK(pages_in(&e) < EPC_PAGES);
	encl_free(&e);
	restore_shmem();
}

/* EDBGRD and EDBGWR of what is out */
TEST_TIMEOUT(debugger, 120)
{
	struct pager pager;
	uint64_t word, want;
	struct encl e;

	build(&e);
	pager_start(&pager, &e);
	for (uint64_t i = 0; i < HEAP_PAGES; i += 5) {
		uint8_t page[4096];

		pattern(page, i, 1);
		memcpy(&want, page + 8 * (i % 512), 8);
		CHECK_EQ(debug_access(heap_page(&e, i) + 8 * (i % 512), &word, false), 0);
		CHECK_EQ(word, want);
		want = ~want;
		CHECK_EQ(debug_access(heap_page(&e, i) + 8 * (i % 512), &want, true), 0);
	}
	pager_stop(&pager);
	for (uint64_t i = 0; i < HEAP_PAGES; i++) {
		uint8_t page[4096];

		pattern(page, i, 1);
		memcpy(&want, page + 8 * (i % 512), 8);
		CHECK_EQ(encl_read8(&e, 0, heap_page(&e, i) + 8 * (i % 512)), i % 5 ? want : ~want);
	}
	/* a TCS that is out shows its fields */
	squeeze(&e);
	CHECK_EQ(debug_access(encl_tcs(&e, 0) + offsetof(struct sgx_tcs, ossa), &word, false), 0);
	CHECK_EQ(word, encl_ssa(&e, 0, 0) - e.base);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}
