/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID outside enclaves.
 *
 * Where the processor can fault it, CPUID arrives as #GP on 0F A2.  Elsewhere
 * the instruction is found for certain in files that are mapped executable, and
 * becomes the stand-in of proto/cpuid.h (F4 17) in this process' private copy:
 * that arrives as #GP too, and is CPUID wherever it is met.
 *
 * What is in a file is known from the exec on for those that were mapped on this
 * machine before, so that most processes ask the daemon nothing and are not
 * connected for it.
 */
#include "../agent.h"

#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/prctl.h>
#include <asm/stat.h>
#include <asm/unistd.h>

#define ARCH_SET_CPUID 0x1012
#define S_IFMT	       0170000
#define S_IFREG	       0100000
#define FILL_SIZE      (1ul << 20) /* of a mapping of fill(), whole pages */
#define SCAN_TRIES     3
#define INTEL_EBX      0x756e6547u /* of leaf 0: "Genu" */

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

/* There is code of a file that looks for SGX and for Intel's name. */
static void add_insisting(uint64_t start, uint64_t end)
{
	uint32_t n;

	agent_lock(&PROC->insisting_lock);
	n = PROC->insisting_count;
	if (n < ARRAY_SIZE(PROC->insisting)) {
		PROC->insisting[n].start = start;
		PROC->insisting[n].end = end;
		__atomic_store_n(&PROC->insisting_count, n + 1, __ATOMIC_RELEASE);
	}
	agent_unlock(&PROC->insisting_lock);
}

/* Who asks for the maker may have come from where it matters. */
static void look_at_maker(uint64_t rip, const struct cpu_cpuid *leaf0)
{
	uint32_t i, n = __atomic_load_n(&PROC->insisting_count, __ATOMIC_ACQUIRE);

	if (leaf0->ebx == INTEL_EBX)
		return;
	for (i = 0; i < n; i++)
		if (rip - PROC->insisting[i].start <
		    PROC->insisting[i].end - PROC->insisting[i].start)
			explain_maker(leaf0);
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
	if (!(uint32_t)c->ax)
		look_at_maker(c->ip, &regs);
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
	if (!mem_may_become_executable())
		return;
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

static void file_id(const struct stat *st, struct proto_file_id *id)
{
	id->dev = st->st_dev;
	id->ino = st->st_ino;
	id->size = (uint64_t)st->st_size;
	id->mtime = (int64_t)(st->st_mtime * 1000000000 + st->st_mtime_nsec);
	id->ctime = (int64_t)(st->st_ctime * 1000000000 + st->st_ctime_nsec);
}

static const struct proto_known_file *known_file(const struct proto_file_id *id)
{
	const struct proto_cpuid_known *known = AGENT_KNOWN;
	uint32_t i, n = MIN(known->file_count, PROTO_KNOWN_FILES);

	for (i = 0; i < n; i++)
		if (proto_file_same(&known->file[i].id, id))
			return &known->file[i];
	return NULL;
}

static void look_at_names(uint32_t names, uint64_t addr, uint64_t size)
{
	if (names & PROTO_NAMES_SGX)
		mem_filter_stage2();
	if (names & PROTO_NAMES_INTEL)
		add_insisting(addr, addr + size);
}

/* Bytes of a file into a mapping of another.  False: they are not there, or no more. */
static bool read_all(int fd, uint64_t addr, uint64_t size, uint64_t offset)
{
	uint64_t done = 0;

	while (done < size) {
		long n = sys4(__NR_pread64, fd, addr + done, size - done, offset + done);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (uint64_t)n;
	}
	return true;
}

/*
 * The file, as this process may read it, into the one that the daemon gave for it: by
 * mappings, since write() minds the program's limit on the size of files.  A child that
 * inherited one could write, and the daemon would take nothing then.
 */
static void fill(int to, int from, uint64_t size)
{
	uint64_t at, n;
	bool all = true;

	for (at = 0; all && at < size; at += n) {
		long addr;

		n = MIN(size - at, FILL_SIZE);
		addr = sys6(__NR_mmap, 0, n, PROT_READ | PROT_WRITE, MAP_SHARED, to, at);
		if (is_error(addr))
			return;
		sys3(__NR_madvise, addr, n, MADV_DONTFORK);
		all = read_all(from, (uint64_t)addr, n, at);
		sys2(__NR_munmap, addr, n);
	}
}

/* What the daemon says of a file. */
struct scan_answer {
	long ret; /* how many, or -errno */
	uint64_t scan; /* it wants to have it: number of the scan, else 0 */
	int fd; /* to be filled then */
	uint32_t names;
	uint32_t count, found[PROTO_DATA_SIZE / 4];
};

static void ask(const struct proto_file_id *id, uint64_t scan, uint64_t offset, uint64_t size,
		struct scan_answer *a)
{
	struct proto_slot *slot = rpc_begin(PROTO_OP_CPUID_SCAN, 0);

	a->ret = -EIO;
	a->scan = a->names = a->count = 0;
	a->fd = -1;
	if (!slot)
		return;
	slot->a0 = scan;
	slot->a1 = offset << 32 | size;
	agent_memcpy(slot->data, id, sizeof(*id));
	a->ret = rpc_call_fd(slot, &a->fd, 1);
	if (!rpc_lost()) {
		a->scan = slot->fds ? slot->r1 : 0;
		a->names = (uint32_t)slot->r0;
		a->count = a->ret > 0 ? (uint32_t)MIN(a->ret, (long)ARRAY_SIZE(a->found)) : 0;
		agent_memcpy(a->found, slot->data, a->count * sizeof(a->found[0]));
	}
	rpc_end(slot);
}

/* Return: false where there was no descriptor number for the file to be filled. */
static bool scan_once(int fd, const struct proto_file_id *id, uint64_t offset, uint64_t size,
		      struct scan_answer *a)
{
	bool room;

	ask(id, 0, offset, size, a);
	if (!a->scan)
		return true;
	room = a->fd >= 0;
	if (room) {
		fill(a->fd, fd, id->size);
		sys1(__NR_close, a->fd);
	}
	/* also where it has not been filled: that ends it */
	ask(id, a->scan, offset, size, a);
	return room;
}

/*
 * A fork between the two calls of fill() makes the daemon refuse: then once more.  So it is
 * where the program has taken every descriptor that its limit allows, which is raised then.
 */
static void scan_file(int fd, const struct proto_file_id *id, uint64_t offset, uint64_t size,
		      struct scan_answer *a)
{
	struct rlimit old, high;
	bool raised = false;
	int tries;

	for (tries = 0; tries < SCAN_TRIES; tries++) {
		bool room = scan_once(fd, id, offset, size, a);

		if (room ? a->ret != -EBUSY : raised)
			break;
		if (room || sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &old) < 0)
			continue;
		high.rlim_cur = high.rlim_max = old.rlim_max;
		raised = sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &high, 0) == 0;
	}
	if (raised)
		sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &old, 0);
}

static void patch_known(struct patcher *p, const struct proto_known_file *known, uint64_t offset)
{
	look_at_names(known->names, p->start, p->size);
	if (known->first <= PROTO_KNOWN_SITES && known->count <= PROTO_KNOWN_SITES - known->first)
		patch_all(p, AGENT_KNOWN->site + known->first, known->count, 0, offset);
}

void cpuid_patch_mapping(int fd, uint64_t addr, uint64_t size, uint64_t offset, uint32_t prot)
{
	struct patcher p = {.start = addr, .size = size, .prot = prot, .mem = -1};
	const struct proto_known_file *known;
	struct proto_file_id id;
	struct scan_answer a;
	struct stat st;

	if (size > 0xffffffff || offset > 0xffffffff || sys2(__NR_fstat, fd, &st) < 0)
		return;
	file_id(&st, &id);
	known = known_file(&id);
	if (known) {
		patch_known(&p, known, offset);
		return;
	}
	if ((st.st_mode & S_IFMT) != S_IFREG || left_alone(fd))
		return;
	scan_file(fd, &id, offset, size, &a);
	if (a.ret >= 0)
		look_at_names(a.names, addr, size);
	patch_all(&p, a.found, a.count, offset, offset);
}

static uint64_t auxv_get(const struct proto_agent_params *params, uint64_t type)
{
	uint32_t i;

	for (i = 0; i + 1 < params->auxv_size / 8; i += 2)
		if (params->auxv[i] == type)
			return params->auxv[i + 1];
	return 0;
}

/*
 * What is added to the addresses in the executable's headers.  The ELF header lies before
 * the program headers, as linkers put them.  Return: false where it does not.
 */
static bool find_bias(const struct proto_agent_params *params, uint64_t *bias)
{
	uint64_t phdr = auxv_get(params, AT_PHDR);
	Elf64_Ehdr eh;

	if (phdr < sizeof(eh) || !copy_in(&eh, phdr - sizeof(eh), sizeof(eh)) ||
	    eh.e_ident[EI_MAG0] != ELFMAG0 || eh.e_ident[EI_MAG1] != ELFMAG1 ||
	    eh.e_phoff != sizeof(eh))
		return false;
	*bias = auxv_get(params, AT_ENTRY) - eh.e_entry;
	return true;
}

/*
 * Not in ld.so and libc; the program's executable is always its own.  It was mapped by the
 * kernel, with nobody asking, and what is in it inject/ has found.
 */
void cpuid_start(const struct proto_agent_params *params)
{
	uint64_t at = auxv_get(params, AT_PHDR), count = auxv_get(params, AT_PHNUM), bias, i;
	Elf64_Phdr ph;

	if (!params->program_known || !AGENT_KNOWN->file_count || !find_bias(params, &bias))
		return;
	for (i = 0; i < count && copy_in(&ph, at + i * sizeof(ph), sizeof(ph)); i++) {
		struct patcher p = {.mem = -1};

		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		p.start = (bias + ph.p_vaddr) & SGX_PAGE_MASK;
		p.size = PAGE_UP(bias + ph.p_vaddr + ph.p_filesz) - p.start;
		p.prot = PROT_EXEC | (ph.p_flags & PF_R ? PROT_READ : 0) |
			 (ph.p_flags & PF_W ? PROT_WRITE : 0);
		patch_known(&p, &AGENT_KNOWN->file[0], ph.p_offset & SGX_PAGE_MASK);
	}
}
