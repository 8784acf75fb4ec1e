/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of the machine's files a path names, if any.
 *
 * A name is found by its folder and its last component.  The last component is
 * compared here; of everything before it the kernel says what folder that is
 * (device and inode), under the dirfd and RESOLVE_* of the call.  So "..", links,
 * mounts, chroot and /proc/PID/root are the kernel's.
 *
 * Most calls that come here are of programs that have never heard of SGX:
 *
 *	before the call		the path is copied, its last component is compared.
 *				Only one of our names costs system calls
 *	after it, on ENOENT	the last component may be a link of the program's to
 *				one of our files, which the kernel does not have
 *	after it, on success	what was opened may be ours by another name: its device
 *				and inode tell (open.c, path.c)
 */
#include "path.h"

#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#define MAX_LINKS 40 /* Linux: ELOOP beyond */

static const struct proto_files *files(void)
{
	return &AGENT_PARAMS->files;
}

/* --- names --------------------------------------------------------------------------- */

static bool is_name(const char *p, uint32_t n, const char *name)
{
	return n == agent_strlen(name) && agent_starts(p, name);
}

/* A path without the slashes and the "/." at its end */
struct split {
	uint32_t name; /* where the last component begins; what is before is the folder */
	uint32_t end; /* and ends */
	bool folder; /* something was cut: it must be a folder, and links are followed */
};

static struct split split(const struct lookup *at)
{
	struct split s = {.end = at->length};
	const char *p = at->path;

	for (;;) {
		if (s.end > 1 && p[s.end - 1] == '/')
			s.end--;
		else if (s.end > 2 && p[s.end - 1] == '.' && p[s.end - 2] == '/')
			s.end--;
		else
			break;
		s.folder = true;
	}
	s.name = s.end;
	while (s.name && p[s.name - 1] != '/')
		s.name--;
	return s;
}

static enum answer named(const struct lookup *at, const struct split *s)
{
	return path_by_name(at->path + s->name, s->end - s->name);
}

bool path_is_cpuinfo(const struct lookup *at)
{
	struct split s = split(at);

	return is_name(at->path + s.name, s.end - s.name, "cpuinfo");
}

/* --- folders ------------------------------------------------------------------------- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool is_on(int fd, long magic)
{
	struct statfs fs;

	return sys2(__NR_fstatfs, fd, &fs) == 0 && (long)fs.f_type == magic;
}

/* /dev as the process has it now: it may have changed its root, or mounted another */
bool path_is_dev(const struct stat *st)
{
	struct stat dev;

	return sys4(__NR_newfstatat, AT_FDCWD, DEV_PATH, &dev, 0) == 0 && same_file(st, &dev);
}

/* sysfs and proc give a file one inode number, wherever they are mounted. */
bool path_is_node(const struct stat *st, int fd)
{
	return files()->node_ino && st->st_ino == files()->node_ino && is_on(fd, SYSFS_MAGIC);
}

bool path_is_cpuinfo_file(const struct stat *st, int fd)
{
	return files()->cpuinfo_ino && st->st_ino == files()->cpuinfo_ino &&
	       is_on(fd, PROC_SUPER_MAGIC);
}

/* The first size bytes of the path as a folder.  Return: a descriptor of it */
static long open_folder(struct lookup *at, uint32_t size)
{
	struct open_how open = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = at->resolve,
	};
	char kept = at->path[size];
	const char *folder = size ? at->path : ".";
	long fd;

	at->path[size] = 0;
	if (at->resolve)
		fd = sys4(__NR_openat2, at->dirfd, folder, &open, sizeof(open));
	else
		fd = sys4(__NR_openat, at->dirfd, folder, open.flags, 0);
	at->path[size] = kept;
	return fd;
}

/* Is the first size bytes of the path that folder of the kernel's? */
static bool is_kernels(struct lookup *at, uint32_t size, enum answer folder)
{
	long fd = open_folder(at, size);
	bool ret;

	if (fd < 0)
		return false;
	ret = sys2(__NR_fstat, fd, &at->dir) == 0 &&
	      (folder == ANSWER_NODE ? path_is_node(&at->dir, (int)fd) : path_is_dev(&at->dir));
	sys1(__NR_close, fd);
	return ret;
}

static enum answer walk_to_folder(const struct lookup *at, uint32_t size, struct stat *ret_dir);

static bool is_ours(struct lookup *at, const struct split *s, enum answer a)
{
	enum answer folder = path_folder_of(a);

	if (path_is_folder(folder))
		return walk_to_folder(at, s->name, &at->dir) == folder;
	return is_kernels(at, s->name, folder);
}

/* --- links --------------------------------------------------------------------------- */

/* The target of the first size bytes of the path, under the call's own rules */
static long read_link(struct lookup *at, uint32_t size, char *text, uint64_t room)
{
	struct open_how open = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = at->resolve,
	};
	char kept = at->path[size];
	long fd, n;

	at->path[size] = 0;
	if (at->resolve) {
		fd = sys4(__NR_openat2, at->dirfd, at->path, &open, sizeof(open));
		n = fd;
		if (fd >= 0) {
			n = sys4(__NR_readlinkat, fd, "", text, room);
			sys1(__NR_close, fd);
		}
	} else {
		n = sys4(__NR_readlinkat, at->dirfd, at->path, text, room);
	}
	at->path[size] = kept;
	return n;
}

/* Linux: a link's target is looked up in the link's folder. */
static bool follow(struct lookup *at, const struct split *s)
{
	char text[512];
	long n = read_link(at, s->end, text, sizeof(text));
	uint32_t from = s->name;

	if (n <= 0 || n >= (long)sizeof(text))
		return false;
	if (text[0] == '/')
		from = 0;
	if (from + (uint64_t)n >= PATH_SIZE)
		return false;
	agent_memcpy(at->path + from, text, (uint64_t)n);
	at->length = from + (uint32_t)n;
	at->path[at->length] = 0;
	return true;
}

static enum answer walk(struct lookup *at, bool links)
{
	bool folder = false; /* a slash behind a link is one behind its target */
	uint32_t i;

	for (i = 0; i < MAX_LINKS; i++) {
		struct split s = split(at);
		enum answer a = named(at, &s);

		folder |= s.folder;
		if (a != ANSWER_NONE && is_ours(at, &s, a)) {
			if (path_is_link(a) && !(at->resolve & RESOLVE_NO_SYMLINKS) &&
			    (folder || !at->nofollow))
				a = path_target(a);
			return folder && !path_is_folder(a) ? ANSWER_NOTDIR : a;
		}
		if (!links || (at->nofollow && !s.folder) || !follow(at, &s))
			break;
	}
	return ANSWER_NONE;
}

/*
 * The folder of ours that this leads to.  The kernel cannot say, for it has no such
 * folder.  *ret_dir: the kernel's that it is in
 */
static enum answer walk_to_folder(const struct lookup *at, uint32_t size, struct stat *ret_dir)
{
	struct lookup folder;
	uint32_t i;

	path_init(&folder, at->dirfd);
	folder.resolve = at->resolve;
	agent_memcpy(folder.path, at->path, size);
	folder.path[size] = 0;
	folder.length = size;
	for (i = 0; i < MAX_LINKS; i++) {
		struct split s = split(&folder);
		enum answer a;

		if (s.end == s.name || is_name(folder.path, s.end, ".")) {
			/* the dirfd itself, or the root */
			a = folder.path[0] == '/' ? ANSWER_NONE : path_of_fd(at->dirfd);
			if (!path_is_folder(a))
				return ANSWER_NONE;
			attr_folder(a, ret_dir);
			return a;
		}
		a = named(&folder, &s);
		if (path_is_folder(a) && is_kernels(&folder, s.name, path_folder_of(a))) {
			*ret_dir = folder.dir;
			return a;
		}
		if (!follow(&folder, &s))
			break;
	}
	return ANSWER_NONE;
}

/* --- descriptors --------------------------------------------------------------------- */

static enum answer by_link(int dirfd, const char *path)
{
	char text[LINK_SIZE];
	long n = sys4(__NR_readlinkat, dirfd, path, text, sizeof(text) - 1);

	if (n <= 0)
		return ANSWER_NONE;
	text[n] = 0;
	return path_of_link(text, (uint64_t)n);
}

#define FD_LINK "/proc/self/fd/0000000000"

/* Its link in /proc, where a number has no zeros in front */
static void link_of_fd(int fd, char path[sizeof(FD_LINK)])
{
	char *digit = path + sizeof(FD_LINK) - 1;

	agent_memcpy(path, FD_LINK, sizeof(FD_LINK));
	for (digit--; *digit != '/'; digit--, fd /= 10)
		*digit = (char)('0' + fd % 10);
	for (digit++; digit[0] == '0' && digit[1]; digit++)
		;
	agent_memcpy(path + sizeof("/proc/self/fd/") - 1, digit, agent_strlen(digit) + 1);
}

bool path_may_be_enclave(int fd)
{
	long sealed = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW, n;
	char path[sizeof(FD_LINK)], text[LINK_SIZE];
	enum answer a;

	/* an enclave's gets these three at CREATE: most other memfds never had but the first */
	n = sys2(__NR_fcntl, fd, F_GET_SEALS);
	if (n < 0 || ((n & F_SEAL_SEAL) && (n & sealed) != sealed))
		return false;
	/* and its descriptors are opened so, unless the program has changed that */
	if (sys2(__NR_fcntl, fd, F_GETFL) & O_APPEND)
		return true;
	link_of_fd(fd, path);
	n = sys4(__NR_readlinkat, AT_FDCWD, path, text, sizeof(text) - 1);
	if (n < 0)
		return true; /* no /proc */
	text[n] = 0;
	a = path_of_link(text, (uint64_t)n);
	return a == ANSWER_ENCLAVE || a == ANSWER_SGX_ENCLAVE;
}

/* Ours are memfds: devices of the daemon's, text and folders that the agent makes. */
enum answer path_of_fd(int fd)
{
	char path[sizeof(FD_LINK)];
	struct stat st;
	uint64_t id;

	if (fd < 0 || sys2(__NR_fstat, fd, &st) < 0 || st.st_dev != dev_of_memfds())
		return ANSWER_NONE;
	/* as open.c makes them */
	if (st.st_mode == (S_IFREG | 0444) || st.st_mode == (S_IFREG | 0555)) {
		link_of_fd(fd, path);
		return by_link(AT_FDCWD, path);
	}
	switch (dev_of_fd(fd, &id)) {
	case PROTO_DEV_ENCLAVE:
	case PROTO_DEV_NODE:
		return path_enclave();
	case PROTO_DEV_PROVISION:
		return path_provision();
	default:
		return ANSWER_NONE;
	}
}

/* --- a call's path ------------------------------------------------------------------- */

void path_init(struct lookup *at, int dirfd)
{
	at->dirfd = dirfd;
	at->nofollow = false;
	at->resolve = 0;
	at->length = 0;
}

bool path_read(struct lookup *at, uint64_t uaddr)
{
	uint64_t i = 0;

	while (i < PATH_SIZE) {
		/* up to the page's end at a time: a path may end there */
		uint64_t room = SGX_PAGE_SIZE - ((uaddr + i) & (SGX_PAGE_SIZE - 1));
		uint64_t end = i + MIN(room, MIN(PATH_SIZE - i, i < 128 ? 32 : 256));

		if (!copy_in(at->path + i, uaddr + i, end - i))
			return false;
		for (; i < end; i++) {
			if (!at->path[i]) {
				at->length = (uint32_t)i;
				return i != 0;
			}
		}
	}
	return false;
}

static bool is_number(const char *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return n != 0;
}

/**
 * path_before() - the file that a call is about to name
 * @at:		the call's path; changed where links are followed
 * @links:	the last component may be a link to one of ours, and the kernel must not
 *		be asked first, since it would make a file there
 *
 * One that exists, whatever it is, in the place of ours is the machine's too.
 */
enum answer path_before(struct lookup *at, bool links)
{
	struct split s = split(at);
	const char *name = at->path + s.name;

	if (links || named(at, &s) != ANSWER_NONE)
		return walk(at, links);
	/*
	 * /proc/PID/fd/N of a device: Linux opens what it is of anew.  The kernel would
	 * open the memfd, which O_TRUNC would change.
	 */
	if (!at->nofollow && !at->resolve && is_number(name, s.end - s.name)) {
		enum answer a = by_link(at->dirfd, at->path);

		if (path_is_opened_anew(a)) {
			attr_folder(a, &at->dir);
			return a;
		}
	}
	return ANSWER_NONE;
}

/* A component that is not the last one is a file of ours, which has nothing in it. */
static bool through_file(struct lookup *at)
{
	uint32_t from = 0, to;

	for (; from < at->length; from = to + 1) {
		struct split s = {.name = from};
		enum answer a;

		for (to = from; to < at->length && at->path[to] != '/'; to++)
			;
		if (to == at->length)
			break;
		s.end = to;
		a = named(at, &s);
		if (a != ANSWER_NONE && !path_is_folder(a) && is_ours(at, &s, a))
			return true;
	}
	return false;
}

/**
 * path_after() - the file that a call has named, and the kernel has not found
 * @at:		its path; changed
 * @error:	-ENOENT, or -ENOTDIR
 */
enum answer path_after(struct lookup *at, long error)
{
	struct split s = split(at);
	enum answer folder = ANSWER_NONE;

	if (is_name(at->path + s.name, s.end - s.name, "..") && s.name)
		folder = walk_to_folder(at, s.name, &at->dir);
	if (folder != ANSWER_NONE)
		return path_folder_of(folder);
	if (error == -ENOTDIR) {
		/* in a folder of ours, which is none for the kernel */
		if (at->path[0] != '/' && at->dirfd >= 0)
			folder = path_of_fd(at->dirfd);
		if (!path_is_folder(folder))
			return ANSWER_NONE;
		attr_folder(folder, &at->dir);
		return is_name(at->path, s.end, ".")	? folder
		       : is_name(at->path, s.end, "..") ? path_folder_of(folder)
							: ANSWER_NOENT;
	}
	if (through_file(at))
		return ANSWER_NOTDIR;
	return walk(at, true);
}
