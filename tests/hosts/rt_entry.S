/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runtime's ways in and out.  An asynchronous signal may come between any two
 * instructions, and then phase 1 runs with CSSA 1: as long as RSP is not on the
 * enclave's stack it only counts; when it is, everything live lies above RSP.
 */
#include "rt.h"

#define EEXIT 4
/* pages of one SSA frame, frames of a TCS: the build's */
#define SSA_SIZE (RT_SSAFRAMESIZE * RT_PAGE)

	.macro	enclu
	.byte	0x0f, 0x01, 0xd7
	.endm

	.section .tcs, "aw", @progbits
	.balign	RT_PAGE
	.globl	rt_tcs
	.hidden	rt_tcs
rt_tcs:
	.macro	tcs number
	.quad	0, 0
	.quad	rt_ssa + \number * RT_NSSA * SSA_SIZE	/* OSSA */
	.long	0, RT_NSSA
	.quad	rt_entry		/* OENTRY */
	.quad	0
	.quad	rt_tls + \number * RT_PAGE	/* OFSBASE */
	.quad	rt_tls + \number * RT_PAGE	/* OGSBASE */
	.long	0xfff, 0xfff
	.fill	RT_PAGE - 72, 1, 0
	.endm
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	tcs	\n
	.endr

	.text
	.globl	rt_entry
rt_entry:
	cld
	test	%rdx, %rdx
	cmovz	%rcx, %rdx
	test	%rax, %rax
	jnz	exception
	cmp	$RT_ORET, %rdi
	je	oret
	mov	%rsp, %r8
	mov	%rbp, %r9
	cmpq	$0, %gs:TLS_SELF
	jne	1f
	/* first time: the number of the TCS says what is this thread's */
	lea	rt_tcs(%rip), %r10
	mov	%rbx, %r11
	sub	%r10, %r11
	mov	%r11, %r12
	shr	$12, %r12
	inc	%r12
	imul	$RT_STACK_SIZE, %r12, %r13
	lea	rt_stacks(%rip), %r10
	add	%r10, %r13
	mov	%r13, %gs:TLS_STACK_TOP
	imul	$RT_EXC_SIZE, %r12, %r13
	lea	rt_exc_stacks(%rip), %r10
	add	%r10, %r13
	mov	%r13, %gs:TLS_EXC_TOP
	lea	rt_tls(%rip), %r10
	add	%r11, %r10
	mov	%r10, TLS_SELF(%r10)	/* not by GS: that it is the same is a check */
1:	/* below the OCALL under way, if this is an ECALL in an OCALL */
	mov	%gs:TLS_OCALL_SP, %r10
	test	%r10, %r10
	cmovz	%gs:TLS_STACK_TOP, %r10
	mov	%r10, %rsp
	pushq	%gs:TLS_OUT_RSP
	pushq	%gs:TLS_OUT_RBP
	pushq	%gs:TLS_EXIT
	pushq	$0
	mov	%r8, %gs:TLS_OUT_RSP
	mov	%r9, %gs:TLS_OUT_RBP
	mov	%rdx, %gs:TLS_EXIT
	and	$-16, %rsp
	lea	(%r10), %rbx		/* kept by the call: where the four words are */
	xor	%ebp, %ebp
	mov	%rax, %rdx
	call	rt_ecall
	mov	%rax, %rsi
	lea	-32(%rbx), %rsp
	mov	%gs:TLS_OUT_RSP, %r8
	mov	%gs:TLS_OUT_RBP, %rbp
	mov	%gs:TLS_EXIT, %r9
	pop	%r10
	popq	%gs:TLS_EXIT
	popq	%gs:TLS_OUT_RBP
	popq	%gs:TLS_OUT_RSP
	mov	%r9, %rbx
	mov	%r8, %rsp
	mov	$RT_ERET, %rdi
leave:
	xor	%edx, %edx
	.irp	r, r8, r9, r10, r11, r12, r13, r14, r15
	xor	%\r, %\r
	.endr
	mov	$EEXIT, %eax
	enclu
	ud2

oret:
	mov	%rsp, %r8
	mov	%rbp, %r9
	mov	%gs:TLS_OCALL_SP, %rsp
	mov	%r8, %gs:TLS_OUT_RSP
	mov	%r9, %gs:TLS_OUT_RBP
	mov	%rdx, %gs:TLS_EXIT
	popq	%gs:TLS_OCALL_SP
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	mov	%rsi, %rax
	ret

/* uint64_t rt_leave(enum rt_ocall, struct rt_oc *outside): an OCALL */
	.globl	rt_leave
	.hidden	rt_leave
rt_leave:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	pushq	%gs:TLS_OCALL_SP
	mov	%rsp, %gs:TLS_OCALL_SP
	mov	%gs:TLS_EXIT, %rbx
	mov	%gs:TLS_OUT_RBP, %rbp
	mov	%gs:TLS_OUT_RSP, %rsp
	jmp	leave

/* CSSA > 0: phase 1, on a stack for this CSSA */
exception:
	cmpq	$0, %gs:TLS_SELF
	jne	1f
	mov	$RT_EARLY, %esi
	mov	%rdx, %rbx
	mov	$RT_ERET, %rdi
	jmp	leave
1:	mov	%rsp, %r8
	mov	%rbp, %r9
	lea	-1(%rax), %r10
	imul	$-RT_EXC_FRAME, %r10
	add	%gs:TLS_EXC_TOP, %r10
	mov	%r10, %rsp
	push	%r8
	push	%r9
	push	%rdx
	push	%rax
	xor	%ebp, %ebp
	mov	%rax, %rsi
	call	rt_phase1
	mov	%rax, %rsi
	pop	%r10
	pop	%rbx
	pop	%rbp
	pop	%rsp
	mov	$RT_ERET, %rdi
	jmp	leave

/* ERESUME comes here: RSP = context, aligned.  All registers are this code's. */
	.globl	rt_phase2_entry
	.hidden	rt_phase2_entry
rt_phase2_entry:
	cld
	mov	%rsp, %rdi
	xor	%ebp, %ebp
	call	rt_phase2
	/* RIP and flags go where RSP will be; the code inside uses no red zone */
	mov	CTX_RSP(%rsp), %rax
	mov	CTX_RIP(%rsp), %rcx
	mov	%rcx, -8(%rax)
	mov	CTX_RFLAGS(%rsp), %rcx
	mov	%rcx, -16(%rax)
	sub	$16, %rax
	mov	%rax, CTX_LAST_RSP(%rsp)
	mov	CTX_RAX(%rsp), %rax
	mov	CTX_RCX(%rsp), %rcx
	mov	CTX_RDX(%rsp), %rdx
	mov	CTX_RBX(%rsp), %rbx
	mov	CTX_RBP(%rsp), %rbp
	mov	CTX_RSI(%rsp), %rsi
	mov	CTX_RDI(%rsp), %rdi
	mov	CTX_R8(%rsp), %r8
	mov	CTX_R9(%rsp), %r9
	mov	CTX_R10(%rsp), %r10
	mov	CTX_R11(%rsp), %r11
	mov	CTX_R12(%rsp), %r12
	mov	CTX_R13(%rsp), %r13
	mov	CTX_R14(%rsp), %r14
	mov	CTX_R15(%rsp), %r15
	movq	$0, %gs:TLS_BUSY
	mov	CTX_LAST_RSP(%rsp), %rsp
	popfq
	ret

	.macro	function name
	.balign	16
	.globl	\name
	.hidden	\name
\name:
	.endm
	.macro	fixup
	lea	9f(%rip), %rax
	mov	%rax, %gs:TLS_FIXUP
	xor	%eax, %eax
	.endm

/*
 * uint64_t raise_KIND(uint64_t address): 1 where phase 2 brought it back by the
 * fix-up, 0 where nothing was raised
 */
	.macro	ending
	movq	$0, %gs:TLS_FIXUP
	ret
9:	mov	$1, %eax
	ret
	.endm

	function raise_ud2
	fixup
	ud2
	ending

	function raise_de
	fixup
	xor	%ecx, %ecx
	xor	%edx, %edx
	div	%rcx
	ending

	function raise_bp
	fixup
	int3
	ending

	function raise_gp
	fixup
	movabs	$0x8000000000000000, %rcx
	mov	(%rcx), %rcx
	xor	%eax, %eax
	ending

	function raise_hlt
	fixup
	hlt
	ending

	function raise_read
	fixup
	mov	(%rdi), %rcx
	ending

	function raise_write
	fixup
	mov	%rcx, (%rdi)
	ending

	function raise_jump
	lea	9f(%rip), %rax
	mov	%rax, %gs:TLS_FIXUP
	mov	%rsp, %rcx
	jmp	*%rdi
9:	mov	$1, %eax
	ret

	function raise_mf
	fixup
	fninit
	push	$0x0300		/* all unmasked */
	fldcw	(%rsp)
	pop	%rcx
	fldz
	fldz
	fdivrp
	fwait
	fninit
	movq	$0, %gs:TLS_FIXUP
	ret
9:	fninit
	mov	$1, %eax
	ret

	function raise_xm
	push	$0x1f80
	push	$0x1f00		/* invalid operation unmasked */
	lea	9f(%rip), %rax
	mov	%rax, %gs:TLS_FIXUP
	xor	%eax, %eax
	ldmxcsr	(%rsp)
	pxor	%xmm0, %xmm0
	divss	%xmm0, %xmm0
	movq	$0, %gs:TLS_FIXUP
	jmp	1f
9:	mov	$1, %eax
1:	ldmxcsr	8(%rsp)
	add	$16, %rsp
	ret

	function raise_ac
	fixup
	pushfq
	orl	$0x40000, (%rsp)
	popfq
	mov	-5(%rsp), %ecx
	pushfq
	andl	$~0x40000, (%rsp)
	popfq
	movq	$0, %gs:TLS_FIXUP
	ret
9:	pushfq
	andl	$~0x40000, (%rsp)
	popfq
	mov	$1, %eax
	ret

/*
 * uint64_t rt_emulated(uint64_t n): an instruction that is not there, in the midst
 * of live vector registers; phase 2 makes an OCALL for it and adds 1 to RCX.
 * Gives back n + 1, or 0 where a register was lost.
 */
	.globl	rt_emulated_ud2
	.hidden	rt_emulated_ud2
	function rt_emulated
	mov	%rdi, %rcx
	.irp	n, 0, 3, 7, 11, 15
	movq	%rdi, %xmm\n
	.endr
	.irp	r, rdx, rsi, r8, r9, r10, r11
	lea	7(%rdi), %\r
	.endr
	std
rt_emulated_ud2:
	ud2
	pushfq
	cld
	pop	%rax
	test	$0x400, %eax
	jz	2f
	.irp	n, 0, 3, 7, 11, 15
	movq	%xmm\n, %rax
	cmp	%rdi, %rax
	jne	2f
	.endr
	.irp	r, rdx, rsi, r8, r9, r10, r11
	sub	$7, %\r
	cmp	%rdi, %\r
	jne	2f
	.endr
	mov	%rcx, %rax
	ret
2:	xor	%eax, %eax
	ret

/*
 * uint64_t rt_count_loop(const uint64_t *flag, uint64_t *bad): registers count in
 * step until *flag is set; *bad is what went out of step.
 */
	function rt_count_loop
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	mov	%rdi, %r15
	.irp	r, eax, ebx, ecx, edx, esi, edi, ebp, r8d, r9d, r10d, r11d, r12d, r13d, r14d
	xor	%\r, %\r
	.endr
	pcmpeqd	%xmm15, %xmm15
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	pxor	%xmm\n, %xmm\n
	.endr
1:	inc	%rax
	.irp	r, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14
	add	$1, %\r
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	psubq	%xmm15, %xmm\n
	.endr
	.irp	r, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14
	cmp	%\r, %rax
	jne	2f
	.endr
	cmpq	$0, (%r15)
	je	1b
	xor	%ebx, %ebx
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	movq	%xmm\n, %rcx
	cmp	%rcx, %rax
	jne	2f
	.endr
	jmp	3f
2:	mov	$1, %ebx
3:	pop	%rsi
	mov	%rbx, (%rsi)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* uint64_t rt_deep(uint64_t low): UD2 with RSP = low; the fix-up comes back */
	function rt_deep
	push	%rbx
	mov	%rsp, %rbx
	lea	9f(%rip), %rax
	mov	%rax, %gs:TLS_FIXUP
	mov	%rdi, %rsp
	ud2
9:	mov	%rbx, %rsp
	pop	%rbx
	mov	$1, %eax
	ret

	.section .data.threads, "aw", @progbits
	.balign	RT_PAGE
	.globl	rt_ssa
	.hidden	rt_ssa
rt_ssa:
	.fill	RT_TCS_COUNT * RT_NSSA * SSA_SIZE, 1, 0
	.globl	rt_tls
	.hidden	rt_tls
rt_tls:
	.fill	RT_TCS_COUNT * RT_PAGE, 1, 0
rt_stacks:
	.fill	RT_TCS_COUNT * RT_STACK_SIZE, 1, 0
rt_exc_stacks:
	.fill	RT_TCS_COUNT * RT_EXC_SIZE, 1, 0

	.section .note.GNU-stack, "", @progbits
