/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Launch with flexible launch control: the hash of the signer's key goes to
 * IA32_SGXLEPUBKEYHASH0-3, and EINIT then takes an invalid token.
 */
#include <cpu/sigstruct.h>
#include <string.h>

#include "encl.h"
#include "encls.h"

static int update_lepubkeyhash(struct cpu_package *pkg, const uint8_t mrsigner[SGX_HASH_SIZE])
{
	uint64_t hash[4];

	memcpy(hash, mrsigner, sizeof(hash));
	for (uint32_t i = 0; i < 4; i++)
		if (!cpu_ok(cpu_wrmsr(pkg, SGX_MSR_LEPUBKEYHASH0 + i, hash[i])))
			return -EIO;
	return 0;
}

/**
 * sgx_launch() - EINIT an enclave, whoever signed it
 * @sigstruct: a private copy
 *
 * The processor here is never interrupted within EINIT, so there is no
 * SGX_UNMASKED_EVENT to try again after.
 *
 * Context: encl->lock held.
 * Return: 0; -EPERM for any SGX code; -EIO for a fault.
 */
int sgx_launch(struct sgx_encl *encl, const struct sgx_sigstruct_arch *sigstruct)
{
	static const struct sgx_einittoken token; /* VALID is 0 */
	struct sgx_subsystem *sgx = encl->sgx;
	uint8_t mrsigner[SGX_HASH_SIZE];
	int ret;

	cpu_sigstruct_mrsigner(sigstruct, mrsigner);
	/*
	 * The MSRs are the package's here, not a logical processor's: another
	 * INIT may not write them between ours and our EINIT.
	 */
	pthread_mutex_lock(&sgx->launch_lock);
	ret = update_lepubkeyhash(sgx->pkg, mrsigner);
	if (!ret)
		ret = encls_errno(__einit(sgx->pkg, encl->secs, sigstruct, &token), -EPERM);
	pthread_mutex_unlock(&sgx->launch_lock);
	return ret;
}
