/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swsgx run under the limits of the shell that starts it.  Environment: SWSGX, the
 * command; VICTIM, a program with an enclave.
 */
#include "child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB  (1ul << 20)
#define SAME RLIM_INFINITY /* the hard limit stays */

static char said[4096]; /* by the last command, on its standard error */

struct limit {
	int resource;
	rlim_t soft, hard;
};

static void set(const struct limit *l)
{
	struct rlimit rl;

	CHECK_SYS(getrlimit(l->resource, &rl));
	rl.rlim_cur = l->soft;
	if (l->hard != SAME)
		rl.rlim_max = l->hard;
	CHECK_SYS(setrlimit(l->resource, &rl));
}

/* Return: exit status of swsgx run */
static int run(const struct limit *l, const char *program, const char *arg)
{
	int err[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	CHECK_SYS(pipe2(err, O_CLOEXEC));
	pid = start();
	if (!pid) {
		dup2(err[1], 2);
		set(l);
		execl(getenv("SWSGX"), "swsgx", "run", "--", program, arg, (char *)NULL);
		_exit(98);
	}
	close(err[1]);
	while ((n = read(err[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = 0;
	close(err[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		FAIL("killed: wait status 0x%x", (unsigned int)status);
	return WEXITSTATUS(status);
}

static int lines(void)
{
	int n = 0;

	for (const char *s = said; (s = strchr(s, '\n')); s++)
		n++;
	return n;
}

static void says(const char *text)
{
	if (!strstr(said, text))
		FAIL("it does not say '%s' but: %s", text, said);
	CHECK_EQ(lines(), 1);
}

/* With an enclave, and without a word */
static void works(const struct limit *l)
{
	int ret = run(l, getenv("VICTIM"), "once");

	if (ret || said[0])
		FAIL("resource %d, %llu: status %d: %s", l->resource, (unsigned long long)l->soft,
		     ret, said);
}

TEST(what_is_the_programs)
{
	static const struct limit table[] = {
		{RLIMIT_AS, 100 * MIB, 100 * MIB},
		{RLIMIT_AS, 600 * MIB, SAME},
		{RLIMIT_DATA, 16 * MIB, 16 * MIB},
		{RLIMIT_DATA, 256 * MIB, 256 * MIB},
		{RLIMIT_FSIZE, 0, SAME},
		{RLIMIT_FSIZE, 64 << 10, SAME},
		{RLIMIT_NOFILE, 8, SAME},
		{RLIMIT_NOFILE, 16, SAME},
		{RLIMIT_NOFILE, 64, 64},
		{RLIMIT_NOFILE, 32, 32},
		{RLIMIT_MEMLOCK, 0, 0},
		{RLIMIT_STACK, 128 << 10, 128 << 10},
		{RLIMIT_SIGPENDING, 0, 0},
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_CPU, 60, 60},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		works(&table[i]);
}

/* The program finds the limits that it was given. */
TEST(they_reach_the_program)
{
	const struct limit l = {RLIMIT_NOFILE, 21, SAME};

	CHECK_EQ(run(&l, getenv("PROGRAM"), "descriptors"), 21);
}

/* What a machine without privileges cannot have, it names. */
TEST(what_runs_out_is_named)
{
	const struct rlimit high = {1 << 20, 1 << 20}, low = {1 << 19, 1 << 19};

	CHECK_SYS(setrlimit(RLIMIT_CORE, &low));
	if (!setrlimit(RLIMIT_CORE, &high))
		SKIP("this process may raise its hard limits"); /* CAP_SYS_RESOURCE */
	CHECK_EQ(run(&(struct limit){RLIMIT_NOFILE, 8, 8}, "true", NULL), 125);
	says("a machine takes 24 descriptors, and the hard limit (ulimit -Hn) is 8");
	CHECK_EQ(run(&(struct limit){RLIMIT_FSIZE, 0, 0}, "true", NULL), 125);
	says("the hard limit on their size (ulimit -Hf) is 0 bytes");
	/* programs run, and know what they must do without */
	CHECK_EQ(run(&(struct limit){RLIMIT_FSIZE, 64 << 10, 64 << 10}, "true", NULL), 0);
	says("(ulimit -Hf), which are enclaves' too, is 64 KiB: no program can use SGX");
	CHECK_EQ(run(&(struct limit){RLIMIT_FSIZE, 64 << 10, 64 << 10}, getenv("PROGRAM"), "many"),
		 ENODEV);
	CHECK(strstr(said, "cannot reach the SGX machine (EFBIG"));
	CHECK_EQ(run(&(struct limit){RLIMIT_FSIZE, 64 * MIB, 64 * MIB}, getenv("VICTIM"), "once"),
		 0);
	says("is 65536 KiB: CREATE of a larger enclave will be ENOMEM");
}

/* More enclaves than the soft limit has descriptors: each closes its own. */
TEST_TIMEOUT(many_enclaves, 120)
{
	CHECK_EQ(run(&(struct limit){RLIMIT_NOFILE, 64, SAME}, getenv("PROGRAM"), "many"), 100);
	CHECK_STR(said, "");
}

/* Where the hard limit is low: so many, then an error, and others are not shut out. */
TEST_TIMEOUT(many_enclaves_under_a_hard_limit, 120)
{
	int ret = run(&(struct limit){RLIMIT_NOFILE, 64, 64}, getenv("PROGRAM"), "many");

	if (ret == 100)
		SKIP("this process may raise its hard limits");
	CHECK_EQ(ret, ENFILE);
	CHECK(strstr(said, "the SGX machine has no descriptors left for another enclave"));
	CHECK_EQ(lines(), 2); /* of either process */
}

/* Another process can still exec and connect: it is told the same. */
static int others(void)
{
	pid_t pid = start();

	if (!pid)
		_exit(open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC) < 0 ? errno : 0);
	expect_exit(pid, ENFILE);
	CHECK_EQ(system("exit 0"), 0);
	return ENFILE;
}

/* Enclaves that live by their mapping alone, as Linux allows.  Return: how many, or errno */
static int many(void)
{
	int count;

	for (count = 0; count < 100; count++) {
		int fd = open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			return errno == ENFILE ? others() : errno;
		CHECK(mmap(NULL, 4096, PROT_NONE, MAP_SHARED, fd, 0) != MAP_FAILED);
		close(fd);
	}
	return count;
}

int main(int argc, char **argv)
{
	struct rlimit rl;

	if (argc > 1 && !strcmp(argv[1], "many"))
		return many();
	if (argc > 1 && !strcmp(argv[1], "descriptors")) {
		CHECK_SYS(getrlimit(RLIMIT_NOFILE, &rl));
		return (int)rl.rlim_cur;
	}
	if (!getenv("SWSGX") || !getenv("VICTIM"))
		FAIL("SWSGX and VICTIM are not set");
	CHECK_SYS(setenv("PROGRAM", argv[0], 1));
	return harness_main(argc, argv);
}
