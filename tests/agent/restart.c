/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that sleep and are interrupted, class by class: which of them begin again,
 * with and without SA_RESTART, for a signal of the agent's own and for others.
 */
#include "case.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t count;
static int to_us[2];

static void counting(int sig)
{
	count++;
}

/* What ends a wait that began again; written by the helper */
static uint32_t word;
static struct sockaddr_in listening;
static int listener, lock_fd;
static pid_t helper;
static char lock_name[] = "/tmp/agent-lock-XXXXXX";

enum call {
	READ,
	RECV,
	ACCEPT,
	WAIT4,
	FLOCK,
	SETLKW,
	FUTEX,
	FUTEX_TIMED,
	NANOSLEEP,
	CLOCK_NANOSLEEP,
	POLL,
	SELECT,
	EPOLL,
	MSGRCV,
	SEMOP,
	PAUSE,
	CALLS,
};
static const char *const name[] = {
	"read",	      "recv",	      "accept",	   "wait4",	      "flock", "fcntl",
	"futex",      "futex, timed", "nanosleep", "clock_nanosleep", "poll",  "select",
	"epoll_wait", "msgrcv",	      "semop",	   "pause",
};

/* ms: of calls with a time */
static long do_call(enum call call, int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000l};
	struct timeval tv = {ms / 1000, ms % 1000 * 1000l};
	struct pollfd p = {.fd = to_us[0], .events = POLLIN};
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct sembuf op = {.sem_op = -1};
	struct epoll_event event = {0};
	struct {
		long type;
		char text[8];
	} message;
	char c;
	int id;
	long ret;

	switch (call) {
	case READ:
		return read(to_us[0], &c, 1);
	case RECV:
		return recv(to_us[0], &c, 1, 0);
	case ACCEPT:
		ret = accept(listener, NULL, NULL);
		if (ret >= 0)
			ret = close((int)ret);
		return ret;
	case WAIT4:
		return waitpid(helper, NULL, 0) == helper ? 0 : -1;
	case FLOCK:
		return flock(lock_fd, LOCK_EX);
	case SETLKW:
		return fcntl(lock_fd, F_SETLKW, &lock);
	case FUTEX:
		return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
	case FUTEX_TIMED:
		return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0);
	case NANOSLEEP:
		return nanosleep(&ts, NULL);
	case CLOCK_NANOSLEEP:
		errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		return errno ? -1 : 0;
	case POLL:
		return poll(&p, 1, ms);
	case SELECT:
		return select(0, NULL, NULL, NULL, &tv);
	case EPOLL:
		id = epoll_create1(EPOLL_CLOEXEC);
		return epoll_wait(id, &event, 1, ms);
	case MSGRCV:
		id = msgget(IPC_PRIVATE, 0600);
		must(id >= 0);
		ret = msgrcv(id, &message, sizeof(message.text), 0, 0);
		must(msgctl(id, IPC_RMID, NULL) == 0);
		errno = EINTR;
		return ret;
	case SEMOP:
		id = semget(IPC_PRIVATE, 1, 0600);
		must(id >= 0);
		ret = semop(id, &op, 1);
		must(semctl(id, 0, IPC_RMID) == 0);
		errno = EINTR;
		return ret;
	default:
		return pause();
	}
}

/* Signals, then brings what a restarted call waits for. */
static void help(enum call call, int sig, pid_t parent, int from_us)
{
	int fd;

	wait_state(parent, 'S');
	kill(parent, sig);
	wait_state(parent, 'S');
	switch (call) {
	case READ:
	case RECV:
		must(write(from_us, "x", 1) == 1);
		break;
	case ACCEPT:
		fd = socket(AF_INET, SOCK_STREAM, 0);
		must(connect(fd, (struct sockaddr *)&listening, sizeof(listening)) == 0);
		break;
	case FUTEX:
		/* the word is not shared: one more signal ends a wait that began again */
		kill(parent, SIGALRM);
		break;
	default:
		break;
	}
	_exit(0);
}

static void lock_holder(enum call call)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(lock_name, O_RDWR);

	must(fd >= 0);
	if (call == FLOCK)
		must(flock(fd, LOCK_EX) == 0);
	else
		must(fcntl(fd, F_SETLKW, &lock) == 0);
	must(write(to_us[1], "l", 1) == 1);
}

static void jump_out(int sig)
{
	/* a restarted FUTEX_WAIT would sleep for ever: let it see another value */
	word = 1;
}

static void try(enum call call, int sig, int flags)
{
	bool locks = call == FLOCK || call == SETLKW;
	pid_t parent = getpid();
	char c;
	long ret;

	count = 0;
	word = 0;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, to_us) == 0);
	catch_plain(sig, counting, flags);
	catch_plain(SIGALRM, jump_out, SA_RESTART);
	helper = fork();
	must(helper >= 0);
	if (helper == 0) {
		if (locks)
			lock_holder(call);
		help(call, sig, parent, to_us[1]);
	}
	if (locks)
		must(read(to_us[0], &c, 1) == 1);
	errno = 0;
	ret = do_call(call, 20000);
	say("%s: %ld errno %d count %d", name[call], ret, ret < 0 ? errno : 0, count);
	if (call == FLOCK && ret == 0)
		flock(lock_fd, LOCK_UN);
	while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	close(to_us[0]);
	close(to_us[1]);
}

static void setup(void)
{
	socklen_t len = sizeof(listening);

	lock_fd = mkstemp(lock_name);
	must(lock_fd >= 0);
	listening.sin_family = AF_INET;
	listening.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(listener >= 0);
	must(bind(listener, (struct sockaddr *)&listening, sizeof(listening)) == 0);
	must(listen(listener, 4) == 0);
	must(getsockname(listener, (struct sockaddr *)&listening, &len) == 0);
}

static void all_calls(int sig, int flags, enum call first, enum call end)
{
	setup();
	for (enum call call = first; call < end; call++)
		try(call, sig, flags);
	unlink(lock_name);
}

CASE(restart_usr1)
{
	all_calls(SIGUSR1, SA_RESTART, READ, CALLS);
}

CASE(restart_rt)
{
	all_calls(SIGRTMIN + 4, SA_RESTART, READ, FUTEX);
}

CASE(restart_trap)
{
	all_calls(SIGTRAP, SA_RESTART, READ, CALLS);
}

CASE(restart_segv)
{
	all_calls(SIGSEGV, SA_RESTART, READ, FUTEX);
}

CASE(eintr_usr1)
{
	all_calls(SIGUSR1, 0, READ, CALLS);
}

CASE(eintr_trap)
{
	all_calls(SIGTRAP, 0, READ, CALLS);
}

CASE(eintr_bus)
{
	all_calls(SIGBUS, 0, READ, FUTEX);
}

/* Stopped and continued without a handler: sleeps go on, with what is left of them. */
static void stopped(enum call call)
{
	pid_t parent = getpid(), pid;
	long ret;

	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		wait_state(parent, 'S');
		kill(parent, SIGSTOP);
		wait_state(parent, 'T');
		kill(parent, SIGCONT);
		_exit(0);
	}
	errno = 0;
	ret = do_call(call, 12);
	say("%s: %ld errno %d", name[call], ret, ret < 0 ? errno : 0);
	say_status("helper", pid);
}

CASE(restart_over_stop)
{
	static const enum call calls[] = {FUTEX_TIMED, NANOSLEEP, CLOCK_NANOSLEEP, POLL, SELECT};

	/* not into a shell's hands */
	must(pipe(to_us) == 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		stopped(calls[i]);
}

/* Ignored signals end no sleep that Linux would not end. */
static void ignored(int sig)
{
	static const enum call calls[] = {READ, RECV, ACCEPT, WAIT4};

	setup();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		pid_t parent = getpid();
		long ret;

		must(socketpair(AF_UNIX, SOCK_STREAM, 0, to_us) == 0);
		must(signal(sig, SIG_IGN) != SIG_ERR);
		helper = fork();
		must(helper >= 0);
		if (helper == 0)
			help(calls[i], sig, parent, to_us[1]);
		errno = 0;
		ret = do_call(calls[i], 0);
		say("%s: %ld errno %d", name[calls[i]], ret, ret < 0 ? errno : 0);
		while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
			;
	}
	unlink(lock_name);
}

CASE(ignored_usr1)
{
	ignored(SIGUSR1);
}

CASE(ignored_trap)
{
	ignored(SIGTRAP);
}
