/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inject_cpuid_scan() on small images made here, whole and damaged.
 * inject_cpuid_files.c has the tests on real files.
 */
#include <harness/harness.h>
#include <inject/cpuid.h>

#include <elf.h>
#include <stdlib.h>

/* ---- a small ELF file ---------------------------------------------------- */

/* Where things are in the file. Addresses are not offsets, on purpose. */
enum {
	EH_HDR = 0x200,
	EH_FRAME = 0x220,
	STRTAB = 0x400,
	SYMTAB = 0x440,
	SHDRS = 0x600,
	TABLE = 0x800, /* read-only data of the test */
	CODE = 0x1000,
	MAX_CODE = 256,

	DATA_VADDR = 0x400000, /* of offset 0 */
	CODE_VADDR = 0x410000, /* of CODE */
	EH_VADDR = DATA_VADDR + EH_FRAME,
};

/* How the file tells of its function. */
enum source {
	BY_SYMBOL,
	BY_IFUNC,
	BY_DYNSYM,
	BY_FDE_HDR, /* PT_GNU_EH_FRAME, no sections */
	BY_FDE_SECTION,
	BY_GO, /* in files at fixed addresses only */
};

struct image {
	uint8_t bytes[CODE + MAX_CODE];
	size_t size;
};

static void put(struct image *im, size_t at, const void *p, size_t size)
{
	memcpy(im->bytes + at, p, size);
}

/* The CIE and FDE: what is between the fixed parts is the test's. */
struct cfi {
	const char *cie; /* from the version on */
	size_t cie_size;
	bool absolute;
};

#define CFI(bytes, is_absolute)                       \
	{                                             \
		bytes, sizeof(bytes) - 1, is_absolute \
	}

static const struct cfi cfi_zR = CFI("\1zR\0\1\x78\x10\1\x1b", false);

static void put_eh_frame(struct image *im, const struct cfi *c, uint64_t start, uint32_t size)
{
	size_t at = EH_FRAME, fde;
	uint32_t word;
	uint64_t quad;

	word = (uint32_t)(4 + c->cie_size);
	put(im, at, &word, 4);
	put(im, at + 8, c->cie, c->cie_size);
	fde = at + 8 + c->cie_size;
	word = c->absolute ? 4 + 16 + 1 : 4 + 8 + 1;
	put(im, fde, &word, 4);
	word = (uint32_t)(fde + 4 - at);
	put(im, fde + 4, &word, 4);
	if (c->absolute) {
		put(im, fde + 8, &start, 8);
		quad = size;
		put(im, fde + 16, &quad, 8);
	} else {
		word = (uint32_t)(start - (DATA_VADDR + fde + 8));
		put(im, fde + 8, &word, 4);
		put(im, fde + 12, &size, 4);
	}
	/* version 1, pcrel sdata4, no table */
	put(im, EH_HDR, "\1\x1b\xff\xff", 4);
	word = EH_FRAME - (EH_HDR + 4);
	put(im, EH_HDR + 4, &word, 4);
}

/* Two functions; the text begins before the code, and the first one is before it too. */
static void put_pclntab(struct image *im, uint64_t start, uint64_t size)
{
	const uint64_t text = CODE_VADDR - 16, count = 2, table = 80;
	const uint32_t entries[] = {0, 7, (uint32_t)(16 + start), 9, (uint32_t)(16 + start + size)};

	put(im, EH_FRAME, "\xf1\xff\xff\xff\0\0\1\x08", 8);
	put(im, EH_FRAME + 8, &count, 8);
	put(im, EH_FRAME + 24, &text, 8);
	put(im, EH_FRAME + 64, &table, 8);
	put(im, EH_FRAME + table, entries, sizeof(entries));
}

/* @code at CODE; one function, @start and @size in it. */
static void make(struct image *im, enum source how, const void *code, size_t code_size,
		 uint64_t start, uint64_t size)
{
	static const char names[] = "\0.eh_frame\0.gopclntab\0";
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = 1,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
		.e_shoff = SHDRS,
		.e_shstrndx = 1,
	};
	Elf64_Phdr ph[3] = {
		{.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = DATA_VADDR, .p_filesz = CODE},
		{.p_type = PT_LOAD,
		 .p_flags = PF_R | PF_X,
		 .p_offset = CODE,
		 .p_vaddr = CODE_VADDR,
		 .p_filesz = code_size},
		{.p_type = PT_NULL, .p_vaddr = DATA_VADDR + EH_HDR, .p_offset = EH_HDR},
	};
	Elf64_Shdr sh[3] = {
		{0},
		{.sh_type = SHT_STRTAB, .sh_offset = STRTAB, .sh_size = sizeof(names)},
		{.sh_type = SHT_SYMTAB,
		 .sh_offset = SYMTAB,
		 .sh_size = 2 * sizeof(Elf64_Sym),
		 .sh_entsize = sizeof(Elf64_Sym)},
	};
	Elf64_Sym sym[2] = {
		{0},
		{.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		 .st_shndx = 2,
		 .st_value = CODE_VADDR + start,
		 .st_size = size},
	};

	CHECK(code_size <= MAX_CODE);
	memset(im, 0, sizeof(*im));
	im->size = CODE + code_size;
	switch (how) {
	case BY_SYMBOL:
		break;
	case BY_IFUNC:
		sym[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC);
		break;
	case BY_DYNSYM:
		sh[2].sh_type = SHT_DYNSYM;
		break;
	case BY_FDE_HDR:
		eh.e_shnum = 0;
		ph[2].p_type = PT_GNU_EH_FRAME;
		break;
	case BY_FDE_SECTION:
		sh[2] = (Elf64_Shdr){
			.sh_type = SHT_PROGBITS,
			.sh_name = 1,
			.sh_offset = EH_FRAME,
			.sh_addr = EH_VADDR,
			.sh_size = STRTAB - EH_FRAME,
		};
		break;
	case BY_GO:
		sh[2] = (Elf64_Shdr){
			.sh_type = SHT_PROGBITS,
			.sh_name = 11,
			.sh_offset = EH_FRAME,
			.sh_addr = EH_VADDR,
			.sh_size = STRTAB - EH_FRAME,
		};
		eh.e_type = ET_EXEC;
		put_pclntab(im, start, size);
		break;
	}
	if (how == BY_FDE_HDR || how == BY_FDE_SECTION)
		put_eh_frame(im, &cfi_zR, CODE_VADDR + start, (uint32_t)size);
	put(im, 0, &eh, sizeof(eh));
	put(im, sizeof(eh), ph, sizeof(ph));
	put(im, STRTAB, names, sizeof(names));
	put(im, SYMTAB, sym, sizeof(sym));
	put(im, SHDRS, sh, sizeof(sh));
	put(im, CODE, code, code_size);
}

static void set_type(struct image *im, uint16_t type)
{
	put(im, offsetof(Elf64_Ehdr, e_type), &type, sizeof(type));
}

/* A bit set of the offsets in the code; the rest of the answer is checked here. */
static uint64_t scan(const struct image *im)
{
	uint64_t offs[64], set = 0;
	long i, n;

	n = inject_cpuid_scan(im->bytes, im->size, offs, 64);
	CHECK(n >= 0 && n <= 64);
	for (i = 0; i < n; i++) {
		CHECK(offs[i] >= CODE && offs[i] < CODE + 64);
		CHECK(i == 0 || offs[i - 1] < offs[i]);
		set |= 1ull << (offs[i] - CODE);
	}
	return set;
}

#define AT(n) (1ull << (n))

/* clang-format off */
static const struct {
	const char *name;
	const char *code;
	size_t size;
	uint64_t want;
} flow[] = {
#define FLOW(name, code, want) {name, code, sizeof(code) - 1, want}
	FLOW("plain",			"\x0f\xa2\xc3", AT(0)),
	FLOW("two",			"\x0f\xa2\x89\xc8\x0f\xa2\xc3", AT(0) | AT(4)),
	FLOW("none",			"\x90\xc3", 0),
	FLOW("immediate",		"\xb8\x0f\xa2\x00\x00\xc3", 0),
	FLOW("displacement",		"\x8b\x80\x0f\xa2\x00\x00\xc3", 0),
	FLOW("jump distance",		"\xe9\x0f\xa2\x00\x00\xc3", 0),
	FLOW("across instructions",	"\xb8\x00\x00\x00\x0f\xa2\x00\x00\x00\x00\x00\x00\x00\x00\xc3", 0),
	FLOW("both sides of a jcc",	"\x74\x03\x0f\xa2\xc3\x0f\xa2\xc3", AT(2) | AT(5)),
	FLOW("both sides of a long jcc", "\x0f\x84\x03\x00\x00\x00\x0f\xa2\xc3\x0f\xa2\xc3", AT(6) | AT(9)),
	FLOW("jrcxz",			"\xe3\x02\x0f\xa2\xc3", AT(2)),
	FLOW("xbegin",			"\xc7\xf8\x03\x00\x00\x00\x0f\xa2\xc3\x0f\xa2\xc3", AT(6) | AT(9)),
	FLOW("backward",		"\x0f\xa2\xeb\xfc", AT(0)),
	FLOW("jump before the start",	"\x0f\xa2\xeb\x80", AT(0)),
	FLOW("jumped over",		"\xeb\x02\x0f\xa2\xc3", 0),
	FLOW("after ret",		"\xc3\x0f\xa2\x00\x00", 0),
	FLOW("after ret n",		"\xc2\x08\x00\x0f\xa2\xc3", 0),
	FLOW("table: valid bytes",	"\xff\xe0\x0f\xa2\x00\x00\x10\xa2\x00\x00", 0),
	FLOW("table: invalid bytes",	"\xff\xe0\x0f\xa2\xff\xff\x10\xa2\xff\xff", 0),
	FLOW("after ud2",		"\x0f\x0b\x0f\xa2\xc3", 0),
	FLOW("after hlt",		"\xf4\x0f\xa2\xc3", 0),
	FLOW("after int3",		"\xcc\x0f\xa2\xc3", 0),
	FLOW("after syscall",		"\x0f\x05\x0f\xa2\xc3", AT(2)),
	FLOW("prefix 66",		"\x66\x0f\xa2\xc3", 0),
	FLOW("prefix REX.W",		"\x48\x0f\xa2\xc3", 0),
	FLOW("after a call",		"\xe8\x00\x10\x00\x00\x0f\xa2\xc3", AT(5)),
	FLOW("after an indirect call",	"\xff\xd0\x0f\xa2\xc3", AT(2)),
	FLOW("after a recursive call",	"\xe8\xfb\xff\xff\xff\x0f\xa2\xc3", AT(5)),
	FLOW("call over a string",	"\xe8\x02\x00\x00\x00\x0f\xa2\x58\x0f\xa2\xc3", AT(8)),
	FLOW("no instruction follows",	"\x0f\xa2\x06\xc3", 0),
	FLOW("a path to none",		"\x0f\xa2\x74\x01\xc3\x06", 0),
	FLOW("none, but not reached",	"\x0f\xa2\xc3\x06", AT(0)),
	FLOW("cut by the end",		"\x0f\xa2\xb8\x00", 0),
	FLOW("ends after it",		"\x90\x0f\xa2", AT(1)),
	FLOW("read in two ways",	"\x74\x01\xb8\x0f\xa2\x90\x90\xc3", 0),
	FLOW("a jump to A2",		"\x74\x01\x0f\xa2\x90\x90\x90\x90\x90\x90\x90\x90\xc3", 0),
	FLOW("past a lock prefix",	"\x74\x01\xf0\x0f\xb1\x0f\x0f\xa2\xc3", AT(6)),
	FLOW("VEX",			"\xc5\xf8\x77\x0f\xa2\xc3", AT(3)),
#undef FLOW
};
/* clang-format on */

TEST(cpuid_flow)
{
	struct image im;
	size_t i;

	for (i = 0; i < sizeof(flow) / sizeof(flow[0]); i++) {
		uint64_t got;

		make(&im, BY_SYMBOL, flow[i].code, flow[i].size, 0, flow[i].size);
		got = scan(&im);
		if (got != flow[i].want)
			FAIL("%s: %#lx, not %#lx", flow[i].name, (unsigned long)got,
			     (unsigned long)flow[i].want);
	}
}

/* The same code found by each source, at a start that is not the segment's. */
TEST(cpuid_sources)
{
	static const char code[] = "\x0f\xa2\xcc\xcc\x0f\xa2\xc3\x0f\xa2";
	enum source how;
	struct image im;

	for (how = BY_SYMBOL; how <= BY_GO; how++) {
		make(&im, how, code, sizeof(code) - 1, 4, 3);
		CHECK_EQ(scan(&im), AT(4));
		make(&im, how, code, sizeof(code) - 1, 4, 0);
		CHECK_EQ(scan(&im), 0);
		/* an extent beyond the segment is a lie */
		make(&im, how, code, sizeof(code) - 1, 4, sizeof(code));
		CHECK_EQ(scan(&im), 0);
		make(&im, how, code, sizeof(code) - 1, 0x100000, 3);
		CHECK_EQ(scan(&im), 0);
		/* 0F in the function, A2 behind it */
		make(&im, how, code, sizeof(code) - 1, 6, 2);
		CHECK_EQ(scan(&im), 0);
	}
}

TEST(cpuid_go)
{
	static const char code[] = "\x0f\xa2\xc3\xcc\x0f\xa2\xc3";
	static const struct {
		size_t at;
		const char *bytes;
		size_t size;
	} bad[] = {
		{0, "\xf2", 1}, /* magic */
		{4, "\1", 1},
		{6, "\4", 1}, /* quantum */
		{7, "\4", 1}, /* pointers */
		{8, "\0\0\0\0\0\0\0\x10", 8}, /* functions */
		{64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8}, /* table */
		{64, "\xdd\1", 2}, /* three bytes before the end */
		{24, "\0\0\0\0", 4}, /* text */
		{88, "\xff\xff\xff\xff", 4}, /* starts behind its end */
	};
	struct image im;

	make(&im, BY_GO, code, sizeof(code) - 1, 4, 3);
	CHECK_EQ(scan(&im), AT(4));
	put(&im, EH_FRAME, "\xf0", 1); /* Go 1.18 */
	CHECK_EQ(scan(&im), AT(4));
	set_type(&im, ET_DYN);
	CHECK_EQ(scan(&im), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make(&im, BY_GO, code, sizeof(code) - 1, 4, 3);
		put(&im, EH_FRAME + bad[i].at, bad[i].bytes, bad[i].size);
		if (scan(&im))
			FAIL("%zu: found", i);
	}
}

TEST(cpuid_symbols_of_no_function)
{
	static const char code[] = "\x0f\xa2\xc3";
	struct image im;
	Elf64_Sym sym;

	make(&im, BY_SYMBOL, code, 3, 0, 3);
	memcpy(&sym, im.bytes + SYMTAB + sizeof(sym), sizeof(sym));
	sym.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	put(&im, SYMTAB + sizeof(sym), &sym, sizeof(sym));
	CHECK_EQ(scan(&im), 0);
	sym.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	sym.st_shndx = SHN_UNDEF;
	put(&im, SYMTAB + sizeof(sym), &sym, sizeof(sym));
	CHECK_EQ(scan(&im), 0);
	sym.st_shndx = 2;
	put(&im, SYMTAB + sizeof(sym), &sym, sizeof(sym));
	CHECK_EQ(scan(&im), AT(0));
}

/* clang-format off */
static const struct {
	const char *name;
	struct cfi cfi;
	bool dyn, exec; /* found in ET_DYN, in ET_EXEC */
} cies[] = {
	{"zR",			CFI("\1zR\0\1\x78\x10\1\x1b", false), true, true},
	{"zR, version 3",	CFI("\3zR\0\1\x78\x10\1\x1b", false), true, true},
	{"zR, version 3, register 144", CFI("\3zR\0\1\x78\x90\1\1\x1b", false), true, true},
	{"zPLR, P indirect pcrel sdata4",
		CFI("\1zPLR\0\1\x78\x10\7\x9b\1\2\3\4\x1b\x1b", false), true, true},
	{"zPLR, P absptr",	CFI("\1zPLR\0\1\x78\x10\x0b\0\1\2\3\4\5\6\7\x08\x1b\x1b", false), true, true},
	{"zR absptr",		CFI("\1zR\0\1\x78\x10\1\0", true), false, true},
	{"z, absptr",		CFI("\1z\0\1\x78\x10\0", true), false, true},
	{"no augmentation",	CFI("\1\0\1\x78\x10", true), false, true},
	{"zRS",			CFI("\1zRS\0\1\x78\x10\1\x1b", false), false, false},
	{"zSR",			CFI("\1zSR\0\1\x78\x10\1\x1b", false), false, false},
	{"z?R",			CFI("\1z?R\0\1\x78\x10\1\x1b", false), false, false},
	{"eh",			CFI("\1eh\0\1\2\3\4\5\6\7\x08\1\x78\x10", true), false, false},
	{"version 4",		CFI("\4zR\0\1\x78\x10\1\x1b", false), false, false},
	{"indirect",		CFI("\1zR\0\1\x78\x10\1\x9b", false), false, false},
	{"data-relative",	CFI("\1zR\0\1\x78\x10\1\x3b", false), false, false},
	{"omitted",		CFI("\1zR\0\1\x78\x10\1\xff", false), false, false},
};
/* clang-format on */

TEST(cpuid_cie)
{
	static const char code[] = "\x90\x0f\xa2\xc3";
	enum source how;
	struct image im;
	size_t i;

	for (i = 0; i < sizeof(cies) / sizeof(cies[0]); i++) {
		for (how = BY_FDE_HDR; how <= BY_FDE_SECTION; how++) {
			make(&im, how, code, 4, 0, 4);
			memset(im.bytes + EH_FRAME, 0, STRTAB - EH_FRAME);
			put_eh_frame(&im, &cies[i].cfi, CODE_VADDR, 4);
			if (scan(&im) != (cies[i].dyn ? AT(1) : 0))
				FAIL("%s in ET_DYN", cies[i].name);
			set_type(&im, ET_EXEC);
			if (scan(&im) != (cies[i].exec ? AT(1) : 0))
				FAIL("%s in ET_EXEC", cies[i].name);
		}
	}
}

/* lea table(%rip), %rax; jmp *%rax; cpuid; ret; cpuid; ret */
TEST(cpuid_switch_relative)
{
	char code[] = "\x48\x8d\x05....\xff\xe0\x0f\xa2\xc3\x0f\xa2\xc3";
	int32_t rel = DATA_VADDR + TABLE - (CODE_VADDR + 7), entry[2];
	struct image im;

	memcpy(code + 3, &rel, 4);
	make(&im, BY_SYMBOL, code, sizeof(code) - 1, 0, sizeof(code) - 1);
	CHECK_EQ(scan(&im), 0);
	entry[0] = CODE_VADDR + 9 - (DATA_VADDR + TABLE);
	entry[1] = 0;
	put(&im, TABLE, entry, 8);
	CHECK_EQ(scan(&im), AT(9));
	entry[1] = CODE_VADDR + 12 - (DATA_VADDR + TABLE);
	put(&im, TABLE, entry, 8);
	CHECK_EQ(scan(&im), AT(9) | AT(12));
	/* between instructions of the linear decoding */
	entry[0]++;
	put(&im, TABLE, entry, 8);
	CHECK_EQ(scan(&im), 0);
}

/* An entry that points into an immediate, where valid instructions are, too. */
TEST(cpuid_switch_not_linear)
{
	char code[] = "\x48\x8d\x05....\xff\xe0\xb8\x0f\xa2\x00\x00\xc3";
	int32_t rel = DATA_VADDR + TABLE - (CODE_VADDR + 7);
	int32_t entry = CODE_VADDR + 10 - (DATA_VADDR + TABLE);
	struct image im;

	memcpy(code + 3, &rel, 4);
	make(&im, BY_SYMBOL, code, sizeof(code) - 1, 0, sizeof(code) - 1);
	put(&im, TABLE, &entry, 4);
	CHECK_EQ(scan(&im), 0);
}

/* jmp *table(,%rax,8); cpuid; ret; cpuid; ret */
TEST(cpuid_switch_absolute)
{
	char code[] = "\xff\x24\xc5....\x0f\xa2\xc3\x0f\xa2\xc3";
	uint32_t table = DATA_VADDR + TABLE;
	uint64_t entry[2] = {CODE_VADDR + 10, CODE_VADDR + 7};
	struct image im;

	memcpy(code + 3, &table, 4);
	make(&im, BY_SYMBOL, code, sizeof(code) - 1, 0, sizeof(code) - 1);
	put(&im, TABLE, entry, sizeof(entry));
	CHECK_EQ(scan(&im), 0);
	set_type(&im, ET_EXEC);
	CHECK_EQ(scan(&im), AT(7) | AT(10));
	/* (,%rax,4) is no table of addresses */
	im.bytes[CODE + 2] = 0x85;
	CHECK_EQ(scan(&im), 0);
}

/* mov table(,%rax,8), %rax; jmp *%rax; cpuid; ret */
TEST(cpuid_switch_loaded)
{
	char code[] = "\x48\x8b\x04\xc5....\xff\xe0\x0f\xa2\xc3";
	uint32_t table = DATA_VADDR + TABLE;
	uint64_t entry = CODE_VADDR + 10;
	struct image im;

	memcpy(code + 4, &table, 4);
	make(&im, BY_SYMBOL, code, sizeof(code) - 1, 0, sizeof(code) - 1);
	put(&im, TABLE, &entry, sizeof(entry));
	CHECK_EQ(scan(&im), 0);
	set_type(&im, ET_EXEC);
	CHECK_EQ(scan(&im), AT(10));
}

/* Two functions over the same bytes that disagree: neither is believed. */
TEST(cpuid_functions_disagree)
{
	static const char code[] = "\xb8\x0f\xa2\x90\x90\xc3";
	struct image im;

	make(&im, BY_FDE_SECTION, code, 6, 1, 5);
	CHECK_EQ(scan(&im), AT(1));
	make(&im, BY_SYMBOL, code, 6, 0, 6);
	put_eh_frame(&im, &cfi_zR, CODE_VADDR + 1, 5);
	((Elf64_Phdr *)(void *)(im.bytes + sizeof(Elf64_Ehdr)))[2].p_type = PT_GNU_EH_FRAME;
	CHECK_EQ(scan(&im), 0);
}

/* An FDE that says it is longer than the file. ASan sees a read beyond. */
TEST(cpuid_fde_past_the_end)
{
	static const char code[] = "\x0f\xa2\xc3\x90"
				   "\x0f\0\0\0\0\0\0\0\1zR\0\1\x78\x10\1\x1b\0\0"
				   "\x10\0\0\0\x17\0\0";
	const size_t size = sizeof(code); /* its final 0 belongs to the FDE */
	struct image im;
	Elf64_Shdr *sh;
	uint8_t *copy;

	make(&im, BY_FDE_SECTION, code, size, 0, 3);
	CHECK_EQ(scan(&im), AT(0));
	sh = (Elf64_Shdr *)(void *)(im.bytes + SHDRS);
	sh[2].sh_offset = CODE + 4;
	sh[2].sh_addr = CODE_VADDR + 4;
	sh[2].sh_size = size - 4;
	copy = malloc(im.size);
	CHECK(copy);
	memcpy(copy, im.bytes, im.size);
	CHECK_EQ(inject_cpuid_scan(copy, im.size, NULL, 0), 0);
	free(copy);
}

/* A linker that drops a function leaves 0: the ELF header is not its code. */
TEST(cpuid_in_the_header)
{
	struct image im;
	Elf64_Phdr *ph;

	make(&im, BY_SYMBOL, "\x0f\xa2\xc3", 3, 9, 3);
	put(&im, 9, "\x0f\xa2\xc3", 3);
	ph = (Elf64_Phdr *)(void *)(im.bytes + sizeof(Elf64_Ehdr));
	ph[1].p_offset = 0;
	ph[1].p_filesz = im.size;
	CHECK_EQ(scan(&im), 0);
}

TEST(cpuid_not_elf)
{
	static const size_t at[] = {0, EI_CLASS, EI_DATA, offsetof(Elf64_Ehdr, e_type),
				    offsetof(Elf64_Ehdr, e_machine)};
	struct image im;
	uint64_t off;
	size_t i;

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		make(&im, BY_SYMBOL, "\x0f\xa2\xc3", 3, 0, 3);
		im.bytes[at[i]] ^= 4;
		CHECK_EQ(inject_cpuid_scan(im.bytes, im.size, &off, 1), -ENOEXEC);
	}
	CHECK_EQ(inject_cpuid_scan(im.bytes, sizeof(Elf64_Ehdr) - 1, &off, 1), -ENOEXEC);
	CHECK_EQ(inject_cpuid_scan(im.bytes, 0, &off, 1), -ENOEXEC);
}

/* More than fit are counted, and not written. */
TEST(cpuid_max)
{
	uint64_t offs[2] = {7, 7};
	struct image im;

	make(&im, BY_SYMBOL, "\x0f\xa2\x0f\xa2\x0f\xa2\xc3", 7, 0, 7);
	CHECK_EQ(inject_cpuid_scan(im.bytes, im.size, offs, 1), 3);
	CHECK_EQ(offs[0], CODE);
	CHECK_EQ(offs[1], 7);
	CHECK_EQ(inject_cpuid_scan(im.bytes, im.size, NULL, 0), 3);
}

/* ---- damaged files ------------------------------------------------------- */

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* On a copy of exactly this size, so that ASan sees a read beyond. */
static long scan_copy(const uint8_t *image, size_t size)
{
	uint64_t offs[64];
	uint8_t *copy = malloc(size ? size : 1);
	long i, n;

	CHECK(copy);
	memcpy(copy, image, size);
	n = inject_cpuid_scan(copy, size, offs, 64);
	CHECK(n >= 0 || n == -ENOEXEC);
	for (i = 0; i < n && i < 64; i++) {
		CHECK(i == 0 || offs[i - 1] < offs[i]);
		CHECK(offs[i] < size - 1);
		CHECK(copy[offs[i]] == 0x0f && copy[offs[i] + 1] == 0xa2);
	}
	free(copy);
	return n;
}

/* A switch, calls, jumps and both kinds of tables. */
static void make_rich(struct image *im, enum source how)
{
	char code[] =
		"\x74\x05\xe8\x00\x00\x00\x00\x48\x8d\x05....\xff\xe0\x0f\xa2\xc3\x0f\xa2\xc3";
	int32_t rel = DATA_VADDR + TABLE - (CODE_VADDR + 14), entry[2];

	memcpy(code + 10, &rel, 4);
	make(im, how, code, sizeof(code) - 1, 0, sizeof(code) - 1);
	entry[0] = CODE_VADDR + 16 - (DATA_VADDR + TABLE);
	entry[1] = CODE_VADDR + 19 - (DATA_VADDR + TABLE);
	put(im, TABLE, entry, 8);
	CHECK_EQ(scan(im), AT(16) | AT(19));
}

TEST(cpuid_truncated)
{
	enum source how;
	struct image im;
	size_t n;

	for (how = BY_SYMBOL; how <= BY_FDE_SECTION; how++) {
		make_rich(&im, how);
		CHECK_EQ(scan_copy(im.bytes, im.size), 2);
		for (n = 0; n < im.size; n++)
			scan_copy(im.bytes, n);
	}
}

TEST(cpuid_mutated)
{
	static const uint8_t nasty[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x0f};
	long found = 0, rounds;

	for (rounds = 0; rounds < 60000; rounds++) {
		struct image im;
		unsigned int i, n = 1 + (unsigned int)(rnd() % 4);

		make_rich(&im, (enum source)(rounds % (BY_FDE_SECTION + 1)));
		for (i = 0; i < n; i++) {
			/* one of: headers, CFI, symbols, sections, table, code */
			static const size_t part[][2] = {
				{0, 0x100},	{EH_HDR, 0x80}, {STRTAB, 0x80},
				{SHDRS, 0x100}, {TABLE, 16},	{CODE, 22},
			};
			size_t p = rnd() % (sizeof(part) / sizeof(part[0]));
			size_t at = part[p][0] + rnd() % part[p][1];

			im.bytes[at] = (rnd() & 1) ? nasty[rnd() % sizeof(nasty)] : (uint8_t)rnd();
		}
		if (scan_copy(im.bytes, im.size) > 0)
			found++;
	}
	/* Damage in unused parts changes nothing: the loop looked at real work. */
	CHECK(found > 0 && found < rounds);
}

/* Thousands of overlapping functions: an answer of 0, not hours of decoding. */
TEST(cpuid_overlapping_functions)
{
	enum { COUNT = 20000, BODY = 40000 };
	const size_t size = CODE + BODY + COUNT * sizeof(Elf64_Sym);
	uint8_t *bytes = calloc(1, size);
	struct image im;
	Elf64_Phdr *ph;
	Elf64_Shdr *sh;
	Elf64_Sym *sym;
	unsigned int i;

	CHECK(bytes);
	make(&im, BY_SYMBOL, "", 0, 0, 0);
	memcpy(bytes, im.bytes, CODE);
	memset(bytes + CODE, 0x90, BODY);
	memcpy(bytes + CODE + BODY - 3, "\x0f\xa2\xc3", 3);
	ph = (Elf64_Phdr *)(void *)(bytes + sizeof(Elf64_Ehdr));
	ph[1].p_filesz = BODY;
	sh = (Elf64_Shdr *)(void *)(bytes + SHDRS);
	sh[2].sh_offset = CODE + BODY;
	sym = (Elf64_Sym *)(void *)(bytes + CODE + BODY);
	for (i = 0; i < COUNT; i++)
		sym[i] = (Elf64_Sym){
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = 2,
			.st_value = CODE_VADDR + i,
			.st_size = BODY - i,
		};
	sh[2].sh_size = sizeof(Elf64_Sym);
	CHECK_EQ(scan_copy(bytes, size), 1);
	sh[2].sh_size = COUNT * sizeof(Elf64_Sym);
	CHECK_EQ(scan_copy(bytes, size), 0);
	free(bytes);
}
