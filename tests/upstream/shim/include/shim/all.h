/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each <linux/...>, <asm/...> and <crypto/...> of the driver's files is: a header
 * that the build makes for each #include line of theirs forwards to this one (unpack.sh),
 * so that a new version of the driver needs none by hand.
 */
#ifndef SHIM_ALL_H
#define SHIM_ALL_H

#include <shim/bits.h>
#include <shim/cpu.h>
#include <shim/file.h>
#include <shim/list.h>
#include <shim/lock.h>
#include <shim/mm.h>
#include <shim/task.h>
#include <shim/types.h>
#include <shim/xarray.h>

#endif
