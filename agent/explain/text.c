/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sentences for the rules of base/rules.h.
 *
 * A value in a sentence is {f}, {w} or {a} (found, wanted, at), or {f-w}, the bits of
 * found that wanted lacks; in hexadecimal, or by the word behind a colon:
 *
 *	d	a decimal number		attr	ATTRIBUTES, with names
 *	hash	the first bytes of a hash	prot	PROT_ bits or permissions, as rwx
 *	pow2	the next power of two		access	an access by its permission
 *	kib	pages, in KiB			pt	type of SECINFO.FLAGS
 *	ioctl	an ioctl of SGX2		epcm	an EPCM entry (base/why.h)
 *	other	one of another driver		key	a key's name
 *	leaf	of ENCLU			operand	enum why_operand
 *	fd	a descriptor, with its sign	path	one of DEVICE_PATHS
 *	secs	a field of the SECS		devices	the value of --devices that has the path
 *
 * Built into the agent: no libc, no pointers in data, since nothing relocates them.
 */
#include "text.h"

#include <sgx/arch.h>
#include <sgx/leaf.h>

#include <asm/sgx.h>
#include <sgx/driver.h>

/* The devices of all generations.  The first four are Linux', the others swsgx does not have. */
#define DEVICE_PATHS                                                               \
	"/dev/sgx_enclave /dev/sgx_provision /dev/sgx/enclave /dev/sgx/provision " \
	"/dev/isgx /dev/sgx"
#define DEVICE_COUNT 6
#define LINUX_COUNT  4
#define DEVICES	     "upstream upstream upstream upstream"

struct line {
	char *text;
	uint32_t size, used; /* used < size: room for the 0 at its end */
};

/* The columns of all rules, one after another, each with a 0 behind it */
#define ASKED	"asked"
#define MISSING "missing"
static const char table[] =
#define COLUMNS(id, when, call, answer, sentence) when "\0" call "\0" answer "\0" sentence "\0"
	WHY_RULES(COLUMNS);

enum column {
	COLUMN_WHEN,
	COLUMN_CALL,
	COLUMN_ANSWER,
	COLUMN_SENTENCE,
	COLUMNS_COUNT,
};

/* rule: above WHY_NOTHING and below WHY_COUNT */
static const char *column(uint32_t rule, enum column which)
{
	uint32_t skip = (rule - 1) * COLUMNS_COUNT + which;
	const char *p = table;

	for (; skip; skip--)
		while (*p++)
			;
	return p;
}

static void put(struct line *l, const char *text)
{
	while (*text && l->used + 1 < l->size)
		l->text[l->used++] = *text++;
	l->text[l->used] = 0;
}

static void put_hex_digits(struct line *l, uint64_t value, int digits)
{
	char digit[2] = {0};

	for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
		digit[0] = "0123456789abcdef"[(value >> shift) & 15];
		put(l, digit);
	}
}

static void put_hex(struct line *l, uint64_t value)
{
	int digits = 16;

	while (digits > 1 && !(value >> (4 * (digits - 1))))
		digits--;
	put(l, "0x");
	put_hex_digits(l, value, digits);
}

static void put_decimal(struct line *l, uint64_t value)
{
	char digits[24];
	uint32_t i = sizeof(digits) - 1;

	digits[i] = 0;
	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(l, digits + i);
}

/* The n-th of words that are separated by one blank; NULL-like "?" beyond them */
static void put_word(struct line *l, const char *words, uint64_t n)
{
	char letter[2] = {0};

	for (; n && *words; n--) {
		while (*words && *words != ' ')
			words++;
		if (*words)
			words++;
	}
	if (!*words)
		put(l, "?");
	for (; *words && *words != ' '; words++) {
		letter[0] = *words;
		put(l, letter);
	}
}

static void put_attributes(struct line *l, uint64_t flags)
{
	static const char names[] = "INIT DEBUG MODE64BIT ? PROVISIONKEY EINITTOKENKEY CET KSS "
				    "? ? AEXNOTIFY";
	const uint64_t named = SGX_ATTR_INIT_BIT | SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT |
			       SGX_ATTR_PROVISION_KEY_BIT | SGX_ATTR_EINITTOKEN_KEY_BIT |
			       SGX_ATTR_CET_BIT | SGX_ATTR_KSS_BIT | SGX_ATTR_AEXNOTIFY_BIT;
	const char *separator = " (";

	put_hex(l, flags);
	for (uint32_t bit = 0; bit < 64; bit++) {
		if (!(flags & named & 1ull << bit))
			continue;
		put(l, separator);
		put_word(l, names, bit);
		separator = ", ";
	}
	if (flags & named)
		put(l, ")");
}

static void put_rwx(struct line *l, uint64_t bits)
{
	put(l, bits & SGX_SECINFO_R_BIT ? "r" : "-");
	put(l, bits & SGX_SECINFO_W_BIT ? "w" : "-");
	put(l, bits & SGX_SECINFO_X_BIT ? "x" : "-");
}

static void put_access(struct line *l, uint64_t bits)
{
	put(l, bits & SGX_SECINFO_W_BIT ? "write" : bits & SGX_SECINFO_X_BIT ? "fetch" : "read");
}

static void put_type(struct line *l, uint64_t flags)
{
	put_word(l, "PT_SECS PT_TCS PT_REG PT_VA PT_TRIM PT_SS_FIRST PT_SS_REST",
		 SGX_SECINFO_PT(flags));
}

static void put_epcm(struct line *l, uint64_t word)
{
	if (!(word & WHY_EPCM_VALID_BIT)) {
		put(l, "no valid page");
		return;
	}
	put_rwx(l, word);
	put(l, " ");
	put_type(l, word);
	if (word & WHY_EPCM_BLOCKED_BIT)
		put(l, ", BLOCKED");
	if (word & SGX_SECINFO_PENDING_BIT)
		put(l, ", PENDING");
	if (word & SGX_SECINFO_MODIFIED_BIT)
		put(l, ", MODIFIED");
	if (word & SGX_SECINFO_PR_BIT)
		put(l, ", PR");
}

static void put_operand(struct line *l, uint64_t operand)
{
	put_word(l,
		 "? KEYREQUEST OUTPUTDATA TARGETINFO REPORTDATA REPORT "
		 "SECINFO EPCPAGE EPCPAGE source",
		 operand);
	put(l, " (");
	put_word(l, "? RBX RCX RBX RCX RDX RBX RCX RCX RDX", operand);
	put(l, ")");
}

static void put_key(struct line *l, uint64_t key)
{
	put_decimal(l, key);
	put(l, " (");
	put_word(l, "EINITTOKEN PROVISION PROVISION_SEAL REPORT SEAL", key);
	put(l, ")");
}

static void put_leaf(struct line *l, uint64_t leaf)
{
	put_decimal(l, leaf);
	if (leaf > SGX_EDECCSSA)
		return;
	put(l, " (");
	put_word(l, "EREPORT EGETKEY EENTER ERESUME EEXIT EACCEPT EMODPE EACCEPTCOPY ? EDECCSSA",
		 leaf);
	put(l, ")");
}

/**
 * why_ioctl_name() - of an ioctl of <asm/sgx.h>, or of a driver before it
 *
 * Return: "ioctl" for others.
 */
const char *why_ioctl_name(uint64_t cmd)
{
	switch (cmd) {
	case SGX_IOC_ENCLAVE_CREATE:
		return "SGX_IOC_ENCLAVE_CREATE";
	case SGX_IOC_ENCLAVE_ADD_PAGES:
		return "SGX_IOC_ENCLAVE_ADD_PAGES";
	case SGX_IOC_ENCLAVE_INIT:
		return "SGX_IOC_ENCLAVE_INIT";
	case SGX_IOC_ENCLAVE_PROVISION:
		return "SGX_IOC_ENCLAVE_PROVISION";
	case SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS:
		return "SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS";
	case SGX_IOC_ENCLAVE_MODIFY_TYPES:
		return "SGX_IOC_ENCLAVE_MODIFY_TYPES";
	case SGX_IOC_ENCLAVE_REMOVE_PAGES:
		return "SGX_IOC_ENCLAVE_REMOVE_PAGES";
	case SGX_V22_ADD_PAGE:
		return "SGX_IOC_ENCLAVE_ADD_PAGE";
	default:
		return "ioctl";
	}
}

/* An ioctl that another generation has, and which one */
static void put_other(struct line *l, uint64_t cmd)
{
	switch (cmd) {
	case SGX_IOC_ENCLAVE_ADD_PAGES:
		put(l,
		    "ADD_PAGES of Linux since 5.11: start the machine with '--devices upstream'");
		break;
	case SGX_V22_ADD_PAGE:
		put(l, "ADD_PAGE of the patches before Linux 5.11: start the machine with "
		       "'--devices v22'");
		break;
	default:
		put(l, _IOC_NR(cmd) == 1 ? "ADD_PAGE" : "INIT");
		put(l, " of Intel's driver for /dev/isgx, which swsgx does not have");
		break;
	}
}

static void put_pow2(struct line *l, uint64_t value)
{
	uint64_t next = 2 * SGX_PAGE_SIZE;

	while (next < value && next >> 62 == 0)
		next <<= 1;
	put_hex(l, next);
}

static bool starts_with(const char *p, const char *word)
{
	while (*word && *p == *word) {
		p++;
		word++;
	}
	return !*word;
}

static bool is_word(const char *p, const char *word)
{
	uint64_t size = 0;

	while (word[size])
		size++;
	return starts_with(p, word) && p[size] == '}';
}

static void put_thread(struct line *l, uint64_t tid)
{
	if (!tid) {
		put(l, "a thread of another process");
		return;
	}
	put(l, "thread ");
	put_decimal(l, tid);
}

static void put_as(struct line *l, uint64_t value, const char *form)
{
	if (is_word(form, "d")) {
		put_decimal(l, value);
	} else if (is_word(form, "path")) {
		put_word(l, DEVICE_PATHS, value);
	} else if (is_word(form, "thread")) {
		put_thread(l, value);
	} else if (is_word(form, "devices")) {
		put_word(l, DEVICES, value);
	} else if (is_word(form, "secs")) {
		put_word(l, "SIZE BASEADDR MISCSELECT ATTRIBUTES XFRM SSAFRAMESIZE reserved",
			 value);
	} else if (is_word(form, "fd")) {
		if ((int32_t)value < 0)
			put(l, "-");
		put_decimal(l, (int32_t)value < 0 ? -(uint32_t)value : (uint32_t)value);
	} else if (is_word(form, "hash")) {
		put_hex_digits(l, value, 16);
		put(l, "...");
	} else if (is_word(form, "pow2")) {
		put_pow2(l, value);
	} else if (is_word(form, "kib")) {
		put_decimal(l, value * (SGX_PAGE_SIZE / 1024));
	} else if (is_word(form, "attr")) {
		put_attributes(l, value);
	} else if (is_word(form, "prot")) {
		put_rwx(l, value);
	} else if (is_word(form, "access")) {
		put_access(l, value);
	} else if (is_word(form, "pt")) {
		put_type(l, value);
	} else if (is_word(form, "epcm")) {
		put_epcm(l, value);
	} else if (is_word(form, "operand")) {
		put_operand(l, value);
	} else if (is_word(form, "key")) {
		put_key(l, value);
	} else if (is_word(form, "leaf")) {
		put_leaf(l, value);
	} else if (is_word(form, "ioctl")) {
		put(l, why_ioctl_name(value));
	} else if (is_word(form, "other")) {
		put_other(l, value);
	} else {
		put(l, "?");
	}
}

/* One {...}; returns what is behind it. */
static const char *put_value(struct line *l, const char *p, const struct why *why)
{
	uint64_t value = why->found;

	if (*p == 'w')
		value = why->wanted;
	else if (*p == 'a')
		value = why->at;
	p++;
	if (*p == '-') {
		value &= ~why->wanted;
		p += 2;
	}
	if (*p == ':')
		put_as(l, value, p + 1);
	else
		put_hex(l, value);
	while (*p && *p != '}')
		p++;
	return *p ? p + 1 : p;
}

static void put_filled(struct line *l, const char *p, const struct why *why)
{
	char letter[2] = {0};

	while (*p) {
		if (*p == '{') {
			p = put_value(l, p + 1, why);
			continue;
		}
		letter[0] = *p++;
		put(l, letter);
	}
}

/**
 * why_text() - the line of a record
 * @size:	of @line in bytes; WHY_TEXT_MAX is enough
 * @call:	what was refused, for rules that several calls meet
 *
 * Return: its length; 0 where the record names no rule.
 */
uint32_t why_text(char *line, uint32_t size, const struct why *why, const char *call)
{
	struct line l = {.text = line, .size = size};
	const char *what;

	line[0] = 0;
	if (why->rule == WHY_NOTHING || why->rule >= WHY_COUNT)
		return 0;
	what = column(why->rule, COLUMN_CALL);
	if (what[0] == '*')
		put(&l, call);
	else
		put_filled(&l, what, why);
	put(&l, " refused (");
	put_filled(&l, column(why->rule, COLUMN_ANSWER), why);
	put(&l, "): ");
	put_filled(&l, column(why->rule, COLUMN_SENTENCE), why);
	return l.used;
}

/* Is it the n-th of paths? */
static bool is_word_path(const char *path, const char *paths, uint64_t n)
{
	char name[WHY_PATH_MAX];
	struct line l = {.text = name, .size = sizeof(name)};

	name[0] = 0;
	put_word(&l, paths, n);
	return starts_with(path, name) && !path[l.used];
}

/**
 * why_no_path() - the record of a device that is not there
 * @path: with a 0 behind it
 * @locked: the machine's launch control is
 *
 * Return: false where it is not one that anybody would look for.
 */
bool why_no_path(const char *path, bool locked, struct why *why)
{
	for (uint64_t n = 0; n < DEVICE_COUNT; n++) {
		if (!is_word_path(path, DEVICE_PATHS, n))
			continue;
		if (n >= LINUX_COUNT)
			why_note(why, WHY_PATH_OLD, n, 0);
		else if (locked)
			why_note(why, WHY_PATH_LOCKED, 0, 0);
		else
			why_note(why, WHY_PATH_DEVICES, n, 0);
		return true;
	}
	if (is_word_path(path, "/dev/sgx_vepc", 0)) {
		why_note(why, WHY_PATH_VEPC, 0, 0);
		return true;
	}
	return false;
}

/**
 * why_is_missing() - does the rule say that swsgx does not have something yet
 */
bool why_is_missing(uint32_t rule)
{
	return rule != WHY_NOTHING && rule < WHY_COUNT && column(rule, COLUMN_WHEN)[0] == 'm';
}
