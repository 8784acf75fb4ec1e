/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mremap() of enclave memory.
 *
 * Linux: enclave VMAs are VM_PFNMAP | VM_DONTEXPAND.  They do not grow (EFAULT),
 * nor stay behind when they move (MREMAP_DONTUNMAP: EINVAL).  The same size, a
 * smaller one and a move are the kernel's business, and the driver is not asked.
 *
 * The order of Linux's checks: flags, alignment, lengths and the new address
 * (EINVAL), then whether anything is mapped at the old one (EFAULT), then what the
 * VMA is.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7 */
#endif

struct remap {
	uint64_t from, old_size, to, size, flags;
	bool places; /* the new address is given */
};

/* What is EINVAL whatever is mapped; the kernel says it. */
static bool is_refused_at_once(const agent_ucontext *uc, const struct remap *r)
{
	const uint64_t flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	if ((r->from & ~SGX_PAGE_MASK) || !r->size || (r->flags & ~flags) ||
	    (r->flags && !(r->flags & MREMAP_MAYMOVE)))
		return true;
	if (!r->places)
		return false;
	if ((r->flags & MREMAP_DONTUNMAP) && uc_arg(uc, 1) != uc_arg(uc, 2))
		return true;
	return (r->to & ~SGX_PAGE_MASK) || r->size > TASK_SIZE || r->to > TASK_SIZE - r->size ||
	       (r->from + r->old_size > r->to && r->to + r->size > r->from);
}

/* As it is: what it unmaps is told before, and told again if it was refused. */
static long pass_and_tell(agent_ucontext *uc, const struct remap *r)
{
	uint64_t tail = r->from + r->size, end = r->from + r->old_size, to_end = r->to + r->size;
	bool shrinks = r->size < r->old_size, replaces = r->flags & MREMAP_FIXED;
	bool tail_last = shrinks && mem_tell_unmap(tail, end);
	bool to_last = replaces && mem_tell_unmap(r->to, to_end);
	long ret = agent_pass(uc);

	if (is_error(ret)) {
		if (shrinks)
			mem_tell_again(tail, end);
		if (replaces)
			mem_tell_again(r->to, to_end);
		return ret;
	}
	if (tail_last)
		mem_forget(tail, end);
	if (to_last)
		mem_forget(r->to, to_end);
	return ret;
}

static long move(struct agent_encl *e, const struct vma_range *vma, const struct remap *r)
{
	uint64_t end = r->from + r->old_size, to_end = r->to + r->size;
	bool last = mem_tell_unmap(r->to, to_end);
	long ret;

	/* An enclave that is mapped nowhere is forgotten: the new place comes first. */
	ret = mem_tell_map(e->id, r->to, r->size, vma->prot, PROTO_MAP_INHERITED);
	if (ret == 0) {
		e->loose = 1;
		mem_tell_unmap(r->from, end);
		ret = mem_move_range(e, vma, r->old_size, r->to, r->size);
	}
	if (ret < 0) {
		mem_tell_unmap(r->to, to_end);
		mem_tell_again(r->from, end);
		mem_tell_again(r->to, to_end);
		return ret;
	}
	if (last)
		mem_forget(r->to, to_end);
	return (long)r->to;
}

/* The first VMA of the old range is an enclave's. */
static long remap_enclave(agent_ucontext *uc, const struct vma_range *vma, const struct remap *r)
{
	struct agent_encl *e = encl_by_id(vma->encl);
	long ret;

	if (!r->places && r->size <= r->old_size)
		return pass_and_tell(uc, r);
	/* sealed? */
	ret = sys6(__NR_mremap, r->from, SGX_PAGE_SIZE, SGX_PAGE_SIZE, 0, 0, 0);
	if (is_error(ret))
		return ret;
	if (r->flags & MREMAP_DONTUNMAP) {
		explain_rule(WHY_MREMAP_DONTUNMAP, r->from, 0, "mremap");
		return -EINVAL;
	}
	if (r->size > r->old_size || vma->end < r->from + r->old_size || !e) {
		explain_rule(WHY_MREMAP, r->from, 0, "mremap");
		return -EFAULT;
	}
	return move(e, vma, r);
}

long mem_do_mremap(agent_ucontext *uc)
{
	struct remap r = {
		.from = uc_arg(uc, 0),
		.old_size = PAGE_UP(uc_arg(uc, 1)),
		.size = PAGE_UP(uc_arg(uc, 2)),
		.flags = uc_arg(uc, 3),
		.to = uc_arg(uc, 4),
	};
	struct vma_range vma;
	/* An old length of 0 asks for one mapping more of what is at the address. */
	uint64_t end = r.from + (r.old_size ? r.old_size : SGX_PAGE_SIZE);
	long count;

	r.places = r.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
	if (is_refused_at_once(uc, &r))
		return agent_pass(uc);
	if (end <= r.from || !mem_touches(r.from, end))
		return pass_and_tell(uc, &r);
	count = vmas_of(VMAS_ENCLAVES, r.from, end, &vma, 1);
	/*
	 * Ordinary memory first, or nothing, and then an enclave's: that shrinks.  A move
	 * of more than one VMA is EFAULT; from Linux 6.17 on not for ordinary files, for
	 * which the kernel takes an enclave's without userfaultfd.
	 */
	if (count == 0 || (count > 0 && vma.start > r.from && (PROC->has_uffd || !r.places)))
		return pass_and_tell(uc, &r);
	/* no /proc */
	if (count < 0 || vma.start > r.from)
		return -EFAULT;
	return remap_enclave(uc, &vma, &r);
}
