/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each leaf adds one 64-byte block, little-endian, zero-filled:
 *
 *	ECREATE	"ECREATE\0" SSAFRAMESIZE(4) SIZE(8)
 *	EADD	"EADD\0\0\0\0" offset(8) SECINFO's first 48 bytes
 *	EEXTEND	"EEXTEND\0" offset(8), and then the 256 bytes
 */
#include <cpu/measure.h>

#include <string.h>

#include "crypto/crypto.h"

#define BLOCK_SIZE 64

static void put(uint8_t *at, uint64_t value, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

void cpu_measure_ecreate(struct cpu_measure *m, uint32_t ssaframesize, uint64_t size)
{
	uint8_t block[BLOCK_SIZE] = "ECREATE";

	put(block + 8, ssaframesize, 4);
	put(block + 12, size, 8);
	crypto_sha256_init(m->opaque);
	crypto_sha256_update(m->opaque, block, sizeof(block));
}

void cpu_measure_eadd(struct cpu_measure *m, uint64_t offset, uint64_t secinfo_flags)
{
	uint8_t block[BLOCK_SIZE] = "EADD";

	put(block + 8, offset, 8);
	put(block + 16, secinfo_flags, 8);
	crypto_sha256_update(m->opaque, block, sizeof(block));
}

void cpu_measure_eextend(struct cpu_measure *m, uint64_t offset, const uint8_t *chunk)
{
	uint8_t blocks[BLOCK_SIZE + SGX_EEXTEND_SIZE] = "EEXTEND";

	/* In one go, as each update has a fixed cost: most of ADD_PAGES is here. */
	put(blocks + 8, offset, 8);
	memcpy(blocks + BLOCK_SIZE, chunk, SGX_EEXTEND_SIZE);
	crypto_sha256_update(m->opaque, blocks, sizeof(blocks));
}

void cpu_measure_final(const struct cpu_measure *m, uint8_t mrenclave[SGX_HASH_SIZE])
{
	struct cpu_measure copy = *m;

	crypto_sha256_final(copy.opaque, mrenclave);
}
