/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `swsgx inspect` says about a file, as text or as JSON.  Every function
 * takes foreign data and reads nothing but it.
 */
#ifndef TOOLS_PRINT_H
#define TOOLS_PRINT_H

#include "enclave_elf.h"
#include "json.h"
#include "key.h"

#include <stdio.h>

void print_sigstruct(FILE *out, const struct sgx_sigstruct_arch *sig);
void print_sigstruct_json(struct json *j, const struct sgx_sigstruct_arch *sig);
void print_enclave(FILE *out, const struct enclave_elf *elf);
void print_enclave_json(struct json *j, const struct enclave_elf *elf);
void print_key(FILE *out, const struct key_info *info);
void print_key_json(struct json *j, const struct key_info *info);

/* "DEBUG MODE64BIT", "-" for none; bits without a name in hexadecimal */
void print_attribute_names(char *text, size_t size, uint64_t flags);
void print_bytes(FILE *out, const void *bytes, size_t count);

#endif
