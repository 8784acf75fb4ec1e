/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUID in a program that is being injected. */
#ifndef INJECT_CPUID_PATCH_H
#define INJECT_CPUID_PATCH_H

#include <proto/agent.h>

#include "remote.h"

/**
 * cpuid_prepare() - what the agent needs to answer CPUID
 * @r:		process at its exec, with the agent's parameters mapped
 * @p:		receives the view, and whether CPUID faults
 * @entry:	AT_ENTRY of the program
 *
 * Where CPUID does not fault: the program's own instructions become the stand-in,
 * and the process is told of the files that are known.  What fails here is left as
 * it is: it costs the program its view of SGX in CPUID, or a question.
 */
void cpuid_prepare(struct remote *r, struct proto_agent_params *p, uint64_t entry);

/**
 * cpuid_known() - the files that processes map, those of late first
 * @known: receives them, as far as there is room
 */
void cpuid_known(struct proto_cpuid_known *known);

#endif
