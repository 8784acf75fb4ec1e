/* SPDX-License-Identifier: BSD-3-Clause */
/* SGXS: the bytes are the stream.  What is counted must be what the stream has room for. */
#include "fuzz.h"
#include "sgxs.h"

#include <stdlib.h>
#include <string.h>

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: the stream
 * @size: bytes
 *
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[SGXS_MESSAGE_SIZE] = "";
	struct sgxs s, again;
	uint64_t records;

	if (sgxs_parse(&s, data, size, error)) {
		/* A message for every fault, and it ends within its array */
		if (!error[0] || !memchr(error, 0, sizeof(error)))
			abort();
		return 0;
	}
	records = 1 + s.pages + s.chunks + s.unmeasured;
	if (records * 64 + (s.chunks + s.unmeasured) * 256 != size || s.tcs_count > s.pages ||
	    s.chunks + s.unmeasured > s.pages * 16)
		abort();
	if (sgxs_parse(&again, data, size, error) || memcmp(&s, &again, sizeof(s)))
		abort();
	return 0;
}
