/* SPDX-License-Identifier: BSD-3-Clause */
#include <cpu/leaf.h>
#include <cpu/package.h>

#include <string.h>

#include "crypto/crypto.h"
#include "epcm.h"
#include "keys.h"
#include "secs.h"

/* Reset value of IA32_SGXLEPUBKEYHASH0-3: the hash of Intel's launch key. */
static const uint64_t reset_lepubkeyhash[4] = {
	0xa6053e051270b7acull,
	0x6cfbe8ba8b3b413dull,
	0xc4916d99f2b3735dull,
	0xd4f8c05909f9bb3bull,
};

void cpu_package_init(struct cpu_package *pkg, const struct cpu_config *config,
		      const uint8_t *fuses, const uint8_t *boot_random)
{
	pkg->config = *config;
	/* INIT is EINIT's to set. */
	pkg->config.attributes &= ~SGX_ATTR_INIT_BIT;
	memcpy(pkg->fuses, fuses, sizeof(pkg->fuses));
	memcpy(pkg->sgxlepubkeyhash, reset_lepubkeyhash, sizeof(pkg->sgxlepubkeyhash));
	pkg->feature_control = SGX_FEATURE_CONTROL_LOCKED | SGX_FEATURE_CONTROL_ENABLE;
	if (config->flc)
		pkg->feature_control |= SGX_FEATURE_CONTROL_LC;
	cpu_power_loss(pkg, boot_random);
	pkg->gcm = crypto_gcm_new();
	pkg->next_version = 1;
	pkg->next_eid = 1;
	pkg->broken = NULL;
}

bool cpu_lock_launch(struct cpu_package *pkg, const uint8_t *hash)
{
	pkg->feature_control &= ~(uint64_t)SGX_FEATURE_CONTROL_LC;
	if (!hash)
		return true;
	if (!pkg->config.flc)
		return false;
	memcpy(pkg->sgxlepubkeyhash, hash, sizeof(pkg->sgxlepubkeyhash));
	return true;
}

void cpu_package_exit(struct cpu_package *pkg)
{
	crypto_gcm_free(pkg->gcm);
	pkg->gcm = NULL;
}

void cpu_epc_lose(struct cpu_package *pkg, epc_slot_t slot)
{
	struct epcm_entry *entry = epcm_get(pkg, slot);

	while (!epcm_lock_exclusive(&entry->lock))
		__builtin_ia32_pause();
	if (entry->valid)
		epcm_remove(pkg, entry, slot);
	epcm_unlock_exclusive(&entry->lock);
}

void cpu_power_loss(struct cpu_package *pkg, const uint8_t *random)
{
	memcpy(pkg->report_keyid, random, sizeof(pkg->report_keyid));
	keys_paging(pkg, random);
}

/**
 * cpu_epc_addr() - the kernel-linear address of an EPC page
 *
 * Return: the address, 0 for a slot that is in no section.
 */
uint64_t cpu_epc_addr(const struct cpu_package *pkg, epc_slot_t slot)
{
	for (uint32_t i = 0; i < pkg->section_count; i++) {
		const struct epc_section *s = &pkg->section[i];

		if (slot - s->first < s->pages)
			return s->base + (uint64_t)(slot - s->first) * SGX_PAGE_SIZE;
	}
	return 0;
}

/**
 * cpu_epc_slot() - the EPC page around a kernel-linear address
 *
 * Return: the slot, EPC_SLOT_NONE where the address is not in the EPC.
 */
epc_slot_t cpu_epc_slot(const struct cpu_package *pkg, uint64_t addr)
{
	for (uint32_t i = 0; i < pkg->section_count; i++) {
		const struct epc_section *s = &pkg->section[i];
		uint64_t page = (addr - s->base) >> SGX_PAGE_SHIFT;

		if (addr >= s->base && page < s->pages)
			return s->first + (epc_slot_t)page;
	}
	return EPC_SLOT_NONE;
}

struct cpu_result cpu_rdmsr(const struct cpu_package *pkg, uint32_t msr, uint64_t *value)
{
	if (msr == SGX_MSR_FEATURE_CONTROL)
		*value = pkg->feature_control;
	else if (msr - SGX_MSR_LEPUBKEYHASH0 < 4)
		*value = pkg->sgxlepubkeyhash[msr - SGX_MSR_LEPUBKEYHASH0];
	else
		return cpu_gp();
	return cpu_done();
}

struct cpu_result cpu_wrmsr(struct cpu_package *pkg, uint32_t msr, uint64_t value)
{
	if (msr == SGX_MSR_FEATURE_CONTROL) {
		/* Once locked, it stays as it is until the next reset. */
		if (pkg->feature_control & SGX_FEATURE_CONTROL_LOCKED)
			return cpu_gp();
		pkg->feature_control = value;
		return cpu_done();
	}
	if (msr - SGX_MSR_LEPUBKEYHASH0 < 4) {
		/* There with SGX_LC only; after the lock, writable if it says so. */
		if (!pkg->config.flc || ((pkg->feature_control & SGX_FEATURE_CONTROL_LOCKED) &&
					 !(pkg->feature_control & SGX_FEATURE_CONTROL_LC)))
			return cpu_gp();
		pkg->sgxlepubkeyhash[msr - SGX_MSR_LEPUBKEYHASH0] = value;
		return cpu_done();
	}
	return cpu_gp();
}

static bool sgx_enabled(const struct cpu_package *pkg)
{
	uint64_t need = SGX_FEATURE_CONTROL_LOCKED | SGX_FEATURE_CONTROL_ENABLE;

	return (pkg->feature_control & need) == need;
}

static void cpuid_features(const struct cpu_package *pkg, struct cpu_cpuid *regs)
{
	regs->ebx &= ~SGX_CPUID_7_EBX_SGX;
	regs->ecx &= ~SGX_CPUID_7_ECX_SGX_LC;
	if (!sgx_enabled(pkg))
		return;
	regs->ebx |= SGX_CPUID_7_EBX_SGX;
	if (pkg->config.flc)
		regs->ecx |= SGX_CPUID_7_ECX_SGX_LC;
}

/* Sub-leaf 2 and up: type 1, an EPC section with confidentiality and integrity. */
static void cpuid_section(const struct epc_section *section, struct cpu_cpuid *regs)
{
	uint64_t size = (uint64_t)section->pages * SGX_PAGE_SIZE;

	regs->eax = (uint32_t)(section->base & 0xfffff000u) | SGX_CPUID_12_EPC_VALID;
	regs->ebx = (uint32_t)(section->base >> 32) & 0xfffffu;
	regs->ecx = (uint32_t)(size & 0xfffff000u) | 1u;
	regs->edx = (uint32_t)(size >> 32) & 0xfffffu;
}

void cpu_cpuid_sgx(const struct cpu_package *pkg, uint32_t leaf, uint32_t subleaf,
		   struct cpu_cpuid *regs)
{
	const struct cpu_config *config = &pkg->config;

	if (leaf == SGX_CPUID_FEATURES && subleaf == 0)
		cpuid_features(pkg, regs);
	if (leaf != SGX_CPUID_LEAF)
		return;

	memset(regs, 0, sizeof(*regs));
	if (!sgx_enabled(pkg))
		return;
	switch (subleaf) {
	case 0:
		regs->eax = SGX_CPUID_12_EAX_SGX1;
		if (config->sgx2)
			regs->eax |= SGX_CPUID_12_EAX_SGX2;
		if (config->oversub)
			regs->eax |= SGX_CPUID_12_EAX_OVERSUB;
		if (config->edeccssa)
			regs->eax |= SGX_CPUID_12_EAX_EDECCSSA;
		regs->ebx = config->miscselect;
		regs->edx = config->max_size_32 | (uint32_t)config->max_size_64 << 8;
		break;
	case 1:
		regs->eax = (uint32_t)config->attributes;
		regs->ebx = (uint32_t)(config->attributes >> 32);
		regs->ecx = (uint32_t)config->xfrm;
		regs->edx = (uint32_t)(config->xfrm >> 32);
		break;
	default:
		if (subleaf - SGX_CPUID_12_EPC_SUBLEAF < pkg->section_count)
			cpuid_section(&pkg->section[subleaf - SGX_CPUID_12_EPC_SUBLEAF], regs);
		break;
	}
}

uint64_t cpu_ssa_size(const struct cpu_config *config, uint64_t xfrm, uint32_t miscselect)
{
	uint64_t size = 512 + 64; /* the legacy area and the XSAVE header */

	for (int i = 2; i < 64; i++) {
		uint64_t end = (uint64_t)config->xsave_offset[i] + config->xsave_size[i];

		if ((xfrm >> i & 1) && end > size)
			size = end;
	}
	size += sizeof(struct sgx_gprsgx);
	if (miscselect & SGX_MISC_EXINFO_BIT)
		size += sizeof(struct sgx_exinfo);
	return size;
}

void cpu_secs_info(const struct cpu_package *pkg, epc_slot_t slot, struct cpu_secs_info *info)
{
	const union secs_page *secs = secs_get(pkg, slot);

	info->eid = secs->hidden.eid;
	info->children = __atomic_load_n(&secs->hidden.children, __ATOMIC_RELAXED);
	memcpy(&info->secs, &secs->arch, offsetof(struct sgx_secs, rsvd4));
	memset(info->secs.rsvd4, 0, sizeof(info->secs.rsvd4));
}
