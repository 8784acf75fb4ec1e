/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of a client.
 *
 * The request is shared memory: it is copied once, and the copy is checked.  What
 * no agent would send ends the client (client_break()); what a program may cause
 * is answered with an errno.
 */
#include "machine.h"

#include <cpu/leaf.h>

#include <asm/sgx.h>
#include <sgx/driver.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEEDS_ENCLAVE (1u << 0) /* one that the client does not hold is -ENOTTY */

struct rpc_op {
	const char *name;
	uint32_t states; /* 1 << enum client_state in which it may be called */
	uint32_t flags;
	uint32_t data_in; /* bytes of data[] that are read whatever the segments say */
	int64_t (*serve)(struct sgx_call *call);
};

static int64_t serve_nop(struct sgx_call *call)
{
	return 0;
}

static int send_fd(struct sgx_call *call, int fd)
{
	int ret = client_send(call->client, PROTO_MSG_FDS, call->number, &fd, 1);

	if (!ret)
		call->slot.fds = 1;
	return ret;
}

static int64_t serve_open(struct sgx_call *call)
{
	struct machine *m = call->client->machine;
	int flags = (int)call->slot.a1, fd, ret;
	struct enclave *e = NULL;
	char path[32];

	/* There is no such device, and an agent that asks for one is none of ours */
	if (m->files.flags & PROTO_FILES_LOCKED)
		return -ENXIO;
	switch (call->slot.a0) {
	case PROTO_DEV_ENCLAVE:
		if (flags & O_PATH) {
			snprintf(path, sizeof(path), "/proc/self/fd/%d", m->node_fd);
			fd = open(path, O_PATH | O_CLOEXEC);
			call->slot.r0 = m->node_ino;
			break;
		}
		ret = enclave_open(m, flags, &e, &fd);
		if (ret)
			return ret;
		call->slot.r0 = e->ino;
		break;
	case PROTO_DEV_PROVISION:
		/* The agent has asked for mode and group; what nobody may is not its to say */
		if (!(flags & O_PATH) && (m->files.flags & PROTO_FILES_NO_PROVISION))
			return -EACCES;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", m->provision_fd);
		fd = open(path, (flags & (O_ACCMODE | O_PATH)) | O_CLOEXEC);
		call->slot.r0 = m->provision_ino;
		break;
	default:
		return -ENXIO;
	}
	if (fd < 0)
		return -errno;
	ret = e ? holder_give(call->client, e) : 0;
	/* before one page of it could go */
	if (!ret && e && call->client->mm.uffd < 0)
		ret = paging_add_mm(e, &call->client->mm);
	if (!ret)
		ret = send_fd(call, fd);
	close(fd); /* not sent: this was the last, and the enclave ends */
	if (e)
		enclave_put(e);
	return ret;
}

static int64_t serve_lookup(struct sgx_call *call)
{
	struct machine *m = call->client->machine;
	uint64_t dev = call->slot.a0, ino = call->slot.a1;

	if (dev == m->provision_dev && ino == m->provision_ino) {
		call->slot.r0 = PROTO_DEV_PROVISION;
		return (int64_t)ino;
	}
	if (dev == m->provision_dev && ino == m->node_ino) {
		call->slot.r0 = PROTO_DEV_NODE;
		return (int64_t)ino;
	}
	if (!holder_looks(call->client, dev, ino))
		return -ENOTTY;
	call->slot.r0 = PROTO_DEV_ENCLAVE;
	return (int64_t)ino;
}

static int64_t serve_attach(struct sgx_call *call)
{
	struct proto_encl_view *view = (void *)call->answer;
	struct enclave *e = call->encl;
	struct sgx_encl_info info;

	sgx_encl_info(e->sgx, &info);
	memset(view, 0, sizeof(*view));
	call->out = sizeof(*view);
	memcpy(view->key, e->key, sizeof(view->key));
	/* Not created, or being created by another thread this moment */
	if (!info.created || !__atomic_load_n(&e->id, __ATOMIC_ACQUIRE))
		return 0;
	view->base = info.base;
	view->size = info.size;
	view->attributes = info.attributes;
	view->xfrm = info.xfrm;
	view->ssaframesize = info.ssaframesize;
	view->miscselect = info.miscselect;
	view->initialized = info.initialized;
	return send_fd(call, e->tcs_fd);
}

/* The place is this client's to give back? */
static void ioctl_release(struct client *c, struct enclave *e)
{
	struct client *owner = c;

	if (atomic_compare_exchange_strong(&e->ioctl_owner, &owner, NULL))
		sgx_ioctl_end(e->sgx);
}

/**
 * rpc_ioctl_abandon() - give back the ioctl place that a client holds
 * @c: client, not served any more
 * @e: enclave
 */
void rpc_ioctl_abandon(struct client *c, struct enclave *e)
{
	if (atomic_load(&e->ioctl_owner) == c)
		prefill_drop(e);
	ioctl_release(c, e);
}

static uint64_t added_bytes(const struct sgx_call *call)
{
	struct sgx_enclave_add_pages arg;

	if (call->slot.writeback != sizeof(arg))
		return 0;
	memcpy(&arg, call->answer, sizeof(arg));
	return arg.count;
}

/* Enclaves that have been closed may still hold what this ioctl needs. */
static void make_room(struct client *c, uint32_t cmd, uint32_t src_pages)
{
	struct sgx_epc_info epc;
	uint64_t need = 0;

	if (cmd == SGX_IOC_ENCLAVE_CREATE)
		need = 2; /* SECS, VA */
	else if (cmd == SGX_IOC_ENCLAVE_ADD_PAGES)
		need = src_pages + 1;
	else if (cmd == SGX_V22_ADD_PAGE)
		need = 2;
	if (!need)
		return;
	sgx_epc_info(c->machine->sgx, &epc);
	if (epc.free - epc.reserved + paging_evictable(c->machine, &epc) < need ||
	    (cmd == SGX_IOC_ENCLAVE_CREATE && enclave_large_full(c->machine)))
		enclave_settle(c->machine, &c->stop);
}

/* The pages that an ADD_PAGES is about to add, as far as it seems. */
static void add_begins(struct sgx_call *call)
{
	struct enclave *e = call->encl;
	struct sgx_enclave_add_pages arg;
	uint64_t pages;

	if (!call->slot.src_pages || !call->bulk || !e->map ||
	    host_ops.copy_from_user(call, &arg, call->slot.a1, sizeof(arg)) ||
	    arg.src != call->slot.src_uaddr || (arg.offset | arg.length) & (SGX_PAGE_SIZE - 1) ||
	    arg.offset >= e->size) {
		prefill_drop(e);
		return;
	}
	pages = arg.length / SGX_PAGE_SIZE;
	if (pages > call->slot.src_pages)
		pages = call->slot.src_pages;
	prefill_begin(e, arg.offset / SGX_PAGE_SIZE, pages, arg.length / SGX_PAGE_SIZE - pages,
		      call->slot.a2 & PROTO_IOCTL_FIRST);
}

/* ADD_PAGES is over, its ioctl place is still held.  added: by its last piece. */
static void add_ends(struct sgx_call *call, uint64_t added)
{
	struct sgx_enclave_add_pages arg;

	if (!added || host_ops.copy_from_user(call, &arg, call->slot.a1, sizeof(arg)))
		prefill_drop(call->encl);
	else
		call->ahead = prefill_end(call->encl, arg.offset / SGX_PAGE_SIZE + added, added);
}

/**
 * rpc_count_added() - pages have come to an enclave
 * @e:		enclave
 * @pages:	how many
 */
void rpc_count_added(struct enclave *e, uint64_t pages)
{
	__atomic_fetch_add(&e->pages_added, pages, __ATOMIC_RELAXED);
	__atomic_fetch_add(&e->machine->pages_added, pages, __ATOMIC_RELAXED);
}

/* Number of the stream that is to go on with this call; ~0: none */
static uint32_t stream_number(const struct sgx_call *call)
{
	const uint32_t whole = PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST;

	if ((uint32_t)call->slot.a0 != SGX_IOC_ENCLAVE_ADD_PAGES ||
	    (call->slot.a2 & whole) != whole || call->slot.src_pages != 1 ||
	    call->slot.a3 - 1 >= PROTO_STREAMS)
		return ~0u;
	return (uint32_t)call->slot.a3 - 1;
}

/* Claim the ioctl place, with the enclave's stream settled. */
static int64_t ioctl_begin(struct sgx_call *call, uint32_t stream)
{
	struct sgx_enclave_add_pages arg = {0};
	int ret;

	if (stream != ~0u && host_ops.copy_from_user(call, &arg, call->slot.a1, sizeof(arg)))
		stream = ~0u;
	ret = stream_begin_ioctl(call->encl, call->client, stream, arg.offset / SGX_PAGE_SIZE,
				 &call->slot.why);
	if (!ret)
		atomic_store(&call->encl->ioctl_owner, call->client);
	return ret;
}

/* One page has been added: the next ones may come by a stream.  Place still held. */
static bool offer_stream(struct sgx_call *call, uint32_t stream)
{
	struct sgx_enclave_add_pages arg;
	struct sgx_secinfo_arch secinfo;

	return stream != ~0u && !host_ops.copy_from_user(call, &arg, call->slot.a1, sizeof(arg)) &&
	       !host_ops.copy_from_user(call, &secinfo, arg.secinfo, sizeof(secinfo)) &&
	       stream_offer(call->encl, call->client, stream, arg.offset / SGX_PAGE_SIZE, &secinfo,
			    arg.flags);
}

static int64_t serve_ioctl(struct sgx_call *call)
{
	struct client *c = call->client;
	struct enclave *e = call->encl;
	uint32_t flags = (uint32_t)call->slot.a2;
	bool add = (uint32_t)call->slot.a0 == SGX_IOC_ENCLAVE_ADD_PAGES;
	uint32_t stream = stream_number(call);
	uint64_t added = 0;
	int64_t ret;

	if (flags & PROTO_IOCTL_FIRST) {
		ret = ioctl_begin(call, stream);
		if (ret)
			return ret;
	} else if (atomic_load(&e->ioctl_owner) != c) {
		/* A second piece without a first: the first one failed */
		return why_ret(&call->slot.why, -EBUSY, WHY_IOCTL_BUSY, 0, 0);
	}
	make_room(c, (uint32_t)call->slot.a0, call->slot.src_pages);
	call->used = 0;
	if (add)
		add_begins(call);
	else
		prefill_drop(e);
	ret = sgx_ioctl_run(call, e->sgx, (unsigned int)call->slot.a0, call->slot.a1);
	if (add) {
		added = added_bytes(call);
		call->slot.r0 = added;
		added /= SGX_PAGE_SIZE;
		rpc_count_added(e, added);
	}
	if (!ret && (uint32_t)call->slot.a0 == SGX_V22_ADD_PAGE)
		rpc_count_added(e, 1);
	if (!add || ret || (flags & (PROTO_IOCTL_LAST | PROTO_IOCTL_SIGNAL)) ||
	    added < call->slot.src_pages) {
		if (add)
			add_ends(call, ret || added < call->slot.src_pages ? 0 : added);
		if (!ret && added == 1)
			call->slot.r1 = offer_stream(call, stream);
		ioctl_release(c, e);
	} else {
		call->more = true;
	}
	return ret;
}

static bool range_ok(uint64_t start, uint64_t length)
{
	return length && !((start | length) & ~SGX_PAGE_MASK) && start + length > start;
}

static int64_t serve_map(struct sgx_call *call)
{
	uint64_t flags = call->slot.a3;
	struct mapping map = {
		.start = call->slot.a0,
		.end = call->slot.a0 + call->slot.a1,
		.encl = call->encl->ino,
		.prot = (uint32_t)call->slot.a2 & (PROT_READ | PROT_WRITE | PROT_EXEC),
	};
	int ret = 0;

	if (!range_ok(call->slot.a0, call->slot.a1))
		return -EINVAL;
	/* Linux does not ask again at fork or mremap(), whatever pages have come since */
	if (!(flags & PROTO_MAP_INHERITED))
		ret = sgx_may_map(call->encl->sgx, map.start, map.end, map.prot,
				  flags & PROTO_MAP_RIE, &call->slot.why);
	if (!ret)
		ret = paging_add_mm(call->encl, &call->client->mm);
	return ret ? ret : mm_insert(&call->client->mm, &map);
}

/*
 * An enclave that the client names, with what is posted to its stream in it.  All calls
 * find theirs here.  NULL: the client does not hold one of that number.
 */
static struct enclave *settled_enclave(struct client *c, uint64_t ino)
{
	struct enclave *e = holder_get(c, ino);

	if (e)
		stream_settle(e);
	return e;
}

/*
 * mprotect() of whatever enclaves are mapped in the range.  As in Linux each mapping
 * is asked for and changed before the next one; what lies between is not ours.
 */
static int64_t serve_protect(struct sgx_call *call)
{
	struct sgx_mm *mm = &call->client->mm;
	uint64_t addr = call->slot.a0, end = addr + call->slot.a1;
	uint32_t prot = (uint32_t)call->slot.a2 & (PROT_READ | PROT_WRITE | PROT_EXEC);
	struct mapping map;
	int ret = 0;

	if (!range_ok(addr, call->slot.a1))
		return -EINVAL;
	while (addr < end && mm_next(mm, addr, &map) && map.start < end) {
		struct enclave *e = settled_enclave(call->client, map.encl);

		map.start = map.start > addr ? map.start : addr;
		map.end = map.end < end ? map.end : end;
		map.prot = prot;
		addr = map.start;
		if (e) {
			ret = sgx_may_map(e->sgx, map.start, map.end, prot,
					  call->slot.a3 & PROTO_MAP_RIE, &call->slot.why);
			enclave_put(e);
		}
		if (!ret)
			ret = mm_insert(mm, &map);
		if (ret)
			break;
		addr = map.end;
	}
	call->slot.r0 = addr;
	return ret;
}

static int64_t serve_unmap(struct sgx_call *call)
{
	int ret = 0;

	if (!(call->slot.a2 & PROTO_UNMAP_ASK)) {
		if (!range_ok(call->slot.a0, call->slot.a1))
			return -EINVAL;
		ret = mm_remove(&call->client->mm, call->slot.a0, call->slot.a0 + call->slot.a1);
	}
	call->slot.r0 = mm_mapped_pages(&call->client->mm, call->slot.encl);
	return ret;
}

static int64_t serve_fault(struct sgx_call *call)
{
	struct sgx_mm *mm = &call->client->mm;
	struct sgx_fault fault = {
		.addr = call->slot.a0,
		.error_code = (uint32_t)call->slot.a1,
		.vm_prot = (uint32_t)call->slot.a3 & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.enclave_mode = call->slot.a2 & PROTO_FAULT_ENCLAVE,
		.tcs = call->slot.a2 & PROTO_FAULT_TCS,
		.why = &call->slot.why,
	};
	enum sgx_fault_verdict verdict;
	struct enclave *other = NULL;
	struct mapping map;

	/*
	 * The agent may know the protection (then it was true when the thread
	 * looked, and our table may be ahead of it: MAP is asked before the
	 * system call), or leave it to the table.  The agent names an enclave by
	 * the address; a VMA of another one may lie there, and then, as in Linux,
	 * the VMA counts.
	 */
	if (mm_find(mm, fault.addr, &map)) {
		if (map.encl != call->encl->ino) {
			other = settled_enclave(call->client, map.encl);
			if (!other)
				return PROTO_VERDICT_RETRY;
		}
		if (call->slot.a3 == ~0ull)
			fault.vm_prot = map.prot;
	} else if (call->slot.a3 == ~0ull) {
		return why_ret(&call->slot.why, PROTO_VERDICT_SIGBUS, WHY_FAULT_UNKNOWN, fault.addr,
			       0);
	}
	verdict = sgx_fault(mm, other ? other->sgx : call->encl->sgx, &fault);
	if (other)
		enclave_put(other);
	call->slot.r0 = fault.error_code;
	switch (verdict) {
	case SGX_FAULT_RETRY:
		return PROTO_VERDICT_RETRY;
	case SGX_FAULT_PF:
		return PROTO_VERDICT_PF;
	case SGX_FAULT_MCE:
		return PROTO_VERDICT_MCE;
	default:
		return PROTO_VERDICT_SIGBUS;
	}
}

static int64_t serve_enclu(struct sgx_call *call)
{
	struct proto_slot *s = &call->slot;
	struct cpu_regs regs = {.rax = s->a0, .rbx = s->a1, .rcx = s->a2, .rdx = s->a3};
	struct cpu_result r = sgx_enclu(call->encl->sgx, &regs, &s->why);

	switch (r.kind) {
	case CPU_DONE:
	case CPU_CODE:
		s->r0 = r.kind == CPU_CODE ? r.code : regs.rax;
		s->r1 = regs.rbx;
		s->r2 = r.kind == CPU_CODE;
		return 0;
	case CPU_FAULT:
		s->r0 = r.vector;
		s->r1 = r.code;
		s->r2 = r.addr;
		return 1;
	default:
		return -ENOMEM;
	}
}

static int64_t serve_inherit(struct sgx_call *call)
{
	const uint64_t key[2] = {call->slot.a0, call->slot.a1};

	return holder_inherit(call->client, call->slot.encl, key);
}

static int64_t serve_cpuid_scan(struct sgx_call *call)
{
	return cpuid_scan(call);
}

#define SERVED (1u << CLIENT_SERVED)

/* clang-format off */
static const struct rpc_op ops[PROTO_OP_COUNT] = {
	[PROTO_OP_NOP]		= { "NOP",	SERVED, 0, 0, serve_nop },
	[PROTO_OP_OPEN]		= { "OPEN",	SERVED, 0, 0, serve_open },
	[PROTO_OP_LOOKUP]	= { "LOOKUP",	SERVED, 0, 0, serve_lookup },
	[PROTO_OP_ATTACH]	= { "ATTACH",	SERVED, NEEDS_ENCLAVE, 0, serve_attach },
	[PROTO_OP_IOCTL]	= { "IOCTL",	SERVED, NEEDS_ENCLAVE, 0, serve_ioctl },
	[PROTO_OP_MAP]		= { "MAP",	SERVED, NEEDS_ENCLAVE, 0, serve_map },
	[PROTO_OP_UNMAP]	= { "UNMAP",	SERVED, 0, 0, serve_unmap },
	[PROTO_OP_FAULT]	= { "FAULT",	SERVED, NEEDS_ENCLAVE, 0, serve_fault },
	[PROTO_OP_ENCLU]	= { "ENCLU",	SERVED, NEEDS_ENCLAVE, 0, serve_enclu },
	[PROTO_OP_CPUID_SCAN]	= { "CPUID_SCAN", SERVED, 0, sizeof(struct proto_file_id), serve_cpuid_scan },
	[PROTO_OP_PROTECT]	= { "PROTECT",	SERVED, 0, 0, serve_protect },
	[PROTO_OP_INHERIT]	= { "INHERIT",	SERVED, 0, 0, serve_inherit },
};
/* clang-format on */

/* Copy what the request says it has, and only that.  False: the client is broken. */
static bool copy_request(struct sgx_call *call, const struct proto_slot *shared)
{
	struct client *c = call->client;
	struct proto_slot *s = &call->slot;
	uint32_t need;

	memcpy(s, shared, offsetof(struct proto_slot, data));
	if (s->op >= PROTO_OP_COUNT) {
		client_break(c, "unknown call", s->op);
		return false;
	}
	if (!(ops[s->op].states & 1u << atomic_load(&c->state)))
		return false;
	if (s->segment_count > PROTO_SEGMENTS) {
		client_break(c, "too many segments", s->segment_count);
		return false;
	}
	need = ops[s->op].data_in;
	for (uint32_t i = 0; i < s->segment_count; i++) {
		const struct proto_segment *seg = &s->segment[i];

		if (seg->offset > PROTO_DATA_SIZE || seg->size > PROTO_DATA_SIZE - seg->offset) {
			client_break(c, "segment outside the slot", seg->offset);
			return false;
		}
		if (!seg->status && need < seg->offset + seg->size)
			need = seg->offset + seg->size;
	}
	memcpy(s->data, shared->data, need);
	call->bulk = NULL;
	if (s->op != PROTO_OP_IOCTL || !(s->a2 & PROTO_IOCTL_BULK)) {
		s->src_pages = 0;
		return true;
	}
	if (s->bulk >= PROTO_BULKS || s->src_pages > PROTO_BULK_PAGES) {
		client_break(c, "bulk area", (uint64_t)s->bulk << 32 | s->src_pages);
		return false;
	}
	call->bulk =
		(const uint8_t *)c->channel + PROTO_BULK_OFFSET + (size_t)s->bulk * PROTO_BULK_SIZE;
	return true;
}

static void answer(struct sgx_call *call, struct proto_slot *shared)
{
	const struct proto_slot *s = &call->slot;
	uint32_t was;

	shared->ret = s->ret;
	shared->r0 = s->r0;
	shared->r1 = s->r1;
	shared->r2 = s->r2;
	shared->fds = s->fds;
	shared->writeback = s->writeback;
	shared->writeback_uaddr = s->writeback_uaddr;
	shared->why = s->why;
	if (call->out)
		memcpy(shared->data, call->answer, call->out);
	was = __atomic_exchange_n(&shared->state, PROTO_DONE, __ATOMIC_SEQ_CST);
	if (was == PROTO_WAITED || !(s->flags & PROTO_SLOT_TELLS_WAIT))
		syscall(SYS_futex, &shared->state, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/**
 * rpc_serve() - serve one posted slot
 * @c:		client
 * @number:	of the slot
 * @call:	room for the copy
 *
 * Context: the client's service thread.
 */
void rpc_serve(struct client *c, uint32_t number, struct sgx_call *call)
{
	struct proto_slot *shared = &c->channel->slot[number], *s = &call->slot;
	const struct rpc_op *op;

	call->client = c;
	call->number = number;
	call->encl = NULL;
	call->ahead = false;
	call->more = false;
	call->out = 0;
	if (!copy_request(call, shared))
		return;
	op = &ops[s->op];
	s->r0 = s->r1 = s->r2 = 0;
	s->fds = 0;
	s->writeback = 0;
	s->writeback_uaddr = 0;
	s->why = (struct why){0};
	if (op->flags & NEEDS_ENCLAVE) {
		call->encl = settled_enclave(c, s->encl);
		/*
		 * Enclaves end by themselves only when nobody has them open, so
		 * the agent speaks of a descriptor that it has lost; a program
		 * can bring that about (a file of that inode number).  Who has none
		 * of an enclave that is there is told the same.
		 */
		s->ret = -ENOTTY;
	}
	if (call->encl || !(op->flags & NEEDS_ENCLAVE))
		s->ret = op->serve(call);
	if (call->ahead) {
		answer(call, shared);
		prefill_ahead(call->encl);
		enclave_put(call->encl);
		return;
	}
	if (call->encl)
		enclave_put(call->encl);
	answer(call, shared);
}
