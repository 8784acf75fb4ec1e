/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host does, or what befalls it. */
#include "compare.h"

#include <encl.h>

void op_release(struct cmp_encl *x)
{
	/* a big enclave takes many steps to be built */
	if (!w.mode->big || draw_one_in(8))
		encl_close(x);
}

/* Threads enter and stay, until an IPI. */
void op_threads(struct cmp_encl *x)
{
	if (draw_one_in(2))
		up_cpu_enter(2, draw());
	w.k->inside = draw_one_in(2);
	w.k->thread_epoch = draw_one_in(2) ? w.k->epoch : 0;
	if (w.mode->paging && draw_one_in(2))
		up_reclaim();
}

void op_sleep(struct cmp_encl *x)
{
	uint8_t random[32];

	if (!w.mode->loss || !draw_one_in(20))
		return;
	for (int i = 0; i < 32; i++)
		random[i] = (uint8_t)draw();
	for (epc_slot_t s = 0; w.k->granted && s < w.k->pkg.epc_pages; s++)
		w.k->granted[s] = 0;
	w.k->losses = true;
	same("suspend", sgx_suspend(w.k->sgx, random), 0);
	up_cpu_lose_all(random);
	for (unsigned int i = 0; i < CMP_ENCLS; i++)
		w.encl[i].lost = w.encl[i].created;
}

/* The same bit of what is sealed, where a page is out on both sides */
void op_tamper(struct cmp_encl *x)
{
	if (!w.mode->tamper || !x->created)
		return;
	for (int i = 0; i < 50; i++) {
		uint64_t n = draw_below((unsigned int)(x->e.secs.size / 4096));
		const struct sgx_encl_page *p = page_array_load(&x->e.encl->page_array, n);
		uint8_t *pcmd, *b = up_backing(x->file, x->e.secs.base + n * 4096, &pcmd);
		unsigned int at = draw_below(4096), bit = 1u << draw_below(8);

		if (!p || !(p->flags & SGX_ENCL_PAGE_EVICTED) || !b)
			continue;
		if (draw_one_in(2)) {
			x->e.backing[n].sealed[at] ^= bit;
			b[at] ^= bit;
		} else {
			x->e.backing[n].pcmd.mac[at % 16] ^= bit;
			pcmd[offsetof(struct sgx_pcmd, mac) + at % 16] ^= bit;
		}
		x->bad[n % CMP_PAGES_MAX] = w.warn_ok = true;
		w.sh->tampered++;
		return;
	}
}

/* A memory error in the page that a child is in */
void op_poison(struct cmp_encl *x)
{
	uint64_t addr = some_addr(x), phys;
	epc_slot_t slot;
	int a;

	if (!w.mode->poison || !x->created || addr - x->e.secs.base >= x->e.secs.size)
		return;
	phys = up_encl_phys(x->file, addr);
	/* the fixture takes PTEs away when a page is dropped */
	unsee(x, addr & ~4095ull, (addr & ~4095ull) + 4096);
	a = sgx_encl_poison(x->e.encl, addr - x->e.secs.base, &slot);
	same("a page for a memory error", a != -ENOENT, phys != 0);
	if (!phys)
		return;
	/* Again it is nothing new to upstream: difference 9 */
	same_answer("memory error", a == -EALREADY ? 0 : a, up_memory_failure(phys >> 12));
	up_cpu_lose(phys);
}
