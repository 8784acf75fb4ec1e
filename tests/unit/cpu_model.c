/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Models of processors: what CPUID says of each, and that the leaves refuse what it
 * does not say.  The package underneath has all that there is, AEX-Notify too.
 */
#include "cpu_fixture.h"

#include <base/bits.h>
#include <secs.h>

/*
 * Written down apart from cpu/model.c: CPUID 12H as hardware was seen to answer, less
 * EVERIFYREPORT2 and enclaves above the package's limit (2^36 here); eax is 12H.0's.
 */
static const struct {
	uint32_t number;
	char name[16];
	uint32_t signature, eax, ebx, edx, attributes, xfrm, lc;
} expected[] = {
	{CPU_MODEL_SKYLAKE, "skylake", 0x506e3, 1, 0, 0x241f, 0x36, 0x1f, 0},
	{CPU_MODEL_COFFEELAKE, "coffeelake", 0x906ea, 1, 0, 0x241f, 0x36, 0x1f, 1},
	{CPU_MODEL_GEMINILAKE, "geminilake", 0x706a1, 3, 1, 0x241f, 0x36, 0x1b, 1},
	{CPU_MODEL_ICELAKE, "icelake", 0x606a6, 3, 1, 0x241f, 0xb6, 0x2e7, 1},
	{CPU_MODEL_SAPPHIRERAPIDS, "sapphirerapids", 0x806f8, 0x803, 1, 0x241f, 0x4b6, 0x602e7, 1},
};

static void be(uint32_t number)
{
	static const uint8_t fuses[CPU_FUSE_SIZE] = {1, 2, 3};
	static const uint8_t boot[32] = {4, 5, 6};
	struct cpu_config config;

	fx_init();
	config = fx.pkg.config;
	config.sgx2 = config.edeccssa = 1;
	cpu_model_apply(cpu_model(number), &config);
	cpu_package_exit(&fx.pkg);
	cpu_package_init(&fx.pkg, &config, fuses, boot);
}

static void cpuid(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	memset(regs, 0, sizeof(*regs));
	cpu_cpuid_sgx(&fx.pkg, leaf, subleaf, regs);
}

TEST(model_cpuid)
{
	struct cpu_cpuid r;

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		be(expected[i].number);
		cpuid(7, 0, &r);
		CHECK_EQ(r.ebx, SGX_CPUID_7_EBX_SGX);
		CHECK_EQ(r.ecx, expected[i].lc ? SGX_CPUID_7_ECX_SGX_LC : 0);
		cpuid(0x12, 0, &r);
		CHECK_EQ(r.eax, expected[i].eax);
		CHECK_EQ(r.ebx, expected[i].ebx);
		CHECK_EQ(r.ecx, 0);
		CHECK_EQ(r.edx, expected[i].edx);
		cpuid(0x12, 1, &r);
		CHECK_EQ(r.eax, expected[i].attributes);
		CHECK_EQ(r.ebx, 0);
		CHECK_EQ(r.ecx, expected[i].xfrm);
		CHECK_EQ(r.edx, 0);
		CHECK_EQ(cpu_model(expected[i].number)->signature, expected[i].signature);
		cpu_package_exit(&fx.pkg);
	}
}

/* host and intel take nothing away. */
TEST(model_without_limits)
{
	struct cpu_config before, after;

	for (uint32_t i = CPU_MODEL_HOST; i <= CPU_MODEL_INTEL; i++) {
		fx_init();
		before = fx.pkg.config;
		before.sgx2 = before.edeccssa = 1;
		after = before;
		cpu_model_apply(cpu_model(i), &after);
		CHECK_MEM(&before, &after, sizeof(after));
		CHECK(!cpu_model(i)->named);
	}
}

/* What the package cannot do, no model adds. */
TEST(model_adds_nothing)
{
	struct cpu_config config, before;

	for (uint32_t i = 0; i < CPU_MODEL_COUNT; i++) {
		memset(&before, 0, sizeof(before));
		before.xfrm = SGX_XFRM_LEGACY;
		before.max_size_32 = 20;
		before.max_size_64 = 21;
		config = before;
		cpu_model_apply(cpu_model(i), &config);
		CHECK_MEM(&config, &before, sizeof(config));
	}
}

TEST(model_names)
{
	uint32_t number = 77;

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		CHECK(cpu_model_find(expected[i].name, &number));
		CHECK_EQ(number, expected[i].number);
		CHECK_STR(cpu_model(number)->name, expected[i].name);
		CHECK(cpu_model(number)->named && cpu_model(number)->intel);
	}
	CHECK(cpu_model_find("host", &number));
	CHECK_EQ(number, CPU_MODEL_HOST);
	CHECK(cpu_model_find("intel", &number));
	CHECK_EQ(number, CPU_MODEL_INTEL);
	number = 77;
	CHECK(!cpu_model_find("", &number));
	CHECK(!cpu_model_find("sky", &number));
	CHECK(!cpu_model_find("skylakes", &number));
	CHECK(!cpu_model_find("Skylake", &number));
	CHECK_EQ(number, 77);
	CHECK(!cpu_model(CPU_MODEL_COUNT));
	CHECK(!cpu_model(1ull << 32));
}

/* --- what the leaves allow ------------------------------------------------------- */

static uint64_t attributes, xfrm, size;
static uint32_t miscselect;

/* The rule by which ECREATE of an enclave with the four above refuses */
static enum why_rule refused(uint32_t number)
{
	struct cpu_result r;

	be(number);
	fx_ecreate();
	fx.source->secs.attributes.flags |= attributes;
	fx.source->secs.attributes.xfrm = xfrm;
	fx.source->secs.miscselect = miscselect;
	fx.source->secs.base = 0;
	fx.source->secs.size = size;
	fx.source->secs.ssaframesize = 4;
	r = fx_encls(SGX_ECREATE);
	cpu_package_exit(&fx.pkg);
	if (cpu_ok(r))
		return WHY_NOTHING;
	CHECK_GP(r);
	return fx.why.rule;
}

static void plain(void)
{
	attributes = miscselect = 0;
	xfrm = SGX_XFRM_LEGACY;
	size = FX_ENCL_SIZE;
}

/* Each bit of ATTRIBUTES, XFRM and MISCSELECT is taken where CPUID has it, and else not. */
RULE(ECREATE, ATTRIBUTES)
RULE(ECREATE, XFRM)
RULE(ECREATE, MISCSELECT)
TEST(model_ecreate_takes_what_cpuid_says)
{
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		uint32_t n = expected[i].number;

		plain();
		CHECK_EQ(refused(n), WHY_NOTHING);
		for (unsigned int bit = 3; bit < 64; bit++) {
			attributes = 1ull << bit;
			CHECK_EQ(refused(n), bit < 32 && (expected[i].attributes >> bit & 1)
						     ? WHY_NOTHING
						     : WHY_SECS_ATTRIBUTES);
		}
		plain();
		for (unsigned int bit = 0; bit < 32; bit++) {
			miscselect = 1u << bit;
			CHECK_EQ(refused(n),
				 expected[i].ebx >> bit & 1 ? WHY_NOTHING : WHY_SECS_MISCSELECT);
		}
		plain();
		xfrm = 7;
		CHECK_EQ(refused(n), expected[i].xfrm & 4 ? WHY_NOTHING : WHY_SECS_XFRM);
		xfrm = 0x1b;
		CHECK_EQ(refused(n), expected[i].xfrm & 0x18 ? WHY_NOTHING : WHY_SECS_XFRM);
		xfrm = 0xe7;
		CHECK_EQ(refused(n), expected[i].xfrm & 0xe0 ? WHY_NOTHING : WHY_SECS_XFRM);
		xfrm = 0x60007;
		CHECK_EQ(refused(n), expected[i].xfrm & 0x60000 ? WHY_NOTHING : WHY_SECS_XFRM);
	}
}

/* The largest enclave is 2^36 bytes, also where the package could have larger ones. */
RULE(ECREATE, SIZE_MAX)
TEST(model_largest_enclave)
{
	static const uint8_t fuses[CPU_FUSE_SIZE] = {1}, boot[32] = {2};
	struct cpu_config config;

	fx_init();
	config = fx.pkg.config;
	config.max_size_64 = 40;
	config.max_size_32 = 32;
	cpu_model_apply(cpu_model(CPU_MODEL_COFFEELAKE), &config);
	CHECK_EQ(config.max_size_64, 36);
	CHECK_EQ(config.max_size_32, 31);
	cpu_package_exit(&fx.pkg);
	cpu_package_init(&fx.pkg, &config, fuses, boot);
	fx_ecreate();
	fx.source->secs.base = 0;
	fx.source->secs.size = 1ull << 37;
	CHECK_GP(fx_encls(SGX_ECREATE));
	CHECK_EQ(fx.why.rule, WHY_SECS_SIZE_MAX);
	CHECK_EQ(fx.why.wanted, 1ull << 36);
	fx.source->secs.size = 1ull << 36;
	CHECK_DONE(fx_encls(SGX_ECREATE));
	config.max_size_64 = 40;
	cpu_model_apply(cpu_model(CPU_MODEL_ICELAKE), &config);
	CHECK_EQ(config.max_size_64, 40);
}

/* SDM: the hash MSRs are there for software where CPUID 7 has SGX_LC alone. */
NO_RULE
TEST(model_launch_control)
{
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct cpu_result r;

		be(expected[i].number);
		r = cpu_wrmsr(&fx.pkg, SGX_MSR_LEPUBKEYHASH0, 1);
		if (expected[i].lc)
			CHECK_DONE(r);
		else
			CHECK_GP(r);
		cpu_package_exit(&fx.pkg);
	}
}
