/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ps, pgrep and pkill see of a machine.
 *
 * The process was forked, and has the arguments of whoever started it: `pkill -f app`
 * would end the machine of `swsgx run app`.  So they are written over, and the
 * environment behind them where they are too short (Linux shows it then).
 */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	/* In /proc/PID/stat, proc(5) */
	FIELD_ARG_START = 48,
	FIELD_ENV_END = 51,
};

/* Where arguments and environment are.  False: /proc does not say, nor does ps. */
static bool find_area(char **start, char **end)
{
	unsigned long long field[FIELD_ENV_END + 1] = {0};
	FILE *f = fopen("/proc/self/stat", "re");
	char line[2048], *s = NULL;

	if (f && fgets(line, sizeof(line), f))
		s = strrchr(line, ')');
	if (f)
		fclose(f);
	if (!s)
		return false;
	/* the third is the state, a letter */
	s = strchr(s + 2, ' ');
	for (int i = 4; s && i <= FIELD_ENV_END; i++)
		field[i] = strtoull(s, &s, 10);
	*start = (char *)(uintptr_t)field[FIELD_ARG_START];
	*end = (char *)(uintptr_t)field[FIELD_ENV_END];
	return *start && *end > *start;
}

/**
 * title_set() - name this process
 * @fmt: what ps is to show
 *
 * Context: the only thread.  No pointer into the arguments may be used afterwards;
 * environ's strings are moved.
 */
void title_set(const char *fmt, ...)
{
	char *start, *end, title[128];
	va_list ap;
	int len;

	prctl(PR_SET_NAME, "swsgx-machine");
	if (!find_area(&start, &end))
		return;
	for (char **e = environ; e && *e; e++) {
		char *copy = *e >= start && *e < end ? strdup(*e) : *e;

		if (!copy)
			return;
		*e = copy;
	}
	va_start(ap, fmt);
	len = vsnprintf(title, sizeof(title), fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	memset(start, 0, (size_t)(end - start));
	snprintf(start, (size_t)(end - start), "%s", title);
}
