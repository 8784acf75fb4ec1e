/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where machines are: sockets below the user's runtime folder.  Everything is for its
 * owner alone, and what belongs to somebody else is not used.
 *
 *	RUNTIME/swsgx/NAME/{socket,lock}	or /tmp/swsgx-UID/NAME/...
 *	RUNTIME/swsgx/.run/PID			private machines: private.c
 *
 * RUNTIME is $XDG_RUNTIME_DIR, or else /run/user/UID, where it is a folder of the
 * user's: a shell of su and a job of cron have no XDG_RUNTIME_DIR or another user's,
 * and shall find the same machines as a login of that user.
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

/**
 * paths_private_dir() - open a folder of ours that nobody else may enter
 * @at:		folder that @path is relative to
 * @path:	made if it is missing
 *
 * Return: descriptor, or -errno; -EPERM: others may enter it, or it is another user's.
 */
int paths_private_dir(int at, const char *path)
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

/* Why a folder is no place for machines of this user; NULL: it is one. */
static const char *unfit(const char *path)
{
	struct stat st;

	if (path[0] != '/')
		return "is not an absolute path";
	if (strlen(path) >= PATH_MAX - 64)
		return "is too long";
	if (stat(path, &st))
		return errno == ENOENT	 ? "does not exist"
		       : errno == EACCES ? "is closed to this user"
					 : "cannot be looked at";
	if (!S_ISDIR(st.st_mode))
		return "is not a folder";
	/* sudo and su leave another user's in the environment */
	return st.st_uid == geteuid() ? NULL : "belongs to another user";
}

/* The folder's name alone.  Return: why XDG_RUNTIME_DIR is not it; NULL: it is, or is not set. */
static const char *runtime_path(char *path)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR"), *why = NULL;
	char login[64];

	if (xdg && *xdg) {
		why = unfit(xdg);
		if (!why) {
			snprintf(path, PATH_MAX, "%s/swsgx", xdg);
			return NULL;
		}
	}
	snprintf(login, sizeof(login), "/run/user/%u", geteuid());
	if (!unfit(login))
		snprintf(path, PATH_MAX, "%s/swsgx", login);
	else
		snprintf(path, PATH_MAX, "/tmp/swsgx-%u", geteuid());
	return why;
}

int machine_runtime_dir(char *path)
{
	int fd;

	(void)runtime_path(path);
	fd = paths_private_dir(AT_FDCWD, path);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

bool machine_runtime_note(char *text, size_t size)
{
	char path[PATH_MAX];
	const char *why = runtime_path(path);

	if (why)
		snprintf(text, size, "XDG_RUNTIME_DIR is %s, which %s: machines are in %s",
			 getenv("XDG_RUNTIME_DIR"), why, path);
	return why;
}

/* Through the folder's descriptor: sun_path has 108 bytes, a path 4096 */
static void socket_address(struct sockaddr_un *sa, int dir, const char *name)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", dir, name);
}

/**
 * paths_connect() - connect to a machine of this user
 * @dir:	folder
 * @name:	of the socket in it, short
 * @ret_pid:	receives the daemon's pid; may be NULL
 *
 * Return: descriptor, or -errno; -ENOENT: there is none, or its daemon is dead.
 */
int paths_connect(int dir, const char *name, pid_t *ret_pid)
{
	struct sockaddr_un sa;
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	socket_address(&sa, dir, name);
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
	ret = dir < 0 ? -errno : paths_connect(dir, "socket", ret_pid);
	if (dir >= 0)
		close(dir);
	close(run);
	return ret;
}

/**
 * paths_visit() - tell of one machine, over a connection that does not wait for ever
 * @fd:		connection; closed
 * @id:		which machine
 * @pid:	of its daemon
 * @each:	called
 * @ctx:	passed on
 */
void paths_visit(int fd, const struct machine_id *id, pid_t pid, machine_each *each, void *ctx)
{
	struct timeval patience = {.tv_sec = 2};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	each(ctx, id, fd, pid);
	close(fd);
}

int machine_list(machine_each *each, void *ctx)
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
		struct machine_id id = {.program = 0};
		pid_t pid;
		int fd = -1;

		if (machine_name_valid(names[i]->d_name))
			fd = machine_connect(names[i]->d_name, &pid);
		if (fd >= 0) {
			snprintf(id.name, sizeof(id.name), "%.64s", names[i]->d_name);
			paths_visit(fd, &id, pid, each, ctx);
		}
		free(names[i]);
	}
	free(names);
	private_list(each, ctx);
	return 0;
}

struct search {
	pid_t pid;
	struct machine_id *found;
	bool done;
};

static void look(void *ctx, const struct machine_id *id, int fd, pid_t pid)
{
	struct search *s = ctx;
	uint64_t words[8] = {(uint64_t)s->pid};

	if (s->done || machine_ask_words(fd, PROTO_MSG_INFO, 1, NULL, words) ||
	    !words[PROTO_INFO_FOUND])
		return;
	*s->found = *id;
	s->done = true;
}

int machine_of_pid(pid_t pid, struct machine_id *ret_id)
{
	struct search s = {.pid = pid, .found = ret_id};
	int fd = machine_connect_private(pid, NULL), ret;

	if (fd >= 0) {
		close(fd);
		*ret_id = (struct machine_id){.program = pid};
		return 0;
	}
	ret = machine_list(look, &s);
	return ret ? ret : s.done ? 0 : -ENOENT;
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

/* How long a start waits for a machine of the same name that is on its way out */
#define ENDING_MS 20000

/*
 * Who holds the lock: a machine that serves, or one that ends?  One that ends refuses
 * connections, or drops them without an answer.  One that is only just being started
 * refuses them as well, and answers a moment later.
 */
static bool machine_answers(int dir)
{
	struct timeval patience = {.tv_sec = ENDING_MS / 1000};
	int fd = paths_connect(dir, "socket", NULL), ret;

	if (fd < 0)
		return fd != -ENOENT;
	/* Stopped by SIGSTOP or a debugger it is there all the same: -EAGAIN */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ret = machine_ask(fd, PROTO_MSG_INFO, 0, NULL);
	close(fd);
	return ret != -EPIPE;
}

/*
 * Folder and lock of a name.  kill -9 of a daemon returns before the daemon has gone,
 * so a lock that nobody answers for is waited for.
 *
 * Return: 0; -EEXIST it runs; -ETIMEDOUT it ends, but has not by now; other -errno.
 */
static int take_name(struct machine *m, int run, const char *name)
{
	uint64_t until = loop_now_ms() + ENDING_MS;

	for (;;) {
		int ret;

		m->dir_fd = paths_private_dir(run, name);
		ret = m->dir_fd < 0 ? m->dir_fd : take_lock(m->dir_fd);
		if (ret >= 0) {
			m->lock_fd = ret;
			return 0;
		}
		if (ret == -EEXIST && !machine_answers(m->dir_fd))
			ret = loop_now_ms() < until ? -EAGAIN : -ETIMEDOUT;
		if (m->dir_fd >= 0)
			close(m->dir_fd);
		m->dir_fd = -1;
		if (ret == -EAGAIN)
			usleep(2000); /* flock() itself could wait for who starts in our place */
		else if (ret != -ENOENT) /* the last machine removes its folder just now */
			return ret;
	}
}

/**
 * paths_listen() - a socket for tools
 * @dir:	folder
 * @name:	of the socket in it, short; replaced, so it must be nobody's
 *
 * Return: descriptor, or -errno.
 */
int paths_listen(int dir, const char *name)
{
	struct sockaddr_un sa;
	int fd, one = 1;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlinkat(dir, name, 0);
	socket_address(&sa, dir, name);
	/* So that messages before accept() carry credentials too */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || fchmodat(dir, name, 0600, 0) ||
	    listen(fd, 64)) {
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
	ret = take_name(m, run, name);
	close(run);
	if (ret == -EEXIST) {
		snprintf(ready->message, sizeof(ready->message), "machine '%s' runs already", name);
		return ret;
	}
	if (ret == -ETIMEDOUT) {
		snprintf(ready->message, sizeof(ready->message),
			 "machine '%s' is ending, but its process still holds %.300s/%s/lock: wait "
			 "for it to go, or see who has that file open",
			 name, path, name);
		return ret;
	}
	if (ret < 0) {
		snprintf(ready->message, sizeof(ready->message), "cannot use %.300s/%s: %s", path,
			 name, strerror(-ret));
		return ret;
	}
	ret = paths_listen(m->dir_fd, "socket"); /* we hold the lock: what is there is nobody's */
	if (ret < 0) {
		snprintf(ready->message, sizeof(ready->message),
			 "cannot make a socket in %.300s/%s: %s", path, name, strerror(-ret));
		return ret;
	}
	m->listener.fd = ret;
	return 0;
}

/**
 * paths_close_machine() - remove socket, lock and folder of a named machine
 * @m: machine
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
