/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's processor, and what the machine makes of it. */
#include "machine.h"
#include "tsc.h"

#include <inject/cpuid.h>

#include <cpuid.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* XSAVE components that an enclave may have: x87, SSE, AVX, AVX-512 */
#define XFRM_OFFERED 0xe7ull
#define XFRM_AMD     0x07ull

static uint64_t host_xcr0(void)
{
	uint32_t a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return SGX_XFRM_LEGACY;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (uint64_t)d << 32 | a;
}

static bool host_is_intel(void)
{
	uint32_t a, b, c, d;

	return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx &&
	       d == signature_INTEL_edx && c == signature_INTEL_ecx;
}

/*
 * log2 of the largest ELRANGE, 1 TiB.  Processors offer up to 2^56.  Here each ELRANGE
 * is mapped in the daemon, whole, and so are its tables (1/64 of it for the TCSs); a
 * process has 2^47 addresses.  See LARGE_TOTAL (enclave.c).
 */
#define MAX_SIZE_64 40

/**
 * hostcpu_config() - a package as this processor can run it, and as its model allows
 * @model: which one
 * @config: receives it
 */
void hostcpu_config(const struct cpu_model *model, struct cpu_config *config)
{
	memset(config, 0, sizeof(*config));
	config->attributes = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_PROVISION_KEY_BIT |
			     SGX_ATTR_EINITTOKEN_KEY_BIT | SGX_ATTR_KSS_BIT;
	/* Other makers' offsets of AVX-512 are not Intel's, which enclaves know */
	config->xfrm = host_xcr0() & (host_is_intel() ? XFRM_OFFERED : XFRM_AMD);
	config->miscselect = SGX_MISC_EXINFO_BIT;
	config->max_size_32 = 31;
	config->max_size_64 = MAX_SIZE_64;
	config->flc = 1;
	cpu_model_apply(model, config);
	for (uint32_t i = 2; i < 63; i++) {
		uint32_t a, b, c, d;

		if (!(config->xfrm >> i & 1) || !__get_cpuid_count(0xd, i, &a, &b, &c, &d))
			continue;
		config->xsave_size[i] = a;
		config->xsave_offset[i] = b;
	}
}

/* The agent asks for the name of each file that it does not know: libc every time */
static int leave_libc(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *name = strrchr(info->dlpi_name, '/');

	if (name && !strncmp(name, "/libc.so.", 9))
		inject_cpuid_leave(info->dlpi_name);
	return 0;
}

static void native(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	__cpuid_count(leaf, subleaf, regs->eax, regs->ebx, regs->ecx, regs->edx);
}

/**
 * hostcpu_view() - CPUID as the machine's processes see it, and how they get to
 * @m: with its package
 */
void hostcpu_view(struct machine *m)
{
	cpu_cpuid_view_init(&m->cpuid, &m->pkg, native, cpu_model(m->model), tsc_khz());
	inject_cpuid_view(&m->cpuid, sizeof(m->cpuid));
	/* before there are threads: it takes a child */
	inject_cpuid_can_fault();
	dl_iterate_phdr(leave_libc, NULL);
}
