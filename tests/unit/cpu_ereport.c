/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLU[EREPORT]: one case for each fault of each operand, and the report. */
#include "cpu_fixture.h"

#include <keys.h>
#include <secs.h>

#define TARGET (FX_RO_ADDR + 0x000)
#define DATA   (FX_ENCL_BASE + 0x4400) /* in FX_SLOT */
#define REPORT (FX_REG_ADDR + 0x200)

#define PF_R   (SGX_PF_U)
#define PF_W   (SGX_PF_U | SGX_PF_W)
#define EPCM   (SGX_PF_P | SGX_PF_SGX)

static void setup(void)
{
	fx_enclave();
	fx_add(FX_SLOT, FX_ENCL_BASE + 0x4000,
	       SGX_PT_REG << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT);
	fx_einit();
	fx_authorise();
	CHECK_DONE(fx_encls(SGX_EINIT));
	fx.regs = (struct cpu_regs){.rbx = TARGET, .rcx = DATA, .rdx = REPORT};
}

/*
 * The operand @reg, at @addr in page @slot, is refused for the same reasons
 * whichever it is.
 */
#define OPERAND_CASES(name, U, reg, at, in_slot, align, access)                                   \
	RULE(EREPORT, U##_ADDR)                                                                   \
	TEST(ereport_##name##_unaligned)                                                          \
	{                                                                                         \
		setup();                                                                          \
		fx.regs.reg += (align) / 2;                                                       \
		CHECK_GP(fx_enclu(SGX_EREPORT));                                                  \
	}                                                                                         \
	RULE(EREPORT, U##_RANGE)                                                                  \
	TEST(ereport_##name##_outside_elrange)                                                    \
	{                                                                                         \
		setup();                                                                          \
		fx.regs.reg = FX_ENCL_BASE - 4096;                                                \
		CHECK_GP(fx_enclu(SGX_EREPORT));                                                  \
		fx.regs.reg = FX_ENCL_BASE + FX_ENCL_SIZE;                                        \
		CHECK_GP(fx_enclu(SGX_EREPORT));                                                  \
	}                                                                                         \
	RULE(EREPORT, U##_ADDR)                                                                   \
	TEST(ereport_##name##_not_canonical)                                                      \
	{                                                                                         \
		setup();                                                                          \
		fx.regs.reg |= 1ull << 63;                                                        \
		CHECK_GP(fx_enclu(SGX_EREPORT));                                                  \
	}                                                                                         \
	RULE(EREPORT, U##_ABSENT)                                                                 \
	TEST(ereport_##name##_absent)                                                             \
	{                                                                                         \
		setup();                                                                          \
		fx.regs.reg = FX_ENCL_BASE + 0x8000;                                              \
		CHECK_PF(fx_enclu(SGX_EREPORT), FX_ENCL_BASE + 0x8000, access);                   \
	}                                                                                         \
	RULE(EREPORT, U##_EPCM)                                                                   \
	OPERAND_EPCM(name, invalid, at, access, move_away(in_slot))                               \
	OPERAND_EPCM(name, blocked, at, access, fx.epcm[in_slot].blocked = 1)                     \
	OPERAND_EPCM(name, type, at, access, fx.epcm[in_slot].pt = SGX_PT_TCS;                    \
		     fx.epcm[in_slot].rwx = 0)                                                    \
	OPERAND_EPCM(name, pending, at, access, fx_by_hand(); fx.epcm[in_slot].pending = 1)       \
	OPERAND_EPCM(name, modified, at, access, fx_by_hand(); fx.epcm[in_slot].modified = 1)     \
	OPERAND_EPCM(name, address, at, access, fx.epcm[in_slot].address = FX_ENCL_BASE + 0x9000) \
	OPERAND_EPCM(name, permission, at, access, fx.epcm[in_slot].rwx = SGX_SECINFO_X_BIT)      \
	OPERAND_EPCM(name, locked, at, access, fx.epcm[in_slot].lock = -1)                        \
	OPERAND_EPCM(name, other_enclave, at, access, fx_other_enclave(in_slot))

#define OPERAND_EPCM(name, why, at, access, change)                   \
	TEST(ereport_##name##_##why)                                  \
	{                                                             \
		setup();                                              \
		change;                                               \
		CHECK_PF(fx_enclu(SGX_EREPORT), at, (access) | EPCM); \
	}

/* The page is gone from the EPCM while the address still leads to its slot. */
static void move_away(epc_slot_t slot)
{
	struct cpu_regs regs = fx.regs;

	fx.regs.rcx = fx_epc(slot);
	CHECK_DONE(fx_encls(SGX_EREMOVE));
	fx.regs = regs;
}

OPERAND_CASES(targetinfo, TARGETINFO, rbx, TARGET, FX_RO, 512, PF_R)
OPERAND_CASES(reportdata, REPORTDATA, rcx, DATA, FX_SLOT, 128, PF_R)
OPERAND_CASES(output, OUTPUT, rdx, REPORT, FX_REG, 512, PF_W)

/* Of a page that may be read, but not written to */
RULE(EREPORT, OUTPUT_EPCM)
TEST(ereport_output_read_only)
{
	setup();
	fx.regs.rdx = FX_RO_ADDR;
	CHECK_PF(fx_enclu(SGX_EREPORT), FX_RO_ADDR, PF_W | EPCM);
}

static void fill_target(void)
{
	struct sgx_targetinfo *target = (void *)fx.epc[FX_RO].bytes;

	memset(target, 0, sizeof(*target));
	memset(target->measurement, 0x31, sizeof(target->measurement));
	target->attributes.flags = SGX_ATTR_INIT_BIT | SGX_ATTR_MODE64_BIT;
	target->attributes.xfrm = 3;
	target->miscselect = 1;
	target->configsvn = 2;
	memset(target->configid, 0x32, sizeof(target->configid));
}

RULE(EREPORT, DONE)
TEST(ereport_done)
{
	uint8_t key[SGX_KEY_SIZE], mac[SGX_KEY_SIZE];
	const struct sgx_report *report = (void *)(fx.epc[FX_REG].bytes + 0x200);
	const union secs_page *secs;

	setup();
	fill_target();
	CHECK_DONE(fx_enclu(SGX_EREPORT));
	secs = secs_get(&fx.pkg, FX_SECS);
	CHECK_MEM(report->cpusvn, fx.pkg.cpusvn, SGX_CPUSVN_SIZE);
	CHECK_MEM(&report->attributes, &secs->arch.attributes, 16);
	CHECK_MEM(report->mrenclave, secs->arch.mrenclave, 32);
	CHECK_MEM(report->mrsigner, secs->arch.mrsigner, 32);
	CHECK_EQ(report->isvprodid, 11);
	CHECK_EQ(report->isvsvn, 12);
	CHECK_MEM(report->reportdata, fx.epc[FX_SLOT].bytes + 0x400, 64);
	CHECK_MEM(report->keyid, fx.pkg.report_keyid, 32);
	keys_report(&fx.pkg, (void *)fx.epc[FX_RO].bytes, report->keyid, key);
	keys_cmac(key, report, 384, mac);
	CHECK_MEM(report->mac, mac, 16);
	for (epc_slot_t slot = 0; slot < FX_EPC_PAGES; slot++)
		CHECK_EQ(fx.epcm[slot].lock, 0);
}

/* What key separation adds to an enclave's identity is in its reports. */
RULE(EREPORT, KSS)
TEST(ereport_kss_fields)
{
	const struct sgx_report *report = (void *)(fx.epc[FX_REG].bytes + 0x200);
	union secs_page *secs;

	setup();
	secs = secs_get(&fx.pkg, FX_SECS);
	secs->arch.attributes.flags |= SGX_ATTR_KSS_BIT;
	secs->arch.configsvn = 0x4142;
	secs->arch.miscselect = SGX_MISC_EXINFO_BIT;
	memset(secs->arch.configid, 0x43, sizeof(secs->arch.configid));
	memset(secs->hidden.isvfamilyid, 0x44, sizeof(secs->hidden.isvfamilyid));
	memset(secs->hidden.isvextprodid, 0x45, sizeof(secs->hidden.isvextprodid));
	fill_target();
	CHECK_DONE(fx_enclu(SGX_EREPORT));
	CHECK_EQ(report->configsvn, 0x4142);
	CHECK_EQ(report->miscselect, SGX_MISC_EXINFO_BIT);
	CHECK_MEM(report->configid, secs->arch.configid, 64);
	CHECK_MEM(report->isvfamilyid, secs->hidden.isvfamilyid, 16);
	CHECK_MEM(report->isvextprodid, secs->hidden.isvextprodid, 16);
	CHECK_EQ(report->attributes.flags & SGX_ATTR_KSS_BIT, SGX_ATTR_KSS_BIT);
}

/* What a REPORT has no field for is 0, whatever lay there before. */
RULE(EREPORT, RESERVED)
TEST(ereport_reserved_is_zero)
{
	/* offsets and sizes are the SDM's */
	static const struct {
		uint32_t offset, size;
	} reserved[] = {{21, 11}, {96, 32}, {160, 32}, {262, 42}};
	uint8_t *report = fx.epc[FX_REG].bytes + 0x200;

	setup();
	memset(report, 0xa5, sizeof(struct sgx_report));
	fill_target();
	CHECK_DONE(fx_enclu(SGX_EREPORT));
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		for (uint32_t j = 0; j < reserved[i].size; j++)
			CHECK_EQ(report[reserved[i].offset + j], 0);
}

/* The MAC covers all of the report before KEYID: a change of any byte is seen. */
RULE(EREPORT, MAC)
TEST(ereport_mac_covers_each_byte)
{
	struct sgx_report report;
	uint8_t key[SGX_KEY_SIZE], mac[SGX_KEY_SIZE], *bytes = (void *)&report;

	setup();
	fill_target();
	CHECK_DONE(fx_enclu(SGX_EREPORT));
	memcpy(&report, fx.epc[FX_REG].bytes + 0x200, sizeof(report));
	keys_report(&fx.pkg, (void *)fx.epc[FX_RO].bytes, report.keyid, key);
	for (unsigned int i = 0; i < 384; i++) {
		bytes[i] ^= 1;
		keys_cmac(key, &report, 384, mac);
		CHECK(memcmp(mac, report.mac, sizeof(mac)));
		bytes[i] ^= 1;
	}
}

#define STEP(id, statement)          \
	static void break_##id(void) \
	{                            \
		statement;           \
	}
#define OPERAND_STEPS(name, reg, at)                             \
	STEP(name##_epcm, fx.regs.reg = FX_TCS_ADDR)             \
	STEP(name##_absent, fx.regs.reg = FX_ENCL_BASE + 0x8000) \
	STEP(name##_outside, fx.regs.reg = FX_ENCL_BASE - 4096)  \
	STEP(name##_unaligned, fx.regs.reg += 8)
OPERAND_STEPS(target, rbx, TARGET)
OPERAND_STEPS(data, rcx, DATA)
OPERAND_STEPS(output, rdx, REPORT)

/* From the last rule to the first, and none is mended: TARGETINFO, REPORTDATA, the REPORT. */
RULE(EREPORT, ORDER)
TEST(ereport_order)
{
#define OPERAND_ORDER(name, operand)                                        \
	{break_##name##_epcm, WHY_ENCLU_OPERAND_EPCM, operand},             \
		{break_##name##_absent, WHY_ENCLU_OPERAND_ABSENT, operand}, \
		{break_##name##_outside, WHY_ENCLU_OPERAND_RANGE, operand}, \
	{                                                                   \
		break_##name##_unaligned, WHY_ENCLU_OPERAND_ADDR, operand   \
	}
	static const struct {
		void (*step)(void);
		enum why_rule rule;
		uint32_t at;
	} steps[] = {
		OPERAND_ORDER(output, WHY_AT_REPORT),
		OPERAND_ORDER(data, WHY_AT_REPORTDATA),
		OPERAND_ORDER(target, WHY_AT_TARGETINFO),
	};

	setup();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		steps[i].step();
		CHECK(!cpu_ok(fx_enclu(SGX_EREPORT)));
		CHECK_EQ(fx.why.rule, steps[i].rule);
		CHECK_EQ(fx.why.at, steps[i].at);
	}
}

/* The report key depends on each thing that names the target, and on the machine. */
#define KEY_DEPENDS(id, change)                                                     \
	TEST(report_key_depends_on_##id)                                            \
	{                                                                           \
		struct sgx_targetinfo target = {0};                                 \
		uint8_t before[SGX_KEY_SIZE], after[SGX_KEY_SIZE], keyid[32] = {0}; \
                                                                                    \
		fx_init();                                                          \
		keys_report(&fx.pkg, &target, keyid, before);                       \
		change;                                                             \
		keys_report(&fx.pkg, &target, keyid, after);                        \
		CHECK(memcmp(before, after, sizeof(before)));                       \
	}

RULE(EREPORT, KEY)
KEY_DEPENDS(measurement, target.measurement[31] = 1)
KEY_DEPENDS(flags, target.attributes.flags = 1)
KEY_DEPENDS(xfrm, target.attributes.xfrm = 1)
KEY_DEPENDS(miscselect, target.miscselect = 1)
KEY_DEPENDS(configid, target.configid[63] = 1)
KEY_DEPENDS(configsvn, target.configsvn = 1)
KEY_DEPENDS(cet_attributes, target.cet_attributes = 1)
KEY_DEPENDS(keyid, keyid[31] = 1)
KEY_DEPENDS(cpusvn, fx.pkg.cpusvn[15]++)
KEY_DEPENDS(owner_epoch, fx.pkg.owner_epoch[15]++)
KEY_DEPENDS(first_fuses, fx.pkg.fuses[0]++)
KEY_DEPENDS(last_fuses, fx.pkg.fuses[31]++)

RULE(EREPORT, TARGET_RESERVED)
TEST(report_key_ignores_reserved)
{
	struct sgx_targetinfo target = {0};
	uint8_t before[SGX_KEY_SIZE], after[SGX_KEY_SIZE], keyid[32] = {0};

	fx_init();
	keys_report(&fx.pkg, &target, keyid, before);
	target.rsvd1 = 1;
	target.rsvd3[0] = 1;
	keys_report(&fx.pkg, &target, keyid, after);
	CHECK_MEM(before, after, sizeof(before));
}
