/* SPDX-License-Identifier: BSD-3-Clause */
#include "operand.h"

#include <base/bits.h>
#include <string.h>

#include "epcm.h"
#include "secs.h"

/**
 * operand_check() - a linear address before it is used
 * @align: power of two
 *
 * Return: CPU_DONE, or #GP(0) where the address is not canonical or not aligned.
 */
struct cpu_result operand_check(uint64_t addr, uint32_t align)
{
	if (!is_canonical(addr) || !is_aligned(addr, align))
		return cpu_gp();
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
		return cpu_pf(addr, 0);
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
struct cpu_result operand_epc(const struct cpu_package *pkg, uint64_t addr, epc_slot_t *slot)
{
	epc_slot_t found = cpu_epc_slot(pkg, addr);

	if (found == EPC_SLOT_NONE)
		return epcm_pf(addr);
	*slot = found;
	return cpu_done();
}

/**
 * operand_epc_aligned() - operand_check(), then operand_epc()
 */
struct cpu_result operand_epc_aligned(const struct cpu_package *pkg, uint64_t addr, uint32_t align,
				      epc_slot_t *slot)
{
	struct cpu_result r = operand_check(addr, align);

	return cpu_ok(r) ? operand_epc(pkg, addr, slot) : r;
}

/* Is this a page that the enclave may use as data, to read or to write? */
static bool enclave_page_ok(const struct epcm_entry *entry, epc_slot_t secs, uint64_t addr,
			    bool write)
{
	unsigned int need = write ? SGX_SECINFO_W_BIT : SGX_SECINFO_R_BIT;

	return entry->valid && !entry->blocked && entry->pt == SGX_PT_REG && entry->secs == secs &&
	       !entry->pending && !entry->modified && entry->address == (addr & SGX_PAGE_MASK) &&
	       (entry->rwx & need);
}

/**
 * operand_enclave() - an operand of ENCLU, in the enclave's own memory
 * @align: at least the operand's size, so that it lies within one page
 * @write: the leaf writes to it
 *
 * #GP(0) where it is not aligned or not in ELRANGE; #PF where no EPC page is
 * mapped, or where its EPCM entry says invalid, BLOCKED, not PT_REG, another
 * enclave's, PENDING, MODIFIED, another address, or no R (W to write).
 *
 * The SDM lets ENCLU run beside other leaves on the page.  Here the entry is
 * held shared, so that the bytes stay; a page that another leaf is taking away
 * counts as gone already.
 * Return: CPU_DONE with @operand to be put, or the fault.
 */
struct cpu_result operand_enclave(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				  uint64_t addr, uint32_t align, bool write,
				  struct enclave_operand *operand)
{
	uint32_t access = SGX_PF_U | (write ? SGX_PF_W : 0);
	struct cpu_result r = operand_check(addr, align);
	struct epcm_entry *entry;
	epc_slot_t slot;

	if (!cpu_ok(r))
		return r;
	if (!secs_in_elrange(secs_get(pkg, encl->secs), addr))
		return cpu_gp();
	slot = encl->slot(encl->ctx, addr & SGX_PAGE_MASK);
	if (slot == EPC_SLOT_NONE)
		return cpu_pf(addr, access);
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_pf(addr, access | SGX_PF_P | SGX_PF_SGX);
	if (!enclave_page_ok(entry, encl->secs, addr, write)) {
		epcm_unlock_shared(&entry->lock);
		return cpu_pf(addr, access | SGX_PF_P | SGX_PF_SGX);
	}
	operand->entry = entry;
	operand->bytes = pkg->mem->bytes(pkg->mem_ctx, slot) + (addr & ~SGX_PAGE_MASK);
	return cpu_done();
}

/**
 * operand_put() - let go of an operand
 */
void operand_put(struct enclave_operand *operand)
{
	epcm_unlock_shared(&operand->entry->lock);
}
