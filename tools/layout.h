/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An enclave as a loader of another SDK puts it into the EPC: extents of pages that are
 * added alike, in the order of their EADDs.  The readers of those SDKs' files build it,
 * and it is measured and shown here, once for all of them.
 *
 * Foreign bytes: a reader may add any extent at all.  layout_check() refuses what no
 * loader could load, and only what it has passed may be measured.
 */
#ifndef TOOLS_LAYOUT_H
#define TOOLS_LAYOUT_H

#include <sgx/arch.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_MESSAGE_SIZE 224u
/* Extents of one enclave: room for 50,000 threads; sorting them all takes a fraction of a second */
#define LAYOUT_EXTENTS_MAX ((size_t)1 << 18)
/* A 47-bit address space has no room for more */
#define LAYOUT_ELRANGE_MAX ((uint64_t)1 << 46)

/**
 * struct layout_extent - pages that are added alike
 * @offset:	of the first page from SECS.BASEADDR, in bytes
 * @pages:	their number
 * @flags:	SECINFO.FLAGS as EADD measures them
 * @measured:	EEXTEND follows each EADD
 * @each:	every page begins with the contents; else they run on from page to page
 * @what:	what the pages are for; a static string
 * @bytes:	the contents, the caller's; what they do not reach is @fill
 * @size:	bytes of the contents
 * @lead:	bytes before the contents in the first page
 * @fill:	a word that is repeated; 0 where @lead is not
 * @tcs_delta:	of a TCS: added to OSSA, OFSBASE and OGSBASE of the contents
 */
struct layout_extent {
	uint64_t offset;
	uint64_t pages;
	uint64_t flags;
	bool measured, each;
	const char *what;
	const uint8_t *bytes;
	uint64_t size;
	uint32_t lead;
	uint32_t fill;
	uint64_t tcs_delta;
};

/**
 * struct layout - a whole enclave
 * @elrange:		SECS.SIZE, bytes
 * @ssaframesize:	SECS.SSAFRAMESIZE, pages
 * @extents:		malloc'ed, in the order of their EADDs
 * @count:		how many there are
 * @room:		for how many there is memory
 * @pages:		that are added; by layout_check()
 * @tcs_count:		those of them that are a TCS; by layout_check()
 * @measured_pages:	those that EEXTEND measures; by layout_check()
 */
struct layout {
	uint64_t elrange;
	uint32_t ssaframesize;
	struct layout_extent *extents;
	size_t count, room;
	uint64_t pages, tcs_count, measured_pages;
};

int layout_refuse(char error[LAYOUT_MESSAGE_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int layout_add(struct layout *l, const struct layout_extent *x, char error[LAYOUT_MESSAGE_SIZE])
	__attribute__((warn_unused_result));
int layout_check(struct layout *l, char error[LAYOUT_MESSAGE_SIZE])
	__attribute__((warn_unused_result));
void layout_page(const struct layout_extent *x, uint64_t index, uint8_t page[SGX_PAGE_SIZE]);
void layout_measure(const struct layout *l, uint8_t mrenclave[SGX_HASH_SIZE]);
void layout_free(struct layout *l);

#endif
