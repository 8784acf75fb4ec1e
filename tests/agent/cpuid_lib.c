/* SPDX-License-Identifier: BSD-3-Clause */
/* A library with CPUID in it, and with a UD2 of its own. */
#include <cpuid.h>
#include <stdint.h>

void cpuid_lib_ask(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
void cpuid_lib_die(void);

void cpuid_lib_ask(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	__cpuid_count(leaf, subleaf, regs[0], regs[1], regs[2], regs[3]);
}

void cpuid_lib_die(void)
{
	__asm__ volatile("ud2");
}
