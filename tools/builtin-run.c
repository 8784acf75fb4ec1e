/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swsgx run: become a program on a machine that has SGX.
 *
 * This process turns into the program, so that pid, exit status, signals and job
 * control are the program's own.  The machine is a process beside it, nobody's
 * child; it holds the other end of the command socket, whose last copy closes
 * when the last process of the command has ended.
 */
#include "builtin.h"
#include "util.h"

#include <daemon/daemon.h>
#include <proto/agent.h>
#include <proto/msg.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
};

/* The signals that the agent owns: never blocked or ignored at an exec */
static const int own_signals[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGSYS};
#define OWN_SIGNALS (sizeof(own_signals) / sizeof(own_signals[0]))

static void usage(FILE *out)
{
	fputs("Usage: swsgx run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
	      "\n"
	      "Run PROGRAM where /dev/sgx_enclave and the SGX instructions are there.\n"
	      "Its exit status is the command's; 125: the machine could not be started,\n"
	      "126: PROGRAM could not be executed, 127: it was not found.\n"
	      "\n"
	      "  --epc SIZE      EPC of the machine, 64K to 1024G (default 128M)\n"
	      "  --backing-max SIZE\n"
	      "                  memory for evicted EPC pages at most, 4224 bytes each, 8K or\n"
	      "                  more (default: as much as there is)\n"
	      "  --cpu intel     let CPUID and /proc/cpuinfo show an Intel processor,\n"
	      "                  whatever this one is (default: host)\n"
	      "  --machine NAME  join a machine of 'swsgx machine start' instead of\n"
	      "                  starting one for this command\n"
	      "  --stop          stop PROGRAM before its first instruction, as SIGSTOP does\n"
	      "  --help          show this\n",
	      out);
}

/* Status of `swsgx run` where the program never ran, as env(1) and timeout(1) */
#define EXIT_NO_MACHINE 125

static int connect_named(const char *name, pid_t *pid)
{
	int fd = machine_connect(name, pid), ret;

	if (fd == -ENOENT) {
		tool_error("there is no machine '%s' (start it with 'swsgx machine start %s')",
			   name, name);
		return -1;
	}
	if (fd < 0) {
		tool_error("cannot reach machine '%s': %s", name, strerror(-fd));
		return -1;
	}
	ret = machine_ask(fd, PROTO_MSG_RUN, 0, NULL);
	if (ret) {
		tool_error("machine '%s' refuses: %s", name, strerror(-ret));
		close(fd);
		return -1;
	}
	return fd;
}

static int start_private(struct daemon_options options, pid_t *pid)
{
	struct daemon_ready ready;
	int sp[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp)) {
		tool_error("socketpair: %s", strerror(errno));
		return -1;
	}
	options.command_fd = sp[1];
	ret = daemon_spawn(&options, &ready);
	close(sp[1]);
	if (ret) {
		tool_error("%s", ready.message);
		close(sp[0]);
		return -1;
	}
	if (ready.message[0])
		tool_warn("%s", ready.message);
	*pid = ready.pid;
	return sp[0];
}

static bool is_free(int fd)
{
	return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

/*
 * Out of the program's way: high, but below what select() and old programs can
 * take; the agent's other descriptors lie right below.  Return: number, or -1.
 */
static int move_high(int fd)
{
	struct rlimit rl = {.rlim_cur = 1024};
	int high, count;

	getrlimit(RLIMIT_NOFILE, &rl);
	high = (int)(rl.rlim_cur < 1024 ? rl.rlim_cur : 1024) - 1;
	for (; high - PROTO_FD_COUNT > 2; high--) {
		for (count = 0; count < PROTO_FD_COUNT && is_free(high - count); count++)
			;
		if (count < PROTO_FD_COUNT)
			continue;
		if (dup3(fd, high, 0) < 0)
			break;
		close(fd);
		return high;
	}
	tool_error("no %d free descriptors in a row below %d (ulimit -n)", PROTO_FD_COUNT, high);
	return -1;
}

static int send_message(int sock, const struct proto_msg *msg, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		hdr.msg_control = control.space;
		hdr.msg_controllen = sizeof(control.space);
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(sock, &hdr, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Return: status of the message; -EPIPE: the machine died. */
static int await(int sock, struct proto_msg *msg, enum proto_msg_type type)
{
	ssize_t n;

	do
		n = recv(sock, msg, sizeof(*msg), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*msg))
		return -EPIPE;
	if (msg->magic != PROTO_MAGIC || msg->version != PROTO_VERSION || msg->type != type)
		return -EPROTO;
	return msg->status;
}

/*
 * A blocked or ignored SIGSYS would kill the program at its first trap.  What the
 * caller wanted of these six goes to the agent, which keeps to it virtually.
 */
static void signals_for_exec(struct proto_exec *exec)
{
	sigset_t now, own;

	sigprocmask(SIG_SETMASK, NULL, &now);
	sigemptyset(&own);
	for (int sig = 1; sig < 65; sig++)
		if (sigismember(&now, sig) == 1)
			exec->sigmask |= 1ull << (sig - 1);
	for (size_t i = 0; i < OWN_SIGNALS; i++) {
		struct sigaction sa;

		sigaddset(&own, own_signals[i]);
		if (!sigaction(own_signals[i], NULL, &sa) && sa.sa_handler == SIG_IGN) {
			exec->sigignored |= 1ull << (own_signals[i] - 1);
			signal(own_signals[i], SIG_DFL);
		}
	}
	sigprocmask(SIG_UNBLOCK, &own, NULL);
}

/* Ask on the command socket, with a socket for the answer. */
static int ask(int command, const struct proto_msg *msg, enum proto_msg_type type,
	       struct proto_msg *answer)
{
	int sp[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp))
		return -errno;
	ret = send_message(command, msg, sp[1]);
	close(sp[1]);
	if (!ret)
		ret = await(sp[0], answer, type);
	close(sp[0]);
	return ret;
}

static void cannot_attach(int error, const struct proto_refusal *why)
{
	const char *who = why->name[0] ? why->name : "a debugger";

	if (error != -EPERM)
		tool_error("the machine cannot attach to this process: %s", strerror(-error));
	else if (why->tracer)
		tool_error("%.15s traces this process, so the program would have no agent: run "
			   "swsgx without it and attach later, or use 'swsgx gdb'",
			   who);
	else if (why->yama >= 2)
		tool_error("processes cannot be traced here (kernel.yama.ptrace_scope is %u)",
			   why->yama);
	else
		tool_error("the machine may not trace this process");
}

static int exec_program(int command, pid_t daemon, char **argv, bool stop)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_EXEC,
	};
	struct proto_msg answer;
	int ret, error;

	msg.exec.tid = (uint32_t)syscall(SYS_gettid);
	msg.exec.flags = stop ? PROTO_EXEC_STOP : 0;
	msg.exec.command_fd = command;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		msg.exec.flags |= PROTO_EXEC_NNP;
	signals_for_exec(&msg.exec);
	/* Yama: the machine is not our parent.  EINVAL: there is no Yama */
	(void)prctl(PR_SET_PTRACER, (unsigned long)daemon, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	ret = ask(command, &msg, PROTO_MSG_EXEC_READY, &answer);
	if (ret) {
		cannot_attach(ret, &answer.refusal);
		return EXIT_NO_MACHINE;
	}
	execvp(argv[0], argv);
	error = errno;
	msg.type = PROTO_MSG_EXEC_FAILED;
	if (!ask(command, &msg, PROTO_MSG_EXEC_HEARD, &answer)) {
		/* for the tracer alone */
		signal(PROTO_EXEC_KNOCK, SIG_IGN);
		raise(PROTO_EXEC_KNOCK);
	}
	tool_error("cannot run %s: %s", argv[0], strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/**
 * cmd_run() - swsgx run
 * @argc: arguments
 * @argv: arguments
 *
 * Return: only if the program does not run
 */
int cmd_run(int argc, char **argv)
{
	static const struct option longs[] = {
		{"epc", required_argument, NULL, 'e'},
		{"backing-max", required_argument, NULL, 'b'},
		{"cpu", required_argument, NULL, 'c'},
		{"machine", required_argument, NULL, 'm'},
		{"stop", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct daemon_options options = {.ready_fd = -1};
	const char *name = NULL, *cpu = NULL;
	pid_t daemon = 0;
	bool stop = false;
	int c, command;

	while ((c = tool_getopt(argc, argv, "+:h", longs)) != -1) {
		switch (c) {
		case 'e':
			if (!tool_parse_epc(optarg, &options.epc_size))
				return TOOL_USAGE;
			break;
		case 'b':
			if (!tool_parse_backing(optarg, &options.backing_max))
				return TOOL_USAGE;
			break;
		case 'c':
			if (!tool_parse_cpu(optarg, &options.intel))
				return TOOL_USAGE;
			cpu = optarg;
			break;
		case 'm':
			if (!machine_name_valid(optarg))
				return tool_usage_error("--machine %s: not a machine's name",
							optarg);
			name = optarg;
			break;
		case 's':
			stop = true;
			break;
		case 'h':
			usage(stdout);
			return tool_finish_stdout();
		default:
			return TOOL_USAGE;
		}
	}
	if (optind == argc)
		return tool_usage_error("which program?");
	if (name && options.epc_size)
		return tool_usage_error("machine '%s' has its EPC already: --epc and --machine do "
					"not go together",
					name);
	if (name && options.backing_max)
		return tool_usage_error("machine '%s' runs already: --backing-max and --machine do "
					"not go together",
					name);
	if (name && cpu)
		return tool_usage_error("machine '%s' has its processor already: --cpu and "
					"--machine do not go together",
					name);
	if (!options.epc_size)
		options.epc_size = DAEMON_EPC_DEFAULT;
	command = name ? connect_named(name, &daemon) : start_private(options, &daemon);
	if (command < 0)
		return EXIT_NO_MACHINE;
	command = move_high(command);
	if (command < 0)
		return EXIT_NO_MACHINE;
	fflush(NULL);
	return exec_program(command, daemon, argv + optind, stop);
}
