/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who runs: the test's thread, a second one of its, and ksgxd, each on a stack of its own,
 * one at a time.
 *
 * A thread goes on until it waits for a lock that another one has, sleeps, or is at a place
 * where the kernel could preempt it: a mutex or mmap_lock that is taken or let go, the
 * end of the last spinlock, cond_resched().  With up_knobs.preempt one in so many of those
 * is another one's turn, drawn from up_knobs.preempt_seed; so a run can be repeated.
 * Without it, ksgxd gets its turn after each call, and within one that has passed so many
 * of these places that it may be waiting for ksgxd to free something.
 *
 * ksgxd never sleeps while there is something to reclaim that it cannot: it gives its turn
 * away after some rounds of cond_resched().
 */
#include "shim.h"

#define TASKS	     3
#define PATIENCE     256u /* places until ksgxd gets a turn for certain */
#define KSGXD_ROUNDS 64u
#define DEADLOCK     100000u /* turns in a row that were waited through by all */

static struct task_struct first_task = {.name = "the test", .runs = true};
static struct task_struct *tasks[TASKS] = {&first_task};
static struct task_struct *ksgxd;
struct task_struct *shim_current = &first_task;
unsigned int shim_preempt_count;
static unsigned int places, turns_waited;

static struct task_struct *task_new(int (*fn)(void *data), void *data, const char *name)
{
	struct task_struct *t = malloc(sizeof(*t));

	*t = (struct task_struct){.name = name, .fn = fn, .data = data, .runs = true};
	for (int i = 0; i < TASKS; i++)
		if (!tasks[i]) {
			tasks[i] = t;
			return t;
		}
	shim_bug("more threads than the shims have room for");
}

static bool can_run(const struct task_struct *t)
{
	return t && t != current && t->runs && !t->done && !(t == ksgxd && up_knobs.ksgxd_off);
}

/* The next one in turn that can run; NULL */
static struct task_struct *next_task(void)
{
	int at = 0;

	while (tasks[at] != current)
		at++;
	for (int i = 1; i < TASKS; i++)
		if (can_run(tasks[(at + i) % TASKS]))
			return tasks[(at + i) % TASKS];
	return NULL;
}

static void switch_to(struct task_struct *to)
{
	struct task_struct *from = current;

	if (!first_task.context)
		first_task.context = up_context_new(NULL);
	if (from->spins || shim_preempt_count)
		shim_bug("%s is switched under a spinlock", from->name);
	up_counts.switches++;
	up_counts.ksgxd_runs += to == ksgxd;
	places = 0;
	to->rounds = 0;
	shim_current = to;
	up_context_switch(from->context, to->context, from->done);
}

static void task_main(void)
{
	struct task_struct *self = current;

	self->fn(self->data);
	if (self == ksgxd && !self->stop)
		shim_bug("ksgxd has ended");
	if (self->spins || self->srcu)
		shim_bug("%s ends with a lock", self->name);
	self->done = true;
	switch_to(next_task());
	shim_bug("a thread that has ended runs");
}

void shim_might_sleep(const char *what)
{
	if (current->spins || shim_preempt_count)
		shim_bug("%s may sleep in %s, under a spinlock", current->name, what);
}

/**
 * shim_wait_turn() - this thread cannot go on until another one has done something
 * @what: it waits for
 */
void shim_wait_turn(const char *what)
{
	struct task_struct *to = next_task();

	if (!to || ++turns_waited > DEADLOCK)
		shim_bug("deadlock: %s waits for %s", current->name, what);
	switch_to(to);
}

static u64 draw(void)
{
	up_knobs.preempt_seed =
		up_knobs.preempt_seed * 6364136223846793005ull + 1442695040888963407ull;
	return up_knobs.preempt_seed >> 33;
}

/**
 * shim_may_switch() - a place where the kernel could preempt
 */
void shim_may_switch(void)
{
	struct task_struct *to;

	if (current->spins || shim_preempt_count)
		return;
	to = next_task();
	if (!to)
		return;
	if (++places >= PATIENCE && current != ksgxd)
		switch_to(to);
	else if (up_knobs.preempt && draw() % up_knobs.preempt == 0)
		switch_to(to);
}

void cond_resched(void)
{
	shim_might_sleep("cond_resched()");
	if (current == ksgxd && ++current->rounds >= KSGXD_ROUNDS && next_task())
		switch_to(next_task());
	else
		shim_may_switch();
}

/* --- locks ------------------------------------------------------------------------------ */

void shim_lock(struct shim_lock *l, const char *name, bool sleeps)
{
	if (l->owner == current)
		shim_bug("%s takes %s twice", current->name, name);
	if (sleeps) {
		shim_might_sleep(name);
		shim_may_switch();
	}
	/* Nobody is switched under a spinlock: it is a mutex that somebody has. */
	while (l->owner)
		shim_wait_turn(name);
	l->owner = current;
	current->spins += !sleeps;
}

void shim_unlock(struct shim_lock *l, const char *name, bool sleeps)
{
	if (l->owner != current)
		shim_bug("%s lets %s go and does not have it", current->name, name);
	l->owner = NULL;
	current->spins -= !sleeps;
	turns_waited = 0;
	shim_may_switch();
}

int srcu_read_lock(struct srcu_struct *s)
{
	current->srcu++;
	return s->readers++;
}

void srcu_read_unlock(struct srcu_struct *s, int index)
{
	if (!current->srcu-- || s->readers-- <= 0)
		shim_bug("%s is no SRCU reader", current->name);
	turns_waited = 0;
}

void synchronize_srcu(struct srcu_struct *s)
{
	shim_might_sleep("synchronize_srcu()");
	if (current->srcu)
		shim_bug("%s waits for the SRCU reader that it is", current->name);
	while (s->readers)
		shim_wait_turn("SRCU readers");
}

void cleanup_srcu_struct(struct srcu_struct *s)
{
	if (s->readers)
		shim_bug("cleanup_srcu_struct() with readers");
}

/* --- threads ------------------------------------------------------------------------------ */

struct task_struct *shim_first_task(void)
{
	return &first_task;
}

struct task_struct *shim_kthread(int (*fn)(void *data), void *data)
{
	if (ksgxd)
		shim_bug("a second kthread");
	ksgxd = task_new(fn, data, "ksgxd");
	ksgxd->context = up_context_new(task_main);
	return ksgxd;
}

void kthread_stop(struct task_struct *t)
{
	t->stop = true;
	t->runs = true;
	while (!t->done)
		shim_wait_turn("a kthread's end");
	turns_waited = 0;
}

void wake_up(wait_queue_head_t *q)
{
	/* ksgxd's is the one queue, and it is woken before it first sleeps, too. */
	if (ksgxd)
		ksgxd->runs = true;
}

void shim_sleep(wait_queue_head_t *q)
{
	shim_might_sleep("wait_event()");
	current->runs = false;
	turns_waited = 0;
	shim_wait_turn("an event");
}

bool shim_alone(void)
{
	for (int i = 0; i < TASKS; i++)
		if (tasks[i] && tasks[i] != current && tasks[i]->runs && !tasks[i]->done)
			return false;
	return true;
}

/**
 * up_idle() - nothing is to be done by the test: ksgxd has time
 *
 * Until it sleeps, or has gone round often enough without that.
 */
void up_idle(void)
{
	if (current != &first_task)
		return;
	for (int i = 0; i < 1000 && ksgxd && can_run(ksgxd); i++) {
		switch_to(ksgxd);
		if (ksgxd->rounds >= KSGXD_ROUNDS)
			break;
	}
	/* in cond_resched() ksgxd has nothing of the driver's in its hands */
	if (shim_alone() || (ksgxd && ksgxd->rounds >= KSGXD_ROUNDS))
		shim_grace_period();
}

static int run_thread(void *data)
{
	struct {
		void (*fn)(void *arg);
		void *arg;
	} *call = data;

	call->fn(call->arg);
	free(call);
	return 0;
}

struct up_thread *up_thread_start(void (*fn)(void *arg), void *arg, struct up_mm *mm)
{
	struct {
		void (*fn)(void *arg);
		void *arg;
	} *call = malloc(sizeof(*call));
	struct task_struct *t;

	call->fn = fn;
	call->arg = arg;
	t = task_new(run_thread, call, "the second thread");
	t->context = up_context_new(task_main);
	t->mm = (struct mm_struct *)mm;
	return (struct up_thread *)t;
}

void up_thread_join(struct up_thread *thread)
{
	struct task_struct *t = (struct task_struct *)thread;

	while (!t->done)
		shim_wait_turn("the second thread");
	turns_waited = 0;
	for (int i = 0; i < TASKS; i++)
		if (tasks[i] == t)
			tasks[i] = NULL;
	up_context_free(t->context);
	free(t);
	up_idle();
}

void up_mm_switch(struct up_mm *mm)
{
	current->mm = (struct mm_struct *)mm;
}

void up_personality(unsigned int bits)
{
	current->personality = bits;
}

bool signal_pending(struct task_struct *task)
{
	return task != ksgxd && up_hooks.signal_pending && up_hooks.signal_pending();
}

void force_sig(int sig)
{
}
