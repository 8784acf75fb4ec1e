/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A test harness for code that takes signals, forks and changes address spaces.
 *
 *	TEST(name) { CHECK_EQ(f(1), 2); }
 *
 * Every test runs in a forked child, in a process group of its own that is
 * killed when the test ends, with a timeout.  The child's standard output goes
 * to standard error; standard output carries TAP.  A test that leaves a file
 * descriptor open that it did not find open fails.
 *
 * CHECK* end the process that calls them.  A test that forks must look at its
 * child's status itself: a failed CHECK there exits with HARNESS_EXIT_FAIL.
 *
 * Programs with a main() of their own may use CHECK* too: main() of this
 * library is only linked where there is none.
 *
 * A machine may differ from the manuals, and only without swsgx can be seen how.
 * BARE(name, usual) { ... return answer; } is a question to it, and bare(name) the
 * answer in a test.  It is asked by
 *
 *	PROGRAM --bare swsgx run -- PROGRAM
 *
 * which puts the answers into the environment (SWSGX_BARE_name), says loudly which are
 * not @usual, and becomes the command.  Nobody asked: @usual.
 *
 * HARNESS_RULE("EINIT.Q1") says that the tests below it, to the next one, check a rule
 * of that name; several in a row: all of them.  --rules lists which test checks which.
 *
 * Arguments: [--list] [--rules] [--repeat N] [NAME-PATTERN...] (shell patterns), or --bare
 * COMMAND...
 * Environment: SWSGX_MUST_WORK=1 makes a skip a failure.
 */
#ifndef HARNESS_HARNESS_H
#define HARNESS_HARNESS_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HARNESS_EXIT_FAIL 99
#define HARNESS_EXIT_SKIP 77
#define HARNESS_TIMEOUT	  60u /* seconds */

struct harness_test {
	const char *name;
	const char *file;
	void (*run)(void);
	unsigned int timeout; /* seconds */
	int signal; /* that must end the test; 0: none */
	int place; /* among tests and rules of the file */
	struct harness_test *next;
};

struct harness_rule {
	const char *name; /* NULL: the tests below check none */
	const char *file;
	int place;
	struct harness_rule *next;
};

#define HARNESS_RULES_MAX 8 /* that one test checks */

void harness_rule_register(struct harness_rule *rule);
unsigned int harness_rules_of(const struct harness_test *test,
			      const char *names[HARNESS_RULES_MAX]);
const struct harness_test *harness_current(void); /* in a test: which */

void harness_register(struct harness_test *test);
int harness_main(int argc, char **argv);

struct harness_bare {
	const char *name;
	long (*ask)(void); /* in a child; 0 or above, below it fails */
	long usual;
	struct harness_bare *next;
};

void harness_bare_register(struct harness_bare *question);
long harness_bare_answer(const struct harness_bare *question);
/* --bare; for programs with a main() of their own.  Returns only if it fails. */
int harness_bare_main(char **command);

void harness_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, cold, format(printf, 3, 4)));
void harness_skip(const char *fmt, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));
void harness_takes_root(void);
void harness_fail_eq(const char *file, int line, const char *a_text, const char *b_text,
		     unsigned long long a, unsigned long long b) __attribute__((noreturn, cold));
void harness_fail_mem(const char *file, int line, const char *a_text, const char *b_text,
		      const void *a, const void *b, size_t size) __attribute__((noreturn, cold));

#define HARNESS_DEFINE(id, secs, sig)                                    \
	static void harness_run_##id(void);                              \
	static struct harness_test harness_test_##id = {                 \
		.name = #id,                                             \
		.file = __FILE__,                                        \
		.run = harness_run_##id,                                 \
		.timeout = (secs),                                       \
		.signal = (sig),                                         \
		.place = __COUNTER__,                                    \
	};                                                               \
	__attribute__((constructor)) static void harness_ctor_##id(void) \
	{                                                                \
		harness_register(&harness_test_##id);                    \
	}                                                                \
	static void harness_run_##id(void)

#define HARNESS_RULE_AT(rule, n)                                             \
	static struct harness_rule harness_rule_##n = {                      \
		.name = (rule),                                              \
		.file = __FILE__,                                            \
		.place = (n),                                                \
	};                                                                   \
	__attribute__((constructor)) static void harness_rule_ctor_##n(void) \
	{                                                                    \
		harness_rule_register(&harness_rule_##n);                    \
	}
#define HARNESS_RULE_COUNTED(rule, n) HARNESS_RULE_AT(rule, n)
#define HARNESS_RULE(rule)	      HARNESS_RULE_COUNTED(rule, __COUNTER__)

/* A test; one with its own timeout in seconds; one that a signal must end. */
#define TEST(id)	       HARNESS_DEFINE(id, HARNESS_TIMEOUT, 0)
#define TEST_TIMEOUT(id, secs) HARNESS_DEFINE(id, secs, 0)
#define EXPECT_SIGNAL(id, sig) HARNESS_DEFINE(id, HARNESS_TIMEOUT, sig)

#define BARE(id, answer)                                                      \
	static long harness_ask_##id(void);                                   \
	static struct harness_bare harness_bare_##id = {                      \
		.name = #id,                                                  \
		.ask = harness_ask_##id,                                      \
		.usual = (answer),                                            \
	};                                                                    \
	__attribute__((constructor)) static void harness_bare_ctor_##id(void) \
	{                                                                     \
		harness_bare_register(&harness_bare_##id);                    \
	}                                                                     \
	static long harness_ask_##id(void)
#define bare(id)  harness_bare_answer(&harness_bare_##id)

#define SKIP(...) harness_skip(__VA_ARGS__)
/*
 * The case is about what root can do.  An ordinary user skips it, and passes where
 * SWSGX_ROOT_RAN=1 says that root has run this very suite before (scripts/check user).
 */
#define TAKES_ROOT() harness_takes_root()
#define FAIL(...)    harness_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond))                                                  \
			harness_fail(__FILE__, __LINE__, "CHECK(%s)", #cond); \
	} while (0)

/* Integers of any width, enums, bools; pointers want a cast. */
#define CHECK_EQ(a, b)                                                                   \
	do {                                                                             \
		unsigned long long check_a_ = (unsigned long long)(a);                   \
		unsigned long long check_b_ = (unsigned long long)(b);                   \
		if (check_a_ != check_b_)                                                \
			harness_fail_eq(__FILE__, __LINE__, #a, #b, check_a_, check_b_); \
	} while (0)

#define CHECK_STR(a, b)                                                                    \
	do {                                                                               \
		const char *check_a_ = (a);                                                \
		const char *check_b_ = (b);                                                \
		if (!check_a_ || !check_b_ || strcmp(check_a_, check_b_))                  \
			harness_fail(__FILE__, __LINE__, "%s is \"%s\", %s is \"%s\"", #a, \
				     check_a_ ? check_a_ : "(null)", #b,                   \
				     check_b_ ? check_b_ : "(null)");                      \
	} while (0)

#define CHECK_MEM(a, b, size)                                                            \
	do {                                                                             \
		const void *check_a_ = (a);                                              \
		const void *check_b_ = (b);                                              \
		size_t check_n_ = (size);                                                \
		if (memcmp(check_a_, check_b_, check_n_))                                \
			harness_fail_mem(__FILE__, __LINE__, #a, #b, check_a_, check_b_, \
					 check_n_);                                      \
	} while (0)

/* A call that must return -1 with this errno; one that must not return -1. */
#define CHECK_ERRNO(call, error)                                                                 \
	do {                                                                                     \
		errno = 0;                                                                       \
		long long check_r_ = (long long)(call);                                          \
		int check_e_ = errno;                                                            \
		if (check_r_ != -1 || check_e_ != (error))                                       \
			harness_fail(__FILE__, __LINE__,                                         \
				     "%s returned %lld, errno %d (%s), not %s", #call, check_r_, \
				     check_e_, strerror(check_e_), #error);                      \
	} while (0)

#define CHECK_SYS(call)                                                                     \
	do {                                                                                \
		errno = 0;                                                                  \
		if ((long long)(call) == -1)                                                \
			harness_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno)); \
	} while (0)

#endif
