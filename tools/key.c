/* SPDX-License-Identifier: BSD-3-Clause */
#include "key.h"

#include <cpu/sigstruct.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

/**
 * key_generate() - make a signing key
 * @ret_pem: PKCS#8 PEM text
 * @ret_size: its bytes, without the NUL that follows
 * @why: on failure, what failed
 *
 * Return: 0 or -1
 */
int key_generate(char **ret_pem, size_t *ret_size, const char **why)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIO *bio = BIO_new(BIO_s_secmem());
	BIGNUM *three = BN_new();
	EVP_PKEY *key = NULL;
	char *text, *copy;
	int ret = -1;
	long size;

	*why = "OpenSSL could not make the key";
	/* EINIT wants exactly this shape: 3072 bits, exponent 3 */
	if (!ctx || !bio || !three || !BN_set_word(three, 3) || EVP_PKEY_keygen_init(ctx) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, SGX_MODULUS_SIZE_BYTES * 8) <= 0 ||
	    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, three) <= 0 ||
	    EVP_PKEY_generate(ctx, &key) <= 0)
		goto out;
	if (!PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		goto out;
	size = BIO_get_mem_data(bio, &text);
	copy = size > 0 ? malloc((size_t)size + 1) : NULL;
	if (!copy) {
		*why = "no memory";
		goto out;
	}
	memcpy(copy, text, (size_t)size);
	copy[size] = '\0';
	*ret_pem = copy;
	*ret_size = (size_t)size;
	ret = 0;
out:
	EVP_PKEY_free(key);
	BN_free(three);
	BIO_free(bio);
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ret;
}

/**
 * key_free_pem() - free a private key's text, wiping it first
 * @pem: from key_generate(), or NULL
 * @size: its bytes
 */
void key_free_pem(char *pem, size_t size)
{
	if (pem)
		OPENSSL_cleanse(pem, size);
	free(pem);
}

/* No terminal is asked for a pass phrase */
static int no_pass_phrase(char *buffer, int size, int writing, void *user)
{
	*(bool *)user = true;
	return -1;
}

static EVP_PKEY *parse_pem(const void *pem, size_t size, bool private_key, bool *encrypted)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)size);
	EVP_PKEY *key = NULL;

	if (bio && private_key)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, encrypted);
	else if (bio)
		key = PEM_read_bio_PUBKEY(bio, NULL, no_pass_phrase, encrypted);
	BIO_free(bio);
	return key;
}

static int fill_usable(EVP_PKEY *key, struct key_info *info)
{
	static struct sgx_sigstruct_arch empty;
	struct sgx_sigstruct_arch sig = empty;
	BIGNUM *n = NULL;
	int ret = -1;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) &&
	    BN_bn2lebinpad(n, info->modulus, sizeof(info->modulus)) == (int)sizeof(info->modulus)) {
		memcpy(sig.modulus, info->modulus, sizeof(sig.modulus));
		cpu_sigstruct_mrsigner(&sig, info->mrsigner);
		ret = 0;
	}
	BN_free(n);
	return ret;
}

/**
 * key_read() - look at a PEM key, private or public
 * @pem: any bytes at all
 * @size: their number
 * @info: filled in
 * @why: on failure, what is wrong
 *
 * Return: 0, or -1 if this is no RSA key in PEM.
 */
int key_read(const void *pem, size_t size, struct key_info *info, const char **why)
{
	bool encrypted = false;
	BIGNUM *e = NULL;
	EVP_PKEY *key;
	int ret = -1;

	memset(info, 0, sizeof(*info));
	if (size > INT_MAX) {
		*why = "it is too large for a key";
		return -1;
	}
	key = parse_pem(pem, size, true, &encrypted);
	info->private_key = key;
	if (!key)
		key = parse_pem(pem, size, false, &encrypted);
	if (!key) {
		*why = encrypted ? "the key is encrypted: decrypt it with 'openssl pkey' first"
				 : "it holds neither a private nor a public key in PEM";
		goto out;
	}
	if (!EVP_PKEY_is_a(key, "RSA")) {
		*why = "the key is not an RSA key";
		goto out;
	}
	if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e)) {
		*why = "the key has no exponent";
		goto out;
	}
	info->bits = (unsigned)EVP_PKEY_get_bits(key);
	info->exponent = BN_num_bits(e) <= 64 ? BN_get_word(e) : 0;
	info->usable = info->bits == SGX_MODULUS_SIZE_BYTES * 8 && info->exponent == 3;
	if (info->usable && fill_usable(key, info)) {
		*why = "the key's modulus cannot be read";
		goto out;
	}
	ret = 0;
out:
	BN_free(e);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ret;
}
