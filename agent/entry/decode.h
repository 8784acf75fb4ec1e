/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef AGENT_ENTRY_DECODE_H
#define AGENT_ENTRY_DECODE_H

#include <stdbool.h>
#include <stdint.h>

/* An instruction is no longer */
#define DECODE_MAX 15u

/**
 * decode_illegal_inside() - is the instruction #UD in enclave mode
 * @code:	its bytes
 * @size:	how many there are; fewer than it has is no harm
 *
 * For an instruction that raised #GP in 64-bit mode.  What is legal inside, and
 * what is #GP there too, is false.
 */
bool decode_illegal_inside(const uint8_t *code, uint32_t size);

#endif
