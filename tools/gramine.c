/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Foreign bytes, two files of them.  Of the manifest the lines are read that
 * gramine-sgx-sign writes for all manifests alike; it is no reader of TOML.
 *
 * From the top of the enclave downwards: the manifest, SSA frames, TCSs, thread blocks, a
 * stack and a signal stack for each thread, libpal.so; below it the heap.  They are added in
 * this order.
 */
#include "gramine.h"
#include "elf_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SSA_FRAME_PAGES	  4u
#define SSA_FRAMES	  2u
#define SSA_SIZE	  (SSA_FRAME_PAGES * SSA_FRAMES * (uint64_t)SGX_PAGE_SIZE)
#define STACK_SIZE	  0x40000u
#define SIGNAL_STACK_SIZE 0x10000u
#define HEAP_MIN	  0x10000u /* mmap_min_addr: the enclave begins at address 0 */
#define GPRSGX_SIZE	  0xb8u
#define CANARY		  0xbadbadbadbadull
#define THREADS_MAX	  50000u

/* Offsets in a thread block, which GS points to inside */
#define BLOCK_SELF	       0x0u
#define BLOCK_CANARY	       0x8u
#define BLOCK_ENCLAVE_SIZE     0x110u
#define BLOCK_TCS_OFFSET       0x118u
#define BLOCK_STACK_TOP	       0x120u
#define BLOCK_SIGNAL_STACK_LOW 0x130u
#define BLOCK_SIGNAL_STACK_TOP 0x138u
#define BLOCK_SSA	       0x148u
#define BLOCK_GPR	       0x150u
#define BLOCK_MANIFEST_SIZE    0x1a0u
#define BLOCK_HEAP_MIN	       0x1a8u
#define BLOCK_HEAP_MAX	       0x1b0u
#define BLOCK_SIZE	       0x1b8u
#define TCS_CONTENTS	       offsetof(struct sgx_tcs, ocetssa)
#define THREAD_CONTENTS	       (BLOCK_SIZE + TCS_CONTENTS)

#define REG_FLAGS	       ((uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define RW_FLAGS	       (REG_FLAGS | SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT)
#define TCS_FLAGS	       ((uint64_t)SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)

/* Where things lie; the reader's state */
struct builder {
	struct gramine *g;
	const uint8_t *manifest;
	size_t manifest_size; /* without the zero byte that ends it in memory */
	struct elf_view libpal;
	uint64_t top; /* all above is taken */
	uint64_t manifest_at, ssa, tcs, blocks, stacks, signal_stacks, pal;
	char *error;
};

struct line {
	const char *text;
	size_t size;
};

static bool next_line(const char **at, const char *end, struct line *line)
{
	const char *stop;

	if (*at >= end)
		return false;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	line->text = *at;
	line->size = (size_t)((stop ? stop : end) - *at);
	*at = stop ? stop + 1 : end;
	if (line->size && line->text[line->size - 1] == '\r')
		line->size--;
	return true;
}

static bool line_is(const struct line *line, const char *text)
{
	return line->size == strlen(text) && !memcmp(line->text, text, line->size);
}

/* The value of "KEY = VALUE", copied with a zero byte; false where the key is another */
static bool value_of(const struct line *line, const char *key, char *value, size_t value_size)
{
	size_t length = strlen(key), size;

	if (line->size < length + 3 || memcmp(line->text, key, length) ||
	    memcmp(line->text + length, " = ", 3))
		return false;
	size = line->size - length - 3;
	if (size >= value_size)
		size = value_size - 1;
	memcpy(value, line->text + length + 3, size);
	value[size] = '\0';
	return true;
}

/* Takes the quotes off; false where there are none, or an escape is between them */
static bool unquote(char *value)
{
	size_t length = strlen(value);

	if (length < 2 || value[0] != '"' || value[length - 1] != '"' || strchr(value, '\\'))
		return false;
	memmove(value, value + 1, length - 2);
	value[length - 2] = '\0';
	return true;
}

/* A number, and where suffixes are allowed K, M or G behind it */
static bool number_of(const char *text, bool suffix, uint64_t *ret)
{
	uint64_t n = 0, base = 10;
	unsigned shift = 0;

	if (text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = *text >= '0' && *text <= '9'	? (unsigned)(*text - '0')
				 : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
								: 99;

		if (digit >= base)
			break;
		if (n > LAYOUT_ELRANGE_MAX)
			return false;
		n = n * base + digit;
	}
	if (suffix && *text) {
		shift = *text == 'K' ? 10 : *text == 'M' ? 20 : *text == 'G' ? 30 : 0;
		if (!shift)
			return false;
		text++;
	}
	if (*text || n > LAYOUT_ELRANGE_MAX >> shift)
		return false;
	*ret = n << shift;
	return true;
}

/* libpal.so lies in the folder sgx beside the libOS. */
static void find_libpal(struct gramine_settings *s, char *uri)
{
	static const char scheme[] = "file:", tail[] = "/sgx/libpal.so";
	char *slash;
	size_t length;

	if (!unquote(uri) || strncmp(uri, scheme, sizeof(scheme) - 1))
		return;
	uri += sizeof(scheme) - 1;
	slash = strrchr(uri, '/');
	if (!slash)
		return;
	length = (size_t)(slash - uri);
	if (length + sizeof(tail) > sizeof(s->libpal))
		return;
	memcpy(s->libpal, uri, length);
	memcpy(s->libpal + length, tail, sizeof(tail));
}

/**
 * gramine_settings() - what a signed manifest decides of the layout
 * @s: filled in
 * @manifest: any bytes at all
 * @size: their number
 * @error: where -1 is returned, what is missing
 *
 * Return: 0, or -1: it is not as gramine-sgx-sign writes it
 */
int gramine_settings(struct gramine_settings *s, const char *manifest, size_t size,
		     char error[LAYOUT_MESSAGE_SIZE])
{
	const char *at = manifest, *end = manifest + size;
	bool sgx = false, entry = false, edmm = false;
	char value[GRAMINE_PATH_SIZE];
	struct line line;

	memset(s, 0, sizeof(*s));
	while (next_line(&at, end, &line)) {
		if (line.size && line.text[0] == '[') {
			sgx = line_is(&line, "[sgx]");
			entry = line_is(&line, "[loader.entrypoint]");
		} else if (entry && value_of(&line, "uri", value, sizeof(value))) {
			find_libpal(s, value);
		} else if (!sgx) {
			continue;
		} else if (value_of(&line, "enclave_size", value, sizeof(value))) {
			if (!unquote(value) || !number_of(value, true, &s->enclave_size))
				return layout_refuse(error, "sgx.enclave_size = %.40s is no size",
						     value);
		} else if (value_of(&line, "max_threads", value, sizeof(value))) {
			if (!number_of(value, false, &s->max_threads) || !s->max_threads ||
			    s->max_threads > THREADS_MAX)
				return layout_refuse(error,
						     "sgx.max_threads = %.40s is not in 1..%u",
						     value, THREADS_MAX);
		} else if (value_of(&line, "edmm_enable", value, sizeof(value))) {
			s->edmm = !strcmp(value, "true");
			edmm = s->edmm || !strcmp(value, "false");
		}
	}
	if (!s->enclave_size || !s->max_threads || !edmm)
		return layout_refuse(error,
				     "its table [sgx] has no %s: it is not as "
				     "gramine-sgx-sign writes it (manifest.sgx)",
				     !s->enclave_size  ? "enclave_size"
				     : !s->max_threads ? "max_threads"
						       : "edmm_enable");
	return 0;
}

static uint64_t page_up(uint64_t n)
{
	return (n + SGX_PAGE_SIZE - 1) & SGX_PAGE_MASK;
}

/* The next area below; the caller adds it */
static int take(struct builder *b, const char *what, uint64_t size, uint64_t *ret)
{
	size = page_up(size);
	if (b->top < HEAP_MIN || size > b->top - HEAP_MIN)
		return layout_refuse(b->error,
				     "sgx.enclave_size %" PRIx64
				     "h is too small: no room for %s of %" PRIx64 "h bytes",
				     b->g->settings.enclave_size, what, size);
	b->top -= size;
	*ret = b->top;
	return 0;
}

/* The span of libpal.so in memory, which begins at 0 */
static int libpal_size(struct builder *b, uint64_t *ret)
{
	Elf64_Phdr p;
	bool zero = false;

	*ret = 0;
	for (unsigned i = 0; elf_view_phdr(&b->libpal, i, &p); i++) {
		if (p.p_type != PT_LOAD)
			continue;
		if (p.p_vaddr > LAYOUT_ELRANGE_MAX || p.p_memsz > LAYOUT_ELRANGE_MAX ||
		    !elf_view_within(&b->libpal, p.p_offset, p.p_filesz))
			return layout_refuse(b->error,
					     "libpal.so: the segment at %" PRIx64
					     "h lies beyond the file or the address space",
					     p.p_vaddr);
		zero |= p.p_vaddr < SGX_PAGE_SIZE;
		if (page_up(p.p_vaddr + p.p_memsz) > *ret)
			*ret = page_up(p.p_vaddr + p.p_memsz);
	}
	if (!zero)
		return layout_refuse(b->error, "libpal.so: no segment lies at address 0");
	return 0;
}

static int place(struct builder *b)
{
	uint64_t threads = b->g->settings.max_threads, size;

	b->top = b->g->settings.enclave_size;
	if (libpal_size(b, &size))
		return -1;
	return take(b, "the manifest", b->manifest_size + 1, &b->manifest_at) ||
			       take(b, "SSA frames", threads * SSA_SIZE, &b->ssa) ||
			       take(b, "TCSs", threads * SGX_PAGE_SIZE, &b->tcs) ||
			       take(b, "thread blocks", threads * SGX_PAGE_SIZE, &b->blocks) ||
			       take(b, "stacks", threads * STACK_SIZE, &b->stacks) ||
			       take(b, "signal stacks", threads * SIGNAL_STACK_SIZE,
				    &b->signal_stacks) ||
			       take(b, "libpal.so", size, &b->pal)
		       ? -1
		       : 0;
}

static int add(struct builder *b, const char *what, uint64_t offset, uint64_t size, uint64_t flags,
	       const uint8_t *bytes, uint64_t bytes_size)
{
	const struct layout_extent x = {
		.offset = offset,
		.pages = page_up(size) / SGX_PAGE_SIZE,
		.flags = flags,
		.measured = true,
		.what = what,
		.bytes = bytes,
		.size = bytes_size,
	};

	return layout_add(&b->g->layout, &x, b->error);
}

static void put(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* The first thread has the stack that is highest. */
static uint64_t stack_of(uint64_t lowest, uint64_t threads, uint64_t t, uint64_t size)
{
	return lowest + (threads - 1 - t) * size;
}

static void fill_thread(struct builder *b, uint64_t t, uint8_t *block, uint8_t *tcs_bytes)
{
	const struct gramine_settings *s = &b->g->settings;
	uint64_t ssa = b->ssa + t * SSA_SIZE;
	uint64_t signal_stack = stack_of(b->signal_stacks, s->max_threads, t, SIGNAL_STACK_SIZE);
	struct sgx_tcs tcs = {
		.ossa = ssa,
		.nssa = SSA_FRAMES,
		.oentry = b->pal + b->libpal.ehdr.e_entry,
		.ogsbase = b->blocks + t * SGX_PAGE_SIZE,
		.fslimit = 0xfff,
		.gslimit = 0xfff,
	};

	memcpy(tcs_bytes, &tcs, TCS_CONTENTS);
	put(block + BLOCK_SELF, tcs.ogsbase);
	put(block + BLOCK_CANARY, CANARY);
	put(block + BLOCK_ENCLAVE_SIZE, s->enclave_size);
	put(block + BLOCK_TCS_OFFSET, b->tcs + t * SGX_PAGE_SIZE);
	put(block + BLOCK_STACK_TOP,
	    stack_of(b->stacks, s->max_threads, t, STACK_SIZE) + STACK_SIZE);
	put(block + BLOCK_SIGNAL_STACK_LOW, signal_stack);
	put(block + BLOCK_SIGNAL_STACK_TOP, signal_stack + SIGNAL_STACK_SIZE);
	put(block + BLOCK_SSA, ssa);
	put(block + BLOCK_GPR, ssa + SSA_FRAME_PAGES * SGX_PAGE_SIZE - GPRSGX_SIZE);
	put(block + BLOCK_MANIFEST_SIZE, b->manifest_size + 1);
	put(block + BLOCK_HEAP_MIN, HEAP_MIN);
	put(block + BLOCK_HEAP_MAX, b->pal);
}

static int add_threads(struct builder *b)
{
	uint64_t threads = b->g->settings.max_threads;
	uint8_t *blocks = b->g->threads, *tcss = blocks + threads * BLOCK_SIZE;

	if (add(b, "SSA", b->ssa, threads * SSA_SIZE, RW_FLAGS, NULL, 0))
		return -1;
	for (uint64_t t = 0; t < threads; t++) {
		uint8_t *tcs = tcss + t * TCS_CONTENTS;

		fill_thread(b, t, blocks + t * BLOCK_SIZE, tcs);
		if (add(b, "TCS", b->tcs + t * SGX_PAGE_SIZE, SGX_PAGE_SIZE, TCS_FLAGS, tcs,
			TCS_CONTENTS))
			return -1;
	}
	for (uint64_t t = 0; t < threads; t++)
		if (add(b, "thread block", b->blocks + t * SGX_PAGE_SIZE, SGX_PAGE_SIZE, RW_FLAGS,
			blocks + t * BLOCK_SIZE, BLOCK_SIZE))
			return -1;
	for (uint64_t t = 0; t < threads; t++)
		if (add(b, "stack", stack_of(b->stacks, threads, t, STACK_SIZE), STACK_SIZE,
			RW_FLAGS, NULL, 0))
			return -1;
	for (uint64_t t = 0; t < threads; t++)
		if (add(b, "signal stack",
			stack_of(b->signal_stacks, threads, t, SIGNAL_STACK_SIZE),
			SIGNAL_STACK_SIZE, RW_FLAGS, NULL, 0))
			return -1;
	return 0;
}

static int add_libpal(struct builder *b)
{
	Elf64_Phdr p;

	for (unsigned i = 0; elf_view_phdr(&b->libpal, i, &p); i++) {
		struct layout_extent x = {.measured = true, .what = "libpal.so"};

		if (p.p_type != PT_LOAD)
			continue;
		x.flags = REG_FLAGS | (p.p_flags & PF_R ? SGX_SECINFO_R_BIT : 0) |
			  (p.p_flags & PF_W ? SGX_SECINFO_W_BIT : 0) |
			  (p.p_flags & PF_X ? SGX_SECINFO_X_BIT : 0);
		x.offset = b->pal + (p.p_vaddr & SGX_PAGE_MASK);
		x.pages = (page_up(p.p_vaddr + p.p_memsz) - (p.p_vaddr & SGX_PAGE_MASK)) /
			  SGX_PAGE_SIZE;
		x.lead = p.p_offset % SGX_PAGE_SIZE;
		x.bytes = b->libpal.data + p.p_offset;
		x.size = p.p_filesz;
		if (layout_add(&b->g->layout, &x, b->error))
			return -1;
	}
	return 0;
}

static int add_heap(struct builder *b)
{
	const struct layout_extent heap = {
		.offset = HEAP_MIN,
		.pages = (b->pal - HEAP_MIN) / SGX_PAGE_SIZE,
		.flags = REG_FLAGS | SGX_SECINFO_RWX_BITS,
		.what = "heap",
	};

	return b->g->settings.edmm ? 0 : layout_add(&b->g->layout, &heap, b->error);
}

/**
 * gramine_read() - lay an enclave out
 * @g: filled in where 0 is returned; gramine_free() it then
 * @manifest: manifest.sgx, any bytes at all; must stay as long as @g is used
 * @size: their number
 * @libpal: libpal.so, any bytes at all; must stay as well
 * @libpal_size: their number
 * @error: what is wrong, where -1 is returned
 *
 * Return: 0, or -1
 */
int gramine_read(struct gramine *g, const void *manifest, size_t size, const void *libpal,
		 size_t libpal_size, char error[LAYOUT_MESSAGE_SIZE])
{
	struct builder b = {.g = g, .manifest = manifest, .manifest_size = size, .error = error};

	memset(g, 0, sizeof(*g));
	if (gramine_settings(&g->settings, manifest, size, error))
		return -1;
	if (!elf_view_open(&b.libpal, libpal, libpal_size))
		return layout_refuse(error, "libpal.so is no ELF file for x86-64");
	if (place(&b))
		return -1;
	g->threads = calloc(g->settings.max_threads, THREAD_CONTENTS);
	if (!g->threads)
		return layout_refuse(error, "no memory for %" PRIu64 " threads",
				     g->settings.max_threads);
	g->layout.elrange = g->settings.enclave_size;
	g->layout.ssaframesize = SSA_FRAME_PAGES;
	if (add(&b, "manifest", b.manifest_at, size + 1, REG_FLAGS | SGX_SECINFO_R_BIT, manifest,
		size) ||
	    add_threads(&b) || add_libpal(&b) || add_heap(&b) || layout_check(&g->layout, error)) {
		gramine_free(g);
		return -1;
	}
	return 0;
}

/**
 * gramine_free() - forget an enclave
 * @g: read before
 */
void gramine_free(struct gramine *g)
{
	layout_free(&g->layout);
	free(g->threads);
	g->threads = NULL;
}
