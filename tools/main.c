/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swsgx: a software SGX platform.  One binary; this file holds the table of
 * commands and finds the one that is asked for.
 */
#include "builtin.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The commands that need the daemon are left out of a build without it: then
 * these names stay undefined, and a weak reference to nothing is NULL.
 */
#pragma weak cmd_run
#pragma weak cmd_machine
#pragma weak cmd_stat
#pragma weak cmd_gdb

static int cmd_help(int argc, char **argv);

/* clang-format off */
static const struct builtin builtins[] = {
	{ "run",	cmd_run,	"run a program on a machine that has SGX" },
	{ "machine",	cmd_machine,	"start, stop and list machines that outlive one program" },
	{ "stat",	cmd_stat,	"show a machine's EPC and its enclaves" },
	{ "gdb",	cmd_gdb,	"debug a program and its enclaves with gdb" },
	{ "measure",	cmd_measure,	"compute the MRENCLAVE of an enclave file" },
	{ "sign",	cmd_sign,	"sign an enclave file: write its SIGSTRUCT" },
	{ "inspect",	cmd_inspect,	"explain an enclave file, a SIGSTRUCT or a key" },
	{ "help",	cmd_help,	"show this list, or one command's help" },
	{ "version",	cmd_version,	"show the version" },
};
/* clang-format on */
#define BUILTIN_COUNT (sizeof(builtins) / sizeof(builtins[0]))

static void print_commands(FILE *out)
{
	fputs("Usage: swsgx COMMAND [OPTION...] [ARGUMENT...]\n"
	      "\n"
	      "A software SGX platform: it runs unmodified hardware-mode SGX programs on\n"
	      "any x86-64 Linux machine.  For development and tests; it protects nothing.\n"
	      "\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < BUILTIN_COUNT; i++)
		if (builtins[i].function)
			fprintf(out, "  %-9s %s\n", builtins[i].name, builtins[i].help);
	fputs("\n"
	      "'swsgx COMMAND --help' tells more, and so does 'man swsgx-COMMAND'.\n",
	      out);
}

static const struct builtin *find_builtin(const char *name)
{
	for (size_t i = 0; i < BUILTIN_COUNT; i++)
		if (!strcmp(builtins[i].name, name))
			return &builtins[i];
	return NULL;
}

static int run_builtin(const char *name, int argc, char **argv)
{
	const struct builtin *b = find_builtin(name);

	if (!b)
		return tool_usage_error("there is no command '%s'", name);
	if (!b->function) {
		tool_error("this build has no command '%s'", name);
		return TOOL_FAILED;
	}
	tool_set_name(b->name);
	return b->function(argc, argv);
}

static int cmd_help(int argc, char **argv)
{
	static char help_option[] = "--help";

	if (argc > 2)
		return tool_usage_error("help for one command at a time: '%s' is one too many",
					argv[2]);
	/* "help help" and "help --help" end here too */
	if (argc > 1 && strcmp(argv[1], "help") && argv[1][0] != '-') {
		char *args[] = {argv[1], help_option, NULL};

		tool_set_name("");
		return run_builtin(argv[1], 2, args);
	}
	print_commands(stdout);
	return tool_finish_stdout();
}

/**
 * cmd_version() - print the version
 * @argc: arguments
 * @argv: arguments
 *
 * Return: enum tool_exit
 */
int cmd_version(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("Usage: swsgx version\n\nShow the version.");
		return tool_finish_stdout();
	}
	if (argc > 1)
		return tool_usage_error("'%s' is one argument too many", argv[1]);
	printf("swsgx %s\n", SWSGX_VERSION);
	return tool_finish_stdout();
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_commands(stderr);
		return TOOL_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cmd_help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cmd_version(argc - 1, argv + 1);
	if (argv[1][0] == '-')
		return tool_usage_error("unknown option %s", argv[1]);
	return run_builtin(argv[1], argc - 1, argv + 1);
}
