/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests that run by on_machine.sh: talking to the machine that they are on. */
#ifndef TESTS_SYSTEM_MACHINE_H
#define TESTS_SYSTEM_MACHINE_H

#include "encl.h"

#include <stdint.h>

/* `swsgx machine VERB NAME` and what follows.  Return: its exit status */
int machine_do(const char *verb, const char *arguments);
/* A number of "epc" in its JSON report */
uint64_t machine_epc(const char *name);
uint64_t machine_eid(const struct encl *e);
/* A page of the enclave gets a memory error.  Return: exit status; 1: it is evicted */
int machine_poison(uint64_t eid, uint64_t offset);
void machine_wait_free(void);

#endif
