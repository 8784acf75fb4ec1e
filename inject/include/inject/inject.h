/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting the agent into a process at exec.
 *
 * One thread does all ptrace for one tracee, from inject_seize() to the end.
 */
#ifndef INJECT_INJECT_H
#define INJECT_INJECT_H

#include <proto/agent.h>
#include <proto/msg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Who is to be followed.  PID namespaces give a process a number each. */
struct inject_target {
	pid_t tid; /* thread, as the caller's namespace numbers it */
	pid_t proc; /* its process, as /proc does */
	bool same_ns; /* the process itself has the caller's numbers */
	int pidfd; /* of its process */
	int err; /* its standard error, -1: none; inject_seize() to inject_follow() */
};

/**
 * inject_seize() - attach to the thread that is about to exec
 * @t: stopped in nothing in particular
 *
 * Context: the calling thread becomes the tracer.  If that ends, the tracee is killed:
 * between its exec and its injection it would run without the agent.
 * Return: 0, or -errno (-EPERM: a foreign tracer, Yama or a set-uid process).
 */
int inject_seize(struct inject_target *t);

/**
 * inject_release() - let go of what inject_seize() has attached to by mistake
 * @t: as for inject_seize(); runs on as if nothing had been
 */
void inject_release(struct inject_target *t);

/**
 * inject_follow() - wait for the exec and inject
 * @t:		as for inject_seize()
 * @exec:	the state that survives, from the request
 * @failed:	set by whoever hears that the exec failed; then PROTO_EXEC_KNOCK ends it
 * @what:	receives a static string for the log where it returns an error
 *
 * Blocks until the process has exec'ed, has been injected and runs detached, or
 * has died, or has said that the exec failed (then it is detached).
 *
 * Return: 1 injected; 0 exec failed, detached; 2 not a program for the agent
 * (other architecture), detached and running; -errno: the process was killed
 * with a message on its stderr, or has died.
 */
int inject_follow(const struct inject_target *t, const struct proto_exec *exec,
		  const atomic_bool *failed, const char **what);

/**
 * inject_traced() - inject into a tracee that is another's
 * @pid:	stopped at its exec event; the caller is its tracer, in its PID namespace
 * @exec:	the state that survives
 *
 * The tracee stays stopped, at the program's first instruction.
 *
 * Return: 0; 2 not a program for the agent; -errno: it was killed with a message on
 * its stderr, or has died.
 */
int inject_traced(pid_t pid, const struct proto_exec *exec);

/**
 * inject_files() - what files look like, for the agents of all later execs
 * @files: copied
 *
 * Context: before the first exec.
 */
void inject_files(const struct proto_files *files);

#endif
