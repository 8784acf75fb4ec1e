/* SPDX-License-Identifier: BSD-3-Clause */
/* Which file of the machine's a path names. */
#ifndef AGENT_SYS_PATH_H
#define AGENT_SYS_PATH_H

#include "../agent.h"

#define ENCLAVE_PATH   "/dev/sgx_enclave"
#define PROVISION_PATH "/dev/sgx_provision"
#define CPUINFO_PATH   "/proc/cpuinfo"
#define MEMFD_LINK     "/memfd:" /* what a link to a descriptor of ours begins with */

enum answer {
	ANSWER_NONE = 0,
	ANSWER_ENCLAVE,
	ANSWER_PROVISION,
	ANSWER_CPUINFO,
	ANSWER_EPC_SIZE,
	ANSWER_NOTDIR, /* a device as a folder */
};

/* How a call looks a path up; dirfd as in openat */
struct lookup {
	int dirfd;
	bool nofollow; /* the last component is not followed */
	uint64_t resolve; /* RESOLVE_* of openat2 */
};

/* path: in the program's memory.  Paths of 128 bytes and more are none of ours. */
enum answer path_find(const struct lookup *how, uint64_t path);
/* What readlink said of a descriptor of ours: what it would say on Linux.  NULL: not ours. */
const char *path_of_link(const char *text, uint64_t size);

#endif
