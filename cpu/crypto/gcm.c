/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AES-128-GCM.  libcrypto's fast code is behind EVP alone, which allocates: a
 * caller commits nothing before the call has answered 0.
 */
#include "crypto.h"

#include <openssl/evp.h>

#define INT(size) ((int)(size))

const void *crypto_gcm_new(void)
{
	return EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
}

void crypto_gcm_free(const void *gcm)
{
	EVP_CIPHER_free((EVP_CIPHER *)(uintptr_t)gcm);
}

static EVP_CIPHER_CTX *gcm_begin(const void *gcm, const uint8_t key[CRYPTO_AES_KEY_SIZE],
				 const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *aad,
				 size_t aad_size, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	/* 96 bits is the IV's size by default */
	if (!gcm)
		gcm = EVP_aes_128_gcm(); /* which is looked up each time */
	if (ctx && EVP_CipherInit_ex(ctx, gcm, NULL, key, iv, encrypt) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &n, aad, INT(aad_size)) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

int crypto_gcm_seal(const void *gcm, const uint8_t key[CRYPTO_AES_KEY_SIZE],
		    const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *aad, size_t aad_size,
		    const void *in, size_t size, void *out, uint8_t tag[CRYPTO_GCM_TAG_SIZE])
{
	EVP_CIPHER_CTX *ctx = gcm_begin(gcm, key, iv, aad, aad_size, 1);
	int n, ret = -1;

	if (ctx && EVP_CipherUpdate(ctx, out, &n, in, INT(size)) == 1 &&
	    EVP_CipherFinal_ex(ctx, (uint8_t *)out + n, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_GCM_TAG_SIZE, tag) == 1)
		ret = 0;
	EVP_CIPHER_CTX_free(ctx);
	return ret;
}

int crypto_gcm_open(const void *gcm, const uint8_t key[CRYPTO_AES_KEY_SIZE],
		    const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *aad, size_t aad_size,
		    const void *in, size_t size, void *out, const uint8_t tag[CRYPTO_GCM_TAG_SIZE])
{
	EVP_CIPHER_CTX *ctx = gcm_begin(gcm, key, iv, aad, aad_size, 0);
	int n, ret = -1;

	if (ctx && EVP_CipherUpdate(ctx, out, &n, in, INT(size)) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_GCM_TAG_SIZE, (void *)tag) == 1)
		ret = EVP_CipherFinal_ex(ctx, (uint8_t *)out + n, &n) == 1 ? 0 : 1;
	EVP_CIPHER_CTX_free(ctx);
	return ret;
}
