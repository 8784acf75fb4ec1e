/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists.
 *
 * Kept: rings of two pointers; an entry that is taken off, or added, must fit its
 * neighbours, else the list is corrupt and the process ends; what list_del() took off is
 * poisoned.
 * Not kept: RCU.  A reader follows what is there; a grace period is shim_grace_period()
 * (mm.c), when no thread is in the driver.
 */
#ifndef SHIM_LIST_H
#define SHIM_LIST_H

#include <shim/types.h>

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD(name) struct list_head name = {&(name), &(name)}

static inline void INIT_LIST_HEAD(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

static inline void shim_link(struct list_head *e, struct list_head *before, struct list_head *after)
{
	if (before->next != after || after->prev != before)
		shim_bug("a list is corrupt where an entry is added");
	e->prev = before;
	e->next = after;
	before->next = e;
	after->prev = e;
}

static inline void shim_unlink(struct list_head *e)
{
	if (e->next->prev != e || e->prev->next != e)
		shim_bug("a list is corrupt where an entry is taken off");
	e->next->prev = e->prev;
	e->prev->next = e->next;
}

static inline void list_add(struct list_head *e, struct list_head *h)
{
	shim_link(e, h, h->next);
}

static inline void list_add_tail(struct list_head *e, struct list_head *h)
{
	shim_link(e, h->prev, h);
}

static inline void list_del(struct list_head *e)
{
	shim_unlink(e);
	e->next = (void *)0xdead000000000100;
	e->prev = (void *)0xdead000000000122;
}

static inline void list_del_init(struct list_head *e)
{
	shim_unlink(e);
	INIT_LIST_HEAD(e);
}

static inline void list_move(struct list_head *e, struct list_head *h)
{
	shim_unlink(e);
	list_add(e, h);
}

static inline void list_move_tail(struct list_head *e, struct list_head *h)
{
	shim_unlink(e);
	list_add_tail(e, h);
}

/* All of a list, between two neighbours of another one */
static inline void shim_splice(struct list_head *from, struct list_head *before,
			       struct list_head *after)
{
	if (list_empty(from))
		return;
	from->next->prev = before;
	before->next = from->next;
	from->prev->next = after;
	after->prev = from->prev;
}

static inline void list_splice(struct list_head *from, struct list_head *h)
{
	shim_splice(from, h, h->next);
}

static inline void list_splice_tail(struct list_head *from, struct list_head *h)
{
	shim_splice(from, h->prev, h);
}

/* clang-format off */
#define list_entry(p, type, member)	  container_of(p, type, member)
#define list_first_entry(h, type, member) list_entry((h)->next, type, member)
#define list_for_each_entry(pos, h, member)                               \
	for (pos = list_entry((h)->next, __typeof__(*pos), member);       \
	     &pos->member != (h);                                         \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_entry_safe(pos, tmp, h, member)                     \
	for (pos = list_entry((h)->next, __typeof__(*pos), member),       \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member); \
	     &pos->member != (h);                                         \
	     pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))
#define list_for_each_entry_rcu(pos, h, member, ...) list_for_each_entry(pos, h, member)
/* clang-format on */

#define list_add_rcu(e, h) list_add(e, h)
static inline void list_del_rcu(struct list_head *e)
{
	shim_unlink(e); /* readers may still follow its next */
}

#endif
