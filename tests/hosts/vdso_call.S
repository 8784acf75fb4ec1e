/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * int vdso_call(struct vdso_regs *regs, unsigned leaf, run, function): the vDSO's
 * function with RDI and RSI of @regs, which then has what they hold after.  An
 * exception leaves R12 to R15 lost; they are kept here.
 */
	.text
	.globl	vdso_call
	.type	vdso_call, @function
vdso_call:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	push	%rdx		/* the seventh argument; the stack is aligned */
	mov	%rcx, %rax
	mov	%esi, %ecx
	mov	8(%rdi), %rsi
	mov	(%rdi), %rdi
	xor	%edx, %edx	/* EEXIT comes back to the vDSO */
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	call	*%rax
	cld			/* an exception leaves DF as it was inside */
	mov	8(%rsp), %rcx
	mov	%rdi, (%rcx)
	mov	%rsi, 8(%rcx)
	lea	-32(%rbp), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	vdso_call, . - vdso_call

/*
 * The user handler: vdso_handler() in C says what to do; where it enters again,
 * RDI and RSI are those of the struct vdso_regs that run->user_data names.
 */
	.globl	vdso_handler_entry
	.type	vdso_handler_entry, @function
vdso_handler_entry:
	.cfi_startproc
	push	8(%rsp)
	.cfi_def_cfa_offset 16
	call	vdso_handler
	pop	%rcx
	.cfi_def_cfa_offset 8
	mov	32(%rcx), %rcx
	mov	(%rcx), %rdi
	mov	8(%rcx), %rsi
	xor	%edx, %edx
	ret
	.cfi_endproc
	.size	vdso_handler_entry, . - vdso_handler_entry

	.section .note.GNU-stack, "", @progbits
