/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID outside enclaves, where the processor cannot fault it: what stands in its
 * place, and what a process knows of files without asking.
 *
 * F4 17 is HLT, which is #GP in user mode, and a byte that is no instruction in 64-bit
 * mode, which no compiler puts behind one.  So it means CPUID wherever it is executed, no
 * table of places is needed, a HLT of the program's own stays one, and nothing is left
 * behind where a library is unmapped.  Of the many pairs of bytes that are #UD none will
 * do as well: in a virtual machine the hypervisor may take that exception first, and then
 * it costs five times as much.  INT n is #GP too, but with FRED RIP is behind it.
 */
#ifndef PROTO_CPUID_H
#define PROTO_CPUID_H

#include <stdint.h>

#define PROTO_CPUID_INSN     0xa20fu /* 0F A2, as a little-endian word */
#define PROTO_CPUID_STAND_IN 0x17f4u /* F4 17 */
#define PROTO_CPUID_LEN	     2u

/* A file, as stat(2) tells them apart; times in nanoseconds. */
struct proto_file_id {
	uint64_t dev, ino, size;
	int64_t mtime, ctime;
};

static inline int proto_file_same(const struct proto_file_id *a, const struct proto_file_id *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->size == b->size && a->mtime == b->mtime &&
	       a->ctime == b->ctime;
}

/* What names are in a file, or in a program's arguments and environment */
#define PROTO_NAMES_SGX	  (1u << 0) /* a device's: it may look for it */
#define PROTO_NAMES_INTEL (1u << 1) /* of a file, with SGX: GenuineIntel's: it may insist on it */

#define PROTO_KNOWN_FILES 448u
#define PROTO_KNOWN_SITES 8192u

/*
 * Files that processes of this machine have mapped, as of the exec: inject/ writes
 * it before the agent's start, the used part of both arrays only.  Who maps
 * another file asks (PROTO_OP_CPUID_SCAN).
 */
struct proto_cpuid_known {
	uint32_t file_count, site_count;
	struct proto_known_file {
		struct proto_file_id id;
		uint32_t first, count; /* of its sites in site[] */
		uint32_t names; /* PROTO_NAMES_* */
		uint32_t rsvd;
	} file[PROTO_KNOWN_FILES];
	uint32_t site[PROTO_KNOWN_SITES]; /* file offsets, ascending in each file */
};

#endif
