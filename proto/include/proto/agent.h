/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the agent lives in a process, and what inject/ tells it at the start.
 *
 * The addresses are the same in every image for ever: the seccomp filter that a
 * process inherits names them.  The range is clear of what programs ask for by
 * address: low memory (non-PIE, Gramine's enclaves), the shadows and mappings of
 * ASan, MSan and TSan (it lies in TSan's and MSan's "modules" range), Go's and
 * Java's arenas; and below where mmap_base can be with 64 GiB of mappings.
 *
 *	+0		image: head page (all system calls), text, rodata
 *	+PROTO_AGENT_VDSO	our vDSO image
 *	+PROTO_AGENT_PROC	struct agent_proc, read-write
 *	+PROTO_AGENT_PARAMS	struct proto_agent_params, read-write
 *	+PROTO_AGENT_KNOWN	struct proto_cpuid_known, in the same mapping
 *	+PROTO_AGENT_CHANNEL	struct proto_channel (shared; not there before the first call)
 *	+PROTO_AGENT_MACHINE	struct proto_machine_page (shared, read-only)
 *	+PROTO_AGENT_BLOCKS	thread blocks: signal stack and struct agent_thread
 */
#ifndef PROTO_AGENT_H
#define PROTO_AGENT_H

#define PROTO_AGENT_BASE	0x7e9000000000
#define PROTO_AGENT_HEAD_SIZE	0x1000 /* the page that the filter lets pass */
#define PROTO_AGENT_IMAGE_MAX	0x100000
#define PROTO_AGENT_VDSO	0x100000
#define PROTO_AGENT_VDSO_MAX	0x100000
#define PROTO_AGENT_PROC	0x200000
#define PROTO_AGENT_PROC_SIZE	0x7f000
#define PROTO_AGENT_VTABLE	0x27f000 /* our vDSO's pointer table */
#define PROTO_AGENT_PARAMS	0x280000
#define PROTO_AGENT_PARAMS_SIZE 0x20000
#define PROTO_AGENT_KNOWN	0x290000
#define PROTO_AGENT_CHANNEL	0x400000
#define PROTO_AGENT_CHANNEL_MAX 0x1000000
#define PROTO_AGENT_MACHINE	0x1400000
#define PROTO_AGENT_BLOCKS	0x1800000
#define PROTO_AGENT_BLOCK_SIZE	0x10000
#define PROTO_AGENT_BLOCK_COUNT 0x2000
#define PROTO_AGENT_SIZE	(PROTO_AGENT_BLOCKS + PROTO_AGENT_BLOCK_SIZE * PROTO_AGENT_BLOCK_COUNT)

/* In a thread block: a guard page, the signal stack, struct agent_thread */
#define PROTO_AGENT_BLOCK_STACK	 0x1000
#define PROTO_AGENT_BLOCK_THREAD 0xe000

/*
 * How a block is mapped.  The kernel counts what grows down as stack, which
 * RLIMIT_DATA does not limit; strict overcommit counts it when a thread takes it and
 * it becomes writable.  What could grow is a guard page, which nobody can access.
 */
#define PROTO_AGENT_BLOCK_MAP \
	(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_GROWSDOWN | MAP_STACK)

/* In the head page: offsets of what others jump to, or know by address */
#define PROTO_AGENT_HDR_OFF	0x000 /* struct proto_agent_header */
#define PROTO_AGENT_SYSCALL_OFF 0x040 /* a bare "syscall; int3" for inject/ */
#define PROTO_AGENT_ENTER_OFF	0x080 /* EENTER by plain jump, for the vDSO */
#define PROTO_AGENT_OWN_SIZE	0x7c0 /* below: the agent's own calls; above: the program's */
#define PROTO_AGENT_CLONE_OFF	0x780 /* where clone, fork and vfork are made */
#define PROTO_AGENT_CLONE_SIZE	0x80

/* Descriptor numbers, counted down from the command socket's */
#define PROTO_FD_COMMAND(base) (base)
#define PROTO_FD_PRIVATE(base) ((base)-1)
#define PROTO_FD_UFFD(base)    ((base)-2)
#define PROTO_FD_SPARE(base)   ((base)-3)
#define PROTO_FD_COUNT	       4

#ifndef __ASSEMBLER__
#include <proto/cpuid.h>
#include <proto/msg.h>

#define PROTO_AGENT_MAGIC 0x746e656761786773ull /* "sgxagent" */

struct proto_agent_header {
	uint64_t magic;
	uint32_t version; /* PROTO_VERSION */
	uint32_t start; /* offset of the start function */
	uint32_t debug; /* offset of struct proto_agent_debug */
	uint32_t rsvd;
};

/*
 * Where a debugger finds things: offsets from PROTO_AGENT_BASE, and in a thread
 * block.  Read-only data of the image.
 */
struct proto_agent_debug {
	uint32_t size; /* of this structure; it grows at its end */
	uint32_t text_end; /* the agent's code lies below this */
	uint32_t fd_base; /* i32: number of the command socket */
	uint32_t block_high; /* u32: blocks below this are there */
	uint32_t encl_count; /* u32 */
	uint32_t encl; /* the enclaves, encl_size bytes each */
	uint32_t encl_size;
	uint32_t encl_base; /* u64 in each: SECS.BASE; 0: none */
	uint32_t encl_length; /* u64 in each: SECS.SIZE */
	uint32_t thread_tid; /* u32 in a block */
	uint32_t thread_in_use; /* u32 */
	uint32_t thread_tcs; /* u64: not 0 in enclave mode */
	uint32_t thread_tcs_addr; /* u64: linear address of the TCS */
	uint32_t thread_outside_rip; /* u64: after the ENCLU of the last entry */
	uint32_t thread_outside_rsp; /* u64 */
	uint32_t thread_outside_rbp; /* u64 */
	uint32_t thread_outside_fs; /* u64: FS base, in enclave mode alone */
	uint32_t exec_next; /* u32: PROTO_EXEC_* that the next exec asks for, too */
};

/* How system calls inside enclaves are stopped (agent/entry/guard.c) */
enum proto_guard {
	PROTO_GUARD_ANY, /* the first that this kernel has */
	PROTO_GUARD_RANGE,
	PROTO_GUARD_SELECTOR,
	PROTO_GUARD_FILTER,
	PROTO_GUARD_NONE,
};

#define PROTO_PARAM_FILTER_MAX 1024
#define PROTO_PARAM_VIEW_SIZE  512

/* A system call that the start makes first, on no stack */
struct proto_start_call {
	uint64_t nr, arg[6];
};
#define PROTO_START_CALLS 12

/* What a process must know of files; the same for all of a machine */
struct proto_files {
	uint64_t cpuinfo_ino; /* of cpuinfo on every mount of proc; 0: not known */
	uint64_t node_ino; /* of node 0's folder on every mount of sysfs; 0: there is none */
	uint64_t memfd_dev; /* st_dev of every memfd of this kernel */
	int64_t time_sec; /* of the device files: the machine's start */
	uint32_t time_nsec;
	uint32_t device_mode; /* permission bits of the device files */
	uint32_t device_gid;
	uint32_t flags; /* PROTO_FILES_* */
	uint32_t provision_mode; /* the same of /dev/sgx_provision */
	uint32_t provision_gid;
	uint32_t devices; /* PROTO_DEVICES_*: the device files that there are */
	uint32_t rsvd;
};
#define PROTO_FILES_NOEXEC	 (1u << 0) /* /dev as if mounted noexec */
#define PROTO_FILES_NO_PROVISION (1u << 1) /* nobody opens /dev/sgx_provision, not even root */
#define PROTO_FILES_LOCKED	 (1u << 2) /* launch control is: there are no device files */
#define PROTO_DEVICES_LINUX	 (1u << 0) /* /dev/sgx_enclave, /dev/sgx_provision */
#define PROTO_DEVICES_SGX	 (1u << 1) /* /dev/sgx/: links to these, or without them devices */

struct proto_agent_params {
	struct proto_start_call call[PROTO_START_CALLS]; /* nr 0 ends; protections */
	int64_t status; /* out: 0, or -errno of what failed */
	uint64_t status_what; /* out: number of the system call that failed */
	uint64_t kernel_vdso; /* AT_SYSINFO_EHDR as the kernel gave it */
	uint64_t xcr0;
	uint32_t xsave_offset[64]; /* CPUID 0DH: components of XCR0, standard format */
	uint32_t xsave_size[64];
	uint64_t minsigstksz; /* AT_MINSIGSTKSZ */
	uint64_t hwcap2; /* bit 1: FSGSBASE */
	uint64_t sigmask; /* virtual mask of the first thread */
	uint64_t sigignored; /* of the agent's own signals */
	int32_t command_fd;
	uint32_t exec_flags; /* PROTO_EXEC_* */
	uint32_t cpuid_faulting; /* arch_prctl(ARCH_CPUID) works here */
	uint32_t guard_way; /* PROTO_GUARD_* */
	uint32_t filter_len;
	/* prctl(PR_SET_MM_MAP): so that the kernel's auxv names our vDSO */
	uint64_t mm_map[13]; /* struct prctl_mm_map; the start fills in brk */
	uint32_t mm_map_valid;
	uint32_t auxv_size;
	uint64_t auxv[64];
	uint64_t filter[PROTO_PARAM_FILTER_MAX]; /* struct sock_filter each */
	uint32_t daemon_pid; /* the injector's */
	uint32_t said; /* as in struct proto_exec */
	uint32_t
		names; /* PROTO_NAMES_*: of the executable, SGX also of arguments and environment */
	uint32_t program_known; /* the first of the known files is the executable */
	uint8_t cpuid_view[PROTO_PARAM_VIEW_SIZE]; /* struct cpu_cpuid_view of the machine */
	struct proto_files files;
};
_Static_assert(sizeof(struct proto_agent_params) <= PROTO_AGENT_KNOWN - PROTO_AGENT_PARAMS,
	       "params size");
_Static_assert(sizeof(struct proto_cpuid_known) <=
		       PROTO_AGENT_PARAMS + PROTO_AGENT_PARAMS_SIZE - PROTO_AGENT_KNOWN,
	       "known files size");
#endif

#endif
