/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What both sides execute: the linker's --wrap=cpu_encls brings each leaf by here.
 *
 * EREMOVE of a page that is not valid is no work, and each driver does it when it likes:
 * it is not looked at.  Neither is the order in which pages of an enclave are removed.
 *
 * And kernel/'s allocations, by --wrap=malloc and its sisters, of which one can fail.
 */
#include "compare.h"

#include <stdlib.h>

#define LOG 20000u

struct leaf {
	uint8_t leaf, kind, vector;
	uint32_t code;
};

static struct log {
	struct leaf at[LOG];
	unsigned int count;
} log_a, log_b;

int a_alloc_after = -1;
bool a_runs;

struct cpu_result __real_cpu_encls(struct cpu_package *p, const struct cpu_as *as,
				   struct cpu_regs *regs);
struct cpu_result __wrap_cpu_encls(struct cpu_package *p, const struct cpu_as *as,
				   struct cpu_regs *regs);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

struct cpu_result __wrap_cpu_encls(struct cpu_package *p, const struct cpu_as *as,
				   struct cpu_regs *regs)
{
	struct log *l = p == w.pkg ? &log_b : &log_a;
	uint8_t leaf = (uint8_t)regs->rax;
	epc_slot_t slot = cpu_epc_slot(p, regs->rcx);
	bool idle = leaf == SGX_EREMOVE && slot != EPC_SLOT_NONE && !p->epcm[slot].valid;
	struct cpu_result r = __real_cpu_encls(p, as, regs);

	if (!idle && l->count < LOG)
		l->at[l->count++] = (struct leaf){leaf, r.kind, r.vector, r.code};
	return r;
}

void leaves_begin(void)
{
	log_a.count = log_b.count = 0;
}

static int order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct leaf));
}

static void sort_removals(struct log *l)
{
	for (unsigned int i = 0; i < l->count; i++) {
		unsigned int end = i;

		while (end < l->count && l->at[end].leaf == SGX_EREMOVE)
			end++;
		if (end == i)
			continue;
		qsort(&l->at[i], end - i, sizeof(struct leaf), order);
		i = end;
	}
}

void leaves_compare(void)
{
	unsigned int n = log_a.count < log_b.count ? log_a.count : log_b.count;

	sort_removals(&log_a);
	sort_removals(&log_b);
	for (unsigned int i = 0; i < n; i++) {
		const struct leaf *a = &log_a.at[i], *b = &log_b.at[i];

		if (order(a, b))
			differ("leaf %u of %u/%u: upstream %02xh kind %u vector %u code %u, "
			       "swsgx %02xh kind %u vector %u code %u",
			       i, log_b.count, log_a.count, b->leaf, b->kind, b->vector, b->code,
			       a->leaf, a->kind, a->vector, a->code);
	}
	same("number of leaves", log_a.count, log_b.count);
}

static bool fails(void)
{
	if (!a_runs || a_alloc_after < 0 || a_alloc_after--)
		return false;
	w.sh->failed_allocs[0]++;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}
