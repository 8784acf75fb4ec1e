/* SPDX-License-Identifier: BSD-3-Clause */
/* Foreign bytes: the section is held against the file, and its fields against the section. */
#include "oeinfo.h"
#include "builtin.h"
#include "elf_view.h"
#include "file_kind.h"
#include "print.h"
#include "util.h"

#include <cpu/sigstruct.h>
#include <inttypes.h>
#include <string.h>

#define TYPE_SGX   2u
#define END_MARKER 0xececececececececull

/* Offsets in the section; the SIGSTRUCT and the marker behind it end it in all versions. */
#define INFO_SIZE	0u
#define INFO_TYPE	4u
#define INFO_HEAP	8u
#define INFO_STACK	16u
#define INFO_TCS	24u
#define INFO_PRODID	32u
#define INFO_SVN	34u
#define INFO_FLAGS	36u
#define INFO_ATTRIBUTES 72u
#define INFO_START	88u
#define HEADER_SIZE	32u
#define CONFIGURED	1960u /* the size of the version that has what is named here */
#define FLAG_CAPTURE	1u
#define FLAG_ZERO_BASE	2u

static const char not_measured[] =
	"what its loader measures has relocations, libraries and thread-local storage merged into "
	"it, and swsgx does not follow it there; oesign computes it when it signs";

static uint64_t number(const uint8_t *data, size_t at, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, data + at, size);
	return v;
}

/**
 * oeinfo_read() - look into .oeinfo
 * @o: filled in
 * @data: a file, any bytes at all
 * @size: their number
 * @error: what is wrong, where -1 is returned
 *
 * Return: 0, or -1
 */
int oeinfo_read(struct oeinfo *o, const void *data, size_t size, char error[LAYOUT_MESSAGE_SIZE])
{
	uint64_t info_size, marker_at;
	struct elf_view v;
	Elf64_Shdr shdr;
	const uint8_t *info;

	memset(o, 0, sizeof(*o));
	if (!elf_view_open(&v, data, size) || !elf_view_named(&v, ".oeinfo", &shdr) ||
	    !elf_view_within(&v, shdr.sh_offset, shdr.sh_size))
		return layout_refuse(error, "there is no section .oeinfo within the file");
	if (shdr.sh_size < HEADER_SIZE + sizeof(o->sig) + sizeof(uint64_t))
		return layout_refuse(error,
				     ".oeinfo: %" PRIu64 " bytes have no room for a SIGSTRUCT",
				     shdr.sh_size);
	info = v.data + shdr.sh_offset;
	info_size = number(info, INFO_SIZE, sizeof(uint32_t));
	if (info_size > shdr.sh_size || info_size < HEADER_SIZE + sizeof(o->sig) + sizeof(uint64_t))
		return layout_refuse(error,
				     ".oeinfo: it says that it has %" PRIu64
				     " bytes, the section has %" PRIu64,
				     info_size, shdr.sh_size);
	if (number(info, INFO_TYPE, sizeof(uint32_t)) != TYPE_SGX)
		return layout_refuse(error, ".oeinfo: type %" PRIu64 " is not that of SGX",
				     number(info, INFO_TYPE, sizeof(uint32_t)));
	marker_at = info_size - sizeof(uint64_t);
	if (number(info, marker_at, sizeof(uint64_t)) != END_MARKER)
		return layout_refuse(error,
				     ".oeinfo: the marker at its end, byte %" PRIu64 ", is another",
				     marker_at);
	o->heap_pages = number(info, INFO_HEAP, sizeof(uint64_t));
	o->stack_pages = number(info, INFO_STACK, sizeof(uint64_t));
	o->tcs_count = number(info, INFO_TCS, sizeof(uint64_t));
	o->has_config = info_size == CONFIGURED;
	if (o->has_config) {
		uint64_t flags = number(info, INFO_FLAGS, sizeof(uint32_t));

		o->prodid = (uint16_t)number(info, INFO_PRODID, sizeof(uint16_t));
		o->svn = (uint16_t)number(info, INFO_SVN, sizeof(uint16_t));
		o->capture_faults = flags & FLAG_CAPTURE;
		o->zero_base = flags & FLAG_ZERO_BASE;
		o->attributes = number(info, INFO_ATTRIBUTES, sizeof(uint64_t));
		o->start = number(info, INFO_START, sizeof(uint64_t));
	}
	memcpy(&o->sig, info + marker_at - sizeof(o->sig), sizeof(o->sig));
	/* oesign fills it in; until then it is zeros */
	for (size_t i = 0; i < sizeof(o->sig); i++)
		o->is_signed |= ((const uint8_t *)&o->sig)[i] != 0;
	return 0;
}

static void show_text(const char *path, const struct oeinfo *o)
{
	char names[160];

	printf("%s: %s\n", path, file_kind_sentence(FILE_ELF_OPEN_ENCLAVE));
	printf("%-22s%s\n", "not measured", not_measured);
	printf("%-22s%" PRIu64 "\n%-22s%" PRIu64 "\n%-22s%" PRIu64 "\n", "heap pages",
	       o->heap_pages, "stack pages", o->stack_pages, "threads", o->tcs_count);
	if (o->has_config) {
		print_attribute_names(names, sizeof(names), o->attributes);
		printf("%-22s%u\n%-22s%u\n", "ISVPRODID", o->prodid, "ISVSVN", o->svn);
		printf("%-22s0x%" PRIx64 "  (%s)\n", "ATTRIBUTES", o->attributes, names);
		printf("%-22s%s\n", "EXINFO", o->capture_faults ? "asked for" : "no");
		if (o->zero_base)
			printf("%-22sat 0x%" PRIx64 " of an ELRANGE from 0\n", "image", o->start);
	}
	if (o->is_signed)
		print_sigstruct(stdout, &o->sig);
	else
		puts("not signed yet: oesign signs it");
}

static void show_json(const char *path, const struct oeinfo *o, struct json *j)
{
	json_string(j, "file", path);
	json_string(j, "type", file_kind_name(FILE_ELF_OPEN_ENCLAVE));
	json_string(j, "what", file_kind_sentence(FILE_ELF_OPEN_ENCLAVE));
	json_bool(j, "measured", false);
	json_string(j, "why", not_measured);
	json_u64(j, "heap_pages", o->heap_pages);
	json_u64(j, "stack_pages", o->stack_pages);
	json_u64(j, "tcs_count", o->tcs_count);
	if (o->has_config) {
		json_u64(j, "isvprodid", o->prodid);
		json_u64(j, "isvsvn", o->svn);
		json_hex(j, "attributes", o->attributes);
		json_bool(j, "exinfo", o->capture_faults);
		json_bool(j, "zero_base", o->zero_base);
		json_hex(j, "start", o->start);
	}
	json_bool(j, "signed", o->is_signed);
	if (!o->is_signed)
		return;
	json_open_object(j, "sigstruct");
	print_sigstruct_json(j, &o->sig);
	json_close_object(j);
}

/* Which instructions depend on XFRM: that of the SIGSTRUCT where nobody says another */
static void show_code(struct json *j, const void *data, size_t size, const struct oeinfo *o,
		      const struct show *how)
{
	struct xfrm_signed is = how->is;
	struct xfrm_scan scan;

	if (xfrm_scan(&scan, data, size))
		return;
	if (!is.known && o->is_signed)
		is = (struct xfrm_signed){true, o->sig.attributes.xfrm, o->sig.attributemask.xfrm};
	if (j)
		xfrm_print_json(j, &scan, &is);
	else
		xfrm_print(stdout, &scan, &is);
}

/**
 * oeinfo_show() - print an enclave of Open Enclave
 * @path: the file's name
 * @data: the file
 * @size: its bytes
 * @how: what of it
 *
 * Return: TOOL_OK; TOOL_FAILED where .oeinfo is damaged or the measurement is asked for, which
 * is said, or where all is shown and the signature does not verify.
 */
int oeinfo_show(const char *path, const void *data, size_t size, const struct show *how)
{
	char error[LAYOUT_MESSAGE_SIZE];
	struct oeinfo o;
	struct json j;

	if (oeinfo_read(&o, data, size, error)) {
		tool_error("%s: an enclave of Open Enclave, but not one that can be loaded: %s",
			   path, error);
		return TOOL_FAILED;
	}
	if (!how->whole) {
		tool_error("%s: an enclave of Open Enclave, which swsgx cannot measure: %s", path,
			   not_measured);
		return TOOL_FAILED;
	}
	if (how->json) {
		json_start(&j, stdout);
		json_open_object(&j, NULL);
		show_json(path, &o, &j);
		show_code(&j, data, size, &o, how);
		json_close_object(&j);
		json_end(&j);
	} else {
		show_text(path, &o);
		show_code(NULL, data, size, &o, how);
	}
	return o.is_signed && cpu_sigstruct_verify(&o.sig) ? TOOL_FAILED : TOOL_OK;
}
