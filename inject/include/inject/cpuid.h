/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding CPUID instructions (0F A2) for certain, where the processor cannot
 * fault them: an ELF file's code is decoded from function starts (.eh_frame,
 * symbols), never searched for bytes.
 */
#ifndef INJECT_CPUID_H
#define INJECT_CPUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

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

/**
 * inject_cpuid_can_fault() - whether CPUID can be made to fault here
 *
 * Tried once (arch_prctl ARCH_CPUID, in a child).  Return: 1 or 0.
 */
int inject_cpuid_can_fault(void);

/**
 * inject_cpuid_file() - the same of a file, from the cache where it is there
 * @fd:		open for reading
 * @st:		of it; a regular file
 * @library:	processes map it, so that the next ones are told of it at their exec
 * @ret_offsets: receives ascending file offsets, to be freed; NULL where there
 *		are none
 *
 * The answer for what is no ELF file, or too large, is 0.
 * Context: any thread.  Return: how many, or -ENOMEM, or -EIO.
 */
long inject_cpuid_file(int fd, const struct stat *st, bool library, uint32_t **ret_offsets);

/**
 * inject_cpuid_leave() - a library whose CPUID instructions are left as they are
 * @path: of it
 *
 * Context: any thread.
 */
void inject_cpuid_leave(const char *path);

/* Forget all files.  Context: no other thread uses them. */
void inject_cpuid_forget(void);

/**
 * inject_cpuid_view() - what CPUID answers, for the agents of all later execs
 * @view, @size: struct cpu_cpuid_view, at most PROTO_PARAM_VIEW_SIZE
 *
 * Context: before the first exec.
 */
void inject_cpuid_view(const void *view, size_t size);

#endif
