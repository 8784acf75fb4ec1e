/* SPDX-License-Identifier: BSD-3-Clause */
#include "maker.h"

bool library_is_intel(void);

const char library_device[] = "/dev/sgx_enclave";

bool library_is_intel(void)
{
	return is_intel();
}
