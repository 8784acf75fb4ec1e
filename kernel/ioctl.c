/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/sgx_enclave since Linux 5.11.  The order of the checks is
 * upstream's and part of the contract: programs see which error comes first.
 *
 * Argument structures are copied once, checked, and used from the copy, so that
 * a second thread of the program cannot change them after the check.
 */
#include "ioctl.h"

#include <asm/sgx.h>
#include <sgx/driver.h>

#include "encls.h"

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

/**
 * sgx_encl_create() - ECREATE, and the host's memory for it
 * @secs:	a private copy
 * @fault_errno: what a fault of ECREATE is to the caller; 0: ENCLS_FAULT_FLAG and the vector
 * @why:	the rule that refuses; NULL: nobody asks
 *
 * Context: between sgx_ioctl_begin() and sgx_ioctl_end().
 * Return: 0; -ENOMEM; @fault_errno.
 */
int sgx_encl_create(struct sgx_encl *encl, const struct sgx_secs *secs, int fault_errno,
		    struct why *why)
{
	struct sgx_subsystem *sgx = encl->sgx;
	epc_slot_t slot, va;
	int ret;

	ret = sgx_encl_grow(encl, &va, why);
	if (ret)
		return ret;
	/* Linux makes its file for evicted pages next, whose size is signed. */
	if (secs->size >> 63) {
		ret = why_ret(why, -EINVAL, WHY_CREATE_BACKING, secs->size, 0);
		goto err_va;
	}
	slot = sgx_alloc_epc_page(sgx, encl, SGX_PT_SECS, SGX_ALLOC_NEW);
	if (slot == EPC_SLOT_NONE) {
		ret = sgx_epc_full(encl, why);
		goto err_va;
	}
	ret = __ecreate(sgx->pkg, slot, secs, why);
	if (ret) {
		if (!encls_faulted(ret))
			ret = encls_errno(ret, -EIO);
		else if (fault_errno)
			ret = fault_errno;
		goto err_free;
	}

	/*
	 * Without encl->lock, as the host asks for what it makes memory for.
	 * Nobody sees the SECS before CREATED but sgx_encl_info().
	 */
	set_elrange(encl, slot, va, secs);
	ret = sgx->ops->encl_memory(encl);
	if (ret) {
		why_note(why, WHY_HOST_MEMORY, 0, 0);
		goto err_elrange;
	}

	pthread_mutex_lock(&encl->lock);
	encl->attributes = secs->attributes.flags;
	encl->attributes_mask = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_KSS_BIT;
	if (encl->interfaces & SGX_INTERFACE_UPSTREAM)
		encl->attributes_mask |= SGX_ATTR_AEXNOTIFY_BIT;
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
	struct why *why = sgx_call_why(encl, call);
	struct sgx_enclave_create create;
	struct sgx_secs secs;

	if (sgx_encl_flags(encl) & SGX_ENCL_CREATED)
		return why_ret(why, -EINVAL, WHY_CREATE_AGAIN, encl->base, 0);
	if (ops->copy_from_user(call, &create, arg, sizeof(create)))
		return why_ret(why, -EFAULT, WHY_CREATE_ARG, arg, 0);
	if (ops->copy_from_user(call, &secs, create.src, sizeof(secs)))
		return why_ret(why, -EFAULT, WHY_CREATE_SRC, create.src, sizeof(secs));
	/* ECREATE would fault on it; Linux says so itself, before it computes with it. */
	if (!secs.size || (secs.size & (secs.size - 1)))
		return why_ret(why, -EINVAL, WHY_CREATE_SIZE, secs.size, 0);
	return sgx_encl_create(encl, &secs, -EIO, why);
}

/* --- ADD_PAGES --------------------------------------------------------------- */

static int sgx_validate_offset_length(const struct sgx_encl *encl, uint64_t offset, uint64_t length,
				      struct why *why)
{
	if (!is_aligned_page(offset))
		return why_ret(why, -EINVAL, WHY_ADD_OFFSET_ALIGN, offset, SGX_PAGE_SIZE);
	if (!length || !is_aligned_page(length))
		return why_ret(why, -EINVAL, WHY_ADD_LENGTH, length, SGX_PAGE_SIZE);
	if (offset + length < offset)
		return why_ret(why, -EINVAL, WHY_ADD_WRAP, offset, length);
	if (offset + length - SGX_PAGE_SIZE >= encl->size)
		return why_ret(why, -EINVAL, WHY_ADD_RANGE, offset + length, encl->size);
	return 0;
}

/**
 * sgx_validate_secinfo() - may a page be added with that?
 * @why: the rule that refuses; NULL: nobody asks
 *
 * Return: 0, or -EINVAL.
 */
int sgx_validate_secinfo(const struct sgx_secinfo_arch *secinfo, struct why *why)
{
	const uint64_t known = SGX_SECINFO_RWX_BITS | SGX_SECINFO_PT_BITS;
	uint64_t perm = secinfo->flags & SGX_SECINFO_RWX_BITS;
	unsigned int pt = SGX_SECINFO_PT(secinfo->flags);

	if (pt != SGX_PT_REG && pt != SGX_PT_TCS)
		return why_ret(why, -EINVAL, WHY_ADD_TYPE, secinfo->flags, 0);
	if ((perm & SGX_SECINFO_W_BIT) && !(perm & SGX_SECINFO_R_BIT))
		return why_ret(why, -EINVAL, WHY_ADD_WRITE_ONLY, secinfo->flags, 0);
	/* The processor would clear them, and measure other flags than were given. */
	if (pt == SGX_PT_TCS && perm)
		return why_ret(why, -EINVAL, WHY_ADD_TCS_RWX, secinfo->flags, perm);
	if (secinfo->flags & ~known)
		return why_ret(why, -EINVAL, WHY_ADD_FLAGS, secinfo->flags, known);
	for (size_t i = 0; i < sizeof(secinfo->rsvd); i++)
		if (secinfo->rsvd[i])
			return why_ret(why, -EINVAL, WHY_ADD_RESERVED,
				       offsetof(struct sgx_secinfo_arch, rsvd) + i, 0);
	return 0;
}

/**
 * sgx_secinfo_prot() - what a page that is added with this may be mapped with, at most
 *
 * The processor reads and writes a TCS through its mapping.
 */
uint8_t sgx_secinfo_prot(const struct sgx_secinfo_arch *secinfo)
{
	if (SGX_SECINFO_PT(secinfo->flags) == SGX_PT_TCS)
		return SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT;
	return secinfo->flags & SGX_SECINFO_RWX_BITS;
}

static int sgx_encl_extend(struct sgx_encl *encl, epc_slot_t slot, uint16_t mrmask, struct why *why)
{
	for (uint32_t offset = 0; mrmask; offset += SGX_EEXTEND_SIZE, mrmask >>= 1) {
		int ret = 0;

		if (mrmask & 1)
			ret = __eextend(encl->sgx->pkg, slot, encl->secs, offset, why);
		if (ret)
			return encls_errno(ret, -EIO);
	}
	return 0;
}

/* Context: encl->lock held; the entry is taken.  EADD, and EEXTEND of what is asked for. */
static int eadd_page(struct sgx_call *call, struct sgx_encl *encl, epc_slot_t slot,
		     const struct sgx_add *add)
{
	struct sgx_subsystem *sgx = encl->sgx;
	struct why *why = sgx_call_why(encl, call);
	const void *bytes = add->bytes;
	int ret = bytes ? 0 : sgx->ops->source_page(call, add->src, &bytes);

	if (ret)
		return why_ret(why, ret, ret == -EACCES ? WHY_ADD_NOEXEC : WHY_ADD_SOURCE, add->src,
			       add->offset);
	if (why)
		why->at = add->offset;
	ret = encls_errno(__eadd(sgx->pkg, slot, encl->secs, encl->base + add->offset, add->secinfo,
				 bytes, why),
			  -EIO);
	if (!ret)
		ret = sgx_encl_extend(encl, slot, add->mrmask, why);
	return ret;
}

/* What the TCS says is what EADD took in, not what the source says by now. */
static void publish_tcs(struct sgx_encl *encl, epc_slot_t slot, uint64_t offset)
{
	struct cpu_package *pkg = encl->sgx->pkg;
	const void *tcs = pkg->mem->bytes(pkg->mem_ctx, slot);

	encl->sgx->ops->tcs_publish(encl, offset, tcs);
}

/**
 * sgx_encl_add_page() - EADD and EEXTEND of one page
 * @add: checked, as the interface has it
 *
 * Context: between sgx_ioctl_begin() and sgx_ioctl_end(), CREATED and not INITIALIZED.
 * Return: 0; -ENOMEM; -EBUSY: there is a page already; -EFAULT or -EACCES: of the source;
 * -EIO: a leaf faulted.
 */
int sgx_encl_add_page(struct sgx_call *call, struct sgx_encl *encl, const struct sgx_add *add)
{
	enum sgx_pt type = SGX_SECINFO_PT(add->secinfo->flags);
	struct sgx_subsystem *sgx = encl->sgx;
	struct why *why = sgx_call_why(encl, call);
	struct sgx_encl_page *page;
	epc_slot_t slot, va;
	int ret;

	slot = sgx_alloc_epc_page(sgx, encl, type, SGX_ALLOC_NEW);
	if (slot == EPC_SLOT_NONE)
		return sgx_epc_full(encl, why);
	ret = sgx_encl_grow(encl, &va, why);
	if (ret) {
		sgx_free_epc_page(sgx, slot);
		return ret;
	}

	pthread_mutex_lock(&encl->lock);
	/* Before EADD, which changes MRENCLAVE and cannot be taken back. */
	ret = page_array_insert(&encl->page_array, add->offset >> SGX_PAGE_SHIFT, &page);
	if (ret) {
		why_note(why, ret == -EBUSY ? WHY_ADD_DUPLICATE : WHY_HOST_MEMORY, add->offset, 0);
		goto err_unlock;
	}
	ret = eadd_page(call, encl, slot, add);
	if (ret)
		goto err_erase;

	page->epc = slot;
	page->type = type;
	page->max_prot = add->max_prot;
	sgx_encl_grown(encl, va);
	encl->secs_child_cnt++;
	if (type == SGX_PT_TCS)
		publish_tcs(encl, slot, add->offset);
	sgx_mark_page_reclaimable(sgx, slot);
	pthread_mutex_unlock(&encl->lock);
	return 0;

err_erase:
	page_array_erase(&encl->page_array, add->offset >> SGX_PAGE_SHIFT);
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
	struct why *why = sgx_call_why(encl, call);
	uint32_t state = sgx_encl_flags(encl);
	struct sgx_enclave_add_pages add;
	struct sgx_secinfo_arch secinfo;
	uint64_t done;
	int ret = 0;

	if (!(state & SGX_ENCL_CREATED))
		return why_ret(why, -EINVAL, WHY_ADD_NOT_CREATED, 0, 0);
	if (state & SGX_ENCL_INITIALIZED)
		return why_ret(why, -EINVAL, WHY_ADD_INITIALISED, encl->base, 0);
	if (ops->copy_from_user(call, &add, arg, sizeof(add)))
		return why_ret(why, -EFAULT, WHY_ADD_ARG, arg, 0);
	if (!is_aligned_page(add.src))
		return why_ret(why, -EINVAL, WHY_ADD_SRC_ALIGN, add.src, SGX_PAGE_SIZE);
	if (sgx_validate_offset_length(encl, add.offset, add.length, why))
		return -EINVAL;
	if (ops->copy_from_user(call, &secinfo, add.secinfo, sizeof(secinfo)))
		return why_ret(why, -EFAULT, WHY_ADD_SECINFO_ARG, add.secinfo, sizeof(secinfo));
	if (sgx_validate_secinfo(&secinfo, why))
		return -EINVAL;

	for (done = 0; done < add.length; done += SGX_PAGE_SIZE) {
		struct sgx_add page = {
			.offset = add.offset + done,
			.src = add.src + done,
			.secinfo = &secinfo,
			.mrmask = add.flags & SGX_PAGE_MEASURE ? 0xffff : 0,
			.max_prot = sgx_secinfo_prot(&secinfo),
		};

		if (ops->signal_pending(call)) {
			/* Later it is success, and count says how far. */
			if (!done)
				ret = -ERESTARTSYS;
			break;
		}
		ret = sgx_encl_add_page(call, encl, &page);
		if (ret)
			break;
	}

	add.count = done;
	if (ops->copy_to_user(call, arg, &add, sizeof(add)))
		return why_ret(why, -EFAULT, WHY_WRITE_BACK, arg, 0);
	return ret;
}

/* --- INIT -------------------------------------------------------------------- */

/* Provisioning, above all, wants somebody's leave; launch keys nobody gets. */
static int sgx_check_attributes(const struct sgx_encl *encl, struct why *why)
{
	uint64_t refused = encl->attributes & ~encl->attributes_mask;
	enum why_rule rule = WHY_INIT_ATTRIBUTES;

	if (!refused)
		return 0;
	if (refused & SGX_ATTR_EINITTOKEN_KEY_BIT)
		rule = WHY_INIT_TOKENKEY;
	else if (refused & SGX_ATTR_PROVISION_KEY_BIT)
		rule = WHY_INIT_PROVISIONKEY;
	return why_ret(why, -EACCES, rule, encl->attributes, encl->attributes_mask);
}

/* What the SIGSTRUCT insists on exists on this processor. */
static int sgx_check_sigstruct(const struct sgx_subsystem *sgx,
			       const struct sgx_sigstruct_arch *sigstruct, struct why *why)
{
	uint64_t flags = sigstruct->attributes.flags & sigstruct->attributemask.flags;
	uint64_t xfrm = sigstruct->attributes.xfrm & sigstruct->attributemask.xfrm;
	uint32_t misc = sigstruct->miscselect & sigstruct->miscmask;

	if (flags & sgx->attributes_reserved_mask)
		return why_ret(why, -EINVAL, WHY_INIT_SIG_ATTRIBUTES, flags,
			       flags & sgx->attributes_reserved_mask);
	if (misc & sgx->misc_reserved_mask)
		return why_ret(why, -EINVAL, WHY_INIT_SIG_MISC, misc,
			       misc & sgx->misc_reserved_mask);
	if (xfrm & sgx->xfrm_reserved_mask)
		return why_ret(why, -EINVAL, WHY_INIT_SIG_XFRM, xfrm,
			       xfrm & sgx->xfrm_reserved_mask);
	return 0;
}

/**
 * sgx_encl_initialized() - EINIT has succeeded
 *
 * Context: encl->lock held.
 */
void sgx_encl_initialized(struct sgx_encl *encl)
{
	cpu_secs_info(encl->sgx->pkg, encl->secs, &encl->secs_info);
	sgx_encl_set_flags(encl, SGX_ENCL_INITIALIZED);
}

static int sgx_encl_init(struct sgx_encl *encl, const struct sgx_sigstruct_arch *sigstruct,
			 struct why *why)
{
	const struct sgx_subsystem *sgx = encl->sgx;
	int ret = sgx_check_attributes(encl, why);

	if (!ret)
		ret = sgx_check_sigstruct(sgx, sigstruct, why);
	if (ret)
		return ret;

	pthread_mutex_lock(&encl->lock);
	ret = sgx_einit(encl, sigstruct, NULL, why);
	if (ret > 0)
		ret = encls_errno(ret, -EPERM);
	if (!ret)
		sgx_encl_initialized(encl);
	pthread_mutex_unlock(&encl->lock);
	return ret;
}

static long sgx_ioc_enclave_init(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	struct why *why = sgx_call_why(encl, call);
	uint32_t state = sgx_encl_flags(encl);
	struct sgx_sigstruct_arch sigstruct;
	struct sgx_enclave_init init;

	if (!(state & SGX_ENCL_CREATED))
		return why_ret(why, -EINVAL, WHY_INIT_NOT_CREATED, 0, 0);
	if (state & SGX_ENCL_INITIALIZED)
		return why_ret(why, -EINVAL, WHY_INIT_AGAIN, encl->base, 0);
	if (ops->copy_from_user(call, &init, arg, sizeof(init)))
		return why_ret(why, -EFAULT, WHY_INIT_ARG, arg, 0);
	if (ops->copy_from_user(call, &sigstruct, init.sigstruct, sizeof(sigstruct)))
		return why_ret(why, -EFAULT, WHY_INIT_SIGSTRUCT, init.sigstruct, sizeof(sigstruct));
	if (sigstruct.vendor != 0 && sigstruct.vendor != 0x8086)
		return why_ret(why, -EINVAL, WHY_INIT_VENDOR, sigstruct.vendor, 0x8086);
	return sgx_encl_init(encl, &sigstruct, why);
}

/* --- PROVISION --------------------------------------------------------------- */

/**
 * sgx_ioc_provision() - PROVISION, which the patch series calls SET_ATTRIBUTE
 *
 * No check of state: before CREATE it succeeds and CREATE forgets it; after INIT
 * nobody asks any more.
 * Return: 0; -EFAULT; -EINVAL: the descriptor is none of the provisioning device.
 */
long sgx_ioc_provision(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	struct why *why = sgx_call_why(encl, call);
	struct sgx_enclave_provision provision;

	if (ops->copy_from_user(call, &provision, arg, sizeof(provision)))
		return why_ret(why, -EFAULT, WHY_PROVISION_ARG, arg, 0);
	/* A u64 in the structure, an int for whoever looks it up. */
	return sgx_set_attribute(call, ops, &encl->attributes_mask, (int)provision.fd, why);
}

/* --- all --------------------------------------------------------------------- */

/**
 * sgx_ioctl_begin() - claim an enclave for an ioctl
 * @why: the rule that refuses; NULL: nobody asks
 *
 * Return: 0; -EBUSY while another one runs.
 */
int sgx_ioctl_begin(struct sgx_encl *encl, struct why *why)
{
	if (__atomic_fetch_or(&encl->flags, SGX_ENCL_IOCTL, __ATOMIC_ACQUIRE) & SGX_ENCL_IOCTL)
		return why_ret(why, -EBUSY, WHY_IOCTL_BUSY, 0, 0);
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
 * sgx_unknown_ioctl() - no such command
 *
 * Those of other generations have the same magic, and numbers that are well known.
 * Return: -ENOTTY.
 */
long sgx_unknown_ioctl(unsigned int cmd, struct why *why)
{
	switch (cmd) {
	case SGX_V22_ADD_PAGE:
	case SGX_ISGX_ADD_PAGE:
	case SGX_ISGX_INIT:
	case SGX_IOC_ENCLAVE_ADD_PAGES:
		return why_ret(why, -ENOTTY, WHY_IOCTL_OTHER, cmd, 0);
	default:
		return why_ret(why, -ENOTTY, WHY_IOCTL_UNKNOWN, cmd, 0);
	}
}

/* Upstream's.  Of those that the patch series has as well the enclave's own count. */
static long upstream_ioctl(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd,
			   uint64_t arg)
{
	switch (cmd) {
	case SGX_IOC_ENCLAVE_CREATE:
		return sgx_ioc_enclave_create(call, encl, arg);
	case SGX_IOC_ENCLAVE_ADD_PAGES:
		return sgx_ioc_enclave_add_pages(call, encl, arg);
	case SGX_IOC_ENCLAVE_INIT:
		return sgx_ioc_enclave_init(call, encl, arg);
	case SGX_IOC_ENCLAVE_PROVISION:
		return sgx_ioc_provision(call, encl, arg);
	case SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS:
	case SGX_IOC_ENCLAVE_MODIFY_TYPES:
	case SGX_IOC_ENCLAVE_REMOVE_PAGES:
		/* No SGX2: said before state and argument are looked at. */
		return why_ret(sgx_call_why(encl, call), -ENODEV, WHY_IOCTL_SGX2, cmd, 0);
	default:
		return sgx_unknown_ioctl(cmd, sgx_call_why(encl, call));
	}
}

/*
 * Where a descriptor speaks more than one generation, the ioctl that adds pages says
 * which one the enclave is of.
 */
static void choose_interface(struct sgx_encl *encl, unsigned int cmd)
{
	uint32_t one = 0;

	if (cmd == SGX_IOC_ENCLAVE_ADD_PAGES)
		one = SGX_INTERFACE_UPSTREAM;
	else if (cmd == SGX_V22_ADD_PAGE)
		one = SGX_INTERFACE_V22;
	if (!(encl->interfaces & one) || !(sgx_encl_flags(encl) & SGX_ENCL_CREATED))
		return;
	pthread_mutex_lock(&encl->lock);
	encl->interfaces = one;
	pthread_mutex_unlock(&encl->lock);
}

/**
 * sgx_ioctl_run() - do an ioctl
 *
 * Context: between sgx_ioctl_begin() and sgx_ioctl_end(), by their caller.
 * Return: 0, or -errno.
 */
long sgx_ioctl_run(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg)
{
	choose_interface(encl, cmd);
	if (encl->interfaces & SGX_INTERFACE_UPSTREAM)
		return upstream_ioctl(call, encl, cmd, arg);
	return sgx_v22_ioctl(call, encl, cmd, arg);
}

/**
 * sgx_ioctl() - begin, run, end
 */
long sgx_ioctl(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg)
{
	long ret = sgx_ioctl_begin(encl, sgx_call_why(encl, call));

	if (ret)
		return ret;
	ret = sgx_ioctl_run(call, encl, cmd, arg);
	sgx_ioctl_end(encl);
	return ret;
}
