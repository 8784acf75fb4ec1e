/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file of the world of SGX is, by its bytes.  For files that swsgx does not show
 * or measure: who is told "p_flags of program header 0" of an enclave of another SDK
 * looks for a fault in the file.
 */
#ifndef TOOLS_FILE_KIND_H
#define TOOLS_FILE_KIND_H

#include <stdbool.h>
#include <stddef.h>

enum file_kind {
	FILE_UNKNOWN,
	FILE_EMPTY,
	/* ELF */
	FILE_ELF, /* perhaps an enclave by our rule: the parser decides */
	FILE_ELF_INTEL,
	FILE_ELF_INTEL_SIGNED,
	FILE_ELF_OPEN_ENCLAVE,
	FILE_ELF_PROGRAM, /* unless the parser takes it, as the next */
	FILE_ELF_LIBRARY,
	FILE_ELF_OBJECT,
	FILE_ELF_CORE,
	FILE_ELF_FOREIGN, /* another processor's */
	/* structures of the processor */
	FILE_SIGSTRUCT,
	FILE_EINITTOKEN,
	FILE_REPORT,
	FILE_TARGETINFO,
	FILE_KEYREQUEST,
	FILE_QUOTE,
	/* others */
	FILE_PEM,
	FILE_SGXS,
	FILE_GRAMINE_MANIFEST,
	FILE_KIND_COUNT,
};

enum file_kind file_kind(const void *data, size_t size);

/* May the parser of enclaves take it nevertheless? */
static inline bool file_kind_may_load(enum file_kind kind)
{
	return kind == FILE_ELF || kind == FILE_ELF_PROGRAM || kind == FILE_ELF_LIBRARY;
}

/* "intel-enclave": for JSON */
const char *file_kind_name(enum file_kind kind);
/* One sentence: what it is, and what swsgx can do with it.  NULL: it is told by others. */
const char *file_kind_sentence(enum file_kind kind);

#endif
