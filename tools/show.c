/* SPDX-License-Identifier: BSD-3-Clause */
#include "show.h"

#include <inttypes.h>

/* Runs of pages listed one by one: a segment with relocations has hundreds. */
#define TEXT_SHOWN 64u
#define JSON_SHOWN 4096u

static void permissions(char text[4], uint64_t flags)
{
	text[0] = flags & SGX_SECINFO_R_BIT ? 'r' : '-';
	text[1] = flags & SGX_SECINFO_W_BIT ? 'w' : '-';
	text[2] = flags & SGX_SECINFO_X_BIT ? 'x' : '-';
	text[3] = '\0';
}

static const char *type_name(uint64_t flags)
{
	return SGX_SECINFO_PT(flags) == SGX_PT_TCS ? "TCS" : "REG";
}

/**
 * show_layout() - sizes, and what is added where
 * @out: where it goes
 * @l: passed by layout_check()
 */
void show_layout(FILE *out, const struct layout *l)
{
	size_t shown = l->count < TEXT_SHOWN ? l->count : TEXT_SHOWN;
	char rwx[4];

	fprintf(out, "%-22s0x%" PRIx64 "\n", "ELRANGE size", l->elrange);
	fprintf(out, "%-22s%" PRIu32 "\n", "SSAFRAMESIZE", l->ssaframesize);
	fprintf(out, "%-22s%" PRIu64 ", of which TCS %" PRIu64 ", measured %" PRIu64 "\n", "pages",
		l->pages, l->tcs_count, l->measured_pages);
	fprintf(out, "added, in this order\n  %-12s %-12s %-6s %-5s %-8s %s\n", "offset", "size",
		"type", "perm", "measured", "what");
	for (size_t i = 0; i < shown; i++) {
		const struct layout_extent *x = &l->extents[i];

		permissions(rwx, x->flags);
		fprintf(out, "  0x%-10" PRIx64 " 0x%-10" PRIx64 " %-6s %-5s %-8s %s\n", x->offset,
			x->pages * SGX_PAGE_SIZE, type_name(x->flags), rwx,
			x->measured ? "yes" : "no", x->what);
	}
	if (l->count > shown)
		fprintf(out, "  %zu more not shown\n", l->count - shown);
}

/**
 * show_layout_json() - the same as members of an open object
 * @j: document
 * @l: passed by layout_check()
 * @extents: what is added where, too
 */
void show_layout_json(struct json *j, const struct layout *l, bool extents)
{
	char rwx[4];

	json_hex(j, "elrange_size", l->elrange);
	json_u64(j, "ssaframesize", l->ssaframesize);
	json_u64(j, "pages", l->pages);
	json_u64(j, "tcs_count", l->tcs_count);
	json_u64(j, "measured_pages", l->measured_pages);
	if (!extents)
		return;
	json_open_array(j, "extents");
	for (size_t i = 0; i < l->count && i < JSON_SHOWN; i++) {
		const struct layout_extent *x = &l->extents[i];

		permissions(rwx, x->flags);
		json_open_object(j, NULL);
		json_hex(j, "offset", x->offset);
		json_hex(j, "size", x->pages * SGX_PAGE_SIZE);
		json_string(j, "type", type_name(x->flags));
		json_string(j, "permissions", rwx);
		json_bool(j, "measured", x->measured);
		json_string(j, "what", x->what);
		json_close_object(j);
	}
	json_close_array(j);
	if (l->count > JSON_SHOWN)
		json_u64(j, "extents_not_shown", l->count - JSON_SHOWN);
}
