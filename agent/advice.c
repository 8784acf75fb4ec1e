/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * madvise() and mlock() of ranges with enclave memory in them.
 *
 * Linux goes from VMA to VMA.  What is an enclave's (VM_PFNMAP | VM_IO |
 * VM_DONTEXPAND | VM_DONTDUMP, shared, of a device without fallocate) is answered
 * here, the rest is the kernel's.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#define BATCH 16

struct range_call {
	long nr;
	uint64_t arg; /* advice, or mlock2()'s flags */
	/* of enclave memory.  Return: 0 or -errno */
	long (*enclave)(const struct range_call *c, uint64_t start, uint64_t size);
	bool goes_on; /* past what is not mapped; ENOMEM then at the end */
	bool gap;
};

/* Return: 0, or -errno with which the call ends */
static long ordinary(struct range_call *c, uint64_t start, uint64_t end)
{
	long ret = start < end ? sys3(c->nr, start, end - start, c->arg) : 0;

	if (ret != -ENOMEM || !c->goes_on)
		return ret;
	c->gap = true;
	return 0;
}

/* VMA for VMA.  Return: as Linux, or -ESRCH: /proc is not there, and nothing was done */
static long each_stretch(struct range_call *c, uint64_t start, uint64_t end)
{
	struct vma_range r[BATCH];
	bool first = true;
	long count, ret, k;

	do {
		count = vmas_of(VMAS_ENCLAVES, start, end, r, BATCH);
		if (count < 0)
			return first ? -ESRCH : count;
		first = false;
		for (k = 0; k < count; k++) {
			ret = ordinary(c, start, r[k].start);
			if (ret == 0)
				ret = c->enclave(c, r[k].start, r[k].end - r[k].start);
			if (ret < 0)
				return ret;
			start = r[k].end;
		}
	} while (count == BATCH);
	ret = ordinary(c, start, end);
	return ret ? ret : c->gap ? -ENOMEM : 0;
}

static long advise_enclave(const struct range_call *c, uint64_t start, uint64_t size)
{
	switch ((int)c->arg) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_KEEPONFORK:
	case MADV_DONTDUMP:
	case MADV_NOHUGEPAGE:
	/* shared memory is not merged, and that is 0; or the kernel has no such advice */
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		return sys3(__NR_madvise, start, size, c->arg);
	case MADV_WILLNEED: /* a device has nothing to read ahead */
	case MADV_HUGEPAGE: /* nor huge pages, and VM_PFNMAP does not count here */
		return 0;
	default:
		/* would free, bring in, copy, share, collapse or dump */
		explain_rule(WHY_MADVISE, c->arg, 0, "madvise");
		return -EINVAL;
	}
}

long mem_do_madvise(agent_ucontext *uc)
{
	uint64_t start = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1));
	struct range_call c = {
		.nr = __NR_madvise,
		.arg = uc_arg(uc, 2),
		.enclave = advise_enclave,
		.goes_on = true,
	};
	long ret;

	if (!mem_range_ok(start, size) || !mem_touches(start, start + size))
		return agent_pass(uc);
	ret = each_stretch(&c, start, start + size);
	return ret == -ESRCH ? advise_enclave(&c, start, size) : ret;
}

/* Linux: VM_IO and VM_PFNMAP mappings are not locked, and not brought in. */
static long lock_enclave(const struct range_call *c, uint64_t start, uint64_t size)
{
	return 0;
}

long mem_do_mlock(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t from = uc_arg(uc, 0) & SGX_PAGE_MASK, to = PAGE_UP(uc_arg(uc, 0) + uc_arg(uc, 1));
	struct range_call c = {
		.nr = (long)UC_REGS(uc)->ax,
		.arg = UC_REGS(uc)->ax == __NR_mlock2 ? uc_arg(uc, 2) : 0,
		.enclave = lock_enclave,
	};
	long ret;

	if (to <= from || (c.arg & ~(uint64_t)MLOCK_ONFAULT) || !mem_touches(from, to))
		return agent_reissue(t, uc);
	/* may this process lock anything? */
	ret = sys3(c.nr, from, 0, c.arg);
	if (ret == 0)
		ret = each_stretch(&c, from, to);
	return ret == -ESRCH ? 0 : ret;
}
