/* SPDX-License-Identifier: BSD-3-Clause */
#include "operand.h"

#include <base/bits.h>
#include <cpu/access.h>
#include <string.h>

#include "epcm.h"
#include "secs.h"

/**
 * operand_check() - a linear address before it is used
 * @align: power of two
 *
 * Return: CPU_DONE, or #GP(0) where the address is not canonical or not aligned.
 */
struct cpu_result operand_check(const struct cpu_as *as, uint64_t addr, uint32_t align)
{
	if (!is_canonical(addr) || !is_aligned(addr, align))
		return cpu_gp_why(as->why, WHY_OPERAND_ADDR, addr, align);
	return cpu_done();
}

/**
 * operand_map() - ordinary memory to be read in place
 * @addr: checked; @size bytes from it are in one page
 *
 * The memory may change while it is read: only for bytes that nothing is
 * decided on.
 * Return: CPU_DONE with @mem set, or #PF(@addr).
 */
struct cpu_result operand_map(const struct cpu_as *as, uint64_t addr, uint32_t size,
			      const void **mem)
{
	const void *at = as->map(as->ctx, addr, size, false);

	if (!at)
		return cpu_pf_why(as->why, WHY_OPERAND_MAP, addr, size, addr, 0);
	*mem = at;
	return cpu_done();
}

/**
 * operand_read() - copy a structure from ordinary memory
 *
 * Leaves check and use this one copy, so that another thread that writes to the
 * structure meanwhile cannot have one value checked and another one used.
 * Return: CPU_DONE, or #PF(@addr).
 */
struct cpu_result operand_read(const struct cpu_as *as, uint64_t addr, void *copy, uint32_t size)
{
	const void *mem;
	struct cpu_result r = operand_map(as, addr, size, &mem);

	if (cpu_ok(r))
		memcpy(copy, mem, size);
	return r;
}

/**
 * operand_epc() - the EPC page around an address
 *
 * Return: CPU_DONE with @slot set, or #PF(@addr) where it is not in the EPC.
 */
struct cpu_result operand_epc(const struct cpu_package *pkg, const struct cpu_as *as, uint64_t addr,
			      epc_slot_t *slot)
{
	epc_slot_t found = cpu_epc_slot(pkg, addr);

	if (found == EPC_SLOT_NONE)
		return epcm_pf_why(as->why, WHY_OPERAND_EPC, addr);
	*slot = found;
	return cpu_done();
}

/**
 * operand_epc_aligned() - operand_check(), then operand_epc()
 */
struct cpu_result operand_epc_aligned(const struct cpu_package *pkg, const struct cpu_as *as,
				      uint64_t addr, uint32_t align, epc_slot_t *slot)
{
	struct cpu_result r = operand_check(as, addr, align);

	return cpu_ok(r) ? operand_epc(pkg, as, addr, slot) : r;
}

/**
 * operand_secinfo_legal() - is nothing reserved set in a SECINFO
 *
 * Of FLAGS, all but R, W, X, PENDING, MODIFIED, PR and the type; and the bytes
 * behind them.
 * Return: false, with the rule in @why, where something is.
 */
bool operand_secinfo_legal(const struct sgx_secinfo_arch *secinfo, struct why *why)
{
	if ((secinfo->flags & SGX_SECINFO_RSVD_BITS) ||
	    !mem_is_zero(secinfo->rsvd, sizeof(secinfo->rsvd)))
		return why_not(why, WHY_SECINFO_RESERVED, secinfo->flags, SGX_SECINFO_RSVD_BITS);
	return true;
}

/**
 * operand_entry_word() - an EPCM entry as struct why has it
 *
 * Return: type, permissions, states, VALID and BLOCKED.
 */
uint64_t operand_entry_word(const struct epcm_entry *entry)
{
	const struct epcm_entry now = epcm_read(entry);

	return epcm_secinfo(&now) | (now.valid ? WHY_EPCM_VALID_BIT : 0) |
	       (now.blocked ? WHY_EPCM_BLOCKED_BIT : 0);
}

/* The SDM's alignments: at least the operand's size, so that it lies within one page. */
static uint32_t operand_align(enum enclu_operand which)
{
	switch (which) {
	case OPERAND_OUTPUTDATA:
		return SGX_KEY_SIZE;
	case OPERAND_SECINFO:
		return sizeof(struct sgx_secinfo_arch);
	case OPERAND_REPORTDATA:
		return 128;
	case OPERAND_EPCPAGE:
	case OPERAND_DESTINATION:
	case OPERAND_SOURCE:
		return SGX_PAGE_SIZE;
	default:
		return 512;
	}
}

static bool is_written(enum enclu_operand which)
{
	return which == OPERAND_OUTPUTDATA || which == OPERAND_REPORT ||
	       which == OPERAND_DESTINATION;
}

/**
 * operand_pf() - error code of the #PF where the EPCM refuses an operand
 */
uint32_t operand_pf(enum enclu_operand which)
{
	return SGX_PF_P | SGX_PF_U | SGX_PF_SGX | (is_written(which) ? SGX_PF_W : 0);
}

/**
 * operand_linear() - the address of an operand of ENCLU, by itself
 * @which: says alignment
 *
 * Return: CPU_DONE; #GP(0) where it is not canonical, not aligned or not in ELRANGE.
 */
struct cpu_result operand_linear(const struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				 enum enclu_operand which, uint64_t addr)
{
	const union secs_page *secs = secs_get(pkg, encl->secs);
	uint32_t align = operand_align(which);
	struct why *why = encl->why;

	if (why)
		why->at = which;
	if (!is_canonical(addr) || !is_aligned(addr, align))
		return cpu_gp_why(why, WHY_ENCLU_OPERAND_ADDR, addr, align);
	if (!secs_in_elrange(secs, addr))
		return cpu_gp_why(why, WHY_ENCLU_OPERAND_RANGE, addr, secs->arch.base);
	return cpu_done();
}

/**
 * operand_slot() - the EPC page that the page tables have for an operand
 * @addr: checked by operand_linear()
 *
 * Return: CPU_DONE with @slot set; #PF without the SGX bit where there is none.
 */
struct cpu_result operand_slot(const struct cpu_enclave_as *encl, enum enclu_operand which,
			       uint64_t addr, epc_slot_t *slot)
{
	epc_slot_t found = encl->slot(encl->ctx, addr & SGX_PAGE_MASK);

	if (encl->why)
		encl->why->at = which;
	if (found == EPC_SLOT_NONE)
		return cpu_pf_why(encl->why, WHY_ENCLU_OPERAND_ABSENT, addr, 0, addr,
				  operand_pf(which) & ~(SGX_PF_P | SGX_PF_SGX));
	*slot = found;
	return cpu_done();
}

/**
 * operand_hold() - an operand that is read or written as the enclave's data
 * @slot: from operand_slot()
 *
 * The SDM lets ENCLU run beside other leaves on the page.  Here the entry is
 * held shared, so that the bytes stay; a page that another leaf is taking away
 * counts as gone already.
 * Return: CPU_DONE with @operand to be put; #PF where the EPCM refuses.
 */
struct cpu_result operand_hold(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
			       enum enclu_operand which, uint64_t addr, epc_slot_t slot,
			       struct enclave_operand *operand)
{
	const struct epcm_access need = {
		.secs = encl->secs,
		.address = addr & SGX_PAGE_MASK,
		.pt = SGX_PT_REG,
		.rwx = is_written(which) ? SGX_SECINFO_W_BIT : SGX_SECINFO_R_BIT,
	};
	struct epcm_entry *entry = epcm_get(pkg, slot);
	uint32_t access = operand_pf(which);

	if (encl->why)
		encl->why->at = which;
	if (!epcm_lock_shared(&entry->lock))
		return cpu_pf_why(encl->why, WHY_ENCLU_OPERAND_EPCM, addr, 0, addr, access);
	if (cpu_epcm_access(entry, &need) != EPCM_PERMITS) {
		why_note(encl->why, WHY_ENCLU_OPERAND_EPCM, addr, operand_entry_word(entry));
		epcm_unlock_shared(&entry->lock);
		return cpu_pf(addr, access);
	}
	operand->entry = entry;
	operand->bytes = pkg->mem->bytes(pkg->mem_ctx, slot) + (addr & ~SGX_PAGE_MASK);
	return cpu_done();
}

/**
 * operand_enclave() - an operand of ENCLU, in the enclave's own memory
 * @which: says alignment, and whether the leaf writes to it
 *
 * Return: CPU_DONE with @operand to be put, or the fault: operand_linear()'s,
 * operand_slot()'s, operand_hold()'s.
 */
struct cpu_result operand_enclave(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				  enum enclu_operand which, uint64_t addr,
				  struct enclave_operand *operand)
{
	struct cpu_result r = operand_linear(pkg, encl, which, addr);
	epc_slot_t slot;

	if (cpu_ok(r))
		r = operand_slot(encl, which, addr, &slot);
	return cpu_ok(r) ? operand_hold(pkg, encl, which, addr, slot, operand) : r;
}

/**
 * operand_put() - let go of an operand
 */
void operand_put(struct enclave_operand *operand)
{
	epcm_unlock_shared(&operand->entry->lock);
}
