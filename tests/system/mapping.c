/* SPDX-License-Identifier: BSD-3-Clause */
/* mmap, mprotect, munmap and their kin on enclaves. */
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROT_RW	 (PROT_READ | PROT_WRITE)
#define PROT_RWX (PROT_RW | PROT_EXEC)

static int map_at(struct encl *e, uint64_t offset, uint64_t size, int prot, int flags)
{
	void *p = mmap((void *)(e->base + offset), size, prot, flags, e->fd, 0);

	return p == MAP_FAILED ? -errno : 0;
}

TEST(private_is_refused)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_map = true});
	CHECK_EQ(map_at(&e, ENCL_DATA, 4096, PROT_RW, MAP_PRIVATE | MAP_FIXED), -EINVAL);
	CHECK_EQ(map_at(&e, ENCL_DATA, 4096, PROT_NONE, MAP_PRIVATE | MAP_FIXED), -EINVAL);
	CHECK_EQ(map_at(&e, ENCL_DATA, 4096, PROT_RW, MAP_SHARED | MAP_FIXED), 0);
	encl_free(&e);
}

TEST(permissions_are_capped)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_map = true});
	CHECK_EQ(encl_map(&e, ENCL_RO, 4096, PROT_RW), -EACCES);
	CHECK_EQ(encl_map(&e, ENCL_RO, 4096, PROT_RWX), -EACCES);
	CHECK_EQ(encl_map(&e, ENCL_RO, 4096, PROT_READ | PROT_EXEC), -EACCES);
	CHECK_EQ(encl_map(&e, ENCL_CODE, 4096, PROT_RW), -EACCES);
	CHECK_EQ(encl_map(&e, ENCL_DATA, 4096, PROT_READ | PROT_EXEC), -EACCES);
	/* a TCS: R and W, not X */
	CHECK_EQ(encl_map(&e, ENCL_TCS, 4096, PROT_RWX), -EACCES);
	CHECK_EQ(encl_map(&e, ENCL_TCS, 4096, PROT_RW), 0);
	/* one page of the range is enough to refuse it all */
	CHECK_EQ(encl_map(&e, ENCL_DATA, ENCL_HOLE - ENCL_DATA, PROT_RW), -EACCES);
	CHECK_EQ(encl_map(&e, ENCL_DATA, ENCL_HOLE - ENCL_DATA, PROT_READ), 0);
	/* absent pages do not restrict */
	CHECK_EQ(encl_map(&e, ENCL_HOLE, 4096, PROT_RWX), 0);
	CHECK_EQ(encl_map(&e, ENCL_RO, 4096, PROT_NONE), 0);
	encl_free(&e);
}

TEST(mprotect_is_capped)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_ERRNO(mprotect((void *)(e.base + ENCL_RO), 4096, PROT_RW), EACCES);
	CHECK_ERRNO(mprotect((void *)(e.base + ENCL_CODE), 4096, PROT_RWX), EACCES);
	CHECK_ERRNO(mprotect((void *)(e.base + ENCL_DATA), 4096, PROT_READ | PROT_EXEC), EACCES);
	CHECK_ERRNO(mprotect((void *)(e.base + ENCL_DATA), ENCL_HOLE - ENCL_DATA, PROT_RW), EACCES);
	/* down and up again is fine */
	CHECK_SYS(mprotect((void *)(e.base + ENCL_DATA), ENCL_DATA_SIZE, PROT_NONE));
	CHECK_SYS(mprotect((void *)(e.base + ENCL_DATA), ENCL_DATA_SIZE, PROT_READ));
	CHECK_SYS(mprotect((void *)(e.base + ENCL_DATA), ENCL_DATA_SIZE, PROT_RW));
	encl_write8(&e, 0, e.base + ENCL_DATA, 5);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 5);
	encl_free(&e);
}

TEST(elrange_is_the_limit_after_init)
{
	struct encl e;
	uint8_t *far;

	encl_build(&e, &(struct encl_opts){.no_init = true, .no_map = true});
	/* before INIT nobody insists */
	far = mmap(NULL, 4096, PROT_READ, MAP_SHARED, e.fd, 0);
	CHECK(far != MAP_FAILED);
	CHECK_SYS(munmap(far, 4096));
	CHECK_EQ(encl_init(&e), 0);
	CHECK_EQ(map_at(&e, e.size, 4096, PROT_READ, MAP_SHARED | MAP_FIXED), -EACCES);
	CHECK_EQ(map_at(&e, e.size - 4096, 8192, PROT_READ, MAP_SHARED | MAP_FIXED), -EACCES);
	CHECK_EQ(map_at(&e, (uint64_t)-4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED), -EACCES);
	CHECK_EQ(map_at(&e, 0, e.size, PROT_NONE, MAP_SHARED | MAP_FIXED), 0);
	far = mmap(NULL, 4096, PROT_READ, MAP_SHARED, e.fd, 0);
	CHECK(far == MAP_FAILED && errno == EACCES);
	encl_free(&e);
}

TEST(arguments)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_map = true});
	CHECK_EQ(map_at(&e, ENCL_DATA, 0, PROT_READ, MAP_SHARED | MAP_FIXED), -EINVAL);
	CHECK_EQ(map_at(&e, ENCL_DATA + 1, 4096, PROT_READ, MAP_SHARED | MAP_FIXED), -EINVAL);
	CHECK_EQ(map_at(&e, ENCL_DATA, ~0ull, PROT_READ, MAP_SHARED | MAP_FIXED), -ENOMEM);
	/* a length that is no whole page is rounded up */
	CHECK_EQ(map_at(&e, ENCL_DATA, 100, PROT_RW, MAP_SHARED | MAP_FIXED), 0);
	CHECK_EQ(map_at(&e, ENCL_DATA, 4096, PROT_RW, MAP_SHARED | MAP_FIXED_NOREPLACE), -EEXIST);
	/* the offset in the file is nobody's business */
	CHECK(mmap((void *)(e.base + ENCL_NOX), 4096, PROT_RW, MAP_SHARED | MAP_FIXED, e.fd,
		   0x12345000) == (void *)(e.base + ENCL_NOX));
	CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(encl_map(&e, ENCL_TCS, encl_stride(&e), PROT_RW), 0);
	encl_write8(&e, 0, e.base + ENCL_NOX, 9);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_NOX), 9);
	encl_free(&e);
}

/* As Gramine does it: the whole ELRANGE first, and then CREATE. */
TEST(mapped_before_create)
{
	struct encl e;
	void *p;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_SYS(munmap((void *)e.base, e.size));
	p = mmap((void *)e.base, e.size, PROT_RWX, MAP_SHARED | MAP_FIXED_NOREPLACE, e.fd, 0);
	CHECK(p == (void *)e.base);
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	/* it allows more than the pages do: mprotect to what they have */
	CHECK_SYS(mprotect((void *)(e.base + ENCL_CODE), ENCL_CODE_SIZE, PROT_READ | PROT_EXEC));
	CHECK_SYS(mprotect((void *)(e.base + ENCL_DATA), ENCL_DATA_SIZE, PROT_RW));
	CHECK_SYS(mprotect((void *)(e.base + ENCL_TCS), encl_stride(&e), PROT_RW));
	encl_write8(&e, 0, e.base + ENCL_DATA + 64, 77);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA + 64), 77);
	encl_free(&e);
}

/* A page that is added under a mapping that allows more: SIGBUS on access */
TEST(page_added_under_a_wider_mapping)
{
	struct encl_op o;
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), 0);
	CHECK_EQ(encl_map(&e, ENCL_RO, 4096, PROT_RWX), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(encl_map(&e, ENCL_DATA, ENCL_DATA_SIZE, PROT_RW), 0);
	CHECK_EQ(encl_map(&e, ENCL_TCS, encl_stride(&e), PROT_RW), 0);
	o = encl_enter(&e, 0, SGX_EENTER, OP_READ8, e.base + ENCL_RO, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_error_code & SGX_PF_SGX, 0);
	CHECK_SYS(mprotect((void *)(e.base + ENCL_RO), 4096, PROT_READ));
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 1);
	encl_read8(&e, 0, e.base + ENCL_RO);
	encl_free(&e);
}

TEST(unmapped_in_pieces)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.heap = 16 * 4096});
	for (uint64_t i = 0; i < 16; i++)
		encl_write8(&e, 0, e.heap + i * 4096, i);
	/* every second page goes and comes back: the bytes are the enclave's */
	for (uint64_t i = 0; i < 16; i += 2)
		CHECK_SYS(munmap((void *)(e.heap + i * 4096), 4096));
	for (uint64_t i = 1; i < 16; i += 2)
		CHECK_EQ(encl_read8(&e, 0, e.heap + i * 4096), i);
	for (uint64_t i = 0; i < 16; i += 2)
		CHECK_EQ(encl_map(&e, e.heap - e.base + i * 4096, 4096, PROT_RW), 0);
	for (uint64_t i = 0; i < 16; i++)
		CHECK_EQ(encl_read8(&e, 0, e.heap + i * 4096), i);
	/* all but the code, the data and the TCS goes; then the descriptor */
	CHECK_SYS(munmap((void *)e.heap, 16 * 4096));
	close(e.fd);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	e.fd = -1;
	encl_free(&e);
}

TEST(descriptor_closed_first)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_SYS(close(e.fd));
	e.fd = -1;
	encl_write8(&e, 0, e.base + ENCL_DATA, 3);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 3);
	encl_free(&e);
}

TEST(duplicated_descriptors)
{
	struct encl e;
	int copy, other;

	encl_open(&e, &(struct encl_opts){0});
	copy = dup(e.fd);
	other = fcntl(e.fd, F_DUPFD_CLOEXEC, 100);
	CHECK_SYS(copy);
	CHECK_SYS(other);
	CHECK_EQ(encl_create(&e), 0);
	close(e.fd);
	e.fd = copy;
	encl_add_all(&e);
	close(copy);
	e.fd = other;
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_map_all(&e);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

TEST(what_device_mappings_refuse)
{
	struct encl e;
	void *p;

	encl_build(&e, &(struct encl_opts){0});
	p = (void *)(e.base + ENCL_DATA);
	encl_write8(&e, 0, e.base + ENCL_DATA, 1234);
	CHECK(mremap(p, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_ERRNO(madvise(p, 4096, MADV_REMOVE), EINVAL);
	CHECK_ERRNO(madvise(p, 4096, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(madvise(p, 4096, MADV_DOFORK), EINVAL);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 1234);
	encl_free(&e);
}

TEST(ordinary_mappings_still_work)
{
	struct encl e;
	uint8_t *p;

	encl_build(&e, &(struct encl_opts){0});
	p = mmap(NULL, 16 * 4096, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_SYS(mprotect(p, 16 * 4096, PROT_NONE));
	CHECK_SYS(mprotect(p, 16 * 4096, PROT_RW));
	CHECK_SYS(madvise(p + 4096, 4096, MADV_DONTNEED));
	p = mremap(p, 16 * 4096, 32 * 4096, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK_SYS(munmap(p, 32 * 4096));
	encl_free(&e);
}

/* The calls themselves: ASan's mlock() and munlock() do nothing. */
static int lock_pages(const void *addr, size_t size)
{
	return (int)syscall(SYS_mlock, addr, size);
}

static int unlock_pages(const void *addr, size_t size)
{
	return (int)syscall(SYS_munlock, addr, size);
}

/* Linux does not lock VM_IO mappings, nor bring them in, and says nothing of it. */
TEST(locking)
{
	struct rlimit limit;
	struct encl e;
	uint8_t *p;

	CHECK_SYS(getrlimit(RLIMIT_MEMLOCK, &limit));
	encl_build(&e, &(struct encl_opts){.no_map = true});
	CHECK_EQ(map_at(&e, 0, ENCL_CODE_SIZE, PROT_READ | PROT_EXEC,
			MAP_SHARED | MAP_FIXED | MAP_POPULATE),
		 0);
	CHECK_EQ(map_at(&e, ENCL_DATA, ENCL_DATA_SIZE, PROT_RW,
			MAP_SHARED | MAP_FIXED | MAP_POPULATE | MAP_NORESERVE),
		 0);
	CHECK_EQ(map_at(&e, ENCL_HOLE, 4096, PROT_RW, MAP_SHARED | MAP_FIXED | MAP_POPULATE), 0);
	CHECK_EQ(encl_map(&e, ENCL_TCS, encl_stride(&e), PROT_RW), 0);
	CHECK_SYS(lock_pages((void *)(e.base + ENCL_DATA), ENCL_DATA_SIZE));
	CHECK_SYS(lock_pages((void *)(e.base + ENCL_HOLE), 4096));
	CHECK_SYS(mlock2((void *)(e.base + ENCL_DATA), 4096, MLOCK_ONFAULT));
	CHECK_ERRNO(mlock2((void *)(e.base + ENCL_DATA), 4096, 2), EINVAL);
	CHECK_SYS(unlock_pages((void *)(e.base + ENCL_DATA), ENCL_DATA_SIZE));
	encl_write8(&e, 0, e.base + ENCL_DATA, 8);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 8);
	/* what lies beside it is locked, or refused, as ever */
	p = mmap(NULL, 2 * 4096, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_SYS(munmap(p + 4096, 4096));
	if (limit.rlim_cur >= 65536) {
		CHECK_SYS(lock_pages(p, 4096));
		CHECK_ERRNO(lock_pages(p, 2 * 4096), ENOMEM);
	}
	CHECK_SYS(munmap(p, 4096));
	encl_free(&e);
}

/* Anonymous memory over a page of an enclave, and the enclave over it again */
TEST(mapped_over)
{
	struct encl e;
	uint64_t *p;

	encl_build(&e, &(struct encl_opts){0});
	p = (uint64_t *)(e.base + ENCL_DATA);
	encl_write8(&e, 0, e.base + ENCL_DATA, 15);
	CHECK(mmap(p, 4096, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	CHECK_EQ(*p, 0);
	*p = 16;
	CHECK_EQ(encl_map(&e, ENCL_DATA, 4096, PROT_RW), 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 15);
	/* one that the kernel refuses leaves things as they are */
	CHECK(mmap(p, 4096, PROT_RW, MAP_PRIVATE | MAP_FIXED, -1, 0) == MAP_FAILED);
	CHECK_SYS(madvise(p, 4096, MADV_DONTFORK)); /* its VMA is one of its own */
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 15);
	/* all of it: the descriptor is left, and may be mapped anew */
	CHECK(mmap((void *)e.base, e.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) != MAP_FAILED);
	encl_map_all(&e);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 15);
	encl_free(&e);
}

TEST(sealed_mapping)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 21);
	if (syscall(462 /* mseal */, e.base + ENCL_DATA, 4096, 0) && errno == ENOSYS)
		SKIP("no mseal");
	CHECK_ERRNO(munmap((void *)e.base, e.size), EPERM);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 21);
	CHECK_ERRNO(munmap((void *)(e.base + ENCL_DATA), 4096), EPERM);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 21);
	close(e.fd);
}

TEST(below_4_gib)
{
	struct encl e;
	uint8_t *p;

	encl_build(&e, &(struct encl_opts){.no_init = true});
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_32BIT, e.fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK((uint64_t)(uintptr_t)p < 1ull << 32);
	CHECK_SYS(munmap(p, 4096));
	encl_free(&e);
}

/*
 * Twice the range is reserved from the device, and what is not aligned goes back
 * before CREATE.  When the rest has gone, nothing of an enclave is left there.
 */
TEST(trimmed_reservation_is_forgotten)
{
	struct encl e;
	uint64_t start;
	uint8_t *p;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_SYS(munmap((void *)e.base, e.size));
	p = mmap(NULL, 2 * e.size, PROT_NONE, MAP_SHARED, e.fd, 0);
	CHECK(p != MAP_FAILED);
	start = (uint64_t)p;
	e.base = (start + e.size - 1) & ~(e.size - 1);
	if (e.base > start)
		CHECK_SYS(munmap(p, e.base - start));
	if (e.base < start + e.size)
		CHECK_SYS(munmap((void *)(e.base + e.size), start + e.size - e.base));
	CHECK_EQ(encl_create(&e), 0);
	CHECK_SYS(munmap((void *)e.base, e.size));
	close(e.fd);
	p = mmap((void *)e.base, e.size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK_EQ((uint64_t)p, e.base);
	p[5] = 1;
	CHECK_SYS(madvise(p, e.size, MADV_DONTNEED));
	CHECK_EQ(p[5], 0);
	CHECK_SYS(mprotect(p, e.size, PROT_READ));
	CHECK_SYS(munmap(p, e.size));
}

/* Closed before a page of it was mapped; and one that is open is not lost by it. */
TEST(created_where_another_was)
{
	struct encl e, other;

	encl_open(&other, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&other), 0);
	encl_add_all(&other);
	encl_open(&e, &(struct encl_opts){0});
	CHECK_SYS(munmap((void *)e.base, e.size));
	e.base = other.base;
	e.heap = other.heap;
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_map_all(&e);
	encl_write8(&e, 0, e.base + ENCL_DATA, 3);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 3);
	CHECK_SYS(munmap((void *)e.base, e.size));
	close(e.fd);
	encl_sign(&other);
	CHECK_EQ(encl_init(&other), 0);
	encl_map_all(&other);
	CHECK_EQ(encl_read8(&other, 0, other.base + ENCL_DATA), 0);
	encl_free(&other);
}
