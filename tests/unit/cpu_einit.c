/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EINIT]: one case for each fault and code, in the SDM's order. */
#include "cpu_fixture.h"

#include <keys.h>
#include <secs.h>

/* A built enclave, right operands, the signer authorised, one change, the outcome. */
#define EINIT_CASE(id, change, check) \
	TEST(einit_##id)              \
	{                             \
		fx_enclave();         \
		fx_einit();           \
		fx_authorise();       \
		change;               \
		check;                \
	}
#define EINIT_GP(id, change)	  EINIT_CASE(id, change, CHECK_GP(fx_encls(SGX_EINIT)))
#define EINIT_CODE(id, change, c) EINIT_CASE(id, change, CHECK_CODE(fx_encls(SGX_EINIT), c))
#define EINIT_OK(id, change)	  EINIT_CASE(id, change, CHECK_DONE(fx_encls(SGX_EINIT)))

#define ATTRIBUTES		  (secs_get(&fx.pkg, FX_SECS)->arch.attributes)

RULE(EINIT, DONE)
TEST(einit_done)
{
	uint8_t mrsigner[SGX_HASH_SIZE];
	const union secs_page *secs;

	fx_enclave();
	ATTRIBUTES.flags |= SGX_ATTR_KSS_BIT;
	fx_einit();
	memset(fx.sig->isvfamilyid, 0x21, 16);
	memset(fx.sig->isvextprodid, 0x22, 16);
	fx_sign();
	fx_authorise();
	CHECK_DONE(fx_encls(SGX_EINIT));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	secs = secs_get(&fx.pkg, FX_SECS);
	CHECK(secs->arch.attributes.flags & SGX_ATTR_INIT_BIT);
	CHECK_MEM(secs->arch.mrenclave, fx.sig->enclavehash, SGX_HASH_SIZE);
	cpu_sigstruct_mrsigner(fx.sig, mrsigner);
	CHECK_MEM(secs->arch.mrsigner, mrsigner, SGX_HASH_SIZE);
	CHECK_EQ(secs->arch.isvprodid, 11);
	CHECK_EQ(secs->arch.isvsvn, 12);
	CHECK_EQ(secs->hidden.isvfamilyid[15], 0x21);
	CHECK_EQ(secs->hidden.isvextprodid[15], 0x22);
	CHECK_EQ(fx.epcm[FX_SECS].lock, 0);
	CHECK_EQ(secs->hidden.measure_lock, 0);
}

/* Operands */
RULE(EINIT, SIGSTRUCT_ADDR)
EINIT_GP(sigstruct_unaligned, fx.regs.rbx += 8)
EINIT_GP(sigstruct_not_canonical, fx.regs.rbx = 1ull << 47)
RULE(EINIT, SECS_ADDR)
EINIT_GP(secs_unaligned, fx.regs.rcx += 8)
EINIT_GP(secs_not_canonical, fx.regs.rcx |= 1ull << 62)
RULE(EINIT, TOKEN_ADDR)
EINIT_GP(token_unaligned, fx.regs.rdx += 256)
EINIT_GP(token_not_canonical, fx.regs.rdx = 1ull << 48)
RULE(EINIT, SECS_EPC)
EINIT_CASE(secs_not_epc, fx.regs.rcx = FX_SOURCE, CHECK_EPCM_PF(fx_encls(SGX_EINIT), FX_SOURCE))
RULE(EINIT, SIGSTRUCT_MAP)
EINIT_CASE(sigstruct_unmapped, fx.mem_unmapped[2] = true,
	   CHECK_MEM_PF(fx_encls(SGX_EINIT), FX_SIGSTRUCT))
RULE(EINIT, TOKEN_MAP)
EINIT_CASE(token_unmapped, fx.mem_unmapped[3] = true, CHECK_MEM_PF(fx_encls(SGX_EINIT), FX_TOKEN))

/* SIGSTRUCT by itself */
RULE(EINIT, HEADER)
EINIT_CODE(header, fx.sig->header[0]++, SGX_ERR_INVALID_SIG_STRUCT)
EINIT_CODE(header2, fx.sig->header2[15]++, SGX_ERR_INVALID_SIG_STRUCT)
RULE(EINIT, VENDOR)
EINIT_CODE(vendor, fx.sig->vendor = 1, SGX_ERR_INVALID_SIG_STRUCT)
EINIT_OK(vendor_intel, fx.sig->vendor = 0x8086; fx_sign())
RULE(EINIT, SIG_BYTES)
EINIT_OK(date_and_swdefined_are_softwares, fx.sig->date = 0x20991231; fx.sig->swdefined = 7;
	 fx_sign())
RULE(EINIT, EXPONENT)
EINIT_CODE(exponent, fx.sig->exponent = 65537, SGX_ERR_INVALID_SIG_STRUCT)
RULE(EINIT, SIG_RESERVED)
EINIT_CODE(reserved, fx.sig->rsvd4[11] = 1, SGX_ERR_INVALID_SIG_STRUCT)

/* Bytes @from to @to of @what, one by one: each change alone is refused. */
static void each_byte(uint8_t *what, size_t from, size_t to, uint32_t code, const char *name)
{
	for (size_t i = from; i < to; i++) {
		struct cpu_result r;

		what[i] ^= 0x10;
		r = fx_encls(SGX_EINIT);
		if (r.kind != CPU_CODE || (code && r.code != code))
			FAIL("byte %zu of %s: kind %u code %u", i, name, r.kind, r.code);
		what[i] ^= 0x10;
	}
}

static void each_sig_byte(size_t from, size_t to, uint32_t code)
{
	each_byte((uint8_t *)fx.sig, from, to, code, "SIGSTRUCT");
}

/* Offsets are the SDM's. */
EINIT_CASE(each_reserved_byte, (void)0, each_sig_byte(44, 128, SGX_ERR_INVALID_SIG_STRUCT);
	   each_sig_byte(910, 912, SGX_ERR_INVALID_SIG_STRUCT);
	   each_sig_byte(992, 1008, SGX_ERR_INVALID_SIG_STRUCT);
	   each_sig_byte(1028, 1040, SGX_ERR_INVALID_SIG_STRUCT))
/* Of what is signed HEADER, VENDOR, HEADER2 and what is reserved have rules of their own. */
RULE(EINIT, SIG_BYTES)
EINIT_CASE(each_signed_byte, (void)0, each_sig_byte(0, 128, 0); each_sig_byte(900, 1028, 0);
	   each_sig_byte(20, 24, SGX_ERR_INVALID_SIGNATURE);
	   each_sig_byte(40, 44, SGX_ERR_INVALID_SIGNATURE);
	   each_sig_byte(900, 910, SGX_ERR_INVALID_SIGNATURE);
	   each_sig_byte(912, 992, SGX_ERR_INVALID_SIGNATURE);
	   each_sig_byte(1008, 1028, SGX_ERR_INVALID_SIGNATURE))
EINIT_CASE(each_byte_of_the_signature, (void)0, each_sig_byte(516, 900, SGX_ERR_INVALID_SIGNATURE);
	   each_sig_byte(128, 512, SGX_ERR_INVALID_SIGNATURE);
	   each_sig_byte(1040, 1808, SGX_ERR_INVALID_SIGNATURE))
/* 0 cubed is 0, and Q1 and Q2 of it are 0 as well. */
RULE(EINIT, PADDING)
EINIT_CODE(padding, memset(fx.sig->signature, 0, 384); memset(fx.sig->q1, 0, 384);
	   memset(fx.sig->q2, 0, 384), SGX_ERR_INVALID_SIGNATURE)
RULE(EINIT, Q1)
EINIT_CODE(q1, fx.sig->q1[0] ^= 1, SGX_ERR_INVALID_SIGNATURE)
RULE(EINIT, Q2)
EINIT_CODE(signature, fx.sig->signature[0] ^= 1, SGX_ERR_INVALID_SIGNATURE)
EINIT_CODE(q2, fx.sig->q2[0] ^= 1, SGX_ERR_INVALID_SIGNATURE)
RULE(EINIT, DIGEST)
EINIT_CODE(other_contents, fx.sig->isvsvn ^= 1, SGX_ERR_INVALID_SIGNATURE)

/* The SECS */
RULE(EINIT, SECS_BUSY)
EINIT_GP(secs_locked, fx.epcm[FX_SECS].lock = -1)
EINIT_OK(secs_shared, fx.epcm[FX_SECS].lock = 1)
RULE(EINIT, SECS)
EINIT_CASE(secs_invalid, fx.regs.rcx = fx_epc(FX_SLOT),
	   CHECK_EPCM_PF(fx_encls(SGX_EINIT), fx_epc(FX_SLOT)))
EINIT_CASE(secs_not_a_secs, fx.regs.rcx = fx_epc(FX_REG),
	   CHECK_EPCM_PF(fx_encls(SGX_EINIT), fx_epc(FX_REG)))
RULE(EINIT, FAMILYID)
EINIT_CODE(isvfamilyid_without_kss, fx.sig->isvfamilyid[0] = 1;
	   fx_sign(), SGX_ERR_INVALID_SIG_STRUCT)
RULE(EINIT, MEASURE_BUSY)
EINIT_GP(measurement_in_use, secs_get(&fx.pkg, FX_SECS)->hidden.measure_lock = -1;
	 fx.epcm[0].lock = 1)
RULE(EINIT, INITIALISED)
TEST(einit_twice)
{
	fx_enclave_init();
	CHECK_GP(fx_encls(SGX_EINIT));
}

/* The enclave against its SIGSTRUCT */
RULE(EINIT, HASH)
EINIT_CODE(enclavehash, fx.sig->enclavehash[31] ^= 1; fx_sign(), SGX_ERR_INVALID_MEASUREMENT)
RULE(EINIT, TOKENKEY)
EINIT_CODE(einittoken_key_not_authorised, ATTRIBUTES.flags |= SGX_ATTR_EINITTOKEN_KEY_BIT;
	   fx_einit(); fx.pkg.sgxlepubkeyhash[3]++, SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(einittoken_key_authorised, ATTRIBUTES.flags |= SGX_ATTR_EINITTOKEN_KEY_BIT; fx_einit())
RULE(EINIT, ATTRIBUTES)
EINIT_CODE(attributes, fx.sig->attributes.flags ^= SGX_ATTR_DEBUG_BIT;
	   fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(attributes_not_masked, fx.sig->attributes.flags ^= SGX_ATTR_DEBUG_BIT;
	 fx.sig->attributemask.flags = ~SGX_ATTR_DEBUG_BIT; fx_sign())
RULE(EINIT, XFRM)
EINIT_CODE(xfrm, fx.sig->attributes.xfrm = 3; fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(xfrm_not_masked, fx.sig->attributes.xfrm = 3; fx.sig->attributemask.xfrm = 3; fx_sign())
RULE(EINIT, CET)
EINIT_CODE(cet_attributes, fx.sig->cet_attributes = 1; fx.sig->cet_attributes_mask = 1;
	   fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
RULE(EINIT, MISCSELECT)
EINIT_CODE(miscselect, fx.sig->miscselect = 1; fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(miscselect_not_masked, fx.sig->miscselect = 1; fx.sig->miscmask = ~1u; fx_sign())
RULE(EINIT, SIGNER)
EINIT_CODE(signer_not_authorised, fx.pkg.sgxlepubkeyhash[0]++, SGX_ERR_INVALID_EINITTOKEN)

/* A token as the launch enclave would make it, for a signer that is not authorised. */
static void make_token(void)
{
	uint8_t key[SGX_KEY_SIZE];

	fx.pkg.sgxlepubkeyhash[0]++;
	fx.token->valid = 1;
	fx.token->attributes = ATTRIBUTES;
	memcpy(fx.token->mrenclave, fx.sig->enclavehash, SGX_HASH_SIZE);
	cpu_sigstruct_mrsigner(fx.sig, fx.token->mrsigner);
	memset(fx.token->cpusvnle, 5, SGX_CPUSVN_SIZE);
	fx.token->isvprodidle = 20;
	fx.token->isvsvnle = 2;
	fx.token->keyid[0] = 9;
	keys_launch(&fx.pkg, fx.token, key);
	keys_cmac(key, fx.token, 192, fx.token->mac);
}

/* Puts a right MAC on a token that is changed in what the MAC covers. */
static void remac(void)
{
	uint8_t key[SGX_KEY_SIZE];

	keys_launch(&fx.pkg, fx.token, key);
	keys_cmac(key, fx.token, 192, fx.token->mac);
}

RULE(EINIT, TOKEN)
EINIT_OK(token, make_token())
RULE(EINIT, TOKEN_DEBUG)
EINIT_CODE(token_of_debug_launch_enclave, ATTRIBUTES.flags &= ~SGX_ATTR_DEBUG_BIT; fx_einit();
	   make_token(); fx.token->maskedattributesle.flags = SGX_ATTR_DEBUG_BIT;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_OK(token_of_debug_launch_enclave_debug, make_token();
	 fx.token->maskedattributesle.flags = SGX_ATTR_DEBUG_BIT; remac())
RULE(EINIT, TOKEN_RESERVED)
EINIT_CODE(token_reserved_valid_bits, make_token(); fx.token->valid = 3;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved1, make_token(); fx.token->rsvd1[0] = 1;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved2, make_token(); fx.token->rsvd2[0] = 1;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved3, make_token(); fx.token->rsvd3[0] = 1;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved4, make_token(); fx.token->rsvd4[23] = 1, SGX_ERR_INVALID_EINITTOKEN)
RULE(EINIT, TOKEN_CPUSVN)
EINIT_CODE(token_cpusvn, make_token(); fx.token->cpusvnle[7] = 6; remac(), SGX_ERR_INVALID_CPUSVN)
EINIT_OK(token_cpusvn_older, make_token(); fx.token->cpusvnle[7] = 4; remac())
RULE(EINIT, TOKEN_MAC)
EINIT_CODE(token_mac, make_token(); fx.token->mac[0] ^= 1, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_maced_field, make_token();
	   fx.token->attributes.xfrm ^= 4, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_key_field, make_token(); fx.token->isvsvnle++, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_of_another_machine, make_token(); fx.pkg.fuses[0]++, SGX_ERR_INVALID_EINITTOKEN)
RULE(EINIT, TOKEN_MRENCLAVE)
EINIT_CODE(token_mrenclave, make_token(); fx.token->mrenclave[0] ^= 1;
	   remac(), SGX_ERR_INVALID_MEASUREMENT)
RULE(EINIT, TOKEN_MRSIGNER)
EINIT_CODE(token_mrsigner, make_token(); fx.token->mrsigner[0] ^= 1;
	   remac(), SGX_ERR_INVALID_MEASUREMENT)
RULE(EINIT, TOKEN_ATTRIBUTES)
EINIT_CODE(token_attributes, make_token(); fx.token->attributes.xfrm = 3;
	   remac(), SGX_ERR_INVALID_ATTRIBUTE)
/* A valid token is looked at for an authorised signer too. */
RULE(EINIT, TOKEN_MAC)
EINIT_CODE(token_bad_signer_authorised, make_token(); fx.pkg.sgxlepubkeyhash[0]--;
	   fx.token->mac[3] ^= 1, SGX_ERR_INVALID_EINITTOKEN)

/* What the MAC covers, and what the key is derived from: each byte of a token counts. */
RULE(EINIT, TOKEN_BYTES)
EINIT_CASE(token_each_maced_byte, make_token(),
	   each_byte((uint8_t *)fx.token, 0, 192, SGX_ERR_INVALID_EINITTOKEN, "EINITTOKEN"))
EINIT_CASE(token_each_byte_of_the_launch_enclave, make_token(),
	   each_byte((uint8_t *)fx.token, 192, 208, SGX_ERR_INVALID_CPUSVN, "CPUSVNLE");
	   each_byte((uint8_t *)fx.token, 208, 304, SGX_ERR_INVALID_EINITTOKEN, "EINITTOKEN"))

/* --- the order -------------------------------------------------------------------- */

static void break_token_attributes(void)
{
	make_token();
	fx.token->attributes.xfrm = 3;
	remac();
}

static void break_token_mrsigner(void)
{
	fx.token->mrsigner[0] ^= 1;
	remac();
}

static void break_token_mrenclave(void)
{
	fx.token->mrenclave[0] ^= 1;
	remac();
}

static void break_token_debug(void)
{
	ATTRIBUTES.flags &= ~SGX_ATTR_DEBUG_BIT;
	fx.sig->attributemask.flags &= ~SGX_ATTR_DEBUG_BIT;
	fx_sign();
	fx.token->maskedattributesle.flags = SGX_ATTR_DEBUG_BIT;
}

static void break_miscselect(void)
{
	fx.sig->miscselect = 1;
	fx_sign();
}

static void break_cet(void)
{
	fx.sig->cet_attributes = 1;
	fx.sig->cet_attributes_mask = 1;
	fx_sign();
}

static void break_xfrm(void)
{
	fx.sig->attributes.xfrm = 3;
	fx_sign();
}

static void break_attributes(void)
{
	fx.sig->attributes.flags ^= SGX_ATTR_PROVISION_KEY_BIT;
	fx_sign();
}

static void break_enclavehash(void)
{
	fx.sig->enclavehash[0] ^= 1;
	fx_sign();
}

static void break_familyid(void)
{
	secs_get(&fx.pkg, FX_SECS)->hidden.measure_lock = 0;
	fx.sig->isvfamilyid[0] = 1;
	fx_sign();
}

#define STEP(id, statement)          \
	static void break_##id(void) \
	{                            \
		statement;           \
	}
STEP(token_mac, fx.token->mac[0] ^= 1)
STEP(token_cpusvn, fx.token->cpusvnle[0] = 6)
STEP(token_reserved, fx.token->rsvd2[0] = 1)
STEP(signer, fx.token->valid = 0)
STEP(tokenkey, ATTRIBUTES.flags |= SGX_ATTR_EINITTOKEN_KEY_BIT)
STEP(init, ATTRIBUTES.flags |= SGX_ATTR_INIT_BIT)
STEP(measure, secs_get(&fx.pkg, FX_SECS)->hidden.measure_lock = -1; fx.pkg.config.debug_checks = 0)
STEP(secs, fx.regs.rcx = fx_epc(FX_REG))
STEP(busy, fx.epcm[FX_REG].lock = -1)
STEP(digest, fx.sig->isvsvn ^= 1)
STEP(q2, fx.sig->q2[0] ^= 1)
STEP(q1, fx.sig->q1[0] ^= 1)
STEP(reserved, fx.sig->rsvd2[0] = 1)
STEP(exponent, fx.sig->exponent = 65537)
STEP(vendor, fx.sig->vendor = 1)
STEP(header, fx.sig->header[0] ^= 1)
STEP(token_map, fx.mem_unmapped[3] = true)
STEP(sigstruct_map, fx.mem_unmapped[2] = true)
STEP(epc, fx.regs.rcx = FX_SOURCE)
STEP(alignment, fx.regs.rdx += 8)

/*
 * Rules are broken from the last to the first, and none is mended: each time the one
 * that was broken last is the first that is met.
 */
RULE(EINIT, ORDER)
TEST(einit_order)
{
	static const struct {
		void (*step)(void);
		enum why_rule rule;
	} steps[] = {
		{break_token_attributes, WHY_TOKEN_ATTRIBUTES},
		{break_token_mrsigner, WHY_TOKEN_MRSIGNER},
		{break_token_mrenclave, WHY_TOKEN_MRENCLAVE},
		{break_token_mac, WHY_TOKEN_MAC},
		{break_token_cpusvn, WHY_TOKEN_CPUSVN},
		{break_token_reserved, WHY_TOKEN_RESERVED},
		{break_token_debug, WHY_TOKEN_DEBUG},
		{break_signer, WHY_INIT_SIGNER},
		{break_miscselect, WHY_INIT_MISC_MASK},
		{break_cet, WHY_INIT_CET_MASK},
		{break_xfrm, WHY_INIT_XFRM_MASK},
		{break_attributes, WHY_INIT_ATTR_MASK},
		{break_tokenkey, WHY_INIT_TOKENKEY_SIGNER},
		{break_enclavehash, WHY_INIT_HASH},
		{break_init, WHY_SECS_INITIALISED},
		{break_measure, WHY_MEASURE_BUSY},
		{break_familyid, WHY_SIG_FAMILYID},
		{break_secs, WHY_SECS_GONE},
		{break_busy, WHY_EPCM_BUSY},
		{break_digest, WHY_SIG_DIGEST},
		{break_q2, WHY_SIG_Q2},
		{break_q1, WHY_SIG_Q1},
		{break_reserved, WHY_SIG_RESERVED},
		{break_exponent, WHY_SIG_EXPONENT},
		{break_vendor, WHY_SIG_VENDOR},
		{break_header, WHY_SIG_HEADER},
		{break_token_map, WHY_OPERAND_MAP},
		{break_sigstruct_map, WHY_OPERAND_MAP},
		{break_epc, WHY_OPERAND_EPC},
		{break_alignment, WHY_OPERAND_ADDR},
	};

	fx_enclave();
	fx_einit();
	fx_authorise();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		steps[i].step();
		CHECK(!cpu_ok(fx_encls(SGX_EINIT)));
		if (fx.why.rule != steps[i].rule)
			FAIL("step %zu: rule %u and not %u", i, fx.why.rule, steps[i].rule);
	}
}
