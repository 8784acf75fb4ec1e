/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves of Intel's SGX SDK: an ELF shared object in whose note .note.sgxmeta sgx_sign
 * has written one metadata for each generation of loaders.  A metadata has the SIGSTRUCT,
 * patches for the file, and the layout of heap and threads behind the file's segments.
 */
#ifndef TOOLS_SGXMETA_H
#define TOOLS_SGXMETA_H

#include "layout.h"

/**
 * struct sgxmeta - an enclave by one of its metadata
 * @major:	version; 10 more where the ELRANGE is set apart from the enclave
 * @minor:	version
 * @sig:	the SIGSTRUCT
 * @layout:	what its loader adds
 * @image:	the file as patched, malloc'ed; @layout points into it
 */
struct sgxmeta {
	uint32_t major, minor;
	struct sgx_sigstruct_arch sig;
	struct layout layout;
	uint8_t *image;
};

int sgxmeta_read(struct sgxmeta *m, const void *data, size_t size, unsigned index,
		 char error[LAYOUT_MESSAGE_SIZE]) __attribute__((warn_unused_result));
void sgxmeta_free(struct sgxmeta *m);

#endif
