/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The code of the bench's enclave, one page, the same bytes inside and outside.
 *
 * Entered with
 *	RDI = offset of a kernel in the page, or 0: leave at once
 *	RSI = its data, RDX = rounds, R8 = where the checksum goes
 * RBX and RCX are EENTER's.  The stack is the host's: an enclave whose figures
 * are public may.  A kernel is an ordinary function that leaves R11 alone.
 */
	.section .text.blob, "ax", @progbits
	.balign	4096
	.globl	blob_start, blob_end
	.globl	blob_int, blob_mem, blob_avx2, blob_touch
blob_start:
	test	%rdi, %rdi
	jz	1f
	lea	blob_start(%rip), %r10
	add	%rdi, %r10
	mov	%rcx, %r11
	call	*%r10
	mov	%r11, %rcx
1:	mov	%rcx, %rbx
	mov	$4, %eax		/* EEXIT */
	.byte	0x0f, 0x01, 0xd7	/* ENCLU */
	ud2

/* One chain of multiplications, shifts and rotations */
	.balign	64
blob_int:
	mov	$0x9e3779b97f4a7c15, %rax
	.balign	32
1:	mov	%rax, %rcx
	shr	$29, %rcx
	xor	%rcx, %rax
	imul	$0x1ce4e5b9, %rax, %rax
	rol	$17, %rax
	dec	%rdx
	jnz	1b
	mov	%rax, (%r8)
	ret

/* Reads of 8 bytes anywhere in 16 MiB, each address known only after the last */
	.balign	64
blob_mem:
	mov	$0xd1342543de82ef95, %r9
	mov	$1, %eax
	.balign	32
1:	imul	%r9, %rax
	inc	%rax
	mov	%rax, %rcx
	shr	$43, %rcx
	add	(%rsi, %rcx, 8), %rax
	dec	%rdx
	jnz	1b
	mov	%rax, (%r8)
	ret

/* Multiply and add over 4 KiB of 32-bit numbers */
	.balign	64
blob_avx2:
	vpxor	%ymm0, %ymm0, %ymm0
	vpxor	%ymm1, %ymm1, %ymm1
1:	xor	%ecx, %ecx
	.balign	32
2:	vmovdqu	(%rsi, %rcx), %ymm2
	vmovdqu	32(%rsi, %rcx), %ymm3
	vpmulld	%ymm2, %ymm3, %ymm2
	vpaddd	%ymm2, %ymm0, %ymm0
	vpxor	%ymm3, %ymm0, %ymm3
	vpaddd	%ymm3, %ymm1, %ymm1
	add	$64, %ecx
	cmp	$4096, %ecx
	jb	2b
	dec	%rdx
	jnz	1b
	vpaddd	%ymm1, %ymm0, %ymm0
	vextracti128 $1, %ymm0, %xmm1
	vpxor	%xmm1, %xmm0, %xmm0
	vmovq	%xmm0, (%r8)
	vzeroupper
	ret

/* A word of each page of a list (struct encl_touch) is read and written */
	.balign	64
blob_touch:
	mov	(%rsi), %r9
	mov	8(%rsi), %rsi
	xor	%eax, %eax
	.balign	32
1:	mov	(%rsi), %ecx
	mov	%ecx, %r10d
	and	$63, %r10d		/* not all in one set of the cache */
	shl	$6, %r10d
	shl	$12, %rcx
	add	%r9, %rcx
	add	(%rcx, %r10), %rax
	incq	(%rcx, %r10)
	add	$4, %rsi
	dec	%rdx
	jnz	1b
	mov	%rax, (%r8)
	ret
blob_end:
	.balign	4096, 0

	.section .note.GNU-stack, "", @progbits
