/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MRENCLAVE: the SHA-256 that ECREATE starts, EADD and EEXTEND feed and EINIT
 * closes.  Used by the leaves, and by swsgx measure and sign to predict it.
 */
#ifndef CPU_MEASURE_H
#define CPU_MEASURE_H

#include <sgx/arch.h>
#include <stdint.h>

/*
 * The running hash.  Plain bytes without pointers: it may be copied, and lives
 * in the SECS page (which EWB may seal and ELDU bring back).
 */
struct cpu_measure {
	uint64_t opaque[16];
};

void cpu_measure_ecreate(struct cpu_measure *m, uint32_t ssaframesize, uint64_t size);
/* offset = page's address - SECS.BASE; secinfo_flags as measured (TCS: RWX clear) */
void cpu_measure_eadd(struct cpu_measure *m, uint64_t offset, uint64_t secinfo_flags);
/* one chunk of 256 bytes at offset */
void cpu_measure_eextend(struct cpu_measure *m, uint64_t offset, const uint8_t *chunk);
/* closes a copy: m stays usable */
void cpu_measure_final(const struct cpu_measure *m, uint8_t mrenclave[SGX_HASH_SIZE]);

#endif
