/* SPDX-License-Identifier: BSD-3-Clause */
#include <cpu/access.h>

enum epcm_refusal cpu_epcm_access(const struct epcm_entry *entry, const struct epcm_access *access)
{
	struct epcm_entry now = {.state = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE)};

	if (!now.valid)
		return EPCM_INVALID;
	if (now.pt != access->pt)
		return EPCM_TYPE;
	/* No new translation to a page that is about to be evicted. */
	if (now.blocked)
		return EPCM_BLOCKED;
	/* Not before the enclave has accepted what the system did to the page. */
	if (now.pending != access->pending)
		return EPCM_PENDING;
	if (now.modified != access->modified)
		return EPCM_MODIFIED;
	/*
	 * The enclave's own, and at the address that it was made for: whoever has the
	 * page tables cannot swap two pages.
	 */
	if (__atomic_load_n(&entry->secs, __ATOMIC_RELAXED) != access->secs)
		return EPCM_OTHER_SECS;
	if (__atomic_load_n(&entry->address, __ATOMIC_RELAXED) != access->address)
		return EPCM_OTHER_ADDRESS;
	if (access->rwx & ~now.rwx)
		return EPCM_RWX;
	return EPCM_PERMITS;
}
