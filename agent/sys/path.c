/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths that the machine answers: the device files, and what tools look at to
 * find SGX (find.c).  Everything else goes to the kernel as it is.
 */
#include "path.h"

#include <linux/fcntl.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/memfd.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#define MISC_MAJOR	10
#define ENCLAVE_MINOR	125
#define PROVISION_MINOR 126
#define X_OK		1

static long open_device(enum answer a, uint64_t flags)
{
	struct proto_slot *slot;
	int fd;
	long ret;

	if (a == ANSWER_NOTDIR || (flags & O_DIRECTORY))
		return -ENOTDIR;
	/* with O_PATH the others mean nothing */
	if (!(flags & O_PATH) && (flags & O_CREAT) && (flags & O_EXCL))
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

/* What a device file says to the arguments of openat2 that others do not have */
static long check_how(agent_ucontext *uc, struct open_how *how)
{
	uint64_t size = uc_arg(uc, 3);

	if (size < sizeof(*how))
		return -EINVAL;
	if (!copy_in(how, uc_arg(uc, 2), sizeof(*how)))
		return -EFAULT;
	return how->mode && !(how->flags & O_CREAT) ? -EINVAL : 0;
}

/* open, openat, openat2, creat.  *done: answered. */
long path_do_open(struct agent_thread *t, agent_ucontext *uc, bool *done)
{
	struct lookup at = {.dirfd = AT_FDCWD};
	struct open_how how = {0};
	uint64_t path;
	enum answer a;

	*done = false;
	switch (UC_REGS(uc)->ax) {
	case __NR_open:
		path = uc_arg(uc, 0);
		how.flags = uc_arg(uc, 1);
		break;
	case __NR_creat:
		path = uc_arg(uc, 0);
		how.flags = O_CREAT | O_WRONLY | O_TRUNC;
		break;
	case __NR_openat:
		at.dirfd = (int)uc_arg(uc, 0);
		path = uc_arg(uc, 1);
		how.flags = uc_arg(uc, 2);
		break;
	default:
		at.dirfd = (int)uc_arg(uc, 0);
		path = uc_arg(uc, 1);
		if (check_how(uc, &how) < 0)
			return 0;
		at.resolve = how.resolve;
		break;
	}
	at.nofollow = how.flags & O_NOFOLLOW;
	a = path_find(&at, path);
	*done = true;
	switch (a) {
	case ANSWER_ENCLAVE:
	case ANSWER_PROVISION:
	case ANSWER_NOTDIR:
		mem_filter_stage2();
		return open_device(a, how.flags);
	case ANSWER_CPUINFO:
	case ANSWER_EPC_SIZE:
		return open_text(a, how.flags);
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
	case PROTO_DEV_NODE:
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

/* The answer that a call asks for: by descriptor, or by path */
static enum answer answer_of(agent_ucontext *uc)
{
	uint64_t nr = UC_REGS(uc)->ax, flags = 0;
	struct lookup at = {.dirfd = AT_FDCWD};

	switch (nr) {
	case __NR_fstat:
		return answer_of_fd((int)uc_arg(uc, 0));
	case __NR_lstat:
	case __NR_readlink:
	case __NR_lgetxattr:
	case __NR_llistxattr:
		at.nofollow = true;
		break;
	case __NR_newfstatat:
	case __NR_faccessat2:
		flags = uc_arg(uc, 3);
		break;
	case __NR_statx:
		flags = uc_arg(uc, 2);
		break;
	case __NR_readlinkat:
		flags = AT_SYMLINK_NOFOLLOW;
		break;
	case __NR_faccessat:
		break;
	default:
		return path_find(&at, uc_arg(uc, 0));
	}
	if (at.nofollow)
		return path_find(&at, uc_arg(uc, 0));
	if ((flags & AT_EMPTY_PATH) && empty_path(uc_arg(uc, 1)))
		return answer_of_fd((int)uc_arg(uc, 0));
	at.dirfd = (int)uc_arg(uc, 0);
	at.nofollow = flags & AT_SYMLINK_NOFOLLOW;
	return path_find(&at, uc_arg(uc, 1));
}

/*
 * readlink and readlinkat of anything else: a descriptor of ours is a link to the
 * device, and not to what it is here.
 */
static long read_link(agent_ucontext *uc)
{
	bool at = UC_REGS(uc)->ax == __NR_readlinkat;
	uint64_t buf = uc_arg(uc, at ? 2 : 1), size = uc_arg(uc, at ? 3 : 2);
	char text[64], old[64], head[sizeof(MEMFD_LINK)];
	uint64_t kept = MIN((uint32_t)size, sizeof(old)), n;
	const char *name;
	long ret, len;

	/* what Linux would leave as it is of the program's buffer */
	if ((int)size <= 0 || !copy_in(old, buf, kept))
		kept = 0;
	ret = agent_pass(uc);
	if (ret <= 0)
		return ret;
	n = MIN((uint64_t)ret, sizeof(MEMFD_LINK) - 1);
	if (!copy_in(head, buf, n))
		return ret;
	head[n] = 0;
	if (!agent_starts(MEMFD_LINK, head))
		return ret;
	/* all of it, whatever room the program has */
	len = at ? sys4(__NR_readlinkat, uc_arg(uc, 0), uc_arg(uc, 1), text, sizeof(text) - 1)
		 : sys3(__NR_readlink, uc_arg(uc, 0), text, sizeof(text) - 1);
	if (len <= 0)
		return ret;
	text[len] = 0;
	name = path_of_link(text, (uint64_t)len);
	if (!name)
		return ret;
	n = MIN((uint32_t)size, agent_strlen(name));
	if (kept)
		copy_out(buf, old, kept);
	return copy_out(buf, name, n) ? (long)n : -EFAULT;
}

/* stat, lstat, fstat, newfstatat, statx, access, faccessat(2), readlink(at), xattrs */
bool path_do_other(agent_ucontext *uc, long *ret)
{
	uint64_t nr = UC_REGS(uc)->ax;
	enum answer a = answer_of(uc);

	/* a file of /proc that exists anyway answers for itself */
	if (a == ANSWER_NONE || a == ANSWER_CPUINFO) {
		if (nr != __NR_readlink && nr != __NR_readlinkat)
			return false;
		*ret = read_link(uc);
		return true;
	}
	mem_filter_stage2();
	if (a == ANSWER_NOTDIR) {
		*ret = -ENOTDIR;
		return true;
	}
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
