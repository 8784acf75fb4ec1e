/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines on the standard error of a process that somebody else looks at. */
#ifndef INJECT_WORD_H
#define INJECT_WORD_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * word_open() - where a process' words go
 * @pid: as for word_say()
 *
 * Return: a descriptor to close, or -1.
 */
int word_open(pid_t pid);
/* The same, of the process of a pidfd */
int word_open_pidfd(int pidfd);

/* word_say() to what word_open() has returned; the caller closes it */
void word_say_to(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * word_say() - one line, with "swsgx: " before it
 * @pid:	process that the caller traces, as the caller's PID namespace numbers it
 * @fmt:	without a newline
 *
 * Never waits: where the reader is slow, the line is lost.
 */
void word_say(pid_t pid, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * word_privileges() - say it where an exec would have raised privileges
 * @pid:	process at its exec stop
 * @proc:	the same as /proc numbers it
 *
 * With no_new_privs, which the filter needs, the kernel ignores set-user-ID,
 * set-group-ID and file capabilities.
 */
void word_privileges(pid_t pid, pid_t proc);

/* A program that is not for the agent: what it has to do without.  @filtered: execve, too */
void word_foreign(pid_t pid, pid_t proc, bool filtered);

#endif
