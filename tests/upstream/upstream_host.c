/* SPDX-License-Identifier: BSD-3-Clause */
/* What befalls a machine with Linux's driver, and what it has for guests of KVM. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PF_SGX	  0x8000u
#define VEPC_BASE 0x700000000000ull

TEST(a_sleep_state_takes_every_enclave)
{
	struct upfx *u = upfx_boot(256, 2);
	uint8_t random[32] = {1};
	struct upfx_encl x, y;
	uint32_t error_code;

	upfx_pages(u, &x, KFX_BASE, 8);
	upfx_expect(u, KFX_BASE, 0);
	up_cpu_lose_all(random);
	CHECK_EQ(upfx_access(u, KFX_BASE, UP_READ, &error_code), UP_PF);
	CHECK_EQ(error_code & PF_SGX, PF_SGX);
	CHECK_EQ(upfx_access(u, KFX_BASE + 4096, UP_READ, &error_code), UP_PF);
	/* A new one is built where the old one was. */
	up_munmap(u->mm, KFX_BASE, KFX_BASE + 8 * 4096);
	up_close(x.file);
	upfx_pages(u, &y, KFX_BASE, 8);
	upfx_expect(u, KFX_BASE + 3 * 4096, 3);
	up_close(y.file);
	upfx_check_all_free(u);
}

/*
 * A bug of the driver's, in 6.1 and 6.12: docs/UPSTREAM.md tells of it.  After a sleep
 * state EWB fails, so that the reclaimer frees the page's version slot and yet calls the
 * page evicted; the next fault looks for the version that it has not, at NULL.
 */
static void sleep_reclaim_fault(void)
{
	struct upfx *u = upfx_boot(256, 2);
	uint8_t random[32] = {1};
	struct upfx_encl x;
	uint32_t error_code;

	upfx_pages(u, &x, KFX_BASE, 4);
	up_cpu_lose_all(random);
	up_reclaim();
	(void)upfx_access(u, KFX_BASE, UP_READ, &error_code);
}

TEST(a_fault_after_sleep_and_reclaim_is_a_null_dereference)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		sleep_reclaim_fault();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		FAIL("this driver has no NULL dereference there: docs/UPSTREAM.md and this test "
		     "say that it has");
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 1);
}

TEST(a_memory_error_in_a_page)
{
	struct upfx *u = upfx_boot(256, 2);
	struct upfx_encl x;
	uint32_t error_code;
	uint64_t phys;

	CHECK_EQ(up_memory_failure(0x10), -ENXIO);
	upfx_pages(u, &x, KFX_BASE, 8);
	upfx_expect(u, KFX_BASE, 0);
	upfx_expect(u, KFX_BASE + 4096, 1);
	phys = up_phys(u->mm, KFX_BASE);
	CHECK_EQ(up_memory_failure(phys >> 12), 0);
	up_cpu_lose(phys);
	CHECK_EQ(upfx_access(u, KFX_BASE, UP_READ, &error_code), UP_SIGBUS);
	upfx_expect(u, KFX_BASE + 4096, 1);
	up_munmap(u->mm, KFX_BASE, KFX_BASE + 8 * 4096);
	up_close(x.file);
	up_idle();
	/* It counts as free, and is never used again. */
	CHECK_EQ(up_free_pages(), 256);
	upfx_pages(u, &x, KFX_BASE, 220);
	for (uint64_t p = 0; p < 220; p++) {
		upfx_expect(u, KFX_BASE + p * 4096, p);
		CHECK(up_phys(u->mm, KFX_BASE + p * 4096) != phys);
	}
	upfx_check(u);
}

TEST(a_memory_error_in_a_free_page_is_taken_from_the_list)
{
	struct upfx *u = upfx_boot(256, 2);
	struct upfx_encl x;
	uint64_t bad = 0;

	CHECK_EQ(up_memory_failure((KFX_EPC_BASE >> 12) + 90), 0);
	up_cpu_lose(KFX_EPC_BASE + 90 * 4096);
	upfx_pages(u, &x, KFX_BASE, 100);
	for (uint64_t p = 0; p < 100; p++) {
		upfx_expect(u, KFX_BASE + p * 4096, p);
		bad += up_phys(u->mm, KFX_BASE + p * 4096) == KFX_EPC_BASE + 90 * 4096;
	}
	CHECK_EQ(bad, 0);
	up_close(x.file);
	up_mm_exit(u->mm);
	upfx_check(u);
}

TEST(an_eremove_that_is_refused_leaks_the_page_with_a_warning)
{
	struct upfx *u = upfx_boot(256, 2);
	struct upfx_encl x;

	upfx_enclave(u, &x, false);
	up_cpu.busy = true;
	up_close(x.file);
	up_cpu.busy = false;
	CHECK(up_counts.warns > 0);
	CHECK(up_free_pages() < 256);
}

/* --- guests -------------------------------------------------------------------------------- */

static struct upfx *boot_with_guests(struct up_file **vepc)
{
	struct upfx *u;

	up_knobs.vmx = true;
	u = upfx_boot(256, 2);
	*vepc = up_open("sgx_vepc");
	CHECK(*vepc);
	CHECK_EQ(up_mmap(u->mm, *vepc, VEPC_BASE, VEPC_BASE + 16 * 4096, 3), 0);
	return u;
}

/* The EPC page at a page of the guest's */
static uint64_t guest_page(struct upfx *u, unsigned int n)
{
	uint32_t error_code;

	(void)upfx_access(u, VEPC_BASE + n * 4096ull, UP_READ, &error_code);
	return up_phys(u->mm, VEPC_BASE + n * 4096ull);
}

TEST(virtual_epc_gives_pages_at_faults)
{
	struct up_file *vepc;
	struct upfx *u = boot_with_guests(&vepc);
	uint64_t a = guest_page(u, 0), b = guest_page(u, 1);

	CHECK(a && b && a != b);
	CHECK_EQ(up_free_pages(), 254);
	CHECK_EQ(guest_page(u, 0), a);
	CHECK_EQ(up_ioctl(vepc, SGX_IOC_VEPC_REMOVE_ALL, 1), -EINVAL);
	CHECK_EQ(up_ioctl(vepc, SGX_IOC_VEPC_REMOVE_ALL, 0), 0);
	CHECK_EQ(up_ioctl(vepc, SGX_IOC_ENCLAVE_CREATE, 0), -ENOTTY);
	up_close(vepc);
	upfx_check_all_free(u);
}

TEST(kvm_makes_the_guests_secs)
{
	static _Alignas(4096) struct sgx_secs secs;
	struct sgx_secinfo_arch secinfo = {0};
	struct sgx_pageinfo pageinfo = {.srcpge = (uint64_t)&secs, .secinfo = (uint64_t)&secinfo};
	struct up_file *vepc;
	struct upfx *u = boot_with_guests(&vepc);
	uint64_t phys = guest_page(u, 0);
	int trap = 0;

	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(up_virt_ecreate(&pageinfo, phys, &trap), 0);
	/* Again it is a #PF, which KVM gives to its guest. */
	CHECK_EQ(up_virt_ecreate(&pageinfo, phys, &trap), -EFAULT);
	CHECK_EQ(trap, 14);
	secs.size = 0;
	CHECK_EQ(up_virt_ecreate(&pageinfo, guest_page(u, 1), &trap), -EFAULT);
	CHECK_EQ(trap, 13);
	CHECK_EQ(up_ioctl(vepc, SGX_IOC_VEPC_REMOVE_ALL, 0), 0);
	up_close(vepc);
	upfx_check_all_free(u);
}

/* EINIT with the guest's hash of the launch key: an enclave without pages starts. */
TEST(kvm_starts_the_guests_enclave)
{
	static _Alignas(4096) struct sgx_secs secs;
	static _Alignas(4096) struct sgx_sigstruct_arch sig;
	static _Alignas(4096) uint8_t token[4096];
	struct sgx_secinfo_arch secinfo = {0};
	struct sgx_pageinfo pageinfo = {.srcpge = (uint64_t)&secs, .secinfo = (uint64_t)&secinfo};
	struct up_file *vepc;
	struct upfx *u = boot_with_guests(&vepc);
	uint64_t phys = guest_page(u, 0), hash[4];
	struct kfx_encl e = {.k = u->k, .call = &u->k->call};
	uint8_t mrsigner[32];
	int trap = 0;

	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	e.secs = secs;
	CHECK_EQ(up_virt_ecreate(&pageinfo, phys, &trap), 0);
	cpu_measure_ecreate(&e.measure, secs.ssaframesize, secs.size);
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	memset(hash, 0, sizeof(hash));
	/* Another launch key's: SGX_INVALID_EINITTOKEN */
	CHECK_EQ(up_virt_einit(&sig, token, phys, hash, &trap), SGX_ERR_INVALID_EINITTOKEN);
	cpu_sigstruct_mrsigner(&sig, mrsigner);
	memcpy(hash, mrsigner, sizeof(hash));
	CHECK_EQ(up_virt_einit(&sig, token, phys, hash, &trap), 0);
	CHECK_EQ(up_ioctl(vepc, SGX_IOC_VEPC_REMOVE_ALL, 0), 0);
	up_close(vepc);
	upfx_check_all_free(u);
}

/* A guest's SECS stays until its children are gone, also when they are in another file. */
TEST(a_guests_secs_goes_after_its_children)
{
	static _Alignas(4096) struct sgx_secs secs;
	static _Alignas(4096) uint8_t source[4096];
	struct sgx_secinfo_arch secinfo = {0}, rw = {.flags = UPFX_RW};
	struct sgx_pageinfo pageinfo = {.srcpge = (uint64_t)&secs, .secinfo = (uint64_t)&secinfo};
	struct sgx_pageinfo add = {
		.linaddr = KFX_BASE, .srcpge = (uint64_t)source, .secinfo = (uint64_t)&rw};
	struct up_file *vepc, *other;
	struct upfx *u = boot_with_guests(&vepc);
	uint64_t parent = guest_page(u, 0);
	int trap;

	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(up_virt_ecreate(&pageinfo, parent, &trap), 0);
	other = up_open("sgx_vepc");
	CHECK_EQ(up_mmap(u->mm, other, VEPC_BASE + 32 * 4096, VEPC_BASE + 48 * 4096, 3), 0);
	add.secs = parent;
	CHECK(up_cpu_guest(SGX_EADD, &add, guest_page(u, 32)));
	CHECK_EQ(up_ioctl(vepc, SGX_IOC_VEPC_REMOVE_ALL, 0), 1);
	up_munmap(u->mm, VEPC_BASE, VEPC_BASE + 32 * 4096);
	up_close(vepc);
	CHECK_EQ(up_free_pages(), 254);
	up_munmap(u->mm, VEPC_BASE, VEPC_BASE + 64 * 4096);
	up_close(other);
	upfx_check_all_free(u);
}
