/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclave ELF files: what kind of file it is, the scan for XFRM, the parser, the page
 * iterator, the measurement and what
 * `swsgx inspect` prints.  The first two input bytes choose heap and SSA frame
 * size, the rest is the file.
 */
#include "enclave_elf.h"
#include "file_kind.h"
#include "fuzz.h"
#include "print.h"
#include "xfrm_scan.h"

#include <stdlib.h>
#include <string.h>

static FILE *sink(void)
{
	static FILE *f;

	if (!f)
		f = fopen("/dev/null", "w");
	if (!f)
		abort();
	return f;
}

static void check(bool good)
{
	if (!good)
		abort();
}

/* What every file that was accepted must keep */
static void check_layout(const struct enclave_elf *elf)
{
	struct enclave_iter iter = {0};
	struct enclave_page page;
	uint64_t end = 0, pages = 0, next = 0;

	check(elf->elrange >= elf->used_size && elf->elrange / 2 < elf->used_size);
	check(!(elf->elrange & (elf->elrange - 1)) && elf->elrange >= 2 * SGX_PAGE_SIZE);
	for (unsigned i = 0; i < elf->segment_count; i++) {
		const struct enclave_segment *s = &elf->segments[i];

		check(s->offset >= end && s->size && !(s->size % SGX_PAGE_SIZE));
		check(!(s->offset % SGX_PAGE_SIZE));
		end = s->offset + s->size;
		check((SGX_SECINFO_PT(s->secinfo_flags) == SGX_PT_TCS) == !i);
		check(!(s->secinfo_flags & SGX_SECINFO_RSVD_BITS));
	}
	check(end == elf->used_size);
	while (enclave_elf_next_page(elf, &iter, &page)) {
		check(page.offset >= next && page.offset < elf->used_size);
		next = page.offset + SGX_PAGE_SIZE;
		pages++;
	}
	check(pages == elf->page_count);
}

/* It takes every ELF file, and looks at no byte twice as often as there are bytes. */
static void check_scan(const uint8_t *data, size_t size)
{
	const struct xfrm_signed is = {true, 3, ~3ull};
	struct xfrm_scan scan;
	struct json j;

	if (xfrm_scan(&scan, data, size))
		return;
	check(scan.code_size < 2 * size);
	for (enum xfrm_kind k = 0; k < XFRM_KINDS; k++)
		check(scan.found[k].count <= scan.code_size);
	xfrm_print(sink(), &scan, &is);
	json_start(&j, sink());
	json_open_object(&j, NULL);
	xfrm_print_json(&j, &scan, &is);
	json_close_object(&j);
	json_end(&j);
}

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: two bytes of options, then the file
 * @size: bytes
 *
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enclave_options options = {.ssaframesize = 1};
	char error[ENCLAVE_MESSAGE_SIZE] = "";
	static struct enclave_elf elf;
	enum file_kind kind;
	struct json j;

	if (size < 2)
		return 0;
	options.heap_size = (uint64_t)data[0] * SGX_PAGE_SIZE;
	options.ssaframesize = data[1];
	kind = file_kind(data + 2, size - 2);
	check(kind < FILE_KIND_COUNT && file_kind_name(kind));
	check_scan(data + 2, size - 2);
	if (enclave_elf_parse(&elf, data + 2, size - 2, &options, error)) {
		/* A refusal without a reason is no use to anybody */
		check(strlen(error) > 10 && strlen(error) < sizeof(error) - 1);
		return 0;
	}
	check_layout(&elf);
	print_enclave(sink(), &elf);
	json_start(&j, sink());
	json_open_object(&j, NULL);
	print_enclave_json(&j, &elf);
	json_close_object(&j);
	json_end(&j);
	return 0;
}
