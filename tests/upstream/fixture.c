/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <asm/sgx.h>

static struct upfx fixture;

static void *user(uint64_t addr, size_t size, unsigned int need)
{
	const uint64_t bytes = KFX_USER_PAGES * 4096;
	uint64_t offset = addr - KFX_USER_BASE;

	if (!size || addr < KFX_USER_BASE || offset >= bytes || size > bytes - offset)
		return NULL;
	return (uint8_t *)fixture.k->call.user + offset;
}

struct upfx *upfx_boot(unsigned int pages, unsigned int sections)
{
	struct upfx *u = &fixture;

	u->k = kfx_new(pages, sections, false);
	u->pkg = up_cpu_init(&u->k->pkg, 0);
	up_hooks.user = user;
	up_hooks.kick = up_cpu_leave;
	CHECK_EQ(up_boot(), 0);
	CHECK_EQ(up_free_pages(), pages);
	u->mm = up_mm_new();
	up_mm_switch(u->mm);
	up_map_user(u->mm, KFX_USER_BASE, KFX_USER_BASE + KFX_USER_PAGES * 4096, true);
	return u;
}

void upfx_check(const struct upfx *u)
{
	const char *why = "";

	if (!cpu_check_invariants(u->pkg, &why))
		FAIL("processor invariant: %s", why);
	if (up_counts.warns)
		FAIL("the driver warns: %s", up_last_warn);
}

void upfx_check_all_free(struct upfx *u)
{
	up_mm_exit(u->mm);
	u->mm = NULL;
	upfx_check(u);
	CHECK_EQ(up_free_pages(), u->pkg->epc_pages);
	CHECK_EQ(up_counts.shmem_pages, 0);
	for (epc_slot_t slot = 0; slot < u->pkg->epc_pages; slot++)
		CHECK_EQ(u->pkg->epcm[slot].valid, 0);
}

void upfx_open(struct upfx *u, struct upfx_encl *x)
{
	memset(x, 0, sizeof(*x));
	x->u = u;
	x->e.k = u->k;
	x->e.call = &u->k->call;
	x->file = up_open("sgx_enclave");
	CHECK(x->file);
}

long upfx_create(struct upfx_encl *x, const struct sgx_secs *secs)
{
	struct sgx_enclave_create arg = {.src = KFX_SECS};
	long ret;

	kfx_put(x->e.call, KFX_SECS, secs, sizeof(*secs));
	kfx_put(x->e.call, KFX_ARG, &arg, sizeof(arg));
	ret = up_ioctl(x->file, SGX_IOC_ENCLAVE_CREATE, KFX_ARG);
	if (!ret) {
		x->e.secs = *secs;
		cpu_measure_ecreate(&x->e.measure, secs->ssaframesize, secs->size);
	}
	return ret;
}

long upfx_add(struct upfx_encl *x, uint64_t offset, uint64_t length, uint64_t secinfo,
	      uint64_t flags, uint64_t *count)
{
	struct sgx_enclave_add_pages arg = {
		.src = KFX_SOURCE,
		.offset = offset,
		.length = length,
		.secinfo = KFX_SECINFO,
		.flags = flags,
		.count = 0xdead,
	};
	struct sgx_secinfo_arch info = {.flags = secinfo};
	long ret;

	kfx_put(x->e.call, KFX_SECINFO, &info, sizeof(info));
	kfx_put(x->e.call, KFX_ARG, &arg, sizeof(arg));
	ret = up_ioctl(x->file, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG);
	memcpy(&arg, kfx_user(x->e.call, KFX_ARG, sizeof(arg)), sizeof(arg));
	if (count)
		*count = arg.count;
	for (uint64_t at = 0; arg.count != 0xdead && at < arg.count; at += 4096)
		kfx_measure(&x->e, offset + at, secinfo, flags & SGX_PAGE_MEASURE,
			    kfx_user(x->e.call, KFX_SOURCE + at, 4096));
	return ret;
}

long upfx_init(struct upfx_encl *x)
{
	struct sgx_enclave_init arg = {.sigstruct = KFX_SIGSTRUCT};
	struct sgx_sigstruct_arch sig;

	kfx_sigstruct(&x->e, &sig);
	kfx_sign(&sig);
	kfx_put(x->e.call, KFX_SIGSTRUCT, &sig, sizeof(sig));
	kfx_put(x->e.call, KFX_ARG, &arg, sizeof(arg));
	return up_ioctl(x->file, SGX_IOC_ENCLAVE_INIT, KFX_ARG);
}

void upfx_enclave(struct upfx *u, struct upfx_encl *x, bool init)
{
	struct sgx_secs secs;
	struct sgx_tcs tcs;

	upfx_open(u, x);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(upfx_create(x, &secs), 0);
	kfx_tcs(&tcs);
	kfx_put(x->e.call, KFX_SOURCE, &tcs, sizeof(tcs));
	CHECK_EQ(upfx_add(x, 0x0000, 0x1000, KFX_TCS, SGX_PAGE_MEASURE, NULL), 0);
	memset(kfx_user(x->e.call, KFX_SOURCE, 0x2000), 0x42, 0x2000);
	CHECK_EQ(upfx_add(x, 0x1000, 0x2000, UPFX_RW, SGX_PAGE_MEASURE, NULL), 0);
	CHECK_EQ(upfx_add(x, 0x3000, 0x1000, KFX_REG | KFX_R, 0, NULL), 0);
	CHECK_EQ(upfx_add(x, 0x4000, 0x1000, KFX_REG | KFX_R | KFX_X, SGX_PAGE_MEASURE, NULL), 0);
	if (init)
		CHECK_EQ(upfx_init(x), 0);
	upfx_check(u);
}

void upfx_pages(struct upfx *u, struct upfx_encl *x, uint64_t base, unsigned int pages)
{
	struct sgx_secs secs;
	uint64_t size = 8192;

	while (size < pages * 4096ull)
		size *= 2;
	upfx_open(u, x);
	kfx_secs(&secs, base, size);
	CHECK_EQ(upfx_create(x, &secs), 0);
	for (uint64_t p = 0; p < pages; p++) {
		memcpy(kfx_user(x->e.call, KFX_SOURCE, sizeof(p)), &p, sizeof(p));
		CHECK_EQ(upfx_add(x, p * 4096, 4096, UPFX_RW, 0, NULL), 0);
	}
	CHECK_EQ(upfx_init(x), 0);
	CHECK_EQ(up_mmap(u->mm, x->file, base, base + pages * 4096ull, 3), 0);
	upfx_check(u);
}

enum up_verdict upfx_access(struct upfx *u, uint64_t addr, enum up_kind kind, uint32_t *error_code)
{
	uint8_t *bytes;

	return up_access(u->mm, addr, kind, error_code, &bytes);
}

void upfx_expect(struct upfx *u, uint64_t addr, uint64_t value)
{
	uint32_t error_code;
	uint8_t *bytes;

	CHECK_EQ(up_access(u->mm, addr, UP_READ, &error_code, &bytes), UP_OK);
	CHECK_MEM(bytes, &value, sizeof(value));
}
