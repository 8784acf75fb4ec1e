/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcs.h"

#include <base/bits.h>

/**
 * tcs_legal() - may a TCS of an enclave look like this
 * @attributes: the enclave's ATTRIBUTES
 *
 * Reserved bytes and flags are 0; a 32-bit enclave's segments end at page ends.
 * What CET and AEX-Notify use is reserved to enclaves with them.
 * Return: false, with the rule in @why, where not.
 */
bool tcs_legal(const struct sgx_tcs *tcs, uint64_t attributes, struct why *why)
{
	uint64_t flags = SGX_TCS_DBGOPTIN_BIT;

	if (attributes & SGX_ATTR_AEXNOTIFY_BIT)
		flags |= SGX_TCS_AEXNOTIFY_BIT;
	if (tcs->flags & ~flags)
		return why_not(why, WHY_TCS_FLAGS_SET, tcs->flags, flags);
	if (!mem_is_zero(tcs->rsvd, sizeof(tcs->rsvd)))
		return why_not(why, WHY_TCS_RESERVED,
			       offsetof(struct sgx_tcs, rsvd) +
				       mem_first_set(tcs->rsvd, sizeof(tcs->rsvd)),
			       0);
	if (!(attributes & SGX_ATTR_CET_BIT) && (tcs->ocetssa || tcs->prevssp))
		return why_not(why, WHY_TCS_CET, tcs->ocetssa, tcs->prevssp);
	if (!(attributes & SGX_ATTR_MODE64_BIT) &&
	    ((tcs->fslimit & 0xfff) != 0xfff || (tcs->gslimit & 0xfff) != 0xfff))
		return why_not(why, WHY_TCS_LIMIT, tcs->fslimit, tcs->gslimit);
	return true;
}
