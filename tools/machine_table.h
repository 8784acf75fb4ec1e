/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of `swsgx machine list`. */
#ifndef TOOLS_MACHINE_TABLE_H
#define TOOLS_MACHINE_TABLE_H

#include <stdbool.h>

int machine_table(bool as_json);

#endif
