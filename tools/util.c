/* SPDX-License-Identifier: BSD-3-Clause */
#include "util.h"
#include "builtin.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *tool_name = "";

/**
 * tool_set_name() - which command speaks in messages
 * @command: its name, kept by reference
 */
void tool_set_name(const char *command)
{
	tool_name = command;
}

static void __attribute__((format(printf, 2, 0)))
message(const char *kind, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "swsgx%s%s: %s", *tool_name ? " " : "", tool_name, kind);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

/**
 * tool_error() - say on stderr what failed
 * @fmt: what, the value, what to do; no newline
 */
void tool_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("", fmt, ap);
	va_end(ap);
}

/**
 * tool_warn() - say on stderr what looks wrong but does not stop the command
 * @fmt: as tool_error()
 */
void tool_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("warning: ", fmt, ap);
	va_end(ap);
}

/**
 * tool_usage_error() - say what is wrong with the command line
 * @fmt: as tool_error()
 *
 * Return: TOOL_USAGE
 */
int tool_usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("", fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try 'swsgx%s%s --help'.\n", *tool_name ? " " : "", tool_name);
	return TOOL_USAGE;
}

/**
 * tool_getopt() - the next option
 * @argc: arguments
 * @argv: arguments, argv[0] is the command's name
 * @shorts: short options, beginning with ':' or "+:"
 * @longs: long options
 *
 * Return: the option's value, -1 at the end, '?' when a message was printed.
 */
int tool_getopt(int argc, char **argv, const char *shorts, const struct option *longs)
{
	int c = getopt_long(argc, argv, shorts, longs, NULL);

	if (c == ':') {
		tool_usage_error("option %s needs a value", argv[optind - 1]);
		return '?';
	}
	if (c == '?') {
		/* optopt: 0 for an unknown long option, else the option's value */
		if (!optopt)
			tool_usage_error("unknown or ambiguous option %s", argv[optind - 1]);
		else if (optopt > 0xff || strchr(shorts, optopt))
			tool_usage_error("option %s takes no value", argv[optind - 1]);
		else
			tool_usage_error("unknown option -%c", optopt);
	}
	return c;
}

/**
 * tool_parse_u64() - a number, decimal or with 0x
 * @text: the whole of it must be the number
 * @max: the largest that will do
 * @ret_value: untouched on failure
 *
 * Return: whether it is one
 */
bool tool_parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	int base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;
	char *end;
	unsigned long long v;

	/* strtoull() takes blanks and signs, and turns -1 into 2^64-1 */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoull(text, &end, base);
	if (errno || *end || end == text || v > max)
		return false;
	*ret_value = v;
	return true;
}

/**
 * tool_parse_hex() - a hexadecimal number, with or without 0x
 * @text: the whole of it must be the number
 * @ret_value: untouched on failure
 *
 * Return: whether it is one
 */
bool tool_parse_hex(const char *text, uint64_t *ret_value)
{
	char *end;
	unsigned long long v;

	if (!isxdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoull(text, &end, 16);
	if (errno || *end || end == text)
		return false;
	*ret_value = v;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/**
 * tool_parse_bytes() - exactly count bytes as hexadecimal digits, first byte first
 * @text: twice count digits
 * @ret_bytes: may be half written on failure
 * @count: bytes
 *
 * Return: whether the text is that
 */
bool tool_parse_bytes(const char *text, uint8_t *ret_bytes, size_t count)
{
	if (strlen(text) != 2 * count)
		return false;
	for (size_t i = 0; i < count; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret_bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/**
 * tool_read_file() - read a regular file (or a pipe) whole
 * @path: its name
 * @ret_data: malloc'ed, never NULL on success; untouched on failure
 * @ret_size: bytes
 *
 * Return: 0, or -1 with a message printed
 */
int tool_read_file(const char *path, void **ret_data, size_t *ret_size)
{
	size_t size = 0, room = 64 << 10;
	uint8_t *data = NULL;
	struct stat st;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		tool_error("cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size < TOOL_FILE_MAX)
		room = (size_t)st.st_size + 1;
	data = malloc(room);
	if (!data)
		goto no_memory;
	while ((n = read(fd, data + size, room - size)) != 0) {
		if (n < 0) {
			if (errno == EINTR)
				continue;
			tool_error("cannot read %s: %s", path, strerror(errno));
			goto close;
		}
		size += (size_t)n;
		if (size == room) {
			void *more;

			if (room >= TOOL_FILE_MAX) {
				tool_error("%s is larger than %zu bytes", path, TOOL_FILE_MAX);
				goto close;
			}
			room *= 2;
			more = realloc(data, room);
			if (!more)
				goto no_memory;
			data = more;
		}
	}
	close(fd);
	*ret_data = data;
	*ret_size = size;
	return 0;

no_memory:
	tool_error("no memory to read %s", path);
close:
	free(data);
	close(fd);
	return -1;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_file(const char *path, const void *data, size_t size, unsigned mode, bool replace)
{
	char *temporary;
	mode_t mask;
	int fd, saved;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		tool_error("no memory to write %s", path);
		return -1;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		tool_error("cannot create a file beside %s: %s", path, strerror(errno));
		free(temporary);
		return -1;
	}
	mask = umask(0);
	umask(mask);
	if (fchmod(fd, mode & ~mask) || write_all(fd, data, size))
		goto failed;
	/* Not every file system can fsync; close() tells what it can of the rest */
	if (close(fd)) {
		fd = -1;
		goto failed;
	}
	fd = -1;
	/* link() is the rename() that never replaces */
	if (replace ? rename(temporary, path) : link(temporary, path))
		goto failed;
	if (!replace)
		unlink(temporary);
	free(temporary);
	return 0;

failed:
	saved = errno;
	if (fd >= 0)
		close(fd);
	unlink(temporary);
	free(temporary);
	tool_error("cannot write %s: %s", path, strerror(saved));
	return -1;
}

/**
 * tool_write_file() - write a file, replacing one of that name at once
 * @path: its name
 * @data: what goes in
 * @size: bytes
 * @mode: permissions before the umask
 *
 * Return: 0, or -1 with a message printed and nothing left behind
 */
int tool_write_file(const char *path, const void *data, size_t size, unsigned mode)
{
	return write_file(path, data, size, mode, true);
}

/**
 * tool_write_new_file() - write a file that must not be there yet
 * @path: its name
 * @data: what goes in
 * @size: bytes
 * @mode: permissions before the umask
 *
 * Return: 0, or -1 with a message printed and nothing changed
 */
int tool_write_new_file(const char *path, const void *data, size_t size, unsigned mode)
{
	return write_file(path, data, size, mode, false);
}

/**
 * tool_finish_stdout() - did everything printed get out?
 *
 * Return: TOOL_OK, or TOOL_FAILED with a message (a full disk, a closed pipe)
 */
int tool_finish_stdout(void)
{
	if (fflush(stdout) || ferror(stdout)) {
		tool_error("cannot write the output: %s", strerror(errno));
		return TOOL_FAILED;
	}
	return TOOL_OK;
}
