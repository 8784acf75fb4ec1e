/* SPDX-License-Identifier: BSD-3-Clause */
/* What vdso.S assumes of struct sgx_enclave_run; makes no code. */
#include <asm/sgx.h>
#include <stddef.h>

#define RUN(field, off) \
	_Static_assert(offsetof(struct sgx_enclave_run, field) == (off), "run." #field)
RUN(tcs, 0);
RUN(function, 8);
RUN(exception_vector, 12);
RUN(exception_error_code, 14);
RUN(exception_addr, 16);
RUN(user_handler, 24);
RUN(reserved, 40);
_Static_assert(sizeof(struct sgx_enclave_run) == 256, "sgx_enclave_run size");
