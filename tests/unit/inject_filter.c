/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seccomp filter, run by a small interpreter of classic BPF: what it answers
 * for a call, its arguments and where it is made.
 */
#include <harness/harness.h>

#include "../../inject/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <proto/agent.h>
#include <string.h>
#include <sys/syscall.h>

#define COMMAND_FD 1023
#define PROGRAM_IP 0x7f0000001000ull

static struct sock_filter code[PROTO_PARAM_FILTER_MAX];
static size_t len;

static void build(void)
{
	len = inject_filter_build(code, PROTO_PARAM_FILTER_MAX, COMMAND_FD);
	CHECK(len > 0);
}

/* The subset that the filter uses; anything else fails the test. */
static uint32_t run(const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &code[pc];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			CHECK(f->k + 4 <= sizeof(*d));
			memcpy(&a, (const char *)d + f->k, 4);
			break;
		case BPF_ALU | BPF_SUB | BPF_K:
			a -= f->k;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			a >>= f->k;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			FAIL("instruction %zu has code %#x", pc, f->code);
		}
	}
	FAIL("the filter ran off its end");
	return 0;
}

static uint32_t ask(int nr, uint64_t ip, uint64_t a0, uint64_t a1, uint64_t a3)
{
	struct seccomp_data d = {
		.nr = nr,
		.arch = AUDIT_ARCH_X86_64,
		.instruction_pointer = ip,
		.args = {a0, a1, 0, a3},
	};

	return run(&d);
}

static const int trapped[] = {
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_sigaltstack,
	SYS_rt_sigsuspend,
	SYS_open,
	SYS_openat,
	SYS_openat2,
	SYS_stat,
	SYS_lstat,
	SYS_fstat,
	SYS_newfstatat,
	SYS_statx,
	SYS_access,
	SYS_faccessat,
	SYS_faccessat2,
	SYS_clone,
	SYS_clone3,
	SYS_fork,
	SYS_vfork,
	SYS_execve,
	SYS_execveat,
	SYS_exit,
	SYS_close_range,
	SYS_rt_sigtimedwait,
	SYS_rt_sigpending,
	SYS_seccomp,
};

TEST(program_calls_trap)
{
	build();
	for (size_t i = 0; i < sizeof(trapped) / sizeof(trapped[0]); i++)
		CHECK_EQ(ask(trapped[i], PROGRAM_IP, 0, 0, 0), SECCOMP_RET_TRAP);
}

TEST(agent_calls_pass_from_the_head_page_only)
{
	const uint64_t base = PROTO_AGENT_BASE;

	build();
	for (size_t i = 0; i < sizeof(trapped) / sizeof(trapped[0]); i++) {
		int nr = trapped[i];

		CHECK_EQ(ask(nr, base, 0, 0, 0), SECCOMP_RET_ALLOW);
		CHECK_EQ(ask(nr, base + PROTO_AGENT_HEAD_SIZE - 1, 0, 0, 0), SECCOMP_RET_ALLOW);
		CHECK_EQ(ask(nr, base + PROTO_AGENT_HEAD_SIZE, 0, 0, 0), SECCOMP_RET_TRAP);
		CHECK_EQ(ask(nr, base - 1, 0, 0, 0), SECCOMP_RET_TRAP);
		/* the same low half elsewhere */
		CHECK_EQ(ask(nr, base ^ (1ull << 32), 0, 0, 0), SECCOMP_RET_TRAP);
		CHECK_EQ(ask(nr, (uint32_t)base, 0, 0, 0), SECCOMP_RET_TRAP);
	}
}

TEST(other_calls_pass)
{
	static const int free[] = {SYS_read,   SYS_write,    SYS_getpid,     SYS_futex,
				   SYS_munmap, SYS_mprotect, SYS_exit_group, SYS_socket,
				   SYS_ppoll,  SYS_readlink, SYS_readlinkat};

	build();
	for (size_t i = 0; i < sizeof(free) / sizeof(free[0]); i++)
		CHECK_EQ(ask(free[i], PROGRAM_IP, 0, 0, 0), SECCOMP_RET_ALLOW);
}

TEST(mmap_traps_for_files_only)
{
	build();
	CHECK_EQ(ask(SYS_mmap, PROGRAM_IP, 0, 0, MAP_PRIVATE | MAP_ANONYMOUS), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_mmap, PROGRAM_IP, 0, 0, MAP_SHARED | MAP_ANONYMOUS), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_mmap, PROGRAM_IP, 0, 0, MAP_PRIVATE), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(SYS_mmap, PROGRAM_IP, 0, 0, MAP_SHARED), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(SYS_mmap, PROTO_AGENT_BASE, 0, 0, MAP_SHARED), SECCOMP_RET_ALLOW);
}

/* Only with a mask: either half of the pointer */
TEST(calls_with_a_mask_trap)
{
	static const struct {
		int nr, arg;
	} call[] = {
		{SYS_ppoll, 3},	       {SYS_pselect6, 5},      {SYS_epoll_pwait, 4},
		{SYS_epoll_pwait2, 4}, {SYS_io_pgetevents, 5},
	};

	build();
	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++) {
		struct seccomp_data d = {
			.nr = call[i].nr,
			.arch = AUDIT_ARCH_X86_64,
			.instruction_pointer = PROGRAM_IP,
			.args = {1, 1, 1, 1, 1, 1},
		};

		CHECK_EQ(run(&d), SECCOMP_RET_TRAP);
		d.args[call[i].arg] = 1ull << 32;
		CHECK_EQ(run(&d), SECCOMP_RET_TRAP);
		d.args[call[i].arg] = 1ull << 31;
		CHECK_EQ(run(&d), SECCOMP_RET_TRAP);
		d.args[call[i].arg] = 0;
		CHECK_EQ(run(&d), SECCOMP_RET_ALLOW);
		d.args[call[i].arg] = 1;
		d.instruction_pointer = PROTO_AGENT_BASE;
		CHECK_EQ(run(&d), SECCOMP_RET_ALLOW);
	}
}

TEST(ioctl_traps_for_sgx_only)
{
	build();
	CHECK_EQ(ask(SYS_ioctl, PROGRAM_IP, 3, 0x4008a400, 0), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(SYS_ioctl, PROGRAM_IP, 3, 0xa4ff, 0), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(SYS_ioctl, PROGRAM_IP, 3, 0x5401, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_ioctl, PROGRAM_IP, 3, 0xa40000, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_ioctl, PROTO_AGENT_BASE, 3, 0x4008a400, 0), SECCOMP_RET_ALLOW);
}

TEST(own_descriptors_are_guarded)
{
	build();
	for (int fd = COMMAND_FD - PROTO_FD_COUNT + 1; fd <= COMMAND_FD; fd++) {
		CHECK_EQ(ask(SYS_close, PROGRAM_IP, (uint64_t)fd, 0, 0), SECCOMP_RET_TRAP);
		CHECK_EQ(ask(SYS_dup2, PROGRAM_IP, 1, (uint64_t)fd, 0), SECCOMP_RET_TRAP);
		CHECK_EQ(ask(SYS_dup3, PROGRAM_IP, 1, (uint64_t)fd, 0), SECCOMP_RET_TRAP);
		CHECK_EQ(ask(SYS_dup2, PROGRAM_IP, (uint64_t)fd, 1, 0), SECCOMP_RET_ALLOW);
	}
	CHECK_EQ(ask(SYS_fcntl, PROGRAM_IP, COMMAND_FD, 0, 0), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(SYS_fcntl, PROGRAM_IP, 3, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_dup, PROGRAM_IP, COMMAND_FD, 0, 0), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(SYS_dup, PROGRAM_IP, 3, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_close, PROGRAM_IP, COMMAND_FD + 1, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_close, PROGRAM_IP, COMMAND_FD - PROTO_FD_COUNT, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_close, PROGRAM_IP, 0, 0, 0), SECCOMP_RET_ALLOW);
}

TEST(ptrace_traps_for_traceme_only)
{
	build();
	CHECK_EQ(ask(SYS_ptrace, PROGRAM_IP, 0, 0, 0), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(SYS_ptrace, PROTO_AGENT_BASE, 0, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_ptrace, PROGRAM_IP, 16, 0, 0), SECCOMP_RET_ALLOW);
}

TEST(prctl_traps_for_what_is_virtual)
{
	static const int options[] = {PR_SET_PTRACER,	   PR_SET_SECCOMP,
				      PR_GET_SECCOMP,	   PR_SET_NO_NEW_PRIVS,
				      PR_GET_NO_NEW_PRIVS, 59 /* ..SYSCALL_USER_DISPATCH */};

	build();
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		CHECK_EQ(ask(SYS_prctl, PROGRAM_IP, (uint64_t)options[i], 0, 0), SECCOMP_RET_TRAP);
		CHECK_EQ(ask(SYS_prctl, PROTO_AGENT_BASE, (uint64_t)options[i], 0, 0),
			 SECCOMP_RET_ALLOW);
	}
	CHECK_EQ(ask(SYS_prctl, PROGRAM_IP, PR_SET_NAME, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(SYS_prctl, PROGRAM_IP, PR_SET_DUMPABLE, 0, 0), SECCOMP_RET_ALLOW);
}

TEST(what_would_go_around_is_refused)
{
	build();
	CHECK_EQ(ask(SYS_io_uring_setup, PROGRAM_IP, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	/* x32 numbers */
	CHECK_EQ(ask(0x40000000 | SYS_openat, PROGRAM_IP, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}

TEST(other_architectures_pass)
{
	struct seccomp_data d = {
		.nr = 5, .arch = AUDIT_ARCH_I386, .instruction_pointer = PROGRAM_IP};

	build();
	CHECK_EQ(run(&d), SECCOMP_RET_ALLOW);
	/* but an exec from there would make a program without its agent */
	d.nr = 11;
	CHECK_EQ(run(&d), SECCOMP_RET_ERRNO | EPERM);
	d.nr = 358;
	CHECK_EQ(run(&d), SECCOMP_RET_ERRNO | EPERM);
	/* the number of clone, here */
	d.nr = SYS_clone;
	CHECK_EQ(run(&d), SECCOMP_RET_ALLOW);
}

TEST(no_room_is_said)
{
	CHECK_EQ(inject_filter_build(code, 10, COMMAND_FD), 0);
}
