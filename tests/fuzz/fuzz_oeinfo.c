/* SPDX-License-Identifier: BSD-3-Clause */
/* .oeinfo: the bytes are the file. */
#include "fuzz.h"
#include "oeinfo.h"

#include <stdlib.h>
#include <string.h>

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: the file
 * @size: bytes
 *
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sgx_sigstruct_arch none;
	char error[LAYOUT_MESSAGE_SIZE] = "";
	struct oeinfo o;

	if (oeinfo_read(&o, data, size, error)) {
		/* A message for every fault, and it ends within its array */
		if (!error[0] || !memchr(error, 0, sizeof(error)))
			abort();
		return 0;
	}
	if (o.is_signed != (memcmp(&o.sig, &none, sizeof(none)) != 0) || size < sizeof(o.sig))
		abort();
	return 0;
}
