/* SPDX-License-Identifier: BSD-3-Clause */
#include "elf_view.h"

#include <string.h>

/**
 * elf_view_open() - look at a file
 * @v: filled in
 * @data: any bytes at all; must stay as long as @v is used
 * @size: their number
 *
 * Return: false where it is no ELF file, is cut off in its header, or is another processor's.
 */
bool elf_view_open(struct elf_view *v, const void *data, size_t size)
{
	v->data = data;
	v->size = size;
	if (size < sizeof(v->ehdr))
		return false;
	memcpy(&v->ehdr, data, sizeof(v->ehdr));
	return !memcmp(v->ehdr.e_ident, ELFMAG, SELFMAG) &&
	       v->ehdr.e_ident[EI_CLASS] == ELFCLASS64 && v->ehdr.e_ident[EI_DATA] == ELFDATA2LSB &&
	       v->ehdr.e_machine == EM_X86_64;
}

/**
 * elf_view_phdr() - a program header
 * @v: the file
 * @i: its index
 * @phdr: filled in
 *
 * Return: false where there is none.
 */
bool elf_view_phdr(const struct elf_view *v, unsigned i, Elf64_Phdr *phdr)
{
	uint64_t at = (uint64_t)i * sizeof(*phdr);

	if (i >= v->ehdr.e_phnum || v->ehdr.e_phentsize != sizeof(*phdr) ||
	    !elf_view_within(v, v->ehdr.e_phoff, at + sizeof(*phdr)))
		return false;
	memcpy(phdr, v->data + v->ehdr.e_phoff + at, sizeof(*phdr));
	return true;
}

/**
 * elf_view_segment() - the first program header of a type
 * @v: the file
 * @type: p_type
 * @phdr: filled in
 *
 * Return: false where there is none.
 */
bool elf_view_segment(const struct elf_view *v, uint32_t type, Elf64_Phdr *phdr)
{
	for (unsigned i = 0; elf_view_phdr(v, i, phdr); i++)
		if (phdr->p_type == type)
			return true;
	return false;
}

/**
 * elf_view_section() - a section header
 * @v: the file
 * @i: its index
 * @shdr: filled in
 *
 * Return: false where there is none.
 */
bool elf_view_section(const struct elf_view *v, unsigned i, Elf64_Shdr *shdr)
{
	uint64_t at = (uint64_t)i * sizeof(*shdr);

	if (i >= v->ehdr.e_shnum || v->ehdr.e_shentsize != sizeof(*shdr) ||
	    !elf_view_within(v, v->ehdr.e_shoff, at + sizeof(*shdr)))
		return false;
	memcpy(shdr, v->data + v->ehdr.e_shoff + at, sizeof(*shdr));
	return true;
}

/**
 * elf_view_named() - the first section of a name
 * @v: the file
 * @name: the name
 * @shdr: filled in
 *
 * Return: false where there is none.
 */
bool elf_view_named(const struct elf_view *v, const char *name, Elf64_Shdr *shdr)
{
	size_t length = strlen(name) + 1;
	Elf64_Shdr names;

	if (!elf_view_section(v, v->ehdr.e_shstrndx, &names) ||
	    !elf_view_within(v, names.sh_offset, names.sh_size))
		return false;
	for (unsigned i = 0; elf_view_section(v, i, shdr); i++)
		if (shdr->sh_name < names.sh_size && names.sh_size - shdr->sh_name >= length &&
		    !memcmp(v->data + names.sh_offset + shdr->sh_name, name, length))
			return true;
	return false;
}
