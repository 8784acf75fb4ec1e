/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Following a function's code to its CPUID instructions, for certain.
 *
 * From what cpuid.c found (a start and an extent that the linker wrote down):
 *
 *  1. Control flow is followed inside the extent: fall through, direct jumps,
 *     both sides of conditional ones, the return of a call. Decoding merely
 *     from the start to the end (linearly) is not proof: almost any bytes are
 *     instructions, and after an unconditional jump there may be a table.
 *  2. Targets of a switch are reached by an indirect jump. A table counts that
 *     reached code takes the address of (lea of RIP + disp32 with 32-bit entries
 *     relative to the table, or a jmp or mov of table(,reg,8) in a non-PIC file), and an
 *     entry counts only where it is in the function AND the linear decoding
 *     from the function's start agrees that an instruction begins there: two
 *     weak witnesses that know nothing of each other.
 *  3. A function where any path meets bytes that are no instruction, or leaves
 *     the extent in the middle of one, reports nothing: something that we took
 *     for true was not (a call that never returns and is followed by data, a
 *     size that lies).
 *  4. Where any reached instruction of any function covers the two bytes in
 *     another way (66 0F A2, an immediate, a jump into the middle), they are
 *     not reported.
 *  5. A direct call into the middle of its own function may be "call over the
 *     string, then pop": its target is followed, its return is not.
 *
 * Every instruction is decoded once (twice in a function with a switch), and
 * the sum of all functions' sizes is bounded.
 */
#include "cpuid_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#define MAX_TABLES  64
#define MAX_ENTRIES 4096 /* of one jump table */
#define DECODE_BASE 65536
#define DECODE_MULT 8 /* bytes decoded, for each executable byte */

/* What is known of a byte of the function. */
enum {
	MARK_QUEUED = 1, /* a block begins here, in the list or done */
	MARK_REACHED = 2, /* an instruction begins here, by control flow */
	MARK_CPUID = 4, /* ... and it is CPUID, without prefixes */
	MARK_LINEAR = 8, /* an instruction begins here, by linear decoding */
};

struct table {
	uint64_t vaddr;
	bool absolute; /* 8-byte addresses, not 4-byte distances */
};

struct walk {
	struct scan *s;
	const ZydisDecoder *decoder;
	const struct func *f;
	const uint8_t *code;
	uint8_t *mark; /* f->size */
	uint32_t *todo; /* f->size: each byte is queued at most once */
	size_t nr_todo;
	struct table table[MAX_TABLES];
	unsigned int nr_tables;
	bool indirect; /* an indirect jump was reached */
	bool linear; /* MARK_LINEAR is there */
};

static bool decode(const struct walk *w, uint32_t at, ZydisDecodedInstruction *insn)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(w->decoder, NULL, w->code + at,
							  w->f->size - at, insn));
}

static void queue(struct walk *w, uint64_t at)
{
	if (at >= w->f->size || (w->mark[at] & MARK_QUEUED))
		return;
	w->mark[at] |= MARK_QUEUED;
	w->todo[w->nr_todo++] = (uint32_t)at;
}

/* The candidates that share a byte with [at, at + size), but @at itself. */
static void clash(struct walk *w, uint32_t at, unsigned int size, bool is_cpuid)
{
	uint64_t off = w->f->off + at;
	size_t i;

	for (i = cpuid_cand_from(w->s, off - 1); i < w->s->nr_cands; i++) {
		struct cand *c = &w->s->cand[i];

		if (c->off >= off + size)
			break;
		if (c->off != off || !is_cpuid)
			c->clash = true;
	}
}

static void note_table(struct walk *w, uint64_t vaddr, bool absolute)
{
	unsigned int i;

	for (i = 0; i < w->nr_tables; i++)
		if (w->table[i].vaddr == vaddr && w->table[i].absolute == absolute)
			return;
	if (w->nr_tables < MAX_TABLES)
		w->table[w->nr_tables++] = (struct table){vaddr, absolute};
}

/* disp32(,index,8): mod 0, SIB without a base; in a file that is not moved. */
static bool is_table_operand(const struct walk *w, const ZydisDecodedInstruction *in)
{
	return w->s->fixed && in->raw.modrm.mod == 0 && in->raw.modrm.rm == 4 &&
	       in->raw.sib.base == 5 && in->raw.sib.scale == 3;
}

/*
 * One instruction that control flow reaches.
 * Return: it may go on to the next.
 */
static bool follow(struct walk *w, uint32_t at, const ZydisDecodedInstruction *in)
{
	bool is_cpuid = in->mnemonic == ZYDIS_MNEMONIC_CPUID && in->length == CPUID_SIZE;
	bool legacy = in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
		      in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
	uint64_t next = (uint64_t)at + in->length, target = UINT64_MAX;

	w->mark[at] |= MARK_REACHED | (is_cpuid ? MARK_CPUID : 0);
	clash(w, at, in->length, is_cpuid);
	/* Below the start it wraps, and so is outside as well. */
	if (in->raw.imm[0].is_relative)
		target = next + (uint64_t)in->raw.imm[0].value.s;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
		queue(w, target);
		if (target != UINT64_MAX || !legacy || in->opcode != 0xff)
			return false;
		w->indirect = true;
		if (is_table_operand(w, in))
			note_table(w, (uint64_t)in->raw.disp.value, true);
		return false;
	case ZYDIS_MNEMONIC_CALL:
		if (target == 0 || target >= w->f->size)
			return true;
		queue(w, target);
		return false;
	case ZYDIS_MNEMONIC_RET:
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_SYSRET:
	case ZYDIS_MNEMONIC_SYSEXIT:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_INT3:
		return false;
	case ZYDIS_MNEMONIC_LEA:
		/* mod 0, rm 5: RIP + disp32 */
		if (in->raw.modrm.mod == 0 && in->raw.modrm.rm == 5)
			note_table(w, w->f->vaddr + next + (uint64_t)in->raw.disp.value, false);
		return true;
	case ZYDIS_MNEMONIC_MOV:
		/* mov table(,index,8), reg; jmp *reg */
		if (legacy && in->opcode == 0x8b && is_table_operand(w, in))
			note_table(w, (uint64_t)in->raw.disp.value, true);
		return true;
	default:
		queue(w, target);
		return true;
	}
}

/* Follow all that is queued. Return: false where bytes are no instruction. */
static bool flow(struct walk *w)
{
	ZydisDecodedInstruction insn;

	while (w->nr_todo) {
		uint32_t at = w->todo[--w->nr_todo];

		while (at < w->f->size && !(w->mark[at] & MARK_REACHED)) {
			if (!decode(w, at, &insn))
				return false;
			if (!follow(w, at, &insn))
				break;
			at += insn.length;
		}
	}
	return true;
}

static void decode_linear(struct walk *w)
{
	ZydisDecodedInstruction insn;
	uint32_t at;

	for (at = 0; at < w->f->size && decode(w, at, &insn); at += insn.length)
		w->mark[at] |= MARK_LINEAR;
	w->linear = true;
}

/* Queue the entries of a jump table, up to the first that cannot be one. */
static void read_table(struct walk *w, const struct table *t)
{
	const unsigned int width = t->absolute ? sizeof(uint64_t) : sizeof(int32_t);
	unsigned int i;

	for (i = 0; i < MAX_ENTRIES; i++) {
		const struct load *l = cpuid_load_of(w->s, t->vaddr + i * width, width);
		const uint8_t *p;
		uint64_t v;
		int32_t distance;

		if (!l)
			return;
		p = w->s->image + l->off + (t->vaddr + i * width - l->vaddr);
		if (t->absolute) {
			memcpy(&v, p, sizeof(v));
		} else {
			memcpy(&distance, p, sizeof(distance));
			v = t->vaddr + (uint64_t)(int64_t)distance;
		}
		v -= w->f->vaddr;
		if (v >= w->f->size || !(w->mark[v] & MARK_LINEAR))
			return;
		queue(w, v);
	}
}

static void scan_func(struct walk *w, const struct func *f)
{
	unsigned int done = 0;
	size_t i;

	w->f = f;
	w->code = w->s->image + f->off;
	w->nr_todo = 0;
	w->nr_tables = 0;
	w->indirect = w->linear = false;
	memset(w->mark, 0, f->size);

	queue(w, 0);
	do {
		if (!flow(w))
			return;
		if (w->indirect && !w->linear)
			decode_linear(w);
		for (; w->indirect && done < w->nr_tables; done++)
			read_table(w, &w->table[done]);
	} while (w->nr_todo);

	for (i = cpuid_cand_from(w->s, f->off); i < w->s->nr_cands; i++) {
		struct cand *c = &w->s->cand[i];

		if (c->off - f->off > f->size - CPUID_SIZE)
			break;
		if (w->mark[c->off - f->off] & MARK_CPUID)
			c->hit = true;
	}
}

static int cmp_func(const void *a, const void *b)
{
	const struct func *x = a, *y = b;

	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

void cpuid_walk_funcs(struct scan *s)
{
	struct walk w = {.s = s};
	ZydisDecoder decoder;
	uint64_t total = 0;
	uint32_t longest = 0;
	size_t i, n = 0;

	if (!s->nr_funcs)
		return;
	qsort(s->func, s->nr_funcs, sizeof(*s->func), cmp_func);
	for (i = 0; i < s->nr_funcs; i++) {
		const struct func f = s->func[i];

		if (n && !cmp_func(&s->func[n - 1], &f))
			continue;
		s->func[n++] = f;
		total += f.size;
		if (f.size > longest)
			longest = f.size;
	}
	if (total > DECODE_BASE + s->exec_bytes * DECODE_MULT) {
		s->err = -E2BIG;
		return;
	}
	w.mark = malloc(longest);
	w.todo = malloc(longest * sizeof(*w.todo));
	w.decoder = &decoder;
	if (!w.mark || !w.todo ||
	    !ZYAN_SUCCESS(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		s->err = -ENOMEM;
	for (i = 0; i < n && !s->err; i++)
		scan_func(&w, &s->func[i]);
	free(w.todo);
	free(w.mark);
}
