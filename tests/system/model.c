/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Under `swsgx run --cpu MODEL`: the driver takes the enclaves that the model's CPUID
 * announces, and no others.  MODEL in the environment says which.
 */
#include "encl.h"

#include <cpuid.h>
#include <fcntl.h>
#include <harness/harness.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct model {
	const char *name;
	bool kss, exinfo, avx, lc;
	unsigned int max_size; /* log2 */
} models[] = {
	/* Sizes above 2^40 are beyond the machine, whatever the model. */
	{"intel", true, true, true, true, 40},
	{"skylake", false, false, true, false, 36},
	{"coffeelake", false, false, true, true, 36},
	{"geminilake", false, true, false, true, 36},
	{"icelake", true, true, true, true, 40},
	{"sapphirerapids", true, true, true, true, 40},
};

static const struct model *model(void)
{
	const char *name = getenv("MODEL");

	for (size_t i = 0; name && i < sizeof(models) / sizeof(models[0]); i++)
		if (!strcmp(models[i].name, name))
			return &models[i];
	FAIL("MODEL=%s: none of the table's", name ? name : "(unset)");
}

static bool host_has_avx(void)
{
	uint32_t a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AVX) && (c & bit_OSXSAVE);
}

/* Linux has no device where launch control is locked, as on a processor without it. */
static bool without_device(void)
{
	if (model()->lc)
		return false;
	CHECK_ERRNO(open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC), ENOENT);
	return true;
}

/* 0, or what CREATE says of an enclave; no address of it is used */
static int create(uint64_t attributes, uint64_t xfrm, uint32_t miscselect, uint64_t size)
{
	struct sgx_secs secs = {
		.size = size,
		.ssaframesize = 1,
		.miscselect = miscselect,
		.attributes = {.flags = ENCL_ATTR | attributes, .xfrm = xfrm},
	};
	struct sgx_enclave_create arg = {.src = (uint64_t)&secs};
	int fd = open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC), ret;

	CHECK(fd >= 0);
	ret = ioctl(fd, SGX_IOC_ENCLAVE_CREATE, &arg) ? errno : 0;
	close(fd);
	return ret;
}

#define SIZE (1ull << 20)

TEST(create_takes_what_the_model_has)
{
	const struct model *m = model();

	if (without_device())
		return;
	CHECK_EQ(create(0, SGX_XFRM_LEGACY, 0, SIZE), 0);
	CHECK_EQ(create(SGX_ATTR_KSS_BIT, SGX_XFRM_LEGACY, 0, SIZE), m->kss ? 0 : EIO);
	CHECK_EQ(create(0, SGX_XFRM_LEGACY, SGX_MISC_EXINFO_BIT, SIZE), m->exinfo ? 0 : EIO);
	if (host_has_avx())
		CHECK_EQ(create(0, 7, 0, SIZE), m->avx ? 0 : EIO);
	/* what is announced on no model */
	CHECK_EQ(create(SGX_ATTR_AEXNOTIFY_BIT, SGX_XFRM_LEGACY, 0, SIZE), EIO);
}

TEST(largest_enclave)
{
	const struct model *m = model();

	if (without_device())
		return;
	CHECK_EQ(create(0, SGX_XFRM_LEGACY, 0, 1ull << 36), 0);
	CHECK_EQ(create(0, SGX_XFRM_LEGACY, 0, 1ull << 37), m->max_size > 36 ? 0 : EIO);
	CHECK_EQ(create(0, SGX_XFRM_LEGACY, 0, 1ull << 41), EIO);
}

TEST(cpuid_and_cpuinfo_agree)
{
	const struct model *m = model();
	uint32_t a, b, c, d;
	char *line = NULL;
	size_t size = 0, flags = 0;
	FILE *f;

	__cpuid_count(0x12, 0, a, b, c, d);
	CHECK_EQ(a, 1);
	CHECK_EQ(b, m->exinfo ? SGX_MISC_EXINFO_BIT : 0);
	CHECK_EQ(d >> 8 & 0xff, m->max_size);
	__cpuid_count(0x12, 1, a, b, c, d);
	CHECK_EQ(!!(a & SGX_ATTR_KSS_BIT), m->kss);
	__cpuid_count(7, 0, a, b, c, d);
	CHECK_EQ(!!(c & SGX_CPUID_7_ECX_SGX_LC), m->lc);
	f = fopen("/proc/cpuinfo", "re");
	CHECK(f);
	while (getline(&line, &size, f) > 0) {
		if (strncmp(line, "flags", 5))
			continue;
		flags++;
		CHECK(strstr(line, " sgx"));
		CHECK_EQ(!!strstr(line, " sgx_lc"), m->lc);
	}
	CHECK(flags);
	free(line);
	fclose(f);
}

TEST(init_wants_launch_control)
{
	struct encl e;

	if (without_device())
		return;
	encl_build(&e, &(struct encl_opts){.no_init = true});
	CHECK_EQ(encl_init(&e), 0);
	encl_free(&e);
}
