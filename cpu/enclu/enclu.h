/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The leaves of ENCLU that the package executes, each in a file of its name.
 * Context of all: encl->secs is a valid, initialised SECS.
 */
#ifndef CPU_ENCLU_ENCLU_H
#define CPU_ENCLU_ENCLU_H

#include <cpu/leaf.h>

struct cpu_result enclu_ereport(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				struct cpu_regs *regs) CPU_MUST_CHECK;
struct cpu_result enclu_egetkey(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				struct cpu_regs *regs) CPU_MUST_CHECK;

#endif
