/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef INJECT_STARTUP_H
#define INJECT_STARTUP_H

#include "remote.h"

#include <proto/agent.h>

/**
 * startup_auxv() - read the auxv into @p, name our vDSO in it and on the stack
 * @r:	tracee, at its first instruction
 * @p:	receives what depends on the auxv
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

#endif
