/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/sgx_enclave and its descriptors as files: paths, flags, what they refuse. */
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ENCLAVE	  "/dev/sgx_enclave"
#define PROVISION "/dev/sgx_provision"

static void is_device(const struct stat *st, unsigned int dev_minor)
{
	CHECK(S_ISCHR(st->st_mode));
	CHECK_EQ(major(st->st_rdev), 10);
	CHECK_EQ(minor(st->st_rdev), dev_minor);
}

/* Open and stat: the device, or the same errno */
static void expect_path(int dirfd, const char *path, int error)
{
	struct statx stx;
	struct stat st;
	int fd = openat(dirfd, path, O_RDWR | O_CLOEXEC);

	if (error) {
		if (fd >= 0 || errno != error)
			FAIL("open %s: %d, errno %d", path, fd, errno);
		CHECK_ERRNO(fstatat(dirfd, path, &st, 0), error);
		CHECK_ERRNO(faccessat(dirfd, path, R_OK, 0), error);
		return;
	}
	if (fd < 0)
		FAIL("open %s: errno %d", path, errno);
	CHECK_SYS(fstat(fd, &st));
	is_device(&st, 125);
	CHECK_SYS(fstatat(dirfd, path, &st, 0));
	is_device(&st, 125);
	CHECK_SYS(statx(dirfd, path, 0, STATX_BASIC_STATS, &stx));
	CHECK_EQ(stx.stx_rdev_minor, 125);
	CHECK_SYS(faccessat(dirfd, path, R_OK | W_OK, 0));
	/* it is one: an ioctl on nothing created is EINVAL */
	CHECK_ERRNO(ioctl(fd, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	close(fd);
}

TEST(spelled_in_many_ways)
{
	int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_SYS(dev);
	expect_path(AT_FDCWD, ENCLAVE, 0);
	expect_path(AT_FDCWD, "/dev//sgx_enclave", 0);
	expect_path(AT_FDCWD, "//dev/./sgx_enclave", 0);
	expect_path(AT_FDCWD, "/dev/../dev/sgx_enclave", 0);
	expect_path(AT_FDCWD, "/proc/self/root/dev/sgx_enclave", 0);
	expect_path(dev, "sgx_enclave", 0);
	expect_path(dev, "./sgx_enclave", 0);
	expect_path(dev, "../dev/sgx_enclave", 0);
	expect_path(dev, ENCLAVE, 0);
	expect_path(root, "dev/sgx_enclave", 0);
	expect_path(-1, ENCLAVE, 0);
	CHECK_SYS(chdir("/dev"));
	expect_path(AT_FDCWD, "sgx_enclave", 0);
	expect_path(AT_FDCWD, "./sgx_enclave", 0);
	CHECK_SYS(chdir("/"));
	expect_path(AT_FDCWD, "dev/sgx_enclave", 0);
	/* and what is none */
	expect_path(AT_FDCWD, "sgx_enclave", ENOENT);
	expect_path(AT_FDCWD, "/sgx_enclave", ENOENT);
	expect_path(AT_FDCWD, "/proc/self/sgx_enclave", ENOENT);
	expect_path(AT_FDCWD, "/dev/sgx_enclave0", ENOENT);
	expect_path(AT_FDCWD, "/dev/no/../sgx_enclave", ENOENT);
	expect_path(AT_FDCWD, "/dev/null/../sgx_enclave", ENOTDIR);
	expect_path(AT_FDCWD, "/dev/sgx_enclave/", ENOTDIR);
	expect_path(AT_FDCWD, "/dev/sgx_enclave/x", ENOTDIR);
	expect_path(-1, "sgx_enclave", EBADF);
	close(dev);
	close(root);
}

static int openat2_(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

TEST(openat2_resolve)
{
	int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	struct stat st;

	fd = openat2_(AT_FDCWD, ENCLAVE, O_RDWR | O_CLOEXEC, 0, 0);
	CHECK_SYS(fd);
	close(fd);
	fd = openat2_(dev, "sgx_enclave", O_RDWR | O_CLOEXEC, 0, RESOLVE_BENEATH);
	CHECK_SYS(fd);
	CHECK_SYS(fstat(fd, &st));
	is_device(&st, 125);
	close(fd);
	fd = openat2_(root, ENCLAVE, O_RDWR | O_CLOEXEC, 0, RESOLVE_IN_ROOT);
	CHECK_SYS(fd);
	close(fd);
	fd = openat2_(AT_FDCWD, ENCLAVE, O_RDWR | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS);
	CHECK_SYS(fd);
	close(fd);
	CHECK_ERRNO(openat2_(dev, ENCLAVE, O_RDWR, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(openat2_(dev, "../dev/sgx_enclave", O_RDWR, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(openat2_(dev, ENCLAVE, O_RDWR, 0, RESOLVE_IN_ROOT), ENOENT);
	CHECK_ERRNO(openat2_(AT_FDCWD, ENCLAVE, O_RDWR, 0666, 0), EINVAL);
	close(dev);
	close(root);
}

TEST(open_flags)
{
	int fd;

	CHECK_ERRNO(open(ENCLAVE, O_RDWR | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open(ENCLAVE, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = open(ENCLAVE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600);
	CHECK_SYS(fd);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_RDWR);
	close(fd);
	fd = open(ENCLAVE, O_RDWR);
	CHECK_SYS(fd);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	close(fd);
	fd = creat(ENCLAVE, 0600);
	CHECK_SYS(fd);
	close(fd);
}

/* A path descriptor says what it is, and does nothing. */
TEST(o_path)
{
	const char *path[] = {ENCLAVE, PROVISION};

	for (unsigned int i = 0; i < 2; i++) {
		int fd = open(path[i], O_PATH | O_CLOEXEC), again;
		char name[32], c;
		struct stat st;

		CHECK_SYS(fd);
		CHECK(fcntl(fd, F_GETFL) & O_PATH);
		CHECK_SYS(fstat(fd, &st));
		is_device(&st, 125 + i);
		CHECK_SYS(fstatat(fd, "", &st, AT_EMPTY_PATH));
		is_device(&st, 125 + i);
		CHECK_ERRNO(ioctl(fd, SGX_IOC_ENCLAVE_INIT, NULL), EBADF);
		CHECK_ERRNO(read(fd, &c, 1), EBADF);
		CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
		CHECK_EQ(errno, EBADF);
		/* and may be opened */
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		again = open(name, O_RDWR | O_CLOEXEC);
		CHECK_SYS(again);
		CHECK_ERRNO(ioctl(again, SGX_IOC_ENCLAVE_INIT, NULL), i ? ENOTTY : EINVAL);
		close(again);
		close(fd);
	}
}

TEST(proc_self_fd)
{
	int fd = open(ENCLAVE, O_RDWR | O_CLOEXEC),
	    provision = open(PROVISION, O_RDONLY | O_CLOEXEC);
	char name[32], text[64];
	struct stat st;
	int dir;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	memset(text, 'x', sizeof(text));
	CHECK_EQ(readlink(name, text, sizeof(text)), sizeof(ENCLAVE) - 1);
	CHECK_MEM(text, ENCLAVE "x", sizeof(ENCLAVE));
	for (size_t n = 1; n < sizeof(ENCLAVE) + 4; n++) {
		size_t want = n < sizeof(ENCLAVE) - 1 ? n : sizeof(ENCLAVE) - 1;

		memset(text, 'x', sizeof(text));
		CHECK_EQ(readlink(name, text, n), want);
		CHECK_MEM(text, ENCLAVE, want);
		CHECK_EQ(text[want], 'x');
	}
	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_SYS(dir);
	snprintf(name, sizeof(name), "%d", provision);
	CHECK_EQ(readlinkat(dir, name, text, sizeof(text)), sizeof(PROVISION) - 1);
	CHECK_MEM(text, PROVISION, sizeof(PROVISION) - 1);
	close(dir);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK_SYS(stat(name, &st));
	is_device(&st, 125);
	CHECK_SYS(lstat(name, &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_SYS(access(name, R_OK | W_OK));
	/* other links are as they were */
	dir = open("/dev/null", O_RDONLY | O_CLOEXEC);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", dir);
	CHECK_EQ(readlink(name, text, sizeof(text)), 9);
	CHECK_MEM(text, "/dev/null", 9);
	close(dir);
	dir = memfd_create("mine", MFD_CLOEXEC);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", dir);
	CHECK_EQ(readlink(name, text, sizeof(text)), 21);
	CHECK_MEM(text, "/memfd:mine (deleted)", 21);
	close(dir);
	close(fd);
	close(provision);
}

/* Linux opens the device again: another enclave, and not this one. */
TEST(opened_through_proc)
{
	struct encl e, other;
	char name[32];

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 1);
	encl_open(&other, &(struct encl_opts){0});
	close(other.fd);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", e.fd);
	other.fd = open(name, O_RDWR | O_CLOEXEC);
	CHECK_SYS(other.fd);
	CHECK_EQ(encl_create(&other), 0);
	encl_add_all(&other);
	encl_sign(&other);
	CHECK_EQ(encl_init(&other), 0);
	encl_map_all(&other);
	encl_write8(&other, 0, other.base + ENCL_DATA, 2);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 1);
	encl_free(&other);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 1);
	encl_free(&e);
}

static void refuses(int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	struct termios tty;
	int epoll;

	CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
	CHECK_ERRNO(ftruncate(fd, 1 << 20), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, 0, 4096), ENODEV);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), ENODEV);
	CHECK_ERRNO(fallocate(fd, 0, -1, 4096), EINVAL);
	CHECK_ERRNO(fsync(fd), EINVAL);
	CHECK_ERRNO(fdatasync(fd), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_GET_SEALS), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EINVAL);
	CHECK_ERRNO(tcgetattr(fd, &tty), ENOTTY);
	/* no poll of its own: always ready, and nothing for epoll */
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), EPERM);
	close(epoll);
	CHECK_SYS(flock(fd, LOCK_EX));
	CHECK_SYS(flock(fd, LOCK_UN));
}

TEST(what_a_device_refuses)
{
	int file = memfd_create("source", MFD_CLOEXEC), provision;
	char page[4096] = "not mine";
	struct iovec iov = {page, sizeof(page)};
	struct encl e;
	loff_t at = 0;

	encl_build(&e, &(struct encl_opts){0});
	refuses(e.fd);
	provision = open(PROVISION, O_RDWR | O_CLOEXEC);
	refuses(provision);
	close(provision);
	/* and ordinary files do not */
	CHECK_SYS(ftruncate(file, 8192));
	CHECK_SYS(fallocate(file, 0, 0, 4096));
	CHECK_SYS(fsync(file));
	CHECK_SYS(fcntl(file, F_GET_SEALS));
	CHECK_EQ(pwrite(file, page, sizeof(page), 0), sizeof(page));

	/* No way of writing into a file gets at the pages. */
	encl_write8(&e, 0, e.base + ENCL_DATA, 99);
	CHECK(write(e.fd, page, sizeof(page)) < 0);
	CHECK(pwrite(e.fd, page, sizeof(page), ENCL_DATA) < 0);
	CHECK(writev(e.fd, &iov, 1) < 0);
	CHECK(pwritev2(e.fd, &iov, 1, ENCL_DATA, 0) < 0);
	CHECK(sendfile(e.fd, file, &at, sizeof(page)) < 0);
	CHECK(copy_file_range(file, &at, e.fd, &at, sizeof(page), 0) < 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 99);
	close(file);
	encl_free(&e);
}

/* A descriptor that was written to before CREATE is as good as any. */
TEST(written_before_create)
{
	static const char page[3 * 4096] = "something";
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	(void)!write(e.fd, page, sizeof(page));
	(void)!pwrite(e.fd, page, sizeof(page), ENCL_HOLE);
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_map_all(&e);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 0);
	encl_free(&e);
}

/* Copies of a descriptor, by every call that makes one */
TEST(copies)
{
	struct encl e;
	int fd[4];

	encl_build(&e, &(struct encl_opts){.no_init = true, .no_map = true});
	fd[0] = dup(e.fd);
	fd[1] = fcntl(e.fd, F_DUPFD, 100);
	fd[2] = fcntl(e.fd, F_DUPFD_CLOEXEC, 200);
	fd[3] = dup2(e.fd, 300);
	CHECK_EQ(fd[1], 100);
	CHECK_EQ(fd[3], 300);
	close(e.fd);
	for (int i = 0; i < 4; i++) {
		struct stat st;

		CHECK_SYS(fstat(fd[i], &st));
		is_device(&st, 125);
		CHECK_ERRNO(ioctl(fd[i], SGX_IOC_ENCLAVE_CREATE, NULL), EINVAL); /* it is */
	}
	e.fd = fd[0];
	CHECK_EQ(encl_init(&e), 0);
	close(fd[0]);
	e.fd = fd[3];
	encl_map_all(&e);
	for (int i = 1; i < 4; i++)
		close(fd[i]);
	e.fd = -1;
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

static void expect_exit(pid_t pid, int want)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
		FAIL("child: wait status 0x%x, not exit status %d", (unsigned int)status, want);
}

/* Taken out of another process */
TEST(pidfd_getfd_of_it)
{
	struct encl *e =
		mmap(NULL, sizeof(*e), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int up[2], down[2], pidfd;
	pid_t pid;
	char c;

	CHECK(e != MAP_FAILED);
	CHECK_SYS(pipe2(up, O_CLOEXEC));
	CHECK_SYS(pipe2(down, O_CLOEXEC));
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		close(up[0]);
		close(down[1]);
		encl_build(e, &(struct encl_opts){0});
		encl_write8(e, 0, e->base + ENCL_DATA, 31);
		CHECK_EQ(write(up[1], "x", 1), 1);
		CHECK_EQ(read(down[0], &c, 1), 0);
		_exit(0);
	}
	close(up[1]);
	close(down[0]);
	CHECK_EQ(read(up[0], &c, 1), 1);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK_SYS(pidfd);
	e->fd = (int)syscall(SYS_pidfd_getfd, pidfd, e->fd, 0);
	CHECK_SYS(e->fd);
	close(pidfd);
	close(down[1]);
	close(up[0]);
	expect_exit(pid, 0);
	/* its maker is gone: it is ours alone */
	e->enter = encl_vdso();
	encl_map_all(e);
	CHECK_EQ(encl_read8(e, 0, e->base + ENCL_DATA), 31);
	encl_free(e);
	CHECK_SYS(munmap(e, sizeof(*e)));
}

/* exec: a descriptor without close-on-exec is the enclave in the new program too */
TEST(inherited_over_exec)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 51);
	CHECK_SYS(fcntl(e.fd, F_SETFD, 0));
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		char fd[16];
		int file = memfd_create("encl", 0);

		CHECK_EQ(write(file, &e, sizeof(e)), sizeof(e));
		snprintf(fd, sizeof(fd), "%d", file);
		execl("/proc/self/exe", "device", "--inherited", fd, (char *)NULL);
		_exit(98);
	}
	expect_exit(pid, 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 52);
	encl_free(&e);
}

static int inherited(int file)
{
	struct encl e;

	CHECK_EQ(pread(file, &e, sizeof(e), 0), sizeof(e));
	e.enter = encl_vdso();
	encl_map_all(&e);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 51);
	encl_write8(&e, 0, e.base + ENCL_DATA, 52);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--inherited"))
		return inherited(atoi(argv[2]));
	return harness_main(argc, argv);
}
