/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of the machine's files a path names, if any.
 *
 * Most calls that come here are of programs that have never heard of SGX: a path
 * is copied once, and what its first and last bytes say decides.  Only a path
 * whose last component is a device's name, or one that goes through a descriptor
 * (/proc/self/fd/N), costs system calls.
 */
#include "path.h"

#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#define NODE_PREFIX "/sys/devices/system/node/node"
#define NODE_SUFFIX "/x86/sgx_total_bytes"
#define DELETED	    " (deleted)"
#define PATH_SIZE   128

static enum answer exact(const char *path)
{
	const char *p;

	if (agent_streq(path, ENCLAVE_PATH))
		return ANSWER_ENCLAVE;
	if (agent_streq(path, PROVISION_PATH))
		return ANSWER_PROVISION;
	if (agent_streq(path, CPUINFO_PATH))
		return ANSWER_CPUINFO;
	if (agent_starts(path, ENCLAVE_PATH "/") || agent_starts(path, PROVISION_PATH "/"))
		return ANSWER_NOTDIR;
	if (!agent_starts(path, NODE_PREFIX))
		return ANSWER_NONE;
	p = path + sizeof(NODE_PREFIX) - 1;
	/* the machine's EPC is one section, on node 0 */
	return agent_streq(p, "0" NODE_SUFFIX) ? ANSWER_EPC_SIZE : ANSWER_NONE;
}

/* Is that /dev?  The folder of a path, as the call itself would find it. */
static bool is_dev(const struct lookup *how, const char *folder)
{
	struct stat there, dev;
	long ret;

	if (sys4(__NR_newfstatat, AT_FDCWD, "/dev", &dev, 0) < 0)
		return false;
	if (how->resolve) {
		struct open_how open = {
			.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			.resolve = how->resolve,
		};
		long fd = sys4(__NR_openat2, how->dirfd, folder, &open, sizeof(open));

		if (fd < 0)
			return false;
		ret = sys2(__NR_fstat, fd, &there);
		sys1(__NR_close, fd);
	} else {
		ret = sys4(__NR_newfstatat, how->dirfd, folder, &there, 0);
	}
	return ret == 0 && there.st_dev == dev.st_dev && there.st_ino == dev.st_ino;
}

/* Relative, or with "." and ".." and slashes in it: by the last component */
static enum answer by_name(const struct lookup *how, char *path, uint64_t len)
{
	uint64_t slash = len;
	enum answer a;

	while (slash && path[slash - 1] != '/')
		slash--;
	if (!agent_starts(path + slash, "sgx_"))
		return ANSWER_NONE;
	if (agent_streq(path + slash, "sgx_enclave"))
		a = ANSWER_ENCLAVE;
	else if (agent_streq(path + slash, "sgx_provision"))
		a = ANSWER_PROVISION;
	else
		return ANSWER_NONE;
	/* keep one slash: the folder may be the root */
	path[slash] = 0;
	return is_dev(how, slash ? path : ".") ? a : ANSWER_NONE;
}

/* /proc/PID/fd/N and /dev/fd/N: opens what the descriptor is open on, anew */
static bool through_descriptor(const char *path, uint64_t len)
{
	uint64_t i = len;

	while (i && path[i - 1] >= '0' && path[i - 1] <= '9')
		i--;
	if (i == len || i < 4 || !agent_starts(path + i - 4, "/fd/"))
		return false;
	return agent_starts(path, "/proc/") || agent_starts(path, "/dev/fd/");
}

const char *path_of_link(const char *text, uint64_t size)
{
	static const char names[][24] = {ENCLAVE_PATH, PROVISION_PATH, CPUINFO_PATH};
	uint32_t i;

	if (size <= sizeof(MEMFD_LINK) - 1 || !agent_starts(text, MEMFD_LINK))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t len = agent_strlen(names[i]);
		const char *name = text + sizeof(MEMFD_LINK) - 1;

		if (size == sizeof(MEMFD_LINK) - 1 + len + sizeof(DELETED) - 1 &&
		    agent_starts(name, names[i]) && agent_starts(name + len, DELETED))
			return names[i];
	}
	return NULL;
}

static enum answer by_link(const char *path)
{
	char text[64];
	const char *name;
	long n = sys4(__NR_readlinkat, AT_FDCWD, path, text, sizeof(text) - 1);

	if (n <= 0)
		return ANSWER_NONE;
	text[n] = 0;
	name = path_of_link(text, (uint64_t)n);
	if (!name)
		return ANSWER_NONE;
	return agent_streq(name, ENCLAVE_PATH)	   ? ANSWER_ENCLAVE
	       : agent_streq(name, PROVISION_PATH) ? ANSWER_PROVISION
						   : ANSWER_NONE;
}

static enum answer find(const struct lookup *how, char *path, uint64_t len)
{
	enum answer a = ANSWER_NONE;

	/* with RESOLVE_* the kernel decides about every step */
	if (path[0] == '/' && !how->resolve) {
		a = exact(path);
		if (a == ANSWER_NONE && !how->nofollow && through_descriptor(path, len))
			return by_link(path);
	}
	return a != ANSWER_NONE ? a : by_name(how, path, len);
}

enum answer path_find(const struct lookup *how, uint64_t uaddr)
{
	char path[PATH_SIZE];
	uint64_t i = 0;

	while (i < sizeof(path)) {
		/* up to the page's end at a time: a path may end there */
		uint64_t room = SGX_PAGE_SIZE - ((uaddr + i) & (SGX_PAGE_SIZE - 1));
		uint64_t end = i + MIN(room, MIN(sizeof(path) - i, 32));

		if (!copy_in(path + i, uaddr + i, end - i))
			return ANSWER_NONE;
		for (; i < end; i++)
			if (!path[i])
				return find(how, path, i);
	}
	return ANSWER_NONE;
}
