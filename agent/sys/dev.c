/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors of the SGX devices, and ioctl.
 *
 * An SGX descriptor is a memfd, recognised by its device and inode: dup, fcntl,
 * SCM_RIGHTS and inheritance need no help.  All memfds of the system share one
 * st_dev, so ordinary files cost no call to the daemon.
 *
 * An ioctl is pushed: everything that the driver may want to read of the caller
 * is fetched here first (an unreadable piece is marked, not an error yet: the
 * order of checks is the driver's), so that the daemon never waits for a client.
 */
#include "../agent.h"

#include <asm/sgx.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>

/* The first piece of an ADD_PAGES of more than one */
#define FIRST_PAGES 16u
#define USER_END    (1ull << 47)

static bool fd_stat(int fd, struct stat *st)
{
	return sys2(__NR_fstat, fd, st) == 0;
}

uint64_t dev_of_memfds(void)
{
	struct stat st;
	long fd;

	if (PROC->memfd_dev)
		return PROC->memfd_dev;
	fd = sys2(__NR_memfd_create, "swsgx", 1 /* MFD_CLOEXEC */);
	if (fd < 0)
		return 0;
	if (fd_stat((int)fd, &st))
		PROC->memfd_dev = st.st_dev;
	sys1(__NR_close, fd);
	return PROC->memfd_dev;
}

int dev_of_fd(int fd, uint64_t *id)
{
	struct proto_slot *slot;
	struct stat st;
	int kind = PROTO_DEV_NONE;

	*id = 0;
	if (fd < 0 || !fd_stat(fd, &st) || st.st_dev != dev_of_memfds())
		return PROTO_DEV_NONE;
	*id = st.st_ino;
	if (encl_by_id(st.st_ino))
		return PROTO_DEV_ENCLAVE;
	slot = rpc_begin(PROTO_OP_LOOKUP, 0);
	if (!slot)
		return PROTO_DEV_NONE;
	slot->a0 = st.st_dev;
	slot->a1 = st.st_ino;
	if (rpc_call(slot) >= 0)
		kind = (int)slot->r0;
	rpc_end(slot);
	return kind;
}

/* Opened with O_PATH: nothing but its identity counts */
bool dev_is_path(int fd)
{
	return sys2(__NR_fcntl, fd, F_GETFL) & O_PATH;
}

/* Fetch size bytes at uaddr into the slot as one more segment. */
static const void *fetch(struct proto_slot *slot, uint64_t uaddr, uint32_t size)
{
	struct proto_segment *seg = &slot->segment[slot->segment_count];
	uint32_t offset = 0;

	if (slot->segment_count) {
		const struct proto_segment *last = seg - 1;

		offset = (last->offset + last->size + 7) & ~7u;
	}
	slot->segment_count++;
	seg->uaddr = uaddr;
	seg->size = size;
	seg->offset = offset;
	seg->status = copy_in(slot->data + offset, uaddr, size) ? 0 : -EFAULT;
	return seg->status ? NULL : slot->data + offset;
}

static bool signal_is_pending(const agent_ucontext *uc)
{
	uint64_t set = 0;

	/* asynchronous signals are blocked here: what waits and is not blocked outside */
	if (sys2(__NR_rt_sigpending, &set, 8) < 0)
		return false;
	return set & ASYNC_SIGNALS & ~uc->uc_sigmask;
}

/* Copy what the driver gives back.  Failing that: EFAULT, as copy_to_user. */
static long write_back(struct proto_slot *slot, long ret)
{
	uint8_t copy[64];

	if (!slot->writeback || slot->writeback > sizeof(copy))
		return ret;
	agent_memcpy(copy, slot->data, slot->writeback);
	return copy_out(slot->writeback_uaddr, copy, slot->writeback) ? ret : -EFAULT;
}

/*
 * Source pages [uaddr, + pages) into the bulk area: as many as can be read.  A
 * plain copy that survives faults: process_vm_readv() costs several times as much
 * in looking the pages up.
 */
static void fetch_pages(struct proto_slot *slot, uint32_t bulk, uint64_t uaddr, uint32_t pages)
{
	uint8_t *dst = (uint8_t *)AGENT_CHANNEL + PROTO_BULK_OFFSET + bulk * PROTO_BULK_SIZE;
	uint64_t size = (uint64_t)pages * SGX_PAGE_SIZE, got = 0;

	/* nothing beyond the addresses that are a program's */
	if (uaddr < USER_END && size <= USER_END - uaddr)
		got = size - agent_copy(dst, (const void *)uaddr, size);
	slot->bulk = bulk;
	slot->src_uaddr = uaddr;
	slot->src_pages = (uint32_t)(got / SGX_PAGE_SIZE);
	slot->src_status = slot->src_pages < pages ? -EFAULT : 0;
}

/* An ADD_PAGES under way: pieces, the next of which is fetched during the current. */
struct adding {
	uint64_t id, arg;
	struct sgx_enclave_add_pages add; /* the caller's */
	bool readable;
	uint64_t done, left; /* of it; at the current piece's start */
};

struct piece {
	struct proto_slot *slot; /* NULL: none */
	uint32_t pages;
	bool last;
};

/*
 * The piece that begins at bytes after the current one.  Of a long call the first
 * is short, as nothing is done during its fetch.  wait: for a slot and a bulk area;
 * without, there may be no piece.
 */
static void fetch_piece(struct adding *a, struct piece *p, uint64_t at, bool wait)
{
	uint64_t done = a->done + at, pages = (a->left - at) / SGX_PAGE_SIZE;
	struct proto_slot *slot =
		wait ? rpc_begin(PROTO_OP_IOCTL, a->id) : rpc_try_begin(PROTO_OP_IOCTL, a->id);
	uint64_t most = !done && pages > PROTO_BULK_PAGES ? FIRST_PAGES : PROTO_BULK_PAGES;
	struct sgx_enclave_add_pages *piece;
	uint32_t bulk;

	p->slot = slot;
	p->last = pages <= most;
	p->pages = (uint32_t)MIN(pages, most);
	if (!slot)
		return;
	slot->a0 = SGX_IOC_ENCLAVE_ADD_PAGES;
	slot->a1 = a->arg;
	slot->a2 = (done ? 0 : PROTO_IOCTL_FIRST) | (p->last ? PROTO_IOCTL_LAST : 0);
	piece = (struct sgx_enclave_add_pages *)fetch(slot, a->arg, sizeof(a->add));
	if (!a->readable || !piece)
		return;
	*piece = a->add;
	piece->src += done;
	piece->offset += done;
	piece->length -= done;
	fetch(slot, a->add.secinfo, sizeof(struct sgx_secinfo_arch));
	if (!p->pages)
		return;
	if (rpc_bulk_claim(slot, &bulk, wait)) {
		slot->a2 |= PROTO_IOCTL_BULK;
		fetch_pages(slot, bulk, piece->src, p->pages);
	} else if (!wait) {
		rpc_end(slot);
		p->slot = NULL;
	}
}

static void end_piece(struct piece *p)
{
	if (!p->slot)
		return;
	rpc_bulk_free(p->slot);
	rpc_end(p->slot);
	p->slot = NULL;
}

/*
 * ADD_PAGES in pieces of a bulk area: each is the caller's struct with src,
 * offset and length moved on; the struct's count is the sum.
 */
static long add_pages(agent_ucontext *uc, uint64_t id, uint64_t arg)
{
	struct adding a = {.id = id, .arg = arg};
	struct piece p, next;
	bool stored = false;
	long ret;

	a.readable = copy_in(&a.add, arg, sizeof(a.add));
	a.left = a.readable ? a.add.length : 0;
	for (fetch_piece(&a, &p, 0, true);; p = next) {
		uint64_t count = 0, size = (uint64_t)p.pages * SGX_PAGE_SIZE;
		bool signal;

		if (!p.slot)
			return -EIO;
		/*
		 * A signal stops it between two pages.  With one page alone it may
		 * as well have come a moment later.
		 */
		signal = a.left > SGX_PAGE_SIZE && signal_is_pending(uc);
		if (signal)
			p.slot->a2 |= PROTO_IOCTL_SIGNAL;
		rpc_post(p.slot);
		next.slot = NULL;
		if (!p.last && !signal && !p.slot->src_status)
			fetch_piece(&a, &next, size, false);
		ret = rpc_wait(p.slot);
		if (!rpc_lost()) {
			count = p.slot->r0;
			stored |= p.slot->writeback != 0;
		}
		end_piece(&p);
		a.done += count;
		a.left -= MIN(a.left, count);
		/* an error, the end, a signal, or a page that could not be had */
		if (ret != 0 || p.last || signal || count < size)
			break;
		if (!next.slot)
			fetch_piece(&a, &next, 0, true);
	}
	end_piece(&next);
	if (stored || a.done) {
		a.add.count = a.done;
		if (!copy_out(arg, &a.add, sizeof(a.add)))
			return -EFAULT;
	}
	return ret == -512 && a.done ? 0 : ret;
}

static long other_ioctl(agent_ucontext *uc, int fd, uint64_t id, uint32_t cmd, uint64_t arg)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_IOCTL, id);
	struct agent_encl *e;
	const void *p;
	uint64_t inner, unused;
	long ret;

	if (!slot)
		return -EIO;
	slot->a0 = cmd;
	slot->a1 = arg;
	slot->a2 = PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST;
	switch (cmd) {
	case SGX_IOC_ENCLAVE_CREATE:
		p = fetch(slot, arg, sizeof(struct sgx_enclave_create));
		if (p) {
			agent_memcpy(&inner, p, 8);
			fetch(slot, inner, sizeof(struct sgx_secs));
		}
		break;
	case SGX_IOC_ENCLAVE_INIT:
		p = fetch(slot, arg, sizeof(struct sgx_enclave_init));
		if (p) {
			agent_memcpy(&inner, p, 8);
			fetch(slot, inner, sizeof(struct sgx_sigstruct_arch));
		}
		break;
	case SGX_IOC_ENCLAVE_PROVISION:
		p = fetch(slot, arg, sizeof(struct sgx_enclave_provision));
		if (p) {
			agent_memcpy(&inner, p, 8);
			if (dev_of_fd((int)inner, &unused) == PROTO_DEV_PROVISION &&
			    !dev_is_path((int)inner))
				slot->a2 |= PROTO_IOCTL_PROVISION_FD;
		}
		break;
	default:
		/* the largest argument there is: the driver reads what it wants of it */
		if (((cmd >> 16) & 0x3fff) <= 64)
			fetch(slot, arg, (cmd >> 16) & 0x3fff);
		break;
	}
	if (signal_is_pending(uc))
		slot->a2 |= PROTO_IOCTL_SIGNAL;
	ret = rpc_call(slot);
	if (!rpc_lost())
		ret = write_back(slot, ret);
	rpc_end(slot);
	if (ret < 0)
		return ret;
	if (cmd == SGX_IOC_ENCLAVE_CREATE) {
		e = encl_attach(id, true);
		if (e) {
			mem_filter_stage2();
			mem_created(e, fd);
		}
	} else if (cmd == SGX_IOC_ENCLAVE_INIT) {
		encl_attach(id, true);
	}
	return ret;
}

long dev_do_ioctl(struct agent_thread *t, agent_ucontext *uc, bool *done)
{
	int fd = (int)uc_arg(uc, 0);
	uint32_t cmd = (uint32_t)uc_arg(uc, 1);
	uint64_t arg = uc_arg(uc, 2), id;
	long ret;

	*done = true;
	switch (dev_of_fd(fd, &id)) {
	case PROTO_DEV_ENCLAVE:
		if (cmd == SGX_IOC_ENCLAVE_ADD_PAGES)
			ret = add_pages(uc, id, arg);
		else
			ret = other_ioctl(uc, fd, id, cmd, arg);
		/* ERESTARTSYS: with a handler that restarts, the call is made again */
		if (ret == -512) {
			UC_REGS(uc)->ip -= 2;
			ret = (long)UC_REGS(uc)->ax;
		}
		return ret;
	default:
		/* a memfd has no ioctls: what the kernel says is right for the others */
		*done = false;
		return 0;
	}
}

/*
 * Calls that a memfd takes and a character device does not; the order of checks
 * is the kernel's.  False: not an enclave.
 */
bool dev_do_file(agent_ucontext *uc, long *ret)
{
	int fd = (int)uc_arg(uc, 0), cmd = (int)uc_arg(uc, 1);
	uint64_t id;

	/* the others of fcntl are any file's */
	if (UC_REGS(uc)->ax == __NR_fcntl && cmd != F_ADD_SEALS && cmd != F_GET_SEALS)
		return false;
	switch (dev_of_fd(fd, &id)) {
	case PROTO_DEV_ENCLAVE:
	case PROTO_DEV_PROVISION:
		break;
	default:
		return false;
	}
	if (dev_is_path(fd))
		return false;
	*ret = -EINVAL;
	if (UC_REGS(uc)->ax == __NR_fallocate && (int64_t)uc_arg(uc, 2) >= 0 &&
	    (int64_t)uc_arg(uc, 3) > 0)
		*ret = -ENODEV;
	return true;
}
