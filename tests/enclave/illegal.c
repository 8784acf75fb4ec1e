/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instructions that are #UD in enclave mode, those that are #GP, and system calls.
 * Run once for each way to stop system calls (agent/entry/guard.c).
 */
#include "encl.h"

#include <errno.h>
#include <harness/harness.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define UD (SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_UD)
#define RF 0x10000u

static struct sgx_gprsgx frame0(struct encl *e)
{
	struct sgx_gprsgx gpr;

	encl_read(e, 0, &gpr, encl_gprsgx(e, 0, 0), sizeof(gpr));
	return gpr;
}

/*
 * Runs the snippet, which must fault at @at; CSSA goes back to 0 by an ERESUME that
 * leaves.  Return: the SSA frame.
 */
static struct sgx_gprsgx fault(struct encl *e, const char *name, const uint8_t *code, size_t size,
			       size_t at, unsigned int vector)
{
	uint64_t page = encl_snippet(e, code, size);
	struct encl_op o = encl_enter_fixed(e, 0, SGX_EENTER, OP_JUMP, page, 0, 0, 0);
	struct sgx_gprsgx gpr;
	uint64_t to;

	if (o.run.function != SGX_ERESUME || o.run.exception_vector != vector)
		FAIL("%s: leaf %u, vector %u and not %u", name, o.run.function,
		     o.run.exception_vector, vector);
	CHECK_EQ(o.run.exception_error_code, 0);
	gpr = frame0(e);
	if (gpr.rip != page + at)
		FAIL("%s: RIP is at %#llx of the snippet and not %#zx", name,
		     (unsigned long long)(gpr.rip - page), at);
	/* a fault: RF is pushed */
	CHECK_EQ(gpr.rflags & RF, RF);
	CHECK_EQ(gpr.exitinfo, vector == SGX_VEC_UD ? UD : 0);
	/* the exit is this call's: as OP_NOP's RCX says, on the same stack */
	to = encl_op(e, 0, OP_NOP, 0, 0, 0, 0).regs.rdx;
	encl_write8(e, 0, encl_gprsgx(e, 0, 0) + offsetof(struct sgx_gprsgx, rip), page + size);
	encl_write8(e, 0, encl_gprsgx(e, 0, 0) + offsetof(struct sgx_gprsgx, r15), to);
	/* no RSP that not every machine can come back to */
	encl_write8(e, 0, encl_gprsgx(e, 0, 0) + offsetof(struct sgx_gprsgx, rsp), gpr.ursp);
	o = encl_enter_fixed(e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_EEXIT);
	return gpr;
}

struct snippet {
	const char *name;
	uint8_t size, at, code[24];
};

/* @ud: bit i: #UD and not @vector */
static void run_table(const struct snippet *table, size_t count, unsigned int vector, uint64_t ud)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (size_t i = 0; i < count; i++)
		fault(&e, table[i].name, table[i].code, table[i].size, table[i].at,
		      ud >> i & 1 ? SGX_VEC_UD : vector);
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
	encl_free(&e);
}

/* clang-format off */
static const struct snippet is_ud[] = {
	{"SYSCALL", 2, 0, {0x0f, 0x05}},
	{"INT 80H", 2, 0, {0xcd, 0x80}},
	{"INT 0", 2, 0, {0xcd, 0}},
	{"INT 1", 2, 0, {0xcd, 1}},
	{"INT 3 of two bytes", 2, 0, {0xcd, 3}},
	{"INT 4", 2, 0, {0xcd, 4}},
	{"INT 82H", 2, 0, {0xcd, 0x82}},
	{"INT FFH", 2, 0, {0xcd, 0xff}},
	{"INT3, opt-out", 1, 0, {0xcc}},
	{"INT1, opt-out", 1, 0, {0xf1}},
	{"IN AL, DX", 1, 0, {0xec}},
	{"IN EAX, 80H", 2, 0, {0xe5, 0x80}},
	{"OUT DX, AX", 2, 0, {0x66, 0xef}},
	{"OUT 80H, AL", 2, 0, {0xe6, 0x80}},
	{"INSB", 1, 0, {0x6c}},
	{"REP INSD", 2, 0, {0xf3, 0x6d}},
	{"REP OUTSB", 2, 0, {0xf3, 0x6e}},
	{"SYSENTER", 2, 0, {0x0f, 0x34}},
	{"VMCALL", 3, 0, {0x0f, 0x01, 0xc1}},
	{"VMFUNC", 3, 0, {0x0f, 0x01, 0xd4}},
	{"GETSEC", 2, 0, {0x0f, 0x37}},
	{"RDPMC", 2, 0, {0x0f, 0x33}},
	/* selectors that would be #GP; those that would be loaded are in CAVEATS.md */
	{"MOV DS, bad", 7, 5, {0xb8, 0xf8, 0xff, 0, 0, 0x8e, 0xd8}},
	{"MOV FS, bad", 7, 5, {0xb8, 0xf8, 0xff, 0, 0, 0x8e, 0xe0}},
	{"MOV SS, bad, from memory that is not there", 9, 7,
	 {0x48, 0xc7, 0xc0, 0x10, 0, 0, 0, 0x8e, 0x10}},
	{"LSS, memory that is not there", 10, 7,
	 {0x48, 0xc7, 0xc0, 0x10, 0, 0, 0, 0x0f, 0xb2, 0x08}},
	{"POP FS, stack not canonical", 12, 10,
	 {0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x0f, 0xa1}},
	{"far RET, stack not canonical", 11, 10,
	 {0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xcb}},
	{"IRETQ, stack not canonical", 12, 10,
	 {0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0xcf}},
	{"far JMP, memory that is not there", 9, 7,
	 {0x48, 0xc7, 0xc0, 0x10, 0, 0, 0, 0xff, 0x28}},
	{"far CALL, memory that is not there", 9, 7,
	 {0x48, 0xc7, 0xc0, 0x10, 0, 0, 0, 0xff, 0x18}},
};

/* CPL 0 is asked for inside and outside alike. */
static const struct snippet is_gp[] = {
	{"HLT", 1, 0, {0xf4}},
	{"CLI", 1, 0, {0xfa}},
	{"STI", 1, 0, {0xfb}},
	{"INVD", 2, 0, {0x0f, 0x08}},
	{"WBINVD", 2, 0, {0x0f, 0x09}},
	{"MOV RAX, CR0", 3, 0, {0x0f, 0x20, 0xc0}},
	{"MOV CR3, RAX", 3, 0, {0x0f, 0x22, 0xd8}},
	{"MOV RAX, DR7", 3, 0, {0x0f, 0x21, 0xf8}},
	{"RDMSR", 2, 0, {0x0f, 0x32}},
	{"WRMSR", 2, 0, {0x0f, 0x30}},
	{"LGDT", 4, 0, {0x0f, 0x01, 0x14, 0x24}},
	{"LIDT", 4, 0, {0x0f, 0x01, 0x1c, 0x24}},
	{"LLDT", 3, 0, {0x0f, 0x00, 0xd0}},
	{"LMSW", 3, 0, {0x0f, 0x01, 0xf0}},
	{"INVLPG", 4, 0, {0x0f, 0x01, 0x3c, 0x24}},
	{"SWAPGS", 3, 0, {0x0f, 0x01, 0xf8}},
	{"XSETBV", 3, 0, {0x0f, 0x01, 0xd1}},
	{"SYSRET", 2, 0, {0x0f, 0x07}},
	{"SYSEXIT", 2, 0, {0x0f, 0x35}},
};
/* clang-format on */

TEST(illegal_inside)
{
	run_table(is_ud, sizeof(is_ud) / sizeof(is_ud[0]), SGX_VEC_UD, 0);
}

static sigjmp_buf back;
static volatile greg_t trapno;

static void on_privileged(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	trapno = ((ucontext_t *)context)->uc_mcontext.gregs[REG_TRAPNO];
	siglongjmp(back, 1);
}

/*
 * Which of is_gp[] does this processor not know?  SYSEXIT is #UD on some of AMD's in
 * 64-bit mode.
 */
BARE(privileged_that_are_ud, 0)
{
	struct sigaction sa = {.sa_sigaction = on_privileged, .sa_flags = SA_SIGINFO};
	uint8_t *page = mmap(NULL, ENCL_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile long ud = 0;

	CHECK(page != MAP_FAILED);
	CHECK_SYS(sigaction(SIGILL, &sa, NULL));
	CHECK_SYS(sigaction(SIGSEGV, &sa, NULL));
	for (volatile size_t i = 0; i < sizeof(is_gp) / sizeof(is_gp[0]); i++) {
		memcpy(page, is_gp[i].code, is_gp[i].size);
		page[is_gp[i].size] = 0xc3; /* RET: there was no fault, and there is no answer */
		trapno = -1;
		if (!sigsetjmp(back, 1))
			((void (*)(void))page)();
		if (trapno != SGX_VEC_GP && trapno != SGX_VEC_UD)
			return -1;
		if (trapno == SGX_VEC_UD)
			ud |= 1l << i;
	}
	return ud;
}

TEST(privileged_inside)
{
	run_table(is_gp, sizeof(is_gp) / sizeof(is_gp[0]), SGX_VEC_GP,
		  (uint64_t)bare(privileged_that_are_ud));
}

/* --- system calls ------------------------------------------------------------------ */

static const uint8_t code_syscall[] = {0x0f, 0x05};

/* mov $nr, %eax; mov $1, %edi; xor %esi, %esi; xor %edx, %edx; syscall or int $0x80 */
static void call_inside(struct encl *e, uint32_t nr, bool compat)
{
	uint8_t code[] = {0xb8, 0, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x31, 0xf6, 0x31, 0xd2, 0x0f, 0x05};
	struct sgx_gprsgx gpr;

	memcpy(code + 1, &nr, sizeof(nr));
	if (compat)
		memcpy(code + 14, "\xcd\x80", 2);
	gpr = fault(e, compat ? "INT 80H" : "SYSCALL", code, sizeof(code), 14, SGX_VEC_UD);
	/* not as the kernel leaves it */
	CHECK_EQ(gpr.rax, nr);
	CHECK_EQ(gpr.rdi, 1);
}

TEST(no_number_passes)
{
	/* of the kernel's alone, of the filter's first and second stage, of nobody's */
	static const uint32_t calls[] = {SYS_getpid,	   SYS_write,  SYS_exit_group, SYS_exit,
					 SYS_rt_sigreturn, SYS_openat, SYS_clone,      SYS_fork,
					 SYS_execve,	   SYS_munmap, SYS_mprotect,   SYS_prctl,
					 SYS_vfork,	   SYS_futex,  0xffffffff,     1000};
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		call_inside(&e, calls[i], false);
		call_inside(&e, calls[i], true);
	}
	encl_free(&e);
}

/* One after the other and mixed: each thread is armed for where it is. */
TEST(two_enclaves)
{
	struct encl a, b;

	encl_build(&a, &(struct encl_opts){0});
	encl_build(&b, &(struct encl_opts){0});
	for (int i = 0; i < 20; i++) {
		call_inside(&a, SYS_getpid, i & 1);
		call_inside(&b, SYS_getpid, i & 2);
		if (i % 3)
			call_inside(&a, SYS_getpid, false);
	}
	encl_free(&a);
	call_inside(&b, SYS_getpid, false);
	encl_free(&b);
}

static struct encl shared;

static void *other_thread(void *arg)
{
	for (int i = 0; i < 5; i++)
		call_inside(&shared, SYS_getpid, i & 1);
	return arg;
}

TEST(threads)
{
	pthread_t thread;

	encl_build(&shared, &(struct encl_opts){0});
	call_inside(&shared, SYS_getpid, false);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		call_inside(&shared, SYS_getpid, true);
	}
	encl_free(&shared);
}

/* A thread that runs ahead of the first entry, and one made after it */
TEST(fork_child)
{
	int status;
	pid_t pid;

	encl_build(&shared, &(struct encl_opts){0});
	call_inside(&shared, SYS_getpid, false);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct encl e;

		/* what the parent has armed is not in force here, whatever the block says */
		encl_build(&e, &(struct encl_opts){0});
		call_inside(&e, SYS_getpid, false);
		call_inside(&e, SYS_getpid, true);
		encl_free(&e);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	call_inside(&shared, SYS_getpid, false);
	encl_free(&shared);
}

/* The child shares the parent's memory, and its block, but not what is armed. */
TEST(vfork_child)
{
	static volatile int in_child;
	int status;
	pid_t pid;

	encl_build(&shared, &(struct encl_opts){0});
	call_inside(&shared, SYS_getpid, false);
	pid = vfork();
	CHECK(pid >= 0);
	if (pid == 0) {
		call_inside(&shared, SYS_getpid, false);
		in_child = 1;
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(in_child, 1);
	call_inside(&shared, SYS_getpid, false);
	call_inside(&shared, SYS_getpid, true);
	encl_free(&shared);
}

/* Ordinary code where an enclave was makes its calls. */
static long plain_call(uint64_t at, long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("call *%1"
			 : "=a"(ret)
			 : "r"(at), "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "r10", "r8", "r9", "memory");
	return ret;
}

TEST(range_reused)
{
	static const uint8_t stub[] = {0x0f, 0x05, 0xc3};
	struct encl e, other;
	uint64_t at, end;
	void *map;
	int fd;

	encl_build(&e, &(struct encl_opts){0});
	call_inside(&e, SYS_getpid, false);
	encl_free(&e);
	map = mmap((void *)e.base, e.size, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(map == (void *)e.base);
	at = e.base + 0x2000;
	memcpy((void *)at, stub, sizeof(stub));
	end = e.base + e.size - sizeof(stub);
	memcpy((void *)end, stub, sizeof(stub));
	CHECK_EQ(plain_call(at, SYS_getpid, 0, 0, 0), getpid());
	CHECK_EQ(plain_call(end, SYS_getpid, 0, 0, 0), getpid());
	/* one that the agent answers too, and one that fails */
	fd = (int)plain_call(at, SYS_open, (long)"/dev/null", 0, 0);
	CHECK(fd >= 0);
	CHECK_EQ(plain_call(at, SYS_close, fd, 0, 0), 0);
	CHECK_EQ(plain_call(at, SYS_close, fd, 0, 0), -EBADF);
	CHECK_EQ(plain_call(at, SYS_gettid, 0, 0, 0), gettid());
	/* and enclaves are guarded still */
	encl_build(&other, &(struct encl_opts){0});
	call_inside(&other, SYS_getpid, false);
	CHECK_EQ(plain_call(at, SYS_getpid, 0, 0, 0), getpid());
	call_inside(&other, SYS_getpid, false);
	encl_free(&other);
	munmap(map, e.size);
}

/* An exec'ed program has the filters of this one, and none of its enclaves. */
TEST(exec_after)
{
	encl_build(&shared, &(struct encl_opts){0});
	call_inside(&shared, SYS_getpid, false);
	CHECK_EQ(system("exit 7"), 7 << 8);
	call_inside(&shared, SYS_getpid, false);
	encl_free(&shared);
}

/* Asynchronous signals all the while: calls outside are never refused for long. */
static volatile int ticks;

static void on_tick(int sig)
{
	(void)sig;
	if (getppid() > 0)
		ticks++;
}

TEST(under_signals)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	signal(SIGALRM, on_tick);
	ualarm(300, 300);
	while (ticks < 100) {
		call_inside(&e, SYS_getpid, false);
		CHECK(getpid() > 0);
	}
	ualarm(0, 0);
	encl_free(&e);
}

/* Syscall User Dispatch is the agent's: as on a kernel without it. */
TEST(program_asks_for_dispatch)
{
	struct encl e;
	char selector = 0;

	CHECK_EQ(prctl(59, 1, 0, 0, &selector), -1);
	CHECK_EQ(errno, EINVAL);
	encl_build(&e, &(struct encl_opts){0});
	call_inside(&e, SYS_getpid, false);
	CHECK_EQ(prctl(59, 0, 0, 0, 0), -1);
	CHECK_EQ(errno, EINVAL);
	call_inside(&e, SYS_getpid, false);
	encl_free(&e);
}

/* At the very ends of the ELRANGE, which is where ranges are off by one */
TEST(ends_of_the_range)
{
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.no_init = true, .no_map = true});
	encl_free(&e);
	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	{
		static uint8_t page[ENCL_PAGE] __attribute__((aligned(4096)));
		uint64_t count;

		memset(page, 0x90, sizeof(page));
		memcpy(page + ENCL_PAGE - 2, code_syscall, 2);
		CHECK_EQ(encl_add(&e, e.size - ENCL_PAGE, page, ENCL_PAGE, 0x200 | 7,
				  SGX_PAGE_MEASURE, &count),
			 0);
	}
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	encl_map_all(&e);
	CHECK_EQ(encl_map(&e, e.size - ENCL_PAGE, ENCL_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC),
		 0);
	o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_JUMP, e.base + e.size - 16, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	CHECK_EQ(frame0(&e).rip, e.base + e.size - 2);
	encl_free(&e);
}
