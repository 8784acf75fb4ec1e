/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin.h"
#include "enclave_file.h"
#include "print.h"
#include "util.h"

#include <cpu/sigstruct.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: swsgx inspect [OPTION...] FILE\n"
	"\n"
	"Tell what FILE is - an enclave ELF file, a SIGSTRUCT or an RSA key in PEM - and\n"
	"print it in full: fields, measurement, MRSIGNER, whether the signature verifies.\n"
	"\n" ENCLAVE_OPTIONS_HELP
	"      --json              print an object; its member \"type\" is enclave, sigstruct\n"
	"                          or key\n"
	"  -h, --help              show this\n"
	"\n"
	"Exit status: 0 shown, 1 FILE is none of these, is damaged, or is a SIGSTRUCT\n"
	"whose signature does not verify (shown all the same), 2 usage.\n";

/* clang-format off */
static const struct option options[] = {
	ENCLAVE_LONG_OPTIONS,
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */

enum kind { KIND_UNKNOWN, KIND_ENCLAVE, KIND_SIGSTRUCT, KIND_KEY };

/* By what cannot be mistaken first: magic, then PEM's words, then the size */
static enum kind find_kind(const void *data, size_t size)
{
	struct sgx_sigstruct_arch fixed;

	if (size >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG))
		return KIND_ENCLAVE;
	memset(&fixed, 0, sizeof(fixed));
	cpu_sigstruct_init(&fixed);
	if (size >= sizeof(fixed.header) && !memcmp(data, fixed.header, sizeof(fixed.header)))
		return KIND_SIGSTRUCT;
	if (memmem(data, size, "-----BEGIN ", 11))
		return KIND_KEY;
	if (size == sizeof(fixed))
		return KIND_SIGSTRUCT;
	return KIND_UNKNOWN;
}

static void open_document(struct json *j, const char *path)
{
	json_start(j, stdout);
	json_open_object(j, NULL);
	json_string(j, "file", path);
}

static void close_document(struct json *j)
{
	json_close_object(j);
	json_end(j);
}

static int inspect_enclave(const char *path, const void *data, size_t size,
			   const struct enclave_options *eo, bool json)
{
	struct enclave_elf *elf = malloc(sizeof(*elf));
	char error[ENCLAVE_MESSAGE_SIZE];
	struct json j;

	if (!elf) {
		tool_error("no memory");
		return TOOL_FAILED;
	}
	if (enclave_elf_parse(elf, data, size, eo, error)) {
		tool_error("%s: an ELF file, but not an enclave that can be loaded: %s", path,
			   error);
		free(elf);
		return TOOL_FAILED;
	}
	enclave_print_warnings(path, elf);
	if (json) {
		open_document(&j, path);
		print_enclave_json(&j, elf);
		close_document(&j);
	} else {
		print_enclave(stdout, elf);
	}
	free(elf);
	return TOOL_OK;
}

static int inspect_sigstruct(const char *path, const void *data, size_t size, bool json)
{
	struct sgx_sigstruct_arch sig;
	struct json j;

	if (size != sizeof(sig)) {
		tool_error("%s: begins like a SIGSTRUCT, but has %zu bytes, not %zu", path, size,
			   sizeof(sig));
		return TOOL_FAILED;
	}
	memcpy(&sig, data, sizeof(sig));
	if (json) {
		open_document(&j, path);
		print_sigstruct_json(&j, &sig);
		close_document(&j);
	} else {
		print_sigstruct(stdout, &sig);
	}
	return cpu_sigstruct_verify(&sig) ? TOOL_FAILED : TOOL_OK;
}

static int inspect_key(const char *path, const void *data, size_t size, bool json)
{
	struct key_info info;
	const char *why;
	struct json j;

	if (key_read(data, size, &info, &why)) {
		tool_error("%s: PEM text, but not a key for enclaves: %s", path, why);
		return TOOL_FAILED;
	}
	if (json) {
		open_document(&j, path);
		print_key_json(&j, &info);
		close_document(&j);
	} else {
		print_key(stdout, &info);
	}
	return TOOL_OK;
}

static int inspect(const char *path, const struct enclave_options *eo, bool json)
{
	int ret = TOOL_FAILED;
	size_t size;
	void *data;

	if (tool_read_file(path, &data, &size))
		return TOOL_FAILED;
	switch (find_kind(data, size)) {
	case KIND_ENCLAVE:
		ret = inspect_enclave(path, data, size, eo, json);
		break;
	case KIND_SIGSTRUCT:
		ret = inspect_sigstruct(path, data, size, json);
		break;
	case KIND_KEY:
		ret = inspect_key(path, data, size, json);
		break;
	case KIND_UNKNOWN:
		tool_error("%s: %zu bytes that are neither an ELF file, nor a SIGSTRUCT (%zu "
			   "bytes), nor PEM text",
			   path, size, sizeof(struct sgx_sigstruct_arch));
		break;
	}
	free(data);
	if (tool_finish_stdout())
		return TOOL_FAILED;
	return ret;
}

/**
 * cmd_inspect() - swsgx inspect
 * @argc: arguments
 * @argv: arguments
 *
 * Return: enum tool_exit
 */
int cmd_inspect(int argc, char **argv)
{
	struct enclave_options eo = ENCLAVE_OPTIONS_DEFAULT;
	bool json = false;
	int c, ret;

	while ((c = tool_getopt(argc, argv, ":h", options)) != -1) {
		ret = enclave_option(c, optarg, &eo);
		if (ret < 0)
			return TOOL_USAGE;
		if (ret)
			continue;
		switch (c) {
		case OPT_JSON:
			json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return tool_finish_stdout();
		default:
			return TOOL_USAGE;
		}
	}
	if (argc - optind != 1)
		return tool_usage_error("one file is needed, not %d", argc - optind);
	return inspect(argv[optind], &eo, json);
}
