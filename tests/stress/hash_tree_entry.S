/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where EENTER goes in hash_tree's enclave, and its vector registers, which C leaves
 * alone there.
 *
 * RBX = TCS, RCX = where EEXIT goes, RDI = struct ht_call.  The stack is the FS and the
 * GS page of this TCS.
 */
#include "hash_tree.h"

#define EEXIT 4

	.section hash_tree, "ax", @progbits
	.globl	ht_entry
ht_entry:
	mov	%rsp, %rax
	lea	HT_STACK(%rbx), %rsp
	push	%rax
	push	%rbp
	push	%rcx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	pushq	$2
	popfq
	sub	$8, %rsp	/* aligned for the call */
	xor	%ebp, %ebp
	call	ht_inside
	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	pop	%rsp
	mov	$EEXIT, %eax
	.byte	0x0f, 0x01, 0xd7
	ud2

/* ht_vectors_set(uint64_t seed): both halves of XMM n = seed + n */
	.globl	ht_vectors_set
	.hidden	ht_vectors_set
	.type	ht_vectors_set, @function
ht_vectors_set:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	lea	\n(%rdi), %rax
	movq	%rax, %xmm\n
	punpcklqdq %xmm\n, %xmm\n
	.endr
	ret
	.size	ht_vectors_set, . - ht_vectors_set

/* uint64_t ht_vectors_look(uint64_t seed, uint64_t *found): 16, or which is not so */
	.globl	ht_vectors_look
	.hidden	ht_vectors_look
	.type	ht_vectors_look, @function
ht_vectors_look:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	lea	\n(%rdi), %rdx
	mov	$\n, %eax
	movq	%xmm\n, %rcx
	cmp	%rcx, %rdx
	jne	1f
	psrldq	$8, %xmm\n
	movq	%xmm\n, %rcx
	cmp	%rcx, %rdx
	jne	1f
	.endr
	mov	$16, %eax
1:	mov	%rcx, (%rsi)
	ret
	.size	ht_vectors_look, . - ht_vectors_look

	.section .note.GNU-stack, "", @progbits
