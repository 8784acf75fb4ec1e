/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine and agents for tests: the machine is a child process, an agent is a
 * process of the test that speaks proto/ as the real agent does.
 */
#ifndef TESTS_UNIT_DAEMON_AGENT_H
#define TESTS_UNIT_DAEMON_AGENT_H

#include <daemon/daemon.h>
#include <proto/channel.h>
#include <proto/msg.h>

#include <stdbool.h>

/* --- the machine -------------------------------------------------------------- */

#define TEST_MACHINE "unit"

/* Folders below a new one in /tmp, for sockets and fuses; sets the environment. */
void test_folders(void);
void test_folders_remove(void);
/* Start the machine TEST_MACHINE as a child.  Return: its pid. */
pid_t test_machine_start(uint64_t epc_size);
/* Stop it, check that it exits with 0, and remove the folders. */
void test_machine_stop(pid_t pid);
/* A number in the machine's JSON: the one after the first "name" behind "where". */
uint64_t test_stat(const char *where, const char *name);
/* Wait until that number is value; fails after half a minute. */
void test_stat_wait(const char *where, const char *name, uint64_t value);
/* Every EPC page is free and no enclave is there, or will be soon. */
void test_all_free(void);

/* --- an agent -------------------------------------------------------------------- */

struct agent {
	int command;
	int private;
	int uffd; /* -1: has none */
	struct proto_channel *ch;
	const struct proto_machine_page *page;
	pid_t daemon;
};

/* A new command socket to the machine. */
int agent_command(void);
/* Connect this process; takes nothing.  Return: 0, or -1 where refused. */
int agent_connect(struct agent *a, int command, bool uffd);
/* A userfaultfd; features 0: one on which UFFDIO_API has not been done.  Skips without. */
int agent_uffd(uint64_t features);
/* With that userfaultfd.  Return: also what status the daemon has refused it with. */
int agent_connect_with(struct agent *a, int command, int uffd);
/* A message with whatever descriptors, at most 16.  Return: 0 or -1 */
int agent_send(int command, enum proto_msg_type type, const int *fds, unsigned count);
/* Close and unmap all of it, the command socket too. */
void agent_close(struct agent *a);

/* Claim a slot, zeroed but for op and encl. */
struct proto_slot *agent_slot(struct agent *a, enum proto_op op, uint64_t encl);
/* Put bytes into the slot's data, as the segment at uaddr. */
void agent_segment(struct proto_slot *s, uint64_t uaddr, const void *bytes, uint32_t size);
/* Post and wait.  Return: ret. */
int64_t agent_call(struct agent *a, struct proto_slot *s);
/* The descriptor that came with the answer. */
int agent_receive_fd(struct agent *a, const struct proto_slot *s);
void agent_free(struct proto_slot *s);

/* --- an enclave through it --------------------------------------------------------- */

struct test_enclave {
	int fd;
	uint64_t id, dev;
	uint8_t *base; /* of the ELRANGE, reserved and not mapped yet */
	uint64_t size;
	uint8_t *reservation;
};

int64_t enclave_try_open(struct agent *a, struct test_enclave *e);
/* Show another agent's enclave by its descriptor.  Return: as LOOKUP. */
int64_t enclave_show(struct agent *a, const struct test_enclave *e);
/* Lock (F_WRLCK) or unlock bytes of a file.  Return: 0 or -1 */
int lock_bytes(int fd, short type, uint64_t start, uint64_t size);
/* LOOKUP of the number, without a lock.  Return: its. */
int64_t enclave_look(struct agent *a, const struct test_enclave *e);
void enclave_create(struct agent *a, struct test_enclave *e, uint64_t pages);
/* Where nothing is reserved for it */
void enclave_create_at(struct agent *a, struct test_enclave *e, uint64_t pages, uint64_t base);
/* Pages of bytes, all of one type, as one ADD_PAGES.  Return: as the ioctl. */
int64_t enclave_add(struct agent *a, struct test_enclave *e, uint64_t page, const uint8_t *bytes,
		    uint64_t count, uint64_t secinfo_flags, uint64_t *ret_added);
/* One piece of it, for what goes wrong between two. */
int64_t enclave_add_piece(struct agent *a, struct test_enclave *e, uint64_t offset, uint64_t length,
			  const uint8_t *bytes, uint32_t count, uint32_t flags,
			  uint64_t secinfo_flags, uint64_t *ret_added);
/* Map all of it as the agent does: registered first, accessible then. */
void enclave_map(struct agent *a, struct test_enclave *e, int prot);
int64_t enclave_fault(struct agent *a, struct test_enclave *e, uint64_t page, uint32_t error_code,
		      int prot);
void enclave_drop(struct test_enclave *e);

#define SECINFO_REG_RW (2u << 8 | 3)
#define SECINFO_REG_R  (2u << 8 | 1)
#define SECINFO_TCS    (1u << 8)

#endif
