/* SPDX-License-Identifier: BSD-3-Clause */
#include "layout.h"

#include <cpu/measure.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECINFO_ALLOWED (SGX_SECINFO_RWX_BITS | SGX_SECINFO_PT_BITS)

/**
 * layout_refuse() - say why an enclave has no layout
 * @error: where the text goes
 * @fmt: the text
 *
 * Return: -1
 */
int layout_refuse(char error[LAYOUT_MESSAGE_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, LAYOUT_MESSAGE_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}

/**
 * layout_add() - the next pages that the loader adds
 * @l: the enclave
 * @x: the extent, which is copied; one without pages is left out
 * @error: why not, where -1 is returned
 *
 * Return: 0, or -1
 */
int layout_add(struct layout *l, const struct layout_extent *x, char error[LAYOUT_MESSAGE_SIZE])
{
	struct layout_extent *more;
	size_t room;

	if (!x->pages)
		return 0;
	if (l->count == LAYOUT_EXTENTS_MAX)
		return layout_refuse(error, "more than %zu runs of pages", LAYOUT_EXTENTS_MAX);
	if (l->count == l->room) {
		room = l->room ? 2 * l->room : 64;
		more = realloc(l->extents, room * sizeof(*more));
		if (!more)
			return layout_refuse(error, "no memory for %zu runs of pages", room);
		l->extents = more;
		l->room = room;
	}
	l->extents[l->count++] = *x;
	return 0;
}

static int check_extent(const struct layout *l, const struct layout_extent *x, char *error)
{
	unsigned type = SGX_SECINFO_PT(x->flags);

	if (x->offset % SGX_PAGE_SIZE)
		return layout_refuse(error, "%s: offset %" PRIx64 "h is not that of a page",
				     x->what, x->offset);
	if (x->offset >= l->elrange || x->pages > (l->elrange - x->offset) / SGX_PAGE_SIZE)
		return layout_refuse(error,
				     "%s: %" PRIu64 " pages at %" PRIx64
				     "h do not lie in the ELRANGE of %" PRIx64 "h bytes",
				     x->what, x->pages, x->offset, l->elrange);
	if (x->flags & ~SECINFO_ALLOWED || (type != SGX_PT_TCS && type != SGX_PT_REG))
		return layout_refuse(error,
				     "%s: EADD takes no page with SECINFO.FLAGS %" PRIx64 "h",
				     x->what, x->flags);
	/* EADD clears them before it measures: what was signed is not what is hashed. */
	if (type == SGX_PT_TCS && x->flags & SGX_SECINFO_RWX_BITS)
		return layout_refuse(error, "%s: a TCS with R, W or X", x->what);
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct layout_extent *const *x = a, *const *y = b;

	return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

static int check_overlap(const struct layout *l, char *error)
{
	const struct layout_extent **sorted = malloc((l->count + 1) * sizeof(const void *));
	int ret = 0;

	if (!sorted)
		return layout_refuse(error, "no memory for %zu runs of pages", l->count);
	for (size_t i = 0; i < l->count; i++)
		sorted[i] = &l->extents[i];
	qsort(sorted, l->count, sizeof(const void *), by_offset);
	for (size_t i = 1; i < l->count && !ret; i++) {
		const struct layout_extent *x = sorted[i - 1], *y = sorted[i];

		if ((y->offset - x->offset) / SGX_PAGE_SIZE < x->pages)
			ret = layout_refuse(error,
					    "page %" PRIx64 "h is added twice: by %s and by %s",
					    y->offset, x->what, y->what);
	}
	free(sorted);
	return ret;
}

/**
 * layout_check() - could a loader load it?
 * @l: the enclave; its counts are filled in
 * @error: why not, where -1 is returned
 *
 * After it the work of measuring is bounded by ELRANGE: no page comes twice.
 * Return: 0, or -1
 */
int layout_check(struct layout *l, char error[LAYOUT_MESSAGE_SIZE])
{
	if (!l->ssaframesize)
		return layout_refuse(error, "SSAFRAMESIZE is 0");
	if (l->elrange < 2 * SGX_PAGE_SIZE || l->elrange > LAYOUT_ELRANGE_MAX ||
	    l->elrange & (l->elrange - 1))
		return layout_refuse(error,
				     "the enclave's size, %" PRIx64
				     "h, is not a power of two from 2000h to %" PRIx64 "h",
				     l->elrange, LAYOUT_ELRANGE_MAX);
	l->pages = l->tcs_count = l->measured_pages = 0;
	for (size_t i = 0; i < l->count; i++) {
		const struct layout_extent *x = &l->extents[i];

		if (check_extent(l, x, error))
			return -1;
		l->pages += x->pages;
		if (SGX_SECINFO_PT(x->flags) == SGX_PT_TCS)
			l->tcs_count += x->pages;
		if (x->measured)
			l->measured_pages += x->pages;
	}
	return check_overlap(l, error);
}

/* The loader adds where the thread lies; EADD then writes four fields in the EPC. */
static void finish_tcs(const struct layout_extent *x, uint8_t page[SGX_PAGE_SIZE])
{
	struct sgx_tcs tcs;

	memcpy(&tcs, page, sizeof(tcs));
	tcs.ossa += x->tcs_delta;
	tcs.ofsbase += x->tcs_delta;
	tcs.ogsbase += x->tcs_delta;
	tcs.state = 0;
	tcs.flags &= ~SGX_TCS_DBGOPTIN_BIT;
	tcs.cssa = 0;
	tcs.aep = 0;
	memcpy(page, &tcs, sizeof(tcs));
}

/**
 * layout_page() - a page's contents after EADD
 * @x: the extent
 * @index: of the page in it
 * @page: filled in
 */
void layout_page(const struct layout_extent *x, uint64_t index, uint8_t page[SGX_PAGE_SIZE])
{
	uint64_t from = index * SGX_PAGE_SIZE, at = 0, skip = 0;

	for (size_t i = 0; i < SGX_PAGE_SIZE; i += sizeof(x->fill))
		memcpy(page + i, &x->fill, sizeof(x->fill));
	if (x->each)
		from = 0;
	if (from < x->lead)
		at = x->lead - from;
	else
		skip = from - x->lead;
	if (at < SGX_PAGE_SIZE && skip < x->size) {
		uint64_t size = x->size - skip;

		if (size > SGX_PAGE_SIZE - at)
			size = SGX_PAGE_SIZE - at;
		memcpy(page + at, x->bytes + skip, size);
	}
	if (SGX_SECINFO_PT(x->flags) == SGX_PT_TCS)
		finish_tcs(x, page);
}

/**
 * layout_measure() - the MRENCLAVE that the enclave gets
 * @l: passed by layout_check()
 * @mrenclave: the hash
 */
void layout_measure(const struct layout *l, uint8_t mrenclave[SGX_HASH_SIZE])
{
	uint8_t page[SGX_PAGE_SIZE];
	struct cpu_measure m;

	cpu_measure_ecreate(&m, l->ssaframesize, l->elrange);
	for (size_t i = 0; i < l->count; i++) {
		const struct layout_extent *x = &l->extents[i];

		for (uint64_t k = 0; k < x->pages; k++) {
			uint64_t offset = x->offset + k * SGX_PAGE_SIZE;

			cpu_measure_eadd(&m, offset, x->flags);
			if (!x->measured)
				continue;
			layout_page(x, k, page);
			for (size_t at = 0; at < SGX_PAGE_SIZE; at += SGX_EEXTEND_SIZE)
				cpu_measure_eextend(&m, offset + at, page + at);
		}
	}
	cpu_measure_final(&m, mrenclave);
}

/**
 * layout_free() - forget an enclave
 * @l: built before, or zeros
 */
void layout_free(struct layout *l)
{
	free(l->extents);
	l->extents = NULL;
	l->count = l->room = 0;
}
