/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stat, access, readlink and xattrs of the files that the machine answers.
 *
 * As for open: a path of ours is answered, any other call is made; where the kernel
 * finds nothing, the path may be a link to a file of ours, and where it finds a
 * memfd, that may be one of our descriptors.
 */
#include "path.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

/* A call, as far as it names a file */
struct call {
	bool by_fd; /* dirfd of at is the file */
	uint64_t path; /* else */
	uint64_t stat, statx; /* address of its answer; 0: it has none of that kind */
	uint32_t access; /* MAY_* that access asks for */
	bool is_access, is_link, is_xattr, is_list;
	uint64_t link, link_size; /* readlink: where its answer goes, and the room there */
	bool real; /* access: by the real ids */
};

static bool empty_path(uint64_t uaddr)
{
	char c;

	return !uaddr || (copy_in(&c, uaddr, 1) && !c);
}

static void at_path(agent_ucontext *uc, struct call *c, struct lookup *at, uint64_t flags)
{
	at->dirfd = (int)uc_arg(uc, 0);
	c->path = uc_arg(uc, 1);
	c->by_fd = (flags & AT_EMPTY_PATH) && empty_path(c->path);
	at->nofollow = flags & AT_SYMLINK_NOFOLLOW;
}

/* readlink's: the buffer is argument number i.  A size that is negative is none. */
static void link_buffer(agent_ucontext *uc, struct call *c, int i)
{
	int32_t size = (int32_t)uc_arg(uc, i + 1);

	c->is_link = true;
	c->link = uc_arg(uc, i);
	c->link_size = size > 0 ? (uint64_t)size : 0;
}

static void decode(agent_ucontext *uc, struct call *c, struct lookup *at)
{
	path_init(at, AT_FDCWD);
	agent_memset(c, 0, sizeof(*c));
	c->path = uc_arg(uc, 0);
	switch (UC_REGS(uc)->ax) {
	case __NR_fstat:
		at->dirfd = (int)uc_arg(uc, 0);
		c->by_fd = true;
		c->stat = uc_arg(uc, 1);
		break;
	case __NR_lstat:
	case __NR_stat:
		at->nofollow = UC_REGS(uc)->ax == __NR_lstat;
		c->stat = uc_arg(uc, 1);
		break;
	case __NR_newfstatat:
		at_path(uc, c, at, uc_arg(uc, 3));
		c->stat = uc_arg(uc, 2);
		break;
	case __NR_statx:
		at_path(uc, c, at, uc_arg(uc, 2));
		c->statx = uc_arg(uc, 4);
		break;
	case __NR_access:
		c->is_access = c->real = true;
		c->access = (uint32_t)uc_arg(uc, 1);
		break;
	case __NR_faccessat:
		at_path(uc, c, at, 0);
		c->is_access = c->real = true;
		c->access = (uint32_t)uc_arg(uc, 2);
		break;
	case __NR_faccessat2:
		at_path(uc, c, at, uc_arg(uc, 3));
		c->is_access = true;
		c->real = !(uc_arg(uc, 3) & AT_EACCESS);
		c->access = (uint32_t)uc_arg(uc, 2);
		break;
	case __NR_readlink:
		at->nofollow = true;
		link_buffer(uc, c, 1);
		break;
	case __NR_readlinkat:
		at_path(uc, c, at, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
		link_buffer(uc, c, 2);
		break;
	case __NR_lgetxattr:
	case __NR_getxattr:
		at->nofollow = UC_REGS(uc)->ax == __NR_lgetxattr;
		c->is_xattr = true;
		break;
	default:
		at->nofollow = UC_REGS(uc)->ax == __NR_llistxattr;
		c->is_list = true;
		break;
	}
}

/* readlink of a link of ours */
static long answer_link(const struct call *c, enum answer a)
{
	const char *text = path_link_text(a);
	uint64_t n = MIN(agent_strlen(text), c->link_size);

	if (!c->link_size)
		return -EINVAL;
	return copy_out(c->link, text, n) ? (long)n : -EFAULT;
}

static long answer(const struct call *c, enum answer a, const struct stat *dir)
{
	struct stat st;

	mem_filter_stage2();
	if (a == ANSWER_NOTDIR)
		return -ENOTDIR;
	if (a == ANSWER_NOENT)
		return -ENOENT;
	if (a == ANSWER_DEV || a == ANSWER_NODE)
		st = *dir;
	else
		attr_stat(a, dir, &st);
	if (c->stat)
		return attr_answer_stat(&st, c->stat);
	if (c->statx)
		return attr_answer_statx(&st, c->statx);
	if (c->is_access) {
		if (c->access & ~7u)
			return -EINVAL;
		return !c->access || attr_may(&st, c->access, c->real) ? 0 : -EACCES;
	}
	if (c->is_xattr)
		return -ENODATA;
	if (c->is_list)
		return 0;
	if (path_is_link(a))
		return answer_link(c, a);
	return c->by_fd ? -ENOENT : -EINVAL;
}

/* Has stat found a memfd?  Of the kernel's answer, in the program's memory */
static bool found_memfd(const struct call *c)
{
	uint64_t dev = dev_of_memfds();
	uint32_t number[2];

	if (c->stat)
		return copy_in(&number, c->stat, 8) &&
		       (number[0] | (uint64_t)number[1] << 32) == dev;
	return c->statx && copy_in(number, c->statx + offsetof(struct statx, stx_dev_major), 8) &&
	       number[0] == (dev >> 8 & 0xfff) &&
	       number[1] == ((dev & 0xff) | (dev >> 12 & 0xfff00));
}

/* The kernel has answered for a memfd: one of our descriptors is another file on Linux. */
static long answer_memfd(agent_ucontext *uc, const struct call *c, const struct lookup *at,
			 long ret)
{
	long fd = at->dirfd;
	struct stat dir;
	enum answer a;

	if (!c->by_fd)
		fd = sys4(__NR_openat, at->dirfd, at->path, O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return ret;
	a = path_of_fd((int)fd);
	if (!c->by_fd)
		sys1(__NR_close, fd);
	if (a == ANSWER_NONE)
		return ret;
	if (a != ANSWER_CPUINFO) {
		attr_folder(a, &dir);
		return answer(c, a, &dir);
	}
	/* what the kernel says of that, where it can be reached */
	if (c->stat)
		sys4(__NR_newfstatat, AT_FDCWD, CPUINFO_PATH, c->stat, 0);
	else
		sys6(__NR_statx, AT_FDCWD, CPUINFO_PATH, 0, uc_arg(uc, 3), c->statx, 0);
	return ret;
}

/*
 * readlink and readlinkat of anything else: a descriptor of ours is a link to the
 * device, and not to what it is here.
 */
static long read_link(agent_ucontext *uc)
{
	bool at = UC_REGS(uc)->ax == __NR_readlinkat;
	uint64_t buf = uc_arg(uc, at ? 2 : 1), size = uc_arg(uc, at ? 3 : 2);
	char text[LINK_SIZE], old[LINK_SIZE], head[sizeof(MEMFD_LINK)];
	uint64_t kept = MIN((uint32_t)size, sizeof(old)), n;
	enum answer a;
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
	a = path_of_link(text, (uint64_t)len);
	if (a == ANSWER_NONE)
		return ret;
	name = path_name(a);
	n = MIN((uint32_t)size, agent_strlen(name));
	if (kept)
		copy_out(buf, old, kept);
	return copy_out(buf, name, n) ? (long)n : -EFAULT;
}

/* Of a descriptor that is ours.  False: it is not, or the kernel's answer is right. */
static bool answer_fd(agent_ucontext *uc, const struct call *c, int fd, long *ret)
{
	struct stat dir;
	enum answer a = path_of_fd(fd);

	if (a == ANSWER_NONE || a == ANSWER_CPUINFO)
		return false;
	attr_folder(a, &dir);
	*ret = answer(c, a, &dir);
	return true;
}

/**
 * path_do_other() - stat, lstat, fstat, newfstatat, statx, access, faccessat(2),
 *		     readlink(at), xattrs
 * @t:		this thread
 * @uc:		the trapped call's context
 */
long path_do_other(struct agent_thread *t, agent_ucontext *uc)
{
	struct lookup at;
	struct call c;
	enum answer a;
	bool read;
	long ret;

	decode(uc, &c, &at);
	if (c.by_fd && (c.is_access || c.is_link) && answer_fd(uc, &c, at.dirfd, &ret))
		return ret;
	read = !c.by_fd && path_read(&at, c.path);
	a = read ? path_before(&at, false) : ANSWER_NONE;
	if (a != ANSWER_NONE)
		return answer(&c, a, &at.dir);
	ret = c.is_link ? read_link(uc) : agent_pass(uc);
	if (t->refused.si_signo)
		return ret;
	if (ret == 0 && found_memfd(&c))
		return c.by_fd || read ? answer_memfd(uc, &c, &at, ret) : ret;
	if ((ret != -ENOENT && ret != -ENOTDIR) || !read)
		return ret;
	a = path_after(&at, ret);
	return a == ANSWER_NONE ? ret : answer(&c, a, &at.dir);
}
