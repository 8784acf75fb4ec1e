/* SPDX-License-Identifier: BSD-3-Clause */
/* What every command of `swsgx` needs: messages, numbers, files, options. */
#ifndef TOOLS_UTIL_H
#define TOOLS_UTIL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* The largest file any command reads whole: no enclave comes near it */
#define TOOL_FILE_MAX ((size_t)1 << 32)

/* "swsgx measure"; set once by main(), printed before each message */
void tool_set_name(const char *command);
void tool_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tool_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* An error, then where to find help.  Always TOOL_USAGE. */
int tool_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * getopt_long() with messages in our words.  As getopt_long(), but a bad option
 * is reported here and comes back as '?'.  The short options must begin ':'.
 */
int tool_getopt(int argc, char **argv, const char *shorts, const struct option *longs);

bool tool_parse_u64(const char *text, uint64_t max, uint64_t *ret_value);
bool tool_parse_hex(const char *text, uint64_t *ret_value);
/* size.c: the one grammar of sizes, and what messages say of it */
#define TOOL_SIZE_HELP "a number with K, M, G or T (powers of 1024), like 128M or 1.5G"
#define TOOL_SIZE_TEXT 24 /* bytes */
bool tool_parse_size(const char *text, uint64_t *ret_size);
void tool_print_size(char text[TOOL_SIZE_TEXT], uint64_t bytes);
/* machine_options.c */
bool tool_parse_epc(const char *text, uint64_t *ret_size);
bool tool_parse_backing(const char *text, uint64_t *ret_size);
bool tool_parse_mode(const char *text, uint32_t *ret_mode);
struct daemon_options;
bool tool_parse_provision(const char *text, struct daemon_options *options);
bool tool_parse_devices(const char *text, struct daemon_options *options);
bool tool_parse_launch(const char *text, struct daemon_options *options);
bool tool_parse_group(const char *text, uint32_t *ret_gid);
bool tool_parse_cpu(const char *text, uint32_t *ret_model);
const char *tool_cpu_name(uint64_t model);
/* reach.c, for commands that look for machines */
void tool_note_runtime(void);
void tool_unreachable(const char *name, int ret);
int tool_reach(const char *name, pid_t *ret_pid);
bool tool_parse_bytes(const char *text, uint8_t *ret_bytes, size_t count);

/* Read a whole file; says itself what went wrong.  Free *ret_data. */
int tool_read_file(const char *path, void **ret_data, size_t *ret_size)
	__attribute__((warn_unused_result));
/* Write beside it, then rename: a reader sees all of it or none */
int tool_write_file(const char *path, const void *data, size_t size, unsigned mode)
	__attribute__((warn_unused_result));
/* The same, but fails if path is there already */
int tool_write_new_file(const char *path, const void *data, size_t size, unsigned mode)
	__attribute__((warn_unused_result));
/* stdout reached its reader in full? */
int tool_finish_stdout(void) __attribute__((warn_unused_result));

#endif
