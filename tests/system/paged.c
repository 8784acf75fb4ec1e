/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine with 1 MiB of EPC that pages: more enclave than EPC.  a_full_backing_*: it
 * has memory for no more evicted pages than BACKING_PAGES says.
 */
#include "encl.h"

#include <harness/harness.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define REG_RW	   ((uint64_t)SGX_PT_REG << 8 | 3)
#define HEAP	   (4ull << 20)
#define HEAP_PAGES (HEAP / ENCL_PAGE)

static struct encl e, other;

static uint64_t fill(struct encl *x);

static uint64_t mark(uint64_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15;
}

static void write_all(uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		encl_write8(&e, 0, e.heap + i * ENCL_PAGE, mark(i));
}

static void read_all(uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		CHECK_EQ(encl_read8(&e, 0, e.heap + i * ENCL_PAGE), mark(i));
}

TEST_TIMEOUT(more_than_the_epc, 240)
{
	if (getenv("BY_DEVICE") && access("/dev/userfaultfd", R_OK | W_OK)) {
		printf("# NOTE /dev/userfaultfd is not for this user, or not there: no paging\n");
		CHECK(fill(&other) <= 256);
		encl_free(&other);
		return;
	}
	encl_build(&e, &(struct encl_opts){.heap = HEAP});
	for (int i = 0; i < 2; i++) {
		write_all(HEAP_PAGES);
		read_all(HEAP_PAGES);
	}
	encl_free(&e);
}

static uint64_t backing_pages(void)
{
	const char *pages = getenv("BACKING_PAGES");

	CHECK(pages);
	return strtoull(pages, NULL, 10);
}

/*
 * Pages until there is no room for one more.  Return: how many.  What is in the EPC
 * is not more than 256, all that is beyond is in the backing.
 */
static uint64_t fill(struct encl *x)
{
	static uint8_t source[512 * ENCL_PAGE] __attribute__((aligned(4096)));
	uint64_t count, total = 0;
	int ret;

	encl_open(x, &(struct encl_opts){.heap = 2 * sizeof(source)});
	ret = encl_create(x);
	while (!ret) {
		ret = encl_add(x, total * ENCL_PAGE, source, sizeof(source), REG_RW, 0, &count);
		total += count / ENCL_PAGE;
	}
	CHECK_EQ(ret, -ENOMEM);
	return total;
}

/* The machine learns of an enclave's end a moment later. */
static void wait_room(uint64_t pages)
{
	uint64_t total;

	for (int i = 0; i < 500; i++) {
		total = fill(&other);
		encl_free(&other);
		if (total >= pages)
			return;
		usleep(10000);
	}
	FAIL("room for %llu pages, and not %llu", (unsigned long long)total,
	     (unsigned long long)pages);
}

TEST_TIMEOUT(a_full_backing_is_enomem, 240)
{
	uint64_t max = backing_pages(), total = fill(&other);

	/* SECS, VA pages, and those that were to be evicted next are in the EPC */
	CHECK(total <= 256 + max && total >= 200 + max);
	encl_free(&other);
	wait_room(total);
	/* nor is there room for a SECS */
	total = fill(&other);
	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), -ENOMEM);
	encl_free(&other);
	wait_room(total);
	encl_free(&e);
}

/* Read a page.  Return: whether it could be had; the thread is outside afterwards */
static bool try_read(uint64_t page)
{
	struct encl_op o =
		encl_enter_fixed(&e, 0, SGX_EENTER, OP_READ8, e.heap + page * ENCL_PAGE, 0, 0, 0);

	/* As Linux: SIGBUS, which the vDSO shows so; the frame stays for ERESUME */
	while (o.run.function != SGX_EEXIT) {
		CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
		if (o.run.exception_error_code & SGX_PF_SGX)
			FAIL("leaf %u: lost at offset 0x%llx, error code 0x%x", o.run.function,
			     (unsigned long long)(o.run.exception_addr - e.base),
			     o.run.exception_error_code);
		if (other.fd >= 0)
			encl_free(&other);
		usleep(1000);
		o = encl_enter_fixed(&e, 0, o.run.function, OP_READ8, e.heap + page * ENCL_PAGE, 0,
				     0, 0);
	}
	CHECK_EQ(o.regs.rdx, mark(page));
	return true;
}

TEST_TIMEOUT(a_full_backing_loses_nothing, 240)
{
	uint64_t max = backing_pages(), total;

	/* as much as there is backing for: all of it can be out */
	encl_build(&e, &(struct encl_opts){.heap = (max - 48) / 4 * 4 * ENCL_PAGE});
	write_all(e.opts.heap / ENCL_PAGE);
	read_all(e.opts.heap / ENCL_PAGE);
	for (int i = 0; i < 3; i++) {
		total = fill(&other);
		CHECK(total);
		/*
		 * EPC and backing are full: the first page that is out cannot come in,
		 * until the other one has gone.
		 */
		for (uint64_t p = 0; p < e.opts.heap / ENCL_PAGE; p++)
			CHECK(try_read(p));
		if (other.fd >= 0)
			encl_free(&other);
		write_all(e.opts.heap / ENCL_PAGE);
	}
	encl_free(&e);
}
