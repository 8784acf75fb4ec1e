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
EINIT_GP(sigstruct_unaligned, fx.regs.rbx += 8)
EINIT_GP(secs_unaligned, fx.regs.rcx += 8)
EINIT_GP(token_unaligned, fx.regs.rdx += 256)
EINIT_GP(token_not_canonical, fx.regs.rdx = 1ull << 48)
EINIT_CASE(secs_not_epc, fx.regs.rcx = FX_SOURCE, CHECK_EPCM_PF(fx_encls(SGX_EINIT), FX_SOURCE))
EINIT_CASE(sigstruct_unmapped, fx.mem_unmapped[2] = true,
	   CHECK_MEM_PF(fx_encls(SGX_EINIT), FX_SIGSTRUCT))
EINIT_CASE(token_unmapped, fx.mem_unmapped[3] = true, CHECK_MEM_PF(fx_encls(SGX_EINIT), FX_TOKEN))

/* SIGSTRUCT by itself */
EINIT_CODE(header, fx.sig->header[0]++, SGX_ERR_INVALID_SIG_STRUCT)
EINIT_CODE(header2, fx.sig->header2[15]++, SGX_ERR_INVALID_SIG_STRUCT)
EINIT_CODE(vendor, fx.sig->vendor = 1, SGX_ERR_INVALID_SIG_STRUCT)
EINIT_CODE(exponent, fx.sig->exponent = 65537, SGX_ERR_INVALID_SIG_STRUCT)
EINIT_CODE(reserved, fx.sig->rsvd4[11] = 1, SGX_ERR_INVALID_SIG_STRUCT)
EINIT_CODE(signature, fx.sig->signature[0] ^= 1, SGX_ERR_INVALID_SIGNATURE)
EINIT_CODE(q1, fx.sig->q1[0] ^= 1, SGX_ERR_INVALID_SIGNATURE)
EINIT_CODE(q2, fx.sig->q2[0] ^= 1, SGX_ERR_INVALID_SIGNATURE)
EINIT_CODE(other_contents, fx.sig->isvsvn ^= 1, SGX_ERR_INVALID_SIGNATURE)

/* The SECS */
EINIT_GP(secs_locked, fx.epcm[FX_SECS].lock = -1)
EINIT_OK(secs_shared, fx.epcm[FX_SECS].lock = 1)
EINIT_CASE(secs_invalid, fx.regs.rcx = fx_epc(FX_SLOT),
	   CHECK_EPCM_PF(fx_encls(SGX_EINIT), fx_epc(FX_SLOT)))
EINIT_CASE(secs_not_a_secs, fx.regs.rcx = fx_epc(FX_REG),
	   CHECK_EPCM_PF(fx_encls(SGX_EINIT), fx_epc(FX_REG)))
EINIT_CODE(isvfamilyid_without_kss, fx.sig->isvfamilyid[0] = 1;
	   fx_sign(), SGX_ERR_INVALID_SIG_STRUCT)
EINIT_GP(measurement_in_use, secs_get(&fx.pkg, FX_SECS)->hidden.measure_lock = -1;
	 fx.epcm[0].lock = 1)
TEST(einit_twice)
{
	fx_enclave_init();
	CHECK_GP(fx_encls(SGX_EINIT));
}

/* The enclave against its SIGSTRUCT */
EINIT_CODE(enclavehash, fx.sig->enclavehash[31] ^= 1; fx_sign(), SGX_ERR_INVALID_MEASUREMENT)
EINIT_CODE(einittoken_key_not_authorised, ATTRIBUTES.flags |= SGX_ATTR_EINITTOKEN_KEY_BIT;
	   fx_einit(); fx.pkg.sgxlepubkeyhash[3]++, SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(einittoken_key_authorised, ATTRIBUTES.flags |= SGX_ATTR_EINITTOKEN_KEY_BIT; fx_einit())
EINIT_CODE(attributes, fx.sig->attributes.flags ^= SGX_ATTR_DEBUG_BIT;
	   fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(attributes_not_masked, fx.sig->attributes.flags ^= SGX_ATTR_DEBUG_BIT;
	 fx.sig->attributemask.flags = ~SGX_ATTR_DEBUG_BIT; fx_sign())
EINIT_CODE(xfrm, fx.sig->attributes.xfrm = 3; fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(xfrm_not_masked, fx.sig->attributes.xfrm = 3; fx.sig->attributemask.xfrm = 3; fx_sign())
EINIT_CODE(cet_attributes, fx.sig->cet_attributes = 1; fx.sig->cet_attributes_mask = 1;
	   fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
EINIT_CODE(miscselect, fx.sig->miscselect = 1; fx_sign(), SGX_ERR_INVALID_ATTRIBUTE)
EINIT_OK(miscselect_not_masked, fx.sig->miscselect = 1; fx.sig->miscmask = ~1u; fx_sign())
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

EINIT_OK(token, make_token())
EINIT_CODE(token_of_debug_launch_enclave, ATTRIBUTES.flags &= ~SGX_ATTR_DEBUG_BIT; fx_einit();
	   make_token(); fx.token->maskedattributesle.flags = SGX_ATTR_DEBUG_BIT;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_OK(token_of_debug_launch_enclave_debug, make_token();
	 fx.token->maskedattributesle.flags = SGX_ATTR_DEBUG_BIT; remac())
EINIT_CODE(token_reserved_valid_bits, make_token(); fx.token->valid = 3;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved1, make_token(); fx.token->rsvd1[0] = 1;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved2, make_token(); fx.token->rsvd2[0] = 1;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved3, make_token(); fx.token->rsvd3[0] = 1;
	   remac(), SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_reserved4, make_token(); fx.token->rsvd4[23] = 1, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_cpusvn, make_token(); fx.token->cpusvnle[7] = 6; remac(), SGX_ERR_INVALID_CPUSVN)
EINIT_OK(token_cpusvn_older, make_token(); fx.token->cpusvnle[7] = 4; remac())
EINIT_CODE(token_mac, make_token(); fx.token->mac[0] ^= 1, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_maced_field, make_token();
	   fx.token->attributes.xfrm ^= 4, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_key_field, make_token(); fx.token->isvsvnle++, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_of_another_machine, make_token(); fx.pkg.fuses[0]++, SGX_ERR_INVALID_EINITTOKEN)
EINIT_CODE(token_mrenclave, make_token(); fx.token->mrenclave[0] ^= 1;
	   remac(), SGX_ERR_INVALID_MEASUREMENT)
EINIT_CODE(token_mrsigner, make_token(); fx.token->mrsigner[0] ^= 1;
	   remac(), SGX_ERR_INVALID_MEASUREMENT)
EINIT_CODE(token_attributes, make_token(); fx.token->attributes.xfrm = 3;
	   remac(), SGX_ERR_INVALID_ATTRIBUTE)
/* A valid token is looked at for an authorised signer too. */
EINIT_CODE(token_bad_signer_authorised, make_token(); fx.pkg.sgxlepubkeyhash[0]--;
	   fx.token->mac[3] ^= 1, SGX_ERR_INVALID_EINITTOKEN)
