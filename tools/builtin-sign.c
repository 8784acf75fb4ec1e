/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin.h"
#include "enclave_file.h"
#include "key.h"
#include "print.h"
#include "util.h"

#include <cpu/sigstruct.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
	"Usage: swsgx sign --key KEY.pem [OPTION...] FILE\n"
	"       swsgx sign --new-key KEY.pem [--force]\n"
	"\n"
	"Measure the enclave file FILE and write its SIGSTRUCT (1808 bytes), or make a\n"
	"signing key: RSA, 3072 bits, exponent 3, readable by its owner alone.\n"
	"\n"
	"  -k, --key KEY.pem       the private key that signs\n"
	"  -o, --out FILE.sig      where the SIGSTRUCT goes; default FILE with its .elf or\n"
	"                          .so replaced by .sig\n"
	"      --new-key KEY.pem   make a key instead; never replaces a file\n"
	"      --force             with --new-key: replaces one\n" ENCLAVE_OPTIONS_HELP
	"      --debug             DEBUG set in ATTRIBUTES, and free for the loader to choose\n"
	"      --production        DEBUG clear and in the mask: never a debug enclave\n"
	"      --prodid N          ISVPRODID; default 0\n"
	"      --svn N             ISVSVN; default 0\n"
	"      --date YYYYMMDD     DATE; default today (UTC), or SOURCE_DATE_EPOCH\n"
	"      --attributes HEX    ATTRIBUTES.flags; default 4 (MODE64BIT)\n"
	"      --attributes-mask HEX  default: all bits but DEBUG\n"
	"      --xfrm HEX          ATTRIBUTES.xfrm; default 3 (x87 and SSE)\n"
	"      --xfrm-mask HEX     default: all bits\n"
	"      --miscselect HEX    default 0\n"
	"      --miscselect-mask HEX  default ffffffff\n"
	"      --vendor HEX        0 or 8086; default 0\n"
	"      --swdefined HEX     SWDEFINED; default 0\n"
	"      --family-id HEX     ISVFAMILYID, 32 digits; default zeros\n"
	"      --ext-prodid HEX    ISVEXTPRODID, 32 digits; default zeros\n"
	"  -h, --help              show this\n"
	"\n"
	"EINIT compares SECS with SIGSTRUCT where the mask has a 1.\n"
	"Exit status: 0 written, 1 not, 2 usage.\n";

enum {
	OPT_NEW_KEY = OPT_OWN,
	OPT_FORCE,
	OPT_DEBUG,
	OPT_PRODUCTION,
	OPT_PRODID,
	OPT_SVN,
	OPT_DATE,
	OPT_ATTRIBUTES,
	OPT_ATTRIBUTES_MASK,
	OPT_XFRM,
	OPT_XFRM_MASK,
	OPT_MISCSELECT,
	OPT_MISCSELECT_MASK,
	OPT_VENDOR,
	OPT_SWDEFINED,
	OPT_FAMILY_ID,
	OPT_EXT_PRODID,
};

/* clang-format off */
static const struct option options[] = {
	ENCLAVE_LONG_OPTIONS,
	{ "key",		required_argument, NULL, 'k' },
	{ "out",		required_argument, NULL, 'o' },
	{ "new-key",		required_argument, NULL, OPT_NEW_KEY },
	{ "force",		no_argument,       NULL, OPT_FORCE },
	{ "debug",		no_argument,       NULL, OPT_DEBUG },
	{ "production",		no_argument,       NULL, OPT_PRODUCTION },
	{ "prodid",		required_argument, NULL, OPT_PRODID },
	{ "svn",		required_argument, NULL, OPT_SVN },
	{ "date",		required_argument, NULL, OPT_DATE },
	{ "attributes",		required_argument, NULL, OPT_ATTRIBUTES },
	{ "attributes-mask",	required_argument, NULL, OPT_ATTRIBUTES_MASK },
	{ "xfrm",		required_argument, NULL, OPT_XFRM },
	{ "xfrm-mask",		required_argument, NULL, OPT_XFRM_MASK },
	{ "miscselect",		required_argument, NULL, OPT_MISCSELECT },
	{ "miscselect-mask",	required_argument, NULL, OPT_MISCSELECT_MASK },
	{ "vendor",		required_argument, NULL, OPT_VENDOR },
	{ "swdefined",		required_argument, NULL, OPT_SWDEFINED },
	{ "family-id",		required_argument, NULL, OPT_FAMILY_ID },
	{ "ext-prodid",		required_argument, NULL, OPT_EXT_PRODID },
	{ "help",		no_argument,       NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */

/**
 * struct request - the command line
 * @key:	--key
 * @new_key:	--new-key
 * @out:	--out, or malloc'ed @default_out
 * @debug:	--debug
 * @production:	--production
 * @force:	--force
 * @date_given:	--date
 * @eo:		heap and SSA frame size
 * @sig:	every field that an option sets
 */
struct request {
	const char *key;
	const char *new_key;
	const char *out;
	bool debug, production, force, date_given;
	struct enclave_options eo;
	struct sgx_sigstruct_arch sig;
};

static bool is_date(unsigned year, unsigned month, unsigned day)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* SIGSTRUCT.DATE is BCD: the digits of yyyymmdd read as hexadecimal */
static bool parse_date(const char *text, uint32_t *ret_bcd)
{
	unsigned n = 0;
	uint64_t bcd;

	if (strlen(text) != 8 || strspn(text, "0123456789") != 8)
		return false;
	for (const char *p = text; *p; p++)
		n = n * 10 + (unsigned)(*p - '0');
	if (!is_date(n / 10000, n / 100 % 100, n % 100) || !tool_parse_hex(text, &bcd))
		return false;
	*ret_bcd = (uint32_t)bcd;
	return true;
}

/* reproducible-builds.org: SOURCE_DATE_EPOCH stands for the present */
static int default_date(uint32_t *ret_bcd)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t now = time(NULL);
	uint64_t seconds;
	char text[16];
	struct tm tm;

	if (epoch) {
		if (!tool_parse_u64(epoch, INT64_MAX, &seconds)) {
			tool_error("SOURCE_DATE_EPOCH=%s is not a number of seconds", epoch);
			return -1;
		}
		now = (time_t)seconds;
	}
	if (!gmtime_r(&now, &tm) || !strftime(text, sizeof(text), "%Y%m%d", &tm) ||
	    !parse_date(text, ret_bcd)) {
		tool_error("the clock gives no date of four digits' year: set it with --date");
		return -1;
	}
	return 0;
}

static int bad_value(const char *name, const char *value, const char *want)
{
	tool_usage_error("--%s %s is not %s", name, value, want);
	return -1;
}

static const char *option_name(int c)
{
	for (const struct option *o = options; o->name; o++)
		if (o->val == c)
			return o->name;
	return "?";
}

/* Options whose value is a hexadecimal number, of at most 32 or 64 bits */
static int hex_option(struct request *r, int c, const char *value)
{
	bool wide = c == OPT_ATTRIBUTES || c == OPT_ATTRIBUTES_MASK || c == OPT_XFRM ||
		    c == OPT_XFRM_MASK;
	uint64_t v;

	if (!tool_parse_hex(value, &v) || (!wide && v > UINT32_MAX))
		return bad_value(option_name(c), value,
				 wide ? "a hexadecimal number of at most 64 bits"
				      : "a hexadecimal number of at most 32 bits");
	switch (c) {
	case OPT_ATTRIBUTES:
		r->sig.attributes.flags = v;
		break;
	case OPT_ATTRIBUTES_MASK:
		r->sig.attributemask.flags = v;
		break;
	case OPT_XFRM:
		r->sig.attributes.xfrm = v;
		break;
	case OPT_XFRM_MASK:
		r->sig.attributemask.xfrm = v;
		break;
	case OPT_MISCSELECT:
		r->sig.miscselect = (uint32_t)v;
		break;
	case OPT_MISCSELECT_MASK:
		r->sig.miscmask = (uint32_t)v;
		break;
	case OPT_SWDEFINED:
		r->sig.swdefined = (uint32_t)v;
		break;
	case OPT_VENDOR:
		if (v != 0 && v != 0x8086)
			return bad_value("vendor", value,
					 "0 or 8086, which is all that EINIT takes");
		r->sig.vendor = (uint32_t)v;
		break;
	}
	return 0;
}

static int one_option(struct request *r, int c, const char *value)
{
	uint32_t date;
	uint64_t v;

	switch (c) {
	case 'k':
		r->key = value;
		return 0;
	case 'o':
		r->out = value;
		return 0;
	case OPT_NEW_KEY:
		r->new_key = value;
		return 0;
	case OPT_FORCE:
		r->force = true;
		return 0;
	case OPT_DEBUG:
		r->debug = true;
		return 0;
	case OPT_PRODUCTION:
		r->production = true;
		return 0;
	case OPT_PRODID:
	case OPT_SVN:
		if (!tool_parse_u64(value, UINT16_MAX, &v))
			return bad_value(option_name(c), value, "a number in 0..65535");
		if (c == OPT_PRODID)
			r->sig.isvprodid = (uint16_t)v;
		else
			r->sig.isvsvn = (uint16_t)v;
		return 0;
	case OPT_DATE:
		if (!parse_date(value, &date))
			return bad_value("date", value, "a day as YYYYMMDD");
		r->sig.date = date;
		r->date_given = true;
		return 0;
	case OPT_FAMILY_ID:
		if (!tool_parse_bytes(value, r->sig.isvfamilyid, sizeof(r->sig.isvfamilyid)))
			return bad_value("family-id", value, "32 hexadecimal digits");
		return 0;
	case OPT_EXT_PRODID:
		if (!tool_parse_bytes(value, r->sig.isvextprodid, sizeof(r->sig.isvextprodid)))
			return bad_value("ext-prodid", value, "32 hexadecimal digits");
		return 0;
	default:
		return hex_option(r, c, value);
	}
}

static void request_defaults(struct request *r)
{
	memset(r, 0, sizeof(*r));
	r->eo.ssaframesize = 1;
	cpu_sigstruct_init(&r->sig);
	r->sig.attributes.flags = SGX_ATTR_MODE64_BIT;
	r->sig.attributes.xfrm = SGX_XFRM_LEGACY;
	r->sig.attributemask.flags = ~SGX_ATTR_DEBUG_BIT;
	r->sig.attributemask.xfrm = ~0ull;
	r->sig.miscmask = UINT32_MAX;
}

static int new_key(const struct request *r)
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
	size_t length = strlen(path);
	char *out;

	if (length > 4 && !strcmp(path + length - 4, ".elf"))
		length -= 4;
	else if (length > 3 && !strcmp(path + length - 3, ".so"))
		length -= 3;
	if (asprintf(&out, "%.*s.sig", (int)length, path) < 0)
		return NULL;
	return out;
}

static int measure_file(struct request *r, const char *path)
{
	struct enclave_file *f = malloc(sizeof(*f));

	if (!f) {
		tool_error("no memory");
		return -1;
	}
	if (enclave_file_open(f, path, &r->eo)) {
		free(f);
		return -1;
	}
	enclave_elf_measure(&f->elf, r->sig.enclavehash);
	enclave_file_close(f);
	free(f);
	return 0;
}

static int sign_file(struct request *r, const char *path)
{
	char *made_out = NULL, *pem;
	uint32_t date;
	const char *why;
	int ret = TOOL_FAILED;
	size_t pem_size;

	if (!r->date_given) {
		if (default_date(&date))
			return TOOL_FAILED;
		r->sig.date = date;
	}
	if (r->debug)
		r->sig.attributes.flags |= SGX_ATTR_DEBUG_BIT;
	if (r->production) {
		r->sig.attributes.flags &= ~SGX_ATTR_DEBUG_BIT;
		r->sig.attributemask.flags |= SGX_ATTR_DEBUG_BIT;
	}
	if (measure_file(r, path))
		return TOOL_FAILED;
	if (tool_read_file(r->key, (void **)&pem, &pem_size))
		return TOOL_FAILED;
	if (cpu_sigstruct_sign(&r->sig, pem, pem_size, &why)) {
		tool_error("%s cannot sign: %s", r->key, why);
		goto wipe;
	}
	if (!r->out)
		r->out = made_out = default_out(path);
	if (!r->out)
		tool_error("no memory");
	else if (!tool_write_file(r->out, &r->sig, sizeof(r->sig), 0644))
		ret = TOOL_OK;
	free(made_out);
wipe:
	key_free_pem(pem, pem_size);
	return ret;
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
	struct request r;
	int c, ret;

	request_defaults(&r);
	while ((c = tool_getopt(argc, argv, ":hk:o:", options)) != -1) {
		if (c == '?')
			return TOOL_USAGE;
		if (c == 'h') {
			fputs(help, stdout);
			return tool_finish_stdout();
		}
		ret = enclave_option(c, optarg, &r.eo);
		if (!ret)
			ret = one_option(&r, c, optarg);
		if (ret < 0)
			return TOOL_USAGE;
	}
	if (r.new_key) {
		if (r.key || argc > optind)
			return tool_usage_error(
				"--new-key makes a key and does nothing else: leave "
				"out %s",
				r.key ? "--key" : argv[optind]);
		return new_key(&r);
	}
	if (argc - optind != 1)
		return tool_usage_error("one enclave file is needed, not %d", argc - optind);
	if (!r.key)
		return tool_usage_error(
			"--key is missing; 'swsgx sign --new-key KEY.pem' makes one");
	if (r.debug && r.production)
		return tool_usage_error("--debug and --production exclude each other");
	if (r.force)
		return tool_usage_error("--force goes with --new-key only");
	return sign_file(&r, argv[optind]);
}
