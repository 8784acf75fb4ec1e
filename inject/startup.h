/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef INJECT_STARTUP_H
#define INJECT_STARTUP_H

#include "remote.h"

#include <proto/agent.h>

/**
 * startup_read_auxv() - read the auxv into @p
 * @r:	tracee, at its first instruction
 * @p:	receives it, and what depends on it
 *
 * Return: 0, or -errno.
 */
int startup_read_auxv(const struct remote *r, struct proto_agent_params *p);

/**
 * startup_auxv() - name our vDSO in the auxv that was read, and on the stack
 * @r:	tracee, at its first instruction
 * @p:	after startup_read_auxv()
 *
 * Return: 0, or -errno.
 */
int startup_auxv(struct remote *r, struct proto_agent_params *p);

/* A value of the auxv, 0 where it has none */
uint64_t startup_auxv_get(const struct proto_agent_params *p, uint64_t type);

/**
 * startup_mm_map() - the kernel's mm fields, to hand them back with our auxv
 * @r:	tracee
 * @p:	with the auxv; mm_map_valid says whether it worked
 */
void startup_mm_map(struct remote *r, struct proto_agent_params *p);

/**
 * startup_words() - whether its arguments or environment name a file of SGX
 * @r:	tracee
 * @p:	with mm_map; names is set where they do
 */
void startup_words(struct remote *r, struct proto_agent_params *p);

#endif
