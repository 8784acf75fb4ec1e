/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID outside enclaves.  Also built for the agent, freestanding.
 *
 * With SGX, on any host: leaf 0 (the highest leaf is 12H or more), 7 and 12H; and 15H
 * where the host has no frequency of the time stamp counter to say, but it is known.
 * On another maker's processor that is shown as Intel's (CPU_VIEW_INTEL) also:
 *
 *	0, 80000000H	GenuineIntel; nothing, where Intel has nothing
 *	1, 80000001H	the model's signature
 *	2, 4		caches: "see leaf 4", and the maker's leaf 8000001DH
 *	16H		frequency of the time stamp counter, if it is known
 *	80000002H-4H	a name that says what it is
 *	leaves above the highest: the highest leaf's, as Intel's do
 *
 * On Intel's own a model changes the signature alone (CPU_VIEW_SIGNATURE).
 *
 * All feature bits stay the host's, and so do leaf 0DH and the topology (0BH).
 */
#include <cpu/cpuid.h>
#include <cpu/mem.h>
#include <sgx/leaf.h>

#define LEAF_VENDOR	   0x0u
#define LEAF_SIGNATURE	   0x1u
#define LEAF_CACHE_BYTES   0x2u
#define LEAF_CACHES	   0x4u
#define LEAF_TSC	   0x15u
#define LEAF_FREQUENCY	   0x16u
#define LEAF_HYPERVISOR	   0x40000000u
#define LEAF_EXTENDED	   0x80000000u
#define LEAF_EXTENDED_1	   0x80000001u
#define LEAF_POWER	   0x80000007u
#define LEAF_ADDRESS_SIZES 0x80000008u
#define LEAF_AMD_CACHES	   0x8000001du
#define AMD_TOPOEXT	   (1u << 22) /* 80000001H ECX: 8000001DH is there */

/* One descriptor, FFH: leaf 4 has the caches; F0H: prefetch of 64 bytes */
#define CACHES_IN_LEAF_4 0x00feff01u
#define PREFETCH_64	 0x000000f0u

#define CRYSTAL_KHZ	 25000u /* of that processor */

static void put(struct cpu_cpuid *regs, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	regs->eax = eax;
	regs->ebx = ebx;
	regs->ecx = ecx;
	regs->edx = edx;
}

/*
 * Leaf 4 and AMD's 8000001DH agree but for EAX[31:26], which AMD reserves: the
 * cores of the package, less one.  Who counts caches stops at type 0.
 */
static void intel_caches(const struct cpu_cpuid_view *v, uint32_t subleaf, cpu_cpuid_native *host,
			 struct cpu_cpuid *regs)
{
	struct cpu_cpuid sizes, extended;
	uint32_t cores;

	put(&extended, 0, 0, 0, 0);
	if (v->host_max_extended >= LEAF_AMD_CACHES)
		host(LEAF_EXTENDED_1, 0, &extended);
	put(regs, 0, 0, 0, 0);
	if (!(extended.ecx & AMD_TOPOEXT))
		return;
	host(LEAF_AMD_CACHES, subleaf, regs);
	if (!(regs->eax & 0x1f)) {
		put(regs, 0, 0, 0, 0);
		return;
	}
	host(LEAF_ADDRESS_SIZES, 0, &sizes);
	cores = sizes.ecx & 0xff;
	regs->eax = (regs->eax & 0x03ffffffu) | (cores > 0x3f ? 0x3fu : cores) << 26;
}

/* SDM, leaf 15H: TSC = ECX * EBX / EAX, all nonzero */
static void tsc_frequency(const struct cpu_cpuid_view *v, struct cpu_cpuid *regs)
{
	put(regs, CRYSTAL_KHZ, v->tsc_khz, CRYSTAL_KHZ * 1000, 0);
}

/* SDM, leaf 16H: in MHz, informative */
static void intel_frequency(const struct cpu_cpuid_view *v, struct cpu_cpuid *regs)
{
	uint32_t mhz = (v->tsc_khz + 500) / 1000;

	put(regs, mhz, mhz, v->tsc_khz ? 100 : 0, 0);
}

static const struct {
	uint32_t leaf, subleaf;
} kept[CPU_VIEW_HOST] = {
	{LEAF_VENDOR, 0},	 {SGX_CPUID_FEATURES, 0}, {SGX_CPUID_FEATURES, 1},
	{LEAF_EXTENDED, 0},	 {LEAF_EXTENDED_1, 0},	  {CPUID_BRAND, 0},
	{CPUID_BRAND + 1, 0},	 {CPUID_BRAND + 2, 0},	  {LEAF_POWER, 0},
	{LEAF_ADDRESS_SIZES, 0},
};

void cpu_cpuid_kept(uint32_t i, uint32_t *leaf, uint32_t *subleaf)
{
	*leaf = kept[i].leaf;
	*subleaf = kept[i].subleaf;
}

/* What the host answers.  All kept leaves but 7 have no sub-leaves, and ignore ECX. */
static void ask_host(const struct cpu_cpuid_view *v, uint32_t leaf, uint32_t subleaf,
		     cpu_cpuid_native *host, struct cpu_cpuid *regs)
{
	uint32_t i;

	for (i = 0; i < CPU_VIEW_HOST; i++) {
		if (kept[i].leaf != leaf ||
		    (leaf == SGX_CPUID_FEATURES && kept[i].subleaf != subleaf))
			continue;
		*regs = v->host[i];
		return;
	}
	host(leaf, subleaf, regs);
}

static void intel(const struct cpu_cpuid_view *v, uint32_t leaf, uint32_t subleaf,
		  cpu_cpuid_native *host, struct cpu_cpuid *regs)
{
	switch (leaf) {
	case LEAF_VENDOR: /* "Genu" "ntel" "ineI" */
		put(regs, regs->eax, 0x756e6547u, 0x6c65746eu, 0x49656e69u);
		break;
	case LEAF_CACHE_BYTES:
		put(regs, CACHES_IN_LEAF_4, PREFETCH_64, 0, 0);
		break;
	case LEAF_CACHES:
		intel_caches(v, subleaf, host, regs);
		break;
	case LEAF_FREQUENCY:
		intel_frequency(v, regs);
		break;
	case LEAF_EXTENDED:
		regs->ebx = regs->ecx = regs->edx = 0;
		break;
	case LEAF_EXTENDED_1:
		regs->eax = regs->ebx = 0;
		break;
	case CPUID_BRAND:
	case CPUID_BRAND + 1:
	case CPUID_BRAND + 2:
		cpu_copy(regs, v->brand + (leaf - CPUID_BRAND) * sizeof(*regs), sizeof(*regs));
		break;
	default:
		break;
	}
}

void cpu_cpuid_answer(const struct cpu_cpuid_view *v, uint32_t leaf, uint32_t subleaf,
		      cpu_cpuid_native *host, struct cpu_cpuid *regs)
{
	if ((v->flags & CPU_VIEW_INTEL) &&
	    ((leaf > v->max && leaf < LEAF_HYPERVISOR) || leaf > v->host_max_extended))
		leaf = v->max;
	/* Leaves between the host's highest and ours */
	if (leaf > v->host_max && leaf <= v->max)
		put(regs, 0, 0, 0, 0);
	else
		ask_host(v, leaf, subleaf, host, regs);
	if (leaf == LEAF_TSC && (v->flags & CPU_VIEW_TSC))
		tsc_frequency(v, regs);
	if (leaf == LEAF_VENDOR)
		regs->eax = v->max;
	if (leaf == LEAF_SIGNATURE && (v->flags & CPU_VIEW_SIGNATURE))
		regs->eax = v->signature;
	if (v->flags & CPU_VIEW_INTEL)
		intel(v, leaf, subleaf, host, regs);
	if (leaf == SGX_CPUID_FEATURES && subleaf == 0) {
		regs->ebx = (regs->ebx & ~SGX_CPUID_7_EBX_SGX) | v->features_ebx;
		regs->ecx = (regs->ecx & ~SGX_CPUID_7_ECX_SGX_LC) | v->features_ecx;
	} else if (leaf == SGX_CPUID_LEAF) {
		if (subleaf < v->sgx_count)
			*regs = v->sgx[subleaf];
		else
			put(regs, 0, 0, 0, 0);
	}
}
