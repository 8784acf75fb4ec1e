/* SPDX-License-Identifier: BSD-3-Clause */
/* An EPC that is too small, as Linux's driver lives with it. */
#include "fixture.h"

#include <stdlib.h>

#define EPC   256u
#define PAGES 500u

/* Each page is used in turn, and holds what was written last. */
static void use_pages(struct upfx *u, uint64_t base, unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds; round++)
		for (uint64_t n = 0; n < PAGES; n++) {
			uint64_t page = n * 7919 % PAGES, value;
			uint32_t error_code;
			uint8_t *bytes;

			CHECK_EQ(up_access(u->mm, base + page * 4096, UP_WRITE, &error_code,
					   &bytes),
				 UP_OK);
			memcpy(&value, bytes, sizeof(value));
			CHECK_EQ(value, page + round * 1000ull);
			value += 1000;
			memcpy(bytes, &value, sizeof(value));
			if (n % 50)
				continue;
			if (round % 2)
				up_cpu_enter(1, 1);
			upfx_check(u);
		}
	up_cpu_leave();
}

static void paging(void)
{
	struct upfx *u = upfx_boot(EPC, 2);
	struct up_encl_info info;
	struct upfx_encl x;

	upfx_pages(u, &x, KFX_BASE, PAGES);
	CHECK(up_counts.ksgxd_runs > 0);
	CHECK(up_cpu.leaf[SGX_EWB] >= PAGES - EPC);
	use_pages(u, KFX_BASE, 4);
	CHECK(up_cpu.leaf[SGX_ELDU] > PAGES);

	/* Everything can go in the end, and last the SECS, which comes back with a page. */
	for (int pass = 0; pass < 60; pass++)
		up_reclaim();
	up_encl_info(x.file, &info);
	CHECK_EQ(info.secs_phys, 0);
	CHECK_EQ(info.children, 0);
	upfx_expect(u, KFX_BASE + 7 * 4096, 4007);
	up_encl_info(x.file, &info);
	CHECK(info.secs_phys);
	up_close(x.file);
	upfx_check_all_free(u);
}

TEST_TIMEOUT(paging, 200)
{
	paging();
}

TEST_TIMEOUT(paging_while_ksgxd_comes_between_locks, 200)
{
	up_knobs.preempt = 3;
	up_knobs.preempt_seed = 1;
	paging();
}

/* A fault does not reclaim: it waits for ksgxd, for ever if need be. */
TEST_TIMEOUT(without_ksgxd_allocations_reclaim_and_faults_wait, 200)
{
	struct upfx *u = upfx_boot(EPC, 2);
	struct upfx_encl x;
	uint32_t error_code;
	uint64_t page;

	up_knobs.ksgxd_off = true;
	upfx_pages(u, &x, KFX_BASE, PAGES);
	for (page = 0; up_free_pages(); page++)
		upfx_expect(u, KFX_BASE + page * 4096, page);
	while (up_encl_page(x.file, KFX_BASE + page * 4096) & UP_PAGE_RESIDENT)
		page++;
	CHECK_EQ(upfx_access(u, KFX_BASE + page * 4096, UP_READ, &error_code), UP_LIVELOCK);
	up_knobs.ksgxd_off = false;
	use_pages(u, KFX_BASE, 2);
	up_close(x.file);
	upfx_check_all_free(u);
}

TEST_TIMEOUT(a_process_ends_while_its_enclave_is_reclaimed, 200)
{
	struct upfx *u = upfx_boot(EPC, 2);

	up_knobs.preempt = 2;
	for (uint64_t seed = 1; seed < 12; seed++) {
		struct up_mm *child;
		struct upfx_encl x;

		up_knobs.preempt_seed = seed;
		upfx_pages(u, &x, KFX_BASE, 300);
		child = up_fork(u->mm);
		up_reclaim();
		up_mm_exit(child);
		upfx_expect(u, KFX_BASE + seed * 4096, seed);
		up_munmap(u->mm, KFX_BASE, KFX_BASE + 300 * 4096);
		up_close(x.file);
		up_idle();
		CHECK_EQ(up_free_pages(), EPC);
		upfx_check(u);
	}
	upfx_check_all_free(u);
}

/* What was changed outside the EPC does not come back. */
TEST_TIMEOUT(tampering_is_noticed, 200)
{
	struct upfx *u = upfx_boot(EPC, 2);
	uint8_t *pcmd, *sealed;
	struct upfx_encl x;
	uint32_t error_code;
	uint64_t page = 0;

	upfx_pages(u, &x, KFX_BASE, PAGES);
	while (!(sealed = up_backing(x.file, KFX_BASE + page * 4096, &pcmd)))
		page++;
	sealed[100] ^= 1;
	CHECK_EQ(upfx_access(u, KFX_BASE + page * 4096, UP_READ, &error_code), UP_SIGBUS);
	CHECK_EQ(up_counts.warns, 1);
	/* The driver has thrown away what it could not load. */
	CHECK(!up_backing(x.file, KFX_BASE + page * 4096, &pcmd));
	CHECK_EQ(upfx_access(u, KFX_BASE + page * 4096, UP_READ, &error_code), UP_SIGBUS);
	up_counts.warns = 0;
	up_close(x.file);
	upfx_check_all_free(u);
}

/* --- two threads of a process ------------------------------------------------------------- */

struct job {
	struct upfx *u;
	struct upfx_encl *x;
	unsigned int faults;
};

static void touch_all(void *arg)
{
	struct job *j = arg;

	for (uint64_t p = 0; p < 300; p++) {
		upfx_expect(j->u, KFX_BASE + (299 - p) * 4096, 299 - p);
		j->faults++;
	}
}

TEST_TIMEOUT(two_threads_fault_in_one_enclave, 200)
{
	struct upfx *u = upfx_boot(EPC, 2);
	struct upfx_encl x;

	upfx_pages(u, &x, KFX_BASE, 300);
	up_knobs.preempt = 2;
	for (uint64_t seed = 1; seed < 8; seed++) {
		struct job j = {.u = u, .x = &x};
		struct up_thread *second = up_thread_start(touch_all, &j, u->mm);

		up_knobs.preempt_seed = seed;
		for (uint64_t p = 0; p < 300; p++)
			upfx_expect(u, KFX_BASE + p * 4096, p);
		up_thread_join(second);
		CHECK_EQ(j.faults, 300);
		upfx_check(u);
	}
	up_close(x.file);
	upfx_check_all_free(u);
}

static void fork_and_map(void *arg)
{
	struct job *j = arg;

	for (int i = 0; i < 20; i++) {
		struct up_mm *child = up_fork(j->u->mm);

		up_munmap(j->u->mm, KFX_BASE, KFX_BASE + 16 * 4096);
		CHECK_EQ(up_mmap(j->u->mm, j->x->file, KFX_BASE, KFX_BASE + 16 * 4096, 3), 0);
		up_mm_exit(child);
	}
}

TEST_TIMEOUT(one_thread_forks_while_another_faults, 200)
{
	struct upfx *u = upfx_boot(EPC, 2);
	struct upfx_encl x;

	upfx_pages(u, &x, KFX_BASE, 300);
	up_knobs.preempt = 2;
	for (uint64_t seed = 1; seed < 8; seed++) {
		struct job j = {.u = u, .x = &x};
		struct up_thread *second = up_thread_start(fork_and_map, &j, u->mm);

		up_knobs.preempt_seed = seed;
		for (uint64_t p = 16; p < 300; p++)
			upfx_expect(u, KFX_BASE + p * 4096, p);
		up_thread_join(second);
		upfx_check(u);
	}
	up_close(x.file);
	upfx_check_all_free(u);
}

static void second_ioctl(void *arg)
{
	struct job *j = arg;
	struct sgx_enclave_provision arg2 = {.fd = KFX_PROVISION_FD};
	void *at = kfx_user(j->x->e.call, KFX_USER_BASE + 4 * 4096, sizeof(arg2));

	memcpy(at, &arg2, sizeof(arg2));
	for (int i = 0; i < 200; i++)
		j->faults += up_ioctl(j->x->file, SGX_IOC_ENCLAVE_PROVISION,
				      KFX_USER_BASE + 4 * 4096) == -EBUSY;
}

/* Of two ioctls on one descriptor the second is EBUSY, and the first is none the worse. */
TEST_TIMEOUT(an_ioctl_while_another_one_runs_is_ebusy, 200)
{
	struct upfx *u = upfx_boot(EPC, 2);
	struct job j = {.u = u};
	struct up_thread *second;
	struct upfx_encl x;
	struct sgx_secs secs;
	uint64_t count, done = 0;

	upfx_open(u, &x);
	kfx_secs(&secs, KFX_BASE, 0x200000);
	CHECK_EQ(upfx_create(&x, &secs), 0);
	j.x = &x;
	up_knobs.preempt = 2;
	up_knobs.preempt_seed = 5;
	second = up_thread_start(second_ioctl, &j, u->mm);
	while (done < 100 * 4096) {
		long ret = upfx_add(&x, done, 4096 * 10, UPFX_RW, 0, &count);

		CHECK(ret == 0 || ret == -EBUSY);
		if (!ret)
			done += count;
	}
	up_thread_join(second);
	CHECK(j.faults > 0);
	up_close(x.file);
	upfx_check_all_free(u);
}
