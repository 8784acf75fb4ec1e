/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Foreign bytes.  The stream is read once, in order, and nothing is kept but counts, so
 * that no number in it decides how much memory or time is used: its length does.
 *
 * A stream must be canonical, as Fortanix' loaders demand: one ECREATE, first; pages in
 * ascending order; after each page its own chunks, each at most once.
 */
#include "sgxs.h"

#include <cpu/measure.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define RECORD_SIZE 64
#define CHUNK_SIZE  256
#define TYPE_SHIFT  8
#define TYPE_MASK   0xffull
#define SECINFO_RWX 7ull

/* Where the reader is in the stream */
struct reader {
	struct sgxs *s;
	const uint8_t *record;
	size_t at;
	bool any_page;
	uint64_t page; /* offset of the last one that was added */
	uint16_t seen; /* its chunks */
	struct cpu_measure measure;
	char *error;
};

static int bad(const struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int bad(const struct reader *r, const char *fmt, ...)
{
	int n = snprintf(r->error, SGXS_MESSAGE_SIZE, "record at byte %zu: ", r->at);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->error + n, SGXS_MESSAGE_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

static uint64_t u64_at(const struct reader *r, size_t at)
{
	uint64_t v;

	memcpy(&v, r->record + at, sizeof(v));
	return v;
}

static bool zeros_from(const struct reader *r, size_t at)
{
	for (; at < RECORD_SIZE; at++)
		if (r->record[at])
			return false;
	return true;
}

static bool is_named(const struct reader *r, const char name[8])
{
	return !memcmp(r->record, name, 8);
}

static int read_ecreate(struct reader *r)
{
	struct sgxs *s = r->s;

	if (is_named(r, "UNSIZED"))
		return bad(r, "UNSIZED: the enclave's size is not decided yet, and it is measured; "
			      "the loader or a tool of Fortanix' sets it");
	if (!is_named(r, "ECREATE"))
		return bad(r, "the first record is not ECREATE");
	memcpy(&s->ssaframesize, r->record + 8, sizeof(s->ssaframesize));
	s->elrange = u64_at(r, 12);
	if (!s->ssaframesize)
		return bad(r, "ECREATE: SSAFRAMESIZE is 0");
	if (s->elrange < 2 * SGX_PAGE_SIZE || s->elrange & (s->elrange - 1))
		return bad(r, "ECREATE: SIZE %" PRIx64 "h is not a power of two of 2000h or more",
			   s->elrange);
	if (!zeros_from(r, 20))
		return bad(r, "ECREATE: a reserved byte is set");
	cpu_measure_ecreate(&r->measure, s->ssaframesize, s->elrange);
	return 0;
}

static int read_eadd(struct reader *r)
{
	uint64_t offset = u64_at(r, 8), flags = u64_at(r, 16);
	uint64_t type = flags >> TYPE_SHIFT & TYPE_MASK;

	if (offset % SGX_PAGE_SIZE || offset >= r->s->elrange)
		return bad(r, "EADD: %" PRIx64 "h is no page of the enclave", offset);
	if (r->any_page && offset <= r->page)
		return bad(r, "EADD: page %" PRIx64 "h is not above the one before, %" PRIx64 "h",
			   offset, r->page);
	if (type != SGX_PT_TCS && type != SGX_PT_REG)
		return bad(r, "EADD: page type %" PRIu64 " is neither TCS nor REG", type);
	/* EADD clears them before it measures: set, the stream is not what is hashed */
	if (type == SGX_PT_TCS && flags & SECINFO_RWX)
		return bad(r, "EADD: a TCS with R, W or X");
	if (!zeros_from(r, 24))
		return bad(r, "EADD: a reserved byte of SECINFO is set");
	r->any_page = true;
	r->page = offset;
	r->seen = 0;
	r->s->pages++;
	r->s->tcs_count += type == SGX_PT_TCS;
	cpu_measure_eadd(&r->measure, offset, flags);
	return 0;
}

static int read_chunk(struct reader *r, const uint8_t *chunk, bool measured)
{
	const char *name = measured ? "EEXTEND" : "UNMEASRD";
	uint64_t offset = u64_at(r, 8);
	uint16_t bit;

	if (!r->any_page || offset % CHUNK_SIZE || offset < r->page ||
	    offset - r->page >= SGX_PAGE_SIZE)
		return bad(r, "%s: %" PRIx64 "h is no chunk of the page before it", name, offset);
	bit = (uint16_t)(1u << ((offset - r->page) / CHUNK_SIZE));
	if (r->seen & bit)
		return bad(r, "%s: chunk %" PRIx64 "h comes twice", name, offset);
	if (!zeros_from(r, 16))
		return bad(r, "%s: a reserved byte is set", name);
	r->seen |= bit;
	if (measured) {
		r->s->chunks++;
		cpu_measure_eextend(&r->measure, offset, chunk);
	} else {
		r->s->unmeasured++;
	}
	return 0;
}

/**
 * sgxs_parse() - read and measure a stream
 * @s: filled in
 * @data: any bytes at all
 * @size: their number
 * @error: the first fault, with the place of its record, where -1 is returned
 *
 * Return: 0, or -1 with @s undefined.
 */
int sgxs_parse(struct sgxs *s, const void *data, size_t size, char error[SGXS_MESSAGE_SIZE])
{
	struct reader r = {.s = s, .error = error};
	const uint8_t *bytes = data;
	int ret;

	memset(s, 0, sizeof(*s));
	do {
		size_t left = size - r.at;
		bool measured, chunk;

		r.record = bytes + r.at;
		if (left < RECORD_SIZE)
			return bad(&r, "%zu bytes are left, a record has %d", left, RECORD_SIZE);
		measured = is_named(&r, "EEXTEND");
		chunk = measured || is_named(&r, "UNMEASRD");
		if (!r.at)
			ret = read_ecreate(&r);
		else if (chunk && left < RECORD_SIZE + CHUNK_SIZE)
			ret = bad(&r, "cut off: %zu bytes of the chunk's %d are there",
				  left - RECORD_SIZE, CHUNK_SIZE);
		else if (chunk)
			ret = read_chunk(&r, r.record + RECORD_SIZE, measured);
		else if (is_named(&r, "EADD\0\0\0"))
			ret = read_eadd(&r);
		else if (is_named(&r, "ECREATE") || is_named(&r, "UNSIZED"))
			ret = bad(&r, "a second ECREATE");
		else
			ret = bad(&r, "it is not EADD, EEXTEND or UNMEASRD");
		if (ret)
			return ret;
		r.at += RECORD_SIZE + (chunk ? CHUNK_SIZE : 0);
	} while (r.at < size);
	cpu_measure_final(&r.measure, s->mrenclave);
	return 0;
}
