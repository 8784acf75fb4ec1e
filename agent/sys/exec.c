/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * execve as a transaction.
 *
 * The TRAP filter survives an exec, the agent's handlers do not: the new image
 * must have its agent before it makes one system call.  So the daemon attaches
 * first, the exec happens, the daemon injects at the exec stop and detaches.  If
 * the exec fails, it is told so and detaches.
 *
 *	idle --EXEC--> asked --READY--> attached --execve--> (the new image)
 *	                 |                 | error or a signal
 *	                 v                 v
 *	               error          FAILED, HEARD, a knock that the tracer takes
 *
 * From "asked" on the process is dumpable and names the daemon as its tracer; an
 * exec that does not happen takes both back.  Threads, and a vfork child in its
 * parent's memory, may be at it at the same time: the last one does.
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#define F_OK 0

/* PROC->exec_undumpable: the program is not dumpable, and is so for an exec alone */
#define UNDUMPABLE	1
#define UNDUMPABLE_ENDS 2 /* which has ended: it is taken back */

/*
 * Let the daemon trace us: not allowed after a set-uid, nor under Yama.
 * anyone: whoever may otherwise; where the daemon has no number here.
 */
static void traceable(struct agent_thread *t, bool anyone)
{
	if (t->window.exec == EXEC_IDLE) {
		__atomic_fetch_add(&PROC->exec_users, 1, __ATOMIC_ACQ_REL);
		t->window.exec = EXEC_ASKED;
	}
	/* every time: another thread's end may just have taken it back */
	if (sys1(__NR_prctl, PR_GET_DUMPABLE) != 1) {
		__atomic_store_n(&PROC->exec_undumpable, UNDUMPABLE, __ATOMIC_RELEASE);
		__atomic_fetch_add(&PROC->exec_lifts, 1, __ATOMIC_ACQ_REL);
		sys2(__NR_prctl, PR_SET_DUMPABLE, 1);
	}
	/* EINVAL where there is no Yama */
	sys2(__NR_prctl, PR_SET_PTRACER,
	     anyone || !PROC->daemon_pid ? PR_SET_PTRACER_ANY : PROC->daemon_pid);
}

static void not_traceable(struct agent_thread *t)
{
	uint32_t undumpable = UNDUMPABLE;

	if (t->window.exec == EXEC_IDLE)
		return;
	t->window.exec = EXEC_IDLE;
	sys2(__NR_prctl, PR_SET_PTRACER, PROC->ptracer);
	/* not 0 before it is done (exec_forked()), nor where another's exec has begun by then */
	if (__atomic_sub_fetch(&PROC->exec_users, 1, __ATOMIC_ACQ_REL) == 0 &&
	    __atomic_compare_exchange_n(&PROC->exec_undumpable, &undumpable, UNDUMPABLE_ENDS, false,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		sys2(__NR_prctl, PR_SET_DUMPABLE, 0);
		undumpable = UNDUMPABLE_ENDS;
		__atomic_compare_exchange_n(&PROC->exec_undumpable, &undumpable, 0, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
}

uint64_t exec_lifts(void)
{
	return (uint64_t)__atomic_load_n(&PROC->exec_lifts, __ATOMIC_ACQUIRE) << 1 |
	       (__atomic_load_n(&PROC->exec_undumpable, __ATOMIC_ACQUIRE) != 0);
}

void exec_forked(uint64_t lifts)
{
	bool lifted = (lifts & 1) || exec_lifts() != lifts;

	PROC->exec_users = 0;
	PROC->exec_undumpable = 0;
	if (lifted)
		sys2(__NR_prctl, PR_SET_DUMPABLE, 0);
}

static long ask(const struct proto_exec *exec, struct proto_refusal *why)
{
	struct proto_msg msg;
	long ret;

	rpc_msg_init(&msg, PROTO_MSG_EXEC);
	msg.exec = *exec;
	agent_memset(why, 0, sizeof(*why));
	ret = rpc_ask_command(&msg, PROTO_MSG_EXEC_READY);
	if (ret == -EPERM && msg.type == PROTO_MSG_EXEC_READY)
		*why = msg.refusal;
	return ret;
}

static long exec_ask(struct agent_thread *t, agent_ucontext *uc, struct proto_refusal *why)
{
	struct agent_sigtable *table = t->sigtable;
	struct proto_exec exec;
	long ret;
	int sig;

	agent_memset(&exec, 0, sizeof(exec));
	exec.tid = (uint32_t)sys0(__NR_gettid);
	exec.flags = PROTO_EXEC_FILTERED | (PROC->filter_stage2 ? PROTO_EXEC_STAGE2 : 0) |
		     (PROC->core_enclaves ? PROTO_EXEC_CORE : 0) |
		     (PROC->filter_lists ? PROTO_EXEC_LISTS : 0) |
		     (PROC->explain ? PROTO_EXEC_EXPLAIN : 0) | PROC->exec_next |
		     (t->no_new_privs ? PROTO_EXEC_NNP : 0) | (t->seccomp ? PROTO_EXEC_SECCOMP : 0);
	exec.sigmask = sig_mask_of(t, uc);
	for (sig = 1; sig <= 64; sig++)
		if (sig_own_index(sig) >= 0 && table->action[sig].handler == (uint64_t)SIG_IGN)
			exec.sigignored |= SIGBIT(sig);
	exec.command_fd = PROC->fd_base;
	exec.said = PROC->explain_said;
	traceable(t, false);
	ret = ask(&exec, why);
	if (ret == -EPERM) {
		/* another thread's failed exec, or a PID namespace of our own */
		traceable(t, true);
		ret = ask(&exec, why);
	}
	if (ret < 0)
		not_traceable(t);
	else
		t->window.exec = EXEC_ATTACHED;
	return ret;
}

/* The exec did not happen. */
void proc_exec_abandon(struct agent_thread *t)
{
	struct proto_msg msg;
	uint32_t tid;

	if (t->window.exec == EXEC_ATTACHED) {
		rpc_msg_init(&msg, PROTO_MSG_EXEC_FAILED);
		tid = msg.exec.tid = (uint32_t)sys0(__NR_gettid);
		/* a daemon that does not answer is dead, and traces nobody */
		if (rpc_ask_command(&msg, PROTO_MSG_EXEC_HEARD) == 0) {
			/* where a signal ended the window, its mask is in force */
			sig_unblock_faults(t);
			t->window.exec = EXEC_KNOCKS;
			/* the tracer takes it; one that has just died leaves it to us */
			sys3(__NR_tgkill, sys0(__NR_getpid), tid, PROTO_EXEC_KNOCK);
		}
	}
	not_traceable(t);
}

void proc_exec_vforked(struct agent_thread *t)
{
	not_traceable(t);
}

/*
 * Shells and execvp() try name after name: what is not there need not trouble the
 * daemon.  Linux looks for the file before it looks at the arguments.
 */
static long not_there(const agent_ucontext *uc)
{
	bool at = UC_REGS(uc)->ax == __NR_execveat;
	uint64_t flags = at ? uc_arg(uc, 4) : 0;
	long ret;

	if (flags)
		return 0;
	ret = sys4(__NR_faccessat2, at ? uc_arg(uc, 0) : (uint64_t)AT_FDCWD, uc_arg(uc, at ? 1 : 0),
		   F_OK, AT_EACCESS);
	return ret == -ENOENT || ret == -ENOTDIR ? ret : 0;
}

/* The beginning of the one line before the exec that does not happen */
static void begin_refusal(char *line, uint64_t size, const agent_ucontext *uc)
{
	uint64_t path = uc_arg(uc, UC_REGS(uc)->ax == __NR_execveat ? 1 : 0);
	char name[80];
	uint64_t n = 0;

	while (n < sizeof(name) - 1 && copy_in(&name[n], path + n, 1) && name[n])
		n++;
	name[n] = 0;
	line[0] = 0;
	agent_append(line, size, "exec of ");
	agent_append(line, size, name);
	agent_append(line, size, " refused: ");
}

/*
 * The daemon was not asked, or has no answer.  Return: the errno, one of execve's own
 * where it fits.
 */
static long say_unanswered(const agent_ucontext *uc, long error)
{
	char line[280];

	begin_refusal(line, sizeof(line), uc);
	switch (error) {
	case -EMFILE:
	case -ENFILE:
		agent_append(line, sizeof(line),
			     "no descriptor is left to ask the SGX machine with (ulimit -n, soft "
			     "and hard)");
		break;
	case -EAGAIN:
	case -ENOMEM:
		agent_append(line, sizeof(line),
			     "the SGX machine has no thread left for this process (a limit on "
			     "processes or memory: ulimit -u, -d, -v)");
		break;
	case -ENOENT:
		agent_append(line, sizeof(line),
			     "the SGX machine needs /proc, and none is mounted where it runs");
		error = -EIO;
		break;
	case -ESRCH:
		agent_append(line, sizeof(line),
			     "the SGX machine does not find this process in its /proc (another "
			     "PID namespace's?)");
		error = -EIO;
		break;
	default:
		agent_append(line, sizeof(line), "the SGX machine's daemon does not answer");
		error = -EIO;
		break;
	}
	agent_say(line);
	return error;
}

static void say_refused(const agent_ucontext *uc, const struct proto_refusal *why)
{
	char line[280], name[sizeof(why->name)];

	begin_refusal(line, sizeof(line), uc);
	agent_append(line, sizeof(line), "this process ");
	if (why->tracer) {
		agent_memcpy(name, why->name, sizeof(why->name));
		name[sizeof(why->name) - 1] = 0;
		agent_append(line, sizeof(line), "is traced by ");
		agent_append(line, sizeof(line), *name ? name : "a debugger");
	} else if (why->yama >= 2) {
		agent_append(line, sizeof(line),
			     "cannot be traced (kernel.yama.ptrace_scope is "
			     "2 or 3)");
	} else {
		agent_append(line, sizeof(line), "cannot be traced");
	}
	agent_append(line, sizeof(line), ", so the program would have no agent");
	if (why->tracer)
		agent_append(line, sizeof(line), "; 'swsgx gdb', or attach later");
	agent_say(line);
}

long proc_do_execve(struct agent_thread *t, agent_ucontext *uc)
{
	long ret = t->seccomp ? 0 : not_there(uc);
	struct proto_refusal why;
	bool owed = proc_traceme_exec(t, &why);

	if (ret)
		return ret;
	ret = owed ? -EPERM : exec_ask(t, uc, &why);
	if (ret == -EPERM) {
		say_refused(uc, &why);
		return ret;
	}
	if (ret < 0)
		return say_unanswered(uc, ret);
	ret = agent_reissue(t, uc);
	/* still here: it failed */
	proc_exec_abandon(t);
	return ret;
}
