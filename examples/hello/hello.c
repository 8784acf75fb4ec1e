/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host of the example: builds the enclave through /dev/sgx_enclave, enters
 * it through the vDSO and prints its answers.
 *
 * Nothing here knows swsgx: kernel headers, the vDSO and libc only, so that the
 * same two files run on SGX hardware.
 *
 *	hello [--trap] ENCLAVE.elf ENCLAVE.sig
 */
#include "hello.h"
#include "vdso.h"

#include <asm/sgx.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE	       "/dev/sgx_enclave"
#define PAGE	       4096ull
#define SIGSTRUCT_SIZE 1808u
#define EENTER	       2u /* ENCLU leaves */
#define EEXIT	       4u
#define SECINFO_TCS    (1ull << 8)
#define SECINFO_REG    (2ull << 8)
#define SEGMENTS_MAX   16u

/* The part of SECS that a loader sets; the rest of its page is zero */
struct secs {
	uint64_t size;
	uint64_t base;
	uint32_t ssaframesize;
	uint32_t miscselect;
	uint8_t reserved[24];
	uint64_t attributes;
	uint64_t xfrm;
	uint8_t rest[4032];
};
_Static_assert(sizeof(struct secs) == PAGE, "SECS is one page");

/* Where SIGSTRUCT has what the loader or the reader wants */
#define SIG_MISCSELECT	900u
#define SIG_ATTRIBUTES	928u
#define SIG_XFRM	936u
#define SIG_ENCLAVEHASH 960u
/* The same for REPORT */
#define REPORT_MRENCLAVE  64u
#define REPORT_MRSIGNER	  128u
#define REPORT_REPORTDATA 320u

struct segment {
	uint64_t offset;
	uint64_t size;
	uint64_t secinfo;
	int prot;
};

struct enclave {
	int fd;
	uint8_t *image; /* page-aligned copy of the file */
	uint64_t image_size;
	uint64_t first; /* file offset of the enclave's first byte */
	struct segment segments[SEGMENTS_MAX];
	unsigned segment_count;
	uint64_t size, base, pages;
	uint8_t sigstruct[SIGSTRUCT_SIZE];
	vdso_sgx_enter_enclave_t enter;
	uint64_t entries, exits, exceptions;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("hello: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* A file into page-aligned memory, zeros behind it: ADD_PAGES takes whole pages */
static uint8_t *read_file(const char *path, uint64_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t done = 0, size;
	struct stat st;
	uint8_t *data;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open %s: %s", path, strerror(errno));
	size = (uint64_t)st.st_size;
	if (!size)
		die("%s is empty", path);
	data = mmap(NULL, (size + PAGE - 1) & ~(PAGE - 1), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		die("no memory for %s: %s", path, strerror(errno));
	while (done < size) {
		n = read(fd, data + done, size - done);
		if (n <= 0)
			die("cannot read %s: %s", path, n ? strerror(errno) : "it shrank");
		done += (uint64_t)n;
	}
	close(fd);
	*ret_size = size;
	return data;
}

/* The first PT_LOAD is the TCS segment; all lie in the enclave as in the file */
static void parse(struct enclave *e, const char *path)
{
	Elf64_Ehdr ehdr;
	Elf64_Phdr p;

	e->image = read_file(path, &e->image_size);
	if (e->image_size < sizeof(ehdr))
		die("%s: %" PRIu64 " bytes are no ELF file", path, e->image_size);
	memcpy(&ehdr, e->image, sizeof(ehdr));
	if (memcmp(ehdr.e_ident, ELFMAG, SELFMAG) || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_machine != EM_X86_64 || ehdr.e_phentsize != sizeof(p))
		die("%s is no x86-64 ELF file", path);
	if (ehdr.e_phoff > e->image_size || ehdr.e_phnum * sizeof(p) > e->image_size - ehdr.e_phoff)
		die("%s: program headers at 0x%" PRIx64 " lie outside the file", path,
		    ehdr.e_phoff);
	for (unsigned i = 0; i < ehdr.e_phnum; i++) {
		struct segment *s = &e->segments[e->segment_count];

		memcpy(&p, e->image + ehdr.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type != PT_LOAD)
			continue;
		if (e->segment_count == SEGMENTS_MAX)
			die("%s: more than %u segments", path, SEGMENTS_MAX);
		if (!e->segment_count)
			e->first = p.p_offset;
		if (p.p_offset % PAGE || p.p_offset < e->first + e->size || !p.p_filesz ||
		    p.p_offset > e->image_size || p.p_filesz > e->image_size - p.p_offset)
			die("%s: program header %u: p_offset 0x%" PRIx64 " or p_filesz 0x%" PRIx64
			    " is wrong; 'swsgx inspect' tells more",
			    path, i, p.p_offset, p.p_filesz);
		s->offset = p.p_offset - e->first;
		s->size = (p.p_filesz + PAGE - 1) & ~(PAGE - 1);
		s->prot = (p.p_flags & PF_R ? PROT_READ : 0) | (p.p_flags & PF_W ? PROT_WRITE : 0) |
			  (p.p_flags & PF_X ? PROT_EXEC : 0);
		/* SECINFO's R, W and X are PROT_READ, PROT_WRITE and PROT_EXEC: 1, 2, 4 */
		s->secinfo = e->segment_count ? SECINFO_REG | (unsigned)s->prot : SECINFO_TCS;
		e->size = s->offset + s->size;
		e->pages += s->size / PAGE;
		e->segment_count++;
	}
	if (!e->segment_count)
		die("%s has no segment to load", path);
}

static void read_sigstruct(struct enclave *e, const char *path)
{
	uint64_t size;
	uint8_t *data = read_file(path, &size);

	if (size != SIGSTRUCT_SIZE)
		die("%s: a SIGSTRUCT has %u bytes, this file %" PRIu64, path, SIGSTRUCT_SIZE, size);
	memcpy(e->sigstruct, data, SIGSTRUCT_SIZE);
	munmap(data, PAGE);
}

static void open_device(struct enclave *e)
{
	e->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (e->fd >= 0)
		return;
	if (errno == ENOENT || errno == ENODEV)
		die("cannot open " DEVICE ": %s\n"
		    "hello: this machine has no SGX; give it a software one: swsgx run -- hello "
		    "...",
		    strerror(errno));
	if (errno == EACCES)
		die("cannot open " DEVICE ": %s\n"
		    "hello: your user may not; on many systems the group 'sgx' may",
		    strerror(errno));
	die("cannot open " DEVICE ": %s", strerror(errno));
}

/* ELRANGE: a power of two, aligned to its own size */
static void reserve(struct enclave *e)
{
	uint64_t size = 2 * PAGE, start;
	uint8_t *area;

	while (size < e->size)
		size <<= 1;
	area = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		die("cannot reserve 0x%" PRIx64 " bytes of addresses: %s", 2 * size,
		    strerror(errno));
	start = (uint64_t)area;
	e->base = (start + size - 1) & ~(size - 1);
	e->size = size;
	/* The ends that alignment left over; a length of 0 would be an error */
	if (e->base > start)
		munmap(area, e->base - start);
	if (e->base + size < start + 2 * size)
		munmap((void *)(e->base + size), start + size - e->base);
}

static void create(struct enclave *e)
{
	struct sgx_enclave_create create;
	struct secs secs;

	memset(&secs, 0, sizeof(secs));
	secs.size = e->size;
	secs.base = e->base;
	secs.ssaframesize = 1;
	/* What was signed is what is asked for */
	memcpy(&secs.miscselect, e->sigstruct + SIG_MISCSELECT, sizeof(secs.miscselect));
	memcpy(&secs.attributes, e->sigstruct + SIG_ATTRIBUTES, sizeof(secs.attributes));
	memcpy(&secs.xfrm, e->sigstruct + SIG_XFRM, sizeof(secs.xfrm));
	create.src = (uint64_t)&secs;
	if (ioctl(e->fd, SGX_IOC_ENCLAVE_CREATE, &create))
		die("SGX_IOC_ENCLAVE_CREATE (size 0x%" PRIx64 ", attributes 0x%" PRIx64
		    ", xfrm 0x%" PRIx64 "): %s",
		    secs.size, secs.attributes, secs.xfrm, strerror(errno));
}

static void add_segment(struct enclave *e, const struct segment *s)
{
	uint64_t secinfo[8] __attribute__((aligned(64))) = {s->secinfo};
	struct sgx_enclave_add_pages add;
	uint64_t done = 0;

	/* A signal may cut it short: then it says how far it came */
	while (done < s->size) {
		memset(&add, 0, sizeof(add));
		add.src = (uint64_t)(e->image + e->first + s->offset + done);
		add.offset = s->offset + done;
		add.length = s->size - done;
		add.secinfo = (uint64_t)secinfo;
		add.flags = SGX_PAGE_MEASURE;
		errno = 0;
		if ((ioctl(e->fd, SGX_IOC_ENCLAVE_ADD_PAGES, &add) && errno != EINTR) ||
		    (!add.count && !errno))
			die("SGX_IOC_ENCLAVE_ADD_PAGES (offset 0x%" PRIx64 ", length 0x%" PRIx64
			    "): %s%s",
			    (uint64_t)add.offset, (uint64_t)add.length, strerror(errno),
			    errno == ENOMEM ? " (no EPC left?)" : "");
		done += add.count;
	}
}

static void init(struct enclave *e)
{
	struct sgx_enclave_init init = {.sigstruct = (uint64_t)e->sigstruct};

	if (!ioctl(e->fd, SGX_IOC_ENCLAVE_INIT, &init))
		return;
	die("SGX_IOC_ENCLAVE_INIT: %s%s", strerror(errno),
	    errno == EPERM ? "\nhello: EINIT refused it: the SIGSTRUCT is damaged or is another "
			     "enclave's ('swsgx inspect' shows both)"
			   : "");
}

static void map_segments(struct enclave *e)
{
	for (unsigned i = 0; i < e->segment_count; i++) {
		const struct segment *s = &e->segments[i];
		void *want = (void *)(e->base + s->offset);

		if (mmap(want, s->size, s->prot, MAP_SHARED | MAP_FIXED, e->fd, 0) != want)
			die("cannot map the segment at offset 0x%" PRIx64 ": %s%s", s->offset,
			    strerror(errno),
			    s->prot & PROT_EXEC && (errno == EPERM || errno == EACCES)
				    ? " (is /dev mounted noexec?)"
				    : "");
	}
}

static void print_hex(const char *name, const uint8_t *bytes, unsigned count)
{
	printf("%-22s", name);
	for (unsigned i = 0; i < count; i++)
		printf("%02x", bytes[i]);
	putchar('\n');
}

/*
 * Call the vDSO function.  An enclave that is left by an exception gives back the
 * synthetic state: RBX, RBP and RSP are the vDSO's to restore, R12 to R15 are
 * ours (see the note in <asm/sgx.h>).
 */
int call_vdso(unsigned long rdi, unsigned int leaf, struct sgx_enclave_run *run,
	      vdso_sgx_enter_enclave_t function);
__asm__(".pushsection .text\n"
	".globl call_vdso\n"
	".type call_vdso, @function\n"
	"call_vdso:\n"
	"	push	%rbp\n"
	"	mov	%rsp, %rbp\n"
	"	push	%r12\n"
	"	push	%r13\n"
	"	push	%r14\n"
	"	push	%r15\n"
	"	push	$0\n"
	"	push	%rdx\n" /* the seventh argument */
	"	mov	%rcx, %rax\n"
	"	mov	%esi, %ecx\n"
	"	xor	%esi, %esi\n"
	"	xor	%edx, %edx\n"
	"	xor	%r8d, %r8d\n"
	"	xor	%r9d, %r9d\n"
	"	call	*%rax\n"
	"	lea	-32(%rbp), %rsp\n"
	"	pop	%r15\n"
	"	pop	%r14\n"
	"	pop	%r13\n"
	"	pop	%r12\n"
	"	pop	%rbp\n"
	"	ret\n"
	".size call_vdso, . - call_vdso\n"
	".popsection\n");

/* Enter on TCS number tcs.  False where the enclave did not come back by EEXIT. */
static bool enter(struct enclave *e, unsigned tcs, struct hello_call *call,
		  struct sgx_enclave_run *run)
{
	int ret;

	memset(run, 0, sizeof(*run));
	run->tcs = e->base + tcs * PAGE;
	call->status = UINT64_MAX;
	e->entries++;
	ret = call_vdso((unsigned long)call, EENTER, run, e->enter);
	if (ret)
		die("__vdso_sgx_enter_enclave() returned %d", ret);
	if (run->function == EEXIT) {
		e->exits++;
		return true;
	}
	e->exceptions++;
	return false;
}

static void call_enclave(struct enclave *e, unsigned tcs, struct hello_call *call, const char *what)
{
	struct sgx_enclave_run run;

	if (!enter(e, tcs, call, &run))
		die("%s: exception %u, error code 0x%x, address 0x%" PRIx64 " (ENCLU leaf %" PRIu32
		    ")",
		    what, run.exception_vector, run.exception_error_code,
		    (uint64_t)run.exception_addr, (uint32_t)run.function);
	if (call->status != HELLO_OK)
		die("%s: the enclave answered status %" PRIu64, what, call->status);
}

static void add_numbers(struct enclave *e)
{
	struct hello_call call = {.op = HELLO_ADD, .a = 40, .b = 2};

	call_enclave(e, 0, &call, "ADD");
	printf("40 + 2 inside         %" PRIu64 "\n", call.result);
	if (call.result != 42)
		die("ADD: 40 + 2 is not %" PRIu64, call.result);
}

static void greet(struct enclave *e)
{
	char text[64] = "";
	struct hello_call call = {.op = HELLO_GREET, .a = 6, .b = 7};

	call.buffer = (uint64_t)text;
	call.buffer_size = sizeof(text);
	call_enclave(e, 1, &call, "GREET");
	text[sizeof(text) - 1] = '\0';
	printf("it says               %s\n", text);
	if (strcmp(text, "Hello from the enclave, 6 * 7 = 42"))
		die("GREET: that is not the greeting");

	/* What a hostile host would do: have the enclave write into itself */
	call.buffer = e->base + PAGE;
	if (!enter(e, 1, &call, &(struct sgx_enclave_run){0}) || call.status != HELLO_BAD_BUFFER)
		die("GREET: the enclave took a buffer inside itself (status %" PRIu64 ")",
		    call.status);
}

static void report(struct enclave *e)
{
	uint8_t bytes[HELLO_REPORT_SIZE] = {0};
	struct hello_call call = {.op = HELLO_REPORT, .a = 0x1122334455667788};
	const uint8_t *hash = e->sigstruct + SIG_ENCLAVEHASH;

	call.buffer = (uint64_t)bytes;
	call.buffer_size = sizeof(bytes);
	call_enclave(e, 0, &call, "REPORT");
	print_hex("MRENCLAVE, signed", hash, 32);
	print_hex("MRENCLAVE, reported", bytes + REPORT_MRENCLAVE, 32);
	print_hex("MRSIGNER, reported", bytes + REPORT_MRSIGNER, 32);
	if (memcmp(bytes + REPORT_MRENCLAVE, hash, 32))
		die("REPORT: MRENCLAVE is not the signed one");
	if (memcmp(bytes + REPORT_REPORTDATA, &call.a, sizeof(call.a)))
		die("REPORT: REPORTDATA is not what was asked for");
}

/* An exception inside, and what the enclave says to the next call on that TCS */
static void trap(struct enclave *e)
{
	struct hello_call call = {.op = HELLO_TRAP};
	struct sgx_enclave_run run;

	if (enter(e, 1, &call, &run))
		die("TRAP: UD2 inside did not trap (status %" PRIu64 ")", call.status);
	printf("UD2 inside            exception %u, at AEX\n", run.exception_vector);
	if (run.exception_vector != 6)
		die("TRAP: vector %u, not 6 (#UD)", run.exception_vector);
	if (!enter(e, 1, &call, &run) || call.status != HELLO_NESTED)
		die("TRAP: a call with CSSA 1 was not refused (status %" PRIu64 ")", call.status);
	printf("called again          refused: CSSA is 1\n");
}

int main(int argc, char **argv)
{
	bool with_trap = argc > 1 && !strcmp(argv[1], "--trap");
	struct enclave e = {.fd = -1};

	if (argc - with_trap != 3) {
		fputs("Usage: hello [--trap] ENCLAVE.elf ENCLAVE.sig\n", stderr);
		return 2;
	}
	parse(&e, argv[argc - 2]);
	read_sigstruct(&e, argv[argc - 1]);
	open_device(&e);
	e.enter = (vdso_sgx_enter_enclave_t)vdso_find("__vdso_sgx_enter_enclave");
	if (!e.enter)
		die("the vDSO has no __vdso_sgx_enter_enclave(): Linux 5.11 with CONFIG_X86_SGX, "
		    "or "
		    "'swsgx run', has");
	reserve(&e);
	create(&e);
	for (unsigned i = 0; i < e.segment_count; i++)
		add_segment(&e, &e.segments[i]);
	init(&e);
	map_segments(&e);

	printf("enclave at            0x%" PRIx64 ", ELRANGE 0x%" PRIx64 "\n", e.base, e.size);
	add_numbers(&e);
	greet(&e);
	report(&e);
	if (with_trap)
		trap(&e);
	printf("entries               %" PRIu64 " by EENTER\n", e.entries);
	printf("exits                 %" PRIu64 " by EEXIT, %" PRIu64 " by an exception\n", e.exits,
	       e.exceptions);
	printf("EPC pages added       %" PRIu64 ", and the SECS\n", e.pages);
	if (fflush(stdout))
		die("cannot write: %s", strerror(errno));
	close(e.fd);
	return 0;
}
