/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID as an instruction: what it leaves alone, where it is found, and what is
 * left behind.  What it answers is the same here bare and under swsgx where SGX is
 * masked off; tests/system/processor.c has the rest.
 */
#include "case.h"

#include <cpuid.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#define SGX_EBX	   (1u << 2)
#define SGX_LC_ECX (1u << 30)
#define PAGE	   4096ul

typedef void ask_fn(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

static void ask(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	__cpuid_count(leaf, subleaf, regs[0], regs[1], regs[2], regs[3]);
}

/* Does it answer for the machine?  Bare there is none to answer for. */
static bool answered(ask_fn *fn)
{
	uint32_t r[4];

	fn(7, 0, r);
	return !under_swsgx() || r[1] & SGX_EBX;
}

CASE(feature_bits_and_layout)
{
	static const uint32_t leaves[] = {5, 6, 0xa, 0x80000001, 0x80000007, 0x80000008};
	uint32_t r[4];

	ask(0, 0, r);
	say("vendor %08x %08x %08x", r[1], r[2], r[3]);
	ask(1, 0, r);
	say("1: %08x %08x %08x", r[0], r[2], r[3]); /* EBX has the APIC id */
	ask(7, 0, r);
	say("7: %x %08x %08x %08x", r[0], r[1] & ~SGX_EBX, r[2] & ~SGX_LC_ECX, r[3]);
	ask(7, 1, r);
	say("7.1: %08x %08x %08x %08x", r[0], r[1], r[2], r[3]);
	for (uint32_t i = 0; i < 63; i++) {
		ask(0xd, i, r);
		if (r[0] | r[2] | r[3])
			say("d.%u: %08x %08x %08x %08x", i, r[0], r[1], r[2], r[3]);
	}
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		ask(leaves[i], 0, r);
		say("%x: %08x %08x %08x %08x", leaves[i], r[0], r[1], r[2], r[3]);
	}
	for (uint32_t i = 0; i < 3; i++) {
		ask(0x80000002 + i, 0, r);
		say("%.4s%.4s%.4s%.4s", (char *)&r[0], (char *)&r[1], (char *)&r[2], (char *)&r[3]);
	}
}

/* SDM: the four registers are cleared above bit 31; flags and all others stay. */
CASE(registers)
{
	uint64_t a = 0xaaaaaaaa00000001, b = ~0ull, c = 0xcccccccc00000000, d = ~0ull, flags = 0;
	uint64_t r8 = 8, r15 = 15, si = 6, di = 7, want = 0x246 | 0x8d5;

	__asm__ volatile("push %[want]\n\t"
			 "popfq\n\t"
			 "cpuid\n\t"
			 "pushfq\n\t"
			 "pop %[flags]\n\t"
			 "cld"
			 : "+a"(a), "+b"(b), "+c"(c), "+d"(d), [flags] "=&r"(flags), "+S"(si),
			   "+D"(di)
			 : [want] "r"(want)
			 : "cc", "memory");
	say("high halves %llx %llx %llx %llx", (unsigned long long)a >> 32,
	    (unsigned long long)b >> 32, (unsigned long long)c >> 32, (unsigned long long)d >> 32);
	say("flags %llx", (unsigned long long)flags & 0xcd5);
	say("others %d", r8 == 8 && r15 == 15 && si == 6 && di == 7);
}

/* Vector registers are live over it. */
CASE(vectors)
{
	uint32_t a = 7, b, c = 0, d;
	uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2] = {0, 0};

	__asm__ volatile("movups %[in], %%xmm5\n\t"
			 "cpuid\n\t"
			 "movups %%xmm5, %[out]"
			 : "+a"(a), "=b"(b), "+c"(c), "=d"(d), [out] "=m"(out)
			 : [in] "m"(in)
			 : "xmm5");
	say("xmm5 %d", !memcmp(in, out, sizeof(in)));
}

static sigjmp_buf back;
static volatile sig_atomic_t ill_code;
static volatile uintptr_t ill_addr;

static void on_ill(int sig, siginfo_t *info, void *uc)
{
	ill_code = info->si_code;
	ill_addr = (uintptr_t)info->si_addr;
	siglongjmp(back, 1);
}

/* Does calling fn end in SIGILL? */
static bool is_ill(void (*fn)(void))
{
	catch_info(SIGILL, on_ill, 0);
	if (sigsetjmp(back, 1))
		return true;
	fn();
	return false;
}

static void die(void)
{
	__asm__ volatile("ud2");
}

CASE(own_ud2)
{
	say("ud2: ill %d, code %d", is_ill(die), (int)ill_code);
}

static void *load(const char **what, ask_fn **fn, void (**die_fn)(void))
{
	void *lib = dlopen(beside("libcpuid_lib.so"), RTLD_NOW | RTLD_LOCAL);

	*what = lib ? "" : dlerror();
	if (!lib)
		return NULL;
	*(void **)fn = dlsym(lib, "cpuid_lib_ask");
	*(void **)die_fn = dlsym(lib, "cpuid_lib_die");
	return lib;
}

CASE(in_a_library)
{
	const char *what;
	void (*lib_die)(void);
	ask_fn *fn;
	int good = 0, ill = 0;

	/* the first time the machine may not know the file */
	for (int i = 0; i < 20; i++) {
		void *lib = load(&what, &fn, &lib_die);

		must(lib);
		good += answered(fn);
		ill += is_ill(lib_die);
		must(dlclose(lib) == 0);
	}
	say("answered %d, ill %d", good, ill);
}

/* Nothing stays of a library that is gone: UD2 and HLT at the place of its CPUID. */
CASE(other_where_cpuid_was)
{
	const char *what;
	void (*lib_die)(void), (*f)(void);
	ask_fn *fn;
	uint8_t *page, *p;
	void *lib = load(&what, &fn, &lib_die);

	must(lib);
	say("answered %d", answered(fn));
	/* where the instruction is: 0F A2, or what stands for it */
	for (p = (uint8_t *)(uintptr_t)fn;
	     !(p[0] == 0x0f && p[1] == 0xa2) && !(p[0] == 0xf4 && p[1] == 0x17); p++)
		must(p < (uint8_t *)(uintptr_t)fn + 100);
	must(dlclose(lib) == 0);
	page = (uint8_t *)((uintptr_t)p & ~(PAGE - 1));
	must(mmap(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	p[0] = 0x0f;
	p[1] = 0x0b;
	p[2] = 0xc3;
	*(void **)&f = p;
	say("ill %d at the place %d", is_ill(f), ill_addr == (uintptr_t)p);
	p[0] = 0xf4;
	p[1] = 0xcc;
	catch_info(SIGSEGV, on_ill, 0);
	say("segv %d, code %d", sigsetjmp(back, 1) || (f(), false), (int)ill_code);
}

/* The library's code stays one mapping, not writable. */
CASE(mapping_is_whole)
{
	const char *what;
	void (*lib_die)(void);
	ask_fn *fn;
	void *lib = load(&what, &fn, &lib_die);
	char line[512], prot[5] = "";
	int count = 0;
	FILE *f;

	must(lib);
	say("answered %d", answered(fn));
	f = fopen("/proc/self/maps", "re");
	must(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "libcpuid_lib.so"))
			continue;
		if (strstr(line, " r-xp "))
			count++;
		if (strstr(line, " rwxp "))
			snprintf(prot, sizeof(prot), "rwx");
	}
	fclose(f);
	say("r-x mappings %d, others '%s'", count, prot);
}

static void *thread_asks(void *arg)
{
	long good = 0;

	for (int i = 0; i < 200; i++)
		good += answered(ask);
	return (void *)good;
}

CASE(threads)
{
	pthread_t t[4];
	long good = 0;
	void *ret;

	for (int i = 0; i < 4; i++)
		must(!pthread_create(&t[i], NULL, thread_asks, NULL));
	for (int i = 0; i < 4; i++) {
		must(!pthread_join(t[i], &ret));
		good += (long)ret;
	}
	say("answered %ld", good);
}

static void child_asks(void)
{
	_exit(answered(ask) ? 7 : 8);
}

CASE(fork_and_vfork)
{
	pid_t pid;

	in_child("fork", child_asks);
	pid = vfork();
	if (!pid)
		child_asks();
	say_status("vfork", pid);
}

/* libgcc's table of the processor, made by a constructor of this very program */
CASE(libgcc)
{
	__builtin_cpu_init();
	say("sse2 %d avx2 %d avx512f %d", !!__builtin_cpu_supports("sse2"),
	    !!__builtin_cpu_supports("avx2"), !!__builtin_cpu_supports("avx512f"));
	say("amd %d intel %d", !!__builtin_cpu_is("amd"), !!__builtin_cpu_is("intel"));
}

/* Who has looked for SGX finds its devices by realpath(3) too, which is readlink. */
CASE(realpath_after_looking)
{
	char path[PATH_MAX];
	uint32_t r[4];

	ask(0x12, 0, r);
	if (!under_swsgx()) {
		say("it is /dev/sgx_enclave");
		return;
	}
	must(r[0] & 1); /* SGX1 */
	must(realpath("/dev/sgx_enclave", path));
	say("it is %s", path);
}
