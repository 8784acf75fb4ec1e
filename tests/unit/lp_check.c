/* SPDX-License-Identifier: BSD-3-Clause */
/* lp_eenter_check(, NULL): one case for each check of EENTER and ERESUME. */
#include "lp_fixture.h"

static uint64_t xcr0;

/* Both leaves, on a fixture that both would take but for one change. */
static void check_fault(void (*change)(struct fixture *), uint64_t leaf,
			const struct cpu_result *want)
{
	struct fixture fx;
	struct sgx_tcs_slot before;
	struct cpu_result r;

	fx_init(&fx);
	fx.tcs.cssa = 1;
	fx_regs(&fx.regs, leaf);
	xcr0 = FX_XCR0;
	if (change)
		change(&fx);
	before = fx.tcs;
	r = lp_eenter_check(&fx.secs, &fx.tcs, &fx.regs, xcr0, FX_OWNER, NULL);
	CHECK_EQ(r.kind, want->kind);
	CHECK_EQ(r.vector, want->vector);
	CHECK_EQ(r.code, want->code);
	CHECK_EQ(r.addr, want->addr);
	if (cpu_ok(r)) {
		CHECK_EQ(fx.tcs.state, FX_OWNER);
		lp_eenter_undo(&fx.tcs, FX_OWNER);
	}
	CHECK_MEM(&fx.tcs, &before, sizeof(before));
}

static void expect_gp(void (*change)(struct fixture *))
{
	struct cpu_result want = cpu_gp();

	check_fault(change, SGX_EENTER, &want);
	check_fault(change, SGX_ERESUME, &want);
}

static void expect_pf(void (*change)(struct fixture *), uint64_t eenter_addr, uint64_t eresume_addr)
{
	/* P, W/R, U/S and SGX: the EPCM refused a user's write */
	struct cpu_result want = cpu_pf(eenter_addr, 0x8007);

	check_fault(change, SGX_EENTER, &want);
	want.addr = eresume_addr;
	check_fault(change, SGX_ERESUME, &want);
}

static void expect_ok(void (*change)(struct fixture *))
{
	struct cpu_result want = cpu_done();

	check_fault(change, SGX_EENTER, &want);
	check_fault(change, SGX_ERESUME, &want);
}

#define CHANGE(name, what)                   \
	static void name(struct fixture *fx) \
	{                                    \
		what;                        \
	}

RULE(EENTER, DONE)
TEST(lp_check_takes_free_slot)
{
	expect_ok(NULL);
}

CHANGE(leaf_eexit, fx->regs.rax = SGX_EEXIT)
CHANGE(leaf_high, fx->regs.rax |= 1ull << 32)
RULE(ENCLU, LEAF)
TEST(lp_check_leaf)
{
	expect_gp(leaf_eexit);
	expect_gp(leaf_high);
}

CHANGE(rbx_odd, fx->regs.rbx += 8)
CHANGE(rbx_byte, fx->regs.rbx += 1)
RULE(EENTER, TCS_ADDR)
RULE(ERESUME, TCS_ADDR)
TEST(lp_check_rbx_page_aligned)
{
	expect_gp(rbx_odd);
	expect_gp(rbx_byte);
}

CHANGE(rbx_noncanonical, fx->regs.rbx = FX_NONCANONICAL)
TEST(lp_check_rbx_canonical)
{
	expect_gp(rbx_noncanonical);
}

RULE(EENTER, ENCLAVE)
RULE(ERESUME, ENCLAVE)
TEST(lp_check_not_epc)
{
	struct lp_gprs regs;
	struct cpu_result r;

	fx_regs(&regs, SGX_EENTER);
	regs.rbx = 0x555000;
	r = lp_eenter_check(NULL, NULL, &regs, FX_XCR0, FX_OWNER, NULL);
	CHECK_EQ(r.kind, CPU_FAULT);
	CHECK_EQ(r.vector, SGX_VEC_PF);
	CHECK_EQ(r.addr, 0x555000);
	CHECK_EQ(r.code, 0x8007);

	/* EPC comes before the AEP, alignment before EPC */
	regs.rcx = FX_NONCANONICAL;
	r = lp_eenter_check(NULL, NULL, &regs, FX_XCR0, FX_OWNER, NULL);
	CHECK_EQ(r.vector, SGX_VEC_PF);
	regs.rbx++;
	fx_check_gp(lp_eenter_check(NULL, NULL, &regs, FX_XCR0, FX_OWNER, NULL));
}

CHANGE(aep_first_bad, fx->regs.rcx = FX_NONCANONICAL)
CHANGE(aep_last_bad, fx->regs.rcx = 0xffff7fffffffffffull)
CHANGE(aep_low_edge, fx->regs.rcx = 0x00007fffffffffffull)
CHANGE(aep_high_edge, fx->regs.rcx = 0xffff800000000000ull)
RULE(EENTER, AEP)
RULE(ERESUME, AEP)
TEST(lp_check_aep_canonical)
{
	expect_gp(aep_first_bad);
	expect_gp(aep_last_bad);
	expect_ok(aep_low_edge);
	expect_ok(aep_high_edge);
}

CHANGE(gone, fx->tcs.state = SGX_TCS_GONE)
CHANGE(gone_aep, fx->tcs.state = SGX_TCS_GONE; fx->regs.rcx = FX_NONCANONICAL)
CHANGE(gone_ossa, fx->tcs.state = SGX_TCS_GONE; fx->tcs.ossa++)
RULE(EENTER, TCS)
RULE(ERESUME, TCS)
TEST(lp_check_not_a_tcs)
{
	expect_pf(gone, FX_TCS, FX_TCS);
	/* in the SDM's order: AEP, then EPCM, then the TCS' fields */
	expect_gp(gone_aep);
	expect_pf(gone_ossa, FX_TCS, FX_TCS);
}

CHANGE(ossa_odd, fx->tcs.ossa += 0x800)
RULE(EENTER, OSSA)
RULE(ERESUME, OSSA)
TEST(lp_check_ossa_aligned)
{
	expect_gp(ossa_odd);
}

CHANGE(ofs_odd, fx->tcs.ofsbase += 1)
CHANGE(ogs_odd, fx->tcs.ogsbase += 0x10)
RULE(EENTER, BASES)
RULE(ERESUME, BASES)
TEST(lp_check_fs_gs_aligned)
{
	expect_gp(ofs_odd);
	expect_gp(ogs_odd);
}

CHANGE(flags_aexnotify, fx->tcs.flags = SGX_TCS_AEXNOTIFY_BIT)
CHANGE(flags_top, fx->tcs.flags = 1ull << 63)
CHANGE(flags_dbgoptin, fx->tcs.flags = SGX_TCS_DBGOPTIN_BIT)
RULE(EENTER, FLAGS)
RULE(ERESUME, FLAGS)
TEST(lp_check_flags_reserved)
{
	expect_gp(flags_aexnotify);
	expect_gp(flags_top);
	expect_ok(flags_dbgoptin);
}

CHANGE(not_init, fx->secs.attributes &= ~SGX_ATTR_INIT_BIT)
RULE(EENTER, INIT)
RULE(ERESUME, INIT)
TEST(lp_check_initialized)
{
	expect_gp(not_init);
}

CHANGE(mode32, fx->secs.attributes &= ~SGX_ATTR_MODE64_BIT)
RULE(EENTER, MODE)
RULE(ERESUME, MODE)
TEST(lp_check_mode64)
{
	expect_gp(mode32);
}

CHANGE(xfrm_beyond, xcr0 = FX_XFRM & ~4ull)
CHANGE(xfrm_exact, xcr0 = FX_XFRM)
CHANGE(xfrm_bit62, fx->secs.xfrm |= 1ull << 62)
RULE(EENTER, XFRM)
RULE(ERESUME, XFRM)
TEST(lp_check_xfrm_in_xcr0)
{
	expect_gp(xfrm_beyond);
	expect_gp(xfrm_bit62);
	expect_ok(xfrm_exact);
}

CHANGE(cssa_none, fx->tcs.cssa = 0)
CHANGE(cssa_full, fx->tcs.cssa = FX_NSSA)
CHANGE(cssa_over, fx->tcs.cssa = ~0u)
CHANGE(cssa_last, fx->tcs.cssa = FX_NSSA - 1)
CHANGE(nssa_zero, fx->tcs.cssa = fx->tcs.nssa = 0)
RULE(EENTER, CSSA)
RULE(ERESUME, CSSA)
TEST(lp_check_cssa)
{
	struct cpu_result gp = cpu_gp(), done = cpu_done();

	check_fault(cssa_none, SGX_EENTER, &done);
	check_fault(cssa_none, SGX_ERESUME, &gp);
	check_fault(cssa_last, SGX_EENTER, &done);
	check_fault(cssa_last, SGX_ERESUME, &done);
	check_fault(cssa_full, SGX_EENTER, &gp);
	check_fault(cssa_full, SGX_ERESUME, &done);
	check_fault(cssa_over, SGX_EENTER, &gp);
	check_fault(nssa_zero, SGX_EENTER, &gp);
	check_fault(nssa_zero, SGX_ERESUME, &gp);
}

/* Where frame -1 would have a canonical address: #GP, and no #PF in its stead */
static void cssa_none_low(struct fixture *fx)
{
	fx->tcs.cssa = 0;
	fx->secs.base = 0x100000000000ull;
	fx->regs.rbx = fx->secs.base + 0x3000;
}

TEST(lp_check_cssa_no_wrap)
{
	struct cpu_result gp = cpu_gp(), done = cpu_done();

	check_fault(cssa_none_low, SGX_ERESUME, &gp);
	check_fault(cssa_none_low, SGX_EENTER, &done);
}

/* With CSSA = 1 EENTER uses frame 1 and ERESUME frame 0, two pages each. */
CHANGE(ssa_outside, fx->tcs.ossa = FX_SIZE)
CHANGE(ssa_half, fx->tcs.ossa = FX_SIZE - 0x1000)
CHANGE(ssa_last, fx->tcs.ossa = FX_SIZE - 0x4000)
CHANGE(ssa_below, fx->tcs.ossa = -0x5000ull)
CHANGE(ssa_noncanonical, fx->tcs.ossa = FX_NONCANONICAL)
RULE(EENTER, SSA_CANONICAL)
RULE(EENTER, SSA_RANGE)
RULE(ERESUME, SSA_CANONICAL)
RULE(ERESUME, SSA_RANGE)
TEST(lp_check_ssa_in_elrange)
{
	expect_pf(ssa_outside, FX_BASE + FX_SIZE + 0x2000, FX_BASE + FX_SIZE);
	expect_pf(ssa_half, FX_BASE + FX_SIZE + 0x1000, FX_BASE + FX_SIZE);
	expect_pf(ssa_below, FX_BASE - 0x3000, FX_BASE - 0x5000);
	expect_gp(ssa_noncanonical);
	expect_ok(ssa_last);
}

CHANGE(frame_huge, fx->secs.ssaframesize = ~0u)
TEST(lp_check_ssa_frame_larger_than_elrange)
{
	struct cpu_result want = cpu_pf(FX_BASE + FX_SIZE, 0x8007);

	check_fault(frame_huge, SGX_ERESUME, &want);
	/* frame 1 begins 16 TiB further on, where no address is canonical */
	want = cpu_gp();
	check_fault(frame_huge, SGX_EENTER, &want);
}

CHANGE(oentry_noncanonical, fx->tcs.oentry = FX_NONCANONICAL)
CHANGE(oentry_after, fx->tcs.oentry = FX_SIZE)
CHANGE(oentry_before, fx->tcs.oentry = -1ull)
CHANGE(oentry_last, fx->tcs.oentry = FX_SIZE - 1)
RULE(EENTER, OENTRY)
TEST(lp_check_oentry)
{
	struct cpu_result gp = cpu_gp(), done = cpu_done();

	check_fault(oentry_noncanonical, SGX_EENTER, &gp);
	check_fault(oentry_after, SGX_EENTER, &gp);
	check_fault(oentry_before, SGX_EENTER, &gp);
	check_fault(oentry_last, SGX_EENTER, &done);
	/* ERESUME goes to the frame's RIP, and takes its FS and GS */
	check_fault(oentry_noncanonical, SGX_ERESUME, &done);
}

CHANGE(fs_noncanonical, fx->tcs.ofsbase = FX_NONCANONICAL)
CHANGE(gs_noncanonical, fx->tcs.ogsbase = FX_NONCANONICAL)
CHANGE(fs_outside, fx->tcs.ofsbase = FX_SIZE; fx->tcs.ogsbase = -0x1000ull)
RULE(EENTER, BASE_CANONICAL)
TEST(lp_check_fs_gs_canonical)
{
	struct cpu_result gp = cpu_gp(), done = cpu_done();

	check_fault(fs_noncanonical, SGX_EENTER, &gp);
	check_fault(gs_noncanonical, SGX_EENTER, &gp);
	check_fault(fs_noncanonical, SGX_ERESUME, &done);
	check_fault(gs_noncanonical, SGX_ERESUME, &done);
	/* canonical is all that 64-bit mode asks */
	check_fault(fs_outside, SGX_EENTER, &done);
}

CHANGE(limits, fx->tcs.fslimit = 0; fx->tcs.gslimit = 1)
TEST(lp_check_limits_unused)
{
	expect_ok(limits);
}

CHANGE(busy, fx->tcs.state = lp_owner(7, 7))
RULE(EENTER, BUSY)
RULE(ERESUME, BUSY)
TEST(lp_check_busy)
{
	expect_gp(busy);
}

NO_RULE
TEST(lp_undo_only_own)
{
	struct sgx_tcs_slot tcs = {.state = FX_OWNER};

	lp_eenter_undo(&tcs, lp_owner(7, 7));
	CHECK_EQ(tcs.state, FX_OWNER);
	lp_eenter_undo(&tcs, FX_OWNER);
	CHECK_EQ(tcs.state, SGX_TCS_FREE);
	lp_eenter_undo(&tcs, FX_OWNER);
	CHECK_EQ(tcs.state, SGX_TCS_FREE);
	tcs.state = SGX_TCS_GONE;
	lp_eenter_undo(&tcs, FX_OWNER);
	CHECK_EQ(tcs.state, SGX_TCS_GONE);
}

TEST(lp_owner_is_no_state)
{
	CHECK(!lp_is_owner(SGX_TCS_FREE));
	CHECK(!lp_is_owner(SGX_TCS_GONE));
	for (uint32_t client = 1; client < LP_OWNER_CLIENTS; client = 2 * client + 1) {
		for (uint32_t block = 0; block < LP_OWNER_BLOCKS; block = 2 * block + 1) {
			uint32_t owner = lp_owner(client, block);

			CHECK(lp_is_owner(owner));
			CHECK_EQ(lp_owner_client(owner), client);
			CHECK_EQ(lp_owner_block(owner), block);
		}
	}
}

TEST(lp_ssa_addresses)
{
	struct fixture fx;

	fx_init(&fx);
	CHECK_EQ(lp_ssa_frame(&fx.secs, &fx.tcs, 0), 0x7f0000010000);
	CHECK_EQ(lp_ssa_frame(&fx.secs, &fx.tcs, 2), 0x7f0000014000);
	CHECK_EQ(lp_ssa_gprsgx(&fx.secs, &fx.tcs, 0), 0x7f0000012000 - 184);
	CHECK_EQ(lp_ssa_gprsgx(&fx.secs, &fx.tcs, 1), 0x7f0000014000 - 184);
	CHECK_EQ(lp_ssa_exinfo(&fx.secs, &fx.tcs, 1), 0x7f0000014000 - 200);
}
