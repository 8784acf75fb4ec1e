/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults of the program's own: what its handler is told, and may change. */
#include "case.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static volatile sig_atomic_t count;
static siginfo_t seen;
static greg_t regs[NGREG];
static sigjmp_buf jump;
static volatile int nest;
/* Where nothing is; the compiler may not know */
static volatile int *volatile nowhere = (int *)8;

static void recording(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	count++;
	seen = *info;
	memcpy(regs, uc->uc_mcontext.gregs, sizeof(regs));
	siglongjmp(jump, 1);
}

static void say_fault(const char *what, const void *addr)
{
	say("%s: signal %d code %d addr %d trapno %lld err %#llx", what, seen.si_signo,
	    seen.si_code, seen.si_addr == addr, regs[REG_TRAPNO], regs[REG_ERR]);
}

static void catch_all(void)
{
	catch_info(SIGSEGV, recording, 0);
	catch_info(SIGBUS, recording, 0);
	catch_info(SIGILL, recording, 0);
	catch_info(SIGFPE, recording, 0);
	catch_info(SIGTRAP, recording, 0);
}

CASE(segv_maperr)
{
	volatile char *p = (char *)0x1234;

	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		*p = 1;
	say_fault("write", (void *)0x1234);
	say("cr2 %d", regs[REG_CR2] == 0x1234);
	if (sigsetjmp(jump, 1) == 0)
		(void)*p;
	say_fault("read", (void *)0x1234);
}

CASE(segv_accerr)
{
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		*(volatile char *)(p + 5) = 1;
	say_fault("write", p + 5);
	if (sigsetjmp(jump, 1) == 0)
		((void (*)(void))p)();
	say_fault("execute", p);
	say("rip there %d", regs[REG_RIP] == (greg_t)(uintptr_t)p);
}

CASE(segv_gp)
{
	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		*(volatile char *)0x8000000000000000 = 1;
	say_fault("non-canonical", NULL);
	if (sigsetjmp(jump, 1) == 0)
		__asm__ volatile("hlt");
	say_fault("hlt", NULL);
}

extern char the_ud2[], the_int3[], the_div[], the_ud2_next[], the_skip[];

CASE(ill_ud2)
{
	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		__asm__ volatile("the_ud2: ud2");
	say_fault("ud2", the_ud2);
	say("rip %d", regs[REG_RIP] == (greg_t)(uintptr_t)the_ud2);
}

CASE(fpe_div)
{
	int q;

	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		__asm__ volatile("the_div: idivl %1" : "=a"(q) : "r"(0), "a"(1), "d"(0));
	say_fault("div", the_div);
}

CASE(fpe_sse)
{
	uint32_t mxcsr = 0x1f80 & ~(1u << 9); /* unmask ZE */
	double a = 1, b = 0;

	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		__asm__ volatile("ldmxcsr %0; divsd %2, %1" : : "m"(mxcsr), "x"(a), "x"(b));
	say("signal %d code %d trapno %lld", seen.si_signo, seen.si_code, regs[REG_TRAPNO]);
}

CASE(trap_int3)
{
	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		__asm__ volatile("int3; the_int3:");
	say_fault("int3", NULL);
	say("rip after %d", regs[REG_RIP] == (greg_t)(uintptr_t)the_int3);
}

static volatile int steps;
static void stepping(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	seen = *info;
	if (++steps >= 10)
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
}

/* The trap flag, set by the program for itself */
CASE(trap_step)
{
	catch_info(SIGTRAP, stepping, 0);
	__asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq\n"
			 ".rept 40; nop; .endr\n"
			 "add $128, %%rsp" ::
				 : "cc", "memory");
	say("steps %d code %d", steps, seen.si_code);
}

CASE(bus_past_end)
{
	char name[] = "/tmp/agent-bus-XXXXXX";
	int fd = mkstemp(name);
	char *p;

	must(fd >= 0 && unlink(name) == 0 && ftruncate(fd, 100) == 0);
	p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	catch_all();
	if (sigsetjmp(jump, 1) == 0)
		(void)*(volatile char *)(p + 5000);
	say_fault("past the end", p + 5000);
}

static void skipping(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	count++;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)the_skip;
	uc->uc_mcontext.gregs[REG_RAX] = 0x1122334455667788;
	uc->uc_mcontext.gregs[REG_R13] += 1;
	uc->uc_mcontext.gregs[REG_EFL] |= 1; /* CF */
}

CASE(skip_and_change)
{
	uint64_t rax = 1, r13;
	uint8_t carry;

	catch_info(SIGSEGV, skipping, 0);
	__asm__ volatile("mov $41, %%r13; xor %%ecx, %%ecx; clc\n"
			 "mov (%%rcx), %%rax\n"
			 "the_skip: setc %1; mov %%r13, %2"
			 : "+a"(rax), "=&r"(carry), "=&r"(r13)
			 :
			 : "rcx", "r13", "cc", "memory");
	say("count %d rax %llx carry %d r13 %llu", count, (unsigned long long)rax, carry,
	    (unsigned long long)r13);
}

static void deeper(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	if (++nest < 8)
		__asm__ volatile("ud2");
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	count++;
}

/* A fault in the handler of a fault, eight deep */
CASE(nested_faults)
{
	catch_info(SIGILL, deeper, SA_NODEFER);
	__asm__ volatile("ud2");
	say("nest %d count %d", nest, count);
}

CASE(many_faults)
{
	catch_all();
	for (volatile int i = 0; i < 3000; i++)
		if (sigsetjmp(jump, 1) == 0)
			*nowhere = 1;
	say("count %d", count);
}

static void *page;
static void mapping(int sig, siginfo_t *info, void *uc)
{
	count++;
	must(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

/* The access runs again when the handler returns. */
CASE(fix_and_retry)
{
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page != MAP_FAILED);
	catch_info(SIGSEGV, mapping, 0);
	for (int i = 0; i < 100; i++) {
		*(volatile int *)page += 1;
		must(mprotect(page, 4096, PROT_NONE) == 0);
	}
	must(mprotect(page, 4096, PROT_READ) == 0);
	say("count %d value %d", count, *(int *)page);
}

static uint64_t flags_inside;
static void flags(int sig)
{
	__asm__ volatile("pushfq; pop %0" : "=r"(flags_inside));
	count++;
}

/* A handler starts with DF and TF clear; what was set comes back. */
CASE(direction_flag)
{
	uint64_t after;
	long pid = getpid();

	catch_plain(SIGUSR1, flags, 0);
	__asm__ volatile("std; mov %2, %%eax; syscall; pushfq; pop %0; cld"
			 : "=r"(after)
			 : "D"(pid), "i"(SYS_kill), "S"(SIGUSR1)
			 : "rax", "rcx", "r11", "memory", "cc");
	say("inside %d after %d count %d", (int)(flags_inside >> 10 & 1), (int)(after >> 10 & 1),
	    count);
}

/* EFAULT, not a fault, for bad pointers that trapped calls are given */
CASE(efault)
{
	say_errno("open", syscall(SYS_open, 16, 0));
	say_errno("openat", syscall(SYS_openat, AT_FDCWD, 16, 0));
	say_errno("stat", syscall(SYS_stat, 16, 16));
	say_errno("stat out", syscall(SYS_stat, "/", 16));
	say_errno("readlink", syscall(SYS_readlink, "/proc/self/exe", 16, 100));
	say_errno("access", syscall(SYS_access, 16, 0));
	say_errno("execve", syscall(SYS_execve, 16, NULL, NULL));
}
