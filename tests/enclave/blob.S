/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The code pages of the tests' enclaves: position-independent, linked into the
 * test program as data and copied into the enclave by ADD_PAGES.  Nothing here
 * uses a stack, so that RSP and RBP may be anything.
 */
#include "blob.h"

#define EEXIT 4
#define data(off) (blob_start + ENCL_DATA + (off))(%rip)

	.section .rodata.blob, "a"
	.balign	4096
	.globl	blob_start, blob_end, blob_dump, blob_ud2, blob_state_ud2, blob_divide
	.globl	blob_count_loop, blob_count_end, blob_int3, blob_enclu
blob_start:
entry:
	cmp	$OP_LAST, %rdi
	jae	bad
	lea	table(%rip), %r10
	movslq	(%r10,%rdi,4), %r11
	add	%r10, %r11
	mov	%rcx, %r15	/* where EEXIT goes */
	jmp	*%r11
	.balign	4		/* the host may have set AC */
table:
	.long	op_nop - table, op_copy - table, op_read8 - table, op_write8 - table
	.long	op_jump - table, op_ud2 - table, op_divide - table, op_noncanonical - table
	.long	op_int3 - table, op_enclu - table, op_state - table, op_count - table
	.long	op_spin - table, op_add - table, op_hlt - table
	.long	op_masked - table, op_bases - table
bad:
	mov	%rcx, %r15
	mov	$-1, %rsi
leave:
	mov	%r15, %rbx
	mov	$EEXIT, %eax
	.byte	0x0f, 0x01, 0xd7
	hlt

op_nop:
	mov	%rax, %rsi
	mov	%rcx, %rdx
	jmp	leave
op_copy:
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%r8, %rcx
	cld
	rep movsb
	jmp	leave
op_read8:
	mov	(%rsi), %rdx
	jmp	leave
op_write8:
	mov	%rdx, (%rsi)
	jmp	leave
op_jump:
	jmp	*%rsi
op_ud2:
blob_ud2:
	ud2
	jmp	leave
op_divide:
	xor	%edx, %edx
	xor	%eax, %eax
	xor	%ecx, %ecx
blob_divide:
	div	%rcx
	jmp	leave
op_noncanonical:
	movabs	$0x8000000000000000, %rdx
	mov	(%rdx), %rdx
	jmp	leave
op_int3:
blob_int3:
	int3
	mov	$0x1d3, %esi
	jmp	leave
op_hlt:
	hlt
	jmp	leave
op_masked:
	movl	$0x1f00, data(DATA_SCRATCH)	/* divide and invalid unmasked */
	ldmxcsr	data(DATA_SCRATCH)
	pxor	%xmm0, %xmm0
	divss	%xmm0, %xmm0
	jmp	leave
op_enclu:
	mov	%esi, %eax
	mov	%rdx, %rbx
	mov	%r8, %rcx
	mov	%r9, %rdx
blob_enclu:
	.byte	0x0f, 0x01, 0xd7
	mov	%rax, %rsi
	mov	$0, %edx
	setz	%dl
	jmp	leave

op_spin:
	movq	$1, (%rdx)
1:	pause
	cmpq	$0, (%rsi)
	je	1b
	jmp	leave
op_bases:
	xor	%edx, %edx
	mov	%fs:0, %r8
	mov	%gs:0, %r9
1:	cmp	%fs:0, %r8
	jne	2f
	cmp	%gs:0, %r9
	jne	2f
	cmpq	$0, (%rsi)
	je	1b
	jmp	leave
2:	inc	%edx
	jmp	leave
op_add:
1:	lock incq (%rsi)
	dec	%r8
	jnz	1b
	jmp	leave

/*
 * Every register holds what the test chose when UD2 traps; what they hold after
 * ERESUME, with RIP moved past it by the test, goes to DATA_OUT.
 */
op_state:
	mov	%r15, data(DATA_SCRATCH)
	mov	%r8, data(DATA_SCRATCH + 8)
	test	$4, %r8
	jz	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	VSTATE_YMM + 32 * \n(%rsi), %ymm\n
	.endr
	jmp	2f
1:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	VSTATE_YMM + 32 * \n(%rsi), %xmm\n
	.endr
2:
	ldmxcsr	VSTATE_MXCSR(%rsi)
	fninit
	fldcw	VSTATE_FCW(%rsi)
	fldpi
	mov	VSTATE_GPR + 0(%rsi), %rax
	mov	VSTATE_GPR + 8(%rsi), %rcx
	mov	VSTATE_GPR + 16(%rsi), %rdx
	mov	VSTATE_GPR + 24(%rsi), %rbx
	mov	VSTATE_GPR + 32(%rsi), %rsp
	mov	VSTATE_GPR + 40(%rsi), %rbp
	mov	VSTATE_GPR + 56(%rsi), %rdi
	mov	VSTATE_GPR + 64(%rsi), %r8
	mov	VSTATE_GPR + 72(%rsi), %r9
	mov	VSTATE_GPR + 80(%rsi), %r10
	mov	VSTATE_GPR + 88(%rsi), %r11
	mov	VSTATE_GPR + 96(%rsi), %r12
	mov	VSTATE_GPR + 104(%rsi), %r13
	mov	VSTATE_GPR + 112(%rsi), %r14
	mov	VSTATE_GPR + 120(%rsi), %r15
	mov	VSTATE_GPR + 48(%rsi), %rsi
	stc
	std
blob_state_ud2:
	ud2
	mov	%rax, data(DATA_OUT + VSTATE_GPR + 0)
	mov	%rcx, data(DATA_OUT + VSTATE_GPR + 8)
	mov	%rdx, data(DATA_OUT + VSTATE_GPR + 16)
	mov	%rbx, data(DATA_OUT + VSTATE_GPR + 24)
	mov	%rsp, data(DATA_OUT + VSTATE_GPR + 32)
	mov	%rbp, data(DATA_OUT + VSTATE_GPR + 40)
	mov	%rsi, data(DATA_OUT + VSTATE_GPR + 48)
	mov	%rdi, data(DATA_OUT + VSTATE_GPR + 56)
	mov	%r8, data(DATA_OUT + VSTATE_GPR + 64)
	mov	%r9, data(DATA_OUT + VSTATE_GPR + 72)
	mov	%r10, data(DATA_OUT + VSTATE_GPR + 80)
	mov	%r11, data(DATA_OUT + VSTATE_GPR + 88)
	mov	%r12, data(DATA_OUT + VSTATE_GPR + 96)
	mov	%r13, data(DATA_OUT + VSTATE_GPR + 104)
	mov	%r14, data(DATA_OUT + VSTATE_GPR + 112)
	mov	%r15, data(DATA_OUT + VSTATE_GPR + 120)
	lea	data(DATA_OUT + VSTATE_RFLAGS + 8), %rsp
	pushfq
	cld
	stmxcsr	data(DATA_OUT + VSTATE_MXCSR)
	fnstcw	data(DATA_OUT + VSTATE_FCW)
	lea	data(DATA_OUT), %rdi
	testq	$4, data(DATA_SCRATCH + 8)
	jz	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	%ymm\n, VSTATE_YMM + 32 * \n(%rdi)
	.endr
	vzeroupper
	jmp	2f
1:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	%xmm\n, VSTATE_YMM + 32 * \n(%rdi)
	.endr
2:
	fninit
	/* the stack pointer is the host's: it comes back to it by URSP at EENTER */
	mov	data(DATA_SCRATCH), %r15
	mov	%r8, %rsi
	mov	data(DATA_SCRATCH + 16), %rsp
	mov	data(DATA_SCRATCH + 24), %rbp
	jmp	leave

/*
 * Nine general registers, RSP among them, and fifteen vector registers count in
 * step.  %r8 = XFRM at entry: with AVX the whole YMM counts.  %rdx = the first RSP.
 */
op_count:
	mov	%rdx, data(DATA_SCRATCH + 32)
	mov	%rsp, data(DATA_SCRATCH + 16)
	mov	%r15, data(DATA_SCRATCH)
	xor	%eax, %eax
	mov	%rsi, %r14
	test	$4, %r8
	jz	count_sse
	vpcmpeqd %ymm15, %ymm15, %ymm15
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	vpxor	%ymm\n, %ymm\n, %ymm\n
	.endr
	mov	$1, %r15
	jmp	count
count_sse:
	pcmpeqd	%xmm15, %xmm15
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	pxor	%xmm\n, %xmm\n
	.endr
	xor	%r15d, %r15d
count:
	.irp	r, rcx, rdx, rdi, rsi, r9, r10, r11, r12
	xor	%\r, %\r
	.endr
	mov	data(DATA_SCRATCH + 32), %rsp
blob_count_loop:
	inc	%rax
	.irp	r, rcx, rdx, rdi, rsi, r9, r10, r11, r12
	add	$1, %\r
	.endr
	lea	1(%rsp), %rsp
	test	%r15, %r15
	jz	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	vpsubd	%ymm15, %ymm\n, %ymm\n
	.endr
	jmp	2f
1:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	psubd	%xmm15, %xmm\n
	.endr
2:
	.irp	r, rcx, rdx, rdi, rsi, r9, r10, r11, r12
	cmp	%\r, %rax
	jne	count_broken
	.endr
	cmpq	$0, (%r14)
	je	blob_count_loop
blob_count_end:
	mov	%rax, %rdx
	xor	%r8d, %r8d
	mov	%rsp, %rcx
	sub	data(DATA_SCRATCH + 32), %rcx
	cmp	%rcx, %rax
	mov	$2, %ebx
	cmovne	%rbx, %r8
	lea	data(DATA_OUT), %rdi
	test	%r15, %r15
	jz	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	vmovdqu	%ymm\n, VSTATE_YMM + 32 * \n(%rdi)
	.endr
	vzeroupper
	mov	$120, %ecx
	jmp	2f
1:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	movdqu	%xmm\n, VSTATE_YMM + 16 * \n(%rdi)
	.endr
	mov	$60, %ecx
2:	/* ECX dwords of the count's low half each */
	cmp	%eax, -4(%rdi,%rcx,4)
	mov	$3, %ebx
	cmovne	%rbx, %r8
	dec	%ecx
	jnz	2b
	jmp	count_leave
count_broken:
	mov	$1, %r8d
	mov	%rax, %rdx
count_leave:
	mov	data(DATA_SCRATCH + 16), %rsp
	mov	data(DATA_SCRATCH), %r15
	jmp	leave

/* A TCS' other entry point: all registers as they came in */
blob_dump:
	mov	%rax, data(DATA_DUMP + DUMP_GPR + 0)
	mov	%rcx, data(DATA_DUMP + DUMP_GPR + 8)
	mov	%rdx, data(DATA_DUMP + DUMP_GPR + 16)
	mov	%rbx, data(DATA_DUMP + DUMP_GPR + 24)
	mov	%rsp, data(DATA_DUMP + DUMP_GPR + 32)
	mov	%rbp, data(DATA_DUMP + DUMP_GPR + 40)
	mov	%rsi, data(DATA_DUMP + DUMP_GPR + 48)
	mov	%rdi, data(DATA_DUMP + DUMP_GPR + 56)
	mov	%r8, data(DATA_DUMP + DUMP_GPR + 64)
	mov	%r9, data(DATA_DUMP + DUMP_GPR + 72)
	mov	%r10, data(DATA_DUMP + DUMP_GPR + 80)
	mov	%r11, data(DATA_DUMP + DUMP_GPR + 88)
	mov	%r12, data(DATA_DUMP + DUMP_GPR + 96)
	mov	%r13, data(DATA_DUMP + DUMP_GPR + 104)
	mov	%r14, data(DATA_DUMP + DUMP_GPR + 112)
	mov	%r15, data(DATA_DUMP + DUMP_GPR + 120)
	mov	%rsp, %r14
	lea	data(DATA_DUMP + DUMP_RFLAGS + 8), %rsp
	pushfq
	mov	%r14, %rsp
	mov	%fs:0, %r14
	mov	%r14, data(DATA_DUMP + DUMP_FS)
	mov	%gs:0, %r14
	mov	%r14, data(DATA_DUMP + DUMP_GS)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	%xmm\n, data(DATA_DUMP + DUMP_XMM + 16 * \n)
	pcmpeqd	%xmm\n, %xmm\n
	.endr
	/* and all go out changed; RCX is EEXIT's */
	mov	%rcx, %rbx
	.irp	r, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r15
	not	%\r
	.endr
	mov	$0x1414, %r14d
	mov	$EEXIT, %eax
	.byte	0x0f, 0x01, 0xd7
	hlt

	.org	ENCL_CODE_SIZE
blob_end:

	.section .note.GNU-stack, "", @progbits
