/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasks and who runs: see task.c.
 *
 * Kept: a thread that waits for an event runs again when it was woken; kthreads sleep
 * until then; a signal is pending for the test's threads alone, at its command.
 * Not kept: freezing, priorities, time.
 */
#ifndef SHIM_TASK_H
#define SHIM_TASK_H

#include <shim/bits.h>
#include <shim/lock.h>

struct mm_struct;

#define READ_IMPLIES_EXEC 0x0400000u
struct task_struct {
	unsigned int personality;
	struct mm_struct *mm;
	bool stop;

	const char *name;
	void *context; /* of context.c */
	int (*fn)(void *data);
	void *data;
	bool runs; /* there is something to do */
	bool done;
	unsigned int spins, srcu; /* spinlocks that it has; SRCU readers that it is */
	unsigned int rounds; /* of cond_resched() since it got its turn */
};

extern struct task_struct *shim_current;
#define current shim_current
bool signal_pending(struct task_struct *task);
void force_sig(int sig);
#define SIGBUS		   7
#define MF_ACTION_REQUIRED 2

#define need_resched()	   false
void cond_resched(void);
/* Another thread's turn: this one cannot go on without it */
void shim_wait_turn(const char *what);
/* Another thread's turn, perhaps */
void shim_may_switch(void);
void shim_might_sleep(const char *what);
#define msleep_interruptible(ms) shim_may_switch()

extern unsigned int shim_preempt_count;
#define preempt_disable() ((void)shim_preempt_count++)
#define preempt_enable()  ((void)shim_preempt_count--)
#define preemptible()	  (!shim_preempt_count && !current->spins)

struct task_struct *shim_kthread(int (*fn)(void *data), void *data);
#define kthread_run(fn, data, ...) shim_kthread(fn, data)
#define kthread_should_stop()	   (current->stop)
void kthread_stop(struct task_struct *t);
#define set_freezable() ((void)0)
#define try_to_freeze() false

typedef struct {
	struct task_struct *sleeper;
} wait_queue_head_t;
#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name
void wake_up(wait_queue_head_t *q);
void shim_sleep(wait_queue_head_t *q);
#define wait_event_freezable(q, cond)     \
	do {                              \
		while (!(cond))           \
			shim_sleep(&(q)); \
	} while (0)

#endif
