/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The enclave's TCS pages, SSA, stacks, and the one door in and out.
 *
 * At EENTER the processor gives us
 *	RAX = CSSA	0, or 1 when this TCS has an exception pending
 *	RBX = address of the TCS
 *	RCX = address after the host's ENCLU, where EEXIT shall go
 * All else is the host's: RSP points to the host's stack, and flags and
 * registers hold what it likes.  RDI is our argument by agreement.
 */

#define PAGE		4096
#define TCS_COUNT	2
#define NSSA		2
#define STACK_SIZE	(4 * PAGE)
/* Entries with CSSA 1 get a stack of their own: the first one's is in use */
#define NESTED_SIZE	PAGE
#define EEXIT		4

	.section .tcs, "aw", @progbits
	.balign	PAGE
	/* The image is linked at 0, so a symbol's address is an offset from the base */
	.macro	tcs number
	.quad	0			/* STATE, the processor's */
	.quad	0			/* FLAGS */
	.quad	ssa + \number * NSSA * PAGE	/* OSSA */
	.long	0			/* CSSA, the processor's */
	.long	NSSA
	.quad	enclave_entry		/* OENTRY */
	.quad	0			/* AEP, the processor's */
	.quad	0			/* OFSBASE: this enclave has no TLS */
	.quad	0			/* OGSBASE */
	.long	0xffffffff		/* FSLIMIT */
	.long	0xffffffff		/* GSLIMIT */
	.fill	PAGE - 72, 1, 0
	.endm
	tcs	0
	tcs	1

	.text
	.globl	enclave_entry
	.type	enclave_entry, @function
enclave_entry:
	lea	enclave_base(%rip), %r8
	mov	%rbx, %r9
	sub	%r8, %r9
	shr	$12, %r9		/* number of the TCS, which come first */
	inc	%r9

	/* RAX = end of the stack for this TCS and this CSSA */
	mov	%rax, %rsi		/* second argument: CSSA */
	lea	stacks(%rip), %r8
	mov	$STACK_SIZE, %edx
	test	%rsi, %rsi
	jz	1f
	lea	nested_stacks(%rip), %r8
	mov	$NESTED_SIZE, %edx
1:	imul	%r9, %rdx
	add	%rdx, %r8

	/* Change stacks.  Callee-saved registers are the host's to get back. */
	mov	%rsp, %rax
	mov	%r8, %rsp
	pushq	$2			/* DF and AC are the host's: C wants them clear */
	popfq
	push	%rax
	push	%rcx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rbx			/* eight pushes: aligned to 16 for the call */
	xor	%ebp, %ebp

	call	enclave_main

	pop	%rbx
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx			/* where EEXIT goes */
	pop	%rsp

	/*
	 * Nothing computed inside leaves in a register.  The enclave is built
	 * with -mgeneral-regs-only, so x87, SSE and AVX state never was ours.
	 * EEXIT itself sets RCX to the AEP.
	 */
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d		/* and the flags are those of a zero */
	mov	$EEXIT, %rax
	.byte	0x0f, 0x01, 0xd7	/* ENCLU */
	ud2				/* EEXIT does not come back */
	.size	enclave_entry, . - enclave_entry

	.section .data.threads, "aw", @progbits
	.balign	PAGE
ssa:
	.fill	TCS_COUNT * NSSA * PAGE, 1, 0
stacks:
	.fill	TCS_COUNT * STACK_SIZE, 1, 0
nested_stacks:
	.fill	TCS_COUNT * NESTED_SIZE, 1, 0

	.section .note.GNU-stack, "", @progbits
