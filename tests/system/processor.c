/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SGX software looks at before it opens the device: CPUID, /proc/cpuinfo,
 * sysfs.  Run twice, with `--cpu host` and `--cpu intel`, which the environment
 * says (PROCESSOR).  Code in anonymous memory has CPUID that nobody finds: it
 * tells what the processor is.  Where CPUID faults, it is made not to for that.
 */
#include <harness/harness.h>

#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ARCH_GET_CPUID 0x1011
#define ARCH_SET_CPUID 0x1012

struct regs {
	uint32_t a, b, c, d;
};

static struct regs ask(uint32_t leaf, uint32_t subleaf)
{
	struct regs r;

	__cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
	return r;
}

/* void real(leaf: edi, subleaf: esi, regs: rdx), as the SysV ABI has it */
static const uint8_t code[] = {
	0x53, /* push rbx */
	0x49, 0x89, 0xd0, /* mov r8, rdx */
	0x89, 0xf8, /* mov eax, edi */
	0x89, 0xf1, /* mov ecx, esi */
	0x0f, 0xa2, /* cpuid */
	0x41, 0x89, 0x00, /* mov [r8], eax */
	0x41, 0x89, 0x58, 0x04, /* mov [r8 + 4], ebx */
	0x41, 0x89, 0x48, 0x08, /* mov [r8 + 8], ecx */
	0x41, 0x89, 0x50, 0x0c, /* mov [r8 + 12], edx */
	0x5b, 0xc3, /* pop rbx; ret */
};

static struct regs really(uint32_t leaf, uint32_t subleaf)
{
	static void (*fn)(uint32_t leaf, uint32_t subleaf, struct regs * regs);
	struct regs r;

	if (!fn) {
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		memcpy(p, code, sizeof(code));
		*(void **)&fn = p;
	}
	if (syscall(SYS_arch_prctl, ARCH_GET_CPUID) == 0) {
		CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1ul), 0);
		fn(leaf, subleaf, &r);
		CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0ul), 0);
	} else {
		fn(leaf, subleaf, &r);
	}
	return r;
}

static bool is_vendor(const char *name)
{
	struct regs r = ask(0, 0);

	return !memcmp(&r.b, name, 4) && !memcmp(&r.d, name + 4, 4) && !memcmp(&r.c, name + 8, 4);
}

static bool intel_wanted(void)
{
	const char *p = getenv("PROCESSOR");

	CHECK(p && (!strcmp(p, "intel") || !strcmp(p, "host")));
	return !strcmp(p, "intel");
}

static uint64_t xcr0(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

/* ---- SGX, both ways -------------------------------------------------------- */

TEST(sgx_is_there)
{
	CHECK(ask(0, 0).a >= 0x12);
	CHECK(ask(7, 0).b & 1u << 2);
	CHECK(ask(7, 0).c & 1u << 30);
	CHECK(ask(0x12, 0).a & 1); /* SGX1 */
	CHECK(ask(0x12, 0).b & 1); /* EXINFO */
	/* the largest enclaves: 2^31 and more than that */
	CHECK_EQ(ask(0x12, 0).d & 0xff, 31);
	CHECK((ask(0x12, 0).d >> 8 & 0xff) >= 36);
	/* DEBUG, MODE64BIT, PROVISIONKEY, EINITTOKENKEY */
	CHECK_EQ(ask(0x12, 1).a & 0x36, 0x36);
}

/*
 * What an enclave may have of XSAVE: within what 0DH has and XCR0 enables, x87 and
 * SSE always; and where the offsets are not Intel's, nothing that has one.
 */
TEST(xfrm_agrees_with_xsave)
{
	struct regs all = ask(0xd, 0), sgx = ask(0x12, 1);
	uint64_t xfrm = (uint64_t)sgx.d << 32 | sgx.c, have = (uint64_t)all.d << 32 | all.a;
	uint64_t end = 576;

	CHECK_EQ(xfrm & 3, 3);
	CHECK_EQ(xfrm & ~have, 0);
	CHECK_EQ(xfrm & ~xcr0(), 0);
	for (uint32_t i = 2; i < 63; i++) {
		struct regs r = ask(0xd, i), is = really(0xd, i);

		CHECK_EQ(r.a, is.a);
		CHECK_EQ(r.b, is.b);
		CHECK_EQ(r.c, is.c);
		if (!(xfrm >> i & 1))
			continue;
		CHECK(r.a);
		if (r.b + (uint64_t)r.a > end)
			end = r.b + (uint64_t)r.a;
	}
	CHECK(end <= all.c);
	if (ask(0xd, 2).a) {
		CHECK_EQ(ask(0xd, 2).a, 256);
		CHECK_EQ(ask(0xd, 2).b, 576);
	}
	/* SDM: the standard offsets of AVX-512 on Intel's */
	if (xfrm & 0xe0) {
		CHECK_EQ(ask(0xd, 5).b, 1088);
		CHECK_EQ(ask(0xd, 6).b, 1152);
		CHECK_EQ(ask(0xd, 7).b, 1664);
	}
}

static long read_number(const char *path)
{
	long v = -1;
	FILE *f = fopen(path, "re");

	if (f) {
		if (fscanf(f, "%ld", &v) != 1)
			v = -1;
		fclose(f);
	}
	return v;
}

TEST(epc_sections_and_sysfs)
{
	uint64_t total = 0;
	uint32_t sub;

	for (sub = 2; (ask(0x12, sub).a & 0xf) == 1; sub++) {
		struct regs r = ask(0x12, sub);

		CHECK(sub < 34);
		CHECK((r.a & 0xff0) == 0 && (r.b >> 20) == 0 && (r.d >> 20) == 0);
		CHECK((r.c & 0xf) == 1 || (r.c & 0xf) == 2);
		total += (r.c & 0xfffff000u) | (uint64_t)(r.d & 0xfffff) << 32;
	}
	CHECK(sub > 2);
	CHECK_EQ(ask(0x12, sub).a | ask(0x12, sub).b | ask(0x12, sub).c | ask(0x12, sub).d, 0);
	CHECK_EQ(read_number("/sys/devices/system/node/node0/x86/sgx_total_bytes"), (long)total);
}

TEST(no_instruction_is_claimed)
{
	CHECK_EQ(ask(1, 0).c, really(1, 0).c);
	CHECK_EQ(ask(1, 0).d, really(1, 0).d);
	CHECK_EQ(ask(7, 0).b | 1u << 2, really(7, 0).b | 1u << 2);
	CHECK_EQ(ask(7, 0).c | 1u << 30, really(7, 0).c | 1u << 30);
	CHECK_EQ(ask(7, 0).d, really(7, 0).d);
	CHECK_EQ(ask(7, 1).a, really(7, 1).a);
	CHECK_EQ(ask(0x80000001, 0).c, really(0x80000001, 0).c);
	CHECK_EQ(ask(0x80000001, 0).d, really(0x80000001, 0).d);
	CHECK_EQ(ask(0x80000007, 0).d, really(0x80000007, 0).d);
}

/* ---- the maker -------------------------------------------------------------- */

TEST(vendor)
{
	if (intel_wanted()) {
		CHECK(is_vendor("GenuineIntel"));
		CHECK_EQ(ask(1, 0).a >> 8 & 0xf, 6);
	} else {
		CHECK_EQ(ask(0, 0).b, really(0, 0).b);
		CHECK_EQ(ask(1, 0).a, really(1, 0).a);
	}
}

/* The walks that libraries make on Intel's come to an end. */
TEST(walks_end)
{
	uint32_t i, data = 0;

	if (!is_vendor("GenuineIntel")) {
		CHECK(!intel_wanted());
		return;
	}
	CHECK_EQ(ask(2, 0).a & 0xff, 1);
	for (i = 0; ask(4, i).a & 0x1f; i++) {
		struct regs r = ask(4, i);

		CHECK(i < 16);
		CHECK_EQ((r.b & 0xfff) + 1, 64); /* line */
		CHECK((r.a >> 5 & 7) >= 1 && (r.a >> 5 & 7) <= 4);
		data |= (r.a & 0x1f) == 1;
	}
	if (i)
		CHECK(data);
	for (i = 0; ask(0xb, i).c >> 8 & 0xff; i++)
		CHECK(i < 16);
	if (ask(0x15, 0).b)
		CHECK_EQ((ask(0x15, 0).c * (uint64_t)ask(0x15, 0).b / ask(0x15, 0).a + 500000) /
				 1000000,
			 ask(0x16, 0).a);
}

/* ---- the time stamp counter -------------------------------------------------- */

struct moment {
	uint64_t tsc, ns;
};

/* Both at once: of many pairs the one whose reading took least */
static struct moment moment(void)
{
	struct moment best = {0, 0};
	uint64_t least = ~0ull;

	for (int i = 0; i < 2000; i++) {
		struct timespec ts;
		uint64_t before = __rdtsc(), took;

		CHECK_SYS(clock_gettime(CLOCK_MONOTONIC_RAW, &ts));
		took = __rdtsc() - before;
		if (took < least) {
			least = took;
			best.tsc = before + took / 2;
			best.ns = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
		}
	}
	return best;
}

static bool constant_tsc(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	static char line[8192];
	bool found = false;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "flags", 5) && strstr(line, " constant_tsc"))
			found = true;
	fclose(f);
	return found;
}

/*
 * SDM, leaf 15H: ECX * EBX / EAX.  It is there wherever the counter is constant, or the
 * processor's own leaf has no frequency of the crystal; and it is true.
 */
TEST(tsc_frequency)
{
	struct regs r = ask(0x15, 0);
	struct moment a, b;
	double said, is;

	if (!constant_tsc())
		SKIP("the time stamp counter is not constant here");
	CHECK(ask(0, 0).a >= 0x15);
	CHECK(r.a && r.b);
	if (!r.c) {
		CHECK_EQ(really(0x15, 0).b, r.b);
		SKIP("the processor's own leaf 15H does not name its crystal's frequency");
	}
	said = (double)r.c * r.b / r.a;
	a = moment();
	do
		b = moment();
	while (b.ns - a.ns < 20000000);
	is = (double)(b.tsc - a.tsc) * 1e9 / (double)(b.ns - a.ns);
	if (said / is < 0.998 || said / is > 1.002)
		FAIL("leaf 15H says %.0f Hz, and it is %.0f", said, is);
}

/* ---- /proc/cpuinfo ------------------------------------------------------------ */

/* "key<tabs>: value": the value, or NULL */
static const char *value_of(char *line, const char *key)
{
	size_t n = strlen(key);
	char *p = line + n;

	if (strncmp(line, key, n))
		return NULL;
	p += strspn(p, "\t");
	if (p[0] != ':')
		return NULL;
	p[strcspn(p, "\n")] = 0;
	return p + strspn(p, ": ");
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

TEST(cpuinfo_says_what_cpuid_says)
{
	struct regs r = ask(1, 0);
	unsigned family = r.a >> 8 & 0xf, model = r.a >> 4 & 0xf;
	unsigned vendors = 0, families = 0, models = 0, names = 0, flags = 0, levels = 0;
	unsigned processors = 0, steppings = 0;
	char *line = NULL, name[49] = "";
	size_t size = 0;
	FILE *f = fopen("/proc/cpuinfo", "re");

	CHECK(f);
	if (family == 0xf)
		family += r.a >> 20 & 0xff;
	if (family >= 6)
		model |= r.a >> 12 & 0xf0;
	for (uint32_t i = 0; i < 3; i++) {
		r = ask(0x80000002 + i, 0);
		memcpy(name + 16 * i, &r, 16);
	}
	while (getline(&line, &size, f) > 0) {
		const char *v;

		processors += !!value_of(line, "processor");
		if ((v = value_of(line, "vendor_id"))) {
			vendors++;
			CHECK(is_vendor(v));
		} else if ((v = value_of(line, "cpu family"))) {
			families++;
			CHECK_EQ(strtoul(v, NULL, 10), family);
		} else if ((v = value_of(line, "model"))) {
			models++;
			CHECK_EQ(strtoul(v, NULL, 10), model);
		} else if ((v = value_of(line, "model name"))) {
			names++;
			/* Linux drops the blanks that some makers fill up with */
			CHECK(strstr(name, v) || intel_wanted() == 0);
			if (intel_wanted() && ask(0x80000000, 0).b == 0)
				CHECK(!strcmp(name, v));
		} else if ((v = value_of(line, "stepping"))) {
			steppings++;
			CHECK_EQ(strtoul(v, NULL, 10), ask(1, 0).a & 0xf);
		} else if ((v = value_of(line, "cpuid level"))) {
			levels++;
			CHECK_EQ(strtoul(v, NULL, 10), ask(0, 0).a);
		} else if ((v = value_of(line, "flags"))) {
			flags++;
			CHECK(has_word(v, "sgx"));
			CHECK(has_word(v, "sgx_lc"));
			CHECK_EQ(has_word(v, "avx"), ask(1, 0).c >> 28 & 1);
		}
	}
	free(line);
	fclose(f);
	CHECK_EQ(processors, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
	CHECK_EQ(vendors, processors);
	CHECK_EQ(families, processors);
	CHECK_EQ(models, processors);
	CHECK_EQ(names, processors);
	CHECK_EQ(steppings, processors);
	CHECK_EQ(levels, processors);
	CHECK_EQ(flags, processors);
}

/* Read in odd pieces, and from the middle: it is a file. */
TEST(cpuinfo_in_pieces)
{
	char a[8192], b[8192];
	ssize_t n = 0, m = 0, k;
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	while (n < (ssize_t)sizeof(a) && (k = read(fd, a + n, sizeof(a) - (size_t)n)) > 0)
		n += k;
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	while (m < n && (k = read(fd, b + m, (size_t)(n - m < 7 ? n - m : 7))) > 0)
		m += k;
	close(fd);
	CHECK_EQ(n, m);
	/* "cpu MHz" is of the open, so that both are the same */
	CHECK(!memcmp(a, b, (size_t)n));
	/* 0444: root may, and has nothing of it */
	if (geteuid())
		CHECK_ERRNO(open("/proc/cpuinfo", O_RDWR | O_CLOEXEC), EACCES);
}
