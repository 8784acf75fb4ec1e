/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PROTO_MSG_EXEC: a thread for each exec, which is its tracer from the attach to
 * the end.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct exec {
	struct machine *machine;
	pid_t pid;
	struct proto_exec exec;
	int private_fd;
};

static int reply(const struct exec *x, enum proto_msg_type type, int status)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = type,
		.status = status,
	};

	msg.words[0] = (uint64_t)getpid();
	return sock_send(x->private_fd, &msg, NULL, 0, NULL, 0);
}

static void run(struct exec *x)
{
	const char *what = "";
	struct inject_target target;
	int ret;

	/* The sender may give away its own threads only */
	if (pids_thread(x->pid, x->exec.tid, &target)) {
		log_line("process %d: exec of a thread that is not its own (%u)", x->pid,
			 x->exec.tid);
		reply(x, PROTO_MSG_EXEC_READY, -ESRCH);
		return;
	}
	ret = inject_seize(&target);
	if (ret) {
		log_line("process %d: cannot trace it over its exec: %s", x->pid, strerror(-ret));
		reply(x, PROTO_MSG_EXEC_READY, ret);
		return;
	}
	/* If it does not hear us it is dead, which inject_follow() finds out */
	reply(x, PROTO_MSG_EXEC_READY, 0);
	ret = inject_follow(&target, &x->exec, x->private_fd, &what);
	switch (ret) {
	case 0:
		reply(x, PROTO_MSG_EXEC_DETACHED, 0);
		break;
	case 1:
		break;
	case 2:
		log_line("process %d runs without the agent: %s", x->pid, what ? what : "");
		break;
	default:
		log_line("process %d: exec: %s: %s", x->pid, what ? what : "", strerror(-ret));
		break;
	}
}

static void *exec_thread(void *arg)
{
	struct exec *x = arg;
	struct machine *m = x->machine;
	uint64_t one = 1;

	run(x);
	close(x->private_fd);
	free(x);
	/* The loop may end the machine right after: touch nothing but the eventfd */
	atomic_fetch_sub(&m->execs, 1);
	if (write(m->wakeup.fd, &one, sizeof(one)) < 0)
		log_line("eventfd: %s", strerror(errno));
	return NULL;
}

/**
 * exec_start() - a thread of a process is about to exec
 * @m:		machine
 * @pid:	of the process, as the kernel says
 * @exec:	its request
 * @private_fd:	where it waits; taken
 *
 * Context: main thread.
 */
void exec_start(struct machine *m, pid_t pid, const struct proto_exec *exec, int private_fd)
{
	struct exec *x = calloc(1, sizeof(*x));
	pthread_attr_t attr;
	pthread_t thread;
	int ret = ENOMEM;

	if (x) {
		x->machine = m;
		x->pid = pid;
		x->exec = *exec;
		x->private_fd = private_fd;
		atomic_fetch_add(&m->execs, 1);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		ret = pthread_create(&thread, &attr, exec_thread, x);
		pthread_attr_destroy(&attr);
		if (!ret)
			return;
		atomic_fetch_sub(&m->execs, 1);
		free(x);
	}
	reply(&(struct exec){.private_fd = private_fd}, PROTO_MSG_EXEC_READY, -ret);
	close(private_fd);
}
