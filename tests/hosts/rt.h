/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the enclave runtime of these tests and its hosts agree on.  C and assembly.
 *
 * The runtime works as those of Gramine and of Intel's SDK do: ECALLs and OCALLs
 * on a stack of the enclave's own, and exceptions in two phases.  The host enters
 * with CSSA 1; phase 1 rewrites SSA[0] so that ERESUME goes to phase 2, which
 * runs on the interrupted stack, looks at the exception and goes on.
 *
 * At EENTER	RDI = ECALL number, RT_ORET, or (CSSA > 0) an event
 *		RSI = argument; RDX = where EEXIT goes, 0: behind the host's ENCLU
 * At EEXIT	RDI = OCALL number or RT_ERET, RSI = argument or status
 */
#ifndef TESTS_HOSTS_RT_H
#define TESTS_HOSTS_RT_H

#define RT_PAGE	      4096
#define RT_TCS_COUNT  8
#define RT_STACK_SIZE (4 * RT_PAGE)
#define RT_EXC_SIZE   RT_PAGE /* of the stack of entries with CSSA > 0 */
#define RT_EXC_FRAME  1024 /* of it, for each CSSA */

#define RT_ORET	      (-1)
#define RT_ERET	      (-2)

/* What phase 1 answers (RSI at EEXIT) */
#define RT_HANDLED 0
#define RT_NESTED  1 /* CSSA is above 1: nothing was done */
#define RT_OVERRUN 2 /* no room on the interrupted stack */
#define RT_EARLY   3 /* this TCS has not had an ECALL yet */
#define RT_REFUSED 4 /* an event that it does not know */

/* Events that the host reports */
#define RT_EVENT_FAULT 1 /* what the processor raised */
#define RT_EVENT_QUIT  2 /* asynchronous: SIGTERM */
#define RT_EVENT_WAKE  3 /* asynchronous: SIGCONT and others */
#define RT_EVENT_TRAP  4 /* asks phase 1 itself to execute UD2 */
#define RT_EVENT_COUNT 5

/* struct rt_tls, at GS and FS */
#define TLS_SELF      0
#define TLS_STACK_TOP 8
#define TLS_EXC_TOP   16
#define TLS_OCALL_SP  24 /* innermost OCALL under way; 0: none */
#define TLS_EXIT      32
#define TLS_OUT_RSP   40
#define TLS_OUT_RBP   48
#define TLS_FIXUP     56 /* where phase 2 goes on after a fault */
#define TLS_BUSY      64 /* phase 2 is under way: asynchronous events are counted alone */

/* struct rt_context */
#define CTX_RAX	     0
#define CTX_RCX	     8
#define CTX_RDX	     16
#define CTX_RBX	     24
#define CTX_RSP	     32
#define CTX_RBP	     40
#define CTX_RSI	     48
#define CTX_RDI	     56
#define CTX_R8	     64
#define CTX_R9	     72
#define CTX_R10	     80
#define CTX_R11	     88
#define CTX_R12	     96
#define CTX_R13	     104
#define CTX_R14	     112
#define CTX_R15	     120
#define CTX_RFLAGS   128
#define CTX_RIP	     136
#define CTX_LAST_RSP 144

#ifndef __ASSEMBLER__
#include <stdint.h>

enum rt_ecall {
	RT_NOP, /* r = CSSA as the ECALL found it, FS and GS as a check */
	RT_ADD, /* r = a + b */
	RT_OCALLS, /* a times OC_ADD; r = the sum of what it gives back */
	RT_NEST, /* a levels: OCALL, ECALL, OCALL ...; r = levels seen */
	RT_COUNT, /* until *flag; r = rounds, bad = registers that went out of step */
	RT_RAISE, /* exception of kind a, at address b; r, vector, type, exinfo */
	RT_WORK, /* a rounds of everything; r = a sum that the host knows */
	RT_OTHER_STACK, /* an OCALL that leaves on the stack at a */
	RT_REPORT, /* report for the target at buf[0], data at buf[512], into buf[1024] */
	RT_KEY, /* KEYREQUEST at buf[0]; key into buf[512]; r = code */
	RT_THREAD, /* adds b to the word at a, then OC_EXIT, which does not return */
	RT_RESET, /* forgets the OCALLs under way */
	RT_STATS, /* counters of this TCS */
	RT_SLEEP, /* OC_SLEEP; r = what it gave back */
	RT_TOUCH, /* writes to every page of [a, a + b); r = pages */
	RT_DEEP, /* an exception with next to nothing left of the stack */
	RT_CPUID, /* leaf a, sub-leaf b; regs in buf */
};

enum rt_ocall {
	OC_ADD, /* r = a + 1 */
	OC_NEST,
	OC_EXIT,
	OC_SLEEP,
	OC_CPUID, /* leaf a, sub-leaf b; four registers in regs */
	OC_STACK, /* r = RSP of the handler */
	OC_FATAL, /* an exception that nobody expected: vector a, RIP b */
};

enum rt_raise {
	RAISE_UD2,
	RAISE_DE,
	RAISE_BP, /* SDM: INT3 after an opt-out entry is #UD */
	RAISE_GP, /* not canonical */
	RAISE_HLT, /* #GP by the privilege */
	RAISE_READ, /* address b */
	RAISE_WRITE,
	RAISE_JUMP,
	RAISE_MF, /* x87 0/0, unmasked */
	RAISE_XM, /* SSE 0/0, unmasked */
	RAISE_AC, /* unaligned with AC (no #AC where CR0.AM is 0) */
	RAISE_NONE, /* an emulated instruction: UD2, and phase 2 makes an OCALL */
};

/* Memory of the host's.  The runtime is a test's: it trusts its host. */
struct rt_call {
	uint64_t a, b;
	uint64_t flag; /* address */
	uint64_t ready; /* address of a word that is set when the loop runs */
	uint64_t buf; /* address */
	uint64_t r;
	uint64_t bad;
	uint32_t valid, vector, type, errcd;
	uint64_t maddr;
	uint64_t phase1, phase2, outside_rsp, deferred, nested;
	uint64_t events[RT_EVENT_COUNT];
};

struct rt_oc {
	uint64_t a, b;
	uint64_t call; /* the ECALL's struct rt_call */
	uint64_t r;
	uint32_t regs[4];
};
#endif

#endif
