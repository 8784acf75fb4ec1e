/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls that a sandbox may refuse.
 *
 * Where one is refused that machine, injection or agent cannot do without, what follows
 * is an error of something else, a program that is killed at its exec, or one that
 * finds no SGX.  So each is asked for before, in a form that does nothing; any answer
 * but the kernel's own to that form is a refusal, whatever its errno.
 */
#include "probe.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A number that no process has: above the kernel's largest, 2^22 */
#define NOBODY 0x7ffffffe

/* @got: what the call returned, or -errno */
struct answer {
	const char *name;
	long got;
};

#define ASK(number, ...) ask(#number, syscall(SYS_##number, __VA_ARGS__))

static struct answer ask(const char *name, long ret)
{
	return (struct answer){name, ret < 0 ? -errno : ret};
}

/* Return: true where that is another answer, after saying so */
static bool refused(struct answer a, long want)
{
	if (a.got == want)
		return false;
	tool_error("the system call %s is refused here (%s), and swsgx cannot do without it: is "
		   "there a seccomp filter, of a container or a service manager?",
		   a.name, a.got < 0 ? strerror((int)-a.got) : "it says what it should not");
	return true;
}

#define EXITED	    7
#define NOT_EXITED  8
#define STACK_BYTES 16384

static int leave(void *unused)
{
	syscall(SYS_exit, EXITED);
	_exit(NOT_EXITED);
}

/*
 * The end of a thread has no form that does nothing.  Refused, it would be tried for
 * ever by a machine that nobody ends: so a child tries it.
 */
static bool refused_exit(void)
{
	static uint64_t stack[STACK_BYTES / sizeof(uint64_t)] __attribute__((aligned(16)));
	int status = 0;
	pid_t pid = clone(leave, stack + STACK_BYTES / sizeof(uint64_t),
			  CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

	if (pid < 0)
		return refused((struct answer){"clone", -errno}, 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXITED)
		return false;
	return refused((struct answer){"exit", -EPERM}, 0);
}

static bool refused_processes(void)
{
	const uint32_t allow = SECCOMP_RET_TRAP;
	uint32_t word = 0, random;
	sigset_t set;
	int pidfd;

	if ((getpid() < 0 && refused(ASK(getpid, 0), 1)) || refused(ASK(gettid, 0), getpid()) ||
	    refused(ASK(pipe2, NULL, 0), -EFAULT) || refused(ASK(getrandom, &random, 4, 0), 4) ||
	    refused(ASK(futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0), 0) ||
	    refused(ASK(rt_sigaction, SIGSYS, NULL, NULL, sizeof(uint64_t)), 0) ||
	    refused(ASK(rt_sigprocmask, SIG_BLOCK, NULL, &set, sizeof(uint64_t)), 0) ||
	    refused(ASK(sigaltstack, NULL, NULL), 0) ||
	    refused(ASK(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &allow), 0) ||
	    refused(ASK(tgkill, NOBODY, NOBODY, 0), -ESRCH) ||
	    refused(ASK(kill, NOBODY, 0), -ESRCH) ||
	    refused(ASK(wait4, NOBODY, NULL, WNOHANG, NULL), -ECHILD) ||
	    refused(ASK(ptrace, PTRACE_SEIZE, NOBODY, 0, 0), -ESRCH) ||
	    /* a thread that shares nothing: no such thing */
	    refused(ASK(clone, CLONE_THREAD, NULL, NULL, NULL, 0), -EINVAL))
		return true;
	/* glibc does without it where it is not there, but not where it is refused */
	if (syscall(SYS_clone3, NULL, 0) < 0 && errno != ENOSYS &&
	    refused(ASK(clone3, NULL, 0), -EINVAL))
		return true;
	pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pidfd < 0)
		return refused(ASK(pidfd_open, getpid(), 0), 0);
	close(pidfd);
	return false;
}

static bool refused_files(void)
{
	int fd = (int)syscall(SYS_memfd_create, "swsgx", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char byte = 0;
	bool no;

	if (fd < 0)
		return refused(ASK(memfd_create, "swsgx", MFD_CLOEXEC), 0);
	no = refused(ASK(pwrite64, fd, &byte, 0, 0), 0) ||
	     refused(ASK(pread64, fd, &byte, 1, 0), 0) || refused(ASK(ftruncate, fd, 0), 0) ||
	     refused(ASK(fcntl, fd, F_ADD_SEALS, F_SEAL_GROW), 0) ||
	     refused(ASK(dup3, fd, fd, 0), -EINVAL);
	close(fd);
	return no;
}

static bool refused_sockets(void)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct epoll_event event;
	int sp[2], one = 1, epoll;
	bool no;

	if (syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp) < 0)
		return refused(ASK(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp), 0);
	no = refused(ASK(setsockopt, sp[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0) ||
	     refused(ASK(sendmsg, sp[0], &msg, MSG_DONTWAIT), 1) ||
	     refused(ASK(recvmsg, sp[1], &msg, MSG_DONTWAIT), 1) ||
	     refused(ASK(recvfrom, sp[1], &byte, 1, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
	close(sp[0]);
	close(sp[1]);
	if (no)
		return true;
	epoll = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (epoll < 0)
		return refused(ASK(epoll_create1, EPOLL_CLOEXEC), 0);
	no = refused(ASK(epoll_ctl, epoll, EPOLL_CTL_DEL, -1, NULL), -EBADF) ||
	     refused(ASK(epoll_wait, epoll, &event, 1, 0), 0);
	close(epoll);
	return no;
}

/**
 * probe_refused() - is a system call refused that a machine and its programs need?
 *
 * Return: true where one is, after saying which.
 */
bool probe_refused(void)
{
	return refused_processes() || refused_exit() || refused_files() || refused_sockets();
}
