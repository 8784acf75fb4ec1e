/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The head page: every system call of the agent, and what others know by
 * address (proto/agent.h).  The filter lets system calls from this page pass.
 */
#include "offsets.h"
#include <asm/unistd.h>
#include <proto/agent.h>
#include <proto/version.h>

	.section .head.text, "ax"
	.globl	agent_header
agent_header:
	.quad	0x746e656761786773	/* PROTO_AGENT_MAGIC */
	.long	PROTO_VERSION
	.long	agent_start_entry - agent_header
	.long	agent_debug - agent_header
	.long	0

	.org	PROTO_AGENT_SYSCALL_OFF
	syscall				/* for inject/: one remote system call */
	int3

	.org	PROTO_AGENT_ENTER_OFF
	jmp	agent_enter

/* long agent_syscall(nr, a, b, c, d, e, f@stack) */
	.balign	16
	.globl	agent_syscall
agent_syscall:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	ret

/* sigaltstack(NULL, r11): for the entry path; rcx and r11 are lost */
	.balign	16
	.globl	agent_altstack_call
agent_altstack_call:
	syscall
	jmp	*%r10

	.balign	16
	.globl	agent_restorer
agent_restorer:
	mov	$__NR_rt_sigreturn, %eax
	syscall
	int3

/*
 * What the kernel calls for a signal.  DF and TF are clear; AC may be set (the
 * kernel leaves it): C code may make misaligned accesses, so clear it first.
 *
 * rt_sigreturn takes from the frame the flags that Linux lets a handler change, AC
 * and DF among them.  NT and ID it leaves as they are when it is called.  But what the
 * agent sends to is the program's or the enclave's context with flags of its own
 * (ERESUME: those of the SSA), so these two are loaded from the frame before it.
 *
 * agent_signal() says for which thread this is the outermost handler.  Such a one
 * delivers what else has arrived before it returns; and SIGSEGV or SIGBUS may be
 * sent after any look at it.  So the last look and the return are one range, and
 * a signal in there makes its own return go to agent_tail_again, which is good
 * from any point of it (RBX: the frame's ucontext, RBP: the thread).
 */
	.balign	16
	.globl	agent_signal_entry
agent_signal_entry:
	pushfq
	andq	$~RFLAGS_AC, (%rsp)
	popfq
	sub	$8, %rsp
	mov	%rdx, %rbx
	call	agent_signal
	mov	%rax, %rbp
	test	%rax, %rax
	jz	1f
	.globl	agent_tail_again
agent_tail_again:
	mov	%rbp, %rdi
	mov	%rbx, %rsi
	call	agent_signal_tail
	.globl	agent_tail_begin
agent_tail_begin:
	cmpl	$0, THREAD_SIG_CHECK(%rbp)
	jne	agent_tail_again
1:	mov	UC_RFLAGS(%rbx), %eax
	and	$(RFLAGS_NT | RFLAGS_ID), %eax
	pushfq
	andq	$~(RFLAGS_NT | RFLAGS_ID | RFLAGS_TF), (%rsp)
	or	%rax, (%rsp)
	popfq
	mov	%rbx, %rsp
	mov	$__NR_rt_sigreturn, %eax
	syscall
	.globl	agent_tail_end
agent_tail_end:
	int3

/*
 * The thread is over: give its block back and exit, without touching the
 * signal stack after the store, for the block may be another thread's by then.
 */
	.balign	16
	.globl	agent_thread_exit
agent_thread_exit:
	mov	%rdi, %rdx
	mov	%rsi, %rdi
	mov	$__NR_exit, %eax
	movl	$0, (%rdx)
	syscall
	int3

/*
 * long agent_window_call(nr, args, mask, blocked, thread)
 *
 * The only place where asynchronous signals are let in.  One that arrives
 *  - from _begin up to and including the instruction at _sys, which lies with the
 *    other re-issued calls: the call has not happened: the trapped call is to be
 *    made again;
 *  - after it (_after), and from _back up to _done: RAX is its result;
 *  - from _done to _end: RBX is its result, or says that there was no call.
 * From any point up to _sys it can begin again at _begin.  See signal/window.c.
 */
	.balign	16
	.globl	agent_window_call
agent_window_call:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rbp		/* nr */
	mov	%rsi, %r12		/* args */
	mov	%rcx, %r13		/* blocked */
	mov	%r8, %r14		/* thread */
	mov	%rdx, %r15		/* mask */
	.globl	agent_window_begin
agent_window_begin:
	mov	$AGENT_WINDOW_AGAIN, %rbx
	mov	$2, %edi		/* SIG_SETMASK */
	mov	%r15, %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	mov	$__NR_rt_sigprocmask, %eax
	syscall
	/* SIGSEGV and SIGBUS may have been sent since the caller looked */
	cmpl	$0, THREAD_SIG_CHECK(%r14)
	jne	agent_window_done
	mov	0(%r12), %rdi
	mov	8(%r12), %rsi
	mov	16(%r12), %rdx
	mov	24(%r12), %r10
	mov	32(%r12), %r8
	mov	40(%r12), %r9
	mov	%rbp, %rax
	jmp	agent_window_sys
	.globl	agent_window_back
agent_window_back:
	mov	%rax, %rbx
	.globl	agent_window_done
agent_window_done:
	mov	$2, %edi
	mov	%r13, %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	mov	$__NR_rt_sigprocmask, %eax
	syscall
	.globl	agent_window_end
agent_window_end:
	mov	%rbx, %rax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/*
 * Where injection starts: RDI = params.  All of the arena is read-execute, so that
 * there is no stack before the calls of the list are made.  Advice may be refused;
 * where another call is, params say which, and what it said.  Ends in int3.
 */
	.balign	16
agent_start_entry:
	mov	%rdi, %r12
	mov	%rdi, %rbx
1:	mov	START_NR(%rbx), %rax
	test	%rax, %rax
	jz	2f
	mov	START_ARG(%rbx), %rdi
	mov	START_ARG+8(%rbx), %rsi
	mov	START_ARG+16(%rbx), %rdx
	mov	START_ARG+24(%rbx), %r10
	mov	START_ARG+32(%rbx), %r8
	mov	START_ARG+40(%rbx), %r9
	syscall
	cmpq	$__NR_madvise, START_NR(%rbx)
	je	3f
	cmp	$-4096, %rax
	ja	5f
3:	add	$START_SIZE, %rbx
	jmp	1b
2:	mov	%r12, %rdi
	and	$-16, %rsp
	call	agent_start
	int3
5:	mov	%rax, START_STATUS(%r12)
	mov	START_NR(%rbx), %rax
	mov	%rax, START_STATUS+8(%r12)
	int3

/*
 * clone, fork and vfork: see sys/clone.c.  Nothing here may use the stack, which is the
 * program's, and may be both sides'.  Flags and what is lost of the registers come back
 * at the hlt.
 *
 * A vfork child comes here first, RBX = its block: in place of the parent's signal
 * stack it takes its own.  rt_sigreturn cannot change one that it stands on.
 */
	.org	PROTO_AGENT_CLONE_OFF
	.globl	agent_vfork_child
agent_vfork_child:
	lea	THREAD_CLONE_STACK(%rbx), %rdi
	xor	%esi, %esi
	mov	$__NR_sigaltstack, %eax
	syscall
	xor	%eax, %eax
	.globl	agent_vfork_child_hlt
agent_vfork_child_hlt:
	hlt

/*
 * From here on: system calls of the program's that the agent makes for it.  A
 * filter of the program's own decides on these, and not on those above
 * (sys/seccomp.c).
 */
	.org	PROTO_AGENT_OWN_SIZE
	.globl	agent_clone_call
agent_clone_call:
	syscall
	.globl	agent_clone_hlt
agent_clone_hlt:
	hlt
	.globl	agent_vfork_call
agent_vfork_call:
	syscall
	test	%rax, %rax
	jz	agent_vfork_child
	.globl	agent_vfork_hlt
agent_vfork_hlt:
	hlt
	.org	PROTO_AGENT_CLONE_OFF + PROTO_AGENT_CLONE_SIZE, 0xcc

	.globl	agent_syscall_for
agent_syscall_for:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	.globl	agent_syscall_for_done
agent_syscall_for_done:
	ret

	.balign	16
	.globl	agent_window_sys
agent_window_sys:
	syscall
	.globl	agent_window_after
agent_window_after:
	jmp	agent_window_back

	.org	PROTO_AGENT_HEAD_SIZE, 0xcc
	.section .note.GNU-stack, "", @progbits
