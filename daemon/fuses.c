/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a platform keeps while it is off is kept below the user's state folder, for their
 * owner alone:
 *
 *	${XDG_STATE_HOME:-~/.local/state}/swsgx/NAME/fuses		32 bytes, made at the first start
 *						      cpusvn		16, by `swsgx machine update-tcb`
 *						      owner_epoch	16, by `swsgx machine owner-epoch`
 *
 * A file that is missing is a value of zeros, but for the fuses.  The firmware sets CPUSVN
 * (by its microcode update) and OWNEREPOCH at boot, so a machine reads both at its start.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * $XDG_STATE_HOME/swsgx/NAME.
 * @make: if it is missing; else that is -ENOENT
 *
 * Return: descriptor, or -errno.
 */
static int state_dir(const char *name, bool make)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	int fd, sub;

	if (state && state[0] == '/')
		snprintf(path, sizeof(path), "%s", state);
	else if (home && home[0] == '/')
		snprintf(path, sizeof(path), "%s/.local/state", home);
	else
		return -ENOENT;
	/* mkdir -p, but never the home folder itself */
	for (char *p = path + (state && state[0] == '/' ? 0 : strlen(home));
	     (p = strchr(p + 1, '/')); *p = '/') {
		*p = 0;
		(void)mkdir(path, 0700);
	}
	(void)mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	sub = paths_private_dir(fd, "swsgx");
	close(fd);
	if (sub < 0)
		return sub;
	if (!make && faccessat(sub, name, F_OK, AT_SYMLINK_NOFOLLOW))
		fd = -errno;
	else
		fd = paths_private_dir(sub, name);
	close(sub);
	return fd;
}

#define STATE_SIZE_MAX 32

/*
 * Read a file of exactly that many bytes.  Return: 0; -ENOENT: it is not there; -EPERM:
 * others may read it; -EINVAL: it has another size; other -errno.
 */
static int read_state(int dir, const char *file, uint8_t *value, size_t size)
{
	uint8_t buf[STATE_SIZE_MAX + 1];
	struct stat st;
	ssize_t n;
	int fd;

	fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size + 1);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077)) {
		close(fd);
		return -EPERM;
	}
	close(fd);
	if (n != (ssize_t)size)
		return -EINVAL;
	memcpy(value, buf, size);
	explicit_bzero(buf, sizeof(buf));
	return 0;
}

/*
 * Write a file, whole or not at all.
 * @replace: also over one that is there; else that one stays, which another start made
 *	meanwhile
 */
static int write_state(int dir, const char *file, const uint8_t *value, size_t size, bool replace)
{
	char temp[32];
	int fd, ret = 0;

	snprintf(temp, sizeof(temp), "%s.%d", file, getpid());
	unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, value, size) != (ssize_t)size || fsync(fd))
		ret = -EIO;
	close(fd);
	if (!ret && replace && renameat(dir, temp, dir, file))
		ret = -errno;
	if (!ret && !replace && linkat(dir, temp, dir, file, 0) && errno != EEXIST)
		ret = -errno;
	unlinkat(dir, temp, 0);
	return ret;
}

/**
 * fuses_of() - a machine's fused keys
 * @name:	of the machine; NULL: an ephemeral one, whose fuses are kept nowhere
 * @fuses:	receives CPU_FUSE_SIZE bytes: the same for the same name
 * @warning:	receives a text where they will not be the same tomorrow
 * @size:	of @warning
 */
void fuses_of(const char *name, uint8_t *fuses, char *warning, size_t size)
{
	int dir, ret;

	if (getrandom(fuses, CPU_FUSE_SIZE, 0) != CPU_FUSE_SIZE)
		abort(); /* cannot happen: no flags, small */
	if (!name)
		return;
	ret = dir = state_dir(name, true);
	if (dir >= 0) {
		ret = read_state(dir, "fuses", fuses, CPU_FUSE_SIZE);
		if (ret == -ENOENT) {
			ret = write_state(dir, "fuses", fuses, CPU_FUSE_SIZE, false);
			if (!ret)
				ret = read_state(dir, "fuses", fuses, CPU_FUSE_SIZE);
		}
		close(dir);
	}
	if (ret)
		snprintf(warning, size,
			 "the keys of machine '%s' cannot be kept (%s): sealed data will not "
			 "open again",
			 name,
			 ret == -EPERM	  ? "others may read the file or folder"
			 : ret == -EINVAL ? "the fuses file does not have 32 bytes"
					  : strerror(-ret));
}

/* One value of the firmware's; zeros where nobody has set it. */
static int read_firmware(int dir, const char *file, uint8_t value[16])
{
	int ret = read_state(dir, file, value, 16);

	if (ret)
		memset(value, 0, 16);
	return ret == -ENOENT ? 0 : ret;
}

/**
 * firmware_of() - what the firmware gives a machine's processor at boot
 * @name:	of the machine; NULL: an ephemeral one, where all is 0
 * @cpusvn:	receives 16 bytes
 * @epoch:	receives 16 bytes, OWNEREPOCH
 *
 * Return: NULL; else the file that cannot be read, and its value is 0.
 */
const char *firmware_of(const char *name, uint8_t cpusvn[SGX_CPUSVN_SIZE], uint8_t epoch[16])
{
	const char *bad = NULL;
	int dir;

	memset(cpusvn, 0, SGX_CPUSVN_SIZE);
	memset(epoch, 0, 16);
	dir = name ? state_dir(name, false) : -1;
	if (dir < 0)
		return NULL; /* fuses_of() has said why */
	if (read_firmware(dir, "owner_epoch", epoch))
		bad = "owner_epoch";
	if (read_firmware(dir, "cpusvn", cpusvn))
		bad = "cpusvn";
	close(dir);
	return bad;
}

/*
 * The folder of a machine that has been started once, locked against others who change
 * it.  Return: descriptor, or -errno; -ENOENT: it has no fuses.
 */
static int lock_state(const char *name)
{
	struct stat st;
	int dir = state_dir(name, false), ret = 0;

	if (dir < 0)
		return dir;
	if (fstatat(dir, "fuses", &st, AT_SYMLINK_NOFOLLOW))
		ret = -errno;
	while (!ret && flock(dir, LOCK_EX))
		if (errno != EINTR)
			ret = -errno;
	if (!ret)
		return dir;
	close(dir);
	return ret;
}

int machine_update_tcb(const char *name, uint8_t cpusvn[16])
{
	int dir = lock_state(name), ret;

	if (dir < 0)
		return dir;
	ret = read_firmware(dir, "cpusvn", cpusvn);
	if (!ret && cpusvn[0] == UINT8_MAX)
		ret = -ERANGE;
	if (!ret) {
		cpusvn[0]++;
		ret = write_state(dir, "cpusvn", cpusvn, 16, true);
	}
	close(dir);
	return ret;
}

int machine_owner_epoch(const char *name, const uint8_t epoch[16])
{
	int dir = lock_state(name), ret;

	if (dir < 0)
		return dir;
	ret = write_state(dir, "owner_epoch", epoch, 16, true);
	close(dir);
	return ret;
}
