/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the agent's assembly, the daemon and processes of another build rely on
 * in cpu/lp.h.  Compiling is the test.
 */
#include <cpu/lp.h>

#define OFF(type, field, off) \
	_Static_assert(offsetof(struct type, field) == (off), #type "." #field)

/* Shared memory between the daemon and every process with the enclave */
_Static_assert(SGX_TCS_GONE == 0, "the slot file is born as zeros");
_Static_assert(SGX_TCS_FREE == 1, "tcs state");
_Static_assert(sizeof(struct sgx_tcs_slot) == 128, "two cache lines");
OFF(sgx_tcs_slot, state, 0);
OFF(sgx_tcs_slot, cssa, 4);
OFF(sgx_tcs_slot, epoch, 8);
OFF(sgx_tcs_slot, aep, 16);
OFF(sgx_tcs_slot, flags, 24);
OFF(sgx_tcs_slot, ossa, 32);
OFF(sgx_tcs_slot, oentry, 40);
OFF(sgx_tcs_slot, ofsbase, 48);
OFF(sgx_tcs_slot, ogsbase, 56);
OFF(sgx_tcs_slot, nssa, 64);
OFF(sgx_tcs_slot, fslimit, 68);
OFF(sgx_tcs_slot, gslimit, 72);
OFF(sgx_tcs_slot, entries, 80);
OFF(sgx_tcs_slot, exits, 88);
OFF(sgx_tcs_slot, aexs, 96);

/* GPRSGX's order, which a block copy relies on */
OFF(lp_gprs, rax, 0);
OFF(lp_gprs, rcx, 8);
OFF(lp_gprs, rdx, 16);
OFF(lp_gprs, rbx, 24);
OFF(lp_gprs, rsp, 32);
OFF(lp_gprs, rbp, 40);
OFF(lp_gprs, rsi, 48);
OFF(lp_gprs, rdi, 56);
OFF(lp_gprs, r8, 64);
OFF(lp_gprs, r15, 120);
OFF(lp_gprs, rflags, 128);
OFF(lp_gprs, rip, 136);
OFF(lp_gprs, fsbase, 144);
OFF(lp_gprs, gsbase, 152);
OFF(sgx_gprsgx, rbx, 24);
OFF(sgx_gprsgx, rdi, 56);
OFF(sgx_gprsgx, r8, 64);
OFF(sgx_gprsgx, rflags, 128);
OFF(sgx_gprsgx, rip, 136);
OFF(sgx_gprsgx, urbp, 152);
OFF(sgx_gprsgx, aexnotify, 167);
OFF(sgx_gprsgx, gsbase, 176);
OFF(sgx_exinfo, errcd, 8);

/* #PF's error code as it leaves for the program */
_Static_assert(LP_PF_EPCM == 0x8007, "PFEC of the EPCM");
