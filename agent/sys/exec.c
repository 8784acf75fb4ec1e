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
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/prctl.h>

static long exec_ask(struct agent_thread *t, agent_ucontext *uc, int *private_fd)
{
	struct agent_sigtable *table = t->sigtable;
	struct proto_msg msg;
	int pair[2], fds[1];
	uint32_t count = 0;
	long ret;
	int sig;

	ret = rpc_private_pair(pair);
	if (ret < 0)
		return ret;
	rpc_msg_init(&msg, PROTO_MSG_EXEC);
	msg.exec.tid = (uint32_t)sys0(__NR_gettid);
	msg.exec.flags = PROTO_EXEC_FILTERED | (PROC->filter_stage2 ? PROTO_EXEC_STAGE2 : 0);
	msg.exec.sigmask = sig_mask_of(t, uc);
	for (sig = 1; sig <= 64; sig++)
		if (sig_own_index(sig) >= 0 && table->action[sig].handler == (uint64_t)SIG_IGN)
			msg.exec.sigignored |= SIGBIT(sig);
	msg.exec.command_fd = PROC->fd_base;
	fds[0] = pair[1];
	/* the daemon must be allowed to trace us: not after a set-uid, not under Yama */
	t->window.dumpable = (int32_t)sys1(__NR_prctl, PR_GET_DUMPABLE);
	sys2(__NR_prctl, PR_SET_DUMPABLE, 1);
	if (sys2(__NR_prctl, PR_SET_PTRACER, PROC->daemon_pid) == -EINVAL)
		/* no Yama, or another pid namespace, where the daemon has no number */
		sys2(__NR_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	ret = rpc_send_command(&msg, fds, 1);
	sys1(__NR_close, pair[1]);
	if (ret >= 0)
		ret = rpc_recv_private(pair[0], &msg, NULL, &count, 1);
	if (ret >= 0)
		ret = msg.type == PROTO_MSG_EXEC_READY ? msg.status : -EPIPE;
	if (ret < 0) {
		sys1(__NR_close, pair[0]);
		return ret;
	}
	*private_fd = pair[0];
	return 0;
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
	if (!t->window.dumpable)
		sys2(__NR_prctl, PR_SET_DUMPABLE, 0);
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
