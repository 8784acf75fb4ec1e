/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/sgx_provision: who may open it may let an enclave have the provisioning key. */
#include "encl.h"
#include "encls.h"

/**
 * sgx_set_attribute() - allow an attribute to whoever holds its descriptor
 * @allowed_attributes: of an enclave
 * @why: the rule that refuses; NULL: nobody asks
 *
 * Return: 0; -EINVAL where the descriptor is none, or another file's.
 */
int sgx_set_attribute(struct sgx_call *call, const struct sgx_host_ops *ops,
		      uint64_t *allowed_attributes, int attribute_fd, struct why *why)
{
	if (!ops->is_provision_fd(call, attribute_fd))
		return why_ret(why, -EINVAL, WHY_PROVISION_FD, (uint32_t)attribute_fd, 0);
	*allowed_attributes |= SGX_ATTR_PROVISION_KEY_BIT;
	return 0;
}
