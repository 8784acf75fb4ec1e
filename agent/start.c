/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent's start: called once by inject/ at the exec stop, before the first
 * instruction of the program, on the first thread's signal stack.
 */
#include "agent.h"
#include "offsets.h"
#include "vdso/names.h"

#include <asm/unistd.h>
#include <linux/elf.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

void agent_start(struct proto_agent_params *params);

#ifndef DT_GNU_HASH
#define DT_GNU_HASH 0x6ffffef5
#endif

struct vdso_syms {
	uint64_t base;
	const Elf64_Sym *sym;
	const char *str;
	uint32_t count;
};

static bool vdso_open(uint64_t base, struct vdso_syms *v)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const uint32_t *hash = NULL;
	uint64_t load = 0;
	uint32_t i;

	agent_memset(v, 0, sizeof(*v));
	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			load = base + ph[i].p_offset - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(base + ph[i].p_offset);
	}
	if (!dyn)
		return false;
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			v->sym = (const Elf64_Sym *)(load + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_STRTAB)
			v->str = (const char *)(load + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)(load + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_GNU_HASH && !hash && !v->count) {
			/* newer kernels have only this one: chains end at an odd hash */
			const uint32_t *g = (const uint32_t *)(load + dyn->d_un.d_ptr);
			const uint32_t *bucket = g + 4 + 2 * g[2], *chain = bucket + g[0];
			uint32_t last = 0, b;

			for (b = 0; b < g[0]; b++)
				if (bucket[b] > last)
					last = bucket[b];
			if (last >= g[1])
				while (!(chain[last - g[1]] & 1))
					last++;
			v->count = last + 1;
		}
	}
	if (hash)
		v->count = hash[1];
	v->base = load;
	return v->sym && v->str;
}

static uint64_t vdso_find(const struct vdso_syms *v, const char *name)
{
	uint32_t i;

	for (i = 0; i < v->count; i++)
		if (v->sym[i].st_shndx && agent_streq(v->str + v->sym[i].st_name, name))
			return v->base + v->sym[i].st_value;
	return 0;
}

/*
 * Fill the pointer table of our vDSO from the kernel's.  A function that the
 * kernel does not have keeps a zero: its stub answers ENOSYS.
 */
static void vdso_link(const struct proto_agent_params *params)
{
	static const char names[][VDSO_NAME_MAX] = {VDSO_NAMES};
	uint64_t *table = (uint64_t *)AGENT_ADDR(PROTO_AGENT_VTABLE);
	struct vdso_syms v;
	uint32_t i;

	PROC->vdso_enclu = (uint64_t)AGENT_ADDR(PROTO_AGENT_VDSO) + VDSO_ENCLU_OFF;
	PROC->vdso_fixup = (uint64_t)AGENT_ADDR(PROTO_AGENT_VDSO) + VDSO_FIXUP_OFF;
	if (!params->kernel_vdso || !vdso_open(params->kernel_vdso, &v))
		return;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		table[i] = vdso_find(&v, names[i]);
}

static long install_filter(const struct proto_agent_params *params)
{
	struct sock_fprog prog = {
		.len = (unsigned short)params->filter_len,
		.filter = (struct sock_filter *)params->filter,
	};

	return sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static long fail(struct proto_agent_params *params, long ret, uint64_t what)
{
	params->status = ret;
	params->status_what = what;
	return ret;
}

void agent_start(struct proto_agent_params *params)
{
	struct agent_thread *t;
	stack_t ss = {0};
	uint64_t sp, size;
	long ret;

	PROC->pid = (uint32_t)sys0(__NR_getpid);
	PROC->fd_base = params->command_fd;
	PROC->daemon_pid = params->daemon_pid;
	rpc_reserve_fds();
	PROC->has_fsgsbase = params->hwcap2 >> 1 & 1;
	PROC->cpuid_faulting = params->cpuid_faulting;
	PROC->guard_way = params->guard_way;
	PROC->filter_stage2 = params->exec_flags & PROTO_EXEC_STAGE2 ? 1 : 0;
	PROC->core_enclaves = params->exec_flags & PROTO_EXEC_CORE ? 1 : 0;
	PROC->explain = params->exec_flags & PROTO_EXEC_EXPLAIN ? 1 : 0;
	PROC->explain_said = params->said;
	PROC->filter_lists = params->exec_flags & PROTO_EXEC_LISTS ? 1 : 0;
	PROC->memfd_dev = params->files.memfd_dev;
	PROC->xcr0 = params->xcr0;
	agent_memcpy(PROC->xsave.offset, params->xsave_offset, sizeof(PROC->xsave.offset));
	agent_memcpy(PROC->xsave.size, params->xsave_size, sizeof(PROC->xsave.size));
	vdso_link(params);

	/* three nested frames must fit a signal stack */
	if (3 * (params->minsigstksz + 1024) > PROTO_AGENT_BLOCK_THREAD - PROTO_AGENT_BLOCK_STACK) {
		fail(params, -ENOMEM, __NR_rt_sigaction);
		return;
	}
	/* the first block is there (inject/inject.c): we stand on its stack */
	PROC->block_high = 1;
	t = agent_thread_alloc();
	agent_thread_stack(t, &sp, &size);
	ss.ss_sp = (void *)sp;
	ss.ss_size = size;
	ret = sys2(__NR_sigaltstack, &ss, 0);
	if (ret < 0) {
		fail(params, ret, __NR_sigaltstack);
		return;
	}
	t->sigmask_own = params->sigmask & AGENT_SIGNALS;
	t->no_new_privs = !!(params->exec_flags & PROTO_EXEC_NNP);
	t->seccomp = params->exec_flags & PROTO_EXEC_SECCOMP ? SECCOMP_MODE_FILTER : 0;
	sig_takes(t, ~params->sigmask & AGENT_SIGNALS);
	sig_init(params->sigignored);
	if (params->mm_map_valid) {
		struct prctl_mm_map *map = (struct prctl_mm_map *)params->mm_map;

		/* gdb and perf read the kernel's copy of the auxv; not fatal */
		map->brk = (uint64_t)sys1(__NR_brk, 0);
		sys6(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, params->mm_map,
		     sizeof(struct prctl_mm_map), 0, 0);
	}
	if (params->cpuid_faulting)
		sys2(__NR_arch_prctl, 0x1012 /* ARCH_SET_CPUID */, 0);
	if (!(params->exec_flags & PROTO_EXEC_FILTERED)) {
		sys6(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
		ret = install_filter(params);
		if (ret < 0) {
			fail(params, ret, __NR_seccomp);
			return;
		}
	}
	/* an address or a name is all that it takes: realpath(3) begins with readlink */
	cpuid_start(params);
	if (params->names & PROTO_NAMES_SGX)
		mem_filter_stage2();
	fail(params, 0, 0);
}
