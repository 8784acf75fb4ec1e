/* SPDX-License-Identifier: BSD-3-Clause */
/* What debuggers look for in this image: see struct proto_agent_debug. */
#include "agent.h"
#include "offsets.h"

#define PROC_AT(field)	 (PROTO_AGENT_PROC + offsetof(struct agent_proc, field))
#define THREAD_AT(field) (PROTO_AGENT_BLOCK_THREAD + offsetof(struct agent_thread, field))

extern const struct proto_agent_debug agent_debug;
const struct proto_agent_debug agent_debug = {
	.size = sizeof(agent_debug),
	.text_end = PROTO_AGENT_IMAGE_MAX,
	.fd_base = PROC_AT(fd_base),
	.block_high = PROC_AT(block_high),
	.encl_count = PROC_AT(encl_count),
	.encl = PROC_AT(encl),
	.encl_size = sizeof(struct agent_encl),
	.encl_base = offsetof(struct agent_encl, secs.base),
	.encl_length = offsetof(struct agent_encl, secs.size),
	.thread_tid = THREAD_AT(tid),
	.thread_in_use = THREAD_AT(in_use),
	.thread_tcs = THREAD_AT(lp.tcs),
	.thread_tcs_addr = THREAD_AT(lp.tcs_addr),
	.thread_outside_rip = THREAD_AT(outside_rip),
	.thread_outside_rsp = THREAD_AT(outside_rsp),
	.thread_outside_rbp = THREAD_AT(outside_rbp),
	.thread_outside_fs = THREAD_AT(lp.save_fsbase),
	.exec_next = PROC_AT(exec_next),
};
