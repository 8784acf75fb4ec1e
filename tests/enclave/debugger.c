/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a debugger does to an enclave, by the process itself: a question to the
 * machine over the command socket (proto/debug.h).
 */
#include "debugger.h"

#include <errno.h>
#include <harness/harness.h>
#include <proto/agent.h>
#include <proto/debug.h>
#include <proto/msg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_SIZE offsetof(struct proto_debug, data)

/* The agent says where it keeps the number of the command socket. */
static int command_socket(void)
{
	const struct proto_agent_header *header = (const void *)PROTO_AGENT_BASE;
	const struct proto_agent_debug *debug =
		(const void *)(PROTO_AGENT_BASE + (uint64_t)header->debug);

	return *(const int32_t *)(PROTO_AGENT_BASE + (uint64_t)debug->fd_base);
}

static int private_socket(void)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC, .version = PROTO_VERSION, .type = PROTO_MSG_DEBUG};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
	int sp[2];

	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &sp[1], sizeof(sp[1]));
	CHECK_EQ(sendmsg(command_socket(), &hdr, MSG_NOSIGNAL), sizeof(msg));
	close(sp[1]);
	CHECK_EQ(recv(sp[0], &msg, sizeof(msg), 0), sizeof(msg));
	CHECK_EQ(msg.type, PROTO_MSG_OK);
	CHECK_EQ(msg.status, 0);
	return sp[0];
}

int debug_ask(pid_t pid, uint32_t op, uint64_t addr, uint64_t *data)
{
	struct proto_debug msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.op = op,
		.pid = (uint32_t)pid,
		.size = op <= PROTO_DEBUG_WRITE ? sizeof(*data) : 0,
		.addr = addr,
	};
	size_t size = HEADER_SIZE + (op == PROTO_DEBUG_WRITE ? sizeof(*data) : 0);
	int sock = private_socket();

	memcpy(msg.data, data, sizeof(*data));
	CHECK_EQ(send(sock, &msg, size, MSG_NOSIGNAL), size);
	CHECK(recv(sock, &msg, sizeof(msg), 0) >= (ssize_t)HEADER_SIZE);
	close(sock);
	if (op == PROTO_DEBUG_READ && msg.status > 0)
		memcpy(data, msg.data, sizeof(*data));
	return msg.status;
}

int debug_access(uint64_t addr, uint64_t *data, bool write)
{
	int ret = debug_ask(getpid(), write ? PROTO_DEBUG_WRITE : PROTO_DEBUG_READ, addr, data);

	if (ret < 0)
		return ret;
	CHECK_EQ(ret, sizeof(*data));
	return 0;
}

int debug_opt_in(struct encl *e, unsigned int tcs, bool on)
{
	uint64_t flags = on ? SGX_TCS_DBGOPTIN_BIT : 0;

	return debug_access(encl_tcs(e, tcs) + offsetof(struct sgx_tcs, flags), &flags, true);
}
