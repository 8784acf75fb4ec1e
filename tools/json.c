/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include <inttypes.h>
#include <string.h>

/**
 * json_start() - begin a document
 * @j: its state
 * @out: where it goes
 */
void json_start(struct json *j, FILE *out)
{
	memset(j, 0, sizeof(*j));
	j->out = out;
}

/**
 * json_end() - end a document
 * @j: its state, every object and array closed
 */
void json_end(struct json *j)
{
	fputc('\n', j->out);
}

static void indent(struct json *j)
{
	fputc('\n', j->out);
	for (unsigned i = 0; i < j->depth; i++)
		fputs("  ", j->out);
}

/*
 * RFC 8259: quote, backslash and control characters must be escaped.  Bytes
 * above 7f are passed on when they are UTF-8 as the RFC wants it; any other
 * byte (file names may hold every one) becomes U+FFFD.
 */
static size_t utf8_length(const unsigned char *s)
{
	uint32_t code;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	code = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		/* The NUL at the end is no continuation byte: never read past it */
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && code < 0x800) || (n == 4 && code < 0x10000))
		return 0;
	if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	return n;
}

static void quoted(struct json *j, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', j->out);
	while (*s) {
		size_t n = utf8_length(s);

		if (*s == '"' || *s == '\\')
			fprintf(j->out, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", j->out);
		else if (*s == '\t')
			fputs("\\t", j->out);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(j->out, "\\u%04x", *s);
		else if (!n)
			fputs("\\ufffd", j->out);
		else
			fwrite(s, 1, n, j->out);
		s += n ? n : 1;
	}
	fputc('"', j->out);
}

/* Comma, line, name: all that stands before a value */
static void member(struct json *j, const char *name)
{
	if (j->depth < JSON_DEPTH_MAX) {
		if (j->filled[j->depth])
			fputc(',', j->out);
		j->filled[j->depth] = true;
	}
	if (j->depth)
		indent(j);
	if (name) {
		quoted(j, name);
		fputs(": ", j->out);
	}
}

static void open_level(struct json *j, const char *name, char bracket)
{
	member(j, name);
	fputc(bracket, j->out);
	j->depth++;
	if (j->depth < JSON_DEPTH_MAX)
		j->filled[j->depth] = false;
}

static void close_level(struct json *j, char bracket)
{
	bool filled = j->depth < JSON_DEPTH_MAX && j->filled[j->depth];

	j->depth--;
	if (filled)
		indent(j);
	fputc(bracket, j->out);
}

/**
 * json_open_object() - {
 * @j: document
 * @name: of the member, NULL in an array
 */
void json_open_object(struct json *j, const char *name)
{
	open_level(j, name, '{');
}

/**
 * json_close_object() - }
 * @j: document
 */
void json_close_object(struct json *j)
{
	close_level(j, '}');
}

/**
 * json_open_array() - [
 * @j: document
 * @name: of the member, NULL in an array
 */
void json_open_array(struct json *j, const char *name)
{
	open_level(j, name, '[');
}

/**
 * json_close_array() - ]
 * @j: document
 */
void json_close_array(struct json *j)
{
	close_level(j, ']');
}

/**
 * json_string() - a string
 * @j: document
 * @name: of the member, NULL in an array
 * @value: any bytes; what is not UTF-8 becomes U+FFFD
 */
void json_string(struct json *j, const char *name, const char *value)
{
	member(j, name);
	quoted(j, value);
}

/**
 * json_bool() - true or false
 * @j: document
 * @name: of the member, NULL in an array
 * @value: which
 */
void json_bool(struct json *j, const char *name, bool value)
{
	member(j, name);
	fputs(value ? "true" : "false", j->out);
}

/**
 * json_u64() - a decimal number
 * @j: document
 * @name: of the member, NULL in an array
 * @value: the number
 */
void json_u64(struct json *j, const char *name, uint64_t value)
{
	member(j, name);
	fprintf(j->out, "%" PRIu64, value);
}

/**
 * json_hex() - a number as the string "0x..."
 * @j: document
 * @name: of the member, NULL in an array
 * @value: the number
 */
void json_hex(struct json *j, const char *name, uint64_t value)
{
	member(j, name);
	fprintf(j->out, "\"0x%" PRIx64 "\"", value);
}

/**
 * json_bytes() - bytes as a string of hexadecimal digits
 * @j: document
 * @name: of the member, NULL in an array
 * @bytes: first byte first
 * @count: bytes
 */
void json_bytes(struct json *j, const char *name, const void *bytes, size_t count)
{
	const uint8_t *b = bytes;

	member(j, name);
	fputc('"', j->out);
	for (size_t i = 0; i < count; i++)
		fprintf(j->out, "%02x", b[i]);
	fputc('"', j->out);
}
