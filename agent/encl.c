/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The enclaves that this process knows: PROC->encl.
 *
 *	free --encl_attach()--> known --CREATE--> created --encl_drop()--> dropped
 *	  ^                                                                   |
 *	  '----------- encl_find_free(), when no thread stands on it ---------'
 *
 * Readers take no lock: they may be handlers on any thread.  An entry is found by
 * its id alone, so that a dropped one is found no more, while threads that are in
 * the enclave, or on their way, go on using what it has.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/mman.h>

/* Callers may be anywhere: entries are only ever added, or emptied by id = 0. */
struct agent_encl *encl_by_addr(uint64_t addr)
{
	uint32_t i, n = __atomic_load_n(&PROC->encl_count, __ATOMIC_ACQUIRE);

	for (i = 0; i < n; i++) {
		struct agent_encl *e = &PROC->encl[i];

		if (e->id && e->created && addr - e->secs.base < e->secs.size)
			return e;
	}
	return NULL;
}

struct agent_encl *encl_by_id(uint64_t id)
{
	uint32_t i;

	for (i = 0; i < PROC->encl_count; i++)
		if (PROC->encl[i].id == id)
			return &PROC->encl[i];
	return NULL;
}

/*
 * A fork child connects at its first entry; and another process that shares the
 * enclave may have initialized it.  Context: a trap, not the plain-call entry.
 */
void encl_before_entry(uint64_t addr)
{
	const struct agent_encl *e = encl_by_addr(addr);

	if (e && rpc_connect() && !(e->secs.attributes & SGX_ATTR_INIT_BIT))
		encl_attach(e->id, true);
}

/*
 * This process maps nothing of e any more.  Another thread may still be in it, or
 * on its way: what they use stays as it is until the entry is needed again.
 */
void encl_drop(struct agent_encl *e)
{
	e->id = 0;
}

/* Does a thread stand on the entry? */
static bool encl_in_use(const struct agent_encl *e)
{
	uint32_t i;

	for (i = 0; i < PROC->block_high; i++) {
		const struct agent_thread *t = agent_thread_by_index(i);

		if (!t->in_use)
			continue;
		if (t->lp.tcs && t->lp.secs == &e->secs)
			return true;
		if (e->tcs && t->entering &&
		    (uint64_t)(t->entering - e->tcs) < e->secs.size >> SGX_PAGE_SHIFT)
			return true;
	}
	return false;
}

static uint64_t tcs_table_size(const struct agent_encl *e)
{
	/* one more than pages: its epoch is the enclave's */
	return PAGE_UP(((e->secs.size >> SGX_PAGE_SHIFT) + 1) * sizeof(struct sgx_tcs_slot));
}

/* Enclaves that were closed and never mapped, so that no munmap told of their end */
static void encl_sweep(void)
{
	uint32_t i;

	for (i = 0; i < AGENT_ENCLAVES; i++) {
		struct agent_encl *e = &PROC->encl[i];
		struct proto_slot *slot = e->id ? rpc_begin(PROTO_OP_LOOKUP, 0) : NULL;

		if (!slot)
			continue;
		slot->a0 = PROC->memfd_dev;
		slot->a1 = e->id;
		if (rpc_call(slot) == -ENOTTY)
			encl_drop(e);
		rpc_end(slot);
	}
}

/* An entry for a new enclave, the one that was dropped longest ago. */
static struct agent_encl *encl_find_free(uint64_t id)
{
	uint32_t i;

	for (i = 0; i < AGENT_ENCLAVES; i++) {
		uint32_t index = PROC->encl_next++ % AGENT_ENCLAVES;
		struct agent_encl *e = &PROC->encl[index];

		struct sgx_tcs_slot *tcs;
		uint64_t size;

		/* an ioctl that has found the entry has that flag, or finds it renamed */
		if (e->id || encl_in_use(e) || !encl_ioctl_begin(e))
			continue;
		stream_forget(e);
		/* forgotten first: a fork of another thread may come at any time */
		tcs = e->tcs;
		size = tcs_table_size(e);
		__atomic_store_n(&e->tcs, NULL, __ATOMIC_SEQ_CST);
		e->created = 0;
		agent_memset(&e->stream, 0, sizeof(e->stream));
		agent_memset(&e->secs, 0, sizeof(e->secs));
		if (tcs)
			sys2(__NR_munmap, tcs, size);
		e->id = id;
		encl_ioctl_end(e);
		if (PROC->encl_count <= index)
			__atomic_store_n(&PROC->encl_count, index + 1, __ATOMIC_RELEASE);
		return e;
	}
	return NULL;
}

/* NULL: as many as this process may know at once. */
static struct agent_encl *encl_new(uint64_t id)
{
	struct agent_encl *e = encl_find_free(id);

	if (e)
		return e;
	encl_sweep();
	return encl_find_free(id);
}

/* Ask the daemon what there is to know of an enclave. */
struct agent_encl *encl_attach(uint64_t id, bool refresh)
{
	struct proto_encl_view view;
	struct proto_slot *slot;
	struct agent_encl *e, *made = NULL;
	int fd = -1;
	long ret;

	agent_lock(&PROC->encl_lock);
	e = encl_by_id(id);
	if (!e)
		e = made = encl_new(id);
	if (!e || (e->created && !refresh))
		goto out;
	slot = rpc_begin(PROTO_OP_ATTACH, id);
	if (!slot)
		goto fail;
	ret = rpc_call_fd(slot, &fd, 1);
	agent_memcpy(&view, slot->data, sizeof(view));
	rpc_end(slot);
	if (ret < 0)
		goto fail;
	e->key[0] = view.key[0];
	e->key[1] = view.key[1];
	if (view.size) {
		e->secs.base = view.base;
		e->secs.size = view.size;
		e->secs.xfrm = view.xfrm;
		e->secs.ssaframesize = view.ssaframesize;
		e->secs.miscselect = view.miscselect;
		e->secs.attributes = view.attributes | (view.initialized ? SGX_ATTR_INIT_BIT : 0);
		if (!e->tcs && fd >= 0) {
			long map = sys6(__NR_mmap, 0, tcs_table_size(e), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_NORESERVE, fd, 0);

			if (!is_error(map)) {
				e->tcs = (struct sgx_tcs_slot *)map;
				e->secs.epoch = &e->tcs[e->secs.size >> SGX_PAGE_SHIFT].epoch;
			}
		}
		__atomic_store_n(&e->created, 1, __ATOMIC_RELEASE);
	}
	goto out;
fail:
	if (made)
		encl_drop(made);
	e = NULL;
out:
	if (fd >= 0)
		sys1(__NR_close, fd);
	agent_unlock(&PROC->encl_lock);
	return e;
}
