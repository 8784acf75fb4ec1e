/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command socket of a program, from a tool's side: of the one that it makes, and
 * of the one that it finds where it is itself a program of a machine.
 */
#include "inside.h"

#include <proto/agent.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_message(int sock, const struct proto_msg *msg, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		hdr.msg_control = control.space;
		hdr.msg_controllen = sizeof(control.space);
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(sock, &hdr, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Return: status of the message; -EPIPE: the machine died. */
static int await(int sock, struct proto_msg *msg, enum proto_msg_type type)
{
	ssize_t n;

	do
		n = recv(sock, msg, sizeof(*msg), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*msg))
		return -EPIPE;
	if (msg->magic != PROTO_MAGIC || msg->version != PROTO_VERSION || msg->type != type)
		return -EPROTO;
	return msg->status;
}

/**
 * command_ask() - ask on a command socket, with a socket for the answer
 * @command:	the socket
 * @msg:	question
 * @type:	of the answer
 * @answer:	receives it
 *
 * Return: its status; -EPIPE: the machine died; other -errno.
 */
int command_ask(int command, const struct proto_msg *msg, enum proto_msg_type type,
		struct proto_msg *answer)
{
	int sp[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp))
		return -errno;
	ret = send_message(command, msg, sp[1]);
	close(sp[1]);
	if (!ret)
		ret = await(sp[0], answer, type);
	close(sp[0]);
	return ret;
}

/* What is at an address of this process, where that can be read: write() says EFAULT. */
static bool peek(uint64_t addr, void *buf, size_t size)
{
	int p[2];
	bool there;

	if (pipe2(p, O_CLOEXEC))
		return false;
	there = write(p[1], (const void *)(uintptr_t)addr, size) == (ssize_t)size &&
		read(p[0], buf, size) == (ssize_t)size;
	close(p[0]);
	close(p[1]);
	return there;
}

/**
 * inside_find() - is this process a program of a machine?
 * @in: receives which
 *
 * Its agent is the proof: the environment may be cleared or forged, and a socket be
 * inherited by who has no agent.
 *
 * Return: true where it is, also where the machine does not answer (@in->error).
 */
bool inside_find(struct inside *in)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_WHO,
	};
	struct proto_agent_header header;
	struct proto_agent_debug debug;
	struct proto_msg answer;
	int32_t command;

	memset(in, 0, sizeof(*in));
	if (!peek(PROTO_AGENT_BASE, &header, sizeof(header)) || header.magic != PROTO_AGENT_MAGIC)
		return false;
	in->error = -EPROTO; /* another version of swsgx */
	if (header.version != PROTO_VERSION ||
	    !peek(PROTO_AGENT_BASE + header.debug, &debug, sizeof(debug)) ||
	    debug.size != sizeof(debug) ||
	    !peek(PROTO_AGENT_BASE + debug.fd_base, &command, sizeof(command)))
		return true;
	in->error = command_ask(command, &msg, PROTO_MSG_OK, &answer);
	if (in->error)
		return true;
	in->exec_next = PROTO_AGENT_BASE + debug.exec_next;
	in->daemon = answer.words[PROTO_WHO_PID];
	in->epc_size = answer.words[PROTO_WHO_EPC];
	in->backing_max = answer.words[PROTO_WHO_BACKING];
	in->model = (uint32_t)answer.words[PROTO_WHO_CPU];
	return true;
}

/**
 * inside_exec_flags() - what the agent is to ask for at this process' next exec
 * @in:		found
 * @flags:	PROTO_EXEC_*
 */
void inside_exec_flags(const struct inside *in, uint32_t flags)
{
	*(volatile uint32_t *)(uintptr_t)in->exec_next = flags;
}
