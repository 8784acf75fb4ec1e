/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why the processor refuses: each rule of base/rules.h that a leaf knows, with the
 * values that it notes.  (cpu_fixture.c sees to it that no refusal is without one.)
 */
#include "cpu_fixture.h"

#include <base/bits.h>
#include <keys.h>
#include <secs.h>

#define REG_R (SGX_PT_REG << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT)
#define TCS   (SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define ADDR  (FX_ENCL_BASE + 0x4000)

static void check_why(enum why_rule rule, uint64_t found, uint64_t wanted)
{
	CHECK_EQ(fx.why.rule, rule);
	CHECK_EQ(fx.why.found, found);
	CHECK_EQ(fx.why.wanted, wanted);
}

/* Right operands, one change, and the rule with its values. */
#define WHY_CASE(id, prepare, change, run, rule, found, wanted) \
	TEST(why_##id)                                          \
	{                                                       \
		prepare;                                        \
		change;                                         \
		CHECK(!cpu_ok(run));                            \
		check_why(rule, found, wanted);                 \
	}

/* --- ECREATE ---------------------------------------------------------------------- */

#define secs		(fx.source->secs)
#define PREPARE_ECREATE (fx_init(), fx_ecreate())
#define ECREATE(id, change, rule, found, wanted)                                              \
	WHY_CASE(ecreate_##id, PREPARE_ECREATE, change, fx_encls(SGX_ECREATE), rule, (found), \
		 (wanted))

ECREATE(operand, fx.regs.rbx += 16, WHY_OPERAND_ADDR, FX_PAGEINFO + 16, 32)
ECREATE(operand_canonical, fx.regs.rbx = 1ull << 47, WHY_OPERAND_ADDR, 1ull << 47, 32)
ECREATE(no_epc, fx.regs.rcx = FX_SOURCE, WHY_OPERAND_EPC, FX_SOURCE, 0)
ECREATE(unmapped, fx.mem_unmapped[1] = true, WHY_OPERAND_MAP, FX_SOURCE, 4096)
ECREATE(pageinfo, fx.pageinfo->linaddr = 4096, WHY_PAGEINFO_ZERO, 4096, 0)
ECREATE(secinfo, fx.secinfo->flags = REG_R, WHY_SECINFO_SECS, REG_R, 0)
ECREATE(busy, fx.epcm[FX_SECS].lock = 1, WHY_EPCM_BUSY, fx_epc(FX_SECS), 0)
TEST(why_ecreate_valid)
{
	PREPARE_ECREATE;
	CHECK_DONE(fx_encls(SGX_ECREATE));
	CHECK(!cpu_ok(fx_encls(SGX_ECREATE)));
	check_why(WHY_EPCM_VALID, fx_epc(FX_SECS), 0);
}
ECREATE(xfrm_legacy, secs.attributes.xfrm = 1, WHY_SECS_XFRM_LEGACY, 1, 3)
ECREATE(xfrm, secs.attributes.xfrm = 0x107, WHY_SECS_XFRM, 0x107, 0x602ff)
ECREATE(xfrm_together, secs.attributes.xfrm = 0x27, WHY_SECS_XFRM_TOGETHER, 0x27, 0x602ff)
ECREATE(miscselect, secs.miscselect = 3, WHY_SECS_MISCSELECT, 3, 1)
ECREATE(ssaframesize, secs.attributes.xfrm |= 3u << 17;
	secs.ssaframesize = 2, WHY_SECS_SSAFRAMESIZE, 2, 3)
ECREATE(base_canonical, secs.base = 1ull << 47, WHY_SECS_BASE_CANONICAL, 1ull << 47, 0)
ECREATE(base_32, secs.attributes.flags = SGX_ATTR_DEBUG_BIT, WHY_SECS_BASE_32, FX_ENCL_BASE, 0)
ECREATE(size_max, secs.base = 0; secs.size = 1ull << 40, WHY_SECS_SIZE_MAX, 1ull << 40, 1ull << 36)
ECREATE(size_min, secs.size = 4096, WHY_SECS_SIZE_MIN, 4096, 8192)
ECREATE(size_pow2, secs.base = 0; secs.size = 0x3000, WHY_SECS_SIZE_POW2, 0x3000, 0)
ECREATE(base_align, secs.base += 4096, WHY_SECS_BASE_ALIGN, FX_ENCL_BASE + 4096, FX_ENCL_SIZE)
ECREATE(attributes, secs.attributes.flags |= 8, WHY_SECS_ATTRIBUTES, 14, fx.pkg.config.attributes)
ECREATE(reserved1, secs.rsvd1[14] = 1, WHY_SECS_RESERVED, 47, 0)
ECREATE(reserved2, secs.rsvd2[0] = 1, WHY_SECS_RESERVED, 96, 0)
ECREATE(reserved3, secs.rsvd3[0] = 1, WHY_SECS_RESERVED, 160, 0)
ECREATE(reserved4, secs.rsvd4[3833] = 1, WHY_SECS_RESERVED, 4095, 0)
ECREATE(cet, secs.cet_attributes = 5; secs.cet_leg_bitmap_offset = 0x2000, WHY_SECS_CET, 5, 0x2000)
ECREATE(configsvn, secs.configsvn = 7, WHY_SECS_CONFIG, 7, 0)
ECREATE(configid, secs.configid[0] = 0xab;
	secs.configid[7] = 0xcd, WHY_SECS_CONFIG, 0, 0xab000000000000cd)
#undef secs

/* --- EADD and EEXTEND --------------------------------------------------------------- */

#define PREPARE_EADD(flags) (fx_enclave(), fx_eadd(FX_SLOT, ADDR, flags))
#define EADD(id, flags, change, rule, found, wanted)                                        \
	WHY_CASE(eadd_##id, PREPARE_EADD(flags), change, fx_encls(SGX_EADD), rule, (found), \
		 (wanted))
#define hidden (secs_get(&fx.pkg, FX_SECS)->hidden)

EADD(type, REG_R, fx.secinfo->flags = 0x401, WHY_EADD_SECINFO, 0x401, 0)
EADD(pending, REG_R, fx.secinfo->flags |= 8, WHY_EADD_SECINFO, REG_R | 8, 0)
EADD(secinfo_reserved, REG_R, fx.secinfo->rsvd[55] = 1, WHY_EADD_SECINFO_RSVD, 63, 0)
EADD(write_only, REG_R, fx.secinfo->flags = 0x202, WHY_EADD_WRITE_ONLY, 0x202, 0)
EADD(linaddr, REG_R, fx.pageinfo->linaddr = FX_ENCL_BASE - 4096, WHY_EADD_LINADDR,
     FX_ENCL_BASE - 4096, FX_ENCL_BASE)
EADD(tcs_flags, TCS, fx.source->tcs.flags = 3, WHY_TCS_FLAGS_SET, 3, 1)
EADD(tcs_reserved, TCS, fx.source->tcs.rsvd[1] = 1, WHY_TCS_RESERVED, 89, 0)
EADD(tcs_cet, TCS, fx.source->tcs.prevssp = 9, WHY_TCS_CET, 0, 9)
TEST(why_eadd_tcs_limit)
{
	fx_init();
	fx_ecreate();
	fx.source->secs.attributes.flags = SGX_ATTR_DEBUG_BIT;
	fx.source->secs.base = FX_ENCL_SIZE;
	CHECK_DONE(fx_encls(SGX_ECREATE));
	fx_eadd(FX_SLOT, FX_ENCL_SIZE, TCS);
	fx.source->tcs.gslimit = 0x1ffe;
	CHECK(!cpu_ok(fx_encls(SGX_EADD)));
	check_why(WHY_TCS_LIMIT, 0xfff, 0x1ffe);
}
EADD(destination_busy, REG_R, fx.epcm[FX_SLOT].lock = 1, WHY_EPCM_BUSY, fx_epc(FX_SLOT), 0)
EADD(destination_valid, REG_R, fx.regs.rcx = fx_epc(FX_REG), WHY_EPCM_VALID, fx_epc(FX_REG), 0)
EADD(secs_busy, REG_R, fx.epcm[FX_SECS].lock = -1, WHY_EPCM_BUSY, fx_epc(FX_SECS), 0)
EADD(secs_gone, REG_R, fx.pageinfo->secs = fx_epc(FX_VA), WHY_SECS_GONE, fx_epc(FX_VA), 0)
EADD(measured, REG_R, hidden.measure_lock = -1; fx.epcm[0].lock = 1, WHY_MEASURE_BUSY, 0, 0)
WHY_CASE(eadd_initialised, fx_enclave_init(), fx_eadd(FX_SLOT, ADDR, REG_R), fx_encls(SGX_EADD),
	 WHY_SECS_INITIALISED, 0, 0)

#define EEXTEND(id, change, rule, found, wanted)                                \
	WHY_CASE(eextend_##id, (fx_enclave(), fx_eextend(FX_REG, 256)), change, \
		 fx_encls(SGX_EEXTEND), rule, (found), (wanted))

EEXTEND(operand, fx.regs.rcx += 1, WHY_OPERAND_ADDR, fx_epc(FX_REG) + 257, 256)
EEXTEND(busy, fx.epcm[FX_REG].lock = -1, WHY_EPCM_BUSY, fx_epc(FX_REG) + 256, 0)
EEXTEND(page, fx.regs.rcx = fx_epc(FX_SLOT), WHY_EEXTEND_PAGE, fx_epc(FX_SLOT), 0)
EEXTEND(secs, fx.regs.rbx = fx_epc(FX_VA), WHY_EEXTEND_SECS, FX_SECS, FX_VA)
EEXTEND(measured, hidden.measure_lock = -1; fx.epcm[0].lock = 1, WHY_MEASURE_BUSY, 0, 0)
WHY_CASE(eextend_initialised, fx_enclave_init(), fx_eextend(FX_REG, 0), fx_encls(SGX_EEXTEND),
	 WHY_SECS_INITIALISED, 0, 0)

/* --- EINIT -------------------------------------------------------------------------- */

#define ATTRIBUTES    (secs_get(&fx.pkg, FX_SECS)->arch.attributes)
#define PREPARE_EINIT (fx_enclave(), fx_einit(), fx_authorise())
#define EINIT(id, change, rule, found, wanted) \
	WHY_CASE(einit_##id, PREPARE_EINIT, change, fx_encls(SGX_EINIT), rule, (found), (wanted))

static uint64_t signer(void)
{
	uint8_t hash[SGX_HASH_SIZE];

	cpu_sigstruct_mrsigner(fx.sig, hash);
	return mem_prefix(hash);
}

static uint64_t measured(void)
{
	uint8_t hash[SGX_HASH_SIZE];

	cpu_measure_final(&hidden.measure, hash);
	return mem_prefix(hash);
}

EINIT(operand, fx.regs.rdx += 256, WHY_OPERAND_ADDR, FX_TOKEN + 256, 512)
EINIT(header, fx.sig->header[0]++, WHY_SIG_HEADER, 0x07000000e1000000, 0)
EINIT(header2, fx.sig->header2[0]++, WHY_SIG_HEADER, 0x06000000e1000000, 0)
EINIT(vendor, fx.sig->vendor = 0x1234, WHY_SIG_VENDOR, 0x1234, 0)
EINIT(exponent, fx.sig->exponent = 65537, WHY_SIG_EXPONENT, 65537, 3)
EINIT(reserved1, fx.sig->rsvd1[83] = 1, WHY_SIG_RESERVED, 127, 0)
EINIT(reserved2, fx.sig->rsvd2[0] = 1, WHY_SIG_RESERVED, 910, 0)
EINIT(reserved3, fx.sig->rsvd3[0] = 1, WHY_SIG_RESERVED, 992, 0)
EINIT(reserved4, fx.sig->rsvd4[0] = 1, WHY_SIG_RESERVED, 1028, 0)
EINIT(q1, fx.sig->q1[0] ^= 1, WHY_SIG_Q1, mem_prefix(fx.sig->q1), 0)
EINIT(q2, fx.sig->q2[0] ^= 1, WHY_SIG_Q2, mem_prefix(fx.sig->q2), 0)
EINIT(digest, fx.sig->isvsvn ^= 1, WHY_SIG_DIGEST, 0, 0)
EINIT(familyid, fx.sig->isvfamilyid[7] = 0x5a; fx_sign(), WHY_SIG_FAMILYID, 0x5a, 0)
EINIT(busy, fx.epcm[FX_SECS].lock = -1, WHY_EPCM_BUSY, fx_epc(FX_SECS), 0)
EINIT(gone, fx.regs.rcx = fx_epc(FX_REG), WHY_SECS_GONE, fx_epc(FX_REG), 0)
EINIT(measurement, hidden.measure_lock = -1; fx.epcm[0].lock = 1, WHY_MEASURE_BUSY, 0, 0)
WHY_CASE(einit_again, fx_enclave_init(), (void)0, fx_encls(SGX_EINIT), WHY_SECS_INITIALISED, 0, 0)
EINIT(hash, memset(fx.sig->enclavehash, 0x12, 32);
      fx_sign(), WHY_INIT_HASH, 0x1212121212121212, measured())
EINIT(tokenkey, ATTRIBUTES.flags |= SGX_ATTR_EINITTOKEN_KEY_BIT; fx_einit();
      memset(fx.pkg.sgxlepubkeyhash, 0x34, 32), WHY_INIT_TOKENKEY_SIGNER, signer(),
      0x3434343434343434)
EINIT(attributes, fx.sig->attributes.flags = 4; fx_sign(), WHY_INIT_ATTR_MASK, 6, 4)
EINIT(xfrm, fx.sig->attributes.xfrm = 3; fx_sign(), WHY_INIT_XFRM_MASK, 7, 3)
EINIT(cet, fx.sig->cet_attributes = 9; fx.sig->cet_attributes_mask = 1;
      fx_sign(), WHY_INIT_CET_MASK, 0, 9)
EINIT(miscselect, fx.sig->miscselect = 1; fx_sign(), WHY_INIT_MISC_MASK, 0, 1)
EINIT(signer, memset(fx.pkg.sgxlepubkeyhash, 0x34, 32), WHY_INIT_SIGNER, signer(),
      0x3434343434343434)

/* "They differ in" has the bits that the mask covers alone. */
TEST(why_einit_masks_say_where)
{
	PREPARE_EINIT;
	fx.sig->attributes.flags = 0x94; /* differs in 2, 0x10 and 0x80 */
	fx.sig->attributemask.flags = 0x16;
	fx_sign();
	CHECK(!cpu_ok(fx_encls(SGX_EINIT)));
	check_why(WHY_INIT_ATTR_MASK, 6, 0x94);
	CHECK_EQ(fx.why.at, 0x12);
}

TEST(why_einit_padding)
{
	PREPARE_EINIT;
	/* 0 cubed is 0, and Q1 and Q2 of it are 0 as well */
	memset(fx.sig->signature, 0, sizeof(fx.sig->signature));
	memset(fx.sig->q1, 0, sizeof(fx.sig->q1));
	memset(fx.sig->q2, 0, sizeof(fx.sig->q2));
	CHECK(!cpu_ok(fx_encls(SGX_EINIT)));
	check_why(WHY_SIG_PADDING, signer(), 0);
}

static void remac(void)
{
	uint8_t key[SGX_KEY_SIZE];

	keys_launch(&fx.pkg, fx.token, key);
	keys_cmac(key, fx.token, 192, fx.token->mac);
}

/* A right token, as a launch enclave makes it. */
static void token(void)
{
	fx.token->valid = 1;
	fx.token->attributes = ATTRIBUTES;
	memcpy(fx.token->mrenclave, fx.sig->enclavehash, SGX_HASH_SIZE);
	cpu_sigstruct_mrsigner(fx.sig, fx.token->mrsigner);
	memset(fx.token->cpusvnle, 5, SGX_CPUSVN_SIZE);
	remac();
}

#define TOKEN(id, change, rule, found, wanted) \
	EINIT(token_##id, token(); change; remac(), rule, found, wanted)

TOKEN(debug, ATTRIBUTES.flags = 4; fx.sig->attributes.flags = 4; fx_sign();
      fx.token->maskedattributesle.flags = 2, WHY_TOKEN_DEBUG, 4, 0)
TOKEN(valid, fx.token->valid = 3, WHY_TOKEN_RESERVED, 3, 0)
TOKEN(reserved, fx.token->rsvd2[0] = 1, WHY_TOKEN_RESERVED, 1, 0)
TOKEN(cpusvn, fx.token->cpusvnle[7] = 6, WHY_TOKEN_CPUSVN, 0x0505050505050506, 0x0505050505050505)
TOKEN(mrenclave, memset(fx.token->mrenclave, 0x77, 32), WHY_TOKEN_MRENCLAVE, 0x7777777777777777,
      measured())
TOKEN(mrsigner, memset(fx.token->mrsigner, 0x77, 32), WHY_TOKEN_MRSIGNER, 0x7777777777777777,
      signer())
TOKEN(attributes, fx.token->attributes.flags = 4, WHY_TOKEN_ATTRIBUTES, 4, 6)
/* What the MAC should be is nobody's to know. */
EINIT(token_mac, token(); memset(fx.token->mac, 0x11, 16), WHY_TOKEN_MAC, 0x1111111111111111, 0)

/* --- EREPORT and EGETKEY ------------------------------------------------------------ */

#define KEYREQUEST (FX_RO_ADDR + 0x200)
#define OUTPUTDATA (FX_REG_ADDR + 0x30)
#define request	   ((struct sgx_keyrequest *)(void *)(fx.epc[FX_RO].bytes + 0x200))

static void prepare_egetkey(void)
{
	fx_enclave_init();
	memset(request, 0, sizeof(*request));
	request->keyname = SGX_KEYNAME_REPORT;
	fx.regs = (struct cpu_regs){.rbx = KEYREQUEST, .rcx = OUTPUTDATA};
}

#define EGETKEY(id, change, rule, found, wanted)                                                \
	WHY_CASE(egetkey_##id, prepare_egetkey(), change, fx_enclu(SGX_EGETKEY), rule, (found), \
		 (wanted))

EGETKEY(align, fx.regs.rcx += 8, WHY_ENCLU_OPERAND_ADDR, OUTPUTDATA + 8, 16)
EGETKEY(outside, fx.regs.rcx = 0x1000, WHY_ENCLU_OPERAND_RANGE, 0x1000, FX_ENCL_BASE)
EGETKEY(absent, fx.regs.rcx = ADDR, WHY_ENCLU_OPERAND_ABSENT, ADDR, 0)
EGETKEY(read_only, fx.regs.rcx = FX_RO_ADDR, WHY_ENCLU_OPERAND_EPCM, FX_RO_ADDR,
	WHY_EPCM_VALID_BIT | REG_R)
EGETKEY(blocked, fx.epcm[FX_RO].blocked = 1, WHY_ENCLU_OPERAND_EPCM, KEYREQUEST,
	WHY_EPCM_VALID_BIT | WHY_EPCM_BLOCKED_BIT | REG_R)
EGETKEY(reserved1, request->rsvd1 = 1, WHY_KEYREQUEST_RESERVED, 7, 0)
EGETKEY(reserved2, request->rsvd2[433] = 1, WHY_KEYREQUEST_RESERVED, 511, 0)
EGETKEY(policy, request->keypolicy = 0x41, WHY_KEYREQUEST_POLICY, 0x41, 0x3f)
EGETKEY(cet, request->cet_attributes_mask = 3, WHY_KEYREQUEST_CET, 3, 0)
EGETKEY(kss, request->keypolicy = 4; request->configsvn = 2, WHY_KEYREQUEST_KSS, 4, 2)
EGETKEY(name, request->keyname = 5, WHY_EGETKEY_NAME, 5, 0)
EGETKEY(attribute, request->keyname = 2, WHY_EGETKEY_ATTRIBUTE, 2, SGX_ATTR_PROVISION_KEY_BIT)
EGETKEY(cpusvn, request->keyname = 4;
	request->cpusvn[0] = 6, WHY_EGETKEY_CPUSVN, 0x0600000000000000, 0x0505050505050505)
EGETKEY(isvsvn, request->keyname = 4; request->isvsvn = 13, WHY_EGETKEY_ISVSVN, 13, 12)
EGETKEY(configsvn, request->keyname = 4; secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags |= 0x80;
	request->configsvn = 3, WHY_EGETKEY_CONFIGSVN, 3, 0)

/* Which operand it is. */
TEST(why_operands_have_names)
{
	prepare_egetkey();
	fx.regs.rbx = 1;
	CHECK(!cpu_ok(fx_enclu(SGX_EGETKEY)));
	CHECK_EQ(fx.why.at, WHY_AT_KEYREQUEST);
	fx.regs.rbx = KEYREQUEST;
	fx.regs.rcx = 1;
	CHECK(!cpu_ok(fx_enclu(SGX_EGETKEY)));
	CHECK_EQ(fx.why.at, WHY_AT_OUTPUTDATA);
	fx.regs = (struct cpu_regs){.rbx = 1, .rcx = 1, .rdx = 1};
	CHECK(!cpu_ok(fx_enclu(SGX_EREPORT)));
	CHECK_EQ(fx.why.at, WHY_AT_TARGETINFO);
	fx.regs.rbx = FX_REG_ADDR;
	CHECK(!cpu_ok(fx_enclu(SGX_EREPORT)));
	CHECK_EQ(fx.why.at, WHY_AT_REPORTDATA);
	fx.regs.rcx = FX_REG_ADDR;
	CHECK(!cpu_ok(fx_enclu(SGX_EREPORT)));
	CHECK_EQ(fx.why.at, WHY_AT_REPORT);
	fx.regs.rdx = FX_REG_ADDR + 0x400;
	CHECK_DONE(fx_enclu(SGX_EREPORT));
}
