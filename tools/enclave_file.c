/* SPDX-License-Identifier: BSD-3-Clause */
#include "enclave_file.h"
#include "file_kind.h"
#include "util.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
		if (!tool_parse_size(value, &v)) {
			tool_usage_error("--heap %s: not a size: " TOOL_SIZE_HELP, value);
			return -1;
		}
		if (v % SGX_PAGE_SIZE || v > ENCLAVE_ELRANGE_MAX) {
			tool_usage_error("--heap %s: %" PRIu64 " bytes are not %s", value, v,
					 v % SGX_PAGE_SIZE
						 ? "whole pages of 4K"
						 : "in 0 to 64T, which an address space has");
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
 * enclave_read_sigstruct() - the SIGSTRUCT that --sig names
 * @path: the file's name
 * @ret_sig: its bytes; the signature is not looked at
 *
 * Return: 0, or -1 with a message printed.
 */
int enclave_read_sigstruct(const char *path, struct sgx_sigstruct_arch *ret_sig)
{
	size_t size;
	void *data;
	bool good;

	if (tool_read_file(path, &data, &size))
		return -1;
	good = size == sizeof(*ret_sig) && file_kind(data, size) == FILE_SIGSTRUCT;
	if (good)
		memcpy(ret_sig, data, sizeof(*ret_sig));
	else
		tool_error("--sig %s: %zu bytes that are no SIGSTRUCT (%zu bytes)", path, size,
			   sizeof(*ret_sig));
	free(data);
	return good ? 0 : -1;
}

/**
 * enclave_hash_sentence() - what --sig found, in words
 * @equal: the measurement is ENCLAVEHASH
 *
 * Return: the sentence
 */
const char *enclave_hash_sentence(bool equal)
{
	return equal ? "MRENCLAVE equals the SIGSTRUCT's ENCLAVEHASH"
		     : "MRENCLAVE differs from ENCLAVEHASH: EINIT refuses this SIGSTRUCT for "
		       "this enclave with SGX_INVALID_MEASUREMENT";
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
 * enclave_file_take() - check an enclave file that was read
 * @f: filled in
 * @path: the file's name
 * @data: its bytes, malloc'ed; they are @f's from now on, and freed where -1 is returned
 * @size: their number
 * @options: heap and SSA frame size
 *
 * Return: 0, or -1 with a message printed and nothing to close.
 */
int enclave_file_take(struct enclave_file *f, const char *path, void *data, size_t size,
		      const struct enclave_options *options)
{
	char error[ENCLAVE_MESSAGE_SIZE];
	enum file_kind kind;

	f->data = data;
	f->size = size;
	kind = file_kind(f->data, f->size);
	/* By our rule the enclaves of other SDKs would be laid out as they never are. */
	if (file_kind_sentence(kind) && !file_kind_may_load(kind)) {
		tool_error("%s is %s", path, file_kind_sentence(kind));
		free(f->data);
		return -1;
	}
	if (enclave_elf_parse(&f->elf, f->data, f->size, options, error)) {
		if (file_kind_sentence(kind))
			tool_error("%s is %s (as an enclave: %s)", path, file_kind_sentence(kind),
				   error);
		else
			tool_error("%s: %s", path, error);
		free(f->data);
		return -1;
	}
	enclave_print_warnings(path, &f->elf);
	return 0;
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
	size_t size;
	void *data;

	if (tool_read_file(path, &data, &size))
		return -1;
	return enclave_file_take(f, path, data, size, options);
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
