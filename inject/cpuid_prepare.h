/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef INJECT_CPUID_PREPARE_H
#define INJECT_CPUID_PREPARE_H

#include "remote.h"

#include <inject/cpuid.h>
#include <proto/agent.h>

/**
 * cpuid_prepare() - what the agent needs to answer CPUID
 * @r:		process at its exec, with the agent's image and parameters mapped
 * @p:		receives the view, whether CPUID faults, and what names are in the program
 *
 * Where CPUID does not fault, the process is told of the files that are known, its own
 * executable before all others.  What fails here is left as it is: it costs the program
 * its view of SGX in CPUID, or a question.
 */
void cpuid_prepare(struct remote *r, struct proto_agent_params *p);

/* What was found in the executable of a process */
struct cpuid_program {
	struct proto_file_id id;
	uint32_t *offset; /* ascending, to be freed; NULL where there are none */
	uint32_t count;
	uint32_t names; /* PROTO_NAMES_* */
};

/**
 * cpuid_program_find() - look at the executable of a process
 * @r:		process at its exec, with the agent's image mapped
 * @owner:	whose it is, see inject_cpuid_owner()
 * @program:	receives what was found
 *
 * The process opens and reads the file itself: it may lie on a file system that hangs, or
 * be one that the caller may read and the process may not.  Without /proc, or where the
 * process may execute the file and not read it, nothing is found.
 * Return: 0, or -errno.
 */
int cpuid_program_find(struct remote *r, uint32_t owner, struct cpuid_program *program);

/**
 * cpuid_known() - a process' executable, and the files that processes map, of late first
 * @known:	receives them, as far as there is room
 * @program:	first of all; NULL: not known
 * @owner:	whose files, see inject_cpuid_owner()
 */
void cpuid_known(struct proto_cpuid_known *known, const struct cpuid_program *program,
		 uint32_t owner);

#endif
