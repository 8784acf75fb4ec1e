/* SPDX-License-Identifier: BSD-3-Clause */
/* The rule that a call was refused by is in the slot of its answer. */
#include "daemon_agent.h"

#include <asm/sgx.h>
#include <harness/harness.h>
#include <unistd.h>

TEST(the_rule_is_in_the_answer)
{
	pid_t machine;
	struct proto_slot *s;
	struct agent a;
	uint64_t encl;
	int fd;

	test_folders();
	machine = test_machine_start(1 << 20);
	CHECK_EQ(agent_connect(&a, agent_command(), true), 0);
	s = agent_slot(&a, PROTO_OP_OPEN, 0);
	s->a0 = PROTO_DEV_ENCLAVE;
	CHECK_EQ(agent_call(&a, s), 0);
	encl = s->r0;
	fd = agent_receive_fd(&a, s);
	agent_free(s);
	s = agent_slot(&a, PROTO_OP_IOCTL, encl);
	s->a0 = SGX_IOC_ENCLAVE_INIT;
	s->a2 = PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST;
	CHECK_EQ(agent_call(&a, s), -EINVAL);
	CHECK_EQ(s->why.rule, WHY_INIT_NOT_CREATED);
	agent_free(s);
	/* a fault where the machine knows of no mapping */
	s = agent_slot(&a, PROTO_OP_FAULT, encl);
	s->a0 = 0x7f0000001234;
	s->a3 = ~0ull;
	CHECK_EQ(agent_call(&a, s), PROTO_VERDICT_SIGBUS);
	CHECK_EQ(s->why.rule, WHY_FAULT_UNKNOWN);
	CHECK_EQ(s->why.found, 0x7f0000001234);
	agent_free(s);
	/* and what is not refused has none, whatever the slot had before */
	s = agent_slot(&a, PROTO_OP_NOP, 0);
	s->why.rule = WHY_INIT_HASH;
	CHECK_EQ(agent_call(&a, s), 0);
	CHECK_EQ(s->why.rule, WHY_NOTHING);
	agent_free(s);
	close(fd);
	agent_close(&a);
	test_machine_stop(machine);
}
