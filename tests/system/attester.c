/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local attestation, one step a command, so that each side is a process of its own:
 *
 *	attester HEAP-PAGES target		TARGETINFO of the enclave
 *	attester HEAP-PAGES report TARGET DATA	a REPORT for that target; DATA is one byte
 *	attester HEAP-PAGES check REPORT	"genuine DATA", or "forged"
 *
 * TARGET and REPORT are hexadecimal.  Another HEAP-PAGES is another MRENCLAVE.  The MAC
 * is computed by libcrypto, not by the processor's model.
 */
#include "encl.h"

#include <harness/harness.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t scratch(const struct encl *e, unsigned int i)
{
	return e->base + ENCL_DATA + DATA_SCRATCH + i * 1024;
}

static void print(const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		printf("%02x", p[i]);
	printf("\n");
}

static void parse(const char *hex, void *data, size_t size)
{
	uint8_t *p = data;
	unsigned int byte;

	CHECK_EQ(strlen(hex), 2 * size);
	for (size_t i = 0; i < size; i++) {
		CHECK_EQ(sscanf(hex + 2 * i, "%2x", &byte), 1);
		p[i] = (uint8_t)byte;
	}
}

static void report(struct encl *e, const struct sgx_targetinfo *target, uint8_t value,
		   struct sgx_report *r)
{
	uint8_t data[SGX_REPORTDATA_SIZE];
	struct encl_op o;

	memset(data, value, sizeof(data));
	encl_write(e, 0, scratch(e, 0), target, sizeof(*target));
	encl_write(e, 0, scratch(e, 1), data, sizeof(data));
	o = encl_op(e, 0, OP_ENCLU, SGX_EREPORT, scratch(e, 0), scratch(e, 1), scratch(e, 2));
	CHECK_EQ(o.run.function, SGX_EEXIT);
	encl_read(e, 0, r, scratch(e, 2), sizeof(*r));
}

/* What others must know of this enclave: its own report for nobody says it. */
static void target(struct encl *e)
{
	struct sgx_targetinfo nobody = {0}, info = {0};
	struct sgx_report r;

	report(e, &nobody, 0, &r);
	memcpy(info.measurement, r.mrenclave, sizeof(info.measurement));
	info.attributes = r.attributes;
	info.cet_attributes = r.cet_attributes;
	info.miscselect = r.miscselect;
	info.configsvn = r.configsvn;
	memcpy(info.configid, r.configid, sizeof(info.configid));
	print(&info, sizeof(info));
}

static void cmac(const uint8_t *key, const void *data, size_t size, uint8_t *mac)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("cipher", (char[]){"AES-128-CBC"}, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "CMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(algorithm);
	size_t length = 0;

	CHECK(ctx && EVP_MAC_init(ctx, key, SGX_KEY_SIZE, params));
	CHECK(EVP_MAC_update(ctx, data, size));
	CHECK(EVP_MAC_final(ctx, mac, &length, SGX_KEY_SIZE));
	CHECK_EQ(length, SGX_KEY_SIZE);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(algorithm);
}

/* The key of reports for this enclave, under the report's KEYID */
static void check(struct encl *e, const struct sgx_report *r)
{
	struct sgx_keyrequest request = {.keyname = SGX_KEYNAME_REPORT};
	uint8_t key[SGX_KEY_SIZE], mac[SGX_KEY_SIZE];
	struct encl_op o;

	memcpy(request.keyid, r->keyid, sizeof(request.keyid));
	encl_write(e, 0, scratch(e, 0), &request, sizeof(request));
	o = encl_op(e, 0, OP_ENCLU, SGX_EGETKEY, scratch(e, 0), scratch(e, 1), 0);
	CHECK_EQ(o.run.function, SGX_EEXIT);
	CHECK_EQ(o.regs.rsi, 0);
	encl_read(e, 0, key, scratch(e, 1), sizeof(key));
	cmac(key, r, SGX_REPORT_MACED_SIZE, mac);
	if (memcmp(mac, r->mac, sizeof(mac)))
		printf("forged\n");
	else
		printf("genuine %u\n", r->reportdata[0]);
}

int main(int argc, char **argv)
{
	struct sgx_targetinfo info;
	struct sgx_report r;
	struct encl e;

	if (argc < 3)
		return 2;
	encl_build(&e, &(struct encl_opts){.heap = strtoull(argv[1], NULL, 0) * ENCL_PAGE});
	if (!strcmp(argv[2], "target")) {
		target(&e);
	} else if (!strcmp(argv[2], "report") && argc == 5) {
		parse(argv[3], &info, sizeof(info));
		report(&e, &info, (uint8_t)strtoul(argv[4], NULL, 0), &r);
		print(&r, sizeof(r));
	} else if (!strcmp(argv[2], "check") && argc == 4) {
		parse(argv[3], &r, sizeof(r));
		check(&e, &r);
	} else {
		return 2;
	}
	encl_free(&e);
	return 0;
}
