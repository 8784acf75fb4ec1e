/* SPDX-License-Identifier: BSD-3-Clause */
#include "cpu_fixture.h"

#include <secs.h>

#include "cpu_test_key.h"

struct fixture fx;

static uint8_t *mem_bytes(void *ctx, epc_slot_t slot)
{
	return fx.epc[slot].bytes;
}

static int mem_fill(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr, const void *src)
{
	if (fx.fill_fails)
		return -1;
	CHECK_EQ(fx.epcm[slot].valid, 0);
	if (src)
		memcpy(fx.epc[slot].bytes, src, sizeof(fx.epc[slot]));
	else
		memset(fx.epc[slot].bytes, 0, sizeof(fx.epc[slot]));
	fx.fills++;
	return 0;
}

static void mem_drop(void *ctx, epc_slot_t slot)
{
	CHECK_EQ(fx.epcm[slot].valid, 0);
	memset(fx.epc[slot].bytes, 0xdb, sizeof(fx.epc[slot]));
	fx.drops++;
}

static bool tcs_busy(void *ctx, epc_slot_t slot)
{
	return fx.busy;
}

static void set_epoch(void *ctx, epc_slot_t secs, uint64_t epoch)
{
	CHECK_EQ(secs, FX_SECS);
	fx.epoch = epoch;
}

static uint64_t oldest_epoch(void *ctx, epc_slot_t secs)
{
	CHECK_EQ(secs, FX_SECS);
	return fx.oldest;
}

static const struct epc_mem_ops mem_ops = {
	.bytes = mem_bytes,
	.fill = mem_fill,
	.drop = mem_drop,
	.tcs_busy = tcs_busy,
	.set_epoch = set_epoch,
	.oldest_epoch = oldest_epoch,
};

static void *as_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	uint64_t page = (addr - FX_MEM_BASE) / 4096;

	CHECK(addr / 4096 == (addr + size - 1) / 4096);
	if (addr < FX_MEM_BASE || page >= FX_MEM_PAGES || fx.mem_unmapped[page])
		return NULL;
	return fx.mem[page].bytes + addr % 4096;
}

static epc_slot_t encl_slot(void *ctx, uint64_t addr)
{
	CHECK_EQ(addr % 4096, 0);
	CHECK(addr - FX_ENCL_BASE < FX_ENCL_SIZE);
	return fx.encl_page[(addr - FX_ENCL_BASE) / 4096];
}

static const struct cpu_config config = {
	.attributes = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_PROVISION_KEY_BIT |
		      SGX_ATTR_EINITTOKEN_KEY_BIT | SGX_ATTR_KSS_BIT | SGX_ATTR_AEXNOTIFY_BIT,
	.xfrm = 0x602ff,
	.miscselect = SGX_MISC_EXINFO_BIT,
	.max_size_32 = 31,
	.max_size_64 = 36,
	.flc = 1,
	.debug_checks = 1,
	.xsave_size = {[2] = 256,
		       [3] = 64,
		       [4] = 64,
		       [5] = 64,
		       [6] = 512,
		       [7] = 1024,
		       [9] = 8,
		       [17] = 64,
		       [18] = 8192},
	.xsave_offset = {[2] = 576,
			 [3] = 960,
			 [4] = 1024,
			 [5] = 1088,
			 [6] = 1152,
			 [7] = 1664,
			 [9] = 2688,
			 [17] = 2752,
			 [18] = 2816},
};

/* A fresh package with nothing in its EPC; garbage in free pages. */
void fx_init(void)
{
	static const uint8_t fuses[CPU_FUSE_SIZE] = {1, 2, 3};
	static const uint8_t boot[32] = {4, 5, 6};

	memset(&fx, 0, sizeof(fx));
	memset(fx.epc, 0xdb, sizeof(fx.epc));
	fx.pkg.epcm = fx.epcm;
	fx.pkg.epc_pages = FX_EPC_PAGES;
	fx.pkg.section_count = 2;
	fx.pkg.section[0] = (struct epc_section){FX_EPC_BASE, 0, 16};
	fx.pkg.section[1] = (struct epc_section){FX_EPC_BASE2, 16, 8};
	fx.pkg.mem = &mem_ops;
	cpu_package_init(&fx.pkg, &config, fuses, boot);
	memset(fx.pkg.cpusvn, 5, sizeof(fx.pkg.cpusvn));
	fx.oldest = UINT64_MAX;
	fx.as.map = as_map;
	fx.as.why = &fx.why;
	fx.encl.why = &fx.why;
	fx.encl.secs = FX_SECS;
	fx.encl.slot = encl_slot;
	for (unsigned int i = 0; i < FX_ENCL_SIZE / 4096; i++)
		fx.encl_page[i] = EPC_SLOT_NONE;
	fx.pageinfo = (void *)fx.mem[0].bytes;
	fx.secinfo = (void *)(fx.mem[0].bytes + 0x40);
	fx.source = &fx.mem[1];
	fx.sig = (void *)fx.mem[2].bytes;
	fx.token = (void *)fx.mem[3].bytes;
}

uint64_t fx_epc(epc_slot_t slot)
{
	return cpu_epc_addr(&fx.pkg, slot);
}

/* Leaves that programs meet say which rule they refuse by; and only if they do. */
static void check_why(bool encls, unsigned int leaf, struct cpu_result r)
{
	if (r.kind == CPU_DONE)
		CHECK_EQ(fx.why.rule, WHY_NOTHING);
	if (r.kind != CPU_CODE &&
	    (r.kind != CPU_FAULT || (r.vector != SGX_VEC_GP && r.vector != SGX_VEC_PF)))
		return;
	if (encls &&
	    (leaf == SGX_ECREATE || leaf == SGX_EADD || leaf == SGX_EEXTEND || leaf == SGX_EINIT))
		CHECK(fx.why.rule != WHY_NOTHING);
	if (!encls &&
	    (leaf == SGX_EREPORT || leaf == SGX_EGETKEY ||
	     (fx.pkg.config.sgx2 &&
	      (leaf == SGX_EACCEPT || leaf == SGX_EMODPE || leaf == SGX_EACCEPTCOPY))) &&
	    fx.encl.secs < fx.pkg.epc_pages && fx.epcm[fx.encl.secs].valid &&
	    secs_initialised(secs_get(&fx.pkg, fx.encl.secs)))
		CHECK(fx.why.rule != WHY_NOTHING);
}

/* LEAF, ID and WHY of leaf_rules_*.h; of WHY the number */
#define LEAF_RULE_WHY(leaf, id, why, answer, sentence) {#leaf "." #id, WHY_##why},
static const struct {
	const char *name;
	enum why_rule why;
} leaf_rules[] = {LEAF_RULES(LEAF_RULE_WHY)};

static enum why_rule why_of(const char *name)
{
	for (size_t i = 0; i < sizeof(leaf_rules) / sizeof(leaf_rules[0]); i++)
		if (!strcmp(leaf_rules[i].name, name))
			return leaf_rules[i].why;
	FAIL("%s: no rule of leaf_rules_*.h", name);
}

/* A case below RULE(LEAF, ID) that this leaf refuses is refused by that rule. */
static void check_rule(bool encls, unsigned int leaf)
{
	/* clang-format off */
	static const char *const encls_names[] = {
		[SGX_ECREATE] = "ECREATE.", [SGX_EADD] = "EADD.", [SGX_EEXTEND] = "EEXTEND.",
		[SGX_EINIT] = "EINIT.", [SGX_EAUG] = "EAUG.", [SGX_EMODPR] = "EMODPR.",
		[SGX_EMODT] = "EMODT.",
	};
	static const char *const enclu_names[] = {
		[SGX_EREPORT] = "EREPORT.", [SGX_EGETKEY] = "EGETKEY.",
		[SGX_EACCEPT] = "EACCEPT.", [SGX_EMODPE] = "EMODPE.",
		[SGX_EACCEPTCOPY] = "EACCEPTCOPY.",
	};
	/* clang-format on */
	const char *rules[HARNESS_RULES_MAX], *prefix = NULL;
	unsigned int count = harness_rules_of(harness_current(), rules);
	enum why_rule why = WHY_NOTHING;

	if (encls && leaf < sizeof(encls_names) / sizeof(encls_names[0]))
		prefix = encls_names[leaf];
	if (!encls && leaf < sizeof(enclu_names) / sizeof(enclu_names[0]))
		prefix = enclu_names[leaf];
	for (unsigned int i = 0; prefix && i < count; i++) {
		if (strncmp(rules[i], prefix, strlen(prefix)))
			continue;
		why = why_of(rules[i]);
		if (why == fx.why.rule || why == WHY_NOTHING)
			return;
	}
	if (why != WHY_NOTHING)
		FAIL("refused by rule %u of base/rules.h, and RULE() above the test says %u",
		     fx.why.rule, why);
}

/*
 * Run a leaf, and compare everything that it could have changed.  Locks that a
 * test holds are no broken invariant.
 */
static struct cpu_result run(bool encls, unsigned int leaf)
{
	static struct fixture before;
	struct cpu_result r;
	const char *why;
	bool held = false;

	for (unsigned int i = 0; i < FX_EPC_PAGES; i++)
		held |= fx.epcm[i].lock || fx.epcm[i].modify_lock;
	if (held)
		fx.pkg.config.debug_checks = 0;
	fx.regs.rax = leaf;
	fx.why = (struct why){0};
	before = fx;
	r = encls ? cpu_encls(&fx.pkg, &fx.as, &fx.regs) : cpu_enclu(&fx.pkg, &fx.encl, &fx.regs);
	if (fx.pkg.config.debug_checks && !cpu_check_invariants(&fx.pkg, &why))
		FAIL("invariant: %s", why);
	check_why(encls, leaf, r);
	if (fx.why.rule != WHY_NOTHING)
		check_rule(encls, leaf);
	if (r.kind == CPU_DONE)
		return r;
	if (r.kind == CPU_CODE) {
		CHECK_EQ(fx.regs.rax, r.code);
		fx.regs.rax = leaf;
	}
	CHECK_MEM(&fx.regs, &before.regs, sizeof(fx.regs));
	CHECK_MEM(fx.epcm, before.epcm, sizeof(fx.epcm));
	CHECK_MEM(fx.epc, before.epc, sizeof(fx.epc));
	CHECK_MEM(&fx.pkg, &before.pkg, sizeof(fx.pkg));
	CHECK_EQ(fx.fills, before.fills);
	CHECK_EQ(fx.drops, before.drops);
	return r;
}

struct cpu_result fx_encls(unsigned int leaf)
{
	return run(true, leaf);
}

struct cpu_result fx_enclu(unsigned int leaf)
{
	return run(false, leaf);
}

void fx_check(const char *file, int line, const char *text, struct cpu_result is,
	      struct cpu_result want)
{
	if (is.kind != want.kind || is.vector != want.vector || is.code != want.code ||
	    is.addr != want.addr)
		harness_fail(file, line,
			     "%s: kind %u vector %u code 0x%x addr 0x%llx, "
			     "wanted kind %u vector %u code 0x%x addr 0x%llx",
			     text, is.kind, is.vector, is.code, (unsigned long long)is.addr,
			     want.kind, want.vector, want.code, (unsigned long long)want.addr);
}

/* RBX and RCX of ECREATE into FX_SECS: a 64 KiB 64-bit debug enclave. */
void fx_ecreate(void)
{
	memset(fx.pageinfo, 0, sizeof(*fx.pageinfo));
	memset(fx.secinfo, 0, sizeof(*fx.secinfo));
	memset(fx.source, 0, sizeof(*fx.source));
	fx.pageinfo->srcpge = FX_SOURCE;
	fx.pageinfo->secinfo = FX_SECINFO;
	fx.secinfo->flags = SGX_PT_SECS << SGX_SECINFO_PT_SHIFT;
	fx.source->secs.base = FX_ENCL_BASE;
	fx.source->secs.size = FX_ENCL_SIZE;
	fx.source->secs.ssaframesize = 1;
	fx.source->secs.attributes.flags = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT;
	fx.source->secs.attributes.xfrm = 7;
	fx.regs = (struct cpu_regs){.rbx = FX_PAGEINFO, .rcx = fx_epc(FX_SECS)};
}

/* EADD of a page with a recognisable content, or of a legal TCS. */
void fx_eadd(epc_slot_t slot, uint64_t addr, uint64_t secinfo_flags)
{
	memset(fx.secinfo, 0, sizeof(*fx.secinfo));
	fx.pageinfo->srcpge = FX_SOURCE;
	fx.pageinfo->secinfo = FX_SECINFO;
	fx.pageinfo->linaddr = addr;
	fx.pageinfo->secs = fx_epc(FX_SECS);
	fx.secinfo->flags = secinfo_flags;
	memset(fx.source, 0, sizeof(*fx.source));
	if (SGX_SECINFO_PT(secinfo_flags) == SGX_PT_TCS) {
		fx.source->tcs.nssa = 2;
		fx.source->tcs.ossa = 0x3000;
		fx.source->tcs.fslimit = 0xfff;
		fx.source->tcs.gslimit = 0xfff;
	} else {
		for (unsigned int i = 0; i < 4096; i++)
			fx.source->bytes[i] = (uint8_t)(i * 7 + slot);
	}
	fx.regs = (struct cpu_regs){.rbx = FX_PAGEINFO, .rcx = fx_epc(slot)};
}

void fx_eextend(epc_slot_t slot, unsigned int offset)
{
	fx.regs = (struct cpu_regs){.rbx = fx_epc(FX_SECS), .rcx = fx_epc(slot) + offset};
}

void fx_sign(void)
{
	const char *why;

	if (cpu_sigstruct_sign(fx.sig, cpu_test_key, sizeof(cpu_test_key) - 1, &why))
		FAIL("sign: %s", why);
}

/* A SIGSTRUCT for FX_SECS, with the MRENCLAVE that the SECS page holds so far. */
void fx_einit(void)
{
	memset(fx.sig, 0, sizeof(*fx.sig));
	memset(fx.token, 0, sizeof(*fx.token));
	cpu_sigstruct_init(fx.sig);
	fx.sig->attributes = fx.epc[FX_SECS].secs.attributes;
	fx.sig->attributemask.flags = ~0ull;
	fx.sig->attributemask.xfrm = ~0ull;
	fx.sig->miscmask = ~0u;
	fx.sig->miscselect = fx.epc[FX_SECS].secs.miscselect;
	fx.sig->isvprodid = 11;
	fx.sig->isvsvn = 12;
	cpu_measure_final(&secs_get(&fx.pkg, FX_SECS)->hidden.measure, fx.sig->enclavehash);
	fx_sign();
	fx.regs = (struct cpu_regs){.rbx = FX_SIGSTRUCT, .rcx = fx_epc(FX_SECS), .rdx = FX_TOKEN};
}

void fx_authorise(void)
{
	uint8_t hash[SGX_HASH_SIZE];

	cpu_sigstruct_mrsigner(fx.sig, hash);
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t value;

		memcpy(&value, hash + 8 * i, 8);
		CHECK_DONE(cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0 + i, value));
	}
}

void fx_epa(void)
{
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = fx_epc(FX_VA)};
	CHECK_DONE(fx_encls(SGX_EPA));
}

void fx_block(epc_slot_t slot)
{
	fx.regs = (struct cpu_regs){.rcx = fx_epc(slot)};
	CHECK_DONE(fx_encls(SGX_EBLOCK));
}

void fx_track(void)
{
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_SECS)};
	CHECK_DONE(fx_encls(SGX_ETRACK));
}

void fx_ewb(epc_slot_t slot, unsigned int version)
{
	memset(fx.pageinfo, 0, sizeof(*fx.pageinfo));
	fx.pageinfo->srcpge = FX_SEALED;
	fx.pageinfo->secinfo = FX_PCMD;
	fx.regs = (struct cpu_regs){
		.rbx = FX_PAGEINFO, .rcx = fx_epc(slot), .rdx = fx_epc(FX_VA) + version * 8};
}

void fx_eld(epc_slot_t slot, uint64_t addr, unsigned int version)
{
	fx_ewb(slot, version);
	fx.pageinfo->linaddr = addr;
	fx.pageinfo->secs = fx_epc(FX_SECS);
}

void fx_add(epc_slot_t slot, uint64_t addr, uint64_t secinfo_flags)
{
	fx_eadd(slot, addr, secinfo_flags);
	CHECK_DONE(fx_encls(SGX_EADD));
	fx.encl_page[(addr - FX_ENCL_BASE) / 4096] = slot;
}

void fx_enclave(void)
{
	const uint64_t reg = SGX_PT_REG << SGX_SECINFO_PT_SHIFT;

	fx_init();
	fx_ecreate();
	CHECK_DONE(fx_encls(SGX_ECREATE));
	fx_add(FX_TCS, FX_TCS_ADDR, SGX_PT_TCS << SGX_SECINFO_PT_SHIFT);
	fx_add(FX_REG, FX_REG_ADDR, reg | SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT);
	fx_add(FX_RO, FX_RO_ADDR, reg | SGX_SECINFO_R_BIT);
}

void fx_enclave_init(void)
{
	fx_enclave();
	fx_einit();
	fx_authorise();
	CHECK_DONE(fx_encls(SGX_EINIT));
	CHECK_EQ(fx.regs.rax, SGX_OK);
}

void fx_enclave_sgx2(void)
{
	fx_enclave_init();
	fx.pkg.config.sgx2 = 1;
}

void fx_eaug(epc_slot_t slot, uint64_t addr)
{
	memset(fx.pageinfo, 0, sizeof(*fx.pageinfo));
	fx.pageinfo->linaddr = addr;
	fx.pageinfo->secs = fx_epc(FX_SECS);
	fx.encl_page[(addr - FX_ENCL_BASE) / 4096] = slot;
	fx.regs = (struct cpu_regs){.rbx = FX_PAGEINFO, .rcx = fx_epc(slot)};
}

void fx_emod(epc_slot_t slot, uint64_t secinfo_flags)
{
	memset(fx.secinfo, 0, sizeof(*fx.secinfo));
	fx.secinfo->flags = secinfo_flags;
	fx.regs = (struct cpu_regs){.rbx = FX_SECINFO, .rcx = fx_epc(slot)};
}

struct sgx_secinfo_arch *fx_accept(uint64_t addr, uint64_t secinfo_flags)
{
	struct sgx_secinfo_arch *secinfo = (void *)(fx.epc[FX_RO].bytes + 0x80);

	memset(secinfo, 0, sizeof(*secinfo));
	secinfo->flags = secinfo_flags;
	fx.regs = (struct cpu_regs){.rbx = FX_ENCL_SECINFO, .rcx = addr, .rdx = FX_REG_ADDR};
	return secinfo;
}

void fx_by_hand(void)
{
	fx.pkg.config.sgx2 = 1;
	fx.pkg.config.debug_checks = 0;
}

void fx_other_enclave(epc_slot_t slot)
{
	fx.epcm[20] = fx.epcm[FX_SECS];
	fx.epc[20] = fx.epc[FX_SECS];
	secs_get(&fx.pkg, 20)->hidden.children = 1;
	secs_get(&fx.pkg, FX_SECS)->hidden.children--;
	fx.epcm[slot].secs = 20;
}
