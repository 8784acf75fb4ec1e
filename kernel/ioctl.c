/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/sgx_enclave.  The order of the checks is upstream's and
 * part of the contract: programs see which error comes first.
 *
 * Argument structures are copied once, checked, and used from the copy, so that
 * a second thread of the program cannot change them after the check.
 */
#include <asm/sgx.h>

#include "encl.h"
#include "encls.h"

#define is_aligned_page(x) (!((x) & (SGX_PAGE_SIZE - 1)))

/* --- CREATE ------------------------------------------------------------------ */

static void set_elrange(struct sgx_encl *encl, epc_slot_t slot, epc_slot_t va,
			const struct sgx_secs *secs)
{
	pthread_mutex_lock(&encl->lock);
	encl->secs = slot;
	encl->base = secs->base;
	encl->size = secs->size;
	cpu_secs_info(encl->sgx->pkg, slot, &encl->secs_info);
	sgx_encl_grown(encl, va);
	page_array_init(&encl->page_array, secs->size >> SGX_PAGE_SHIFT);
	pthread_mutex_unlock(&encl->lock);
}

static void clear_elrange(struct sgx_encl *encl)
{
	pthread_mutex_lock(&encl->lock);
	encl->secs = EPC_SLOT_NONE;
	encl->base = 0;
	encl->size = 0;
	encl->page_cnt = 0;
	encl->va_count = 0;
	pthread_mutex_unlock(&encl->lock);
}

static int sgx_encl_create(struct sgx_encl *encl, const struct sgx_secs *secs)
{
	struct sgx_subsystem *sgx = encl->sgx;
	epc_slot_t slot, va;
	int ret;

	/* ECREATE would fault on it; Linux says so itself, before it computes with it. */
	if (!secs->size || (secs->size & (secs->size - 1)))
		return -EINVAL;
	ret = sgx_encl_grow(encl, &va);
	if (ret)
		return ret;
	ret = -ENOMEM;
	slot = sgx_alloc_epc_page(sgx, encl, SGX_PT_SECS, false);
	if (slot == EPC_SLOT_NONE)
		goto err_va;
	ret = encls_errno(__ecreate(sgx->pkg, slot, secs), -EIO);
	if (ret)
		goto err_free;

	/*
	 * Without encl->lock, as the host asks for what it makes memory for.
	 * Nobody sees the SECS before CREATED but sgx_encl_info().
	 */
	set_elrange(encl, slot, va, secs);
	ret = sgx->ops->encl_memory(encl);
	if (ret)
		goto err_elrange;

	pthread_mutex_lock(&encl->lock);
	encl->attributes = secs->attributes.flags;
	encl->attributes_mask = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_KSS_BIT |
				SGX_ATTR_AEXNOTIFY_BIT;
	sgx_encl_set_flags(encl,
			   SGX_ENCL_CREATED |
				   (encl->attributes & SGX_ATTR_DEBUG_BIT ? SGX_ENCL_DEBUG : 0));
	pthread_mutex_unlock(&encl->lock);
	return 0;

err_elrange:
	clear_elrange(encl);
err_free:
	sgx_encl_free_epc_page(sgx, slot);
err_va:
	sgx_encl_shrink(encl, va);
	return ret;
}

static long sgx_ioc_enclave_create(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	struct sgx_enclave_create create;
	struct sgx_secs secs;

	if (sgx_encl_flags(encl) & SGX_ENCL_CREATED)
		return -EINVAL;
	if (ops->copy_from_user(call, &create, arg, sizeof(create)))
		return -EFAULT;
	if (ops->copy_from_user(call, &secs, create.src, sizeof(secs)))
		return -EFAULT;
	return sgx_encl_create(encl, &secs);
}

/* --- ADD_PAGES --------------------------------------------------------------- */

static int sgx_validate_offset_length(const struct sgx_encl *encl, uint64_t offset, uint64_t length)
{
	if (!is_aligned_page(offset))
		return -EINVAL;
	if (!length || !is_aligned_page(length))
		return -EINVAL;
	if (offset + length < offset)
		return -EINVAL;
	if (offset + length - SGX_PAGE_SIZE >= encl->size)
		return -EINVAL;
	return 0;
}

static int sgx_validate_secinfo(const struct sgx_secinfo_arch *secinfo)
{
	uint64_t perm = secinfo->flags & SGX_SECINFO_RWX_BITS;
	unsigned int pt = SGX_SECINFO_PT(secinfo->flags);

	if (pt != SGX_PT_REG && pt != SGX_PT_TCS)
		return -EINVAL;
	if ((perm & SGX_SECINFO_W_BIT) && !(perm & SGX_SECINFO_R_BIT))
		return -EINVAL;
	/* The processor would clear them, and measure other flags than were given. */
	if (pt == SGX_PT_TCS && perm)
		return -EINVAL;
	if (secinfo->flags & ~(SGX_SECINFO_RWX_BITS | SGX_SECINFO_PT_BITS))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(secinfo->rsvd); i++)
		if (secinfo->rsvd[i])
			return -EINVAL;
	return 0;
}

static int sgx_encl_extend(struct sgx_encl *encl, epc_slot_t slot)
{
	for (uint32_t offset = 0; offset < SGX_PAGE_SIZE; offset += SGX_EEXTEND_SIZE) {
		int ret = __eextend(encl->sgx->pkg, slot, encl->secs, offset);

		if (ret)
			return encls_errno(ret, -EIO);
	}
	return 0;
}

/* Context: encl->lock held; the entry is taken.  EADD and, if asked, EEXTEND. */
static int eadd_page(struct sgx_call *call, struct sgx_encl *encl, epc_slot_t slot, uint64_t src,
		     uint64_t offset, const struct sgx_secinfo_arch *secinfo, uint64_t flags)
{
	struct sgx_subsystem *sgx = encl->sgx;
	const void *bytes;
	int ret = sgx->ops->source_page(call, src, &bytes);

	if (ret)
		return ret;
	ret = encls_errno(__eadd(sgx->pkg, slot, encl->secs, encl->base + offset, secinfo, bytes),
			  -EIO);
	if (!ret && (flags & SGX_PAGE_MEASURE))
		ret = sgx_encl_extend(encl, slot);
	return ret;
}

/* What the TCS says is what EADD took in, not what the source says by now. */
static void publish_tcs(struct sgx_encl *encl, epc_slot_t slot, uint64_t offset)
{
	struct cpu_package *pkg = encl->sgx->pkg;
	const void *tcs = pkg->mem->bytes(pkg->mem_ctx, slot);

	encl->sgx->ops->tcs_publish(encl, offset, tcs);
}

static int sgx_encl_add_page(struct sgx_call *call, struct sgx_encl *encl, uint64_t src,
			     uint64_t offset, const struct sgx_secinfo_arch *secinfo,
			     uint64_t flags)
{
	enum sgx_pt type = SGX_SECINFO_PT(secinfo->flags);
	struct sgx_subsystem *sgx = encl->sgx;
	struct sgx_encl_page *page;
	epc_slot_t slot, va;
	int ret;

	slot = sgx_alloc_epc_page(sgx, encl, type, false);
	if (slot == EPC_SLOT_NONE)
		return -ENOMEM;
	ret = sgx_encl_grow(encl, &va);
	if (ret) {
		sgx_free_epc_page(sgx, slot);
		return ret;
	}

	pthread_mutex_lock(&encl->lock);
	/* Before EADD, which changes MRENCLAVE and cannot be taken back. */
	ret = page_array_insert(&encl->page_array, offset >> SGX_PAGE_SHIFT, &page);
	if (ret)
		goto err_unlock;
	ret = eadd_page(call, encl, slot, src, offset, secinfo, flags);
	if (ret)
		goto err_erase;

	page->epc = slot;
	page->type = type;
	page->max_prot = secinfo->flags & SGX_SECINFO_RWX_BITS;
	/* The processor reads and writes a TCS through its mapping. */
	if (type == SGX_PT_TCS)
		page->max_prot = SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT;
	sgx_encl_grown(encl, va);
	encl->secs_child_cnt++;
	if (type == SGX_PT_TCS)
		publish_tcs(encl, slot, offset);
	sgx_mark_page_reclaimable(sgx, slot);
	pthread_mutex_unlock(&encl->lock);
	return 0;

err_erase:
	page_array_erase(&encl->page_array, offset >> SGX_PAGE_SHIFT);
err_unlock:
	/* Under the lock: the host's drop() finds the enclave as fill() did. */
	sgx_encl_free_epc_page(sgx, slot);
	sgx_encl_shrink(encl, va);
	pthread_mutex_unlock(&encl->lock);
	return ret;
}

static long sgx_ioc_enclave_add_pages(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	uint32_t state = sgx_encl_flags(encl);
	struct sgx_enclave_add_pages add;
	struct sgx_secinfo_arch secinfo;
	uint64_t done;
	int ret = 0;

	if (!(state & SGX_ENCL_CREATED) || (state & SGX_ENCL_INITIALIZED))
		return -EINVAL;
	if (ops->copy_from_user(call, &add, arg, sizeof(add)))
		return -EFAULT;
	if (!is_aligned_page(add.src))
		return -EINVAL;
	if (sgx_validate_offset_length(encl, add.offset, add.length))
		return -EINVAL;
	if (ops->copy_from_user(call, &secinfo, add.secinfo, sizeof(secinfo)))
		return -EFAULT;
	if (sgx_validate_secinfo(&secinfo))
		return -EINVAL;

	for (done = 0; done < add.length; done += SGX_PAGE_SIZE) {
		if (ops->signal_pending(call)) {
			/* Later it is success, and count says how far. */
			if (!done)
				ret = -ERESTARTSYS;
			break;
		}
		ret = sgx_encl_add_page(call, encl, add.src + done, add.offset + done, &secinfo,
					add.flags);
		if (ret)
			break;
	}

	add.count = done;
	if (ops->copy_to_user(call, arg, &add, sizeof(add)))
		return -EFAULT;
	return ret;
}

/* --- INIT -------------------------------------------------------------------- */

static int sgx_encl_init(struct sgx_encl *encl, const struct sgx_sigstruct_arch *sigstruct)
{
	const struct sgx_subsystem *sgx = encl->sgx;
	int ret;

	/* Provisioning, above all, wants somebody's leave; launch keys nobody gets. */
	if (encl->attributes & ~encl->attributes_mask)
		return -EACCES;
	if (sigstruct->attributes.flags & sigstruct->attributemask.flags &
	    sgx->attributes_reserved_mask)
		return -EINVAL;
	if (sigstruct->miscselect & sigstruct->miscmask & sgx->misc_reserved_mask)
		return -EINVAL;
	if (sigstruct->attributes.xfrm & sigstruct->attributemask.xfrm & sgx->xfrm_reserved_mask)
		return -EINVAL;

	pthread_mutex_lock(&encl->lock);
	ret = sgx_launch(encl, sigstruct);
	if (!ret) {
		cpu_secs_info(sgx->pkg, encl->secs, &encl->secs_info);
		sgx_encl_set_flags(encl, SGX_ENCL_INITIALIZED);
	}
	pthread_mutex_unlock(&encl->lock);
	return ret;
}

static long sgx_ioc_enclave_init(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	uint32_t state = sgx_encl_flags(encl);
	struct sgx_sigstruct_arch sigstruct;
	struct sgx_enclave_init init;

	if (!(state & SGX_ENCL_CREATED) || (state & SGX_ENCL_INITIALIZED))
		return -EINVAL;
	if (ops->copy_from_user(call, &init, arg, sizeof(init)))
		return -EFAULT;
	if (ops->copy_from_user(call, &sigstruct, init.sigstruct, sizeof(sigstruct)))
		return -EFAULT;
	if (sigstruct.vendor != 0 && sigstruct.vendor != 0x8086)
		return -EINVAL;
	return sgx_encl_init(encl, &sigstruct);
}

/* --- PROVISION --------------------------------------------------------------- */

/*
 * No check of state: before CREATE it succeeds and CREATE forgets it; after INIT
 * nobody asks any more.
 */
static long sgx_ioc_enclave_provision(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	struct sgx_enclave_provision provision;

	if (ops->copy_from_user(call, &provision, arg, sizeof(provision)))
		return -EFAULT;
	/* A u64 in the structure, an int for whoever looks it up. */
	return sgx_set_attribute(call, ops, &encl->attributes_mask, (int)provision.fd);
}

/* --- all --------------------------------------------------------------------- */

/**
 * sgx_ioctl_begin() - claim an enclave for an ioctl
 *
 * Return: 0; -EBUSY while another one runs.
 */
int sgx_ioctl_begin(struct sgx_encl *encl)
{
	if (__atomic_fetch_or(&encl->flags, SGX_ENCL_IOCTL, __ATOMIC_ACQUIRE) & SGX_ENCL_IOCTL)
		return -EBUSY;
	return 0;
}

/**
 * sgx_ioctl_end() - let the next ioctl in
 */
void sgx_ioctl_end(struct sgx_encl *encl)
{
	__atomic_fetch_and(&encl->flags, ~SGX_ENCL_IOCTL, __ATOMIC_RELEASE);
}

/**
 * sgx_ioctl_run() - do an ioctl
 *
 * Context: between sgx_ioctl_begin() and sgx_ioctl_end(), by their caller.
 * Return: 0, or -errno.
 */
long sgx_ioctl_run(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg)
{
	switch (cmd) {
	case SGX_IOC_ENCLAVE_CREATE:
		return sgx_ioc_enclave_create(call, encl, arg);
	case SGX_IOC_ENCLAVE_ADD_PAGES:
		return sgx_ioc_enclave_add_pages(call, encl, arg);
	case SGX_IOC_ENCLAVE_INIT:
		return sgx_ioc_enclave_init(call, encl, arg);
	case SGX_IOC_ENCLAVE_PROVISION:
		return sgx_ioc_enclave_provision(call, encl, arg);
	case SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS:
	case SGX_IOC_ENCLAVE_MODIFY_TYPES:
	case SGX_IOC_ENCLAVE_REMOVE_PAGES:
		/* No SGX2: said before state and argument are looked at. */
		return -ENODEV;
	default:
		return -ENOTTY;
	}
}

/**
 * sgx_ioctl() - begin, run, end
 */
long sgx_ioctl(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg)
{
	long ret = sgx_ioctl_begin(encl);

	if (ret)
		return ret;
	ret = sgx_ioctl_run(call, encl, cmd, arg);
	sgx_ioctl_end(encl);
	return ret;
}
