/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's own structures.
 *
 * Threads: the main thread runs the loop (loop.c) and alone makes and ends
 * clients and releases enclaves; each client has a service thread (client.c)
 * that runs its calls; each exec has a thread that does its ptrace (exec.c).
 *
 * Lock order: stream.lock, what kernel/ takes, then machine.lock, then enclave.mm_lock, then the
 * leaves enclave.lock, sgx_mm.lock, client.stream_lock, pool.lock and the log's.  None
 * of ours but stream.lock is held while kernel/ is called.
 */
#ifndef DAEMON_MACHINE_H
#define DAEMON_MACHINE_H

#include <daemon/daemon.h>

#include <cpu/lp.h>
#include <inject/inject.h>
#include <kernel/sgx.h>
#include <proto/channel.h>
#include <proto/cpuid.h>
#include <proto/msg.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include "faultpoint.h"

struct machine;
struct debug_exec;
struct enclave;
struct client;
struct exec;

/* --- loop.c ------------------------------------------------------------------- */

/* Something that epoll watches; embedded in what it belongs to. */
struct source {
	int fd;
	void (*ready)(struct machine *m, struct source *s, uint32_t events);
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

int loop_add(struct machine *m, struct source *s, int fd, uint32_t events,
	     void (*ready)(struct machine *m, struct source *s, uint32_t events));
void loop_del(struct machine *m, struct source *s);
int loop_run(struct machine *m);

/* A connection: a command socket, or a tool's that has not said yet what it is. */
struct conn {
	struct source source;
	struct conn *next;
	bool command;
	bool private; /* the machine ends with it */
	bool debug; /* a debugger's, see debug.c */
	bool stopper; /* waits for the end of this process */
	pid_t debugger; /* whose */
	int debugger_fd; /* pidfd of it, if debug */
};
struct conn *conn_add(struct machine *m, int fd, bool command, bool private);

/* --- pool.c -------------------------------------------------------------------- */

struct pool_chunk;

struct pool {
	pthread_mutex_t lock; /* a leaf; what follows is under it */
	struct pool_chunk *partly;
	uint64_t chunks, spare; /* there, free altogether */
	uint64_t used; /* pages */
};

void pool_init(struct pool *pool);
void pool_exit(struct pool *pool);
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *page);
struct sgx_pcmd *pool_pcmd(void *page);

/* --- memory.c ------------------------------------------------------------------ */

/*
 * Bytes of EPC pages.  page[] says where: a page of an enclave's file as the
 * daemon maps it, or (EPC_PRIVATE set) memory of the daemon alone, for SECS, VA
 * and TCS.  The
 * table is address space only until a slot is used.
 */
#define EPC_PRIVATE	    1ul
#define MEMORY_BACKING_PAGE (SGX_PAGE_SIZE + sizeof(struct sgx_pcmd)) /* bytes of backing */

struct epc_memory {
	uintptr_t *page; /* by slot; 0: free */
	uint32_t pages;
	int uffd; /* of the daemon; -1: userfaultfd is not to be had */
	int uffd_error; /* errno, why */
	struct pool pool; /* private pages, and backing */
	uint64_t backing_max; /* pages of backing at most; 0: no limit */
	atomic_uint_fast64_t backing; /* pages now */
};

int memory_init(struct machine *m);
void memory_exit(struct machine *m);
extern const struct epc_mem_ops memory_ops; /* ctx: struct machine */
/* Map a file of an enclave so that touching a hole cannot make a page */
uint8_t *memory_map(struct machine *m, int fd, uint64_t size);
/* A TCS' bytes leave the enclave's file. */
void memory_hide(struct machine *m, epc_slot_t slot);
void *memory_reserve(size_t size);
int memory_file_page(struct machine *m, uint8_t *dst, const void *src);
/* Where the bytes of a page are that no client sees; NULL: in its enclave's file */
static inline void *memory_private(const struct epc_memory *mem, epc_slot_t slot)
{
	uintptr_t page = mem->page[slot];

	return page & EPC_PRIVATE ? (void *)(page & ~EPC_PRIVATE) : NULL;
}

/* --- paging.c --------------------------------------------------------------------- */

void paging_park(struct sgx_encl *sgx, struct sgx_park *pages, unsigned int count);
int paging_backing_get(struct sgx_encl *sgx, uint64_t index, bool swap, void **page,
		       struct sgx_pcmd **pcmd);
void paging_backing_put(struct sgx_encl *sgx, uint64_t index, bool keep);
void paging_backing_free(struct enclave *e);
uint64_t paging_evictable(const struct machine *m, const struct sgx_epc_info *epc);
int paging_add_mm(struct enclave *e, struct sgx_mm *mm);
void paging_del_mm(struct enclave *e, struct sgx_mm *mm);
void paging_no_mm(struct enclave *e);

/* --- uffd.c, discard.c ------------------------------------------------------------ */

bool uffd_is(int fd);
int uffd_check(int fd);
int uffd_protect(int uffd, uint64_t addr, unsigned int count);
int uffd_protect_client(struct sgx_mm *mm, uint64_t addr, unsigned int count);
#define DISCARD_FDS_MAX 253u /* that come with a message, Linux: SCM_MAX_FD */
void discard_fd(int fd);
ssize_t discard_recv(int sock, void *buf, size_t size);
bool discard_is_local(int fd);

/* --- prefill.c ------------------------------------------------------------------- */

/* Pages of an enclave's file that are made ahead of their EADDs; by page. */
struct window {
	uint64_t next; /* to be added; the ioctl place's, as is series */
	unsigned series; /* small ADD_PAGES in order so far */
	pthread_mutex_t lock;
	_Atomic uint64_t ready; /* made up to here; written under the lock */
	uint64_t end; /* to be made up to here; under the lock */
	bool queued; /* under prefiller.lock, as is queue_next */
	struct enclave *queue_next;
};

struct prefiller {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct enclave *queue; /* with a reference to each */
	pthread_t thread;
	bool started, failed, stop;
	int cpu; /* whose thread has queued something */
};

void prefill_init(struct machine *m);
void prefill_exit(struct machine *m);
void prefill_begin(struct enclave *e, uint64_t page, uint64_t count, uint64_t rest, bool first);
bool prefill_take(struct enclave *e, uint64_t page);
bool prefill_end(struct enclave *e, uint64_t page, uint64_t count);
void prefill_ahead(struct enclave *e);
void prefill_drop(struct enclave *e);
uint64_t enclave_vacant(const struct enclave *e, uint64_t page, uint64_t want);

/* --- stream.c --------------------------------------------------------------------- */

/* ADD_PAGES of an enclave that a client has posted page by page; under lock. */
struct stream {
	pthread_mutex_t lock; /* the outermost */
	struct client *client; /* whose; NULL: closed.  Atomic to read without lock */
	uint32_t number; /* of the client's streams */
	int error; /* of a page that could not be added; not said yet */
	struct why why; /* and the rule */
	uint64_t head, limit; /* of the client's count: taken in, may be posted */
	uint64_t page; /* in the ELRANGE: head's */
	uint64_t flags; /* of ADD_PAGES */
	struct sgx_secinfo_arch secinfo;
	struct sgx_call *call; /* room to run them; NULL before the first */
};

void stream_close(struct enclave *e);
void stream_settle(struct enclave *e);
void stream_settle_all(struct machine *m);
int stream_begin_ioctl(struct enclave *e, const struct client *c, uint32_t number, uint64_t page,
		       struct why *why);
bool stream_offer(struct enclave *e, struct client *c, uint32_t number, uint64_t page,
		  const struct sgx_secinfo_arch *secinfo, uint64_t flags);
bool stream_serve(struct client *c);
void stream_end_client(struct client *c);

/* --- enclave.c ------------------------------------------------------------------- */

struct counters {
	uint64_t entries, exits, aexs;
};

struct tcs_watch {
	uint32_t page;
	uint64_t entries; /* when enclave_tcs_idle() was last asked */
};

/* One open() of /dev/sgx_enclave. */
struct enclave {
	struct enclave *next; /* machine.enclaves; under machine.lock */
	struct machine *machine;
	struct sgx_encl *sgx;
	uint64_t ino, dev;
	uint64_t key[2]; /* random; told to who holds it, see holder.c */
	atomic_uint refs;
	int memfd; /* until CREATE has mapped it, -1 after */
	int probe; /* read-only; can take a read lease iff nobody has it open */
	int wd; /* inotify watch */
	bool doubt; /* closed, but perhaps not for the last time; main thread */
	atomic_bool handed_out; /* opened: its close is its end */
	bool ending; /* no reference is left: its file goes whole */
	atomic_bool off_list; /* counted in machine.ending */
	uint64_t id; /* EID, 0 before CREATE */
	uint64_t base, size;
	uint8_t *map;
	epc_slot_t *slot_of; /* by page of the ELRANGE: slot + 1 of its EPC page */
#define SLOT_EVICTED EPC_SLOT_NONE /* or that: it is in the backing; 0: never added */
	void **backing; /* by page, the SECS' behind them; NULL: none */
	uint64_t *backing_used; /* bit n: one of backing[512 n ...] was not NULL once */
#define BACKING_BITS 512u
	bool large; /* counted in machine.large */
	uint64_t backing_count; /* written under encl->lock, atomic to read without */
	int tcs_fd;
	struct sgx_tcs_slot *tcs; /* by page, and enclave_epoch() */
	pthread_mutex_t lock; /* below */
	struct tcs_watch *tcs_watch; /* pages of the ELRANGE that are a TCS now */
	uint32_t tcs_count, tcs_room;
	struct counters past; /* of TCS pages that are gone */
	pthread_mutex_t mm_lock; /* below; held while page tables of them are changed */
	struct sgx_mm **mm; /* address spaces that may have PTEs of it */
	uint32_t mm_count, mm_room;
	uint32_t mm_blind; /* of these, without userfaultfd */
	bool mm_closed; /* there will be no more */
	uint64_t pages_added; /* atomic */
	struct client *_Atomic ioctl_owner; /* whose ADD_PAGES goes on in pieces */
	struct window window;
	struct stream stream;
};

/* Context: encl->lock held; prefill.c reads without, and only whether it is 0. */
static inline void enclave_set_slot(struct enclave *e, uint64_t page, epc_slot_t value)
{
	__atomic_store_n(&e->slot_of[page], value, __ATOMIC_RELAXED);
}

/* What is remembered of an enclave that has ended. */
struct enclave_record {
	uint64_t id, size, pages_added;
	bool initialized;
	uint8_t mrenclave[SGX_HASH_SIZE], mrsigner[SGX_HASH_SIZE];
	struct counters counters;
	uint64_t ewb, eldu, soft_faults;
};
#define PAST_ENCLAVES 16u

int enclave_open(struct machine *m, int flags, struct enclave **ret_encl, int *ret_fd);
bool enclave_large_full(struct machine *m);
void enclave_put(struct enclave *e);
/* Every enclave, with a reference to each; free() the array.  NULL: none. */
struct enclave **enclave_all(struct machine *m, uint32_t *ret_count);
void enclave_recheck(struct machine *m);
/* Wait (not for long) until what has been closed by now is released. */
void enclave_settle(struct machine *m, const atomic_bool *stop);
void enclave_settle_ready(struct machine *m);
uint64_t loop_now_ms(void);
void enclave_inotify_ready(struct machine *m, struct source *s, uint32_t events);
int enclave_host_memory(struct sgx_encl *sgx);
void enclave_host_free(struct sgx_encl *sgx);

/* --- tcs.c ----------------------------------------------------------------------- */

static inline uint64_t *enclave_epoch(const struct enclave *e)
{
	return &e->tcs[e->size / SGX_PAGE_SIZE].epoch;
}
void enclave_host_tcs_publish(struct sgx_encl *sgx, uint64_t offset, const struct sgx_tcs *tcs);
void enclave_host_tcs_debug(struct sgx_encl *sgx, uint64_t offset, struct sgx_tcs *tcs, bool write);
bool enclave_host_tcs_retire(struct sgx_encl *sgx, uint64_t offset, struct sgx_tcs *tcs);
bool enclave_tcs_idle(struct enclave *e, uint64_t page);
void enclave_set_epoch(void *ctx, epc_slot_t secs, uint64_t epoch);
uint64_t enclave_oldest_epoch(void *ctx, epc_slot_t secs);
void enclave_host_kick(struct sgx_encl *sgx);
void enclave_counters(struct enclave *e, struct counters *c);
/* Free the TCS slots that are held by threads that live no more. */
void enclave_wipe_dead(struct enclave *e, uint32_t number);

/* --- client.c ------------------------------------------------------------------- */

struct mapping {
	uint64_t start, end;
	uint64_t encl; /* ino */
	uint32_t prot;
};

/* One address space, as kernel/ knows it. */
struct sgx_mm {
	pthread_mutex_t lock;
	struct mapping *mapping; /* sorted, disjoint */
	uint32_t count, room;
	int uffd; /* of the process; -1: none */
};

int mm_insert(struct sgx_mm *mm, const struct mapping *new);
int mm_remove(struct sgx_mm *mm, uint64_t start, uint64_t end);
uint64_t mm_mapped_pages(struct sgx_mm *mm, uint64_t encl);
bool mm_find(struct sgx_mm *mm, uint64_t addr, struct mapping *ret);
bool mm_next(struct sgx_mm *mm, uint64_t addr, struct mapping *ret);
int mm_page_grant(struct sgx_mm *mm, struct sgx_encl *sgx, uint64_t addr, bool write);

/*
 * A process that has an agent.
 *
 *	CONNECT     malformed, uffd that fails      pidfd, hang-up, new CONNECT
 *	-------> SERVED ---------------------> BROKEN -------------------> gone
 *	            '------------------------------------------------------^
 *
 * BROKEN: the process has been killed, nothing of it is served any more.
 */
enum client_state {
	CLIENT_SERVED = 1,
	CLIENT_BROKEN = 2,
};

/* A file that a client is filling, see cpuidscan.c */
struct scan {
	bool used;
	int fd;
	struct proto_file_id id;
};

struct client {
	struct client *next; /* machine.clients; under machine.lock */
	struct machine *machine;
	uint32_t number; /* see client_number() */
	pid_t pid;
	pid_t proc; /* as /proc numbers it */
	struct source pidfd, private;
	struct proto_channel *channel;
	struct sgx_mm mm;
	pthread_t thread;
	atomic_bool stop;
	atomic_int state;
	uint64_t shown_at; /* see holder.c, as are the next two: by number, under machine.lock */
	struct enclave **held;
	uint32_t held_count, held_room;
	pthread_mutex_t stream_lock; /* a leaf; what follows is under it */
	struct scan scan[PROTO_SCANS]; /* the service thread's */
	struct enclave *stream[PROTO_STREAMS]; /* with a reference; NULL: closed */
};

/* Takes the descriptors, also on failure. */
int client_connect(struct machine *m, pid_t pid, int pidfd, int private_fd, int uffd);
void client_end(struct client *c);
uint32_t client_number(const struct client *clients, uint32_t last);
/* The calling thread's CPU is wanted by another: go to another one, if there is any. */
void client_leave_cpu(int cpu);
int client_send(struct client *c, enum proto_msg_type type, uint32_t slot, const int *fds,
		uint32_t count);
void client_break(struct client *c, const char *why, uint64_t value);

/* --- rpc.c ------------------------------------------------------------------------ */

/* One call as it is served: a private copy of the request, and the answer. */
struct sgx_call {
	struct client *client;
	struct enclave *encl;
	uint32_t number; /* of the slot */
	uint32_t used; /* ADD_PAGES: source pages consumed */
	bool ahead; /* prefill_ahead() after the answer */
	bool more; /* an ADD_PAGES that goes on in another call */
	const uint8_t *bulk; /* source pages; shared memory */
	struct proto_slot slot; /* request; the answer's fields of it are filled in */
	uint32_t out; /* bytes of answer[] that go back */
	uint8_t answer[PROTO_DATA_SIZE] __attribute__((aligned(8)));
};

/* Serve one posted slot.  Context: the client's service thread. */
void rpc_serve(struct client *c, uint32_t number, struct sgx_call *call);
/* A client's ADD_PAGES in pieces will not go on. */
void rpc_ioctl_abandon(struct client *c, struct enclave *e);
void rpc_count_added(struct enclave *e, uint64_t pages);

/* --- holder.c --------------------------------------------------------------------- */

int holder_begin(struct client *c);
int holder_give(struct client *c, struct enclave *e);
bool holder_has(const struct client *c, const struct enclave *e);
struct enclave *holder_get(struct client *c, uint64_t ino);
void holder_forget(struct enclave *e);
bool holder_looks(struct client *c, uint64_t dev, uint64_t ino);
int holder_inherit(struct client *c, uint64_t ino, const uint64_t key[2]);

/* --- host.c ------------------------------------------------------------------------ */

extern const struct sgx_host_ops host_ops, host_ops_no_paging;
#define HOST_NO_MOUNT UINT64_MAX /* the kernel counts mounts from 0 */
bool host_fd_file(pid_t proc, int fd, uint64_t *mount, uint64_t *ino);

/* --- cpuidscan.c ------------------------------------------------------------------- */

long cpuid_scan(struct sgx_call *call);
void cpuid_scan_end(struct client *c);

/* --- hostcpu.c --------------------------------------------------------------------- */

void hostcpu_config(const struct cpu_model *model, struct cpu_config *config);
void hostcpu_view(struct machine *m);

/* --- files.c ----------------------------------------------------------------------- */

void files_init(struct machine *m, const struct daemon_options *options);

/* --- pids.c ------------------------------------------------------------------------- */

uint32_t proc_number(const char *path, const char *word);
int pids_depth(pid_t proc);
pid_t pids_at_depth(pid_t proc, int depth);
pid_t pids_in_proc(pid_t pid, int pidfd);
int pids_thread(pid_t pid, int pidfd, uint32_t own, struct inject_target *t);

/* --- sender.c ------------------------------------------------------------------------ */

struct sender {
	pid_t pid; /* as our namespace numbers it; 0: not known */
	int pidfd; /* -errno: none, -ESRCH: the process has ended */
	bool passed; /* by the kernel */
	bool timed;
	struct timespec sent; /* if timed: when, CLOCK_REALTIME */
};

/* What the kernel says of a sender, in a control buffer */
#define SENDER_SPACE                                                  \
	(CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int)) + \
	 CMSG_SPACE(sizeof(struct timespec)))

int sender_watch(int sock, bool pidfds);
void sender_begin(struct sender *s);
void sender_collect(struct sender *s, const struct cmsghdr *c);
void sender_end(struct sender *s);
bool sender_is_there(int pidfd);

/* --- others ------------------------------------------------------------------------- */

void exec_start(struct machine *m, pid_t pid, int pidfd, const struct proto_exec *exec,
		int private_fd);
void exec_failed(struct machine *m, pid_t pid, const struct proto_exec *exec, int private_fd);
void debug_start(struct machine *m, pid_t pid, int pidfd, int fd);
bool debug_serve(struct machine *m, struct conn *c);
bool debug_takes_exec(struct machine *m, pid_t pid, int pidfd, const struct proto_exec *exec);
void debug_ended(struct machine *m);
void control_who(const struct machine *m, int private_fd);
void control_message(struct machine *m, struct conn *c, const struct proto_msg *msg);
char *report_stat(struct machine *m, bool text, uint64_t words[8]);
int sock_send(int sock, const struct proto_msg *msg, const void *text, size_t size, const int *fds,
	      uint32_t count);
int paths_open_machine(struct machine *m, const char *name, struct daemon_ready *ready);
void paths_close_machine(struct machine *m);
int paths_private_dir(int at, const char *path);
int paths_connect(int dir, const char *name, pid_t *ret_pid);
int paths_listen(int dir, const char *name);
void paths_visit(int fd, const struct machine_id *id, pid_t pid, machine_each *each, void *ctx);
void private_open(struct machine *m);
void private_close(struct machine *m);
void private_list(machine_each *each, void *ctx);
void fuses_of(const char *name, uint8_t *fuses, char *warning, size_t size);
const char *firmware_of(const char *name, uint8_t cpusvn[SGX_CPUSVN_SIZE], uint8_t epoch[16]);

void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void limits_lift(void);
const char *limits_cause(int error, char *buf, size_t size);
int limits_check(struct daemon_ready *ready);
void limits_warn(struct daemon_ready *ready);
bool limits_headroom(int fd);

const char *machine_enclave_name(const struct machine *m);
void machine_warn(struct daemon_ready *ready, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

int log_open(void);
void log_init(int fd);
void log_note(struct daemon_ready *ready);
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The last lines, oldest first. */
void log_each(void (*each)(void *ctx, const char *line), void *ctx);

struct machine {
	const char *name; /* NULL: private */
	uint64_t epc_size;
	uint32_t model; /* which processor CPUID shows: enum cpu_model_number */
	struct cpu_package pkg;
	struct cpu_cpuid_view cpuid; /* as its processes see it */
	struct proto_files files; /* the same */
	struct epcm_entry *epcm;
	struct sgx_subsystem *sgx;
	struct epc_memory memory;
	struct prefiller prefill;

	int page_fd; /* machine page */
	struct proto_machine_page *page;
	enum daemon_provision provision; /* who may; a group's is files.provision_gid */
	uint32_t interfaces; /* SGX_INTERFACE_* of the enclave device */
	int provision_fd;
	uint64_t provision_dev, provision_ino;
	uint64_t provision_mount; /* as in fdinfo; HOST_NO_MOUNT: it cannot be told */
	int node_fd; /* what O_PATH opens of /dev/sgx_enclave are of */
	uint64_t node_ino;

	int epoll;
	struct source listener, inotify, signals, wakeup;
	int lock_fd, dir_fd;
	pid_t program; /* of a private machine, see private.c; as are the next two */
	char private_name[16];
	ino_t private_ino;
	struct conn *conns;
	struct debug_exec *debug_execs; /* of processes that debuggers trace; main thread */
	int recheck_ms; /* until enclave_recheck(), 0: not needed */
	uint64_t recheck_at; /* when that is, CLOCK_MONOTONIC in ms */
	pthread_cond_t settled; /* with lock: see enclave_settle() */
	atomic_uint_fast64_t large; /* bytes of ELRANGE of large enclaves, see enclave.c */
	atomic_uint ending; /* enclaves off the list that somebody still has a reference to */
	uint64_t settle_wanted, settle_done;
	bool stopping;
	uint64_t suspends; /* main thread */
	bool private_over; /* the command has ended */
	atomic_uint execs; /* exec threads that run */
	bool spin;

	pthread_mutex_t lock; /* the lists and what follows */
	struct client *clients;
	struct enclave *enclaves;
	struct exec *exec_list;
	uint32_t client_count;
	uint32_t last_number; /* that a client was given; main thread */
	uint64_t enclaves_created, clients_connected, pages_added;
	struct counters past; /* of enclaves that are gone */
	struct enclave_record record[PAST_ENCLAVES];
	uint64_t record_count;
};

int machine_init(struct machine *m, const struct daemon_options *options,
		 struct daemon_ready *ready);
void machine_exit(struct machine *m);

#endif
