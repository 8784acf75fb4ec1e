/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLU[EACCEPT]: one case for each fault and code, in the SDM's order. */
#include "cpu_fixture.h"

#include <secs.h>

#define R	 SGX_SECINFO_R_BIT
#define W	 SGX_SECINFO_W_BIT
#define X	 SGX_SECINFO_X_BIT
#define PENDING	 SGX_SECINFO_PENDING_BIT
#define MODIFIED SGX_SECINFO_MODIFIED_BIT
#define PR	 SGX_SECINFO_PR_BIT
#define TCS	 (SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define REG	 (SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define TRIM	 (SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT)
#define ADDR	 (FX_ENCL_BASE + 0x4000)

#define PF_READ	 (SGX_PF_P | SGX_PF_U | SGX_PF_SGX)

/* A page that EAUG has added at ADDR, and what accepts it. */
static struct sgx_secinfo_arch *added(void)
{
	fx_enclave_sgx2();
	fx_eaug(FX_SLOT, ADDR);
	CHECK_DONE(fx_encls(SGX_EAUG));
	return fx_accept(ADDR, REG | PENDING | R | W);
}

/* FX_REG after EMODPR or EMODT, tracked, and what accepts that. */
static struct sgx_secinfo_arch *changed(unsigned int leaf, uint64_t flags, uint64_t accept)
{
	fx_enclave_sgx2();
	fx_emod(FX_REG, flags);
	CHECK_DONE(fx_encls(leaf));
	fx_track();
	return fx_accept(FX_REG_ADDR, accept);
}

#define EACCEPT_CASE(id, change, check)                     \
	TEST(eaccept_##id)                                  \
	{                                                   \
		struct sgx_secinfo_arch *secinfo = added(); \
                                                            \
		(void)secinfo;                              \
		change;                                     \
		check;                                      \
	}
#define EACCEPT_GP(id, change) EACCEPT_CASE(id, change, CHECK_GP(fx_enclu(SGX_EACCEPT)))
#define EACCEPT_PF(id, change, at, code) \
	EACCEPT_CASE(id, change, CHECK_PF(fx_enclu(SGX_EACCEPT), at, code))
#define EACCEPT_CODE(id, change, c) \
	EACCEPT_CASE(id, change, CHECK_CODE(fx_enclu(SGX_EACCEPT), SGX_ERR_##c))

static void check_accepted(epc_slot_t slot, unsigned int pt, unsigned int rwx)
{
	const struct epcm_entry *entry = &fx.epcm[slot];

	CHECK_EQ(fx.regs.rax, SGX_OK);
	CHECK_EQ(entry->valid, 1);
	CHECK_EQ(entry->pt, pt);
	CHECK_EQ(entry->rwx, rwx);
	CHECK_EQ(entry->pending, 0);
	CHECK_EQ(entry->modified, 0);
	CHECK_EQ(entry->pr, 0);
	CHECK_EQ(entry->untracked, 0);
	CHECK_EQ(entry->lock, 0);
	CHECK_EQ(entry->modify_lock, 0);
	CHECK_EQ(fx.epcm[FX_RO].lock, 0);
}

RULE(EACCEPT, SECINFO_ADDR)
EACCEPT_GP(secinfo_unaligned, fx.regs.rbx += 32)
EACCEPT_GP(secinfo_not_canonical, fx.regs.rbx |= 1ull << 62)
RULE(EACCEPT, SECINFO_RANGE)
EACCEPT_GP(secinfo_outside, fx.regs.rbx = FX_ENCL_BASE + FX_ENCL_SIZE)
EACCEPT_GP(secinfo_below, fx.regs.rbx = FX_ENCL_BASE - 64)
RULE(EACCEPT, SECINFO_ABSENT)
EACCEPT_PF(secinfo_absent, fx.regs.rbx = FX_ENCL_BASE + 0x5000, FX_ENCL_BASE + 0x5000, SGX_PF_U)
RULE(EACCEPT, SECINFO_EPCM)
EACCEPT_PF(secinfo_not_readable, fx.epcm[FX_RO].rwx = X, FX_ENCL_SECINFO, PF_READ)
EACCEPT_PF(secinfo_blocked, fx.epcm[FX_RO].blocked = 1, FX_ENCL_SECINFO, PF_READ)
EACCEPT_PF(secinfo_in_the_pending_page, fx.regs.rbx = ADDR, ADDR, PF_READ)
EACCEPT_PF(secinfo_in_a_tcs, fx.regs.rbx = FX_TCS_ADDR, FX_TCS_ADDR, PF_READ)
EACCEPT_PF(secinfo_page_goes, fx.epcm[FX_RO].lock = -1, FX_ENCL_SECINFO, PF_READ)
RULE(EACCEPT, SECINFO)
EACCEPT_GP(secinfo_bit_6, secinfo->flags |= 1u << 6)
EACCEPT_GP(secinfo_bit_7, secinfo->flags |= 1u << 7)
EACCEPT_GP(secinfo_bit_16, secinfo->flags |= 1u << 16)
EACCEPT_GP(secinfo_bit_63, secinfo->flags |= 1ull << 63)
EACCEPT_GP(secinfo_first_byte, secinfo->rsvd[0] = 1)
EACCEPT_GP(secinfo_last_byte, secinfo->rsvd[55] = 1)
RULE(EACCEPT, PAGE_ADDR)
EACCEPT_GP(page_unaligned, fx.regs.rcx += 64)
EACCEPT_GP(page_not_canonical, fx.regs.rcx |= 1ull << 62)
RULE(EACCEPT, PAGE_RANGE)
EACCEPT_GP(page_outside, fx.regs.rcx = FX_ENCL_BASE + FX_ENCL_SIZE)
RULE(EACCEPT, PAGE_ABSENT)
EACCEPT_PF(page_absent, fx.regs.rcx = FX_ENCL_BASE + 0x5000, FX_ENCL_BASE + 0x5000, SGX_PF_U)

/* All 16 bits of type and state that a SECINFO can have: which are a request. */
RULE(EACCEPT, REQUEST)
RULE(EACCEPT, MISMATCH)
TEST(eaccept_requests)
{
	for (unsigned int n = 0; n < 256 * 8; n++) {
		uint64_t flags = (uint64_t)(n >> 3) << SGX_SECINFO_PT_SHIFT | (n & 7) << 3 | R | W;
		unsigned int pt = n >> 3, state = n & 7; /* PENDING 1, MODIFIED 2, PR 4 */
		bool legal = (pt == 2 && (state == 1 || state == 4 || state == 5)) ||
			     ((pt == 1 || pt == 4) && state == 2);
		struct cpu_result r;

		if (pt > 8 && pt < 255) /* they are all alike */
			continue;
		added();
		fx_accept(ADDR, flags);
		r = fx_enclu(SGX_EACCEPT);
		if (!legal)
			CHECK_GP(r);
		else if (pt == 2 && (state & 1))
			CHECK_DONE(r);
		else
			CHECK_CODE(r, SGX_ERR_PAGE_ATTRIBUTES_MISMATCH);
	}
}

RULE(EACCEPT, EPCM)
EACCEPT_PF(page_invalid, fx.encl_page[4] = FX_VA, ADDR, PF_READ)
EACCEPT_PF(page_blocked, fx.epcm[FX_SLOT].blocked = 1, ADDR, PF_READ)
EACCEPT_PF(page_secs, fx.encl_page[4] = FX_SECS, ADDR, PF_READ)
EACCEPT_PF(page_va, fx_epa(); fx_accept(ADDR, REG | PENDING | R | W);
	   fx.encl_page[4] = FX_VA, ADDR, PF_READ)
EACCEPT_PF(page_of_another_enclave, fx_other_enclave(FX_SLOT), ADDR, PF_READ)
EACCEPT_PF(page_invalid_and_in_use, fx.encl_page[4] = FX_VA;
	   fx.epcm[FX_VA].lock = -1, ADDR, PF_READ)
RULE(EACCEPT, BUSY)
EACCEPT_GP(page_goes, fx.epcm[FX_SLOT].lock = -1)
EACCEPT_GP(another_changes_it, fx.epcm[FX_SLOT].lock = 1; fx.epcm[FX_SLOT].modify_lock = -1)
EACCEPT_GP(emodt_changes_it, fx.epcm[FX_SLOT].lock = -1; fx.epcm[FX_SLOT].modify_lock = -1)
EACCEPT_CASE(shared, fx.epcm[FX_SLOT].lock = 2, CHECK_DONE(fx_enclu(SGX_EACCEPT)))

RULE(EACCEPT, MISMATCH)
EACCEPT_CODE(other_address, fx.encl_page[5] = FX_SLOT;
	     fx.regs.rcx = ADDR + 4096, PAGE_ATTRIBUTES_MISMATCH)
EACCEPT_CODE(without_w, secinfo->flags &= ~W, PAGE_ATTRIBUTES_MISMATCH)
EACCEPT_CODE(without_r, secinfo->flags &= ~R, PAGE_ATTRIBUTES_MISMATCH)
EACCEPT_CODE(with_x, secinfo->flags |= X, PAGE_ATTRIBUTES_MISMATCH)
EACCEPT_CODE(not_pending, secinfo->flags = REG | PR | R | W, PAGE_ATTRIBUTES_MISMATCH)
EACCEPT_CODE(other_type, secinfo->flags = TRIM | MODIFIED | R | W, PAGE_ATTRIBUTES_MISMATCH)
EACCEPT_CASE(with_pr_too, secinfo->flags |= PR, CHECK_DONE(fx_enclu(SGX_EACCEPT)))
TEST(eaccept_twice)
{
	added();
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
	fx_accept(ADDR, REG | PENDING | R | W);
	CHECK_CODE(fx_enclu(SGX_EACCEPT), SGX_ERR_PAGE_ATTRIBUTES_MISMATCH);
	/* "is it as I think", which nothing has to have been done for */
	fx_accept(ADDR, REG | PR | R | W);
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
}

RULE(EACCEPT, TRACKED)
TEST(eaccept_not_tracked)
{
	static const struct {
		unsigned int leaf;
		uint64_t flags, accept;
	} ways[] = {{SGX_EMODPR, R, REG | PR | R}, {SGX_EMODT, TRIM, TRIM | MODIFIED}};

	for (unsigned int i = 0; i < 2; i++) {
		fx_enclave_sgx2();
		fx_track();
		fx_emod(FX_REG, ways[i].flags);
		CHECK_DONE(fx_encls(ways[i].leaf));
		/* no ETRACK since */
		fx_accept(FX_REG_ADDR, ways[i].accept);
		CHECK_CODE(fx_enclu(SGX_EACCEPT), SGX_ERR_NOT_TRACKED);
		fx.oldest = 1; /* somebody is inside, since before */
		fx_track();
		fx_accept(FX_REG_ADDR, ways[i].accept);
		CHECK_CODE(fx_enclu(SGX_EACCEPT), SGX_ERR_NOT_TRACKED);
		fx.oldest = 2; /* and has left and come back */
		CHECK_DONE(fx_enclu(SGX_EACCEPT));
	}
}

/* An ETRACK that is under way is none of EACCEPT's business. */
RULE(EACCEPT, TRACKED)
TEST(eaccept_beside_etrack)
{
	changed(SGX_EMODPR, R, REG | PR | R);
	fx.epcm[FX_SLOT].lock = 1; /* no check of invariants: it would see the lock */
	secs_get(&fx.pkg, FX_SECS)->hidden.track_lock = -1;
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
}

/* A second EMODPR is tracked anew; a page that is the enclave's again needs nothing. */
RULE(EACCEPT, TRACKED)
TEST(eaccept_is_of_the_last_change)
{
	changed(SGX_EMODPR, R | W, REG | PR | R | W);
	fx_emod(FX_REG, R);
	CHECK_DONE(fx_encls(SGX_EMODPR));
	fx_accept(FX_REG_ADDR, REG | PR | R);
	CHECK_CODE(fx_enclu(SGX_EACCEPT), SGX_ERR_NOT_TRACKED);
	fx_track();
	fx_accept(FX_REG_ADDR, REG | PR | R);
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
	fx.oldest = 0;
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
}

/* A page that comes back from outside: EWB has waited for whoever had a translation. */
RULE(EACCEPT, TRACKED)
TEST(eaccept_after_eviction)
{
	fx_enclave_sgx2();
	fx_epa();
	fx_emod(FX_REG, TRIM);
	CHECK_DONE(fx_encls(SGX_EMODT));
	fx_block(FX_REG);
	fx_track();
	fx_ewb(FX_REG, 3);
	CHECK_DONE(fx_encls(SGX_EWB));
	fx_eld(FX_SLOT, FX_REG_ADDR, 3);
	CHECK_DONE(fx_encls(SGX_ELDU));
	CHECK_EQ(fx.epcm[FX_SLOT].modified, 1);
	fx.encl_page[1] = FX_SLOT;
	fx.oldest = 0;
	fx_accept(FX_REG_ADDR, TRIM | MODIFIED);
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
	check_accepted(FX_SLOT, SGX_PT_TRIM, 0);
}

static void tcs_case(void (*spoil)(struct sgx_tcs *tcs), bool legal)
{
	struct sgx_tcs *tcs;

	fx_enclave_sgx2();
	tcs = &fx.epc[FX_REG].tcs;
	memset(tcs, 0, sizeof(*tcs));
	tcs->nssa = 1;
	fx_emod(FX_REG, TCS);
	CHECK_DONE(fx_encls(SGX_EMODT));
	fx_track();
	spoil(tcs);
	fx_accept(FX_REG_ADDR, TCS | MODIFIED);
	if (!legal) {
		CHECK_GP(fx_enclu(SGX_EACCEPT));
		return;
	}
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
	check_accepted(FX_REG, SGX_PT_TCS, 0);
}

#define TCS_CASE(id, legal, change)                 \
	static void spoil_##id(struct sgx_tcs *tcs) \
	{                                           \
		change;                             \
	}                                           \
	TEST(eaccept_tcs_##id)                      \
	{                                           \
		tcs_case(spoil_##id, legal);        \
	}

RULE(EACCEPT, TCS)
TCS_CASE(reserved_first, false, tcs->rsvd[0] = 1)
TCS_CASE(reserved_last, false, tcs->rsvd[sizeof(tcs->rsvd) - 1] = 1)
TCS_CASE(flags_reserved, false, tcs->flags = 4)
TCS_CASE(aexnotify_without_the_attribute, false, tcs->flags = SGX_TCS_AEXNOTIFY_BIT)
TCS_CASE(cet, false, tcs->ocetssa = 16)
TCS_CASE(dbgoptin, false, tcs->flags = SGX_TCS_DBGOPTIN_BIT)
TCS_CASE(no_ssa, false, tcs->nssa = 0)
TCS_CASE(cssa_at_the_end, false, tcs->cssa = 1)
TCS_CASE(aep, false, tcs->aep = 1)
TCS_CASE(state, false, tcs->state = 1)
TCS_CASE(cssa_below_nssa, true, tcs->nssa = 3; tcs->cssa = 2)
TCS_CASE(limits_of_64_bits, true, tcs->fslimit = 1)
TEST(eaccept_tcs_limits_of_32_bits)
{
	struct sgx_tcs *tcs;

	fx_enclave_sgx2();
	secs_get(&fx.pkg, FX_SECS)->arch.attributes.flags &= ~SGX_ATTR_MODE64_BIT;
	tcs = &fx.epc[FX_REG].tcs;
	memset(tcs, 0, sizeof(*tcs));
	tcs->nssa = 1;
	tcs->fslimit = 0xfff;
	tcs->gslimit = 0xffe;
	fx_emod(FX_REG, TCS);
	CHECK_DONE(fx_encls(SGX_EMODT));
	fx_track();
	fx_accept(FX_REG_ADDR, TCS | MODIFIED);
	CHECK_GP(fx_enclu(SGX_EACCEPT));
	tcs->gslimit = 0x1fff;
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
}

/* A page of another type is not looked into. */
RULE(EACCEPT, TCS)
TEST(eaccept_trim_is_no_tcs)
{
	changed(SGX_EMODT, TRIM, TRIM | MODIFIED);
	memset(fx.epc[FX_REG].bytes, 0xff, 4096);
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
}

RULE(EACCEPT, ORDER)
TEST(eaccept_order)
{
	struct sgx_secinfo_arch *secinfo;

	fx_enclave_sgx2();
	memset(fx.epc[FX_REG].bytes, 0xff, 4096);
	fx_emod(FX_REG, TCS);
	CHECK_DONE(fx_encls(SGX_EMODT));
	secinfo = fx_accept(FX_REG_ADDR + 8, REG | 1u << 6);
	fx.epcm[FX_RO].blocked = 1;
	fx.epcm[FX_REG].blocked = 1;
	fx.epcm[FX_REG].lock = -1;
	fx.encl_page[1] = EPC_SLOT_NONE;
	CHECK_PF(fx_enclu(SGX_EACCEPT), FX_ENCL_SECINFO, PF_READ);
	fx.epcm[FX_RO].blocked = 0;
	CHECK_GP(fx_enclu(SGX_EACCEPT)); /* reserved */
	secinfo->flags = REG;
	CHECK_GP(fx_enclu(SGX_EACCEPT)); /* alignment */
	fx.regs.rcx = FX_REG_ADDR;
	CHECK_PF(fx_enclu(SGX_EACCEPT), FX_REG_ADDR, SGX_PF_U);
	fx.encl_page[1] = FX_REG;
	CHECK_GP(fx_enclu(SGX_EACCEPT)); /* no request */
	secinfo->flags = TCS | MODIFIED | R;
	CHECK_PF(fx_enclu(SGX_EACCEPT), FX_REG_ADDR, PF_READ);
	fx.epcm[FX_REG].blocked = 0;
	CHECK_GP(fx_enclu(SGX_EACCEPT)); /* in use */
	fx.epcm[FX_REG].lock = 0;
	CHECK_CODE(fx_enclu(SGX_EACCEPT), SGX_ERR_PAGE_ATTRIBUTES_MISMATCH);
	secinfo->flags = TCS | MODIFIED;
	CHECK_CODE(fx_enclu(SGX_EACCEPT), SGX_ERR_NOT_TRACKED);
	fx_track();
	fx_accept(FX_REG_ADDR, TCS | MODIFIED);
	CHECK_GP(fx_enclu(SGX_EACCEPT)); /* no TCS */
	memset(fx.epc[FX_REG].bytes, 0, 4096);
	fx.epc[FX_REG].tcs.nssa = 1;
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
}

RULE(EACCEPT, DONE)
TEST(eaccept_pending_done)
{
	static const uint8_t zeros[4096];

	added();
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
	check_accepted(FX_SLOT, SGX_PT_REG, R | W);
	CHECK_MEM(fx.epc[FX_SLOT].bytes, zeros, sizeof(zeros));
	/* and it is a page as any other: a place for a report's target */
	fx.regs = (struct cpu_regs){.rbx = ADDR, .rcx = ADDR + 1024, .rdx = FX_REG_ADDR};
	CHECK_DONE(fx_enclu(SGX_EREPORT));
}

RULE(EACCEPT, DONE)
TEST(eaccept_restricted_done)
{
	changed(SGX_EMODPR, R, REG | PR | R);
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
	check_accepted(FX_REG, SGX_PT_REG, R);
}

/* Trimmed and accepted: the system may take the page while threads are inside. */
RULE(EACCEPT, DONE)
TEST(eaccept_trim_done)
{
	changed(SGX_EMODT, TRIM, TRIM | MODIFIED);
	CHECK_DONE(fx_enclu(SGX_EACCEPT));
	check_accepted(FX_REG, SGX_PT_TRIM, 0);
	fx_emod(FX_REG, TRIM);
	CHECK_EPCM_PF(fx_encls(SGX_EMODT), fx_epc(FX_REG));
	fx.busy = true;
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_REG)};
	CHECK_DONE(fx_encls(SGX_EREMOVE));
}
