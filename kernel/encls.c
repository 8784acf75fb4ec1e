/* SPDX-License-Identifier: BSD-3-Clause */
#include "encls.h"

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
	struct cpu_as as = {.map = window_map, .ctx = windows};
	struct cpu_result r = cpu_encls(pkg, &as, regs);

	switch (r.kind) {
	case CPU_DONE:
		return 0;
	case CPU_CODE:
		return (int)(r.code & 0xffff);
	case CPU_HOST:
		return ENCLS_HOST_FLAG;
	default:
		return ENCLS_FAULT_FLAG | r.vector;
	}
}

/**
 * __ecreate() - make a free EPC page the SECS of a new enclave
 * @src: what ECREATE takes; the caller's private copy
 */
int __ecreate(struct cpu_package *pkg, epc_slot_t secs, const struct sgx_secs *src)
{
	static const struct sgx_secinfo_arch secinfo; /* PT_SECS, no permissions */
	struct encls_windows windows = {0};
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
	   const struct sgx_secinfo_arch *secinfo, const void *src)
{
	struct encls_windows windows = {0};
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
int __eextend(struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint32_t offset)
{
	struct encls_windows windows = {0};
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
	    const struct sgx_einittoken *token)
{
	struct encls_windows windows = {0};
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

/**
 * epcm_permits() - would the EPCM let an access from inside the enclave through
 * @addr:	page-aligned
 * @error_code:	SGX_PF_W for a write, SGX_PF_I for a fetch, else a read
 *
 * The SDM's EPCM check of a page walk: the entry is valid, not blocked, PT_REG
 * (software never reaches a TCS or a trimmed page), not PENDING or MODIFIED, of
 * this enclave and for this address, and has the permission.
 */
bool epcm_permits(const struct cpu_package *pkg, epc_slot_t slot, epc_slot_t secs, uint64_t addr,
		  uint32_t error_code)
{
	const struct epcm_entry *entry = &pkg->epcm[slot];
	unsigned int need = SGX_SECINFO_R_BIT;

	if (error_code & SGX_PF_W)
		need = SGX_SECINFO_W_BIT;
	else if (error_code & SGX_PF_I)
		need = SGX_SECINFO_X_BIT;
	return entry->valid && !entry->blocked && entry->pt == SGX_PT_REG && !entry->pending &&
	       !entry->modified && entry->secs == secs && entry->address == addr &&
	       (entry->rwx & need);
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
