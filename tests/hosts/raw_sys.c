/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program without libc wants: system calls, words on a line, main(). */
#include "raw.h"

#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/wait.h>

const char *raw_dir;
static char dir[4096];
static bool worn; /* a failure was reported: by one thread is enough */

void raw_start(uint64_t *stack) __attribute__((noreturn));
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(size)::"memory");
	return to;
}

void *memset(void *to, int value, size_t size)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(value) : "memory");
	return to;
}

long raw_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static uint64_t length(const char *s)
{
	uint64_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

bool same_bytes(const void *a, const void *b, uint64_t size)
{
	const uint8_t *x = a, *y = b;

	for (uint64_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return false;
	return true;
}

/* A line is one write: threads of several processes share the descriptor */
static char *put(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	return to;
}

static char *put_number(char *to, uint64_t n, unsigned int radix)
{
	char digits[24];
	unsigned int i = 0;

	do {
		digits[i++] = "0123456789abcdef"[n % radix];
		n /= radix;
	} while (n);
	while (i)
		*to++ = digits[--i];
	return to;
}

void say(const char *text)
{
	sys3(__NR_write, 1, text, length(text));
}

void say_number(const char *text, uint64_t n)
{
	char line[256], *p = put(line, text);

	p = put(put_number(p, n, 10), "\n");
	sys3(__NR_write, 1, line, p - line);
}

void fail_at(const char *what, int line, uint64_t a, uint64_t b)
{
	char text[512], *p = put(text, "# line ");

	p = put(put_number(p, (uint64_t)line, 10), ": ");
	p = put(put(p, what), ": 0x");
	p = put(put_number(p, a, 16), ", 0x");
	p = put(put_number(p, b, 16), "\n");
	if (!__atomic_exchange_n(&worn, true, __ATOMIC_RELAXED))
		sys3(__NR_write, 2, text, p - text);
	for (;;)
		sys1(__NR_exit_group, STATUS_FAIL);
}

void skip(const char *why)
{
	sys3(__NR_write, 2, why, length(why));
	for (;;)
		sys1(__NR_exit_group, STATUS_SKIP);
}

void *map_anon(uint64_t size, int prot)
{
	long p = sys6(__NR_mmap, 0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p > 0 || p < -4095);
	return (void *)p;
}

static bool must_work(char **env)
{
	for (; *env; env++)
		if (same(*env, "SWSGX_MUST_WORK=1"))
			return true;
	return false;
}

/* Each case is a process of its own.  Return: it went as it should. */
static bool run_case(const struct raw_case *c, uint64_t number, char **env)
{
	char line[256], *p = line;
	int status = 0;
	long pid = sys0(__NR_fork);
	bool ok, skipped;

	if (!pid) {
		/* the case's own: another case's signals must not end it */
		sys2(__NR_setpgid, 0, 0);
		sys2(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
		sys1(__NR_alarm, 60);
		c->run();
		sys1(__NR_exit_group, 0);
	}
	while (sys4(__NR_wait4, pid, &status, 0, 0) == -EINTR)
		;
	skipped = status == STATUS_SKIP << 8 && !must_work(env);
	ok = c->death ? (status & 0x7f) == c->death : !status || skipped;
	p = put(put_number(put(p, ok ? "ok " : "not ok "), number, 10), " - ");
	p = put(p, c->name);
	if (skipped)
		p = put(p, " # SKIP");
	if (!ok)
		p = put_number(put(p, " # wait status 0x"), (uint64_t)status, 16);
	p = put(p, "\n");
	sys3(__NR_write, 1, line, p - line);
	return ok;
}

/* [--repeat N] [NAME...] */
void raw_start(uint64_t *stack)
{
	char **argv = (char **)(stack + 1), **env = argv + stack[0] + 1;
	uint64_t rounds = 1, number = 0, count = 0, failed = 0;
	char *end = put(dir, argv[0]);

	while (end > dir && end[-1] != '/')
		end--;
	*end = 0;
	raw_dir = dir;
	argv++;
	if (*argv && same(*argv, "--repeat")) {
		rounds = 0;
		for (const char *s = argv[1]; *s; s++)
			rounds = rounds * 10 + (uint64_t)(*s - '0');
		argv += 2;
	}
	for (int pass = 0; pass < 2; pass++) {
		if (pass)
			say_number("1..", count * rounds);
		for (uint64_t round = 0; round < (pass ? rounds : 1); round++) {
			for (const struct raw_case *c = raw_cases; c->name; c++) {
				bool wanted = !*argv;

				for (char **a = argv; *a; a++)
					wanted |= same(*a, c->name);
				if (!wanted)
					continue;
				if (pass)
					failed += !run_case(c, ++number, env);
				else
					count++;
			}
		}
	}
	for (;;)
		sys1(__NR_exit_group, failed || !count);
}
