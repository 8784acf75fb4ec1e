/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared block between one process (its agent) and the daemon.  This file is
 * the contract: who writes each field, and when.
 *
 * One memfd for each process, made by the daemon at PROTO_MSG_CONNECT, mapped by
 * both.  Calls go through slots; a thread claims any free slot, fills the
 * request, posts it and rings the doorbell; the daemon serves posted slots and
 * marks them done.
 *
 *	        agent: CAS          agent          daemon         agent
 *	  FREE ----------> CLAIMED -------> POSTED -------> DONE -------> FREE
 *
 * The daemon believes nothing it reads here: it copies the request once, and
 * checks the copy.  Slots of a dead process die with the block.
 *
 * A client is given an enclave by OPEN, or by showing what only who has it can have: to
 * LOOKUP and INHERIT.  All calls that name one which their client was not given answer
 * as if it were not there.
 *
 * Version history: 1 first; 2 streams, and why something was refused; 3 enclaves are
 * shown before they are used.
 */
#ifndef PROTO_CHANNEL_H
#define PROTO_CHANNEL_H

#include <base/why.h>
#include <proto/version.h>
#include <sgx/arch.h>
#include <stddef.h>
#include <stdint.h>

#define PROTO_MAGIC	   0x78677773u /* "swgx", little-endian */

#define PROTO_SLOTS	   32u
#define PROTO_SCANS	   8u /* that a client has under way at once */
#define PROTO_BULKS	   4u
#define PROTO_BULK_PAGES   64u /* pages of source data in a bulk area */
#define PROTO_STREAMS	   2u
#define PROTO_STREAM_PAGES 1024u /* pages of source data in a stream's ring; a power of two */

enum proto_slot_state {
	PROTO_FREE = 0,
	PROTO_CLAIMED,
	PROTO_POSTED,
	PROTO_DONE,
	/*
	 * Posted, and the agent waits on the futex (CAS from POSTED).  An agent
	 * that does so sets PROTO_SLOT_TELLS_WAIT in flags, and the daemon saves
	 * the futex wake of an answer that nobody waits for; without the flag it
	 * always wakes.
	 */
	PROTO_WAITED,
};

enum proto_op {
	PROTO_OP_NOP = 0, /* answer 0; for tests and benches */
	PROTO_OP_OPEN, /* a0: enum proto_dev, a1: O_* flags -> ret; descriptor by socket */
	/*
	 * a0: dev, a1: ino of a descriptor -> ino or -ENOTTY; r0 = enum proto_dev.  An enclave is
	 * given to who holds a write lock (F_OFD_SETLK) on the byte channel.shown_at of its file
	 * meanwhile.
	 */
	PROTO_OP_LOOKUP,
	PROTO_OP_ATTACH, /* encl -> data: struct proto_encl_view; TCS table descriptor by socket */
	PROTO_OP_IOCTL, /* encl, a0: cmd, a1: arg uaddr, a2: PROTO_IOCTL_* flags; data: see below */
	PROTO_OP_MAP, /* encl, a0: addr, a1: length, a2: prot, a3: PROTO_MAP_* -> 0 or -errno */
	PROTO_OP_UNMAP, /* encl, a0: addr, a1: length, a2: PROTO_UNMAP_*; r0: pages still mapped here */
	PROTO_OP_FAULT, /* encl, a0: addr, a1: error code, a2: PROTO_FAULT_*, a3: PROT_* of the VMA */
	PROTO_OP_ENCLU, /* encl, a0..a3: RAX, RBX, RCX, RDX; r0: RAX, r1: RBX, see below */
	/*
	 * Where CPUID instructions are in a file that is being mapped.  data: struct
	 * proto_file_id; a1: file offset << 32 | length; a0: 0 at first.  Answer: ret, how
	 * many; data: u32, relative to the offset, ascending; r0: PROTO_NAMES_*.
	 * Where the daemon does not know the file, r1 is the number of a scan instead, and
	 * one descriptor comes, of a memfd of the file's size.  The agent reads its own file
	 * into that, through mappings which it takes away again, and asks anew with a0 = r1:
	 * also where it could not, which ends the scan.  -EBUSY: PROTO_SCANS are under way,
	 * or the memfd is mapped for writing still; -ENODATA: it has not been filled.
	 */
	PROTO_OP_CPUID_SCAN,
	/*
	 * a0: addr, a1: length, a2: prot, a3: PROTO_MAP_RIE or 0: mprotect() of all that
	 * this process maps of enclaves there, in order -> 0 or -errno; r0: where it ended
	 */
	PROTO_OP_PROTECT,
	PROTO_OP_INHERIT, /* encl, a0, a1: key of struct proto_encl_view, by a fork child -> 0, -ENOTTY */
	PROTO_OP_COUNT,
};

enum proto_dev {
	PROTO_DEV_NONE = 0,
	PROTO_DEV_ENCLAVE,
	PROTO_DEV_PROVISION,
	PROTO_DEV_NODE, /* /dev/sgx_enclave opened with O_PATH: the file, and no enclave */
};

/*
 * PROTO_OP_IOCTL.  The agent fetches the argument struct and what it points to
 * (SECS, SECINFO, SIGSTRUCT) into segments; one that it could not read is sent
 * with status -EFAULT, so that the daemon meets the error where upstream's order
 * of checks has it.  The answer's writeback is the argument struct; where the
 * agent cannot store it, the ioctl answers -EFAULT.
 *
 * ADD_PAGES comes in pieces of up to PROTO_BULK_PAGES source pages:
 *
 *	done = 0
 *	loop:
 *		arg = the caller's struct with src, offset += done, length -= done
 *		src_uaddr = arg.src; the next pages, at most PROTO_BULK_PAGES,
 *			into the bulk area; src_pages = how many could be
 *			read, src_status = 0 or the error of the one after them
 *		flags = BULK | (done == 0 ? FIRST : 0) |
 *			(these pages reach the end of length ? LAST : 0) |
 *			(a signal is pending ? SIGNAL : 0)
 *		call; done += r0
 *	while ret == 0, not LAST, not SIGNAL, and r0 was all of the src_pages sent
 *	the caller's own struct (src, offset, length as they were), count = done,
 *		is stored if the last answer has a writeback or done > 0
 *	return ret == -ERESTARTSYS && done ? 0 : ret
 *
 * The first piece is sent also where length, offset or src make no sense or the
 * struct cannot be read (src_pages 0): the daemon says which check fails.  Every
 * piece is checked as an ADD_PAGES of its own, which is the same as the check of
 * the whole once the first piece, whose struct is the caller's, has passed.  The
 * daemon stops a piece after its src_pages with a short count, as for a signal.
 * r0 = bytes that this piece added, also where ret is an error.
 *
 * The enclave's one ioctl place is taken by FIRST and given back by the daemon
 * after a piece that has LAST or SIGNAL, answers an error, or added less than it
 * brought; also when the process dies.  Other ioctls send FIRST | LAST.
 *
 * a3 of an ADD_PAGES of one page: number + 1 of the stream that is to take the
 * calls that follow it, 0: none.  r1 = 1: it is open, see struct proto_stream.
 */
#define PROTO_IOCTL_FIRST	 (1u << 0) /* takes the enclave's one ioctl place, or EBUSY */
#define PROTO_IOCTL_LAST	 (1u << 1) /* gives it back (also done on any error) */
#define PROTO_IOCTL_BULK	 (1u << 2) /* source pages are in bulk area `bulk` */
#define PROTO_IOCTL_SIGNAL	 (1u << 3) /* a signal is pending for the thread */
#define PROTO_IOCTL_PROVISION_FD (1u << 4) /* PROVISION: fd is an open /dev/sgx_provision */

/* proto_slot.flags */
#define PROTO_SLOT_TELLS_WAIT (1u << 0) /* see PROTO_WAITED */

/* PROTO_OP_MAP flags */
#define PROTO_MAP_RIE	    (1u << 2) /* personality has READ_IMPLIES_EXEC */
#define PROTO_MAP_INHERITED (1u << 3) /* by fork, by mremap: it is there, nothing is checked */

/* PROTO_OP_UNMAP flags */
#define PROTO_UNMAP_ASK (1u << 0) /* nothing goes, the pages are counted */

/* PROTO_OP_FAULT flags; ret is enum proto_verdict, r0 the error code */
#define PROTO_FAULT_ENCLAVE (1u << 0) /* in enclave mode */
#define PROTO_FAULT_TCS	    (1u << 1) /* EENTER or ERESUME, of its TCS */
enum proto_verdict {
	PROTO_VERDICT_RETRY = 0,
	PROTO_VERDICT_PF,
	PROTO_VERDICT_SIGBUS,
	PROTO_VERDICT_MCE, /* a machine check */
};

/*
 * A piece of the caller's memory that the agent has fetched for an ioctl: the
 * daemon's copy_from_user finds it by address.  status: 0, or -EFAULT where the
 * memory could not be read.  For ADD_PAGES source pages: pages of a bulk area
 * in order; the first page that failed ends them, its status (-EFAULT, -EACCES)
 * in src_status.
 */
struct proto_segment {
	uint64_t uaddr;
	uint32_t size;
	int32_t status;
	uint32_t offset; /* of its bytes in data[] */
	uint32_t rsvd;
};
#define PROTO_SEGMENTS 4u

/* What the agent must know of an enclave; constant after EINIT but for attributes. */
struct proto_encl_view {
	uint64_t base, size; /* 0, 0 before CREATE */
	uint64_t attributes, xfrm;
	uint32_t ssaframesize, miscselect;
	uint32_t initialized;
	uint32_t rsvd;
	uint64_t key[2]; /* the enclave's, for PROTO_OP_INHERIT by children to come; a secret */
};

/*
 * A stream: ADD_PAGES of one page each on one enclave, every one at the page after
 * the last, with the same SECINFO and flags.  Loaders build whole enclaves so.  The
 * daemon opens it in the answer to such a call (PROTO_OP_IOCTL, a3); it then knows
 * that the next calls of the kind cannot fail: the pages from there on are absent,
 * EPC pages are set aside for them, and whoever else wants to do or see something
 * of the enclave makes the daemon take in first what has been posted.  So the call
 * is over for the agent when the page is posted.
 *
 *	 closed --answer, r1 = 1--> open --daemon: tail |= CLOSED--> closed
 *	                            agent: copies the page to ring[tail % PAGES],
 *	                            then CAS tail -> tail + 1, while tail < limit
 *
 * A page counts from the moment of that CAS, which fails where the daemon has closed
 * the stream meanwhile: nobody waits for an agent that is about to post.  The agent
 * wakes a daemon that sleeps once PROTO_STREAM_WAKE pages wait; fewer may wait until
 * somebody asks.  Where limit is reached the call goes by a slot, which brings a new
 * limit.  The counts go on from one opening to the next.
 */
struct proto_stream {
	uint64_t tail; /* agent: pages posted, since the channel was made; daemon: CLOSED */
	uint64_t limit; /* daemon: tail may grow up to this */
	uint64_t head; /* daemon: pages taken out; a hint for the agent, when to wake */
	uint32_t cpu; /* agent: as in a slot */
	uint32_t rsvd[9];
};
#define PROTO_STREAM_CLOSED (1ull << 63) /* in tail */
#define PROTO_STREAM_WAKE   16u
_Static_assert(sizeof(struct proto_stream) == 64, "a cache line");

#define PROTO_DATA_SIZE 6144u

struct proto_slot {
	uint32_t state; /* atomic enum proto_slot_state; futex of the waiting thread */
	uint32_t tid; /* agent: who claimed it, for reports */
	/* request: written by the agent while CLAIMED */
	uint32_t op; /* enum proto_op */
	uint32_t flags;
	uint64_t encl; /* enclave id: st_ino of its descriptor; 0: none */
	uint64_t a0, a1, a2, a3;
	uint32_t bulk; /* number of the bulk area */
	uint32_t src_pages; /* source pages there */
	uint64_t src_uaddr; /* address of the first */
	int32_t src_status; /* of the page after the last: 0, -EFAULT, -EACCES */
	uint32_t segment_count;
	struct proto_segment segment[PROTO_SEGMENTS];
	/* answer: written by the daemon before DONE */
	int64_t ret; /* 0 or more, or -errno */
	uint64_t r0, r1, r2;
	uint32_t fds; /* descriptors sent over the socket with this answer */
	uint32_t writeback; /* bytes of data[] to copy to writeback_uaddr; 0: none */
	uint64_t writeback_uaddr;
	uint32_t cpu; /* request: CPU of the agent's thread + 1; 0 unknown; a hint */
	uint32_t rsvd0;
	struct why why; /* answer: the rule that refused; WHY_NOTHING: none did */
	uint8_t data[PROTO_DATA_SIZE]; /* both ways */
} __attribute__((aligned(64)));

/*
 * PROTO_OP_ENCLU answers: ret 0 = the leaf completed, r0 = RAX, ZF set iff
 * r2 & 1; ret 1 = fault: r0 = vector, r1 = error code, r2 = address.
 */

struct proto_channel {
	uint32_t magic, version; /* daemon, once */
	uint32_t client; /* daemon, once: number of this client */
	uint32_t doorbell; /* agent: +1 after POSTED; futex of the daemon */
	uint32_t daemon_sleeps; /* daemon: 1 while it may wait on the doorbell */
	uint32_t spin; /* daemon, once: may the agent spin (more than one CPU)? */
	uint32_t panic_code; /* agent: see agent/panic; 0 none */
	uint32_t panic_line;
	uint64_t panic_value;
	uint32_t bulk_owner[PROTO_BULKS]; /* agent: slot number + 1, 0 free; CAS */
	uint32_t daemon_cpu; /* daemon: CPU of its thread + 1; 0 unknown; a hint */
#define PROTO_CPU_MOVING ~0u /* it is about to have another: worth a wait */
	uint32_t rsvd0;
	uint64_t
		shown_at; /* daemon, once: byte that is locked in what is shown, see PROTO_OP_LOOKUP */
	uint32_t rsvd[10];
	struct proto_stream stream[PROTO_STREAMS];
	struct proto_slot slot[PROTO_SLOTS];
};

#define PROTO_BULK_OFFSET   (256u << 10) /* of bulk area 0 in the file */
#define PROTO_BULK_SIZE	    (PROTO_BULK_PAGES * SGX_PAGE_SIZE)
#define PROTO_STREAM_OFFSET (PROTO_BULK_OFFSET + PROTO_BULKS * PROTO_BULK_SIZE)
#define PROTO_STREAM_SIZE   (PROTO_STREAM_PAGES * SGX_PAGE_SIZE)
#define PROTO_CHANNEL_SIZE  (PROTO_STREAM_OFFSET + PROTO_STREAMS * PROTO_STREAM_SIZE)

_Static_assert(sizeof(struct proto_channel) <= PROTO_BULK_OFFSET, "channel header size");
_Static_assert(offsetof(struct proto_slot, data) % 8 == 0, "slot data alignment");

/*
 * One page for the whole machine, mapped read-only by every process.
 *
 * alive is a robust futex that the daemon holds for its life: the kernel sets
 * FUTEX_OWNER_DIED in it however the daemon ends.  A lost daemon is a lost EPC.
 */
struct proto_machine_page {
	uint32_t magic, version;
	uint32_t alive; /* word of the daemon's robust mutex, at offset 8 */
	uint32_t pad[13];
	uint64_t boot; /* changes when the EPC's content is lost */
	uint64_t xfrm; /* XFRM bits that CPUID 12H.1 offers */
	uint64_t features; /* PROTO_FEATURE_* */
};
#define PROTO_FEATURE_GENUINEINTEL (1u << 0) /* CPUID shows an Intel processor */

#define PROTO_ALIVE_DIED	   0x40000000u /* FUTEX_OWNER_DIED */

#endif
