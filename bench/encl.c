/* SPDX-License-Identifier: BSD-3-Clause */
#include "encl.h"
#include "vdso.h"

#include <cpu/sigstruct.h>
#include <sgx/arch.h>
#include <sgx/leaf.h>

#include <asm/sgx.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE	     "/dev/sgx_enclave"
#define TCS_OFFSET   0ull
#define SSA_OFFSET   (1 * PAGE)
#define SSA_COUNT    2u
#define CODE_OFFSET  (8 * PAGE)
#define SECINFO_TCS  ((uint64_t)SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define SECINFO_REG  ((uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define SECINFO_DATA (SECINFO_REG | SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT)
#define SECINFO_CODE (SECINFO_REG | SGX_SECINFO_R_BIT | SGX_SECINFO_X_BIT)

static vdso_sgx_enter_enclave_t enter_enclave;

/* ELRANGE: size is a power of two, and base a multiple of it */
static int reserve(struct encl *e, uint64_t size)
{
	uint8_t *area = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uint64_t)area;

	if (area == MAP_FAILED)
		return -errno;
	e->base = (start + size - 1) & ~(size - 1);
	e->size = size;
	if (e->base > start)
		munmap(area, e->base - start);
	if (e->base + size < start + 2 * size)
		munmap((void *)(e->base + size), start + size - e->base);
	return 0;
}

/**
 * encl_create() - open the device and ECREATE
 * @e:	  filled in
 * @size: of ELRANGE, a power of two
 * @xfrm: 3 or more
 *
 * Return: 0 or -errno
 */
int encl_create(struct encl *e, uint64_t size, uint64_t xfrm)
{
	struct sgx_secs secs = {0};
	struct sgx_enclave_create create = {.src = (uint64_t)&secs};
	int ret;

	memset(e, 0, sizeof(*e));
	e->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (e->fd < 0)
		return -errno;
	ret = reserve(e, size);
	if (ret) {
		close(e->fd);
		return ret;
	}
	e->xfrm = xfrm;
	secs.size = size;
	secs.base = e->base;
	secs.ssaframesize = 1;
	secs.attributes.flags = SGX_ATTR_MODE64_BIT;
	secs.attributes.xfrm = xfrm;
	cpu_measure_ecreate(&e->hash, 1, size);
	if (!ioctl(e->fd, SGX_IOC_ENCLAVE_CREATE, &create))
		return 0;
	ret = -errno;
	encl_end(e);
	return ret;
}

/**
 * encl_add() - ADD_PAGES, and nothing else
 * @e:	     created
 * @offset:  in ELRANGE
 * @src:     page-aligned
 * @pages:   number of them
 * @secinfo: SECINFO.FLAGS
 * @measure: SGX_PAGE_MEASURE
 *
 * Return: 0 or -errno
 */
int encl_add(struct encl *e, uint64_t offset, const void *src, size_t pages, uint64_t secinfo,
	     bool measure)
{
	struct sgx_secinfo_arch info = {.flags = secinfo};
	uint64_t done = 0, size = pages * PAGE;

	/* A signal may cut it short */
	while (done < size) {
		struct sgx_enclave_add_pages add = {
			.src = (uint64_t)src + done,
			.offset = offset + done,
			.length = size - done,
			.secinfo = (uint64_t)&info,
			.flags = measure ? SGX_PAGE_MEASURE : 0,
		};

		if (ioctl(e->fd, SGX_IOC_ENCLAVE_ADD_PAGES, &add) && errno != EINTR)
			return -errno;
		done += add.count;
	}
	return 0;
}

/**
 * encl_predict() - what encl_add() of the same arguments does to MRENCLAVE
 * @e:	     created
 * @offset:  in ELRANGE
 * @src:     bytes
 * @pages:   number of them
 * @secinfo: SECINFO.FLAGS
 * @measure: SGX_PAGE_MEASURE
 */
void encl_predict(struct encl *e, uint64_t offset, const void *src, size_t pages, uint64_t secinfo,
		  bool measure)
{
	const uint8_t *bytes = src;

	for (uint64_t at = 0; at < pages * PAGE; at += PAGE) {
		cpu_measure_eadd(&e->hash, offset + at, secinfo);
		for (uint64_t chunk = 0; measure && chunk < PAGE; chunk += SGX_EEXTEND_SIZE)
			cpu_measure_eextend(&e->hash, offset + at + chunk, bytes + at + chunk);
	}
}

/**
 * encl_init() - sign what was predicted, and EINIT
 * @e:	      all pages added and predicted
 * @key_path: a PEM key of 3072 bits with exponent 3
 *
 * Return: 0 or -errno
 */
int encl_init(struct encl *e, const char *key_path)
{
	struct sgx_sigstruct_arch sig = {.date = 0x20250101};
	struct sgx_enclave_init init = {.sigstruct = (uint64_t)&sig};
	const char *why;
	char pem[8192];
	ssize_t size;
	int fd = open(key_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	size = read(fd, pem, sizeof(pem));
	close(fd);
	if (size <= 0)
		return -EIO;
	cpu_sigstruct_init(&sig);
	sig.attributes.flags = SGX_ATTR_MODE64_BIT;
	sig.attributes.xfrm = e->xfrm;
	memset(&sig.attributemask, 0xff, sizeof(sig.attributemask));
	cpu_measure_final(&e->hash, sig.enclavehash);
	if (cpu_sigstruct_sign(&sig, pem, (size_t)size, &why)) {
		fprintf(stderr, "bench-probe: %s: %s\n", key_path, why);
		return -EINVAL;
	}
	return ioctl(e->fd, SGX_IOC_ENCLAVE_INIT, &init) ? -errno : 0;
}

/**
 * encl_end() - the last reference goes
 * @e: created
 */
void encl_end(struct encl *e)
{
	munmap((void *)e->base, e->size);
	close(e->fd);
	e->fd = -1;
}

static int map(struct encl *e, uint64_t offset, uint64_t size, int prot)
{
	void *want = (void *)(e->base + offset);

	return mmap(want, size, prot, MAP_SHARED | MAP_FIXED, e->fd, 0) == want ? 0 : -errno;
}

/* Each piece of the heap starts with the same content */
static int add_heap(struct encl *e, const void *src, size_t src_pages, size_t pages)
{
	int ret = 0;

	for (size_t i = 0; i < pages && !ret; i += src_pages) {
		size_t n = pages - i < src_pages ? pages - i : src_pages;
		uint64_t offset = ENCL_HEAP_OFFSET + i * PAGE;

		ret = encl_add(e, offset, src, n, SECINFO_DATA, false);
		if (!ret)
			encl_predict(e, offset, src, n, SECINFO_DATA, false);
	}
	return ret;
}

static int add_all(struct encl *e)
{
	static uint8_t zeros[SSA_COUNT * PAGE] __attribute__((aligned(4096)));
	static struct sgx_tcs tcs __attribute__((aligned(4096)));
	const struct {
		uint64_t offset;
		const void *src;
		size_t pages;
		uint64_t secinfo;
		bool measure;
	} parts[] = {
		{TCS_OFFSET, &tcs, 1, SECINFO_TCS, true},
		{SSA_OFFSET, zeros, SSA_COUNT, SECINFO_DATA, true},
		{CODE_OFFSET, blob_start, 1, SECINFO_CODE, true},
	};

	tcs.ossa = SSA_OFFSET;
	tcs.nssa = SSA_COUNT;
	tcs.oentry = CODE_OFFSET;
	tcs.fslimit = tcs.gslimit = 0xffffffff;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int ret = encl_add(e, parts[i].offset, parts[i].src, parts[i].pages,
				   parts[i].secinfo, parts[i].measure);

		if (ret)
			return ret;
		encl_predict(e, parts[i].offset, parts[i].src, parts[i].pages, parts[i].secinfo,
			     parts[i].measure);
	}
	return 0;
}

/**
 * encl_build() - the enclave with the code of blob.S and a heap
 * @e:		filled in; AVX in XFRM where the machine offers it
 * @key_path:	see encl_init()
 * @src:	page-aligned, what the heap starts with, again and again
 * @src_pages:	of it
 * @heap_pages: of the heap
 *
 * Return: 0 or -errno
 */
int encl_build(struct encl *e, const char *key_path, const void *src, size_t src_pages,
	       size_t heap_pages)
{
	uint64_t size = 2 * ENCL_HEAP_OFFSET;
	int ret;

	enter_enclave = (vdso_sgx_enter_enclave_t)vdso_find("__vdso_sgx_enter_enclave");
	if (!enter_enclave)
		return -ENOSYS;
	while (size < ENCL_HEAP_OFFSET + heap_pages * PAGE)
		size *= 2;
	ret = encl_create(e, size, 7);
	if (ret)
		ret = encl_create(e, size, 3);
	if (ret)
		return ret;
	ret = add_all(e);
	if (!ret)
		ret = add_heap(e, src, src_pages, heap_pages);
	if (!ret)
		ret = encl_init(e, key_path);
	if (!ret)
		ret = map(e, TCS_OFFSET, PAGE, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = map(e, SSA_OFFSET, SSA_COUNT * PAGE, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = map(e, CODE_OFFSET, PAGE, PROT_READ | PROT_EXEC);
	if (!ret)
		ret = map(e, ENCL_HEAP_OFFSET, heap_pages * PAGE, PROT_READ | PROT_WRITE);
	if (ret)
		encl_end(e);
	return ret;
}

/* The vDSO function gives back RBX, RBP and RSP; blob.S changes no other that is ours */
static int call_vdso(uint64_t rdi, void *rsi, uint64_t rdx, uint64_t *r8,
		     struct sgx_enclave_run *run)
{
	return enter_enclave(rdi, (unsigned long)rsi, rdx, SGX_EENTER, (unsigned long)r8, 0, run);
}

/**
 * encl_enter() - one EENTER, and EEXIT
 * @e:	    of encl_build()
 * @kernel: of blob.S, or NULL: leave at once
 * @data:   its data
 * @rounds: how often
 * @sum:    what it computed; NULL without a kernel
 *
 * Return: 0, or -1: it did not leave by EEXIT.
 */
int encl_enter(struct encl *e, const uint8_t *kernel, void *data, uint64_t rounds, uint64_t *sum)
{
	struct sgx_enclave_run run = {.tcs = e->base + TCS_OFFSET};
	uint64_t offset = kernel ? (uint64_t)(kernel - blob_start) : 0;

	if (call_vdso(offset, data, rounds, sum, &run) || run.function != SGX_EEXIT) {
		fprintf(stderr, "bench-probe: exception %u inside, error code 0x%x, at 0x%llx\n",
			run.exception_vector, run.exception_error_code,
			(unsigned long long)run.exception_addr);
		return -1;
	}
	return 0;
}
