/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ioctls of all generations of the interface do alike: ioctl.c is upstream's,
 * ioctl_v22.c that of the patch series before it, ioctl_isgx.c that of Intel's driver.
 */
#ifndef KERNEL_IOCTL_H
#define KERNEL_IOCTL_H

#include "encl.h"

#define is_aligned_page(x) (!((x) & (SGX_PAGE_SIZE - 1)))

/* A page that is about to be added */
struct sgx_add {
	uint64_t offset; /* in the ELRANGE */
	uint64_t src; /* address of its bytes */
	const void *bytes; /* or these themselves: NULL: the host has them */
	const struct sgx_secinfo_arch *secinfo;
	uint16_t mrmask; /* bit n: the n-th 256 bytes are measured */
	uint8_t max_prot; /* that it may be mapped with */
};

int sgx_encl_create(struct sgx_encl *encl, const struct sgx_secs *secs, int fault_errno,
		    struct why *why);
int sgx_encl_add_page(struct sgx_call *call, struct sgx_encl *encl, const struct sgx_add *add);
int sgx_validate_secinfo(const struct sgx_secinfo_arch *secinfo, struct why *why);
uint8_t sgx_secinfo_prot(const struct sgx_secinfo_arch *secinfo);
void sgx_encl_initialized(struct sgx_encl *encl);
/* The checks that the drivers before Linux 5.11 make of a SECS themselves */
int sgx_validate_secs(const struct sgx_subsystem *sgx, const struct sgx_secs *secs,
		      uint64_t attributes_reserved_mask, struct why *why);

long sgx_ioc_provision(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg);
long sgx_v22_ioctl(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg);
long sgx_unknown_ioctl(unsigned int cmd, struct why *why);

#endif
