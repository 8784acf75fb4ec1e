/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EENTER without a trap: the vDSO jumps here where it would execute ENCLU.
 *
 * In: RAX = 2, RBX = TCS, RCX = AEP = address of the vDSO's ENCLU, everything
 * else is the enclave's to see.  Out: at OENTRY, or back at the ENCLU with all
 * registers as they came, which then traps and takes the long way.
 *
 * Every boundary is restartable (enter_rollback() in entry/enter.c):
 *
 *	[agent_enter, _intact]	registers are as they came: RIP = RCX
 *	(_intact, _saved]	they are in the frame at RSP - ENTER_BELOW, but for the
 *				flags, which are untouched up to _flags
 *	(_saved, _end), C code	in the frame that thread->enter_frame names; what
 *				else was done is found in thread->lp
 *
 * At _pushed and _back_pushed RSP is 8 lower, in between a PUSH and a POP.
 *
 * One jump commits; after it RIP is outside the agent's text.  The agent's
 * handlers run on their own stack, so what lies below RSP stays.
 *
 * SDM, EENTER: of RFLAGS it changes TF alone, and of x87, MXCSR and the vector
 * registers nothing.  So the enclave finds DF, AC, NT and ID as the caller of the
 * vDSO left them, who may be hostile; it is the enclave's entry code that cleans.
 * The C code here does what the ABI promises it, so DF is clear while it runs.  It
 * uses no x87 and no vector register.  AC stays as it is: where it makes an access
 * fault, the trap takes the long way (dispatch() in trap.c).
 */
#include "../offsets.h"
#include <asm/unistd.h>
#include <proto/agent.h>

#define FRAME	-ENTER_BELOW

	.text
	.balign	16
	.globl	agent_enter
agent_enter:
	mov	%rax, FRAME+GPR_RAX(%rsp)
	mov	%rcx, FRAME+GPR_RCX(%rsp)
	mov	%rdx, FRAME+GPR_RDX(%rsp)
	mov	%rbx, FRAME+GPR_RBX(%rsp)
	mov	%rsp, FRAME+GPR_RSP(%rsp)
	mov	%rbp, FRAME+GPR_RBP(%rsp)
	mov	%rsi, FRAME+GPR_RSI(%rsp)
	mov	%rdi, FRAME+GPR_RDI(%rsp)
	mov	%r8, FRAME+GPR_R8(%rsp)
	mov	%r9, FRAME+GPR_R9(%rsp)
	mov	%r10, FRAME+GPR_R10(%rsp)
	mov	%r11, FRAME+GPR_R11(%rsp)
	mov	%r12, FRAME+GPR_R12(%rsp)
	mov	%r13, FRAME+GPR_R13(%rsp)
	mov	%r14, FRAME+GPR_R14(%rsp)
	mov	%r15, FRAME+GPR_R15(%rsp)
	mov	%rcx, FRAME+GPR_RIP(%rsp)
	.globl	agent_enter_intact
agent_enter_intact:
	/* all of the flags; of a tracer's TF the kernel speaks for itself */
	pushfq
	.globl	agent_enter_pushed
agent_enter_pushed:
	popq	FRAME+GPR_RFLAGS(%rsp)
	.globl	agent_enter_flags
agent_enter_flags:
	andl	$~RFLAGS_TF, FRAME+GPR_RFLAGS(%rsp)
	/* sigaltstack(NULL, &frame->altstack) finds the block, not FS */
	xor	%edi, %edi
	lea	FRAME+ENTER_ALTSTACK(%rsp), %rsi
	mov	$__NR_sigaltstack, %eax
	lea	1f(%rip), %r10
	jmp	agent_altstack_call
1:	mov	FRAME+ENTER_ALTSTACK(%rsp), %rdi
	lea	-PROTO_AGENT_BLOCK_STACK(%rdi), %rsi
	movabs	$(PROTO_AGENT_BASE + PROTO_AGENT_BLOCKS), %rdx
	sub	%rdx, %rsi
	cmp	$(PROTO_AGENT_BLOCK_SIZE * PROTO_AGENT_BLOCK_COUNT), %rsi
	jae	agent_enter_back
	add	$(PROTO_AGENT_BLOCK_THREAD - PROTO_AGENT_BLOCK_STACK), %rdi
	lea	FRAME(%rsp), %rsi
	.globl	agent_enter_saved
agent_enter_saved:
	mov	%rsi, THREAD_ENTER_FRAME(%rdi)
	/* from here on the stack is in use, below the frame */
	lea	FRAME-0x80(%rsp), %rsp
	and	$-16, %rsp
	cld
	call	agent_enter_c
	/* RAX = registers to load: frame->out, or frame->in for the long way */
	mov	%rax, %rdi
	pushq	GPR_RFLAGS(%rdi)
	popfq
	mov	GPR_RAX(%rdi), %rax
	mov	GPR_RCX(%rdi), %rcx
	mov	GPR_RDX(%rdi), %rdx
	mov	GPR_RBX(%rdi), %rbx
	mov	GPR_RBP(%rdi), %rbp
	mov	GPR_RSI(%rdi), %rsi
	mov	GPR_R8(%rdi), %r8
	mov	GPR_R9(%rdi), %r9
	mov	GPR_R10(%rdi), %r10
	mov	GPR_R11(%rdi), %r11
	mov	GPR_R12(%rdi), %r12
	mov	GPR_R13(%rdi), %r13
	mov	GPR_R14(%rdi), %r14
	mov	GPR_R15(%rdi), %r15
	/* the target goes where RSP finds it, then no pointer is needed */
	mov	GPR_RSP(%rdi), %rsp
	pushq	GPR_RIP(%rdi)
	popq	FRAME+ENTER_ALTSTACK(%rsp)
	mov	GPR_RDI(%rdi), %rdi
	jmp	*FRAME+ENTER_ALTSTACK(%rsp)
	.globl	agent_enter_end
agent_enter_end:

/* No signal stack yet: everything as it came; the ENCLU traps. */
	.globl	agent_enter_back
agent_enter_back:
	mov	FRAME+GPR_RAX(%rsp), %rax
	mov	FRAME+GPR_RCX(%rsp), %rcx
	mov	FRAME+GPR_RDX(%rsp), %rdx
	mov	FRAME+GPR_RSI(%rsp), %rsi
	mov	FRAME+GPR_RDI(%rsp), %rdi
	mov	FRAME+GPR_R10(%rsp), %r10
	mov	FRAME+GPR_R11(%rsp), %r11
	pushq	FRAME+GPR_RFLAGS(%rsp)
	.globl	agent_enter_back_pushed
agent_enter_back_pushed:
	popfq
	jmp	*FRAME+GPR_RIP(%rsp)
	.globl	agent_enter_back_end
agent_enter_back_end:
	.section .note.GNU-stack, "", @progbits
