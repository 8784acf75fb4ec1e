/* SPDX-License-Identifier: BSD-3-Clause */
/* swsgx stat: the EPC and the enclaves of a machine, and what was since its start. */
#include "builtin.h"
#include "util.h"

#include <daemon/daemon.h>
#include <proto/msg.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: swsgx stat [--machine NAME] [--json] [--watch [SECONDS]]\n"
	      "\n"
	      "Show a machine's EPC, its enclaves and those that have ended, and totals\n"
	      "since its start.  Without --machine: the one machine that runs.\n"
	      "\n"
	      "  --machine NAME     which machine\n"
	      "  --json             print JSON, with the machine's log\n"
	      "  --watch [SECONDS]  again and again, each second or each SECONDS, until the\n"
	      "                     machine ends; with rates, or one line of JSON each time\n"
	      "  --help             show this\n",
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

/* JSON on one line: no white space but in strings */
static void print_compact(const char *text)
{
	bool quoted = false;

	for (; *text; text++) {
		if (*text == '"')
			quoted = !quoted;
		if (quoted && *text == '\\' && text[1])
			putchar(*text++);
		if (quoted || (*text != ' ' && *text != '\n'))
			putchar(*text);
	}
	putchar('\n');
}

/* In place of what was printed before: each line is cleared behind its end. */
static void print_in_place(const char *text)
{
	fputs("\033[H", stdout);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\033[K", stdout);
		putchar(*text);
	}
	fputs("\033[J", stdout);
}

/* Ask once.  Return: 0 with malloc'ed *text, or -errno. */
static int ask(const char *name, bool json, char **text, uint64_t words[8])
{
	int fd = machine_connect(name, NULL), ret;
	size_t size;
	FILE *out;

	if (fd < 0)
		return fd;
	out = open_memstream(text, &size);
	if (!out) {
		close(fd);
		return -ENOMEM;
	}
	memset(words, 0, 8 * sizeof(*words));
	ret = machine_ask_words(fd, PROTO_MSG_STAT, !json, out, words);
	close(fd);
	if (fclose(out) && !ret)
		ret = -ENOMEM;
	if (ret)
		free(*text);
	return ret;
}

static int failed(const char *name, int ret)
{
	if (ret == -ENOENT)
		tool_error("there is no machine '%s'", name);
	else
		tool_error("cannot ask machine '%s': %s", name, strerror(-ret));
	return TOOL_FAILED;
}

/* What was counted between two reports, by the machine's clock */
static double rate(const uint64_t *now, const uint64_t *before, enum proto_stat what)
{
	uint64_t ms = now[PROTO_STAT_MS] - before[PROTO_STAT_MS];

	return ms ? (double)(now[what] - before[what]) * 1000 / (double)ms : 0;
}

static void print_rates(const uint64_t *now, const uint64_t *before)
{
	printf("a second: %.0f EWB, %.0f ELDU, %.0f soft faults\n",
	       rate(now, before, PROTO_STAT_EWB), rate(now, before, PROTO_STAT_ELDU),
	       rate(now, before, PROTO_STAT_SOFT_FAULTS));
}

/* Until the machine ends, which is no error. */
static int watch(const char *name, bool json, double seconds)
{
	struct timespec pause = {.tv_sec = (time_t)seconds};
	bool terminal = !json && isatty(STDOUT_FILENO);
	uint64_t now[8], before[8] = {0};
	char *text;
	int ret;

	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	for (;;) {
		ret = ask(name, json, &text, now);
		/* one of that name that was started since is another one */
		if (before[PROTO_STAT_PID] &&
		    (ret == -ENOENT || ret == -EPIPE ||
		     (!ret && now[PROTO_STAT_PID] != before[PROTO_STAT_PID])))
			return TOOL_OK;
		if (ret)
			return failed(name, ret);
		if (terminal && !before[PROTO_STAT_PID])
			fputs("\033[2J", stdout);
		if (json) {
			print_compact(text);
		} else if (terminal) {
			print_in_place(text);
		} else {
			fputs(text, stdout);
		}
		if (!json)
			print_rates(now, before[PROTO_STAT_PID] ? before : now);
		free(text);
		if (!json && !terminal)
			putchar('\n');
		ret = tool_finish_stdout();
		if (ret)
			return ret;
		memcpy(before, now, sizeof(before));
		nanosleep(&pause, NULL);
	}
}

static bool parse_seconds(const char *text, double *seconds)
{
	char *end;
	double value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	value = strtod(text, &end);
	if (*end || !(value >= 0.01 && value <= 86400))
		return false;
	*seconds = value;
	return true;
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
		{"watch", optional_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct only only = {.count = 0};
	const char *name = NULL;
	uint64_t words[8];
	double seconds = 0;
	bool json = false;
	int c, ret;
	char *text;

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
		case 'w':
			seconds = 1;
			/* --watch 5 is what one expects of --watch=5 */
			if (!optarg && optind < argc && argv[optind][0] >= '0' &&
			    argv[optind][0] <= '9')
				optarg = argv[optind++];
			if (optarg && !parse_seconds(optarg, &seconds))
				return tool_usage_error("--watch %s: not seconds between 0.01 and "
							"86400",
							optarg);
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
	if (seconds > 0)
		return watch(name, json, seconds);
	ret = ask(name, json, &text, words);
	if (ret)
		return failed(name, ret);
	fputs(text, stdout);
	free(text);
	return tool_finish_stdout();
}
