/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclave ELF files that lie: each rule of enclave_elf.h broken once, and the
 * message must name the field and the value.
 */
#include "enclave_elf.h"

#include <elf.h>
#include <harness/harness.h>
#include <string.h>

#define PAGE	   4096u
#define IMAGE_SIZE (5 * PAGE)

/* A file that is right: TCS at page 1, code at page 2, SSA at page 3 */
struct image {
	union {
		struct {
			Elf64_Ehdr ehdr;
			Elf64_Phdr phdr[4];
		};
		uint8_t bytes[IMAGE_SIZE];
	};
	size_t size;
	struct enclave_options options;
};

static void set_phdr(Elf64_Phdr *p, uint32_t flags, uint64_t page, uint64_t size)
{
	p->p_type = PT_LOAD;
	p->p_flags = flags;
	p->p_offset = page * PAGE;
	p->p_vaddr = (page - 1) * PAGE;
	p->p_filesz = p->p_memsz = size;
	p->p_align = PAGE;
}

static struct sgx_tcs *image_tcs(struct image *im)
{
	return (struct sgx_tcs *)(void *)(im->bytes + PAGE);
}

static void good_image(struct image *im)
{
	memset(im, 0, sizeof(*im));
	im->size = IMAGE_SIZE;
	im->options.ssaframesize = 1;
	memcpy(im->ehdr.e_ident, ELFMAG, SELFMAG);
	im->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	im->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	im->ehdr.e_ident[EI_VERSION] = EV_CURRENT;
	im->ehdr.e_type = ET_EXEC;
	im->ehdr.e_machine = EM_X86_64;
	im->ehdr.e_version = EV_CURRENT;
	im->ehdr.e_phoff = sizeof(im->ehdr);
	im->ehdr.e_phentsize = sizeof(im->phdr[0]);
	im->ehdr.e_phnum = 4;
	im->phdr[0].p_type = PT_NOTE; /* looked over */
	set_phdr(&im->phdr[1], PF_R | PF_W, 1, PAGE);
	set_phdr(&im->phdr[2], PF_R | PF_X, 2, 100);
	set_phdr(&im->phdr[3], PF_R | PF_W, 3, PAGE);
	image_tcs(im)->ossa = 2 * PAGE;
	image_tcs(im)->nssa = 1;
	image_tcs(im)->oentry = PAGE;
	image_tcs(im)->fslimit = image_tcs(im)->gslimit = 0xffffffff;
}

static struct enclave_elf elf;
static char error[ENCLAVE_MESSAGE_SIZE];

static int parse(const struct image *im)
{
	return enclave_elf_parse(&elf, im->bytes, im->size, &im->options, error);
}

TEST(elf_good)
{
	struct image im;

	good_image(&im);
	CHECK_EQ(parse(&im), 0);
	CHECK_EQ(elf.warning_count, 0);
	CHECK_EQ(elf.segment_count, 3);
	CHECK_EQ(elf.page_count, 3);
	CHECK_EQ(elf.tcs_count, 1);
	CHECK_EQ(elf.used_size, 3 * PAGE);
	CHECK_EQ(elf.elrange, 4 * PAGE);
	CHECK_EQ(elf.segments[0].secinfo_flags, SGX_PT_TCS << 8);
	CHECK_EQ(elf.segments[1].secinfo_flags, SGX_PT_REG << 8 | 5);
	CHECK_EQ(elf.segments[2].secinfo_flags, SGX_PT_REG << 8 | 3);
	CHECK_EQ(elf.segments[1].offset, PAGE);
}

TEST(elf_heap_comes_last_and_unmeasured)
{
	struct enclave_iter iter = {0};
	struct enclave_page page;
	struct image im;
	unsigned pages = 0;

	good_image(&im);
	im.options.heap_size = 2 * PAGE;
	CHECK_EQ(parse(&im), 0);
	CHECK_EQ(elf.elrange, 8 * PAGE);
	while (enclave_elf_next_page(&elf, &iter, &page)) {
		CHECK_EQ(page.offset, pages * PAGE);
		CHECK_EQ(page.measured, pages < 3);
		pages++;
	}
	CHECK_EQ(pages, 5);
	CHECK_EQ(page.secinfo_flags, SGX_PT_REG << 8 | 3);
	/* Once at the end, always at the end */
	CHECK(!enclave_elf_next_page(&elf, &iter, &page));
}

/* EADD clears STATE, CSSA, AEP and DBGOPTIN; EEXTEND sees the page after that */
TEST(elf_tcs_as_eadd_leaves_it)
{
	struct enclave_iter iter = {0};
	struct enclave_page page;
	uint8_t clean[SGX_HASH_SIZE], dirty[SGX_HASH_SIZE];
	struct image im;

	good_image(&im);
	CHECK_EQ(parse(&im), 0);
	enclave_elf_measure(&elf, clean);
	image_tcs(&im)->state = 1;
	image_tcs(&im)->cssa = 2;
	image_tcs(&im)->aep = 3;
	image_tcs(&im)->flags = SGX_TCS_DBGOPTIN_BIT;
	CHECK_EQ(parse(&im), 0);
	CHECK_EQ(elf.warning_count, 1);
	CHECK(enclave_elf_next_page(&elf, &iter, &page));
	CHECK_EQ(((struct sgx_tcs *)(void *)page.bytes)->cssa, 0);
	CHECK_EQ(((struct sgx_tcs *)(void *)page.bytes)->nssa, 1);
	enclave_elf_measure(&elf, dirty);
	CHECK_MEM(clean, dirty, sizeof(clean));
}

/* The last page is what mmap() shows: the file's bytes, then zeros past its end */
TEST(elf_file_ends_inside_page)
{
	struct enclave_iter iter = {0};
	struct enclave_page page;
	struct image im;

	good_image(&im);
	im.phdr[3].p_filesz = im.phdr[3].p_memsz = 10;
	im.bytes[3 * PAGE + 9] = 0x11;
	im.bytes[3 * PAGE + 10] = 0x22;
	im.bytes[3 * PAGE + 12] = 0x33;
	im.size = 3 * PAGE + 12;
	CHECK_EQ(parse(&im), 0);
	CHECK(strstr(elf.warnings[0], "past p_filesz 0xa"));
	for (int i = 0; i < 3; i++)
		CHECK(enclave_elf_next_page(&elf, &iter, &page));
	CHECK_EQ(page.bytes[9], 0x11);
	CHECK_EQ(page.bytes[10], 0x22);
	CHECK_EQ(page.bytes[12], 0);
}

/* clang-format off */
/* One lie each: the change, and words of the message */
#define REFUSED(id, change, words)				\
	TEST(elf_refused_##id)					\
	{							\
		struct image im;				\
								\
		good_image(&im);				\
		change;						\
		CHECK_EQ(parse(&im), -1);			\
		if (!strstr(error, words))			\
			FAIL("\"%s\" has no \"%s\"", error, words); \
	}
/* clang-format on */

REFUSED(empty, im.size = 0, "not an ELF file")
REFUSED(magic, im.bytes[1] = 'e', "not an ELF file")
REFUSED(header_cut, im.size = 63, "63 bytes end inside the ELF header")
REFUSED(class, im.ehdr.e_ident[EI_CLASS] = ELFCLASS32, "e_ident[EI_CLASS] is 1")
REFUSED(data, im.ehdr.e_ident[EI_DATA] = ELFDATA2MSB, "e_ident[EI_DATA] is 2")
REFUSED(version, im.ehdr.e_version = 7, "e_version 7")
REFUSED(machine, im.ehdr.e_machine = EM_AARCH64, "e_machine is 183")
REFUSED(type, im.ehdr.e_type = ET_REL, "e_type is 1")
REFUSED(phentsize, im.ehdr.e_phentsize = 32, "e_phentsize is 32")
REFUSED(no_phdr, im.ehdr.e_phnum = 0, "e_phnum is 0")
REFUSED(phnum, im.ehdr.e_phnum = 0xfffe, "e_phoff 0x40 with e_phnum 65534 reaches past")
REFUSED(phoff, im.ehdr.e_phoff = UINT64_MAX - 8, "e_phoff 0xfffffffffffffff7")
REFUSED(no_load, for (int i = 1; i < 4; i++) im.phdr[i].p_type = PT_NULL, "no program header is")
REFUSED(flags, im.phdr[2].p_flags = 0x100005, "program header 2: p_flags 0x100005")
REFUSED(tcs_flags, im.phdr[1].p_flags = PF_R, "program header 1: p_flags 0x4 of the first")
REFUSED(tcs_executable, im.phdr[1].p_flags = 7, "program header 1: p_flags 0x7 of the first")
REFUSED(tcs_part, im.phdr[1].p_filesz = im.phdr[1].p_memsz = 72, "p_filesz 0x48 of the first")
REFUSED(write_only, im.phdr[3].p_flags = PF_W, "program header 3: p_flags 0x2 allows writing")
REFUSED(misaligned, im.phdr[2].p_offset += 8, "program header 2: p_offset 0x2008 is not a mult")
REFUSED(offset, im.phdr[2].p_offset = 1ull << 40, "p_offset 0x10000000000 is past the end")
REFUSED(filesz, im.phdr[3].p_filesz = 3 * PAGE, "program header 3: p_filesz 0x3000 at p_offset")
REFUSED(filesz_wraps, im.phdr[3].p_filesz = UINT64_MAX, "p_filesz 0xffffffffffffffff at")
REFUSED(filesz_zero, im.phdr[3].p_filesz = 0, "program header 3: p_filesz is 0 (p_memsz 0x1000)")
REFUSED(memsz_small, im.phdr[2].p_memsz = 99, "p_memsz 0x63 is smaller than p_filesz 0x64")
REFUSED(bss, im.phdr[3].p_memsz = PAGE + 1, "program header 3: p_memsz 0x1001 needs pages")
REFUSED(overlap, im.phdr[3].p_offset = 2 * PAGE, "0x2000 lies before the end 0x3000 of program")
REFUSED(order, im.phdr[3].p_offset = 0, "p_offset 0x0 lies before the end")
REFUSED(vaddr, im.phdr[3].p_vaddr += PAGE, "p_vaddr 0x3000 is not where p_offset 0x3000 puts it")
REFUSED(one_page, im.ehdr.e_phnum = 2, "the file loads one page")
REFUSED(heap_unaligned, im.options.heap_size = 100, "heap's size 0x64 is not a multiple")
REFUSED(heap_huge, im.options.heap_size = 1ull << 47, "heap's size 0x800000000000 is larger")
REFUSED(heap_elrange, im.options.heap_size = 1ull << 46, "segments and heap take 0x400000003000")
REFUSED(ssaframesize, im.options.ssaframesize = 0, "SSAFRAMESIZE 0")

TEST(elf_too_many_segments)
{
	static uint8_t file[(ENCLAVE_SEGMENTS_MAX + 3) * PAGE];
	Elf64_Phdr phdr[ENCLAVE_SEGMENTS_MAX + 1];
	struct image im;

	good_image(&im);
	memset(phdr, 0, sizeof(phdr));
	for (unsigned i = 0; i <= ENCLAVE_SEGMENTS_MAX; i++)
		set_phdr(&phdr[i], PF_R | PF_W, i + 1, PAGE);
	im.ehdr.e_phnum = ENCLAVE_SEGMENTS_MAX;
	memcpy(file, &im.ehdr, sizeof(im.ehdr));
	memcpy(file + sizeof(im.ehdr), phdr, sizeof(phdr));
	CHECK_EQ(enclave_elf_parse(&elf, file, sizeof(file), &im.options, error), 0);
	CHECK_EQ(elf.segment_count, ENCLAVE_SEGMENTS_MAX);
	/* And the heap still has its place */
	im.options.heap_size = PAGE;
	CHECK_EQ(enclave_elf_parse(&elf, file, sizeof(file), &im.options, error), 0);
	im.ehdr.e_phnum++;
	memcpy(file, &im.ehdr, sizeof(im.ehdr));
	CHECK_EQ(enclave_elf_parse(&elf, file, sizeof(file), &im.options, error), -1);
	CHECK(strstr(error, "more than 64 PT_LOAD"));
}

/* clang-format off */
/* Loads, but cannot be meant so: exactly one warning, with these words */
#define WARNED(id, change, words)				\
	TEST(elf_warned_##id)					\
	{							\
		struct image im;				\
								\
		good_image(&im);				\
		change;						\
		CHECK_EQ(parse(&im), 0);			\
		CHECK_EQ(elf.warning_count, 1);			\
		if (!strstr(elf.warnings[0], words))		\
			FAIL("\"%s\" has no \"%s\"", elf.warnings[0], words); \
	}
/* clang-format on */

WARNED(cssa, image_tcs(&im)->cssa = 1, "TCS 0: STATE 0x0, CSSA 1")
WARNED(flags, image_tcs(&im)->flags = 0x10, "TCS 0: FLAGS 0x10 has reserved bits")
WARNED(reserved, image_tcs(&im)->rsvd[7] = 9, "TCS 0: reserved byte 95 is 0x09")
WARNED(nssa, image_tcs(&im)->nssa = 0, "NSSA is 0")
WARNED(nssa_many, image_tcs(&im)->nssa = 0xffffffff, "NSSA 4294967295 of 1 pages")
WARNED(ossa, image_tcs(&im)->ossa = 2 * PAGE + 8, "OSSA 0x2008 is not a multiple")
WARNED(ossa_in_code, image_tcs(&im)->ossa = PAGE, "OSSA 0x1000, NSSA 1 of 1 pages")
WARNED(ossa_outside, image_tcs(&im)->ossa = UINT64_MAX - 4095, "not all on pages of this enclave")
WARNED(frames, im.options.ssaframesize = 2, "NSSA 1 of 2 pages")
WARNED(oentry, image_tcs(&im)->oentry = 2 * PAGE, "OENTRY 0x2000 is not on an executable page")
WARNED(ofsbase, image_tcs(&im)->ofsbase = 1, "OFSBASE 0x1")
WARNED(limit, image_tcs(&im)->gslimit = 0xfff0, "GSLIMIT 0xfff0 does not end in fff")
WARNED(tail, im.bytes[2 * PAGE + 200] = 1, "program header 2: file offset 0x20c8 is past p_filesz")
WARNED(dynamic, im.phdr[0].p_type = PT_DYNAMIC, "PT_DYNAMIC")

TEST(elf_warnings_are_counted_beyond_their_room)
{
	static uint8_t file[40 * PAGE];
	struct image im;

	good_image(&im);
	im.ehdr.e_phnum = 1;
	set_phdr(&im.phdr[0], PF_R | PF_W, 1, 30 * PAGE);
	memcpy(file, im.bytes, PAGE);
	CHECK_EQ(enclave_elf_parse(&elf, file, sizeof(file), &im.options, error), 0);
	/* Each empty TCS: NSSA, OENTRY, limits */
	CHECK_EQ(elf.tcs_count, 30);
	CHECK_EQ(elf.warning_count, 90);
}
