/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_ENCLAVE_DEBUGGER_H
#define TESTS_ENCLAVE_DEBUGGER_H

#include "encl.h"

/* EDBGRD or EDBGWR of 8 bytes.  0 or -errno. */
int debug_access(uint64_t addr, uint64_t *data, bool write);
/* EDBGWR of TCS.FLAGS: opt-in entry on or off.  0 or -errno. */
int debug_opt_in(struct encl *e, unsigned int tcs, bool on);

#endif
