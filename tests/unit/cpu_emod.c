/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EMODPR] and ENCLS[EMODT]: one case for each fault and code, in the SDM's order. */
#include "cpu_fixture.h"

#include <secs.h>

#define R    SGX_SECINFO_R_BIT
#define W    SGX_SECINFO_W_BIT
#define X    SGX_SECINFO_X_BIT
#define TCS  (SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define REG  (SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define TRIM (SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT)

/* An initialised enclave, FX_REG as target, one change, the outcome; of both leaves. */
#define EMOD_CASE(id, change, expect)                          \
	static void emod_##id(unsigned int leaf)               \
	{                                                      \
		fx_enclave_sgx2();                             \
		fx_emod(FX_REG, leaf == SGX_EMODT ? TRIM : R); \
		change;                                        \
		expect;                                        \
	}                                                      \
	TEST(emodpr_##id)                                      \
	{                                                      \
		emod_##id(SGX_EMODPR);                         \
	}                                                      \
	TEST(emodt_##id)                                       \
	{                                                      \
		emod_##id(SGX_EMODT);                          \
	}
#define EMOD_GP(id, change)	     EMOD_CASE(id, change, CHECK_GP(fx_encls(leaf)))
#define EMOD_EPCM_PF(id, change, at) EMOD_CASE(id, change, CHECK_EPCM_PF(fx_encls(leaf), at))
#define EMOD_CODE(id, change, c)     EMOD_CASE(id, change, CHECK_CODE(fx_encls(leaf), SGX_ERR_##c))
/* And of one. */
#define ONE_CASE(leaf, LEAF, id, slot, flags, change, expect) \
	TEST(leaf##_##id)                                     \
	{                                                     \
		fx_enclave_sgx2();                            \
		fx_emod(slot, flags);                         \
		change;                                       \
		expect(fx_encls(SGX_##LEAF));                 \
	}

static void check_entry(epc_slot_t slot, unsigned int pt, unsigned int rwx, unsigned int modified,
			unsigned int pr)
{
	const struct epcm_entry *entry = &fx.epcm[slot];

	CHECK_EQ(entry->valid, 1);
	CHECK_EQ(entry->pt, pt);
	CHECK_EQ(entry->rwx, rwx);
	CHECK_EQ(entry->pending, 0);
	CHECK_EQ(entry->modified, modified);
	CHECK_EQ(entry->pr, pr);
	CHECK_EQ(entry->lock, 0);
	CHECK_EQ(entry->modify_lock, 0);
}

RULE(EMODPR, SECINFO_ADDR)
RULE(EMODT, SECINFO_ADDR)
EMOD_GP(secinfo_unaligned, fx.regs.rbx += 32)
EMOD_GP(secinfo_not_canonical, fx.regs.rbx |= 1ull << 62)
RULE(EMODPR, PAGE_ADDR)
RULE(EMODT, PAGE_ADDR)
EMOD_GP(page_unaligned, fx.regs.rcx += 8)
EMOD_GP(page_not_canonical, fx.regs.rcx |= 1ull << 50)
RULE(EMODPR, PAGE_EPC)
RULE(EMODT, PAGE_EPC)
EMOD_EPCM_PF(page_not_epc, fx.regs.rcx = FX_SOURCE, FX_SOURCE)
RULE(EMODPR, SECINFO_MAP)
RULE(EMODT, SECINFO_MAP)
EMOD_CASE(secinfo_unmapped, fx.mem_unmapped[0] = true, CHECK_MEM_PF(fx_encls(leaf), FX_SECINFO))
RULE(EMODPR, SECINFO)
RULE(EMODT, SECINFO)
EMOD_GP(secinfo_bit_6, fx.secinfo->flags |= 1u << 6)
EMOD_GP(secinfo_bit_16, fx.secinfo->flags |= 1u << 16)
EMOD_GP(secinfo_bit_63, fx.secinfo->flags |= 1ull << 63)
EMOD_GP(secinfo_first_byte, fx.secinfo->rsvd[0] = 1)
EMOD_GP(secinfo_last_byte, fx.secinfo->rsvd[55] = 1)
EMOD_CASE(secinfo_states_do_not_count, fx.secinfo->flags |= 0x38, CHECK_DONE(fx_encls(leaf)))

RULE(EMODPR, SECINFO)
ONE_CASE(emodpr, EMODPR, type_does_not_count, FX_REG, R | SGX_PT_VA << 8, (void)0, CHECK_DONE)
RULE(EMODPR, WRITE_ONLY)
ONE_CASE(emodpr, EMODPR, write_only, FX_REG, W, (void)0, CHECK_GP)
ONE_CASE(emodpr, EMODPR, write_and_execute, FX_REG, W | X, (void)0, CHECK_GP)
RULE(EMODT, SECINFO)
ONE_CASE(emodt, EMODT, write_only_does_not_count, FX_REG, TRIM | W, (void)0, CHECK_DONE)

RULE(EMODT, SECINFO_TYPE)
TEST(emodt_secinfo_types)
{
	for (unsigned int pt = 0; pt < 256; pt++) {
		if (pt == SGX_PT_TCS || pt == SGX_PT_TRIM)
			continue;
		fx_enclave_sgx2();
		fx_emod(FX_REG, (uint64_t)pt << SGX_SECINFO_PT_SHIFT);
		CHECK_GP(fx_encls(SGX_EMODT));
	}
}

RULE(EMODPR, BUSY)
ONE_CASE(emodpr, EMODPR, page_in_exclusive_use, FX_REG, R, fx.epcm[FX_REG].lock = -1, CHECK_GP)
ONE_CASE(emodpr, EMODPR, while_emodt_runs, FX_REG, R, fx.epcm[FX_REG].lock = -1;
	 fx.epcm[FX_REG].modify_lock = -1, CHECK_GP)
RULE(EMODT, CONFLICT)
RULE(EMODPR, CONFLICT)
EMOD_CODE(while_another_changes_it, fx.epcm[FX_REG].lock = 1;
	  fx.epcm[FX_REG].modify_lock = -1, EPC_PAGE_CONFLICT)
RULE(EMODT, CONFLICT)
TEST(emodt_page_in_use)
{
	for (int lock = -1; lock < 2; lock += 2) {
		fx_enclave_sgx2();
		fx_emod(FX_REG, TRIM);
		fx.epcm[FX_REG].lock = lock;
		CHECK_CODE(fx_encls(SGX_EMODT), SGX_ERR_EPC_PAGE_CONFLICT);
	}
}

RULE(EMODPR, VALID)
RULE(EMODT, VALID)
EMOD_EPCM_PF(page_invalid, fx.regs.rcx = fx_epc(FX_SLOT), fx_epc(FX_SLOT))
RULE(EMODPR, STATE)
RULE(EMODT, STATE)
EMOD_CODE(pending, fx_by_hand(); fx.epcm[FX_REG].pending = 1, PAGE_NOT_MODIFIABLE)
EMOD_CODE(modified, fx_by_hand(); fx.epcm[FX_REG].modified = 1, PAGE_NOT_MODIFIABLE)
RULE(EMODPR, TYPE)
RULE(EMODT, TYPE)
EMOD_EPCM_PF(secs, fx.regs.rcx = fx_epc(FX_SECS), fx_epc(FX_SECS))
EMOD_EPCM_PF(va, fx_epa(); fx_emod(FX_VA, leaf == SGX_EMODT ? TRIM : R), fx_epc(FX_VA))
EMOD_EPCM_PF(trim, fx.epcm[FX_REG].pt = SGX_PT_TRIM; fx.epcm[FX_REG].rwx = 0, fx_epc(FX_REG))
RULE(EMODPR, TYPE)
TEST(emodpr_tcs)
{
	fx_enclave_sgx2();
	fx_emod(FX_TCS, R);
	CHECK_EPCM_PF(fx_encls(SGX_EMODPR), fx_epc(FX_TCS));
	/* its state comes first: the other way round than EMODT */
	fx.epcm[FX_TCS].modified = 1;
	CHECK_CODE(fx_encls(SGX_EMODPR), SGX_ERR_PAGE_NOT_MODIFIABLE);
}

RULE(EMODT, TYPE)
TEST(emodt_tcs_to_tcs)
{
	fx_enclave_sgx2();
	fx_emod(FX_TCS, TCS);
	CHECK_EPCM_PF(fx_encls(SGX_EMODT), fx_epc(FX_TCS));
	/* said before the state is looked at */
	fx.epcm[FX_TCS].modified = 1;
	CHECK_EPCM_PF(fx_encls(SGX_EMODT), fx_epc(FX_TCS));
}

RULE(EMODPR, INIT)
RULE(EMODT, INIT)
EMOD_GP(before_einit, secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags &= ~SGX_ATTR_INIT_BIT)

/* Wrong in each way; what is mended shows the next. */
RULE(EMODPR, ORDER)
TEST(emodpr_order)
{
	fx_enclave();
	fx_by_hand();
	fx_emod(FX_REG, W | 1u << 6);
	fx.mem_unmapped[0] = true;
	fx.epcm[FX_REG] = (struct epcm_entry){.lock = -1, .secs = FX_SECS, .pt = SGX_PT_TCS};
	fx.epcm[FX_REG].pending = 1;
	fx.regs.rcx = FX_SOURCE;
	CHECK_EPCM_PF(fx_encls(SGX_EMODPR), FX_SOURCE);
	fx.regs.rcx = fx_epc(FX_REG);
	CHECK_MEM_PF(fx_encls(SGX_EMODPR), FX_SECINFO);
	fx.mem_unmapped[0] = false;
	CHECK_GP(fx_encls(SGX_EMODPR)); /* reserved */
	fx.secinfo->flags = W;
	CHECK_GP(fx_encls(SGX_EMODPR)); /* W without R */
	fx.secinfo->flags = R;
	CHECK_GP(fx_encls(SGX_EMODPR)); /* in use */
	fx.epcm[FX_REG].lock = 1;
	fx.epcm[FX_REG].modify_lock = -1;
	CHECK_EPCM_PF(fx_encls(SGX_EMODPR), fx_epc(FX_REG)); /* not valid */
	fx.epcm[FX_REG].valid = 1;
	CHECK_CODE(fx_encls(SGX_EMODPR), SGX_ERR_EPC_PAGE_CONFLICT);
	fx.epcm[FX_REG].modify_lock = 0;
	CHECK_CODE(fx_encls(SGX_EMODPR), SGX_ERR_PAGE_NOT_MODIFIABLE);
	fx.epcm[FX_REG].pending = 0;
	CHECK_EPCM_PF(fx_encls(SGX_EMODPR), fx_epc(FX_REG)); /* type */
	fx.epcm[FX_REG].pt = SGX_PT_REG;
	CHECK_GP(fx_encls(SGX_EMODPR)); /* not initialised */
}

RULE(EMODT, ORDER)
TEST(emodt_order)
{
	fx_enclave();
	fx_by_hand();
	fx_emod(FX_REG, REG | 1u << 6);
	fx.mem_unmapped[0] = true;
	fx.epcm[FX_REG] = (struct epcm_entry){.lock = -1, .secs = FX_SECS, .pt = SGX_PT_TRIM};
	fx.epcm[FX_REG].modified = 1;
	fx.regs.rcx = FX_SOURCE;
	CHECK_EPCM_PF(fx_encls(SGX_EMODT), FX_SOURCE);
	fx.regs.rcx = fx_epc(FX_REG);
	CHECK_MEM_PF(fx_encls(SGX_EMODT), FX_SECINFO);
	fx.mem_unmapped[0] = false;
	CHECK_GP(fx_encls(SGX_EMODT)); /* reserved */
	fx.secinfo->flags = REG;
	CHECK_GP(fx_encls(SGX_EMODT)); /* type asked for */
	fx.secinfo->flags = TCS;
	CHECK_CODE(fx_encls(SGX_EMODT), SGX_ERR_EPC_PAGE_CONFLICT);
	fx.epcm[FX_REG].lock = 0;
	CHECK_EPCM_PF(fx_encls(SGX_EMODT), fx_epc(FX_REG)); /* not valid */
	fx.epcm[FX_REG].valid = 1;
	CHECK_EPCM_PF(fx_encls(SGX_EMODT), fx_epc(FX_REG)); /* type */
	fx.epcm[FX_REG].pt = SGX_PT_REG;
	CHECK_CODE(fx_encls(SGX_EMODT), SGX_ERR_PAGE_NOT_MODIFIABLE);
	fx.epcm[FX_REG].modified = 0;
	CHECK_GP(fx_encls(SGX_EMODT)); /* not initialised */
}

/* Every permission of the page with every one that is asked for. */
RULE(EMODPR, DONE)
TEST(emodpr_done)
{
	static const unsigned int legal[] = {0, R, X, R | W, R | X, R | W | X};
	const unsigned int n = sizeof(legal) / sizeof(legal[0]);

	for (unsigned int i = 0; i < n * n; i++) {
		unsigned int has = legal[i / n], asked = legal[i % n];

		fx_enclave_sgx2();
		fx.epcm[FX_REG].rwx = has & 7;
		fx_emod(FX_REG, asked);
		CHECK_DONE(fx_encls(SGX_EMODPR));
		CHECK_EQ(fx.regs.rax, SGX_OK);
		check_entry(FX_REG, SGX_PT_REG, has & asked, 0, 1);
		CHECK_EQ(fx.epcm[FX_REG].untracked, 1);
	}
}

RULE(EMODPR, DONE)
TEST(emodpr_twice)
{
	fx_enclave_sgx2();
	fx.epcm[FX_REG].lock = 1; /* EBLOCK or EREPORT beside it */
	fx_emod(FX_REG, R | W);
	CHECK_DONE(fx_encls(SGX_EMODPR));
	CHECK_EQ(fx.epcm[FX_REG].modified_epoch, 0);
	fx.epcm[FX_REG].lock = 0;
	fx_track();
	fx_emod(FX_REG, R | X);
	CHECK_DONE(fx_encls(SGX_EMODPR));
	check_entry(FX_REG, SGX_PT_REG, R, 0, 1);
	CHECK_EQ(fx.epcm[FX_REG].modified_epoch, 1);
}

/* EBLOCK's epoch and this one are two. */
RULE(EMODPR, DONE)
TEST(emodpr_of_a_blocked_page)
{
	fx_enclave_sgx2();
	fx_block(FX_REG);
	fx_track();
	fx_emod(FX_REG, R);
	CHECK_DONE(fx_encls(SGX_EMODPR));
	CHECK_EQ(fx.epcm[FX_REG].blocked, 1);
	CHECK_EQ(fx.epcm[FX_REG].blocked_epoch, 0);
	CHECK_EQ(fx.epcm[FX_REG].modified_epoch, 1);
}

RULE(EMODT, DONE)
TEST(emodt_done)
{
	static const struct {
		epc_slot_t slot;
		unsigned int pt;
	} ways[] = {{FX_REG, SGX_PT_TCS}, {FX_REG, SGX_PT_TRIM}, {FX_TCS, SGX_PT_TRIM}};

	for (unsigned int i = 0; i < 3; i++) {
		uint8_t bytes[4096];

		fx_enclave_sgx2();
		fx_track();
		memcpy(bytes, fx.epc[ways[i].slot].bytes, sizeof(bytes));
		if (ways[i].slot == FX_REG) {
			fx_emod(FX_REG, R);
			CHECK_DONE(fx_encls(SGX_EMODPR));
		}
		fx_emod(ways[i].slot, (uint64_t)ways[i].pt << SGX_SECINFO_PT_SHIFT | R | W | X);
		CHECK_DONE(fx_encls(SGX_EMODT));
		CHECK_EQ(fx.regs.rax, SGX_OK);
		check_entry(ways[i].slot, ways[i].pt, 0, 1, 0);
		CHECK_EQ(fx.epcm[ways[i].slot].untracked, 1);
		CHECK_EQ(fx.epcm[ways[i].slot].modified_epoch, 1);
		CHECK_MEM(fx.epc[ways[i].slot].bytes, bytes, sizeof(bytes));
		CHECK_EQ(fx.drops + fx.fills, 4); /* those of the enclave */
	}
}

/* What the other leaves of the system make of a page that was changed. */
RULE(EMODT, DONE)
TEST(emodt_and_the_leaves_of_sgx1)
{
	fx_enclave_sgx2();
	fx_emod(FX_REG, TCS);
	CHECK_DONE(fx_encls(SGX_EMODT));
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_REG) + 8};
	CHECK_CODE(fx_encls(SGX_EDBGRD), SGX_ERR_PAGE_NOT_DEBUGGABLE);
	CHECK_CODE(fx_encls(SGX_EDBGWR), SGX_ERR_PAGE_NOT_DEBUGGABLE);
	fx_eextend(FX_REG, 0);
	CHECK_GP(fx_encls(SGX_EEXTEND)); /* of an initialised enclave */
	fx.busy = true;
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_REG)};
	CHECK_CODE(fx_encls(SGX_EREMOVE), SGX_ERR_ENCLAVE_ACT);
	fx.busy = false;
	CHECK_DONE(fx_encls(SGX_EREMOVE));
}
