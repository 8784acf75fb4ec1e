/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLU[EGETKEY]: RBX = KEYREQUEST, RCX = where the 16 bytes of the key go; both
 * in the enclave.
 *
 * RAX: 0, SGX_INVALID_KEYNAME.  Of the key names only the report key is built;
 * seal, provisioning and launch keys are answered as names that this processor
 * does not know, so SGX_INVALID_ATTRIBUTE, _CPUSVN and _ISVSVN, which only those
 * can meet, do not occur yet.
 */
#include "enclu.h"

#include <base/bits.h>
#include <string.h>

#include "../keys.h"
#include "../operand.h"
#include "../secs.h"

#define KEYREQUEST_ALIGN 512u

#define KEYPOLICY_BITS	 0x3fu
/* What came with key separation and sharing */
#define KEYPOLICY_KSS_BITS                                            \
	(SGX_KEYPOLICY_NOISVPRODID_BIT | SGX_KEYPOLICY_CONFIGID_BIT | \
	 SGX_KEYPOLICY_ISVFAMILYID_BIT | SGX_KEYPOLICY_ISVEXTPRODID_BIT)

/* The request by itself; each is a #GP(0). */
static bool request_legal(const struct sgx_keyrequest *request, uint64_t attributes)
{
	/* Reserved bytes and policies are 0. */
	if (request->rsvd1 || !mem_is_zero(request->rsvd2, sizeof(request->rsvd2)) ||
	    (request->keypolicy & ~KEYPOLICY_BITS))
		return false;
	if (!(attributes & SGX_ATTR_CET_BIT) && request->cet_attributes_mask)
		return false;
	/* Nothing of key separation without ATTRIBUTES.KSS. */
	if (!(attributes & SGX_ATTR_KSS_BIT) &&
	    ((request->keypolicy & KEYPOLICY_KSS_BITS) || request->configsvn))
		return false;
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

struct cpu_result enclu_egetkey(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				struct cpu_regs *regs)
{
	const struct sgx_secs *secs = &secs_get(pkg, encl->secs)->arch;
	struct enclave_operand in, out;
	struct sgx_keyrequest request;
	uint8_t key[SGX_KEY_SIZE];
	struct cpu_result r;

	/* KEYREQUEST readable, the key's place writable. */
	r = operand_enclave(pkg, encl, regs->rbx, KEYREQUEST_ALIGN, false, &in);
	if (!cpu_ok(r))
		return r;
	r = operand_enclave(pkg, encl, regs->rcx, SGX_KEY_SIZE, true, &out);
	if (!cpu_ok(r))
		goto put_in;

	/* A copy: the enclave's other threads may write to it meanwhile. */
	memcpy(&request, in.bytes, sizeof(request));
	r = cpu_gp();
	if (!request_legal(&request, secs->attributes.flags))
		goto put_out;
	r = cpu_code(SGX_ERR_INVALID_KEYNAME);
	if (request.keyname != SGX_KEYNAME_REPORT)
		goto put_out;

	report_key(pkg, secs, &request, key);
	memcpy(out.bytes, key, sizeof(key));
	r = cpu_done();
put_out:
	operand_put(&out);
put_in:
	operand_put(&in);
	return r;
}
