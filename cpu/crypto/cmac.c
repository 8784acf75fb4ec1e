/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CMAC from one AES block operation (NIST SP 800-38B): libcrypto's own CMAC
 * allocates and fetches, which may fail; a leaf's commit may not.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto.h"

#include <openssl/aes.h>
#include <string.h>

#define BLOCK 16

/* Multiplication by x in GF(2^128), big-endian. */
static void doubled(uint8_t out[BLOCK], const uint8_t in[BLOCK])
{
	uint8_t carry = in[0] >> 7;

	for (int i = 0; i < BLOCK - 1; i++)
		out[i] = (uint8_t)(in[i] << 1 | in[i + 1] >> 7);
	out[BLOCK - 1] = (uint8_t)(in[BLOCK - 1] << 1) ^ (carry ? 0x87 : 0);
}

static void xor_block(uint8_t to[BLOCK], const uint8_t from[BLOCK])
{
	for (int i = 0; i < BLOCK; i++)
		to[i] ^= from[i];
}

void crypto_cmac(const uint8_t key[CRYPTO_AES_KEY_SIZE], const void *data, size_t size,
		 uint8_t mac[CRYPTO_AES_KEY_SIZE])
{
	uint8_t l[BLOCK] = {0}, k1[BLOCK], k2[BLOCK], last[BLOCK] = {0}, x[BLOCK] = {0};
	const uint8_t *at = data;
	AES_KEY aes;

	AES_set_encrypt_key(key, 128, &aes);
	AES_encrypt(l, l, &aes);
	doubled(k1, l);
	doubled(k2, k1);

	for (; size > BLOCK; size -= BLOCK, at += BLOCK) {
		xor_block(x, at);
		AES_encrypt(x, x, &aes);
	}
	/* The last block: whole with K1, or 1000...-padded with K2. */
	memcpy(last, at, size);
	if (size == BLOCK) {
		xor_block(last, k1);
	} else {
		last[size] = 0x80;
		xor_block(last, k2);
	}
	xor_block(x, last);
	AES_encrypt(x, mac, &aes);
	memset(&aes, 0, sizeof(aes));
}
