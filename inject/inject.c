/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Injection at exec.
 *
 *  1. seize	the thread that is about to exec
 *  2. follow	until the exec event, or word that it failed
 *  3. settle	on to the syscall exit: execve still writes RAX on its way out
 *  4. borrow	a SYSCALL instruction at the program's entry, long enough to map
 *		the head page; from then on calls are made there, because an
 *		inherited filter lets nothing else pass
 *  5. map	the arena, the agent's image, our vDSO; name it in the auxv
 *  6. run	the agent's start; it ends in INT3
 *  7. restore	registers, mask; detach
 *
 * The program has not executed one instruction, and all its signals are blocked
 * until 7.  A failure after 4 kills the process with a line on its stderr: a
 * program without its agent would die of the first trapped system call.
 */
#include <inject/inject.h>

#include "filter.h"
#include "remote.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inject/cpuid.h>
#include <linux/prctl.h>
#include <poll.h>
#include <proto/agent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char inject_agent_image[], inject_agent_image_end[];
extern const char inject_vdso_image[], inject_vdso_image_end[];

#define AGENT_AT(off) ((uint64_t)PROTO_AGENT_BASE + (off))
#define PAGE_UP(x)    (((x) + 4095) & ~4095ull)
#define CS_64BIT      0x33

int inject_seize(pid_t tid)
{
	if (ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD) < 0)
		return -errno;
	return 0;
}

/* --- 5: what the kernel told the program, and our vDSO in its place ---------------- */

static ssize_t read_file(const char *path, void *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, total = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, (char *)buf + total, size - (size_t)total)) > 0)
		total += n;
	close(fd);
	return n < 0 ? -errno : total;
}

static uint64_t auxv_get(const struct proto_agent_params *p, uint64_t type)
{
	for (size_t i = 0; i + 1 < p->auxv_size / 8; i += 2)
		if (p->auxv[i] == type)
			return p->auxv[i + 1];
	return 0;
}

/* The auxv of /proc, and the copy on the program's stack: both get our vDSO. */
static int fix_auxv(struct remote *r, struct proto_agent_params *p)
{
	char path[64];
	uint64_t sp = r->regs.rsp, word, type;
	ssize_t n;
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/auxv", r->pid);
	n = read_file(path, p->auxv, sizeof(p->auxv));
	if (n < 16)
		return n < 0 ? (int)n : -EINVAL;
	p->auxv_size = (uint32_t)n;
	p->kernel_vdso = auxv_get(p, AT_SYSINFO_EHDR);
	p->minsigstksz = auxv_get(p, 51 /* AT_MINSIGSTKSZ */);
	p->hwcap2 = auxv_get(p, AT_HWCAP2);
	if (!p->minsigstksz)
		p->minsigstksz = 4096;
	for (size_t i = 0; i + 1 < p->auxv_size / 8; i += 2)
		if (p->auxv[i] == AT_SYSINFO_EHDR)
			p->auxv[i + 1] = AGENT_AT(PROTO_AGENT_VDSO);

	/* argc, argv, NULL, envp, NULL, auxv */
	ret = remote_read(r, sp, &word, 8);
	if (ret < 0)
		return ret;
	sp += 8 * (word + 2);
	do {
		ret = remote_read(r, sp, &word, 8);
		if (ret < 0)
			return ret;
		sp += 8;
	} while (word);
	for (;; sp += 16) {
		ret = remote_read(r, sp, &type, 8);
		if (ret < 0)
			return ret;
		if (type == AT_NULL)
			return 0;
		if (type != AT_SYSINFO_EHDR)
			continue;
		word = AGENT_AT(PROTO_AGENT_VDSO);
		ret = remote_write(r, sp + 8, &word, 8);
		if (ret < 0)
			return ret;
	}
}

/* The kernel's mm fields, to hand them back with our auxv (gdb reads that copy). */
static void fill_mm_map(struct remote *r, struct proto_agent_params *p)
{
	struct prctl_mm_map map = {0};
	char path[64], buf[2048], *s;
	unsigned long long f[60] = {0};
	ssize_t n;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", r->pid);
	n = read_file(path, buf, sizeof(buf) - 1);
	if (n <= 0)
		return;
	buf[n] = 0;
	s = strrchr(buf, ')');
	if (!s)
		return;
	s += 2;
	/* fields from number 3 on */
	for (i = 3; i < 53 && s; i++) {
		f[i] = strtoull(s, NULL, 10);
		s = strchr(s, ' ');
		if (s)
			s++;
	}
	map.start_code = f[26];
	map.end_code = f[27];
	map.start_stack = f[28];
	map.start_data = f[45];
	map.end_data = f[46];
	map.start_brk = f[47];
	map.arg_start = f[48];
	map.arg_end = f[49];
	map.env_start = f[50];
	map.env_end = f[51];
	map.brk = (uint64_t)remote_syscall(r, SYS_brk, 0, 0, 0, 0, 0, 0);
	map.auxv =
		(void *)(AGENT_AT(PROTO_AGENT_PARAMS) + offsetof(struct proto_agent_params, auxv));
	map.auxv_size = p->auxv_size;
	map.exe_fd = (uint32_t)-1;
	_Static_assert(sizeof(p->mm_map) >= sizeof(map), "room for prctl_mm_map");
	memcpy(p->mm_map, &map, sizeof(map));
	p->mm_map_valid = map.start_code != 0;
}

/* --- CPUID in the program's own image -------------------------------------------------- */

static void patch_site(struct remote *r, struct proto_agent_params *p, uint64_t addr)
{
	static const uint8_t ud2[2] = {0x0f, 0x0b};
	uint8_t now[2];

	if (p->cpuid_site_count == PROTO_PARAM_CPUID_MAX)
		return;
	if (remote_read(r, addr, now, 2) < 0 || now[0] != 0x0f || now[1] != 0xa2)
		return;
	if (remote_write(r, addr, ud2, 2) == 0)
		p->cpuid_sites[p->cpuid_site_count++] = addr;
}

/* Not in ld.so and libc; the program's executable is always its own. */
static void patch_cpuid(struct remote *r, struct proto_agent_params *p)
{
	static uint64_t none;
	uint64_t *found = &none, bias = 0;
	char path[64];
	struct stat st;
	long count, i;
	void *image;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", r->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(Elf64_Ehdr)) {
		close(fd);
		return;
	}
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (image == MAP_FAILED)
		return;
	count = inject_cpuid_scan(image, (size_t)st.st_size, found, 0);
	if (count > 0)
		found = calloc((size_t)count, sizeof(*found));
	if (count > 0 && found) {
		const Elf64_Ehdr *eh = image;
		const Elf64_Phdr *ph = (const void *)((const char *)image + eh->e_phoff);
		uint64_t entry = auxv_get(p, AT_ENTRY);

		inject_cpuid_scan(image, (size_t)st.st_size, found, (size_t)count);
		bias = entry - eh->e_entry;
		/* the scan has checked the program headers */
		for (i = 0; i < count; i++)
			for (int k = 0; k < eh->e_phnum; k++)
				if (ph[k].p_type == PT_LOAD && found[i] >= ph[k].p_offset &&
				    found[i] < ph[k].p_offset + ph[k].p_filesz)
					patch_site(r, p,
						   bias + ph[k].p_vaddr + found[i] -
							   ph[k].p_offset);
		free(found);
	}
	munmap(image, (size_t)st.st_size);
}

/* --- 4-6 ----------------------------------------------------------------------------------- */

static int map_at(struct remote *r, uint64_t off, uint64_t size, int prot, int flags)
{
	long ret = remote_syscall(r, SYS_mmap, AGENT_AT(off), size, (uint64_t)prot,
				  (uint64_t)(MAP_PRIVATE | MAP_ANONYMOUS | flags), ~0ull, 0);

	if (ret < 0 && ret > -4096)
		return (int)ret;
	return (uint64_t)ret == AGENT_AT(off) ? 0 : -EEXIST;
}

/* The first call is made at the program's entry, with its bytes put back after. */
static int map_arena(struct remote *r)
{
	static const uint8_t insns[3] = {0x0f, 0x05, 0xcc};
	uint8_t saved[3];
	int ret;

	ret = remote_read(r, r->regs.rip, saved, sizeof(saved));
	if (!ret)
		ret = remote_write(r, r->regs.rip, insns, sizeof(insns));
	if (ret)
		return ret;
	r->syscall_addr = r->regs.rip;
	ret = map_at(r, 0, PROTO_AGENT_SIZE, PROT_NONE, MAP_FIXED_NOREPLACE | MAP_NORESERVE);
	if (!ret)
		ret = map_at(r, 0, PAGE_UP((uint64_t)(inject_agent_image_end - inject_agent_image)),
			     PROT_READ | PROT_EXEC, MAP_FIXED);
	if (remote_write(r, r->regs.rip, saved, sizeof(saved)) < 0 && !ret)
		ret = -EFAULT;
	if (!ret)
		ret = remote_write(r, AGENT_AT(0), inject_agent_image,
				   (size_t)(inject_agent_image_end - inject_agent_image));
	r->syscall_addr = AGENT_AT(PROTO_AGENT_SYSCALL_OFF);
	return ret;
}

static int map_rest(struct remote *r)
{
	size_t vdso = (size_t)(inject_vdso_image_end - inject_vdso_image);
	int ret;

	ret = map_at(r, PROTO_AGENT_VDSO, PAGE_UP(vdso), PROT_READ | PROT_EXEC, MAP_FIXED);
	if (!ret)
		ret = remote_write(r, AGENT_AT(PROTO_AGENT_VDSO), inject_vdso_image, vdso);
	if (!ret)
		ret = map_at(r, PROTO_AGENT_PROC, PROTO_AGENT_VTABLE + 4096 - PROTO_AGENT_PROC,
			     PROT_READ | PROT_WRITE, MAP_FIXED);
	if (!ret)
		ret = map_at(r, PROTO_AGENT_PARAMS, PROTO_AGENT_PARAMS_SIZE, PROT_READ | PROT_WRITE,
			     MAP_FIXED);
	if (!ret)
		ret = map_at(r, PROTO_AGENT_BLOCKS,
			     (uint64_t)PROTO_AGENT_BLOCK_SIZE * PROTO_AGENT_BLOCK_COUNT,
			     PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE);
	return ret;
}

static uint64_t xcr0(void)
{
	uint32_t lo, hi, a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		return 3;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static int run_start(struct remote *r, struct proto_agent_params *p, const char **what)
{
	struct proto_agent_header header;
	struct user_regs_struct regs = r->regs;
	int ret;

	memcpy(&header, inject_agent_image, sizeof(header));
	ret = remote_write(r, AGENT_AT(PROTO_AGENT_PARAMS), p, sizeof(*p));
	if (ret)
		return ret;
	regs.rip = AGENT_AT(header.start);
	regs.rdi = AGENT_AT(PROTO_AGENT_PARAMS);
	/* the end of block 0's signal stack, see agent/thread.c */
	regs.rsp = AGENT_AT(PROTO_AGENT_BLOCKS) + 0xe000 - 64;
	regs.orig_rax = ~0ull;
	ret = remote_run(r, &regs);
	if (!ret)
		ret = remote_read(r, AGENT_AT(PROTO_AGENT_PARAMS), p, sizeof(*p));
	if (!ret && p->status) {
		*what = p->status_what == SYS_seccomp ? "the seccomp filter was refused"
						      : "the agent could not start";
		ret = (int)p->status;
	}
	return ret;
}

static int inject_now(struct remote *r, const struct proto_exec *exec, const char **what)
{
	static const uint64_t all = ~(1ull << (SIGTRAP - 1));
	struct proto_agent_params *p = calloc(1, sizeof(*p));
	uint64_t mask;
	int ret;

	*what = "out of memory";
	if (!p)
		return -ENOMEM;
	*what = "its registers and memory cannot be changed";
	ret = -EPERM;
	if (ptrace(PTRACE_SETSIGMASK, r->pid, 8, &all) < 0)
		goto out;
	*what = "there is no room at the agent's address";
	ret = map_arena(r);
	if (!ret)
		ret = map_rest(r);
	if (ret)
		goto out;
	*what = "its start-up stack cannot be changed";
	ret = fix_auxv(r, p);
	if (ret)
		goto out;
	fill_mm_map(r, p);
	p->cpuid_faulting = (uint32_t)inject_cpuid_can_fault();
	if (!p->cpuid_faulting)
		patch_cpuid(r, p);
	p->xcr0 = xcr0();
	p->command_fd = exec->command_fd;
	p->daemon_pid = (uint32_t)getpid();
	p->exec_flags = exec->flags;
	p->sigmask = exec->sigmask;
	p->sigignored = exec->sigignored;
	p->filter_len = (uint32_t)inject_filter_build((struct sock_filter *)p->filter,
						      PROTO_PARAM_FILTER_MAX, exec->command_fd);
	*what = "the agent's start failed";
	ret = run_start(r, p, what);
	if (ret)
		goto out;
	ret = -EPERM;
	*what = "its registers cannot be put back";
	mask = exec->sigmask &
	       ~((1ull << (SIGILL - 1)) | (1ull << (SIGTRAP - 1)) | (1ull << (SIGBUS - 1)) |
		 (1ull << (SIGFPE - 1)) | (1ull << (SIGSEGV - 1)) | (1ull << (SIGSYS - 1)));
	if (ptrace(PTRACE_SETREGS, r->pid, 0, &r->regs) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, r->pid, 8, &mask) < 0)
		goto out;
	ret = 0;
	*what = NULL;
out:
	free(p);
	return ret;
}

/* One line on the program's own stderr, then the end. */
static void kill_with_word(pid_t pid, const char *what, int error)
{
	char path[64], line[256];
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/fd/2", pid);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	n = snprintf(line, sizeof(line), "swsgx: cannot put the agent into process %d: %s (%s)\n",
		     pid, what, strerror(-error));
	if (fd >= 0) {
		if (write(fd, line, (size_t)n) < 0)
			n = 0;
		close(fd);
	}
	kill(pid, SIGKILL);
}

/* At the exec event. */
static int at_exec(pid_t pid, const struct proto_exec *exec, const char **what)
{
	struct remote r = {.pid = pid, .mem = -1};
	char path[64];
	int status, ret;

	/* on to the end of execve, which still writes RAX */
	if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || remote_wait(pid, &status) < 0 ||
	    ptrace(PTRACE_GETREGS, pid, 0, &r.regs) < 0) {
		*what = "it died in exec";
		return -ESRCH;
	}
	r.regs.orig_rax = ~0ull;
	if (r.regs.cs != CS_64BIT) {
		/* not for this agent: the filter lets other architectures pass */
		ptrace(PTRACE_DETACH, pid, 0, 0);
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	r.mem = open(path, O_RDWR | O_CLOEXEC);
	ret = r.mem < 0 ? -errno : inject_now(&r, exec, what);
	if (r.mem >= 0)
		close(r.mem);
	if (ret < 0) {
		if (!*what)
			*what = "its memory cannot be opened";
		kill_with_word(pid, *what, ret);
		ptrace(PTRACE_DETACH, pid, 0, 0);
		return ret;
	}
	ptrace(PTRACE_DETACH, pid, 0, r.trap_sent ? SIGTRAP : 0);
	return 1;
}

/*
 * Word that the exec failed?  A closed socket is none: exec closes it, shortly
 * before the event.
 */
static bool said_failed(int fd)
{
	struct proto_msg msg;

	return recv(fd, &msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT) == sizeof(msg) &&
	       msg.type == PROTO_MSG_EXEC_FAILED;
}

/* Stop it to let go of it. */
static void detach(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		return;
	while (remote_wait(tid, &status) == 0) {
		int sig = WSTOPSIG(status);

		if (status >> 16 == PTRACE_EVENT_STOP) {
			ptrace(PTRACE_DETACH, tid, 0, 0);
			return;
		}
		/* a signal that came first goes with it */
		ptrace(PTRACE_DETACH, tid, 0, status >> 16 ? 0 : sig);
		return;
	}
}

/*
 * The tracee's next event, or word of a failed exec: whichever comes first.
 * Return: the thread; 0 failed; -errno.
 */
static pid_t next_event(int failed_fd, int *status)
{
	for (;;) {
		pid_t got = waitpid(-1, status, __WALL | __WNOTHREAD | WNOHANG);
		struct pollfd p = {.fd = failed_fd, .events = POLLIN};

		if (got > 0)
			return got;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (said_failed(failed_fd))
			return 0;
		/* a closed socket is always ready: then the event is due any moment */
		if (poll(&p, 1, 1) > 0 && !said_failed(failed_fd))
			sched_yield();
	}
}

int inject_follow(pid_t tid, pid_t pid, const struct proto_exec *exec, int failed_fd,
		  const char **what)
{
	int status;

	*what = NULL;
	for (;;) {
		pid_t got = next_event(failed_fd, &status);

		if (got == 0) {
			detach(tid);
			return 0;
		}
		if (got < 0 || WIFEXITED(status) || WIFSIGNALED(status)) {
			*what = "it died before the exec";
			return -ESRCH;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			return at_exec(got, exec, what);
		if (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP)
			/* SIGSTOP and friends: it stays stopped until it is continued */
			ptrace(PTRACE_LISTEN, got, 0, 0);
		else
			ptrace(PTRACE_CONT, got, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
}
