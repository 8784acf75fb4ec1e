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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The file's name, as tools look for it in /proc/PID/maps */
#define ENCLAVE_NAME "/dev/sgx_enclave"

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

static void unmap_all(struct enclave *e)
{
	uint64_t pages = e->size / SGX_PAGE_SIZE;

	if (e->map)
		munmap(e->map, e->size);
	if (e->slot_of)
		munmap(e->slot_of, pages * sizeof(*e->slot_of));
	if (e->tcs)
		munmap(e->tcs, pages * sizeof(*e->tcs));
	if (e->tcs_fd >= 0)
		close(e->tcs_fd);
	e->map = NULL;
	e->slot_of = NULL;
	e->tcs = NULL;
	e->tcs_fd = -1;
}

static void destroy(struct enclave *e)
{
	unmap_all(e);
	if (e->memfd >= 0)
		close(e->memfd);
	if (e->probe >= 0)
		close(e->probe);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->window.lock);
	free(e->tcs_pages);
	free(e);
}

/**
 * enclave_open() - open("/dev/sgx_enclave")
 * @m:		machine
 * @flags:	O_*; of these O_NONBLOCK and O_SYNC stay with the descriptor
 * @ret_encl:	receives it, with a reference for enclave_put()
 * @ret_fd:	the descriptor for the program; closing every copy ends the enclave
 *
 * Return: 0, or -errno.
 */
int enclave_open(struct machine *m, int flags, struct enclave **ret_encl, int *ret_fd)
{
	struct enclave *e = calloc(1, sizeof(*e));
	struct stat st;
	int fd, ret;

	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->window.lock, NULL);
	e->machine = m;
	e->tcs_fd = -1;
	e->probe = -1;
	e->wd = -1;
	atomic_init(&e->refs, 2); /* the list's, the caller's */
	e->memfd = memfd_create(ENCLAVE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (e->memfd < 0 || fstat(e->memfd, &st))
		goto no_file;
	e->ino = st.st_ino;
	e->dev = st.st_dev;
	e->probe = reopen(e->memfd, O_RDONLY);
	e->wd = watch(m, e->memfd);
	if (e->probe < 0 || e->wd < 0)
		goto no_file;
	e->sgx = sgx_open(m->sgx, e);
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
free_enclave:
	if (e->wd >= 0)
		inotify_rm_watch(m->inotify.fd, e->wd);
	destroy(e);
	return ret;
}

/**
 * enclave_get() - find an enclave by the inode of its descriptor
 * @m:		machine
 * @ino:	inode
 *
 * Return: it, with a reference for enclave_put(); NULL.
 */
struct enclave *enclave_get(struct machine *m, uint64_t ino)
{
	struct enclave *e;

	pthread_mutex_lock(&m->lock);
	for (e = m->enclaves; e; e = e->next) {
		if (e->ino == ino) {
			atomic_fetch_add(&e->refs, 1);
			break;
		}
	}
	pthread_mutex_unlock(&m->lock);
	return e;
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
	uint64_t pages;

	sgx_encl_info(sgx, &info);
	if (e->map)
		return 0;
	e->base = info.base;
	e->size = info.size;
	pages = e->size / SGX_PAGE_SIZE;
	/* nothing is in it, whatever a program has written before */
	if (ftruncate(e->memfd, 0) || ftruncate(e->memfd, (off_t)e->size))
		return -ENOMEM;
	e->slot_of = mmap(NULL, pages * sizeof(*e->slot_of), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (e->slot_of == MAP_FAILED) {
		e->slot_of = NULL;
		goto no_memory;
	}
	e->tcs_fd = memfd_create("swsgx-tcs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (e->tcs_fd < 0 || ftruncate(e->tcs_fd, (off_t)(pages * sizeof(*e->tcs))) ||
	    fcntl(e->tcs_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto no_memory;
	e->tcs = mmap(NULL, pages * sizeof(*e->tcs), PROT_READ | PROT_WRITE,
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

static bool tcs_remember(struct enclave *e, uint32_t page)
{
	for (uint32_t i = 0; i < e->tcs_count; i++)
		if (e->tcs_pages[i] == page)
			return true;
	if (e->tcs_count == e->tcs_room) {
		uint32_t room = e->tcs_room ? 2 * e->tcs_room : 8;
		uint32_t *more = realloc(e->tcs_pages, room * sizeof(*more));

		if (!more)
			return false;
		e->tcs_pages = more;
		e->tcs_room = room;
	}
	e->tcs_pages[e->tcs_count++] = page;
	return true;
}

static void tcs_forget(struct enclave *e, uint32_t page)
{
	for (uint32_t i = 0; i < e->tcs_count; i++) {
		if (e->tcs_pages[i] == page) {
			e->tcs_pages[i] = e->tcs_pages[--e->tcs_count];
			return;
		}
	}
}

/* Statistics are the client's word, as everything in the shared table. */
static void slot_counters(const struct sgx_tcs_slot *t, struct counters *c)
{
	c->entries += __atomic_load_n(&t->entries, __ATOMIC_RELAXED);
	c->exits += __atomic_load_n(&t->exits, __ATOMIC_RELAXED);
	c->aexs += __atomic_load_n(&t->aexs, __ATOMIC_RELAXED);
}

/**
 * enclave_host_tcs_publish() - sgx_host_ops.tcs_publish
 * @sgx:	enclave, created
 * @offset:	of the page in the ELRANGE
 * @tcs:	bytes of the new TCS; NULL: the page is none any more
 */
void enclave_host_tcs_publish(struct sgx_encl *sgx, uint64_t offset, const struct sgx_tcs *tcs)
{
	struct enclave *e = sgx_encl_host(sgx);
	uint64_t page = offset >> SGX_PAGE_SHIFT;
	struct sgx_tcs_slot *t;

	if (!e->tcs || offset >= e->size)
		return;
	t = &e->tcs[page];
	if (!tcs) {
		__atomic_store_n(&t->state, SGX_TCS_GONE, __ATOMIC_RELEASE);
		pthread_mutex_lock(&e->lock);
		slot_counters(t, &e->past);
		tcs_forget(e, (uint32_t)page);
		pthread_mutex_unlock(&e->lock);
		return;
	}
	t->flags = tcs->flags;
	t->ossa = tcs->ossa;
	t->cssa = tcs->cssa;
	t->nssa = tcs->nssa;
	t->oentry = tcs->oentry;
	t->ofsbase = tcs->ofsbase;
	t->ogsbase = tcs->ogsbase;
	t->fslimit = tcs->fslimit;
	t->gslimit = tcs->gslimit;
	t->aep = 0;
	t->epoch = 0;
	pthread_mutex_lock(&e->lock);
	t->entries = 0;
	t->exits = 0;
	t->aexs = 0;
	if (!tcs_remember(e, (uint32_t)page))
		log_line("no memory to watch the TCS at offset %#llx", (unsigned long long)offset);
	pthread_mutex_unlock(&e->lock);
	if (e->slot_of[page])
		memory_hide(e->machine, e->slot_of[page] - 1);
	/* Pairs with the acquire of EENTER's compare-and-swap */
	__atomic_store_n(&t->state, SGX_TCS_FREE, __ATOMIC_RELEASE);
}

/**
 * enclave_host_tcs_debug() - sgx_host_ops.tcs_debug
 * @sgx:	enclave, created
 * @offset:	of a TCS page in the ELRANGE
 * @tcs:	its bytes
 * @write:	FLAGS have changed; else the changing fields are wanted
 */
void enclave_host_tcs_debug(struct sgx_encl *sgx, uint64_t offset, struct sgx_tcs *tcs, bool write)
{
	struct enclave *e = sgx_encl_host(sgx);
	struct sgx_tcs_slot *t;

	if (!e->tcs || offset >= e->size)
		return;
	t = &e->tcs[offset >> SGX_PAGE_SHIFT];
	if (write) {
		/* a thread inside has the flags of its entry */
		__atomic_store_n(&t->flags, tcs->flags, __ATOMIC_RELAXED);
		return;
	}
	tcs->state = __atomic_load_n(&t->state, __ATOMIC_RELAXED) > SGX_TCS_FREE;
	tcs->cssa = __atomic_load_n(&t->cssa, __ATOMIC_RELAXED);
	tcs->aep = __atomic_load_n(&t->aep, __ATOMIC_RELAXED);
}

/**
 * enclave_counters() - entries, exits and AEXs of an enclave so far
 * @e:	enclave
 * @c:	added to
 */
void enclave_counters(struct enclave *e, struct counters *c)
{
	pthread_mutex_lock(&e->lock);
	c->entries += e->past.entries;
	c->exits += e->past.exits;
	c->aexs += e->past.aexs;
	for (uint32_t i = 0; i < e->tcs_count; i++)
		slot_counters(&e->tcs[e->tcs_pages[i]], c);
	pthread_mutex_unlock(&e->lock);
}

/* Thread group of a thread; 0: there is no such thread. */
static pid_t thread_group(uint32_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	return (pid_t)proc_number(path, "Tgid:");
}

/**
 * enclave_wipe_dead() - free TCS slots whose threads live no more
 * @e:		enclave
 * @dead:	process that has ended (it may still be a zombie) or has exec'ed
 *
 * A thread that died inside never gave its TCS back.  A slot of a thread of
 * another process is left alone; if that one died too, its own end comes.
 */
void enclave_wipe_dead(struct enclave *e, pid_t dead)
{
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->tcs_count; i++) {
		struct sgx_tcs_slot *t = &e->tcs[e->tcs_pages[i]];
		uint32_t state = __atomic_load_n(&t->state, __ATOMIC_ACQUIRE);
		pid_t group;

		if ((state & 3) != (lp_owner(0) & 3))
			continue;
		group = thread_group(state >> 2);
		if (group && group != dead)
			continue;
		/* Lost only to a client that plays tricks with its own table */
		(void)__atomic_compare_exchange_n(&t->state, &state, SGX_TCS_FREE, false,
						  __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&e->lock);
}
