/* SPDX-License-Identifier: BSD-3-Clause */
/* Reaching machines, and saying why one cannot be reached. */
#include "util.h"

#include <daemon/daemon.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

/**
 * tool_note_runtime() - warn where machines are not where XDG_RUNTIME_DIR says
 *
 * Once in a process: for commands that look for machines by their names.
 */
void tool_note_runtime(void)
{
	static bool done;
	char note[2 * PATH_MAX];

	if (!done && machine_runtime_note(note, sizeof(note)))
		tool_warn("%s", note);
	done = true;
}

/**
 * tool_unreachable() - say why there is no connection to a machine
 * @name:	of the machine
 * @ret:	what machine_connect() returned
 */
void tool_unreachable(const char *name, int ret)
{
	char folder[PATH_MAX];

	if (ret != -ENOENT)
		tool_error("cannot reach machine '%s': %s", name, strerror(-ret));
	else if (machine_runtime_dir(folder))
		tool_error("there is no machine '%s'", name);
	else
		tool_error("there is no machine '%s' in %s ('swsgx machine start %s' starts it)",
			   name, folder, name);
}

/**
 * tool_reach() - a connection to a named machine
 * @name:	of the machine
 * @ret_pid:	receives its daemon's pid; may be NULL
 *
 * Return: descriptor, or -1 with a message printed.
 */
int tool_reach(const char *name, pid_t *ret_pid)
{
	int fd;

	tool_note_runtime();
	fd = machine_connect(name, ret_pid);
	if (fd < 0)
		tool_unreachable(name, fd);
	return fd < 0 ? -1 : fd;
}
