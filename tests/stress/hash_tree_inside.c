/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash_tree's enclave.  It is linked into the host as one section, which is copied:
 * what is here may reach nothing outside that section but by pointers that it is given.
 * No constants in memory, no static data, no libc.
 */
#include "hash_tree.h"

#include <stdbool.h>

#define INSIDE static __attribute__((section("hash_tree")))
/* One that GCC is not to inline twenty times: the code has two pages */
#define INSIDE_ONCE static __attribute__((section("hash_tree"), noinline))
/* Pages of each way to go through them */
#define STRETCH 64u

void ht_vectors_set(uint64_t seed);
uint64_t ht_vectors_look(uint64_t seed, uint64_t *found);
void ht_inside(struct ht_call *call);

struct node {
	volatile uint64_t hash, check;
};

INSIDE uint64_t mix(uint64_t x)
{
	return ht_mix(x);
}

/* --- who is to blame ------------------------------------------------------------------------- */

INSIDE_ONCE bool wrong(struct ht_call *call, enum ht_what what, uint64_t part, uint64_t page,
		       uint64_t word, uint64_t expected, uint64_t found)
{
	call->error.part = part;
	call->error.page = page;
	call->error.word = word;
	call->error.expected = expected;
	call->error.found = found;
	call->error.op = call->done;
	call->error.what = what;
	return false;
}

/* --- data pages ------------------------------------------------------------------------------ */

INSIDE uint64_t part_base(const struct ht_call *call, uint64_t part)
{
	return call->heap + part * call->part_pages * HT_PAGE;
}

INSIDE volatile uint64_t *data_page(const struct ht_call *call, uint64_t part, uint64_t page)
{
	return (volatile uint64_t *)(part_base(call, part) + page * HT_PAGE);
}

INSIDE ht_shadow *shadow(const struct ht_call *call, uint64_t part, uint64_t page)
{
	return &call->shadow[part * call->data + page];
}

INSIDE uint64_t word_of(uint64_t start, uint64_t page, uint64_t version, uint32_t i)
{
	if (i == 0)
		return page;
	return i == 1 ? version : mix(start + i);
}

INSIDE uint64_t start_of(const struct ht_call *call, uint64_t part, uint64_t page, uint64_t version)
{
	return mix(mix(mix(call->seed ^ part << 56) ^ page) ^ version);
}

INSIDE uint64_t hash_step(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xff51afd7ed558ccd;
	return hash ^ hash >> 32;
}

INSIDE_ONCE void write_page(const struct ht_call *call, uint64_t page, uint64_t version)
{
	volatile uint64_t *p = data_page(call, call->part, page);
	uint64_t start = start_of(call, call->part, page, version);

	for (uint32_t i = 0; i < HT_WORDS; i++)
		p[i] = word_of(start, page, version, i);
}

/* Of what is there */
INSIDE_ONCE uint64_t hash_page(const struct ht_call *call, uint64_t part, uint64_t page)
{
	volatile uint64_t *p = data_page(call, part, page);
	uint64_t hash = 0;

	for (uint32_t i = 0; i < HT_WORDS; i++)
		hash = hash_step(hash, p[i]);
	return hash;
}

/* Each word against what it should be; hash: of what is there. */
INSIDE_ONCE bool look_at_page(struct ht_call *call, uint64_t part, uint64_t page, uint64_t version,
			      uint64_t *hash)
{
	volatile uint64_t *p = data_page(call, part, page);
	uint64_t start = start_of(call, part, page, version), h = 0;

	for (uint32_t i = 0; i < HT_WORDS; i++) {
		uint64_t word = p[i], expected = word_of(start, page, version, i);

		h = hash_step(h, word);
		if (word == expected)
			continue;
		call->error.version = version;
		call->error.found_version = p[1];
		return wrong(call, HT_WORD, part, page, i, expected, word);
	}
	*hash = h;
	return true;
}

/* --- the tree -------------------------------------------------------------------------------- */

INSIDE struct node *node(const struct ht_call *call, uint64_t part, uint64_t i)
{
	return (struct node *)(part_base(call, part) + call->data * HT_PAGE + i * HT_NODE_STRIDE);
}

INSIDE void set_node(const struct ht_call *call, uint64_t i, uint64_t hash)
{
	struct node *n = node(call, call->part, i);

	n->hash = hash;
	n->check = mix(hash ^ i);
}

INSIDE_ONCE bool get_node(struct ht_call *call, uint64_t part, uint64_t i, uint64_t page,
			  uint64_t *hash)
{
	struct node *n = node(call, part, i);
	uint64_t h = n->hash, check = n->check;

	*hash = h;
	return check == mix(h ^ i) || wrong(call, HT_NODE_BROKEN, part, page, i, mix(h ^ i), check);
}

INSIDE_ONCE bool hash_of_children(struct ht_call *call, uint64_t i, uint64_t page, uint64_t *hash)
{
	uint64_t left, right;

	if (!get_node(call, call->part, 2 * i, page, &left) ||
	    !get_node(call, call->part, 2 * i + 1, page, &right))
		return false;
	*hash = hash_step(hash_step(i, left), right);
	return true;
}

INSIDE_ONCE bool look_at_node(struct ht_call *call, uint64_t i, uint64_t page)
{
	uint64_t expected, found;

	if (!hash_of_children(call, i, page, &expected) ||
	    !get_node(call, call->part, i, page, &found))
		return false;
	return found == expected || wrong(call, HT_NODE, call->part, page, i, expected, found);
}

INSIDE bool look_at_root(struct ht_call *call, uint64_t page)
{
	uint64_t found;

	if (!get_node(call, call->part, 1, page, &found))
		return false;
	return found == call->root || wrong(call, HT_ROOT, call->part, page, 1, call->root, found);
}

INSIDE_ONCE bool look_at_leaf(struct ht_call *call, uint64_t part, uint64_t page, uint64_t hash)
{
	uint64_t i = call->leaves + page, found;

	if (!get_node(call, part, i, page, &found))
		return false;
	return found == hash || wrong(call, HT_LEAF, part, page, i, hash, found);
}

/* Inner nodes from the leaves */
INSIDE_ONCE bool build(struct ht_call *call)
{
	uint64_t hash = 0;

	for (uint64_t i = call->leaves - 1; i; i--) {
		if (!hash_of_children(call, i, 0, &hash))
			return false;
		set_node(call, i, hash);
	}
	call->root = hash;
	return true;
}

/* --- hot pages ------------------------------------------------------------------------------- */

INSIDE volatile uint64_t *hot_page(const struct ht_call *call, uint64_t page)
{
	return data_page(call, call->part, call->part_pages - HT_HOT + page);
}

INSIDE void clear_hot(struct ht_call *call)
{
	for (uint64_t page = 0; page < HT_HOT; page++)
		for (uint32_t i = 0; i < HT_WORDS; i++)
			hot_page(call, page)[i] = 0;
	call->hot = 0;
}

/* Write n is of n + 1, in turns over the pages, and over their words; it finds the last. */
INSIDE_ONCE bool heat(struct ht_call *call, uint64_t count)
{
	uint64_t n = call->hot, all = HT_HOT * HT_WORDS;

	for (uint64_t end = n + count; n < end; n++) {
		uint64_t page = n % HT_HOT, i = n / HT_HOT % HT_WORDS;
		volatile uint64_t *word = &hot_page(call, page)[i];
		uint64_t expected = n < all ? 0 : n + 1 - all, found = *word;

		if (found != expected)
			return wrong(call, HT_HOT_WORD, call->part,
				     call->part_pages - HT_HOT + page, i, expected, found);
		*word = n + 1;
	}
	call->hot = n;
	return true;
}

/* --- operations ------------------------------------------------------------------------------ */

/* Content and leaf; of another's part too */
INSIDE bool look(struct ht_call *call, uint64_t part, uint64_t page, uint64_t version)
{
	uint64_t hash;

	return look_at_page(call, part, page, version, &hash) &&
	       look_at_leaf(call, part, page, hash);
}

INSIDE_ONCE bool verify(struct ht_call *call, uint64_t page)
{
	ht_shadow s = *shadow(call, call->part, page);

	if (s & 1)
		return wrong(call, HT_SHADOW, call->part, page, 0, 0, s);
	if (!look(call, call->part, page, s >> 1))
		return false;
	for (uint64_t i = (call->leaves + page) >> 1; i; i >>= 1)
		if (!look_at_node(call, i, page))
			return false;
	call->verified++;
	return look_at_root(call, page);
}

/* The page and its leaf; who reads meanwhile sees by the shadow that it must not. */
INSIDE_ONCE void renew(struct ht_call *call, uint64_t page)
{
	ht_shadow *s = shadow(call, call->part, page);
	uint64_t version = (*s >> 1) + 1;

	__atomic_store_n(s, *s | 1, __ATOMIC_SEQ_CST);
	write_page(call, page, version);
	set_node(call, call->leaves + page, hash_page(call, call->part, page));
	__atomic_store_n(s, version << 1, __ATOMIC_RELEASE);
}

INSIDE_ONCE bool rewrite(struct ht_call *call, uint64_t page)
{
	uint64_t hash = 0;

	renew(call, page);
	for (uint64_t i = (call->leaves + page) >> 1; i; i >>= 1) {
		if (!hash_of_children(call, i, page, &hash))
			return false;
		set_node(call, i, hash);
	}
	call->root = hash;
	call->rewritten++;
	return true;
}

/* A page of somebody else, who may write it meanwhile */
INSIDE_ONCE bool read_other(struct ht_call *call, uint64_t part, uint64_t page)
{
	ht_shadow *s = shadow(call, part, page);
	ht_shadow before = __atomic_load_n(s, __ATOMIC_SEQ_CST);

	if (before > 1 && !(before & 1)) {
		if (look(call, part, page, before >> 1)) {
			call->others++;
			return true;
		}
		if (__atomic_load_n(s, __ATOMIC_SEQ_CST) == before)
			return false;
	}
	call->error.what = HT_FINE;
	call->passed_over++;
	return true;
}

/*
 * Operation n is a function of (seed, part, n) alone.  A stretch of some goes through
 * neighbouring pages or jumps; it writes much or little.
 */
INSIDE_ONCE bool operation(struct ht_call *call)
{
	uint64_t part_seed = mix(call->seed ^ (call->part + 1) << 32);
	uint64_t n = call->done, stretch = mix(part_seed ^ n / STRETCH << 20);
	uint64_t r = mix(part_seed + n), page, part;
	uint32_t percent = (uint32_t)(r >> 32) % 100;
	/* of 100: 10, 40, 70 or 90 */
	uint32_t writes = (uint32_t)(0x5a46280a >> (8 * (stretch & 3)) & 0xff);

	if (stretch & 4)
		page = ((stretch >> 8) + n % STRETCH) % call->data;
	else if (stretch & 8)
		page = (r >> 40) % call->data;
	else /* some that are warm */
		page = ((stretch >> 8) + (r >> 40) % 16) % call->data;
	if (call->parts > 1 && percent % 20 == 7) {
		part = (call->part + 1 + (r & 0xffff) % (call->parts - 1)) % call->parts;
		return read_other(call, part, page);
	}
	if (percent >= writes)
		return verify(call, page);
	/* every other time without a look before, so that the first access is a write */
	return (!(r & 1) || verify(call, page)) && rewrite(call, page) &&
	       ((r & 6) || verify(call, page));
}

INSIDE bool run(struct ht_call *call)
{
	for (uint64_t i = 0; i < call->count; i++) {
		if (!operation(call) || !heat(call, HT_HOT_RUN))
			return false;
		call->done++;
	}
	return true;
}

INSIDE bool fill(struct ht_call *call)
{
	for (uint64_t i = 0; i < call->leaves; i++)
		set_node(call, call->leaves + i, 0);
	for (uint64_t page = 0; page < call->data; page++)
		renew(call, page);
	clear_hot(call);
	return build(call);
}

INSIDE bool check(struct ht_call *call)
{
	for (uint64_t page = 0; page < call->data; page++) {
		ht_shadow s = *shadow(call, call->part, page);

		if (s & 1)
			return wrong(call, HT_SHADOW, call->part, page, 0, 0, s);
		if (!look(call, call->part, page, s >> 1))
			return false;
		call->verified++;
	}
	for (uint64_t i = call->leaves - 1; i; i--)
		if (!look_at_node(call, i, 0))
			return false;
	return look_at_root(call, 0) && heat(call, HT_HOT * HT_WORDS);
}

INSIDE bool recover(struct ht_call *call)
{
	for (uint64_t page = 0; page < call->data; page++) {
		ht_shadow s = *shadow(call, call->part, page);

		if (s & 1) {
			renew(call, page);
			call->healed++;
		} else if (!look(call, call->part, page, s >> 1)) {
			return false;
		}
	}
	clear_hot(call);
	return build(call);
}

__attribute__((section("hash_tree"))) void ht_inside(struct ht_call *call)
{
	uint64_t pattern = mix(call->seed + call->part), found, which;
	bool fine;

	ht_vectors_set(pattern);
	if (call->op == HT_FILL)
		fine = fill(call);
	else if (call->op == HT_RUN)
		fine = run(call);
	else if (call->op == HT_CHECK)
		fine = check(call);
	else
		fine = recover(call);
	which = ht_vectors_look(pattern, &found);
	if (fine && which < 16)
		wrong(call, HT_VECTOR, call->part, 0, which, pattern + which, found);
}
