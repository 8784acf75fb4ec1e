/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths that the machine answers: the device files, and what tools look at to
 * find SGX.  Absolute paths only, compared by prefix; everything else goes to
 * the kernel as it is.
 */
#include "../agent.h"

#include <linux/fcntl.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/memfd.h>
#include <linux/stat.h>

#define ENCLAVE_PATH	"/dev/sgx_enclave"
#define PROVISION_PATH	"/dev/sgx_provision"
#define CPUINFO_PATH	"/proc/cpuinfo"
#define NODE_PREFIX	"/sys/devices/system/node/node"
#define NODE_SUFFIX	"/x86/sgx_total_bytes"
#define MISC_MAJOR	10
#define ENCLAVE_MINOR	125
#define PROVISION_MINOR 126
#define X_OK		1

enum answer {
	ANSWER_NONE = 0,
	ANSWER_ENCLAVE,
	ANSWER_PROVISION,
	ANSWER_CPUINFO,
	ANSWER_EPC_SIZE,
};

static enum answer answer_of(const char *path)
{
	const char *p;

	if (agent_streq(path, ENCLAVE_PATH))
		return ANSWER_ENCLAVE;
	if (agent_streq(path, PROVISION_PATH))
		return ANSWER_PROVISION;
	if (agent_streq(path, CPUINFO_PATH))
		return ANSWER_CPUINFO;
	if (!agent_starts(path, NODE_PREFIX))
		return ANSWER_NONE;
	p = path + sizeof(NODE_PREFIX) - 1;
	/* the machine's EPC is one section, on node 0 */
	return agent_streq(p, "0" NODE_SUFFIX) ? ANSWER_EPC_SIZE : ANSWER_NONE;
}

/* The first bytes of a path; longer ones are none of ours. */
static enum answer answer_at(uint64_t uaddr)
{
	char path[64];
	uint32_t i;

	for (i = 0; i < sizeof(path); i++) {
		/* byte by byte at page ends only: a path may end at its page's */
		uint64_t room = SGX_PAGE_SIZE - ((uaddr + i) & (SGX_PAGE_SIZE - 1));
		uint64_t want = MIN(room, sizeof(path) - i), k;

		if (!copy_in(path + i, uaddr + i, want))
			return ANSWER_NONE;
		for (k = 0; k < want; k++)
			if (!path[i + k])
				return answer_of(path);
		/* most paths are settled by their first bytes */
		if (path[0] != '/')
			return ANSWER_NONE;
		i += (uint32_t)want - 1;
	}
	return ANSWER_NONE;
}

static long open_device(enum answer a, uint64_t flags)
{
	struct proto_slot *slot;
	int fd;
	long ret;

	/* O_DIRECTORY and O_CREAT|O_EXCL on a character device */
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	slot = rpc_begin(PROTO_OP_OPEN, 0);
	if (!slot)
		return -ENODEV;
	slot->a0 = a == ANSWER_ENCLAVE ? PROTO_DEV_ENCLAVE : PROTO_DEV_PROVISION;
	slot->a1 = flags;
	ret = rpc_call_fd(slot, &fd, (flags & O_CLOEXEC) != 0);
	rpc_end(slot);
	if (ret < 0)
		return ret;
	return fd;
}

static long open_text(enum answer a, uint64_t flags)
{
	long fd, from, ret;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	fd = sys2(__NR_memfd_create, a == ANSWER_CPUINFO ? CPUINFO_PATH : "sgx_total_bytes",
		  (flags & O_CLOEXEC) ? MFD_CLOEXEC : 0);
	if (fd < 0)
		return fd;
	if (a == ANSWER_EPC_SIZE) {
		ret = cpuinfo_epc_size((int)fd);
	} else {
		from = sys4(__NR_openat, AT_FDCWD, CPUINFO_PATH, O_RDONLY | O_CLOEXEC, 0);
		ret = from;
		if (from >= 0) {
			ret = cpuinfo_copy((int)from, (int)fd);
			sys1(__NR_close, from);
		}
	}
	if (ret >= 0)
		ret = sys3(__NR_lseek, fd, 0, 0);
	if (ret < 0) {
		sys1(__NR_close, fd);
		return ret;
	}
	return fd;
}

/* open, openat, openat2, creat.  *done: answered. */
long path_do_open(struct agent_thread *t, agent_ucontext *uc, bool *done)
{
	uint64_t nr = UC_REGS(uc)->ax, path, flags;
	enum answer a;

	if (nr == __NR_open || nr == __NR_creat) {
		path = uc_arg(uc, 0);
		flags = nr == __NR_open ? uc_arg(uc, 1) : O_CREAT | O_WRONLY | O_TRUNC;
	} else if (nr == __NR_openat) {
		path = uc_arg(uc, 1);
		flags = uc_arg(uc, 2);
	} else {
		path = uc_arg(uc, 1);
		if (!copy_in(&flags, uc_arg(uc, 2), sizeof(flags)))
			flags = 0;
	}
	a = answer_at(path);
	*done = true;
	switch (a) {
	case ANSWER_ENCLAVE:
	case ANSWER_PROVISION:
		return open_device(a, flags);
	case ANSWER_CPUINFO:
	case ANSWER_EPC_SIZE:
		return open_text(a, flags);
	default:
		*done = false;
		return 0;
	}
}

static void fill_stat(enum answer a, uint32_t *mode, uint32_t *minor, uint64_t *ino)
{
	*minor = 0;
	*ino = 0x5367780 + (uint64_t)a;
	if (a == ANSWER_ENCLAVE || a == ANSWER_PROVISION) {
		*mode = S_IFCHR | 0666;
		*minor = a == ANSWER_ENCLAVE ? ENCLAVE_MINOR : PROVISION_MINOR;
	} else {
		*mode = S_IFREG | 0444;
	}
}

static long answer_stat(enum answer a, uint64_t buf)
{
	struct stat st;
	uint32_t mode, minor;
	uint64_t ino;

	fill_stat(a, &mode, &minor, &ino);
	agent_memset(&st, 0, sizeof(st));
	st.st_dev = 5;
	st.st_ino = ino;
	st.st_mode = mode;
	st.st_nlink = 1;
	st.st_blksize = SGX_PAGE_SIZE;
	st.st_rdev = minor ? (MISC_MAJOR << 8 | minor) : 0;
	return copy_out(buf, &st, sizeof(st)) ? 0 : -EFAULT;
}

static long answer_statx(enum answer a, uint64_t buf)
{
	struct statx st;
	uint32_t mode, minor;
	uint64_t ino;

	fill_stat(a, &mode, &minor, &ino);
	agent_memset(&st, 0, sizeof(st));
	st.stx_mask = STATX_BASIC_STATS;
	st.stx_blksize = SGX_PAGE_SIZE;
	st.stx_nlink = 1;
	st.stx_mode = (uint16_t)mode;
	st.stx_ino = ino;
	st.stx_rdev_major = minor ? MISC_MAJOR : 0;
	st.stx_rdev_minor = minor;
	st.stx_dev_minor = 5;
	return copy_out(buf, &st, sizeof(st)) ? 0 : -EFAULT;
}

static long answer_access(enum answer a, uint64_t mode)
{
	if (mode & X_OK)
		return -EACCES;
	if ((mode & 2) && a != ANSWER_ENCLAVE && a != ANSWER_PROVISION)
		return -EACCES;
	return 0;
}

/* fstat by number, or by an empty path: an SGX descriptor is a character device */
static enum answer answer_of_fd(int fd)
{
	uint64_t id;

	switch (dev_of_fd(fd, &id)) {
	case PROTO_DEV_ENCLAVE:
		return ANSWER_ENCLAVE;
	case PROTO_DEV_PROVISION:
		return ANSWER_PROVISION;
	default:
		return ANSWER_NONE;
	}
}

static bool empty_path(uint64_t uaddr)
{
	char c;

	return !uaddr || (copy_in(&c, uaddr, 1) && !c);
}

/* stat, lstat, fstat, newfstatat, statx, access, faccessat(2), readlink(at), xattrs */
bool path_do_other(agent_ucontext *uc, long *ret)
{
	uint64_t nr = UC_REGS(uc)->ax;
	enum answer a;

	switch (nr) {
	case __NR_stat:
	case __NR_lstat:
	case __NR_access:
	case __NR_readlink:
	case __NR_getxattr:
	case __NR_lgetxattr:
	case __NR_listxattr:
	case __NR_llistxattr:
		a = answer_at(uc_arg(uc, 0));
		break;
	case __NR_fstat:
		a = answer_of_fd((int)uc_arg(uc, 0));
		break;
	case __NR_newfstatat:
	case __NR_statx:
		if (uc_arg(uc, nr == __NR_statx ? 2 : 3) & AT_EMPTY_PATH &&
		    empty_path(uc_arg(uc, 1)))
			a = answer_of_fd((int)uc_arg(uc, 0));
		else
			a = answer_at(uc_arg(uc, 1));
		break;
	default:
		a = answer_at(uc_arg(uc, 1));
		break;
	}
	/* a file of /proc that exists anyway answers for itself */
	if (a == ANSWER_NONE || a == ANSWER_CPUINFO)
		return false;
	switch (nr) {
	case __NR_stat:
	case __NR_lstat:
	case __NR_fstat:
		*ret = answer_stat(a, uc_arg(uc, 1));
		break;
	case __NR_newfstatat:
		*ret = answer_stat(a, uc_arg(uc, 2));
		break;
	case __NR_statx:
		*ret = answer_statx(a, uc_arg(uc, 4));
		break;
	case __NR_access:
		*ret = answer_access(a, uc_arg(uc, 1));
		break;
	case __NR_faccessat:
	case __NR_faccessat2:
		*ret = answer_access(a, uc_arg(uc, 2));
		break;
	case __NR_getxattr:
	case __NR_lgetxattr:
		*ret = -ENODATA;
		break;
	case __NR_listxattr:
	case __NR_llistxattr:
		*ret = 0;
		break;
	default:
		*ret = -EINVAL; /* readlink of what is no link */
		break;
	}
	return true;
}
