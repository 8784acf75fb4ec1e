/* SPDX-License-Identifier: BSD-3-Clause */
#include "enclave_file.h"
#include "util.h"

#include <stdlib.h>

/**
 * enclave_option() - take --heap and --ssaframesize
 * @c: what tool_getopt() returned
 * @value: the option's value
 * @options: where it goes
 *
 * Return: 1 taken, 0 not one of the two, -1 a bad value, with a message.
 */
int enclave_option(int c, const char *value, struct enclave_options *options)
{
	uint64_t v;

	switch (c) {
	case OPT_HEAP:
		if (!tool_parse_size(value, &v) || v % SGX_PAGE_SIZE || v > ENCLAVE_ELRANGE_MAX) {
			tool_usage_error("--heap %s is not a size that is a multiple of 4096 (like "
					 "8192, 64K or 1M)",
					 value);
			return -1;
		}
		options->heap_size = v;
		return 1;
	case OPT_SSAFRAMESIZE:
		if (!tool_parse_u64(value, ENCLAVE_SSAFRAMESIZE_MAX, &v) || !v) {
			tool_usage_error("--ssaframesize %s is not a number of pages in 1..%u",
					 value, ENCLAVE_SSAFRAMESIZE_MAX);
			return -1;
		}
		options->ssaframesize = (uint32_t)v;
		return 1;
	}
	return 0;
}

/**
 * enclave_print_warnings() - what looks wrong in an enclave that loads
 * @path: the file's name
 * @elf: the enclave
 */
void enclave_print_warnings(const char *path, const struct enclave_elf *elf)
{
	unsigned shown = elf->warning_count;

	if (shown > ENCLAVE_WARNINGS_MAX)
		shown = ENCLAVE_WARNINGS_MAX;
	for (unsigned i = 0; i < shown; i++)
		tool_warn("%s: %s", path, elf->warnings[i]);
	if (elf->warning_count > shown)
		tool_warn("%s: %u more warnings not shown", path, elf->warning_count - shown);
}

/**
 * enclave_file_open() - read and check an enclave file
 * @f: filled in
 * @path: the file's name
 * @options: heap and SSA frame size
 *
 * Return: 0, or -1 with a message printed and nothing to close.
 */
int enclave_file_open(struct enclave_file *f, const char *path,
		      const struct enclave_options *options)
{
	char error[ENCLAVE_MESSAGE_SIZE];

	if (tool_read_file(path, &f->data, &f->size))
		return -1;
	if (enclave_elf_parse(&f->elf, f->data, f->size, options, error)) {
		tool_error("%s: %s", path, error);
		free(f->data);
		return -1;
	}
	enclave_print_warnings(path, &f->elf);
	return 0;
}

/**
 * enclave_file_close() - forget the file
 * @f: opened before
 */
void enclave_file_close(struct enclave_file *f)
{
	free(f->data);
	f->data = NULL;
}
