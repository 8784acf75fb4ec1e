/* SPDX-License-Identifier: BSD-3-Clause */
#include "enclave_elf.h"

#include <cpu/measure.h>
#include <elf.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static uint64_t page_up(uint64_t n)
{
	return (n + SGX_PAGE_SIZE - 1) & SGX_PAGE_MASK;
}

static int refuse(char error[ENCLAVE_MESSAGE_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(char error[ENCLAVE_MESSAGE_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, ENCLAVE_MESSAGE_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}

static void warn(struct enclave_elf *elf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct enclave_elf *elf, const char *fmt, ...)
{
	va_list ap;

	if (elf->warning_count < ENCLAVE_WARNINGS_MAX) {
		va_start(ap, fmt);
		vsnprintf(elf->warnings[elf->warning_count], ENCLAVE_MESSAGE_SIZE, fmt, ap);
		va_end(ap);
	}
	elf->warning_count++;
}

static int parse_options(struct enclave_elf *elf, char *error)
{
	const struct enclave_options *o = &elf->options;

	if (o->heap_size % SGX_PAGE_SIZE)
		return refuse(error, "the heap's size 0x%" PRIx64 " is not a multiple of 4096",
			      o->heap_size);
	if (o->heap_size > ENCLAVE_ELRANGE_MAX)
		return refuse(error, "the heap's size 0x%" PRIx64 " is larger than 0x%" PRIx64,
			      o->heap_size, ENCLAVE_ELRANGE_MAX);
	if (!o->ssaframesize || o->ssaframesize > ENCLAVE_SSAFRAMESIZE_MAX)
		return refuse(error, "SSAFRAMESIZE %" PRIu32 " is not in 1..%u", o->ssaframesize,
			      ENCLAVE_SSAFRAMESIZE_MAX);
	return 0;
}

static int parse_ehdr(struct enclave_elf *elf, Elf64_Ehdr *ehdr, char *error)
{
	uint64_t table_size;

	if (elf->file_size < SELFMAG || memcmp(elf->file, ELFMAG, SELFMAG))
		return refuse(error, "not an ELF file: it does not begin with 7f 45 4c 46");
	if (elf->file_size < sizeof(*ehdr))
		return refuse(error, "the file's %zu bytes end inside the ELF header of %zu",
			      elf->file_size, sizeof(*ehdr));
	memcpy(ehdr, elf->file, sizeof(*ehdr));
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64)
		return refuse(error, "e_ident[EI_CLASS] is %u, not %u (64-bit)",
			      ehdr->e_ident[EI_CLASS], ELFCLASS64);
	if (ehdr->e_ident[EI_DATA] != ELFDATA2LSB)
		return refuse(error, "e_ident[EI_DATA] is %u, not %u (little-endian)",
			      ehdr->e_ident[EI_DATA], ELFDATA2LSB);
	if (ehdr->e_ident[EI_VERSION] != EV_CURRENT || ehdr->e_version != EV_CURRENT)
		return refuse(error, "e_ident[EI_VERSION] is %u and e_version %" PRIu32 ", not 1",
			      ehdr->e_ident[EI_VERSION], ehdr->e_version);
	if (ehdr->e_machine != EM_X86_64)
		return refuse(error, "e_machine is %u, not %u (x86-64)", ehdr->e_machine,
			      EM_X86_64);
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return refuse(error, "e_type is %u: not a linked program or shared object",
			      ehdr->e_type);
	if (ehdr->e_phentsize != sizeof(Elf64_Phdr))
		return refuse(error, "e_phentsize is %u, not %zu", ehdr->e_phentsize,
			      sizeof(Elf64_Phdr));
	if (!ehdr->e_phnum || ehdr->e_phnum == PN_XNUM)
		return refuse(error, "e_phnum is %u: no program headers that can be used",
			      ehdr->e_phnum);
	table_size = (uint64_t)ehdr->e_phnum * sizeof(Elf64_Phdr);
	if (ehdr->e_phoff > elf->file_size || table_size > elf->file_size - ehdr->e_phoff)
		return refuse(error,
			      "e_phoff 0x%" PRIx64 " with e_phnum %u reaches past the end of "
			      "the file (%zu bytes)",
			      ehdr->e_phoff, ehdr->e_phnum, elf->file_size);
	elf->entry = ehdr->e_entry;
	return 0;
}

/* One PT_LOAD by itself: fields that contradict the file or the rule */
static int check_phdr(const struct enclave_elf *elf, unsigned i, const Elf64_Phdr *p, char *error)
{
	if (p->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X))
		return refuse(error,
			      "program header %u: p_flags 0x%" PRIx32 " has bits besides "
			      "PF_R, PF_W and PF_X",
			      i, p->p_flags);
	if (p->p_offset % SGX_PAGE_SIZE)
		return refuse(error,
			      "program header %u: p_offset 0x%" PRIx64 " is not a multiple of "
			      "4096",
			      i, p->p_offset);
	if (p->p_offset > elf->file_size)
		return refuse(error,
			      "program header %u: p_offset 0x%" PRIx64 " is past the end of "
			      "the file (%zu bytes)",
			      i, p->p_offset, elf->file_size);
	if (p->p_filesz > elf->file_size - p->p_offset)
		return refuse(error,
			      "program header %u: p_filesz 0x%" PRIx64 " at p_offset 0x%" PRIx64
			      " reaches past the end of the file (%zu bytes)",
			      i, p->p_filesz, p->p_offset, elf->file_size);
	if (!p->p_filesz)
		return refuse(error,
			      "program header %u: p_filesz is 0 (p_memsz 0x%" PRIx64 "): nothing "
			      "would be loaded; put .bss into .data",
			      i, p->p_memsz);
	if (p->p_memsz < p->p_filesz)
		return refuse(error,
			      "program header %u: p_memsz 0x%" PRIx64 " is smaller than p_filesz "
			      "0x%" PRIx64,
			      i, p->p_memsz, p->p_filesz);
	if (p->p_memsz > page_up(p->p_filesz))
		return refuse(error,
			      "program header %u: p_memsz 0x%" PRIx64 " needs pages that "
			      "p_filesz 0x%" PRIx64 " does not load; put .bss into .data",
			      i, p->p_memsz, p->p_filesz);
	/* Linux refuses such a SECINFO with EINVAL, the processor with #GP */
	if ((p->p_flags & PF_W) && !(p->p_flags & PF_R))
		return refuse(error,
			      "program header %u: p_flags 0x%" PRIx32 " allows writing without "
			      "reading, which SGX has not",
			      i, p->p_flags);
	return 0;
}

/* Bytes of the last page that are not the segment's but are loaded with it */
static void check_tail(struct enclave_elf *elf, const struct enclave_segment *s,
		       const Elf64_Phdr *p)
{
	uint64_t at = s->file_offset + s->file_size;
	uint64_t end = s->file_offset + s->size;

	if (end > elf->file_size)
		end = elf->file_size;
	for (; at < end; at++) {
		if (!elf->file[at])
			continue;
		warn(elf,
		     "program header %u: file offset 0x%" PRIx64 " is past p_filesz 0x%" PRIx64
		     "%s, yet loaded and measured with its page; end the section with "
		     ". = ALIGN(4096)",
		     s->phdr, at, p->p_filesz,
		     at - s->file_offset < p->p_memsz ? " and inside p_memsz" : "");
		return;
	}
}

static int add_segment(struct enclave_elf *elf, unsigned i, const Elf64_Phdr *p,
		       const Elf64_Phdr *first, char *error)
{
	struct enclave_segment *s = &elf->segments[elf->segment_count];
	const struct enclave_segment *prev = s - 1;

	if (elf->segment_count == ENCLAVE_SEGMENTS_MAX)
		return refuse(error, "program header %u: more than %u PT_LOAD segments", i,
			      ENCLAVE_SEGMENTS_MAX);
	memset(s, 0, sizeof(*s));
	s->phdr = i;
	s->file_offset = p->p_offset;
	s->file_size = p->p_filesz;
	s->size = page_up(p->p_filesz);
	if (!elf->segment_count) {
		if (p->p_flags != (PF_R | PF_W))
			return refuse(error,
				      "program header %u: p_flags 0x%" PRIx32 " of the first "
				      "PT_LOAD, which holds the TCS pages, is not PF_R|PF_W",
				      i, p->p_flags);
		if (p->p_filesz % SGX_PAGE_SIZE)
			return refuse(error,
				      "program header %u: p_filesz 0x%" PRIx64 " of the first "
				      "PT_LOAD is not a whole number of TCS pages",
				      i, p->p_filesz);
		/* EADD clears R, W and X of a TCS before it measures SECINFO */
		s->secinfo_flags = (uint64_t)SGX_PT_TCS << SGX_SECINFO_PT_SHIFT;
		elf->tcs_count = s->size / SGX_PAGE_SIZE;
	} else {
		if (p->p_offset < prev->file_offset + prev->size)
			return refuse(error,
				      "program header %u: p_offset 0x%" PRIx64 " lies before the "
				      "end 0x%" PRIx64 " of program header %u: they overlap or "
				      "are out of order",
				      i, p->p_offset, prev->file_offset + prev->size, prev->phdr);
		/* Wraps around alike on both sides, whatever the file says */
		if (p->p_vaddr - first->p_vaddr != p->p_offset - first->p_offset)
			return refuse(error,
				      "program header %u: p_vaddr 0x%" PRIx64 " is not where "
				      "p_offset 0x%" PRIx64 " puts it (0x%" PRIx64 ")",
				      i, p->p_vaddr, p->p_offset,
				      first->p_vaddr + (p->p_offset - first->p_offset));
		s->offset = p->p_offset - first->p_offset;
		s->secinfo_flags = (uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT;
		if (p->p_flags & PF_R)
			s->secinfo_flags |= SGX_SECINFO_R_BIT;
		if (p->p_flags & PF_W)
			s->secinfo_flags |= SGX_SECINFO_W_BIT;
		if (p->p_flags & PF_X)
			s->secinfo_flags |= SGX_SECINFO_X_BIT;
		if (!p->p_flags)
			warn(elf, "program header %u: p_flags is 0: nothing can use these pages",
			     i);
	}
	elf->segment_count++;
	check_tail(elf, s, p);
	return 0;
}

static int parse_segments(struct enclave_elf *elf, const Elf64_Ehdr *ehdr, char *error)
{
	Elf64_Phdr p, first;

	memset(&first, 0, sizeof(first));
	for (unsigned i = 0; i < ehdr->e_phnum; i++) {
		memcpy(&p, elf->file + ehdr->e_phoff + (uint64_t)i * sizeof(p), sizeof(p));
		if (p.p_type == PT_DYNAMIC || p.p_type == PT_INTERP)
			warn(elf,
			     "program header %u: p_type %s: an enclave has no dynamic linker; "
			     "link it with -static and -no-pie",
			     i, p.p_type == PT_INTERP ? "PT_INTERP" : "PT_DYNAMIC");
		if (p.p_type != PT_LOAD)
			continue;
		if (check_phdr(elf, i, &p, error))
			return -1;
		if (!elf->segment_count)
			first = p;
		if (add_segment(elf, i, &p, &first, error))
			return -1;
	}
	if (!elf->segment_count)
		return refuse(error, "e_phnum is %u, but no program header is PT_LOAD",
			      ehdr->e_phnum);
	return 0;
}

static int lay_out(struct enclave_elf *elf, char *error)
{
	struct enclave_segment *last = &elf->segments[elf->segment_count - 1];

	elf->used_size = last->offset + last->size;
	if (elf->options.heap_size) {
		struct enclave_segment *heap = &elf->segments[elf->segment_count++];

		memset(heap, 0, sizeof(*heap));
		heap->heap = true;
		heap->offset = elf->used_size;
		heap->size = elf->options.heap_size;
		heap->secinfo_flags = (uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT |
				      SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT;
		elf->used_size += heap->size;
	}
	if (elf->used_size > ENCLAVE_ELRANGE_MAX)
		return refuse(error,
			      "segments and heap take 0x%" PRIx64 " bytes, more than the 0x%" PRIx64
			      " that fit in an address space",
			      elf->used_size, ENCLAVE_ELRANGE_MAX);
	if (elf->used_size <= SGX_PAGE_SIZE)
		return refuse(error,
			      "the file loads one page: ECREATE wants an enclave of at least "
			      "two, and a TCS needs an SSA");
	for (elf->elrange = SGX_PAGE_SIZE; elf->elrange < elf->used_size;)
		elf->elrange <<= 1;
	for (unsigned i = 0; i < elf->segment_count; i++)
		elf->page_count += elf->segments[i].size / SGX_PAGE_SIZE;
	return 0;
}

/* Do pages with these SECINFO bits hold [offset, offset + size) without a gap? */
static bool pages_allow(const struct enclave_elf *elf, uint64_t offset, uint64_t size,
			uint64_t bits)
{
	for (unsigned i = 1; size && i < elf->segment_count; i++) {
		const struct enclave_segment *s = &elf->segments[i];
		uint64_t here;

		if (offset < s->offset || offset - s->offset >= s->size)
			continue;
		if ((s->secinfo_flags & bits) != bits)
			return false;
		here = s->size - (offset - s->offset);
		if (here >= size)
			return true;
		offset += here;
		size -= here;
	}
	return !size;
}

/* What EADD or EENTER will not like about one TCS */
static void check_tcs(struct enclave_elf *elf, uint64_t i, const struct sgx_tcs *file_tcs)
{
	const struct sgx_tcs *t = file_tcs;
	uint64_t frame = (uint64_t)elf->options.ssaframesize * SGX_PAGE_SIZE;
	uint64_t rw = SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT;

	if (t->state || t->cssa || t->aep || (t->flags & SGX_TCS_DBGOPTIN_BIT))
		warn(elf,
		     "TCS %" PRIu64 ": STATE 0x%" PRIx64 ", CSSA %" PRIu32 ", AEP 0x%" PRIx64
		     ", FLAGS 0x%" PRIx64 ": EADD clears STATE, CSSA, AEP and DBGOPTIN",
		     i, t->state, t->cssa, t->aep, t->flags);
	if (t->flags & ~(SGX_TCS_DBGOPTIN_BIT | SGX_TCS_AEXNOTIFY_BIT))
		warn(elf, "TCS %" PRIu64 ": FLAGS 0x%" PRIx64 " has reserved bits", i, t->flags);
	for (size_t k = 0; k < sizeof(t->rsvd); k++) {
		if (!t->rsvd[k])
			continue;
		warn(elf, "TCS %" PRIu64 ": reserved byte %zu is 0x%02x: EADD faults", i,
		     offsetof(struct sgx_tcs, rsvd) + k, t->rsvd[k]);
		break;
	}
	if (!t->nssa)
		warn(elf, "TCS %" PRIu64 ": NSSA is 0: EENTER faults", i);
	else if (t->ossa % SGX_PAGE_SIZE)
		warn(elf, "TCS %" PRIu64 ": OSSA 0x%" PRIx64 " is not a multiple of 4096", i,
		     t->ossa);
	else if (!pages_allow(elf, t->ossa, t->nssa * frame, rw))
		warn(elf,
		     "TCS %" PRIu64 ": OSSA 0x%" PRIx64 ", NSSA %" PRIu32 " of %" PRIu32
		     " pages: not all on pages of this enclave that can be written",
		     i, t->ossa, t->nssa, elf->options.ssaframesize);
	if (!pages_allow(elf, t->oentry, 1, SGX_SECINFO_X_BIT))
		warn(elf, "TCS %" PRIu64 ": OENTRY 0x%" PRIx64 " is not on an executable page", i,
		     t->oentry);
	if (t->ofsbase % SGX_PAGE_SIZE || t->ogsbase % SGX_PAGE_SIZE)
		warn(elf,
		     "TCS %" PRIu64 ": OFSBASE 0x%" PRIx64 " or OGSBASE 0x%" PRIx64
		     " is not a multiple of 4096",
		     i, t->ofsbase, t->ogsbase);
	if ((t->fslimit & 0xfff) != 0xfff || (t->gslimit & 0xfff) != 0xfff)
		warn(elf,
		     "TCS %" PRIu64 ": FSLIMIT 0x%" PRIx32 " or GSLIMIT 0x%" PRIx32
		     " does not end in fff",
		     i, t->fslimit, t->gslimit);
}

/**
 * enclave_elf_parse() - check an enclave file and lay it out
 * @elf: filled in; on failure its contents mean nothing
 * @file: any bytes at all; must stay as long as @elf is used
 * @size: their number
 * @options: heap and SSA frame size
 * @error: on failure, the first thing that is wrong, naming field and value
 *
 * Return: 0, or -1 if the file cannot be loaded by the rule above.
 */
int enclave_elf_parse(struct enclave_elf *elf, const void *file, size_t size,
		      const struct enclave_options *options, char error[ENCLAVE_MESSAGE_SIZE])
{
	Elf64_Ehdr ehdr;
	struct sgx_tcs tcs;

	memset(elf, 0, sizeof(*elf));
	elf->file = file;
	elf->file_size = size;
	elf->options = *options;
	if (parse_options(elf, error) || parse_ehdr(elf, &ehdr, error) ||
	    parse_segments(elf, &ehdr, error) || lay_out(elf, error))
		return -1;
	for (uint64_t i = 0; enclave_elf_tcs(elf, i, &tcs); i++)
		check_tcs(elf, i, &tcs);
	return 0;
}

/**
 * enclave_elf_tcs() - a TCS as the file has it, before EADD clears fields
 * @elf: the enclave
 * @index: from 0
 * @tcs: filled in
 *
 * Return: false where there is no such TCS.
 */
bool enclave_elf_tcs(const struct enclave_elf *elf, uint64_t index, struct sgx_tcs *tcs)
{
	if (index >= elf->tcs_count)
		return false;
	memcpy(tcs, elf->file + elf->segments[0].file_offset + index * SGX_PAGE_SIZE, sizeof(*tcs));
	return true;
}

/**
 * enclave_elf_next_page() - the pages in the order in which they are added
 * @elf: the enclave
 * @iter: all zeros before the first call
 * @page: filled in with what EADD leaves in the EPC
 *
 * Return: false when there are no more.
 */
bool enclave_elf_next_page(const struct enclave_elf *elf, struct enclave_iter *iter,
			   struct enclave_page *page)
{
	const struct enclave_segment *s;
	uint64_t from, size;

	while (iter->segment < elf->segment_count &&
	       iter->done == elf->segments[iter->segment].size) {
		iter->segment++;
		iter->done = 0;
	}
	if (iter->segment >= elf->segment_count)
		return false;
	s = &elf->segments[iter->segment];
	page->offset = s->offset + iter->done;
	page->secinfo_flags = s->secinfo_flags;
	page->measured = !s->heap;
	memset(page->bytes, 0, sizeof(page->bytes));
	if (!s->heap) {
		from = s->file_offset + iter->done;
		size = elf->file_size - from;
		memcpy(page->bytes, elf->file + from, size < SGX_PAGE_SIZE ? size : SGX_PAGE_SIZE);
	}
	if (SGX_SECINFO_PT(s->secinfo_flags) == SGX_PT_TCS) {
		struct sgx_tcs *tcs = (struct sgx_tcs *)(void *)page->bytes;

		/* EADD writes these four into the EPC, and EEXTEND reads the EPC */
		tcs->state = 0;
		tcs->flags &= ~SGX_TCS_DBGOPTIN_BIT;
		tcs->cssa = 0;
		tcs->aep = 0;
	}
	iter->done += SGX_PAGE_SIZE;
	return true;
}

/**
 * enclave_elf_measure() - the MRENCLAVE that the enclave gets when it is loaded
 * @elf: the enclave
 * @mrenclave: the hash
 */
void enclave_elf_measure(const struct enclave_elf *elf, uint8_t mrenclave[SGX_HASH_SIZE])
{
	struct enclave_iter iter = {0};
	struct enclave_page page;
	struct cpu_measure m;

	cpu_measure_ecreate(&m, elf->options.ssaframesize, elf->elrange);
	while (enclave_elf_next_page(elf, &iter, &page)) {
		cpu_measure_eadd(&m, page.offset, page.secinfo_flags);
		if (!page.measured)
			continue;
		for (uint64_t at = 0; at < SGX_PAGE_SIZE; at += SGX_EEXTEND_SIZE)
			cpu_measure_eextend(&m, page.offset + at, page.bytes + at);
	}
	cpu_measure_final(&m, mrenclave);
}
