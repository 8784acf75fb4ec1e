/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tracking: each enclave has an epoch, which ETRACK moves on, and each thread
 * inside carries the epoch at its entry.  A thread may have translations in its
 * TLB that are as old as its entry, and an exit flushes them.  So a page that was
 * blocked in epoch n can be used by nobody once an ETRACK has ended that epoch and
 * every thread inside entered after it; nor can one by what EMODPR or EMODT took.
 */
#include "paging.h"

#include <string.h>

#include "crypto/crypto.h"

/* The version is all that makes an IV differ; it never comes twice under a key. */
static void iv_of(uint8_t iv[CRYPTO_GCM_IV_SIZE], uint64_t version)
{
	memset(iv, 0, CRYPTO_GCM_IV_SIZE);
	memcpy(iv + 4, &version, sizeof(version));
}

/**
 * paging_seal() - encrypt a page for ordinary memory
 * @version: fresh from cpu_package.next_version
 * @sealed: 4096 bytes, written as they come
 *
 * Return: 0, or -1 where the host has no memory.
 */
int paging_seal(const struct cpu_package *pkg, const struct paging_header *header, uint64_t version,
		const void *page, void *sealed, uint8_t mac[SGX_KEY_SIZE])
{
	uint8_t iv[CRYPTO_GCM_IV_SIZE];

	iv_of(iv, version);
	return crypto_gcm_seal(pkg->gcm, pkg->paging_key, iv, header, sizeof(*header), page,
			       SGX_PAGE_SIZE, sealed, mac);
}

/**
 * paging_open() - decrypt what paging_seal() made
 * @page: 4096 bytes, garbage unless 0 is returned
 *
 * Return: 0; 1 where the MAC says that something is not what was sealed; -1 where
 * the host has no memory.
 */
int paging_open(const struct cpu_package *pkg, const struct paging_header *header, uint64_t version,
		const void *sealed, void *page, const uint8_t mac[SGX_KEY_SIZE])
{
	uint8_t iv[CRYPTO_GCM_IV_SIZE];

	iv_of(iv, version);
	return crypto_gcm_open(pkg->gcm, pkg->paging_key, iv, header, sizeof(*header), sealed,
			       SGX_PAGE_SIZE, page, mac);
}

/**
 * paging_va_slot() - the version in a valid VA page that is held
 * @addr: 8-byte aligned, in the EPC
 *
 * Return: the slot, to be read and written atomically: leaves share the page.
 */
uint64_t *paging_va_slot(const struct cpu_package *pkg, uint64_t addr)
{
	uint8_t *page = pkg->mem->bytes(pkg->mem_ctx, cpu_epc_slot(pkg, addr));

	return (uint64_t *)(void *)(page + (addr & ~SGX_PAGE_MASK));
}

/**
 * paging_child() - is this a type of page that belongs to a SECS, and is blocked?
 */
bool paging_child(unsigned int pt)
{
	return pt == SGX_PT_REG || pt == SGX_PT_TCS || pt == SGX_PT_TRIM;
}

/**
 * paging_tracked() - has no thread a translation as old as an EBLOCK, EMODPR or EMODT?
 * @then: epcm_entry.blocked_epoch or modified_epoch; fewer than 2^32 epochs ago
 *
 * Context: the SECS is held, or has a child that is.  EWB holds its track_lock shared,
 * as the SDM has it.  EACCEPT runs beside ETRACK: an ETRACK that is under way has
 * ended nothing yet, and what ended before it stays ended.
 */
bool paging_tracked(const struct cpu_package *pkg, epc_slot_t secs, uint32_t then)
{
	uint64_t epoch = __atomic_load_n(&secs_get(pkg, secs)->hidden.epoch, __ATOMIC_ACQUIRE);
	const struct epc_mem_ops *mem = pkg->mem;
	uint32_t since = (uint32_t)epoch - then;

	if (!since)
		return false;
	return !mem->oldest_epoch || mem->oldest_epoch(pkg->mem_ctx, secs) > epoch - since;
}
