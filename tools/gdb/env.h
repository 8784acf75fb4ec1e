/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `swsgx gdb` tells the library in gdb, which takes it out of the environment
 * before gdb looks: "run" or "attach", then "agent" or nothing, then LD_PRELOAD as
 * it was; commas between.
 */
#ifndef TOOLS_GDB_ENV_H
#define TOOLS_GDB_ENV_H

#define GDB_ENV "SWSGX_GDB"

#endif
