/* SPDX-License-Identifier: BSD-3-Clause */
/* What else a program sees: vDSO, maps, descriptors, filters, the device, CPUID. */
#include "case.h"

#include <cpuid.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

typedef int clock_fn(clockid_t id, struct timespec *ts);

/* By DT_HASH, as the kernel's own selftests do; DT_GNU_HASH only: the kernel's */
static clock_fn *vdso_clock(void)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR), bias = 0;
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !bias)
			bias = base + ph[i].p_offset - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(base + ph[i].p_offset);
	}
	must(dyn != NULL);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const Elf64_Sym *)(bias + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			str = (const char *)(bias + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)(bias + dyn->d_un.d_ptr);
	}
	must(sym && str);
	for (uint32_t i = 0; i < (hash ? hash[1] : 12); i++)
		if (sym[i].st_shndx && strcmp(str + sym[i].st_name, "__vdso_clock_gettime") == 0)
			return (clock_fn *)(bias + sym[i].st_value);
	return NULL;
}

static bool ordered(clock_fn *fn)
{
	struct timespec a, b, c;

	must(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a) == 0);
	must(fn(CLOCK_MONOTONIC, &b) == 0);
	must(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &c) == 0);
#define NS(t) ((t).tv_sec * 1000000000ll + (t).tv_nsec)
	return NS(a) <= NS(b) && NS(b) <= NS(c);
}

CASE(vdso_by_hash)
{
	clock_fn *fn = vdso_clock();

	must(fn != NULL);
	say("ordered %d", ordered(fn));
}

CASE(vdso_by_dlsym)
{
	void *lib = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	clock_fn *fn;

	must(lib != NULL);
	fn = (clock_fn *)dlvsym(lib, "__vdso_clock_gettime", "LINUX_2.6");
	must(fn != NULL);
	say("ordered %d, libc's %d", ordered(fn), ordered(clock_gettime));
}

CASE(vdso_getcpu_time)
{
	struct timespec ts;
	unsigned int cpu = ~0u;
	time_t now = time(NULL);

	must(syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts) == 0);
	must(getcpu(&cpu, NULL) == 0);
	say("time %d cpu %d", ts.tv_sec - now <= 1, cpu < 4096);
}

CASE(maps_readable)
{
	bool stack = false, exe = false, vdso = false;
	uintptr_t ehdr = getauxval(AT_SYSINFO_EHDR), last = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	char line[4500];
	bool sorted = true;

	must(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		uintptr_t start, end;

		must(sscanf(line, "%lx-%lx", &start, &end) == 2);
		sorted = sorted && start >= last && end > start;
		last = end;
		stack = stack || strstr(line, "[stack]");
		exe = exe || strstr(line, "/env\n");
		vdso = vdso || (ehdr >= start && ehdr < end);
	}
	fclose(f);
	say("sorted %d stack %d exe %d vdso %d", sorted, stack, exe, vdso);
}

CASE(close_everything)
{
	int fd, high;

	fd = open("/dev/null", O_RDONLY);
	high = fcntl(fd, F_DUPFD, 700);
	must(high >= 700);
	say("close_range %ld", syscall(SYS_close_range, 3, ~0u, 0));
	say("closed %d %d", fcntl(fd, F_GETFD), fcntl(high, F_GETFD));
	closefrom(3);
	fd = open("/proc/cpuinfo", O_RDONLY);
	say("next %d", fd);
	say_status("sh", ({
			   pid_t pid = fork();
			   if (pid == 0) {
				   execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
				   _exit(9);
			   }
			   pid;
		   }));
	say_errno("order", syscall(SYS_close_range, 9, 3, 0));
	say_errno("flags", syscall(SYS_close_range, 3, ~0u, 64));
}

/* The loop of old daemons, over every number that the limit allows */
CASE(close_loop)
{
	struct rlimit lim;

	must(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	if (lim.rlim_cur > 65536)
		lim.rlim_cur = 65536;
	for (int fd = 3; fd < (int)lim.rlim_cur; fd++)
		close(fd);
	say("fork and exec still work: %d", system("exit 6") >> 8);
}

/* Every number can be had but a few that the machine has taken (CAVEATS). */
CASE(dup_high)
{
	struct rlimit lim;
	int fd = open("/dev/null", O_RDONLY), bad = 0;

	must(fd >= 0 && getrlimit(RLIMIT_NOFILE, &lim) == 0);
	if (lim.rlim_cur > 4096)
		lim.rlim_cur = 4096;
	for (int i = 100; i < (int)lim.rlim_cur; i++)
		bad += !(dup2(fd, i) == i && close(i) == 0);
	say("more than a few fail %d", bad > 4);
	say("past the limit %d", dup2(fd, 1 << 30));
	say("exec %d", system("exit 2") >> 8);
}

CASE(nofile_low)
{
	struct rlimit lim = {8, 8};
	int fds[10], n = 0;

	must(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	while ((fds[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	say("n %d errno %d", n, errno);
	while (n)
		close(fds[--n]);
	say("sh %d", system("exit 11") >> 8);
}

CASE(no_new_privs)
{
	say("set %d", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	say("get %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static volatile sig_atomic_t sys_count;
static siginfo_t sys_info;

static void on_sys(int sig, siginfo_t *info, void *uc)
{
	sys_count++;
	sys_info = *info;
}

/* A filter of the program's own: allows, refuses, traps what ours does not */
CASE(own_seccomp)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 55),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sysinfo, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 7),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};
	int fd;

	catch_info(SIGSYS, on_sys, 0);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	say("seccomp %ld", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	say_errno("refused", syscall(SYS_getpriority, 0, 0));
	syscall(SYS_sysinfo, NULL);
	say("trapped %d: code %d errno %d syscall %d", sys_count, sys_info.si_code,
	    sys_info.si_errno, sys_info.si_syscall);
	fd = open("/dev/null", O_RDONLY);
	say("open %d", fd >= 0);
	say("sh %d", system("exit 13") >> 8);
}

/* What a sandboxed worker of nginx or OpenSSH allows, and some more */
CASE(strict_seccomp)
{
	static const int allowed[] = {SYS_read,		 SYS_write,	   SYS_close,
				      SYS_openat,	 SYS_newfstatat,   SYS_fstat,
				      SYS_mmap,		 SYS_munmap,	   SYS_mprotect,
				      SYS_brk,		 SYS_rt_sigaction, SYS_rt_sigprocmask,
				      SYS_rt_sigreturn,	 SYS_exit_group,   SYS_exit,
				      SYS_getpid,	 SYS_gettid,	   SYS_tgkill,
				      SYS_clock_gettime, SYS_futex,	   SYS_lseek};
	enum { N = sizeof(allowed) / sizeof(allowed[0]) };
	struct sock_filter code[3 + N * 2];
	struct sock_fprog prog = {0, code};
	char buf[16];
	int fd, n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (int i = 0; i < N; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (uint32_t)allowed[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	prog.len = (unsigned short)n;
	catch_info(SIGUSR1, on_sys, 0);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0);
	fd = open("/dev/zero", O_RDONLY);
	say("open %d read %d", fd >= 0, (int)read(fd, buf, sizeof(buf)));
	raise(SIGUSR1);
	block(SIGUSR1);
	raise(SIGUSR1);
	unblock(SIGUSR1);
	say("count %d close %d", sys_count, close(fd));
}

CASE(map_loops)
{
	for (int i = 0; i < 2000; i++) {
		char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		must(p != MAP_FAILED);
		p[100] = 1;
		must(mprotect(p + 4096, 4096, PROT_NONE) == 0);
		p = mremap(p, 4096, 8192, MREMAP_MAYMOVE);
		must(p != MAP_FAILED && p[100] == 1);
		must(madvise(p, 4096, MADV_DONTNEED) == 0 && p[100] == 0);
		must(munmap(p, 8192) == 0);
	}
	say("done");
}

CASE(map_files)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	must(fd >= 0);
	for (int i = 0; i < 200; i++) {
		char *p = mmap(NULL, 4096, PROT_READ, i & 1 ? MAP_SHARED : MAP_PRIVATE, fd, 0);

		must(p != MAP_FAILED && memcmp(p, "\177ELF", 4) == 0 && munmap(p, 4096) == 0);
	}
	say_errno("bad", mmap(NULL, 4096, PROT_READ, MAP_SHARED, 99, 0));
}

CASE(cpuinfo_opens)
{
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	char buf[256];
	FILE *f;
	bool sgx = false;
	char *line = NULL;
	size_t size = 0;

	must(fd >= 0);
	say("cloexec %d", fcntl(fd, F_GETFD) & FD_CLOEXEC);
	say("read %d", read(fd, buf, sizeof(buf)) == sizeof(buf));
	say("processor first %d", strncmp(buf, "processor", 9) == 0);
	close(fd);
	f = fopen("/proc/cpuinfo", "re");
	must(f != NULL);
	while (getline(&line, &size, f) > 0)
		if (strncmp(line, "flags", 5) == 0)
			sgx = sgx || strstr(line, " sgx");
	fclose(f);
	say("sgx as expected %d", sgx || !under_swsgx());
	say("writing %d", open("/proc/cpuinfo", O_WRONLY | O_TRUNC) >= 0 && getuid() != 0);
}

/* Only under swsgx is there a device for certain. */
CASE(device_there)
{
	struct stat st;
	int fd;

	if (!under_swsgx()) {
		say("stat 0 character 1 access 0 open 1");
		say("missing: -1, errno %d", ENOENT);
		return;
	}
	memset(&st, 0, sizeof(st));
	int a = stat("/dev/sgx_enclave", &st), b = access("/dev/sgx_enclave", R_OK | W_OK);

	fd = open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC);
	say("stat %d character %d access %d open %d", a, S_ISCHR(st.st_mode), b, fd >= 0);
	say_errno("missing", open("/dev/sgx_nonsense", O_RDWR));
}

CASE(cpuid_sgx)
{
	unsigned int a, b, c, d;

	if (!under_swsgx()) {
		say("leaf 7 1, sgx1 1, attributes 1, section 1");
		return;
	}
	__cpuid_count(7, 0, a, b, c, d);
	bool seven = b >> 2 & 1;

	__cpuid_count(0x12, 0, a, b, c, d);
	bool sgx1 = a & 1;

	__cpuid_count(0x12, 1, a, b, c, d);
	bool attributes = (a & 6) == 6; /* DEBUG and MODE64BIT may be set */

	__cpuid_count(0x12, 2, a, b, c, d);
	say("leaf 7 %d, sgx1 %d, attributes %d, section %d", seven, sgx1, attributes,
	    (a & 15) == 1);
}

/* A fork child and a new program see the same machine. */
CASE(cpuid_in_child)
{
	unsigned int a, b, c, d;
	pid_t pid = fork();

	if (pid == 0) {
		__cpuid_count(7, 0, a, b, c, d);
		_exit(under_swsgx() ? (b >> 2 & 1) : 1);
	}
	say_status("child", pid);
}

/* Which numbers are open, as programs find out that have no /proc */
CASE(open_descriptors)
{
	int seen[4] = {0};
	struct stat st;

	for (int fd = 3; fd < 2000; fd++) {
		int copy = dup(fd);

		seen[0] += fcntl(fd, F_GETFD) >= 0;
		seen[1] += fstat(fd, &st) == 0;
		seen[2] += syscall(SYS_fstat, fd, &st) == 0;
		seen[3] += copy >= 0;
		if (copy >= 0)
			close(copy);
	}
	say("open: %d %d %d %d", seen[0], seen[1], seen[2], seen[3]);
}
