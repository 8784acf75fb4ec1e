/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals of the agent's own (SIGSEGV and the like) that are sent, not caused. */
#include "case.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>

static volatile sig_atomic_t count;
static siginfo_t seen;
static const int own[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
#define OWN (sizeof(own) / sizeof(own[0]))

static void recording(int sig, siginfo_t *info, void *uc)
{
	count++;
	seen = *info;
}

CASE(sent_caught)
{
	for (size_t i = 0; i < OWN; i++) {
		catch_info(own[i], recording, 0);
		kill(getpid(), own[i]);
		say("%d: signo %d code %d pid %d", own[i], seen.si_signo, seen.si_code,
		    seen.si_pid == getpid());
	}
	say("count %d", count);
}

CASE(sent_blocked)
{
	for (size_t i = 0; i < OWN; i++) {
		catch_info(own[i], recording, 0);
		block(own[i]);
		kill(getpid(), own[i]);
		kill(getpid(), own[i]);
		say("%d: blocked, count %d", own[i], count);
	}
	for (size_t i = 0; i < OWN; i++) {
		unblock(own[i]);
		say("%d: unblocked, count %d signo %d", own[i], count, seen.si_signo);
	}
}

CASE(sent_ignored)
{
	for (size_t i = 0; i < OWN; i++) {
		must(signal(own[i], SIG_IGN) == SIG_DFL);
		kill(getpid(), own[i]);
	}
	say("still here");
}

CASE(sent_queued_value)
{
	union sigval value = {.sival_int = 1234};

	catch_info(SIGSEGV, recording, 0);
	must(sigqueue(getpid(), SIGSEGV, value) == 0);
	say("code %d value %d count %d", seen.si_code, seen.si_value.sival_int, count);
}

CASE(sent_by_other)
{
	pid_t parent = getpid(), pid;

	catch_info(SIGSEGV, recording, 0);
	catch_info(SIGBUS, recording, 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 200; i++)
			kill(parent, i & 1 ? SIGSEGV : SIGBUS);
		_exit(0);
	}
	say_status("sender", pid);
	say("some came %d, from it %d", count > 0, seen.si_pid == pid);
}

/* While trapped calls are under way: nothing may get lost but what Linux merges. */
CASE(sent_during_calls)
{
	pid_t parent = getpid(), pid;
	int fd;

	catch_info(SIGSEGV, recording, SA_RESTART);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 2000; i++)
			kill(parent, SIGSEGV);
		_exit(0);
	}
	for (int i = 0; i < 3000; i++) {
		fd = open("/dev/null", O_RDONLY);
		must(fd >= 0 && close(fd) == 0);
	}
	say_status("sender", pid);
	say("some came %d", count > 0);
}

/* Is the process in that system call?  What it sleeps in is what the kernel says. */
static bool in_call(pid_t pid, long nr)
{
	char path[64], line[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	f = fopen(path, "r");
	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
		fclose(f);
	}
	return atol(line) == nr && line[0] >= '0' && line[0] <= '9';
}

static void until_in_call(pid_t pid, long nr)
{
	while (!in_call(pid, nr)) {
		must(getppid() == pid);
		usleep(500);
	}
}

/* A call that blocks in the agent's hands, interrupted. */
static void open_fifo(int sig, int flags)
{
	char dir[] = "/tmp/agent-fifo-XXXXXX", name[64];
	pid_t parent = getpid(), pid;
	int fd;

	must(mkdtemp(dir) != NULL);
	snprintf(name, sizeof(name), "%s/fifo", dir);
	must(mkfifo(name, 0600) == 0);
	catch_info(sig, recording, flags);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		until_in_call(parent, SYS_openat);
		kill(parent, sig);
		if (!(flags & SA_RESTART))
			until_in_call(parent, SYS_wait4);
		/* begun again, it may not have got there yet */
		do
			fd = open(name, O_WRONLY | O_NONBLOCK);
		while (fd < 0 && errno == ENXIO && (flags & SA_RESTART) && getppid() == parent);
		_exit(flags & SA_RESTART ? fd < 0 : fd >= 0);
	}
	fd = open(name, O_RDONLY);
	say("open %d errno %d count %d", fd >= 0, fd < 0 ? errno : 0, count);
	say_status("child", pid);
	unlink(name);
	rmdir(dir);
}

CASE(open_fifo_eintr)
{
	open_fifo(SIGUSR1, 0);
}

CASE(open_fifo_restart)
{
	open_fifo(SIGUSR1, SA_RESTART);
}

CASE(open_fifo_segv_eintr)
{
	open_fifo(SIGSEGV, 0);
}

CASE(open_fifo_segv_restart)
{
	open_fifo(SIGSEGV, SA_RESTART);
}

/* The kernel's own signals (si_code above 0), in the same place */
CASE(open_fifo_itimer)
{
	struct itimerval once = {.it_value = {0, 30000}};
	char dir[] = "/tmp/agent-fifo-XXXXXX", name[64];
	int fd;

	must(mkdtemp(dir) != NULL);
	snprintf(name, sizeof(name), "%s/fifo", dir);
	must(mkfifo(name, 0600) == 0);
	catch_info(SIGALRM, recording, 0);
	must(setitimer(ITIMER_REAL, &once, NULL) == 0);
	fd = open(name, O_RDONLY);
	say("open %d errno %d count %d code %#x", fd, errno, count, (unsigned int)seen.si_code);
	unlink(name);
	rmdir(dir);
}

CASE(open_fifo_sigchld)
{
	char dir[] = "/tmp/agent-fifo-XXXXXX", name[64];
	pid_t pid;
	int fd;

	must(mkdtemp(dir) != NULL);
	snprintf(name, sizeof(name), "%s/fifo", dir);
	must(mkfifo(name, 0600) == 0);
	catch_info(SIGCHLD, recording, 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		usleep(30000);
		_exit(5);
	}
	fd = open(name, O_RDONLY);
	say("open %d errno %d count %d code %d status %d", fd, errno, count, seen.si_code,
	    seen.si_status);
	say_status("child", pid);
	unlink(name);
	rmdir(dir);
}

/* Vector state and control words over a call that a handler interrupted */
CASE(open_fifo_fpu)
{
	struct itimerval once = {.it_value = {0, 30000}};
	char dir[] = "/tmp/agent-fifo-XXXXXX", name[64];
	uint64_t in[2] = {0x0123456789abcdef, 42}, out[2];
	uint32_t mxcsr = 0x1f80 | 0x4000;
	uint16_t cw = 0x027f;
	long ret;

	must(mkdtemp(dir) != NULL);
	snprintf(name, sizeof(name), "%s/fifo", dir);
	must(mkfifo(name, 0600) == 0);
	catch_info(SIGALRM, recording, 0);
	must(setitimer(ITIMER_REAL, &once, NULL) == 0);
	__asm__ volatile("ldmxcsr %1; fldcw %2; movdqu (%5), %%xmm13; syscall;"
			 "movdqu %%xmm13, (%6); stmxcsr %1; fnstcw %2"
			 : "=a"(ret), "+m"(mxcsr), "+m"(cw)
			 : "0"(SYS_open), "D"(name), "r"(in), "r"(out), "S"(O_RDONLY), "d"(0)
			 : "rcx", "r11", "memory", "xmm13");
	say("ret %ld count %d mxcsr %x cw %x xmm %d", ret, count, mxcsr, cw,
	    memcmp(in, out, sizeof(in)) == 0);
	unlink(name);
	rmdir(dir);
}

/* Blocked, it must not end the wait; when the wait lets it in, it must. */
CASE(sigsuspend_sent_segv)
{
	pid_t parent = getpid(), pid;
	sigset_t set;

	catch_info(SIGSEGV, recording, 0);
	catch_info(SIGUSR1, recording, 0);
	block(SIGSEGV);
	block(SIGUSR1);
	for (int let_in = 0; let_in < 2; let_in++) {
		count = 0;
		pid = fork();
		must(pid >= 0);
		if (pid == 0) {
			usleep(20000);
			kill(parent, SIGSEGV);
			usleep(20000);
			if (!let_in)
				kill(parent, SIGUSR1);
			_exit(0);
		}
		sigemptyset(&set);
		if (!let_in)
			sigaddset(&set, SIGSEGV);
		int ret = sigsuspend(&set);
		say("suspend %d errno %d count %d signal %d", ret, errno, count, seen.si_signo);
		say("blocked %d %d", blocked(SIGSEGV), blocked(SIGUSR1));
		say_status("child", pid);
		unblock(SIGSEGV);
		block(SIGSEGV);
		say("count %d signal %d", count, seen.si_signo);
	}
}

CASE(sigsuspend_itimer)
{
	struct itimerval once = {.it_value = {0, 20000}};
	sigset_t set;

	sigemptyset(&set);
	catch_info(SIGALRM, recording, 0);
	must(setitimer(ITIMER_REAL, &once, NULL) == 0);
	int ret = sigsuspend(&set);
	say("suspend %d errno %d count %d", ret, errno, count);
}
