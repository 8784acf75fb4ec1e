/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLU[EGETKEY]: RBX = KEYREQUEST, RCX = where the 16 bytes of the key go; both
 * in the enclave.
 *
 * RAX: 0, SGX_INVALID_KEYNAME, SGX_INVALID_ATTRIBUTE, SGX_INVALID_CPUSVN,
 * SGX_INVALID_ISVSVN.
 *
 * What each key depends on is the SDM's table, and no more:
 *
 *			EINITTOKEN PROVISION  PROV._SEAL REPORT	    SEAL
 *	wants attribute	EINITTOKEN PROVISION  PROVISION	 -	    -
 *	CPUSVN, ISVSVN	request	   request    request	 CPU, 0	    request
 *	ATTRIBUTES	masked	   masked     masked	 all	    masked
 *	ATTRIBUTEMASK	0	   request    request	 0	    request
 *	MISCSELECT	masked	   masked     masked	 all	    masked
 *	MISCMASK	0	   inverted   inverted	 0	    inverted
 *	MRENCLAVE	0	   0	      0		 SECS	    by policy
 *	MRSIGNER	SECS	   SECS	      SECS	 0	    by policy
 *	ISVPRODID	SECS	   SECS	      by policy	 0	    by policy
 *	ISVFAMILYID,	0	   0	      by policy	 0	    by policy
 *	ISVEXTPRODID
 *	CONFIGID, -SVN	0	   0	      by policy	 SECS	    by policy
 *	KEYPOLICY	0	   0	      request	 0	    request
 *	KEYID		request	   0	      0		 request    request
 *	OWNEREPOCH	CPU	   0	      0		 CPU	    CPU
 *	SEAL_FUSES	CPU	   0	      CPU	 CPU	    CPU
 *
 * Masked: by the request's mask, with INIT and DEBUG always in, so that a debug enclave
 * never gets another's keys.
 */
#include "enclu.h"

#include <base/bits.h>
#include <string.h>

#include "../keys.h"
#include "../operand.h"
#include "../secs.h"

#define KEYPOLICY_BITS 0x3fu
/* What came with key separation and sharing */
#define KEYPOLICY_KSS_BITS                                            \
	(SGX_KEYPOLICY_NOISVPRODID_BIT | SGX_KEYPOLICY_CONFIGID_BIT | \
	 SGX_KEYPOLICY_ISVFAMILYID_BIT | SGX_KEYPOLICY_ISVEXTPRODID_BIT)

/* The request by itself; each is a #GP(0). */
static bool request_legal(const struct sgx_keyrequest *request, uint64_t attributes,
			  struct why *why)
{
	/* Reserved bytes and policies are 0. */
	if (request->rsvd1)
		return why_not(why, WHY_KEYREQUEST_RESERVED, offsetof(struct sgx_keyrequest, rsvd1),
			       0);
	if (!mem_is_zero(request->rsvd2, sizeof(request->rsvd2)))
		return why_not(why, WHY_KEYREQUEST_RESERVED,
			       offsetof(struct sgx_keyrequest, rsvd2) +
				       mem_first_set(request->rsvd2, sizeof(request->rsvd2)),
			       0);
	if (request->keypolicy & ~KEYPOLICY_BITS)
		return why_not(why, WHY_KEYREQUEST_POLICY, request->keypolicy, KEYPOLICY_BITS);
	if (!(attributes & SGX_ATTR_CET_BIT) && request->cet_attributes_mask)
		return why_not(why, WHY_KEYREQUEST_CET, request->cet_attributes_mask, 0);
	/* Nothing of key separation without ATTRIBUTES.KSS. */
	if (!(attributes & SGX_ATTR_KSS_BIT) &&
	    ((request->keypolicy & KEYPOLICY_KSS_BITS) || request->configsvn))
		return why_not(why, WHY_KEYREQUEST_KSS, request->keypolicy, request->configsvn);
	return true;
}

/* The key that reports for this enclave are MACed with, under the KEYID asked for. */
static void report_key(const struct cpu_package *pkg, const struct sgx_secs *secs,
		       const struct sgx_keyrequest *request, uint8_t key[SGX_KEY_SIZE])
{
	struct sgx_targetinfo self = {
		.attributes = secs->attributes,
		.cet_attributes = secs->cet_attributes,
		.configsvn = secs->configsvn,
		.miscselect = secs->miscselect,
	};

	memcpy(self.measurement, secs->mrenclave, sizeof(self.measurement));
	memcpy(self.configid, secs->configid, sizeof(self.configid));
	keys_report(pkg, &self, request->keyid, key);
}

/* The attribute that makes an enclave entitled to a key; 0: none is needed. */
static uint64_t entitling(unsigned int keyname)
{
	switch (keyname) {
	case SGX_KEYNAME_EINITTOKEN:
		return SGX_ATTR_EINITTOKEN_KEY_BIT;
	case SGX_KEYNAME_PROVISION:
	case SGX_KEYNAME_PROVISION_SEAL:
		return SGX_ATTR_PROVISION_KEY_BIT;
	default:
		return 0;
	}
}

/* The codes, in the SDM's order. */
static enum sgx_code request_allowed(const struct cpu_package *pkg, const struct sgx_secs *secs,
				     const struct sgx_keyrequest *request, struct why *why)
{
	const uint64_t attribute = entitling(request->keyname);

	if (request->keyname > SGX_KEYNAME_SEAL)
		return why_ret(why, SGX_ERR_INVALID_KEYNAME, WHY_EGETKEY_NAME, request->keyname, 0);
	/* A report key is this enclave's and this processor's: no version is asked for. */
	if (request->keyname == SGX_KEYNAME_REPORT)
		return SGX_OK;
	if (attribute && !(secs->attributes.flags & attribute))
		return why_ret(why, SGX_ERR_INVALID_ATTRIBUTE, WHY_EGETKEY_ATTRIBUTE,
			       request->keyname, attribute);
	/* Nobody gets the keys of versions that are newer than himself. */
	if (keys_cpusvn_beyond(pkg, request->cpusvn))
		return why_ret(why, SGX_ERR_INVALID_CPUSVN, WHY_EGETKEY_CPUSVN,
			       mem_prefix(request->cpusvn), mem_prefix(pkg->cpusvn));
	if (request->isvsvn > secs->isvsvn)
		return why_ret(why, SGX_ERR_INVALID_ISVSVN, WHY_EGETKEY_ISVSVN, request->isvsvn,
			       secs->isvsvn);
	/* The SDM asks for this one of the seal key alone. */
	if (request->keyname == SGX_KEYNAME_SEAL && request->configsvn > secs->configsvn)
		return why_ret(why, SGX_ERR_INVALID_ISVSVN, WHY_EGETKEY_CONFIGSVN,
			       request->configsvn, secs->configsvn);
	return SGX_OK;
}

/* What all keys but the report key have in common. */
static void depend_on_versions(const struct sgx_secs *secs, const struct sgx_keyrequest *request,
			       struct key_dependencies *dep)
{
	const uint64_t always = SGX_ATTR_INIT_BIT | SGX_ATTR_DEBUG_BIT;

	dep->keyname = request->keyname;
	dep->isvsvn = request->isvsvn;
	memcpy(dep->cpusvn, request->cpusvn, sizeof(dep->cpusvn));
	dep->attributes.flags = (request->attributemask.flags | always) & secs->attributes.flags;
	dep->attributes.xfrm = request->attributemask.xfrm & secs->attributes.xfrm;
	dep->miscselect = request->miscmask & secs->miscselect;
}

/* Which masks were used: another mask is another key, whatever it lets through. */
static void depend_on_masks(const struct sgx_secs *secs, const struct sgx_keyrequest *request,
			    struct key_dependencies *dep)
{
	dep->attributemask = request->attributemask;
	dep->miscmask = ~request->miscmask;
	dep->cet_attributes = request->cet_attributes_mask & secs->cet_attributes;
	dep->cet_attributes_mask = request->cet_attributes_mask;
}

static void depend_on_signer(const struct sgx_secs *secs, struct key_dependencies *dep)
{
	memcpy(dep->mrsigner, secs->mrsigner, sizeof(dep->mrsigner));
}

/* The parts of the identity that the policy may add, or (ISVPRODID) leave out. */
static void depend_on_policy(const union secs_page *secs, const struct sgx_keyrequest *request,
			     struct key_dependencies *dep)
{
	const uint16_t policy = request->keypolicy;

	dep->keypolicy = policy;
	if (!(policy & SGX_KEYPOLICY_NOISVPRODID_BIT))
		dep->isvprodid = secs->arch.isvprodid;
	if (policy & SGX_KEYPOLICY_ISVFAMILYID_BIT)
		memcpy(dep->isvfamilyid, secs->hidden.isvfamilyid, sizeof(dep->isvfamilyid));
	if (policy & SGX_KEYPOLICY_ISVEXTPRODID_BIT)
		memcpy(dep->isvextprodid, secs->hidden.isvextprodid, sizeof(dep->isvextprodid));
	if (policy & SGX_KEYPOLICY_CONFIGID_BIT) {
		memcpy(dep->configid, secs->arch.configid, sizeof(dep->configid));
		dep->configsvn = request->configsvn;
	}
}

/* The key of a request that is allowed. */
static void derive(const struct cpu_package *pkg, const union secs_page *secs,
		   const struct sgx_keyrequest *request, uint8_t key[SGX_KEY_SIZE])
{
	struct key_dependencies dep = {0};

	if (request->keyname == SGX_KEYNAME_REPORT) {
		report_key(pkg, &secs->arch, request, key);
		return;
	}
	depend_on_versions(&secs->arch, request, &dep);
	switch (request->keyname) {
	case SGX_KEYNAME_EINITTOKEN:
		depend_on_signer(&secs->arch, &dep);
		dep.isvprodid = secs->arch.isvprodid;
		memcpy(dep.keyid, request->keyid, sizeof(dep.keyid));
		keys_platform(pkg, KEYS_OWNER_EPOCH | KEYS_SEAL_FUSES, &dep);
		break;
	case SGX_KEYNAME_PROVISION:
		depend_on_masks(&secs->arch, request, &dep);
		depend_on_signer(&secs->arch, &dep);
		dep.isvprodid = secs->arch.isvprodid;
		break;
	case SGX_KEYNAME_PROVISION_SEAL:
		depend_on_masks(&secs->arch, request, &dep);
		depend_on_signer(&secs->arch, &dep);
		depend_on_policy(secs, request, &dep);
		keys_platform(pkg, KEYS_SEAL_FUSES, &dep);
		break;
	default: /* SEAL */
		depend_on_masks(&secs->arch, request, &dep);
		if (request->keypolicy & SGX_KEYPOLICY_MRENCLAVE_BIT)
			memcpy(dep.mrenclave, secs->arch.mrenclave, sizeof(dep.mrenclave));
		if (request->keypolicy & SGX_KEYPOLICY_MRSIGNER_BIT)
			depend_on_signer(&secs->arch, &dep);
		depend_on_policy(secs, request, &dep);
		memcpy(dep.keyid, request->keyid, sizeof(dep.keyid));
		keys_platform(pkg, KEYS_OWNER_EPOCH | KEYS_SEAL_FUSES, &dep);
		break;
	}
	keys_derive(pkg, &dep, key);
}

struct cpu_result enclu_egetkey(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				struct cpu_regs *regs)
{
	const union secs_page *secs = secs_get(pkg, encl->secs);
	struct enclave_operand in, out;
	struct sgx_keyrequest request;
	uint8_t key[SGX_KEY_SIZE];
	enum sgx_code code;
	struct cpu_result r;

	/* KEYREQUEST readable, the key's place writable. */
	r = operand_enclave(pkg, encl, OPERAND_KEYREQUEST, regs->rbx, &in);
	if (!cpu_ok(r))
		return r;
	r = operand_enclave(pkg, encl, OPERAND_OUTPUTDATA, regs->rcx, &out);
	if (!cpu_ok(r))
		goto put_in;

	/* A copy: the enclave's other threads may write to it meanwhile. */
	memcpy(&request, in.bytes, sizeof(request));
	r = cpu_gp();
	if (!request_legal(&request, secs->arch.attributes.flags, encl->why))
		goto put_out;
	code = request_allowed(pkg, &secs->arch, &request, encl->why);
	r = cpu_code(code);
	if (code != SGX_OK)
		goto put_out;

	derive(pkg, secs, &request, key);
	memcpy(out.bytes, key, sizeof(key));
	r = cpu_done();
put_out:
	operand_put(&out);
put_in:
	operand_put(&in);
	return r;
}
