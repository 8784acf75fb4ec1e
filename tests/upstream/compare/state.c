/* SPDX-License-Identifier: BSD-3-Clause */
/* What is compared, and what is said of it. */
#include "compare.h"

#include <encl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void dump_state(void)
{
	struct sgx_epc_info epc;

	for (unsigned int i = 0; i < w.mode->encls; i++) {
		struct cmp_encl *x = &w.encl[i];
		struct up_encl_info b;
		struct sgx_encl_info a;

		if (!x->open)
			continue;
		sgx_encl_info(x->e.encl, &a);
		up_encl_info(x->file, &b);
		printf("   enclave %u (upstream/swsgx): created %d/%d initialized %d/%d pages "
		       "%u/%u "
		       "resident children %u/%u SECS %d/%d VA pages %u/%llu\n",
		       i, b.created, a.created, b.initialized, a.initialized, b.page_cnt,
		       (unsigned int)x->e.encl->page_cnt, b.children,
		       (unsigned int)x->e.encl->secs_child_cnt, b.secs_phys != 0,
		       x->e.encl->secs != EPC_SLOT_NONE, b.va_pages,
		       (unsigned long long)a.va_pages);
	}
	sgx_epc_info(w.k->sgx, &epc);
	printf("   EPC (upstream/swsgx): free %ld/%llu, reclaimable %ld/%llu\n", up_free_pages(),
	       (unsigned long long)epc.free, up_active_pages(),
	       (unsigned long long)(epc.mapped + epc.parked));
}

void differ(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w.sh->why, sizeof(w.sh->why), fmt, ap);
	va_end(ap);
	w.sh->why_step = w.step;
	printf("DIFFERS: mode %s, seed %llu, step %llu (%s): %s\n", w.mode->name,
	       (unsigned long long)w.seed, (unsigned long long)w.step, w.op, w.sh->why);
	if (up_last_warn[0])
		printf("   upstream's last warning: %s\n", up_last_warn);
	if (w.dump)
		dump_state();
	fflush(stdout);
	_exit(CMP_DIFFERS);
}

void same(const char *what, long a, long b)
{
	if (w.trace)
		printf("   %s: upstream %ld, swsgx %ld\n", what, b, a);
	if (a != b)
		differ("%s: upstream %ld, swsgx %ld", what, b, a);
}

void same_answer(const char *what, long a, long b)
{
	same(what, a, b);
	for (unsigned int i = 0; i < CMP_ANSWERS; i++) {
		if (!w.sh->answers[i].what[0]) {
			snprintf(w.sh->answers[i].what, sizeof(w.sh->answers[i].what), "%s", what);
			w.sh->answers[i].answer = a;
		}
		if (w.sh->answers[i].answer == a && !strcmp(w.sh->answers[i].what, what)) {
			w.sh->answers[i].count++;
			return;
		}
	}
}

void known_ends(enum cmp_known what)
{
	w.sh->known[what]++;
	fflush(stdout);
	_exit(0);
}

static void compare_accounts(void)
{
	struct sgx_epc_info epc;
	const char *why = "";

	if (!cpu_check_invariants(w.pkg, &why))
		differ("upstream breaks an invariant of the processor: %s", why);
	kfx_check(w.k);
	/* After a sleep state, or where its memory was changed, it has reason to. */
	if (up_counts.warns && !w.mode->loss && !w.warn_ok)
		differ("upstream warns: %s", up_last_warn);
	if (w.mode->paging)
		return;
	sgx_epc_info(w.k->sgx, &epc);
	/* Upstream counts a poisoned page as free. */
	same("free pages", (long)(epc.free + epc.poisoned), up_free_pages());
}

static void compare_secs(const struct cmp_encl *x, const struct sgx_encl_info *a,
			 const struct up_encl_info *b)
{
	struct cpu_secs_info secs;

	if (!a->initialized || !b->secs_phys || x->lost)
		return;
	cpu_secs_info(w.pkg, cpu_epc_slot(w.pkg, b->secs_phys), &secs);
	if (memcmp(secs.secs.mrenclave, a->mrenclave, SGX_HASH_SIZE) ||
	    memcmp(secs.secs.mrsigner, a->mrsigner, SGX_HASH_SIZE))
		differ("MRENCLAVE or MRSIGNER");
}

static void compare_pages(struct cmp_encl *x, const struct sgx_encl_info *a)
{
	uint64_t pages = a->size / 4096;

	if (pages > w.mode->max_pages)
		pages = w.mode->max_pages;
	for (uint64_t i = 0; i < pages; i++) {
		const struct sgx_encl_page *p = page_array_load(&x->e.encl->page_array, i);
		unsigned int q = up_encl_page(x->file, a->base + i * 4096);

		unsigned int a_page = p ? p->type | (unsigned int)p->max_prot << 8 : 0;

		if (a_page != UP_PAGE_LOGICAL(q))
			differ("type and maximum of a page: upstream %x, swsgx %x, page %llu",
			       UP_PAGE_LOGICAL(q), a_page, (unsigned long long)i);
	}
}

/**
 * state_compare() - everything that both sides have of an enclave, and the EPC's accounts
 * @all: each page too
 */
void state_compare(struct cmp_encl *x, bool all)
{
	struct sgx_encl_info a;
	struct up_encl_info b;

	compare_accounts();
	if (!x->open)
		return;
	sgx_encl_info(x->e.encl, &a);
	up_encl_info(x->file, &b);
	w.sh->secs_out[0] += a.created && x->e.encl->secs == EPC_SLOT_NONE;
	w.sh->secs_out[1] += b.created && !b.secs_phys;
	if (b.page_cnt > w.sh->most_pages)
		w.sh->most_pages = b.page_cnt;
	same("created", a.created, b.created);
	same("initialized", a.initialized, b.initialized);
	same("base", (long)a.base, (long)b.base);
	same("size", (long)a.size, (long)b.size);
	same("VA pages", (long)a.va_pages, b.va_pages);
	same("page_cnt", (long)x->e.encl->page_cnt, b.page_cnt);
	if (!w.mode->paging)
		same("resident pages", (long)a.epc_pages,
		     b.children + b.va_pages + (b.secs_phys != 0));
	if (!a.created)
		return;
	same("attributes", (long)x->e.encl->attributes, (long)b.attributes);
	/* Linux 6.1 does not know AEX-Notify yet. */
	if ((x->e.encl->attributes_mask ^ b.attributes_mask) == SGX_ATTR_AEXNOTIFY_BIT)
		w.sh->known[KNOWN_AEXNOTIFY]++;
	else
		same("attributes_mask", (long)x->e.encl->attributes_mask, (long)b.attributes_mask);
	compare_secs(x, &a, &b);
	if (all)
		compare_pages(x, &a);
}
