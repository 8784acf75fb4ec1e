/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's SGX driver on cpu/, as tests call it.
 *
 * No type of Linux and none of cpu/ is in here, so that the headers of either side may be
 * included with it.  There is one machine a process, as the driver's state is global.  All
 * answers are the driver's: 0 or -errno, and -ERESTARTSYS (-512) as the kernel has it.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct up_file;
struct up_mm;
struct up_thread;

#define UP_NEED_READ  1u
#define UP_NEED_WRITE 2u

/* What the test decides */
struct up_hooks {
	/* size bytes of the caller's memory, or NULL */
	void *(*user)(uint64_t addr, size_t size, unsigned int need);
	bool (*signal_pending)(void);
	void (*kick)(void); /* IPIs were sent */
};
extern struct up_hooks up_hooks;

struct up_knobs {
	bool sgx2, vmx, no_sgx, no_flc; /* of CPUID; before up_boot() */
	bool ksgxd_off; /* ksgxd does not get a turn */
	int verbose; /* messages up to this level are printed; 0: none */
	int alloc_after; /* allocations until one fails, and no other; < 0: never */
	int backing_after; /* pages of shmem until one fails; < 0: never */
	bool no_backing; /* each page of shmem fails */
	unsigned int preempt; /* one in so many lock operations is another thread's turn; 0: none */
	uint64_t preempt_seed;
};
extern struct up_knobs up_knobs;

struct up_counts {
	uint64_t warns, allocs, frees, shmem_pages, ksgxd_runs, switches;
};
extern struct up_counts up_counts;
extern char up_last_warn[256];

int up_boot(void); /* the driver's initcall, and ksgxd's first rounds */
void up_idle(void); /* ksgxd, if it was woken; what waits for a grace period */

struct up_file *up_open(const char *device); /* "sgx_enclave", "sgx_vepc" */
void up_close(struct up_file *file);
long up_ioctl(struct up_file *file, unsigned int cmd, uint64_t arg);

struct up_mm *up_mm_new(void);
void up_mm_switch(struct up_mm *mm); /* becomes the current thread's */
void up_personality(unsigned int bits);
struct up_mm *up_fork(struct up_mm *mm);
void up_mm_exit(struct up_mm *mm);
/* Ordinary memory: no device's */
void up_map_user(struct up_mm *mm, uint64_t start, uint64_t end, bool may_exec);
/* MAP_FIXED | MAP_SHARED */
int up_mmap(struct up_mm *mm, struct up_file *file, uint64_t start, uint64_t end,
	    unsigned int prot);
int up_mprotect(struct up_mm *mm, uint64_t start, uint64_t end, unsigned int prot);
void up_munmap(struct up_mm *mm, uint64_t start, uint64_t end);
int up_vm_prot(struct up_mm *mm, uint64_t addr); /* PROT_*; < 0: no mapping */
/* Return: bytes, or -errno */
int up_ptrace(struct up_mm *mm, uint64_t addr, void *buf, int len, bool write);

enum up_verdict {
	UP_OK,
	UP_SEGV, /* the mapping denies, or there is none: the driver was not asked */
	UP_PF, /* a PTE is there, and it or the EPCM denies */
	UP_SIGBUS,
	UP_LIVELOCK,
};
enum up_kind { UP_READ, UP_WRITE, UP_FETCH };
/* An access by the enclave's code; *bytes: of the page, where the verdict is UP_OK */
enum up_verdict up_access(struct up_mm *mm, uint64_t addr, enum up_kind kind, uint32_t *error_code,
			  uint8_t **bytes);

/* A second thread of the test, which runs when the first is switched, or joins it */
struct up_thread *up_thread_start(void (*fn)(void *arg), void *arg, struct up_mm *mm);
void up_thread_join(struct up_thread *thread);

struct up_encl_info {
	uint64_t base, size, attributes, attributes_mask;
	unsigned int page_cnt, children, va_pages, mms;
	bool created, initialized, debug;
	uint64_t secs_phys; /* 0: it is out, or there is none */
};
void up_encl_info(struct up_file *file, struct up_encl_info *info);
#define UP_PAGE_TYPE(p)	   ((p)&0xffu)
#define UP_PAGE_MAX(p)	   ((p) >> 8 & 7u)
#define UP_PAGE_LOGICAL(p) ((p)&0xffffu)
#define UP_PAGE_RESIDENT   (1u << 16)
unsigned int up_encl_page(struct up_file *file, uint64_t addr); /* 0: absent */
uint64_t up_encl_phys(struct up_file *file, uint64_t addr); /* 0: it is not resident */
/* What is sealed of a page that is out, and its PCMD; NULL: it is in */
uint8_t *up_backing(struct up_file *file, uint64_t addr, uint8_t **pcmd);
long up_free_pages(void);
long up_active_pages(void); /* on the reclaimer's list */
void up_reclaim(void); /* one pass, as an allocation makes it */
int up_memory_failure(uint64_t pfn);
int up_set_attribute(uint64_t *allowed, unsigned int fd); /* as KVM asks */
/* The physical page that is mapped at addr; 0: none */
uint64_t up_phys(struct up_mm *mm, uint64_t addr);
int up_virt_ecreate(void *pageinfo, uint64_t secs, int *trapnr);
int up_virt_einit(const void *sigstruct, const void *token, uint64_t secs, uint64_t *hash,
		  int *trapnr);

/* --- the processor below it: encls.c --------------------------------------------------- */

struct cpu_package;
/* pages: of one section; 0: sections as those of like */
struct cpu_package *up_cpu_init(const struct cpu_package *like, unsigned int pages);
uint8_t *up_cpu_bytes(uint64_t phys);
bool up_cpu_permits(uint64_t phys, uint64_t secs_phys, uint64_t addr, enum up_kind kind);
void up_cpu_lose_all(const uint8_t *random); /* a sleep state */
void up_cpu_lose(uint64_t phys); /* a memory error: what was in the page is gone */
bool up_cpu_bad(uint64_t phys); /* it has one */

extern struct up_cpu {
	bool busy; /* a thread is in every TCS */
	uint64_t leaves, faults, leaf[32];
	/* By leaf: what it answers, instead of being executed; < 0: it is executed */
	int code[32];
} up_cpu;
/* A leaf of a guest's: true where it is done */
bool up_cpu_guest(uint32_t leaf, void *rbx, uint64_t rcx);
/* A thread enters one in n enclaves, and stays until up_cpu_leave() */
void up_cpu_enter(unsigned int n, uint64_t random);
void up_cpu_leave(void); /* what IPIs do */

#endif
