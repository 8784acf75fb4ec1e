/* SPDX-License-Identifier: BSD-3-Clause */
/* mksig LAYOUT ENCLAVE.elf OUT.sig: measures and signs, as the hosts load */
#include "../unit/cpu_test_key.h"
#include "image.h"

#include <cpu/measure.h>
#include <cpu/sigstruct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(4 << 20);

	if (!f || !data || fread(data, 1, 4 << 20, f) < sizeof(Elf64_Ehdr)) {
		perror(path);
		exit(1);
	}
	fclose(f);
	return data;
}

static void measure(struct cpu_measure *m, const struct image *image, const struct layout *l)
{
	uint64_t start = image_start(image, l), heap = image_heap(image, l);
	uint8_t page[RT_PAGE] __attribute__((aligned(RT_PAGE)));

	cpu_measure_ecreate(m, l->ssaframesize, l->size);
	for (unsigned int i = 0; i < IMAGE_SEGMENTS; i++) {
		const struct image_segment *s = &image->segment[i];

		for (uint64_t at = 0; at < s->size; at += RT_PAGE) {
			uint64_t offset = start + s->offset + at;

			if (i)
				memcpy(page, s->src + at, RT_PAGE);
			else
				image_tcs((void *)page, s->src + at, start);
			cpu_measure_eadd(m, offset, image_secinfo(i, s->prot));
			for (unsigned int k = 0; k < RT_PAGE; k += SGX_EEXTEND_SIZE)
				cpu_measure_eextend(m, offset + k, page + k);
		}
	}
	for (uint64_t at = 0; at < l->heap; at += RT_PAGE)
		cpu_measure_eadd(m, heap + at, image_secinfo(1, 7));
}

int main(int argc, char **argv)
{
	struct sgx_sigstruct_arch sig = {0};
	const struct layout *l = NULL;
	struct cpu_measure m;
	struct image image = {0};
	const char *why = "";
	uint8_t *elf;
	FILE *out;

	if (argc != 4)
		return 2;
	for (size_t i = 0; i < LAYOUT_COUNT; i++)
		if (!strcmp(layouts[i].name, argv[1]))
			l = &layouts[i];
	elf = read_file(argv[2]);
	if (!l || !image_parse(&image, elf)) {
		fprintf(stderr, "mksig: %s, %s: not known\n", argv[1], argv[2]);
		return 1;
	}
	measure(&m, &image, l);
	free(elf);
	cpu_sigstruct_init(&sig);
	sig.date = 0x20261122;
	sig.miscselect = l->miscselect;
	sig.miscmask = ~0u;
	sig.attributes.flags = SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT;
	sig.attributes.xfrm = l->xfrm;
	sig.attributemask.flags = ~0ull;
	sig.attributemask.xfrm = ~0ull;
	sig.isvprodid = 4;
	sig.isvsvn = 2;
	cpu_measure_final(&m, sig.enclavehash);
	if (cpu_sigstruct_sign(&sig, cpu_test_key, sizeof(cpu_test_key), &why)) {
		fprintf(stderr, "mksig: cannot sign: %s\n", why);
		return 1;
	}
	out = fopen(argv[3], "wb");
	if (!out || fwrite(&sig, sizeof(sig), 1, out) != 1 || fclose(out)) {
		perror(argv[3]);
		return 1;
	}
	return 0;
}
