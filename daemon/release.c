/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of an enclave: IN_CLOSE_WRITE, the question whether that was the last
 * open file, and the release.  See the top of enclave.c.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

/* The enclave's totals outlive it, so that a report after the program has them. */
static void record(struct machine *m, struct enclave *e)
{
	struct enclave_record *r;
	struct sgx_encl_info info;
	struct counters c = {0};

	sgx_encl_info(e->sgx, &info);
	enclave_counters(e, &c);
	pthread_mutex_lock(&m->lock);
	m->past.entries += c.entries;
	m->past.exits += c.exits;
	m->past.aexs += c.aexs;
	if (info.created) {
		r = &m->record[m->record_count++ % PAST_ENCLAVES];
		r->id = info.eid;
		r->size = info.size;
		r->pages_added = __atomic_load_n(&e->pages_added, __ATOMIC_RELAXED);
		r->initialized = info.initialized;
		memcpy(r->mrenclave, info.mrenclave, SGX_HASH_SIZE);
		memcpy(r->mrsigner, info.mrsigner, SGX_HASH_SIZE);
		r->counters = c;
		r->ewb = info.ewb;
		r->eldu = info.eldu;
		r->soft_faults = info.soft_faults;
	}
	pthread_mutex_unlock(&m->lock);
}

/* Nobody has it open or mapped?  Errors other than "somebody has": believe inotify. */
static bool unused(const struct enclave *e)
{
	if (!fcntl(e->probe, F_SETLEASE, F_RDLCK)) {
		fcntl(e->probe, F_SETLEASE, F_UNLCK);
		return true;
	}
	return errno != EAGAIN;
}

/* Something of it was closed: release it if that was the last. */
static void closed(struct machine *m, int wd)
{
	struct enclave **p, *e;
	bool again;

	pthread_mutex_lock(&m->lock);
	for (p = &m->enclaves; *p; p = &(*p)->next)
		if ((*p)->wd == wd)
			break;
	e = *p;
	pthread_mutex_unlock(&m->lock);
	if (!e || !atomic_load(&e->handed_out))
		return;
	again = e->doubt;
	e->doubt = !unused(e);
	if (e->doubt) {
		/* soon, however long others have been in doubt */
		if (!again || !m->recheck_ms) {
			m->recheck_ms = 1;
			m->recheck_at = loop_now_ms() + 1;
		}
		return;
	}
	stream_close(e);
	record(m, e);
	/*
	 * Nobody but this thread takes enclaves out of the list, but others may
	 * have put some in: look for it again.
	 */
	pthread_mutex_lock(&m->lock);
	for (p = &m->enclaves; *p != e; p = &(*p)->next)
		;
	*p = e->next;
	holder_forget(e);
	pthread_mutex_unlock(&m->lock);
	inotify_rm_watch(m->inotify.fd, wd);
	paging_no_mm(e);
	atomic_fetch_add(&m->ending, 1);
	atomic_store(&e->off_list, true);
	enclave_put(e);
}

/**
 * enclave_inotify_ready() - files have been closed
 * @m:		machine
 * @s:		the inotify descriptor
 * @events:	of epoll
 *
 * Context: main thread.
 */
void enclave_inotify_ready(struct machine *m, struct source *s, uint32_t events)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *ev;
	ssize_t n;

	while ((n = read(s->fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n; p += sizeof(*ev) + ev->len) {
			ev = (const void *)p;
			if (ev->mask & IN_Q_OVERFLOW) {
				/* Something was closed: ask of every enclave */
				uint32_t count;
				struct enclave **all = enclave_all(m, &count);

				for (uint32_t i = 0; i < count; i++) {
					closed(m, all[i]->wd);
					enclave_put(all[i]);
				}
				free(all);
			} else if (ev->mask & IN_CLOSE_WRITE) {
				closed(m, ev->wd);
			}
		}
	}
}

/**
 * enclave_recheck() - ask again of enclaves of which something was closed
 * @m: machine
 *
 * Context: main thread, every machine.recheck_ms milliseconds.
 */
void enclave_recheck(struct machine *m)
{
	int again = m->recheck_ms < 512 ? 2 * m->recheck_ms : 1000;
	struct enclave **all;
	uint32_t count;

	m->recheck_ms = 0;
	all = enclave_all(m, &count);
	for (uint32_t i = 0; i < count; i++) {
		if (all[i]->doubt)
			closed(m, all[i]->wd);
		enclave_put(all[i]);
	}
	free(all);
	if (m->recheck_ms) {
		m->recheck_ms = again;
		m->recheck_at = loop_now_ms() + (uint64_t)again;
	}
}

/*
 * In Linux close() has released the enclave when it returns; here the main
 * thread hears of it a moment later.  Who is about to say "no memory" waits for
 * what was closed before.
 */

/* Intervals of enclave_recheck() up to this one are waited for */
#define SETTLE_MS      512
#define SETTLE_STEP_MS 10
#define SETTLE_STEPS   200 /* two seconds */

/**
 * enclave_settle() - wait until what has been closed by now is released
 * @m:		machine
 * @stop:	gives up when it becomes true: the main thread is waiting for us
 *
 * On a busy system the process that closed may be scheduled out in the middle of
 * it for a while.  Context: a service thread, no lock held.
 */
void enclave_settle(struct machine *m, const atomic_bool *stop)
{
	struct timespec until;
	uint64_t one = 1, ticket;

	pthread_mutex_lock(&m->lock);
	ticket = ++m->settle_wanted;
	if (write(m->wakeup.fd, &one, sizeof(one)) != sizeof(one))
		goto out;
	clock_gettime(CLOCK_REALTIME, &until);
	for (int i = 0; i < SETTLE_STEPS && m->settle_done < ticket && !atomic_load(stop); i++) {
		until.tv_nsec += SETTLE_STEP_MS * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		(void)pthread_cond_timedwait(&m->settled, &m->lock, &until);
	}
out:
	pthread_mutex_unlock(&m->lock);
}

/**
 * enclave_settle_ready() - tell those who wait, if it is so
 * @m: machine
 *
 * Context: main thread, after each event.
 */
void enclave_settle_ready(struct machine *m)
{
	uint64_t wanted;

	pthread_mutex_lock(&m->lock);
	wanted = m->settle_wanted;
	if (m->settle_done == wanted) {
		pthread_mutex_unlock(&m->lock);
		return;
	}
	pthread_mutex_unlock(&m->lock);
	/* What was closed before they asked is in the queue by now */
	enclave_inotify_ready(m, &m->inotify, 0);
	if (m->recheck_ms && m->recheck_ms <= SETTLE_MS)
		return; /* after the recheck, again */
	if (atomic_load(&m->ending))
		return; /* a thread that still serves it will say */
	pthread_mutex_lock(&m->lock);
	m->settle_done = wanted;
	pthread_cond_broadcast(&m->settled);
	pthread_mutex_unlock(&m->lock);
}
