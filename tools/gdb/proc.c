/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processes that gdb has to do with: has it an agent, which enclaves does it
 * map, and what its machine says of them.
 *
 * The way to a process' machine is its command socket, which we copy out of it
 * (pidfd_getfd, which asks for the same right as ptrace).
 */
#include "lib.h"

#include <inject/cpuid.h>
#include <inject/inject.h>
#include <proto/msg.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* A machine that does not answer for so long is given up */
#define ANSWER_SECONDS 20

static struct proc *procs;

static void let_go(struct proc *p)
{
	if (p->mem >= 0)
		real.close(p->mem);
	if (p->sock >= 0)
		real.close(p->sock);
	p->mem = -1;
	p->sock = -1;
	p->looked = false;
	p->agent = false;
	p->fresh = false;
	p->range_count = 0;
}

/**
 * proc_get() - what is known of a process
 * @pid: process (thread group)
 *
 * Return: it, made if it was not there; NULL without memory.
 */
struct proc *proc_get(pid_t pid)
{
	struct proc *p;

	for (p = procs; p; p = p->next)
		if (p->pid == pid)
			return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	p->mem = -1;
	p->sock = -1;
	p->next = procs;
	procs = p;
	return p;
}

/**
 * proc_of_thread() - the process of a thread
 * @tid: thread
 *
 * Return: it; NULL where there is no such thread.
 */
struct proc *proc_of_thread(pid_t tid)
{
	char path[32], line[128];
	int tgid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	fclose(f);
	return tgid ? proc_get(tgid) : NULL;
}

/**
 * proc_forget() - a process has ended, or gdb let it go
 * @pid: process; may be unknown
 */
void proc_forget(pid_t pid)
{
	for (struct proc **at = &procs; *at; at = &(*at)->next) {
		struct proc *p = *at;

		if (p->pid != pid)
			continue;
		*at = p->next;
		let_go(p);
		free(p->range);
		free(p);
		return;
	}
}

/**
 * proc_renew() - it has exec'ed
 * @p: process
 */
void proc_renew(struct proc *p)
{
	let_go(p);
	p->memory_of = 0;
	p->forked = false;
}

/**
 * proc_runs() - it is about to run
 * @p: process
 */
void proc_runs(struct proc *p)
{
	p->fresh = false;
	if (p->forked) {
		p->forked = false;
		p->memory_of = 0;
	}
	/* it may not have been connected, or not have had an agent yet */
	if (p->sock == -2)
		p->sock = -1;
	if (!p->agent)
		p->looked = false;
}

static bool peek(struct proc *p, uint64_t addr, void *buf, size_t size)
{
	char path[32];

	if (p->mem < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", p->pid);
		p->mem = real.open(path, O_RDONLY | O_CLOEXEC);
	}
	return p->mem >= 0 && real.pread(p->mem, buf, size, (off_t)addr) == (ssize_t)size;
}

static void look(struct proc *p)
{
	struct proto_agent_header header;

	if (p->looked)
		return;
	p->looked = true;
	p->agent = peek(p, PROTO_AGENT_BASE, &header, sizeof(header)) &&
		   header.magic == PROTO_AGENT_MAGIC && header.version == PROTO_VERSION &&
		   peek(p, PROTO_AGENT_BASE + header.debug, &p->layout, sizeof(p->layout)) &&
		   p->layout.size >= sizeof(p->layout);
}

/**
 * proc_has_agent() - is there an agent in it?
 * @p: process
 */
bool proc_has_agent(struct proc *p)
{
	look(p);
	return p->agent;
}

/**
 * proc_peek() - memory of a process, as it is mapped
 * @p:		process
 * @addr:	there
 * @buf:	receives it
 * @size:	bytes
 *
 * Return: false where it has no agent, or not all of it can be read.
 */
bool proc_peek(struct proc *p, uint64_t addr, void *buf, size_t size)
{
	look(p);
	return p->agent && peek(p, addr, buf, size);
}

static int send_debug(int command, int private)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_DEBUG,
	};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &private, sizeof(private));
	return sendmsg(command, &hdr, MSG_NOSIGNAL) == (ssize_t)sizeof(msg) ? 0 : -1;
}

/* A copy of the process' own command socket.  Return: descriptor, or -1. */
static int command_socket(struct proc *p)
{
	int32_t number;
	int pidfd, fd;

	if (!proc_peek(p, PROTO_AGENT_BASE + p->layout.fd_base, &number, sizeof(number)))
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (pidfd < 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	real.close(pidfd);
	return fd;
}

static bool reach(struct proc *p)
{
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	struct proto_msg msg;
	int command, sp[2];

	if (p->sock >= 0)
		return true;
	look(p);
	if (!p->agent || p->sock == -2)
		return false;
	p->sock = -2;
	command = command_socket(p);
	if (command < 0)
		return false;
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp)) {
		setsockopt(sp[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (send_debug(command, sp[1]))
			msg.type = 0;
		real.close(sp[1]);
		if (recv(sp[0], &msg, sizeof(msg), 0) == (ssize_t)sizeof(msg) &&
		    msg.type == PROTO_MSG_OK && !msg.status)
			p->sock = sp[0];
		else
			real.close(sp[0]);
	}
	/* our copy would keep a private machine alive */
	real.close(command);
	return p->sock >= 0;
}

/* Return: status of the answer, -errno; -EIO: there is no machine any more */
static int ask(struct proc *p, struct proto_debug *msg)
{
	size_t size = offsetof(struct proto_debug, data);
	ssize_t n;

	if (!reach(p))
		return -EIO;
	msg->magic = PROTO_MAGIC;
	msg->version = PROTO_VERSION;
	msg->pid = (uint32_t)(p->memory_of ? p->memory_of : p->pid);
	if (msg->op == PROTO_DEBUG_WRITE)
		size += msg->size;
	if (send(p->sock, msg, size, MSG_NOSIGNAL) == (ssize_t)size) {
		do
			n = recv(p->sock, msg, sizeof(*msg), 0);
		while (n < 0 && errno == EINTR);
		if (n >= (ssize_t)offsetof(struct proto_debug, data) && msg->magic == PROTO_MAGIC)
			return msg->status;
	}
	real.close(p->sock);
	p->sock = -2;
	return -EIO;
}

static bool add_range(struct proc *p, const struct proto_debug_range *r)
{
	if (p->range_count == p->range_room) {
		uint32_t room = p->range_room ? 2 * p->range_room : 16;
		void *more = realloc(p->range, room * sizeof(*p->range));

		if (!more)
			return false;
		p->range = more;
		p->range_room = room;
	}
	p->range[p->range_count++] = *r;
	return true;
}

static void refresh(struct proc *p)
{
	struct proto_debug msg = {.op = PROTO_DEBUG_RANGES};
	int count;

	p->fresh = true;
	p->range_count = 0;
	while ((count = ask(p, &msg)) > 0) {
		struct proto_debug_range r;

		if ((size_t)count > sizeof(msg.data) / sizeof(r))
			break;
		for (int i = 0; i < count; i++) {
			memcpy(&r, msg.data + (size_t)i * sizeof(r), sizeof(r));
			if (r.end <= r.start || !add_range(p, &r))
				return;
		}
		msg.addr = r.end;
		msg.op = PROTO_DEBUG_RANGES;
	}
}

/**
 * proc_range() - where a process maps enclaves
 * @p:		process
 * @addr:	any address
 *
 * Return: the first range that ends above @addr; NULL: there is none.  Valid until
 * the process runs.
 */
const struct proto_debug_range *proc_range(struct proc *p, uint64_t addr)
{
	look(p);
	if (!p->agent)
		return NULL;
	if (!p->fresh)
		refresh(p);
	for (uint32_t i = 0; i < p->range_count; i++)
		if (p->range[i].end > addr)
			return &p->range[i];
	return NULL;
}

/**
 * proc_in_elrange() - does an enclave of the process lie there?
 * @p:		process
 * @addr:	any address
 */
bool proc_in_elrange(struct proc *p, uint64_t addr)
{
	uint32_t count, i;

	if (!proc_peek(p, PROTO_AGENT_BASE + p->layout.encl_count, &count, sizeof(count)))
		return false;
	for (i = 0; i < count && i < 4096; i++) {
		uint64_t at = PROTO_AGENT_BASE + p->layout.encl + (uint64_t)i * p->layout.encl_size;
		uint64_t base, size;

		if (peek(p, at + p->layout.encl_base, &base, sizeof(base)) &&
		    peek(p, at + p->layout.encl_length, &size, sizeof(size)) && base &&
		    addr - base < size)
			return true;
	}
	return false;
}

static bool peek64(struct proc *p, uint64_t addr, uint64_t *value)
{
	return peek(p, addr, value, sizeof(*value));
}

/**
 * proc_inside() - where a thread was before it entered an enclave
 * @p:		process
 * @tid:	a thread of it, stopped
 * @in:		receives it
 *
 * Return: false where the thread is not in enclave mode.
 */
bool proc_inside(struct proc *p, pid_t tid, struct proc_inside *in)
{
	const struct proto_agent_debug *l = &p->layout;
	uint32_t count, owner, used;
	uint64_t tcs;

	if (!proc_peek(p, PROTO_AGENT_BASE + l->block_high, &count, sizeof(count)))
		return false;
	for (uint32_t i = 0; i < count && i < PROTO_AGENT_BLOCK_COUNT; i++) {
		uint64_t at = PROTO_AGENT_BASE + PROTO_AGENT_BLOCKS +
			      (uint64_t)i * PROTO_AGENT_BLOCK_SIZE;

		if (peek(p, at + l->thread_tid, &owner, sizeof(owner)) && owner == (uint32_t)tid &&
		    peek(p, at + l->thread_in_use, &used, sizeof(used)) && used &&
		    peek64(p, at + l->thread_tcs, &tcs) && tcs)
			return peek64(p, at + l->thread_tcs_addr, &in->tcs_addr) &&
			       peek64(p, at + l->thread_outside_rip, &in->rip) &&
			       peek64(p, at + l->thread_outside_rsp, &in->rsp) &&
			       peek64(p, at + l->thread_outside_rbp, &in->rbp) &&
			       peek64(p, at + l->thread_outside_fs, &in->fs);
	}
	return false;
}

/**
 * proc_encl_access() - read or write enclave memory
 * @p:		process
 * @r:		the range that @addr lies in
 * @addr:	there
 * @buf:	receives, or has, the bytes
 * @size:	of it
 * @write:	which
 *
 * Return: bytes, perhaps less than @size; -1 with errno.
 */
ssize_t proc_encl_access(struct proc *p, const struct proto_debug_range *r, uint64_t addr,
			 void *buf, size_t size, bool write)
{
	struct proto_debug msg = {
		.op = write ? PROTO_DEBUG_WRITE : PROTO_DEBUG_READ,
		.addr = addr,
	};
	int n;

	if (size > r->end - addr)
		size = r->end - addr;
	/* gdb takes its breakpoints out of a fork's child, which has none: the pages are shared */
	if (write && p->forked)
		return (ssize_t)size;
	/* SDM: reads from outside give all ones */
	if (!(r->attributes & SGX_ATTR_DEBUG_BIT)) {
		if (write) {
			errno = EIO;
			return -1;
		}
		memset(buf, 0xff, size);
		return (ssize_t)size;
	}
	if (size > sizeof(msg.data))
		size = sizeof(msg.data);
	msg.size = (uint32_t)size;
	if (write)
		memcpy(msg.data, buf, size);
	n = ask(p, &msg);
	if (n <= 0 || (size_t)n > size) {
		errno = EIO;
		return -1;
	}
	if (!write)
		memcpy(buf, msg.data, (size_t)n);
	return n;
}

/**
 * proc_exec() - it is at its exec event
 * @p: process
 *
 * Its agent has asked the daemon, which leaves the injection to the tracer.
 */
void proc_exec(struct proc *p)
{
	struct proto_debug msg = {.op = PROTO_DEBUG_EXEC};
	struct proto_debug_exec due;

	/* the machine is the old image's: what has no agent may have had one */
	p->memory_of = 0;
	if (p->sock >= 0 && ask(p, &msg) == 1) {
		memcpy(&due, msg.data, sizeof(due));
		passing = true;
		inject_cpuid_view(due.cpuid_view, sizeof(due.cpuid_view));
		inject_files(&due.files);
		(void)inject_traced(p->pid, &due.exec);
		passing = false;
		execs++;
	}
	proc_renew(p);
}

/**
 * proc_encl_fault() - a thread met a page that is not there, or read-only
 * @p:		process
 * @addr:	there
 * @access:	SGX_PF_W, SGX_PF_I or 0
 *
 * Return: true where the access can be run again.
 */
bool proc_encl_fault(struct proc *p, uint64_t addr, uint32_t access)
{
	struct proto_debug msg = {.op = PROTO_DEBUG_FAULT, .addr = addr, .size = access};

	return ask(p, &msg) == 1;
}
