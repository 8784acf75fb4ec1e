/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The filter's second stage, once this process has an enclave or has looked for
 * SGX: calls that change mappings, those that a memfd takes and a device file does
 * not, and readlink, of which a compiler makes a thousand for each source.
 *
 *	number not here		allow
 *	fcntl, mmap		allow, but for seals and anonymous MAP_FIXED (not at the
 *				agent's own place)
 *	from the head page	allow, as in inject/filter.c
 *	else			trap
 *
 * A filter of its own has getdents64 and getdents, from the time when the process opens
 * a folder that has a file of ours (sys/list.c): that is no sign of SGX.
 *
 * read and write are not here.  They are a server's most frequent calls, with
 * which a trap of 2 µs is felt; and a filter by number outlives the descriptor,
 * for filters can be added and never be changed.
 */
#include "agent.h"
#include "sys/path.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/seccomp.h>

struct program {
	struct sock_filter code[64];
	uint32_t count;
	uint32_t jump[16], jumps; /* to the test of the instruction pointer */
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	p->code[p->count++] = (struct sock_filter)BPF_JUMP(code, k, jt, jf);
}

static void load(struct program *p, uint64_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void jeq(struct program *p, uint32_t k, uint8_t jt, uint8_t jf)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, jt, jf);
}

static void ret(struct program *p, uint32_t action)
{
	emit(p, BPF_RET | BPF_K, action, 0, 0);
}

static void to_test(struct program *p)
{
	p->jump[p->jumps++] = p->count;
	emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void from_head_page(struct program *p)
{
	const uint64_t ip = offsetof(struct seccomp_data, instruction_pointer);
	uint32_t i;

	for (i = 0; i < p->jumps; i++)
		p->code[p->jump[i]].k = p->count - p->jump[i] - 1;
	load(p, ip + 4);
	jeq(p, (uint32_t)(PROTO_AGENT_BASE >> 32), 0, 4);
	load(p, ip);
	emit(p, BPF_ALU | BPF_SUB | BPF_K, (uint32_t)PROTO_AGENT_BASE, 0, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, PROTO_AGENT_HEAD_SIZE, 1, 0);
	ret(p, SECCOMP_RET_ALLOW);
	ret(p, SECCOMP_RET_TRAP);
}

static void build_lists(struct program *p)
{
	load(p, offsetof(struct seccomp_data, arch));
	jeq(p, AUDIT_ARCH_X86_64, 1, 0);
	ret(p, SECCOMP_RET_ALLOW);
	load(p, offsetof(struct seccomp_data, nr));
	jeq(p, __NR_getdents64, 2, 0);
	jeq(p, __NR_getdents, 1, 0);
	ret(p, SECCOMP_RET_ALLOW);
	from_head_page(p);
}

static void build(struct program *p)
{
	static const uint16_t calls[] = {
		__NR_mprotect,	__NR_pkey_mprotect, __NR_munmap,     __NR_mremap, __NR_madvise,
		__NR_mlock,	__NR_mlock2,	    __NR_ftruncate,  __NR_fsync,  __NR_fdatasync,
		__NR_fallocate, __NR_readlink,	    __NR_readlinkat,
	};
	const uint32_t fixed = MAP_FIXED | MAP_ANONYMOUS;
	uint32_t i;

	load(p, offsetof(struct seccomp_data, arch));
	jeq(p, AUDIT_ARCH_X86_64, 1, 0);
	ret(p, SECCOMP_RET_ALLOW);
	load(p, offsetof(struct seccomp_data, nr));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		jeq(p, calls[i], 0, 1);
		to_test(p);
	}
	jeq(p, __NR_fcntl, 0, 5);
	load(p, offsetof(struct seccomp_data, args[1]));
	jeq(p, F_ADD_SEALS, 1, 0);
	jeq(p, F_GET_SEALS, 0, 1);
	to_test(p);
	ret(p, SECCOMP_RET_ALLOW);
	/* inject/ maps the arena of a new image before there is a head page */
	jeq(p, __NR_mmap, 0, 7);
	load(p, offsetof(struct seccomp_data, args[3]));
	emit(p, BPF_ALU | BPF_AND | BPF_K, fixed, 0, 0);
	jeq(p, fixed, 0, 3);
	load(p, offsetof(struct seccomp_data, args[0]) + 4);
	jeq(p, (uint32_t)(PROTO_AGENT_BASE >> 32), 1, 0);
	to_test(p);
	ret(p, SECCOMP_RET_ALLOW);
	ret(p, SECCOMP_RET_ALLOW);
	from_head_page(p);
}

/* False: another thread has installed it, or is doing so; or it must not be. */
static bool take(uint32_t *installed)
{
	uint32_t zero = 0;

	/* a vfork child: the filter would be its own, what is noted the parent's */
	if (*installed || (uint32_t)sys0(__NR_getpid) != PROC->pid)
		return false;
	return __atomic_compare_exchange_n(installed, &zero, 1, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* In all threads.  False: some have filters of their own, and cannot be made to have ours. */
static bool install(struct program *p)
{
	struct sock_fprog prog = {.len = (unsigned short)p->count, .filter = p->code};

	return sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) == 0 ||
	       sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0;
}

void mem_filter_stage2(void)
{
	struct program p;

	if (!take(&PROC->filter_stage2))
		return;
	p.count = p.jumps = 0;
	build(&p);
	if (!install(&p))
		agent_say("other threads have seccomp filters of their own: their mprotect and "
			  "munmap of enclave memory are not seen");
}

/* Such threads do not see our files in listings; nothing else is lost. */
void mem_filter_lists(void)
{
	struct program p;

	if (!take(&PROC->filter_lists))
		return;
	p.count = p.jumps = 0;
	build_lists(&p);
	install(&p);
}
