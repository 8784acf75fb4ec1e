/* SPDX-License-Identifier: BSD-3-Clause */
/* What `swsgx measure` and `swsgx inspect` print of a manifest of Gramine. */
#ifndef TOOLS_GRAMINE_SHOW_H
#define TOOLS_GRAMINE_SHOW_H

#include "show.h"

int gramine_show(const char *path, const void *data, size_t size, const char *libpal,
		 const struct show *how) __attribute__((warn_unused_result));

#endif
