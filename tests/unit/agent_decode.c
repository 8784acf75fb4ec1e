/* SPDX-License-Identifier: BSD-3-Clause */
/* Which instructions the agent takes for illegal in enclave mode. */
#include <harness/harness.h>

#include "../../agent/entry/decode.h"

#include <stdlib.h>
#include <string.h>

struct insn {
	const char *name;
	uint8_t size, code[8];
	bool illegal;
};

/* clang-format off */
static const struct insn insns[] = {
	{"SYSCALL", 2, {0x0f, 0x05}, true}, {"SYSENTER", 2, {0x0f, 0x34}, true},
	{"SYSRET", 3, {0x48, 0x0f, 0x07}, false}, {"SYSEXIT", 2, {0x0f, 0x35}, false},
	{"INT 80H", 2, {0xcd, 0x80}, true}, {"IRETQ", 2, {0x48, 0xcf}, true},
	{"IN", 2, {0xe4, 1}, true}, {"IN DX", 2, {0x66, 0xed}, true},
	{"OUT", 2, {0xe7, 1}, true}, {"OUT DX", 1, {0xee}, true},
	{"REP INSB", 2, {0xf3, 0x6c}, true}, {"OUTSD", 1, {0x6f}, true},
	{"RETF", 1, {0xcb}, true}, {"RETF n", 3, {0xca, 8, 0}, true}, {"RET", 1, {0xc3}, false},
	{"CALL m16:32", 2, {0xff, 0x18}, true}, {"JMP m16:64", 3, {0x48, 0xff, 0x28}, true},
	{"CALL", 2, {0xff, 0xd0}, false}, {"JMP", 2, {0xff, 0xe0}, false},
	{"PUSH m", 2, {0xff, 0x30}, false}, {"INC m", 2, {0xff, 0x00}, false},
	{"MOV DS", 2, {0x8e, 0xd8}, true}, {"MOV from DS", 2, {0x8c, 0xd8}, false},
	{"POP m", 2, {0x8f, 0x00}, false}, {"POP FS", 2, {0x0f, 0xa1}, true},
	{"POP GS", 2, {0x0f, 0xa9}, true}, {"PUSH FS", 2, {0x0f, 0xa0}, false},
	{"LSS", 4, {0x48, 0x0f, 0xb2, 0x08}, true}, {"LFS", 3, {0x0f, 0xb4, 0x08}, true},
	{"LGS", 3, {0x0f, 0xb5, 0x08}, true}, {"MOVZX", 3, {0x0f, 0xb6, 0x08}, false},
	{"CPUID", 2, {0x0f, 0xa2}, true}, {"RDPMC", 2, {0x0f, 0x33}, true},
	{"RDTSC", 2, {0x0f, 0x31}, false}, {"RDTSCP", 3, {0x0f, 0x01, 0xf9}, false},
	{"RDMSR", 2, {0x0f, 0x32}, false}, {"GETSEC", 2, {0x0f, 0x37}, true},
	{"SLDT", 3, {0x0f, 0x00, 0xc0}, true}, {"STR m", 3, {0x0f, 0x00, 0x08}, true},
	{"LLDT", 3, {0x0f, 0x00, 0xd0}, false}, {"VERR", 3, {0x0f, 0x00, 0xe0}, false},
	{"SGDT", 3, {0x0f, 0x01, 0x00}, true}, {"SIDT", 3, {0x0f, 0x01, 0x08}, true},
	{"LGDT", 3, {0x0f, 0x01, 0x10}, false}, {"LIDT", 3, {0x0f, 0x01, 0x18}, false},
	{"SMSW", 3, {0x0f, 0x01, 0xe0}, true}, {"SMSW m", 3, {0x0f, 0x01, 0x20}, true},
	{"LMSW", 3, {0x0f, 0x01, 0xf0}, false}, {"INVLPG", 3, {0x0f, 0x01, 0x38}, false},
	{"VMCALL", 3, {0x0f, 0x01, 0xc1}, true}, {"VMLAUNCH", 3, {0x0f, 0x01, 0xc2}, false},
	{"VMFUNC", 3, {0x0f, 0x01, 0xd4}, true}, {"VMMCALL", 3, {0x0f, 0x01, 0xd9}, true},
	{"XGETBV", 3, {0x0f, 0x01, 0xd0}, false}, {"XSETBV", 3, {0x0f, 0x01, 0xd1}, false},
	{"ENCLU", 3, {0x0f, 0x01, 0xd7}, false}, {"MONITOR", 3, {0x0f, 0x01, 0xc8}, false},
	{"SWAPGS", 3, {0x0f, 0x01, 0xf8}, false},
	{"HLT", 1, {0xf4}, false}, {"CLI", 1, {0xfa}, false}, {"STI", 1, {0xfb}, false},
	{"MOV CR", 3, {0x0f, 0x20, 0xc0}, false}, {"WRMSR", 2, {0x0f, 0x30}, false},
	{"INT3", 1, {0xcc}, false}, {"INT1", 1, {0xf1}, false}, {"UD2", 2, {0x0f, 0x0b}, false},
	{"MOV", 3, {0x48, 0x8b, 0x12}, false},
	/* prefixes, any number */
	{"all prefixes", 8, {0xf0, 0xf2, 0x2e, 0x66, 0x67, 0x48, 0x0f, 0x05}, true},
	/* the same bytes in another place */
	{"MOV imm", 5, {0xb8, 0x0f, 0x05, 0x0f, 0x05}, false},
};
/* clang-format on */

TEST(table)
{
	for (size_t i = 0; i < sizeof(insns) / sizeof(insns[0]); i++)
		if (decode_illegal_inside(insns[i].code, insns[i].size) != insns[i].illegal)
			FAIL("%s is taken for %s", insns[i].name,
			     insns[i].illegal ? "legal" : "illegal");
}

/* Fewer bytes than the instruction has, at the end of what can be read */
TEST(cut_off)
{
	static const uint8_t prefixes[64] = {0x66, 0x66, 0x66, 0x66};
	uint8_t code[DECODE_MAX + 8];

	CHECK(!decode_illegal_inside(prefixes, 0));
	CHECK(!decode_illegal_inside(prefixes, 4));
	CHECK(!decode_illegal_inside((const uint8_t *)"\x0f", 1));
	CHECK(!decode_illegal_inside((const uint8_t *)"\x0f\x01", 2));
	CHECK(!decode_illegal_inside((const uint8_t *)"\xff", 1));
	CHECK(decode_illegal_inside((const uint8_t *)"\xcd", 1));
	/* an instruction has at most 15 bytes */
	memset(code, 0x66, sizeof(code));
	code[DECODE_MAX] = 0xcf;
	CHECK(!decode_illegal_inside(code, sizeof(code)));
	code[DECODE_MAX - 1] = 0xcf;
	CHECK(decode_illegal_inside(code, sizeof(code)));
	/* every size of every pair of bytes is looked at without reading behind it */
	for (unsigned int a = 0; a < 256; a++)
		for (unsigned int b = 0; b < 256; b++)
			for (uint32_t size = 0; size <= 2; size++) {
				uint8_t *exact = malloc(size ? size : 1);

				if (size > 0)
					exact[0] = (uint8_t)a;
				if (size > 1)
					exact[1] = (uint8_t)b;
				decode_illegal_inside(exact, size);
				free(exact);
			}
}
