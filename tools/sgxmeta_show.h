/* SPDX-License-Identifier: BSD-3-Clause */
/* What `swsgx measure` and `swsgx inspect` print of an enclave of Intel's SDK. */
#ifndef TOOLS_SGXMETA_SHOW_H
#define TOOLS_SGXMETA_SHOW_H

#include "show.h"

int sgxmeta_show(const char *path, const void *data, size_t size, const struct show *how)
	__attribute__((warn_unused_result));

#endif
