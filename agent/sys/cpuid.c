/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID outside enclaves.
 *
 * Where the processor can fault it, CPUID arrives as #GP on 0F A2.  Elsewhere
 * the instruction is found for certain in files that are mapped executable, and
 * becomes the stand-in of proto/cpuid.h (06 17) in this process' private copy:
 * that arrives as #UD, and is CPUID wherever it is met.
 *
 * What is in a file is known from the exec on for those that were mapped on this
 * machine before, so that most processes ask the daemon nothing and are not
 * connected for it.
 */
#include "../agent.h"

#include <linux/fcntl.h>
#include <linux/mman.h>
#include <asm/stat.h>
#include <asm/unistd.h>

#define ARCH_SET_CPUID 0x1012

_Static_assert(sizeof(struct cpu_cpuid_view) <= PROTO_PARAM_VIEW_SIZE, "room for the view");
_Static_assert(offsetof(struct proto_agent_params, cpuid_view) % 8 == 0, "view alignment");

const struct cpu_cpuid_view *cpuid_view(void)
{
	return (const void *)AGENT_PARAMS->cpuid_view;
}

static void native(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	/* with faulting on, our own CPUID would fault: off around it, this thread */
	if (PROC->cpuid_faulting)
		sys2(__NR_arch_prctl, ARCH_SET_CPUID, 1);
	__asm__ volatile("cpuid"
			 : "=a"(regs->eax), "=b"(regs->ebx), "=c"(regs->ecx), "=d"(regs->edx)
			 : "a"(leaf), "c"(subleaf));
	if (PROC->cpuid_faulting)
		sys2(__NR_arch_prctl, ARCH_SET_CPUID, 0);
}

void cpuid_answer(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs)
{
	cpu_cpuid_answer(cpuid_view(), leaf, subleaf, native, regs);
}

bool cpuid_trap(agent_ucontext *uc)
{
	struct sigcontext_64 *c = UC_REGS(uc);
	struct cpu_cpuid regs;
	uint16_t op = 0;

	if (!copy_in(&op, c->ip, sizeof(op)))
		return false;
	if (op != PROTO_CPUID_STAND_IN && (op != PROTO_CPUID_INSN || !PROC->cpuid_faulting))
		return false;
	/* who asks for SGX may look for its files by readlink next */
	if ((uint32_t)c->ax == SGX_CPUID_LEAF)
		mem_filter_stage2();
	cpuid_answer((uint32_t)c->ax, (uint32_t)c->cx, &regs);
	c->ax = regs.eax;
	c->bx = regs.ebx;
	c->cx = regs.ecx;
	c->dx = regs.edx;
	c->ip += PROTO_CPUID_LEN;
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

/*
 * Writing to a private page that is not writable: the way of debuggers, which
 * leaves the mapping as it is; or else mprotect, which may split it.
 */
struct patcher {
	uint64_t start, size; /* of the mapping */
	uint32_t prot;
	int mem; /* /proc/self/mem; -1: there is none */
};

static void patch(const struct patcher *p, uint64_t rip)
{
	const uint16_t stand_in = PROTO_CPUID_STAND_IN;
	uint64_t page = rip & SGX_PAGE_MASK;
	uint64_t span = ((rip + 1) & SGX_PAGE_MASK) == page ? SGX_PAGE_SIZE : 2 * SGX_PAGE_SIZE;
	uint16_t op = 0;

	if (rip < p->start || rip + PROTO_CPUID_LEN > p->start + p->size)
		return;
	if (!copy_in(&op, rip, sizeof(op)) || op != PROTO_CPUID_INSN)
		return;
	if (p->mem >= 0 &&
	    sys4(__NR_pwrite64, p->mem, &stand_in, sizeof(stand_in), rip) == sizeof(stand_in))
		return;
	/* nobody executes it yet: its mapping is being made */
	if (sys3(__NR_mprotect, page, span, PROT_READ | PROT_WRITE) < 0)
		return;
	copy_out(rip, &stand_in, sizeof(stand_in));
	sys3(__NR_mprotect, page, span, p->prot);
}

/* Sites are offsets from @from in the file; the mapping begins at @offset. */
static void patch_all(struct patcher *p, const uint32_t *site, uint32_t count, uint64_t from,
		      uint64_t offset)
{
	uint32_t i;

	p->mem = -1;
	for (i = 0; i < count; i++) {
		uint64_t at = from + site[i];

		if (at < offset || at - offset >= p->size)
			continue;
		if (p->mem < 0)
			p->mem = (int)sys4(__NR_openat, AT_FDCWD, "/proc/self/mem",
					   O_RDWR | O_CLOEXEC, 0);
		patch(p, p->start + (at - offset));
	}
	if (p->mem >= 0)
		sys1(__NR_close, p->mem);
}

static const struct proto_known_file *known_file(const struct stat *st)
{
	const struct proto_cpuid_known *known = AGENT_KNOWN;
	struct proto_file_id id = {
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = (int64_t)(st->st_mtime * 1000000000 + st->st_mtime_nsec),
		.ctime = (int64_t)(st->st_ctime * 1000000000 + st->st_ctime_nsec),
	};
	uint32_t i, n = MIN(known->file_count, PROTO_KNOWN_FILES);

	for (i = 0; i < n; i++)
		if (proto_file_same(&known->file[i].id, &id))
			return &known->file[i];
	return NULL;
}

void cpuid_patch_mapping(int fd, uint64_t addr, uint64_t size, uint64_t offset, uint32_t prot)
{
	struct patcher p = {.start = addr, .size = size, .prot = prot, .mem = -1};
	uint32_t count, found[PROTO_DATA_SIZE / 4];
	const struct proto_known_file *known;
	struct proto_slot *slot;
	struct stat st;
	long ret;

	if (size > 0xffffffff || offset > 0xffffffff || sys2(__NR_fstat, fd, &st) < 0)
		return;
	known = known_file(&st);
	if (known) {
		if (known->first <= PROTO_KNOWN_SITES &&
		    known->count <= PROTO_KNOWN_SITES - known->first)
			patch_all(&p, AGENT_KNOWN->site + known->first, known->count, 0, offset);
		return;
	}
	if (left_alone(fd))
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
	patch_all(&p, found, count, offset, offset);
}
