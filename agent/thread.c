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
 *
 *	not there --block_make()--> free --block_claim()--> in use --agent_thread_free()--> free
 *
 * Blocks are made one after another, and stay: those below PROC->block_high are
 * there.  The place of the others is reserved, or is nothing (inject/inject.c).  A
 * thread whose block cannot be made would have no stack for its first trap, and
 * die of it; so who makes a thread claims the block, and is told EAGAIN where there
 * is none, as by Linux (sys/clone.c).  The block is nobody's then, until the thread has
 * arrived.
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
				       PROTO_AGENT_BLOCK_THREAD);
}

_Static_assert(PROTO_AGENT_BLOCK_COUNT <= LP_OWNER_BLOCKS, "blocks are told apart in a TCS' state");

uint32_t agent_thread_index(const struct agent_thread *t)
{
	return (uint32_t)(((uint64_t)t - BLOCKS) / PROTO_AGENT_BLOCK_SIZE);
}

static uint32_t blocks_there(void)
{
	return __atomic_load_n(&PROC->block_high, __ATOMIC_ACQUIRE);
}

struct agent_thread *agent_thread_of(const void *addr)
{
	uint64_t off = (uint64_t)addr - BLOCKS;
	struct agent_thread *t;

	if (off >= (uint64_t)PROTO_AGENT_BLOCK_SIZE * blocks_there())
		return NULL;
	t = agent_thread_by_index((uint32_t)(off / PROTO_AGENT_BLOCK_SIZE));
	return t->self == t ? t : NULL;
}

void agent_thread_stack(const struct agent_thread *t, uint64_t *sp, uint64_t *size)
{
	*sp = (uint64_t)t - PROTO_AGENT_BLOCK_THREAD + PROTO_AGENT_BLOCK_STACK;
	*size = PROTO_AGENT_BLOCK_THREAD - PROTO_AGENT_BLOCK_STACK;
}

static bool is_gone(uint32_t tid)
{
	return tid && sys2(__NR_tkill, tid, 0) == -ESRCH;
}

/*
 * Its thread has gone without a word (a kill), maybe before it arrived.  Return: true
 * for one caller, whose block it is now.
 */
static bool block_is_dead(struct agent_thread *t)
{
	uint64_t birth = __atomic_load_n(&t->birth, __ATOMIC_ACQUIRE);
	uint32_t tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);

	if (!__atomic_load_n(&t->in_use, __ATOMIC_ACQUIRE))
		return false;
	if (tid)
		return is_gone(tid) &&
		       __atomic_compare_exchange_n(&t->tid, &tid, 0, false, __ATOMIC_ACQ_REL,
						   __ATOMIC_RELAXED);
	return is_gone((uint32_t)birth) &&
	       __atomic_compare_exchange_n(&t->birth, &birth, 0, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static bool block_claim(struct agent_thread *t, bool reap)
{
	uint32_t free = 0;

	if (reap && block_is_dead(t)) {
		enter_gone(t);
		return true;
	}
	return __atomic_compare_exchange_n(&t->in_use, &free, 1, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static struct agent_thread *block_find(bool reap)
{
	uint32_t i, count = blocks_there();

	for (i = 0; i < count; i++) {
		struct agent_thread *t = agent_thread_by_index(i);

		if (block_claim(t, reap))
			return t;
	}
	return NULL;
}

/* Return: 0 or -errno.  Context: PROC->block_lock. */
static long block_map(uint32_t index)
{
	uint64_t block = BLOCKS + (uint64_t)index * PROTO_AGENT_BLOCK_SIZE;
	uint64_t stack = block + PROTO_AGENT_BLOCK_STACK;
	uint64_t size = PROTO_AGENT_BLOCK_SIZE - PROTO_AGENT_BLOCK_STACK;
	long ret = sys3(__NR_mprotect, stack, size, PROT_READ | PROT_WRITE);

	if (ret != -ENOMEM)
		return ret;
	/* no memory, or not reserved: then the place is empty */
	ret = sys6(__NR_mmap, block, PROTO_AGENT_BLOCK_SIZE, PROT_NONE,
		   PROTO_AGENT_BLOCK_MAP | MAP_FIXED_NOREPLACE, -1, 0);
	if (is_error(ret))
		return ret;
	sys3(__NR_madvise, block, PROTO_AGENT_BLOCK_SIZE, MADV_NOHUGEPAGE);
	sys3(__NR_madvise, block, PROTO_AGENT_BLOCK_SIZE, MADV_DONTDUMP);
	ret = sys3(__NR_mprotect, stack, size, PROT_READ | PROT_WRITE);
	if (ret < 0)
		sys2(__NR_munmap, block, PROTO_AGENT_BLOCK_SIZE);
	return ret;
}

/* One block more.  False: there is no memory for it, or no number. */
static bool block_make(void)
{
	uint32_t index;
	bool made = false;

	agent_lock(&PROC->block_lock);
	index = PROC->block_high;
	if (index < PROTO_AGENT_BLOCK_COUNT && !is_error(block_map(index))) {
		__atomic_store_n(&PROC->block_high, index + 1, __ATOMIC_RELEASE);
		made = true;
	}
	agent_unlock(&PROC->block_lock);
	return made;
}

void agent_thread_unreserve(void)
{
	const uint64_t hole = PROTO_AGENT_PARAMS + PROTO_AGENT_PARAMS_SIZE;
	uint64_t from;

	agent_lock(&PROC->block_lock);
	from = BLOCKS + (uint64_t)PROC->block_high * PROTO_AGENT_BLOCK_SIZE;
	if (from < BLOCKS + BLOCKS_SIZE)
		sys2(__NR_munmap, from, BLOCKS + BLOCKS_SIZE - from);
	agent_unlock(&PROC->block_lock);
	/* what will have the channel */
	agent_lock(&PROC->connect_lock);
	if (!PROC->connected)
		sys2(__NR_munmap, AGENT_ADDR(hole), PROTO_AGENT_BLOCKS - hole);
	agent_unlock(&PROC->connect_lock);
}

struct agent_thread *agent_thread_claim(void)
{
	struct agent_thread *t;

	do
		t = block_find(false);
	while (!t && block_make());
	/* the blocks of the dead come last: to ask for each costs a call */
	if (!t)
		t = block_find(true);
	if (!t)
		return NULL;
	agent_memset((char *)t + offsetof(struct agent_thread, sigtable), 0,
		     sizeof(*t) - offsetof(struct agent_thread, sigtable));
	t->enter_frame = NULL;
	t->sig_check = 0;
	t->self = t;
	t->tid = 0;
	t->sigtable = &PROC->sigtable;
	t->altstack_flags = SS_DISABLE;
	return t;
}

struct agent_thread *agent_thread_begin(struct agent_thread *t)
{
	/* in this order: one of the two says to block_is_dead() who it is */
	__atomic_store_n(&t->tid, (uint32_t)sys0(__NR_gettid), __ATOMIC_RELEASE);
	__atomic_store_n(&t->birth, 0, __ATOMIC_RELEASE);
	return t;
}

void agent_thread_born(struct agent_thread *t, uint64_t birth, uint32_t tid)
{
	__atomic_compare_exchange_n(&t->birth, &birth, birth | tid, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_RELAXED);
}

struct agent_thread *agent_thread_alloc(void)
{
	struct agent_thread *t = agent_thread_claim();

	if (!t)
		agent_panic(AGENT_PANIC_BLOCKS, blocks_there());
	return agent_thread_begin(t);
}

void agent_thread_free(struct agent_thread *t)
{
	t->tid = 0;
	__atomic_store_n(&t->in_use, 0, __ATOMIC_RELEASE);
}

struct agent_thread *agent_thread_setup(agent_ucontext *uc)
{
	struct agent_thread *t = proc_clone_child(uc);
	uint64_t sp, size;

	t = t ? agent_thread_begin(t) : agent_thread_alloc();
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

	PROC->block_lock = 0;
	self->tid = (uint32_t)sys0(__NR_gettid);
	for (i = 0; i < PROC->block_high; i++) {
		struct agent_thread *t = agent_thread_by_index(i);

		if (t != self && t->in_use)
			agent_thread_free(t);
	}
}
