/* SPDX-License-Identifier: BSD-3-Clause */
/* Both machines, and the programs on them. */
#include "compare.h"

#include <encl.h>
#include <stdio.h>

struct cmp_world w = {.b_signal_after = -1};

static void *user(uint64_t addr, size_t size, unsigned int need)
{
	const uint64_t bytes = KFX_USER_PAGES * 4096;
	uint64_t offset = addr - KFX_USER_BASE;
	unsigned int lack =
		(need & UP_NEED_READ ? KFX_NO_READ : 0) | (need & UP_NEED_WRITE ? KFX_NO_WRITE : 0);

	if (!size || addr < KFX_USER_BASE || offset >= bytes || size > bytes - offset)
		return NULL;
	for (uint64_t p = offset / 4096; p <= (offset + size - 1) / 4096; p++)
		if (w.k->call.lacks[p] & lack)
			return NULL;
	return (uint8_t *)w.k->call.user + offset;
}

static bool signal_pending(void)
{
	if (w.b_signal_after < 0)
		return false;
	return !w.b_signal_after || !w.b_signal_after--;
}

/* A processor that lacks something; what is left is legal. */
static void some_config(struct cpu_config *c)
{
	if (draw_one_in(2))
		c->xfrm = 3;
	if (draw_one_in(2))
		c->miscselect = 0;
	if (draw_one_in(2))
		c->attributes &= ~SGX_ATTR_KSS_BIT;
	if (draw_one_in(2))
		c->attributes &= ~SGX_ATTR_PROVISION_KEY_BIT;
	if (draw_one_in(2))
		c->attributes &= ~SGX_ATTR_DEBUG_BIT;
	c->max_size_64 = (uint8_t)(20 + draw_below(30));
}

static void make_machines(void)
{
	const struct cmp_mode *m = w.mode;
	struct cpu_config config = *kfx_config();

	draw_begin(w.seed, ~0ull);
	if (m->config) {
		some_config(&config);
		kfx_configure(&config);
	}
	/* The other fixture does not know a TCS that is lost before its end. */
	w.k = m->paging || m->loss || m->poison ? kfx_oversub(m->a_pages, false)
						: kfx_new(m->a_pages, 2, false);
	w.k->pkg.config.debug_checks = 0;
	w.k->losses = m->poison;
	w.pkg = up_cpu_init(&w.k->pkg, m->paging ? m->b_pages : 0);
	up_hooks.user = user;
	up_hooks.signal_pending = signal_pending;
	up_hooks.kick = up_cpu_leave;
	up_knobs.preempt = m->preempt;
	up_knobs.preempt_seed = w.seed;
	w.op = "boot";
	same_answer("boot", 0, up_boot());
}

/* Where ADD_PAGES takes from: every other page is a good TCS */
static void make_sources(void)
{
	struct sgx_tcs tcs;

	kfx_tcs(&tcs);
	for (unsigned int i = 0; i < CMP_SOURCES; i++) {
		uint8_t *page = kfx_user(&w.k->call, KFX_SOURCE + i * 4096, 4096);

		memset(page, (int)(0x11 * i), 4096);
		if (!(i % 2))
			memcpy(page, &tcs, sizeof(tcs));
	}
	if (w.mode->big)
		return;
	kfx_lack(&w.k->call, KFX_SOURCE + CMP_SOURCE_NOEXEC * 4096, KFX_NO_MAYEXEC);
	for (unsigned int i = CMP_SOURCE_NOREAD; i < CMP_SOURCES + 10; i++)
		kfx_lack(&w.k->call, KFX_SOURCE + i * 4096, KFX_NO_READ);
}

void world_begin(void)
{
	make_machines();
	make_sources();
	w.mm[0] = up_mm_new();
	up_mm_switch(w.mm[0]);
	for (unsigned int i = 0; i < KFX_USER_PAGES; i++)
		up_map_user(w.mm[0], KFX_USER_BASE + i * 4096ull, KFX_USER_BASE + (i + 1) * 4096ull,
			    !(w.k->call.lacks[i] & KFX_NO_MAYEXEC));
}

/* Everything is given back, on both sides. */
void world_end(void)
{
	const struct cmp_mode *m = w.mode;
	struct sgx_epc_info info;

	w.op = "end";
	for (unsigned int i = 0; i < CMP_ENCLS; i++)
		if (w.encl[i].open)
			encl_close(&w.encl[i]);
	for (unsigned int i = 0; i < CMP_MMS; i++)
		if (w.mm[i])
			up_mm_exit(w.mm[i]);
	up_idle();
	sgx_epc_info(w.k->sgx, &info);
	same("free pages at the end", (long)(info.free + info.poisoned),
	     up_free_pages() - (m->paging ? (long)m->b_pages - (long)m->a_pages : 0));
	same("shmem pages at the end", 0, (long)up_counts.shmem_pages);
	w.sh->leaves += up_cpu.leaves;
	w.sh->switches += up_counts.switches;
	w.sh->ewb[0] += info.ewb;
	w.sh->ewb[1] += up_cpu.leaf[SGX_EWB];
	w.sh->eldu[0] += info.eldu;
	w.sh->eldu[1] += up_cpu.leaf[SGX_ELDU];
}

void encl_open(struct cmp_encl *x, unsigned int n)
{
	kfx_open(w.k, &x->e);
	x->file = up_open("sgx_enclave");
	if (!x->file)
		differ("open: upstream refuses");
	x->base = KFX_BASE + n * CMP_SPACE;
	x->open = true;
}

void encl_close(struct cmp_encl *x)
{
	for (unsigned int i = 0; i < CMP_MMS; i++)
		if (w.mm[i])
			up_munmap(w.mm[i], x->base - 0x10000, x->base + CMP_SPACE - 0x10000);
	up_close(x->file);
	kfx_release(&x->e);
	x->open = x->created = x->lost = false;
	memset(x->bad, 0, sizeof(x->bad));
	x->next = 0;
}

struct up_mm *some_mm(void)
{
	struct up_mm *mm = w.mm[draw_below(CMP_MMS)];

	return mm ? mm : w.mm[0];
}

/* Of a page that the enclave has; 0: none was found near a place that was drawn */
static uint64_t page_addr(const struct cmp_encl *x)
{
	uint64_t pages = x->e.secs.size / 4096, n;

	if (!x->created)
		return 0;
	n = draw_below(pages < w.mode->max_pages ? (unsigned int)pages : w.mode->max_pages);
	for (uint64_t i = n; i < n + 64 && i < pages; i++)
		if (page_array_load(&x->e.encl->page_array, i))
			return x->e.secs.base + i * 4096;
	return 0;
}

/* Mostly where pages are; also below the enclave and above it */
uint64_t some_addr(const struct cmp_encl *x)
{
	uint64_t page = draw_one_in(2) ? page_addr(x) : 0;

	if (page)
		return page;
	return x->base + draw_below(draw_one_in(2) ? 16 : w.mode->max_pages + 4) * 4096ull - 8192;
}

uint64_t mapped_addr(const struct cmp_encl *x, struct up_mm *mm, unsigned int align, int *prot)
{
	for (int i = 0; i < 20; i++) {
		uint64_t addr = some_addr(x) + draw_below(4096 / align) * align;

		*prot = up_vm_prot(mm, addr);
		if (*prot >= 0)
			return addr;
	}
	return 0;
}

/* A mapping of upstream's has changed: PTEs of swsgx's go too. */
void unsee(struct cmp_encl *x, uint64_t start, uint64_t end)
{
	for (epc_slot_t s = 0; w.k->granted && s < w.k->pkg.epc_pages; s++)
		if (w.k->where[s].encl == x->e.encl && w.k->where[s].addr >= start &&
		    w.k->where[s].addr < end)
			w.k->granted[s] = 0;
}

/* A regular page's bytes in swsgx's EPC */
uint8_t *a_bytes(struct cmp_encl *x, uint64_t addr)
{
	for (epc_slot_t s = 0; s < w.k->pkg.epc_pages; s++)
		if (w.k->epcm[s].valid && w.k->epcm[s].pt == SGX_PT_REG &&
		    w.k->epcm[s].address == (addr & ~4095ull) &&
		    sgx_epc_owner(w.k->sgx, s) == x->e.encl)
			return w.k->epc[s];
	return NULL;
}
