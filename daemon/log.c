/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine's log: the last lines in memory, for `swsgx stat`; all of them in
 * a file if SWSGX_LOG names one.  Never the program's stderr.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINES 128u
#define LOG_WIDTH 200u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[LOG_LINES][LOG_WIDTH];
static unsigned long count;
static int log_fd = -1;
static int open_error; /* errno, why there is no file */

/**
 * log_open() - open the log file that SWSGX_LOG names
 *
 * A FIFO that nobody reads is refused (ENXIO) and not waited for.
 * Context: before the caller's files are closed, since it may be /dev/stderr.
 * Return: descriptor, 3 or above; -1: there is no such file, see log_note().
 */
int log_open(void)
{
	const char *path = getenv("SWSGX_LOG");
	int fd, high;

	if (!path || !*path)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	high = fd < 0 || fd > 2 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	open_error = high < 0 ? errno : 0;
	return high;
}

/**
 * log_init() - write the log to a file, too
 * @fd: from log_open()
 */
void log_init(int fd)
{
	log_fd = fd;
	/* What libc or a sanitizer has to say of us, too; it was /dev/null */
	if (log_fd >= 0)
		dup2(log_fd, STDERR_FILENO);
}

/**
 * log_note() - tell who starts the machine that there is no log file
 * @ready:	receives it, if SWSGX_LOG names a file that cannot be written
 */
void log_note(struct daemon_ready *ready)
{
	if (open_error)
		machine_warn(ready,
			     "no log file: SWSGX_LOG is %.200s: %s (the last lines are in 'swsgx "
			     "stat --json')",
			     getenv("SWSGX_LOG"), strerror(open_error));
}

/**
 * log_line() - one line
 * @fmt: no newline; what is too long is cut
 */
void log_line(const char *fmt, ...)
{
	char *line, out[LOG_WIDTH + 64];
	va_list ap;
	int n;

	pthread_mutex_lock(&lock);
	line = lines[count++ % LOG_LINES];
	va_start(ap, fmt);
	vsnprintf(line, LOG_WIDTH, fmt, ap);
	va_end(ap);
	/* What a client had a say in must not forge a line */
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (log_fd >= 0) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		n = snprintf(out, sizeof(out), "%lld.%03ld swsgx[%d]: %s\n", (long long)now.tv_sec,
			     now.tv_nsec / 1000000, getpid(), line);
		/* A full disk must not stop the machine; a full pipe loses a line */
		if (write(log_fd, out, (size_t)n) < 0 && errno != EAGAIN) {
			snprintf(lines[count++ % LOG_LINES], LOG_WIDTH,
				 "SWSGX_LOG: %s: the file gets no more lines", strerror(errno));
			close(log_fd);
			log_fd = -1;
		}
	}
	pthread_mutex_unlock(&lock);
}

/**
 * log_each() - the last lines, oldest first
 * @each:	called for each; must not log
 * @ctx:	passed on
 */
void log_each(void (*each)(void *ctx, const char *line), void *ctx)
{
	pthread_mutex_lock(&lock);
	for (unsigned long i = count > LOG_LINES ? count - LOG_LINES : 0; i < count; i++)
		each(ctx, lines[i % LOG_LINES]);
	pthread_mutex_unlock(&lock);
}
