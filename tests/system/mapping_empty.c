/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls on no pages, on lengths that wrap and on addresses inside a page.  Linux
 * answers all of them before it looks at a mapping, so the same call on ordinary
 * memory in the same process says what is right on an enclave's.
 */
#include "encl.h"

#include <harness/harness.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROT_RW (PROT_READ | PROT_WRITE)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static long raw(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	long ret = syscall(nr, a, b, c, d, e);

	return ret == -1 ? -errno : ret;
}

struct call {
	const char *name;
	long nr;
	uint64_t c, d; /* third and fourth argument */
};

/* clang-format off */
static const struct call calls[] = {
	{ "mprotect NONE", SYS_mprotect, PROT_NONE, 0 },
	{ "mprotect R", SYS_mprotect, PROT_READ, 0 },
	{ "mprotect RWX", SYS_mprotect, PROT_RW | PROT_EXEC, 0 },
	{ "mprotect of no such protection", SYS_mprotect, 0x40, 0 },
	{ "mprotect of GROWSDOWN and GROWSUP", SYS_mprotect, PROT_GROWSDOWN | PROT_GROWSUP, 0 },
	{ "pkey_mprotect without key", SYS_pkey_mprotect, PROT_READ, ~0ull },
	{ "munmap", SYS_munmap, 0, 0 },
	{ "madvise NORMAL", SYS_madvise, MADV_NORMAL, 0 },
	{ "madvise DONTNEED", SYS_madvise, MADV_DONTNEED, 0 },
	{ "madvise WILLNEED", SYS_madvise, MADV_WILLNEED, 0 },
	{ "madvise REMOVE", SYS_madvise, MADV_REMOVE, 0 },
	{ "madvise FREE", SYS_madvise, MADV_FREE, 0 },
	{ "madvise DOFORK", SYS_madvise, MADV_DOFORK, 0 },
	{ "madvise DODUMP", SYS_madvise, MADV_DODUMP, 0 },
	{ "madvise POPULATE_READ", SYS_madvise, 22, 0 },
	{ "madvise of no such advice", SYS_madvise, 1234, 0 },
	{ "msync ASYNC", SYS_msync, MS_ASYNC, 0 },
	{ "msync SYNC", SYS_msync, MS_SYNC, 0 },
	{ "mlock2 of no such flag", SYS_mlock2, 2, 0 },
	{ "mremap to nothing", SYS_mremap, 0, MREMAP_MAYMOVE },
	{ "mremap of no such flag", SYS_mremap, 4096, 8 },
	{ "mremap FIXED that may not move", SYS_mremap, 4096, MREMAP_FIXED },
	{ "mremap DONTUNMAP that may not move", SYS_mremap, 4096, MREMAP_DONTUNMAP },
};

/* With these every call of the table is over before a mapping counts. */
static const struct {
	uint64_t inside, length; /* added to a page's address; in bytes */
} ranges[] = {
	{ 0, 0 }, { 1, 0 }, { 4095, 0 }, { 1, 4096 }, { 0x123, 3 },
	{ 0, ~0ull }, { 0, ~4094ull }, { 1, ~0ull },
	{ 0, ~4095ull }, /* the end of the range is below its start */
};
/* clang-format on */

static void compare(const struct call *call, uint64_t at, uint64_t ordinary)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		uint64_t inside = ranges[i].inside, length = ranges[i].length;
		long want, got;

		want = raw(call->nr, ordinary + inside, length, call->c, call->d, 0);
		got = raw(call->nr, at + inside, length, call->c, call->d, 0);
		if (want != got)
			FAIL("%s, page + %llu, length 0x%llx: %ld, on ordinary memory %ld",
			     call->name, (unsigned long long)inside, (unsigned long long)length,
			     got, want);
	}
}

static void compare_all(const struct encl *e)
{
	/* the edges of the ELRANGE, an enclave's page, one that is not mapped, one without page */
	const uint64_t places[] = {
		e->base - 4096,	       e->base,		  e->base + 4096,
		e->base + ENCL_DATA,   e->base + ENCL_RO, e->base + ENCL_HOLE,
		e->base + e->size / 2, e->base + e->size, e->base + e->size - 4096,
	};
	uint8_t *ordinary = mmap(NULL, 16 * 4096, PROT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(ordinary != MAP_FAILED);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++)
			compare(&calls[i], places[k], (uint64_t)ordinary + 8 * 4096);
	/* no call of those did anything */
	memset(ordinary, 1, 16 * 4096);
	CHECK_SYS(munmap(ordinary, 16 * 4096));
}

TEST(before_create)
{
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_map(&e, 0, e.size, PROT_NONE), 0);
	compare_all(&e);
	encl_free(&e);
}

TEST(before_init)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_init = true});
	compare_all(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_write8(&e, 0, e.base + ENCL_DATA, 5);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 5);
	encl_free(&e);
}

TEST(after_init)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 6);
	compare_all(&e);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 6);
	encl_free(&e);
}

/* What Intel's loader does between two segments that touch */
TEST(mprotect_of_a_gap_without_pages)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_init = true});
	CHECK_SYS(mprotect((void *)(e.base + ENCL_DATA), 0, PROT_NONE));
	CHECK_SYS(mprotect((void *)(e.base + ENCL_CODE), 0, PROT_RW | PROT_EXEC));
	CHECK_EQ(encl_init(&e), 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* An old length of 0 asks for a second mapping of the same pages. */
TEST(mremap_from_nothing)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (uint64_t length = 0; length != 1; length = length ? 1 : ~0ull) {
		CHECK_EQ(raw(SYS_mremap, e.base, length, 4096, MREMAP_MAYMOVE, 0), -EFAULT);
		CHECK_EQ(raw(SYS_mremap, e.base + ENCL_DATA, length, 4096, MREMAP_MAYMOVE, 0),
			 -EFAULT);
	}
	encl_free(&e);
}

static long map(const struct encl *e, uint64_t addr, uint64_t size, int flags, uint64_t offset)
{
	long ret = syscall(SYS_mmap, addr, size, PROT_READ, flags, e->fd, offset);

	return ret == -1 ? -errno : ret;
}

/* mmap() has no ordinary file to be compared with: its order is that of do_mmap(). */
TEST(mmap_arguments)
{
	const uint64_t limit = (1ull << 47) - 4096;
	struct encl e;
	uint64_t at;

	encl_build(&e, &(struct encl_opts){0});
	at = e.base + ENCL_DATA;
	CHECK_EQ(map(&e, at, 0, MAP_SHARED | MAP_FIXED, 0), -EINVAL);
	CHECK_EQ(map(&e, at + 1, 0, MAP_SHARED | MAP_FIXED, 0), -EINVAL);
	CHECK_EQ(map(&e, at + 1, 4096, MAP_SHARED | MAP_FIXED, 0), -EINVAL);
	CHECK_EQ(map(&e, at + 1, 4096, MAP_SHARED | MAP_FIXED_NOREPLACE, 0), -EINVAL);
	CHECK_EQ(map(&e, at, ~0ull, MAP_PRIVATE | MAP_FIXED, 0), -ENOMEM);
	CHECK_EQ(map(&e, at, ~4095ull, MAP_PRIVATE | MAP_FIXED, 0), -ENOMEM);
	CHECK_EQ(map(&e, 0, 1ull << 47, MAP_SHARED, 0), -ENOMEM);
	CHECK_EQ(map(&e, limit, 4096, MAP_PRIVATE | MAP_FIXED, 0), -EINVAL);
	CHECK_EQ(map(&e, limit, 4096, MAP_SHARED | MAP_FIXED, 0), -ENOMEM);
	CHECK_EQ(map(&e, limit + 1, 4096, MAP_SHARED | MAP_FIXED, 0), -ENOMEM);
	CHECK_EQ(map(&e, ~4095ull, 4096, MAP_SHARED | MAP_FIXED, 0), -ENOMEM);
	CHECK_EQ(map(&e, limit - 4096, 4096, MAP_SHARED | MAP_FIXED, 0), -EACCES);
	CHECK_EQ(map(&e, at, 4096, MAP_SHARED | MAP_FIXED, 1), -EINVAL);
	CHECK_EQ(map(&e, at, 4096, MAP_SHARED | MAP_FIXED, ~4095ull), -EOVERFLOW);
	CHECK_EQ(map(&e, at, 4096, MAP_SHARED | MAP_FIXED, ~8191ull), at);
	/* both: nothing is replaced */
	CHECK_EQ(map(&e, at, 4096, MAP_SHARED | MAP_FIXED | MAP_FIXED_NOREPLACE, 0), -EEXIST);
	CHECK_EQ(encl_map(&e, ENCL_DATA, 4096, PROT_RW), 0);
	encl_write8(&e, 0, at, 7);
	CHECK_EQ(encl_read8(&e, 0, at), 7);
	encl_free(&e);
}
