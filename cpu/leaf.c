/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS and ENCLU: from the number in RAX to the leaf. */
#include <cpu/leaf.h>

#include "enclu/enclu.h"
#include "encls/encls.h"
#include "epcm.h"
#include "secs.h"

/*
 * #UD where CPUID says that there is no SGX: FEATURE_CONTROL not locked or not
 * enabled.
 */
static bool sgx_off(const struct cpu_package *pkg)
{
	return !(pkg->feature_control & SGX_FEATURE_CONTROL_LOCKED) ||
	       !(pkg->feature_control & SGX_FEATURE_CONTROL_ENABLE);
}

/* Leaves that answer in RAX have it 0 on success and the SGX code otherwise. */
static struct cpu_result leaf_done(struct cpu_package *pkg, struct cpu_regs *regs,
				   struct cpu_result r, bool rax)
{
	if (pkg->config.debug_checks && !cpu_check_invariants(pkg, &pkg->broken))
		return cpu_mc();
	if (r.kind == CPU_CODE)
		regs->rax = r.code;
	else if (cpu_ok(r) && rax)
		regs->rax = SGX_OK;
	return r;
}

struct cpu_result cpu_encls(struct cpu_package *pkg, const struct cpu_as *as, struct cpu_regs *regs)
{
	/* clang-format off */
	static const struct {
		struct cpu_result (*run)(struct cpu_package *pkg, const struct cpu_as *as,
					 struct cpu_regs *regs);
		bool rax;
		bool oversub; /* only where CPUID 12H says OVERSUB */
	} leaves[] = {
		[SGX_ECREATE]	= { encls_ecreate,	false,	false },
		[SGX_EADD]	= { encls_eadd,		false,	false },
		[SGX_EINIT]	= { encls_einit,	true,	false },
		[SGX_EREMOVE]	= { encls_eremove,	true,	false },
		[SGX_EDBGRD]	= { encls_edbgrd,	true,	false },
		[SGX_EDBGWR]	= { encls_edbgwr,	true,	false },
		[SGX_EEXTEND]	= { encls_eextend,	false,	false },
		[SGX_ELDB]	= { encls_eldb,		true,	false },
		[SGX_ELDU]	= { encls_eldu,		true,	false },
		[SGX_EBLOCK]	= { encls_eblock,	true,	false },
		[SGX_EPA]	= { encls_epa,		false,	false },
		[SGX_EWB]	= { encls_ewb,		true,	false },
		[SGX_ETRACK]	= { encls_etrack,	true,	false },
		[SGX_ETRACKC]	= { encls_etrackc,	true,	true },
		[SGX_ELDBC]	= { encls_eldbc,	true,	true },
		[SGX_ELDUC]	= { encls_elduc,	true,	true },
	};
	/* clang-format on */
	uint64_t leaf = regs->rax;

	if (pkg->broken)
		return cpu_mc();
	if (sgx_off(pkg))
		return cpu_ud();
	if (leaf >= sizeof(leaves) / sizeof(leaves[0]) || !leaves[leaf].run ||
	    (leaves[leaf].oversub && !pkg->config.oversub))
		return cpu_gp();
	return leaf_done(pkg, regs, leaves[leaf].run(pkg, as, regs), leaves[leaf].rax);
}

struct cpu_result cpu_enclu(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
			    struct cpu_regs *regs)
{
	const struct epcm_entry *secs;

	if (pkg->broken)
		return cpu_mc();
	if (sgx_off(pkg))
		return cpu_ud();
	/* In enclave mode there is an initialised SECS; be sure, it costs little. */
	secs = encl->secs < pkg->epc_pages ? &pkg->epcm[encl->secs] : NULL;
	if (!secs || !secs->valid || secs->pt != SGX_PT_SECS ||
	    !secs_initialised(secs_get(pkg, encl->secs)))
		return cpu_gp();
	switch (regs->rax) {
	case SGX_EREPORT:
		return leaf_done(pkg, regs, enclu_ereport(pkg, encl, regs), false);
	case SGX_EGETKEY:
		return leaf_done(pkg, regs, enclu_egetkey(pkg, encl, regs), true);
	default:
		return cpu_gp();
	}
}
