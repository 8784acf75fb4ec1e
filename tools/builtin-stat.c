/* SPDX-License-Identifier: BSD-3-Clause */
/* swsgx stat: the EPC and the enclaves of a machine, and what was since its start. */
#include "builtin.h"
#include "util.h"

#include <daemon/daemon.h>
#include <proto/msg.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: swsgx stat [--machine NAME] [--json]\n"
	      "\n"
	      "Show a machine's EPC, its enclaves and those that have ended, and totals\n"
	      "since its start.  Without --machine: the one machine that runs.\n"
	      "\n"
	      "  --machine NAME  which machine\n"
	      "  --json          print JSON, with the machine's log\n"
	      "  --help          show this\n",
	      out);
}

struct only {
	char name[DAEMON_NAME_MAX + 1];
	unsigned count;
};

static void remember(void *ctx, const char *name, pid_t pid)
{
	struct only *only = ctx;

	snprintf(only->name, sizeof(only->name), "%s", name);
	only->count++;
}

/**
 * cmd_stat() - swsgx stat
 * @argc: arguments
 * @argv: arguments
 *
 * Return: enum tool_exit
 */
int cmd_stat(int argc, char **argv)
{
	static const struct option longs[] = {
		{"machine", required_argument, NULL, 'm'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct only only = {.count = 0};
	const char *name = NULL;
	bool json = false;
	int c, fd, ret;

	while ((c = tool_getopt(argc, argv, ":h", longs)) != -1) {
		switch (c) {
		case 'm':
			if (!machine_name_valid(optarg))
				return tool_usage_error("--machine %s: not a machine's name",
							optarg);
			name = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return tool_finish_stdout();
		default:
			return TOOL_USAGE;
		}
	}
	if (optind < argc)
		return tool_usage_error("'%s' is one argument too many", argv[optind]);
	if (!name) {
		ret = machine_list(remember, &only);
		if (ret) {
			tool_error("cannot look for machines: %s", strerror(-ret));
			return TOOL_FAILED;
		}
		if (only.count != 1) {
			tool_error(only.count ? "%u machines run: say which with --machine"
					      : "no machine runs (%u)",
				   only.count);
			return TOOL_FAILED;
		}
		name = only.name;
	}
	fd = machine_connect(name, NULL);
	if (fd < 0) {
		if (fd == -ENOENT)
			tool_error("there is no machine '%s'", name);
		else
			tool_error("cannot reach machine '%s': %s", name, strerror(-fd));
		return TOOL_FAILED;
	}
	ret = machine_ask(fd, PROTO_MSG_STAT, !json, stdout);
	close(fd);
	if (ret) {
		tool_error("machine '%s' does not answer: %s", name, strerror(-ret));
		return TOOL_FAILED;
	}
	return tool_finish_stdout();
}
