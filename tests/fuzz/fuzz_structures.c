/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EINITTOKEN, REPORT, TARGETINFO, KEYREQUEST: a byte that chooses one of them for --type, and
 * then the file, at most 1024 bytes of it.  What it is taken for must be shown as well formed.
 */
#include "arch_show.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static bool show(enum file_kind kind, const void *data)
{
	char *text = NULL;
	size_t size = 0;
	struct json j;
	bool good, again;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	good = arch_print(f, kind, data);
	json_start(&j, f);
	json_open_object(&j, NULL);
	again = arch_print_json(&j, kind, data);
	json_close_object(&j);
	json_end(&j);
	fclose(f);
	if (good != again || !strchr(text, '{'))
		abort();
	free(text);
	return good;
}

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: the choice, and the file
 * @size: bytes
 *
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum file_kind kinds[] = {FILE_EINITTOKEN, FILE_REPORT, FILE_TARGETINFO,
					       FILE_KEYREQUEST};
	enum file_kind kind, told;
	uint8_t *file;

	if (!size || size > 1025)
		return 0;
	/* a copy of its own, so that a byte beyond it is seen */
	file = malloc(size > 1 ? size - 1 : 1);
	if (!file)
		return 0;
	memcpy(file, data + 1, size - 1);
	kind = kinds[*data % (sizeof(kinds) / sizeof(kinds[0]))];
	told = arch_kind(file, size - 1);
	if (told != FILE_UNKNOWN && (!arch_size_fits(told, file, size - 1) || !show(told, file)))
		abort();
	if (arch_size_fits(kind, file, size - 1))
		show(kind, file);
	free(file);
	return 0;
}
