/* SPDX-License-Identifier: BSD-3-Clause */
/* Reset, sections, MSRs, CPUID, and what is the same for every leaf. */
#include "cpu_fixture.h"

#include <secs.h>

TEST(package_reset)
{
	uint64_t value;

	fx_init();
	CHECK_DONE(cpu_rdmsr(&fx.pkg, SGX_MSR_FEATURE_CONTROL, &value));
	CHECK_EQ(value,
		 SGX_FEATURE_CONTROL_LOCKED | SGX_FEATURE_CONTROL_ENABLE | SGX_FEATURE_CONTROL_LC);
	/* The reset value is not zero: some key is trusted from the start. */
	CHECK_DONE(cpu_rdmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0, &value));
	CHECK(value != 0);
	CHECK_EQ(fx.pkg.next_eid, 1);
	CHECK_EQ(fx.pkg.report_keyid[0], 4);
	CHECK_EQ(fx.pkg.fuses[0], 1);
}

TEST(epc_addr_and_slot)
{
	fx_init();
	CHECK_EQ(cpu_epc_addr(&fx.pkg, 0), FX_EPC_BASE);
	CHECK_EQ(cpu_epc_addr(&fx.pkg, 15), FX_EPC_BASE + 15 * 4096);
	CHECK_EQ(cpu_epc_addr(&fx.pkg, 16), FX_EPC_BASE2);
	CHECK_EQ(cpu_epc_addr(&fx.pkg, FX_EPC_PAGES), 0);
	for (epc_slot_t slot = 0; slot < FX_EPC_PAGES; slot++) {
		CHECK_EQ(cpu_epc_slot(&fx.pkg, cpu_epc_addr(&fx.pkg, slot)), slot);
		CHECK_EQ(cpu_epc_slot(&fx.pkg, cpu_epc_addr(&fx.pkg, slot) + 4095), slot);
	}
	CHECK_EQ(cpu_epc_slot(&fx.pkg, FX_EPC_BASE - 1), EPC_SLOT_NONE);
	CHECK_EQ(cpu_epc_slot(&fx.pkg, FX_EPC_BASE + 16 * 4096), EPC_SLOT_NONE);
	CHECK_EQ(cpu_epc_slot(&fx.pkg, FX_EPC_BASE2 + 8 * 4096), EPC_SLOT_NONE);
	CHECK_EQ(cpu_epc_slot(&fx.pkg, 0), EPC_SLOT_NONE);
	CHECK_EQ(cpu_epc_slot(&fx.pkg, ~0ull), EPC_SLOT_NONE);
}

TEST(msr_hash_is_writable_with_launch_control)
{
	uint64_t value;

	fx_init();
	for (uint32_t i = 0; i < 4; i++)
		CHECK_DONE(cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + i, 100 + i));
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_DONE(cpu_rdmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + i, &value));
		CHECK_EQ(value, 100 + i);
	}
}

TEST(msr_hash_gp_without_launch_control)
{
	fx_init();
	fx.pkg.feature_control &= ~SGX_FEATURE_CONTROL_LC;
	CHECK_GP(cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0, 1));
	fx.pkg.feature_control = 0; /* not locked yet: firmware may */
	CHECK_DONE(cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0, 1));
	fx.pkg.config.flc = 0;
	CHECK_GP(cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0, 1));
}

TEST(msr_feature_control_is_locked)
{
	uint64_t value;

	fx_init();
	CHECK_GP(cpu_wrmsr(&fx.pkg, SGX_MSR_FEATURE_CONTROL, 0));
	fx.pkg.feature_control = 0;
	CHECK_DONE(cpu_wrmsr(&fx.pkg, SGX_MSR_FEATURE_CONTROL, SGX_FEATURE_CONTROL_LOCKED));
	CHECK_DONE(cpu_rdmsr(&fx.pkg, SGX_MSR_FEATURE_CONTROL, &value));
	CHECK_EQ(value, SGX_FEATURE_CONTROL_LOCKED);
}

TEST(msr_other_gp)
{
	uint64_t value;

	fx_init();
	CHECK_GP(cpu_rdmsr(&fx.pkg, 0x10, &value));
	CHECK_GP(cpu_rdmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + 4, &value));
	CHECK_GP(cpu_rdmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 - 1, &value));
	CHECK_GP(cpu_wrmsr(&fx.pkg, 0x10, 0));
	CHECK_GP(cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + 4, 0));
}

static struct cpu_cpuid cpuid(uint32_t leaf, uint32_t subleaf, uint32_t host)
{
	struct cpu_cpuid regs = {host, host, host, host};

	cpu_cpuid_sgx(&fx.pkg, leaf, subleaf, &regs);
	return regs;
}

/* Firmware locks in one signer: the system reads it, and cannot change it; CPUID is as before. */
TEST(launch_control_locked)
{
	uint64_t value;
	uint8_t hash[32];

	for (unsigned int i = 0; i < sizeof(hash); i++)
		hash[i] = (uint8_t)i;
	fx_init();
	CHECK(cpu_lock_launch(&fx.pkg, hash));
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_GP(cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + i, 1));
		CHECK_DONE(cpu_rdmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + i, &value));
		CHECK_EQ(value, 0x0706050403020100ull + i * 0x0808080808080808ull);
	}
	CHECK_DONE(cpu_rdmsr(&fx.pkg, SGX_MSR_FEATURE_CONTROL, &value));
	CHECK_EQ(value, SGX_FEATURE_CONTROL_LOCKED | SGX_FEATURE_CONTROL_ENABLE);
	CHECK_GP(cpu_wrmsr(&fx.pkg, SGX_MSR_FEATURE_CONTROL, value | SGX_FEATURE_CONTROL_LC));
	CHECK_EQ(cpuid(7, 0, 0).ecx, SGX_CPUID_7_ECX_SGX_LC);
}

TEST(launch_control_locked_to_intel)
{
	uint64_t before[4], after;

	fx_init();
	memcpy(before, fx.pkg.sgxlepubkeyhash, sizeof(before));
	CHECK(cpu_lock_launch(&fx.pkg, NULL));
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_DONE(cpu_rdmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + i, &after));
		CHECK_EQ(after, before[i]);
	}
	/* a processor without the MSRs has Intel's, and no other */
	fx_init();
	fx.pkg.config.flc = 0;
	CHECK(cpu_lock_launch(&fx.pkg, NULL));
	CHECK(!cpu_lock_launch(&fx.pkg, (const uint8_t[32]){1}));
	CHECK_MEM(fx.pkg.sgxlepubkeyhash, before, sizeof(before));
}

/* The one who is locked in launches without a token, everybody else with one. */
TEST(launch_control_locked_einit)
{
	uint8_t hash[32];

	fx_enclave();
	fx_einit();
	cpu_sigstruct_mrsigner(fx.sig, hash);
	CHECK(cpu_lock_launch(&fx.pkg, hash));
	CHECK_DONE(fx_encls(SGX_EINIT));
	fx_enclave();
	fx_einit();
	hash[31] ^= 1;
	CHECK(cpu_lock_launch(&fx.pkg, hash));
	CHECK_CODE(fx_encls(SGX_EINIT), SGX_ERR_INVALID_EINITTOKEN);
}

TEST(cpuid_7)
{
	fx_init();
	CHECK_EQ(cpuid(7, 0, 0).ebx, SGX_CPUID_7_EBX_SGX);
	CHECK_EQ(cpuid(7, 0, 0).ecx, SGX_CPUID_7_ECX_SGX_LC);
	CHECK_EQ(cpuid(7, 0, 0xaaaa0000).ebx, 0xaaaa0000 | SGX_CPUID_7_EBX_SGX);
	CHECK_EQ(cpuid(7, 0, 0x5).eax, 0x5);
	CHECK_EQ(cpuid(7, 0, 0x5).edx, 0x5);
	CHECK_EQ(cpuid(7, 1, 0).ebx, 0);
	fx.pkg.config.flc = 0;
	CHECK_EQ(cpuid(7, 0, ~0u).ecx, ~SGX_CPUID_7_ECX_SGX_LC);
	fx.pkg.feature_control = 0;
	CHECK_EQ(cpuid(7, 0, ~0u).ebx, ~SGX_CPUID_7_EBX_SGX);
}

TEST(cpuid_other_leaves_untouched)
{
	fx_init();
	CHECK_EQ(cpuid(1, 0, 0x1234).ecx, 0x1234);
	CHECK_EQ(cpuid(0x11, 0, 0x1234).eax, 0x1234);
}

TEST(cpuid_12_0_and_1)
{
	fx_init();
	CHECK_EQ(cpuid(0x12, 0, ~0u).eax, SGX_CPUID_12_EAX_SGX1);
	CHECK_EQ(cpuid(0x12, 0, ~0u).ebx, SGX_MISC_EXINFO_BIT);
	CHECK_EQ(cpuid(0x12, 0, ~0u).ecx, 0);
	CHECK_EQ(cpuid(0x12, 0, ~0u).edx, 36 << 8 | 31);
	CHECK_EQ(cpuid(0x12, 1, 0).eax, 0x4b6);
	CHECK_EQ(cpuid(0x12, 1, 0).ebx, 0);
	CHECK_EQ(cpuid(0x12, 1, 0).ecx, 0x602ff);
	CHECK_EQ(cpuid(0x12, 1, 0).edx, 0);
	fx.pkg.config.sgx2 = 1;
	CHECK_EQ(cpuid(0x12, 0, 0).eax, 3);
	fx.pkg.config.edeccssa = 1;
	CHECK_EQ(cpuid(0x12, 0, 0).eax, 0x803);
	fx.pkg.config.sgx2 = 0;
	CHECK_EQ(cpuid(0x12, 0, 0).eax, 0x801);
}

TEST(cpuid_12_sections)
{
	struct cpu_cpuid regs;

	fx_init();
	regs = cpuid(0x12, 2, ~0u);
	CHECK_EQ(regs.eax, 0x80000001);
	CHECK_EQ(regs.ebx, 1);
	CHECK_EQ(regs.ecx, 16 * 4096 | 1);
	CHECK_EQ(regs.edx, 0);
	regs = cpuid(0x12, 3, ~0u);
	CHECK_EQ(regs.eax, 0xc0000001);
	CHECK_EQ(regs.ecx, 8 * 4096 | 1);
	regs = cpuid(0x12, 4, ~0u);
	CHECK_EQ(regs.eax | regs.ebx | regs.ecx | regs.edx, 0);
	/* A section above 4 GiB in size */
	fx.pkg.section[1].pages = 0x300000;
	regs = cpuid(0x12, 3, 0);
	CHECK_EQ(regs.ecx, 1);
	CHECK_EQ(regs.edx, 3);
	fx.pkg.feature_control = 0;
	CHECK_EQ(cpuid(0x12, 2, ~0u).eax, 0);
}

RULE(ENCLS, OFF)
TEST(encls_ud_when_not_enabled)
{
	fx_init();
	fx_ecreate();
	fx.pkg.feature_control = SGX_FEATURE_CONTROL_LOCKED;
	CHECK_UD(fx_encls(SGX_ECREATE));
	fx.pkg.feature_control = SGX_FEATURE_CONTROL_ENABLE;
	CHECK_UD(fx_encls(SGX_ECREATE));
	CHECK_UD(fx_enclu(SGX_EREPORT));
}

RULE(ENCLS, LEAF)
TEST(encls_gp_unknown_leaf)
{
	fx_init();
	for (unsigned int leaf = SGX_ETRACK + 1; leaf < 64; leaf++)
		CHECK_GP(fx_encls(leaf));
	CHECK_GP(fx_encls(~0u));
}

/* Leaves of SGX2, and of what CPUID does not offer either: as if there were none. */
RULE(EAUG, ABSENT)
RULE(EMODPR, ABSENT)
RULE(EMODT, ABSENT)
RULE(ERDINFO, ABSENT)
TEST(encls_leaves_not_there)
{
	static const unsigned int leaves[] = {SGX_EAUG, SGX_EMODPR, SGX_EMODT, SGX_ERDINFO};

	fx_enclave_init();
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		CHECK_GP(fx_encls(leaves[i]));
}

RULE(EACCEPT, ABSENT)
RULE(EMODPE, ABSENT)
RULE(EACCEPTCOPY, ABSENT)
RULE(EDECCSSA, ABSENT)
TEST(enclu_leaves_not_there)
{
	static const unsigned int leaves[] = {SGX_EACCEPT, SGX_EMODPE, SGX_EACCEPTCOPY,
					      SGX_EDECCSSA};

	fx_enclave_init();
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		CHECK_GP(fx_enclu(leaves[i]));
}

RULE(ENCLU, LEAF)
TEST(enclu_gp_unknown_leaf)
{
	fx_enclave_init();
	for (unsigned int leaf = SGX_EENTER; leaf < 64; leaf++)
		CHECK_GP(fx_enclu(leaf));
}

RULE(ENCLU, INSIDE)
TEST(enclu_gp_without_initialised_secs)
{
	fx_enclave();
	CHECK_GP(fx_enclu(SGX_EREPORT));
	fx.encl.secs = FX_REG;
	CHECK_GP(fx_enclu(SGX_EREPORT));
	fx.encl.secs = FX_EPC_PAGES;
	CHECK_GP(fx_enclu(SGX_EREPORT));
}

NO_RULE
TEST(secs_info)
{
	struct cpu_secs_info info;

	fx_enclave_init();
	cpu_secs_info(&fx.pkg, FX_SECS, &info);
	CHECK_EQ(info.eid, 1);
	CHECK_EQ(info.children, 3);
	CHECK_EQ(info.secs.base, FX_ENCL_BASE);
	CHECK(info.secs.attributes.flags & SGX_ATTR_INIT_BIT);
	for (unsigned int i = 0; i < sizeof(info.secs.rsvd4); i++)
		CHECK_EQ(info.secs.rsvd4[i], 0);
}

/* Each of these breaks one invariant by hand; the check must name it. */
static void check_broken(const char *what)
{
	const char *why = NULL;

	CHECK(!cpu_check_invariants(&fx.pkg, &why));
	CHECK(why);
	if (!strstr(why, what))
		FAIL("invariant '%s', wanted '%s'", why, what);
}

TEST(invariant_child_count)
{
	const char *why;

	fx_enclave();
	CHECK(cpu_check_invariants(&fx.pkg, &why));
	secs_get(&fx.pkg, FX_SECS)->hidden.children++;
	check_broken("children");
}

TEST(invariant_lock)
{
	fx_enclave();
	fx.epcm[FX_SLOT].lock = 1;
	check_broken("lock");
}

TEST(invariant_measure_lock)
{
	fx_enclave();
	secs_get(&fx.pkg, FX_SECS)->hidden.measure_lock = -1;
	check_broken("measure_lock");
}

TEST(invariant_orphan)
{
	fx_enclave();
	fx.epcm[FX_SECS].valid = 0;
	check_broken("valid");
}

TEST(invariant_owner)
{
	fx_enclave();
	fx.epcm[FX_REG].secs = FX_EPC_PAGES;
	check_broken("epc_pages");
}

TEST(invariant_address)
{
	fx_enclave();
	fx.epcm[FX_REG].address = FX_ENCL_BASE + FX_ENCL_SIZE;
	check_broken("elrange");
}

TEST(invariant_permissions)
{
	fx_enclave();
	fx.epcm[FX_TCS].rwx = 1;
	check_broken("TCS");
	fx_enclave();
	fx.epcm[FX_REG].rwx = SGX_SECINFO_W_BIT;
	check_broken("W_BIT");
}

TEST(invariant_type)
{
	fx_enclave();
	fx.epcm[FX_REG].pt = SGX_PT_SS_REST;
	check_broken("type");
}

TEST(invariant_attributes)
{
	fx_enclave();
	secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags |= 1ull << 40;
	check_broken("attributes");
}

TEST(invariant_eid)
{
	fx_enclave();
	secs_get(&fx.pkg, FX_SECS)->hidden.eid = 2;
	check_broken("eid");
}

/* With debug_checks a broken package says so, and does nothing any more. */
TEST(broken_package_answers_mc)
{
	struct cpu_result r;

	fx_enclave();
	secs_get(&fx.pkg, FX_SECS)->hidden.children++;
	fx_eadd(FX_SLOT, FX_ENCL_BASE + 0x4000, SGX_PT_REG << SGX_SECINFO_PT_SHIFT);
	fx.regs.rax = SGX_EADD;
	r = cpu_encls(&fx.pkg, &fx.as, &fx.regs);
	CHECK_EQ(r.kind, CPU_FAULT);
	CHECK_EQ(r.vector, CPU_VEC_MC);
	CHECK(fx.pkg.broken);
	secs_get(&fx.pkg, FX_SECS)->hidden.children--;
	fx.regs.rax = SGX_EREMOVE;
	r = cpu_encls(&fx.pkg, &fx.as, &fx.regs);
	CHECK_EQ(r.vector, CPU_VEC_MC);
	r = cpu_enclu(&fx.pkg, &fx.encl, &fx.regs);
	CHECK_EQ(r.vector, CPU_VEC_MC);
}
