/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread met a hole or a write-protected page; or it executes ENCLU; or a
 * debugger looks in.
 *
 * On hardware a fault has two parts: Linux puts a PTE in place, and the access
 * that is run again then meets the EPCM.  Here both are decided in one go, in
 * the same order: first all that makes Linux send SIGBUS, then the EPCM.
 */
#include "encl.h"
#include "encls.h"

/**
 * sgx_fault() - what becomes of a fault in a mapping of the enclave
 *
 * Without SGX2 a page that was never added is SIGBUS, as is one whose mapping
 * allows more than the page's maximum (possible where the mapping was made
 * before the page was added).
 *
 * Context: takes encl->lock, and calls page_grant() under it, so that the page
 * is not taken away between the check and the grant.
 */
enum sgx_fault_verdict sgx_fault(struct sgx_mm *mm, struct sgx_encl *encl, struct sgx_fault *fault)
{
	const struct cpu_package *pkg = encl->sgx->pkg;
	uint64_t addr = fault->addr & SGX_PAGE_MASK;
	uint32_t vm_prot = fault->vm_prot & SGX_SECINFO_RWX_BITS;
	enum sgx_fault_verdict verdict = SGX_FAULT_SIGBUS;
	struct why *why = fault->why;
	struct sgx_encl_page *page;
	bool permitted;

	pthread_mutex_lock(&encl->lock);
	if (why)
		why->at = addr;
	page = sgx_encl_find_page(encl, addr);
	if (!page) {
		why_note(why, WHY_FAULT_ABSENT, addr, 0);
		goto out;
	}
	/* The patch series: nobody sees a page before INIT. */
	if (encl->interfaces == SGX_INTERFACE_V22 &&
	    !(sgx_encl_flags(encl) & SGX_ENCL_INITIALIZED)) {
		why_note(why, WHY_FAULT_NOT_INIT, addr, 0);
		goto out;
	}
	if (vm_prot & ~page->max_prot) {
		why_note(why, WHY_FAULT_VMA, vm_prot, page->max_prot);
		goto out;
	}
	/* What cannot be loaded is SIGBUS: a full EPC, a broken page. */
	if (sgx_encl_load_page(encl, addr, &page)) {
		why_note(why, WHY_FAULT_LOAD, addr, 0);
		goto out;
	}
	/*
	 * x86 looks for PROT_EXEC only when a PTE is there: Linux would put it in
	 * place, and the fetch run again meets NX, before the EPCM is asked.
	 */
	if ((fault->error_code & SGX_PF_I) && !(vm_prot & SGX_SECINFO_X_BIT)) {
		why_note(why, WHY_FAULT_NX, vm_prot, 0);
		fault->error_code |= SGX_PF_P;
		verdict = SGX_FAULT_PF;
		goto out;
	}
	permitted =
		fault->tcs ? epcm_permits_tcs(pkg, page->epc, encl->secs, addr, why)
			   : epcm_permits(pkg, page->epc, encl->secs, addr, fault->error_code, why);
	if (!permitted) {
		/* a page with a memory error is invalid since it was found */
		if (sgx_epc_poisoned(&encl->sgx->epc, page->epc)) {
			why_note(why, WHY_FAULT_POISON, addr, 0);
			verdict = SGX_FAULT_MCE;
			goto out;
		}
		fault->error_code |= SGX_PF_P | SGX_PF_SGX;
		verdict = SGX_FAULT_PF;
		goto out;
	}
	/* The leaf, executed again, finds its TCS. */
	if (fault->tcs) {
		sgx_page_used(encl->sgx, page->epc);
		verdict = SGX_FAULT_RETRY;
		goto out;
	}
	switch (encl->sgx->ops->page_grant(mm, encl, addr, epcm_writable(pkg, page->epc))) {
	case 0:
		sgx_page_used(encl->sgx, page->epc);
		verdict = SGX_FAULT_RETRY;
		break;
	case -EAGAIN:
	case -ENOENT: /* unmapped meanwhile: the access run again will see to it */
		verdict = SGX_FAULT_RETRY;
		break;
	default:
		why_note(why, WHY_FAULT_GRANT, addr, 0);
		break;
	}
out:
	pthread_mutex_unlock(&encl->lock);
	return verdict;
}

static epc_slot_t enclu_slot(void *ctx, uint64_t addr)
{
	struct sgx_encl_page *page = sgx_encl_find_page(ctx, addr);

	return page && !page->flags ? page->epc : EPC_SLOT_NONE;
}

/**
 * sgx_enclu() - EREPORT or EGETKEY by a thread inside
 *
 * An operand that is evicted is a #PF without the SGX bit, as for any page that has
 * no PTE: sgx_fault() brings it, and the leaf is executed again.
 * @why: the rule that refuses; NULL: nobody asks
 *
 * Context: under encl->lock no page goes away under the leaf.
 * Return: as cpu_enclu(); #GP(0) where nobody can be inside.
 */
struct cpu_result sgx_enclu(struct sgx_encl *encl, struct cpu_regs *regs, struct why *why)
{
	struct cpu_enclave_as as = {.slot = enclu_slot, .ctx = encl, .why = why};
	struct cpu_result r = cpu_gp();

	pthread_mutex_lock(&encl->lock);
	if (encl->lost) {
		/* The fetch of ENCLU would not have been; the operand says the same. */
		why_note(why, WHY_FAULT_LOST, regs->rbx & SGX_PAGE_MASK, 0);
		r = cpu_pf(regs->rbx & SGX_PAGE_MASK, SGX_PF_P | SGX_PF_U | SGX_PF_SGX);
	} else if ((sgx_encl_flags(encl) & SGX_ENCL_INITIALIZED) && !sgx_encl_load_secs(encl)) {
		as.secs = encl->secs;
		r = cpu_enclu(encl->sgx->pkg, &as, regs);
	}
	pthread_mutex_unlock(&encl->lock);
	return r;
}

/* Context: encl->lock held.  Return: 0, and *page is resident; -errno of sgx_access(). */
static int load_for_access(struct sgx_encl *encl, uint64_t addr, uint32_t vm_prot,
			   struct sgx_encl_page **page)
{
	int ret;

	*page = sgx_encl_find_page(encl, addr);
	if (!*page || (vm_prot & SGX_SECINFO_RWX_BITS & ~(*page)->max_prot))
		return -EFAULT;
	ret = sgx_encl_load_page(encl, addr, page);
	return ret && ret != -ENOMEM ? -EFAULT : ret;
}

/**
 * sgx_access() - ptrace access, 8 bytes
 * @addr:	8-byte aligned
 * @vm_prot:	PROT_* of the mapping at @addr; as for a fault, a page whose maximum it
 *		exceeds is not there
 *
 * Return: 0; -EFAULT where not a debug enclave, or no such page; -ENOMEM where it cannot
 * be loaded, as the EPC is full of pages that cannot go; -EIO where the leaf refuses.
 */
int sgx_access(struct sgx_encl *encl, uint64_t addr, uint32_t vm_prot, uint64_t *data, bool write)
{
	struct cpu_package *pkg = encl->sgx->pkg;
	uint32_t offset = addr & (SGX_PAGE_SIZE - 1);
	uint64_t page_offset = (addr & SGX_PAGE_MASK) - encl->base;
	struct sgx_encl_page *page;
	struct sgx_tcs *tcs = NULL;
	int ret;

	if (!(sgx_encl_flags(encl) & SGX_ENCL_DEBUG))
		return -EFAULT;
	pthread_mutex_lock(&encl->lock);
	ret = load_for_access(encl, addr & SGX_PAGE_MASK, vm_prot, &page);
	if (ret)
		goto out;
	if (page->type == SGX_PT_TCS && epcm_valid(pkg, page->epc))
		tcs = (void *)pkg->mem->bytes(pkg->mem_ctx, page->epc);
	if (tcs && !write)
		encl->sgx->ops->tcs_debug(encl, page_offset, tcs, false);
	if (write)
		ret = __edbgwr(pkg, page->epc, offset, *data) ? -EIO : 0;
	else
		ret = __edbgrd(pkg, page->epc, offset, data) ? -EIO : 0;
	if (tcs && write && !ret)
		encl->sgx->ops->tcs_debug(encl, page_offset, tcs, true);
out:
	pthread_mutex_unlock(&encl->lock);
	return ret;
}
