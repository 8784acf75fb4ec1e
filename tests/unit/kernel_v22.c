/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of the patch series before Linux 5.11 (v22), check by check in its order,
 * and the rule of base/rules_driver.h by which each refuses.  A ladder: see kernel_ioctl.c.
 */
#include "kernel_fixture.h"

#include <sgx/driver.h>

#define FAULT(vector) (0x40000000 | (vector))
#define GP	      13
#define PROT_R	      1u
#define PROT_RW	      3u
#define PROT_RWX      7u

static struct kfx *new_v22(unsigned int epc_pages)
{
	struct kfx *k = kfx_new(epc_pages, 1, true);

	k->interfaces = SGX_INTERFACE_V22;
	return k;
}

static void end(struct kfx *k, struct kfx_encl *e)
{
	kfx_check(k);
	kfx_release(e);
	kfx_check_all_free(k);
	kfx_free(k);
}

static void refused(const struct kfx_encl *e, enum why_rule rule, uint64_t found, uint64_t wanted)
{
	CHECK_EQ(e->call->why.rule, rule);
	CHECK_EQ(e->call->why.found, found);
	CHECK_EQ(e->call->why.wanted, wanted);
}

/* ADD_PAGE of what lies at KFX_SOURCE */
static long add(struct kfx_encl *e, uint64_t offset, uint64_t secinfo, uint16_t mrmask)
{
	struct sgx_v22_add_page arg = {
		.addr = e->secs.base + offset,
		.src = KFX_SOURCE,
		.secinfo = KFX_SECINFO,
		.mrmask = mrmask,
		.rsvd = {1, 2, 3, 4, 5, 6}, /* nobody looks */
	};
	struct sgx_secinfo_arch info = {.flags = secinfo};
	const uint8_t *page = kfx_user(e->call, KFX_SOURCE, 4096);
	long ret;

	kfx_put(e->call, KFX_SECINFO, &info, sizeof(info));
	kfx_put(e->call, KFX_ARG, &arg, sizeof(arg));
	ret = kfx_ioctl(e, SGX_V22_ADD_PAGE, KFX_ARG);
	if (ret)
		return ret;
	cpu_measure_eadd(&e->measure, offset, secinfo);
	for (unsigned int i = 0; i < 16; i++)
		if (mrmask >> i & 1)
			cpu_measure_eextend(&e->measure, offset + i * 256, page + i * 256);
	return 0;
}

static void created(struct kfx *k, struct kfx_encl *e)
{
	struct sgx_secs secs;

	kfx_open(k, e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(e, &secs), 0);
}

/* --- CREATE --------------------------------------------------------------------- */

TEST(v22_create_order)
{
	struct sgx_enclave_create arg = {.src = KFX_NOWHERE};
	struct kfx *k = new_v22(16);
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_NOWHERE), -EFAULT);
	refused(&e, WHY_CREATE_ARG, KFX_NOWHERE, 0);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_ARG), -EFAULT);
	refused(&e, WHY_CREATE_SRC, KFX_NOWHERE, 4096);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	/* here the state is looked at behind the arguments */
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_NOWHERE), -EFAULT);
	secs.size = 1;
	CHECK_EQ(kfx_create(&e, &secs), -EINVAL);
	refused(&e, WHY_CREATE_AGAIN, KFX_BASE, 0);
	end(k, &e);
}

/* What the driver looks at itself, in its order; the rest is ECREATE's to refuse. */
TEST(v22_secs_fields)
{
	enum { SIZE, BASEADDR, MISCSELECT, ATTRIBUTES, XFRM, SSAFRAMESIZE, RESERVED };
	struct kfx *k = new_v22(16);
	const struct cpu_config *config = &k->pkg.config;
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE + 4096, 4096);
	secs.miscselect = 1u << 31;
	secs.attributes.flags |= 1ull << 40;
	secs.attributes.xfrm = 1;
	secs.ssaframesize = 0;
	secs.rsvd4[100] = 1;
#define FIELD(field, found_, wanted_)                         \
	do {                                                  \
		CHECK_EQ(kfx_create(&e, &secs), -EINVAL);     \
		refused(&e, WHY_SECS_FIELD, found_, wanted_); \
		CHECK_EQ(e.call->why.at, field);              \
	} while (0)
	FIELD(SIZE, 4096, 8192);
	secs.size = 3 * 4096;
	FIELD(SIZE, 3 * 4096, 8192);
	secs.size = KFX_SIZE;
	FIELD(BASEADDR, KFX_BASE + 4096, KFX_SIZE);
	secs.base = KFX_BASE;
	FIELD(MISCSELECT, 1u << 31, config->miscselect);
	secs.miscselect = 0;
	CHECK_EQ(kfx_create(&e, &secs), -EINVAL);
	CHECK_EQ(e.call->why.at, ATTRIBUTES);
	secs.attributes.flags &= ~(1ull << 40);
	secs.size = 1ull << (config->max_size_64 + 1);
	secs.base = 0;
	FIELD(SIZE, secs.size, 1ull << config->max_size_64);
	secs.size = KFX_SIZE;
	secs.base = KFX_BASE;
	FIELD(XFRM, 1, config->xfrm);
	secs.attributes.xfrm = 3 | 1ull << 62;
	FIELD(XFRM, 3 | 1ull << 62, config->xfrm);
	secs.attributes.xfrm = 3;
	FIELD(SSAFRAMESIZE, 0, 1);
	secs.ssaframesize = 1;
	FIELD(RESERVED, 1, 0);
	secs.rsvd4[100] = 0;
	/* CET's fields are reserved ones of that time */
	secs.cet_attributes = 1;
	FIELD(RESERVED, 1, 0);
	secs.cet_attributes = 0;
	/* key separation is not known to it: a #GP of ECREATE */
	secs.configsvn = 1;
	CHECK_EQ(kfx_create(&e, &secs), FAULT(GP));
	refused(&e, WHY_SECS_CONFIG, 1, 0);
	secs.configsvn = 0;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	end(k, &e);
}

/* --- ADD_PAGE ------------------------------------------------------------------- */

TEST(v22_add_page_order)
{
	struct sgx_v22_add_page arg = {
		.addr = KFX_BASE + 1, .src = KFX_NOWHERE + 1, .secinfo = KFX_NOWHERE};
	struct sgx_secinfo_arch info = {.flags = KFX_REG | KFX_W, .rsvd = {[55] = 1}};
	struct kfx *k = new_v22(16);
	struct sgx_secs secs;
	struct kfx_encl e;

#define RUNG(error, rule_)                                                 \
	do {                                                               \
		kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));               \
		kfx_put(e.call, KFX_SECINFO, &info, sizeof(info));         \
		CHECK_EQ(kfx_ioctl(&e, SGX_V22_ADD_PAGE, KFX_ARG), error); \
		CHECK_EQ(e.call->why.rule, rule_);                         \
	} while (0)
	kfx_open(k, &e);
	CHECK_EQ(kfx_ioctl(&e, SGX_V22_ADD_PAGE, KFX_NOWHERE), -EINVAL);
	refused(&e, WHY_OLD_NOT_CREATED, 0, 0);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(kfx_ioctl(&e, SGX_V22_ADD_PAGE, KFX_NOWHERE), -EFAULT);
	refused(&e, WHY_OLD_ARG, KFX_NOWHERE, 0);
	RUNG(-EINVAL, WHY_OLD_ADDR);
	arg.addr = KFX_BASE + KFX_SIZE;
	RUNG(-EINVAL, WHY_OLD_SRC_ALIGN);
	arg.src = KFX_NOWHERE;
	RUNG(-EINVAL, WHY_OLD_ADDR);
	arg.addr = KFX_BASE - 4096;
	RUNG(-EINVAL, WHY_OLD_ADDR);
	arg.addr = KFX_BASE;
	RUNG(-EFAULT, WHY_OLD_SOURCE);
	refused(&e, WHY_OLD_SOURCE, KFX_NOWHERE, 64);
	arg.secinfo = KFX_SECINFO;
	RUNG(-EINVAL, WHY_ADD_WRITE_ONLY);
	info.flags = KFX_TCS | KFX_R;
	RUNG(-EINVAL, WHY_ADD_TCS_RWX);
	info.flags = KFX_REG | KFX_R | SGX_SECINFO_PENDING_BIT;
	RUNG(-EINVAL, WHY_ADD_FLAGS);
	info.flags = KFX_REG | KFX_R;
	RUNG(-EINVAL, WHY_ADD_RESERVED);
	info.rsvd[55] = 0;
	RUNG(-EFAULT, WHY_OLD_SOURCE);
	refused(&e, WHY_OLD_SOURCE, KFX_NOWHERE, 4096);
	arg.src = KFX_SOURCE;
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_V22_ADD_PAGE, KFX_ARG), 0);
	/* a page that is there comes before its source */
	arg.src = KFX_NOWHERE;
	RUNG(-EEXIST, WHY_OLD_DUPLICATE);
	/* a leaf's fault is EFAULT */
	memset(kfx_user(e.call, KFX_SOURCE, 4096), 0xff, 4096);
	arg.src = KFX_SOURCE;
	arg.addr = KFX_BASE + 4096;
	info.flags = KFX_TCS;
	RUNG(-EFAULT, WHY_TCS_FLAGS_SET);
	end(k, &e);
#undef RUNG
}

/* Each bit of mrmask is 256 bytes, and they are measured in their order. */
TEST(v22_mrmask)
{
	static const uint16_t masks[] = {0, 1, 0x8000, 0x5555, 0xaaa0, 0xffff};
	struct sgx_sigstruct_arch sig;
	struct kfx *k = new_v22(16);
	struct kfx_encl e;

	created(k, &e);
	for (unsigned int i = 0; i < 6; i++) {
		uint8_t *page = kfx_user(e.call, KFX_SOURCE, 4096);

		for (unsigned int at = 0; at < 4096; at++)
			page[at] = (uint8_t)(at / 256 * 16 + i);
		CHECK_EQ(add(&e, i * 4096, KFX_REG | KFX_R, masks[i]), 0);
	}
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	end(k, &e);
}

/* --- INIT, SET_ATTRIBUTE ---------------------------------------------------------- */

TEST(v22_init_order)
{
	struct sgx_enclave_init arg = {.sigstruct = KFX_NOWHERE};
	struct sgx_sigstruct_arch sig, other;
	struct kfx *k = new_v22(16);
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_NOWHERE), -EINVAL);
	refused(&e, WHY_INIT_NOT_CREATED, 0, 0);
	kfx_release(&e);
	created(k, &e);
	CHECK_EQ(add(&e, 0, KFX_REG | KFX_R, 0xffff), 0);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_NOWHERE), -EFAULT);
	refused(&e, WHY_INIT_ARG, KFX_NOWHERE, 0);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_ARG), -EFAULT);
	refused(&e, WHY_INIT_SIGSTRUCT, KFX_NOWHERE, sizeof(sig));
	/* codes of EINIT are the answer: vendor and masks are its to look at */
	kfx_sigstruct(&e, &sig);
	sig.vendor = 1;
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), SGX_ERR_INVALID_SIG_STRUCT);
	sig.vendor = 0;
	CHECK_EQ(kfx_init(&e, &sig), SGX_ERR_INVALID_SIGNATURE);
	other = sig;
	other.enclavehash[0] ^= 1;
	kfx_sign(&other);
	CHECK_EQ(kfx_init(&e, &other), SGX_ERR_INVALID_MEASUREMENT);
	other = sig;
	other.attributes.flags |= 1ull << 50;
	kfx_sign(&other);
	CHECK_EQ(kfx_init(&e, &other), SGX_ERR_INVALID_ATTRIBUTE);
	kfx_sign_other(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	CHECK_EQ(kfx_init(&e, &sig), -EFAULT);
	refused(&e, WHY_OLD_INITIALISED, KFX_BASE, 0);
	CHECK_EQ(add(&e, 4096, KFX_REG | KFX_R, 0), -EFAULT);
	refused(&e, WHY_OLD_INITIALISED, KFX_BASE, 0);
	end(k, &e);
}

TEST(v22_set_attribute)
{
	struct sgx_enclave_provision arg = {.fd = KFX_PROVISION_FD + 1};
	struct sgx_sigstruct_arch sig;
	struct kfx *k = new_v22(16);
	struct sgx_secs secs;
	struct kfx_encl e;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	secs.attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), -EINVAL);
	refused(&e, WHY_OLD_ATTRIBUTES, secs.attributes.flags,
		SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_KSS_BIT);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG), -EINVAL);
	arg.fd = KFX_PROVISION_FD;
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG), 0);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	end(k, &e);
}

/* --- the others ------------------------------------------------------------------ */

TEST(v22_knows_no_other)
{
	static const unsigned int cmds[] = {
		SGX_IOC_ENCLAVE_ADD_PAGES,
		SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS,
		SGX_IOC_ENCLAVE_MODIFY_TYPES,
		SGX_IOC_ENCLAVE_REMOVE_PAGES,
		SGX_ISGX_ADD_PAGE,
		SGX_ISGX_INIT,
		0x1234,
	};
	struct kfx *k = new_v22(16);
	struct kfx_encl e;

	created(k, &e);
	for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		CHECK_EQ(kfx_ioctl(&e, cmds[i], KFX_ARG), -ENOTTY);
	end(k, &e);
}

/* A descriptor that speaks both: the ioctl that adds the first page decides. */
TEST(both_generations_on_one_device)
{
	for (int v22 = 0; v22 < 2; v22++) {
		struct kfx *k = kfx_new(16, 1, true);
		struct sgx_sigstruct_arch sig;
		struct sgx_secs secs;
		struct kfx_encl e;

		k->interfaces = SGX_INTERFACE_UPSTREAM | SGX_INTERFACE_V22;
		kfx_open(k, &e);
		/* before CREATE nothing is decided */
		CHECK_EQ(kfx_ioctl(&e, SGX_V22_ADD_PAGE, KFX_NOWHERE), -ENOTTY);
		CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_NOWHERE), -EINVAL);
		kfx_secs(&secs, KFX_BASE, KFX_SIZE);
		CHECK_EQ(kfx_create(&e, &secs), 0);
		if (v22) {
			CHECK_EQ(add(&e, 0, KFX_REG | KFX_R, 0xffff), 0);
			CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG), -ENOTTY);
		} else {
			CHECK_EQ(kfx_add(&e, 0, 4096, KFX_REG | KFX_R, SGX_PAGE_MEASURE, NULL), 0);
			CHECK_EQ(add(&e, 4096, KFX_REG | KFX_R, 0xffff), -ENOTTY);
		}
		kfx_sigstruct(&e, &sig);
		CHECK_EQ(kfx_init(&e, &sig), v22 ? SGX_ERR_INVALID_SIGNATURE : -EPERM);
		kfx_sign(&sig);
		CHECK_EQ(kfx_init(&e, &sig), 0);
		end(k, &e);
	}
}

/* --- mappings and faults ------------------------------------------------------------ */

static int may_map(struct kfx_encl *e, uint64_t offset, uint64_t size, unsigned int prot,
		   struct why *why)
{
	*why = (struct why){0};
	return sgx_may_map(e->encl, KFX_BASE + offset, KFX_BASE + offset + size, prot, false, why);
}

TEST(v22_what_is_not_there_is_not_mapped)
{
	struct kfx *k = new_v22(16);
	struct sgx_fault fault = {.addr = KFX_BASE, .vm_prot = PROT_R};
	struct sgx_sigstruct_arch sig;
	struct sgx_mm mm = {0};
	struct kfx_encl e;
	struct why why;

	kfx_open(k, &e);
	/* before CREATE, everywhere */
	CHECK_EQ(may_map(&e, 0, KFX_SIZE, 0, &why), 0);
	CHECK_EQ(may_map(&e, 0, 4096, PROT_R, &why), -EACCES);
	CHECK_EQ(why.rule, WHY_MAP_ABSENT);
	kfx_release(&e);
	created(k, &e);
	CHECK_EQ(add(&e, 0, KFX_REG | KFX_R | KFX_W, 0xffff), 0);
	CHECK_EQ(add(&e, 4096, KFX_REG | KFX_R, 0xffff), 0);
	CHECK_EQ(may_map(&e, 0, KFX_SIZE, 0, &why), 0);
	CHECK_EQ(may_map(&e, 0, 8192, PROT_R, &why), 0);
	CHECK_EQ(may_map(&e, 0, 4096, PROT_RW, &why), 0);
	CHECK_EQ(may_map(&e, 0, 8192, PROT_RW, &why), -EACCES);
	CHECK_EQ(why.rule, WHY_MAP_PROT);
	CHECK_EQ(why.at, KFX_BASE + 4096);
	CHECK_EQ(may_map(&e, 0, 3 * 4096, PROT_R, &why), -EACCES);
	CHECK_EQ(why.rule, WHY_MAP_ABSENT);
	CHECK_EQ(why.at, KFX_BASE + 8192);
	CHECK_EQ(may_map(&e, -4096ull, 8192, PROT_R, &why), -EACCES);
	/* what Linux would make executable is not there executable */
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + 4096, PROT_R, true, &why), -EACCES);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + 4096, 0, true, &why), 0);
	/* and before INIT nobody sees a page */
	fault.why = &why;
	CHECK_EQ(sgx_fault(&mm, e.encl, &fault), SGX_FAULT_SIGBUS);
	CHECK_EQ(why.rule, WHY_FAULT_NOT_INIT);
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	CHECK_EQ(sgx_fault(&mm, e.encl, &fault), SGX_FAULT_RETRY);
	CHECK_EQ(mm.grants, 1);
	end(k, &e);
}
