/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLU[EREPORT]: RBX = TARGETINFO, RCX = 64 bytes of REPORTDATA, RDX = where
 * the REPORT goes; all in the enclave.
 */
#include "enclu.h"

#include <string.h>

#include "../keys.h"
#include "../operand.h"
#include "../secs.h"

/* Everything but KEYID and MAC: what the processor says of the enclave. */
static void describe(const struct cpu_package *pkg, const union secs_page *secs,
		     struct sgx_report *report)
{
	memcpy(report->cpusvn, pkg->cpusvn, sizeof(report->cpusvn));
	report->miscselect = secs->arch.miscselect;
	report->cet_attributes = secs->arch.cet_attributes;
	memcpy(report->isvextprodid, secs->hidden.isvextprodid, sizeof(report->isvextprodid));
	report->attributes = secs->arch.attributes;
	memcpy(report->mrenclave, secs->arch.mrenclave, sizeof(report->mrenclave));
	memcpy(report->mrsigner, secs->arch.mrsigner, sizeof(report->mrsigner));
	memcpy(report->configid, secs->arch.configid, sizeof(report->configid));
	report->isvprodid = secs->arch.isvprodid;
	report->isvsvn = secs->arch.isvsvn;
	report->configsvn = secs->arch.configsvn;
	memcpy(report->isvfamilyid, secs->hidden.isvfamilyid, sizeof(report->isvfamilyid));
}

struct cpu_result enclu_ereport(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
				struct cpu_regs *regs)
{
	struct enclave_operand target, data, output;
	struct sgx_targetinfo targetinfo;
	struct sgx_report report = {0};
	uint8_t key[SGX_KEY_SIZE];
	struct cpu_result r;

	/* TARGETINFO and REPORTDATA readable, the REPORT's place writable. */
	r = operand_enclave(pkg, encl, OPERAND_TARGETINFO, regs->rbx, &target);
	if (!cpu_ok(r))
		return r;
	r = operand_enclave(pkg, encl, OPERAND_REPORTDATA, regs->rcx, &data);
	if (!cpu_ok(r))
		goto put_target;
	r = operand_enclave(pkg, encl, OPERAND_REPORT, regs->rdx, &output);
	if (!cpu_ok(r))
		goto put_data;

	/* The MAC is over copies, which the enclave's other threads cannot change. */
	memcpy(&targetinfo, target.bytes, sizeof(targetinfo));
	memcpy(report.reportdata, data.bytes, sizeof(report.reportdata));
	describe(pkg, secs_get(pkg, encl->secs), &report);
	memcpy(report.keyid, pkg->report_keyid, sizeof(report.keyid));
	keys_report(pkg, &targetinfo, report.keyid, key);
	keys_cmac(key, &report, SGX_REPORT_MACED_SIZE, report.mac);
	memcpy(output.bytes, &report, sizeof(report));

	operand_put(&output);
put_data:
	operand_put(&data);
put_target:
	operand_put(&target);
	return r;
}
