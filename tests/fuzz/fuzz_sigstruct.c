/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGSTRUCT: verification, and what `swsgx inspect` prints of one.
 *
 * Random bytes never pass HEADER, so the first input byte tells which of the
 * checks that come first are made to pass, for the RSA part to be reached.
 */
#include "fuzz.h"
#include "print.h"

#include <cpu/sigstruct.h>
#include <stdlib.h>
#include <string.h>

static FILE *sink(void)
{
	static FILE *f;

	if (!f)
		f = fopen("/dev/null", "w");
	if (!f)
		abort();
	return f;
}

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: one byte of switches, then up to a SIGSTRUCT
 * @size: bytes
 *
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum cpu_sigstruct_check first, second;
	struct sgx_sigstruct_arch sig, before;
	uint8_t switches;
	struct json j;

	if (!size)
		return 0;
	switches = *data++;
	size--;
	memset(&sig, 0, sizeof(sig));
	memcpy(&sig, data, size < sizeof(sig) ? size : sizeof(sig));
	if (switches & 1)
		cpu_sigstruct_init(&sig);
	if (switches & 2)
		sig.vendor = 0;
	if (switches & 4) {
		memset(sig.rsvd1, 0, sizeof(sig.rsvd1));
		memset(sig.rsvd2, 0, sizeof(sig.rsvd2));
		memset(sig.rsvd3, 0, sizeof(sig.rsvd3));
		memset(sig.rsvd4, 0, sizeof(sig.rsvd4));
	}
	if (switches & 8)
		sig.modulus[SGX_MODULUS_SIZE_BYTES - 1] |= 0x80;
	before = sig;
	first = cpu_sigstruct_verify(&sig);
	second = cpu_sigstruct_verify(&sig);
	/* The same answer twice, nothing written, and a word for every answer */
	if (first != second || memcmp(&before, &sig, sizeof(sig)) ||
	    !cpu_sigstruct_check_name(first))
		abort();
	print_sigstruct(sink(), &sig);
	json_start(&j, sink());
	json_open_object(&j, NULL);
	print_sigstruct_json(&j, &sig);
	json_close_object(&j);
	json_end(&j);
	return 0;
}
