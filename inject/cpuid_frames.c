/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Function extents from .eh_frame, for cpuid.c.  Nothing in it is trusted: every
 * read is inside the image, and what is not understood is passed over.
 */
#include "cpuid_walk.h"

#include <string.h>

#define MAX_AUG 8 /* characters of an augmentation string */

/* A cursor over part of the image; reading past the end sets @bad for good. */
struct reader {
	const uint8_t *p;
	uint64_t size;
	uint64_t at;
	uint64_t vaddr; /* of p[0] */
	bool bad;
};

static uint64_t get(struct reader *r, unsigned int bytes)
{
	uint64_t v = 0;

	if (r->at > r->size || bytes > r->size - r->at) {
		r->bad = true;
		return 0;
	}
	memcpy(&v, r->p + r->at, bytes);
	r->at += bytes;
	return v;
}

/* LEB128; @sign tells the signed form. Ten bytes hold 64 bits. */
static uint64_t get_leb(struct reader *r, bool sign)
{
	uint64_t v = 0;
	unsigned int shift;

	for (shift = 0; shift < 70; shift += 7) {
		uint64_t byte = get(r, 1);

		if (shift < 64)
			v |= (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (sign && (byte & 0x40) && shift + 7 < 64)
			v |= ~0ull << (shift + 7);
		return v;
	}
	r->bad = true;
	return 0;
}

/* DWARF pointer encodings (LSB core, DW_EH_PE_*) */
enum {
	PE_ABSPTR = 0x00,
	PE_ULEB = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_PCREL = 0x10,
	PE_OMIT = 0xff,
};

/* The number alone; the low four bits of @enc give its form. */
static uint64_t get_form(struct reader *r, unsigned int enc)
{
	switch (enc & 0x0f) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		return get(r, 8);
	case PE_ULEB:
		return get_leb(r, false);
	case PE_SLEB:
		return get_leb(r, true);
	case PE_UDATA2:
		return get(r, 2);
	case PE_SDATA2:
		return (uint64_t)(int64_t)(int16_t)get(r, 2);
	case PE_UDATA4:
		return get(r, 4);
	case PE_SDATA4:
		return (uint64_t)(int64_t)(int32_t)get(r, 4);
	}
	r->bad = true;
	return 0;
}

/*
 * An address: relative to its own place, or absolute. An absolute one in a
 * position-independent file waits for a relocation, so that the file need not
 * hold it; the other bases (text, data, function) and indirect are not used by
 * x86-64 compilers here.
 */
static uint64_t get_addr(struct scan *s, struct reader *r, unsigned int enc)
{
	uint64_t here = r->vaddr + r->at;

	if ((enc & 0xf0) == PE_PCREL)
		return here + get_form(r, enc);
	if ((enc & 0xf0) == PE_ABSPTR && s->fixed)
		return get_form(r, enc);
	r->bad = true;
	return 0;
}

/*
 * The encoding of FDE addresses that the CIE at @at gives, or PE_OMIT where its
 * FDEs are of no use: not understood, or of a signal frame ('S'), whose extent
 * begins a byte before the code by convention.
 */
static unsigned int cie_encoding(const struct reader *all, uint64_t at)
{
	struct reader r = *all;
	unsigned int version, i, n, enc = PE_ABSPTR;
	char aug[MAX_AUG];
	uint64_t size;

	r.at = at;
	size = get(&r, 4);
	if (r.bad || size >= 0xfffffff0 || size > r.size - r.at)
		return PE_OMIT;
	r.size = r.at + size;
	if (get(&r, 4) != 0)
		return PE_OMIT;
	version = (unsigned int)get(&r, 1);
	for (n = 0; n < MAX_AUG; n++) {
		aug[n] = (char)get(&r, 1);
		if (!aug[n])
			break;
	}
	if (r.bad || n == MAX_AUG || (version != 1 && version != 3))
		return PE_OMIT;
	if (n == 0)
		return PE_ABSPTR;
	if (aug[0] != 'z')
		return PE_OMIT;
	get_leb(&r, false); /* code alignment */
	get_leb(&r, true); /* data alignment */
	if (version == 1)
		get(&r, 1); /* return address register */
	else
		get_leb(&r, false);
	get_leb(&r, false); /* size of what follows */
	for (i = 1; i < n; i++) {
		unsigned int form;

		switch (aug[i]) {
		case 'R':
			enc = (unsigned int)get(&r, 1);
			break;
		case 'L':
			get(&r, 1);
			break;
		case 'P':
			form = (unsigned int)get(&r, 1);
			if ((form & 0x70) == 0x50) /* aligned */
				return PE_OMIT;
			get_form(&r, form);
			break;
		default: /* 'S', and what we do not know */
			return PE_OMIT;
		}
	}
	return r.bad ? PE_OMIT : enc;
}

/*
 * Every FDE of an .eh_frame. Where the end is not known exactly the record of
 * size 0 ends it; in a section there may be some in the middle.
 */
static bool add_eh_frame(struct scan *s, struct reader r, bool exact)
{
	uint64_t cie = UINT64_MAX;
	unsigned int enc = PE_OMIT;
	bool any = false;

	while (!s->err) {
		uint64_t size = get(&r, 4), next, id, here, start, range;
		struct reader f;

		if (r.bad || size >= 0xfffffff0 || size > r.size - r.at)
			break;
		if (!size) {
			if (exact)
				continue;
			break;
		}
		next = r.at + size;
		here = r.at;
		f = r;
		f.size = next;
		id = get(&f, 4);
		r.at = next;
		if (f.bad || !id || id > here) /* a CIE, or nonsense */
			continue;
		any = true;
		if (here - id != cie) {
			cie = here - id;
			enc = cie_encoding(&r, cie);
		}
		if (enc == PE_OMIT)
			continue;
		start = get_addr(s, &f, enc);
		range = get_form(&f, enc);
		if (!f.bad)
			cpuid_add_func(s, start, range);
	}
	return any;
}

static bool reader_at(const struct scan *s, struct reader *r, uint64_t vaddr)
{
	const struct load *l = cpuid_load_of(s, vaddr, 1);

	if (!l)
		return false;
	*r = (struct reader){
		.p = s->image + l->off + (vaddr - l->vaddr),
		.size = l->size - (vaddr - l->vaddr),
		.vaddr = vaddr,
	};
	return true;
}

/* .eh_frame_hdr: version 1, three encodings, then where .eh_frame is. */
bool cpuid_eh_frame_hdr(struct scan *s, uint64_t vaddr)
{
	struct reader r;
	unsigned int enc;
	uint64_t addr;

	if (!reader_at(s, &r, vaddr) || get(&r, 1) != 1)
		return false;
	enc = (unsigned int)get(&r, 1);
	get(&r, 2);
	addr = get_addr(s, &r, enc);
	if (r.bad || !reader_at(s, &r, addr))
		return false;
	return add_eh_frame(s, r, false);
}

void cpuid_eh_frame(struct scan *s, uint64_t off, uint64_t size, uint64_t vaddr)
{
	struct reader r = {.p = s->image + off, .size = size, .vaddr = vaddr};

	add_eh_frame(s, r, true);
}
