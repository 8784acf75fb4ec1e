/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of an enclave's file, made ahead of their EADDs.
 *
 * Making a page is the dearest part of ADD_PAGES after the hash, so an enclave
 * under construction has a window of pages that are about to be added, in order:
 *
 *	next		 ready			end
 *	  |   are there    |   are to be made    |
 *
 * begin() at the start of an ADD_PAGES moves the end, EADD takes pages at next,
 * step() makes some at ready.  Anybody may step: a worker thread of the machine
 * where the call is large and a CPU is to be had, the service thread that finds
 * its page missing, and the service thread after it has answered a call of a
 * series.  So nobody waits for a thread that may not come.
 *
 * The pages are zeros until their EADD, and nobody can see them before: PTEs come
 * from us alone.  What no EADD has taken goes away at the end of the ioctl; in a
 * series of calls, each where the last one ended, a few pages stay for the one
 * that seems to come next, until any other ioctl.
 *
 * next is the holder's of the enclave's ioctl place; the rest is under the lock,
 * which only step() holds for longer.
 */
#include "machine.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define STEP_PAGES   8u /* made with one call of the kernel */
#define YIELD_STEPS  3u
#define SERIES_CALLS 3u /* this many in order are a series */
#define SERIES_PAGES 16u /* of the next one, at most */
#define AHEAD_PAGES  64u /* beyond a piece, of the rest of its ADD_PAGES */
#define SPIN_ROUNDS  400u

/**
 * prefill_init() - no worker yet
 * @m: machine
 */
void prefill_init(struct machine *m)
{
	pthread_mutex_init(&m->prefill.lock, NULL);
	pthread_cond_init(&m->prefill.work, NULL);
}

/**
 * prefill_exit() - end the worker
 * @m: machine without clients
 *
 * Context: main thread; prefill_begin() is not called any more.
 */
void prefill_exit(struct machine *m)
{
	struct prefiller *p = &m->prefill;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	if (p->started)
		pthread_join(p->thread, NULL);
	p->started = false;
}

/*
 * Make some pages.  What is in the way (a page that a client wrote there) or
 * fails otherwise ends the window: EADD finds out by itself.
 * Context: window lock held.  Return: false with nothing left to make now.
 */
static bool step(struct enclave *e)
{
	struct window *w = &e->window;
	uint64_t ready = atomic_load_explicit(&w->ready, memory_order_relaxed);
	uint64_t n = w->end - ready;
	struct uffdio_zeropage zero = {0};

	if (!n)
		return false;
	if (n > STEP_PAGES)
		n = STEP_PAGES;
	zero.range.start = (uint64_t)(uintptr_t)(e->map + (ready << SGX_PAGE_SHIFT));
	zero.range.len = n << SGX_PAGE_SHIFT;
	/* EAGAIN: some, or another thread changes our mappings */
	if (ioctl(e->machine->memory.uffd, UFFDIO_ZEROPAGE, &zero) && zero.zeropage < 0 &&
	    zero.zeropage != -EAGAIN) {
		w->end = ready;
		return false;
	}
	if (zero.zeropage > 0)
		ready += (uint64_t)zero.zeropage >> SGX_PAGE_SHIFT;
	atomic_store_explicit(&w->ready, ready, memory_order_release);
	return ready < w->end;
}

static bool step_locked(struct enclave *e)
{
	bool more;

	pthread_mutex_lock(&e->window.lock);
	more = step(e);
	pthread_mutex_unlock(&e->window.lock);
	return more;
}

static void *worker(void *arg)
{
	struct machine *m = arg;
	struct prefiller *p = &m->prefill;
	struct enclave *e;
	int cpu;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->queue && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		e = p->queue;
		if (!e)
			break; /* stopped, and no reference is left in the queue */
		p->queue = e->window.queue_next;
		e->window.queued = false;
		cpu = p->cpu;
		pthread_mutex_unlock(&p->lock);
		if (cpu >= 0 && cpu == sched_getcpu())
			client_leave_cpu(cpu);
		/* the CPU may be the one that the client wants to bring more */
		for (unsigned i = 1; step_locked(e); i++)
			if (i % YIELD_STEPS == 0)
				sched_yield();
		enclave_put(e);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Without a worker the service thread makes the pages itself. */
static void enqueue(struct enclave *e)
{
	struct prefiller *p = &e->machine->prefill;

	pthread_mutex_lock(&p->lock);
	if (!p->started && !p->failed) {
		p->started = !pthread_create(&p->thread, NULL, worker, e->machine);
		p->failed = !p->started;
	}
	if (p->started && !e->window.queued) {
		atomic_fetch_add(&e->refs, 1);
		e->window.queued = true;
		e->window.queue_next = p->queue;
		p->queue = e;
		p->cpu = sched_getcpu();
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
}

/**
 * prefill_drop() - nothing is about to be added: take away what no EADD has taken
 * @e: enclave whose ioctl place is held
 */
void prefill_drop(struct enclave *e)
{
	struct window *w = &e->window;
	uint64_t from = w->next, ready;

	pthread_mutex_lock(&w->lock);
	ready = atomic_load_explicit(&w->ready, memory_order_relaxed);
	if (from < ready && madvise(e->map + (from << SGX_PAGE_SHIFT),
				    (ready - from) << SGX_PAGE_SHIFT, MADV_REMOVE))
		log_line("pages could not be taken out of an enclave's file: %s", strerror(errno));
	atomic_store_explicit(&w->ready, 0, memory_order_relaxed);
	w->end = 0;
	pthread_mutex_unlock(&w->lock);
}

/**
 * enclave_vacant() - how far pages of an ELRANGE are absent
 * @e:		enclave, created
 * @page:	the first to look at
 * @want:	the first not to look at
 *
 * Context: nobody adds pages meanwhile.
 * Return: the first page from @page on that was added, or the end of the ELRANGE, or
 * @want.
 */
uint64_t enclave_vacant(const struct enclave *e, uint64_t page, uint64_t want)
{
	uint64_t size = e->size >> SGX_PAGE_SHIFT;

	if (want > size)
		want = size;
	while (page < want && !__atomic_load_n(&e->slot_of[page], __ATOMIC_RELAXED))
		page++;
	return page;
}

/**
 * prefill_begin() - pages are about to be added
 * @e:		enclave, created, whose ioctl place is held
 * @page:	the first, in the ELRANGE
 * @count:	how many this call brings; more than none
 * @rest:	pages of the same ADD_PAGES that come after these
 * @first:	the ADD_PAGES begins here
 */
void prefill_begin(struct enclave *e, uint64_t page, uint64_t count, uint64_t rest, bool first)
{
	struct window *w = &e->window;
	uint64_t have, end;

	if (e->machine->memory.uffd < 0)
		return;
	if (first)
		w->series = page == w->next ? w->series + 1 : 0;
	if (page != w->next) {
		prefill_drop(e);
		w->next = page;
	}
	if (rest > AHEAD_PAGES)
		rest = AHEAD_PAGES;

	pthread_mutex_lock(&w->lock);
	/* an empty window is anywhere */
	if (w->end <= page) {
		w->end = page;
		atomic_store_explicit(&w->ready, page, memory_order_relaxed);
	}
	end = enclave_vacant(e, w->end, page + count + rest);
	if (end > w->end)
		w->end = end;
	have = atomic_load_explicit(&w->ready, memory_order_relaxed);
	end = w->end;
	pthread_mutex_unlock(&w->lock);
	/* Another thread is worth its wake where it makes more than one step */
	if (e->machine->spin && end - have > 2 * STEP_PAGES)
		enqueue(e);
}

/**
 * prefill_take() - the page of an EADD
 * @e:		enclave whose ioctl place is held
 * @page:	in the ELRANGE
 *
 * Return: true if it is in the file now (its bytes are to be written yet); false:
 * make it.
 */
bool prefill_take(struct enclave *e, uint64_t page)
{
	struct window *w = &e->window;

	if (page != w->next) {
		prefill_drop(e);
		return false;
	}
	for (unsigned spins = 0; page >= atomic_load_explicit(&w->ready, memory_order_acquire);
	     spins++) {
		bool there;

		if (pthread_mutex_trylock(&w->lock)) {
			/* the worker is at it, for a step */
			if (spins < SPIN_ROUNDS) {
				__builtin_ia32_pause();
				continue;
			}
			pthread_mutex_lock(&w->lock);
		}
		if (page >= atomic_load_explicit(&w->ready, memory_order_relaxed))
			step(e);
		there = page < w->end;
		pthread_mutex_unlock(&w->lock);
		if (!there)
			return false;
	}
	w->next = page + 1;
	return true;
}

/**
 * prefill_end() - an ADD_PAGES is over
 * @e:		enclave whose ioctl place is held
 * @page:	after the last that it added
 * @count:	how many its last call added; 0: nothing of the kind will follow
 *
 * Return: true if prefill_ahead() has something to do.
 */
bool prefill_end(struct enclave *e, uint64_t page, uint64_t count)
{
	struct window *w = &e->window;
	uint64_t end;
	bool more;

	if (e->machine->memory.uffd < 0 || !e->map)
		return false;
	/* a page that had to be made the long way is behind the window's start */
	if (w->next != page) {
		prefill_drop(e);
		w->next = page;
	}
	if (!count || w->series < SERIES_CALLS) {
		prefill_drop(e);
		return false;
	}
	pthread_mutex_lock(&w->lock);
	if (w->end <= page) {
		w->end = page;
		atomic_store_explicit(&w->ready, page, memory_order_relaxed);
	}
	end = enclave_vacant(e, w->end, page + (count < SERIES_PAGES ? count : SERIES_PAGES));
	if (end > w->end)
		w->end = end;
	more = w->end > atomic_load_explicit(&w->ready, memory_order_relaxed);
	pthread_mutex_unlock(&w->lock);
	return more;
}

/**
 * prefill_ahead() - the service thread has time until the next call
 * @e: enclave, with a reference
 */
void prefill_ahead(struct enclave *e)
{
	if (step_locked(e) && e->machine->spin)
		enqueue(e);
}
