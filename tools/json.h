/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON, printed by hand: commas, indentation and escapes are kept right here,
 * so that no command prints a quote itself.
 */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The deepest nesting; one deeper is a bug and is not printed */
#define JSON_DEPTH_MAX 32

struct json {
	FILE *out;
	unsigned depth;
	bool filled[JSON_DEPTH_MAX]; /* this level has a member: a comma is due */
};

void json_start(struct json *j, FILE *out);
/* Ends the document with a newline */
void json_end(struct json *j);

/* name is NULL inside an array and at the top */
void json_open_object(struct json *j, const char *name);
void json_close_object(struct json *j);
void json_open_array(struct json *j, const char *name);
void json_close_array(struct json *j);
void json_string(struct json *j, const char *name, const char *value);
void json_bool(struct json *j, const char *name, bool value);
/* A decimal number; above 2^53 many readers lose bits, so use json_hex() there */
void json_u64(struct json *j, const char *name, uint64_t value);
/* "0x..." as a string: no reader rounds it */
void json_hex(struct json *j, const char *name, uint64_t value);
/* Bytes as a string of hexadecimal digits, first byte first */
void json_bytes(struct json *j, const char *name, const void *bytes, size_t count);

#endif
