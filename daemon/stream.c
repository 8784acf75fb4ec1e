/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams: ADD_PAGES of one page after another, which are over for the program when
 * its agent has posted the page (proto/channel.h, struct proto_stream).
 *
 * What makes that honest:
 *
 *  - A page counts from the moment it is posted.  Whoever else wants something of the
 *    enclave comes by stream_settle() or stream_begin_ioctl() first, which take in
 *    all that has been posted by then.  So nobody can see an enclave that lacks it.
 *  - While a stream is open nobody else adds pages: an ioctl of another client closes
 *    the stream.  So what was true of the pages to come when it was opened (they are
 *    absent, in the ELRANGE, the SECINFO is a good one) stays true.
 *  - EPC pages are set aside (sgx_encl_reserve()) for all that may be posted.
 *
 *	              stream_offer(): the end of a one-page ADD_PAGES
 *	    closed -----------------------------------------------> open
 *	      ^  another ioctl than the next page; the enclave's or   |
 *	      '--------------------- the client's end ----------------'
 *
 * A page whose EADD fails all the same (a sleep state, no memory in this computer) is
 * as one that was lost after it came: the next ioctl says the error.
 *
 * The posted pages are memory that the client can write, as all source pages are: EADD
 * takes them in once.  The client's counts are checked against our own.
 *
 * Locks: stream.lock is the outermost of the daemon's, taken with nothing held; kernel/
 * is called under it, and nothing that kernel/ calls takes it.  client.stream_lock is a
 * leaf.
 */
#include "machine.h"

#include <asm/sgx.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_PAGES 16u /* taken in with one ADD_PAGES: the agent sees room that often */

/* Addresses of nobody's, by which the ADD_PAGES finds what we give it (host.c) */
#define ARG_ADDR     0x1000u
#define SECINFO_ADDR 0x2000u
#define SOURCE_ADDR  0x3000u

static struct proto_stream *shared_of(const struct stream *s)
{
	return &s->client->channel->stream[s->number];
}

/* What the ADD_PAGES reads instead of a program's memory. */
static void *give(struct sgx_call *call, uint64_t uaddr, size_t size)
{
	struct proto_slot *slot = &call->slot;
	struct proto_segment *seg = &slot->segment[slot->segment_count++];
	uint32_t offset = 0;

	if (slot->segment_count > 1)
		offset = seg[-1].offset + seg[-1].size;
	*seg = (struct proto_segment){.uaddr = uaddr, .size = (uint32_t)size, .offset = offset};
	return slot->data + offset;
}

/*
 * One ADD_PAGES of pages in a row.  Without prefill.c's worker: where somebody wants every
 * CPU, it and this thread would take turns.
 * Context: stream.lock held, the enclave's ioctl place too.  Return: 0, or -errno.
 */
static long add(struct enclave *e, struct stream *s, const uint8_t *source, uint32_t pages)
{
	struct sgx_call *call = s->call;
	struct sgx_enclave_add_pages arg = {
		.src = SOURCE_ADDR,
		.offset = s->page * SGX_PAGE_SIZE,
		.length = (uint64_t)pages * SGX_PAGE_SIZE,
		.secinfo = SECINFO_ADDR,
		.flags = s->flags,
	};
	long ret;

	memset(call, 0, offsetof(struct sgx_call, answer));
	call->client = s->client;
	call->encl = e;
	call->bulk = source;
	call->slot.src_uaddr = SOURCE_ADDR;
	call->slot.src_pages = pages;
	memcpy(give(call, ARG_ADDR, sizeof(arg)), &arg, sizeof(arg));
	memcpy(give(call, SECINFO_ADDR, sizeof(s->secinfo)), &s->secinfo, sizeof(s->secinfo));
	prefill_begin(e, s->page, pages, 0, true);
	ret = sgx_ioctl_run(call, e->sgx, SGX_IOC_ENCLAVE_ADD_PAGES, ARG_ADDR);
	prefill_end(e, s->page + pages, ret ? 0 : pages);
	return ret;
}

/* Take in some of what has been posted.  Context: stream.lock held.  Return: 0, or -errno */
static long take_batch(struct enclave *e, struct stream *s, uint64_t posted)
{
	uint32_t at = (uint32_t)(s->head % PROTO_STREAM_PAGES);
	uint64_t pages = posted - s->head;
	long ret;

	if (pages > BATCH_PAGES)
		pages = BATCH_PAGES;
	if (pages > PROTO_STREAM_PAGES - at)
		pages = PROTO_STREAM_PAGES - at;
	/* free: every other ioctl closes the stream, under stream.lock, before it begins */
	ret = sgx_ioctl_begin(e->sgx, NULL);
	if (ret)
		return ret;
	ret = add(e, s,
		  (const uint8_t *)s->client->channel + PROTO_STREAM_OFFSET +
			  (size_t)s->number * PROTO_STREAM_SIZE + (size_t)at * SGX_PAGE_SIZE,
		  (uint32_t)pages);
	sgx_ioctl_end(e->sgx);
	s->head += pages;
	s->page += pages;
	if (!ret)
		rpc_count_added(e, pages);
	__atomic_store_n(&shared_of(s)->head, s->head, __ATOMIC_RELEASE);
	return ret;
}

/*
 * Take in all that is posted at this moment.  A client that posts beyond its limit, or
 * whose count goes back, is no agent.
 * Context: stream.lock held, stream open.  Return: whether there was anything.
 */
static bool take(struct enclave *e, struct stream *s, uint64_t posted)
{
	if (atomic_load(&s->client->state) != CLIENT_SERVED)
		return false;
	if (posted - s->head > s->limit - s->head) {
		client_break(s->client, "stream posted beyond its limit", posted);
		return false;
	}
	if (posted == s->head)
		return false;
	while (s->head != posted) {
		long ret = s->error ? s->error : take_batch(e, s, posted);

		if (!ret)
			continue;
		/* as if lost after it came: who adds more is told */
		log_line("enclave %llu: a page that was accepted could not be added: %s",
			 (unsigned long long)e->id, strerror((int)-ret));
		if (!s->error)
			s->why = s->call->slot.why;
		s->error = (int)ret;
		s->head = posted;
	}
	return true;
}

static uint64_t posted_now(const struct stream *s)
{
	return __atomic_load_n(&shared_of(s)->tail, __ATOMIC_ACQUIRE) & ~PROTO_STREAM_CLOSED;
}

/*
 * No page can be posted any more; what has been is taken in.
 * Context: stream.lock held.  Return: whether the caller is to give back the reference
 * that the client had.
 */
static bool close_locked(struct enclave *e)
{
	struct stream *s = &e->stream;
	struct client *c = s->client;
	uint64_t tail;

	if (!c)
		return false;
	tail = __atomic_fetch_or(&shared_of(s)->tail, PROTO_STREAM_CLOSED, __ATOMIC_SEQ_CST);
	take(e, s, tail & ~PROTO_STREAM_CLOSED);
	sgx_encl_unreserve(e->sgx);
	pthread_mutex_lock(&c->stream_lock);
	c->stream[s->number] = NULL;
	pthread_mutex_unlock(&c->stream_lock);
	__atomic_store_n(&s->client, NULL, __ATOMIC_RELEASE);
	return true;
}

/**
 * stream_close() - end an enclave's stream, if it has one
 * @e: enclave, with a reference of the caller's
 *
 * Context: no lock held; any thread.
 */
void stream_close(struct enclave *e)
{
	bool put;

	pthread_mutex_lock(&e->stream.lock);
	put = close_locked(e);
	pthread_mutex_unlock(&e->stream.lock);
	if (put)
		enclave_put(e);
}

/**
 * stream_settle() - what has been posted to an enclave's stream is in the enclave
 * @e: enclave, with a reference of the caller's
 *
 * Before anything that can see the enclave's pages.
 * Context: no lock held; any thread.  Takes as long as PROTO_STREAM_PAGES EADDs at most.
 */
void stream_settle(struct enclave *e)
{
	struct stream *s = &e->stream;

	/* one that is opened now has nothing in it yet */
	if (!__atomic_load_n(&s->client, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&s->lock);
	if (s->client)
		take(e, s, posted_now(s));
	pthread_mutex_unlock(&s->lock);
}

/**
 * stream_settle_all() - stream_settle() of every enclave
 * @m: machine
 */
void stream_settle_all(struct machine *m)
{
	uint32_t count;
	struct enclave **all = enclave_all(m, &count);

	for (uint32_t i = 0; all && i < count; i++) {
		stream_settle(all[i]);
		enclave_put(all[i]);
	}
	free(all);
}

/**
 * stream_begin_ioctl() - sgx_ioctl_begin(), and the enclave's stream is settled
 * @e:		enclave, with a reference of the caller's
 * @c:		who calls
 * @number:	the ADD_PAGES goes on with this stream of @c, if it is for @page; ~0: none
 * @page:	number of the page in the ELRANGE
 * @why:	the rule that refuses
 *
 * Any other ioctl than that ends the stream.  Under one lock with the beginning, lest
 * the stream's own work be met as an ioctl under way.
 * Return: 0; -EBUSY; the errno of a page that could not be added.
 */
int stream_begin_ioctl(struct enclave *e, const struct client *c, uint32_t number, uint64_t page,
		       struct why *why)
{
	struct stream *s = &e->stream;
	bool put = false;
	int ret;

	pthread_mutex_lock(&s->lock);
	if (s->client) {
		take(e, s, posted_now(s));
		if (s->client != c || s->number != number || s->page != page || s->error)
			put = close_locked(e);
	}
	ret = sgx_ioctl_begin(e->sgx, why);
	if (!ret && s->error) {
		sgx_ioctl_end(e->sgx);
		ret = s->error;
		*why = s->why;
		s->error = 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (put)
		enclave_put(e);
	return ret;
}

/* Pages from page on that an ADD_PAGES may add, at most a ring full. */
static uint32_t may_follow(const struct enclave *e, uint64_t page)
{
	uint64_t end = enclave_vacant(e, page, page + PROTO_STREAM_PAGES);

	return end > page ? (uint32_t)(end - page) : 0;
}

/*
 * As many may be posted after head as are absent from page on, and have an EPC page.
 * Context: stream.lock held, stream open.
 */
static uint64_t limit_now(struct enclave *e, const struct stream *s)
{
	return s->head + sgx_encl_reserve(e->sgx, may_follow(e, s->page));
}

/* Context: stream.lock held, stream open. */
static void set_limit(struct stream *s, uint64_t limit)
{
	s->limit = limit;
	__atomic_store_n(&shared_of(s)->limit, limit, __ATOMIC_RELEASE);
}

/*
 * More may be posted.  Never less than was said before: it may have been posted by now.
 * (It is less where a VA page has been taken of what is set aside, which leaves all that
 * was promised its EPC pages.)
 */
static void raise_limit(struct enclave *e, struct stream *s)
{
	uint64_t limit = limit_now(e, s);

	if (limit > s->limit)
		set_limit(s, limit);
}

/* Context: stream.lock held, stream closed; @c's service thread. */
static bool open_locked(struct enclave *e, struct client *c, uint32_t number)
{
	struct stream *s = &e->stream;
	struct proto_stream *shared = &c->channel->stream[number];

	if (!s->call)
		s->call = calloc(1, sizeof(*s->call));
	if (!s->call)
		return false;
	s->number = number;
	s->head = __atomic_load_n(&shared->tail, __ATOMIC_RELAXED) & ~PROTO_STREAM_CLOSED;
	s->limit = s->head;
	atomic_fetch_add(&e->refs, 1);
	pthread_mutex_lock(&c->stream_lock);
	c->stream[number] = e;
	pthread_mutex_unlock(&c->stream_lock);
	__atomic_store_n(&s->client, c, __ATOMIC_RELEASE);
	__atomic_store_n(&shared->head, s->head, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->limit, s->limit, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->tail, s->head, __ATOMIC_RELEASE);
	return true;
}

/* A reference to the enclave of a client's stream; NULL: none */
static struct enclave *streamed(struct client *c, uint32_t number)
{
	struct enclave *e;

	pthread_mutex_lock(&c->stream_lock);
	e = c->stream[number];
	if (e)
		atomic_fetch_add(&e->refs, 1);
	pthread_mutex_unlock(&c->stream_lock);
	return e;
}

/* The stream of that number is free for another enclave. */
static void free_number(struct client *c, uint32_t number, const struct enclave *but)
{
	struct enclave *e = streamed(c, number);

	if (!e)
		return;
	if (e != but)
		stream_close(e);
	enclave_put(e);
}

/**
 * stream_offer() - an ADD_PAGES of one page has succeeded: more may follow by a stream
 * @e:		enclave, whose ioctl place @c holds
 * @c:		client; this is its service thread
 * @number:	of the stream that the agent has for it
 * @page:	that was added, in the ELRANGE
 * @secinfo:	of it
 * @flags:	of it
 *
 * Return: whether the stream is open for the page after @page.
 */
bool stream_offer(struct enclave *e, struct client *c, uint32_t number, uint64_t page,
		  const struct sgx_secinfo_arch *secinfo, uint64_t flags)
{
	struct stream *s = &e->stream;
	unsigned int closed = 0; /* each gives back a reference */
	bool open;

	/* A TCS is checked by EADD, and goes to the table of slots. */
	if (SGX_SECINFO_PT(secinfo->flags) != SGX_PT_REG)
		return false;
	free_number(c, number, e);
	pthread_mutex_lock(&s->lock);
	/* the call went on with its stream, if it is as the one that opened it */
	if (s->client && (s->flags != flags || memcmp(&s->secinfo, secinfo, sizeof(*secinfo))))
		closed += close_locked(e);
	open = s->client || open_locked(e, c, number);
	if (open) {
		s->page = page + 1;
		s->flags = flags;
		s->secinfo = *secinfo;
		/* the caller waits, and posts nothing: the limit may come down */
		set_limit(s, limit_now(e, s));
		open = s->limit != s->head;
		if (!open)
			closed += close_locked(e);
	}
	pthread_mutex_unlock(&s->lock);
	for (; closed; closed--)
		enclave_put(e);
	return open;
}

/*
 * A client that posts does not wait for us: on its CPU each would only take the other's
 * time, though another CPU may be idle.  A wake often brings us there.
 */
static void leave_its_cpu(const struct stream *s)
{
	int cpu = sched_getcpu();

	if (s->client->machine->spin &&
	    __atomic_load_n(&shared_of(s)->cpu, __ATOMIC_RELAXED) == (uint32_t)cpu + 1)
		client_leave_cpu(cpu);
}

/**
 * stream_serve() - take in what a client has posted
 * @c: client; this is its service thread
 *
 * Return: whether there was anything.
 */
bool stream_serve(struct client *c)
{
	bool any = false;

	for (uint32_t i = 0; i < PROTO_STREAMS; i++) {
		struct enclave *e = streamed(c, i);
		struct stream *s;

		if (!e)
			continue;
		s = &e->stream;
		pthread_mutex_lock(&s->lock);
		if (s->client == c && s->number == i && posted_now(s) != s->head) {
			leave_its_cpu(s);
			if (take(e, s, posted_now(s))) {
				raise_limit(e, s);
				any = true;
			}
		}
		pthread_mutex_unlock(&s->lock);
		enclave_put(e);
	}
	return any;
}

/**
 * stream_end_client() - a client posts nothing any more; what it has posted counts
 * @c: client, whose service thread has ended
 */
void stream_end_client(struct client *c)
{
	for (uint32_t i = 0; i < PROTO_STREAMS; i++)
		free_number(c, i, NULL);
}
