/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of EPC pages.
 *
 * A child page (but a TCS) is a page of its enclave's memfd, at its offset in
 * the ELRANGE, and the daemon has that file mapped; everything else is memory of
 * the daemon alone.  Nothing is allocated for a free EPC page.
 *
 * Pages of the file are made by UFFDIO_COPY and UFFDIO_ZEROPAGE alone, never by a
 * store or a write: so a page is in the file if and only if an EPC page is there
 * (or about to be, prefill.c), and a hole stays a hole whoever touches it.  The daemon's own mapping is therefore registered
 * with a userfaultfd in SIGBUS mode as every client's is.
 *
 * A client can still punch a hole under the daemon's feet (it has the file open).
 * What it damages is its own enclave; the SIGBUS handler below gives the daemon
 * a page of zeros to go on with.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef USERFAULTFD_IOC_NEW /* since Linux 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xaa, 0x00)
#endif

static const uint8_t zeros[SGX_PAGE_SIZE] __attribute__((aligned(SGX_PAGE_SIZE)));

/* For the signal handler; one machine in a process */
static int sigbus_uffd = -1;

static void sigbus(int sig, siginfo_t *si, void *uc)
{
	struct uffdio_zeropage zero = {
		.range.start = (uint64_t)(uintptr_t)si->si_addr & SGX_PAGE_MASK,
		.range.len = SGX_PAGE_SIZE,
	};
	int saved = errno;

	if (si->si_code > 0 && sigbus_uffd >= 0 &&
	    (!ioctl(sigbus_uffd, UFFDIO_ZEROPAGE, &zero) || errno == EEXIST || errno == EAGAIN)) {
		errno = saved;
		return;
	}
	signal(SIGBUS, SIG_DFL); /* not ours: die of the access when it is run again */
}

/*
 * The system call, or where that is refused the device, whose mode says who may.
 * Return: descriptor, or -errno of the system call.
 */
static int new_uffd(void)
{
	int flags = O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY, dev, fd, error;

	fd = (int)syscall(SYS_userfaultfd, flags);
	if (fd >= 0)
		return fd;
	error = errno;
	if (error != EPERM && error != ENOSYS)
		return -error;
	dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -error;
	fd = ioctl(dev, USERFAULTFD_IOC_NEW, flags);
	close(dev);
	return fd < 0 ? -error : fd;
}

static int open_uffd(void)
{
	/* The same that the agent wants: what one has, the other has. */
	struct uffdio_api api = {.api = UFFD_API, .features = PROTO_UFFD_FEATURES};
	int fd = new_uffd(), error;

	if (fd < 0 || !ioctl(fd, UFFDIO_API, &api))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/**
 * memory_reserve() - a table of zeros that costs nothing until it is written
 * @size: bytes
 *
 * Return: for munmap(); NULL without room.
 */
void *memory_reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/**
 * memory_init() - the table of EPC pages
 * @m: machine, with epc_size
 *
 * Return: 0, or -ENOMEM.
 */
int memory_init(struct machine *m)
{
	struct sigaction sa = {.sa_sigaction = sigbus, .sa_flags = SA_SIGINFO};
	struct epc_memory *mem = &m->memory;

	mem->uffd = -1;
	pool_init(&mem->pool);
	mem->pages = (uint32_t)(m->epc_size / SGX_PAGE_SIZE);
	mem->page = memory_reserve(mem->pages * sizeof(*mem->page));
	if (!mem->page)
		return -ENOMEM;
	mem->uffd = open_uffd();
	if (mem->uffd < 0) {
		/* EINVAL: there is one, but it cannot do what it should */
		mem->uffd_error = mem->uffd == -EINVAL ? ENOSYS : -mem->uffd;
		mem->uffd = -1;
	}
	sigbus_uffd = mem->uffd;
	sigaction(SIGBUS, &sa, NULL);
	return 0;
}

/**
 * memory_exit() - give the table back
 * @m: machine without enclaves
 */
void memory_exit(struct machine *m)
{
	struct epc_memory *mem = &m->memory;

	if (mem->page)
		munmap(mem->page, mem->pages * sizeof(*mem->page));
	mem->page = NULL;
	pool_exit(&mem->pool);
	sigbus_uffd = -1;
	if (mem->uffd >= 0)
		close(mem->uffd);
	mem->uffd = -1;
}

/**
 * memory_map() - map an enclave's file for the daemon
 * @m:		machine
 * @fd:		the file
 * @size:	of the file
 *
 * The order matters: until it is registered, the mapping cannot be accessed.
 * Return: the mapping, or NULL.
 */
uint8_t *memory_map(struct machine *m, int fd, uint64_t size)
{
	int prot = m->memory.uffd >= 0 ? PROT_NONE : PROT_READ | PROT_WRITE;
	struct uffdio_register reg = {
		.range.len = size,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	uint8_t *map;

	map = mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	/* A huge page would fill 511 holes; kernels without them say EINVAL */
	(void)madvise(map, size, MADV_NOHUGEPAGE);
	(void)madvise(map, size, MADV_DONTDUMP);
	if (m->memory.uffd < 0)
		return map;
	reg.range.start = (uint64_t)(uintptr_t)map;
	if (ioctl(m->memory.uffd, UFFDIO_REGISTER, &reg) ||
	    mprotect(map, size, PROT_READ | PROT_WRITE)) {
		munmap(map, size);
		return NULL;
	}
	return map;
}

static uint8_t *page_bytes(const struct machine *m, epc_slot_t slot)
{
	uintptr_t page = m->memory.page[slot];

	if (!page) {
		log_line("bug: EPC page %u has no bytes", slot);
		abort();
	}
	return (uint8_t *)(page & ~EPC_PRIVATE);
}

static uint8_t *memory_bytes(void *ctx, epc_slot_t slot)
{
	return page_bytes(ctx, slot);
}

static int fill_private(struct machine *m, epc_slot_t slot, const void *src)
{
	uint8_t *page = pool_get(&m->memory.pool);

	if (!page)
		return -1;
	memcpy(page, src ? src : zeros, SGX_PAGE_SIZE);
	m->memory.page[slot] = (uintptr_t)page | EPC_PRIVATE;
	return 0;
}

/**
 * memory_file_page() - put a page into an enclave's file
 * @m:		machine
 * @dst:	where it is in the daemon's mapping
 * @src:	4096 bytes
 *
 * Return: 0, or -1 without memory.
 */
int memory_file_page(struct machine *m, uint8_t *dst, const void *src)
{
	struct uffdio_copy copy = {
		.dst = (uint64_t)(uintptr_t)dst,
		.src = (uint64_t)(uintptr_t)src,
		.len = SGX_PAGE_SIZE,
	};
	unsigned tries = 0;

	if (m->memory.uffd < 0) {
		memcpy(dst, src, SGX_PAGE_SIZE);
		return 0;
	}
	while (ioctl(m->memory.uffd, UFFDIO_COPY, &copy)) {
		/* EAGAIN: another thread changes our mappings.  ENOENT does not come */
		if (errno == EAGAIN || errno == EINTR)
			continue;
		/*
		 * A page where no EPC page is: the client made it with write().
		 * It could do so again, in a loop; give up then.
		 */
		if (errno != EEXIST || tries++ == 8)
			return -1;
		if (madvise(dst, SGX_PAGE_SIZE, MADV_REMOVE))
			return -1;
	}
	return 0;
}

static void file_drop(uint8_t *page)
{
	if (madvise(page, SGX_PAGE_SIZE, MADV_REMOVE))
		log_line("a page could not be taken out of an enclave's file: %s", strerror(errno));
}

static int memory_fill(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr,
		       const void *src)
{
	struct machine *m = ctx;
	struct sgx_encl *owner;
	struct enclave *e;
	uint64_t offset;

	if (secs == EPC_SLOT_NONE)
		return fill_private(m, slot, src);
	/* kernel/ knows for whom it took the page */
	owner = sgx_epc_owner(m->sgx, slot);
	e = owner ? sgx_encl_host(owner) : NULL;
	if (!e || !e->map)
		return -1;
	offset = linaddr - e->base;
	if (offset >= e->size)
		return -1;
	if (!src)
		src = zeros;
	if (e->slot_of[offset >> SGX_PAGE_SHIFT] == SLOT_EVICTED) {
		/* ELDU: as if parked, whoever wanted it is granted it next */
		if (fill_private(m, slot, src))
			return -1;
		fault_point(e, FAULT_ELDU_FILL);
		enclave_set_slot(e, offset >> SGX_PAGE_SHIFT, slot + 1);
		return 0;
	}
	/* EADD, by whoever holds the enclave's ioctl place */
	if (prefill_take(e, offset >> SGX_PAGE_SHIFT))
		memcpy(e->map + offset, src, SGX_PAGE_SIZE);
	else if (memory_file_page(m, e->map + offset, src))
		return -1;
	m->memory.page[slot] = (uintptr_t)(e->map + offset);
	enclave_set_slot(e, offset >> SGX_PAGE_SHIFT, slot + 1);
	return 0;
}

static void memory_drop(void *ctx, epc_slot_t slot)
{
	struct machine *m = ctx;
	uintptr_t page = m->memory.page[slot];
	struct sgx_encl *owner;
	struct enclave *e;

	if (!page)
		return;
	m->memory.page[slot] = 0;
	owner = sgx_epc_owner(m->sgx, slot);
	e = owner ? sgx_encl_host(owner) : NULL;
	if (page & EPC_PRIVATE) {
		if (e)
			fault_point(e, FAULT_EWB_DROP);
		pool_put(&m->memory.pool, (void *)(page & ~EPC_PRIVATE));
		return;
	}
	/* at an enclave's end its file goes whole, and nobody maps it */
	if (!e || !e->ending)
		file_drop((uint8_t *)page);
}

/**
 * memory_hide() - take a page's bytes out of its enclave's file
 * @m:		machine
 * @slot:	an EPC page of type PT_TCS
 *
 * Programs never see a TCS.  Without memory it stays where it is: no mapping is
 * ever granted there.
 */
void memory_hide(struct machine *m, epc_slot_t slot)
{
	uintptr_t page = m->memory.page[slot];

	if (!page || (page & EPC_PRIVATE) || fill_private(m, slot, (void *)page))
		return;
	file_drop((uint8_t *)page);
}

const struct epc_mem_ops memory_ops = {
	.bytes = memory_bytes,
	.fill = memory_fill,
	.drop = memory_drop,
	.set_epoch = enclave_set_epoch,
	.oldest_epoch = enclave_oldest_epoch,
};
