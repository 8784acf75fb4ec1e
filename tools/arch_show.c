/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch_show.h"
#include "print.h"

#include <inttypes.h>
#include <sgx/arch.h>
#include <string.h>

/* Intel's SDK keeps an EINITTOKEN in a launch token of this size, zeros behind it. */
#define LAUNCH_TOKEN_SIZE 1024u

enum field_form {
	FORM_BYTES,
	FORM_NUMBER, /* of 2 or 4 bytes, decimal */
	FORM_HEX, /* of 1, 2 or 4 bytes */
	FORM_ATTRIBUTES, /* flags and XFRM, with names */
	FORM_MASK, /* flags and XFRM */
	FORM_VALID,
	FORM_KEYNAME,
	FORM_KEYPOLICY,
	FORM_RESERVED,
};

struct field {
	const char *name; /* the SDM's; in JSON it is in lower case */
	uint16_t offset, size;
	enum field_form form;
};

/* clang-format off */
#define FIELD(structure, member, name, form) \
	{ name, offsetof(struct structure, member), sizeof(((struct structure *)NULL)->member), form }

static const struct field einittoken[] = {
	FIELD(sgx_einittoken, valid,			"VALID",		FORM_VALID),
	FIELD(sgx_einittoken, rsvd1,			NULL,			FORM_RESERVED),
	FIELD(sgx_einittoken, attributes,		"ATTRIBUTES",		FORM_ATTRIBUTES),
	FIELD(sgx_einittoken, mrenclave,		"MRENCLAVE",		FORM_BYTES),
	FIELD(sgx_einittoken, rsvd2,			NULL,			FORM_RESERVED),
	FIELD(sgx_einittoken, mrsigner,			"MRSIGNER",		FORM_BYTES),
	FIELD(sgx_einittoken, rsvd3,			NULL,			FORM_RESERVED),
	FIELD(sgx_einittoken, cpusvnle,			"CPUSVNLE",		FORM_BYTES),
	FIELD(sgx_einittoken, isvprodidle,		"ISVPRODIDLE",		FORM_NUMBER),
	FIELD(sgx_einittoken, isvsvnle,			"ISVSVNLE",		FORM_NUMBER),
	FIELD(sgx_einittoken, rsvd4,			NULL,			FORM_RESERVED),
	FIELD(sgx_einittoken, maskedmiscselectle,	"MASKEDMISCSELECTLE",	FORM_HEX),
	FIELD(sgx_einittoken, maskedattributesle,	"MASKEDATTRIBUTESLE",	FORM_ATTRIBUTES),
	FIELD(sgx_einittoken, keyid,			"KEYID",		FORM_BYTES),
	FIELD(sgx_einittoken, mac,			"MAC",			FORM_BYTES),
};

static const struct field report[] = {
	FIELD(sgx_report, cpusvn,		"CPUSVN",		FORM_BYTES),
	FIELD(sgx_report, miscselect,		"MISCSELECT",		FORM_HEX),
	FIELD(sgx_report, cet_attributes,	"CET_ATTRIBUTES",	FORM_HEX),
	FIELD(sgx_report, rsvd1,		NULL,			FORM_RESERVED),
	FIELD(sgx_report, isvextprodid,		"ISVEXTPRODID",		FORM_BYTES),
	FIELD(sgx_report, attributes,		"ATTRIBUTES",		FORM_ATTRIBUTES),
	FIELD(sgx_report, mrenclave,		"MRENCLAVE",		FORM_BYTES),
	FIELD(sgx_report, rsvd2,		NULL,			FORM_RESERVED),
	FIELD(sgx_report, mrsigner,		"MRSIGNER",		FORM_BYTES),
	FIELD(sgx_report, rsvd3,		NULL,			FORM_RESERVED),
	FIELD(sgx_report, configid,		"CONFIGID",		FORM_BYTES),
	FIELD(sgx_report, isvprodid,		"ISVPRODID",		FORM_NUMBER),
	FIELD(sgx_report, isvsvn,		"ISVSVN",		FORM_NUMBER),
	FIELD(sgx_report, configsvn,		"CONFIGSVN",		FORM_NUMBER),
	FIELD(sgx_report, rsvd4,		NULL,			FORM_RESERVED),
	FIELD(sgx_report, isvfamilyid,		"ISVFAMILYID",		FORM_BYTES),
	FIELD(sgx_report, reportdata,		"REPORTDATA",		FORM_BYTES),
	FIELD(sgx_report, keyid,		"KEYID",		FORM_BYTES),
	FIELD(sgx_report, mac,			"MAC",			FORM_BYTES),
};

static const struct field targetinfo[] = {
	FIELD(sgx_targetinfo, measurement,	"MEASUREMENT",		FORM_BYTES),
	FIELD(sgx_targetinfo, attributes,	"ATTRIBUTES",		FORM_ATTRIBUTES),
	FIELD(sgx_targetinfo, cet_attributes,	"CET_ATTRIBUTES",	FORM_HEX),
	FIELD(sgx_targetinfo, rsvd1,		NULL,			FORM_RESERVED),
	FIELD(sgx_targetinfo, configsvn,	"CONFIGSVN",		FORM_NUMBER),
	FIELD(sgx_targetinfo, miscselect,	"MISCSELECT",		FORM_HEX),
	FIELD(sgx_targetinfo, rsvd2,		NULL,			FORM_RESERVED),
	FIELD(sgx_targetinfo, configid,		"CONFIGID",		FORM_BYTES),
	FIELD(sgx_targetinfo, rsvd3,		NULL,			FORM_RESERVED),
};

static const struct field keyrequest[] = {
	FIELD(sgx_keyrequest, keyname,			"KEYNAME",		FORM_KEYNAME),
	FIELD(sgx_keyrequest, keypolicy,		"KEYPOLICY",		FORM_KEYPOLICY),
	FIELD(sgx_keyrequest, isvsvn,			"ISVSVN",		FORM_NUMBER),
	FIELD(sgx_keyrequest, cet_attributes_mask,	"CET_ATTRIBUTES_MASK",	FORM_HEX),
	FIELD(sgx_keyrequest, rsvd1,			NULL,			FORM_RESERVED),
	FIELD(sgx_keyrequest, cpusvn,			"CPUSVN",		FORM_BYTES),
	FIELD(sgx_keyrequest, attributemask,		"ATTRIBUTEMASK",	FORM_MASK),
	FIELD(sgx_keyrequest, keyid,			"KEYID",		FORM_BYTES),
	FIELD(sgx_keyrequest, miscmask,			"MISCMASK",		FORM_HEX),
	FIELD(sgx_keyrequest, configsvn,		"CONFIGSVN",		FORM_NUMBER),
	FIELD(sgx_keyrequest, rsvd2,			NULL,			FORM_RESERVED),
};

#define FIELDS(a) a, sizeof(a) / sizeof((a)[0])

/* The order is that in which a file is tried: the least likely by chance first. */
static const struct structure {
	enum file_kind kind;
	const char *name, *option;
	uint16_t size;
	const struct field *fields;
	size_t count;
	const char *refused; /* what reserved bits do */
} structures[] = {
	{ FILE_EINITTOKEN, "EINITTOKEN", "einittoken", sizeof(struct sgx_einittoken),
		FIELDS(einittoken),
		"EINIT refuses such a token, if VALID is set, with SGX_INVALID_EINITTOKEN" },
	{ FILE_REPORT, "REPORT", "report", sizeof(struct sgx_report), FIELDS(report),
		"EREPORT makes no such REPORT" },
	{ FILE_KEYREQUEST, "KEYREQUEST", "keyrequest", sizeof(struct sgx_keyrequest),
		FIELDS(keyrequest), "EGETKEY refuses it" },
	{ FILE_TARGETINFO, "TARGETINFO", "targetinfo", sizeof(struct sgx_targetinfo),
		FIELDS(targetinfo), "EREPORT does not look at them, and may one day" },
};

static const char *const keynames[] = {
	[SGX_KEYNAME_EINITTOKEN] = "EINITTOKEN",
	[SGX_KEYNAME_PROVISION] = "PROVISION",
	[SGX_KEYNAME_PROVISION_SEAL] = "PROVISION_SEAL",
	[SGX_KEYNAME_REPORT] = "REPORT",
	[SGX_KEYNAME_SEAL] = "SEAL",
};

static const struct {
	uint16_t bit;
	const char *name;
} keypolicies[] = {
	{ SGX_KEYPOLICY_MRENCLAVE_BIT,		"MRENCLAVE" },
	{ SGX_KEYPOLICY_MRSIGNER_BIT,		"MRSIGNER" },
	{ SGX_KEYPOLICY_NOISVPRODID_BIT,	"NOISVPRODID" },
	{ SGX_KEYPOLICY_CONFIGID_BIT,		"CONFIGID" },
	{ SGX_KEYPOLICY_ISVFAMILYID_BIT,	"ISVFAMILYID" },
	{ SGX_KEYPOLICY_ISVEXTPRODID_BIT,	"ISVEXTPRODID" },
};
/* clang-format on */

#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))
#define KEYPOLICY_BITS ((1u << COUNT(keypolicies)) - 1)

static const struct structure *find(enum file_kind kind)
{
	for (size_t i = 0; i < COUNT(structures); i++)
		if (structures[i].kind == kind)
			return &structures[i];
	return NULL;
}

static bool zeros(const uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (b[i])
			return false;
	return true;
}

static uint32_t number(const uint8_t *data, const struct field *f)
{
	uint32_t v = 0;

	memcpy(&v, data + f->offset, f->size);
	return v;
}

static struct sgx_attributes attributes(const uint8_t *data, const struct field *f)
{
	struct sgx_attributes a;

	memcpy(&a, data + f->offset, sizeof(a));
	return a;
}

/* What is wrong with one field, or NULL; *ret_at is the offset of the byte */
static const char *wrong(const uint8_t *data, const struct field *f, size_t *ret_at)
{
	*ret_at = f->offset;
	switch (f->form) {
	case FORM_RESERVED:
		while (*ret_at < (size_t)f->offset + f->size && !data[*ret_at])
			++*ret_at;
		return *ret_at < (size_t)f->offset + f->size ? "a reserved byte is set" : NULL;
	case FORM_VALID:
		return number(data, f) > 1 ? "a reserved bit of VALID is set" : NULL;
	case FORM_KEYPOLICY:
		return number(data, f) & ~KEYPOLICY_BITS ? "a reserved bit of KEYPOLICY is set"
							 : NULL;
	case FORM_KEYNAME:
		return number(data, f) >= COUNT(keynames) ? "KEYNAME is no key's" : NULL;
	default:
		return NULL;
	}
}

/* The first thing that is wrong, or NULL */
static const char *first_wrong(const struct structure *s, const uint8_t *data, size_t *ret_at)
{
	for (size_t i = 0; i < s->count; i++) {
		const char *what = wrong(data, &s->fields[i], ret_at);

		if (what)
			return what;
	}
	return NULL;
}

/**
 * arch_size() - how large a structure is
 * @kind: one of the four
 *
 * Return: bytes; 0 where it is another kind
 */
size_t arch_size(enum file_kind kind)
{
	const struct structure *s = find(kind);

	return s ? s->size : 0;
}

/**
 * arch_size_fits() - may a file be a structure, by its size?
 * @kind: one of the four
 * @data: the file
 * @size: its bytes
 *
 * Return: whether it is the structure's size, or a launch token's with zeros at its end
 */
bool arch_size_fits(enum file_kind kind, const void *data, size_t size)
{
	size_t own = arch_size(kind);

	if (kind == FILE_EINITTOKEN && size == LAUNCH_TOKEN_SIZE)
		return zeros((const uint8_t *)data + own, size - own);
	return own && size == own;
}

/* What makes a structure of the right size, with nothing wrong, more than a chance */
static bool is_likely(enum file_kind kind, const uint8_t *data)
{
	struct sgx_targetinfo t;
	struct sgx_einittoken e;
	struct sgx_report r;

	switch (kind) {
	case FILE_EINITTOKEN:
		/* a token that is not valid is all zeros but for its attributes; those are measured */
		memcpy(&e, data, sizeof(e));
		return !zeros(e.mrenclave, sizeof(e.mrenclave));
	case FILE_REPORT:
		/* EREPORT runs in initialized enclaves alone */
		memcpy(&r, data, sizeof(r));
		return r.attributes.flags & SGX_ATTR_INIT_BIT;
	case FILE_TARGETINFO:
		memcpy(&t, data, sizeof(t));
		return (t.attributes.flags & SGX_ATTR_MODE64_BIT) &&
		       (t.attributes.xfrm & SGX_XFRM_LEGACY) == SGX_XFRM_LEGACY;
	default:
		/* a measurement does not begin as a KEYREQUEST does; something must be asked for */
		return !zeros(data, arch_size(kind));
	}
}

/**
 * arch_kind() - is a file one of the four, by size and content?
 * @data: any bytes at all
 * @size: their number
 *
 * Return: its kind, or FILE_UNKNOWN
 */
enum file_kind arch_kind(const void *data, size_t size)
{
	size_t at;

	for (size_t i = 0; i < COUNT(structures); i++) {
		const struct structure *s = &structures[i];

		if (arch_size_fits(s->kind, data, size) && !first_wrong(s, data, &at) &&
		    is_likely(s->kind, data))
			return s->kind;
	}
	return FILE_UNKNOWN;
}

/**
 * arch_names_of_size() - which structures have the size of a file that is none of them
 * @size: bytes
 * @text: "KEYREQUEST or TARGETINFO"; empty where there are none
 * @text_size: its bytes
 *
 * Return: whether there are any
 */
bool arch_names_of_size(size_t size, char *text, size_t text_size)
{
	*text = '\0';
	for (size_t i = 0; i < COUNT(structures); i++) {
		size_t used = strlen(text);

		if (structures[i].size == size)
			snprintf(text + used, text_size - used, "%s%s", used ? " or " : "",
				 structures[i].name);
	}
	return *text;
}

/**
 * arch_kind_named() - the kind that a user names
 * @name: "report"
 * @ret_kind: untouched where the name is another
 *
 * Return: whether it is one of the four
 */
bool arch_kind_named(const char *name, enum file_kind *ret_kind)
{
	for (size_t i = 0; i < COUNT(structures); i++) {
		if (strcmp(structures[i].option, name))
			continue;
		*ret_kind = structures[i].kind;
		return true;
	}
	return false;
}

static void keypolicy_names(char *text, size_t size, uint32_t policy)
{
	*text = '\0';
	for (size_t i = 0; i < COUNT(keypolicies); i++) {
		size_t used = strlen(text);

		if (policy & keypolicies[i].bit)
			snprintf(text + used, size - used, "%s%s", used ? " " : "",
				 keypolicies[i].name);
	}
	if (!*text)
		snprintf(text, size, "-");
}

static void print_attributes(FILE *out, const struct sgx_attributes *a, bool names)
{
	char text[160];

	fprintf(out, "flags 0x%016" PRIx64 " xfrm 0x%016" PRIx64, a->flags, a->xfrm);
	if (names) {
		print_attribute_names(text, sizeof(text), a->flags);
		fprintf(out, "  (%s)", text);
	}
}

static void print_field(FILE *out, const uint8_t *data, const struct field *f)
{
	struct sgx_attributes a;
	char text[128];
	uint32_t v;

	fprintf(out, "%-22s", f->name);
	switch (f->form) {
	case FORM_NUMBER:
		fprintf(out, "%" PRIu32, number(data, f));
		break;
	case FORM_HEX:
		fprintf(out, "0x%0*" PRIx32, 2 * f->size, number(data, f));
		break;
	case FORM_ATTRIBUTES:
	case FORM_MASK:
		a = attributes(data, f);
		print_attributes(out, &a, f->form == FORM_ATTRIBUTES);
		break;
	case FORM_VALID:
		v = number(data, f);
		fprintf(out, "%" PRIu32 "%s", v,
			v & 1 ? "" : "  (no token: the launch MSRs must name the signer)");
		break;
	case FORM_KEYNAME:
		v = number(data, f);
		fprintf(out, "%" PRIu32 "  (%s)", v,
			v < COUNT(keynames) ? keynames[v] : "no key has this name");
		break;
	case FORM_KEYPOLICY:
		v = number(data, f);
		keypolicy_names(text, sizeof(text), v);
		fprintf(out, "0x%04" PRIx32 "  (%s)", v, text);
		break;
	default:
		for (size_t at = 0; at < f->size; at += 32) {
			if (at)
				fprintf(out, "\n%-22s", "");
			print_bytes(out, data + f->offset + at,
				    f->size - at < 32 ? f->size - at : 32);
		}
		break;
	}
	fputc('\n', out);
}

/**
 * arch_print() - a structure in full
 * @out: where it goes
 * @kind: one of the four
 * @data: any bytes at all, as many as arch_size() says
 *
 * Return: whether nothing is wrong with it
 */
bool arch_print(FILE *out, enum file_kind kind, const void *data)
{
	const struct structure *s = find(kind);
	const char *what;
	size_t at;

	fprintf(out, "%s, %u bytes\n", s->name, s->size);
	what = first_wrong(s, data, &at);
	if (what)
		fprintf(out, "%-22s%s, at byte %zu: %s\n", "wrong", what, at, s->refused);
	for (size_t i = 0; i < s->count; i++)
		if (s->fields[i].form != FORM_RESERVED)
			print_field(out, data, &s->fields[i]);
	return !what;
}

static void json_attributes(struct json *j, const char *name, const struct sgx_attributes *a)
{
	json_open_object(j, name);
	json_hex(j, "flags", a->flags);
	json_hex(j, "xfrm", a->xfrm);
	json_close_object(j);
}

static void json_field(struct json *j, const uint8_t *data, const struct field *f)
{
	struct sgx_attributes a;
	char name[32];
	size_t i;

	for (i = 0; f->name[i] && i < sizeof(name) - 1; i++)
		name[i] = f->name[i] >= 'A' && f->name[i] <= 'Z' ? (char)(f->name[i] + 32)
								 : f->name[i];
	name[i] = '\0';
	switch (f->form) {
	case FORM_NUMBER:
	case FORM_VALID:
	case FORM_KEYNAME:
		json_u64(j, name, number(data, f));
		break;
	case FORM_HEX:
	case FORM_KEYPOLICY:
		json_hex(j, name, number(data, f));
		break;
	case FORM_ATTRIBUTES:
	case FORM_MASK:
		a = attributes(data, f);
		json_attributes(j, name, &a);
		break;
	default:
		json_bytes(j, name, data + f->offset, f->size);
		break;
	}
}

/**
 * arch_print_json() - the same as members of an open object
 * @j: document
 * @kind: one of the four
 * @data: any bytes at all, as many as arch_size() says
 *
 * Return: whether nothing is wrong with it
 */
bool arch_print_json(struct json *j, enum file_kind kind, const void *data)
{
	const struct structure *s = find(kind);
	const char *what;
	size_t at;

	json_string(j, "type", file_kind_name(kind));
	json_string(j, "what", file_kind_sentence(kind));
	what = first_wrong(s, data, &at);
	json_bool(j, "well_formed", !what);
	if (what) {
		json_string(j, "why", what);
		json_u64(j, "why_at", at);
	}
	for (size_t i = 0; i < s->count; i++)
		if (s->fields[i].form != FORM_RESERVED)
			json_field(j, data, &s->fields[i]);
	return !what;
}
