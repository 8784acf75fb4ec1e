/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls to the daemon: shared memory and futexes; a socket for descriptors only.
 *
 * A process connects at its first call: most processes of a command never make
 * one.  A fork child has neither its parent's channel (MADV_DONTFORK) nor its
 * private socket, and connects anew; if it has inherited enclaves it has a
 * userfaultfd by then (forked.c).
 *
 * A lost daemon (its robust futex says so, or its socket hangs up) is a lost EPC:
 * every call fails from then on.
 */
#include "agent.h"

#include <linux/mman.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/poll.h>
#include <linux/resource.h>
#include <linux/socket.h>
#include <linux/time.h>
#include <linux/uio.h>
#include <linux/ioctl.h>
#include <linux/userfaultfd.h>

#ifndef USERFAULTFD_IOC_NEW /* since Linux 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xaa, 0x00)
#endif
#define AF_UNIX		 1
#define SOCK_SEQPACKET	 5
#define SOCK_CLOEXEC	 02000000
#define SOL_SOCKET	 1
#define SCM_RIGHTS	 1
#define MSG_CMSG_CLOEXEC 0x40000000
#define MSG_NOSIGNAL	 0x4000
#define SPIN_ROUNDS	 2000
#define SPIN_WOKEN	 3000 /* the daemon slept: that takes longer */
#define SPIN_YIELD	 500 /* from here on it may be this very CPU that it wants */
#define SPIN_MOVING	 20000 /* it goes to another CPU */
#define SPIN_PAGE	 150 /* more for each page of a piece, with yields */
#define CPUNODE_SEG	 0x7b /* its limit has the number of the CPU, as for the vDSO */
#define WAIT_MS		 100

struct msghdr_k {
	void *name;
	int namelen;
	struct iovec *iov;
	uint64_t iovlen;
	void *control;
	uint64_t controllen;
	uint32_t flags;
};

struct cmsg_k {
	uint64_t len;
	int level, type;
	int fd[4];
};

/* Send with up to four descriptors.  Return: bytes, or -errno. */
long rpc_send(int sock, const struct proto_msg *msg, const int *fds, uint32_t count)
{
	struct iovec iov = {(void *)msg, sizeof(*msg)};
	struct cmsg_k c = {16 + 4ull * count, SOL_SOCKET, SCM_RIGHTS, {0}};
	struct msghdr_k h = {0};
	uint32_t i;

	for (i = 0; i < count; i++)
		c.fd[i] = fds[i];
	h.iov = &iov;
	h.iovlen = 1;
	if (count) {
		h.control = &c;
		h.controllen = count > 2 ? 32 : 24;
	}
	return sys3(__NR_sendmsg, sock, &h, MSG_NOSIGNAL);
}

void rpc_msg_init(struct proto_msg *msg, enum proto_msg_type type)
{
	agent_memset(msg, 0, sizeof(*msg));
	msg->magic = PROTO_MAGIC;
	msg->version = PROTO_VERSION;
	msg->type = type;
}

long rpc_private_pair(int pair[2])
{
	return sys4(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

/*
 * A program may have taken every descriptor that its limit allows: raise it for
 * the moment.
 */
static long private_pair_always(int pair[2])
{
	long ret = rpc_private_pair(pair);
	struct rlimit old, high;

	if (ret != -EMFILE || sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &old) < 0)
		return ret;
	high.rlim_cur = high.rlim_max = old.rlim_max;
	if (sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &high, 0) < 0)
		return ret;
	ret = rpc_private_pair(pair);
	sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &old, 0);
	return ret;
}

long rpc_ask_command(struct proto_msg *msg, enum proto_msg_type answer)
{
	uint32_t count = 0;
	int pair[2];
	long ret;

	ret = private_pair_always(pair);
	if (ret < 0)
		return ret;
	ret = rpc_send_command(msg, &pair[1], 1);
	sys1(__NR_close, pair[1]);
	if (ret >= 0)
		ret = rpc_recv_private(pair[0], msg, NULL, &count, 1);
	sys1(__NR_close, pair[0]);
	if (ret < 0)
		return ret;
	return msg->type == answer ? msg->status : -EPIPE;
}

long rpc_send_command(const struct proto_msg *msg, const int *fds, uint32_t count)
{
	return rpc_send(PROTO_FD_COMMAND(PROC->fd_base), msg, fds, count);
}

long rpc_recv_private(int sock, struct proto_msg *msg, int *fds, uint32_t *count, int cloexec)
{
	struct iovec iov = {msg, sizeof(*msg)};
	struct cmsg_k c;
	struct msghdr_k h = {0};
	uint32_t i, got = 0;
	long ret;

	h.iov = &iov;
	h.iovlen = 1;
	h.control = &c;
	h.controllen = sizeof(c);
	do {
		ret = sys3(__NR_recvmsg, sock, &h, cloexec ? MSG_CMSG_CLOEXEC : 0);
	} while (ret == -EINTR);
	if (ret < 0)
		return ret;
	if (ret < (long)sizeof(*msg) || msg->magic != PROTO_MAGIC)
		return -EPIPE;
	if (h.controllen >= 16 && c.level == SOL_SOCKET && c.type == SCM_RIGHTS) {
		got = (uint32_t)(c.len - 16) / 4;
		for (i = 0; i < got && i < *count; i++)
			fds[i] = c.fd[i];
	}
	*count = MIN(got, *count);
	return 0;
}

/*
 * Put fd at one of the agent's numbers.  A program may have lowered its limit on
 * descriptors below them since: raise it for the moment.
 */
static long dup_high(int fd, int number, int flags)
{
	struct rlimit old, high;
	long ret = sys3(__NR_dup3, fd, number, flags);

	if (ret != -EBADF || sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &old) < 0)
		return ret;
	high.rlim_cur = high.rlim_max = old.rlim_max;
	if (old.rlim_max > (uint64_t)number &&
	    sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &high, 0) == 0) {
		ret = sys3(__NR_dup3, fd, number, flags);
		sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &old, 0);
	} else if (flags & O_CLOEXEC && old.rlim_cur > PROTO_FD_COUNT) {
		/* the hard limit too: as high as it goes, and unprotected */
		ret = sys3(__NR_fcntl, fd, F_DUPFD_CLOEXEC, old.rlim_cur - PROTO_FD_COUNT);
	}
	return ret;
}

/* Move a descriptor of ours out of the program's way.  Return: its number. */
static int move_high(int fd, int number)
{
	long ret = dup_high(fd, number, O_CLOEXEC);

	if (ret < 0)
		return fd;
	sys1(__NR_close, fd);
	return (int)ret;
}

/*
 * The agent's numbers are never free, lest the program is given one: until there
 * is a connection (again), they are copies of the command socket.
 */
void rpc_reserve_fds(void)
{
	int command = PROTO_FD_COMMAND(PROC->fd_base), i;

	for (i = 1; i < PROTO_FD_COUNT; i++)
		dup_high(command, command - i, 0);
	PROC->fd_private = PROC->fd_uffd = -1;
}

/*
 * A single-threaded process needs numbers, and the program may have used them all
 * up: the spare one and what is above its limit are ours for the moment.
 */
void rpc_make_room(struct rlimit *old)
{
	struct rlimit high;

	sys1(__NR_close, PROTO_FD_SPARE(PROC->fd_base));
	sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, old);
	high.rlim_cur = high.rlim_max = old->rlim_max;
	if (old->rlim_cur < high.rlim_cur)
		sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &high, 0);
}

void rpc_end_room(const struct rlimit *old)
{
	dup_high(PROTO_FD_COMMAND(PROC->fd_base), PROTO_FD_SPARE(PROC->fd_base), 0);
	if (old->rlim_cur < old->rlim_max)
		sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, old, 0);
}

/* The system call, or where that is refused the device.  Return: fd or -errno */
static long new_uffd(void)
{
	uint64_t flags = O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY;
	long fd = sys1(__NR_userfaultfd, flags), dev;

	if (fd != -EPERM && fd != -ENOSYS)
		return fd;
	dev = sys3(__NR_openat, AT_FDCWD, "/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return fd;
	fd = sys3(__NR_ioctl, dev, USERFAULTFD_IOC_NEW, flags);
	sys1(__NR_close, dev);
	return fd;
}

/* A userfaultfd in SIGBUS mode, for user-mode faults only.  Return: fd or -errno */
static long make_uffd(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	long fd = new_uffd();
	long ret;

	if (fd < 0)
		return fd;
	api.features = PROTO_UFFD_FEATURES;
	ret = sys3(__NR_ioctl, fd, UFFDIO_API, &api);
	if (ret < 0) {
		sys1(__NR_close, fd);
		return ret;
	}
	return move_high((int)fd, PROTO_FD_UFFD(PROC->fd_base));
}

/* One a process; has_uffd says whether there is one. */
void rpc_make_uffd(void)
{
	long fd = make_uffd();

	PROC->fd_uffd = fd < 0 ? -1 : (int)fd;
	PROC->has_uffd = fd >= 0;
}

_Static_assert(PROTO_CHANNEL_SIZE <= PROTO_AGENT_CHANNEL_MAX, "room of the channel");

static bool map_shared(int fd, uint64_t offset_in_arena, uint64_t size, int prot)
{
	long ret = sys6(__NR_mmap, AGENT_ADDR(offset_in_arena), size, prot, MAP_SHARED | MAP_FIXED,
			fd, 0);

	if (is_error(ret))
		return false;
	sys3(__NR_madvise, AGENT_ADDR(offset_in_arena), size, MADV_DONTFORK);
	sys3(__NR_madvise, AGENT_ADDR(offset_in_arena), size, MADV_DONTDUMP);
	return true;
}

/* Return: 0; -EMFILE where no number is free just now; other -errno */
static long connect_locked(void)
{
	struct proto_msg msg;
	int pair[2], fds[2] = {-1, -1}, got[2] = {-1, -1};
	uint32_t count = 2;
	long ret;

	ret = rpc_private_pair(pair);
	if (ret < 0)
		return ret;
	PROC->fd_private = move_high(pair[0], PROTO_FD_PRIVATE(PROC->fd_base));
	if (PROC->fd_uffd < 0)
		rpc_make_uffd();
	fds[0] = pair[1];
	fds[1] = PROC->fd_uffd;
	rpc_msg_init(&msg, PROTO_MSG_CONNECT);
	ret = rpc_send_command(&msg, fds, PROC->has_uffd ? 2 : 1);
	sys1(__NR_close, pair[1]);
	if (ret < 0)
		goto out;
	ret = rpc_recv_private(PROC->fd_private, &msg, got, &count, 1);
	if (ret < 0)
		goto out;
	ret = -EPIPE;
	if (msg.type != PROTO_MSG_CONNECTED)
		goto out;
	ret = msg.status;
	if (ret < 0)
		goto out;
	ret = -EMFILE; /* the kernel drops what has no number */
	if (count != 2)
		goto out;
	ret = -EPIPE;
	if (map_shared(got[0], PROTO_AGENT_CHANNEL, PROTO_CHANNEL_SIZE, PROT_READ | PROT_WRITE) &&
	    map_shared(got[1], PROTO_AGENT_MACHINE, SGX_PAGE_SIZE, PROT_READ) &&
	    AGENT_CHANNEL->magic == PROTO_MAGIC && AGENT_CHANNEL->version == PROTO_VERSION) {
		PROC->client = AGENT_CHANNEL->client;
		ret = 0;
	}
out:
	if (got[0] >= 0)
		sys1(__NR_close, got[0]);
	if (got[1] >= 0)
		sys1(__NR_close, got[1]);
	/* before any other thread may call: its fault would find no mapping */
	return ret || !PROC->inherited ? ret : mem_tell_inherited();
}

static void say_no_machine(long error)
{
	char line[200] = "cannot reach the SGX machine (";

	switch (error) {
	case -EPIPE:
	case -ECONNRESET:
		agent_append(line, sizeof(line), "its daemon is gone");
		break;
	case -ENFILE:
		agent_append(line, sizeof(line),
			     "its daemon has no descriptors left: its hard limit, ulimit -Hn");
		break;
	default:
		agent_append(line, sizeof(line), agent_errno_name(error));
		break;
	}
	agent_append(line, sizeof(line), "); SGX is not available to this process");
	agent_say(line);
}

bool rpc_connect(void)
{
	if (__atomic_load_n(&PROC->connected, __ATOMIC_ACQUIRE))
		return PROC->connected == 1;
	/* a vfork child: descriptors that it makes are not the process' */
	if ((uint32_t)sys0(__NR_getpid) != PROC->pid)
		return false;
	agent_lock(&PROC->connect_lock);
	if (!PROC->connected) {
		long ret = connect_locked();

		/* a question about CPUID alone: who does not look for SGX misses nothing */
		bool later = ret == -EMFILE || (ret == -ENOMEM && !PROC->filter_stage2);

		if (ret < 0 && !later)
			say_no_machine(ret);
		if (!later)
			__atomic_store_n(&PROC->connected, ret < 0 ? 2 : 1, __ATOMIC_RELEASE);
	}
	agent_unlock(&PROC->connect_lock);
	return PROC->connected == 1;
}

bool rpc_lost(void)
{
	if (PROC->connected == 1 &&
	    (__atomic_load_n(&AGENT_MACHINE->alive, __ATOMIC_RELAXED) & PROTO_ALIVE_DIED)) {
		PROC->connected = 2;
		mem_lost();
	}
	return PROC->connected == 2;
}

void rpc_forked(void)
{
	PROC->connected = 0;
	PROC->client = 0;
	PROC->inherited = 0;
	PROC->connect_lock = 0;
	PROC->fd_lock = 0;
	PROC->encl_lock = 0;
	PROC->list_lock = 0;
	PROC->sigtable.lock = 0;
	PROC->explain_lock = 0;
	PROC->bulk_waiters = 0;
	stream_forked();
	rpc_reserve_fds();
}

/* Context: connected, or about to be. */
static struct proto_slot *claim_slot(enum proto_op op, uint64_t encl, bool wait)
{
	struct proto_channel *ch = AGENT_CHANNEL;
	uint32_t i;

	for (i = 0;; i++) {
		struct proto_slot *slot = &ch->slot[i % PROTO_SLOTS];
		uint32_t free = PROTO_FREE;

		if (__atomic_compare_exchange_n(&slot->state, &free, PROTO_CLAIMED, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			agent_memset(&slot->op, 0,
				     offsetof(struct proto_slot, data) -
					     offsetof(struct proto_slot, op));
			slot->op = op;
			slot->flags = PROTO_SLOT_TELLS_WAIT;
			slot->encl = encl;
			return slot;
		}
		if (i % PROTO_SLOTS == PROTO_SLOTS - 1) {
			if (!wait || rpc_lost())
				return NULL;
			sys0(__NR_sched_yield);
		}
	}
}

static struct proto_slot *claim(enum proto_op op, uint64_t encl, bool wait)
{
	return rpc_connect() ? claim_slot(op, encl, wait) : NULL;
}

struct proto_slot *rpc_begin(enum proto_op op, uint64_t encl)
{
	return claim(op, encl, true);
}

struct proto_slot *rpc_try_begin(enum proto_op op, uint64_t encl)
{
	return claim(op, encl, false);
}

static bool daemon_hung_up(void)
{
	struct pollfd p = {PROC->fd_private, 0, 0};

	return sys3(__NR_poll, &p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

uint32_t rpc_this_cpu(void)
{
	uint32_t limit = 0, ok;

	__asm__("lsl %[seg], %[limit]\n\tsetz %b[ok]\n\tmovzbl %b[ok], %[ok]"
		: [limit] "+r"(limit), [ok] "=q"(ok)
		: [seg] "r"(CPUNODE_SEG)
		: "cc");
	return ok ? (limit & 0xfff) + 1 : 0;
}

/* Wait for DONE: a short spin where another CPU can run the daemon, then sleep. */
static bool wait_done(struct proto_slot *slot, uint32_t spins)
{
	uint32_t i;
	struct timespec ts = {0, WAIT_MS * 1000000l};

	for (i = 0; i < spins; i++) {
		if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == PROTO_DONE)
			return true;
		__builtin_ia32_pause();
		/* a long wait: the CPU may be wanted, by the daemon above all */
		if (i > SPIN_YIELD && i % 32 == 0)
			sys0(__NR_sched_yield);
	}
	for (;;) {
		uint32_t posted = PROTO_POSTED;
		long ret;

		/* say that a wake is wanted; DONE meanwhile shows as a failed exchange */
		__atomic_compare_exchange_n(&slot->state, &posted, PROTO_WAITED, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == PROTO_DONE)
			return true;
		ret = sys4(__NR_futex, &slot->state, FUTEX_WAIT, PROTO_WAITED, &ts);
		if (ret == -ETIMEDOUT && (rpc_lost() || daemon_hung_up())) {
			PROC->connected = 2;
			mem_lost();
			return false;
		}
	}
}

void rpc_post(struct proto_slot *slot)
{
	struct proto_channel *ch = AGENT_CHANNEL;

	if (rpc_lost())
		return;
	slot->cpu = rpc_this_cpu();
	__atomic_store_n(&slot->state, PROTO_POSTED, __ATOMIC_RELEASE);
	__atomic_fetch_add(&ch->doorbell, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&ch->daemon_sleeps, __ATOMIC_SEQ_CST))
		sys3(__NR_futex, &ch->doorbell, FUTEX_WAKE, 1);
}

static long wait_answer(struct proto_slot *slot)
{
	struct proto_channel *ch = AGENT_CHANNEL;
	uint32_t spins = 0, cpu;

	cpu = __atomic_load_n(&ch->daemon_cpu, __ATOMIC_RELAXED);
	if (ch->spin && cpu == PROTO_CPU_MOVING)
		spins = SPIN_MOVING;
	else if (ch->spin && (!slot->cpu || slot->cpu != cpu))
		spins = __atomic_load_n(&ch->daemon_sleeps, __ATOMIC_RELAXED) ? SPIN_WOKEN
									      : SPIN_ROUNDS;
	/* Going to sleep and being woken takes as long as some pages of a piece */
	if (spins && spins < SPIN_MOVING && slot->src_pages > 1)
		spins = SPIN_ROUNDS + SPIN_PAGE * slot->src_pages;
	return wait_done(slot, spins) ? slot->ret : -EIO;
}

long rpc_wait(struct proto_slot *slot)
{
	/* lost before it was posted: it will not be done */
	return PROC->connected == 1 ? wait_answer(slot) : -EIO;
}

long rpc_call(struct proto_slot *slot)
{
	rpc_post(slot);
	return rpc_wait(slot);
}

/* While the process connects: PROC->connected says that it has not. */
static long call_connecting(struct proto_slot *slot)
{
	long ret;

	rpc_post(slot);
	ret = wait_answer(slot);
	__atomic_store_n(&slot->state, PROTO_FREE, __ATOMIC_RELEASE);
	return ret;
}

long rpc_show_inherited(const struct agent_encl *e)
{
	struct proto_slot *slot = claim_slot(PROTO_OP_INHERIT, e->id, true);

	slot->a0 = e->key[0];
	slot->a1 = e->key[1];
	return call_connecting(slot);
}

long rpc_tell_inherited(uint64_t encl, const struct vma_range *r)
{
	struct proto_slot *slot = claim_slot(PROTO_OP_MAP, encl, true);

	slot->a0 = r->start;
	slot->a1 = r->end - r->start;
	slot->a2 = r->prot;
	slot->a3 = PROTO_MAP_INHERITED;
	return call_connecting(slot);
}

void rpc_end(struct proto_slot *slot)
{
	if (PROC->connected == 1)
		__atomic_store_n(&slot->state, PROTO_FREE, __ATOMIC_RELEASE);
}

long rpc_call_fd(struct proto_slot *slot, int *fd, int cloexec)
{
	struct proto_msg msg;
	uint32_t count = 1;
	long ret;

	*fd = -1;
	/* answers with descriptors come one at a time: call and receive together */
	agent_lock(&PROC->fd_lock);
	ret = rpc_call(slot);
	if (ret >= 0 && slot->fds) {
		long r = rpc_recv_private(PROC->fd_private, &msg, fd, &count, cloexec);
		if (r < 0)
			ret = r;
		else if (count != 1)
			ret = -EMFILE; /* no free descriptor number: the kernel dropped it */
	}
	agent_unlock(&PROC->fd_lock);
	if (ret == -ENFILE)
		agent_say("the SGX machine has no descriptors left for another enclave (the hard "
			  "limit where it was started, ulimit -Hn)");
	return ret;
}

bool rpc_bulk_claim(struct proto_slot *slot, uint32_t *bulk, bool wait)
{
	struct proto_channel *ch = AGENT_CHANNEL;
	uint32_t mark = (uint32_t)(slot - ch->slot) + 1, i;
	bool claimed = false;

	/* a second one for the same ioctl makes it faster, and others wait for longer */
	if (!wait && __atomic_load_n(&PROC->bulk_waiters, __ATOMIC_RELAXED))
		return false;
	for (i = 0; !claimed && !rpc_lost(); i++) {
		uint32_t free = 0;

		*bulk = i % PROTO_BULKS;
		claimed = __atomic_compare_exchange_n(&ch->bulk_owner[*bulk], &free, mark, false,
						      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
		if (claimed || *bulk < PROTO_BULKS - 1)
			continue;
		if (!wait)
			break;
		if (i == PROTO_BULKS - 1)
			__atomic_fetch_add(&PROC->bulk_waiters, 1, __ATOMIC_RELAXED);
		sys0(__NR_sched_yield);
	}
	if (wait && i > PROTO_BULKS)
		__atomic_fetch_sub(&PROC->bulk_waiters, 1, __ATOMIC_RELAXED);
	return claimed;
}

void rpc_bulk_free(struct proto_slot *slot)
{
	struct proto_channel *ch = AGENT_CHANNEL;
	uint32_t mark = (uint32_t)(slot - ch->slot) + 1, i;

	for (i = 0; i < PROTO_BULKS; i++)
		if (ch->bulk_owner[i] == mark)
			__atomic_store_n(&ch->bulk_owner[i], 0, __ATOMIC_RELEASE);
}
