/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFLAGS, x87 and MXCSR on the ways in and out.
 *
 *	EENTER	changes TF alone: the enclave finds what the host left
 *	EEXIT	the same: the host finds what the enclave left
 *	AEX	clears the status flags and RF; DF, NT, AC and ID stay the enclave's; x87,
 *		MXCSR and the vector registers become initial
 *	ERESUME	all of them are the SSA's, whatever the host had
 */
#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define DF	   0x400u
#define NT	   0x4000u
#define AC	   0x40000u
#define ID	   0x200000u
#define MASK	   (DF | NT | AC | ID)

#define HOST_FCW   0x0c7f /* toward zero, single precision */
#define HOST_MXCSR 0xffc0u
#define IN_FCW	   0x077f
#define IN_MXCSR   0x3f80u

static const uint32_t combinations[] = {0, DF, NT, AC, ID, DF | AC, NT | ID, MASK};
#define COMBINATIONS (sizeof(combinations) / sizeof(combinations[0]))

/* What the snippets keep, at DATA_OUT */
struct seen {
	uint64_t rflags;
	uint32_t mxcsr, pad;
	uint32_t x87[7]; /* FNSTENV: control, status, tags, ... */
};

/*
 * lea DATA_OUT(%rip), %rdx; pushfq; popq (%rdx); stmxcsr 8(%rdx); fnstenv 16(%rdx), where
 * @at is its place in the snippet
 */
#define DISP(at) ((uint32_t)(ENCL_DATA + DATA_OUT - ENCL_RWX - ((at) + 7)))
#define KEEP(at)                                                                        \
	0x48, 0x8d, 0x15, DISP(at) & 0xff, DISP(at) >> 8 & 0xff, DISP(at) >> 16 & 0xff, \
		DISP(at) >> 24, 0x9c, 0x8f, 0x02, 0x0f, 0xae, 0x5a, 0x08, 0xd9, 0x72, 0x10
#define KEEP_SIZE 17
/* pushq $flags; popfq, with bits 1 and 9 */
#define LOAD(flags) 0x68, 0x02, (uint8_t)((flags) >> 8 | 2), (uint8_t)((flags) >> 16), 0x00, 0x9d
#define LOAD_SIZE   6
#define LEAVE_SIZE  11 /* of encl_snippet() */

static void host_state(void)
{
	const uint32_t mxcsr = HOST_MXCSR;
	const uint16_t fcw = HOST_FCW;

	__asm__ volatile("fninit; fld1; fld1; fld1; fldcw %0; ldmxcsr %1" ::"m"(fcw), "m"(mxcsr));
}

static void read_state(uint16_t *fcw, uint32_t *mxcsr)
{
	const uint32_t initial = 0x1f80;

	__asm__ volatile("fnstcw %0; stmxcsr %1; fninit; ldmxcsr %2"
			 : "=m"(*fcw), "=m"(*mxcsr)
			 : "m"(initial));
}

struct way {
	const char *name;
	bool vdso;
};
static const struct way ways[] = {{"vDSO", true}, {"ENCLU", false}};

static uint8_t stack[1 << 16] __attribute__((aligned(64)));

/* Enters at @to with flags.  Return: RFLAGS outside again. */
static uint64_t go(struct encl *e, const struct way *w, unsigned int leaf, uint64_t to,
		   uint32_t flags, unsigned int function)
{
	struct encl_regs regs = {.rdi = OP_JUMP, .rsi = to, .set_rflags = flags};
	struct sgx_enclave_run run = {.tcs = encl_tcs(e, 0)};

	if (!w->vdso)
		return encl_enclu_flags(leaf, encl_tcs(e, 0), (uint64_t)encl_enclu_site, to, flags);
	CHECK_EQ(encl_vdso_call_on(&regs, leaf, &run, e->enter, stack + sizeof(stack)), 0);
	if (run.function != function)
		FAIL("%s, flags %#x: left by %u, exception %u at %#llx", w->name, flags,
		     run.function, run.exception_vector, (unsigned long long)run.exception_addr);
	return regs.rflags;
}

static void each_way_in(struct encl *e, const struct way *w, uint32_t flags)
{
	const uint8_t code[] = {KEEP(0)};
	uint64_t to = encl_snippet(e, code, sizeof(code)), out;
	struct seen seen;
	uint32_t mxcsr;
	uint16_t fcw;

	host_state();
	out = go(e, w, SGX_EENTER, to, flags, SGX_EEXIT);
	read_state(&fcw, &mxcsr);
	encl_read(e, 0, &seen, e->base + ENCL_DATA + DATA_OUT, sizeof(seen));
	if ((seen.rflags & MASK) != flags || (out & MASK) != flags)
		FAIL("%s: of %#x the enclave saw %#llx, and %#llx came out", w->name, flags,
		     (unsigned long long)seen.rflags, (unsigned long long)out);
	CHECK_EQ(seen.mxcsr, HOST_MXCSR);
	CHECK_EQ(seen.x87[0] & 0xffff, HOST_FCW);
	CHECK_EQ(seen.x87[1] >> 11 & 7, 5); /* TOP: three values */
	CHECK_EQ(seen.x87[2] & 0xffff, 0x03ff); /* their tags */
	CHECK_EQ(mxcsr, HOST_MXCSR);
	/* FNSTENV has masked what was not masked */
	CHECK_EQ(fcw, HOST_FCW);
}

TEST(enclave_sees_the_hosts)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (size_t w = 0; w < 2; w++)
		for (size_t i = 0; i < COMBINATIONS; i++)
			each_way_in(&e, &ways[w], combinations[i]);
	encl_free(&e);
}

/* The enclave's, and all bits of the host's are others */
static void each_way_out(struct encl *e, const struct way *w, uint32_t flags)
{
	/* pushq $IN_FCW; fldcw (%rsp); pushq $IN_MXCSR; ldmxcsr (%rsp); pop %rdx; pop %rdx */
	const uint8_t code[] = {0x68,
				IN_FCW & 0xff,
				IN_FCW >> 8,
				0,
				0,
				0xd9,
				0x2c,
				0x24,
				0x68,
				IN_MXCSR & 0xff,
				IN_MXCSR >> 8,
				0,
				0,
				0x0f,
				0xae,
				0x14,
				0x24,
				0x5a,
				0x5a,
				LOAD(flags)};
	uint64_t to = encl_snippet(e, code, sizeof(code)), out;
	uint32_t mxcsr;
	uint16_t fcw;

	host_state();
	out = go(e, w, SGX_EENTER, to, MASK & ~flags, SGX_EEXIT);
	read_state(&fcw, &mxcsr);
	if ((out & MASK) != flags)
		FAIL("%s: the enclave left %#x, and %#llx came out", w->name, flags,
		     (unsigned long long)out);
	CHECK_EQ(fcw, IN_FCW);
	CHECK_EQ(mxcsr, IN_MXCSR);
}

TEST(host_sees_the_enclaves)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (size_t w = 0; w < 2; w++)
		for (size_t i = 0; i < COMBINATIONS; i++)
			each_way_out(&e, &ways[w], combinations[i]);
	encl_free(&e);
}

/* --- exceptions ------------------------------------------------------------------------ */

/* UD2 with flags; goes on behind it, moved there by the test, and keeps what it finds */
static uint64_t ud2_snippet(struct encl *e, uint32_t flags)
{
	const uint8_t code[] = {LOAD(flags), 0x0f, 0x0b, KEEP(LOAD_SIZE + 2)};

	return encl_snippet(e, code, sizeof(code));
}

static void skip_ud2(struct encl *e, uint32_t flags)
{
	uint64_t at = encl_gprsgx(e, 0, 0);
	struct sgx_gprsgx gpr;

	encl_read(e, 0, &gpr, at, sizeof(gpr));
	CHECK_EQ(gpr.rip, e->base + ENCL_RWX + LOAD_SIZE);
	CHECK_EQ(gpr.rflags & MASK, flags);
	encl_write8(e, 0, at + offsetof(struct sgx_gprsgx, rip), gpr.rip + 2);
}

static void check_resumed(struct encl *e, uint32_t flags, uint64_t out)
{
	struct seen seen;

	encl_read(e, 0, &seen, e->base + ENCL_DATA + DATA_OUT, sizeof(seen));
	if ((seen.rflags & MASK) != flags || (out & MASK) != flags)
		FAIL("ERESUME: of %#x the enclave found %#llx, and %#llx came out", flags,
		     (unsigned long long)seen.rflags, (unsigned long long)out);
	CHECK_EQ(seen.mxcsr, HOST_MXCSR);
	CHECK_EQ(seen.x87[0] & 0xffff, HOST_FCW);
}

/* What the fix-up of the vDSO finds, and an ERESUME with all others set */
TEST(exception_by_the_vdso)
{
	struct encl e;
	uint32_t mxcsr;
	uint16_t fcw;

	encl_build(&e, &(struct encl_opts){0});
	for (size_t i = 0; i < COMBINATIONS; i++) {
		uint32_t flags = combinations[i];
		uint64_t to = ud2_snippet(&e, flags), out;

		host_state();
		out = go(&e, &ways[0], SGX_EENTER, to, MASK & ~flags, SGX_ERESUME);
		read_state(&fcw, &mxcsr);
		CHECK_EQ(out & MASK, flags);
		CHECK_EQ(fcw, 0x37f);
		CHECK_EQ(mxcsr, 0x1f80);
		skip_ud2(&e, flags);
		out = go(&e, &ways[0], SGX_ERESUME, 0, MASK & ~flags, SGX_EEXIT);
		read_state(&fcw, &mxcsr);
		check_resumed(&e, flags, out);
	}
	encl_free(&e);
}

static struct encl enclave;
static volatile uint64_t caught_flags, flags_in_handler;
static volatile int caught;

/* Linux: a handler has DF clear; AC, NT and ID are what was interrupted */
static void on_ill(int sig, siginfo_t *info, void *context)
{
	uint64_t now = __builtin_ia32_readeflags_u64();

	encl_rflags(AC | NT | ID, 0); /* AC is not for compiled code */
	(void)sig;
	(void)info;
	flags_in_handler = now;
	caught_flags = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
	caught++;
	skip_ud2(&enclave, caught_flags & MASK);
}

TEST(exception_by_a_handler)
{
	struct sigaction sa = {.sa_sigaction = on_ill, .sa_flags = SA_SIGINFO};

	CHECK_SYS(sigaction(SIGILL, &sa, NULL));
	encl_build(&enclave, &(struct encl_opts){0});
	for (size_t i = 0; i < COMBINATIONS; i++) {
		uint32_t flags = combinations[i];
		uint64_t to = ud2_snippet(&enclave, flags), out;

		host_state();
		/* the handler returns to the AEP, an ERESUME, with NT and ID clear */
		out = go(&enclave, &ways[1], SGX_EENTER, to, MASK & ~flags, 0);
		CHECK_EQ(caught, i + 1);
		CHECK_EQ(caught_flags & MASK, flags);
		CHECK_EQ(flags_in_handler & MASK, flags & ~DF);
		check_resumed(&enclave, flags, out);
	}
	encl_free(&enclave);
}

/* --- asynchronous ones ------------------------------------------------------------------ */

static volatile int stop, handled, wrong;

static void on_usr1(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	if (__builtin_ia32_readeflags_u64() & DF)
		wrong++;
	handled++;
}

static void *sends(void *to)
{
	while (!stop)
		CHECK_EQ(pthread_kill(*(pthread_t *)to, SIGUSR1), 0);
	return NULL;
}

/* Anywhere on the way in, inside and on the way out, with DF, NT and ID set */
TEST(under_signals)
{
	struct sigaction sa = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};
	const uint32_t flags = DF | NT | ID;
	const uint8_t code[] = {KEEP(0)};
	pthread_t self = pthread_self(), thread;
	struct seen seen;
	uint64_t to;

	CHECK_SYS(sigaction(SIGUSR1, &sa, NULL));
	encl_build(&enclave, &(struct encl_opts){0});
	to = encl_snippet(&enclave, code, sizeof(code));
	CHECK_EQ(pthread_create(&thread, NULL, sends, &self), 0);
	for (unsigned int i = 0; i < 2000 || handled < 200; i++) {
		struct encl_regs regs = {.rdi = OP_JUMP, .rsi = to, .set_rflags = flags};
		struct sgx_enclave_run run = {.tcs = encl_tcs(&enclave, 0)};

		CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, enclave.enter), 0);
		CHECK_EQ(run.function, SGX_EEXIT);
		CHECK_EQ(regs.rflags & MASK, flags);
	}
	stop = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	encl_read(&enclave, 0, &seen, enclave.base + ENCL_DATA + DATA_OUT, sizeof(seen));
	CHECK_EQ(seen.rflags & MASK, flags);
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}
