/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLU[EGETKEY]: one case for each fault and code, and the report key. */
#include "cpu_fixture.h"

#include <keys.h>
#include <secs.h>

#define REQUEST (FX_RO_ADDR + 0x200)
#define OUTPUT	(FX_REG_ADDR + 0x30)

static struct sgx_keyrequest *request;

static void setup(void)
{
	fx_enclave_init();
	request = (void *)(fx.epc[FX_RO].bytes + 0x200);
	memset(request, 0, sizeof(*request));
	request->keyname = SGX_KEYNAME_REPORT;
	fx.regs = (struct cpu_regs){.rbx = REQUEST, .rcx = OUTPUT};
}

/* The page is gone from the EPCM while the address still leads to its slot. */
static void move_away(epc_slot_t slot)
{
	struct cpu_regs regs = fx.regs;

	fx.regs.rcx = fx_epc(slot);
	CHECK_DONE(fx_encls(SGX_EREMOVE));
	fx.regs = regs;
}

#define EGETKEY_CASE(id, change, check) \
	TEST(egetkey_##id)              \
	{                               \
		setup();                \
		change;                 \
		check;                  \
	}
#define EGETKEY_GP(id, change)	     EGETKEY_CASE(id, change, CHECK_GP(fx_enclu(SGX_EGETKEY)))
#define EGETKEY_PF(id, change, a, e) EGETKEY_CASE(id, change, CHECK_PF(fx_enclu(SGX_EGETKEY), a, e))

#define PF_READ			     (SGX_PF_U | SGX_PF_P | SGX_PF_SGX)
#define PF_WRITE		     (PF_READ | SGX_PF_W)

/* KEYREQUEST */
RULE(EGETKEY, REQUEST_ADDR)
EGETKEY_GP(request_unaligned, fx.regs.rbx += 256)
RULE(EGETKEY, REQUEST_RANGE)
EGETKEY_GP(request_outside, fx.regs.rbx = FX_ENCL_BASE + FX_ENCL_SIZE)
RULE(EGETKEY, REQUEST_ABSENT)
EGETKEY_PF(request_absent, fx.regs.rbx = FX_ENCL_BASE + 0x8000, FX_ENCL_BASE + 0x8000, SGX_PF_U)
RULE(EGETKEY, REQUEST_EPCM)
EGETKEY_PF(request_blocked, fx.epcm[FX_RO].blocked = 1, REQUEST, SGX_PF_U | SGX_PF_P | SGX_PF_SGX)
EGETKEY_PF(request_tcs, fx.regs.rbx = FX_TCS_ADDR, FX_TCS_ADDR, SGX_PF_U | SGX_PF_P | SGX_PF_SGX)
EGETKEY_PF(request_invalid, move_away(FX_RO), REQUEST, PF_READ)
EGETKEY_PF(request_pending, fx_by_hand(); fx.epcm[FX_RO].pending = 1, REQUEST, PF_READ)
EGETKEY_PF(request_modified, fx_by_hand(); fx.epcm[FX_RO].modified = 1, REQUEST, PF_READ)
EGETKEY_PF(request_address, fx.epcm[FX_RO].address = FX_ENCL_BASE + 0x9000, REQUEST, PF_READ)
EGETKEY_PF(request_other_enclave, fx_other_enclave(FX_RO), REQUEST, PF_READ)
EGETKEY_PF(request_locked, fx.epcm[FX_RO].lock = -1, REQUEST, PF_READ)
EGETKEY_PF(request_not_readable, fx.epcm[FX_RO].rwx = 0, REQUEST, SGX_PF_U | SGX_PF_P | SGX_PF_SGX)
/* OUTPUTDATA */
RULE(EGETKEY, KEY_ADDR)
EGETKEY_GP(output_unaligned, fx.regs.rcx += 8)
RULE(EGETKEY, KEY_RANGE)
EGETKEY_GP(output_outside, fx.regs.rcx = FX_ENCL_BASE - 16)
RULE(EGETKEY, KEY_ABSENT)
EGETKEY_PF(output_absent, fx.regs.rcx = FX_ENCL_BASE + 0x8000, FX_ENCL_BASE + 0x8000,
	   SGX_PF_U | SGX_PF_W)
RULE(EGETKEY, KEY_EPCM)
EGETKEY_PF(output_blocked, fx.epcm[FX_REG].blocked = 1, OUTPUT,
	   SGX_PF_U | SGX_PF_W | SGX_PF_P | SGX_PF_SGX)
EGETKEY_PF(output_tcs, fx.regs.rcx = FX_TCS_ADDR, FX_TCS_ADDR, PF_WRITE)
EGETKEY_PF(output_invalid, move_away(FX_REG), OUTPUT, PF_WRITE)
EGETKEY_PF(output_pending, fx_by_hand(); fx.epcm[FX_REG].pending = 1, OUTPUT, PF_WRITE)
EGETKEY_PF(output_modified, fx_by_hand(); fx.epcm[FX_REG].modified = 1, OUTPUT, PF_WRITE)
EGETKEY_PF(output_address, fx.epcm[FX_REG].address = FX_ENCL_BASE + 0x9000, OUTPUT, PF_WRITE)
EGETKEY_PF(output_other_enclave, fx_other_enclave(FX_REG), OUTPUT, PF_WRITE)
EGETKEY_PF(output_locked, fx.epcm[FX_REG].lock = -1, OUTPUT, PF_WRITE)
EGETKEY_PF(output_not_writable, fx.regs.rcx = FX_RO_ADDR, FX_RO_ADDR,
	   SGX_PF_U | SGX_PF_W | SGX_PF_P | SGX_PF_SGX)
/* The request's fields */
RULE(EGETKEY, RESERVED)
EGETKEY_GP(reserved1, request->rsvd1 = 1)
EGETKEY_GP(reserved2_first, request->rsvd2[0] = 1)
EGETKEY_GP(reserved2_last, request->rsvd2[433] = 1)
TEST(egetkey_each_reserved_byte)
{
	uint8_t *bytes;

	setup();
	bytes = (uint8_t *)request;
	for (size_t i = 0; i < sizeof(*request); i++) {
		/* byte 7, and 78 to the end: the SDM's offsets */
		if (i != 7 && i < 78)
			continue;
		bytes[i] = 0x80;
		CHECK_GP(fx_enclu(SGX_EGETKEY));
		CHECK_EQ(fx.why.rule, WHY_KEYREQUEST_RESERVED);
		CHECK_EQ(fx.why.found, i);
		bytes[i] = 0;
	}
	CHECK_DONE(fx_enclu(SGX_EGETKEY));
}
RULE(EGETKEY, POLICY)
EGETKEY_GP(policy_reserved, request->keypolicy = 1u << 6)
RULE(EGETKEY, CET)
EGETKEY_GP(cet_mask_without_cet, request->cet_attributes_mask = 1)
RULE(EGETKEY, KSS)
EGETKEY_GP(policy_noisvprodid_without_kss, request->keypolicy = SGX_KEYPOLICY_NOISVPRODID_BIT)
EGETKEY_GP(policy_configid_without_kss, request->keypolicy = SGX_KEYPOLICY_CONFIGID_BIT)
EGETKEY_GP(policy_isvfamilyid_without_kss, request->keypolicy = SGX_KEYPOLICY_ISVFAMILYID_BIT)
EGETKEY_GP(policy_isvextprodid_without_kss, request->keypolicy = SGX_KEYPOLICY_ISVEXTPRODID_BIT)
EGETKEY_GP(configsvn_without_kss, request->configsvn = 1)
EGETKEY_CASE(policy_with_kss, secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags |= SGX_ATTR_KSS_BIT;
	     request->keypolicy = SGX_KEYPOLICY_CONFIGID_BIT;
	     request->configsvn = 1, CHECK_DONE(fx_enclu(SGX_EGETKEY)))

/* Names that no processor knows; the others are cpu_keys.c's */
RULE(EGETKEY, NAME)
TEST(egetkey_keyname)
{
	static const uint16_t names[] = {5, 0x100, 0xffff};

	setup();
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		request->keyname = names[i];
		CHECK_CODE(fx_enclu(SGX_EGETKEY), SGX_ERR_INVALID_KEYNAME);
	}
}

RULE(EGETKEY, ISVSVN)
EGETKEY_CASE(isvsvn, request->keyname = SGX_KEYNAME_SEAL;
	     request->isvsvn = 13, CHECK_CODE(fx_enclu(SGX_EGETKEY), SGX_ERR_INVALID_ISVSVN))
EGETKEY_CASE(isvsvn_own, request->keyname = SGX_KEYNAME_SEAL;
	     request->isvsvn = 12, CHECK_DONE(fx_enclu(SGX_EGETKEY)))
RULE(EGETKEY, CONFIGSVN)
EGETKEY_CASE(configsvn, request->keyname = SGX_KEYNAME_SEAL;
	     secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags |= SGX_ATTR_KSS_BIT;
	     request->configsvn = 1, CHECK_CODE(fx_enclu(SGX_EGETKEY), SGX_ERR_INVALID_ISVSVN))

/* What local attestation rests on: the target of a report gets the key of its MAC. */
RULE(EGETKEY, REPORT)
TEST(egetkey_report_key_checks_a_report)
{
	struct sgx_targetinfo *target;
	struct sgx_report *report;
	uint8_t mac[SGX_KEY_SIZE];
	const struct sgx_secs *secs;

	setup();
	secs = &fx.epc[FX_SECS].secs;
	target = (void *)(fx.epc[FX_RO].bytes + 0x400);
	memset(target, 0, sizeof(*target));
	memcpy(target->measurement, secs->mrenclave, 32);
	target->attributes = secs->attributes;
	fx.regs = (struct cpu_regs){
		.rbx = FX_RO_ADDR + 0x400, .rcx = FX_RO_ADDR + 0x800, .rdx = FX_REG_ADDR + 0x200};
	CHECK_DONE(fx_enclu(SGX_EREPORT));

	report = (void *)(fx.epc[FX_REG].bytes + 0x200);
	memcpy(request->keyid, report->keyid, 32);
	fx.regs = (struct cpu_regs){.rbx = REQUEST, .rcx = OUTPUT};
	CHECK_DONE(fx_enclu(SGX_EGETKEY));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	keys_cmac(fx.epc[FX_REG].bytes + 0x30, report, 384, mac);
	CHECK_MEM(mac, report->mac, 16);

	/* Another KEYID is another key. */
	request->keyid[0] ^= 1;
	fx.regs.rcx += 16;
	CHECK_DONE(fx_enclu(SGX_EGETKEY));
	CHECK(memcmp(fx.epc[FX_REG].bytes + 0x30, fx.epc[FX_REG].bytes + 0x40, 16));
}

/* --- the order -------------------------------------------------------------------- */

#define STEP(id, statement)          \
	static void break_##id(void) \
	{                            \
		statement;           \
	}
STEP(isvsvn, request->keyname = SGX_KEYNAME_PROVISION; request->isvsvn = 13)
STEP(cpusvn, request->cpusvn[15] = 6)
STEP(attribute, secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags &= ~SGX_ATTR_PROVISION_KEY_BIT)
STEP(name, request->keyname = 5)
STEP(kss, request->configsvn = 1)
STEP(cet, request->cet_attributes_mask = 1)
STEP(policy, request->keypolicy = 1u << 15)
STEP(reserved, request->rsvd1 = 1)
STEP(output_epcm, fx.regs.rcx = FX_RO_ADDR)
STEP(output_absent, fx.regs.rcx = FX_ENCL_BASE + 0x8000)
STEP(output_outside, fx.regs.rcx = FX_ENCL_BASE + FX_ENCL_SIZE)
STEP(output_unaligned, fx.regs.rcx += 8)
STEP(request_epcm, fx.epcm[FX_RO].blocked = 1)
STEP(request_absent, fx.regs.rbx = FX_ENCL_BASE + 0x8000)
STEP(request_outside, fx.regs.rbx = FX_ENCL_BASE + FX_ENCL_SIZE)
STEP(request_unaligned, fx.regs.rbx += 8)

/* From the last rule to the first, and none is mended: see einit_order. */
RULE(EGETKEY, ORDER)
TEST(egetkey_order)
{
	static const struct {
		void (*step)(void);
		enum why_rule rule;
		uint32_t at;
	} steps[] = {
		{break_isvsvn, WHY_EGETKEY_ISVSVN, 0},
		{break_cpusvn, WHY_EGETKEY_CPUSVN, 0},
		{break_attribute, WHY_EGETKEY_ATTRIBUTE, 0},
		{break_name, WHY_EGETKEY_NAME, 0},
		{break_kss, WHY_KEYREQUEST_KSS, 0},
		{break_cet, WHY_KEYREQUEST_CET, 0},
		{break_policy, WHY_KEYREQUEST_POLICY, 0},
		{break_reserved, WHY_KEYREQUEST_RESERVED, 0},
		{break_output_epcm, WHY_ENCLU_OPERAND_EPCM, WHY_AT_OUTPUTDATA},
		{break_output_absent, WHY_ENCLU_OPERAND_ABSENT, WHY_AT_OUTPUTDATA},
		{break_output_outside, WHY_ENCLU_OPERAND_RANGE, WHY_AT_OUTPUTDATA},
		{break_output_unaligned, WHY_ENCLU_OPERAND_ADDR, WHY_AT_OUTPUTDATA},
		{break_request_epcm, WHY_ENCLU_OPERAND_EPCM, WHY_AT_KEYREQUEST},
		{break_request_absent, WHY_ENCLU_OPERAND_ABSENT, WHY_AT_KEYREQUEST},
		{break_request_outside, WHY_ENCLU_OPERAND_RANGE, WHY_AT_KEYREQUEST},
		{break_request_unaligned, WHY_ENCLU_OPERAND_ADDR, WHY_AT_KEYREQUEST},
	};

	setup();
	secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		steps[i].step();
		CHECK(!cpu_ok(fx_enclu(SGX_EGETKEY)));
		if (fx.why.rule != steps[i].rule)
			FAIL("step %zu: rule %u and not %u", i, fx.why.rule, steps[i].rule);
		if (steps[i].at)
			CHECK_EQ(fx.why.at, steps[i].at);
	}
}
