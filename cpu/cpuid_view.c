/* SPDX-License-Identifier: BSD-3-Clause */
/* What CPUID says of a package: made once, from its configuration. */
#include <cpu/package.h>
#include <sgx/leaf.h>

#include <string.h>

_Static_assert(SGX_CPUID_12_EPC_SUBLEAF + CPU_EPC_SECTIONS_MAX <= CPU_VIEW_SUBLEAVES,
	       "sub-leaves for all sections");

#define INTEL_EBX      0x756e6547u
#define LEAF_FREQUENCY 0x16u /* the last that is answered for Intel's sake */
#define FIRST_EXTENDED 0x80000000u

static const char brand[] = "Intel-compatible processor (swsgx)";

/* " @ 2.60GHz", as software that looks for a frequency there reads it */
static void put_frequency(char *p, uint32_t khz)
{
	uint32_t hundredths = (khz + 5000) / 10000;

	memcpy(p, " @ ", 3);
	p += 3;
	if (hundredths >= 1000)
		*p++ = (char)('0' + hundredths / 1000 % 10);
	*p++ = (char)('0' + hundredths / 100 % 10);
	*p++ = '.';
	*p++ = (char)('0' + hundredths / 10 % 10);
	*p++ = (char)('0' + hundredths % 10);
	memcpy(p, "GHz", 4);
}

void cpu_cpuid_view_init(struct cpu_cpuid_view *v, const struct cpu_package *pkg,
			 cpu_cpuid_native *host, bool intel, uint32_t tsc_khz)
{
	struct cpu_cpuid regs;
	uint32_t least;

	memset(v, 0, sizeof(*v));
	host(0, 0, &regs);
	v->host_max = regs.eax;
	/* Intel's own needs no other name, and no other leaves */
	if (intel && regs.ebx != INTEL_EBX)
		v->flags |= CPU_VIEW_INTEL;
	least = v->flags & CPU_VIEW_INTEL ? LEAF_FREQUENCY : SGX_CPUID_LEAF;
	v->max = v->host_max > least ? v->host_max : least;
	host(FIRST_EXTENDED, 0, &regs);
	v->host_max_extended = regs.eax;
	v->tsc_khz = tsc_khz;
	memcpy(v->brand, brand, sizeof(brand));
	if (tsc_khz)
		put_frequency(v->brand + sizeof(brand) - 1, tsc_khz);
	memset(&regs, 0, sizeof(regs));
	cpu_cpuid_sgx(pkg, SGX_CPUID_FEATURES, 0, &regs);
	v->features_ebx = regs.ebx;
	v->features_ecx = regs.ecx;
	v->sgx_count = SGX_CPUID_12_EPC_SUBLEAF + pkg->section_count;
	for (uint32_t i = 0; i < v->sgx_count; i++)
		cpu_cpuid_sgx(pkg, SGX_CPUID_LEAF, i, &v->sgx[i]);
}
