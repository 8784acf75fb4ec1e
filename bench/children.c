/* SPDX-License-Identifier: BSD-3-Clause */
#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/**
 * now_ns() - CLOCK_MONOTONIC
 *
 * Return: nanoseconds
 */
uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int spawn(pid_t *pid, const char *const *argv, const int *from, const int *to, size_t count)
{
	posix_spawn_file_actions_t actions;
	int ret;

	posix_spawn_file_actions_init(&actions);
	for (size_t i = 0; i < count; i++)
		posix_spawn_file_actions_adddup2(&actions, from[i], to[i]);
	ret = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
}

/**
 * child_start() - start a bench-probe
 * @c:	  filled in
 * @argv: it, or what runs it
 *
 * Return: 0 or -errno
 */
int child_start(struct child *c, const char *const *argv)
{
	const int to[] = {STDIN_FILENO, STDOUT_FILENO};
	int in[2], out[2], from[2], ret;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	from[0] = in[0];
	from[1] = out[1];
	ret = spawn(&c->pid, argv, from, to, 2);
	close(in[0]);
	close(out[1]);
	c->ask = fdopen(in[1], "w");
	c->say = fdopen(out[0], "r");
	return c->ask && c->say ? ret : -ENOMEM;
}

/**
 * child_say() - ask for a measurement, and go on
 * @c:	      probe
 * @question: see probe.c
 */
void child_say(struct child *c, const char *question)
{
	fprintf(c->ask, "%s\n", question);
	(void)fflush(c->ask);
}

/**
 * child_hear() - its answer
 * @c:	      probe
 * @question: that it was asked
 * @ns:	      answer
 * @sum:      answer
 * @why:      on failure, what it said
 * @why_size: bytes there
 *
 * Return: it was measured
 */
bool child_hear(struct child *c, const char *question, double *ns, uint64_t *sum, char *why,
		size_t why_size)
{
	unsigned long long checksum;
	char line[128];

	if (!fgets(line, sizeof(line), c->say)) {
		snprintf(why, why_size, "%s: the program ended", question);
		return false;
	}
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%lf %llu", ns, &checksum) != 2) {
		snprintf(why, why_size, "%s: %s", question, line[0] ? line + 2 : "");
		return false;
	}
	*sum = checksum;
	return true;
}

/**
 * child_ask() - one measurement
 * @c:	      probe
 * @question: see probe.c
 * @ns:	      answer
 * @sum:      answer
 * @why:      on failure, what it said
 * @why_size: bytes there
 *
 * Return: it was measured
 */
bool child_ask(struct child *c, const char *question, double *ns, uint64_t *sum, char *why,
	       size_t why_size)
{
	child_say(c, question);
	return child_hear(c, question, ns, sum, why, why_size);
}

/**
 * child_end() - close its input, and wait
 * @c: probe
 */
void child_end(struct child *c)
{
	fclose(c->ask);
	fclose(c->say);
	waitpid(c->pid, NULL, 0);
}

/**
 * start_quiet() - a program that goes on by itself
 * @pid:  of it
 * @argv: it
 *
 * Return: 0 or -errno
 */
int start_quiet(pid_t *pid, const char *const *argv)
{
	const int to[] = {STDOUT_FILENO};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), ret;

	if (null < 0)
		return -errno;
	ret = spawn(pid, argv, &null, to, 1);
	close(null);
	return ret;
}

#define STAMP_FD 9

/**
 * run_quiet() - run a program to its end
 * @argv:     it
 * @ret_ns:   from here to its end
 * @main_ns:  NULL, or when it said (see stamp.c) that main() began
 * @start_ns: NULL, or when it was started
 *
 * Return: 0, or -errno: it could not be run, or failed.
 */
int run_quiet(const char *const *argv, uint64_t *ret_ns, uint64_t *main_ns, uint64_t *start_ns)
{
	const int to[] = {STDOUT_FILENO, STAMP_FD};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), stamp[2], from[2], status, ret;
	uint64_t start, end;
	pid_t pid;

	if (null < 0 || pipe2(stamp, O_CLOEXEC))
		return -errno;
	from[0] = null;
	from[1] = stamp[1];
	start = now_ns();
	ret = spawn(&pid, argv, from, to, 2);
	if (!ret && (waitpid(pid, &status, 0) != pid || status))
		ret = -ECHILD;
	end = now_ns();
	close(stamp[1]);
	close(null);
	if (!ret && main_ns && read(stamp[0], main_ns, sizeof(*main_ns)) != sizeof(*main_ns))
		ret = -EIO;
	close(stamp[0]);
	if (ret_ns)
		*ret_ns = end - start;
	if (start_ns)
		*start_ns = start;
	return ret;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/**
 * median() - of some numbers
 * @values: sorted by this
 * @count:  one or more
 *
 * Return: it
 */
double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
