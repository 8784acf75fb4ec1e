/* SPDX-License-Identifier: BSD-3-Clause */
/* ELRANGEs up to the largest that CPUID offers. */
#include "encl.h"

#include <cpuid.h>
#include <harness/harness.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROT_RW (PROT_READ | PROT_WRITE)
#define PAGES	300u /* at the end of the ELRANGE; the EPC has 256 */
/* Of this size nothing else is there on x86-64 Linux: above ASan's, below programs */
#define FAR (1ull << 46)

static unsigned int largest(void)
{
	uint32_t a, b, c, d;

	__cpuid_count(SGX_CPUID_LEAF, 0, a, b, c, d);
	return d >> 8 & 0xff;
}

static void open_of(struct encl *e, uint64_t size)
{
	encl_open(e, &(struct encl_opts){0});
	CHECK_SYS(munmap((void *)e->base, e->size));
	e->base = FAR;
	e->size = size;
}

static void add_at_the_end(struct encl *e)
{
	static const uint8_t zeros[4096] __attribute__((aligned(4096)));
	const uint64_t secinfo = (uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT | PROT_RW;

	for (uint64_t i = 1; i <= PAGES; i++)
		CHECK_EQ(encl_add(e, e->size - i * ENCL_PAGE, zeros, ENCL_PAGE, secinfo, 0, NULL),
			 0);
}

TEST(the_largest_is_what_cpuid_says)
{
	for (unsigned int n = largest() - 1; n <= largest() + 1; n++) {
		struct encl e;

		open_of(&e, 1ull << n);
		CHECK_EQ(encl_create(&e), n <= largest() ? 0 : -EIO);
		close(e.fd);
	}
}

/* 64 GiB and more are what loaders ask for. */
TEST(as_large_as_loaders_want)
{
	CHECK(largest() >= 38);
}

TEST(it_runs_and_is_paged)
{
	struct encl e;
	uint64_t last;

	open_of(&e, 1ull << largest());
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	add_at_the_end(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(encl_map(&e, ENCL_TCS, encl_stride(&e), PROT_RW), 0);
	CHECK_EQ(encl_map(&e, e.size - PAGES * ENCL_PAGE, PAGES * ENCL_PAGE, PROT_RW), 0);
	last = e.base + e.size - 8;
	for (unsigned int round = 0; round < 3; round++)
		for (uint64_t i = 0; i < PAGES; i++) {
			if (round)
				CHECK_EQ(encl_read8(&e, 0, last - i * ENCL_PAGE), i + round);
			encl_write8(&e, 0, last - i * ENCL_PAGE, i + round + 1);
		}
	encl_free(&e);
}

/* Large enclaves that are empty use up what large ones may have, and no more. */
TEST(empty_ones_leave_room_for_others)
{
	struct encl e[256], small;
	unsigned int count = 0;
	int ret;

	for (unsigned int round = 0; round < 2; round++) {
		for (count = 0; count < 256; count++) {
			open_of(&e[count], 1ull << largest());
			ret = encl_create(&e[count]);
			if (ret)
				break;
		}
		CHECK(count >= 16 && count < 256);
		CHECK_EQ(ret, -ENOMEM);
		encl_build(&small, &(struct encl_opts){0});
		encl_op(&small, 0, OP_NOP, 0, 0, 0, 0);
		encl_free(&small);
		open_of(&small, 1ull << 36);
		CHECK_EQ(encl_create(&small), 0);
		close(small.fd);
		/* what is closed is there again */
		for (unsigned int i = 0; i <= count; i++)
			close(e[i].fd);
	}
}
