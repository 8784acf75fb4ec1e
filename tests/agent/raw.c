/* SPDX-License-Identifier: BSD-3-Clause */
/* A program without libc: its own start, restorer and system calls. */
#include <asm/signal.h>
#include <asm/unistd.h>

void raw_start(void);
void raw_restorer(void);

static volatile int count;
static volatile unsigned long rip_was;

__asm__(".globl _start\n"
	"_start:\n"
	"	xor	%ebp, %ebp\n"
	"	and	$-16, %rsp\n"
	"	call	raw_start\n"
	"	hlt\n"
	".globl raw_restorer\n"
	"raw_restorer:\n"
	"	mov	$15, %eax\n" /* rt_sigreturn */
	"	syscall\n");

static long call(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static void handler(int sig)
{
	count += sig;
}

/* Layout of the frame: siginfo in RSI, ucontext in RDX; RIP is its 21st word */
static void skip(int sig, void *info, unsigned long *uc)
{
	count += 1000;
	rip_was = uc[21];
	uc[21] += 2;
}

static void catch_it(int sig, void *fn, unsigned long flags)
{
	struct {
		void *handler;
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} act = {fn, flags | 0x04000000 /* SA_RESTORER */, raw_restorer, 0};

	call(__NR_rt_sigaction, sig, (long)&act, 0, 8);
}

static void put(const char *text, long size)
{
	call(__NR_write, 1, (long)text, size, 0);
}

void raw_start(void)
{
	unsigned long mask = 1ul << (SIGUSR2 - 1);
	long pid = call(__NR_getpid, 0, 0, 0, 0), child;
	int status = 0;
	char digits[6] = "00000\n";

	catch_it(SIGUSR1, (void *)handler, 0);
	catch_it(SIGUSR2, (void *)handler, SA_RESTART);
	catch_it(SIGILL, (void *)skip, SA_SIGINFO);
	call(__NR_kill, pid, SIGUSR1, 0, 0); /* + 10 */
	call(__NR_rt_sigprocmask, 0, (long)&mask, 0, 8);
	call(__NR_kill, pid, SIGUSR2, 0, 0);
	count += 100;
	call(__NR_rt_sigprocmask, 1, (long)&mask, 0, 8); /* + 12 */
	__asm__ volatile("ud2" ::: "memory"); /* + 1000 */
	child = call(__NR_fork, 0, 0, 0, 0);
	if (child == 0) {
		call(__NR_kill, call(__NR_getpid, 0, 0, 0, 0), SIGUSR1, 0, 0);
		call(__NR_exit_group, count == 1132 ? 5 : 6, 0, 0, 0);
	}
	call(__NR_wait4, child, (long)&status, 0, 0);
	count += status >> 8;
	for (int n = count, i = 4; i >= 0; i--, n /= 10)
		digits[i] = (char)('0' + n % 10);
	put("raw ", 4);
	put(digits, 6);
	/* exit, not exit_group: the last thread ends the process */
	call(__NR_exit, count == 1127 ? 23 : 24, 0, 0, 0);
}
