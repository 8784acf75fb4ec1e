/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that wait with a set or a mask, and the agent's own signals in it. */
#include "case.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>

static const int own[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
#define OWN (sizeof(own) / sizeof(own[0]))

static volatile sig_atomic_t count, last;
static siginfo_t seen;
static int inside[4], outside_mask[4];
static const int looked_at[4] = {SIGUSR1, SIGUSR2, SIGSEGV, SIGTRAP};

static void looking(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	for (int i = 0; i < 4; i++) {
		inside[i] = blocked(looked_at[i]);
		outside_mask[i] = sigismember(&uc->uc_sigmask, looked_at[i]);
	}
	seen = *info;
	last = sig;
	count++;
}

static void say_looked(const char *what)
{
	say("%s: count %d last %d code %d", what, count, last, seen.si_code);
	say("inside %d %d %d %d, uc %d %d %d %d, after %d %d %d %d", inside[0], inside[1],
	    inside[2], inside[3], outside_mask[0], outside_mask[1], outside_mask[2],
	    outside_mask[3], blocked(SIGUSR1), blocked(SIGUSR2), blocked(SIGSEGV),
	    blocked(SIGTRAP));
	count = last = 0;
	memset(inside, 0, sizeof(inside));
	memset(outside_mask, 0, sizeof(outside_mask));
}

static sigset_t set_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	if (a)
		sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

static void block_own(void)
{
	for (size_t i = 0; i < OWN; i++)
		block(own[i]);
}

static sigset_t all_own(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < OWN; i++)
		sigaddset(&set, own[i]);
	return set;
}

static void say_info(int ret, const siginfo_t *info)
{
	say("got %d errno %d: signo %d code %d pid %d value %d", ret, ret < 0 ? errno : 0,
	    info->si_signo, info->si_code, info->si_pid == getpid(),
	    info->si_code == SI_QUEUE ? info->si_value.sival_int : 0);
}

/* Already pending: lowest first, each with what came with it. */
CASE(sigwait_own_pending)
{
	union sigval value = {.sival_int = 77};
	struct timespec none = {0, 0};
	sigset_t set = all_own(), pending;
	siginfo_t info;

	block_own();
	for (size_t i = OWN; i-- > 0;) {
		if (i & 1)
			must(kill(getpid(), own[i]) == 0);
		else
			must(sigqueue(getpid(), own[i], value) == 0);
	}
	must(sigpending(&pending) == 0);
	for (size_t i = 0; i < OWN; i++)
		say("%d pending %d", own[i], sigismember(&pending, own[i]));
	for (size_t i = 0; i <= OWN; i++) {
		memset(&info, 0, sizeof(info));
		say_info(sigtimedwait(&set, &info, &none), &info);
	}
	must(sigpending(&pending) == 0);
	say("pending %d", sigisemptyset(&pending));
}

/* The first of two is the one that stays. */
CASE(sigwait_own_first_wins)
{
	union sigval value = {.sival_int = 1};
	struct timespec none = {0, 0};
	siginfo_t info;
	sigset_t set;

	block_own();
	for (size_t i = 0; i < OWN; i++) {
		value.sival_int = 1;
		must(sigqueue(getpid(), own[i], value) == 0);
		value.sival_int = 2;
		must(sigqueue(getpid(), own[i], value) == 0);
		set = set_of(own[i], 0);
		memset(&info, 0, sizeof(info));
		say_info(sigtimedwait(&set, &info, &none), &info);
		memset(&info, 0, sizeof(info));
		say_info(sigtimedwait(&set, &info, &none), &info);
	}
}

/* Both kinds of one number: two signals, the thread's first */
CASE(sigwait_thread_and_process)
{
	struct timespec none = {0, 0};
	siginfo_t info;
	sigset_t set;

	block_own();
	for (size_t i = 0; i < OWN; i++) {
		must(kill(getpid(), own[i]) == 0);
		must(pthread_kill(pthread_self(), own[i]) == 0);
		set = set_of(own[i], 0);
		for (int n = 0; n < 3; n++) {
			memset(&info, 0, sizeof(info));
			say_info(sigtimedwait(&set, &info, &none), &info);
		}
	}
}

/* The faults' signals before others, whatever their number. */
CASE(sigwait_order)
{
	struct timespec none = {0, 0};
	sigset_t set = set_of(SIGHUP, SIGUSR1);
	siginfo_t info;

	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGTRAP);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	raise(SIGUSR1);
	raise(SIGHUP);
	raise(SIGSEGV);
	raise(SIGTRAP);
	for (int i = 0; i < 4; i++) {
		memset(&info, 0, sizeof(info));
		say_info(sigtimedwait(&set, &info, &none), &info);
	}
}

/* It arrives while we wait; blocked or not, the wait takes it. */
static void arrives(int sig, bool block_it)
{
	pid_t parent = getpid(), pid;
	sigset_t set = set_of(sig, SIGUSR2);
	siginfo_t info = {0};

	if (block_it)
		block(sig);
	block(SIGUSR2);
	catch_info(sig, looking, 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		wait_state(parent, 'S');
		kill(parent, sig);
		_exit(0);
	}
	int ret = sigwaitinfo(&set, &info);
	say("got %d code %d from child %d, handler ran %d", ret, info.si_code, info.si_pid == pid,
	    count);
	say_status("child", pid);
}

CASE(sigwait_segv_arrives)
{
	arrives(SIGSEGV, true);
}

CASE(sigwait_sys_arrives)
{
	arrives(SIGSYS, true);
}

CASE(sigwait_trap_arrives_unblocked)
{
	arrives(SIGTRAP, false);
}

/* Not in the set, and not blocked: its handler runs, and the wait is over. */
static void interrupted(int sig, int flags)
{
	pid_t parent = getpid(), pid;
	sigset_t set = set_of(SIGUSR2, SIGILL);
	siginfo_t info = {0};

	block(SIGUSR2);
	block(SIGILL);
	catch_info(sig, looking, flags);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		wait_state(parent, 'S');
		kill(parent, sig);
		_exit(0);
	}
	say_errno("sigwaitinfo", sigwaitinfo(&set, &info));
	say_looked("interrupted");
	say_status("child", pid);
}

CASE(sigwait_eintr)
{
	interrupted(SIGBUS, 0);
}

CASE(sigwait_eintr_in_spite_of_restart)
{
	interrupted(SIGFPE, SA_RESTART);
}

/* Not in the set, but blocked or ignored: the wait goes on. */
static void goes_on(int sig, bool ignored)
{
	pid_t parent = getpid(), pid;
	sigset_t set = set_of(SIGUSR2, 0), pending;
	siginfo_t info = {0};

	block(SIGUSR2);
	if (ignored)
		must(signal(sig, SIG_IGN) != SIG_ERR);
	else
		block(sig);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		wait_state(parent, 'S');
		kill(parent, sig);
		wait_state(parent, 'S');
		kill(parent, SIGUSR2);
		_exit(0);
	}
	say_errno("sigwaitinfo", sigwaitinfo(&set, &info));
	must(sigpending(&pending) == 0);
	say("pending %d", sigismember(&pending, sig));
	say_status("child", pid);
}

CASE(sigwait_past_blocked)
{
	goes_on(SIGSEGV, false);
}

CASE(sigwait_past_ignored)
{
	goes_on(SIGTRAP, true);
}

CASE(sigwait_errors)
{
	struct timespec bad = {0, 1000000000}, none = {0, 0}, negative = {-1, 0};
	sigset_t set = all_own();
	siginfo_t info;

	block_own();
	say_errno("size", syscall(SYS_rt_sigtimedwait, &set, &info, &none, 16ul));
	say_errno("set", syscall(SYS_rt_sigtimedwait, 16, &info, &none, 8ul));
	say_errno("time", syscall(SYS_rt_sigtimedwait, &set, &info, 16, 8ul));
	say_errno("nanoseconds", sigtimedwait(&set, &info, &bad));
	say_errno("seconds", sigtimedwait(&set, &info, &negative));
	say_errno("nothing", sigtimedwait(&set, &info, &none));
	raise(SIGSEGV);
	say_errno("info", syscall(SYS_rt_sigtimedwait, &set, 16, &none, 8ul));
	say_errno("it is gone", sigtimedwait(&set, &info, &none));
	raise(SIGSEGV);
	say_errno("no info", syscall(SYS_rt_sigtimedwait, &set, NULL, &none, 8ul));
	say_errno("pending, size", syscall(SYS_rt_sigpending, &set, 16));
	say_errno("pending, set", syscall(SYS_rt_sigpending, 16, 8ul));
}

/* Pending is what is blocked, and no more. */
CASE(sigpending_own)
{
	sigset_t set;
	uint32_t half = 0xffffffff;

	block_own();
	raise(SIGSEGV);
	raise(SIGUSR1 - SIGUSR1 + SIGTRAP);
	block(SIGUSR1);
	raise(SIGUSR1);
	must(sigpending(&set) == 0);
	for (int sig = 1; sig <= 31; sig++)
		if (sigismember(&set, sig))
			say("pending %d", sig);
	say_errno("four bytes", syscall(SYS_rt_sigpending, &half, 4));
	say("half %x", half);
}

/* --- calls with a mask --------------------------------------------------------------- */

enum call { PPOLL, PSELECT, EPOLL, EPOLL2, SUSPEND, CALLS };
static const char *const call_name[] = {"ppoll", "pselect", "epoll_pwait", "epoll_pwait2",
					"sigsuspend"};

/* With a pipe's end that has something to read where ready is set */
static long wait_with(enum call call, const sigset_t *mask, bool ready, const struct timespec *ts)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct timespec copy = *ts;
	struct pollfd p;
	int fds[2], ep;
	fd_set in;
	long ret = -1;

	must(pipe(fds) == 0);
	if (ready)
		must(write(fds[1], "x", 1) == 1);
	p = (struct pollfd){.fd = fds[0], .events = POLLIN};
	FD_ZERO(&in);
	FD_SET(fds[0], &in);
	ep = epoll_create1(0);
	must(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event) == 0);
	errno = 0;
	switch (call) {
	case PPOLL:
		ret = ppoll(&p, 1, &copy, mask);
		break;
	case PSELECT:
		ret = pselect(fds[0] + 1, &in, NULL, NULL, &copy, mask);
		break;
	case EPOLL:
		ret = epoll_pwait(ep, &event, 1, (int)(ts->tv_sec * 1000 + ts->tv_nsec / 1000000),
				  mask);
		break;
	case EPOLL2:
		ret = syscall(SYS_epoll_pwait2, ep, &event, 1, &copy, mask, 8);
		break;
	default:
		ret = sigsuspend(mask);
		break;
	}
	say("%s: %ld errno %d", call_name[call], ret, ret < 0 ? errno : 0);
	close(ep);
	close(fds[0]);
	close(fds[1]);
	return ret;
}

/* The handler runs under the call's mask, and its context has the mask before. */
static void mask_in_handler(int sig)
{
	const struct timespec ts = {20, 0};
	sigset_t set;

	catch_info(sig, looking, SA_RESTART);
	for (enum call call = 0; call < CALLS; call++) {
		set = set_of(SIGUSR2, SIGTRAP);
		must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
		block(sig);
		raise(sig);
		set = set_of(SIGUSR1, 0);
		wait_with(call, &set, false, &ts);
		say_looked(call_name[call]);
	}
}

CASE(wait_mask_usr2)
{
	mask_in_handler(SIGUSR2);
}

CASE(wait_mask_segv)
{
	mask_in_handler(SIGSEGV);
}

CASE(wait_mask_trap)
{
	mask_in_handler(SIGTRAP);
}

/* Arriving in the middle, from a child */
static void mask_arrives(int sig)
{
	const struct timespec ts = {20, 0};
	pid_t parent = getpid(), pid;
	sigset_t set;

	catch_info(sig, looking, 0);
	for (enum call call = 0; call < CALLS; call++) {
		set = set_of(SIGUSR2, SIGTRAP);
		must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
		block(sig);
		pid = fork();
		must(pid >= 0);
		if (pid == 0) {
			wait_state(parent, 'S');
			kill(parent, sig);
			_exit(0);
		}
		set = set_of(SIGUSR1, 0);
		wait_with(call, &set, false, &ts);
		say_looked(call_name[call]);
		say_status("child", pid);
	}
}

CASE(wait_mask_usr2_arrives)
{
	mask_arrives(SIGUSR2);
}

CASE(wait_mask_segv_arrives)
{
	mask_arrives(SIGSEGV);
}

CASE(wait_mask_sys_arrives)
{
	mask_arrives(SIGSYS);
}

/* What is ready comes first: the signal stays pending. */
static void ready_wins(int sig)
{
	const struct timespec ts = {20, 0};
	sigset_t set;

	catch_info(sig, looking, 0);
	for (enum call call = 0; call < SUSPEND; call++) {
		block(sig);
		raise(sig);
		sigemptyset(&set);
		wait_with(call, &set, true, &ts);
		must(sigpending(&set) == 0);
		say("count %d pending %d", count, sigismember(&set, sig));
		unblock(sig);
		say_looked("unblocked");
	}
}

CASE(wait_ready_wins_usr1)
{
	ready_wins(SIGUSR1);
}

CASE(wait_ready_wins_bus)
{
	ready_wins(SIGBUS);
}

/* Nothing ready and no time: which of them say EINTR is Linux' matter. */
static void no_time(int sig)
{
	const struct timespec ts = {0, 0};
	sigset_t set;

	catch_info(sig, looking, 0);
	for (enum call call = 0; call < SUSPEND; call++) {
		block(sig);
		raise(sig);
		sigemptyset(&set);
		wait_with(call, &set, false, &ts);
		say("count %d", count);
		unblock(sig);
		say_looked("unblocked");
	}
}

CASE(wait_no_time_usr1)
{
	no_time(SIGUSR1);
}

CASE(wait_no_time_fpe)
{
	no_time(SIGFPE);
}

/* A mask that keeps them out: time goes by, and they are pending. */
CASE(wait_kept_out)
{
	const struct timespec ts = {0, 3000000};
	sigset_t set;

	catch_info(SIGSEGV, looking, 0);
	catch_info(SIGUSR1, looking, 0);
	for (enum call call = 0; call < SUSPEND; call++) {
		block(SIGSEGV);
		block(SIGUSR1);
		raise(SIGSEGV);
		raise(SIGUSR1);
		set = set_of(SIGSEGV, SIGUSR1);
		wait_with(call, &set, false, &ts);
		say("count %d", count);
		unblock(SIGSEGV);
		say_looked("one");
		unblock(SIGUSR1);
		say_looked("two");
	}
}

/* No mask at all: nothing changes. */
CASE(wait_no_mask)
{
	const struct timespec ts = {0, 1000000};

	for (enum call call = 0; call < SUSPEND; call++) {
		wait_with(call, NULL, false, &ts);
		wait_with(call, NULL, true, &ts);
	}
	say("%ld", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, NULL));
}

CASE(wait_mask_errors)
{
	struct timespec ts = {0, 0}, bad = {0, -1};
	struct {
		const sigset_t *set;
		size_t size;
	} arg;
	sigset_t set;
	struct epoll_event event;
	int ep = epoll_create1(0);

	sigemptyset(&set);
	say_errno("ppoll size", syscall(SYS_ppoll, NULL, 0, &ts, &set, 4ul));
	say_errno("ppoll set", syscall(SYS_ppoll, NULL, 0, &ts, 16, 8ul));
	say_errno("ppoll set and size", syscall(SYS_ppoll, NULL, 0, &ts, 16, 4ul));
	say_errno("ppoll time", syscall(SYS_ppoll, NULL, 0, &bad, 16, 4ul));
	say_errno("ppoll time", syscall(SYS_ppoll, NULL, 0, 16, &set, 8ul));
	say_errno("ppoll high", syscall(SYS_ppoll, NULL, 0, &ts, 0x100000000ul, 8ul));
	arg.set = &set;
	arg.size = 4;
	say_errno("pselect size", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &arg));
	arg.size = 8;
	arg.set = (const sigset_t *)16;
	say_errno("pselect set", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &arg));
	arg.set = NULL;
	arg.size = 4;
	say_errno("pselect none", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &arg));
	say_errno("pselect arg", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, 16));
	say_errno("pselect n", syscall(SYS_pselect6, -1, NULL, NULL, NULL, &ts, &arg));
	say_errno("epoll size", syscall(SYS_epoll_pwait, ep, &event, 1, 0, &set, 4ul));
	say_errno("epoll set", syscall(SYS_epoll_pwait, ep, &event, 1, 0, 16, 8ul));
	say_errno("epoll fd", syscall(SYS_epoll_pwait, -1, &event, 1, 0, &set, 8ul));
	say_errno("epoll2 size", syscall(SYS_epoll_pwait2, ep, &event, 1, &ts, &set, 4ul));
	say_errno("epoll2 time", syscall(SYS_epoll_pwait2, ep, &event, 1, &bad, &set, 8ul));
	say_errno("suspend size", syscall(SYS_rt_sigsuspend, &set, 4ul));
	say_errno("suspend set", syscall(SYS_rt_sigsuspend, 16, 8ul));
	say_errno("pgetevents", syscall(SYS_io_pgetevents, 0, 1, 1, NULL, &ts, &arg));
}

/* What is left of the time is written back as Linux does. */
CASE(wait_time_left)
{
	struct timespec ts = {100, 0}, ts2 = {100, 0};
	struct {
		const sigset_t *set;
		size_t size;
	} arg;
	sigset_t set;

	catch_info(SIGTRAP, looking, 0);
	catch_info(SIGUSR1, looking, 0);
	block(SIGTRAP);
	block(SIGUSR1);
	raise(SIGTRAP);
	set = set_of(SIGUSR1, 0);
	say_errno("ppoll", syscall(SYS_ppoll, NULL, 0, &ts, &set, 8ul));
	say("left %d", ts.tv_sec == 99 && ts.tv_nsec > 0);
	raise(SIGUSR1);
	set = set_of(SIGTRAP, 0);
	arg.set = &set;
	arg.size = 8;
	say_errno("pselect", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts2, &arg));
	say("left %d count %d", ts2.tv_sec == 99 && ts2.tv_nsec > 0, count);
}

/* Signals of both kinds pending when a mask lets all in */
CASE(wait_mask_many)
{
	const struct timespec ts = {20, 0};
	sigset_t set;

	catch_info(SIGTRAP, looking, 0);
	catch_info(SIGSEGV, looking, 0);
	catch_info(SIGUSR1, looking, 0);
	for (enum call call = 0; call < CALLS; call++) {
		set = set_of(SIGTRAP, SIGSEGV);
		sigaddset(&set, SIGUSR1);
		must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
		raise(SIGUSR1);
		raise(SIGSEGV);
		raise(SIGTRAP);
		sigemptyset(&set);
		wait_with(call, &set, false, &ts);
		say_looked(call_name[call]);
	}
}

/* A signalfd of other signals, in a process that blocks all */
CASE(signalfd_among_own)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int fd;

	sigfillset(&set);
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	must(fd >= 0);
	raise(SIGUSR1);
	raise(SIGHUP);
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		say("signo %d code %d", (int)info.ssi_signo, info.ssi_code);
	say("errno %d", errno);
}

/* One waits for a signal that all threads block: it gets it, whichever was asked first. */
static atomic_uint taken;

static void *waiter(void *arg)
{
	sigset_t *set = arg;
	int sig = 0;

	while (sigwait(set, &sig) == 0 && sig != SIGUSR2) {
		say("sigwait %d", sig);
		taken++;
	}
	return NULL;
}

CASE(sigwait_thread)
{
	sigset_t set = all_own(), pending;
	pthread_t thread;

	sigaddset(&set, SIGUSR2);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	must(pthread_create(&thread, NULL, waiter, &set) == 0);
	for (size_t i = 0; i < OWN; i++) {
		must(kill(getpid(), own[i]) == 0);
		while (taken <= i)
			usleep(100);
		must(sigpending(&pending) == 0);
		must(!sigismember(&pending, own[i]));
	}
	kill(getpid(), SIGUSR2);
	pthread_join(thread, NULL);
}
