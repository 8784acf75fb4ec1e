/* SPDX-License-Identifier: BSD-3-Clause */
/* EREPORT and EGETKEY from inside, with the MAC computed by libcrypto. */
#include "encl.h"

#include <harness/harness.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

/* Operands inside, from the scratch page on */
#define AT_TARGET (e->base + ENCL_DATA + DATA_SCRATCH)
#define AT_DATA	  (e->base + ENCL_DATA + DATA_SCRATCH + 0x200)
#define AT_REPORT (e->base + ENCL_DATA + DATA_SCRATCH + 0x400)
#define AT_KEYREQ (e->base + ENCL_DATA + DATA_SCRATCH + 0x600)
#define AT_KEY	  (e->base + ENCL_DATA + DATA_SCRATCH + 0x800)

static void cmac(const uint8_t key[16], const void *data, size_t size, uint8_t mac[16])
{
	char cipher[] = "AES-128-CBC";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *m = EVP_MAC_fetch(NULL, "CMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(m);
	size_t n = 0;

	CHECK(ctx);
	CHECK_EQ(EVP_MAC_init(ctx, key, 16, params), 1);
	CHECK_EQ(EVP_MAC_update(ctx, data, size), 1);
	CHECK_EQ(EVP_MAC_final(ctx, mac, &n, 16), 1);
	CHECK_EQ(n, 16);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(m);
}

static void target_of(const struct encl *e, struct sgx_targetinfo *t)
{
	memset(t, 0, sizeof(*t));
	memcpy(t->measurement, e->sigstruct.enclavehash, 32);
	t->attributes = e->sigstruct.attributes;
	t->attributes.flags |= SGX_ATTR_INIT_BIT;
	t->miscselect = e->opts.miscselect;
}

static struct sgx_report report(struct encl *e, const struct sgx_targetinfo *t, uint8_t fill)
{
	struct sgx_report r;
	uint8_t data[64];
	struct encl_op o;

	memset(data, fill, sizeof(data));
	encl_write(e, 0, AT_TARGET, t, sizeof(*t));
	encl_write(e, 0, AT_DATA, data, sizeof(data));
	o = encl_op(e, 0, OP_ENCLU, SGX_EREPORT, AT_TARGET, AT_DATA, AT_REPORT);
	CHECK_EQ(o.regs.rdx, 0); /* ZF */
	encl_read(e, 0, &r, AT_REPORT, sizeof(r));
	return r;
}

/*
 * mov %rdx, %rbx; mov %r8, %rcx; mov %r9, %rdx; mov %r12d, %eax; push $0x8d7; popfq; enclu;
 * pushfq; pop %rsi.  So all status flags are set at the ENCLU.
 */
static const uint8_t flags_code[] = {0x48, 0x89, 0xd3, 0x4c, 0x89, 0xc1, 0x4c, 0x89,
				     0xca, 0x44, 0x89, 0xe0, 0x68, 0xd7, 0x08, 0x00,
				     0x00, 0x9d, 0x0f, 0x01, 0xd7, 0x9c, 0x5e};

static uint64_t flags_after(struct encl *e, unsigned int leaf, uint64_t rbx, uint64_t rcx,
			    uint64_t rdx)
{
	struct encl_regs regs = {.rdi = OP_JUMP, .rdx = rbx, .r8 = rcx, .r9 = rdx};
	struct sgx_enclave_run run = {.tcs = encl_tcs(e, 0)};

	regs.rsi = encl_snippet(e, flags_code, sizeof(flags_code));
	regs.r12 = leaf;
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e->enter), 0);
	CHECK_EQ(run.function, SGX_EEXIT);
	return regs.rsi & 0x8d5;
}

static void report_key(struct encl *e, const struct sgx_report *r, uint8_t key[16])
{
	struct sgx_keyrequest q;
	struct encl_op o;

	memset(&q, 0, sizeof(q));
	q.keyname = SGX_KEYNAME_REPORT;
	memcpy(q.keyid, r->keyid, sizeof(q.keyid));
	encl_write(e, 0, AT_KEYREQ, &q, sizeof(q));
	o = encl_op(e, 0, OP_ENCLU, SGX_EGETKEY, AT_KEYREQ, AT_KEY, 0);
	CHECK_EQ((uint32_t)o.regs.rsi, 0);
	CHECK_EQ(o.regs.rdx, 0);
	encl_read(e, 0, key, AT_KEY, 16);
}

static bool verify(struct encl *e, const struct sgx_report *r)
{
	uint8_t key[16], mac[16];

	report_key(e, r, key);
	cmac(key, r, SGX_REPORT_MACED_SIZE, mac);
	return !memcmp(mac, r->mac, 16);
}

TEST(report_to_itself)
{
	struct sgx_targetinfo t;
	struct sgx_report r;
	uint8_t data[64], mrsigner[32];
	struct encl enclave, *e = &enclave;

	encl_build(e, &(struct encl_opts){.miscselect = SGX_MISC_EXINFO_BIT});
	target_of(e, &t);
	r = report(e, &t, 0x5a);
	CHECK_MEM(r.mrenclave, e->sigstruct.enclavehash, 32);
	SHA256(e->sigstruct.modulus, sizeof(e->sigstruct.modulus), mrsigner);
	CHECK_MEM(r.mrsigner, mrsigner, 32);
	CHECK_EQ(r.attributes.flags, ENCL_ATTR | SGX_ATTR_INIT_BIT);
	CHECK_EQ(r.attributes.xfrm, SGX_XFRM_LEGACY);
	CHECK_EQ(r.miscselect, SGX_MISC_EXINFO_BIT);
	CHECK_EQ(r.isvprodid, 7);
	CHECK_EQ(r.isvsvn, 3);
	memset(data, 0x5a, sizeof(data));
	CHECK_MEM(r.reportdata, data, sizeof(data));
	CHECK(verify(e, &r));
	r.reportdata[0] ^= 1;
	CHECK(!verify(e, &r));
	encl_free(e);
}

static void other_hook(struct encl *e, unsigned int i, struct sgx_tcs *tcs)
{
	(void)e;
	(void)i;
	tcs->flags = 0;
	tcs->gslimit = 0x1fff; /* another measurement */
}

TEST(report_to_another)
{
	struct sgx_targetinfo t;
	struct sgx_report r;
	struct encl a, b;

	encl_build(&a, &(struct encl_opts){0});
	encl_build(&b, &(struct encl_opts){.tcs_hook = other_hook});
	CHECK(memcmp(a.sigstruct.enclavehash, b.sigstruct.enclavehash, 32));
	target_of(&b, &t);
	r = report(&a, &t, 1);
	CHECK_MEM(r.mrenclave, a.sigstruct.enclavehash, 32);
	CHECK(verify(&b, &r));
	CHECK(!verify(&a, &r));
	encl_free(&a);
	encl_free(&b);
}

/* The same code without DEBUG is another target. */
TEST(production_and_debug)
{
	struct encl_opts production = {.attributes = SGX_ATTR_MODE64_BIT};
	struct sgx_targetinfo t;
	struct sgx_report r;
	struct encl d, p;

	encl_build(&d, &(struct encl_opts){0});
	encl_build(&p, &production);
	CHECK_MEM(d.sigstruct.enclavehash, p.sigstruct.enclavehash, 32);
	target_of(&p, &t);
	r = report(&p, &t, 2);
	CHECK_EQ(r.attributes.flags, SGX_ATTR_MODE64_BIT | SGX_ATTR_INIT_BIT);
	CHECK(verify(&p, &r));
	CHECK(!verify(&d, &r));
	encl_free(&d);
	encl_free(&p);
}

/* EINIT: SECS.ATTRIBUTES must be SIGSTRUCT's under the mask. */
TEST(debug_against_the_signature)
{
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	e.opts.attributes = SGX_ATTR_MODE64_BIT; /* signed for production */
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), -EPERM);
	encl_free(&e);
}

static void expect_gp(struct encl *e, uint64_t leaf, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	struct encl_op o = encl_enter(e, 0, SGX_EENTER, OP_ENCLU, leaf, rbx, rcx, rdx);

	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_GP);
}

TEST(operands_misaligned_or_outside)
{
	static uint8_t outside[4096] __attribute__((aligned(4096)));
	struct encl enclave, *e = &enclave;
	struct encl_op o;

	encl_build(e, &(struct encl_opts){.nssa = 16});
	expect_gp(e, SGX_EREPORT, AT_TARGET + 256, AT_DATA, AT_REPORT);
	expect_gp(e, SGX_EREPORT, AT_TARGET, AT_DATA + 64, AT_REPORT);
	expect_gp(e, SGX_EREPORT, AT_TARGET, AT_DATA, AT_REPORT + 256);
	expect_gp(e, SGX_EREPORT, (uint64_t)outside, AT_DATA, AT_REPORT);
	expect_gp(e, SGX_EREPORT, AT_TARGET, (uint64_t)outside, AT_REPORT);
	expect_gp(e, SGX_EREPORT, AT_TARGET, AT_DATA, (uint64_t)outside);
	expect_gp(e, SGX_EGETKEY, AT_KEYREQ + 256, AT_KEY, 0);
	expect_gp(e, SGX_EGETKEY, AT_KEYREQ, AT_KEY + 8, 0);
	expect_gp(e, SGX_EGETKEY, (uint64_t)outside, AT_KEY, 0);
	/* no page there; and one that may not be written */
	o = encl_enter(e, 0, SGX_EENTER, OP_ENCLU, SGX_EREPORT, e->base + ENCL_HOLE, AT_DATA,
		       AT_REPORT);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_addr, e->base + ENCL_HOLE);
	o = encl_enter(e, 0, SGX_EENTER, OP_ENCLU, SGX_EREPORT, AT_TARGET, AT_DATA,
		       e->base + ENCL_RO);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_error_code & SGX_PF_SGX, SGX_PF_SGX);
	CHECK_EQ(encl_op(e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 11);
	encl_free(e);
}

TEST(key_names_and_reserved_bytes)
{
	struct encl enclave, *e = &enclave;
	struct sgx_keyrequest q;
	struct encl_op o;

	encl_build(e, &(struct encl_opts){.nssa = 4});
	memset(&q, 0, sizeof(q));
	q.keyname = 0xffff;
	encl_write(e, 0, AT_KEYREQ, &q, sizeof(q));
	o = encl_op(e, 0, OP_ENCLU, SGX_EGETKEY, AT_KEYREQ, AT_KEY, 0);
	CHECK_EQ((uint32_t)o.regs.rsi, SGX_ERR_INVALID_KEYNAME);
	CHECK_EQ(o.regs.rdx, 1); /* ZF */
	q.keyname = SGX_KEYNAME_REPORT;
	q.rsvd2[100] = 1;
	encl_write(e, 0, AT_KEYREQ, &q, sizeof(q));
	expect_gp(e, SGX_EGETKEY, AT_KEYREQ, AT_KEY, 0);
	q.rsvd2[100] = 0;
	q.keypolicy = 1 << 6;
	encl_write(e, 0, AT_KEYREQ, &q, sizeof(q));
	expect_gp(e, SGX_EGETKEY, AT_KEYREQ, AT_KEY, 0);
	encl_free(e);
}

/* SDM: EREPORT changes no flag; EGETKEY sets ZF by its code and clears the others */
TEST(flags)
{
	const uint64_t ZF = 0x40, all = 0x8d5;
	struct sgx_targetinfo t;
	struct sgx_keyrequest q;
	struct sgx_report r;
	struct encl enclave, *e = &enclave;

	encl_build(e, &(struct encl_opts){0});
	target_of(e, &t);
	r = report(e, &t, 1);
	CHECK_EQ(flags_after(e, SGX_EREPORT, AT_TARGET, AT_DATA, AT_REPORT), all);
	memset(&q, 0, sizeof(q));
	q.keyname = SGX_KEYNAME_REPORT;
	memcpy(q.keyid, r.keyid, sizeof(q.keyid));
	encl_write(e, 0, AT_KEYREQ, &q, sizeof(q));
	CHECK_EQ(flags_after(e, SGX_EGETKEY, AT_KEYREQ, AT_KEY, 0), 0);
	q.keyname = 0x7777;
	encl_write(e, 0, AT_KEYREQ, &q, sizeof(q));
	CHECK_EQ(flags_after(e, SGX_EGETKEY, AT_KEYREQ, AT_KEY, 0), ZF);
	encl_free(e);
}
