/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclave memory in this process: which enclaves are mapped, their mappings, and
 * faults on them.
 *
 * A mapping is made so that no access can ever slip between it and its
 * registration with userfaultfd (a hole touched unregistered becomes a zero page
 * for everyone):
 *
 *	mmap PROT_NONE, MADV_NOHUGEPAGE, UFFDIO_REGISTER, mprotect
 *
 * The VMA is what the program asked for; the EPCM is expressed underneath by
 * holes and write-protection, which the daemon controls.  The offset in the file
 * is address - SECS.BASE whatever the program passes, as in the driver; outside
 * the ELRANGE, and before CREATE, it lies far beyond the file's end: SIGBUS.
 *
 * A fork child inherits the mappings: forked.c.
 */
#include "agent.h"

#include <linux/mman.h>
#include <asm/unistd.h>
#include <linux/ioctl.h>
#include <linux/userfaultfd.h>

#define BEYOND_END (1ull << 45)

long mem_register(uint64_t start, uint64_t size)
{
	struct uffdio_register reg;

	if (!PROC->has_uffd)
		return 0;
	agent_memset(&reg, 0, sizeof(reg));
	reg.range.start = start;
	reg.range.len = size;
	reg.mode =
		UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP;
	return sys3(__NR_ioctl, PROC->fd_uffd, UFFDIO_REGISTER, &reg);
}

/* One piece, whose offset in the file is known; replaces what is at start. */
static long map_piece(int fd, uint64_t start, uint64_t size, uint64_t offset, uint32_t prot)
{
	long ret = sys6(__NR_mmap, start, size, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, offset);

	if (is_error(ret))
		return ret;
	sys3(__NR_madvise, start, size, MADV_NOHUGEPAGE);
	/* Linux: enclaves are not in core files */
	sys3(__NR_madvise, start, size, MADV_DONTDUMP);
	ret = mem_register(start, size);
	if (ret < 0)
		goto undo;
	if (prot != PROT_NONE) {
		ret = sys3(__NR_mprotect, start, size, prot);
		if (ret < 0)
			goto undo;
	}
	return 0;
undo:
	sys6(__NR_mmap, start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return ret;
}

/* Up to three pieces: before, in and after the ELRANGE. */
static long map_range(const struct agent_encl *e, int fd, uint64_t start, uint64_t end,
		      uint32_t prot)
{
	while (start < end) {
		uint64_t stop = end, offset = BEYOND_END;
		long ret;

		if (e->created) {
			uint64_t base = e->secs.base, top = base + e->secs.size;

			if (start >= base && start < top) {
				stop = MIN(end, top);
				offset = start - base;
			} else if (start < base) {
				stop = MIN(end, base);
			}
		}
		ret = map_piece(fd, start, stop - start, offset, prot);
		if (ret < 0)
			return ret;
		start = stop;
	}
	return 0;
}

static long tell_map(uint64_t id, uint64_t start, uint64_t size, uint32_t prot, uint32_t flags)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_MAP, id);
	uint64_t personality = (uint64_t)sys1(__NR_personality, 0xffffffff);
	long ret;

	if (!slot)
		return -EIO;
	slot->a0 = start;
	slot->a1 = size;
	slot->a2 = prot;
	slot->a3 = flags | ((personality & 0x0400000) ? PROTO_MAP_RIE : 0);
	ret = rpc_call(slot);
	rpc_end(slot);
	return ret;
}

static long encl_mmap(agent_ucontext *uc, int fd, uint64_t id)
{
	uint64_t addr = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1)), flags = uc_arg(uc, 3);
	uint32_t prot = (uint32_t)uc_arg(uc, 2) & (PROT_READ | PROT_WRITE | PROT_EXEC);
	bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	struct agent_encl *e;
	long ret;

	if (!uc_arg(uc, 1))
		return -EINVAL;
	/* Linux: an enclave is shared or nothing */
	if ((flags & MAP_TYPE) != MAP_SHARED && (flags & MAP_TYPE) != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (!size || ((flags & MAP_FIXED) && (addr & ~SGX_PAGE_MASK)))
		return size ? -EINVAL : -ENOMEM;
	e = encl_attach(id, false);
	if (!e)
		return -ENOMEM;
	mem_filter_stage2();
	if (!(flags & MAP_FIXED)) {
		/* find the place first; NOREPLACE is the kernel's to decide */
		ret = sys6(__NR_mmap, addr, size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (flags & MAP_32BIT) |
				   (fixed ? MAP_FIXED_NOREPLACE : 0),
			   -1, 0);
		if (is_error(ret))
			return ret;
		if (fixed && (uint64_t)ret != addr) {
			sys2(__NR_munmap, ret, size);
			return -EEXIST;
		}
		addr = (uint64_t)ret;
	}
	ret = tell_map(id, addr, size, prot, 0);
	/* again: it may have been dropped before this was told */
	e = ret ? NULL : encl_attach(id, false);
	if (!ret)
		ret = e ? map_range(e, fd, addr, addr + size, prot) : -ENOMEM;
	if (ret < 0) {
		if (!(flags & MAP_FIXED))
			sys2(__NR_munmap, addr, size);
		return ret;
	}
	return (long)addr;
}

static bool range_ok(uint64_t start, uint64_t size)
{
	return !(start & ~SGX_PAGE_MASK) && size && start + size > start;
}

/* The range overlaps the ELRANGE of e */
static bool overlaps(const struct agent_encl *e, uint64_t start, uint64_t end)
{
	return e->id && e->created && start < e->secs.base + e->secs.size && end > e->secs.base;
}

/* Return: pages of e that this process maps now, after size bytes at start are gone */
static uint64_t unmap_one(const struct agent_encl *e, uint64_t start, uint64_t size)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_UNMAP, e->id);
	uint64_t left = 1;

	if (!slot)
		return left;
	slot->a0 = start;
	slot->a1 = size;
	slot->a2 = size ? 0 : PROTO_UNMAP_ASK;
	if (rpc_call(slot) == 0)
		left = slot->r0;
	rpc_end(slot);
	return left;
}

/*
 * [start, end) is about to go.  Told first: once it is unmapped another thread may
 * map there again, and that record is to stay.  Return: is an enclave unmapped?
 */
static bool tell_unmap(uint64_t start, uint64_t end)
{
	bool last = false;
	uint32_t i;

	for (i = 0; i < PROC->encl_count; i++) {
		const struct agent_encl *e = &PROC->encl[i];

		if (overlaps(e, start, end))
			last |= !unmap_one(e, start, end - start);
		else if (e->id && !e->created)
			/* before CREATE it may be mapped anywhere */
			unmap_one(e, start, end - start);
	}
	return last;
}

/* It is gone; and of an enclave nothing is left, if no thread has mapped it since. */
static void forget_unmapped(uint64_t start, uint64_t end)
{
	uint32_t i;

	agent_lock(&PROC->encl_lock);
	for (i = 0; i < PROC->encl_count; i++) {
		struct agent_encl *e = &PROC->encl[i];

		/* encl_mmap() attaches after it has told: it finds the entry, or makes one */
		if (overlaps(e, start, end) && !unmap_one(e, 0, 0))
			encl_drop(e);
	}
	agent_unlock(&PROC->encl_lock);
}

/* It did not go: the kernel refused.  What is there is told again. */
static void still_mapped(uint64_t start, uint64_t end)
{
	struct vma_range r[64];
	uint32_t i;
	long n, k;

	for (i = 0; i < PROC->encl_count; i++) {
		const struct agent_encl *e = &PROC->encl[i];
		uint64_t from = start;

		if (!overlaps(e, start, end))
			continue;
		do {
			n = vmas_of(e->id, from, end, r, ARRAY_SIZE(r));
			for (k = 0; k < n; k++) {
				from = r[k].end;
				tell_map(e->id, r[k].start, from - r[k].start, r[k].prot,
					 PROTO_MAP_INHERITED);
			}
		} while (n == ARRAY_SIZE(r));
	}
}

/**
 * mem_created() - CREATE has succeeded: mappings made before get their offsets
 * @e:	enclave; its base is known
 * @fd:	its descriptor
 *
 * Gramine maps the whole ELRANGE first, others probe.  What is still mapped of
 * that is mapped again in place.
 */
void mem_created(const struct agent_encl *e, int fd)
{
	struct vma_range r[64];
	uint64_t from = 0;
	long count;
	uint32_t i;

	do {
		count = vmas_of(e->id, from, 1ull << 47, r, ARRAY_SIZE(r));
		for (i = 0; i < count; i++) {
			from = r[i].end;
			if (tell_map(e->id, r[i].start, from - r[i].start, r[i].prot, 0) == 0)
				map_range(e, fd, r[i].start, from, r[i].prot);
		}
	} while (count == ARRAY_SIZE(r));
}

long mem_do_mmap(struct agent_thread *t, agent_ucontext *uc)
{
	int fd = (int)uc_arg(uc, 4);
	uint64_t id, prot = uc_arg(uc, 2), start = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1));
	bool replaces = (uc_arg(uc, 3) & MAP_FIXED) && range_ok(start, size);
	long ret;

	switch (uc_arg(uc, 3) & MAP_ANONYMOUS ? PROTO_DEV_NONE : dev_of_fd(fd, &id)) {
	case PROTO_DEV_ENCLAVE:
		return encl_mmap(uc, fd, id);
	case PROTO_DEV_PROVISION:
		return dev_is_path(fd) ? -EBADF : -ENODEV;
	default:
		break;
	}
	if (replaces)
		tell_unmap(start, start + size);
	ret = agent_pass(uc);
	if (replaces && is_error(ret))
		still_mapped(start, start + size);
	if (!is_error(ret) && (prot & PROT_EXEC) && !PROC->cpuid_faulting &&
	    (uc_arg(uc, 3) & (MAP_TYPE | MAP_ANONYMOUS)) == MAP_PRIVATE)
		cpuid_patch_mapping(fd, (uint64_t)ret, uc_arg(uc, 1), uc_arg(uc, 5),
				    (uint32_t)prot);
	return ret;
}

long mem_do_munmap(agent_ucontext *uc)
{
	uint64_t start = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1));
	bool last;
	long ret;

	if (!range_ok(start, size))
		return agent_pass(uc);
	last = tell_unmap(start, start + size);
	ret = agent_pass(uc);
	if (is_error(ret))
		still_mapped(start, start + size);
	else if (last)
		forget_unmapped(start, start + size);
	return ret;
}

long mem_do_mprotect(agent_ucontext *uc)
{
	uint64_t start = uc_arg(uc, 0), end = start + PAGE_UP(uc_arg(uc, 1));
	uint32_t prot = (uint32_t)uc_arg(uc, 2) & (PROT_READ | PROT_WRITE | PROT_EXEC), i;
	uint64_t lo, hi;
	long ret;

	for (i = 0; i < PROC->encl_count; i++) {
		struct agent_encl *e = &PROC->encl[i];

		if (!overlaps(e, start, end))
			continue;
		/* Linux asks for each VMA's part of the range */
		lo = start > e->secs.base ? start : e->secs.base;
		hi = MIN(end, e->secs.base + e->secs.size);
		ret = tell_map(e->id, lo, hi - lo, prot, PROTO_MAP_MPROTECT);
		if (ret < 0)
			return ret;
	}
	return agent_pass(uc);
}

static bool touches_enclave(uint64_t start, uint64_t size)
{
	uint32_t i;

	for (i = 0; i < PROC->encl_count; i++)
		if (overlaps(&PROC->encl[i], start, start + PAGE_UP(size)))
			return true;
	return false;
}

/* Linux: enclave VMAs are VM_PFNMAP | VM_DONTEXPAND: they do not grow or move. */
long mem_do_mremap(agent_ucontext *uc)
{
	uint64_t to = uc_arg(uc, 4), size = PAGE_UP(uc_arg(uc, 2));
	long ret;

	if (touches_enclave(uc_arg(uc, 0), uc_arg(uc, 1)))
		return -EFAULT;
	if (!(uc_arg(uc, 3) & MREMAP_FIXED) || !range_ok(to, size))
		return agent_pass(uc);
	/* what is there goes */
	tell_unmap(to, to + size);
	ret = agent_pass(uc);
	if (is_error(ret))
		still_mapped(to, to + size);
	return ret;
}

/*
 * Linux: VM_IO and VM_PFNMAP mappings are not locked, and not brought in; the
 * rest of the range is.
 */
long mem_do_mlock(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t from = uc_arg(uc, 0) & SGX_PAGE_MASK, to = PAGE_UP(uc_arg(uc, 0) + uc_arg(uc, 1));
	uint64_t flags = UC_REGS(uc)->ax == __NR_mlock2 ? uc_arg(uc, 2) : 0;
	uint32_t i;

	if (to < from || (flags & ~(uint64_t)MLOCK_ONFAULT) || !touches_enclave(from, to - from))
		return agent_reissue(t, uc);
	while (from < to) {
		uint64_t stop = to, next = to;
		long ret = 0;

		/* the enclave that comes first */
		for (i = 0; i < PROC->encl_count; i++) {
			const struct agent_encl *e = &PROC->encl[i];

			if (overlaps(e, from, to) && e->secs.base < stop) {
				stop = e->secs.base > from ? e->secs.base : from;
				next = e->secs.base + e->secs.size;
			}
		}
		if (stop > from)
			ret = sys3(UC_REGS(uc)->ax, from, stop - from, flags);
		if (ret < 0)
			return ret;
		from = next;
	}
	return 0;
}

/* Linux: VM_IO | VM_PFNMAP refuses what would free, share, copy or collapse. */
long mem_do_madvise(agent_ucontext *uc)
{
	if (!touches_enclave(uc_arg(uc, 0), uc_arg(uc, 1)))
		return agent_pass(uc);
	switch ((int)uc_arg(uc, 2)) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_KEEPONFORK:
	case MADV_DONTDUMP:
	case MADV_NOHUGEPAGE:
		return agent_pass(uc);
	case MADV_WILLNEED:
		return -EBADF;
	default:
		return -EINVAL;
	}
}

/* --- faults ------------------------------------------------------------------------ */

/* Ask the daemon.  flags: PROTO_FAULT_* */
static enum fault_result ask_fault(const struct agent_encl *e, uint64_t addr, uint32_t *error_code,
				   uint64_t flags)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_FAULT, e->id);
	long ret = -EIO;

	if (slot) {
		slot->a0 = addr;
		slot->a1 = *error_code;
		slot->a2 = flags;
		slot->a3 = ~0ull; /* the daemon's table of mappings knows */
		ret = rpc_call(slot);
		if (ret == PROTO_VERDICT_PF)
			*error_code = (uint32_t)slot->r0;
		rpc_end(slot);
	}
	switch (ret) {
	case PROTO_VERDICT_RETRY:
		return FAULT_RETRY;
	case PROTO_VERDICT_PF:
		return FAULT_PF;
	case PROTO_VERDICT_SIGBUS:
		return FAULT_SIGBUS;
	case PROTO_VERDICT_MCE:
		return FAULT_MCE;
	default:
		/* the EPCM of a lost EPC holds nothing */
		*error_code |= SGX_PF_P | SGX_PF_SGX;
		return FAULT_PF;
	}
}

enum fault_result encl_fault(struct agent_thread *t, agent_ucontext *uc, int sig, uint64_t addr,
			     uint32_t *error_code, bool enclave_mode)
{
	struct agent_encl *e = encl_by_addr(addr);

	if (!e)
		return FAULT_NOT_OURS;
	if (rpc_lost()) {
		*error_code |= SGX_PF_P | SGX_PF_SGX;
		return FAULT_PF;
	}
	/* SIGSEGV: the VMA denies, or there is none: the page tables' own #PF */
	if (sig == SIGSEGV)
		return FAULT_PF;
	return ask_fault(e, addr, error_code, enclave_mode ? PROTO_FAULT_ENCLAVE : 0);
}

enum fault_result encl_fault_tcs(uint64_t addr, uint32_t *error_code)
{
	struct agent_encl *e = encl_by_addr(addr);

	if (!e)
		return FAULT_NOT_OURS;
	/* without its table of slots there is none, whatever the daemon has */
	if (!e->tcs)
		return FAULT_PF;
	*error_code = SGX_PF_W | SGX_PF_U;
	return ask_fault(e, addr, error_code, PROTO_FAULT_TCS);
}
