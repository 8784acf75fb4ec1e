/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclave memory in this process: which enclaves are mapped, their mappings, and
 * faults on them.  How one mapping is made: map.c.
 *
 * A fork child inherits the mappings: forked.c.
 */
#include "agent.h"

#include <linux/mman.h>
#include <asm/unistd.h>

/* What mprotect() takes on x86 */
#define PROT_ALL \
	((uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP))

/* What the kernel makes of PROT_READ in this process.  Return: PROTO_MAP_* */
static uint32_t map_flags(void)
{
	uint64_t personality = (uint64_t)sys1(__NR_personality, 0xffffffff);

	/* Linux: what is readable is not made executable on a noexec mount */
	return (personality & 0x0400000 /* READ_IMPLIES_EXEC */) && !dev_noexec() ? PROTO_MAP_RIE
										  : 0;
}

long mem_tell_map(uint64_t id, uint64_t start, uint64_t size, uint32_t prot, uint32_t flags)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_MAP, id);
	long ret;

	if (!slot)
		return -EIO;
	slot->a0 = start;
	slot->a1 = size;
	slot->a2 = prot;
	slot->a3 = flags | map_flags();
	ret = rpc_call(slot);
	if (ret < 0 && !rpc_lost())
		explain_slot(slot, "mmap");
	rpc_end(slot);
	return ret;
}

/* A page of [start, end) lies in the ELRANGE of e; an empty range has none. */
static bool overlaps(const struct agent_encl *e, uint64_t start, uint64_t end)
{
	return e->id && e->created && start < end && start < e->secs.base + e->secs.size &&
	       end > e->secs.base;
}

/* e may be mapped in [start, end). */
static bool may_map(const struct agent_encl *e, uint64_t start, uint64_t end)
{
	return e->id && (e->loose || overlaps(e, start, end));
}

bool mem_touches(uint64_t start, uint64_t end)
{
	uint32_t i;

	for (i = 0; i < PROC->encl_count; i++)
		if (may_map(&PROC->encl[i], start, end))
			return start < end;
	return false;
}

/* Not all of [start, end) lies in its ELRANGE */
static bool is_loose(const struct agent_encl *e, uint64_t start, uint64_t end)
{
	return !e->created || start < e->secs.base || end > e->secs.base + e->secs.size;
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

/* Told first: once it is unmapped another thread may map there again, and that record stays. */
bool mem_tell_unmap(uint64_t start, uint64_t end)
{
	bool last = false;
	uint32_t i;

	for (i = 0; i < PROC->encl_count; i++) {
		const struct agent_encl *e = &PROC->encl[i];

		if (may_map(e, start, end))
			last |= !unmap_one(e, start, end - start) && e->created;
	}
	return last;
}

/* It is gone; and of an enclave nothing is left, if no thread has mapped it since. */
void mem_forget(uint64_t start, uint64_t end)
{
	uint32_t i;

	agent_lock(&PROC->encl_lock);
	for (i = 0; i < PROC->encl_count; i++) {
		struct agent_encl *e = &PROC->encl[i];

		/* encl_mmap() attaches after it has told: it finds the entry, or makes one */
		if (may_map(e, start, end) && e->created && !unmap_one(e, 0, 0))
			encl_drop(e);
	}
	agent_unlock(&PROC->encl_lock);
}

void mem_tell_again(uint64_t start, uint64_t end)
{
	struct vma_range r[64];
	long n, k;

	if (!mem_touches(start, end))
		return;
	do {
		n = vmas_of(VMAS_ENCLAVES, start, end, r, ARRAY_SIZE(r));
		for (k = 0; k < n; k++) {
			start = r[k].end;
			mem_tell_map(r[k].encl, r[k].start, start - r[k].start, r[k].prot,
				     PROTO_MAP_INHERITED);
		}
	} while (n == ARRAY_SIZE(r));
}

/* What Linux refuses, in its order, before the driver's mmap() is called.  Return: 0 or -errno */
static long mmap_refuses(const agent_ucontext *uc, bool fixed)
{
	uint64_t addr = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1)), offset = uc_arg(uc, 5);
	uint64_t type = uc_arg(uc, 3) & MAP_TYPE;

	if ((offset & ~SGX_PAGE_MASK) || !uc_arg(uc, 1))
		return -EINVAL;
	if (!size || size > TASK_SIZE)
		return -ENOMEM;
	/* the driver's choice of an address: an enclave is shared or nothing */
	if (type == MAP_PRIVATE) {
		explain_rule(WHY_MMAP_PRIVATE, uc_arg(uc, 3), 0, "mmap");
		return -EINVAL;
	}
	if (fixed && addr > TASK_SIZE - size)
		return -ENOMEM;
	if (fixed && (addr & ~SGX_PAGE_MASK))
		return -EINVAL;
	if (offset > ~size)
		return -EOVERFLOW;
	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	return dev_noexec() && (uc_arg(uc, 2) & PROT_EXEC) ? -EPERM : 0;
}

static long encl_mmap(agent_ucontext *uc, int fd, uint64_t id)
{
	uint64_t addr = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1)), flags = uc_arg(uc, 3);
	uint32_t prot = (uint32_t)uc_arg(uc, 2) & (PROT_READ | PROT_WRITE | PROT_EXEC);
	bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	/* Linux: NOREPLACE is FIXED, and where both are given it is the one that counts */
	bool replaces = fixed && !(flags & MAP_FIXED_NOREPLACE);
	struct agent_encl *e;
	long ret;

	ret = mmap_refuses(uc, fixed);
	if (ret)
		return ret;
	e = encl_attach(id, false);
	if (!e) {
		explain_rule(WHY_MMAP_TOO_MANY, AGENT_ENCLAVES, 0, "mmap");
		return -ENOMEM;
	}
	mem_filter_stage2();
	if (!replaces) {
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
	ret = mem_tell_map(id, addr, size, prot, 0);
	/* again: it may have been dropped before this was told */
	e = ret ? NULL : encl_attach(id, false);
	if (e && is_loose(e, addr, addr + size))
		e->loose = 1;
	if (!ret)
		ret = e ? mem_map_range(e, fd, addr, addr + size, prot) : -ENOMEM;
	if (ret < 0) {
		/* told, and not made: what lies there now is what counts */
		mem_tell_unmap(addr, addr + size);
		if (!replaces)
			sys2(__NR_munmap, addr, size);
		else
			mem_tell_again(addr, addr + size);
		return ret;
	}
	return (long)addr;
}

/*
 * Enclaves with addresses of e that were closed before anything of them was mapped:
 * nobody told of their end, and e would not be found by its addresses.  One that is
 * open is known again when it is mapped.
 */
static void forget_shadows(const struct agent_encl *e)
{
	uint32_t i;

	agent_lock(&PROC->encl_lock);
	for (i = 0; i < PROC->encl_count; i++) {
		struct agent_encl *other = &PROC->encl[i];

		if (other != e && overlaps(other, e->secs.base, e->secs.base + e->secs.size) &&
		    !unmap_one(other, 0, 0))
			encl_drop(other);
	}
	agent_unlock(&PROC->encl_lock);
}

/**
 * mem_created() - CREATE has succeeded: mappings made before get their offsets
 * @e:	enclave; its base is known
 * @fd:	its descriptor
 *
 * Gramine maps the whole ELRANGE first, others probe.  What is still mapped of
 * that is mapped again in place.
 */
void mem_created(struct agent_encl *e, int fd)
{
	struct vma_range r[64];
	uint64_t from = 0;
	uint32_t i, loose = 0;
	long count;

	forget_shadows(e);
	do {
		count = vmas_of(e->id, from, 1ull << 47, r, ARRAY_SIZE(r));
		for (i = 0; i < count; i++) {
			from = r[i].end;
			loose |= is_loose(e, r[i].start, from);
			if (mem_tell_map(e->id, r[i].start, from - r[i].start, r[i].prot, 0) == 0)
				mem_map_range(e, fd, r[i].start, from, r[i].prot);
		}
	} while (count == ARRAY_SIZE(r));
	if (count >= 0)
		e->loose = loose;
}

long mem_do_mmap(struct agent_thread *t, agent_ucontext *uc)
{
	int fd = (int)uc_arg(uc, 4);
	uint64_t id, prot = uc_arg(uc, 2), start = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1));
	bool replaces = (uc_arg(uc, 3) & MAP_FIXED) && mem_range_ok(start, size);
	long ret;

	switch (uc_arg(uc, 3) & MAP_ANONYMOUS ? PROTO_DEV_NONE : dev_of_fd(fd, &id)) {
	case PROTO_DEV_ENCLAVE:
		return encl_mmap(uc, fd, id);
	case PROTO_DEV_PROVISION:
		if (dev_is_path(fd))
			return -EBADF;
		/* Linux: a noexec mount is looked at before whether the file can be mapped */
		if (dev_noexec() && (prot & PROT_EXEC))
			return -EPERM;
		explain_rule(WHY_MMAP_PROVISION, (uint64_t)fd, 0, "mmap");
		return -ENODEV;
	default:
		break;
	}
	if (replaces)
		mem_tell_unmap(start, start + size);
	ret = agent_pass(uc);
	if (replaces && is_error(ret))
		mem_tell_again(start, start + size);
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

	if (!mem_range_ok(start, size))
		return agent_pass(uc);
	last = mem_tell_unmap(start, start + size);
	ret = agent_pass(uc);
	if (is_error(ret))
		mem_tell_again(start, start + size);
	else if (last)
		mem_forget(start, start + size);
	return ret;
}

/*
 * The driver is asked for each VMA of an enclave in the range, in order, and the
 * daemon's table has what it allows.  Return: 0 or -errno; then from *refused on
 * nothing has been changed there.
 */
static long tell_protect(uint64_t start, uint64_t size, uint32_t prot, uint64_t *refused)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_PROTECT, 0);
	long ret;

	if (!slot)
		return -EIO;
	slot->a0 = start;
	slot->a1 = size;
	slot->a2 = prot;
	slot->a3 = map_flags();
	ret = rpc_call(slot);
	*refused = slot->r0;
	if (ret < 0 && !rpc_lost())
		explain_slot(slot, "mprotect");
	rpc_end(slot);
	return ret;
}

/*
 * Linux: a file on a noexec mount is never made executable.  *refused: where the first
 * mapping of an enclave in the range begins, that is refused.
 */
static bool noexec_refuses(uint64_t start, uint64_t end, uint32_t prot, uint64_t *refused)
{
	bool found = false;
	struct vma_range r;
	uint32_t i;

	if (!dev_noexec() || !(prot & PROT_EXEC))
		return false;
	for (i = 0; i < PROC->encl_count; i++) {
		if (!PROC->encl[i].id || vmas_of(PROC->encl[i].id, start, end, &r, 1) <= 0)
			continue;
		if (!found || r.start < *refused)
			*refused = r.start > start ? r.start : start;
		found = true;
	}
	return found;
}

long mem_do_mprotect(agent_ucontext *uc)
{
	uint64_t start = uc_arg(uc, 0), size = PAGE_UP(uc_arg(uc, 1)), end = start + size,
		 refused = 0;
	uint32_t prot = (uint32_t)uc_arg(uc, 2) & (PROT_READ | PROT_WRITE | PROT_EXEC);
	long driver, ret = 0;

	/* Linux: what is no protection is EINVAL before any mapping is looked at */
	if (!mem_range_ok(start, size) || (uc_arg(uc, 2) & ~PROT_ALL) || !mem_touches(start, end))
		return agent_pass(uc);
	driver = noexec_refuses(start, end, prot, &refused)
			 ? -EACCES
			 : tell_protect(start, size, prot, &refused);
	if (driver == -EACCES) {
		/* Linux changes what comes before the refusal, or finds another reason there */
		end = refused;
		if (end > start)
			ret = agent_syscall_for((long)UC_REGS(uc)->ax, (long)start,
						(long)(end - start), (long)uc_arg(uc, 2),
						(long)uc_arg(uc, 3), 0, 0);
	} else if (driver == 0) {
		ret = agent_pass(uc);
	}
	if (is_error(ret))
		mem_tell_again(start, end);
	return is_error(ret) ? ret : driver;
}

/* --- faults ------------------------------------------------------------------------ */

/* Ask the daemon.  flags: PROTO_FAULT_*.  t->why is what it refuses by. */
static enum fault_result ask_fault(struct agent_thread *t, const struct agent_encl *e,
				   uint64_t addr, uint32_t *error_code, uint64_t flags)
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
		if (ret > PROTO_VERDICT_RETRY)
			t->why = slot->why;
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
		why_note(&t->why, WHY_MACHINE_LOST, 0, 0);
		*error_code |= SGX_PF_P | SGX_PF_SGX;
		return FAULT_PF;
	}
}

enum fault_result encl_fault(struct agent_thread *t, agent_ucontext *uc, int sig, uint64_t addr,
			     uint32_t *error_code, bool enclave_mode)
{
	struct agent_encl *e = encl_by_addr(addr);

	t->why.rule = WHY_NOTHING;
	if (!e)
		return FAULT_NOT_OURS;
	if (rpc_lost()) {
		why_note(&t->why, WHY_MACHINE_LOST, 0, 0);
		*error_code |= SGX_PF_P | SGX_PF_SGX;
		return FAULT_PF;
	}
	/* SIGSEGV: the VMA denies, or there is none: the page tables' own #PF */
	if (sig == SIGSEGV)
		return FAULT_PF;
	return ask_fault(t, e, addr, error_code, enclave_mode ? PROTO_FAULT_ENCLAVE : 0);
}

enum fault_result encl_fault_tcs(struct agent_thread *t, uint64_t addr, uint32_t *error_code)
{
	struct agent_encl *e = encl_by_addr(addr);

	t->why.rule = WHY_NOTHING;
	if (!e)
		return FAULT_NOT_OURS;
	/* without its table of slots there is none, whatever the daemon has */
	if (!e->tcs)
		return FAULT_PF;
	*error_code = SGX_PF_W | SGX_PF_U;
	return ask_fault(t, e, addr, error_code, PROTO_FAULT_TCS);
}
