/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One client's address space: which ranges map which enclave, and the grants.
 *
 * Every PTE of enclave memory in a client is put there by mm_page_grant(), by
 * UFFDIO_CONTINUE: that maps what is in the file which the client has mapped at the
 * address, and never brings bytes along.  So the bytes of a parked page go into the
 * enclave's file first.  A UFFDIO_COPY into the client's mapping would do both at once,
 * but for whatever file is mapped there: who lies about that would be given the page.
 */
#include "machine.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((uint64_t)1 << 1) /* Linux 6.4 */
#endif

/* A process may make that many; Linux' own limit is 65,530 mappings */
#define MAPPINGS_MAX 65530u

/* Index of the first mapping that ends above addr.  Context: lock held. */
static uint32_t lower_bound(const struct sgx_mm *mm, uint64_t addr)
{
	uint32_t low = 0, high = mm->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (mm->mapping[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static int make_room(struct sgx_mm *mm, uint32_t more)
{
	struct mapping *grown;
	uint32_t room = mm->room ? mm->room : 8;

	while (room < mm->count + more)
		room *= 2;
	if (room == mm->room)
		return 0;
	if (mm->count + more > MAPPINGS_MAX)
		return -ENOMEM;
	grown = realloc(mm->mapping, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	mm->mapping = grown;
	mm->room = room;
	return 0;
}

static void delete_at(struct sgx_mm *mm, uint32_t i, uint32_t n)
{
	memmove(&mm->mapping[i], &mm->mapping[i + n], (mm->count - i - n) * sizeof(*mm->mapping));
	mm->count -= n;
}

static void insert_at(struct sgx_mm *mm, uint32_t i, const struct mapping *new)
{
	memmove(&mm->mapping[i + 1], &mm->mapping[i], (mm->count - i) * sizeof(*mm->mapping));
	mm->mapping[i] = *new;
	mm->count++;
}

/* Cut [start, end) out.  Context: lock held, room for one more. */
static void cut(struct sgx_mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i = lower_bound(mm, start), n;

	if (i < mm->count && mm->mapping[i].start < start) {
		struct mapping *left = &mm->mapping[i];

		if (left->end > end) {
			struct mapping right = *left;

			right.start = end;
			left->end = start;
			insert_at(mm, i + 1, &right);
			return;
		}
		left->end = start;
		i++;
	}
	for (n = 0; i + n < mm->count && mm->mapping[i + n].end <= end; n++)
		;
	delete_at(mm, i, n);
	if (i < mm->count && mm->mapping[i].start < end)
		mm->mapping[i].start = end;
}

/**
 * mm_insert() - record a mapping, replacing what is in its range
 * @mm:		address space
 * @new:	page-aligned, start < end
 *
 * Neighbours that are alike become one.  Return: 0, or -ENOMEM.
 */
int mm_insert(struct sgx_mm *mm, const struct mapping *new)
{
	struct mapping joined = *new;
	uint32_t i;
	int ret;

	pthread_mutex_lock(&mm->lock);
	ret = make_room(mm, 2);
	if (ret)
		goto out;
	cut(mm, new->start, new->end);
	i = lower_bound(mm, new->start);
	if (i < mm->count && mm->mapping[i].start == joined.end &&
	    mm->mapping[i].encl == joined.encl && mm->mapping[i].prot == joined.prot) {
		joined.end = mm->mapping[i].end;
		delete_at(mm, i, 1);
	}
	if (i > 0 && mm->mapping[i - 1].end == joined.start &&
	    mm->mapping[i - 1].encl == joined.encl && mm->mapping[i - 1].prot == joined.prot) {
		mm->mapping[i - 1].end = joined.end;
		goto out;
	}
	insert_at(mm, i, &joined);
out:
	pthread_mutex_unlock(&mm->lock);
	return ret;
}

/**
 * mm_remove() - forget a range
 * @mm:		address space
 * @start:	page-aligned
 * @end:	page-aligned
 *
 * Return: 0, or -ENOMEM (a range in the middle of a mapping makes two of it).
 */
int mm_remove(struct sgx_mm *mm, uint64_t start, uint64_t end)
{
	int ret;

	pthread_mutex_lock(&mm->lock);
	ret = make_room(mm, 1);
	if (!ret)
		cut(mm, start, end);
	pthread_mutex_unlock(&mm->lock);
	return ret;
}

/**
 * mm_mapped_pages() - how much of an enclave an address space maps
 * @mm:		address space
 * @encl:	its inode number
 *
 * Return: pages.
 */
uint64_t mm_mapped_pages(struct sgx_mm *mm, uint64_t encl)
{
	uint64_t pages = 0;
	uint32_t i;

	pthread_mutex_lock(&mm->lock);
	for (i = 0; i < mm->count; i++)
		if (mm->mapping[i].encl == encl)
			pages += (mm->mapping[i].end - mm->mapping[i].start) / SGX_PAGE_SIZE;
	pthread_mutex_unlock(&mm->lock);
	return pages;
}

/**
 * mm_find() - the mapping at an address
 * @mm:		address space
 * @addr:	any byte
 * @ret:	receives a copy
 *
 * Return: is there one?
 */
bool mm_find(struct sgx_mm *mm, uint64_t addr, struct mapping *ret)
{
	bool found;
	uint32_t i;

	pthread_mutex_lock(&mm->lock);
	i = lower_bound(mm, addr);
	found = i < mm->count && mm->mapping[i].start <= addr;
	if (found)
		*ret = mm->mapping[i];
	pthread_mutex_unlock(&mm->lock);
	return found;
}

/**
 * mm_next() - the first mapping that ends above an address
 * @mm:		address space
 * @addr:	any byte
 * @ret:	receives a copy
 *
 * Return: is there one?
 */
bool mm_next(struct sgx_mm *mm, uint64_t addr, struct mapping *ret)
{
	bool found;
	uint32_t i;

	pthread_mutex_lock(&mm->lock);
	i = lower_bound(mm, addr);
	found = i < mm->count;
	if (found)
		*ret = mm->mapping[i];
	pthread_mutex_unlock(&mm->lock);
	return found;
}

static int protect(struct sgx_mm *mm, uint64_t addr, bool write)
{
	struct uffdio_writeprotect wp = {
		.range = {.start = addr, .len = SGX_PAGE_SIZE},
		.mode = write ? 0 : UFFDIO_WRITEPROTECT_MODE_WP,
	};

	return ioctl(mm->uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

/* A PTE for what is in the file */
static int map_page(struct sgx_mm *mm, uint64_t addr, bool wp)
{
	struct uffdio_continue cont = {.range = {.start = addr, .len = SGX_PAGE_SIZE},
				       .mode = wp ? UFFDIO_CONTINUE_MODE_WP : 0};

	return ioctl(mm->uffd, UFFDIO_CONTINUE, &cont) ? -errno : 0;
}

/*
 * map_page() where writes are not allowed.  A kernel before 6.4, or a range without
 * write-protect mode (the mapping is read-only then), knows no mode.  Between the two
 * calls a mapping that is writable could be written to: such a mapping of a page
 * without W is refused by mmap, unless it is older than the page.
 */
static int map_protected(struct sgx_mm *mm, uint64_t addr)
{
	int ret = map_page(mm, addr, true);

	if (ret != -EINVAL)
		return ret;
	ret = map_page(mm, addr, false);
	if (!ret)
		(void)protect(mm, addr, false);
	return ret == -EINVAL ? -ENOENT : ret;
}

/* What is to be said of an ioctl that did not work */
static int grant_error(int ret)
{
	switch (ret) {
	case 0:
	case -ENOMEM:
		return ret;
	case -EAGAIN:
	case -EINTR:
	case -EFAULT: /* not in the file: punched meanwhile */
		return -EAGAIN;
	default: /* ENOENT: another or no mapping; ESRCH: the process is gone */
		return -ENOENT;
	}
}

/* The bytes of a page that is with the daemon go back into the file.  Return: 0 or -ENOMEM */
static int unpark(struct enclave *e, epc_slot_t slot, uint64_t offset)
{
	struct epc_memory *mem = &e->machine->memory;
	void *bytes = memory_private(mem, slot);

	fault_point(e, FAULT_COPY);
	if (memory_file_page(e->machine, e->map + offset, bytes))
		return -ENOMEM;
	fault_point(e, FAULT_COPIED);
	mem->page[slot] = (uintptr_t)(e->map + offset);
	pool_put(&mem->pool, bytes);
	return 0;
}

/**
 * mm_page_grant() - sgx_host_ops.page_grant
 * @mm:		of the client; what it maps may change at any time
 * @sgx:	enclave
 * @addr:	page-aligned
 * @write:	may it write?
 *
 * Return: 0; -EAGAIN where the mapping changes or the page is not in the file
 * any more: the access is to be run again; -ENOENT where nothing is mapped;
 * -ENOMEM.
 */
int mm_page_grant(struct sgx_mm *mm, struct sgx_encl *sgx, uint64_t addr, bool write)
{
	struct enclave *e = sgx_encl_host(sgx);
	epc_slot_t slot = e->slot_of[(addr - e->base) >> SGX_PAGE_SHIFT] - 1;
	int ret;

	if (memory_private(&e->machine->memory, slot)) {
		ret = unpark(e, slot, addr - e->base);
		if (ret)
			return ret;
	}
	if (mm->uffd < 0)
		return 0; /* pages are simply there */
	fault_point(e, FAULT_CONTINUE);
	ret = write ? map_page(mm, addr, false) : map_protected(mm, addr);
	fault_point(e, FAULT_CONTINUED);
	if (ret != -EEXIST)
		return grant_error(ret);
	/* There already, perhaps write-protected by an earlier state */
	ret = write ? protect(mm, addr, true) : 0;
	return ret == -EAGAIN ? ret : 0;
}
