/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Injection at exec.
 *
 *  1. seize	the thread that is about to exec
 *  2. follow	until the exec event, or word that it failed
 *  3. settle	on to the syscall exit: execve still writes RAX on its way out
 *  4. borrow	the first bytes of the vDSO for a SYSCALL instruction, long enough
 *		to map the arena
 *  5. fill	it with the agent's image, our vDSO and the parameters; name the
 *		vDSO in the auxv
 *  6. run	the agent's start, whose calls are made in the head page, because an
 *		inherited filter lets nothing else pass; it ends in INT3
 *  7. restore	registers, mask; detach
 *
 * The program has not executed one instruction, and all its signals are blocked
 * until 7.  A failure after 4 kills the process with a line on its stderr: a
 * program without its agent would die of the first trapped system call.
 */
#include <inject/inject.h>

#include "cpuid_prepare.h"
#include "filter.h"
#include "follow.h"
#include "startup.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <proto/agent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern const char inject_agent_image[], inject_agent_image_end[];
extern const char inject_vdso_image[], inject_vdso_image_end[];

#define AGENT_AT(off) ((uint64_t)PROTO_AGENT_BASE + (off))
#define PAGE_UP(x)    (((x) + 4095) & ~4095ull)

/* --- 4-6 ----------------------------------------------------------------------------------- */

/*
 * Where all of the address space can be used, the blocks of all threads to come are
 * reserved, lest the program's own mappings fill their place.  Under a limit on it
 * (ulimit -v) the reserve would be taken from the program; and with less than 64 GiB
 * it cannot reach down to that place.  Then each block is mapped when a thread
 * needs it (agent/thread.c).
 */
#define RESERVE_ABOVE (64ull << 30)

static bool may_reserve(const struct remote *r)
{
	struct rlimit rl;

	return prlimit(r->pid, RLIMIT_AS, NULL, &rl) || rl.rlim_cur >= RESERVE_ABOVE;
}

#define PARAMS_END (PROTO_AGENT_PARAMS + PROTO_AGENT_PARAMS_SIZE)

/*
 * The arena, whole and read-execute; what is not so is made by the agent's start
 * (plan_start()), which saves a stop for each.  The call is made in the kernel's vDSO,
 * whose bytes are put back after: the pages of the program's own file may lie on a file
 * system that hangs, and whoever touches them hangs with it.
 */
static int map_arena(struct remote *r, uint64_t vdso, bool reserve)
{
	/* a kernel without one (vdso=0) leaves no other place that can be executed */
	const uint64_t at = vdso ? vdso : r->regs.rip;
	static const uint8_t insns[3] = {0x0f, 0x05, 0xcc};
	uint8_t saved[3];
	uint64_t size = reserve ? PROTO_AGENT_SIZE : PARAMS_END;
	long ret;

	ret = remote_read(r, at, saved, sizeof(saved));
	if (!ret)
		ret = remote_write(r, at, insns, sizeof(insns));
	if (ret)
		return (int)ret;
	r->syscall_addr = at;
	ret = remote_syscall(r, SYS_mmap, AGENT_AT(0), size, PROT_READ | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE |
				     MAP_STACK /* no huge pages, from Linux 6.7 on */,
			     ~0ull, 0);
	if (remote_write(r, at, saved, sizeof(saved)) < 0)
		return -EFAULT;
	if (ret < 0 && ret > -4096)
		return (int)ret;
	/* kernels that do not know MAP_FIXED_NOREPLACE take it for a hint */
	return (uint64_t)ret == AGENT_AT(0) ? 0 : -EEXIST;
}

static int fill_arena(struct remote *r)
{
	int ret = remote_write(r, AGENT_AT(0), inject_agent_image,
			       (size_t)(inject_agent_image_end - inject_agent_image));

	if (!ret)
		ret = remote_write(r, AGENT_AT(PROTO_AGENT_VDSO), inject_vdso_image,
				   (size_t)(inject_vdso_image_end - inject_vdso_image));
	/* from here on an inherited filter lets our calls pass */
	r->syscall_addr = AGENT_AT(PROTO_AGENT_SYSCALL_OFF);
	return ret;
}

/* On the arena from one offset to another, if that is not empty */
static void plan(struct proto_start_call **call, long nr, uint64_t from, uint64_t to, uint64_t how)
{
	if (from < to)
		*(*call)++ =
			(struct proto_start_call){(uint64_t)nr, {AGENT_AT(from), to - from, how}};
}

static void plan_start(struct proto_agent_params *p, bool reserve)
{
	const uint64_t image = PAGE_UP((uint64_t)(inject_agent_image_end - inject_agent_image));
	const uint64_t vdso =
		PROTO_AGENT_VDSO + PAGE_UP((uint64_t)(inject_vdso_image_end - inject_vdso_image));
	const uint64_t blocks =
		reserve ? PROTO_AGENT_SIZE : PROTO_AGENT_BLOCKS + PROTO_AGENT_BLOCK_SIZE;
	const uint64_t stack = PROTO_AGENT_BLOCKS + PROTO_AGENT_BLOCK_STACK;
	const long hole = reserve ? SYS_mprotect : SYS_munmap;
	struct proto_start_call *call = p->call;

	_Static_assert(PROTO_AGENT_VTABLE + 4096 == PROTO_AGENT_PARAMS, "one range");
	plan(&call, hole, image, PROTO_AGENT_VDSO, PROT_NONE);
	plan(&call, hole, vdso, PROTO_AGENT_PROC, PROT_NONE);
	plan(&call, SYS_mprotect, PROTO_AGENT_PROC, PARAMS_END, PROT_READ | PROT_WRITE);
	if (reserve)
		plan(&call, hole, PARAMS_END, PROTO_AGENT_BLOCKS, PROT_NONE);
	*call++ = (struct proto_start_call){
		SYS_mmap,
		{AGENT_AT(PROTO_AGENT_BLOCKS), blocks - PROTO_AGENT_BLOCKS, PROT_NONE,
		 PROTO_AGENT_BLOCK_MAP | (reserve ? MAP_FIXED : MAP_FIXED_NOREPLACE), ~0ull, 0}};
	/* the first thread's; the others are made when they are taken */
	plan(&call, SYS_mprotect, stack, PROTO_AGENT_BLOCKS + PROTO_AGENT_BLOCK_SIZE,
	     PROT_READ | PROT_WRITE);
	/* a process has few blocks: not 2 MiB for the first */
	plan(&call, SYS_madvise, PROTO_AGENT_BLOCKS, blocks, MADV_NOHUGEPAGE);
	/* a core file has of the agent what unwinders ask for */
	plan(&call, SYS_madvise, 0, blocks, MADV_DONTDUMP);
	plan(&call, SYS_madvise, PROTO_AGENT_VDSO, vdso, MADV_DODUMP);
	p->status = -ENOMEM;
	p->status_what = 0;
}

/* Of the processor: under a hypervisor each CPUID takes microseconds */
static struct {
	pthread_once_t once;
	uint64_t xcr0;
	uint32_t offset[64], size[64];
} xsave = {.once = PTHREAD_ONCE_INIT};

static void find_xsave(void)
{
	uint32_t lo, hi, a, b, c, d;

	__cpuid(1, a, b, c, d);
	xsave.xcr0 = 3;
	if (!(c & bit_OSXSAVE))
		return;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	xsave.xcr0 = (uint64_t)hi << 32 | lo;
	for (uint32_t i = 2; i < 63; i++) {
		if (!(xsave.xcr0 >> i & 1))
			continue;
		__cpuid_count(0xd, i, a, b, c, d);
		xsave.size[i] = a;
		xsave.offset[i] = b;
	}
}

static void tell_xsave(struct proto_agent_params *p)
{
	pthread_once(&xsave.once, find_xsave);
	p->xcr0 = xsave.xcr0;
	memcpy(p->xsave_offset, xsave.offset, sizeof(xsave.offset));
	memcpy(p->xsave_size, xsave.size, sizeof(xsave.size));
}

static const char *what_failed(const struct proto_agent_params *p)
{
	switch (p->status_what) {
	case SYS_seccomp:
		return "the seccomp filter was refused";
	case SYS_mprotect:
	case SYS_mmap:
		return "no memory for the agent (ulimit -d, vm.overcommit_memory)";
	case SYS_sigaltstack:
		return "sigaltstack was refused";
	case SYS_rt_sigaction:
		return "this processor's signal frames are too large for the agent's stacks";
	default:
		return "the agent could not start";
	}
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
	regs.rsp = AGENT_AT(PROTO_AGENT_BLOCKS + PROTO_AGENT_BLOCK_THREAD) - 64;
	regs.orig_rax = ~0ull;
	ret = remote_run(r, &regs);
	if (!ret)
		ret = remote_read(r, AGENT_AT(PROTO_AGENT_PARAMS), p, sizeof(*p));
	if (!ret && p->status) {
		*what = what_failed(p);
		ret = (int)p->status;
	}
	return ret;
}

/* For tests: a way that an older kernel would take.  The first that works otherwise. */
static uint32_t guard_way(void)
{
	static const char *const names[] = {
		[PROTO_GUARD_RANGE] = "range",
		[PROTO_GUARD_SELECTOR] = "selector",
		[PROTO_GUARD_FILTER] = "filter",
	};
	const char *way = getenv("SWSGX_TEST_GUARD");

	for (uint32_t i = PROTO_GUARD_RANGE; way && i <= PROTO_GUARD_FILTER; i++)
		if (!strcmp(way, names[i]))
			return i;
	return PROTO_GUARD_ANY;
}

static struct proto_files the_files;

void inject_files(const struct proto_files *files)
{
	the_files = *files;
}

int inject_now(struct remote *r, const struct proto_exec *exec, const char **what)
{
	static const uint64_t all = ~(1ull << (SIGTRAP - 1));
	struct proto_agent_params *p = calloc(1, sizeof(*p));
	const bool reserve = may_reserve(r);
	uint64_t mask;
	int ret;

	*what = "out of memory";
	if (!p)
		return -ENOMEM;
	*what = "its registers and memory cannot be changed";
	ret = -EPERM;
	if (ptrace(PTRACE_SETSIGMASK, r->pid, 8, &all) < 0)
		goto out;
	*what = "its auxv cannot be read";
	ret = startup_read_auxv(r, p);
	if (ret)
		goto out;
	*what = "there is no room at the agent's address";
	ret = map_arena(r, p->kernel_vdso, reserve);
	if (ret == -ENOMEM)
		*what = "there is no room for the agent (ulimit -v)";
	if (!ret)
		ret = fill_arena(r);
	if (ret)
		goto out;
	*what = "its start-up stack cannot be changed";
	ret = startup_auxv(r, p);
	if (ret)
		goto out;
	startup_mm_map(r, p);
	startup_words(r, p);
	cpuid_prepare(r, p);
	plan_start(p, reserve);
	p->guard_way = guard_way();
	tell_xsave(p);
	p->command_fd = exec->command_fd;
	p->daemon_pid = r->same_ns ? (uint32_t)getpid() : 0;
	p->exec_flags = exec->flags;
	p->said = exec->said;
	p->files = the_files;
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
