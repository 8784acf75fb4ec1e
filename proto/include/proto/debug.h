/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a debugger asks of a machine: enclave memory of a process, as ptrace has it
 * on Linux (EDBGRD and EDBGWR, for debug enclaves).  Over the private socket of a
 * PROTO_MSG_DEBUG, one question at a time.  Status -EPERM: the process is neither the
 * sender nor traced by it.
 */
#ifndef PROTO_DEBUG_H
#define PROTO_DEBUG_H

#include <proto/agent.h>
#include <proto/msg.h>

#include <stdint.h>

enum proto_debug_op {
	/* size bytes from addr into data; short where the mapping or page ends */
	PROTO_DEBUG_READ = 1,
	PROTO_DEBUG_WRITE, /* size bytes of data to addr */
	/* data: struct proto_debug_range, of what ends above addr, in order */
	PROTO_DEBUG_RANGES,
	/*
	 * A thread that is stopped by SIGBUS at addr; size: SGX_PF_W, SGX_PF_I or 0.
	 * status 1: the page is there now; 0: the fault is the program's
	 */
	PROTO_DEBUG_FAULT,
	/*
	 * A process at its exec event, whose tracer the sender is.  status 1 and data:
	 * struct proto_debug_exec, to be injected; 0: not one of the machine's
	 */
	PROTO_DEBUG_EXEC,
};

#define PROTO_DEBUG_DATA 4096u

struct proto_debug {
	uint32_t magic, version; /* PROTO_MAGIC, PROTO_VERSION */
	uint32_t op; /* enum proto_debug_op */
	int32_t status; /* answer: bytes, or ranges; or -errno */
	uint32_t pid; /* process; as the sender numbers it */
	uint32_t size;
	uint64_t addr;
	uint8_t data[PROTO_DEBUG_DATA];
};

/* What the daemon would inject with, were it the tracer */
struct proto_debug_exec {
	struct proto_exec exec;
	uint8_t cpuid_view[PROTO_PARAM_VIEW_SIZE];
	struct proto_files files;
};

/* A run of mappings of one enclave */
struct proto_debug_range {
	uint64_t start, end;
	uint64_t base, size; /* ELRANGE */
	uint64_t attributes; /* SECS.ATTRIBUTES */
	uint64_t encl; /* inode number of its file */
};

_Static_assert(sizeof(struct proto_debug_exec) <= PROTO_DEBUG_DATA, "room for an exec");

#endif
