/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of the machine's: which one a path or a descriptor names (find.c), what it
 * looks like (attr.c), and what opens it (open.c).
 */
#ifndef AGENT_SYS_PATH_H
#define AGENT_SYS_PATH_H

#include "../agent.h"

#include <asm/stat.h>

#define DEV_PATH       "/dev"
#define NODE_PATH      "/sys/devices/system/node/node0"
#define ENCLAVE_PATH   DEV_PATH "/sgx_enclave"
#define PROVISION_PATH DEV_PATH "/sgx_provision"
#define SGX_PATH       DEV_PATH "/sgx"
#define CPUINFO_PATH   "/proc/cpuinfo"
#define X86_PATH       NODE_PATH "/x86"
#define EPC_SIZE_PATH  X86_PATH "/sgx_total_bytes"

/* Linux: the longest path, with its zero */
#define PATH_SIZE 4096

enum answer {
	ANSWER_NONE = 0, /* the kernel's answer stands */
	ANSWER_ENCLAVE,
	ANSWER_PROVISION,
	ANSWER_SGX, /* the folder /dev/sgx */
	ANSWER_SGX_ENCLAVE, /* /dev/sgx/enclave: a link to ENCLAVE, or without that a device */
	ANSWER_SGX_PROVISION,
	ANSWER_CPUINFO, /* a descriptor of our copy; paths lead to the kernel's own */
	ANSWER_X86, /* the folder node0/x86 */
	ANSWER_EPC_SIZE, /* node0/x86/sgx_total_bytes */
	ANSWER_DEV, /* /dev/sgx/.. */
	ANSWER_NODE, /* node0/x86/.. */
	ANSWER_NOTDIR, /* one of these as a folder that is none */
	ANSWER_NOENT, /* in a folder of ours, which has no such file */
};

/* How a call looks a path up.  Too large to be cleared: path_init(). */
struct lookup {
	int dirfd; /* as in openat */
	bool nofollow; /* the last component is not followed */
	uint64_t resolve; /* RESOLVE_* of openat2 */
	struct stat dir; /* receives the folder that the answer is in */
	uint32_t length; /* of path, without its zero */
	char path[PATH_SIZE];
};

/* --- names.c ------------------------------------------------------------------------ */

/* By the last component of a path alone; the folder is another question */
enum answer path_by_name(const char *p, uint32_t n);
/* The folder that has the file of such a name: one of ours, or the kernel's */
enum answer path_folder_of(enum answer a);
bool path_is_device(enum answer a);
bool path_is_link(enum answer a);
static inline bool path_is_folder(enum answer a)
{
	return a == ANSWER_SGX || a == ANSWER_X86;
}
/* Linux opens what such a descriptor is of anew, by /proc/PID/fd/N */
static inline bool path_is_opened_anew(enum answer a)
{
	return path_is_device(a) || path_is_link(a) || path_is_folder(a);
}
/* What a link of ours leads to */
enum answer path_target(enum answer a);
const char *path_link_text(enum answer a);
/* The enclave's and the provisioning device, as a descriptor of them is called */
enum answer path_enclave(void);
enum answer path_provision(void);
/* Of a file of ours, as everybody writes it */
const char *path_name(enum answer a);
/* What readlink said of a descriptor of ours: which file it is of.  NONE: not ours. */
enum answer path_of_link(const char *text, uint64_t size);
#define LINK_SIZE  80 /* what readlink says of a descriptor of ours, at most */
#define MEMFD_LINK "/memfd:" /* what it begins with */

/* --- find.c ------------------------------------------------------------------------- */

void path_init(struct lookup *at, int dirfd);
/* From the program's memory.  False: the kernel is to say what is wrong with it. */
bool path_read(struct lookup *at, uint64_t uaddr);
enum answer path_before(struct lookup *at, bool links);
enum answer path_after(struct lookup *at, long error);
/* Is the last component "cpuinfo"? */
bool path_is_cpuinfo(const struct lookup *at);
enum answer path_of_fd(int fd);
bool path_is_dev(const struct stat *st);
bool path_is_node(const struct stat *st, int fd);
bool path_is_cpuinfo_file(const struct stat *st, int fd);

/* --- attr.c ------------------------------------------------------------------------- */

/* The folder that a file is in, where no path has told */
void attr_folder(enum answer a, struct stat *ret_dir);
void attr_stat(enum answer a, const struct stat *dir, struct stat *st);
uint64_t attr_ino(enum answer a);
/* Stored as stat(2) and statx(2) do.  Return: 0 or -EFAULT */
long attr_answer_stat(const struct stat *st, uint64_t buf);
long attr_answer_statx(const struct stat *st, uint64_t buf);
#define MAY_EXEC  1u
#define MAY_WRITE 2u
#define MAY_READ  4u
bool attr_may(const struct stat *st, uint32_t want, bool real);

/* --- stage2.c ----------------------------------------------------------------------- */

/* Listings are trapped from now on: the program has a descriptor of a folder of ours. */
void mem_filter_lists(void);

#endif
