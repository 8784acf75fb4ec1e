/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connected processes.
 *
 * Each has a channel (proto/channel.h) and a service thread that runs its calls
 * one after another.  What it has not answered when the process dies is nobody's
 * loss.  A client's end is noticed by its pidfd, by the hang-up of its private
 * socket (the process has exec'ed something without an agent), or by a new
 * CONNECT of the same pid (it has exec'ed something with one).
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Rounds of PAUSE that an idle service thread spins before it sleeps: the time
 * that a program needs between two calls in a row, some microseconds.  Fewer where
 * that was in vain; but when the ring came soon after, it was only too short.
 */
#define SPIN_MAX 4096u
#define SPIN_MIN 8u
#define SOON_NS	 200000

/* Calls that both ends make on one CPU before the service thread leaves it */
#define PATIENCE_MIN 2u
#define PATIENCE_MAX 4096u
#define APART_WORTH  32u /* calls after which leaving it was right */

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/**
 * sock_send() - one message
 * @sock:	SOCK_SEQPACKET socket
 * @msg:	message
 * @text:	bytes behind it, NULL: none
 * @size:	of @text
 * @fds:	descriptors to pass, at most 4
 * @count:	how many
 *
 * Never waits: who does not read loses its message.  Return: 0, or -errno.
 */
int sock_send(int sock, const struct proto_msg *msg, const void *text, size_t size, const int *fds,
	      uint32_t count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control = {0};
	struct iovec iov[2] = {
		{.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)},
		{.iov_base = (void *)(uintptr_t)text, .iov_len = size},
	};
	struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = text ? 2 : 1};
	struct cmsghdr *cmsg;

	if (count > 4)
		return -EINVAL;
	if (count) {
		hdr.msg_control = control.space;
		hdr.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	if (sendmsg(sock, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

/**
 * client_send() - a message to a client's private socket
 * @c:		client
 * @type:	of the message
 * @slot:	RPC slot it belongs to
 * @fds:	descriptors
 * @count:	how many
 *
 * Return: 0, or -errno.
 */
int client_send(struct client *c, enum proto_msg_type type, uint32_t slot, const int *fds,
		uint32_t count)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = type,
		.slot = slot,
	};

	msg.words[0] = (uint64_t)getpid();
	msg.words[1] = c->number;
	return sock_send(c->private.fd, &msg, NULL, 0, fds, count);
}

/**
 * client_break() - a client has said what no agent says: end it, and nobody else
 * @c:		client
 * @why:	for the log
 * @value:	for the log
 *
 * Its agent waits for an answer that will not come, so the process is killed.
 */
void client_break(struct client *c, const char *why, uint64_t value)
{
	if (atomic_exchange(&c->state, CLIENT_BROKEN) == CLIENT_BROKEN)
		return;
	log_line("process %d killed: %s (%#llx)", c->pid, why, (unsigned long long)value);
	(void)syscall(SYS_pidfd_send_signal, c->pidfd.fd, SIGKILL, NULL, 0);
}

static bool posted(struct client *c, uint32_t i)
{
	uint32_t state = __atomic_load_n(&c->channel->slot[i].state, __ATOMIC_ACQUIRE);

	return state == PROTO_POSTED || state == PROTO_WAITED;
}

static bool serve_posted(struct client *c, struct sgx_call *call)
{
	bool any = false;

	for (uint32_t i = 0; i < PROTO_SLOTS; i++) {
		if (!posted(c, i) || atomic_load(&c->stop) ||
		    atomic_load(&c->state) != CLIENT_SERVED)
			continue;
		rpc_serve(c, i, call);
		any = true;
	}
	return any;
}

static void sleep_on_doorbell(struct client *c, uint32_t bell)
{
	struct proto_channel *ch = c->channel;

	/*
	 * Pairs with the agent's: post, doorbell + 1, look at daemon_sleeps.
	 * Either it sees that we sleep and wakes us, or the futex sees its ring.
	 */
	__atomic_store_n(&ch->daemon_sleeps, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&ch->doorbell, __ATOMIC_SEQ_CST) == bell && !atomic_load(&c->stop))
		futex(&ch->doorbell, FUTEX_WAIT, bell);
	__atomic_store_n(&ch->daemon_sleeps, 0, __ATOMIC_RELAXED);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void client_leave_cpu(int cpu)
{
	cpu_set_t all, others;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	others = all;
	CPU_CLR((unsigned)cpu, &others);
	/* there and free again: where it runs is the scheduler's to say */
	if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof(others), &others))
		(void)sched_setaffinity(0, sizeof(all), &all);
}

/* Seldom: the agent uses the words beside it, and a store takes the line away. */
static void tell_cpu(struct client *c, uint32_t value)
{
	if (__atomic_load_n(&c->channel->daemon_cpu, __ATOMIC_RELAXED) != value)
		__atomic_store_n(&c->channel->daemon_cpu, value, __ATOMIC_RELAXED);
}

/* How a service thread and its client's share the CPUs */
struct company {
	unsigned together; /* calls of late that both made on one CPU */
	unsigned apart; /* that they did not */
	unsigned patience; /* how many of the former are too many */
};

/*
 * A scheduler that puts both ends of a call on one CPU makes two switches of each,
 * and spinning there keeps the other end from running.  Move; but the less often
 * the shorter it lasted.
 * Return: true if the other end seems to have a CPU of its own.
 */
static bool beside(struct client *c, const struct sgx_call *call, struct company *co)
{
	int cpu = sched_getcpu();

	tell_cpu(c, (uint32_t)(cpu + 1));
	if (cpu < 0 || call->slot.cpu != (uint32_t)cpu + 1) {
		co->together = 0;
		if (++co->apart == APART_WORTH)
			co->patience = PATIENCE_MIN;
		return true;
	}
	if (++co->together < co->patience)
		return false;
	co->together = 0;
	co->apart = 0;
	if (co->patience < PATIENCE_MAX)
		co->patience *= 2;
	/*
	 * Some 100 us, if the other CPU has to be woken.  The other end should
	 * not sleep meanwhile: our wake of it would take it along.
	 */
	tell_cpu(c, PROTO_CPU_MOVING);
	client_leave_cpu(cpu);
	tell_cpu(c, (uint32_t)(sched_getcpu() + 1));
	return true;
}

static void *service(void *arg)
{
	struct client *c = arg;
	struct proto_channel *ch = c->channel;
	uint32_t budget = c->machine->spin ? SPIN_MIN : 0, bell;
	struct company company = {.patience = PATIENCE_MIN};
	bool alone = true;
	struct sgx_call *call = calloc(1, sizeof(*call));

	if (!call) {
		client_break(c, "no memory to serve it", 0);
		return NULL;
	}
	while (!atomic_load(&c->stop)) {
		uint32_t spins = 0, limit;
		int64_t asleep;

		bell = __atomic_load_n(&ch->doorbell, __ATOMIC_ACQUIRE);
		if (serve_posted(c, call)) {
			alone = !budget || beside(c, call, &company);
			continue;
		}
		if (stream_serve(c)) {
			alone = true;
			continue;
		}
		/* Where an ADD_PAGES goes on, its next piece is due */
		limit = budget && call->more ? 4 * SPIN_MAX : budget;
		while (alone && spins < limit &&
		       __atomic_load_n(&ch->doorbell, __ATOMIC_ACQUIRE) == bell) {
			__builtin_ia32_pause();
			spins++;
		}
		if (alone && spins < limit) {
			budget = budget < SPIN_MAX / 2 ? 2 * budget : SPIN_MAX;
			continue;
		}
		asleep = budget ? now_ns() : 0;
		sleep_on_doorbell(c, bell);
		if (budget && now_ns() - asleep < SOON_NS)
			budget = budget < SPIN_MAX / 4 ? 4 * budget : SPIN_MAX;
		else if (budget > SPIN_MIN)
			budget /= 2;
	}
	free(call);
	return NULL;
}

static void stop_service(struct client *c)
{
	struct timespec until;

	atomic_store(&c->stop, true);
	/* The doorbell is the client's too, it could undo one ring; not all */
	do {
		__atomic_fetch_add(&c->channel->doorbell, 1, __ATOMIC_SEQ_CST);
		futex(&c->channel->doorbell, FUTEX_WAKE, INT32_MAX);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 20000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
	} while (pthread_timedjoin_np(c->thread, NULL, &until) == ETIMEDOUT);
}

static void unlink_client(struct client *c)
{
	struct machine *m = c->machine;

	pthread_mutex_lock(&m->lock);
	for (struct client **p = &m->clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			m->client_count--;
			break;
		}
	}
	pthread_mutex_unlock(&m->lock);
}

static void free_client(struct client *c)
{
	if (c->channel)
		munmap(c->channel, PROTO_CHANNEL_SIZE);
	if (c->pidfd.fd >= 0)
		close(c->pidfd.fd);
	discard_fd(c->private.fd);
	discard_fd(c->mm.uffd);
	pthread_mutex_destroy(&c->mm.lock);
	pthread_mutex_destroy(&c->stream_lock);
	cpuid_scan_end(c);
	free(c->mm.mapping);
	free(c->held);
	free(c);
}

/**
 * client_end() - a client is gone: forget it
 * @c: client; freed
 *
 * Context: main thread.  Its descriptors and mappings are the kernel's to drop;
 * enclaves end by themselves when the last of these is gone.
 */
void client_end(struct client *c)
{
	struct machine *m = c->machine;
	struct enclave **all;
	uint32_t count;

	loop_del(m, &c->pidfd);
	loop_del(m, &c->private);
	stop_service(c);
	stream_end_client(c);
	unlink_client(c);
	if (c->channel->panic_code)
		log_line("process %d: agent panic %u at line %u, value %#llx", c->pid,
			 c->channel->panic_code, c->channel->panic_line,
			 (unsigned long long)c->channel->panic_value);
	/* Also where there is no memory for what follows; who is off the list has none. */
	pthread_mutex_lock(&m->lock);
	for (struct enclave *e = m->enclaves; e; e = e->next) {
		paging_del_mm(e, &c->mm);
		enclave_wipe_dead(e, c->number);
	}
	pthread_mutex_unlock(&m->lock);
	all = enclave_all(m, &count);
	for (uint32_t i = 0; all && i < count; i++) {
		rpc_ioctl_abandon(c, all[i]);
		enclave_put(all[i]);
	}
	free(all);
	free_client(c);
}

static void pidfd_ready(struct machine *m, struct source *s, uint32_t events)
{
	client_end(container_of(s, struct client, pidfd));
}

static void private_ready(struct machine *m, struct source *s, uint32_t events)
{
	struct client *c = container_of(s, struct client, private);
	char byte;

	if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
		client_end(c);
		return;
	}
	/*
	 * Nothing is ever said here by the client.  It is not taken out of the socket:
	 * whatever descriptors are with it go with the socket, where nobody waits.
	 */
	if (recv(s->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN)
		return;
	loop_del(m, s);
	client_break(c, "message on its private socket", 0);
}

static int make_channel(struct client *c)
{
	struct proto_channel *ch;
	int fd, ret;

	fd = memfd_create("swsgx-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* Sealed: a client that shrank it would kill us with SIGBUS */
	if (ftruncate(fd, PROTO_CHANNEL_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto fail;
	ch = mmap(NULL, PROTO_CHANNEL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ch == MAP_FAILED)
		goto fail;
	ch->magic = PROTO_MAGIC;
	ch->version = PROTO_VERSION;
	ch->client = c->number;
	ch->spin = c->machine->spin;
	ch->shown_at = c->shown_at;
	c->channel = ch;
	return fd;

fail:
	ret = -errno;
	close(fd);
	return ret;
}

static struct client *find_pid(struct machine *m, pid_t pid)
{
	struct client *c;

	pthread_mutex_lock(&m->lock);
	for (c = m->clients; c && c->pid != pid; c = c->next)
		;
	pthread_mutex_unlock(&m->lock);
	return c; /* only this thread ends clients */
}

/**
 * client_number() - a number for a new client
 * @clients:	those that there are
 * @last:	that was given before
 *
 * TCS slots have the numbers of those whose threads are inside, and give them back at a
 * client's end: so two living clients never have the same.
 * Context: main thread, which alone makes and ends clients.
 * Return: the next number that nobody has; 0: there is none left.
 */
uint32_t client_number(const struct client *clients, uint32_t last)
{
	for (uint32_t tries = 1; tries < LP_OWNER_CLIENTS; tries++) {
		const struct client *c = clients;

		last = last % (LP_OWNER_CLIENTS - 1) + 1;
		while (c && c->number != last)
			c = c->next;
		if (!c)
			return last;
	}
	return 0;
}

/* It learns why; EMFILE would be its own limit. */
static void client_refuse(int private_fd, int error)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_CONNECTED,
		.status = error == -EMFILE ? -ENFILE : error,
	};

	msg.words[0] = (uint64_t)getpid();
	(void)sock_send(private_fd, &msg, NULL, 0, NULL, 0);
}

/**
 * client_connect() - PROTO_MSG_CONNECT
 * @m:		machine
 * @pid:	of the process, as the kernel says
 * @pidfd:	of it; -errno: there is none
 * @private_fd:	its private socket
 * @uffd:	its userfaultfd, or -1
 *
 * Context: main thread.  Takes the descriptors, also on failure.
 * Return: 0, or -errno (the process is told, and sees its private socket close).
 */
int client_connect(struct machine *m, pid_t pid, int pidfd, int private_fd, int uffd)
{
	struct client *old = find_pid(m, pid), *c;
	int channel, fds[2], ret;
	char cause[64];

	if (old)
		client_end(old);
	c = calloc(1, sizeof(*c));
	if (!c) {
		client_refuse(private_fd, -ENOMEM);
		discard_fd(private_fd);
		discard_fd(uffd);
		if (pidfd >= 0)
			close(pidfd);
		return -ENOMEM;
	}
	c->machine = m;
	c->pid = pid;
	c->private.fd = private_fd;
	c->mm.uffd = uffd;
	c->number = client_number(m->clients, m->last_number);
	atomic_init(&c->state, CLIENT_SERVED);
	pthread_mutex_init(&c->mm.lock, NULL);
	pthread_mutex_init(&c->stream_lock, NULL);
	c->pidfd.fd = pidfd;
	if (pidfd < 0) {
		ret = pidfd;
		goto fail;
	}
	ret = holder_begin(c);
	if (ret)
		goto fail;
	if (!c->number) {
		ret = -EUSERS;
		goto fail;
	}
	m->last_number = c->number;
	c->proc = pids_in_proc(pid, pidfd);
	if (uffd >= 0) {
		ret = uffd_check(uffd);
		if (ret)
			goto fail;
	}
	channel = make_channel(c);
	if (channel < 0) {
		ret = channel;
		goto fail;
	}
	/* Before the thread, which reads what this writes; events come to us alone */
	ret = loop_add(m, &c->pidfd, c->pidfd.fd, EPOLLIN, pidfd_ready);
	if (!ret)
		ret = loop_add(m, &c->private, private_fd, EPOLLIN | EPOLLRDHUP, private_ready);
	if (!ret)
		ret = -pthread_create(&c->thread, NULL, service, c);
	if (ret) {
		loop_del(m, &c->pidfd);
		loop_del(m, &c->private);
		close(channel);
		goto fail;
	}

	pthread_mutex_lock(&m->lock);
	c->next = m->clients;
	m->clients = c;
	m->client_count++;
	m->clients_connected++;
	pthread_mutex_unlock(&m->lock);
	fds[0] = channel;
	fds[1] = m->page_fd;
	ret = client_send(c, PROTO_MSG_CONNECTED, 0, fds, 2);
	close(channel);
	if (ret)
		client_end(c);
	return ret;

fail:
	log_line("process %d could not connect: %s%s", pid, strerror(-ret),
		 limits_cause(-ret, cause, sizeof(cause)));
	client_refuse(private_fd, ret);
	free_client(c);
	return ret;
}
