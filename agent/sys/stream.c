/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ADD_PAGES of one page after another (proto/channel.h, struct proto_stream).
 *
 * The first calls of such a series go to the daemon and are waited for.  An answer may
 * open a stream; a call that is then like the one before it, but for the next page, is
 * over when its page is posted: the daemon has made sure that it cannot fail.  Every
 * other call, and one that finds no room, goes the long way, which takes in before it
 * what has been posted.
 *
 * Context of all: the enclave's ioctl flag is held (struct agent_encl), which is why its
 * stream is this thread's.
 */
#include "../agent.h"

#include <asm/sgx.h>
#include <asm/unistd.h>
#include <linux/futex.h>

static bool same_secinfo(const struct sgx_secinfo_arch *a, const struct sgx_secinfo_arch *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;
	uint64_t differ = 0;
	uint32_t i;

	for (i = 0; i < sizeof(*a) / 8; i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

static uint8_t *ring_page(uint32_t number, uint64_t count)
{
	return (uint8_t *)AGENT_CHANNEL + PROTO_STREAM_OFFSET + number * PROTO_STREAM_SIZE +
	       count % PROTO_STREAM_PAGES * SGX_PAGE_SIZE;
}

/* This enclave needs no stream any more: another may have it. */
void stream_forget(struct agent_encl *e)
{
	uint64_t mine = e->stream.id;

	/* not where another has it by now: e was forgotten, see claim_number() */
	if (e->stream.number)
		__atomic_compare_exchange_n(&PROC->stream_encl[e->stream.number - 1], &mine, 0,
					    false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	e->stream.number = 0;
	e->stream.open = 0;
}

/* Is the call the one that the stream expects? */
static bool continues(const struct agent_stream *s, const struct sgx_enclave_add_pages *add)
{
	struct sgx_secinfo_arch secinfo;

	return s->open && add->length == SGX_PAGE_SIZE && add->offset == s->next &&
	       add->flags == s->flags && !(add->src & ~SGX_PAGE_MASK) && add->src < USER_END &&
	       copy_in(&secinfo, add->secinfo, sizeof(secinfo)) &&
	       same_secinfo(&secinfo, &s->secinfo);
}

/* A few pages may wait: whoever wants to see them asks the daemon, and it looks. */
static void ring(const struct proto_stream *shared, uint64_t posted)
{
	struct proto_channel *ch = AGENT_CHANNEL;
	uint32_t asleep = 1;

	__atomic_fetch_add(&ch->doorbell, 1, __ATOMIC_SEQ_CST);
	if (posted - __atomic_load_n(&shared->head, __ATOMIC_RELAXED) < PROTO_STREAM_WAKE ||
	    !__atomic_load_n(&ch->daemon_sleeps, __ATOMIC_SEQ_CST))
		return;
	/* once: it may be a while until it runs */
	if (__atomic_compare_exchange_n(&ch->daemon_sleeps, &asleep, 0, false, __ATOMIC_SEQ_CST,
					__ATOMIC_RELAXED))
		sys3(__NR_futex, &ch->doorbell, FUTEX_WAKE, 1);
}

/* Post the page of a call.  False: it goes the long way, and nothing has happened. */
bool stream_post(struct agent_encl *e, const struct sgx_enclave_add_pages *add)
{
	struct agent_stream *s = &e->stream;
	struct proto_stream *shared;
	uint64_t tail;

	if (!continues(s, add) || rpc_lost())
		return false;
	shared = &AGENT_CHANNEL->stream[s->number - 1];
	tail = __atomic_load_n(&shared->tail, __ATOMIC_RELAXED);
	if ((tail & PROTO_STREAM_CLOSED) ||
	    tail >= __atomic_load_n(&shared->limit, __ATOMIC_ACQUIRE))
		return false;
	if (agent_copy(ring_page(s->number - 1, tail), (const void *)add->src, SGX_PAGE_SIZE))
		return false;
	/* from here on it counts, unless the daemon has closed the stream meanwhile */
	if (!__atomic_compare_exchange_n(&shared->tail, &tail, tail + 1, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&shared->cpu, rpc_this_cpu(), __ATOMIC_RELAXED);
	s->next += SGX_PAGE_SIZE;
	ring(shared, tail + 1);
	return true;
}

static uint32_t claim_number(uint64_t id)
{
	uint32_t i;

	for (i = 0; i < PROTO_STREAMS; i++) {
		uint64_t owner = __atomic_load_n(&PROC->stream_encl[i], __ATOMIC_RELAXED);

		/* of an enclave that this process has forgotten: free */
		if (owner && encl_by_id(owner))
			continue;
		if (__atomic_compare_exchange_n(&PROC->stream_encl[i], &owner, id, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return i + 1;
	}
	return 0;
}

/*
 * A call that goes the long way: number + 1 of the stream that it asks for, 0: none.
 * One page at the place where the last call ended may be one of many.
 */
uint32_t stream_wanted(struct agent_encl *e, const struct sgx_enclave_add_pages *add)
{
	if (add->length != SGX_PAGE_SIZE || add->offset != e->stream.next) {
		stream_forget(e);
		return 0;
	}
	if (!e->stream.number) {
		e->stream.id = e->id;
		e->stream.number = claim_number(e->id);
	}
	return e->stream.number;
}

/*
 * A call has gone the long way.  added: bytes; secinfo: of a call whose answer has
 * opened a stream, else NULL.
 */
void stream_answered(struct agent_encl *e, const struct sgx_enclave_add_pages *add, uint64_t added,
		     const struct sgx_secinfo_arch *secinfo)
{
	e->stream.next = add->offset + added;
	if (!secinfo) {
		stream_forget(e);
		return;
	}
	e->stream.secinfo = *secinfo;
	e->stream.flags = add->flags;
	e->stream.open = 1;
}

/* fork: the streams are the parent's, and so are the threads that were in an ioctl. */
void stream_forked(void)
{
	uint32_t i;

	for (i = 0; i < PROTO_STREAMS; i++)
		PROC->stream_encl[i] = 0;
	for (i = 0; i < PROC->encl_count; i++) {
		PROC->encl[i].ioctl = 0;
		PROC->encl[i].stream.number = 0;
		PROC->encl[i].stream.open = 0;
	}
}
