/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host in the manner of Intel's uRTS before it used the vDSO: libc and pthreads,
 * ENCLU of its own, and signal handlers that make an ECALL where the interrupted
 * RIP is the AEP and RAX says ERESUME.
 */
#ifndef TESTS_HOSTS_URTS_H
#define TESTS_HOSTS_URTS_H

#include "image.h"

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* What an ECALL may give back besides the runtime's own answer */
#define URTS_LOST     0x1000u /* EENTER faulted: the enclave has gone */
#define URTS_NO_SLOT  0x1001u /* all TCSs are taken */
#define RT_EVENT_NONE RT_EVENT_COUNT /* the runtime refuses it */

struct urts_call {
	struct rt_call call;
	struct rt_oc oc; /* where the runtime looks for it */
};

/* One of a thread: what the signal handler finds by RBP */
struct urts_thread {
	uint64_t tcs;
	unsigned int slot;
};

struct urts {
	const struct layout *layout;
	int fd;
	uint64_t base, code, data, heap;
	bool used[RT_TCS_COUNT];
};
extern struct urts urts;

/* How the ELRANGE is reserved */
enum urts_way {
	URTS_WHOLE, /* mapped PROT_NONE of the device, then mprotect */
	URTS_RUNS, /* anonymous, then the device's pages over it */
};

void urts_load(const char *name, enum urts_way way);
void urts_unload(void);
bool urts_has_avx(void); /* the machine offers XFRM 7 */

/* urts_enter.S */
uint32_t urts_enter(struct urts_thread *t, uint64_t fn, void *ms);
extern const uint8_t urts_aep[], urts_eenter[], urts_ret[];

uint32_t urts_ecall(uint64_t fn, struct urts_call *c); /* on the thread's own TCS */
struct urts_thread *urts_thread_get(void); /* NULL: no TCS left */
void urts_thread_put(void); /* the thread gives its TCS back */
uint64_t urts_ocall(uint64_t number, struct rt_oc *oc, struct urts_thread *t);
/* A case's own OCALL; true: *ret is its answer */
extern bool (*urts_ocall_hook)(uint64_t number, struct rt_oc *oc, uint64_t *ret);

/* signals */
void urts_signals(void);
struct urts_caught {
	int sig, code;
	uint64_t addr, trapno, err;
	uint64_t exceptions; /* in the enclave, by this thread */
	uint64_t enter_faults;
	uint64_t handlers; /* that ran */
};
extern __thread struct urts_caught urts_caught;
extern __thread uint64_t urts_event; /* what the handler tells phase 1; 0: RT_EVENT_FAULT */

#endif
