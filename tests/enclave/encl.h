/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves made by hand, for tests: SECS, pages and SIGSTRUCT through the real
 * /dev/sgx_enclave, entered through the vDSO.
 *
 *	struct encl e;
 *	encl_build(&e, &(struct encl_opts){ .nssa = 2 });
 *	... encl_op(&e, 0, OP_READ8, addr, 0, 0, 0) ...
 *	encl_free(&e);
 *
 * Whatever goes wrong in building is a failed CHECK.  The layout is blob.h's;
 * TCS i lies at encl_tcs(), with its FS, GS and SSA pages behind it.
 */
#ifndef TESTS_ENCLAVE_ENCL_H
#define TESTS_ENCLAVE_ENCL_H

#include "blob.h"

#include <asm/sgx.h>
#include <cpu/measure.h>
#include <sgx/arch.h>
#include <sgx/leaf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENCL_PAGE 4096ull
#define ENCL_ATTR (SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT)

struct encl;

/* Which generation of the interface it is built through */
enum encl_interface {
	ENCL_UPSTREAM,
	ENCL_V22, /* /dev/sgx/enclave of the patch series */
};

struct encl_opts {
	enum encl_interface interface;
	uint64_t attributes; /* 0: ENCL_ATTR */
	uint64_t xfrm; /* 0: SGX_XFRM_LEGACY */
	uint32_t miscselect;
	uint32_t ssaframesize; /* 0: 1 */
	uint32_t nssa; /* 0: 2 */
	unsigned int tcs_count; /* 0: 1 */
	uint64_t heap; /* read-write bytes behind the TCSs */
	const uint8_t *code; /* ENCL_CODE_SIZE bytes in the place of blob.S; see tcs_hook */
	bool no_init, no_map;
	/* changes the SECS before CREATE, the SIGSTRUCT before it is signed */
	void (*secs_hook)(const struct encl *e, struct sgx_secs *secs);
	void (*sign_hook)(const struct encl *e, struct sgx_sigstruct_arch *sig);
	const char *key; /* PEM, of another signer; NULL: the test key */
	/* changes a TCS before it is added */
	void (*tcs_hook)(struct encl *e, unsigned int i, struct sgx_tcs *tcs);
};

struct encl {
	int fd;
	uint64_t base, size, heap;
	struct encl_opts opts;
	struct cpu_measure measure;
	struct sgx_sigstruct_arch sigstruct;
	void *enter;
	uint64_t pages; /* added, without the SECS */
};

/* What encl_vdso_call() loads and keeps; offsets are call.S' */
struct encl_regs {
	uint64_t rdi, rsi, rdx, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rbx, rsp, rbp, rflags; /* out */
	uint64_t set_rflags; /* RFLAGS bits that are set at the call */
	uint8_t xmm[16][16];
};

/* struct vstate of blob.h */
struct encl_vstate {
	uint8_t ymm[16][32];
	uint64_t gpr[16];
	uint32_t mxcsr;
	uint16_t fcw, pad;
	uint64_t rflags;
	uint8_t rest[0x30];
};
_Static_assert(sizeof(struct encl_vstate) == VSTATE_SIZE, "struct vstate");

struct encl_dump {
	uint64_t gpr[16], fs, gs, rflags, pad[5];
	uint8_t xmm[16][16];
};
_Static_assert(sizeof(struct encl_dump) == DUMP_SIZE, "struct dump");

enum encl_gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_R9,
	GPR_R10,
	GPR_R11,
	GPR_R12,
	GPR_R13,
	GPR_R14,
	GPR_R15,
};

extern const uint8_t blob_start[], blob_end[], blob_dump[], blob_ud2[], blob_state_ud2[],
	blob_divide[], blob_int3[], blob_enclu[], blob_count_loop[], blob_count_end[];

/* Address inside of a label of the blob */
static inline uint64_t encl_label(const struct encl *e, const uint8_t *label)
{
	return e->base + ENCL_CODE + (uint64_t)(label - blob_start);
}

void encl_build(struct encl *e, const struct encl_opts *opts);
void encl_free(struct encl *e);
/* The steps of encl_build() */
void encl_open(struct encl *e, const struct encl_opts *opts); /* opens, reserves ELRANGE */
void encl_secs(const struct encl *e, struct sgx_secs *secs);
int encl_create(struct encl *e); /* 0 or -errno, as the rest; of older drivers also a code */
int encl_add(struct encl *e, uint64_t offset, const void *src, uint64_t size, uint64_t secinfo,
	     uint64_t flags, uint64_t *count);
void encl_add_all(struct encl *e);
void encl_sign(struct encl *e); /* fills e->sigstruct */
int encl_init(struct encl *e);
int encl_map(struct encl *e, uint64_t offset, uint64_t size, int prot);
void encl_map_all(struct encl *e);

uint64_t encl_tcs(const struct encl *e, unsigned int i);
uint64_t encl_fs(const struct encl *e, unsigned int i);
uint64_t encl_gs(const struct encl *e, unsigned int i);
uint64_t encl_ssa(const struct encl *e, unsigned int i, unsigned int frame);
uint64_t encl_gprsgx(const struct encl *e, unsigned int i, unsigned int frame);
uint64_t encl_exinfo(const struct encl *e, unsigned int i, unsigned int frame);
uint64_t encl_stride(const struct encl *e);

int encl_vdso_call(struct encl_regs *regs, unsigned int leaf, struct sgx_enclave_run *run,
		   void *function);
int encl_vdso_call_on(struct encl_regs *regs, unsigned int leaf, struct sgx_enclave_run *run,
		      void *function, void *stack);
void *encl_vdso(void); /* __vdso_sgx_enter_enclave */
/* leaf: RAX, whole */
uint64_t encl_enclu(uint64_t leaf, uint64_t rbx, uint64_t aep, uint64_t op);
extern const uint8_t encl_enclu_site[];
/* ENCLU with registers as in ucontext's gregs; for ones that fault */
void encl_enclu_regs(const uint64_t *on);
extern const uint8_t encl_enclu_regs_site[];
/* EENTER by the same ENCLU, OP_JUMP to an address */
void encl_enclu_jump(uint64_t rbx, uint64_t aep, uint64_t to);
/* The same with RFLAGS bits set at the ENCLU.  Return: RFLAGS as EEXIT left them. */
uint64_t encl_enclu_flags(unsigned int leaf, uint64_t rbx, uint64_t aep, uint64_t to,
			  uint64_t set_rflags);
/* encl_enclu() with TF from there on; the handler of SIGTRAP is to end it */
uint64_t step_enclu(unsigned int leaf, uint64_t rbx, uint64_t aep, uint64_t op);
extern const uint8_t step_enclu_site[], step_enclu_end[];

struct encl_op {
	struct encl_regs regs;
	struct sgx_enclave_run run;
};

/* EENTER or ERESUME; CHECKs that the call returned 0. */
struct encl_op encl_enter(struct encl *e, unsigned int tcs, unsigned int leaf, uint64_t op,
			  uint64_t rsi, uint64_t rdx, uint64_t r8, uint64_t r9);
/*
 * The same on a stack that is always at one place (one for each thread).  URSP
 * and URBP are EENTER's: an entry that traps and an ERESUME without a user
 * handler must find the same frame.  Not to be nested.
 */
struct encl_op encl_enter_fixed(struct encl *e, unsigned int tcs, unsigned int leaf, uint64_t op,
				uint64_t rsi, uint64_t rdx, uint64_t r8, uint64_t r9);
/* The same by EENTER, and it must leave by EEXIT. */
struct encl_op encl_op(struct encl *e, unsigned int tcs, uint64_t op, uint64_t rsi, uint64_t rdx,
		       uint64_t r8, uint64_t r9);
/* By the enclave itself, which wants a free SSA frame */
uint64_t encl_read8(struct encl *e, unsigned int tcs, uint64_t addr);
void encl_write8(struct encl *e, unsigned int tcs, uint64_t addr, uint64_t value);
void encl_read(struct encl *e, unsigned int tcs, void *dst, uint64_t addr, uint64_t size);
void encl_write(struct encl *e, unsigned int tcs, uint64_t addr, const void *src, uint64_t size);
/*
 * Puts code into ENCL_RWX, and an EEXIT behind it; OP_JUMP to the address that this
 * returns runs it.  R15 is where EEXIT goes; RSP is outside's.
 */
uint64_t encl_snippet(struct encl *e, const uint8_t *code, size_t size);
/*
 * A stack pointer that points nowhere: ENCL_NOT_CANONICAL, where the machine can bring
 * a thread back to such a one.  (Some hypervisors cannot.)  Else one of the kernel's.
 */
#define ENCL_NOT_CANONICAL 0x8000000000000000
#define ENCL_KERNELS	   0xffff800000000000
uint64_t encl_nowhere(void);
/* RFLAGS of this thread; the compiler knows that they go over the stack */
static inline void encl_rflags(uint64_t clear, uint64_t set)
{
	__builtin_ia32_writeeflags_u64((__builtin_ia32_readeflags_u64() & ~clear) | set);
}
/* XFRM that the machine offers, at most x87, SSE and AVX */
uint64_t encl_xfrm(void);

#endif
