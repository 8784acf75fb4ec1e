/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that install seccomp filters of their own, as sandboxes do. */
#include "case.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <ucontext.h>

#define INSNS_MAX 200

static struct sock_filter code[INSNS_MAX];
static unsigned int insns;

static void stmt(uint16_t what, uint32_t k)
{
	code[insns++] = (struct sock_filter)BPF_STMT(what, k);
}

static void begin(void)
{
	insns = 0;
	stmt(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
}

static void on(long nr, uint32_t action)
{
	code[insns++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
	stmt(BPF_RET | BPF_K, action);
}

static long install(uint32_t otherwise, unsigned int flags)
{
	struct sock_fprog prog = {.filter = code};

	stmt(BPF_RET | BPF_K, otherwise);
	prog.len = (unsigned short)insns;
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static volatile sig_atomic_t count;
static siginfo_t last;
static long answer;
static greg_t seen_ax;

/* As a broker does: the call's result is what it says. */
static void on_sys(int sig, siginfo_t *info, void *arg)
{
	ucontext_t *uc = arg;

	count++;
	last = *info;
	seen_ax = uc->uc_mcontext.gregs[REG_RAX];
	uc->uc_mcontext.gregs[REG_RAX] = answer;
}

static void say_last(const char *what, long ret, long nr)
{
	say("%s: ret %ld count %d code %d errno %d number %d ax %d", what, ret, count, last.si_code,
	    last.si_errno, last.si_syscall == nr, seen_ax == nr);
}

CASE(state)
{
	struct sock_filter bad = BPF_STMT(0xffff, 0);
	struct sock_fprog prog = {1, &bad};

	say("nnp %d mode %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP));
	say_errno("nnp bad", prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	say("nnp %d mode %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP));
	say_errno("no program", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 16));
	say_errno("bad insn", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	prog.filter = (void *)16;
	say_errno("no insns", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	prog.len = 0;
	say_errno("empty", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	prog.len = 5000;
	say_errno("long", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	say_errno("flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, &prog));
	say_errno("op", syscall(SYS_seccomp, 99, 0, NULL));
	say_errno("strict flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
	say("mode %d", prctl(PR_GET_SECCOMP));
	begin();
	say("installed %ld", install(SECCOMP_RET_ALLOW, 0));
	say("mode %d", prctl(PR_GET_SECCOMP));
	say_errno("strict", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	if (fork() == 0) {
		say("child: nnp %d mode %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
		    prctl(PR_GET_SECCOMP));
		_exit(0);
	}
	must(wait(NULL) > 0);
	if (!getenv("AGAIN")) {
		setenv("AGAIN", "1", 1);
		execl("/proc/self/exe", "sandbox", "state", (char *)NULL);
	}
}

static void strict_ok(void)
{
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	must(write(1, "strict\n", 7) == 7);
	syscall(SYS_exit, 4);
}

static void strict_getpid(void)
{
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
	syscall(SYS_getpid);
}

static void strict_open(void)
{
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	open("/dev/null", O_RDONLY);
}

static void strict_fork(void)
{
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	fork();
}

static void strict_exit_group(void)
{
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	_exit(0);
}

static void counting(int sig)
{
	count++;
}

static void strict_signal(void)
{
	struct itimerval it = {.it_value.tv_usec = 1000, .it_interval.tv_usec = 1000};

	catch_plain(SIGALRM, counting, 0);
	must(setitimer(ITIMER_REAL, &it, NULL) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	while (count < 5)
		;
	syscall(SYS_exit, 6);
}

CASE(strict_mode)
{
	in_child("ok", strict_ok);
	in_child("getpid", strict_getpid);
	in_child("open", strict_open);
	in_child("fork", strict_fork);
	in_child("exit_group", strict_exit_group);
	in_child("signal", strict_signal);
}

/* Calls that the agent makes for the program: the filter's answer is the answer. */
CASE(refuse)
{
	char buf[64];
	pid_t pid;

	begin();
	on(SYS_openat, SECCOMP_RET_ERRNO | 70);
	on(SYS_newfstatat, SECCOMP_RET_ERRNO | 71);
	on(SYS_readlink, SECCOMP_RET_ERRNO | 72);
	on(SYS_dup2, SECCOMP_RET_ERRNO | 73);
	on(SYS_vfork, SECCOMP_RET_ERRNO | 74);
	on(SYS_clone3, SECCOMP_RET_ERRNO | 75);
	on(SYS_execve, SECCOMP_RET_ERRNO | 76);
	on(SYS_seccomp, SECCOMP_RET_ERRNO | 77);
	on(SYS_getppid, SECCOMP_RET_ERRNO | 78);
	must(install(SECCOMP_RET_ALLOW, 0) == 0);
	for (int i = 0; i < 3; i++) {
		say_errno("openat", syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY));
		say_errno("newfstatat", syscall(SYS_newfstatat, 0, "", buf, 0));
		say_errno("readlink", readlink("/proc/self/exe", buf, sizeof(buf)));
		say_errno("dup2", syscall(SYS_dup2, 0, 50));
		say_errno("vfork", syscall(SYS_vfork));
		say_errno("clone3", syscall(SYS_clone3, NULL, 0));
		say_errno("execve", syscall(SYS_execve, "/bin/true", NULL, NULL));
		say_errno("getppid", syscall(SYS_getppid));
		say_errno("open", open("/proc/nonexistent", O_RDONLY));
		say_errno("another filter", install(SECCOMP_RET_ALLOW, 0));
		pid = fork();
		if (pid == 0)
			_exit(3);
		say_status("fork", pid);
	}
}

/* ... and so is its SIGSYS. */
CASE(trap)
{
	char buf[64];
	pid_t pid;

	catch_info(SIGSYS, on_sys, 0);
	begin();
	on(SYS_openat, SECCOMP_RET_TRAP | 70);
	on(SYS_readlink, SECCOMP_RET_TRAP | 71);
	on(SYS_dup2, SECCOMP_RET_TRAP | 72);
	on(SYS_vfork, SECCOMP_RET_TRAP | 73);
	on(SYS_execve, SECCOMP_RET_TRAP | 74);
	on(SYS_sysinfo, SECCOMP_RET_TRAP | 75);
	must(install(SECCOMP_RET_ALLOW, 0) == 0);
	for (answer = 1000; answer < 1020; answer++) {
		count = 0;
		say_last("openat", syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY),
			 SYS_openat);
		say_last("readlink", syscall(SYS_readlink, "/x", buf, sizeof(buf)), SYS_readlink);
		say_last("dup2", syscall(SYS_dup2, 0, 50), SYS_dup2);
		say_last("vfork", syscall(SYS_vfork), SYS_vfork);
		say_last("execve", syscall(SYS_execve, "/bin/true", NULL, NULL), SYS_execve);
		say_last("sysinfo", syscall(SYS_sysinfo, NULL), SYS_sysinfo);
	}
	pid = fork();
	if (pid == 0) {
		say_last("openat", syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY),
			 SYS_openat);
		_exit(count);
	}
	say_status("fork", pid);
}

static void trap_unhandled(void)
{
	signal(SIGSYS, SIG_DFL);
	open("/dev/null", O_RDONLY);
}

static void trap_ignored(void)
{
	signal(SIGSYS, SIG_IGN);
	open("/dev/null", O_RDONLY);
}

static void trap_blocked(void)
{
	block(SIGSYS);
	open("/dev/null", O_RDONLY);
}

CASE(trap_kills)
{
	catch_info(SIGSYS, on_sys, 0);
	begin();
	on(SYS_openat, SECCOMP_RET_TRAP);
	must(install(SECCOMP_RET_ALLOW, 0) == 0);
	in_child("default", trap_unhandled);
	in_child("ignored", trap_ignored);
	in_child("blocked", trap_blocked);
}

extern const char after_trap[];

/* once in the program, for its label */
__attribute__((noinline)) static void trap_address(void)
{
	long ret = SYS_openat;

	/* si_call_addr is right behind the instruction */
	__asm__ volatile("syscall\n"
			 "after_trap:"
			 : "+a"(ret)
			 : "D"(AT_FDCWD), "S"("/dev/null"), "d"(O_RDONLY)
			 : "rcx", "r11", "memory");
	say("ret %ld address %d arch %d", ret, last.si_call_addr == (void *)after_trap,
	    last.si_arch == AUDIT_ARCH_X86_64);
}

CASE(trap_where)
{
	answer = 5;
	catch_info(SIGSYS, on_sys, 0);
	begin();
	on(SYS_openat, SECCOMP_RET_TRAP);
	must(install(SECCOMP_RET_ALLOW, 0) == 0);
	trap_address();
}

/* Signals that arrive meanwhile change nothing. */
CASE(trap_and_signals)
{
	struct itimerval it = {.it_value.tv_usec = 200, .it_interval.tv_usec = 200}, off = {0};
	int bad = 0;

	catch_info(SIGSYS, on_sys, 0);
	catch_plain(SIGALRM, counting, SA_RESTART);
	begin();
	on(SYS_openat, SECCOMP_RET_TRAP | 9);
	must(install(SECCOMP_RET_ALLOW, 0) == 0);
	answer = 77;
	must(setitimer(ITIMER_REAL, &it, NULL) == 0);
	for (int i = 0; i < 4000; i++)
		bad += syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) != 77 ||
		       last.si_errno != 9;
	must(setitimer(ITIMER_REAL, &off, NULL) == 0);
	say("bad %d", bad);
}

static void kill_open(void)
{
	open("/dev/null", O_RDONLY);
}

static void kill_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void kill_mask(void)
{
	block(SIGUSR1);
}

CASE(killed)
{
	begin();
	on(SYS_openat, SECCOMP_RET_KILL_PROCESS);
	on(SYS_execve, SECCOMP_RET_KILL_THREAD);
	on(SYS_rt_sigprocmask, SECCOMP_RET_KILL_PROCESS);
	must(install(SECCOMP_RET_ALLOW, 0) == 0);
	in_child("open", kill_open);
	in_child("exec", kill_exec);
	in_child("mask", kill_mask);
}

/* The least that a worker can do with: none of the agent's own calls is in it. */
CASE(allow_list)
{
	int fd = open("/dev/zero", O_RDONLY);
	char buf[8];
	int i;

	catch_plain(SIGUSR1, counting, 0);
	catch_plain(SIGSEGV, counting, SA_RESETHAND);
	begin();
	on(SYS_read, SECCOMP_RET_ALLOW);
	on(SYS_write, SECCOMP_RET_ALLOW);
	on(SYS_openat, SECCOMP_RET_ALLOW);
	on(SYS_getpid, SECCOMP_RET_ALLOW);
	on(SYS_gettid, SECCOMP_RET_ALLOW);
	on(SYS_tgkill, SECCOMP_RET_ALLOW);
	on(SYS_rt_sigreturn, SECCOMP_RET_ALLOW);
	on(SYS_rt_sigprocmask, SECCOMP_RET_ALLOW);
	on(SYS_exit_group, SECCOMP_RET_ALLOW);
	say("begin");
	must(install(SECCOMP_RET_KILL_PROCESS, 0) == 0);
	for (i = 0; i < 10; i++) {
		must(read(fd, buf, sizeof(buf)) == sizeof(buf));
		raise(SIGUSR1);
	}
	raise(SIGSEGV);
	say("count %d, open %d", count, open("/dev/null", O_RDONLY) >= 0);
	/* not in the list */
	syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL);
}

/* A new program and its threads under the filter of the old one */
CASE(allow_list_exec)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)"(exit 3); echo $?; exec echo x", NULL};
	char *env[] = {(char *)"PATH=/usr/bin:/bin", NULL};

	begin();
	on(SYS_process_vm_readv, SECCOMP_RET_KILL_PROCESS);
	on(SYS_process_vm_writev, SECCOMP_RET_KILL_PROCESS);
	on(SYS_userfaultfd, SECCOMP_RET_KILL_PROCESS);
	on(SYS_socketpair, SECCOMP_RET_KILL_PROCESS);
	on(SYS_sendmsg, SECCOMP_RET_KILL_PROCESS);
	on(SYS_recvmsg, SECCOMP_RET_KILL_PROCESS);
	on(SYS_sigaltstack, SECCOMP_RET_KILL_PROCESS);
	on(SYS_tkill, SECCOMP_RET_KILL_PROCESS);
	on(SYS_rt_tgsigqueueinfo, SECCOMP_RET_KILL_PROCESS);
	on(SYS_poll, SECCOMP_RET_KILL_PROCESS);
	on(SYS_prctl, SECCOMP_RET_KILL_PROCESS);
	on(SYS_seccomp, SECCOMP_RET_KILL_PROCESS);
	on(SYS_dup3, SECCOMP_RET_KILL_PROCESS);
	must(install(SECCOMP_RET_ALLOW, 0) == 0);
	execve("/bin/sh", argv, env);
	say("execve: %s", strerror(errno));
}

static void *thread_open(void *arg)
{
	say_errno("thread", syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY));
	return NULL;
}

static pthread_barrier_t barrier;

static void *thread_waits(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	say("thread: nnp %d mode %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	    prctl(PR_GET_SECCOMP));
	return thread_open(arg);
}

/* Threads inherit; those that are there are had with TSYNC only. */
CASE(threads)
{
	pthread_t a, b;

	for (unsigned int flags = 0; flags <= SECCOMP_FILTER_FLAG_TSYNC;
	     flags += SECCOMP_FILTER_FLAG_TSYNC) {
		pthread_barrier_init(&barrier, NULL, 2);
		must(pthread_create(&a, NULL, thread_waits, NULL) == 0);
		pthread_barrier_wait(&barrier);
		begin();
		on(SYS_openat, SECCOMP_RET_ERRNO | (flags ? 91 : 90));
		say("install %d", install(SECCOMP_RET_ALLOW, flags) == 0);
		pthread_barrier_wait(&barrier);
		pthread_join(a, NULL);
		must(pthread_create(&b, NULL, thread_open, NULL) == 0);
		pthread_join(b, NULL);
	}
}

static int listener;

/* Answers calls of the thread that waits: opens fail with 99, the third goes on. */
static void *supervisor(void *arg)
{
	for (int i = 0; i < 6; i++) {
		struct seccomp_notif n;
		struct seccomp_notif_resp r;

		memset(&n, 0, sizeof(n));
		memset(&r, 0, sizeof(r));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n)) {
			must(errno == EINTR || errno == ENOENT);
			i--;
			continue;
		}
		r.id = n.id;
		if (i % 3 == 2)
			r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else if (n.data.nr == SYS_openat)
			r.error = -99;
		else
			r.val = 1234;
		must(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r) == 0);
	}
	return NULL;
}

static void *supervising(void *arg)
{
	pthread_barrier_wait(&barrier);
	return supervisor(arg);
}

CASE(notify)
{
	pthread_t t;

	/* the filter is the main thread's alone */
	pthread_barrier_init(&barrier, NULL, 2);
	must(pthread_create(&t, NULL, supervising, NULL) == 0);
	begin();
	on(SYS_openat, SECCOMP_RET_USER_NOTIF);
	on(SYS_getppid, SECCOMP_RET_USER_NOTIF);
	listener = (int)install(SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	must(listener >= 0);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++) {
		long fd = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);

		say("open %d errno %d", fd >= 0, fd < 0 ? errno : 0);
	}
	for (int i = 0; i < 3; i++)
		say("getppid %d", syscall(SYS_getppid) == 1234);
	pthread_join(t, NULL);
}
