/* SPDX-License-Identifier: BSD-3-Clause */
/* The three kernels of blob.S, outside and inside. */
#include "encl.h"
#include "probe.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* A batch takes milliseconds, so that entering does not count */
#define BATCHES	    5u
#define INT_ROUNDS  2000000u
#define MEM_ROUNDS  200000u
#define AVX2_ROUNDS 80000u

/* What the memory holds, inside as outside: no page of zeros, which could be shared */
static void fill(uint64_t *heap)
{
	for (uint64_t i = 0; i < ENCL_HEAP_SIZE / sizeof(*heap); i++)
		heap[i] = i * 0x9e3779b97f4a7c15;
}

/* Ordinary memory, but in pages of 4 KiB, as the EPC's are */
static uint64_t *outside_heap(void)
{
	static uint64_t *heap;

	if (heap)
		return heap;
	heap = mmap(NULL, ENCL_HEAP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (heap == MAP_FAILED)
		return heap = NULL;
	(void)madvise(heap, ENCL_HEAP_SIZE, MADV_NOHUGEPAGE);
	fill(heap);
	return heap;
}

/* The same in shared memory, which is what an enclave's pages are to Linux */
static uint64_t *shared_heap(void)
{
	static uint64_t *heap;

	if (heap)
		return heap;
	heap = mmap(NULL, ENCL_HEAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	if (heap == MAP_FAILED)
		return heap = NULL;
	(void)madvise(heap, ENCL_HEAP_SIZE, MADV_NOHUGEPAGE);
	fill(heap);
	return heap;
}

static const uint8_t *outside_code(void)
{
	static uint8_t *code;

	if (code)
		return code;
	code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		return code = NULL;
	memcpy(code, blob_start, (size_t)(blob_end - blob_start));
	return mprotect(code, PAGE, PROT_READ | PROT_EXEC) ? NULL : code;
}

/**
 * encl_shared() - the enclave of this process, built at the first call
 * @ret_encl: it
 *
 * Return: 0 or -errno
 */
int encl_shared(struct encl **ret_encl)
{
	static struct encl encl = {.fd = -1};
	uint64_t *heap = outside_heap();
	int ret;

	*ret_encl = &encl;
	if (encl.fd >= 0)
		return 0;
	if (!heap)
		return -ENOMEM;
	ret = encl_build(&encl, probe_key, heap, ENCL_HEAP_SIZE / PAGE, ENCL_HEAP_SIZE / PAGE);
	return ret;
}

static void call(const uint8_t *code, void *data, uint64_t rounds, uint64_t *ret_sum)
{
	register uint64_t *sum __asm__("r8") = ret_sum;

	/* Below the red zone, of which the compiler thinks that nobody touches it */
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "call *%[code]\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : "+d"(rounds)
			 : [code] "r"(code), "S"(data), "r"(sum)
			 : "rax", "rcx", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2",
			   "xmm3");
}

static int outside(struct sample *s, const uint8_t *kernel, uint64_t *heap, unsigned rounds)
{
	const uint8_t *code = outside_code();
	uint64_t start;

	if (!code || !heap)
		return -ENOMEM;
	code += kernel - blob_start;
	for (unsigned b = 0; b < BATCHES; b++) {
		start = now_ns();
		call(code, heap, rounds, &s->sum);
		batch_end(s, start, rounds);
	}
	return 0;
}

static int inside(struct sample *s, const uint8_t *kernel, unsigned rounds)
{
	struct encl *e;
	uint64_t start;
	void *heap;
	int ret = encl_shared(&e);

	if (ret)
		return ret;
	heap = (void *)(e->base + ENCL_HEAP_OFFSET);
	for (unsigned b = 0; b < BATCHES; b++) {
		start = now_ns();
		if (encl_enter(e, kernel, heap, rounds, &s->sum))
			return -EIO;
		batch_end(s, start, rounds);
	}
	return 0;
}

/* clang-format off */
/* probe_*() - time of one round.  @s: answer.  Return: 0 or -errno */
int probe_int(struct sample *s) { return outside(s, blob_int, outside_heap(), INT_ROUNDS); }
int probe_int_inside(struct sample *s) { return inside(s, blob_int, INT_ROUNDS); }
int probe_mem(struct sample *s) { return outside(s, blob_mem, outside_heap(), MEM_ROUNDS); }
int probe_mem_shared(struct sample *s) { return outside(s, blob_mem, shared_heap(), MEM_ROUNDS); }
int probe_mem_inside(struct sample *s) { return inside(s, blob_mem, MEM_ROUNDS); }
/* clang-format on */

/**
 * probe_avx2() - time of 4 KiB of AVX2, outside
 * @s: answer
 *
 * Return: 0; -ENOTSUP: this processor has none
 */
int probe_avx2(struct sample *s)
{
	if (!__builtin_cpu_supports("avx2"))
		return -ENOTSUP;
	return outside(s, blob_avx2, outside_heap(), AVX2_ROUNDS);
}

/**
 * probe_avx2_inside() - time of 4 KiB of AVX2, inside
 * @s: answer
 *
 * Return: 0; -ENOTSUP: this processor has none, or XFRM offers no AVX
 */
int probe_avx2_inside(struct sample *s)
{
	struct encl *e;
	int ret = encl_shared(&e);

	if (ret)
		return ret;
	if (!__builtin_cpu_supports("avx2") || e->xfrm != 7)
		return -ENOTSUP;
	return inside(s, blob_avx2, AVX2_ROUNDS);
}
