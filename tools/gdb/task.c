/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads, and what gdb does not see of them.
 *
 * The kernel stops a traced thread for each signal before its handler runs.  One
 * that is the agent's is passed on at once.  Was the thread single-stepping, gdb
 * shall see one step: from the trap to where the agent's handler returns to.
 *
 *	gdb's SINGLESTEP --signal of the agent's--> THROUGH: PTRACE_SYSCALL until
 *	the exit of an rt_sigreturn that leads out of the agent: "stepped"
 *
 * The place of clone calls is in the agent's text too: a step over clone or fork goes on
 * through it.  A step into the agent's plain-call entry is turned back to the
 * vDSO's ENCLU, from which the step takes the way of the trap.
 *
 * Nothing here waits: each stop is dealt with when gdb asks for events.
 */
#include "lib.h"

#include <sgx/arch.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENCLU_BYTES 0xd7010fu
#define SYSCALL_LEN 2

/* So often the same fault, and nothing else of the thread: the agent is asked */
#define FAULT_TRIES 64u
/* So often a fault where there is a page: a write, that the EPCM refuses */
#define FAULT_WRITES 4u

struct task {
	struct task *next;
	pid_t tid, pid;
	int request; /* how gdb let it run */
	bool through; /* stepping through the agent */
	bool in_sigreturn;
	uint64_t retry_rip; /* through a page fault: the instruction is to be run again */
	uint64_t fault_rip, fault_addr; /* of the last event, if it was such a fault */
	uint32_t fault_tries, fault_writes;
	int shown_sig; /* the program's own fault that gdb was shown last */
	uint64_t shown_rip;
};

static struct task *tasks;

static struct task *task_get(pid_t tid)
{
	struct proc *p;
	struct task *t;

	for (t = tasks; t; t = t->next)
		if (t->tid == tid)
			return t;
	p = proc_of_thread(tid);
	t = p ? calloc(1, sizeof(*t)) : NULL;
	if (!t)
		return NULL;
	t->tid = tid;
	t->pid = p->pid;
	t->next = tasks;
	tasks = t;
	return t;
}

static void task_forget(pid_t tid)
{
	for (struct task **at = &tasks; *at; at = &(*at)->next) {
		struct task *t = *at;

		if (t->tid == tid) {
			*at = t->next;
			free(t);
			break;
		}
	}
	/* the leader's is the last of a process */
	proc_forget(tid);
}

static long run(const struct task *t, int request, int sig)
{
	return real.ptrace(request, t->tid, NULL, (void *)(intptr_t)sig);
}

static bool in_agent(const struct proc *p, uint64_t rip)
{
	return rip - PROTO_AGENT_BASE < p->layout.text_end;
}

static bool in_handler(const struct user_regs_struct *regs)
{
	return regs->rsp - (PROTO_AGENT_BASE + PROTO_AGENT_BLOCKS) <=
	       (uint64_t)PROTO_AGENT_BLOCK_SIZE * PROTO_AGENT_BLOCK_COUNT;
}

static bool in_clone(uint64_t rip)
{
	return rip - (PROTO_AGENT_BASE + PROTO_AGENT_CLONE_OFF) < PROTO_AGENT_CLONE_SIZE;
}

/*
 * Step a thread that is in the agent's text.  Return: false where it is out of it
 * now, with nothing executed.
 */
static bool step_out(struct task *t, struct user_regs_struct *regs, int sig)
{
	if (regs->rip == PROTO_AGENT_BASE + PROTO_AGENT_ENTER_OFF) {
		/* as the agent's own roll-back does it: RCX is the ENCLU */
		regs->rip = regs->rcx;
		return real.ptrace(PTRACE_SETREGS, t->tid, NULL, regs) < 0;
	}
	if (in_handler(regs) || in_clone(regs->rip)) {
		t->through = true;
		t->in_sigreturn = false;
		run(t, PTRACE_SYSCALL, sig);
	} else {
		/* the plain-call entry, from the middle: to the jump at its end */
		t->through = false;
		run(t, PTRACE_SINGLESTEP, sig);
	}
	return true;
}

/* A stop of job control, which outlives what a tracer does to single threads. */
static bool is_stopped(pid_t tid)
{
	char path[32], line[128], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "State: %c", &state) == 1)
			break;
	fclose(f);
	return state == 'T';
}

/**
 * task_resume() - gdb lets a thread run, or comes and goes
 * @request:	PTRACE_CONT, SINGLESTEP, SYSCALL, ATTACH or DETACH
 * @tid:	thread
 * @addr:	as gdb has it
 * @data:	signal
 *
 * Return: as ptrace, with errno.
 */
long task_resume(int request, pid_t tid, void *addr, void *data)
{
	struct task *t = task_get(tid);
	struct proc *p = t ? proc_get(t->pid) : NULL;
	struct user_regs_struct regs;
	long ret;

	if (!p)
		return real.ptrace(request, tid, addr, data);
	if (request == PTRACE_ATTACH) {
		p->stopped = is_stopped(tid);
		return real.ptrace(request, tid, addr, data);
	}
	if (request == PTRACE_DETACH) {
		ret = real.ptrace(request, tid, addr, data);
		task_forget(tid);
		return ret;
	}
	proc_runs(p);
	if (p->stopped) {
		/* or every new thread would stop */
		p->stopped = false;
		p->continued = !kill(p->pid, SIGCONT);
	}
	t->request = request;
	t->through = false;
	t->retry_rip = 0;
	if (t->shown_sig && t->shown_sig != (int)(intptr_t)data)
		t->shown_sig = 0;
	if (request == PTRACE_SINGLESTEP && !show_agent &&
	    !real.ptrace(PTRACE_GETREGS, tid, NULL, &regs) && in_agent(p, regs.rip) &&
	    proc_has_agent(p) && step_out(t, &regs, (int)(intptr_t)data))
		return 0;
	return real.ptrace(request, tid, addr, data);
}

/* Is the signal caught?  The agent's are, but by a process that is dying of one. */
static bool is_caught(const struct task *t, int sig)
{
	char path[32], line[128];
	unsigned long long caught = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", t->tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SigCgt: %llx", &caught) == 1)
			break;
	fclose(f);
	return caught >> (sig - 1) & 1;
}

enum verdict {
	PROGRAM, /* gdb's to see */
	AGENT, /* pass it on */
	AGAIN, /* solved: run the access again */
};

/*
 * Is there a PTE?  Then what faulted was a write; or another thread's fault has
 * brought the page meanwhile.
 */
static bool is_mapped(const struct task *t, uint64_t addr)
{
	char path[32];
	uint64_t entry = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", t->pid);
	fd = real.open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (real.pread(fd, &entry, sizeof(entry), (off_t)(addr >> SGX_PAGE_SHIFT) * 8) !=
	    (ssize_t)sizeof(entry))
		entry = 0;
	real.close(fd);
	return entry >> 63;
}

/*
 * A fault on an enclave's addresses: a page that is not there yet, or a real one?
 * The machine says; where it cannot, or says the same again and again, the agent,
 * which knows all of the fault.
 */
static enum verdict enclave_fault(struct task *t, struct proc *p, int sig, uint64_t rip,
				  uint64_t addr)
{
	uint32_t access = 0;
	bool again = rip == t->fault_rip && addr == t->fault_addr;

	t->fault_rip = rip;
	t->fault_addr = addr;
	t->fault_tries = again ? t->fault_tries + 1 : 0;
	t->fault_writes = again ? t->fault_writes : 0;
	if (sig == SIGSEGV)
		return again ? PROGRAM : AGENT;
	if (t->fault_tries == FAULT_TRIES || p->sock == -2) {
		t->fault_rip = 0;
		return AGENT;
	}
	if (is_mapped(t, addr)) {
		/* not the first time, and not as long as it may be a race */
		t->fault_writes++;
		if (!again || proc_encl_fault(p, addr, SGX_PF_W) || t->fault_writes < FAULT_WRITES)
			return AGAIN;
		return p->sock >= 0 ? PROGRAM : AGENT;
	}
	t->fault_writes = 0;
	if (rip >> SGX_PAGE_SHIFT == addr >> SGX_PAGE_SHIFT)
		access = SGX_PF_I;
	if (proc_encl_fault(p, addr, access))
		return AGAIN;
	return p->sock >= 0 ? PROGRAM : AGENT;
}

static enum verdict classify(struct task *t, struct proc *p, int sig,
			     const struct user_regs_struct *regs)
{
	uint32_t bytes = 0;
	uint64_t addr;
	siginfo_t info;

	if (sig != SIGSYS && sig != SIGILL && sig != SIGSEGV && sig != SIGBUS && sig != SIGFPE)
		return PROGRAM;
	if (real.ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) < 0 || info.si_code <= 0)
		return PROGRAM;
	/* a trapped call; but inside an enclave it is an exception */
	if (sig == SIGSYS)
		return proc_in_elrange(p, regs->rip - SYSCALL_LEN) ? PROGRAM : AGENT;
	if (in_agent(p, regs->rip))
		return is_caught(t, sig) ? AGENT : PROGRAM;
	addr = (uint64_t)(uintptr_t)info.si_addr;
	if (sig == SIGILL || (sig == SIGSEGV && info.si_code == SI_KERNEL)) {
		if (!proc_peek(p, regs->rip, &bytes, 3))
			proc_peek(p, regs->rip, &bytes, 2);
		if (bytes == ENCLU_BYTES)
			return is_caught(t, sig) ? AGENT : PROGRAM;
		bytes &= 0xffff;
		return sig == SIGSEGV &&
				       (bytes == PROTO_CPUID_STAND_IN ||
					bytes == PROTO_CPUID_INSN) &&
				       !proc_in_elrange(p, regs->rip)
			       ? AGENT
			       : PROGRAM;
	}
	/* SEGV_ACCERR: the mapping denies it, and nobody brings a page */
	if ((sig == SIGBUS || (sig == SIGSEGV && info.si_code == SEGV_MAPERR)) &&
	    proc_in_elrange(p, addr) && is_caught(t, sig))
		return enclave_fault(t, p, sig, regs->rip, addr);
	return PROGRAM;
}

/* The stop that gdb expects at the end of a step */
static bool stepped(struct task *t, int *status)
{
	t->through = false;
	*status = SIGTRAP << 8 | 0x7f;
	return true;
}

/* A system call's stop on the way through the agent. */
static bool through_syscall(struct task *t, struct proc *p, int *status)
{
	struct __ptrace_syscall_info info;
	struct user_regs_struct regs;

	if (real.ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, (void *)sizeof(info), &info) <= 0 ||
	    real.ptrace(PTRACE_GETREGS, t->tid, NULL, &regs) < 0)
		return true;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->in_sigreturn =
			info.entry.nr == SYS_rt_sigreturn && in_agent(p, info.instruction_pointer);
	} else if (t->in_sigreturn) {
		t->in_sigreturn = false;
		if (!in_agent(p, regs.rip) && regs.rip != t->retry_rip)
			return stepped(t, status);
		if (!in_agent(p, regs.rip) || (!in_handler(&regs) && !in_clone(regs.rip))) {
			/* the faulting instruction, or the plain-call entry */
			t->through = false;
			run(t, PTRACE_SINGLESTEP, 0);
			return false;
		}
	}
	run(t, PTRACE_SYSCALL, 0);
	return false;
}

/* A signal, not of a breakpoint or step. */
static bool signal_event(struct task *t, struct proc *p, int sig)
{
	struct user_regs_struct regs;
	bool stepping = t->through || t->request == PTRACE_SINGLESTEP;

	if (real.ptrace(PTRACE_GETREGS, t->tid, NULL, &regs) < 0)
		return true;
	switch (classify(t, p, sig, &regs)) {
	case AGENT:
		if (!t->through)
			t->retry_rip = sig == SIGSEGV || sig == SIGBUS ? regs.rip : 0;
		if (stepping) {
			t->through = true;
			t->in_sigreturn = false;
		}
		run(t, stepping ? PTRACE_SYSCALL : t->request ? t->request : PTRACE_CONT, sig);
		return false;
	case AGAIN:
		run(t, t->request ? t->request : PTRACE_CONT, 0);
		return false;
	case PROGRAM:
		break;
	}
	/* The agent has it die of what gdb has seen already */
	if (sig == t->shown_sig && regs.rip == t->shown_rip && !is_caught(t, sig)) {
		t->shown_sig = 0;
		run(t, PTRACE_CONT, sig);
		return false;
	}
	t->shown_sig = sig;
	t->shown_rip = regs.rip;
	return true;
}

/* A new process: its breakpoints in enclaves are its parent's */
static void forked(struct task *t, struct proc *p, bool vfork)
{
	unsigned long child;
	struct proc *c;

	if (real.ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &child) < 0)
		return;
	c = proc_get((pid_t)child);
	if (!c)
		return;
	proc_renew(c);
	c->memory_of = p->memory_of ? p->memory_of : p->pid;
	c->forked = !vfork;
}

static bool is_ours(const struct task *t)
{
	siginfo_t info;

	return !real.ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) && info.si_code == SI_USER &&
	       info.si_pid == getpid();
}

/* INT3, which gdb has put there, or a debug register */
static bool is_breakpoint(const struct task *t)
{
	siginfo_t info;

	return real.ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) < 0 ||
	       info.si_code == SI_KERNEL || info.si_code == TRAP_HWBKPT;
}

/**
 * task_event() - a thread has stopped or ended
 * @tid:	thread
 * @status:	of waitpid(); may be changed
 *
 * Return: false where it runs again, and gdb is not to know.
 */
bool task_event(pid_t tid, int *status)
{
	struct user_regs_struct regs;
	struct task *t;
	struct proc *p;
	int sig, event;

	if (!WIFSTOPPED(*status)) {
		if (!WIFCONTINUED(*status))
			task_forget(tid);
		return true;
	}
	t = task_get(tid);
	p = t ? proc_get(t->pid) : NULL;
	if (!p)
		return true;
	sig = WSTOPSIG(*status);
	event = *status >> 16;
	if (event == PTRACE_EVENT_EXEC) {
		t->through = false;
		t->pid = tid;
		proc_exec(p);
	} else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
		forked(t, p, event == PTRACE_EVENT_VFORK);
	}
	if (event || show_agent || !proc_has_agent(p))
		return true;
	if (sig == (SIGTRAP | 0x80)) {
		if (t->through)
			return through_syscall(t, p, status);
		if (!real.ptrace(PTRACE_GETREGS, tid, NULL, &regs) && in_agent(p, regs.rip)) {
			/* `catch syscall` is for the program's */
			run(t, PTRACE_SYSCALL, 0);
			return false;
		}
		return true;
	}
	if (sig == SIGCONT && p->continued && is_ours(t)) {
		p->continued = false;
		run(t, t->request ? t->request : PTRACE_CONT, 0);
		return false;
	}
	if (sig != SIGTRAP) {
		if (sig != SIGBUS && sig != SIGSEGV)
			t->fault_rip = 0;
		return signal_event(t, p, sig);
	}
	t->fault_rip = 0;
	if (t->request == PTRACE_SINGLESTEP && !t->through &&
	    !real.ptrace(PTRACE_GETREGS, tid, NULL, &regs) && in_agent(p, regs.rip) &&
	    !is_breakpoint(t))
		return !step_out(t, &regs, 0);
	t->through = false;
	return true;
}
