/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The main thread: epoll, and the messages of command sockets and tools.
 *
 * One event at a time, so that what an event destroys cannot be the next one.
 */
#include "machine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/**
 * loop_add() - watch a descriptor
 * @m:		machine
 * @s:		what watches it
 * @fd:		descriptor
 * @events:	EPOLL*
 * @ready:	called on the main thread
 *
 * Return: 0, or -errno.
 */
int loop_add(struct machine *m, struct source *s, int fd, uint32_t events,
	     void (*ready)(struct machine *m, struct source *s, uint32_t events))
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	s->fd = fd;
	s->ready = ready;
	return epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/**
 * loop_del() - watch it no more
 * @m: machine
 * @s: may never have been added
 */
void loop_del(struct machine *m, struct source *s)
{
	(void)epoll_ctl(m->epoll, EPOLL_CTL_DEL, s->fd, NULL);
}

static void conn_end(struct machine *m, struct conn *c)
{
	for (struct conn **p = &m->conns; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	if (c->private)
		m->private_over = true;
	loop_del(m, &c->source);
	discard_fd(c->source.fd);
	if (c->debug)
		close(c->debugger_fd);
	free(c);
}

/*
 * All but the connections of `swsgx machine stop`: the kernel closes those when this
 * process is gone, and until then the lock of the machine's name may be held.
 */
static void conns_end(struct machine *m)
{
	struct conn *c = m->conns, *next;

	for (; c; c = next) {
		next = c->next;
		if (!c->stopper)
			conn_end(m, c);
	}
}

struct received {
	struct proto_msg msg;
	struct sender from;
	int fd[4];
	uint32_t fd_count;
};

static void close_fds(struct received *r)
{
	if (r->from.pidfd >= 0)
		close(r->from.pidfd);
	r->from.pidfd = -ESRCH;
	for (uint32_t i = 0; i < r->fd_count; i++)
		discard_fd(r->fd[i]);
	r->fd_count = 0;
}

static void collect(struct received *r, struct msghdr *hdr)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < n; i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
				if (r->fd_count < 4)
					r->fd[r->fd_count++] = fd;
				else
					discard_fd(fd);
			}
		} else {
			sender_collect(&r->from, c);
		}
	}
}

/* Return: 1 a message; 0 none now; -1 the end. */
static int receive(int sock, struct received *r)
{
	union {
		struct cmsghdr align;
		/* All that can come: what has no room is closed by the kernel, here */
		char space[CMSG_SPACE(DISCARD_FDS_MAX * sizeof(int)) + SENDER_SPACE];
	} control;
	struct iovec iov = {.iov_base = &r->msg, .iov_len = sizeof(r->msg)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n;

	memset(r, 0, sizeof(*r));
	sender_begin(&r->from);
	n = recvmsg(sock, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	collect(r, &hdr);
	sender_end(&r->from);
	if (!n)
		return -1;
	if ((size_t)n != sizeof(r->msg) || (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    r->msg.magic != PROTO_MAGIC || r->msg.version != PROTO_VERSION || r->from.pid <= 0) {
		/* Processes share the socket: drop the message, not the command */
		log_line("a message of process %d that is none: %zd bytes, type %u", r->from.pid, n,
			 r->msg.type);
		close_fds(r);
		return 0;
	}
	return 1;
}

/* Return: true where the message was one, and its descriptors are taken. */
static bool take_message(struct machine *m, struct received *r)
{
	int pidfd = r->from.pidfd;
	pid_t pid = r->from.pid;

	/* The private socket, in each of them: we watch it, and write to it */
	if (!r->fd_count || !discard_is_local(r->fd[0]))
		return false;
	switch (r->msg.type) {
	case PROTO_MSG_CONNECT:
		if (r->fd_count > 2)
			return false;
		if (!client_connect(m, pid, pidfd, r->fd[0], r->fd_count == 2 ? r->fd[1] : -1))
			log_line("process %d connected", pid);
		r->from.pidfd = -ESRCH; /* the client's */
		break;
	case PROTO_MSG_EXEC:
		if (r->fd_count != 1)
			return false;
		exec_start(m, pid, pidfd, &r->msg.exec, r->fd[0]);
		r->from.pidfd = -ESRCH; /* the exec's */
		break;
	case PROTO_MSG_DEBUG:
		if (r->fd_count != 1)
			return false;
		debug_start(m, pid, pidfd, r->fd[0]);
		r->from.pidfd = -ESRCH; /* the connection's */
		break;
	case PROTO_MSG_WHO:
		if (r->fd_count != 1)
			return false;
		control_who(m, r->fd[0]);
		break;
	case PROTO_MSG_EXEC_FAILED:
		if (r->fd_count != 1)
			return false;
		exec_failed(m, pid, &r->msg.exec, r->fd[0]);
		break;
	default:
		return false;
	}
	r->fd_count = 0;
	return true;
}

static void command_message(struct machine *m, struct received *r)
{
	/* What it asks for is for itself, and its number may be another's */
	if (r->from.pidfd == -ESRCH)
		log_line("process %d had ended before its message of type %u was read", r->from.pid,
			 r->msg.type);
	else if (!take_message(m, r))
		log_line("process %d: message of type %u with %u descriptors is not understood",
			 r->from.pid, r->msg.type, r->fd_count);
	close_fds(r);
}

static void conn_ready(struct machine *m, struct source *s, uint32_t events)
{
	struct conn *c = container_of(s, struct conn, source);
	struct received r;
	int ret;

	if (c->debug) {
		if (!debug_serve(m, c)) {
			conn_end(m, c);
			debug_ended(m);
		}
		return;
	}
	ret = receive(s->fd, &r);
	if (ret < 0) {
		close_fds(&r);
		conn_end(m, c);
		return;
	}
	if (!ret) {
		if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
			conn_end(m, c);
		return;
	}
	if (c->command) {
		command_message(m, &r);
		return;
	}
	close_fds(&r);
	control_message(m, c, &r.msg);
	if (!c->command && !c->stopper)
		conn_end(m, c);
}

/**
 * conn_add() - serve a connection
 * @m:		machine
 * @fd:		closed with it, and on failure
 * @command:	it is a command socket already
 * @private:	the machine ends with it
 *
 * Return: it, or NULL.
 */
struct conn *conn_add(struct machine *m, int fd, bool command, bool private)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || sender_watch(fd, true) || loop_add(m, &c->source, fd, EPOLLIN, conn_ready)) {
		close(fd);
		free(c);
		return NULL;
	}
	c->command = command;
	c->private = private;
	c->next = m->conns;
	m->conns = c;
	return c;
}

/* The socket's folder is for its owner alone; a look at the peer is the second lock. */
static bool peer_is_owner(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) && cred.uid == geteuid();
}

static void listener_ready(struct machine *m, struct source *s, uint32_t events)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (!peer_is_owner(fd)) {
		log_line("a connection by another user was refused");
		close(fd);
		return;
	}
	conn_add(m, fd, false, false);
}

static void signals_ready(struct machine *m, struct source *s, uint32_t events)
{
	struct signalfd_siginfo si;

	if (read(s->fd, &si, sizeof(si)) == sizeof(si)) {
		log_line("signal %u: the machine ends", si.ssi_signo);
		m->stopping = true;
	}
}

static void wakeup_ready(struct machine *m, struct source *s, uint32_t events)
{
	uint64_t n;

	/* To look at machine.execs and settle_wanted again */
	if (read(s->fd, &n, sizeof(n)) < 0)
		return;
}

static bool over(struct machine *m)
{
	/* execs last: its thread may be what makes the next client */
	return m->stopping ||
	       (m->private_over && !m->clients && !m->enclaves && !atomic_load(&m->execs));
}

/**
 * loop_now_ms() - CLOCK_MONOTONIC in milliseconds
 */
uint64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int timeout(const struct machine *m)
{
	uint64_t now;

	if (!m->recheck_ms)
		return -1;
	now = loop_now_ms();
	return now >= m->recheck_at ? 0 : (int)(m->recheck_at - now);
}

/**
 * loop_run() - serve until the machine ends
 * @m: machine, with all its descriptors
 *
 * Return: 0, or -errno of what made that impossible.
 */
int loop_run(struct machine *m)
{
	int ret;

	ret = loop_add(m, &m->inotify, m->inotify.fd, EPOLLIN, enclave_inotify_ready);
	if (!ret)
		ret = loop_add(m, &m->signals, m->signals.fd, EPOLLIN, signals_ready);
	if (!ret)
		ret = loop_add(m, &m->wakeup, m->wakeup.fd, EPOLLIN, wakeup_ready);
	if (!ret && m->listener.fd >= 0)
		ret = loop_add(m, &m->listener, m->listener.fd, EPOLLIN, listener_ready);
	while (!ret && !over(m)) {
		struct epoll_event ev;
		int n = epoll_wait(m->epoll, &ev, 1, timeout(m));

		if (n < 0 && errno != EINTR)
			ret = -errno;
		if (n == 1) {
			struct source *s = ev.data.ptr;

			s->ready(m, s, ev.events);
		}
		if (m->recheck_ms && loop_now_ms() >= m->recheck_at)
			enclave_recheck(m);
		enclave_settle_ready(m);
	}
	/* Refused from now on: who finds the lock held and nobody listening waits for it */
	if (m->listener.fd >= 0) {
		loop_del(m, &m->listener);
		close(m->listener.fd);
		m->listener.fd = -1;
	}
	while (m->clients)
		client_end(m->clients);
	conns_end(m);
	debug_ended(m);
	return ret;
}
