/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_ENCLAVE_DEBUGGER_H
#define TESTS_ENCLAVE_DEBUGGER_H

#include "encl.h"

#include <sys/types.h>

/* A question about a process (enum proto_debug_op), 8 bytes.  Return: the answer's status. */
int debug_ask(pid_t pid, uint32_t op, uint64_t addr, uint64_t *data);
/* EDBGRD or EDBGWR of 8 bytes.  0 or -errno. */
int debug_access(uint64_t addr, uint64_t *data, bool write);
/* EDBGWR of TCS.FLAGS: opt-in entry on or off.  0 or -errno. */
int debug_opt_in(struct encl *e, unsigned int tcs, bool on);

#endif
