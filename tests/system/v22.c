/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/sgx/enclave of a machine with --devices v22, as a program of 2019 meets it. */
#include "encl.h"

#include <harness/harness.h>

#include <fcntl.h>
#include <setjmp.h>
#include <sgx/driver.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENCLAVE	  "/dev/sgx/enclave"
#define PROVISION "/dev/sgx/provision"
#define PROT_RW	  (PROT_READ | PROT_WRITE)

static const struct encl_opts v22 = {.interface = ENCL_V22};

TEST(the_devices)
{
	static const char *const path[] = {ENCLAVE, PROVISION};
	char text[64], name[32];
	struct stat st, by_fd;

	for (unsigned int i = 0; i < 2; i++) {
		int fd = open(path[i], O_RDWR | O_NOFOLLOW | O_CLOEXEC);

		CHECK_SYS(fd);
		CHECK_SYS(lstat(path[i], &st));
		CHECK(S_ISCHR(st.st_mode));
		CHECK_EQ(minor(st.st_rdev), 125 + i);
		CHECK_SYS(fstat(fd, &by_fd));
		CHECK(st.st_ino == by_fd.st_ino && st.st_rdev == by_fd.st_rdev);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		CHECK_EQ(readlink(name, text, sizeof(text)), strlen(path[i]));
		CHECK_MEM(text, path[i], strlen(path[i]));
		CHECK_ERRNO(readlink(path[i], text, sizeof(text)), EINVAL);
		close(fd);
	}
	CHECK_ERRNO(stat("/dev/sgx_enclave", &st), ENOENT);
	CHECK_ERRNO(stat("/dev/sgx_provision", &st), ENOENT);
}

TEST(built_and_entered)
{
	struct encl e;

	encl_build(&e, &v22);
	encl_write8(&e, 0, e.base + ENCL_DATA, 41);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 41);
	CHECK_EQ(encl_init(&e), -EFAULT);
	encl_free(&e);
}

/* One after another on one machine, and opened anew through /proc */
TEST(a_second_one)
{
	struct encl e, other;
	char name[32];

	encl_build(&e, &v22);
	encl_open(&other, &v22);
	close(other.fd);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", e.fd);
	other.fd = open(name, O_RDWR | O_CLOEXEC);
	CHECK_SYS(other.fd);
	CHECK_EQ(encl_create(&other), 0);
	encl_add_all(&other);
	encl_sign(&other);
	CHECK_EQ(encl_init(&other), 0);
	encl_map_all(&other);
	encl_op(&other, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&other);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

static long add(const struct encl *e, uint64_t addr, const void *src, const void *secinfo)
{
	struct sgx_v22_add_page arg = {
		.addr = addr, .src = (uint64_t)src, .secinfo = (uint64_t)secinfo, .mrmask = 1};

	return ioctl(e->fd, SGX_V22_ADD_PAGE, &arg) ? -errno : 0;
}

/* What cannot be read of the caller's, from the true memory */
TEST(unreadable_memory)
{
	static const struct sgx_secinfo_arch info = {.flags = 0x200 | PROT_READ};
	uint8_t *two = mmap(NULL, 8192, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct encl e;

	CHECK(two != MAP_FAILED);
	CHECK_SYS(munmap(two + 4096, 4096));
	encl_open(&e, &v22);
	CHECK_ERRNO(ioctl(e.fd, SGX_V22_ADD_PAGE, NULL), EINVAL);
	CHECK_EQ(encl_create(&e), 0);
	CHECK_ERRNO(ioctl(e.fd, SGX_V22_ADD_PAGE, NULL), EFAULT);
	CHECK_ERRNO(ioctl(e.fd, SGX_V22_ADD_PAGE, two + 4096 - 24), EFAULT);
	CHECK_EQ(add(&e, e.base, two, two + 4096 - 32), -EFAULT);
	CHECK_EQ(add(&e, e.base, two + 4096, &info), -EFAULT);
	CHECK_EQ(add(&e, e.base, two, &info), 0);
	CHECK_EQ(add(&e, e.base, two, &info), -EEXIST);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, two), ENOTTY);
	CHECK_ERRNO(ioctl(e.fd, SGX_ISGX_ADD_PAGE, two), ENOTTY);
	encl_free(&e);
	CHECK_SYS(munmap(two, 4096));
}

static void measured_otherwise(const struct encl *e, struct sgx_sigstruct_arch *sig)
{
	(void)e;
	sig->enclavehash[0] ^= 1;
}

/* Codes of EINIT are positive, and errno is as it was. */
TEST(codes)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.interface = ENCL_V22, .no_init = true, .no_map = true});
	e.opts.sign_hook = measured_otherwise;
	encl_sign(&e);
	errno = 0;
	CHECK_EQ(encl_init(&e), SGX_ERR_INVALID_MEASUREMENT);
	CHECK_EQ(errno, 0);
	e.sigstruct.vendor = 77;
	CHECK_EQ(encl_init(&e), SGX_ERR_INVALID_SIG_STRUCT);
	e.opts.sign_hook = NULL;
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_free(&e);
}

static void with_configid(const struct encl *e, struct sgx_secs *secs)
{
	(void)e;
	secs->configid[0] = 1;
}

static void too_small(const struct encl *e, struct sgx_secs *secs)
{
	(void)e;
	secs->ssaframesize = 0;
}

TEST(create_refuses)
{
	struct encl e;

	encl_open(&e, &v22);
	e.opts.secs_hook = too_small;
	CHECK_EQ(encl_create(&e), -EINVAL);
	/* ECREATE's own fault, which is #GP */
	e.opts.secs_hook = with_configid;
	CHECK_EQ(encl_create(&e), 0x4000000d);
	e.opts.secs_hook = NULL;
	CHECK_EQ(encl_create(&e), 0);
	encl_free(&e);
}

static sigjmp_buf back;

static void on_sigbus(int sig)
{
	siglongjmp(back, sig);
}

static int touch(uint64_t addr)
{
	int sig = sigsetjmp(back, 1);

	if (!sig)
		(void)*(volatile uint8_t *)addr;
	return sig;
}

TEST(mappings)
{
	struct sigaction sa = {.sa_handler = on_sigbus}, old;
	struct encl e;

	encl_open(&e, &v22);
	/* room for it, and nothing else, before it is there */
	CHECK_EQ(encl_map(&e, 0, e.size, PROT_NONE), 0);
	CHECK_EQ(encl_map(&e, 0, ENCL_PAGE, PROT_READ), -EACCES);
	CHECK_EQ(encl_create(&e), 0);
	CHECK_EQ(encl_map(&e, ENCL_DATA, ENCL_PAGE, PROT_READ), -EACCES);
	encl_add_all(&e);
	CHECK_EQ(encl_map(&e, ENCL_DATA, ENCL_PAGE, PROT_RW), 0);
	CHECK_EQ(encl_map(&e, ENCL_HOLE, ENCL_PAGE, PROT_READ), -EACCES);
	CHECK_EQ(encl_map(&e, ENCL_HOLE, ENCL_PAGE, PROT_NONE), 0);
	CHECK_ERRNO(mprotect((void *)(e.base + ENCL_HOLE), ENCL_PAGE, PROT_READ), EACCES);
	CHECK_EQ(encl_map(&e, ENCL_RO, ENCL_PAGE, PROT_RW), -EACCES);
	/* and before INIT nobody sees a page */
	CHECK_SYS(sigaction(SIGBUS, &sa, &old));
	CHECK_EQ(touch(e.base + ENCL_DATA), SIGBUS);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	CHECK_EQ(touch(e.base + ENCL_DATA), 0);
	CHECK_SYS(sigaction(SIGBUS, &old, NULL));
	encl_map_all(&e);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

TEST(set_attribute)
{
	struct sgx_enclave_provision arg = {.fd = 0};
	struct encl e;

	encl_build(&e, &(struct encl_opts){.interface = ENCL_V22,
					   .attributes = ENCL_ATTR | SGX_ATTR_PROVISION_KEY_BIT,
					   .no_init = true,
					   .no_map = true});
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), -EINVAL);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_PROVISION, &arg), EINVAL);
	arg.fd = (uint64_t)open(PROVISION, O_RDONLY | O_CLOEXEC);
	CHECK_SYS((int)arg.fd);
	CHECK_SYS(ioctl(e.fd, SGX_IOC_ENCLAVE_PROVISION, &arg));
	CHECK_EQ(encl_init(&e), 0);
	close((int)arg.fd);
	encl_free(&e);
}

/* The enclave is the file's: a child that has it goes on with what its parent began. */
TEST(across_fork)
{
	struct encl e;
	int status;
	pid_t pid;

	encl_build(&e, &v22);
	encl_write8(&e, 0, e.base + ENCL_DATA, 6);
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 6);
		encl_write8(&e, 0, e.base + ENCL_DATA, 7);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 7);
	encl_free(&e);
}
