/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent: what runs inside the application.
 *
 * In-process rules (the compiler and scripts/audit-agent enforce most):
 *  - no libc, no TLS, no errno, no malloc, no stack protector: in enclave mode
 *    FS and GS are the enclave's, and handlers run there;
 *  - general registers only: XMM and above are the program's, live;
 *  - no writable globals: all state is struct agent_proc (one a process, at a
 *    fixed address) and struct agent_thread (one a thread, with its signal
 *    stack);
 *  - every system call is made in the head page, which the filter lets pass;
 *  - program memory is touched through copy.S only, which survives faults;
 *  - nothing live stays on a signal stack when a handler returns;
 *  - asynchronous signals are blocked in handlers but in the window (head.S).
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <cpu/cpuid.h>
#include <cpu/lp.h>
#include <proto/agent.h>
#include <proto/channel.h>

#include <asm/signal.h>
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>
#include <linux/errno.h>

/* nothing goes through a GOT */
#pragma GCC visibility push(hidden)

struct rlimit;

typedef struct siginfo agent_siginfo;
typedef struct ucontext agent_ucontext;

/* not in the ABI headers */
#ifndef SS_DISABLE
#define SS_ONSTACK 1
#define SS_DISABLE 2
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

#define SIGBIT(sig) (1ull << ((sig)-1))
/* The agent's own signals: never blocked in the kernel's mask */
#define AGENT_SIGNALS                                                                           \
	(SIGBIT(SIGILL) | SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGFPE) | SIGBIT(SIGTRAP) | \
	 SIGBIT(SIGSYS))
#define ASYNC_SIGNALS (~AGENT_SIGNALS)
/* The two that the agent itself causes (copy.S); handlers block all others */
#define FAULT_SIGNALS	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS))
#define HANDLER_SIGNALS (~FAULT_SIGNALS)

#define AGENT_ADDR(off) ((void *)((uint64_t)PROTO_AGENT_BASE + (off)))
#define AGENT_CHANNEL	((struct proto_channel *)AGENT_ADDR(PROTO_AGENT_CHANNEL))
#define AGENT_MACHINE	((const struct proto_machine_page *)AGENT_ADDR(PROTO_AGENT_MACHINE))
#define AGENT_PARAMS	((struct proto_agent_params *)AGENT_ADDR(PROTO_AGENT_PARAMS))
#define AGENT_KNOWN	((const struct proto_cpuid_known *)AGENT_ADDR(PROTO_AGENT_KNOWN))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define PAGE_UP(x)	(((x) + SGX_PAGE_SIZE - 1) & SGX_PAGE_MASK)
#define barrier()	__asm__ volatile("" ::: "memory")

/* --- virtual signals ----------------------------------------------------------- */

struct agent_sigaction { /* as in the kernel's rt_sigaction */
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* Signals of the six that were sent, each with what came with it; see pending.c */
struct agent_pending {
	uint64_t set;
	agent_siginfo info[6];
};

struct agent_sigtable {
	uint32_t lock;
	uint32_t rsvd;
	struct agent_sigaction action[65]; /* by number; 0 unused */
	struct agent_pending shared; /* sent to the process; changed under lock */
};

/* --- one thread ----------------------------------------------------------------- */

/* The frame of the plain-call entry (enter.S), below the program's stack pointer */
struct agent_enter_frame {
	struct lp_gprs in; /* outside registers at ENCLU; never changed */
	struct lp_gprs out; /* inside registers to load */
	uint64_t altstack[3]; /* stack_t of sigaltstack(NULL) */
};

enum agent_exec_state {
	EXEC_IDLE = 0,
	EXEC_ASKED, /* the process lets itself be traced */
	EXEC_ATTACHED, /* the daemon traces this thread */
	EXEC_KNOCKS, /* and is to let go of it */
};

/* What a thread is doing that an asynchronous signal must undo */
struct agent_window {
	agent_ucontext *uc; /* context of the trapped system call; NULL: no window */
	uint64_t nr;
	uint32_t exec; /* enum agent_exec_state */
	uint32_t suspend; /* the call has a mask of its own, below */
	uint32_t spurious; /* a signal that the program must not notice ended the call */
	uint32_t rsvd;
	uint64_t mask;
};

/* What a clone call has to know when it comes back, in each of its threads: sys/clone.c */
struct agent_clone {
	uint64_t stack[3]; /* stack_t of a vfork child's signal stack (head.S) */
	uint64_t rip; /* where the call returns to; 0: none is under way */
	uint64_t rflags, rdi, rsi, rbx; /* the program's; at the call some are the agent's */
	uint64_t sigmask; /* virtual mask of both */
	uint64_t flags; /* CLONE_* */
	uint64_t birth; /* of the child, in shared memory */
	uint64_t lifts; /* exec_lifts() before the call */
	struct agent_thread *child; /* the block that it gets then */
	uint64_t args[11]; /* struct clone_args as the kernel gets it */
};

struct agent_thread {
	struct agent_thread *self; /* proves that this is a block */
	struct agent_enter_frame *enter_frame; /* a plain-call entry is under way */
	uint32_t tid; /* 0: its thread has not arrived */
	uint32_t in_use; /* atomic: 0 free, 1 in use */
	struct agent_sigtable *sigtable;
	uint32_t sig_check; /* something has arrived: look before leaving (head.S) */
	uint32_t dying; /* the default action is on its way: deliver nothing more */
	/* atomic, until it has arrived: number of its birth << 32 | its tid, once known */
	uint64_t birth;
	struct agent_clone clone;
	uint32_t vforked; /* a vfork child: its parent gives the block back */
	uint32_t rsvd2;
	uint64_t sigmask_own; /* virtual mask of AGENT_SIGNALS */
	uint64_t takes; /* of the six: would be delivered or waited for; others read it */
	uint64_t altstack_sp, altstack_size;
	uint32_t altstack_flags; /* SS_DISABLE, 0, SS_AUTODISARM */
	uint32_t rsvd;
	struct agent_pending pending; /* sent to this thread */
	struct agent_pending arrived[2]; /* while the agent was busy: to it, to the process */
	struct lp_state lp;
	struct sgx_tcs_slot *entering; /* slot that an entry under way may have taken */
	uint64_t outside_rsp, outside_rbp; /* at the last entry, for an AEX without its SSA */
	uint64_t outside_rip; /* after its ENCLU; for debuggers */
	uint64_t guard_base, guard_size; /* ELRANGE whose system calls are stopped; size 0: none */
	uint8_t guard_selector; /* GUARD_ALLOW or _BLOCK; read by the kernel */
	uint8_t traceme_owed; /* PTRACE_TRACEME was answered and is not made yet (sys/traceme.c) */
	uint8_t rsvd1[6];
	struct agent_window window;
	uint32_t no_new_privs, seccomp; /* as the program believes: flag, SECCOMP_MODE_* */
	struct why why; /* the last fault on enclave memory that the daemon refused, or none */
	agent_siginfo refused; /* SIGSYS of the program's own filter, for a call made for it */
	struct agent_sigtable own_table; /* for a child in shared memory that is a process */
};

/* --- one process ------------------------------------------------------------------ */

#define AGENT_ENCLAVES 128

/* A series of one-page ADD_PAGES: sys/stream.c.  Who holds agent_encl.ioctl has it. */
struct agent_stream {
	uint32_t number; /* of the channel's streams, + 1; 0: none */
	uint32_t open; /* calls like the last one may be posted */
	uint64_t id; /* agent_encl.id, when number was claimed */
	uint64_t next; /* offset where the last ADD_PAGES ended */
	uint64_t flags; /* of the series */
	struct sgx_secinfo_arch secinfo;
};

struct agent_encl {
	uint64_t id; /* st_ino of its descriptor; 0: entry is free */
	uint32_t created;
	uint32_t
		ioctl; /* atomic: 1 while an ioctl of this process runs, or the entry changes hands */
	uint32_t loose; /* mapped, perhaps, where its ELRANGE is not: before CREATE, outside */
	uint32_t rsvd;
	uint64_t key[2]; /* proof for fork children that they have it; written before created */
	struct agent_stream stream;
	struct lp_secs secs;
	struct sgx_tcs_slot *tcs; /* table by page of the ELRANGE */
};

struct agent_proc {
	uint32_t pid;
	uint32_t daemon_pid; /* who may trace us at an exec; 0: has no number here */
	int32_t fd_base; /* number of the command socket */
	int32_t fd_private, fd_uffd; /* where they are; -1: not yet, or not to be had */
	uint32_t connected; /* 1: channel mapped; 2: daemon lost */
	uint32_t client; /* our number at the daemon; 0: not connected yet */
	uint32_t connect_lock;
	uint32_t fd_lock; /* RPCs that bring descriptors */
	uint32_t encl_lock;
	uint32_t exec_users; /* threads in an exec transaction */
	uint32_t exec_undumpable; /* PR_SET_DUMPABLE is to be 0 after the last; see sys/exec.c */
	uint32_t exec_lifts; /* how often that began */
	uint64_t ptracer; /* the program's PR_SET_PTRACER */
	uint32_t filter_stage2;
	uint32_t exec_next; /* PROTO_EXEC_* of the next exec; a tool in this process sets it */
	uint32_t core_enclaves; /* DEBUG enclaves are in core files */
	uint32_t filter_lists; /* listings are trapped */
	uint32_t list_lock; /* position of a descriptor of a listed folder */
	uint32_t has_fsgsbase;
	uint32_t has_uffd;
	uint32_t inherited; /* fork child: what it maps of enclaves is to be told */
	uint32_t cpuid_faulting;
	uint32_t births; /* atomic: clone calls with a child in shared memory */
	uint32_t block_lock;
	uint32_t block_high; /* blocks below this are there */
	/* code of files with PROTO_NAMES_INTEL; a range is written before it is counted */
	struct {
		uint64_t start, end;
	} insisting[4];
	uint32_t insisting_lock, insisting_count;
	uint32_t explain; /* every refusal is said */
	uint32_t explain_said; /* what is said once in any case, and was */
	uint32_t explain_lock, explain_count; /* and how often explain_last came in a row */
	struct why explain_last;
	uint64_t xcr0;
	uint64_t memfd_dev; /* st_dev of memfds */
	struct lp_xsave_layout xsave;
	struct agent_sigtable sigtable;
	uint32_t encl_count; /* entries that may be in use */
	uint32_t encl_next; /* where to look for a free one */
	uint32_t rsvd;
	uint64_t vdso_enclu, vdso_fixup; /* our vDSO's ENCLU and its landing pad */
	uint32_t guard_way; /* PROTO_GUARD_*; ANY: nobody has tried yet */
	uint32_t guard_next;
	struct {
		uint64_t base, size;
	} guard_filters[16]; /* ELRANGEs that have a filter, the last few */
	uint32_t bulk_waiters; /* atomic: threads that wait for a bulk area */
	uint32_t rsvd1;
	uint64_t stream_encl[PROTO_STREAMS]; /* atomic: whose they are; 0: free */
	struct agent_encl encl[AGENT_ENCLAVES];
};
_Static_assert(sizeof(struct agent_proc) <= PROTO_AGENT_PROC_SIZE, "agent_proc size");
#define PROC ((struct agent_proc *)AGENT_ADDR(PROTO_AGENT_PROC))

/* --- head.S: system calls -------------------------------------------------------- */

long agent_syscall(long nr, long a, long b, long c, long d, long e, long f);
#define sys0(nr)	     agent_syscall(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a)	     agent_syscall(nr, (long)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b)	     agent_syscall(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c)    agent_syscall(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) agent_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys6(nr, a, b, c, d, e, f) \
	agent_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
static inline bool is_error(long ret)
{
	return (unsigned long)ret > -4096ul;
}
void agent_signal_entry(int sig); /* what the kernel calls */
void agent_restorer(void);
/* The end of agent_signal_entry: looks at sig_check until it is clear, then returns. */
extern const char agent_tail_again[], agent_tail_begin[], agent_tail_end[];
void agent_thread_exit(uint32_t *in_use, long status) __attribute__((noreturn));
/*
 * The window: set the kernel's mask to *mask, make the call, block again.
 * args: the six arguments.  Return: the call's, or AGENT_WINDOW_AGAIN where
 * t->sig_check was set before it.  See signal/window.c.
 */
long agent_window_call(long nr, const uint64_t args[6], const uint64_t *mask,
		       const uint64_t *blocked, struct agent_thread *t);
extern const char agent_window_begin[], agent_window_sys[], agent_window_after[];
extern const char agent_window_back[], agent_window_done[], agent_window_end[];
/* As agent_syscall(), but one that the program's own filters decide on */
long agent_syscall_for(long nr, long a, long b, long c, long d, long e, long f);
extern const char agent_syscall_for_done[];
extern const char agent_enter[], agent_enter_intact[], agent_enter_pushed[], agent_enter_flags[],
	agent_enter_saved[], agent_enter_end[], agent_enter_back[], agent_enter_back_pushed[],
	agent_enter_back_end[];
extern const char agent_text_end[];

/* copy.S: Return: 0, or the number of bytes that were not copied */
uint64_t agent_copy(void *dst, const void *src, uint64_t size);
/* Read and write back one byte.  Return: 0, or 1 where it faulted. */
uint64_t agent_probe_write(void *addr);
extern const char agent_copy_begin[], agent_copy_end[], agent_copy_fixup[];
extern const char agent_probe_begin[], agent_probe_end[], agent_probe_fixup[];

static inline bool copy_in(void *dst, uint64_t src, uint64_t size)
{
	return agent_copy(dst, (const void *)src, size) == 0;
}

static inline bool copy_out(uint64_t dst, const void *src, uint64_t size)
{
	return agent_copy((void *)dst, src, size) == 0;
}

/* --- util.c ------------------------------------------------------------------------ */

void agent_memset(void *dst, int c, uint64_t size);
void agent_memcpy(void *dst, const void *src, uint64_t size);
bool agent_streq(const char *a, const char *b);
bool agent_starts(const char *s, const char *prefix);
uint64_t agent_strlen(const char *s);
void agent_lock(uint32_t *lock);
void agent_unlock(uint32_t *lock);
void agent_append(char *line, uint64_t size, const char *text); /* cut where it is full */
const char *agent_errno_name(long error); /* with what it means; error: -errno */
void agent_append_decimal(char *line, uint64_t size, uint64_t value);
void agent_say(const char *line); /* one line to stderr, prefixed */
/* A numbered code into the channel, a line, then a fault on purpose. */
void agent_panic_at(uint32_t code, uint32_t line, uint64_t value) __attribute__((noreturn));
#define agent_panic(code, value) agent_panic_at(code, __LINE__, (uint64_t)(value))
enum agent_panic_code {
	AGENT_PANIC_NESTED = 1, /* a fault in the agent itself */
	AGENT_PANIC_BLOCKS, /* no thread block left */
	AGENT_PANIC_FRAME, /* a signal frame of a shape we do not know */
	AGENT_PANIC_CLONE, /* a clone call in a state it cannot be in */
};

/* --- explain/ ----------------------------------------------------------------------- */

/* Say why something was refused.  call: what, for rules that several calls meet */
void explain(const struct why *why, const char *call);
void explain_rule(enum why_rule rule, uint64_t found, uint64_t wanted, const char *call);
void explain_slot(const struct proto_slot *slot, const char *call);
void explain_path(uint64_t uaddr);
void explain_maker(const struct cpu_cpuid *leaf0);

/* --- thread.c ------------------------------------------------------------------------ */

struct agent_thread *agent_thread_of(const void *addr);
/* First trap of a thread: a block, and the signal stack through uc->uc_stack. */
struct agent_thread *agent_thread_setup(agent_ucontext *uc);
struct agent_thread *agent_thread_alloc(void);
/* A block for a thread that is about to be made, by its maker; NULL: none is left. */
struct agent_thread *agent_thread_claim(void);
/* The thread itself: it has arrived. */
struct agent_thread *agent_thread_begin(struct agent_thread *t);
/* Its maker: it lives, and is that one.  Nothing, if it has arrived. */
void agent_thread_born(struct agent_thread *t, uint64_t birth, uint32_t tid);
/* Give the place of blocks, and of a channel, that are not there yet to the program. */
void agent_thread_unreserve(void);
struct agent_thread *agent_thread_by_index(uint32_t index); /* below PROC->block_high */
uint32_t agent_thread_index(const struct agent_thread *t);
void agent_thread_free(struct agent_thread *t);
void agent_thread_stack(const struct agent_thread *t, uint64_t *sp, uint64_t *size);
void agent_threads_forked(struct agent_thread *self);

/* --- signal/ ------------------------------------------------------------------------ */

/* The six, by index; -1 for others */
int sig_own_index(int sig);
uint64_t sig_mask_of(const struct agent_thread *t, const agent_ucontext *uc);
void sig_mask_set(struct agent_thread *t, agent_ucontext *uc, uint64_t mask);
/*
 * Deliver to the program: its handler's frame on its stack, or the default.
 * restore_mask: what the handler's return brings back.
 */
void sig_deliver(struct agent_thread *t, agent_ucontext *uc, int sig, const agent_siginfo *info,
		 uint64_t restore_mask);
/* The program's sigaltstack as a stack_t of the kernel */
void sig_altstack_get(const struct agent_thread *t, uint64_t sp, stack_t *ss);
long sig_altstack_set(struct agent_thread *t, uint64_t sp, const stack_t *ss);
/* A fault of the program: cannot be blocked or ignored. */
void sig_force(struct agent_thread *t, agent_ucontext *uc, int sig, const agent_siginfo *info);
void sig_init(uint64_t ignored_own);
void sig_clear(struct agent_sigtable *table); /* CLONE_CLEAR_SIGHAND */
long sig_do_sigaction(struct agent_thread *t, agent_ucontext *uc);
long sig_do_sigprocmask(struct agent_thread *t, agent_ucontext *uc);
long sig_do_sigaltstack(struct agent_thread *t, agent_ucontext *uc);
void sig_do_sigreturn(struct agent_thread *t, agent_ucontext *uc);

/* --- signal/pending.c: the six, sent by someone ---------------------------------------- */

/* Keep it, in a handler that may have interrupted the agent anywhere. */
void sig_arrived(struct agent_thread *t, int sig, const agent_siginfo *info);
/* What has arrived goes to the thread's or the process' pending ones. */
void sig_settle(struct agent_thread *t);
/* Is one pending that the mask lets in? */
static inline bool sig_ready(const struct agent_thread *t)
{
	return ((t->pending.set | __atomic_load_n(&t->sigtable->shared.set, __ATOMIC_SEQ_CST)) &
		~t->sigmask_own) != 0;
}
void sig_flush(struct agent_thread *t, agent_ucontext *uc);
void sig_push(struct agent_thread *t, uint64_t takes);
void sig_takes(struct agent_thread *t, uint64_t takes);
void sig_discard(struct agent_sigtable *table, int sig);
int sig_forward_decode(int sig, agent_siginfo *info);
uint64_t sig_pending_set(const struct agent_thread *t);
void sig_thread_exit(struct agent_thread *t);
/* fork: nothing is pending in the child, and nobody holds its lock */
void sig_forked(struct agent_thread *t);

/* --- signal/window.c, wait.c ------------------------------------------------------------ */

void sig_unblock_faults(const struct agent_thread *t);
bool sig_window_take(struct agent_thread *t, agent_ucontext *uc, int sig, uint64_t *restore_mask);
/* A signal arrived on the agent's stack.  True: uc is the program's context again. */
bool sig_window_leave(struct agent_thread *t, agent_ucontext *uc, int sig,
		      const agent_siginfo *info, uint64_t *restore_mask);
long sig_window_masked(struct agent_thread *t, agent_ucontext *uc, const uint64_t args[6],
		       const uint64_t *wanted, uint64_t takes);
long sig_do_sigsuspend(struct agent_thread *t, agent_ucontext *uc);
long sig_do_sigtimedwait(struct agent_thread *t, agent_ucontext *uc);
long sig_do_sigpending(struct agent_thread *t, agent_ucontext *uc);
/* ppoll, pselect6, epoll_pwait, epoll_pwait2, io_pgetevents with a mask */
long sig_do_masked(struct agent_thread *t, agent_ucontext *uc);

/* --- entry/ ------------------------------------------------------------------------- */

bool agent_in_text(uint64_t rip);
/* In enclave mode? (not merely on the way in) */
static inline bool agent_in_enclave(const struct agent_thread *t, uint64_t rip)
{
	return t->lp.tcs && !agent_in_text(rip);
}
/* ENCLU outside enclave mode.  False: the instruction is not ENCLU. */
void machine_check_info(agent_siginfo *info, uint64_t addr);
bool enclu_outside(struct agent_thread *t, agent_ucontext *uc);
/* A signal in enclave mode.  True: nothing is left to deliver. */
bool enclave_trap(struct agent_thread *t, agent_ucontext *uc, int sig, agent_siginfo *info);
/* SIGTRAP for an instruction with TF that the agent executed; outside */
void agent_single_step(struct agent_thread *t, agent_ucontext *uc);
/* AEX: afterwards uc is at the AEP with the synthetic state, outside. */
void enclave_aex(struct agent_thread *t, agent_ucontext *uc, const struct lp_event *event);
/* AEX of an interrupt, where the thread is in enclave mode; else nothing */
void enclave_interrupt(struct agent_thread *t, agent_ucontext *uc);
/* Undo an entry that was under way; uc is at the ENCLU again.  False: was none. */
bool enter_rollback(struct agent_thread *t, agent_ucontext *uc);
/* State of a TCS slot that the thread of this block is inside by */
uint32_t enter_owner(const struct agent_thread *t);
/* The thread of a block has gone, perhaps inside: its TCS is free.  Context: in_use still */
void enter_gone(struct agent_thread *t);
/* The vDSO's fix-up.  True: taken. */
bool vdso_fixup(agent_ucontext *uc, uint32_t vector, uint32_t error_code, uint64_t addr);
/* Entry with the SSA pages there; regs: in outside, out inside.  Takes the slot. */
struct cpu_result enter_prepare(struct agent_thread *t, struct lp_gprs *regs, uint64_t next_rip,
				uint8_t *xsave, struct why *why);
/* guard.c: no system call inside.  The kernel's values of the selector: */
#define GUARD_ALLOW 0
#define GUARD_BLOCK 1
/* SIGSYS: si_code of Syscall User Dispatch, and si_errno of our last filter */
#define SI_DISPATCH	  2
#define GUARD_FILTER_DATA 0x5347
void guard_arm(struct agent_thread *t, const struct lp_secs *secs);
/* Before an entry takes its slot.  One system call where the enclave is another one. */
static inline void guard_enclave(struct agent_thread *t, const struct lp_secs *secs)
{
	if (__builtin_expect(t->guard_base != secs->base || t->guard_size != secs->size, 0))
		guard_arm(t, secs);
}
/* Every call of this thread is stopped, the next one first.  False: this kernel cannot. */
bool guard_every_call(struct agent_thread *t);
/* No call of this thread is stopped, until an entry arms anew. */
void guard_off(struct agent_thread *t);
/* A call that was stopped outside: it is made again, and passes. */
void guard_release(struct agent_thread *t, agent_ucontext *uc);
void lp_from_uc(struct lp_gprs *regs, const agent_ucontext *uc);
void lp_to_uc(agent_ucontext *uc, const struct lp_gprs *regs);
void agent_set_bases(uint64_t fsbase, uint64_t gsbase);
void agent_get_bases(uint64_t *fsbase, uint64_t *gsbase);
uint8_t *uc_xsave(const agent_ucontext *uc, uint64_t *size);

/* --- memory.c ----------------------------------------------------------------------- */

struct agent_encl *encl_by_addr(uint64_t addr);
struct agent_encl *encl_by_id(uint64_t id);
void encl_drop(struct agent_encl *e);
/* The enclave's one ioctl place, as far as this process goes.  False: taken, EBUSY. */
static inline bool encl_ioctl_begin(struct agent_encl *e)
{
	return !__atomic_exchange_n(&e->ioctl, 1, __ATOMIC_ACQUIRE);
}

static inline void encl_ioctl_end(struct agent_encl *e)
{
	__atomic_store_n(&e->ioctl, 0, __ATOMIC_RELEASE);
}
void encl_before_entry(uint64_t addr);
enum fault_result {
	FAULT_RETRY, /* run the access again */
	FAULT_PF, /* #PF, *error_code updated */
	FAULT_SIGBUS,
	FAULT_MCE, /* a machine check: SIGBUS, BUS_MCEERR_AR */
	FAULT_NOT_OURS,
};
/* A fault at addr that may be on enclave memory. */
enum fault_result encl_fault(struct agent_thread *t, agent_ucontext *uc, int sig, uint64_t addr,
			     uint32_t *error_code, bool enclave_mode);
/* EENTER or ERESUME found no TCS at addr: RETRY where it was only paged out. */
enum fault_result encl_fault_tcs(struct agent_thread *t, uint64_t addr, uint32_t *error_code);
long mem_do_mmap(struct agent_thread *t, agent_ucontext *uc);
long mem_do_munmap(agent_ucontext *uc);
long mem_do_mprotect(agent_ucontext *uc);
void mem_created(struct agent_encl *e, int fd);
/* May an enclave be mapped in the range?  Quick: false is certain. */
bool mem_touches(uint64_t start, uint64_t end);
/* As mmap(): told to the daemon, and what it says of it. */
long mem_tell_map(uint64_t id, uint64_t start, uint64_t size, uint32_t prot, uint32_t flags);
/* [start, end) is about to go.  Return: true: of an enclave nothing is left, mem_forget() */
bool mem_tell_unmap(uint64_t start, uint64_t end);
void mem_forget(uint64_t start, uint64_t end);
/* It did not go.  What is there is told again. */
void mem_tell_again(uint64_t start, uint64_t end);
/*
 * Is [start, start + size) a range of pages that Linux looks at mappings for?  A
 * length of 0 (which PAGE_UP() also makes of one that wraps), an address inside a
 * page and an end beyond the address space are answered before that, and by each
 * call in its own way: mprotect() and madvise() of nothing are 0, munmap() of it
 * is EINVAL.  So the kernel is let answer.
 */
static inline bool mem_range_ok(uint64_t start, uint64_t size)
{
	return !(start & ~SGX_PAGE_MASK) && size && start + size > start;
}
/* Linux: a user's addresses are below it, with four levels of page tables */
#define USER_END  (1ull << 47) /* of all addresses that can be a program's */
#define TASK_SIZE (USER_END - SGX_PAGE_SIZE)
/* advice.c, remap.c */
long mem_do_mlock(struct agent_thread *t, agent_ucontext *uc);
long mem_do_madvise(agent_ucontext *uc);
long mem_do_mremap(agent_ucontext *uc);
/* map.c: userfaultfd, where there is one: before anything may touch the range */
long mem_register(uint64_t start, uint64_t size);
bool mem_may_become_executable(void);
struct vma_range;
long mem_map_range(const struct agent_encl *e, int fd, uint64_t start, uint64_t end, uint32_t prot);
long mem_move_range(const struct agent_encl *e, const struct vma_range *from, uint64_t old_size,
		    uint64_t to, uint64_t size);
struct agent_encl *encl_attach(uint64_t id, bool refresh);
void mem_filter_stage2(void);

/* --- forked.c ----------------------------------------------------------------------- */

/* A fork child, before anything of the program runs in it */
void mem_forked(void);
/* Context: connecting.  Return: 0 or -errno */
long mem_tell_inherited(void);
/* The daemon is gone, and the EPC with it: no access may succeed any more. */
void mem_lost(void);

/* --- core.c ------------------------------------------------------------------------- */

/* swsgx run --core-enclaves: a signal whose default action is a core */
bool core_wanted(int sig);
/* Before the kernel writes it: bring what it is to have of enclaves. */
void core_prepare(void);

/* --- vmas.c ------------------------------------------------------------------------- */

struct vma_range {
	uint64_t start, end;
	uint64_t offset; /* of start in the file */
	uint64_t encl; /* inode of the file */
	uint32_t prot;
};
#define VMAS_ENCLAVES 0 /* no file has that inode number */
long vmas_of(uint64_t inode, uint64_t from, uint64_t to, struct vma_range *range, uint32_t max);

/* --- rpc.c -------------------------------------------------------------------------- */

/*
 * One call: claim, fill through the returned slot, then rpc_call().
 * rpc_begin: NULL where the daemon is lost.  rpc_call: slot->ret, or -EIO.
 */
struct proto_slot *rpc_begin(enum proto_op op, uint64_t encl);
/* Who has a slot already must not wait for another: NULL where none is free. */
struct proto_slot *rpc_try_begin(enum proto_op op, uint64_t encl);
long rpc_call(struct proto_slot *slot);
/* The halves of rpc_call: */
void rpc_post(struct proto_slot *slot);
long rpc_wait(struct proto_slot *slot);
/* The same for calls whose answer brings one descriptor: *fd receives it. */
long rpc_call_fd(struct proto_slot *slot, int *fd, int cloexec);
void rpc_end(struct proto_slot *slot);
/* Return: false where the daemon is lost, or (wait false) none is free. */
bool rpc_bulk_claim(struct proto_slot *slot, uint32_t *bulk, bool wait);
void rpc_bulk_free(struct proto_slot *slot);
bool rpc_connect(void);
bool rpc_lost(void);
void rpc_forked(void);
uint32_t rpc_this_cpu(void); /* its number + 1; 0: unknown */
void rpc_reserve_fds(void);
void rpc_make_uffd(void);
void rpc_make_room(struct rlimit *old);
void rpc_end_room(const struct rlimit *old);
/* Both while a fork child connects.  Return: the call's */
long rpc_show_inherited(const struct agent_encl *e);
long rpc_tell_inherited(uint64_t encl, const struct vma_range *r);
void rpc_msg_init(struct proto_msg *msg, enum proto_msg_type type);
/* Both ends of a private socket.  Return: 0 or -errno */
long rpc_private_pair(int pair[2]);
/* Ask on the command socket.  Return: status of the answer; -EPIPE: none came */
long rpc_ask_command(struct proto_msg *msg, enum proto_msg_type answer);
/* With up to four descriptors.  Return: bytes, or -errno */
long rpc_send(int sock, const struct proto_msg *msg, const int *fds, uint32_t count);
/* Command socket: send a message with a descriptor */
long rpc_send_command(const struct proto_msg *msg, const int *fds, uint32_t count);
long rpc_recv_private(int sock, struct proto_msg *msg, int *fds, uint32_t *count, int cloexec);

/* --- syscalls ----------------------------------------------------------------------- */

/* A trapped system call of the program. */
void agent_do_syscall(struct agent_thread *t, agent_ucontext *uc, const agent_siginfo *info);
long path_do_open(struct agent_thread *t, agent_ucontext *uc);
long path_do_other(struct agent_thread *t, agent_ucontext *uc);
long path_do_getdents(struct agent_thread *t, agent_ucontext *uc);
bool dev_is_path(int fd);
bool dev_do_file(agent_ucontext *uc, long *ret);
long dev_do_ioctl(struct agent_thread *t, agent_ucontext *uc, bool *done);
/* sys/stream.c */
struct sgx_enclave_add_pages;
bool stream_post(struct agent_encl *e, const struct sgx_enclave_add_pages *add);
uint32_t stream_wanted(struct agent_encl *e, const struct sgx_enclave_add_pages *add);
void stream_answered(struct agent_encl *e, const struct sgx_enclave_add_pages *add, uint64_t added,
		     const struct sgx_secinfo_arch *secinfo);
void stream_forget(struct agent_encl *e);
void stream_forked(void);
/* Is /dev to be as on a noexec mount?  mmap with PROT_EXEC: EPERM; mprotect: EACCES */
static inline bool dev_noexec(void)
{
	return AGENT_PARAMS->files.flags & PROTO_FILES_NOEXEC;
}
/* st_dev of every memfd of the system */
uint64_t dev_of_memfds(void);
/* Is its memfd named as the enclaves' are, or can that not be told? */
bool path_may_be_enclave(int fd);
/* enum proto_dev of a descriptor; *id receives the enclave's */
int dev_of_fd(int fd, uint64_t *id);
long proc_do_execve(struct agent_thread *t, agent_ucontext *uc);
void proc_exec_abandon(struct agent_thread *t);
/* How often a process that is not dumpable was made so for an exec, * 2 + is it just now? */
uint64_t exec_lifts(void);
/*
 * In a fork child, which has no thread in an exec transaction.  @lifts: exec_lifts() before
 * the call.  The kernel copies "dumpable" at another moment than our memory: if it may have
 * been lifted at that moment, it is put back.
 */
void exec_forked(uint64_t lifts);
/* traceme.c */
long proc_do_traceme(struct agent_thread *t, agent_ucontext *uc);
/* The thread that owes a PTRACE_TRACEME makes it now. */
void proc_traceme_settle(struct agent_thread *t);
/* A call was stopped while it is owed, and is about to be made again. */
void proc_traceme_call(struct agent_thread *t, const agent_ucontext *uc);
/* Whether an exec is refused since it is owed, to whom, and it is owed still. */
bool proc_traceme_exec(struct agent_thread *t, struct proto_refusal *why);
/* A vfork child, whose block this was, has exec'ed or died: for its parent. */
void proc_exec_vforked(struct agent_thread *t);
/* limit.c: a call that limits or locks the address space is about to be made */
void proc_before_limit(const agent_ucontext *uc);
/*
 * RLIMIT_FSIZE out of the way of a text that the agent makes.  False: it is hard.  A
 * thread that writes meanwhile may grow a file further than it should.
 */
bool limit_files_lift(struct rlimit *old);
void limit_files_back(const struct rlimit *old);
/* seccomp.c */
long proc_do_prctl(struct agent_thread *t, agent_ucontext *uc);
long proc_do_seccomp(struct agent_thread *t, agent_ucontext *uc);
/* A call that strict mode does not allow: the end */
void proc_strict_kill(struct agent_thread *t);
/*
 * The program's own filter has trapped a call that the agent made for it, uc is
 * there.  True: settled; false: it was none.
 */
bool proc_refused(struct agent_thread *t, agent_ucontext *uc, const agent_siginfo *info);
void proc_do_clone(struct agent_thread *t, agent_ucontext *uc);
/* Where clone calls are made (head.S) */
bool proc_in_clone(uint64_t rip);
/* The block of a child that has just arrived there without a signal stack; NULL: none */
struct agent_thread *proc_clone_child(const agent_ucontext *uc);
/* The hlt of a clone call.  False: rip is not at one. */
bool proc_clone_done(struct agent_thread *t, agent_ucontext *uc);
extern const char agent_clone_call[], agent_clone_hlt[], agent_vfork_call[], agent_vfork_hlt[],
	agent_vfork_child[], agent_vfork_child_hlt[];
/* The program's own filter refused it there. */
void proc_clone_refused(agent_ucontext *uc, struct agent_thread *t);
long agent_reissue(struct agent_thread *t, agent_ucontext *uc);
long agent_pass(agent_ucontext *uc);
void cpuid_patch_mapping(int fd, uint64_t addr, uint64_t size, uint64_t offset, uint32_t prot);
bool cpuid_trap(agent_ucontext *uc);
void cpuid_start(const struct proto_agent_params *params);
/* What CPUID answers outside enclaves */
void cpuid_answer(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *regs);
const struct cpu_cpuid_view *cpuid_view(void);
/* sys/cpuinfo.c: files of text about the processor.  Return: 0 or -errno */
long cpuinfo_copy(int from, int to);
long cpuinfo_epc_size(int to);

static inline uint64_t uc_arg(const agent_ucontext *uc, int i)
{
	const struct sigcontext_64 *c = (const struct sigcontext_64 *)&uc->uc_mcontext;

	switch (i) {
	case 0:
		return c->di;
	case 1:
		return c->si;
	case 2:
		return c->dx;
	case 3:
		return c->r10;
	case 4:
		return c->r8;
	default:
		return c->r9;
	}
}
#define UC_REGS(uc) ((struct sigcontext_64 *)&(uc)->uc_mcontext)

#pragma GCC visibility pop

#endif
