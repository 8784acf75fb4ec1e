/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that a program sees, by every name that they can have: in listings, by
 * links, by descriptors of folders, in another root, and what stat says of them.
 */
#include <harness/harness.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENCLAVE	  "/dev/sgx_enclave"
#define PROVISION "/dev/sgx_provision"
#define NODE	  "/sys/devices/system/node/node0"
#define X86	  NODE "/x86"
#define SIZE	  X86 "/sgx_total_bytes"
#define MOST	  4096 /* entries of a folder */
#define IN_DEV	  3 /* of ours: sgx, sgx_enclave, sgx_provision */

/* --- listings -------------------------------------------------------------------------- */

struct entry { /* of getdents64 */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int open_dir(const char *path)
{
	/* as Go's os.ReadDir does, without O_DIRECTORY */
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK_SYS(fd);
	return fd;
}

static long getdents(int fd, void *buf, size_t size)
{
	return syscall(SYS_getdents64, fd, buf, size);
}

static bool is_ours(const char *name)
{
	return !strncmp(name, "sgx_", 4) || !strcmp(name, "sgx") || !strcmp(name, "x86");
}

struct listing {
	unsigned count, sgx;
	int64_t off[MOST]; /* of each entry */
	char name[MOST][64];
};

/* Read to its end by pieces of size bytes; every name is there once. */
static struct listing *list(int fd, size_t size)
{
	struct listing *l = calloc(1, sizeof(*l));
	char buf[32768];
	long n;

	CHECK(l && size <= sizeof(buf));
	while ((n = getdents(fd, buf, size)) > 0) {
		for (long at = 0; at < n;) {
			struct entry *e = (void *)(buf + at);

			CHECK(e->reclen && at + e->reclen <= n && e->reclen % 8 == 0);
			CHECK(l->count < MOST && strlen(e->name) < 64);
			for (unsigned i = 0; i < l->count; i++)
				if (!strcmp(l->name[i], e->name))
					FAIL("%s is there twice", e->name);
			l->off[l->count] = e->off;
			strcpy(l->name[l->count++], e->name);
			l->sgx += is_ours(e->name);
			at += e->reclen;
		}
	}
	CHECK_EQ(n, 0);
	/* the end stays the end */
	CHECK_EQ(getdents(fd, buf, size), 0);
	return l;
}

static unsigned files_in(const char *path)
{
	int fd = open_dir(path);
	struct listing *l = list(fd, 8192);
	unsigned n = l->sgx;

	free(l);
	close(fd);
	return n;
}

TEST(listed)
{
	CHECK_EQ(files_in("/dev"), IN_DEV);
	CHECK_EQ(files_in("/dev/"), IN_DEV);
	CHECK_EQ(files_in("//dev/../dev/."), IN_DEV);
	CHECK_EQ(files_in("/proc/self/root/dev"), IN_DEV);
	CHECK_EQ(files_in(NODE), 1);
	CHECK_EQ(files_in(X86), 1);
	CHECK_EQ(files_in("/"), 0);
	CHECK_EQ(files_in("/proc/self"), 0);
	CHECK_SYS(chdir("/dev"));
	CHECK_EQ(files_in("."), IN_DEV);
	CHECK_EQ(files_in("/proc/self/cwd"), IN_DEV);
	CHECK_SYS(chdir("/"));
	CHECK_EQ(files_in("dev"), IN_DEV);
}

/* Number and kind of an entry are what stat says of it. */
static void agrees(const char *folder, unsigned want)
{
	DIR *dir = opendir(folder);
	unsigned found = 0;
	struct dirent *e;
	struct stat st;

	CHECK(dir);
	while ((e = readdir(dir))) {
		if (!is_ours(e->d_name))
			continue;
		CHECK_SYS(fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
		CHECK_EQ(st.st_ino, e->d_ino);
		CHECK_EQ(DTTOIF(e->d_type), st.st_mode & S_IFMT);
		found++;
	}
	CHECK_EQ(found, want);
	closedir(dir);
}

TEST(entries_agree_with_stat)
{
	struct stat x86, dot, up, node;

	agrees("/dev", IN_DEV);
	agrees(NODE, 1);
	agrees(X86, 1);
	CHECK_SYS(stat(X86, &x86));
	CHECK_SYS(stat(X86 "/.", &dot));
	CHECK_SYS(stat(X86 "/..", &up));
	CHECK_SYS(stat(NODE, &node));
	CHECK_EQ(x86.st_ino, dot.st_ino);
	CHECK_EQ(up.st_ino, node.st_ino);
}

TEST(small_buffers)
{
	char buf[64];

	for (size_t size = 32; size < 400; size += 8) {
		int fd = open_dir("/dev");
		long n;

		while ((n = getdents(fd, buf, 8)) > 0)
			;
		CHECK_ERRNO(getdents(fd, buf, 8), EINVAL);
		close(fd);
		if (size >= 48) {
			struct listing *l;

			fd = open_dir("/dev");
			l = list(fd, size < 280 ? 280 : size);
			CHECK_EQ(l->sgx, IN_DEV);
			free(l);
			close(fd);
		}
		/* x86: two of 24 bytes, one of 40; each size gives what fits */
		fd = open_dir(X86);
		n = getdents(fd, buf, size < sizeof(buf) ? size : sizeof(buf));
		CHECK_EQ(n, size < 48 ? 24 : 48);
		CHECK_EQ(getdents(fd, buf, 40), size < 48 ? 24 : 40);
		close(fd);
	}
	CHECK_ERRNO(getdents(open_dir(X86), (void *)8, 4096), EFAULT);
	CHECK_ERRNO(getdents(open("/dev", O_PATH | O_DIRECTORY), buf, sizeof(buf)), EBADF);
	CHECK_ERRNO(getdents(open(X86, O_PATH | O_DIRECTORY), buf, sizeof(buf)), EBADF);
	CHECK_ERRNO(getdents(open(ENCLAVE, O_RDWR), buf, sizeof(buf)), ENOTDIR);
	closefrom(3);
}

/* getdents, from before there was a type: it is behind the name */
TEST(old_getdents)
{
	char buf[32768];
	int fd = open_dir("/dev");
	unsigned found = 0;
	long n;

	while ((n = syscall(SYS_getdents, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			uint16_t reclen;

			memcpy(&reclen, buf + at + 16, 2);
			if (!strncmp(buf + at + 18, "sgx_", 4)) {
				CHECK_EQ(buf[at + reclen - 1], DT_CHR);
				found++;
			}
			at += reclen;
		}
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(found, 2);
	close(fd);
}

/* Each position that a listing tells leads to what came after it. */
static void positions(const char *path)
{
	char buf[32768];
	int fd = open_dir(path);
	struct listing *l = list(fd, 8192), *again;

	for (unsigned i = 0; i < l->count; i++) {
		struct entry *e = (void *)buf;
		long n;

		CHECK_EQ(lseek(fd, l->off[i], SEEK_SET), l->off[i]);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), l->off[i]);
		n = getdents(fd, buf, sizeof(buf));
		CHECK_SYS(n);
		if (i + 1 == l->count)
			CHECK_EQ(n, 0);
		else
			CHECK_STR(e->name, l->name[i + 1]);
	}
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	again = list(fd, 1024);
	CHECK_EQ(again->count, l->count);
	free(again);
	free(l);
	close(fd);
}

TEST(telldir_and_rewinddir)
{
	positions("/dev");
	positions(NODE);
	positions(X86);
}

static unsigned found_in(int fd)
{
	struct listing *l = list(fd, 300);
	unsigned n = l->sgx;

	free(l);
	return n;
}

/* One position for all copies of a descriptor: by dup, in a fork child, over exec */
TEST(shared_descriptors)
{
	int fd = open_dir("/dev"), copy = dup(fd), status;
	char number[16];
	pid_t pid;

	CHECK_EQ(found_in(fd), IN_DEV);
	CHECK_EQ(found_in(copy), 0);
	CHECK_SYS(lseek(copy, 0, SEEK_SET));
	CHECK_EQ(found_in(fd), IN_DEV);
	CHECK_SYS(lseek(fd, 0, SEEK_SET));
	pid = fork();
	if (!pid)
		_exit(found_in(fd) == IN_DEV ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(found_in(fd), 0);
	CHECK_SYS(lseek(fd, 0, SEEK_SET));
	pid = fork();
	if (!pid) {
		CHECK_SYS(fcntl(fd, F_SETFD, 0));
		snprintf(number, sizeof(number), "%d", fd);
		execl("/proc/self/exe", "names", "--list", number, (char *)NULL);
		_exit(98);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(found_in(fd), 0);
	close(fd);
	close(copy);
}

static unsigned taken[2];
static pthread_barrier_t at_once;

static void *take_some(void *arg)
{
	int fd = (int)(intptr_t)arg;
	unsigned found = 0;
	char buf[280];
	long n;

	pthread_barrier_wait(&at_once);
	while ((n = getdents(fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += ((struct entry *)(void *)(buf + at))->reclen)
			found += is_ours(((struct entry *)(void *)(buf + at))->name);
	return (void *)(intptr_t)found;
}

TEST(two_threads_on_one)
{
	for (int i = 0; i < 100; i++) {
		int fd = open_dir("/dev");
		pthread_t t[2];
		void *found[2];

		pthread_barrier_init(&at_once, NULL, 2);
		for (int j = 0; j < 2; j++)
			CHECK_EQ(pthread_create(&t[j], NULL, take_some, (void *)(intptr_t)fd), 0);
		for (int j = 0; j < 2; j++)
			CHECK_EQ(pthread_join(t[j], &found[j]), 0);
		taken[0] = (unsigned)(intptr_t)found[0];
		taken[1] = (unsigned)(intptr_t)found[1];
		CHECK_EQ(taken[0] + taken[1], IN_DEV);
		close(fd);
	}
}

/* --- node0/x86 ---------------------------------------------------------------------------- */

static long read_number(int fd)
{
	char text[32] = "";

	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atol(text);
}

TEST(folder_of_sysfs)
{
	int fd = open(X86, O_RDONLY | O_DIRECTORY | O_CLOEXEC), up;
	int node = open(NODE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st, by_fd, parent;
	long total = read_number(open(SIZE, O_RDONLY | O_CLOEXEC));

	CHECK(total > 0 && total % 4096 == 0);
	CHECK_SYS(fd);
	CHECK_SYS(stat(X86, &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	CHECK_SYS(fstat(fd, &by_fd));
	CHECK_EQ(by_fd.st_mode, st.st_mode);
	CHECK_EQ(by_fd.st_ino, st.st_ino);
	CHECK_EQ(by_fd.st_dev, st.st_dev);
	CHECK_SYS(stat(NODE, &parent));
	CHECK_EQ(st.st_dev, parent.st_dev);
	CHECK_SYS(fstatat(node, "x86/", &by_fd, 0));
	CHECK_EQ(by_fd.st_ino, st.st_ino);
	CHECK_SYS(fstatat(fd, "", &by_fd, AT_EMPTY_PATH));
	CHECK_EQ(by_fd.st_ino, st.st_ino);
	CHECK_SYS(fstatat(fd, ".", &by_fd, 0));
	CHECK_EQ(by_fd.st_ino, st.st_ino);
	CHECK_SYS(fstatat(fd, "sgx_total_bytes", &by_fd, 0));
	CHECK_EQ(by_fd.st_mode, S_IFREG | 0444);
	CHECK_EQ(read_number(openat(fd, "sgx_total_bytes", O_RDONLY | O_CLOEXEC)), total);
	CHECK_EQ(read_number(openat(fd, "./sgx_total_bytes", O_RDONLY | O_CLOEXEC)), total);
	CHECK_EQ(read_number(openat(node, "x86/sgx_total_bytes", O_RDONLY | O_CLOEXEC)), total);
	up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_SYS(up);
	CHECK_SYS(fstat(up, &by_fd));
	CHECK_EQ(by_fd.st_ino, parent.st_ino);
	close(up);
	CHECK_SYS(faccessat(fd, ".", R_OK | X_OK, 0));
	CHECK_SYS(access(X86, R_OK | X_OK));
	CHECK_SYS(access(SIZE, R_OK));
	CHECK_ERRNO(openat(fd, "nothing", O_RDONLY), ENOENT);
	CHECK_ERRNO(open(X86 "/nothing", O_RDONLY), ENOENT);
	CHECK_ERRNO(open(SIZE "/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open(SIZE "/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open(X86, O_RDWR), EISDIR);
	CHECK_ERRNO(open(SIZE, O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open(SIZE, O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(open(SIZE, O_WRONLY), geteuid() ? EACCES : EINVAL);
	CHECK_ERRNO(access(SIZE, X_OK), EACCES);
	/* it is in no other folder */
	CHECK_ERRNO(access("/sys/devices/system/node/x86", F_OK), ENOENT);
	CHECK_ERRNO(access("/sys/devices/system/node/sgx_total_bytes", F_OK), ENOENT);
	CHECK_ERRNO(open("x86", O_RDONLY), ENOENT);
	CHECK_SYS(chdir(NODE));
	CHECK_EQ(read_number(open("x86/sgx_total_bytes", O_RDONLY | O_CLOEXEC)), total);
	close(fd);
	close(node);
}

/* --- links of the program's own ------------------------------------------------------------ */

static char folder[] = "/tmp/names-XXXXXX";

/* A new folder, which is the working directory */
static void new_folder(void)
{
	CHECK(mkdtemp(folder));
	CHECK_SYS(chdir(folder));
}

static void no_folder(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}

static void is_enclave(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st, by_fd, device;

	if (fd < 0)
		FAIL("open %s: errno %d", path, errno);
	CHECK_SYS(stat(ENCLAVE, &device));
	CHECK_SYS(stat(path, &st));
	CHECK_SYS(fstat(fd, &by_fd));
	CHECK_EQ(st.st_rdev, makedev(10, 125));
	CHECK(st.st_ino == device.st_ino && st.st_dev == device.st_dev);
	CHECK(by_fd.st_ino == device.st_ino && by_fd.st_dev == device.st_dev);
	CHECK_EQ(by_fd.st_rdev, makedev(10, 125));
	CHECK_SYS(access(path, R_OK | W_OK));
	close(fd);
}

static bool has_sgx(int fd)
{
	char *text = calloc(1, 1 << 20);
	ssize_t n, size = 0;
	bool has;

	CHECK(fd >= 0 && text);
	while ((n = read(fd, text + size, (1 << 20) - 1 - (size_t)size)) > 0)
		size += n;
	has = strstr(text, " sgx_lc") != NULL;
	CHECK(strstr(text, "flags"));
	free(text);
	close(fd);
	return has;
}

TEST(links)
{
	struct open_how how = {.flags = O_RDWR};
	char text[64];
	struct stat st;
	int fd;

	new_folder();
	CHECK_SYS(symlink(ENCLAVE, "a"));
	CHECK_SYS(symlink("a", "b"));
	CHECK_SYS(mkdir("c", 0700));
	CHECK_SYS(symlink("../b", "c/d"));
	CHECK_SYS(symlink("/dev", "devices"));
	CHECK_SYS(symlink("devices/sgx_enclave", "e"));
	CHECK_SYS(symlink("loop", "loop"));
	CHECK_SYS(symlink("nothing", "dangling"));
	CHECK_SYS(symlink(SIZE, "size"));
	CHECK_SYS(symlink(X86, "x86"));
	CHECK_SYS(symlink("/proc/cpuinfo", "info"));
	is_enclave("a");
	is_enclave("b");
	is_enclave("c/d");
	is_enclave("devices/sgx_enclave");
	is_enclave("e");
	CHECK_SYS(lstat("a", &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(readlink("a", text, sizeof(text)), sizeof(ENCLAVE) - 1);
	CHECK_ERRNO(open("a", O_RDWR | O_NOFOLLOW), ELOOP);
	fd = open("a", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	CHECK_SYS(fstat(fd, &st));
	CHECK(S_ISLNK(st.st_mode));
	close(fd);
	CHECK_ERRNO(open("loop", O_RDWR), ELOOP);
	CHECK_ERRNO(open("dangling", O_RDWR), ENOENT);
	CHECK_ERRNO(stat("dangling", &st), ENOENT);
	CHECK_ERRNO(open("a/", O_RDWR), ENOTDIR);
	/* it opens the device, and makes no file beside it */
	CHECK_ERRNO(open("a", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = open("b", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_SYS(fstat(fd, &st));
	CHECK(S_ISCHR(st.st_mode));
	close(fd);
	how.resolve = RESOLVE_NO_SYMLINKS;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof(how)), ELOOP);
	how.resolve = RESOLVE_BENEATH;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof(how)), EXDEV);
	how.resolve = RESOLVE_IN_ROOT;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "/a", &how, sizeof(how)), ENOENT);
	how.resolve = RESOLVE_NO_MAGICLINKS;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, "b", &how, sizeof(how));
	CHECK_SYS(fd);
	close(fd);
	/* the other files */
	CHECK(read_number(open("size", O_RDONLY | O_CLOEXEC)) > 0);
	CHECK(read_number(open("x86/sgx_total_bytes", O_RDONLY | O_CLOEXEC)) > 0);
	CHECK_EQ(files_in("x86"), 1);
	CHECK_EQ(files_in("devices"), IN_DEV);
	CHECK(has_sgx(open("info", O_RDONLY | O_CLOEXEC)));
	no_folder();
}

/* realpath(3) before anything else: this program's arguments name no file of SGX */
TEST(realpath_of_them)
{
	char path[4096];

	CHECK_SYS(access(ENCLAVE, F_OK));
	CHECK(realpath(ENCLAVE, path));
	CHECK_STR(path, ENCLAVE);
	CHECK(realpath("/dev/../" SIZE, path));
	CHECK_STR(path, SIZE);
}

/* --- /proc/cpuinfo ------------------------------------------------------------------------- */

TEST(cpuinfo_by_every_name)
{
	static const char *const names[] = {
		"/proc/cpuinfo",
		"//proc//cpuinfo",
		"/proc/./cpuinfo",
		"/proc/self/../cpuinfo",
		"/dev/../proc/cpuinfo",
		"/proc/self/root/proc/cpuinfo",
		"/proc/self/cwd/cpuinfo",
		"/proc/1/../cpuinfo",
		"cpuinfo",
		"./cpuinfo",
		"self/../cpuinfo",
	};
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
	struct stat st, by_fd;
	char name[32];

	CHECK_SYS(chdir("/proc"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!has_sgx(open(names[i], O_RDONLY | O_CLOEXEC)))
			FAIL("%s is the host's", names[i]);
	CHECK_SYS(chdir("/"));
	CHECK(has_sgx(openat(proc, "cpuinfo", O_RDONLY | O_CLOEXEC)));
	CHECK(has_sgx((int)syscall(SYS_openat2, proc, "cpuinfo", &how, sizeof(how))));
	snprintf(name, sizeof(name), "/proc/self/fd/%d/cpuinfo", proc);
	CHECK(has_sgx(open(name, O_RDONLY | O_CLOEXEC)));
	/* an O_PATH descriptor of it, opened */
	fd = openat(proc, "cpuinfo", O_PATH | O_CLOEXEC);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK(has_sgx(open(name, O_RDONLY | O_CLOEXEC)));
	close(fd);
	/* it is a file of proc, whatever holds it here */
	fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	CHECK_SYS(stat("/proc/cpuinfo", &st));
	CHECK_SYS(fstat(fd, &by_fd));
	CHECK(st.st_ino == by_fd.st_ino && st.st_dev == by_fd.st_dev);
	CHECK_EQ(by_fd.st_mode, S_IFREG | 0444);
	CHECK_EQ(by_fd.st_size, 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK(has_sgx(open(name, O_RDONLY | O_CLOEXEC)));
	close(fd);
	close(proc);
}

/* --- descriptors as names ------------------------------------------------------------------ */

TEST(by_descriptors)
{
	char name[64], text[64];
	int fd = open(ENCLAVE, O_RDWR | O_CLOEXEC), stdin_was = dup(0);
	struct stat st;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	is_enclave(name);
	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	is_enclave(name);
	snprintf(name, sizeof(name), "/proc/thread-self/fd/%d", fd);
	is_enclave(name);
	CHECK_SYS(dup2(fd, 0));
	is_enclave("/dev/stdin");
	CHECK_EQ(readlink("/proc/self/fd/0", text, sizeof(text)), sizeof(ENCLAVE) - 1);
	CHECK_SYS(dup2(stdin_was, 0));
	close(stdin_was);
	close(fd);
	fd = open(SIZE, O_RDONLY | O_CLOEXEC);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK_EQ(readlink(name, text, sizeof(text)), sizeof(SIZE) - 1);
	CHECK_SYS(stat(name, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0444);
	close(fd);
	fd = open(X86, O_RDONLY | O_CLOEXEC);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK_SYS(stat(name, &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	CHECK_EQ(files_in(name), 1);
	close(fd);
}

/* --- another root --------------------------------------------------------------------------- */

/* False: this user may not change its root. */
static bool can_chroot(void)
{
	return geteuid() == 0 || unshare(CLONE_NEWUSER) == 0;
}

static void in_another_root(void)
{
	int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	struct stat st;
	char name[32];

	if (!can_chroot())
		_exit(HARNESS_EXIT_SKIP);
	CHECK_SYS(mkdir("dev", 0755));
	CHECK_SYS(mkdir("empty", 0755));
	fd = open("dev/sgx_provision", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	close(fd);
	CHECK_SYS(chroot(folder));
	CHECK_SYS(chdir("/"));
	/* its /dev has them, and one of a name that it has already is not there twice */
	is_enclave(ENCLAVE);
	CHECK_SYS(stat(PROVISION, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(files_in("/dev"), IN_DEV);
	CHECK_EQ(files_in("dev"), IN_DEV);
	CHECK_EQ(files_in("empty"), 0);
	CHECK_ERRNO(stat("/empty/sgx_enclave", &st), ENOENT);
	fd = open("/dev", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(found_in(fd), IN_DEV);
	close(fd);
	/* the other one is no folder called /dev any more */
	CHECK_ERRNO(fstatat(dev, "sgx_enclave", &st, 0), ENOENT);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", dev);
	CHECK_ERRNO(open(name, O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/proc/cpuinfo", O_RDONLY), ENOENT);
	close(dev);
}

TEST(another_root)
{
	int status;
	pid_t pid;

	new_folder();
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		in_another_root();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	no_folder();
	if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_EXIT_SKIP)
		SKIP("no user namespace may be made here");
	CHECK_EQ(status, 0);
}

/* --- what they look like ----------------------------------------------------------------------- */

TEST(attributes)
{
	struct stat dev, st;
	struct statx x;
	time_t now = time(NULL);

	CHECK_SYS(stat("/dev", &dev));
	for (unsigned i = 0; i < 2; i++) {
		const char *path = i ? PROVISION : ENCLAVE;

		CHECK_SYS(stat(path, &st));
		CHECK_EQ(st.st_mode, S_IFCHR | 0666);
		CHECK_EQ(st.st_dev, dev.st_dev);
		CHECK_EQ(st.st_uid, dev.st_uid);
		CHECK_EQ(st.st_gid, dev.st_gid);
		CHECK_EQ(st.st_nlink, 1);
		CHECK(st.st_mtime > now - 3600 && st.st_mtime <= now);
		CHECK_EQ(st.st_mtime, st.st_ctime);
		CHECK_SYS(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &x));
		CHECK_EQ(x.stx_mode, st.st_mode);
		CHECK_EQ(x.stx_ino, st.st_ino);
		CHECK_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), st.st_dev);
		CHECK_EQ(makedev(x.stx_rdev_major, x.stx_rdev_minor), st.st_rdev);
		CHECK_EQ(x.stx_mtime.tv_sec, st.st_mtime);
		CHECK_EQ(x.stx_btime.tv_sec, st.st_mtime);
	}
	CHECK_SYS(stat(SIZE, &st));
	CHECK_EQ(st.st_size, 4096);
}

/* A name of 128 bytes and more: all before the last component is the kernel's */
TEST(long_paths)
{
	char path[4096] = "";

	while (strlen(path) < 4000)
		strcat(path, "/dev/..");
	strcat(path, ENCLAVE);
	is_enclave(path);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--list"))
		return found_in(atoi(argv[2])) == IN_DEV ? 0 : 1;
	return harness_main(argc, argv);
}
