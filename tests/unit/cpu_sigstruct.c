/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGSTRUCT: each rule, in EINIT's order, and signing. */
#include <cpu/sigstruct.h>
#include <harness/harness.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "cpu_test_key.h"

static struct sgx_sigstruct_arch sig;

static void sign(void)
{
	const char *why;

	if (cpu_sigstruct_sign(&sig, cpu_test_key, sizeof(cpu_test_key) - 1, &why))
		FAIL("sign: %s", why);
}

static void setup(void)
{
	memset(&sig, 0, sizeof(sig));
	cpu_sigstruct_init(&sig);
	sig.isvsvn = 3;
	sign();
	CHECK_EQ(cpu_sigstruct_verify(&sig), CPU_SIG_OK);
}

#define SIG_CASE(id, change, expected)                          \
	TEST(sigstruct_##id)                                    \
	{                                                       \
		setup();                                        \
		change;                                         \
		CHECK_EQ(cpu_sigstruct_verify(&sig), expected); \
	}

SIG_CASE(header, sig.header[9] = 1, CPU_SIG_HEADER)
SIG_CASE(header2, sig.header2[0] = 0, CPU_SIG_HEADER)
SIG_CASE(vendor, sig.vendor = 0x8087, CPU_SIG_VENDOR)
SIG_CASE(vendor_intel, sig.vendor = 0x8086; sign(), CPU_SIG_OK)
SIG_CASE(exponent, sig.exponent = 17, CPU_SIG_EXPONENT)
SIG_CASE(reserved1, sig.rsvd1[83] = 1, CPU_SIG_RESERVED)
SIG_CASE(reserved2, sig.rsvd2[1] = 1, CPU_SIG_RESERVED)
SIG_CASE(reserved3, sig.rsvd3[0] = 1, CPU_SIG_RESERVED)
SIG_CASE(reserved4, sig.rsvd4[0] = 1, CPU_SIG_RESERVED)
SIG_CASE(reserved_signed, sig.rsvd3[15] = 1; sign(), CPU_SIG_RESERVED)
SIG_CASE(modulus_zero, memset(sig.modulus, 0, 384), CPU_SIG_Q1)
SIG_CASE(modulus, sig.modulus[200] ^= 1, CPU_SIG_Q1)
SIG_CASE(signature, sig.signature[383] ^= 1, CPU_SIG_Q1)
SIG_CASE(q1, sig.q1[100] ^= 1, CPU_SIG_Q1)
SIG_CASE(q1_too_large, memset(sig.q1, 0xff, 384), CPU_SIG_Q1)
SIG_CASE(q2, sig.q2[100] ^= 1, CPU_SIG_Q2)
/* A signature of 0 has right quotients, and no padding. */
SIG_CASE(padding, memset(sig.signature, 0, 384); memset(sig.q1, 0, 384);
	 memset(sig.q2, 0, 384), CPU_SIG_PADDING)
SIG_CASE(digest_first_span, sig.date = 0x20260101, CPU_SIG_DIGEST)
SIG_CASE(digest_swdefined, sig.swdefined = 1, CPU_SIG_DIGEST)
SIG_CASE(digest_second_span, sig.isvsvn = 4, CPU_SIG_DIGEST)
SIG_CASE(digest_miscselect, sig.miscselect = 1, CPU_SIG_DIGEST)

/* A signature of any encoded message, with right Q1 and Q2: only a key's owner can. */
static void sign_raw(const uint8_t em[384])
{
	BIO *bio = BIO_new_mem_buf(cpu_test_key, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	BIGNUM *m = BN_new(), *s = BN_new(), *q = BN_new(), *r = BN_new();
	BN_CTX *bn = BN_CTX_new();
	uint8_t signature[384];
	size_t size = sizeof(signature);

	CHECK_EQ(EVP_PKEY_sign_init(ctx), 1);
	CHECK_EQ(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
	CHECK_EQ(EVP_PKEY_sign(ctx, signature, &size, em, 384), 1);
	BN_lebin2bn(sig.modulus, 384, m);
	BN_bin2bn(signature, 384, s);
	BN_bn2lebinpad(s, sig.signature, 384);
	BN_sqr(r, s, bn);
	BN_div(q, r, r, m, bn);
	BN_bn2lebinpad(q, sig.q1, 384);
	BN_mul(r, r, s, bn);
	BN_div(q, r, r, m, bn);
	BN_bn2lebinpad(q, sig.q2, 384);
	BN_free(m);
	BN_free(s);
	BN_free(q);
	BN_free(r);
	BN_CTX_free(bn);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

/* Every byte of the padding counts. */
TEST_TIMEOUT(sigstruct_each_padding_byte, 300)
{
	static const uint8_t prefix[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
					   0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
					   0x01, 0x05, 0x00, 0x04, 0x20};
	uint8_t em[384], message[256];

	setup();
	memset(em, 0xff, sizeof(em));
	em[0] = 0;
	em[1] = 1;
	em[332] = 0;
	memcpy(em + 333, prefix, sizeof(prefix));
	memcpy(message, &sig, 128);
	memcpy(message + 128, (uint8_t *)&sig + 900, 128);
	CHECK_EQ(EVP_Digest(message, 256, em + 352, NULL, EVP_sha256(), NULL), 1);
	sign_raw(em);
	CHECK_EQ(cpu_sigstruct_verify(&sig), CPU_SIG_OK);
	for (unsigned int i = 0; i < sizeof(em); i += i < 4 || i > 328 ? 1 : 27) {
		em[i] ^= 1;
		sign_raw(em);
		CHECK_EQ(cpu_sigstruct_verify(&sig), i < 352 ? CPU_SIG_PADDING : CPU_SIG_DIGEST);
		em[i] ^= 1;
	}
}

/* In two steps it is the same SIGSTRUCT, byte for byte. */
TEST(sigstruct_two_steps)
{
	uint8_t message[CPU_SIGSTRUCT_MESSAGE_SIZE];
	struct sgx_sigstruct_arch two;

	setup();
	cpu_sigstruct_message(&sig, message);
	cpu_sigstruct_from_message(&two, message);
	memcpy(two.modulus, sig.modulus, sizeof(two.modulus));
	memcpy(two.signature, sig.signature, sizeof(two.signature));
	CHECK_EQ(cpu_sigstruct_complete(&two), CPU_SIG_OK);
	CHECK(!memcmp(&two, &sig, sizeof(sig)));
	two.signature[0] ^= 1;
	CHECK_EQ(cpu_sigstruct_complete(&two), CPU_SIG_PADDING);
	/* Quotients of a signature above the modulus may not fit; nothing is written then. */
	memset(two.modulus, 0, sizeof(two.modulus));
	two.modulus[0] = 1;
	memset(two.signature, 0xff, sizeof(two.signature));
	CHECK_EQ(cpu_sigstruct_complete(&two), CPU_SIG_Q1);
	memset(two.modulus, 0, sizeof(two.modulus));
	CHECK_EQ(cpu_sigstruct_complete(&two), CPU_SIG_Q1);
}

TEST(sigstruct_mrsigner)
{
	uint8_t expected[32], is[32];

	setup();
	CHECK_EQ(EVP_Digest(sig.modulus, 384, expected, NULL, EVP_sha256(), NULL), 1);
	cpu_sigstruct_mrsigner(&sig, is);
	CHECK_MEM(is, expected, 32);
}

TEST(sigstruct_check_names)
{
	for (int c = CPU_SIG_OK; c <= CPU_SIG_DIGEST; c++) {
		CHECK(cpu_sigstruct_check_name(c));
		CHECK(strcmp(cpu_sigstruct_check_name(c), "unknown"));
	}
	CHECK_STR(cpu_sigstruct_check_name(99), "unknown");
}

/* libcrypto's own verification agrees, of the same bytes big-endian. */
TEST(sigstruct_signature_is_pkcs1)
{
	uint8_t message[256], signature[384];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	BIO *bio = BIO_new_mem_buf(cpu_test_key, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	setup();
	memcpy(message, &sig, 128);
	memcpy(message + 128, (uint8_t *)&sig + 900, 128);
	for (int i = 0; i < 384; i++)
		signature[i] = sig.signature[383 - i];
	CHECK_EQ(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	CHECK_EQ(EVP_DigestVerify(ctx, signature, 384, message, 256), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

static void check_refused(const void *pem, size_t size, const char *why)
{
	const struct sgx_sigstruct_arch before = sig;
	const char *is = NULL;

	CHECK_EQ(cpu_sigstruct_sign(&sig, pem, size, &is), -1);
	CHECK(is);
	if (!strstr(is, why))
		FAIL("refused as '%s', wanted '%s'", is, why);
	CHECK_MEM(&sig, &before, sizeof(sig));
}

static void check_key_refused(EVP_PKEY *key, const char *password, const char *why)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long size;

	CHECK(key && bio);
	CHECK_EQ(PEM_write_bio_PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0,
					  NULL, (void *)password),
		 1);
	size = BIO_get_mem_data(bio, &pem);
	check_refused(pem, (size_t)size, why);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

TEST(sigstruct_sign_refuses_other_keys)
{
	setup();
	check_refused("", 0, "PEM");
	check_refused("rubbish", 7, "PEM");
	check_key_refused(EVP_RSA_gen(2048), NULL, "3072");
	check_key_refused(EVP_EC_gen("P-256"), NULL, "RSA");
	check_key_refused(EVP_EC_gen("P-256"), "secret", "passphrase");
}

TEST(sigstruct_sign_refuses_other_exponents)
{
	setup();
	check_key_refused(EVP_RSA_gen(3072), NULL, "exponent");
}
