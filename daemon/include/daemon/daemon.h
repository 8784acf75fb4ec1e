/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine: one daemon process that serves the processor and the SGX
 * subsystem to many processes.  The tools call daemon_main() in a process that
 * they have forked for it, and otherwise only know where machines are found.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define DAEMON_EPC_DEFAULT (128ull << 20)
#define DAEMON_EPC_MIN	   (64ull << 10)
#define DAEMON_EPC_MAX	   (1ull << 40)
#define DAEMON_BACKING_MIN (8ull << 10)
#define DAEMON_NAME_MAX	   64

/**
 * struct daemon_options - which machine to be
 * @name:	of a machine that others join; NULL: private to one command
 * @epc_size:	bytes, whole pages, DAEMON_EPC_MIN to DAEMON_EPC_MAX
 * @backing_max: bytes for evicted pages and what goes with them; 0: no limit
 * @intel:	CPUID shows an Intel processor, whatever the host's is
 * @command_fd:	command socket of a private machine, -1 for a named one
 * @ready_fd:	receives one struct daemon_ready, then is closed
 *
 * Every other descriptor of the process is closed.
 */
struct daemon_options {
	const char *name;
	uint64_t epc_size;
	uint64_t backing_max;
	bool intel;
	int command_fd;
	int ready_fd;
};

/* What the starter of a machine reads from ready_fd; nothing: the daemon died */
struct daemon_ready {
	int32_t status; /* 0, or -errno */
	int32_t pid; /* of the daemon */
	char message[496]; /* what went wrong, or a warning; may be empty */
};

/**
 * daemon_main() - be the machine until it ends
 *
 * Context: a process of its own, with one thread.
 * Return: exit status for the process.
 */
int daemon_main(const struct daemon_options *options);

/**
 * daemon_spawn() - daemon_main() in a process that is nobody's child
 * @options:	ready_fd is ignored
 * @ready:	receives what the daemon said
 *
 * Return: 0, or -errno with a message in @ready (never empty then).
 */
int daemon_spawn(const struct daemon_options *options, struct daemon_ready *ready);

/* --- where machines are ------------------------------------------------------- */

/* May a machine be called that? Letters, digits, '.', '_', '-'; not '.' first. */
int machine_name_valid(const char *name);

/**
 * machine_runtime_dir() - the folder of all machines' sockets, made if missing
 * @path:	receives it; PATH_MAX bytes
 *
 * $XDG_RUNTIME_DIR/swsgx, or /tmp/swsgx-UID.  Return: 0, or -errno; -EPERM where
 * it belongs to somebody else or others may write there.
 */
int machine_runtime_dir(char *path);

/**
 * machine_connect() - a connection to a running machine
 * @name:	its name
 * @ret_pid:	receives the daemon's pid; may be NULL
 *
 * Return: descriptor, or -errno: -ENOENT no such machine, -EPERM it is served by
 * another user.
 */
int machine_connect(const char *name, pid_t *ret_pid);

/**
 * machine_ask() - one question to a machine, and its answer
 * @fd:		a fresh connection
 * @type:	PROTO_MSG_RUN, _STAT, _SUSPEND, _POISON or _STOP
 * @arg:	of the question
 * @text:	receives what PROTO_MSG_TEXT brings; NULL: it is dropped
 *
 * Return: status of the answer: 0, or -errno; -EPIPE: the machine died.
 */
int machine_ask(int fd, uint32_t type, uint32_t arg, FILE *text);

/**
 * machine_ask_words() - machine_ask() with operands
 * @words:	8, of the question; receive those of the answer (the first is the daemon's
 *		pid) where there was one
 */
int machine_ask_words(int fd, uint32_t type, uint32_t arg, FILE *text, uint64_t words[8]);

/**
 * machine_list() - names of the machines that run
 * @each:	called for each, with its daemon's pid
 *
 * Return: 0, or -errno.
 */
int machine_list(void (*each)(void *ctx, const char *name, pid_t pid), void *ctx);

#endif
