/* SPDX-License-Identifier: BSD-3-Clause */
/* The host in Gramine's manner: refused entries, signals and threads. */
#include "raw.h"

#include <linux/mman.h>

#define PROT_RW	    (PROT_READ | PROT_WRITE)
#define WORK_SUM(n) ((n) * ((n) + 1) + 2 * (n)) /* RT_WORK's answer */

volatile uint64_t flag, ready;

void send(struct tcb *to, int sig)
{
	CHECK_EQ(sys3(__NR_tgkill, sys0(__NR_getpid), to->tid, sig), 0);
}

void count_body(struct tcb *t)
{
	struct call c = {.call = {.flag = (uint64_t)&flag, .ready = (uint64_t)&ready}};

	ecall(RT_COUNT, &c);
	CHECK_EQ(c.call.bad, 0);
	t->result = c.call.r;
}

void wait_for(volatile uint64_t *word, uint64_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value)
		sys0(__NR_sched_yield);
}

/* --- ENCLU that is refused ------------------------------------------------------------------ */

static uint64_t enter_tcs(uint64_t tcs)
{
	struct call c = {0};
	uint64_t own = tcb()->tcs, status;

	tcb()->tcs = tcs;
	status = host_ecall(RT_NOP, &c.call);
	tcb()->tcs = own;
	return status;
}

void case_enclu_faults(void)
{
	struct tcb *t;

	load("gramine3", 0);
	t = thread_start(count_body, 0);
	wait_for(&ready, 1);
	/* SDM, EENTER: the TCS is busy: #GP(0) */
	CHECK_EQ(enter_tcs(t->tcs), EENTER_FAULT);
	CHECK_EQ(tcb()->fault.sig, SIGSEGV);
	CHECK_EQ(tcb()->fault.trapno, SGX_VEC_GP);
	CHECK_EQ(tcb()->fault.err, 0);
	flag = 1;
	thread_join(t);
	/* not page-aligned: #GP(0); not a TCS: #PF, the EPCM's */
	CHECK_EQ(enter_tcs(tcb()->tcs + 64), EENTER_FAULT);
	CHECK_EQ(tcb()->fault.trapno, SGX_VEC_GP);
	CHECK_EQ(enter_tcs(data), EENTER_FAULT);
	CHECK_EQ(tcb()->fault.trapno, SGX_VEC_PF);
	CHECK_EQ(tcb()->fault.addr, data);
	CHECK_EQ(tcb()->fault.err & SGX_PF_SGX, SGX_PF_SGX);
	/* memory that is no enclave's */
	CHECK_EQ(enter_tcs((uint64_t)map_anon(RT_PAGE, PROT_RW)), EENTER_FAULT);
	CHECK_EQ(tcb()->fault.trapno, SGX_VEC_PF);
	check_nop();
}

/* --- signals ------------------------------------------------------------------------------------ */

/* count signals to t, each after the last was handled: none may get lost */
static void signal_storm(struct tcb *const *t, unsigned int count, uint64_t rounds)
{
	uint64_t want[WORKERS_MAX];

	for (unsigned int i = 0; i < count; i++)
		want[i] = t[i]->handled;
	for (uint64_t n = 0; n < rounds; n++) {
		for (unsigned int i = 0; i < count; i++) {
			if (__atomic_load_n(&t[i]->handled, __ATOMIC_ACQUIRE) < want[i])
				continue;
			want[i]++;
			send(t[i], n & 1 ? SIGTERM : SIGCONT);
		}
		sys0(__NR_sched_yield);
	}
	for (unsigned int i = 0; i < count; i++)
		wait_for(&t[i]->handled, want[i]);
}

/* What the enclave counted is what the host did */
static void check_counters(struct tcb *t)
{
	struct call c = {0};

	signals_block(true);
	ecall(RT_STATS, &c);
	CHECK_EQ(c.call.phase1, t->sync + t->async - t->early);
	CHECK_EQ(c.call.events[RT_EVENT_FAULT], t->sync);
	CHECK_EQ(c.call.events[RT_EVENT_QUIT] + c.call.events[RT_EVENT_WAKE], t->async - t->early);
	CHECK_EQ(c.call.phase2, c.call.phase1 - c.call.outside_rsp - c.call.deferred);
	CHECK_EQ(c.call.nested, 0);
	CHECK_EQ(t->async + t->elsewhere, t->handled);
	CHECK_EQ(t->worst, 0);
	CHECK(t->aex >= t->sync);
	signals_block(false);
}

static void counted_body(struct tcb *t)
{
	count_body(t);
	check_counters(t);
	t->done = 1;
}

static void count_under_signals(const char *name, unsigned int threads, uint64_t rounds)
{
	struct tcb *t[WORKERS_MAX];
	uint64_t inside = 0;

	load(name, 0);
	for (unsigned int i = 0; i < threads; i++) {
		ready = 0;
		t[i] = thread_start(counted_body, i);
		wait_for(&ready, 1);
	}
	signal_storm(t, threads, rounds);
	flag = 1;
	for (unsigned int i = 0; i < threads; i++) {
		thread_join(t[i]);
		CHECK(t[i]->done);
		inside += t[i]->async;
	}
	CHECK(inside);
}

void case_async(void)
{
	count_under_signals("gramine3", 1, 400);
}

void case_async_avx(void)
{
	if ((xfrm_offered() & 7) != 7)
		skip("# this machine does not offer AVX\n");
	count_under_signals("gramine7", 3, 200);
}

void case_async_threads(void)
{
	count_under_signals("gramine3", WORKERS_MAX - 1, 150);
}

/* ECALLs, OCALLs, exceptions and signals, on every thread that there can be */
static void work_body(struct tcb *t)
{
	for (uint64_t i = 0; i < t->arg; i++) {
		struct call c = {.call = {.a = 5}};

		ecall(RT_WORK, &c);
		CHECK_EQ(c.call.r, WORK_SUM(5));
		__atomic_fetch_add(&ready, 1, __ATOMIC_RELEASE);
	}
	check_counters(t);
	t->done = 1;
	/* signals go on until the sender has seen that this thread is done */
	while (!__atomic_load_n(&flag, __ATOMIC_ACQUIRE))
		sys0(__NR_sched_yield);
}

static void work_under_signals(unsigned int threads, uint64_t rounds)
{
	struct tcb *t[WORKERS_MAX];

	load("gramine3", 0);
	for (unsigned int i = 0; i < threads; i++)
		t[i] = thread_start(work_body, rounds);
	while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < threads * rounds)
		signal_storm(t, threads, 5);
	flag = 1;
	for (unsigned int i = 0; i < threads; i++) {
		thread_join(t[i]);
		CHECK(t[i]->done);
	}
}

void case_work_threads(void)
{
	work_under_signals(WORKERS_MAX - 1, 12);
}

void case_work_one(void)
{
	work_under_signals(1, 40);
}

/* An OCALL that sleeps is interrupted as a system call is */
static void sleep_body(struct tcb *t)
{
	struct call c = {0};

	ecall(RT_SLEEP, &c);
	CHECK_EQ(c.call.r, -EINTR);
	t->done = 1;
}

void case_interrupted_ocall(void)
{
	struct tcb *t;

	load("gramine3", 0);
	t = thread_start(sleep_body, 0);
	while (!__atomic_load_n(&t->done, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&t->sleeping, __ATOMIC_ACQUIRE))
			send(t, SIGCONT);
		sys0(__NR_sched_yield);
	}
	thread_join(t);
	CHECK(t->elsewhere);
}

/* SIGTERM to the process, all threads inside: one takes it, none is hurt */
void case_process_signal(void)
{
	struct tcb *t[4];
	uint64_t handled = 0;

	load("gramine3", 0);
	signals_block(true);
	for (int i = 0; i < 4; i++) {
		ready = 0;
		t[i] = thread_start(counted_body, 0);
		/* they inherit the mask, and are the only ones to take it */
		signals_block(true);
		wait_for(&ready, 1);
	}
	flag = 1;
	for (int i = 0; i < 4; i++) {
		thread_join(t[i]);
		handled += t[i]->handled;
	}
	CHECK_EQ(handled, 0);
	CHECK_EQ(sys2(__NR_kill, sys0(__NR_getpid), SIGTERM), 0);
	CHECK_EQ(tcb()->handled, 0);
	signals_block(false);
	CHECK_EQ(tcb()->handled, 1);
	check_nop();
}

/* --- threads ----------------------------------------------------------------------------------- */

static void exit_body(struct tcb *t)
{
	struct call c = {.call = {.a = t->arg, .b = 1}};

	host_ecall(RT_THREAD, &c.call);
	fail_at("the OCALL came back", __LINE__, 0, 0);
}

/* Threads that end in an OCALL; their TCSs are taken again */
void case_thread_exit(void)
{
	uint64_t sum = 0;
	struct tcb *t[WORKERS_MAX - 1];

	load("gramine3", 0);
	for (int round = 0; round < 12; round++) {
		for (unsigned int i = 0; i < WORKERS_MAX - 1; i++)
			t[i] = thread_start(exit_body, (uint64_t)&sum);
		for (unsigned int i = 0; i < WORKERS_MAX - 1; i++)
			thread_join(t[i]);
		CHECK_EQ(sum, (uint64_t)(round + 1) * (WORKERS_MAX - 1));
	}
	CHECK(tcs_claim(&t[0]->slot));
}

/* The process ends while threads are inside, one way and the other */
void case_exit_group_inside(void)
{
	load("gramine3", 0);
	for (int i = 0; i < 4; i++) {
		ready = 0;
		thread_start(count_body, 0);
		wait_for(&ready, 1);
	}
	sys1(__NR_exit_group, 0);
}

void case_killed_inside(void)
{
	struct tcb *t;

	load("gramine3", 0);
	t = thread_start(count_body, 0);
	wait_for(&ready, 1);
	send(t, SIGUSR1); /* no handler */
	for (;;)
		sys0(__NR_sched_yield);
}
