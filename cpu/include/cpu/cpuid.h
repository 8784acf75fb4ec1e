/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID as software on a package sees it: what the host's processor answers, with
 * SGX in it, and on request with another maker's name.
 *
 * Answers never name an instruction or an XSAVE component that the host does not
 * have, and sizes and offsets of components (0DH) are the host's: they run there.
 */
#ifndef CPU_CPUID_H
#define CPU_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct cpu_cpuid {
	uint32_t eax, ebx, ecx, edx;
};

/* The host's CPUID instruction. */
typedef void cpu_cpuid_native(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs);

#define CPUID_BRAND	   0x80000002u /* and the two after it */
#define CPUID_BRAND_SIZE   48u
#define CPU_VIEW_SUBLEAVES 10u /* of 12H: two, and CPU_EPC_SECTIONS_MAX */

#define CPU_VIEW_HOST	   10u /* leaves of the host's that are kept */

#define CPU_VIEW_INTEL	   (1u << 0) /* another maker's processor shown as Intel's */
#define CPU_VIEW_TSC	   (1u << 1) /* leaf 15H is made of tsc_khz: the host has none */
#define CPU_VIEW_SIGNATURE (1u << 2) /* another model: leaf 1 has its signature */

/* All that the answers depend on beside the host; plain data, copied to processes. */
struct cpu_cpuid_view {
	uint32_t flags; /* CPU_VIEW_* */
	uint32_t host_max; /* CPUID.0:EAX of the host */
	uint32_t max; /* and here */
	uint32_t host_max_extended; /* CPUID.80000000H:EAX */
	uint32_t tsc_khz; /* 0: not known */
	uint32_t signature; /* with CPU_VIEW_SIGNATURE: CPUID.1:EAX */
	uint32_t features_ebx, features_ecx; /* SGX and SGX_LC of 7.0, where they are there */
	uint32_t sgx_count; /* sub-leaves of 12H; later ones are 0 */
	struct cpu_cpuid sgx[CPU_VIEW_SUBLEAVES];
	struct cpu_cpuid host[CPU_VIEW_HOST]; /* see cpu_cpuid_kept() */
	char brand[CPUID_BRAND_SIZE]; /* with CPU_VIEW_INTEL: ends in a zero */
};

/**
 * cpu_cpuid_answer() - CPUID
 * @leaf, @subleaf: EAX and ECX
 * @host:	the instruction
 * @regs:	receives the answer
 *
 * Context: freestanding, no memory but its arguments'.
 */
void cpu_cpuid_answer(const struct cpu_cpuid_view *view, uint32_t leaf, uint32_t subleaf,
		      cpu_cpuid_native *host, struct cpu_cpuid *regs);

/**
 * cpu_cpuid_kept() - leaves that the view keeps, so that they cost no CPUID
 * @i:	      which of the CPU_VIEW_HOST
 * @leaf, @subleaf: receive EAX and ECX
 *
 * Those that answer the same on every processor of a computer and at any time: not 1,
 * 4, 0BH, 0DH, 16H, 1AH or 1FH.
 */
void cpu_cpuid_kept(uint32_t i, uint32_t *leaf, uint32_t *subleaf);

/* SDM, leaf 1: family and model with their extensions, from EAX */
static inline uint32_t cpu_cpuid_family(uint32_t eax)
{
	uint32_t family = eax >> 8 & 0xf;

	return family == 0xf ? family + (eax >> 20 & 0xff) : family;
}

static inline uint32_t cpu_cpuid_model(uint32_t eax)
{
	uint32_t model = eax >> 4 & 0xf;

	/* families 6 and up: Linux takes the extension there as well */
	return cpu_cpuid_family(eax) >= 6 ? model | (eax >> 16 & 0xf) << 4 : model;
}

#endif
