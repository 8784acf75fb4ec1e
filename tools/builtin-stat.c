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
	fputs("Usage: swsgx stat [--machine NAME | --pid PID] [--json] [--watch [SECONDS]]\n"
	      "\n"
	      "Show a machine's EPC, its enclaves and those that have ended, and totals\n"
	      "since its start.  Without --machine and --pid: the machine that runs, if there\n"
	      "is only one; 'swsgx machine list' shows all.\n"
	      "\n"
	      "  --machine NAME     which machine\n"
	      "  --pid PID          the one of a program under 'swsgx run'\n"
	      "  --json             print JSON, with the machine's log\n"
	      "  --watch [SECONDS]  again and again, each second or each SECONDS, until the\n"
	      "                     machine ends; with rates, or one line of JSON each time\n"
	      "  --help             show this\n",
	      out);
}

/* Which machine, and what messages call it */
struct target {
	struct machine_id id;
	char text[DAEMON_NAME_MAX + 32];
};

static void set_target(struct target *t, const struct machine_id *id)
{
	t->id = *id;
	if (id->name[0])
		snprintf(t->text, sizeof(t->text), "machine '%s'", id->name);
	else
		snprintf(t->text, sizeof(t->text), "the machine of process %d", id->program);
}

/* The named machines count first: that a private one runs beside changes nothing. */
struct running {
	struct machine_id named, private;
	unsigned named_count, private_count;
};

static void count(void *ctx, const struct machine_id *id, int fd, pid_t pid)
{
	struct running *r = ctx;

	(void)fd;
	(void)pid;
	if (id->name[0]) {
		r->named = *id;
		r->named_count++;
	} else {
		r->private = *id;
		r->private_count++;
	}
}

/* Nobody has said which machine.  Return: 0, or TOOL_FAILED with a message printed. */
static int find_only(struct target *t)
{
	struct running r = {.named_count = 0};
	int ret = machine_list(count, &r);

	if (ret) {
		tool_error("cannot look for machines: %s", strerror(-ret));
		return TOOL_FAILED;
	}
	if (!r.named_count && !r.private_count) {
		tool_error("no machine runs: 'swsgx machine start NAME' starts one, and 'swsgx "
			   "run' has one as long as its program runs");
		return TOOL_FAILED;
	}
	if (r.named_count > 1 || (!r.named_count && r.private_count > 1)) {
		tool_error("%u machines run: say which with --machine or --pid ('swsgx machine "
			   "list' shows them)",
			   r.named_count + r.private_count);
		return TOOL_FAILED;
	}
	set_target(t, r.named_count ? &r.named : &r.private);
	return 0;
}

/* Return: 0, or TOOL_FAILED with a message printed. */
static int find_pid(struct target *t, pid_t pid)
{
	struct machine_id id;
	int ret = machine_of_pid(pid, &id);

	if (!ret) {
		set_target(t, &id);
		return 0;
	}
	if (ret == -ENOENT)
		tool_error("no machine of yours knows process %d: it does not run under 'swsgx "
			   "run', or is a child that has not used SGX yet ('swsgx machine list' "
			   "shows the machines)",
			   pid);
	else
		tool_error("cannot look for machines: %s", strerror(-ret));
	return TOOL_FAILED;
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
static int ask(const struct target *t, bool json, char **text, uint64_t words[8])
{
	int fd = t->id.name[0] ? machine_connect(t->id.name, NULL)
			       : machine_connect_private(t->id.program, NULL);
	int ret;
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

static int failed(const struct target *t, int ret)
{
	if (ret == -ENOENT && t->id.name[0])
		tool_unreachable(t->id.name, ret);
	else if (ret == -ENOENT || ret == -EPIPE)
		tool_error("%s has ended", t->text);
	else
		tool_error("cannot ask %s: %s", t->text, strerror(-ret));
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
static int watch(const struct target *t, bool json, double seconds)
{
	struct timespec pause = {.tv_sec = (time_t)seconds};
	bool terminal = !json && isatty(STDOUT_FILENO);
	uint64_t now[8], before[8] = {0};
	char *text;
	int ret;

	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	for (;;) {
		ret = ask(t, json, &text, now);
		/* one of that name that was started since is another one */
		if (before[PROTO_STAT_PID] &&
		    (ret == -ENOENT || ret == -EPIPE ||
		     (!ret && now[PROTO_STAT_PID] != before[PROTO_STAT_PID])))
			return TOOL_OK;
		if (ret)
			return failed(t, ret);
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

/* Next argument of --watch, where one is meant: whatever does not look like an option. */
static bool is_value(const char *arg)
{
	return arg && (arg[0] != '-' || (arg[1] >= '0' && arg[1] <= '9') || arg[1] == '.');
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
		{"machine", required_argument, NULL, 'm'}, {"pid", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},	   {"watch", optional_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0},
	};
	struct machine_id id = {.program = 0};
	struct target target;
	uint64_t words[8], pid = 0;
	double seconds = 0;
	bool json = false;
	int c, ret = 0;
	char *text;

	while ((c = tool_getopt(argc, argv, ":hp:", longs)) != -1) {
		switch (c) {
		case 'm':
			if (!machine_name_valid(optarg))
				return tool_usage_error("--machine %s: not a machine's name",
							optarg);
			snprintf(id.name, sizeof(id.name), "%s", optarg);
			break;
		case 'p':
			if (!tool_parse_u64(optarg, INT32_MAX, &pid) || !pid)
				return tool_usage_error("--pid %s: not a process id", optarg);
			break;
		case 'j':
			json = true;
			break;
		case 'w':
			seconds = 1;
			/* --watch 5 is what one expects of --watch=5 */
			if (!optarg && optind < argc && is_value(argv[optind]))
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
		return tool_usage_error("'%s' is one argument too many (a machine is named by "
					"--machine NAME)",
					argv[optind]);
	if (id.name[0] && pid)
		return tool_usage_error("--machine and --pid do not go together");
	tool_note_runtime();
	if (id.name[0])
		set_target(&target, &id);
	else
		ret = pid ? find_pid(&target, (pid_t)pid) : find_only(&target);
	if (ret)
		return ret;
	if (seconds > 0)
		return watch(&target, json, seconds);
	ret = ask(&target, json, &text, words);
	if (ret)
		return failed(&target, ret);
	fputs(text, stdout);
	free(text);
	return tool_finish_stdout();
}
