/* SPDX-License-Identifier: BSD-3-Clause */
/* Asynchronous signals while a thread is inside. */
#include "encl.h"

#include <asm/prctl.h>
#include <harness/harness.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static struct encl enclave;
static uint64_t stop;
static volatile int ticks, at_aep, wrong, ticks_wanted;
static volatile unsigned int tcs_count = 1;

static bool is_tcs(uint64_t addr)
{
	for (unsigned int i = 0; i < tcs_count; i++)
		if (addr == encl_tcs(&enclave, i))
			return true;
	return false;
}

/* Where a signal is handled, the thread is outside, and looks so. */
static void on_tick(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)r[REG_RIP];

	(void)sig;
	(void)info;
	if (rip - enclave.base < enclave.size)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
	if (r[REG_RAX] == SGX_ERESUME && !memcmp((const void *)rip, "\x0f\x01\xd7", 3)) {
		if (!is_tcs((uint64_t)r[REG_RBX]) || (uint64_t)r[REG_RCX] != rip || r[REG_RDI] ||
		    r[REG_RSI] || r[REG_R8] || r[REG_R15])
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&at_aep, 1, __ATOMIC_RELAXED);
	}
	if (__atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED) >= ticks_wanted)
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
}

static void catch (int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	CHECK_SYS(sigaction(sig, &sa, NULL));
}

static void timer(long us)
{
	struct itimerval it = {{0, us}, {0, us}};

	CHECK_SYS(setitimer(ITIMER_REAL, &it, NULL));
}

static void count(unsigned int tcs)
{
	struct encl_op o = encl_op(&enclave, tcs, OP_COUNT, (uint64_t)&stop, encl_nowhere(),
				   enclave.opts.xfrm, 0);

	CHECK_EQ(o.regs.r8, 0); /* what went out of step, see blob.S */
	CHECK(o.regs.rdx > 0);
}

static void run_timer(int flags, uint64_t xfrm, int wanted)
{
	ticks_wanted = wanted;
	encl_build(&enclave, &(struct encl_opts){.xfrm = xfrm});
	catch (SIGALRM, on_tick, flags);
	timer(1000);
	count(0);
	timer(0);
	CHECK_EQ(wrong, 0);
	CHECK(at_aep > 0);
	encl_free(&enclave);
}

TEST(timer_1khz_avx)
{
	run_timer(0, encl_xfrm(), 2000);
}

TEST(timer_1khz_sse)
{
	run_timer(SA_RESTART, SGX_XFRM_LEGACY, 500);
}

TEST(timer_on_altstack)
{
	size_t size = 1 << 17;
	stack_t ss = {.ss_size = size};

	ss.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(ss.ss_sp != MAP_FAILED);
	CHECK_SYS(sigaltstack(&ss, NULL));
	run_timer(SA_ONSTACK, encl_xfrm(), 500);
}

/*
 * Where the machine cannot bring a thread back to a stack pointer that is not
 * canonical, that is a fault of the enclave's code, at any instruction, as it is of
 * code outside.  Nothing is lost by it.
 */
TEST(rsp_not_canonical)
{
	struct sgx_gprsgx gpr;
	struct encl_op o;
	uint64_t at;

	ticks_wanted = 300;
	encl_build(&enclave, &(struct encl_opts){.xfrm = encl_xfrm()});
	at = encl_gprsgx(&enclave, 0, 0);
	catch (SIGALRM, on_tick, 0);
	timer(1000);
	o = encl_enter_fixed(&enclave, 0, SGX_EENTER, OP_COUNT, (uint64_t)&stop, ENCL_NOT_CANONICAL,
			     enclave.opts.xfrm, 0);
	if (encl_nowhere() != ENCL_NOT_CANONICAL) {
		CHECK_EQ(o.run.function, SGX_ERESUME);
		CHECK(o.run.exception_vector == SGX_VEC_UD || o.run.exception_vector == SGX_VEC_GP);
		CHECK_EQ(o.run.exception_error_code, 0);
		encl_read(&enclave, 0, &gpr, at, sizeof(gpr));
		CHECK(gpr.rip >= encl_label(&enclave, blob_count_loop));
		CHECK(gpr.rip < encl_label(&enclave, blob_count_end));
		CHECK(gpr.rsp == gpr.rax + ENCL_NOT_CANONICAL ||
		      gpr.rsp + 1 == gpr.rax + ENCL_NOT_CANONICAL);
		/* the same elsewhere, and on */
		encl_write8(&enclave, 0, enclave.base + ENCL_DATA + DATA_SCRATCH + 32,
			    ENCL_KERNELS);
		encl_write8(&enclave, 0, at + offsetof(struct sgx_gprsgx, rsp),
			    gpr.rsp - ENCL_NOT_CANONICAL + ENCL_KERNELS);
		o = encl_enter_fixed(&enclave, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	}
	timer(0);
	CHECK_EQ(o.run.function, SGX_EEXIT);
	CHECK_EQ(o.regs.r8, 0);
	CHECK(o.regs.rdx > 0);
	CHECK_EQ(wrong, 0);
	CHECK(at_aep > 0);
	encl_free(&enclave);
}

/* Entries and exits under fire: every boundary of the way in and out is met. */
TEST(timer_over_entries)
{
	ticks_wanted = 500;
	encl_build(&enclave, &(struct encl_opts){.nssa = 4});
	catch (SIGALRM, on_tick, 0);
	timer(200);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct encl_op o = encl_op(&enclave, 0, OP_NOP, 0, 0, 0, 0);

		CHECK_EQ(o.regs.rsi, 0);
	}
	timer(0);
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}

/* The same with an exception each time: fix-ups under fire */
TEST(timer_over_exceptions)
{
	ticks_wanted = 300;
	encl_build(&enclave, &(struct encl_opts){.nssa = 4});
	catch (SIGALRM, on_tick, 0);
	timer(500);
	CHECK_EQ(encl_enter_fixed(&enclave, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0).run.exception_vector,
		 SGX_VEC_UD);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct encl_op o = encl_enter_fixed(&enclave, 0, SGX_ERESUME, 0, 0, 0, 0, 0);

		CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	}
	timer(0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(encl_op(&enclave, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 1);
	encl_free(&enclave);
}

static void *counter(void *arg)
{
	count((unsigned int)(uintptr_t)arg);
	return NULL;
}

TEST(threads_under_tgkill)
{
	pthread_t thread[3];

	ticks_wanted = 3000;
	tcs_count = 3;
	encl_build(&enclave, &(struct encl_opts){.tcs_count = 3, .xfrm = encl_xfrm()});
	catch (SIGUSR1, on_tick, 0);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, counter, (void *)i), 0);
	for (int i = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		pthread_kill(thread[i % 3], SIGUSR1);
		if (i % 8 == 0)
			usleep(200);
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}

/*
 * FS and GS inside are the enclave's, each thread's its own, over entries, AEXs, ERESUMEs
 * and whatever else runs on the CPU; outside, in handlers too, they are the program's.
 */
static void on_tick_bases(int sig, siginfo_t *info, void *context)
{
	uint64_t fs, gs, at_fs, at_gs;

	__asm__ volatile("mov %%fs:0, %0\n\tmov %%gs:0, %1" : "=r"(fs), "=r"(gs));
	/* both begin with their own address: by the ABI, and by bases_of() */
	if (syscall(SYS_arch_prctl, ARCH_GET_FS, &at_fs) ||
	    syscall(SYS_arch_prctl, ARCH_GET_GS, &at_gs) || fs != at_fs || gs != at_gs)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
	on_tick(sig, info, context);
}

static void *bases_of(void *arg)
{
	unsigned int tcs = (unsigned int)(uintptr_t)arg;
	uint64_t gs_area[2] = {(uint64_t)gs_area}, gs;
	sigset_t set;

	CHECK_SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_area));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
	do {
		struct encl_op o = encl_op(&enclave, tcs, OP_BASES, (uint64_t)&stop, 0, 0, 0);

		CHECK_EQ(o.regs.r8, 0xf5f5f5f500000000 | tcs);
		CHECK_EQ(o.regs.r9, 0x6565656500000000 | tcs);
		CHECK_EQ(o.regs.rdx, 0);
		__asm__ volatile("mov %%gs:0, %0" : "=r"(gs));
		CHECK_EQ(gs, (uint64_t)gs_area);
	} while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE));
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	CHECK_SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
	return NULL;
}

TEST(fs_and_gs)
{
	pthread_t thread[4];
	sigset_t set;

	ticks_wanted = 2000;
	tcs_count = 4;
	encl_build(&enclave, &(struct encl_opts){.tcs_count = 4});
	catch (SIGUSR1, on_tick_bases, 0);
	/* its handler wants GS */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, bases_of, (void *)i), 0);
	for (int i = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		pthread_kill(thread[i % 4], SIGUSR1);
		if (i % 8 == 0)
			usleep(200);
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(wrong, 0);
	CHECK(at_aep > 0);
	encl_free(&enclave);
}

/*
 * A handler that leaves by siglongjmp leaves a frame behind, which can be resumed.
 * Not under ASan, which takes the frames that were jumped over for live ones.
 */
#ifndef __SANITIZE_ADDRESS__
static sigjmp_buf away;

static void jump_away(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (r[REG_RAX] == SGX_ERESUME && is_tcs((uint64_t)r[REG_RBX]))
		siglongjmp(away, 1);
	timer(1000);
}

TEST(handler_jumps_away)
{
	volatile uint64_t spinning = 0;
	struct encl_op o;

	encl_build(&enclave, &(struct encl_opts){0});
	catch (SIGALRM, jump_away, 0);
	if (!sigsetjmp(away, 1)) {
		timer(1000);
		encl_enter_fixed(&enclave, 0, SGX_EENTER, OP_SPIN, (uint64_t)&stop,
				 (uint64_t)&spinning, 0, 0);
		FAIL("nothing stopped it, and it returned");
	}
	timer(0);
	CHECK_EQ(encl_op(&enclave, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 1);
	/* the loop is resumed, and leaves by an exception: its stack is gone */
	encl_write8(&enclave, 0, encl_gprsgx(&enclave, 0, 0) + offsetof(struct sgx_gprsgx, rip),
		    encl_label(&enclave, blob_ud2));
	o = encl_enter_fixed(&enclave, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	encl_free(&enclave);
}

#endif

/* A handler may enter: on the interrupted TCS (CSSA 1) and on another. */
static void enter_in_handler(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (r[REG_RAX] == SGX_ERESUME && (uint64_t)r[REG_RBX] == encl_tcs(&enclave, 0)) {
		if (encl_op(&enclave, 0, OP_NOP, 0, 0, 0, 0).regs.rsi != 1 ||
		    encl_op(&enclave, 1, OP_NOP, 0, 0, 0, 0).regs.rsi != 0)
			wrong++;
		at_aep++;
	}
	if (++ticks >= ticks_wanted)
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
}

TEST(handler_enters)
{
	ticks_wanted = 300;
	tcs_count = 2;
	encl_build(&enclave, &(struct encl_opts){.tcs_count = 2, .xfrm = encl_xfrm()});
	catch (SIGALRM, enter_in_handler, 0);
	timer(1000);
	count(0);
	timer(0);
	CHECK_EQ(wrong, 0);
	CHECK(at_aep > 0);
	encl_free(&enclave);
}

/* One that is blocked waits until it is not. */
static void *stop_later(void *arg)
{
	kill(getpid(), SIGUSR1);
	usleep(50000);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return arg;
}

TEST(blocked_signal_waits)
{
	pthread_t thread;
	sigset_t set;

	ticks_wanted = 1000000;
	encl_build(&enclave, &(struct encl_opts){0});
	catch (SIGUSR1, on_tick, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, stop_later, NULL), 0);
	count(0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(ticks, 0);
	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
	CHECK_EQ(ticks, 1);
	encl_free(&enclave);
}

/* SIGILL and SIGSEGV that are sent are no exceptions: the vDSO does not take them. */
static void *send_faults(void *arg)
{
	pthread_t *to = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		pthread_kill(*to, SIGSEGV);
		pthread_kill(*to, SIGILL);
		usleep(500);
	}
	return NULL;
}

TEST(sent_fault_signals)
{
	pthread_t self = pthread_self(), thread;

	ticks_wanted = 200;
	encl_build(&enclave, &(struct encl_opts){.xfrm = encl_xfrm()});
	catch (SIGSEGV, on_tick, 0);
	catch (SIGILL, on_tick, 0);
	CHECK_EQ(pthread_create(&thread, NULL, send_faults, &self), 0);
	count(0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}

/* Death inside is the program's ordinary death. */
EXPECT_SIGNAL(killed_inside, SIGALRM)
{
	encl_build(&enclave, &(struct encl_opts){0});
	timer(10000);
	count(0);
}
