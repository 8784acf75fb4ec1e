/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Touching memory that may not be there.  A fault between _begin and _end makes
 * the handler resume at _fixup, unless it could bring the page (then the access
 * is simply run again).
 */
	.text
	.balign	16
	.globl	agent_copy
agent_copy:
	mov	%rdx, %rcx
	.globl	agent_copy_begin
agent_copy_begin:
	rep movsb
	.globl	agent_copy_end
agent_copy_end:
	xor	%eax, %eax
	ret
	.globl	agent_copy_fixup
agent_copy_fixup:
	mov	%rcx, %rax
	ret

	.balign	16
	.globl	agent_probe_write
agent_probe_write:
	.globl	agent_probe_begin
agent_probe_begin:
	lock orb $0, (%rdi)
	.globl	agent_probe_end
agent_probe_end:
	xor	%eax, %eax
	ret
	.globl	agent_probe_fixup
agent_probe_fixup:
	mov	$1, %eax
	ret
	.section .note.GNU-stack, "", @progbits
