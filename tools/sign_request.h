/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of `swsgx sign`: which files, and every field of the SIGSTRUCT. */
#ifndef TOOLS_SIGN_REQUEST_H
#define TOOLS_SIGN_REQUEST_H

#include "enclave_file.h"

#include <getopt.h>

/**
 * struct sign_request - the command line
 * @key:	--key
 * @new_key:	--new-key
 * @out:	--out
 * @data_out:	--data-out
 * @data:	--data
 * @signature:	--signature
 * @field:	the name of the first option that says what is signed, or NULL
 * @debug:	--debug
 * @production:	--production
 * @force:	--force
 * @date_given:	--date
 * @hash_given:	--enclavehash
 * @eo:		heap and SSA frame size
 * @sig:	every field that an option sets
 */
struct sign_request {
	const char *key, *new_key, *out, *data_out, *data, *signature, *field;
	bool debug, production, force, date_given, hash_given;
	struct enclave_options eo;
	struct sgx_sigstruct_arch sig;
};

extern const struct option sign_options[];

void sign_defaults(struct sign_request *r);
int sign_option(struct sign_request *r, int c, const char *value)
	__attribute__((warn_unused_result));
int sign_fields(struct sign_request *r) __attribute__((warn_unused_result));

#endif
