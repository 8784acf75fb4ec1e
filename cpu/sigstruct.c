/* SPDX-License-Identifier: BSD-3-Clause */
#include <cpu/sigstruct.h>

#include <base/bits.h>
#include <string.h>

#include "crypto/crypto.h"

static const uint8_t header[16] = {0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 0x01, 0, 0, 0, 0, 0};
static const uint8_t header2[16] = {0x01, 0x01, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 0x01, 0, 0, 0};

/* The DER prefix of PKCS#1 1.5 for a SHA-256 digest */
static const uint8_t digest_info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

#define VENDOR_INTEL 0x8086u

/**
 * cpu_sigstruct_message() - the two spans that SIGNATURE covers, one after the other
 */
void cpu_sigstruct_message(const struct sgx_sigstruct_arch *sig,
			   uint8_t message[CPU_SIGSTRUCT_MESSAGE_SIZE])
{
	const uint8_t *bytes = (const uint8_t *)sig;

	memcpy(message, bytes + SGX_SIGSTRUCT_SIGNED1_OFF, SGX_SIGSTRUCT_SIGNED1_SIZE);
	memcpy(message + SGX_SIGSTRUCT_SIGNED1_SIZE, bytes + SGX_SIGSTRUCT_SIGNED2_OFF,
	       SGX_SIGSTRUCT_SIGNED2_SIZE);
}

/**
 * cpu_sigstruct_from_message() - the reverse of cpu_sigstruct_message()
 */
void cpu_sigstruct_from_message(struct sgx_sigstruct_arch *sig,
				const uint8_t message[CPU_SIGSTRUCT_MESSAGE_SIZE])
{
	uint8_t *bytes = (uint8_t *)sig;

	memset(sig, 0, sizeof(*sig));
	memcpy(bytes + SGX_SIGSTRUCT_SIGNED1_OFF, message, SGX_SIGSTRUCT_SIGNED1_SIZE);
	memcpy(bytes + SGX_SIGSTRUCT_SIGNED2_OFF, message + SGX_SIGSTRUCT_SIGNED1_SIZE,
	       SGX_SIGSTRUCT_SIGNED2_SIZE);
	sig->exponent = 3;
}

/* 00 01 FF..FF 00 DigestInfo, 352 bytes, and then the digest */
static bool padding_ok(const uint8_t em[SGX_MODULUS_SIZE_BYTES])
{
	const unsigned int prefix_at = SGX_MODULUS_SIZE_BYTES - SGX_HASH_SIZE - sizeof(digest_info);

	if (em[0] != 0x00 || em[1] != 0x01 || em[prefix_at - 1] != 0x00)
		return false;
	for (unsigned int i = 2; i < prefix_at - 1; i++)
		if (em[i] != 0xff)
			return false;
	return !memcmp(em + prefix_at, digest_info, sizeof(digest_info));
}

static enum cpu_sigstruct_check check_signature(const struct sgx_sigstruct_arch *sig)
{
	uint8_t em[SGX_MODULUS_SIZE_BYTES], message[CPU_SIGSTRUCT_MESSAGE_SIZE],
		digest[SGX_HASH_SIZE];
	struct crypto_rsa rsa;

	memcpy(rsa.modulus, sig->modulus, sizeof(rsa.modulus));
	memcpy(rsa.signature, sig->signature, sizeof(rsa.signature));
	memcpy(rsa.q1, sig->q1, sizeof(rsa.q1));
	memcpy(rsa.q2, sig->q2, sizeof(rsa.q2));
	switch (crypto_rsa_public(&rsa, em)) {
	case CRYPTO_RSA_Q1:
		return CPU_SIG_Q1;
	case CRYPTO_RSA_Q2:
		return CPU_SIG_Q2;
	case CRYPTO_RSA_OK:
		break;
	}
	if (!padding_ok(em))
		return CPU_SIG_PADDING;
	cpu_sigstruct_message(sig, message);
	crypto_sha256(message, sizeof(message), digest);
	if (memcmp(em + SGX_MODULUS_SIZE_BYTES - SGX_HASH_SIZE, digest, sizeof(digest)))
		return CPU_SIG_DIGEST;
	return CPU_SIG_OK;
}

/**
 * cpu_sigstruct_verify() - EINIT's checks that need the SIGSTRUCT alone
 */
enum cpu_sigstruct_check cpu_sigstruct_verify(const struct sgx_sigstruct_arch *sig)
{
	if (memcmp(sig->header, header, sizeof(header)) ||
	    memcmp(sig->header2, header2, sizeof(header2)))
		return CPU_SIG_HEADER;
	if (sig->vendor != 0 && sig->vendor != VENDOR_INTEL)
		return CPU_SIG_VENDOR;
	if (sig->exponent != 3)
		return CPU_SIG_EXPONENT;
	if (!mem_is_zero(sig->rsvd1, sizeof(sig->rsvd1)) ||
	    !mem_is_zero(sig->rsvd2, sizeof(sig->rsvd2)) ||
	    !mem_is_zero(sig->rsvd3, sizeof(sig->rsvd3)) ||
	    !mem_is_zero(sig->rsvd4, sizeof(sig->rsvd4)))
		return CPU_SIG_RESERVED;
	return check_signature(sig);
}

const char *cpu_sigstruct_check_name(enum cpu_sigstruct_check c)
{
	/* clang-format off */
	static const char *const names[] = {
		[CPU_SIG_OK]		= "valid",
		[CPU_SIG_HEADER]	= "HEADER or HEADER2 is not the fixed value",
		[CPU_SIG_VENDOR]	= "VENDOR is neither 0 nor 8086h",
		[CPU_SIG_EXPONENT]	= "EXPONENT is not 3",
		[CPU_SIG_RESERVED]	= "a reserved byte is not 0",
		[CPU_SIG_Q1]		= "Q1 does not match SIGNATURE and MODULUS",
		[CPU_SIG_Q2]		= "Q2 does not match SIGNATURE and MODULUS",
		[CPU_SIG_PADDING]	= "SIGNATURE was not made with MODULUS' key",
		[CPU_SIG_DIGEST]	= "SIGNATURE is one of other contents",
	};
	/* clang-format on */

	if ((unsigned int)c >= sizeof(names) / sizeof(names[0]))
		return "unknown";
	return names[c];
}

void cpu_sigstruct_mrsigner(const struct sgx_sigstruct_arch *sig, uint8_t mrsigner[SGX_HASH_SIZE])
{
	crypto_sha256(sig->modulus, sizeof(sig->modulus), mrsigner);
}

void cpu_sigstruct_init(struct sgx_sigstruct_arch *sig)
{
	memcpy(sig->header, header, sizeof(header));
	memcpy(sig->header2, header2, sizeof(header2));
	sig->exponent = 3;
}

int cpu_sigstruct_sign(struct sgx_sigstruct_arch *sig, const void *pem, size_t pem_size,
		       const char **why)
{
	uint8_t message[CPU_SIGSTRUCT_MESSAGE_SIZE];
	struct crypto_rsa rsa;

	cpu_sigstruct_message(sig, message);
	if (crypto_rsa_sign(pem, pem_size, message, sizeof(message), &rsa, why))
		return -1;
	memcpy(sig->modulus, rsa.modulus, sizeof(sig->modulus));
	memcpy(sig->signature, rsa.signature, sizeof(sig->signature));
	memcpy(sig->q1, rsa.q1, sizeof(sig->q1));
	memcpy(sig->q2, rsa.q2, sizeof(sig->q2));
	sig->exponent = 3;
	return 0;
}

enum cpu_sigstruct_check cpu_sigstruct_complete(struct sgx_sigstruct_arch *sig)
{
	struct crypto_rsa rsa;

	memcpy(rsa.modulus, sig->modulus, sizeof(rsa.modulus));
	memcpy(rsa.signature, sig->signature, sizeof(rsa.signature));
	/* Quotients that do not fit are those of a signature that is not the modulus'. */
	if (!crypto_rsa_helpers(&rsa))
		return CPU_SIG_Q1;
	memcpy(sig->q1, rsa.q1, sizeof(sig->q1));
	memcpy(sig->q2, rsa.q2, sizeof(sig->q2));
	return cpu_sigstruct_verify(sig);
}
