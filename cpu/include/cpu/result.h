/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a leaf function answers.  Three families that are never confused:
 * success, an SGX code in RAX with ZF or CF set, and a fault.  errno is a
 * fourth that does not exist in cpu/ (kernel/encls.h makes it from these).
 */
#ifndef CPU_RESULT_H
#define CPU_RESULT_H

#include <base/why.h>
#include <sgx/arch.h>
#include <sgx/leaf.h>
#include <stdbool.h>
#include <stdint.h>

enum cpu_result_kind {
	CPU_DONE = 0, /* the leaf completed */
	CPU_CODE, /* the leaf completed with an SGX code in RAX */
	CPU_FAULT, /* the leaf faulted; no state was changed */
	CPU_HOST, /* not architectural: the host has no memory for a page */
};

struct cpu_result {
	uint8_t kind; /* enum cpu_result_kind */
	uint8_t vector; /* of a fault: enum sgx_vector */
	uint16_t rsvd;
	uint32_t code; /* SGX code, or the fault's error code */
	uint64_t addr; /* of a #PF: the faulting linear address */
};

#define CPU_MUST_CHECK __attribute__((warn_unused_result))

static inline struct cpu_result cpu_done(void)
{
	return (struct cpu_result){.kind = CPU_DONE};
}

static inline struct cpu_result cpu_code(enum sgx_code code)
{
	return (struct cpu_result){.kind = CPU_CODE, .code = (uint32_t)code};
}

static inline struct cpu_result cpu_gp(void)
{
	return (struct cpu_result){.kind = CPU_FAULT, .vector = SGX_VEC_GP};
}

/* #GP(0), and why where somebody asks: see base/why.h */
static inline struct cpu_result cpu_gp_why(struct why *why, enum why_rule rule, uint64_t found,
					   uint64_t wanted)
{
	why_note(why, rule, found, wanted);
	return cpu_gp();
}

static inline struct cpu_result cpu_ud(void)
{
	return (struct cpu_result){.kind = CPU_FAULT, .vector = SGX_VEC_UD};
}

/* error_code: SGX_PF_* bits */
static inline struct cpu_result cpu_pf(uint64_t addr, uint32_t error_code)
{
	return (struct cpu_result){
		.kind = CPU_FAULT, .vector = SGX_VEC_PF, .code = error_code, .addr = addr};
}

static inline struct cpu_result cpu_pf_why(struct why *why, enum why_rule rule, uint64_t found,
					   uint64_t wanted, uint64_t addr, uint32_t error_code)
{
	why_note(why, rule, found, wanted);
	return cpu_pf(addr, error_code);
}

/* Not one of SGX's: the model itself found that it is broken (debug_checks). */
#define CPU_VEC_MC 18

static inline struct cpu_result cpu_mc(void)
{
	return (struct cpu_result){.kind = CPU_FAULT, .vector = CPU_VEC_MC};
}

static inline struct cpu_result cpu_host_nomem(void)
{
	return (struct cpu_result){.kind = CPU_HOST};
}

static inline bool cpu_ok(struct cpu_result r)
{
	return r.kind == CPU_DONE;
}

static inline bool cpu_faulted(struct cpu_result r)
{
	return r.kind == CPU_FAULT;
}

#endif
