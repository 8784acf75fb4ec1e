/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Launch with flexible launch control: the hash of the signer's key goes to
 * IA32_SGXLEPUBKEYHASH0-3, and EINIT then takes an invalid token.  Launch with a token:
 * there must be in them what was there at the start.
 */
#include <cpu/sigstruct.h>
#include <string.h>

#include "encl.h"
#include "encls.h"

static int update_lepubkeyhash(struct cpu_package *pkg, const uint64_t hash[4], struct why *why)
{
	for (uint32_t i = 0; i < 4; i++)
		if (!cpu_ok(cpu_wrmsr(pkg, SGX_MSR_LEPUBKEYHASH0 + i, hash[i])))
			return why_ret(why, -EIO, WHY_LAUNCH_MSR, i, pkg->feature_control);
	return 0;
}

/**
 * sgx_launch_init() - remember whose tokens this processor takes
 */
void sgx_launch_init(struct sgx_subsystem *sgx)
{
	for (uint32_t i = 0; i < 4; i++)
		if (!cpu_ok(cpu_rdmsr(sgx->pkg, SGX_MSR_LEPUBKEYHASH0 + i,
				      &sgx->reset_lepubkeyhash[i])))
			sgx->reset_lepubkeyhash[i] = 0;
}

/**
 * sgx_einit() - EINIT an enclave
 * @sigstruct: a private copy
 * @token: a private copy of a launch token; NULL: whoever signed it
 * @why: the rule that refuses; NULL: nobody asks
 *
 * The processor here is never interrupted within EINIT, so there is no
 * SGX_UNMASKED_EVENT to try again after.
 *
 * Context: encl->lock held.
 * Return: as __einit(); -EIO where the MSRs cannot be written.
 */
int sgx_einit(struct sgx_encl *encl, const struct sgx_sigstruct_arch *sigstruct,
	      const struct sgx_einittoken *token, struct why *why)
{
	static const struct sgx_einittoken no_token; /* VALID is 0 */
	struct sgx_subsystem *sgx = encl->sgx;
	uint64_t hash[4];
	int ret = 0;

	if (token)
		memcpy(hash, sgx->reset_lepubkeyhash, sizeof(hash));
	else
		cpu_sigstruct_mrsigner(sigstruct, (uint8_t *)hash);
	/*
	 * The MSRs are the package's here, not a logical processor's: another
	 * INIT may not write them between ours and our EINIT.
	 */
	pthread_mutex_lock(&sgx->launch_lock);
	/* Locked, they are what they were for ever. */
	if (!token || (sgx->pkg->feature_control & SGX_FEATURE_CONTROL_LC))
		ret = update_lepubkeyhash(sgx->pkg, hash, why);
	if (!ret)
		ret = __einit(sgx->pkg, encl->secs, sigstruct, token ? token : &no_token, why);
	pthread_mutex_unlock(&sgx->launch_lock);
	return ret;
}
