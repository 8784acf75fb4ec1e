/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One AEX of each kind: what is in the SSA, what a signal handler finds outside, and
 * what ERESUME brings back.
 */
#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define RF	  0x10000u
#define AC	  0x40000u
#define NOT_THERE 0x1238u /* an address in page 1, which nobody maps */
#define VEC_SS	  12
#define HW(vec)	  (SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | (vec))

static struct {
	volatile int count;
	int sig, code;
	uint64_t addr, rip, trapno, err, cr2, flags, rbx;
	uint16_t fcw, fsw;
	uint32_t mxcsr;
	uint64_t resume; /* RIP to go on at; 0: as it is */
} caught;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *r = uc->uc_mcontext.gregs;

	/* Linux leaves AC to the handler */
	encl_rflags(AC, 0);
	caught.count++;
	caught.sig = sig;
	caught.code = info->si_code;
	caught.addr = (uint64_t)info->si_addr;
	caught.rip = (uint64_t)r[REG_RIP];
	caught.rbx = (uint64_t)r[REG_RBX];
	caught.trapno = (uint64_t)r[REG_TRAPNO];
	caught.err = (uint64_t)r[REG_ERR];
	caught.cr2 = (uint64_t)r[REG_CR2];
	caught.flags = (uint64_t)r[REG_EFL];
	caught.fcw = uc->uc_mcontext.fpregs->cwd;
	caught.fsw = uc->uc_mcontext.fpregs->swd;
	caught.mxcsr = uc->uc_mcontext.fpregs->mxcsr;
	r[REG_EFL] &= ~(greg_t)AC;
	if (caught.resume)
		r[REG_RIP] = (greg_t)caught.resume;
}

static void catch_all(void)
{
	static const int sigs[] = {SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP, SIGSYS};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	memset(&caught, 0, sizeof(caught));
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		CHECK_SYS(sigaction(sigs[i], &sa, NULL));
}

struct kind {
	const char *name;
	uint8_t size, at, code[40]; /* at: of the instruction that faults */
	unsigned int vector;
	uint32_t exitinfo, exitinfo_with_exinfo;
	int sig, si_code;
	bool addr_is_aep;
};

/* The snippets use RSP as scratch through R14 where they need a stack: ENCL_DATA. */
#define LEA_RSP_DATA(at)                                                          \
	0x49, 0x89, 0xe6, 0x48, 0x8d, 0x25, (uint8_t)(0x4100 - 0xb000 - (at)-10), \
		(uint8_t)((0x4100 - 0xb000 - (at)-10) >> 8), 0xff, 0xff

/* clang-format off */
static const struct kind kinds[] = {
	{"#DE", 6, 4, {0x31, 0xc9, 0x31, 0xd2, 0xf7, 0xf1}, SGX_VEC_DE,
	 HW(SGX_VEC_DE), HW(SGX_VEC_DE), SIGFPE, FPE_INTDIV, true},
	{"#UD", 2, 0, {0x0f, 0x0b}, SGX_VEC_UD,
	 HW(SGX_VEC_UD), HW(SGX_VEC_UD), SIGILL, ILL_ILLOPN, true},
	/* movabs $1 << 63, %rdx; mov (%rdx), %rdx */
	{"#GP", 13, 10, {0x48, 0xba, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0x8b, 0x12}, SGX_VEC_GP,
	 0, HW(SGX_VEC_GP), SIGSEGV, SI_KERNEL, false},
	/* mov $NOT_THERE, %edx; mov (%rdx), %rdx */
	{"#PF", 8, 5, {0xba, 0x38, 0x12, 0, 0, 0x48, 0x8b, 0x12}, SGX_VEC_PF,
	 0, HW(SGX_VEC_PF), SIGSEGV, SEGV_MAPERR, false},
	/* mov %rsp, %r14; movabs $1 << 63, %rsp; push %rax */
	{"#SS", 14, 13, {0x49, 0x89, 0xe6, 0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x50}, VEC_SS,
	 0, 0, SIGBUS, SI_KERNEL, false},
	/* stack; fninit; push $0x37b; fldcw (%rsp); fld1; fldz; fdivrp; nop; fwait */
	{"#MF", 28, 27, {LEA_RSP_DATA(0), 0xdb, 0xe3, 0x68, 0x7b, 3, 0, 0, 0xd9, 0x2c, 0x24,
	 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x90, 0x9b}, SGX_VEC_MF,
	 HW(SGX_VEC_MF), HW(SGX_VEC_MF), SIGFPE, FPE_FLTDIV, true},
	/* stack; push $0x1d80; ldmxcsr (%rsp); pxor %xmm0, %xmm0; mov $0x3f800000, %eax;
	 * movd %eax, %xmm1; divss %xmm0, %xmm1 */
	{"#XM", 36, 32, {LEA_RSP_DATA(0), 0x68, 0x80, 0x1d, 0, 0, 0x0f, 0xae, 0x14, 0x24,
	 0x66, 0x0f, 0xef, 0xc0, 0xb8, 0, 0, 0x80, 0x3f, 0x66, 0x0f, 0x6e, 0xc8,
	 0xf3, 0x0f, 0x5e, 0xc8}, SGX_VEC_XM,
	 HW(SGX_VEC_XM), HW(SGX_VEC_XM), SIGFPE, FPE_FLTDIV, true},
	/* stack; pushfq; orl $AC, (%rsp); popfq; mov 1(%rsp), %rax */
	{"#AC", 24, 19, {LEA_RSP_DATA(0), 0x9c, 0x81, 0x0c, 0x24, 0, 0, 4, 0, 0x9d,
	 0x48, 0x8b, 0x44, 0x24, 1}, SGX_VEC_AC,
	 HW(SGX_VEC_AC), HW(SGX_VEC_AC), SIGBUS, BUS_ADRALN, false},
};
/* clang-format on */

static void check_x87_and_sse(struct encl *e, const struct kind *k)
{
	uint8_t x[512];
	uint16_t fcw, fsw;
	uint32_t mxcsr;

	encl_read(e, 0, x, encl_ssa(e, 0, 0), sizeof(x));
	memcpy(&fcw, x, 2);
	memcpy(&fsw, x + 2, 2);
	memcpy(&mxcsr, x + 24, 4);
	/* inside: as it was; outside: initial but for a cause of the exception */
	if (k->vector == SGX_VEC_MF) {
		CHECK_EQ(fcw, 0x37b);
		CHECK_EQ(fsw & 0x80bf, 0x8084); /* B, ES, ZE */
	} else {
		CHECK_EQ(fcw, 0x37f);
		CHECK_EQ(fsw & 0xff, 0);
	}
	CHECK_EQ(mxcsr, k->vector == SGX_VEC_XM ? 0x1d84 : 0x1f80);
	CHECK_EQ(caught.fcw, k->vector == SGX_VEC_MF ? 0x37e : 0x37f);
	CHECK_EQ(caught.fsw, k->vector == SGX_VEC_MF ? 0x8081 : 0);
	CHECK_EQ(caught.mxcsr, k->vector == SGX_VEC_XM ? 0x1f01 : 0x1f80);
}

/* What an exception leaves outside is live; a new round starts clean. */
static void clean_state(void)
{
	uint32_t mxcsr = 0x1f80;

	__asm__ volatile(
		"fninit\n\tldmxcsr %0\n\tpushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" ::"m"(mxcsr)
		: "memory", "cc");
}

static sigjmp_buf back;

static void on_push(int sig, siginfo_t *info, void *context)
{
	on_fault(sig, info, context);
	if (sig == SIGILL)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP] = (greg_t)ENCL_NOT_CANONICAL;
	else
		siglongjmp(back, 1);
}

/*
 * The vector where a handler returns to a PUSH with a stack pointer that is not
 * canonical: #SS.  Where the kernel or the hypervisor looks at RSP already, #GP.
 */
BARE(push_after_return, VEC_SS)
{
	static const int sigs[] = {SIGILL, SIGSEGV, SIGBUS};
	static uint8_t stack[1 << 16] __attribute__((aligned(64)));
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_sigaction = on_push, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	CHECK_SYS(sigaltstack(&ss, NULL));
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		CHECK_SYS(sigaction(sigs[i], &sa, NULL));
	if (!sigsetjmp(back, 1)) {
		uint64_t behind;

		__asm__ volatile("lea 1f(%%rip), %0\n\tmov %0, %1\n\tud2\n1:\tpush %%rax"
				 : "=&r"(behind), "=m"(caught.resume)::"memory");
	}
	return (long)caught.trapno;
}

static void check_kind(const struct kind *k, uint32_t miscselect)
{
	uint64_t aep = (uint64_t)encl_enclu_site, page;
	struct sgx_exinfo exinfo;
	struct sgx_gprsgx gpr;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.miscselect = miscselect});
	page = encl_snippet(&e, k->code, k->size);
	catch_all();
	caught.resume = aep + 3;
	encl_enclu_jump(encl_tcs(&e, 0), aep, page);
	clean_state();

	/* outside */
	if (caught.count != 1 || caught.sig != k->sig || caught.code != k->si_code)
		FAIL("%s: %d signals, the last %d with code %d", k->name, caught.count, caught.sig,
		     caught.code);
	CHECK_EQ(caught.rip, aep);
	CHECK_EQ(caught.rbx, encl_tcs(&e, 0));
	CHECK_EQ(caught.trapno, k->vector);
	CHECK_EQ(caught.flags & RF, 0);
	CHECK_EQ(caught.flags & AC, k->vector == SGX_VEC_AC ? AC : 0); /* AEX leaves it */
	if (k->vector == SGX_VEC_PF) {
		CHECK_EQ(caught.addr, NOT_THERE & SGX_PAGE_MASK);
		CHECK_EQ(caught.cr2, NOT_THERE & SGX_PAGE_MASK);
		CHECK_EQ(caught.err, SGX_PF_U);
	} else {
		CHECK_EQ(caught.addr, k->addr_is_aep ? aep : 0);
		CHECK_EQ(caught.err, 0);
	}

	/* inside */
	encl_read(&e, 0, &gpr, encl_gprsgx(&e, 0, 0), sizeof(gpr));
	if (gpr.rip != page + k->at)
		FAIL("%s: SSA.RIP is at %lld of the snippet", k->name, (long long)(gpr.rip - page));
	CHECK_EQ(gpr.rflags & RF, RF); /* faults, all of them */
	CHECK_EQ(gpr.rflags & AC, k->vector == SGX_VEC_AC ? AC : 0);
	CHECK_EQ(gpr.exitinfo, miscselect ? k->exitinfo_with_exinfo : k->exitinfo);
	encl_read(&e, 0, &exinfo, encl_exinfo(&e, 0, 0), sizeof(exinfo));
	if (miscselect && k->vector == SGX_VEC_PF) {
		CHECK_EQ(exinfo.maddr, NOT_THERE);
		CHECK_EQ(exinfo.errcd, SGX_PF_U);
	} else {
		CHECK_EQ(exinfo.maddr, 0);
		CHECK_EQ(exinfo.errcd, 0);
	}
	check_x87_and_sse(&e, k);

	/* and once more by ERESUME, with the enclave's x87 and MXCSR in force again */
	caught.count = 0;
	encl_enclu(SGX_ERESUME, encl_tcs(&e, 0), aep, 0);
	clean_state();
	CHECK_EQ(caught.count, 1);
	CHECK_EQ(caught.trapno,
		 k->vector == VEC_SS ? (uint64_t)bare(push_after_return) : k->vector);
	check_x87_and_sse(&e, k);
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 1);
	encl_free(&e);
}

TEST(every_exception)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		check_kind(&kinds[i], 0);
}

TEST(every_exception_with_exinfo)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		check_kind(&kinds[i], SGX_MISC_EXINFO_BIT);
}

/* The same by way of the vDSO's function */
TEST(every_exception_reported)
{
	struct encl_op o;
	struct encl e;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		encl_build(&e, &(struct encl_opts){0});
		o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_JUMP,
				     encl_snippet(&e, kinds[i].code, kinds[i].size), 0, 0, 0);
		clean_state();
		CHECK_EQ(o.run.function, SGX_ERESUME);
		CHECK_EQ(o.run.exception_vector, kinds[i].vector);
		CHECK_EQ(o.run.exception_error_code, kinds[i].vector == SGX_VEC_PF ? SGX_PF_U : 0);
		CHECK_EQ(o.run.exception_addr,
			 kinds[i].vector == SGX_VEC_PF ? (NOT_THERE & SGX_PAGE_MASK) : 0);
		encl_free(&e);
	}
}

/* --- x87 ----------------------------------------------------------------------------- */

/*
 * FXRSTOR64 of an image, UD2, FXSAVE64 behind it: mov %rdx, %rax; fxrstor64 (%rax);
 * ud2; fxsave64 512(%rax)
 */
static const uint8_t x87_code[] = {0x48, 0x89, 0xd0, 0x48, 0x0f, 0xae, 0x08, 0x0f, 0x0b,
				   0x48, 0x0f, 0xae, 0x80, 0,	 2,    0,    0};

static void x87_round(struct encl *e, const uint8_t *image, uint8_t *frame, uint8_t *after)
{
	uint64_t page = encl_snippet(e, x87_code, sizeof(x87_code));
	uint64_t at = e->base + ENCL_DATA + DATA_SCRATCH, gpr = encl_gprsgx(e, 0, 0), to;
	struct encl_op o;

	encl_write(e, 0, at, image, 512);
	o = encl_enter_fixed(e, 0, SGX_EENTER, OP_JUMP, page, at, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	encl_read(e, 0, frame, encl_ssa(e, 0, 0), 576);
	to = encl_op(e, 0, OP_NOP, 0, 0, 0, 0).regs.rdx;
	encl_write8(e, 0, gpr + offsetof(struct sgx_gprsgx, rip), page + 9);
	encl_write8(e, 0, gpr + offsetof(struct sgx_gprsgx, r15), to);
	o = encl_enter_fixed(e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	__asm__ volatile("fninit" ::: "memory");
	CHECK_EQ(o.run.function, SGX_EEXIT);
	encl_read(e, 0, after, at + 512, 512);
}

static void x87_image(uint8_t *image, unsigned int seed, bool pending)
{
	uint16_t fcw = pending ? 0x372 : 0xf7f, fsw = pending ? 0xb88d : 0x3a00;
	uint32_t mxcsr = 0x9fbf;

	memset(image, 0, 512);
	memcpy(image, &fcw, 2);
	memcpy(image + 2, &fsw, 2);
	image[4] = 0xa5; /* abridged tag word: half of them empty */
	memcpy(image + 24, &mxcsr, 4);
	for (int i = 0; i < 8; i++) {
		for (int k = 0; k < 8; k++)
			image[32 + 16 * i + k] = (uint8_t)(seed + 13 * i + 7 * k);
		image[32 + 16 * i + 7] |= 0x80;
		image[32 + 16 * i + 8] = (uint8_t)(i + 1);
		image[32 + 16 * i + 9] = 0x40;
	}
	for (int i = 0; i < 256; i++)
		image[160 + i] = (uint8_t)(seed + 3 * i);
	if (pending) {
		/* of the instruction that has failed; some processors keep them only then */
		image[6] = 0x23;
		image[7] = 0x05;
		memcpy(image + 8, "\x11\x22\x33\x44\x55\x66\x00\x00", 8);
		memcpy(image + 16, "\x88\x77\x66\x55\x44\x33\x00\x00", 8);
	}
}

TEST(x87_state)
{
	uint8_t image[512], frame[576], after[512];
	struct encl e;
	uint64_t bv;

	encl_build(&e, &(struct encl_opts){0});
	for (unsigned int i = 0; i < 10; i++) {
		x87_image(image, 17 * i, i & 1);
		x87_round(&e, image, frame, after);
		memcpy(&bv, frame + 512, 8);
		CHECK_EQ(bv, SGX_XFRM_LEGACY);
		/* FCW FSW FTW, FOP FIP FDP, MXCSR; then ST and XMM */
		CHECK_MEM(frame, image, 28);
		CHECK_MEM(after, image, 28);
		for (int k = 0; k < 8; k++) {
			CHECK_MEM(frame + 32 + 16 * k, image + 32 + 16 * k, 10);
			CHECK_MEM(after + 32 + 16 * k, image + 32 + 16 * k, 10);
		}
		CHECK_MEM(frame + 160, image + 160, 256);
		CHECK_MEM(after + 160, image + 160, 256);
	}
	encl_free(&e);
}

/* --- asynchronous ones ------------------------------------------------------------------ */

static struct encl enclave;
static volatile uint64_t spinning, stop;
static volatile int handled, order_wrong;

static void on_value(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	if (r[REG_RIP] - (greg_t)enclave.base < (greg_t)enclave.size &&
	    r[REG_RIP] >= (greg_t)enclave.base)
		order_wrong++;
	if (info->si_code == SI_QUEUE && info->si_value.sival_int != handled)
		order_wrong++;
	if (++handled == 40)
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
}

static void catch (int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK_SYS(sigaction(sig, &sa, NULL));
}

static void wait_spinning(void)
{
	while (!__atomic_load_n(&spinning, __ATOMIC_ACQUIRE))
		usleep(200);
}

static void *queue_values(void *to)
{
	wait_spinning();
	for (int i = 0; i < 40; i++) {
		union sigval v = {.sival_int = i};

		CHECK_EQ(pthread_sigqueue(*(pthread_t *)to, SIGRTMIN + 3, v), 0);
		if (i % 4 == 3)
			usleep(300);
	}
	return NULL;
}

static void spin(void)
{
	struct encl_op o = encl_enter(&enclave, 0, SGX_EENTER, OP_SPIN, (uint64_t)&stop,
				      (uint64_t)&spinning, 0, 0);

	CHECK_EQ(o.run.function, SGX_EEXIT);
}

TEST(realtime_with_payload)
{
	pthread_t self = pthread_self(), thread;

	encl_build(&enclave, &(struct encl_opts){0});
	catch (SIGRTMIN + 3, on_value);
	CHECK_EQ(pthread_create(&thread, NULL, queue_values, &self), 0);
	spin();
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(handled, 40);
	CHECK_EQ(order_wrong, 0);
	encl_free(&enclave);
}

/* What comes from a process that stops and continues this one, and asks it to end */
static void from_outside(pid_t to)
{
	siginfo_t info;

	wait_spinning();
	kill(to, SIGSTOP);
	CHECK_SYS(kill(to, SIGCONT));
	kill(to, SIGWINCH); /* ignored */
	kill(to, SIGCHLD); /* by default */
	kill(to, SIGURG);
	CHECK_SYS(kill(to, SIGTERM));
	(void)info;
	_exit(0);
}

static volatile int conts;

static void on_cont(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	conts++;
}

static void on_term(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	handled = info->si_code == SI_USER;
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
}

TEST(stop_continue_terminate)
{
	int status;
	pid_t pid, self = getpid();

	encl_build(&enclave, &(struct encl_opts){0});
	catch (SIGCONT, on_cont);
	catch (SIGTERM, on_term);
	signal(SIGWINCH, SIG_IGN);
	/* the flag that it waits for must be seen by both */
	uint64_t *flag =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(flag != MAP_FAILED);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
			usleep(200);
		spinning = 1;
		from_outside(self);
	}
	CHECK_EQ(encl_enter(&enclave, 0, SGX_EENTER, OP_SPIN, (uint64_t)&stop, (uint64_t)flag, 0, 0)
			 .run.function,
		 SGX_EEXIT);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(conts, 1);
	CHECK_EQ(handled, 1);
	CHECK_EQ(encl_op(&enclave, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
	encl_free(&enclave);
}

/* Handlers that enter the same TCS, each with one frame less, until there is none. */
#define NEST 5
static volatile unsigned int depth, refused;
static pthread_t main_thread;

static void on_nest(int sig, siginfo_t *info, void *context)
{
	struct encl_op o;

	(void)sig;
	(void)info;
	(void)context;
	/* the next one is sent when the enclave says that it spins */
	__atomic_store_n(&spinning, 0, __ATOMIC_RELEASE);
	__atomic_add_fetch(&depth, 1, __ATOMIC_RELEASE);
	o = encl_op(&enclave, 1, OP_NOP, 0, 0, 0, 0);
	if (o.regs.rsi != 0)
		order_wrong++;
	o = encl_enter(&enclave, 0, SGX_EENTER, OP_SPIN, (uint64_t)&stop, (uint64_t)&spinning, 0,
		       0);
	if (o.run.function == SGX_EENTER && o.run.exception_vector == SGX_VEC_GP) {
		refused = depth;
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	} else if (o.run.function != SGX_EEXIT) {
		order_wrong++;
	}
}

static void *nest_more(void *arg)
{
	for (int i = 0; i < NEST; i++) {
		wait_spinning();
		pthread_kill(main_thread, SIGUSR1);
		while (__atomic_load_n(&depth, __ATOMIC_ACQUIRE) <= (unsigned int)i)
			usleep(200);
	}
	return arg;
}

TEST(nested_to_the_last_frame)
{
	struct sigaction sa = {.sa_sigaction = on_nest, .sa_flags = SA_SIGINFO | SA_NODEFER};
	pthread_t thread;

	encl_build(&enclave, &(struct encl_opts){.nssa = NEST, .tcs_count = 2});
	CHECK_SYS(sigaction(SIGUSR1, &sa, NULL));
	main_thread = pthread_self();
	CHECK_EQ(pthread_create(&thread, NULL, nest_more, NULL), 0);
	spin();
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(depth, NEST);
	CHECK_EQ(refused, NEST);
	CHECK_EQ(order_wrong, 0);
	CHECK_EQ(encl_op(&enclave, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
	encl_free(&enclave);
}
