/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where machines are: sockets below the user's runtime folder, fuses below the
 * user's state folder.  Everything is for its owner alone, and what belongs to
 * somebody else is not used.
 *
 *	$XDG_RUNTIME_DIR/swsgx/NAME/{socket,lock}	or /tmp/swsgx-UID/NAME/...
 *	${XDG_STATE_HOME:-~/.local/state}/swsgx/NAME/fuses
 *
 * The lock is held as long as the machine runs, so a socket without it is what a
 * dead daemon left behind.
 */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/**
 * machine_name_valid() - may a machine be called that?
 * @name: what somebody typed
 *
 * Return: nonzero if so.  A name becomes a folder, so no '/', and no '.' first.
 */
int machine_name_valid(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > DAEMON_NAME_MAX || name[0] == '.' || name[0] == '-')
		return 0;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			return 0;
	}
	return 1;
}

/* A folder of ours that nobody else may enter.  Return: 0, or -errno. */
static int check_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	return 0;
}

/* Make path if it is missing and open it.  Return: descriptor, or -errno. */
static int private_dir(int at, const char *path)
{
	int fd, ret;

	if (mkdirat(at, path, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = check_private(fd);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

int machine_runtime_dir(char *path)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	int fd;

	/* sudo and su leave another user's in the environment */
	if (xdg && xdg[0] == '/' && strlen(xdg) < PATH_MAX - 16 && !stat(xdg, &st) &&
	    S_ISDIR(st.st_mode) && st.st_uid == geteuid())
		snprintf(path, PATH_MAX, "%s/swsgx", xdg);
	else
		snprintf(path, PATH_MAX, "/tmp/swsgx-%u", geteuid());
	fd = private_dir(AT_FDCWD, path);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Through the folder's descriptor: sun_path has 108 bytes, a path 4096 */
static void socket_address(struct sockaddr_un *sa, int dir)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/socket", dir);
}

static int connect_in(int dir, pid_t *ret_pid)
{
	struct sockaddr_un sa;
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	socket_address(&sa, dir);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size)) {
		/* refused: its daemon is dead */
		ret = errno == ECONNREFUSED ? -ENOENT : -errno;
		close(fd);
		return ret;
	}
	if (cred.uid != geteuid()) {
		close(fd);
		return -EPERM;
	}
	if (ret_pid)
		*ret_pid = cred.pid;
	return fd;
}

int machine_connect(const char *name, pid_t *ret_pid)
{
	char path[PATH_MAX];
	int run, dir, ret;

	if (!machine_name_valid(name))
		return -EINVAL;
	ret = machine_runtime_dir(path);
	if (ret)
		return ret;
	run = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run < 0)
		return -errno;
	dir = openat(run, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ret = dir < 0 ? -errno : connect_in(dir, ret_pid);
	if (dir >= 0)
		close(dir);
	close(run);
	return ret;
}

int machine_list(void (*each)(void *ctx, const char *name, pid_t pid), void *ctx)
{
	char path[PATH_MAX];
	struct dirent **names;
	int count, ret;

	ret = machine_runtime_dir(path);
	if (ret)
		return ret;
	count = scandir(path, &names, NULL, alphasort);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		pid_t pid;
		int fd = -1;

		if (machine_name_valid(names[i]->d_name))
			fd = machine_connect(names[i]->d_name, &pid);
		if (fd >= 0) {
			close(fd);
			each(ctx, names[i]->d_name, pid);
		}
		free(names[i]);
	}
	free(names);
	return 0;
}

/* Take the lock.  The last owner may have removed the file that we have opened. */
static int take_lock(int dir)
{
	struct stat mine, there;

	for (;;) {
		int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			int ret = errno == EWOULDBLOCK ? -EEXIST : -errno;

			close(fd);
			return ret;
		}
		if (!fstat(fd, &mine) && !fstatat(dir, "lock", &there, AT_SYMLINK_NOFOLLOW) &&
		    mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
			return fd;
		close(fd);
	}
}

static int open_socket(struct machine *m)
{
	struct sockaddr_un sa;
	int fd, one = 1;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* We hold the lock: what is there belongs to nobody */
	unlinkat(m->dir_fd, "socket", 0);
	socket_address(&sa, m->dir_fd);
	/* So that messages before accept() carry credentials too */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    fchmodat(m->dir_fd, "socket", 0600, 0) || listen(fd, 64)) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

/**
 * paths_open_machine() - lock and socket of a named machine
 * @m:		receives descriptors
 * @name:	valid
 * @ready:	receives a message on failure
 *
 * Return: 0, or -errno; -EEXIST: it runs.
 */
int paths_open_machine(struct machine *m, const char *name, struct daemon_ready *ready)
{
	char path[PATH_MAX];
	int run, ret;

	ret = machine_runtime_dir(path);
	if (ret) {
		snprintf(ready->message, sizeof(ready->message), "cannot use the folder %.300s: %s",
			 path, ret == -EPERM ? "it is not yours alone" : strerror(-ret));
		return ret;
	}
	run = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run < 0)
		return -errno;
	do {
		/* ENOENT: the last machine of that name removes its folder just now */
		m->dir_fd = private_dir(run, name);
		ret = m->dir_fd < 0 ? m->dir_fd : take_lock(m->dir_fd);
		if (ret < 0 && m->dir_fd >= 0) {
			close(m->dir_fd);
			m->dir_fd = -1;
		}
	} while (ret == -ENOENT);
	close(run);
	if (ret == -EEXIST) {
		snprintf(ready->message, sizeof(ready->message), "machine '%s' runs already", name);
		return ret;
	}
	if (ret < 0) {
		snprintf(ready->message, sizeof(ready->message), "cannot use %.300s/%s: %s", path,
			 name, strerror(-ret));
		return ret;
	}
	m->lock_fd = ret;
	ret = open_socket(m);
	if (ret < 0) {
		snprintf(ready->message, sizeof(ready->message),
			 "cannot make a socket in %.300s/%s: %s", path, name, strerror(-ret));
		return ret;
	}
	m->listener.fd = ret;
	return 0;
}

/**
 * paths_close_machine() - remove socket, lock and folder
 * @m: machine, may be a private one
 */
void paths_close_machine(struct machine *m)
{
	char path[PATH_MAX];

	if (m->dir_fd < 0)
		return;
	if (m->lock_fd >= 0) {
		unlinkat(m->dir_fd, "socket", 0);
		unlinkat(m->dir_fd, "lock", 0);
		if (m->name && !machine_runtime_dir(path)) {
			int run = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (run >= 0) {
				unlinkat(run, m->name, AT_REMOVEDIR);
				close(run);
			}
		}
		close(m->lock_fd);
	}
	close(m->dir_fd);
	m->dir_fd = m->lock_fd = -1;
}

/* $XDG_STATE_HOME/swsgx/NAME, made if missing.  Return: descriptor, or -errno. */
static int state_dir(const char *name)
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
	sub = private_dir(fd, "swsgx");
	close(fd);
	if (sub < 0)
		return sub;
	fd = private_dir(sub, name);
	close(sub);
	return fd;
}

/* Return: 0; -ENOENT there are none; other -errno: they are no good. */
static int read_fuses(int dir, uint8_t *fuses)
{
	uint8_t buf[CPU_FUSE_SIZE + 1];
	struct stat st;
	ssize_t n;
	int fd;

	fd = openat(dir, "fuses", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077)) {
		close(fd);
		return -EPERM;
	}
	close(fd);
	if (n != CPU_FUSE_SIZE)
		return -EINVAL;
	memcpy(fuses, buf, CPU_FUSE_SIZE);
	explicit_bzero(buf, sizeof(buf));
	return 0;
}

/* Whole or not at all, and never over those that another start made meanwhile. */
static int write_fuses(int dir, const uint8_t *fuses)
{
	char temp[32];
	int fd, ret = 0;

	snprintf(temp, sizeof(temp), "fuses.%d", getpid());
	unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, fuses, CPU_FUSE_SIZE) != CPU_FUSE_SIZE || fsync(fd))
		ret = -EIO;
	close(fd);
	if (!ret && linkat(dir, temp, dir, "fuses", 0) && errno != EEXIST)
		ret = -errno;
	unlinkat(dir, temp, 0);
	return ret;
}

/**
 * paths_fuses() - a machine's fused keys
 * @name:	of the machine
 * @fuses:	receives CPU_FUSE_SIZE bytes: the same for the same machine
 * @warning:	receives a text where they will not be the same tomorrow
 * @size:	of @warning
 */
void paths_fuses(const char *name, uint8_t *fuses, char *warning, size_t size)
{
	int dir = state_dir(name), ret = dir;

	if (getrandom(fuses, CPU_FUSE_SIZE, 0) != CPU_FUSE_SIZE)
		abort(); /* cannot happen: no flags, small */
	if (dir >= 0) {
		ret = read_fuses(dir, fuses);
		if (ret == -ENOENT) {
			ret = write_fuses(dir, fuses);
			if (!ret)
				ret = read_fuses(dir, fuses);
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
