/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzzer's function over stored inputs, so that every finding stays found
 * with any compiler:  fuzz_NAME_replay FILE-OR-FOLDER...
 *
 * Besides each input itself, every truncation of it at a power of two and at its
 * last byte, and (seeded, so always the same) ROUNDS damaged copies.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROUNDS	  64u
#define INPUT_MAX (1u << 20)

static unsigned long inputs;
static uint64_t state;

/* xorshift64: any generator does, as long as it is the same everywhere */
static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A copy of exactly this size, so that ASan sees the byte after it */
static void run_once(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	inputs++;
}

static void run_all(uint8_t *data, size_t size)
{
	run_once(data, size);
	for (size_t cut = 1; cut < size; cut *= 2)
		run_once(data, cut);
	if (!size)
		return;
	run_once(data, size - 1);
	state = 0x5357534758ull + size;
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Heads have the fields: every second change is among the first 512 bytes */
		size_t range = i & 1 && size > 512 ? 512 : size;
		size_t at = next_random() % range;
		uint8_t old = data[at];

		data[at] = (uint8_t)next_random();
		run_once(data, size);
		if (i % 4)
			data[at] = old;
	}
}

static int run_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f || !data) {
		fprintf(stderr, "cannot read %s\n", path);
		if (f)
			fclose(f);
		free(data);
		return -1;
	}
	size = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	run_all(data, size);
	free(data);
	return 0;
}

static int run_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char name[4096];
	int ret = 0;

	if (!folder) {
		fprintf(stderr, "cannot open %s\n", path);
		return -1;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (run_file(name))
			ret = -1;
	}
	closedir(folder);
	return ret;
}

int main(int argc, char **argv)
{
	int ret = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode) ? run_folder(argv[i])
							       : run_file(argv[i]))
			ret = 1;
	}
	/* A corpus that went missing must not pass */
	if (!inputs) {
		fprintf(stderr, "no inputs\n");
		return 1;
	}
	fprintf(stderr, "%lu inputs\n", inputs);
	return ret;
}
