/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EPC pages taken out of the sight of processes, and what is outside the EPC.
 *
 * To park a page, under encl->lock and the enclave's mm_lock:
 *
 *	1. write-protect it in every address space that may have a PTE of it.  The
 *	   kernel flushes TLBs; whoever writes from now on gets a SIGBUS, asks, and
 *	   waits for encl->lock.
 *	2. copy it.  Nobody can write any more, so that the copy is the page.
 *	3. punch it out of the file, which takes the PTEs of readers too.
 *
 * An address space that is left out in 1 loses writes, so the list is made before
 * the mapping is: serve_map() enters a client, client_end() takes it out when the
 * process is gone.  What a process refuses (it has unmapped the range, it dies) it has
 * no PTE for, or has brought upon itself (uffd.c).  The next access finds a hole, and
 * mm_page_grant() puts the page into the file again and maps it.
 *
 * Kernels keep the write-protection of a punched page as a marker in the page tables
 * of each process; a CONTINUE replaces it.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define RUN_MAX 128u

/* --- who may have PTEs ---------------------------------------------------------------- */

/**
 * paging_add_mm() - an address space is about to map an enclave
 * @e:	enclave
 * @mm:	address space; may be known already
 *
 * Return: 0; -ENOTTY: the enclave has ended; -ENOMEM, also where it could not fault on
 * pages that are out, as it has no userfaultfd.
 */
int paging_add_mm(struct enclave *e, struct sgx_mm *mm)
{
	struct sgx_encl_info info;
	int ret = 0;

	pthread_mutex_lock(&e->mm_lock);
	if (e->mm_closed) {
		ret = -ENOTTY;
		goto out;
	}
	for (uint32_t i = 0; i < e->mm_count; i++)
		if (e->mm[i] == mm)
			goto out;
	if (e->mm_count == e->mm_room) {
		uint32_t room = e->mm_room ? 2 * e->mm_room : 2;
		struct sgx_mm **more = realloc(e->mm, room * sizeof(struct sgx_mm *));

		if (!more) {
			ret = -ENOMEM;
			goto out;
		}
		e->mm = more;
		e->mm_room = room;
	}
	e->mm[e->mm_count++] = mm;
	e->mm_blind += mm->uffd < 0;
out:
	pthread_mutex_unlock(&e->mm_lock);
	if (ret || mm->uffd >= 0 || e->machine->memory.uffd < 0)
		return ret;
	/* From here on nothing is parked; what is so already, it cannot bring back. */
	sgx_encl_info(e->sgx, &info);
	if (!info.parked && !info.evicted)
		return 0;
	log_line("a process without userfaultfd cannot map an enclave that is partly paged out");
	paging_del_mm(e, mm);
	return -ENOMEM;
}

/**
 * paging_del_mm() - an address space has gone
 * @e:	enclave
 * @mm:	address space; need not be known
 */
void paging_del_mm(struct enclave *e, struct sgx_mm *mm)
{
	pthread_mutex_lock(&e->mm_lock);
	for (uint32_t i = 0; i < e->mm_count; i++) {
		if (e->mm[i] != mm)
			continue;
		e->mm[i] = e->mm[--e->mm_count];
		e->mm_blind -= mm->uffd < 0;
		break;
	}
	pthread_mutex_unlock(&e->mm_lock);
}

/**
 * paging_no_mm() - nobody has an enclave open or mapped any more
 * @e: enclave
 */
void paging_no_mm(struct enclave *e)
{
	pthread_mutex_lock(&e->mm_lock);
	e->mm_closed = true;
	e->mm_count = 0;
	e->mm_blind = 0;
	pthread_mutex_unlock(&e->mm_lock);
}

/* --- parking ----------------------------------------------------------------------------- */

static int protect_everywhere(struct enclave *e, uint64_t addr, unsigned int count)
{
	for (uint32_t i = 0; i < e->mm_count; i++) {
		int ret = uffd_protect_client(e->mm[i], addr, count);

		if (ret)
			return ret; /* without memory for page tables: not now */
	}
	return 0;
}

/* Pages that follow one another, all in the file.  Context: e->mm_lock held. */
static void park_file_pages(struct enclave *e, struct sgx_park *pages, unsigned int count)
{
	struct machine *m = e->machine;
	uint64_t offset = pages[0].addr - e->base;
	struct iovec iov[RUN_MAX];
	unsigned int have = 0;

	while (have < count && (iov[have].iov_base = pool_get(&m->memory.pool)))
		iov[have++].iov_len = SGX_PAGE_SIZE;
	count = have;
	fault_point_mm_locked(e, FAULT_PARK);
	if (!count || protect_everywhere(e, pages[0].addr, count))
		goto undo;
	fault_point_mm_locked(e, FAULT_PARK_PROTECTED);
	/* The copy is made without a PTE of ours. */
	if (preadv(e->probe, iov, (int)count, (off_t)offset) != (ssize_t)(count * SGX_PAGE_SIZE))
		goto undo;
	fault_point_mm_locked(e, FAULT_PARK_COPIED);
	if (madvise(e->map + offset, count * SGX_PAGE_SIZE, MADV_REMOVE)) {
		log_line("pages could not be taken out of an enclave's file: %s", strerror(errno));
		goto undo;
	}
	fault_point_mm_locked(e, FAULT_PARK_PUNCHED);
	for (unsigned int i = 0; i < count; i++) {
		m->memory.page[pages[i].slot] = (uintptr_t)iov[i].iov_base | EPC_PRIVATE;
		pages[i].parked = true;
	}
	fault_point_mm_locked(e, FAULT_PARK_DONE);
	return;
undo:
	/* Those that were protected are granted again when they are written. */
	while (have)
		pool_put(&m->memory.pool, iov[--have].iov_base);
}

static void sort_by_address(struct sgx_park *pages, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++) {
		struct sgx_park page = pages[i];
		unsigned int at = i;

		for (; at && pages[at - 1].addr > page.addr; at--)
			pages[at] = pages[at - 1];
		pages[at] = page;
	}
}

/**
 * paging_park() - sgx_host_ops.page_park
 * @sgx:	enclave
 * @pages:	of it, resident
 * @count:	of these
 */
void paging_park(struct sgx_encl *sgx, struct sgx_park *pages, unsigned int count)
{
	struct enclave *e = sgx_encl_host(sgx);
	struct machine *m = e->machine;
	unsigned int run;

	sort_by_address(pages, count);
	pthread_mutex_lock(&e->mm_lock);
	for (unsigned int i = 0; i < count && !e->mm_blind; i += run) {
		run = 1;
		if (memory_private(&m->memory, pages[i].slot)) {
			/* A TCS; else it was loaded, and nobody was granted it since. */
			pages[i].parked =
				m->pkg.epcm[pages[i].slot].pt != SGX_PT_TCS ||
				enclave_tcs_idle(e, (pages[i].addr - e->base) >> SGX_PAGE_SHIFT);
			continue;
		}
		while (i + run < count && run < RUN_MAX &&
		       pages[i + run].addr == pages[i].addr + run * SGX_PAGE_SIZE &&
		       !memory_private(&m->memory, pages[i + run].slot))
			run++;
		park_file_pages(e, &pages[i], run);
	}
	pthread_mutex_unlock(&e->mm_lock);
}

/* --- backing -------------------------------------------------------------------------------- */

static bool is_secs(const struct enclave *e, uint64_t index)
{
	return index == e->size / SGX_PAGE_SIZE;
}

/**
 * paging_backing_get() - sgx_host_ops.backing_get
 * @sgx:	enclave
 * @index:	page of the ELRANGE, or its size in pages: the SECS
 * @swap:	beyond the limit, as another will be put without keep next
 * @page:	receives 4096 bytes
 * @pcmd:	receives its PCMD
 *
 * Return: 0, or -ENOMEM.
 */
int paging_backing_get(struct sgx_encl *sgx, uint64_t index, bool swap, void **page,
		       struct sgx_pcmd **pcmd)
{
	struct enclave *e = sgx_encl_host(sgx);
	struct epc_memory *mem = &e->machine->memory;
	bool secs = is_secs(e, index);

	if (e->backing[index]) {
		fault_point(e, secs ? FAULT_SECS_ELDU : FAULT_ELDU);
	} else {
		uint64_t now = atomic_fetch_add(&mem->backing, 1);

		fault_point(e, secs ? FAULT_SECS_NO_BACKING : FAULT_EWB_NO_BACKING);
		if (swap || !mem->backing_max || now < mem->backing_max)
			e->backing[index] = pool_get(&mem->pool);
		if (!e->backing[index]) {
			atomic_fetch_sub(&mem->backing, 1);
			return -ENOMEM;
		}
		e->backing_used[index / BACKING_BITS / 64] |= 1ull << index / BACKING_BITS % 64;
		/* read by stat without encl->lock */
		__atomic_store_n(&e->backing_count, e->backing_count + 1, __ATOMIC_RELAXED);
		if (!secs)
			fault_point(e, FAULT_EWB_BACKING);
	}
	*page = e->backing[index];
	*pcmd = pool_pcmd(e->backing[index]);
	return 0;
}

static void backing_drop(struct enclave *e, uint64_t index)
{
	struct epc_memory *mem = &e->machine->memory;

	pool_put(&mem->pool, e->backing[index]);
	e->backing[index] = NULL;
	__atomic_store_n(&e->backing_count, e->backing_count - 1, __ATOMIC_RELAXED);
	atomic_fetch_sub(&mem->backing, 1);
}

/**
 * paging_backing_put() - sgx_host_ops.backing_put
 * @sgx:	enclave
 * @index:	as given to paging_backing_get()
 * @keep:	a page is there; else the memory goes
 */
void paging_backing_put(struct sgx_encl *sgx, uint64_t index, bool keep)
{
	struct enclave *e = sgx_encl_host(sgx);
	bool secs = is_secs(e, index);

	if (keep) {
		fault_point(e, secs ? FAULT_SECS_DONE : FAULT_EWB_DONE);
		if (!secs)
			enclave_set_slot(e, index, SLOT_EVICTED); /* memory_fill() */
		return;
	}
	fault_point(e, secs ? FAULT_SECS_LOADED : FAULT_ELDU_DONE);
	backing_drop(e, index);
	if (!secs)
		fault_point(e, FAULT_ELDU_PUT);
}

/**
 * paging_backing_free() - the end of an enclave
 * @e: nobody else knows it
 */
void paging_backing_free(struct enclave *e)
{
	/* by what was used: one page at the end of 1 TiB is not to be looked for */
	for (uint64_t word = 0; e->backing_count; word++) {
		for (uint64_t used = e->backing_used[word]; used; used &= used - 1) {
			uint64_t n = 64 * word + (uint64_t)__builtin_ctzll(used);

			for (uint64_t i = n * BACKING_BITS;
			     e->backing_count && i < (n + 1) * BACKING_BITS; i++)
				if (e->backing[i])
					backing_drop(e, i);
		}
	}
}

/**
 * paging_evictable() - how many EPC pages an allocation may have evicted for it
 * @m:		machine
 * @epc:	its EPC now
 *
 * Return: pages; an estimate.
 */
uint64_t paging_evictable(const struct machine *m, const struct sgx_epc_info *epc)
{
	uint64_t pages = epc->mapped + epc->parked, max = m->memory.backing_max, used;

	if (m->memory.uffd < 0)
		return 0;
	used = atomic_load(&m->memory.backing);
	if (max && pages + used > max)
		pages = used < max ? max - used : 0;
	return pages;
}
