/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * int encl_vdso_call(struct encl_regs *regs, unsigned leaf, run, function)
 *
 * Calls the vDSO function with every register that it passes on taken from
 * @regs, and puts there what they hold when it returns.  R12 to R15 are lost in
 * an enclave that is left by an exception; they are kept here.  Flags of
 * regs->set_rflags are set at the call, where an ABI wants none of them.
 */
#include "blob.h"

	.text
	.globl	encl_vdso_call
	.type	encl_vdso_call, @function
encl_vdso_call:
	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	push	%rcx
	push	%rdx		/* the seventh argument; the stack is aligned */
	mov	%esi, %ecx
	mov	%rdi, %rax
	mov	0(%rax), %rdi
	mov	8(%rax), %rsi
	mov	16(%rax), %rdx
	mov	24(%rax), %r8
	mov	32(%rax), %r9
	mov	40(%rax), %r10
	mov	48(%rax), %r11
	mov	56(%rax), %r12
	mov	64(%rax), %r13
	mov	72(%rax), %r14
	mov	80(%rax), %r15
	mov	$0x5eed, %ebx
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	128 + 16 * \n(%rax), %xmm\n
	.endr
	mov	120(%rax), %rax
	pushfq
	or	%rax, (%rsp)
	popfq
	call	*8(%rsp)
	mov	16(%rsp), %rcx
	mov	%rdi, 0(%rcx)
	mov	%rsi, 8(%rcx)
	mov	%rdx, 16(%rcx)
	mov	%r8, 24(%rcx)
	mov	%r9, 32(%rcx)
	mov	%r10, 40(%rcx)
	mov	%r11, 48(%rcx)
	mov	%r12, 56(%rcx)
	mov	%r13, 64(%rcx)
	mov	%r14, 72(%rcx)
	mov	%r15, 80(%rcx)
	mov	%rbx, 88(%rcx)
	mov	%rsp, 96(%rcx)
	mov	%rbp, 104(%rcx)
	pushfq
	pop	112(%rcx)
	pushfq			/* DF, NT, AC and ID are the enclave's: not for compiled code */
	andl	$~0x244400, (%rsp)
	popfq
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	%xmm\n, 128 + 16 * \n(%rcx)
	.endr
	lea	-40(%rbp), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	encl_vdso_call, . - encl_vdso_call

/*
 * int encl_vdso_call_on(regs, leaf, run, function, stack): the same with RSP =
 * @stack.  What is live across the call lies there, so that a later call on the
 * same stack puts its own in the place.
 */
	.globl	encl_vdso_call_on
	.type	encl_vdso_call_on, @function
encl_vdso_call_on:
	xchg	%rsp, %r8
	push	%r8
	sub	$8, %rsp
	call	encl_vdso_call
	mov	8(%rsp), %rsp
	ret
	.size	encl_vdso_call_on, . - encl_vdso_call_on

/*
 * uint64_t encl_enclu(leaf, rbx, aep, op): ENCLU with nothing around it, RDI = op
 * inside.  Returns RSI.  An exception handler may go on at the next instruction.
 */
	.globl	encl_enclu, encl_enclu_site
	.type	encl_enclu, @function
encl_enclu:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rax
	mov	%rsi, %rbx
	mov	%rcx, %rdi
	mov	%rdx, %rcx
encl_enclu_site:
	.byte	0x0f, 0x01, 0xd7
	mov	%rsi, %rax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	encl_enclu, . - encl_enclu

/* encl_enclu_jump(rbx, aep, to): EENTER with RDI = OP_JUMP and RSI = to */
	.globl	encl_enclu_jump
	.type	encl_enclu_jump, @function
encl_enclu_jump:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rbx
	mov	%rsi, %rcx
	mov	%rdx, %rsi
	mov	$OP_JUMP, %edi
	mov	$2, %eax
	jmp	encl_enclu_site
	.size	encl_enclu_jump, . - encl_enclu_jump

/*
 * uint64_t encl_enclu_flags(leaf, rbx, aep, to, set_rflags): as encl_enclu_jump(), with
 * these flags set at the ENCLU.  Returns RFLAGS behind it, of which the ABI's are
 * in force again.
 */
	.globl	encl_enclu_flags
	.type	encl_enclu_flags, @function
encl_enclu_flags:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%edi, %eax
	mov	%rsi, %rbx
	mov	%rcx, %rsi
	mov	%rdx, %rcx
	mov	$OP_JUMP, %edi
	pushfq
	or	%r8, (%rsp)
	popfq
	.byte	0x0f, 0x01, 0xd7
	pushfq
	mov	(%rsp), %rax
	andl	$~0x244400, (%rsp)
	popfq
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	encl_enclu_flags, . - encl_enclu_flags

/*
 * encl_enclu_regs(on): ENCLU with the registers of ucontext's array (REG_R8 first),
 * but RSP.  A handler must have gone on at the next instruction.
 */
	.globl	encl_enclu_regs, encl_enclu_regs_site
	.type	encl_enclu_regs, @function
encl_enclu_regs:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rax
	mov	0(%rax), %r8
	mov	56(%rax), %r15
	mov	64(%rax), %rdi
	mov	72(%rax), %rsi
	mov	88(%rax), %rbx
	mov	96(%rax), %rdx
	mov	112(%rax), %rcx
	mov	104(%rax), %rax
encl_enclu_regs_site:
	.byte	0x0f, 0x01, 0xd7
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	encl_enclu_regs, . - encl_enclu_regs

/*
 * The same as encl_enclu() with TF from the instruction before ENCLU on; a SIGTRAP handler takes it
 * away, at step_enclu_end or before.  EEXIT may come with any RSP.
 */
	.globl	step_enclu, step_enclu_site, step_enclu_end
	.type	step_enclu, @function
step_enclu:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%edi, %eax
	mov	%rsi, %rbx
	mov	%rcx, %rdi
	mov	%rdx, %rcx
	mov	%rsp, step_rsp(%rip)
	pushfq
	orl	$0x100, (%rsp)
	popfq
step_enclu_site:
	.byte	0x0f, 0x01, 0xd7
	mov	step_rsp(%rip), %rsp
	mov	%rsi, %rax
	pop	%r15
step_enclu_end:
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	step_enclu, . - step_enclu

	.local	step_rsp
	.comm	step_rsp, 8, 8

	.section .note.GNU-stack, "", @progbits
