/* SPDX-License-Identifier: BSD-3-Clause */
/* What CPUID says of a package: made once, from its configuration. */
#include <cpu/package.h>
#include <sgx/leaf.h>

#include <string.h>

_Static_assert(SGX_CPUID_12_EPC_SUBLEAF + CPU_EPC_SECTIONS_MAX <= CPU_VIEW_SUBLEAVES,
	       "sub-leaves for all sections");

#define INTEL_EBX      0x756e6547u
#define LEAF_TSC       0x15u
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

/* SDM: EBX 0: the ratio is not enumerated; EAX 0: there is no such leaf */
static bool host_has_tsc(uint32_t max, cpu_cpuid_native *host)
{
	struct cpu_cpuid regs;

	if (max < LEAF_TSC)
		return false;
	host(LEAF_TSC, 0, &regs);
	return regs.eax && regs.ebx;
}

static uint32_t least_leaf(const struct cpu_cpuid_view *v)
{
	if (v->flags & CPU_VIEW_INTEL)
		return LEAF_FREQUENCY;
	return v->flags & CPU_VIEW_TSC ? LEAF_TSC : SGX_CPUID_LEAF;
}

static void keep_host(struct cpu_cpuid_view *v, cpu_cpuid_native *host)
{
	uint32_t leaf, subleaf;

	for (uint32_t i = 0; i < CPU_VIEW_HOST; i++) {
		cpu_cpuid_kept(i, &leaf, &subleaf);
		host(leaf, subleaf, &v->host[i]);
	}
}

void cpu_cpuid_view_init(struct cpu_cpuid_view *v, const struct cpu_package *pkg,
			 cpu_cpuid_native *host, const struct cpu_model *model, uint32_t tsc_khz)
{
	struct cpu_cpuid regs;

	memset(v, 0, sizeof(*v));
	host(0, 0, &regs);
	v->host_max = regs.eax;
	/* Intel's own needs no other name and no other leaves; a named model its signature */
	if (model->intel && regs.ebx != INTEL_EBX)
		v->flags |= CPU_VIEW_INTEL | CPU_VIEW_SIGNATURE;
	if (model->named)
		v->flags |= CPU_VIEW_SIGNATURE;
	v->signature = model->signature;
	if (tsc_khz && !host_has_tsc(v->host_max, host))
		v->flags |= CPU_VIEW_TSC;
	v->max = v->host_max > least_leaf(v) ? v->host_max : least_leaf(v);
	keep_host(v, host);
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
