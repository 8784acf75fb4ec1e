/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of XFRM an enclave's code needs.
 *
 * On hardware an enclave has the XSAVE components of its XFRM alone: the others'
 * instructions are #UD inside, and XGETBV shows XFRM.  Here XCR0 stays the host's
 * (CAVEATS.md), so that such code runs, and fails on the first processor with SGX.
 * What can be had is to say so before: this looks at the code.
 *
 * Executable sections, or where there are none the executable segments, are decoded
 * from their start to their end.  Data between code may be taken for instructions, and
 * code that is never run counts: CPUID decides at run time what a library uses.
 */
#ifndef TOOLS_XFRM_SCAN_H
#define TOOLS_XFRM_SCAN_H

#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define XFRM_FIRST_MAX 4u

enum xfrm_kind {
	XFRM_AVX, /* VEX and XOP, but for general registers */
	XFRM_AVX512, /* EVEX, and VEX on mask registers */
	XFRM_AMX,
	XFRM_XGETBV,
	XFRM_KINDS,
};

/**
 * struct xfrm_found - instructions of one kind
 * @count:	how many
 * @first:	linear addresses of the first ones, as the file has them
 */
struct xfrm_found {
	uint64_t count;
	uint64_t first[XFRM_FIRST_MAX];
};

/**
 * struct xfrm_scan - what is in a file
 * @found:	by kind
 * @code_size:	bytes that were looked at
 */
struct xfrm_scan {
	struct xfrm_found found[XFRM_KINDS];
	uint64_t code_size;
};

/**
 * struct xfrm_signed - what the enclave is signed for
 * @known:	false: nobody has said
 * @xfrm:	SIGSTRUCT.ATTRIBUTES.XFRM
 * @mask:	SIGSTRUCT.ATTRIBUTEMASK.XFRM: where a bit is 0 the loader chooses
 */
struct xfrm_signed {
	bool known;
	uint64_t xfrm, mask;
};

int xfrm_scan(struct xfrm_scan *scan, const void *file, size_t size)
	__attribute__((warn_unused_result));
void xfrm_print(FILE *out, const struct xfrm_scan *scan, const struct xfrm_signed *is);
void xfrm_print_json(struct json *j, const struct xfrm_scan *scan, const struct xfrm_signed *is);

#endif
