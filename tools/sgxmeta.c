/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Foreign bytes.  The order of work is the loader's, since it decides the measurement:
 * find the metadata, patch the file, add its segments, then the layout.  What the loader
 * would refuse, or would only do by reading beyond its tables, is refused here.
 *
 * Memory: one copy of the file and the extents, of which layout_add() bounds the number.
 */
#include "sgxmeta.h"
#include "elf_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_NAME  "sgx_metadata"
#define META_MAGIC 0x86a80294635d0e4cull
/* Generations of metadata: 1 for SGX1, 2 and 3 for SGX2; these and 10 more with an ELRANGE */
#define MAJOR_WITH_ELRANGE 10u
#define MAJOR_MAX	   3u
#define VERSION_GUARDED	   3u /* of major 1: a page more behind some segments */

/* Offsets in a metadata */
#define AT_VERSION	8u
#define AT_SIZE		16u
#define AT_TCS_POLICY	20u
#define AT_SSAFRAMESIZE 24u
#define AT_ENCLAVE_SIZE 40u
#define AT_SIGSTRUCT	64u
#define AT_TABLES	1872u /* pairs of offset and size, relative to the metadata */
#define TABLES_MIN	2u /* those that the oldest metadata has */
#define META_MIN	(AT_TABLES + 8u * TABLES_MIN)

enum table {
	TABLE_PATCH,
	TABLE_LAYOUT,
	TABLE_ELRANGE,
	TABLE_EXTENSION,
};

#define ENTRY_SIZE 32u /* of a patch and of a layout */

/* A layout entry: its attributes, and the bit in its ID that makes it a group */
#define ATTR_EADD		1u
#define ATTR_EEXTEND		2u
#define ID_GROUP		0x1000u

#define EXTENSION_SIZE		16u
#define EXTENSION_SHARED_OBJECT 0x1002u

/* What is being read */
struct reader {
	struct sgxmeta *m;
	struct elf_view file;
	uint64_t meta, meta_size; /* in the file */
	uint64_t enclave_size;
	uint64_t base; /* the enclave's image from the start of the ELRANGE */
	uint64_t *relocated; /* numbers of pages with a relocation, ascending; malloc'ed */
	size_t relocated_count, relocated_room;
	uint64_t group_entries; /* that all groups load, those without pages too */
	char *error;
};

/* Reads of the file: the caller has checked that they lie in it. */
static uint64_t read_at(const struct reader *r, uint64_t at, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, r->file.data + at, size);
	return v;
}

static uint16_t u16_at(const struct reader *r, uint64_t at)
{
	return (uint16_t)read_at(r, at, sizeof(uint16_t));
}

static uint32_t u32_at(const struct reader *r, uint64_t at)
{
	return (uint32_t)read_at(r, at, sizeof(uint32_t));
}

static uint64_t u64_at(const struct reader *r, uint64_t at)
{
	return read_at(r, at, sizeof(uint64_t));
}

static bool in_metadata(const struct reader *r, uint64_t offset, uint64_t size)
{
	return offset <= r->meta_size && size <= r->meta_size - offset;
}

/* A table's place in the file; size 0 where there is none */
static int find_table(struct reader *r, enum table which, unsigned entry, uint64_t *ret_at,
		      uint64_t *ret_size)
{
	static const char *const names[] = {"patches", "layouts", "ELRANGE", "extensions"};
	uint64_t at = AT_TABLES + 8u * (unsigned)which, offset, size;

	if (!in_metadata(r, at, 8))
		return layout_refuse(r->error,
				     "the metadata's %" PRIu64 " bytes end before its table "
				     "of %s",
				     r->meta_size, names[which]);
	offset = u32_at(r, r->meta + at);
	size = u32_at(r, r->meta + at + 4);
	if (!in_metadata(r, offset, size) || size % entry)
		return layout_refuse(r->error,
				     "the table of %s, %" PRIu64 " bytes at %" PRIu64
				     ", is not whole entries of %u in the metadata's %" PRIu64,
				     names[which], size, offset, entry, r->meta_size);
	*ret_at = r->meta + offset;
	*ret_size = size;
	return 0;
}

/* The note: a header of three words, the name, and then the metadata one after another */
static int find_note(struct reader *r, uint64_t *ret_at, uint64_t *ret_size)
{
	uint64_t name_size, size, at;
	Elf64_Shdr shdr;

	if (!elf_view_named(&r->file, ".note.sgxmeta", &shdr) ||
	    !elf_view_within(&r->file, shdr.sh_offset, shdr.sh_size))
		return layout_refuse(r->error, "there is no section .note.sgxmeta within the file");
	at = shdr.sh_offset + sizeof(Elf64_Nhdr);
	if (shdr.sh_size < sizeof(Elf64_Nhdr) + sizeof(NOTE_NAME))
		return layout_refuse(r->error, ".note.sgxmeta: %" PRIu64 " bytes hold no note",
				     shdr.sh_size);
	name_size = u32_at(r, shdr.sh_offset);
	size = u32_at(r, shdr.sh_offset + 4);
	if (name_size != sizeof(NOTE_NAME) || memcmp(r->file.data + at, NOTE_NAME, name_size))
		return layout_refuse(r->error, ".note.sgxmeta: the note's name is not " NOTE_NAME);
	if (size > shdr.sh_size - sizeof(Elf64_Nhdr) - name_size)
		return layout_refuse(r->error,
				     ".note.sgxmeta: the note's %" PRIu64
				     " bytes end beyond the section's %" PRIu64,
				     size, shdr.sh_size);
	*ret_at = at + name_size;
	*ret_size = size;
	return 0;
}

/* 1: r->meta is the metadata of this index; 0: there are no so many; -1 */
static int find_metadata(struct reader *r, unsigned index)
{
	uint64_t at = 0, left = 0;

	if (find_note(r, &at, &left))
		return -1;
	for (;; index--) {
		if (left < sizeof(uint64_t) || u64_at(r, at) != META_MAGIC)
			return 0;
		r->meta = at;
		r->meta_size = left < META_MIN ? 0 : u32_at(r, at + AT_SIZE);
		if (r->meta_size < META_MIN || r->meta_size > left)
			return layout_refuse(r->error,
					     "a metadata of %" PRIu64
					     " bytes, where the note has %" PRIu64 " left for it",
					     r->meta_size, left);
		if (!index)
			return 1;
		at += r->meta_size;
		left -= r->meta_size;
	}
}

static int read_elrange(struct reader *r)
{
	uint64_t at, size, image, start, elrange;

	r->m->layout.elrange = r->enclave_size;
	if (r->m->major < MAJOR_WITH_ELRANGE)
		return 0;
	if (find_table(r, TABLE_ELRANGE, 24, &at, &size))
		return -1;
	if (size != 24)
		return layout_refuse(r->error, "ELRANGE: a table of %" PRIu64 " bytes, not 24",
				     size);
	image = u64_at(r, at);
	start = u64_at(r, at + 8);
	elrange = u64_at(r, at + 16);
	/* The rest of what its numbers must be is layout_check()'s. */
	if (image < start || image - start > elrange || r->enclave_size > elrange - (image - start))
		return layout_refuse(r->error,
				     "ELRANGE: %" PRIx64 "h bytes from %" PRIx64
				     "h do not hold the enclave's %" PRIx64 "h from %" PRIx64 "h",
				     elrange, start, r->enclave_size, image);
	if (!elrange || start & (elrange - 1))
		return layout_refuse(r->error,
				     "ELRANGE: %" PRIx64 "h is not a multiple of its size, %" PRIx64
				     "h",
				     start, elrange);
	r->base = image - start;
	r->m->layout.elrange = elrange;
	return 0;
}

static int read_header(struct reader *r)
{
	struct sgxmeta *m = r->m;
	uint64_t version = u64_at(r, r->meta + AT_VERSION);
	uint32_t policy = u32_at(r, r->meta + AT_TCS_POLICY);

	m->major = (uint32_t)(version >> 32);
	m->minor = (uint32_t)version;
	if (m->major % MAJOR_WITH_ELRANGE < 1 || m->major % MAJOR_WITH_ELRANGE > MAJOR_MAX ||
	    m->major > MAJOR_WITH_ELRANGE + MAJOR_MAX)
		return layout_refuse(r->error,
				     "metadata of version %" PRIu32 ".%" PRIu32
				     ": 1.x to 3.x and 11.x to 13.x are known",
				     m->major, m->minor);
	if (policy > 1)
		return layout_refuse(r->error, "TCS policy %" PRIu32 " is neither 0 nor 1", policy);
	m->layout.ssaframesize = u32_at(r, r->meta + AT_SSAFRAMESIZE);
	r->enclave_size = u64_at(r, r->meta + AT_ENCLAVE_SIZE);
	if (!r->enclave_size || r->enclave_size & (r->enclave_size - 1) ||
	    r->enclave_size > LAYOUT_ELRANGE_MAX)
		return layout_refuse(r->error,
				     "the enclave's size, %" PRIx64
				     "h, is not a power of two up to %" PRIx64 "h",
				     r->enclave_size, LAYOUT_ELRANGE_MAX);
	memcpy(&m->sig, r->file.data + r->meta + AT_SIGSTRUCT, sizeof(m->sig));
	return read_elrange(r);
}

/* The metadata writes over the file, the ELF header among it, before it is loaded. */
static int patch(struct reader *r)
{
	uint64_t at, size;

	if (find_table(r, TABLE_PATCH, ENTRY_SIZE, &at, &size))
		return -1;
	for (uint64_t end = at + size; at < end; at += ENTRY_SIZE) {
		uint64_t to = u64_at(r, at);
		uint32_t from = u32_at(r, at + 8), count = u32_at(r, at + 12);

		if (!in_metadata(r, from, count) || !elf_view_within(&r->file, to, count))
			return layout_refuse(r->error,
					     "a patch of %" PRIu32 " bytes from %" PRIu32
					     " in the metadata to %" PRIx64 "h in the file: one of "
					     "the two lies outside",
					     count, from, to);
		if (count && to < r->meta + r->meta_size && to + count > r->meta)
			return layout_refuse(r->error,
					     "a patch to %" PRIx64
					     "h that changes the metadata itself",
					     to);
		memmove(r->m->image + to, r->file.data + r->meta + from, count);
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int add_relocated(struct reader *r, uint64_t page)
{
	if (r->relocated_count == r->relocated_room) {
		size_t room = r->relocated_room ? 2 * r->relocated_room : 256;
		uint64_t *more = realloc(r->relocated, room * sizeof(*more));

		if (!more)
			return layout_refuse(r->error, "no memory for %zu relocations", room);
		r->relocated = more;
		r->relocated_room = room;
	}
	r->relocated[r->relocated_count++] = page;
	return 0;
}

/* The loader finds a table by the section that begins at its address. */
static int read_relocations(struct reader *r, uint64_t addr, uint64_t size)
{
	Elf64_Shdr shdr;
	unsigned i = 0;

	if (!addr || !size)
		return 0;
	while (elf_view_section(&r->file, i, &shdr) && shdr.sh_addr != addr)
		i++;
	if (!elf_view_section(&r->file, i, &shdr) ||
	    !elf_view_within(&r->file, shdr.sh_offset, size))
		return layout_refuse(r->error,
				     "relocations: no section at %" PRIx64 "h has %" PRIu64
				     " bytes within the file",
				     addr, size);
	for (uint64_t at = 0; size - at >= sizeof(Elf64_Rela); at += sizeof(Elf64_Rela)) {
		uint64_t place = u64_at(r, shdr.sh_offset + at);
		uint64_t info = u64_at(r, shdr.sh_offset + at + 8);

		if (ELF64_R_TYPE(info) == R_X86_64_NONE)
			continue;
		if (add_relocated(r, place / SGX_PAGE_SIZE))
			return -1;
		if (place % SGX_PAGE_SIZE > SGX_PAGE_SIZE - sizeof(uint64_t) &&
		    add_relocated(r, place / SGX_PAGE_SIZE + 1))
			return -1;
	}
	return 0;
}

/* With DT_TEXTREL, pages that hold a relocation are added with W. */
static int find_relocated(struct reader *r)
{
	uint64_t rela = 0, rela_size = 0, plt = 0, plt_size = 0;
	bool text = false;
	Elf64_Phdr phdr;
	Elf64_Dyn dyn;

	if (!elf_view_segment(&r->file, PT_DYNAMIC, &phdr) ||
	    !elf_view_within(&r->file, phdr.p_offset, phdr.p_filesz))
		return layout_refuse(r->error, "there is no dynamic segment within the file");
	for (uint64_t at = 0; phdr.p_filesz - at >= sizeof(dyn); at += sizeof(dyn)) {
		memcpy(&dyn, r->file.data + phdr.p_offset + at, sizeof(dyn));
		if (dyn.d_tag == DT_NULL)
			break;
		text |= dyn.d_tag == DT_TEXTREL;
		if (dyn.d_tag == DT_RELA)
			rela = dyn.d_un.d_ptr;
		else if (dyn.d_tag == DT_RELASZ)
			rela_size = dyn.d_un.d_val;
		else if (dyn.d_tag == DT_JMPREL)
			plt = dyn.d_un.d_ptr;
		else if (dyn.d_tag == DT_PLTRELSZ)
			plt_size = dyn.d_un.d_val;
	}
	if (!text)
		return 0;
	if (read_relocations(r, rela, rela_size) || read_relocations(r, plt, plt_size))
		return -1;
	if (r->relocated_count)
		qsort(r->relocated, r->relocated_count, sizeof(*r->relocated), by_number);
	return 0;
}

static bool is_relocated(const struct reader *r, uint64_t page)
{
	return r->relocated_count &&
	       bsearch(&page, r->relocated, r->relocated_count, sizeof(page), by_number);
}

/* One run of a segment's pages; index and pages count from the segment's first page. */
static int add_run(struct reader *r, const struct layout_extent *whole, uint64_t index,
		   uint64_t pages, bool writable)
{
	struct layout_extent x = *whole;
	uint64_t from = index * SGX_PAGE_SIZE;

	x.offset += from;
	x.pages = pages;
	if (writable)
		x.flags |= SGX_SECINFO_W_BIT;
	if (index) {
		uint64_t skip = from - x.lead;

		x.lead = 0;
		x.bytes += skip < x.size ? skip : x.size;
		x.size -= skip < x.size ? skip : x.size;
	}
	return layout_add(&r->m->layout, &x, r->error);
}

/* A segment; pages of which bytes are in the file may get W for a relocation. */
static int add_segment(struct reader *r, const struct layout_extent *x)
{
	uint64_t first = (x->offset - r->base) / SGX_PAGE_SIZE, start = 0;
	uint64_t filled = (x->lead + x->size + SGX_PAGE_SIZE - 1) / SGX_PAGE_SIZE;
	bool now, writable = false;

	if (!x->size || !r->relocated_count || x->flags & SGX_SECINFO_W_BIT)
		return add_run(r, x, 0, x->pages, false);
	for (uint64_t i = 0; i < filled; i++, writable = now) {
		now = is_relocated(r, first + i);
		if (now == writable)
			continue;
		if (add_run(r, x, start, i - start, writable))
			return -1;
		start = i;
	}
	if (add_run(r, x, start, filled - start, writable))
		return -1;
	return add_run(r, x, filled, x->pages - filled, false);
}

static uint64_t page_up(uint64_t n)
{
	return (n + SGX_PAGE_SIZE - 1) & SGX_PAGE_MASK;
}

static int segment_extent(struct reader *r, const struct elf_view *v, const Elf64_Phdr *p,
			  uint64_t moved, struct layout_extent *x)
{
	uint64_t size = p->p_memsz > p->p_filesz ? p->p_memsz : p->p_filesz;

	if (!elf_view_within(v, p->p_offset, p->p_filesz))
		return layout_refuse(r->error,
				     "a segment of %" PRIx64 "h bytes at %" PRIx64
				     "h lies beyond the end of the file",
				     p->p_filesz, p->p_offset);
	if (p->p_vaddr > r->enclave_size || size > r->enclave_size - p->p_vaddr ||
	    moved > r->enclave_size - p->p_vaddr - size)
		return layout_refuse(r->error,
				     "a segment of %" PRIx64 "h bytes at %" PRIx64
				     "h lies beyond the enclave's %" PRIx64 "h",
				     size, p->p_vaddr, r->enclave_size);
	if (!(p->p_flags & (PF_R | PF_W | PF_X)))
		return layout_refuse(r->error, "the segment at %" PRIx64 "h may not even be read",
				     p->p_vaddr);
	memset(x, 0, sizeof(*x));
	x->what = "segment";
	x->lead = p->p_vaddr % SGX_PAGE_SIZE;
	x->offset = r->base + ((p->p_vaddr + moved) & SGX_PAGE_MASK);
	x->pages = page_up(size + x->lead) / SGX_PAGE_SIZE;
	x->bytes = v->data + p->p_offset;
	x->size = p->p_filesz;
	x->measured = true;
	x->flags = (uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT;
	if (p->p_flags & PF_R)
		x->flags |= SGX_SECINFO_R_BIT;
	if (p->p_flags & PF_W)
		x->flags |= SGX_SECINFO_W_BIT;
	if (p->p_flags & PF_X)
		x->flags |= SGX_SECINFO_X_BIT;
	return 0;
}

/*
 * Metadata 1.3 was made by a loader that took a segment's size for whole pages from where
 * it begins: where it begins within a page, one page more is added behind it, if that is
 * free.  next is the segment that follows, or NULL.
 */
static int add_page_behind(struct reader *r, const Elf64_Phdr *last, const Elf64_Phdr *next)
{
	uint64_t end = page_up(last->p_vaddr + last->p_memsz);
	struct layout_extent x;

	if (r->m->major != 1 || r->m->minor != VERSION_GUARDED || !last->p_vaddr)
		return 0;
	if (end >= page_up(page_up(last->p_memsz) + last->p_vaddr) ||
	    (next && end >= (next->p_vaddr & SGX_PAGE_MASK)))
		return 0;
	if (segment_extent(r, &r->file, last, 0, &x))
		return -1;
	x.offset = r->base + end;
	x.pages = 1;
	x.size = 0;
	return layout_add(&r->m->layout, &x, r->error);
}

static int add_segments(struct reader *r)
{
	Elf64_Phdr p, last = {.p_vaddr = 0};
	struct layout_extent x;
	bool any = false;

	for (unsigned i = 0; i < r->file.ehdr.e_phnum; i++) {
		if (!elf_view_phdr(&r->file, i, &p))
			return layout_refuse(r->error, "program header %u lies beyond the file", i);
		if (p.p_type != PT_LOAD)
			continue;
		if (segment_extent(r, &r->file, &p, 0, &x) || add_page_behind(r, &last, &p) ||
		    add_segment(r, &x))
			return -1;
		any = true;
		if (p.p_vaddr > last.p_vaddr)
			last = p;
	}
	if (!any)
		return layout_refuse(r->error, "no segment is PT_LOAD");
	return add_page_behind(r, &last, NULL);
}

/* A second shared object in the file (a provider of cryptography), behind the first */
static int add_shared_object(struct reader *r, uint64_t at)
{
	uint64_t offset = u64_at(r, at), moved = u64_at(r, at + 8), size = u64_at(r, at + 16);
	struct layout_extent x;
	struct elf_view v;
	Elf64_Phdr p;

	if (!elf_view_within(&r->file, offset, size) ||
	    !elf_view_open(&v, r->file.data + offset, size))
		return layout_refuse(r->error,
				     "the extension's %" PRIu64 " bytes at %" PRIx64
				     "h in the file are no shared object",
				     size, offset);
	for (unsigned i = 0; elf_view_phdr(&v, i, &p); i++) {
		if (p.p_type != PT_LOAD)
			continue;
		/* Where it is moved by less than a page its lead would be another. */
		if (moved % SGX_PAGE_SIZE)
			return layout_refuse(r->error,
					     "the extension's place, %" PRIx64
					     "h, is not that of a page",
					     moved);
		if (segment_extent(r, &v, &p, moved, &x) || add_segment(r, &x))
			return -1;
	}
	return 0;
}

static int add_extensions(struct reader *r)
{
	unsigned generation = r->m->major % MAJOR_WITH_ELRANGE;
	uint64_t at, size, offset;

	if (generation == 2 || (generation == 1 && r->m->minor < 5) ||
	    (generation == 3 && r->m->minor < 2))
		return 0;
	if (find_table(r, TABLE_EXTENSION, EXTENSION_SIZE, &at, &size))
		return -1;
	for (uint64_t end = at + size; at < end; at += EXTENSION_SIZE) {
		if (u32_at(r, at) != EXTENSION_SHARED_OBJECT)
			continue;
		offset = u32_at(r, at + 8);
		if (!in_metadata(r, offset, 32))
			return layout_refuse(r->error,
					     "an extension at %" PRIu64
					     " lies outside the metadata",
					     offset);
		return add_shared_object(r, r->meta + offset); /* the loader takes the first */
	}
	return 0;
}

static const char *entry_name(uint16_t id)
{
	static const char *const names[] = {"layout",
					    "heap",
					    "heap",
					    "heap",
					    "TCS",
					    "thread data",
					    "SSA",
					    "stack",
					    "stack",
					    NULL,
					    "guard",
					    "heap",
					    "heap",
					    "heap",
					    "TCS",
					    "thread data",
					    "SSA",
					    "stack",
					    "stack",
					    NULL,
					    "reserved memory",
					    "reserved memory",
					    "reserved memory",
					    "user region"};

	if (id >= sizeof(names) / sizeof(names[0]) || !names[id])
		return "layout";
	return names[id];
}

/* One layout entry, moved by what its group has reached */
static int add_entry(struct reader *r, uint64_t at, uint64_t moved)
{
	uint16_t attributes = u16_at(r, at + 2);
	uint32_t size = u32_at(r, at + 16), offset = u32_at(r, at + 20);
	uint64_t flags = u64_at(r, at + 24), place = u64_at(r, at + 8) + moved;
	struct layout_extent x = {
		.offset = r->base + place,
		.pages = u32_at(r, at + 4),
		.flags = flags,
		.what = entry_name(u16_at(r, at)),
		.measured = (attributes & ATTR_EEXTEND) != 0,
	};

	if (place >= r->enclave_size || x.pages > (r->enclave_size - place) / SGX_PAGE_SIZE)
		return layout_refuse(r->error,
				     "%s: %" PRIu64 " pages at %" PRIx64
				     "h lie beyond the enclave's %" PRIx64 "h",
				     x.what, x.pages, place, r->enclave_size);
	if (!(attributes & ATTR_EADD))
		return 0; /* room for EAUG */
	if (offset) {
		if (!in_metadata(r, offset, size))
			return layout_refuse(r->error,
					     "%s: its contents, %" PRIu32 " bytes at %" PRIu32
					     ", lie outside the metadata",
					     x.what, size, offset);
		x.bytes = r->file.data + r->meta + offset;
		x.size = size;
		if (flags == (uint64_t)SGX_PT_TCS << SGX_SECINFO_PT_SHIFT) {
			if (size > SGX_PAGE_SIZE)
				return layout_refuse(r->error, "%s: %" PRIu32 " bytes of contents",
						     x.what, size);
			x.each = true;
			x.tcs_delta = place;
		} else {
			/* as a segment's: always measured, and as many pages as its bytes take */
			x.measured = true;
			if (x.pages < page_up(size) / SGX_PAGE_SIZE)
				x.pages = page_up(size) / SGX_PAGE_SIZE;
		}
	} else if (flags) {
		x.fill = size;
	} else {
		return 0; /* a guard: addresses alone */
	}
	return layout_add(&r->m->layout, &x, r->error);
}

/* A group loads the entries before it once more for each of its times. */
static int add_group(struct reader *r, uint64_t first, uint64_t at)
{
	uint16_t count = u16_at(r, at + 2);
	uint32_t times = u32_at(r, at + 4);
	uint64_t step = u64_at(r, at + 8), start = at - (uint64_t)count * ENTRY_SIZE, moved = 0;

	if (count > (at - first) / ENTRY_SIZE)
		return layout_refuse(r->error,
				     "a group of %u entries, where %" PRIu64 " go before it", count,
				     (at - first) / ENTRY_SIZE);
	for (uint64_t entry = start; entry < at; entry += ENTRY_SIZE)
		if (u16_at(r, entry) & ID_GROUP)
			return layout_refuse(r->error, "a group that has a group in it");
	/* Entries without pages count as well: their number is what takes time. */
	r->group_entries += (uint64_t)times * count;
	if (r->group_entries > LAYOUT_EXTENTS_MAX)
		return layout_refuse(r->error,
				     "groups that load more than %zu entries: one of %u, %" PRIu32
				     " times",
				     LAYOUT_EXTENTS_MAX, count, times);
	for (uint32_t i = 0; i < times && count; i++) {
		if (step > r->enclave_size - moved)
			return layout_refuse(r->error,
					     "a group of %" PRIu32 " times %" PRIx64
					     "h bytes, beyond the enclave's %" PRIx64 "h",
					     times, step, r->enclave_size);
		moved += step;
		for (uint64_t entry = start; entry < at; entry += ENTRY_SIZE)
			if (add_entry(r, entry, moved))
				return -1;
	}
	return 0;
}

static int add_layouts(struct reader *r)
{
	uint64_t first, size;

	if (find_table(r, TABLE_LAYOUT, ENTRY_SIZE, &first, &size))
		return -1;
	for (uint64_t at = first; at < first + size; at += ENTRY_SIZE) {
		int ret = u16_at(r, at) & ID_GROUP ? add_group(r, first, at) : add_entry(r, at, 0);

		if (ret)
			return ret;
	}
	return 0;
}

/**
 * sgxmeta_read() - an enclave by one of its metadata
 * @m: filled in where 1 is returned; sgxmeta_free() it then
 * @data: a file, any bytes at all; not needed any more afterwards
 * @size: their number
 * @index: of the metadata, from 0
 * @error: what is wrong, where -1 is returned
 *
 * Return: 1; 0 where there are not so many metadata (of index 0: it is not signed); -1.
 */
int sgxmeta_read(struct sgxmeta *m, const void *data, size_t size, unsigned index,
		 char error[LAYOUT_MESSAGE_SIZE])
{
	struct reader r = {.m = m, .error = error};
	int ret;

	memset(m, 0, sizeof(*m));
	m->image = malloc(size ? size : 1);
	if (!m->image)
		return layout_refuse(error, "no memory for a copy of %zu bytes", size);
	memcpy(m->image, data, size);
	if (!elf_view_open(&r.file, m->image, size)) {
		ret = layout_refuse(error, "it is no ELF file for x86-64");
		goto free;
	}
	ret = find_metadata(&r, index);
	if (ret <= 0)
		goto free;
	/* The loader reads relocations and segments before it patches the file, headers too. */
	ret = -1;
	if (read_header(&r) || find_relocated(&r) || add_segments(&r) || patch(&r) ||
	    add_extensions(&r) || add_layouts(&r) || layout_check(&m->layout, error))
		goto free;
	free(r.relocated);
	return 1;

free:
	free(r.relocated);
	sgxmeta_free(m);
	return ret;
}

/**
 * sgxmeta_free() - forget an enclave
 * @m: read before
 */
void sgxmeta_free(struct sgxmeta *m)
{
	layout_free(&m->layout);
	free(m->image);
	m->image = NULL;
}
