/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hosts that enter through the vDSO: without a user handler, as Fortanix EDP does,
 * whose OCALLs and exceptions are seen to after the function has returned; and with
 * one, as Open Enclave and Intel's newer uRTS do, which see to them in it.
 */
#include "urts.h"

#include <asm/sgx.h>
#include <elf.h>
#include <harness/harness.h>
#include <pthread.h>
#include <sgx/leaf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#define WORK_SUM(n) ((n) * ((n) + 1) + 2 * (n)) /* RT_WORK's answer */
#define THREADS	    6

struct vdso_regs {
	uint64_t rdi, rsi;
	uint64_t exceptions, ocalls;
};
_Static_assert(offsetof(struct sgx_enclave_run, user_data) == 32, "vdso_call.S");

int vdso_call(struct vdso_regs *regs, unsigned int leaf, struct sgx_enclave_run *run,
	      void *function);
int vdso_handler_entry(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
		       struct sgx_enclave_run *run);
int vdso_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
		 struct sgx_enclave_run *run);

static void *enter_enclave;

/* --- finding the function ---------------------------------------------------------- */

/* By section headers, as Intel's uRTS does: they lie outside of what is loaded */
static void *by_sections(const char *name)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *ehdr = (const void *)base;
	const Elf64_Shdr *sections = (const void *)(base + ehdr->e_shoff);

	CHECK(ehdr->e_shoff && ehdr->e_shentsize == sizeof(*sections));
	for (int i = 0; i < ehdr->e_shnum; i++) {
		const Elf64_Shdr *s = &sections[i];
		const Elf64_Sym *sym = (const void *)(base + s->sh_offset);
		const char *strings;

		if (s->sh_type != SHT_DYNSYM)
			continue;
		CHECK(s->sh_link < ehdr->e_shnum);
		strings = (const char *)(base + sections[s->sh_link].sh_offset);
		for (uint64_t k = 0; k < s->sh_size / sizeof(*sym); k++)
			if (!strcmp(strings + sym[k].st_name, name))
				return (void *)(base + sym[k].st_value);
	}
	return NULL;
}

/* By the dynamic linker: the program has DT_NEEDED linux-vdso.so.1 and a weak symbol */
extern int __vdso_sgx_enter_enclave(unsigned long rdi, unsigned long rsi, unsigned long rdx,
				    unsigned int function, unsigned long r8, unsigned long r9,
				    struct sgx_enclave_run *run) __attribute__((weak));

TEST(found_by_section_headers)
{
	const uint8_t *f = by_sections("__vdso_sgx_enter_enclave");

	CHECK(f);
	CHECK(by_sections("__vdso_clock_gettime"));
	CHECK(!by_sections("__vdso_no_such_function"));
}

TEST(found_by_the_dynamic_linker)
{
	CHECK(__vdso_sgx_enter_enclave);
	CHECK_EQ((uint64_t)__vdso_sgx_enter_enclave,
		 (uint64_t)by_sections("__vdso_sgx_enter_enclave"));
}

/* --- without a user handler ------------------------------------------------------------ */

/*
 * One call of the enclave.  All entries are made from one place of the stack: the
 * enclave leaves with the RSP of the EENTER that began it.
 */
static uint64_t ecall_outside(uint64_t fn, struct urts_call *c, struct vdso_regs *regs)
{
	struct urts_thread *t = urts_thread_get();
	struct sgx_enclave_run run = {.tcs = t->tcs};
	unsigned int leaf = SGX_EENTER;

	regs->rdi = fn;
	regs->rsi = (uint64_t)&c->call;
	for (;;) {
		struct vdso_regs saved = *regs;

		CHECK_EQ(vdso_call(regs, leaf, &run, enter_enclave), 0);
		leaf = SGX_EENTER;
		if (run.function == SGX_ERESUME) {
			/* an exception: phase 1, and then the enclave goes on */
			CHECK(saved.rdi != RT_EVENT_FAULT || saved.rsi);
			regs->exceptions++;
			regs->rdi = RT_EVENT_FAULT;
			regs->rsi = 0;
			CHECK_EQ(vdso_call(regs, leaf, &run, enter_enclave), 0);
			CHECK_EQ(run.function, SGX_EEXIT);
			CHECK_EQ(regs->rdi, RT_ERET);
			CHECK_EQ(regs->rsi, RT_HANDLED);
			leaf = SGX_ERESUME;
			continue;
		}
		CHECK_EQ(run.function, SGX_EEXIT);
		if (regs->rdi == (uint64_t)RT_ERET)
			return regs->rsi;
		regs->ocalls++;
		regs->rsi = urts_ocall(regs->rdi, (struct rt_oc *)regs->rsi, t);
		regs->rdi = RT_ORET;
	}
}

/* --- with one ------------------------------------------------------------------------------ */

static jmp_buf out;
static uint64_t jumps_left;

int vdso_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
		 struct sgx_enclave_run *run)
{
	struct vdso_regs *regs = (struct vdso_regs *)run->user_data;
	struct vdso_regs inner = {.rdi = RT_EVENT_FAULT};
	struct sgx_enclave_run nested = {.tcs = run->tcs};

	(void)rdx;
	(void)rsp;
	(void)r8;
	(void)r9;
	CHECK_EQ(run->tcs, urts_thread_get()->tcs);
	if (run->function == SGX_ERESUME) {
		regs->exceptions++;
		CHECK_EQ(vdso_call(&inner, SGX_EENTER, &nested, enter_enclave), 0);
		CHECK_EQ(nested.function, SGX_EEXIT);
		CHECK_EQ(inner.rdi, RT_ERET);
		CHECK_EQ(inner.rsi, RT_HANDLED);
		return SGX_ERESUME;
	}
	CHECK_EQ(run->function, SGX_EEXIT);
	regs->rdi = (uint64_t)rdi;
	regs->rsi = (uint64_t)rsi;
	if (rdi == RT_ERET)
		return 0;
	regs->ocalls++;
	if (rdi == OC_SLEEP && jumps_left) {
		jumps_left--;
		longjmp(out, 1);
	}
	regs->rsi = urts_ocall((uint64_t)rdi, (struct rt_oc *)rsi, urts_thread_get());
	regs->rdi = RT_ORET;
	return SGX_EENTER;
}

static uint64_t ecall_handler(uint64_t fn, struct urts_call *c, struct vdso_regs *regs)
{
	struct sgx_enclave_run run = {
		.tcs = urts_thread_get()->tcs,
		.user_handler = (uint64_t)vdso_handler_entry,
		.user_data = (uint64_t)regs,
	};
	struct vdso_regs in = {.rdi = fn, .rsi = (uint64_t)&c->call};

	CHECK_EQ(vdso_call(&in, SGX_EENTER, &run, enter_enclave), 0);
	CHECK_EQ(run.function, SGX_EEXIT);
	CHECK_EQ(regs->rdi, RT_ERET);
	return regs->rsi;
}

/* --- both ways ---------------------------------------------------------------------------------- */

typedef uint64_t ecall_way(uint64_t fn, struct urts_call *c, struct vdso_regs *regs);
static ecall_way *ecall;

static void start(ecall_way *way)
{
	ecall = way;
	enter_enclave = by_sections("__vdso_sgx_enter_enclave");
	CHECK(enter_enclave);
	urts_load("intel3", URTS_RUNS);
}

/* An ECALL in an OCALL goes the same way */
static bool nested_ocall(uint64_t number, struct rt_oc *oc, uint64_t *ret)
{
	struct urts_call inner = {.call = {.a = oc->a}};
	struct vdso_regs regs = {0};

	if (number != OC_NEST)
		return false;
	CHECK_EQ(ecall(RT_NEST, &inner, &regs), 0);
	*ret = inner.call.r;
	return true;
}

static void calls(void)
{
	struct urts_call c = {.call = {.a = 40, .b = 2}};
	struct vdso_regs regs = {0};

	CHECK_EQ(ecall(RT_ADD, &c, &regs), 0);
	CHECK_EQ(c.call.r, 42);
	CHECK_EQ(regs.ocalls, 0);
	c.call.a = 200;
	CHECK_EQ(ecall(RT_OCALLS, &c, &regs), 0);
	CHECK_EQ(c.call.r, 200 * 201 / 2);
	CHECK_EQ(regs.ocalls, 200);
	urts_ocall_hook = nested_ocall;
	c.call.a = 12;
	CHECK_EQ(ecall(RT_NEST, &c, &regs), 0);
	CHECK_EQ(c.call.r, 12);
	CHECK_EQ(regs.exceptions, 0);
}

TEST(calls_outside)
{
	start(ecall_outside);
	calls();
	urts_unload();
}

TEST(calls_in_handler)
{
	start(ecall_handler);
	calls();
	urts_unload();
}

static void exceptions(void)
{
	static const uint64_t kinds[] = {RAISE_UD2, RAISE_DE,	RAISE_GP, RAISE_HLT,
					 RAISE_MF,  RAISE_READ, RAISE_XM};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct urts_call c = {.call = {.a = kinds[i], .b = 0x10}};
		struct vdso_regs regs = {0};

		CHECK_EQ(ecall(RT_RAISE, &c, &regs), 0);
		CHECK_EQ(c.call.r, 1);
		CHECK_EQ(regs.exceptions, 1);
	}
	for (uint64_t i = 0; i < 20; i++) {
		struct urts_call c = {.call = {.a = RAISE_NONE, .b = i}};
		struct vdso_regs regs = {0};

		/* an OCALL by phase 2, vector registers live */
		CHECK_EQ(ecall(RT_RAISE, &c, &regs), 0);
		CHECK_EQ(c.call.r, i + 1);
		CHECK_EQ(regs.exceptions, 1);
		CHECK_EQ(regs.ocalls, 1);
	}
}

TEST(exceptions_outside)
{
	start(ecall_outside);
	for (int i = 0; i < 5; i++)
		exceptions();
	urts_unload();
}

TEST(exceptions_in_handler)
{
	start(ecall_handler);
	for (int i = 0; i < 5; i++)
		exceptions();
	urts_unload();
}

#ifndef __SANITIZE_ADDRESS__ /* it takes the frames that were jumped over for live ones */
TEST(handler_jumps_past_the_vdso)
{
	struct urts_call c = {0};
	struct vdso_regs regs = {0};

	start(ecall_handler);
	for (volatile int i = 0; i < 20; i++) {
		jumps_left = 1;
		if (!setjmp(out)) {
			ecall(RT_SLEEP, &c, &regs);
			FAIL("the call came back");
		}
		calls();
		exceptions();
		CHECK_EQ(ecall(RT_RESET, &c, &regs), 0);
	}
	urts_unload();
}
#endif

/* --- signals and threads -------------------------------------------------------------------------- */

static volatile uint64_t ticks, at_aep, wrong, stop;

static void on_tick(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)r[REG_RIP];

	(void)sig;
	(void)info;
	if (rip - urts.base < urts.layout->size)
		wrong = 1;
	if (r[REG_RAX] == SGX_ERESUME && !memcmp((const void *)rip, "\x0f\x01\xd7", 3)) {
		if (r[REG_RCX] != r[REG_RIP] || r[REG_RDI] | r[REG_RSI] | r[REG_R8])
			wrong = 2;
		__atomic_fetch_add(&at_aep, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&ticks, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	uint64_t rounds = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct urts_call c = {.call = {.a = 4}};
		struct vdso_regs regs = {0};

		CHECK_EQ(ecall(RT_WORK, &c, &regs), 0);
		CHECK_EQ(c.call.r, WORK_SUM(4));
		/* asynchronous signals are nothing that the vDSO tells of */
		CHECK_EQ(regs.exceptions, 3 * 4);
		CHECK_EQ(regs.ocalls, 2 * 4);
		rounds++;
	}
	urts_thread_put();
	CHECK(rounds || arg);
	return NULL;
}

static void threads_under_signals(ecall_way *way)
{
	struct sigaction sa = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct itimerval it = {{0, 1000}, {0, 1000}}, none = {{0, 0}, {0, 0}};
	pthread_t thread[THREADS];

	start(way);
	CHECK_SYS(sigaction(SIGUSR1, &sa, NULL));
	CHECK_SYS(sigaction(SIGALRM, &sa, NULL));
	CHECK_SYS(setitimer(ITIMER_REAL, &it, NULL));
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, work, thread), 0);
	for (unsigned int i = 0; ticks < 600 || !at_aep; i++) {
		CHECK_EQ(pthread_kill(thread[i % THREADS], SIGUSR1), 0);
		sched_yield();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_SYS(setitimer(ITIMER_REAL, &none, NULL));
	CHECK_EQ(wrong, 0);
	urts_unload();
}

TEST(threads_outside)
{
	threads_under_signals(ecall_outside);
}

TEST(threads_in_handler)
{
	threads_under_signals(ecall_handler);
}
