/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What befalls a machine: sleep states and memory errors, as programs meet them.  By
 * on_machine.sh --epc 1M.
 */
#include "machine.h"

#include <harness/harness.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define REG_RW	   ((uint64_t)SGX_PT_REG << 8 | 3)
#define HEAP	   (4ull << 20)
#define HEAP_PAGES (HEAP / ENCL_PAGE)

static struct encl e;
static uint64_t eid; /* of it, where it matters */
static siginfo_t seen;
static greg_t regs[NGREG];
static volatile sig_atomic_t signals;
static sigjmp_buf back;

static void catch (int sig, siginfo_t *info, void *context)
{
	memcpy(regs, ((ucontext_t *)context)->uc_mcontext.gregs, sizeof(regs));
	seen = *info;
	signals++;
	siglongjmp(back, 1);
}

static void handle_faults(void)
{
	struct sigaction sa = {.sa_sigaction = catch, .sa_flags = SA_SIGINFO};

	CHECK_SYS(sigaction(SIGSEGV, &sa, NULL));
	CHECK_SYS(sigaction(SIGBUS, &sa, NULL));
}

/* A byte from outside.  Return: the signal; 0: it was read */
static int read_outside(uint64_t addr, uint8_t *byte)
{
	if (sigsetjmp(back, 1))
		return seen.si_signo;
	*byte = *(volatile uint8_t *)addr;
	return 0;
}

/* By the vDSO, which must not take the fault for itself.  Return: the signal */
static int enter_for_signal(uint64_t op, uint64_t rsi)
{
	if (sigsetjmp(back, 1))
		return seen.si_signo;
	encl_enter(&e, 0, SGX_EENTER, op, rsi, 0, 0, 0);
	return 0;
}

/* ENCLU without the vDSO.  Return: the signal; 0: it came out by EEXIT */
static int raw_enter(unsigned int tcs, uint64_t op, uint64_t rsi, uint64_t rdx)
{
	uint64_t on[NGREG] = {0};

	on[REG_RAX] = SGX_EENTER;
	on[REG_RBX] = encl_tcs(&e, tcs);
	on[REG_RCX] = (uint64_t)encl_enclu_regs_site;
	on[REG_RDI] = op;
	on[REG_RSI] = rsi;
	on[REG_RDX] = rdx;
	if (sigsetjmp(back, 1))
		return seen.si_signo;
	encl_enclu_regs(on);
	return 0;
}

static void suspend(void)
{
	CHECK_EQ(machine_do("suspend", ""), 0);
}

static void expect_lost(unsigned int tcs)
{
	struct encl_op o = encl_enter(&e, tcs, SGX_EENTER, OP_NOP, 0, 0, 0, 0);

	CHECK_EQ(o.run.function, SGX_EENTER);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_error_code, SGX_PF_P | SGX_PF_W | SGX_PF_U | SGX_PF_SGX);
	CHECK_EQ(o.run.exception_addr, encl_tcs(&e, tcs));
}

static void use_another(void)
{
	struct encl other;

	encl_build(&other, &(struct encl_opts){0});
	encl_write8(&other, 0, other.base + ENCL_DATA, 42);
	CHECK_EQ(encl_read8(&other, 0, other.base + ENCL_DATA), 42);
	encl_free(&other);
}

/* --- suspend ---------------------------------------------------------------------------- */

TEST(a_suspend_loses_enclaves)
{
	uint64_t leaf[2] = {SGX_EENTER, SGX_ERESUME};
	uint8_t byte;

	handle_faults();
	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 42);
	/* an SSA frame to come back to */
	encl_enter(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0);
	suspend();
	expect_lost(0);
	for (int i = 0; i < 2; i++) {
		uint64_t on[NGREG] = {0};

		on[REG_RAX] = leaf[i];
		on[REG_RBX] = encl_tcs(&e, 0);
		on[REG_RCX] = (uint64_t)encl_enclu_regs_site;
		signals = 0;
		if (!sigsetjmp(back, 1))
			encl_enclu_regs(on);
		CHECK_EQ(signals, 1);
		CHECK_EQ(seen.si_signo, SIGSEGV);
		CHECK_EQ(seen.si_code, SEGV_ACCERR);
		CHECK_EQ((uint64_t)seen.si_addr, encl_tcs(&e, 0));
		CHECK(regs[REG_ERR] & SGX_PF_SGX);
	}
	CHECK_EQ(read_outside(e.base + ENCL_DATA, &byte), SIGSEGV);
	CHECK_EQ(seen.si_code, SEGV_ACCERR);
	CHECK(regs[REG_ERR] & SGX_PF_SGX);
	/* as Linux: INIT has been, that is seen before anything else */
	CHECK_EQ(encl_add(&e, ENCL_HOLE, blob_start, ENCL_PAGE, REG_RW, 0, NULL), -EINVAL);
	CHECK_EQ(encl_init(&e), -EINVAL);
	use_another();
	encl_free(&e);
	machine_wait_free();
}

TEST(a_suspend_loses_half_an_enclave)
{
	encl_build(&e, &(struct encl_opts){.no_init = true});
	suspend();
	CHECK_EQ(encl_add(&e, ENCL_HOLE, blob_start, ENCL_PAGE, REG_RW, 0, NULL), -EIO);
	CHECK_EQ(encl_init(&e), -EIO);
	CHECK_EQ(encl_create(&e), -EINVAL);
	encl_free(&e);
	/* nothing but the SECS; and nothing at all */
	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), 0);
	suspend();
	CHECK_EQ(encl_add(&e, 0, blob_start, ENCL_PAGE, REG_RW, 0, NULL), -EIO);
	encl_free(&e);
	encl_open(&e, &(struct encl_opts){0});
	suspend();
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_map_all(&e);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
	machine_wait_free();
}

static uint64_t stop, inside;

static void *spin(void *arg)
{
	struct encl_op *o = arg;

	*o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_SPIN, (uint64_t)&stop, (uint64_t)&inside, 0, 0);
	return NULL;
}

static void start_inside(pthread_t *thread, void *(*run)(void *), void *arg)
{
	__atomic_store_n(&inside, 0, __ATOMIC_SEQ_CST);
	CHECK_EQ(pthread_create(thread, NULL, run, arg), 0);
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		sched_yield();
}

TEST(a_suspend_with_a_thread_inside)
{
	struct encl_op o;
	pthread_t thread;

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	start_inside(&thread, spin, &o);
	suspend();
	CHECK_EQ(pthread_join(thread, NULL), 0);
	/* an AEX: what was inside is lost, ERESUME finds no TCS */
	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK(o.run.exception_error_code & SGX_PF_SGX);
	CHECK(o.run.exception_addr - e.base < e.size);
	expect_lost(0);
	expect_lost(1);
	o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_addr, encl_tcs(&e, 0));
	use_another();
	encl_free(&e);
	machine_wait_free();
}

static void *spin_raw(void *arg)
{
	*(int *)arg = raw_enter(0, OP_SPIN, (uint64_t)&stop, (uint64_t)&inside);
	return NULL;
}

TEST(a_suspend_with_a_thread_inside_without_the_vdso)
{
	pthread_t thread;
	int sig = 0;

	handle_faults();
	encl_build(&e, &(struct encl_opts){0});
	start_inside(&thread, spin_raw, &sig);
	suspend();
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(sig, SIGSEGV);
	CHECK_EQ(seen.si_code, SEGV_ACCERR);
	CHECK((uint64_t)seen.si_addr - e.base < e.size);
	/* the synthetic state, at the AEP */
	CHECK_EQ(regs[REG_RIP], (uint64_t)encl_enclu_regs_site);
	CHECK_EQ(regs[REG_RAX], SGX_ERESUME);
	CHECK_EQ((uint64_t)regs[REG_RBX], encl_tcs(&e, 0));
	CHECK(regs[REG_ERR] & SGX_PF_SGX);
	expect_lost(0);
	encl_free(&e);
	machine_wait_free();
}

static uint64_t mark(uint64_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15;
}

/* Four times the EPC: pages are evicted by this, and some are parked. */
static void build_large(void)
{
	encl_build(&e, &(struct encl_opts){.heap = HEAP, .nssa = 16});
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		encl_write8(&e, 0, e.heap + i * ENCL_PAGE, mark(i));
	CHECK(machine_epc("evicted") > HEAP_PAGES / 2);
}

static void read_all(void)
{
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		CHECK_EQ(encl_read8(&e, 0, e.heap + i * ENCL_PAGE), mark(i));
}

TEST_TIMEOUT(a_suspend_with_pages_that_are_out, 300)
{
	uint64_t refused = 0;
	struct encl old;
	uint8_t byte;

	handle_faults();
	build_large();
	suspend();
	/* What is in the EPC the EPCM refuses, what is out cannot be loaded. */
	for (uint64_t i = 0; i < HEAP_PAGES; i++) {
		int sig = read_outside(e.heap + i * ENCL_PAGE, &byte);

		CHECK(sig == SIGSEGV || sig == SIGBUS);
		if (sig == SIGSEGV)
			CHECK(regs[REG_ERR] & SGX_PF_SGX);
		refused += sig == SIGSEGV;
	}
	CHECK(refused && refused < HEAP_PAGES);
	CHECK_EQ(encl_enter(&e, 0, SGX_EENTER, OP_NOP, 0, 0, 0, 0).run.exception_vector,
		 SGX_VEC_PF);
	/* The lost one is evicted for another, if it must. */
	old = e;
	build_large();
	encl_free(&old);
	read_all();
	encl_free(&e);
	machine_wait_free();
}

static void *use_all(void *arg)
{
	unsigned int tcs = (unsigned int)(uintptr_t)arg;

	for (uint64_t i = tcs;; i += 7) {
		struct encl_op o = encl_enter_fixed(&e, tcs, SGX_EENTER, OP_WRITE8,
						    e.heap + i % HEAP_PAGES * ENCL_PAGE, i, 0, 0);

		if (i >= 64)
			__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
		if (o.run.function == SGX_EEXIT)
			continue;
		CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
		return NULL;
	}
}

TEST_TIMEOUT(suspends_while_pages_come_and_go, 300)
{
	for (int round = 0; round < 5; round++) {
		pthread_t thread[2];

		encl_build(&e, &(struct encl_opts){.heap = HEAP, .tcs_count = 2});
		for (uintptr_t i = 0; i < 2; i++)
			start_inside(&thread[i], use_all, (void *)i);
		suspend();
		for (int i = 0; i < 2; i++)
			CHECK_EQ(pthread_join(thread[i], NULL), 0);
		encl_free(&e);
	}
	machine_wait_free();
}

/* --- memory errors ------------------------------------------------------------------------ */

static void expect_mce(int sig, uint64_t addr)
{
	CHECK_EQ(sig, SIGBUS);
	CHECK_EQ(seen.si_code, BUS_MCEERR_AR);
	CHECK_EQ((uint64_t)seen.si_addr, addr & SGX_PAGE_MASK);
	CHECK_EQ(seen.si_addr_lsb, 12);
}

TEST(poison_is_a_machine_check_for_whoever_touches_it)
{
	uint64_t poisoned = machine_epc("poisoned"), data, other;
	uint8_t byte;

	handle_faults();
	encl_build(&e, &(struct encl_opts){.nssa = 8});
	eid = machine_eid(&e);
	data = e.base + ENCL_DATA + 0x1000;
	other = e.base + ENCL_DATA + 0x2000;
	encl_write8(&e, 0, data, 1);
	encl_write8(&e, 0, other, 2);
	CHECK_EQ(machine_poison(eid, data + 8 - e.base), 0);
	expect_mce(enter_for_signal(OP_READ8, data + 8), data);
	expect_mce(enter_for_signal(OP_WRITE8, data), data);
	expect_mce(raw_enter(0, OP_READ8, data, 0), data);
	CHECK_EQ(regs[REG_RIP], (uint64_t)encl_enclu_regs_site);
	CHECK_EQ(regs[REG_RAX], SGX_ERESUME);
	expect_mce(read_outside(data + 123, &byte), data);
	/* that page and no other; poisoned when it comes back */
	CHECK_EQ(encl_read8(&e, 0, other), 2);
	CHECK_EQ(machine_poison(eid, data - e.base), 1);
	CHECK_EQ(machine_epc("poisoned"), poisoned);
	encl_free(&e);
	machine_wait_free();
	CHECK_EQ(machine_epc("poisoned"), poisoned + 1);
}

TEST(poison_in_a_tcs_or_ssa)
{
	struct encl_op o;
	pthread_t thread;

	handle_faults();
	encl_build(&e, &(struct encl_opts){.tcs_count = 3});
	eid = machine_eid(&e);
	CHECK_EQ(machine_poison(eid, encl_ssa(&e, 0, 0) - e.base), 0);
	expect_mce(enter_for_signal(OP_NOP, 0), encl_ssa(&e, 0, 0));
	expect_mce(raw_enter(0, OP_NOP, 0, 0), encl_ssa(&e, 0, 0));
	CHECK_EQ(machine_poison(eid, encl_tcs(&e, 1) - e.base), 0);
	expect_mce(raw_enter(1, OP_NOP, 0, 0), encl_tcs(&e, 1));
	encl_op(&e, 2, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);

	/* while a thread is inside by it */
	encl_build(&e, &(struct encl_opts){0});
	eid = machine_eid(&e);
	__atomic_store_n(&stop, 0, __ATOMIC_SEQ_CST);
	start_inside(&thread, spin, &o);
	CHECK_EQ(machine_poison(eid, encl_tcs(&e, 0) - e.base), 0);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	expect_mce(enter_for_signal(OP_NOP, 0), encl_tcs(&e, 0));
	encl_free(&e);
	machine_wait_free();
}

TEST(poison_in_the_code_of_a_thread_inside)
{
	pthread_t thread;
	int sig = 0;

	handle_faults();
	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	eid = machine_eid(&e);
	__atomic_store_n(&stop, 0, __ATOMIC_SEQ_CST);
	start_inside(&thread, spin_raw, &sig);
	/* one of the two */
	for (uint64_t at = 0; at < ENCL_CODE_SIZE; at += ENCL_PAGE)
		CHECK_EQ(machine_poison(eid, ENCL_CODE + at), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(sig, SIGBUS);
	CHECK_EQ(seen.si_code, BUS_MCEERR_AR);
	CHECK((uint64_t)seen.si_addr - e.base < ENCL_CODE_SIZE);
	encl_free(&e);
	machine_wait_free();
}

TEST_TIMEOUT(poison_where_pages_come_and_go, 300)
{
	uint64_t poisoned = machine_epc("poisoned"), hit = 0, evicted = 0, sick[8];
	uint64_t first = HEAP_PAGES;

	handle_faults();
	build_large();
	eid = machine_eid(&e);
	/* The last are resident, mapped or parked; the first are out. */
	CHECK_EQ(machine_poison(eid, e.size - ENCL_PAGE), 1);
	for (uint64_t i = HEAP_PAGES; i-- > 0 && hit<8; i -= i> 16 ? 16 : i) {
		if (!machine_poison(eid, e.heap + i * ENCL_PAGE - e.base))
			sick[hit++] = i;
	}
	CHECK(hit);
	evicted = machine_poison(eid, e.heap - e.base);
	if (!evicted)
		first = 0;
	for (uint64_t i = 0; i < HEAP_PAGES; i++) {
		bool is_sick = i == first;

		for (uint64_t k = 0; k < hit; k++)
			is_sick |= sick[k] == i;
		if (!is_sick)
			CHECK_EQ(encl_read8(&e, 0, e.heap + i * ENCL_PAGE), mark(i));
		else /* each costs an SSA frame */
			expect_mce(raw_enter(0, OP_READ8, e.heap + i * ENCL_PAGE, 0),
				   e.heap + i * ENCL_PAGE);
	}
	encl_free(&e);
	machine_wait_free();
	CHECK_EQ(machine_epc("poisoned"), poisoned + hit + !evicted);
}

TEST_TIMEOUT(poisoned_pages_are_never_used_again, 300)
{
	uint64_t poisoned = machine_epc("poisoned");

	for (int i = 0; i < 3; i++) {
		char page[32];

		snprintf(page, sizeof(page), "--page %d", 200 + i);
		/* one of them may be so already */
		if (!machine_do("poison", page))
			poisoned++;
	}
	CHECK_EQ(machine_epc("poisoned"), poisoned);
	/* the whole EPC is used */
	build_large();
	read_all();
	encl_free(&e);
	machine_wait_free();
	CHECK_EQ(machine_epc("poisoned"), poisoned);
}
