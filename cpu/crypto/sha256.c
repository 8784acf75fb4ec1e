/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The low-level interface, as the high-level one keeps its state behind a
 * pointer, and MRENCLAVE's state is part of the SECS page.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= CRYPTO_SHA256_STATE_WORDS * sizeof(uint64_t),
	       "the state fits");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(uint64_t), "and is aligned");

static SHA256_CTX *ctx(uint64_t state[CRYPTO_SHA256_STATE_WORDS])
{
	return (SHA256_CTX *)(void *)state;
}

void crypto_sha256_init(uint64_t state[CRYPTO_SHA256_STATE_WORDS])
{
	for (int i = 0; i < CRYPTO_SHA256_STATE_WORDS; i++)
		state[i] = 0;
	SHA256_Init(ctx(state));
}

void crypto_sha256_update(uint64_t state[CRYPTO_SHA256_STATE_WORDS], const void *data, size_t size)
{
	SHA256_Update(ctx(state), data, size);
}

void crypto_sha256_final(uint64_t state[CRYPTO_SHA256_STATE_WORDS],
			 uint8_t hash[CRYPTO_SHA256_SIZE])
{
	SHA256_Final(hash, ctx(state));
}

void crypto_sha256(const void *data, size_t size, uint8_t hash[CRYPTO_SHA256_SIZE])
{
	uint64_t state[CRYPTO_SHA256_STATE_WORDS];

	crypto_sha256_init(state);
	crypto_sha256_update(state, data, size);
	crypto_sha256_final(state, hash);
}
