/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves of Open Enclave: an ELF shared object whose section .oeinfo has the sizes of heap
 * and stacks, identity, and, once oesign was there, the SIGSTRUCT.
 */
#ifndef TOOLS_OEINFO_H
#define TOOLS_OEINFO_H

#include "layout.h"
#include "show.h"

/**
 * struct oeinfo - what the section says
 * @heap_pages:		of the heap
 * @stack_pages:	of each thread's stack
 * @tcs_count:		threads
 * @has_config:		the next six are there; older versions have them elsewhere
 * @prodid:		ISVPRODID
 * @svn:		ISVSVN
 * @capture_faults:	MISCSELECT.EXINFO is asked for
 * @zero_base:		the ELRANGE begins at address 0
 * @start:		of the image where @zero_base
 * @attributes:		ATTRIBUTES.flags
 * @is_signed:		there is a SIGSTRUCT
 * @sig:		the SIGSTRUCT
 */
struct oeinfo {
	uint64_t heap_pages, stack_pages, tcs_count;
	bool has_config;
	uint16_t prodid, svn;
	bool capture_faults, zero_base;
	uint64_t start, attributes;
	bool is_signed;
	struct sgx_sigstruct_arch sig;
};

int oeinfo_read(struct oeinfo *o, const void *data, size_t size, char error[LAYOUT_MESSAGE_SIZE])
	__attribute__((warn_unused_result));
int oeinfo_show(const char *path, const void *data, size_t size, const struct show *how)
	__attribute__((warn_unused_result));

#endif
