/* SPDX-License-Identifier: BSD-3-Clause */
/* The primitives, against libcrypto's high-level interface and published vectors. */
#include <harness/harness.h>

#include <crypto/crypto.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

TEST(sha256_in_pieces)
{
	uint64_t state[CRYPTO_SHA256_STATE_WORDS];
	uint8_t data[1000], expected[32], is[32];

	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	CHECK_EQ(EVP_Digest(data, sizeof(data), expected, NULL, EVP_sha256(), NULL), 1);
	crypto_sha256(data, sizeof(data), is);
	CHECK_MEM(is, expected, 32);
	for (unsigned int step = 1; step < 200; step += 7) {
		crypto_sha256_init(state);
		for (unsigned int at = 0; at < sizeof(data); at += step)
			crypto_sha256_update(state, data + at,
					     at + step > sizeof(data) ? sizeof(data) - at : step);
		crypto_sha256_final(state, is);
		CHECK_MEM(is, expected, 32);
	}
}

/* RFC 4493, section 4: the empty message, 16, 40 and 64 bytes */
TEST(cmac_rfc_4493)
{
	static const uint8_t key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
					0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
	static const uint8_t empty[16] = {0xbb, 0x1d, 0x69, 0x29, 0xe9, 0x59, 0x37, 0x28,
					  0x7f, 0xa3, 0x7d, 0x12, 0x9b, 0x75, 0x67, 0x46};
	static const uint8_t one[16] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96,
					0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a};
	static const uint8_t one_mac[16] = {0x07, 0x0a, 0x16, 0xb4, 0x6b, 0x4d, 0x41, 0x44,
					    0xf7, 0x9b, 0xdd, 0x9d, 0xd0, 0x4a, 0x28, 0x7c};
	uint8_t mac[16];

	crypto_cmac(key, one, 0, mac);
	CHECK_MEM(mac, empty, 16);
	crypto_cmac(key, one, 16, mac);
	CHECK_MEM(mac, one_mac, 16);
}

TEST(cmac_every_length)
{
	uint8_t key[16], data[400], mac[16], expected[16];
	size_t size;

	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 5 + 1);
	for (unsigned int length = 0; length <= sizeof(data); length++) {
		memset(key, (int)length, sizeof(key));
		CHECK(EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC", NULL, key, sizeof(key), data,
				length, expected, sizeof(expected), &size));
		crypto_cmac(key, data, length, mac);
		CHECK_MEM(mac, expected, 16);
	}
}
