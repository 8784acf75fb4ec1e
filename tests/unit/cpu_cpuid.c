/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUID as software sees it, on hosts that are made up here, and on this one. */
#include "cpu_fixture.h"

#include <cpu/cpuid.h>
#include <harness/harness.h>

#include <cpuid.h>
#include <string.h>

#define AMD_EBX	  0x68747541u /* "Auth" */
#define INTEL_EBX 0x756e6547u /* "Genu" */

/* ---- hosts --------------------------------------------------------------- */

/* AMD's: leaf N answers N in EAX, its sub-leaf in ECX, and all ones in EBX and EDX */
static uint32_t amd_max, amd_max_extended, amd_extended_ecx;

static void amd(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	*regs = (struct cpu_cpuid){leaf, ~0u, subleaf, ~0u};
	switch (leaf) {
	case 0:
		*regs = (struct cpu_cpuid){amd_max, AMD_EBX, 0x444d4163, 0x69746e65};
		break;
	case 0x80000000:
		*regs = (struct cpu_cpuid){amd_max_extended, AMD_EBX, 0x444d4163, 0x69746e65};
		break;
	case 0x80000001:
		regs->ecx = amd_extended_ecx;
		break;
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
	case 0x80000007:
		regs->ecx = 0; /* no sub-leaves */
		break;
	case 0x80000008:
		regs->ecx = 0x7005; /* six of them */
		break;
	case 0x8000001d:
		/* three caches; the reserved bits must not shine through */
		if (subleaf < 3)
			*regs = (struct cpu_cpuid){0xfc000121u + subleaf, 0x1c0003f, 63, 0};
		else
			*regs = (struct cpu_cpuid){0, 0x77, 0x77, 0x77};
		break;
	}
}

static void set_amd(uint32_t max)
{
	amd_max = max;
	amd_max_extended = 0x80000021;
	amd_extended_ecx = 1u << 22 | 1;
}

static void real_intel(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	*regs = (struct cpu_cpuid){leaf, leaf, subleaf, leaf};
	if (leaf == 0)
		*regs = (struct cpu_cpuid){0x1b, INTEL_EBX, 0x6c65746e, 0x49656e69};
	if (leaf == 0x80000000)
		regs->eax = 0x80000008;
}

static void this_host(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	__cpuid_count(leaf, subleaf, regs->eax, regs->ebx, regs->ecx, regs->edx);
}

static struct cpu_cpuid_view view;
static cpu_cpuid_native *host;

/* @model: enum cpu_model_number; of another than the host its number alone matters here */
static void look(cpu_cpuid_native *native, uint32_t model, uint32_t tsc_khz)
{
	fx_init();
	host = native;
	cpu_cpuid_view_init(&view, &fx.pkg, native, cpu_model(model), tsc_khz);
}

static struct cpu_cpuid ask(uint32_t leaf, uint32_t subleaf)
{
	struct cpu_cpuid regs;

	memset(&regs, 0x5a, sizeof(regs));
	cpu_cpuid_answer(&view, leaf, subleaf, host, &regs);
	return regs;
}

#define CHECK_REGS(r, a, b, c, d)             \
	do {                                  \
		struct cpu_cpuid regs_ = (r); \
		CHECK_EQ(regs_.eax, (a));     \
		CHECK_EQ(regs_.ebx, (b));     \
		CHECK_EQ(regs_.ecx, (c));     \
		CHECK_EQ(regs_.edx, (d));     \
	} while (0)

/* ---- the host's processor with SGX --------------------------------------- */

TEST(highest_leaf_is_sgx_or_more)
{
	set_amd(0x10);
	look(amd, CPU_MODEL_HOST, 0);
	CHECK_REGS(ask(0, 0), 0x12, AMD_EBX, 0x444d4163, 0x69746e65);
	/* between the host's highest and ours there is nothing */
	CHECK_REGS(ask(0x11, 0), 0, 0, 0, 0);
	CHECK_REGS(ask(0x13, 0), 0x13, ~0u, 0, ~0u);
	set_amd(0x1c);
	look(amd, CPU_MODEL_HOST, 0);
	CHECK_EQ(ask(0, 0).eax, 0x1c);
}

TEST(sgx_leaves)
{
	struct cpu_cpuid want = {0, 0, 0, 0};

	set_amd(0x10);
	look(amd, CPU_MODEL_HOST, 0);
	for (uint32_t sub = 0; sub < 12; sub++) {
		cpu_cpuid_sgx(&fx.pkg, 0x12, sub, &want);
		CHECK_REGS(ask(0x12, sub), want.eax, want.ebx, want.ecx, want.edx);
	}
	CHECK_EQ(ask(0x12, 2 + fx.pkg.section_count).eax, 0);
	CHECK_EQ(ask(0x12, ~0u).eax, 0);
	want = ask(7, 0);
	CHECK(want.ebx & SGX_CPUID_7_EBX_SGX);
	CHECK_EQ(want.ecx, SGX_CPUID_7_ECX_SGX_LC);
	CHECK_REGS(ask(7, 1), 7, ~0u, 1, ~0u);
}

/* FEATURE_CONTROL without SGX: bits that the host has must not shine through. */
TEST(sgx_off)
{
	set_amd(0x10);
	fx_init();
	host = amd;
	fx.pkg.feature_control = 0;
	cpu_cpuid_view_init(&view, &fx.pkg, amd, cpu_model(CPU_MODEL_HOST), 0);
	CHECK_EQ(ask(7, 0).ebx, ~SGX_CPUID_7_EBX_SGX);
	CHECK_REGS(ask(0x12, 0), 0, 0, 0, 0);
	CHECK_REGS(ask(0x12, 2), 0, 0, 0, 0);
}

TEST(all_else_is_the_hosts)
{
	static const uint32_t leaves[] = {1,	      2,	  4,	      5,
					  0xb,	      0xd,	  0x15,	      0x16,
					  0x40000000, 0x80000000, 0x80000001, 0x80000002,
					  0x80000004, 0x8000001d, 0x90000000};
	struct cpu_cpuid want;

	set_amd(0x16);
	look(amd, CPU_MODEL_HOST, 2600000);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		amd(leaves[i], 1, &want);
		CHECK_REGS(ask(leaves[i], 1), want.eax, want.ebx, want.ecx, want.edx);
	}
}

static unsigned int asked;

static void amd_counting(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	asked++;
	amd(leaf, subleaf, regs);
}

/* What is the same on every processor costs no CPUID, sub-leaf or not. */
TEST(kept_leaves)
{
	static const uint32_t leaves[] = {0,	      7,	  0x80000000,
					  0x80000001, 0x80000002, 0x80000003,
					  0x80000004, 0x80000007, 0x80000008};
	struct cpu_cpuid want;

	set_amd(0x10);
	look(amd_counting, CPU_MODEL_HOST, 0);
	asked = 0;
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		amd(leaves[i], 0, &want);
		if (leaves[i] > 7)
			CHECK_REGS(ask(leaves[i], 0), want.eax, want.ebx, want.ecx, want.edx);
		ask(leaves[i], 0);
		if (leaves[i] != 7)
			CHECK_EQ(ask(leaves[i], 0x77).eax, ask(leaves[i], 0).eax);
	}
	ask(7, 1);
	ask(0x12, 0);
	ask(0x12, 3);
	CHECK_EQ(asked, 0);
	/* of one processor, or more than is kept */
	ask(1, 0);
	ask(7, 2);
	ask(0xb, 0);
	ask(0xd, 1);
	CHECK_EQ(asked, 4);
}

static uint32_t with_tsc[4]; /* the host's leaf 15H */

static void amd_with_tsc(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	amd(leaf, subleaf, regs);
	if (leaf == 0x15)
		*regs = (struct cpu_cpuid){with_tsc[0], with_tsc[1], with_tsc[2], with_tsc[3]};
}

/* SDM, leaf 15H: 0 in EAX or EBX: not enumerated.  What the host has stays. */
TEST(tsc_on_any_host)
{
	struct cpu_cpuid r;

	set_amd(0x10);
	look(amd, CPU_MODEL_HOST, 2445430);
	CHECK_EQ(ask(0, 0).eax, 0x15);
	CHECK_EQ(ask(0, 0).ebx, AMD_EBX);
	r = ask(0x15, 0);
	CHECK_EQ((uint64_t)r.ecx * r.ebx / r.eax, 2445430000);
	CHECK_EQ(r.ecx, 25000000);
	CHECK_EQ(r.edx, 0);
	/* in between there is nothing, and above all is the host's */
	CHECK_REGS(ask(0x13, 0), 0, 0, 0, 0);
	CHECK_REGS(ask(0x14, 0), 0, 0, 0, 0);
	CHECK_REGS(ask(0x16, 0), 0x16, ~0u, 0, ~0u);

	/* not known, or not constant */
	look(amd, CPU_MODEL_HOST, 0);
	CHECK_EQ(ask(0, 0).eax, 0x12);

	set_amd(0x20);
	look(amd_with_tsc, CPU_MODEL_HOST, 2445430);
	CHECK_EQ(ask(0, 0).eax, 0x20);
	CHECK_REGS(ask(0x15, 0), 25000, 2445430, 25000000, 0);
	with_tsc[0] = 2;
	look(amd_with_tsc, CPU_MODEL_HOST, 2445430);
	CHECK_REGS(ask(0x15, 0), 25000, 2445430, 25000000, 0);
	/* without a crystal's frequency it is enumerated all the same */
	with_tsc[1] = 168;
	look(amd_with_tsc, CPU_MODEL_HOST, 2445430);
	CHECK_REGS(ask(0x15, 0), 2, 168, 0, 0);
	look(amd_with_tsc, CPU_MODEL_INTEL, 2445430);
	CHECK_REGS(ask(0x15, 0), 2, 168, 0, 0);
}

/* Intel's own processor is not renamed. */
TEST(intel_on_intel)
{
	look(real_intel, CPU_MODEL_INTEL, 2600000);
	CHECK_EQ(view.flags & CPU_VIEW_INTEL, 0);
	CHECK_EQ(ask(0, 0).eax, 0x1b);
	CHECK_EQ(ask(1, 0).eax, 1);
	CHECK_EQ(ask(4, 2).eax, 4);
	CHECK_EQ(ask(0x15, 0).eax, 0x15);
	CHECK_EQ(ask(0x80000002, 0).eax, 0x80000002);
}

/* A named model has its own signature there too; leaves and name stay. */
TEST(model_on_intel)
{
	look(real_intel, CPU_MODEL_SKYLAKE, 2600000);
	CHECK_EQ(view.flags & CPU_VIEW_INTEL, 0);
	CHECK_REGS(ask(1, 7), 0x506e3, 1, 7, 1);
	CHECK_EQ(ask(0, 0).eax, 0x1b);
	CHECK_EQ(ask(4, 2).eax, 4);
	CHECK_EQ(ask(0x80000002, 0).eax, 0x80000002);
	look(real_intel, CPU_MODEL_HOST, 2600000);
	CHECK_EQ(ask(1, 0).eax, 1);
}

TEST(model_on_another_makers)
{
	static const uint32_t models[] = {0x5e, 0x9e, 0x7a, 0x6a, 0x8f};

	set_amd(0x10);
	for (uint32_t i = CPU_MODEL_SKYLAKE; i < CPU_MODEL_COUNT; i++) {
		look(amd, i, 0);
		CHECK_EQ(ask(0, 0).ebx, INTEL_EBX);
		CHECK_EQ(cpu_cpuid_family(ask(1, 0).eax), 6);
		CHECK_EQ(cpu_cpuid_model(ask(1, 0).eax), models[i - CPU_MODEL_SKYLAKE]);
		CHECK_EQ(ask(1, 0).edx, ~0u);
	}
}

/* ---- shown as Intel's ----------------------------------------------------- */

TEST(intel_name_and_signature)
{
	char name[49] = "";
	struct cpu_cpuid r;

	set_amd(0x10);
	look(amd, CPU_MODEL_INTEL, 2596120);
	r = ask(0, 0);
	CHECK_EQ(r.eax, 0x16);
	CHECK(!memcmp(&r.ebx, "Genu", 4) && !memcmp(&r.edx, "ineI", 4) &&
	      !memcmp(&r.ecx, "ntel", 4));
	CHECK_EQ(cpu_cpuid_family(ask(1, 0).eax), 6);
	CHECK_EQ(cpu_cpuid_model(ask(1, 0).eax), 0x6a);
	/* features, APIC id and so on are the processor's */
	CHECK_REGS(ask(1, 0), 0x606a6, ~0u, 0, ~0u);
	CHECK_REGS(ask(0x80000000, 0), 0x80000021, 0, 0, 0);
	CHECK_REGS(ask(0x80000001, 0), 0, 0, amd_extended_ecx, ~0u);
	for (int i = 0; i < 3; i++) {
		r = ask(0x80000002 + (uint32_t)i, 0);
		memcpy(name + 16 * i, &r, 16);
	}
	CHECK(!strcmp(name, "Intel-compatible processor (swsgx) @ 2.60GHz"));
	look(amd, CPU_MODEL_INTEL, 12340000);
	CHECK(!strcmp(view.brand, "Intel-compatible processor (swsgx) @ 12.34GHz"));
	look(amd, CPU_MODEL_INTEL, 0);
	CHECK(!strcmp(view.brand, "Intel-compatible processor (swsgx)"));
	/* SGX is there as well */
	CHECK(ask(7, 0).ebx & SGX_CPUID_7_EBX_SGX);
	CHECK_EQ(ask(0x12, 0).eax & 1, 1);
}

/* glibc's and MKL's walk: leaf 2 says "leaf 4", which ends */
TEST(intel_caches)
{
	set_amd(0x10);
	look(amd, CPU_MODEL_INTEL, 0);
	CHECK_REGS(ask(2, 0), 0x00feff01, 0xf0, 0, 0);
	CHECK_REGS(ask(4, 0), 5u << 26 | 0x121, 0x1c0003f, 63, 0);
	CHECK_REGS(ask(4, 2), 5u << 26 | 0x123, 0x1c0003f, 63, 0);
	CHECK_REGS(ask(4, 3), 0, 0, 0, 0);
	amd_extended_ecx = 1;
	look(amd, CPU_MODEL_INTEL, 0);
	CHECK_REGS(ask(4, 0), 0, 0, 0, 0);
	set_amd(0x10);
	amd_max_extended = 0x8000001c;
	look(amd, CPU_MODEL_INTEL, 0);
	CHECK_REGS(ask(4, 0), 0, 0, 0, 0);
}

/* SDM, leaf 15H: ECX * EBX / EAX, in 64 bits as software does it */
TEST(intel_frequency)
{
	static const uint32_t khz[] = {800000, 2596120, 3999999, 9999999};
	struct cpu_cpuid r;

	set_amd(0x10);
	for (size_t i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
		look(amd, CPU_MODEL_INTEL, khz[i]);
		r = ask(0x15, 0);
		CHECK_EQ((uint64_t)r.ecx * r.ebx / r.eax, 1000ull * khz[i]);
		CHECK_EQ(r.ecx, 25000000);
		CHECK_EQ(ask(0x16, 0).eax, (khz[i] + 500) / 1000);
	}
	look(amd, CPU_MODEL_INTEL, 0);
	CHECK_REGS(ask(0x15, 0), 0, 0, 0, 0);
	CHECK_REGS(ask(0x16, 0), 0, 0, 0, 0);
}

/* SDM: above the highest leaf, the answer is the highest basic leaf's. */
TEST(intel_above_the_highest)
{
	set_amd(0x10);
	look(amd, CPU_MODEL_INTEL, 2000000);
	CHECK_EQ(ask(0x16, 0).eax, 2000);
	CHECK_EQ(ask(0x17, 0).eax, 2000);
	CHECK_EQ(ask(0x3fffffff, 0).eax, 2000);
	CHECK_EQ(ask(0x80000022, 0).eax, 2000);
	CHECK_EQ(ask(0xffffffff, 0).eax, 2000);
	CHECK_EQ(ask(0x80000021, 0).eax, 0x80000021);
	/* the hypervisor's are its own */
	CHECK_EQ(ask(0x40000000, 0).eax, 0x40000000);
	CHECK_EQ(ask(0x40000100, 0).eax, 0x40000100);
}

/* ---- this host, both ways ------------------------------------------------- */

/*
 * No instruction is claimed that is not there, and XSAVE's layout is what XSAVE
 * does here: leaf 1, 7 (but SGX), 0DH and 80000001H keep every bit.
 */
TEST(this_host_keeps_features_and_xsave)
{
	struct cpu_cpuid real, seen;

	for (uint32_t model = 0; model < CPU_MODEL_COUNT; model++) {
		look(this_host, model, 2600000);
		this_host(1, 0, &real);
		seen = ask(1, 0);
		CHECK_EQ(seen.ecx, real.ecx);
		CHECK_EQ(seen.edx, real.edx);
		this_host(7, 0, &real);
		seen = ask(7, 0);
		CHECK_EQ(seen.ebx & ~SGX_CPUID_7_EBX_SGX, real.ebx & ~SGX_CPUID_7_EBX_SGX);
		CHECK_EQ(seen.ecx & ~SGX_CPUID_7_ECX_SGX_LC, real.ecx & ~SGX_CPUID_7_ECX_SGX_LC);
		CHECK_EQ(seen.edx, real.edx);
		this_host(0x80000001, 0, &real);
		CHECK_EQ(ask(0x80000001, 0).ecx, real.ecx);
		CHECK_EQ(ask(0x80000001, 0).edx, real.edx);
		for (uint32_t sub = 0; sub < 63; sub++) {
			this_host(0xd, sub, &real);
			seen = ask(0xd, sub);
			/* EBX of 0 and 1 is the size for what is enabled now */
			CHECK_REGS(seen, real.eax, real.ebx, real.ecx, real.edx);
		}
	}
}
