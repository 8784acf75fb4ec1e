/* SPDX-License-Identifier: BSD-3-Clause */
/* driver.c as it is. */
#include <driver.c>
