/* SPDX-License-Identifier: BSD-3-Clause */
/* ioctl.c as it is. */
#include <ioctl.c>
