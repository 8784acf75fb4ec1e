/* SPDX-License-Identifier: BSD-3-Clause */
/* An enclave's life in Linux's driver: built, mapped, looked into, forked, given back. */
#include "fixture.h"

#define PF_SGX 0x8000u

TEST(boot_makes_every_page_free)
{
	struct upfx *u = upfx_boot(256, 2);

	upfx_check_all_free(u);
}

TEST(boot_without_sgx_is_enodev)
{
	struct kfx *k = kfx_new(16, 1, false);

	up_knobs.no_sgx = true;
	up_cpu_init(&k->pkg, 0);
	CHECK_EQ(up_boot(), -ENODEV);
	CHECK(!up_open("sgx_enclave"));
	kfx_free(k);
}

TEST(without_launch_control_there_is_no_enclave_device)
{
	struct kfx *k = kfx_new(16, 1, false);

	up_knobs.no_flc = true;
	up_cpu_init(&k->pkg, 0);
	CHECK_EQ(up_boot(), -ENODEV);
	CHECK(!up_open("sgx_enclave"));
	kfx_free(k);
}

TEST(without_launch_control_guests_may_have_sgx)
{
	struct kfx *k = kfx_new(16, 1, false);
	struct up_file *vepc;

	up_knobs.no_flc = up_knobs.vmx = true;
	up_cpu_init(&k->pkg, 0);
	CHECK_EQ(up_boot(), 0);
	CHECK(!up_open("sgx_enclave"));
	vepc = up_open("sgx_vepc");
	CHECK(vepc);
	up_close(vepc);
	kfx_free(k);
}

TEST(life)
{
	struct upfx *u = upfx_boot(256, 2);
	struct up_encl_info info;
	struct upfx_encl x;
	uint32_t error_code;
	uint8_t *bytes;

	upfx_enclave(u, &x, true);
	up_encl_info(x.file, &info);
	CHECK(info.created && info.initialized && info.debug);
	CHECK_EQ(info.children, 5);
	CHECK_EQ(info.va_pages, 1);
	CHECK_EQ(up_free_pages(), 256 - 7);

	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE + 0x1000, KFX_BASE + 0x3000, 3), 0);
	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE + 0x3000, KFX_BASE + 0x4000, 3), -EACCES);
	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE + 0x3000, KFX_BASE + 0x4000, 1), 0);
	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE, KFX_BASE + 0x1000, 3), 0);
	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE + 0x4000, KFX_BASE + 0x5000, 5), 0);
	CHECK_EQ(up_mprotect(u->mm, KFX_BASE + 0x3000, KFX_BASE + 0x4000, 3), -EACCES);

	CHECK_EQ(up_access(u->mm, KFX_BASE + 0x1000, UP_WRITE, &error_code, &bytes), UP_OK);
	CHECK_EQ(bytes[7], 0x42);
	CHECK_EQ(upfx_access(u, KFX_BASE + 0x4000, UP_FETCH, &error_code), UP_OK);
	/* The TCS' PTE is there; its EPCM entry allows nobody. */
	CHECK_EQ(upfx_access(u, KFX_BASE, UP_READ, &error_code), UP_PF);
	CHECK_EQ(error_code & (PF_SGX | 1), PF_SGX | 1);
	CHECK_EQ(upfx_access(u, KFX_BASE + 0x3000, UP_WRITE, &error_code), UP_SEGV);
	CHECK_EQ(upfx_access(u, KFX_BASE + 0x1000, UP_FETCH, &error_code), UP_PF);
	CHECK_EQ(upfx_access(u, KFX_BASE + 0x8000, UP_READ, &error_code), UP_SEGV);
	upfx_check(u);

	up_munmap(u->mm, KFX_BASE, KFX_BASE + KFX_SIZE);
	up_close(x.file);
	upfx_check_all_free(u);
}

/* The mapping holds the file, and so the enclave, when its descriptor is closed. */
TEST(a_mapping_keeps_its_enclave)
{
	struct upfx *u = upfx_boot(256, 2);
	struct upfx_encl x;

	upfx_pages(u, &x, KFX_BASE, 8);
	up_close(x.file);
	upfx_expect(u, KFX_BASE + 5 * 4096, 5);
	CHECK(up_free_pages() < 256);
	upfx_check_all_free(u);
}

TEST(fork_shares_enclaves)
{
	struct upfx *u = upfx_boot(256, 2);
	struct up_encl_info info;
	struct up_mm *child;
	struct upfx_encl x;
	uint32_t error_code;
	uint8_t *bytes;

	upfx_pages(u, &x, KFX_BASE, 8);
	CHECK_EQ(up_access(u->mm, KFX_BASE, UP_WRITE, &error_code, &bytes), UP_OK);
	bytes[0] = 0x99;
	child = up_fork(u->mm);
	up_encl_info(x.file, &info);
	CHECK_EQ(info.mms, 2);
	CHECK_EQ(up_access(child, KFX_BASE, UP_READ, &error_code, &bytes), UP_OK);
	CHECK_EQ(bytes[0], 0x99);
	up_mm_exit(child);
	up_encl_info(x.file, &info);
	CHECK_EQ(info.mms, 1);
	up_close(x.file);
	upfx_check_all_free(u);
}

/*
 * Another bug of the driver's, in 6.1 and 6.12: docs/UPSTREAM.md.  Where the MMU notifier
 * of a first mapping cannot be had, sgx_encl_mm_add() keeps its reference to the enclave,
 * so that its EPC pages are never given back.
 */
TEST(a_mapping_without_memory_for_its_notifier_leaks_the_enclave)
{
	struct upfx *u = upfx_boot(256, 2);
	struct upfx_encl x;

	upfx_enclave(u, &x, true);
	/* Without memory for its own part of it nothing is lost. */
	up_knobs.alloc_after = 0;
	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE + 0x1000, KFX_BASE + 0x2000, 3), -ENOMEM);
	up_close(x.file);
	CHECK_EQ(up_free_pages(), 256);
	upfx_enclave(u, &x, true);
	up_knobs.alloc_after = 1;
	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE + 0x1000, KFX_BASE + 0x2000, 3), -ENOMEM);
	up_close(x.file);
	if (up_free_pages() == 256)
		FAIL("this driver gives the enclave back: docs/UPSTREAM.md and this test say that "
		     "it does not");
	upfx_check(u);
}

TEST(ptrace_of_a_debug_enclave)
{
	struct upfx *u = upfx_boot(256, 2);
	struct upfx_encl x;
	uint64_t data = 0;
	uint8_t part[3] = {1, 2, 3};

	upfx_pages(u, &x, KFX_BASE, 8);
	CHECK_EQ(up_ptrace(u->mm, KFX_BASE + 4096, &data, 8, false), 8);
	CHECK_EQ(data, 1);
	data = 0x1122334455667788;
	CHECK_EQ(up_ptrace(u->mm, KFX_BASE + 4096, &data, 8, true), 8);
	/* A part of a word is written with the rest of it as it was. */
	CHECK_EQ(up_ptrace(u->mm, KFX_BASE + 4096 + 2, part, 3, true), 3);
	CHECK_EQ(up_ptrace(u->mm, KFX_BASE + 4096, &data, 8, false), 8);
	CHECK_EQ(data, 0x1122330302017788);
	up_close(x.file);
	upfx_check_all_free(u);
}

TEST(ptrace_of_an_enclave_that_is_not_debug_is_refused)
{
	struct upfx *u = upfx_boot(256, 2);
	struct sgx_secs secs;
	struct upfx_encl x;
	uint64_t data;

	upfx_open(u, &x);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	secs.attributes.flags &= ~SGX_ATTR_DEBUG_BIT;
	CHECK_EQ(upfx_create(&x, &secs), 0);
	CHECK_EQ(upfx_add(&x, 0, 4096, UPFX_RW, 0, NULL), 0);
	CHECK_EQ(up_mmap(u->mm, x.file, KFX_BASE, KFX_BASE + 4096, 3), 0);
	CHECK_EQ(up_ptrace(u->mm, KFX_BASE, &data, 8, false), -EFAULT);
	up_close(x.file);
	upfx_check_all_free(u);
}

TEST(provision_key_wants_its_device)
{
	struct upfx *u = upfx_boot(256, 2);
	struct sgx_enclave_provision arg = {.fd = KFX_PROVISION_FD};
	struct sgx_secs secs;
	struct upfx_encl x;
	uint64_t allowed = 0;

	upfx_open(u, &x);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	secs.attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT;
	CHECK_EQ(upfx_create(&x, &secs), 0);
	CHECK_EQ(upfx_init(&x), -EACCES);
	kfx_put(x.e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(up_ioctl(x.file, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG), 0);
	CHECK_EQ(upfx_init(&x), 0);
	/* KVM asks by the same function. */
	CHECK_EQ(up_set_attribute(&allowed, 3), -EINVAL);
	CHECK_EQ(up_set_attribute(&allowed, 78), -EINVAL);
	CHECK_EQ(up_set_attribute(&allowed, KFX_PROVISION_FD), 0);
	CHECK_EQ(allowed, SGX_ATTR_PROVISION_KEY_BIT);
	up_close(x.file);
	upfx_check_all_free(u);
}
