/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves of a fork child.
 *
 * As in Linux the child has its parent's mappings: the kernel copies the VMAs
 * with the rest, which holds the enclave's file open.  What it does not copy is
 * the registration with the parent's userfaultfd, nor a single PTE (a shared file
 * is faulted in again).  So the child registers the same VMAs with a userfaultfd
 * of its own before it runs one instruction of the program: until then its only
 * thread is in this handler, and nothing touches enclave memory.
 *
 *	fork: VMAs, no PTE --mem_forked()--> registered --first touch, call or
 *	EENTER: rpc_connect(), mem_tell_inherited()--> as in any process
 *
 * The daemon is told at the first use and not before: most children exec.
 * Whoever changes a mapping asks the daemon first, which connects, so what is told
 * then is what was inherited.
 *
 * The child may have no descriptor of what it has mapped, and the parent may be gone:
 * what proves to the daemon that it has the enclave is the key that the parent's agent
 * was told, agent_encl.key, which is in the memory that the kernel has copied.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/mman.h>
#include <linux/resource.h>

#define BATCH 64

/*
 * Call each for what is mapped of e, outside its ELRANGE as well if there may be
 * something, until it answers less than 0.  Return: how many, or -errno
 */
static long each_vma(const struct agent_encl *e,
		     long (*each)(const struct agent_encl *e, const struct vma_range *r))
{
	uint64_t from = e->loose ? 0 : e->secs.base;
	uint64_t to = e->loose ? TASK_SIZE : from + e->secs.size;
	struct vma_range r[BATCH];
	long count, total = 0, ret;
	uint32_t i;

	do {
		count = vmas_of(e->id, from, to, r, BATCH);
		if (count < 0)
			return count;
		for (i = 0; i < count; i++) {
			ret = each(e, &r[i]);
			if (ret < 0)
				return ret;
			from = r[i].end;
		}
		total += count;
	} while (count == BATCH);
	return total;
}

/* No access any more; the program sees memory that is not there. */
static void take_away(uint64_t start, uint64_t end)
{
	sys6(__NR_mmap, start, end - start, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static long register_vma(const struct agent_encl *e, const struct vma_range *r)
{
	bool inside = r->start - e->secs.base < e->secs.size;
	/* Another thread of the parent was about to give it its offset: CREATE, mremap() */
	bool early = inside && r->offset != r->start - e->secs.base;

	if (early || !PROC->has_uffd || mem_register(r->start, r->end - r->start) < 0)
		take_away(r->start, r->end);
	return 0;
}

static bool has_enclaves(bool *created)
{
	bool any = false;
	uint32_t i;

	*created = false;
	for (i = 0; i < PROC->encl_count; i++) {
		any |= PROC->encl[i].id != 0;
		*created |= PROC->encl[i].id && PROC->encl[i].created;
	}
	return any;
}

void mem_forked(void)
{
	bool registered = PROC->has_uffd, created;
	struct rlimit limit;
	uint32_t i;
	long n;

	if (!has_enclaves(&created))
		return;
	PROC->inherited = 1;
	/* without userfaultfd pages are simply there, for the child too */
	if (!registered || !created)
		return;
	rpc_make_room(&limit);
	rpc_make_uffd();
	for (i = 0; i < PROC->encl_count; i++) {
		struct agent_encl *e = &PROC->encl[i];

		if (!e->id || !e->created)
			continue;
		n = each_vma(e, register_vma);
		if (n < 0) {
			agent_say("cannot read /proc/self/maps: a forked process has no access to "
				  "its parent's enclaves");
			take_away(e->secs.base, e->secs.base + e->secs.size);
		}
		/* closed or unmapped before the fork, or the program wants it so */
		if (n <= 0)
			encl_drop(e);
	}
	rpc_end_room(&limit);
}

static long tell_vma(const struct agent_encl *e, const struct vma_range *r)
{
	return rpc_tell_inherited(e->id, r);
}

long mem_tell_inherited(void)
{
	uint32_t i;

	for (i = 0; i < PROC->encl_count; i++) {
		struct agent_encl *e = &PROC->encl[i];
		long ret = e->id ? rpc_show_inherited(e) : 0;

		/* It has ended; or another thread of the parent did not know its key yet. */
		if (ret == -ENOTTY)
			encl_drop(e);
		else if (ret == 0 && e->created)
			ret = each_vma(e, tell_vma);
		if (ret < 0 && ret != -ENOTTY)
			return ret;
	}
	return 0;
}

static long deny_vma(const struct agent_encl *e, const struct vma_range *r)
{
	return sys3(__NR_mprotect, r->start, r->end - r->start, PROT_NONE);
}

void mem_lost(void)
{
	uint32_t i;

	for (i = 0; i < PROC->encl_count; i++) {
		const struct agent_encl *e = &PROC->encl[i];

		if (e->id && e->created && each_vma(e, deny_vma) < 0)
			take_away(e->secs.base, e->secs.base + e->secs.size);
	}
}
