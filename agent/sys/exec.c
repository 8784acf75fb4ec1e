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
 *	               error          FAILED, wait for DETACHED
 *
 * From "asked" on the process is dumpable and names the daemon as its tracer; an
 * exec that does not happen takes both back.  Threads, and a vfork child in its
 * parent's memory, may be at it at the same time: the last one does.
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/prctl.h>

/*
 * Let the daemon trace us: not allowed after a set-uid, nor under Yama.
 * anyone: whoever may otherwise; where the daemon has no number here.
 */
static void traceable(struct agent_thread *t, bool anyone)
{
	if (!t->window.exec_asked) {
		__atomic_fetch_add(&PROC->exec_users, 1, __ATOMIC_ACQ_REL);
		t->window.exec_asked = 1;
	}
	/* every time: another thread's end may just have taken it back */
	if (sys1(__NR_prctl, PR_GET_DUMPABLE) != 1) {
		__atomic_store_n(&PROC->exec_undumpable, 1, __ATOMIC_RELEASE);
		sys2(__NR_prctl, PR_SET_DUMPABLE, 1);
	}
	/* EINVAL where there is no Yama */
	sys2(__NR_prctl, PR_SET_PTRACER,
	     anyone || !PROC->daemon_pid ? PR_SET_PTRACER_ANY : PROC->daemon_pid);
}

static void not_traceable(struct agent_thread *t)
{
	if (!t->window.exec_asked)
		return;
	t->window.exec_asked = 0;
	sys2(__NR_prctl, PR_SET_PTRACER, PROC->ptracer);
	if (__atomic_sub_fetch(&PROC->exec_users, 1, __ATOMIC_ACQ_REL) == 0 &&
	    __atomic_exchange_n(&PROC->exec_undumpable, 0, __ATOMIC_ACQ_REL))
		sys2(__NR_prctl, PR_SET_DUMPABLE, 0);
}

/* One question.  Return: status of the answer; -EPIPE: no daemon answers. */
static long ask(const struct proto_exec *exec, int *private_fd)
{
	struct proto_msg msg;
	int pair[2], fds[1];
	uint32_t count = 0;
	long ret;

	ret = rpc_private_pair(pair);
	if (ret < 0)
		return ret;
	rpc_msg_init(&msg, PROTO_MSG_EXEC);
	msg.exec = *exec;
	fds[0] = pair[1];
	ret = rpc_send_command(&msg, fds, 1);
	sys1(__NR_close, pair[1]);
	if (ret >= 0)
		ret = rpc_recv_private(pair[0], &msg, NULL, &count, 1);
	if (ret >= 0)
		ret = msg.type == PROTO_MSG_EXEC_READY ? msg.status : -EPIPE;
	if (ret < 0)
		sys1(__NR_close, pair[0]);
	else
		*private_fd = pair[0];
	return ret;
}

static long exec_ask(struct agent_thread *t, agent_ucontext *uc, int *private_fd)
{
	struct agent_sigtable *table = t->sigtable;
	struct proto_exec exec;
	long ret;
	int sig;

	agent_memset(&exec, 0, sizeof(exec));
	exec.tid = (uint32_t)sys0(__NR_gettid);
	exec.flags = PROTO_EXEC_FILTERED | (PROC->filter_stage2 ? PROTO_EXEC_STAGE2 : 0) |
		     (t->no_new_privs ? PROTO_EXEC_NNP : 0) | (t->seccomp ? PROTO_EXEC_SECCOMP : 0);
	exec.sigmask = sig_mask_of(t, uc);
	for (sig = 1; sig <= 64; sig++)
		if (sig_own_index(sig) >= 0 && table->action[sig].handler == (uint64_t)SIG_IGN)
			exec.sigignored |= SIGBIT(sig);
	exec.command_fd = PROC->fd_base;
	traceable(t, false);
	ret = ask(&exec, private_fd);
	if (ret == -EPERM) {
		/* another thread's failed exec, or a PID namespace of our own */
		traceable(t, true);
		ret = ask(&exec, private_fd);
	}
	if (ret < 0)
		not_traceable(t);
	return ret;
}

/* The exec did not happen. */
void proc_exec_abandon(struct agent_thread *t)
{
	int sock = t->window.exec_fd;
	struct proto_msg msg;
	uint32_t count = 0;

	rpc_msg_init(&msg, PROTO_MSG_EXEC_FAILED);
	if (rpc_send(sock, &msg, NULL, 0) >= 0)
		rpc_recv_private(sock, &msg, NULL, &count, 1);
	sys1(__NR_close, sock);
	t->window.exec_fd = -1;
	not_traceable(t);
}

void proc_exec_vforked(struct agent_thread *t, bool shared_fds)
{
	if (t->window.exec_fd >= 0 && shared_fds)
		sys1(__NR_close, t->window.exec_fd);
	t->window.exec_fd = -1;
	not_traceable(t);
}

long proc_do_execve(struct agent_thread *t, agent_ucontext *uc)
{
	int sock;
	long ret = exec_ask(t, uc, &sock);

	if (ret < 0) {
		agent_say(ret == -EPERM
				  ? "exec refused: the process cannot be traced (another tracer, "
				    "or ptrace is restricted), so the new program would have no "
				    "agent"
				  : "exec refused: the SGX machine's daemon does not answer");
		return ret == -EPERM ? -EPERM : -EIO;
	}
	t->window.exec_fd = sock;
	ret = agent_reissue(t, uc);
	/* still here: it failed */
	proc_exec_abandon(t);
	return ret;
}
