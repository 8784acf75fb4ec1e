/* SPDX-License-Identifier: BSD-3-Clause */
#include "sgxmeta_show.h"
#include "builtin.h"
#include "enclave_file.h"
#include "file_kind.h"
#include "print.h"
#include "sgxmeta.h"
#include "util.h"

#include <cpu/sigstruct.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* sgx_sign writes two at most: more are nobody's. */
#define METADATA_MAX 8u

/**
 * struct measured - an enclave by one of its metadata
 * @meta:	as read
 * @hash:	MRENCLAVE
 * @sig:	--sig, or the metadata's own
 * @equal:	@hash is @sig's ENCLAVEHASH
 */
struct measured {
	struct sgxmeta meta;
	uint8_t hash[SGX_HASH_SIZE];
	const struct sgx_sigstruct_arch *sig;
	bool equal;
};

/* All metadata of the file; their number, or -1 with a message printed */
static int read_all(const char *path, const void *data, size_t size, const struct show *how,
		    struct measured *all)
{
	char error[LAYOUT_MESSAGE_SIZE];
	unsigned count = 0;
	int ret;

	while ((ret = sgxmeta_read(&all[count].meta, data, size, count, error)) > 0) {
		struct measured *m = &all[count++];

		layout_measure(&m->meta.layout, m->hash);
		m->sig = how->sig ? how->sig : &m->meta.sig;
		m->equal = !memcmp(m->sig->enclavehash, m->hash, sizeof(m->hash));
		if (count == METADATA_MAX)
			break;
	}
	if (!ret && !count)
		ret = layout_refuse(error, "its note begins with no metadata of sgx_sign");
	if (ret < 0) {
		tool_error("%s: an enclave of Intel's SGX SDK, but not one that can be loaded: %s",
			   path, error);
		while (count)
			sgxmeta_free(&all[--count].meta);
		return -1;
	}
	return (int)count;
}

/* The one that a loader takes where there is SGX1 alone, as here; else the newest */
static const struct measured *first_choice(const struct measured *all, int count)
{
	const struct measured *best = all;

	for (int i = 1; i < count; i++) {
		const struct sgxmeta *m = &all[i].meta, *b = &best->meta;
		bool m1 = m->major % 10 == 1, b1 = b->major % 10 == 1;

		if (m1 != b1 ? m1
			     : m->major > b->major || (m->major == b->major && m->minor > b->minor))
			best = &all[i];
	}
	return best;
}

static void show_text(const char *path, const struct measured *all, int count,
		      const struct show *how)
{
	const struct measured *best = first_choice(all, count);

	if (how->whole)
		printf("%s: %s\n%-22s", path, file_kind_sentence(FILE_ELF_INTEL_SIGNED),
		       "MRENCLAVE");
	print_bytes(stdout, best->hash, sizeof(best->hash));
	putchar('\n');
	for (int i = 0; i < count; i++) {
		const struct measured *m = &all[i];

		if (count > 1)
			printf("metadata %" PRIu32 ".%" PRIu32 ": ", m->meta.major, m->meta.minor);
		if (memcmp(m->hash, best->hash, sizeof(m->hash))) {
			print_bytes(stdout, m->hash, sizeof(m->hash));
			fputs(": ", stdout);
		}
		puts(enclave_hash_sentence(m->equal));
	}
	if (!how->whole)
		return;
	for (int i = 0; i < count; i++) {
		char version[32];

		snprintf(version, sizeof(version), "%" PRIu32 ".%" PRIu32, all[i].meta.major,
			 all[i].meta.minor);
		printf("%-22s%s\n", "metadata", version);
		show_layout(stdout, &all[i].meta.layout);
	}
	print_sigstruct(stdout, best->sig);
}

static void show_json(const char *path, const struct measured *all, int count,
		      const struct show *how, struct json *j)
{
	const struct measured *best = first_choice(all, count);

	if (how->whole) {
		json_string(j, "file", path);
		json_string(j, "type", file_kind_name(FILE_ELF_INTEL_SIGNED));
		json_string(j, "what", file_kind_sentence(FILE_ELF_INTEL_SIGNED));
	}
	json_bytes(j, "mrenclave", best->hash, sizeof(best->hash));
	json_bytes(j, "enclavehash", best->sig->enclavehash, SGX_HASH_SIZE);
	json_bool(j, "enclavehash_equal", best->equal);
	show_layout_json(j, &best->meta.layout, false);
	json_open_array(j, "metadata");
	for (int i = 0; i < count; i++) {
		json_open_object(j, NULL);
		json_u64(j, "major", all[i].meta.major);
		json_u64(j, "minor", all[i].meta.minor);
		json_bytes(j, "mrenclave", all[i].hash, SGX_HASH_SIZE);
		json_bytes(j, "enclavehash", all[i].sig->enclavehash, SGX_HASH_SIZE);
		json_bool(j, "enclavehash_equal", all[i].equal);
		show_layout_json(j, &all[i].meta.layout, how->whole);
		json_close_object(j);
	}
	json_close_array(j);
	if (!how->whole)
		return;
	json_open_object(j, "sigstruct");
	print_sigstruct_json(j, best->sig);
	json_close_object(j);
}

/* Which instructions depend on XFRM: that of the SIGSTRUCT where nobody says another */
static void show_code(struct json *j, const struct xfrm_scan *scan,
		      const struct sgx_sigstruct_arch *sig, const struct show *how)
{
	struct xfrm_signed is = how->is;

	if (!is.known)
		is = (struct xfrm_signed){true, sig->attributes.xfrm, sig->attributemask.xfrm};
	if (j)
		xfrm_print_json(j, scan, &is);
	else
		xfrm_print(stdout, scan, &is);
}

static void show_all(const char *path, const void *data, size_t size, const struct measured *all,
		     int count, const struct show *how)
{
	const struct sgx_sigstruct_arch *sig = first_choice(all, count)->sig;
	struct xfrm_scan scan;
	bool code = how->whole && !xfrm_scan(&scan, data, size);
	struct json j;

	if (!how->json) {
		show_text(path, all, count, how);
		if (code)
			show_code(NULL, &scan, sig, how);
		return;
	}
	json_start(&j, stdout);
	json_open_object(&j, NULL);
	show_json(path, all, count, how, &j);
	if (code)
		show_code(&j, &scan, sig, how);
	json_close_object(&j);
	json_end(&j);
}

/**
 * sgxmeta_show() - print a signed enclave of Intel's SDK
 * @path: the file's name
 * @data: the file
 * @size: its bytes
 * @how: what of it
 *
 * Return: TOOL_OK; TOOL_FAILED where it cannot be loaded, which is said, or a metadata's
 * ENCLAVEHASH is another measurement or, where all is shown, the signature does not verify:
 * both are shown.
 */
int sgxmeta_show(const char *path, const void *data, size_t size, const struct show *how)
{
	struct measured *all = calloc(METADATA_MAX, sizeof(*all));
	int count, ret = TOOL_OK;

	if (!all) {
		tool_error("no memory");
		return TOOL_FAILED;
	}
	count = read_all(path, data, size, how, all);
	if (count < 0) {
		free(all);
		return TOOL_FAILED;
	}
	show_all(path, data, size, all, count, how);
	for (int i = 0; i < count; i++)
		if (!all[i].equal)
			ret = TOOL_FAILED;
	if (how->whole && cpu_sigstruct_verify(first_choice(all, count)->sig))
		ret = TOOL_FAILED;
	while (count)
		sgxmeta_free(&all[--count].meta);
	free(all);
	return ret;
}
