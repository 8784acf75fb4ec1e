/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLS[EWB], ELDB, ELDU, ELDBC, ELDUC: round trips, one case for each fault and
 * code, and every single bit of what is outside flipped.
 */
#include "cpu_fixture.h"

#include <secs.h>

#define REG_FLAGS (SGX_PT_REG << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT)

static struct sgx_pcmd *pcmd(void)
{
	return (void *)fx.mem[5].bytes;
}

static uint64_t *va(unsigned int version)
{
	return (uint64_t *)(void *)fx.epc[FX_VA].bytes + version;
}

static struct secs_hidden *hidden(void)
{
	return &secs_get(&fx.pkg, FX_SECS)->hidden;
}

/* An initialised enclave, a VA page, and FX_REG ready for EWB. */
static void ready(void)
{
	fx_enclave_init();
	fx_epa();
	fx_block(FX_REG);
	fx_track();
}

/* FX_REG evicted, its version in slot 3. */
static void evicted(void)
{
	ready();
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
}

RULE(EWB, DONE)
RULE(ELDU, DONE)
TEST(ewb_done)
{
	uint8_t plain[4096];

	ready();
	memcpy(plain, fx.epc[FX_REG].bytes, sizeof(plain));
	memset(pcmd(), 0xaa, sizeof(*pcmd()));
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_EQ(fx.epcm[FX_REG].valid, 0);
	CHECK_EQ(fx.epcm[FX_REG].lock, 0);
	CHECK_EQ(fx.epcm[FX_VA].lock, 0);
	CHECK_EQ(fx.drops, 1);
	CHECK_EQ(*va(3), 1); /* the first version of this boot */
	CHECK_EQ(fx.pageinfo->linaddr, FX_REG_ADDR);
	CHECK_EQ(pcmd()->secinfo.flags, REG_FLAGS);
	CHECK_EQ(pcmd()->enclaveid, hidden()->eid);
	CHECK_EQ(hidden()->children, 2);
	CHECK(memcmp(plain, fx.mem[4].bytes, sizeof(plain)) != 0);
	for (unsigned int i = 0; i < sizeof(pcmd()->rsvd); i++)
		CHECK_EQ(pcmd()->rsvd[i], 0);

	fx_eld(FX_SLOT, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDU));
	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_MEM(fx.epc[FX_SLOT].bytes, plain, sizeof(plain));
	CHECK_EQ(fx.epcm[FX_SLOT].valid, 1);
	CHECK_EQ(fx.epcm[FX_SLOT].pt, SGX_PT_REG);
	CHECK_EQ(fx.epcm[FX_SLOT].rwx, SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT);
	CHECK_EQ(fx.epcm[FX_SLOT].address, FX_REG_ADDR);
	CHECK_EQ(fx.epcm[FX_SLOT].secs, FX_SECS);
	CHECK_EQ(fx.epcm[FX_SLOT].blocked, 0);
	CHECK_EQ(*va(3), 0);
	CHECK_EQ(hidden()->children, 3);
}

RULE(EWB, DONE)
TEST(ewb_same_page_never_looks_the_same)
{
	uint8_t first[4096];

	evicted();
	memcpy(first, fx.mem[4].bytes, sizeof(first));
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDB));
	fx_track();
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	CHECK_EQ(*va(3), 2);
	CHECK(memcmp(first, fx.mem[4].bytes, sizeof(first)) != 0);
}

RULE(EWB, DONE)
RULE(ELDU, DONE)
TEST(ewb_pending_modified_pr_are_kept)
{
	ready();
	fx_by_hand();
	fx.epcm[FX_REG].pending = 1;
	fx.epcm[FX_REG].modified = 1;
	fx.epcm[FX_REG].pr = 1;
	fx.epcm[FX_REG].pt = SGX_PT_TRIM;
	fx_ewb(FX_REG, 0);
	CHECK_DONE(fx_encls(SGX_EWB));
	CHECK_EQ(pcmd()->secinfo.flags, SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT | SGX_SECINFO_R_BIT |
						SGX_SECINFO_W_BIT | SGX_SECINFO_PENDING_BIT |
						SGX_SECINFO_MODIFIED_BIT | SGX_SECINFO_PR_BIT);
	fx_eld(FX_REG, FX_REG_ADDR, 0);
	CHECK_DONE(fx_encls(SGX_ELDU));
	CHECK_EQ(fx.epcm[FX_REG].pending, 1);
	CHECK_EQ(fx.epcm[FX_REG].modified, 1);
	CHECK_EQ(fx.epcm[FX_REG].pr, 1);
	CHECK_EQ(fx.epcm[FX_REG].pt, SGX_PT_TRIM);
}

RULE(EWB, BLOCKED)
TEST(ewb_not_blocked)
{
	fx_enclave_init();
	fx_epa();
	fx_ewb(FX_REG, 0);
	CHECK_CODE(fx_encls(SGX_EWB), SGX_ERR_PAGE_NOT_BLOCKED);
}

RULE(EWB, TRACKED)
TEST(ewb_not_tracked)
{
	fx_enclave_init();
	fx_epa();
	fx_track();
	fx_block(FX_REG);
	/* no ETRACK since */
	fx_ewb(FX_REG, 0);
	CHECK_CODE(fx_encls(SGX_EWB), SGX_ERR_NOT_TRACKED);
	/* a thread is inside that may have the old translation */
	fx.oldest = 1;
	fx_track();
	fx_ewb(FX_REG, 0);
	CHECK_CODE(fx_encls(SGX_EWB), SGX_ERR_NOT_TRACKED);
	/* it left; another one has entered since */
	fx.oldest = 2;
	fx_ewb(FX_REG, 0);
	CHECK_DONE(fx_encls(SGX_EWB));
}

TEST(ewb_while_etrack_runs)
{
	ready();
	fx.pkg.config.debug_checks = 0;
	hidden()->track_lock = -1;
	fx_ewb(FX_REG, 0);
	CHECK_CODE(fx_encls(SGX_EWB), SGX_ERR_NOT_TRACKED);
}

RULE(EWB, OCCUPIED)
TEST(ewb_va_slot_occupied)
{
	ready();
	*va(5) = 77;
	fx.regs.rax = SGX_EWB;
	fx_ewb(FX_REG, 5);
	fx.regs.rax = SGX_EWB;
	CHECK_CODE(cpu_encls(&fx.pkg, &fx.as, &fx.regs), SGX_ERR_VA_SLOT_OCCUPIED);
	/* written all the same */
	CHECK_EQ(fx.regs.rax, SGX_ERR_VA_SLOT_OCCUPIED);
	CHECK_EQ(fx.epcm[FX_REG].valid, 0);
	CHECK_EQ(*va(5), 1);
	fx_eld(FX_REG, FX_REG_ADDR, 5);
	CHECK_DONE(fx_encls(SGX_ELDU));
}

RULE(EWB, CHILD)
RULE(ELDU, DONE)
TEST(ewb_secs_goes_last)
{
	static const epc_slot_t children[] = {FX_TCS, FX_REG, FX_RO};

	fx_enclave_init();
	fx_epa();
	for (unsigned int i = 0; i < 3; i++) {
		fx_ewb(FX_SECS, 9);
		CHECK_CODE(fx_encls(SGX_EWB), SGX_ERR_CHILD_PRESENT);
		fx_block(children[i]);
		fx_track();
		fx_ewb(children[i], i);
		CHECK_DONE(fx_encls(SGX_EWB));
	}
	fx_ewb(FX_SECS, 9);
	CHECK_DONE(fx_encls(SGX_EWB));
	CHECK_EQ(fx.epcm[FX_SECS].valid, 0);
	CHECK_EQ(pcmd()->secinfo.flags, SGX_PT_SECS << SGX_SECINFO_PT_SHIFT);
	CHECK_EQ(pcmd()->enclaveid, 1);
	/* ... and comes first, in whatever slot */
	fx_eld(FX_RO, 0, 9);
	fx.pageinfo->secs = 0;
	CHECK_DONE(fx_encls(SGX_ELDU));
	CHECK_EQ(secs_get(&fx.pkg, FX_RO)->hidden.eid, 1);
	CHECK_EQ(secs_get(&fx.pkg, FX_RO)->hidden.epoch, 3);
	CHECK(secs_initialised(secs_get(&fx.pkg, FX_RO)));
}

#define EWB_CASE(id, change, check) \
	TEST(ewb_##id)              \
	{                           \
		ready();            \
		fx_ewb(FX_REG, 0);  \
		change;             \
		check;              \
	}
#define EWB_GP(id, change)     EWB_CASE(id, change, CHECK_GP(fx_encls(SGX_EWB)))
#define EWB_EPC(id, change, a) EWB_CASE(id, change, CHECK_EPCM_PF(fx_encls(SGX_EWB), a))
#define EWB_MAP(id, page, a, e) \
	EWB_CASE(id, fx.mem_unmapped[page] = true, CHECK_PF(fx_encls(SGX_EWB), a, e))

RULE(EWB, PAGEINFO_ADDR)
EWB_GP(pageinfo_unaligned, fx.regs.rbx += 16)
EWB_GP(pageinfo_not_canonical, fx.regs.rbx = 1ull << 47)
RULE(EWB, PAGE_ADDR)
EWB_GP(page_unaligned, fx.regs.rcx += 8)
RULE(EWB, PAGE_EPC)
EWB_EPC(page_not_epc, fx.regs.rcx = FX_SOURCE, FX_SOURCE)
RULE(EWB, VA_ADDR)
EWB_GP(va_unaligned, fx.regs.rdx += 4)
RULE(EWB, VA_EPC)
EWB_EPC(va_not_epc, fx.regs.rdx = FX_SOURCE, FX_SOURCE)
RULE(EWB, VA_OTHER)
EWB_GP(va_is_the_page, fx.regs.rdx = fx_epc(FX_REG) + 8)
RULE(EWB, PAGEINFO_MAP)
EWB_MAP(pageinfo_unmapped, 0, FX_PAGEINFO, 0)
RULE(EWB, ZERO)
EWB_GP(linaddr_set, fx.pageinfo->linaddr = FX_REG_ADDR)
EWB_GP(secs_set, fx.pageinfo->secs = fx_epc(FX_SECS))
RULE(EWB, PCMD_ADDR)
EWB_GP(pcmd_unaligned, fx.pageinfo->secinfo += 64)
RULE(EWB, SOURCE_ADDR)
EWB_GP(source_unaligned, fx.pageinfo->srcpge += 128)

RULE(EWB, PAGE_BUSY)
EWB_GP(page_in_use, fx.epcm[FX_REG].lock = 1)
RULE(EWB, VA_BUSY)
EWB_GP(va_in_use, fx.epcm[FX_VA].lock = -1)
RULE(EWB, PAGE)
EWB_EPC(page_invalid, fx.regs.rcx = fx_epc(FX_SLOT), fx_epc(FX_SLOT))
RULE(EWB, VA)
EWB_EPC(va_invalid, fx.regs.rdx = fx_epc(FX_SLOT), fx_epc(FX_SLOT))
EWB_EPC(va_not_a_va_page, fx.regs.rdx = fx_epc(FX_RO), fx_epc(FX_RO))

RULE(EWB, MAP)
EWB_MAP(source_unmapped, 4, FX_SEALED, SGX_PF_W)
EWB_MAP(pcmd_unmapped, 5, FX_PCMD, SGX_PF_W)

RULE(ELDB, DONE)
TEST(eldb_is_blocked_again)
{
	evicted();
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDB));
	CHECK_EQ(fx.epcm[FX_REG].blocked, 1);
	/* in this epoch: tracked anew before it may leave */
	fx_ewb(FX_REG, 3);
	CHECK_CODE(fx_encls(SGX_EWB), SGX_ERR_NOT_TRACKED);
	fx_track();
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
}

TEST(eldb_does_not_block_va)
{
	fx_init();
	fx_epa();
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = fx_epc(FX_SLOT)};
	CHECK_DONE(fx_encls(SGX_EPA));
	((uint64_t *)(void *)fx.epc[FX_SLOT].bytes)[7] = 0x1234;
	fx_ewb(FX_SLOT, 0);
	CHECK_DONE(fx_encls(SGX_EWB));
	CHECK_EQ(pcmd()->enclaveid, 0);
	fx_eld(FX_SLOT, 0, 0);
	CHECK_DONE(fx_encls(SGX_ELDB));
	CHECK_EQ(fx.epcm[FX_SLOT].blocked, 0);
	CHECK_EQ(fx.epcm[FX_SLOT].pt, SGX_PT_VA);
	CHECK_EQ(((uint64_t *)(void *)fx.epc[FX_SLOT].bytes)[7], 0x1234);
}

RULE(ELDU, ONCE)
TEST(eld_once_only)
{
	evicted();
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDU));
	fx_eld(FX_SLOT, FX_REG_ADDR, 3);
	CHECK_CODE(fx_encls(SGX_ELDU), SGX_ERR_MAC_COMPARE_FAIL);
}

RULE(ELDU, MAC)
TEST(eld_replay_of_an_older_page)
{
	union fx_page sealed;
	struct sgx_pcmd old;

	evicted();
	sealed = fx.mem[4];
	old = *pcmd();
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDB));
	fx.epc[FX_REG].bytes[0] ^= 1;
	fx_track();
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	/* the old ciphertext with its old PCMD: right, but for the version */
	fx.mem[4] = sealed;
	*pcmd() = old;
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_CODE(fx_encls(SGX_ELDU), SGX_ERR_MAC_COMPARE_FAIL);
}

TEST(eld_elsewhere)
{
	evicted();
	fx_eld(FX_REG, FX_REG_ADDR + 0x1000, 3);
	CHECK_CODE(fx_encls(SGX_ELDU), SGX_ERR_MAC_COMPARE_FAIL);
	hidden()->eid++; /* of another enclave */
	fx.pkg.next_eid++;
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_CODE(fx_encls(SGX_ELDU), SGX_ERR_MAC_COMPARE_FAIL);
	hidden()->eid--;
	fx_eld(FX_REG, FX_REG_ADDR, 4); /* another slot */
	CHECK_CODE(fx_encls(SGX_ELDU), SGX_ERR_MAC_COMPARE_FAIL);
	fx.pkg.paging_key[0] ^= 1; /* another boot */
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_CODE(fx_encls(SGX_ELDU), SGX_ERR_MAC_COMPARE_FAIL);
	fx.pkg.paging_key[0] ^= 1;
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDU));
}

/* ELDU and ELDB answer the same to these. */
#define ELD_CASE(id, change, check)             \
	static void eld_##id(unsigned int leaf) \
	{                                       \
		evicted();                      \
		fx_eld(FX_REG, FX_REG_ADDR, 3); \
		change;                         \
		check;                          \
	}                                       \
	TEST(eldu_##id)                         \
	{                                       \
		eld_##id(SGX_ELDU);             \
	}                                       \
	TEST(eldb_##id)                         \
	{                                       \
		eld_##id(SGX_ELDB);             \
	}
#define ELD_GP(id, change)     ELD_CASE(id, change, CHECK_GP(fx_encls(leaf)))
#define ELD_EPC(id, change, a) ELD_CASE(id, change, CHECK_EPCM_PF(fx_encls(leaf), a))
#define ELD_MAC(id, change) \
	ELD_CASE(id, change, CHECK_CODE(fx_encls(leaf), SGX_ERR_MAC_COMPARE_FAIL))
#define ELD_MAP(id, page, a) \
	ELD_CASE(id, fx.mem_unmapped[page] = true, CHECK_MEM_PF(fx_encls(leaf), a))
#define ELD_RULE(id)   \
	RULE(ELDU, id) \
	RULE(ELDB, id)

ELD_RULE(PAGEINFO_ADDR)
ELD_GP(pageinfo_unaligned, fx.regs.rbx += 16)
ELD_GP(pageinfo_not_canonical, fx.regs.rbx = 1ull << 47)
ELD_RULE(PAGE_ADDR)
ELD_GP(page_unaligned, fx.regs.rcx += 8)
ELD_RULE(PAGE_EPC)
ELD_EPC(page_not_epc, fx.regs.rcx = FX_SOURCE, FX_SOURCE)
ELD_RULE(VA_ADDR)
ELD_GP(va_unaligned, fx.regs.rdx += 4)
ELD_RULE(VA_EPC)
ELD_EPC(va_not_epc, fx.regs.rdx = FX_SOURCE, FX_SOURCE)
ELD_RULE(PAGEINFO_MAP)
ELD_MAP(pageinfo_unmapped, 0, FX_PAGEINFO)
ELD_RULE(PCMD_ADDR)
ELD_GP(pcmd_unaligned, fx.pageinfo->secinfo += 64)
ELD_RULE(SOURCE_ADDR)
ELD_GP(source_unaligned, fx.pageinfo->srcpge += 128)
ELD_RULE(VA_OTHER)
ELD_GP(va_is_the_page, fx.regs.rdx = fx_epc(FX_REG))
ELD_RULE(PAGE)
ELD_EPC(page_valid, fx_eld(FX_RO, FX_REG_ADDR, 3), fx_epc(FX_RO))
ELD_RULE(VA)
ELD_EPC(va_not_a_va_page, fx.regs.rdx = fx_epc(FX_RO), fx_epc(FX_RO))
ELD_EPC(va_invalid, fx.regs.rdx = fx_epc(FX_SLOT), fx_epc(FX_SLOT))
ELD_RULE(MAP)
ELD_MAP(source_unmapped, 4, FX_SEALED)
ELD_MAP(pcmd_unmapped, 5, FX_PCMD)
ELD_RULE(SECS_ADDR)
ELD_GP(secs_unaligned, fx.pageinfo->secs += 8)
ELD_RULE(SECS_EPC)
ELD_EPC(secs_not_epc, fx.pageinfo->secs = FX_SOURCE, FX_SOURCE)
ELD_RULE(SECS)
ELD_EPC(secs_invalid, fx.pageinfo->secs = fx_epc(FX_SLOT), fx_epc(FX_SLOT))
ELD_EPC(secs_not_a_secs, fx.pageinfo->secs = fx_epc(FX_RO), fx_epc(FX_RO))
ELD_RULE(MAC)
ELD_MAC(another_address, fx.pageinfo->linaddr += 0x1000)
ELD_MAC(another_slot, fx.regs.rdx += 8)
ELD_MAC(another_page, fx.mem[4].bytes[0] ^= 1)
ELD_MAC(another_pcmd, pcmd()->secinfo.flags ^= SGX_SECINFO_X_BIT)

RULE(ELDU, BUSY)
RULE(ELDB, BUSY)
RULE(ELDUC, BUSY)
RULE(ELDBC, BUSY)
TEST(eld_conflicts)
{
	static const epc_slot_t held[] = {FX_REG, FX_VA, FX_SECS};

	evicted();
	fx.pkg.config.oversub = 1;
	for (unsigned int i = 0; i < 3; i++) {
		fx.epcm[held[i]].lock = -1;
		fx_eld(FX_REG, FX_REG_ADDR, 3);
		CHECK_GP(fx_encls(SGX_ELDU));
		fx_eld(FX_REG, FX_REG_ADDR, 3);
		CHECK_GP(fx_encls(SGX_ELDB));
		fx_eld(FX_REG, FX_REG_ADDR, 3);
		CHECK_CODE(fx_encls(SGX_ELDUC), SGX_ERR_EPC_PAGE_CONFLICT);
		fx_eld(FX_REG, FX_REG_ADDR, 3);
		CHECK_CODE(fx_encls(SGX_ELDBC), SGX_ERR_EPC_PAGE_CONFLICT);
		fx.epcm[held[i]].lock = 0;
	}
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDBC));
	CHECK_EQ(fx.epcm[FX_REG].blocked, 1);
	fx_track();
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDUC));
	CHECK_EQ(fx.epcm[FX_REG].blocked, 0);
}

NO_RULE
TEST(eld_host_has_no_memory)
{
	evicted();
	fx.fill_fails = true;
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_EQ(fx_encls(SGX_ELDU).kind, CPU_HOST);
	fx.fill_fails = false;
	CHECK_EQ(*va(3), 1); /* still to be had */
	fx_eld(FX_REG, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDU));
}

/* A leaf without fx_encls()'s comparison of everything, which is slow. */
static void fails(const char *what, unsigned int bit)
{
	struct cpu_result r;

	fx.regs.rax = SGX_ELDU;
	r = cpu_encls(&fx.pkg, &fx.as, &fx.regs);
	if (r.kind == CPU_DONE || fx.epcm[FX_REG].valid)
		FAIL("bit %u of %s flipped: loaded", bit, what);
}

/*
 * Everything that is outside, bit by bit.  Not PCMD.ENCLAVEID: by the SDM it is a
 * hint to software; what counts is the EID in the SECS.
 */
static void flip_all(uint64_t addr)
{
	const size_t id = offsetof(struct sgx_pcmd, enclaveid);
	uint64_t linaddr;

	fx.pkg.config.debug_checks = 0;
	for (unsigned int i = 0; i < 4096 * 8; i++) {
		fx_eld(FX_REG, addr, 3);
		fx.mem[4].bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		fails("the page", i);
		fx.mem[4].bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (unsigned int i = 0; i < sizeof(struct sgx_pcmd) * 8; i++) {
		if (i / 8 >= id && i / 8 < id + 8)
			continue;
		fx_eld(FX_REG, addr, 3);
		fx.mem[5].bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		fails("PCMD", i);
		fx.mem[5].bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (unsigned int i = 0; i < 64; i++) {
		*va(3) ^= 1ull << i;
		fx_eld(FX_REG, addr, 3);
		fails("the version", i);
		*va(3) ^= 1ull << i;
		linaddr = addr ^ 1ull << i;
		fx_eld(FX_REG, linaddr, 3);
		fails("LINADDR", i);
	}
	fx.pkg.config.debug_checks = 1;
	fx_eld(FX_REG, addr, 3);
	CHECK_DONE(fx_encls(SGX_ELDU));
}

RULE(ELDU, MAC)
TEST(eld_every_bit_of_a_reg_page)
{
	evicted();
	flip_all(FX_REG_ADDR);
}

TEST(eld_every_bit_of_a_tcs)
{
	fx_enclave_init();
	fx_epa();
	fx_block(FX_TCS);
	fx_track();
	fx_ewb(FX_TCS, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	/* the slot that flip_all() loads to */
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_REG)};
	CHECK_DONE(fx_encls(SGX_EREMOVE));
	flip_all(FX_TCS_ADDR);
	CHECK_EQ(fx.epcm[FX_REG].pt, SGX_PT_TCS);
}

TEST(eld_every_bit_of_a_va_page)
{
	fx_init();
	fx_epa();
	fx.regs = (struct cpu_regs){.rbx = SGX_PT_VA, .rcx = fx_epc(FX_REG)};
	CHECK_DONE(fx_encls(SGX_EPA));
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	flip_all(0);
	CHECK_EQ(fx.epcm[FX_REG].pt, SGX_PT_VA);
}

TEST(eld_every_bit_of_a_secs)
{
	fx_init();
	fx_ecreate();
	CHECK_DONE(fx_encls(SGX_ECREATE));
	fx_epa();
	fx_ewb(FX_SECS, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	flip_all(0);
	CHECK_EQ(fx.epcm[FX_REG].pt, SGX_PT_SECS);
}
