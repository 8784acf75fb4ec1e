/* SPDX-License-Identifier: BSD-3-Clause */
#include "gramine_show.h"
#include "builtin.h"
#include "enclave_file.h"
#include "file_kind.h"
#include "gramine.h"
#include "print.h"
#include "util.h"

#include <cpu/sigstruct.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/**
 * struct shown - all that is known of one manifest
 * @path:	the manifest's name
 * @libpal:	--libpal, or where it should be
 * @why:	why it is not measured; empty where it is
 * @g:		where it is measured
 * @hash:	where it is measured
 * @sig_path:	the SIGSTRUCT beside the manifest, malloc'ed, or NULL
 * @sig:	that or --sig
 * @signed_for:	there is a SIGSTRUCT
 * @equal:	it is for @hash
 */
struct shown {
	const char *path, *libpal;
	char why[LAYOUT_MESSAGE_SIZE];
	struct gramine g;
	uint8_t hash[SGX_HASH_SIZE];
	char *sig_path;
	struct sgx_sigstruct_arch sig;
	bool signed_for, equal;
};

/* x.manifest.sgx -> x.sig, as gramine-sgx-sign names it; NULL where there is no such file */
static char *sig_beside(const char *path)
{
	static const char ending[] = ".manifest.sgx";
	size_t length = strlen(path), end = sizeof(ending) - 1;
	char *beside;

	if (length <= end || strcmp(path + length - end, ending) ||
	    asprintf(&beside, "%.*s.sig", (int)(length - end), path) < 0)
		return NULL;
	if (!access(beside, F_OK))
		return beside;
	free(beside);
	return NULL;
}

static int find_sig(struct shown *s, const struct show *how)
{
	if (how->sig) {
		s->sig = *how->sig;
		s->signed_for = true;
		return 0;
	}
	s->sig_path = sig_beside(s->path);
	if (!s->sig_path)
		return 0;
	s->signed_for = true;
	return enclave_read_sigstruct(s->sig_path, &s->sig);
}

/* 0: measured, or s->why says why not; -1: an error, printed */
static int measure(struct shown *s, const void *data, size_t size, const char *option)
{
	struct gramine_settings settings;
	size_t libpal_size;
	void *libpal;

	if (gramine_settings(&settings, data, size, s->why))
		return 0;
	s->g.settings = settings;
	s->libpal = option ? option : s->g.settings.libpal;
	if (!option && (!*s->libpal || access(s->libpal, R_OK))) {
		layout_refuse(s->why, "Gramine's libpal.so, which is most of it, is not beside the "
				      "libOS that it names: --libpal names it");
		return 0;
	}
	if (tool_read_file(s->libpal, &libpal, &libpal_size))
		return -1;
	if (!gramine_read(&s->g, data, size, libpal, libpal_size, s->why)) {
		s->why[0] = '\0';
		layout_measure(&s->g.layout, s->hash);
		s->equal = s->signed_for && !memcmp(s->hash, s->sig.enclavehash, sizeof(s->hash));
		/* the extents stay for their table; their bytes are not looked at any more */
	}
	if (!option)
		s->libpal = s->g.settings.libpal;
	free(libpal);
	return 0;
}

static void show_text(const struct shown *s, const struct show *how)
{
	if (how->whole)
		printf("%s: %s\n", s->path, file_kind_sentence(FILE_GRAMINE_MANIFEST));
	if (s->why[0]) {
		printf("%-22s%s\n", "not measured", s->why);
	} else {
		if (how->whole)
			printf("%-22s", "MRENCLAVE");
		print_bytes(stdout, s->hash, sizeof(s->hash));
		putchar('\n');
	}
	if (!s->why[0] && s->signed_for)
		puts(enclave_hash_sentence(s->equal));
	if (!s->why[0] && s->signed_for && !s->equal)
		puts("That is of the layout of Gramine 1.9, and of this libpal.so: is it the one "
		     "that "
		     "was signed?");
	if (!how->whole)
		return;
	if (s->libpal && *s->libpal)
		printf("%-22s%s\n", "libpal.so", s->libpal);
	if (!s->why[0])
		show_layout(stdout, &s->g.layout);
	if (s->sig_path)
		printf("%-22s%s\n", "SIGSTRUCT in", s->sig_path);
	if (s->signed_for)
		print_sigstruct(stdout, &s->sig);
}

static void show_json(const struct shown *s, const struct show *how)
{
	struct json j;

	json_start(&j, stdout);
	json_open_object(&j, NULL);
	if (how->whole) {
		json_string(&j, "file", s->path);
		json_string(&j, "type", file_kind_name(FILE_GRAMINE_MANIFEST));
		json_string(&j, "what", file_kind_sentence(FILE_GRAMINE_MANIFEST));
	}
	json_bool(&j, "measured", !s->why[0]);
	if (s->why[0])
		json_string(&j, "why", s->why);
	if (s->libpal && *s->libpal)
		json_string(&j, "libpal", s->libpal);
	if (!s->why[0])
		json_bytes(&j, "mrenclave", s->hash, sizeof(s->hash));
	if (s->signed_for)
		json_bytes(&j, "enclavehash", s->sig.enclavehash, SGX_HASH_SIZE);
	if (s->signed_for && !s->why[0])
		json_bool(&j, "enclavehash_equal", s->equal);
	if (!s->why[0])
		show_layout_json(&j, &s->g.layout, how->whole);
	if (how->whole && s->signed_for) {
		json_open_object(&j, "sigstruct");
		print_sigstruct_json(&j, &s->sig);
		json_close_object(&j);
	}
	json_close_object(&j);
	json_end(&j);
}

/**
 * gramine_show() - print a manifest
 * @path: the file's name; a SIGSTRUCT beside it is looked for
 * @data: the file
 * @size: its bytes
 * @libpal: --libpal, or NULL: beside the libOS that the manifest names
 * @how: what of it
 *
 * Return: TOOL_OK; TOOL_FAILED where a file cannot be read, the SIGSTRUCT is for another
 * measurement or, where all is shown, does not verify.  Where all is shown it is no fault
 * that it cannot be measured; where the measurement is asked for, it is.
 */
int gramine_show(const char *path, const void *data, size_t size, const char *libpal,
		 const struct show *how)
{
	struct shown *s = calloc(1, sizeof(*s));
	int ret = TOOL_FAILED;

	if (!s) {
		tool_error("no memory");
		return TOOL_FAILED;
	}
	s->path = path;
	if (find_sig(s, how) || measure(s, data, size, libpal))
		goto free;
	if (!how->whole && s->why[0]) {
		tool_error("%s is a manifest of Gramine that cannot be measured: %s", path, s->why);
		goto free;
	}
	if (how->json)
		show_json(s, how);
	else
		show_text(s, how);
	ret = TOOL_OK;
	if (s->signed_for && !s->why[0] && !s->equal)
		ret = TOOL_FAILED;
	if (how->whole && s->signed_for && cpu_sigstruct_verify(&s->sig))
		ret = TOOL_FAILED;
free:
	gramine_free(&s->g);
	free(s->sig_path);
	free(s);
	return ret;
}
