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

/* Where a reserved byte of the SIGSTRUCT is set. */
static size_t reserved_at(const struct sgx_sigstruct_arch *sig)
{
	/* clang-format off */
	static const struct { uint32_t offset, size; } reserved[] = {
		{ offsetof(struct sgx_sigstruct_arch, rsvd1), sizeof(sig->rsvd1) },
		{ offsetof(struct sgx_sigstruct_arch, rsvd2), sizeof(sig->rsvd2) },
		{ offsetof(struct sgx_sigstruct_arch, rsvd3), sizeof(sig->rsvd3) },
		{ offsetof(struct sgx_sigstruct_arch, rsvd4), sizeof(sig->rsvd4) },
	};
	/* clang-format on */
	size_t i = 0, set = 0;

	for (; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		set = mem_first_set((const uint8_t *)sig + reserved[i].offset, reserved[i].size);
		if (set < reserved[i].size)
			return reserved[i].offset + set;
	}
	return 0;
}

/* The SIGSTRUCT by itself. */
static enum sgx_code check_sigstruct(const struct sgx_sigstruct_arch *sig, struct why *why)
{
	const int bad = SGX_ERR_INVALID_SIG_STRUCT, forged = SGX_ERR_INVALID_SIGNATURE;
	uint8_t mrsigner[SGX_HASH_SIZE];

	switch (cpu_sigstruct_verify(sig)) {
	case CPU_SIG_OK:
		return SGX_OK;
	case CPU_SIG_HEADER:
		return why_ret(why, bad, WHY_SIG_HEADER, mem_prefix(sig->header), 0);
	case CPU_SIG_VENDOR:
		return why_ret(why, bad, WHY_SIG_VENDOR, sig->vendor, 0);
	case CPU_SIG_EXPONENT:
		return why_ret(why, bad, WHY_SIG_EXPONENT, sig->exponent, 3);
	case CPU_SIG_RESERVED:
		return why_ret(why, bad, WHY_SIG_RESERVED, reserved_at(sig), 0);
	case CPU_SIG_Q1:
		return why_ret(why, forged, WHY_SIG_Q1, mem_prefix(sig->q1), 0);
	case CPU_SIG_Q2:
		return why_ret(why, forged, WHY_SIG_Q2, mem_prefix(sig->q2), 0);
	case CPU_SIG_PADDING:
		cpu_sigstruct_mrsigner(sig, mrsigner);
		return why_ret(why, forged, WHY_SIG_PADDING, mem_prefix(mrsigner), 0);
	case CPU_SIG_DIGEST:
		break;
	}
	return why_ret(why, forged, WHY_SIG_DIGEST, 0, 0);
}

/* A field of the SECS that the SIGSTRUCT wants otherwise, in the bits of the mask. */
static enum sgx_code mask_differs(struct why *why, enum why_rule rule, uint64_t secs, uint64_t sig,
				  uint64_t mask)
{
	if (why)
		why->at = (secs ^ sig) & mask;
	return why_ret(why, SGX_ERR_INVALID_ATTRIBUTE, rule, secs, sig);
}

/* ATTRIBUTES (flags and XFRM), CET_ATTRIBUTES and MISCSELECT as signed, where masks look. */
static enum sgx_code check_masks(const struct sgx_secs *secs, const struct sgx_sigstruct_arch *sig,
				 struct why *why)
{
	const struct sgx_attributes *is = &secs->attributes, *want = &sig->attributes;
	const struct sgx_attributes *mask = &sig->attributemask;

	if ((is->flags ^ want->flags) & mask->flags)
		return mask_differs(why, WHY_INIT_ATTR_MASK, is->flags, want->flags, mask->flags);
	if ((is->xfrm ^ want->xfrm) & mask->xfrm)
		return mask_differs(why, WHY_INIT_XFRM_MASK, is->xfrm, want->xfrm, mask->xfrm);
	if ((secs->cet_attributes ^ sig->cet_attributes) & sig->cet_attributes_mask)
		return mask_differs(why, WHY_INIT_CET_MASK, secs->cet_attributes,
				    sig->cet_attributes, sig->cet_attributes_mask);
	if ((secs->miscselect ^ sig->miscselect) & sig->miscmask)
		return mask_differs(why, WHY_INIT_MISC_MASK, secs->miscselect, sig->miscselect,
				    sig->miscmask);
	return SGX_OK;
}

/* The enclave against its SIGSTRUCT. */
static enum sgx_code check_enclave(const struct cpu_package *pkg, const struct sgx_secs *secs,
				   const struct einit *in, struct why *why)
{
	const struct sgx_sigstruct_arch *sig = &in->sig;
	bool authorised = !memcmp(in->mrsigner, pkg->sgxlepubkeyhash, SGX_HASH_SIZE);
	uint64_t signer = mem_prefix(in->mrsigner), allowed = mem_prefix(pkg->sgxlepubkeyhash);
	enum sgx_code code;

	/* The enclave is the one that was signed. */
	if (memcmp(sig->enclavehash, in->mrenclave, SGX_HASH_SIZE))
		return why_ret(why, SGX_ERR_INVALID_MEASUREMENT, WHY_INIT_HASH,
			       mem_prefix(sig->enclavehash), mem_prefix(in->mrenclave));
	/* EINITTOKEN_KEY is for the signer in IA32_SGXLEPUBKEYHASH alone. */
	if ((secs->attributes.flags & SGX_ATTR_EINITTOKEN_KEY_BIT) && !authorised)
		return why_ret(why, SGX_ERR_INVALID_ATTRIBUTE, WHY_INIT_TOKENKEY_SIGNER, signer,
			       allowed);
	code = check_masks(secs, sig, why);
	if (code != SGX_OK)
		return code;
	/* Without a valid token, the signer is the authorised one. */
	if (!(in->token.valid & TOKEN_VALID_BIT) && !authorised)
		return why_ret(why, SGX_ERR_INVALID_EINITTOKEN, WHY_INIT_SIGNER, signer, allowed);
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
				 const struct einit *in, struct why *why)
{
	const int bad = SGX_ERR_INVALID_EINITTOKEN, other = SGX_ERR_INVALID_MEASUREMENT;
	const struct sgx_einittoken *token = &in->token;
	uint8_t key[SGX_KEY_SIZE], mac[SGX_KEY_SIZE];

	/* A debug launch enclave launches debug enclaves only. */
	if ((token->maskedattributesle.flags & SGX_ATTR_DEBUG_BIT) &&
	    !(secs->attributes.flags & SGX_ATTR_DEBUG_BIT))
		return why_ret(why, bad, WHY_TOKEN_DEBUG, secs->attributes.flags, 0);
	if (!token_reserved_clear(token))
		return why_ret(why, bad, WHY_TOKEN_RESERVED, token->valid, 0);
	/* Made by a processor that is not newer than this one. */
	if (keys_cpusvn_beyond(pkg, token->cpusvnle))
		return why_ret(why, SGX_ERR_INVALID_CPUSVN, WHY_TOKEN_CPUSVN,
			       mem_prefix(token->cpusvnle), mem_prefix(pkg->cpusvn));
	/* The MAC over the first 192 bytes, under the launch key. */
	keys_launch(pkg, token, key);
	keys_cmac(key, token, TOKEN_MACED_SIZE, mac);
	if (memcmp(mac, token->mac, sizeof(mac)))
		return why_ret(why, bad, WHY_TOKEN_MAC, mem_prefix(token->mac), 0);
	/* For this MRENCLAVE and MRSIGNER, */
	if (memcmp(token->mrenclave, in->mrenclave, SGX_HASH_SIZE))
		return why_ret(why, other, WHY_TOKEN_MRENCLAVE, mem_prefix(token->mrenclave),
			       mem_prefix(in->mrenclave));
	if (memcmp(token->mrsigner, in->mrsigner, SGX_HASH_SIZE))
		return why_ret(why, other, WHY_TOKEN_MRSIGNER, mem_prefix(token->mrsigner),
			       mem_prefix(in->mrsigner));
	/* and these ATTRIBUTES. */
	if (token->attributes.flags != secs->attributes.flags ||
	    token->attributes.xfrm != secs->attributes.xfrm)
		return why_ret(why, SGX_ERR_INVALID_ATTRIBUTE, WHY_TOKEN_ATTRIBUTES,
			       token->attributes.flags, secs->attributes.flags);
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
				    struct einit *in, struct why *why)
{
	struct cpu_result r = cpu_gp();
	enum sgx_code code;

	/* ISVFAMILYID is key separation's: 0 without ATTRIBUTES.KSS. */
	if (!(secs_flags(secs) & SGX_ATTR_KSS_BIT) &&
	    !mem_is_zero(in->sig.isvfamilyid, sizeof(in->sig.isvfamilyid))) {
		why_note(why, WHY_SIG_FAMILYID, mem_prefix(in->sig.isvfamilyid), 0);
		return cpu_code(SGX_ERR_INVALID_SIG_STRUCT);
	}
	/* Nobody else uses MRENCLAVE, and the enclave is not initialised. */
	if (!epcm_lock_exclusive(&secs->hidden.measure_lock))
		return cpu_gp_why(why, WHY_MEASURE_BUSY, 0, 0);
	if (secs_initialised(secs)) {
		why_note(why, WHY_SECS_INITIALISED, 0, 0);
		goto unlock;
	}

	cpu_measure_final(&secs->hidden.measure, in->mrenclave);
	cpu_sigstruct_mrsigner(&in->sig, in->mrsigner);
	code = check_enclave(pkg, &secs->arch, in, why);
	if (code == SGX_OK && (in->token.valid & TOKEN_VALID_BIT))
		code = check_token(pkg, &secs->arch, in, why);
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
	r = operand_check(as, regs->rbx, SIGSTRUCT_ALIGN);
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, regs->rcx, SGX_PAGE_SIZE);
	if (!cpu_ok(r))
		return r;
	r = operand_check(as, regs->rdx, EINITTOKEN_ALIGN);
	if (!cpu_ok(r))
		return r;
	r = operand_epc(pkg, as, regs->rcx, &slot);
	if (!cpu_ok(r))
		return r;

	/* Copies, so that what is verified is what is used. */
	r = operand_read(as, regs->rbx, &in.sig, sizeof(in.sig));
	if (!cpu_ok(r))
		return r;
	r = operand_read(as, regs->rdx, &in.token, sizeof(in.token));
	if (!cpu_ok(r))
		return r;
	code = check_sigstruct(&in.sig, as->why);
	if (code != SGX_OK)
		return cpu_code(code);

	/* No other leaf takes the SECS away, and it is one. */
	entry = epcm_get(pkg, slot);
	if (!epcm_lock_shared(&entry->lock))
		return cpu_gp_why(as->why, WHY_EPCM_BUSY, regs->rcx, 0);
	if (entry->valid && entry->pt == SGX_PT_SECS)
		r = initialise(pkg, secs_get(pkg, slot), &in, as->why);
	else
		r = epcm_pf_why(as->why, WHY_SECS_GONE, regs->rcx);
	epcm_unlock_shared(&entry->lock);
	return r;
}
