/* SPDX-License-Identifier: BSD-3-Clause */
/* What step_entry (the tracer) and step_target (the program) share: one page. */
#ifndef TESTS_AGENT_STEP_H
#define TESTS_AGENT_STEP_H

#include <stdint.h>
#include <sys/ucontext.h>

/* RFLAGS that the program has set at the call: DF, NT and ID */
#define STEP_FLAGS 0x204400u

struct step_shared {
	/* by the target, once */
	volatile uint32_t ready;
	volatile uint32_t rsvd;
	uint64_t enter; /* __vdso_sgx_enter_enclave */
	uint64_t base, size; /* ELRANGE */
	uint64_t tcs;
	/* by the tracer */
	volatile uint32_t attached; /* go */
	volatile uint32_t stop; /* the next round is the last */
	volatile uint32_t elsewhere; /* enter another enclave before each round */
	volatile uint32_t rsvd2;
	/* by the target, each round */
	volatile uint32_t rounds; /* finished, all well */
	volatile uint32_t handled; /* signals in this round */
	greg_t regs[NGREG]; /* that its handler found */
};

#endif
