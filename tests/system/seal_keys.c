/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves of many identities that say their SEAL keys, for seal_matrix.py.
 *
 *	seal_keys SIGNER,HEAP,PRODID,SVN,DEBUG,KSS,CONFIGID,CONFIGSVN,FAMILY,EXTPROD...
 *
 * makes an enclave for each argument.  For each line of standard input,
 * "POLICY SVN CONFIGSVN CPUSVN", a KEYREQUEST (CPUSVN: its first component), every one of
 * them answers in turn, a line each: the key as 32 hexadecimal digits, "code N" or
 * "fault N" for an exception.
 */
#include "encl.h"

#include "../unit/kernel_test_key.h"

#include <harness/harness.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITIES_MAX 16

static struct identity {
	unsigned int signer, heap, prodid, svn, debug, kss, configid, configsvn, family, extprod;
} identity[IDENTITIES_MAX], *building;

static void set_secs(const struct encl *e, struct sgx_secs *secs)
{
	(void)e;
	memset(secs->configid, (int)building->configid, sizeof(secs->configid));
	secs->configsvn = (uint16_t)building->configsvn;
}

static void set_sigstruct(const struct encl *e, struct sgx_sigstruct_arch *sig)
{
	(void)e;
	sig->isvprodid = (uint16_t)building->prodid;
	sig->isvsvn = (uint16_t)building->svn;
	memset(sig->isvfamilyid, (int)building->family, sizeof(sig->isvfamilyid));
	memset(sig->isvextprodid, (int)building->extprod, sizeof(sig->isvextprodid));
}

static void build(struct encl *e, struct identity *i, const char *text)
{
	struct encl_opts opts = {
		.attributes = SGX_ATTR_MODE64_BIT,
		.secs_hook = set_secs,
		.sign_hook = set_sigstruct,
	};

	CHECK_EQ(sscanf(text, "%u,%u,%u,%u,%u,%u,%u,%u,%u,%u", &i->signer, &i->heap, &i->prodid,
			&i->svn, &i->debug, &i->kss, &i->configid, &i->configsvn, &i->family,
			&i->extprod),
		 10);
	if (i->debug)
		opts.attributes |= SGX_ATTR_DEBUG_BIT;
	if (i->kss)
		opts.attributes |= SGX_ATTR_KSS_BIT;
	if (i->signer)
		opts.key = kernel_test_key;
	opts.heap = i->heap * ENCL_PAGE;
	building = i;
	encl_build(e, &opts);
}

/* Return: whether the enclave can be asked again: an exception leaves an SSA frame in use. */
static bool answer(struct encl *e, const struct sgx_keyrequest *q)
{
	const uint64_t at_request = e->base + ENCL_DATA + DATA_SCRATCH;
	const uint64_t at_key = at_request + sizeof(*q);
	uint8_t bytes[16];
	struct encl_op o;

	encl_write(e, 0, at_request, q, sizeof(*q));
	o = encl_enter(e, 0, SGX_EENTER, OP_ENCLU, SGX_EGETKEY, at_request, at_key, 0);
	if (o.run.function != SGX_EEXIT) {
		printf("fault %u\n", o.run.exception_vector);
		return false;
	}
	if (o.regs.rsi) {
		printf("code %u\n", (unsigned int)o.regs.rsi);
		return true;
	}
	encl_read(e, 0, bytes, at_key, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	printf("\n");
	return true;
}

int main(int argc, char **argv)
{
	static struct encl e[IDENTITIES_MAX];
	unsigned int policy, svn, configsvn, cpusvn;
	char line[128];

	CHECK(argc <= IDENTITIES_MAX);
	for (int i = 1; i < argc; i++)
		build(&e[i - 1], &identity[i - 1], argv[i]);
	while (fgets(line, sizeof(line), stdin)) {
		struct sgx_keyrequest q = {.keyname = SGX_KEYNAME_SEAL};

		CHECK_EQ(sscanf(line, "%u %u %u %u", &policy, &svn, &configsvn, &cpusvn), 4);
		q.keypolicy = (uint16_t)policy;
		q.isvsvn = (uint16_t)svn;
		q.configsvn = (uint16_t)configsvn;
		q.cpusvn[0] = (uint8_t)cpusvn;
		/*
		 * As Intel's SDK and Gramine ask: KSS is not in the mask.  DEBUG is not
		 * either, other than theirs, for EGETKEY must put it in by itself.
		 */
		q.attributemask.flags = 0xff00000000000009ull;
		q.miscmask = 0xf0000000u;
		for (int i = 1; i < argc; i++) {
			if (answer(&e[i - 1], &q))
				continue;
			encl_free(&e[i - 1]);
			build(&e[i - 1], &identity[i - 1], argv[i]);
		}
	}
	for (int i = 1; i < argc; i++)
		encl_free(&e[i - 1]);
	return 0;
}
