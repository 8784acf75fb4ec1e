/* SPDX-License-Identifier: BSD-3-Clause */
/* What firmware does to a machine that is off: update-tcb and owner-epoch. */
#ifndef TOOLS_MACHINE_FIRMWARE_H
#define TOOLS_MACHINE_FIRMWARE_H

#include <stdint.h>

#define OWNER_EPOCH_SIZE 16 /* bytes */

int firmware_update_tcb(const char *name);
int firmware_owner_epoch(const char *name, const uint8_t *epoch);

#endif
