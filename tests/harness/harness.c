/* SPDX-License-Identifier: BSD-3-Clause */
#include <harness/harness.h>

#include <dirent.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FD_MAX 1024

/* Shared between a test's processes and the runner. */
struct verdict {
	volatile int skipped;
	char reason[480];
};

static struct harness_test *tests;
static struct harness_test **tests_tail = &tests;
static struct verdict *verdict;
static struct harness_bare *questions;
static struct harness_rule *rules;
static const struct harness_test *current;

/**
 * harness_register() - add a test to the list; what TEST() calls at start
 * @test: static
 */
void harness_register(struct harness_test *test)
{
	*tests_tail = test;
	tests_tail = &test->next;
}

/**
 * harness_rule_register() - add a rule to the list; what HARNESS_RULE() calls at start
 * @rule: static
 */
void harness_rule_register(struct harness_rule *rule)
{
	rule->next = rules;
	rules = rule;
}

/* The last rule of a file above a place; NULL: none */
static const struct harness_rule *rule_above(const char *file, int place)
{
	const struct harness_rule *found = NULL;

	for (const struct harness_rule *r = rules; r; r = r->next)
		if (r->place < place && (!found || r->place > found->place) &&
		    !strcmp(r->file, file))
			found = r;
	return found;
}

static bool test_between(const char *file, int from, int to)
{
	for (const struct harness_test *t = tests; t; t = t->next)
		if (t->place > from && t->place < to && !strcmp(t->file, file))
			return true;
	return false;
}

/**
 * harness_rules_of() - which rules a test checks
 * @test: which test
 * @names: receives them, the lowest first
 *
 * They are those right above it, and those that no test stands between.
 * Return: how many.
 */
unsigned int harness_rules_of(const struct harness_test *test, const char *names[HARNESS_RULES_MAX])
{
	const struct harness_rule *rule = rule_above(test->file, test->place);
	unsigned int count = 0;

	while (rule && rule->name && count < HARNESS_RULES_MAX) {
		const struct harness_rule *above = rule_above(test->file, rule->place);

		names[count++] = rule->name;
		if (!above || test_between(test->file, above->place, rule->place))
			break;
		rule = above;
	}
	return count;
}

/**
 * harness_current() - the test that this process runs
 */
const struct harness_test *harness_current(void)
{
	return current;
}

static void list_rules(void)
{
	for (const struct harness_test *t = tests; t; t = t->next) {
		const char *names[HARNESS_RULES_MAX], *base = strrchr(t->file, '/');
		unsigned int count = harness_rules_of(t, names);

		while (count)
			printf("%s\t%s\t%s\n", names[--count], base ? base + 1 : t->file, t->name);
	}
}

/**
 * harness_fail() - say why, and end the process with HARNESS_EXIT_FAIL
 */
void harness_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	flockfile(stderr);
	fprintf(stderr, "# %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(stderr);
	funlockfile(stderr);
	_exit(HARNESS_EXIT_FAIL);
}

void harness_fail_eq(const char *file, int line, const char *a_text, const char *b_text,
		     unsigned long long a, unsigned long long b)
{
	harness_fail(file, line, "%s is 0x%llx (%lld), %s is 0x%llx (%lld)", a_text, a,
		     (long long)a, b_text, b, (long long)b);
}

static void hex(char *out, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sprintf(out + 3 * i, "%02x ", bytes[i]);
	out[3 * count] = 0;
}

void harness_fail_mem(const char *file, int line, const char *a_text, const char *b_text,
		      const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;
	char x_hex[3 * 16 + 1], y_hex[3 * 16 + 1];
	size_t at = 0, count;

	while (at < size && x[at] == y[at])
		at++;
	count = size - at < 16 ? size - at : 16;
	hex(x_hex, x + at, count);
	hex(y_hex, y + at, count);
	harness_fail(file, line, "%s and %s differ at byte %zu of %zu: %s/ %s", a_text, b_text, at,
		     size, x_hex, y_hex);
}

/**
 * harness_skip() - end the test as skipped, with a reason for people
 */
void harness_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(verdict->reason, sizeof(verdict->reason), fmt, ap);
	va_end(ap);
	verdict->skipped = 1;
	_exit(HARNESS_EXIT_SKIP);
}

/* In a user namespace of few users nobody can become another. */
static bool is_root(void)
{
	unsigned first = 0, outside, count = UINT32_MAX;
	FILE *f = fopen("/proc/self/uid_map", "re");

	if (f) {
		if (fscanf(f, "%u %u %u", &first, &outside, &count) != 3)
			count = UINT32_MAX;
		fclose(f);
	}
	return !geteuid() && count > 65534;
}

/**
 * harness_takes_root() - go on as root only
 *
 * Return: as root, where there are other users.  Else the test ends: passed, where root has run it, or skipped.
 */
void harness_takes_root(void)
{
	const char *ran = getenv("SWSGX_ROOT_RAN");

	if (is_root())
		return;
	if (ran && !strcmp(ran, "1"))
		_exit(0);
	harness_skip("takes root");
}

/* Mark the open descriptors; those that the listing itself uses are left out. */
static void list_fds(bool open_fds[FD_MAX])
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	memset(open_fds, 0, FD_MAX * sizeof(open_fds[0]));
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd < FD_MAX)
			open_fds[fd] = true;
	}
	closedir(dir);
}

static void check_fd_leak(const bool before[FD_MAX], const char *file)
{
	bool after[FD_MAX];

	list_fds(after);
	for (int fd = 0; fd < FD_MAX; fd++) {
		char path[32], target[256];
		ssize_t size;

		if (!after[fd] || before[fd])
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		size = readlink(path, target, sizeof(target) - 1);
		target[size > 0 ? size : 0] = 0;
		harness_fail(file, 0, "descriptor %d leaked: %s", fd, target);
	}
}

static void __attribute__((noreturn))
run_child(const struct harness_test *test, const sigset_t *mask)
{
	static bool fds[FD_MAX];

	setpgid(0, 0);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	/* Sanitizers catch some signals and exit instead. */
	if (test->signal)
		signal(test->signal, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	list_fds(fds);
	current = test;
	test->run();
	check_fd_leak(fds, test->file);
	exit(0);
}

/* Wait until the child is a zombie; not reaped, so that its pid stays ours. */
static bool wait_child(pid_t pid, unsigned int timeout, const sigset_t *sigchld)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout;
	for (;;) {
		siginfo_t info = {0};
		struct timespec slice = {.tv_sec = 1};

		if (!waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
		    info.si_pid == pid)
			return true;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec ||
		    (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec))
			return false;
		sigtimedwait(sigchld, NULL, &slice);
	}
}

static bool must_work(void)
{
	const char *value = getenv("SWSGX_MUST_WORK");

	return value && !strcmp(value, "1");
}

/* Runs one test and prints its TAP line.  Return: true unless it failed. */
static bool run_test(const struct harness_test *test, unsigned int number)
{
	char why[640] = "";
	sigset_t sigchld, mask;
	bool in_time;
	pid_t pid;
	int status;

	sigemptyset(&sigchld);
	sigaddset(&sigchld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &sigchld, &mask);
	memset(verdict, 0, sizeof(*verdict));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid)
		run_child(test, &mask);
	setpgid(pid, pid);
	in_time = wait_child(pid, test->timeout, &sigchld);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	sigprocmask(SIG_SETMASK, &mask, NULL);

	if (!in_time)
		snprintf(why, sizeof(why), "no end within %u s", test->timeout);
	else if (verdict->skipped && must_work())
		snprintf(why, sizeof(why), "skipped, which SWSGX_MUST_WORK forbids: %s",
			 verdict->reason);
	else if (verdict->skipped)
		;
	else if (test->signal && !(WIFSIGNALED(status) && WTERMSIG(status) == test->signal))
		snprintf(why, sizeof(why), "not ended by signal %d (wait status 0x%x)",
			 test->signal, (unsigned int)status);
	else if (!test->signal && WIFSIGNALED(status))
		snprintf(why, sizeof(why), "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else if (!test->signal && WEXITSTATUS(status))
		snprintf(why, sizeof(why), "exit status %d", WEXITSTATUS(status));

	if (why[0])
		fprintf(stderr, "# %s: %s\n", test->name, why);
	printf("%s %u - %s", why[0] ? "not ok" : "ok", number, test->name);
	if (!why[0] && verdict->skipped)
		printf(" # SKIP %s", verdict->reason);
	putchar('\n');
	fflush(stdout);
	return !why[0];
}

static bool wanted(const struct harness_test *test, char **patterns, int count)
{
	if (!count)
		return true;
	for (int i = 0; i < count; i++)
		if (!fnmatch(patterns[i], test->name, 0))
			return true;
	return false;
}

/* --- the bare machine ---------------------------------------------------------------- */

#define BARE_PREFIX "SWSGX_BARE_"

/**
 * harness_bare_register() - add a question to the list; what BARE() calls at start
 * @question: static
 */
void harness_bare_register(struct harness_bare *question)
{
	question->next = questions;
	questions = question;
}

/**
 * harness_bare_answer() - what the machine does without swsgx; see bare()
 */
long harness_bare_answer(const struct harness_bare *question)
{
	char name[128];
	const char *value;

	snprintf(name, sizeof(name), BARE_PREFIX "%s", question->name);
	value = getenv(name);
	return value ? strtol(value, NULL, 0) : question->usual;
}

/* In a child, which may die of it.  Return: below 0 where there is no answer. */
static long ask(const struct harness_bare *question)
{
	volatile long *answer = mmap(NULL, sizeof(*answer), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long ret;
	pid_t pid;

	if (answer == MAP_FAILED)
		return -1;
	*answer = -1;
	pid = fork();
	if (!pid) {
		alarm(HARNESS_TIMEOUT);
		*answer = question->ask();
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	ret = *answer;
	munmap((void *)answer, sizeof(*answer));
	return ret;
}

/**
 * harness_bare_main() - ask the questions of this program, then become a command
 * @command: ends with NULL; finds the answers in its environment
 *
 * Return: exit status, where there was no answer or no such command.
 */
int harness_bare_main(char **command)
{
	for (struct harness_bare *q = questions; q; q = q->next) {
		long answer = ask(q);
		char name[128], value[32];

		if (answer < 0) {
			fprintf(stderr, "# bare, %s: no answer\n", q->name);
			return 2;
		}
		if (answer != q->usual)
			fprintf(stderr,
				"# NOTE: this machine, without swsgx: %s is %#lx and not %#lx; "
				"tests expect that\n",
				q->name, (unsigned long)answer, (unsigned long)q->usual);
		snprintf(name, sizeof(name), BARE_PREFIX "%s", q->name);
		snprintf(value, sizeof(value), "%ld", answer);
		if (setenv(name, value, 1))
			return 2;
	}
	if (command[0])
		execvp(command[0], command);
	perror(command[0] ? command[0] : "--bare");
	return 2;
}

/**
 * harness_main() - run the registered tests that the arguments ask for
 *
 * Return: the exit status: 0, 1 where a test failed, 2 for wrong arguments.
 */
int harness_main(int argc, char **argv)
{
	unsigned int repeat = 1, number = 0, failed = 0, count = 0;
	int first = 1;

	for (; first < argc && argv[first][0] == '-'; first++) {
		if (!strcmp(argv[first], "--list")) {
			for (struct harness_test *t = tests; t; t = t->next)
				puts(t->name);
			return 0;
		}
		if (!strcmp(argv[first], "--rules")) {
			list_rules();
			return 0;
		}
		if (!strcmp(argv[first], "--bare"))
			return harness_bare_main(argv + first + 1);
		if (!strcmp(argv[first], "--repeat") && first + 1 < argc) {
			repeat = (unsigned int)strtoul(argv[++first], NULL, 0);
			continue;
		}
		fprintf(stderr,
			"usage: %s [--list] [--rules] [--repeat N] [NAME-PATTERN...] | --bare "
			"COMMAND...\n",
			argv[0]);
		return 2;
	}
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (verdict == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	for (struct harness_test *t = tests; t; t = t->next)
		count += wanted(t, argv + first, argc - first);
	if (!count) {
		fprintf(stderr, "%s: no test of that name\n", argv[0]);
		return 2;
	}
	printf("1..%u\n", count * repeat);
	for (unsigned int round = 0; round < repeat; round++)
		for (struct harness_test *t = tests; t; t = t->next)
			if (wanted(t, argv + first, argc - first))
				failed += !run_test(t, ++number);
	return failed ? 1 : 0;
}
