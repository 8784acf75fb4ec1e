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

/* Which bit of CPUID 12H.0 EAX offers a leaf. */
enum leaf_of { SGX1, SGX2, OVERSUB };

static bool offered(const struct cpu_config *config, enum leaf_of of)
{
	return of == SGX1 || (of == SGX2 ? config->sgx2 : config->oversub);
}

struct cpu_result cpu_encls(struct cpu_package *pkg, const struct cpu_as *as, struct cpu_regs *regs)
{
	/* clang-format off */
	static const struct {
		struct cpu_result (*run)(struct cpu_package *pkg, const struct cpu_as *as,
					 struct cpu_regs *regs);
		bool rax;
		enum leaf_of of;
	} leaves[] = {
		[SGX_ECREATE]	= { encls_ecreate,	false,	SGX1 },
		[SGX_EADD]	= { encls_eadd,		false,	SGX1 },
		[SGX_EINIT]	= { encls_einit,	true,	SGX1 },
		[SGX_EREMOVE]	= { encls_eremove,	true,	SGX1 },
		[SGX_EDBGRD]	= { encls_edbgrd,	true,	SGX1 },
		[SGX_EDBGWR]	= { encls_edbgwr,	true,	SGX1 },
		[SGX_EEXTEND]	= { encls_eextend,	false,	SGX1 },
		[SGX_ELDB]	= { encls_eldb,		true,	SGX1 },
		[SGX_ELDU]	= { encls_eldu,		true,	SGX1 },
		[SGX_EBLOCK]	= { encls_eblock,	true,	SGX1 },
		[SGX_EPA]	= { encls_epa,		false,	SGX1 },
		[SGX_EWB]	= { encls_ewb,		true,	SGX1 },
		[SGX_ETRACK]	= { encls_etrack,	true,	SGX1 },
		[SGX_EAUG]	= { encls_eaug,		false,	SGX2 },
		[SGX_EMODPR]	= { encls_emodpr,	true,	SGX2 },
		[SGX_EMODT]	= { encls_emodt,	true,	SGX2 },
		[SGX_ETRACKC]	= { encls_etrackc,	true,	OVERSUB },
		[SGX_ELDBC]	= { encls_eldbc,	true,	OVERSUB },
		[SGX_ELDUC]	= { encls_elduc,	true,	OVERSUB },
	};
	/* clang-format on */
	uint64_t leaf = regs->rax;

	if (pkg->broken)
		return cpu_mc();
	if (sgx_off(pkg))
		return cpu_ud();
	if (leaf >= sizeof(leaves) / sizeof(leaves[0]) || !leaves[leaf].run ||
	    !offered(&pkg->config, leaves[leaf].of))
		return cpu_gp();
	return leaf_done(pkg, regs, leaves[leaf].run(pkg, as, regs), leaves[leaf].rax);
}

struct cpu_result cpu_enclu(struct cpu_package *pkg, const struct cpu_enclave_as *encl,
			    struct cpu_regs *regs)
{
	/* clang-format off */
	static const struct {
		struct cpu_result (*run)(struct cpu_package *pkg,
					 const struct cpu_enclave_as *encl,
					 struct cpu_regs *regs);
		bool rax;
		enum leaf_of of;
	} leaves[] = {
		[SGX_EREPORT]	  = { enclu_ereport,	 false,	SGX1 },
		[SGX_EGETKEY]	  = { enclu_egetkey,	 true,	SGX1 },
		[SGX_EACCEPT]	  = { enclu_eaccept,	 true,	SGX2 },
		[SGX_EMODPE]	  = { enclu_emodpe,	 false,	SGX2 },
		[SGX_EACCEPTCOPY] = { enclu_eacceptcopy, true,	SGX2 },
	};
	/* clang-format on */
	const struct epcm_entry *secs;
	uint64_t leaf = regs->rax;

	if (pkg->broken)
		return cpu_mc();
	if (sgx_off(pkg))
		return cpu_ud();
	/* In enclave mode there is an initialised SECS; be sure, it costs little. */
	secs = encl->secs < pkg->epc_pages ? &pkg->epcm[encl->secs] : NULL;
	if (!secs || !secs->valid || secs->pt != SGX_PT_SECS ||
	    !secs_initialised(secs_get(pkg, encl->secs)))
		return cpu_gp();
	if (leaf >= sizeof(leaves) / sizeof(leaves[0]) || !leaves[leaf].run ||
	    !offered(&pkg->config, leaves[leaf].of))
		return cpu_gp();
	return leaf_done(pkg, regs, leaves[leaf].run(pkg, encl, regs), leaves[leaf].rax);
}
