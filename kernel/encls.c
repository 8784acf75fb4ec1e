/* SPDX-License-Identifier: BSD-3-Clause */
#include "encls.h"

#include <cpu/access.h>

/*
 * The subsystem's linear address space, as far as leaves see it: EPC pages at
 * cpu_epc_addr(), and a few page-sized windows at the very top, one for each
 * operand in ordinary memory.  So operands are aligned whatever the alignment
 * of the host's buffers, and no pointer of the host can look like an EPC
 * address.
 */
enum encls_window {
	WINDOW_PAGEINFO, /* PAGEINFO, 32-byte aligned */
	WINDOW_META, /* SECINFO, PCMD or EINITTOKEN */
	WINDOW_DATA, /* a page in ordinary memory or SIGSTRUCT */
	WINDOWS,
};
#define WINDOW_BASE 0xffffffffffe00000ull

struct encls_windows {
	struct {
		const void *mem;
		uint32_t size;
	} window[WINDOWS];
	bool writable; /* all of them are: EWB's */
	struct why *why; /* NULL: nobody asks */
};

static uint64_t window_addr(enum encls_window w)
{
	return WINDOW_BASE + (uint64_t)w * SGX_PAGE_SIZE;
}

static uint64_t window_open(struct encls_windows *windows, enum encls_window w, const void *mem,
			    uint32_t size)
{
	windows->window[w].mem = mem;
	windows->window[w].size = size;
	return window_addr(w);
}

/* struct cpu_as */
static void *window_map(void *ctx, uint64_t addr, uint32_t size, bool write)
{
	const struct encls_windows *windows = ctx;
	uint64_t w = (addr - WINDOW_BASE) >> SGX_PAGE_SHIFT;
	uint32_t offset = addr & (SGX_PAGE_SIZE - 1);

	if (addr < WINDOW_BASE || w >= WINDOWS || (write && !windows->writable))
		return NULL;
	if (!windows->window[w].mem || offset > windows->window[w].size ||
	    size > windows->window[w].size - offset)
		return NULL;
	return (uint8_t *)(uintptr_t)windows->window[w].mem + offset;
}

static int encls(struct cpu_package *pkg, struct encls_windows *windows, struct cpu_regs *regs)
{
	struct cpu_as as = {.map = window_map, .ctx = windows, .why = windows->why};
	struct cpu_result r = cpu_encls(pkg, &as, regs);

	switch (r.kind) {
	case CPU_DONE:
		return 0;
	case CPU_CODE:
		return (int)(r.code & 0xffff);
	case CPU_HOST:
		return why_ret(windows->why, ENCLS_HOST_FLAG, WHY_HOST_MEMORY, 0, 0);
	default:
		return ENCLS_FAULT_FLAG | r.vector;
	}
}

/**
 * __ecreate() - make a free EPC page the SECS of a new enclave
 * @src: what ECREATE takes; the caller's private copy
 */
int __ecreate(struct cpu_package *pkg, epc_slot_t secs, const struct sgx_secs *src, struct why *why)
{
	static const struct sgx_secinfo_arch secinfo; /* PT_SECS, no permissions */
	struct encls_windows windows = {.why = why};
	struct sgx_pageinfo pageinfo = {
		.srcpge = window_open(&windows, WINDOW_DATA, src, sizeof(*src)),
		.secinfo = window_open(&windows, WINDOW_META, &secinfo, sizeof(secinfo)),
	};
	struct cpu_regs regs = {
		.rax = SGX_ECREATE,
		.rbx = window_open(&windows, WINDOW_PAGEINFO, &pageinfo, sizeof(pageinfo)),
		.rcx = cpu_epc_addr(pkg, secs),
	};

	return encls(pkg, &windows, &regs);
}

/**
 * __eadd() - add a page to an enclave that is not initialised
 * @src: 4096 bytes, which may change while they are read
 */
int __eadd(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr,
	   const struct sgx_secinfo_arch *secinfo, const void *src, struct why *why)
{
	struct encls_windows windows = {.why = why};
	struct sgx_pageinfo pageinfo = {
		.linaddr = linaddr,
		.srcpge = window_open(&windows, WINDOW_DATA, src, SGX_PAGE_SIZE),
		.secinfo = window_open(&windows, WINDOW_META, secinfo, sizeof(*secinfo)),
		.secs = cpu_epc_addr(pkg, secs),
	};
	struct cpu_regs regs = {
		.rax = SGX_EADD,
		.rbx = window_open(&windows, WINDOW_PAGEINFO, &pageinfo, sizeof(pageinfo)),
		.rcx = cpu_epc_addr(pkg, slot),
	};

	return encls(pkg, &windows, &regs);
}

/**
 * __eextend() - measure SGX_EEXTEND_SIZE bytes of a page
 * @offset: in the page
 */
int __eextend(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint32_t offset,
	      struct why *why)
{
	struct encls_windows windows = {.why = why};
	struct cpu_regs regs = {
		.rax = SGX_EEXTEND,
		.rbx = cpu_epc_addr(pkg, secs),
		.rcx = cpu_epc_addr(pkg, slot) + offset,
	};

	return encls(pkg, &windows, &regs);
}

/**
 * __einit() - initialise an enclave
 *
 * Context: the lock around the launch control MSRs is held.
 */
int __einit(struct cpu_package *pkg, epc_slot_t secs, const struct sgx_sigstruct_arch *sigstruct,
	    const struct sgx_einittoken *token, struct why *why)
{
	struct encls_windows windows = {.why = why};
	struct cpu_regs regs = {
		.rax = SGX_EINIT,
		.rbx = window_open(&windows, WINDOW_DATA, sigstruct, sizeof(*sigstruct)),
		.rcx = cpu_epc_addr(pkg, secs),
		.rdx = window_open(&windows, WINDOW_META, token, sizeof(*token)),
	};

	return encls(pkg, &windows, &regs);
}

/**
 * __eremove() - take a page out of its enclave; nothing happens to a free one
 */
int __eremove(struct cpu_package *pkg, epc_slot_t slot)
{
	struct encls_windows windows = {0};
	struct cpu_regs regs = {.rax = SGX_EREMOVE, .rcx = cpu_epc_addr(pkg, slot)};

	return encls(pkg, &windows, &regs);
}

/**
 * __edbgrd() - read 8 bytes of a debug enclave
 * @data: set on success alone
 */
int __edbgrd(struct cpu_package *pkg, epc_slot_t slot, uint32_t offset, uint64_t *data)
{
	struct encls_windows windows = {0};
	struct cpu_regs regs = {.rax = SGX_EDBGRD, .rcx = cpu_epc_addr(pkg, slot) + offset};
	int ret = encls(pkg, &windows, &regs);

	if (!ret)
		*data = regs.rbx;
	return ret;
}

/**
 * __edbgwr() - write 8 bytes of a debug enclave
 */
int __edbgwr(struct cpu_package *pkg, epc_slot_t slot, uint32_t offset, uint64_t data)
{
	struct encls_windows windows = {0};
	struct cpu_regs regs = {
		.rax = SGX_EDBGWR,
		.rbx = data,
		.rcx = cpu_epc_addr(pkg, slot) + offset,
	};

	return encls(pkg, &windows, &regs);
}

/**
 * __epa() - make a free EPC page a version array
 */
int __epa(struct cpu_package *pkg, epc_slot_t slot)
{
	struct encls_windows windows = {0};
	struct cpu_regs regs = {.rax = SGX_EPA, .rbx = SGX_PT_VA, .rcx = cpu_epc_addr(pkg, slot)};

	return encls(pkg, &windows, &regs);
}

/**
 * __eblock() - no new translation to a page from now on
 */
int __eblock(struct cpu_package *pkg, epc_slot_t slot)
{
	struct encls_windows windows = {0};
	struct cpu_regs regs = {.rax = SGX_EBLOCK, .rcx = cpu_epc_addr(pkg, slot)};

	return encls(pkg, &windows, &regs);
}

/**
 * __etrack() - begin a tracking cycle of an enclave
 */
int __etrack(struct cpu_package *pkg, epc_slot_t secs)
{
	struct encls_windows windows = {0};
	struct cpu_regs regs = {.rax = SGX_ETRACK, .rcx = cpu_epc_addr(pkg, secs)};

	return encls(pkg, &windows, &regs);
}

/**
 * __ewb() - write a page out, sealed; its EPC page is free afterwards
 * @page: 4096 bytes, @pcmd: written
 *
 * Return: as all here, but SGX_VA_SLOT_OCCUPIED is no failure: 0.
 */
int __ewb(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t va, uint32_t va_index, void *page,
	  struct sgx_pcmd *pcmd)
{
	struct encls_windows windows = {.writable = true};
	struct sgx_pageinfo pageinfo = {
		.srcpge = window_open(&windows, WINDOW_DATA, page, SGX_PAGE_SIZE),
		.secinfo = window_open(&windows, WINDOW_META, pcmd, sizeof(*pcmd)),
	};
	struct cpu_regs regs = {
		.rax = SGX_EWB,
		.rbx = window_open(&windows, WINDOW_PAGEINFO, &pageinfo, sizeof(pageinfo)),
		.rcx = cpu_epc_addr(pkg, slot),
		.rdx = cpu_epc_addr(pkg, va) + (uint64_t)va_index * SGX_VA_SLOT_SIZE,
	};
	int ret = encls(pkg, &windows, &regs);

	/* A version that nobody needs any more was in the slot. */
	return ret == SGX_ERR_VA_SLOT_OCCUPIED ? 0 : ret;
}

/**
 * __eldu() - bring a page back
 * @secs: EPC_SLOT_NONE for a SECS
 * @page: 4096 bytes, which may change while they are read
 */
int __eldu(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr,
	   epc_slot_t va, uint32_t va_index, const void *page, const struct sgx_pcmd *pcmd)
{
	struct encls_windows windows = {0};
	struct sgx_pageinfo pageinfo = {
		.linaddr = linaddr,
		.srcpge = window_open(&windows, WINDOW_DATA, page, SGX_PAGE_SIZE),
		.secinfo = window_open(&windows, WINDOW_META, pcmd, sizeof(*pcmd)),
		.secs = secs == EPC_SLOT_NONE ? 0 : cpu_epc_addr(pkg, secs),
	};
	struct cpu_regs regs = {
		.rax = SGX_ELDU,
		.rbx = window_open(&windows, WINDOW_PAGEINFO, &pageinfo, sizeof(pageinfo)),
		.rcx = cpu_epc_addr(pkg, slot),
		.rdx = cpu_epc_addr(pkg, va) + (uint64_t)va_index * SGX_VA_SLOT_SIZE,
	};

	return encls(pkg, &windows, &regs);
}

/* The rule of base/rules.h for what the EPCM refuses.  Return: false */
static bool epcm_refused(const struct epcm_entry *entry, const struct epcm_access *access,
			 enum epcm_refusal refusal, struct why *why)
{
	switch (refusal) {
	case EPCM_INVALID:
		return why_not(why, WHY_FAULT_LOST, access->address, 0);
	case EPCM_TYPE:
		return why_not(why, WHY_FAULT_TYPE, (uint64_t)entry->pt << SGX_SECINFO_PT_SHIFT, 0);
	case EPCM_RWX:
		return why_not(why, WHY_FAULT_PERM, entry->rwx, access->rwx);
	default:
		return why_not(why, WHY_FAULT_STATE, access->address, 0);
	}
}

/**
 * epcm_permits() - would the EPCM let an access from inside the enclave through
 * @addr:	page-aligned
 * @error_code:	SGX_PF_W for a write, SGX_PF_I for a fetch, else a read
 * @why:	the rule that refuses; NULL: nobody asks
 *
 * What software inside reaches is PT_REG: never a TCS or a trimmed page.
 */
bool epcm_permits(const struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint64_t addr,
		  uint32_t error_code, struct why *why)
{
	struct epcm_access access = {
		.secs = secs,
		.address = addr,
		.pt = SGX_PT_REG,
		.rwx = SGX_SECINFO_R_BIT,
	};
	enum epcm_refusal refusal;

	if (error_code & SGX_PF_W)
		access.rwx = SGX_SECINFO_W_BIT;
	else if (error_code & SGX_PF_I)
		access.rwx = SGX_SECINFO_X_BIT;
	if (why)
		why->at = addr;
	refusal = cpu_epcm_access(&pkg->epcm[slot], &access);
	return refusal == EPCM_PERMITS || epcm_refused(&pkg->epcm[slot], &access, refusal, why);
}

/**
 * epcm_permits_tcs() - would EENTER find its TCS here
 * @addr: of the TCS, page-aligned
 * @why:  the rule that refuses; NULL: nobody asks
 */
bool epcm_permits_tcs(const struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs,
		      uint64_t addr, struct why *why)
{
	struct epcm_access access = {.secs = secs, .address = addr, .pt = SGX_PT_TCS};
	enum epcm_refusal refusal = cpu_epcm_access(&pkg->epcm[slot], &access);

	if (refusal == EPCM_TYPE) /* known by another name where a TCS was asked for */
		return why_not(why, WHY_FAULT_NO_TCS,
			       (uint64_t)pkg->epcm[slot].pt << SGX_SECINFO_PT_SHIFT, 0);
	return refusal == EPCM_PERMITS || epcm_refused(&pkg->epcm[slot], &access, refusal, why);
}

/**
 * epcm_writable() - does the EPCM allow writes to a page that it lets be read
 */
bool epcm_writable(const struct cpu_package *pkg, epc_slot_t slot)
{
	return pkg->epcm[slot].rwx & SGX_SECINFO_W_BIT;
}

/**
 * epcm_valid() - is the page there, as the processor sees it?
 */
bool epcm_valid(const struct cpu_package *pkg, epc_slot_t slot)
{
	return __atomic_load_n(&pkg->epcm[slot].valid, __ATOMIC_ACQUIRE);
}

/**
 * epcm_address() - the linear address of a child, also of one that was lost since
 */
uint64_t epcm_address(const struct cpu_package *pkg, epc_slot_t slot)
{
	return pkg->epcm[slot].address;
}
