/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How enclave memory is mapped.
 *
 * No access may ever slip between a mapping and its registration with userfaultfd:
 * a hole that is touched unregistered becomes a zero page for everyone.  So it is
 * made in an order in which it cannot be accessed before it is registered:
 *
 *	mmap PROT_NONE, MADV_NOHUGEPAGE, UFFDIO_REGISTER, mprotect
 *
 * Where a mapping may not become executable later (PR_SET_MDWE; the filter of
 * systemd's MemoryDenyWriteExecute=), that mprotect() is refused.  There, guard
 * pages deny the access until the registration.  They are in the page tables, and
 * move with them:
 *
 *	mmap r-x where nobody looks, MADV_NOHUGEPAGE, MADV_GUARD_INSTALL,
 *	mremap into place, UFFDIO_REGISTER, MADV_GUARD_REMOVE
 *
 * mremap() alone does not do: it takes a registration away.
 *
 * The VMA is what the program asked for; the EPCM is expressed underneath by
 * holes and write-protection, which the daemon controls.  The offset in the file
 * is address - SECS.BASE whatever the program passes, as in the driver; outside
 * the ELRANGE, and before CREATE, it lies far beyond the file's end: SIGBUS, and
 * never a page.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>

#define BEYOND_END (1ull << 45)
/* Linux 6.13; mappings of files from 6.15 on */
#define GUARD_INSTALL 102
#define GUARD_REMOVE  103

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

/**
 * mem_may_become_executable() - may memory get PROT_EXEC that was mapped without?
 *
 * Asked of the kernel, with a page of its own: PR_SET_MDWE and an inherited filter
 * come to the same.
 */
bool mem_may_become_executable(void)
{
	long page, ret;

	page = sys6(__NR_mmap, 0, SGX_PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (is_error(page))
		return false;
	ret = sys3(__NR_mprotect, page, SGX_PAGE_SIZE, PROT_READ | PROT_EXEC);
	sys2(__NR_munmap, page, SGX_PAGE_SIZE);
	return ret == 0;
}

/* How mappings with PROT_EXEC are made here */
enum exec_way {
	EXEC_BY_MPROTECT, /* they may become executable: as all others */
	EXEC_BY_GUARD, /* they must be mapped executable */
};

/*
 * Asked of the kernel with a page of the file that is beyond its end, before
 * anything is replaced.  Return: enum exec_way, or the errno with which Linux
 * refuses such a mapping: rwx under PR_SET_MDWE.
 */
static long exec_way(int fd, uint32_t prot)
{
	long page, ret = EXEC_BY_MPROTECT;

	page = sys6(__NR_mmap, 0, SGX_PAGE_SIZE, prot, MAP_SHARED, fd, BEYOND_END);
	if (is_error(page))
		return page;
	sys3(__NR_mprotect, page, SGX_PAGE_SIZE, PROT_NONE);
	if (sys3(__NR_mprotect, page, SGX_PAGE_SIZE, prot) < 0) {
		ret = EXEC_BY_GUARD;
		/* EINVAL: also where all that is mapped is to be locked, and so brought in */
		if (PROC->has_uffd && sys3(__NR_madvise, page, SGX_PAGE_SIZE, GUARD_INSTALL) < 0) {
			agent_say("memory may not become executable here (PR_SET_MDWE, "
				  "MemoryDenyWriteExecute=), and this kernel has no guard pages "
				  "for files (Linux 6.15): enclave code cannot be mapped");
			ret = -EACCES;
		}
	}
	sys2(__NR_munmap, page, SGX_PAGE_SIZE);
	return ret;
}

static void advise(uint64_t start, uint64_t size)
{
	sys3(__NR_madvise, start, size, MADV_NOHUGEPAGE);
	/* Linux: enclaves are not in core files */
	sys3(__NR_madvise, start, size, MADV_DONTDUMP);
}

/*
 * Inaccessible memory that has no page in common with [start, start + size).
 *
 * What is to come to start is made elsewhere first.  Where a part of start's range is
 * free, "elsewhere" may be that part: the kernel refuses to move memory onto itself
 * (EINVAL), and what is made there is seen by other threads before it is guarded.
 * Only two ranges of one size can lie across a third of that size, so that the third
 * one is apart.
 */
static long reserve_apart(uint64_t start, uint64_t size)
{
	long across[2], at;
	unsigned count = 0;

	for (;;) {
		at = sys6(__NR_mmap, 0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (is_error(at) || (uint64_t)at >= start + size || (uint64_t)at + size <= start)
			break;
		if (count == 2) {
			/* the program has unmapped what was reserved here meanwhile */
			sys2(__NR_munmap, at, size);
			at = -ENOMEM;
			break;
		}
		across[count++] = at;
	}
	while (count)
		sys2(__NR_munmap, across[--count], size);
	return at;
}

/*
 * What was mapped executable where nobody looks gets guard pages, and comes to start.
 * It has never been registered: MADV_GUARD_INSTALL would not end on what userfaultfd
 * has write-protected.
 */
static long bring_guarded(uint64_t at, uint64_t size, uint64_t start)
{
	long ret;

	/* a fork child would have it without guard pages, and mem_forked() not see it */
	sys3(__NR_madvise, at, size, MADV_DONTFORK);
	advise(at, size);
	ret = sys3(__NR_madvise, at, size, GUARD_INSTALL);
	if (ret == 0)
		ret = sys6(__NR_mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, start, 0);
	if (is_error(ret)) {
		sys2(__NR_munmap, at, size);
		return ret;
	}
	return 0;
}

static void unguard(uint64_t start, uint64_t size)
{
	sys3(__NR_madvise, start, size, GUARD_REMOVE);
	sys3(__NR_madvise, start, size, MADV_DOFORK);
}

/* It cannot be accessed: there is no page beyond the end, or there are guard pages. */
static long map_executable(int fd, uint64_t start, uint64_t size, uint64_t offset, uint32_t prot)
{
	bool guarded = PROC->has_uffd && offset < BEYOND_END;
	long place, at;

	if (!guarded) {
		at = sys6(__NR_mmap, start, size, prot, MAP_SHARED | MAP_FIXED, fd, offset);
		if (is_error(at))
			return at;
		advise(start, size);
		return 0;
	}
	place = reserve_apart(start, size);
	if (is_error(place))
		return place;
	at = sys6(__NR_mmap, place, size, prot, MAP_SHARED | MAP_FIXED, fd, offset);
	if (is_error(at)) {
		sys2(__NR_munmap, place, size);
		return at;
	}
	return bring_guarded((uint64_t)at, size, start);
}

static long map_inaccessible(int fd, uint64_t start, uint64_t size, uint64_t offset)
{
	long ret = sys6(__NR_mmap, start, size, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, offset);

	if (is_error(ret))
		return ret;
	advise(start, size);
	return 0;
}

/* One piece, whose offset in the file is known; replaces what is at start. */
static long map_piece(int fd, uint64_t start, uint64_t size, uint64_t offset, uint32_t prot,
		      enum exec_way way)
{
	long ret = way == EXEC_BY_GUARD ? map_executable(fd, start, size, offset, prot)
					: map_inaccessible(fd, start, size, offset);

	if (ret < 0)
		return ret;
	ret = mem_register(start, size);
	if (ret < 0)
		goto undo;
	if (way == EXEC_BY_GUARD) {
		unguard(start, size);
	} else if (prot != PROT_NONE) {
		ret = sys3(__NR_mprotect, start, size, prot);
		if (ret < 0)
			goto undo;
	}
	return 0;
undo:
	sys6(__NR_mmap, start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return ret;
}

/**
 * mem_map_range() - map [start, end) of an enclave in place of what is there
 * @e:		enclave
 * @fd:		its descriptor
 * @start:	page-aligned
 * @end:	page-aligned, above @start
 * @prot:	PROT_*
 *
 * Up to three pieces: before, in and after the ELRANGE.
 * Context: the daemon has agreed to it, and counts with it.
 * Return: 0, or -errno; some of it may have been replaced then.
 */
long mem_map_range(const struct agent_encl *e, int fd, uint64_t start, uint64_t end, uint32_t prot)
{
	long way = prot & PROT_EXEC ? exec_way(fd, prot) : EXEC_BY_MPROTECT;

	if (way < 0)
		return way;
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
		ret = map_piece(fd, start, stop - start, offset, prot, (enum exec_way)way);
		if (ret < 0)
			return ret;
		start = stop;
	}
	return 0;
}

/*
 * The part of [to, to + size) that lies in the ELRANGE and has another offset than
 * its address says, since it was elsewhere.  Without userfaultfd also what lies
 * outside, which nothing else keeps from being accessed.
 */
static bool has_wrong_offset(const struct agent_encl *e, uint64_t at, uint64_t offset,
			     uint64_t *wanted)
{
	bool inside = e->created && at - e->secs.base < e->secs.size;

	*wanted = inside ? at - e->secs.base : BEYOND_END;
	return inside ? offset != *wanted : !PROC->has_uffd && offset < BEYOND_END;
}

/* The pieces of a range that mremap() has brought get the offsets of their addresses. */
static long correct_offsets(const struct agent_encl *e, uint64_t to, uint64_t size, uint64_t offset,
			    bool only_ask)
{
	uint64_t at = to, end = to + size, wanted;

	while (at < end) {
		uint64_t stop = end;
		long ret;

		if (e->created && at < e->secs.base)
			stop = MIN(end, e->secs.base);
		else if (e->created && at < e->secs.base + e->secs.size)
			stop = MIN(end, e->secs.base + e->secs.size);
		if (has_wrong_offset(e, at, offset + (at - to), &wanted)) {
			if (only_ask)
				return -EACCES;
			/* the one call that does so without a descriptor */
			ret = sys6(__NR_remap_file_pages, at, stop - at, 0,
				   wanted >> SGX_PAGE_SHIFT, MAP_NONBLOCK, 0);
			if (ret < 0)
				return ret;
			advise(at, stop - at);
		}
		at = stop;
	}
	return 0;
}

/*
 * Without access while it moves.  mremap() takes the registration away and brings PTEs
 * along: these go.
 */
static long move_denied(const struct agent_encl *e, const struct vma_range *from, uint64_t old_size,
			uint64_t to, uint64_t size)
{
	long ret = sys3(__NR_mprotect, from->start, size, PROT_NONE);

	if (ret < 0)
		return ret;
	ret = sys6(__NR_mremap, from->start, old_size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to, 0);
	if (is_error(ret)) {
		sys3(__NR_mprotect, from->start, size, from->prot);
		return ret;
	}
	sys3(__NR_madvise, to, size, MADV_DONTNEED);
	ret = correct_offsets(e, to, size, from->offset, false);
	if (ret == 0)
		ret = mem_register(to, size);
	/* Without memory for one of these: it has moved, and nobody can access it. */
	if (ret == 0)
		sys3(__NR_mprotect, to, size, from->prot);
	return 0;
}

/* It could not become executable again: a second mapping of the file takes its place. */
static long move_guarded(const struct agent_encl *e, const struct vma_range *from,
			 uint64_t old_size, uint64_t to, uint64_t size)
{
	long place, at, ret;

	if (correct_offsets(e, to, size, from->offset, true) < 0)
		return -EACCES;
	place = reserve_apart(to, size);
	if (is_error(place))
		return place;
	at = sys6(__NR_mremap, from->start, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, place, 0);
	if (is_error(at)) {
		sys2(__NR_munmap, place, size);
		return at;
	}
	ret = bring_guarded((uint64_t)at, size, to);
	if (ret < 0)
		return ret == -EINVAL ? -EACCES : ret; /* no guard pages for files */
	if (mem_register(to, size) == 0)
		unguard(to, size);
	sys2(__NR_munmap, from->start, old_size);
	return 0;
}

/**
 * mem_move_range() - mremap(MREMAP_MAYMOVE | MREMAP_FIXED) of enclave memory
 * @e:		enclave
 * @from:	the part of a VMA that moves, and what follows it up to the old size
 * @old_size:	bytes
 * @to:		address; what is there goes
 * @size:	bytes, at most @old_size
 *
 * The driver finds a page by its address and not by an offset: what comes to lie
 * outside the ELRANGE has none, what comes to lie in it has the page of its new
 * address.
 * Context: the daemon counts with it.
 * Return: 0; or -errno, and nothing has changed.  -EACCES: memory may not become
 * executable here, and this is executable and would get another offset.
 */
long mem_move_range(const struct agent_encl *e, const struct vma_range *from, uint64_t old_size,
		    uint64_t to, uint64_t size)
{
	if (!(from->prot & PROT_EXEC) || mem_may_become_executable())
		return move_denied(e, from, old_size, to, size);
	return move_guarded(e, from, old_size, to, size);
}
