/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves of Gramine.  There is no enclave file: gramine-sgx lays the enclave out by the
 * signed manifest (manifest.sgx) and its own libpal.so, which the manifest does not name.
 * The layout is that of Gramine 1.9; where another version has other constants, the
 * measurement is another.
 */
#ifndef TOOLS_GRAMINE_H
#define TOOLS_GRAMINE_H

#include "layout.h"

#define GRAMINE_PATH_SIZE 4096u

/**
 * struct gramine_settings - what the manifest decides of the layout
 * @enclave_size:	sgx.enclave_size, bytes
 * @max_threads:	sgx.max_threads
 * @edmm:		sgx.edmm_enable: no pages are added for the heap
 * @libpal:		where libpal.so lies beside the libOS that loader.entrypoint names; may be
 *			empty
 */
struct gramine_settings {
	uint64_t enclave_size;
	uint64_t max_threads;
	bool edmm;
	char libpal[GRAMINE_PATH_SIZE];
};

/**
 * struct gramine - an enclave
 * @settings:	of the manifest
 * @layout:	what the loader adds; points into the manifest, libpal.so and @threads
 * @threads:	contents of TCS and thread blocks, malloc'ed
 */
struct gramine {
	struct gramine_settings settings;
	struct layout layout;
	uint8_t *threads;
};

int gramine_settings(struct gramine_settings *s, const char *manifest, size_t size,
		     char error[LAYOUT_MESSAGE_SIZE]) __attribute__((warn_unused_result));
int gramine_read(struct gramine *g, const void *manifest, size_t size, const void *libpal,
		 size_t libpal_size, char error[LAYOUT_MESSAGE_SIZE])
	__attribute__((warn_unused_result));
void gramine_free(struct gramine *g);

#endif
