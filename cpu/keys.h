/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The key hierarchy: every key is a CMAC over a block of what it depends on,
 * keyed from the package's fuses.
 */
#ifndef CPU_KEYS_H
#define CPU_KEYS_H

#include <cpu/package.h>

/*
 * The SDM's KEY_DEPENDENCIES, in an order of our own; what a key does not depend on is
 * 0.  PADDING is left out: the signature's has only one value that EINIT lets pass, so
 * that it tells no two enclaves apart.
 */
struct key_dependencies {
	uint16_t keyname; /* enum sgx_keyname */
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint16_t configsvn;
	uint16_t keypolicy;
	uint8_t cet_attributes;
	uint8_t cet_attributes_mask;
	uint32_t miscmask;
	uint32_t miscselect;
	uint32_t rsvd;
	uint8_t cpusvn[SGX_CPUSVN_SIZE];
	uint8_t isvfamilyid[16];
	uint8_t isvextprodid[16];
	struct sgx_attributes attributes;
	struct sgx_attributes attributemask;
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t mrsigner[SGX_HASH_SIZE];
	uint8_t configid[64];
	uint8_t keyid[32];
	uint8_t owner_epoch[16]; /* CR_SGXOWNEREPOCH */
	uint8_t seal_fuses[16]; /* CR_SEAL_FUSES */
};
_Static_assert(sizeof(struct key_dependencies) == 296, "no padding: all of it is hashed");

/* What of the processor goes into a key; keys_platform() */
#define KEYS_OWNER_EPOCH (1u << 0)
#define KEYS_SEAL_FUSES	 (1u << 1)
void keys_platform(const struct cpu_package *pkg, unsigned int which, struct key_dependencies *dep);

void keys_derive(const struct cpu_package *pkg, const struct key_dependencies *dep,
		 uint8_t key[SGX_KEY_SIZE]);
void keys_report(const struct cpu_package *pkg, const struct sgx_targetinfo *target,
		 const uint8_t keyid[32], uint8_t key[SGX_KEY_SIZE]);
void keys_launch(const struct cpu_package *pkg, const struct sgx_einittoken *token,
		 uint8_t key[SGX_KEY_SIZE]);
void keys_paging(struct cpu_package *pkg, const uint8_t boot_random[32]);
void keys_cmac(const uint8_t key[SGX_KEY_SIZE], const void *data, size_t size,
	       uint8_t mac[SGX_KEY_SIZE]);
bool keys_cpusvn_beyond(const struct cpu_package *pkg, const uint8_t cpusvn[SGX_CPUSVN_SIZE]);

#endif
