/* SPDX-License-Identifier: BSD-3-Clause */
/* What a file is: small ones, made here, of every kind; cut off at every length. */
#include "file_kind.h"
#include "print.h"

#include <cpu/sigstruct.h>
#include <harness/harness.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* An ELF file with one program header and one section besides the table of names. */
struct image {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;
	Elf64_Shdr shdr[3];
	char names[64];
	uint8_t note[64];
};

static struct image elf_image(uint16_t type, uint32_t segment, const char *section)
{
	struct image im = {
		.ehdr = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = type,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_phoff = offsetof(struct image, phdr),
			 .e_shoff = offsetof(struct image, shdr),
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 3,
			 .e_shstrndx = 2},
		.phdr = {.p_type = segment},
	};

	snprintf(im.names + 1, sizeof(im.names) - 1, "%s", section);
	im.shdr[1] = (Elf64_Shdr){.sh_name = 1,
				  .sh_type = SHT_NOTE,
				  .sh_offset = offsetof(struct image, note),
				  .sh_size = sizeof(im.note)};
	im.shdr[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB,
				  .sh_offset = offsetof(struct image, names),
				  .sh_size = sizeof(im.names)};
	return im;
}

static enum file_kind kind_of(uint16_t type, uint32_t segment, const char *section)
{
	struct image im = elf_image(type, segment, section);

	return file_kind(&im, sizeof(im));
}

TEST(elf_kinds)
{
	struct image im = elf_image(ET_DYN, PT_DYNAMIC, ".note.sgxmeta");
	static const uint8_t magic[] = {0x4c, 0x0e, 0x5d, 0x63, 0x94, 0x02, 0xa8, 0x86};

	CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF_INTEL);
	memcpy(im.note + 28, magic, sizeof(magic));
	CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF_INTEL_SIGNED);
	CHECK_EQ(kind_of(ET_DYN, PT_DYNAMIC, ".oeinfo"), FILE_ELF_OPEN_ENCLAVE);
	CHECK_EQ(kind_of(ET_DYN, PT_INTERP, ".text"), FILE_ELF_PROGRAM);
	CHECK_EQ(kind_of(ET_EXEC, PT_INTERP, ".text"), FILE_ELF_PROGRAM);
	CHECK_EQ(kind_of(ET_DYN, PT_DYNAMIC, ".text"), FILE_ELF_LIBRARY);
	CHECK_EQ(kind_of(ET_REL, PT_NULL, ".text"), FILE_ELF_OBJECT);
	CHECK_EQ(kind_of(ET_CORE, PT_NOTE, ""), FILE_ELF_CORE);
	/* the parser's affair */
	CHECK_EQ(kind_of(ET_EXEC, PT_LOAD, ".tcs"), FILE_ELF);
	CHECK_EQ(kind_of(ET_EXEC, PT_LOAD, ".note.sgxmetal"), FILE_ELF);
	im.ehdr.e_machine = EM_AARCH64;
	CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF_FOREIGN);
	im = elf_image(ET_DYN, PT_DYNAMIC, ".oeinfo");
	im.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF_FOREIGN);
}

/* Tables that lie outside of the file, or past the end of all numbers */
TEST(elf_tables_that_lie)
{
	static const uint64_t lies[] = {sizeof(struct image), sizeof(struct image) - 1, UINT64_MAX,
					UINT64_MAX - 63, 1ull << 63};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct image im = elf_image(ET_EXEC, PT_LOAD, ".oeinfo");

		im.ehdr.e_shoff = lies[i];
		CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF);
		im = elf_image(ET_EXEC, PT_INTERP, ".text");
		im.ehdr.e_phoff = lies[i];
		CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF);
		im = elf_image(ET_EXEC, PT_LOAD, ".oeinfo");
		im.shdr[2].sh_offset = lies[i];
		CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF);
		im = elf_image(ET_EXEC, PT_LOAD, ".oeinfo");
		im.shdr[2].sh_size = lies[i];
		CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF);
		im = elf_image(ET_EXEC, PT_LOAD, ".note.sgxmeta");
		im.shdr[1].sh_offset = lies[i];
		CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF_INTEL);
		im = elf_image(ET_EXEC, PT_LOAD, ".oeinfo");
		im.ehdr.e_shstrndx = (uint16_t)(3 + i);
		CHECK_EQ(file_kind(&im, sizeof(im)), FILE_ELF);
	}
}

static enum file_kind text_kind(const char *text)
{
	return file_kind(text, strlen(text));
}

TEST(structures_and_texts)
{
	struct sgx_sigstruct_arch sig = {.date = 0};
	struct sgx_einittoken token = {.valid = 1, .mrenclave = {7}};
	struct sgx_report report = {.attributes.flags = SGX_ATTR_INIT_BIT | SGX_ATTR_MODE64_BIT};
	struct {
		uint16_t version, key_type;
		uint8_t rest[428];
		uint32_t length;
		uint8_t signature[64];
	} quote = {.version = 3, .key_type = 2, .length = 64};
	uint8_t sgxs[128] = "ECREATE";

	CHECK_EQ(file_kind(&sig, sizeof(sig)), FILE_SIGSTRUCT); /* by its size */
	cpu_sigstruct_init(&sig);
	CHECK_EQ(file_kind(&sig, 100), FILE_SIGSTRUCT); /* by its header */
	CHECK_EQ(file_kind(&token, sizeof(token)), FILE_EINITTOKEN);
	token.rsvd2[5] = 1;
	CHECK_EQ(file_kind(&token, sizeof(token)), FILE_UNKNOWN);
	CHECK_EQ(file_kind(&report, sizeof(report)), FILE_REPORT);
	report.attributes.flags = SGX_ATTR_MODE64_BIT;
	CHECK_EQ(file_kind(&report, sizeof(report)), FILE_UNKNOWN);
	CHECK_EQ(file_kind(&quote, sizeof(quote)), FILE_QUOTE);
	quote.length++;
	CHECK_EQ(file_kind(&quote, sizeof(quote)), FILE_UNKNOWN);
	sgxs[8] = 1; /* SSAFRAMESIZE */
	sgxs[14] = 1; /* SIZE: 64 KiB */
	CHECK_EQ(file_kind(sgxs, sizeof(sgxs)), FILE_SGXS);
	sgxs[12] = 1;
	CHECK_EQ(file_kind(sgxs, sizeof(sgxs)), FILE_UNKNOWN);
	memcpy(sgxs, "UNSIZED", 8);
	CHECK_EQ(file_kind(sgxs, sizeof(sgxs)), FILE_SGXS);
	CHECK_EQ(text_kind("-----BEGIN PUBLIC KEY-----\n"), FILE_PEM);
	CHECK_EQ(text_kind("# x\nloader.entrypoint = \"file:y\"\nsgx.enclave_size = \"1G\"\n"),
		 FILE_GRAMINE_MANIFEST);
	CHECK_EQ(text_kind("[libos]\nentrypoint = \"/y\"\n[sgx]\ndebug = true"),
		 FILE_GRAMINE_MANIFEST);
	CHECK_EQ(text_kind("loader.entrypoint = \"file:y\"\n"), FILE_UNKNOWN);
	CHECK_EQ(text_kind("x"), FILE_UNKNOWN);
	CHECK_EQ(text_kind(""), FILE_EMPTY);
	for (int kind = 0; kind < FILE_KIND_COUNT; kind++)
		CHECK(file_kind_name((enum file_kind)kind));
}

/* Not a byte is read behind the end: the file ends where the page does. */
TEST(cut_off_everywhere)
{
	struct image im = elf_image(ET_DYN, PT_DYNAMIC, ".note.sgxmeta");
	char manifest[] = "loader.x\nsgx.y\n";
	const struct {
		const void *data;
		size_t size;
	} files[] = {{&im, sizeof(im)}, {manifest, sizeof(manifest) - 1}};
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *map = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(map != MAP_FAILED);
	CHECK_SYS(mprotect(map + page, (size_t)page, PROT_NONE));
	for (int i = 0; i < 2; i++) {
		for (size_t size = 0; size <= files[i].size; size++) {
			memcpy(map + page - size, files[i].data, size);
			CHECK(file_kind(map + page - size, size) < FILE_KIND_COUNT);
		}
	}
}

static void check_date(uint32_t date, const char *line)
{
	struct sgx_sigstruct_arch sig = {.date = date};
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CHECK(f);
	print_sigstruct(f, &sig);
	fclose(f);
	if (!strstr(text, line))
		FAIL("no \"%s\" in %s", line, text);
	free(text);
}

TEST(dates)
{
	check_date(0x20261130, "DATE                  20261130\n");
	check_date(0x00010101, "DATE                  00010101\n");
	check_date(0x07ea0b1e, "DATE                  07ea0b1e  (not BCD: a date is YYYYMMDD");
	check_date(0x2026113a, "(not BCD: ");
	check_date(0xa0261130, "(not BCD: ");
	check_date(0x20261301, "(there is no such day: ");
	check_date(0x20260001, "(there is no such day: ");
	check_date(0x20261132, "(there is no such day: ");
	check_date(0, "(there is no such day: ");
}
