/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operands of leaves.  Each helper raises the fault that the SDM names, so that
 * no leaf checks an alignment by hand:
 *
 *	#GP(0)	not canonical, not aligned, (ENCLU) outside ELRANGE
 *	#PF	not mapped, not an EPC page, refused by the EPCM
 */
#ifndef CPU_OPERAND_H
#define CPU_OPERAND_H

#include <cpu/leaf.h>

/* ENCLS: the address; ordinary memory, copied; and an EPC page */
struct cpu_result operand_check(uint64_t addr, uint32_t align) CPU_MUST_CHECK;
struct cpu_result operand_map(const struct cpu_as *as, uint64_t addr, uint32_t size,
			      const void **mem) CPU_MUST_CHECK;
struct cpu_result operand_read(const struct cpu_as *as, uint64_t addr, void *copy,
			       uint32_t size) CPU_MUST_CHECK;
struct cpu_result operand_epc(const struct cpu_package *pkg, uint64_t addr,
			      epc_slot_t *slot) CPU_MUST_CHECK;
struct cpu_result operand_epc_aligned(const struct cpu_package *pkg, uint64_t addr, uint32_t align,
				      epc_slot_t *slot) CPU_MUST_CHECK;

/* ENCLU: memory of the enclave, held (EPCM entry shared) until it is put. */
struct enclave_operand {
	struct epcm_entry *entry;
	uint8_t *bytes;
};

struct cpu_result operand_enclave(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				  uint64_t addr, uint32_t align, bool write,
				  struct enclave_operand *operand) CPU_MUST_CHECK;
void operand_put(struct enclave_operand *operand);

#endif
