/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Debuggers: enclave memory of a process, as ptrace has it on Linux (the vma's
 * access operation: EDBGRD and EDBGWR, eight bytes at a time).
 *
 * Every process of a command has the command socket, and may not know more of the others
 * for it.  Linux asks for the right to trace a process (ptrace(2), "Ptrace access mode
 * checking"), of which uids, capabilities in a user namespace, dumpability, Yama and other
 * security modules have a say.  That is not repeated here: who traces a process has been
 * found to have the right by the kernel, and /proc says who that is.  So a debugger may
 * ask about the processes that it traces when it asks, and about itself.  What it gets is
 * what the EPCM gives: debug enclaves alone.
 *
 * An exec of a process that a debugger traces cannot be followed by the daemon: the
 * debugger's library injects the agent, with what it is told here.
 *
 * On the main thread: a debugger's process is stopped, its questions are few.
 */
#include "machine.h"

#include <proto/debug.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEADER_SIZE offsetof(struct proto_debug, data)

/**
 * debug_start() - a debugger has come
 * @m:		machine
 * @pid:	of it
 * @pidfd:	of it; taken.  -errno: there is none
 * @fd:		its private socket; taken
 *
 * Context: main thread.
 */
void debug_start(struct machine *m, pid_t pid, int pidfd, int fd)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_OK,
	};
	struct conn *c = NULL;

	if (pidfd < 0)
		discard_fd(fd);
	else
		c = conn_add(m, fd, false, false);
	if (!c) {
		if (pidfd >= 0)
			close(pidfd);
		return;
	}
	c->debug = true;
	c->debugger = pid;
	c->debugger_fd = pidfd;
	log_line("process %d is a debugger", pid);
	(void)sock_send(c->source.fd, &msg, NULL, 0, NULL, 0);
}

/* An exec that is due, or has failed without a word */
struct debug_exec {
	struct debug_exec *next;
	pid_t pid, proc; /* as we number it, and as /proc does */
	struct proto_exec exec;
};

/* A thread of a process by its name in /proc: is its tracer a thread of that process? */
static bool is_tracer(pid_t debugger, pid_t proc, const char *thread)
{
	char path[300];
	uint32_t tracer;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", proc, thread);
	tracer = proc_number(path, "TracerPid:");
	if (!tracer)
		return false;
	snprintf(path, sizeof(path), "/proc/%u/status", tracer);
	return (pid_t)proc_number(path, "Tgid:") == debugger;
}

/* All as /proc numbers them.  Its first thread is traced in nearly every case. */
static bool traces(pid_t debugger, pid_t proc)
{
	char name[32];
	struct dirent *e;
	bool found;
	DIR *dir;

	snprintf(name, sizeof(name), "%d", proc);
	if (is_tracer(debugger, proc, name))
		return true;
	snprintf(name, sizeof(name), "/proc/%d/task", proc);
	dir = opendir(name);
	if (!dir)
		return false;
	for (found = false; !found && (e = readdir(dir));)
		found = e->d_name[0] != '.' && is_tracer(debugger, proc, e->d_name);
	closedir(dir);
	return found;
}

/*
 * May it know of the process?  Both are looked up by numbers, and are still there
 * afterwards, so that these were theirs.
 */
static bool may_ask(const struct conn *c, pid_t pid)
{
	pid_t debugger = pids_in_proc(c->debugger, c->debugger_fd), proc;
	bool may = pid == c->debugger;
	int pidfd;

	if (!may) {
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (pidfd < 0)
			return false;
		proc = pids_in_proc(pid, pidfd);
		may = debugger > 0 && proc > 0 && traces(debugger, proc) && sender_is_there(pidfd);
		close(pidfd);
	}
	return may && sender_is_there(c->debugger_fd);
}

/* It is called so in the debugger's namespace, and the debugger may know of it. */
static bool is_meant(const struct conn *c, pid_t named, int depth, pid_t pid, pid_t proc)
{
	return pids_at_depth(proc, depth) == named && may_ask(c, pid);
}

/*
 * The process that a debugger asks about, as we number it.  The debugger says what its own
 * PID namespace calls it, which may lie below ours; there may be others of this number in
 * others, of which the debugger may know nothing.  Whom we know are those that are
 * connected, and those that are about to exec.
 *
 * Return: -EPERM: the debugger may not know of it, or nobody is called so.
 */
static pid_t find_asked(const struct machine *m, const struct conn *c, pid_t named)
{
	pid_t debugger = pids_in_proc(c->debugger, c->debugger_fd);
	int depth = debugger > 0 ? pids_depth(debugger) : -1;

	if (depth < 0)
		return -EPERM;
	if (pids_at_depth(debugger, depth) == c->debugger)
		return may_ask(c, named) ? named : -EPERM;
	if (is_meant(c, named, depth, c->debugger, debugger))
		return c->debugger;
	for (const struct client *p = m->clients; p; p = p->next)
		if (is_meant(c, named, depth, p->pid, p->proc))
			return p->pid;
	for (const struct debug_exec *x = m->debug_execs; x; x = x->next)
		if (is_meant(c, named, depth, x->pid, x->proc))
			return x->pid;
	return -EPERM;
}

static struct debug_exec *take_exec(struct machine *m, pid_t pid)
{
	for (struct debug_exec **p = &m->debug_execs; *p; p = &(*p)->next) {
		struct debug_exec *x = *p;

		if (x->pid == pid) {
			*p = x->next;
			return x;
		}
	}
	return NULL;
}

/**
 * debug_takes_exec() - is a process that is about to exec traced by a debugger of ours?
 * @m:		machine
 * @pid:	process
 * @pidfd:	of it
 * @exec:	its request, remembered until the debugger asks
 *
 * Context: main thread.
 * Return: true if the debugger will inject.
 */
bool debug_takes_exec(struct machine *m, pid_t pid, int pidfd, const struct proto_exec *exec)
{
	struct inject_target t;
	struct debug_exec *x;
	char thread[16] = "";
	struct conn *c;

	/* mostly there is no debugger at all */
	for (c = m->conns; c; c = c->next) {
		if (!c->debug)
			continue;
		if (!thread[0]) {
			if (pids_thread(pid, pidfd, exec->tid, &t))
				return false;
			snprintf(thread, sizeof(thread), "%d", t.tid);
		}
		if (is_tracer(pids_in_proc(c->debugger, c->debugger_fd), t.proc, thread) &&
		    sender_is_there(c->debugger_fd))
			break;
	}
	if (!c)
		return false;
	x = take_exec(m, pid);
	if (!x)
		x = calloc(1, sizeof(*x));
	if (!x)
		return false;
	x->pid = pid;
	x->proc = t.proc;
	x->exec = *exec;
	x->next = m->debug_execs;
	m->debug_execs = x;
	return true;
}

/**
 * debug_ended() - a debugger has gone
 * @m: machine, without its connection
 *
 * The last one takes along what was meant for any.  Context: main thread.
 */
void debug_ended(struct machine *m)
{
	struct debug_exec *x;

	for (struct conn *c = m->conns; c; c = c->next)
		if (c->debug)
			return;
	while ((x = m->debug_execs)) {
		m->debug_execs = x->next;
		free(x);
	}
}

static int tell_exec(struct machine *m, pid_t pid, struct proto_debug *msg, size_t *size)
{
	struct debug_exec *x = take_exec(m, pid);
	struct proto_debug_exec *out = (void *)msg->data;

	if (!x)
		return 0;
	memset(out, 0, sizeof(*out));
	out->exec = x->exec;
	memcpy(out->cpuid_view, &m->cpuid, sizeof(m->cpuid));
	out->files = m->files;
	*size = sizeof(*out);
	free(x);
	return 1;
}

/* Context: main thread, which alone ends clients. */
static struct client *find_client(struct machine *m, pid_t pid)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->pid == pid && atomic_load(&c->state) == CLIENT_SERVED)
			return c;
	return NULL;
}

/* What an enclave's mappings say, until the next hole.  Return: false: no more. */
static bool next_range(struct client *c, uint64_t addr, struct proto_debug_range *r)
{
	struct sgx_encl_info info;
	struct mapping map;
	struct enclave *e;

	for (; mm_next(&c->mm, addr, &map); addr = map.end) {
		e = holder_get(c, map.encl);
		if (!e)
			continue;
		sgx_encl_info(e->sgx, &info);
		enclave_put(e);
		*r = (struct proto_debug_range){
			.start = map.start,
			.end = map.end,
			.base = info.base,
			.size = info.size,
			.attributes = info.attributes,
			.encl = map.encl,
		};
		/* mappings that differ in their protection alone */
		while (mm_find(&c->mm, r->end, &map) && map.encl == r->encl)
			r->end = map.end;
		return true;
	}
	return false;
}

static int ranges(struct client *c, struct proto_debug *msg, size_t *size)
{
	struct proto_debug_range r = {.end = msg->addr};
	size_t room = sizeof(msg->data) / sizeof(r);
	int count = 0;

	while ((size_t)count < room && next_range(c, r.end, &r)) {
		memcpy(msg->data + (size_t)count * sizeof(r), &r, sizeof(r));
		count++;
	}
	*size = (size_t)count * sizeof(r);
	return count;
}

/* The enclave that is mapped at an address, with a reference; NULL */
static struct enclave *enclave_at(struct client *c, uint64_t addr, struct mapping *map)
{
	struct enclave *e = mm_find(&c->mm, addr, map) ? holder_get(c, map->encl) : NULL;

	if (e)
		stream_settle(e);
	return e;
}

/*
 * As Linux' access operation does: whole words, each of which is read before it is
 * written.  Return: bytes; -errno where one of the words fails, also after others.
 */
static int access_words(struct sgx_encl *encl, uint64_t addr, uint32_t vm_prot, uint8_t *data,
			uint32_t size, bool write)
{
	uint32_t done = 0;
	int ret;

	while (done < size) {
		uint32_t offset = (addr + done) & 7, n = 8 - offset;
		uint64_t word;

		if (n > size - done)
			n = size - done;
		ret = sgx_access(encl, addr + done - offset, vm_prot, &word, false);
		if (ret)
			return ret;
		if (write) {
			memcpy((uint8_t *)&word + offset, data + done, n);
			ret = sgx_access(encl, addr + done - offset, vm_prot, &word, true);
			if (ret)
				return ret;
		} else {
			memcpy(data + done, (uint8_t *)&word + offset, n);
		}
		done += n;
	}
	return (int)done;
}

static int access_memory(struct client *c, struct proto_debug *msg)
{
	struct mapping map;
	struct enclave *e;
	int ret;

	e = enclave_at(c, msg->addr, &map);
	if (!e)
		return -EFAULT;
	if (msg->size > map.end - msg->addr)
		msg->size = (uint32_t)(map.end - msg->addr);
	ret = access_words(e->sgx, msg->addr, map.prot, msg->data, msg->size,
			   msg->op == PROTO_DEBUG_WRITE);
	enclave_put(e);
	return ret;
}

/* As the agent's PROTO_OP_FAULT, for a thread that its tracer has stopped before. */
static int fault(struct client *c, const struct proto_debug *msg)
{
	struct sgx_fault f = {
		.addr = msg->addr,
		.error_code = SGX_PF_U | (msg->size & (SGX_PF_W | SGX_PF_I)),
	};
	enum sgx_fault_verdict verdict;
	struct mapping map;
	struct enclave *e;

	e = enclave_at(c, msg->addr, &map);
	if (!e)
		return 0;
	f.vm_prot = map.prot;
	verdict = sgx_fault(&c->mm, e->sgx, &f);
	enclave_put(e);
	return verdict == SGX_FAULT_RETRY;
}

/**
 * debug_serve() - a question of a debugger
 * @m:	machine
 * @c:	its connection
 *
 * Context: main thread.
 * Return: false where it has gone, or talks nonsense.
 */
bool debug_serve(struct machine *m, struct conn *c)
{
	static struct proto_debug msg;
	struct client *client;
	size_t size = 0;
	ssize_t n;
	pid_t pid;

	n = discard_recv(c->source.fd, &msg, sizeof(msg));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n < (ssize_t)HEADER_SIZE || msg.magic != PROTO_MAGIC || msg.version != PROTO_VERSION ||
	    msg.size > sizeof(msg.data) || msg.addr + msg.size < msg.addr ||
	    (msg.op == PROTO_DEBUG_WRITE && n != (ssize_t)(HEADER_SIZE + msg.size)))
		return false;
	pid = find_asked(m, c, (pid_t)msg.pid);
	client = find_client(m, pid);
	if (pid < 0) {
		msg.status = -EPERM;
		return send(c->source.fd, &msg, HEADER_SIZE, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
	}
	switch (msg.op) {
	case PROTO_DEBUG_READ:
		msg.status = client ? access_memory(client, &msg) : -ESRCH;
		size = msg.status > 0 ? (size_t)msg.status : 0;
		break;
	case PROTO_DEBUG_WRITE:
		msg.status = client ? access_memory(client, &msg) : -ESRCH;
		break;
	case PROTO_DEBUG_RANGES:
		msg.status = client ? ranges(client, &msg, &size) : 0;
		break;
	case PROTO_DEBUG_FAULT:
		msg.status = client ? fault(client, &msg) : 0;
		break;
	case PROTO_DEBUG_EXEC:
		msg.status = tell_exec(m, pid, &msg, &size);
		break;
	default:
		return false;
	}
	return send(c->source.fd, &msg, HEADER_SIZE + size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}
