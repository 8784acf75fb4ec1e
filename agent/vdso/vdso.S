/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * __vdso_sgx_enter_enclave(rdi, rsi, rdx, function, r8, r9, run)
 *
 * The contract is that of <asm/sgx.h>: RAX, RBX and RCX are consumed, all other
 * general registers pass as they are in both directions, RBP anchors the frame
 * that an enclave may push below.  One ENCLU serves EENTER, ERESUME and as the
 * AEP; it stands at a fixed place, and an exception of it or of the enclave goes
 * on at another, with RAX = leaf, DI = vector, SI = error code, RDX = address.
 *
 * RFLAGS pass as they are too, DF and AC among them: an enclave finds what the caller
 * left, and a caller what the enclave left.  Linux clears DF for a handler alone.
 *
 * EENTER does not execute it: the agent enters by a plain jump and falls back to
 * the ENCLU for whatever is out of the ordinary.
 */
#include "names.h"
#include <asm/unistd.h>
#include <proto/agent.h>

#define EENTER	2
#define ERESUME	3
#define EEXIT	4
#define EINVAL	22

/* struct sgx_enclave_run; asserted in agent/vdso/check.c */
#define RUN_TCS		0
#define RUN_FUNCTION	8
#define RUN_VECTOR	12
#define RUN_ERROR_CODE	14
#define RUN_ADDR	16
#define RUN_HANDLER	24
#define RUN_RESERVED	40
#define RUN_SIZE	256
/* The seventh argument, from RBP */
#define ARG_RUN		16

	.section .text.sgx, "ax"
	.globl	__vdso_sgx_enter_enclave
	.type	__vdso_sgx_enter_enclave, @function
__vdso_sgx_enter_enclave:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rbx
	.cfi_offset %rbx, -24
	mov	%ecx, %eax
again:	/* EAX = the leaf that the caller, or its handler, asks for */
	lea	-EENTER(%rax), %ecx
	cmp	$(ERESUME - EENTER), %ecx
	ja	einval
	mov	ARG_RUN(%rbp), %rbx
	mov	$RUN_RESERVED, %ecx
1:	cmpq	$0, (%rbx,%rcx)
	jne	einval
	add	$8, %ecx
	cmp	$RUN_SIZE, %ecx
	jb	1b
	mov	RUN_TCS(%rbx), %rbx
	lea	enclu_site(%rip), %rcx
	cmp	$EENTER, %eax
	jne	enclu_site
	/* the agent's page is too far for a relative jump, and no register is free */
	jmp	*agent_enter_pointer(%rip)

	.org	VDSO_ENCLU_OFF - VDSO_TEXT_OFF, 0xcc
enclu_site:
	.byte	0x0f, 0x01, 0xd7
	/* EEXIT comes back here */
	mov	ARG_RUN(%rbp), %rbx
	movl	$EEXIT, RUN_FUNCTION(%rbx)
left:	/* RBX = run */
	cmpq	$0, RUN_HANDLER(%rbx)
	jne	call_handler
	xor	%eax, %eax
out:	mov	-8(%rbp), %rbx
	leave
	.cfi_remember_state
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_restore_state
einval:	mov	$-EINVAL, %eax
	jmp	out

	.org	VDSO_FIXUP_OFF - VDSO_TEXT_OFF, 0xcc
fixup_site:
	mov	ARG_RUN(%rbp), %rbx
	mov	%eax, RUN_FUNCTION(%rbx)
	mov	%di, RUN_VECTOR(%rbx)
	mov	%si, RUN_ERROR_CODE(%rbx)
	mov	%rdx, RUN_ADDR(%rbx)
	jmp	left

call_handler:
	/*
	 * handler(rdi, rsi, rdx, RSP as the enclave left it, r8, r9, run).  RBX
	 * keeps that RSP over the call: the enclave's pushes survive it.
	 */
	mov	%rbx, %rax
	mov	%rsp, %rbx
	mov	%rsp, %rcx
	and	$-16, %rsp
	sub	$8, %rsp
	push	%rax
	cld
	call	*RUN_HANDLER(%rax)
	mov	%rbx, %rsp
	test	%eax, %eax
	jg	again
	jmp	out
	.cfi_endproc
	.size	__vdso_sgx_enter_enclave, . - __vdso_sgx_enter_enclave

	.balign	8
agent_enter_pointer:
	.quad	PROTO_AGENT_BASE + PROTO_AGENT_ENTER_OFF

/*
 * The kernel's functions: a jump through the table that the agent filled.  R11
 * is the caller's to lose.  One that the kernel does not have: -ENOSYS.
 */
	.macro	stub name, weak, index
	.balign	16
	.globl	\name
	.type	\name, @function
	.weak	\weak
	.type	\weak, @function
\name:
\weak:
	.cfi_startproc
	movabs	$(PROTO_AGENT_BASE + PROTO_AGENT_VTABLE + 8 * \index), %r11
	mov	(%r11), %r11
	test	%r11, %r11
	jz	1f
	jmp	*%r11
1:	mov	$-38, %rax
	ret
	.cfi_endproc
	.size	\name, . - \name
	.size	\weak, . - \weak
	.endm

	.text
	stub	__vdso_clock_gettime, clock_gettime, 0
	stub	__vdso_gettimeofday, gettimeofday, 1
	stub	__vdso_time, time, 2
	stub	__vdso_getcpu, getcpu, 3
	stub	__vdso_clock_getres, clock_getres, 4
	stub	__vdso_getrandom, getrandom, 5

	.section .note.GNU-stack, "", @progbits
