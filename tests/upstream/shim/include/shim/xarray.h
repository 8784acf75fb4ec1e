/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XArray: a sorted array of ranges, found by bisection.
 *
 * Kept: what is found, in which order, from a walk that pauses too; an insertion can
 * fail; a walk wants xas_lock().
 * Not kept: marks, values that are no pointers, and parts of a range that was stored
 * whole, which cannot be erased.
 */
#ifndef SHIM_XARRAY_H
#define SHIM_XARRAY_H

#include <shim/lock.h>

struct shim_xa_range {
	unsigned long first, last;
	void *entry;
};

struct xarray {
	struct shim_xa_range *range;
	unsigned long count, room;
	struct shim_lock lock;
};

struct xa_state {
	struct xarray *xa;
	unsigned long index;
	bool started;
};

#define DEFINE_XARRAY(name)	  struct xarray name
#define XA_CHECK_SCHED		  4096
#define XA_STATE(name, array, at) struct xa_state name = {.xa = (array), .index = (at)}

void xa_init(struct xarray *xa);
void xa_destroy(struct xarray *xa);
void *xa_load(struct xarray *xa, unsigned long index);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_store_range(struct xarray *xa, unsigned long first, unsigned long last, void *entry,
		     gfp_t gfp);
int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
/* first entry at *index or above, up to max; *index is where it is */
void *shim_xa_find(struct xarray *xa, unsigned long *index, unsigned long max);

static inline int xa_err(void *p)
{
	return IS_ERR(p) ? (int)PTR_ERR(p) : 0;
}

static inline void *shim_xa_next(struct xarray *xa, unsigned long *index, unsigned long max,
				 bool first)
{
	if (!first && !++*index)
		return NULL;
	return shim_xa_find(xa, index, max);
}

#define xa_for_each(xa, i, entry)                                    \
	for (i = 0, entry = shim_xa_next(xa, &i, ~0ul, true); entry; \
	     entry = shim_xa_next(xa, &i, ~0ul, false))

static inline void *shim_xas_next(struct xa_state *xas, unsigned long max)
{
	void *entry = shim_xa_next(xas->xa, &xas->index, max, !xas->started);

	if (!xas->xa->lock.owner)
		shim_bug("a walk over an XArray without xas_lock()");
	xas->started = true;
	return entry;
}

#define xas_for_each(xas, entry, max) while ((entry = shim_xas_next(xas, max)))
#define xas_pause(xas)		      ((void)(xas)) /* the index is all that is kept */
#define xas_lock(xas)		      shim_lock(&(xas)->xa->lock, "xas", false)
#define xas_unlock(xas)		      shim_unlock(&(xas)->xa->lock, "xas", false)

#endif
