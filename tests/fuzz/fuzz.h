/* SPDX-License-Identifier: BSD-3-Clause */
/* A fuzzer is one function; libFuzzer or replay.c calls it. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
