/* SPDX-License-Identifier: BSD-3-Clause */
#include "crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdbool.h>

/* The numbers of one verification, all from one BN_CTX frame. */
struct numbers {
	BIGNUM *m, *s, *q1, *q2, *t, *q, *r;
};

static bool numbers_get(BN_CTX *ctx, struct numbers *n)
{
	n->m = BN_CTX_get(ctx);
	n->s = BN_CTX_get(ctx);
	n->q1 = BN_CTX_get(ctx);
	n->q2 = BN_CTX_get(ctx);
	n->t = BN_CTX_get(ctx);
	n->q = BN_CTX_get(ctx);
	n->r = BN_CTX_get(ctx);
	return n->r; /* once one is NULL, all that follow are */
}

/*
 * n->q = S^2 / M or (S^3 - Q1 S M) / M.  With r = S^2 mod M the latter is
 * S r / M, and S r mod M is S^3 mod M: what hardware saves by being given Q1, Q2.
 */
static bool first_quotient(BN_CTX *ctx, struct numbers *n)
{
	return BN_sqr(n->t, n->s, ctx) && BN_div(n->q, n->r, n->t, n->m, ctx);
}

static bool second_quotient(BN_CTX *ctx, struct numbers *n)
{
	return BN_mul(n->t, n->s, n->r, ctx) && BN_div(n->q, n->r, n->t, n->m, ctx);
}

static enum crypto_rsa_result check(BN_CTX *ctx, struct numbers *n, uint8_t em[CRYPTO_RSA_SIZE])
{
	if (BN_is_zero(n->m) || !first_quotient(ctx, n) || BN_cmp(n->q, n->q1))
		return CRYPTO_RSA_Q1;
	if (!second_quotient(ctx, n) || BN_cmp(n->q, n->q2))
		return CRYPTO_RSA_Q2;
	if (BN_bn2binpad(n->r, em, CRYPTO_RSA_SIZE) != CRYPTO_RSA_SIZE)
		return CRYPTO_RSA_Q2;
	return CRYPTO_RSA_OK;
}

enum crypto_rsa_result crypto_rsa_public(const struct crypto_rsa *rsa, uint8_t em[CRYPTO_RSA_SIZE])
{
	enum crypto_rsa_result result = CRYPTO_RSA_Q1;
	BN_CTX *ctx = BN_CTX_new();
	struct numbers n;

	if (!ctx)
		return result;
	BN_CTX_start(ctx);
	if (numbers_get(ctx, &n) && BN_lebin2bn(rsa->modulus, CRYPTO_RSA_SIZE, n.m) &&
	    BN_lebin2bn(rsa->signature, CRYPTO_RSA_SIZE, n.s) &&
	    BN_lebin2bn(rsa->q1, CRYPTO_RSA_SIZE, n.q1) &&
	    BN_lebin2bn(rsa->q2, CRYPTO_RSA_SIZE, n.q2))
		result = check(ctx, &n, em);
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return result;
}

/* A key with a passphrase is refused, not asked for at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *data)
{
	return -1;
}

/* Return: NULL if the key will do (n->m set), else why not. */
static const char *key_refusal(EVP_PKEY *key, BIGNUM *modulus)
{
	const char *why = NULL;
	BIGNUM *e = NULL;

	if (!EVP_PKEY_is_a(key, "RSA"))
		return "not an RSA key";
	if (EVP_PKEY_get_bits(key) != 8 * CRYPTO_RSA_SIZE)
		return "the key does not have 3072 bits";
	if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) || !BN_is_word(e, 3))
		why = "the key's public exponent is not 3";
	else if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus))
		why = "the key has no modulus";
	BN_free(e);
	return why;
}

/* PKCS#1 1.5 with SHA-256: EVP's defaults for an RSA key. */
static bool sign_message(EVP_PKEY *key, const void *message, size_t size,
			 uint8_t signature[CRYPTO_RSA_SIZE])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t signature_size = CRYPTO_RSA_SIZE;
	bool ok;

	ok = md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestSign(md, signature, &signature_size, message, size) == 1 &&
	     signature_size == CRYPTO_RSA_SIZE;
	EVP_MD_CTX_free(md);
	return ok;
}

static bool fill(BN_CTX *ctx, struct numbers *n, struct crypto_rsa *rsa)
{
	return first_quotient(ctx, n) && BN_copy(n->q1, n->q) && second_quotient(ctx, n) &&
	       BN_copy(n->q2, n->q) &&
	       BN_bn2lebinpad(n->m, rsa->modulus, CRYPTO_RSA_SIZE) == CRYPTO_RSA_SIZE &&
	       BN_bn2lebinpad(n->s, rsa->signature, CRYPTO_RSA_SIZE) == CRYPTO_RSA_SIZE &&
	       BN_bn2lebinpad(n->q1, rsa->q1, CRYPTO_RSA_SIZE) == CRYPTO_RSA_SIZE &&
	       BN_bn2lebinpad(n->q2, rsa->q2, CRYPTO_RSA_SIZE) == CRYPTO_RSA_SIZE;
}

bool crypto_rsa_helpers(struct crypto_rsa *rsa)
{
	BN_CTX *ctx = BN_CTX_new();
	struct numbers n;
	bool ok;

	if (!ctx)
		return false;
	BN_CTX_start(ctx);
	ok = numbers_get(ctx, &n) && BN_lebin2bn(rsa->modulus, CRYPTO_RSA_SIZE, n.m) &&
	     BN_lebin2bn(rsa->signature, CRYPTO_RSA_SIZE, n.s) && !BN_is_zero(n.m) &&
	     fill(ctx, &n, rsa);
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

int crypto_rsa_sign(const void *pem, size_t pem_size, const void *message, size_t message_size,
		    struct crypto_rsa *rsa, const char **why)
{
	uint8_t signature[CRYPTO_RSA_SIZE];
	BN_CTX *ctx = BN_CTX_new();
	struct crypto_rsa result;
	EVP_PKEY *key = NULL;
	struct numbers n;
	BIO *bio = NULL;
	int ret = -1;

	*why = "out of memory";
	if (!ctx)
		return -1;
	BN_CTX_start(ctx);
	if (!numbers_get(ctx, &n) || pem_size > INT32_MAX)
		goto out;
	bio = BIO_new_mem_buf(pem, (int)pem_size);
	if (!bio)
		goto out;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	*why = "not a PEM private key without a passphrase";
	if (!key)
		goto out;
	*why = key_refusal(key, n.m);
	if (*why)
		goto out;
	*why = "libcrypto cannot sign with this key";
	if (!sign_message(key, message, message_size, signature) ||
	    !BN_bin2bn(signature, CRYPTO_RSA_SIZE, n.s) || !fill(ctx, &n, &result))
		goto out;
	*rsa = result;
	ret = 0;
out:
	EVP_PKEY_free(key);
	BIO_free(bio);
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	ERR_clear_error();
	return ret;
}
