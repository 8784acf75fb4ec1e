/* SPDX-License-Identifier: BSD-3-Clause */
/* virt.c as it is, and what KVM calls of it. */
#include <virt.c>
#include <upstream.h>

int up_virt_ecreate(void *pageinfo, uint64_t secs, int *trapnr)
{
	return sgx_virt_ecreate(pageinfo, (void *)secs, trapnr);
}

int up_virt_einit(const void *sigstruct, const void *token, uint64_t secs, uint64_t *hash,
		  int *trapnr)
{
	return sgx_virt_einit((void *)sigstruct, (void *)token, (void *)secs, (u64 *)hash, trapnr);
}
