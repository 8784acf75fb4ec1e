/* SPDX-License-Identifier: BSD-3-Clause */
/* The example's walk through the vDSO, on the vDSO of the kernel that we run on. */
#include "../../examples/hello/vdso.h"

#include <harness/harness.h>
#include <sys/auxv.h>
#include <time.h>

TEST(vdso_find)
{
	int (*gettime)(clockid_t clock, struct timespec * ts);
	struct timespec a, b;

	if (!getauxval(AT_SYSINFO_EHDR))
		SKIP("this kernel gives programs no vDSO");
	gettime = (int (*)(clockid_t, struct timespec *))vdso_find("__vdso_clock_gettime");
	CHECK(gettime);
	/* It is the function of that name: its clock lies between two readings of libc's */
	CHECK_SYS(clock_gettime(CLOCK_MONOTONIC_RAW, &a));
	CHECK_EQ(gettime(CLOCK_MONOTONIC_RAW, &b), 0);
	CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
	CHECK_SYS(clock_gettime(CLOCK_MONOTONIC_RAW, &a));
	CHECK(a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec >= b.tv_nsec));
}

TEST(vdso_find_nothing)
{
	CHECK(!vdso_find("__vdso_no_such_function"));
	CHECK(!vdso_find(""));
}
