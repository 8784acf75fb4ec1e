/* SPDX-License-Identifier: BSD-3-Clause */
/* MRENCLAVE, against the byte stream written out and hashed in one go. */
#include <cpu/measure.h>
#include <harness/harness.h>

#include <openssl/evp.h>

static uint8_t stream[64 + 64 + 16 * 320];

static void check(const struct cpu_measure *m, size_t size)
{
	uint8_t expected[32], is[32];

	CHECK_EQ(EVP_Digest(stream, size, expected, NULL, EVP_sha256(), NULL), 1);
	cpu_measure_final(m, is);
	CHECK_MEM(is, expected, sizeof(is));
}

TEST(measure_enclave)
{
	struct cpu_measure m, copy;
	uint8_t page[4096];
	size_t at = 128;

	memcpy(stream, "ECREATE\0\x02\0\0\0\0\x40\x01\0\0\0\0\0", 20);
	cpu_measure_ecreate(&m, 2, 0x14000);
	check(&m, 64);

	memcpy(stream + 64, "EADD\0\0\0\0\0\x30\x02\0\0\0\0\0\x05\x02\0\0\0\0\0\0", 24);
	cpu_measure_eadd(&m, 0x23000, 0x205);
	check(&m, 128);

	for (unsigned int i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)(i * 13 + i / 256);
	for (unsigned int i = 0; i < 16; i++) {
		memcpy(stream + at, "EEXTEND\0\0\0\x02\0\0\0\0\0", 16);
		stream[at + 9] = (uint8_t)(0x30 + i);
		memcpy(stream + at + 64, page + 256 * i, 256);
		at += 320;
		cpu_measure_eextend(&m, 0x23000 + 256 * i, page + 256 * i);
		check(&m, at);
	}
	/* The state is plain bytes, and closing it does not change it. */
	copy = m;
	memset(&m, 0xff, sizeof(m));
	check(&copy, at);
	check(&copy, at);
}

TEST(measure_depends_on_order)
{
	struct cpu_measure a, b;
	uint8_t a_hash[32], b_hash[32];

	cpu_measure_ecreate(&a, 1, 0x2000);
	b = a;
	cpu_measure_eadd(&a, 0, 0x201);
	cpu_measure_eadd(&a, 0x1000, 0x201);
	cpu_measure_eadd(&b, 0x1000, 0x201);
	cpu_measure_eadd(&b, 0, 0x201);
	cpu_measure_final(&a, a_hash);
	cpu_measure_final(&b, b_hash);
	CHECK(memcmp(a_hash, b_hash, 32));
}
