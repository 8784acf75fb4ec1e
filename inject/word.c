/* SPDX-License-Identifier: BSD-3-Clause */
#include "word.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAME_SIZE 256 /* the line has room for no more */

/*
 * Its own open file, so that what it writes later comes after.  The file is never opened
 * anew, by its name: we may be allowed to write where the process is not.
 */
int word_open_pidfd(int pidfd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, 2, 0);
}

int word_open(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd;

	if (pidfd < 0)
		return -1;
	fd = word_open_pidfd(pidfd);
	close(pidfd);
	return fd;
}

static void __attribute__((format(printf, 2, 0))) say(int fd, const char *fmt, va_list ap)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	char line[512] = "swsgx: ";
	size_t n = strlen(line);
	int len;

	if (fd < 0)
		return;
	len = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	n += len < 0 ? 0 : (size_t)len;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(fd, line, n) < 0)
		n = 0; /* nobody is there to be told */
}

void word_say_to(int fd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fd, fmt, ap);
	va_end(ap);
}

void word_say(pid_t pid, const char *fmt, ...)
{
	int fd = word_open(pid);
	va_list ap;

	va_start(ap, fmt);
	say(fd, fmt, ap);
	va_end(ap);
	if (fd >= 0)
		close(fd);
}

/* Effective IDs from /proc/PID/status, in our user namespace */
static int effective_ids(pid_t proc, uid_t *uid, gid_t *gid)
{
	char path[64], line[256];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", proc);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (found != 3 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Uid: %*u %u", uid) == 1)
			found |= 1;
		if (sscanf(line, "Gid: %*u %u", gid) == 1)
			found |= 2;
	}
	fclose(f);
	return found == 3;
}

static void program_name(pid_t proc, char name[NAME_SIZE])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", proc);
	n = readlink(path, name, NAME_SIZE - 1);
	name[n < 0 ? 0 : n] = 0;
}

void word_foreign(pid_t pid, pid_t proc, bool filtered)
{
	char name[NAME_SIZE];

	program_name(proc, name);
	word_say(pid, "%s is a 32-bit program: it has no SGX here, %s", name,
		 filtered ? "and cannot execute other programs"
			  : "and neither have the programs that it executes");
}

void word_privileges(pid_t pid, pid_t proc)
{
	char path[64], name[NAME_SIZE];
	struct statvfs vfs;
	struct stat st;
	const char *what = NULL;
	uid_t uid;
	gid_t gid;

	snprintf(path, sizeof(path), "/proc/%d/exe", proc);
	if (stat(path, &st))
		return;
	if (!(st.st_mode & (S_ISUID | S_ISGID)) && !geteuid())
		return; /* the common case: capabilities add nothing to root's */
	if (!effective_ids(proc, &uid, &gid) || statvfs(path, &vfs) || (vfs.f_flag & ST_NOSUID))
		return;
	if ((st.st_mode & S_ISUID) && st.st_uid != uid)
		what = "set-user-ID";
	else if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != gid)
		what = "set-group-ID";
	else if (uid && getxattr(path, "security.capability", NULL, 0) > 0)
		what = "file capabilities";
	if (!what)
		return;
	program_name(proc, name);
	word_say(pid,
		 "%s runs without its privileges (%s): under swsgx run programs cannot gain any",
		 name, what);
}
