/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[ELDB], ENCLS[ELDU]: RBX = PAGEINFO, RCX = a free EPC page, RDX = the
 * version array slot.  What EWB wrote comes back, if it is that and nothing older;
 * ELDB leaves it blocked.  ENCLS[ELDBC], ENCLS[ELDUC]: the same, with conflicts as
 * codes.
 *
 *	PAGEINFO.SRCPGE		4096 bytes of ciphertext
 *	PAGEINFO.PCMD		as EWB wrote it
 *	PAGEINFO.LINADDR	the page's linear address
 *	PAGEINFO.SECS		the enclave, in the EPC; not used for SECS and VA pages
 *
 * RAX: 0, SGX_MAC_COMPARE_FAIL; ELDBC and ELDUC: SGX_EPC_PAGE_CONFLICT as well.
 */
#include "encls.h"

#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../paging.h"

struct eld {
	bool blocked; /* ELDB, ELDBC */
	struct cpu_result busy; /* the answer to a conflict */

	struct epcm_entry *entry;
	epc_slot_t slot;
	epc_slot_t secs; /* NONE for SECS and VA pages */
	struct sgx_pageinfo pageinfo;
	struct sgx_pcmd pcmd; /* a copy: checked and used */
	uint64_t *version_slot;
};

/* The last checks and the commit; page, VA page and SECS are held. */
static struct cpu_result load(struct cpu_package *pkg, const struct cpu_as *as, struct eld *l)
{
	uint64_t flags = l->pcmd.secinfo.flags, version, epoch = 0;
	struct paging_header header = {.linaddr = l->pageinfo.linaddr};
	struct secs_hidden *secs = NULL;
	uint8_t page[SGX_PAGE_SIZE];
	const void *sealed;
	struct cpu_result r;
	int opened;

	r = operand_map(as, l->pageinfo.srcpge, SGX_PAGE_SIZE, &sealed);
	if (!cpu_ok(r))
		return r;
	if (l->secs != EPC_SLOT_NONE) {
		secs = &secs_get(pkg, l->secs)->hidden;
		header.eid = secs->eid;
		epoch = __atomic_load_n(&secs->epoch, __ATOMIC_ACQUIRE);
	}
	header.secinfo = l->pcmd.secinfo;
	memcpy(header.rsvd, l->pcmd.rsvd, sizeof(l->pcmd.rsvd));
	version = __atomic_load_n(l->version_slot, __ATOMIC_ACQUIRE);
	opened = paging_open(pkg, &header, version, sealed, page, l->pcmd.mac);
	if (opened < 0)
		return cpu_host_nomem();
	/* Of this enclave, address and state, and of the version that is in the slot. */
	if (opened)
		return cpu_code(SGX_ERR_MAC_COMPARE_FAIL);

	/*
	 * The version is used up, so that the page cannot be loaded twice; a leaf
	 * that was faster with the same slot is an inconsistent operand.
	 */
	r = cpu_gp();
	if (!__atomic_compare_exchange_n(l->version_slot, &version, 0, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		goto wipe;
	r = cpu_host_nomem();
	if (pkg->mem->fill(pkg->mem_ctx, l->slot, l->secs, l->pageinfo.linaddr, page)) {
		__atomic_store_n(l->version_slot, version, __ATOMIC_RELEASE);
		goto wipe;
	}
	if (secs)
		__atomic_add_fetch(&secs->children, 1, __ATOMIC_RELAXED);
	l->entry->blocked_epoch = (uint32_t)epoch;
	epcm_set(l->entry, flags, l->secs, l->pageinfo.linaddr, l->blocked && secs);
	r = cpu_done();
wipe:
	explicit_bzero(page, sizeof(page));
	return r;
}

/* The SECS of a child: held shared while the page is made. */
static struct cpu_result with_secs(struct cpu_package *pkg, const struct cpu_as *as, struct eld *l)
{
	uint64_t addr = l->pageinfo.secs;
	struct epcm_entry *entry;
	struct cpu_result r;

	l->secs = EPC_SLOT_NONE;
	if (!paging_child(SGX_SECINFO_PT(l->pcmd.secinfo.flags)))
		return load(pkg, as, l);

	r = operand_epc_aligned(pkg, as, addr, SGX_PAGE_SIZE, &l->secs);
	if (!cpu_ok(r))
		return r;
	entry = epcm_get(pkg, l->secs);
	if (!epcm_lock_shared(&entry->lock))
		return l->busy;
	r = epcm_pf(addr);
	if (entry->valid && entry->pt == SGX_PT_SECS)
		r = load(pkg, as, l);
	epcm_unlock_shared(&entry->lock);
	return r;
}

static struct cpu_result eld(struct cpu_package *pkg, const struct cpu_as *as,
			     const struct cpu_regs *regs, bool blocked, struct cpu_result busy)
{
	struct eld l = {.blocked = blocked, .busy = busy};
	struct epcm_entry *va;
	struct cpu_result r;
	epc_slot_t va_slot;

	/* PAGEINFO is 32-byte aligned, RCX an EPC page, RDX 8 bytes in the EPC. */
	r = operand_check(as, regs->rbx, sizeof(l.pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &l.slot);
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, as, regs->rdx, SGX_VA_SLOT_SIZE, &va_slot);
	if (!cpu_ok(r))
		return r;

	/* PCMD is 128-byte aligned, SRCPGE a page. */
	r = operand_read(as, regs->rbx, &l.pageinfo, sizeof(l.pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, l.pageinfo.secinfo, sizeof(l.pcmd));
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, l.pageinfo.srcpge, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;

	/* No other leaf uses the page, or changes what the VA page is. */
	l.entry = epcm_get(pkg, l.slot);
	if (!epcm_lock_exclusive(&l.entry->lock))
		return l.busy;
	va = epcm_get(pkg, va_slot);
	r = l.busy;
	if (!epcm_lock_shared(&va->lock)) /* fails where it is the page itself */
		goto unlock_entry;
	/* The page is free, and the VA page is a VA page. */
	r = epcm_pf(regs->rcx);
	if (l.entry->valid)
		goto unlock_va;
	r = epcm_pf(regs->rdx);
	if (!va->valid || va->pt != SGX_PT_VA)
		goto unlock_va;
	r = operand_read(as, l.pageinfo.secinfo, &l.pcmd, sizeof(l.pcmd));
	if (!cpu_ok(r))
		goto unlock_va;
	l.version_slot = paging_va_slot(pkg, regs->rdx);
	r = with_secs(pkg, as, &l);
unlock_va:
	epcm_unlock_shared(&va->lock);
unlock_entry:
	epcm_unlock_exclusive(&l.entry->lock);
	return r;
}

struct cpu_result encls_eldb(struct cpu_package *pkg, const struct cpu_as *as,
			     struct cpu_regs *regs)
{
	return eld(pkg, as, regs, true, cpu_gp());
}

struct cpu_result encls_eldu(struct cpu_package *pkg, const struct cpu_as *as,
			     struct cpu_regs *regs)
{
	return eld(pkg, as, regs, false, cpu_gp());
}

struct cpu_result encls_eldbc(struct cpu_package *pkg, const struct cpu_as *as,
			      struct cpu_regs *regs)
{
	return eld(pkg, as, regs, true, cpu_code(SGX_ERR_EPC_PAGE_CONFLICT));
}

struct cpu_result encls_elduc(struct cpu_package *pkg, const struct cpu_as *as,
			      struct cpu_regs *regs)
{
	return eld(pkg, as, regs, false, cpu_code(SGX_ERR_EPC_PAGE_CONFLICT));
}
