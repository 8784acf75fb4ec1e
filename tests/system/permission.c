/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may open the device: mode and group of --device-mode and --device-group, which
 * the environment says (MODE, GROUP), and a noexec /dev (NOEXEC).  What the kernel says
 * of an ordinary file that looks the same is what the device has to say.
 */
#include <harness/harness.h>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "encl.h"

#define ENCLAVE	  "/dev/sgx_enclave"
#define PROVISION "/dev/sgx_provision"

static unsigned long environment(const char *name, int base)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, base) : 0;
}

TEST(mode_and_group)
{
	struct stat st;
	int fd;

	for (int i = 0; i < 2; i++) {
		CHECK_SYS(stat(i ? PROVISION : ENCLAVE, &st));
		CHECK_EQ(st.st_mode & 07777, environment("MODE", 8));
		CHECK_EQ(st.st_gid, environment("GROUP", 10));
	}
	fd = open(ENCLAVE, O_PATH | O_CLOEXEC);
	CHECK_SYS(fstat(fd, &st));
	CHECK_EQ(st.st_mode & 07777, environment("MODE", 8));
	CHECK_EQ(st.st_gid, environment("GROUP", 10));
	close(fd);
}

struct user {
	const char *name;
	uid_t uid, euid;
	gid_t gid, egid;
	bool in_group; /* a supplementary one */
	bool no_caps;
};

static void become(const struct user *u, gid_t group)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	CHECK_SYS(setgroups(u->in_group, &group));
	CHECK_SYS(setresgid(u->gid, u->egid, u->egid));
	CHECK_SYS(setresuid(u->uid, u->euid, u->euid));
	if (u->no_caps)
		CHECK_SYS(syscall(SYS_capset, &header, none));
}

static long result(long ret)
{
	if (ret > 2)
		close((int)ret);
	return ret < 0 ? -errno : 0;
}

static void same(const struct user *u, const char *what, int arg, long device, long file)
{
	if (device != file)
		FAIL("%s, %s %#o: %ld of the device, %ld of a file", u->name, what, arg, device,
		     file);
}

static void compare(const struct user *u, const char *file)
{
	static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, 3, O_RDONLY | O_TRUNC, O_PATH};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		same(u, "open", flags[i], result(open(ENCLAVE, flags[i] | O_CLOEXEC)),
		     result(open(file, flags[i] | O_CLOEXEC)));
	for (int mode = 0; mode < 8; mode++) {
		same(u, "access", mode, result(access(ENCLAVE, mode)), result(access(file, mode)));
		same(u, "faccessat2", mode,
		     result(syscall(SYS_faccessat2, AT_FDCWD, ENCLAVE, mode, AT_EACCESS)),
		     result(syscall(SYS_faccessat2, AT_FDCWD, file, mode, AT_EACCESS)));
	}
	same(u, "access", 8, result(access(ENCLAVE, 8)), result(access(file, 8)));
}

TEST(as_the_kernel_decides)
{
	const gid_t group = (gid_t)environment("GROUP", 10);
	const struct user users[] = {
		{"root", 0, 0, 0, 0, false, false},
		{"root without capabilities", 0, 0, 0, 0, false, true},
		{"nobody", 65534, 65534, 65534, 65534, false, false},
		{"of the group", 65534, 65534, group, group, false, false},
		{"in the group", 65534, 65534, 65534, 65534, true, false},
		{"set-uid root", 65534, 0, 65534, 65534, false, false},
		{"root as somebody", 0, 65534, 0, 65534, false, false},
		{"set-gid", 65534, 65534, 65534, group, false, false},
		{"somebody of the group as another", 65534, 65534, group, 65534, false, false},
	};
	char file[] = "/tmp/permission-XXXXXX";
	int fd;

	if (geteuid()) {
		/* as_this_user looks at what is left */
		fprintf(stderr, "only root can be all of these users\n");
		return;
	}
	fd = mkstemp(file);
	CHECK_SYS(fd);
	CHECK_SYS(fchown(fd, 0, group));
	CHECK_SYS(fchmod(fd, (mode_t)environment("MODE", 8)));
	close(fd);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		pid_t pid = fork();
		int status;

		CHECK_SYS(pid);
		if (!pid) {
			become(&users[i], group);
			compare(&users[i], file);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		if (status)
			unlink(file);
		CHECK_EQ(status, 0);
	}
	unlink(file);
}

/* An ordinary user is none of its owner's and group's. */
TEST(as_this_user)
{
	bool may = geteuid() == 0 || (environment("MODE", 8) & 06) == 06;
	int fd = open(ENCLAVE, O_RDWR | O_CLOEXEC);

	if (geteuid() && (environment("MODE", 8) & 070) && environment("GROUP", 10) == getegid())
		may = (environment("MODE", 8) & 060) == 060;
	if (may)
		CHECK_SYS(fd);
	else
		CHECK(fd == -1 && errno == EACCES);
	CHECK_EQ(access(ENCLAVE, R_OK | W_OK), may ? 0 : -1);
	if (fd >= 0)
		close(fd);
}

TEST(noexec)
{
	bool noexec = getenv("NOEXEC");
	struct encl e;
	void *p;
	int fd;

	if (geteuid() && (environment("MODE", 8) & 06) != 06) {
		CHECK_ERRNO(open(PROVISION, O_RDWR | O_CLOEXEC), EACCES);
		return;
	}
	fd = open(PROVISION, O_RDWR | O_CLOEXEC);
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	CHECK(p == MAP_FAILED);
	CHECK_EQ(errno, noexec ? EPERM : ENODEV);
	close(fd);
	encl_build(&e, &(struct encl_opts){.no_map = true});
	p = mmap((void *)(e.base + ENCL_CODE), 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED,
		 e.fd, 0);
	if (!noexec) {
		CHECK(p == (void *)(e.base + ENCL_CODE));
		encl_free(&e);
		return;
	}
	CHECK(p == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	p = mmap((void *)(e.base + ENCL_CODE), 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, e.fd, 0);
	CHECK(p == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	/* readable, and never executable */
	p = mmap((void *)(e.base + ENCL_CODE), 4096, PROT_READ, MAP_SHARED | MAP_FIXED, e.fd, 0);
	CHECK(p == (void *)(e.base + ENCL_CODE));
	CHECK_ERRNO(mprotect(p, 4096, PROT_READ | PROT_EXEC), EACCES);
	CHECK_SYS(mprotect(p, 4096, PROT_NONE));
	CHECK_ERRNO(mprotect(p, 4096, PROT_EXEC), EACCES);
	/* what is not the device's is as ever */
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_SYS(munmap(p, 4096));
	encl_free(&e);
}
