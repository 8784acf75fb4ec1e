/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has sent a message.
 *
 * The pid that comes with a message is a number.  Its sender may have ended while the
 * message was waiting to be read, and the number may be another process' by then, who
 * must not be killed, traced or injected for what it did not say.  So nothing is done
 * to a number: every message is turned into a pidfd of its sender, or into an error.
 *
 *	Linux 6.5	the kernel passes the pidfd along (SO_PASSPIDFD).
 *	before		the number is opened, and the kernel's time of sending is compared
 *			with the start of the process that was found: one that started
 *			after the message was sent did not send it.  Start times are told
 *			in clock ticks (10 ms); within one the two cannot be told apart.
 *
 * A number belongs to the process of a pidfd as long as the process has not been
 * reaped, which sender_is_there() asks.  Who looks something up by the number asks
 * that afterwards.
 */
#include "machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <sys/socket.h> of before Linux 6.5 does not have these two */
#define PASSPIDFD 76
#define PIDFD	  4

/**
 * sender_watch() - let the kernel say who sends on a socket
 * @sock:	socket
 * @pidfds:	by pidfds, where it can; else by times
 *
 * Return: 0, or -errno.
 */
int sender_watch(int sock, bool pidfds)
{
	const int one = 1;

	if (setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)))
		return -errno;
	if (pidfds && !setsockopt(sock, SOL_SOCKET, PASSPIDFD, &one, sizeof(one)))
		return 0;
	return setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ? -errno : 0;
}

/**
 * sender_begin() - nothing is known yet
 * @s: sender
 */
void sender_begin(struct sender *s)
{
	memset(s, 0, sizeof(*s));
	s->pidfd = -ESRCH;
}

/**
 * sender_collect() - one control message
 * @s: sender
 * @c: control message of the socket level
 */
void sender_collect(struct sender *s, const struct cmsghdr *c)
{
	if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
		struct ucred cred;

		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		s->pid = cred.pid;
	} else if (c->cmsg_type == PIDFD && c->cmsg_len >= CMSG_LEN(sizeof(int))) {
		memcpy(&s->pidfd, CMSG_DATA(c), sizeof(s->pidfd));
		s->passed = true;
	} else if (c->cmsg_type == SCM_TIMESTAMPNS &&
		   c->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
		memcpy(&s->sent, CMSG_DATA(c), sizeof(s->sent));
		s->timed = true;
	}
}

static int64_t ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* When the message was sent, in clock ticks since the boot */
static int64_t sent_ticks(const struct sender *s)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (ns(&boot) - (ns(&real) - ns(&s->sent))) / (1000000000 / sysconf(_SC_CLK_TCK));
}

/* Field 22 of /proc/PID/stat; -1: it cannot be read. */
static int64_t start_ticks(pid_t proc)
{
	char path[64], text[1024], *p;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", proc);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = 0;
	/* the second field is a name, with whatever is in it, in brackets */
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoll(p, NULL, 10) : -1;
}

/* Return: pidfd, or -errno; -ESRCH: the number is another process' now. */
static int open_by_time(const struct sender *s)
{
	int fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	int64_t start = -1;
	pid_t proc;

	if (fd < 0)
		return errno == EINVAL ? -ESRCH : -errno;
	proc = pids_in_proc(s->pid, fd);
	if (proc > 0)
		start = start_ticks(proc);
	if (s->timed && start >= 0 && start <= sent_ticks(s) && sender_is_there(fd))
		return fd;
	close(fd);
	return -ESRCH;
}

/**
 * sender_end() - all control messages of a message have been collected
 * @s: sender; its pidfd is a descriptor now, or -errno: -ESRCH it has gone
 */
void sender_end(struct sender *s)
{
	if (!s->passed)
		s->pidfd = s->pid > 0 ? open_by_time(s) : -ESRCH;
	else if (s->pidfd == -EINVAL)
		s->pidfd = -ESRCH; /* so says the kernel of a process that was reaped */
	if (s->pidfd >= 0 && !sender_is_there(s->pidfd)) {
		close(s->pidfd);
		s->pidfd = -ESRCH;
	}
}

/**
 * sender_is_there() - does the process' number still belong to it?
 * @pidfd: of it
 *
 * Return: false where it has been reaped.
 */
bool sender_is_there(int pidfd)
{
	/* a process of another user is there too: EPERM */
	return !syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) || errno == EPERM;
}
