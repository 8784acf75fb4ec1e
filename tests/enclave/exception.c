/* SPDX-License-Identifier: BSD-3-Clause */
/* Exceptions inside: what the vDSO reports, what a signal handler sees. */
#include "encl.h"

#include <harness/harness.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static struct sgx_enclave_run expect(struct encl *e, unsigned int vector, uint64_t op, uint64_t rsi,
				     uint64_t rdx)
{
	struct encl_op o = encl_enter_fixed(e, 0, SGX_EENTER, op, rsi, rdx, 0, 0);

	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, vector);
	return o.run;
}

static void expect_pf(struct encl *e, uint64_t op, uint64_t addr, unsigned int set,
		      unsigned int clear)
{
	struct sgx_enclave_run run = expect(e, SGX_VEC_PF, op, addr, 0);

	CHECK_EQ(run.exception_addr, addr & SGX_PAGE_MASK);
	CHECK_EQ(run.exception_error_code & (set | clear), set);
	CHECK_EQ(run.exception_error_code & SGX_PF_U, SGX_PF_U);
}

TEST(vectors)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 8});
	expect(&e, SGX_VEC_UD, OP_UD2, 0, 0);
	expect(&e, SGX_VEC_DE, OP_DIVIDE, 0, 0);
	CHECK_EQ(expect(&e, SGX_VEC_GP, OP_NONCANONICAL, 0, 0).exception_error_code, 0);
	expect(&e, SGX_VEC_XM, OP_MASKED, 0, 0);
	expect(&e, SGX_VEC_GP, OP_HLT, 0, 0);
	encl_free(&e);
}

/* The page tables deny: no SGX bit. */
TEST(mapping_denies)
{
	uint64_t page;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 12});
	page = e.base + ENCL_NOX;
	encl_write8(&e, 0, page, 1);
	CHECK_SYS(mprotect((void *)page, ENCL_PAGE, PROT_NONE));
	expect_pf(&e, OP_READ8, page + 0x128, 0, SGX_PF_SGX | SGX_PF_W | SGX_PF_I);
	expect_pf(&e, OP_WRITE8, page + 0xff8, SGX_PF_W, SGX_PF_SGX | SGX_PF_I);
	expect_pf(&e, OP_JUMP, page + 0x80, SGX_PF_I, SGX_PF_SGX | SGX_PF_W);
	CHECK_SYS(mprotect((void *)page, ENCL_PAGE, PROT_READ));
	CHECK_EQ(encl_read8(&e, 0, page), 1);
	expect_pf(&e, OP_WRITE8, page + 0x10, SGX_PF_W, SGX_PF_SGX);
	CHECK_SYS(mprotect((void *)page, ENCL_PAGE, PROT_READ | PROT_WRITE));
	encl_write8(&e, 0, page, 2);
	/* a page that was added without W, and one without X */
	expect_pf(&e, OP_WRITE8, e.base + ENCL_RO + 8, SGX_PF_W, SGX_PF_SGX);
	expect_pf(&e, OP_JUMP, e.base + ENCL_DATA + 0x40, SGX_PF_I, SGX_PF_SGX);
	CHECK_EQ(encl_read8(&e, 0, page), 2);
	encl_free(&e);
}

/* Without SGX2 a page that was never added is SIGBUS, which the vDSO reports as #PF. */
TEST(hole_in_elrange)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 8});
	expect_pf(&e, OP_READ8, e.base + ENCL_HOLE + 0x7f8, 0, SGX_PF_SGX | SGX_PF_W);
	expect_pf(&e, OP_WRITE8, e.base + ENCL_HOLE, SGX_PF_W, SGX_PF_SGX);
	/* nothing mapped at all */
	CHECK_SYS(munmap((void *)(e.base + ENCL_HOLE), ENCL_PAGE));
	expect_pf(&e, OP_READ8, e.base + ENCL_HOLE + 0x18, 0, SGX_PF_SGX | SGX_PF_W);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* The EPCM denies: the SGX bit.  A TCS is nobody's to touch. */
TEST(tcs_page_inside)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 8, .tcs_count = 2});
	expect_pf(&e, OP_READ8, encl_tcs(&e, 1) + 0x48, SGX_PF_SGX | SGX_PF_P, SGX_PF_W);
	expect_pf(&e, OP_WRITE8, encl_tcs(&e, 1) + 0x48, SGX_PF_SGX | SGX_PF_P | SGX_PF_W, 0);
	expect_pf(&e, OP_READ8, encl_tcs(&e, 0), SGX_PF_SGX | SGX_PF_P, SGX_PF_W);
	encl_op(&e, 1, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* Memory outside that is not there: an ordinary #PF, at the page. */
TEST(fault_outside_elrange)
{
	uint8_t *page = mmap(NULL, ENCL_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct encl e;

	CHECK(page != MAP_FAILED);
	encl_build(&e, &(struct encl_opts){.nssa = 8});
	expect_pf(&e, OP_READ8, (uint64_t)page + 0x208, 0, SGX_PF_SGX | SGX_PF_W);
	expect_pf(&e, OP_WRITE8, (uint64_t)page + 0x208, SGX_PF_W, SGX_PF_SGX);
	munmap(page, ENCL_PAGE);
	expect_pf(&e, OP_READ8, (uint64_t)page + 0x208, 0, SGX_PF_SGX | SGX_PF_W);
	expect_pf(&e, OP_READ8, 0x10, 0, SGX_PF_SGX | SGX_PF_W);
	encl_free(&e);
}

TEST(enclu_leaves_inside)
{
	static const uint64_t gp[] = {SGX_EENTER, SGX_ERESUME, SGX_EACCEPT, SGX_EMODPE, 8, 0xff};
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 12});
	for (size_t i = 0; i < sizeof(gp) / sizeof(gp[0]); i++)
		expect(&e, SGX_VEC_GP, OP_ENCLU, gp[i], encl_tcs(&e, 0));
	/* EEXIT to an address that is not canonical */
	expect(&e, SGX_VEC_GP, OP_ENCLU, SGX_EEXIT, 0x8000000000000000);
	encl_free(&e);
}

TEST(frames_run_out)
{
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 3});
	for (int i = 0; i < 3; i++)
		expect(&e, SGX_VEC_UD, OP_UD2, 0, 0);
	o = encl_enter(&e, 0, SGX_EENTER, OP_NOP, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_EENTER);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_GP);
	/* ERESUME has a frame to take; UD2 traps once more */
	for (int i = 0; i < 5; i++) {
		o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
		CHECK_EQ(o.run.function, SGX_ERESUME);
		CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	}
	encl_free(&e);
}

/* --- without the vDSO: signals ------------------------------------------------- */

static struct {
	volatile int count, sig, code, trapno;
	uint64_t rax, rbx, rcx, rip, rdi, rsp, err, addr, cr2;
	int skip;
} caught;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *r = uc->uc_mcontext.gregs;

	caught.count++;
	caught.sig = sig;
	caught.code = info->si_code;
	caught.addr = (uint64_t)info->si_addr;
	caught.trapno = (int)r[REG_TRAPNO];
	caught.err = (uint64_t)r[REG_ERR];
	caught.cr2 = (uint64_t)r[REG_CR2];
	caught.rax = (uint64_t)r[REG_RAX];
	caught.rbx = (uint64_t)r[REG_RBX];
	caught.rcx = (uint64_t)r[REG_RCX];
	caught.rdi = (uint64_t)r[REG_RDI];
	caught.rip = (uint64_t)r[REG_RIP];
	r[REG_RIP] += caught.skip;
}

static void catch (int sig)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	CHECK_SYS(sigaction(sig, &sa, NULL));
}

/* At the AEP, with the state that tells nothing */
static void check_synthetic(const struct encl *e, uint64_t aep)
{
	CHECK_EQ(caught.count, 1);
	CHECK_EQ(caught.rip, aep);
	CHECK_EQ(caught.rax, SGX_ERESUME);
	CHECK_EQ(caught.rbx, encl_tcs(e, 0));
	CHECK_EQ(caught.rcx, aep);
	CHECK_EQ(caught.rdi, 0);
	caught.count = 0;
}

TEST(signals_without_vdso)
{
	uint64_t aep = (uint64_t)encl_enclu_site;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 8});
	catch (SIGILL);
	catch (SIGSEGV);
	catch (SIGFPE);
	catch (SIGBUS);
	caught.skip = 3;
	CHECK_EQ(encl_enclu(SGX_EENTER, encl_tcs(&e, 0), aep, OP_NOP), 0);
	/* EAX is the leaf: what is above it does not count */
	CHECK_EQ(encl_enclu(0xfeedface00000000 | SGX_EENTER, encl_tcs(&e, 0), aep, OP_NOP), 0);
	CHECK_EQ(caught.count, 0);

	encl_enclu(SGX_EENTER, encl_tcs(&e, 0), aep, OP_UD2);
	check_synthetic(&e, aep);
	CHECK_EQ(caught.sig, SIGILL);
	CHECK_EQ(caught.trapno, SGX_VEC_UD);
	CHECK_EQ(caught.addr, aep);

	encl_enclu(SGX_EENTER, encl_tcs(&e, 0), aep, OP_DIVIDE);
	check_synthetic(&e, aep);
	CHECK_EQ(caught.sig, SIGFPE);
	CHECK_EQ(caught.trapno, SGX_VEC_DE);

	encl_enclu(SGX_EENTER, encl_tcs(&e, 0), aep, OP_NONCANONICAL);
	check_synthetic(&e, aep);
	CHECK_EQ(caught.sig, SIGSEGV);
	CHECK_EQ(caught.trapno, SGX_VEC_GP);
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 3);
	encl_free(&e);
}

/* RSI is RBX' value by accident of encl_enclu(): reads the TCS, then a hole */
TEST(page_faults_without_vdso)
{
	uint64_t aep = (uint64_t)encl_enclu_site;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 8});
	catch (SIGSEGV);
	catch (SIGBUS);
	caught.skip = 3;
	encl_enclu(SGX_EENTER, encl_tcs(&e, 0), aep, OP_READ8);
	check_synthetic(&e, aep);
	CHECK_EQ(caught.sig, SIGSEGV);
	CHECK_EQ(caught.code, SEGV_ACCERR);
	CHECK_EQ(caught.trapno, SGX_VEC_PF);
	CHECK_EQ(caught.err & SGX_PF_SGX, SGX_PF_SGX);
	CHECK_EQ(caught.addr, encl_tcs(&e, 0));
	CHECK_EQ(caught.cr2, encl_tcs(&e, 0));
	encl_free(&e);
}

TEST(enclu_faults_without_vdso)
{
	uint64_t aep = (uint64_t)encl_enclu_site;
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	catch (SIGSEGV);
	caught.skip = 3;
	/* #GP: EEXIT and EREPORT outside, ERESUME at CSSA 0 */
	encl_enclu(SGX_EEXIT, encl_tcs(&e, 0), aep, 0);
	CHECK_EQ(caught.count, 1);
	CHECK_EQ(caught.trapno, SGX_VEC_GP);
	CHECK_EQ(caught.rip, aep);
	encl_enclu(SGX_EREPORT, encl_tcs(&e, 0), aep, 0);
	CHECK_EQ(caught.count, 2);
	encl_enclu(SGX_ERESUME, encl_tcs(&e, 0), aep, 0);
	CHECK_EQ(caught.count, 3);
	CHECK_EQ(caught.trapno, SGX_VEC_GP);
	/* #PF: no TCS */
	encl_enclu(SGX_EENTER, e.base + ENCL_DATA, aep, 0);
	CHECK_EQ(caught.count, 4);
	CHECK_EQ(caught.sig, SIGSEGV);
	CHECK_EQ(caught.trapno, SGX_VEC_PF);
	CHECK_EQ(caught.addr, e.base + ENCL_DATA);
	/* the AEP must be canonical */
	encl_enclu(SGX_EENTER, encl_tcs(&e, 0), 0x8000000000000000, 0);
	CHECK_EQ(caught.count, 5);
	CHECK_EQ(caught.trapno, SGX_VEC_GP);
	encl_free(&e);
}

/* Without a handler the program dies of it. */
EXPECT_SIGNAL(unhandled_ud, SIGILL)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	encl_enclu(SGX_EENTER, encl_tcs(&e, 0), (uint64_t)encl_enclu_site, OP_UD2);
}

EXPECT_SIGNAL(unhandled_pf, SIGSEGV)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	encl_enclu(SGX_EENTER, encl_tcs(&e, 0), (uint64_t)encl_enclu_site, OP_READ8);
}

/* SDM: after an opt-out entry INT3 is no breakpoint but #UD.  (debug.c has the other.) */
TEST(breakpoint_opt_out)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	catch (SIGTRAP);
	expect(&e, SGX_VEC_UD, OP_INT3, 0, 0);
	CHECK_EQ(caught.count, 0);
	encl_free(&e);
}

/* Outside: loads of a page that the EPCM denies, of a hole, of a plain page */
static volatile uint64_t sink;

static void load_skipping(uint64_t addr)
{
	__asm__ volatile("mov (%1), %0" : "=&r"(sink) : "r"(addr) : "memory");
}

TEST(access_from_outside)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	catch (SIGSEGV);
	catch (SIGBUS);
	caught.skip = 3; /* MOV r64, (r64) but from RSP, R12 and the like has three bytes */
	CHECK_EQ(caught.count, 0);
	load_skipping(e.base + ENCL_HOLE);
	CHECK_EQ(caught.count, 1);
	CHECK_EQ(caught.sig, SIGBUS);
	load_skipping(encl_tcs(&e, 0));
	CHECK_EQ(caught.count, 2);
	CHECK_EQ(caught.sig, SIGSEGV);
	CHECK_EQ(caught.code, SEGV_ACCERR);
	CHECK_EQ(caught.err & SGX_PF_SGX, SGX_PF_SGX);
	encl_free(&e);
}
