/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What EWB and ELD share: how an evicted page is sealed, version array slots, and
 * whether tracking is complete.
 */
#ifndef CPU_PAGING_H
#define CPU_PAGING_H

#include <cpu/package.h>

#include "secs.h"

/* MAC_HEADER: authenticated beside the page's bytes. */
struct paging_header {
	struct sgx_secinfo_arch secinfo; /* EPCM's PT, RWX, PENDING, MODIFIED, PR */
	uint64_t eid; /* of the enclave; 0 for SECS and VA pages */
	uint64_t linaddr;
	uint8_t rsvd[48]; /* begins with PCMD's reserved bytes */
};
_Static_assert(sizeof(struct paging_header) == 128, "MAC_HEADER: no padding");

int paging_seal(const struct cpu_package *pkg, const struct paging_header *header, uint64_t version,
		const void *page, void *sealed, uint8_t mac[SGX_KEY_SIZE]);
int paging_open(const struct cpu_package *pkg, const struct paging_header *header, uint64_t version,
		const void *sealed, void *page, const uint8_t mac[SGX_KEY_SIZE]);

uint64_t *paging_va_slot(const struct cpu_package *pkg, uint64_t addr);
bool paging_child(unsigned int pt);
bool paging_tracked(const struct cpu_package *pkg, epc_slot_t secs, uint32_t then);

#endif
