/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases of the agent's tests: each is one behaviour of Linux that a program can
 * see, and runs as a process of its own, twice: bare and under `swsgx run`.  What
 * it prints and how it ends must be the same (run.sh compares them).
 *
 *	CASE(name) { say("%d", f()); }
 *
 * A program of cases answers --list, or runs the one that is named.  What a case
 * says may not depend on time, addresses or numbers that the kernel chooses.
 */
#ifndef TESTS_AGENT_CASE_H
#define TESTS_AGENT_CASE_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct agent_case {
	const char *name;
	void (*run)(void);
	struct agent_case *next;
};
void case_register(struct agent_case *c);

#define CASE(id)                                                                  \
	static void case_run_##id(void);                                          \
	static struct agent_case case_##id = {.name = #id, .run = case_run_##id}; \
	__attribute__((constructor)) static void case_ctor_##id(void)             \
	{                                                                         \
		case_register(&case_##id);                                        \
	}                                                                         \
	static void case_run_##id(void)

/* A line to standard output, flushed */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What a call returned, and errno where that is -1 */
#define say_errno(what, call)                                      \
	do {                                                       \
		long say_ret_;                                     \
		errno = 0;                                         \
		say_ret_ = (long)(call);                           \
		say("%s: %ld, errno %d", (what), say_ret_, errno); \
	} while (0)
/* What this machine does otherwise than the manuals, bare; run.sh passes it on */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* It cannot be run here, bare or not; run.sh says so */
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Something that must hold to go on: prints what and errno, exits with 3 */
void must_at(bool ok, const char *what, int line);
#define must(cond) must_at(cond, #cond, __LINE__)
/* Run by `swsgx run`? (run.sh says so in the environment) */
bool under_swsgx(void);
/* sigaction() with an empty mask; flags without SA_SIGINFO take a plain handler */
typedef void info_handler(int sig, siginfo_t *info, void *uc);
void catch_info(int sig, info_handler *fn, int flags);
void catch_plain(int sig, void (*fn)(int sig), int flags);
void block(int sig);
void unblock(int sig);
bool blocked(int sig);
/* Wait for a child and say how it ended */
void say_status(const char *what, pid_t pid);
/* Run fn in a forked child and say how it ended */
void in_child(const char *what, void (*fn)(void));
/* Wait until the kernel says 'S' (asleep), 'T' (stopped) … of a process' first thread */
void wait_state(pid_t pid, char state);
/* Path of a program that stands beside this one; static buffer */
const char *beside(const char *name);

#endif
