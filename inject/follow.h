/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the stages of an injection. */
#ifndef INJECT_FOLLOW_H
#define INJECT_FOLLOW_H

#include "remote.h"

#include <proto/msg.h>

/**
 * inject_now() - stages 4 to 6 and the registers of 7, on a program that is stopped
 *	before its first instruction
 * @r:		tracee
 * @exec:	the state that survives
 * @what:	receives a static string where it returns an error
 *
 * Return: 0, or -errno: the program cannot run.
 */
int inject_now(struct remote *r, const struct proto_exec *exec, const char **what);

#endif
