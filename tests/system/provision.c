/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may give an enclave PROVISIONKEY: the policy of --provision, which the environment
 * says (WHO: allow, deny or group; the group is GROUP).
 */
#include "encl.h"

#include <harness/harness.h>

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROVISION "/dev/sgx_provision"
#define GROUP	  23456

static const struct encl_opts provisioned = {.attributes = ENCL_ATTR | SGX_ATTR_PROVISION_KEY_BIT};

static bool who_is(const char *who)
{
	const char *is = getenv("WHO");

	return is && !strcmp(is, who);
}

static long provision(const struct encl *e, int fd)
{
	struct sgx_enclave_provision arg = {.fd = (uint64_t)fd};

	return ioctl(e->fd, SGX_IOC_ENCLAVE_PROVISION, &arg) ? -errno : 0;
}

/* Everything that a user sees of the policy. */
static void check_user(bool may)
{
	int fd = open(PROVISION, O_RDONLY | O_CLOEXEC), path;
	char name[64];
	struct encl e;

	CHECK_EQ(fd >= 0, may);
	if (!may)
		CHECK_EQ(errno, EACCES);
	CHECK_EQ(access(PROVISION, R_OK) == 0, may);
	CHECK_SYS(access(PROVISION, F_OK));

	/* a path is no key: neither by itself nor opened anew */
	path = open(PROVISION, O_PATH | O_CLOEXEC);
	CHECK_SYS(path);
	encl_open(&e, &provisioned);
	CHECK_EQ(encl_create(&e), 0);
	CHECK_EQ(provision(&e, path), -EINVAL);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path);
	if (!may)
		CHECK_ERRNO(open(name, O_RDONLY | O_CLOEXEC), EACCES);

	/* and no other descriptor is one */
	CHECK_EQ(provision(&e, -1), -EINVAL);
	CHECK_EQ(provision(&e, 1 << 20), -EINVAL);
	CHECK_EQ(provision(&e, e.fd), -EINVAL);
	CHECK_EQ(provision(&e, 0), -EINVAL);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), -EACCES);
	if (may) {
		CHECK_EQ(provision(&e, fd), 0);
		CHECK_EQ(encl_init(&e), 0);
		close(fd);
	}
	close(path);
	encl_free(&e);
}

/* As somebody who is not root, in a group */
static void check_other(gid_t gid, gid_t supplementary, bool may)
{
	int status;
	pid_t pid = fork();

	CHECK_SYS(pid);
	if (!pid) {
		if (setgroups(1, &supplementary) || setresgid(gid, gid, gid) ||
		    setresuid(65534, 65534, 65534))
			FAIL("cannot become another user: errno %d", errno);
		check_user(may);
		_exit(0);
	}
	CHECK_SYS(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
}

TEST(what_it_looks_like)
{
	struct stat st;

	CHECK_SYS(stat(PROVISION, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_mode & 07777, who_is("deny") ? 0 : who_is("group") ? 0660 : 0666);
	if (who_is("group"))
		CHECK_EQ(st.st_gid, GROUP);
	/* and the other device is as it was */
	CHECK_SYS(stat("/dev/sgx_enclave", &st));
	CHECK_EQ(st.st_mode & 07777, 0666);
}

TEST(whoever_runs_this)
{
	check_user(who_is("allow") || (who_is("group") && geteuid() == 0));
}

TEST(others)
{
	TAKES_ROOT();
	check_other(65534, 65534, who_is("allow"));
	check_other(GROUP, 65534, !who_is("deny"));
	check_other(65534, GROUP, !who_is("deny"));
}
