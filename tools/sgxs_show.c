/* SPDX-License-Identifier: BSD-3-Clause */
#include "sgxs_show.h"
#include "builtin.h"
#include "enclave_file.h"
#include "file_kind.h"
#include "print.h"
#include "sgxs.h"
#include "util.h"

#include <inttypes.h>
#include <string.h>

static void show_json(const char *path, const struct sgxs *s, const struct show *how, bool equal)
{
	struct json j;

	json_start(&j, stdout);
	json_open_object(&j, NULL);
	if (how->whole) {
		json_string(&j, "file", path);
		json_string(&j, "type", file_kind_name(FILE_SGXS));
		json_string(&j, "what", file_kind_sentence(FILE_SGXS));
	}
	json_bytes(&j, "mrenclave", s->mrenclave, sizeof(s->mrenclave));
	if (how->sig) {
		json_bytes(&j, "enclavehash", how->sig->enclavehash, SGX_HASH_SIZE);
		json_bool(&j, "enclavehash_equal", equal);
	}
	json_hex(&j, "elrange_size", s->elrange);
	json_u64(&j, "ssaframesize", s->ssaframesize);
	json_u64(&j, "pages", s->pages);
	json_u64(&j, "tcs_count", s->tcs_count);
	json_u64(&j, "chunks", s->chunks);
	json_u64(&j, "unmeasured_chunks", s->unmeasured);
	json_close_object(&j);
	json_end(&j);
}

static void show_text(const char *path, const struct sgxs *s, const struct show *how, bool equal)
{
	if (how->whole)
		printf("%s: %s\nMRENCLAVE    ", path, file_kind_sentence(FILE_SGXS));
	print_bytes(stdout, s->mrenclave, sizeof(s->mrenclave));
	putchar('\n');
	if (how->whole) {
		printf("ELRANGE      %" PRIx64 "h bytes\n", s->elrange);
		printf("SSAFRAMESIZE %" PRIu32 " pages\n", s->ssaframesize);
		printf("pages        %" PRIu64 ", of which TCS %" PRIu64 "\n", s->pages,
		       s->tcs_count);
		printf("chunks       %" PRIu64 " of 256 bytes measured, %" PRIu64
		       " loaded without\n",
		       s->chunks, s->unmeasured);
	}
	if (how->sig)
		puts(enclave_hash_sentence(equal));
}

/**
 * sgxs_show() - print a stream
 * @path: the file's name
 * @data: the file
 * @size: its bytes
 * @how: what of it
 *
 * Return: TOOL_OK; TOOL_FAILED where the stream is damaged, which is said, or @how->sig is
 * signed for another measurement, which is shown.
 */
int sgxs_show(const char *path, const void *data, size_t size, const struct show *how)
{
	char error[SGXS_MESSAGE_SIZE];
	bool equal = true;
	struct sgxs s;

	if (sgxs_parse(&s, data, size, error)) {
		tool_error("%s: an SGXS stream, but not one that can be loaded: %s", path, error);
		return TOOL_FAILED;
	}
	if (how->sig)
		equal = !memcmp(how->sig->enclavehash, s.mrenclave, sizeof(s.mrenclave));
	if (how->json)
		show_json(path, &s, how, equal);
	else
		show_text(path, &s, how, equal);
	return equal ? TOOL_OK : TOOL_FAILED;
}
