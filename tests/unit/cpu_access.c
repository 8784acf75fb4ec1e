/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The EPCM's rule of one access: every entry against every demand, and a table that
 * was written down by hand.
 */
#include <cpu/access.h>
#include <harness/harness.h>

#define SECS	5u
#define ADDRESS 0x500000003000ull

enum owner { OWN, OTHER_SECS, OTHER_ADDRESS, OWNERS };

static struct epcm_entry make(unsigned int bits, unsigned int pt, unsigned int rwx,
			      enum owner owner)
{
	return (struct epcm_entry){
		.address = owner == OTHER_ADDRESS ? ADDRESS + 4096 : ADDRESS,
		.secs = owner == OTHER_SECS ? SECS + 1 : SECS,
		.lock = bits & 32 ? -1 : 0,
		.valid = bits & 1,
		.blocked = bits >> 1 & 1,
		.pending = bits >> 2 & 1,
		.modified = bits >> 3 & 1,
		.pr = bits >> 4 & 1,
		.pt = pt & 31,
		.rwx = rwx & 7,
	};
}

/*
 * What the rule must say, as a list of things that may be wrong, the first of which is
 * named.  bits: VALID 1, BLOCKED 2, PENDING 4, MODIFIED 8; PR and the lock play no part.
 */
static enum epcm_refusal expected(unsigned int bits, unsigned int pt, unsigned int rwx,
				  enum owner owner, const struct epcm_access *want)
{
	const struct {
		bool wrong;
		enum epcm_refusal is;
	} list[] = {
		{(bits & 1) == 0, EPCM_INVALID},
		{pt != (unsigned int)want->pt, EPCM_TYPE},
		{(bits & 2) != 0, EPCM_BLOCKED},
		{(bits & 4) / 4 != (want->pending ? 1 : 0), EPCM_PENDING},
		{(bits & 8) / 8 != (want->modified ? 1 : 0), EPCM_MODIFIED},
		{owner == OTHER_SECS, EPCM_OTHER_SECS},
		{owner == OTHER_ADDRESS, EPCM_OTHER_ADDRESS},
		{(rwx & want->rwx) != want->rwx, EPCM_RWX},
	};

	for (unsigned int i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i].wrong)
			return list[i].is;
	return EPCM_PERMITS;
}

/* Each entry: 64 states x 32 types x 8 permissions x 3 owners, against what is asked. */
static unsigned int against_all_entries(const struct epcm_access *want)
{
	unsigned int permitted = 0;

	for (unsigned int n = 0; n < 64 * 32 * 8 * OWNERS; n++) {
		unsigned int bits = n & 63, pt = n >> 6 & 31, rwx = n >> 11 & 7;
		enum owner owner = n >> 14;
		struct epcm_entry entry = make(bits, pt, rwx, owner);
		enum epcm_refusal is = cpu_epcm_access(&entry, want);

		if (is != expected(bits, pt, rwx, owner, want))
			FAIL("entry 0x%x of type %u, permissions %u, owner %u: %u", bits, pt, rwx,
			     owner, is);
		permitted += is == EPCM_PERMITS;
	}
	return permitted;
}

TEST(access_every_entry_against_every_demand)
{
	for (unsigned int pt = 0; pt < 8; pt++) {
		for (unsigned int n = 0; n < 32; n++) {
			struct epcm_access want = {
				.secs = SECS,
				.address = ADDRESS,
				.pt = (enum sgx_pt)pt,
				.rwx = n & 7,
				.pending = n & 8,
				.modified = n & 16,
			};
			/* PR and lock either way, and each permission that is not asked for */
			unsigned int many = 4u << (3 - __builtin_popcount(want.rwx));

			CHECK_EQ(against_all_entries(&want), many);
		}
	}
}

/* By hand: what an enclave gets of its own page, and of what its system does to it. */
TEST(access_by_hand)
{
	enum { R = 1, W = 2, X = 4, VALID = 1, BLOCKED = 2, PENDING = 4, MODIFIED = 8, PR = 16 };
	static const struct {
		unsigned int bits, pt, has, asks;
		enum epcm_refusal is;
	} table[] = {
		{VALID, SGX_PT_REG, R, R, EPCM_PERMITS},
		{VALID, SGX_PT_REG, R, W, EPCM_RWX},
		{VALID, SGX_PT_REG, R | W, W, EPCM_PERMITS},
		{VALID, SGX_PT_REG, R | W, X, EPCM_RWX},
		{VALID, SGX_PT_REG, X, R, EPCM_RWX},
		{VALID, SGX_PT_REG, R, R | W, EPCM_RWX},
		{VALID, SGX_PT_REG, 0, 0, EPCM_PERMITS},
		/* after EMODPR, before EACCEPT: what is left of the permissions holds */
		{VALID | PR, SGX_PT_REG, R, R, EPCM_PERMITS},
		{VALID | PR, SGX_PT_REG, R, W, EPCM_RWX},
		/* after EAUG; after EMODT; for EWB */
		{VALID | PENDING, SGX_PT_REG, R | W, R, EPCM_PENDING},
		{VALID | MODIFIED, SGX_PT_TRIM, 0, R, EPCM_TYPE},
		{VALID | MODIFIED, SGX_PT_TCS, 0, R, EPCM_TYPE},
		{VALID | BLOCKED, SGX_PT_REG, R | W | X, X, EPCM_BLOCKED},
		{0, SGX_PT_REG, R | W | X, R, EPCM_INVALID},
		/* no software reaches these */
		{VALID, SGX_PT_TCS, R | W, R, EPCM_TYPE},
		{VALID, SGX_PT_TRIM, R | W, R, EPCM_TYPE},
		{VALID, SGX_PT_SECS, R | W, R, EPCM_TYPE},
		{VALID, SGX_PT_VA, R | W, R, EPCM_TYPE},
	};

	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct epcm_entry entry = make(table[i].bits, table[i].pt, table[i].has, OWN);
		struct epcm_access want = {
			.secs = SECS,
			.address = ADDRESS,
			.pt = SGX_PT_REG,
			.rwx = table[i].asks,
		};

		if (cpu_epcm_access(&entry, &want) != table[i].is)
			FAIL("row %u", i);
	}
}

/* EENTER's TCS has no permissions, and none are asked for. */
TEST(access_tcs)
{
	struct epcm_access want = {.secs = SECS, .address = ADDRESS, .pt = SGX_PT_TCS};
	struct epcm_entry entry = make(1, SGX_PT_TCS, 0, OWN);

	CHECK_EQ(cpu_epcm_access(&entry, &want), EPCM_PERMITS);
	entry.modified = 1;
	CHECK_EQ(cpu_epcm_access(&entry, &want), EPCM_MODIFIED);
	entry.modified = 0;
	entry.pending = 1;
	CHECK_EQ(cpu_epcm_access(&entry, &want), EPCM_PENDING);
	entry.pending = 0;
	entry.pt = SGX_PT_TRIM;
	CHECK_EQ(cpu_epcm_access(&entry, &want), EPCM_TYPE);
}
