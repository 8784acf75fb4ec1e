/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the host in Gramine's manner is put through, each case a process of its own:
 * calls and exceptions.  Signals and threads are raw_signals.c's.
 */
#include "raw.h"

#include <linux/mman.h>

#define PROT_RW (PROT_READ | PROT_WRITE)

/* --- before: what is looked at first ------------------------------------------------- */

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(sub));
}

uint64_t xfrm_offered(void)
{
	uint32_t r[4];

	cpuid(0x12, 1, r);
	return (uint64_t)r[3] << 32 | r[2];
}

static void case_cpuid(void)
{
	uint32_t r[4], lo, hi;

	cpuid(0, 0, r);
	CHECK(r[0] >= 0x12);
	cpuid(7, 0, r);
	CHECK(r[1] & 1); /* FSGSBASE */
	CHECK(r[1] & 4); /* SGX */
	CHECK(r[2] & 1u << 30); /* SGX_LC */
	cpuid(0xd, 0, r);
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	CHECK_EQ(lo & 3, 3);
	CHECK_EQ(r[0] & lo, lo);
	if (lo & 4) {
		cpuid(0xd, 2, r);
		CHECK_EQ(r[0], 256);
		CHECK_EQ(r[1], 576);
	}
	cpuid(0x12, 0, r);
	CHECK(r[0] & 1); /* SGX1 */
	CHECK((r[3] >> 8 & 0xff) >= 32); /* log2 of the largest enclave */
	cpuid(0x12, 1, r);
	CHECK_EQ(r[0] & 6, 6); /* DEBUG and MODE64BIT may be asked for */
	CHECK_EQ(xfrm_offered() & 3, 3);
	CHECK_EQ(xfrm_offered() & ~((uint64_t)hi << 32 | lo), 0);
	cpuid(0x12, 2, r);
	CHECK_EQ(r[0] & 0xf, 1); /* an EPC section */
	CHECK((r[2] & 0xf) == 1 && (r[2] & 0xfffff000));
}

/* --- making and plain calls ------------------------------------------------------------ */

void check_nop(void)
{
	struct call c = {0};

	ecall(RT_NOP, &c);
	CHECK_EQ(c.call.r, 0);
	CHECK_EQ(c.call.bad, 0);
}

static void plain_calls(void)
{
	struct call c = {.call = {.a = 40, .b = 2}};

	check_nop();
	ecall(RT_ADD, &c);
	CHECK_EQ(c.call.r, 42);
	c.call.a = 300;
	ecall(RT_OCALLS, &c);
	CHECK_EQ(c.call.r, 300 * 301 / 2);
	CHECK_EQ(tcb()->eenter, 3 + 300);
	CHECK_EQ(tcb()->eexit, 3 + 300);
}

static void case_calls(void)
{
	load("gramine3", 0);
	plain_calls();
}

static void case_calls_avx(void)
{
	if ((xfrm_offered() & 7) != 7)
		skip("# this machine does not offer AVX\n");
	load("gramine7", 0);
	plain_calls();
}

/* The ELRANGE begins at 0: what lies below mmap_min_addr can be neither mapped nor used */
static void case_base_zero(void)
{
	struct call c = {.call = {.a = RAISE_READ, .b = 0x18}};

	load_at_zero();
	plain_calls();
	ecall(RT_RAISE, &c);
	CHECK_EQ(c.call.r, 1);
	CHECK_EQ(tcb()->fault.sig, SIGSEGV);
	CHECK_EQ(tcb()->fault.addr, 0);
	CHECK_EQ(tcb()->fault.err & (SGX_PF_SGX | SGX_PF_U | SGX_PF_W), SGX_PF_U);
	/* MISCSELECT has EXINFO: inside the whole address is known */
	CHECK_EQ(c.call.valid, 1);
	CHECK_EQ(c.call.vector, SGX_VEC_PF);
	CHECK_EQ(c.call.maddr, 0x18);
	check_nop();
}

static void case_high_base(void)
{
	load("gramine3", 0x700000000000);
	plain_calls();
}

static void case_nested_calls(void)
{
	struct call c = {.call = {.a = 20}};

	load("gramine3", 0);
	ecall(RT_NEST, &c);
	CHECK_EQ(c.call.r, 20);
	check_nop();
}

static void case_other_stack(void)
{
	uint8_t *stack;
	struct call c = {0};

	load("gramine3", 0);
	stack = map_anon(STACK_SIZE, PROT_RW);
	c.call.a = (uint64_t)stack + STACK_SIZE - 64;
	for (int i = 0; i < 20; i++) {
		ecall(RT_OTHER_STACK, &c);
		CHECK(c.call.r - (uint64_t)stack < STACK_SIZE);
		check_nop();
	}
}

/* The heap is rwx, was not measured, and follows mprotect page by page */
static void case_heap(void)
{
	struct call c = {0};
	uint64_t page;

	load("gramine3", 0);
	page = heap + 5 * RT_PAGE;
	c.call.a = heap;
	c.call.b = layout->heap;
	ecall(RT_TOUCH, &c);
	CHECK_EQ(c.call.r, layout->heap / RT_PAGE);
	CHECK_EQ(sys3(__NR_mprotect, page, RT_PAGE, PROT_READ), 0);
	c.call.a = RAISE_WRITE;
	c.call.b = page + 0x40;
	ecall(RT_RAISE, &c);
	CHECK_EQ(c.call.r, 1);
	CHECK_EQ(tcb()->fault.sig, SIGSEGV);
	CHECK_EQ(tcb()->fault.code, 2 /* SEGV_ACCERR */);
	CHECK_EQ(tcb()->fault.addr, page);
	CHECK_EQ(tcb()->fault.err & (SGX_PF_W | SGX_PF_U | SGX_PF_SGX), SGX_PF_W | SGX_PF_U);
	c.call.a = RAISE_READ;
	ecall(RT_RAISE, &c);
	CHECK_EQ(c.call.r, 0);
	CHECK_EQ(sys3(__NR_mprotect, page, RT_PAGE, PROT_NONE), 0);
	ecall(RT_RAISE, &c);
	CHECK_EQ(c.call.r, 1);
	CHECK_EQ(sys3(__NR_mprotect, page, RT_PAGE, PROT_RW | PROT_EXEC), 0);
	c.call.a = RAISE_WRITE;
	ecall(RT_RAISE, &c);
	CHECK_EQ(c.call.r, 0);
	/* more than SECINFO allows is refused: code is r-x, data rw- */
	CHECK_EQ(sys3(__NR_mprotect, code, RT_PAGE, PROT_RW | PROT_EXEC), -EACCES);
	CHECK_EQ(sys3(__NR_mprotect, data, RT_PAGE, PROT_RW | PROT_EXEC), -EACCES);
	CHECK_EQ(sys3(__NR_mprotect, data, RT_PAGE, PROT_RW), 0);
	check_nop();
}

/* --- exceptions --------------------------------------------------------------------------- */

struct expect {
	uint64_t kind;
	int sig;
	uint64_t trapno;
	uint32_t type; /* EXITINFO's; 0: not reported without EXINFO */
};

static const struct expect expected[] = {
	{RAISE_UD2, SIGILL, SGX_VEC_UD, 3},  {RAISE_DE, SIGFPE, SGX_VEC_DE, 3},
	{RAISE_BP, SIGILL, SGX_VEC_UD, 3},   {RAISE_GP, SIGSEGV, SGX_VEC_GP, 0},
	{RAISE_HLT, SIGSEGV, SGX_VEC_GP, 0}, {RAISE_MF, SIGFPE, SGX_VEC_MF, 3},
	{RAISE_XM, SIGFPE, SGX_VEC_XM, 3},
};

static void exceptions(void)
{
	uint64_t before;

	for (unsigned int i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct expect *e = &expected[i];
		struct call c = {.call = {.a = e->kind}};

		before = tcb()->sync;
		ecall(RT_RAISE, &c);
		CHECK_EQ(tcb()->sync, before + 1);
		CHECK_EQ(c.call.r, 1);
		CHECK_EQ(tcb()->fault.sig, e->sig);
		CHECK_EQ(tcb()->fault.trapno, e->trapno);
		CHECK_EQ(tcb()->fault.err, 0);
		CHECK_EQ(c.call.valid, e->type != 0);
		CHECK_EQ(c.call.type, e->type);
		CHECK_EQ(c.call.vector, e->type ? e->trapno : 0);
		/* Linux: a trap's address is where it happened, at the AEP */
		if (e->trapno == SGX_VEC_UD || e->trapno == SGX_VEC_DE)
			CHECK_EQ(tcb()->fault.addr, host_aep);
		if (e->trapno == SGX_VEC_GP)
			CHECK_EQ(tcb()->fault.addr, 0);
		CHECK_EQ(tcb()->worst, 0);
	}
	check_nop();
}

static void case_exceptions(void)
{
	load("gramine3", 0);
	for (int i = 0; i < 5; i++)
		exceptions();
}

static void case_exceptions_avx(void)
{
	if ((xfrm_offered() & 7) != 7)
		skip("# this machine does not offer AVX\n");
	load("gramine7", 0);
	for (int i = 0; i < 5; i++)
		exceptions();
}

static void expect_pf(uint64_t kind, uint64_t addr, int sig, int why, uint64_t set, uint64_t clear)
{
	struct call c = {.call = {.a = kind, .b = addr}};

	ecall(RT_RAISE, &c);
	CHECK_EQ(c.call.r, 1);
	CHECK_EQ(tcb()->fault.sig, sig);
	CHECK_EQ(tcb()->fault.code, why);
	CHECK_EQ(tcb()->fault.trapno, SGX_VEC_PF);
	CHECK_EQ(tcb()->fault.addr, addr & ~0xfffull);
	CHECK_EQ(tcb()->fault.err & (set | clear), set);
	/* SDM: #PF is only told where MISCSELECT has EXINFO */
	CHECK_EQ(c.call.valid, 0);
	CHECK_EQ(c.call.vector, 0);
}

static void case_page_faults(void)
{
	uint8_t *page;
	uint64_t at;

	load("gramine3", 0);
	page = map_anon(2 * RT_PAGE, PROT_NONE);
	at = (uint64_t)page;
	/* SEGV_ACCERR 2, SEGV_MAPERR 1 */
	expect_pf(RAISE_READ, at + 0x230, SIGSEGV, 2, SGX_PF_U, SGX_PF_SGX | SGX_PF_W);
	expect_pf(RAISE_WRITE, at + 0xff8, SIGSEGV, 2, SGX_PF_U | SGX_PF_W, SGX_PF_SGX);
	sys2(__NR_munmap, page, 2 * RT_PAGE);
	expect_pf(RAISE_READ, at + 0x230, SIGSEGV, 1, SGX_PF_U, SGX_PF_SGX | SGX_PF_P | SGX_PF_W);
	expect_pf(RAISE_READ, 0x10, SIGSEGV, 1, SGX_PF_U, SGX_PF_SGX | SGX_PF_P | SGX_PF_W);
	/* its own pages: no W, no X, never added, a TCS */
	expect_pf(RAISE_WRITE, code + 8, SIGSEGV, 2, SGX_PF_U | SGX_PF_W, SGX_PF_SGX);
	expect_pf(RAISE_JUMP, data + 8, SIGSEGV, 2, SGX_PF_U | SGX_PF_I, SGX_PF_SGX);
	expect_pf(RAISE_READ, base + 0x5010, SIGBUS, 2 /* BUS_ADRERR */, SGX_PF_U, SGX_PF_SGX);
	expect_pf(RAISE_READ, code - RT_PAGE + 8, SIGSEGV, 2, SGX_PF_U | SGX_PF_SGX | SGX_PF_P,
		  SGX_PF_W);
	check_nop();
}

/* An instruction that the runtime makes by an OCALL, its registers live */
static void case_emulation(void)
{
	load("gramine3", 0);
	for (uint64_t i = 0; i < 100; i++) {
		struct call c = {.call = {.a = RAISE_NONE, .b = i}};

		ecall(RT_RAISE, &c);
		CHECK_EQ(c.call.r, i + 1);
		CHECK_EQ(tcb()->sync, i + 1);
	}
}

/* CPUID gives inside what it gives outside, whoever answers it */
static void case_cpuid_inside(void)
{
	uint32_t in[4], out[4];
	struct call c = {.call = {.buf = (uint64_t)in}};

	load("gramine3", 0);
	c.call.a = 0xd;
	for (c.call.b = 0; c.call.b < 3; c.call.b += 2) {
		ecall(RT_CPUID, &c);
		cpuid(0xd, (uint32_t)c.call.b, out);
		CHECK(same_bytes(in, out, sizeof(in)));
	}
}

/*
 * Frames run out.  Phase 1, entered for SIGTERM, faults itself: CSSA is NSSA, and
 * EENTER for the second exception is #GP(0) at the ENCLU.
 */
static uint64_t trap_instead(int sig, struct sigcontext_64 *regs)
{
	(void)sig;
	if (!(regs->ip >= (uint64_t)host_aep && regs->ip < (uint64_t)host_aep_end))
		return 0;
	host_raise(RT_EVENT_TRAP);
	fail_at("phase 1 came back", __LINE__, 0, 0);
}

static uint64_t second_raise(int sig, struct sigcontext_64 *regs)
{
	if (regs->ip == (uint64_t)host_eenter) {
		CHECK_EQ(sig, SIGSEGV);
		CHECK_EQ(regs->trapno, SGX_VEC_GP);
		CHECK_EQ(regs->err, 0);
		CHECK_EQ(regs->ax, EENTER);
		CHECK_EQ(regs->bx, tcb()->tcs);
		CHECK_EQ(regs->cx, host_aep);
		return 0; /* raise comes back with EENTER_FAULT */
	}
	CHECK_EQ(sig, SIGILL);
	CHECK_EQ(regs->ip, host_aep);
	CHECK_EQ(host_raise(RT_EVENT_FAULT), EENTER_FAULT);
	sys1(__NR_exit_group, 0);
	return 1;
}

static void case_frames_run_out(void)
{
	struct tcb *t;

	load("gramine3", 0);
	sync_hook = second_raise;
	async_hook = trap_instead;
	t = thread_start(count_body, 0);
	wait_for(&ready, 1);
	/* until one finds it inside: exits from there */
	for (;;) {
		send(t, SIGTERM);
		sys0(__NR_sched_yield);
	}
}

/* The same in the handler of SIGILL: blocked there, and Linux ends the process */
static uint64_t trap_in_handler(int sig, struct sigcontext_64 *regs)
{
	(void)sig;
	(void)regs;
	host_raise(RT_EVENT_TRAP);
	fail_at("phase 1 came back", __LINE__, 0, 0);
}

static void case_blocked_exception(void)
{
	struct call c = {.call = {.a = RAISE_UD2}};

	load("gramine3", 0);
	sync_hook = trap_in_handler;
	ecall(RT_RAISE, &c);
}

/* --- reports and keys ---------------------------------------------------------------------------- */

static void case_report(void)
{
	static uint8_t buf[2048];
	struct sgx_report *r = (void *)(buf + 1024), first;
	struct sgx_targetinfo *target = (void *)buf;
	struct call c = {.call = {.buf = (uint64_t)buf}};

	load("gramine3", 0);
	for (int i = 0; i < 64; i++)
		buf[512 + i] = (uint8_t)(3 * i + 1);
	ecall(RT_REPORT, &c);
	CHECK(same_bytes(r->reportdata, buf + 512, 64));
	CHECK_EQ(r->attributes.flags, SGX_ATTR_INIT_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT);
	CHECK_EQ(r->attributes.xfrm, 3);
	CHECK_EQ(r->isvprodid, 4);
	CHECK_EQ(r->isvsvn, 2);
	CHECK_EQ(r->miscselect, 0);
	first = *r;
	/* the same question, the same answer; for itself, another MAC */
	ecall(RT_REPORT, &c);
	CHECK(same_bytes(r->mac, first.mac, sizeof(first.mac)));
	for (unsigned int i = 0; i < SGX_HASH_SIZE; i++)
		target->measurement[i] = first.mrenclave[i];
	target->attributes = first.attributes;
	ecall(RT_REPORT, &c);
	CHECK(!same_bytes(r->mac, first.mac, sizeof(first.mac)));
	CHECK(same_bytes(r->mrenclave, first.mrenclave, sizeof(first.mrenclave)));
}

static void case_report_key(void)
{
	static uint8_t buf[1024], first[16];
	struct sgx_keyrequest *k = (void *)buf;
	struct call c = {.call = {.buf = (uint64_t)buf}};

	load("gramine3", 0);
	k->keyname = SGX_KEYNAME_REPORT;
	ecall(RT_KEY, &c);
	CHECK_EQ(c.call.r, 0);
	for (int i = 0; i < 16; i++)
		first[i] = buf[512 + i];
	ecall(RT_KEY, &c);
	CHECK(same_bytes(buf + 512, first, 16));
	k->keyid[7] = 1;
	ecall(RT_KEY, &c);
	CHECK_EQ(c.call.r, 0);
	CHECK(!same_bytes(buf + 512, first, 16));
}

const struct raw_case raw_cases[] = {
	{"cpuid", case_cpuid, 0},
	{"calls", case_calls, 0},
	{"calls_avx", case_calls_avx, 0},
	{"base_zero", case_base_zero, 0},
	{"high_base", case_high_base, 0},
	{"nested_calls", case_nested_calls, 0},
	{"other_stack", case_other_stack, 0},
	{"heap", case_heap, 0},
	{"exceptions", case_exceptions, 0},
	{"exceptions_avx", case_exceptions_avx, 0},
	{"page_faults", case_page_faults, 0},
	{"emulation", case_emulation, 0},
	{"cpuid_inside", case_cpuid_inside, 0},
	{"frames_run_out", case_frames_run_out, 0},
	{"blocked_exception", case_blocked_exception, SIGILL},
	{"enclu_faults", case_enclu_faults, 0},
	{"async", case_async, 0},
	{"async_avx", case_async_avx, 0},
	{"async_threads", case_async_threads, 0},
	{"work_one", case_work_one, 0},
	{"work_threads", case_work_threads, 0},
	{"interrupted_ocall", case_interrupted_ocall, 0},
	{"process_signal", case_process_signal, 0},
	{"thread_exit", case_thread_exit, 0},
	{"exit_group_inside", case_exit_group_inside, 0},
	{"killed_inside", case_killed_inside, SIGUSR1},
	{"report", case_report, 0},
	{"report_key", case_report_key, 0},
	{NULL, NULL, 0},
};
