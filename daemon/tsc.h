/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DAEMON_TSC_H
#define DAEMON_TSC_H

#include <stdint.h>

/**
 * tsc_khz() - frequency of this computer's time stamp counter
 *
 * Context: takes some ten microseconds; nothing is measured.
 * Return: in kHz; 0 where it is not constant, or nobody knows it
 */
uint32_t tsc_khz(void);

#endif
