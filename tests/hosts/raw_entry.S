/* SPDX-License-Identifier: BSD-3-Clause */
#include "raw.h"
#include "rt.h"
#include <asm/unistd.h>

#define EENTER 2

	.macro	enclu
	.byte	0x0f, 0x01, 0xd7
	.endm
	.macro	function name
	.globl	\name
	.type	\name, @function
\name:
	.endm

	.text
	function _start
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	raw_start
	hlt
	.size	_start, . - _start

	function raw_restorer
	mov	$__NR_rt_sigreturn, %eax
	syscall
	.size	raw_restorer, . - raw_restorer

/* uint64_t host_raise(event): as an ECALL, but EEXIT comes to host_after */
	function host_raise
	lea	host_after(%rip), %rdx
	jmp	1f
	.size	host_raise, . - host_raise

/* uint64_t host_ecall(number, call): status */
	function host_ecall
	lea	host_exit(%rip), %rdx
1:	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
do_enter:
	lock incq %gs:TCB_EENTER
	mov	%gs:TCB_TCS, %rbx
	lea	host_aep(%rip), %rcx
	mov	$EENTER, %eax
	.globl	host_eenter
host_eenter:
	enclu
	/* EEXIT never comes here: the runtime leaves to RDX */
	ud2
	.globl	host_after
host_after:
	mov	%rsi, %rax
	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	host_ecall, . - host_ecall

/* Every signal in the enclave comes here first: RAX, RBX, RCX are ERESUME's */
	function host_aep
	cld			/* AEX leaves DF as the enclave had it */
	lock incq %gs:TCB_AEX
	sub	$256, %rsp
	push	%rax
	push	%rbx
	push	%rcx
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	mov	%rax, %rdi
	mov	%rbx, %rsi
	mov	%rcx, %rdx
	call	host_aep_hook
	mov	%rbp, %rsp
	pop	%rbp
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$256, %rsp
	.globl	host_eresume
host_eresume:
	enclu
	.globl	host_aep_end
host_aep_end:
	ud2
	.size	host_aep, . - host_aep

/* EEXIT of an OCALL or of the ECALL's end; RSP and RBP are what they were at EENTER */
host_exit:
	lock incq %gs:TCB_EEXIT
	cmp	$RT_ERET, %rdi
	je	host_after
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	host_ocall
	mov	%rbp, %rsp
	pop	%rbp
	mov	%rax, %rsi
	mov	$RT_ORET, %rdi
	lea	host_exit(%rip), %rdx
	jmp	do_enter

/* void host_clone(flags, stack, tid, tcb, long *ret): the child goes to thread_main(tcb) */
	function host_clone
	mov	%rdx, %r10
	push	%r8
	push	%rcx
	sub	$8, %rsp
	mov	%rcx, -8(%rsi)
	sub	$8, %rsi
	xor	%r8d, %r8d
	mov	$__NR_clone, %eax
	syscall
	test	%rax, %rax
	jz	1f
	add	$8, %rsp
	pop	%rcx
	pop	%r8
	mov	%rax, (%r8)
	ret
1:	pop	%rdi
	xor	%ebp, %ebp
	and	$-16, %rsp
	call	thread_main
	hlt
	.size	host_clone, . - host_clone

/* Unmap the stack that we stand on, and exit */
	function host_leave_stack
	mov	$__NR_munmap, %eax
	syscall
	xor	%edi, %edi
	mov	$__NR_exit, %eax
	syscall
	hlt
	.size	host_leave_stack, . - host_leave_stack

	.section .note.GNU-stack, "", @progbits
