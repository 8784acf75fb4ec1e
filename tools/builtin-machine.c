/* SPDX-License-Identifier: BSD-3-Clause */
/* swsgx machine: machines that outlive one command. */
#include "builtin.h"
#include "util.h"

#include <daemon/daemon.h>
#include <proto/msg.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: swsgx machine start NAME [--epc SIZE] [--cpu intel|host]\n"
	      "                                [--backing-max SIZE]\n"
	      "       swsgx machine stop NAME [--force]\n"
	      "       swsgx machine suspend NAME\n"
	      "       swsgx machine poison NAME --page N\n"
	      "       swsgx machine poison NAME --enclave EID --offset OFFSET\n"
	      "       swsgx machine list\n"
	      "\n"
	      "A machine serves every 'swsgx run --machine NAME' of its owner until it is\n"
	      "stopped.  Its fused keys are kept, so that data sealed on it opens again\n"
	      "after the next start.  suspend is a sleep state: every enclave is lost.\n"
	      "poison is a memory error in a page of the EPC.\n"
	      "\n"
	      "  --epc SIZE    EPC, 64K to 1024G (default 128M)\n"
	      "  --backing-max SIZE\n"
	      "                memory for evicted pages at most, 4224 bytes each, 8K or more\n"
	      "                (default: as much as there is)\n"
	      "  --cpu intel   let CPUID and /proc/cpuinfo show an Intel processor, whatever\n"
	      "                this one is (default: host)\n"
	      "  --force       stop it although programs run on it; their enclaves are lost\n"
	      "  --page N      which page of the EPC, from 0, decimal or with 0x\n"
	      "  --enclave EID --offset OFFSET\n"
	      "                the one that this page of an enclave is in now; EID as in\n"
	      "                'swsgx stat', OFFSET in bytes from the enclave's base\n"
	      "  --help        show this\n",
	      out);
}

struct arguments {
	uint64_t epc_size, backing_max;
	uint64_t page, enclave, offset;
	unsigned given; /* 1 << enum given of what there was */
	bool intel;
};

enum given {
	EPC,
	BACKING,
	CPU,
	FORCE,
	PAGE,
	ENCLAVE,
	OFFSET,
	GIVEN_COUNT,
};
#define GIVEN(what) (1u << (what))

static const char *const option_name[GIVEN_COUNT] = {
	"--epc", "--backing-max", "--cpu", "--force", "--page", "--enclave", "--offset",
};

static int start(const char *name, const struct arguments *args)
{
	struct daemon_options options = {
		.name = name,
		.epc_size = args->epc_size ? args->epc_size : DAEMON_EPC_DEFAULT,
		.backing_max = args->backing_max,
		.intel = args->intel,
		.command_fd = -1,
		.ready_fd = -1,
	};
	struct daemon_ready ready;

	if (daemon_spawn(&options, &ready)) {
		tool_error("%s", ready.message);
		return TOOL_FAILED;
	}
	if (ready.message[0])
		tool_warn("%s", ready.message);
	return TOOL_OK;
}

/* Return: a connection, or -1 with a message printed */
static int reach(const char *name)
{
	int fd = machine_connect(name, NULL);

	if (fd == -ENOENT)
		tool_error("there is no machine '%s'", name);
	else if (fd < 0)
		tool_error("cannot reach machine '%s': %s", name, strerror(-fd));
	return fd < 0 ? -1 : fd;
}

static int stop(const char *name, const struct arguments *args)
{
	int fd = reach(name), ret;
	char byte;

	if (fd < 0)
		return TOOL_FAILED;
	ret = machine_ask(fd, PROTO_MSG_STOP, !!(args->given & GIVEN(FORCE)), NULL);
	if (!ret)
		while (recv(fd, &byte, 1, 0) < 0 && errno == EINTR)
			; /* the connection ends with the process */
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
	int fd = reach(name), ret;

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
	fd = reach(name);
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

static const struct command {
	const char *name;
	int (*run)(const char *name, const struct arguments *args);
	unsigned takes; /* 1 << enum given */
} commands[] = {
	{"start", start, GIVEN(EPC) | GIVEN(BACKING) | GIVEN(CPU)},
	{"stop", stop, GIVEN(FORCE)},
	{"suspend", suspend, 0},
	{"poison", poison, GIVEN(PAGE) | GIVEN(ENCLAVE) | GIVEN(OFFSET)},
};

static void print_machine(void *ctx, const char *name, pid_t pid)
{
	printf("%-20s pid %d\n", name, pid);
}

static int list(void)
{
	int ret = machine_list(print_machine, NULL);

	if (ret) {
		tool_error("cannot look for machines: %s", strerror(-ret));
		return TOOL_FAILED;
	}
	return tool_finish_stdout();
}

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
		return tool_parse_cpu(optarg, &args->intel) ? 0 : TOOL_USAGE;
	case PAGE:
		return number("--page", optarg, &args->page);
	case ENCLAVE:
		return number("--enclave", optarg, &args->enclave);
	case OFFSET:
		return number("--offset", optarg, &args->offset);
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
		{"epc", required_argument, NULL, EPC + 256},
		{"backing-max", required_argument, NULL, BACKING + 256},
		{"cpu", required_argument, NULL, CPU + 256},
		{"force", no_argument, NULL, 'f'},
		{"page", required_argument, NULL, PAGE + 256},
		{"enclave", required_argument, NULL, ENCLAVE + 256},
		{"offset", required_argument, NULL, OFFSET + 256},
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
	if (!strcmp(what, "list") && !name)
		return args.given ? tool_usage_error("list takes no options") : list();
	command = command_of(what);
	if (!command)
		return tool_usage_error("start, stop, suspend, poison or list?");
	if (!name)
		return tool_usage_error("%s which machine?", what);
	if (!machine_name_valid(name))
		return tool_usage_error("'%s' cannot be a machine's name: letters, digits, '.', "
					"'_' and '-', at most %d",
					name, DAEMON_NAME_MAX);
	if (only(what, &args, command->takes))
		return TOOL_USAGE;
	return command->run(name, &args);
}
