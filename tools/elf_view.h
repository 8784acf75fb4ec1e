/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of an ELF file for x86-64, for readers that believe it in nothing: every offset
 * is checked against the file's size before it is read, and read by copying.
 */
#ifndef TOOLS_ELF_VIEW_H
#define TOOLS_ELF_VIEW_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct elf_view - a file
 * @data:	its bytes, the caller's
 * @size:	their number
 * @ehdr:	its header
 */
struct elf_view {
	const uint8_t *data;
	size_t size;
	Elf64_Ehdr ehdr;
};

/* Are there size bytes at offset? */
static inline bool elf_view_within(const struct elf_view *v, uint64_t offset, uint64_t size)
{
	return offset <= v->size && size <= v->size - offset;
}

bool elf_view_open(struct elf_view *v, const void *data, size_t size);
bool elf_view_phdr(const struct elf_view *v, unsigned i, Elf64_Phdr *phdr);
bool elf_view_segment(const struct elf_view *v, uint32_t type, Elf64_Phdr *phdr);
bool elf_view_section(const struct elf_view *v, unsigned i, Elf64_Shdr *shdr);
bool elf_view_named(const struct elf_view *v, const char *name, Elf64_Shdr *shdr);

#endif
