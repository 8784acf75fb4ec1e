/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The leaves of ENCLU that the package executes, each in a file of its name.
 * Context of all: encl->secs is a valid, initialised SECS.
 */
#ifndef CPU_ENCLU_ENCLU_H
#define CPU_ENCLU_ENCLU_H

#include <cpu/leaf.h>

#define ENCLU_LEAF(name)                                                                           \
	struct cpu_result enclu_##name(struct cpu_package *pkg, const struct cpu_enclave_as *encl, \
				       struct cpu_regs *regs) CPU_MUST_CHECK

ENCLU_LEAF(ereport);
ENCLU_LEAF(egetkey);
ENCLU_LEAF(eaccept);
ENCLU_LEAF(emodpe);
ENCLU_LEAF(eacceptcopy);

#endif
