/* SPDX-License-Identifier: BSD-3-Clause */
#include "sign_request.h"
#include "util.h"

#include <cpu/sigstruct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
	OPT_CET_ATTRIBUTES,
	OPT_CET_ATTRIBUTES_MASK,
	OPT_ENCLAVEHASH,
	OPT_DATA_OUT,
	OPT_DATA,
	OPT_SIGNATURE,
};

/* clang-format off */
const struct option sign_options[] = {
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
	{ "cet-attributes",	required_argument, NULL, OPT_CET_ATTRIBUTES },
	{ "cet-attributes-mask", required_argument, NULL, OPT_CET_ATTRIBUTES_MASK },
	{ "enclavehash",	required_argument, NULL, OPT_ENCLAVEHASH },
	{ "data-out",		required_argument, NULL, OPT_DATA_OUT },
	{ "data",		required_argument, NULL, OPT_DATA },
	{ "signature",		required_argument, NULL, OPT_SIGNATURE },
	{ "help",		no_argument,       NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */

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

	/* Nobody checks DATE: with 0x in front it may be any number. */
	if (!strncmp(text, "0x", 2)) {
		if (!tool_parse_hex(text, &bcd) || bcd > UINT32_MAX)
			return false;
		*ret_bcd = (uint32_t)bcd;
		return true;
	}
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
	for (const struct option *o = sign_options; o->name; o++)
		if (o->val == c)
			return o->name;
	return "?";
}

/* How many bits the field of an option has whose value is a hexadecimal number */
static unsigned hex_bits(int c)
{
	switch (c) {
	case OPT_ATTRIBUTES:
	case OPT_ATTRIBUTES_MASK:
	case OPT_XFRM:
	case OPT_XFRM_MASK:
		return 64;
	case OPT_CET_ATTRIBUTES:
	case OPT_CET_ATTRIBUTES_MASK:
		return 8;
	}
	return 32;
}

static int hex_option(struct sign_request *r, int c, const char *value)
{
	unsigned bits = hex_bits(c);
	char want[64];
	uint64_t v;

	if (!tool_parse_hex(value, &v) || (bits < 64 && v >> bits)) {
		snprintf(want, sizeof(want), "a hexadecimal number of at most %u bits", bits);
		return bad_value(option_name(c), value, want);
	}
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
	case OPT_CET_ATTRIBUTES:
		r->sig.cet_attributes = (uint8_t)v;
		break;
	case OPT_CET_ATTRIBUTES_MASK:
		r->sig.cet_attributes_mask = (uint8_t)v;
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

/* Options that say which file is what, or how a field is set by the tool */
static bool plain_option(struct sign_request *r, int c, const char *value)
{
	switch (c) {
	case 'k':
		r->key = value;
		return true;
	case 'o':
		r->out = value;
		return true;
	case OPT_NEW_KEY:
		r->new_key = value;
		return true;
	case OPT_FORCE:
		r->force = true;
		return true;
	case OPT_DATA_OUT:
		r->data_out = value;
		return true;
	case OPT_DATA:
		r->data = value;
		return true;
	case OPT_SIGNATURE:
		r->signature = value;
		return true;
	}
	return false;
}

/* 16 or 32 bytes, first byte first */
static int bytes_option(struct sign_request *r, int c, const char *value)
{
	bool id = c != OPT_ENCLAVEHASH;
	uint8_t *to = c == OPT_FAMILY_ID    ? r->sig.isvfamilyid
		      : c == OPT_EXT_PRODID ? r->sig.isvextprodid
					    : r->sig.enclavehash;

	if (!tool_parse_bytes(value, to, id ? 16 : SGX_HASH_SIZE))
		return bad_value(option_name(c), value,
				 id ? "32 hexadecimal digits" : "64 hexadecimal digits");
	r->hash_given |= !id;
	return 0;
}

static int field_option(struct sign_request *r, int c, const char *value)
{
	uint32_t date;
	uint64_t v;

	switch (c) {
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
			return bad_value("date", value,
					 "a day as YYYYMMDD, nor 0x and a number of 32 bits");
		r->sig.date = date;
		r->date_given = true;
		return 0;
	case OPT_FAMILY_ID:
	case OPT_EXT_PRODID:
	case OPT_ENCLAVEHASH:
		return bytes_option(r, c, value);
	}
	return hex_option(r, c, value);
}

/**
 * sign_option() - take one option
 * @r: where it goes
 * @c: what tool_getopt() returned
 * @value: the option's value
 *
 * Return: 0, or -1 with a message printed
 */
int sign_option(struct sign_request *r, int c, const char *value)
{
	int ret;

	if (plain_option(r, c, value))
		return 0;
	if (!r->field)
		r->field = option_name(c);
	ret = enclave_option(c, value, &r->eo);
	if (ret)
		return ret < 0 ? -1 : 0;
	return field_option(r, c, value);
}

/**
 * sign_defaults() - what is signed where no option says otherwise
 * @r: filled in
 */
void sign_defaults(struct sign_request *r)
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

/**
 * sign_fields() - DATE and DEBUG, which are decided last
 * @r: all options taken
 *
 * Return: 0, or -1 with a message printed
 */
int sign_fields(struct sign_request *r)
{
	uint32_t date;

	if (!r->date_given) {
		if (default_date(&date))
			return -1;
		r->sig.date = date;
	}
	if (r->debug)
		r->sig.attributes.flags |= SGX_ATTR_DEBUG_BIT;
	if (r->production) {
		r->sig.attributes.flags &= ~SGX_ATTR_DEBUG_BIT;
		r->sig.attributemask.flags |= SGX_ATTR_DEBUG_BIT;
	}
	return 0;
}
