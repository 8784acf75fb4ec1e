/* SPDX-License-Identifier: BSD-3-Clause */
/* Which instructions depend on XFRM, in files that are right and in ones that lie. */
#include "xfrm_scan.h"

#include <elf.h>
#include <harness/harness.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_AT	 0x200u
#define TEXT_MAX 0x100u
#define VADDR	 0x401000u

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	Elf64_Shdr sh[3];
	uint8_t gap[TEXT_AT - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr) - 3 * sizeof(Elf64_Shdr)];
	uint8_t text[TEXT_MAX];
};
_Static_assert(offsetof(struct image, text) == TEXT_AT, "struct image");

static struct image im;
static struct xfrm_scan found;

/* A file whose segment and section are this code, and that has no more in it */
static void make(const uint8_t *code, size_t size)
{
	memset(&im, 0, sizeof(im));
	memset(im.text, 0x90, sizeof(im.text));
	memcpy(im.text, code, size);
	memcpy(im.eh.e_ident, ELFMAG, SELFMAG);
	im.eh.e_ident[EI_CLASS] = ELFCLASS64;
	im.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	im.eh.e_machine = EM_X86_64;
	im.eh.e_phoff = offsetof(struct image, ph);
	im.eh.e_phentsize = sizeof(im.ph[0]);
	im.eh.e_phnum = 2;
	im.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = TEXT_AT};
	im.ph[1] = (Elf64_Phdr){.p_type = PT_LOAD,
				.p_flags = PF_R | PF_X,
				.p_offset = TEXT_AT,
				.p_vaddr = VADDR,
				.p_filesz = TEXT_MAX};
	im.eh.e_shoff = offsetof(struct image, sh);
	im.eh.e_shentsize = sizeof(im.sh[0]);
	im.eh.e_shnum = 3;
	im.sh[1] = (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				.sh_addr = VADDR,
				.sh_offset = TEXT_AT,
				.sh_size = size};
	/* what is not code is not looked at */
	im.sh[2] = (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				.sh_flags = SHF_ALLOC,
				.sh_addr = VADDR,
				.sh_offset = TEXT_AT,
				.sh_size = size};
}

static void scan(void)
{
	CHECK_EQ(xfrm_scan(&found, &im, sizeof(im)), 0);
}

static void check_counts(uint64_t avx, uint64_t avx512, uint64_t amx, uint64_t xgetbv)
{
	CHECK_EQ(found.found[XFRM_AVX].count, avx);
	CHECK_EQ(found.found[XFRM_AVX512].count, avx512);
	CHECK_EQ(found.found[XFRM_AMX].count, amx);
	CHECK_EQ(found.found[XFRM_XGETBV].count, xgetbv);
}

struct insn {
	const char *name;
	uint8_t size, code[12];
	int kind; /* -1: of none */
};

/* clang-format off */
static const struct insn insns[] = {
	{ "vpxor %xmm0, %xmm0, %xmm0", 4, { 0xc5, 0xf9, 0xef, 0xc0 }, XFRM_AVX },
	{ "vzeroupper", 3, { 0xc5, 0xf8, 0x77 }, XFRM_AVX },
	{ "vfmadd231ps %ymm1, %ymm2, %ymm3", 5, { 0xc4, 0xe2, 0x6d, 0xb8, 0xd9 }, XFRM_AVX },
	{ "vcvtph2ps %xmm1, %xmm0", 5, { 0xc4, 0xe2, 0x79, 0x13, 0xc1 }, XFRM_AVX },
	{ "vaesenc %xmm1, %xmm0, %xmm0", 5, { 0xc4, 0xe2, 0x79, 0xdc, 0xc1 }, XFRM_AVX },
	{ "vphaddbd %xmm0, %xmm0 (XOP)", 5, { 0x8f, 0xe9, 0x78, 0xc2, 0xc0 }, XFRM_AVX },
	{ "vpxord %zmm0, %zmm0, %zmm0", 6, { 0x62, 0xf1, 0x7d, 0x48, 0xef, 0xc0 }, XFRM_AVX512 },
	{ "vpxord %xmm16, %xmm16, %xmm16", 6, { 0x62, 0xa1, 0x7d, 0x00, 0xef, 0xc0 }, XFRM_AVX512 },
	{ "kmovw %eax, %k1", 4, { 0xc5, 0xf8, 0x92, 0xc8 }, XFRM_AVX512 },
	{ "kortestw %k0, %k0", 4, { 0xc5, 0xf8, 0x98, 0xc0 }, XFRM_AVX512 },
	{ "tilerelease", 5, { 0xc4, 0xe2, 0x78, 0x49, 0xc0 }, XFRM_AMX },
	{ "tilezero %tmm0", 5, { 0xc4, 0xe2, 0x7b, 0x49, 0xc0 }, XFRM_AMX },
	{ "xgetbv", 3, { 0x0f, 0x01, 0xd0 }, XFRM_XGETBV },
	/* VEX, and XOP, on general registers: no state of XCR0's is touched */
	{ "andn %eax, %ebx, %ecx", 5, { 0xc4, 0xe2, 0x60, 0xf2, 0xc8 }, -1 },
	{ "blsr %eax, %ecx", 5, { 0xc4, 0xe2, 0x70, 0xf3, 0xc8 }, -1 },
	{ "shlx %eax, %ebx, %ecx", 5, { 0xc4, 0xe2, 0x79, 0xf7, 0xcb }, -1 },
	{ "pdep %eax, %ebx, %ecx", 5, { 0xc4, 0xe2, 0x63, 0xf5, 0xc8 }, -1 },
	{ "rorx $1, %eax, %ecx", 6, { 0xc4, 0xe3, 0x7b, 0xf0, 0xc8, 0x01 }, -1 },
	{ "blcfill %eax, %ecx (XOP)", 5, { 0x8f, 0xe9, 0x70, 0x01, 0xc8 }, -1 },
	/* legacy encodings */
	{ "pxor %xmm0, %xmm0", 4, { 0x66, 0x0f, 0xef, 0xc0 }, -1 },
	{ "aesenc %xmm1, %xmm0", 5, { 0x66, 0x0f, 0x38, 0xdc, 0xc1 }, -1 },
	{ "fld1", 2, { 0xd9, 0xe8 }, -1 },
	{ "pop (%rax)", 2, { 0x8f, 0x00 }, -1 },
	/* the bytes of a VPXOR in a constant are none */
	{ "movabs $0xc0eff9c5, %rax", 10, { 0x48, 0xb8, 0xc5, 0xf9, 0xef, 0xc0, 0, 0, 0, 0 }, -1 },
};
/* clang-format on */

TEST(each_instruction)
{
	for (size_t i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		const struct insn *in = &insns[i];

		make(in->code, in->size);
		scan();
		CHECK_EQ(found.code_size, in->size);
		for (int k = 0; k < XFRM_KINDS; k++)
			if (found.found[k].count != (uint64_t)(k == in->kind))
				FAIL("%s: %llu of kind %d", in->name,
				     (unsigned long long)found.found[k].count, k);
		if (in->kind >= 0)
			CHECK_EQ(found.found[in->kind].first[0], VADDR);
	}
}

TEST(counts_and_addresses)
{
	uint8_t code[TEXT_MAX];
	size_t n = 0;

	/* ud2, and a byte that is nothing in 64-bit mode, between VPXORs */
	for (int i = 0; i < 6; i++) {
		memcpy(code + n, insns[0].code, insns[0].size);
		n += insns[0].size;
		code[n++] = 0x0f;
		code[n++] = 0x0b;
		code[n++] = 0x06;
	}
	make(code, n);
	scan();
	check_counts(6, 0, 0, 0);
	for (unsigned i = 0; i < XFRM_FIRST_MAX; i++)
		CHECK_EQ(found.found[XFRM_AVX].first[i], VADDR + i * (insns[0].size + 3u));
}

/* A stripped enclave has segments alone */
TEST(without_sections)
{
	make(insns[0].code, insns[0].size);
	im.eh.e_shoff = im.eh.e_shnum = 0;
	scan();
	CHECK_EQ(found.code_size, TEXT_MAX);
	check_counts(1, 0, 0, 0);
	CHECK_EQ(found.found[XFRM_AVX].first[0], VADDR);
	/* and where no section is code, too */
	make(insns[0].code, insns[0].size);
	im.sh[1].sh_flags = SHF_ALLOC;
	scan();
	check_counts(1, 0, 0, 0);
	im.ph[1].p_flags = PF_R;
	scan();
	CHECK_EQ(found.code_size, 0);
	check_counts(0, 0, 0, 0);
}

/* What lies outside of the file is not looked at; what is none is refused. */
TEST(files_that_lie)
{
	make(insns[0].code, insns[0].size);
	im.sh[1].sh_size = UINT64_MAX;
	scan();
	CHECK_EQ(found.code_size, TEXT_MAX);
	check_counts(1, 0, 0, 0);
	im.sh[1].sh_offset = UINT64_MAX - 4;
	scan();
	check_counts(1, 0, 0, 0); /* by the segment */
	im.ph[1].p_offset = sizeof(im);
	scan();
	CHECK_EQ(found.code_size, 0);
	im.eh.e_shoff = sizeof(im) - 8;
	im.eh.e_phoff = UINT64_MAX - 8;
	scan();
	im.eh.e_shoff = im.eh.e_phoff = 0;
	im.eh.e_shentsize = im.eh.e_phentsize = 1;
	scan();
	CHECK_EQ(found.code_size, 0);

	/* the same bytes by many sections: not more than twice */
	make(insns[0].code, insns[0].size);
	im.sh[1].sh_offset = 0;
	im.sh[1].sh_size = sizeof(im);
	im.sh[0] = im.sh[2] = im.sh[1];
	scan();
	CHECK(found.code_size < 2 * sizeof(im));

	CHECK_EQ(xfrm_scan(&found, &im, sizeof(im.eh) - 1), -1);
	CHECK_EQ(xfrm_scan(&found, &im, 0), -1);
	im.eh.e_ident[EI_CLASS] = ELFCLASS32;
	CHECK_EQ(xfrm_scan(&found, &im, sizeof(im)), -1);
	im.eh.e_ident[EI_CLASS] = ELFCLASS64;
	im.eh.e_machine = EM_AARCH64;
	CHECK_EQ(xfrm_scan(&found, &im, sizeof(im)), -1);
	im.eh.e_machine = EM_X86_64;
	im.eh.e_ident[0] = 0;
	CHECK_EQ(xfrm_scan(&found, &im, sizeof(im)), -1);
}

/* --- verdicts ----------------------------------------------------------------------- */

static char *text;
static size_t text_size;

static void print(bool json, bool known, uint64_t xfrm, uint64_t mask)
{
	const struct xfrm_signed is = {known, xfrm, mask};
	struct json j;
	FILE *f;

	free(text);
	f = open_memstream(&text, &text_size);
	CHECK(f);
	if (json) {
		json_start(&j, f);
		json_open_object(&j, NULL);
		xfrm_print_json(&j, &found, &is);
		json_close_object(&j);
		json_end(&j);
	} else {
		xfrm_print(f, &found, &is);
	}
	CHECK_EQ(fclose(f), 0);
}

static void check_verdict(const char *member, const char *want)
{
	char name[32], *at, *end;

	snprintf(name, sizeof(name), "\"%s\"", member);
	at = strstr(text, name);
	CHECK(at);
	end = strchr(at, '}');
	CHECK(end);
	*end = '\0';
	at = strstr(at, "\"verdict\"");
	if (!want ? at != NULL : !at || !strstr(at, want))
		FAIL("%s: %s, not %s", member, at ? at : "no verdict", want ? want : "none");
	*end = '}';
}

TEST(verdicts)
{
	static const uint8_t code[] = {0xc5, 0xf9, 0xef, 0xc0, 0x62, 0xf1, 0x7d, 0x48, 0xef,
				       0xc0, 0xc4, 0xe2, 0x7b, 0x49, 0xc0, 0x0f, 0x01, 0xd0};

	make(code, sizeof(code));
	scan();
	check_counts(1, 1, 1, 1);
	print(true, false, 0, ~0ull);
	check_verdict("avx", NULL);
	CHECK(!strstr(text, "\"signed\""));
	print(true, true, 3, ~0ull);
	check_verdict("avx", "missing");
	check_verdict("avx512", "missing");
	check_verdict("amx", "missing");
	check_verdict("xgetbv", NULL);
	print(true, true, 7, ~0ull);
	check_verdict("avx", "signed");
	check_verdict("avx512", "missing");
	print(true, true, 0x600e7, ~0ull);
	check_verdict("avx512", "signed");
	check_verdict("amx", "signed");
	/* Intel's SDK: all but x87 and SSE is the loader's */
	print(true, true, 3, 3);
	check_verdict("avx", "open");
	check_verdict("amx", "open");
	print(true, true, 7, 3);
	check_verdict("avx", "open");
	/* one bit of several is enough */
	print(true, true, 0x67, 0x80);
	check_verdict("avx512", "missing");

	print(false, true, 3, ~0ull);
	CHECK(strstr(text, "AVX      1, at 0x401000\n"));
	CHECK(strstr(text, "needs 0x4 of XFRM, and 0x3 IS LESS"));
	CHECK(strstr(text, "XGETBV   1, at 0x40100f\n"));
	print(false, false, 0, 0);
	CHECK(strstr(text, "needs 0x4 of XFRM\n"));
	make(insns[13].code, insns[13].size);
	scan();
	print(false, true, 3, ~0ull);
	CHECK(strstr(text, "  none\n"));
	free(text);
	text = NULL;
}
