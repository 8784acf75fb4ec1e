/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef INJECT_FILTER_H
#define INJECT_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

/**
 * inject_filter_build() - the first stage of the seccomp filter
 * @code, @max:	where to put it
 * @command_fd:	number of the command socket: it and those below it are the agent's
 *
 * Return: its length, or 0 where @max is too small.
 */
size_t inject_filter_build(struct sock_filter *code, size_t max, int command_fd);

#endif
