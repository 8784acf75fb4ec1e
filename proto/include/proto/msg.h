/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages over sockets (AF_UNIX, SOCK_SEQPACKET): set-up, descriptors, tools.
 *
 * Two kinds of socket.  The *command* socket is inherited by every process of
 * one `swsgx run` and never closed by them; when its last copy is closed the
 * command is over.  Because many processes share it, nothing is ever received
 * on it by them: each message carries a descriptor of the sender's *private*
 * socket, on which the daemon answers.  The kernel vouches for the sender
 * (SCM_CREDENTIALS and SCM_PIDFD): a message of a process that has ended is dropped.
 */
#ifndef PROTO_MSG_H
#define PROTO_MSG_H

#include <proto/channel.h>

/*
 * Of the userfaultfd of a CONNECT, no more and no less (<linux/userfaultfd.h>): the daemon
 * takes no other.
 */
#define PROTO_UFFD_FEATURES                                                            \
	(UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM | \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_PAGEFAULT_FLAG_WP)

enum proto_msg_type {
	/*
	 * Agent -> daemon, command socket, fds: private socket [, userfaultfd].
	 * Answer: PROTO_MSG_CONNECTED, fds: channel memfd, machine page memfd; or a
	 * status (-ENFILE: the daemon has no descriptors left) and none.
	 */
	PROTO_MSG_CONNECT = 1,
	PROTO_MSG_CONNECTED,
	/*
	 * Agent or tool -> daemon, command socket, fd: private socket: thread
	 * tid of the sending process is about to execve.  The daemon attaches
	 * and answers PROTO_MSG_EXEC_READY (status 0 or -errno: exec without
	 * injection is not possible).  Then either the exec happens, or the sender
	 * says PROTO_MSG_EXEC_FAILED in the same way, with the same tid.  The answer
	 * is PROTO_MSG_EXEC_HEARD: where its status is 0, the thread sends itself
	 * PROTO_EXEC_KNOCK, for which it stops and which it never gets, since its
	 * tracer lets go of it then.  No descriptor is open meanwhile.
	 */
	PROTO_MSG_EXEC,
	PROTO_MSG_EXEC_READY, /* status -EPERM: refusal says what; -ENOENT: there is no /proc */
	PROTO_MSG_EXEC_FAILED,
	PROTO_MSG_EXEC_HEARD,
	/* Descriptors that belong to an RPC answer; slot = number of the RPC slot */
	PROTO_MSG_FDS,
	/* Tool -> daemon, a fresh connection to the machine's socket */
	PROTO_MSG_RUN, /* this connection becomes a command socket; answer PROTO_MSG_OK */
	PROTO_MSG_STAT, /* answer: PROTO_MSG_TEXT, JSON, in as many messages as it takes, then OK */
	/*
	 * Answer OK, then the daemon ends; -EBUSY if clients, unless arg & 1.  The
	 * connection stays open until the machine's name can be used again.
	 */
	PROTO_MSG_STOP,
	PROTO_MSG_TEXT,
	PROTO_MSG_OK,
	/*
	 * Debugger -> daemon, command socket, fd: private socket, over which
	 * struct proto_debug go from now on (proto/debug.h).  Answer: OK there.
	 */
	PROTO_MSG_DEBUG,
	/* Tool -> daemon, as STAT */
	PROTO_MSG_SUSPEND, /* a sleep state: every enclave is lost; answer OK, -ENOMEM */
	/*
	 * A memory error in an EPC page: of number words[0]; with arg 1 the one that the
	 * page at offset words[1] of the enclave with EID words[0] is in.  Answer OK,
	 * words[1] its number; -ENXIO no such page, -EALREADY, and with arg 1: -ESRCH no
	 * such enclave, -ENOENT no such page of it, -ENODATA it is evicted.
	 */
	PROTO_MSG_POISON,
	/*
	 * Tool -> daemon, as STAT: what a list shows; answer OK alone.  With arg 1: is
	 * words[0] the pid of a process of this machine?
	 */
	PROTO_MSG_INFO,
	/*
	 * Tool in a program of the machine -> daemon, command socket, fd: private socket.
	 * Answer OK, words: enum proto_who.
	 */
	PROTO_MSG_WHO,
};

/* words[] of the OK that answers INFO */
enum proto_info {
	PROTO_INFO_PID, /* of the daemon, as in every answer */
	PROTO_INFO_EPC, /* bytes */
	PROTO_INFO_EPC_FREE, /* bytes */
	PROTO_INFO_CPU, /* enum cpu_model_number */
	PROTO_INFO_PROCESSES, /* that are connected */
	PROTO_INFO_ENCLAVES, /* that there are */
	PROTO_INFO_FOUND, /* 1: with arg 1, it is */
};

/* words[] of the answer to WHO: which machine this is */
enum proto_who {
	PROTO_WHO_PID, /* of the daemon, as in every answer */
	PROTO_WHO_EPC, /* bytes, as are those of the next */
	PROTO_WHO_BACKING, /* at most; 0: no limit */
	PROTO_WHO_CPU, /* enum cpu_model_number */
};

/* words[] of the OK that ends a STAT */
enum proto_stat {
	PROTO_STAT_PID, /* of the daemon, as in every answer */
	PROTO_STAT_EWB, /* since the machine's start, as are the next two */
	PROTO_STAT_ELDU,
	PROTO_STAT_SOFT_FAULTS,
	PROTO_STAT_MS, /* CLOCK_MONOTONIC in milliseconds */
};

/* What survives an exec in the virtual signal state. */
struct proto_exec {
	uint32_t tid; /* thread that will call execve */
	uint32_t flags; /* PROTO_EXEC_* */
	uint64_t sigmask; /* the program's mask (all 64 bits, virtual) */
	uint64_t sigignored; /* signals the program ignores, of the agent's own */
	int32_t command_fd; /* number of the command socket in the process */
	uint32_t said; /* a bit for each missing thing that was said: agent/explain/explain.c */
};
/* Why a thread cannot be traced */
struct proto_refusal {
	uint64_t daemon_pid; /* as in every answer */
	uint32_t tracer; /* who does already, 0: nobody */
	uint32_t yama; /* kernel.yama.ptrace_scope */
	char name[16]; /* of the tracer */
};
#define PROTO_EXEC_KNOCK    SIGBUS /* one of the two that no handler of the agent's blocks */
#define PROTO_EXEC_FILTERED (1u << 0) /* the seccomp filter is installed already */
#define PROTO_EXEC_STAGE2   (1u << 1) /* so is its second stage */
#define PROTO_EXEC_NNP	    (1u << 2) /* the program has set no_new_privs */
#define PROTO_EXEC_SECCOMP  (1u << 3) /* it has filters of its own */
#define PROTO_EXEC_STOP	    (1u << 4) /* leave the new image stopped, as by SIGSTOP */
#define PROTO_EXEC_CORE	    (1u << 5) /* DEBUG enclaves are in core files */
#define PROTO_EXEC_EXPLAIN  (1u << 6) /* every refusal is said */
#define PROTO_EXEC_LISTS    (1u << 7) /* the filter for listings is installed already */

struct proto_msg {
	uint32_t magic, version;
	uint32_t type; /* enum proto_msg_type */
	int32_t status; /* answers: 0 or -errno */
	uint32_t arg;
	uint32_t slot;
	union {
		struct proto_exec exec;
		struct proto_refusal refusal;
		uint64_t words[8];
	};
};

#define PROTO_TEXT_MAX (32u << 10) /* bytes after struct proto_msg in a PROTO_MSG_TEXT */

#endif
