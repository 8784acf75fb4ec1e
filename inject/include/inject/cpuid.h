/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding CPUID instructions (0F A2) for certain, where the processor cannot
 * fault them: an ELF file's code is decoded from function starts (.eh_frame,
 * symbols), never searched for bytes.
 */
#ifndef INJECT_CPUID_H
#define INJECT_CPUID_H

#include <stddef.h>
#include <stdint.h>

/**
 * inject_cpuid_scan() - the file offsets of CPUID instructions in an ELF file
 * @image, @size:	the whole file; not trusted
 * @offsets:		receives up to @max ascending file offsets
 *
 * Only instructions that are reached by decoding forward from a known function
 * start within that function's known extent are reported.
 * Return: how many there are (may exceed @max), or -ENOEXEC for no x86-64 ELF.
 */
long inject_cpuid_scan(const uint8_t *image, size_t size, uint64_t *offsets, size_t max);

/* The processor can fault CPUID (arch_prctl ARCH_CPUID, tried in a child). */
int inject_cpuid_can_fault(void);

#endif
