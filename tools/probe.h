/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TOOLS_PROBE_H
#define TOOLS_PROBE_H

#include <stdbool.h>

bool probe_refused(void);

#endif
