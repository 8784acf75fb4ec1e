/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ioctls, faults and mappings on two enclaves, with whatever arguments: kernel/
 * and cpu/ against the fake host of the unit tests.  The invariants of both are
 * checked after each operation, and at the end every EPC page must be free.
 *
 * The input is a sequence of operations, each one byte (what to do, and to which
 * of the two enclaves) and what the operation reads on:
 *
 *	0 open or release		1 CREATE	u16 patch count, patches
 *	2 ADD_PAGES	4 x u8 + u16	3 INIT		u16 patch count, patches
 *	4 PROVISION	u64		5 raw ioctl	u32 command, u64 argument
 *	6 fault		u16, u8, u8	7 may_map	u16, u16, u8
 *	8 access	u16, u64	9 user memory	u16 offset, u8 size, bytes
 *	10 page lacks	u8, u8		11 host		u8 fill_after, u8 signal_after
 *	12 ENCLU	u8 leaf, 3 x u16
 *
 * A patch is u16 offset, u8 value into a structure that was right.  A field that
 * the input is too short for is 0.
 */
#include "fuzz.h"

#include "../unit/kernel_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ENCLS	  2u
#define EPC_PAGES 24u

/* What CHECK() of the fixture ends in: abort(), so that libFuzzer keeps the input. */
void harness_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void harness_fail_eq(const char *file, int line, const char *a_text, const char *b_text,
		     unsigned long long a, unsigned long long b)
{
	harness_fail(file, line, "%s is 0x%llx, %s is 0x%llx", a_text, a, b_text, b);
}

struct input {
	const uint8_t *data;
	size_t size;
};

static uint64_t take(struct input *in, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes && in->size; i++, in->size--)
		value |= (uint64_t)*in->data++ << (8 * i);
	return value;
}

/* Spoil a structure at a few places. */
static void patch(struct input *in, void *mem, size_t size)
{
	uint64_t count = take(in, 2) % 17;

	while (count--) {
		uint64_t at = take(in, 2) % size;

		((uint8_t *)mem)[at] = (uint8_t)take(in, 1);
	}
}

/* Addresses in the ELRANGE that CREATE makes by default, and a bit around it */
static uint64_t take_addr(struct input *in)
{
	return KFX_BASE - 0x2000 + (take(in, 2) << 4);
}

static void do_create(struct input *in, struct kfx_encl *e)
{
	struct sgx_secs secs;

	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	patch(in, &secs, sizeof(secs));
	(void)kfx_create(e, &secs);
}

static void do_add(struct input *in, struct kfx_encl *e)
{
	struct sgx_enclave_add_pages arg = {.secinfo = KFX_SECINFO};
	struct sgx_secinfo_arch secinfo = {0};
	uint64_t offset = take(in, 1), length = take(in, 1), source = take(in, 1);

	/* The top bit of each asks for something odd. */
	arg.offset = offset & 0x80 ? take(in, 8) : offset << 12;
	arg.length = length & 0x80 ? take(in, 8) : length << 12;
	arg.src = source & 0x80 ? take(in, 8) : KFX_USER_BASE + (source << 12);
	secinfo.flags = take(in, 2);
	arg.flags = take(in, 1);
	if (arg.flags & 0x80)
		patch(in, &secinfo, sizeof(secinfo));
	kfx_put(e->call, KFX_SECINFO, &secinfo, sizeof(secinfo));
	kfx_put(e->call, KFX_ARG, &arg, sizeof(arg));
	(void)kfx_ioctl(e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG);
}

/*
 * A signature takes milliseconds to make, so that INIT succeeds for one enclave
 * alone, signed once: CREATE by default and no page.
 */
static void do_init(struct input *in, struct kfx_encl *e)
{
	static struct sgx_sigstruct_arch signed_once;
	struct sgx_sigstruct_arch sig;

	if (!signed_once.exponent) {
		struct kfx_encl empty = {0};

		kfx_secs(&empty.secs, KFX_BASE, KFX_SIZE);
		cpu_measure_ecreate(&empty.measure, empty.secs.ssaframesize, empty.secs.size);
		kfx_sigstruct(&empty, &signed_once);
		kfx_sign(&signed_once);
	}
	sig = signed_once;
	patch(in, &sig, sizeof(sig));
	(void)kfx_init(e, &sig);
}

static void do_fault(struct input *in, struct kfx_encl *e)
{
	struct sgx_mm mm = {0};
	struct sgx_fault f = {.addr = take_addr(in)};
	enum sgx_fault_verdict verdict;

	f.error_code = (uint32_t)take(in, 1);
	f.vm_prot = (uint32_t)take(in, 1);
	mm.page_grant = f.vm_prot & 0x80 ? -EAGAIN : 0;
	verdict = sgx_fault(&mm, e->encl, &f);
	/* Granted or not; never a page that the mapping may not show */
	CHECK_EQ(mm.grants, verdict == SGX_FAULT_RETRY);
	if (mm.grants)
		CHECK_EQ(sgx_may_map(e->encl, mm.addr, mm.addr + 4096, f.vm_prot, false, NULL), 0);
}

static void do_enclu(struct input *in, struct kfx_encl *e)
{
	struct cpu_regs regs = {.rax = take(in, 1)};

	regs.rbx = take_addr(in);
	regs.rcx = take_addr(in);
	regs.rdx = take_addr(in);
	(void)sgx_enclu(e->encl, &regs, NULL);
}

static void do_user(struct input *in, struct kfx *k)
{
	uint64_t offset = take(in, 2), size = take(in, 1);

	for (; size-- && in->size; offset++) {
		uint8_t byte = (uint8_t)take(in, 1);

		kfx_put(&k->call, KFX_USER_BASE + offset, &byte, 1);
	}
}

static void do_one(struct input *in, struct kfx *k, struct kfx_encl *encls)
{
	unsigned int op = (unsigned int)take(in, 1);
	struct kfx_encl *e = &encls[op >> 7];
	uint64_t a, b;

	op &= 0x7f;
	if (!e->encl || !op) {
		if (e->encl)
			kfx_release(e);
		else
			kfx_open(k, e);
		return;
	}
	switch (op % 13) {
	case 1:
		do_create(in, e);
		break;
	case 2:
		do_add(in, e);
		break;
	case 3:
		do_init(in, e);
		break;
	case 4:
		a = take(in, 8);
		kfx_put(e->call, KFX_ARG, &a, sizeof(a));
		(void)kfx_ioctl(e, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG);
		break;
	case 5:
		a = take(in, 4);
		b = take(in, 8);
		(void)kfx_ioctl(e, (unsigned int)a, b);
		break;
	case 6:
		do_fault(in, e);
		break;
	case 7:
		a = take(in, 2);
		b = a + 1 + take(in, 2);
		(void)sgx_may_map(e->encl, KFX_BASE - 0x2000 + (a << 12),
				  KFX_BASE - 0x2000 + (b << 12), (unsigned int)take(in, 1), false,
				  NULL);
		break;
	case 8:
		a = take_addr(in);
		b = take(in, 8);
		(void)sgx_access(e->encl, a, (uint32_t)(b >> 1), &b, b & 1);
		break;
	case 9:
		do_user(in, k);
		break;
	case 10:
		a = take(in, 1) % KFX_USER_PAGES;
		k->call.lacks[a] = (uint8_t)take(in, 1);
		break;
	case 11:
		k->fill_after = (int)(int8_t)take(in, 1);
		k->call.signal_after = (int)(int8_t)take(in, 1);
		break;
	case 12:
		do_enclu(in, e);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .size = size};
	struct kfx *k = kfx_new(EPC_PAGES, 2, false);
	struct kfx_encl encls[ENCLS] = {0};

	for (unsigned int i = 0; in.size && i < 200; i++) {
		do_one(&in, k, encls);
		kfx_check(k);
	}
	for (unsigned int i = 0; i < ENCLS; i++)
		if (encls[i].encl)
			kfx_release(&encls[i]);
	kfx_check_all_free(k);
	kfx_free(k);
	return 0;
}
