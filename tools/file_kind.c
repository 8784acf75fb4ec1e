/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Foreign bytes: every offset is checked against the size before it is read, and what
 * contradicts itself is just not recognized.
 */
#include "file_kind.h"
#include "arch_show.h"
#include "elf_view.h"

#include <cpu/sigstruct.h>
#include <sgx/arch.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct file {
	const uint8_t *data;
	size_t size;
};

/* clang-format off */
static const struct {
	const char *name, *sentence;
} kinds[FILE_KIND_COUNT] = {
	[FILE_UNKNOWN] = { "unknown", NULL },
	[FILE_EMPTY] = { "empty", "an empty file, of 0 bytes" },
	[FILE_ELF] = { "elf", NULL },
	[FILE_ELF_INTEL] = { "intel-enclave",
		"an enclave of Intel's SGX SDK (.note.sgxmeta), not signed yet: what is loaded, and so its "
		"measurement, is decided by sgx_sign and its configuration" },
	[FILE_ELF_INTEL_SIGNED] = { "intel-enclave-signed",
		"an enclave of Intel's SGX SDK (.note.sgxmeta), with metadata of sgx_sign: programs that "
		"use it run under 'swsgx run', whose loader is the SDK's" },
	[FILE_ELF_OPEN_ENCLAVE] = { "open-enclave",
		"an enclave of Open Enclave (.oeinfo): programs that use it run under 'swsgx run', whose "
		"loader is Open Enclave's; oesign signs it" },
	[FILE_ELF_PROGRAM] = { "program",
		"a program for x86-64 and no enclave: 'swsgx run -- FILE' runs it" },
	[FILE_ELF_LIBRARY] = { "library",
		"a shared object for x86-64 with a dynamic section, and no enclave that swsgx can load: "
		"an enclave for swsgx is linked with -static -no-pie" },
	[FILE_ELF_OBJECT] = { "object",
		"an object file that is not linked: an enclave is linked first" },
	[FILE_ELF_CORE] = { "core", "a core file: 'gdb PROGRAM FILE' looks into it" },
	[FILE_ELF_FOREIGN] = { "elf-foreign",
		"an ELF file for another processor than x86-64 in 64-bit mode: no enclave of swsgx" },
	[FILE_SIGSTRUCT] = { "sigstruct", NULL },
	[FILE_EINITTOKEN] = { "einittoken",
		"an EINITTOKEN: INIT of the upstream driver takes none, and none is needed where launch "
		"control is flexible" },
	[FILE_REPORT] = { "report",
		"a REPORT of EREPORT: only the machine that made it can verify it, and only until it is "
		"stopped" },
	[FILE_TARGETINFO] = { "targetinfo",
		"a TARGETINFO: EREPORT makes a REPORT for the enclave that it names" },
	[FILE_KEYREQUEST] = { "keyrequest", "a KEYREQUEST: what EGETKEY is asked for" },
	[FILE_QUOTE] = { "quote",
		"an ECDSA quote, version 3: swsgx does not verify quotes" },
	[FILE_PEM] = { "pem", NULL },
	[FILE_SGXS] = { "sgxs",
		"an enclave as a stream of ECREATE, EADD and EEXTEND (SGXS, as Fortanix' tools write it): "
		"'swsgx measure' measures it, its loader runs under 'swsgx run', Fortanix' tools sign it" },
	[FILE_GRAMINE_MANIFEST] = { "gramine-manifest",
		"a manifest of Gramine: gramine-sgx builds the enclave from it and its libpal.so, under "
		"'swsgx run' too; the SIGSTRUCT is beside it (.sig)" },
};
/* clang-format on */

static bool zeros(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < size; i++)
		if (b[i])
			return false;
	return true;
}

/* sgx_sign writes its metadata, which begins with a number of its own, into the note. */
static bool signed_by_intel(const struct elf_view *v, const Elf64_Shdr *note)
{
	static const uint8_t magic[] = {0x4c, 0x0e, 0x5d, 0x63, 0x94, 0x02, 0xa8, 0x86};

	return elf_view_within(v, note->sh_offset, note->sh_size) &&
	       memmem(v->data + note->sh_offset, note->sh_size, magic, sizeof(magic));
}

static enum file_kind elf_kind(const struct file *f)
{
	struct elf_view v;
	Elf64_Phdr phdr;
	Elf64_Shdr shdr;

	if (f->size < sizeof(v.ehdr))
		return FILE_ELF; /* cut off: the parser says where */
	if (!elf_view_open(&v, f->data, f->size))
		return FILE_ELF_FOREIGN;
	if (elf_view_named(&v, ".note.sgxmeta", &shdr))
		return signed_by_intel(&v, &shdr) ? FILE_ELF_INTEL_SIGNED : FILE_ELF_INTEL;
	if (elf_view_named(&v, ".oeinfo", &shdr))
		return FILE_ELF_OPEN_ENCLAVE;
	if (v.ehdr.e_type == ET_REL)
		return FILE_ELF_OBJECT;
	if (v.ehdr.e_type == ET_CORE)
		return FILE_ELF_CORE;
	if (elf_view_segment(&v, PT_INTERP, &phdr))
		return FILE_ELF_PROGRAM;
	/* A static-pie program looks the same, but for what only its symbols would tell. */
	if (v.ehdr.e_type == ET_DYN && elf_view_segment(&v, PT_DYNAMIC, &phdr))
		return FILE_ELF_LIBRARY;
	return FILE_ELF;
}

/* Header of 48 bytes, the REPORT's 384 that are under the MAC, length of the signature */
static bool is_quote(const struct file *f)
{
	uint16_t version, key_type;
	uint32_t length;

	if (f->size < 436)
		return false;
	memcpy(&version, f->data, sizeof(version));
	memcpy(&key_type, f->data + 2, sizeof(key_type));
	memcpy(&length, f->data + 432, sizeof(length));
	return version == 3 && key_type == 2 && length && length <= f->size - 436;
}

/* Records of 64 bytes that begin with the name of their leaf, the first is ECREATE */
static bool is_sgxs(const struct file *f)
{
	uint32_t frames;
	uint64_t size;

	if (f->size < 64)
		return false;
	if (!memcmp(f->data, "UNSIZED", 8))
		return true; /* instead of ECREATE, until the size is decided */
	if (memcmp(f->data, "ECREATE", 8))
		return false;
	memcpy(&frames, f->data + 8, sizeof(frames));
	memcpy(&size, f->data + 12, sizeof(size));
	return frames && size >= SGX_PAGE_SIZE && !(size & (size - 1)) && zeros(f->data + 20, 44);
}

/* Does a line of a text begin so? */
static bool has_line(const struct file *f, const char *start)
{
	const uint8_t *p = f->data, *end = f->data + f->size;
	size_t length = strlen(start);

	while (p && (size_t)(end - p) >= length) {
		if (!memcmp(p, start, length))
			return true;
		p = memchr(p, '\n', (size_t)(end - p));
		if (p)
			p++;
	}
	return false;
}

/* TOML; which keys there are has changed with the versions */
static bool is_manifest(const struct file *f)
{
	bool loader = has_line(f, "loader.") || has_line(f, "libos.") || has_line(f, "[loader]") ||
		      has_line(f, "[libos]");

	return loader && (has_line(f, "sgx.") || has_line(f, "[sgx") || has_line(f, "[[sgx")) &&
	       !memchr(f->data, 0, f->size);
}

/**
 * file_kind() - what a file is
 * @data: any bytes at all
 * @size: their number
 *
 * By what cannot be mistaken first: magic numbers, then texts, then sizes.
 * Return: its kind.  FILE_ELF and FILE_SIGSTRUCT may be damaged ones.
 */
enum file_kind file_kind(const void *data, size_t size)
{
	const struct file f = {.data = data, .size = size};
	struct sgx_sigstruct_arch fixed;

	if (!size)
		return FILE_EMPTY;
	if (size >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG))
		return elf_kind(&f);
	memset(&fixed, 0, sizeof(fixed));
	cpu_sigstruct_init(&fixed);
	if (size >= sizeof(fixed.header) && !memcmp(data, fixed.header, sizeof(fixed.header)))
		return FILE_SIGSTRUCT;
	if (is_sgxs(&f))
		return FILE_SGXS;
	if (memmem(data, size, "-----BEGIN ", 11))
		return FILE_PEM;
	if (is_manifest(&f))
		return FILE_GRAMINE_MANIFEST;
	if (size == sizeof(fixed))
		return FILE_SIGSTRUCT;
	return is_quote(&f) ? FILE_QUOTE : arch_kind(data, size);
}

/**
 * file_kind_name() - a word for a kind
 * @kind: the kind
 *
 * Return: the word
 */
const char *file_kind_name(enum file_kind kind)
{
	return kinds[kind].name;
}

/**
 * file_kind_sentence() - what a file of this kind is, and what can be done with it
 * @kind: the kind
 *
 * Return: text in which FILE stands for the file; NULL where the file itself has
 * to be looked at to tell.
 */
const char *file_kind_sentence(enum file_kind kind)
{
	return kinds[kind].sentence;
}
