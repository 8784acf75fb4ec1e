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
struct cpu_result operand_check(const struct cpu_as *as, uint64_t addr,
				uint32_t align) CPU_MUST_CHECK;
struct cpu_result operand_map(const struct cpu_as *as, uint64_t addr, uint32_t size,
			      const void **mem) CPU_MUST_CHECK;
struct cpu_result operand_read(const struct cpu_as *as, uint64_t addr, void *copy,
			       uint32_t size) CPU_MUST_CHECK;
struct cpu_result operand_epc(const struct cpu_package *pkg, const struct cpu_as *as, uint64_t addr,
			      epc_slot_t *slot) CPU_MUST_CHECK;
struct cpu_result operand_epc_aligned(const struct cpu_package *pkg, const struct cpu_as *as,
				      uint64_t addr, uint32_t align,
				      epc_slot_t *slot) CPU_MUST_CHECK;

/* No page is written that cannot be read: a SECINFO that would have one. */
static inline bool operand_write_only(uint64_t secinfo_flags)
{
	return (secinfo_flags & SGX_SECINFO_W_BIT) && !(secinfo_flags & SGX_SECINFO_R_BIT);
}

bool operand_secinfo_legal(const struct sgx_secinfo_arch *secinfo, struct why *why);

/* ENCLU: its operands, by the SDM's names; struct why's at says which one it is. */
enum enclu_operand {
	OPERAND_KEYREQUEST = WHY_AT_KEYREQUEST, /* EGETKEY: RBX */
	OPERAND_OUTPUTDATA = WHY_AT_OUTPUTDATA, /* RCX */
	OPERAND_TARGETINFO = WHY_AT_TARGETINFO, /* EREPORT: RBX */
	OPERAND_REPORTDATA = WHY_AT_REPORTDATA, /* RCX */
	OPERAND_REPORT = WHY_AT_REPORT, /* RDX */
	OPERAND_SECINFO = WHY_AT_SECINFO, /* EACCEPT, EACCEPTCOPY, EMODPE: RBX */
	OPERAND_EPCPAGE = WHY_AT_EPCPAGE, /* EACCEPT, EMODPE: RCX */
	OPERAND_DESTINATION = WHY_AT_DESTINATION, /* EACCEPTCOPY: RCX */
	OPERAND_SOURCE = WHY_AT_SOURCE, /* RDX */
};

/* Memory of the enclave, held (EPCM entry shared) until it is put. */
struct enclave_operand {
	struct epcm_entry *entry;
	uint8_t *bytes;
};

uint64_t operand_entry_word(const struct epcm_entry *entry);
/* A SECINFO, to be said in the same way: the entry that it asks for. */
static inline uint64_t operand_secinfo_word(uint64_t secinfo_flags)
{
	return secinfo_flags | WHY_EPCM_VALID_BIT;
}
uint32_t operand_pf(enum enclu_operand which);

/* In the SDM's order; operand_enclave() is all three. */
struct cpu_result operand_linear(const struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				 enum enclu_operand which, uint64_t addr) CPU_MUST_CHECK;
struct cpu_result operand_slot(const struct cpu_enclave_as *encl, enum enclu_operand which,
			       uint64_t addr, epc_slot_t *slot) CPU_MUST_CHECK;
struct cpu_result operand_hold(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
			       enum enclu_operand which, uint64_t addr, epc_slot_t slot,
			       struct enclave_operand *operand) CPU_MUST_CHECK;
struct cpu_result operand_enclave(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				  enum enclu_operand which, uint64_t addr,
				  struct enclave_operand *operand) CPU_MUST_CHECK;
void operand_put(struct enclave_operand *operand);

#endif
