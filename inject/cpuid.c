/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which 0F A2 in an ELF file are CPUID instructions, for certain.
 *
 * The two bytes will be overwritten in the program's memory, so a wrong answer
 * corrupts an immediate, a displacement or a table, silently; a missed one only
 * lets one CPUID through to the processor. Everything here leans to missing.
 *
 * What we start from should be true: a function's start and extent as the
 * linker wrote it down, in .symtab and .dynsym (STT_FUNC and STT_GNU_IFUNC with
 * a size), in the FDEs of .eh_frame and in the table of Go's runtime, which
 * survive strip. What follows from there is in cpuid_walk.c: control flow, not mere decoding from
 * the start to the end, because almost any bytes are instructions.
 *
 * Not found: code in stripped files without .eh_frame, blocks entered only
 * by the unwinder (C++ catch) or from another function (all but the first block
 * of a .cold part), and code that is not in the file.
 *
 * Speed: the byte pair is searched first. Only functions that contain it are
 * decoded; of a file without it nothing else is read.
 *
 * The image is not trusted. Work and memory are bounded by a small multiple of
 * its size, whatever it says; a file beyond the limits below was made by no
 * compiler and gets the answer 0.
 */
#include <inject/cpuid.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpuid_walk.h"

#define MAX_CANDS (1u << 16)
#define MAX_FUNCS (1u << 18)

static bool in_image(const struct scan *s, uint64_t off, uint64_t size)
{
	return off <= s->size && size <= s->size - off;
}

const struct load *cpuid_load_of(const struct scan *s, uint64_t vaddr, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < s->nr_loads; i++) {
		const struct load *l = &s->load[i];

		if (vaddr >= l->vaddr && vaddr - l->vaddr <= l->size &&
		    size <= l->size - (vaddr - l->vaddr))
			return l;
	}
	return NULL;
}

/* Room for one more element; on failure s->err says why. */
static bool grow(struct scan *s, void **array, size_t elem, size_t count, size_t *cap, size_t max)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *p;

	if (count < *cap)
		return true;
	if (count >= max) {
		s->err = -E2BIG;
		return false;
	}
	p = realloc(*array, want * elem);
	if (!p) {
		s->err = -ENOMEM;
		return false;
	}
	*array = p;
	*cap = want;
	return true;
}

/* ---- the byte pairs ------------------------------------------------------ */

/* A2 is the rarer of the two bytes. Both must lie in [from, to). */
static void find_pairs(struct scan *s, uint64_t from, uint64_t to)
{
	const uint8_t *p = s->image + from + 1;
	const uint8_t *end = s->image + to;

	while (p < end && (p = memchr(p, 0xa2, (size_t)(end - p)))) {
		if (p[-1] == 0x0f) {
			if (!grow(s, (void **)&s->cand, sizeof(*s->cand), s->nr_cands,
				  &s->cap_cands, MAX_CANDS))
				return;
			s->cand[s->nr_cands++] = (struct cand){
				.off = (uint64_t)(p - 1 - s->image),
			};
		}
		p++;
	}
}

static int cmp_load(const void *a, const void *b)
{
	const struct load *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

/* Ascending and unique, also where segments overlap in the file. */
static void find_cands(struct scan *s)
{
	struct load x[MAX_LOADS];
	uint64_t done = 0;
	unsigned int i, n = 0;

	for (i = 0; i < s->nr_loads; i++)
		if (s->load[i].exec)
			x[n++] = s->load[i];
	qsort(x, n, sizeof(x[0]), cmp_load);
	for (i = 0; i < n && !s->err; i++) {
		uint64_t from = x[i].off, to = x[i].off + x[i].size;

		/* A pair across the end of the one before was not counted. */
		if (done && from < done - 1)
			from = done - 1;
		if (to < from + CPUID_SIZE)
			continue;
		find_pairs(s, from, to);
		s->exec_bytes += to - from;
		if (to > done)
			done = to;
	}
}

size_t cpuid_cand_from(const struct scan *s, uint64_t off)
{
	size_t lo = 0, hi = s->nr_cands;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->cand[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* ---- function extents ---------------------------------------------------- */

void cpuid_add_func(struct scan *s, uint64_t vaddr, uint64_t size)
{
	const struct load *l;
	uint64_t off;
	size_t i;

	if (s->err || size < CPUID_SIZE || size > UINT32_MAX)
		return;
	l = cpuid_load_of(s, vaddr, size);
	if (!l || !l->exec)
		return;
	/* Linkers leave 0 for functions that they dropped: that is no code. */
	off = l->off + (vaddr - l->vaddr);
	if (off < sizeof(Elf64_Ehdr))
		return;
	i = cpuid_cand_from(s, off);
	if (i == s->nr_cands || s->cand[i].off - off > size - CPUID_SIZE)
		return;
	if (!grow(s, (void **)&s->func, sizeof(*s->func), s->nr_funcs, &s->cap_funcs, MAX_FUNCS))
		return;
	s->func[s->nr_funcs++] = (struct func){off, vaddr, (uint32_t)size};
}

static void add_symbols(struct scan *s, const Elf64_Shdr *sh)
{
	uint64_t i, count = sh->sh_size / sizeof(Elf64_Sym);
	Elf64_Sym sym;

	if (sh->sh_entsize != sizeof(sym) || !in_image(s, sh->sh_offset, sh->sh_size))
		return;
	for (i = 0; i < count && !s->err; i++) {
		unsigned int type;

		memcpy(&sym, s->image + sh->sh_offset + i * sizeof(sym), sizeof(sym));
		type = ELF64_ST_TYPE(sym.st_info);
		if (type != STT_FUNC && type != STT_GNU_IFUNC)
			continue;
		if (sym.st_shndx == SHN_UNDEF || sym.st_shndx >= SHN_LORESERVE)
			continue;
		cpuid_add_func(s, sym.st_value, sym.st_size);
	}
}

/* ---- the file ------------------------------------------------------------ */

/* PT_LOADs into @s. Return: the address of .eh_frame_hdr, or 0. */
static uint64_t read_phdrs(struct scan *s, const Elf64_Ehdr *eh)
{
	uint64_t hdr = 0;
	unsigned int i;
	Elf64_Phdr ph;

	if (eh->e_phentsize != sizeof(ph) ||
	    !in_image(s, eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(ph)))
		return 0;
	for (i = 0; i < eh->e_phnum; i++) {
		uint64_t size;

		memcpy(&ph, s->image + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_GNU_EH_FRAME)
			hdr = ph.p_vaddr;
		if (ph.p_type != PT_LOAD || s->nr_loads == MAX_LOADS || ph.p_offset > s->size)
			continue;
		size = s->size - ph.p_offset;
		if (ph.p_filesz < size)
			size = ph.p_filesz;
		if (ph.p_vaddr + size < ph.p_vaddr)
			continue;
		s->load[s->nr_loads++] = (struct load){
			.vaddr = ph.p_vaddr,
			.off = ph.p_offset,
			.size = size,
			.exec = ph.p_flags & PF_X,
		};
	}
	return hdr;
}

static bool section(const struct scan *s, const Elf64_Ehdr *eh, unsigned int i, Elf64_Shdr *sh)
{
	if (eh->e_shentsize != sizeof(*sh) || i >= eh->e_shnum ||
	    !in_image(s, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(*sh)))
		return false;
	memcpy(sh, s->image + eh->e_shoff + (uint64_t)i * sizeof(*sh), sizeof(*sh));
	return true;
}

/* Is that its name, and all of it in the file? */
static bool is_section(const struct scan *s, const Elf64_Shdr *str, const Elf64_Shdr *sh,
		       const char *name)
{
	size_t size = strlen(name) + 1;

	return sh->sh_type != SHT_NOBITS && sh->sh_name < str->sh_size &&
	       str->sh_size - sh->sh_name >= size &&
	       !memcmp(s->image + str->sh_offset + sh->sh_name, name, size) &&
	       in_image(s, sh->sh_offset, sh->sh_size);
}

/*
 * One symbol table of each kind, .eh_frame where the program headers had none, and
 * Go's table.
 */
static void read_sections(struct scan *s, const Elf64_Ehdr *eh, bool want_eh_frame)
{
	bool want_go = true;
	bool symtab = false, dynsym = false;
	Elf64_Shdr sh, str;
	unsigned int i;

	if (!section(s, eh, eh->e_shstrndx, &str) || !in_image(s, str.sh_offset, str.sh_size))
		str.sh_size = 0;
	for (i = 0; section(s, eh, i, &sh) && !s->err; i++) {
		if (sh.sh_type == SHT_SYMTAB && !symtab) {
			symtab = true;
			add_symbols(s, &sh);
		} else if (sh.sh_type == SHT_DYNSYM && !dynsym) {
			dynsym = true;
			add_symbols(s, &sh);
		} else if (want_go && is_section(s, &str, &sh, ".gopclntab")) {
			want_go = false;
			cpuid_gopclntab(s, sh.sh_offset, sh.sh_size);
		} else if (want_eh_frame && is_section(s, &str, &sh, ".eh_frame")) {
			want_eh_frame = false;
			cpuid_eh_frame(s, sh.sh_offset, sh.sh_size, sh.sh_addr);
		}
	}
}

long inject_cpuid_scan(const uint8_t *image, size_t size, uint64_t *offsets, size_t max)
{
	struct scan s = {.image = image, .size = size};
	uint64_t hdr;
	Elf64_Ehdr eh;
	long count = 0;
	size_t i;

	if (size < sizeof(eh))
		return -ENOEXEC;
	memcpy(&eh, image, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_X86_64 ||
	    (eh.e_type != ET_EXEC && eh.e_type != ET_DYN))
		return -ENOEXEC;
	s.fixed = eh.e_type == ET_EXEC;

	hdr = read_phdrs(&s, &eh);
	find_cands(&s);
	if (s.nr_cands && !s.err) {
		read_sections(&s, &eh, !hdr || !cpuid_eh_frame_hdr(&s, hdr));
		if (!s.err)
			cpuid_walk_funcs(&s);
	}
	for (i = 0; i < s.nr_cands && !s.err; i++) {
		if (!s.cand[i].hit || s.cand[i].clash)
			continue;
		if ((size_t)count < max)
			offsets[count] = s.cand[i].off;
		count++;
	}
	free(s.func);
	free(s.cand);
	return count;
}
