/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's side of an enclave: its file, its TCS table, and its end.
 *
 * What open("/dev/sgx_enclave") returns is a memfd, opened a second time through
 * /proc/self/fd: there is one such open file, which is dup'ed, inherited, sent
 * around and mapped, and the kernel closes it when the last descriptor and the
 * last mapping in any process are gone.  inotify tells of that close
 * (IN_CLOSE_WRITE), and it is sgx_release.
 *
 * A program that opens /proc/self/fd/N itself makes another open file, whose
 * close tells the same.  So before believing it we ask the kernel: a read lease
 * on a file is given only if nobody has it open for writing (our own descriptor
 * of the memfd does not count, it was not made by open; our probe is read-only).
 * The kernel tells inotify a moment before it gives the write access back, so a
 * "somebody has" is asked again, in growing intervals, until the end.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * The daemon maps each ELRANGE whole, and has 2^47 addresses.  What is larger than
 * LARGE shares LARGE_TOTAL bytes of them, so that nobody's large enclaves, which may
 * be empty, take the addresses that others' enclaves want.
 */
#define LARGE	    (1ull << 36)
#define LARGE_TOTAL (1ull << 45)

static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static int watch(struct machine *m, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return inotify_add_watch(m->inotify.fd, path, IN_CLOSE_WRITE);
}

/* Words of backing_used: the SECS is behind the pages */
static size_t used_size(uint64_t pages)
{
	return (pages / BACKING_BITS / 64 + 1) * sizeof(uint64_t);
}

/* Return: false where the large enclaves have all that they may have */
static bool large_begin(struct enclave *e)
{
	struct machine *m = e->machine;

	if (e->size <= LARGE)
		return true;
	if (atomic_fetch_add(&m->large, e->size) > LARGE_TOTAL - e->size) {
		atomic_fetch_sub(&m->large, e->size);
		errno = ENOMEM;
		return false;
	}
	e->large = true;
	return true;
}

/**
 * enclave_large_full() - might one that is closed make room for a large enclave?
 * @m: machine
 */
bool enclave_large_full(struct machine *m)
{
	return atomic_load(&m->large) > LARGE_TOTAL / 2;
}

static void unmap_all(struct enclave *e)
{
	uint64_t pages = e->size / SGX_PAGE_SIZE;

	if (e->large)
		atomic_fetch_sub(&e->machine->large, e->size);
	e->large = false;
	if (e->backing_used)
		munmap(e->backing_used, used_size(pages));
	e->backing_used = NULL;

	if (e->map)
		munmap(e->map, e->size);
	if (e->slot_of)
		munmap(e->slot_of, pages * sizeof(*e->slot_of));
	if (e->backing)
		munmap(e->backing, (pages + 1) * sizeof(*e->backing));
	if (e->tcs)
		munmap(e->tcs, (pages + 1) * sizeof(*e->tcs));
	if (e->tcs_fd >= 0)
		close(e->tcs_fd);
	e->map = NULL;
	e->slot_of = NULL;
	e->backing = NULL;
	e->tcs = NULL;
	e->tcs_fd = -1;
}

static void destroy(struct enclave *e)
{
	paging_backing_free(e);
	unmap_all(e);
	if (e->memfd >= 0)
		close(e->memfd);
	if (e->probe >= 0)
		close(e->probe);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->mm_lock);
	pthread_mutex_destroy(&e->window.lock);
	pthread_mutex_destroy(&e->stream.lock);
	free(e->stream.call);
	free(e->tcs_watch);
	free(e->mm);
	free(e);
}

/**
 * enclave_open() - open("/dev/sgx_enclave")
 * @m:		machine
 * @flags:	O_*; of these O_NONBLOCK and O_SYNC stay with the descriptor
 * @ret_encl:	receives it, with a reference for enclave_put()
 * @ret_fd:	the descriptor for the program; closing every copy ends the enclave
 *
 * Return: 0, or -errno: -ENFILE where this process has too few descriptors left.
 */
int enclave_open(struct machine *m, int flags, struct enclave **ret_encl, int *ret_fd)
{
	struct enclave *e = calloc(1, sizeof(*e));
	char cause[64];
	struct stat st;
	int fd, ret;

	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->mm_lock, NULL);
	pthread_mutex_init(&e->window.lock, NULL);
	pthread_mutex_init(&e->stream.lock, NULL);
	e->machine = m;
	e->tcs_fd = -1;
	e->probe = -1;
	e->wd = -1;
	atomic_init(&e->refs, 2); /* the list's, the caller's */
	/* tools look for that name in /proc/PID/maps */
	e->memfd = memfd_create(machine_enclave_name(m), MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (e->memfd >= 0 && !limits_headroom(e->memfd)) {
		ret = -EMFILE;
		goto no_number;
	}
	if (e->memfd < 0 || fstat(e->memfd, &st) ||
	    getrandom(e->key, sizeof(e->key), 0) != sizeof(e->key))
		goto no_file;
	e->ino = st.st_ino;
	e->dev = st.st_dev;
	e->probe = reopen(e->memfd, O_RDONLY);
	e->wd = watch(m, e->memfd);
	if (e->probe < 0 || e->wd < 0)
		goto no_file;
	e->sgx = sgx_open(m->sgx, e, m->interfaces);
	if (!e->sgx) {
		ret = -ENOMEM;
		goto free_enclave;
	}

	pthread_mutex_lock(&m->lock);
	e->next = m->enclaves;
	m->enclaves = e;
	m->enclaves_created++;
	pthread_mutex_unlock(&m->lock);

	/*
	 * From here on its close releases the enclave, and nothing else does.
	 * With O_APPEND a write is one beyond the end, which the seal of CREATE
	 * forbids: no write() changes a page.
	 */
	fd = reopen(e->memfd, O_RDWR | O_APPEND | (flags & (O_NONBLOCK | O_SYNC)));
	if (fd < 0) {
		ret = -errno;
		pthread_mutex_lock(&m->lock);
		for (struct enclave **p = &m->enclaves; *p; p = &(*p)->next) {
			if (*p == e) {
				*p = e->next;
				break;
			}
		}
		m->enclaves_created--;
		pthread_mutex_unlock(&m->lock);
		inotify_rm_watch(m->inotify.fd, e->wd);
		enclave_put(e);
		enclave_put(e);
		return ret;
	}
	atomic_store(&e->handed_out, true);
	*ret_encl = e;
	*ret_fd = fd;
	return 0;

no_file:
	/* Linux answers ENOMEM where it cannot make an enclave */
	ret = errno == EMFILE || errno == ENFILE ? -errno : -ENOMEM;
no_number:
	/* EMFILE is the program's own limit; this is one of the whole machine */
	if (ret == -EMFILE) {
		log_line("no descriptors are left for another enclave%s",
			 limits_cause(EMFILE, cause, sizeof(cause)));
		ret = -ENFILE;
	}
free_enclave:
	if (e->wd >= 0)
		inotify_rm_watch(m->inotify.fd, e->wd);
	destroy(e);
	return ret;
}

/**
 * enclave_put() - give a reference back
 * @e: enclave; the last reference releases it
 */
void enclave_put(struct enclave *e)
{
	struct machine *m = e->machine;
	uint64_t one = 1;
	bool counted;

	if (atomic_fetch_sub(&e->refs, 1) != 1)
		return;
	counted = atomic_load(&e->off_list);
	e->ending = true;
	sgx_release(e->sgx); /* ends in enclave_host_free() */
	/* who waits for it to be over is told by the main thread */
	if (counted && atomic_fetch_sub(&m->ending, 1) == 1 &&
	    write(m->wakeup.fd, &one, sizeof(one)) < 0)
		log_line("eventfd: %s", strerror(errno));
}

/**
 * enclave_all() - every enclave there is
 * @m:		machine
 * @ret_count:	receives how many
 *
 * Return: array for free(), a reference to each for enclave_put(); NULL: none, or
 * no memory.
 */
struct enclave **enclave_all(struct machine *m, uint32_t *ret_count)
{
	struct enclave **all = NULL, *e;
	uint32_t n = 0;

	pthread_mutex_lock(&m->lock);
	for (e = m->enclaves; e; e = e->next)
		n++;
	if (n)
		all = calloc(n, sizeof(*all));
	n = 0;
	for (e = m->enclaves; all && e; e = e->next) {
		atomic_fetch_add(&e->refs, 1);
		all[n++] = e;
	}
	pthread_mutex_unlock(&m->lock);
	*ret_count = n;
	return all;
}

/**
 * enclave_host_memory() - sgx_host_ops.encl_memory
 * @sgx: has just been created
 *
 * Return: 0, or -ENOMEM with nothing changed but the file's size, so that
 * another CREATE may be tried.
 */
int enclave_host_memory(struct sgx_encl *sgx)
{
	struct enclave *e = sgx_encl_host(sgx);
	struct sgx_encl_info info;
	char cause[64];
	uint64_t pages;

	sgx_encl_info(sgx, &info);
	if (e->map)
		return 0;
	e->base = info.base;
	e->size = info.size;
	pages = e->size / SGX_PAGE_SIZE;
	if (!large_begin(e))
		goto no_memory;
	/* nothing is in it, whatever a program has written before */
	if (ftruncate(e->memfd, 0) || ftruncate(e->memfd, (off_t)e->size))
		goto no_memory;
	e->slot_of = memory_reserve(pages * sizeof(*e->slot_of));
	e->backing = memory_reserve((pages + 1) * sizeof(*e->backing));
	e->backing_used = memory_reserve(used_size(pages));
	if (!e->slot_of || !e->backing || !e->backing_used)
		goto no_memory;
	e->tcs_fd = memfd_create("swsgx-tcs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (e->tcs_fd < 0 || ftruncate(e->tcs_fd, (off_t)((pages + 1) * sizeof(*e->tcs))) ||
	    fcntl(e->tcs_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto no_memory;
	e->tcs = mmap(NULL, (pages + 1) * sizeof(*e->tcs), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_NORESERVE, e->tcs_fd, 0);
	if (e->tcs == MAP_FAILED) {
		e->tcs = NULL;
		goto no_memory;
	}
	e->map = memory_map(e->machine, e->memfd, e->size);
	if (!e->map)
		goto no_memory;
	/*
	 * No access beyond the end, ever.  The last step: a sealed file could not
	 * take the size of the next attempt.
	 */
	if (fcntl(e->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto no_memory;
	close(e->memfd); /* the mapping keeps the file */
	e->memfd = -1;
	/* The last word: ATTACH may now look */
	__atomic_store_n(&e->id, info.eid, __ATOMIC_RELEASE);
	return 0;

no_memory:
	log_line("no enclave of %llu KiB: %s%s", (unsigned long long)e->size >> 10, strerror(errno),
		 limits_cause(errno, cause, sizeof(cause)));
	unmap_all(e);
	return -ENOMEM;
}

/**
 * enclave_host_free() - sgx_host_ops.encl_free
 * @sgx: nothing refers to it any more
 */
void enclave_host_free(struct sgx_encl *sgx)
{
	destroy(sgx_encl_host(sgx));
}
