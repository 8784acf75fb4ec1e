/* SPDX-License-Identifier: BSD-3-Clause */
/* swsgx machine: machines that outlive one command. */
#include "builtin.h"
#include "inside.h"
#include "machine_firmware.h"
#include "machine_table.h"
#include "probe.h"
#include "util.h"

#include <daemon/daemon.h>
#include <proto/msg.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: swsgx machine start NAME [--ephemeral] [--epc SIZE] [--cpu MODEL]\n"
	      "                                [--backing-max SIZE] [--device-mode MODE]\n"
	      "                                [--device-group GROUP] [--dev-noexec]\n"
	      "                                [--provision allow|deny|GROUP]\n"
	      "                                [--launch-control flexible|locked[:MRSIGNER]]\n"
	      "       swsgx machine stop NAME [--force]\n"
	      "       swsgx machine suspend NAME\n"
	      "       swsgx machine poison NAME --page N\n"
	      "       swsgx machine poison NAME --enclave EID --offset OFFSET\n"
	      "       swsgx machine update-tcb NAME\n"
	      "       swsgx machine owner-epoch NAME [--epoch HEX]\n"
	      "       swsgx machine list [--json]\n"
	      "\n"
	      "A machine serves every 'swsgx run --machine NAME' of its owner until it is\n"
	      "stopped.  Its fused keys are kept, so that data sealed on it opens again\n"
	      "after the next start.  suspend is a sleep state: every enclave is lost.\n"
	      "poison is a memory error in a page of the EPC.\n"
	      "update-tcb raises CPUSVN, as a microcode update: what was sealed before opens\n"
	      "still, and what is sealed after it does not open before it.  owner-epoch gives\n"
	      "the machine to another owner: no seal of the last one opens.  Both count from\n"
	      "the machine's next start; those of 'default' for 'swsgx run' alone, too.\n"
	      "\n"
	      "  --ephemeral   for a machine of a moment: its fused keys are new and kept\n"
	      "                nowhere; what is sealed on it opens on no other, nor after its\n"
	      "                next start\n"
	      "  --epc SIZE    EPC, 64K to 1T (default 128M)\n"
	      "  --backing-max SIZE\n"
	      "                memory for evicted pages at most, 4224 bytes each, 8K or more\n"
	      "                (default: as much as there is)\n"
	      "  --cpu MODEL   which processor CPUID and /proc/cpuinfo show, and what it has of\n"
	      "                SGX: host (default), intel, skylake, coffeelake, geminilake,\n"
	      "                icelake, sapphirerapids\n"
	      "  --device-mode MODE\n"
	      "                mode of the device files, octal (default: 666)\n"
	      "  --device-group GROUP\n"
	      "                their group (default: root)\n"
	      "  --dev-noexec  refuse executable mappings of them, as a noexec /dev does\n"
	      "  --provision WHO\n"
	      "                who may open /dev/sgx_provision, without which no enclave gets\n"
	      "                PROVISIONKEY: allow (default: as /dev/sgx_enclave), deny\n"
	      "                (nobody, not even root), or a group (and root)\n"
	      "  --devices upstream|v22\n"
	      "                which generation of the interface: Linux since 5.11 (default) or\n"
	      "                the patch series before it (/dev/sgx/enclave)\n"
	      "  --launch-control flexible|locked[:MRSIGNER]\n"
	      "                can the system choose who launches enclaves?  locked: it cannot,\n"
	      "                and there is no /dev/sgx_enclave; only Intel, or this signer\n"
	      "                (default: flexible, where the processor has it)\n"
	      "  --force       stop it although programs run on it; their enclaves are lost\n"
	      "  --page N      which page of the EPC, from 0, decimal or with 0x\n"
	      "  --enclave EID --offset OFFSET\n"
	      "                the one that this page of an enclave is in now; EID as in\n"
	      "                'swsgx stat', OFFSET in bytes from the enclave's base\n"
	      "  --epoch HEX   OWNEREPOCH, 32 digits, to have an old one back (default: random)\n"
	      "  --json        list: an array of objects, in place of a table\n"
	      "  --help        show this\n",
	      out);
}

struct arguments {
	uint64_t epc_size, backing_max;
	uint64_t page, enclave, offset;
	uint8_t epoch[OWNER_EPOCH_SIZE];
	unsigned given; /* 1 << enum given of what there was */
	uint32_t model;
	uint32_t device_mode, device_gid;
	struct daemon_options policy; /* devices, provisioning and launch control alone of it */
};

enum given {
	EPHEMERAL,
	EPC,
	BACKING,
	CPU,
	MODE,
	GROUP,
	NOEXEC,
	PROVISION,
	DEVICES,
	LAUNCH,
	FORCE,
	PAGE,
	ENCLAVE,
	OFFSET,
	EPOCH,
	JSON,
	GIVEN_COUNT,
};
#define GIVEN(what) (1u << (what))

static const char *const option_name[GIVEN_COUNT] = {
	"--ephemeral",	  "--epc",	  "--backing-max", "--cpu",	"--device-mode",
	"--device-group", "--dev-noexec", "--provision",   "--devices", "--launch-control",
	"--force",	  "--page",	  "--enclave",	   "--offset",	"--epoch",
	"--json",
};

static int start(const char *name, const struct arguments *args)
{
	struct daemon_options options = {
		.name = name,
		.ephemeral = args->given & GIVEN(EPHEMERAL),
		.epc_size = args->epc_size ? args->epc_size : DAEMON_EPC_DEFAULT,
		.backing_max = args->backing_max,
		.model = args->model,
		.device_mode = args->given & GIVEN(MODE) ? args->device_mode : DAEMON_DEVICE_MODE,
		.device_gid = args->device_gid,
		.provision = args->policy.provision,
		.provision_gid = args->policy.provision_gid,
		.launch = args->policy.launch,
		.devices = args->policy.devices,
		.dev_noexec = args->given & GIVEN(NOEXEC),
		.command_fd = -1,
		.ready_fd = -1,
	};
	struct daemon_ready ready;
	struct inside inside;

	memcpy(options.launch_hash, args->policy.launch_hash, sizeof(options.launch_hash));
	if (probe_refused())
		return TOOL_FAILED;
	if (inside_find(&inside)) {
		tool_error("this is a program of 'swsgx run', and a machine in a machine would "
			   "have no SGX: start it outside");
		return TOOL_FAILED;
	}
	tool_note_runtime();
	if (daemon_spawn(&options, &ready)) {
		tool_error("%s", ready.message);
		return TOOL_FAILED;
	}
	if (ready.message[0])
		tool_warn("%s", ready.message);
	return TOOL_OK;
}

/*
 * When this returns the machine's name can be used again.  The daemon gives the name up
 * before its process ends, and with that the connection; one that is killed instead
 * closes its files in any order, and then the end of its process counts.
 */
static void await_end(int fd, int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	char byte;

	while (recv(fd, &byte, 1, 0) < 0 && errno == EINTR)
		;
	while (pidfd >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static int stop(const char *name, const struct arguments *args)
{
	pid_t pid;
	int fd = tool_reach(name, &pid), pidfd, ret;

	if (fd < 0)
		return TOOL_FAILED;
	/* -1 before Linux 5.3, and for a daemon in another PID namespace */
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ret = machine_ask(fd, PROTO_MSG_STOP, !!(args->given & GIVEN(FORCE)), NULL);
	if (ret == -EPIPE) /* it ends already: somebody else stopped or killed it */
		ret = 0;
	if (!ret)
		await_end(fd, pidfd);
	if (pidfd >= 0)
		close(pidfd);
	close(fd);
	if (ret == -EBUSY) {
		tool_error("programs run on machine '%s' (--force stops it nevertheless, and "
			   "their enclaves are lost)",
			   name);
		return TOOL_FAILED;
	}
	if (ret) {
		tool_error("machine '%s' does not stop: %s", name, strerror(-ret));
		return TOOL_FAILED;
	}
	return TOOL_OK;
}

static int suspend(const char *name, const struct arguments *args)
{
	int fd = tool_reach(name, NULL), ret;

	(void)args;
	if (fd < 0)
		return TOOL_FAILED;
	ret = machine_ask(fd, PROTO_MSG_SUSPEND, 0, NULL);
	close(fd);
	if (!ret)
		return TOOL_OK;
	tool_error("machine '%s' does not sleep: %s", name, strerror(-ret));
	return TOOL_FAILED;
}

static void poison_failed(const char *name, const struct arguments *args, uint64_t slot, int ret)
{
	bool by_enclave = args->given & GIVEN(ENCLAVE);

	switch (ret) {
	case -ENXIO:
		tool_error("machine '%s' has no EPC page %" PRIu64, name, args->page);
		break;
	case -EALREADY:
		tool_error("EPC page %" PRIu64 " of machine '%s' is poisoned already",
			   by_enclave ? slot : args->page, name);
		break;
	case -ESRCH:
		tool_error("machine '%s' has no enclave %" PRIu64, name, args->enclave);
		break;
	case -ENOENT:
		tool_error("enclave %" PRIu64 " of machine '%s' has no page at offset 0x%" PRIx64,
			   args->enclave, name, args->offset);
		break;
	case -ENODATA:
		tool_error("the page at offset 0x%" PRIx64 " of enclave %" PRIu64
			   " is evicted: no EPC page holds it now",
			   args->offset, args->enclave);
		break;
	default:
		tool_error("cannot poison a page of machine '%s': %s", name, strerror(-ret));
		break;
	}
}

static int poison(const char *name, const struct arguments *args)
{
	bool by_enclave = args->given & GIVEN(ENCLAVE);
	uint64_t words[8] = {by_enclave ? args->enclave : args->page, args->offset};
	int fd, ret;

	if (by_enclave != !!(args->given & GIVEN(OFFSET)) ||
	    by_enclave == !!(args->given & GIVEN(PAGE)))
		return tool_usage_error("poison which page: --page N, or --enclave EID --offset "
					"OFFSET?");
	fd = tool_reach(name, NULL);
	if (fd < 0)
		return TOOL_FAILED;
	ret = machine_ask_words(fd, PROTO_MSG_POISON, by_enclave, NULL, words);
	close(fd);
	if (ret) {
		poison_failed(name, args, words[1], ret);
		return TOOL_FAILED;
	}
	printf("EPC page %" PRIu64 " of machine '%s' is poisoned\n", words[1], name);
	return tool_finish_stdout();
}

static int update_tcb(const char *name, const struct arguments *args)
{
	(void)args;
	return firmware_update_tcb(name);
}

static int owner_epoch(const char *name, const struct arguments *args)
{
	return firmware_owner_epoch(name, args->given & GIVEN(EPOCH) ? args->epoch : NULL);
}

static const struct command {
	const char *name;
	int (*run)(const char *name, const struct arguments *args);
	unsigned takes; /* 1 << enum given */
} commands[] = {
	{"start", start,
	 GIVEN(EPHEMERAL) | GIVEN(EPC) | GIVEN(BACKING) | GIVEN(CPU) | GIVEN(MODE) | GIVEN(GROUP) |
		 GIVEN(NOEXEC) | GIVEN(PROVISION) | GIVEN(DEVICES) | GIVEN(LAUNCH)},
	{"stop", stop, GIVEN(FORCE)},
	{"suspend", suspend, 0},
	{"update-tcb", update_tcb, 0},
	{"owner-epoch", owner_epoch, GIVEN(EPOCH)},
	{"poison", poison, GIVEN(PAGE) | GIVEN(ENCLAVE) | GIVEN(OFFSET)},
};

static int number(const char *option, const char *text, uint64_t *value)
{
	if (tool_parse_u64(text, UINT64_MAX, value))
		return 0;
	return tool_usage_error("%s %s: not a number, decimal or with 0x", option, text);
}

/* One that takes a value.  Return: 0, or TOOL_USAGE with a message printed */
static int take(struct arguments *args, int c)
{
	switch (c) {
	case EPC:
		return tool_parse_epc(optarg, &args->epc_size) ? 0 : TOOL_USAGE;
	case BACKING:
		return tool_parse_backing(optarg, &args->backing_max) ? 0 : TOOL_USAGE;
	case CPU:
		return tool_parse_cpu(optarg, &args->model) ? 0 : TOOL_USAGE;
	case MODE:
		return tool_parse_mode(optarg, &args->device_mode) ? 0 : TOOL_USAGE;
	case GROUP:
		return tool_parse_group(optarg, &args->device_gid) ? 0 : TOOL_USAGE;
	case PROVISION:
		return tool_parse_provision(optarg, &args->policy) ? 0 : TOOL_USAGE;
	case DEVICES:
		return tool_parse_devices(optarg, &args->policy) ? 0 : TOOL_USAGE;
	case LAUNCH:
		return tool_parse_launch(optarg, &args->policy) ? 0 : TOOL_USAGE;
	case PAGE:
		return number("--page", optarg, &args->page);
	case ENCLAVE:
		return number("--enclave", optarg, &args->enclave);
	case OFFSET:
		return number("--offset", optarg, &args->offset);
	case EPOCH:
		if (tool_parse_bytes(optarg, args->epoch, sizeof(args->epoch)))
			return 0;
		return tool_usage_error("--epoch %s: not 32 hexadecimal digits", optarg);
	default:
		return 0;
	}
}

/* Options that a command does not take.  Return: 0, or TOOL_USAGE */
static int only(const char *what, const struct arguments *args, unsigned takes)
{
	for (unsigned i = 0; i < GIVEN_COUNT; i++)
		if (args->given & ~takes & GIVEN(i))
			return tool_usage_error("%s takes no %s", what, option_name[i]);
	return 0;
}

static const struct command *command_of(const char *what)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(what, commands[i].name))
			return &commands[i];
	return NULL;
}

/**
 * cmd_machine() - swsgx machine
 * @argc: arguments
 * @argv: arguments
 *
 * Return: enum tool_exit
 */
int cmd_machine(int argc, char **argv)
{
	static const struct option longs[] = {
		{"ephemeral", no_argument, NULL, EPHEMERAL + 256},
		{"epc", required_argument, NULL, EPC + 256},
		{"backing-max", required_argument, NULL, BACKING + 256},
		{"cpu", required_argument, NULL, CPU + 256},
		{"device-mode", required_argument, NULL, MODE + 256},
		{"device-group", required_argument, NULL, GROUP + 256},
		{"dev-noexec", no_argument, NULL, NOEXEC + 256},
		{"provision", required_argument, NULL, PROVISION + 256},
		{"devices", required_argument, NULL, DEVICES + 256},
		{"launch-control", required_argument, NULL, LAUNCH + 256},
		{"force", no_argument, NULL, 'f'},
		{"page", required_argument, NULL, PAGE + 256},
		{"enclave", required_argument, NULL, ENCLAVE + 256},
		{"offset", required_argument, NULL, OFFSET + 256},
		{"epoch", required_argument, NULL, EPOCH + 256},
		{"json", no_argument, NULL, JSON + 256},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const struct command *command;
	struct arguments args = {0};
	const char *what, *name;
	int c;

	while ((c = tool_getopt(argc, argv, ":fh", longs)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return tool_finish_stdout();
		}
		if (c == '?')
			return TOOL_USAGE;
		c = c == 'f' ? FORCE : c - 256;
		if (take(&args, c))
			return TOOL_USAGE;
		args.given |= GIVEN(c);
	}
	what = optind < argc ? argv[optind] : "";
	name = optind + 1 < argc ? argv[optind + 1] : NULL;
	if (optind + 2 < argc)
		return tool_usage_error("'%s' is one argument too many", argv[optind + 2]);
	if (!strcmp(what, "list")) {
		if (name)
			return tool_usage_error("list takes no name: '%s'", name);
		if (only(what, &args, GIVEN(JSON)))
			return TOOL_USAGE;
		return machine_table(args.given & GIVEN(JSON));
	}
	command = command_of(what);
	if (!command && *what)
		return tool_usage_error(
			"'%s' is not start, stop, suspend, poison, update-tcb, owner-epoch or list",
			what);
	if (!command)
		return tool_usage_error(
			"start, stop, suspend, poison, update-tcb, owner-epoch or list?");
	if (!name)
		return tool_usage_error("%s which machine?", what);
	if (!machine_name_valid(name))
		return tool_usage_error("'%s' cannot be a machine's name: letters, digits, '.', "
					"'_' and '-', at most %d, of which the first is "
					"neither '.' nor '-'",
					name, DAEMON_NAME_MAX);
	if (only(what, &args, command->takes))
		return TOOL_USAGE;
	return command->run(name, &args);
}
