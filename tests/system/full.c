/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine with 1 MiB of EPC: full, and what comes after. */
#include "encl.h"

#include <harness/harness.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define REG(rwx) (((uint64_t)SGX_PT_REG << 8) | (rwx))

static uint8_t pages[512 * 4096] __attribute__((aligned(4096)));

static uint64_t fill(struct encl *e)
{
	uint64_t count = 0;

	encl_open(e, &(struct encl_opts){.heap = 2 << 20});
	CHECK_EQ(encl_create(e), 0);
	CHECK_EQ(encl_add(e, 0, pages, sizeof(pages), REG(3), 0, &count), -ENOMEM);
	/* all but the SECS, as the last enclave's release may still be under way */
	CHECK(count / 4096 <= 254);
	return count / 4096;
}

/* Release is when the last reference goes; the machine learns it a moment later. */
static void wait_free(uint64_t want)
{
	struct encl e;

	for (int i = 0; i < 500; i++) {
		uint64_t got = fill(&e);

		encl_free(&e);
		if (got == want)
			return;
		usleep(10000);
	}
	FAIL("pages are lost: never %llu free again", (unsigned long long)want);
}

TEST(full_is_enomem_and_comes_back)
{
	struct encl e, other;

	wait_free(254);
	fill(&e);
	encl_open(&other, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&other), -ENOMEM);
	encl_free(&other);
	encl_free(&e);
	wait_free(254);
	encl_build(&e, &(struct encl_opts){0});
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
	wait_free(254);
}

TEST(failed_create_frees)
{
	struct sgx_secs secs;
	struct sgx_enclave_create c = {.src = (uint64_t)&secs};
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	encl_secs(&e, &secs);
	secs.ssaframesize = 0;
	for (int i = 0; i < 1000; i++)
		CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, &c), EIO);
	encl_free(&e);
	wait_free(254);
}

TEST(failed_add_frees)
{
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), 0);
	/* reserved fields of a TCS that are not 0 */
	memset(pages, 1, 4096);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(encl_add(&e, 0x10000, pages, 4096, (uint64_t)SGX_PT_TCS << 8, 0, NULL),
			 -EIO);
	encl_free(&e);
	wait_free(254);
}

TEST(enclaves_without_init_are_freed)
{
	struct encl e;

	for (int i = 0; i < 20; i++) {
		encl_build(&e, &(struct encl_opts){.no_init = true});
		encl_free(&e);
	}
	wait_free(254);
}
