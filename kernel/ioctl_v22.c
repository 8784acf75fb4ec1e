/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/sgx/enclave as the patch series had them, v22 of September 2019.
 * What differs from upstream's, beside ADD_PAGE:
 *
 *	CREATE	looks at the SECS itself: EINVAL.  A fault of ECREATE is a positive number,
 *		40000000H and the vector
 *	INIT	attributes that nobody may have are EINVAL, an SGX code is the answer, and
 *		positive; neither vendor nor reserved bits of the SIGSTRUCT are looked at first
 *	state	what comes after INIT is EFAULT
 *	mmap	a page that was not added may not be mapped but with PROT_NONE
 */
#include "ioctl.h"

#include <asm/sgx.h>
#include <cpu/package.h>
#include <sgx/driver.h>

#include "encls.h"

/* The order in which the fields are looked at, for {a:secs} of a rule */
enum secs_field {
	SECS_SIZE,
	SECS_BASEADDR,
	SECS_MISCSELECT,
	SECS_ATTRIBUTES,
	SECS_XFRM,
	SECS_SSAFRAMESIZE,
	SECS_RESERVED,
};

static int bad_secs(struct why *why, enum secs_field field, uint64_t found, uint64_t wanted)
{
	if (why)
		why->at = field;
	return why_ret(why, -EINVAL, WHY_SECS_FIELD, found, wanted);
}

static bool is_zero(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	while (size && !*p) {
		p++;
		size--;
	}
	return !size;
}

/* Fields that these drivers know nothing of (CET's) must be 0 as well. */
static bool secs_reserved_clear(const struct sgx_secs *secs)
{
	const size_t reserved1 = offsetof(struct sgx_secs, miscselect) + sizeof(secs->miscselect);

	return is_zero((const uint8_t *)secs + reserved1,
		       offsetof(struct sgx_secs, attributes) - reserved1) &&
	       is_zero(secs->rsvd2, sizeof(secs->rsvd2)) &&
	       is_zero(secs->rsvd3, sizeof(secs->rsvd3)) &&
	       is_zero(secs->rsvd4, sizeof(secs->rsvd4));
}

/**
 * sgx_validate_secs() - what the drivers before Linux 5.11 look at before ECREATE does
 * @attributes_reserved_mask: bits of ATTRIBUTES.FLAGS that the driver refuses
 * @why: the rule that refuses; NULL: nobody asks
 *
 * ECREATE would refuse as much, and more, with a fault.
 * Return: 0, or -EINVAL.
 */
int sgx_validate_secs(const struct sgx_subsystem *sgx, const struct sgx_secs *secs,
		      uint64_t attributes_reserved_mask, struct why *why)
{
	const struct cpu_config *config = &sgx->pkg->config;
	uint64_t flags = secs->attributes.flags, xfrm = secs->attributes.xfrm;
	uint64_t most =
		1ull << (flags & SGX_ATTR_MODE64_BIT ? config->max_size_64 : config->max_size_32);
	uint64_t frame = cpu_ssa_size(config, xfrm, secs->miscselect);

	if (secs->size < 2 * SGX_PAGE_SIZE || (secs->size & (secs->size - 1)))
		return bad_secs(why, SECS_SIZE, secs->size, 2 * SGX_PAGE_SIZE);
	if (secs->base & (secs->size - 1))
		return bad_secs(why, SECS_BASEADDR, secs->base, secs->size);
	if (secs->miscselect & sgx->misc_reserved_mask)
		return bad_secs(why, SECS_MISCSELECT, secs->miscselect,
				(uint32_t)~sgx->misc_reserved_mask);
	if (flags & attributes_reserved_mask)
		return bad_secs(why, SECS_ATTRIBUTES, flags, ~attributes_reserved_mask);
	if (secs->size > most)
		return bad_secs(why, SECS_SIZE, secs->size, most);
	if ((xfrm & sgx->xfrm_reserved_mask) || (xfrm & SGX_XFRM_LEGACY) != SGX_XFRM_LEGACY ||
	    (xfrm >> 3 & 1) != (xfrm >> 4 & 1))
		return bad_secs(why, SECS_XFRM, xfrm, ~sgx->xfrm_reserved_mask);
	if (!secs->ssaframesize || frame > (uint64_t)secs->ssaframesize * SGX_PAGE_SIZE)
		return bad_secs(why, SECS_SSAFRAMESIZE, secs->ssaframesize,
				(frame + SGX_PAGE_SIZE - 1) / SGX_PAGE_SIZE);
	if (!secs_reserved_clear(secs))
		return bad_secs(why, SECS_RESERVED, 1, 0);
	return 0;
}

static long v22_create(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_subsystem *sgx = encl->sgx;
	struct why *why = sgx_call_why(encl, call);
	struct sgx_enclave_create create;
	struct sgx_secs secs;
	int ret;

	if (sgx->ops->copy_from_user(call, &create, arg, sizeof(create)))
		return why_ret(why, -EFAULT, WHY_CREATE_ARG, arg, 0);
	if (sgx->ops->copy_from_user(call, &secs, create.src, sizeof(secs)))
		return why_ret(why, -EFAULT, WHY_CREATE_SRC, create.src, sizeof(secs));
	if (sgx_encl_flags(encl) & SGX_ENCL_CREATED)
		return why_ret(why, -EINVAL, WHY_CREATE_AGAIN, encl->base, 0);
	ret = sgx_validate_secs(sgx, &secs, sgx->attributes_reserved_mask, why);
	return ret ? ret : sgx_encl_create(encl, &secs, 0, why);
}

/* The fault of a leaf is EFAULT, and a page that is there already EEXIST. */
static int v22_errno(int ret)
{
	return ret == -EBUSY ? -EEXIST : ret == -EIO ? -EFAULT : ret;
}

static bool has_page(struct sgx_encl *encl, uint64_t offset)
{
	bool ret;

	pthread_mutex_lock(&encl->lock);
	ret = sgx_encl_find_page(encl, encl->base + offset) != NULL;
	pthread_mutex_unlock(&encl->lock);
	return ret;
}

static long v22_add_page(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	struct why *why = sgx_call_why(encl, call);
	uint32_t state = sgx_encl_flags(encl);
	struct sgx_secinfo_arch secinfo;
	struct sgx_v22_add_page add;
	uint8_t bytes[SGX_PAGE_SIZE];
	struct sgx_add page = {.secinfo = &secinfo, .bytes = bytes};
	int ret;

	if (!(state & SGX_ENCL_CREATED))
		return why_ret(why, -EINVAL, WHY_OLD_NOT_CREATED, 0, 0);
	if (ops->copy_from_user(call, &add, arg, sizeof(add)))
		return why_ret(why, -EFAULT, WHY_OLD_ARG, arg, 0);
	if (!is_aligned_page(add.addr))
		return why_ret(why, -EINVAL, WHY_OLD_ADDR, add.addr, encl->base);
	if (!is_aligned_page(add.src))
		return why_ret(why, -EINVAL, WHY_OLD_SRC_ALIGN, add.src, SGX_PAGE_SIZE);
	if (add.addr - encl->base >= encl->size)
		return why_ret(why, -EINVAL, WHY_OLD_ADDR, add.addr, encl->base);
	if (ops->copy_from_user(call, &secinfo, add.secinfo, sizeof(secinfo)))
		return why_ret(why, -EFAULT, WHY_OLD_SOURCE, add.secinfo, sizeof(secinfo));
	ret = sgx_validate_secinfo(&secinfo, why);
	if (ret)
		return ret;
	if (state & SGX_ENCL_INITIALIZED)
		return why_ret(why, -EFAULT, WHY_OLD_INITIALISED, encl->base, 0);
	/* EADD would read it, with EFAULT; nothing comes in between but EEXIST. */
	page.offset = add.addr - encl->base;
	page.src = add.src;
	page.mrmask = add.mrmask;
	page.max_prot = sgx_secinfo_prot(&secinfo);
	if (has_page(encl, page.offset))
		return why_ret(why, -EEXIST, WHY_OLD_DUPLICATE, page.offset, 0);
	if (ops->copy_from_user(call, bytes, add.src, sizeof(bytes)))
		return why_ret(why, -EFAULT, WHY_OLD_SOURCE, add.src, sizeof(bytes));
	return v22_errno(sgx_encl_add_page(call, encl, &page));
}

static int v22_encl_init(struct sgx_encl *encl, const struct sgx_sigstruct_arch *sigstruct,
			 struct why *why)
{
	int ret;

	if (encl->attributes & ~encl->attributes_mask)
		return why_ret(why, -EINVAL, WHY_OLD_ATTRIBUTES, encl->attributes,
			       encl->attributes_mask);
	if (sgx_encl_flags(encl) & SGX_ENCL_INITIALIZED)
		return why_ret(why, -EFAULT, WHY_OLD_INITIALISED, encl->base, 0);
	pthread_mutex_lock(&encl->lock);
	ret = sgx_einit(encl, sigstruct, NULL, why);
	/* An SGX code is the answer. */
	if (ret > 0 && !encls_failed(ret))
		ret = encls_faulted(ret) ? -EFAULT : -ENOMEM;
	if (!ret)
		sgx_encl_initialized(encl);
	pthread_mutex_unlock(&encl->lock);
	return ret;
}

static long v22_init(struct sgx_call *call, struct sgx_encl *encl, uint64_t arg)
{
	const struct sgx_host_ops *ops = encl->sgx->ops;
	struct why *why = sgx_call_why(encl, call);
	struct sgx_sigstruct_arch sigstruct;
	struct sgx_enclave_init init;

	if (!(sgx_encl_flags(encl) & SGX_ENCL_CREATED))
		return why_ret(why, -EINVAL, WHY_INIT_NOT_CREATED, 0, 0);
	if (ops->copy_from_user(call, &init, arg, sizeof(init)))
		return why_ret(why, -EFAULT, WHY_INIT_ARG, arg, 0);
	if (ops->copy_from_user(call, &sigstruct, init.sigstruct, sizeof(sigstruct)))
		return why_ret(why, -EFAULT, WHY_INIT_SIGSTRUCT, init.sigstruct, sizeof(sigstruct));
	return v22_encl_init(encl, &sigstruct, why);
}

/**
 * sgx_v22_ioctl() - an ioctl on an enclave of the patch series
 *
 * Context: between sgx_ioctl_begin() and sgx_ioctl_end(), by their caller.
 * Return: 0; -errno; of INIT also an SGX code, of CREATE 40000000H and a vector.
 */
long sgx_v22_ioctl(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg)
{
	switch (cmd) {
	case SGX_IOC_ENCLAVE_CREATE:
		return v22_create(call, encl, arg);
	case SGX_V22_ADD_PAGE:
		return v22_add_page(call, encl, arg);
	case SGX_IOC_ENCLAVE_INIT:
		return v22_init(call, encl, arg);
	case SGX_IOC_ENCLAVE_PROVISION: /* there it is SET_ATTRIBUTE */
		return sgx_ioc_provision(call, encl, arg);
	default:
		return sgx_unknown_ioctl(cmd, sgx_call_why(encl, call));
	}
}
