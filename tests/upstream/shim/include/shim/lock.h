/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spinlocks, mutexes, SRCU.
 *
 * Kept: who finds one taken waits until its owner has let it go, while others run; an
 * owner that takes its own again, a thread that lets go what it has not, sleeps under a
 * spinlock or with preemption off, or waits for an SRCU reader that it is itself, ends the
 * process, and so does a deadlock.  Mutexes and the end of a spinlock are where another
 * thread may get its turn.
 * Not kept: synchronize_srcu() waits for all readers, not for those that were there.
 */
#ifndef SHIM_LOCK_H
#define SHIM_LOCK_H

#include <shim/types.h>

struct task_struct;
struct shim_lock {
	struct task_struct *owner;
};

typedef struct {
	struct shim_lock lock;
} spinlock_t;
struct mutex {
	struct shim_lock lock;
};

void shim_lock(struct shim_lock *l, const char *name, bool sleeps);
void shim_unlock(struct shim_lock *l, const char *name, bool sleeps);

#define DEFINE_SPINLOCK(name) spinlock_t name
#define spin_lock_init(l)     ((l)->lock.owner = NULL)
#define spin_lock(l)	      shim_lock(&(l)->lock, "spinlock " #l, false)
#define spin_unlock(l)	      shim_unlock(&(l)->lock, "spinlock " #l, false)
#define DEFINE_MUTEX(name)    struct mutex name
#define mutex_init(l)	      ((l)->lock.owner = NULL)
#define mutex_lock(l)	      shim_lock(&(l)->lock, "mutex " #l, true)
#define mutex_unlock(l)	      shim_unlock(&(l)->lock, "mutex " #l, true)
#define mutex_is_locked(l)    ((l)->lock.owner != NULL)

struct srcu_struct {
	int readers;
};
#define init_srcu_struct(s) ((s)->readers = 0)
int srcu_read_lock(struct srcu_struct *s);
void srcu_read_unlock(struct srcu_struct *s, int index);
void synchronize_srcu(struct srcu_struct *s);
void cleanup_srcu_struct(struct srcu_struct *s);

#endif
