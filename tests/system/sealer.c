/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An enclave that says its keys: one line for each request, as 32 hexadecimal digits.
 *
 *	sealer HEAP-PAGES {NAME:POLICY:ISVSVN...}
 *
 * NAME, POLICY: numbers of KEYREQUEST.  Another HEAP-PAGES is another MRENCLAVE.
 */
#include "encl.h"

#include <harness/harness.h>
#include <stdio.h>
#include <stdlib.h>

static void key(struct encl *e, const char *what)
{
	const uint64_t at_request = e->base + ENCL_DATA + DATA_SCRATCH;
	const uint64_t at_key = at_request + sizeof(struct sgx_keyrequest);
	unsigned int name, policy, isvsvn;
	struct sgx_keyrequest q = {0};
	uint8_t bytes[16];
	struct encl_op o;

	CHECK_EQ(sscanf(what, "%u:%u:%u", &name, &policy, &isvsvn), 3);
	q.keyname = (uint16_t)name;
	q.keypolicy = (uint16_t)policy;
	q.isvsvn = (uint16_t)isvsvn;
	/* as Intel's SDK and Gramine ask */
	q.attributemask.flags = 0xff0000000000000bull;
	q.miscmask = 0xf0000000u;
	encl_write(e, 0, at_request, &q, sizeof(q));
	o = encl_op(e, 0, OP_ENCLU, SGX_EGETKEY, at_request, at_key, 0);
	if (o.regs.rsi) {
		printf("code %u\n", (unsigned int)o.regs.rsi);
		return;
	}
	encl_read(e, 0, bytes, at_key, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct encl e;

	if (argc < 2)
		return 2;
	encl_build(&e, &(struct encl_opts){.heap = strtoull(argv[1], NULL, 0) * ENCL_PAGE});
	for (int i = 2; i < argc; i++)
		key(&e, argv[i]);
	encl_free(&e);
	return 0;
}
