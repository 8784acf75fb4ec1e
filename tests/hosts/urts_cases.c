/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host in the manner of Intel's older uRTS is put through. */
#include "urts.h"

#include <harness/harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define WORK_SUM(n) ((n) * ((n) + 1) + 2 * (n)) /* RT_WORK's answer */
#define THREADS	    6

static void start(const char *name)
{
	urts_load(name, URTS_WHOLE);
	urts_signals();
}

/* The layout with EXINFO asks for AVX, too */
static const char *with_exinfo(void)
{
	if (!urts_has_avx())
		SKIP("this machine does not offer AVX");
	return "intel7";
}

static void check_nop(void)
{
	struct urts_call c = {0};

	CHECK_EQ(urts_ecall(RT_NOP, &c), 0);
	CHECK_EQ(c.call.r, 0);
	CHECK_EQ(c.call.bad, 0);
}

static void plain_calls(void)
{
	struct urts_call c = {.call = {.a = 40, .b = 2}};

	check_nop();
	CHECK_EQ(urts_ecall(RT_ADD, &c), 0);
	CHECK_EQ(c.call.r, 42);
	c.call.a = 300;
	CHECK_EQ(urts_ecall(RT_OCALLS, &c), 0);
	CHECK_EQ(c.call.r, 300 * 301 / 2);
	c.call.a = urts.heap;
	c.call.b = urts.layout->heap;
	CHECK_EQ(urts_ecall(RT_TOUCH, &c), 0);
	CHECK_EQ(c.call.r, urts.layout->heap / RT_PAGE);
	c.call.a = 10;
	CHECK_EQ(urts_ecall(RT_NEST, &c), 0);
	CHECK_EQ(c.call.r, 10);
}

TEST(calls)
{
	start("intel3");
	plain_calls();
	urts_unload();
}

TEST(calls_mapped_in_runs)
{
	urts_load("intel3", URTS_RUNS);
	plain_calls();
	urts_unload();
}

TEST(calls_avx)
{
	start(with_exinfo());
	plain_calls();
	urts_unload();
}

/* --- exceptions -------------------------------------------------------------------- */

static void exceptions(bool exinfo)
{
	static const struct {
		uint64_t kind;
		int sig;
		unsigned int vector, type;
		bool always; /* in EXITINFO; else only where MISCSELECT has EXINFO */
	} cases[] = {
		{RAISE_UD2, SIGILL, SGX_VEC_UD, 3, true},
		{RAISE_DE, SIGFPE, SGX_VEC_DE, 3, true},
		{RAISE_BP, SIGILL, SGX_VEC_UD, 3, true},
		{RAISE_GP, SIGSEGV, SGX_VEC_GP, 3, false},
		{RAISE_HLT, SIGSEGV, SGX_VEC_GP, 3, false},
		{RAISE_MF, SIGFPE, SGX_VEC_MF, 3, true},
		{RAISE_XM, SIGFPE, SGX_VEC_XM, 3, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct urts_call c = {.call = {.a = cases[i].kind}};
		uint64_t before = urts_caught.exceptions;
		bool told = cases[i].always || exinfo;

		CHECK_EQ(urts_ecall(RT_RAISE, &c), 0);
		CHECK_EQ(urts_caught.exceptions, before + 1);
		CHECK_EQ(c.call.r, 1);
		CHECK_EQ(urts_caught.sig, cases[i].sig);
		CHECK_EQ(urts_caught.trapno, cases[i].vector);
		CHECK_EQ(c.call.valid, told);
		CHECK_EQ(c.call.vector, told ? cases[i].vector : 0);
		CHECK_EQ(c.call.type, told ? cases[i].type : 0);
	}
	check_nop();
}

TEST(exception_in_handler_ecall)
{
	start("intel3");
	for (int i = 0; i < 10; i++)
		exceptions(false);
	urts_unload();
}

TEST(exception_with_exinfo)
{
	start(with_exinfo());
	for (int i = 0; i < 10; i++)
		exceptions(true);
	urts_unload();
}

static void expect_pf(uint64_t kind, uint64_t addr, int sig, uint64_t set, uint64_t clear)
{
	struct urts_call c = {.call = {.a = kind, .b = addr}};

	CHECK_EQ(urts_ecall(RT_RAISE, &c), 0);
	CHECK_EQ(c.call.r, 1);
	CHECK_EQ(urts_caught.sig, sig);
	CHECK_EQ(urts_caught.trapno, SGX_VEC_PF);
	CHECK_EQ(urts_caught.addr, addr & SGX_PAGE_MASK);
	CHECK_EQ(urts_caught.err & (set | clear), set);
	CHECK_EQ(c.call.valid, 1);
	CHECK_EQ(c.call.vector, SGX_VEC_PF);
	CHECK_EQ(c.call.maddr, addr);
	CHECK_EQ(c.call.errcd & (set | clear), set);
}

TEST(page_faults)
{
	uint8_t *page = mmap(NULL, RT_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t at = (uint64_t)page;

	CHECK(page != MAP_FAILED);
	start(with_exinfo());
	expect_pf(RAISE_READ, at + 0x238, SIGSEGV, SGX_PF_U, SGX_PF_SGX | SGX_PF_W);
	expect_pf(RAISE_WRITE, at + 0x238, SIGSEGV, SGX_PF_U | SGX_PF_W, SGX_PF_SGX);
	munmap(page, RT_PAGE);
	expect_pf(RAISE_READ, at + 0x238, SIGSEGV, SGX_PF_U, SGX_PF_SGX | SGX_PF_P);
	expect_pf(RAISE_WRITE, urts.code + 8, SIGSEGV, SGX_PF_U | SGX_PF_W, SGX_PF_SGX);
	expect_pf(RAISE_JUMP, urts.data + 8, SIGSEGV, SGX_PF_U | SGX_PF_I, SGX_PF_SGX);
	expect_pf(RAISE_READ, urts.base, SIGSEGV, SGX_PF_U | SGX_PF_SGX | SGX_PF_P, SGX_PF_W);
	CHECK_SYS(mprotect((void *)urts.heap, RT_PAGE, PROT_READ));
	expect_pf(RAISE_WRITE, urts.heap + 0x18, SIGSEGV, SGX_PF_U | SGX_PF_W, SGX_PF_SGX);
	check_nop();
	urts_unload();
}

#ifndef __SANITIZE_ADDRESS__ /* it takes the frames that were jumped over for live ones */
static sigjmp_buf away;
static volatile int old_count, old_sig, old_at_aep;

static void old_handler(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)info;
	old_count++;
	old_sig = sig;
	old_at_aep = (const uint8_t *)r[REG_RIP] == urts_aep;
	siglongjmp(away, 1);
}

static void install_old(int sig)
{
	struct sigaction sa = {.sa_sigaction = old_handler, .sa_flags = SA_SIGINFO};

	CHECK_SYS(sigaction(sig, &sa, NULL));
}

TEST(fault_outside_goes_to_the_old_handler)
{
	sigset_t mask;

	install_old(SIGSEGV);
	start("intel3");
	if (!sigsetjmp(away, 1))
		__asm__ volatile("movl $1, 0x10" ::: "memory");
	CHECK_EQ(old_count, 1);
	CHECK_EQ(old_sig, SIGSEGV);
	CHECK_EQ(old_at_aep, 0);
	CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
	CHECK_EQ(sigismember(&mask, SIGSEGV), 0);
	check_nop();
	urts_unload();
}

TEST(refused_exception_goes_to_the_old_handler)
{
	struct urts_call c = {.call = {.a = RAISE_UD2}};

	install_old(SIGILL);
	start("intel3");
	check_nop();
	urts_event = RT_EVENT_NONE;
	if (!sigsetjmp(away, 1)) {
		urts_ecall(RT_RAISE, &c);
		FAIL("the ECALL came back");
	}
	CHECK_EQ(old_count, 1);
	CHECK_EQ(old_at_aep, 1);
	/* its frame is still there: the next entry is one with CSSA 1 */
	CHECK_EQ(urts_ecall(RT_EVENT_NONE, &c), RT_REFUSED);
	urts_unload();
}

/* An OCALL that does not come back: the next ECALL runs below what it left */
static jmp_buf out;

static bool jump_out(uint64_t number, struct rt_oc *oc, uint64_t *ret)
{
	(void)oc;
	(void)ret;
	if (number == OC_SLEEP)
		longjmp(out, 1);
	return false;
}

TEST(longjmp_past_the_enclave)
{
	struct urts_call c = {0};

	start("intel3");
	urts_ocall_hook = jump_out;
	for (volatile int round = 0; round < 4; round++) {
		for (volatile int i = 0; i < 8; i++) {
			if (!setjmp(out)) {
				urts_ecall(RT_SLEEP, &c);
				FAIL("the ECALL came back");
			}
			plain_calls();
			exceptions(false);
		}
		CHECK_EQ(urts_ecall(RT_RESET, &c), 0);
	}
	urts_unload();
}
#endif

EXPECT_SIGNAL(refused_exception_is_fatal, SIGILL)
{
	struct urts_call c = {.call = {.a = RAISE_UD2}};

	start("intel3");
	check_nop();
	urts_event = RT_EVENT_NONE;
	urts_ecall(RT_RAISE, &c);
}

EXPECT_SIGNAL(refused_page_fault_is_fatal, SIGSEGV)
{
	struct urts_call c = {.call = {.a = RAISE_READ, .b = 0x10}};

	start("intel3");
	check_nop();
	urts_event = RT_EVENT_NONE;
	urts_ecall(RT_RAISE, &c);
}

EXPECT_SIGNAL(fault_outside_is_fatal, SIGFPE)
{
	start("intel3");
	check_nop();
	__asm__ volatile("div %0" ::"r"(0ul), "a"(1ul), "d"(0ul) : "cc");
}

/* Phase 1 faults, its handler's ECALL too, until EENTER has no frame: all come back */
TEST(frames_run_out)
{
	struct urts_call c = {.call = {.a = RAISE_UD2}};

	start("intel3");
	check_nop();
	urts_event = RT_EVENT_TRAP;
	CHECK_EQ(urts_ecall(RT_RAISE, &c), URTS_LOST);
	/* NSSA is 3: the third exception finds no frame, and is #GP at EENTER */
	CHECK_EQ(urts_caught.exceptions, 3);
	CHECK_EQ(urts_caught.enter_faults, 1);
	CHECK_EQ(urts_caught.handlers, 4);
	CHECK_EQ(urts_caught.sig, SIGSEGV);
	CHECK_EQ(urts_caught.trapno, SGX_VEC_GP);
	/* and so for every entry from now on */
	CHECK_EQ(urts_ecall(RT_NOP, &c), URTS_LOST);
	urts_unload();
}

TEST(stack_overrun)
{
	struct urts_call c = {0};

	start("intel3");
	CHECK_EQ(urts_ecall(RT_DEEP, &c), RT_OVERRUN);
	CHECK_EQ(urts_caught.exceptions, 1);
	urts_unload();
}

/* --- an enclave that has gone ------------------------------------------------------------ */

TEST(lost_at_entry)
{
	struct urts_call c = {0};

	start("intel3");
	check_nop();
	CHECK_SYS(munmap((void *)urts.base, urts.layout->size));
	CHECK_EQ(urts_ecall(RT_NOP, &c), URTS_LOST);
	CHECK_EQ(urts_caught.sig, SIGSEGV);
	CHECK_EQ(urts_caught.trapno, SGX_VEC_PF);
	CHECK_EQ(urts_caught.exceptions, 0);
	CHECK_EQ(urts_caught.enter_faults, 1);
	close(urts.fd);
}

TEST(busy_tcs)
{
	struct urts_call c = {0};
	struct urts_thread second;

	start("intel3");
	check_nop();
	second = *urts_thread_get();
	second.tcs += 0x123; /* not a page: #GP(0), as for a busy one */
	CHECK_EQ(urts_enter(&second, RT_NOP, &c.call), URTS_LOST);
	CHECK_EQ(urts_caught.trapno, SGX_VEC_GP);
	CHECK_EQ(urts_caught.err, 0);
	check_nop();
	urts_unload();
}

static uint64_t stop, ready;

static void *count(void *arg)
{
	struct urts_call c = {
		.call = {.flag = (uint64_t)&stop, .ready = (uint64_t)&ready},
	};
	uint32_t ret = urts_ecall(RT_COUNT, &c);

	(void)arg;
	CHECK_EQ(c.call.bad, 0);
	/* an exception, and then the entry that was to handle it */
	if (ret == URTS_LOST)
		CHECK(urts_caught.exceptions >= 1 && urts_caught.enter_faults == 1);
	return (void *)(uintptr_t)ret;
}

static pthread_t start_counting(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, count, NULL), 0);
	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		sched_yield();
	return thread;
}

TEST(lost_inside)
{
	pthread_t thread;
	void *ret;

	start("intel3");
	thread = start_counting();
	CHECK_SYS(munmap((void *)urts.base, urts.layout->size));
	CHECK_EQ(pthread_join(thread, &ret), 0);
	CHECK_EQ((uintptr_t)ret, URTS_LOST);
	close(urts.fd);
}

TEST(taken_away_inside)
{
	pthread_t thread;
	void *ret;

	start("intel3");
	thread = start_counting();
	CHECK_SYS(mprotect((void *)urts.base, urts.layout->size, PROT_NONE));
	CHECK_EQ(pthread_join(thread, &ret), 0);
	CHECK_EQ((uintptr_t)ret, URTS_LOST);
	urts_unload();
}

/* --- signals -------------------------------------------------------------------------------- */

static volatile uint64_t ticks, at_aep, wrong;
static void (*tick_hook)(const greg_t *r);

static void on_tick(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *rip = (const uint8_t *)r[REG_RIP];
	struct urts_thread *t;

	(void)sig;
	(void)info;
	if ((uint64_t)rip - urts.base < urts.layout->size)
		wrong = 1;
	if (rip == urts_aep) {
		__atomic_fetch_add(&at_aep, 1, __ATOMIC_RELAXED);
		t = *(struct urts_thread **)((uint64_t)r[REG_RBP] - 48);
		if (r[REG_RAX] != 3 || (uint64_t)r[REG_RBX] != t->tcs || r[REG_RCX] != r[REG_RIP] ||
		    r[REG_RDX] | r[REG_RSI] | r[REG_RDI] | r[REG_R8] | r[REG_R15])
			wrong = 2;
	}
	if (tick_hook)
		tick_hook(r);
	__atomic_fetch_add(&ticks, 1, __ATOMIC_RELAXED);
}

static void start_ticks(int sig, int flags, long us)
{
	struct sigaction sa = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | flags};
	struct itimerval it = {{0, us}, {0, us}};

	CHECK_SYS(sigaction(sig, &sa, NULL));
	if (us)
		CHECK_SYS(setitimer(ITIMER_REAL, &it, NULL));
}

static void stop_ticks(void)
{
	struct itimerval it = {{0, 0}, {0, 0}};

	CHECK_SYS(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_EQ(wrong, 0);
	CHECK(at_aep > 0);
}

static void work_until(uint64_t wanted)
{
	while (ticks < wanted || !at_aep) {
		struct urts_call c = {.call = {.a = 20}};

		CHECK_EQ(urts_ecall(RT_WORK, &c), 0);
		CHECK_EQ(c.call.r, WORK_SUM(20));
		c.call.a = 6;
		CHECK_EQ(urts_ecall(RT_NEST, &c), 0);
		CHECK_EQ(c.call.r, 6);
	}
	/* every SIGILL and SIGFPE was the enclave's own */
	CHECK_EQ(urts_caught.exceptions, urts_caught.handlers);
}

TEST(alarms)
{
	start("intel3");
	start_ticks(SIGALRM, SA_RESTART, 500);
	work_until(150);
	stop_ticks();
	urts_unload();
}

TEST(alarms_on_an_alternate_stack)
{
	stack_t ss = {.ss_size = 1 << 17, .ss_sp = malloc(1 << 17)};
	stack_t none = {.ss_flags = SS_DISABLE};

	CHECK_SYS(sigaltstack(&ss, NULL));
	start("intel3");
	start_ticks(SIGALRM, SA_ONSTACK | SA_NODEFER, 500);
	work_until(150);
	stop_ticks();
	CHECK_SYS(sigaltstack(&none, NULL));
	free(ss.ss_sp);
	urts_unload();
}

/* The handler makes ECALLs: on the interrupted TCS an event, on another a call */
static struct urts_thread other;

static void call_in_handler(const greg_t *r)
{
	struct urts_call c = {.call = {.a = 40, .b = 2}};

	if (urts_enter(&other, RT_ADD, &c.call) || c.call.r != 42)
		wrong = 3;
	if ((const uint8_t *)r[REG_RIP] == urts_aep && r[REG_RBX] != (greg_t)other.tcs &&
	    urts_enter(*(struct urts_thread **)((uint64_t)r[REG_RBP] - 48), RT_EVENT_WAKE, NULL) >
		    RT_NESTED)
		wrong = 4;
}

TEST(handler_makes_ecalls)
{
	start("intel3");
	check_nop();
	other.slot = RT_TCS_COUNT - 1;
	other.tcs = urts.base + (RT_TCS_COUNT - 1) * RT_PAGE;
	tick_hook = call_in_handler;
	start_ticks(SIGALRM, SA_RESTART, 1000);
	work_until(100);
	stop_ticks();
	urts_unload();
}

static void *work(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct urts_call c = {.call = {.a = 4}};

		CHECK_EQ(urts_ecall(RT_WORK, &c), 0);
		CHECK_EQ(c.call.r, WORK_SUM(4));
	}
	CHECK_EQ(urts_caught.exceptions, urts_caught.handlers);
	urts_thread_put();
	return arg;
}

TEST(threads_under_signals)
{
	pthread_t thread[THREADS];

	start("intel3");
	start_ticks(SIGUSR1, 0, 0);
	start_ticks(SIGALRM, SA_RESTART, 1000);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, work, NULL), 0);
	for (unsigned int i = 0; ticks < 600 || !at_aep; i++) {
		CHECK_EQ(pthread_kill(thread[i % THREADS], SIGUSR1), 0);
		sched_yield();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	stop_ticks();
	urts_unload();
}

/* --- threads ---------------------------------------------------------------------------------- */

static void *add_in_thread(void *arg)
{
	struct urts_call c = {.call = {.a = *(uint64_t *)arg, .b = 1}};

	CHECK_EQ(urts_ecall(RT_ADD, &c), 0);
	*(uint64_t *)arg = c.call.r;
	urts_thread_put();
	return NULL;
}

static bool thread_for_ocall(uint64_t number, struct rt_oc *oc, uint64_t *ret)
{
	pthread_t thread;

	if (number != OC_ADD)
		return false;
	*ret = oc->a;
	CHECK_EQ(pthread_create(&thread, NULL, add_in_thread, ret), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	return true;
}

TEST(thread_made_in_an_ocall)
{
	struct urts_call c = {.call = {.a = 50}};

	start("intel3");
	urts_ocall_hook = thread_for_ocall;
	CHECK_EQ(urts_ecall(RT_OCALLS, &c), 0);
	CHECK_EQ(c.call.r, 50 * 51 / 2);
	urts_unload();
}

static bool exit_for_ocall(uint64_t number, struct rt_oc *oc, uint64_t *ret)
{
	(void)oc;
	(void)ret;
	if (number == OC_EXIT)
		pthread_exit(NULL);
	return false;
}

static void reset(void *arg)
{
	struct urts_call c = {0};

	(void)arg;
	CHECK_EQ(urts_ecall(RT_RESET, &c), 0);
	urts_thread_put();
}

static void *exit_in_ocall(void *arg)
{
	struct urts_call c = {.call = {.a = (uint64_t)arg, .b = 1}};

	pthread_cleanup_push(reset, NULL);
	urts_ecall(RT_THREAD, &c);
	FAIL("the ECALL came back");
	pthread_cleanup_pop(0);
	return NULL;
}

/* Unwinding goes through the frames of urts_enter(), as C++'s would */
TEST(thread_exits_in_an_ocall)
{
	pthread_t thread[THREADS];
	uint64_t sum = 0;

	start("intel3");
	urts_ocall_hook = exit_for_ocall;
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_create(&thread[i], NULL, exit_in_ocall, &sum), 0);
		for (int i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_join(thread[i], NULL), 0);
		CHECK_EQ(sum, (uint64_t)(round + 1) * THREADS);
	}
	urts_unload();
}

TEST(no_tcs_left)
{
	struct urts_call c = {0};

	start("intel3");
	for (int i = 0; i < RT_TCS_COUNT; i++)
		urts.used[i] = true;
	CHECK_EQ(urts_ecall(RT_NOP, &c), URTS_NO_SLOT);
	urts.used[3] = false;
	check_nop();
	urts_unload();
}
