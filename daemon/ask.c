/* SPDX-License-Identifier: BSD-3-Clause */
/* The tools' side of a conversation with a machine. */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int machine_ask(int fd, uint32_t type, uint32_t arg, FILE *text)
{
	uint64_t words[8] = {0};

	return machine_ask_words(fd, type, arg, text, words);
}

int machine_ask_words(int fd, uint32_t type, uint32_t arg, FILE *text, uint64_t words[8])
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = type,
		.arg = arg,
	};
	size_t room = sizeof(msg) + PROTO_TEXT_MAX;
	char *buf;
	int ret;

	memcpy(msg.words, words, sizeof(msg.words));
	ret = sock_send(fd, &msg, NULL, 0, NULL, 0);
	if (ret)
		return ret == -ECONNRESET ? -EPIPE : ret;
	buf = malloc(room);
	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = recv(fd, buf, room, 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* ECONNRESET: it ended before it read the question */
		ret = n < 0 && errno != ECONNRESET ? -errno : -EPIPE;
		if (n < (ssize_t)sizeof(msg))
			break;
		memcpy(&msg, buf, sizeof(msg));
		ret = -EPROTO;
		if (msg.magic != PROTO_MAGIC || msg.version != PROTO_VERSION)
			break;
		if (msg.type == PROTO_MSG_OK) {
			memcpy(words, msg.words, sizeof(msg.words));
			ret = msg.status;
			break;
		}
		if (msg.type != PROTO_MSG_TEXT)
			break;
		if (text)
			fwrite(buf + sizeof(msg), 1, (size_t)n - sizeof(msg), text);
	}
	free(buf);
	return ret;
}
