/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PROTO_MSG_EXEC: a thread for each exec, which is its tracer from the attach to
 * the end and waits for nothing but the tracee.  That the exec has failed is told
 * to the main thread; then the tracee knocks.
 */
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct exec {
	struct exec *next; /* machine.exec_list, under machine.lock */
	struct machine *machine;
	pid_t pid;
	int pidfd;
	struct proto_exec exec;
	int private_fd;
	atomic_bool failed;
};

static int reply(int fd, enum proto_msg_type type, int status)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = type,
		.status = status,
	};

	msg.words[0] = (uint64_t)getpid();
	return sock_send(fd, &msg, NULL, 0, NULL, 0);
}

/* It cannot be traced: say what is in the way, for a line that helps. */
static void refuse(const struct exec *x, const struct inject_target *t, int error)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_EXEC_READY,
		.status = error,
	};
	struct proto_refusal *why = &msg.refusal;
	char path[64];
	FILE *f;

	why->daemon_pid = (uint64_t)getpid();
	snprintf(path, sizeof(path), "/proc/%d/status", t->proc);
	why->tracer = proc_number(path, "TracerPid:");
	why->yama = proc_number("/proc/sys/kernel/yama/ptrace_scope", "");
	if (why->tracer) {
		snprintf(path, sizeof(path), "/proc/%u/comm", why->tracer);
		f = fopen(path, "re");
		if (f && fgets(why->name, sizeof(why->name), f))
			why->name[strcspn(why->name, "\n")] = 0;
		if (f)
			fclose(f);
	}
	log_line("process %d: cannot trace it over its exec: %s; tracer %u, Yama %u", x->pid,
		 strerror(-error), why->tracer, why->yama);
	(void)sock_send(x->private_fd, &msg, NULL, 0, NULL, 0);
}

/*
 * Is what was seized a thread of the sender?  It was found by its number.  A tracee's
 * number is its own until its tracer has heard of its end, and so is the sender's as
 * long as it is there: what is true of the numbers now is true of the two.
 */
static bool is_its_thread(const struct exec *x, const struct inject_target *t)
{
	struct inject_target again;

	return !pids_thread(x->pid, x->pidfd, x->exec.tid, &again) && again.tid == t->tid &&
	       sender_is_there(x->pidfd);
}

static void run(struct exec *x)
{
	struct inject_target target = {.pidfd = x->pidfd};
	const char *what = "";
	int ret;

	/* The sender may give away its own threads only */
	if (pids_thread(x->pid, x->pidfd, x->exec.tid, &target)) {
		bool proc = access("/proc/self/task", F_OK) == 0;

		log_line("process %d: exec of a thread (%u) %s", x->pid, x->exec.tid,
			 proc ? "that is not its own" : "cannot be looked up: there is no /proc");
		reply(x->private_fd, PROTO_MSG_EXEC_READY, proc ? -ESRCH : -ENOENT);
		return;
	}
	ret = inject_seize(&target);
	if (ret) {
		refuse(x, &target, ret);
		return;
	}
	if (!is_its_thread(x, &target)) {
		inject_release(&target);
		log_line("process %d has ended: its exec is not followed", x->pid);
		reply(x->private_fd, PROTO_MSG_EXEC_READY, -ESRCH);
		return;
	}
	/* If it does not hear us it is dead, which inject_follow() finds out */
	reply(x->private_fd, PROTO_MSG_EXEC_READY, 0);
	ret = inject_follow(&target, &x->exec, &x->failed, &what);
	switch (ret) {
	case 0:
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
	struct exec *x = arg, **p;
	struct machine *m = x->machine;
	uint64_t one = 1;

	run(x);
	discard_fd(x->private_fd);
	close(x->pidfd);
	pthread_mutex_lock(&m->lock);
	for (p = &m->exec_list; *p != x; p = &(*p)->next)
		;
	*p = x->next;
	pthread_mutex_unlock(&m->lock);
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
 * @pidfd:	of it; taken.  -errno: there is none
 * @exec:	its request
 * @private_fd:	where it waits; taken
 *
 * Context: main thread.
 */
void exec_start(struct machine *m, pid_t pid, int pidfd, const struct proto_exec *exec,
		int private_fd)
{
	/* then the private socket closes without another word, as for a dead daemon */
	bool taken = pidfd >= 0 && debug_takes_exec(m, pid, pidfd, exec);
	struct exec *x = taken || pidfd < 0 ? NULL : calloc(1, sizeof(*x));
	pthread_attr_t attr;
	pthread_t thread;
	int ret = taken ? 0 : pidfd < 0 ? -pidfd : ENOMEM;

	if (x) {
		x->machine = m;
		x->pid = pid;
		x->pidfd = pidfd;
		x->exec = *exec;
		x->private_fd = private_fd;
		pthread_mutex_lock(&m->lock);
		x->next = m->exec_list;
		m->exec_list = x;
		pthread_mutex_unlock(&m->lock);
		atomic_fetch_add(&m->execs, 1);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		ret = pthread_create(&thread, &attr, exec_thread, x);
		pthread_attr_destroy(&attr);
		if (!ret)
			return;
		atomic_fetch_sub(&m->execs, 1);
		pthread_mutex_lock(&m->lock);
		for (struct exec **p = &m->exec_list; *p; p = &(*p)->next) {
			if (*p == x) {
				*p = x->next;
				break;
			}
		}
		pthread_mutex_unlock(&m->lock);
		free(x);
	}
	reply(private_fd, PROTO_MSG_EXEC_READY, -ret);
	discard_fd(private_fd);
	if (pidfd >= 0)
		close(pidfd);
}

/**
 * exec_failed() - a thread that was about to exec is not any more
 * @m:		machine
 * @pid:	of the process, as the kernel says
 * @exec:	its request; the thread's number counts
 * @private_fd:	where it waits; taken
 *
 * Context: main thread.
 */
void exec_failed(struct machine *m, pid_t pid, const struct proto_exec *exec, int private_fd)
{
	struct exec *x;

	pthread_mutex_lock(&m->lock);
	for (x = m->exec_list; x; x = x->next)
		if (x->pid == pid && x->exec.tid == exec->tid)
			break;
	if (x)
		atomic_store(&x->failed, true);
	pthread_mutex_unlock(&m->lock);
	/* not there: its tracer has given up, or there was none */
	reply(private_fd, PROTO_MSG_EXEC_HEARD, x ? 0 : -ESRCH);
	discard_fd(private_fd);
}
