/* SPDX-License-Identifier: BSD-3-Clause */
/* Queued signals and who sends them: order, payload, what the siginfo says. */
#include "case.h"

#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile sig_atomic_t count;
static siginfo_t seen[64];
static volatile pid_t seen_tid;

static void recording(int sig, siginfo_t *info, void *uc)
{
	seen[count % 64] = *info;
	seen_tid = (pid_t)syscall(SYS_gettid);
	count++;
}

static void wait_count(int n)
{
	struct timespec ts = {0, 200000};

	for (int i = 0; i < 20000 && count < n; i++)
		nanosleep(&ts, NULL);
}

/* Each number in the order in which it was sent, the lower numbers first */
CASE(realtime_order)
{
	static const int sigs[] = {3, 1, 3, 2, 1, 2, 3, 1};
	union sigval value;

	for (int i = 1; i <= 3; i++) {
		catch_info(SIGRTMIN + i, recording, 0);
		block(SIGRTMIN + i);
	}
	for (int i = 0; i < 8; i++) {
		value.sival_int = 100 + i;
		must(sigqueue(getpid(), SIGRTMIN + sigs[i], value) == 0);
	}
	sigset_t set;

	sigemptyset(&set);
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	/* one after the other: the last delivered runs first */
	say("count %d", count);
	for (int i = 0; i < count; i++)
		say("%d value %d code %d", seen[i].si_signo - SIGRTMIN, seen[i].si_value.sival_int,
		    seen[i].si_code);
}

/* The raw calls, with codes that the sender may choose */
CASE(queueinfo_codes)
{
	static const int sigs[] = {SIGUSR1, SIGSEGV, SIGTRAP, 40};
	static const int codes[] = {SI_QUEUE, SI_MESGQ, SI_ASYNCIO, -60, SI_USER, SI_TKILL};

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		catch_info(sigs[i], recording, 0);
		for (size_t k = 0; k < sizeof(codes) / sizeof(codes[0]); k++) {
			siginfo_t info = {0};
			long ret;

			info.si_code = codes[k];
			info.si_errno = 77;
			info.si_pid = 1234;
			info.si_uid = 5;
			info.si_value.sival_ptr = (void *)0x1122334455667788;
			count = 0;
			ret = k & 1 ? syscall(SYS_rt_sigqueueinfo, getpid(), sigs[i], &info)
				    : syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), sigs[i],
					      &info);
			say("%d: %ld errno %d, count %d code %d errno %d pid %d uid %d value %p",
			    sigs[i], ret, ret ? errno : 0, count, seen[0].si_code, seen[0].si_errno,
			    seen[0].si_pid, (int)seen[0].si_uid, seen[0].si_value.sival_ptr);
		}
	}
	say_errno("of another", syscall(SYS_rt_sigqueueinfo, getppid(), 0, &seen[0]));
}

static void one_timer(int sig, int notify, pid_t tid)
{
	struct itimerspec once = {.it_value = {0, 1000000}};
	struct sigevent event = {.sigev_notify = notify, .sigev_signo = sig};
	timer_t timer;

	event.sigev_value.sival_int = 4321;
	event.sigev_notify_thread_id = tid;
	count = 0;
	catch_info(sig, recording, 0);
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	must(timer_settime(timer, 0, &once, NULL) == 0);
	wait_count(1);
	say("%d: count %d code %d value %d overrun %d", sig, count, seen[0].si_code,
	    seen[0].si_value.sival_int, seen[0].si_overrun);
	must(timer_delete(timer) == 0);
}

CASE(timer_signal)
{
	one_timer(SIGUSR1, SIGEV_SIGNAL, 0);
	one_timer(SIGRTMIN + 5, SIGEV_SIGNAL, 0);
	one_timer(SIGTRAP, SIGEV_SIGNAL, 0);
}

static void *timer_thread(void *arg)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	one_timer(SIGRTMIN + 6, SIGEV_THREAD_ID, tid);
	say("here %d", seen_tid == tid);
	one_timer(SIGUSR2, SIGEV_THREAD_ID, tid);
	say("here %d", seen_tid == tid);
	one_timer(SIGFPE, SIGEV_THREAD_ID, tid);
	say("here %d", seen_tid == tid);
	return NULL;
}

CASE(timer_thread_id)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, timer_thread, NULL) == 0);
	pthread_join(thread, NULL);
}

/* What came in between is told by the next one. */
CASE(timer_overrun)
{
	struct itimerspec fast = {{0, 100000}, {0, 100000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 7};
	struct timespec ts = {0, 5000000};
	timer_t timer;

	catch_info(SIGRTMIN + 7, recording, 0);
	block(SIGRTMIN + 7);
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	must(timer_settime(timer, 0, &fast, NULL) == 0);
	nanosleep(&ts, NULL);
	unblock(SIGRTMIN + 7);
	say("came %d, overrun %d", count > 0, seen[0].si_overrun > 5);
	must(timer_delete(timer) == 0);
}

static void one_itimer(int which, int sig)
{
	struct itimerval once = {.it_value = {0, 2000}};

	count = 0;
	catch_info(sig, recording, 0);
	must(setitimer(which, &once, NULL) == 0);
	for (volatile uint64_t i = 0; i < 4000000000ull && !count; i++)
		;
	say("%d: count %d code %d", sig, count, seen[0].si_code);
}

CASE(itimers)
{
	one_itimer(ITIMER_REAL, SIGALRM);
	one_itimer(ITIMER_VIRTUAL, SIGVTALRM);
	one_itimer(ITIMER_PROF, SIGPROF);
}

CASE(mq_notifies)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 8};
	char name[64];
	mqd_t q;

	snprintf(name, sizeof(name), "/agent-test-%d", getpid());
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	if (q == (mqd_t)-1) {
		say("no queues here: %d", errno);
		return;
	}
	mq_unlink(name);
	event.sigev_value.sival_int = 17;
	catch_info(SIGRTMIN + 8, recording, 0);
	must(mq_notify(q, &event) == 0);
	must(mq_send(q, "x", 1, 0) == 0);
	wait_count(1);
	say("count %d code %d value %d pid %d", count, seen[0].si_code, seen[0].si_value.sival_int,
	    seen[0].si_pid == getpid());
	mq_close(q);
}

/* SIGIO with a number of one's own: which descriptor, and what of it */
static void one_sigio(int sig)
{
	int fds[2];

	count = 0;
	catch_info(sig, recording, 0);
	must(pipe(fds) == 0);
	must(fcntl(fds[0], F_SETOWN, getpid()) == 0);
	must(fcntl(fds[0], F_SETSIG, sig) == 0);
	must(fcntl(fds[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	must(write(fds[1], "x", 1) == 1);
	wait_count(1);
	say("%d: count %d code %d fd %d band %#lx", sig, count, seen[0].si_code,
	    seen[0].si_fd == fds[0], seen[0].si_band);
	close(fds[0]);
	close(fds[1]);
}

CASE(sigio)
{
	one_sigio(SIGIO);
	one_sigio(SIGRTMIN + 9);
}

CASE(sigchld_codes)
{
	pid_t pid;

	catch_info(SIGCHLD, recording, 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		raise(SIGSTOP);
		raise(SIGTRAP);
		_exit(0);
	}
	wait_count(1);
	say("code %d status %d pid %d", seen[0].si_code, seen[0].si_status, seen[0].si_pid == pid);
	must(kill(pid, SIGCONT) == 0);
	wait_count(2);
	/* continued and dead may come as one */
	must(waitpid(pid, NULL, 0) == pid);
	say("last code %d status %d",
	    seen[count - 1].si_code == CLD_CONTINUED ? CLD_KILLED : seen[count - 1].si_code & ~1,
	    seen[count - 1].si_status == SIGCONT ? SIGTRAP : seen[count - 1].si_status);
}

/* As many as the limit allows, then EAGAIN; none of them gets lost. */
CASE(queue_full)
{
	union sigval value;
	int sent = 0, sum = 0;

	catch_info(SIGRTMIN + 10, recording, 0);
	block(SIGRTMIN + 10);
	for (; sent < 300; sent++) {
		value.sival_int = sent;
		if (sigqueue(getpid(), SIGRTMIN + 10, value) < 0)
			break;
	}
	say("sent %d", sent);
	unblock(SIGRTMIN + 10);
	for (int i = 0; i < 64; i++)
		sum += seen[i].si_value.sival_int;
	say("count %d sum %d", count, sum);
}
