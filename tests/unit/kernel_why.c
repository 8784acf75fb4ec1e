/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why the driver refuses: each rule of base/rules_driver.h that kernel/ knows, with the
 * values that it notes.  (kfx_ioctl() sees to it that no refusal is without one.)
 */
#include "kernel_fixture.h"

#include <stddef.h>

#define PROT_R	 1u
#define PROT_RW	 3u
#define PROT_RX	 5u
#define PROT_RWX 7u

static void check_record(const struct why *why, enum why_rule rule, uint64_t found, uint64_t wanted)
{
	CHECK_EQ(why->rule, rule);
	CHECK_EQ(why->found, found);
	CHECK_EQ(why->wanted, wanted);
}

#define CHECK_WHY(rule, found, wanted) check_record(&e.call->why, rule, (found), (wanted))

static void end(struct kfx *k, struct kfx_encl *e)
{
	kfx_check(k);
	kfx_release(e);
	kfx_check_all_free(k);
	kfx_free(k);
}

TEST(why_any_ioctl)
{
	static const struct {
		unsigned int cmd;
		enum why_rule rule;
	} cmds[] = {
		{0x1234, WHY_IOCTL_UNKNOWN},
		{_IO(SGX_MAGIC, 0x7f), WHY_IOCTL_UNKNOWN},
		{SGX_IOC_VEPC_REMOVE_ALL, WHY_IOCTL_UNKNOWN},
		{_IOW(SGX_MAGIC, 0x01, char[26]), WHY_IOCTL_OTHER}, /* isgx' ADD_PAGE */
		{_IOW(SGX_MAGIC, 0x01, char[32]), WHY_IOCTL_OTHER}, /* the patches' */
		{_IOW(SGX_MAGIC, 0x02, char[24]), WHY_IOCTL_OTHER}, /* isgx' INIT */
		{SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, WHY_IOCTL_SGX2},
		{SGX_IOC_ENCLAVE_MODIFY_TYPES, WHY_IOCTL_SGX2},
		{SGX_IOC_ENCLAVE_REMOVE_PAGES, WHY_IOCTL_SGX2},
	};
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_open(k, &e);
	for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		CHECK(kfx_ioctl(&e, cmds[i].cmd, KFX_ARG) < 0);
		CHECK_WHY(cmds[i].rule, cmds[i].cmd, 0);
	}
	CHECK_EQ(sgx_ioctl_begin(e.encl, NULL), 0);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_ARG), -EBUSY);
	CHECK_WHY(WHY_IOCTL_BUSY, 0, 0);
	sgx_ioctl_end(e.encl);
	end(k, &e);
}

TEST(why_create)
{
	struct sgx_enclave_create arg = {.src = KFX_NOWHERE};
	struct kfx *k = kfx_new(3, 1, true);
	struct kfx_encl e, other;
	struct sgx_secs secs;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, 0x3000);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_NOWHERE), -EFAULT);
	CHECK_WHY(WHY_CREATE_ARG, KFX_NOWHERE, 0);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_ARG), -EFAULT);
	CHECK_WHY(WHY_CREATE_SRC, KFX_NOWHERE, 4096);
	CHECK_EQ(kfx_create(&e, &secs), -EINVAL);
	CHECK_WHY(WHY_CREATE_SIZE, 0x3000, 0);
	secs.size = 1ull << 63;
	CHECK_EQ(kfx_create(&e, &secs), -EINVAL);
	CHECK_WHY(WHY_CREATE_BACKING, 1ull << 63, 0);
	/* the processor's own rules come through */
	secs.size = KFX_SIZE;
	secs.attributes.xfrm = 1;
	CHECK_EQ(kfx_create(&e, &secs), -EIO);
	CHECK_WHY(WHY_SECS_XFRM_LEGACY, 1, 3);
	secs.attributes.xfrm = 3;
	k->fill_after = 1;
	CHECK_EQ(kfx_create(&e, &secs), -ENOMEM);
	CHECK_WHY(WHY_HOST_MEMORY, 0, 0);
	k->fill_after = -1;
	k->encl_memory = -ENOMEM;
	CHECK_EQ(kfx_create(&e, &secs), -ENOMEM);
	CHECK_WHY(WHY_HOST_MEMORY, 0, 0);
	k->encl_memory = 0;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(kfx_create(&e, &secs), -EINVAL);
	CHECK_WHY(WHY_CREATE_AGAIN, KFX_BASE, 0);
	/* three pages: SECS and VA of one, and no room for another */
	kfx_open(k, &other);
	CHECK_EQ(kfx_create(&other, &secs), -ENOMEM);
	CHECK_WHY(WHY_EPC_FULL, 3, 0);
	kfx_release(&other);
	end(k, &e);
}

TEST(why_add_pages)
{
	struct sgx_enclave_add_pages arg = {
		.src = KFX_SOURCE, .length = 4096, .secinfo = KFX_NOWHERE};
	const uint64_t reg = KFX_REG | KFX_R;
	struct kfx *k = kfx_new(7, 1, true);
	struct sgx_secinfo_arch info = {.flags = reg};
	struct sgx_tcs tcs;
	struct sgx_secs secs;
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(kfx_add(&e, 0, 4096, reg, 0, NULL), -EINVAL);
	CHECK_WHY(WHY_ADD_NOT_CREATED, 0, 0);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_NOWHERE), -EFAULT);
	CHECK_WHY(WHY_ADD_ARG, KFX_NOWHERE, 0);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG), -EFAULT);
	CHECK_WHY(WHY_ADD_SECINFO_ARG, KFX_NOWHERE, 64);
	arg.src++;
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG), -EINVAL);
	CHECK_WHY(WHY_ADD_SRC_ALIGN, KFX_SOURCE + 1, 4096);
#define ADD(offset, length, flags, error, rule, found, wanted)                      \
	do {                                                                        \
		CHECK_EQ(kfx_add(&e, (offset), (length), (flags), 0, NULL), error); \
		CHECK_WHY(rule, found, wanted);                                     \
	} while (0)
	ADD(0x800, 0x1000, reg, -EINVAL, WHY_ADD_OFFSET_ALIGN, 0x800, 4096);
	ADD(0, 0, reg, -EINVAL, WHY_ADD_LENGTH, 0, 4096);
	ADD(0, 0x1800, reg, -EINVAL, WHY_ADD_LENGTH, 0x1800, 4096);
	ADD(~0xfffull, 0x2000, reg, -EINVAL, WHY_ADD_WRAP, ~0xfffull, 0x2000);
	ADD(KFX_SIZE, 0x1000, reg, -EINVAL, WHY_ADD_RANGE, KFX_SIZE + 0x1000, KFX_SIZE);
	ADD(0, 0x1000, 0x301, -EINVAL, WHY_ADD_TYPE, 0x301, 0);
	ADD(0, 0x1000, 0x202, -EINVAL, WHY_ADD_WRITE_ONLY, 0x202, 0);
	ADD(0, 0x1000, 0x103, -EINVAL, WHY_ADD_TCS_RWX, 0x103, 3);
	ADD(0, 0x1000, 0x10201, -EINVAL, WHY_ADD_FLAGS, 0x10201, 0xff07);
	info.rsvd[55] = 1;
	kfx_put(e.call, KFX_SECINFO, &info, sizeof(info));
	arg.src = KFX_SOURCE;
	arg.secinfo = KFX_SECINFO;
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG), -EINVAL);
	CHECK_WHY(WHY_ADD_RESERVED, 63, 0);
	/* the second page of two: what is said is about that */
	kfx_lack(e.call, KFX_SOURCE + 4096, KFX_NO_READ);
	ADD(0x3000, 0x2000, reg, -EFAULT, WHY_ADD_SOURCE, KFX_SOURCE + 4096, 0x4000);
	kfx_lack(e.call, KFX_SOURCE + 4096, KFX_NO_MAYEXEC);
	ADD(0x4000, 0x2000, reg, -EACCES, WHY_ADD_NOEXEC, KFX_SOURCE + 4096, 0x5000);
	kfx_lack(e.call, KFX_SOURCE + 4096, 0);
	ADD(0x2000, 0x2000, reg, -EBUSY, WHY_ADD_DUPLICATE, 0x3000, 0);
	/* a TCS that the processor refuses: at is its offset */
	kfx_tcs(&tcs);
	tcs.flags = 8;
	kfx_put(e.call, KFX_SOURCE, &tcs, sizeof(tcs));
	ADD(0x6000, 0x1000, KFX_TCS, -EIO, WHY_TCS_FLAGS_SET, 8, 1);
	CHECK_EQ(e.call->why.at, 0x6000);
	/* seven pages: SECS, VA, three, and two more */
	ADD(0x8000, 0x3000, reg, -ENOMEM, WHY_EPC_FULL, 7, 0);
	kfx_lack(e.call, KFX_ARG, KFX_NO_WRITE);
	ADD(0x2000, 0x1000, reg, -EFAULT, WHY_WRITE_BACK, KFX_ARG, 0);
#undef ADD
	end(k, &e);
}

TEST(why_init)
{
	struct sgx_enclave_init arg = {.sigstruct = KFX_NOWHERE};
	struct kfx *k = kfx_new(64, 1, true);
	struct sgx_sigstruct_arch sig;
	struct sgx_secs secs;
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_NOWHERE), -EINVAL);
	CHECK_WHY(WHY_INIT_NOT_CREATED, 0, 0);
	kfx_release(&e);
	kfx_enclave(k, &e, false);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_NOWHERE), -EFAULT);
	CHECK_WHY(WHY_INIT_ARG, KFX_NOWHERE, 0);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_ARG), -EFAULT);
	CHECK_WHY(WHY_INIT_SIGSTRUCT, KFX_NOWHERE, 1808);
#define INIT(change, error, rule, found, wanted)     \
	do {                                         \
		kfx_sigstruct(&e, &sig);             \
		change;                              \
		kfx_sign(&sig);                      \
		CHECK_EQ(kfx_init(&e, &sig), error); \
		CHECK_WHY(rule, (found), (wanted));  \
	} while (0)
	INIT(sig.vendor = 0x8087, -EINVAL, WHY_INIT_VENDOR, 0x8087, 0x8086);
	INIT(sig.attributes.flags |= 1ull << 60, -EINVAL, WHY_INIT_SIG_ATTRIBUTES,
	     e.secs.attributes.flags | 1ull << 60, 1ull << 60);
	INIT(sig.miscselect |= 0x80, -EINVAL, WHY_INIT_SIG_MISC, 0x80, 0x80);
	INIT(sig.attributes.xfrm |= 1ull << 60, -EINVAL, WHY_INIT_SIG_XFRM,
	     e.secs.attributes.xfrm | 1ull << 60, 1ull << 60);
	INIT(memset(sig.enclavehash, 0x12, 32), -EPERM, WHY_INIT_HASH, 0x1212121212121212,
	     e.call->why.wanted);
	/* launch control is off */
	k->pkg.feature_control = SGX_FEATURE_CONTROL_LOCKED | SGX_FEATURE_CONTROL_ENABLE;
	INIT(, -EIO, WHY_LAUNCH_MSR, 0, k->pkg.feature_control);
	k->pkg.feature_control |= SGX_FEATURE_CONTROL_LC;
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	INIT(, -EINVAL, WHY_INIT_AGAIN, KFX_BASE, 0);
	CHECK_EQ(kfx_add(&e, 0x8000, 4096, KFX_REG | KFX_R, 0, NULL), -EINVAL);
	CHECK_WHY(WHY_ADD_INITIALISED, KFX_BASE, 0);
	kfx_release(&e);

	/* Attributes that want leave, and those that nobody gets */
	for (int i = 0; i < 3; i++) {
		static const struct {
			uint64_t flag;
			enum why_rule rule;
		} wants[] = {
			{SGX_ATTR_PROVISION_KEY_BIT, WHY_INIT_PROVISIONKEY},
			{SGX_ATTR_EINITTOKEN_KEY_BIT, WHY_INIT_TOKENKEY},
			{SGX_ATTR_CET_BIT, WHY_INIT_ATTRIBUTES},
		};

		k->pkg.config.attributes |= wants[i].flag;
		kfx_open(k, &e);
		kfx_secs(&secs, KFX_BASE, KFX_SIZE);
		secs.attributes.flags |= wants[i].flag;
		CHECK_EQ(kfx_create(&e, &secs), 0);
		INIT(, -EACCES, wants[i].rule, secs.attributes.flags, e.call->why.wanted);
		CHECK(!(e.call->why.wanted & wants[i].flag));
		if (i < 2)
			kfx_release(&e);
	}
#undef INIT
	end(k, &e);
}

TEST(why_provision)
{
	struct sgx_enclave_provision arg = {.fd = 0x1ffffffffull};
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_PROVISION, KFX_NOWHERE), -EFAULT);
	CHECK_WHY(WHY_PROVISION_ARG, KFX_NOWHERE, 0);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(kfx_ioctl(&e, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG), -EINVAL);
	CHECK_WHY(WHY_PROVISION_FD, 0xffffffff, 0);
	end(k, &e);
}

TEST(why_map)
{
	struct kfx *k = kfx_new(64, 1, true);
	struct why why = {0};
	struct kfx_encl e;

	kfx_enclave(k, &e, true);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + KFX_SIZE, 0, false, &why), 0);
	CHECK_EQ(why.rule, WHY_NOTHING);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE - 4096, KFX_BASE, 0, false, &why), -EACCES);
	check_record(&why, WHY_MAP_RANGE, KFX_BASE - 4096, KFX_BASE);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + KFX_SIZE + 4096, 0, false, &why),
		 -EACCES);
	check_record(&why, WHY_MAP_RANGE, KFX_BASE + KFX_SIZE + 4095, KFX_BASE);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + 4096, 0, true, &why), -EACCES);
	CHECK_EQ(why.rule, WHY_MAP_RIE);
	/* the first page of the range that lacks something */
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + 0x5000, PROT_RW, false, &why), -EACCES);
	check_record(&why, WHY_MAP_PROT, PROT_RW, PROT_R);
	CHECK_EQ(why.at, KFX_BASE + 0x3000);
	end(k, &e);
}

static enum sgx_fault_verdict fault(struct kfx_encl *e, uint64_t addr, uint32_t code,
				    uint32_t vm_prot, bool tcs, struct why *why)
{
	struct sgx_mm mm = {0};
	struct sgx_fault f = {
		.addr = addr, .error_code = code, .vm_prot = vm_prot, .tcs = tcs, .why = why};

	*why = (struct why){0};
	return sgx_fault(&mm, e->encl, &f);
}

TEST(why_fault)
{
	struct kfx *k = kfx_new(64, 1, true);
	struct epcm_entry *entry;
	struct sgx_mm mm = {.page_grant = -ENOMEM};
	struct sgx_fault f = {.addr = KFX_BASE + 0x1000, .vm_prot = PROT_R};
	struct why why;
	struct kfx_encl e;

	kfx_enclave(k, &e, true);
	CHECK_EQ(fault(&e, KFX_BASE + 0x1008, SGX_PF_W, PROT_RW, false, &why), SGX_FAULT_RETRY);
	CHECK_EQ(why.rule, WHY_NOTHING);
	CHECK_EQ(fault(&e, KFX_BASE + 0x5008, 0, PROT_R, false, &why), SGX_FAULT_SIGBUS);
	check_record(&why, WHY_FAULT_ABSENT, KFX_BASE + 0x5000, 0);
	CHECK_EQ(fault(&e, KFX_BASE + 0x3000, 0, PROT_RWX, false, &why), SGX_FAULT_SIGBUS);
	check_record(&why, WHY_FAULT_VMA, PROT_RWX, PROT_R);
	CHECK_EQ(why.at, KFX_BASE + 0x3000);
	CHECK_EQ(fault(&e, KFX_BASE + 0x4000, SGX_PF_I, PROT_R, false, &why), SGX_FAULT_PF);
	check_record(&why, WHY_FAULT_NX, PROT_R, 0);
	CHECK_EQ(fault(&e, KFX_BASE, 0, PROT_R, false, &why), SGX_FAULT_PF);
	check_record(&why, WHY_FAULT_TYPE, KFX_TCS, 0);
	CHECK_EQ(fault(&e, KFX_BASE + 0x1000, SGX_PF_W, PROT_RW, true, &why), SGX_FAULT_PF);
	check_record(&why, WHY_FAULT_NO_TCS, KFX_REG, 0);
	CHECK_EQ(fault(&e, KFX_BASE + 0x3000, SGX_PF_W, PROT_R, false, &why), SGX_FAULT_PF);
	check_record(&why, WHY_FAULT_PERM, PROT_R, 2);
	CHECK_EQ(why.at, KFX_BASE + 0x3000);
	f.why = &why;
	CHECK_EQ(sgx_fault(&mm, e.encl, &f), SGX_FAULT_SIGBUS);
	check_record(&why, WHY_FAULT_GRANT, KFX_BASE + 0x1000, 0);
	/* the page at 0x3000, in a state that SGX2 or the reclaimer makes */
	for (entry = k->epcm; !entry->valid || entry->address != KFX_BASE + 0x3000; entry++)
		;
	entry->blocked = 1;
	CHECK_EQ(fault(&e, KFX_BASE + 0x3000, 0, PROT_R, false, &why), SGX_FAULT_PF);
	check_record(&why, WHY_FAULT_STATE, KFX_BASE + 0x3000, 0);
	entry->blocked = 0;
	end(k, &e);
}

TEST(why_fault_after_a_loss)
{
	static const uint8_t random[32];
	struct kfx *k = kfx_new(64, 1, true);
	struct cpu_regs regs = {.rbx = KFX_BASE + 0x1000};
	struct kfx_encl e;
	struct why why;
	epc_slot_t slot;

	kfx_enclave(k, &e, true);
	k->losses = true;
	CHECK_EQ(sgx_encl_poison(e.encl, 0x1000, &slot), 0);
	CHECK_EQ(fault(&e, KFX_BASE + 0x1000, 0, PROT_R, false, &why), SGX_FAULT_MCE);
	check_record(&why, WHY_FAULT_POISON, KFX_BASE + 0x1000, 0);
	CHECK_EQ(sgx_suspend(k->sgx, random), 0);
	CHECK_EQ(fault(&e, KFX_BASE + 0x3000, 0, PROT_R, false, &why), SGX_FAULT_PF);
	check_record(&why, WHY_FAULT_LOST, KFX_BASE + 0x3000, 0);
	CHECK_EQ(fault(&e, KFX_BASE, SGX_PF_W, PROT_RW, true, &why), SGX_FAULT_PF);
	check_record(&why, WHY_FAULT_LOST, KFX_BASE, 0);
	CHECK(!cpu_ok(sgx_enclu(e.encl, &regs, &why)));
	check_record(&why, WHY_FAULT_LOST, KFX_BASE + 0x1000, 0);
	kfx_release(&e);
	kfx_free(k);
}

/* A page that is out, and an EPC that has no room for it */
TEST(why_fault_that_cannot_load)
{
	struct kfx *k = kfx_oversub(8, false);
	struct kfx_encl e, other;
	struct sgx_secs secs;
	struct why why;

	kfx_enclave(k, &e, true);
	/* eight pages: the first enclave has seven; room for another is made of them */
	kfx_open(k, &other);
	kfx_secs(&secs, KFX_BASE + (1ull << 40), KFX_SIZE);
	CHECK_EQ(kfx_create(&other, &secs), 0);
	for (uint64_t offset = 0; offset < 4 * 4096; offset += 4096)
		CHECK_EQ(kfx_add(&other, offset, 4096, KFX_REG | KFX_R, 0, NULL), 0);
	k->no_park = 1;
	for (uint64_t offset = 0x1000; offset < 0x5000; offset += 4096)
		if (fault(&e, KFX_BASE + offset, 0, PROT_R, false, &why) == SGX_FAULT_SIGBUS)
			break;
	CHECK_EQ(why.rule, WHY_FAULT_LOAD);
	k->no_park = 0;
	kfx_release(&other);
	kfx_release(&e);
	kfx_free(k);
}
