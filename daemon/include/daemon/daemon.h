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
#define DAEMON_DEVICE_MODE 0666u /* of the device files, where nothing else is said */

/* Who may open /dev/sgx_provision, and so give an enclave PROVISIONKEY */
enum daemon_provision {
	DAEMON_PROVISION_ALLOW, /* who may open /dev/sgx_enclave */
	DAEMON_PROVISION_DENY, /* nobody, root neither */
	DAEMON_PROVISION_GROUP, /* root and a group */
};
#define DAEMON_PROVISION_MODE 0660u /* of the file, with a group */

/* Which generations of the interface there are: bits of struct daemon_options.devices */
#define DAEMON_DEVICES_UPSTREAM (1u << 0) /* Linux since 5.11: /dev/sgx_enclave */
#define DAEMON_DEVICES_V22	(1u << 1) /* the patch series before it: /dev/sgx/enclave */

/* What the firmware has left in IA32_FEATURE_CONTROL and IA32_SGXLEPUBKEYHASH0-3 */
enum daemon_launch {
	DAEMON_LAUNCH_BY_MODEL, /* flexible where the processor has the MSRs */
	DAEMON_LAUNCH_FLEXIBLE,
	DAEMON_LAUNCH_LOCKED, /* Intel's hash */
	DAEMON_LAUNCH_LOCKED_HASH, /* another */
};

/**
 * struct daemon_options - which machine to be
 * @name:	of a machine that others join; NULL: private to one command
 * @ephemeral:	its fuses are new, and kept nowhere: what it sealed opens never again
 * @epc_size:	bytes, whole pages, DAEMON_EPC_MIN to DAEMON_EPC_MAX
 * @backing_max: bytes for evicted pages and what goes with them; 0: no limit
 * @model:	which processor CPUID shows: enum cpu_model_number
 * @program:	pid of the process that becomes the program of a private machine
 * @device_mode: permission bits of the device files
 * @device_gid:	group of the device files
 * @provision:	enum daemon_provision
 * @provision_gid: the group, of DAEMON_PROVISION_GROUP
 * @launch:	enum daemon_launch
 * @launch_hash: the MRSIGNER of DAEMON_LAUNCH_LOCKED_HASH
 * @devices:	DAEMON_DEVICES_*; 0: upstream's
 * @dev_noexec:	mappings of the device are as on a noexec mount
 * @command_fd:	command socket of a private machine, -1 for a named one
 * @starter:	who starts it, of a private machine the program to be
 * @ready_fd:	receives one struct daemon_ready, then is closed
 *
 * Every other descriptor of the process is closed.
 */
struct daemon_options {
	const char *name;
	bool ephemeral;
	uint64_t epc_size;
	uint64_t backing_max;
	uint32_t model;
	pid_t program;
	uint32_t device_mode;
	uint32_t device_gid;
	uint32_t provision, provision_gid;
	uint32_t launch;
	uint8_t launch_hash[32];
	uint32_t devices;
	bool dev_noexec;
	int command_fd;
	int ready_fd;
	pid_t starter;
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
 * $XDG_RUNTIME_DIR/swsgx; where that is no folder of this user's /run/user/UID/swsgx;
 * where that is none either /tmp/swsgx-UID.  Return: 0, or -errno; -EPERM where it
 * belongs to somebody else or others may write there.
 */
int machine_runtime_dir(char *path);

/**
 * machine_runtime_note() - is XDG_RUNTIME_DIR set, and yet not where machines are?
 * @text:	receives a line that says why not, and where they are; else untouched
 * @size:	of @text
 *
 * Return: whether that is so.
 */
bool machine_runtime_note(char *text, size_t size);

/* --- what a machine keeps while it is off --------------------------------------- */

/**
 * machine_update_tcb() - raise a machine's CPUSVN, as a microcode update does
 * @name:	of a machine that has been started before
 * @cpusvn:	receives the new one
 *
 * The first component of the sixteen goes up by one.  A machine that runs keeps its own
 * until its next start.
 *
 * Return: 0, or -errno: -ENOENT it was never started; -ERANGE it cannot go higher; -EPERM
 * others may read its folder; -EINVAL the file does not have 16 bytes.
 */
int machine_update_tcb(const char *name, uint8_t cpusvn[16]);

/**
 * machine_owner_epoch() - change who owns a machine: OWNEREPOCH, from its next start
 * @name:	of a machine that has been started before
 * @epoch:	the new one
 *
 * Return: 0, or -errno, as machine_update_tcb().
 */
int machine_owner_epoch(const char *name, const uint8_t epoch[16]);

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
 * @type:	PROTO_MSG_RUN, _STAT, _INFO, _SUSPEND, _POISON or _STOP
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
 * machine_connect_private() - machine_connect() to a machine of `swsgx run` alone
 * @program:	pid of the process that became the program
 * @ret_pid:	receives the daemon's pid; may be NULL
 *
 * It answers STAT and INFO; all else is -EPERM.
 */
int machine_connect_private(pid_t program, pid_t *ret_pid);

/**
 * struct machine_id - which machine
 * @name:	of a named one; "": it is private
 * @program:	of a private one: pid of the process that became the program
 */
struct machine_id {
	char name[DAEMON_NAME_MAX + 1];
	pid_t program;
};

/* A machine, a fresh connection to it on which answers are waited for 2 s, its daemon. */
typedef void machine_each(void *ctx, const struct machine_id *id, int fd, pid_t pid);

/**
 * machine_list() - the user's machines that run, the named ones first
 * @each:	called for each; need not close the connection
 * @ctx:	passed on
 *
 * Return: 0, or -errno.
 */
int machine_list(machine_each *each, void *ctx);

/**
 * machine_of_pid() - the machine that a process uses
 * @pid:	of the program of `swsgx run`, a process that has used SGX, or the daemon
 * @ret_id:	receives the machine
 *
 * Return: 0, or -errno; -ENOENT: no machine of this user knows that process.
 */
int machine_of_pid(pid_t pid, struct machine_id *ret_id);

#endif
