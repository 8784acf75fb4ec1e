/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors of the SGX devices, and ioctl.
 *
 * An SGX descriptor is a memfd, recognised by its device and inode: dup, fcntl,
 * SCM_RIGHTS and inheritance need no help.  All memfds of the system share one
 * st_dev, so ordinary files cost no call to the daemon.  The number gives no right to an
 * enclave: one that is not known here yet is shown to the daemon, once.
 *
 * An ioctl is pushed: everything that the driver may want to read of the caller
 * is fetched here first (an unreadable piece is marked, not an error yet: the
 * order of checks is the driver's), so that the daemon never waits for a client.
 */
#include "../agent.h"
#include "../explain/text.h"

#include <asm/sgx.h>
#include <sgx/driver.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>

/* The first piece of an ADD_PAGES of more than one */
#define FIRST_PAGES    16u
#define ADD_PAGES_NAME "SGX_IOC_ENCLAVE_ADD_PAGES"

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

/* Show the daemon that this process has it, or end that: PROTO_OP_LOOKUP. */
static bool show(int fd, short type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = 0, /* SEEK_SET */
		.l_start = (long)AGENT_CHANNEL->shown_at,
		.l_len = 1,
	};

	return sys3(__NR_fcntl, fd, F_OFD_SETLK, &lock) == 0;
}

int dev_of_fd(int fd, uint64_t *id)
{
	struct proto_slot *slot;
	struct stat st;
	int kind = PROTO_DEV_NONE;
	bool shown;

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
	/* the program's own files are not locked: it might meet that lock */
	shown = path_may_be_enclave(fd) && show(fd, F_WRLCK);
	if (rpc_call(slot) >= 0)
		kind = (int)slot->r0;
	rpc_end(slot);
	if (shown)
		show(fd, F_UNLCK);
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
	struct sgx_secinfo_arch secinfo; /* the caller's, where a stream is asked for */
	uint32_t stream; /* its number + 1, 0: none; see sys/stream.c */
	bool opened; /* the answer has opened it */
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
	const void *secinfo;
	uint32_t bulk;

	p->slot = slot;
	p->last = pages <= most;
	p->pages = (uint32_t)MIN(pages, most);
	if (!slot)
		return;
	slot->a0 = SGX_IOC_ENCLAVE_ADD_PAGES;
	slot->a1 = a->arg;
	slot->a2 = (done ? 0 : PROTO_IOCTL_FIRST) | (p->last ? PROTO_IOCTL_LAST : 0);
	slot->a3 = a->stream;
	piece = (struct sgx_enclave_add_pages *)fetch(slot, a->arg, sizeof(a->add));
	if (!a->readable || !piece)
		return;
	*piece = a->add;
	piece->src += done;
	piece->offset += done;
	piece->length -= done;
	secinfo = fetch(slot, a->add.secinfo, sizeof(a->secinfo));
	if (secinfo && a->stream)
		agent_memcpy(&a->secinfo, secinfo, sizeof(a->secinfo));
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
static long add_in_pieces(agent_ucontext *uc, struct adding *a)
{
	struct piece p, next;
	bool stored = false;
	long ret;

	a->left = a->readable ? a->add.length : 0;
	for (fetch_piece(a, &p, 0, true);; p = next) {
		uint64_t count = 0, size = (uint64_t)p.pages * SGX_PAGE_SIZE;
		bool signal;

		if (!p.slot) {
			explain_rule(WHY_MACHINE_LOST, 0, 0, ADD_PAGES_NAME);
			return -EIO;
		}
		/*
		 * A signal stops it between two pages.  With one page alone it may
		 * as well have come a moment later.
		 */
		signal = a->left > SGX_PAGE_SIZE && signal_is_pending(uc);
		if (signal)
			p.slot->a2 |= PROTO_IOCTL_SIGNAL;
		rpc_post(p.slot);
		next.slot = NULL;
		if (!p.last && !signal && !p.slot->src_status)
			fetch_piece(a, &next, size, false);
		ret = rpc_wait(p.slot);
		if (!rpc_lost()) {
			count = p.slot->r0;
			stored |= p.slot->writeback != 0;
			a->opened = ret == 0 && a->stream && p.slot->r1;
			if (ret < 0)
				explain_slot(p.slot, ADD_PAGES_NAME);
		}
		end_piece(&p);
		a->done += count;
		a->left -= MIN(a->left, count);
		/* an error, the end, a signal, or a page that could not be had */
		if (ret != 0 || p.last || signal || count < size)
			break;
		if (!next.slot)
			fetch_piece(a, &next, 0, true);
	}
	end_piece(&next);
	if (stored || a->done) {
		a->add.count = a->done;
		if (!copy_out(a->arg, &a->add, sizeof(a->add))) {
			explain_rule(WHY_WRITE_BACK, a->arg, 0, ADD_PAGES_NAME);
			return -EFAULT;
		}
	}
	return ret == -512 && a->done ? 0 : ret;
}

/* e: what this process knows of the enclave, its ioctl place held; NULL: nothing yet. */
static long add_pages(agent_ucontext *uc, struct agent_encl *e, uint64_t id, uint64_t arg)
{
	struct adding a = {.id = id, .arg = arg};
	long ret;

	a.readable = copy_in(&a.add, arg, sizeof(a.add));
	if (!e || !a.readable)
		return add_in_pieces(uc, &a);
	if (stream_post(e, &a.add)) {
		a.add.count = SGX_PAGE_SIZE;
		if (copy_out(arg, &a.add, sizeof(a.add)))
			return 0;
		explain_rule(WHY_WRITE_BACK, arg, 0, ADD_PAGES_NAME);
		return -EFAULT;
	}
	a.stream = stream_wanted(e, &a.add);
	ret = add_in_pieces(uc, &a);
	stream_answered(e, &a.add, a.done, a.opened ? &a.secinfo : NULL);
	return ret;
}

/*
 * An argument of zeros asks whether there is such an ioctl: Intel's loader does so for
 * SGX2, and goes on with any answer.  Unasked, nothing is said of the refusal.
 */
static bool is_probe(const void *arg, uint32_t size)
{
	const uint8_t *bytes = arg;
	uint32_t i;

	for (i = 0; bytes && i < size; i++)
		if (bytes[i])
			return false;
	return bytes;
}

/* Of the drivers before Linux 5.11: the structure, the SECINFO, one page */
static void fetch_add_page(struct proto_slot *slot, uint64_t arg)
{
	struct sgx_v22_add_page add;
	const void *p = fetch(slot, arg, sizeof(add));

	if (!p)
		return;
	agent_memcpy(&add, p, sizeof(add));
	fetch(slot, add.secinfo, sizeof(struct sgx_secinfo_arch));
	fetch(slot, add.src, SGX_PAGE_SIZE);
}

static long other_ioctl(agent_ucontext *uc, int fd, uint64_t id, uint32_t cmd, uint64_t arg)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_IOCTL, id);
	struct agent_encl *e;
	uint32_t size = (cmd >> 16) & 0x3fff;
	uint64_t inner, unused;
	bool probe = false;
	const void *p;
	long ret;

	if (!slot) {
		explain_rule(WHY_MACHINE_LOST, 0, 0, why_ioctl_name(cmd));
		return -EIO;
	}
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
	case SGX_V22_ADD_PAGE:
		fetch_add_page(slot, arg);
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
		if (size <= 64) {
			p = fetch(slot, arg, size);
			probe = is_probe(p, size);
		}
		break;
	}
	if (signal_is_pending(uc))
		slot->a2 |= PROTO_IOCTL_SIGNAL;
	ret = rpc_call(slot);
	if (rpc_lost())
		explain_rule(WHY_MACHINE_LOST, 0, 0, why_ioctl_name(cmd));
	else if (ret && (!probe || PROC->explain))
		explain_slot(slot, why_ioctl_name(cmd));
	if (!rpc_lost())
		ret = write_back(slot, ret);
	rpc_end(slot);
	if (ret)
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

static long enclave_ioctl(agent_ucontext *uc, int fd, uint64_t id)
{
	uint32_t cmd = (uint32_t)uc_arg(uc, 1);
	uint64_t arg = uc_arg(uc, 2);
	struct agent_encl *e = encl_by_id(id);
	long ret;

	/*
	 * Linux: a second ioctl on an enclave is EBUSY at once.  Other processes, and
	 * enclaves that are not known here yet, meet that in the daemon.
	 */
	if (e && !encl_ioctl_begin(e)) {
		explain_rule(WHY_IOCTL_BUSY, 0, 0, why_ioctl_name(cmd));
		return -EBUSY;
	}
	if (e && e->id != id) {
		encl_ioctl_end(e);
		e = NULL;
	}
	if (cmd == SGX_IOC_ENCLAVE_ADD_PAGES) {
		ret = add_pages(uc, e, id, arg);
	} else {
		if (e)
			stream_forget(e);
		ret = other_ioctl(uc, fd, id, cmd, arg);
	}
	if (e)
		encl_ioctl_end(e);
	return ret;
}

long dev_do_ioctl(struct agent_thread *t, agent_ucontext *uc, bool *done)
{
	int fd = (int)uc_arg(uc, 0);
	uint64_t id;
	long ret;

	*done = true;
	switch (dev_of_fd(fd, &id)) {
	case PROTO_DEV_ENCLAVE:
		ret = enclave_ioctl(uc, fd, id);
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
