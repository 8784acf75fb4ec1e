/* SPDX-License-Identifier: BSD-3-Clause */
/* A server that needs no package: an epoll loop that answers over TCP. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCHES	 20u
#define REQUESTS 100u /* of each client in a batch */
#define CLIENTS	 8
#define SIZE	 64u /* of a request, and of its answer */

struct server {
	int listener, epoll;
	int client[CLIENTS];
};

/* Until every client has gone */
static void *serve(void *arg)
{
	struct server *s = arg;
	int open = 0, seen = 0;
	char buf[SIZE];

	while (open || seen < CLIENTS) {
		struct epoll_event ev[CLIENTS + 1];
		int n = epoll_wait(s->epoll, ev, CLIENTS + 1, -1);

		for (int i = 0; i < n; i++) {
			struct epoll_event in = {.events = EPOLLIN};
			int fd = ev[i].data.fd;
			ssize_t got;

			if (fd == s->listener) {
				in.data.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
				if (in.data.fd < 0 ||
				    epoll_ctl(s->epoll, EPOLL_CTL_ADD, in.data.fd, &in))
					return (void *)1;
				open++;
				seen++;
				continue;
			}
			got = recv(fd, buf, sizeof(buf), 0);
			if (got <= 0) {
				close(fd);
				open--;
			} else if (send(fd, buf, (size_t)got, MSG_NOSIGNAL) != got) {
				return (void *)1;
			}
		}
	}
	return NULL;
}

static int server_open(struct server *s, struct sockaddr_in *at)
{
	struct epoll_event ev = {.events = EPOLLIN};
	socklen_t size = sizeof(*at);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ev.data.fd = s->listener;
	if (s->epoll < 0 || s->listener < 0 ||
	    bind(s->listener, (struct sockaddr *)at, sizeof(*at)) || listen(s->listener, CLIENTS) ||
	    getsockname(s->listener, (struct sockaddr *)at, &size) ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &ev))
		return -errno;
	return 0;
}

/* All clients ask, then all hear: the server finds several ready at once */
static int rounds(struct server *s, struct sample *out)
{
	char buf[SIZE] = "request";

	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < REQUESTS; i++) {
			for (int k = 0; k < CLIENTS; k++)
				if (send(s->client[k], buf, SIZE, MSG_NOSIGNAL) != SIZE)
					return -EIO;
			for (int k = 0; k < CLIENTS; k++)
				if (recv(s->client[k], buf, SIZE, MSG_WAITALL) != SIZE)
					return -EIO;
		}
		batch_end(out, start, REQUESTS * CLIENTS);
	}
	return 0;
}

/**
 * probe_echo() - a request to an epoll server over TCP, and its answer
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_echo(struct sample *s)
{
	struct server server;
	struct sockaddr_in at;
	pthread_t thread;
	void *bad = NULL;
	int ret = server_open(&server, &at), one = 1;

	if (!ret)
		ret = -pthread_create(&thread, NULL, serve, &server);
	if (ret)
		return ret;
	for (int i = 0; i < CLIENTS; i++) {
		server.client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (server.client[i] < 0 ||
		    connect(server.client[i], (struct sockaddr *)&at, sizeof(at)) ||
		    setsockopt(server.client[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
			return -errno;
	}
	ret = rounds(&server, s);
	for (int i = 0; i < CLIENTS; i++)
		close(server.client[i]);
	pthread_join(thread, &bad);
	close(server.listener);
	close(server.epoll);
	return bad ? -EIO : ret;
}
