/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What host and enclave of the example agree on: one struct in the host's
 * memory, whose address the host passes in RDI.
 */
#ifndef HELLO_H
#define HELLO_H

#include <stdint.h>

enum hello_op {
	HELLO_ADD, /* result = a + b */
	HELLO_GREET, /* a greeting into buffer */
	HELLO_REPORT, /* a REPORT of this enclave into buffer, 432 bytes */
	HELLO_TRAP, /* UD2 inside: comes back as an exception, if at all */
	HELLO_OP_COUNT,
};

enum hello_status {
	HELLO_OK,
	HELLO_UNKNOWN_OP,
	HELLO_BAD_BUFFER, /* in the enclave, too small, or wraps around */
	HELLO_NESTED, /* this TCS has an exception pending: CSSA > 0 */
};

/* Fixed layout: the two sides are built by different compiler runs */
struct hello_call {
	uint64_t op;
	uint64_t a;
	uint64_t b;
	uint64_t buffer; /* address of the host's */
	uint64_t buffer_size;
	uint64_t result; /* written by the enclave */
	uint64_t status; /* written last, enum hello_status */
};

#define HELLO_REPORT_SIZE 432u

#endif
