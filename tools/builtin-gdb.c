/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swsgx gdb: a program on a machine that has SGX, under gdb.
 *
 * gdb cannot start it: the daemon must be its tracer at the exec.  So `swsgx run
 * --stop` starts it, in a process group of its own as gdb does, and this process
 * becomes a gdb that attaches to it, with a library (tools/gdb/) that gives it
 * enclave memory and hides the agent's signals from it.
 */
#include "builtin.h"
#include "util.h"

#include <daemon/daemon.h>
#include <gdb/env.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: swsgx gdb [OPTION...] [GDB-OPTION...] -- PROGRAM [ARGUMENT...]\n"
	      "       swsgx gdb [OPTION...] [GDB-OPTION...] -p PID\n"
	      "\n"
	      "Debug PROGRAM, which runs as 'swsgx run' has it, and its enclaves.  gdb has\n"
	      "it stopped before its first instruction: 'continue', not 'run', starts it.\n"
	      "What follows '--' is PROGRAM; whatever else is no option of ours is gdb's.\n"
	      "\n"
	      "  --epc SIZE      as for 'swsgx run'\n"
	      "  --machine NAME  as for 'swsgx run'\n"
	      "  --cpu MODEL     as for 'swsgx run'\n"
	      "  --backing-max SIZE\n"
	      "                  as for 'swsgx run'\n"
	      "  -p, --pid PID   attach to a process that runs under 'swsgx run'\n"
	      "  --agent         show the agent: its signals, and steps in its code\n"
	      "  --help          show this\n",
	      out);
}

struct options {
	char **run; /* options of swsgx run, from index 2 */
	int run_count;
	char **gdb; /* options of gdb */
	int gdb_count;
	const char *pid; /* NULL: start a program */
	bool agent;
};

static const char *const run_options[] = {"--epc", "--machine", "--cpu", "--backing-max"};

/* Is argv[i] the option, and which of ours?  "--option=value" is one word. */
static bool is_option(const char *arg, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(arg, name, n) && (!arg[n] || arg[n] == '=');
}

/*
 * By hand: getopt cannot leave alone what it does not know.
 * Return: index of the program, argc where there is none; below 0: done.
 */
static int parse(struct options *o, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		const char *arg = argv[i];
		bool ours = false;

		if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			usage(stdout);
			return -1;
		}
		if (!strcmp(arg, "--agent")) {
			o->agent = true;
			continue;
		}
		if (!strcmp(arg, "-p") || is_option(arg, "--pid")) {
			const char *value = strchr(arg, '=');

			o->pid = value ? value + 1 : argv[++i];
			if (!o->pid) {
				tool_usage_error("option %s needs a value", arg);
				return -2;
			}
			continue;
		}
		for (size_t k = 0; k < sizeof(run_options) / sizeof(run_options[0]); k++)
			ours |= is_option(arg, run_options[k]);
		if (!ours) {
			o->gdb[o->gdb_count++] = argv[i];
			continue;
		}
		o->run[o->run_count++] = argv[i];
		if (strchr(arg, '='))
			continue;
		if (!argv[i + 1]) {
			tool_usage_error("option %s needs a value", arg);
			return -2;
		}
		o->run[o->run_count++] = argv[++i];
	}
	return i < argc ? i + 1 : argc;
}

/* Beside this program, or where it was installed.  Return: 0, or -1. */
static int find_part(const char *name, char *path)
{
	static const char *const places[] = {"/gdb/", "/../agent/", "/../" SWSGX_LIBDIR "/swsgx/"};
	char here[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", here, sizeof(here) - 1);
	char *slash;

	if (n > 0) {
		here[n] = 0;
		slash = strrchr(here, '/');
		if (slash)
			*slash = 0;
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			char *real;

			snprintf(path, PATH_MAX, "%s%s%s", here, places[i], name);
			real = realpath(path, NULL);
			if (!real)
				continue;
			snprintf(path, PATH_MAX, "%s", real);
			free(real);
			return 0;
		}
	}
	tool_error("%s is not there: is swsgx installed whole?", name);
	return -1;
}

/* The program, stopped.  Return: its pid; below 0: -exit status. */
static pid_t start(const struct options *o, char **program, int count)
{
	char **argv = calloc((size_t)(o->run_count + count) + 4, sizeof(*argv));
	static char run[] = "run", stop[] = "--stop", dashes[] = "--";
	int argc = 0, status;
	pid_t pid;

	if (!argv) {
		tool_error("no memory");
		return -TOOL_FAILED;
	}
	argv[argc++] = run;
	argv[argc++] = stop;
	for (int i = 0; i < o->run_count; i++)
		argv[argc++] = o->run[i];
	argv[argc++] = dashes;
	for (int i = 0; i < count; i++)
		argv[argc++] = program[i];
	fflush(NULL);
	pid = fork();
	if (!pid) {
		/* gdb gives the terminal to the group, and takes it back */
		setpgid(0, 0);
		tool_set_name("run");
		_exit(cmd_run(argc, argv));
	}
	free(argv);
	if (pid < 0) {
		tool_error("fork: %s", strerror(errno));
		return -TOOL_FAILED;
	}
	while (waitpid(pid, &status, WUNTRACED) < 0)
		if (errno != EINTR)
			return -TOOL_FAILED;
	if (WIFSTOPPED(status))
		return pid;
	/* it has said why */
	return WIFEXITED(status) ? -(WEXITSTATUS(status) ? WEXITSTATUS(status) : TOOL_FAILED)
				 : -TOOL_FAILED;
}

static int become_gdb(const struct options *o, pid_t pid)
{
	char library[PATH_MAX], script[PATH_MAX], number[16];
	const char *preload = getenv("LD_PRELOAD");
	char *env, *how;
	static char gdb[] = "gdb", quiet[] = "-q", early[] = "-ix", attach[] = "-p", ex[] = "-ex",
		    symbols[] = "python agent_symbols()";
	char **argv = calloc((size_t)o->gdb_count + 10, sizeof(*argv));
	int argc = 0;

	if (!argv || find_part("libswsgx-gdb.so", library) || find_part("swsgx-gdb.py", script))
		return TOOL_FAILED;
	if (asprintf(&env, "%s%s%s", library, preload ? ":" : "", preload ? preload : "") < 0 ||
	    asprintf(&how, "%s,%s,%s", o->pid ? "attach" : "run", o->agent ? "agent" : "",
		     preload ? preload : "") < 0) {
		tool_error("no memory");
		return TOOL_FAILED;
	}
	setenv("LD_PRELOAD", env, 1);
	setenv(GDB_ENV, how, 1);
	snprintf(number, sizeof(number), "%d", pid);
	argv[argc++] = gdb;
	argv[argc++] = quiet;
	argv[argc++] = early;
	argv[argc++] = script;
	argv[argc++] = attach;
	argv[argc++] = number;
	argv[argc++] = ex;
	argv[argc++] = symbols;
	for (int i = 0; i < o->gdb_count; i++)
		argv[argc++] = o->gdb[i];
	execvp(gdb, argv);
	tool_error("cannot run gdb: %s", strerror(errno));
	return TOOL_FAILED;
}

/**
 * cmd_gdb() - swsgx gdb
 * @argc: arguments
 * @argv: arguments
 *
 * Return: only if gdb does not run
 */
int cmd_gdb(int argc, char **argv)
{
	struct options o = {
		.run = calloc((size_t)argc + 1, sizeof(char *)),
		.gdb = calloc((size_t)argc + 1, sizeof(char *)),
	};
	uint64_t number;
	pid_t pid;
	int first, ret;

	if (!o.run || !o.gdb) {
		tool_error("no memory");
		return TOOL_FAILED;
	}
	first = parse(&o, argc, argv);
	if (first == -1)
		return tool_finish_stdout();
	if (first < 0)
		return TOOL_USAGE;
	if (o.pid && (first < argc || o.run_count))
		return tool_usage_error("-p goes with no program and no option of 'swsgx run'");
	if (o.pid) {
		if (!tool_parse_u64(o.pid, INT_MAX, &number) || !number)
			return tool_usage_error("-p %s: not a process id", o.pid);
		if (kill((pid_t)number, 0) && errno == ESRCH) {
			tool_error("there is no process %d", (int)number);
			return TOOL_FAILED;
		}
		return become_gdb(&o, (pid_t)number);
	}
	if (first == argc)
		return tool_usage_error("which program? (it stands after '--')");
	pid = start(&o, argv + first, argc - first);
	if (pid < 0)
		return -pid;
	ret = become_gdb(&o, pid);
	kill(pid, SIGKILL);
	return ret;
}
