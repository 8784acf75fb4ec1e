/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bad input through the real ioctls: one case for each check of DRIVER.md, in
 * its order.  Where two checks could answer, the earlier one must.
 */
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REG(rwx) (((uint64_t)SGX_PT_REG << 8) | (rwx))
#define TCS	 ((uint64_t)SGX_PT_TCS << 8)

static uint8_t pages[16 * 4096] __attribute__((aligned(4096)));

/* The first byte that may not be touched */
static uint8_t *edge(void)
{
	uint8_t *p = mmap(NULL, 3 * ENCL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_SYS(mprotect(p + 2 * ENCL_PAGE, ENCL_PAGE, PROT_NONE));
	return p + 2 * ENCL_PAGE;
}

static int create_raw(int fd, const void *secs)
{
	struct sgx_enclave_create c = {.src = (uint64_t)secs};

	return ioctl(fd, SGX_IOC_ENCLAVE_CREATE, &c) ? -errno : 0;
}

static int add_raw(int fd, uint64_t src, uint64_t offset, uint64_t length, uint64_t secinfo,
		   uint64_t flags)
{
	struct sgx_secinfo_arch info = {.flags = secinfo};
	struct sgx_enclave_add_pages a = {
		.src = src,
		.offset = offset,
		.length = length,
		.secinfo = (uint64_t)&info,
		.flags = flags,
		.count = 0x77,
	};

	return ioctl(fd, SGX_IOC_ENCLAVE_ADD_PAGES, &a) ? -errno : 0;
}

static void created(struct encl *e)
{
	encl_open(e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(e), 0);
}

TEST(unknown_ioctls)
{
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_ERRNO(ioctl(e.fd, _IO(SGX_MAGIC, 0x7f), 0), ENOTTY);
	CHECK_ERRNO(ioctl(e.fd, _IOW(SGX_MAGIC, 0x00, char[64]), pages), ENOTTY);
	CHECK_ERRNO(ioctl(e.fd, 0x5401, pages), ENOTTY);
	encl_free(&e);
}

TEST(sgx2_is_not_there)
{
	uint8_t arg[64] = {0};
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, arg), ENODEV);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, arg), ENODEV);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, arg), ENODEV);
	/* before the argument is looked at */
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, edge()), ENODEV);
	encl_free(&e);
}

/* --- CREATE --------------------------------------------------------------------- */

TEST(create_arguments)
{
	struct sgx_secs secs;
	struct encl e;
	uint8_t *end = edge();

	encl_open(&e, &(struct encl_opts){0});
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, NULL), EFAULT);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, end), EFAULT);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, end - 7), EFAULT);
	CHECK_EQ(create_raw(e.fd, NULL), -EFAULT);
	CHECK_EQ(create_raw(e.fd, end - 4095), -EFAULT); /* truncated by a byte */
	CHECK_EQ(create_raw(e.fd, (void *)0x8000000000000000), -EFAULT);
	/* the SECS may lie at any address */
	encl_secs(&e, &secs);
	memcpy(end - 4096 - 13, &secs, sizeof(secs));
	CHECK_EQ(create_raw(e.fd, end - 4096 - 13), 0);
	/* twice; and before the argument is looked at */
	CHECK_EQ(create_raw(e.fd, &secs), -EINVAL);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, NULL), EINVAL);
	encl_free(&e);
}

TEST(create_secs_fields)
{
	static const uint64_t sizes[] = {0,	    3, 0x3000, 0x1001, ~0ull, 0x8000000000000001,
					 1ull << 63}; /* the last: no file is that large */
	struct sgx_secs good, s;
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	encl_secs(&e, &good);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		s = good;
		s.size = sizes[i];
		CHECK_EQ(create_raw(e.fd, &s), -EINVAL);
	}
#define EIO_WITH(field, value)                        \
	do {                                          \
		s = good;                             \
		s.field = (value);                    \
		CHECK_EQ(create_raw(e.fd, &s), -EIO); \
	} while (0)
	EIO_WITH(size, 4096); /* less than two pages */
	EIO_WITH(size, 1); /* a power of two */
	EIO_WITH(size, 1ull << 62); /* more than the processor allows */
	EIO_WITH(base, e.base + 4096); /* not naturally aligned */
	EIO_WITH(base, 1ull << 63); /* not canonical */
	EIO_WITH(ssaframesize, 0);
	EIO_WITH(attributes.xfrm, 0);
	EIO_WITH(attributes.xfrm, 1);
	EIO_WITH(attributes.xfrm, 3 | 1ull << 40);
	EIO_WITH(miscselect, 1u << 31);
	EIO_WITH(attributes.flags, ENCL_ATTR | SGX_ATTR_INIT_BIT);
	EIO_WITH(attributes.flags, ENCL_ATTR | 1ull << 60);
	EIO_WITH(attributes.flags, ENCL_ATTR | 1ull << 3);
	EIO_WITH(rsvd4[100], 1);
	EIO_WITH(rsvd1[3], 1);
#undef EIO_WITH
	/* a failed one may be tried again */
	CHECK_EQ(create_raw(e.fd, &good), 0);
	encl_free(&e);
}

/* --- ADD_PAGES ------------------------------------------------------------------ */

TEST(add_out_of_order)
{
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0, 4096, REG(1), 0), -EINVAL);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, NULL), EINVAL);
	encl_free(&e);
	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, ENCL_HOLE, 4096, REG(1), 0), -EINVAL);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, NULL), EINVAL);
	encl_free(&e);
}

TEST(add_arguments)
{
	struct sgx_enclave_add_pages a = {.src = (uint64_t)pages, .length = 4096};
	uint8_t *end = edge();
	struct encl e;

	created(&e);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, NULL), EFAULT);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, end - 47), EFAULT);
	/* src before offset before length before secinfo */
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages + 1, 1, 1, 0, 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 1, 4096, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0x800, 4096, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0, 0, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0, 100, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0, 4097, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, e.size, 4096, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0, e.size + 4096, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, ~0xfffull, 0x2000, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0x1000, ~0xfffull, REG(1), 0), -EINVAL);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 1ull << 63, 1ull << 63, REG(1), 0), -EINVAL);
	/* secinfo that is not there: after the range */
	a.secinfo = (uint64_t)end - 63;
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, &a), EFAULT);
	a.secinfo = 0;
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, &a), EFAULT);
	a.length = 0;
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, &a), EINVAL);
	encl_free(&e);
}

TEST(add_secinfo)
{
	static const uint64_t bad[] = {
		0,
		REG(1) ^ 0x100, /* SECS; 3 = VA */
		(uint64_t)SGX_PT_TRIM << 8 | 1,
		(uint64_t)0xff << 8,
		REG(2),
		REG(6), /* W without R */
		TCS | 1,
		TCS | 3,
		TCS | 7,
		REG(1) | SGX_SECINFO_PENDING_BIT,
		REG(1) | SGX_SECINFO_MODIFIED_BIT,
		REG(1) | SGX_SECINFO_PR_BIT,
		REG(1) | 1 << 6,
		REG(1) | 1ull << 16,
		REG(1) | 1ull << 63,
	};
	struct sgx_secinfo_arch info = {.flags = REG(3)};
	struct sgx_enclave_add_pages a = {
		.src = (uint64_t)pages,
		.length = 4096,
		.secinfo = (uint64_t)&info,
	};
	struct encl e;

	created(&e);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (add_raw(e.fd, (uint64_t)pages, 0, 4096, bad[i], 0) != -EINVAL)
			FAIL("SECINFO.FLAGS 0x%llx is not EINVAL", (unsigned long long)bad[i]);
	for (size_t i = 0; i < sizeof(info.rsvd); i++) {
		info.rsvd[i] = 1;
		CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, &a), EINVAL);
		info.rsvd[i] = 0;
	}
	/* unknown flags are ignored; R, RX and no permission at all are fine */
	a.flags = ~0ull & ~(uint64_t)SGX_PAGE_MEASURE;
	CHECK_SYS(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, &a));
	CHECK_EQ(a.count, 4096);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 4096, 4096, REG(5), 0), 0);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 8192, 4096, REG(0), 0), 0);
	encl_free(&e);
}

TEST(add_overlapping)
{
	uint64_t count = 0;
	struct encl e;

	created(&e);
	CHECK_EQ(encl_add(&e, 0x3000, pages, 0x2000, REG(3), 0, &count), 0);
	CHECK_EQ(count, 0x2000);
	CHECK_EQ(encl_add(&e, 0x3000, pages, 0x1000, REG(3), 0, &count), -EBUSY);
	CHECK_EQ(count, 0);
	/* the first two go in, and count says so */
	CHECK_EQ(encl_add(&e, 0x1000, pages, 0x4000, REG(3), 0, &count), -EBUSY);
	CHECK_EQ(count, 0x2000);
	CHECK_EQ(encl_add(&e, 0x1000, pages, 0x1000, REG(3), 0, &count), -EBUSY);
	encl_free(&e);
}

TEST(add_source)
{
	uint8_t *end = edge();
	uint64_t count;
	struct encl e;

	created(&e);
	/* nothing there: no VMA */
	CHECK_EQ(encl_add(&e, 0, end, 0x1000, REG(3), 0, &count), -EFAULT);
	CHECK_EQ(count, 0);
	/* the second page is not */
	CHECK_EQ(encl_add(&e, 0, end - 0x1000, 0x2000, REG(3), 0, &count), -EFAULT);
	CHECK_EQ(count, 0x1000);
	CHECK_EQ(encl_add(&e, 0, end - 0x1000, 0x1000, REG(3), 0, &count), -EBUSY);
	/* one that may not be read */
	CHECK_SYS(mprotect(end - 0x1000, 0x1000, PROT_NONE));
	CHECK_EQ(encl_add(&e, 0x4000, end - 0x1000, 0x1000, REG(3), 0, &count), -EFAULT);
	CHECK_EQ(count, 0);
	encl_free(&e);
}

TEST(add_bad_tcs)
{
	static struct sgx_tcs tcs __attribute__((aligned(4096)));
	struct encl e;

	created(&e);
	/* EADD: reserved fields are 0 */
	tcs.rsvd[7] = 1;
	CHECK_EQ(encl_add(&e, 0x10000, &tcs, 0x1000, TCS, 0, NULL), -EIO);
	tcs.rsvd[7] = 0;
	tcs.flags = 1ull << 40;
	CHECK_EQ(encl_add(&e, 0x10000, &tcs, 0x1000, TCS, 0, NULL), -EIO);
	tcs.flags = 0;
	CHECK_EQ(encl_add(&e, 0x10000, &tcs, 0x1000, TCS, 0, NULL), 0);
	encl_free(&e);
}

/* count cannot be written back: EFAULT, whatever happened */
TEST(add_readonly_argument)
{
	struct sgx_secinfo_arch info = {.flags = REG(3)};
	struct sgx_enclave_add_pages *a = (void *)(edge() - 2 * ENCL_PAGE);
	struct encl e;

	created(&e);
	a->src = (uint64_t)pages;
	a->length = 4096;
	a->secinfo = (uint64_t)&info;
	CHECK_SYS(mprotect(a, ENCL_PAGE, PROT_READ));
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, a), EFAULT);
	CHECK_EQ(add_raw(e.fd, (uint64_t)pages, 0, 4096, REG(3), 0), -EBUSY);
	encl_free(&e);
}

/* More than a piece of the shared memory holds */
TEST(add_long_ranges)
{
	uint64_t size = 4 << 20, count = 0;
	uint8_t *src = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct encl e;

	CHECK(src != MAP_FAILED);
	memset(src, 0x6b, size);
	encl_open(&e, &(struct encl_opts){.heap = size});
	CHECK_EQ(encl_create(&e), 0);
	CHECK_EQ(encl_add(&e, 0, src, size, REG(3), SGX_PAGE_MEASURE, &count), 0);
	CHECK_EQ(count, size);
	/* and one that ends in a hole in the source, far in */
	CHECK_SYS(munmap(src + size - 0x3000, 0x1000));
	encl_free(&e);
	encl_open(&e, &(struct encl_opts){.heap = size});
	CHECK_EQ(encl_create(&e), 0);
	CHECK_EQ(encl_add(&e, 0, src, size, REG(3), 0, &count), -EFAULT);
	CHECK_EQ(count, size - 0x3000);
	munmap(src, size);
	encl_free(&e);
}

/* --- INIT ----------------------------------------------------------------------- */

static int init_with(struct encl *e, const struct sgx_sigstruct_arch *s)
{
	struct sgx_enclave_init i = {.sigstruct = (uint64_t)s};

	return ioctl(e->fd, SGX_IOC_ENCLAVE_INIT, &i) ? -errno : 0;
}

TEST(init_arguments)
{
	struct sgx_sigstruct_arch s;
	uint8_t *end = edge();
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	encl_free(&e);
	encl_build(&e, &(struct encl_opts){.no_init = true, .no_map = true});
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, NULL), EFAULT);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, end - 7), EFAULT);
	CHECK_EQ(init_with(&e, NULL), -EFAULT);
	CHECK_EQ(init_with(&e, (void *)(end - 1807)), -EFAULT); /* truncated by a byte */
	s = e.sigstruct;
	s.vendor = 1;
	CHECK_EQ(init_with(&e, &s), -EINVAL);
	s.vendor = 0x8087;
	CHECK_EQ(init_with(&e, &s), -EINVAL);
	memcpy(end - 1808, &e.sigstruct, 1808); /* at the very edge, 16-byte aligned */
	CHECK_EQ(init_with(&e, (void *)(end - 1808)), 0);
	/* twice */
	CHECK_EQ(init_with(&e, &e.sigstruct), -EINVAL);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	encl_free(&e);
}

/* Any SGX code of EINIT is EPERM; the enclave stays as it was. */
TEST(init_sigstruct)
{
	struct sgx_sigstruct_arch s;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_init = true, .no_map = true});
#define EPERM_WITH(field)                            \
	do {                                         \
		s = e.sigstruct;                     \
		s.field ^= 1;                        \
		CHECK_EQ(init_with(&e, &s), -EPERM); \
	} while (0)
	EPERM_WITH(header[0]);
	EPERM_WITH(header2[15]);
	EPERM_WITH(exponent);
	EPERM_WITH(rsvd1[83]);
	EPERM_WITH(rsvd2[1]);
	EPERM_WITH(rsvd4[11]);
	EPERM_WITH(modulus[0]);
	EPERM_WITH(modulus[383]);
	EPERM_WITH(signature[100]);
	EPERM_WITH(q1[0]);
	EPERM_WITH(q2[383]);
	EPERM_WITH(enclavehash[31]);
	EPERM_WITH(isvsvn);
	EPERM_WITH(date);
#undef EPERM_WITH
	memset(&s, 0, sizeof(s));
	CHECK_EQ(init_with(&e, &s), -EPERM);
	memset(&s, 0xff, sizeof(s));
	CHECK_EQ(init_with(&e, &s), -EINVAL); /* the vendor comes first */
	CHECK_EQ(init_with(&e, &e.sigstruct), 0);
	encl_free(&e);
}

TEST(init_reserved_bits)
{
	struct sgx_sigstruct_arch s;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_init = true, .no_map = true});
	s = e.sigstruct;
	s.attributes.flags |= 1ull << 60;
	CHECK_EQ(init_with(&e, &s), -EINVAL);
	s = e.sigstruct;
	s.miscselect |= 1u << 31;
	CHECK_EQ(init_with(&e, &s), -EINVAL);
	s = e.sigstruct;
	s.attributes.xfrm |= 1ull << 62;
	CHECK_EQ(init_with(&e, &s), -EINVAL);
	/* not under the mask: then it is for EINIT, whose signature it breaks */
	s.attributemask.xfrm &= ~(1ull << 62);
	CHECK_EQ(init_with(&e, &s), -EPERM);
	encl_free(&e);
}

TEST(init_wrong_measurement)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_init = true, .no_map = true});
	CHECK_EQ(encl_add(&e, ENCL_HOLE, pages, 4096, REG(1), 0, NULL), 0);
	CHECK_EQ(encl_init(&e), -EPERM);
	encl_sign(&e); /* with that page */
	CHECK_EQ(encl_init(&e), 0);
	encl_free(&e);
}

/* --- PROVISION ------------------------------------------------------------------ */

static int provision(struct encl *e, uint64_t fd)
{
	struct sgx_enclave_provision p = {.fd = fd};

	return ioctl(e->fd, SGX_IOC_ENCLAVE_PROVISION, &p) ? -errno : 0;
}

static void build_provisioned(struct encl *e, int before, int after, int want)
{
	struct encl_opts opts = {.attributes = ENCL_ATTR | SGX_ATTR_PROVISION_KEY_BIT};

	encl_open(e, &opts);
	if (before >= 0)
		CHECK_EQ(provision(e, (uint64_t)before), 0);
	CHECK_EQ(encl_create(e), 0);
	encl_add_all(e);
	encl_sign(e);
	if (after >= 0)
		CHECK_EQ(provision(e, (uint64_t)after), 0);
	CHECK_EQ(encl_init(e), want);
}

TEST(provision_key)
{
	int fd = open("/dev/sgx_provision", O_RDONLY | O_CLOEXEC), other;
	struct encl e;

	CHECK_SYS(fd);
	build_provisioned(&e, -1, -1, -EACCES);
	/* leave comes late, too, for the next try */
	CHECK_EQ(provision(&e, (uint64_t)fd), 0);
	CHECK_EQ(encl_init(&e), 0);
	encl_free(&e);
	build_provisioned(&e, -1, fd, 0);
	/* no check of state */
	CHECK_EQ(provision(&e, (uint64_t)fd), 0);
	encl_free(&e);
	/* before CREATE it succeeds, and is lost */
	build_provisioned(&e, fd, -1, -EACCES);
	encl_free(&e);
	/* the u64 is truncated to an int */
	created(&e);
	CHECK_EQ(provision(&e, (uint64_t)fd | 1ull << 32), 0);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_PROVISION, edge()), EFAULT);
	CHECK_EQ(provision(&e, 9999), -EINVAL);
	CHECK_EQ(provision(&e, (uint64_t)-1), -EINVAL);
	CHECK_EQ(provision(&e, (uint64_t)e.fd), -EINVAL);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(provision(&e, (uint64_t)other), -EINVAL);
	close(other);
	CHECK_ERRNO(ioctl(fd, SGX_IOC_ENCLAVE_CREATE, pages), ENOTTY);
	encl_free(&e);
	close(fd);
}

TEST(launch_key_is_nobodys)
{
	struct encl e;

	encl_open(&e, &(struct encl_opts){.attributes = ENCL_ATTR | SGX_ATTR_EINITTOKEN_KEY_BIT});
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), -EACCES);
	encl_free(&e);
}

/* --- the descriptor ------------------------------------------------------------- */

TEST(descriptor_is_a_device)
{
	struct stat st;
	int fd = open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC);

	CHECK_SYS(fd);
	CHECK_SYS(stat("/dev/sgx_enclave", &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_SYS(access("/dev/sgx_enclave", R_OK | W_OK));
	CHECK_ERRNO(open("/dev/sgx_enclave", O_RDWR | O_DIRECTORY), ENOTDIR);
	close(fd);
}
