/* SPDX-License-Identifier: BSD-3-Clause */
/* A page that is to be a TCS: EADD's source, or what EACCEPT finds in it. */
#ifndef CPU_TCS_H
#define CPU_TCS_H

#include <base/why.h>
#include <sgx/arch.h>

bool tcs_legal(const struct sgx_tcs *tcs, uint64_t attributes, struct why *why);

#endif
