/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stat says of the machine's files, and who may open them.
 *
 * A file is on the file system of the folder that it is in, and belongs to the
 * folder's owner, root: the kernel shows that folder to each process as its own
 * user namespace has it, so that what is said here agrees with it.
 */
#include "path.h"

#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define MISC_MAJOR	 10
#define ENCLAVE_MINOR	 125
#define PROVISION_MINOR	 126
#define ENCLAVE_DEVICE	 (MISC_MAJOR << 8 | ENCLAVE_MINOR)
#define PROVISION_DEVICE (MISC_MAJOR << 8 | PROVISION_MINOR)
#define FIRST_INO	 0x53677800ull
#define OVERFLOW_UID	 65534 /* Linux: how an id looks that has no number here */

static bool is_below_node(enum answer a)
{
	return a == ANSWER_X86 || a == ANSWER_EPC_SIZE;
}

void attr_folder(enum answer a, struct stat *ret_dir)
{
	if (sys4(__NR_newfstatat, AT_FDCWD, is_below_node(a) ? NODE_PATH : DEV_PATH, ret_dir, 0) <
	    0)
		agent_memset(ret_dir, 0, sizeof(*ret_dir));
}

/* Where the host has a file of that name, a listing shows the number of that. */
uint64_t attr_ino(enum answer a)
{
	const char *path = a == ANSWER_DEV ? DEV_PATH : a == ANSWER_NODE ? NODE_PATH : path_name(a);
	struct stat st;

	if (sys4(__NR_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return st.st_ino;
	return FIRST_INO + (uint64_t)a;
}

static void device(struct stat *st, uint64_t rdev, uint32_t mode, uint32_t gid)
{
	st->st_mode = S_IFCHR | mode;
	st->st_rdev = rdev;
	if (gid)
		st->st_gid = gid;
}

void attr_stat(enum answer a, const struct stat *dir, struct stat *st)
{
	const struct proto_files *files = &AGENT_PARAMS->files;

	agent_memset(st, 0, sizeof(*st));
	st->st_dev = dir->st_dev;
	st->st_ino = attr_ino(a);
	st->st_nlink = 1;
	st->st_uid = dir->st_uid;
	st->st_gid = dir->st_gid;
	st->st_blksize = SGX_PAGE_SIZE;
	st->st_atime = st->st_mtime = st->st_ctime = (uint64_t)files->time_sec;
	st->st_atime_nsec = st->st_mtime_nsec = st->st_ctime_nsec = files->time_nsec;
	if (path_is_link(a)) {
		st->st_mode = S_IFLNK | 0777;
		st->st_size = (int64_t)agent_strlen(path_link_text(a));
		return;
	}
	switch (a) {
	case ANSWER_SGX:
	case ANSWER_X86:
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		break;
	case ANSWER_EPC_SIZE:
		/* sysfs: a page, whatever is in it */
		st->st_mode = S_IFREG | 0444;
		st->st_size = SGX_PAGE_SIZE;
		break;
	case ANSWER_PROVISION:
	case ANSWER_SGX_PROVISION:
		device(st, PROVISION_DEVICE, files->provision_mode, files->provision_gid);
		break;
	default:
		device(st, ENCLAVE_DEVICE, files->device_mode, files->device_gid);
		break;
	}
}

long attr_answer_stat(const struct stat *st, uint64_t buf)
{
	return copy_out(buf, st, sizeof(*st)) ? 0 : -EFAULT;
}

/* Linux: how stat(2) packs a device number */
static uint32_t dev_major(uint64_t dev)
{
	return dev >> 8 & 0xfff;
}

static uint32_t dev_minor(uint64_t dev)
{
	return (uint32_t)((dev & 0xff) | (dev >> 12 & 0xfff00));
}

long attr_answer_statx(const struct stat *st, uint64_t buf)
{
	struct statx x;

	agent_memset(&x, 0, sizeof(x));
	x.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
	x.stx_blksize = (uint32_t)st->st_blksize;
	x.stx_nlink = (uint32_t)st->st_nlink;
	x.stx_uid = st->st_uid;
	x.stx_gid = st->st_gid;
	x.stx_mode = (uint16_t)st->st_mode;
	x.stx_ino = st->st_ino;
	x.stx_size = (uint64_t)st->st_size;
	x.stx_mtime.tv_sec = (int64_t)st->st_mtime;
	x.stx_mtime.tv_nsec = (uint32_t)st->st_mtime_nsec;
	x.stx_atime = x.stx_ctime = x.stx_btime = x.stx_mtime;
	x.stx_rdev_major = dev_major(st->st_rdev);
	x.stx_rdev_minor = dev_minor(st->st_rdev);
	x.stx_dev_major = dev_major(st->st_dev);
	x.stx_dev_minor = dev_minor(st->st_dev);
	return copy_out(buf, &x, sizeof(x)) ? 0 : -EFAULT;
}

/* --- permission ---------------------------------------------------------------------- */

static bool in_groups(uint32_t gid)
{
	uint32_t groups[256], *g = groups;
	long n, i;

	/* EINVAL, of somebody with more: then only the others count */
	n = sys2(__NR_getgroups, ARRAY_SIZE(groups), groups);
	for (i = 0; i < n; i++)
		if (g[i] == gid)
			return true;
	return false;
}

/* CAP_* of the thread, as a mask; access(2) goes by the real user */
static uint32_t capabilities(bool real)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (sys2(__NR_capget, &header, data) < 0)
		return 0;
	if (!real)
		return data[0].effective;
	return sys0(__NR_getuid) == 0 ? data[0].permitted : 0;
}

static bool capable(const struct stat *st, uint32_t want, bool real)
{
	uint32_t caps;

	/* Linux: no capability reaches what its user namespace has no number for */
	if (st->st_uid == OVERFLOW_UID)
		return false;
	caps = capabilities(real);
	if (caps & 1u << CAP_DAC_OVERRIDE)
		return !(want & MAY_EXEC) || S_ISDIR(st->st_mode) || (st->st_mode & 0111);
	return (caps & 1u << CAP_DAC_READ_SEARCH) &&
	       (want == MAY_READ || (S_ISDIR(st->st_mode) && !(want & MAY_WRITE)));
}

/* The policy of a machine that lets nobody have the provisioning key. */
static bool denied(const struct stat *st, uint32_t want)
{
	return want && S_ISCHR(st->st_mode) && st->st_rdev == PROVISION_DEVICE &&
	       (AGENT_PARAMS->files.flags & PROTO_FILES_NO_PROVISION);
}

/**
 * attr_may() - may this thread?
 * @st:		of the file
 * @want:	MAY_*
 * @real:	by its real ids, as access(2) asks, and not those it acts with
 *
 * Linux: one class of permission bits counts, the owner's, the group's or the
 * others'; where that refuses, a capability may allow.  But none allows what the machine
 * denies to all.
 */
bool attr_may(const struct stat *st, uint32_t want, bool real)
{
	uint32_t uid, gid, bits = st->st_mode & 7;

	if (denied(st, want))
		return false;
	/* an id that nobody has changes nothing, and the call says what it was */
	uid = (uint32_t)(real ? sys0(__NR_getuid) : sys1(__NR_setfsuid, -1));
	gid = (uint32_t)(real ? sys0(__NR_getgid) : sys1(__NR_setfsgid, -1));
	if (uid == st->st_uid)
		bits = st->st_mode >> 6 & 7;
	else if ((st->st_mode >> 3 & 7) != bits && (gid == st->st_gid || in_groups(st->st_gid)))
		bits = st->st_mode >> 3 & 7;
	return (bits & want) == want || capable(st, want, real);
}
