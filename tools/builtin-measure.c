/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin.h"
#include "enclave_file.h"
#include "file_kind.h"
#include "gramine_show.h"
#include "oeinfo.h"
#include "print.h"
#include "sgxmeta_show.h"
#include "sgxs_show.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: swsgx measure [OPTION...] FILE\n"
	"\n"
	"Compute the MRENCLAVE that the enclave file FILE gets when it is loaded:\n"
	"every PT_LOAD where it lies in the file, the first as TCS pages.  Or that of an SGXS\n"
	"stream, of a signed enclave of Intel's SDK, or of a manifest.sgx of Gramine, as their\n"
	"loaders have it.\n"
	"\n" ENCLAVE_OPTIONS_HELP
	"      --sig FILE.sig      say whether it equals this SIGSTRUCT's ENCLAVEHASH; Intel's\n"
	"                          have one in the file, Gramine's beside it, which counts where\n"
	"                          this is not given\n"
	"      --libpal FILE       Gramine's libpal.so; default: beside the libOS that the\n"
	"                          manifest names\n"
	"      --json              print an object with mrenclave, sizes and counts\n"
	"  -h, --help              show this\n"
	"\n"
	"Exit status: 0 measured, 1 FILE cannot be loaded as an enclave or is not what the\n"
	"SIGSTRUCT was signed for, 2 usage.\n";

enum {
	OPT_SIG = OPT_OWN,
	OPT_LIBPAL,
};

/* clang-format off */
static const struct option options[] = {
	ENCLAVE_LONG_OPTIONS,
	{ "sig", required_argument, NULL, OPT_SIG },
	{ "libpal", required_argument, NULL, OPT_LIBPAL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */

static void print_json(const struct enclave_elf *elf, const uint8_t mrenclave[SGX_HASH_SIZE],
		       const struct sgx_sigstruct_arch *sig, bool equal)
{
	struct json j;

	json_start(&j, stdout);
	json_open_object(&j, NULL);
	json_bytes(&j, "mrenclave", mrenclave, SGX_HASH_SIZE);
	if (sig) {
		json_bytes(&j, "enclavehash", sig->enclavehash, SGX_HASH_SIZE);
		json_bool(&j, "enclavehash_equal", equal);
	}
	json_hex(&j, "elrange_size", elf->elrange);
	json_u64(&j, "pages", elf->page_count);
	json_u64(&j, "tcs_count", elf->tcs_count);
	json_hex(&j, "heap_size", elf->options.heap_size);
	json_u64(&j, "ssaframesize", elf->options.ssaframesize);
	json_close_object(&j);
	json_end(&j);
}

/* Frees data */
static int measure_elf(const char *path, void *data, size_t size, const struct enclave_options *eo,
		       const struct sgx_sigstruct_arch *sig, bool json)
{
	struct enclave_file *f = malloc(sizeof(*f));
	uint8_t mrenclave[SGX_HASH_SIZE];
	bool equal;

	if (!f) {
		free(data);
		tool_error("no memory");
		return TOOL_FAILED;
	}
	if (enclave_file_take(f, path, data, size, eo)) {
		free(f);
		return TOOL_FAILED;
	}
	enclave_elf_measure(&f->elf, mrenclave);
	equal = !sig || !memcmp(sig->enclavehash, mrenclave, sizeof(mrenclave));
	if (json) {
		print_json(&f->elf, mrenclave, sig, equal);
	} else {
		print_bytes(stdout, mrenclave, sizeof(mrenclave));
		putchar('\n');
		if (sig)
			puts(enclave_hash_sentence(equal));
	}
	enclave_file_close(f);
	free(f);
	return equal ? TOOL_OK : TOOL_FAILED;
}

/* Where the loader is another SDK's, our options for it mean nothing. */
static int no_options(const char *path, enum file_kind kind, const struct enclave_options *eo)
{
	if (!eo->heap_size && eo->ssaframesize == 1)
		return TOOL_OK;
	return tool_usage_error("--heap and --ssaframesize are for enclaves that swsgx lays out: "
				"%s has its own (%s)",
				path, file_kind_name(kind));
}

/* A file that another SDK's loader lays out */
static int measure_other(const char *path, enum file_kind kind, const void *data, size_t size,
			 const char *libpal, const struct show *how)
{
	switch (kind) {
	case FILE_SGXS:
		return sgxs_show(path, data, size, how);
	case FILE_ELF_INTEL_SIGNED:
		return sgxmeta_show(path, data, size, how);
	case FILE_ELF_OPEN_ENCLAVE:
		return oeinfo_show(path, data, size, how);
	default:
		return gramine_show(path, data, size, libpal, how);
	}
}

/* Which of the measurers is it? */
static int measure(const char *path, const struct enclave_options *eo, const char *libpal,
		   const struct sgx_sigstruct_arch *sig, bool json)
{
	const struct show how = {.sig = sig, .json = json};
	enum file_kind kind;
	size_t size;
	void *data;
	int ret;

	if (tool_read_file(path, &data, &size))
		return TOOL_FAILED;
	kind = file_kind(data, size);
	if (kind != FILE_SGXS && kind != FILE_ELF_INTEL_SIGNED && kind != FILE_ELF_OPEN_ENCLAVE &&
	    kind != FILE_GRAMINE_MANIFEST)
		return measure_elf(path, data, size, eo, sig, json);
	ret = no_options(path, kind, eo);
	if (ret == TOOL_OK)
		ret = measure_other(path, kind, data, size, libpal, &how);
	free(data);
	return ret;
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
	struct sgx_sigstruct_arch sig;
	const char *sig_path = NULL, *libpal = NULL;
	bool json = false;
	int c, ret;

	while ((c = tool_getopt(argc, argv, ":h", options)) != -1) {
		ret = enclave_option(c, optarg, &eo);
		if (ret < 0)
			return TOOL_USAGE;
		if (ret)
			continue;
		switch (c) {
		case OPT_SIG:
			sig_path = optarg;
			break;
		case OPT_LIBPAL:
			libpal = optarg;
			break;
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
	if (sig_path && enclave_read_sigstruct(sig_path, &sig))
		return TOOL_FAILED;
	ret = measure(argv[optind], &eo, libpal, sig_path ? &sig : NULL, json);
	return tool_finish_stdout() ? TOOL_FAILED : ret;
}
