/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A package with a small EPC in ordinary memory, and operands that are right
 * unless a test makes them wrong.
 *
 * fx_encls() and fx_enclu() check what holds for every leaf: a result that is
 * not CPU_DONE has changed nothing, and the invariants hold afterwards.
 */
#ifndef TESTS_UNIT_CPU_FIXTURE_H
#define TESTS_UNIT_CPU_FIXTURE_H

#include <cpu/leaf.h>
#include <cpu/measure.h>
#include <cpu/package.h>
#include <cpu/sigstruct.h>
#include <harness/harness.h>

#include "conformance.h"

#define FX_EPC_PAGES 24
#define FX_MEM_PAGES 8
#define FX_EPC_BASE  0x180000000ull
#define FX_EPC_BASE2 0x1c0000000ull /* second section: the last 8 pages */
#define FX_MEM_BASE  0x7f0000000000ull
#define FX_ENCL_BASE 0x500000000000ull
#define FX_ENCL_SIZE 0x10000ull

/* Where operands are in FX_MEM */
#define FX_PAGEINFO  (FX_MEM_BASE + 0x0000)
#define FX_SECINFO   (FX_MEM_BASE + 0x0040)
#define FX_SOURCE    (FX_MEM_BASE + 0x1000)
#define FX_SIGSTRUCT (FX_MEM_BASE + 0x2000)
#define FX_TOKEN     (FX_MEM_BASE + 0x3000)
#define FX_SEALED    (FX_MEM_BASE + 0x4000) /* EWB's output */
#define FX_PCMD	     (FX_MEM_BASE + 0x5000)

/* Slots that the helpers use */
#define FX_SECS	    2u
#define FX_TCS	    3u
#define FX_REG	    4u /* read and write, at FX_ENCL_BASE + 0x1000 */
#define FX_RO	    5u /* read, at + 0x2000 */
#define FX_SLOT	    6u /* free */
#define FX_VA	    7u /* made by fx_epa() */

#define FX_TCS_ADDR (FX_ENCL_BASE + 0x0000)
#define FX_REG_ADDR (FX_ENCL_BASE + 0x1000)
#define FX_RO_ADDR  (FX_ENCL_BASE + 0x2000)

union fx_page {
	uint8_t bytes[4096];
	struct sgx_secs secs;
	struct sgx_tcs tcs;
} __attribute__((aligned(4096)));

struct fixture {
	struct cpu_package pkg;
	struct epcm_entry epcm[FX_EPC_PAGES];
	union fx_page epc[FX_EPC_PAGES];
	union fx_page mem[FX_MEM_PAGES];
	bool mem_unmapped[FX_MEM_PAGES];
	bool fill_fails, busy;
	unsigned int fills, drops;
	uint64_t oldest, epoch; /* what threads inside carry; what ETRACK published */

	struct why why; /* of the last leaf */
	struct cpu_as as;
	struct cpu_enclave_as encl;
	epc_slot_t encl_page[FX_ENCL_SIZE / 4096];

	/* The operands that helpers fill in and tests spoil */
	struct sgx_pageinfo *pageinfo;
	struct sgx_secinfo_arch *secinfo;
	union fx_page *source;
	struct sgx_sigstruct_arch *sig;
	struct sgx_einittoken *token;
	struct cpu_regs regs;
};

extern struct fixture fx;

void fx_init(void);
uint64_t fx_epc(epc_slot_t slot);

struct cpu_result fx_encls(unsigned int leaf);
struct cpu_result fx_enclu(unsigned int leaf);

/* Right operands for a leaf, in fx.regs and memory */
void fx_ecreate(void);
void fx_eadd(epc_slot_t slot, uint64_t addr, uint64_t secinfo_flags);
void fx_eextend(epc_slot_t slot, unsigned int offset);
void fx_einit(void); /* signs for the enclave as it is, with ATTRIBUTES and masks of fx.sig */
void fx_sign(void);
void fx_authorise(void); /* IA32_SGXLEPUBKEYHASH of the test key */

/* EPA into FX_VA; EBLOCK and ETRACK; EWB and ELD by way of FX_SEALED and FX_PCMD */
void fx_epa(void);
void fx_block(epc_slot_t slot);
void fx_track(void);
void fx_ewb(epc_slot_t slot, unsigned int version);
void fx_eld(epc_slot_t slot, uint64_t addr, unsigned int version);

/* An enclave with a TCS, a REG and a read-only page; and initialised */
void fx_enclave(void);
void fx_add(epc_slot_t slot, uint64_t addr, uint64_t secinfo_flags);
void fx_enclave_init(void);
/* An initialised enclave on a processor with SGX2; EAUG, and what EMODPR or EMODT takes */
void fx_enclave_sgx2(void);
void fx_eaug(epc_slot_t slot, uint64_t addr);
void fx_emod(epc_slot_t slot, uint64_t secinfo_flags);
/* RBX, RCX and RDX of EACCEPT, EMODPE and EACCEPTCOPY; SECINFO is in FX_RO, the source FX_REG */
#define FX_ENCL_SECINFO (FX_RO_ADDR + 0x80)
struct sgx_secinfo_arch *fx_accept(uint64_t addr, uint64_t secinfo_flags);
/* The test puts a state into the EPCM that no leaf makes: invariants do not hold. */
void fx_by_hand(void);
/* The page belongs to a second SECS at the same addresses: slot 20 becomes that one. */
void fx_other_enclave(epc_slot_t slot);

#define CHECK_DONE(r) fx_check(__FILE__, __LINE__, #r, (r), (struct cpu_result){.kind = CPU_DONE})
#define CHECK_CODE(r, c) \
	fx_check(__FILE__, __LINE__, #r, (r), (struct cpu_result){.kind = CPU_CODE, .code = (c)})
#define CHECK_GP(r)                           \
	fx_check(__FILE__, __LINE__, #r, (r), \
		 (struct cpu_result){.kind = CPU_FAULT, .vector = SGX_VEC_GP})
#define CHECK_UD(r)                           \
	fx_check(__FILE__, __LINE__, #r, (r), \
		 (struct cpu_result){.kind = CPU_FAULT, .vector = SGX_VEC_UD})
#define CHECK_PF(r, a, e)                     \
	fx_check(__FILE__, __LINE__, #r, (r), \
		 (struct cpu_result){         \
			 .kind = CPU_FAULT, .vector = SGX_VEC_PF, .code = (e), .addr = (a)})
/* The EPCM refuses an ENCLS operand; ordinary memory is not there. */
#define CHECK_EPCM_PF(r, a) CHECK_PF(r, a, SGX_PF_P | SGX_PF_SGX)
#define CHECK_MEM_PF(r, a)  CHECK_PF(r, a, 0)

void fx_check(const char *file, int line, const char *text, struct cpu_result is,
	      struct cpu_result want);

#endif
