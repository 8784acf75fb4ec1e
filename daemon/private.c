/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private machines, those of `swsgx run` alone, can be looked at by their owner.
 *
 * Each listens on a socket in the folder .run beside the named machines (no machine's
 * name begins with '.'), which is named by the pid of the process that became the
 * program.  Over it the machine answers STAT and INFO, and nothing else.
 *
 * There is no lock: a socket appears under its name when it listens already, so one
 * that refuses is what a dead daemon left, and whoever lists the folder removes it.
 * A machine that can have no socket runs without.
 */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/.run"
/* While a socket does not listen yet, and how long that cannot take */
#define NEW	    "new-"
#define NEW_SECONDS 60

/* Return: descriptor of the folder, made if missing; or -errno. */
static int open_folder(void)
{
	char path[PATH_MAX];
	int ret = machine_runtime_dir(path);

	if (ret)
		return ret;
	if (strlen(path) + sizeof(FOLDER) > sizeof(path))
		return -ENAMETOOLONG;
	strcat(path, FOLDER);
	return paths_private_dir(AT_FDCWD, path);
}

static int show(int dir, const char *new, const char *name)
{
	int fd;

	for (int i = 0; i < 2; i++) {
		if (!renameat2(dir, new, dir, name, RENAME_NOREPLACE))
			return 0;
		if (errno == EINVAL || errno == ENOSYS) /* this file system cannot */
			return renameat(dir, new, dir, name) ? -errno : 0;
		if (errno != EEXIST)
			return -errno;
		fd = paths_connect(dir, name, NULL);
		if (fd != -ENOENT) {
			/* a process of that number in another PID namespace */
			if (fd >= 0)
				close(fd);
			return -EEXIST;
		}
		unlinkat(dir, name, 0);
	}
	return -EEXIST;
}

static int open_socket(struct machine *m, int dir)
{
	char new[32];
	struct stat st;
	int fd, ret;

	snprintf(m->private_name, sizeof(m->private_name), "%d", m->program);
	snprintf(new, sizeof(new), NEW "%d", getpid());
	fd = paths_listen(dir, new);
	if (fd < 0)
		return fd;
	if (fstatat(dir, new, &st, AT_SYMLINK_NOFOLLOW))
		ret = -errno;
	else
		ret = show(dir, new, m->private_name);
	if (ret) {
		unlinkat(dir, new, 0);
		close(fd);
		return ret;
	}
	m->private_ino = st.st_ino;
	m->listener.fd = fd;
	return 0;
}

/**
 * private_open() - a private machine's socket
 * @m: machine; keeps dir_fd and listener where there is one
 */
void private_open(struct machine *m)
{
	int dir = open_folder(), ret = dir;

	if (dir >= 0) {
		ret = open_socket(m, dir);
		if (!ret) {
			m->dir_fd = dir;
			return;
		}
		close(dir);
	}
	log_line("swsgx stat cannot look at this machine: no socket in %s: %s", &FOLDER[1],
		 strerror(-ret));
}

/**
 * private_close() - take the socket away, if it is there and still this machine's
 * @m: machine
 */
void private_close(struct machine *m)
{
	struct stat st;

	if (m->dir_fd < 0)
		return;
	if (!fstatat(m->dir_fd, m->private_name, &st, AT_SYMLINK_NOFOLLOW) &&
	    st.st_ino == m->private_ino)
		unlinkat(m->dir_fd, m->private_name, 0);
	close(m->dir_fd);
	m->dir_fd = -1;
}

int machine_connect_private(pid_t program, pid_t *ret_pid)
{
	int dir = open_folder(), ret;
	char name[16];

	if (dir < 0)
		return dir;
	snprintf(name, sizeof(name), "%d", program);
	ret = paths_connect(dir, name, ret_pid);
	close(dir);
	return ret;
}

/* What a daemon that died between bind() and listen() left */
static bool is_old(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       time(NULL) - st.st_mtime > NEW_SECONDS;
}

static void visit(int dir, const char *name, machine_each *each, void *ctx)
{
	struct machine_id id = {.name = ""};
	char *end;
	pid_t pid;
	long n;
	int fd;

	if (!strncmp(name, NEW, strlen(NEW))) {
		if (is_old(dir, name))
			unlinkat(dir, name, 0);
		return;
	}
	n = strtol(name, &end, 10);
	if (*end || n <= 0 || n > INT_MAX)
		return;
	fd = paths_connect(dir, name, &pid);
	if (fd == -ENOENT)
		unlinkat(dir, name, 0);
	if (fd < 0)
		return;
	id.program = (pid_t)n;
	paths_visit(fd, &id, pid, each, ctx);
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	long x = strtol((*a)->d_name, NULL, 10), y = strtol((*b)->d_name, NULL, 10);

	return (x > y) - (x < y);
}

/**
 * private_list() - the user's private machines, as machine_list()
 * @each:	called for each
 * @ctx:	passed on
 *
 * Removes the sockets of dead ones.
 */
void private_list(machine_each *each, void *ctx)
{
	struct dirent **names;
	int dir = open_folder(), count;

	if (dir < 0)
		return;
	count = scandirat(dir, ".", &names, NULL, by_number);
	for (int i = 0; i < count; i++) {
		visit(dir, names[i]->d_name, each, ctx);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
	close(dir);
}
