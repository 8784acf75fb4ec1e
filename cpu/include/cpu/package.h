/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One processor package: EPC, EPCM, MSRs, keys and CPUID's view of SGX.
 *
 * The package owns no memory and makes no system call: its maker hands it the
 * EPCM array and the operations that reach the bytes of EPC pages.  A *slot* is
 * the number of an EPC page in the package, 0 .. epc_pages-1, across sections.
 *
 * Context: leaves may run on several threads at once.  Each leaf takes the
 * EPCM entries it uses (epcm_entry.lock) without waiting and answers what the
 * SDM says of a concurrent access (#GP(0), or SGX_EPC_PAGE_CONFLICT).
 */
#ifndef CPU_PACKAGE_H
#define CPU_PACKAGE_H

#include <cpu/cpuid.h>
#include <cpu/model.h>
#include <cpu/result.h>

typedef uint32_t epc_slot_t;
#define EPC_SLOT_NONE	     ((epc_slot_t)~0u)

#define CPU_EPC_SECTIONS_MAX 8

/*
 * EPCM entry, 32 bytes.
 *
 *	         ECREATE/EADD/EPA/ELDU/EAUG            EBLOCK
 *	 invalid ------------------> valid,!blocked -------> valid,blocked
 *	  |  ^  ^-------EREMOVE------------'                  ^   |
 *	  |  '----------------EWB, EREMOVE--------------------+---'
 *	  '-------------------ELDB----------------------------'
 *
 * SECS and VA pages are never blocked: EWB takes them as they are.  All other
 * fields have meaning only while valid, blocked_epoch only while blocked,
 * modified_epoch only while untracked.
 *
 * What SGX2 does to a child of an initialised enclave, and the enclave accepts:
 *
 *	 EAUG --> PENDING --EACCEPT, EACCEPTCOPY--> PT_REG
 *
 *	              ,--EMODPE--.
 *	          PT_REG <-------'  --EMODPR--> PR --EACCEPT--> PT_REG
 *	            |                           |
 *	            '-------------EMODT---------'--> MODIFIED --EACCEPT--> PT_TCS, PT_TRIM
 *	          PT_TCS ---------EMODT (PT_TRIM)------'
 *
 * PENDING pages are PT_REG with R and W; MODIFIED ones PT_TCS or PT_TRIM without
 * permissions; PR is a PT_REG page's that is neither.
 */
struct epcm_entry {
	uint64_t address; /* EPCM.ENCLAVEADDRESS: linear, page-aligned */
	epc_slot_t secs; /* EPCM.ENCLAVESECS: slot; NONE for SECS and VA */
	int32_t lock; /* atomic: 0 free, -1 exclusive, n>0 shared */
	int32_t modify_lock; /* atomic: -1 in EACCEPT(COPY), EMODPE, EMODPR, EMODT */
	uint32_t blocked_epoch; /* low half of the enclave's epoch at EBLOCK */
	uint32_t modified_epoch; /* and at EMODPR or EMODT */
	union {
		struct {
			uint8_t valid;
			uint8_t blocked; /* atomic: EBLOCK holds the entry shared */
			union {
				struct {
					uint8_t pt : 5; /* enum sgx_pt */
					uint8_t rwx : 3; /* SGX_SECINFO_RWX_BITS */
					uint8_t pending : 1;
					uint8_t modified : 1;
					uint8_t pr : 1;
					/* older translations allow more, until tracked */
					uint8_t untracked : 1;
				};
				uint16_t attributes; /* all of these: atomic */
			};
		};
		uint32_t state; /* and VALID and BLOCKED: atomic to read */
	};
};
_Static_assert(sizeof(struct epcm_entry) == 32, "EPCM entry size");

/* A run of EPC, as CPUID 12H sub-leaf 2+ lists it. */
struct epc_section {
	uint64_t base; /* physical = kernel linear address here, page-aligned */
	epc_slot_t first; /* slot of its first page */
	uint32_t pages;
};

/*
 * Where the bytes of EPC pages are.  The maker of the package gives these; ctx
 * is passed back.
 */
struct epc_mem_ops {
	/*
	 * The 4096 bytes of a page that the EPCM says is valid (or that fill()
	 * has just been called for).  Never NULL.
	 */
	uint8_t *(*bytes)(void *ctx, epc_slot_t slot);
	/*
	 * Give a free page its content: 4096 bytes from src (NULL: zeros).  For
	 * a child page secs is its SECS' slot and linaddr its address; for
	 * SECS and VA pages secs is EPC_SLOT_NONE.
	 * Return: 0, or -1 where the host has no memory (nothing changed).
	 */
	int (*fill)(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr, const void *src);
	/* The page became invalid (EREMOVE, EWB): its bytes may go. */
	void (*drop)(void *ctx, epc_slot_t slot);
	/*
	 * Is a thread inside the enclave that the child page at slot (of any
	 * type) belongs to?  NULL: never.  Only the host sees the TCS slots;
	 * for EREMOVE's SGX_ENCLAVE_ACT.
	 */
	bool (*tcs_busy)(void *ctx, epc_slot_t slot);
	/*
	 * Entry tracking.  The enclave of the SECS at slot has a new epoch: threads
	 * that enter from now on carry it (ETRACK).  NULL: no
	 * thread ever enters.
	 */
	void (*set_epoch)(void *ctx, epc_slot_t secs, uint64_t epoch);
	/*
	 * The oldest epoch that a thread inside the enclave carries, UINT64_MAX
	 * where none is inside.  Sees every entry that took its TCS before the call.
	 * NULL: none.
	 */
	uint64_t (*oldest_epoch)(void *ctx, epc_slot_t secs);
};

/* What CPUID and the microcode of this package offer. */
struct cpu_config {
	uint64_t attributes; /* ATTRIBUTES bits software may set: CPUID 12H.1 EAX/EBX */
	uint64_t xfrm; /* XFRM bits software may set: CPUID 12H.1 ECX/EDX */
	uint32_t miscselect; /* CPUID 12H.0 EBX */
	uint8_t max_size_32; /* log2 of the largest enclave, 32-bit */
	uint8_t max_size_64; /* and 64-bit: CPUID 12H.0 EDX */
	uint8_t sgx2; /* CPUID 12H.0 EAX[1]; 0 until kernel/ and agent/ have it too */
	uint8_t edeccssa; /* CPUID 12H.0 EAX[11]; as sgx2.  AEX-Notify is one of attributes */
	uint8_t oversub; /* CPUID 12H.0 EAX[6]: ETRACKC, ELDBC, ELDUC */
	uint8_t flc; /* CPUID 7.ECX[30] */
	/*
	 * Run cpu_check_invariants() after every leaf.  For makers that run one
	 * leaf at a time: a second one would hold locks that the check sees.
	 */
	uint8_t debug_checks;
	uint32_t xsave_size[64]; /* size of XSAVE component i, 0 if none */
	uint32_t xsave_offset[64]; /* offset in the standard format */
};

#define CPU_FUSE_SIZE 32

struct cpu_package {
	struct epcm_entry *epcm; /* epc_pages entries, zeroed by the maker */
	uint32_t epc_pages;
	uint32_t section_count;
	struct epc_section section[CPU_EPC_SECTIONS_MAX];
	const struct epc_mem_ops *mem;
	void *mem_ctx;

	struct cpu_config config;
	uint64_t feature_control; /* IA32_FEATURE_CONTROL */
	uint64_t sgxlepubkeyhash[4]; /* IA32_SGXLEPUBKEYHASH0-3 */
	uint8_t cpusvn[SGX_CPUSVN_SIZE];
	uint8_t fuses[CPU_FUSE_SIZE]; /* root of every key; per machine */
	uint8_t owner_epoch[16]; /* IA32_SGXOWNEREPOCH0-1 */
	uint8_t report_keyid[32]; /* CR_REPORT_KEYID: new at each boot */
	uint8_t paging_key[SGX_KEY_SIZE]; /* CR_BASE_PK: new at each boot */
	const void *gcm; /* libcrypto's AES-GCM, for the pages; may be NULL */
	uint64_t next_version; /* atomic: of evicted pages; never reused, never 0 */
	uint64_t next_eid; /* atomic: EIDs are never reused */
	/*
	 * With debug_checks: the first invariant that a leaf was found to have
	 * broken, a static string; every leaf since answers #MC.  NULL: none.
	 */
	const char *broken;
};

/**
 * cpu_package_init() - bring a package out of reset
 * @pkg:	zeroed, with epcm, epc_pages, sections, mem and mem_ctx set
 * @config:	copied
 * @fuses:	CPU_FUSE_SIZE bytes, the same at each start of the same machine
 * @boot_random: 32 bytes, new at each start
 *
 * Sets FEATURE_CONTROL locked with SGX (and launch control where config.flc),
 * CR_REPORT_KEYID from @boot_random, CR_BASE_PK from it and the fuses, and the
 * reset value of IA32_SGXLEPUBKEYHASHn.
 */
void cpu_package_init(struct cpu_package *pkg, const struct cpu_config *config,
		      const uint8_t *fuses, const uint8_t *boot_random);

/**
 * cpu_package_exit() - give back what cpu_package_init() has of libcrypto
 *
 * Context: no leaf runs, or will.
 */
void cpu_package_exit(struct cpu_package *pkg);

/**
 * cpu_epc_lose() - a page's content is gone, as after a sleep state or a machine check
 *
 * The EPCM entry becomes invalid and the bytes are dropped.  A SECS that is lost
 * takes its children with it: they are to be lost first.
 * Context: waits for leaves that use the entry.
 */
void cpu_epc_lose(struct cpu_package *pkg, epc_slot_t slot);

/**
 * cpu_power_loss() - the keys that do not survive a sleep state are new
 * @random: 32 bytes
 *
 * CR_BASE_PK and CR_REPORT_KEYID.  EPC pages are cpu_epc_lose()'s.
 */
void cpu_power_loss(struct cpu_package *pkg, const uint8_t *random);

/**
 * cpu_lock_launch() - firmware that lets no system choose who may launch enclaves
 * @hash: SHA-256 of the one signer's modulus, for IA32_SGXLEPUBKEYHASH0-3; NULL: Intel's stays
 *
 * IA32_FEATURE_CONTROL is locked without SGX_LC; CPUID says what the processor has, as before.
 * Context: before the package is used.
 * Return: false where the processor has no such MSRs to write @hash to.
 */
bool cpu_lock_launch(struct cpu_package *pkg, const uint8_t *hash);

/* The kernel-linear address of a slot, and back (EPC_SLOT_NONE: not EPC). */
uint64_t cpu_epc_addr(const struct cpu_package *pkg, epc_slot_t slot);
epc_slot_t cpu_epc_slot(const struct cpu_package *pkg, uint64_t addr);

/**
 * cpu_ssa_size() - what an SSA frame takes
 * @xfrm: SECS.ATTRIBUTES.XFRM
 * @miscselect: SECS.MISCSELECT
 *
 * Return: bytes: XSAVE image in standard format, GPRSGX, MISC region.
 */
uint64_t cpu_ssa_size(const struct cpu_config *config, uint64_t xfrm, uint32_t miscselect);

/**
 * cpu_rdmsr() - read an SGX MSR
 * @msr: SGX_MSR_FEATURE_CONTROL, or SGX_MSR_LEPUBKEYHASH0 and the three after it
 *
 * Return: CPU_DONE with @value set, or #GP(0) for another MSR.
 */
struct cpu_result cpu_rdmsr(const struct cpu_package *pkg, uint32_t msr,
			    uint64_t *value) CPU_MUST_CHECK;

/**
 * cpu_wrmsr() - write an SGX MSR
 *
 * Context: the hash MSRs belong to a logical processor: whoever writes them for
 * an EINIT makes sure that no other EINIT runs in between.
 * Return: CPU_DONE, or #GP(0) where FEATURE_CONTROL is locked, or where launch
 * control does not leave the hash to software.
 */
struct cpu_result cpu_wrmsr(struct cpu_package *pkg, uint32_t msr, uint64_t value) CPU_MUST_CHECK;

/**
 * cpu_cpuid_sgx() - CPUID of SGX on this package
 * @leaf, @subleaf: EAX and ECX
 * @regs:	in: what the host's processor answers; out: with SGX in it
 *
 * Changes leaf 7.0 (SGX, SGX_LC) and all of 12H; leaves others alone.
 */
void cpu_cpuid_sgx(const struct cpu_package *pkg, uint32_t leaf, uint32_t subleaf,
		   struct cpu_cpuid *regs);

/**
 * cpu_cpuid_view_init() - what CPUID answers on this package
 * @pkg:	after cpu_package_init()
 * @host:	the processor that runs it: CPUID as it is
 * @model:	which processor it shows; the package's configuration is the model's already
 * @tsc_khz:	frequency of its time stamp counter; 0: not known, or it is not constant
 *
 * Nothing in it changes while the package is there.
 */
void cpu_cpuid_view_init(struct cpu_cpuid_view *view, const struct cpu_package *pkg,
			 cpu_cpuid_native *host, const struct cpu_model *model, uint32_t tsc_khz);

/**
 * cpu_check_invariants() - assert what must hold between two leaves
 * @why: receives a static string naming the first invariant that is broken
 *
 * Context: nothing else runs on the package.  Return: true if all hold.
 */
bool cpu_check_invariants(const struct cpu_package *pkg, const char **why) CPU_MUST_CHECK;

#endif
