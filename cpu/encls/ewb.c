/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EWB]: RBX = PAGEINFO, RCX = an EPC page, RDX = a version array slot.  The
 * page goes to ordinary memory, sealed, and its EPC page becomes free.
 *
 *	PAGEINFO.SRCPGE		out: 4096 bytes of ciphertext
 *	PAGEINFO.PCMD		out: SECINFO, enclave id and MAC
 *	PAGEINFO.LINADDR	in: 0; out: the page's linear address
 *	PAGEINFO.SECS		0
 *
 * RAX: 0, SGX_PAGE_NOT_BLOCKED, SGX_NOT_TRACKED, SGX_CHILD_PRESENT.  With
 * SGX_VA_SLOT_OCCUPIED the page is written all the same: whatever had its version
 * in that slot can never be loaded again.
 */
#include "encls.h"

#include <string.h>

#include "../epcm.h"
#include "../operand.h"
#include "../paging.h"

/* Where the result goes: ordinary memory, there to be written. */
struct ewb_out {
	void *page;
	void *pcmd;
	void *pageinfo;
};

static struct cpu_result map_out(const struct cpu_as *as, const struct sgx_pageinfo *pageinfo,
				 uint64_t rbx, struct ewb_out *out)
{
	out->page = as->map(as->ctx, pageinfo->srcpge, SGX_PAGE_SIZE, true);
	if (!out->page)
		return cpu_pf(pageinfo->srcpge, SGX_PF_W);
	out->pcmd = as->map(as->ctx, pageinfo->secinfo, sizeof(struct sgx_pcmd), true);
	if (!out->pcmd)
		return cpu_pf(pageinfo->secinfo, SGX_PF_W);
	out->pageinfo = as->map(as->ctx, rbx, sizeof(*pageinfo), true);
	if (!out->pageinfo)
		return cpu_pf(rbx, SGX_PF_W);
	return cpu_done();
}

/* May the page go?  SGX_OK with @eid and @pcmd_eid set, or why not. */
static enum sgx_code refusal(const struct cpu_package *pkg, const struct epcm_entry *entry,
			     epc_slot_t slot, uint64_t *eid, uint64_t *pcmd_eid)
{
	struct secs_hidden *secs;
	bool tracked;

	*eid = 0;
	*pcmd_eid = 0;
	if (entry->pt == SGX_PT_SECS) {
		secs = &secs_get(pkg, slot)->hidden;
		/* A SECS goes last. */
		if (__atomic_load_n(&secs->children, __ATOMIC_ACQUIRE))
			return SGX_ERR_CHILD_PRESENT;
		*pcmd_eid = secs->eid;
		return SGX_OK;
	}
	if (!paging_child(entry->pt)) /* a VA page has no owner */
		return SGX_OK;

	/* No new translation, and no old one. */
	if (!entry->blocked)
		return SGX_ERR_PAGE_NOT_BLOCKED;
	secs = &secs_get(pkg, entry->secs)->hidden;
	if (!epcm_lock_shared(&secs->track_lock))
		return SGX_ERR_NOT_TRACKED;
	tracked = paging_tracked(pkg, entry->secs, entry->blocked_epoch);
	epcm_unlock_shared(&secs->track_lock);
	if (!tracked)
		return SGX_ERR_NOT_TRACKED;
	*eid = secs->eid;
	*pcmd_eid = secs->eid;
	return SGX_OK;
}

/* Page and VA page are held, and valid. */
static struct cpu_result write_back(struct cpu_package *pkg, struct epcm_entry *entry,
				    epc_slot_t slot, uint64_t *version_slot,
				    const struct ewb_out *out)
{
	struct paging_header header = {.linaddr = entry->address};
	struct sgx_pcmd pcmd;
	uint64_t version;
	enum sgx_code code;

	memset(&pcmd, 0, sizeof(pcmd));
	code = refusal(pkg, entry, slot, &header.eid, &pcmd.enclaveid);
	if (code != SGX_OK)
		return cpu_code(code);

	header.secinfo.flags = epcm_secinfo(entry);
	pcmd.secinfo.flags = header.secinfo.flags;
	version = __atomic_fetch_add(&pkg->next_version, 1, __ATOMIC_RELAXED);
	if (paging_seal(pkg, &header, version, pkg->mem->bytes(pkg->mem_ctx, slot), out->page,
			pcmd.mac))
		return cpu_host_nomem();

	/* Commit: outside first, version, EPCM; then the SECS may lose its child. */
	memcpy(out->pcmd, &pcmd, sizeof(pcmd));
	memcpy((uint8_t *)out->pageinfo + offsetof(struct sgx_pageinfo, linaddr), &entry->address,
	       sizeof(entry->address));
	if (__atomic_exchange_n(version_slot, version, __ATOMIC_ACQ_REL))
		code = SGX_ERR_VA_SLOT_OCCUPIED;
	epcm_remove(pkg, entry, slot);
	return code == SGX_OK ? cpu_done() : cpu_code(code);
}

struct cpu_result encls_ewb(struct cpu_package *pkg, const struct cpu_as *as, struct cpu_regs *regs)
{
	struct epcm_entry *entry, *va;
	struct sgx_pageinfo pageinfo;
	epc_slot_t slot, va_slot;
	struct cpu_result r;
	struct ewb_out out;

	/* PAGEINFO is 32-byte aligned, RCX an EPC page, RDX 8 bytes in the EPC. */
	r = operand_check(as, regs->rbx, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, as, regs->rcx, SGX_PAGE_SIZE, &slot);
	if (!cpu_ok(r))
		return r;
	r = operand_epc_aligned(pkg, as, regs->rdx, SGX_VA_SLOT_SIZE, &va_slot);
	if (!cpu_ok(r))
		return r;
	/* The version of a VA page is in another VA page. */
	if (slot == va_slot)
		return cpu_gp();

	/* LINADDR and SECS are 0; PCMD 128-byte aligned, SRCPGE a page. */
	r = operand_read(as, regs->rbx, &pageinfo, sizeof(pageinfo));
	if (!cpu_ok(r))
		return r;
	if (pageinfo.linaddr || pageinfo.secs)
		return cpu_gp();
	r = operand_check(as, pageinfo.secinfo, sizeof(struct sgx_pcmd));
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, pageinfo.srcpge, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;

	/* No other leaf uses the page, or changes what the VA page is. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_exclusive(&entry->lock))
		return cpu_gp();
	va = epcm_get(pkg, va_slot);
	r = cpu_gp();
	if (!epcm_lock_shared(&va->lock))
		goto unlock_entry;
	/* The page is one, and the VA page is a VA page. */
	r = epcm_pf(regs->rcx);
	if (!entry->valid)
		goto unlock_va;
	r = epcm_pf(regs->rdx);
	if (!va->valid || va->pt != SGX_PT_VA)
		goto unlock_va;
	r = map_out(as, &pageinfo, regs->rbx, &out);
	if (cpu_ok(r))
		r = write_back(pkg, entry, slot, paging_va_slot(pkg, regs->rdx), &out);
unlock_va:
	epcm_unlock_shared(&va->lock);
unlock_entry:
	epcm_unlock_exclusive(&entry->lock);
	return r;
}
