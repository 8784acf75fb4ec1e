/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EINIT]: RBX = SIGSTRUCT, RCX = SECS, RDX = EINITTOKEN.
 *
 * RAX: 0, SGX_INVALID_SIG_STRUCT, SGX_INVALID_SIGNATURE,
 * SGX_INVALID_MEASUREMENT, SGX_INVALID_ATTRIBUTE, SGX_INVALID_EINITTOKEN,
 * SGX_INVALID_CPUSVN.  SGX_UNMASKED_EVENT never: no interrupt is ever pending
 * in the model.
 */
#include "encls.h"

#include <base/bits.h>
#include <cpu/sigstruct.h>
#include <string.h>

#include "../epcm.h"
#include "../keys.h"
#include "../operand.h"
#include "../secs.h"

#define SIGSTRUCT_ALIGN	 4096u
#define EINITTOKEN_ALIGN 512u
#define TOKEN_VALID_BIT	 1u
#define TOKEN_MACED_SIZE 192u

/* What EINIT works on: private copies, and what it computes from them. */
struct einit {
	struct sgx_sigstruct_arch sig;
	struct sgx_einittoken token;
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t mrsigner[SGX_HASH_SIZE];
};

/* The SIGSTRUCT by itself. */
static enum sgx_code check_sigstruct(const struct sgx_sigstruct_arch *sig)
{
	switch (cpu_sigstruct_verify(sig)) {
	case CPU_SIG_OK:
		return SGX_OK;
	case CPU_SIG_HEADER:
	case CPU_SIG_VENDOR:
	case CPU_SIG_EXPONENT:
	case CPU_SIG_RESERVED:
		return SGX_ERR_INVALID_SIG_STRUCT;
	default:
		return SGX_ERR_INVALID_SIGNATURE;
	}
}

/* The enclave against its SIGSTRUCT. */
static enum sgx_code check_enclave(const struct cpu_package *pkg, const struct sgx_secs *secs,
				   const struct einit *in)
{
	const struct sgx_sigstruct_arch *sig = &in->sig;
	bool authorised = !memcmp(in->mrsigner, pkg->sgxlepubkeyhash, SGX_HASH_SIZE);

	/* The enclave is the one that was signed. */
	if (memcmp(sig->enclavehash, in->mrenclave, SGX_HASH_SIZE))
		return SGX_ERR_INVALID_MEASUREMENT;
	/* EINITTOKEN_KEY is for the signer in IA32_SGXLEPUBKEYHASH alone. */
	if ((secs->attributes.flags & SGX_ATTR_EINITTOKEN_KEY_BIT) && !authorised)
		return SGX_ERR_INVALID_ATTRIBUTE;
	/* ATTRIBUTES (flags and XFRM) as signed, where the mask looks. */
	if (((secs->attributes.flags ^ sig->attributes.flags) & sig->attributemask.flags) ||
	    ((secs->attributes.xfrm ^ sig->attributes.xfrm) & sig->attributemask.xfrm))
		return SGX_ERR_INVALID_ATTRIBUTE;
	if ((secs->cet_attributes ^ sig->cet_attributes) & sig->cet_attributes_mask)
		return SGX_ERR_INVALID_ATTRIBUTE;
	/* MISCSELECT likewise. */
	if ((secs->miscselect ^ sig->miscselect) & sig->miscmask)
		return SGX_ERR_INVALID_ATTRIBUTE;
	/* Without a valid token, the signer is the authorised one. */
	if (!(in->token.valid & TOKEN_VALID_BIT) && !authorised)
		return SGX_ERR_INVALID_EINITTOKEN;
	return SGX_OK;
}

static bool token_reserved_clear(const struct sgx_einittoken *token)
{
	return !(token->valid & ~TOKEN_VALID_BIT) &&
	       mem_is_zero(token->rsvd1, sizeof(token->rsvd1)) &&
	       mem_is_zero(token->rsvd2, sizeof(token->rsvd2)) &&
	       mem_is_zero(token->rsvd3, sizeof(token->rsvd3)) &&
	       mem_is_zero(token->rsvd4, sizeof(token->rsvd4));
}

/* A valid token: from this processor's launch enclave, for this enclave. */
static enum sgx_code check_token(const struct cpu_package *pkg, const struct sgx_secs *secs,
				 const struct einit *in)
{
	const struct sgx_einittoken *token = &in->token;
	uint8_t key[SGX_KEY_SIZE], mac[SGX_KEY_SIZE];

	/* A debug launch enclave launches debug enclaves only. */
	if ((token->maskedattributesle.flags & SGX_ATTR_DEBUG_BIT) &&
	    !(secs->attributes.flags & SGX_ATTR_DEBUG_BIT))
		return SGX_ERR_INVALID_EINITTOKEN;
	if (!token_reserved_clear(token))
		return SGX_ERR_INVALID_EINITTOKEN;
	/* Made by a processor that is not newer than this one. */
	if (keys_cpusvn_beyond(pkg, token->cpusvnle))
		return SGX_ERR_INVALID_CPUSVN;
	/* The MAC over the first 192 bytes, under the launch key. */
	keys_launch(pkg, token, key);
	keys_cmac(key, token, TOKEN_MACED_SIZE, mac);
	if (memcmp(mac, token->mac, sizeof(mac)))
		return SGX_ERR_INVALID_EINITTOKEN;
	/* For this MRENCLAVE and MRSIGNER, */
	if (memcmp(token->mrenclave, in->mrenclave, SGX_HASH_SIZE) ||
	    memcmp(token->mrsigner, in->mrsigner, SGX_HASH_SIZE))
		return SGX_ERR_INVALID_MEASUREMENT;
	/* and these ATTRIBUTES. */
	if (token->attributes.flags != secs->attributes.flags ||
	    token->attributes.xfrm != secs->attributes.xfrm)
		return SGX_ERR_INVALID_ATTRIBUTE;
	return SGX_OK;
}

static void commit(union secs_page *secs, const struct einit *in)
{
	memcpy(secs->arch.mrenclave, in->mrenclave, sizeof(secs->arch.mrenclave));
	memcpy(secs->arch.mrsigner, in->mrsigner, sizeof(secs->arch.mrsigner));
	secs->arch.isvprodid = in->sig.isvprodid;
	secs->arch.isvsvn = in->sig.isvsvn;
	memcpy(secs->hidden.isvfamilyid, in->sig.isvfamilyid, sizeof(secs->hidden.isvfamilyid));
	memcpy(secs->hidden.isvextprodid, in->sig.isvextprodid, sizeof(secs->hidden.isvextprodid));
	__atomic_or_fetch(&secs->arch.attributes.flags, SGX_ATTR_INIT_BIT, __ATOMIC_RELEASE);
}

/* The checks on the SECS, which is held, and the commit. */
static struct cpu_result initialise(struct cpu_package *pkg, union secs_page *secs,
				    struct einit *in)
{
	struct cpu_result r = cpu_gp();
	enum sgx_code code;

	/* ISVFAMILYID is key separation's: 0 without ATTRIBUTES.KSS. */
	if (!(secs_flags(secs) & SGX_ATTR_KSS_BIT) &&
	    !mem_is_zero(in->sig.isvfamilyid, sizeof(in->sig.isvfamilyid)))
		return cpu_code(SGX_ERR_INVALID_SIG_STRUCT);
	/* Nobody else uses MRENCLAVE, and the enclave is not initialised. */
	if (!epcm_lock_exclusive(&secs->hidden.measure_lock))
		return r;
	if (secs_initialised(secs))
		goto unlock;

	cpu_measure_final(&secs->hidden.measure, in->mrenclave);
	cpu_sigstruct_mrsigner(&in->sig, in->mrsigner);
	code = check_enclave(pkg, &secs->arch, in);
	if (code == SGX_OK && (in->token.valid & TOKEN_VALID_BIT))
		code = check_token(pkg, &secs->arch, in);
	r = cpu_code(code);
	if (code != SGX_OK)
		goto unlock;

	commit(secs, in);
	r = cpu_done();
unlock:
	epcm_unlock_exclusive(&secs->hidden.measure_lock);
	return r;
}

struct cpu_result encls_einit(struct cpu_package *pkg, const struct cpu_as *as,
			      struct cpu_regs *regs)
{
	struct epcm_entry *entry;
	struct cpu_result r;
	struct einit in;
	enum sgx_code code;
	epc_slot_t slot;

	/* SIGSTRUCT and SECS page-aligned, EINITTOKEN 512-byte aligned; SECS in the EPC. */
	r = operand_check(regs->rbx, SIGSTRUCT_ALIGN);
	if (!cpu_ok(r))
		return r;
	r = operand_check(regs->rcx, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(regs->rdx, EINITTOKEN_ALIGN);
	if (!cpu_ok(r))
		return r;
	r = operand_epc(pkg, regs->rcx, &slot);
	if (!cpu_ok(r))
		return r;

	/* Copies, so that what is verified is what is used. */
	r = operand_read(as, regs->rbx, &in.sig, sizeof(in.sig));
	if (!cpu_ok(r))
		return r;
	r = operand_read(as, regs->rdx, &in.token, sizeof(in.token));
	if (!cpu_ok(r))
		return r;
	code = check_sigstruct(&in.sig);
	if (code != SGX_OK)
		return cpu_code(code);

	/* No other leaf takes the SECS away, and it is one. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_gp();
	r = epcm_pf(regs->rcx);
	if (entry->valid && entry->pt == SGX_PT_SECS)
		r = initialise(pkg, secs_get(pkg, slot), &in);
	epcm_unlock_shared(&entry->lock);
	return r;
}
