/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers of processes and threads.
 *
 * A process has a number in its own PID namespace and in each one around it.  The
 * kernel translates the pid of a message to ours; the thread number in a message
 * is the sender's own.  /proc is numbered by whichever namespace it was mounted
 * in, which need not be ours (`unshare --pid swsgx run`).
 *
 *	NSpid:	 /proc's	[ours]		...	the process' own
 *			 0	depth of ours		last
 */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 34 /* MAX_PID_NS_LEVEL is 32 */

/* How deep our namespace lies below /proc's; -1: not known yet */
static atomic_int own_depth = -1;

/**
 * proc_number() - a number in a file of /proc
 * @path:	file
 * @word:	its line begins with that; "": the first line
 *
 * Return: it; 0 where there is none.
 */
uint32_t proc_number(const char *path, const char *word)
{
	size_t n = strlen(word);
	uint32_t value = 0;
	char line[128];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, word, n))
			continue;
		value = (uint32_t)strtoul(line + n, NULL, 10);
		break;
	}
	if (f)
		fclose(f);
	return value;
}

/* Return: count of numbers, 0 where there is no such process or thread. */
static int read_nspid(const char *path, pid_t number[DEPTH_MAX])
{
	char line[DEPTH_MAX * 12 + 16], *s, *end;
	FILE *f = fopen(path, "re");
	int n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		for (s = line + 6; n < DEPTH_MAX; s = end) {
			number[n] = (pid_t)strtol(s, &end, 10);
			if (end == s)
				break;
			n++;
		}
		break;
	}
	fclose(f);
	return n;
}

static int depth_of_ours(void)
{
	int depth = atomic_load(&own_depth);

	if (depth < 0) {
		pid_t number[DEPTH_MAX];

		depth = read_nspid("/proc/self/status", number) - 1;
		atomic_store(&own_depth, depth);
	}
	return depth;
}

/**
 * pids_in_proc() - the number by which /proc knows a process
 * @pid:	its number in our PID namespace
 * @pidfd:	of it
 *
 * Return: it, or -ESRCH where the process has gone or /proc does not show it.
 */
pid_t pids_in_proc(pid_t pid, int pidfd)
{
	char path[64], line[128];
	int number = -1;
	FILE *f;

	if (depth_of_ours() == 0)
		return pid;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pid: %d", &number) == 1)
			break;
	if (f)
		fclose(f);
	return number > 0 ? number : -ESRCH;
}

/**
 * pids_depth() - how deep the PID namespace of a process lies below /proc's
 * @proc: process, as /proc numbers it
 *
 * Return: 0 for /proc's own, or -1 where the process has gone.
 */
int pids_depth(pid_t proc)
{
	pid_t number[DEPTH_MAX];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", proc);
	return read_nspid(path, number) - 1;
}

/**
 * pids_at_depth() - what a process is called in the namespace around it of that depth
 * @proc:	process, as /proc numbers it
 * @depth:	as pids_depth() counts
 *
 * Return: its number there, or -ESRCH: it has none, or has gone.
 */
pid_t pids_at_depth(pid_t proc, int depth)
{
	pid_t number[DEPTH_MAX];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", proc);
	return depth >= 0 && read_nspid(path, number) > depth ? number[depth] : -ESRCH;
}

/* Is this thread the one that calls itself own? */
static bool is_thread(pid_t proc, const char *name, uint32_t own, struct inject_target *t)
{
	pid_t number[DEPTH_MAX];
	char path[64];
	int n, depth = depth_of_ours();

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", proc, name);
	n = read_nspid(path, number);
	if (depth < 0 || n <= depth || (uint32_t)number[n - 1] != own)
		return false;
	t->tid = number[depth];
	t->proc = proc;
	t->same_ns = n == depth + 1;
	return true;
}

/**
 * pids_thread() - a thread of a process, by the number that it knows itself by
 * @pid:	process, as our namespace numbers it
 * @pidfd:	of it
 * @own:	thread, as its own namespace numbers it
 * @t:		receives the numbers
 *
 * By numbers, which may have become others' meanwhile: true of the thread only if
 * sender_is_there() says so of the process after this, and if the thread cannot have
 * ended by then, as it is traced.
 *
 * Return: 0, or -ESRCH: the process has no such thread, or has gone.
 */
int pids_thread(pid_t pid, int pidfd, uint32_t own, struct inject_target *t)
{
	pid_t proc = pids_in_proc(pid, pidfd);
	char name[64];
	struct dirent *e;
	bool found;
	DIR *dir;

	if (proc < 0)
		return -ESRCH;
	/* one namespace for all: the common case */
	snprintf(name, sizeof(name), "%u", own);
	if (is_thread(proc, name, own, t))
		return 0;
	snprintf(name, sizeof(name), "/proc/%d/task", proc);
	dir = opendir(name);
	if (!dir)
		return -ESRCH;
	for (found = false; !found && (e = readdir(dir));)
		found = e->d_name[0] != '.' && is_thread(proc, e->d_name, own, t);
	closedir(dir);
	return found ? 0 : -ESRCH;
}
