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
 * a size) and in the FDEs of .eh_frame, which survive strip. What
 * follows from there is in cpuid_walk.c: control flow, not mere decoding from
 * the start to the end, because almost any bytes are instructions.
 *
 * Not found: code in stripped files without .eh_frame (Go), blocks entered only
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpuid_walk.h"

#define MAX_CANDS (1u << 16)
#define MAX_FUNCS (1u << 18)
#define MAX_AUG	  8 /* characters of an augmentation string */

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

static void add_func(struct scan *s, uint64_t vaddr, uint64_t size)
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
		add_func(s, sym.st_value, sym.st_size);
	}
}

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
			add_func(s, start, range);
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
static bool add_eh_frame_hdr(struct scan *s, uint64_t vaddr)
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

/* One symbol table of each kind, and .eh_frame where the program headers had none. */
static void read_sections(struct scan *s, const Elf64_Ehdr *eh, bool want_eh_frame)
{
	static const char name[] = ".eh_frame";
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
		} else if (want_eh_frame && sh.sh_type != SHT_NOBITS && sh.sh_name < str.sh_size &&
			   str.sh_size - sh.sh_name >= sizeof(name) &&
			   !memcmp(s->image + str.sh_offset + sh.sh_name, name, sizeof(name)) &&
			   in_image(s, sh.sh_offset, sh.sh_size)) {
			struct reader r = {
				.p = s->image + sh.sh_offset,
				.size = sh.sh_size,
				.vaddr = sh.sh_addr,
			};

			want_eh_frame = false;
			add_eh_frame(s, r, true);
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
		read_sections(&s, &eh, !hdr || !add_eh_frame_hdr(&s, hdr));
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

/**
 * inject_cpuid_can_fault() - whether CPUID can be made to fault here
 *
 * arch_prctl(2): ARCH_CPUID with 0 makes CPUID raise SIGSEGV in the calling
 * thread, and gives ENODEV where the processor cannot. So it is tried in a
 * child. The child has no exit signal: it is reaped here even where SIGCHLD is
 * ignored, and no other waitpid(-1) of this program can take it. It runs on a
 * copy of this stack and makes two system calls.
 *
 * Return: 1 or 0; 0 too where no child could be made.
 */
int inject_cpuid_can_fault(void)
{
	const long arch_cpuid = 0x1012; /* ARCH_SET_CPUID of <asm/prctl.h> */
	int status;
	long pid;

	pid = syscall(SYS_clone, 0ul, 0ul, 0ul, 0ul, 0ul);
	if (pid < 0)
		return 0;
	if (!pid) {
		long ret = syscall(SYS_arch_prctl, arch_cpuid, 0ul);

		syscall(SYS_exit_group, ret ? 1ul : 0ul);
		__builtin_unreachable();
	}
	while (waitpid((pid_t)pid, &status, __WCLONE) < 0)
		if (errno != EINTR)
			return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
