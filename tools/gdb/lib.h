/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libswsgx-gdb.so: loaded into gdb by `swsgx gdb`.
 *
 * It stands between gdb and the kernel, and makes a process with an agent look as
 * one on SGX hardware:
 *
 *  memory  What gdb reads and writes of enclaves goes to the machine, which does
 *	    it as Linux does for ptrace: EDBGRD and EDBGWR for debug enclaves; all
 *	    ones, and no writes, for others.
 *  signals The agent's own (a trapped system call, ENCLU, a page that the daemon
 *	    has to bring) are passed on without gdb's knowledge; a single step over
 *	    one of them ends where the agent has brought the thread.
 *
 * gdb is one thread here: it makes all its ptrace calls from its main thread.  The
 * wrappers of open, close, pread and pwrite may be called from others, which read
 * symbols; these never touch /proc/PID/mem.
 */
#ifndef TOOLS_GDB_LIB_H
#define TOOLS_GDB_LIB_H

#include <proto/agent.h>
#include <proto/debug.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* The kernel's, as gdb would have called them */
struct real {
	long (*ptrace)(int request, pid_t pid, void *addr, void *data);
	pid_t (*waitpid)(pid_t pid, int *status, int options);
	int (*open)(const char *path, int flags, ...);
	int (*close)(int fd);
	ssize_t (*pread)(int fd, void *buf, size_t size, off_t offset);
	ssize_t (*pwrite)(int fd, const void *buf, size_t size, off_t offset);
};
extern struct real real;

extern bool passing; /* the library's own calls: the wrappers do nothing */
extern unsigned execs; /* that were followed */
extern bool show_agent; /* swsgx gdb --agent: hide nothing */
extern bool kill_on_exit; /* gdb started the program, and takes it along */

/* --- proc.c: processes ------------------------------------------------------------ */

struct proc {
	struct proc *next;
	pid_t pid;
	pid_t memory_of; /* a vfork child: whose memory it shares; else 0 */
	bool agent; /* it has one */
	bool looked; /* agent and layout are known */
	bool stopped; /* by job control, when gdb came */
	bool continued; /* a SIGCONT of ours is on its way */
	bool forked; /* gdb has not let it run yet: its enclave memory is the parent's */
	int mem; /* /proc/PID/mem, -1 */
	int sock; /* to its machine; -1, or -2: it cannot be reached */
	struct proto_agent_debug layout;
	bool fresh; /* ranges are those of now */
	struct proto_debug_range *range;
	uint32_t range_count, range_room;
};

struct proc *proc_get(pid_t pid); /* made if missing; NULL: no memory */
struct proc *proc_of_thread(pid_t tid);
void proc_forget(pid_t pid);
/* A new image, or a new process: look again */
void proc_renew(struct proc *p);
bool proc_has_agent(struct proc *p);
/* It is about to run: what was known of its mappings may change. */
void proc_runs(struct proc *p);
/* The agent's memory and the program's, but not enclaves'.  False: not all there. */
bool proc_peek(struct proc *p, uint64_t addr, void *buf, size_t size);
/* The mappings of enclaves at or above addr: the first.  NULL: none. */
const struct proto_debug_range *proc_range(struct proc *p, uint64_t addr);
/* Is addr in the ELRANGE of an enclave that the agent knows? */
bool proc_in_elrange(struct proc *p, uint64_t addr);
/* Return: bytes, at least one; -1 with errno */
ssize_t proc_encl_access(struct proc *p, const struct proto_debug_range *r, uint64_t addr,
			 void *buf, size_t size, bool write);
/* A thread in enclave mode, and where it came from */
struct proc_inside {
	uint64_t tcs_addr; /* linear address of its TCS */
	uint64_t rip, rsp, rbp; /* after the ENCLU */
	uint64_t fs; /* base */
};
/* False: the thread is not in enclave mode. */
bool proc_inside(struct proc *p, pid_t tid, struct proc_inside *in);
/* At the exec event: put the agent into the new image, as the daemon does elsewhere. */
void proc_exec(struct proc *p);
/* Ask the machine to bring a page.  True: it is there. */
bool proc_encl_fault(struct proc *p, uint64_t addr, uint32_t access);

/* --- bridge.c: for swsgx-gdb.py ----------------------------------------------------- */

/* Addresses that only gdb sees */
bool bridge_covers(uint64_t addr);
ssize_t bridge_access(uint64_t addr, void *buf, size_t size, bool write);

/* --- task.c: threads --------------------------------------------------------------- */

/* gdb's request to run a thread: make it, perhaps otherwise. */
long task_resume(int request, pid_t tid, void *addr, void *data);
/* A thread has stopped or ended.  False: gdb is not to know. */
bool task_event(pid_t tid, int *status);

#endif
