/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a client: whatever bytes stand in its slots, the daemon answers or
 * ends that client, and loses no EPC page.
 *
 * Input: struct step, then bytes for data[], again and again.  Small numbers in a
 * step choose what a random 64-bit value would never hit: the enclave that is
 * there, an ioctl that exists, an argument that was sent.
 */
#include "machine.h"

#include <asm/sgx.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
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

static struct machine m;
static struct client c;
static struct sgx_call call;
static int peer;

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
	c.machine = &m;
	c.pid = getpid();
	c.private.fd = sp[0];
	c.pidfd.fd = -1; /* client_break() kills nobody */
	c.mm.uffd = -1;
	pthread_mutex_init(&c.mm.lock, NULL);
	c.channel = mmap(NULL, PROTO_CHANNEL_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c.channel == MAP_FAILED)
		abort();
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

static void run_step(const struct step *in, const uint8_t *bytes, int *held, uint64_t *encl)
{
	struct proto_slot *s = &c.channel->slot[in->op % PROTO_SLOTS];

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
	s->state = PROTO_POSTED;
	atomic_store(&c.state, CLIENT_SERVED);
	rpc_serve(&c, (uint32_t)(s - c.channel->slot), &call);
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
		rpc_ioctl_abandon(&c, all[i]);
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
	free(c.encl);
	c.encl = NULL;
	c.encl_count = c.encl_room = 0;
	c.mm.count = 0;
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
