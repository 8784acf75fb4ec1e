/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that were received are closed by threads of their own.
 *
 * A close() may wait for whoever made the file: one on FUSE for the answer to a FLUSH, a
 * TCP socket for its peer (SO_LINGER), the last one of a userfaultfd for the mappings of
 * its process, and a socket for all of that, if it is on its way in it.  No thread that
 * others need closes what a client has sent.
 */
#include "machine.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define THREADS	   16u /* that many closes may hang, and the next ones go on */
#define QUEUE	   4096u
#define STACK_SIZE (256u << 10)

/* Sockets and userfaultfds are what agents send: they do not wait behind all the rest. */
enum kind {
	EXPECTED,
	ANYTHING,
	KINDS,
};

struct closers {
	pthread_cond_t work;
	int fd[QUEUE];
	unsigned int count; /* in fd[], the last first */
	unsigned int threads, idle;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf; what follows is under it */
static struct closers closers[KINDS] = {{.work = PTHREAD_COND_INITIALIZER},
					{.work = PTHREAD_COND_INITIALIZER}};

static void *closer(void *arg)
{
	struct closers *c = arg;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (c->count) {
			int fd = c->fd[--c->count];

			pthread_mutex_unlock(&lock);
			close(fd);
			pthread_mutex_lock(&lock);
		}
		c->idle++;
		pthread_cond_wait(&c->work, &lock);
		c->idle--;
	}
	return NULL;
}

/* Context: the lock held.  Without memory the next descriptor tries it again. */
static void add_thread(struct closers *c)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	c->threads += !pthread_create(&thread, &attr, closer, c);
	pthread_attr_destroy(&attr);
}

/**
 * discard_fd() - close a descriptor that came from a client
 * @fd: descriptor; less than 0: none
 *
 * Who waits at the other end of a socket hears of it now.
 * Context: any; does not wait.  Where all threads hang and many descriptors wait, it stays
 * open.
 */
void discard_fd(int fd)
{
	struct closers *c = &closers[ANYTHING];

	if (fd < 0)
		return;
	if (discard_is_local(fd)) {
		shutdown(fd, SHUT_RDWR);
		c = &closers[EXPECTED];
	} else if (uffd_is(fd)) {
		c = &closers[EXPECTED];
	}
	pthread_mutex_lock(&lock);
	if (c->count < QUEUE)
		c->fd[c->count++] = fd;
	if (c->idle < c->count && c->threads < THREADS)
		add_thread(c);
	if (c->idle)
		pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&lock);
}

/**
 * discard_recv() - receive, and close what descriptors come along
 * @sock:	socket of a client, on which none are expected
 * @buf:	for the message
 * @size:	of it
 *
 * Those that nobody receives are closed by the kernel, in the thread that does not.
 * Return: as recv(), which does not wait.
 */
ssize_t discard_recv(int sock, void *buf, size_t size)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(DISCARD_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n = recvmsg(sock, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		int fd[DISCARD_FDS_MAX];

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fd, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			discard_fd(fd[i]);
	}
	return n;
}

/**
 * discard_is_local() - is a descriptor a socket of this computer?
 * @fd: from a client
 *
 * Asks no file system, as fstat() does.  Nothing else may be watched or written to: FUSE
 * has its word at each.
 */
bool discard_is_local(int fd)
{
	int domain;
	socklen_t size = sizeof(domain);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) && domain == AF_UNIX;
}
