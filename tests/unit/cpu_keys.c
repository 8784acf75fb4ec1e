/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each key of EGETKEY depends on, and what not.
 *
 * The expectation is the SDM's table of key dependencies, written here anew: a letter a
 * key, in the columns EINITTOKEN, PROVISION, PROVISION_SEAL, REPORT, SEAL; 'x' where a
 * change of the input changes the key, '.' where it does not, 'e' where it is an error.
 */
#include "cpu_fixture.h"

#include <keys.h>
#include <secs.h>
#include <stdio.h>

#define REQUEST (FX_RO_ADDR + 0x200)
#define OUTPUT	(FX_REG_ADDR + 0x30)
#define NAMES	5

static struct sgx_keyrequest *request;
static union secs_page *secs;

/* An enclave that may have all keys, and a request that leaves room for changes. */
static void setup(void)
{
	fx_enclave_init();
	request = (void *)(fx.epc[FX_RO].bytes + 0x200);
	secs = secs_get(&fx.pkg, FX_SECS);
	memset(request, 0, sizeof(*request));
	secs->arch.attributes.flags |=
		SGX_ATTR_PROVISION_KEY_BIT | SGX_ATTR_EINITTOKEN_KEY_BIT | SGX_ATTR_KSS_BIT;
	/* a processor that has all that is changed below */
	fx.pkg.config.miscselect = 3;
	fx.pkg.config.attributes |= SGX_ATTR_AEXNOTIFY_BIT | SGX_ATTR_KSS_BIT;
	secs->arch.isvsvn = 5;
	secs->arch.configsvn = 5;
	memset(fx.pkg.cpusvn, 5, sizeof(fx.pkg.cpusvn));
	request->isvsvn = 3;
	request->configsvn = 3;
	memset(request->cpusvn, 3, sizeof(request->cpusvn));
	request->attributemask.flags = SGX_ATTR_KSS_BIT;
	request->attributemask.xfrm = 1;
	request->miscmask = 1;
	fx.regs = (struct cpu_regs){.rbx = REQUEST, .rcx = OUTPUT};
}

static struct cpu_result get(unsigned int name, uint8_t key[16])
{
	struct cpu_result r;

	request->keyname = (uint16_t)name;
	memset(fx.epc[FX_REG].bytes + 0x30, 0x5a, 16);
	r = fx_enclu(SGX_EGETKEY);
	memcpy(key, fx.epc[FX_REG].bytes + 0x30, 16);
	return r;
}

#define POLICY_ALL                                                                               \
	(SGX_KEYPOLICY_MRENCLAVE_BIT | SGX_KEYPOLICY_MRSIGNER_BIT | SGX_KEYPOLICY_CONFIGID_BIT | \
	 SGX_KEYPOLICY_ISVFAMILYID_BIT | SGX_KEYPOLICY_ISVEXTPRODID_BIT)

static void none(void)
{
}

#define CHANGE(id, statement) \
	static void id(void)  \
	{                     \
		statement;    \
	}
CHANGE(fuses_first, fx.pkg.fuses[0] ^= 1)
CHANGE(fuses_first_end, fx.pkg.fuses[15] ^= 1)
CHANGE(fuses_second, fx.pkg.fuses[16] ^= 1)
CHANGE(fuses_second_end, fx.pkg.fuses[31] ^= 1)
CHANGE(owner_epoch, fx.pkg.owner_epoch[15] ^= 1)
CHANGE(cpu_svn, fx.pkg.cpusvn[15]++)
CHANGE(request_cpusvn, request->cpusvn[15]++)
CHANGE(request_cpusvn_own, memset(request->cpusvn, 5, sizeof(request->cpusvn)))
CHANGE(request_cpusvn_newer, request->cpusvn[0] = 6)
CHANGE(isvsvn, secs->arch.isvsvn++)
CHANGE(request_isvsvn, request->isvsvn++)
CHANGE(request_isvsvn_newer, request->isvsvn = 6)
CHANGE(configsvn, secs->arch.configsvn++)
CHANGE(request_configsvn, request->configsvn++)
CHANGE(request_configsvn_newer, request->configsvn = 6)
CHANGE(attribute_in_mask, secs->arch.attributes.flags ^= SGX_ATTR_KSS_BIT; request->keypolicy = 0;
       request->configsvn = 0)
CHANGE(attribute_not_in_mask, secs->arch.attributes.flags ^= SGX_ATTR_AEXNOTIFY_BIT)
CHANGE(debug, secs->arch.attributes.flags ^= SGX_ATTR_DEBUG_BIT)
CHANGE(xfrm_in_mask, secs->arch.attributes.xfrm ^= 1)
CHANGE(xfrm_not_in_mask, secs->arch.attributes.xfrm ^= 2)
CHANGE(attributemask, request->attributemask.flags |= 1ull << 60)
CHANGE(xfrm_mask, request->attributemask.xfrm |= 1ull << 60)
CHANGE(attribute_by_mask, request->attributemask.flags |= SGX_ATTR_MODE64_BIT)
CHANGE(misc_in_mask, secs->arch.miscselect ^= 1)
CHANGE(misc_not_in_mask, secs->arch.miscselect ^= 2)
CHANGE(misc_mask, request->miscmask |= 1u << 31)
CHANGE(mrenclave, secs->arch.mrenclave[31] ^= 1)
CHANGE(mrsigner, secs->arch.mrsigner[31] ^= 1)
CHANGE(isvprodid, secs->arch.isvprodid ^= 0x100)
CHANGE(isvfamilyid, secs->hidden.isvfamilyid[15] ^= 1)
CHANGE(isvextprodid, secs->hidden.isvextprodid[15] ^= 1)
CHANGE(configid, secs->arch.configid[63] ^= 1)
CHANGE(keyid, request->keyid[31] ^= 1)
CHANGE(eid, fx.pkg.next_eid += 2; secs->hidden.eid++)
CHANGE(report_keyid, fx.pkg.report_keyid[0] ^= 1)
CHANGE(policy_mrenclave, request->keypolicy ^= SGX_KEYPOLICY_MRENCLAVE_BIT)
CHANGE(policy_mrsigner, request->keypolicy ^= SGX_KEYPOLICY_MRSIGNER_BIT)
CHANGE(policy_noisvprodid, request->keypolicy ^= SGX_KEYPOLICY_NOISVPRODID_BIT)
CHANGE(policy_configid, request->keypolicy ^= SGX_KEYPOLICY_CONFIGID_BIT)
CHANGE(policy_isvfamilyid, request->keypolicy ^= SGX_KEYPOLICY_ISVFAMILYID_BIT)
CHANGE(policy_isvextprodid, request->keypolicy ^= SGX_KEYPOLICY_ISVEXTPRODID_BIT)

/* clang-format off */
static const struct {
	const char *what;
	void (*change)(void);
	const char *none;	/* KEYPOLICY 0 */
	const char *all;	/* KEYPOLICY: everything in, as far as it can be */
} inputs[] = {
	/*					  LPVRS	   LPVRS */
	{ "nothing",		none,		 ".....", "....." },
	{ "fuses",		fuses_first,	 "xxxxx", "xxxxx" },
	{ "fuses, 15",		fuses_first_end, "xxxxx", "xxxxx" },
	{ "seal fuses",		fuses_second,	 "x.xxx", "x.xxx" },
	{ "seal fuses, 15",	fuses_second_end, "x.xxx", "x.xxx" },
	{ "owner epoch",	owner_epoch,	 "x..xx", "x..xx" },
	{ "CPU's SVN",		cpu_svn,	 "...x.", "...x." },
	{ "CPUSVN asked for",	request_cpusvn,	 "xxx.x", "xxx.x" },
	{ "CPUSVN, its own",	request_cpusvn_own, "xxx.x", "xxx.x" },
	{ "CPUSVN, too new",	request_cpusvn_newer, "eee.e", "eee.e" },
	{ "ISVSVN",		isvsvn,		 ".....", "....." },
	{ "ISVSVN asked for",	request_isvsvn,	 "xxx.x", "xxx.x" },
	{ "ISVSVN, too new",	request_isvsvn_newer, "eee.e", "eee.e" },
	{ "CONFIGSVN",		configsvn,	 "...x.", "...x." },
	{ "CONFIGSVN asked for", request_configsvn, ".....", "..x.x" },
	{ "CONFIGSVN, too new",	request_configsvn_newer, "....e", "..x.e" },
	{ "attribute, in mask",	attribute_in_mask, "xxxxx", NULL },
	{ "attribute, not in",	attribute_not_in_mask, "...x.", "...x." },
	{ "DEBUG",		debug,		 "xxxxx", "xxxxx" },
	{ "XFRM, in mask",	xfrm_in_mask,	 "xxxxx", "xxxxx" },
	{ "XFRM, not in mask",	xfrm_not_in_mask, "...x.", "...x." },
	{ "a mask bit of none",	attributemask,	 ".xx.x", ".xx.x" },
	{ "XFRM mask, of none",	xfrm_mask,	 ".xx.x", ".xx.x" },
	{ "a mask bit",		attribute_by_mask, "xxx.x", "xxx.x" },
	{ "MISCSELECT, in",	misc_in_mask,	 "xxxxx", "xxxxx" },
	{ "MISCSELECT, not in",	misc_not_in_mask, "...x.", "...x." },
	{ "MISCMASK",		misc_mask,	 ".xx.x", ".xx.x" },
	{ "MRENCLAVE",		mrenclave,	 "...x.", "...xx" },
	{ "MRSIGNER",		mrsigner,	 "xxx..", "xxx.x" },
	{ "ISVPRODID",		isvprodid,	 "xxx.x", "xxx.x" },
	{ "ISVFAMILYID",	isvfamilyid,	 ".....", "..x.x" },
	{ "ISVEXTPRODID",	isvextprodid,	 ".....", "..x.x" },
	{ "CONFIGID",		configid,	 "...x.", "..xxx" },
	{ "KEYID",		keyid,		 "x..xx", "x..xx" },
	{ "EID",		eid,		 ".....", "....." },
	{ "report's KEYID",	report_keyid,	 ".....", "....." },
	{ "policy MRENCLAVE",	policy_mrenclave, "..x.x", "..x.x" },
	{ "policy MRSIGNER",	policy_mrsigner, "..x.x", "..x.x" },
	{ "policy NOISVPRODID",	policy_noisvprodid, "..x.x", "..x.x" },
	{ "policy CONFIGID",	policy_configid, "..x.x", "..x.x" },
	{ "policy ISVFAMILYID",	policy_isvfamilyid, "..x.x", "..x.x" },
	{ "policy ISVEXTPRODID", policy_isvextprodid, "..x.x", "..x.x" },
};
/* clang-format on */

static void check(const char *what, void (*change)(void), const char *want, uint16_t policy)
{
	for (unsigned int name = 0; want && name < NAMES; name++) {
		uint8_t before[16], after[16];
		struct cpu_result r;
		char is;

		setup();
		request->keypolicy = policy;
		CHECK_DONE(get(name, before));
		CHECK_EQ(fx.regs.rax, SGX_OK);
		change();
		fx.regs = (struct cpu_regs){.rbx = REQUEST, .rcx = OUTPUT};
		r = get(name, after);
		if (r.kind == CPU_CODE)
			is = 'e';
		else
			is = memcmp(before, after, 16) ? 'x' : '.';
		if (is != want[name])
			FAIL("%s, key name %u, policy 0x%x: '%c' and not '%c'", what, name, policy,
			     is, want[name]);
	}
}

RULE(EGETKEY, KEY)
TEST(each_input_counts_where_the_sdm_says)
{
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		check(inputs[i].what, inputs[i].change, inputs[i].none, 0);
		check(inputs[i].what, inputs[i].change, inputs[i].all, POLICY_ALL);
	}
}

/* NOISVPRODID leaves the product out, of the keys that have a policy. */
TEST(without_a_product)
{
	check("ISVPRODID", isvprodid, "xx...", SGX_KEYPOLICY_NOISVPRODID_BIT);
}

TEST(the_five_are_five)
{
	uint8_t key[NAMES][16];

	setup();
	for (unsigned int i = 0; i < NAMES; i++)
		CHECK_DONE(get(i, key[i]));
	for (unsigned int i = 0; i < NAMES; i++)
		for (unsigned int j = 0; j < i; j++)
			CHECK(memcmp(key[i], key[j], 16));
}

/* --- codes -------------------------------------------------------------------------- */

RULE(EGETKEY, ATTRIBUTE)
TEST(who_is_entitled)
{
	uint8_t key[16];

	setup();
	secs->arch.attributes.flags &= ~SGX_ATTR_PROVISION_KEY_BIT;
	CHECK_CODE(get(SGX_KEYNAME_PROVISION, key), SGX_ERR_INVALID_ATTRIBUTE);
	CHECK_CODE(get(SGX_KEYNAME_PROVISION_SEAL, key), SGX_ERR_INVALID_ATTRIBUTE);
	CHECK_DONE(get(SGX_KEYNAME_EINITTOKEN, key));
	CHECK_DONE(get(SGX_KEYNAME_SEAL, key));
	setup();
	secs->arch.attributes.flags &= ~SGX_ATTR_EINITTOKEN_KEY_BIT;
	CHECK_CODE(get(SGX_KEYNAME_EINITTOKEN, key), SGX_ERR_INVALID_ATTRIBUTE);
	CHECK_DONE(get(SGX_KEYNAME_PROVISION, key));
	CHECK_DONE(get(SGX_KEYNAME_PROVISION_SEAL, key));
}

/* The first that fails: name, attribute, CPUSVN, ISVSVN, CONFIGSVN; nothing is written. */
RULE(EGETKEY, CODES)
TEST(codes_in_order)
{
	uint8_t key[16], untouched[16];

	memset(untouched, 0x5a, sizeof(untouched));
	setup();
	memset(request->cpusvn, 6, sizeof(request->cpusvn));
	request->isvsvn = 6;
	request->configsvn = 6;
	secs->arch.attributes.flags &= ~SGX_ATTR_PROVISION_KEY_BIT;
	CHECK_CODE(get(5, key), SGX_ERR_INVALID_KEYNAME);
	CHECK_CODE(get(0xffff, key), SGX_ERR_INVALID_KEYNAME);
	CHECK_CODE(get(SGX_KEYNAME_PROVISION, key), SGX_ERR_INVALID_ATTRIBUTE);
	CHECK_CODE(get(SGX_KEYNAME_SEAL, key), SGX_ERR_INVALID_CPUSVN);
	CHECK_MEM(key, untouched, 16);
	memset(request->cpusvn, 5, sizeof(request->cpusvn));
	CHECK_CODE(get(SGX_KEYNAME_SEAL, key), SGX_ERR_INVALID_ISVSVN);
	request->isvsvn = 5;
	CHECK_CODE(get(SGX_KEYNAME_SEAL, key), SGX_ERR_INVALID_ISVSVN);
	CHECK_MEM(key, untouched, 16);
	request->configsvn = 5;
	CHECK_DONE(get(SGX_KEYNAME_SEAL, key));
	/* a #GP for the request comes before any code */
	request->rsvd1 = 1;
	CHECK_GP(get(5, key));
}

/* One component that is newer makes a CPUSVN newer. */
RULE(EGETKEY, CPUSVN)
TEST(cpusvn_by_component)
{
	uint8_t key[16];

	for (unsigned int i = 0; i < SGX_CPUSVN_SIZE; i++) {
		setup();
		memset(request->cpusvn, 0, sizeof(request->cpusvn));
		request->cpusvn[i] = 5;
		CHECK_DONE(get(SGX_KEYNAME_SEAL, key));
		request->cpusvn[i] = 6;
		CHECK_CODE(get(SGX_KEYNAME_SEAL, key), SGX_ERR_INVALID_CPUSVN);
	}
}

/* --- what real stacks ask for --------------------------------------------------------- */

/* A launch enclave's EINITTOKEN key is the one that EINIT checks its tokens with. */
RULE(EGETKEY, LAUNCH)
TEST(a_launch_enclave_makes_tokens)
{
	struct sgx_einittoken token = {0};
	uint8_t key[16], checks[16];

	setup();
	CHECK_DONE(get(SGX_KEYNAME_EINITTOKEN, key));
	memcpy(fx.pkg.sgxlepubkeyhash, secs->arch.mrsigner, 32);
	token.isvprodidle = secs->arch.isvprodid;
	token.isvsvnle = request->isvsvn;
	memcpy(token.cpusvnle, request->cpusvn, sizeof(token.cpusvnle));
	memcpy(token.keyid, request->keyid, sizeof(token.keyid));
	token.maskedattributesle.flags =
		secs->arch.attributes.flags &
		(request->attributemask.flags | SGX_ATTR_INIT_BIT | SGX_ATTR_DEBUG_BIT);
	token.maskedattributesle.xfrm = secs->arch.attributes.xfrm & request->attributemask.xfrm;
	token.maskedmiscselectle = secs->arch.miscselect & request->miscmask;
	keys_launch(&fx.pkg, &token, checks);
	CHECK_MEM(key, checks, 16);
}

/* Reserved bits of a mask are legal: the PCE asks with all but MODE64BIT. */
RULE(EGETKEY, MASKS)
TEST(masks_of_all_ones)
{
	uint8_t key[16];

	setup();
	request->attributemask.flags = ~SGX_ATTR_MODE64_BIT;
	request->attributemask.xfrm = ~0ull;
	request->miscmask = ~0u;
	for (unsigned int i = 0; i < NAMES; i++)
		CHECK_DONE(get(i, key));
}

/* A seal of version 3 is opened by versions 3 and 5 of the same product. */
RULE(EGETKEY, OLD)
TEST(old_seals_open)
{
	uint8_t old[16], new[16];

	setup();
	secs->arch.isvsvn = 3;
	request->keypolicy = SGX_KEYPOLICY_MRSIGNER_BIT;
	request->isvsvn = 3;
	CHECK_DONE(get(SGX_KEYNAME_SEAL, old));
	secs->arch.isvsvn = 5;
	secs->arch.mrenclave[0] ^= 1;
	fx.pkg.cpusvn[0]++;
	CHECK_DONE(get(SGX_KEYNAME_SEAL, new));
	CHECK_MEM(old, new, 16);
}
