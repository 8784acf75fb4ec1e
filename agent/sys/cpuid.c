/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID outside enclaves.
 *
 * Where the processor can fault it, CPUID arrives as #GP on 0F A2.  Elsewhere
 * the daemon finds the instruction for certain in a file that is being mapped
 * executable, and 0F A2 becomes 0F 0B (UD2) in this process' private copy; the
 * sites are remembered, so that a UD2 of the program's own stays one.
 */
#include "../agent.h"

#include <linux/mman.h>
#include <asm/stat.h>
#include <asm/unistd.h>

#define OP_CPUID  0xa20fu
#define OP_UD2	  0x0b0fu
#define CPUID_LEN 2

static bool is_site(uint64_t rip)
{
	uint32_t i, n = __atomic_load_n(&PROC->cpuid_site_count, __ATOMIC_ACQUIRE);

	for (i = 0; i < n; i++)
		if (PROC->cpuid_sites[i] == rip)
			return true;
	return false;
}

static bool add_site(uint64_t rip)
{
	uint32_t n;

	if (is_site(rip))
		return true;
	agent_lock(&PROC->encl_lock);
	n = PROC->cpuid_site_count;
	if (n < AGENT_CPUID_SITES) {
		PROC->cpuid_sites[n] = rip;
		__atomic_store_n(&PROC->cpuid_site_count, n + 1, __ATOMIC_RELEASE);
	}
	agent_unlock(&PROC->encl_lock);
	return n < AGENT_CPUID_SITES;
}

static void native(uint32_t leaf, uint32_t sub, uint32_t regs[4])
{
	/* with faulting on, our own CPUID would fault: off around it, this thread */
	if (PROC->cpuid_faulting)
		sys2(__NR_arch_prctl, 0x1012 /* ARCH_SET_CPUID */, 1);
	__asm__ volatile("cpuid"
			 : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
			 : "a"(leaf), "c"(sub));
	if (PROC->cpuid_faulting)
		sys2(__NR_arch_prctl, 0x1012, 0);
}

bool cpuid_trap(agent_ucontext *uc)
{
	struct sigcontext_64 *c = UC_REGS(uc);
	uint32_t leaf = (uint32_t)c->ax, sub = (uint32_t)c->cx, regs[4];
	struct proto_slot *slot;
	uint16_t op = 0;

	if (!copy_in(&op, c->ip, sizeof(op)))
		return false;
	if (op == OP_UD2 ? !is_site(c->ip) : (op != OP_CPUID || !PROC->cpuid_faulting))
		return false;
	native(leaf, sub, regs);
	if (leaf == 0 && regs[0] < SGX_CPUID_LEAF)
		regs[0] = SGX_CPUID_LEAF;
	if (leaf == SGX_CPUID_FEATURES || leaf == SGX_CPUID_LEAF) {
		slot = rpc_begin(PROTO_OP_CPUID, 0);
		if (slot) {
			slot->a0 = leaf;
			slot->a1 = sub;
			agent_memcpy(slot->data, regs, sizeof(regs));
			if (rpc_call(slot) >= 0)
				agent_memcpy(regs, slot->data, sizeof(regs));
			rpc_end(slot);
		}
	}
	c->ax = regs[0];
	c->bx = regs[1];
	c->cx = regs[2];
	c->dx = regs[3];
	c->ip += CPUID_LEN;
	return true;
}

/* ld.so and libc look at the processor at start-up only; they are left alone. */
static bool left_alone(int fd)
{
	char link[32] = "/proc/self/fd/", path[256];
	uint32_t n = 14, k = 0, digits[10];
	const char *base = path;
	long len, i;

	do {
		digits[k++] = (uint32_t)(fd % 10);
		fd /= 10;
	} while (fd);
	while (k)
		link[n++] = (char)('0' + digits[--k]);
	link[n] = 0;
	len = sys3(__NR_readlink, link, path, sizeof(path) - 1);
	if (len <= 0)
		return true;
	path[len] = 0;
	for (i = 0; i < len; i++)
		if (path[i] == '/')
			base = path + i + 1;
	return agent_starts(base, "ld-") || agent_starts(base, "libc.so") ||
	       agent_starts(base, "libc-") || agent_starts(base, "ld.so");
}

static void patch(uint64_t rip, uint64_t start, uint64_t size, uint32_t prot)
{
	uint64_t page = rip & SGX_PAGE_MASK;
	uint64_t span = ((rip + 1) & SGX_PAGE_MASK) == page ? SGX_PAGE_SIZE : 2 * SGX_PAGE_SIZE;
	uint16_t op = 0, ud2 = OP_UD2;

	if (rip < start || rip + CPUID_LEN > start + size)
		return;
	if (!copy_in(&op, rip, sizeof(op)) || op != OP_CPUID || !add_site(rip))
		return;
	/* a private page that nobody executes yet: its mapping is being made */
	if (sys3(__NR_mprotect, page, span, PROT_READ | PROT_WRITE) < 0)
		return;
	copy_out(rip, &ud2, sizeof(ud2));
	sys3(__NR_mprotect, page, span, prot);
}

void cpuid_patch_mapping(int fd, uint64_t addr, uint64_t size, uint64_t offset, uint32_t prot)
{
	uint32_t count, i, found[PROTO_DATA_SIZE / 4];
	struct proto_slot *slot;
	struct stat st;
	long ret;

	if (size > 0xffffffff || offset > 0xffffffff || left_alone(fd) ||
	    sys2(__NR_fstat, fd, &st) < 0)
		return;
	slot = rpc_begin(PROTO_OP_CPUID_SCAN, 0);
	if (!slot)
		return;
	slot->a0 = st.st_dev;
	slot->a1 = st.st_ino;
	slot->a2 = (uint64_t)fd;
	slot->a3 = offset << 32 | size;
	ret = rpc_call(slot);
	count = ret > 0 ? (uint32_t)MIN(ret, (long)ARRAY_SIZE(found)) : 0;
	agent_memcpy(found, slot->data, count * sizeof(found[0]));
	rpc_end(slot);
	for (i = 0; i < count; i++)
		patch(addr + found[i], addr, size, prot);
}
