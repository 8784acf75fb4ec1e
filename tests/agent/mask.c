/* SPDX-License-Identifier: BSD-3-Clause */
/* Masks, and calls that wait for signals. */
#include "case.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t count;
static volatile int order[16];

static void counting(int sig)
{
	order[count & 15] = sig;
	count++;
}

CASE(procmask)
{
	static const int sigs[] = {SIGUSR1, SIGSEGV, SIGSYS, SIGTERM, SIGKILL, SIGSTOP, 64};
	sigset_t set, old;

	sigemptyset(&set);
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	sigfillset(&set);
	must(sigprocmask(SIG_SETMASK, &set, &old) == 0);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		say("%d: before %d, full %d", sigs[i], sigismember(&old, sigs[i]),
		    blocked(sigs[i]));
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	must(sigprocmask(SIG_UNBLOCK, &set, &old) == 0);
	say("segv %d usr1 %d, old segv %d", blocked(SIGSEGV), blocked(SIGUSR1),
	    sigismember(&old, SIGSEGV));
}

CASE(procmask_errors)
{
	sigset_t set;

	sigemptyset(&set);
	say_errno("how", sigprocmask(77, &set, NULL));
	say("how, no set %d", sigprocmask(77, NULL, &set));
	say_errno("size", syscall(SYS_rt_sigprocmask, 0, NULL, NULL, 16));
	say_errno("new", syscall(SYS_rt_sigprocmask, SIG_BLOCK, 16, NULL, 8));
	say_errno("old", syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, 16, 8));
}

static void blocking(int sig)
{
	block(SIGTERM);
	block(SIGILL);
	order[0] = blocked(SIGTERM);
	order[1] = blocked(SIGILL);
}

/* What a handler does to the mask ends with it. */
CASE(mask_in_handler_undone)
{
	catch_plain(SIGUSR1, blocking, 0);
	raise(SIGUSR1);
	say("inside %d %d after %d %d", order[0], order[1], blocked(SIGTERM), blocked(SIGILL));
}

static void keeping(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	sigaddset(&uc->uc_sigmask, SIGTERM);
	sigaddset(&uc->uc_sigmask, SIGSEGV);
}

/* ...unless it changes the mask that its return brings back. */
CASE(mask_through_ucontext)
{
	catch_info(SIGUSR1, keeping, 0);
	raise(SIGUSR1);
	say("after %d %d %d", blocked(SIGTERM), blocked(SIGSEGV), blocked(SIGUSR1));
}

/* Lower numbers first, and queued ones keep their order. */
CASE(pending_order)
{
	block(SIGRTMIN + 1);
	block(SIGRTMIN + 2);
	block(SIGUSR2);
	catch_plain(SIGRTMIN + 1, counting, 0);
	catch_plain(SIGRTMIN + 2, counting, 0);
	catch_plain(SIGUSR2, counting, 0);
	raise(SIGRTMIN + 2);
	raise(SIGRTMIN + 1);
	raise(SIGUSR2);
	raise(SIGRTMIN + 1);
	raise(SIGUSR2);
	sigset_t set;

	must(sigpending(&set) == 0);
	say("pending %d %d %d", sigismember(&set, SIGUSR2), sigismember(&set, SIGRTMIN + 1),
	    sigismember(&set, SIGUSR1));
	sigemptyset(&set);
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	say("count %d", count);
	for (int i = 0; i < count; i++)
		say("%d", order[i]);
}

CASE(sigsuspend_waits)
{
	sigset_t set;
	pid_t pid, parent = getpid();

	catch_plain(SIGUSR1, counting, 0);
	block(SIGUSR1);
	block(SIGUSR2);
	pid = fork();
	if (pid == 0) {
		usleep(10000);
		kill(parent, SIGUSR2);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	must(sigprocmask(SIG_SETMASK, NULL, &set) == 0);
	sigdelset(&set, SIGUSR1);
	int ret = sigsuspend(&set);
	say("suspend %d errno %d count %d", ret, errno, count);
	say("blocked again %d %d", blocked(SIGUSR1), blocked(SIGUSR2));
	say_status("child", pid);
}

static void suspended(int sig)
{
	order[0] = blocked(SIGUSR1);
	order[1] = blocked(SIGUSR2);
	order[2] = blocked(SIGTERM);
	count++;
}

/* The handler runs under the mask of sigsuspend(), not under the one before. */
CASE(sigsuspend_mask_in_handler)
{
	sigset_t set;

	catch_plain(SIGUSR1, suspended, 0);
	block(SIGUSR1);
	block(SIGUSR2);
	raise(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	int ret = sigsuspend(&set);
	say("suspend %d errno %d count %d", ret, errno, count);
	say("inside %d %d %d", order[0], order[1], order[2]);
	say("after %d %d %d", blocked(SIGUSR1), blocked(SIGUSR2), blocked(SIGTERM));
}

/* A signal of the agent's own, pending: sigsuspend() lets it in at once. */
CASE(sigsuspend_pending_segv)
{
	sigset_t set;

	catch_plain(SIGSEGV, suspended, 0);
	block(SIGSEGV);
	block(SIGUSR1);
	raise(SIGSEGV);
	say("count %d", count);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	int ret = sigsuspend(&set);
	say("suspend %d errno %d count %d", ret, errno, count);
	say("inside %d %d %d", order[0], order[1], order[2]);
	say("after %d %d", blocked(SIGSEGV), blocked(SIGUSR1));
}

CASE(sigwaitinfo_payload)
{
	union sigval value = {.sival_int = 99};
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	catch_plain(SIGUSR1, counting, 0);
	must(sigqueue(getpid(), SIGRTMIN, value) == 0);
	int ret = sigwaitinfo(&set, &info);
	say("got %d code %d value %d", ret, info.si_code, info.si_value.sival_int);
	raise(SIGUSR1);
	say("got %d, handler ran %d", sigwaitinfo(&set, &info), count);
}

CASE(sigtimedwait_timeout)
{
	struct timespec ts = {0, 5000000};
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	say_errno("got", sigtimedwait(&set, &info, &ts));
	raise(SIGUSR1);
	say("got %d", sigtimedwait(&set, &info, &ts));
}

CASE(signalfd_reads)
{
	struct signalfd_siginfo info;
	union sigval value = {.sival_int = 7};
	struct pollfd p;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	catch_plain(SIGRTMIN + 3, counting, 0);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	must(fd >= 0);
	say_errno("empty", read(fd, &info, sizeof(info)));
	must(sigqueue(getpid(), SIGRTMIN + 3, value) == 0);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	say("poll %d", poll(&p, 1, 1000));
	say("read %d", (int)read(fd, &info, sizeof(info)));
	say("signo %d code %d value %d, handler ran %d", (int)info.ssi_signo, info.ssi_code,
	    info.ssi_int, count);
}

/* A signal that only the mask of the call lets in */
CASE(ppoll_lets_in)
{
	struct timespec ts = {5, 0};
	sigset_t set;

	catch_plain(SIGUSR1, counting, 0);
	block(SIGUSR1);
	raise(SIGUSR1);
	must(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
	sigdelset(&set, SIGUSR1);
	int ret = ppoll(NULL, 0, &ts, &set);
	say("ppoll %d errno %d count %d", ret, errno, count);
	say("blocked %d", blocked(SIGUSR1));
}

CASE(pselect_lets_in)
{
	struct timespec ts = {5, 0};
	sigset_t set;

	catch_plain(SIGUSR1, counting, 0);
	block(SIGUSR1);
	raise(SIGUSR1);
	must(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
	sigdelset(&set, SIGUSR1);
	int ret = pselect(0, NULL, NULL, NULL, &ts, &set);
	say("pselect %d errno %d count %d", ret, errno, count);
	say("blocked %d", blocked(SIGUSR1));
}
