/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host in the manner of Gramine's: no libc, raw system calls, ENCLU of its own,
 * its TLS at GS, the whole ELRANGE mapped rwx before CREATE, and signal handlers
 * that let the enclave handle what interrupted it.
 */
#ifndef TESTS_HOSTS_RAW_H
#define TESTS_HOSTS_RAW_H

/* struct tcb */
#define TCB_SELF   0
#define TCB_TCS	   8
#define TCB_EENTER 16
#define TCB_EEXIT  24
#define TCB_AEX	   32

#ifndef __ASSEMBLER__
#include "image.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/errno.h>

/* nothing goes through a GOT */
#pragma GCC visibility push(hidden)

#define EENTER	    2u
#define ERESUME	    3u
#define STACK_SIZE  0x10000ul
#define ALT_SIZE    0x10000ul
#define WORKERS_MAX RT_TCS_COUNT
#define STATUS_FAIL 99
#define STATUS_SKIP 77
/* what host_enter() gives back where EENTER faulted */
#define EENTER_FAULT 0xdead

/* --- raw_sys.c ------------------------------------------------------------------ */

long raw_call(long nr, long a, long b, long c, long d, long e, long f);
#define sys0(nr)	     raw_call(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a)	     raw_call(nr, (long)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b)	     raw_call(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c)    raw_call(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) raw_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys6(nr, a, b, c, d, e, f) \
	raw_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

void say(const char *text);
void say_number(const char *text, uint64_t n);
void fail_at(const char *what, int line, uint64_t a, uint64_t b) __attribute__((noreturn));
void skip(const char *why) __attribute__((noreturn));
bool same(const char *a, const char *b);
bool same_bytes(const void *a, const void *b, uint64_t size);
void *map_anon(uint64_t size, int prot);

#define CHECK(cond)                                     \
	do {                                            \
		if (!(cond))                            \
			fail_at(#cond, __LINE__, 0, 0); \
	} while (0)
#define CHECK_EQ(a, b)                                                       \
	do {                                                                 \
		uint64_t check_a_ = (uint64_t)(a), check_b_ = (uint64_t)(b); \
		if (check_a_ != check_b_)                                    \
			fail_at(#a ", " #b, __LINE__, check_a_, check_b_);   \
	} while (0)

/* --- threads ---------------------------------------------------------------------- */

struct tcb {
	struct tcb *self;
	uint64_t tcs;
	uint64_t eenter, eexit, aex;
	uint64_t sync, async, elsewhere; /* signals: in the AEP's range, and not */
	volatile uint64_t handled; /* all asynchronous ones */
	uint64_t early; /* of them, before the first ECALL had a stack */
	uint64_t worst; /* what a raise answered, if nothing of that */
	volatile uint32_t sleeping, done;
	uint32_t slot; /* of its TCS */
	int tid; /* cleared by the kernel when the thread has gone */
	uint8_t *stack;
	uint64_t sigmask;
	void (*body)(struct tcb *tcb);
	uint64_t arg, result;
	struct fault {
		int sig, code;
		uint64_t addr, trapno, err;
	} fault; /* the last synchronous one */
};
_Static_assert(offsetof(struct tcb, tcs) == TCB_TCS && offsetof(struct tcb, aex) == TCB_AEX,
	       "raw.h's offsets");

static inline struct tcb *tcb(void)
{
	struct tcb *t;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(t));
	return t;
}

struct call {
	struct rt_call call;
	struct rt_oc oc; /* the runtime finds it there */
};

extern uint64_t base, elrange, heap, code, data; /* of the enclave */
extern int enclave_fd;
extern const struct layout *layout;

void thread_init(struct tcb *t); /* GS, alternate stack, a TCS */
struct tcb *thread_start(void (*body)(struct tcb *), uint64_t arg);
void thread_join(struct tcb *t);
void thread_exit(void) __attribute__((noreturn));
uint64_t tcs_claim(uint32_t *slot);
void tcs_release(void);

/* --- enclave, entry, signals ------------------------------------------------------- */

void load(const char *name, uint64_t at); /* at: base, 0: as large as the ELRANGE */
void load_at_zero(void);
/* raw_entry.S */
uint64_t host_ecall(uint64_t number, struct rt_call *call);
uint64_t host_raise(uint64_t event);
extern const uint8_t host_eenter[], host_after[], host_aep[], host_eresume[], host_aep_end[];
uint64_t host_ocall(uint64_t number, struct rt_oc *oc);
void host_aep_hook(uint64_t rax, uint64_t rbx, uint64_t rcx);
void host_clone(uint64_t flags, void *stack, int *tid, struct tcb *t, long *ret);
void host_leave_stack(void *stack, uint64_t size) __attribute__((noreturn));
void raw_restorer(void);
void signals_init(void);
void signals_block(bool block);
/* The host's answer to a signal in the AEP's range; a case may take another */
extern uint64_t (*volatile sync_hook)(int sig, struct sigcontext_64 *regs);
extern uint64_t (*volatile async_hook)(int sig, struct sigcontext_64 *regs);
/* ECALL that must succeed */
void ecall_at(int line, uint64_t number, struct call *c);
#define ecall(number, c) ecall_at(__LINE__, number, c)

/* --- cases -------------------------------------------------------------------------- */

struct raw_case {
	const char *name;
	void (*run)(void);
	int death; /* the signal that ends it */
};
extern const struct raw_case raw_cases[];
void check_nop(void);
uint64_t xfrm_offered(void);
/* raw_signals.c */
extern volatile uint64_t flag, ready;
void count_body(struct tcb *t); /* counts until flag is set, after setting ready */
void wait_for(volatile uint64_t *word, uint64_t value);
void send(struct tcb *to, int sig);
void case_enclu_faults(void);
void case_async(void);
void case_async_avx(void);
void case_async_threads(void);
void case_work_one(void);
void case_work_threads(void);
void case_interrupted_ocall(void);
void case_process_signal(void);
void case_thread_exit(void);
void case_exit_group_inside(void);
void case_killed_inside(void);
extern const char *raw_dir; /* where the program is, with '/' */

#pragma GCC visibility pop
#endif

#endif
