/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enters an enclave again and again, for step_entry to single-step it.  A round
 * starts with SIGSTOP, which the tracer takes away, and is one entry, during
 * which a handler notes what it interrupted.  The entry must succeed, and so must
 * a second one on the same TCS: it is not busy.
 */
#include "encl.h"
#include "step.h"

#include <harness/harness.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct step_shared *shared;

static void noting(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	memcpy(shared->regs, uc->uc_mcontext.gregs, sizeof(shared->regs));
	shared->handled++;
}

static void enter(struct encl *e, bool stepped)
{
	struct sgx_enclave_run run = {.tcs = encl_tcs(e, 0)};
	struct encl_regs regs = {.rdi = OP_NOP,
				 .rsi = 0x51,
				 .rdx = 0xd0,
				 .r8 = 0x88,
				 .r9 = 0x99,
				 .set_rflags = STEP_FLAGS};
	int ret;

	if (stepped)
		syscall(SYS_kill, getpid(), SIGSTOP);
	ret = encl_vdso_call(&regs, SGX_EENTER, &run, e->enter);
	CHECK_EQ(ret, 0);
	if (run.function == SGX_ERESUME) {
		/* no exception but the tracer's signal can have made an AEX */
		FAIL("left by exception %u", run.exception_vector);
	}
	CHECK_EQ(run.function, SGX_EEXIT);
	CHECK_EQ(regs.rsi, 0); /* CSSA */
	CHECK_EQ(regs.rflags & STEP_FLAGS, STEP_FLAGS);
}

int main(int argc, char **argv)
{
	static const int sigs[] = {SIGUSR1, SIGSEGV, SIGTRAP};
	struct sigaction act = {.sa_sigaction = noting, .sa_flags = SA_SIGINFO};
	struct encl e, other;

	CHECK(argc == 2);
	shared = mmap(NULL, ENCL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
	CHECK(shared != MAP_FAILED);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		CHECK_SYS(sigaction(sigs[i], &act, NULL));
	encl_build(&e, &(struct encl_opts){.nssa = 2});
	encl_build(&other, &(struct encl_opts){.nssa = 2});
	enter(&e, false);
	shared->enter = (uint64_t)e.enter;
	shared->base = e.base;
	shared->size = e.size;
	shared->tcs = encl_tcs(&e, 0);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&shared->attached, __ATOMIC_ACQUIRE))
		usleep(1000);
	while (!shared->stop) {
		/* then the stepped entry is to another enclave than the last one */
		if (shared->elsewhere)
			enter(&other, false);
		enter(&e, true);
		enter(&e, false);
		shared->rounds++;
	}
	encl_free(&e);
	return 0;
}
