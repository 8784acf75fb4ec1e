/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGSTRUCT: verification as EINIT does it, and what signers need. */
#ifndef CPU_SIGSTRUCT_H
#define CPU_SIGSTRUCT_H

#include <sgx/arch.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * First rule that a SIGSTRUCT breaks, in EINIT's order.  EINIT answers
 * SGX_INVALID_SIG_STRUCT for _HEADER, _VENDOR, _EXPONENT and _RESERVED, and
 * SGX_INVALID_SIGNATURE for the rest.
 */
enum cpu_sigstruct_check {
	CPU_SIG_OK = 0,
	CPU_SIG_HEADER, /* HEADER or HEADER2 is not the fixed value */
	CPU_SIG_VENDOR, /* not 0 and not 8086h */
	CPU_SIG_EXPONENT, /* not 3 */
	CPU_SIG_RESERVED, /* a reserved byte is set */
	CPU_SIG_Q1, /* Q1 != SIGNATURE^2 / MODULUS */
	CPU_SIG_Q2, /* Q2 != (SIGNATURE^3 - Q1 S M) / MODULUS */
	CPU_SIG_PADDING, /* SIGNATURE^3 mod M is not PKCS#1 1.5 of SHA-256 */
	CPU_SIG_DIGEST, /* padding right, digest of the signed spans wrong */
};

/* sig: a private copy, not memory that may change */
enum cpu_sigstruct_check cpu_sigstruct_verify(const struct sgx_sigstruct_arch *sig);
/* A word for people; never NULL */
const char *cpu_sigstruct_check_name(enum cpu_sigstruct_check c);
/* MRSIGNER = SHA-256 of MODULUS, little-endian as it stands in SIGSTRUCT */
void cpu_sigstruct_mrsigner(const struct sgx_sigstruct_arch *sig, uint8_t mrsigner[SGX_HASH_SIZE]);
/* Fill the fixed HEADER, HEADER2, EXPONENT */
void cpu_sigstruct_init(struct sgx_sigstruct_arch *sig);
/*
 * Sign: sets MODULUS, EXPONENT, SIGNATURE, Q1 and Q2 from a PEM RSA private key
 * of 3072 bits with exponent 3.  Every other field must be set before.
 * Return: 0, or -1 with *why a static string.
 */
int cpu_sigstruct_sign(struct sgx_sigstruct_arch *sig, const void *pem, size_t pem_size,
		       const char **why) __attribute__((warn_unused_result));
/*
 * Signing in two steps, with a key that is elsewhere.  The message is what RSA with PKCS#1 1.5
 * and SHA-256 signs: header to rsvd1 and miscselect to isvsvn.
 */
#define CPU_SIGSTRUCT_MESSAGE_SIZE (SGX_SIGSTRUCT_SIGNED1_SIZE + SGX_SIGSTRUCT_SIGNED2_SIZE)
void cpu_sigstruct_message(const struct sgx_sigstruct_arch *sig,
			   uint8_t message[CPU_SIGSTRUCT_MESSAGE_SIZE]);
/* All of a SIGSTRUCT but the key's fields, which are 0, and EXPONENT, which is 3 */
void cpu_sigstruct_from_message(struct sgx_sigstruct_arch *sig,
				const uint8_t message[CPU_SIGSTRUCT_MESSAGE_SIZE]);
/* Set Q1 and Q2 by MODULUS and SIGNATURE.  Return: what cpu_sigstruct_verify() then says. */
enum cpu_sigstruct_check cpu_sigstruct_complete(struct sgx_sigstruct_arch *sig)
	__attribute__((warn_unused_result));

#endif
