/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls on ranges that are an enclave's in part: over an edge of the ELRANGE, over
 * ordinary memory and gaps inside it; on mappings made before CREATE, and outside.
 * Linux goes from VMA to VMA, and what it has done before a refusal stays.
 */
#include "encl.h"

#include <harness/harness.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	ENCL_PAGE
#define PROT_RW (PROT_READ | PROT_WRITE)

static struct encl e;
static uint8_t *below; /* ordinary memory, up to the ELRANGE */

static void *at(uint64_t offset)
{
	return (void *)(e.base + offset);
}

static void ordinary_at(void *p, uint64_t size, int prot)
{
	CHECK(mmap(p, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
}

static void build(void)
{
	encl_build(&e, &(struct encl_opts){0});
	below = at(-2 * PAGE);
	ordinary_at(below, 2 * PAGE, PROT_RW);
}

/* Of the first mapping that ends above an address: "rw-p" and the like */
static void perms_of(const void *p, char *ret)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end;

	CHECK(f);
	while (fscanf(f, "%lx-%lx %4s%*[^\n]", &start, &end, ret) == 3)
		if ((uint64_t)p < end)
			break;
	fclose(f);
}

#define CHECK_PERMS(p, want)            \
	do {                            \
		char perms[8] = "";     \
		perms_of(p, perms);     \
		CHECK_STR(perms, want); \
	} while (0)

TEST(mprotect_stops_at_the_page_that_refuses)
{
	build();
	/* ordinary memory, then code, which cannot be written */
	CHECK_ERRNO(mprotect(below, 3 * PAGE, PROT_RW), EACCES);
	CHECK_SYS(mprotect(below, 2 * PAGE, PROT_READ));
	CHECK_ERRNO(mprotect(below, 3 * PAGE, PROT_RW), EACCES);
	CHECK_PERMS(below, "rw-p");
	CHECK_PERMS(at(0), "r-xs");
	/* a VMA that allows it, then one that does not: data, and what can only be read */
	CHECK_SYS(mprotect(at(ENCL_DATA), ENCL_DATA_SIZE, PROT_READ));
	CHECK_ERRNO(mprotect(at(ENCL_DATA + ENCL_DATA_SIZE - PAGE), ENCL_RO - ENCL_DATA, PROT_RW),
		    EACCES);
	CHECK_PERMS(at(ENCL_RO), "r--s");
	encl_read8(&e, 0, e.base + ENCL_RO);
	CHECK_SYS(mprotect(at(ENCL_DATA), ENCL_DATA_SIZE, PROT_RW));
	encl_write8(&e, 0, e.base + ENCL_DATA, 5);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 5);
	encl_free(&e);
}

/* Page after page, so that the last may still be on its way to the daemon */
TEST(mprotect_sees_the_page_that_was_just_added)
{
	static const uint8_t zeros[PAGE] __attribute__((aligned(4096)));
	const uint64_t readable = (uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT | PROT_READ;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), 0);
	CHECK_EQ(encl_map(&e, 0, e.size, PROT_READ), 0);
	for (uint64_t offset = 0; offset < 8 * PAGE; offset += PAGE) {
		CHECK_SYS(mprotect(at(offset), PAGE, PROT_RW));
		CHECK_SYS(mprotect(at(offset), PAGE, PROT_READ));
	}
	for (uint64_t offset = 0; offset < 8 * PAGE; offset += PAGE)
		CHECK_EQ(encl_add(&e, offset, zeros, PAGE, readable, 0, NULL), 0);
	CHECK_ERRNO(mprotect(at(7 * PAGE), PAGE, PROT_RW), EACCES);
	encl_free(&e);
}

TEST(mprotect_stops_at_a_gap)
{
	build();
	/* a gap comes first: whatever the page behind it says */
	CHECK_SYS(munmap(at(-PAGE), PAGE));
	CHECK_ERRNO(mprotect(at(-PAGE), 2 * PAGE, PROT_RW), ENOMEM);
	CHECK_ERRNO(mprotect(below, 3 * PAGE, PROT_RW), ENOMEM);
	/* a gap behind: what comes before it is changed, and faults know */
	CHECK_SYS(munmap(at(ENCL_DATA + PAGE), PAGE));
	CHECK_ERRNO(mprotect(at(ENCL_DATA), 2 * PAGE, PROT_READ), ENOMEM);
	CHECK_PERMS(at(ENCL_DATA), "r--s");
	CHECK_ERRNO(mprotect(at(ENCL_DATA), 2 * PAGE, PROT_RW), ENOMEM);
	CHECK_PERMS(at(ENCL_DATA), "rw-s");
	encl_write8(&e, 0, e.base + ENCL_DATA, 6);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 6);
	CHECK_EQ(encl_map(&e, ENCL_DATA + PAGE, PAGE, PROT_RW), 0);
	encl_write8(&e, 0, e.base + ENCL_DATA + PAGE, 7);
	encl_free(&e);
}

/* Ordinary memory inside the ELRANGE is no enclave's: its pages there do not count. */
TEST(ordinary_memory_inside)
{
	build();
	ordinary_at(at(ENCL_RO), PAGE, PROT_READ);
	CHECK_SYS(mprotect(at(ENCL_RO), PAGE, PROT_RW));
	*(volatile uint8_t *)at(ENCL_RO) = 1;
	CHECK_SYS(madvise(at(ENCL_RO), PAGE, MADV_DONTNEED));
	CHECK_EQ(*(volatile uint8_t *)at(ENCL_RO), 0);
	CHECK(mremap(at(ENCL_RO), PAGE, PAGE, MREMAP_MAYMOVE) == at(ENCL_RO));
	CHECK_EQ(encl_map(&e, ENCL_RO, PAGE, PROT_READ), 0);
	encl_read8(&e, 0, e.base + ENCL_RO);
	encl_free(&e);
}

TEST(madvise_goes_from_mapping_to_mapping)
{
	build();
	encl_write8(&e, 0, e.base + ENCL_DATA, 8);
	memset(below, 3, 2 * PAGE);
	/* the part before the refusal is done */
	CHECK_ERRNO(madvise(below, 3 * PAGE, MADV_DONTNEED), EINVAL);
	CHECK_EQ(below[0], 0);
	CHECK_SYS(madvise(below, 3 * PAGE, MADV_DONTDUMP));
	CHECK_SYS(madvise(at(ENCL_DATA), PAGE, MADV_WILLNEED));
	CHECK_SYS(madvise(at(ENCL_DATA), PAGE, MADV_HUGEPAGE));
	CHECK_SYS(madvise(at(ENCL_DATA), PAGE, MADV_NOHUGEPAGE));
	CHECK_ERRNO(madvise(at(ENCL_DATA), PAGE, MADV_COLD), EINVAL);
	CHECK_ERRNO(madvise(at(ENCL_DATA), PAGE, MADV_PAGEOUT), EINVAL);
	CHECK_ERRNO(madvise(at(ENCL_DATA), PAGE, 22 /* MADV_POPULATE_READ */), EINVAL);
	CHECK_ERRNO(madvise(at(ENCL_DATA), PAGE, 23 /* MADV_POPULATE_WRITE */), EINVAL);
	CHECK_ERRNO(madvise(at(ENCL_DATA), PAGE, 25 /* MADV_COLLAPSE */), EINVAL);
	CHECK_ERRNO(madvise(at(ENCL_DATA), PAGE, 102 /* MADV_GUARD_INSTALL */), EINVAL);
	CHECK_ERRNO(madvise(at(ENCL_DATA), PAGE, MADV_WIPEONFORK), EINVAL);
	/* a gap is passed over, and told of at the end */
	CHECK_SYS(munmap(at(-PAGE), PAGE));
	CHECK_ERRNO(madvise(below, 3 * PAGE, MADV_NORMAL), ENOMEM);
	CHECK_ERRNO(madvise(below, 3 * PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(madvise(at(ENCL_RO + PAGE), ENCL_NOX - ENCL_RO + PAGE, MADV_DONTNEED), EINVAL);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 8);
	encl_free(&e);
}

/* Shared memory is not merged: 0, where the kernel has the advice at all */
TEST(merging_is_as_of_shared_memory)
{
	const int advice[] = {MADV_MERGEABLE, MADV_UNMERGEABLE};
	void *p;

	build();
	p = mmap(NULL, PAGE, PROT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		int want = madvise(p, PAGE, advice[i]) ? errno : 0;

		CHECK_EQ(madvise(at(ENCL_DATA), PAGE, advice[i]) ? errno : 0, want);
	}
	encl_free(&e);
}

static long lock(const void *p, uint64_t size)
{
	return syscall(SYS_mlock, p, size) ? -errno : 0;
}

TEST(mlock_looks_for_gaps)
{
	struct rlimit limit;

	CHECK_SYS(getrlimit(RLIMIT_MEMLOCK, &limit));
	build();
	CHECK_EQ(lock(at(ENCL_DATA), ENCL_DATA_SIZE), 0);
	CHECK_SYS(munmap(at(ENCL_DATA + PAGE), PAGE));
	CHECK_EQ(lock(at(ENCL_DATA), 2 * PAGE), -ENOMEM);
	CHECK_EQ(lock(at(ENCL_DATA + PAGE), 2 * PAGE), -ENOMEM);
	CHECK_EQ(lock(at(ENCL_DATA), 3 * PAGE), -ENOMEM);
	ordinary_at(at(ENCL_DATA + PAGE), PAGE, PROT_RW);
	if (limit.rlim_cur >= 65536) {
		CHECK_EQ(lock(at(ENCL_DATA), 3 * PAGE), 0);
		CHECK_EQ(lock(below, 3 * PAGE), 0);
	}
	encl_free(&e);
}

/* A mapping of the device is one before there is an enclave, too. */
TEST(before_create)
{
	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_map(&e, 0, e.size, PROT_READ), 0);
	CHECK_ERRNO(madvise(at(0), PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(madvise(at(0), PAGE, MADV_DODUMP), EINVAL);
	CHECK(mremap(at(0), PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	CHECK_EQ(lock(at(0), e.size), 0);
	CHECK_SYS(mprotect(at(0), e.size, PROT_NONE));
	CHECK_SYS(mprotect(at(0), e.size, PROT_RW | PROT_EXEC));
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_map_all(&e);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* Outside the ELRANGE a mapping may be until INIT; then the driver allows it nothing more. */
TEST(mapped_outside)
{
	uint8_t *far;

	encl_build(&e, &(struct encl_opts){.no_init = true});
	far = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, e.fd, 0);
	CHECK(far != MAP_FAILED);
	CHECK_SYS(mprotect(far, PAGE, PROT_RW));
	CHECK_ERRNO(madvise(far, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_EQ(encl_init(&e), 0);
	CHECK_ERRNO(mprotect(far, PAGE, PROT_READ), EACCES);
	CHECK_ERRNO(mprotect(far, 2 * PAGE, PROT_NONE), EACCES);
	CHECK(mremap(far, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	CHECK_SYS(munmap(far, 2 * PAGE));
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}
