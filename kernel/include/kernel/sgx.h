/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Linux SGX subsystem, as its host calls it.  Nouns, numbers, errno and the
 * order of checks are upstream's (arch/x86/kernel/cpu/sgx); see
 * ../shared/DRIVER.md's table, which ioctl.c follows line by line.
 *
 * Lock order: the host's mapping table, the reclaimer's lock (one pass at a time),
 * encl->lock (with it the enclave's page array), then one of the leaves:
 * sgx_epc.lock, the launch lock, the list of enclaves.  No call into the host that waits for a client happens under any of
 * them.
 */
#ifndef KERNEL_SGX_H
#define KERNEL_SGX_H

#include <kernel/host.h>
#include <sgx/arch.h>

struct sgx_subsystem;

/**
 * sgx_init() - bring the subsystem up on a package
 * @pkg:	after cpu_package_init(); must outlive the subsystem
 * @ops:	the host; @host_ctx is handed to log and to epc_mem
 *
 * Sets up sections and the allocator: every page is free.  What an earlier user
 * of the package left in the EPC is sanitised (EREMOVE'd) page by page when it is
 * first given out, so that memory of pages that no enclave uses is not touched.
 * Return: NULL without memory.
 */
struct sgx_subsystem *sgx_init(struct cpu_package *pkg, const struct sgx_host_ops *ops,
			       void *host_ctx);
/* Every enclave must have been released.  */
void sgx_exit(struct sgx_subsystem *sgx);

/* --- enclaves ---------------------------------------------------------------- */

/*
 * Generations of the interface.  A descriptor may speak upstream's and that of the
 * patch series before it: the ioctl that adds the first page says which one it is.
 */
#define SGX_INTERFACE_UPSTREAM (1u << 0) /* Linux since 5.11 */
#define SGX_INTERFACE_V22      (1u << 1) /* the patch series v20 to v22 */

/* open("/dev/sgx_enclave"): Return: a new enclave with one reference, NULL: -ENOMEM */
struct sgx_encl *sgx_open(struct sgx_subsystem *sgx, void *host_encl, uint32_t interfaces);
/* The last descriptor and the last mapping in every process are gone. */
void sgx_release(struct sgx_encl *encl);
/* What was given to sgx_open() */
void *sgx_encl_host(const struct sgx_encl *encl);
/*
 * The enclave that an EPC page is used for, or NULL.  For the host's fill() and
 * drop() of that page; at other times pages come and go.
 */
struct sgx_encl *sgx_epc_owner(struct sgx_subsystem *sgx, epc_slot_t slot);

/**
 * sgx_ioctl() - an ioctl on /dev/sgx_enclave
 * @arg: user address
 *
 * One ioctl on an enclave at a time: another one meanwhile gets -EBUSY.  An
 * ADD_PAGES that the host delivers in pieces is one ioctl: see
 * sgx_ioctl_begin().
 * Return: 0, or -errno; -ERESTARTSYS is -512 as in the kernel.
 */
long sgx_ioctl(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg);

/*
 * The same, taken apart for a host that brings the source pages in several
 * pieces: sgx_ioctl() = begin (0 or -EBUSY), run, end.
 */
int sgx_ioctl_begin(struct sgx_encl *encl, struct why *why);
long sgx_ioctl_run(struct sgx_call *call, struct sgx_encl *encl, unsigned int cmd, uint64_t arg);
void sgx_ioctl_end(struct sgx_encl *encl);

/*
 * For a host that says "done" to an ADD_PAGES before it runs it: EPC pages set
 * aside, so that it cannot fail for want of one.  See kernel/reserve.c.
 */
uint32_t sgx_encl_reserve(struct sgx_encl *encl, uint32_t pages);
void sgx_encl_unreserve(struct sgx_encl *encl);

/**
 * sgx_may_map() - mmap and mprotect on an enclave's range
 * @prot: PROT_* bits
 * @read_implies_exec: the process' personality has READ_IMPLIES_EXEC
 * @why: the rule that refuses, see base/why.h; NULL: nobody asks
 *
 * Return: 0, or -EACCES.  Before CREATE everything is allowed.
 */
int sgx_may_map(struct sgx_encl *encl, uint64_t start, uint64_t end, unsigned int prot,
		bool read_implies_exec, struct why *why);

enum sgx_fault_verdict {
	SGX_FAULT_RETRY, /* granted, or the world changed: run the access again */
	SGX_FAULT_PF, /* #PF with error_code; vDSO users see it, others SIGSEGV */
	SGX_FAULT_SIGBUS, /* Linux: VM_FAULT_SIGBUS */
	SGX_FAULT_MCE, /* a machine check: SIGBUS, BUS_MCEERR_AR */
};

struct sgx_fault {
	uint64_t addr; /* in: linear address, any byte of the page */
	uint32_t error_code; /* in: P, W, U, I as the processor gave; out for PF: with SGX */
	uint32_t vm_prot; /* in: PROT_* of the mapping at addr */
	bool enclave_mode; /* in: the access was made inside this enclave */
	bool tcs; /* in: the access is EENTER's or ERESUME's to its TCS */
	struct why *why; /* in: where it is noted what refuses; NULL: nobody asks */
};

/**
 * sgx_fault() - a thread of @mm met a hole or a write-protected page
 *
 * Loads the page, then grants it as the EPCM allows.  An access that the EPCM
 * forbids (TCS, PENDING, ..., no W) is SGX_FAULT_PF with SGX_PF_SGX.
 */
enum sgx_fault_verdict sgx_fault(struct sgx_mm *mm, struct sgx_encl *encl, struct sgx_fault *fault);

/* ENCLU[EREPORT] and [EGETKEY] on behalf of a thread in the enclave. */
struct cpu_regs;
struct cpu_result sgx_enclu(struct sgx_encl *encl, struct cpu_regs *regs, struct why *why);

/*
 * ptrace access to enclave memory, 8 bytes at an 8-byte aligned address; vm_prot: PROT_*
 * of the mapping there.
 * Return: 0; -EFAULT where not a debug enclave or no such page, also where its maximum is
 * less than vm_prot; -ENOMEM: it cannot be loaded; -EIO.
 */
int sgx_access(struct sgx_encl *encl, uint64_t addr, uint32_t vm_prot, uint64_t *data, bool write);

/* --- what befalls a machine --------------------------------------------------- */

/* A sleep state; @random: 32 bytes.  Return: 0, or -ENOMEM and nothing happened. */
int sgx_suspend(struct sgx_subsystem *sgx, const uint8_t *random);
/* A memory error in an EPC page.  Return: 0; -ENXIO: no EPC page; -EALREADY. */
int sgx_epc_poison(struct sgx_subsystem *sgx, epc_slot_t slot);
/*
 * The same for the page that the child at @offset is in now.  Return: also -ENOENT: no
 * such page; -ENODATA: it is evicted.
 */
int sgx_encl_poison(struct sgx_encl *encl, uint64_t offset, epc_slot_t *slot);

/* --- what it tells ------------------------------------------------------------ */

struct sgx_encl_info {
	uint64_t eid;
	uint64_t base, size; /* 0 before CREATE; encl_memory() sees them */
	uint64_t attributes, xfrm;
	uint32_t ssaframesize, miscselect;
	bool created, initialized, lost; /* lost: to a power event, or with its SECS */
	uint8_t mrenclave[SGX_HASH_SIZE], mrsigner[SGX_HASH_SIZE];
	uint64_t epc_pages; /* SECS, VA and children that are resident */
	uint64_t va_pages, evicted, parked, mapped;
	uint64_t ewb, eldu, soft_faults; /* since CREATE */
	uint64_t entries, exits, aexs; /* filled in by the host from TCS slots */
};
void sgx_encl_info(struct sgx_encl *encl, struct sgx_encl_info *info);

struct sgx_epc_info {
	uint64_t total, free, secs, va, reg, tcs, leaked, poisoned; /* pages */
	uint64_t reserved; /* of the free ones: see sgx_encl_reserve() */
	uint64_t enclaves; /* open, created or not */
	/* Oversubscription: of the children, by where they are */
	uint64_t mapped, parked, evicted;
	uint64_t low, high; /* watermarks */
	uint64_t ewb, eldu, soft_faults, direct_reclaims; /* since the start */
};
void sgx_epc_info(struct sgx_subsystem *sgx, struct sgx_epc_info *info);

/*
 * The invariants of DRIVER.md over all enclaves.  Context: nothing else runs.
 * Return: true; false with *why a static string.
 */
bool sgx_check_invariants(struct sgx_subsystem *sgx, const char **why);

#endif
