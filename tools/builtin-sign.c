/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin.h"
#include "enclave_file.h"
#include "file_kind.h"
#include "key.h"
#include "print.h"
#include "sgxs.h"
#include "sign_request.h"
#include "util.h"

#include <cpu/sigstruct.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"Usage: swsgx sign --key KEY.pem [OPTION...] FILE\n"
	"       swsgx sign --data-out DATA [OPTION...] FILE\n"
	"       swsgx sign --data DATA --signature SIGNATURE --key PUBLIC.pem --out FILE.sig\n"
	"       swsgx sign --new-key KEY.pem [--force]\n"
	"\n"
	"Measure the enclave file or SGXS stream FILE and write its SIGSTRUCT (1808 bytes); or do\n"
	"so in two steps, with a key that is elsewhere; or make a signing key: RSA, 3072 bits,\n"
	"exponent 3, readable by its owner alone.\n"
	"\n"
	"  -k, --key KEY.pem       the private key that signs; with --data the public one will do\n"
	"  -o, --out FILE.sig      where the SIGSTRUCT goes; default FILE with its .elf, .so or\n"
	"                          .sgxs replaced by .sig\n"
	"      --data-out DATA     write what is to be signed, 256 bytes, by RSA, PKCS#1 1.5 and\n"
	"                          SHA-256: openssl dgst -sha256 -sign KEY.pem -out SIGNATURE "
	"DATA\n"
	"      --data DATA         make the SIGSTRUCT of this data and --signature\n"
	"      --signature SIGNATURE  384 bytes, the most significant first\n"
	"      --new-key KEY.pem   make a key instead; never replaces a file\n"
	"      --force             with --new-key: replaces one\n" ENCLAVE_OPTIONS_HELP
	"      --debug             DEBUG set in ATTRIBUTES, and free for the loader to choose\n"
	"      --production        DEBUG clear and in the mask: never a debug enclave\n"
	"      --prodid N          ISVPRODID; default 0\n"
	"      --svn N             ISVSVN; default 0\n"
	"      --date YYYYMMDD     DATE; default today (UTC), or SOURCE_DATE_EPOCH; 0xHEX: any\n"
	"      --attributes HEX    ATTRIBUTES.flags; default 4 (MODE64BIT)\n"
	"      --attributes-mask HEX  default: all bits but DEBUG\n"
	"      --xfrm HEX          ATTRIBUTES.xfrm; default 3 (x87 and SSE)\n"
	"      --xfrm-mask HEX     default: all bits\n"
	"      --miscselect HEX    default 0\n"
	"      --miscselect-mask HEX  default ffffffff\n"
	"      --cet-attributes HEX  default 0\n"
	"      --cet-attributes-mask HEX  default 0\n"
	"      --vendor HEX        0 or 8086; default 0\n"
	"      --swdefined HEX     SWDEFINED; default 0\n"
	"      --family-id HEX     ISVFAMILYID, 32 digits; default zeros\n"
	"      --ext-prodid HEX    ISVEXTPRODID, 32 digits; default zeros\n"
	"      --enclavehash HEX   ENCLAVEHASH, 64 digits, instead of FILE\n"
	"  -h, --help              show this\n"
	"\n"
	"EINIT compares SECS with SIGSTRUCT where the mask has a 1.\n"
	"Exit status: 0 written, 1 not, 2 usage.\n";

static int new_key(const struct sign_request *r)
{
	const char *why;
	size_t size;
	char *pem;
	int ret;

	/* Ask before half a second of searching for primes */
	if (!r->force && !access(r->new_key, F_OK)) {
		tool_error("%s exists: enclaves may depend on it; --force replaces it", r->new_key);
		return TOOL_FAILED;
	}
	if (key_generate(&pem, &size, &why)) {
		tool_error("cannot make a key: %s", why);
		return TOOL_FAILED;
	}
	if (r->force)
		ret = tool_write_file(r->new_key, pem, size, 0600);
	else
		ret = tool_write_new_file(r->new_key, pem, size, 0600);
	key_free_pem(pem, size);
	return ret ? TOOL_FAILED : TOOL_OK;
}

/* hello.elf -> hello.sig; any other name gets .sig appended */
static char *default_out(const char *path)
{
	static const char *const endings[] = {".elf", ".so", ".sgxs"};
	size_t length = strlen(path);
	char *out;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t end = strlen(endings[i]);

		if (length <= end || strcmp(path + length - end, endings[i]))
			continue;
		length -= end;
		break;
	}
	if (asprintf(&out, "%.*s.sig", (int)length, path) < 0)
		return NULL;
	return out;
}

static int measure_sgxs(struct sign_request *r, const char *path, const void *data, size_t size)
{
	char error[SGXS_MESSAGE_SIZE];
	struct sgxs s;

	if (r->eo.heap_size || r->eo.ssaframesize != 1) {
		tool_error("--heap and --ssaframesize are for enclaves that swsgx lays out: %s, an "
			   "SGXS stream, has its own",
			   path);
		return -1;
	}
	if (sgxs_parse(&s, data, size, error)) {
		tool_error("%s: an SGXS stream, but not one that can be loaded: %s", path, error);
		return -1;
	}
	memcpy(r->sig.enclavehash, s.mrenclave, sizeof(r->sig.enclavehash));
	return 0;
}

/* Frees data */
static int measure_elf(struct sign_request *r, const char *path, void *data, size_t size)
{
	struct enclave_file *f = malloc(sizeof(*f));

	if (!f) {
		free(data);
		tool_error("no memory");
		return -1;
	}
	if (enclave_file_take(f, path, data, size, &r->eo)) {
		free(f);
		return -1;
	}
	enclave_elf_measure(&f->elf, r->sig.enclavehash);
	enclave_file_close(f);
	free(f);
	return 0;
}

/* ENCLAVEHASH, of the file where there is one */
static int measure_file(struct sign_request *r, const char *path)
{
	size_t size;
	void *data;
	int ret;

	if (!path)
		return 0;
	if (tool_read_file(path, &data, &size))
		return -1;
	if (file_kind(data, size) != FILE_SGXS)
		return measure_elf(r, path, data, size);
	ret = measure_sgxs(r, path, data, size);
	free(data);
	return ret;
}

static int write_sigstruct(struct sign_request *r, const char *path)
{
	char *made_out = NULL;
	int ret = TOOL_FAILED;

	if (!r->out)
		r->out = made_out = default_out(path);
	if (!r->out)
		tool_error("no memory");
	else if (!tool_write_file(r->out, &r->sig, sizeof(r->sig), 0644))
		ret = TOOL_OK;
	free(made_out);
	return ret;
}

static int sign_file(struct sign_request *r, const char *path)
{
	int ret = TOOL_FAILED;
	const char *why;
	size_t pem_size;
	char *pem;

	if (sign_fields(r) || measure_file(r, path))
		return TOOL_FAILED;
	if (tool_read_file(r->key, (void **)&pem, &pem_size))
		return TOOL_FAILED;
	if (cpu_sigstruct_sign(&r->sig, pem, pem_size, &why))
		tool_error("%s cannot sign: %s", r->key, why);
	else
		ret = write_sigstruct(r, path);
	key_free_pem(pem, pem_size);
	return ret;
}

/* The first step where the key is elsewhere: what it has to sign */
static int write_data(struct sign_request *r, const char *path)
{
	uint8_t data[CPU_SIGSTRUCT_MESSAGE_SIZE];

	if (sign_fields(r) || measure_file(r, path))
		return TOOL_FAILED;
	cpu_sigstruct_message(&r->sig, data);
	return tool_write_file(r->data_out, data, sizeof(data), 0644) ? TOOL_FAILED : TOOL_OK;
}

/* A file of exactly so many bytes */
static int read_exactly(const char *path, const char *what, void *to, size_t want)
{
	size_t size;
	void *data;

	if (tool_read_file(path, &data, &size))
		return -1;
	if (size == want)
		memcpy(to, data, want);
	else
		tool_error("%s: %zu bytes, not %zu: not %s", path, size, want, what);
	free(data);
	return size == want ? 0 : -1;
}

/* MODULUS of the key; the private half is not needed */
static int read_modulus(struct sign_request *r)
{
	struct key_info info;
	const char *why = NULL;
	size_t size;
	char *pem;

	if (tool_read_file(r->key, (void **)&pem, &size))
		return -1;
	if (!key_read(pem, size, &info, &why) && !info.usable)
		why = "a SIGSTRUCT takes RSA of 3072 bits with exponent 3";
	key_free_pem(pem, size);
	if (why) {
		tool_error("%s: not a key for enclaves: %s", r->key, why);
		return -1;
	}
	memcpy(r->sig.modulus, info.modulus, sizeof(r->sig.modulus));
	return 0;
}

/* SIGSTRUCT has the least significant byte first, PKCS#1 the most significant. */
static enum cpu_sigstruct_check try_signature(struct sgx_sigstruct_arch *sig,
					      const uint8_t signature[SGX_MODULUS_SIZE_BYTES],
					      bool reverse)
{
	for (size_t i = 0; i < SGX_MODULUS_SIZE_BYTES; i++)
		sig->signature[i] = signature[reverse ? SGX_MODULUS_SIZE_BYTES - 1 - i : i];
	return cpu_sigstruct_complete(sig);
}

static void say_bad_signature(const struct sign_request *r, enum cpu_sigstruct_check check,
			      const uint8_t signature[SGX_MODULUS_SIZE_BYTES])
{
	struct sgx_sigstruct_arch sig = r->sig;

	if (check < CPU_SIG_Q1)
		tool_error("%s is not what --data-out wrote: %s", r->data,
			   cpu_sigstruct_check_name(check));
	else if (check == CPU_SIG_DIGEST)
		tool_error("%s is a signature of other data than %s by the key of %s", r->signature,
			   r->data, r->key);
	else if (try_signature(&sig, signature, false) == CPU_SIG_OK)
		tool_error("%s has its least significant byte first: reverse it, PKCS#1 has the "
			   "most significant first",
			   r->signature);
	else
		tool_error("%s was not made by the key of %s, or not with PKCS#1 1.5 and SHA-256",
			   r->signature, r->key);
}

/* The second step: all fields are in the data */
static int join(struct sign_request *r)
{
	uint8_t data[CPU_SIGSTRUCT_MESSAGE_SIZE], signature[SGX_MODULUS_SIZE_BYTES];
	enum cpu_sigstruct_check check;

	if (read_exactly(r->data, "what --data-out wrote", data, sizeof(data)) ||
	    read_exactly(r->signature, "a signature of RSA with 3072 bits", signature,
			 sizeof(signature)))
		return TOOL_FAILED;
	cpu_sigstruct_from_message(&r->sig, data);
	if (read_modulus(r))
		return TOOL_FAILED;
	check = try_signature(&r->sig, signature, true);
	if (check == CPU_SIG_OK)
		return write_sigstruct(r, r->out);
	say_bad_signature(r, check, signature);
	return TOOL_FAILED;
}

/* Which of the four does the command line ask for, and does it hang together? */
static int dispatch(struct sign_request *r, int count, char **files)
{
	const char *path = count ? files[0] : NULL;

	if (r->new_key) {
		if (r->key || count)
			return tool_usage_error(
				"--new-key makes a key and does nothing else: leave "
				"out %s",
				r->key ? "--key" : path);
		return new_key(r);
	}
	if (r->force)
		return tool_usage_error("--force goes with --new-key only");
	if (r->data || r->signature) {
		if (!r->data || !r->signature || !r->key || !r->out)
			return tool_usage_error("--data, --signature, --key and --out go together");
		if (r->data_out || r->field || count)
			return tool_usage_error("--data has all that is signed: leave out %s%s",
						r->data_out || r->field ? "--" : "",
						r->data_out ? "data-out"
						: r->field  ? r->field
							    : path);
		return join(r);
	}
	if (r->hash_given ? count != 0 : count != 1)
		return tool_usage_error(r->hash_given
						? "--enclavehash takes the place of the file: "
						  "leave out one of the two"
						: "one enclave file is needed, not %d",
					count);
	if (r->hash_given && (r->eo.heap_size || r->eo.ssaframesize != 1))
		return tool_usage_error("--heap and --ssaframesize are for a file: --enclavehash "
					"takes its place");
	if (r->debug && r->production)
		return tool_usage_error("--debug and --production exclude each other");
	if (r->data_out) {
		if (r->key || r->out)
			return tool_usage_error("--data-out signs nothing: leave out %s",
						r->key ? "--key" : "--out");
		return write_data(r, path);
	}
	if (!r->key)
		return tool_usage_error(
			"--key is missing; 'swsgx sign --new-key KEY.pem' makes one");
	if (!r->out && !path)
		return tool_usage_error("--enclavehash needs --out");
	return sign_file(r, path);
}

/**
 * cmd_sign() - swsgx sign
 * @argc: arguments
 * @argv: arguments
 *
 * Return: enum tool_exit
 */
int cmd_sign(int argc, char **argv)
{
	struct sign_request r;
	int c;

	sign_defaults(&r);
	while ((c = tool_getopt(argc, argv, ":hk:o:", sign_options)) != -1) {
		if (c == '?')
			return TOOL_USAGE;
		if (c == 'h') {
			fputs(help, stdout);
			return tool_finish_stdout();
		}
		if (sign_option(&r, c, optarg))
			return TOOL_USAGE;
	}
	return dispatch(&r, argc - optind, argv + optind);
}
