/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Structures of the processor that have no magic number: EINITTOKEN, REPORT, TARGETINFO,
 * KEYREQUEST.  Each is a table of fields, from which it is recognized and shown.
 */
#ifndef TOOLS_ARCH_SHOW_H
#define TOOLS_ARCH_SHOW_H

#include "file_kind.h"
#include "json.h"

#include <stdint.h>
#include <stdio.h>

size_t arch_size(enum file_kind kind);
bool arch_size_fits(enum file_kind kind, const void *data, size_t size);
enum file_kind arch_kind(const void *data, size_t size);
bool arch_names_of_size(size_t size, char *text, size_t text_size);
bool arch_kind_named(const char *name, enum file_kind *ret_kind);
bool arch_print(FILE *out, enum file_kind kind, const void *data);
bool arch_print_json(struct json *j, enum file_kind kind, const void *data);

#endif
