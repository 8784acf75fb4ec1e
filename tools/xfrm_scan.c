/* SPDX-License-Identifier: BSD-3-Clause */
#include "xfrm_scan.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include <Zydis/Zydis.h>

/* clang-format off */
static const struct {
	const char *name;	/* in text, and in JSON */
	const char *member;
	uint64_t needs;		/* bits of XFRM */
} kinds[XFRM_KINDS] = {
	[XFRM_AVX]    = { "AVX",     "avx",    0x4 },
	[XFRM_AVX512] = { "AVX-512", "avx512", 0xe4 },
	[XFRM_AMX]    = { "AMX",     "amx",    0x60000 },
	[XFRM_XGETBV] = { "XGETBV",  "xgetbv", 0 },
};
/* clang-format on */

/* --- decoding ----------------------------------------------------------------------- */

static void count(struct xfrm_scan *scan, enum xfrm_kind kind, uint64_t addr)
{
	struct xfrm_found *f = &scan->found[kind];

	if (f->count < XFRM_FIRST_MAX)
		f->first[f->count] = addr;
	f->count++;
}

/*
 * SDM: an instruction with a VEX prefix wants XCR0's SSE and AVX, but where it has
 * general registers alone; on mask registers it wants what EVEX wants.  XOP is AMD's,
 * and wants what VEX does.
 */
static void look(struct xfrm_scan *scan, const ZydisDecodedInstruction *in, uint64_t addr)
{
	switch (in->meta.isa_ext) {
	case ZYDIS_ISA_EXT_BMI1:
	case ZYDIS_ISA_EXT_BMI2:
	case ZYDIS_ISA_EXT_TBM:
		return;
	case ZYDIS_ISA_EXT_AMX_BF16:
	case ZYDIS_ISA_EXT_AMX_INT8:
	case ZYDIS_ISA_EXT_AMX_TILE:
		count(scan, XFRM_AMX, addr);
		return;
	case ZYDIS_ISA_EXT_AVX512VEX:
		count(scan, XFRM_AVX512, addr);
		return;
	default:
		break;
	}
	switch (in->encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_VEX:
	case ZYDIS_INSTRUCTION_ENCODING_XOP:
		count(scan, XFRM_AVX, addr);
		break;
	case ZYDIS_INSTRUCTION_ENCODING_EVEX:
	case ZYDIS_INSTRUCTION_ENCODING_MVEX:
		count(scan, XFRM_AVX512, addr);
		break;
	default:
		if (in->mnemonic == ZYDIS_MNEMONIC_XGETBV)
			count(scan, XFRM_XGETBV, addr);
		break;
	}
}

/* What is no instruction is passed byte by byte. */
static void scan_code(struct xfrm_scan *scan, const uint8_t *code, uint64_t size, uint64_t addr)
{
	ZydisDecodedInstruction in;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	scan->code_size += size;
	for (uint64_t at = 0; at < size;) {
		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, code + at, size - at,
							      &in))) {
			at++;
			continue;
		}
		look(scan, &in, addr + at);
		at += in.length;
	}
}

/* --- the file ------------------------------------------------------------------------- */

/* A part that the file says it has, cut to what it has */
static void scan_part(struct xfrm_scan *scan, const uint8_t *file, size_t file_size,
		      uint64_t offset, uint64_t size, uint64_t addr)
{
	if (offset >= file_size)
		return;
	if (size > file_size - offset)
		size = file_size - offset;
	scan_code(scan, file + offset, size, addr);
}

/* Does a table of count entries of that size lie in the file? */
static bool table_in(size_t file_size, uint64_t offset, uint64_t entries, uint64_t entry_size,
		     size_t wanted)
{
	return entries && entry_size == wanted && offset <= file_size &&
	       entries <= (file_size - offset) / entry_size;
}

/* Sections overlap in no file that a linker made: so much is decoded, and no more. */
static bool enough(const struct xfrm_scan *scan, size_t file_size)
{
	return scan->code_size >= file_size;
}

static void scan_sections(struct xfrm_scan *scan, const uint8_t *file, size_t size,
			  const Elf64_Ehdr *eh)
{
	const uint64_t code = SHF_ALLOC | SHF_EXECINSTR;
	Elf64_Shdr sh;

	if (!table_in(size, eh->e_shoff, eh->e_shnum, eh->e_shentsize, sizeof(sh)))
		return;
	for (unsigned i = 0; i < eh->e_shnum && !enough(scan, size); i++) {
		memcpy(&sh, file + eh->e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type != SHT_NOBITS && (sh.sh_flags & code) == code)
			scan_part(scan, file, size, sh.sh_offset, sh.sh_size, sh.sh_addr);
	}
}

static void scan_segments(struct xfrm_scan *scan, const uint8_t *file, size_t size,
			  const Elf64_Ehdr *eh)
{
	Elf64_Phdr ph;

	if (!table_in(size, eh->e_phoff, eh->e_phnum, eh->e_phentsize, sizeof(ph)))
		return;
	for (unsigned i = 0; i < eh->e_phnum && !enough(scan, size); i++) {
		memcpy(&ph, file + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD && (ph.p_flags & PF_X))
			scan_part(scan, file, size, ph.p_offset, ph.p_filesz, ph.p_vaddr);
	}
}

/**
 * xfrm_scan() - look at the code of an ELF file
 * @scan: receives what was found
 * @file: the bytes; believed in nothing
 * @size: their number
 *
 * Return: 0, or -1 where it is no ELF file of x86-64
 */
int xfrm_scan(struct xfrm_scan *scan, const void *file, size_t size)
{
	Elf64_Ehdr eh;

	memset(scan, 0, sizeof(*scan));
	if (size < sizeof(eh))
		return -1;
	memcpy(&eh, file, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_X86_64)
		return -1;
	scan_sections(scan, file, size, &eh);
	if (!scan->code_size)
		scan_segments(scan, file, size, &eh);
	return 0;
}

/* --- what it means -------------------------------------------------------------------- */

/* clang-format off */
enum verdict { V_UNKNOWN, V_SIGNED, V_OPEN, V_MISSING };
static const char *const verdict_names[] = {
	[V_UNKNOWN] = NULL, [V_SIGNED] = "signed", [V_OPEN] = "open", [V_MISSING] = "missing",
};
/* clang-format on */

/* Where several bits are needed the worst of them counts */
static enum verdict verdict(enum xfrm_kind kind, const struct xfrm_signed *is)
{
	uint64_t lacks = kinds[kind].needs & ~is->xfrm;

	if (!is->known || !kinds[kind].needs)
		return V_UNKNOWN;
	if (lacks & is->mask)
		return V_MISSING;
	/* a bit that is not in the mask is not compared, whatever it is */
	return kinds[kind].needs & ~is->mask ? V_OPEN : V_SIGNED;
}

static void print_kind(FILE *out, enum xfrm_kind kind, const struct xfrm_found *f,
		       const struct xfrm_signed *is)
{
	fprintf(out, "  %-8s %" PRIu64 ", at", kinds[kind].name, f->count);
	for (unsigned i = 0; i < XFRM_FIRST_MAX && i < f->count; i++)
		fprintf(out, " 0x%" PRIx64, f->first[i]);
	fputs(f->count > XFRM_FIRST_MAX ? " ...\n" : "\n", out);
	if (kind == XFRM_XGETBV) {
		fputs("           shows XFRM on hardware, and the host's XCR0 here\n", out);
		return;
	}
	fprintf(out, "           needs 0x%" PRIx64 " of XFRM", kinds[kind].needs);
	switch (verdict(kind, is)) {
	case V_UNKNOWN:
		fputs("\n", out);
		break;
	case V_SIGNED:
		fprintf(out, ", which 0x%" PRIx64 " has\n", is->xfrm);
		break;
	case V_OPEN:
		fprintf(out, "; its mask 0x%" PRIx64 " leaves that to the loader\n", is->mask);
		break;
	case V_MISSING:
		fprintf(out,
			", and 0x%" PRIx64
			" IS LESS: #UD inside on hardware; under swsgx it runs\n",
			is->xfrm);
		break;
	}
}

/**
 * xfrm_print() - for people
 * @out:  where it goes
 * @scan: of xfrm_scan()
 * @is:	  what the enclave is signed for
 */
void xfrm_print(FILE *out, const struct xfrm_scan *scan, const struct xfrm_signed *is)
{
	bool none = true;

	fprintf(out, "instructions that depend on XFRM, in 0x%" PRIx64 " bytes of code\n",
		scan->code_size);
	for (enum xfrm_kind k = 0; k < XFRM_KINDS; k++) {
		if (!scan->found[k].count)
			continue;
		print_kind(out, k, &scan->found[k], is);
		none = false;
	}
	if (none)
		fputs("  none\n", out);
}

/**
 * xfrm_print_json() - as one member, "xfrm", of an open object
 * @j:	  document
 * @scan: of xfrm_scan()
 * @is:	  what the enclave is signed for
 */
void xfrm_print_json(struct json *j, const struct xfrm_scan *scan, const struct xfrm_signed *is)
{
	json_open_object(j, "xfrm");
	json_u64(j, "code_size", scan->code_size);
	if (is->known) {
		json_hex(j, "signed", is->xfrm);
		json_hex(j, "mask", is->mask);
	}
	for (enum xfrm_kind k = 0; k < XFRM_KINDS; k++) {
		const struct xfrm_found *f = &scan->found[k];
		enum verdict v = verdict(k, is);

		json_open_object(j, kinds[k].member);
		json_u64(j, "count", f->count);
		json_open_array(j, "first");
		for (unsigned i = 0; i < XFRM_FIRST_MAX && i < f->count; i++)
			json_hex(j, NULL, f->first[i]);
		json_close_array(j);
		json_hex(j, "needs", kinds[k].needs);
		if (verdict_names[v])
			json_string(j, "verdict", verdict_names[v]);
		json_close_object(j);
	}
	json_close_object(j);
}
