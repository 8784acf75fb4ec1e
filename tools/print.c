/* SPDX-License-Identifier: BSD-3-Clause */
#include "print.h"

#include <cpu/sigstruct.h>
#include <inttypes.h>
#include <string.h>

/* clang-format off */
static const struct {
	uint64_t bit;
	const char *name;
} attribute_names[] = {
	{ SGX_ATTR_INIT_BIT,		"INIT" },
	{ SGX_ATTR_DEBUG_BIT,		"DEBUG" },
	{ SGX_ATTR_MODE64_BIT,		"MODE64BIT" },
	{ SGX_ATTR_PROVISION_KEY_BIT,	"PROVISIONKEY" },
	{ SGX_ATTR_EINITTOKEN_KEY_BIT,	"EINITTOKENKEY" },
	{ SGX_ATTR_CET_BIT,		"CET" },
	{ SGX_ATTR_KSS_BIT,		"KSS" },
	{ SGX_ATTR_AEXNOTIFY_BIT,	"AEXNOTIFY" },
};
/* clang-format on */

static void append(char *text, size_t size, const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", used ? " " : "", word);
}

/**
 * print_attribute_names() - the names of ATTRIBUTES.flags
 * @text: where they go
 * @size: its bytes
 * @flags: the flags
 */
void print_attribute_names(char *text, size_t size, uint64_t flags)
{
	char rest[32];

	*text = '\0';
	for (size_t i = 0; i < sizeof(attribute_names) / sizeof(attribute_names[0]); i++) {
		if (flags & attribute_names[i].bit)
			append(text, size, attribute_names[i].name);
		flags &= ~attribute_names[i].bit;
	}
	if (flags) {
		snprintf(rest, sizeof(rest), "0x%" PRIx64, flags);
		append(text, size, rest);
	}
	if (!*text)
		append(text, size, "-");
}

/**
 * print_bytes() - bytes as hexadecimal digits
 * @out: where they go
 * @bytes: first byte first
 * @count: bytes
 */
void print_bytes(FILE *out, const void *bytes, size_t count)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < count; i++)
		fprintf(out, "%02x", b[i]);
}

static void line_bytes(FILE *out, const char *name, const void *bytes, size_t count)
{
	fprintf(out, "%-22s", name);
	print_bytes(out, bytes, count);
	fputc('\n', out);
}

/* Long numbers: 32 bytes a line, in the file's order */
static void block_bytes(FILE *out, const char *name, const uint8_t *bytes, size_t count)
{
	for (size_t at = 0; at < count; at += 32)
		line_bytes(out, at ? "" : name, bytes + at, count - at < 32 ? count - at : 32);
}

static void line_attributes(FILE *out, const char *name, const struct sgx_attributes *a, bool names)
{
	char text[160];

	fprintf(out, "%-22sflags 0x%016" PRIx64 " xfrm 0x%016" PRIx64, name, a->flags, a->xfrm);
	if (names) {
		print_attribute_names(text, sizeof(text), a->flags);
		fprintf(out, "  (%s)", text);
	}
	fputc('\n', out);
}

/* What is odd about a DATE, which nobody checks; NULL: nothing. */
static const char *date_remark(uint32_t date)
{
	uint32_t month = date >> 8 & 0xff, day = date & 0xff;

	for (unsigned shift = 0; shift < 32; shift += 4)
		if ((date >> shift & 0xf) > 9)
			return "not BCD: a date is YYYYMMDD, each digit from 0 to 9";
	if (!month || month > 0x12 || !day || day > 0x31)
		return "there is no such day: a date is YYYYMMDD";
	return NULL;
}

/**
 * print_sigstruct() - a SIGSTRUCT in full
 * @out: where it goes
 * @sig: any 1808 bytes
 */
void print_sigstruct(FILE *out, const struct sgx_sigstruct_arch *sig)
{
	/* Copies, for SIGSTRUCT is packed and pointers into it are not aligned */
	struct sgx_attributes attributes = sig->attributes, mask = sig->attributemask;
	enum cpu_sigstruct_check check = cpu_sigstruct_verify(sig);
	uint8_t mrsigner[SGX_HASH_SIZE];

	cpu_sigstruct_mrsigner(sig, mrsigner);
	fprintf(out, "SIGSTRUCT, %zu bytes\n", sizeof(*sig));
	fprintf(out, "%-22s%s\n", "signature", check ? "DOES NOT VERIFY" : "verifies");
	if (check)
		fprintf(out, "%-22s%s\n", "  because", cpu_sigstruct_check_name(check));
	line_bytes(out, "MRSIGNER", mrsigner, sizeof(mrsigner));
	line_bytes(out, "ENCLAVEHASH", sig->enclavehash, sizeof(sig->enclavehash));
	line_bytes(out, "HEADER", sig->header, sizeof(sig->header));
	fprintf(out, "%-22s0x%04" PRIx32 "%s\n", "VENDOR", sig->vendor,
		sig->vendor == 0x8086 ? " (Intel)" : "");
	fprintf(out, "%-22s%08" PRIx32, "DATE", sig->date);
	if (date_remark(sig->date))
		fprintf(out, "  (%s)", date_remark(sig->date));
	fputc('\n', out);
	line_bytes(out, "HEADER2", sig->header2, sizeof(sig->header2));
	fprintf(out, "%-22s0x%08" PRIx32 "\n", "SWDEFINED", sig->swdefined);
	line_attributes(out, "ATTRIBUTES", &attributes, true);
	line_attributes(out, "ATTRIBUTEMASK", &mask, false);
	fprintf(out, "%-22s0x%08" PRIx32 "\n", "MISCSELECT", sig->miscselect);
	fprintf(out, "%-22s0x%08" PRIx32 "\n", "MISCMASK", sig->miscmask);
	fprintf(out, "%-22s0x%02x\n", "CET_ATTRIBUTES", sig->cet_attributes);
	fprintf(out, "%-22s0x%02x\n", "CET_ATTRIBUTES_MASK", sig->cet_attributes_mask);
	fprintf(out, "%-22s%u\n", "ISVPRODID", sig->isvprodid);
	fprintf(out, "%-22s%u\n", "ISVSVN", sig->isvsvn);
	line_bytes(out, "ISVFAMILYID", sig->isvfamilyid, sizeof(sig->isvfamilyid));
	line_bytes(out, "ISVEXTPRODID", sig->isvextprodid, sizeof(sig->isvextprodid));
	fprintf(out, "%-22s%" PRIu32 "\n", "EXPONENT", sig->exponent);
	fprintf(out, "Numbers of 384 bytes, little-endian:\n");
	block_bytes(out, "MODULUS", sig->modulus, sizeof(sig->modulus));
	block_bytes(out, "SIGNATURE", sig->signature, sizeof(sig->signature));
	block_bytes(out, "Q1", sig->q1, sizeof(sig->q1));
	block_bytes(out, "Q2", sig->q2, sizeof(sig->q2));
}

static void json_attributes(struct json *j, const char *name, const struct sgx_attributes *a)
{
	json_open_object(j, name);
	json_hex(j, "flags", a->flags);
	json_hex(j, "xfrm", a->xfrm);
	json_close_object(j);
}

/**
 * print_sigstruct_json() - a SIGSTRUCT as members of an open object
 * @j: document
 * @sig: any 1808 bytes
 */
void print_sigstruct_json(struct json *j, const struct sgx_sigstruct_arch *sig)
{
	struct sgx_attributes attributes = sig->attributes, mask = sig->attributemask;
	enum cpu_sigstruct_check check = cpu_sigstruct_verify(sig);
	uint8_t mrsigner[SGX_HASH_SIZE];
	char date[16];

	cpu_sigstruct_mrsigner(sig, mrsigner);
	snprintf(date, sizeof(date), "%08" PRIx32, sig->date);
	json_string(j, "type", "sigstruct");
	json_bool(j, "verifies", !check);
	if (check)
		json_string(j, "why", cpu_sigstruct_check_name(check));
	json_bytes(j, "mrsigner", mrsigner, sizeof(mrsigner));
	json_bytes(j, "mrenclave", sig->enclavehash, sizeof(sig->enclavehash));
	json_bytes(j, "header", sig->header, sizeof(sig->header));
	json_hex(j, "vendor", sig->vendor);
	json_string(j, "date", date);
	if (date_remark(sig->date))
		json_string(j, "date_remark", date_remark(sig->date));
	json_bytes(j, "header2", sig->header2, sizeof(sig->header2));
	json_hex(j, "swdefined", sig->swdefined);
	json_attributes(j, "attributes", &attributes);
	json_attributes(j, "attributemask", &mask);
	json_hex(j, "miscselect", sig->miscselect);
	json_hex(j, "miscmask", sig->miscmask);
	json_hex(j, "cet_attributes", sig->cet_attributes);
	json_hex(j, "cet_attributes_mask", sig->cet_attributes_mask);
	json_u64(j, "isvprodid", sig->isvprodid);
	json_u64(j, "isvsvn", sig->isvsvn);
	json_bytes(j, "isvfamilyid", sig->isvfamilyid, sizeof(sig->isvfamilyid));
	json_bytes(j, "isvextprodid", sig->isvextprodid, sizeof(sig->isvextprodid));
	json_u64(j, "exponent", sig->exponent);
	json_bytes(j, "modulus", sig->modulus, sizeof(sig->modulus));
	json_bytes(j, "signature", sig->signature, sizeof(sig->signature));
	json_bytes(j, "q1", sig->q1, sizeof(sig->q1));
	json_bytes(j, "q2", sig->q2, sizeof(sig->q2));
}

static void permissions(char text[4], uint64_t secinfo_flags)
{
	text[0] = secinfo_flags & SGX_SECINFO_R_BIT ? 'r' : '-';
	text[1] = secinfo_flags & SGX_SECINFO_W_BIT ? 'w' : '-';
	text[2] = secinfo_flags & SGX_SECINFO_X_BIT ? 'x' : '-';
	text[3] = '\0';
}

static const char *segment_kind(const struct enclave_segment *s)
{
	if (s->heap)
		return "heap";
	return SGX_SECINFO_PT(s->secinfo_flags) == SGX_PT_TCS ? "TCS" : "REG";
}

/* TCS listed one by one; a file of nothing but TCS pages is cut here */
#define TCS_SHOWN 256u

static unsigned warnings_shown(const struct enclave_elf *elf)
{
	return elf->warning_count < ENCLAVE_WARNINGS_MAX ? elf->warning_count
							 : ENCLAVE_WARNINGS_MAX;
}

/**
 * print_enclave() - an enclave file in full
 * @out: where it goes
 * @elf: the enclave
 */
void print_enclave(FILE *out, const struct enclave_elf *elf)
{
	uint8_t mrenclave[SGX_HASH_SIZE];
	struct sgx_tcs t;
	char rwx[4];

	enclave_elf_measure(elf, mrenclave);
	fprintf(out, "enclave ELF, %zu bytes\n", elf->file_size);
	line_bytes(out, "MRENCLAVE", mrenclave, sizeof(mrenclave));
	fprintf(out, "%-22s0x%" PRIx64 "\n", "ELRANGE size", elf->elrange);
	fprintf(out, "%-22s0x%" PRIx64 "\n", "used size", elf->used_size);
	fprintf(out, "%-22s%" PRIu64 "\n", "pages", elf->page_count);
	fprintf(out, "%-22s%" PRIu32 "\n", "SSAFRAMESIZE", elf->options.ssaframesize);
	fprintf(out, "segments\n  %-12s %-12s %-6s %-5s %-8s %s\n", "offset", "size", "type",
		"perm", "measured", "from");
	for (unsigned i = 0; i < elf->segment_count; i++) {
		const struct enclave_segment *s = &elf->segments[i];

		permissions(rwx, s->secinfo_flags);
		fprintf(out, "  0x%-10" PRIx64 " 0x%-10" PRIx64 " %-6s %-5s %-8s ", s->offset,
			s->size, segment_kind(s), rwx, s->heap ? "no" : "yes");
		if (s->heap)
			fputs("--heap\n", out);
		else
			fprintf(out,
				"program header %u: file offset 0x%" PRIx64 ", 0x%" PRIx64
				" bytes\n",
				s->phdr, s->file_offset, s->file_size);
	}
	for (uint64_t i = 0; i < TCS_SHOWN && enclave_elf_tcs(elf, i, &t); i++) {
		fprintf(out,
			"TCS %" PRIu64 " at 0x%" PRIx64 "\n"
			"  OENTRY 0x%" PRIx64 ", OSSA 0x%" PRIx64 ", NSSA %" PRIu32
			", FLAGS 0x%" PRIx64 "\n",
			i, i * SGX_PAGE_SIZE, t.oentry, t.ossa, t.nssa, t.flags);
		fprintf(out,
			"  OFSBASE 0x%" PRIx64 ", OGSBASE 0x%" PRIx64 ", FSLIMIT 0x%" PRIx32
			", GSLIMIT 0x%" PRIx32 "\n",
			t.ofsbase, t.ogsbase, t.fslimit, t.gslimit);
	}
	if (elf->tcs_count > TCS_SHOWN)
		fprintf(out, "%" PRIu64 " more TCS pages not shown\n", elf->tcs_count - TCS_SHOWN);
}

static void json_tcs(struct json *j, uint64_t i, const struct sgx_tcs *t)
{
	json_open_object(j, NULL);
	json_hex(j, "offset", i * SGX_PAGE_SIZE);
	json_hex(j, "oentry", t->oentry);
	json_hex(j, "ossa", t->ossa);
	json_u64(j, "nssa", t->nssa);
	json_hex(j, "flags", t->flags);
	json_hex(j, "ofsbase", t->ofsbase);
	json_hex(j, "ogsbase", t->ogsbase);
	json_hex(j, "fslimit", t->fslimit);
	json_hex(j, "gslimit", t->gslimit);
	json_close_object(j);
}

/**
 * print_enclave_json() - an enclave file as members of an open object
 * @j: document
 * @elf: the enclave
 */
void print_enclave_json(struct json *j, const struct enclave_elf *elf)
{
	uint8_t mrenclave[SGX_HASH_SIZE];
	struct sgx_tcs t;
	char rwx[4];

	enclave_elf_measure(elf, mrenclave);
	json_string(j, "type", "enclave");
	json_bytes(j, "mrenclave", mrenclave, sizeof(mrenclave));
	json_hex(j, "elrange_size", elf->elrange);
	json_hex(j, "used_size", elf->used_size);
	json_u64(j, "pages", elf->page_count);
	json_u64(j, "ssaframesize", elf->options.ssaframesize);
	json_open_array(j, "segments");
	for (unsigned i = 0; i < elf->segment_count; i++) {
		const struct enclave_segment *s = &elf->segments[i];

		permissions(rwx, s->secinfo_flags);
		json_open_object(j, NULL);
		json_hex(j, "offset", s->offset);
		json_hex(j, "size", s->size);
		json_string(j, "type", segment_kind(s));
		json_string(j, "permissions", rwx);
		json_bool(j, "measured", !s->heap);
		if (!s->heap) {
			json_u64(j, "program_header", s->phdr);
			json_hex(j, "file_offset", s->file_offset);
			json_hex(j, "file_size", s->file_size);
		}
		json_close_object(j);
	}
	json_close_array(j);
	json_u64(j, "tcs_count", elf->tcs_count);
	json_open_array(j, "tcs");
	for (uint64_t i = 0; i < TCS_SHOWN && enclave_elf_tcs(elf, i, &t); i++)
		json_tcs(j, i, &t);
	json_close_array(j);
	json_open_array(j, "warnings");
	for (unsigned i = 0; i < warnings_shown(elf); i++)
		json_string(j, NULL, elf->warnings[i]);
	json_close_array(j);
}

/**
 * print_key() - a signing key, without its secrets
 * @out: where it goes
 * @info: what key_read() found
 */
void print_key(FILE *out, const struct key_info *info)
{
	fprintf(out, "RSA %s key\n", info->private_key ? "private" : "public");
	fprintf(out, "%-22s%u\n", "bits", info->bits);
	if (info->exponent)
		fprintf(out, "%-22s%" PRIu64 "\n", "EXPONENT", info->exponent);
	else
		fprintf(out, "%-22smore than 64 bits\n", "EXPONENT");
	if (!info->usable) {
		fprintf(out, "%-22sno: a SIGSTRUCT takes 3072 bits and exponent 3\n",
			"signs enclaves");
		return;
	}
	fprintf(out, "%-22s%s\n", "signs enclaves",
		info->private_key ? "yes" : "no: the private half is not here");
	line_bytes(out, "MRSIGNER", info->mrsigner, sizeof(info->mrsigner));
	block_bytes(out, "MODULUS", info->modulus, sizeof(info->modulus));
}

/**
 * print_key_json() - a signing key as members of an open object
 * @j: document
 * @info: what key_read() found
 */
void print_key_json(struct json *j, const struct key_info *info)
{
	json_string(j, "type", "key");
	json_bool(j, "private", info->private_key);
	json_u64(j, "bits", info->bits);
	json_u64(j, "exponent", info->exponent);
	json_bool(j, "usable", info->usable);
	if (!info->usable)
		return;
	json_bytes(j, "mrsigner", info->mrsigner, sizeof(info->mrsigner));
	json_bytes(j, "modulus", info->modulus, sizeof(info->modulus));
}
