/* SPDX-License-Identifier: BSD-3-Clause */
/* What handlers do with their frame and stack, and what the kernel refuses of it. */
#include "case.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <ucontext.h>

static volatile sig_atomic_t count;
static siginfo_t seen;
static greg_t regs[NGREG];
static sigjmp_buf jump;
static sigset_t mask_inside;

/* --- extended state that cannot be restored ------------------------------------------------- */

/* The parts of a frame's XSAVE image that matter here */
#define SW_MAGIC(fp)	     (*(uint32_t *)(void *)((char *)(fp) + 464))
#define SW_EXTENDED_SIZE(fp) (*(uint32_t *)(void *)((char *)(fp) + 468))
#define SW_XFEATURES(fp)     (*(uint64_t *)(void *)((char *)(fp) + 472))
#define SW_XSTATE_SIZE(fp)   (*(uint32_t *)(void *)((char *)(fp) + 480))
#define XSTATE_BV(fp)	     (*(uint64_t *)(void *)((char *)(fp) + 512))
#define XCOMP_BV(fp)	     (*(uint64_t *)(void *)((char *)(fp) + 520))
#define XRESERVED(fp)	     (*(uint64_t *)(void *)((char *)(fp) + 528))

enum damage {
	MXCSR_RESERVED,
	XSTATE_BV_UNKNOWN,
	XCOMP_BV_SET,
	HEADER_RESERVED,
	MAGIC1_GONE,
	MAGIC2_GONE,
	SIZE_ZERO,
	SIZE_HUGE,
	XFEATURES_NONE,
	XSTATE_SIZE_HUGE,
	FPSTATE_MISALIGNED,
	FPSTATE_NOWHERE,
	FPSTATE_NULL,
	BV_ZERO,
	DAMAGES,
};
static const char *const damage_name[] = {
	"mxcsr", "xstate_bv", "xcomp_bv",    "reserved",   "magic1",  "magic2", "size 0",
	"size",	 "xfeatures", "xstate_size", "misaligned", "nowhere", "null",	"bv 0",
};
static enum damage damage;

static void damaging(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;

	count++;
	switch (damage) {
	case MXCSR_RESERVED:
		fp->mxcsr |= 0x80000000;
		break;
	case XSTATE_BV_UNKNOWN:
		XSTATE_BV(fp) |= 1ull << 62;
		break;
	case XCOMP_BV_SET:
		XCOMP_BV(fp) = 1;
		break;
	case HEADER_RESERVED:
		XRESERVED(fp) = 1;
		break;
	case MAGIC1_GONE:
		SW_MAGIC(fp) = 0;
		break;
	case MAGIC2_GONE:
		*(uint32_t *)(void *)((char *)fp + SW_EXTENDED_SIZE(fp) - 4) = 0;
		break;
	case SIZE_ZERO:
		SW_EXTENDED_SIZE(fp) = 0;
		break;
	case SIZE_HUGE:
		SW_EXTENDED_SIZE(fp) += 4096;
		break;
	case XFEATURES_NONE:
		SW_XFEATURES(fp) = 0;
		break;
	case XSTATE_SIZE_HUGE:
		SW_XSTATE_SIZE(fp) += 4096;
		break;
	case FPSTATE_MISALIGNED:
		uc->uc_mcontext.fpregs = (void *)((char *)fp + 8);
		break;
	case FPSTATE_NOWHERE:
		uc->uc_mcontext.fpregs = (void *)4096;
		break;
	case FPSTATE_NULL:
		uc->uc_mcontext.fpregs = NULL;
		break;
	case BV_ZERO:
		XSTATE_BV(fp) = 0;
		break;
	default:
		break;
	}
}

static void refused(int sig, siginfo_t *info, void *context)
{
	seen = *info;
	siglongjmp(jump, 1);
}

/* The signal while XMM5 and XMM13 have a value, then whether they have it still */
static void damage_one(bool catch)
{
	uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
	long pid = getpid();

	catch_info(SIGUSR1, damaging, 0);
	if (catch)
		catch_info(SIGSEGV, refused, 0);
	count = 0;
	if (sigsetjmp(jump, 1)) {
		say("%s: handler %d, then signal %d code %d", damage_name[damage], count,
		    seen.si_signo, seen.si_code);
		return;
	}
	__asm__ volatile("movdqu (%2), %%xmm5; movdqu 16(%2), %%xmm13; mov %4, %%eax; syscall;"
			 "movdqu %%xmm5, (%3); movdqu %%xmm13, 16(%3)"
			 :
			 : "D"(pid), "S"(SIGUSR1), "r"(in), "r"(out), "i"(SYS_kill)
			 : "rax", "rcx", "r11", "memory", "xmm5", "xmm13");
	say("%s: handler %d, xmm5 %d %d xmm13 %d %d", damage_name[damage], count, (int)out[0],
	    (int)out[1], (int)out[2], (int)out[3]);
}

CASE(fpstate_damaged_caught)
{
	for (damage = 0; damage < DAMAGES; damage++)
		damage_one(true);
}

static void damage_not_caught(void)
{
	damage_one(false);
}

CASE(fpstate_damaged_dies)
{
	struct rlimit none = {0, 0};

	must(setrlimit(RLIMIT_CORE, &none) == 0);
	damage = MXCSR_RESERVED;
	in_child("mxcsr", damage_not_caught);
	damage = FPSTATE_NOWHERE;
	in_child("nowhere", damage_not_caught);
}

/* --- registers that cannot be restored -------------------------------------------------------- */

static int wrong;

static void wrong_registers(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	count++;
	if (wrong == 0)
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(1ull << 60);
	else if (wrong == 1)
		uc->uc_mcontext.gregs[REG_RIP] = 16;
	else if (wrong == 2)
		uc->uc_mcontext.gregs[REG_EFL] |= 0x100; /* TF */
	else if (wrong == 3)
		uc->uc_mcontext.gregs[REG_EFL] |= 0x3000; /* IOPL: not taken */
}

static void wrong_seen(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	seen = *info;
	memcpy(regs, uc->uc_mcontext.gregs, sizeof(regs));
	if (sig == SIGTRAP) {
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
		return;
	}
	siglongjmp(jump, 1);
}

CASE(registers_wrong)
{
	uint64_t flags;

	catch_info(SIGUSR1, wrong_registers, 0);
	catch_info(SIGSEGV, wrong_seen, 0);
	catch_info(SIGTRAP, wrong_seen, 0);
	for (wrong = 0; wrong < 4; wrong++) {
		memset(&seen, 0, sizeof(seen));
		memset(regs, 0, sizeof(regs));
		if (!sigsetjmp(jump, 1))
			raise(SIGUSR1);
		__asm__ volatile("pushfq; pop %0" : "=r"(flags));
		say("%d: signal %d code %d rip %#llx trap %lld iopl %d", wrong, seen.si_signo,
		    seen.si_code, wrong < 2 ? regs[REG_RIP] : 0, regs[REG_TRAPNO],
		    (flags & 0x3000) != 0);
	}
}

/* A stack pointer that points nowhere when the handler's frame is to be read back */
static void pivoting(int sig)
{
	count++;
	__asm__ volatile("mov $4096, %%rsp; mov %0, %%eax; syscall" ::"i"(SYS_rt_sigreturn)
			 : "rax", "memory");
}

static void die_pivoting(void)
{
	struct rlimit none = {0, 0};

	must(setrlimit(RLIMIT_CORE, &none) == 0);
	catch_plain(SIGUSR1, pivoting, 0);
	raise(SIGUSR1);
}

CASE(sigreturn_without_frame)
{
	in_child("no frame", die_pivoting);
}

/* --- stacks -------------------------------------------------------------------------------------- */

static char *page_stack;

/* On a page of stack, the rest of it inaccessible, a frame does not fit. */
static void on_small_stack(int sig)
{
	count++;
}

static void small_altstack(bool catch_segv)
{
	stack_t ss = {0};
	char *area;

	area = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(area != MAP_FAILED && mprotect(area, 12288, PROT_NONE) == 0);
	/* reaches below what is accessible, so the size passes */
	ss.ss_sp = area;
	ss.ss_size = 12288 + 256;
	must(sigaltstack(&ss, NULL) == 0);
	catch_plain(SIGUSR1, on_small_stack, SA_ONSTACK);
	if (catch_segv)
		catch_info(SIGSEGV, refused, 0);
	if (sigsetjmp(jump, 1)) {
		say("count %d, signal %d code %d", count, seen.si_signo, seen.si_code);
		return;
	}
	raise(SIGUSR1);
	say("count %d", count);
}

static void small_altstack_child(void)
{
	struct rlimit none = {0, 0};

	must(setrlimit(RLIMIT_CORE, &none) == 0);
	must(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
	small_altstack(false);
}

CASE(altstack_without_room)
{
	small_altstack(true);
	in_child("not caught", small_altstack_child);
}

/* A fault's handler on a stack that is full */
static void full_stack(void)
{
	struct rlimit none = {0, 0};

	must(setrlimit(RLIMIT_CORE, &none) == 0);
	catch_plain(SIGSEGV, on_small_stack, 0);
	page_stack = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page_stack != MAP_FAILED && mprotect(page_stack, 4096, PROT_NONE) == 0);
	__asm__ volatile("lea 64(%0), %%rsp; mov %%rax, (8)" ::"r"(page_stack + 4096) : "memory");
}

CASE(fault_on_full_stack)
{
	in_child("full", full_stack);
}

/* Jumps out of nested handlers on the alternate stack, again and again */
static void nested_out(int sig)
{
	count++;
	if (sig == SIGUSR1)
		raise(SIGTRAP);
	siglongjmp(jump, 1);
}

CASE(longjmp_from_altstack)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)}, now;

	must(sigaltstack(&ss, NULL) == 0);
	catch_plain(SIGUSR1, nested_out, SA_ONSTACK);
	catch_plain(SIGTRAP, nested_out, SA_ONSTACK);
	for (volatile int i = 0; i < 100; i++)
		if (!sigsetjmp(jump, 1))
			raise(SIGUSR1);
	must(sigaltstack(NULL, &now) == 0);
	say("count %d, flags %d, blocked %d %d", count, now.ss_flags, blocked(SIGUSR1),
	    blocked(SIGTRAP));
}

/* Without its mask the jump leaves the signal blocked. */
CASE(longjmp_without_mask)
{
	catch_plain(SIGTRAP, nested_out, 0);
	if (!sigsetjmp(jump, 0))
		raise(SIGTRAP);
	say("count %d blocked %d", count, blocked(SIGTRAP));
	raise(SIGTRAP);
	if (!sigsetjmp(jump, 0))
		unblock(SIGTRAP);
	say("count %d blocked %d", count, blocked(SIGTRAP));
}

/* The program goes on in its handler for ever after. */
static void staying(int sig)
{
	count++;
	if (count < 50) {
		unblock(SIGUSR1);
		raise(SIGUSR1);
	}
	say("stayed %d deep", count);
	exit(7);
}

static void never_return(void)
{
	catch_plain(SIGUSR1, staying, 0);
	raise(SIGUSR1);
}

CASE(handler_never_returns)
{
	in_child("deep", never_return);
}

/* A handler's change of mask, RIP and registers at once, for one of the agent's own */
static volatile uint64_t after;

static void redirecting(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	count++;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)after;
	uc->uc_mcontext.gregs[REG_RBX] = 0x1234;
	uc->uc_mcontext.gregs[REG_R15] = 0x5678;
	uc->uc_mcontext.fpregs->_xmm[7].element[1] = 0x9abc;
	sigaddset(&uc->uc_sigmask, SIGBUS);
	sigaddset(&uc->uc_sigmask, SIGHUP);
	mask_inside = uc->uc_sigmask;
}

CASE(context_redirected)
{
	static const int sigs[] = {SIGILL, SIGUSR2};
	uint64_t rbx, r15;
	uint32_t xmm[4];

	for (int i = 0; i < 2; i++) {
		long call = SYS_kill, fault = i == 0;

		catch_info(sigs[i], redirecting, 0);
		/* the label's address is kept, for a compiler may copy this */
		__asm__ volatile("lea 2f(%%rip), %%rcx; mov %%rcx, %[after];"
				 "pxor %%xmm7, %%xmm7; xor %%ebx, %%ebx; xor %%r15d, %%r15d;"
				 "test %[fault], %[fault]; jz 1f; ud2; 1: syscall; ud2;"
				 "2: mov %%rbx, %[rbx]; mov %%r15, %[r15]; movdqu %%xmm7, (%[xmm])"
				 : [rbx] "=&r"(rbx), [r15] "=&r"(r15), [after] "=m"(after),
				   "+a"(call)
				 : [xmm] "r"(xmm), [fault] "r"(fault), "D"((long)getpid()),
				   "S"((long)SIGUSR2)
				 : "rbx", "r15", "rcx", "r11", "memory", "xmm7");
		say("%d: count %d rbx %#llx r15 %#llx xmm %x, blocked %d %d", sigs[i], count,
		    (unsigned long long)rbx, (unsigned long long)r15, xmm[1], blocked(SIGBUS),
		    blocked(SIGHUP));
		unblock(SIGBUS);
		unblock(SIGHUP);
	}
}

/* --- cores ------------------------------------------------------------------------------------------ */

static void dump_with_registers(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}, now;

	must(getrlimit(RLIMIT_CORE, &now) == 0);
	if (now.rlim_max != RLIM_INFINITY)
		all.rlim_cur = all.rlim_max = now.rlim_max;
	must(setrlimit(RLIMIT_CORE, &all) == 0);
	__asm__ volatile("movabs $0x1122334455667788, %%rbx; movabs $0x99aabbccddeeff00, %%r12;"
			 "mov $24, %%ecx; mov %%rax, (%%rcx)" ::
				 : "rbx", "r12", "rcx", "memory");
}

/* The core's registers are those at the fault, not the agent's. */
static void say_core(const char *name)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int fd = open(name, O_RDONLY);
	char notes[16384];
	size_t off = 0;
	ssize_t n;

	must(fd >= 0 && pread(fd, &eh, sizeof(eh), 0) == sizeof(eh));
	for (int i = 0; i < eh.e_phnum; i++) {
		must(pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + (size_t)i * sizeof(ph))) ==
		     sizeof(ph));
		if (ph.p_type == PT_NOTE)
			break;
	}
	must(ph.p_type == PT_NOTE);
	n = pread(fd, notes, sizeof(notes), (off_t)ph.p_offset);
	must(n > 0);
	while (off + sizeof(Elf64_Nhdr) < (size_t)n) {
		const Elf64_Nhdr *nh = (const void *)(notes + off);
		const char *desc = notes + off + sizeof(*nh) + ((nh->n_namesz + 3) & ~3u);

		if (nh->n_type == NT_PRSTATUS) {
			const struct elf_prstatus *st = (const void *)desc;
			const unsigned long long *r = (const void *)st->pr_reg;

			/* user_regs_struct: r12 3, rbx 5, rcx 11 */
			say("signal %d rbx %#llx r12 %#llx rcx %lld", st->pr_cursig, r[5], r[3],
			    r[11]);
		} else if (nh->n_type == NT_SIGINFO) {
			const siginfo_t *info = (const void *)desc;

			say("siginfo %d code %d addr %p", info->si_signo, info->si_code,
			    info->si_addr);
			break;
		}
		off = (size_t)(desc - notes) + ((nh->n_descsz + 3) & ~3u);
	}
	close(fd);
}

CASE(core_has_the_fault)
{
	char dir[] = "/tmp/agent-core-XXXXXX", pattern[128] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
	pid_t pid;

	must(fd >= 0 && read(fd, pattern, sizeof(pattern) - 1) > 0);
	close(fd);
	must(mkdtemp(dir) != NULL && chdir(dir) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		dump_with_registers();
		_exit(0);
	}
	say_status("child", pid);
	/* elsewhere the core goes where we cannot look */
	if (strcmp(pattern, "core\n") == 0) {
		char numbered[32];

		snprintf(numbered, sizeof(numbered), "core.%d", pid);
		if (access("core", F_OK) == 0 || access(numbered, F_OK) == 0)
			say_core(access("core", F_OK) == 0 ? "core" : numbered);
		unlink("core");
		unlink(numbered);
	}
	must(chdir("/") == 0 && rmdir(dir) == 0);
}
