/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Thread blocks.
 *
 *	block + 0		guard page, PROT_NONE
 *	      + BLOCK_STACK	signal stack
 *	      + BLOCK_THREAD	struct agent_thread
 *
 * A thread gets its block at its first trap of any kind, by editing uc_stack in
 * the signal frame: sigreturn then arms the stack.  The block is found again
 * from any address on the stack.  It goes back at exit(2), and a scan finds those
 * of threads that went without it.
 */
#include "agent.h"
#include "offsets.h"

#include <linux/mman.h>
#include <asm/unistd.h>

#define BLOCKS	    ((uint64_t)PROTO_AGENT_BASE + PROTO_AGENT_BLOCKS)
#define BLOCKS_SIZE ((uint64_t)PROTO_AGENT_BLOCK_SIZE * PROTO_AGENT_BLOCK_COUNT)

struct agent_thread *agent_thread_by_index(uint32_t index)
{
	return (struct agent_thread *)(BLOCKS + (uint64_t)index * PROTO_AGENT_BLOCK_SIZE +
				       THREAD_BLOCK_THREAD);
}

struct agent_thread *agent_thread_of(const void *addr)
{
	uint64_t off = (uint64_t)addr - BLOCKS;
	struct agent_thread *t;

	if (off >= BLOCKS_SIZE)
		return NULL;
	t = agent_thread_by_index((uint32_t)(off / PROTO_AGENT_BLOCK_SIZE));
	return t->self == t ? t : NULL;
}

void agent_thread_stack(const struct agent_thread *t, uint64_t *sp, uint64_t *size)
{
	*sp = (uint64_t)t - THREAD_BLOCK_THREAD + THREAD_BLOCK_STACK;
	*size = THREAD_BLOCK_THREAD - THREAD_BLOCK_STACK;
}

static bool block_claim(struct agent_thread *t, bool reap)
{
	uint32_t seen = __atomic_load_n(&t->in_use, __ATOMIC_RELAXED);

	if (seen) {
		uint32_t tid = t->tid;

		/* its thread may have gone without a word (a vfork child, a kill) */
		if (!reap || !tid || sys2(__NR_tkill, tid, 0) != -ESRCH)
			return false;
	}
	return __atomic_compare_exchange_n(&t->in_use, &seen, 1, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static struct agent_thread *block_find(bool reap)
{
	uint32_t i;

	for (i = 0; i < PROTO_AGENT_BLOCK_COUNT; i++) {
		struct agent_thread *t = agent_thread_by_index(i);

		if (!block_claim(t, reap))
			continue;
		/* a racing smaller store only makes fork's scan stop early: raise */
		while (PROC->block_high <= i)
			PROC->block_high = i + 1;
		return t;
	}
	return NULL;
}

struct agent_thread *agent_thread_alloc(void)
{
	struct agent_thread *t = block_find(false);

	if (!t)
		t = block_find(true);
	if (!t)
		agent_panic(AGENT_PANIC_BLOCKS, PROTO_AGENT_BLOCK_COUNT);
	if (!t->self)
		sys3(__NR_mprotect, (uint64_t)t - THREAD_BLOCK_THREAD, THREAD_BLOCK_STACK,
		     PROT_NONE);
	agent_memset((char *)t + offsetof(struct agent_thread, sigtable), 0,
		     sizeof(*t) - offsetof(struct agent_thread, sigtable));
	t->enter_frame = NULL;
	t->sig_check = 0;
	t->self = t;
	t->tid = (uint32_t)sys0(__NR_gettid);
	t->sigtable = &PROC->sigtable;
	t->altstack_flags = SS_DISABLE;
	return t;
}

void agent_thread_free(struct agent_thread *t)
{
	t->tid = 0;
	__atomic_store_n(&t->in_use, 0, __ATOMIC_RELEASE);
}

struct agent_thread *agent_thread_setup(agent_ucontext *uc)
{
	struct agent_thread *t = agent_thread_alloc();
	uint64_t sp, size;

	/* What the program had (a stack set before us can only be a vfork parent's). */
	t->altstack_sp = (uint64_t)uc->uc_stack.ss_sp;
	t->altstack_size = uc->uc_stack.ss_size;
	t->altstack_flags = (uint32_t)uc->uc_stack.ss_flags;
	if (agent_thread_of(uc->uc_stack.ss_sp)) {
		t->altstack_sp = 0;
		t->altstack_size = 0;
		t->altstack_flags = SS_DISABLE;
	}
	agent_thread_stack(t, &sp, &size);
	uc->uc_stack.ss_sp = (void *)sp;
	uc->uc_stack.ss_size = size;
	uc->uc_stack.ss_flags = 0;
	return t;
}

/* In a fork child only the forking thread lives. */
void agent_threads_forked(struct agent_thread *self)
{
	uint32_t i;

	self->tid = (uint32_t)sys0(__NR_gettid);
	for (i = 0; i < PROC->block_high; i++) {
		struct agent_thread *t = agent_thread_by_index(i);

		if (t != self && t->in_use)
			agent_thread_free(t);
	}
}
