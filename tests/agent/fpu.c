/* SPDX-License-Identifier: BSD-3-Clause */
/* Vector and x87 state over handlers, and through their frames. */
#include "case.h"

#include <immintrin.h>
#include <ucontext.h>

static volatile sig_atomic_t count;
static uint32_t mxcsr_inside;
static uint16_t cw_inside;

static void clobbering(int sig)
{
	count++;
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr_inside));
	__asm__ volatile("fnstcw %0" : "=m"(cw_inside));
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1; pcmpeqd %%xmm7, %%xmm7;"
			 "pcmpeqd %%xmm15, %%xmm15; fninit; fldpi" ::
				 : "xmm0", "xmm1", "xmm7", "xmm15");
}

/* All sixteen, over a signal at a known instruction */
CASE(xmm_preserved)
{
	uint64_t in[16][2], out[16][2];
	long pid = getpid();

	for (int i = 0; i < 16; i++) {
		in[i][0] = 0x1111111111111111ull * (unsigned int)i;
		in[i][1] = ~in[i][0];
	}
	catch_plain(SIGUSR1, clobbering, 0);
#define L(n)   "movdqu " #n "*16(%2), %%xmm" #n "\n"
#define S(n)   "movdqu %%xmm" #n ", " #n "*16(%3)\n"
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
	__asm__ volatile(ALL(L) "mov %4, %%eax; syscall\n" ALL(S)
			 :
			 : "D"(pid), "S"(SIGUSR1), "r"(in), "r"(out), "i"(SYS_kill)
			 : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
			   "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
			   "xmm13", "xmm14", "xmm15");
	say("count %d same %d", count, memcmp(in, out, sizeof(in)) == 0);
}

__attribute__((target("avx"))) static void clobber_ymm(int sig)
{
	count++;
	__asm__ volatile("vzeroall" ::: "memory");
}

__attribute__((target("avx"))) static void ymm(void)
{
	uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
	long pid = getpid();

	__asm__ volatile("vmovdqu (%2), %%ymm9; mov %4, %%eax; syscall; vmovdqu %%ymm9, (%3)"
			 :
			 : "D"(pid), "S"(SIGUSR1), "r"(in), "r"(out), "i"(SYS_kill)
			 : "rax", "rcx", "r11", "memory", "xmm9");
	say("ymm %d %d %d %d", (int)out[0], (int)out[1], (int)out[2], (int)out[3]);
}

CASE(ymm_preserved)
{
	if (!__builtin_cpu_supports("avx")) {
		say("no AVX");
		return;
	}
	catch_plain(SIGUSR1, clobber_ymm, 0);
	ymm();
	say("count %d", count);
}

/* Over trapped system calls, which no program sees as signals */
CASE(xmm_over_calls)
{
	uint64_t in[2] = {0x0123456789abcdef, 0xfedcba9876543210}, out[2];
	bool same = true;
	long ret;

	for (int i = 0; i < 200; i++) {
		__asm__ volatile("movdqu (%2), %%xmm11; syscall; movdqu %%xmm11, (%3)"
				 : "=a"(ret)
				 : "0"(SYS_access), "r"(in), "r"(out), "D"("/"), "S"(0)
				 : "rcx", "r11", "memory", "xmm11");
		same = same && ret == 0 && memcmp(in, out, sizeof(in)) == 0;
	}
	say("same %d", same);
}

static void editing(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	count++;
	uc->uc_mcontext.fpregs->_xmm[3].element[0] = 0xdeadbeef;
	uc->uc_mcontext.fpregs->_xmm[3].element[3] = 0xcafe;
	uc->uc_mcontext.fpregs->mxcsr = 0x1f80 | 0x6000; /* round to zero */
	uc->uc_mcontext.fpregs->cwd = 0x0f7f;
}

CASE(fpstate_changed)
{
	uint32_t out[4], mxcsr;
	uint16_t cw;
	long pid = getpid();

	catch_info(SIGUSR1, editing, 0);
	__asm__ volatile("pxor %%xmm3, %%xmm3; mov %3, %%eax; syscall; movdqu %%xmm3, (%2)"
			 :
			 : "D"(pid), "S"(SIGUSR1), "r"(out), "i"(SYS_kill)
			 : "rax", "rcx", "r11", "memory", "xmm3");
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(cw));
	say("xmm3 %x %x %x %x mxcsr %x cw %x", out[0], out[1], out[2], out[3], mxcsr, cw);
}

/* Handlers start with the initial state, and the program's comes back. */
CASE(control_words)
{
	uint32_t mxcsr = 0x1f80 | 0x2000;
	uint16_t cw = 0x027f;
	double two = 2.0, x = 0;

	catch_plain(SIGUSR1, clobbering, 0);
	__asm__ volatile("ldmxcsr %0; fldcw %1; fldl %2" : : "m"(mxcsr), "m"(cw), "m"(two));
	raise(SIGUSR1);
	__asm__ volatile("fstpl %0; stmxcsr %1; fnstcw %2" : "=m"(x), "=m"(mxcsr), "=m"(cw));
	say("inside %x %x", mxcsr_inside, cw_inside);
	say("after %x %x %g", mxcsr, cw, x);
}

/* Two handlers, each with state of its own */
static void inner(int sig)
{
	uint64_t zero[2] = {0, 0};

	__asm__ volatile("movdqu (%0), %%xmm5" : : "r"(zero) : "xmm5");
	count++;
}

static bool outer_same;
static void outer(int sig)
{
	uint64_t in[2] = {5, 6}, out[2];
	long pid = getpid();

	__asm__ volatile("movdqu (%2), %%xmm5; mov %4, %%eax; syscall; movdqu %%xmm5, (%3)"
			 :
			 : "D"(pid), "S"(SIGUSR2), "r"(in), "r"(out), "i"(SYS_kill)
			 : "rax", "rcx", "r11", "memory", "xmm5");
	outer_same = memcmp(in, out, sizeof(in)) == 0;
}

CASE(xmm_nested)
{
	catch_plain(SIGUSR1, outer, 0);
	catch_plain(SIGUSR2, inner, 0);
	raise(SIGUSR1);
	say("count %d same %d", count, outer_same);
}
