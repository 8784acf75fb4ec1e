/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An enclave in an ELF file: what is loaded where, and its measurement.
 *
 * The rule, which the kernel's selftest and examples/hello load by as well:
 *
 *  - Every PT_LOAD is a segment.  It lies in the enclave where it lies in the
 *    file: offset in the enclave = p_offset - p_offset of the first PT_LOAD.
 *  - The first PT_LOAD (rw-) holds TCS pages, the others regular pages with the
 *    permissions of p_flags.
 *  - p_filesz is rounded up to pages.  The rest of the last page is what the
 *    file holds there, as mmap() shows it: zeros past the end of the file.
 *    p_memsz gets no pages: .bss must be part of .data.
 *  - Page by page in the order of the file: EADD, then EEXTEND of its 16 chunks.
 *  - Then, where asked for, a heap of zero pages (rw-), EADD without EEXTEND.
 *  - ELRANGE is the smallest power of two that holds it all.
 *
 * Foreign bytes: the file is believed in nothing.  A file that breaks the rule
 * is refused with a message naming field and value; one that loads but cannot
 * be meant so gets warnings.
 */
#ifndef TOOLS_ENCLAVE_ELF_H
#define TOOLS_ENCLAVE_ELF_H

#include <sgx/arch.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENCLAVE_SEGMENTS_MAX 64u
#define ENCLAVE_WARNINGS_MAX 16u
#define ENCLAVE_MESSAGE_SIZE 192u
/* A 47-bit address space has no room for more */
#define ENCLAVE_ELRANGE_MAX	 ((uint64_t)1 << 46)
#define ENCLAVE_SSAFRAMESIZE_MAX 0x10000u

/**
 * struct enclave_options - what the file does not say
 * @heap_size:		bytes of heap, a multiple of the page size, 0 for none
 * @ssaframesize:	SECS.SSAFRAMESIZE: pages of one SSA frame, 1 and up
 */
struct enclave_options {
	uint64_t heap_size;
	uint32_t ssaframesize;
};

/**
 * struct enclave_segment - pages that are added alike
 * @offset:		from the enclave's base, in bytes
 * @size:		in bytes, a multiple of the page size
 * @file_offset:	of its first byte; nothing for the heap
 * @file_size:		bytes that the file says are the segment's (p_filesz)
 * @secinfo_flags:	SECINFO.FLAGS as EADD measures them
 * @phdr:		index of the program header
 * @heap:		zeros, not measured by EEXTEND
 */
struct enclave_segment {
	uint64_t offset;
	uint64_t size;
	uint64_t file_offset;
	uint64_t file_size;
	uint64_t secinfo_flags;
	unsigned phdr;
	bool heap;
};

/**
 * struct enclave_elf - an enclave file, checked
 * @file:		the bytes, the caller's, needed as long as this is used
 * @file_size:		their number
 * @options:		as given
 * @segments:		in order of their offsets, the heap last
 * @segment_count:	how many there are
 * @entry:		e_entry, which nothing uses
 * @used_size:		bytes from the base to the end of the last segment
 * @elrange:		SECS.SIZE
 * @page_count:		pages that EADD adds
 * @tcs_count:		how many of them are TCS pages
 * @warnings:		what looks wrong but loads
 * @warning_count:	all of them, also those beyond ENCLAVE_WARNINGS_MAX that
 *			found no room
 */
struct enclave_elf {
	const uint8_t *file;
	size_t file_size;
	struct enclave_options options;
	struct enclave_segment segments[ENCLAVE_SEGMENTS_MAX + 1];
	unsigned segment_count;
	uint64_t entry;
	uint64_t used_size;
	uint64_t elrange;
	uint64_t page_count;
	uint64_t tcs_count;
	char warnings[ENCLAVE_WARNINGS_MAX][ENCLAVE_MESSAGE_SIZE];
	unsigned warning_count;
};

/**
 * struct enclave_page - one page as EADD and EEXTEND see it
 * @offset:		from the enclave's base
 * @secinfo_flags:	as EADD measures them
 * @measured:		whether EEXTEND follows
 * @bytes:		the page's contents after EADD
 */
struct enclave_page {
	uint64_t offset;
	uint64_t secinfo_flags;
	bool measured;
	uint8_t bytes[SGX_PAGE_SIZE] __attribute__((aligned(8)));
};

/* Where a walk over the pages stands; all zeros is the start */
struct enclave_iter {
	unsigned segment;
	uint64_t done;
};

int enclave_elf_parse(struct enclave_elf *elf, const void *file, size_t size,
		      const struct enclave_options *options, char error[ENCLAVE_MESSAGE_SIZE])
	__attribute__((warn_unused_result));
bool enclave_elf_next_page(const struct enclave_elf *elf, struct enclave_iter *iter,
			   struct enclave_page *page);
void enclave_elf_measure(const struct enclave_elf *elf, uint8_t mrenclave[SGX_HASH_SIZE]);
bool enclave_elf_tcs(const struct enclave_elf *elf, uint64_t index, struct sgx_tcs *tcs);

#endif
