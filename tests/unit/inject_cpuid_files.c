/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inject_cpuid_scan() on this program, which has CPUID and look-alikes at known
 * places, and on the system's libraries against objdump.
 */
#include <harness/harness.h>
#include <inject/cpuid.h>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- this program -------------------------------------------------------- */

/* A CPUID that must be found: the section collects the addresses. */
#define FIND_ME                                       \
	"8800: cpuid\n\t"                             \
	".pushsection find_me, \"aw\", @progbits\n\t" \
	".balign 8\n\t.quad 8800b\n\t.popsection\n\t"

/* clang-format off */
__asm__(
	".pushsection .text\n"
	".balign 16\n"
	".globl cpuid_in_asm, cpuid_in_asm_end\n"
	".type cpuid_in_asm, @function\n"
	"cpuid_in_asm:\n"
	".cfi_startproc\n\t"
	"test %edi, %edi\n\t"
	"je 1f\n\t"
	FIND_ME
	"mov $0xa20f, %eax\n\t"
	"mov 0xa20f(%rdi), %eax\n\t"
	"lea 2f(%rip), %rdx\n\t"
	"jmp *%rdx\n"
	"2:	.long 0xa20f, 0x0000a20f, 0xa20fa20f\n"
	"1:\n\t"
	FIND_ME
	"call 3f\n\t"
	".byte 0x0f, 0xa2\n"
	"3:	pop %rax\n\t"
	FIND_ME
	"ret\n"
	".cfi_endproc\n"
	"cpuid_in_asm_end:\n"
	".size cpuid_in_asm, . - cpuid_in_asm\n"
	".long 0xa20f\n" /* between functions */
	".popsection\n"
);
/* clang-format on */

extern const uint64_t __start_find_me[], __stop_find_me[];

static __attribute__((noinline)) unsigned int cpuid_leaf(unsigned int leaf)
{
	unsigned int a = leaf, b, c = 0, d;

	__asm__ volatile(FIND_ME : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return a ^ b ^ c ^ d;
}

/* Dense enough for a jump table; without optimisation at least. */
static __attribute__((noinline)) unsigned int cpuid_in_switch(unsigned int n)
{
	unsigned int a = n, b = 0, c = 0, d = 0;

	switch (n) {
	case 1:
		__asm__ volatile("xor %%ecx, %%ecx\n\t" FIND_ME
				 : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
		break;
	case 2:
		return b + 0xa20f;
	case 3:
		__asm__ volatile("inc %%eax\n\t" FIND_ME : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
		break;
	case 4:
		return cpuid_leaf(7);
	case 5:
		__asm__ volatile("dec %%eax\n\t" FIND_ME : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
		break;
	case 6:
		return cpuid_leaf(1) * 3;
	case 7:
		return n * 0x0fa2;
	}
	return a ^ b ^ c ^ d;
}

struct file {
	uint8_t *bytes;
	size_t size;
};

/* A private copy: tests write to it. False where there is no such file. */
static bool map_file(struct file *f, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	CHECK_SYS(fstat(fd, &st));
	f->size = (size_t)st.st_size;
	f->bytes = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(f->bytes != MAP_FAILED);
	close(fd);
	return true;
}

/* Address to file offset; the other way with @back. ~0 where there is none. */
static uint64_t translate(const struct file *f, uint64_t x, bool back)
{
	const Elf64_Ehdr *eh = (const void *)f->bytes;
	const Elf64_Phdr *ph = (const void *)(f->bytes + eh->e_phoff);
	unsigned int i;

	for (i = 0; i < eh->e_phnum; i++) {
		uint64_t from = back ? ph[i].p_offset : ph[i].p_vaddr;
		uint64_t to = back ? ph[i].p_vaddr : ph[i].p_offset;

		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X) && x >= from &&
		    x - from < ph[i].p_filesz)
			return x - from + to;
	}
	return ~0ull;
}

/* The first object is the program. */
static int take_base(struct dl_phdr_info *info, size_t size, void *arg)
{
	*(uint64_t *)arg = info->dlpi_addr;
	return 1;
}

static bool contains(const uint64_t *array, size_t n, uint64_t x)
{
	while (n--)
		if (array[n] == x)
			return true;
	return false;
}

/*
 * What is found in this program: all the marked ones, and in the assembly
 * function, whose look-alikes are known, nothing else.
 */
static void check_self(const struct file *f)
{
	static uint64_t offs[1024];
	size_t marked = (size_t)(__stop_find_me - __start_find_me), in_asm = 0, i;
	extern const char cpuid_in_asm[], cpuid_in_asm_end[];
	uint64_t base = 0, from, to;
	long n;

	dl_iterate_phdr(take_base, &base);
	n = inject_cpuid_scan(f->bytes, f->size, offs, 1024);
	CHECK(n >= (long)marked && n <= 1024);
	for (i = 0; i < marked; i++)
		CHECK(contains(offs, (size_t)n, translate(f, __start_find_me[i] - base, false)));
	from = translate(f, (uint64_t)cpuid_in_asm - base, false);
	to = translate(f, (uint64_t)cpuid_in_asm_end - base, false);
	for (i = 0; i < (size_t)n; i++)
		in_asm += offs[i] >= from && offs[i] < to;
	CHECK_EQ(in_asm, 3);
}

static void map_self(struct file *f)
{
	/* The compiler must not know it, or it leaves out the other cases. */
	volatile unsigned int any = 7;

	CHECK(map_file(f, "/proc/self/exe"));
	CHECK(__stop_find_me - __start_find_me >= 7);
	CHECK_EQ(cpuid_in_switch(any), 7 * 0x0fa2);
}

TEST(cpuid_self)
{
	struct file f;

	map_self(&f);
	check_self(&f);
}

/* No section headers at all: .eh_frame_hdr alone. */
TEST(cpuid_self_without_sections)
{
	Elf64_Ehdr *eh;
	struct file f;

	map_self(&f);
	eh = (void *)f.bytes;
	eh->e_shoff = 0;
	eh->e_shnum = eh->e_shstrndx = 0;
	check_self(&f);
}

/* As strip leaves it: no .symtab; and without PT_GNU_EH_FRAME, by section. */
TEST(cpuid_self_stripped)
{
	Elf64_Ehdr *eh;
	Elf64_Shdr *sh;
	Elf64_Phdr *ph;
	struct file f;
	unsigned int i;

	map_self(&f);
	eh = (void *)f.bytes;
	sh = (void *)(f.bytes + eh->e_shoff);
	for (i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_type == SHT_SYMTAB || sh[i].sh_type == SHT_DYNSYM)
			sh[i].sh_type = SHT_NULL;
	check_self(&f);
	ph = (void *)(f.bytes + eh->e_phoff);
	for (i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			ph[i].p_type = PT_NULL;
	check_self(&f);
}

/* Symbols alone: neither .eh_frame_hdr nor the section. */
TEST(cpuid_self_symbols)
{
	Elf64_Ehdr *eh;
	Elf64_Shdr *sh;
	Elf64_Phdr *ph;
	struct file f;
	unsigned int i;

	map_self(&f);
	eh = (void *)f.bytes;
	eh->e_shstrndx = 0;
	sh = (void *)(f.bytes + eh->e_shoff);
	for (i = 0; i < eh->e_shnum && sh[i].sh_type != SHT_SYMTAB; i++)
		;
	if (i == eh->e_shnum)
		SKIP("this program is stripped");
	ph = (void *)(f.bytes + eh->e_phoff);
	for (i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			ph[i].p_type = PT_NULL;
	check_self(&f);
}

/* ---- the system's libraries, against objdump ------------------------------ */

/*
 * Every one reported is a cpuid to objdump at that address. objdump also shows
 * data between functions, so that it may have more.
 * Return: how many are reported, or -1 where there is no such file.
 */
static long against_objdump(const char *path)
{
	static uint64_t offs[4096], seen[4096];
	char line[512], command[512];
	size_t nr_seen = 0;
	struct file f;
	FILE *pipe;
	long i, n;

	if (!map_file(&f, path))
		return -1;
	n = inject_cpuid_scan(f.bytes, f.size, offs, 4096);
	CHECK(n >= 0 && n <= 4096);
	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn '%s' | grep -w cpuid",
		 path);
	pipe = popen(command, "r");
	CHECK(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		unsigned long long addr;
		char word[16];

		if (sscanf(line, " %llx: %15s", &addr, word) == 2 && !strcmp(word, "cpuid")) {
			CHECK(nr_seen < 4096);
			seen[nr_seen++] = addr;
		}
	}
	pclose(pipe);
	for (i = 0; i < n; i++)
		if (!contains(seen, nr_seen, translate(&f, offs[i], true)))
			FAIL("%s: no cpuid at offset %#llx", path, (unsigned long long)offs[i]);
	printf("%s: %ld found, objdump has %zu\n", path, n, nr_seen);
	munmap(f.bytes, f.size);
	return n;
}

TEST(cpuid_libraries)
{
	static const char *const paths[] = {
		"/lib64/ld-linux-x86-64.so.2",
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/x86_64-linux-gnu/libgcc_s.so.1",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
	};
	long n, sum = 0;
	size_t i;

	if (system("objdump --version >/dev/null 2>&1"))
		SKIP("no objdump");
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		n = against_objdump(paths[i]);
		if (n > 0)
			sum += n;
	}
	CHECK(sum > 0);
}

/* ---- faulting ------------------------------------------------------------ */

/* The answer does not change this thread, and leaves no child behind. */
TEST(cpuid_can_fault)
{
	const long get_cpuid = 0x1011;
	int can, status;

	CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	can = inject_cpuid_can_fault();
	CHECK(can == 0 || can == 1);
	CHECK_ERRNO(waitpid(-1, &status, __WALL), ECHILD);
	CHECK_EQ(syscall(SYS_arch_prctl, get_cpuid, 0ul), 1);
	CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
	CHECK_EQ(inject_cpuid_can_fault(), can);
}
