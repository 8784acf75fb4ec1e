/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signing keys as PEM text: made, and read for people to see.  Signing itself
 * is cpu_sigstruct_sign().
 */
#ifndef TOOLS_KEY_H
#define TOOLS_KEY_H

#include <sgx/arch.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct key_info - what can be told of an RSA key
 * @private_key:	the PEM holds the private key
 * @bits:		of the modulus
 * @exponent:		0 where it does not fit 64 bits
 * @usable:		3072 bits and exponent 3: SIGSTRUCT can hold it
 * @modulus:		little-endian, as in SIGSTRUCT; only where @usable
 * @mrsigner:		of an enclave that it signs; only where @usable
 */
struct key_info {
	bool private_key;
	unsigned bits;
	uint64_t exponent;
	bool usable;
	uint8_t modulus[SGX_MODULUS_SIZE_BYTES];
	uint8_t mrsigner[SGX_HASH_SIZE];
};

/* A new private key of 3072 bits, exponent 3.  Free *ret_pem with key_free_pem(). */
int key_generate(char **ret_pem, size_t *ret_size, const char **why)
	__attribute__((warn_unused_result));
void key_free_pem(char *pem, size_t size);
int key_read(const void *pem, size_t size, struct key_info *info, const char **why)
	__attribute__((warn_unused_result));

#endif
