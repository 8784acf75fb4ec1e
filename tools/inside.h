/* SPDX-License-Identifier: BSD-3-Clause */
/* Tools and the command socket; tools that are themselves programs of a machine. */
#ifndef TOOLS_INSIDE_H
#define TOOLS_INSIDE_H

#include <proto/msg.h>

#include <stdbool.h>
#include <daemon/daemon.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct inside - the machine that this process is a program of
 * @error:	0, or -errno: it does not answer, and the rest is unknown
 * @daemon:	its pid, as it numbers itself
 * @epc_size:	bytes
 * @backing_max: bytes; 0: no limit
 * @model:	which processor CPUID shows: enum cpu_model_number
 * @exec_next:	where the agent has the flags of the next exec
 */
struct inside {
	int error;
	uint64_t daemon;
	uint64_t epc_size;
	uint64_t backing_max;
	uint32_t model;
	uint64_t exec_next;
};

int command_ask(int command, const struct proto_msg *msg, enum proto_msg_type type,
		struct proto_msg *answer);
bool inside_find(struct inside *in);
void inside_exec_flags(const struct inside *in, uint32_t flags);

#define INSIDE_NOT_GIVEN UINT32_MAX /* of device_mode and device_gid */
const char *inside_other_device(const struct daemon_options *options, bool provision);

#endif
