/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one seam between the SGX subsystem and the processor: ENCLS leaves as
 * functions, with their three kinds of answer in one int.
 *
 *	0			the leaf completed
 *	1 .. 0xffff		an SGX code (enum sgx_code)
 *	ENCLS_FAULT_FLAG | v	it faulted with exception vector v
 *	ENCLS_HOST_FLAG		not architectural: the host has no memory
 *
 * encls_faulted() and encls_failed() tell them apart; encls_errno() is where
 * errno comes from.  Nothing else in kernel/ calls a leaf.
 */
#ifndef KERNEL_ENCLS_H
#define KERNEL_ENCLS_H

#include <cpu/leaf.h>
#include <cpu/package.h>
#include <errno.h>

#define ENCLS_FAULT_FLAG  0x40000000
#define ENCLS_HOST_FLAG	  0x20000000
#define ENCLS_VECTOR(ret) ((ret)&0xff)

/* The leaf faulted: nothing was changed. */
static inline bool encls_faulted(int ret)
{
	return ret & ENCLS_FAULT_FLAG;
}

/* The leaf completed and says by an SGX code that it did not do its work. */
static inline bool encls_failed(int ret)
{
	return ret && !(ret & (ENCLS_FAULT_FLAG | ENCLS_HOST_FLAG));
}

/**
 * encls_errno() - the errno of a leaf's answer
 * @code_errno: what an SGX code means to the caller (-EPERM for EINIT)
 *
 * Return: 0; -ENOMEM without host memory; @code_errno; -EIO for a fault.
 */
static inline int encls_errno(int ret, int code_errno)
{
	if (!ret)
		return 0;
	if (ret & ENCLS_HOST_FLAG)
		return -ENOMEM;
	return encls_failed(ret) ? code_errno : -EIO;
}

/* why of these four: see base/why.h; NULL: nobody asks */
int __ecreate(struct cpu_package *pkg, epc_slot_t secs, const struct sgx_secs *src,
	      struct why *why) CPU_MUST_CHECK;
int __eadd(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr,
	   const struct sgx_secinfo_arch *secinfo, const void *src, struct why *why) CPU_MUST_CHECK;
int __eextend(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint32_t offset,
	      struct why *why) CPU_MUST_CHECK;
int __einit(struct cpu_package *pkg, epc_slot_t secs, const struct sgx_sigstruct_arch *sigstruct,
	    const struct sgx_einittoken *token, struct why *why) CPU_MUST_CHECK;
int __eremove(struct cpu_package *pkg, epc_slot_t slot) CPU_MUST_CHECK;
int __edbgrd(struct cpu_package *pkg, epc_slot_t slot, uint32_t offset,
	     uint64_t *data) CPU_MUST_CHECK;
int __edbgwr(struct cpu_package *pkg, epc_slot_t slot, uint32_t offset,
	     uint64_t data) CPU_MUST_CHECK;

int __epa(struct cpu_package *pkg, epc_slot_t slot) CPU_MUST_CHECK;
int __eblock(struct cpu_package *pkg, epc_slot_t slot) CPU_MUST_CHECK;
int __etrack(struct cpu_package *pkg, epc_slot_t secs) CPU_MUST_CHECK;
/* The version is in slot va_index of the VA page va. */
int __ewb(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t va, uint32_t va_index, void *page,
	  struct sgx_pcmd *pcmd) CPU_MUST_CHECK;
int __eldu(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr,
	   epc_slot_t va, uint32_t va_index, const void *page,
	   const struct sgx_pcmd *pcmd) CPU_MUST_CHECK;

/* Not leaves: what the EPCM says of an access to a page. */
bool epcm_permits(const struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint64_t addr,
		  uint32_t error_code, struct why *why);
bool epcm_permits_tcs(const struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs,
		      uint64_t addr, struct why *why);
bool epcm_writable(const struct cpu_package *pkg, epc_slot_t slot);
bool epcm_valid(const struct cpu_package *pkg, epc_slot_t slot);
uint64_t epcm_address(const struct cpu_package *pkg, epc_slot_t slot);

#endif
