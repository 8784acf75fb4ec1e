/* SPDX-License-Identifier: BSD-3-Clause */
#include "keys.h"

#include <string.h>

#include "crypto/crypto.h"

/*
 * All that goes under the CMAC.  The label makes sure that no key of ours can
 * ever be one of Intel's.
 */
struct key_block {
	char label[32];
	struct key_dependencies dep;
};
_Static_assert(sizeof(struct key_block) == 328, "no padding: all of it is hashed");

/**
 * keys_platform() - put what is the processor's into a key's dependencies
 * @which: KEYS_OWNER_EPOCH, KEYS_SEAL_FUSES, both or none
 *
 * The fuses' second half is CR_SEAL_FUSES.  A provisioning key has neither, so that
 * whoever certifies platforms can compute it from the first half alone, and a change of
 * owner does not change it.
 */
void keys_platform(const struct cpu_package *pkg, unsigned int which, struct key_dependencies *dep)
{
	if (which & KEYS_OWNER_EPOCH)
		memcpy(dep->owner_epoch, pkg->owner_epoch, sizeof(dep->owner_epoch));
	if (which & KEYS_SEAL_FUSES)
		memcpy(dep->seal_fuses, pkg->fuses + 16, sizeof(dep->seal_fuses));
}

/**
 * keys_derive() - the SDM's derivekey(): CMAC over the dependencies
 *
 * The fuses' first half is the key of the CMAC.
 */
void keys_derive(const struct cpu_package *pkg, const struct key_dependencies *dep,
		 uint8_t key[SGX_KEY_SIZE])
{
	struct key_block block = {.label = "swsgx key, not Intel SGX's"};

	block.dep = *dep;
	crypto_cmac(pkg->fuses, &block, sizeof(block), key);
}

/**
 * keys_report() - the key under which a report for @target has its MAC
 * @target: who may check it; only MEASUREMENT, ATTRIBUTES, MISCSELECT, CONFIGID,
 *	CONFIGSVN and the CET attributes count
 */
void keys_report(const struct cpu_package *pkg, const struct sgx_targetinfo *target,
		 const uint8_t keyid[32], uint8_t key[SGX_KEY_SIZE])
{
	struct key_dependencies dep = {
		.keyname = SGX_KEYNAME_REPORT,
		.attributes = target->attributes,
		.cet_attributes = target->cet_attributes,
		.miscselect = target->miscselect,
		.configsvn = target->configsvn,
	};

	memcpy(dep.mrenclave, target->measurement, sizeof(dep.mrenclave));
	memcpy(dep.configid, target->configid, sizeof(dep.configid));
	memcpy(dep.cpusvn, pkg->cpusvn, sizeof(dep.cpusvn));
	memcpy(dep.keyid, keyid, sizeof(dep.keyid));
	keys_platform(pkg, KEYS_OWNER_EPOCH | KEYS_SEAL_FUSES, &dep);
	keys_derive(pkg, &dep, key);
}

/**
 * keys_launch() - the EINITTOKEN key, of the launch enclave that made @token
 *
 * Its MRSIGNER is IA32_SGXLEPUBKEYHASH, as no other enclave gets this key.
 */
void keys_launch(const struct cpu_package *pkg, const struct sgx_einittoken *token,
		 uint8_t key[SGX_KEY_SIZE])
{
	struct key_dependencies dep = {
		.keyname = SGX_KEYNAME_EINITTOKEN,
		.isvprodid = token->isvprodidle,
		.isvsvn = token->isvsvnle,
		.attributes = token->maskedattributesle,
		.miscselect = token->maskedmiscselectle,
	};

	memcpy(dep.mrsigner, pkg->sgxlepubkeyhash, sizeof(dep.mrsigner));
	memcpy(dep.cpusvn, token->cpusvnle, sizeof(dep.cpusvn));
	memcpy(dep.keyid, token->keyid, sizeof(dep.keyid));
	keys_platform(pkg, KEYS_OWNER_EPOCH | KEYS_SEAL_FUSES, &dep);
	keys_derive(pkg, &dep, key);
}

/**
 * keys_paging() - CR_BASE_PK, the key of EWB, for this boot
 *
 * @boot_random can be read from any report (KEYID): what keeps the key secret are
 * the fuses, and what makes it new is @boot_random.
 */
void keys_paging(struct cpu_package *pkg, const uint8_t boot_random[32])
{
	struct {
		char label[32];
		uint8_t boot_random[32];
		uint8_t seal_fuses[16];
	} block = {.label = "swsgx paging key"};

	memcpy(block.boot_random, boot_random, sizeof(block.boot_random));
	memcpy(block.seal_fuses, pkg->fuses + 16, sizeof(block.seal_fuses));
	crypto_cmac(pkg->fuses, &block, sizeof(block), pkg->paging_key);
}

/**
 * keys_cmac() - AES-128-CMAC
 */
void keys_cmac(const uint8_t key[SGX_KEY_SIZE], const void *data, size_t size,
	       uint8_t mac[SGX_KEY_SIZE])
{
	crypto_cmac(key, data, size, mac);
}

/**
 * keys_cpusvn_beyond() - is a CPUSVN newer than this processor in any component?
 */
bool keys_cpusvn_beyond(const struct cpu_package *pkg, const uint8_t cpusvn[SGX_CPUSVN_SIZE])
{
	for (unsigned int i = 0; i < SGX_CPUSVN_SIZE; i++)
		if (cpusvn[i] > pkg->cpusvn[i])
			return true;
	return false;
}
