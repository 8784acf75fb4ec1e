/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "encl.h"
#include "encls.h"

/* ATTRIBUTES and MISCSELECT that upstream lets no SIGSTRUCT ask for, whatever CPUID says. */
#define SGX_ATTR_RESERVED_MASK                                                           \
	(~(SGX_ATTR_INIT_BIT | SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT |                \
	   SGX_ATTR_PROVISION_KEY_BIT | SGX_ATTR_EINITTOKEN_KEY_BIT | SGX_ATTR_KSS_BIT | \
	   SGX_ATTR_AEXNOTIFY_BIT))
#define SGX_MISC_RESERVED_MASK (~SGX_MISC_EXINFO_BIT)

/* What CPUID 12H does not enumerate is reserved. */
static void init_reserved_masks(struct sgx_subsystem *sgx)
{
	struct cpu_cpuid regs = {0};

	cpu_cpuid_sgx(sgx->pkg, SGX_CPUID_LEAF, 0, &regs);
	sgx->misc_reserved_mask = ~regs.ebx | SGX_MISC_RESERVED_MASK;
	cpu_cpuid_sgx(sgx->pkg, SGX_CPUID_LEAF, 1, &regs);
	sgx->attributes_reserved_mask =
		~((uint64_t)regs.ebx << 32 | regs.eax) | SGX_ATTR_RESERVED_MASK;
	sgx->xfrm_reserved_mask = ~((uint64_t)regs.edx << 32 | regs.ecx);
}

/**
 * sgx_init() - bring the subsystem up on a package
 *
 * Return: NULL without memory.
 */
struct sgx_subsystem *sgx_init(struct cpu_package *pkg, const struct sgx_host_ops *ops,
			       void *host_ctx)
{
	struct sgx_subsystem *sgx = calloc(1, sizeof(*sgx));

	if (!sgx)
		return NULL;
	sgx->pkg = pkg;
	sgx->ops = ops;
	sgx->host_ctx = host_ctx;
	if (sgx_epc_init(sgx)) {
		free(sgx);
		return NULL;
	}
	pthread_mutex_init(&sgx->encl_lock, NULL);
	pthread_mutex_init(&sgx->launch_lock, NULL);
	init_reserved_masks(sgx);
	sgx_launch_init(sgx);
	if (sgx_reclaimer_init(sgx)) {
		sgx_epc_exit(sgx);
		pthread_mutex_destroy(&sgx->launch_lock);
		pthread_mutex_destroy(&sgx->encl_lock);
		free(sgx);
		return NULL;
	}
	return sgx;
}

/**
 * sgx_exit() - the end, after every enclave has been released
 */
void sgx_exit(struct sgx_subsystem *sgx)
{
	sgx_reclaimer_exit(sgx);
	sgx_epc_exit(sgx);
	pthread_mutex_destroy(&sgx->launch_lock);
	pthread_mutex_destroy(&sgx->encl_lock);
	free(sgx);
}
