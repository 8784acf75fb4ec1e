/* SPDX-License-Identifier: BSD-3-Clause */
/* XSAVE images: against a byte-by-byte model, and against the host's XRSTOR. */
#include "lp_fixture.h"

#include <cpuid.h>
#include <setjmp.h>

#define IMAGE 2752u

/* Intel's layout; component 8 (supervisor state) is in no standard image. */
static const struct lp_xsave_layout layout = {
	.offset =
		{[2] = 576, [3] = 960, [4] = 1024, [5] = 1088, [6] = 1152, [7] = 1664, [9] = 2688},
	.size = {[2] = 256, [3] = 64, [4] = 64, [5] = 64, [6] = 512, [7] = 1024, [9] = 8},
};

#define ALL_COMPONENTS 0x2ffull

/* What a byte of an image belongs to */
enum { OWN_NOBODY = -1, OWN_MXCSR = -2, OWN_MASK = -3, OWN_BV = -4, OWN_ZERO = -5 };

static int owner_of(unsigned int byte)
{
	unsigned int i;

	if (byte < 24)
		return 0;
	if (byte < 28)
		return OWN_MXCSR;
	if (byte < 32)
		return OWN_MASK;
	if (byte < 160)
		return 0;
	if (byte < 416)
		return 1;
	if (byte < 512)
		return OWN_NOBODY;
	if (byte < 520)
		return OWN_BV;
	if (byte < 536)
		return OWN_ZERO;
	for (i = 2; i < 64; i++)
		if (byte >= layout.offset[i] && byte < layout.offset[i] + layout.size[i])
			return (int)i;
	return OWN_NOBODY;
}

static uint8_t initial(unsigned int byte)
{
	return byte == 0 ? 0x7f : byte == 1 ? 0x03 : 0;
}

static uint64_t get_bv(const uint8_t *image)
{
	uint64_t bv;

	memcpy(&bv, image + 512, sizeof(bv));
	return bv;
}

static void put32(uint8_t *image, unsigned int byte, uint32_t value)
{
	memcpy(image + byte, &value, sizeof(value));
}

static void put64(uint8_t *image, unsigned int byte, uint64_t value)
{
	memcpy(image + byte, &value, sizeof(value));
}

/* Any bytes, with a header and an MXCSR that XSAVE could have written. */
static void random_image(uint8_t *image, uint64_t *seed, uint64_t components)
{
	unsigned int i;

	for (i = 0; i < IMAGE; i++)
		image[i] = (uint8_t)fx_random(seed);
	put64(image, 512, fx_random(seed) & components);
	memset(image + 520, 0, 56);
	put32(image, 24, (uint32_t)fx_random(seed) & 0xffff);
}

static uint64_t random_xfrm(uint64_t *seed)
{
	return (fx_random(seed) & ALL_COMPONENTS) | SGX_XFRM_LEGACY;
}

RULE(AEX, XSAVE)
TEST(lp_xsave_to_ssa_model)
{
	uint8_t live[IMAGE], ssa[IMAGE], before[IMAGE];
	uint64_t seed = 0x1357;
	int round;

	for (round = 0; round < 2000; round++) {
		uint64_t xfrm = random_xfrm(&seed), bv;
		unsigned int i;

		random_image(live, &seed, ALL_COMPONENTS);
		random_image(before, &seed, ALL_COMPONENTS);
		for (i = 512; i < 576; i++)
			before[i] = (uint8_t)fx_random(&seed);
		memcpy(ssa, before, IMAGE);
		lp_xsave_to_ssa(ssa, live, xfrm, &layout);

		bv = get_bv(live) & xfrm;
		CHECK_EQ(get_bv(ssa), bv);
		for (i = 0; i < IMAGE; i++) {
			int own = owner_of(i);
			uint8_t want = before[i];

			if (own == OWN_BV)
				continue;
			if (own == OWN_ZERO)
				want = 0;
			else if (own == OWN_MXCSR || own == OWN_MASK)
				want = live[i];
			else if (own >= 0 && (xfrm >> own & 1))
				want = bv >> own & 1 ? live[i] : initial(i);
			if (ssa[i] != want)
				FAIL("byte %u is %#x, not %#x", i, ssa[i], want);
		}
		CHECK(lp_xsave_check(ssa, xfrm, NULL));
	}
}

RULE(AEX, XINIT)
TEST(lp_xsave_init_model)
{
	uint8_t live[IMAGE], before[IMAGE];
	uint64_t seed = 0x2468;
	int round;

	for (round = 0; round < 2000; round++) {
		uint64_t xfrm = random_xfrm(&seed);
		uint32_t mxcsr;
		unsigned int i;

		random_image(before, &seed, ALL_COMPONENTS);
		memcpy(live, before, IMAGE);
		lp_xsave_init(live, xfrm, &layout);

		CHECK_EQ(get_bv(live), get_bv(before) & ~xfrm);
		memcpy(&mxcsr, live + 24, sizeof(mxcsr));
		CHECK_EQ(mxcsr, 0x1f80);
		for (i = 0; i < IMAGE; i++) {
			int own = owner_of(i);
			uint8_t want = before[i];

			if (own == OWN_BV || own == OWN_MXCSR)
				continue;
			if (own >= 0 && (xfrm >> own & 1))
				want = initial(i);
			if (live[i] != want)
				FAIL("byte %u is %#x, not %#x", i, live[i], want);
		}
	}
}

RULE(ERESUME, XSAVE)
TEST(lp_xsave_from_ssa_model)
{
	uint8_t live[IMAGE], ssa[IMAGE], before[IMAGE];
	uint64_t seed = 0x7531;
	int round;

	for (round = 0; round < 2000; round++) {
		uint64_t xfrm = random_xfrm(&seed), bv;
		unsigned int i;

		random_image(before, &seed, ALL_COMPONENTS);
		random_image(ssa, &seed, xfrm);
		memcpy(live, before, IMAGE);
		lp_xsave_from_ssa(live, ssa, xfrm, &layout);

		bv = get_bv(ssa);
		CHECK_EQ(get_bv(live), (get_bv(before) & ~xfrm) | bv);
		for (i = 0; i < IMAGE; i++) {
			int own = owner_of(i);
			uint8_t want = before[i];

			if (own == OWN_BV)
				continue;
			if (own == OWN_MXCSR)
				want = ssa[i];
			else if (own >= 0 && (xfrm >> own & 1))
				want = bv >> own & 1 ? ssa[i] : initial(i);
			if (live[i] != want)
				FAIL("byte %u is %#x, not %#x", i, live[i], want);
		}
	}
}

/* AEX, synthetic state, ERESUME: each component in use comes back. */
RULE(AEX, XSAVE)
TEST(lp_xsave_round_trip)
{
	uint8_t live[IMAGE], ssa[IMAGE], before[IMAGE];
	uint64_t seed = 0x8642;
	int round;

	for (round = 0; round < 2000; round++) {
		uint64_t xfrm = random_xfrm(&seed);
		unsigned int i;

		random_image(before, &seed, ALL_COMPONENTS);
		memcpy(live, before, IMAGE);
		memset(ssa, 0x5a, IMAGE);
		lp_xsave_to_ssa(ssa, live, xfrm, &layout);
		lp_xsave_init(live, xfrm, &layout);
		CHECK(lp_xsave_check(ssa, xfrm, NULL));
		lp_xsave_from_ssa(live, ssa, xfrm, &layout);
		CHECK_EQ(get_bv(live), get_bv(before));
		for (i = 0; i < IMAGE; i++) {
			int own = owner_of(i);

			if (own >= 0 && (xfrm >> own & 1) && !(get_bv(before) >> own & 1))
				CHECK_EQ(live[i], initial(i));
			else
				CHECK_EQ(live[i], before[i]);
		}
	}
}

RULE(ERESUME, XSTATE)
RULE(ERESUME, XHEADER)
RULE(ERESUME, MXCSR)
TEST(lp_xsave_check_each_rule)
{
	uint8_t ssa[IMAGE];
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		memset(ssa, 0, IMAGE);
		put64(ssa, 512, 1ull << bit);
		CHECK_EQ(lp_xsave_check(ssa, 0x7, NULL), bit < 3);
	}
	for (bit = 0; bit < 64 * 8; bit++) {
		memset(ssa, 0, IMAGE);
		ssa[512 + bit / 8] = (uint8_t)(1u << bit % 8);
		/* header bytes 0-7 above; 8-23 must be zero; 24-63 are not looked at */
		if (bit >= 64)
			CHECK_EQ(lp_xsave_check(ssa, 0x7, NULL), bit >= 192);
	}
	for (bit = 0; bit < 32; bit++) {
		memset(ssa, 0, IMAGE);
		put32(ssa, 24, 1u << bit);
		CHECK_EQ(lp_xsave_check(ssa, 0x7, NULL), bit < 16);
		/* loaded whatever XSTATE_BV says */
		put64(ssa, 512, 0x2);
		CHECK_EQ(lp_xsave_check(ssa, 0x3, NULL), bit < 16);
	}
	/* MXCSR_MASK and bytes of no component do not matter */
	memset(ssa, 0xff, 512);
	put32(ssa, 24, 0x1f80);
	CHECK(lp_xsave_check(ssa, 0x3, NULL));
}

/* A frame that changes after the check cannot smuggle in what would fault. */
RULE(ERESUME, XSAVE)
TEST(lp_xsave_from_ssa_unchecked)
{
	uint8_t live[IMAGE], ssa[IMAGE];
	uint32_t mxcsr;

	memset(live, 0, IMAGE);
	memset(ssa, 0xff, IMAGE);
	lp_xsave_from_ssa(live, ssa, 0x7, &layout);
	CHECK_EQ(get_bv(live), 0x7);
	memcpy(&mxcsr, live + 24, sizeof(mxcsr));
	CHECK_EQ(mxcsr, 0xffff);
	CHECK(lp_xsave_check(live, 0x7, NULL));
}

static void init_event(uint8_t *live, uint8_t vector, uint8_t exception)
{
	struct lp_event event = {.vector = vector, .exception = exception};

	memset(live, 0xff, IMAGE);
	put64(live, 512, 0x7);
	lp_xsave_init_event(live, 0x7, &layout, &event);
}

RULE(AEX, XINIT)
TEST(lp_xsave_init_event_vectors)
{
	uint8_t live[IMAGE];
	uint16_t fcw, fsw;
	uint32_t mxcsr;
	unsigned int vector, exception;

	for (vector = 0; vector < 32; vector++)
		for (exception = 0; exception < 2; exception++) {
			bool mf = exception && vector == SGX_VEC_MF;
			bool xm = exception && vector == SGX_VEC_XM;

			init_event(live, (uint8_t)vector, (uint8_t)exception);
			memcpy(&fcw, live, sizeof(fcw));
			memcpy(&fsw, live + 2, sizeof(fsw));
			memcpy(&mxcsr, live + 24, sizeof(mxcsr));
			CHECK_EQ(fcw, mf ? 0x37e : 0x37f);
			CHECK_EQ(fsw, mf ? 0x8081 : 0);
			CHECK_EQ(mxcsr, xm ? 0x1f01 : 0x1f80);
			CHECK_EQ(get_bv(live), mf ? 0x1 : 0);
		}
}

static sigjmp_buf fault_jump;

static void on_fault(int sig)
{
	siglongjmp(fault_jump, sig);
}

static uint64_t host_xcr0(void)
{
	uint32_t eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		SKIP("the host has no XSAVE");
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return (uint64_t)edx << 32 | eax;
}

/* XRSTOR with this mask, then XSAVE of the same; false if XRSTOR faulted. */
static bool host_xrstor(const uint8_t *image, uint8_t *out, uint32_t mask)
{
	const uint32_t mxcsr = 0x1f80;

	if (sigsetjmp(fault_jump, 1))
		return false;
	__asm__ volatile("xrstor64 (%0)\n\t"
			 "xsave64 (%1)\n\t"
			 "fninit\n\t"
			 "ldmxcsr %2"
			 :
			 : "r"(image), "r"(out), "m"(mxcsr), "a"(mask), "d"(0)
			 : "memory");
	return true;
}

#define HOST_IMAGE 16384

static uint8_t host_in[HOST_IMAGE] __attribute__((aligned(64)));
static uint8_t host_out[HOST_IMAGE] __attribute__((aligned(64)));

static uint32_t host_begin(void)
{
	uint64_t xcr0 = host_xcr0();
	uint32_t eax, ebx = 0, ecx, edx;

	__cpuid_count(0xd, 0, eax, ebx, ecx, edx);
	CHECK(ebx <= HOST_IMAGE);
	CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
	/* x87, SSE, AVX: state that any image may hold without harm to us */
	return (uint32_t)xcr0 & 0x7;
}

/* lp_xsave_check(, NULL) says of every image what the processor says. */
RULE(ERESUME, XHEADER)
TEST(lp_xsave_check_agrees_with_host)
{
	uint32_t mask = host_begin();
	uint64_t xcr0 = host_xcr0(), seed = 0x4242;
	unsigned int faults = 0;
	int round;

	for (round = 0; round < 4000; round++) {
		uint64_t dice = fx_random(&seed);
		bool took;

		random_image(host_in, &seed, mask);
		switch (dice % 4) {
		case 0:
			put64(host_in, 512, get_bv(host_in) | 1ull << (dice >> 8) % 63);
			break;
		case 1:
			/* not bit 63 of XCOMP_BV: XRSTOR, unlike ERESUME, knows compaction */
			host_in[520 + (dice >> 8) % 16] = 0x40;
			break;
		case 2:
			/* not bit 17, which is AMD's */
			put32(host_in, 24, 1u << (18 + (dice >> 8) % 14));
			break;
		default:
			break;
		}
		/* components that the mask leaves out still may not be beyond XCR0 */
		took = host_xrstor(host_in, host_out, mask);
		CHECK_EQ(lp_xsave_check(host_in, xcr0, NULL), took);
		faults += !took;
	}
	CHECK(faults > 0);
	CHECK(faults < 4000);
}

/* The processor loads our synthetic state as what it is meant to be. */
RULE(AEX, XINIT)
TEST(lp_xsave_init_loads_on_host)
{
	static const uint8_t vectors[] = {SGX_VEC_PF, SGX_VEC_MF, SGX_VEC_XM};
	uint32_t mask = host_begin();
	uint64_t seed = 0x99;
	size_t v;

	for (v = 0; v < sizeof(vectors); v++) {
		struct lp_event event = {.vector = vectors[v], .exception = 1};
		unsigned int i;

		random_image(host_in, &seed, mask);
		lp_xsave_init_event(host_in, mask, &layout, &event);
		memset(host_out, 0, HOST_IMAGE);
		CHECK(host_xrstor(host_in, host_out, mask));
		/* FCW, FSW, FTW; MXCSR; ST and XMM registers */
		CHECK_MEM(host_out, host_in, 5);
		CHECK_MEM(host_out + 24, host_in + 24, 4);
		for (i = 32; i < 416; i++)
			CHECK_EQ(host_out[i], 0);
	}
}
