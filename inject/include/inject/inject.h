/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting the agent into a process at exec.
 *
 * One thread does all ptrace for one tracee, from inject_seize() to the end.
 */
#ifndef INJECT_INJECT_H
#define INJECT_INJECT_H

#include <proto/msg.h>
#include <stdbool.h>
#include <sys/types.h>

/**
 * inject_seize() - attach to the thread that is about to exec
 * @tid: of a thread stopped in nothing in particular
 *
 * Context: the calling thread becomes the tracer.
 * Return: 0, or -errno (-EPERM: a foreign tracer, Yama or a set-uid process).
 */
int inject_seize(pid_t tid);

/**
 * inject_follow() - wait for the exec and inject
 * @pid:	process (thread group) of @tid
 * @exec:	the state that survives, from the request
 * @failed_fd:	private socket; readable = the exec failed (PROTO_MSG_EXEC_FAILED)
 * @what:	receives a static string for the log where it returns an error
 *
 * Blocks until the process has exec'ed, has been injected and runs detached, or
 * has died, or has said that the exec failed (then it is detached, and the
 * caller answers PROTO_MSG_EXEC_DETACHED).
 *
 * Return: 1 injected; 0 exec failed, detached; 2 not a program for the agent
 * (other architecture), detached and running; -errno: the process was killed
 * with a message on its stderr, or has died.
 */
int inject_follow(pid_t tid, pid_t pid, const struct proto_exec *exec, int failed_fd,
		  const char **what);

#endif
