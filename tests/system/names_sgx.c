/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/sgx and the two links in it, which the udev rules of Intel's packages make on
 * Linux: every way of asking about them, beside a folder and a link of the kernel's.
 */
#include <harness/harness.h>

#include <asm/sgx.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FOLDER	  "/dev/sgx"
#define ENCLAVE	  FOLDER "/enclave"
#define PROVISION FOLDER "/provision"

static const struct link {
	const char *path, *name, *text, *target;
} links[] = {
	{ENCLAVE, "enclave", "../sgx_enclave", "/dev/sgx_enclave"},
	{PROVISION, "provision", "../sgx_provision", "/dev/sgx_provision"},
};

static void same_file(const struct stat *a, const struct stat *b)
{
	CHECK(a->st_dev == b->st_dev && a->st_ino == b->st_ino);
	CHECK_EQ(a->st_mode, b->st_mode);
	CHECK_EQ(a->st_rdev, b->st_rdev);
}

TEST(a_link_is_followed)
{
	for (int i = 0; i < 2; i++) {
		const struct link *l = &links[i];
		struct stat st, target;
		char path[4096], name[32];
		int fd = open(l->path, O_RDWR | O_CLOEXEC), again;

		CHECK_SYS(fd);
		CHECK_SYS(stat(l->target, &target));
		CHECK(S_ISCHR(target.st_mode));
		CHECK_SYS(stat(l->path, &st));
		same_file(&st, &target);
		CHECK_SYS(fstat(fd, &st));
		same_file(&st, &target);
		CHECK_SYS(fstatat(AT_FDCWD, l->path, &st, 0));
		same_file(&st, &target);
		CHECK_SYS(access(l->path, R_OK | W_OK));
		CHECK_ERRNO(access(l->path, X_OK), EACCES);
		CHECK_ERRNO(getxattr(l->path, "user.x", path, 1), ENODATA);
		CHECK(realpath(l->path, path));
		CHECK_STR(path, l->target);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		CHECK_EQ(readlink(name, path, sizeof(path)), strlen(l->target));
		CHECK_MEM(path, l->target, strlen(l->target));
		/* it opens the device, and makes no file */
		again = open(l->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		CHECK_SYS(again);
		CHECK_SYS(fstat(again, &st));
		same_file(&st, &target);
		close(again);
		CHECK_ERRNO(ioctl(fd, SGX_IOC_ENCLAVE_INIT, NULL), i ? ENOTTY : EINVAL);
		close(fd);
	}
}

TEST(a_link_is_a_link)
{
	for (int i = 0; i < 2; i++) {
		const struct link *l = &links[i];
		size_t length = strlen(l->text);
		struct open_how how = {.flags = O_RDWR, .resolve = RESOLVE_NO_SYMLINKS};
		char text[64], name[32];
		struct stat st, by_fd;
		struct statx x;
		int fd;

		CHECK_SYS(lstat(l->path, &st));
		CHECK_EQ(st.st_mode, S_IFLNK | 0777);
		CHECK_EQ(st.st_size, (off_t)length);
		CHECK_EQ(st.st_nlink, 1);
		CHECK_SYS(statx(AT_FDCWD, l->path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
		CHECK_EQ(x.stx_mode, S_IFLNK | 0777);
		CHECK_EQ(x.stx_size, length);
		CHECK_EQ(x.stx_ino, st.st_ino);
		for (size_t n = 1; n < length + 3; n++) {
			size_t want = n < length ? n : length;

			memset(text, 'x', sizeof(text));
			CHECK_EQ(readlink(l->path, text, n), want);
			CHECK_MEM(text, l->text, want);
			CHECK_EQ(text[want], 'x');
		}
		CHECK_ERRNO(readlink(l->path, text, 0), EINVAL);
		CHECK_ERRNO(syscall(SYS_readlink, l->path, text, -1), EINVAL);
		CHECK_ERRNO(syscall(SYS_readlink, l->path, 8, 64), EFAULT);
		CHECK_ERRNO(open(l->path, O_RDWR | O_NOFOLLOW), ELOOP);
		CHECK_ERRNO(open(l->path, O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
		CHECK_ERRNO(open(l->path, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
		CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, l->path, &how, sizeof(how)), ELOOP);
		/* the link itself, as systemd's tools walk over every component */
		fd = open(l->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		CHECK_SYS(fd);
		CHECK_SYS(fstat(fd, &by_fd));
		same_file(&by_fd, &st);
		CHECK_EQ(readlinkat(fd, "", text, sizeof(text)), length);
		CHECK_MEM(text, l->text, length);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		CHECK_ERRNO(open(name, O_RDWR), ELOOP);
		close(fd);
		CHECK_ERRNO(open(l->path, O_PATH | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
		/* of a file that is no link */
		fd = open(l->target, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		CHECK_ERRNO(readlinkat(fd, "", text, sizeof(text)), ENOENT);
		close(fd);
		CHECK_ERRNO(readlink(l->target, text, sizeof(text)), EINVAL);
	}
}

TEST(the_folder)
{
	int fd = open(FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC), up, dev, enclave;
	struct stat st, by_fd, parent, target;
	char text[64];

	CHECK_SYS(fd);
	dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_SYS(stat("/dev", &parent));
	CHECK_SYS(stat(links[0].target, &target));
	CHECK_SYS(stat(FOLDER, &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	CHECK_EQ(st.st_dev, parent.st_dev);
	CHECK_SYS(lstat(FOLDER, &by_fd));
	same_file(&by_fd, &st);
	CHECK_SYS(fstat(fd, &by_fd));
	same_file(&by_fd, &st);
	CHECK_SYS(fstatat(fd, ".", &by_fd, 0));
	same_file(&by_fd, &st);
	CHECK_SYS(fstatat(fd, "..", &by_fd, 0));
	same_file(&by_fd, &parent);
	CHECK_SYS(stat(FOLDER "/..", &by_fd));
	same_file(&by_fd, &parent);
	CHECK_SYS(fstatat(dev, "sgx/", &by_fd, 0));
	same_file(&by_fd, &st);
	up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_SYS(up);
	CHECK_SYS(fstat(up, &by_fd));
	same_file(&by_fd, &parent);
	/* names in it, by its descriptor and by that of /dev */
	CHECK_SYS(fstatat(fd, "enclave", &by_fd, 0));
	same_file(&by_fd, &target);
	CHECK_SYS(fstatat(dev, "sgx/enclave", &by_fd, 0));
	same_file(&by_fd, &target);
	enclave = openat(fd, "./enclave", O_RDWR | O_CLOEXEC);
	CHECK_SYS(enclave);
	CHECK_ERRNO(ioctl(enclave, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	close(enclave);
	CHECK_EQ(readlinkat(fd, "provision", text, sizeof(text)), strlen(links[1].text));
	CHECK_SYS(faccessat(fd, ".", R_OK | X_OK, 0));
	CHECK_ERRNO(open(FOLDER, O_RDWR), EISDIR);
	CHECK_ERRNO(open(FOLDER, O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(readlink(FOLDER, text, sizeof(text)), EINVAL);
	CHECK_ERRNO(openat(fd, "nothing", O_RDONLY), ENOENT);
	CHECK_ERRNO(openat(fd, "sgx_enclave", O_RDONLY), ENOENT);
	CHECK_ERRNO(open(FOLDER "/nothing", O_RDONLY), ENOENT);
	CHECK_ERRNO(open(ENCLAVE "/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open(ENCLAVE "/x", O_RDONLY), ENOTDIR);
	/* the names are nothing elsewhere */
	CHECK_ERRNO(stat("/dev/enclave", &by_fd), ENOENT);
	CHECK_ERRNO(stat("/dev/provision", &by_fd), ENOENT);
	CHECK_ERRNO(stat("/sgx", &by_fd), ENOENT);
	CHECK_ERRNO(stat("/tmp/sgx/enclave", &by_fd), ENOENT);
	CHECK_ERRNO(fstatat(dev, "enclave", &by_fd, 0), ENOENT);
	close(up);
	close(dev);
	close(fd);
}

/* Names, numbers and kinds in a listing are what stat says. */
static unsigned listed(const char *path)
{
	DIR *dir = opendir(path);
	struct stat st, by_fd;
	unsigned found = 0;
	struct dirent *e;

	CHECK(dir);
	CHECK_SYS(fstat(dirfd(dir), &by_fd));
	while ((e = readdir(dir))) {
		CHECK_SYS(fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
		CHECK_EQ(st.st_ino, e->d_ino);
		CHECK_EQ(DTTOIF(e->d_type), st.st_mode & S_IFMT);
		if (!strcmp(e->d_name, ".")) {
			same_file(&st, &by_fd);
		} else if (!strcmp(e->d_name, "..")) {
			CHECK_SYS(stat("/dev", &by_fd));
			same_file(&st, &by_fd);
			CHECK_SYS(fstat(dirfd(dir), &by_fd));
		} else {
			CHECK(!strcmp(e->d_name, "enclave") || !strcmp(e->d_name, "provision"));
		}
		found++;
	}
	CHECK_EQ(telldir(dir), 4);
	rewinddir(dir);
	CHECK(readdir(dir));
	closedir(dir);
	return found;
}

TEST(listings)
{
	char name[32];
	int fd = open(FOLDER, O_RDONLY | O_CLOEXEC);

	CHECK_EQ(listed(FOLDER), 4);
	CHECK_EQ(listed("//dev//sgx/."), 4);
	CHECK_EQ(listed("/proc/self/root/dev/sgx/"), 4);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK_EQ(listed(name), 4);
	close(fd);
	CHECK_SYS(chdir("/dev"));
	CHECK_EQ(listed("sgx"), 4);
}

/* Links of a program's own to what is a link itself */
TEST(links_to_links)
{
	char folder[] = "/tmp/names-XXXXXX", command[64];
	struct stat st, target;

	CHECK(mkdtemp(folder));
	CHECK_SYS(chdir(folder));
	CHECK_SYS(symlink(ENCLAVE, "a"));
	CHECK_SYS(symlink(FOLDER, "b"));
	CHECK_SYS(stat(links[0].target, &target));
	CHECK_SYS(stat("a", &st));
	same_file(&st, &target);
	CHECK_SYS(stat("b/enclave", &st));
	same_file(&st, &target);
	CHECK_SYS(lstat("b/enclave", &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(listed("b"), 4);
	CHECK_SYS(access("a", R_OK | W_OK));
	CHECK_ERRNO(open("a", O_RDWR | O_NOFOLLOW), ELOOP);
	CHECK_ERRNO(open("a/", O_RDWR), ENOTDIR);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}
