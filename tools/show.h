/* SPDX-License-Identifier: BSD-3-Clause */
/* How `swsgx measure` and `swsgx inspect` want an enclave of another SDK shown. */
#ifndef TOOLS_SHOW_H
#define TOOLS_SHOW_H

#include "json.h"
#include "layout.h"
#include "xfrm_scan.h"

#include <stdio.h>

/**
 * struct show - how an enclave is shown
 * @sig:	--sig, or NULL
 * @json:	as an object
 * @whole:	everything, as inspect does; else the measurement, as measure does
 * @is:		what the code is held against, where @whole
 */
struct show {
	const struct sgx_sigstruct_arch *sig;
	bool json, whole;
	struct xfrm_signed is;
};

void show_layout(FILE *out, const struct layout *l);
void show_layout_json(struct json *j, const struct layout *l, bool extents);

#endif
