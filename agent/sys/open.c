/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open, openat, openat2 and creat.
 *
 * A path that names a file of ours is answered without the kernel.  Any other call
 * is made; where it has opened /proc/cpuinfo, the program gets a copy with SGX in
 * it under the same number, and where it has opened a descriptor of a device (by
 * /dev/stdin, or a link into /proc/PID/fd), the device itself.
 */
#include "path.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/openat2.h>
#include <linux/stat.h>

/* MAY_* that opening with these flags takes */
static uint32_t wanted(uint64_t flags)
{
	static const uint32_t by_mode[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
					   MAY_READ | MAY_WRITE};

	return by_mode[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

static long open_node(enum answer a, uint64_t flags)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_OPEN, 0);
	long ret;
	int fd;

	if (!slot)
		return -ENODEV;
	slot->a0 = a == path_provision() ? PROTO_DEV_PROVISION : PROTO_DEV_ENCLAVE;
	slot->a1 = flags;
	ret = rpc_call_fd(slot, &fd, (flags & O_CLOEXEC) != 0);
	rpc_end(slot);
	return ret < 0 ? ret : fd;
}

/* A memfd of that name and mode, which is how path_of_fd() knows it */
static long make_memfd(const char *name, uint32_t mode, uint64_t flags)
{
	long fd = sys2(__NR_memfd_create, name, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	long ret;

	if (fd < 0)
		return fd;
	ret = sys2(__NR_fchmod, fd, mode);
	if (ret < 0) {
		sys1(__NR_close, fd);
		return ret;
	}
	return fd;
}

/* The same file as nothing but a place */
static long only_path(long fd, uint64_t flags)
{
	char path[] = "/proc/self/fd/0000000000";
	long number = fd, ret;
	uint32_t i = sizeof(path) - 1, at;

	do {
		path[--i] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	at = sizeof("/proc/self/fd/") - 1;
	agent_memcpy(path + at, path + i, sizeof(path) - i);
	ret = sys4(__NR_openat, AT_FDCWD, path, O_PATH | (flags & O_CLOEXEC), 0);
	sys1(__NR_close, fd);
	return ret;
}

static long open_size(uint64_t flags)
{
	long fd = make_memfd(EPC_SIZE_PATH, 0444, flags), ret;

	if (fd < 0)
		return fd;
	ret = cpuinfo_epc_size((int)fd);
	if (ret >= 0)
		ret = sys3(__NR_lseek, fd, 0, 0);
	if (ret < 0) {
		sys1(__NR_close, fd);
		return ret;
	}
	return flags & O_PATH ? only_path(fd, flags) : fd;
}

static long open_folder(enum answer a, uint64_t flags)
{
	long fd = make_memfd(path_name(a), 0555, flags);

	if (fd >= 0)
		mem_filter_lists();
	return fd >= 0 && (flags & O_PATH) ? only_path(fd, flags) : fd;
}

/* Only as a place, by O_PATH | O_NOFOLLOW, which readlinkat() and fstat() take */
static long open_link(enum answer a, uint64_t flags)
{
	long fd;

	if (!(flags & O_PATH) && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (!(flags & O_PATH) || !(flags & O_NOFOLLOW))
		return -ELOOP;
	fd = make_memfd(path_name(a), 0444, flags);
	return fd < 0 ? fd : only_path(fd, flags);
}

/* Linux: the order of do_open() and may_open(). */
static long open_ours(enum answer a, const struct stat *dir, uint64_t flags)
{
	bool folder = path_is_folder(a);
	struct stat st;

	if (a == ANSWER_NOTDIR)
		return -ENOTDIR;
	if (a == ANSWER_NOENT)
		return -ENOENT;
	if (a == ANSWER_DEV || a == ANSWER_NODE)
		return sys4(__NR_openat, AT_FDCWD, a == ANSWER_DEV ? DEV_PATH : NODE_PATH, flags,
			    0);
	if (path_is_link(a))
		return open_link(a, flags);
	attr_stat(a, dir, &st);
	/* with O_PATH the others mean nothing */
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (flags & O_CREAT) {
		if (flags & O_EXCL)
			return -EEXIST;
		if (folder)
			return -EISDIR;
	}
	if ((flags & O_DIRECTORY) && !folder)
		return -ENOTDIR;
	if (!(flags & O_PATH)) {
		if (folder && (wanted(flags) & MAY_WRITE))
			return -EISDIR;
		if (!attr_may(&st, wanted(flags), false))
			return -EACCES;
		/* sysfs: a file that nobody may write is not opened for it by root either */
		if (a == ANSWER_EPC_SIZE && (flags & O_ACCMODE) != O_RDONLY)
			return -EINVAL;
	}
	if (folder)
		return open_folder(a, flags);
	return a == ANSWER_EPC_SIZE ? open_size(flags) : open_node(a, flags);
}

/* The number stays: it is the lowest that was free. */
static long put_in_place(long ours, long fd, uint64_t flags)
{
	if (ours < 0) {
		sys1(__NR_close, fd);
		return ours;
	}
	sys3(__NR_dup3, ours, fd, flags & O_CLOEXEC);
	sys1(__NR_close, ours);
	return fd;
}

static long copy_of_cpuinfo(long fd, uint64_t flags)
{
	long copy = make_memfd(CPUINFO_PATH, 0444, flags), ret;

	if (copy < 0)
		return copy;
	ret = cpuinfo_copy((int)fd, (int)copy);
	if (ret >= 0)
		ret = sys3(__NR_lseek, copy, 0, 0);
	if (ret < 0) {
		sys1(__NR_close, copy);
		return ret;
	}
	return copy;
}

/*
 * The kernel has opened it: is it ours?  One fstat, of which device and inode say
 * no for all others.
 */
static long opened(long fd, uint64_t flags)
{
	enum answer a;
	struct stat st;

	if (flags & O_PATH || sys2(__NR_fstat, fd, &st) < 0)
		return fd;
	if (S_ISDIR(st.st_mode)) {
		if (!PROC->filter_lists && (path_is_dev(&st) || path_is_node(&st, (int)fd)))
			mem_filter_lists();
		return fd;
	}
	if (!S_ISREG(st.st_mode))
		return fd;
	if (path_is_cpuinfo_file(&st, (int)fd) && (flags & O_ACCMODE) != O_WRONLY)
		return put_in_place(copy_of_cpuinfo(fd, flags), fd, flags);
	if (st.st_dev != dev_of_memfds())
		return fd;
	a = path_of_fd((int)fd);
	if (path_is_opened_anew(a)) {
		struct stat dir;

		attr_folder(a, &dir);
		return put_in_place(open_ours(a, &dir, flags), fd, flags);
	}
	return fd;
}

/* What a file of ours says to the arguments of openat2 that others do not have */
static long check_how(agent_ucontext *uc, struct open_how *how)
{
	uint64_t size = uc_arg(uc, 3);

	if (size < sizeof(*how))
		return -EINVAL;
	if (!copy_in(how, uc_arg(uc, 2), sizeof(*how)))
		return -EFAULT;
	return how->mode && !(how->flags & O_CREAT) ? -EINVAL : 0;
}

/* False: the kernel is to say what is wrong with the call. */
static bool decode(agent_ucontext *uc, struct lookup *at, struct open_how *how)
{
	uint64_t path;

	path_init(at, AT_FDCWD);
	agent_memset(how, 0, sizeof(*how));
	switch (UC_REGS(uc)->ax) {
	case __NR_open:
		path = uc_arg(uc, 0);
		how->flags = uc_arg(uc, 1);
		break;
	case __NR_creat:
		path = uc_arg(uc, 0);
		how->flags = O_CREAT | O_WRONLY | O_TRUNC;
		break;
	case __NR_openat:
		at->dirfd = (int)uc_arg(uc, 0);
		path = uc_arg(uc, 1);
		how->flags = uc_arg(uc, 2);
		break;
	default:
		at->dirfd = (int)uc_arg(uc, 0);
		path = uc_arg(uc, 1);
		if (check_how(uc, how) < 0)
			return false;
		at->resolve = how->resolve;
		break;
	}
	/* Linux: O_CREAT | O_EXCL does not follow either */
	at->nofollow =
		(how->flags & O_NOFOLLOW) || ((how->flags & O_CREAT) && (how->flags & O_EXCL));
	return path_read(at, path);
}

static long answer_open(enum answer a, const struct lookup *at, uint64_t flags)
{
	mem_filter_stage2();
	return open_ours(a, &at->dir, flags);
}

/**
 * path_do_open() - open, openat, openat2, creat
 * @t:		this thread
 * @uc:		the trapped call's context
 *
 * A signal that ends the window right behind the kernel's own call leaves that call's
 * result as it is: then a link to a file of ours is ENOENT once, or /proc/cpuinfo by
 * a link the host's.  By its own name it is opened outside of the window.
 */
long path_do_open(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t ip = UC_REGS(uc)->ip;
	struct lookup at;
	struct open_how how;
	enum answer a;
	bool links;
	long ret;

	if (!decode(uc, &at, &how))
		return agent_reissue(t, uc);
	/* where the link leads the kernel would make a file */
	links = (how.flags & O_CREAT) && !(how.flags & O_PATH);
	a = path_before(&at, links);
	if (a != ANSWER_NONE)
		return answer_open(a, &at, how.flags);
	ret = path_is_cpuinfo(&at) ? agent_pass(uc) : agent_reissue(t, uc);
	/* to be made again, or refused by the program's own filter */
	if (UC_REGS(uc)->ip != ip || t->refused.si_signo)
		return ret;
	if (ret >= 0)
		return opened(ret, how.flags);
	if (ret != -ENOENT && ret != -ENOTDIR)
		return ret;
	a = path_after(&at, ret);
	return a == ANSWER_NONE ? ret : answer_open(a, &at, how.flags);
}
