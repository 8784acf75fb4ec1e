/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processor below Linux's driver.
 *
 * ENCLS, as the driver's inline assembly has it, is #UD at CPL 3: the handler of SIGILL
 * gives its registers to cpu/ and puts the results back.  A fault goes on where the
 * driver's exception table says, with the vector in RAX, as the kernel's handler has it.
 * EPC pages are at their physical addresses, where nothing is mapped: the driver may use
 * them as operands of ENCLS alone, and any other access ends the process.
 */
#include "upstream.h"

#include <cpu/leaf.h>
#include <cpu/package.h>
#include <secs.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define FAULT_FLAG 0x40000000u /* SGX_ENCLS_FAULT_FLAG, as ex_handler_sgx() has it */

struct ex_entry {
	uint64_t from, to;
};
extern const struct ex_entry __start_shim_extable[], __stop_shim_extable[];

struct up_cpu up_cpu;
static struct cpu_package pkg;
static uint8_t (*epc)[4096];
static uint8_t *there; /* of each EPC page: it has bytes */
static uint8_t *bad; /* of each EPC page: it has a memory error */
/* By slot of the SECS: the epoch that the oldest thread inside carries; UINT64_MAX: none is */
static uint64_t *thread_epoch;

static void die(const char *why)
{
	fprintf(stderr, "upstream's processor: %s\n", why);
	abort();
}

static uint8_t *mem_bytes(void *ctx, epc_slot_t slot)
{
	if (!there[slot])
		die("bytes of a page that is not there");
	return epc[slot];
}

static int mem_fill(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr, const void *src)
{
	if (there[slot])
		die("fill of a page that is there");
	there[slot] = 1;
	thread_epoch[slot] = UINT64_MAX;
	if (src)
		memcpy(epc[slot], src, 4096);
	else
		memset(epc[slot], 0, 4096);
	return 0;
}

static void mem_drop(void *ctx, epc_slot_t slot)
{
	if (!there[slot])
		die("drop of a page that is not there");
	there[slot] = 0;
	memset(epc[slot], 0xdb, 4096);
}

static bool mem_busy(void *ctx, epc_slot_t slot)
{
	return up_cpu.busy;
}

static uint64_t mem_oldest_epoch(void *ctx, epc_slot_t secs)
{
	return thread_epoch[secs];
}

void up_cpu_enter(unsigned int n, uint64_t random)
{
	for (epc_slot_t s = 0; s < pkg.epc_pages; s++)
		if (pkg.epcm[s].valid && pkg.epcm[s].pt == SGX_PT_SECS &&
		    (random * (s + 1) >> 20) % n == 0 && thread_epoch[s] == UINT64_MAX)
			thread_epoch[s] = secs_get(&pkg, s)->hidden.epoch;
}

void up_cpu_leave(void)
{
	for (epc_slot_t s = 0; s < pkg.epc_pages; s++)
		thread_epoch[s] = UINT64_MAX;
}

static const struct epc_mem_ops mem_ops = {
	.bytes = mem_bytes,
	.fill = mem_fill,
	.drop = mem_drop,
	.tcs_busy = mem_busy,
	.oldest_epoch = mem_oldest_epoch,
};

/* The kernel's memory is this process'. */
static void *as_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	return addr < 65536 || addr >> 47 || cpu_epc_slot(&pkg, addr) != EPC_SLOT_NONE
		       ? NULL
		       : (void *)(uintptr_t)addr;
}

static const struct cpu_as as = {.map = as_map};

bool up_cpu_guest(uint32_t leaf, void *rbx, uint64_t rcx)
{
	struct cpu_regs regs = {leaf, (uint64_t)rbx, rcx, 0};

	return cpu_encls(&pkg, &as, &regs).kind == CPU_DONE;
}

static void on_sigill(int sig, siginfo_t *si, void *context)
{
	static const uint8_t encls[3] = {0x0f, 0x01, 0xcf};
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)g[REG_RIP], leaf = (uint64_t)g[REG_RAX];
	struct cpu_regs regs = {(uint64_t)g[REG_RAX], (uint64_t)g[REG_RBX], (uint64_t)g[REG_RCX],
				(uint64_t)g[REG_RDX]};
	struct cpu_result r;

	if (memcmp((const void *)rip, encls, sizeof(encls))) {
		signal(SIGILL, SIG_DFL);
		return;
	}
	up_cpu.leaves++;
	if (leaf < 32)
		up_cpu.leaf[leaf]++;
	if (leaf < 32 && up_cpu.code[leaf] >= 0) {
		g[REG_RAX] = up_cpu.code[leaf];
		if (up_cpu.code[leaf] & (int)FAULT_FLAG)
			goto fault;
		g[REG_RIP] += 3;
		return;
	}
	r = cpu_encls(&pkg, &as, &regs);
	if (r.kind == CPU_DONE || r.kind == CPU_CODE) {
		g[REG_RAX] = (greg_t)regs.rax;
		g[REG_RBX] = (greg_t)regs.rbx;
		g[REG_RCX] = (greg_t)regs.rcx;
		g[REG_RDX] = (greg_t)regs.rdx;
		g[REG_RIP] += 3;
		return;
	}
	if (r.kind != CPU_FAULT)
		die("the model's host has no memory");
	g[REG_RAX] = (greg_t)(FAULT_FLAG | r.vector);
fault:
	up_cpu.faults++;
	for (const struct ex_entry *e = __start_shim_extable; e < __stop_shim_extable; e++)
		if (e->from == rip) {
			g[REG_RIP] = (greg_t)e->to;
			return;
		}
	die("a faulting ENCLS is not in the table");
}

/**
 * up_cpu_init() - a processor of its own
 * @like: its configuration and sections are this one's
 * @pages: of EPC, in one section; 0: as @like has them
 */
struct cpu_package *up_cpu_init(const struct cpu_package *like, unsigned int pages)
{
	static const uint8_t fuses[CPU_FUSE_SIZE] = {1, 2, 3}, boot[32] = {4, 5, 6};
	struct sigaction sa = {.sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO};

	for (int i = 0; i < 32; i++)
		up_cpu.code[i] = -1;
	pkg.epc_pages = like->epc_pages;
	pkg.section_count = like->section_count;
	memcpy(pkg.section, like->section, sizeof(pkg.section));
	if (pages) {
		pkg.epc_pages = pkg.section[0].pages = pages;
		pkg.section_count = 1;
	}
	pkg.epcm = calloc(pkg.epc_pages, sizeof(*pkg.epcm));
	epc = calloc(pkg.epc_pages, sizeof(*epc));
	there = calloc(pkg.epc_pages, 1);
	bad = calloc(pkg.epc_pages, 1);
	thread_epoch = calloc(pkg.epc_pages, sizeof(*thread_epoch));
	pkg.mem = &mem_ops;
	cpu_package_init(&pkg, &like->config, fuses, boot);
	sigaction(SIGILL, &sa, NULL);
	return &pkg;
}

uint8_t *up_cpu_bytes(uint64_t phys)
{
	epc_slot_t slot = cpu_epc_slot(&pkg, phys);

	return slot == EPC_SLOT_NONE || !there[slot] ? NULL : epc[slot];
}

/* What a page walk in enclave mode asks of the EPCM */
bool up_cpu_permits(uint64_t phys, uint64_t secs_phys, uint64_t addr, enum up_kind kind)
{
	static const unsigned int need[] = {1, 2, 4};
	epc_slot_t slot = cpu_epc_slot(&pkg, phys);
	const struct epcm_entry *e = &pkg.epcm[slot];

	return slot != EPC_SLOT_NONE && e->valid && !e->blocked && e->pt == SGX_PT_REG &&
	       !e->pending && !e->modified && e->secs == cpu_epc_slot(&pkg, secs_phys) &&
	       e->address == (addr & SGX_PAGE_MASK) && (e->rwx & need[kind]);
}

/* First children, then the others: a SECS that has children is not lost before them. */
void up_cpu_lose_all(const uint8_t *random)
{
	cpu_power_loss(&pkg, random);
	for (int pass = 0; pass < 2; pass++)
		for (epc_slot_t s = 0; s < pkg.epc_pages; s++)
			if (pkg.epcm[s].valid && (pkg.epcm[s].pt == SGX_PT_SECS) == pass)
				cpu_epc_lose(&pkg, s);
}

void up_cpu_lose(uint64_t phys)
{
	epc_slot_t slot = cpu_epc_slot(&pkg, phys);

	bad[slot] = 1;
	if (pkg.epcm[slot].valid)
		cpu_epc_lose(&pkg, slot);
}

bool up_cpu_bad(uint64_t phys)
{
	epc_slot_t slot = cpu_epc_slot(&pkg, phys);

	return slot != EPC_SLOT_NONE && bad[slot];
}

/* --- what the shims ask --------------------------------------------------------------------- */

bool up_cpu_feature(int feature);
void up_cpu_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
void up_cpu_wrmsr(uint32_t msr, uint64_t value);
void up_cpu_sha256(const void *data, unsigned int size, void *digest);

bool up_cpu_feature(int feature)
{
	switch (feature) {
	case 0: /* X86_FEATURE_SGX */
		return !up_knobs.no_sgx;
	case 1: /* X86_FEATURE_SGX_LC */
		return !up_knobs.no_flc;
	case 2: /* X86_FEATURE_SGX2 */
		return up_knobs.sgx2;
	case 3: /* X86_FEATURE_VMX */
		return up_knobs.vmx;
	default: /* X86_FEATURE_OSXSAVE */
		return true;
	}
}

void up_cpu_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct cpu_cpuid regs = {0};

	cpu_cpuid_sgx(&pkg, leaf, subleaf, &regs);
	out[0] = regs.eax;
	out[1] = regs.ebx;
	out[2] = regs.ecx;
	out[3] = regs.edx;
}

void up_cpu_wrmsr(uint32_t msr, uint64_t value)
{
	if (!cpu_ok(cpu_wrmsr(&pkg, msr, value)))
		die("WRMSR faults");
}

void up_cpu_sha256(const void *data, unsigned int size, void *digest)
{
	if (EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) != 1)
		die("no SHA-256");
}
