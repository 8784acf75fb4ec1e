/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests with a known outcome, which self.sh compares with what is reported. */
#include <harness/harness.h>

#include <stdlib.h>
#include <unistd.h>

TEST(pass)
{
	CHECK(true);
	CHECK_EQ(2, 1 + 1);
	CHECK_STR("a", "a");
	CHECK_MEM("ab", "ab", 2);
	CHECK_ERRNO(close(-1), EBADF);
	CHECK_SYS(getpid());
}

TEST(fail_check)
{
	CHECK(getpid() == 0);
}

TEST(fail_eq)
{
	CHECK_EQ(getpid(), 0);
}

TEST(fail_str)
{
	CHECK_STR("a", "b");
}

TEST(fail_mem)
{
	CHECK_MEM("ab", "ac", 2);
}

TEST(fail_signal)
{
	abort();
}

TEST(fail_exit)
{
	_exit(3);
}

TEST(fail_fd_leak)
{
	CHECK_SYS(dup(2));
}

TEST_TIMEOUT(fail_timeout, 1)
{
	pause();
}

EXPECT_SIGNAL(pass_signal, SIGSEGV)
{
	raise(SIGSEGV);
}

EXPECT_SIGNAL(fail_no_signal, SIGSEGV)
{
}

TEST(skip)
{
	SKIP("because %d", 7);
}

BARE(known, 7)
{
	return 7;
}

BARE(odd, 1)
{
	return 300;
}

/* What fails unless self.sh has the machine asked */
TEST(pass_not_asked)
{
	unsetenv("SWSGX_BARE_odd");
	CHECK_EQ(bare(known), 7);
	CHECK_EQ(bare(odd), 1);
}

TEST(fail_not_asked)
{
	CHECK_EQ(bare(known), 7);
	CHECK_EQ(bare(odd), 300);
}

BARE(deadly, 1)
{
	if (getenv("SELF_DEADLY"))
		_exit(0);
	return 1;
}

HARNESS_RULE("A.first")
HARNESS_RULE("A.second")
TEST(pass_two_rules)
{
	const char *names[HARNESS_RULES_MAX];

	CHECK_EQ(harness_rules_of(harness_current(), names), 2);
	CHECK_STR(names[0], "A.second");
	CHECK_STR(names[1], "A.first");
}

TEST(pass_same_rules)
{
}

HARNESS_RULE("B.third")
TEST(pass_one_rule)
{
}

HARNESS_RULE(NULL)
TEST(pass_no_rule)
{
	const char *names[HARNESS_RULES_MAX];

	CHECK_EQ(harness_rules_of(harness_current(), names), 0);
}
