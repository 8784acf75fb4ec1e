/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS and ENCLU (but EENTER, ERESUME, EEXIT and AEX: see cpu/lp.h).
 *
 * Operands are linear addresses, as in the SDM; struct cpu_as says what they
 * mean to whoever executes the leaf.  ENCLS runs in the kernel's address space,
 * where EPC pages sit at cpu_epc_addr(); ENCLU runs in the enclave's.
 */
#ifndef CPU_LEAF_H
#define CPU_LEAF_H

#include <cpu/package.h>

/* RAX, RBX, RCX, RDX: the operands and results of ENCLS and ENCLU */
struct cpu_regs {
	uint64_t rax, rbx, rcx, rdx;
};

/*
 * Ordinary (not EPC) memory of the one who executes the leaf.
 *
 * map() gives a pointer to size bytes at addr, or NULL for a page fault.  The
 * memory may change under the leaf: leaves copy it once and check the copy.
 * size is at most one page and [addr, addr+size) does not cross a page, as
 * alignment was checked first.
 */
struct cpu_as {
	void *(*map)(void *ctx, uint64_t addr, uint32_t size, bool write);
	void *ctx;
	struct why *why; /* what a leaf refuses and why goes here; NULL: nobody asks */
};

/**
 * cpu_encls() - execute ENCLS
 * @regs: RAX is the leaf; on return RAX is the SGX code (0 for success) where
 *	the leaf reports one, and RBX is EDBGRD's data
 *
 * Return: CPU_DONE, CPU_CODE or CPU_FAULT as the SDM's pseudo-code says, #GP(0)
 * for a leaf that this package does not have.
 */
struct cpu_result cpu_encls(struct cpu_package *pkg, const struct cpu_as *as,
			    struct cpu_regs *regs) CPU_MUST_CHECK;

/* An enclave as ENCLU sees it from inside. */
struct cpu_enclave_as {
	epc_slot_t secs;
	/*
	 * The slot of the page at linear address addr (page-aligned) of this
	 * enclave, or EPC_SLOT_NONE.  The leaf checks the EPCM entry itself.
	 */
	epc_slot_t (*slot)(void *ctx, uint64_t addr);
	void *ctx;
	struct why *why; /* as in struct cpu_as */
};

/**
 * cpu_enclu() - execute EREPORT, EGETKEY, EACCEPT, EMODPE or EACCEPTCOPY in enclave mode
 * @regs: RAX is the leaf, RBX, RCX, RDX linear addresses in the enclave; on return
 *	RAX is the SGX code (0 for success) where the leaf reports one
 *
 * EDECCSSA is the logical processor's: see cpu/lp.h.
 *
 * Return: as the SDM's pseudo-code says; #GP(0) for other leaves, and for those that
 * this package does not have.
 */
struct cpu_result cpu_enclu(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
			    struct cpu_regs *regs) CPU_MUST_CHECK;

/*
 * What the processor keeps of an enclave in the SECS page, for swsgx stat,
 * checks and tests.  @secs must be a valid SECS slot.
 */
struct cpu_secs_info {
	uint64_t eid;
	uint64_t children; /* EPC pages that name this SECS */
	struct sgx_secs secs; /* software-visible part, rsvd4 zero */
};
void cpu_secs_info(const struct cpu_package *pkg, epc_slot_t secs, struct cpu_secs_info *info);

#endif
