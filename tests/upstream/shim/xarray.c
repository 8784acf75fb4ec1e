/* SPDX-License-Identifier: BSD-3-Clause */
/* XArray: see its header for what is kept of it. */
#include "shim.h"

void xa_init(struct xarray *xa)
{
	memset(xa, 0, sizeof(*xa));
}

void xa_destroy(struct xarray *xa)
{
	free(xa->range);
	xa_init(xa);
}

/* The number of the first range that ends at index or above */
static unsigned long xa_at(const struct xarray *xa, unsigned long index)
{
	unsigned long lo = 0, hi = xa->count;

	while (lo < hi) {
		unsigned long mid = (lo + hi) / 2;

		if (xa->range[mid].last < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	unsigned long at = xa_at(xa, index);

	return at < xa->count && xa->range[at].first <= index ? xa->range[at].entry : NULL;
}

void *shim_xa_find(struct xarray *xa, unsigned long *index, unsigned long max)
{
	unsigned long at = xa_at(xa, *index);

	if (at >= xa->count || xa->range[at].first > max || *index > max)
		return NULL;
	if (xa->range[at].first > *index)
		*index = xa->range[at].first;
	return xa->range[at].entry;
}

void *xa_store_range(struct xarray *xa, unsigned long first, unsigned long last, void *entry,
		     gfp_t gfp)
{
	unsigned long at = xa_at(xa, first);

	if (at < xa->count && xa->range[at].first <= last)
		shim_bug("xa_store_range() over another one");
	if (xa->count == xa->room) {
		xa->room = xa->room ? 2 * xa->room : 8;
		xa->range = realloc(xa->range, xa->room * sizeof(*xa->range));
	}
	memmove(xa->range + at + 1, xa->range + at, (xa->count - at) * sizeof(*xa->range));
	xa->range[at] = (struct shim_xa_range){first, last, entry};
	xa->count++;
	return NULL;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	unsigned long at = xa_at(xa, index);
	void *was;

	if (!entry)
		return xa_erase(xa, index);
	if (at >= xa->count || xa->range[at].first > index)
		return xa_store_range(xa, index, index, entry, gfp);
	was = xa->range[at].entry;
	xa->range[at].entry = entry;
	return was;
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	if (xa_load(xa, index))
		return -EBUSY;
	if (shim_alloc_fails())
		return -ENOMEM;
	xa_store(xa, index, entry, gfp);
	return 0;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	unsigned long at = xa_at(xa, index);
	void *was;

	if (at >= xa->count || xa->range[at].first > index)
		return NULL;
	if (xa->range[at].first != xa->range[at].last)
		shim_bug("xa_erase() in a range");
	was = xa->range[at].entry;
	xa->count--;
	memmove(xa->range + at, xa->range + at + 1, (xa->count - at) * sizeof(*xa->range));
	return was;
}
