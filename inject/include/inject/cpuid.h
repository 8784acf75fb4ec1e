/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding CPUID instructions (0F A2) for certain, where the processor cannot
 * fault them: an ELF file's code is decoded from function starts (.eh_frame,
 * symbols), never searched for bytes.
 */
#ifndef INJECT_CPUID_H
#define INJECT_CPUID_H

#include <proto/cpuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

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

/*
 * Whose processes are told what was found in a file: those of the user who could read it
 * then, and said what is in it.
 */
#define INJECT_OWNER_NONE     UINT32_MAX /* nobody's: it is not kept */
#define INJECT_CPUID_FILE_MAX (512ull << 20) /* larger files are not looked at */

/**
 * inject_cpuid_owner() - the user whose processes are told what is found for this one
 * @proc: process, as /proc numbers it
 *
 * Return: the uid; INJECT_OWNER_NONE where its real, effective, saved and file system uid
 * are not the same, or stand for any that has no number here (overflowuid).
 */
uint32_t inject_cpuid_owner(pid_t proc);

/**
 * inject_cpuid_cached() - what was found in a file
 * @id:		file
 * @owner:	whose process asks
 * @ret_offsets: receives ascending file offsets, to be freed; NULL where there
 *		are none
 * @ret_names:	receives PROTO_NAMES_* of what is in the file
 *
 * Processes map it, so that the next ones of the owner are told of it at their exec.
 * Context: any thread.  Return: how many, -ENOENT: not known, or -ENOMEM.
 */
long inject_cpuid_cached(const struct proto_file_id *id, uint32_t owner, uint32_t **ret_offsets,
			 uint32_t *ret_names);

/**
 * inject_cpuid_image() - find them in a file's bytes, and remember it
 * @image:	all of it; does not change
 * @id:		file, with its size
 *
 * The rest and the return are as for inject_cpuid_cached(); what is no ELF file has none.
 */
long inject_cpuid_image(const uint8_t *image, const struct proto_file_id *id, uint32_t owner,
			uint32_t **ret_offsets, uint32_t *ret_names);

/**
 * inject_cpuid_of_program(), inject_cpuid_program_image() - the same of a file that is executed
 *
 * Of such a file none but the processes that execute it are told at their exec.
 */
long inject_cpuid_of_program(const struct proto_file_id *id, uint32_t owner, uint32_t **ret_offsets,
			     uint32_t *ret_names);
long inject_cpuid_program_image(const uint8_t *image, const struct proto_file_id *id,
				uint32_t owner, uint32_t **ret_offsets, uint32_t *ret_names);

/* What stat(2) says of a file, as it is remembered */
struct proto_file_id inject_cpuid_file_id(const struct stat *st);

/**
 * inject_cpuid_leave() - a library whose CPUID instructions are left as they are, for all
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
