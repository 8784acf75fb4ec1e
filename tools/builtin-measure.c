/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin.h"
#include "enclave_file.h"
#include "print.h"
#include "util.h"

#include <stdlib.h>

static const char help[] =
	"Usage: swsgx measure [OPTION...] FILE\n"
	"\n"
	"Compute the MRENCLAVE that the enclave file FILE gets when it is loaded:\n"
	"every PT_LOAD where it lies in the file, the first as TCS pages.\n"
	"\n" ENCLAVE_OPTIONS_HELP
	"      --json              print an object with mrenclave, sizes and counts\n"
	"  -h, --help              show this\n"
	"\n"
	"Exit status: 0 measured, 1 FILE cannot be loaded as an enclave, 2 usage.\n";

/* clang-format off */
static const struct option options[] = {
	ENCLAVE_LONG_OPTIONS,
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */

static void print_json(const struct enclave_elf *elf, const uint8_t mrenclave[SGX_HASH_SIZE])
{
	struct json j;

	json_start(&j, stdout);
	json_open_object(&j, NULL);
	json_bytes(&j, "mrenclave", mrenclave, SGX_HASH_SIZE);
	json_hex(&j, "elrange_size", elf->elrange);
	json_u64(&j, "pages", elf->page_count);
	json_u64(&j, "tcs_count", elf->tcs_count);
	json_hex(&j, "heap_size", elf->options.heap_size);
	json_u64(&j, "ssaframesize", elf->options.ssaframesize);
	json_close_object(&j);
	json_end(&j);
}

/**
 * cmd_measure() - swsgx measure
 * @argc: arguments
 * @argv: arguments
 *
 * Return: enum tool_exit
 */
int cmd_measure(int argc, char **argv)
{
	struct enclave_options eo = ENCLAVE_OPTIONS_DEFAULT;
	uint8_t mrenclave[SGX_HASH_SIZE];
	struct enclave_file *f;
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
		return tool_usage_error("one enclave file is needed, not %d", argc - optind);
	f = malloc(sizeof(*f));
	if (!f) {
		tool_error("no memory");
		return TOOL_FAILED;
	}
	if (enclave_file_open(f, argv[optind], &eo)) {
		free(f);
		return TOOL_FAILED;
	}
	enclave_elf_measure(&f->elf, mrenclave);
	if (json) {
		print_json(&f->elf, mrenclave);
	} else {
		print_bytes(stdout, mrenclave, sizeof(mrenclave));
		putchar('\n');
	}
	enclave_file_close(f);
	free(f);
	return tool_finish_stdout();
}
