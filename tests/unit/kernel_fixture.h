/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host for kernel/ that is all in memory: a package with a small EPC, user
 * memory of which each page may lack permissions, and every answer of the host
 * at the test's command.
 *
 * Used by unit tests, the model test and the ioctl fuzzer; a broken rule ends
 * the process through CHECK().
 */
#ifndef TESTS_UNIT_KERNEL_FIXTURE_H
#define TESTS_UNIT_KERNEL_FIXTURE_H

#include <cpu/leaf.h>
#include <cpu/measure.h>
#include <cpu/sigstruct.h>
#include <harness/harness.h>
#include <kernel/sgx.h>
#include <pthread.h>

/* <asm/sgx.h> is what programs include; the ioctl ABI comes from there. */
#include <asm/sgx.h>

#define KFX_ERESTARTSYS 512

#define KFX_EPC_BASE	0x180000000ull
#define KFX_USER_BASE	0x10000000ull
#define KFX_USER_PAGES	48u

/* Where helpers put what ioctls take; each in a page of its own */
#define KFX_ARG		 (KFX_USER_BASE + 0 * 4096)
#define KFX_SECS	 (KFX_USER_BASE + 1 * 4096)
#define KFX_SECINFO	 (KFX_USER_BASE + 2 * 4096)
#define KFX_SIGSTRUCT	 (KFX_USER_BASE + 3 * 4096)
#define KFX_SOURCE	 (KFX_USER_BASE + 8 * 4096)
#define KFX_NOWHERE	 0x6666000ull /* never mapped */

#define KFX_BASE	 0x500000000000ull
#define KFX_SIZE	 0x40000ull /* 64 pages */

#define KFX_PROVISION_FD 77

/* What the host's TCS slots hold */
#define KFX_SLOT_CSSA 3u
#define KFX_SLOT_AEP  0x1234560ull

/* What a page of user memory lacks */
#define KFX_NO_READ    1u
#define KFX_NO_WRITE   2u
#define KFX_NO_MAYEXEC 4u

#define KFX_REG	       (SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define KFX_TCS	       (SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define KFX_R	       SGX_SECINFO_R_BIT
#define KFX_W	       SGX_SECINFO_W_BIT
#define KFX_X	       SGX_SECINFO_X_BIT

struct kfx;

/* A process, with its one thread's calls. */
struct sgx_call {
	struct kfx *k;
	uint8_t (*user)[4096];
	uint8_t lacks[KFX_USER_PAGES];
	int signal_after; /* pages until a signal is pending; < 0: never */
	unsigned int sources; /* source pages asked for */
	struct why why; /* of the last kfx_ioctl() */
};

struct sgx_mm {
	int page_grant; /* the host's answer */
	struct kfx_encl *sees; /* kfx_touch(): granted pages are noted there */
	unsigned int grants;
	uint64_t addr; /* of the last one */
	bool write;
};

struct kfx {
	struct cpu_package pkg;
	struct epcm_entry *epcm;
	uint8_t (*epc)[4096];
	uint8_t *there; /* of each EPC page: it has bytes */
	struct sgx_subsystem *sgx;

	struct sgx_call call; /* what helpers use unless told otherwise */
	uint32_t interfaces; /* of enclaves that are opened; 0: upstream's */

	/* The host's answers, and what it was asked */
	int fill_after; /* fills until one fails; < 0: never */
	int encl_memory;
	bool busy; /* a thread is inside, says the host */

	/* With kfx_oversub(): who sees what.  mmu is held around every access. */
	pthread_mutex_t mmu;
	uint8_t *granted; /* of each EPC page: a client has a PTE */
	struct kfx_where {
		struct sgx_encl *encl; /* NULL: no child */
		uint64_t addr;
	} * where;
	unsigned int no_park; /* slots that this divides cannot be parked; 0: all can */
	bool tcs_inside; /* a thread is in every TCS */
	uint64_t epoch, thread_epoch; /* published; carried by a thread, if inside */
	bool inside;
	int backing_after; /* backing_get()s until one fails; < 0: never */
	bool losses; /* there was a sgx_suspend() or sgx_epc_poison() */
	unsigned int swaps; /* backing_get()s that may not fail */
	unsigned int parks, kicks, backings; /* backings: indices that are kept */
	unsigned int logs, encl_memories, encl_frees, tcs_live;
	uint64_t tcs_flags; /* last written by a debugger */
	char last_log[128];
};

/* An enclave and what was measured of it so far */
struct kfx_encl {
	struct kfx *k;
	struct sgx_call *call;
	struct sgx_encl *encl;
	struct cpu_measure measure;
	struct sgx_secs secs;
	/* Backing, one for each page and the SECS; kept: 1, in use: 2 */
	struct kfx_backing {
		uint8_t sealed[4096];
		struct sgx_pcmd pcmd;
		uint8_t state;
	} * backing;
	uint64_t backing_count;
	uint8_t *tcs_gone; /* by page: tcs_retire() has it, or it was lost */
};

const struct cpu_config *kfx_config(void);
void kfx_configure(const struct cpu_config *c);
struct kfx *kfx_new(unsigned int epc_pages, unsigned int sections, bool debug_checks);
/* A host that can take pages back, with or without ksgxd */
struct kfx *kfx_oversub(unsigned int epc_pages, bool ksgxd);
/*
 * An access by the enclave's own code: the first 8 bytes of a page are compared
 * with *expect (NULL: not) and then set to *set (NULL: not), through a fault where
 * no PTE is there.  Return: SGX_FAULT_RETRY when it was made, else the verdict.
 */
enum sgx_fault_verdict kfx_touch(struct kfx_encl *e, uint64_t offset, const uint64_t *expect,
				 const uint64_t *set);
void kfx_free(struct kfx *k);
const struct sgx_host_ops *kfx_host_ops(void);
/* Everything that must hold between two calls; of a fixture nobody else uses */
void kfx_check(struct kfx *k);
/* Fails the test unless every EPC page is free */
void kfx_check_all_free(struct kfx *k);

void kfx_call_init(struct kfx *k, struct sgx_call *call);
void kfx_call_exit(struct sgx_call *call);
void *kfx_user(struct sgx_call *call, uint64_t uaddr, size_t size);
void kfx_put(struct sgx_call *call, uint64_t uaddr, const void *data, size_t size);
void kfx_lack(struct sgx_call *call, uint64_t uaddr, uint8_t lacks);

/* A legal 64-bit debug enclave */
void kfx_secs(struct sgx_secs *secs, uint64_t base, uint64_t size);
void kfx_tcs(struct sgx_tcs *tcs);

void kfx_open(struct kfx *k, struct kfx_encl *e);
void kfx_release(struct kfx_encl *e);
/* sgx_ioctl(), and no refusal is without a rule */
long kfx_ioctl(struct kfx_encl *e, unsigned int cmd, uint64_t arg);
long kfx_create(struct kfx_encl *e, const struct sgx_secs *secs);
/* From KFX_SOURCE on; *count is what the ioctl wrote back */
long kfx_add(struct kfx_encl *e, uint64_t offset, uint64_t length, uint64_t secinfo, uint64_t flags,
	     uint64_t *count);
void kfx_measure(struct kfx_encl *e, uint64_t offset, uint64_t secinfo, bool extend,
		 const uint8_t *page);
void kfx_sigstruct(const struct kfx_encl *e, struct sgx_sigstruct_arch *sig);
void kfx_sign(struct sgx_sigstruct_arch *sig);
void kfx_sign_other(struct sgx_sigstruct_arch *sig);
long kfx_init(struct kfx_encl *e, const struct sgx_sigstruct_arch *sig);
/* open, CREATE, a TCS at 0, RW at 1 and 2, R at 3, RX at 4; initialised if asked */
void kfx_enclave(struct kfx *k, struct kfx_encl *e, bool init);

#endif
