/* SPDX-License-Identifier: BSD-3-Clause */
#include "page_array.h"

#include <errno.h>
#include <stdlib.h>

#define NODE_SHIFT 6
#define NODE_SLOTS (1u << NODE_SHIFT)
/* 64-bit addresses of 4 KiB pages: 52 bits of index */
#define HEIGHT_MAX 9

/* At the lowest level page[], above it child[]. */
struct page_node {
	uint64_t used; /* bit n: slot n is taken */
	union {
		struct page_node *child[NODE_SLOTS];
		struct sgx_encl_page page[NODE_SLOTS];
	};
};
_Static_assert(sizeof(struct page_node) == 8 + 8 * NODE_SLOTS, "a leaf is entries and no more");

/* Which slot of a node at a level (0 = leaf) leads to index. */
static unsigned int slot_of(uint64_t index, unsigned int level)
{
	return (index >> (level * NODE_SHIFT)) & (NODE_SLOTS - 1);
}

static bool beyond(const struct page_array *array, uint64_t index)
{
	return array->height * NODE_SHIFT < 64 && index >> (array->height * NODE_SHIFT);
}

/**
 * page_array_init() - an empty array for indices below @pages
 */
void page_array_init(struct page_array *array, uint64_t pages)
{
	array->root = NULL;
	array->height = 1;
	while (array->height < HEIGHT_MAX && beyond(array, pages - 1))
		array->height++;
}

/* Free the nodes on the way to index that hold nothing. */
static void prune(struct page_array *array, uint64_t index)
{
	struct page_node **way[HEIGHT_MAX];
	struct page_node **link = &array->root;
	unsigned int level = array->height;

	while (level && *link) {
		level--;
		way[level] = link;
		if (level)
			link = &(*link)->child[slot_of(index, level)];
	}
	for (; level < array->height; level++) {
		if (*way[level] && (*way[level])->used)
			break;
		free(*way[level]);
		*way[level] = NULL;
		if (level + 1 < array->height)
			(*way[level + 1])->used &= ~(1ull << slot_of(index, level + 1));
	}
}

/**
 * page_array_insert() - make an entry
 * @page: the new entry, for the caller to fill in: until its type is set, it
 *	counts as taken but is not found
 *
 * Return: 0; -EBUSY where there is one; -ENOMEM.
 */
int page_array_insert(struct page_array *array, uint64_t index, struct sgx_encl_page **page)
{
	struct page_node **link = &array->root;
	struct page_node *node = NULL;
	uint64_t bit = 1ull << slot_of(index, 0);

	for (unsigned int level = array->height; level--;) {
		if (!*link) {
			*link = calloc(1, sizeof(**link));
			if (!*link) {
				prune(array, index);
				return -ENOMEM;
			}
			if (node)
				node->used |= 1ull << slot_of(index, level + 1);
		}
		node = *link;
		if (level)
			link = &node->child[slot_of(index, level)];
	}
	if (node->used & bit)
		return -EBUSY;
	node->used |= bit;
	*page = &node->page[slot_of(index, 0)];
	return 0;
}

static struct page_node *leaf_of(const struct page_array *array, uint64_t index)
{
	struct page_node *node = array->root;

	if (beyond(array, index))
		return NULL;
	for (unsigned int level = array->height; node && --level;)
		node = node->child[slot_of(index, level)];
	return node;
}

/**
 * page_array_erase() - remove an entry that exists
 */
void page_array_erase(struct page_array *array, uint64_t index)
{
	struct page_node *leaf = leaf_of(array, index);

	leaf->page[slot_of(index, 0)] = (struct sgx_encl_page){0};
	leaf->used &= ~(1ull << slot_of(index, 0));
	if (!leaf->used)
		prune(array, index);
}

/**
 * page_array_load() - the entry of an index
 *
 * Return: NULL where there is none.
 */
struct sgx_encl_page *page_array_load(const struct page_array *array, uint64_t index)
{
	struct page_node *leaf = leaf_of(array, index);

	if (!leaf || !leaf->page[slot_of(index, 0)].type)
		return NULL;
	return &leaf->page[slot_of(index, 0)];
}

/*
 * The first entry at or after *index below one node.  Return: NULL where there
 * is none, and *index is then the first index after this node.
 */
static struct sgx_encl_page *find_below(struct page_node *node, unsigned int level, uint64_t *index)
{
	unsigned int shift = level * NODE_SHIFT;
	unsigned int slot = slot_of(*index, level);
	uint64_t first = *index >> shift >> NODE_SHIFT << NODE_SHIFT; /* of slot 0, shifted */
	uint64_t used = node->used >> slot << slot;

	for (; used; used &= used - 1) {
		unsigned int next = (unsigned int)__builtin_ctzll(used);
		struct sgx_encl_page *page;

		if (next != slot)
			*index = (first + next) << shift;
		if (level)
			page = find_below(node->child[next], level - 1, index);
		else
			page = node->page[next].type ? &node->page[next] : NULL;
		if (page)
			return page;
	}
	*index = (first + NODE_SLOTS) << shift;
	return NULL;
}

/**
 * page_array_find() - the first entry in a range
 * @index:	in: where to begin; out: the entry's index
 * @last:	inclusive
 *
 * Return: NULL where there is none up to @last.
 */
struct sgx_encl_page *page_array_find(const struct page_array *array, uint64_t *index,
				      uint64_t last)
{
	struct sgx_encl_page *page;

	if (!array->root || *index > last || beyond(array, *index))
		return NULL;
	page = find_below(array->root, array->height - 1, index);
	return page && *index <= last ? page : NULL;
}

static void destroy_below(struct page_node *node, unsigned int level)
{
	if (level)
		for (uint64_t used = node->used; used; used &= used - 1)
			destroy_below(node->child[__builtin_ctzll(used)], level - 1);
	free(node);
}

/**
 * page_array_destroy() - free all entries and nodes
 */
void page_array_destroy(struct page_array *array)
{
	if (array->root)
		destroy_below(array->root, array->height - 1);
	array->root = NULL;
}

static bool check_below(const struct page_node *node, unsigned int level)
{
	if (!node->used)
		return false;
	for (unsigned int slot = 0; slot < NODE_SLOTS; slot++) {
		bool used = node->used >> slot & 1;

		if (level ? used != !!node->child[slot] : used != !!node->page[slot].type)
			return false;
		if (level && used && !check_below(node->child[slot], level - 1))
			return false;
	}
	return true;
}

/**
 * page_array_check() - bitmaps and slots agree, and no node is empty
 *
 * Else a program could make nodes without end by pages that fail to be added.
 */
bool page_array_check(const struct page_array *array)
{
	return !array->root || check_below(array->root, array->height - 1);
}
