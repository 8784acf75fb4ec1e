/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings, faults, ENCLU by RPC and the debugger. */
#include "kernel_fixture.h"

#define PROT_R 1u
#define PROT_W 2u
#define PROT_X 4u

/* Where kfx_enclave() puts its pages */
#define TCS_ADDR KFX_BASE
#define RW_ADDR	 (KFX_BASE + 0x1000)
#define R_ADDR	 (KFX_BASE + 0x3000)
#define RX_ADDR	 (KFX_BASE + 0x4000)
#define NO_ADDR	 (KFX_BASE + 0x5000)

static void end(struct kfx *k, struct kfx_encl *e)
{
	kfx_check(k);
	kfx_release(e);
	kfx_check_all_free(k);
	kfx_free(k);
}

/* --- mmap and mprotect ------------------------------------------------------------ */

TEST(may_map_before_create)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(sgx_may_map(e.encl, 0x1000, 0x7ffffffff000, 7, false, NULL), 0);
	CHECK_EQ(sgx_may_map(e.encl, 0, 0x1000, 7, false, NULL), 0);
	CHECK_EQ(sgx_may_map(e.encl, 0x1000, 0x2000, PROT_R, true, NULL), -EACCES);
	end(k, &e);
}

/* Each page's maximum against each protection. */
TEST(may_map_is_capped_by_each_page)
{
	static const struct {
		uint64_t addr;
		unsigned int max;
	} pages[] = {
		{TCS_ADDR, PROT_R | PROT_W},
		{RW_ADDR, PROT_R | PROT_W},
		{R_ADDR, PROT_R},
		{RX_ADDR, PROT_R | PROT_X},
		{NO_ADDR, 7},
	};
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	for (int init = 0; init < 2; init++) {
		kfx_enclave(k, &e, init);
		for (unsigned int i = 0; i < 5; i++)
			for (unsigned int prot = 0; prot < 8; prot++)
				CHECK_EQ(sgx_may_map(e.encl, pages[i].addr, pages[i].addr + 4096,
						     prot, false, NULL),
					 prot & ~pages[i].max ? -EACCES : 0);
		/* Over several pages, the intersection; bits that are not R, W or X pass. */
		CHECK_EQ(sgx_may_map(e.encl, RW_ADDR, NO_ADDR, PROT_R, false, NULL), 0);
		CHECK_EQ(sgx_may_map(e.encl, RW_ADDR, NO_ADDR, PROT_R | PROT_W, false, NULL),
			 -EACCES);
		CHECK_EQ(sgx_may_map(e.encl, TCS_ADDR, R_ADDR, PROT_R | PROT_W, false, NULL), 0);
		CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, KFX_BASE + KFX_SIZE, 0x1000000, false, NULL),
			 0);
		CHECK_EQ(sgx_may_map(e.encl, RW_ADDR, RW_ADDR + 4096, PROT_R, true, NULL), -EACCES);
		if (!init)
			kfx_release(&e);
	}
	end(k, &e);
}

TEST(may_map_outside_elrange_only_before_init)
{
	const uint64_t end_addr = KFX_BASE + KFX_SIZE;
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_enclave(k, &e, false);
	CHECK_EQ(sgx_may_map(e.encl, end_addr, end_addr + 4096, 7, false, NULL), 0);
	CHECK_EQ(sgx_may_map(e.encl, end_addr - 4096, end_addr + 4096, 7, false, NULL), 0);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE - 4096, KFX_BASE, 7, false, NULL), 0);
	/* The pages count all the same. */
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE - 4096, KFX_BASE + 4096, 7, false, NULL), -EACCES);
	CHECK_EQ(sgx_may_map(e.encl, 0, ~0xfffull, 7, false, NULL), -EACCES);
	kfx_release(&e);

	kfx_enclave(k, &e, true);
	CHECK_EQ(sgx_may_map(e.encl, end_addr, end_addr + 4096, 0, false, NULL), -EACCES);
	CHECK_EQ(sgx_may_map(e.encl, end_addr - 4096, end_addr + 4096, 0, false, NULL), -EACCES);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE - 4096, KFX_BASE + 4096, 0, false, NULL), -EACCES);
	CHECK_EQ(sgx_may_map(e.encl, KFX_BASE, end_addr, 0, false, NULL), 0);
	CHECK_EQ(sgx_may_map(e.encl, end_addr - 4096, end_addr, 7, false, NULL), 0);
	end(k, &e);
}

/* --- faults ------------------------------------------------------------------------ */

static enum sgx_fault_verdict fault(struct kfx_encl *e, struct sgx_mm *mm, uint64_t addr,
				    uint32_t error_code, uint32_t vm_prot, uint32_t *code)
{
	struct sgx_fault f = {
		.addr = addr,
		.error_code = error_code,
		.vm_prot = vm_prot,
		.enclave_mode = true,
	};
	enum sgx_fault_verdict verdict = sgx_fault(mm, e->encl, &f);

	CHECK_EQ(f.addr, addr);
	*code = f.error_code;
	return verdict;
}

TEST(fault_grants_what_epcm_and_mapping_allow)
{
	/* clang-format off */
	static const struct {
		uint64_t addr;
		uint32_t access, vm_prot;
		enum sgx_fault_verdict verdict;
		bool write;	/* granted */
	} cases[] = {
		{ RW_ADDR,		SGX_PF_U,		PROT_R | PROT_W, SGX_FAULT_RETRY, true },
		{ RW_ADDR + 0xfff,	SGX_PF_U | SGX_PF_W,	PROT_R | PROT_W, SGX_FAULT_RETRY, true },
		{ R_ADDR,		SGX_PF_U,		PROT_R,		 SGX_FAULT_RETRY, false },
		{ RX_ADDR + 1,		SGX_PF_U | SGX_PF_I,	PROT_R | PROT_X, SGX_FAULT_RETRY, false },
		/* Never added, and outside */
		{ NO_ADDR,		SGX_PF_U,		PROT_R,		 SGX_FAULT_SIGBUS, false },
		{ KFX_BASE - 1,		SGX_PF_U,		PROT_R,		 SGX_FAULT_SIGBUS, false },
		{ KFX_BASE + KFX_SIZE,	SGX_PF_U,		PROT_R,		 SGX_FAULT_SIGBUS, false },
		/* A mapping from before the page, which allows more than the page's maximum */
		{ R_ADDR,		SGX_PF_U,		PROT_R | PROT_W, SGX_FAULT_SIGBUS, false },
		{ RW_ADDR,		SGX_PF_U,		7,		 SGX_FAULT_SIGBUS, false },
		{ TCS_ADDR,		SGX_PF_U,		7,		 SGX_FAULT_SIGBUS, false },
		/* The EPCM: nobody gets at a TCS; no W; no X */
		{ TCS_ADDR + 8,		SGX_PF_U,		PROT_R | PROT_W, SGX_FAULT_PF, false },
		{ TCS_ADDR,		SGX_PF_U | SGX_PF_W,	PROT_R | PROT_W, SGX_FAULT_PF, false },
		{ R_ADDR,		SGX_PF_U | SGX_PF_W,	PROT_R,		 SGX_FAULT_PF, false },
		{ RX_ADDR,		SGX_PF_U | SGX_PF_W | SGX_PF_P, PROT_R | PROT_X, SGX_FAULT_PF, false },
		{ RW_ADDR,		SGX_PF_U | SGX_PF_I,	PROT_R | PROT_W, SGX_FAULT_PF, false },
	};
	/* clang-format on */
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	for (int init = 0; init < 2; init++) {
		kfx_enclave(k, &e, init);
		for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct sgx_mm mm = {0};
			uint32_t code, sgx;

			if (fault(&e, &mm, cases[i].addr, cases[i].access, cases[i].vm_prot,
				  &code) != cases[i].verdict)
				FAIL("case %u: wrong verdict", i);
			CHECK_EQ(mm.grants, cases[i].verdict == SGX_FAULT_RETRY);
			CHECK_EQ(mm.write, cases[i].write);
			if (mm.grants)
				CHECK_EQ(mm.addr, cases[i].addr & ~0xfffull);
			/* a fetch without PROT_EXEC is the page tables', not the EPCM's */
			sgx = cases[i].access & SGX_PF_I ? 0 : SGX_PF_SGX;
			sgx = cases[i].verdict == SGX_FAULT_PF ? SGX_PF_P | sgx : 0;
			CHECK_EQ(code, cases[i].access | sgx);
		}
		if (!init)
			kfx_release(&e);
	}
	end(k, &e);
}

/* States that only SGX2 and paging bring about, put into the EPCM by hand. */
TEST(fault_on_each_epcm_state)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct sgx_mm mm = {0};
	struct epcm_entry *entry = k->epcm, saved;
	struct kfx_encl e;
	uint32_t code;

	kfx_enclave(k, &e, true);
	while (!entry->valid || entry->address != RW_ADDR)
		entry++;
	saved = *entry;
#define PF_WITH(field, value)                                                             \
	do {                                                                              \
		entry->field = (value);                                                   \
		CHECK_EQ(fault(&e, &mm, RW_ADDR, SGX_PF_U, PROT_R, &code), SGX_FAULT_PF); \
		CHECK_EQ(code, SGX_PF_U | SGX_PF_P | SGX_PF_SGX);                         \
		*entry = saved;                                                           \
	} while (0)
	PF_WITH(valid, 0);
	PF_WITH(blocked, 1);
	PF_WITH(pending, 1);
	PF_WITH(modified, 1);
	PF_WITH(pt, SGX_PT_TRIM);
	PF_WITH(secs, saved.secs + 1);
	PF_WITH(address, RW_ADDR + 4096);
	PF_WITH(rwx, SGX_SECINFO_X_BIT);
#undef PF_WITH
	CHECK_EQ(mm.grants, 0);
	CHECK_EQ(fault(&e, &mm, RW_ADDR, SGX_PF_U, PROT_R, &code), SGX_FAULT_RETRY);
	end(k, &e);
}

/* EENTER and ERESUME ask the EPCM for their TCS as loads do for their page. */
TEST(fault_of_a_leaf_on_each_epcm_state_of_its_tcs)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct epcm_entry *entry = k->epcm, saved;
	struct sgx_mm mm = {0};
	struct sgx_fault f;
	struct kfx_encl e;

	kfx_enclave(k, &e, true);
	while (!entry->valid || entry->address != TCS_ADDR)
		entry++;
	saved = *entry;
#define TCS_FAULT(change, verdict)                                                              \
	do {                                                                                    \
		f = (struct sgx_fault){                                                         \
			.addr = TCS_ADDR,                                                       \
			.error_code = SGX_PF_U | SGX_PF_W,                                      \
			.vm_prot = PROT_R | PROT_W,                                             \
			.enclave_mode = true,                                                   \
			.tcs = true,                                                            \
		};                                                                              \
		change;                                                                         \
		CHECK_EQ(sgx_fault(&mm, e.encl, &f), verdict);                                  \
		CHECK_EQ(f.error_code &SGX_PF_SGX, (verdict) == SGX_FAULT_PF ? SGX_PF_SGX : 0); \
		*entry = saved;                                                                 \
	} while (0)
	TCS_FAULT((void)0, SGX_FAULT_RETRY);
	TCS_FAULT(entry->valid = 0, SGX_FAULT_PF);
	TCS_FAULT(entry->blocked = 1, SGX_FAULT_PF);
	TCS_FAULT(entry->pending = 1, SGX_FAULT_PF);
	TCS_FAULT(entry->modified = 1, SGX_FAULT_PF);
	TCS_FAULT(entry->pt = SGX_PT_TRIM, SGX_FAULT_PF);
	TCS_FAULT(entry->secs = saved.secs + 1, SGX_FAULT_PF);
	TCS_FAULT(entry->address = TCS_ADDR + 4096, SGX_FAULT_PF);
	TCS_FAULT(f.addr = RW_ADDR, SGX_FAULT_PF);
#undef TCS_FAULT
	CHECK_EQ(mm.grants, 0);
	end(k, &e);
}

TEST(fault_before_create_is_sigbus)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct sgx_mm mm = {0};
	struct kfx_encl e;
	uint32_t code;

	kfx_open(k, &e);
	CHECK_EQ(fault(&e, &mm, KFX_BASE, SGX_PF_U, PROT_R, &code), SGX_FAULT_SIGBUS);
	CHECK_EQ(fault(&e, &mm, 0, SGX_PF_U, PROT_R, &code), SGX_FAULT_SIGBUS);
	end(k, &e);
}

/* A world that changed meanwhile is looked at again; a host that fails is SIGBUS. */
TEST(fault_and_what_the_host_says)
{
	static const struct {
		int ret;
		enum sgx_fault_verdict verdict;
	} cases[] = {
		{0, SGX_FAULT_RETRY},
		{-EAGAIN, SGX_FAULT_RETRY},
		{-ENOENT, SGX_FAULT_RETRY},
		{-ENOMEM, SGX_FAULT_SIGBUS},
	};
	struct kfx *k = kfx_new(16, 1, true);
	struct sgx_mm mm = {0};
	struct kfx_encl e;
	uint32_t code;

	kfx_enclave(k, &e, true);
	for (unsigned int i = 0; i < 4; i++) {
		mm.page_grant = cases[i].ret;
		CHECK_EQ(fault(&e, &mm, RW_ADDR, SGX_PF_U, PROT_R, &code), cases[i].verdict);
	}
	end(k, &e);
}

/* --- the debugger ------------------------------------------------------------------- */

TEST(access_reads_and_writes_a_debug_enclave)
{
	struct kfx *k = kfx_new(16, 1, true);
	uint64_t data = 0x1122334455667788ull, back = 0;
	struct kfx_encl e;

	kfx_enclave(k, &e, true);
	/* Permissions do not matter. */
	CHECK_EQ(sgx_access(e.encl, RX_ADDR + 8, PROT_R, &data, true), 0);
	CHECK_EQ(sgx_access(e.encl, RX_ADDR + 8, PROT_R, &back, false), 0);
	CHECK_EQ(back, data);
	CHECK_EQ(sgx_access(e.encl, RX_ADDR + 0xff8, PROT_R, &back, false), 0);
	CHECK_EQ(back, 0);
	/* TCS.OENTRY may be read, not written; FLAGS may be written. */
	CHECK_EQ(sgx_access(e.encl, TCS_ADDR + 32, PROT_R, &back, false), 0);
	CHECK_EQ(back, 0x4000);
	CHECK_EQ(sgx_access(e.encl, TCS_ADDR + 32, PROT_R, &back, true), -EIO);
	data = SGX_TCS_DBGOPTIN_BIT;
	CHECK_EQ(sgx_access(e.encl, TCS_ADDR + 8, PROT_R, &data, true), 0);
	CHECK_EQ(k->tcs_flags, SGX_TCS_DBGOPTIN_BIT);
	data = 0;
	CHECK_EQ(sgx_access(e.encl, TCS_ADDR + 8, PROT_R, &data, true), 0);
	CHECK_EQ(k->tcs_flags, 0);
	/* CSSA and AEP are the slot's; NSSA, beside CSSA, is the page's */
	CHECK_EQ(sgx_access(e.encl, TCS_ADDR + 24, PROT_R, &back, false), 0);
	CHECK_EQ((uint32_t)back, KFX_SLOT_CSSA);
	CHECK(back >> 32);
	CHECK_EQ(sgx_access(e.encl, TCS_ADDR + 40, PROT_R, &back, false), 0);
	CHECK_EQ(back, KFX_SLOT_AEP);
	CHECK_EQ(sgx_access(e.encl, RW_ADDR + 1, PROT_R, &back, false), -EIO);
	CHECK_EQ(sgx_access(e.encl, NO_ADDR, PROT_R, &back, false), -EFAULT);
	CHECK_EQ(sgx_access(e.encl, KFX_BASE + KFX_SIZE, PROT_R, &back, false), -EFAULT);
	end(k, &e);
}

/* A mapping that allows more than the page's maximum counts for ptrace as for a fault. */
TEST(access_through_a_mapping_that_allows_more_is_efault)
{
	struct kfx *k = kfx_new(32, 1, true);
	struct kfx_encl e;
	uint64_t data = 0;

	kfx_enclave(k, &e, true);
	for (uint32_t prot = 0; prot < 8; prot++) {
		bool more = prot & ~(PROT_R | PROT_W);

		CHECK_EQ(sgx_access(e.encl, RW_ADDR, prot, &data, false), more ? -EFAULT : 0);
		CHECK_EQ(sgx_access(e.encl, RW_ADDR, prot, &data, true), more ? -EFAULT : 0);
		/* a TCS' maximum is RW, whatever its SECINFO said */
		CHECK_EQ(sgx_access(e.encl, TCS_ADDR + 8, prot, &data, false), more ? -EFAULT : 0);
		more = prot & ~(PROT_R | PROT_X);
		CHECK_EQ(sgx_access(e.encl, RX_ADDR, prot, &data, false), more ? -EFAULT : 0);
	}
	end(k, &e);
}

TEST(access_to_a_production_enclave_is_efault)
{
	struct kfx *k = kfx_new(16, 1, true);
	uint64_t data = 0;
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	CHECK_EQ(sgx_access(e.encl, KFX_BASE, PROT_R, &data, false), -EFAULT);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	secs.attributes.flags &= ~SGX_ATTR_DEBUG_BIT;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(kfx_add(&e, 0x1000, 0x1000, KFX_REG | KFX_R, 0, NULL), 0);
	CHECK_EQ(sgx_access(e.encl, RW_ADDR, PROT_R, &data, false), -EFAULT);
	CHECK_EQ(sgx_access(e.encl, RW_ADDR, PROT_R, &data, true), -EFAULT);
	end(k, &e);
}

/* --- ENCLU ---------------------------------------------------------------------------- */

TEST(enclu_works_in_the_enclave_of_the_thread)
{
	struct kfx *k = kfx_new(32, 1, true);
	struct cpu_regs regs = {
		.rax = SGX_EREPORT,
		.rbx = RW_ADDR,
		.rcx = RW_ADDR + 512,
		.rdx = RW_ADDR + 4096,
	};
	struct sgx_encl_info info;
	struct kfx_encl e;
	struct cpu_result r;
	uint64_t word;

	kfx_enclave(k, &e, true);
	CHECK(cpu_ok(sgx_enclu(e.encl, &regs, NULL)));
	/* REPORT.MRENCLAVE, as the debugger sees it */
	sgx_encl_info(e.encl, &info);
	for (unsigned int i = 0; i < 4; i++) {
		CHECK_EQ(sgx_access(e.encl,
				    RW_ADDR + 4096 + offsetof(struct sgx_report, mrenclave) + 8 * i,
				    PROT_R, &word, false),
			 0);
		CHECK_MEM(&word, info.mrenclave + 8 * i, 8);
	}
	/* Output to a page that is not there, and to one without W */
	regs.rax = SGX_EREPORT;
	regs.rdx = NO_ADDR;
	r = sgx_enclu(e.encl, &regs, NULL);
	CHECK_EQ(r.vector, SGX_VEC_PF);
	CHECK_EQ(r.addr, NO_ADDR);
	CHECK_EQ(r.code & SGX_PF_SGX, 0);
	regs.rdx = R_ADDR;
	r = sgx_enclu(e.encl, &regs, NULL);
	CHECK_EQ(r.vector, SGX_VEC_PF);
	CHECK_EQ(r.addr, R_ADDR);
	CHECK_EQ(r.code & SGX_PF_SGX, SGX_PF_SGX);
	end(k, &e);
}

TEST(enclu_where_nobody_can_be_inside)
{
	struct cpu_regs regs = {.rax = SGX_EREPORT, .rbx = RW_ADDR, .rcx = RW_ADDR + 512};
	struct kfx *k = kfx_new(16, 1, true);
	struct cpu_result r;
	struct kfx_encl e;

	kfx_open(k, &e);
	r = sgx_enclu(e.encl, &regs, NULL);
	CHECK(cpu_faulted(r));
	CHECK_EQ(r.vector, SGX_VEC_GP);
	kfx_release(&e);
	kfx_enclave(k, &e, false);
	r = sgx_enclu(e.encl, &regs, NULL);
	CHECK(cpu_faulted(r));
	CHECK_EQ(r.vector, SGX_VEC_GP);
	end(k, &e);
}
