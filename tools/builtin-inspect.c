/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin.h"
#include "arch_show.h"
#include "enclave_file.h"
#include "file_kind.h"
#include "gramine_show.h"
#include "oeinfo.h"
#include "print.h"
#include "sgxmeta_show.h"
#include "sgxs_show.h"
#include "util.h"
#include "xfrm_scan.h"

#include <cpu/sigstruct.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: swsgx inspect [OPTION...] FILE\n"
	"\n"
	"Tell what FILE is.  An enclave ELF file, a SIGSTRUCT or an RSA key in PEM is\n"
	"printed in full: fields, measurement, MRSIGNER, whether the signature verifies; so is\n"
	"an SGXS stream, a signed enclave of Intel's SDK, a manifest.sgx of Gramine with the\n"
	".sig beside it, and .oeinfo of an enclave of Open Enclave.\n"
	"So are EINITTOKEN, REPORT, TARGETINFO and KEYREQUEST, which are told by their size\n"
	"and reserved bytes, or by --type.\n"
	"Of programs, quotes and other files it is said what they are.\n"
	"Of an enclave's code: which instructions depend on XFRM.\n"
	"\n" ENCLAVE_OPTIONS_HELP
	"      --sig FILE          the enclave's SIGSTRUCT: is the code within its XFRM?  Is it\n"
	"                          the enclave that was signed?\n"
	"      --xfrm HEX          the same, for an XFRM\n"
	"      --libpal FILE       Gramine's libpal.so; default: beside the libOS that the\n"
	"                          manifest names\n"
	"      --type TYPE         what FILE is: sigstruct, einittoken, report, targetinfo or\n"
	"                          keyrequest\n"
	"      --json              print an object; its member \"type\" is enclave, sigstruct,\n"
	"                          key, or another, with \"what\" in words\n"
	"  -h, --help              show this\n"
	"\n"
	"Exit status: 0 told, 1 FILE is none of these, is damaged, or its SIGSTRUCT's\n"
	"signature does not verify, or the SIGSTRUCT was not signed for it, or a reserved bit\n"
	"is set (shown all the same), 2 usage.\n";

enum {
	OPT_SIG = OPT_OWN,
	OPT_XFRM,
	OPT_TYPE,
	OPT_LIBPAL,
};

/* clang-format off */
static const struct option options[] = {
	ENCLAVE_LONG_OPTIONS,
	{ "sig", required_argument, NULL, OPT_SIG },
	{ "xfrm", required_argument, NULL, OPT_XFRM },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "libpal", required_argument, NULL, OPT_LIBPAL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */

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

/* Another SDK's enclave may be one; a program or a library where somebody says so. */
static bool is_enclave_code(enum file_kind kind, const struct xfrm_signed *is)
{
	return kind == FILE_ELF_INTEL ||
	       (is->known && (kind == FILE_ELF_PROGRAM || kind == FILE_ELF_LIBRARY));
}

/* What swsgx knows by name alone */
static int inspect_named(const char *path, enum file_kind kind, const void *data, size_t size,
			 const struct xfrm_signed *is, bool json)
{
	struct xfrm_scan scan;
	bool code = is_enclave_code(kind, is) && !xfrm_scan(&scan, data, size);
	struct json j;

	if (json) {
		open_document(&j, path);
		json_string(&j, "type", file_kind_name(kind));
		json_string(&j, "what", file_kind_sentence(kind));
		if (code)
			xfrm_print_json(&j, &scan, is);
		close_document(&j);
	} else {
		printf("%s: %s\n", path, file_kind_sentence(kind));
		if (code)
			xfrm_print(stdout, &scan, is);
	}
	return TOOL_OK;
}

/* True where nobody says what it is signed for */
static bool is_signed_for(const struct enclave_elf *elf, const struct sgx_sigstruct_arch *sig)
{
	uint8_t mrenclave[SGX_HASH_SIZE];

	if (!sig)
		return true;
	enclave_elf_measure(elf, mrenclave);
	return !memcmp(mrenclave, sig->enclavehash, sizeof(mrenclave));
}

static int inspect_enclave(const char *path, enum file_kind kind, const void *data, size_t size,
			   const struct enclave_options *eo, const struct show *how)
{
	const struct xfrm_signed *is = &how->is;
	struct xfrm_scan scan;
	bool equal;
	struct enclave_elf *elf = malloc(sizeof(*elf));
	char error[ENCLAVE_MESSAGE_SIZE];
	struct json j;

	if (!elf) {
		tool_error("no memory");
		return TOOL_FAILED;
	}
	if (enclave_elf_parse(elf, data, size, eo, error)) {
		free(elf);
		if (file_kind_sentence(kind))
			return inspect_named(path, kind, data, size, is, how->json);
		tool_error("%s: an ELF file, but not an enclave that can be loaded: %s", path,
			   error);
		return TOOL_FAILED;
	}
	enclave_print_warnings(path, elf);
	if (xfrm_scan(&scan, data, size))
		memset(&scan, 0, sizeof(scan)); /* the parser wants more than it does */
	equal = is_signed_for(elf, how->sig);
	if (how->json) {
		open_document(&j, path);
		print_enclave_json(&j, elf);
		if (how->sig) {
			json_bytes(&j, "enclavehash", how->sig->enclavehash, SGX_HASH_SIZE);
			json_bool(&j, "enclavehash_equal", equal);
		}
		xfrm_print_json(&j, &scan, is);
		close_document(&j);
	} else {
		print_enclave(stdout, elf);
		if (how->sig)
			puts(enclave_hash_sentence(equal));
		xfrm_print(stdout, &scan, is);
	}
	free(elf);
	return equal ? TOOL_OK : TOOL_FAILED;
}

static int inspect_sigstruct(const char *path, const void *data, size_t size, bool json)
{
	struct sgx_sigstruct_arch sig;
	struct json j;

	if (size != sizeof(sig)) {
		tool_error("%s: %zu bytes are no SIGSTRUCT, which has %zu", path, size,
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

/* EINITTOKEN, REPORT, TARGETINFO, KEYREQUEST: by size and content, or as --type says */
static int inspect_structure(const char *path, enum file_kind kind, const void *data, size_t size,
			     bool json)
{
	struct json j;
	bool good;

	if (!arch_size_fits(kind, data, size)) {
		tool_error("%s: %zu bytes are no %s, which has %zu", path, size,
			   file_kind_name(kind), arch_size(kind));
		return TOOL_FAILED;
	}
	if (json) {
		open_document(&j, path);
		good = arch_print_json(&j, kind, data);
		close_document(&j);
	} else {
		printf("%s: %s\n", path, file_kind_sentence(kind));
		good = arch_print(stdout, kind, data);
	}
	return good ? TOOL_OK : TOOL_FAILED;
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

static void say_unknown(const char *path, size_t size)
{
	char names[64];

	if (arch_names_of_size(size, names, sizeof(names)))
		tool_error("%s: %zu bytes, as a %s has, but not one that is filled in and has its "
			   "reserved bits clear; --type shows it as one",
			   path, size, names);
	else
		tool_error(
			"%s: %zu bytes that are nothing that swsgx knows: no ELF file, SIGSTRUCT "
			"(%zu bytes), PEM text, or file of another SDK",
			path, size, sizeof(struct sgx_sigstruct_arch));
}

static int inspect(const char *path, const struct enclave_options *eo, const struct xfrm_signed *is,
		   const struct sgx_sigstruct_arch *sig, enum file_kind as, const char *libpal,
		   bool json)
{
	const struct show how = {.sig = sig, .json = json, .whole = true, .is = *is};
	int ret = TOOL_FAILED;
	enum file_kind kind;
	size_t size;
	void *data;

	if (tool_read_file(path, &data, &size))
		return TOOL_FAILED;
	kind = as != FILE_UNKNOWN ? as : file_kind(data, size);
	switch (kind) {
	case FILE_ELF:
	case FILE_ELF_PROGRAM:
	case FILE_ELF_LIBRARY:
		ret = inspect_enclave(path, kind, data, size, eo, &how);
		break;
	case FILE_SIGSTRUCT:
		ret = inspect_sigstruct(path, data, size, json);
		break;
	case FILE_SGXS:
		ret = sgxs_show(path, data, size, &how);
		break;
	case FILE_EINITTOKEN:
	case FILE_REPORT:
	case FILE_TARGETINFO:
	case FILE_KEYREQUEST:
		ret = inspect_structure(path, kind, data, size, json);
		break;
	case FILE_ELF_INTEL_SIGNED:
		ret = sgxmeta_show(path, data, size, &how);
		break;
	case FILE_ELF_OPEN_ENCLAVE:
		ret = oeinfo_show(path, data, size, &how);
		break;
	case FILE_GRAMINE_MANIFEST:
		ret = gramine_show(path, data, size, libpal, &how);
		break;
	case FILE_PEM:
		ret = inspect_key(path, data, size, json);
		break;
	case FILE_UNKNOWN:
		say_unknown(path, size);
		break;
	case FILE_EMPTY:
		tool_error("%s: %s", path, file_kind_sentence(kind));
		break;
	default:
		ret = inspect_named(path, kind, data, size, is, json);
		break;
	}
	free(data);
	if (tool_finish_stdout())
		return TOOL_FAILED;
	return ret;
}

/* The types that a file cannot always tell of itself */
static bool parse_type(const char *name, enum file_kind *ret_kind)
{
	if (strcmp(name, file_kind_name(FILE_SIGSTRUCT)))
		return arch_kind_named(name, ret_kind);
	*ret_kind = FILE_SIGSTRUCT;
	return true;
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
	struct xfrm_signed is = {.mask = ~0ull};
	struct sgx_sigstruct_arch sig;
	const char *sig_path = NULL, *libpal = NULL;
	enum file_kind as = FILE_UNKNOWN;
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
		case OPT_XFRM:
			if (!tool_parse_hex(optarg, &is.xfrm))
				return tool_usage_error("--xfrm '%s' is not a hexadecimal number "
							"of 64 bits",
							optarg);
			is.known = true;
			break;
		case OPT_TYPE:
			if (!parse_type(optarg, &as))
				return tool_usage_error(
					"--type %s is not one of sigstruct, "
					"einittoken, report, targetinfo, keyrequest",
					optarg);
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
		return tool_usage_error("one file is needed, not %d", argc - optind);
	if (sig_path && is.known)
		return tool_usage_error("--sig and --xfrm both say what the enclave is signed for");
	if (sig_path) {
		if (enclave_read_sigstruct(sig_path, &sig))
			return TOOL_FAILED;
		is = (struct xfrm_signed){true, sig.attributes.xfrm, sig.attributemask.xfrm};
	}
	return inspect(argv[optind], &eo, &is, sig_path ? &sig : NULL, as, libpal, json);
}
