/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second opinion on the leaves: what an EPC with its enclaves looks like from
 * outside, and what each leaf must answer.  It shares no code with cpu/ but the
 * architecture's structures; where the generator of a step knows that it made
 * an operand illegal, it says so here, and no rule is read twice.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <cpu/leaf.h>
#include <openssl/evp.h>

#define PAGES 64

struct model_page {
	bool valid;
	uint8_t pt;
	epc_slot_t secs;
	uint64_t addr;
	unsigned int rwx;
	int lock; /* held by "another processor" for one step */
	uint8_t bytes[4096]; /* what the page must hold */
};

/* Of the SECS in the same slot. */
struct model_enclave {
	uint64_t base, size, flags, xfrm;
	uint32_t misc;
	bool init, busy;
	unsigned int children;
	EVP_MD_CTX *hash;
	uint8_t mrenclave[32];
};

enum model_sig { SIG_GOOD, SIG_BAD_STRUCT, SIG_BAD_SIGNATURE };

/* One leaf with its operands, and what the generator knows of them. */
struct step {
	bool enclu;
	unsigned int leaf;
	struct cpu_regs regs;

	uint64_t unmapped; /* ordinary page that is not there; 0: none */
	bool fill_fails;
	bool bad_secinfo, bad_secs, bad_tcs;
	struct sgx_pageinfo pageinfo;
	uint64_t secinfo_flags;
	struct sgx_secs secs; /* ECREATE's source */
	const uint8_t *source; /* EADD's source */

	enum model_sig sig_kind;
	const struct sgx_sigstruct_arch *sig;
	bool token_valid, token_beyond;

	epc_slot_t encl; /* ENCLU: in enclave mode of this SECS */
	epc_slot_t stale; /* ENCLU: a slot that addresses lead to; NONE: the right one */
	bool bad_request; /* KEYREQUEST with a reserved bit */
	uint16_t keyname;
};

struct model {
	struct model_page page[PAGES];
	struct model_enclave enclave[PAGES];
	bool authorised; /* the test key's hash is in the MSRs */
};

/* Addresses, shared by generator and model */
#define EPC_BASE_A  0x180000000ull
#define EPC_BASE_B  0x1c0000000ull
#define EPC_PAGES_A 40u
#define MEM_BASE    0x7f0000000000ull
#define MEM_PAGES   5u

uint64_t model_epc_addr(epc_slot_t slot);
epc_slot_t model_epc_slot(uint64_t addr);
epc_slot_t model_lookup(const struct model *m, epc_slot_t secs, uint64_t addr);

struct cpu_result model_expect(const struct model *m, const struct step *s);
void model_apply(struct model *m, const struct step *s);
void model_mrenclave(const struct model_enclave *e, uint8_t hash[32]);

#endif
