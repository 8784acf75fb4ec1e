/* SPDX-License-Identifier: BSD-3-Clause */
/* An enclave for measuring: through /dev/sgx_enclave and the vDSO, as programs do. */
#ifndef BENCH_ENCL_H
#define BENCH_ENCL_H

#include <cpu/measure.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE		 4096ull

#define ENCL_HEAP_SIZE	 (16ull << 20)
#define ENCL_HEAP_OFFSET (1ull << 20)

/**
 * struct encl - an enclave under construction, or built
 * @fd:		of /dev/sgx_enclave
 * @base:	of ELRANGE
 * @size:	of ELRANGE
 * @xfrm:	SECS.ATTRIBUTES.XFRM
 * @hash:	MRENCLAVE so far
 */
struct encl {
	int fd;
	uint64_t base, size;
	uint64_t xfrm;
	struct cpu_measure hash;
};

/**
 * struct encl_touch - what blob_touch works on
 * @heap: address
 * @page: numbers of pages there
 */
struct encl_touch {
	uint64_t heap;
	const uint32_t *page;
};

extern const uint8_t blob_start[], blob_end[], blob_int[], blob_mem[], blob_avx2[], blob_touch[];

int encl_create(struct encl *e, uint64_t size, uint64_t xfrm);
int encl_add(struct encl *e, uint64_t offset, const void *src, size_t pages, uint64_t secinfo,
	     bool measure);
void encl_predict(struct encl *e, uint64_t offset, const void *src, size_t pages, uint64_t secinfo,
		  bool measure);
int encl_init(struct encl *e, const char *key_path);
void encl_end(struct encl *e);
int encl_build(struct encl *e, const char *key_path, const void *src, size_t src_pages,
	       size_t heap_pages);
int encl_shared(struct encl **ret_encl);
int encl_enter(struct encl *e, const uint8_t *kernel, void *data, uint64_t rounds, uint64_t *sum);

#endif
