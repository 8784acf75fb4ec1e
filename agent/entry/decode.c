/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instructions that are #UD in enclave mode (SDM volume 3D, "Illegal Instructions
 * Inside an Enclave").  Outside they run, or raise #GP in user mode; here the
 * handler looks at what raised #GP.
 *
 * 64-bit mode only, so what is #UD there everywhere (LDS, LES, INTO, PUSH of the
 * old segments, far pointers in the instruction) needs no line.  Instructions that
 * want CPL 0 (HLT, CLI, MOV CRn, WRMSR, LGDT, SYSRET, SYSEXIT, XSETBV, ...) are
 * #GP(0) inside as well as outside.
 */
#include "decode.h"

#define MODRM_MOD(m) ((m) >> 6)
#define MODRM_REG(m) ((m) >> 3 & 7)

static bool is_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x26: /* segments */
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66: /* sizes */
	case 0x67:
	case 0xf0: /* LOCK, REPNE, REP */
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return byte >= 0x40 && byte <= 0x4f; /* REX */
	}
}

/* 0F 01: groups 7.  Memory forms by /reg, register forms one by one. */
static bool illegal_0f01(uint8_t modrm)
{
	switch (MODRM_REG(modrm)) {
	case 0: /* SGDT; VMCALL is C1 */
		return MODRM_MOD(modrm) != 3 || modrm == 0xc1;
	case 1: /* SIDT */
		return MODRM_MOD(modrm) != 3;
	case 2: /* VMFUNC is D4 */
		return modrm == 0xd4;
	case 3: /* VMMCALL is AMD's VMCALL; Intel's processors do not know it */
		return modrm == 0xd9;
	case 4: /* SMSW */
		return true;
	default:
		return false;
	}
}

/* The second byte of a two-byte opcode */
static bool illegal_0f(uint8_t opcode, uint8_t modrm)
{
	switch (opcode) {
	case 0x00: /* SLDT, STR */
		return MODRM_REG(modrm) <= 1;
	case 0x01:
		return illegal_0f01(modrm);
	case 0x05: /* SYSCALL */
	case 0x33: /* RDPMC */
	case 0x34: /* SYSENTER */
	case 0x37: /* GETSEC */
	case 0xa1: /* POP FS */
	case 0xa2: /* CPUID */
	case 0xa9: /* POP GS */
	case 0xb2: /* LSS */
	case 0xb4: /* LFS */
	case 0xb5: /* LGS */
		return true;
	default:
		return false;
	}
}

bool decode_illegal_inside(const uint8_t *code, uint32_t size)
{
	uint32_t i = 0;
	uint8_t next;

	if (size > DECODE_MAX)
		size = DECODE_MAX;
	while (i < size && is_prefix(code[i]))
		i++;
	if (i >= size)
		return false;
	next = i + 1 < size ? code[i + 1] : 0;

	switch (code[i]) {
	case 0x0f:
		return i + 1 < size && illegal_0f(next, i + 2 < size ? code[i + 2] : 0x3f);
	case 0x6c: /* INS, OUTS */
	case 0x6d:
	case 0x6e:
	case 0x6f:
	case 0x8e: /* MOV to a segment register */
	case 0xca: /* far RET */
	case 0xcb:
	case 0xcd: /* INT n */
	case 0xcf: /* IRET */
	case 0xe4: /* IN, OUT */
	case 0xe5:
	case 0xe6:
	case 0xe7:
	case 0xec:
	case 0xed:
	case 0xee:
	case 0xef:
		return true;
	case 0xff: /* far CALL and far JMP */
		return i + 1 < size && (MODRM_REG(next) == 3 || MODRM_REG(next) == 5);
	default:
		return false;
	}
}
