/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The primitives that SGX is made of.  The files of this folder are the only
 * ones of cpu/ that include OpenSSL's headers.
 */
#ifndef CPU_CRYPTO_CRYPTO_H
#define CPU_CRYPTO_CRYPTO_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define CRYPTO_SHA256_STATE_WORDS 16 /* uint64_t: room for a SHA256_CTX */
#define CRYPTO_SHA256_SIZE	  32
#define CRYPTO_AES_KEY_SIZE	  16
#define CRYPTO_RSA_SIZE		  384 /* RSA-3072 */

/* SHA-256 whose state is plain bytes: it may be copied and stored. */
void crypto_sha256_init(uint64_t state[CRYPTO_SHA256_STATE_WORDS]);
void crypto_sha256_update(uint64_t state[CRYPTO_SHA256_STATE_WORDS], const void *data, size_t size);
void crypto_sha256_final(uint64_t state[CRYPTO_SHA256_STATE_WORDS],
			 uint8_t hash[CRYPTO_SHA256_SIZE]);
void crypto_sha256(const void *data, size_t size, uint8_t hash[CRYPTO_SHA256_SIZE]);

/* AES-128-CMAC */
void crypto_cmac(const uint8_t key[CRYPTO_AES_KEY_SIZE], const void *data, size_t size,
		 uint8_t mac[CRYPTO_AES_KEY_SIZE]);

/*
 * AES-128-GCM with a 96-bit IV and a 128-bit tag.  @gcm: from crypto_gcm_new(), any
 * number of threads at a time; NULL works as well, slower.  open() writes @out only as
 * scratch where the tag is wrong: throw it away then.
 * Return: 0; -1 where libcrypto has no memory; open(): 1 where the tag is wrong.
 */
const void *crypto_gcm_new(void); /* NULL: without memory */
void crypto_gcm_free(const void *gcm);
#define CRYPTO_GCM_IV_SIZE  12
#define CRYPTO_GCM_TAG_SIZE 16
int crypto_gcm_seal(const void *gcm, const uint8_t key[CRYPTO_AES_KEY_SIZE],
		    const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *aad, size_t aad_size,
		    const void *in, size_t size, void *out, uint8_t tag[CRYPTO_GCM_TAG_SIZE]);
int crypto_gcm_open(const void *gcm, const uint8_t key[CRYPTO_AES_KEY_SIZE],
		    const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *aad, size_t aad_size,
		    const void *in, size_t size, void *out, const uint8_t tag[CRYPTO_GCM_TAG_SIZE]);

/* An RSA-3072 public key with exponent 3, a signature and its helpers; little-endian. */
struct crypto_rsa {
	uint8_t modulus[CRYPTO_RSA_SIZE];
	uint8_t signature[CRYPTO_RSA_SIZE];
	uint8_t q1[CRYPTO_RSA_SIZE]; /* S^2 / M */
	uint8_t q2[CRYPTO_RSA_SIZE]; /* (S^3 - Q1 S M) / M */
};

enum crypto_rsa_result {
	CRYPTO_RSA_OK = 0,
	CRYPTO_RSA_Q1,
	CRYPTO_RSA_Q2,
};

/*
 * em: SIGNATURE^3 mod MODULUS, big-endian, as PKCS#1 writes an encoded message;
 * set on CRYPTO_RSA_OK.
 */
enum crypto_rsa_result crypto_rsa_public(const struct crypto_rsa *rsa, uint8_t em[CRYPTO_RSA_SIZE]);

/*
 * Sign with PKCS#1 1.5 and SHA-256, a PEM private key of 3072 bits with
 * exponent 3.  Return: 0, or -1 with *why a static string and @rsa untouched.
 */
int crypto_rsa_sign(const void *pem, size_t pem_size, const void *message, size_t message_size,
		    struct crypto_rsa *rsa, const char **why) __attribute__((warn_unused_result));

/* Q1 and Q2 of a modulus and a signature.  Return: whether there are such, each of 384 bytes. */
bool crypto_rsa_helpers(struct crypto_rsa *rsa) __attribute__((warn_unused_result));

#endif
