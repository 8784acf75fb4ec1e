/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What holds between two leaves.  One pass over the EPCM, without memory of its
 * own: that each SECS counts its children right is compared as a sum, over all
 * SECS, of count times a mix of the slot, which equals the sum of the mixes of
 * the owners that the children name.
 */
#include <cpu/package.h>

#include <base/bits.h>

#include "secs.h"

struct check {
	const struct cpu_package *pkg;
	uint64_t counted; /* sum of children x mix(SECS), as SECS say */
	uint64_t named; /* sum of mix(owner), as children say */
	const char *why;
};

static uint64_t mix(epc_slot_t slot)
{
	uint64_t x = (slot + 1) * 0x9e3779b97f4a7c15ull;

	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
}

/* Note the first rule that does not hold. */
static bool holds(struct check *c, bool rule, const char *why)
{
	if (!rule)
		c->why = why;
	return rule;
}

#define HOLDS(rule) holds(c, (rule), #rule)

static bool check_secs(struct check *c, const struct epcm_entry *entry, epc_slot_t slot)
{
	const union secs_page *secs = secs_get(c->pkg, slot);
	uint64_t flags = secs->arch.attributes.flags;
	const struct cpu_config *config = &c->pkg->config;

	c->counted += secs->hidden.children * mix(slot);
	return HOLDS(entry->secs == EPC_SLOT_NONE) && HOLDS(entry->address == 0) &&
	       HOLDS(entry->rwx == 0) && HOLDS(secs->arch.size >= 2 * SGX_PAGE_SIZE) &&
	       HOLDS(is_pow2(secs->arch.size)) &&
	       HOLDS(is_aligned(secs->arch.base, secs->arch.size)) &&
	       HOLDS(!(flags & ~(config->attributes | SGX_ATTR_INIT_BIT))) &&
	       HOLDS(!(secs->arch.attributes.xfrm & ~config->xfrm)) &&
	       HOLDS(!(secs->arch.miscselect & ~config->miscselect)) &&
	       HOLDS(secs->hidden.eid != 0 && secs->hidden.eid < c->pkg->next_eid) &&
	       HOLDS(secs->hidden.children < c->pkg->epc_pages) &&
	       HOLDS(secs->hidden.measure_lock == 0) && HOLDS(secs->hidden.track_lock == 0) &&
	       HOLDS(!entry->blocked);
}

/* PENDING, MODIFIED, PR: what SGX2's leaves make of a child. */
static bool check_state(struct check *c, const struct epcm_entry *entry)
{
	const bool modified = entry->pt == SGX_PT_TCS || entry->pt == SGX_PT_TRIM;

	if (!HOLDS(entry->pt != SGX_PT_TRIM || entry->rwx == 0))
		return false;
	if (entry->pending)
		return HOLDS(entry->pt == SGX_PT_REG && !entry->modified && !entry->pr) &&
		       HOLDS(entry->rwx == (SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT)) &&
		       HOLDS(!entry->untracked);
	if (entry->modified)
		return HOLDS(modified && !entry->pr);
	return HOLDS(!entry->untracked || entry->pr) && HOLDS(!entry->pr || !modified);
}

static bool check_child(struct check *c, const struct epcm_entry *entry)
{
	const struct cpu_package *pkg = c->pkg;
	const struct epcm_entry *secs;

	if (!HOLDS(entry->secs < pkg->epc_pages))
		return false;
	secs = &pkg->epcm[entry->secs];
	c->named += mix(entry->secs);
	return HOLDS(secs->valid && secs->pt == SGX_PT_SECS) &&
	       HOLDS(is_aligned(entry->address, SGX_PAGE_SIZE)) &&
	       HOLDS(secs_in_elrange(secs_get(pkg, entry->secs), entry->address)) &&
	       HOLDS(entry->pt != SGX_PT_TCS || entry->rwx == 0) &&
	       HOLDS(!(entry->rwx & SGX_SECINFO_W_BIT) || (entry->rwx & SGX_SECINFO_R_BIT)) &&
	       HOLDS(entry->pt != SGX_PT_TRIM || pkg->config.sgx2) && check_state(c, entry);
}

static bool check_entry(struct check *c, epc_slot_t slot)
{
	const struct epcm_entry *entry = &c->pkg->epcm[slot];

	if (!HOLDS(entry->lock == 0 && entry->modify_lock == 0) || !HOLDS(entry->valid <= 1))
		return false;
	if (!entry->valid)
		return true;
	if (!HOLDS(entry->blocked <= 1) ||
	    !HOLDS(c->pkg->config.sgx2 ||
		   (!entry->pending && !entry->modified && !entry->pr && !entry->untracked)))
		return false;
	switch (entry->pt) {
	case SGX_PT_SECS:
		return check_secs(c, entry, slot);
	case SGX_PT_VA:
		return HOLDS(entry->secs == EPC_SLOT_NONE) && HOLDS(entry->rwx == 0) &&
		       HOLDS(!entry->blocked);
	case SGX_PT_TCS:
	case SGX_PT_REG:
	case SGX_PT_TRIM:
		return check_child(c, entry);
	default:
		return holds(c, false, "the page type is one that leaves make");
	}
}

bool cpu_check_invariants(const struct cpu_package *pkg, const char **why)
{
	struct check check = {.pkg = pkg}, *c = &check;

	for (epc_slot_t slot = 0; slot < pkg->epc_pages; slot++)
		if (!check_entry(c, slot))
			goto broken;
	if (holds(c, c->counted == c->named, "a SECS counts as many children as name it"))
		return true;
broken:
	*why = c->why;
	return false;
}
