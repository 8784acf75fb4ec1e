/* SPDX-License-Identifier: BSD-3-Clause */
#include "encl.h"

#include "../unit/cpu_test_key.h"

#include <cpu/sigstruct.h>
#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <harness/harness.h>
#include <setjmp.h>
#include <sgx/driver.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define SECINFO_TCS ((uint64_t)SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define SECINFO_REG ((uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define PROT_RW	    (PROT_READ | PROT_WRITE)

/**
 * encl_stride() - from one TCS to the next
 *
 * TCS, FS page, GS page, SSA frames.
 */
uint64_t encl_stride(const struct encl *e)
{
	return (3 + (uint64_t)e->opts.nssa * e->opts.ssaframesize) * ENCL_PAGE;
}

uint64_t encl_tcs(const struct encl *e, unsigned int i)
{
	return e->base + ENCL_TCS + i * encl_stride(e);
}

uint64_t encl_fs(const struct encl *e, unsigned int i)
{
	return encl_tcs(e, i) + ENCL_PAGE;
}

uint64_t encl_gs(const struct encl *e, unsigned int i)
{
	return encl_tcs(e, i) + 2 * ENCL_PAGE;
}

uint64_t encl_ssa(const struct encl *e, unsigned int i, unsigned int frame)
{
	return encl_tcs(e, i) + (3 + (uint64_t)frame * e->opts.ssaframesize) * ENCL_PAGE;
}

uint64_t encl_gprsgx(const struct encl *e, unsigned int i, unsigned int frame)
{
	return encl_ssa(e, i, frame + 1) - sizeof(struct sgx_gprsgx);
}

uint64_t encl_exinfo(const struct encl *e, unsigned int i, unsigned int frame)
{
	return encl_gprsgx(e, i, frame) - sizeof(struct sgx_exinfo);
}

/**
 * encl_vdso() - find __vdso_sgx_enter_enclave() through the vDSO's DT_HASH
 */
void *encl_vdso(void)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *ehdr = (const void *)base;
	const Elf64_Phdr *phdr = (const void *)(base + ehdr->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *symbols = NULL;
	const char *strings = NULL;
	const uint32_t *hash = NULL;
	uintptr_t bias = base;

	for (int i = 0; i < ehdr->e_phnum; i++) {
		if (phdr[i].p_type == PT_LOAD && !phdr[i].p_offset)
			bias = base - phdr[i].p_vaddr;
		if (phdr[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + phdr[i].p_offset);
	}
	CHECK(dyn);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		const void *p = (const void *)(bias + dyn->d_un.d_ptr);

		if (dyn->d_tag == DT_SYMTAB)
			symbols = p;
		else if (dyn->d_tag == DT_STRTAB)
			strings = p;
		else if (dyn->d_tag == DT_HASH)
			hash = p;
	}
	CHECK(symbols && strings && hash);
	for (uint32_t i = 0; i < hash[1]; i++)
		if (!strcmp(strings + symbols[i].st_name, "__vdso_sgx_enter_enclave"))
			return (void *)(bias + symbols[i].st_value);
	FAIL("the vDSO has no __vdso_sgx_enter_enclave(): is this program run by swsgx?");
}

uint64_t encl_xfrm(void)
{
	uint32_t a, b, c, d;
	uint64_t xfrm;

	__cpuid_count(SGX_CPUID_LEAF, 1, a, b, c, d);
	xfrm = ((uint64_t)d << 32 | c) & 7;
	CHECK_EQ(xfrm & SGX_XFRM_LEGACY, SGX_XFRM_LEGACY);
	return xfrm;
}

void encl_open(struct encl *e, const struct encl_opts *opts)
{
	static const char *const device[] = {
		[ENCL_UPSTREAM] = "/dev/sgx_enclave",
		[ENCL_V22] = "/dev/sgx/enclave",
	};
	uint64_t want, start;
	void *area;

	memset(e, 0, sizeof(*e));
	e->opts = *opts;
	if (!e->opts.attributes)
		e->opts.attributes = ENCL_ATTR;
	if (!e->opts.xfrm)
		e->opts.xfrm = SGX_XFRM_LEGACY;
	if (!e->opts.ssaframesize)
		e->opts.ssaframesize = 1;
	if (!e->opts.nssa)
		e->opts.nssa = 2;
	if (!e->opts.tcs_count)
		e->opts.tcs_count = 1;
	e->enter = encl_vdso();
	want = ENCL_TCS + e->opts.tcs_count * encl_stride(e) + e->opts.heap + ENCL_PAGE;
	for (e->size = 0x20000; e->size < want; e->size <<= 1)
		;
	e->fd = open(device[e->opts.interface], O_RDWR | O_CLOEXEC);
	CHECK_SYS(e->fd);
	area = mmap(NULL, 2 * e->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED);
	start = (uint64_t)area;
	e->base = (start + e->size - 1) & ~(e->size - 1);
	if (e->base > start)
		munmap(area, e->base - start);
	if (e->base < start + e->size)
		munmap((void *)(e->base + e->size), start + e->size - e->base);
	e->heap = e->base + ENCL_TCS + e->opts.tcs_count * encl_stride(e);
}

void encl_secs(const struct encl *e, struct sgx_secs *secs)
{
	memset(secs, 0, sizeof(*secs));
	secs->size = e->size;
	secs->base = e->base;
	secs->ssaframesize = e->opts.ssaframesize;
	secs->miscselect = e->opts.miscselect;
	secs->attributes.flags = e->opts.attributes;
	secs->attributes.xfrm = e->opts.xfrm;
	if (e->opts.secs_hook)
		e->opts.secs_hook(e, secs);
}

int encl_create(struct encl *e)
{
	struct sgx_secs secs;
	struct sgx_enclave_create create = {.src = (uint64_t)&secs};
	int ret;

	encl_secs(e, &secs);
	cpu_measure_ecreate(&e->measure, secs.ssaframesize, secs.size);
	ret = ioctl(e->fd, SGX_IOC_ENCLAVE_CREATE, &create);
	return ret < 0 ? -errno : ret;
}

/* What the processor does with a page, for MRENCLAVE */
static void measure_page(struct encl *e, uint64_t offset, const uint8_t *page, uint64_t secinfo)
{
	cpu_measure_eadd(&e->measure, offset, secinfo);
	for (unsigned int i = 0; i < ENCL_PAGE; i += SGX_EEXTEND_SIZE)
		cpu_measure_eextend(&e->measure, offset + i, page + i);
}

/* One page, as drivers before Linux 5.11 take them */
static int add_page(struct encl *e, uint64_t offset, const uint8_t *src,
		    const struct sgx_secinfo_arch *info, uint16_t mrmask)
{
	struct sgx_v22_add_page add = {
		.addr = e->base + offset,
		.src = (uint64_t)src,
		.secinfo = (uint64_t)info,
		.mrmask = mrmask,
	};

	return ioctl(e->fd, SGX_V22_ADD_PAGE, &add) ? -errno : 0;
}

static int add_pages(struct encl *e, struct sgx_enclave_add_pages *add)
{
	uint16_t mrmask = add->flags & SGX_PAGE_MEASURE ? 0xffff : 0;
	int ret = 0;

	if (e->opts.interface == ENCL_UPSTREAM)
		return ioctl(e->fd, SGX_IOC_ENCLAVE_ADD_PAGES, add) ? -errno : 0;
	for (; !ret && add->count < add->length; add->count += ret ? 0 : ENCL_PAGE)
		ret = add_page(e, add->offset + add->count, (const uint8_t *)add->src + add->count,
			       (const struct sgx_secinfo_arch *)add->secinfo, mrmask);
	return ret;
}

int encl_add(struct encl *e, uint64_t offset, const void *src, uint64_t size, uint64_t secinfo,
	     uint64_t flags, uint64_t *count)
{
	struct sgx_secinfo_arch info = {.flags = secinfo};
	struct sgx_enclave_add_pages add = {
		.src = (uint64_t)src,
		.offset = offset,
		.length = size,
		.secinfo = (uint64_t)&info,
		.flags = flags,
	};
	int ret = add_pages(e, &add);

	if (count)
		*count = add.count;
	e->pages += add.count / ENCL_PAGE;
	for (uint64_t i = 0; i < add.count; i += ENCL_PAGE) {
		if (flags & SGX_PAGE_MEASURE)
			measure_page(e, offset + i, (const uint8_t *)src + i, secinfo);
		else
			cpu_measure_eadd(&e->measure, offset + i, secinfo);
	}
	return ret;
}

static void add_checked(struct encl *e, uint64_t addr, const void *src, uint64_t size,
			uint64_t secinfo, uint64_t flags)
{
	uint64_t count;
	int ret = encl_add(e, addr - e->base, src, size, secinfo, flags, &count);

	if (ret)
		FAIL("ADD_PAGES at offset 0x%llx: %s", (unsigned long long)(addr - e->base),
		     strerror(-ret));
	CHECK_EQ(count, size);
}

static void add_tcs(struct encl *e, unsigned int i)
{
	static const uint8_t zeros[4096] __attribute__((aligned(4096)));
	uint64_t marks[512] __attribute__((aligned(4096)));
	struct sgx_tcs tcs __attribute__((aligned(4096)));

	memset(&tcs, 0, sizeof(tcs));
	tcs.ossa = encl_ssa(e, i, 0) - e->base;
	tcs.nssa = e->opts.nssa;
	tcs.oentry = ENCL_CODE;
	tcs.ofsbase = encl_fs(e, i) - e->base;
	tcs.ogsbase = encl_gs(e, i) - e->base;
	tcs.fslimit = tcs.gslimit = 0xfff;
	if (e->opts.tcs_hook)
		e->opts.tcs_hook(e, i, &tcs);
	add_checked(e, encl_tcs(e, i), &tcs, ENCL_PAGE, SECINFO_TCS, SGX_PAGE_MEASURE);

	memset(marks, 0, sizeof(marks));
	marks[0] = 0xf5f5f5f500000000 | i;
	add_checked(e, encl_fs(e, i), marks, ENCL_PAGE, SECINFO_REG | PROT_RW, SGX_PAGE_MEASURE);
	marks[0] = 0x6565656500000000 | i;
	add_checked(e, encl_gs(e, i), marks, ENCL_PAGE, SECINFO_REG | PROT_RW, SGX_PAGE_MEASURE);
	for (uint64_t a = encl_ssa(e, i, 0); a < encl_ssa(e, i, e->opts.nssa); a += ENCL_PAGE)
		add_checked(e, a, zeros, ENCL_PAGE, SECINFO_REG | PROT_RW, SGX_PAGE_MEASURE);
}

void encl_add_all(struct encl *e)
{
	static const uint8_t zeros[ENCL_DATA_SIZE] __attribute__((aligned(4096)));
	const uint8_t *code = e->opts.code ? e->opts.code : blob_start;

	CHECK_EQ(blob_end - blob_start, ENCL_CODE_SIZE);
	add_checked(e, e->base + ENCL_CODE, code, ENCL_CODE_SIZE,
		    SECINFO_REG | PROT_READ | PROT_EXEC, SGX_PAGE_MEASURE);
	add_checked(e, e->base + ENCL_DATA, zeros, ENCL_DATA_SIZE, SECINFO_REG | PROT_RW,
		    SGX_PAGE_MEASURE);
	add_checked(e, e->base + ENCL_RO, blob_start, ENCL_PAGE, SECINFO_REG | PROT_READ,
		    SGX_PAGE_MEASURE);
	add_checked(e, e->base + ENCL_NOX, zeros, ENCL_PAGE, SECINFO_REG | PROT_RW,
		    SGX_PAGE_MEASURE);
	add_checked(e, e->base + ENCL_RWX, zeros, ENCL_PAGE, SECINFO_REG | PROT_RW | PROT_EXEC,
		    SGX_PAGE_MEASURE);
	for (unsigned int i = 0; i < e->opts.tcs_count; i++)
		add_tcs(e, i);
	for (uint64_t at = 0; at < e->opts.heap; at += ENCL_DATA_SIZE)
		add_checked(e, e->heap + at, zeros, ENCL_DATA_SIZE, SECINFO_REG | PROT_RW, 0);
}

void encl_sign(struct encl *e)
{
	struct sgx_sigstruct_arch *s = &e->sigstruct;
	const char *key = e->opts.key ? e->opts.key : cpu_test_key, *why = "";

	memset(s, 0, sizeof(*s));
	cpu_sigstruct_init(s);
	s->date = 0x20261122;
	s->miscselect = e->opts.miscselect;
	s->miscmask = ~0u;
	s->attributes.flags = e->opts.attributes;
	s->attributes.xfrm = e->opts.xfrm;
	s->attributemask.flags = ~0ull;
	s->attributemask.xfrm = ~0ull;
	s->isvprodid = 7;
	s->isvsvn = 3;
	cpu_measure_final(&e->measure, s->enclavehash);
	if (e->opts.sign_hook)
		e->opts.sign_hook(e, s);
	if (cpu_sigstruct_sign(s, key, strlen(key), &why))
		FAIL("cannot sign: %s", why);
}

int encl_init(struct encl *e)
{
	struct sgx_enclave_init init = {.sigstruct = (uint64_t)&e->sigstruct};
	int ret = ioctl(e->fd, SGX_IOC_ENCLAVE_INIT, &init);

	return ret < 0 ? -errno : ret;
}

int encl_map(struct encl *e, uint64_t offset, uint64_t size, int prot)
{
	void *want = (void *)(e->base + offset);
	void *map = mmap(want, size, prot, MAP_SHARED | MAP_FIXED, e->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	CHECK(map == want);
	return 0;
}

void encl_map_all(struct encl *e)
{
	CHECK_EQ(encl_map(e, ENCL_CODE, ENCL_CODE_SIZE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(encl_map(e, ENCL_DATA, ENCL_DATA_SIZE, PROT_RW), 0);
	CHECK_EQ(encl_map(e, ENCL_RO, ENCL_PAGE, PROT_READ), 0);
	CHECK_EQ(encl_map(e, ENCL_NOX, ENCL_PAGE, PROT_RW), 0);
	/* before Linux 5.11 a page that is not there cannot be mapped */
	if (e->opts.interface == ENCL_UPSTREAM)
		CHECK_EQ(encl_map(e, ENCL_HOLE, ENCL_PAGE, PROT_RW), 0);
	CHECK_EQ(encl_map(e, ENCL_RWX, ENCL_PAGE, PROT_RW | PROT_EXEC), 0);
	CHECK_EQ(encl_map(e, ENCL_TCS, e->opts.tcs_count * encl_stride(e) + e->opts.heap, PROT_RW),
		 0);
}

void encl_build(struct encl *e, const struct encl_opts *opts)
{
	int ret;

	encl_open(e, opts);
	ret = encl_create(e);
	if (ret)
		FAIL("CREATE: %s", strerror(-ret));
	encl_add_all(e);
	encl_sign(e);
	if (!opts->no_init) {
		ret = encl_init(e);
		if (ret)
			FAIL("INIT: %s", strerror(-ret));
	}
	if (!opts->no_map)
		encl_map_all(e);
}

void encl_free(struct encl *e)
{
	munmap((void *)e->base, e->size);
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

static struct encl_op enter(struct encl *e, unsigned int tcs, unsigned int leaf,
			    const struct encl_regs *regs, void *stack)
{
	struct encl_op o;
	int ret;

	memset(&o, 0, sizeof(o));
	o.run.tcs = encl_tcs(e, tcs);
	o.regs = *regs;
	if (stack)
		ret = encl_vdso_call_on(&o.regs, leaf, &o.run, e->enter, stack);
	else
		ret = encl_vdso_call(&o.regs, leaf, &o.run, e->enter);
	CHECK_EQ(ret, 0);
	return o;
}

struct encl_op encl_enter(struct encl *e, unsigned int tcs, unsigned int leaf, uint64_t op,
			  uint64_t rsi, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	struct encl_regs regs = {.rdi = op, .rsi = rsi, .rdx = rdx, .r8 = r8, .r9 = r9};

	return enter(e, tcs, leaf, &regs, NULL);
}

struct encl_op encl_enter_fixed(struct encl *e, unsigned int tcs, unsigned int leaf, uint64_t op,
				uint64_t rsi, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	struct encl_regs regs = {.rdi = op, .rsi = rsi, .rdx = rdx, .r8 = r8, .r9 = r9};
	static __thread uint8_t stack[1 << 16] __attribute__((aligned(64)));

	return enter(e, tcs, leaf, &regs, stack + sizeof(stack));
}

struct encl_op encl_op(struct encl *e, unsigned int tcs, uint64_t op, uint64_t rsi, uint64_t rdx,
		       uint64_t r8, uint64_t r9)
{
	struct encl_op o = encl_enter(e, tcs, SGX_EENTER, op, rsi, rdx, r8, r9);

	if (o.run.function != SGX_EEXIT)
		FAIL("op %llu: exception %u, error code 0x%x, address 0x%llx, leaf %u",
		     (unsigned long long)op, o.run.exception_vector, o.run.exception_error_code,
		     (unsigned long long)o.run.exception_addr, o.run.function);
	return o;
}

uint64_t encl_read8(struct encl *e, unsigned int tcs, uint64_t addr)
{
	return encl_op(e, tcs, OP_READ8, addr, 0, 0, 0).regs.rdx;
}

void encl_write8(struct encl *e, unsigned int tcs, uint64_t addr, uint64_t value)
{
	encl_op(e, tcs, OP_WRITE8, addr, value, 0, 0);
}

void encl_read(struct encl *e, unsigned int tcs, void *dst, uint64_t addr, uint64_t size)
{
	encl_op(e, tcs, OP_COPY, (uint64_t)dst, addr, size, 0);
}

uint64_t encl_snippet(struct encl *e, const uint8_t *code, size_t size)
{
	/* mov %r15,%rbx; mov $4,%eax; enclu */
	static const uint8_t leave[] = {0x4c, 0x89, 0xfb, 0xb8, 4, 0, 0, 0, 0x0f, 0x01, 0xd7};
	uint8_t page[256];

	CHECK(size + sizeof(leave) <= sizeof(page));
	memset(page, 0xf4, sizeof(page));
	memcpy(page, code, size);
	memcpy(page + size, leave, sizeof(leave));
	encl_write(e, 0, e->base + ENCL_RWX, page, sizeof(page));
	return e->base + ENCL_RWX;
}

void encl_write(struct encl *e, unsigned int tcs, uint64_t addr, const void *src, uint64_t size)
{
	encl_op(e, tcs, OP_COPY, addr, (uint64_t)src, size, 0);
}

/* --- the bare machine ------------------------------------------------------------------ */

static sigjmp_buf gave_up;

/* UD2: go on behind it on a stack that is not canonical.  Anything else is the end. */
static void on_question(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)info;
	if (sig != SIGILL || r[REG_RSP] == (greg_t)ENCL_NOT_CANONICAL)
		siglongjmp(gave_up, 1);
	r[REG_RIP] += 2;
	r[REG_RSP] = (greg_t)ENCL_NOT_CANONICAL;
}

/*
 * Does a thread come back to a stack pointer that is not canonical, from a signal and
 * from interrupts?  They come often enough while it counts; vectors, since hypervisors
 * that give up emulate an instruction first.
 */
BARE(back_to_not_canonical_rsp, 1)
{
	static const int sigs[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
	static uint8_t stack[1 << 16] __attribute__((aligned(64)));
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_sigaction = on_question, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	CHECK_SYS(sigaltstack(&ss, NULL));
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		CHECK_SYS(sigaction(sigs[i], &sa, NULL));
	if (sigsetjmp(gave_up, 1))
		return 0;
	for (volatile int i = 0; i < 100; i++)
		__asm__ volatile("mov %%rsp, %%r15\n\tud2\n\tmov $200000, %%ecx\n"
				 "1:\tpsubd %%xmm0, %%xmm1\n\tdec %%ecx\n\tjnz 1b\n\t"
				 "mov %%r15, %%rsp" ::
					 : "rcx", "r15", "xmm1", "cc", "memory");
	return 1;
}

uint64_t encl_nowhere(void)
{
	return bare(back_to_not_canonical_rsp) ? ENCL_NOT_CANONICAL : ENCL_KERNELS;
}
