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
	      "       swsgx machine stop NAME [--force]\n"
	      "       swsgx machine list\n"
	      "\n"
	      "A machine serves every 'swsgx run --machine NAME' of its owner until it is\n"
	      "stopped.  Its fused keys are kept, so that data sealed on it opens again\n"
	      "after the next start.\n"
	      "\n"
	      "  --epc SIZE  EPC, 64K to 1024G (default 128M)\n"
	      "  --cpu intel let CPUID and /proc/cpuinfo show an Intel processor, whatever\n"
	      "              this one is (default: host)\n"
	      "  --force     stop it although programs run on it; their enclaves are lost\n"
	      "  --help      show this\n",
	      out);
}

static int start(const char *name, uint64_t epc_size, bool intel)
{
	struct daemon_options options = {
		.name = name,
		.epc_size = epc_size ? epc_size : DAEMON_EPC_DEFAULT,
		.intel = intel,
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

static int stop(const char *name, bool force)
{
	int fd = machine_connect(name, NULL), ret;
	char byte;

	if (fd == -ENOENT) {
		tool_error("there is no machine '%s'", name);
		return TOOL_FAILED;
	}
	if (fd < 0) {
		tool_error("cannot reach machine '%s': %s", name, strerror(-fd));
		return TOOL_FAILED;
	}
	ret = machine_ask(fd, PROTO_MSG_STOP, force, NULL);
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
		{"epc", required_argument, NULL, 'e'},
		{"cpu", required_argument, NULL, 'c'},
		{"force", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *what, *name, *cpu = NULL;
	uint64_t epc_size = 0;
	bool force = false, intel = false;
	int c;

	while ((c = tool_getopt(argc, argv, ":fh", longs)) != -1) {
		switch (c) {
		case 'e':
			if (!tool_parse_size(optarg, &epc_size) || epc_size < DAEMON_EPC_MIN ||
			    epc_size > DAEMON_EPC_MAX || epc_size % 4096)
				return tool_usage_error("--epc %s: not whole pages of 4K between "
							"64K and 1024G",
							optarg);
			break;
		case 'c':
			if (!tool_parse_cpu(optarg, &intel))
				return TOOL_USAGE;
			cpu = optarg;
			break;
		case 'f':
			force = true;
			break;
		case 'h':
			usage(stdout);
			return tool_finish_stdout();
		default:
			return TOOL_USAGE;
		}
	}
	what = optind < argc ? argv[optind] : "";
	name = optind + 1 < argc ? argv[optind + 1] : NULL;
	if (optind + 2 < argc)
		return tool_usage_error("'%s' is one argument too many", argv[optind + 2]);
	if (!strcmp(what, "list") && !name)
		return epc_size || force || cpu ? tool_usage_error("list takes no options")
						: list();
	if (strcmp(what, "start") && strcmp(what, "stop"))
		return tool_usage_error("start, stop or list?");
	if (!name)
		return tool_usage_error("%s which machine?", what);
	if (!machine_name_valid(name))
		return tool_usage_error("'%s' cannot be a machine's name: letters, digits, '.', "
					"'_' and '-', at most %d",
					name, DAEMON_NAME_MAX);
	if (!strcmp(what, "start"))
		return force ? tool_usage_error("start takes no --force")
			     : start(name, epc_size, intel);
	return epc_size || cpu ? tool_usage_error("stop takes no %s", cpu ? "--cpu" : "--epc")
			       : stop(name, force);
}
