/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a client: whatever bytes stand in its slots, the daemon answers or
 * ends that client, and loses no EPC page.
 *
 * Input: struct step, then bytes for data[], again and again.  Small numbers in a
 * step choose what a random 64-bit value would never hit: the enclave that is
 * there, an ioctl that exists, an argument that was sent.
 *
 * Steps are of two clients.  The first opens enclaves.  The stranger names them by their
 * numbers, which is to be as if there were none, until a LOOKUP at which the file is
 * locked for it, or an INHERIT with the key.
 *
 * The first has a userfaultfd, with which nothing is registered, so that its pages are
 * parked and written back; a NOP hands in others (odd_uffd()), none of which is taken.
 */
#include "machine.h"

#include <asm/sgx.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EPC_PAGES 256u

struct step {
	uint8_t op, encl, flags, segments;
	uint8_t bulk, src_pages;
	uint16_t data_size;
	uint64_t a0, a1, a2, a3;
	uint16_t segment[PROTO_SEGMENTS][2]; /* offset, size; uaddr is 0x1000 * number */
};

/* step.flags */
#define BY_STRANGER 0x20
#define IS_PROVED   0x10 /* LOOKUP and INHERIT */

static struct machine m;
static struct client owner, stranger;
static struct sgx_call call;
static int peer; /* of both private sockets */

/* -1: it cannot be had here.  features 0: UFFDIO_API is not done. */
static int make_uffd(uint64_t features)
{
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0 || !features || !ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -1;
}

/* What no agent hands in is refused; by the low bits of a number. */
static void odd_uffd(uint64_t which)
{
	int fd, taken;

	switch (which & 3) {
	case 0:
		fd = memfd_create("anon_inode:[userfaultfd]", MFD_CLOEXEC);
		break;
	case 1:
		fd = eventfd(0, EFD_CLOEXEC);
		break;
	default:
		which = which >> 2 & 0x1ffff;
		fd = make_uffd(which);
		if (fd >= 0 && which == PROTO_UFFD_FEATURES) {
			close(fd);
			return;
		}
		break;
	}
	if (fd < 0)
		return;
	taken = uffd_check(fd);
	close(fd);
	if (taken != -EINVAL)
		abort();
}

static void set_up_client(struct client *c, int private_fd, int uffd)
{
	c->machine = &m;
	c->pid = getpid();
	c->private.fd = private_fd;
	c->pidfd.fd = -1; /* client_break() kills nobody */
	c->mm.uffd = uffd;
	pthread_mutex_init(&c->mm.lock, NULL);
	pthread_mutex_init(&c->stream_lock, NULL);
	c->channel = mmap(NULL, PROTO_CHANNEL_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->channel == MAP_FAILED || holder_begin(c))
		abort();
	c->next = m.clients;
	m.clients = c;
}

static void set_up(void)
{
	static const struct daemon_options options = {.name = NULL,
						      .epc_size = EPC_PAGES * SGX_PAGE_SIZE,
						      .command_fd = -1,
						      .ready_fd = -1};
	struct daemon_ready ready = {0};
	int sp[2];

	setenv("XDG_STATE_HOME", "/nonexistent", 1);
	if (machine_init(&m, &options, &ready)) {
		fprintf(stderr, "%s\n", ready.message);
		abort();
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sp))
		abort();
	peer = sp[1];
	set_up_client(&owner, sp[0], m.memory.uffd < 0 ? -1 : make_uffd(PROTO_UFFD_FEATURES));
	set_up_client(&stranger, sp[0], -1);
}

/* Take what was sent; keep one descriptor of an enclave open at a time. */
static void receive(int *held, uint64_t *encl, uint64_t ino)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct proto_msg msg;
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};

	while (recvmsg(peer, &hdr, MSG_DONTWAIT) > 0) {
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
		int fd;

		if (!cmsg)
			continue;
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
		if (ino) {
			if (*held >= 0)
				close(*held);
			*held = fd;
			*encl = ino;
		} else {
			close(fd);
		}
		hdr.msg_controllen = sizeof(control.space);
	}
}

static bool holds(const struct client *c, uint64_t ino)
{
	for (uint32_t i = 0; i < c->held_count; i++)
		if (c->held[i]->ino == ino)
			return true;
	return false;
}

/* The enclave that is there, by what the agents of c would show of it */
static void show(const struct client *c, struct proto_slot *s, int held, bool begin)
{
	struct flock lock = {
		.l_type = begin ? F_WRLCK : F_UNLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)c->shown_at,
		.l_len = 1,
	};
	struct stat st;

	if (held < 0 || fstat(held, &st))
		return;
	if (s->op == PROTO_OP_LOOKUP) {
		/* not where it is nothing but a place, opened with O_PATH */
		(void)fcntl(held, F_OFD_SETLK, &lock);
		s->a0 = st.st_dev;
		s->a1 = st.st_ino;
	}
	for (struct enclave *e = m.enclaves; s->op == PROTO_OP_INHERIT && e; e = e->next) {
		if (e->ino == st.st_ino) {
			s->a0 = e->key[0];
			s->a1 = e->key[1];
		}
	}
}

/* Nothing is done to, nor told of, an enclave that the client does not hold. */
static void check_stranger(const struct proto_slot *s)
{
	switch (s->op) {
	case PROTO_OP_ATTACH:
	case PROTO_OP_IOCTL:
	case PROTO_OP_MAP:
	case PROTO_OP_FAULT:
	case PROTO_OP_ENCLU:
	case PROTO_OP_INHERIT:
		if (s->ret != -ENOTTY || s->fds || s->writeback || s->r0 || s->r1 || s->r2)
			abort();
		break;
	case PROTO_OP_LOOKUP:
		if (s->r0 == PROTO_DEV_ENCLAVE)
			abort();
		break;
	default:
		break;
	}
}

static void run_step(const struct step *in, const uint8_t *bytes, int *held, uint64_t *encl)
{
	struct client *c = in->flags & BY_STRANGER ? &stranger : &owner;
	struct proto_slot *s = &c->channel->slot[in->op % PROTO_SLOTS];
	uint64_t named;
	bool had, proved;

	memset(s, 0, sizeof(*s));
	s->op = in->op % (PROTO_OP_COUNT + 1);
	s->encl = in->encl & 3 ? *encl : in->encl;
	s->flags = in->flags;
	s->a0 = in->a0;
	s->a1 = in->a1;
	s->a2 = in->a2;
	s->a3 = in->a3;
	if (s->op == PROTO_OP_IOCTL) {
		static const uint32_t cmds[] = {SGX_IOC_ENCLAVE_CREATE, SGX_IOC_ENCLAVE_ADD_PAGES,
						SGX_IOC_ENCLAVE_INIT, SGX_IOC_ENCLAVE_PROVISION};

		if (in->a0 < 4)
			s->a0 = cmds[in->a0];
	} else if (s->op == PROTO_OP_OPEN) {
		s->a0 %= 4;
	}
	s->bulk = in->bulk % (PROTO_BULKS + 1);
	s->src_pages = in->src_pages % (PROTO_BULK_PAGES + 2);
	s->src_uaddr = in->a3 & SGX_PAGE_MASK;
	s->src_status = in->flags & 0x80 ? -14 : in->flags & 0x40 ? -13 : 0;
	s->segment_count = in->segments % (PROTO_SEGMENTS + 2);
	for (uint32_t i = 0; i < PROTO_SEGMENTS; i++)
		s->segment[i] = (struct proto_segment){.uaddr = 0x1000ull * (i + 1),
						       .offset = in->segment[i][0],
						       .size = in->segment[i][1]};
	memcpy(s->data, bytes, in->data_size);
	if (s->op == PROTO_OP_NOP)
		odd_uffd(s->a0);
	proved = in->flags & IS_PROVED;
	if (proved)
		show(c, s, *held, true);
	if (!proved && s->op == PROTO_OP_LOOKUP && in->a1 < 4) {
		s->a0 = m.provision_dev;
		s->a1 = *encl;
	}
	named = s->op == PROTO_OP_LOOKUP ? s->a1 : s->encl;
	had = holds(c, named);
	s->state = PROTO_POSTED;
	atomic_store(&c->state, CLIENT_SERVED);
	rpc_serve(c, (uint32_t)(s - c->channel->slot), &call);
	if (proved)
		show(c, s, *held, false);
	else if (!had && s->state == PROTO_DONE)
		check_stranger(s);
	if (!had && holds(c, named) && !proved)
		abort();
	if (s->state == PROTO_DONE)
		receive(held, encl,
			s->op == PROTO_OP_OPEN && s->a0 == PROTO_DEV_ENCLAVE ? s->r0 : 0);
	else
		receive(held, encl, 0);
}

static void check_all_free(void)
{
	struct sgx_epc_info epc;
	const char *why = NULL;
	uint32_t count;
	struct enclave **all = enclave_all(&m, &count);

	for (uint32_t i = 0; i < count; i++) {
		rpc_ioctl_abandon(&owner, all[i]);
		rpc_ioctl_abandon(&stranger, all[i]);
		enclave_put(all[i]);
	}
	free(all);
	/*
	 * The kernel may be a moment behind its own event, and the worker that makes
	 * pages ahead may have the last reference.
	 */
	for (int i = 0; i < 1000 && (m.enclaves || atomic_load(&m.ending)); i++) {
		enclave_inotify_ready(&m, &m.inotify, 0);
		if (m.recheck_ms)
			enclave_recheck(&m);
		if (m.enclaves || atomic_load(&m.ending))
			poll(NULL, 0, 1);
	}
	sgx_epc_info(m.sgx, &epc);
	if (m.enclaves || epc.free != epc.total || !sgx_check_invariants(m.sgx, &why)) {
		fprintf(stderr, "%llu of %llu pages are free: %s\n", (unsigned long long)epc.free,
			(unsigned long long)epc.total, why ? why : "");
		abort();
	}
	for (struct client *c = m.clients; c; c = c->next) {
		/* they went with the enclaves */
		if (c->held_count)
			abort();
		c->mm.count = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t encl = 0;
	int held = -1;

	if (!m.sgx)
		set_up();
	for (int steps = 0; steps < 64 && size >= sizeof(struct step); steps++) {
		struct step in;

		memcpy(&in, data, sizeof(in));
		data += sizeof(in);
		size -= sizeof(in);
		in.data_size %= PROTO_DATA_SIZE + 1;
		if (in.data_size > size)
			in.data_size = (uint16_t)size;
		run_step(&in, data, &held, &encl);
		data += in.data_size;
		size -= in.data_size;
	}
	if (held >= 0)
		close(held);
	check_all_free();
	return 0;
}
