/* SPDX-License-Identifier: BSD-3-Clause */
/* EENTER, EEXIT and the contract of __vdso_sgx_enter_enclave(). */
#include "encl.h"

#include <asm/prctl.h>
#include <harness/harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void dump_hook(struct encl *e, unsigned int i, struct sgx_tcs *tcs)
{
	(void)e;
	if (i == 1)
		tcs->oentry = ENCL_CODE + (uint64_t)(blob_dump - blob_start);
}

static const struct encl_opts dump_opts = {.tcs_count = 2, .tcs_hook = dump_hook};

static void bases(unsigned long b[2])
{
	CHECK_SYS(syscall(SYS_arch_prctl, ARCH_GET_FS, &b[0]));
	CHECK_SYS(syscall(SYS_arch_prctl, ARCH_GET_GS, &b[1]));
}

static void fill_regs(struct encl_regs *regs)
{
	uint64_t *r = &regs->rdi;

	for (int i = 0; i < 11; i++)
		r[i] = 0x0123456789abcde0ull + 0x1111111111111111ull * (uint64_t)i;
	for (int i = 0; i < 16; i++)
		memset(regs->xmm[i], 0x10 + i, 16);
	regs->set_rflags = 0;
}

TEST(registers_pass_in)
{
	struct encl_regs in, regs;
	struct sgx_enclave_run run;
	struct encl_dump d;
	struct encl e;

	encl_build(&e, &dump_opts);
	memset(&run, 0, sizeof(run));
	run.tcs = encl_tcs(&e, 1);
	fill_regs(&regs);
	in = regs;
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
	CHECK_EQ(run.function, SGX_EEXIT);
	encl_read(&e, 0, &d, e.base + ENCL_DATA + DATA_DUMP, sizeof(d));

	/* SDM, EENTER: RAX = CSSA, RCX = the instruction after ENCLU, RBX = TCS */
	CHECK_EQ(d.gpr[GPR_RAX], 0);
	CHECK_EQ(d.gpr[GPR_RBX], encl_tcs(&e, 1));
	CHECK_MEM((const void *)(d.gpr[GPR_RCX] - 3), "\x0f\x01\xd7", 3);
	CHECK_EQ(d.gpr[GPR_RDI], in.rdi);
	CHECK_EQ(d.gpr[GPR_RSI], in.rsi);
	CHECK_EQ(d.gpr[GPR_RDX], in.rdx);
	CHECK_EQ(d.gpr[GPR_R8], in.r8);
	CHECK_EQ(d.gpr[GPR_R9], in.r9);
	CHECK_EQ(d.gpr[GPR_R10], in.r10);
	CHECK_EQ(d.gpr[GPR_R11], in.r11);
	CHECK_EQ(d.gpr[GPR_R12], in.r12);
	CHECK_EQ(d.gpr[GPR_R13], in.r13);
	CHECK_EQ(d.gpr[GPR_R14], in.r14);
	CHECK_EQ(d.gpr[GPR_R15], in.r15);
	CHECK_MEM(d.xmm, in.xmm, sizeof(in.xmm));
	/* RSP and RBP are the untrusted stack's, below our frame */
	CHECK(regs.rsp - d.gpr[GPR_RSP] < 256);
	CHECK(regs.rsp - d.gpr[GPR_RBP] < 256);
	encl_free(&e);
}

TEST(registers_pass_out)
{
	struct encl_regs in, regs;
	struct sgx_enclave_run run;
	unsigned long before[2], after[2];
	uint8_t ones[16];
	struct encl e;

	encl_build(&e, &dump_opts);
	memset(&run, 0, sizeof(run));
	run.tcs = encl_tcs(&e, 1);
	fill_regs(&regs);
	in = regs;
	bases(before);
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
	bases(after);
	CHECK_EQ(run.function, SGX_EEXIT);
	CHECK_EQ(regs.rdi, ~in.rdi);
	CHECK_EQ(regs.rsi, ~in.rsi);
	CHECK_EQ(regs.rdx, ~in.rdx);
	CHECK_EQ(regs.r8, ~in.r8);
	CHECK_EQ(regs.r9, ~in.r9);
	CHECK_EQ(regs.r10, ~in.r10);
	CHECK_EQ(regs.r11, ~in.r11);
	CHECK_EQ(regs.r12, ~in.r12);
	CHECK_EQ(regs.r13, ~in.r13);
	CHECK_EQ(regs.r14, 0x1414);
	CHECK_EQ(regs.r15, ~in.r15);
	CHECK_EQ(regs.rbx, 0x5eed); /* callee-saved: call.S put it there */
	memset(ones, 0xff, sizeof(ones));
	for (int i = 0; i < 16; i++)
		CHECK_MEM(regs.xmm[i], ones, sizeof(ones));
	CHECK_EQ(after[0], before[0]);
	CHECK_EQ(after[1], before[1]);
	encl_free(&e);
}

TEST(fs_and_gs_are_the_enclaves)
{
	uint64_t gs_page[512] __attribute__((aligned(64))) = {0xabcdef};
	struct encl_regs regs;
	struct sgx_enclave_run run;
	unsigned long before[2], after[2];
	uint64_t seen;
	struct encl_dump d;
	struct encl e;

	encl_build(&e, &dump_opts);
	CHECK_SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_page));
	bases(before);
	memset(&run, 0, sizeof(run));
	memset(&regs, 0, sizeof(regs));
	run.tcs = encl_tcs(&e, 1);
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
	bases(after);
	__asm__ volatile("mov %%gs:0, %0" : "=r"(seen));
	CHECK_EQ(seen, 0xabcdef);
	CHECK_EQ(after[0], before[0]);
	CHECK_EQ(after[1], before[1]);
	encl_read(&e, 0, &d, e.base + ENCL_DATA + DATA_DUMP, sizeof(d));
	CHECK_EQ(d.fs, 0xf5f5f5f500000001);
	CHECK_EQ(d.gs, 0x6565656500000001);
	/* after an exception too */
	encl_enter(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0);
	bases(after);
	CHECK_EQ(after[0], before[0]);
	CHECK_EQ(after[1], before[1]);
	CHECK_SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
	encl_free(&e);
}

static void kernels_hook(struct encl *e, unsigned int i, struct sgx_tcs *tcs)
{
	if (i == 1)
		tcs->ofsbase = ENCL_KERNELS - e->base;
	else if (i == 2)
		tcs->ogsbase = ENCL_KERNELS - e->base;
}

/* Canonical, and no program's: a use of it faults, and is not of the other side's memory. */
TEST(base_of_the_kernels)
{
	unsigned long before[2], after[2];
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.tcs_count = 3, .tcs_hook = kernels_hook});
	bases(before);
	for (unsigned int i = 1; i < 3; i++) {
		CHECK_EQ(encl_op(&e, i, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
		o = encl_enter(&e, i, SGX_EENTER, OP_BASES, (uint64_t)&e, 0, 0, 0);
		CHECK_EQ(o.run.function, SGX_ERESUME);
		CHECK(o.run.exception_vector == SGX_VEC_PF || o.run.exception_vector == SGX_VEC_GP);
		bases(after);
		CHECK_EQ(after[0], before[0]);
		CHECK_EQ(after[1], before[1]);
	}
	encl_free(&e);
}

TEST(cssa_counts_exceptions)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.nssa = 4});
	for (uint64_t cssa = 0; cssa < 3; cssa++) {
		struct encl_op o = encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);

		CHECK_EQ(o.regs.rsi, cssa);
		CHECK_EQ(encl_enter(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0).run.exception_vector,
			 SGX_VEC_UD);
	}
	encl_free(&e);
}

TEST(unknown_op_is_answered)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_op(&e, 0, 1000, 0, 0, 0, 0).regs.rsi, ~0ull);
	encl_free(&e);
}

/* --- user handler ------------------------------------------------------------- */

struct handled {
	struct encl *e;
	int calls, answer, then;
	long rdi, rsi, rdx, rsp, r8, r9;
	uint32_t function;
};

static int handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
		   struct sgx_enclave_run *run)
{
	struct handled *h = (struct handled *)run->user_data;
	int answer = h->calls ? h->then : h->answer;

	h->calls++;
	h->rdi = rdi;
	h->rsi = rsi;
	h->rdx = rdx;
	h->rsp = rsp;
	h->r8 = r8;
	h->r9 = r9;
	h->function = run->function;
	/* the stack is aligned for what compilers make of it */
	CHECK_EQ((uintptr_t)__builtin_frame_address(0) % 16, 0);
	if (h->e && run->function != SGX_EEXIT) {
		/* the exception is handled by moving RIP past UD2 */
		uint64_t rip = encl_gprsgx(h->e, 0, 0) + offsetof(struct sgx_gprsgx, rip);

		encl_write8(h->e, 0, rip, encl_read8(h->e, 0, rip) + 2);
	}
	return answer;
}

static int call_handled(struct encl *e, struct handled *h, uint64_t op, struct encl_regs *regs)
{
	struct sgx_enclave_run run;

	memset(&run, 0, sizeof(run));
	run.tcs = encl_tcs(e, 0);
	run.user_handler = (uint64_t)handler;
	run.user_data = (uint64_t)h;
	regs->rdi = op;
	return encl_vdso_call(regs, SGX_EENTER, &run, e->enter);
}

TEST(handler_returns_zero)
{
	struct handled h = {0};
	struct encl_regs regs = {.r9 = 99};
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(call_handled(&e, &h, OP_NOP, &regs), 0);
	CHECK_EQ(h.calls, 1);
	CHECK_EQ(h.function, SGX_EEXIT);
	CHECK_EQ(h.rdi, OP_NOP);
	CHECK_EQ(h.rsi, 0); /* CSSA, by the enclave */
	CHECK_EQ(h.r9, 99);
	CHECK_MEM((const void *)(h.rdx - 3), "\x0f\x01\xd7", 3);
	encl_free(&e);
}

TEST(handler_returns_negative)
{
	struct handled h = {.answer = -12345};
	struct encl_regs regs = {0};
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(call_handled(&e, &h, OP_NOP, &regs), -12345);
	CHECK_EQ(h.calls, 1);
	encl_free(&e);
}

TEST(handler_enters_again)
{
	struct handled h = {.answer = SGX_EENTER, .then = 0};
	struct encl_regs regs = {0};
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	/* RDI is the handler's to lose: the second entry may be any op, and exits */
	CHECK_EQ(call_handled(&e, &h, OP_NOP, &regs), 0);
	CHECK_EQ(h.calls, 2);
	CHECK_EQ(h.function, SGX_EEXIT);
	encl_free(&e);
}

TEST(handler_resumes)
{
	struct handled h = {.answer = SGX_ERESUME, .then = 0};
	struct encl_regs regs = {0};
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	h.e = &e;
	CHECK_EQ(call_handled(&e, &h, OP_UD2, &regs), 0);
	CHECK_EQ(h.calls, 2);
	CHECK_EQ(h.function, SGX_EEXIT);
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
	encl_free(&e);
}

TEST(handler_returns_bad_function)
{
	struct handled h = {.answer = SGX_EEXIT};
	struct encl_regs regs = {0};
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(call_handled(&e, &h, OP_NOP, &regs), -EINVAL);
	CHECK_EQ(h.calls, 1);
	encl_free(&e);
}

/* --- bad calls ---------------------------------------------------------------- */

TEST(reserved_run_bytes)
{
	struct encl_regs regs = {0};
	struct sgx_enclave_run run;
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (unsigned int i = offsetof(struct sgx_enclave_run, reserved); i < sizeof(run); i++) {
		memset(&run, 0, sizeof(run));
		run.tcs = encl_tcs(&e, 0);
		((uint8_t *)&run)[i] = 1;
		CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), -EINVAL);
	}
	encl_free(&e);
}

TEST(bad_functions)
{
	static const unsigned int bad[] = {0, 1, 4, 5, 6, 7, 9, 0x80000002, 0xffffffff};
	struct encl_regs regs = {0};
	struct sgx_enclave_run run;
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&run, 0, sizeof(run));
		run.tcs = encl_tcs(&e, 0);
		CHECK_EQ(encl_vdso_call(&regs, bad[i], &run, e.enter), -EINVAL);
	}
	encl_free(&e);
}

static void expect_fault(struct encl *e, uint64_t tcs, unsigned int leaf, unsigned int vector,
			 unsigned int error_code)
{
	struct encl_regs regs = {0};
	struct sgx_enclave_run run;

	memset(&run, 0, sizeof(run));
	run.tcs = tcs;
	CHECK_EQ(encl_vdso_call(&regs, leaf, &run, e->enter), 0);
	CHECK_EQ(run.function, leaf);
	CHECK_EQ(run.exception_vector, vector);
	if (vector == SGX_VEC_PF)
		CHECK_EQ(run.exception_addr, tcs);
	CHECK_EQ(run.exception_error_code & SGX_PF_SGX, error_code & SGX_PF_SGX);
}

TEST(tcs_that_is_none)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	expect_fault(&e, e.base + ENCL_DATA, SGX_EENTER, SGX_VEC_PF, SGX_PF_SGX);
	expect_fault(&e, e.base + ENCL_CODE, SGX_EENTER, SGX_VEC_PF, SGX_PF_SGX);
	expect_fault(&e, encl_ssa(&e, 0, 0), SGX_ERESUME, SGX_VEC_PF, SGX_PF_SGX);
	/* misaligned, and not canonical */
	expect_fault(&e, encl_tcs(&e, 0) + 8, SGX_EENTER, SGX_VEC_GP, 0);
	expect_fault(&e, 0x8000000000000000, SGX_EENTER, SGX_VEC_GP, 0);
	/* and afterwards all is well */
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

TEST(resume_without_exception)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	expect_fault(&e, encl_tcs(&e, 0), SGX_ERESUME, SGX_VEC_GP, 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

TEST(not_initialized)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_init = true});
	expect_fault(&e, encl_tcs(&e, 0), SGX_EENTER, SGX_VEC_GP, 0);
	CHECK_EQ(encl_init(&e), 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

static void bad_tcs_hook(struct encl *e, unsigned int i, struct sgx_tcs *tcs)
{
	switch (i) {
	case 0:
		break;
	case 1:
		tcs->nssa = 0;
		break;
	case 2:
		tcs->ossa = e->size;
		break;
	case 3:
		tcs->ossa = ENCL_HOLE;
		break;
	default:
		tcs->ossa = ENCL_RO;
		break;
	}
}

TEST(tcs_with_bad_ssa)
{
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.tcs_count = 5, .tcs_hook = bad_tcs_hook});
	/* SDM, EENTER: CSSA < NSSA, and the SSA frame is there and writable */
	o = encl_enter(&e, 1, SGX_EENTER, OP_NOP, 0, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_GP);
	o = encl_enter(&e, 2, SGX_EENTER, OP_NOP, 0, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	o = encl_enter(&e, 3, SGX_EENTER, OP_NOP, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_EENTER);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_addr, e.base + ENCL_HOLE);
	o = encl_enter(&e, 4, SGX_EENTER, OP_NOP, 0, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_addr, e.base + ENCL_RO);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* --- a busy TCS ----------------------------------------------------------------- */

struct spinner {
	struct encl *e;
	uint64_t stop, inside;
};

static void *spin(void *arg)
{
	struct spinner *s = arg;

	encl_op(s->e, 0, OP_SPIN, (uint64_t)&s->stop, (uint64_t)&s->inside, 0, 0);
	return NULL;
}

TEST(busy_tcs)
{
	struct spinner s = {0};
	pthread_t thread;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	s.e = &e;
	CHECK_EQ(pthread_create(&thread, NULL, spin, &s), 0);
	while (!__atomic_load_n(&s.inside, __ATOMIC_ACQUIRE))
		usleep(1000);
	expect_fault(&e, encl_tcs(&e, 0), SGX_EENTER, SGX_VEC_GP, 0);
	expect_fault(&e, encl_tcs(&e, 0), SGX_ERESUME, SGX_VEC_GP, 0);
	encl_op(&e, 1, OP_NOP, 0, 0, 0, 0);
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* Flags that arithmetic leaves alone go in as they are; ID stands for them. */
TEST(flags_pass_in)
{
	const uint64_t id = 1ull << 21;
	struct sgx_enclave_run run;
	struct encl_regs regs;
	struct encl_dump d;
	struct encl e;

	encl_build(&e, &dump_opts);
	for (int i = 0; i < 2; i++) {
		memset(&run, 0, sizeof(run));
		run.tcs = encl_tcs(&e, 1);
		fill_regs(&regs);
		encl_rflags(id, i ? id : 0);
		CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
		encl_rflags(id, 0);
		encl_read(&e, 0, &d, e.base + ENCL_DATA + DATA_DUMP, sizeof(d));
		CHECK_EQ(d.rflags & id, i ? id : 0);
		CHECK_EQ(d.rflags & 0x700, 0x200); /* IF; no TF, no DF */
	}
	encl_free(&e);
}

/* EENTER uses no stack: it succeeds where there is none left. */
TEST(end_of_the_stack)
{
	uint8_t *stack = mmap(NULL, 3 * ENCL_PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sgx_enclave_run run;
	struct encl_regs regs;
	struct encl e;

	CHECK(stack != MAP_FAILED);
	encl_build(&e, &(struct encl_opts){0});
	CHECK_SYS(mprotect(stack, ENCL_PAGE, PROT_NONE));
	/* 20 words are call.S' and the vDSO's own */
	for (unsigned int room = 0xa0; room < 0x900; room += 16) {
		memset(&run, 0, sizeof(run));
		memset(&regs, 0, sizeof(regs));
		run.tcs = encl_tcs(&e, 0);
		CHECK_EQ(encl_vdso_call_on(&regs, SGX_EENTER, &run, e.enter,
					   stack + ENCL_PAGE + room),
			 0);
		CHECK_EQ(run.function, SGX_EEXIT);
		CHECK_EQ(regs.rsi, 0);
	}
	encl_free(&e);
	munmap(stack, 3 * ENCL_PAGE);
}
