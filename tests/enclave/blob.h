/* SPDX-License-Identifier: BSD-3-Clause */
/* What blob.S and the tests agree on.  C and assembly. */
#ifndef TESTS_ENCLAVE_BLOB_H
#define TESTS_ENCLAVE_BLOB_H

/* Layout: offsets from SECS.BASE */
#define ENCL_CODE      0x0000
#define ENCL_CODE_SIZE 0x2000
#define ENCL_DATA      0x4000 /* read-write */
#define ENCL_DATA_SIZE 0x4000
#define ENCL_RO	       0x8000 /* read-only */
#define ENCL_NOX       0x9000 /* read-write; its mapping may be taken away */
#define ENCL_HOLE      0xa000 /* never added */
#define ENCL_RWX       0xb000 /* code that a test writes; see encl_snippet() */
#define ENCL_TCS       0x10000

/* In the data pages */
#define DATA_DUMP    0x000 /* struct dump: registers as they came in */
#define DATA_OUT     0x400 /* struct vstate: registers as they were kept */
#define DATA_SCRATCH 0x1000 /* 512-byte aligned operands */

/* RDI at entry */
#define OP_NOP		0 /* RSI = CSSA, RDX = RCX at entry */
#define OP_COPY		1 /* R8 bytes from RDX to RSI */
#define OP_READ8	2 /* RDX = *(u64 *)RSI */
#define OP_WRITE8	3 /* *(u64 *)RSI = RDX */
#define OP_JUMP		4 /* to RSI */
#define OP_UD2		5
#define OP_DIVIDE	6
#define OP_NONCANONICAL 7
#define OP_INT3		8
#define OP_ENCLU	9 /* EAX = RSI, RBX = RDX, RCX = R8, RDX = R9; RSI, RDX = RAX, RFLAGS */
#define OP_STATE	10 /* load struct vstate at RSI (XFRM in R8), UD2, keep all in DATA_OUT */
/* With RSP from RDX on, until *(u64 *)RSI is set; RDX rounds, R8 = 0 or what broke */
#define OP_COUNT  11
#define OP_SPIN	  12 /* until *(u64 *)RSI is set, after setting *(u64 *)RDX */
#define OP_ADD	  13 /* R8 times: lock inc *(u64 *)RSI */
#define OP_HLT	  14
#define OP_MASKED 15 /* SSE exception unmasked: 0/0 */
/* Until *(u64 *)RSI is set: R8, R9 = %fs:0, %gs:0; RDX = 0, or 1 where one has changed */
#define OP_BASES 16
#define OP_LAST	 17 /* anything above: RSI = -1 */

/* struct vstate */
#define VSTATE_YMM    0x000 /* 16 x 32 */
#define VSTATE_GPR    0x200 /* RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
#define VSTATE_MXCSR  0x280
#define VSTATE_FCW    0x284
#define VSTATE_RFLAGS 0x288
#define VSTATE_SIZE   0x2c0

/* struct dump */
#define DUMP_GPR    0x000 /* as above */
#define DUMP_FS	    0x080 /* %fs:0 */
#define DUMP_GS	    0x088 /* %gs:0 */
#define DUMP_RFLAGS 0x090
#define DUMP_XMM    0x0c0
#define DUMP_SIZE   0x1c0

#endif
