/* SPDX-License-Identifier: BSD-3-Clause */
#include "vdso.h"

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

/**
 * struct tables - what the dynamic section of the vDSO points to
 * @bias:	address - p_vaddr
 * @symbols:	.dynsym
 * @strings:	.dynstr
 * @hash:	DT_HASH: {nbucket, nchain, ...}; or NULL
 * @gnu_hash:	DT_GNU_HASH: {nbuckets, symoffset, bloom_size, bloom_shift, ...}; or NULL
 */
struct tables {
	uintptr_t bias;
	const Elf64_Sym *symbols;
	const char *strings;
	const uint32_t *hash;
	const uint32_t *gnu_hash;
};

static const Elf64_Dyn *find_dynamic(struct tables *t, uintptr_t base)
{
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *phdr = (const Elf64_Phdr *)(base + ehdr->e_phoff);
	const Elf64_Phdr *dynamic = NULL, *load = NULL;

	for (unsigned i = 0; i < ehdr->e_phnum; i++) {
		if (phdr[i].p_type == PT_LOAD && !load)
			load = &phdr[i];
		if (phdr[i].p_type == PT_DYNAMIC)
			dynamic = &phdr[i];
	}
	if (!load || !dynamic)
		return NULL;
	t->bias = base + load->p_offset - load->p_vaddr;
	return (const Elf64_Dyn *)(t->bias + dynamic->p_vaddr);
}

/* How many symbols: DT_HASH says so, DT_GNU_HASH must be walked to its last chain */
static uint32_t symbol_count(const struct tables *t)
{
	const uint32_t *buckets, *chains;
	uint32_t nbuckets, offset, last = 0;

	if (t->hash)
		return t->hash[1];
	if (!t->gnu_hash)
		return 0;
	nbuckets = t->gnu_hash[0];
	offset = t->gnu_hash[1];
	/* The bloom filter between header and buckets has 64-bit words */
	buckets = t->gnu_hash + 4 + 2 * t->gnu_hash[2];
	chains = buckets + nbuckets;
	for (uint32_t i = 0; i < nbuckets; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < offset)
		return 0;
	while (!(chains[last - offset] & 1))
		last++;
	return last + 1;
}

/**
 * vdso_find() - address of a function of the vDSO
 * @name: its name
 *
 * Return: the address, or NULL.
 */
void *vdso_find(const char *name)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	struct tables t = {0};
	const Elf64_Dyn *dyn = base ? find_dynamic(&t, base) : NULL;
	uint32_t count;

	if (!dyn)
		return NULL;
	for (; dyn->d_tag != DT_NULL; dyn++) {
		uintptr_t address = t.bias + dyn->d_un.d_ptr;

		switch (dyn->d_tag) {
		case DT_SYMTAB:
			t.symbols = (const Elf64_Sym *)address;
			break;
		case DT_STRTAB:
			t.strings = (const char *)address;
			break;
		case DT_HASH:
			t.hash = (const uint32_t *)address;
			break;
		case DT_GNU_HASH:
			t.gnu_hash = (const uint32_t *)address;
			break;
		}
	}
	if (!t.symbols || !t.strings)
		return NULL;
	count = symbol_count(&t);
	for (uint32_t i = 0; i < count; i++) {
		const Elf64_Sym *s = &t.symbols[i];

		if (s->st_shndx != SHN_UNDEF && !strcmp(t.strings + s->st_name, name))
			return (void *)(t.bias + s->st_value);
	}
	return NULL;
}
