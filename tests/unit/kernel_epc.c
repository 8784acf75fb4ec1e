/* SPDX-License-Identifier: BSD-3-Clause */
/* The EPC: exhaustion, leaks, sanitising, sections; and the page array. */
#include "kernel_fixture.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LARGE 0x100000ull /* an ELRANGE of as many pages as the EPCs below have */

TEST(full_epc_is_enomem_and_nothing_is_lost)
{
	struct kfx *k = kfx_new(32, 2, true);
	struct kfx_encl e, second;
	struct sgx_epc_info info;
	struct sgx_secs secs;
	uint64_t count;

	kfx_open(k, &e);
	kfx_open(k, &second);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	/* 30 pages are left beside SECS and VA page, in two sections. */
	CHECK_EQ(kfx_add(&e, 0, 0x20000, KFX_REG | KFX_R, 0, &count), -ENOMEM);
	CHECK_EQ(count, 30 * 4096);
	CHECK_EQ(kfx_add(&e, 0x30000, 0x1000, KFX_REG | KFX_R, 0, &count), -ENOMEM);
	CHECK_EQ(count, 0);
	CHECK_EQ(kfx_create(&second, &secs), -ENOMEM);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.free, 0);
	CHECK_EQ(info.reg, 30);
	CHECK_EQ(info.secs, 1);
	CHECK_EQ(info.va, 1);
	CHECK_EQ(info.enclaves, 2);
	kfx_check(k);
	kfx_release(&e);
	CHECK_EQ(kfx_create(&second, &secs), 0);
	kfx_release(&second);
	kfx_check_all_free(k);
	CHECK_EQ(k->logs, 0);
	kfx_free(k);
}

TEST(release_at_every_stage_frees_all)
{
	struct kfx *k = kfx_new(32, 1, true);
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	kfx_release(&e);
	kfx_check_all_free(k);
	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, 4096);
	CHECK_EQ(kfx_create(&e, &secs), -EIO);
	kfx_release(&e);
	kfx_check_all_free(k);
	kfx_enclave(k, &e, false);
	kfx_check(k);
	CHECK_EQ(k->tcs_live, 1);
	kfx_release(&e);
	kfx_check_all_free(k);
	CHECK_EQ(k->tcs_live, 0);
	kfx_enclave(k, &e, true);
	kfx_check(k);
	kfx_release(&e);
	kfx_check_all_free(k);
	kfx_free(k);
}

/* What is set aside for one enclave nobody else gets, and its ADD_PAGES does. */
TEST(reserved_pages_are_for_their_enclave)
{
	struct kfx *k = kfx_new(256, 1, true);
	struct kfx_encl e, other;
	struct sgx_epc_info info;
	struct sgx_secs secs;
	uint64_t count = 0;
	long ret;

	kfx_enclave(k, &e, false);
	kfx_open(k, &other);
	kfx_secs(&secs, KFX_BASE + LARGE, LARGE);
	CHECK_EQ(kfx_create(&other, &secs), 0);
	/* a part of the EPC at most, and one of these is for a VA page */
	CHECK_EQ(sgx_encl_reserve(e.encl, 4), 4);
	CHECK_EQ(sgx_encl_reserve(e.encl, 100), 256 / 32 - 1);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.reserved, 8);
	kfx_check(k);
	/* the other takes all that it can get */
	do {
		ret = kfx_add(&other, count * 4096, 4096, KFX_REG | KFX_R, 0, NULL);
		count += !ret;
	} while (!ret);
	CHECK_EQ(ret, -ENOMEM);
	CHECK_EQ(count, info.free - 8);
	CHECK_EQ(sgx_encl_reserve(other.encl, 1), 0);
	kfx_check(k);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(kfx_add(&e, 0x20000 + i * 4096ull, 4096, KFX_REG | KFX_R, 0, NULL), 0);
		kfx_check(k);
	}
	CHECK_EQ(kfx_add(&e, 0x30000, 4096, KFX_REG | KFX_R, 0, NULL), -ENOMEM);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.reserved, 0);
	CHECK_EQ(info.free, 0);
	kfx_release(&other);
	/* given back: by name, and with the enclave */
	CHECK(sgx_encl_reserve(e.encl, 4) == 4);
	sgx_encl_unreserve(e.encl);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.reserved, 0);
	CHECK(sgx_encl_reserve(e.encl, 4) == 4);
	kfx_release(&e);
	kfx_check_all_free(k);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.reserved, 0);
	kfx_free(k);
}

/* Not the last free pages: an EPC that is nearly full is for who asks now. */
TEST(nothing_is_reserved_below_the_watermark)
{
	struct kfx *k = kfx_new(256, 1, true);
	struct kfx_encl e, other;
	struct sgx_epc_info info;
	struct sgx_secs secs;

	kfx_enclave(k, &e, false);
	kfx_open(k, &other);
	kfx_secs(&secs, KFX_BASE + LARGE, LARGE);
	CHECK_EQ(kfx_create(&other, &secs), 0);
	for (uint64_t page = 0;; page++) {
		sgx_epc_info(k->sgx, &info);
		if (info.free <= info.low)
			break;
		CHECK_EQ(kfx_add(&other, page * 4096, 4096, KFX_REG | KFX_R, 0, NULL), 0);
	}
	CHECK_EQ(sgx_encl_reserve(e.encl, 1), 0);
	CHECK_EQ(info.reserved, 0);
	kfx_release(&other);
	kfx_release(&e);
	kfx_check_all_free(k);
	kfx_free(k);
}

/* EREMOVE refuses while a thread is inside: the pages are leaked, and said to be. */
TEST(what_eremove_refuses_is_leaked)
{
	struct kfx *k = kfx_new(32, 1, true);
	struct sgx_epc_info info;
	struct kfx_encl e;

	kfx_enclave(k, &e, true);
	k->busy = true;
	kfx_release(&e);
	k->busy = false;
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.leaked, 6); /* the children, and so the SECS */
	CHECK_EQ(info.free, 26);
	CHECK_EQ(k->logs, 6);
	CHECK(strstr(k->last_log, "0xd, page leaked")); /* SGX_CHILD_PRESENT */
	kfx_check(k);
	/* The rest of the EPC serves on. */
	kfx_enclave(k, &e, true);
	kfx_check(k);
	kfx_release(&e);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.free, 26);
	kfx_free(k);
}

/* A subsystem that starts on an EPC in which another one left enclaves. */
TEST(leftovers_are_sanitised)
{
	struct kfx *k = kfx_new(32, 2, true);
	struct sgx_subsystem *first = k->sgx;
	struct kfx_encl a, b, e;
	struct sgx_epc_info info;
	struct sgx_secs secs;
	uint64_t count;

	kfx_enclave(k, &a, true);
	kfx_enclave(k, &b, false);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	/* As at sgx_release() without the processor knowing */
	k->sgx = sgx_init(&k->pkg, kfx_host_ops(), k);
	CHECK(k->sgx);
	k->tcs_live = 0;
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.free, 32);
	kfx_open(k, &e);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	/* All of it can be had, the old SECS pages last. */
	CHECK_EQ(kfx_add(&e, 0, 0x20000, KFX_REG | KFX_R, 0, &count), -ENOMEM);
	CHECK_EQ(count, 30 * 4096);
	kfx_check(k);
	kfx_release(&e);
	kfx_check_all_free(k);
	CHECK_EQ(k->logs, 0);

	/* The first one only lets go of its own memory now. */
	sgx_release(a.encl);
	sgx_release(b.encl);
	sgx_exit(first);
	kfx_free(k);
}

/* What another subsystem left, and EREMOVE refuses, is leaked: it was counted as free. */
TEST(leftovers_in_use_are_leaked)
{
	struct kfx *k = kfx_new(32, 1, true);
	struct sgx_subsystem *first = k->sgx;
	struct kfx_encl a, e;
	struct sgx_epc_info info;
	struct sgx_secs secs;
	uint64_t count;

	kfx_enclave(k, &a, true);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	k->sgx = sgx_init(&k->pkg, kfx_host_ops(), k);
	CHECK(k->sgx);
	k->tcs_live = 0;
	kfx_open(k, &e);
	k->busy = true;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(kfx_add(&e, 0, 0x20000, KFX_REG | KFX_R, 0, &count), -ENOMEM);
	k->busy = false;
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.leaked, 6); /* the children, and so the SECS */
	CHECK_EQ(info.free, 0);
	CHECK_EQ(count, (32 - 6 - 2) * 4096); /* beside a SECS and a VA page */
	CHECK_EQ(k->logs, 6);
	kfx_check(k);
	kfx_release(&e);
	kfx_check(k);
	sgx_release(a.encl);
	sgx_exit(first);
	kfx_free(k);
}

/* 64 GiB: no memory of pages that nobody uses is touched. */
TEST(a_huge_epc_costs_nothing)
{
	const unsigned int pages = 64u << 18;
	const size_t epcm_size = pages * sizeof(struct epcm_entry);
	unsigned char *resident = calloc(epcm_size / 4096, 1);
	struct kfx *k = kfx_new(32, 1, false);
	struct sgx_subsystem *sgx;
	struct sgx_epc_info info;
	struct cpu_package pkg = k->pkg;
	size_t touched = 0;

	CHECK(resident);
	pkg.epcm = mmap(NULL, epcm_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(pkg.epcm != MAP_FAILED);
	pkg.epc_pages = pages;
	pkg.section[0].pages = pages;
	sgx = sgx_init(&pkg, kfx_host_ops(), k);
	CHECK(sgx);
	sgx_epc_info(sgx, &info);
	CHECK_EQ(info.free, pages);
	CHECK_SYS(mincore(pkg.epcm, epcm_size, resident));
	for (size_t i = 0; i < epcm_size / 4096; i++)
		touched += resident[i] & 1;
	CHECK_EQ(touched, 0);
	sgx_exit(sgx);
	munmap(pkg.epcm, epcm_size);
	free(resident);
	kfx_free(k);
}

/* Pages far apart in the largest ELRANGE; ranges as large as it is. */
TEST(sparse_pages)
{
	static const uint64_t offsets[] = {
		0, 0x1000, 0x3f000, 0x40000, 0x41000, 0x12345000, 0x4000000000ull, 0x7ffffff000ull,
	};
	const unsigned int count = sizeof(offsets) / sizeof(offsets[0]);
	const uint64_t size = 1ull << 39;
	struct kfx *k = kfx_new(32, 1, true);
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, size);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + size, 7, false, NULL), 0);
	for (unsigned int i = 0; i < count; i++) {
		/* The pages before and after do not exist, as far as anybody can tell. */
		CHECK_EQ(kfx_add(&e, offsets[i], 0x1000, KFX_REG | KFX_R, 0, NULL), 0);
		CHECK_EQ(kfx_add(&e, offsets[i], 0x1000, KFX_REG | KFX_R, 0, NULL), -EBUSY);
		CHECK_EQ(sgx_may_map(e.encl, KFX_BASE + offsets[i], KFX_BASE + offsets[i] + 4096, 3,
				     false, NULL),
			 -EACCES);
		kfx_check(k);
	}
	for (unsigned int i = 0; i < count; i++) {
		uint64_t from = offsets[i] + 4096, to = i + 1 < count ? offsets[i + 1] : size;

		if (from == to)
			continue;
		CHECK_EQ(sgx_may_map(e.encl, KFX_BASE + from, KFX_BASE + to, 7, false, NULL), 0);
		CHECK_EQ(sgx_may_map(e.encl, KFX_BASE + from - 4096, KFX_BASE + to, 7, false, NULL),
			 -EACCES);
		if (to < size)
			CHECK_EQ(sgx_may_map(e.encl, KFX_BASE + from, KFX_BASE + to + 4096, 7,
					     false, NULL),
				 -EACCES);
	}
	/* What fails leaves no entry behind. */
	memset(kfx_user(e.call, KFX_SOURCE, 4096), 0xff, 4096);
	for (unsigned int i = 0; i < 64; i++)
		CHECK_EQ(kfx_add(&e, 0x100000000ull * (i + 2) + 0x7000, 0x1000, KFX_TCS, 0, NULL),
			 -EIO);
	kfx_check(k);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE + 0x100000000ull, KFX_BASE + 0x4000000000ull, 7,
			     false, NULL),
		 0);
	kfx_release(&e);
	kfx_check_all_free(k);
	kfx_free(k);
}
