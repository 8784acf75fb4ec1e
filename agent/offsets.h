/* SPDX-License-Identifier: BSD-3-Clause */
/* Offsets that assembly uses; each is asserted against the structures in util.c. */
#ifndef AGENT_OFFSETS_H
#define AGENT_OFFSETS_H

/* struct lp_gprs */
#define GPR_RAX	   0
#define GPR_RCX	   8
#define GPR_RDX	   16
#define GPR_RBX	   24
#define GPR_RSP	   32
#define GPR_RBP	   40
#define GPR_RSI	   48
#define GPR_RDI	   56
#define GPR_R8	   64
#define GPR_R9	   72
#define GPR_R10	   80
#define GPR_R11	   88
#define GPR_R12	   96
#define GPR_R13	   104
#define GPR_R14	   112
#define GPR_R15	   120
#define GPR_RFLAGS 128
#define GPR_RIP	   136
#define GPR_SIZE   160

/* RFLAGS that assembly names */
#define RFLAGS_TF 0x100
#define RFLAGS_NT 0x4000
#define RFLAGS_AC 0x40000
#define RFLAGS_ID 0x200000

/* struct ucontext */
#define UC_RFLAGS 176

/* struct proto_start_call */
#define START_NR   0
#define START_ARG  8
#define START_SIZE 56
/* struct proto_agent_params: what failed comes after all calls */
#define START_STATUS 672

/* struct agent_enter_frame */
#define ENTER_ALTSTACK (2 * GPR_SIZE)
#define ENTER_SIZE     (2 * GPR_SIZE + 24)
/* The frame lies this far below the program's stack pointer, red zone included */
#define ENTER_BELOW 0x200

/* struct agent_thread */
#define THREAD_ENTER_FRAME 8
#define THREAD_SIG_CHECK   32
#define THREAD_CLONE_STACK 48

/* What agent_window_call() returns where it made no call: no errno of Linux' */
#define AGENT_WINDOW_AGAIN -4097

#endif
