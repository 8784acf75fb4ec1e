/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the parts of inject_cpuid_scan(): cpuid.c reads the ELF file and finds
 * byte pairs and functions, cpuid_frames.c functions in .eh_frame, cpuid_go.c
 * those of Go, and cpuid_walk.c decodes the functions.
 */
#ifndef INJECT_CPUID_WALK_H
#define INJECT_CPUID_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_LOADS  64
#define CPUID_SIZE 2

/* A PT_LOAD, with what of it is in the file. */
struct load {
	uint64_t vaddr;
	uint64_t off;
	uint64_t size;
	bool exec;
};

/* A byte pair 0F A2 in an executable segment, at a file offset. */
struct cand {
	uint64_t off;
	bool hit; /* reached as CPUID */
	bool clash; /* reached as, or as part of, something else */
};

/* A function that contains at least one candidate. */
struct func {
	uint64_t off;
	uint64_t vaddr;
	uint32_t size;
};

struct scan {
	const uint8_t *image;
	uint64_t size;
	bool fixed; /* ET_EXEC: addresses in the file are addresses */
	struct load load[MAX_LOADS];
	unsigned int nr_loads;
	uint64_t exec_bytes;
	struct cand *cand;
	size_t nr_cands, cap_cands;
	struct func *func;
	size_t nr_funcs, cap_funcs;
	int err;
};

/**
 * cpuid_load_of() - the PT_LOAD with all of [@vaddr, @vaddr + @size) in the file
 * Return: NULL where there is none.
 */
const struct load *cpuid_load_of(const struct scan *s, uint64_t vaddr, uint64_t size);

/**
 * cpuid_cand_from() - the first candidate at or after the file offset @off
 * Return: an index; s->nr_cands where there is none.
 */
size_t cpuid_cand_from(const struct scan *s, uint64_t off);

/**
 * cpuid_add_func() - a function, if it has a candidate and is in an executable segment
 * @vaddr, @size: its extent
 */
void cpuid_add_func(struct scan *s, uint64_t vaddr, uint64_t size);

/**
 * cpuid_eh_frame_hdr() - the functions of the .eh_frame that a header names
 * @vaddr: of the PT_GNU_EH_FRAME segment
 *
 * Return: there was one with at least one FDE.
 */
bool cpuid_eh_frame_hdr(struct scan *s, uint64_t vaddr);

/**
 * cpuid_eh_frame() - the functions of an .eh_frame section
 * @off, @size: in the image, which has all of it
 * @vaddr: its address
 */
void cpuid_eh_frame(struct scan *s, uint64_t off, uint64_t size, uint64_t vaddr);

/**
 * cpuid_gopclntab() - the functions of a Go program
 * @off, @size: of the section .gopclntab in the image, which has all of it
 */
void cpuid_gopclntab(struct scan *s, uint64_t off, uint64_t size);

/**
 * cpuid_walk_funcs() - decode s->func, mark s->cand
 * @s:	functions in any order, and more than once (.symtab, .dynsym and .eh_frame
 *	tell of the same ones); they are sorted and made unique
 *
 * s->err is set to -ENOMEM, or -E2BIG where the functions overlap so much that
 * decoding would take long.
 */
void cpuid_walk_funcs(struct scan *s);

#endif
