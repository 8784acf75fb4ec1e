/* SPDX-License-Identifier: BSD-3-Clause */
/* An enclave file from the command line: shared by measure, sign and inspect. */
#ifndef TOOLS_ENCLAVE_FILE_H
#define TOOLS_ENCLAVE_FILE_H

#include "enclave_elf.h"

/* Long options that have no letter start here, the shared ones first */
enum {
	OPT_HEAP = 0x100,
	OPT_SSAFRAMESIZE,
	OPT_JSON,
	OPT_OWN, /* a command's own */
};

/* clang-format off */
#define ENCLAVE_LONG_OPTIONS \
	{ "heap", required_argument, NULL, OPT_HEAP }, \
	{ "ssaframesize", required_argument, NULL, OPT_SSAFRAMESIZE }
/* clang-format on */

#define ENCLAVE_OPTIONS_HELP                                                                \
	"      --heap SIZE         add a heap of SIZE bytes (4096, 64K, 1M...) after the\n" \
	"                          last segment, not measured by EEXTEND; default none\n"   \
	"      --ssaframesize N    pages of one SSA frame; default 1\n"

/* --sig FILE.  Errors are printed; *ret_sig is untouched then. */
int enclave_read_sigstruct(const char *path, struct sgx_sigstruct_arch *ret_sig)
	__attribute__((warn_unused_result));
/* The sentence on whether a measurement is the one that was signed */
const char *enclave_hash_sentence(bool equal);

#define ENCLAVE_OPTIONS_DEFAULT                   \
	{                                         \
		.heap_size = 0, .ssaframesize = 1 \
	}

/* 1: it was one of ours; 0: it was not; -1: it was, and its value is bad (said so) */
int enclave_option(int c, const char *value, struct enclave_options *options);

/**
 * struct enclave_file - a file in memory, and the enclave in it
 * @data:	the file, malloc'ed
 * @size:	its bytes
 * @elf:	the enclave
 */
struct enclave_file {
	void *data;
	size_t size;
	struct enclave_elf elf;
};

/* Read, parse, print warnings.  Errors are printed.  The caller closes it on 0 only. */
int enclave_file_open(struct enclave_file *f, const char *path,
		      const struct enclave_options *options) __attribute__((warn_unused_result));
/* The same, of a file that was read; data is freed here or by enclave_file_close() */
int enclave_file_take(struct enclave_file *f, const char *path, void *data, size_t size,
		      const struct enclave_options *options) __attribute__((warn_unused_result));
void enclave_file_close(struct enclave_file *f);
void enclave_print_warnings(const char *path, const struct enclave_elf *elf);

#endif
