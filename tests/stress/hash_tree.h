/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What hash_tree and its enclave agree on.
 *
 * The heap is in parts, one for each thread.  A part:
 *
 *	data pages | nodes | hot pages
 *
 * A data page is a function of (seed, part, page, version).  The nodes are those of a
 * binary hash tree in heap order: 1 is the root, leaves + n the leaf of data page n;
 * they lie HT_NODE_STRIDE apart, so that they are pages enough to be evicted too.  The
 * hot pages are written all the time between operations: who takes a page away while
 * somebody writes has to catch the last write.
 *
 * Outside, where nothing is paged, are the version of each page (struct ht_call.shadow)
 * and the root: so a page that comes back as it once was is found as well as one that
 * comes back broken.  This test trusts its host.
 */
#ifndef TESTS_STRESS_HASH_TREE_H
#define TESTS_STRESS_HASH_TREE_H

#define HT_STACK 0x3000 /* from a TCS to the end of its GS page; the FS page is below it */

#ifndef __ASSEMBLER__
#include <stdint.h>

#define HT_PAGE	       4096ull
#define HT_NODE_STRIDE 128ull
#define HT_WORDS       512u
#define HT_HOT	       4u /* pages */
#define HT_HOT_RUN     8192u /* writes in a row */

/* RDI: struct ht_call; the operations of one entry */
enum ht_op {
	HT_FILL, /* version 1 of every page, and the tree */
	HT_RUN, /* count operations, from number .done on */
	HT_CHECK, /* all of the part */
	HT_RECOVER, /* the same after somebody was killed in it, and the tree anew */
};

enum ht_what {
	HT_FINE,
	HT_WORD, /* of a data page; .word */
	HT_LEAF, /* .word: node */
	HT_NODE, /* is not the hash of its children; .word: node */
	HT_NODE_BROKEN, /* has a wrong check word; .word: node */
	HT_ROOT,
	HT_HOT_WORD, /* of a hot page: an earlier write is lost; .page, .word */
	HT_VECTOR, /* a vector register; .word: which */
	HT_SHADOW, /* outside: the test is wrong */
	HT_WHATS,
};

struct ht_error {
	uint64_t what, part, page, word, expected, found;
	uint64_t version, found_version; /* of the page: as it should be, as its second word says */
	uint64_t op; /* number */
};

/*
 * Version of a page, times two; + 1 while somebody writes it.  Of every part; page n of
 * part p is at p * data + n.
 */
typedef uint64_t ht_shadow;

struct ht_call {
	uint64_t op, count;
	uint64_t seed, part, parts;
	uint64_t heap, part_pages, data, leaves; /* address; pages of a part; of these data */
	ht_shadow *shadow;
	/* in and out */
	uint64_t done; /* operations */
	uint64_t hot; /* writes to hot pages */
	uint64_t root;
	uint64_t verified, rewritten, others, passed_over, healed;
	struct ht_error error;
} __attribute__((aligned(64)));

/* A step of splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" */
__attribute__((always_inline)) static inline uint64_t ht_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}
#endif /* __ASSEMBLER__ */

#endif
