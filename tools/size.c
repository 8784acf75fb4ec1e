/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes as people write them.  One grammar for every option:
 *
 *	SIZE   = NUMBER [UNIT]
 *	NUMBER = digits [ "." digits ] | "0x" hexadecimal digits
 *	UNIT   = [ K | M | G | T ] [ i ] [ B ], in either case; "i" needs a letter before it
 *
 * A unit is a power of 1024, with or without "iB": 128M, 128MB and 128MiB are the same,
 * for memory comes in no other.  A fraction must leave whole bytes.
 */
#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Is text a whole unit?  Return: its power of two, or -1. */
static int unit(const char *text)
{
	static const char letters[] = "kmgt";
	const char *letter = *text ? strchr(letters, tolower((unsigned char)*text)) : NULL;
	int shift = 0;

	if (letter) {
		shift = 10 * (int)(letter - letters + 1);
		text++;
		if ((*text | 0x20) == 'i' && (text[1] | 0x20) == 'b')
			text++;
	}
	if ((*text | 0x20) == 'b')
		text++;
	return *text ? -1 : shift;
}

/*
 * The digits behind a point, as bytes of a unit: 0.DIGITS * 2^shift.
 * Return: false where that is no whole number.
 */
static bool fraction(const char *digits, size_t count, int shift, uint64_t *ret_bytes)
{
	uint64_t value = 0, scale = 1;

	while (count && digits[count - 1] == '0')
		count--;
	/* 19 digits fit in 64 bits: more are refused, whatever they come to */
	if (count > 19)
		return false;
	for (size_t i = 0; i < count; i++) {
		value = value * 10 + (uint64_t)(digits[i] - '0');
		scale *= 10;
	}
	if (((unsigned __int128)value << shift) % scale)
		return false;
	*ret_bytes = (uint64_t)(((unsigned __int128)value << shift) / scale);
	return true;
}

/**
 * tool_parse_size() - a size in bytes: 4096, 0x1000, 4K, 128MB, 128MiB, 1.5G, 1T
 * @text: the whole of it must be the size
 * @ret_size: untouched on failure
 *
 * Return: whether it is one
 */
bool tool_parse_size(const char *text, uint64_t *ret_size)
{
	int base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10, shift;
	const char *point = NULL;
	uint64_t part = 0;
	char *end;
	unsigned long long v;

	/* strtoull() takes blanks and signs */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoull(text, &end, base);
	if (errno || end == text)
		return false;
	if (*end == '.' && base == 10) {
		point = end + 1;
		end += 1 + strspn(point, "0123456789");
		if (end == point)
			return false;
	}
	shift = unit(end);
	if (shift < 0 || v > UINT64_MAX >> shift)
		return false;
	if (point && !fraction(point, (size_t)(end - point), shift, &part))
		return false;
	/* part is less than a unit, and the units' low bits are zeros: no carry */
	*ret_size = ((uint64_t)v << shift) + part;
	return true;
}

/**
 * tool_print_size() - a size as tool_parse_size() reads it, as short as is exact
 * @text: receives it
 * @bytes: the size
 */
void tool_print_size(char text[TOOL_SIZE_TEXT], uint64_t bytes)
{
	static const char letters[] = "KMGT";
	int n = 0;

	while (n < 4 && bytes && !(bytes % 1024)) {
		bytes /= 1024;
		n++;
	}
	if (n)
		snprintf(text, TOOL_SIZE_TEXT, "%" PRIu64 "%c", bytes, letters[n - 1]);
	else
		snprintf(text, TOOL_SIZE_TEXT, "%" PRIu64, bytes);
}
