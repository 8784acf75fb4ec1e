/* SPDX-License-Identifier: BSD-3-Clause */
#include "rt.h"

#define EENTER 2

	.macro	enclu
	.byte	0x0f, 0x01, 0xd7
	.endm

/*
 * uint32_t urts_enter(thread, fn, ms)
 *
 *	RBP + 8	 return address
 *	RBP	 caller's RBP
 *	 ...	 RBX, R12-R15
 *	RBP - 48 thread, for the signal handler: AEX gives RBP back
 */
	.text
	.globl	urts_enter, urts_aep, urts_eenter, urts_ret
	.type	urts_enter, @function
urts_enter:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	mov	%rsi, %rdi
	mov	%rdx, %rsi
1:	mov	-48(%rbp), %rbx
	mov	(%rbx), %rbx
	lea	urts_aep(%rip), %rcx
	xor	%edx, %edx		/* EEXIT comes back behind the ENCLU */
	mov	$EENTER, %eax
urts_eenter:
	enclu
	cmp	$RT_ERET, %rdi
	je	urts_ret
	mov	-48(%rbp), %rdx
	call	urts_ocall
	mov	%rax, %rsi
	mov	$RT_ORET, %rdi
	jmp	1b
urts_ret:
	mov	%esi, %eax
	lea	-40(%rbp), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	.cfi_def_cfa %rsp, 8
	ret
urts_aep:
	enclu
	ud2
	.cfi_endproc
	.size	urts_enter, . - urts_enter

	.section .note.GNU-stack, "", @progbits
