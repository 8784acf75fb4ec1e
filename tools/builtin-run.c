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
#include "inside.h"
#include "probe.h"
#include "util.h"

#include <daemon/daemon.h>
#include <proto/agent.h>
#include <proto/msg.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
	      "  --epc SIZE      EPC of the machine, 64K to 1T (default 128M)\n"
	      "  --backing-max SIZE\n"
	      "                  memory for evicted EPC pages at most, 4224 bytes each, 8K or\n"
	      "                  more (default: as much as there is)\n"
	      "  --cpu MODEL     which processor CPUID and /proc/cpuinfo show, and what it has\n"
	      "                  of SGX: host (default), intel, skylake, coffeelake, geminilake,\n"
	      "                  icelake, sapphirerapids\n"
	      "  --device-mode MODE\n"
	      "                  mode of the device files, octal (default: 666)\n"
	      "  --device-group GROUP\n"
	      "                  their group (default: root)\n"
	      "  --dev-noexec    refuse executable mappings of them, as a noexec /dev does\n"
	      "  --provision WHO who may open /dev/sgx_provision, without which no enclave gets\n"
	      "                  PROVISIONKEY: allow (default: as /dev/sgx_enclave), deny\n"
	      "                  (nobody, not even root), or a group (and root)\n"
	      "  --devices upstream|v22\n"
	      "                  which generation of the interface: Linux since 5.11 (default)\n"
	      "                  or the patch series before it (/dev/sgx/enclave)\n"
	      "  --launch-control flexible|locked[:MRSIGNER]\n"
	      "                  can the system choose who launches enclaves?  locked: it\n"
	      "                  cannot, and there is no /dev/sgx_enclave; only Intel, or this\n"
	      "                  signer (default: flexible, where the processor has it)\n"
	      "  --machine NAME  join a machine of 'swsgx machine start' instead of\n"
	      "                  starting one for this command\n"
	      "  --core-enclaves core files have the pages of DEBUG enclaves (default: of none)\n"
	      "  --explain       say on standard error why SGX refuses something: rule, field,\n"
	      "                  value, and what would do (also: SWSGX_EXPLAIN=1)\n"
	      "  --stop          stop PROGRAM before its first instruction, as SIGSTOP does\n"
	      "  --help          show this\n",
	      out);
}

/* Status of `swsgx run` where the program never ran, as env(1) and timeout(1) */
#define EXIT_NO_MACHINE 125

/* @number: receives the pid of its daemon, as that knows it */
static int connect_named(const char *name, pid_t *pid, uint64_t *number)
{
	uint64_t words[8] = {0};
	int fd = tool_reach(name, pid), ret;

	if (fd < 0)
		return -1;
	ret = machine_ask_words(fd, PROTO_MSG_RUN, 0, NULL, words);
	*number = words[PROTO_STAT_PID];
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
	options.program = getpid();
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

/*
 * The soft limit on descriptors is the program's: until it begins, as many as the
 * hard one allows.  So the agent's numbers lie beyond what the program can use up.
 */
static struct rlimit descriptors;

static void raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &descriptors))
		return;
	rl = descriptors;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

static void restore_descriptors(void)
{
	if (descriptors.rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, &descriptors);
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
	tool_error("no %d free descriptors in a row below %d (ulimit -Hn)", PROTO_FD_COUNT,
		   (int)(rl.rlim_cur < 1024 ? rl.rlim_cur : 1024));
	return -1;
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

static void cannot_attach(int error, const struct proto_refusal *why)
{
	const char *who = why->name[0] ? why->name : "a debugger";

	if (error == -EAGAIN)
		tool_error("the machine has no thread left for this process (a limit on processes "
			   "or memory: ulimit -u, -d, -v)");
	else if (error == -ENOENT)
		tool_error("there is no /proc here, and the machine needs one "
			   "(mount -t proc proc /proc)");
	else if (error == -ESRCH)
		tool_error("the machine does not find this process in its /proc: does that belong "
			   "to another PID namespace?");
	else if (error != -EPERM)
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

/* Return: errno */
static int become(char **argv)
{
	restore_descriptors();
	execvp(argv[0], argv);
	return errno;
}

static int cannot_run(const char *name, int error)
{
	tool_error("cannot run %s: %s", name, strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* SWSGX_EXPLAIN in the environment: 1, or 0 or nothing.  False: it is something else */
static bool explain_by_environment(uint32_t *exec_flags)
{
	const char *value = getenv("SWSGX_EXPLAIN");

	if (!value || !*value || !strcmp(value, "0"))
		return true;
	*exec_flags |= PROTO_EXEC_EXPLAIN;
	return !strcmp(value, "1");
}

static int exec_program(int command, pid_t daemon, char **argv, uint32_t flags)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_EXEC,
	};
	struct proto_msg answer = {0};
	int ret, error;

	msg.exec.tid = (uint32_t)syscall(SYS_gettid);
	msg.exec.flags = flags;
	msg.exec.command_fd = command;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		msg.exec.flags |= PROTO_EXEC_NNP;
	/* of whoever runs swsgx: a container's, a sandbox' */
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER)
		msg.exec.flags |= PROTO_EXEC_SECCOMP;
	signals_for_exec(&msg.exec);
	/* Yama: the machine is not our parent.  EINVAL: there is no Yama */
	(void)prctl(PR_SET_PTRACER, (unsigned long)daemon, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	ret = command_ask(command, &msg, PROTO_MSG_EXEC_READY, &answer);
	if (ret) {
		cannot_attach(ret, &answer.refusal);
		return EXIT_NO_MACHINE;
	}
	error = become(argv);
	raise_descriptors();
	msg.type = PROTO_MSG_EXEC_FAILED;
	if (!command_ask(command, &msg, PROTO_MSG_EXEC_HEARD, &answer)) {
		/* for the tracer alone */
		signal(PROTO_EXEC_KNOCK, SIG_IGN);
		raise(PROTO_EXEC_KNOCK);
	}
	return cannot_run(argv[0], error);
}

/*
 * swsgx run in a program of a machine: on that one, as `make check` in a command of
 * one's own.  A machine in a machine has no use, and none of its programs an agent.
 */
static int run_inside(const struct inside *in, const char *name, const char *cpu,
		      const struct daemon_options *options, bool provision, uint32_t exec_flags,
		      char **argv)
{
	const char *option = inside_other_device(options, provision);
	uint64_t number;
	pid_t pid;

	if (in->error) {
		tool_error("this is a program of 'swsgx run', whose machine does not answer: %s",
			   strerror(-in->error));
		return EXIT_NO_MACHINE;
	}
	if (name) {
		int fd = connect_named(name, &pid, &number);

		if (fd < 0)
			return EXIT_NO_MACHINE;
		close(fd);
		if (number != in->daemon) {
			tool_error("this is a program of another machine than '%s': a process "
				   "cannot change its machine (run it outside of 'swsgx run')",
				   name);
			return EXIT_NO_MACHINE;
		}
	}
	if (options->epc_size && options->epc_size != in->epc_size)
		option = "--epc";
	if (options->backing_max && options->backing_max != in->backing_max)
		option = "--backing-max";
	if (cpu && options->model != in->model)
		option = "--cpu";
	if (option) {
		tool_error("this runs in 'swsgx run', on a machine that was started without this "
			   "%s: give it to the outer one, or leave it out",
			   option);
		return EXIT_NO_MACHINE;
	}
	inside_exec_flags(in, exec_flags);
	fflush(NULL);
	return cannot_run(argv[0], become(argv));
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
		{"device-mode", required_argument, NULL, 'o'},
		{"device-group", required_argument, NULL, 'g'},
		{"dev-noexec", no_argument, NULL, 'n'},
		{"provision", required_argument, NULL, 'p'},
		{"devices", required_argument, NULL, 'i'},
		{"launch-control", required_argument, NULL, 'l'},
		{"machine", required_argument, NULL, 'm'},
		{"core-enclaves", no_argument, NULL, 'd'},
		{"explain", no_argument, NULL, 'x'},
		{"stop", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct daemon_options options = {
		.ready_fd = -1, .device_mode = INSIDE_NOT_GIVEN, .device_gid = INSIDE_NOT_GIVEN};
	const char *name = NULL, *cpu = NULL, *device = NULL;
	bool provision = false;
	pid_t daemon = 0;
	uint32_t exec_flags = 0;
	struct inside inside;
	uint64_t number;
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
			if (!tool_parse_cpu(optarg, &options.model))
				return TOOL_USAGE;
			cpu = optarg;
			break;
		case 'o':
			if (!tool_parse_mode(optarg, &options.device_mode))
				return TOOL_USAGE;
			device = "--device-mode";
			break;
		case 'g':
			if (!tool_parse_group(optarg, &options.device_gid))
				return TOOL_USAGE;
			device = "--device-group";
			break;
		case 'n':
			options.dev_noexec = true;
			device = "--dev-noexec";
			break;
		case 'p':
			if (!tool_parse_provision(optarg, &options))
				return TOOL_USAGE;
			device = "--provision";
			provision = true;
			break;
		case 'i':
			if (!tool_parse_devices(optarg, &options))
				return TOOL_USAGE;
			device = "--devices";
			break;
		case 'l':
			if (!tool_parse_launch(optarg, &options))
				return TOOL_USAGE;
			device = "--launch-control";
			break;
		case 'm':
			if (!machine_name_valid(optarg))
				return tool_usage_error("--machine %s: not a machine's name",
							optarg);
			name = optarg;
			break;
		case 'd':
			exec_flags |= PROTO_EXEC_CORE;
			break;
		case 'x':
			exec_flags |= PROTO_EXEC_EXPLAIN;
			break;
		case 's':
			exec_flags |= PROTO_EXEC_STOP;
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
	if (!explain_by_environment(&exec_flags))
		return tool_usage_error("SWSGX_EXPLAIN=%s: 1 or 0", getenv("SWSGX_EXPLAIN"));
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
	if (name && device)
		return tool_usage_error("machine '%s' has its device files already: %s and "
					"--machine do not go together",
					name, device);
	if (probe_refused())
		return EXIT_NO_MACHINE;
	if (inside_find(&inside))
		return run_inside(&inside, name, cpu, &options, provision, exec_flags,
				  argv + optind);
	if (!options.epc_size)
		options.epc_size = DAEMON_EPC_DEFAULT;
	if (options.device_mode == INSIDE_NOT_GIVEN)
		options.device_mode = DAEMON_DEVICE_MODE;
	if (options.device_gid == INSIDE_NOT_GIVEN)
		options.device_gid = 0;
	raise_descriptors();
	command = name ? connect_named(name, &daemon, &number) : start_private(options, &daemon);
	if (command < 0)
		return EXIT_NO_MACHINE;
	command = move_high(command);
	if (command < 0)
		return EXIT_NO_MACHINE;
	fflush(NULL);
	return exec_program(command, daemon, argv + optind, exec_flags);
}
