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

#define EGETKEY_CASE(id, change, check) \
	TEST(egetkey_##id)              \
	{                               \
		setup();                \
		change;                 \
		check;                  \
	}
#define EGETKEY_GP(id, change)	     EGETKEY_CASE(id, change, CHECK_GP(fx_enclu(SGX_EGETKEY)))
#define EGETKEY_PF(id, change, a, e) EGETKEY_CASE(id, change, CHECK_PF(fx_enclu(SGX_EGETKEY), a, e))

/* KEYREQUEST */
EGETKEY_GP(request_unaligned, fx.regs.rbx += 256)
EGETKEY_GP(request_outside, fx.regs.rbx = FX_ENCL_BASE + FX_ENCL_SIZE)
EGETKEY_PF(request_absent, fx.regs.rbx = FX_ENCL_BASE + 0x8000, FX_ENCL_BASE + 0x8000, SGX_PF_U)
EGETKEY_PF(request_blocked, fx.epcm[FX_RO].blocked = 1, REQUEST, SGX_PF_U | SGX_PF_P | SGX_PF_SGX)
EGETKEY_PF(request_tcs, fx.regs.rbx = FX_TCS_ADDR, FX_TCS_ADDR, SGX_PF_U | SGX_PF_P | SGX_PF_SGX)
EGETKEY_PF(request_not_readable, fx.epcm[FX_RO].rwx = 0, REQUEST, SGX_PF_U | SGX_PF_P | SGX_PF_SGX)
/* OUTPUTDATA */
EGETKEY_GP(output_unaligned, fx.regs.rcx += 8)
EGETKEY_GP(output_outside, fx.regs.rcx = FX_ENCL_BASE - 16)
EGETKEY_PF(output_absent, fx.regs.rcx = FX_ENCL_BASE + 0x8000, FX_ENCL_BASE + 0x8000,
	   SGX_PF_U | SGX_PF_W)
EGETKEY_PF(output_blocked, fx.epcm[FX_REG].blocked = 1, OUTPUT,
	   SGX_PF_U | SGX_PF_W | SGX_PF_P | SGX_PF_SGX)
EGETKEY_PF(output_not_writable, fx.regs.rcx = FX_RO_ADDR, FX_RO_ADDR,
	   SGX_PF_U | SGX_PF_W | SGX_PF_P | SGX_PF_SGX)
/* The request's fields */
EGETKEY_GP(reserved1, request->rsvd1 = 1)
EGETKEY_GP(reserved2_first, request->rsvd2[0] = 1)
EGETKEY_GP(reserved2_last, request->rsvd2[433] = 1)
EGETKEY_GP(policy_reserved, request->keypolicy = 1u << 6)
EGETKEY_GP(cet_mask_without_cet, request->cet_attributes_mask = 1)
EGETKEY_GP(policy_noisvprodid_without_kss, request->keypolicy = SGX_KEYPOLICY_NOISVPRODID_BIT)
EGETKEY_GP(policy_configid_without_kss, request->keypolicy = SGX_KEYPOLICY_CONFIGID_BIT)
EGETKEY_GP(policy_isvfamilyid_without_kss, request->keypolicy = SGX_KEYPOLICY_ISVFAMILYID_BIT)
EGETKEY_GP(policy_isvextprodid_without_kss, request->keypolicy = SGX_KEYPOLICY_ISVEXTPRODID_BIT)
EGETKEY_GP(configsvn_without_kss, request->configsvn = 1)
EGETKEY_CASE(policy_with_kss, secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags |= SGX_ATTR_KSS_BIT;
	     request->keypolicy = SGX_KEYPOLICY_CONFIGID_BIT;
	     request->configsvn = 1, CHECK_DONE(fx_enclu(SGX_EGETKEY)))

/* Names that no processor knows, and those that this one does not know yet */
TEST(egetkey_keyname)
{
	static const uint16_t names[] = {SGX_KEYNAME_EINITTOKEN,
					 SGX_KEYNAME_PROVISION,
					 SGX_KEYNAME_PROVISION_SEAL,
					 SGX_KEYNAME_SEAL,
					 5,
					 0xffff};

	setup();
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		request->keyname = names[i];
		CHECK_CODE(fx_enclu(SGX_EGETKEY), SGX_ERR_INVALID_KEYNAME);
	}
}

/* What local attestation rests on: the target of a report gets the key of its MAC. */
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
