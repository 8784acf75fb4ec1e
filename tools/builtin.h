/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of `swsgx`.  Each lives in builtin-<name>.c and stands once in
 * the table of main.c.  argv[0] is the command's name.
 */
#ifndef TOOLS_BUILTIN_H
#define TOOLS_BUILTIN_H

/* What a command returns; `swsgx run` may return the program's own status */
enum tool_exit {
	TOOL_OK = 0,
	TOOL_FAILED = 1, /* it was tried and did not work */
	TOOL_USAGE = 2, /* the command line makes no sense; nothing was done */
};

/**
 * struct builtin - one command
 * @name:	what the user types after `swsgx`
 * @function:	runs it; NULL where this build leaves the command out
 * @help:	one line for `swsgx help`
 */
struct builtin {
	const char *name;
	int (*function)(int argc, char **argv);
	const char *help;
};

int cmd_run(int argc, char **argv);
int cmd_machine(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_gdb(int argc, char **argv);
int cmd_measure(int argc, char **argv);
int cmd_sign(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif
