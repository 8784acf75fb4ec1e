/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How an enclave of the runtime is laid out and in which order it is made: shared
 * by mksig, which signs, and the hosts, which load.  No libc.
 */
#ifndef TESTS_HOSTS_IMAGE_H
#define TESTS_HOSTS_IMAGE_H

#include "rt.h"

#include <elf.h>
#include <sgx/arch.h>
#include <stdbool.h>

struct layout {
	const char *name;
	uint64_t size; /* ELRANGE */
	bool top; /* the image ends where the ELRANGE does, the heap lies below it */
	uint64_t heap; /* bytes, rwx, not measured */
	uint32_t ssaframesize, miscselect;
	uint64_t xfrm;
};

/* The first three as Gramine does it, then as Intel's uRTS does. */
static const struct layout layouts[] = {
	{"gramine3", 4 << 20, true, 1 << 20, 4, 0, 3},
	{"gramine7", 4 << 20, true, 1 << 20, 4, 0, 7},
	{"zero", 16 << 20, true, 1 << 20, 4, SGX_MISC_EXINFO_BIT, 3},
	{"intel3", 2 << 20, false, 1 << 18, 1, 0, 3},
	{"intel7", 2 << 20, false, 1 << 18, 1, SGX_MISC_EXINFO_BIT, 7},
};
#define LAYOUT_COUNT   (sizeof(layouts) / sizeof(layouts[0]))

#define IMAGE_SEGMENTS 3
struct image {
	const uint8_t *file;
	uint64_t size; /* in the enclave */
	struct image_segment {
		const uint8_t *src;
		uint64_t offset, size; /* from the image's start */
		uint32_t prot; /* PROT_*, SECINFO's bits too */
	} segment[IMAGE_SEGMENTS]; /* the first is the TCSs' */
};

/* The three PT_LOADs of rt.lds.  The files are the build's own: one look. */
static inline bool image_parse(struct image *image, const uint8_t *file)
{
	const Elf64_Ehdr *ehdr = (const void *)file;
	const Elf64_Phdr *p = (const void *)(file + ehdr->e_phoff);
	unsigned int n = 0;

	image->file = file;
	for (unsigned int i = 0; i < ehdr->e_phnum; i++) {
		struct image_segment *s = &image->segment[n];

		if (p[i].p_type != PT_LOAD)
			continue;
		if (n++ == IMAGE_SEGMENTS || p[i].p_offset % RT_PAGE || p[i].p_filesz % RT_PAGE)
			return false;
		s->src = file + p[i].p_offset;
		s->offset = p[i].p_vaddr;
		s->size = p[i].p_filesz;
		s->prot = (p[i].p_flags & PF_R ? 1 : 0) | (p[i].p_flags & PF_W ? 2 : 0) |
			  (p[i].p_flags & PF_X ? 4 : 0);
		image->size = s->offset + s->size;
	}
	return n == IMAGE_SEGMENTS;
}

/* Offsets in the ELRANGE */
static inline uint64_t image_start(const struct image *image, const struct layout *l)
{
	return l->top ? l->size - image->size : 0;
}

static inline uint64_t image_heap(const struct image *image, const struct layout *l)
{
	return l->top ? image_start(image, l) - l->heap : image->size;
}

/* TCSs have offsets from SECS.BASE: the loader moves them with the image. */
static inline void image_tcs(struct sgx_tcs *tcs, const uint8_t *src, uint64_t start)
{
	uint8_t *to = (uint8_t *)tcs;

	for (unsigned int i = 0; i < RT_PAGE; i++)
		to[i] = src[i];
	tcs->ossa += start;
	tcs->oentry += start;
	tcs->ofsbase += start;
	tcs->ogsbase += start;
}

static inline uint64_t image_secinfo(unsigned int segment, uint32_t prot)
{
	return segment ? (uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT | prot
		       : (uint64_t)SGX_PT_TCS << SGX_SECINFO_PT_SHIFT;
}

#endif
