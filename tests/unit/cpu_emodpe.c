/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLU[EMODPE] and ENCLU[EACCEPTCOPY]: one case for each fault and code. */
#include "cpu_fixture.h"

#include <secs.h>

#define R	SGX_SECINFO_R_BIT
#define W	SGX_SECINFO_W_BIT
#define X	SGX_SECINFO_X_BIT
#define PENDING SGX_SECINFO_PENDING_BIT
#define REG	(SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define TCS	(SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define ADDR	(FX_ENCL_BASE + 0x4000)
#define NOWHERE (FX_ENCL_BASE + 0x5000)

#define PF_READ (SGX_PF_P | SGX_PF_U | SGX_PF_SGX)

/* Each leaf with operands that are right: FX_REG is EMODPE's page and EACCEPTCOPY's source. */
static struct sgx_secinfo_arch *ready(unsigned int leaf)
{
	fx_enclave_sgx2();
	if (leaf == SGX_EMODPE)
		return fx_accept(FX_REG_ADDR, X);
	fx_eaug(FX_SLOT, ADDR);
	CHECK_DONE(fx_encls(SGX_EAUG));
	return fx_accept(ADDR, REG | R | X);
}

/* The same for both leaves; and of one. */
#define BOTH_CASE(id, change, expect)                           \
	static void both_##id(unsigned int leaf)                \
	{                                                       \
		struct sgx_secinfo_arch *secinfo = ready(leaf); \
                                                                \
		(void)secinfo;                                  \
		change;                                         \
		expect;                                         \
	}                                                       \
	TEST(emodpe_##id)                                       \
	{                                                       \
		both_##id(SGX_EMODPE);                          \
	}                                                       \
	TEST(eacceptcopy_##id)                                  \
	{                                                       \
		both_##id(SGX_EACCEPTCOPY);                     \
	}
#define BOTH_GP(id, change)	      BOTH_CASE(id, change, CHECK_GP(fx_enclu(leaf)))
#define BOTH_PF(id, change, at, code) BOTH_CASE(id, change, CHECK_PF(fx_enclu(leaf), at, code))
#define ONE_CASE(name, LEAF, id, change, expect)                      \
	TEST(name##_##id)                                             \
	{                                                             \
		struct sgx_secinfo_arch *secinfo = ready(SGX_##LEAF); \
                                                                      \
		(void)secinfo;                                        \
		change;                                               \
		expect;                                               \
	}
#define EMODPE(id, change, expect) \
	ONE_CASE(emodpe, EMODPE, id, change, expect(fx_enclu(SGX_EMODPE)))
#define EMODPE_PF(id, change) \
	ONE_CASE(emodpe, EMODPE, id, change, CHECK_PF(fx_enclu(SGX_EMODPE), FX_REG_ADDR, PF_READ))
#define COPY(id, change, expect) \
	ONE_CASE(eacceptcopy, EACCEPTCOPY, id, change, expect(fx_enclu(SGX_EACCEPTCOPY)))
#define COPY_PF(id, change, at, code)                  \
	ONE_CASE(eacceptcopy, EACCEPTCOPY, id, change, \
		 CHECK_PF(fx_enclu(SGX_EACCEPTCOPY), at, code))
#define CHECK_MISMATCH(r) CHECK_CODE(r, SGX_ERR_PAGE_ATTRIBUTES_MISMATCH)

RULE(EMODPE, SECINFO_ADDR)
RULE(EACCEPTCOPY, SECINFO_ADDR)
BOTH_GP(secinfo_unaligned, fx.regs.rbx += 32)
BOTH_GP(secinfo_not_canonical, fx.regs.rbx |= 1ull << 62)
RULE(EMODPE, PAGE_ADDR)
RULE(EACCEPTCOPY, PAGE_ADDR)
BOTH_GP(page_unaligned, fx.regs.rcx += 64)
BOTH_GP(page_not_canonical, fx.regs.rcx |= 1ull << 62)
RULE(EACCEPTCOPY, SOURCE_ADDR)
COPY(source_unaligned, fx.regs.rdx += 8, CHECK_GP)
RULE(EMODPE, SECINFO_RANGE)
RULE(EACCEPTCOPY, SECINFO_RANGE)
BOTH_GP(secinfo_outside, fx.regs.rbx = FX_ENCL_BASE + FX_ENCL_SIZE)
RULE(EMODPE, PAGE_RANGE)
RULE(EACCEPTCOPY, PAGE_RANGE)
BOTH_GP(page_outside, fx.regs.rcx = FX_ENCL_BASE - 4096)
RULE(EACCEPTCOPY, SOURCE_RANGE)
COPY(source_outside, fx.regs.rdx = FX_ENCL_BASE + FX_ENCL_SIZE, CHECK_GP)
RULE(EMODPE, SECINFO_ABSENT)
RULE(EACCEPTCOPY, SECINFO_ABSENT)
BOTH_PF(secinfo_absent, fx.regs.rbx = NOWHERE, NOWHERE, SGX_PF_U)
RULE(EMODPE, PAGE_ABSENT)
ONE_CASE(emodpe, EMODPE, page_absent, fx.regs.rcx = NOWHERE,
	 CHECK_PF(fx_enclu(SGX_EMODPE), NOWHERE, SGX_PF_U))
RULE(EACCEPTCOPY, PAGE_ABSENT)
COPY_PF(destination_absent, fx.regs.rcx = NOWHERE, NOWHERE, SGX_PF_U | SGX_PF_W)
RULE(EACCEPTCOPY, SOURCE_ABSENT)
COPY_PF(source_absent, fx.regs.rdx = NOWHERE, NOWHERE, SGX_PF_U)
RULE(EMODPE, SECINFO_EPCM)
RULE(EACCEPTCOPY, SECINFO_EPCM)
BOTH_PF(secinfo_not_readable, fx.epcm[FX_RO].rwx = 0, FX_ENCL_SECINFO, PF_READ)
BOTH_PF(secinfo_blocked, fx.epcm[FX_RO].blocked = 1, FX_ENCL_SECINFO, PF_READ)
BOTH_PF(secinfo_in_a_tcs, fx.regs.rbx = FX_TCS_ADDR, FX_TCS_ADDR, PF_READ)
BOTH_PF(secinfo_page_goes, fx.epcm[FX_RO].lock = -1, FX_ENCL_SECINFO, PF_READ)
RULE(EMODPE, SECINFO)
RULE(EACCEPTCOPY, SECINFO)
BOTH_GP(secinfo_bit_6, secinfo->flags |= 1u << 6)
BOTH_GP(secinfo_bit_16, secinfo->flags |= 1u << 16)
BOTH_GP(secinfo_bit_63, secinfo->flags |= 1ull << 63)
BOTH_GP(secinfo_first_byte, secinfo->rsvd[0] = 1)
BOTH_GP(secinfo_last_byte, secinfo->rsvd[55] = 1)
BOTH_CASE(secinfo_states_do_not_count, secinfo->flags |= 0x38, CHECK_DONE(fx_enclu(leaf)))

RULE(EMODPE, SECINFO)
EMODPE(type_does_not_count, secinfo->flags |= 0xff00, CHECK_DONE)
RULE(EMODPE, EPCM)
EMODPE_PF(page_invalid, fx.encl_page[1] = FX_VA)
EMODPE_PF(page_blocked, fx.epcm[FX_REG].blocked = 1)
EMODPE_PF(page_tcs, fx.encl_page[1] = FX_TCS)
EMODPE_PF(page_secs, fx.encl_page[1] = FX_SECS)
EMODPE_PF(page_trim, fx.epcm[FX_REG].pt = SGX_PT_TRIM; fx.epcm[FX_REG].rwx = 0)
EMODPE_PF(page_pending, fx.epcm[FX_REG].pending = 1)
EMODPE_PF(page_modified, fx_by_hand(); fx.epcm[FX_REG].modified = 1)
EMODPE_PF(page_of_another_enclave, fx_other_enclave(FX_REG))
EMODPE_PF(page_of_another_address, fx.encl_page[1] = FX_RO)
EMODPE_PF(page_goes, fx.epcm[FX_REG].lock = -1)
RULE(EMODPE, BUSY)
EMODPE(another_changes_it, fx.epcm[FX_REG].lock = 1; fx.epcm[FX_REG].modify_lock = -1, CHECK_GP)
EMODPE(emodt_changes_it, fx.epcm[FX_REG].lock = -1; fx.epcm[FX_REG].modify_lock = -1, CHECK_GP)
RULE(EMODPE, WRITE_ONLY)
EMODPE(write_only, fx.epcm[FX_REG].rwx = X; secinfo->flags = W, CHECK_GP)
EMODPE(write_where_it_can_be_read, secinfo->flags = W, CHECK_DONE)
EMODPE(write_and_read, fx.epcm[FX_REG].rwx = 0; secinfo->flags = R | W, CHECK_DONE)

RULE(EMODPE, ORDER)
TEST(emodpe_order)
{
	struct sgx_secinfo_arch *secinfo = ready(SGX_EMODPE);

	secinfo->flags = W | 1u << 6;
	fx.epcm[FX_REG].rwx = 0;
	fx.encl_page[1] = fx.encl_page[2] = EPC_SLOT_NONE;
	CHECK_PF(fx_enclu(SGX_EMODPE), FX_ENCL_SECINFO, SGX_PF_U);
	fx.encl_page[2] = FX_RO;
	fx.epcm[FX_RO].blocked = 1;
	CHECK_PF(fx_enclu(SGX_EMODPE), FX_REG_ADDR, SGX_PF_U);
	fx.encl_page[1] = FX_REG;
	fx.epcm[FX_REG].blocked = 1;
	fx.epcm[FX_REG].lock = 1;
	fx.epcm[FX_REG].modify_lock = -1;
	CHECK_PF(fx_enclu(SGX_EMODPE), FX_ENCL_SECINFO, PF_READ);
	fx.epcm[FX_RO].blocked = 0;
	CHECK_GP(fx_enclu(SGX_EMODPE)); /* reserved */
	secinfo->flags = W;
	CHECK_PF(fx_enclu(SGX_EMODPE), FX_REG_ADDR, PF_READ);
	fx.epcm[FX_REG].blocked = 0;
	CHECK_GP(fx_enclu(SGX_EMODPE)); /* in use */
	fx.epcm[FX_REG].modify_lock = 0;
	CHECK_GP(fx_enclu(SGX_EMODPE)); /* W without R */
	secinfo->flags = R | W;
	CHECK_DONE(fx_enclu(SGX_EMODPE));
}

/* Every permission of the page with every one that is asked for. */
RULE(EMODPE, DONE)
TEST(emodpe_done)
{
	static const unsigned int legal[] = {0, R, X, R | W, R | X, R | W | X};

	for (unsigned int i = 0; i < 6 * 8; i++) {
		unsigned int has = legal[i / 8], asked = i % 8;

		ready(SGX_EMODPE)->flags = asked;
		fx.epcm[FX_REG].rwx = has & 7;
		fx.epcm[FX_REG].lock = 1; /* beside EBLOCK, EREPORT, ... */
		if ((asked & W) && !((has | asked) & R)) {
			CHECK_GP(fx_enclu(SGX_EMODPE));
			continue;
		}
		CHECK_DONE(fx_enclu(SGX_EMODPE));
		CHECK_EQ(fx.regs.rax, SGX_EMODPE); /* nothing is reported there */
		CHECK_EQ(fx.epcm[FX_REG].rwx, has | asked);
		CHECK_EQ(fx.epcm[FX_REG].pt, SGX_PT_REG);
		CHECK_EQ(fx.epcm[FX_REG].untracked, 0);
		CHECK_EQ(fx.epcm[FX_REG].lock, 1);
		CHECK_EQ(fx.epcm[FX_REG].modify_lock, 0);
	}
}

/* What the system took, the enclave takes back; PR waits for EACCEPT all the same. */
RULE(EMODPE, DONE)
TEST(emodpe_of_a_restricted_page)
{
	fx_enclave_sgx2();
	fx_emod(FX_REG, R);
	CHECK_DONE(fx_encls(SGX_EMODPR));
	fx_accept(FX_REG_ADDR, W);
	CHECK_DONE(fx_enclu(SGX_EMODPE));
	CHECK_EQ(fx.epcm[FX_REG].rwx, R | W);
	CHECK_EQ(fx.epcm[FX_REG].pr, 1);
	CHECK_EQ(fx.epcm[FX_REG].untracked, 1);
	fx_track();
	fx_accept(FX_REG_ADDR, REG | SGX_SECINFO_PR_BIT | R | W);
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
}

RULE(EACCEPTCOPY, REQUEST)
COPY(type_tcs, secinfo->flags = TCS | R, CHECK_GP)
COPY(type_trim, secinfo->flags = SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT, CHECK_GP)
COPY(type_secs, secinfo->flags = R, CHECK_GP)
COPY(write_only, secinfo->flags = REG | W, CHECK_GP)
RULE(EACCEPTCOPY, SOURCE_EPCM)
COPY_PF(source_not_readable, fx.epcm[FX_REG].rwx = X, FX_REG_ADDR, PF_READ)
COPY_PF(source_blocked, fx.epcm[FX_REG].blocked = 1, FX_REG_ADDR, PF_READ)
COPY_PF(source_tcs, fx.regs.rdx = FX_TCS_ADDR, FX_TCS_ADDR, PF_READ)
COPY_PF(source_pending, fx.regs.rdx = ADDR, ADDR, PF_READ)
COPY_PF(source_of_another_enclave, fx_other_enclave(FX_REG), FX_REG_ADDR, PF_READ)
COPY_PF(source_of_another_address, fx.encl_page[1] = FX_RO, FX_REG_ADDR, PF_READ)
COPY_PF(source_goes, fx.epcm[FX_REG].lock = -1, FX_REG_ADDR, PF_READ)
RULE(EACCEPTCOPY, MISMATCH)
COPY(destination_invalid, fx.encl_page[4] = FX_VA, CHECK_MISMATCH)
COPY(destination_not_pending, fx.epcm[FX_SLOT].pending = 0, CHECK_MISMATCH)
COPY(destination_modified, fx_by_hand(); fx.epcm[FX_SLOT].modified = 1, CHECK_MISMATCH)
COPY(destination_blocked, fx.epcm[FX_SLOT].blocked = 1, CHECK_MISMATCH)
COPY(destination_tcs, fx_by_hand(); fx.epcm[FX_SLOT].pt = SGX_PT_TCS, CHECK_MISMATCH)
COPY(destination_of_another_enclave, fx_other_enclave(FX_SLOT), CHECK_MISMATCH)
COPY(destination_of_another_address, fx.encl_page[5] = FX_SLOT;
     fx.regs.rcx = NOWHERE, CHECK_MISMATCH)
COPY(destination_without_w, fx_by_hand(); fx.epcm[FX_SLOT].rwx = R, CHECK_MISMATCH)
COPY(destination_with_x, fx_by_hand(); fx.epcm[FX_SLOT].rwx = R | W | X, CHECK_MISMATCH)
COPY(destination_goes, fx.epcm[FX_SLOT].lock = -1, CHECK_MISMATCH)
RULE(EACCEPTCOPY, BUSY)
COPY(another_changes_it, fx.epcm[FX_SLOT].lock = 1; fx.epcm[FX_SLOT].modify_lock = -1, CHECK_GP)

RULE(EACCEPTCOPY, ORDER)
TEST(eacceptcopy_order)
{
	struct sgx_secinfo_arch *secinfo = ready(SGX_EACCEPTCOPY);

	fx_by_hand();
	secinfo->flags = TCS | 1u << 6;
	fx.encl_page[1] = fx.encl_page[2] = fx.encl_page[4] = EPC_SLOT_NONE;
	CHECK_PF(fx_enclu(SGX_EACCEPTCOPY), FX_ENCL_SECINFO, SGX_PF_U);
	fx.encl_page[2] = FX_RO;
	fx.epcm[FX_RO].blocked = 1;
	CHECK_PF(fx_enclu(SGX_EACCEPTCOPY), ADDR, SGX_PF_U | SGX_PF_W);
	fx.encl_page[4] = FX_SLOT;
	CHECK_PF(fx_enclu(SGX_EACCEPTCOPY), FX_REG_ADDR, SGX_PF_U);
	fx.encl_page[1] = FX_REG;
	fx.epcm[FX_REG].blocked = 1;
	fx.epcm[FX_SLOT].blocked = 1;
	fx.epcm[FX_SLOT].rwx = R;
	fx.epcm[FX_SLOT].lock = 1;
	fx.epcm[FX_SLOT].modify_lock = -1;
	CHECK_PF(fx_enclu(SGX_EACCEPTCOPY), FX_ENCL_SECINFO, PF_READ);
	fx.epcm[FX_RO].blocked = 0;
	CHECK_GP(fx_enclu(SGX_EACCEPTCOPY)); /* reserved */
	secinfo->flags = TCS;
	CHECK_GP(fx_enclu(SGX_EACCEPTCOPY)); /* type asked for */
	secinfo->flags = REG | R;
	CHECK_PF(fx_enclu(SGX_EACCEPTCOPY), FX_REG_ADDR, PF_READ);
	fx.epcm[FX_REG].blocked = 0;
	CHECK_MISMATCH(fx_enclu(SGX_EACCEPTCOPY)); /* BLOCKED */
	fx.epcm[FX_SLOT].blocked = 0;
	CHECK_GP(fx_enclu(SGX_EACCEPTCOPY)); /* in use */
	fx.epcm[FX_SLOT].modify_lock = 0;
	CHECK_MISMATCH(fx_enclu(SGX_EACCEPTCOPY)); /* permissions */
	fx.epcm[FX_SLOT].rwx = R | W;
	CHECK_DONE(fx_enclu(SGX_EACCEPTCOPY));
}

RULE(EACCEPTCOPY, DONE)
TEST(eacceptcopy_done)
{
	static const unsigned int legal[] = {0, R, X, R | W, R | X, R | W | X};

	for (unsigned int i = 0; i < 6; i++) {
		uint8_t source[4096];

		ready(SGX_EACCEPTCOPY)->flags = REG | legal[i];
		memcpy(source, fx.epc[FX_REG].bytes, sizeof(source));
		CHECK_DONE(fx_enclu(SGX_EACCEPTCOPY));
		CHECK_EQ(fx.regs.rax, SGX_OK);
		CHECK_EQ(fx.epcm[FX_SLOT].rwx, legal[i]);
		CHECK_EQ(fx.epcm[FX_SLOT].pt, SGX_PT_REG);
		CHECK_EQ(fx.epcm[FX_SLOT].pending, 0);
		CHECK_EQ(fx.epcm[FX_SLOT].lock, 0);
		CHECK_EQ(fx.epcm[FX_SLOT].modify_lock, 0);
		CHECK_EQ(fx.epcm[FX_REG].lock, 0);
		CHECK_MEM(fx.epc[FX_SLOT].bytes, source, sizeof(source));
		CHECK_MEM(fx.epc[FX_REG].bytes, source, sizeof(source));
		fx_accept(ADDR, REG | R);
		CHECK_MISMATCH(fx_enclu(SGX_EACCEPTCOPY)); /* once */
	}
}

/* SECINFO may be in the page that is copied: it is read before. */
RULE(EACCEPTCOPY, DONE)
TEST(eacceptcopy_of_the_page_of_its_secinfo)
{
	ready(SGX_EACCEPTCOPY);
	fx.regs.rdx = FX_RO_ADDR;
	CHECK_DONE(fx_enclu(SGX_EACCEPTCOPY));
	CHECK_MEM(fx.epc[FX_SLOT].bytes, fx.epc[FX_RO].bytes, 4096);
}
